"""A seeded meter: the one truth behind every synthetic file, in any window, the same whoever asks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import days
from greenkit.synthetic import faults as planted
from greenkit.synthetic import loads, tariff
from greenkit.synthetic.chance import Ints, one
from greenkit.synthetic.channels import DELIVERED, QUARTER, Channel, Readings
from greenkit.synthetic.faults import Fault
from greenkit.synthetic.frames import fleet_frame
from greenkit.synthetic.loads import DAY_US

WEEK_US: Final = 7 * DAY_US


@dataclass(frozen=True)
class Meter:
    """A seeded meter. Make one with the functions of :mod:`greenkit.synthetic.households`.

    Parameters
    ----------
    seed : int
        Of all its chance.
    id : str
        Name of the usage point, or ESI ID.
    zone : str
        IANA zone; it brings the weather and the sun.
    kind : {"household", "shop", "gas", "water"}
        What stands behind it.
    channels : tuple of Channel
        Its series; the first is billed.
    solar : float
        Rated power of the panels, kW.
    ev : bool
        Whether a car is charged at night.
    faults : tuple of Fault, optional
        None plants some by the seed, each kind seldom; an empty tuple plants none.
    read_day : int
        Day of the month on which a billing period ends and the next begins.
    installed : str
        Local date of the first reading.
    tdsp : str, optional
        The Texas utility, one of :data:`greenkit.synthetic.TDSPS`.
    """

    seed: int
    id: str
    zone: str
    kind: str
    channels: tuple[Channel, ...]
    solar: float = 0.0
    ev: bool = False
    faults: tuple[Fault, ...] | None = None
    read_day: int = 1
    installed: str = "2020-01-01"
    tdsp: str | None = None

    @property
    def electric(self) -> bool:
        """Whether it is an electricity meter."""
        return self.channels[0].unit == "kWh"

    # -- time

    def instant(self, when: Any) -> int:
        """Give a date or time as microseconds since 1970 UTC; without an offset it is the site's wall clock.

        Of an hour that stands twice, the first is meant; one that is skipped is the first instant after it.
        """
        time = pd.Timestamp(when)
        if time.tzinfo is None:
            if time == time.normalize():
                return int(days.midnights([np.datetime64(time.date(), "D")], self.zone)[0])
            time = time.tz_localize(self.zone, ambiguous=True, nonexistent="shift_forward")
        return int(days.instants(pd.DatetimeIndex([time]))[0])

    def plant(self, kind: str, start: Any, end: Any) -> Meter:
        """Give the same meter with one more fault (and without those of the seed)."""
        return replace(self, faults=(*(self.faults or ()), Fault(kind, self.instant(start), self.instant(end))))

    def faults_between(self, start: int, end: int) -> list[Fault]:
        """Give the faults that touch a window of instants."""
        if self.faults is None:
            return list(planted.seeded(self.seed, self.zone, start, end))
        return [f for f in self.faults if f.start < end and f.end >= start]

    # -- truth

    def frame(self, start: Any, end: Any) -> pd.DataFrame:
        """Give the truth of a window as a tidy interval frame, with cost, currency, tou, commodity and kind.

        Parameters
        ----------
        start, end : date or time
            Window of interval starts, ``end`` exclusive; without an offset in the meter's zone.
        """
        return fleet_frame([self], start, end)

    def planted(self, start: Any, end: Any) -> pd.DataFrame:
        """List the faults planted in a window: meter, fault, start, end, effect."""
        found = self.faults_between(self.instant(start), self.instant(end))
        return planted.table(((self.id, f) for f in found), self.zone)

    def readings(self, channel: Channel, start: int, end: int) -> Readings:
        """Give the readings of a channel that start within a window of instants."""
        start = max(start, self.instant(self.installed))
        starts, ends = _grid(start, end, channel.interval, self.zone)
        trouble = self.faults_between(start, end)
        amount = self._amounts(channel, starts, ends, trouble)
        estimated = _within(starts, trouble, "estimated")
        if estimated.any():
            amount[estimated] = self._amounts(channel, starts[estimated] - WEEK_US, ends[estimated] - WEEK_US, [])
        keep = ~_within(starts, trouble, "gap")
        return Readings(channel, starts[keep], ends[keep], amount[keep], estimated[keep])

    def chunks(self, channel: Channel, start: int, end: int, days_each: int = 31) -> Iterator[Readings]:
        """Give the readings of a window in pieces of whole local days, so memory does not grow with the window."""
        edges = _day_edges(start, end, self.zone, days_each)
        for a, b in itertools.pairwise(edges):
            yield self.readings(channel, a, b)

    def registers(self, start: int, end: int) -> tuple[Ints, Ints, Ints]:
        """Give the meter's dial at each local midnight of a window.

        The dial counts what flows, also where the interval readings are lost or estimated. A new meter begins at 0.

        Returns
        -------
        tuple of arrays
            The midnights; what the dial shows then, in Wh; and the Wh delivered on the day that begins.
        """
        if not self.electric:
            raise ValueError(f"{self.id} is no electricity meter: its dial is not known")
        since = self.instant(self.installed)
        midnights = _day_edges(since, max(end, since), self.zone, 1)[:-1]
        changes = {f.start for f in self.faults_between(since, end) if f.kind == "meter change"}
        used = [self._used(midnight) for midnight in midnights]
        shown, dial = [], 1_000_000 + int(9_000_000 * one(self.seed, 90))
        for midnight, amount in zip(midnights, used, strict=True):
            dial = 0 if midnight in changes else dial
            shown.append(dial)
            dial += amount
        rows = np.array([midnights, shown, used], dtype=np.int64)
        at, dials, amounts = rows[:, (rows[0] >= start) & (rows[0] < end)]
        return at, dials, amounts

    def _used(self, midnight: int) -> int:
        """Wh delivered on a local day; a whole month is worked out at once and kept."""
        month = int(np.datetime64(midnight // days.US, "s").astype("datetime64[M]").astype(int))
        return _used_by_day(self, month)[midnight]

    def tiers(self, readings: Readings) -> Ints:
        """Give the consumption tier of each reading: 2 once the local calendar month has passed the tariff's limit."""
        if not len(readings):
            return readings.amount
        day = days.local_dates(days.times(readings.start[:1], self.zone))
        first = int(days.midnights(day.astype("datetime64[M]"), self.zone)[0])
        before = self.readings(readings.channel, first, int(readings.start[0]))
        starts = np.concatenate([before.start, readings.start])
        amounts = np.concatenate([before.amount, readings.amount])
        month = days.local_dates(days.times(starts, self.zone)).astype("datetime64[M]").astype(np.int64)
        total = np.cumsum(amounts)
        begin = np.flatnonzero(np.diff(month, prepend=-1))
        total -= np.repeat((total - amounts)[begin], np.diff([*begin, len(month)]))
        return np.where(total > tariff.TIER_WH, 2, 1)[len(before) :].astype(np.int64)

    def bills(self, start: int, end: int) -> Iterator[tariff.Bill]:
        """Give the bills whose period ends in a window (after its start, up to its end)."""
        edges = self._bill_edges(start, end)
        for a, b in itertools.pairwise(edges):
            if start < b <= end and a >= self.instant(self.installed):
                yield self._bill(a, b)

    def _bill_edges(self, start: int, end: int) -> list[int]:
        months = [np.datetime64(t // days.US, "s").astype("datetime64[M]") for t in (start, end)]
        two = np.timedelta64(2, "M")
        first_days = np.arange(months[0] - two, months[1] + two).astype("datetime64[D]")
        return [int(t) for t in days.midnights(first_days + (self.read_day - 1) * days.ONE_DAY, self.zone)]

    def _bill(self, start: int, end: int) -> tariff.Bill:
        main = self.readings(self.channels[0], start, end)
        back = [self.readings(c, start, end) for c in self.channels if c.flow == "received" and c.unit == "kWh"]
        received = sum(int(r.amount.sum()) for r in back)
        tou, cpp = tariff.periods(loads.moments(main.start, self.zone))
        unit, top = main.channel.unit, int(main.amount.argmax()) if len(main) and main.channel.unit == "kWh" else None
        return tariff.Bill(
            start,
            end,
            unit,
            int(main.amount.sum()),
            received,
            None if top is None else int(main.amount[top]) * 3600 // main.channel.interval,
            None if top is None else int(main.start[top]),
            tariff.items(unit, main.amount, tou, cpp, received),
        )

    # -- what the channels are made of

    def _amounts(self, channel: Channel, starts: Ints, ends: Ints, trouble: list[Fault]) -> Ints:
        step = 3600 if channel.of in ("gas", "gas m3", "water") else QUARTER
        if channel.interval == step:
            return self._base(channel.of, starts, trouble)
        counts = (ends - starts) // (step * days.US)
        if not counts.any():
            return np.zeros(len(starts), dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        place = np.arange(counts.sum()) - np.repeat(first, counts)
        base = self._base(channel.of, np.repeat(starts, counts) + place * (step * days.US), trouble)
        total = np.add.reduceat(base, first)
        # energy adds up over an hour, demand and voltage are means
        return np.asarray(total // counts if channel.of in ("demand", "voltage") else total, dtype=np.int64)

    def _base(self, of: str, starts: Ints, trouble: list[Fault]) -> Ints:
        at = loads.moments(starts, self.zone)
        if of == "gas":
            return _whole(1000 * loads.gas(self.seed, at))
        if of == "gas m3":
            return _whole(1000 * 2.83 * loads.gas(self.seed, at))
        if of == "water":
            return _whole(loads.water(self.seed, at))
        if of == "voltage":
            return _whole(loads.voltage(self.seed, at))
        watts = loads.shop(self.seed, at) if self.kind == "shop" else loads.household(self.seed, at, ev=self.ev)
        made = loads.solar(self.seed, at, self.solar) if self.solar else np.zeros(len(starts))
        flow = _whole((watts - made) / 4)
        flow[_within(starts, trouble, "outage")] = 0
        flow[_within(starts, trouble, "spike")] *= 12
        if of == "received":
            return np.maximum(-flow, 0)
        if of == "net":
            return flow
        if of == "reactive":
            return np.maximum(flow, 0) // 5
        return np.maximum(flow, 0) * (4 if of == "demand" else 1)


@functools.lru_cache(maxsize=240)
def _used_by_day(meter: Meter, month: int) -> Mapping[int, int]:
    first, last = (np.datetime64(m, "M").astype("datetime64[D]") for m in (month, month + 1))
    edges = days.midnights(np.arange(first - days.ONE_DAY, last + 2 * days.ONE_DAY), meter.zone)
    starts, ends = edges[:-1], edges[1:]
    trouble = meter.faults_between(int(edges[0]), int(edges[-1]))
    amounts = meter._amounts(replace(DELIVERED, interval=86_400), starts, ends, trouble)
    return dict(zip(starts.tolist(), amounts.tolist(), strict=True))


def _grid(start: int, end: int, interval: int, zone: str) -> tuple[Ints, Ints]:
    """Give starts and ends of the intervals that begin in a window: on the UTC line, or local midnights for days."""
    if interval != 86_400:
        step = interval * days.US
        starts = np.arange(-(-start // step) * step, end, step, dtype=np.int64)
        return starts, starts + step
    edges = np.array(_day_edges(start, end + 2 * DAY_US, zone, 1), dtype=np.int64)
    starts, ends = edges[:-1], edges[1:]
    inside = (
        (starts >= start)
        & (starts < end)
        & (starts == days.midnights(days.local_dates(days.times(starts, zone)), zone))
    )
    return starts[inside], ends[inside]


def _day_edges(start: int, end: int, zone: str, days_each: int) -> list[int]:
    """Cut a window at local midnights: its start, every ``days_each`` days a midnight, its end."""
    first, last = days.local_dates(days.times(np.array([start, end], dtype=np.int64), zone))
    inner = days.midnights(np.arange(first + days.ONE_DAY, last + days.ONE_DAY, days_each * days.ONE_DAY), zone)
    return [start, *(int(t) for t in inner if start < t < end), end]


def _within(starts: Ints, trouble: list[Fault], kind: str) -> npt.NDArray[np.bool_]:
    mask = np.zeros(len(starts), dtype=bool)
    for f in trouble:
        if f.kind == kind:
            mask |= (starts >= f.start) & (starts < f.end)
    return mask


def _whole(amounts: npt.NDArray[np.float64]) -> Ints:
    return np.rint(amounts).astype(np.int64)
