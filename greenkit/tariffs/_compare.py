"""Plans side by side: which is cheapest, by how much, in which months, and whether a gap could change the answer."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _html, frame
from greenkit.findings import Findings, Kind
from greenkit.tariffs import _gaps, _grammar, _load, _ranking, _registers, _text, _words
from greenkit.tariffs._bill import Bill, BillInfo, BillPeriods, PlanSource, PriceSources, Pricing, price
from greenkit.tariffs._model import PlanError
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._series import SeriesBook
from greenkit.tariffs._usage import Floats, meters

Plans = Sequence[PlanSource] | str | os.PathLike[str] | pd.DataFrame
SHARES: Final = (0.25, 0.5, 0.75, 1.0)
"""Shares of the estimated usage of gaps with which plans are compared again."""
TIE: Final = 0.005
"""Difference in the plan's currency below which two plans cost the same."""

UNCERTAIN: Final = Kind(
    "tariff.compare.uncertain",
    "warning",
    "Gaps could change the ranking: {best} is cheapest for the intervals in the data, but {other} is cheapest if the "
    "missing intervals have {share}% of the usage of similar days.",
    "Load the missing intervals before you choose.",
)
NOT_WHOLE: Final = Kind(
    "tariff.compare.partial-bills",
    "warning",
    "greenkit ranked the plans over {whole} of {count:bill}, because the others are incomplete, have more than 10% "
    "gaps, or have no price in one of the plans.",
    "Load the missing intervals, or compare over other dates.",
)
NONE_WHOLE: Final = Kind(
    "tariff.compare.no-whole-bill",
    "serious",
    "None of {count:bill} {count:is|are} complete and priced in every plan, so greenkit ranked the plans over all "
    "bills that are priced in every plan.",
    "Load complete data before you choose.",
)
EXPORT_UNPRICED: Final = Kind(
    "tariff.compare.export-unpriced",
    "warning",
    "{count:plan} of {of:,} {count:defines|define} no price for exported energy, so {kwh:,.0f} {unit} of exported "
    "energy earns no credit there: {names}.",
    "Add [export] to a plan if its label or tariff sheet has a price.",
)
LESS_THAN_YEAR: Final = Kind(
    "tariff.compare.less-than-a-year",
    "info",
    "The ranked bills cover {days:day}. The plan that is cheapest for these days may not be the cheapest for a full "
    "year.",
)


@dataclass(frozen=True)
class _Costs:
    """Unrounded costs: one row for each bill of each meter, one column for each plan; NaN where a plan has no price."""

    keys: pd.DataFrame
    cost: Floats


