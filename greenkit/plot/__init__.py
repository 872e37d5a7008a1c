"""Pictures: a tidy frame in, a plotly Figure out; none shows itself.

Each picture is right on the days of daylight-saving change, shows gaps as gaps, names its unit on every axis, and
can be read on a light and on a dark page, also by colour-blind eyes.
"""

from __future__ import annotations

from greenkit.plot._bars import monthly, tou
from greenkit.plot._cells import calendar, completeness, heatmap, week
from greenkit.plot._curves import average_day, duration, peak_days
from greenkit.plot._lines import load

__all__ = [
    "average_day",
    "calendar",
    "completeness",
    "duration",
    "heatmap",
    "load",
    "monthly",
    "peak_days",
    "tou",
    "week",
]
