"""The series of a feed, as its MeterReading, ReadingType, UsagePoint, and LocalTimeParameters describe them.

Entries refer to each other by links: ``self`` is the entry, ``up`` its parent collection, ``related`` a peer or a
collection. The links of many utilities do not match. After the links, greenkit therefore uses the nesting of paths, the
only candidate, and the document order, and reports each of these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final

from greenkit.espi import _clock, _senders
from greenkit.espi._codes import COMMODITY, CURRENCY, FLOW, KIND, SERVICE, Codes, Unit, integer
from greenkit.espi._feed import Entry, Feed
from greenkit.espi._readings import NO_CODE, NONE, Block
from greenkit.espi._xml import Tree
from greenkit.findings import Findings, Kind
from greenkit.times import US

_JOINED: Final = "greenkit joined {count:,} {of} {count:entry|entries} to"
FALLBACKS: Final[Mapping[str, Kind]] = {
    "path": Kind(
        "espi.link.path", "info", f"{_JOINED} a {{to}} by the nesting of their paths, because no link joins them."
    ),
    "id": Kind(
        "espi.link.same-id", "info", f"{_JOINED} a {{to}} by the ID in their paths, because no link joins them."
    ),
    "service": Kind(
        "espi.link.service",
        "info",
        f"{_JOINED} the only {{to}} of the usage point's service, because no link joins them.",
    ),
    "only": Kind(
        "espi.link.only-one", "info", f"{_JOINED} the only {{to}} in the document, because no link joins them."
    ),
    "fit": Kind(
        "espi.link.fitting",
        "warning",
        f"{_JOINED} the only {{to}} whose interval length or title fits, because more than one link joins them.",
        "Check the unit and flow of each series.",
    ),
    "order": Kind(
        "espi.link.document-order",
        "warning",
        f"{_JOINED} a {{to}} by document order, because no link or more than one link joins them.",
        "Check the unit and flow of each series.",
    ),
    "point": Kind(
        "espi.link.other-usage-point",
        "warning",
        "{count:,} {of} {count:entry names|entries name} a {to} in {count:its path|their paths} that the feed does "
        "not contain. greenkit kept the ID in the path.",
        "If another file has the {to}, load both files as a list.",
    ),
    "none": Kind(
        "espi.link.none",
        "warning",
        "greenkit found no {to} for {count:,} {of} {count:entry|entries}, because nothing joins them.",
        "If another file has the {to}, load both files as a list.",
    ),
}
"""Findings on joins without links, by the rule that joined the entries."""
SAME_LINK: Final = Kind(
    "espi.link.same-self",
    "serious",
    "{count:,} {of} {count:entry has|entries have} the self link of another entry but different content. greenkit "
    "joined them by interval length, title, or document order.",
    "Check the unit and flow of each series.",
)
CONTRADICTORY: Final = Kind(
    "espi.link.contradictory",
    "serious",
    "{count:block} {count:has|have} a path in one MeterReading but a link to another. greenkit used {how}.",
    "Check the unit and flow of each series.",
)
NO_READING_TYPE: Final = Kind(
    "espi.reading-type.missing",
    "serious",
    "The feed has no ReadingType, so the unit, scale, and flow of its readings are unknown. greenkit did not convert "
    "the values.",
    "If another file has the ReadingType, load both files as a list.",
)
NO_ZONE: Final = Kind(
    "espi.time.no-zone",
    "warning",
    "The feed does not declare a time zone. Times are in UTC.",
    "Load the file again with the time zone of the site, as in tz='America/Los_Angeles'.",
)
PLACEHOLDER: Final = Kind(
    "espi.value.multiplier",
    "warning",
    "The powerOfTenMultiplier {multiplier} of series {series} is a placeholder. greenkit did not scale its values.",
    "Compare the series with a bill.",
)

_TELLING: Final = 6  # characters of an ID that is not a running number: number 1 of two kinds means nothing
_FEW: Final = 8  # of thousands of unlinked types, none is the only one of a service
_number: Final = attrgetter("number")


# Links


class EntryIndex:
    """The entries of one kind, by their links."""

    def __init__(self, feed: Feed, kind: str) -> None:
        self.kind = kind
        self.entries = feed.entries_of(kind)
        self.by_self: defaultdict[str, list[Entry]] = defaultdict(list)
        self.by_up: defaultdict[str, list[Entry]] = defaultdict(list)
        self.by_related: defaultdict[str, list[Entry]] = defaultdict(list)
        self.below: defaultdict[str, list[Entry]] = defaultdict(list)
        self.by_tail: defaultdict[str, list[Entry]] = defaultdict(list)
        self.by_document: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self.by_document[entry.document].append(entry)
            if entry.self_:
                self.by_self[entry.self_].append(entry)
                self.by_tail[_tail(entry.self_)].append(entry)
                for prefix in _prefixes(entry.self_):
                    self.below[prefix].append(entry)
            for target in entry.up:
                self.by_up[target].append(entry)
            for target in entry.related:
                self.by_related[target].append(entry)
        self._only: dict[int, Entry | None] = {}
        self._near: dict[tuple[int, int], list[Entry]] = {}

    @cached_property
    def by_id(self) -> dict[str, list[Entry]]:
        """Entries by the last segment of their self links."""
        found = defaultdict(list)
        for entry in self.entries:
            found[entry.self_.rpartition("/")[2]].append(entry)
        return found

    def near(self, found: list[list[Entry]], x: Entry) -> list[Entry]:
        """Return the entries of the same document as ``x``, if there are any, with one entry for each resource.

        ``found`` has lists of this index. Thousands of entries may name one list, so its answer is kept; a list of the
        index lives as long as the index, so its ``id`` is a key.
        """
        if len(found) > 1:
            return _near([y for ys in found for y in ys], x.document)
        if not found or len(found[0]) < 2:
            return found[0] if found else []
        key = id(found[0]), x.document
        if key not in self._near:
            self._near[key] = _near(found[0], x.document)
        return self._near[key]

    def only(self, document: int) -> Entry | None:
        """Return the only entry of this kind in a document; None if it has several.

        A document without any is the response to another request. Then it is the only one of all documents.
        """
        if document not in self._only:
            found = _distinct(self.by_document.get(document) or self.entries)
            self._only[document] = found[0] if len(found) == 1 else None
        return self._only[document]


def _prefixes(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _tail(path: str) -> str:
    """Return a path from its usage point on; before it, one path may have Subscription/5, another RetailCustomer/9."""
    return "/".join(("", path)).partition("/UsagePoint/")[2]


# Each rule returns lists of the index: those under each link.


def _named_by(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    return _under(ys.by_related, (x.self_,)) if x.self_ else []


def _collection_named_by(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    return _under(ys.by_related, x.up)


def _names(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    return _under(ys.by_self, (*x.related, *x.up))


def _names_collection(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    return _under(ys.by_up, x.related)


def _nested(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    for path in (x.self_, *x.up):
        for prefix in _prefixes(path + "/"):
            if prefix in ys.by_self:
                return [ys.by_self[prefix]]
    return _under(ys.below, (x.self_,)) if x.self_ else []


def _nested_in_usage_point(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    for path in (x.self_, *x.up):
        for prefix in _prefixes(_tail(path) + "/"):
            if prefix and prefix in ys.by_tail:
                return [ys.by_tail[prefix]]
    return []


def _same_id(x: Entry, ys: EntryIndex) -> list[list[Entry]]:
    """Return the ReadingType whose ID the path has for the MeterReading."""
    for path in (x.self_, *x.up):
        if found := segment(path, "MeterReading"):
            return _under(ys.by_id, (found,)) if len(found) >= _TELLING else []
    return []


def _under(index: Mapping[str, list[Entry]], links: Iterable[str]) -> list[list[Entry]]:
    return [index[link] for link in links if link in index]


_Rule = Callable[[Entry, EntryIndex], list[list[Entry]]]
_Fit = tuple[str, Callable[[Entry], bool]]
# from a block or a MeterReading to the entry that names it
_LINKS_UPWARD: Final[tuple[tuple[str, _Rule], ...]] = (
    ("self", _named_by),
    ("up", _collection_named_by),
    ("back", _names),
    ("collection", _names_collection),
)
UPWARD: Final = (
    *_LINKS_UPWARD,
    ("path", _nested),
    ("path", _nested_in_usage_point),
)
# from a MeterReading to the ReadingType that it names
ACROSS: Final[tuple[tuple[str, _Rule], ...]] = (
    ("self", _names),
    ("up", _names_collection),
    ("back", _named_by),
    ("collection", _collection_named_by),
    ("path", _nested),
)
# from a block without a MeterReading to its ReadingType
BLOCK_ACROSS: Final[tuple[tuple[str, _Rule], ...]] = (*ACROSS, ("id", _same_id))


class LinkResolver:
    """Finds the entries that belong together, and counts the rules that joined them."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.used: Counter[tuple[str, str, str]] = Counter()
        self._peers: dict[str, dict[int, dict[int, int]]] = {}

    def find(
        self,
        x: Entry,
        of: str,
        ys: EntryIndex,
        rules: tuple[tuple[str, _Rule], ...],
        *,
        order: bool = True,
        fits: tuple[_Fit, ...] = (),
    ) -> Entry | None:
        """Return the entry of the other kind that belongs to this one, or None.

        ``fits`` are tests of the candidates if not exactly one link joins them, with the names of their rules; ``fit``
        applies only if several links do. The first test that only one candidate passes decides, before the order.
        """
        if not ys.entries:
            return None
        rule, found = self._find(x, of, ys, rules, order, fits)
        self.used[of, ys.kind, rule] += 1
        return found

    def linked(self, x: Entry, ys: EntryIndex, rules: tuple[tuple[str, _Rule], ...]) -> Entry | None:
        """Return the entry that links or paths join to this one, or None, without counting the rule."""
        if ys.kind in x.kinds:
            return x
        for _, rule in rules:
            if len(found := ys.near(rule(x, ys), x)) == 1:
                return found[0]
        return None

    def _find(
        self,
        x: Entry,
        of: str,
        ys: EntryIndex,
        rules: tuple[tuple[str, _Rule], ...],
        order: bool,
        fits: tuple[_Fit, ...],
    ) -> tuple[str, Entry | None]:
        if ys.kind in x.kinds:
            return "entry", x
        several: list[Entry] = []
        for name, rule in rules:
            found = ys.near(rule(x, ys), x)
            if len(found) == 1:
                return name, found[0]
            several = several or found
        here = several or ys.by_document.get(x.document, [])
        if only := None if several else ys.only(x.document):
            named = next((id_ for path in (x.self_, *x.up) if (id_ := segment(path, "UsagePoint"))), "")
            of_only = segment(only.self_, "UsagePoint")
            if ys.kind == "UsagePoint" and named and of_only and named != of_only:
                return "point", None
            return "only", only
        for name, fit in fits if len(here) <= _FEW else ():
            if (several or name != "fit") and len(fitting := _distinct([y for y in here if fit(y)])) == 1:
                return name, fitting[0]
        if not order or not here:
            return "none", None
        # with as many candidates as entries, the first belongs to the first; otherwise the nearest one before it
        peers = self._places(of)[x.document]
        if of != "IntervalBlock" and len(peers) == len(here):
            return "order", here[peers[x.number]]
        return "order", here[max(bisect_right(here, x.number, key=_number) - 1, 0)]

    def _places(self, kind: str) -> dict[int, dict[int, int]]:
        """Return the position of each entry of a kind in its document, by document and entry number."""
        if kind not in self._peers:
            places = self._peers[kind] = {}
            for number, (document, kinds) in enumerate(
                zip(self.feed.entries.document, self.feed.entries.kinds, strict=True)
            ):
                if kind in kinds:
                    of = places.setdefault(document, {})
                    of[number] = len(of)
        return self._peers[kind]

    def report(self) -> Findings:
        """Return a finding for each pair of kinds that were joined without links."""
        out = Findings()
        for (of, kind, rule), count in sorted(self.used.items()):
            if rule in FALLBACKS:
                out.add(FALLBACKS[rule], of=of, to=kind, count=count)
        return out


