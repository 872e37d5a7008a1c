"""Usage of a meter by cell, demand window, and moment: the energy side of a bill, without money.

:class:`MeterQuantities` computes from intervals, :class:`RegisterQuantities` from rows that have only the kWh (and kW)
of a bill. Both answer the same questions, so one engine prices both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.findings import Findings, Kind
from greenkit.tariffs._layout import DAY_US, BillPeriod, Layout, Segment
from greenkit.tariffs._model import Demand, PlanError, PriceSeries, Schedule, When
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._series import SeriesBook, prices_at
from greenkit.tariffs._usage import HOUR, MINUTE, Channel, Floats, Ints, Meter, weighted

STRADDLE: Final = Kind(
    "tariff.period.straddle",
    "info",
    "{kwh} {unit} of meter {meter} are in intervals that span two time-of-use periods. greenkit split them by time.",
    "Use data with shorter intervals for an exact bill.",
)
BILL_STRADDLE: Final = Kind(
    "tariff.bill.straddle",
    "info",
    "{count:interval} of meter {meter} {count:spans|span} two bills. greenkit split {count:it|them} by time.",
)
COARSE: Final = Kind(
    "tariff.demand.coarse",
    "warning",
    "Demand is metered in windows of {window} minutes, but the intervals of meter {meter} allow only windows of "
    "{minutes} minutes. The demand charges are a lower bound.",
    "Use data with intervals of {window} minutes.",
)
HALF_BLOCK: Final = Kind(
    "tariff.demand.incomplete-window",
    "info",
    "greenkit left out {count:window} of {window} minutes of meter {meter}, because intervals are missing in "
    "{count:it|them}.",
)


Worth = dict[str, tuple[float, float]]
"""Energy, and Σ energy × price, by the column of a price series."""


@dataclass(frozen=True)
class Peak:
    """The highest demand of a bill in kW or kVA, with the start and minutes of its window; ``None`` without data."""

    value: float | None
    at: int | None = None
    minutes: int = 0


@dataclass(frozen=True, eq=False)
class Windows:
    """Demand windows; arrays of one length. ``power`` is in kW, ``apparent`` in kVA where there is reactive energy."""

    start: Ints
    power: Floats
    apparent: Floats | None
    date: Ints
    klass: Ints
    minute: Ints
    low: Ints
    high: Ints
    minutes: int


class Quantities(Protocol):
    """Interface between the engine and a meter."""

    name: str
    zone: str
    bills: Sequence[BillPeriod]
    parts: Sequence[Segment]
    exports: bool
    has_rows: bool

    def sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return imported energy by segment and period."""

    def export_sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return exported energy by segment and period."""

    def counts(self, schedules: Sequence[Schedule]) -> tuple[Ints, Ints, Ints]:
        """Return present, expected, and estimated intervals by segment and period."""

    def delivered(self, bill: int) -> float:
        """Return the delivered energy of a bill, before any netting."""

    def received(self, bill: int) -> float:
        """Return the received energy of a bill, before any netting."""

    def net_by_interval(self, bill: int) -> float:
        """Return the sum of the positive part of delivered less received, interval by interval."""

    def rows(self, bill: int, segments: Sequence[int], schedule: Schedule) -> tuple[Floats, Ints, Ints]:
        """Return energy, period, and local date of each row of some segments, in order of time."""

    def worth(self, plan: Plan, series: PriceSeries, *, export: bool, bill: int, mask: Any) -> Worth:
        """Return energy and Σ energy × price of a bill for each column of a price series."""

    def peak(self, bill: int, demand: Demand, whens: tuple[When, ...]) -> Peak:
        """Return the highest demand of a bill at some times."""

    def daily_peaks(self, bill: int, demand: Demand) -> float:
        """Return the sum of the highest demand of each day."""

    def moments(self, demand: Demand, at: Sequence[int]) -> list[float]:
        """Return the demand at some instants; NaN where there is no interval."""

    def power_factor(self, bill: int) -> float | None:
        """Return the power factor of a bill from reactive energy; ``None`` without it."""


class LayoutCache:
    """The last layout by the times of a channel, because most meters of a fleet share them."""

    def __init__(self) -> None:
        self._held: list[tuple[Channel, str, Any, Layout]] = []

    def get(
        self, plan: Plan, channel: Channel, zone: str, key: Any, bills: Sequence[BillPeriod], parts: Sequence[Segment]
    ) -> Layout:
        """Return the layout of a channel on bills; ``key`` distinguishes bills."""
        for held, z, k, layout in self._held:
            if z == zone and k == key and held.same_times(channel):
                return layout
        made = Layout(plan, channel, zone, bills, parts)
        self._held = [(channel, zone, key, made), *self._held[:3]]
        return made


class MeterQuantities:
    """Quantities of one meter from its intervals."""

    has_rows = True

    def __init__(
        self,
        plan: Plan,
        meter: Meter,
        zone: str,
        bills: Sequence[BillPeriod],
        parts: Sequence[Segment],
        book: SeriesBook,
        cache: LayoutCache,
        netting: str,
    ) -> None:
        self.plan, self.meter, self.zone, self.bills, self.parts, self.book = plan, meter, zone, bills, parts, book
        self.name = meter.name
        self.exports = meter.received is not None
        self.netting = netting
        self._raw = meter
        imported, exported = meter.delivered, meter.received
        if exported is not None and netting in ("interval", "hour") and not meter.signed:
            imported, exported = netted(meter, netting, zone)
        self.imported, self.exported = imported, exported
        key = tuple((b.start, b.end) for b in bills)
        self.layout = cache.get(plan, imported, zone, key, bills, parts)
        self.out = cache.get(plan, exported, zone, key, bills, parts) if exported is not None else None
        self._values: Floats | None = None
        self._out_values: Floats | None = None
        self._windows: dict[tuple[int, bool], Windows] = {}
        self._sums: dict[int, Floats] = {}
        self._delivered: list[float] | None = None
        self._received: Floats | None = None
        self.half_blocks: dict[int, int] = {}

    # -- energy

    @property
    def values(self) -> Floats:
        """Imported energy of each row of the layout."""
        if self._values is None:
            self._values = self.layout.values(self.imported.value)
        return self._values

    @property
    def out_values(self) -> Floats:
        """Exported energy of each row of the export layout."""
        if self._out_values is None:
            assert self.out is not None and self.exported is not None  # noqa: S101, PT018 asked only if it exports
            self._out_values = self.out.values(self.exported.value)
        return self._out_values

    def sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return imported energy by segment and period."""
        cell, width = self.layout.cell(schedules)
        if width == 1:
            return self.layout.by_segment(self.values)[:, None]
        return weighted(cell, self.values, len(self.parts) * width).reshape(len(self.parts), width)

    def export_sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return exported energy by segment and period."""
        width = max((len(s.periods) for s in schedules), default=1)
        if self.out is None:
            return np.zeros((len(self.parts), width))
        cell, width = self.out.cell(schedules)
        return weighted(cell, self.out_values, len(self.parts) * width).reshape(len(self.parts), width)

    def counts(self, schedules: Sequence[Schedule]) -> tuple[Ints, Ints, Ints]:
        """Return present, expected, and estimated intervals by segment and period."""
        cell, width = self.layout.cell(schedules)
        n = len(self.parts) * width
        expected = self.layout.expected(schedules)
        channel = self.imported
        if channel.complete and self.layout._missing_rows is None:
            present = expected
        else:
            present = np.bincount(cell, self.layout.counts(channel.valid), n).astype(np.int64)
        guess = channel.estimated
        if guess is None or not guess.any():
            estimated = np.zeros(n, dtype=np.int64)
        else:
            estimated = np.bincount(cell, self.layout.counts(guess & channel.valid), n).astype(np.int64)
        shape = (len(self.parts), width)
        return present.reshape(shape), expected.reshape(shape), estimated.reshape(shape)

    def delivered(self, bill: int) -> float:
        """Return the delivered energy of a bill, before any netting."""
        if self._delivered is None:
            if self.imported is self._raw.delivered:
                self._delivered = self.layout.by_bill(self.values).tolist()
            else:
                self._delivered = _by_bill(self._raw.delivered, self.bills).tolist()
        return self._delivered[bill]

    def received(self, bill: int) -> float:
        """Return the received energy of a bill, before any netting."""
        if self._raw.received is None:
            return 0.0
        if self._received is None:
            self._received = _by_bill(self._raw.received, self.bills)
        return float(self._received[bill])

    def net_by_interval(self, bill: int) -> float:
        """Return the sum of the positive part of delivered less received, interval by interval."""
        channel = self._raw.delivered
        if self._raw.received is not None and not self._raw.signed:
            channel, _ = netted(self._raw, "interval", self.zone)
        return float(_by_bill(channel, [self.bills[bill]])[0])

    def rows(self, bill: int, segments: Sequence[int], schedule: Schedule) -> tuple[Floats, Ints, Ints]:
        """Return energy, period, and local date of each row of some segments, in order of time."""
        mine = np.isin(self.layout.rows.segment, list(segments)) & (self.layout.rows.bill == bill)
        return self.values[mine], self.layout.period(schedule)[mine], self.layout.rows.date[mine]

    def worth(self, plan: Plan, series: PriceSeries, *, export: bool, bill: int, mask: Any) -> Worth:
        """Return energy and Σ energy × price of a bill for each column of a price series."""
        layout = self.out if export else self.layout
        if layout is None:
            return {}
        rows = layout.rows
        mine = rows.bill == bill
        if mask is not None:
            mine = mine & mask(layout)
        energy = (self.out_values if export else self.values)[mine]
        made = {}
        for name, steps in self.book.load(plan, series).items():
            price = prices_at(
                steps, rows.start[mine], rows.end[mine], rows.klass[mine], rows.minute[mine], energy != 0,
                series.source, self.zone,
            )  # fmt: skip
            made[name] = (float(energy.sum()), float(energy @ price))
        return made

    # -- demand

    def windows(self, minutes: int, sliding: bool) -> Windows:
        """Return the demand windows of the meter: mean power over clock blocks, or sliding ones."""
        key = (minutes, sliding)
        if key in self._windows:
            return self._windows[key]
        channel = self.imported
        if self.exports and self.netting in ("period", "bill") and not self._raw.signed:
            channel, _ = netted(self._raw, "interval", self.zone)
        size, length = minutes * MINUTE, channel.length
        if length and length < size and size % length:
            # ten-minute intervals do not make up windows of 15 minutes, but some of 30
            size = int(np.lcm(size, length))
        start, end, energy = channel.start, channel.end, channel.value
        kvar = self._kvar(channel)
        if length and length < size:
            dropped = 0
            if sliding and size % length == 0:
                start, end, energy, kvar = _slide(start, end, energy, kvar, size // length, size)
            else:
                start, end, energy, kvar, dropped = _blocks(start, end, energy, kvar, size, self.zone)
            self.half_blocks[minutes] = dropped
        good = np.isfinite(energy) & (end > start)
        start, end, energy = start[good], end[good], energy[good]
        kvar = kvar[good] if kvar is not None else None
        hours = (end - start) / HOUR
        power = energy / hours
        apparent = np.hypot(power, kvar / hours) if kvar is not None else None
        wall = self.layout._wall(start)
        date = wall // DAY_US
        table = self.layout.dates
        klass = table.klass[np.clip(date - table.first, 0, len(table.month) - 1)]
        low = np.searchsorted(start, [b.start for b in self.bills])
        high = np.searchsorted(start, [b.end for b in self.bills])
        made = Windows(
            start, power, apparent, date, klass, wall % DAY_US // MINUTE, low, high, max(size, length) // MINUTE
        )
        self._windows[key] = made
        return made

    def _kvar(self, channel: Channel) -> Floats | None:
        reactive = self._raw.reactive
        if reactive is None:
            return None
        if reactive.same_times(channel):
            return reactive.value
        place = np.searchsorted(reactive.start, channel.start)
        place = np.minimum(place, len(reactive) - 1)
        same = (reactive.start[place] == channel.start) & (reactive.end[place] == channel.end)
        return np.where(same, reactive.value[place], np.nan)

    def _power(self, demand: Demand) -> tuple[Windows, Floats]:
        found = self.windows(demand.window, demand.sliding)
        if demand.unit == "kVA":
            stated = _stated_power_factor(self.plan)
            if found.apparent is not None:
                return found, found.apparent
            if stated is None:
                raise PlanError(
                    f"{demand.name} is priced per kVA, but meter {self.name} has no reactive energy (kvarh)",
                    next_step="Load the kvarh series, or set power_factor = {value = 0.95} in the plan.",
                )
            return found, found.power / stated
        return found, found.power

    def peak(self, bill: int, demand: Demand, whens: tuple[When, ...]) -> Peak:
        """Return the highest demand of a bill at some times; of equal peaks the first."""
        found, power = self._power(demand)
        part = slice(int(found.low[bill]), int(found.high[bill]))
        clock = self.plan.calendar.demand(whens)
        inside = clock.at(found.klass[part], found.minute[part]) >= 0
        mine = power[part]
        if not inside.any():
            return Peak(None)
        best = int(np.where(inside, mine, -np.inf).argmax())
        return Peak(float(mine[best]), int(found.start[part][best]), found.minutes)

    def daily_peaks(self, bill: int, demand: Demand) -> float:
        """Return the sum of the highest demand of each day."""
        found, power = self._power(demand)
        part = slice(int(found.low[bill]), int(found.high[bill]))
        inside = self.plan.calendar.demand(demand.when).at(found.klass[part], found.minute[part]) >= 0
        if not inside.any():
            return 0.0
        return float(pd.Series(power[part][inside]).groupby(found.date[part][inside]).max().sum())

    def moments(self, demand: Demand, at: Sequence[int]) -> list[float]:
        """Return the demand at some instants: that of the interval that holds them."""
        channel = self.imported
        when = np.asarray(at, dtype=np.int64)
        place = np.searchsorted(channel.start, when, side="right") - 1
        held = (place >= 0) & (when < channel.end[np.maximum(place, 0)])
        hours = (channel.end - channel.start) / HOUR
        place = np.maximum(place, 0)
        return np.where(held, channel.value[place] / hours[place], np.nan).tolist()  # type: ignore[no-any-return]

    def power_factor(self, bill: int) -> float | None:
        """Return the power factor of a bill: kWh ÷ √(kWh² + kvarh²)."""
        if self._raw.reactive is None:
            return None
        kwh = self.delivered(bill)
        kvarh = float(_by_bill(self._raw.reactive, [self.bills[bill]])[0])
        size = float(np.hypot(kwh, kvarh))
        return kwh / size if size > 0 else None

    def report(self, notes: Findings, demands: Sequence[Demand]) -> None:
        """Report quantities that the times of the data do not determine exactly."""
        self._report_straddles(notes)
        for minutes in sorted({d.window for d in demands if not d.moments}):
            length = self.imported.length
            if length and (length > minutes * MINUTE or minutes * MINUTE % length):
                seen = length if length > minutes * MINUTE else int(np.lcm(minutes * MINUTE, length))
                notes.add(
                    COARSE, words={"meter": self.name}, meter=self.name, window=minutes, minutes=round(seen / MINUTE, 3)
                )
            if self.half_blocks.get(minutes):
                notes.add(
                    HALF_BLOCK, count=self.half_blocks[minutes], window=minutes, words={"meter": self.name},
                    meter=self.name,
                )  # fmt: skip

    def _report_straddles(self, notes: Findings) -> None:
        rows = self.layout.rows
        if rows.share is None:
            return
        one = pd.DataFrame({"source": rows.source, "bill": rows.bill, "value": self.values})
        for s in {id(m.schedule): m.schedule for m in self.layout.maps}.values():
            one[f"p{id(s)}"] = self.layout.period(s)
        by = one.groupby("source")
        energy = by["value"].sum()
        split = pd.Series(False, index=energy.index)
        for name in one.columns[3:]:
            split |= by[name].nunique() > 1
        # two pieces in two bills are split by the bill, not by the period
        bills = by["bill"].nunique() > 1
        if split.any() and energy[split].sum() > 0:
            notes.add(
                STRADDLE, kwh=round(float(energy[split].sum()), 3), words={"meter": self.name, "unit": self.plan.unit},
                meter=self.name,
            )  # fmt: skip
        inner = int(bills.sum()) + self._cut_at_bounds()
        if inner:
            notes.add(BILL_STRADDLE, count=inner, words={"meter": self.name}, meter=self.name)

    def _cut_at_bounds(self) -> int:
        """Count intervals that a bill's bound cuts and of which only one piece lies in a bill."""
        channel = self.imported
        bounds = np.array(sorted({x for b in self.bills for x in (b.start, b.end)}), dtype=np.int64)
        place = np.searchsorted(channel.start, bounds, side="left") - 1
        held = (place >= 0) & (channel.end[np.maximum(place, 0)] > bounds)
        inside = np.isin(bounds, [b.start for b in self.bills]) & np.isin(bounds, [b.end for b in self.bills])
        return int((held & ~inside).sum())


