"""ESPI documents to entries: Atom's links and dates, and the resources in them (RFC 4287; NAESB REQ.21).

A document is streamed through libxml2's push parser. IntervalBlocks go to :class:`~greenkit.espi.readings.Readings`
as soon as they end, and every entry is freed once it is read, so memory follows the readings and not the XML.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from urllib.parse import unquote

from lxml import etree

from greenkit.errors import FormatError, LimitError
from greenkit.espi.names import ALIASES, RESOURCES, Names
from greenkit.espi.readings import Readings
from greenkit.findings import Findings
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
CHUNK: Final = 1 << 18
_PROLOG: Final = 1 << 20
_NOTHING, _EXTRA, _ENTITY, _UNDECLARED = 1, 5, 26, 201  # libxml2's xmlParserErrors
# an unfinished comment runs to the end of what is given, so that nothing in it is taken for the root
_MARKUP: Final = re.compile(rb"<(?:\?.*?(?:\?>|\Z)|!--.*?(?:-->|\Z)|!DOCTYPE|(?=[A-Za-z_:\x80-\xff]))", re.S | re.I)
_ENCODING: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_FOREIGN: Final = {
    b"%PDF": "a PDF",
    b"{": "JSON",
    b"[": "JSON",
    b"-----BEGIN PGP": "an OpenPGP message: decrypt it first",
    b"00000001,": "an LSE file: use load_smt",
}
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Tree = dict[str, list[Any]]
"""An element as local name → its texts and trees, in document order."""


@dataclass(slots=True)
class Resource:
    """One ESPI resource other than an IntervalBlock."""

    kind: str
    data: Tree
    entry: int


@dataclass(slots=True)
class Entry:
    """One Atom entry; a bare resource has one without links."""

    document: int
    number: int
    self_: str = ""
    up: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    id: str = ""
    title: str = ""
    published: str = ""
    updated: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class Document:
    """One file's feed."""

    name: str
    title: str = ""
    root: str = ""
    self_: str = ""


@dataclass
class Feed:
    """All documents of one call."""

    names: Names = field(default_factory=Names)
    documents: list[Document] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    def __post_init__(self) -> None:
        self.readings = Readings(self.names)

    def mark(self) -> tuple[Any, ...]:
        """Remember what is there, for :meth:`rollback`."""
        counts = len(self.documents), len(self.entries), len(self.resources), len(self.findings)
        return self.readings.mark(), *counts

    def rollback(self, mark: tuple[Any, ...]) -> None:
        """Forget what was read since the mark."""
        readings, documents, entries, resources, findings = mark
        self.readings.rollback(readings)
        del self.documents[documents:], self.entries[entries:], self.resources[resources:]
        self.findings.truncate(findings)

    def of(self, *kinds: str) -> list[Resource]:
        """Give the resources of these kinds, in document order."""
        return [r for r in self.resources if r.kind in kinds]


def href(text: str | None) -> str:
    """Normalise a link so that absolute, rooted and relative forms of it are equal.

    Examples
    --------
    >>> href(" https://x.example/DataCustodian/espi/1_1/resource/UsagePoint/1/ ")
    'UsagePoint/1'
    >>> href("/espi/1_1/resource/UsagePoint/1") == href("UsagePoint/1")
    True
    """
    path = unquote((text or "").strip())
    scheme, mark, rest = path.partition("://")
    if mark and "/" not in scheme:
        path = rest.partition("/")[2]
    return path.rpartition("espi/1_1/resource/")[2].strip("/") if "espi/1_1/resource/" in path else path.strip("/")


class Unproved(Exception):
    """The fast path cannot vouch for the document: it is to be read plainly."""


