"""Bills without intervals: 12 to 36 rows of start, end, kWh, and perhaps kW, which is what most customers have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.analysis.bills import tidy_bills
from greenkit.findings import Findings
from greenkit.tariffs import _load
from greenkit.tariffs._bill import Bill, BillInfo, PlanSource, plan_findings, report_long, report_refused
from greenkit.tariffs._engine import Line, Notes, Pricer
from greenkit.tariffs._layout import bill_period, segments, wires_changes
from greenkit.tariffs._model import ZERO, PlanError
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._quantities import RegisterQuantities

Mix = Mapping[str, float]
_KWH: Final = ("kwh", "usage", "value", "delivered", "kwh_used", "consumption", "energy")
_KW: Final = ("kw", "demand", "peak_kw", "billed_kw", "peak_demand")
_RECEIVED: Final = ("received", "kwh_received", "export", "exported")


def price_bills(plan: PlanSource, bills: pd.DataFrame, *, assumed_mix: Mix | None = None, rounded: bool = True) -> Bill:
    """Price bills that have only their kWh, and perhaps their kW.

    Parameters
    ----------
    plan : Plan, path, or mapping
        A plan, or a source that :func:`greenkit.load_plan` accepts.
    bills : DataFrame
        One row for each bill: ``start``, ``end`` (the first day after it), ``kWh``, and optionally ``kW``, ``received``
        (kWh), and ``meter``. The bills of :func:`greenkit.open_espi` and :func:`greenkit.open_smt` are accepted.
    assumed_mix : mapping, optional
        Period → share of the kWh, for a plan with time-of-use prices. Default: the plan's own ``assumed_mix``.
    rounded : bool
        Round each line to the cent. Default: True.

    Returns
    -------
    Bill
        As :func:`greenkit.tariffs.price` returns it, with zeros for present, expected, and estimated intervals.

    Raises
    ------
    PlanError
        If the plan needs to know when energy was used and no mix is stated, or a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [1000.0]})
    >>> price_bills({"name": "Flat", "zone": "America/Chicago", "energy": 0.12, "fixed": 4.95}, rows).total
    Decimal('124.95')
    """
    plan = _load.load_plan(plan)
    table = register_rows(bills, plan.zone)
    findings = plan_findings(plan)
    lines: list[Line] = []
    infos: list[BillInfo] = []
    for meter, rows in table.groupby("meter", sort=False):
        made, held = _meter(plan, str(meter), rows, assumed_mix, rounded, findings)
        lines += made
        infos += held
    if not infos and findings.named("tariff.version.none"):
        worst = findings.named("tariff.version.none")[0]
        raise PlanError(worst.text.removesuffix("."), next_step=worst.what_to_do)
    return Bill(plan, lines, infos, findings)


def _meter(
    plan: Plan, meter: str, rows: pd.DataFrame, mix: Mix | None, rounded: bool, findings: Findings
) -> tuple[list[Line], list[BillInfo]]:
    bills = [bill_period(int(a), int(b), plan.zone) for a, b in zip(rows["start"], rows["end"], strict=True)]
    parts = [w for s in segments(plan, bills) for w in wires_changes(plan, s)]
    kw = rows["kw"].to_list() if rows["kw"].notna().any() else None
    received = rows["received"].fillna(0.0).to_list() if rows["received"].notna().any() else None
    stated = dict(mix) if mix else {k: float(v) for k, v in plan.assumed_mix}
    total = sum(float(v) for v in stated.values())
    if stated and abs(total - 1) > 0.005:
        raise PlanError(f"The assumed mix adds up to {total:g}", next_step="Pass shares that add up to 1.")
    of = RegisterQuantities(plan, meter, bills, parts, rows["kwh"].to_list(), kw, received, stated)
    notes = Notes(meter)
    pricer = Pricer(plan, of, notes, rounded=rounded)
    lines: list[Line] = []
    infos = []
    refused = []
    for b, bill in enumerate(bills):
        if b in pricer.refused:
            refused.append((bill.name, pricer.refused[b]))
            continue
        made = pricer.bill(b)
        lines += made
        infos.append(
            BillInfo(
                meter, bill.name, bill.start, bill.end, plan.zone, bill.days, of.delivered(b), of.received(b),
                sum((x.amount for x in made), ZERO), True, 0, 0, 0,
            )
        )  # fmt: skip
    report_refused(refused, plan, meter, findings)
    report_long(plan, bills, meter, findings)
    notes.report(findings)
    return lines, infos


def register_rows(bills: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Convert bills to the columns meter, start and end (microseconds UTC), kwh, kw, and received.

    Raises
    ------
    PlanError
        If there are no dates or no kWh.
    """
    if not isinstance(bills, pd.DataFrame):
        raise PlanError(
            f"Bills must be a DataFrame with start, end, and kWh, not {type(bills).__name__}",
            next_step="Build a DataFrame with one row for each bill.",
        )
    table = tidy_bills(bills, zone)
    if table[["start", "end"]].isna().any().any():
        raise PlanError("A bill has no start or no end", next_step="Set both dates of every bill.")
    kwh = table["value"]
    if "overall_consumption_last_period" not in bills.columns:
        own = _column(bills, _KWH)
        if own is None:
            raise PlanError("The bills have no column of kWh", next_step="Name the column kWh.")
        order = _order(bills, zone)
        kwh = pd.Series(own.to_numpy(dtype=np.float64)[order])
        kw, received = (
            None if c is None else pd.Series(c.to_numpy(dtype=np.float64)[order])
            for c in (_column(bills, _KW), _column(bills, _RECEIVED))
        )
    else:
        order = _order(bills, zone)
        demand = bills["peak_demand"].to_numpy(dtype=np.float64)[order] if "peak_demand" in bills.columns else None
        kw, received = (None if demand is None else pd.Series(demand)), None
    made = pd.DataFrame(
        {
            "meter": table["meter"].replace("", "bills"),
            "start": times.to_instants(table["start"]),
            "end": times.to_instants(table["end"]),
            "kwh": kwh,
        }
    )
    made["kw"] = np.nan if kw is None else kw
    made["received"] = np.nan if received is None else received
    if made["kwh"].isna().any() or (made["kwh"] < 0).any():
        raise PlanError("A bill has no kWh, or less than 0", next_step="Correct or remove that bill.")
    if (made["end"] <= made["start"]).any():
        raise PlanError("A bill ends on or before its first day", next_step="Set end to the first day after the bill.")
    return made


def _order(bills: pd.DataFrame, zone: str) -> Any:
    """Return the order in which ``tidy_bills`` sorts rows, so that other columns follow it."""
    marked = bills.assign(field=[str(i) for i in range(len(bills))])
    if "overall_consumption_last_period" in bills.columns:
        marked = marked.rename(columns={"start_date": "start", "end_date": "end"})[["meter", "start", "end", "field"]]
    return tidy_bills(marked, zone)["field"].astype("int64").to_numpy()


def _column(bills: pd.DataFrame, names: Sequence[str]) -> pd.Series[Any] | None:
    lower = {str(c).lower(): c for c in bills.columns}
    found = next((lower[n] for n in names if n in lower), None)
    return bills[found] if found is not None else None