def _stated_power_factor(plan: Plan) -> float | None:
    found = next((t.power_factor for t in reversed(plan.terms) if t.power_factor), None)
    return float(found.value) if found and found.value else None


def _by_bill(channel: Channel, bills: Sequence[BillPeriod]) -> Floats:
    """Return the energy of each bill; an interval that a bound cuts is split by time.

    ``total`` is the running sum at each start; a bound inside interval i takes the same share of its energy.
    """
    value = np.nan_to_num(channel.value)
    total = np.append(0.0, np.cumsum(value))
    if not len(value):
        return np.zeros(len(bills))

    def at(when: Any) -> Floats:
        when = np.asarray(when, dtype=np.int64)
        i = np.searchsorted(channel.start, when, side="right") - 1
        j = np.maximum(i, 0)
        span = np.maximum(channel.end[j] - channel.start[j], 1)
        inside = np.clip((when - channel.start[j]) / span, 0, 1)
        return np.asarray(np.where(i >= 0, total[j] + inside * value[j], 0.0), dtype=np.float64)

    return np.asarray(at([b.end for b in bills]) - at([b.start for b in bills]), dtype=np.float64)


def netted(meter: Meter, how: str, zone: str) -> tuple[Channel, Channel]:
    """Return import and export after netting by interval or by clock hour.

    Raises
    ------
    PlanError
        If the two registers have different intervals.
    """
    assert meter.received is not None  # noqa: S101 asked only if it exports
    a, b = _aligned(meter.delivered, meter.received, meter.name)
    net = a.value - b.value
    if how == "hour":
        wall = times.to_wall_clock(a.start, zone)
        hour = a.start - wall % HOUR
        distinct, where = np.unique(hour, return_inverse=True)
        total = np.bincount(where, np.nan_to_num(net), len(distinct))
        # the net of the hour is put on its first interval
        lead = np.append(True, np.diff(where) > 0) if len(where) else np.zeros(0, dtype=bool)
        net = np.where(np.isnan(net), np.nan, np.where(lead, total[where], 0.0))
    guess = a.estimated if b.estimated is None else b.estimated if a.estimated is None else a.estimated | b.estimated
    return (
        Channel(a.start, a.end, np.where(np.isnan(net), np.nan, np.maximum(net, 0)), guess),
        Channel(a.start, a.end, np.where(np.isnan(net), np.nan, np.maximum(-net, 0)), guess),
    )


