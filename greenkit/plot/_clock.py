"""The time axis of charts: local time, on the days when clocks change too.

plotly ignores time zones, so an axis shows times as they are passed. greenkit passes local time, so that ticks are at
local midnight all year and a reader never has to add an hour. Local time has one hour twice on the fall-back day; the
line would run backwards there. Both hours are therefore drawn within the one hour of the axis, each at half its width,
and the hover text names the hour. On the spring-forward day, the skipped hour is blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from greenkit import _style
from greenkit.times import US, Instants, to_times, to_wall_clock

_DAY = 86_400 * US
_STEP = 900 * US
"""Zones change on quarters of an hour of UTC."""


@dataclass(frozen=True)
class Clock:
    """Local time as an axis.

    Parameters
    ----------
    zone : str
        IANA zone.
    title : str
        Title of the axis, which names the zone.
    back : tuple of (int, int)
        Each time that clocks go back: the instant, and by how many microseconds.
    """

    zone: str
    title: str
    back: tuple[tuple[int, int], ...]

    def axis(self, instants: Instants) -> npt.NDArray[np.float64]:
        """Return positions on the axis, in milliseconds of local time; they never decrease.

        Examples
        --------
        >>> of = clock(np.array([1_730_606_400_000_000, 1_730_620_800_000_000]), ["America/Chicago"])
        >>> hour = 1_730_613_600_000_000 + np.arange(4) * 1_800_000_000  # 01:00, 01:30 CDT, 01:00, 01:30 CST
        >>> [str(np.datetime64(int(at), "ms"))[11:16] for at in of.axis(hour)]
        ['01:00', '01:15', '01:30', '01:45']
        """
        instants = np.asarray(instants, dtype=np.int64)
        place = to_wall_clock(instants, self.zone).astype(np.float64)
        for at, by in self.back:
            inside = (instants >= at - by) & (instants < at + by)
            if inside.any():
                first = float(to_wall_clock(np.array([at - by], dtype=np.int64), self.zone)[0])
                place[inside] = first + (instants[inside] - (at - by)) / 2
        return np.asarray(place / 1000)

    def ends(self, instants: Instants) -> npt.NDArray[np.float64]:
        """Return the positions of exclusive ends: an interval before the skipped hour ends where that hour begins."""
        return self.axis(np.asarray(instants, dtype=np.int64) - 1) + 0.001

    def repeated(self, instants: Instants) -> list[str]:
        """Return the time with its abbreviation for instants in a repeated hour, and else an empty text."""
        shown = [""] * len(instants)
        for at, by in self.back:
            for i in np.flatnonzero((instants >= at - by) & (instants < at + by)).tolist():
                shown[i] = f" at {to_times(instants[i : i + 1], self.zone)[0]:%H:%M %Z}"
        return shown


def clock(instants: Instants, zones: Sequence[str]) -> Clock:
    """Return the axis for some instants of sites in these time zones; UTC if there are several zones.

    Examples
    --------
    >>> import numpy as np
    >>> clock(np.array([1_720_000_000_000_000]), ["America/Chicago"]).title
    'Local time (America/Chicago)'
    >>> clock(np.array([1_720_000_000_000_000]), ["UTC"]).title
    'UTC (time zone unknown)'
    """
    zone = zones[0] if len(set(zones)) == 1 else "UTC"
    title = _style.time_title(list(zones))
    if zone == "UTC" or not len(instants):
        return Clock(zone, title, ())
    return Clock(zone, title, tuple(_back(int(instants.min()) - _DAY, int(instants.max()) + _DAY, zone)))


def _back(first: int, last: int, zone: str) -> list[tuple[int, int]]:
    """Return when the clocks of a zone go back between two instants, and by how much."""
    days = np.arange(first // _DAY, last // _DAY + 2) * _DAY
    offset = to_wall_clock(days, zone) - days
    found = []
    for i in np.flatnonzero(np.diff(offset) < 0).tolist():
        steps = np.arange(days[i], days[i + 1] + _STEP, _STEP)
        later = np.flatnonzero(to_wall_clock(steps, zone) - steps == offset[i + 1])
        found.append((int(steps[later[0]]), int(offset[i] - offset[i + 1])))
    return found