def _near(found: list[Entry], document: int) -> list[Entry]:
    """Return the entries of a document, or else all, with one for each resource, in the order of the document."""
    return sorted(_distinct([y for y in found if y.document == document] or found), key=_number)


def _distinct(found: list[Entry]) -> list[Entry]:
    """Return the last entry of each resource; an export may contain a resource twice."""
    kept: dict[object, Entry] = {}
    for y in found:
        kept[(y.self_, y.version) if y.self_ else y.number] = y
    return list(kept.values())


def _fits_title(x: Entry) -> _Fit:
    """Return the test whether an entry has the title of ``x``, or one that contains it or is contained in it."""

    def fits(y: Entry) -> bool:
        mine, other = x.title.casefold(), y.title.casefold()
        return bool(mine and other) and (mine in other or other in mine)

    return "fit", fits


def identifiers(entries: list[Entry]) -> dict[int, str]:
    """Name each entry by the shortest end of its ``self`` path that is unique, or by its Atom ID if it has no path.

    Entries with the same ``self`` are one resource and have the same name.
    """
    names: dict[str, str] = {}
    alike = {e.self_: e.self_.split("/") for e in entries if e.self_}
    for n in range(1, max(map(len, alike.values()), default=0) + 1):
        ends = {path: "/".join(parts[-n:]) for path, parts in alike.items()}
        held = Counter(ends.values())
        names |= {path: end for path, end in ends.items() if held[end] == 1 or end == path}
        alike = {path: parts for path, parts in alike.items() if path not in names}
    return {e.number: names[e.self_] if e.self_ else own_name(e) for e in entries}


