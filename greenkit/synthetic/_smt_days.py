"""Seeded meters as Smart Meter Texas sees them: whole local days of a channel, each with its revision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np

from greenkit import days
from greenkit.synthetic._channels import QUARTER, Channel
from greenkit.synthetic._loads import one
from greenkit.synthetic._meters import Meter

ZONE: Final = "America/Chicago"
MISSING: Final = -1
"""An interval that never came; Smart Meter Texas has no negative amounts."""


@dataclass(frozen=True, slots=True)
class Day:
    """One ESI ID, channel and local day: Wh of its 92, 96 or 100 intervals (MISSING where a gap is planted)."""

    meter: Meter
    channel: Channel
    date: date
    amounts: list[int]
    estimated: list[bool]
    revision: datetime
    """Local prevailing time."""


def of_meter(meter: Meter, start: Any, end: Any, *, redelivered: int = 0) -> Iterator[list[Day]]:
    """Give the days of a window, for each day its channels.

    Parameters
    ----------
    meter : Meter
        One in Texas: its id is written as the ESI ID.
    start, end : date or time
        Window in local days, ``end`` exclusive.
    redelivered : int
        Every so many days comes twice: all estimates first, and the truth a day later as a new revision. 0 is never.
    """
    channels = [
        c for c in meter.channels if c.unit == "kWh" and c.interval == QUARTER and c.of in ("delivered", "received")
    ]
    if not channels:
        raise ValueError(f"{meter.id} has no 15-minute electricity: Smart Meter Texas knows nothing else")
    series = [_days(meter, channel, meter.instant(start), meter.instant(end)) for channel in channels]
    for found in zip(*series, strict=True):
        if redelivered and found[0].date.toordinal() % redelivered == 0:
            yield [_estimate(day) for day in found]
            yield [replace(day, revision=day.revision + timedelta(days=1)) for day in found]
        else:
            yield list(found)


def _days(meter: Meter, channel: Channel, start: int, end: int) -> Iterator[Day]:
    step = QUARTER * days.US
    for readings in meter.chunks(channel, start, end):
        if not len(readings):
            continue
        dates = np.unique(days.local_dates(days.times(readings.start[[0, -1]], meter.zone)))
        dates = np.arange(dates[0], dates[-1] + days.ONE_DAY)
        edges = days.midnights(np.append(dates, dates[-1] + days.ONE_DAY), meter.zone)
        place = (readings.start - edges[0]) // step
        amounts = np.full((edges[-1] - edges[0]) // step, MISSING, dtype=np.int64)
        estimated = np.zeros(len(amounts), dtype=bool)
        amounts[place], estimated[place] = readings.amount, readings.estimated
        for day, a, b in zip(
            dates.tolist(), (edges[:-1] - edges[0]) // step, (edges[1:] - edges[0]) // step, strict=True
        ):
            yield Day(meter, channel, day, amounts[a:b].tolist(), estimated[a:b].tolist(), revision(meter, day))


def revision(meter: Meter, day: date) -> datetime:
    """Say when the day was filed: between six and eleven of the next morning, at an hour of the meter's own."""
    return datetime(day.year, day.month, day.day) + timedelta(
        days=1, hours=6, seconds=int(18_000 * one(meter.seed, 95))
    )


def _estimate(day: Day) -> Day:
    """Give the day as it was known before its reads came: the mean of the day, all estimates."""
    came = [a for a in day.amounts if a != MISSING]
    mean = sum(came) // max(1, len(came))
    return replace(day, amounts=[mean] * len(day.amounts), estimated=[True] * len(day.amounts))
