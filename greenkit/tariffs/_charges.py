"""Prices of single intervals, and the comparison of printed with computed charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import frame, times
from greenkit.analysis.bills import tidy_bills
from greenkit.findings import Findings, Kind
from greenkit.tariffs import _grammar, _load
from greenkit.tariffs._bill import BillInfo, PlanSource, PriceSources, Pricing, price
from greenkit.tariffs._layout import bill_period, wires_of
from greenkit.tariffs._model import Charge, PlanError, Schedule
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._series import SeriesBook, Steps, columns_of, prices_at
from greenkit.tariffs._usage import Floats, meters

TOLERANCE: Final = 0.02
"""Difference in money that the rounding of lines explains."""

MARGINAL: Final = Kind(
    "tariff.intervals.marginal",
    "info",
    "Interval prices include energy and delivery per kWh. They do not include {left_out}.",
)

Prices = PlanSource | pd.Series | pd.DataFrame


def price_intervals(df: pd.DataFrame, plan: Prices, *, prices: PriceSources | None = None) -> pd.DataFrame:
    """Return what each interval costs at the margin.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. Delivered energy is priced; other rows have no price.
    plan : Plan, path, mapping, Series, or DataFrame
        A plan, or prices per kWh as a Series or DataFrame with zone-aware times.
    prices : mapping, optional
        As for :func:`greenkit.tariffs.price`.

    Returns
    -------
    DataFrame
        The frame, with one row for each physical flow and time as :func:`greenkit.frame.physical` returns, and two
        more columns: ``computed_price`` per kWh and ``computed_cost``, in the plan's currency, NaN where a row is not
        delivered energy or has no value. Tiers count in order of time within a calendar month.
        ``attrs["greenkit"]`` has ``load_weighted`` (Σ cost ÷ Σ kWh), ``simple_mean`` (mean price over time), and
        ``not_included``, the charges of the plan that no single interval causes.

    Raises
    ------
    PlanError
        If the plan cannot price these data, or an interval has no price in a series.
    """
    df = frame.physical(df)
    made = df.copy()
    found = np.full(len(df), np.nan)
    left_out: list[str] = []
    if isinstance(plan, pd.Series | pd.DataFrame):
        steps = columns_of(plan, "prices")
        if len(steps) != 1:
            raise PlanError(f"The prices have {len(steps)} columns", next_step="Pass one column of prices.")
        mine = _delivered(df)
        start, end = (times.to_instants(df[c])[mine] for c in ("start", "end"))
        one = next(iter(steps.values()))
        if not isinstance(one, Steps):
            raise PlanError(
                "Prices of single intervals must have an index of times",
                next_step="Pass a Series with zone-aware times.",
            )
        none = np.zeros(len(start), dtype=np.int64)
        found[mine] = prices_at(one, start, end, none, none, np.isfinite(df["value"].to_numpy()[mine]), "prices", "UTC")
    else:
        loaded = _load.load_plan(plan)
        left_out = _not_included(loaded)
        _plan_prices(df, loaded, SeriesBook(prices), found)
    value = df["value"].to_numpy(dtype=np.float64)
    made["computed_price"] = found
    made["computed_cost"] = found * value
    known = np.isfinite(found) & np.isfinite(value)
    hours = ((times.to_instants(df["end"]) - times.to_instants(df["start"])) / 3.6e9)[known]
    energy, worth = float(value[known].sum()), float((found * value)[known].sum())
    notes = Findings(frame.findings_of(df))
    if left_out:
        notes.add(MARGINAL, left_out=", ".join(left_out))
    frame.note(made, notes)
    made.attrs["greenkit"] = {
        **made.attrs.get("greenkit", {}),
        "load_weighted": worth / energy if energy > 0 else float("nan"),
        "simple_mean": float((found[known] * hours).sum() / hours.sum()) if hours.sum() > 0 else float("nan"),
        "not_included": left_out,
    }
    return made


def _delivered(df: pd.DataFrame) -> Any:
    return (df["flow"].astype("str").isin(["delivered", "unknown"]) & (df["unit"].astype("str") == "kWh")).to_numpy()


def _marginal(charge: Charge) -> bool:
    """Return whether a charge is for each kWh, whatever the kWh of the bill."""
    return charge.per == "kWh" and not charge.band.bounds


def _not_included(plan: Plan) -> list[str]:
    made = []
    for terms in plan.terms:
        made += [c.name for c in terms.charges if not _marginal(c)]
        made += [c.name for c in (terms.wires.charges if terms.wires else ()) if not _marginal(c)]
        made += [d.name for d in (*terms.demand, *(terms.wires.demand if terms.wires else ()))]
        made += ["the minimum bill"] if terms.minimum else []
        made += [t.name for t in terms.taxes]
        made += ["the baseline"] if terms.baseline else []
        made += ["export credits"] if terms.export else []
    return list(dict.fromkeys(made))


def _plan_prices(df: pd.DataFrame, plan: Plan, book: SeriesBook, found: Floats) -> None:
    pricing = Pricing(plan, "month", book, rounded=False)
    starts = pd.Index(times.to_instants(df["start"]))
    names = df["meter"].astype("str").to_numpy()
    mine = _delivered(df)
    for meter in meters(df, plan.unit):
        of = pricing.quantities(meter)
        rows, cost = of.layout.rows, np.zeros(len(meter.delivered))
        each = np.full(len(rows.source), np.nan)
        for s, part in enumerate(of.parts):
            here = rows.segment == s
            if part.version < 0 or not here.any():
                continue
            terms = plan.terms[part.version]
            total = np.zeros(int(here.sum()))
            wires = terms.wires
            if wires is not None and wires.table is not None:
                try:
                    wires = wires_of(plan, part.version, part.first, of.bills[part.bill].last)
                except KeyError:
                    continue
            for source, factor in ((terms.energy, 1.0), (wires.energy if wires else None, float(terms.loss_factor))):
                if source is not None:
                    total += factor * _row_prices(plan, source.of(part.season), of, here, s, book)
            month = rows.date[here].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
            for charge in (*terms.charges, *(wires.charges if wires else ())):
                if _marginal(charge):
                    amount = float(charge.amount) * (float(terms.loss_factor) if charge.kind == "wires" else 1.0)
                    total += amount * (np.isin(month, list(charge.months)) if charge.months else 1.0)
            each[here] = total
        share = rows.share if rows.share is not None else np.ones(len(rows.source))
        # an interval in pieces has the mean price of its pieces, by their share of its energy
        good = np.isfinite(each)
        np.add.at(cost, rows.source[good], (each * share)[good])
        known = np.zeros(len(meter.delivered))
        np.add.at(known, rows.source[good], share[good])
        price_of = np.divide(cost, known, out=np.full(len(cost), np.nan), where=known > 0)
        price_of[~meter.delivered.valid] = np.nan
        where = np.flatnonzero(mine & (names == meter.name))
        place = pd.Index(meter.delivered.start).get_indexer(starts[where])
        found[where] = np.where(place >= 0, price_of[np.maximum(place, 0)], np.nan)


def _row_prices(plan: Plan, schedule: Schedule, of: Any, here: Any, segment: int, book: SeriesBook) -> Floats:
    """Return the marginal price of the rows of one segment; tiers by the running total of the segment."""
    rows = of.layout.rows
    period = of.layout.period(schedule)[here]
    made = np.zeros(int(here.sum()))
    running = np.cumsum(of.values[here]) - of.values[here]
    part = of.parts[segment]
    for p, one in enumerate(schedule.periods):
        mine = period == p
        if not mine.any():
            continue
        if one.series is not None:
            start, end, klass, minute = (r[here][mine] for r in (rows.start, rows.end, rows.klass, rows.minute))
            needed = of.values[here][mine] != 0
            for steps in book.load(plan, one.series).values():
                base = prices_at(steps, start, end, klass, minute, needed, one.series.source, of.zone)
                made[mine] += float(one.series.loss_factor) * (
                    float(one.series.multiplier) * base + float(one.series.adder)
                )
            continue
        bounds = []
        for tier in one.tiers[:-1]:
            if tier.to is None:
                raise PlanError(
                    f"{plan.name} has tiers in hours of use, so a single interval has no price",
                    next_step="Use df.gk.price.",
                )
            factor = part.days if schedule.per == "day" else 1.0
            if schedule.tier_month is not None:
                factor = part.days / float(schedule.tier_month)
            bounds.append(float(tier.to) * factor)
        level = np.searchsorted(bounds, running[mine], side="right") if bounds else np.zeros(int(mine.sum()), int)
        made[mine] += np.array([float(t.price) for t in one.tiers])[level]
    return made


# -- printed charges


def reconcile_charges(
    df: pd.DataFrame,
    plan: PlanSource,
    bills: pd.DataFrame,
    *,
    line_items: pd.DataFrame | None = None,
    match: Mapping[str, str] | None = None,
    prices: PriceSources | None = None,
    tolerance: float = TOLERANCE,
) -> pd.DataFrame:
    """Compare printed bills with computed ones.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    plan : Plan, path, or mapping
        A plan, or a source that :func:`greenkit.load_plan` accepts.
    bills : DataFrame
        Printed bills: ``start``, ``end``, and ``cost``, such as the ``bills`` of :func:`greenkit.open_espi`.
    line_items : DataFrame, optional
        Printed lines: ``bill_start`` or ``start`` of the bill, ``note`` or ``name``, ``amount``, and optionally
        ``meter``, such as the ``line_items`` of :func:`greenkit.open_espi`. Lines of one name are added.
    match : mapping, optional
        Printed name → computed line, for lines whose names differ. A computed line has the names of ``Bill.frame``:
        its line, kind, period, component, season and period (``"summer peak"``), or line and period
        (``"energy peak"``), whatever their case. Default: equal names.
    prices : mapping, optional
        As for :func:`greenkit.tariffs.price`.
    tolerance : float
        Difference that still agrees, in the plan's currency. Default: 0.02.

    Returns
    -------
    DataFrame
        One row for each bill (``line`` is ``"total"``), also for bills without intervals, and one for each printed or
        computed line of a bill with line items: ``meter``, ``bill``, ``line``, ``billed_amount``, ``computed_amount``,
        ``difference`` (computed − billed), ``status`` (``"match"``, ``"differs"``, ``"only billed"``,
        ``"only computed"``, ``"no amount"``), ``present``, ``expected``, and ``currency``. No bills give no rows.

    Raises
    ------
    PlanError
        If the bills are in another currency than the plan, ``match`` names a line that does not exist, or the plan
        cannot price these data.
    """
    loaded = _load.load_plan(plan)
    _check_currency(loaded, bills)
    table = tidy_bills(bills, loaded.zone)
    if not len(table):
        return _empty(loaded)
    made = price(df, loaded, periods=bills, prices=prices)
    lines = _labeled(made.frame)
    items = None if line_items is None else _items(line_items, loaded.zone)
    if items is not None:
        _check_match(match or {}, items, lines, loaded)
    printed = {
        (str(m), int(a), int(b)): float(c)
        for m, a, b, c in zip(
            table["meter"],
            times.to_instants(table["start"]),
            times.to_instants(table["end"]),
            table["cost"],
            strict=True,
        )
    }
    rows = []
    seen = set()
    for info in made._infos:
        of = info.meter if (info.meter, info.start, info.end) in printed else ""
        billed = printed.get((of, info.start, info.end), np.nan)
        seen.add((of, info.start, info.end))
        rows.append(_row(info, "total", billed, float(info.total), tolerance))
        if items is not None:
            own = lines[(lines["meter"] == info.meter) & (lines["bill"] == info.bill)]
            rows += _item_rows(info, own, _items_of(items, info), match or {}, tolerance)
    for (of, start, end), billed in printed.items():
        if (of, start, end) not in seen:
            rows.append(_unpriced(of, start, end, billed, loaded.zone))
    out = pd.DataFrame(rows, columns=_COLUMNS)
    out["currency"] = loaded.currency
    return out


_COLUMNS: Final = ["meter", "bill", "line", "billed_amount", "computed_amount", "difference", "status", "present",
                   "expected"]  # fmt: skip


def _unpriced(meter: str, start: int, end: int, billed: float, zone: str) -> tuple[Any, ...]:
    """Return the row of a printed bill that has no intervals, or no price in the plan."""
    name = bill_period(start, end, zone).name
    status = "no amount" if np.isnan(billed) else "only billed"
    return (meter, name, "total", billed, float("nan"), float("nan"), status, 0, 0)


def _empty(plan: Plan) -> pd.DataFrame:
    made = pd.DataFrame({c: pd.Series(dtype="float64" if "amount" in c else "str") for c in _COLUMNS})
    return made.assign(currency=plan.currency)


def _check_currency(plan: Plan, bills: pd.DataFrame) -> None:
    if "currency" not in bills.columns:
        return
    other = {str(c) for c in bills["currency"].dropna().unique()} - {plan.currency, ""}
    if other:
        raise PlanError(
            f"The bills are in {', '.join(sorted(other))}, and the plan {plan.name} is in {plan.currency}",
            next_step="Use a plan in the currency of the bills.",
        )


def _row(info: BillInfo, name: str, billed: float, computed: float, tolerance: float) -> tuple[Any, ...]:
    if np.isnan(billed) and np.isnan(computed):
        status = "no amount"
    elif np.isnan(billed):
        status = "no amount" if name == "total" else "only computed"
    elif np.isnan(computed):
        status = "only billed"
    else:
        status = "match" if abs(computed - billed) <= tolerance + 1e-9 else "differs"
    step = round(computed - billed, 2) if np.isfinite(computed - billed) else float("nan")
    return (info.meter, info.bill, name, billed, computed, step, status, info.present, info.expected)


def _items(items: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Return printed lines as ``meter``, ``bill`` (start in microseconds UTC; -1 without one), ``name``, ``amount``."""
    name = next((c for c in ("note", "name", "line", "description") if c in items.columns), None)
    if name is None or "amount" not in items.columns:
        raise PlanError("Line items need the columns note and amount", next_step="Rename your columns.")
    made = pd.DataFrame({"name": items[name].astype("object").where(items[name].notna(), "").astype("str").str.strip()})
    made["meter"] = items["meter"].astype("str") if "meter" in items.columns else ""
    made["amount"] = pd.to_numeric(items["amount"]).astype("float64")
    column = next((c for c in ("bill_start", "start") if c in items.columns), None)
    made["bill"] = np.int64(-1)
    if column is not None:
        at = pd.to_datetime(items[column])
        at = at.dt.tz_localize(zone) if at.dt.tz is None else at
        made["bill"] = times.to_instants(pd.DatetimeIndex(at))
    # facts such as the number of days have no amount, and some feeds write 0
    return made[made["amount"].notna()]