def own_name(entry: Entry) -> str:
    """Return the name of an entry without a ``self`` link: its Atom ID, or else its position."""
    return entry.id.removeprefix("urn:uuid:") or f"entry {entry.number + 1}"


def segment(path: str, after: str) -> str:
    """Return the segment of a path after a name, such as the ID after ``UsagePoint``.

    Examples
    --------
    >>> segment("RetailCustomer/5/UsagePoint/1/MeterReading/2", "UsagePoint")
    '1'
    """
    parts = path.split("/")
    for name, value in pairwise(parts):
        if name == after:
            return value
    return ""


# Series

# accumulationBehaviour of cumulative registers: bulk quantity, continuous cumulative, cumulative, summation
DIALS: Final = frozenset({1, 2, 3, 9})
_DELTA: Final = 4
_COMMODITY_OF_SERVICE: Final = {"electricity": "electricity", "gas": "natural gas", "water": "potable water"}
_COMMODITY_OF_UNIT: Final = {
    **dict.fromkeys(("kWh", "kW", "kVA", "kvar", "kVAh", "kvarh"), "electricity"),
    "therm": "natural gas",
}
_MULTIPLIER_LIMIT: Final = 30
_LOCAL_TIME: Final = ("tzOffset", "dstOffset", "dstStartRule", "dstEndRule")
# members of a ReadingType that distinguish two series with one name
_IDENTITY: Final = (
    *("uom", "flowDirection", "kind", "accumulationBehaviour", "dataQualifier"),
    *("phase", "tou", "consumptionTier", "timeAttribute", "measuringPeriod"),
)


