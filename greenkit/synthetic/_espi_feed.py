"""Write Green Button feeds of simulated meters as a stream, in any dialect.

>>> import io
>>> from greenkit.synthetic import household
>>> file = io.BytesIO()
>>> write(file, [household(1)], "2024-03-10", "2024-03-11")
>>> file.getvalue().count(b"<IntervalReading>")
92
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pandas as pd

from greenkit._files import StrPath, opened
from greenkit.synthetic import _loads, _resources
from greenkit.synthetic._blocks import REGISTER, BlockWriter, register_readings
from greenkit.synthetic._channels import Channel, Readings
from greenkit.synthetic._dialects import CONFORMING, Dialect, named
from greenkit.synthetic._document import Document, Entry, node
from greenkit.synthetic._meters import Meter
from greenkit.times import US, to_instants


def write(
    file: StrPath | BinaryIO,
    meters: Iterable[Meter],
    start: Any,
    end: Any,
    *,
    dialect: str | Dialect = CONFORMING,
) -> None:
    """Write a feed to a path or a binary file, in pieces, so that memory does not grow with the feed.

    Parameters
    ----------
    file : path or binary file
        A path is replaced completely or not at all.
    meters : iterable of Meter
        Meters; their usage points have this order.
    start, end : date or time
        Window of interval starts, ``end`` exclusive; without an offset, in the zone of each meter.
    dialect : str or Dialect
        A name of :data:`greenkit.synthetic.DIALECTS`, or a dialect.
    """
    with opened(file) as out:
        for piece in stream(meters, start, end, dialect=dialect):
            out.write(piece)


def stream(meters: Iterable[Meter], start: Any, end: Any, *, dialect: str | Dialect = CONFORMING) -> Iterator[bytes]:
    """Yield a feed as pieces of bytes."""
    style = named(dialect)
    return _Feed(style, start, end).pieces(meters)


def usage_point_href(base: str, meter: Meter) -> str:
    """Return the self link of the usage point of a meter."""
    return f"{base}/RetailCustomer/{meter.seed}/UsagePoint/{meter.id}"


def made(end: Any) -> int:
    """Return when a feed is created: at the end of its window, or at noon UTC if the window ends with a date."""
    time = pd.Timestamp(end)
    noon = 12 * _loads.HOUR_US if time.tzinfo is None else 0
    return int(to_instants(pd.DatetimeIndex([time.tz_localize("UTC") if noon else time]))[0]) + noon


class _Feed:
    """Writer of a usage feed: the window, the document, and the entries in the order of the dialect."""

    def __init__(self, dialect: Dialect, start: Any, end: Any) -> None:
        self.dialect, self.window, self.base = dialect, (start, end), dialect.base
        self.zones: list[str] = []
        self.types: set[str] = set()
        self.end = made(end)
        self.document = Document(dialect, self.end)

    def pieces(self, meters: Iterable[Meter]) -> Iterator[bytes]:
        here = f"{self.base}/Batch/Subscription/1"
        texts = self.document.text(self._entries(meters), here=here, title=self.dialect.title, spaces=("",))
        return self.document.encoded(texts)

    # -- the entries

    def _entries(self, meters: Iterable[Meter]) -> Iterator[Entry]:
        if self.dialect.root != "feed":
            # the answer of an API for one block
            for meter in itertools.islice(meters, 1):
                yield from self._blocks(meter, meter.channels[0])
            return
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

    def _in_order(self, meters: Iterable[Meter]) -> Iterator[Entry]:
        """Yield parents before children, meter by meter, and shared resources before their first use."""
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

    def _clock(self, meter: Meter) -> Iterator[Entry]:
        """Yield the LocalTimeParameters of the zone of the meter, once for each zone."""
        if self.dialect.local_time != "absent" and meter.zone not in self.zones:
            self.zones.append(meter.zone)
            content = self.document.content(_resources.local_time(meter.zone, self.dialect))
            yield Entry("LocalTimeParameters", self._clock_href(meter), (), "Local time", content, self.end)

    def _clock_href(self, meter: Meter) -> str:
        return f"{self.base}/LocalTimeParameters/{self.zones.index(meter.zone) + 1}"

    def _point(self, meter: Meter) -> str:
        return usage_point_href(self.base, meter)

    def _points(self, meter: Meter) -> Iterator[Entry]:
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
        content = self.document.content(_resources.usage_point(meter, dialect))
        yield Entry("UsagePoint", here, tuple(related), f"Service {meter.id}", content, self.end)
        for i in range(dialect.empty_usage_points):
            yield Entry("UsagePoint", f"{here}-{i + 2}", (), f"Service {meter.id}-{i + 2}", content, self.end)

    def _series(self, meter: Meter, channel: Channel) -> str:
        return f"{self._point(meter)}/MeterReading/{channel.series}"

    def _type_href(self, meter: Meter, channel: Channel) -> str:
        if self.dialect.links == "nested":
            return f"{self._series(meter, channel)}/ReadingType/1"
        length = "register" if channel is REGISTER else channel.interval
        return f"{self.base}/ReadingType/{channel.kind}-{channel.flow}-{channel.unit}-{length}"

    def _type(self, meter: Meter, channel: Channel) -> Iterator[Entry]:
        """Yield the ReadingType of a series, once for equal types."""
        here = self._type_href(meter, channel)
        if self.dialect.reading_type and here not in self.types:
            self.types.add(here)
            made = _resources.reading_type(channel, self.dialect, register=channel is REGISTER)
            title = f"{channel.kind.capitalize()} {channel.flow} ({channel.unit})"
            yield Entry("ReadingType", here, (), title, self.document.content(made), self.end)

    def _meter_reading(self, meter: Meter, channel: Channel) -> Entry:
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
        content = self.document.content(node("MeterReading"))
        title = f"Readings {channel.series}"
        return Entry("MeterReading", here, tuple(related), title, content, self.end)

    def _summaries(self, meter: Meter) -> Iterator[Entry]:
        dialect = self.dialect
        start, end = (meter.instant(t) for t in self.window)
        for bill in meter.bills(start, end) if dialect.summary or dialect.power_quality else ():
            number = f"{bill.end // US:,}" if dialect.thousands else str(bill.end // US)
            if dialect.summary:
                content = self.document.content(_resources.usage_summary(meter, bill, dialect))
                here = f"{self._point(meter)}/{dialect.summary}/{number}"
                yield Entry(dialect.summary, here, (), "Bill", content, bill.end)
            if dialect.power_quality and bill.unit == "kWh":
                content = self.document.content(_resources.power_quality(meter, bill))
                here = f"{self._point(meter)}/ElectricPowerQualitySummary/{number}"
                yield Entry("ElectricPowerQualitySummary", here, (), "Power quality", content, bill.end)

    # -- the readings

    def _blocks(self, meter: Meter, channel: Channel) -> Iterator[Entry]:
        """Yield the entries of a series, each with its IntervalBlocks."""
        here, back = self._series(meter, channel), self.dialect.links == "back"
        place = urlsplit(here).path if self.dialect.links == "nested" else here
        related = ((here, "espi-entry/MeterReading"),) if back else ()
        texts = self._block_texts(meter, channel)
        for number, held in enumerate(_batched(texts, self.dialect.blocks_in_content), 1):
            self_ = f"{place}/IntervalBlock" if self.dialect.same_ids else f"{place}/IntervalBlock/{number}"
            up = f"{place}/IntervalBlock"
            entry = Entry("IntervalBlock", self_, related, "", "".join(t for t, _ in held), held[-1][1], up)
            yield from (entry, entry) if self.dialect.blocks_twice else (entry,)

    def _block_texts(self, meter: Meter, channel: Channel) -> Iterator[tuple[str, int]]:
        start, end = (meter.instant(t) for t in self.window)
        if channel is REGISTER:
            pieces: Iterable[Readings] = [register_readings(meter, start, end)]
        elif self.dialect.block == "all":
            pieces = [meter.readings(channel, start, end)]
        else:
            pieces = meter.chunks(channel, start, end)
        if self.dialect.newest_first:
            pieces = reversed(list(pieces))
        writer = BlockWriter(self.document.markup, meter, channel, self.document.depth)
        for piece in pieces:
            yield from writer.blocks(piece)


def _batched(texts: Iterable[tuple[str, int]], size: int) -> Iterator[list[tuple[str, int]]]:
    """Yield texts in groups; a size of 0 yields one group."""
    source = iter(texts)
    while held := list(itertools.islice(source, size or None)):
        yield held
