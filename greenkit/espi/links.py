"""Which block belongs to which MeterReading, and that to which ReadingType and UsagePoint.

Entries point at each other by links (``self``: this entry; ``up``: its parent collection; ``related``: a peer, or a
collection). Many utilities' links do not meet, so after the links come the paths' nesting, the only candidate, and
the document's order; each of these fall-backs is a finding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from operator import attrgetter
from typing import Final

from greenkit.espi.feed import Entry, Feed
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
