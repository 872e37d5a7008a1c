"""Simulated meters: the true values behind every synthetic file, the same for any window."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit.synthetic import _loads, _tariff
from greenkit.synthetic._channels import DELIVERED, GAS, QUARTER, RECEIVED, TDSPS, WATER, Channel, Readings
from greenkit.synthetic._loads import DAY_US, HOUR_US, Ints, one
from greenkit.times import ONE_DAY, US, is_zone, local_dates, midnights, to_instants, to_times

# kind → (probability in a month, minimum and maximum hours, effect on the readings)
KINDS: Final[Mapping[str, tuple[float, int, int, str]]] = {
    "outage": (0.08, 2, 7, "no energy flows: readings of 0, and at most two long interruptions in a month"),
    "gap": (0.06, 3, 12, "the readings were never sent: no rows"),
    "estimated": (0.15, 6, 36, "readings of the week before, marked as estimated"),
    "spike": (0.03, 1, 1, "an hour with twelve times the true value"),
    "meter change": (0.01, 0, 0, "a new meter at local midnight: its register starts at 0"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A simulated fault: its kind, start, and exclusive end (microseconds since 1970 UTC)."""

    kind: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no kind of fault {self.kind!r}. Use one of {', '.join(KINDS)}.")


def seeded(seed: int, zone: str, start: int, end: int) -> Iterator[Fault]:
    """Yield the faults of a seed between two times, each kind at most once in a calendar month."""
    first, last = (np.datetime64(t // US, "s").astype("datetime64[M]").astype(int) for t in (start, end))
    for month in range(int(first) - 1, int(last) + 1):
        begin = np.datetime64(month, "M").astype("datetime64[D]")
        for stream, (kind, (likely, shortest, longest, _)) in enumerate(KINDS.items(), 30):
            if one(seed, stream, month) < likely:
                day = begin + int(27 * one(seed, stream + 20, month)) * ONE_DAY
                midnight = int(midnights([day], zone)[0])
                hour = 0 if kind == "meter change" else int(4 + 14 * one(seed, stream + 40, month))
                length = shortest + int((longest - shortest + 1) * one(seed, stream + 60, month))
                found = Fault(kind, midnight + hour * HOUR_US, midnight + (hour + length) * HOUR_US)
                if found.start < end and found.end >= start:
                    yield found


def table(faults: Iterable[tuple[str, Fault]], zone: str = "UTC") -> pd.DataFrame:
    """Return a table of faults: meter, fault, start and end (datetime64[us] in the zone), and effect."""
    rows = list(faults)
    instants = {n: np.array([getattr(f, n) for _, f in rows], dtype=np.int64) for n in ("start", "end")}
    return pd.DataFrame(
        {
            "meter": pd.array([meter for meter, _ in rows], dtype="str"),
            "fault": pd.array([f.kind for _, f in rows], dtype="str"),
            "start": to_times(instants["start"], zone),
            "end": to_times(instants["end"], zone),
            "effect": pd.array([KINDS[f.kind][3] for _, f in rows], dtype="str"),
        }
    )


WEEK_US: Final = 7 * DAY_US


@dataclass(frozen=True)
class Meter:
    """A simulated meter. Create it with :func:`household`, :func:`shop`, :func:`gas_meter`, or :func:`water_meter`.

    Parameters
    ----------
    seed : int
        Seed of everything random about the meter.
    id : str
        ID of the usage point, or ESI ID.
    zone : str
        IANA time zone, which also sets the climate.
    kind : {"household", "shop", "gas", "water"}
        What the meter measures.
    channels : tuple of Channel
        Series of the meter; the first is billed.
    solar : float
        Rated power of the solar panels, in kW.
    ev : bool
        Whether a car charges at night.
    faults : tuple of Fault, optional
        Faults of the meter. None adds some by the seed, each kind rarely; an empty tuple adds none.
    read_day : int
        Day of the month on which one billing period ends and the next starts.
    installed : str
        Local date of the first reading.
    tdsp : str, optional
        Texas utility of the meter, a key of :data:`greenkit.synthetic.TDSPS`.
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

    def __post_init__(self) -> None:
        if not 0 <= self.solar < 1e6:  # false for NaN too
            raise ValueError(f"solar is {self.solar}, but it must be the rated power in kW, 0 or more")
        if not 1 <= self.read_day <= 31:
            raise ValueError(f"read_day is {self.read_day}, but it must be from 1 to 31")
        for channel in self.channels:
            if channel.interval < 60 or 86_400 % channel.interval:
                raise ValueError(f"interval is {channel.interval}, but it must be 60 or more, and divide a day's 86400")
        if not is_zone(self.zone):
            raise ValueError(f"zone is {self.zone!r}, but it must be an IANA time zone such as 'America/Chicago'")
        try:
            self.instant(self.installed)
        except ValueError:
            raise ValueError(f"installed is {self.installed!r}, but it must be a date such as '2020-01-01'") from None

    @property
    def electric(self) -> bool:
        """Whether the meter measures electricity."""
        return self.channels[0].unit == "kWh"

    # -- time

    def instant(self, when: Any) -> int:
        """Return a date or time as microseconds since 1970 UTC; without an offset, it is local time of the site.

        A time in the repeated hour means the first one; a time in the skipped hour means the end of that hour.
        """
        time = pd.Timestamp(when)
        if time.tzinfo is None:
            if time == time.normalize():
                return int(midnights([np.datetime64(time.date(), "D")], self.zone)[0])
            time = time.tz_localize(self.zone, ambiguous=True, nonexistent="shift_forward")
        return int(to_instants(pd.DatetimeIndex([time]))[0])

    def plant(self, kind: str, start: Any, end: Any) -> Meter:
        """Return the same meter with one more fault, and without the faults of the seed.

        Parameters
        ----------
        kind : {"outage", "gap", "estimated", "spike", "meter change"}
            What goes wrong. A ``"gap"`` has no rows, and an ``"outage"`` has readings of 0.
        start, end : date or time
            Without an offset, in the zone of the meter; ``end`` is exclusive.
        """
        return replace(self, faults=(*(self.faults or ()), Fault(kind, self.instant(start), self.instant(end))))

    def faults_between(self, start: int, end: int) -> list[Fault]:
        """Return the faults that overlap a window of UTC times."""
        if self.faults is None:
            return list(seeded(self.seed, self.zone, start, end))
        return [f for f in self.faults if f.start < end and f.end >= start]

    # -- truth

    def frame(self, start: Any, end: Any) -> pd.DataFrame:
        """Return the true values of a window as a tidy frame, with cost, currency, tou, commodity, and kind.

        Parameters
        ----------
        start, end : date or time
            Window of interval starts, ``end`` exclusive; without an offset, in the zone of the meter.
        """
        return fleet_frame([self], start, end)

    def planted(self, start: Any, end: Any) -> pd.DataFrame:
        """Return the faults in a window, one row for each: meter, fault, start, end, effect."""
        found = self.faults_between(self.instant(start), self.instant(end))
        return table(((self.id, f) for f in found), self.zone)

    def readings(self, channel: Channel, start: int, end: int) -> Readings:
        """Return the readings of a channel that start within a window of UTC times."""
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
        """Yield the readings of a window in pieces of complete local days, so that memory does not grow."""
        edges = _day_edges(start, end, self.zone, days_each)
        for a, b in itertools.pairwise(edges):
            yield self.readings(channel, a, b)

    def registers(self, start: int, end: int) -> tuple[Ints, Ints, Ints]:
        """Return the register of the meter at each local midnight of a window.

        The register counts the energy that flows, even if interval readings are missing or estimated. A new meter
        starts at 0.

        Returns
        -------
        tuple of arrays
            The midnights; the register in Wh; and the Wh delivered on the day that starts.
        """
        if not self.electric:
            raise ValueError(f"Meter {self.id} does not measure electricity, so it has no register")
        since = self.instant(self.installed)
        midnights = _day_edges(since, max(end, since), self.zone, 1)[:-1]
        changes = {f.start for f in self.faults_between(since, end) if f.kind == "meter change"}
        used = [self._used(midnight) for midnight in midnights]
        shown, register = [], 1_000_000 + int(9_000_000 * one(self.seed, 90))
        for midnight, amount in zip(midnights, used, strict=True):
            register = 0 if midnight in changes else register
            shown.append(register)
            register += amount
        rows = np.array([midnights, shown, used], dtype=np.int64)
        at, registers, amounts = rows[:, (rows[0] >= start) & (rows[0] < end)]
        return at, registers, amounts

    def _used(self, midnight: int) -> int:
        """Return the Wh delivered on a local day. The days of a month are computed together and cached."""
        month = int(np.datetime64(midnight // US, "s").astype("datetime64[M]").astype(int))
        return _used_by_day(self, month)[midnight]

    def tiers(self, readings: Readings) -> Ints:
        """Return the tier of each reading: 2 after the local calendar month has reached the limit of the tariff."""
        if not len(readings):
            return readings.amount
        day = local_dates(to_times(readings.start[:1], self.zone))
        first = int(midnights(day.astype("datetime64[M]"), self.zone)[0])
        before = self.readings(readings.channel, first, int(readings.start[0]))
        starts = np.concatenate([before.start, readings.start])
        amounts = np.concatenate([before.amount, readings.amount])
        month = local_dates(to_times(starts, self.zone)).astype("datetime64[M]").astype(np.int64)
        total = np.cumsum(amounts)
        begin = np.flatnonzero(np.diff(month, prepend=-1))
        total -= np.repeat((total - amounts)[begin], np.diff([*begin, len(month)]))
        return np.where(total > _tariff.TIER_WH, 2, 1)[len(before) :].astype(np.int64)

    def bills(self, start: int, end: int) -> Iterator[_tariff.Bill]:
        """Yield the bills whose period ends in a window (after its start, up to its end)."""
        edges = self._bill_edges(start, end)
        for a, b in itertools.pairwise(edges):
            if start < b <= end and a >= self.instant(self.installed):
                yield self._bill(a, b)

    def _bill_edges(self, start: int, end: int) -> list[int]:
        months = [np.datetime64(t // US, "s").astype("datetime64[M]") for t in (start, end)]
        two = np.timedelta64(2, "M")
        first_days = np.arange(months[0] - two, months[1] + two).astype("datetime64[D]")
        return [int(t) for t in midnights(first_days + (self.read_day - 1) * ONE_DAY, self.zone)]

    def _bill(self, start: int, end: int) -> _tariff.Bill:
        # the utility bills the energy that flowed, even if interval readings were never sent
        sent = replace(self, faults=tuple(f for f in self.faults_between(start, end) if f.kind != "gap"))
        main = sent.readings(self.channels[0], start, end)
        back = [sent.readings(c, start, end) for c in self.channels if c.flow == "received" and c.unit == "kWh"]
        received = sum(int(r.amount.sum()) for r in back)
        tou, cpp = _tariff.periods(_loads.moments(main.start, self.zone))
        unit, top = main.channel.unit, int(main.amount.argmax()) if len(main) and main.channel.unit == "kWh" else None
        return _tariff.Bill(
            start,
            end,
            unit,
            int(main.amount.sum()),
            received,
            None if top is None else int(main.amount[top]) * 3600 // main.channel.interval,
            None if top is None else int(main.start[top]),
            _tariff.items(unit, main.amount, tou, cpp, received),
        )

    # -- amounts of the channels

    def _amounts(self, channel: Channel, starts: Ints, ends: Ints, trouble: list[Fault]) -> Ints:
        step = 3600 if channel.of in ("gas", "gas m3", "water") else QUARTER
        if channel.interval == step:
            return self._base(channel.of, starts, trouble)
        counts = (ends - starts) // (step * US)
        if not counts.any():
            return np.zeros(len(starts), dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        place = np.arange(counts.sum()) - np.repeat(first, counts)
        base = self._base(channel.of, np.repeat(starts, counts) + place * (step * US), trouble)
        total = np.add.reduceat(base, first)
        # Energy is a sum over the interval; demand and voltage are means.
        return np.asarray(total // counts if channel.of in ("demand", "voltage") else total, dtype=np.int64)

    def _base(self, of: str, starts: Ints, trouble: list[Fault]) -> Ints:
        at = _loads.moments(starts, self.zone)
        if of == "gas":
            return _whole(1000 * _loads.gas(self.seed, at))
        if of == "gas m3":
            return _whole(1000 * 2.83 * _loads.gas(self.seed, at))
        if of == "water":
            return _whole(_loads.water(self.seed, at))
        if of == "voltage":
            return _whole(_loads.voltage(self.seed, at))
        watts = _loads.shop(self.seed, at) if self.kind == "shop" else _loads.household(self.seed, at, ev=self.ev)
        made = _loads.solar(self.seed, at, self.solar) if self.solar else np.zeros(len(starts))
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
    edges = midnights(np.arange(first - ONE_DAY, last + 2 * ONE_DAY), meter.zone)
    starts, ends = edges[:-1], edges[1:]
    trouble = meter.faults_between(int(edges[0]), int(edges[-1]))
    amounts = meter._amounts(replace(DELIVERED, interval=86_400), starts, ends, trouble)
    return dict(zip(starts.tolist(), amounts.tolist(), strict=True))


def _grid(start: int, end: int, interval: int, zone: str) -> tuple[Ints, Ints]:
    """Return starts and ends of the intervals that start in a window: in UTC, or local midnights for days."""
    if interval != 86_400:
        step = interval * US
        starts = np.arange(-(-start // step) * step, end, step, dtype=np.int64)
        return starts, starts + step
    edges = np.array(_day_edges(start, end + 2 * DAY_US, zone, 1), dtype=np.int64)
    starts, ends = edges[:-1], edges[1:]
    inside = (starts >= start) & (starts < end) & (starts == midnights(local_dates(to_times(starts, zone)), zone))
    return starts[inside], ends[inside]


def _day_edges(start: int, end: int, zone: str, days_each: int) -> list[int]:
    """Return the start of a window, a local midnight every ``days_each`` days, and the end."""
    first, last = local_dates(to_times(np.array([start, end], dtype=np.int64), zone))
    inner = midnights(np.arange(first + ONE_DAY, last + ONE_DAY, days_each * ONE_DAY), zone)
    return [start, *(int(t) for t in inner if start < t < end), end]


def _within(starts: Ints, trouble: list[Fault], kind: str) -> npt.NDArray[np.bool_]:
    mask = np.zeros(len(starts), dtype=bool)
    for f in trouble:
        if f.kind == kind:
            mask |= (starts >= f.start) & (starts < f.end)
    return mask


def _whole(amounts: npt.NDArray[np.float64]) -> Ints:
    return np.rint(amounts).astype(np.int64)


def household(
    seed: int,
    *,
    zone: str = "America/Chicago",
    solar: float = 0.0,
    ev: bool | None = None,
    interval: int = QUARTER,
    tdsp: str | None = None,
    faults: tuple[Fault, ...] | None = None,
    read_day: int = 1,
    installed: str = "2020-01-01",
    id: str | None = None,
    channels: tuple[Channel, ...] | None = None,
) -> Meter:
    """Return the meter of a household: electricity, every 15 minutes.

    Parameters
    ----------
    seed : int
        The same seed always builds the same household.
    zone : str
        IANA time zone, which also sets the climate.
    solar : float
        Rated power of the solar panels in kW. More than 0 adds the series of received energy.
    ev : bool, optional
        Whether a car charges at night. None lets the seed decide (one in three).
    interval : int
        Interval length in seconds: 900, 3600, or 86400 for local days.
    tdsp : str, optional
        Texas utility, a key of :data:`greenkit.synthetic.TDSPS`. The ID of the meter is then a made-up ESI ID.
    faults : tuple of Fault, optional
        Faults of the meter. None adds some by the seed; ``()`` adds none.
    read_day : int
        Day of the month on which one billing period ends and the next starts.
    installed : str
        Local date of the first reading.
    id : str, optional
        ID of the meter. Default: one made from the seed.
    channels : tuple of Channel, optional
        Series of the meter, instead of those of ``solar`` and ``interval``.

    Examples
    --------
    >>> household(7, tdsp="centerpoint").id
    '1008901000000000000007'
    """
    car = one(seed, 91) < 1 / 3 if ev is None else ev
    own = channels or tuple(replace(c, interval=interval) for c in ((DELIVERED, RECEIVED) if solar else (DELIVERED,)))
    meter = Meter(seed, "", zone, "household", own, solar, car, faults, read_day, installed, tdsp)
    return _identified(meter, id)


def shop(
    seed: int,
    *,
    zone: str = "America/Chicago",
    tdsp: str | None = None,
    faults: tuple[Fault, ...] | None = None,
    read_day: int = 1,
    installed: str = "2020-01-01",
    id: str | None = None,
) -> Meter:
    """Return the meter of a shop: electricity, every 15 minutes, closed on Sundays and holidays.

    The parameters are those of :func:`household`.
    """
    meter = Meter(seed, "", zone, "shop", (DELIVERED,), 0.0, False, faults, read_day, installed, tdsp)
    return _identified(meter, id)


def gas_meter(
    seed: int,
    *,
    zone: str = "America/Los_Angeles",
    channel: Channel = GAS,
    faults: tuple[Fault, ...] | None = None,
    read_day: int = 1,
    installed: str = "2020-01-01",
    id: str | None = None,
) -> Meter:
    """Return a gas meter: therms per local day, or m³ per hour with the channel ``GAS_M3``.

    The other parameters are those of :func:`household`.
    """
    return _identified(Meter(seed, "", zone, "gas", (channel,), 0.0, False, faults, read_day, installed), id)


def water_meter(
    seed: int,
    *,
    zone: str = "America/Los_Angeles",
    faults: tuple[Fault, ...] | None = None,
    read_day: int = 1,
    installed: str = "2020-01-01",
    id: str | None = None,
) -> Meter:
    """Return a water meter: US gallons per hour. The parameters are those of :func:`household`."""
    return _identified(Meter(seed, "", zone, "water", (WATER,), 0.0, False, faults, read_day, installed), id)


def fleet(count: int, *, seed: int = 1, tdsps: tuple[str, ...] = tuple(TDSPS)) -> Iterator[Meter]:
    """Yield Texas meters: mostly households, one in four with solar panels, and one shop in ten meters."""
    for i in range(seed, seed + count):
        tdsp = tdsps[i % len(tdsps)]
        if i % 10 == 0:
            yield shop(i, tdsp=tdsp)
        else:
            yield household(i, tdsp=tdsp, solar=4.0 + 4.0 * one(i, 92) if i % 4 == 0 else 0.0)


def _identified(meter: Meter, id: str | None) -> Meter:
    """Return a meter with its ID: the given one, or one made from the seed, which is an ESI ID in Texas."""
    name, zone = f"{meter.kind}-{meter.seed:04d}", meter.zone
    if meter.tdsp is not None:
        if meter.tdsp not in TDSPS:
            raise ValueError(f"There is no Texas utility {meter.tdsp!r}. Use one of {', '.join(TDSPS)}.")
        _, prefix, digits = TDSPS[meter.tdsp]
        name, zone = prefix + str(meter.seed).zfill(digits - len(prefix)), "America/Chicago"
    return replace(meter, id=id or name, zone=zone)


def fleet_frame(meters: Iterable[Meter], start: Any, end: Any) -> pd.DataFrame:
    """Return the true values of several meters in one tidy frame, which is empty if there are no meters.

    If the meters have several time zones, the times are in UTC, as from :func:`greenkit.concat`.
    """
    parts = [
        _frame_of(meter, meter.readings(channel, meter.instant(start), meter.instant(end)))
        for meter in meters
        for channel in meter.channels
    ]
    extras = ("cost", "currency", "tou", "commodity", "kind")
    return frame.concat(parts) if parts else frame.empty(extras)


def _frame_of(meter: Meter, r: Readings) -> pd.DataFrame:
    channel, count = r.channel, len(r)
    tou, cpp = _tariff.periods(_loads.moments(r.start, meter.zone))
    priced = channel.priced
    cost = _tariff.cost(channel.unit, r.amount, tou, cpp) / 1e5 if priced else np.full(count, np.nan)
    timed = channel.commodity.startswith("electricity")

    def word(text: str | None) -> pd.Categorical:
        return pd.Categorical([text] * count, categories=[text] if text and count else [])

    made = pd.DataFrame(
        {
            "meter": word(meter.id),
            "series": word(channel.series),
            "flow": word(channel.flow),
            "start": to_times(r.start, meter.zone),
            "end": to_times(r.end, meter.zone),
            "value": r.value,
            "unit": word(channel.unit),
            "zone": word(meter.zone),
            "quality": pd.Categorical(np.where(r.estimated, "estimated", "actual")),
            "cost": cost,
            "currency": word(_tariff.CURRENCY if priced else None),
            "tou": pd.array(tou if timed else [None] * count, dtype="Int16"),
            "commodity": word(channel.commodity),
            "kind": word(channel.kind),
        }
    )
    return frame.tidy(made) if count else frame.empty(list(made.columns[9:]), meter.zone)
