"""The series of a feed: what a MeterReading, its ReadingType, UsagePoint and LocalTimeParameters say together.

Entries point at each other by links (``self``: this entry; ``up``: its parent collection; ``related``: a peer, or a
collection). Many utilities' links do not meet, so after the links come the paths' nesting, the only candidate, and
the document's order; each of these fall-backs is a finding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final

from greenkit.days import US
from greenkit.espi import _clock, _quirks
from greenkit.espi._codes import COMMODITY, CURRENCY, FLOW, KIND, SERVICE, Codes, Unit, integer
from greenkit.espi._feed import Entry, Feed, Tree
from greenkit.espi._readings import NO_CODE, NONE
from greenkit.findings import Findings

_FALLBACKS: Final = {
    "path": ("espi.link.path", "info", "by the nesting of their paths, since no link joins them"),
    "id": ("espi.link.same-id", "info", "by the id in their paths, since no link joins them"),
    "service": ("espi.link.service", "info", "as the only one of its usage point's service, since no link joins them"),
    "only": ("espi.link.only-one", "info", "as the only one in the document, since no link joins them"),
    "order": (
        "espi.link.document-order",
        "warning",
        "by the document's order, since no link joins them, or several do: check them",
    ),
    "none": ("espi.link.none", "warning", "to nothing, since there is none"),
}
_TELLING: Final = 6  # characters of an id that is no number in a row: 1 of the one kind is not 1 of the other
_FEW: Final = 8  # of thousands of unlinked types, none is the only one of a service
_number: Final = attrgetter("number")


class Index:
    """The entries of one kind, to be found by their links."""

    def __init__(self, feed: Feed, kind: str) -> None:
        self.kind = kind
        self.entries = [e for e in feed.entries if kind in e.kinds]
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

    def only(self, document: int) -> Entry | None:
        """Give the entry of this kind that a document has; None where it has several.

        A document without any is the answer to another request: then it must be the only one of all documents.
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
    """Give a path from its usage point on: before that one may say Subscription/5 and another RetailCustomer/9."""
    return "/".join(("", path)).partition("/UsagePoint/")[2]


def _named_by(x: Entry, ys: Index) -> list[Entry]:
    return ys.by_related.get(x.self_, []) if x.self_ else []


def _collection_named_by(x: Entry, ys: Index) -> list[Entry]:
    return [y for up in x.up for y in ys.by_related.get(up, [])]


def _names(x: Entry, ys: Index) -> list[Entry]:
    return [y for target in (*x.related, *x.up) for y in ys.by_self.get(target, [])]


def _names_collection(x: Entry, ys: Index) -> list[Entry]:
    return [y for target in x.related for y in ys.by_up.get(target, [])]


def _nested(x: Entry, ys: Index) -> list[Entry]:
    for path in (x.self_, *x.up):
        for prefix in _prefixes(path + "/"):
            if prefix in ys.by_self:
                return ys.by_self[prefix]
    return ys.below.get(x.self_, []) if x.self_ else []


def _nested_in_usage_point(x: Entry, ys: Index) -> list[Entry]:
    for path in (x.self_, *x.up):
        for prefix in _prefixes(_tail(path) + "/"):
            if prefix and prefix in ys.by_tail:
                return ys.by_tail[prefix]
    return []


def _same_id(x: Entry, ys: Index) -> list[Entry]:
    """Find the ReadingType of the id that the path has for the MeterReading, as Elexicon's blocks do."""
    for path in (x.self_, *x.up):
        if found := segment(path, "MeterReading"):
            return [y for y in ys.entries if y.self_.rpartition("/")[2] == found and len(found) >= _TELLING]
    return []


