"""ESPI documents to a feed's entries and readings.

A document is streamed through libxml2's push parser. IntervalBlocks go to :class:`~greenkit.espi._readings.Readings`
as soon as they end, and every entry is freed once it is read, so memory follows the readings and not the XML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from lxml import etree

from greenkit.errors import FormatError, LimitError, OtherFormat
from greenkit.espi import _quirks
from greenkit.espi._feed import Document, Entry, Feed, Resource, Tree, href
from greenkit.espi._xml import ALIASES, RESOURCES, SPELLINGS, USAGE, document_pieces
from greenkit.findings import counted
from greenkit.sources import Source

# Nothing outside the document is ever read, no entity is expanded, depth and text are bounded by libxml2's own limits.
SAFE: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
    "encoding": "utf-8",
}
_NOTHING, _EXTRA, _ENTITY, _PROLOG, _UNDECLARED = 1, 5, 26, 64, 201  # libxml2's xmlParserErrors


class StyleSheet(OtherFormat):
    """What shows a feed in a browser: archives hold it beside the feed."""


class Unproved(Exception):
    """The fast path cannot vouch for the document: it is to be read plainly."""


def read(
    feed: Feed,
    source: Source,
    *,
    recover: bool,
    advance: Callable[[int], object],
    shorten: Callable[[Feed], Any] | None = None,
) -> None:
    """Read one document into the feed.

    Parameters
    ----------
    feed : Feed
        What is read is added to it.
    source : Source
        The document.
    recover : bool
        Keep what is whole of a damaged document, with a finding.
    advance : callable
        Told how many bytes were read.
    shorten : callable, optional
        Makes the fast path, :class:`greenkit.espi._fast.Runs`. Where that cannot vouch for the document, or the
        document is damaged, it is read again without.

    Raises
    ------
    FormatError
        The document is not XML, not whole, or holds nothing of ESPI.
    LimitError
        It declares a DOCTYPE, or is nested or filled beyond libxml2's limits.
    """
    mark = feed.mark()
    for encoding in (None, "windows-1252"):
        try:
            if shorten is None or not _read_short(feed, source, encoding, advance, shorten):
                _Reading(feed, source, recover, encoding).run(advance)
            return
        except UnicodeDecodeError:
            # said to be UTF-8 and is not: a name with an accent, written by an older system
            feed.rollback(mark)
            text = "The document is not in the encoding that it declares: it was read as Windows-1252."
            feed.findings.add("espi.xml.encoding", text, severity="warning", file=source.name)
            mark = feed.mark()
    raise FormatError("the document is in no encoding that can be told", source=source.name)


def _read_short(
    feed: Feed,
    source: Source,
    encoding: str | None,
    advance: Callable[[int], object],
    shorten: Callable[[Feed], Any],
) -> bool:
    """Read a document by the fast path; False, and nothing read, when it has to be read plainly."""
    mark, done = feed.mark(), 0

    def advance_too(size: int) -> None:
        nonlocal done
        done += size
        advance(size)

    runs = feed.readings.runs = shorten(feed)
    try:
        _Reading(feed, source, False, encoding).run(advance_too)
        runs.finish()
    except (FormatError, LimitError, UnicodeDecodeError, Unproved):
        feed.rollback(mark)
        advance(-done)
        return False
    finally:
        feed.readings.runs = None
    return True


class _Reading:
    """The reading of one document: the state between the parser's events."""

    def __init__(self, feed: Feed, source: Source, recover: bool, encoding: str | None) -> None:
        self.feed, self.source, self.recover, self.encoding = feed, source, recover, encoding
        self.names, self.readings = feed.names, feed.readings
        self.document = Document(source.name)
        self.entries = Entries(feed, len(feed.documents))
        feed.documents.append(self.document)
        self.root: Any = None
        self.open_entries: list[Any] = []  # one in the other
        self.depth = 0  # of blocks, in which an entry is none
        self.open_block: Any = None
        self.last_reading: Any = None  # the last that ended in the open block (only followed with recover)
        self.last_resource: Any = None  # the last that ended
        self.ended = self.damaged = False

    def run(self, advance: Callable[[int], object]) -> None:
        tags = ["feed", "entry", *RESOURCES, *SPELLINGS, *(["IntervalReading"] if self.recover else [])]
        parser = etree.XMLPullParser(events=("start", "end"), tag=["{*}" + tag for tag in tags], **SAFE)
        at_end = False
        with self.source.open() as file:
            self.lines, pieces = document_pieces(file, self.source.name, self.encoding, advance)
            try:
                for piece in self.readings.runs.cut(pieces) if self.readings.runs else pieces:
                    parser.feed(piece)
                    self._events(parser)
                at_end = True
                self.root = parser.close()
            except etree.XMLSyntaxError as e:
                self._events(parser)
                self._damaged(*_fault(e, parser.feed_error_log), at_end)
        self._finish()

    def _events(self, parser: Any) -> None:
        for event, element in parser.read_events():
            name = self.names[element.tag]
            if self.root is None:
                self.root = element.getroottree().getroot()
            if event == "start":
                if name == "atom:entry" and not self.depth:
                    self.open_entries.append(element)
                elif name == "IntervalBlock":
                    self.open_block, self.last_reading = element, None
                    self.depth += 1
                continue
            self.ended = element is self.root
            if name == "IntervalReading":
                if self.open_block is not None and element.getparent() is self.open_block:
                    self.last_reading = element
                continue
            self.last_resource = element
            if name == "IntervalBlock":
                self.depth -= 1
                self._block(element)
            elif self.open_entries and element is self.open_entries[-1]:
                self._entry(self.open_entries.pop())

    def _block(self, element: Any) -> None:
        try:
            self.entries.block(element)
        except FormatError as e:
            raise FormatError(str(e), source=self.source.name, line=element.sourceline) from None
        self.open_block = None

    def _entry(self, element: Any) -> None:
        """Read an entry and what stands before it in the feed, and free them."""
        parent = element.getparent()
        if parent is not None and (parent is self.root or self.names[parent.tag] == "atom:feed"):
            for before in list(element.itersiblings(preceding=True))[::-1]:
                self._feed_member(before)
                self.entries.loose(before)
                parent.remove(before)
        if not self._cut_out(element):
            self.entries.read(element)
        element.clear()

    def _cut_out(self, element: Any) -> bool:
        """Take in the entries that the fast path cut out here, if this is its marker."""
        count: int = self.readings.runs.take_entries(element) if self.readings.runs else 0
        in_feed = element.getparent() is self.root and self.names[self.root.tag] == "atom:feed"
        if count and (self.entries.blocks or not in_feed):
            raise Unproved
        self.entries.resources += count
        return count > 0

    def _feed_member(self, element: Any) -> None:
        if self.names[element.tag] == "atom:title":
            self.document.title = (element.text or "").strip()

    def _damaged(self, code: int, line: int, reason: str, at_end: bool) -> None:
        """Go on where the whole document was read all the same, or with recover; say what is wrong where not."""
        if code == _UNDECLARED and at_end:
            text = (
                "The document uses prefixes that it does not declare (a fragment?): they were taken as Atom and ESPI."
            )
            self.feed.findings.add("espi.xml.undeclared-prefix", text, file=self.source.name)
            return
        if self.readings.runs is not None:
            raise Unproved
        line += self.lines
        if "XML_PARSE_HUGE" in reason:
            reason = re.split(",? (?:use|try) XML_PARSE_HUGE", reason)[0]
            raise LimitError(f"{self.source.name}, line {line}: the XML is nested or filled beyond reason ({reason})")
        if "nvalid bytes in character encoding" in reason or "not proper UTF-8" in reason:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, reason)
        if code == _EXTRA or (code == _PROLOG and self.ended):
            text = f"After the end of the document, at line {line}, stands more, which was not read: split the file."
            self.feed.findings.add("espi.xml.trailing", text, severity="serious", file=self.source.name, line=line)
            return
        is_cut = at_end and code != _ENTITY and "EntityRef: no name" not in reason
        if self.recover:
            self._salvage()
            name, how = ("espi.xml.truncated", "cut") if is_cut else ("espi.xml.damaged", "damaged")
            text = (
                f"The document is {how} at line {line} ({reason}): what was whole before it was kept, the rest is lost."
            )
            self.feed.findings.add(name, text, severity="serious", file=self.source.name, line=line)
            return
        what = "the document is cut" if is_cut else "the XML is damaged"
        raise FormatError(
            f"{what} ({reason}): fetch it again, or keep what is whole with open_espi(..., recover=True)",
            source=self.source.name,
            line=line,
        )

    def _salvage(self) -> None:
        """Keep the readings of the open block, and the resources of the open entries, that have ended."""
        self.damaged = True
        if self.open_block is not None:
            for child in list(self.open_block)[::-1]:
                if child is self.last_reading:
                    break
                if self.names[child.tag] == "IntervalReading":
                    self.open_block.remove(child)
            self.last_resource = self.open_block
            self._block(self.open_block)
        last = self.root
        while last is not None and last is not self.last_resource:
            if self.names[last.tag] in RESOURCES and last.getparent() is not None:
                last.getparent().remove(last)
                break
            last = last[-1] if len(last) else None
        unknown = self.entries.unknown.copy()
        while self.open_entries:
            self._entry(self.open_entries.pop())
        self.entries.unknown = unknown  # a name that is cut is none

    def _finish(self) -> None:
        root = self.root
        if root is not None:
            self.document.root = (self.names[root.tag] or "").removeprefix("atom:")
            for child in root:
                self._feed_member(child)
            if not (self.damaged and self.document.root in RESOURCES):
                self.entries.loose(root)
        self.entries.finish()
        if self.entries.resources or self.entries.unknown or self.entries.escaped or self.damaged:
            return
        if self.document.root == "feed" and self.entries.read_any:
            text = (
                "The feed's entries hold nothing of ESPI, whose namespace is http://naesb.org/espi: is it another feed?"
            )
            self.feed.findings.add("espi.feed.foreign", text, severity="serious", file=self.source.name)
        elif root is not None and "/XSL/Transform}" in root.tag:
            text = "this is a style sheet, which shows a feed in a browser: open the XML file that came with it"
            raise StyleSheet(text, source=self.source.name)
        elif self.document.root != "feed" and not self.recover:
            shown = self.document.root or "nothing known"
            raise OtherFormat(
                f"the XML holds no ESPI resource (its root is {shown}): expected a Green Button feed",
                source=self.source.name,
            )


def _fault(error: Any, log: Any) -> tuple[int, int, str]:
    """Give libxml2's code, line and words for what went wrong; an entity that nobody declared is only in the log."""
    for entry in log if error.code == _NOTHING else ():
        if entry.type != _UNDECLARED:
            return entry.type, entry.line, entry.message
    return error.code, error.lineno or 1, str(error.msg).partition(", line")[0].strip()


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
        self.terms: dict[int, _quirks.Terms] = {}  # of blocks that say themselves what a ReadingType should

    def block(self, element: Any) -> None:
        """Read an IntervalBlock as soon as it ended, and free it."""
        number = len(self.feed.readings.blocks)
        self.blocks.append(number)
        self.feed.readings.read_block(element)
        interval = element[0] if len(element) and self.names[element[0].tag] == "interval" else ()
        powers = self.feed.readings.powers
        if len(interval) > 2 and (terms := _quirks.interval_terms(self._tree(interval), powers)):
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
        if blocks and (terms := _quirks.link_terms(entry.self_)):
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

    def _told(self, entry: Entry, terms: _quirks.Terms) -> Entry:
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
