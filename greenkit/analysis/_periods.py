"""Calendar periods on the local calendar, and what the intervals of each series amount to in them.

An interval belongs to the period in which it starts. A period's length, and so the number of intervals it should
hold, is measured in true time between two local midnights: 23, 24 or 25 hours for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, adds_up, local
from greenkit.days import Instants
from greenkit.errors import SchemaError

DAY: Final = 24 * HOUR
SEASONS: Final[Mapping[str, tuple[int, ...]]] = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
"""Meteorological seasons of the northern half of the Earth, by their months."""


@dataclass(frozen=True)
class Calendar:
    """A way to cut local dates into numbered periods without holes.

    Parameters
    ----------
    number : callable
        Local dates (days since 1970) → number of the period.
    first : callable
        Number of a period → its first date.
    name : callable
        First dates → how the periods are called.
    """

    number: Callable[[Ints], Ints]
    first: Callable[[Ints], Ints]
    name: Callable[[Ints], list[str]]


def _dates(numbers: Ints) -> Any:
    return numbers.astype("datetime64[D]")


def _by_unit(unit: str, text: str) -> Calendar:
    return Calendar(
        lambda d: _dates(d).astype(f"datetime64[{unit}]").astype(np.int64),
        lambda n: n.astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.int64),
        lambda d: list(pd.DatetimeIndex(_dates(d).astype("datetime64[us]")).strftime(text)),
    )


DAYS: Final = _by_unit("D", "%Y-%m-%d")
# 1970-01-01 was a Thursday, so ISO weeks begin three days before it
WEEKS: Final = Calendar(lambda d: (d + 3) // 7, lambda n: n * 7 - 3, lambda d: list(_iso_week(d)))
MONTHS: Final = _by_unit("M", "%Y-%m")
YEARS: Final = _by_unit("Y", "%Y")


def _iso_week(first: Ints) -> list[str]:
    return list(pd.DatetimeIndex(_dates(first).astype("datetime64[us]")).strftime("%G-W%V"))


def seasons(months: Mapping[str, tuple[int, ...]] = SEASONS) -> Calendar:
    """Make the calendar of some seasons; each runs from its first month to the first month of the next.

    Examples
    --------
    >>> tariff = seasons({"summer": (6, 7, 8, 9), "winter": (10, 11, 12, 1, 2, 3, 4, 5)})
    >>> tariff.name(tariff.first(tariff.number(np.array([19_723]))))
    ['winter 2023']
    """
    season = {month: name for name, those in months.items() for month in those}
    if sorted(season) != list(range(1, 13)) or sum(map(len, months.values())) != 12:
        raise ValueError("seasons must hold each month from 1 to 12 once")
    # months of a year in which another season begins, and how many have begun by each month
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

    def name(dates: Ints) -> list[str]:
        stamps = pd.DatetimeIndex(_dates(dates).astype("datetime64[us]"))
        return [f"{season[t.month]} {t.year}" for t in stamps]

    return Calendar(number, first, name)


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
        How each period is called: ``2024-07-04``, ``2024-W27``, ``2024-07``, ``summer 2024``, ``2024``.
    where : array of int64
        Period of each interval.
    """

    code: Ints
    start: Instants
    end: Instants
    name: Any
    where: Ints


def assign(found: Intervals, calendar: Calendar) -> Periods:
    """Lay the periods of a calendar over each series, from its first interval to its last."""
    number = calendar.number(found.date)
    code, here, where = _consecutive(found, number)
    first, after = calendar.first(here), calendar.first(here + 1)
    zones = found.keys["zone"].to_numpy(dtype=str)[code]
    start, end = _midnights(first, zones), _midnights(after, zones)
    which, distinct = pd.factorize(first)
    return Periods(code, start, end, np.array(calendar.name(distinct), dtype=object)[which], where)


