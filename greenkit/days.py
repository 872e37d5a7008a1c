"""Local days: what they hold on the days of change, and the local day's grid in UTC.

A local day has 24 hours but on two days of the year: 23 in spring, 25 in autumn. Its intervals are laid from
local midnight on the UTC line, never by localising wall-clock labels, one hour of which exists twice or not at all.
"""

from __future__ import annotations

import zoneinfo
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

US: Final = 1_000_000
"""Microseconds in a second: greenkit computes with instants as int64 microseconds since 1970 UTC."""
ONE_DAY: Final = np.timedelta64(1, "D")

Instants = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]


def midnights(days: Any, zone: str) -> Instants:
    """Give the instant at which each local day begins.

    Parameters
    ----------
    days : array of datetime64[D]
        Local dates. Each distinct one is looked up once.
    zone : str
        IANA zone.

    Returns
    -------
    array of int64
        Microseconds since 1970 UTC. A midnight that the zone skips is the first instant after it; one that
        stands twice is the first of the two.

    Examples
    --------
    >>> midnights(["2024-03-10", "2024-03-11"], "America/Chicago").tolist()
    [1710050400000000, 1710133200000000]
    """
    days = np.asarray(days, dtype="datetime64[D]")
    distinct, where = np.unique(days, return_inverse=True)
    local = pd.DatetimeIndex(distinct.astype("datetime64[us]"))
    index = local.tz_localize(zone, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward")
    instants = index.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return np.asarray(instants[where.reshape(-1)], dtype=np.int64)


def seconds(days: Any, zone: str) -> Instants:
    """Give the length of each local day in seconds: 86400, or 82800 and 90000 on days of change.

    Examples
    --------
    >>> seconds(["2024-03-10", "2024-07-04", "2024-11-03"], "America/Chicago").tolist()
    [82800, 86400, 90000]
    """
    days = np.asarray(days, dtype="datetime64[D]")
    return np.asarray((midnights(days + ONE_DAY, zone) - midnights(days, zone)) // US, dtype=np.int64)


def expected(days: Any, zone: str, interval: int) -> Instants:
    """Give the number of intervals of ``interval`` seconds that each local day holds.

    Examples
    --------
    >>> expected(["2024-03-10", "2024-07-04", "2024-11-03"], "America/Chicago", 900).tolist()
    [92, 96, 100]
    """
    return seconds(days, zone) // interval


def grid(day: Any, zone: str, interval: int) -> Instants:
    """Give the starts of one local day's intervals, as microseconds since 1970 UTC.

    Examples
    --------
    >>> len(grid("2024-11-03", "America/Chicago", 900))
    100
    """
    first = midnights([day], zone)[0]
    return np.asarray(first + np.arange(expected([day], zone, interval)[0]) * interval * US, dtype=np.int64)


def local_dates(instants: pd.Series[Any] | pd.DatetimeIndex) -> Dates:
    """Give the local date of each zone-aware instant."""
    index = pd.DatetimeIndex(instants)
    return index.tz_localize(None).to_numpy().astype("datetime64[D]")


def instants(times: pd.Series[Any] | pd.DatetimeIndex) -> Instants:
    """Give zone-aware times as microseconds since 1970 UTC, on any pandas and from any resolution."""
    index = pd.DatetimeIndex(times).tz_convert("UTC").tz_localize(None)
    return np.asarray(index.to_numpy("datetime64[us]").view(np.int64))


def times(instants: Instants, zone: str = "UTC") -> pd.DatetimeIndex:
    """Give microseconds since 1970 UTC as times in a zone (datetime64[us, zone])."""
    # a ZoneInfo, since pandas 2 would make a pytz zone of the name, whose dtype differs from what Parquet gives back
    return pd.DatetimeIndex(instants, dtype=pd.DatetimeTZDtype("us", zoneinfo.ZoneInfo(zone)), copy=False)
