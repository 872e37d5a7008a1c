"""The time axis: plotly drops time zones, so an axis in local time runs backwards for an hour each fall.

The axis therefore has one fixed offset from UTC: that of local time if all of the data share it, or else that of
standard time. Its title names the offset. Hover text always shows local time with the abbreviation of its time zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit.analysis.intervals import Ints
from greenkit.times import US, Instants, to_instants, to_times

HOVER = "%a %d %b %Y %H:%M %Z"


@dataclass(frozen=True)
class Clock:
    """A fixed offset from UTC for an axis.

    Parameters
    ----------
    zone : str
        IANA zone of the hover text.
    offset : int
        Microseconds to add to UTC.
    title : str
        Title of the axis, which names the offset.
    """

    zone: str
    offset: int
    title: str

    def axis(self, instants: Instants) -> npt.NDArray[np.datetime64]:
        """Return positions on the axis, evenly spaced in elapsed time and never decreasing."""
        return np.asarray((instants + self.offset) // US, dtype=np.int64).view("datetime64[s]")

    def hover(self, instants: Instants) -> list[str]:
        """Return the local time of each instant, such as ``Sun 03 Nov 2024 01:15 CST``."""
        return list(to_times(np.asarray(instants, dtype=np.int64), self.zone).strftime(HOVER))


def clock(instants: Instants, zones: Sequence[str]) -> Clock:
    """Return the axis for some instants of sites in these time zones; UTC if there are several zones.

    Examples
    --------
    >>> import numpy as np
    >>> summer_and_winter = np.array([1_720_000_000_000_000, 1_735_000_000_000_000])
    >>> clock(summer_and_winter, ["America/Chicago"]).title
    'standard time, UTC−06:00 (hover: local time)'
    >>> clock(summer_and_winter[:1], ["America/Chicago"]).title
    'CDT, UTC−05:00'
    """
    zone = zones[0] if len(set(zones)) == 1 else "UTC"
    if zone == "UTC" or not len(instants):
        return Clock(zone, 0, "UTC")
    here = to_times(np.array([instants.min(), instants.max()], dtype=np.int64), zone)
    offsets = np.unique(_offsets(np.asarray(instants), zone))
    if len(offsets) == 1:
        return Clock(zone, int(offsets[0]), f"{here[0].tzname()}, {_utc(int(offsets[0]))}")
    standard = _standard(here[0].year, zone)
    return Clock(zone, standard, f"standard time, {_utc(standard)} (hover: local time)")


def _offsets(instants: Instants, zone: str) -> Ints:
    # a zone changes on whole hours of UTC or their quarters, so one look at each day and at both ends is enough
    day = 24 * 3600 * US
    seen = np.unique(np.concatenate([np.unique(instants // day) * day, [instants.min(), instants.max()]]))
    seen = seen[(seen >= instants.min()) & (seen <= instants.max())]
    wall = to_times(seen, zone).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return np.asarray(wall - seen)


def _standard(year: int, zone: str) -> int:
    """Offset without daylight saving; the tz database calls Irish winter time negative saving, hence the minimum."""
    months: Any = pd.date_range(f"{year}-01-01", periods=12, freq="MS", tz="UTC").as_unit("us")
    return int(_offsets(to_instants(months), zone).min())


def _utc(offset: int) -> str:
    minutes = abs(offset) // (60 * US)
    return f"UTC{'−' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
