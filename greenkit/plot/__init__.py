"""Charts: each function takes a tidy frame and returns a plotly Figure without displaying it.

Charts are correct on the days when clocks change, show gaps, and name the unit on every axis. They are readable on
light and dark pages and with color blindness. Charts of many meters also take the small table of
:func:`greenkit.analysis.fleet.fleet_table`, so that a dataset can draw them without its intervals.
"""

from __future__ import annotations

from greenkit.plot._bars import daily, monthly, tou
from greenkit.plot._cells import calendar, completeness, heatmap, week
from greenkit.plot._curves import average_day, duration, peak_days
from greenkit.plot._fleet import (
    annual_energy,
    findings_by_day,
    fleet_band,
    fleet_completeness,
    fleet_load,
    load_factor,
    ranking,
    small_multiples,
)
from greenkit.plot._lines import load
from greenkit.plot._tariffs import bill, bill_change, cost_by_hour, plans, price_map

__all__ = [
    "annual_energy",
    "average_day",
    "bill",
    "bill_change",
    "calendar",
    "completeness",
    "cost_by_hour",
    "daily",
    "duration",
    "findings_by_day",
    "fleet_band",
    "fleet_completeness",
    "fleet_load",
    "heatmap",
    "load",
    "load_factor",
    "monthly",
    "peak_days",
    "plans",
    "price_map",
    "ranking",
    "small_multiples",
    "tou",
    "week",
]
