"""ESPI documents to a feed's entries and readings.

A document is streamed through libxml2's push parser. IntervalBlocks go to :class:`~greenkit.espi.readings.Readings`
as soon as they end, and every entry is freed once it is read, so memory follows the readings and not the XML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from greenkit.errors import FormatError, LimitError, OtherFormat
from greenkit.espi.document import document_pieces
from greenkit.espi.entries import Entries
from greenkit.espi.feed import Document, Feed
from greenkit.espi.names import RESOURCES, SPELLINGS
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
        Makes the fast path, :class:`greenkit.espi.fast.Runs`. Where that cannot vouch for the document, or the
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
