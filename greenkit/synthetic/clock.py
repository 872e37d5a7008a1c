"""How a dialect writes the time of a reading: the true instants, or what utilities make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from greenkit import days
from greenkit.synthetic import loads
from greenkit.synthetic.chance import Ints
from greenkit.synthetic.channels import Readings
from greenkit.synthetic.dialects import Dialect
from greenkit.synthetic.meters import Meter
from greenkit.synthetic.resources import offsets

EXPORTED: Final = "1721154384.66136"
"""The export time that one dialect writes for every reading."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Written:
    """The times of a run of readings as written: epoch seconds, durations, and which readings are left."""

    start: Ints
    duration: Ints
    keep: Ints
    day: Ints
    """The local day (since 1970) to which each belongs."""


def written(meter: Meter, readings: Readings, dialect: Dialect) -> Written:
    """Write the times of some whole local days of a series."""
    at = loads.moments(readings.start, meter.zone)
    start = readings.start // days.US
    duration = (readings.end - readings.start) // days.US
    keep = np.arange(len(start))
    if readings.channel.interval == 86_400 and dialect.gas_day == "86400":
        duration = np.full(len(start), 86_400, dtype=np.int64)
    if dialect.repeated_hour != "whole":
        start, duration, keep = _fold(at, start, duration, dropped=dialect.repeated_hour == "dropped")
    start = _shift(start, keep, at, dialect.clock)
    day = at.day[keep]
    if dialect.smt_blocks:
        start = _by_position(day)
    return Written(start + dialect.late, duration - dialect.short, keep, day)


def _shift(start: Ints, keep: Ints, at: loads.Moments, clock: str) -> Ints:
    local = (at.local // days.US - at.utc // days.US)[keep]
    if clock == "local":
        return np.asarray(start + local)
    if clock == "standard":
        return start + offsets(at.zone)[0]
    if clock == "eastern":
        east = loads.moments(at.utc, "America/New_York")
        return np.asarray(start + local - (east.local // days.US - east.utc // days.US)[keep])
    return start


def _fold(at: loads.Moments, start: Ints, duration: Ints, *, dropped: bool) -> tuple[Ints, Ints, Ints]:
    """Lose the second of the repeated hours, or write it as 0 s at the start of the first, which gets 7200 s."""
    again = np.zeros(len(start), dtype=bool)
    again[1:] = at.local[1:] <= np.maximum.accumulate(at.local)[:-1]
    keep = np.arange(len(start))
    if dropped:
        return start[~again], duration[~again], keep[~again]
    second = np.flatnonzero(again)
    start, duration = start.copy(), duration.copy()
    start[second] -= HOUR
    duration[second], duration[second - 1] = 0, 2 * HOUR
    return start, duration, keep


def _by_position(day: Ints) -> Ints:
    """Write a day as Smart Meter Texas does: from 00:00Z of its date; each but the first a quarter of an hour late."""
    first = np.flatnonzero(np.diff(day, prepend=-1))
    place = np.arange(len(day)) - np.repeat(first, np.diff([*first, len(day)]))
    return np.asarray(day * 86_400 + np.where(place == 0, 0, (place + 1) * 900), dtype=np.int64)
