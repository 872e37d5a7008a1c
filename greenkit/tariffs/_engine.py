"""From quantities to the lines of a bill, in the order in which bills are computed.

1. energy by time-of-use period and tier · 2. baseline credit · 3. fixed charges · 4. demand · 5. delivery (wires) ·
6. credits and fees by usage band · 7. export credits · 8. percentage riders and discounts · 9. minimum bill ·
10. taxes · 11. rebates

Energy is float64. Money is :class:`~decimal.Decimal`; each line is rounded once, half up, and the total is the sum of
the rounded lines. With ``rounded=False`` nothing is rounded, for averages of labels and for ranking.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.findings import Findings, Kind
from greenkit.tariffs import _export
from greenkit.tariffs._layout import BillPeriod, Segment, wires_of
from greenkit.tariffs._model import (
    ZERO,
    Band,
    Charge,
    Demand,
    Period,
    PlanError,
    PowerFactor,
    Prorate,
    Schedule,
    Terms,
    Tier,
    When,
    Wires,
)
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._quantities import Peak, Quantities
from greenkit.tariffs._usage import Floats, Ints, weighted
from greenkit.tariffs._words import money

AT_THRESHOLD: Final = Kind(
    "tariff.credit.at-threshold",
    "warning",
    "{count:bill} of meter {meter} {count:has|have} {kwh} {unit}, within 1 {unit} of the threshold {threshold} of "
    "{line}, first {first}.",
    "Compare the kWh with the printed bill: a rounded register can decide whether the line applies.",
)
RATCHET_UNKNOWN: Final = Kind(
    "tariff.ratchet.unknown-history",
    "warning",
    "The ratchet of {line} looks back {months} bills, and the data of meter {meter} does not reach that far in "
    "{count:bill}. With the demand that is known, the line costs {low} in {first}; if the highest demand of the data "
    "occurred before, it costs {high}.",
    "Add the earlier demand to the plan as ratchet.history, or use data that begins earlier.",
)
RATCHET_GAP: Final = Kind(
    "tariff.ratchet.missing-month",
    "warning",
    "{count:bill} of meter {meter} {count:has|have} no data, so the ratchet of {line} does not include "
    "{count:it|them}.",
    "Load the missing months.",
)
LOAD_FACTOR: Final = Kind(
    "tariff.demand.short-load-factor",
    "info",
    "{line} depends on the load factor of 12 bills, but the data of meter {meter} has fewer for {count:bill}. "
    "greenkit used the bills in the data.",
    "Use data that begins a year earlier.",
)
POWER_FACTOR: Final = Kind(
    "tariff.power-factor.unknown",
    "warning",
    "The plan bills demand by power factor, but meter {meter} has no reactive energy (kvarh). greenkit billed the kW.",
    "Load the kvarh series, or set power_factor = {{value = 0.95, floor = 0.95}} in the plan.",
)
MOMENT_UNKNOWN: Final = Kind(
    "tariff.demand.moment-unknown",
    "warning",
    "{line} is priced by the demand at given times, but the data does not contain all of these times for "
    "{count:bill} of meter {meter}. greenkit left the charge out of {count:it|them}.",
    "Load the intervals of those times.",
)
YEAR_MINIMUM: Final = Kind(
    "tariff.minimum.incomplete-year",
    "info",
    "greenkit did not apply the yearly minimum of the plan to meter {meter}, because no calendar year is complete.",
)
CENT: Final = Decimal("0.01")
_ALL: Final = ("any", "all", "total", "subtotal")


@dataclass(frozen=True, slots=True)
class Basis:
    """How the quantity of a demand line was computed: what was metered, and what raised it to the billed demand.

    ``at`` is the start of the window of the metered demand, microseconds since 1970 UTC. ``share``, ``highest``, and
    ``of`` are the ratchet: its share, the demand that it goes by, and the bill of that demand.
    """

    window: int = 0
    metered: float | None = None
    at: int | None = None
    power_factor: float | None = None
    share: Decimal | None = None
    highest: float | None = None
    of: str = ""
    load_factor: float | None = None
    moments: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill, with its exact amount.

    ``quantity`` is in ``unit``, ``price`` in the plan's currency per unit. ``present``, ``expected``, and ``estimated``
    count the intervals that the line is based on. ``basis`` is how the quantity of a demand line was computed.
    """

    meter: str
    bill: str
    line: str
    kind: str
    season: str
    period: str
    tier: int
    component: str
    quantity: float
    unit: str
    price: Decimal | None
    amount: Decimal
    days: int
    present: int
    expected: int
    estimated: int
    basis: Basis | None = None

    def named(self, words: Sequence[str]) -> bool:
        """Return whether a tax, rider, minimum, or credit on these words refers to the line."""
        own = {self.kind, self.line.lower(), self.period.lower(), self.component.lower()} - {""}
        if self.kind == "baseline":
            own.add("energy")
        return any(w.lower() in own or w.lower() in _ALL for w in words)


class Money:
    """Arithmetic of one plan: Decimal, with one rounding for each line."""

    def __init__(self, decimals: int | None) -> None:
        self.quantum = None if decimals is None else Decimal(1).scaleb(-decimals)

    def round(self, amount: Decimal) -> Decimal:
        """Round an amount half up (away from zero for negative amounts)."""
        return amount if self.quantum is None else amount.quantize(self.quantum, ROUND_HALF_UP)

    @staticmethod
    def exact(quantity: float) -> Decimal:
        """Return a quantity as Decimal, without the noise of float64 beyond a millionth."""
        return Decimal(f"{quantity:.6f}")