class Comparison:
    """Plans ranked by what they cost for the same usage.

    Create it with ``df.gk.compare_plans(plans)`` or :func:`greenkit.tariffs.rank_bills`.

    Attributes
    ----------
    plans : tuple of Plan
        In the order in which they were given.
    findings : Findings
        Whether gaps could change the answer, and what the ranking is based on.
    """

    def __init__(
        self, plans: Sequence[Plan], costs: _Costs, filled: Mapping[float, Floats], findings: Findings, bill_of: Any
    ) -> None:
        self.plans, self.findings = tuple(plans), findings
        self._costs, self._filled, self._bill_of = costs, dict(filled), bill_of
        self._used = self._ranked_rows()
        self._report()

    # -- what is ranked

    def _ranked_rows(self) -> Any:
        known = np.isfinite(self._costs.cost).all(axis=1)
        whole = self._costs.keys["whole"].to_numpy(dtype=bool) & known
        return whole if whole.any() else known

    def _report(self) -> None:
        keys = self._costs.keys
        count, whole = len(keys), int((keys["whole"].to_numpy(dtype=bool) & self._used).sum())
        if count and not whole:
            self.findings.add(NONE_WHOLE, count=count)
        elif whole < count:
            self.findings.add(NOT_WHOLE, count=count, whole=whole)
        days = keys[self._used].groupby("meter", observed=True)["days"].sum()
        if len(days) and days.max() < 350:
            self.findings.add(LESS_THAN_YEAR, days=int(days.max()))
        self._report_export(float(keys["received"][self._used].sum()))
        change = self._change
        if change is not None:
            self.findings.add(
                UNCERTAIN, best=self.best, other=change[1], share=round(100 * change[0]), missing_share=change[0]
            )

    def _report_export(self, kwh: float) -> None:
        unpriced = [p.name for p in self.plans if any(t.export is None for t in p.terms)]
        if kwh > 0 and unpriced:
            names = ", ".join(unpriced[:5]) + (", …" if len(unpriced) > 5 else "")
            words = {"of": len(self.plans), "unit": self.plans[0].unit, "names": names}
            self.findings.add(EXPORT_UNPRICED, count=len(unpriced), kwh=round(kwh, 6), words=words)

    @cached_property
    def _totals(self) -> Floats:
        return np.asarray(self._costs.cost[self._used].sum(axis=0), dtype=np.float64)

    @cached_property
    def _change(self) -> tuple[float, str] | None:
        """Return the first share of the missing usage at which another plan wins, and that plan."""
        if not len(self.plans) or not self._used.any():
            return None
        first = self._winners(self._totals)
        for share, cost in sorted(self._filled.items()):
            # over the ranked bills, and over all bills that could be priced once their gaps are filled
            known = np.isfinite(cost).all(axis=1) & self._costs.keys["full"].to_numpy(dtype=bool)
            for rows in (self._used, known):
                if rows.any():
                    now = self._winners(cost[rows].sum(axis=0))
                    if not first & now:
                        return share, self.plans[min(now)].name
        return None

    @staticmethod
    def _winners(totals: Floats) -> set[int]:
        return {int(i) for i in np.flatnonzero(totals <= totals.min() + TIE)}

    # -- results

    @property
    def best(self) -> str:
        """Name of the cheapest plan; of equal plans, the first one passed."""
        return self.plans[int(np.argmin(self._totals))].name if len(self.plans) else ""

    @property
    def certain(self) -> bool:
        """Whether the cheapest plan stays the cheapest however much of the estimated usage the gaps have."""
        return self._change is None

    @property
    def ranking(self) -> pd.DataFrame:
        """The plans from the cheapest to the most expensive.

        Returns
        -------
        DataFrame
            ``rank`` (equal for equal costs), ``plan``, ``computed_cost`` over the ranked bills of all meters,
            ``difference`` to the cheapest, ``bills_won`` (bills for which it is cheapest), ``lowest_bill``,
            ``highest_bill``, ``cost_low`` and ``cost_high`` (range over what the gaps may have used), ``bills``, and
            ``currency``. Costs are rounded to the cent only here.
        """
        totals, cost = self._totals, self._costs.cost[self._used]
        with_gaps = [totals, *(f[self._used].sum(axis=0) for f in self._filled.values())]
        won = (cost <= cost.min(axis=1, keepdims=True) + TIE).sum(axis=0) if len(cost) else np.zeros(len(self.plans))
        rank = 1 + (totals[:, None] > totals[None, :] + TIE).sum(axis=1)
        made = pd.DataFrame(
            {
                "rank": rank.astype("int64"),
                "plan": [p.name for p in self.plans],
                "computed_cost": totals.round(2),
                "difference": (totals - (totals.min() if len(totals) else 0)).round(2),
                "bills_won": won.astype("int64"),
                "lowest_bill": cost.min(axis=0).round(2) if len(cost) else np.nan,
                "highest_bill": cost.max(axis=0).round(2) if len(cost) else np.nan,
                "cost_low": np.min(with_gaps, axis=0).round(2),
                "cost_high": np.max(with_gaps, axis=0).round(2),
                "bills": int(self._used.sum()),
                "currency": [p.currency for p in self.plans],
            }
        )
        order = np.argsort(totals, kind="stable")
        return made.iloc[order].reset_index(drop=True)

    @property
    def by_bill(self) -> pd.DataFrame:
        """The cost of each bill on each plan.

        Returns
        -------
        DataFrame
            ``meter``, ``bill``, ``days``, ``delivered``, ``ranked``, one column for each plan, and ``cheapest``.
        """
        keys = self._costs.keys
        names, cost = self._names(), self._costs.cost
        known: Any = np.isfinite(cost).all(axis=1)
        lowest = np.nan_to_num(cost, nan=np.inf).argmin(axis=1).tolist()
        cheapest = [names[i] if k else "" for i, k in zip(lowest, known.tolist(), strict=True)]
        head = keys[["meter", "bill", "days", "delivered"]].reset_index(drop=True).assign(ranked=self._used)
        prices = pd.DataFrame(cost.round(2), columns=names)
        return pd.concat([head, prices, pd.Series(cheapest, name="cheapest", dtype="str")], axis=1)

    @property
    def by_meter(self) -> pd.DataFrame:
        """The best plan of each meter, and the extra cost of one plan for all meters.

        Returns
        -------
        DataFrame
            ``meter``, ``best`` (its cheapest plan), ``best_cost``, ``common_cost`` (on the plan that is cheapest for
            all together), and ``loss`` (what it pays more on that plan).
        """
        names = self._names()
        cost = pd.DataFrame(self._costs.cost[self._used], columns=names)
        meter = self._costs.keys["meter"].to_numpy()[self._used]
        total = cost.groupby(meter, sort=False).sum()
        common = names[int(np.argmin(self._totals))] if names else ""
        best = total.to_numpy().argmin(axis=1)
        low = total.to_numpy().min(axis=1)
        return pd.DataFrame(
            {
                "meter": total.index.astype("str"),
                "best": [names[i] for i in best],
                "best_cost": low.round(2),
                "common_cost": total[common].to_numpy().round(2),
                "loss": (total[common].to_numpy() - low).round(2),
            }
        )

    def _names(self) -> list[str]:
        """Return the names of the plans, each once: a repeated name gets a number."""
        seen: dict[str, int] = {}
        made = []
        for plan in self.plans:
            seen[plan.name] = seen.get(plan.name, 0) + 1
            made.append(plan.name if seen[plan.name] == 1 else f"{plan.name} ({seen[plan.name]})")
        return made

    def bill(self, plan: str | int = 0) -> Bill:
        """Return the bills of one plan, line by line.

        Parameters
        ----------
        plan : str or int
            Name of a plan, or its place in the ranking. Default: the cheapest plan.

        Raises
        ------
        KeyError
            If there is no such plan.
        """
        names = self._names()
        if isinstance(plan, int):
            return self._bill(self.plans[int(np.argsort(self._totals, kind="stable")[plan])])
        if plan not in names:
            raise KeyError(f"There is no plan {plan!r}. The plans are: {', '.join(names)}.")
        return self._bill(self.plans[names.index(plan)])

    def _bill(self, plan: Plan) -> Bill:
        made: Bill = self._bill_of(plan)
        return made

    def explain(self) -> str:
        """Return the ranking in words, with its reasons and its findings."""
        if not len(self.plans) or not self._used.any():
            return "There is nothing to rank."
        ranking = self.ranking
        currency = self.plans[0].currency
        first = ranking.iloc[0]
        made = [
            f"{first['plan']} is cheapest: {_words.money(first['computed_cost'], currency)} for "
            f"{_words.counted(first['bills'], 'bill')}, and the cheapest in {int(first['bills_won'])} of them."
        ]
        for _, row in ranking.iloc[1:10].iterrows():
            won = _words.counted(row["bills_won"], "bill")
            made.append(
                f"{int(row['rank'])}. {row['plan']}: {_words.money(row['computed_cost'], currency)}, "
                f"{_words.money(row['difference'], currency)} more; cheapest in {won}."
            )
        if len(ranking) > 10:
            made.append(f"… and {len(ranking) - 10:,} more plans.")
        made += self._reasons()
        if self.certain and self._filled:
            made.append("Gaps cannot change the cheapest plan if they have at most the usage of similar days.")
        made += [f"Note: {f.message}" for f in self.findings if f.name.startswith("tariff.compare")]
        return "\n".join(made)

    def _reasons(self) -> list[str]:
        """Return which kinds of lines make the difference between the two cheapest plans."""
        if len(self.plans) < 2:
            return []
        order = np.argsort(self._totals, kind="stable")
        a, b = (self._by_kind(self.plans[int(i)]) for i in order[:2])
        names = [self.plans[int(i)].name for i in order[:2]]
        step = {k: b.get(k, 0.0) - a.get(k, 0.0) for k in dict.fromkeys([*a, *b])}
        currency = self.plans[0].currency
        words = [
            f"{_words.KINDS.get(kind, kind)} {_words.money(abs(x), currency)} {'less' if x > 0 else 'more'}"
            for kind, x in sorted(step.items(), key=lambda s: -abs(s[1]))
            if abs(x) >= 0.01
        ]
        return [f"Why {names[0]} rather than {names[1]}: {', '.join(words)}."] if words else []

    def _by_kind(self, plan: Plan) -> dict[str, float]:
        lines = self._bill(plan).frame
        used = self._costs.keys[self._used]
        keep = set(zip(used["meter"].astype("str"), used["bill"], strict=True))
        mine = [k in keep for k in zip(lines["meter"].astype("str"), lines["bill"].astype("str"), strict=True)]
        found = lines[mine].groupby("kind", observed=True)["amount"].sum()
        return {str(k): float(v) for k, v in found.items()}

    def __repr__(self) -> str:
        head = f"<Comparison: {_words.counted(len(self.plans), 'plan')}, {_words.counted(self._used.sum(), 'bill')}>"
        columns = ["rank", "plan", "computed_cost", "difference", "bills_won"]
        table = self.ranking[columns].head(20).to_string(index=False) if len(self.plans) else ""
        doubts = [f"{f.severity}: {f.message}" for f in self.findings.by_severity if f.severity != "info"]
        return "\n".join([head, table, *doubts])

    def _repr_html_(self) -> str:
        rows = [
            [_html.Number(r["rank"]), r["plan"], _html.Number(f"{r['computed_cost']:,.2f}"),
             _html.Number(f"{r['difference']:,.2f}"), _html.Number(r["bills_won"])]
            for r in self.ranking.head(20).to_dict("records")
        ]  # fmt: skip
        body = _html.table(["rank", "plan", f"cost [{self.plans[0].currency if self.plans else ''}]", "difference",
                            "bills won"], rows)  # fmt: skip
        doubts = [[f.severity, f.name, f.message] for f in self.findings]
        if doubts:
            body += _html.table(["severity", "name", "finding"], doubts)
        return _html.block(f"Comparison of {_words.counted(len(self.plans), 'plan')}", body, text=repr(self))


