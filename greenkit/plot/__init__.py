"""Pictures: a tidy frame in, a plotly Figure out; none shows itself.

Each picture is right on the days of daylight-saving change, shows gaps as gaps, names its unit on every axis, and
can be read on a light and on a dark page, also by colour-blind eyes.
"""

from __future__ import annotations

from greenkit.plot._bars import monthly, tou
from greenkit.plot._cells import calendar, completeness, heatmap, week
from greenkit.plot._curves import average_day, duration, peak_days
from greenkit.plot._lines import load
from greenkit.plot._tariffs import bill, bill_change, cost_by_hour, plans, price_map

__all__ = [
    "average_day",
    "bill",
    "bill_change",
    "calendar",
    "completeness",
    "cost_by_hour",
    "duration",
    "heatmap",
    "load",
    "monthly",
    "peak_days",
    "plans",
    "price_map",
    "tou",
    "week",
]
