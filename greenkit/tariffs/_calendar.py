"""The period of each local time of each date: the times of a plan, compiled once.

A tariff reads only (version, season, month, day type, local time) of an instant. A :class:`ClockMap` holds the
period of each local time for each kind of date, and a :class:`DateTable` the kind of each date. Both are small, so rows
of intervals are classified by two look-ups.
"""

from __future__ import annotations

import calendar
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from greenkit.tariffs import _clock
from greenkit.tariffs._model import ALL_DAYS, HOLIDAY, REST, Energy, PlanError, Schedule, Season, When

if TYPE_CHECKING:
    from greenkit.tariffs._plan import Plan

Ints = npt.NDArray[np.int64]
DAY: Final = _clock.DAY
EPOCH_ORDINAL: Final = 719_163
"""``date.toordinal`` of 1970-01-01."""
_FAR: Final = 10**7
_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "a holiday")


@dataclass(frozen=True)
class DateTable:
    """Consecutive local dates, with their kinds in a plan; arrays of one length.

    Parameters
    ----------
    first : int
        First date, as days since 1970.
    month, day : array of int64
        Of the calendar.
    kind, before : array of int64
        Day type of the date and of the date before: 0 (Monday) to 6 (Sunday), 7 for a holiday.
    season, version : array of int64
        Position in the plan's seasons and versions; -1: no version is valid.
    """

    first: int
    month: Ints
    day: Ints
    kind: Ints
    before: Ints
    season: Ints
    version: Ints

    @property
    def klass(self) -> Ints:
        """Kind of the date as a row of every :class:`ClockMap`."""
        return (self.month - 1) * 64 + self.kind * 8 + self.before