@dataclass
class Notes:
    """Collects findings over several bills, and adds one finding for each kind and key."""

    meter: str
    held: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)

    def add(self, kind: Kind, key: str = "", *, sums: Mapping[str, float] = MappingProxyType({}), **words: Any) -> None:
        """Count one more bill, and add up its ``sums``; the words of the first one are kept."""
        self.kinds[kind.name] = kind
        seen = self.held.setdefault((kind.name, key), {"count": 0, **words})
        seen["count"] += 1
        for name, value in sums.items():
            seen[name] = round(seen.get(name, 0.0) + value, 6)

    def report(self, findings: Findings) -> None:
        """Add one finding for each kind and key."""
        for (name, _), words in self.held.items():
            findings.add(self.kinds[name], meter=self.meter, **words)


@dataclass
class History:
    """State that later bills need from earlier ones: demand by item, and the balances of export credits."""

    actual: dict[str, list[tuple[int, float | None]]] = field(default_factory=dict)
    billed: dict[str, list[float | None]] = field(default_factory=dict)
    why: dict[str, tuple[str, Basis]] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    year: dict[int, tuple[int, Decimal]] = field(default_factory=dict)
    topped_up: bool = False
    export: _export.Ledger = field(default_factory=lambda: _export.Ledger())


class Pricer:
    """Prices the bills of one meter on one plan."""

    def __init__(self, plan: Plan, of: Quantities, notes: Notes, *, rounded: bool = True) -> None:
        self.plan, self.of, self.notes, self.rounded = plan, of, notes, rounded
        self.history = History()
        self.parts_of: list[list[int]] = [[] for _ in of.bills]
        for i, part in enumerate(of.parts):
            self.parts_of[part.bill].append(i)
        self.main = [self._schedule(p) for p in of.parts]
        self.wires: list[Wires | None] = []
        self.refused: dict[int, list[str]] = {}
        for p in of.parts:
            self.wires.append(self._wires(p))
        self.delivery = [
            w.energy.of(p.season) if w and w.energy else _NOTHING for w, p in zip(self.wires, of.parts, strict=True)
        ]
        self._sums: dict[str, Floats] = {}
        self._counts: tuple[Ints, Ints, Ints] | None = None
        self._coverage: list[tuple[int, int, int]] | None = None
        self._peaks: dict[tuple[int, int], Peak] = {}
        self.has_wires_energy = any(s is not _NOTHING for s in self.delivery)

    def _schedule(self, part: Segment) -> Schedule:
        energy = self.plan.terms[part.version].energy if part.version >= 0 else None
        return energy.of(part.season) if energy else _NOTHING

    def _wires(self, part: Segment) -> Wires | None:
        if part.version < 0:
            days = [str(np.datetime64(part.first + i, "D")) for i in range(part.days)]
            self.refused.setdefault(part.bill, []).extend(days)
            return None
        try:
            return wires_of(self.plan, part.version, part.first, self.of.bills[part.bill].last)
        except KeyError as e:
            self.refused.setdefault(part.bill, []).append(str(e.args[0]))
            return None

    # -- quantities

    def q(self, which: str) -> Floats:
        """Return a table of quantities by segment and period, computed once."""
        if which not in self._sums:
            schedules = self.main if which.startswith("main") else self.delivery
            out = which.endswith("out")
            self._sums[which] = self.of.export_sums(schedules) if out else self.of.sums(schedules)
        return self._sums[which]

    def counts(self) -> tuple[Ints, Ints, Ints]:
        """Return present, expected, and estimated intervals by segment and period of energy."""
        if self._counts is None:
            self._counts = self.of.counts(self.main)
        return self._counts

    def coverage(self, bill: int) -> tuple[int, int, int]:
        """Return present, expected, and estimated intervals of a bill."""
        if self._coverage is None:
            owner = np.array([p.bill for p in self.of.parts], dtype=np.int64)
            tables = [np.bincount(owner, c.sum(axis=1), len(self.of.bills)).astype(int).tolist() for c in self.counts()]
            self._coverage = list(zip(*tables, strict=True))
        return self._coverage[bill]

    # -- one bill

    def bill(self, b: int) -> list[Line]:
        """Return the lines of a bill, in order.

        Bills must be asked for in order, since ratchets and credits reach back.
        """
        return _OneBill(self, b).lines()

    def peak(self, b: int, demand: Demand, whens: tuple[When, ...] | None = None) -> Peak:
        """Return the highest demand of a bill, once computed."""
        key = (b, hash((demand.window, demand.sliding, demand.unit, whens or demand.when)))
        if key not in self._peaks:
            self._peaks[key] = self.of.peak(b, demand, whens or demand.when)
        return self._peaks[key]


_NOTHING: Final = Schedule((Period("", (When(),), (Tier(ZERO),)),))
"""Stands for energy that a plan does not price; its lines are left out."""


_NO_BAND: Final = Charge.band