_Rule = Callable[[Entry, Index], list[Entry]]
# a block or a MeterReading looks for the one that names it; a MeterReading looks for the ReadingType that it names
UPWARD: Final[tuple[tuple[str, _Rule], ...]] = (
    ("self", _named_by),
    ("up", _collection_named_by),
    ("back", _names),
    ("collection", _names_collection),
    ("path", _nested),
    ("path", _nested_in_usage_point),
)
ACROSS: Final[tuple[tuple[str, _Rule], ...]] = (
    ("self", _names),
    ("up", _names_collection),
    ("back", _named_by),
    ("collection", _collection_named_by),
    ("path", _nested),
)
# a block without a MeterReading looks for its ReadingType
BLOCK_ACROSS: Final[tuple[tuple[str, _Rule], ...]] = (*ACROSS, ("id", _same_id))


class Resolver:
    """Finds partners by the rules, and counts by which rule each was found."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.used: Counter[tuple[str, str, str]] = Counter()
        self._peers: dict[str, dict[int, dict[int, int]]] = {}

    def find(
        self,
        x: Entry,
        of: str,
        ys: Index,
        rules: tuple[tuple[str, _Rule], ...],
        *,
        order: bool = True,
        fits: Callable[[Entry], bool] | None = None,
    ) -> Entry | None:
        """Find the entry of the other kind that belongs to this one; None when there is none.

        Where no link joins them, and only one of several ``fits``, it is that one.
        """
        if not ys.entries:
            return None
        rule, found = self._find(x, of, ys, rules, order, fits)
        self.used[of, ys.kind, rule] += 1
        return found

    def linked(self, x: Entry, ys: Index, rules: tuple[tuple[str, _Rule], ...]) -> Entry | None:
        """Find the entry that links or paths join to this one, and count nothing; None when there is none."""
        if ys.kind in x.kinds:
            return x
        for _, rule in rules:
            if len(found := _near(rule(x, ys), x)) == 1:
                return found[0]
        return None

    def _find(
        self,
        x: Entry,
        of: str,
        ys: Index,
        rules: tuple[tuple[str, _Rule], ...],
        order: bool,
        fits: Callable[[Entry], bool] | None,
    ) -> tuple[str, Entry | None]:
        if ys.kind in x.kinds:
            return "entry", x
        several: list[Entry] = []
        for name, rule in rules:
            found = _near(rule(x, ys), x)
            if len(found) == 1:
                return name, found[0]
            several = several or found
        here = sorted(several, key=_number) or ys.by_document.get(x.document, [])
        if only := None if several else ys.only(x.document):
            return "only", only
        if fits and len(here) <= _FEW and len(fitting := _distinct([y for y in here if fits(y)])) == 1:
            return "service", fitting[0]
        if not order or not here:
            return "none", None
        # as many types as readings: the first belongs to the first; else the nearest before
        peers = self._places(of)[x.document]
        if of != "IntervalBlock" and len(peers) == len(here):
            return "order", here[peers[x.number]]
        return "order", here[max(bisect_right(here, x.number, key=_number) - 1, 0)]

    def _places(self, kind: str) -> dict[int, dict[int, int]]:
        """Give the place of each entry of a kind among those of its document: by document, then by number."""
        if kind not in self._peers:
            places = self._peers[kind] = {}
            for e in self.feed.entries:
                if kind in e.kinds:
                    of = places.setdefault(e.document, {})
                    of[e.number] = len(of)
        return self._peers[kind]

    def report(self, findings: Findings) -> None:
        """Add a finding for each pair of kinds that fell back."""
        for (of, kind, rule), count in sorted(self.used.items()):
            if rule in _FALLBACKS:
                name, severity, how = _FALLBACKS[rule]
                plural = "entries" if count > 1 else "entry"
                text = f"{count:,} {of} {plural} joined to a {kind} {how}."
                findings.add(name, text, severity=severity, of=of, to=kind, count=count)


def _near(found: list[Entry], x: Entry) -> list[Entry]:
    """Keep those of the same document when there are any, and one of entries that are the same resource sent twice."""
    return _distinct([y for y in found if y.document == x.document] or found) if len(found) > 1 else found


def _distinct(found: list[Entry]) -> list[Entry]:
    """Keep one of entries that are the same resource sent twice: the last."""
    kept: dict[object, Entry] = {}
    for y in found:
        kept[y.self_ or y.number] = y
    return list(kept.values())


def identifiers(entries: list[Entry]) -> dict[int, str]:
    """Name each entry by the shortest end of its ``self`` path that tells it apart; by its Atom id without one.

    Entries with the same ``self`` are one resource and share the name.
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
    """Name an entry without a ``self`` link: by its Atom id, else by its place."""
    return entry.id.removeprefix("urn:uuid:") or f"entry {entry.number + 1}"


