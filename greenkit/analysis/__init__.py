"""Can these numbers be trusted, what do they add up to, what shape do they have.

``quality`` checks, ``totals`` adds up on the local calendar, ``reconcile`` holds bills and registers against the
intervals, ``calendarise`` cuts bills to months, ``estimate`` fills gaps on request, ``shape`` and ``profiles`` describe
load. All of them compute on :mod:`greenkit.analysis.intervals`, so no unit, flow, meter or series is ever added to
another.
"""

from greenkit.analysis import (
    bills,
    calendarise,
    checks,
    estimate,
    intervals,
    profiles,
    quality,
    reconcile,
    shape,
    totals,
)

__all__ = [
    "bills",
    "calendarise",
    "checks",
    "estimate",
    "intervals",
    "profiles",
    "quality",
    "reconcile",
    "shape",
    "totals",
]