class _OneBill:
    """The computation of one bill; the steps are methods in the order of the module's docstring."""

    def __init__(self, of: Pricer, b: int) -> None:
        self.p, self.b = of, b
        self.plan, self.of = of.plan, of.of
        self.period: BillPeriod = of.of.bills[b]
        self.mine = of.parts_of[b]
        # rules of the whole bill are those of its last day
        self.terms: Terms = self.plan.terms[of.of.parts[self.mine[-1]].version]
        self.money = Money(self.terms.rounding.line if of.rounded else None)
        self.made: list[Line] = []
        self.present, self.expected, self.estimated = of.coverage(b)
        self.netting = self.terms.export.netting if self.terms.export else "none"
        self.kwh = self._kwh()

    def _kwh(self) -> Decimal:
        kwh = Money.exact(self.of.delivered(self.b))
        digits = self.terms.rounding.kwh
        return kwh if digits is None else kwh.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)

    def lines(self) -> list[Line]:
        """Return all lines."""
        self.billed_kw = self._demand_for_hours()
        self._energy()
        self._baseline()
        self._charges(("fixed",))
        self._demand(self.terms.demand)
        self._delivery()
        self._charges(("credits", "fees"))
        if self.terms.export or self.of.exports:
            _export.settle(self)
        self._percentages()
        self._minimum()
        self._taxes()
        self._rebates()
        return self.made

    def add(
        self,
        line: str,
        kind: str,
        quantity: float,
        unit: str,
        price: Decimal | None,
        amount: Decimal,
        *,
        season: str = "",
        period: str = "",
        tier: int = 0,
        component: str = "",
        days: int | None = None,
        counts: tuple[int, int, int] | None = None,
        basis: Basis | None = None,
    ) -> Line:
        """Round an amount and add its line."""
        present, expected, estimated = counts or (self.present, self.expected, self.estimated)
        made = Line(
            self.of.name, self.period.name, line, kind, season, period, tier, component, quantity, unit, price,
            self.money.round(amount), self.period.days if days is None else days, present, expected, estimated,
            basis,
        )  # fmt: skip
        self.made.append(made)
        return made

    def subtotal(self, words: Sequence[str] = (), kinds: Iterable[str] = ()) -> Decimal:
        """Return the sum of the lines so far that some words or kinds name; without both, of all."""
        kinds = set(kinds)
        chosen = (
            line.amount for line in self.made if (not words and not kinds) or line.named(words) or line.kind in kinds
        )
        return sum(chosen, ZERO)

    # -- 1. energy

    def groups(self, schedules: Sequence[Schedule]) -> list[list[int]]:
        """Group the segments of the bill that have the same prices, so that their tiers count together."""
        made: list[list[int]] = []
        for i in self.mine:
            if schedules[i] is _NOTHING:
                continue
            for group in made:
                first = schedules[group[0]]
                same_season = self.of.parts[group[0]].season == self.of.parts[i].season
                # one schedule for the whole year counts its tiers over a change of season
                if first is schedules[i] or (same_season and first == schedules[i]):
                    group.append(i)
                    break
            else:
                made.append([i])
        return made

    def _energy(self) -> None:
        for group in self.groups(self.p.main):
            schedule = self.p.main[group[0]]
            self._schedule_lines(schedule, group, "main", "Energy", "energy", Decimal(1))

    def _schedule_lines(
        self, schedule: Schedule, group: list[int], which: str, name: str, kind: str, factor: Decimal
    ) -> None:
        """Add the lines of one schedule over some segments."""
        n = len(schedule.periods)
        table = self.p.q(which)
        q = table[group[0], :n] if len(group) == 1 else table[group, :n].sum(axis=0)
        days = sum(self.of.parts[i].days for i in group)
        if self.netting in ("period", "bill") and self.of.exports:
            q = _export.net_quantities(self, schedule, group, q, which)
        q = self._rounded_kwh(q)
        season = self._season(group)
        counts = self._period_counts(group, n) if which == "main" else None
        for p, period in enumerate(schedule.periods):
            if period.series is not None:
                self._series_line(schedule, p, group, name, kind, season, days)
        priced = [p for p, period in enumerate(schedule.periods) if period.series is None]
        shares = self._tier_energy(schedule, group, q, days, which)
        for p in priced:
            period = schedule.periods[p]
            own = None if counts is None else (int(counts[0][p]), int(counts[1][p]), int(counts[2][p]))
            if len(period.tiers) == 1:
                energy = float(shares[0][p]) if len(shares) == 1 else float(sum(share[p] for share in shares))
                self._energy_line(name, kind, energy, period.tiers[0], factor, season, period.name, 0, days, own)
                continue
            for t, tier in enumerate(period.tiers):
                energy = float(shares[t][p])
                if energy or not t:
                    self._energy_line(name, kind, energy, tier, factor, season, period.name, t + 1, days, own)

    def _energy_line(
        self, name: str, kind: str, energy: float, tier: Tier, factor: Decimal, season: str, period: str, number: int,
        days: int, counts: tuple[int, int, int] | None,
    ) -> None:  # fmt: skip
        exact = Money.exact(energy) * factor
        for component, price in tier.parts or (("", tier.price),):
            self.add(
                name, kind, float(exact), self.plan.unit, price, exact * price, season=season, period=period,
                tier=number, component=component, days=days, counts=counts,
            )  # fmt: skip

    def _rounded_kwh(self, q: Floats) -> Floats:
        digits = self.terms.rounding.kwh
        if digits is None:
            return q
        step = Decimal(1).scaleb(-digits)
        return np.array([float(Money.exact(x).quantize(step, ROUND_HALF_UP)) for x in q])

    def _season(self, group: list[int]) -> str:
        held = {self.of.parts[i].season for i in group}
        return held.pop() if len(held) == 1 else ""

    def _period_counts(self, group: list[int], n: int) -> tuple[Ints, Ints, Ints]:
        tables = self.p.counts()
        if len(group) == 1:
            return tables[0][group[0], :n], tables[1][group[0], :n], tables[2][group[0], :n]
        present, expected, estimated = (c[group, :n].sum(axis=0) for c in tables)
        return present, expected, estimated

    def bounds(self, tiers: Sequence[Tier], schedule: Schedule, days: int) -> list[float]:
        """Return the upper bounds of tiers in this bill, for segments of so many days."""
        made = []
        for tier in tiers:
            if tier.open:
                made.append(float("inf"))
            elif tier.to_hours is not None:
                kw = self.billed_kw if self.billed_kw is not None else 0.0
                each = days if schedule.per == "day" else days / self.period.days
                made.append(float(tier.to_hours) * kw * each)
            else:
                assert tier.to is not None  # noqa: S101 a tier with a bound has one of both
                to = float(tier.to)
                if schedule.per == "day":
                    made.append(to * days)
                elif schedule.tier_month is not None:
                    made.append(to * days / float(schedule.tier_month))
                else:
                    made.append(to * days / self.period.days)
        return made

    def _tier_energy(self, schedule: Schedule, group: list[int], q: Floats, days: int, which: str) -> list[Floats]:
        """Return the energy of each tier by period.

        Pooled tiers cut the kWh of the bill, whatever its periods. With bounds 250 and 700 and 1,200 kWh, of which a
        quarter is peak, the tiers hold 250, 450, and 500 kWh, each a quarter peak.
        """
        tiers = next((p.tiers for p in schedule.periods if len(p.tiers) > 1), None)
        if tiers is None:
            return [q]
        total = float(q.sum())
        if schedule.pool == "period":
            return self._by_period(schedule, q, days)
        if total <= 0:
            # net export: no tiers, each period at its first price
            return [q, *(np.zeros_like(q) for _ in tiers[1:])]
        if schedule.pool == "day":
            return self._by_day(schedule, group, tiers, len(q))
        bounds = self.bounds(tiers, schedule, days)
        lower = [0.0, *bounds[:-1]]
        if schedule.share == "in order" and which == "main" and self.netting not in ("period", "bill"):
            energy, period, _ = self.of.rows(self.b, group, schedule)
            return _in_order(energy, period, lower, bounds, len(q))
        return [q * (max(min(total, b) - a, 0.0) / total) for a, b in zip(lower, bounds, strict=True)]

    def _by_period(self, schedule: Schedule, q: Floats, days: int) -> list[Floats]:
        count = max(len(p.tiers) for p in schedule.periods)
        made = [np.zeros_like(q) for _ in range(count)]
        for i, period in enumerate(schedule.periods):
            bounds = self.bounds(period.tiers, schedule, days)
            for t, (a, b) in enumerate(zip([0.0, *bounds[:-1]], bounds, strict=True)):
                made[t][i] = np.clip(q[i] - a, 0, b - a) if q[i] > 0 else (q[i] if t == 0 else 0.0)
        return made

    def _by_day(self, schedule: Schedule, group: list[int], tiers: Sequence[Tier], n: int) -> list[Floats]:
        """Count tiers anew each local day; the periods of a day share its tiers pro rata, or in order of time."""
        energy, period, date = self.of.rows(self.b, group, schedule)
        bounds = [float(t.to) if t.to is not None else float("inf") for t in tiers]
        lower = [0.0, *bounds[:-1]]
        days, day = np.unique(date, return_inverse=True)
        if schedule.share == "in order":
            before = np.cumsum(energy) - energy
            start = np.zeros(len(days))
            first = np.flatnonzero(np.append(True, np.diff(day) > 0)) if len(day) else np.zeros(0, dtype=np.int64)
            start[day[first]] = before[first]
            before = before - start[day]
            return [
                weighted(period, np.clip(before + energy - a, 0, b - a) - np.clip(before - a, 0, b - a), n)
                for a, b in zip(lower, bounds, strict=True)
            ]
        total = np.bincount(day, energy, len(days))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(total > 0, 1 / total, 0.0)
        return [
            weighted(period, energy * (np.clip(total - a, 0, b - a) * share)[day], n)
            for a, b in zip(lower, bounds, strict=True)
        ]

    def _series_line(
        self, schedule: Schedule, p: int, group: list[int], name: str, kind: str, season: str, days: int
    ) -> None:
        series = schedule.periods[p].series
        assert series is not None  # noqa: S101 called for periods with a series
        parts = list(group)

        def mask(layout: Any) -> Any:
            return np.isin(layout.rows.segment, parts) & (layout.period(schedule) == p)

        for column, (energy, worth) in self.of.worth(self.plan, series, export=False, bill=self.b, mask=mask).items():
            kwh = Money.exact(energy) * series.loss_factor
            amount = Decimal(repr(worth)) * series.loss_factor * series.multiplier + kwh * series.adder
            price = None if not kwh else amount / kwh
            component = column if len(series.columns) > 1 else ""
            self.add(
                f"{name} by price series", kind, float(kwh), self.plan.unit,
                None if price is None else price.quantize(Decimal("0.000001")), amount, season=season,
                period=schedule.periods[p].name, component=component, days=days,
            )  # fmt: skip

    # -- 2. baseline

    def _baseline(self) -> None:
        seen: dict[tuple[str, Decimal, Decimal], list[int]] = {}
        for i in self.mine:
            part = self.of.parts[i]
            base = self.plan.terms[part.version].baseline
            if base is None:
                continue
            allowance = dict(base.per_day)
            daily = allowance.get(part.season, allowance.get("", ZERO))
            seen.setdefault((part.season, base.price, daily), []).append(i)
        for (season, price, daily), group in seen.items():
            days = sum(self.of.parts[i].days for i in group)
            used = float(self.p.q("main")[group].sum())
            if self.netting in ("period", "bill") and self.of.exports:
                used -= float(self.p.q("main out")[group].sum())
            within = max(min(Money.exact(used), daily * days), ZERO)
            self.add(
                "Baseline credit" if price < 0 else "Baseline", "baseline", float(within), self.plan.unit, price,
                within * price, season=season, days=days,
            )  # fmt: skip

    # -- 3, 6. fixed charges, credits, fees

    def _charges(self, kinds: Sequence[str]) -> None:
        versions = self._versions()
        for kind in kinds:
            for charge in dict.fromkeys(c for t in versions for c in t.charges if c.kind == kind and c.per != "%"):
                mine = self.mine
                if len(versions) > 1:
                    mine = [i for i in mine if charge in self.plan.terms[self.of.parts[i].version].charges]
                self.charge(charge, mine)

    def _versions(self) -> list[Terms]:
        return [self.plan.terms[v] for v in dict.fromkeys(self.of.parts[i].version for i in self.mine)]

    def charge(self, charge: Charge, mine: Sequence[int], *, factor: Decimal = Decimal(1)) -> None:
        """Add the line of a charge that holds in some segments of the bill."""
        days = self._days_in(charge.months, mine)
        if not days:
            return
        kwh = self.kwh if charge.by == "delivered" else self.kwh - Money.exact(self.of.received(self.b))
        self._at_threshold(charge.band, kwh, charge.name)
        if not charge.band.holds(kwh):
            return
        if charge.per == "kWh":
            share = Decimal(days) / self.period.days
            used = Money.exact(self.import_kwh()) * share * factor
            self.add(
                charge.name, charge.kind, float(used), self.plan.unit, charge.amount, used * charge.amount, days=days
            )
            return
        if charge.per == "kW":
            kw = Decimal(repr(self.billed_kw if self.billed_kw is not None else self._plain_kw()))
            share = Decimal(days) / self.period.days
            self.add(charge.name, charge.kind, float(kw), "kW", charge.amount, kw * share * charge.amount, days=days)
            return
        count = self.times(charge.per, charge.prorate, days)
        unit = {"day": "day", "year": "year", "bill": "bill"}.get(charge.per, "month")
        self.add(charge.name, charge.kind, float(count), unit, charge.amount, count * charge.amount, days=days)

    def import_kwh(self) -> float:
        """Return the kWh of the bill that per-kWh charges and taxes count: delivered, or the net if the plan nets."""
        if self.netting == "none" or not self.of.exports:
            return float(self.kwh)
        if self.netting in ("interval", "hour"):
            return float(self.p.q("main")[self.mine].sum())
        return max(self.of.delivered(self.b) - self.of.received(self.b), 0.0)

    def times(self, per: str, rule: Prorate, days: int) -> Decimal:
        """Return how often an amount is charged for some days of the bill."""
        total = self.period.days
        if per == "day":
            return Decimal(days)
        if per == "year":
            return Decimal(days) / 365
        if per == "bill" and rule.base is None:
            return Decimal(days) / total
        if rule.base is None or (rule.below_days is not None and total >= rule.below_days):
            return Decimal(days) / total
        if rule.base == "month":
            whole = ZERO
            for n in range(self.period.first, self.period.first + total):
                date = np.datetime64(n, "D").item()
                whole += Decimal(1) / calendar.monthrange(date.year, date.month)[1]
            # the sum of thirty thirtieths is one
            return (whole * days / total).quantize(Decimal("1e-20")).normalize()
        return Decimal(days) / rule.base

    def _days_in(self, months: frozenset[int] | None, mine: Sequence[int] | None = None) -> int:
        """Return the days of some segments of the bill in some months; by default of all segments."""
        parts = [self.of.parts[i] for i in (self.mine if mine is None else mine)]
        days = sum(p.days for p in parts)
        if months is None:
            return days

        def inside(first: int, count: int) -> Any:
            month = np.arange(first, first + count).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
            return np.isin(month % 12 + 1, list(months))

        if self.plan.season_by == "date":
            return sum(int(inside(p.first, p.days).sum()) for p in parts)
        whole = inside(self.period.first, self.period.days)
        return days if (whole[-1] if self.plan.season_by == "bill-end" else whole.mean() > 0.5) else 0

    def _at_threshold(self, band: Band, kwh: Decimal, name: str) -> None:
        near = [x for x in band.bounds if abs(kwh - x) <= 1] if band is not _NO_BAND else []
        if near:
            self.p.notes.add(
                AT_THRESHOLD, f"{name} {near[0]}", first=self.period.name, kwh=float(kwh), threshold=float(near[0]),
                line=name, unit=self.plan.unit,
            )  # fmt: skip

    # -- 4. demand

    def _plain_kw(self) -> float:
        return self.p.peak(self.b, Demand("Demand", ())).value or 0.0

    def _needs_kw(self) -> bool:
        schedules = [*self.p.main, *self.p.delivery]
        return any(t.to_hours is not None for i in self.mine for s in (schedules[i], schedules[i + len(self.p.main)])
                       for p in s.periods for t in p.tiers)  # fmt: skip

    def _demand_for_hours(self) -> float | None:
        """Return the billed demand that hours-use tiers refer to: of the first plain demand charge, or the peak."""
        if not self._needs_kw():
            first = self._first_plain()
            return self._billed(first)[0] if first is not None and self._has_kw_charges() else None
        first = self._first_plain()
        if first is None:
            return self._plain_kw()
        return self._billed(first)[0] or 0.0

    def _has_kw_charges(self) -> bool:
        return any(c.per == "kW" for t in self._versions() for c in t.charges)

    def _first_plain(self) -> Demand | None:
        held = [*self.terms.demand]
        wires = self.p.wires[self.mine[-1]]
        held += wires.demand if wires else ()
        return next(
            (
                d
                for d in held
                if not d.moments and d.per != "day" and all(w.hours is None and w.days is None for w in d.when)
            ),
            None,
        )

    def _demand(self, items: Sequence[Demand]) -> None:
        for item in items:
            if item.moments:
                self._coincident(item)
            elif item.per == "day":
                self._daily(item)
            else:
                self._demand_lines(item)

    def _months_share(self, item: Demand) -> Decimal:
        """Return the share of the bill in the months of a demand charge."""
        months = frozenset(m for w in item.when for m in (w.months or range(1, 13)))
        return Decimal(self._days_in(months)) / self.period.days if len(months) < 12 else Decimal(1)

    def _demand_lines(self, item: Demand) -> None:
        share = self._months_share(item)
        billed, note, basis = self._billed(item)
        if billed is None or not share:
            return
        share *= self.times("month", item.prorate, self.period.days)
        name = f"{item.name}{note}"
        tiers = item.tiers
        if item.load_factor and (found := self._load_factor_price(item)) is not None:
            price, factor = found
            billed, tiers, name = basis.metered or 0.0, (Tier(price),), f"{item.name}, low load factor"
            basis = Basis(basis.window, basis.metered, basis.at, load_factor=factor)
        low = 0.0
        for t, tier in enumerate(tiers):
            high = float(tier.to) if tier.to is not None else float("inf")
            kw = float(np.clip(billed - low, 0, high - low))
            low = high
            if kw == 0 and t:
                continue
            exact = self._kw(kw)
            self.add(
                name, item.kind, float(exact), item.unit, tier.price, exact * tier.price * share,
                tier=t + 1 if len(tiers) > 1 else 0, basis=basis,
            )  # fmt: skip

    def _kw(self, kw: float) -> Decimal:
        digits = self.terms.rounding.kw
        exact = Money.exact(kw)
        return exact if digits is None else exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)

    def _billed(self, item: Demand) -> tuple[float | None, str, Basis]:
        """Return the billed demand of an item, what raised it above the metered one, and how; computed once a bill."""
        key = _key(item)
        history = self.p.history
        held = history.billed.setdefault(key, [])
        if len(held) > self.b and self.b == len(held) - 1:
            return held[self.b], *history.why[key]
        peak = self.p.peak(self.b, item)
        actual = self._by_power_factor(peak.value, item)
        raised = actual != peak.value and actual is not None and peak.value is not None
        basis = Basis(peak.minutes, peak.value, peak.at, self._factor(self.terms.power_factor) if raised else None)
        history.actual.setdefault(key, []).append((self.period.month(), self._for_ratchet(item, actual)))
        billed, why = actual, ""
        if item.ratchet is not None:
            floor, highest, of = self._ratchet(item, key, actual)
            if floor is not None and (billed is None or floor > billed):
                billed, why = floor, " (ratchet)"
                basis = replace(basis, share=item.ratchet.share, highest=highest, of=of)
        for least, word in ((item.minimum, " (minimum)"), (item.contract, " (contract)")):
            if least is not None and billed is not None and float(least) > billed:
                billed, why = float(least), word
        if billed is not None and not self._months_share(item):
            billed = None
        held.append(billed)
        history.why[key] = why, basis
        return billed, why, basis

    def _for_ratchet(self, item: Demand, actual: float | None) -> float | None:
        if item.ratchet is None or item.ratchet.when is None:
            return actual
        return self._by_power_factor(self.p.peak(self.b, item, (item.ratchet.when,)).value, item)

    def _by_power_factor(self, kw: float | None, item: Demand) -> float | None:
        clause = self.terms.power_factor
        if kw is None or clause is None or clause.floor is None or item.unit != "kW":
            return kw
        factor = self._factor(clause)
        if factor is None:
            self.p.notes.add(POWER_FACTOR)
            return kw
        return kw * max(float(clause.floor) / factor, 1.0) if factor > 0 else kw

    def _factor(self, clause: PowerFactor | None) -> float | None:
        """Return the power factor of the bill, metered or stated."""
        factor = self.of.power_factor(self.b)
        return float(clause.value) if factor is None and clause and clause.value is not None else factor

    def _ratchet(self, item: Demand, key: str, actual: float | None) -> tuple[float | None, float, str]:
        """Return the demand that the ratchet sets, the demand that it goes by, and the bill of that demand.

        Report what the ratchet could not see.
        """
        rule = item.ratchet
        assert rule is not None  # noqa: S101 called with a ratchet
        entries = self.p.history.actual[key][:-1]
        if rule.enter == "billed":
            billed = self.p.history.billed[key]
            entries = [(m, x) for (m, _), x in zip(entries, billed, strict=True)]
        before: list[tuple[int, float | None, str]] = []
        first_month = self.of.bills[0].month()
        for i, kw in enumerate(reversed(rule.history)):
            before.insert(0, ((first_month - 2 - i) % 12 + 1, float(kw), "the history of the plan"))
        seen = [(m, x, self.of.bills[i].name) for i, (m, x) in enumerate(entries)]
        window = [*before, *seen][-rule.months :]
        counted = [(x, name) for m, x, name in window if x is not None and (rule.of is None or m in rule.of)]
        highest, of = max(counted, key=lambda c: c[0], default=(0.0, ""))
        missing = sum(1 for _, x, _ in window if x is None)
        if missing and self.b == len(self.of.bills) - 1:
            lacking = sum(1 for _, x in self.p.history.actual[key] if x is None)
            for _ in range(lacking):
                self.p.notes.add(RATCHET_GAP, key, line=item.name)
        floor = float(rule.share) * highest if counted else None
        self._unknown_history(item, key, window, rule.months, floor, actual)
        return floor, highest, of

    def _unknown_history(
        self, item: Demand, key: str, window: Sequence[Any], months: int, floor: float | None, actual: float | None
    ) -> None:
        rule = item.ratchet
        if rule is None or len(window) >= months:
            return
        # months that no rule counts need not be known
        unknown = [(self.period.month() - 1 - len(window) - i) % 12 for i in range(1, months - len(window) + 1)]
        if rule.of is not None and not any((m or 12) in rule.of for m in unknown):
            return
        known = [actual or 0.0, floor or 0.0, float(item.minimum or 0), float(item.contract or 0)]
        highest = self.p.history.highest
        if key not in highest:
            peaks = [self.p.peak(b, item).value or 0.0 for b in range(len(self.of.bills))]
            highest[key] = max(peaks, default=0.0)
        low, high = max(known), max(*known, float(rule.share) * highest[key])
        price = item.tiers[-1].price
        without, with_peak = ((Money.exact(kw) * price).quantize(CENT) for kw in (low, high))
        words = {"low": money(without, self.plan.currency), "high": money(with_peak, self.plan.currency)}
        self.p.notes.add(
            RATCHET_UNKNOWN, key, line=item.name, months=months, first=self.period.name, without=float(without),
            with_peak=float(with_peak), words=words,
        )  # fmt: skip

    def _load_factor_price(self, item: Demand) -> tuple[Decimal, float] | None:
        """Return the price of the load-factor group and the yearly load factor, if it is within a group."""
        last = self.b + 1
        first = max(0, last - 12)
        hours = sum((self.of.bills[i].end - self.of.bills[i].start) / 3.6e9 for i in range(first, last))
        peak = max((self.p.peak(i, item).value or 0.0) for i in range(first, last))
        if not hours or not peak:
            return None
        if last - first < 12:
            self.p.notes.add(LOAD_FACTOR, item.name, line=item.name)
        factor = sum(self.of.delivered(i) for i in range(first, last)) / (hours * peak)
        return next(((price, factor) for to, price in item.load_factor if factor <= float(to)), None)

    def _daily(self, item: Demand) -> None:
        kw = self._kw(self.of.daily_peaks(self.b, item))
        self.add(f"{item.name}, daily", item.kind, float(kw), f"{item.unit}-day", item.tiers[0].price,
                 kw * item.tiers[0].price)  # fmt: skip

    def _coincident(self, item: Demand) -> None:
        at = moments_of(self.plan, item)
        years = pd.DatetimeIndex(times.to_times(np.array(at, dtype=np.int64), self.plan.zone)).year.to_numpy()
        bill_year = np.datetime64(self.period.last, "D").item().year
        rule = item.moments_of
        if rule == "auto":
            rule = "all" if len(set(years.tolist())) == 1 else "year-before"
        if rule == "bill":
            at = [t for t in at if self.period.start <= t < self.period.end]
            if not at:
                return
        elif rule == "year-before":
            at = [t for t, y in zip(at, years, strict=True) if y == bill_year - 1]
        kw = self.of.moments(item, at) if at else []
        if not kw or not np.isfinite(kw).all():
            self.p.notes.add(MOMENT_UNKNOWN, item.name, line=item.name)
            return
        share = self._months_share(item) * self.times("month", item.prorate, self.period.days)
        mean = self._kw(float(np.mean(kw)))
        self.add(f"{item.name}, coincident", item.kind, float(mean), item.unit, item.tiers[0].price,
                 mean * item.tiers[0].price * share, basis=Basis(moments=len(kw)))  # fmt: skip

    # -- 5. delivery

    def _delivery(self) -> None:
        factor = self.terms.loss_factor
        if self.p.has_wires_energy:
            for group in self.groups(self.p.delivery):
                self._schedule_lines(self.p.delivery[group[0]], group, "wires", "Delivery", "wires", factor)
        charges: dict[Charge, list[int]] = {}
        for i in self.mine:
            for charge in ((w := self.p.wires[i]) and w.charges) or ():
                charges.setdefault(charge, []).append(i)
        for charge, mine in charges.items():
            self.charge(charge, mine, factor=factor)
        last = self.p.wires[self.mine[-1]]
        if last:
            self._demand(last.demand)

    # -- 8. riders and discounts

    def _percentages(self) -> None:
        before = list(self.made)
        for charge in self.terms.charges:
            if charge.per != "%":
                continue
            if charge.months is not None and not self._days_in(charge.months):
                continue
            self._at_threshold(charge.band, self.kwh, charge.name)
            if not charge.band.holds(self.kwh):
                continue
            base = sum((x.amount for x in before if not charge.on or x.named(charge.on)), ZERO)
            if charge.months is not None:
                base = base * self._days_in(charge.months) / self.period.days
            self.add(charge.name, charge.kind, float(base), self.plan.currency, charge.amount, base * charge.amount)

    # -- 9. minimum

    def _minimum(self) -> None:
        rule = self.terms.minimum
        if rule is None:
            return
        base = self.subtotal(rule.on)
        if rule.per == "year":
            self._year_minimum(rule.amount, base)
            return
        floor = rule.amount * self.times(rule.per, rule.prorate, self.period.days)
        if floor > base:
            self.add("Minimum bill", "minimum", 1.0, "bill", None, floor - base)

    def _year_minimum(self, amount: Decimal, base: Decimal) -> None:
        """Top up the last bill of a calendar year whose bills are all there."""
        year = np.datetime64(self.period.last, "D").item().year
        days, total = self.p.history.year.get(year, (0, ZERO))
        days, total = days + self.period.days, total + base
        self.p.history.year[year] = (days, total)
        december = np.datetime64(self.period.last + 16, "D").item().year > year
        if december and days >= 350:
            self.p.history.topped_up = True
            if amount > total:
                self.add("Minimum bill of the year", "minimum", 1.0, "year", None, amount - total)
        elif self.b == len(self.of.bills) - 1 and not self.p.history.topped_up:
            self.p.notes.add(YEAR_MINIMUM)

    # -- 10, 11. taxes and rebates

    def _taxes(self) -> None:
        before = list(self.made)
        for tax in self.terms.taxes:
            if tax.rate:
                base = sum((x.amount for x in before if not tax.on or x.named(tax.on)), ZERO)
                self.add(tax.name, "taxes", float(base), self.plan.currency, tax.rate, base * tax.rate)
            else:
                kwh = Money.exact(self.import_kwh())
                self.add(tax.name, "taxes", float(kwh), self.plan.unit, tax.per_kwh, kwh * tax.per_kwh)

    def _rebates(self) -> None:
        before = [x for x in self.made if x.kind != "taxes"]
        for rebate in self.terms.rebates:
            days = self.period.days if rebate.months is None else self._days_in(rebate.months)
            if not days:
                continue
            if rebate.per != "%":
                self.charge(rebate, self.mine)
                continue
            held = self.made if "taxes" in rebate.on else before
            base = sum((x.amount for x in held if not rebate.on or x.named(rebate.on)), ZERO)
            base = base * days / self.period.days
            self.add(rebate.name, "rebates", float(base), self.plan.currency, rebate.amount, base * rebate.amount)