class ClockMap:
    """The period of each local time, for each kind of date.

    ``grid`` has 768 rows (month × day type × day type of the day before) and one column for each ``step`` minutes of
    the day; it holds positions of periods, -1 for none. With the windows of a schedule "16-21 on weekdays" and a rest::

        step = 60;  grid[class of a Tuesday in May] = [1, 1, …, 0 (16:00), 0, 0, 0, 0 (20:00), 1, 1, 1]
    """

    def __init__(self, whens: Sequence[tuple[When, ...]], rest: int | None, *, evening: bool) -> None:
        every = [w for one in whens for w in one]
        # "holidays" is a day type of its own only where the schedule speaks of it; else a holiday is a Sunday
        self.own_holidays = any(w.days is not None and HOLIDAY in w.days and not w.days >= ALL_DAYS for w in every)
        self.by_day = any(w.days is not None and not w.days >= ALL_DAYS - {HOLIDAY} for w in every) or self.own_holidays
        self.by_month = any(w.months is not None for w in every)
        edges = {m for w in every for window in w.hours or () for m in window}
        self.step = math.gcd(DAY, *edges) if edges else DAY
        self.by_hour = self.step < DAY
        slots = DAY // self.step
        self.grid = np.full((12, 8, 8, slots), -1, dtype=np.int16)
        self.count = np.zeros((12, 8, 8, slots), dtype=np.int16)
        for i, one in enumerate(whens):
            if i == rest:
                continue
            inside = np.zeros(self.grid.shape, dtype=bool)
            for when in one:
                inside |= self._of(when, evening)
            self.grid[inside & (self.grid < 0)] = i
            self.count += inside
        if rest is not None:
            self.grid[self.grid < 0] = rest
        self.shape = self.grid.shape
        self.flat = self.grid.reshape(768, slots)

    def _of(self, when: When, evening: bool) -> npt.NDArray[np.bool_]:
        """Return where (month, day type, day type before, slot) a set of times is."""
        inside = np.zeros(self.grid.shape, dtype=bool)
        kinds = np.arange(8) if self.own_holidays else np.array([0, 1, 2, 3, 4, 5, 6, 6])
        today = np.array([when.days is None or int(k) in when.days for k in kinds])[None, :, None, None]
        before = np.array([when.days is None or int(k) in when.days for k in kinds])[None, None, :, None]
        month = np.array([when.months is None or m in when.months for m in range(1, 13)])[:, None, None, None]
        if when.hours is None:
            return np.broadcast_to(today & month, inside.shape)
        for low, high in when.hours:
            clock = np.zeros(self.grid.shape[3], dtype=bool)
            a, b = low // self.step, high // self.step
            if high > low:
                clock[a:b] = True
                inside |= today & month & clock
            else:
                late, early = clock.copy(), clock.copy()
                late[a:], early[:b] = True, True
                # a window past midnight: its second part is asked of the day on which it falls, or of the evening
                inside |= (today & month & late) | ((before if evening else today) & month & early)
        return inside

    def at(self, klass: Ints, minute: Ints) -> npt.NDArray[np.int16]:
        """Return the period of clock times on dates of some kinds."""
        if not (self.by_day or self.by_month or self.by_hour):
            return np.full(len(klass), self.flat[0, 0], dtype=np.int16)
        return self.flat[klass, minute // self.step]


@dataclass(frozen=True)
class CompiledSchedule:
    """A schedule with its clock map."""

    schedule: Schedule
    clock: ClockMap
    names: tuple[str, ...]


class PlanCalendar:
    """All times of a plan, compiled and checked.

    Raises
    ------
    PlanError
        If an instant has two periods, or none.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.evening = plan.nights_belong_to == "evening"
        self._schedules: dict[int, CompiledSchedule] = {}
        self._demands: dict[int, ClockMap] = {}
        self._kept: list[object] = []
        for one in plan.terms:
            self._energy(one.energy, "energy")
            if one.wires:
                self._energy(one.wires.energy, "wires.energy")
            if one.export and isinstance(one.export.price, Schedule):
                self._add(one.export.price, "export.price", None)
        for table in plan.tables:
            for _, wires in table.rows:
                self._energy(wires.energy, f"wires {table.name}")

    def _energy(self, energy: Energy | None, name: str) -> None:
        for season, schedule in energy.seasons if energy else ():
            months = _months_of(next((s for s in self.plan.seasons if s.name == season), None))
            self._add(schedule, f"{name}.{season}" if season else name, months)

    def _add(self, schedule: Schedule, name: str, months: frozenset[int] | None) -> None:
        if id(schedule) in self._schedules:
            return
        rest = next((i for i, p in enumerate(schedule.periods) if p.name == REST or p.whens == (When(),)), None)
        clock = ClockMap([p.whens for p in schedule.periods], rest, evening=self.evening)
        names = tuple(p.name for p in schedule.periods)
        self._check(clock, names, rest, name, months or frozenset(range(1, 13)))
        self._schedules[id(schedule)] = CompiledSchedule(schedule, clock, names)
        self._kept.append(schedule)

    def _check(
        self, clock: ClockMap, names: tuple[str, ...], rest: int | None, where: str, months: frozenset[int]
    ) -> None:
        real = np.zeros(clock.shape, dtype=bool)
        kinds = 8 if self.plan.holidays else 7
        real[[m - 1 for m in months], :kinds, :kinds] = True
        for bad, what in ((clock.count > 1, "two periods"), (clock.grid < 0, "no period")):
            if (bad & real).any():
                month, kind, _, slot = (int(i) for i in np.argwhere(bad & real)[0])
                at = f"{slot * clock.step // 60:02d}:{slot * clock.step % 60:02d}"
                at = f"{at} on {_DAY_NAMES[kind]} in {calendar.month_name[month + 1]}"
                raise PlanError(
                    f"{self.plan.name}: [{where}] has {what} at {at}",
                    next_step="Correct the hours, days, or months, or add a period named rest.",
                )
        used = set(np.unique(clock.grid[real]).tolist())
        empty = [n for i, n in enumerate(names) if i not in used and i != rest]
        if empty:
            raise PlanError(
                f"{self.plan.name}: [{where}.{empty[0]}] contains no time of its season",
                next_step="Correct its days or months.",
            )

    def schedule(self, schedule: Schedule) -> CompiledSchedule:
        """Return a schedule of the plan with its clock map."""
        if id(schedule) not in self._schedules:
            self._add(schedule, "energy", None)
        return self._schedules[id(schedule)]

    def demand(self, whens: tuple[When, ...]) -> ClockMap:
        """Return the clock map of some times: 0 inside, -1 outside."""
        key = hash(whens)
        if key not in self._demands:
            self._demands[key] = ClockMap([whens], None, evening=self.evening)
        return self._demands[key]

    def dates(self, first: int, last: int) -> DateTable:
        """Return the kinds of the local dates from ``first`` to ``last`` (days since 1970, both included)."""
        return _dates(self.plan.seasons, self.plan.holidays, self.plan.observed, self._spans, first, last)

    @functools.cached_property
    def _spans(self) -> tuple[tuple[int, int], ...]:
        return tuple(
            (
                t.first.toordinal() - EPOCH_ORDINAL if t.first else -_FAR,
                t.last.toordinal() - EPOCH_ORDINAL if t.last else _FAR,
            )
            for t in self.plan.terms
        )


@functools.lru_cache(maxsize=256)
def _dates(
    seasons: tuple[Season, ...],
    holidays: tuple[str, ...],
    observed: str,
    spans: tuple[tuple[int, int], ...],
    first: int,
    last: int,
) -> DateTable:
    number = np.arange(first - 1, last + 1, dtype=np.int64)
    stamps = number.astype("datetime64[D]")
    month = stamps.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (stamps - stamps.astype("datetime64[M]")).astype(np.int64) + 1
    kind = (number + 3) % 7
    if holidays:
        years = stamps[[0, -1]].astype("datetime64[Y]").astype(np.int64) + 1970
        kind[np.isin(number, _clock.holiday_dates(holidays, observed, int(years[0]), int(years[1])))] = HOLIDAY
    season = np.zeros(len(number), dtype=np.int64)
    for i in reversed(range(len(seasons))):
        season[_clock.in_season(seasons[i], month, day)] = i
    version = np.full(len(number), -1, dtype=np.int64)
    for i, (a, b) in enumerate(spans):
        version[(number >= a) & (number <= b)] = i
    return DateTable(first, month[1:], day[1:], kind[1:], kind[:-1], season[1:], version[1:])


def _months_of(season: Season | None) -> frozenset[int] | None:
    """Return the months of which a season has at least one day."""
    if season is None:
        return None
    month = np.repeat(np.arange(1, 13), 28)
    day = np.tile(np.arange(1, 29), 12)
    inside = _clock.in_season(season, month.astype(np.int64), day.astype(np.int64))
    return frozenset(int(m) for m in np.unique(month[inside])) or None
