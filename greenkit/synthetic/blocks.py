"""IntervalBlocks of one series: the text of a reading is made once as a template and filled for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from greenkit.synthetic import clock, loads, resources, tariff
from greenkit.synthetic.channels import DELIVERED, Channel, Readings
from greenkit.synthetic.markup import Markup, Node, leaf, node
from greenkit.synthetic.meters import Meter

REGISTER: Final = replace(DELIVERED, series="register")
"""The meter's dial, read at local midnight."""


class BlockWriter:
    """Writes the IntervalBlocks of one series: the text of a reading is made once and filled for each."""

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
        exponent = resources.exponent(channel, self.dialect)
        finest = resources.UNITS[channel.unit][1] - channel.decimals
        if exponent > finest:
            raise ValueError(
                f"a powerOfTenMultiplier of {exponent} loses digits of {channel.unit}: use {finest} or less"
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
        """Write some whole days: each block's text, and the instant at which it was complete."""
        if not len(readings):
            return
        times = clock.written(self.meter, readings, self.dialect)
        columns = self._columns(readings, times)
        edges = self._edges(times)
        pairs = list(itertools.pairwise(edges))
        for a, b in reversed(pairs) if self.dialect.newest_first else pairs:
            rows = list(zip(*(column[a:b] for column in columns), strict=True))
            if self.dialect.newest_first:
                rows.reverse()
            body = "".join([self.template % row for row in rows])
            yield self._block(times, a, b, body), int(readings.end[times.keep[b - 1]])

    def _edges(self, times: clock.Written) -> list[int]:
        count, block = len(times.start), self.dialect.block
        if isinstance(block, int):
            return [*range(0, count, block), count]
        if block == "day":
            return [*np.flatnonzero(np.diff(times.day, prepend=-1)).tolist(), count]
        return [0, count]

    def _block(self, times: clock.Written, a: int, b: int, body: str) -> str:
        interval = ""
        if self.dialect.block_interval:
            start, end = int(times.start[a]), int(times.start[b - 1] + times.duration[b - 1])
            if self.dialect.smt_blocks:
                end = start + 86_400
            made = node("interval", leaf("duration", end - start), leaf("start", start))
            interval = self.markup.text(made, self.depth + 1)
        first, last = self.markup.halves(node("IntervalBlock"), self.depth, root=True)
        return first + interval + body + last

    def _columns(self, readings: Readings, times: clock.Written) -> list[list[Any]]:
        """Give the slots of the template, one list for each, in its order."""
        keep = times.keep
        tou, cpp = tariff.periods(loads.moments(readings.start, self.meter.zone))
        starts: list[Any] = times.start.tolist()
        if self.dialect.one_start:
            starts = [clock.EXPORTED] * len(starts)
        found: dict[str, list[list[Any]]] = {
            "timePeriod": [times.duration.tolist(), starts],
            "value": [(readings.amount[keep] * self.scale).tolist()],
            "tou": [tou[keep].tolist()],
            "cpp": [cpp[keep].tolist()],
        }
        if "quality" in self.members:
            found["quality"] = [self._qualities(readings.estimated[keep])]
        if "cost" in self.members:
            cost = tariff.cost(self.channel.unit, readings.amount, tou, cpp)[keep]
            found["cost"] = [(cost * (not self.dialect.free)).tolist()]
        if "tier" in self.members:
            found["tier"] = [self.meter.tiers(readings)[keep].tolist()]
        return [column for name in self.members for column in found[name]]

    def _qualities(self, estimated: np.ndarray[Any, Any]) -> list[str]:
        made = [
            self.markup.text(node("ReadingQuality", leaf("quality", code)), self.depth + 2)
            for code in (resources.VALIDATED, resources.ESTIMATED)
        ]
        usual = made[0] if self.dialect.quality == "all" else ""
        return [made[1] if flag else usual for flag in estimated.tolist()]


def register_readings(meter: Meter, start: int, end: int) -> Readings:
    """Give what the dial showed at each local midnight of a window, as readings without a length."""
    at, shown, _ = meter.registers(start, end)
    return Readings(REGISTER, at, at, shown, np.zeros(len(at), dtype=bool))