def _items_of(items: pd.DataFrame, info: BillInfo) -> pd.Series[Any]:
    """Return the printed amounts of one bill by name; lines of one name are added."""
    mine = items[items["meter"].isin(["", info.meter]) & items["bill"].isin([-1, info.start])]
    return mine.groupby("name", sort=False)["amount"].sum()


def _labeled(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the computed lines with the names by which a printed line can refer to each, in lowercase."""
    words = [lines[c].astype("str").str.lower() for c in ("line", "season", "period", "component")]
    line, season, period, component = words
    alike = [line, lines["kind"].astype("str").str.lower(), period, component]
    alike += [season + " " + period, line + " " + period, line + " " + season, line + " " + season + " " + period]
    labels = [frozenset(" ".join(x.split()) for x in row) - {""} for row in zip(*alike, strict=True)]
    return lines.assign(labels=pd.Series(labels, index=lines.index, dtype="object"))


def _check_match(match: Mapping[str, str], items: pd.DataFrame, lines: pd.DataFrame, plan: Plan) -> None:
    """Raise if ``match`` names a printed line that no bill has, or a computed line that the plan cannot have."""
    printed = list(dict.fromkeys(items["name"]))
    known = frozenset().union(*lines["labels"]) | {n.lower() for n in _grammar.known_lines(plan)}
    for name, wanted in match.items():
        if name not in printed:
            problem, names = f"match names the printed line {name!r}, which no bill has", printed
        elif " ".join(wanted.lower().split()) not in known:
            problem, names = f"match names the computed line {wanted!r}, which the plan does not have", sorted(known)
        else:
            continue
        raise PlanError(problem, next_step=_grammar.nearest(name if names is printed else wanted, names))


def _item_rows(
    info: BillInfo, own: pd.DataFrame, items: pd.Series[Any], match: Mapping[str, str], tolerance: float
) -> list[tuple[Any, ...]]:
    left = own
    rows = []
    for name, billed in items.items():
        wanted = " ".join(match.get(str(name), str(name)).lower().split())
        hit = np.array([wanted in labels for labels in left["labels"]], dtype=bool)
        computed = float(left.loc[hit, "amount"].sum()) if hit.any() else float("nan")
        left = left[~hit]
        rows.append(_row(info, str(name), float(billed), computed, tolerance))
    for line, amount in left.groupby("line", observed=True, sort=False)["amount"].sum().items():
        rows.append(_row(info, str(line), float("nan"), float(amount), tolerance))
    return rows