def read(
    feed: Feed,
    source: Source,
    *,
    recover: bool,
    advance: Callable[[int], object],
    shorten: Callable[[Readings], Any] | None = None,
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
    shorten: Callable[[Readings], Any],
) -> bool:
    """Read a document by the fast path; False, and nothing read, when it has to be read plainly."""
    mark, done = feed.mark(), 0

    def advance_too(size: int) -> None:
        nonlocal done
        done += size
        advance(size)

    runs = feed.readings.runs = shorten(feed.readings)
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
            raise FormatError(
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


def document_pieces(
    file: BinaryIO, name: str, encoding: str | None, advance: Callable[[int], object]
) -> tuple[int, Iterator[bytes]]:
    """Give the document from its root element on as UTF-8, and the number of lines before it.

    What stands before the root is looked at here: byte-order marks, blank lines, the prolog, comments, style sheets
    and stray text. So no parser sees them, and a DOCTYPE is refused before any parser could act on it.
    """
    head = b""
    while len(head) < _PROLOG and (chunk := file.read(CHUNK)):
        head += chunk
        if _root(_decoded(head, encoding)[0]) is not None:
            break
    utf8, decoder = _decoded(head, encoding)
    at = _root(utf8)
    if at is None or head.lstrip().startswith(tuple(_FOREIGN)):
        raise FormatError(_not_xml(head), source=name)
    if utf8[at : at + 2] == b"<!":
        raise LimitError(f"{name}: the document has a DOCTYPE, which Green Button never has and which may be an attack")
    if utf8[at : at + 5].lower() == b"<html":
        raise FormatError(
            "this is a web page (a sign-in page?), not a Green Button feed: download the file again", source=name
        )

    def pieces() -> Iterator[bytes]:
        advance(len(head))
        yield utf8[at:]
        while chunk := file.read(CHUNK):
            advance(len(chunk))
            yield decoder.decode(chunk).encode() if decoder else chunk
        if decoder and (left := decoder.decode(b"", True)):
            yield left.encode()

    return utf8[:at].count(b"\n"), pieces()


def _decoded(head: bytes, encoding: str | None) -> tuple[bytes, codecs.IncrementalDecoder | None]:
    """Give the head as UTF-8, and the decoder for the rest; None where the bytes are UTF-8 already."""
    encoding = encoding or _encoding(head)
    if encoding in ("utf-8", "ascii"):
        return head, None
    decoder = codecs.getincrementaldecoder(encoding)("strict" if encoding != "windows-1252" else "replace")
    return decoder.decode(head).encode(), decoder


def _encoding(head: bytes) -> str:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if head[1:2] == b"\0" or head[:1] == b"\0":  # UTF-16 without a mark
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    found = _ENCODING.search(head[:1024])
    try:
        declared = codecs.lookup(found[1].decode()).name if found else "utf-8"
    except LookupError:
        return "utf-8"
    # a declaration of UTF-16 that can be read as ASCII is wrong: the file was re-saved
    return "utf-8" if declared.startswith(("utf-16", "utf-32")) else declared


def _root(utf8: bytes) -> int | None:
    """Find where the root element begins, or a DOCTYPE; None when neither stands in what is given."""
    for found in _MARKUP.finditer(utf8):
        text = found[0]
        if text == b"<" or text[:9].upper() == b"<!DOCTYPE":
            return found.start()
    return None


def _not_xml(head: bytes) -> str:
    start = head.lstrip()[:512]
    if not start:
        return "the file is empty"
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            return f"this is {what}, not a Green Button feed (XML)"
    if b"," in start.split(b"\n")[0]:
        return "this looks like a CSV file, not a Green Button feed (XML): use load_smt if it is Smart Meter Texas's"
    return "this is not XML: expected a Green Button feed"


def iterate(feed: Feed, sources: Iterable[Source]) -> Iterator[Source]:
    """Give the sources that may hold a feed; those found in a folder or archive that cannot are passed over."""
    for source in sources:
        if not source.named and _root(_decoded(source.head(), None)[0]) is None:
            text = f"{source.name} is not XML and was passed over."
            feed.findings.add("espi.file.passed-over", text, severity="warning", file=source.name)
            continue
        yield source