@dataclass(slots=True)
class Series:
    """One series: the rows of the frame that share meter, series, flow and unit."""

    meter: str
    name: str
    zone: str
    flow: str
    unit: Unit
    power: int
    dial: bool | None  # None if the feed does not declare it
    commodity: str | None
    kind: str | None
    currency: str | None
    reading_type: str | None
    default_quality: str | None
    interval: int  # intervalLength in microseconds, or NONE
    tou: int
    cpp: int
    tier: int
    title: str  # of the ReadingType
    identity: tuple[Any, ...] = ()

    @property
    def frame_key(self) -> tuple[str, str, str]:
        """Key by which the frame is sorted before start."""
        return self.meter, self.flow, self.name


@dataclass
class SeriesIndex:
    """The series of a feed, the number of the series of each block, and the findings on both."""

    series: list[Series] = field(default_factory=list)
    of_block: list[int] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


def one(tree: Tree | None, name: str) -> str | None:
    """Return the first text of a member, or None if it is missing or empty."""
    for value in (tree or {}).get(name, ()):
        if isinstance(value, str) and value:
            return value
    return None


def branch(tree: Tree | None, name: str) -> Tree | None:
    """Return the first member of a name that has members of its own."""
    return next((v for v in (tree or {}).get(name, ()) if isinstance(v, dict)), None)


