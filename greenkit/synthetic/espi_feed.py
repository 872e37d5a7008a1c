"""Green Button feeds of seeded meters, written as a stream in any dialect.

>>> import io
>>> from greenkit.synthetic.meters import household
>>> file = io.BytesIO()
>>> write(file, [household(1)], "2024-03-10", "2024-03-11")
>>> file.getvalue().count(b"<IntervalReading>")
92
"""

from __future__ import annotations

import codecs
import itertools
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from greenkit import days
from greenkit._files import atomic
from greenkit.synthetic import bills, clock, loads, resources, tariff
from greenkit.synthetic.chance import Ints
from greenkit.synthetic.dialects import CONFORMING, Dialect, named
from greenkit.synthetic.markup import Markup, Node, leaf, node
from greenkit.synthetic.meters import DELIVERED, Channel, Meter, Readings

REGISTER: Final = replace(DELIVERED, series="register")
NAMESPACE: Final = uuid.UUID("6a2f5c1e-8b0d-4c7a-9a55-0d3f1f6e2b90")
"""Of the entries' ids: the same link gives the same id."""
_PLACEHOLDER: Final = "1899-12-30T00:00:00Z"


def write(
    file: str | os.PathLike[str] | BinaryIO,
    meters: Iterable[Meter],
    start: Any,
    end: Any,
    *,
    dialect: str | Dialect = CONFORMING,
) -> None:
    """Write a feed to a path or a binary file, in pieces: memory does not grow with the feed.

    Parameters
    ----------
    file : path or binary file
        A path is replaced whole or not at all.
    meters : iterable of Meter
        Their usage points, in this order.
    start, end : date or time
        Window of interval starts, ``end`` exclusive; without an offset in each meter's zone.
    dialect : str or Dialect
        A name of :data:`greenkit.synthetic.dialects.DIALECTS`.
    """
    if isinstance(file, str | os.PathLike):
        with atomic(file) as out:
            write(out, meters, start, end, dialect=dialect)
        return
    for piece in stream(meters, start, end, dialect=dialect):
        file.write(piece)


def stream(meters: Iterable[Meter], start: Any, end: Any, *, dialect: str | Dialect = CONFORMING) -> Iterator[bytes]:
    """Give a feed as pieces of bytes."""
    style = named(dialect)
    return _encoded(_Feed(style, start, end).text(meters), style)


