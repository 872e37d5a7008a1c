"""Costs of many plans for one meter: sums of unrounded float64, computed for all plans of one shape together.

A tariff reads only the bill, the kind of date, and the local time of an interval. So the intervals of a meter
are summed once into cells (group of dates × slot of the day), and every plan is a map from cells to periods. Plans with
the same shape (as many seasons, periods, tiers, and charges) are stacked, and their prices are arrays::

    q[plan, bill, season, period]  kWh        price[plan, season, period, tier]        bound[plan, season, tier]

Demand charges, price series, export, tiers in order of time, and changing versions need the rows. Such plans are priced
by the engine itself, one after another; a test holds that both return the same costs.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from greenkit.findings import Findings
from greenkit.tariffs._calendar import ClockMap, DateTable
from greenkit.tariffs._layout import BillPeriod, Segment
from greenkit.tariffs._model import KINDS, Charge, Energy, Prorate, Terms
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._usage import MINUTE, Channel, Floats, Ints, Meter, weighted

if TYPE_CHECKING:
    from greenkit.tariffs._bill import BillInfo, Pricing

_WORDS: Final = frozenset({*KINDS, "any", "all", "total", "subtotal"})
_HOUR: Final = 60 * MINUTE
_FEW: Final = 4
"""Number of plans from which it is faster to sum the energy by cells first."""


def is_flat(plan: Plan) -> bool:
    """Return whether no price of a plan depends on the time of use."""
    held = [e for t in plan.terms for e in (t.energy, t.wires.energy if t.wires else None) if e]
    held += [w.energy for t in plan.tables for _, w in t.rows if w.energy]
    return all(s.flat for e in held for _, s in e.seasons)


def costs(pricings: Sequence[Pricing], meter: Meter, *, bills_of: Meter | None = None) -> tuple[list[BillInfo], Floats]:
    """Return the bills of a meter, and what each costs on each plan.

    Parameters
    ----------
    pricings : sequence of Pricing
        One for each plan, all with the same periods.
    meter : Meter
        What was used.
    bills_of : Meter, optional
        The meter whose data define the bills, if ``meter`` has more intervals. Default: ``meter``.

    Returns
    -------
    infos : list of BillInfo
        Of the first plan; ``total`` is its cost.
    cost : array of float64, bills × plans
        NaN where a plan has no price.
    """
    first = pricings[0]
    bills = first.bills(bills_of or meter)
    cost = np.full((len(bills), len(pricings)), np.nan)
    shapes = [_shape(p.plan) for p in pricings]
    # hourly or finer data can be summed by cells; all else is for the engine
    fine = 0 < meter.delivered.length <= _HOUR and first.rounded is False
    fine = fine and len(pricings) >= _FEW
    quick: dict[_Key, list[int]] = {}
    for i, shape in enumerate(shapes):
        if fine and shape is not None and _fits(pricings[i].plan, meter, bills):
            quick.setdefault(shape.key, []).append(i)
    if quick:
        chosen = [i for group in quick.values() for i in group]
        cells = _Cells([pricings[i].plan for i in chosen], meter.delivered, first.zone_of(meter), bills, first)
        for group in quick.values():
            held = [s for i in group if (s := shapes[i]) is not None]
            cost[:, group] = _stack(held, [pricings[i].plan for i in group], cells).T
    done = {i for group in quick.values() for i in group}
    infos: list[BillInfo] | None = None
    names = [b.name for b in bills]
    for i, pricing in enumerate(pricings):
        if i in done:
            continue
        _, made = pricing.meter(meter, Findings(), quiet=True, bills=bills)
        for info in made:
            cost[names.index(info.bill), i] = float(info.total)
        if infos is None or len(made) > len(infos):
            infos = made
    if infos is None or len(infos) < len(bills):
        infos = first.infos(meter, bills)
    return infos, cost


# -- shapes


class _Key:
    """A hashable shape whose hash is computed once."""

    __slots__ = ("hash", "of")

    def __init__(self, of: tuple[Any, ...]) -> None:
        self.of, self.hash = of, hash(of)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Key) and self.hash == other.hash and self.of == other.of)


@dataclass(frozen=True, eq=False)
class _Prices:
    """One schedule for each season, padded to the same number of periods and tiers."""

    price: Floats  # season × period × tier
    bound: Floats  # season × period × tier; the last is infinite
    rule: tuple[tuple[str, str, float], ...]  # pool, kind of bound, days of a tier month
    clocks: tuple[ClockMap, ...]
    key: _Key


@dataclass(frozen=True, eq=False)
class _Shape:
    """A plan as a shape and numbers."""

    key: _Key
    energy: _Prices | None
    wires: _Prices | None
    charges: Floats  # charge × (amount, low, high, above, below)
    terms: Terms


def _shape(plan: Plan) -> _Shape | None:
    """Return the shape of a plan, computed once; ``None`` if the plan needs rows."""
    if "_shape" not in plan.__dict__:
        plan.__dict__["_shape"] = _shape_of(plan)
    made: _Shape | None = plan.__dict__["_shape"]
    return made


def _shape_of(plan: Plan) -> _Shape | None:
    terms = plan.terms[0]
    wires = terms.wires
    if (
        len(plan.terms) > 1
        or plan.clock != "local"
        or plan.season_by != "date"
        or terms.demand
        or terms.power_factor
        or terms.rounding.kwh is not None
        or (terms.export and terms.export.carry == "year")
        or (terms.minimum and (terms.minimum.per == "year" or terms.minimum.on))
        or (wires and (wires.table or wires.demand))
    ):
        return None
    charges = [*terms.charges, *(wires.charges if wires else ()), *terms.rebates]
    on = [w for c in charges for w in c.on] + [w for t in terms.taxes for w in t.on]
    if any(w.lower() not in _WORDS for w in on) or any(c.per == "kW" or c.by == "net" for c in charges):
        return None
    if terms.baseline and plan.seasons and terms.energy and terms.energy.seasons[0][0] == "":
        return None
    energy = _prices(plan, terms.energy)
    delivery = _prices(plan, wires.energy if wires else None)
    if energy is False or delivery is False:
        return None
    inf = float("inf")
    numbers = np.array(
        [
            [float(c.amount), *(float(x) if x is not None else d for x, d in (
                (c.band.low, -inf), (c.band.high, inf), (c.band.above, -inf), (c.band.below, inf)))]
            for c in charges
        ]
    ).reshape(-1, 5)  # fmt: skip
    key = _Key(
        (
            energy and (energy.price.shape, energy.rule),
            delivery and (delivery.price.shape, delivery.rule),
            tuple((c.kind, c.per, c.on, c.prorate, c.months) for c in charges),
            tuple((t.rate, t.per_kwh, t.on) for t in terms.taxes),
            terms.baseline,
            terms.minimum,
            terms.loss_factor,
            len(plan.seasons),
        )
    )
    return _Shape(key, energy or None, delivery or None, numbers, terms)


def _prices(plan: Plan, energy: Energy | None) -> Any:
    """Return the prices of energy as arrays; ``None`` without energy, ``False`` if they need rows."""
    if energy is None:
        return None
    seasonal = energy.seasons[0][0] != ""
    schedules = [energy.of(s.name) for s in plan.seasons] if seasonal else [energy.of("")]
    for s in schedules:
        if any(p.series for p in s.periods) or (s.tiered and (s.share != "pro rata" or s.pool == "day")):
            return False
        if any(t.to_hours is not None for p in s.periods for t in p.tiers):
            return False
    width = max(len(s.periods) for s in schedules)
    depth = max(len(p.tiers) for s in schedules for p in s.periods)
    price = np.zeros((len(schedules), width, depth))
    bound = np.full((len(schedules), width, depth), np.inf)
    for i, s in enumerate(schedules):
        pooled = next((p.tiers for p in s.periods if len(p.tiers) > 1), None) if s.pool == "all" else None
        for j, p in enumerate(s.periods):
            tiers = p.tiers
            price[i, j] = [float(tiers[min(t, len(tiers) - 1)].price) for t in range(depth)]
            own = pooled or tiers
            bound[i, j, : len(own)] = [float("inf") if t.to is None else float(t.to) for t in own]
    rule = tuple(
        (s.pool, "day" if s.per == "day" else "month" if s.tier_month else "bill", float(s.tier_month or 0))
        for s in schedules
    )
    clocks = tuple(plan.calendar.schedule(s).clock for s in schedules)
    key = _Key((plan.nights_belong_to, tuple(tuple(p.whens for p in s.periods) for s in schedules)))
    return _Prices(price, bound, rule, clocks, key)


def _fits(plan: Plan, meter: Meter, bills: Sequence[BillPeriod]) -> bool:
    terms = plan.terms[0]
    if terms.export and meter.received is not None:
        return False
    if terms.first is None and terms.last is None:
        return True
    first = np.datetime64(terms.first or "1900-01-01", "D").astype(np.int64)
    last = np.datetime64(terms.last or "2900-01-01", "D").astype(np.int64)
    return all(first <= b.first and b.last <= last for b in bills)


# -- cells


class _Cells:
    """The energy of a meter by group of dates and slot of the day, for a set of plans."""

    def __init__(
        self, plans: Sequence[Plan], channel: Channel, zone: str, bills: Sequence[BillPeriod], pricing: Pricing
    ) -> None:
        self.bills, self.days = bills, np.array([b.days for b in bills], dtype=np.float64)
        steps = {c.step for p in plans for s in self._both(p) for c in s.clocks if c.by_hour}
        self.step = int(np.gcd.reduce(list(steps))) if steps else 1440
        parts = [Segment(i, 0, "", b.first, b.days) for i, b in enumerate(bills)]
        layout = pricing.cell_layout(channel, zone, bills, parts, self.step)
        rows = layout.rows
        first = layout.dates.first
        tables: dict[tuple[Any, ...], tuple[Ints, Ints]] = {}
        self._key_of: dict[int, int] = {}
        number: dict[tuple[Any, ...], int] = {}
        span = (first, first + len(layout.dates.month) - 1)
        for plan in plans:
            key = (plan.seasons, plan.holidays, plan.observed)
            if key not in tables:
                dates: DateTable = plan.calendar.dates(*span)
                tables[key] = (dates.klass, dates.season)
                number[key] = len(number)
            self._key_of[id(plan)] = number[key]
        # dates that are alike for every plan are one group: rows of (class, season) by calendar of a plan
        signs = np.stack([x for pair in tables.values() for x in pair])
        _, kind = np.unique(signs, axis=1, return_inverse=True)
        kind = np.asarray(kind).reshape(-1)
        date = rows.date - first
        owner = rows.bill * (int(kind.max()) + 1) + kind[date]
        distinct, group = np.unique(owner, return_inverse=True)
        slots = 1440 // self.step
        cell = group * slots + rows.minute // self.step
        self.energy = weighted(cell, layout.values(channel.value), len(distinct) * slots)
        self.bill = distinct // (int(kind.max()) + 1)
        example = np.zeros(len(distinct), dtype=np.int64)
        example[group] = date
        self.of = {number[k]: (klass[example], season[example]) for k, (klass, season) in tables.items()}
        self.kwh = weighted(rows.bill, layout.values(channel.value), len(bills))
        self.slots = np.arange(slots) * self.step
        # days of each bill by season, for every calendar
        self.season_days = {}
        for k, (_, season) in tables.items():
            count = int(season.max()) + 1
            self.season_days[number[k]] = np.stack(
                [np.bincount(season[b.first - first : b.first - first + b.days], minlength=count) for b in bills]
            ).astype(np.float64)
        self._q: dict[tuple[Any, ...], Floats] = {}
        self._days: dict[tuple[int, int], Floats] = {}

    @staticmethod
    def _both(plan: Plan) -> list[_Prices]:
        shape = _shape(plan)
        return [p for p in (shape.energy, shape.wires) if p is not None] if shape is not None else []

    def q(self, plan: Plan, prices: _Prices) -> Floats:
        """Return kWh by bill, season, and period."""
        key = self._key_of[id(plan)]
        whole = (key, prices.key, prices.price.shape[:2])
        if whole not in self._q:
            klass, season = self.of[key]
            seasons, width = prices.price.shape[:2]
            season = np.minimum(season, seasons - 1)
            where = np.zeros((len(klass), len(self.slots)), dtype=np.int64)
            for i, clock in enumerate(prices.clocks):
                mine = season == i
                if width > 1 and mine.any():
                    where[mine] = clock.flat[klass[mine][:, None], (self.slots // clock.step)[None, :]]
            where += ((self.bill * seasons + season) * width)[:, None]
            size = len(self.bills) * seasons * width
            made = weighted(where.reshape(-1), self.energy, size)
            self._q[whole] = made.reshape(len(self.bills), seasons, width)
        return self._q[whole]

    def season_day(self, plan: Plan, seasons: int) -> Floats:
        """Return the days of each bill in each season."""
        if seasons == 1:
            return self.days[:, None]
        key = (self._key_of[id(plan)], seasons)
        if key not in self._days:
            found = self.season_days[key[0]]
            self._days[key] = np.pad(found, ((0, 0), (0, max(seasons - found.shape[1], 0))))
        return self._days[key]


# -- costs


def _stack(shapes: Sequence[_Shape], plans: Sequence[Plan], cells: _Cells) -> Floats:
    """Return the costs of plans of one shape, plan × bill, in the order of the lines of a bill."""
    terms, n = shapes[0].terms, len(shapes)
    kwh: Floats = np.asarray(np.round(cells.kwh, 6), dtype=np.float64)
    by_kind: list[tuple[str, Floats]] = []
    if shapes[0].energy is not None:
        by_kind.append(("energy", _energy([s.energy for s in shapes], plans, cells)))
    if terms.baseline is not None:
        by_kind.append(("energy", np.broadcast_to(_baseline(terms, plans[0], shapes[0], cells), (n, len(kwh)))))
    numbers = np.stack([s.charges for s in shapes])
    amounts: list[Floats] = []
    charges: list[Charge] = [*terms.charges, *(terms.wires.charges if terms.wires else ()), *terms.rebates]
    for i in range(len(charges)):
        amount, low, high, above, below = (numbers[:, i, k][:, None] for k in range(5))
        inside = (kwh >= low) & (kwh <= high) & (kwh > above) & (kwh < below)
        amounts.append(np.asarray(amount * inside, dtype=np.float64))
    if shapes[0].wires is not None:
        delivery = float(terms.loss_factor) * _energy([s.wires for s in shapes], plans, cells)
        by_kind.append(("wires", delivery))
    last = len(terms.charges) + (len(terms.wires.charges) if terms.wires else 0)
    for charge, amount in zip(charges[:last], amounts[:last], strict=True):
        if charge.per != "%":
            by_kind.append((charge.kind, amount * _times(charge, cells, kwh, terms)))
    before = list(by_kind)
    for charge, amount in zip(charges[:last], amounts[:last], strict=True):
        if charge.per == "%":
            by_kind.append((charge.kind, amount * _sum(before, charge.on, n, len(kwh)) * _share(charge, cells)))
    if terms.minimum is not None:
        least = float(terms.minimum.amount) * _count(terms.minimum.per, terms.minimum.prorate, cells)
        by_kind.append(("minimum", np.maximum(least - _sum(by_kind, (), n, len(kwh)), 0)))
    untaxed = list(by_kind)
    for tax in terms.taxes:
        base = float(tax.rate) * _sum(untaxed, tax.on, n, len(kwh)) if tax.rate else float(tax.per_kwh) * kwh
        by_kind.append(("taxes", np.broadcast_to(base, (n, len(kwh)))))
    for charge, amount in zip(charges[last:], amounts[last:], strict=True):
        if charge.per == "%":
            held = by_kind if "taxes" in charge.on else untaxed
            by_kind.append(("rebates", amount * _sum(held, charge.on, n, len(kwh)) * _share(charge, cells)))
        else:
            by_kind.append(("rebates", amount * _times(charge, cells, kwh, terms)))
    return _sum(by_kind, (), n, len(kwh))


def _sum(held: Sequence[tuple[str, Floats]], on: Sequence[str], n: int, bills: int) -> Floats:
    words = {w.lower() for w in on}
    every = not words or words & {"any", "all", "total", "subtotal"}
    made = np.zeros((n, bills))
    for kind, amount in held:
        if every or kind in words:
            made = made + amount
    return made


def _energy(prices: Sequence[_Prices | None], plans: Sequence[Plan], cells: _Cells) -> Floats:
    """Return the cost of energy, plan × bill; tiers cut the kWh of each season, shared pro rata by its periods."""
    held = [p for p in prices if p is not None]
    first = held[0]
    same = all(p.key is first.key or p.key == first.key for p in held[1:])
    keys = {cells._key_of[id(p)] for p in plans}
    if same and len(keys) == 1:
        q = cells.q(plans[0], first)[None]
    else:
        q = np.stack([cells.q(p, h) for p, h in zip(plans, held, strict=True)])
    price = np.stack([p.price for p in held])  # plan × season × period × tier
    if price.shape[3] == 1:
        return np.asarray(np.einsum("nbsp,nsp->nb", np.broadcast_to(q, (len(held), *q.shape[1:])), price[..., 0]))
    bound = np.stack([p.bound for p in held])
    days = np.stack([cells.season_day(p, price.shape[1]) for p in plans])  # plan × bill × season
    made = np.zeros((len(held), len(cells.bills)))
    for s, (pool, kind, month) in enumerate(first.rule):
        d = days[:, :, s]
        factor = d if kind == "day" else d / month if kind == "month" else d / cells.days
        mine = np.broadcast_to(q[:, :, s], (len(held), *q.shape[1:2], q.shape[3]))
        if pool == "period":
            low = np.zeros_like(mine)
            for t in range(price.shape[3]):
                high = bound[:, None, s, :, t] * _finite(factor, bound[:, s, :, t])
                start = np.where(np.isinf(low), np.maximum(mine, 0), low)
                made += (np.clip(mine - start, 0, np.maximum(high - start, 0)) * price[:, None, s, :, t]).sum(axis=2)
                low = high
            continue
        total = mine.sum(axis=2)
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        low = np.zeros_like(total)
        for t in range(price.shape[3]):
            top = bound[:, s, 0, t][:, None]
            high = np.where(np.isinf(top), np.inf, np.where(np.isinf(top), 0.0, top) * factor)
            # a schedule with fewer tiers than the deepest one has open tiers without energy after its last
            start = np.where(np.isinf(low), total, low)
            within = np.clip(total - start, 0, np.where(np.isinf(high), np.inf, np.maximum(high - start, 0)))
            made += within * share * np.einsum("nbp,np->nb", mine, price[:, s, :, t])
            low = high
    return made


def _finite(factor: Floats, bound: Floats) -> Floats:
    """Return the factor of bounds, 1 where a bound is infinite, because infinity times 0 is not a number."""
    return np.where(np.isinf(bound)[:, None, :], 1.0, factor[:, :, None])


def _baseline(terms: Terms, plan: Plan, shape: _Shape, cells: _Cells) -> Floats:
    assert terms.baseline is not None  # noqa: S101 called with a baseline
    allowance = dict(terms.baseline.per_day)
    names = [s.name for s in plan.seasons] or [""]
    days = cells.season_day(plan, len(names))
    daily = np.array([float(allowance.get(n, allowance.get("", 0))) for n in names])
    if shape.energy is not None and shape.energy.price.shape[0] == len(names):
        used = cells.q(plan, shape.energy).sum(axis=2)
    else:
        used = cells.kwh[:, None] * days / cells.days[:, None]
    return np.asarray(float(terms.baseline.price) * np.minimum(used, daily * days).sum(axis=1))


def _share(charge: Charge, cells: _Cells) -> Floats:
    """Return the share of each bill that lies in the months of a charge."""
    if charge.months is None:
        return np.ones(len(cells.bills))
    return _days_in(charge.months, cells) / cells.days


def _days_in(months: frozenset[int], cells: _Cells) -> Floats:
    made = []
    for b in cells.bills:
        span = np.arange(b.first, b.first + b.days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        made.append(np.isin(span % 12 + 1, list(months)).sum())
    return np.array(made, dtype=np.float64)


def _times(charge: Charge, cells: _Cells, kwh: Floats, terms: Terms) -> Floats:
    share = _share(charge, cells)
    if charge.per == "kWh":
        return share * kwh * (float(terms.loss_factor) if charge.kind == "wires" else 1.0)
    return _count(charge.per, charge.prorate, cells) * share


def _count(per: str, rule: Prorate, cells: _Cells) -> Floats:
    """Return how often an amount is charged in each bill."""
    days = cells.days
    if per == "day":
        return days
    if per == "year":
        return days / 365
    if rule.base is None:
        return np.ones(len(days))
    if rule.base == "month":
        made = np.array([
            sum(1 / calendar.monthrange(d.year, d.month)[1]
                for d in np.arange(b.first, b.first + b.days).astype("datetime64[D]").tolist())
            for b in cells.bills
        ])  # fmt: skip
    else:
        made = days / float(rule.base)
    return np.where(days >= rule.below_days, 1.0, made) if rule.below_days is not None else made
