"""Check of a plan against its label: the plan must result in the average prices that the label prints.

An Electricity Facts Label prints the average price for several levels of monthly usage: ``100 × bill(kWh) / kWh``,
rounded half up to the printed decimals, for a month of 30 days and before taxes. Time-of-use labels print the shares
that they assume, and labels for customers with a demand meter assume a load factor.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import numpy as np

from greenkit import times
from greenkit.tariffs._engine import Line, Notes, Pricer
from greenkit.tariffs._layout import BillPeriod, segments
from greenkit.tariffs._model import ZERO, PlanError
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._quantities import RegisterQuantities

_DAY: Final = dt.date(2025, 4, 1)
"""First day of the month for which a plan without dates is computed."""


@dataclass(frozen=True)
class Proof:
    """One price or total of a label, and the computed one."""

    kwh: Decimal
    printed: Decimal
    computed: Decimal

    @property
    def agrees(self) -> bool:
        """Whether the computed value is the printed one, rounded half up to its decimals."""
        return self.rounded == self.printed

    @property
    def rounded(self) -> Decimal:
        """The computed value with the decimals of the printed one, at least one."""
        exponent = min(int(self.printed.as_tuple().exponent), -1)
        return self.computed.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_UP)


def lines_for(plan: Plan, kwh: Decimal, *, days: int, rounded: bool) -> list[Line]:
    """Return the lines of a bill for a given kWh and number of days, with the label's shares and load factor."""
    first = _first_day(plan)
    number = int(np.datetime64(first, "D").astype(np.int64))
    edges = times.midnights(np.array([number, number + days]).astype("datetime64[D]"), plan.zone)
    bills = [BillPeriod("label", int(edges[0]), int(edges[1]), number, days)]
    label = plan.label
    factor = label.load_factor if label else None
    kw = float(kwh / (24 * days * factor)) if factor else None
    mix = label.shares if label and label.shares else plan.assumed_mix
    _check_shares(plan, mix)
    of = RegisterQuantities(
        plan, plan.name, bills, segments(plan, bills), [float(kwh)], [kw] if kw is not None else None,
        mix={k: float(v) for k, v in mix},
    )  # fmt: skip
    return Pricer(plan, of, Notes(plan.name), rounded=rounded).bill(0)


def _check_shares(plan: Plan, mix: Sequence[tuple[str, Decimal]]) -> None:
    """Raise if a time-of-use plan has no shares for its label, or shares of other periods."""
    names = dict.fromkeys(
        p.name for t in plan.terms if t.energy for _, s in t.energy.seasons for p in s.periods if p.name
    )
    listed = ", ".join(f"{n} = 0.…" for n in names)
    if names and not mix:
        raise PlanError(
            f"{plan.name}: [efl] cannot be checked, because the plan has time-of-use prices",
            next_step=f"Write the shares that the label assumes: shares = {{{listed}}}.",
        )
    wrong = next((n for n, _ in mix if names and n not in names), None)
    if wrong is not None:
        raise PlanError(
            f"{plan.name}: [efl] has a share for {wrong}, which is not a period of the plan",
            next_step=f"Use the periods of the plan: {', '.join(names)}.",
        )


def _first_day(plan: Plan) -> dt.date:
    days = [t.first for t in plan.terms if t.first]
    start = min(days) if days and plan.terms[0].first else _DAY
    tables = [table.rows[0][0] for table in plan.tables]
    return max([start, *tables])


def proofs(plan: Plan) -> list[Proof]:
    """Return every price and total of a plan's label with the computed one."""
    label = plan.label
    if label is None:
        return []
    made = []
    for kwh, cents in label.average_cents:
        lines = lines_for(plan, kwh, days=label.days, rounded=False)
        total = sum((x.amount for x in lines if x.kind != "taxes"), ZERO)
        made.append(Proof(kwh, cents, 100 * total / kwh))
    for kwh, total in label.bills:
        lines = lines_for(plan, kwh, days=label.days, rounded=True)
        made.append(Proof(kwh, total, sum((x.amount for x in lines), ZERO)))
    return made


def prove(plan: Plan) -> list[Proof]:
    """Raise PlanError, listing all computed prices, if one differs from the label.

    Raises
    ------
    PlanError
        With the kWh, the printed, and the computed prices.
    """
    found = proofs(plan)
    if all(p.agrees for p in found):
        return found
    label = plan.label
    averages = found[: len(label.average_cents)] if label else []
    if any(not p.agrees for p in averages):
        computed = ", ".join(f"{p.rounded} at {p.kwh:f} kWh" for p in averages)
        printed = ", ".join(f"{p.printed}" for p in averages)
        raise PlanError(
            f"{plan.name}: [efl] prints {printed} cents/kWh, but the plan results in {computed}",
            next_step="Compare every price of the plan with the label, and its delivery charges with their date.",
        )
    wrong = next(p for p in found if not p.agrees)
    raise PlanError(
        f"{plan.name}: [efl] prints {wrong.printed} for {wrong.kwh:f} kWh, but the plan results in {wrong.rounded}",
        next_step="Compare every line of the plan with the printed bill.",
    )
