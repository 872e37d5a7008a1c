"""Local days of simulated meters with revisions, from which the files of Smart Meter Texas are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np

from greenkit.synthetic._channels import QUARTER, Channel
from greenkit.synthetic._loads import one
from greenkit.synthetic._meters import Meter
from greenkit.times import ONE_DAY, US, local_dates, midnights, to_times

ZONE: Final = "America/Chicago"
MISSING: Final = -1
"""Amount of a missing interval. Smart Meter Texas has no negative amounts."""


@dataclass(frozen=True, slots=True)
class Day:
    """One ESI ID, channel, and local day: Wh of its 92, 96, or 100 intervals (MISSING in a gap)."""

    meter: Meter
    channel: Channel
    date: date
    amounts: list[int]
    estimated: list[bool]
    revision: datetime
    """Time of the revision, in local time."""


def of_meter(meter: Meter, start: Any, end: Any, *, redelivered: int = 0) -> Iterator[list[Day]]:
    """Yield the days of a window, as a list of the channels of each day.

    Parameters
    ----------
    meter : Meter
        Meter in Texas; its ID is the ESI ID.
    start, end : date or time
        Window in local days, ``end`` exclusive.
    redelivered : int
        Every n-th day appears twice: first estimated, then a day later as a new revision. 0 means never.
    """
    channels = [
        c for c in meter.channels if c.unit == "kWh" and c.interval == QUARTER and c.of in ("delivered", "received")
    ]
    if not channels:
        raise ValueError(f"Meter {meter.id} has no 15-minute electricity, and SMT files contain nothing else")
    series = [_days(meter, channel, meter.instant(start), meter.instant(end)) for channel in channels]
    for found in zip(*series, strict=True):
        if redelivered and found[0].date.toordinal() % redelivered == 0:
            yield [_estimate(day) for day in found]
            yield [replace(day, revision=day.revision + timedelta(days=1)) for day in found]
        else:
            yield list(found)


def _days(meter: Meter, channel: Channel, start: int, end: int) -> Iterator[Day]:
    step = QUARTER * US
    for readings in meter.chunks(channel, start, end):
        if not len(readings):
            continue
        dates = np.unique(local_dates(to_times(readings.start[[0, -1]], meter.zone)))
        dates = np.arange(dates[0], dates[-1] + ONE_DAY)
        edges = midnights(np.append(dates, dates[-1] + ONE_DAY), meter.zone)
        place = (readings.start - edges[0]) // step
        amounts = np.full((edges[-1] - edges[0]) // step, MISSING, dtype=np.int64)
        estimated = np.zeros(len(amounts), dtype=bool)
        amounts[place], estimated[place] = readings.amount, readings.estimated
        for day, a, b in zip(
            dates.tolist(), (edges[:-1] - edges[0]) // step, (edges[1:] - edges[0]) // step, strict=True
        ):
            yield Day(meter, channel, day, amounts[a:b].tolist(), estimated[a:b].tolist(), revision(meter, day))


def revision(meter: Meter, day: date) -> datetime:
    """Return when the day was filed: between 6 and 11 on the next morning, at a fixed time for each meter."""
    return datetime(day.year, day.month, day.day) + timedelta(
        days=1, hours=6, seconds=int(18_000 * one(meter.seed, 95))
    )


def _estimate(day: Day) -> Day:
    """Return the day as first filed: every interval estimated as the mean of the day."""
    present = [a for a in day.amounts if a != MISSING]
    mean = sum(present) // max(1, len(present))
    return replace(day, amounts=[mean] * len(day.amounts), estimated=[True] * len(day.amounts))
