"""Elements to a feed's entries and resources, whatever they are wrapped in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from lxml import etree

from greenkit.espi import quirks
from greenkit.espi.feed import Entry, Feed, Resource, Tree, href
from greenkit.espi.names import ALIASES, RESOURCES, USAGE
from greenkit.findings import counted

_TEXTS: Final = ("id", "title", "published", "updated")
# of these an entry can say one thing only: several in it are as many entries
_SINGLE: Final = ("UsagePoint", "MeterReading", "ReadingType")
# what some put into the resource that it belongs to
_HOLDERS: Final = ("UsagePoint", "MeterReading")

_Found = list[tuple[str, Any]]


class Entries:
    """The entries of one document, as their elements end."""

    def __init__(self, feed: Feed, document: int) -> None:
        self.feed, self.document = feed, document
        self.names = feed.names
        self.blocks: list[int] = []  # those read that belong to no entry yet
        self.resources, self.read_any = 0, False
        self.escaped = 0
        self.unknown: Counter[str] = Counter()
        self.terms: dict[int, quirks.Terms] = {}  # of blocks that say themselves what a ReadingType should

    def block(self, element: Any) -> None:
        """Read an IntervalBlock as soon as it ended, and free it."""
        number = len(self.feed.readings.blocks)
        self.blocks.append(number)
        self.feed.readings.read_block(element)
        interval = element[0] if len(element) and self.names[element[0].tag] == "interval" else ()
        powers = self.feed.readings.powers
        if len(interval) > 2 and (terms := quirks.interval_terms(self._tree(interval), powers)):
            self.terms[number] = terms
        element.clear()

    def read(self, element: Any) -> None:
        """Read an Atom entry that ended."""
        entry, found = self._new(), _Found()
        up, related = list[str](), list[str]()
        self.read_any = True
        for child in element:
            name = self.names[child.tag]
            if name == "atom:link":
                # in any case, and also as a URI (RFC 4287, 4.2.7.2)
                rel = child.get("rel", "related").lower().rpartition("/")[2]
                target = href(child.get("href"))
                if rel == "self":
                    entry.self_ = target
                elif target:
                    (up if rel == "up" else related if rel == "related" else []).append(target)
            elif name == "atom:content":
                self.escaped += (child.text or "").lstrip().startswith("<")
                for inner in child:  # some write the dates into the content
                    self._member(entry, inner, found)
            else:
                self._member(entry, child, found)
        entry.up, entry.related = tuple(up), tuple(related)
        self._add(entry, found, -1)

    def loose(self, element: Any) -> None:
        """Take the resources that stand outside of entries: bare ones, or those of a foreign wrapper."""
        found = list(self._resources(element))
        if found:
            self._add(self._new(), found, 0)
        elif lost := sum(self.names[e.tag] == "IntervalReading" for e in element.iter()):
            self.unknown["IntervalReading"] += lost

    def finish(self) -> None:
        """Give blocks that are left an entry, and say what was passed over."""
        if self.blocks:  # of a shape that no walk finds, such as a block in a block
            self._append(self._new(), [("IntervalBlock", None)], self.blocks)
        if self.terms:
            self._take_at_their_word()
        name = self.feed.documents[self.document].name
        if self.escaped:
            n = counted(self.escaped, "time")
            text = f"{n} the content of an entry is XML written as text: not read; unescape it first."
            self.feed.findings.add("espi.content.escaped", text, severity="serious", count=self.escaped, file=name)
        for kind, count in sorted(self.unknown.items()):
            lost = kind == "IntervalReading"
            what = "outside of an IntervalBlock" if lost else "of a kind that is not known"
            text = f"{counted(count, 'time')} {kind} stands in the feed, {what}: passed over."
            severity = "serious" if lost or not self.resources else "info"
            self.feed.findings.add("espi.resource.unknown", text, severity=severity, kind=kind, count=count, file=name)

    def _new(self) -> Entry:
        return Entry(self.document, len(self.feed.entries))

    def _member(self, entry: Entry, element: Any, found: _Found) -> None:
        name = self.names[element.tag] or ""
        if (atom := name.removeprefix("atom:")) in _TEXTS:
            if text := (element.text or "").strip():
                setattr(entry, atom, text)
            return
        inner = list(self._resources(element))
        found += inner
        if not inner and name and not name.startswith("atom:") and "naesb.org/espi" in element.tag.lower():
            self.unknown[name] += 1

    def _resources(self, element: Any) -> Iterator[tuple[str, Any]]:
        """Find the resources in an element in document order: itself, or below wrappers that nobody knows."""
        kind = self._kind(element)
        if kind:
            yield kind, element
            if kind in _HOLDERS:
                for child in element:
                    if self._kind(child) in USAGE:
                        yield from self._resources(child)
        else:
            for child in element:
                yield from self._resources(child)

    def _kind(self, element: Any) -> str | None:
        name = self.names[element.tag]
        kind = ALIASES.get(name, name) if name else None
        return kind if kind in RESOURCES else None

    def _add(self, entry: Entry, found: _Found, end: int) -> None:
        """Add what an entry holds; its blocks, read when they ended, are the eldest (0) or the last (-1) that wait."""
        kinds = [kind for kind, _ in found]
        count = kinds.count("IntervalBlock")
        mine = slice(0, count) if end == 0 else slice(len(self.blocks) - count, None)
        blocks = self.blocks[mine]
        del self.blocks[mine]
        if all(kinds.count(kind) < 2 for kind in _SINGLE):
            self._append(entry, found, blocks)
            return
        # the links are those of the first of each kind; what belongs to what is then told by the order
        seen, left = set[str](), iter(blocks)
        for kind, element in found:
            alone = replace(entry, number=len(self.feed.entries))
            if kind == "IntervalBlock":
                alone.self_ = ""
            elif kind in seen:
                alone.self_, alone.up, alone.related = "", (), ()
            self._append(alone, [(kind, element)], list(islice(left, int(kind == "IntervalBlock"))))
            seen.add(kind)

    def _append(self, entry: Entry, found: _Found, blocks: list[int]) -> None:
        entry.kinds = tuple(dict.fromkeys(kind for kind, _ in found))
        self.feed.entries.append(entry)
        for number in blocks:
            self.feed.readings.blocks[number].entry = entry.number
        if blocks and (terms := quirks.link_terms(entry.self_)):
            self.terms |= dict.fromkeys(blocks, terms)
        self.feed.resources += [
            Resource(kind, self._tree(element), entry.number) for kind, element in found if kind != "IntervalBlock"
        ]
        self.resources += len(found)

    def _take_at_their_word(self) -> None:
        """Give blocks that say themselves what a ReadingType should an entry with it, where the document has none."""
        mine = (r for r in self.feed.of("ReadingType") if self.feed.entries[r.entry].document == self.document)
        if any(mine):
            return
        told: dict[tuple[Any, ...], Entry] = {}
        for number, terms in self.terms.items():
            block = self.feed.readings.blocks[number]
            entry = self.feed.entries[block.entry]
            key = (terms.path or block.entry, str(terms.reading_type))
            if key not in told:
                told[key] = self._told(entry, terms)
            block.entry = told[key].number
            self.feed.readings.doubtful["own", "powerOfTenMultiplier"] -= terms.powers

    def _told(self, entry: Entry, terms: quirks.Terms) -> Entry:
        kinds = ("IntervalBlock", "ReadingType")
        told = replace(entry, number=len(self.feed.entries), self_=terms.path or entry.self_, kinds=kinds)
        self.feed.entries.append(told)
        self.feed.resources.append(Resource("ReadingType", terms.reading_type, told.number))
        if terms.finding not in self.feed.findings.names:
            name = self.feed.documents[self.document].name
            self.feed.findings.add(terms.finding, terms.text, severity=terms.severity, file=name)
        return told

    def _tree(self, element: Any) -> Tree:
        out: Tree = {}
        if not len(element) and element.text and element.text.strip():
            out[""] = [element.text.strip()]
        for child in element:
            name = self.names[child.tag]
            if not name and isinstance(child.tag, str):
                name = f":{etree.QName(child).localname}"  # of a vendor's namespace: kept, and taken for no member
            if name:
                out.setdefault(name.removeprefix("atom:"), []).append(
                    self._tree(child) if len(child) else (child.text or "").strip()
                )
        return out