def compare_plans(
    df: pd.DataFrame,
    plans: Plans,
    *,
    periods: BillPeriods = "month",
    prices: PriceSources | None = None,
    aggregate: bool = False,
    power_as_energy: bool = False,
) -> Comparison:
    """Rank plans by what they cost for the usage of a frame.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. With several meters, plans are ranked by their cost for all of them, and ``.by_meter`` has the
        best plan of each.
    plans : sequence of plans, or a table of offers
        Each what :func:`greenkit.load_plan` takes; or a CSV file or DataFrame with one offer in each row (see
        :func:`greenkit.tariffs.load_offers`).
    periods, prices, aggregate, power_as_energy
        As for :func:`greenkit.tariffs.price`.

    Returns
    -------
    Comparison
        ``.ranking``, ``.by_bill``, ``.by_meter``, ``.bill(plan)``, ``.explain()``, ``.certain``, and ``.findings``.

    Raises
    ------
    PlanError
        If there are no plans, a plan cannot price these data, or the plans have different currencies.
    SchemaError
        If ``df`` is not a tidy frame.
    """
    loaded = _loaded(plans)
    frame.check(df)
    findings = Findings()
    book = SeriesBook(prices)
    pricings = [Pricing(p, periods, book, rounded=False) for p in loaded]
    units = {p.unit for p in loaded}
    if len(units) > 1:
        raise PlanError("The plans are priced in different units", next_step="Compare plans of one commodity.")
    bills: list[BillInfo] = []
    costs: list[Floats] = []
    filled: dict[float, list[Floats]] = {s: [] for s in SHARES}
    doubtful = False
    for meter in meters(df, loaded[0].unit, power_as_energy=power_as_energy, aggregate=aggregate) if len(df) else ():
        findings.extend(meter.findings)
        infos, cost = _ranking.costs(pricings, meter)
        bills += infos
        costs.append(cost)
        other = dict.fromkeys(SHARES, cost)
        if _gaps.doubtful(meter, infos):
            made = _gaps.filled(meter, pricings[0].zone_of(meter), pricings[0].bills(meter), SHARES)
            doubtful |= bool(made)
            other |= {s: _ranking.costs(pricings, m, bills_of=meter)[1] for s, m in zip(SHARES, made, strict=False)}
        for s in SHARES:
            filled[s].append(other[s])
    keys = _keys(bills)
    joined = np.concatenate(costs) if costs else np.zeros((0, len(loaded)))
    gaps = {s: np.concatenate(f) for s, f in filled.items()} if doubtful else {}

    def bill_of(plan: Plan) -> Bill:
        return price(df, plan, periods=periods, prices=prices, aggregate=aggregate, power_as_energy=power_as_energy)

    return Comparison(loaded, _Costs(keys, joined), gaps, findings, bill_of)


