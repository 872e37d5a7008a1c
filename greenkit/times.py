"""Wall-clock time and instants: local days, labels in local time, and the arrays that greenkit computes with.

greenkit computes with instants as int64 microseconds since 1970 UTC. A local day has 24 hours except on two days of
the year: 23 hours on the spring-forward day and 25 on the fall-back day. Its intervals are counted from local
midnight along UTC time, never by localizing labels, because one hour of labels repeats and another does not exist.
"""

from __future__ import annotations

import functools
import zoneinfo
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

US: Final = 1_000_000
"""Microseconds in a second."""
_SPAN: Final = 512
"""Days whose midnights are looked up together."""
_LAST_DAY: Final = 40_000
"""In 2079. Later days are not looked up in a table, because a wrong date can be thousands of years away."""
ONE_DAY: Final = np.timedelta64(1, "D")

Instants = npt.NDArray[np.int64]
"""Microseconds since 1970 UTC."""
WallClock = npt.NDArray[np.int64]
"""Microseconds since 1970-01-01 00:00 on the local clock."""
Dates = npt.NDArray[np.datetime64]
"""Local dates, datetime64[D]."""
Repeated = Literal["daylight", "standard", "first is daylight"]
"""Which of the two hours a label means on the fall-back day."""


def is_zone(name: str) -> bool:
    """Return whether a name is that of an IANA time zone.

    Examples
    --------
    >>> is_zone("America/Chicago"), is_zone("CST"), is_zone("../etc/passwd")
    (True, False, False)
    """
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


# -- local days


