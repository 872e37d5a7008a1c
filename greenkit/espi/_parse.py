"""One ESPI document to the entries, resources, and readings of a feed.

A document is streamed through libxml2's push parser. An IntervalBlock goes to
:class:`~greenkit.espi._readings.Readings` as soon as it ends, and every entry is freed once it is read, so memory
follows the readings and not the XML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from lxml import etree

from greenkit.errors import FormatError, LimitError, OtherFormat
from greenkit.espi._feed import Document, Entry, Feed, Resource, href
from greenkit.espi._readings import Statement
from greenkit.espi._xml import ALIASES, RESOURCES, USAGE, Tree, document_pieces
from greenkit.findings import Findings, Kind
from greenkit.sources import Source

WRONG_ENCODING: Final = Kind(
    "espi.xml.encoding",
    "warning",
    "The document is not in the encoding that it declares. greenkit read it as Windows-1252.",
    "Check names with accents.",
)
UNDECLARED_PREFIX: Final = Kind(
    "espi.xml.undeclared-prefix",
    "info",
    "The document uses prefixes that it does not declare, as a fragment of a feed does. greenkit read their elements "
    "as Atom and ESPI.",
)
TRAILING: Final = Kind(
    "espi.xml.trailing",
    "serious",
    "The file has more text after the end of the document, at line {at}. greenkit did not read it.",
    "Split the file into its documents.",
)
TRUNCATED: Final = Kind(
    "espi.xml.truncated",
    "serious",
    "The document is truncated at line {at} ({reason}). greenkit kept the complete readings and resources before it.",
    "Download the file again.",
)
DAMAGED: Final = Kind(
    "espi.xml.damaged",
    "serious",
    "The document is damaged at line {at} ({reason}). greenkit kept the complete readings and resources before it.",
    "Download the file again.",
)
FOREIGN_FEED: Final = Kind(
    "espi.feed.foreign",
    "serious",
    "The entries of the feed contain nothing in the ESPI namespace, http://naesb.org/espi.",
    "Check that this is the Green Button feed you meant to load.",
)
ESCAPED: Final = Kind(
    "espi.content.escaped",
    "serious",
    "The content of {count:,} {count:entry|entries} is XML that was escaped as text. greenkit did not read it.",
    "Replace &lt; with < and &gt; with > in the content, and load the file again.",
)
UNKNOWN_RESOURCE: Final = Kind(
    "espi.resource.unknown",
    "info",
    "The feed has {count:,} {what} {count:element|elements}, which greenkit does not know. greenkit left "
    "{count:it|them} out.",
    "Check that this is the feed you meant to load.",
)
LOOSE_READINGS: Final = Kind(
    "espi.reading.without-block",
    "info",
    "The feed has {count:reading} outside of an IntervalBlock. greenkit read {count:it|them} by {count:its|their} own "
    "timePeriod.",
)
STRAY_TEXT: Final = Kind(
    "espi.xml.stray-text",
    "info",
    "The document has text before its root element. greenkit ignored it.",
)

# Nothing outside of the document is ever read, no entity is expanded, and libxml2's own limits bound depth and text.
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
_TEXTS: Final = ("id", "title", "published", "updated")
# An entry describes one of each. Several of a kind in one entry are treated as that many entries.
_SINGLE: Final = ("UsagePoint", "MeterReading", "ReadingType")
_PERIOD: Final = frozenset({"start", "duration"})
_MOST_UNKNOWN: Final = 20  # names with a finding of their own
# Some senders put the resources that belong to these inside them.
_HOLDERS: Final = ("UsagePoint", "MeterReading")

Advance = Callable[[int], object]
"""Takes the number of bytes that were read since the last call."""
_Elements = list[tuple[str, Any]]


class StyleSheet(OtherFormat):
    """An XSL style sheet, which displays a feed in a browser; archives contain it next to the feed."""


class ReadPlainly(Exception):
    """A faster reader cannot read this document."""


def read(
    feed: Feed, source: Source, *, recover: bool, advance: Advance, faster: type[DocumentReader] | None = None
) -> Findings:
    """Read one document into the feed.

    Parameters
    ----------
    feed : Feed
        Feed that the document is added to.
    source : Source
        The document.
    recover : bool
        Keep the complete part of a damaged document and report it, instead of raising FormatError.
    advance : callable
        Takes the number of bytes that were read since the last call.
    faster : type, optional
        Reader to try first. If it fails for any reason, the document is read again by :class:`DocumentReader`.

    Returns
    -------
    Findings
        Findings on this document.

    Raises
    ------
    FormatError
        If the document is not XML, is incomplete, or contains nothing of ESPI.
    LimitError
        If it has a DOCTYPE, or exceeds libxml2's limits.
    """
    findings = Findings()
    for encoding in (None, "windows-1252"):
        mark = feed.mark()
        try:
            if faster:
                done = 0

                def count(size: int) -> None:
                    nonlocal done
                    done += size
                    advance(size)

                try:
                    findings.extend(faster(feed, source, recover=False, encoding=encoding).run(count))
                    return findings
                except (FormatError, LimitError, UnicodeDecodeError, ReadPlainly):
                    feed.rollback(mark)
                    advance(-done)
            findings.extend(DocumentReader(feed, source, recover=recover, encoding=encoding).run(advance))
            return findings
        except UnicodeDecodeError:
            # declared as UTF-8, but an older system wrote a name with an accent
            feed.rollback(mark)
            findings.add(WRONG_ENCODING, file=source.name)
    raise FormatError(
        "The encoding of the document is not known",
        source=source.name,
        next_step="Save it as UTF-8, or download it again.",
    )


class DocumentReader:
    """Reads one document: the state between the events of the parser.

    A faster reader overrides :meth:`pieces`, :meth:`reading`, :meth:`entry`, and :meth:`fault`.
    """

    def __init__(self, feed: Feed, source: Source, *, recover: bool, encoding: str | None) -> None:
        self.feed, self.source, self.recover, self.encoding = feed, source, recover, encoding
        self.names, self.readings = feed.names, feed.readings
        self.document = Document(source.name)
        self.entries = EntryReader(feed, len(feed.documents), self.reading)
        self.findings = Findings()
        feed.documents.append(self.document)
        self.root: Any = None
        self.open_entries: list[Any] = []  # nested, the outer one first
        self.depth = 0  # of blocks; an entry inside a block is not one
        self.open_block: Any = None
        self.last_reading: Any = None  # the last complete one of the open block (only kept with recover)
        self.last_resource: Any = None  # the last complete one
        self.ended = self.is_damaged = False

    # What a faster reader overrides

    def pieces(self, pieces: Iterable[bytes]) -> Iterable[bytes]:
        """Return the text that the parser gets."""
        return pieces

    def reading(self, element: Any) -> None:
        """Read one IntervalReading."""
        self.readings.read(element)

    def entry(self, element: Any) -> None:
        """Read one entry of the feed."""
        self.entries.read(element)

    def fault(self, code: int, line: int, reason: str, at_end: bool) -> None:
        """Continue if the whole document was read in spite of a fault, or with ``recover``; else raise an error."""
        if code == _UNDECLARED and at_end:
            self.findings.add(UNDECLARED_PREFIX, file=self.source.name)
            return
        line += self.lines
        if "XML_PARSE_HUGE" in reason:
            reason = re.split(",? (?:use|try) XML_PARSE_HUGE", reason)[0]
            raise LimitError(
                f"{self.source.name}, line {line}: The XML is nested too deeply, or a text in it is too long "
                f"({reason})",
                next_step="Check that this is the file you meant to load; Green Button feeds stay far below these "
                "limits.",
            )
        if "nvalid bytes in character encoding" in reason or "not proper UTF-8" in reason:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, reason)
        if code == _EXTRA or (code == _PROLOG and self.ended):
            self.findings.add(TRAILING, file=self.source.name, line=line, words={"at": f"{line:,}"})
            return
        is_truncated = at_end and code != _ENTITY and "EntityRef: no name" not in reason
        if self.recover:
            self._salvage()
            kind = TRUNCATED if is_truncated else DAMAGED
            words = {"at": f"{line:,}", "reason": reason}
            self.findings.add(kind, file=self.source.name, line=line, words=words)
            return
        what = "The document is truncated" if is_truncated else "The XML is damaged"
        raise FormatError(
            f"{what} ({reason})",
            source=self.source.name,
            line=line,
            next_step="Download the file again, or keep the undamaged part with open_espi(..., recover=True).",
        )

    # The document

    def run(self, advance: Advance) -> Findings:
        """Read the document, and return the findings on it."""
        spellings = [name for name, meant in self.names.spellings.items() if meant in RESOURCES]
        tags = ["feed", "entry", *RESOURCES, *spellings]
        if self.recover:
            tags += ["IntervalReading", *(n for n, meant in self.names.spellings.items() if meant == "IntervalReading")]
        parser = etree.XMLPullParser(events=("start", "end"), tag=["{*}" + tag for tag in tags], **SAFE)
        at_end = False
        with self.source.open() as file:
            self.lines, stray, pieces = document_pieces(file, self.source.name, self.encoding, advance)
            if stray:
                self.findings.add(STRAY_TEXT, file=self.source.name)
            try:
                for piece in self.pieces(pieces):
                    parser.feed(piece)
                    self._events(parser)
                at_end = True
                self.root = parser.close()
            except etree.XMLSyntaxError as e:
                self._events(parser)
                self.fault(*_fault(e, parser.feed_error_log), at_end)
        self._finish()
        return self.findings

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
            raise FormatError(
                e.problem, source=self.source.name, line=element.sourceline, next_step=e.next_step
            ) from None
        self.open_block = None

    def _entry(self, element: Any) -> None:
        """Read an entry and everything before it in the feed, and free them."""
        parent = element.getparent()
        if parent is not None and (parent is self.root or self.names[parent.tag] == "atom:feed"):
            for before in list(element.itersiblings(preceding=True))[::-1]:
                self._feed_member(before)
                self.entries.loose(before)
                parent.remove(before)
        self.entry(element)
        element.clear()

    def _feed_member(self, element: Any) -> None:
        name = self.names[element.tag]
        if name == "atom:title":
            self.document.title = (element.text or "").strip()
        elif name == "atom:link":
            rel = element.get("rel", "related").lower().rpartition("/")[2]
            if rel == "next":
                self.document.next_page = href(element.get("href"))
            elif rel == "self":
                self.document.self_ = href(element.get("href"))

    def _salvage(self) -> None:
        """Keep the complete readings of the open block and the complete resources of the open entries."""
        self.is_damaged = True
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
        self.entries.unknown = unknown  # a truncated name is not a name

    def _finish(self) -> None:
        root = self.root
        if root is not None:
            self.document.root = (self.names[root.tag] or "").removeprefix("atom:")
            for child in root:
                self._feed_member(child)
            if not (self.is_damaged and self.document.root in RESOURCES):
                self.entries.loose(root)
        self.findings.extend(self.entries.finish())
        if self.entries.resources or self.entries.unknown or self.entries.escaped or self.is_damaged:
            return
        if self.document.root == "feed" and self.entries.has_read:
            self.findings.add(FOREIGN_FEED, file=self.source.name)
        elif root is not None and "/XSL/Transform}" in root.tag:
            raise StyleSheet(
                "This is a style sheet, which displays a feed in a browser",
                source=self.source.name,
                next_step="Open the XML file that came with it.",
            )
        elif self.document.root != "feed" and not self.recover:
            shown = self.document.root or "unknown"
            raise OtherFormat(
                f"The XML contains no ESPI resource (its root is {shown})",
                source=self.source.name,
                next_step="Check that this is the Green Button feed you meant to load.",
            )


def _fault(error: Any, log: Any) -> tuple[int, int, str]:
    """Return libxml2's code, line, and words for a fault. An undeclared entity is only in the log."""
    for entry in log if error.code == _NOTHING else ():
        if entry.type != _UNDECLARED:
            return entry.type, entry.line, entry.message
    return error.code, error.lineno or 1, str(error.msg).partition(", line")[0].strip()


