"""Former names of :mod:`greenkit.times`, until each package imports from there."""

from greenkit.times import ONE_DAY as ONE_DAY
from greenkit.times import US as US
from greenkit.times import Dates as Dates
from greenkit.times import Instants as Instants
from greenkit.times import day_seconds as seconds
from greenkit.times import interval_starts as grid
from greenkit.times import intervals_per_day as expected
from greenkit.times import local_dates as local_dates
from greenkit.times import midnights as midnights
from greenkit.times import to_instants as instants
from greenkit.times import to_times as times

__all__ = ["ONE_DAY", "US", "Dates", "Instants", "expected", "grid", "instants", "local_dates", "midnights", "seconds", "times"]  # fmt: skip  # noqa: E501