def _in_order(energy: Floats, period: Ints, lower: Sequence[float], upper: Sequence[float], n: int) -> list[Floats]:
    """Fill tiers in order of time: each row takes what is left of the tier that the running total has reached."""
    before = np.cumsum(energy) - energy
    after = before + energy
    return [
        weighted(period, np.clip(after - a, 0, b - a) - np.clip(before - a, 0, b - a), n)
        for a, b in zip(lower, upper, strict=True)
    ]


def _key(item: Demand) -> str:
    return f"{item.kind} {item.name} {hash(item)}"


def moments_of(plan: Plan, item: Demand) -> list[int]:
    """Return the instants of a coincident demand charge: those of the plan, or of the CSV file that it names.

    Raises
    ------
    PlanError
        If the file is missing, or a moment has no time zone.
    """
    given: Sequence[Any] = item.moments
    if len(item.moments) == 1 and not item.moments[0][:4].isdigit():
        name = item.moments[0]
        path = Path(name).expanduser()
        path = path if path.is_absolute() or plan.folder is None else plan.folder / path
        if not path.is_file():
            raise PlanError(
                f"{plan.name}: There is no file {name} with the moments of {item.name}",
                next_step="Place the file next to the plan, one moment a line, such as 2026-08-20T17:00:00-05:00.",
            )
        lines = [r.split(",")[0].strip().strip('"') for r in path.read_text(encoding="utf-8-sig").splitlines()]
        given = [r for r in lines if r[:4].isdigit()]
        if not given:
            raise PlanError(f"{name} has no moments", next_step="Write one moment a line, with its offset.")
    made = []
    for moment in given:
        try:
            stamp = pd.Timestamp(moment)
        except ValueError:
            raise PlanError(f"{moment!r} is not a time", next_step="Write 2026-08-20T17:00:00-05:00.") from None
        if stamp.tz is None:
            raise PlanError(
                f"The moment {moment} of {item.name} has no time zone",
                next_step="Write its offset, such as 2026-08-20T17:00:00-05:00.",
            )
        made.append(int(times.to_instants(pd.DatetimeIndex([stamp]))[0]))
    return made