def rank_bills(
    bills: pd.DataFrame, plans: Plans, *, assumed_mix: Mapping[str, float] | Mapping[str, _registers.Mix] | None = None
) -> Comparison:
    """Rank plans by what they cost for bills without intervals.

    Parameters
    ----------
    bills : DataFrame
        What :func:`greenkit.price_bills` takes: ``start``, ``end``, ``kWh``, and optionally ``kW``.
    plans : sequence of plans, or a table of offers
        As for :func:`compare_plans`. A plan with time-of-use prices needs an assumed mix.
    assumed_mix : mapping, optional
        Period → share of the kWh, for every plan with time-of-use prices; or name of a plan → such a mapping, if the
        plans have different periods. Default: the mix that each plan states.

    Returns
    -------
    Comparison
        As :func:`compare_plans` returns it.

    Raises
    ------
    PlanError
        If a plan needs to know when energy was used, or a mix is for a plan that is not compared.
    """
    loaded = _loaded(plans)
    mixes = _mixes(loaded, assumed_mix)
    columns = []
    for plan in loaded:
        made = _registers.price_bills(plan, bills, assumed_mix=mixes[plan.name], rounded=False)
        infos = {(i.meter, i.start): i for i in made._infos}
        columns.append(infos)
    every = list(dict.fromkeys(k for c in columns for k in c))
    # a bill that one plan cannot price is described by a plan that can
    first = {k: info for c in reversed(columns) for k, info in c.items()}
    rows = [[float(c[k].total) if k in c else np.nan for c in columns] for k in every]
    cost = np.array(rows, dtype=np.float64).reshape(-1, len(loaded))
    found = _keys([first[k] for k in every])

    def bill_of(plan: Plan) -> Bill:
        return _registers.price_bills(plan, bills, assumed_mix=mixes[plan.name])

    return Comparison(loaded, _Costs(found, cost), {}, Findings(), bill_of)


