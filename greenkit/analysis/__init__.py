"""Analysis of tidy frames: data quality, totals, bills, and load shape.

``quality`` checks, ``totals`` adds up on the local calendar, ``reconcile`` compares bills and registers with the
intervals, ``bills`` splits bills into months, ``estimate`` fills gaps on request, ``shape`` describes load, ``fleet``
compares meters. All of them compute on :mod:`greenkit.analysis.intervals`, so different units, flows, meters, or series
are never added.
"""

from greenkit.analysis import (
    bills,
    blocks,
    checks,
    estimate,
    fleet,
    intervals,
    quality,
    reconcile,
    roster,
    shape,
    totals,
)

__all__ = [
    "bills",
    "blocks",
    "checks",
    "estimate",
    "fleet",
    "intervals",
    "quality",
    "reconcile",
    "roster",
    "shape",
    "totals",
]