def _encoded(texts: Iterable[str], dialect: Dialect) -> Iterator[bytes]:
    codec = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(dialect.encoding, dialect.encoding)
    yield {"utf-16": codecs.BOM_UTF16_LE, "utf-8-sig": codecs.BOM_UTF8}.get(dialect.encoding, b"")
    for text in texts:
        yield (text.replace("\n", dialect.newline) if dialect.newline != "\n" else text).encode(codec)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry: what it is, its own links, and the text of its content."""

    resource: str
    self: str
    related: tuple[tuple[str, str], ...]
    title: str
    content: str
    updated: int
    up: str | None = None

    @property
    def parent(self) -> str:
        return self.self.rpartition("/")[0] if self.up is None else self.up


class _Feed:
    """One feed in the making: the window, the style, and the entries in the dialect's order."""

    def __init__(self, dialect: Dialect, start: Any, end: Any) -> None:
        self.dialect, self.markup, self.window = dialect, Markup(dialect), (start, end)
        self.base = dialect.base
        self.zones: list[str] = []
        self.types: set[str] = set()
        # the feed is made at noon of the day after its last reading
        self.end = int(days.instants(pd.DatetimeIndex([_utc(end)]))[0]) + 12 * loads.HOUR_US
        self.depth = 0 if dialect.root == "resource" else 3

    # -- the document

    def text(self, meters: Iterable[Meter]) -> Iterator[str]:
        dialect, markup = self.dialect, self.markup
        if dialect.order != "parents":
            meters = list(meters)
        encoding = dialect.encoding.upper().removesuffix("-SIG")
        yield dialect.before + dialect.prolog.format(encoding=encoding) + dialect.after_prolog
        if dialect.root != "feed":
            yield self._alone(next(iter(meters)))
            return
        yield self._head()
        for entry in self._entries(meters):
            yield dialect.between + self._entry_text(entry)
        yield f"</{markup.tag('a:feed')}>\n"

    def _alone(self, meter: Meter) -> str:
        """Write one block as an interface answers for it: a bare entry, or the bare resource."""
        first = next(iter(self._blocks(meter, meter.channels[0])))
        return self._entry_text(first) if self.dialect.root == "entry" else first.content

    def _head(self) -> str:
        markup, (_, line) = self.markup, self.markup.around(0)
        head = (
            leaf("a:id", f"urn:uuid:{self._id('feed')}"),
            node("a:link", rel="self", href=f"{self.base}/Batch/Subscription/1"),
            node("a:link", rel="up", href=f"{self.base}/Batch/Subscription"),
            self._certificate(),
            leaf("a:title", self.dialect.title),
            leaf("a:updated", self._date(self.end)),
        )
        opened = f"<{markup.tag('a:feed')}{markup.root_attributes('a', '')}>{line}"
        return opened + "".join(markup.text(n, 1) for n in head if n is not None)

    def _entry_text(self, entry: _Entry) -> str:
        markup, dialect = self.markup, self.dialect
        links = self._links(entry)
        dates = [leaf(f"a:{name}", self._date(entry.updated)) for name in ("published", "updated")]
        attributes = {"type": dialect.content_type} if dialect.content_type else {}
        head = (leaf("a:id", f"urn:uuid:{self._id(entry.self)}"), *links, leaf("a:title", entry.title))
        top = self.dialect.root == "entry"
        first, last = markup.halves(node("a:entry"), 0 if top else 1)
        if top:
            first = first.replace(">", markup.root_attributes("a", "") + ">", 1)
        opened, closed = markup.halves(node("a:content", **attributes), 2)
        inside = "".join(markup.text(d, 3) for d in dates if d) if dialect.dates_in_content else ""
        after = "" if dialect.dates_in_content else "".join(markup.text(d, 2) for d in dates if d)
        return (
            first
            + "".join(markup.text(n, 2) for n in head if n is not None)
            + opened
            + inside
            + entry.content
            + closed
            + after
            + last
        )

    def _links(self, entry: _Entry) -> list[Node]:
        style = self.dialect.links
        if style == "none":
            return []
        links = [node("a:link", rel="self", href=entry.self)]
        if style not in ("direct", "back"):
            links.append(node("a:link", rel="up", href=entry.parent))
        certificate = self._certificate() if entry.resource == "UsagePoint" else None
        links += [certificate] if certificate else []
        return links + [node("a:link", rel="related", href=href, type=kind) for href, kind in entry.related]

    def _certificate(self) -> Node | None:
        """Give the link to a certificate that certified feeds carry; it relates to no resource."""
        href = "https://certificates.example/green-button/1"
        return node("a:link", rel="related", href=href) if self.dialect.certificate else None

    def _id(self, key: str) -> uuid.UUID:
        return uuid.uuid5(NAMESPACE, "entry" if self.dialect.same_ids and key != "feed" else key)

    def _date(self, instant: int) -> str:
        time = datetime.fromtimestamp(instant // days.US, UTC)
        forms = {"utc": "%Y-%m-%dT%H:%M:%SZ", "naive": "%Y-%m-%dT%H:%M:%S", "offset": "%Y-%m-%dT%H:%M:%S+00:00"}
        return time.strftime(forms[self.dialect.dates]) if self.dialect.dates in forms else _PLACEHOLDER

    # -- the entries

    def _entries(self, meters: Iterable[Meter]) -> Iterator[_Entry]:
        if self.dialect.order == "parents":
            yield from self._in_order(meters)
            return
        meters = list(meters)
        series = [(m, c) for m in meters for c in self._channels(m)]
        clocks = [e for m in meters for e in self._clock(m)]
        types = [e for m, c in series for e in self._type(m, c)]
        above = [e for m in meters for e in (*self._points(m), *(self._meter_reading(m, c) for c in self._channels(m)))]
        readings = (e for m, c in series for e in self._blocks(m, c))
        summaries = (e for m in meters for e in self._summaries(m))
        parts = [readings, types, above] if self.dialect.order == "readings" else [above, readings, types]
        yield from itertools.chain(*parts, summaries, clocks)

    def _in_order(self, meters: Iterable[Meter]) -> Iterator[_Entry]:
        """Parents before children, meter by meter; what is shared comes before its first use."""
        for meter in meters:
            yield from self._clock(meter)
            for channel in self._channels(meter):
                yield from self._type(meter, channel)
            yield from self._points(meter)
            for channel in self._channels(meter):
                yield self._meter_reading(meter, channel)
                yield from self._blocks(meter, channel)
            yield from self._summaries(meter)

    def _channels(self, meter: Meter) -> tuple[Channel, ...]:
        electric = meter.channels[0].unit == "kWh"
        more = self.dialect.more_channels if electric else ()
        register = (REGISTER,) if self.dialect.registers and electric else ()
        return (*meter.channels, *more, *register) if self.dialect.readings else ()

    def _resource(self, element: Node) -> str:
        return self.markup.text(element, self.depth, root=True)

    def _clock(self, meter: Meter) -> Iterator[_Entry]:
        """Give the LocalTimeParameters of the meter's zone, the first time that it is met."""
        if self.dialect.local_time != "absent" and meter.zone not in self.zones:
            self.zones.append(meter.zone)
            content = self._resource(resources.local_time(meter.zone, self.dialect))
            yield _Entry("LocalTimeParameters", self._clock_href(meter), (), "Local time", content, self.end)

    def _clock_href(self, meter: Meter) -> str:
        return f"{self.base}/LocalTimeParameters/{self.zones.index(meter.zone) + 1}"

    def _point(self, meter: Meter) -> str:
        return f"{self.base}/RetailCustomer/{meter.seed}/UsagePoint/{meter.id}"

    def _points(self, meter: Meter) -> Iterator[_Entry]:
        dialect, here = self.dialect, self._point(meter)
        if not dialect.usage_point:
            return
        kinds = ["MeterReading", dialect.summary, "ElectricPowerQualitySummary" if dialect.power_quality else None]
        related: list[tuple[str, str]] = []
        if dialect.links == "collection":
            related = [(f"{here}/{kind}", f"espi-feed/{kind}") for kind in kinds if kind]
            if dialect.local_time != "absent":
                related.append((self._clock_href(meter), "espi-entry/LocalTimeParameters"))
        elif dialect.links == "direct":
            related = [(self._series(meter, c), "espi-entry/MeterReading") for c in self._channels(meter)]
        content = self._resource(resources.usage_point(meter, dialect))
        yield _Entry("UsagePoint", here, tuple(related), f"Service {meter.id}", content, self.end)
        for i in range(dialect.empty_usage_points):
            yield _Entry("UsagePoint", f"{here}-{i + 2}", (), f"Service {meter.id}-{i + 2}", content, self.end)

    def _series(self, meter: Meter, channel: Channel) -> str:
        return f"{self._point(meter)}/MeterReading/{channel.series}"

    def _type_href(self, meter: Meter, channel: Channel) -> str:
        if self.dialect.links == "nested":
            return f"{self._series(meter, channel)}/ReadingType/1"
        length = "register" if channel is REGISTER else channel.interval
        return f"{self.base}/ReadingType/{channel.kind}-{channel.flow}-{channel.unit}-{length}"

    def _type(self, meter: Meter, channel: Channel) -> Iterator[_Entry]:
        """Give the ReadingType of a series, the first time that it is met: series alike share one."""
        here = self._type_href(meter, channel)
        if self.dialect.reading_type and here not in self.types:
            self.types.add(here)
            made = resources.reading_type(channel, self.dialect, register=channel is REGISTER)
            title = f"{channel.kind.capitalize()} {channel.flow} ({channel.unit})"
            yield _Entry("ReadingType", here, (), title, self._resource(made), self.end)

    def _meter_reading(self, meter: Meter, channel: Channel) -> _Entry:
        dialect, here = self.dialect, self._series(meter, channel)
        related: list[tuple[str, str]] = []
        if dialect.links == "collection":
            related = [(f"{here}/IntervalBlock", "espi-feed/IntervalBlock")]
        elif dialect.links == "direct":
            related = [(e.self, "espi-entry/IntervalBlock") for e in self._blocks(meter, channel)]
        elif dialect.links == "back":
            related = [(self._point(meter), "espi-entry/UsagePoint")]
        if dialect.reading_type and dialect.type_link and dialect.links != "nested":
            related.append((self._type_href(meter, channel), "espi-entry/ReadingType"))
        content = self._resource(node("MeterReading"))
        title = f"Readings {channel.series}"
        return _Entry("MeterReading", here, tuple(related), title, content, self.end)

    def _summaries(self, meter: Meter) -> Iterator[_Entry]:
        dialect = self.dialect
        start, end = (meter.instant(t) for t in self.window)
        for bill in meter.bills(start, end) if dialect.summary or dialect.power_quality else ():
            number = f"{bill.end // days.US:,}" if dialect.thousands else str(bill.end // days.US)
            if dialect.summary:
                content = self._resource(bills.usage_summary(meter, bill, dialect))
                here = f"{self._point(meter)}/{dialect.summary}/{number}"
                yield _Entry(dialect.summary, here, (), "Bill", content, bill.end)
            if dialect.power_quality and bill.unit == "kWh":
                content = self._resource(resources.power_quality(meter, bill))
                here = f"{self._point(meter)}/ElectricPowerQualitySummary/{number}"
                yield _Entry("ElectricPowerQualitySummary", here, (), "Power quality", content, bill.end)

    # -- the readings

    def _blocks(self, meter: Meter, channel: Channel) -> Iterator[_Entry]:
        """Entries of a series, each with its share of IntervalBlocks."""
        here, back = self._series(meter, channel), self.dialect.links == "back"
        place = urlsplit(here).path if self.dialect.links == "nested" else here
        related = ((here, "espi-entry/MeterReading"),) if back else ()
        texts = self._block_texts(meter, channel)
        for number, held in enumerate(_batched(texts, self.dialect.blocks_in_content), 1):
            self_ = f"{place}/IntervalBlock" if self.dialect.same_ids else f"{place}/IntervalBlock/{number}"
            up = f"{place}/IntervalBlock"
            yield _Entry("IntervalBlock", self_, related, "", "".join(t for t, _ in held), held[-1][1], up)

    def _block_texts(self, meter: Meter, channel: Channel) -> Iterator[tuple[str, int]]:
        start, end = (meter.instant(t) for t in self.window)
        if channel is REGISTER:
            pieces: Iterable[Readings] = [_register_readings(meter, start, end)]
        elif self.dialect.block == "all":
            pieces = [meter.readings(channel, start, end)]
        else:
            pieces = meter.chunks(channel, start, end)
        if self.dialect.newest_first:
            pieces = reversed(list(pieces))
        writer = _BlockWriter(self.markup, meter, channel, self.depth)
        for piece in pieces:
            yield from writer.blocks(piece)


class _BlockWriter:
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
        uom_exponent = resources.UNITS[channel.unit][1] - channel.decimals
        self.scale = 10 ** (uom_exponent - resources.exponent(channel, self.dialect))

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
            found["tier"] = [self._tiers(readings)[keep].tolist()]
        return [column for name in self.members for column in found[name]]

    def _qualities(self, estimated: np.ndarray[Any, Any]) -> list[str]:
        made = [
            self.markup.text(node("ReadingQuality", leaf("quality", code)), self.depth + 2)
            for code in (resources.VALIDATED, resources.ESTIMATED)
        ]
        usual = made[0] if self.dialect.quality == "all" else ""
        return [made[1] if flag else usual for flag in estimated.tolist()]

    def _tiers(self, readings: Readings) -> Ints:
        """Tier 2 begins where the use since the first of the local month passes the limit."""
        return self.meter.tiers(readings)


def _batched(texts: Iterable[tuple[str, int]], size: int) -> Iterator[list[tuple[str, int]]]:
    """Give texts in groups; 0 gives them all in one."""
    source = iter(texts)
    while held := list(itertools.islice(source, size or None)):
        yield held


def _utc(when: Any) -> pd.Timestamp:
    time = pd.Timestamp(when)
    return time.tz_localize("UTC") if time.tzinfo is None else time


def _register_readings(meter: Meter, start: int, end: int) -> Readings:
    at, shown, _ = meter.registers(start, end)
    return Readings(REGISTER, at, at, shown, np.zeros(len(at), dtype=bool))