def _mixes(
    plans: Sequence[Plan], stated: Mapping[str, float] | Mapping[str, _registers.Mix] | None
) -> dict[str, _registers.Mix | None]:
    """Return the assumed mix of each plan by its name; flat plans need none."""
    by_plan: dict[str, _registers.Mix] = {}
    shared: dict[str, float] = {}
    for name, value in (stated or {}).items():
        if isinstance(value, Mapping):
            by_plan[name] = value
        else:
            shared[name] = value
    names = list(dict.fromkeys(p.name for p in plans))
    unknown = next((n for n in by_plan if n not in names), None)
    if unknown is not None:
        raise PlanError(
            f"The assumed mix is for {unknown!r}, which is not one of the plans",
            next_step=f"Use the names of the plans: {', '.join(names)}.",
        )
    return {p.name: None if _ranking.is_flat(p) else by_plan.get(p.name) or shared or None for p in plans}


def _keys(infos: Sequence[BillInfo]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "meter": [i.meter for i in infos],
            "bill": [i.bill for i in infos],
            "days": np.array([i.days for i in infos], dtype=np.int64),
            "delivered": np.array([i.delivered for i in infos], dtype=np.float64),
            "received": np.array([i.received for i in infos], dtype=np.float64),
            "whole": np.array([i.whole for i in infos], dtype=bool),
            "full": np.array([i.full for i in infos], dtype=bool),
        }
    )


