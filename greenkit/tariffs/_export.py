"""Solar: the value of exported energy, what its credit may offset, and what happens to the rest.

Six switches decide (see ``Export``): netting, price, carry, offsets, the bill from which a credit counts, and the year.
Net metering with a yearly settlement (``carry = "year"``) defers all energy to the true-up: month by month only
the non-bypassable part is due, and the true-up owes ``max(energy of the year, non-bypassable of the year)`` less what
was billed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from greenkit.findings import Kind
from greenkit.tariffs._model import ZERO, Export, PlanError, PriceSeries, Schedule
from greenkit.tariffs._usage import Floats

if TYPE_CHECKING:
    from greenkit.tariffs._engine import _OneBill

NO_EXPORT: Final = Kind(
    "tariff.export.no-terms",
    "warning",
    "Meter {meter} exported {kwh:,.3f} {unit}, but the plan defines no price for exported energy. greenkit credited "
    "nothing in {count:bill}.",
    "Add [export] to the plan if the label or tariff sheet has a price.",
)
LOST: Final = Kind(
    "tariff.export.lost",
    "info",
    "Export credits of meter {meter} exceeded what they may offset in {count:bill}, first {first}. The plan does not "
    "carry them over.",
)
CAPPED: Final = Kind(
    "tariff.export.capped",
    "info",
    "The plan caps export credits, which reduced them for meter {meter} in {count:bill}, first {first}.",
)
NO_TRUE_UP: Final = Kind(
    "tariff.export.no-true-up",
    "warning",
    "The settlement year of meter {meter} is not complete: the data covers {days} of its days. greenkit did not "
    "compute the yearly settlement.",
    "Use data for the complete settlement year.",
)
NOT_SPLIT: Final = Kind(
    "tariff.export.not-split",
    "warning",
    "The export credit {component} offsets lines that the plan does not have. greenkit let it offset all energy lines.",
    "Split the energy prices into components, such as price = {{generation = 0.2, delivery = 0.3}}.",
)


@dataclass
class Ledger:
    """Balances from bill to bill."""

    kwh: dict[str, float] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    days: int = 0
    energy: Decimal = ZERO
    bypass: Decimal = ZERO
    net_kwh: float = 0.0
    billed: Decimal = ZERO
    settled: bool = False
    excess: dict[int, list[tuple[str, str, float, Decimal]]] = field(default_factory=dict)


def net_quantities(bill: _OneBill, schedule: Schedule, group: list[int], q: Floats, which: str) -> Floats:
    """Net imported against exported energy by period or over the bill; remember the excess of the energy schedule."""
    export = bill.terms.export
    assert export is not None  # noqa: S101 netting is a key of export
    n = len(schedule.periods)
    x = bill.p.q(f"{which} out")[group, :n].sum(axis=0)
    net = q - x
    if export.netting == "bill" and net.sum() != 0:
        # the net of the bill falls on the periods with net use (or net export), in proportion
        total = float(net.sum())
        same = np.clip(net, 0, None) if total > 0 else np.clip(net, None, 0)
        net = same * (total / same.sum())
    elif export.netting == "bill":
        net = np.zeros_like(net)
    if export.carry == "year" and which == "main":
        return np.asarray(net)
    used, excess = np.clip(net, 0, None), np.clip(-net, 0, None)
    if which != "main":
        return np.asarray(used)
    ledger = bill.p.history.export
    if export.carry == "kWh":
        for p, period in enumerate(schedule.periods):
            taken = min(float(used[p]), ledger.kwh.get(period.name, 0.0))
            used[p] -= taken
            ledger.kwh[period.name] = ledger.kwh.get(period.name, 0.0) - taken + float(excess[p])
        return np.asarray(used)
    held = ledger.excess.setdefault(bill.b, [])
    for p, period in enumerate(schedule.periods):
        if excess[p] > 0:
            for component, price in _excess_price(export, schedule, p):
                held.append((component, period.name, float(excess[p]), price))
    return np.asarray(used)


def _excess_price(export: Export, schedule: Schedule, p: int) -> list[tuple[str, Decimal]]:
    period = schedule.periods[p]
    if export.price == "energy":
        tier = period.tiers[0]
        return _components(export, tier.parts, tier.price)
    assert isinstance(export.price, Schedule)  # noqa: S101 the grammar refuses a series with this netting
    named = {q.name: q for q in export.price.periods}
    found = next(iter(named.values())) if len(named) == 1 else named.get(period.name)
    if found is None:
        raise PlanError(
            f"The export prices have no period {period.name}",
            next_step="Use the names of the energy periods for the export periods.",
        )
    return _components(export, found.tiers[0].parts, found.tiers[0].price)


def _components(export: Export, parts: tuple[tuple[str, Decimal], ...], price: Decimal) -> list[tuple[str, Decimal]]:
    wanted = [c for c, _ in export.offsets]
    if parts and wanted != [""]:
        return [(c, p) for c, p in parts if c in wanted]
    return [(wanted[0] if len(wanted) == 1 else "", price)]


def settle(bill: _OneBill) -> None:
    """Add the lines of exported energy to a bill, after its credits and fees."""
    export = bill.terms.export
    if export is None:
        exported = bill.of.received(bill.b)
        if exported > 0:
            bill.p.notes.add(NO_EXPORT, sums={"kwh": exported}, unit=bill.plan.unit)
        return
    ledger = bill.p.history.export
    _year_begins(bill, export)
    ledger.days += bill.period.days
    ledger.net_kwh += bill.of.delivered(bill.b) - bill.of.received(bill.b)
    if export.carry == "year":
        _defer(bill, export)
    elif export.carry != "kWh":
        _credits(bill, export)
    if export.year is not None:
        _year_end(bill, export)


# -- credits in money


def _earned(bill: _OneBill, export: Export) -> list[tuple[str, str, float, Decimal | None, Decimal]]:
    """Return what the exports of a bill earn: component, period, kWh, price, and worth."""
    made: list[tuple[str, str, float, Decimal | None, Decimal]] = []
    exact = type(bill.money).exact
    if export.netting in ("period", "bill"):
        for component, name, kwh, at in bill.p.history.export.excess.pop(bill.b, []):
            made.append((component, name, kwh, at, exact(kwh) * at))
        return made
    if not bill.of.exports:
        return made
    if isinstance(export.price, PriceSeries):
        series = export.price
        found = bill.of.worth(bill.plan, series, export=True, bill=bill.b, mask=None)
        for column, (kwh, worth) in found.items():
            quantity = exact(kwh) * series.loss_factor
            value = Decimal(repr(worth)) * series.loss_factor * series.multiplier + quantity * series.adder
            price = (value / quantity).quantize(Decimal("0.000001")) if quantity else None
            component = column if len(found) > 1 or column in dict(export.offsets) else ""
            made.append((component, "", float(quantity), price, value))
        return made
    if export.price == "energy":
        for group in bill.groups(bill.p.main):
            schedule = bill.p.main[group[0]]
            x = bill.p.q("main out")[group, : len(schedule.periods)].sum(axis=0)
            for p, period in enumerate(schedule.periods):
                if x[p] > 0:
                    tier = period.tiers[0]
                    for component, price in _components(export, tier.parts, tier.price):
                        made.append((component, period.name, float(x[p]), price, exact(float(x[p])) * price))
        return made
    schedule = export.price
    x = bill.of.export_sums([schedule] * len(bill.of.parts))[bill.mine].sum(axis=0)
    for p, period in enumerate(schedule.periods):
        if x[p] > 0:
            tier = period.tiers[0]
            for component, price in _components(export, tier.parts, tier.price):
                made.append((component, period.name, float(x[p]), price, exact(float(x[p])) * price))
    return made


def _capped(
    bill: _OneBill, export: Export, earned: list[tuple[str, str, float, Decimal | None, Decimal]]
) -> list[tuple[str, str, float, Decimal | None, Decimal]]:
    """Reduce what was earned to the cap of the plan, each part in proportion."""
    if export.cap is None or not earned:
        return earned
    if export.cap == "import":
        components = {e[0] for e in earned}
        total = sum(e[2] for e in earned) / len(components)
        limit = bill.import_kwh()
        share = Decimal(repr(limit / total)) if total > limit and total > 0 else Decimal(1)
    else:
        worth, limit_money = sum((e[4] for e in earned), ZERO), max(bill.subtotal(("energy",)), ZERO)
        share = limit_money / worth if worth > limit_money and worth > 0 else Decimal(1)
    if share == 1:
        return earned
    bill.p.notes.add(CAPPED, first=bill.period.name)
    return [(c, p, float(Decimal(repr(q)) * share), price, worth * share) for c, p, q, price, worth in earned]


def _credits(bill: _OneBill, export: Export) -> None:
    ledger = bill.p.history.export
    earned = _capped(bill, export, _earned(bill, export))
    new: dict[str, Decimal] = {}
    for component, period, kwh, price, worth in earned:
        line = bill.add(
            "Export credit", "export", kwh, bill.plan.unit, -price if price is not None else None, -worth,
            period=period, component=component,
        )  # fmt: skip
        new[component] = new.get(component, ZERO) - line.amount
    if export.carry == "pay":
        return
    offsets = dict(export.offsets)
    for component in dict.fromkeys([*offsets, *new, *ledger.money]):
        words = offsets.get(component) or offsets.get("") or ("energy",)
        _apply(bill, export, component, words, new.get(component, ZERO))


def _apply(bill: _OneBill, export: Export, component: str, words: tuple[str, ...], new: Decimal) -> None:
    """Use new and earlier credits against the lines that they may offset; carry, pay, or lose the rest."""
    ledger = bill.p.history.export
    before = ledger.money.get(component, ZERO)
    limit = _limit(bill, export, component, words)
    ready = before + (new if export.usable == "same" else ZERO)
    used = max(min(ready, limit), ZERO) if ready > 0 else ready
    rest = before + new - used
    if before:
        bill.add("Export credit of earlier bills", "export", 1.0, "bill", None, -before, component=component)
    if rest:
        carried = export.carry == "money"
        name = "Export credit carried forward" if carried else "Export credit that cannot be used"
        bill.add(name, "export", 1.0, "bill", None, rest, component=component)
        if not carried:
            bill.p.notes.add(LOST, first=bill.period.name)
            rest = ZERO
    ledger.money[component] = rest


def _limit(bill: _OneBill, export: Export, component: str, words: tuple[str, ...]) -> Decimal:
    lines = [x for x in bill.made if x.kind != "export" and x.named(words)]
    if not lines and component:
        bill.p.notes.add(NOT_SPLIT, component, component=component)
        lines = [x for x in bill.made if x.kind != "export" and x.named(("energy",))]
    limit = sum((x.amount for x in lines), ZERO)
    if export.non_bypassable and any(x.kind == "energy" for x in lines):
        limit -= bill.money.round(export.non_bypassable * type(bill.money).exact(bill.import_kwh()))
    return max(limit, ZERO)


# -- the yearly settlement


def _defer(bill: _OneBill, export: Export) -> None:
    """Bill the non-bypassable part of the energy now, and keep the rest for the true-up."""
    ledger = bill.p.history.export
    energy = bill.subtotal(kinds=("energy", "baseline"))
    net = bill.of.net_by_interval(bill.b)
    due = bill.add(
        "Non-bypassable charges", "export", net, bill.plan.unit, export.non_bypassable,
        type(bill.money).exact(net) * export.non_bypassable,
    )  # fmt: skip
    bill.add("Energy carried to the true-up", "export", 1.0, "bill", None, -energy)
    ledger.energy += energy
    ledger.bypass += due.amount
    ledger.billed += due.amount


def _anniversary(bill: _OneBill, export: Export) -> bool:
    """Return whether the settlement year ends with this bill: its bound is the nearest to the anniversary."""
    assert export.year is not None  # noqa: S101 called for plans with a year
    half = bill.period.days / 2
    middle, after = bill.period.first + half, bill.period.first + bill.period.days + half
    year = np.datetime64(bill.period.first, "D").item().year
    for y in (year, year + 1):
        day = min(export.year.day, 28) if export.year.month == 2 else export.year.day
        date = int(np.datetime64(f"{y:04d}-{export.year.month:02d}-{day:02d}", "D").astype(np.int64))
        if export.year.first is not None and date <= int(np.datetime64(export.year.first, "D").astype(np.int64)):
            continue
        if middle < date <= after:
            return True
    return False


def _year_begins(bill: _OneBill, export: Export) -> None:
    """Start the counters of the settlement year at its first day, if the plan names the day."""
    if export.year is None or export.year.first is None:
        return
    first = int(np.datetime64(export.year.first, "D").astype(np.int64))
    if bill.period.first + bill.period.days / 2 < first:
        ledger = bill.p.history.export
        ledger.days, ledger.net_kwh = -bill.period.days, 0.0


def _year_end(bill: _OneBill, export: Export) -> None:
    year, ledger = export.year, bill.p.history.export
    assert year is not None  # noqa: S101 called for plans with a year
    if not _anniversary(bill, export):
        if bill.b == len(bill.of.bills) - 1 and ledger.days > 0:
            bill.p.notes.add(NO_TRUE_UP, days=ledger.days)
        return
    days, complete = ledger.days, ledger.days >= 350
    ledger.days = 0
    if not complete:
        bill.p.notes.add(NO_TRUE_UP, days=days)
        ledger.energy = ledger.bypass = ledger.billed = ZERO
        ledger.net_kwh = 0.0
        return
    if export.carry == "year":
        owed = max(ledger.energy, ledger.bypass) - ledger.billed
        bill.add("True-up of the year", "export", 1.0, "year", None, max(owed, ZERO))
    if year.surplus is not None:
        surplus = sum(ledger.kwh.values()) if export.carry == "kWh" else max(-ledger.net_kwh, 0.0)
        if surplus > 0:
            worth = type(bill.money).exact(surplus) * year.surplus
            bill.add("Net surplus of the year", "export", surplus, bill.plan.unit, -year.surplus, -worth)
        ledger.kwh.clear()
    if year.end in ("pay", "reset"):
        for component, rest in ledger.money.items():
            if rest:
                if year.end == "pay":
                    bill.add("Export credit paid out", "export", 1.0, "year", None, -rest, component=component)
                else:
                    bill.p.notes.add(LOST, first=bill.period.name)
        ledger.money.clear()
    ledger.energy = ledger.bypass = ledger.billed = ZERO
    ledger.net_kwh = 0.0