def segment(path: str, after: str) -> str:
    """Give the path's segment after a name: the id in ``…/UsagePoint/1/MeterReading/2`` after ``UsagePoint``.

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


# A dial that goes on counting: bulk quantity, continuous cumulative, cumulative, summation.
DIALS: Final = frozenset({1, 2, 3, 9})
_DELTA: Final = 4
_COMMODITY_OF_SERVICE: Final = {"electricity": "electricity", "gas": "natural gas", "water": "potable water"}
_COMMODITY_OF_UNIT: Final = {
    **dict.fromkeys(("kWh", "kW", "kVA", "kvar", "kVAh", "kvarh"), "electricity"),
    "therm": "natural gas",
}
_MULTIPLIER_LIMIT: Final = 30
_LOCAL_TIME: Final = ("tzOffset", "dstOffset", "dstStartRule", "dstEndRule")
# members of a ReadingType that keep two series of one name apart
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
    dial: bool | None  # None where the feed does not say
    commodity: str | None
    kind: str | None
    currency: str | None
    reading_type: str | None
    default_quality: str | None
    interval: int  # intervalLength in microseconds, NONE where there is none
    tou: int
    cpp: int
    tier: int
    title: str  # of the ReadingType
    identity: tuple[Any, ...] = ()

    @property
    def frame_key(self) -> tuple[str, str, str]:
        """What the frame is sorted by before start."""
        return self.meter, self.flow, self.name


@dataclass
class Plan:
    """Which series each block belongs to."""

    series: list[Series] = field(default_factory=list)
    of_block: list[int] = field(default_factory=list)


def one(tree: Tree | None, name: str) -> str | None:
    """Give the first text of a member; None where it is missing or empty."""
    for value in (tree or {}).get(name, ()):
        if isinstance(value, str) and value:
            return value
    return None


def branch(tree: Tree | None, name: str) -> Tree | None:
    """Give the first member of this name that has members of its own."""
    return next((v for v in (tree or {}).get(name, ()) if isinstance(v, dict)), None)


class Planner:
    """Joins the entries of a feed and describes each series once."""

    def __init__(self, feed: Feed, codes: Codes, tz: str | None) -> None:
        self.feed, self.codes, self.tz = feed, codes, tz
        self.resolver = Resolver(feed)
        self.meter_readings = Index(feed, "MeterReading")
        self.reading_types = Index(feed, "ReadingType")
        self.usage_points = Index(feed, "UsagePoint")
        self.local_times = Index(feed, "LocalTimeParameters")
        self.names = {index.kind: identifiers(index.entries) for index in (self.reading_types, self.usage_points)}
        # a series has to be told apart in its meter only
        self.names["MeterReading"] = {
            e.number: e.self_.rpartition("/")[2] or own_name(e) for e in self.meter_readings.entries
        }
        self._data = {(r.kind, r.entry): r.data for r in reversed(feed.resources)}
        self._zones: dict[int, str] = {}
        self._zone_unknown = False
        self._untyped = 0
        self._of_meter_reading: dict[tuple[int, int], tuple[tuple[Any, ...], Series]] = {}
        self._year = self._last_year()
        self._currencies = self._bill_currencies()

    def data(self, kind: str, entry: Entry | None) -> Tree | None:
        """Give the first resource of a kind in an entry."""
        return self._data.get((kind, entry.number)) if entry else None

    def _last_year(self) -> int:
        starts = [b.start for b in self.feed.readings.blocks if b.start != NONE]
        last = max(starts, default=NONE)
        return datetime.fromtimestamp(last // US, UTC).year if last != NONE else 2024

    def plan(self) -> Plan:
        """Give each block its series."""
        plan = Plan()
        by_entry: dict[int, int] = {}
        by_key: dict[tuple[Any, ...], int] = {}
        for block in self.feed.readings.blocks:
            if block.entry not in by_entry:
                key, described = self._described(self.feed.entries[block.entry])
                if key not in by_key:
                    by_key[key] = len(plan.series)
                    plan.series.append(described)
                by_entry[block.entry] = by_key[key]
            plan.of_block.append(by_entry[block.entry])
        _tell_apart(plan.series)
        self.resolver.report(self.feed.findings)
        if self._untyped and len(self.feed.readings):
            text = (
                "The feed holds no ReadingType: unit, scale and flow of its readings are not known; values are raw. "
                "If another file holds it, load both at once, as a list."
            )
            self.feed.findings.add("espi.reading-type.missing", text, severity="serious", entries=self._untyped)
        if self._zone_unknown and len(self.feed.readings):
            text = "The feed does not say its time zone: times are in UTC; pass tz=, as in tz='America/Los_Angeles'."
            self.feed.findings.add("espi.time.no-zone", text, severity="warning")
        return plan

    def _described(self, entry: Entry) -> tuple[tuple[Any, ...], Series]:
        meter_reading = self.resolver.find(entry, "IntervalBlock", self.meter_readings, UPWARD)
        own_is_near = entry.related or "ReadingType" in entry.kinds
        own = self.resolver.linked(entry, self.reading_types, ACROSS[:1]) if own_is_near else None
        if not meter_reading or own:
            return self._joined(entry, meter_reading, own)
        # thousands of blocks have one MeterReading
        key = meter_reading.number, entry.document
        if key not in self._of_meter_reading:
            self._of_meter_reading[key] = self._joined(entry, meter_reading)
        return self._of_meter_reading[key]

    def _joined(
        self, entry: Entry, meter_reading: Entry | None, own_type: Entry | None = None
    ) -> tuple[tuple[Any, ...], Series]:
        anchor = meter_reading or entry
        of = "MeterReading" if meter_reading else "IntervalBlock"
        self._untyped += not self.reading_types.entries
        usage_point = self.usage_point(anchor, of)
        reading_type = own_type or self.resolver.find(
            anchor,
            of,
            self.reading_types,
            ACROSS if meter_reading else BLOCK_ACROSS,
            fits=lambda y: self._is_of_service(y, usage_point),
        )
        meter = self.meter(anchor, usage_point)
        name = self._name(entry, meter_reading, reading_type)
        described = self._series(meter, name, reading_type, usage_point, entry.document)
        data = self.data("ReadingType", reading_type)
        length = described.interval if described.interval < 2 * _clock.DAY else NONE  # nominal months differ
        path = meter_reading.self_ if meter_reading else ""
        described.identity = (path, length, *(one(data, name) for name in _IDENTITY))
        return (meter, described.name, described.power, described.identity), described

    def usage_point(self, entry: Entry, of: str) -> Entry | None:
        """Find the UsagePoint that an entry belongs to."""
        return self.resolver.find(entry, of, self.usage_points, UPWARD)

    def meter(self, entry: Entry, usage_point: Entry | None) -> str:
        """Name the usage point: its id, or the one in the entry's path, or ``unknown``."""
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
            power=self._power(one(data, "powerOfTenMultiplier"), name, unit, document),
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

    def _power(self, text: str | None, name: str, unit: Unit, document: int) -> int:
        power = integer(text) or 0
        if _quirks.may_be_wh(self.feed.documents[document], unit, power):
            said = (
                f"Series {name} says kWh (powerOfTenMultiplier 3), but others take Opower's feeds of this title as Wh: "
            )
            said += "compare a bill, and if that is a thousandth, divide value by 1000."
            self.feed.findings.add("espi.quirk.opower-wh", said, severity="serious", series=name, multiplier=power)
        if abs(power) <= _MULTIPLIER_LIMIT:
            return power
        said = f"powerOfTenMultiplier {power} of series {name} is a placeholder: its values are not scaled."
        self.feed.findings.add("espi.value.multiplier", said, severity="warning", series=name, multiplier=power)
        return 0

    def _commodity(self, text: str | None, usage_point: Entry | None, unit: str) -> str | None:
        found = self.codes.word(COMMODITY, "commodity", text)
        if found and found != "none":
            return found
        service = branch(self.data("UsagePoint", usage_point), "ServiceCategory")
        word = self.codes.word(SERVICE, "ServiceCategory", one(service, "kind"))
        return _COMMODITY_OF_UNIT.get(unit) or _COMMODITY_OF_SERVICE.get(word or "", word)

    def _is_of_service(self, reading_type: Entry, usage_point: Entry | None) -> bool:
        """Tell whether a ReadingType is of its UsagePoint's service: gas of gas, electricity of electricity."""
        service = integer(one(branch(self.data("UsagePoint", usage_point), "ServiceCategory"), "kind"))
        data = self.data("ReadingType", reading_type)
        commodity = COMMODITY.get(integer(one(data, "commodity")) or 0, "")
        wanted = _COMMODITY_OF_SERVICE.get(SERVICE.get(service, "") if service is not None else "")
        return wanted is not None and commodity.partition(",")[0] == wanted

    def zone(self, usage_point: Entry | None, document: int = 0) -> str:
        """Give the zone of a usage point: the caller's, the feed's, or UTC."""
        document = usage_point.document if usage_point else document
        known = _quirks.zone(self.feed.documents[document]) if self.feed.documents else None
        if self.tz or known:
            return self.tz or known or "UTC"
        number = usage_point.number if usage_point else -1
        if number not in self._zones:
            anchor = usage_point or next(iter(self.local_times.entries), None)
            found = self.resolver.find(anchor, "UsagePoint", self.local_times, ACROSS) if anchor else None
            self._zones[number] = self._decoded(self.data("LocalTimeParameters", found))
        return self._zones[number]

    @property
    def table_zone(self) -> str:
        """The one zone of the feed, in which its tables show their times; UTC when there are several."""
        zones = {self.zone(e) for e in self.usage_points.entries} or {self.zone(None)}
        return zones.pop() if len(zones) == 1 else "UTC"

    def zone_named(self, data: Tree) -> str | None:
        """Give the IANA zone of LocalTimeParameters; None when there is none."""
        return self._zone_found(data).name

    def _zone_found(self, data: Tree | None) -> _clock.Zone:
        offset, saving, start, end = (one(data, name) for name in _LOCAL_TIME)
        return _clock.zone_of(offset, saving, start, end, self._year)

    def _decoded(self, data: Tree | None) -> str:
        found = self._zone_found(data)
        findings = self.feed.findings
        for name, severity, text in found.oddities:
            if name not in findings.names:
                findings.add(name, text, severity=severity)
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


def _tell_apart(series: list[Series]) -> None:
    """Put a number behind series whose meter, name, flow and unit are the same, such as an hourly and a daily one."""
    seen: dict[tuple[str, str, str, str], dict[tuple[Any, ...], int]] = {}
    for each in series:
        alike = seen.setdefault((each.meter, each.name, each.flow, each.unit.name), {})
        if n := alike.setdefault(each.identity, len(alike)):
            each.name = f"{each.name} ({n + 1})"
