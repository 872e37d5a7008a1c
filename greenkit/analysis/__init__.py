"""Can these numbers be trusted, what do they add up to, what shape do they have.

``quality`` checks, ``totals`` adds up on the local calendar, ``bills`` brings bills and registers beside the
intervals, ``estimate`` fills gaps on request, ``shape`` describes load. All of them compute on
:mod:`greenkit.analysis.intervals`, so no unit, flow, meter or series is ever added to another.
"""