def midnights(dates: Any, zone: str) -> Instants:
    """Return the instant at which each local day begins.

    Parameters
    ----------
    dates : array of datetime64[D]
        Local dates. Each distinct date is looked up once.
    zone : str
        IANA time zone.

    Returns
    -------
    array of int64
        Microseconds since 1970 UTC. If the zone skips midnight, the first instant after it; if midnight repeats, the
        first of the two.

    Examples
    --------
    >>> midnights(["2024-03-10", "2024-03-11"], "America/Chicago").tolist()
    [1710050400000000, 1710133200000000]
    """
    days = np.asarray(dates, dtype="datetime64[D]").view(np.int64).reshape(-1)
    if not len(days):
        return np.zeros(0, dtype=np.int64)
    low, high = int(days.min()), int(days.max())
    if low < 0 or high >= _LAST_DAY:
        distinct, where = np.unique(days, return_inverse=True)
        return _midnights(distinct, zone)[where.reshape(-1)]
    # For days 100 to 600 and spans of 512 days, the table has the days 0 to 1023.
    first = low // _SPAN
    table = [_midnights_of_span(number, zone) for number in range(first, high // _SPAN + 1)]
    return (table[0] if len(table) == 1 else np.concatenate(table))[days - first * _SPAN]


def _midnights(days: Instants, zone: str) -> Instants:
    return from_wall_clock(days.astype("datetime64[D]").astype("datetime64[us]").view(np.int64), zone)


@functools.lru_cache(maxsize=1 << 10)
def _midnights_of_span(number: int, zone: str) -> Instants:
    """Return the midnights of 512 days. Finding them costs the same for a few days, and most calls share them."""
    return _midnights(np.arange(number * _SPAN, (number + 1) * _SPAN), zone)


def day_seconds(dates: Any, zone: str) -> Instants:
    """Return the length of each local day in seconds: 86400, or 82800 and 90000 on the days when clocks change.

    Examples
    --------
    >>> day_seconds(["2024-03-10", "2024-07-04", "2024-11-03"], "America/Chicago").tolist()
    [82800, 86400, 90000]
    """
    dates = np.asarray(dates, dtype="datetime64[D]")
    return np.asarray((midnights(dates + ONE_DAY, zone) - midnights(dates, zone)) // US, dtype=np.int64)


def intervals_per_day(dates: Any, zone: str, interval: int) -> Instants:
    """Return the number of intervals of ``interval`` seconds in each local day.

    Examples
    --------
    >>> intervals_per_day(["2024-03-10", "2024-07-04", "2024-11-03"], "America/Chicago", 900).tolist()
    [92, 96, 100]
    """
    return day_seconds(dates, zone) // interval


def interval_starts(date: Any, zone: str, interval: int) -> Instants:
    """Return the starts of the intervals of one local day, in microseconds since 1970 UTC.

    Examples
    --------
    >>> len(interval_starts("2024-11-03", "America/Chicago", 900))
    100
    """
    first = midnights([date], zone)[0]
    return np.asarray(first + np.arange(intervals_per_day([date], zone, interval)[0]) * interval * US, dtype=np.int64)


def local_dates(times: pd.Series[Any] | pd.DatetimeIndex) -> Dates:
    """Return the local date of each zone-aware time."""
    index = pd.DatetimeIndex(times)
    return index.tz_localize(None).to_numpy().astype("datetime64[D]")


# -- wall clock ↔ instant


def from_wall_clock(labels: WallClock, zone: str, *, repeated: Repeated = "daylight") -> Instants:
    """Return the instants of labels on the local clock.

    Parameters
    ----------
    labels : array of int64
        Microseconds since 1970-01-01 00:00 on the local clock.
    zone : str
        IANA time zone.
    repeated : {"daylight", "standard", "first is daylight"}
        Which of the two hours a label means on the fall-back day: always daylight time, always standard time, or
        daylight time the first time that a label occurs and standard time after that.

    Returns
    -------
    array of int64
        Microseconds since 1970 UTC. A label in the hour that the spring-forward day skips becomes the first instant
        after that hour.

    Examples
    --------
    >>> one = np.array(["2024-11-03T01:30"], dtype="datetime64[us]").view(np.int64)
    >>> daylight, standard = from_wall_clock(one, "America/Chicago"), from_wall_clock(
    ...     one, "America/Chicago", repeated="standard"
    ... )
    >>> (standard - daylight).tolist()
    [3600000000]
    """
    index = pd.DatetimeIndex(labels.view("datetime64[us]"))
    if repeated == "first is daylight":
        is_daylight = ~pd.Series(labels).duplicated().to_numpy()
    else:
        is_daylight = np.full(len(labels), repeated == "daylight")
    return to_instants(index.tz_localize(zone, ambiguous=is_daylight, nonexistent="shift_forward"))


def to_wall_clock(instants: Instants, zone: str) -> WallClock:
    """Return what the local clock shows at each instant, in microseconds since 1970-01-01 00:00 on that clock."""
    shown = to_times(np.ascontiguousarray(instants), zone).tz_localize(None)
    return np.asarray(shown.to_numpy("datetime64[us]").view(np.int64))


def moment(value: Any, zone: str) -> pd.Timestamp:
    """Return one date or time as a UTC timestamp; without an offset it is local time.

    Parameters
    ----------
    value : date, datetime, Timestamp or str
        A date means its local midnight. On the fall-back day the first of the two hours is meant; a time that the
        spring-forward day skips becomes the first instant after it.
    zone : str
        IANA time zone of a value without an offset.

    Raises
    ------
    ValueError
        If the value is not a date or time. Plain numbers are rejected, because 2024 may be a year or an epoch.

    Examples
    --------
    >>> moment("2024-07-01", "America/Chicago").isoformat()
    '2024-07-01T05:00:00+00:00'
    """
    if isinstance(value, int | float | np.number):
        raise ValueError(f"{value!r} is a number, not a date or time")
    time = pd.Timestamp(value)
    if pd.isna(time):
        raise ValueError(f"{value!r} is not a date or time")
    if time.tzinfo is None:
        time = time.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return time.tz_convert("UTC")


# -- arrays ↔ pandas


def to_instants(times: pd.Series[Any] | pd.DatetimeIndex) -> Instants:
    """Return zone-aware times as microseconds since 1970 UTC, on any pandas and from any resolution."""
    index = pd.DatetimeIndex(times)
    if index.tz is None:
        raise TypeError("The times have no time zone, so they do not identify instants.")
    return np.array(index.as_unit("us").asi8, dtype=np.int64)  # a copy, so that no caller changes the frame


def view_instants(column: pd.Series[Any]) -> Instants:
    """Return zone-aware times as microseconds since 1970 UTC: a read-only view of the column if it can be one."""
    if isinstance(column.dtype, pd.DatetimeTZDtype) and column.dtype.unit == "us":
        view = np.asarray(column.array.view("i8")).view()
        view.flags.writeable = False
        return view
    return to_instants(column)


def to_times(instants: Instants, zone: str = "UTC") -> pd.DatetimeIndex:
    """Return microseconds since 1970 UTC as times in a zone (datetime64[us, zone])."""
    # a ZoneInfo, since pandas 2 would make a pytz zone of the name; its dtype differs from what Parquet returns
    return pd.DatetimeIndex(instants, dtype=pd.DatetimeTZDtype("us", zoneinfo.ZoneInfo(zone)), copy=False)
