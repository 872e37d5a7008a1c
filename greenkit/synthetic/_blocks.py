"""Write the IntervalBlocks of a series: one template of a reading, filled in for each reading (ESPI 4.0, espi.xsd)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from greenkit.synthetic import _loads, _resources, _tariff
from greenkit.synthetic._channels import DELIVERED, Channel, Readings
from greenkit.synthetic._dialects import Dialect
from greenkit.synthetic._document import Markup, Node, leaf, node
from greenkit.synthetic._loads import Ints
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._resources import offsets
from greenkit.times import US

EXPORTED: Final = "1721154384.66136"
"""The time of export, which one dialect writes as the time of every reading."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Written:
    """Times of readings as in the feed: epoch seconds, durations, and a mask of the readings that it contains."""

    start: Ints
    duration: Ints
    keep: Ints
    day: Ints
    """Local day of each reading, in days since 1970."""


def written(meter: Meter, readings: Readings, dialect: Dialect) -> Written:
    """Return the times of complete local days of a series, as the dialect states them."""
    at = _loads.moments(readings.start, meter.zone)
    start = readings.start // US
    duration = (readings.end - readings.start) // US
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


def _shift(start: Ints, keep: Ints, at: _loads.Moments, clock: str) -> Ints:
    local = (at.local // US - at.utc // US)[keep]
    if clock == "local":
        return np.asarray(start + local)
    if clock == "standard":
        return start + offsets(at.zone)[0]
    if clock == "eastern":
        east = _loads.moments(at.utc, "America/New_York")
        return np.asarray(start + local - (east.local // US - east.utc // US)[keep])
    return start


def _fold(at: _loads.Moments, start: Ints, duration: Ints, *, dropped: bool) -> tuple[Ints, Ints, Ints]:
    """Leave out the second repeated hour, or write it with 0 s at the start of the first, which gets 7200 s."""
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
    """Return the times of Smart Meter Texas: from 00:00Z of the date, each but the first 15 minutes late."""
    first = np.flatnonzero(np.diff(day, prepend=-1))
    place = np.arange(len(day)) - np.repeat(first, np.diff([*first, len(day)]))
    return np.asarray(day * 86_400 + np.where(place == 0, 0, (place + 1) * 900), dtype=np.int64)


REGISTER: Final = replace(DELIVERED, series="register")
"""The register of the meter, read at local midnight."""


class BlockWriter:
    """Writer of the IntervalBlocks of one series, with one template of a reading."""

    def __init__(self, markup: Markup, meter: Meter, channel: Channel, depth: int) -> None:
        self.markup, self.meter, self.channel, self.depth = markup, meter, channel, depth
        self.dialect = markup.dialect
        electric = channel.commodity.startswith("electricity")
        priced = channel.priced and channel is not REGISTER
        absent = {
            "timePeriod": not self.dialect.time_period,
            "quality": self.dialect.quality == "none",
            "cost": not priced,
            "tou": not electric or channel is REGISTER,
            "cpp": not electric or channel is REGISTER,
            "tier": not priced,
        }
        self.members = [name for name in self.dialect.members if not absent.get(name, False)]
        self.template = self._template()
        exponent = _resources.exponent(channel, self.dialect)
        finest = _resources.UNITS[channel.unit][1] - channel.decimals
        if exponent > finest:
            raise ValueError(
                f"A powerOfTenMultiplier of {exponent} loses digits of {channel.unit}. Use {finest} or less."
            )
        self.scale = 10 ** (finest - exponent)

    def _template(self) -> str:
        markup, depth = self.markup, self.depth + 2
        zone = leaf("timezone", "-0600") if self.dialect.timezone_element else None
        texts = {
            "cost": markup.text(Node("cost", "%d"), depth),
            "quality": "%s",
            "timePeriod": markup.text(node("timePeriod", leaf("duration", "%d"), leaf("start", "%s"), zone), depth),
            "value": markup.text(Node("value", "%d"), depth),
            "tier": markup.text(Node("consumptionTier", "%d"), depth),
            "tou": markup.text(Node("tou", "%d"), depth),
            "cpp": markup.text(Node("cpp", "%d"), depth),
        }
        first, last = markup.halves(node("IntervalReading"), self.depth + 1)
        return first + "".join(texts[name] for name in self.members) + last

    def blocks(self, readings: Readings) -> Iterator[tuple[str, int]]:
        """Yield the text of each block of complete days, and the time at which the block ends."""
        if not len(readings):
            return
        times = written(self.meter, readings, self.dialect)
        columns = self._columns(readings, times)
        edges = self._edges(times)
        pairs = list(itertools.pairwise(edges))
        for a, b in reversed(pairs) if self.dialect.newest_first else pairs:
            rows = list(zip(*(column[a:b] for column in columns), strict=True))
            if self.dialect.newest_first:
                rows.reverse()
            body = "".join([self.template % row for row in rows])
            yield self._block(times, a, b, body), int(readings.end[times.keep[b - 1]])

    def _edges(self, times: Written) -> list[int]:
        count, block = len(times.start), self.dialect.block
        if isinstance(block, int):
            return [*range(0, count, block), count]
        if block == "day":
            return [*np.flatnonzero(np.diff(times.day, prepend=-1)).tolist(), count]
        return [0, count]

    def _block(self, times: Written, a: int, b: int, body: str) -> str:
        interval = ""
        if self.dialect.block_interval:
            start, end = int(times.start[a]), int(times.start[b - 1] + times.duration[b - 1])
            if self.dialect.smt_blocks:
                end = start + 86_400
            made = node("interval", leaf("duration", end - start), leaf("start", start))
            interval = self.markup.text(made, self.depth + 1)
        first, last = self.markup.halves(node("IntervalBlock"), self.depth, root=True)
        return first + interval + body + last

    def _columns(self, readings: Readings, times: Written) -> list[list[Any]]:
        """Return the values of the slots of the template, one list for each slot, in its order."""
        keep = times.keep
        tou, cpp = _tariff.periods(_loads.moments(readings.start, self.meter.zone))
        starts: list[Any] = times.start.tolist()
        if self.dialect.one_start:
            starts = [EXPORTED] * len(starts)
        found: dict[str, list[list[Any]]] = {
            "timePeriod": [times.duration.tolist(), starts],
            "value": [(readings.amount[keep] * self.scale).tolist()],
            "tou": [tou[keep].tolist()],
            "cpp": [cpp[keep].tolist()],
        }
        if "quality" in self.members:
            found["quality"] = [self._qualities(readings.estimated[keep])]
        if "cost" in self.members:
            cost = _tariff.cost(self.channel.unit, readings.amount, tou, cpp)[keep]
            found["cost"] = [(cost * (not self.dialect.free)).tolist()]
        if "tier" in self.members:
            found["tier"] = [self.meter.tiers(readings)[keep].tolist()]
        return [column for name in self.members for column in found[name]]

    def _qualities(self, estimated: np.ndarray[Any, Any]) -> list[str]:
        made = [
            self.markup.text(node("ReadingQuality", leaf("quality", code)), self.depth + 2)
            for code in (_resources.VALIDATED, _resources.ESTIMATED)
        ]
        usual = made[0] if self.dialect.quality == "all" else ""
        return [made[1] if flag else usual for flag in estimated.tolist()]


def register_readings(meter: Meter, start: int, end: int) -> Readings:
    """Return the register at each local midnight of a window, as readings without a duration."""
    at, shown, _ = meter.registers(start, end)
    return Readings(REGISTER, at, at, shown, np.zeros(len(at), dtype=bool))