class EntryReader:
    """Reads the entries of one document as their elements end, whatever they are wrapped in."""

    def __init__(self, feed: Feed, document: int, reading: Callable[[Any], object]) -> None:
        self.feed, self.document, self.reading = feed, document, reading
        self.names = feed.names
        self.blocks: list[int] = []  # blocks that were read and belong to no entry yet
        self.resources, self.has_read = 0, False
        self.escaped = self.loose_readings = 0
        self.unknown: Counter[str] = Counter()

    def block(self, element: Any) -> None:
        """Read an IntervalBlock as soon as it ended, and free it."""
        number = len(self.feed.readings.blocks)
        self.blocks.append(number)
        self.feed.readings.read_block(element, self.reading)
        interval = element[0] if len(element) and self.names[element[0].tag] == "interval" else ()
        powers = tuple(self.feed.readings.multipliers)
        if len(interval) > 2 or powers:
            members = self._tree(interval) if len(interval) > 2 else {}
            texts = {name: values[0].strip() for name, values in members.items() if isinstance(values[0], str)}
            if powers or not texts.keys() <= _PERIOD:
                self.feed.readings.blocks.statements[number] = Statement(texts, powers)
        element.clear()

    def read(self, element: Any) -> None:
        """Read an Atom entry that ended."""
        entry, found = self._new(), _Elements()
        up, related = list[str](), list[str]()
        self.has_read = True
        for child in element:
            name = self.names[child.tag]
            if name == "atom:link":
                # in any case of letters, and also as a URI (RFC 4287, 4.2.7.2)
                rel = child.get("rel", "related").lower().rpartition("/")[2]
                target = href(child.get("href"))
                if rel == "self":
                    entry.self_ = target
                elif target:
                    (up if rel == "up" else related if rel == "related" else []).append(target)
            elif name == "atom:content":
                self.escaped += (child.text or "").lstrip().startswith("<")
                for inner in child:  # some senders write the dates into the content
                    self._member(entry, inner, found)
            else:
                self._member(entry, child, found)
        entry.up, entry.related = tuple(up), tuple(related)
        self._add(entry, found, -1)

    def loose(self, element: Any) -> None:
        """Read the resources outside of entries: bare ones, or those in an unknown wrapper."""
        found = list(self._resources(element))
        if found:
            self._add(self._new(), found, 0)
        elif found := self._loose_readings(element):
            self._add(self._new(), found, -1)

    def _loose_readings(self, element: Any) -> _Elements:
        """Read the readings in an element without an IntervalBlock as a block of their own."""
        readings = [e for e in element.iter() if self.names[e.tag] == "IntervalReading"]
        if not readings:
            return []
        self.blocks.append(len(self.feed.readings.blocks))
        block = self.feed.readings.read_block(readings, self.reading)
        self.loose_readings += block.rows
        return [("IntervalBlock", None)]

    def finish(self) -> Findings:
        """Add an entry to each remaining block, and return the findings on what was left out."""
        if self.blocks:  # in a shape that no walk finds, such as a block inside a block
            self._append(self._new(), [("IntervalBlock", None)], self.blocks)
        out, name = Findings(), self.feed.documents[self.document].name
        if self.escaped:
            out.add(ESCAPED, count=self.escaped, file=name)
        if self.loose_readings:
            out.add(LOOSE_READINGS, count=self.loose_readings, file=name)
        severity = "info" if self.resources else "serious"
        unknown = sorted(self.unknown.items())
        for kind, count in unknown[:_MOST_UNKNOWN]:
            out.add(UNKNOWN_RESOURCE, severity=severity, kind=kind, count=count, file=name, words={"what": kind})
        if rest := unknown[_MOST_UNKNOWN:]:
            count, words = sum(n for _, n in rest), {"what": "other"}
            out.add(UNKNOWN_RESOURCE, severity=severity, kind=rest[0][0], count=count, file=name, words=words)
        return out

    def _new(self) -> Entry:
        return Entry(self.document, len(self.feed.entries))

    def _member(self, entry: Entry, element: Any, found: _Elements) -> None:
        name = self.names[element.tag] or ""
        if (atom := name.removeprefix("atom:")) in _TEXTS:
            if text := (element.text or "").strip():
                setattr(entry, atom, text)
            return
        inner = list(self._resources(element)) or self._loose_readings(element)
        found += inner
        if not inner and name and not name.startswith("atom:") and "naesb.org/espi" in element.tag.lower():
            self.unknown[name] += 1

    def _resources(self, element: Any) -> Iterator[tuple[str, Any]]:
        """Yield the resources in an element in document order: itself, or those inside unknown wrappers."""
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

    def _add(self, entry: Entry, found: _Elements, end: int) -> None:
        """Add what an entry contains; its blocks, read when they ended, are the first (0) or last (-1) pending."""
        kinds = [kind for kind, _ in found]
        count = kinds.count("IntervalBlock")
        mine = slice(0, count) if end == 0 else slice(len(self.blocks) - count, None)
        blocks = self.blocks[mine]
        del self.blocks[mine]
        if all(kinds.count(kind) < 2 for kind in _SINGLE):
            self._append(entry, found, blocks)
            return
        # the links belong to the first of each kind; the document order then decides what belongs to what
        seen, left = set[str](), iter(blocks)
        for kind, element in found:
            alone = replace(entry, number=len(self.feed.entries))
            if kind == "IntervalBlock":
                alone.self_ = ""
            elif kind in seen:
                alone.self_, alone.up, alone.related = "", (), ()
            self._append(alone, [(kind, element)], list(islice(left, int(kind == "IntervalBlock"))))
            seen.add(kind)

    def _append(self, entry: Entry, found: _Elements, blocks: list[int]) -> None:
        entry.kinds = tuple(dict.fromkeys(kind for kind, _ in found))
        self.feed.entries.append(entry)
        for number in blocks:
            self.feed.readings.blocks.entry[number] = entry.number
        self.feed.resources += [
            Resource(kind, self._tree(element), entry.number) for kind, element in found if kind != "IntervalBlock"
        ]
        self.resources += len(found)

    def _tree(self, element: Any) -> Tree:
        out: Tree = {}
        if not len(element) and element.text and element.text.strip():
            out[""] = [element.text.strip()]
        for child in element:
            name = self.names[child.tag]
            if not name and isinstance(child.tag, str):
                name = f":{etree.QName(child).localname}"  # of a vendor's namespace: kept, but not as an ESPI member
            if name:
                out.setdefault(name.removeprefix("atom:"), []).append(
                    self._tree(child) if len(child) else (child.text or "").strip()
                )
        return out