def _loaded(plans: Plans) -> list[Plan]:
    if isinstance(plans, pd.DataFrame) or (
        isinstance(plans, str | os.PathLike) and Path(plans).suffix.lower() == ".csv"
    ):
        made = load_offers(plans)
    elif isinstance(plans, str | os.PathLike | Mapping | Plan):
        made = [_load.load_plan(plans)]
    else:
        made = [_load.load_plan(p) for p in plans]
    if not made:
        raise PlanError("There are no plans to compare", next_step="Pass at least one plan.")
    if len({p.currency for p in made}) > 1:
        raise PlanError(
            f"The plans are in {', '.join(sorted({p.currency for p in made}))}",
            next_step="Compare plans in one currency.",
        )
    return made


# -- offers from a table

_OFFER: Final = {
    "name": ("name",), "zone": ("zone",), "energy": ("energy",), "base": ("fixed", 0, "amount"),
    "wires_month": ("wires", "month"), "wires_energy": ("wires", "energy"), "minimum": ("minimum",),
    "credit": ("credits", 0, "amount"), "credit_from": ("credits", 0, "from"), "credit_to": ("credits", 0, "to"),
    "fee": ("fees", 0, "amount"), "fee_from": ("fees", 0, "from"), "fee_to": ("fees", 0, "to"),
    "export": ("export", "price"), "currency": ("currency",),
}  # fmt: skip
"""Columns of a table of offers, and the key of a plan that each is."""


def load_offers(source: str | os.PathLike[str] | pd.DataFrame, *, zone: str = "America/Chicago") -> list[Plan]:
    """Read offers from a table, one plan in each row.

    Parameters
    ----------
    source : path or DataFrame
        CSV with the columns ``name``, ``energy`` ($/kWh), and optionally ``base`` ($/month), ``wires_month``,
        ``wires_energy``, ``credit``, ``credit_from``, ``credit_to``, ``fee``, ``fee_from``, ``fee_to``, ``minimum``,
        ``export``, ``zone``, and ``currency``. Empty cells are left out.
    zone : str
        Time zone of offers without one. Default: ``"America/Chicago"``.

    Raises
    ------
    PlanError
        If a column is unknown, or a row is not a plan; the error names the row.
    """
    if isinstance(source, pd.DataFrame):
        held = source.astype("object").where(source.notna(), None)
        rows: Iterable[Mapping[Any, Any]] = held.to_dict("records")
        name = "offers"
    else:
        name = Path(source).name
        try:
            text = _text.read_bytes(Path(source)).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise PlanError(f"{name} is not UTF-8", next_step="Save the file as CSV, UTF-8.") from None
        rows = csv.DictReader(io.StringIO(text))
    made = []
    for i, row in enumerate(rows):
        tables: dict[str, Any] = {"zone": zone}
        for column, value in row.items():
            if column is None:
                raise PlanError(
                    f"{name}, row {i + 1} has more cells than the header",
                    next_step="Quote cells that contain a comma, and write decimals with a point.",
                )
            key = _OFFER.get(str(column).strip().lower())
            if key is None:
                step = _grammar.nearest(str(column), list(_OFFER))
                if ";" in str(column):
                    step = "Separate the columns by commas, and write decimals with a point."
                raise PlanError(f"{name} has the column {column!r}, which is unknown", next_step=step)
            if value in (None, ""):
                continue
            _put(tables, key, _cell(str(value).strip(), key, f"{name}, row {i + 1}"))
        try:
            made.append(_load.load_plan(tables))
        except PlanError as e:
            raise PlanError(f"{name}, row {i + 1}: {e.problem}", next_step=e.next_step) from None
    return made


def _cell(text: str, key: tuple[Any, ...], where: str) -> Any:
    if key in (("name",), ("zone",), ("currency",)):
        return text
    try:
        return Decimal(text)
    except InvalidOperation:
        raise PlanError(
            f"{where}: {text!r} is not a number", next_step="Write the number without a currency sign, such as 0.12."
        ) from None


def _put(tables: dict[str, Any], key: tuple[Any, ...], value: Any) -> None:
    if len(key) == 1:
        tables[key[0]] = value
    elif key[1] == 0:
        tables.setdefault(key[0], [{}])[0][key[2]] = value
    else:
        tables.setdefault(key[0], {})[key[1]] = value
