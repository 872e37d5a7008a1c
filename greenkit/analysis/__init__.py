"""Can these numbers be trusted, what do they add up to, what shape do they have.

``quality`` checks, ``totals`` adds up on the local calendar, ``reconcile`` holds bills and registers against the
intervals, ``bills`` splits bills into months, ``estimate`` fills gaps on request, ``shape`` describes load. All of
them compute on :mod:`greenkit.analysis.intervals`, so no unit, flow, meter or series is ever added to another.
"""

from greenkit.analysis import (
    bills,
    blocks,
    checks,
    estimate,
    intervals,
    quality,
    reconcile,
    shape,
    totals,
)

__all__ = [
    "bills",
    "blocks",
    "checks",
    "estimate",
    "intervals",
    "quality",
    "reconcile",
    "shape",
    "totals",
]