def _aligned(a: Channel, b: Channel, meter: str) -> tuple[Channel, Channel]:
    """Bring two registers to the same intervals; where one has none, its value is unknown."""
    if a.same_times(b):
        return a, b
    if a.length != b.length:
        raise PlanError(
            f"Meter {meter} has delivered and received energy in different intervals, which cannot be netted",
            next_step="Use data with the same intervals in both directions.",
        )
    start, where = np.unique(np.concatenate([a.start, b.start]), return_index=True)
    end = np.concatenate([a.end, b.end])[where]

    def on(c: Channel) -> Channel:
        value = np.full(len(start), np.nan)
        place = np.searchsorted(start, c.start)
        value[place] = c.value
        guess = np.zeros(len(start), dtype=bool)
        if c.estimated is not None:
            guess[place] = c.estimated
        return Channel(start, end, value, guess)

    return on(a), on(b)


def _blocks(
    start: Ints, end: Ints, energy: Floats, kvar: Floats | None, size: int, zone: str
) -> tuple[Ints, Ints, Floats, Floats | None, int]:
    """Add intervals up in blocks of the clock; a block without all of its intervals is left out and counted."""
    block = start - times.to_wall_clock(start, zone) % size
    distinct, where = np.unique(block, return_inverse=True)
    covered = np.bincount(where, np.where(np.isfinite(energy), end - start, 0), len(distinct))
    total = np.bincount(where, np.nan_to_num(energy), len(distinct))
    reactive = np.bincount(where, np.nan_to_num(kvar), len(distinct)) if kvar is not None else None
    whole = covered == size
    return (
        distinct[whole],
        distinct[whole] + size,
        total[whole],
        reactive[whole] if reactive is not None else None,
        int((~whole & (covered > 0)).sum()),
    )