def assign_hours(found: Intervals) -> Periods:
    """Lay the hours of the local clock over each series; a repeated hour is two of them, a skipped one none.

    Where the clock moves by half an hour, the hour in which it does has half of one.
    """
    zones = found.keys["zone"].to_numpy(dtype=str)
    edges = {zone: _hour_edges(found, str(zone)) for zone in np.unique(zones)}
    number = np.zeros(len(found), dtype=np.int64)
    for zone, edge in edges.items():
        here = (zones == zone)[found.code]
        number[here] = np.searchsorted(edge, found.start[here], side="right") - 1
    code, hour, where = _consecutive(found, number)
    start, end = np.empty(len(code), dtype=np.int64), np.empty(len(code), dtype=np.int64)
    for zone, edge in edges.items():
        here = (zones == zone)[code]
        start[here], end[here] = edge[hour[here]], edge[hour[here] + 1]
    which, distinct = pd.factorize(local(start, code, found.keys["zone"]) // HOUR * HOUR)
    names = pd.DatetimeIndex(distinct.view("datetime64[us]")).strftime("%Y-%m-%d %H:%M")
    return Periods(code, start, end, names.to_numpy(dtype=object)[which], where)


def _hour_edges(found: Intervals, zone: str) -> Instants:
    """Give the instants at which the zone's clock shows a full hour, or is moved."""
    if not len(found):
        return np.zeros(0, dtype=np.int64)
    # zones lie at quarters of an hour from UTC, and change at them
    quarter = HOUR // 4
    first, last = found.start.min() // HOUR - 1, found.start.max() // HOUR + 2
    instants = np.arange(first * HOUR, last * HOUR + 1, quarter)
    wall = local(instants, np.zeros(len(instants), dtype=np.int64), [zone])
    new = (wall[1:] // HOUR != wall[:-1] // HOUR) | (np.diff(wall) != quarter)
    return np.asarray(instants[1:][new])


def _consecutive(found: Intervals, number: Ints) -> tuple[Ints, Ints, Ints]:
    """Give series and number of every period from a series' first to its last, and the place of each interval."""
    n = len(found.keys)
    if not len(found):
        return (np.zeros(0, dtype=np.int64),) * 3
    edge = np.flatnonzero(np.append(True, found.code[1:] != found.code[:-1]))
    present = found.code[edge]
    low, high = np.zeros(n, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    low[present] = np.minimum.reduceat(number, edge)
    high[present] = np.maximum.reduceat(number, edge)
    count = high - low + 1
    offset = np.cumsum(count) - count
    code = np.repeat(np.arange(n), count)
    here = np.arange(count.sum()) - offset[code] + low[code]
    return code, here, offset[found.code] + number - low[found.code]


def _midnights(dates: Ints, zones: Any) -> Instants:
    out = np.empty(len(dates), dtype=np.int64)
    for zone in np.unique(zones):
        out[zones == zone] = days.midnights(_dates(dates[zones == zone]), str(zone))
    return out


@dataclass(frozen=True)
class Tally:
    """What the intervals of each period amount to; arrays of one length, one element for a period."""

    value: Floats
    hours: Floats
    present: Ints
    estimated: Ints
    expected: Ints


def aggregate(found: Intervals, periods: Periods, *, within: bool = False) -> Tally:
    """Add up the valid intervals of each period: a sum, or for a state the mean weighted by hours.

    Parameters
    ----------
    found : Intervals
        Each interval once.
    periods : Periods
        Laid over ``found``.
    within : bool
        Expect intervals only between a series' first start and its last end, not in the whole of its outer periods.

    Returns
    -------
    Tally
        ``value`` is NaN where no interval has one.
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
    return Tally(value, covered, present, estimated, present + _lacking(found, periods, covered, within=within))


def span(found: Intervals) -> tuple[Instants, Instants]:
    """Give the first start and the last end of each series."""
    n = len(found.keys)
    first, last = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if len(found):
        edge = np.flatnonzero(np.append(True, found.code[1:] != found.code[:-1]))
        first[found.code[edge]] = found.start[edge]
        last[found.code[edge]] = np.maximum.reduceat(found.end, edge)
    return first, last


def _lacking(found: Intervals, periods: Periods, covered: Floats, *, within: bool) -> Ints:
    """Count the intervals of the usual length for which a period has room left; less than 0 where some overlap."""
    start, end = periods.start, periods.end
    if within:
        first, last = span(found)
        start, end = np.maximum(start, first[periods.code]), np.minimum(end, last[periods.code])
    return found.count_in(np.maximum(end - start, 0) - covered * HOUR, periods.code)


Holidays = str | Iterable[Any] | None
DAY_TYPES: Final = ("weekday", "weekend", "holiday")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SEASON: Final = {month: name for name, months in SEASONS.items() for month in months}
BY: Final = ("day_type", "season", "month", "weekday", "year")


def groups(dates: Ints, keys: pd.DataFrame, code: Ints, by: Sequence[str], holidays: Holidays) -> dict[str, Any]:
    """Give, for each name in ``by``, what each date (days since 1970) belongs to, as ordered categories."""
    for name in by:
        if name not in BY:
            raise SchemaError(f"there is no grouping {name!r}: take some of {', '.join(BY)}")
    where, distinct = pd.factorize(dates, sort=True)
    return {name: _kind(name, distinct, holidays)[where] for name in by}


def _kind(name: str, dates: Ints, holidays: Holidays) -> Any:
    stamps = pd.DatetimeIndex(dates.astype("datetime64[D]").astype("datetime64[us]"))
    if name == "day_type":
        return day_types(dates, holidays)
    if name == "season":
        return pd.Categorical([_SEASON[m] for m in stamps.month], categories=list(SEASONS), ordered=True)
    if name == "weekday":
        return pd.Categorical(stamps.day_name(), categories=list(WEEKDAYS), ordered=True)
    return stamps.month.to_numpy() if name == "month" else stamps.year.to_numpy()


def day_types(dates: Ints, holidays: Holidays = None) -> pd.Categorical:
    """Tell weekday, weekend and holiday apart; without ``holidays`` there are no holidays.

    Examples
    --------
    >>> days = np.array(["2024-07-03", "2024-07-04", "2024-07-06"], dtype="datetime64[D]").astype(np.int64)
    >>> list(day_types(days, "US-TX"))
    ['weekday', 'holiday', 'weekend']
    """
    kind = np.where((dates + 3) % 7 >= 5, "weekend", "weekday").astype(object)
    kind[np.isin(dates, _free(holidays, dates))] = "holiday"
    return pd.Categorical(kind, categories=list(DAY_TYPES), ordered=True)


def _free(holidays: Holidays, dates: Ints) -> Ints:
    """Give the holidays as days since 1970."""
    if holidays is None or not len(dates):
        return np.zeros(0, dtype=np.int64)
    if not isinstance(holidays, str):
        return pd.DatetimeIndex(list(holidays)).to_numpy().astype("datetime64[D]").astype(np.int64)
    import holidays as package

    country, _, state = holidays.partition("-")
    years = dates[[0, -1]].astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    try:
        found = package.country_holidays(country, subdiv=state or None, years=range(int(years[0]), int(years[1]) + 1))
    except NotImplementedError:
        raise SchemaError(f"no holidays are known for {holidays!r}: write it as in 'US' or 'US-TX'") from None
    return np.array(sorted(np.datetime64(d, "D") for d in found), dtype="datetime64[D]").astype(np.int64)