class SeriesResolver:
    """Joins the entries of a feed and describes each series once."""

    def __init__(self, feed: Feed, codes: Codes, tz: str | None) -> None:
        self.feed, self.codes, self.tz = feed, codes, tz
        self._on_links = _number_versions(feed)
        self._findings, self._reported = Findings(), set[str]()
        self.links = LinkResolver(feed)
        self.meter_readings = EntryIndex(feed, "MeterReading")
        self.reading_types = EntryIndex(feed, "ReadingType")
        self.usage_points = EntryIndex(feed, "UsagePoint")
        self.local_times = EntryIndex(feed, "LocalTimeParameters")
        self.names = {index.kind: identifiers(index.entries) for index in (self.reading_types, self.usage_points)}
        # names of series must be unique within their meter only
        self.names["MeterReading"] = {
            e.number: e.self_.rpartition("/")[2] or own_name(e) for e in self.meter_readings.entries
        }
        self._data = {(r.kind, r.entry): r.data for r in reversed(feed.resources)}
        self._zones: dict[int, str] = {}
        self._zone_unknown = False
        self._untyped = 0
        self._contradictory: list[bool] = []  # of each block with a contradictory path, whether an interval length fits
        self._of_meter_reading: dict[tuple[int, int], tuple[tuple[Any, ...], Series]] = {}
        self._year = self._last_year()
        self._currencies = self._bill_currencies()

    def data(self, kind: str, entry: Entry | None) -> Tree | None:
        """Return the first resource of a kind in an entry."""
        return self._data.get((kind, entry.number)) if entry else None

    def _last_year(self) -> int:
        last = max(self.feed.readings.blocks.start, default=NONE)
        return datetime.fromtimestamp(last // US, UTC).year if last != NONE else 2024

    def resolve(self) -> SeriesIndex:
        """Return the series of each block."""
        index, blocks = SeriesIndex(), self.feed.readings.blocks
        by_entry: dict[int, int] = {}
        by_links: dict[tuple[Any, ...], int | None] = {}
        by_key: dict[tuple[Any, ...], int] = {}
        for block, number in enumerate(blocks.entry):
            found = by_entry.get(number)
            if found is None:
                links = self._links_of(number)
                found = by_links.get(links)
                if found is None:
                    entry = self.feed.entries[number]
                    key, described = self._described(entry, blocks[block])
                    if key not in by_key:
                        by_key[key] = len(index.series)
                        index.series.append(described)
                    found = by_key[key]
                    if links not in by_links:  # of thousands of blocks with the same links, one is looked up
                        by_links[links] = found if self._is_joined_by_links(entry) else None
                by_entry[number] = found
            index.of_block.append(found)
        _distinguish(index.series)
        index.findings.extend(self._on_links)
        if self._contradictory:
            count, fitting = len(self._contradictory), sum(self._contradictory)
            how = "the MeterReading whose interval length fits" if fitting else "the link"
            if 0 < fitting < count:
                how += f" for {fitting:,} of them, and the link for the others"
            severity = "warning" if fitting == count else "serious"
            index.findings.add(CONTRADICTORY, severity=severity, count=count, fitting=fitting, words={"how": how})
        index.findings.extend(self.take_findings())
        index.findings.extend(self.links.report())
        if self._untyped and len(self.feed.readings):
            index.findings.add(NO_READING_TYPE, entries=self._untyped)
        if self._zone_unknown and len(self.feed.readings):
            index.findings.add(NO_ZONE)
        return index

    def take_findings(self) -> Findings:
        """Return the findings on reading types and time zones since the last call."""
        out, self._findings = self._findings, Findings()
        return out

    def _links_of(self, number: int) -> tuple[Any, ...]:
        """Return what an entry has in common with others of the same kinds, links, and folder."""
        entries = self.feed.entries
        self_ = entries.self_[number]
        is_named = self_ in self.meter_readings.by_related or self_ in self.meter_readings.by_self
        folder = self_ if is_named else self_.rpartition("/")[0]
        links = entries.up[number], entries.related[number]
        return entries.document[number], entries.kinds[number], folder, is_named, *links

    def _is_joined_by_links(self, entry: Entry) -> bool:
        """Return whether the links of an entry are all that decides its series."""
        if len(entry.kinds) > 1 or self._own_type(entry):
            return False
        meter_reading = self.links.linked(entry, self.meter_readings, _LINKS_UPWARD)
        return meter_reading is not None and not self._other_owner(entry, meter_reading)

    def _own_type(self, entry: Entry) -> Entry | None:
        """Return the ReadingType that the links of a block name themselves."""
        is_near = entry.related or "ReadingType" in entry.kinds
        return self.links.linked(entry, self.reading_types, ACROSS[:1]) if is_near else None

    def _described(self, entry: Entry, block: Block) -> tuple[tuple[Any, ...], Series]:
        fits = (("fit", lambda y: self._fits_length(self._type_of(y), block)), _fits_title(entry))
        meter_reading = self.links.find(entry, "IntervalBlock", self.meter_readings, UPWARD, fits=fits)
        if meter_reading and (other := self._other_owner(entry, meter_reading)):
            both = [y for y in (meter_reading, other) if self._fits_length(self._type_of(y), block)]
            self._contradictory.append(len(both) == 1)
            meter_reading = both[0] if len(both) == 1 else meter_reading
        own = self._own_type(entry)
        if not meter_reading or own:
            return self._joined(entry, block, meter_reading, own)
        # thousands of blocks have one MeterReading
        key = meter_reading.number, entry.document
        if key not in self._of_meter_reading:
            self._of_meter_reading[key] = self._joined(entry, block, meter_reading)
        return self._of_meter_reading[key]

    def _other_owner(self, entry: Entry, meter_reading: Entry) -> Entry | None:
        """Return the MeterReading that contains an entry's own path, if it is another one than the links name."""
        if entry.self_.startswith(f"{meter_reading.self_}/") or entry.self_ == meter_reading.self_:
            return None
        for prefix in _prefixes(entry.self_):
            if found := self.meter_readings.near(_under(self.meter_readings.by_self, (prefix,)), entry):
                return found[0] if len(found) == 1 and found[0].self_ != meter_reading.self_ else None
        return None

    def _type_of(self, meter_reading: Entry) -> Entry | None:
        return self.links.linked(meter_reading, self.reading_types, ACROSS)

    def _fits_length(self, reading_type: Entry | None, block: Block) -> bool:
        """Return whether the usual duration of a block's readings is the intervalLength of a ReadingType."""
        length = integer(one(self.data("ReadingType", reading_type), "intervalLength"))
        durations = Counter(self.feed.readings.columns["duration"][block.first : block.first + block.rows])
        usual = durations.most_common(1)
        if not length or not usual:
            return False
        tolerance = US if length < 86_400 else 2 * 3600 * US  # some are one second short; days when clocks change
        return bool(abs(usual[0][0] - length * US) <= tolerance)

    def _joined(
        self, entry: Entry, block: Block, meter_reading: Entry | None, own_type: Entry | None = None
    ) -> tuple[tuple[Any, ...], Series]:
        anchor = meter_reading or entry
        of = "MeterReading" if meter_reading else "IntervalBlock"
        self._untyped += not self.reading_types.entries
        usage_point = self.usage_point(anchor, of)
        fits = (
            ("fit", lambda y: self._fits_length(y, block)),
            _fits_title(anchor),
            ("service", lambda y: self._is_of_service(y, usage_point)),
        )
        rules = ACROSS if meter_reading else BLOCK_ACROSS
        reading_type = own_type or self.links.find(anchor, of, self.reading_types, rules, fits=fits)
        meter = self.meter(anchor, usage_point)
        name = self._name(entry, meter_reading, reading_type)
        described = self._series(meter, name, reading_type, usage_point, entry.document)
        data = self.data("ReadingType", reading_type)
        length = described.interval if described.interval < 2 * _clock.DAY else NONE  # nominal months differ
        path = meter_reading.self_ if meter_reading else ""
        described.identity = (path, length, *(one(data, name) for name in _IDENTITY))
        return (meter, described.name, described.power, described.identity), described

    def usage_point(self, entry: Entry, of: str) -> Entry | None:
        """Return the UsagePoint that an entry belongs to."""
        return self.links.find(entry, of, self.usage_points, UPWARD)

    def meter(self, entry: Entry, usage_point: Entry | None) -> str:
        """Return the name of a usage point: its ID, or the one in the entry's path, or ``unknown``."""
        if usage_point:
            return self.names["UsagePoint"][usage_point.number]
        for path in (entry.self_, *entry.up):
            if found := segment(path, "UsagePoint"):
                return found
        return "unknown"

    def _name(self, block: Entry, meter_reading: Entry | None, reading_type: Entry | None) -> str:
        if meter_reading:
            return self.names["MeterReading"][meter_reading.number]
        for path in (block.self_, *block.up):
            if found := segment(path, "MeterReading"):
                return found
        return self.names["ReadingType"][reading_type.number] if reading_type else "unknown"

    def _series(
        self, meter: str, name: str, reading_type: Entry | None, usage_point: Entry | None, document: int
    ) -> Series:
        data, word, code = self.data("ReadingType", reading_type), self.codes.word, self.feed.readings.code
        unit = self.codes.unit(one(data, "uom"))
        currency = word(CURRENCY, "currency", one(data, "currency")) or self._currencies.get(meter)
        if unit.name == "currency" and currency:
            unit = Unit(currency)
        length = integer(one(data, "intervalLength"))
        behaviour = integer(one(data, "accumulationBehaviour"))
        return Series(
            meter=meter,
            name=name,
            zone=self.zone(usage_point, document),
            flow=word(FLOW, "flowDirection", one(data, "flowDirection"), "unknown") or "unknown",
            unit=unit,
            power=self._power(one(data, "powerOfTenMultiplier"), name),
            dial=True if behaviour in DIALS else False if behaviour == _DELTA else None,
            commodity=self._commodity(one(data, "commodity"), usage_point, unit.name),
            kind=word(KIND, "kind", one(data, "kind")),
            currency=currency,
            reading_type=self.names["ReadingType"][reading_type.number] if reading_type else None,
            default_quality=one(data, "defaultQuality"),
            interval=length * US if length and 0 < length < 1 << 32 else NONE,
            tou=code("tou", one(data, "tou")) or NO_CODE,
            cpp=code("cpp", one(data, "cpp")) or NO_CODE,
            tier=code("consumptionTier", one(data, "consumptionTier")) or NO_CODE,
            title=reading_type.title if reading_type else "",
        )

    def _power(self, text: str | None, name: str) -> int:
        power = integer(text) or 0
        if abs(power) <= _MULTIPLIER_LIMIT:
            return power
        self._findings.add(PLACEHOLDER, series=name, multiplier=power, words={"multiplier": str(power)})
        return 0

    def _commodity(self, text: str | None, usage_point: Entry | None, unit: str) -> str | None:
        found = self.codes.word(COMMODITY, "commodity", text)
        if found and found != "none":
            return found
        service = branch(self.data("UsagePoint", usage_point), "ServiceCategory")
        word = self.codes.word(SERVICE, "ServiceCategory", one(service, "kind"))
        return _COMMODITY_OF_UNIT.get(unit) or _COMMODITY_OF_SERVICE.get(word or "", word)

    def _is_of_service(self, reading_type: Entry, usage_point: Entry | None) -> bool:
        """Return whether a ReadingType is of the service of its UsagePoint, such as gas."""
        service = integer(one(branch(self.data("UsagePoint", usage_point), "ServiceCategory"), "kind"))
        data = self.data("ReadingType", reading_type)
        commodity = COMMODITY.get(integer(one(data, "commodity")) or 0, "")
        wanted = _COMMODITY_OF_SERVICE.get(SERVICE.get(service, "") if service is not None else "")
        return wanted is not None and commodity.partition(",")[0] == wanted

    def zone(self, usage_point: Entry | None, document: int = 0) -> str:
        """Return the time zone of a usage point: the caller's, the feed's, or UTC."""
        document = usage_point.document if usage_point else document
        known = _senders.zone(self.feed, document)
        if self.tz or known:
            return self.tz or known or "UTC"
        number = usage_point.number if usage_point else -1
        if number not in self._zones:
            anchor = usage_point or next(iter(self.local_times.entries), None)
            found = self.links.find(anchor, "UsagePoint", self.local_times, ACROSS) if anchor else None
            self._zones[number] = self._decoded(self.data("LocalTimeParameters", found))
        return self._zones[number]

    @property
    def table_zone(self) -> str:
        """Time zone of the tables: that of the feed, or UTC if the feed has several."""
        zones = {self.zone(e) for e in self.usage_points.entries} or {self.zone(None)}
        return zones.pop() if len(zones) == 1 else "UTC"

    def zone_named(self, data: Tree) -> str | None:
        """Return the IANA time zone of LocalTimeParameters, or None."""
        return self._zone_found(data).name

    def _zone_found(self, data: Tree | None) -> _clock.Zone:
        offset, saving, start, end = (one(data, name) for name in _LOCAL_TIME)
        return _clock.zone_of(offset, saving, start, end, self._year)

    def _decoded(self, data: Tree | None) -> str:
        found = self._zone_found(data)
        for oddity in found.oddities:
            if oddity.kind.name not in self._reported:
                self._reported.add(oddity.kind.name)
                self._findings.add(oddity.kind, severity=oddity.severity, words=oddity.words)
        self._zone_unknown |= not found.name and not found.oddities
        return found.name or "UTC"

    def _bill_currencies(self) -> dict[str, str]:
        out: dict[str, str] = {}
        for resource in self.feed.of("UsageSummary", "ElectricPowerUsageSummary"):
            currency = self.codes.word(CURRENCY, "currency", one(resource.data, "currency"))
            if currency:
                entry = self.feed.entries[resource.entry]
                usage_point = self.usage_point(entry, resource.kind)
                out.setdefault(self.meter(entry, usage_point), currency)
        return out


def _number_versions(feed: Feed) -> Findings:
    """Set the version of entries that have one ``self`` link but different content, and report them.

    Entries with equal content are one resource that was sent twice. Of MeterReadings, the links are the content.
    """
    out, contents = Findings(), dict[tuple[str, int, str], dict[str, int]]()
    count: Counter[str] = Counter()
    for resource in feed.of("MeterReading", "ReadingType"):
        entry = feed.entries[resource.entry]
        if not entry.self_:
            continue
        content = repr((resource.data, sorted(entry.related)))
        known = contents.setdefault((resource.kind, entry.document, entry.self_), {})
        version = known.setdefault(content, len(known))
        feed.entries.version[resource.entry] = version
        count[resource.kind] += version > 0
    for kind, n in sorted((+count).items()):
        out.add(SAME_LINK, of=kind, count=n)
    return out


def _distinguish(series: list[Series]) -> None:
    """Append a number to the names of series that share meter, name, flow, and unit, as hourly and daily ones do."""
    seen: dict[tuple[str, str, str, str], dict[tuple[Any, ...], int]] = {}
    for each in series:
        alike = seen.setdefault((each.meter, each.name, each.flow, each.unit.name), {})
        if n := alike.setdefault(each.identity, len(alike)):
            each.name = f"{each.name} ({n + 1})"