def _slide(
    start: Ints, end: Ints, energy: Floats, kvar: Floats | None, count: int, size: int
) -> tuple[Ints, Ints, Floats, Floats | None]:
    """Add up each run of ``count`` consecutive intervals."""
    if len(start) < count:
        return start[:0], end[:0], energy[:0], kvar[:0] if kvar is not None else None
    whole = end[count - 1 :] - start[: len(start) - count + 1] == size

    def roll(value: Floats) -> Floats:
        return np.asarray(np.convolve(value, np.ones(count), mode="valid")[whole], dtype=np.float64)

    first = start[: len(start) - count + 1][whole]
    return first, first + size, roll(energy), roll(kvar) if kvar is not None else None


class RegisterQuantities:
    """Quantities of one meter from rows with the kWh, and perhaps the kW, of each bill."""

    has_rows = False

    def __init__(
        self,
        plan: Plan,
        name: str,
        bills: Sequence[BillPeriod],
        parts: Sequence[Segment],
        kwh: Sequence[float],
        kw: Sequence[float] | None = None,
        received: Sequence[float] | None = None,
        mix: dict[str, float] | None = None,
    ) -> None:
        self.plan, self.name, self.zone, self.bills, self.parts = plan, name, plan.zone, bills, parts
        self._kwh, self._kw, self._received = list(kwh), list(kw) if kw is not None else None, received
        self.exports = received is not None
        self.mix = mix or {}

    def _split(self, amounts: Sequence[float], schedules: Sequence[Schedule]) -> Floats:
        """Share the energy of each bill over its segments by days, and over periods by the assumed mix."""
        width = max((len(s.periods) for s in schedules), default=1)
        made = np.zeros((len(self.parts), width))
        for i, part in enumerate(self.parts):
            bill = self.bills[part.bill]
            made[i, : len(schedules[i].periods)] = (
                amounts[part.bill] * part.days / bill.days * np.array(self._shares(schedules[i]))
            )
        return made

    def _shares(self, schedule: Schedule) -> list[float]:
        if schedule.flat:
            return [1.0]
        names = [p.name for p in schedule.periods]
        missing = [n for n in self.mix if n not in names]
        if not self.mix or missing:
            raise PlanError(
                f"{self.plan.name} has time-of-use prices, and bills without intervals do not show when energy was used"
                if not self.mix
                else f"The assumed mix names {missing[0]}, which is not a period of the plan",
                next_step=f"Pass intervals, or an assumed mix of {', '.join(names)}.",
            )
        return [self.mix.get(n, 0.0) for n in names]

    def sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return imported energy by segment and period."""
        return self._split(self._kwh, schedules)

    def export_sums(self, schedules: Sequence[Schedule]) -> Floats:
        """Return exported energy by segment and period."""
        return self._split(list(self._received) if self._received is not None else [0.0] * len(self.bills), schedules)

    def counts(self, schedules: Sequence[Schedule]) -> tuple[Ints, Ints, Ints]:
        """Return zeros: there are no intervals."""
        width = max((len(s.periods) for s in schedules), default=1)
        none = np.zeros((len(self.parts), width), dtype=np.int64)
        return none, none, none

    def delivered(self, bill: int) -> float:
        """Return the kWh of a bill."""
        return float(self._kwh[bill])

    def received(self, bill: int) -> float:
        """Return the received kWh of a bill."""
        return float(self._received[bill]) if self._received is not None else 0.0

    def net_by_interval(self, bill: int) -> float:
        """Return delivered less received of the whole bill, which is the least that intervals can show."""
        return max(self.delivered(bill) - self.received(bill), 0.0)

    def rows(self, bill: int, segments: Sequence[int], schedule: Schedule) -> tuple[Floats, Ints, Ints]:
        """Return each bill as one row; tiers in order of time, or of a day, need intervals."""
        if schedule.pool == "day" or not schedule.flat:
            raise self._needs_intervals("tiers that count by day or in order of time")
        days = sum(self.parts[i].days for i in segments)
        share = self._kwh[bill] * days / self.bills[bill].days
        return np.array([share]), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)

    def _needs_intervals(self, what: str) -> PlanError:
        return PlanError(f"{self.plan.name} has {what}, which needs intervals", next_step="Pass interval data.")

    def worth(self, plan: Plan, series: PriceSeries, *, export: bool, bill: int, mask: Any) -> Worth:
        """Raise: energy that is priced by a series needs intervals."""
        raise self._needs_intervals(f"prices by the series {series.source}")

    def peak(self, bill: int, demand: Demand, whens: tuple[When, ...]) -> Peak:
        """Return the kW of a bill."""
        if self._kw is None or not np.isfinite(self._kw[bill]):
            raise PlanError(
                f"{self.plan.name} has demand charges, but the bills have no kW",
                next_step="Add a column kW to the bills.",
            )
        if not all(w.hours is None and w.days is None for w in whens):
            raise self._needs_intervals("demand charges for some hours")
        value = float(self._kw[bill])
        stated = _stated_power_factor(self.plan)
        if demand.unit == "kVA":
            if stated is None:
                raise PlanError(
                    f"{demand.name} is priced per kVA, and the bills have kW",
                    next_step="Set power_factor = {value = 0.95} in the plan.",
                )
            value /= stated
        return Peak(value)

    def daily_peaks(self, bill: int, demand: Demand) -> float:
        """Raise: daily demand needs intervals."""
        raise self._needs_intervals("daily demand charges")

    def moments(self, demand: Demand, at: Sequence[int]) -> list[float]:
        """Raise: coincident demand needs intervals."""
        raise self._needs_intervals("coincident demand charges")

    def power_factor(self, bill: int) -> float | None:
        """Return ``None``: reactive energy is not known."""
        return None

    def report(self, notes: Findings, demands: Sequence[Demand]) -> None:
        """Report nothing: there are no intervals."""
