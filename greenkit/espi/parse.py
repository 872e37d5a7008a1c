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
from greenkit.espi.feed import Document, Entry, Feed, Resource, Tree, href
from greenkit.espi.names import ALIASES, RESOURCES
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
_NOTHING, _EXTRA, _ENTITY, _UNDECLARED = 1, 5, 26, 201  # libxml2's xmlParserErrors


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
        self.number = len(feed.documents)
        feed.documents.append(self.document)
        self.blocks: list[int] = []  # those of the entry that is open
        self.root: Any = None
        self.open_entry: Any = None
        self.open_block: Any = None
        self.last_reading: Any = None  # the last that ended in the open block (only followed with recover)
        self.last_resource: Any = None  # the last that ended
        self.damaged = False
        self.resources = 0

    def run(self, advance: Callable[[int], object]) -> None:
        tags = ["entry", *RESOURCES, *(["IntervalReading"] if self.recover else [])]
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
                if name == "atom:entry" and self.open_entry is None:
                    self.open_entry = element
                elif name == "IntervalBlock":
                    self.open_block, self.last_reading = element, None
                continue
            if name != "IntervalReading":
                self.last_resource = element
            if name == "IntervalBlock":
                self._block(element)
            elif name == "atom:entry":
                if element is self.open_entry:
                    if not self._cut_out(element):
                        self._entry(element)
                    self.open_entry = None
            elif name == "IntervalReading" and self.open_block is not None and element.getparent() is self.open_block:
                self.last_reading = element

    def _block(self, element: Any) -> None:
        self.blocks.append(len(self.readings.blocks))
        try:
            self.readings.read_block(element)
        except FormatError as e:
            raise FormatError(str(e), source=self.source.name, line=element.sourceline) from None
        element.clear()
        self.open_block = None

    def _cut_out(self, element: Any) -> bool:
        """Take in the entries that the fast path cut out here, if this is its marker."""
        count = self.readings.runs.take_entries(element) if self.readings.runs else 0
        if count and (self.blocks or element.getparent() is not self.root or self.names[self.root.tag] != "atom:feed"):
            raise Unproved
        self.resources += count
        if count:
            self._forget(element)
        return count > 0

    def _entry(self, element: Any) -> None:
        entry = self._new_entry()
        related: list[str] = []
        up: list[str] = []
        for child in element:
            name = self.names[child.tag]
            if name == "atom:link":
                rel, target = child.get("rel", "related"), href(child.get("href"))
                if rel == "self":
                    entry.self_ = target
                elif target:
                    (up if rel == "up" else related if rel == "related" else []).append(target)
            elif name == "atom:content":
                for inner in child:
                    self._atom_text(entry, inner)
                    self._resource(entry, inner)
            elif not self._atom_text(entry, child):
                self._resource(entry, child)
        entry.up, entry.related = tuple(up), tuple(related)
        self._adopt(entry)
        self._forget(element)

    def _new_entry(self) -> Entry:
        return Entry(self.number, len(self.feed.entries))

    def _adopt(self, entry: Entry) -> None:
        if self.blocks:
            entry.kinds = (*entry.kinds, "IntervalBlock")
            for number in self.blocks:
                self.readings.blocks[number].entry = entry.number
            self.resources += len(self.blocks)
        self.blocks = []
        self.feed.entries.append(entry)

    def _atom_text(self, entry: Entry, element: Any) -> bool:
        name = self.names[element.tag]
        if name in ("atom:id", "atom:title", "atom:published", "atom:updated"):
            text = (element.text or "").strip()
            if text:
                setattr(entry, name[5:], text)
            return True
        return bool(name and name.startswith("atom:"))

    def _resource(self, entry: Entry, element: Any) -> None:
        kind = self.names[element.tag]
        kind = ALIASES.get(kind, kind) if kind else None
        if kind not in RESOURCES:
            if kind and not kind.startswith("atom:") and element.tag.startswith("{"):
                text = f"A resource of a kind that is not known, {kind}, was passed over."
                self.feed.findings.add("espi.resource.unknown", text, kind=kind, file=self.source.name)
            return
        if kind == "IntervalBlock":
            return  # read when it ended
        entry.kinds = (*entry.kinds, kind)
        self.feed.resources.append(Resource(kind, self._tree(element), entry.number))
        self.resources += 1

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

    def _forget(self, entry: Any) -> None:
        """Free an entry that is read, and what stands before it in the feed."""
        parent = entry.getparent()
        entry.clear()
        if parent is None:
            return
        while (before := entry.getprevious()) is not None:
            self._feed_member(before)
            parent.remove(before)

    def _feed_member(self, element: Any) -> None:
        name = self.names[element.tag]
        if name == "atom:title":
            self.document.title = (element.text or "").strip()
        elif name == "atom:link" and element.get("rel") == "self":
            self.document.self_ = href(element.get("href"))

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
        if code == _EXTRA:
            text = f"After the end of the document, at line {line}, stands more, which was not read: split the file."
            self.feed.findings.add("espi.xml.trailing", text, severity="serious", file=self.source.name, line=line)
            return
        is_cut = at_end and code != _ENTITY
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
        """Keep the readings of the open block, and the resources of the open entry, that have ended."""
        self.damaged = True
        if self.open_block is not None:
            for child in list(self.open_block)[::-1]:
                if child is self.last_reading:
                    break
                if self.names[child.tag] == "IntervalReading":
                    self.open_block.remove(child)
            self._block(self.open_block)
        holder = self.open_entry if self.open_entry is not None else self.root
        for parent in () if holder is None else (holder, *holder.iterchildren("{*}content", "content")):
            last = parent[-1] if len(parent) else None
            if last is not None and last is not self.last_resource and self.names[last.tag] in RESOURCES:
                parent.remove(last)
        if self.open_entry is not None:
            self._entry(self.open_entry)
            self.open_entry = None

    def _finish(self) -> None:
        root = self.root
        if root is not None:
            self.document.root = (self.names[root.tag] or "").removeprefix("atom:")
            for child in root:
                self._feed_member(child)
            if self.document.root not in ("feed", "entry") and not (self.damaged and self.document.root in RESOURCES):
                self._bare(root)
        if self.blocks:
            self._adopt(self._new_entry())
        if not self.resources and self.document.root != "feed" and not self.recover:
            shown = self.document.root or "nothing known"
            raise OtherFormat(
                f"the XML holds no ESPI resource (its root is {shown}): expected a Green Button feed",
                source=self.source.name,
            )

    def _bare(self, root: Any) -> None:
        """Read a document that is a resource itself, or an unknown wrapper of resources."""
        entry = self._new_entry()
        self._resource(entry, root)
        if not entry.kinds and (self.names[root.tag] or "") not in RESOURCES:
            for child in root:
                self._resource(entry, child)
        if entry.kinds:
            self._adopt(entry)


def _fault(error: Any, log: Any) -> tuple[int, int, str]:
    """Give libxml2's code, line and words for what went wrong; an entity that nobody declared is only in the log."""
    for entry in log if error.code == _NOTHING else ():
        if entry.type != _UNDECLARED:
            return entry.type, entry.line, entry.message
    return error.code, error.lineno or 1, str(error.msg).partition(", line")[0].strip()
