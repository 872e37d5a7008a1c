"""Periods and kinds of days on the local calendar, and the totals of intervals in them.

An interval belongs to the period in which it starts. The length of a period, and so the number of intervals that it
should contain, is measured in elapsed time between two local midnights: a day has 23, 24, or 25 hours.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, adds_up, local
from greenkit.errors import SchemaError, SettingsError
from greenkit.times import Instants, midnights

DAY: Final = 24 * HOUR
SEASONS: Final[Mapping[str, tuple[int, ...]]] = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
"""Meteorological seasons of the northern hemisphere, by their months."""
Date = str | datetime.date | np.datetime64
Holidays = str | Iterable[Date] | None
DAY_TYPES: Final = ("weekday", "weekend", "holiday")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BY: Final = ("day_type", "season", "month", "weekday", "year")
"""Groupings that :func:`groups` knows."""
_SEASON: Final = {month: name for name, months in SEASONS.items() for month in months}


_NERC_FIXED: Final = ((1, 1), (7, 4), (12, 25))
"""Month and day of the NERC holidays that have a fixed date."""
# month, first possible day of the month, weekday (Monday is 0): the first such weekday on or after that day
_NERC_FLOATING: Final = ((5, 25, 0), (9, 1, 0), (11, 22, 3))


# -- calendars


@dataclass(frozen=True)
class Calendar:
    """A way to split local dates into consecutive numbered periods.

    Parameters
    ----------
    number : callable
        Local dates (days since 1970) → number of the period.
    first : callable
        Number of a period → its first date.
    name : callable
        First dates → names of the periods.
    """

    number: Callable[[Ints], Ints]
    first: Callable[[Ints], Ints]
    name: Callable[[Ints], list[str]]


def _dates(numbers: Ints) -> Any:
    return numbers.astype("datetime64[D]")


def _stamps(dates: Ints) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(_dates(dates).astype("datetime64[us]"))


def _by_unit(unit: str, text: str) -> Calendar:
    return Calendar(
        lambda d: _dates(d).astype(f"datetime64[{unit}]").astype(np.int64),
        lambda n: n.astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.int64),
        lambda d: list(_stamps(d).strftime(text)),
    )


DAYS: Final = _by_unit("D", "%Y-%m-%d")
# 1970-01-01 was a Thursday, so ISO weeks begin three days before it
WEEKS: Final = Calendar(
    lambda d: (d + 3) // 7, lambda n: n * 7 - 3, lambda d: list(_stamps(d).strftime("%G-W%V"))
)  # fmt: skip
MONTHS: Final = _by_unit("M", "%Y-%m")
QUARTERS: Final = Calendar(
    lambda d: MONTHS.number(d) // 3,
    lambda n: MONTHS.first(n * 3),
    lambda d: [f"{t.year}-Q{t.quarter}" for t in _stamps(d)],
)
YEARS: Final = _by_unit("Y", "%Y")


def seasons(months: Mapping[str, tuple[int, ...]] = SEASONS) -> Calendar:
    """Return the calendar of seasons; each runs from its first month to the first month of the next.

    Raises
    ------
    ValueError
        If the seasons do not contain each month from 1 to 12 once.

    Examples
    --------
    >>> tariff = seasons({"summer": (6, 7, 8, 9), "winter": (10, 11, 12, 1, 2, 3, 4, 5)})
    >>> tariff.name(tariff.first(tariff.number(np.array([19_723]))))
    ['winter 2023']
    """
    season = {month: name for name, those in months.items() for month in those}
    if sorted(season) != list(range(1, 13)) or sum(map(len, months.values())) != 12:
        raise SettingsError(
            "The seasons do not contain each month from 1 to 12 once",
            next_step="List the months of each season, as in seasons={'summer': (6, 7, 8, 9), 'winter': (…)}.",
        )
    # begins: one bool per month of a year, true if another season begins in it; begun counts them up to that month.
    # For {"summer": 6-9, "winter": 10-5}, seasons begin in June and October: begun is 0 until May, then 1, then 2
    begins = np.array([season[m] != season[(m - 2) % 12 + 1] for m in range(1, 13)])
    begun = np.cumsum(begins)
    starts = np.flatnonzero(begins)
    each = max(len(starts), 1)
    if not len(starts):
        starts = np.array([0])
        begun = np.ones(12, dtype=np.int64)

    def number(dates: Ints) -> Ints:
        month = _dates(dates).astype("datetime64[M]").astype(np.int64)
        return np.asarray(month // 12 * each + begun[month % 12])

    def first(numbers: Ints) -> Ints:
        month = (numbers - 1) // each * 12 + starts[(numbers - 1) % each]
        return np.asarray(month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64))

    return Calendar(number, first, lambda dates: [f"{season[t.month]} {t.year}" for t in _stamps(dates)])


# -- periods of each series


@dataclass(frozen=True)
class Periods:
    """Consecutive periods of each series, sorted by series and start.

    Parameters
    ----------
    code : array of int64
        Row of ``Intervals.keys`` that the period belongs to.
    start, end : array of int64
        Microseconds since 1970 UTC.
    name : array of str
        ``2024-07-04``, ``2024-W27``, ``2024-07``, ``2024-Q3``, ``summer 2024``, ``2024``.
    where : array of int64
        Period of each interval.
    """

    code: Ints
    start: Instants
    end: Instants
    name: Any
    where: Ints


Window = tuple[Instants, Instants]
"""Start and end (exclusive) of the time that counts for each series, in microseconds since 1970 UTC."""


def assign(found: Intervals, calendar: Calendar, window: Window | None = None) -> Periods:
    """Assign each interval to a period of a calendar.

    Each series gets every period from its first interval to its last. With a ``window``, it also gets those from the
    start to the end of its window, even if it has no interval there.
    """
    number = _numbers(found.date, calendar)
    edges = None
    if window is not None:
        codes = np.arange(len(found.keys))
        low, high = (local(at, codes, found.keys["zone"]) // DAY for at in (window[0], window[1] - 1))
        # an empty window adds no period
        edges = calendar.number(low), np.where(window[1] > window[0], calendar.number(high), calendar.number(low) - 1)
    code, here, where = _consecutive(found, number, edges)
    first, after = calendar.first(here), calendar.first(here + 1)
    zones = found.keys["zone"].to_numpy(dtype=str)[code]
    start, end = midnights_of(first, zones), midnights_of(after, zones)
    which, distinct = pd.factorize(first)
    return Periods(code, start, end, np.array(calendar.name(distinct), dtype=object)[which], where)


def _numbers(dates: Ints, calendar: Calendar) -> Ints:
    """Return the period of each date, by a table of every date in between, because a fleet repeats each of them."""
    if not len(dates):
        return dates
    first, last = int(dates.min()), int(dates.max())
    if last - first > len(dates):
        return calendar.number(dates)
    return np.asarray(calendar.number(np.arange(first, last + 1))[dates - first])


def assign_clock(found: Intervals, size: int) -> Periods:
    """Assign each interval to a step of the local clock: an hour, or a part of an hour.

    A repeated hour is two periods, and a skipped hour is none. If the clock moves by half an hour, the hour in which
    it moves is half as long.

    Parameters
    ----------
    found : Intervals
        Each interval once.
    size : int
        Length of a period in microseconds: 15 minutes, 30 minutes, or an hour.
    """
    zones = found.keys["zone"].to_numpy(dtype=str)
    edges = {zone: _clock_edges(found, str(zone), size) for zone in np.unique(zones)}
    number = np.zeros(len(found), dtype=np.int64)
    for zone, edge in edges.items():
        here = (zones == zone)[found.code]
        number[here] = np.searchsorted(edge, found.start[here], side="right") - 1
    code, hour, where = _consecutive(found, number)
    start, end = np.empty(len(code), dtype=np.int64), np.empty(len(code), dtype=np.int64)
    for zone, edge in edges.items():
        here = (zones == zone)[code]
        start[here], end[here] = edge[hour[here]], edge[hour[here] + 1]
    which, distinct = pd.factorize(local(start, code, found.keys["zone"]) // size * size)
    names = pd.DatetimeIndex(distinct.view("datetime64[us]")).strftime("%Y-%m-%d %H:%M")
    return Periods(code, start, end, names.to_numpy(dtype=object)[which], where)


def _clock_edges(found: Intervals, zone: str, size: int) -> Instants:
    """Return the instants at which the clock of the zone begins a step of ``size``, or is moved."""
    if not len(found):
        return np.zeros(0, dtype=np.int64)
    # the offsets of zones are multiples of a quarter of an hour, and zones change at such multiples
    quarter = HOUR // 4
    first, last = found.start.min() // HOUR - 1, found.start.max() // HOUR + 2
    instants = np.arange(first * HOUR, last * HOUR + 1, quarter)
    wall = local(instants, np.zeros(len(instants), dtype=np.int64), [zone])
    new = (wall[1:] // size != wall[:-1] // size) | (np.diff(wall) != quarter)
    return np.asarray(instants[1:][new])


def _consecutive(found: Intervals, number: Ints, edges: tuple[Ints, Ints] | None = None) -> tuple[Ints, Ints, Ints]:
    """Return the consecutive periods of each series.

    Parameters
    ----------
    found : Intervals
        Sorted by series and start.
    number : array
        Number of the period of each interval.
    edges : tuple of arrays, optional
        Lowest and highest number that each series has to contain.

    Returns
    -------
    code, here : arrays, one element per period
        Series, and number in the calendar.
    where : array, one element per interval
        Position of its period in ``code``.

    Examples
    --------
    Series 0 has intervals in periods 5 and 7, series 1 in period 6: ``code`` is [0, 0, 0, 1], ``here`` is
    [5, 6, 7, 6], and ``where`` is [0, 2, 3].
    """
    n = len(found.keys)
    low, high = (np.zeros(n, np.int64), np.full(n, -1, np.int64)) if edges is None else (e.copy() for e in edges)
    if len(found):
        edge = np.flatnonzero(np.append(True, found.code[1:] != found.code[:-1]))
        present, least, most = found.code[edge], np.minimum.reduceat(number, edge), np.maximum.reduceat(number, edge)
        if edges is None:
            low[present], high[present] = least, most
        else:
            low[present], high[present] = np.minimum(low[present], least), np.maximum(high[present], most)
    count = np.maximum(high - low + 1, 0)
    offset = np.cumsum(count) - count
    code = np.repeat(np.arange(n), count)
    here = np.arange(count.sum()) - offset[code] + low[code]
    return code, here, offset[found.code] + number - low[found.code]


def midnights_of(dates: Ints, zones: Any) -> Instants:
    """Return the local midnight with which each date (days since 1970) begins in its zone."""
    out = np.empty(len(dates), dtype=np.int64)
    for zone in np.unique(zones):
        out[zones == zone] = midnights(_dates(dates[zones == zone]), str(zone))
    return out


@dataclass(frozen=True)
class Tally:
    """Totals of the intervals of each period; arrays with one element per period."""

    value: Floats
    hours: Floats
    present: Ints
    estimated: Ints
    expected: Ints


def aggregate(found: Intervals, periods: Periods, *, window: Window | None = None) -> Tally:
    """Add up the intervals with a value in each period: a sum, or for a rate the mean weighted by hours.

    Parameters
    ----------
    found : Intervals
        Each interval once.
    periods : Periods
        Assigned to ``found``.
    window : tuple of arrays, optional
        Start and end of each series. If given, intervals are expected only within it, not in all of the outer periods.

    Returns
    -------
    Tally
        ``value`` is NaN if no interval of the period has one.
    """
    n = len(periods.code)
    where, hours, amount = periods.where, found.hours, found.amount
    if not found.valid.all():
        where, hours, amount = where[found.valid], hours[found.valid], amount[found.valid]
    guess = found.estimated & found.valid
    present = np.bincount(where, minlength=n)
    covered = np.bincount(where, hours, n).astype(np.float64)
    total = np.bincount(where, amount, n)
    state = np.array([not adds_up(u) for u in found.keys["unit"]], dtype=bool)[periods.code]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(present == 0, np.nan, np.where(state, total / covered, total))
    estimated = np.bincount(periods.where[guess], minlength=n)
    return Tally(value, covered, present, estimated, present + lacking(found, periods, covered, window))


def span(found: Intervals) -> Window:
    """Return the first start and the last end of each series; zeros for a series without rows."""
    n = len(found.keys)
    first, last = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if len(found):
        edge = np.flatnonzero(np.append(True, found.code[1:] != found.code[:-1]))
        first[found.code[edge]] = found.start[edge]
        last[found.code[edge]] = np.maximum.reduceat(found.end, edge)
    return first, last


def lacking(found: Intervals, periods: Periods, covered: Floats, window: Window | None = None) -> Ints:
    """Count the intervals of the usual length that fit into the rest of each period; negative if some overlap.

    ``covered`` holds the hours of each period that have a value.
    """
    start, end = periods.start, periods.end
    if window is not None:
        start, end = np.maximum(start, window[0][periods.code]), np.minimum(end, window[1][periods.code])
    return found.count_in(np.maximum(end - start, 0) - covered * HOUR, periods.code)


# -- kinds of days


def groups(dates: Ints, by: Sequence[str], holidays: Holidays) -> dict[str, Any]:
    """Return the group of each date (days since 1970) for each name in ``by``, as ordered categories.

    Raises
    ------
    SchemaError
        If ``by`` contains an unknown name, or the holidays of the country or state are not known.
    """
    for name in by:
        if name not in BY:
            raise SchemaError(f"There is no grouping {name!r}", next_step=f"Use one or more of {', '.join(BY)}.")
    where, distinct = pd.factorize(dates, sort=True)
    return {name: _kind(name, distinct, holidays)[where] for name in by}


def _kind(name: str, dates: Ints, holidays: Holidays) -> Any:
    stamps = _stamps(dates)
    if name == "day_type":
        return day_types(dates, holidays)
    if name == "season":
        return pd.Categorical([_SEASON[m] for m in stamps.month], categories=list(SEASONS), ordered=True)
    if name == "weekday":
        return pd.Categorical(stamps.day_name(), categories=list(WEEKDAYS), ordered=True)
    return stamps.month.to_numpy() if name == "month" else stamps.year.to_numpy()


def day_types(dates: Ints, holidays: Holidays = None) -> pd.Categorical:
    """Return weekday, weekend, or holiday for each date; without ``holidays`` no date is a holiday.

    Examples
    --------
    >>> days = np.array(["2024-07-03", "2024-07-04", "2024-07-06"], dtype="datetime64[D]").astype(np.int64)
    >>> list(day_types(days, "US-TX"))
    ['weekday', 'holiday', 'weekend']
    """
    kind = np.where((dates + 3) % 7 >= 5, "weekend", "weekday").astype(object)
    kind[np.isin(dates, holiday_dates(holidays, dates))] = "holiday"
    return pd.Categorical(kind, categories=list(DAY_TYPES), ordered=True)


def holiday_dates(holidays: Holidays, dates: Ints) -> Ints:
    """Return the holidays in the years of some sorted dates, as days since 1970."""
    if holidays is None or not len(dates):
        return np.zeros(0, dtype=np.int64)
    if not isinstance(holidays, str):
        return pd.DatetimeIndex(list(holidays)).to_numpy().astype("datetime64[D]").astype(np.int64)
    years = _dates(dates[[0, -1]]).astype("datetime64[Y]").astype(np.int64) + 1970
    every = range(int(years[0]), int(years[1]) + 1)
    if holidays.upper() == "NERC":
        return np.asarray(nerc_holidays(every).astype(np.int64))
    import holidays as package

    country, _, state = holidays.partition("-")
    try:
        known = package.country_holidays(country, subdiv=state or None, years=every)
    except NotImplementedError:
        raise SchemaError(
            f"No holidays are known for {holidays!r}", next_step="Use a country or a state, such as 'US' or 'US-TX'."
        ) from None
    listed = np.array(sorted(np.datetime64(d, "D") for d in known), dtype="datetime64[D]")
    return np.asarray(listed.astype(np.int64))


def nerc_holidays(years: Iterable[int]) -> npt.NDArray[np.datetime64]:
    """Return the NERC holidays of some years, as they are observed.

    Examples
    --------
    >>> [str(d) for d in nerc_holidays([2023])]
    ['2023-01-02', '2023-05-29', '2023-07-04', '2023-09-04', '2023-11-23', '2023-12-25']
    """
    found = []
    for year in years:
        for month, day in _NERC_FIXED:
            date = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D")
            found.append(date + (_weekday(date) == 6))
        for month, day, weekday in _NERC_FLOATING:
            date = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D")
            found.append(date + (weekday - _weekday(date)) % 7)
    return np.array(sorted(found), dtype="datetime64[D]")


def _weekday(date: Any) -> int:
    # 1970-01-01 was a Thursday
    return int((date.astype(np.int64) + 3) % 7)
