"""The XML text of a file as UTF-8 from its root element on, and the names of its elements.

Feeds declare Atom and ESPI as the default namespace, with a prefix, or not at all (a fragment of a feed), and a new
release of a utility's software may change the prefixes. An element is therefore known by the family of its namespace
and its local name.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from greenkit import _foreign
from greenkit.errors import FormatError, LimitError, OtherFormat
from greenkit.espi import quirks
from greenkit.text import detect_encoding, text_encoding

CHUNK: Final = 1 << 20
"""Bytes of a document that are read and parsed at a time."""
_PROLOG: Final = 1 << 20
"""Bytes in which the root element must begin."""
# A comment without an end reaches to the end of the text, so that nothing in it looks like the root.
_MARKUP: Final = re.compile(rb"<(?:\?.*?(?:\?>|\Z)|!--.*?(?:-->|\Z)|!DOCTYPE|(?=[A-Za-z_:\x80-\xff]))", re.S | re.I)
_ENCODING: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
# First characters of files that another function of greenkit reads, what they are, and the next step
_OTHERS: Final = {
    b"{": ("JSON", "If it is from Smart Meter Texas, call load_smt."),
    b"[": ("JSON", "If it is from Smart Meter Texas, call load_smt."),
    b"-----BEGIN PGP": ("an OpenPGP message", "Call greenkit.load(…, pgp=greenkit.pgp.Keyring(passphrase=…))."),
    b"00000001,": ("an LSE file", "Call load_smt."),
}

Tree = dict[str, list[Any]]
"""An element: the texts and trees of its members by local name, in document order."""


class WebPage(OtherFormat):
    """A web page, which portals put next to the feed in an archive."""


# The text


def document_pieces(
    file: BinaryIO, name: str, encoding: str | None, advance: Callable[[int], object]
) -> tuple[int, bool, Iterator[bytes]]:
    """Return the lines before the root element, whether text is before it, and the document as pieces of UTF-8.

    Byte-order marks, blank lines, the prolog, comments, style sheets, and stray text before the root are handled here.
    No parser sees them, and a DOCTYPE is refused before a parser can act on it.

    Raises
    ------
    OtherFormat
        If the file is not XML, or a web page.
    FormatError
        If the document declares an encoding that its text cannot be in.
    LimitError
        If the document has a DOCTYPE.
    """
    head = b""
    while len(head) < _PROLOG and (chunk := file.read(CHUNK)):
        head += chunk
        if _root(_decoded(head, encoding, name)[0]) is not None:
            break
    utf8, decoder = _decoded(head, encoding, name)
    at = _root(utf8)
    if at is None or _foreign.recognize(head) or head.lstrip().startswith(tuple(_OTHERS)):
        raise _not_xml(head, name)
    if known := _foreign.recognize(utf8[at : at + 512]):
        kind = WebPage if known.what == "a web page" else OtherFormat
        raise kind(f"This is {known.what}, not a Green Button feed", source=name, next_step=known.next_step)
    if utf8[at : at + 2] == b"<!":
        raise LimitError(
            f"{name}: The document has a DOCTYPE, which Green Button feeds never have and which may be an attack",
            next_step="Download the feed again from the utility.",
        )

    def pieces() -> Iterator[bytes]:
        advance(len(head))
        yield utf8[at:]
        while chunk := file.read(CHUNK):
            advance(len(chunk))
            yield decoder.decode(chunk).encode() if decoder else chunk
        if decoder and (left := decoder.decode(b"", True)):
            yield left.encode()

    before = _MARKUP.sub(b"", utf8[:at]).removeprefix(codecs.BOM_UTF8)
    return utf8[:at].count(b"\n"), bool(before.strip()), pieces()


def _decoded(head: bytes, encoding: str | None, name: str) -> tuple[bytes, codecs.IncrementalDecoder | None]:
    """Return the head as UTF-8, and the decoder for the rest, or None if the bytes are UTF-8 already."""
    encoding = encoding or _encoding(head, name)
    if encoding in ("utf-8", "ascii"):
        return head, None
    decoder = codecs.getincrementaldecoder(encoding)("strict" if encoding != "windows-1252" else "replace")
    return decoder.decode(head).encode(), decoder


def _encoding(head: bytes, name: str) -> str:
    # two bytes are enough for a document, which cannot begin with a zero
    if encoding := detect_encoding(head[:4]):
        return encoding
    if head[1:2] == b"\0" or head[:1] == b"\0":
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    declared = _ENCODING.search(head[:1024])
    if declared is None:
        return "utf-8"
    known = text_encoding(declared[1].decode())
    if known is not None:
        return known
    try:
        found = codecs.lookup(declared[1].decode())
    except (LookupError, ValueError):
        return "utf-8"
    # a declaration of UTF-16 that is readable as ASCII is wrong: the file was saved again in another encoding
    if found.name.startswith(("utf-16", "utf-32")):
        return "utf-8"
    raise FormatError(
        f"The document declares the encoding {declared[1].decode()!r}, but its text is not in that encoding",
        source=name,
        next_step="Download the feed again from the utility.",
    )


def _root(utf8: bytes) -> int | None:
    """Return where the root element or a DOCTYPE begins, or None if the text has neither."""
    for markup in _MARKUP.finditer(utf8):
        text = markup[0]
        if text == b"<" or text[:9].upper() == b"<!DOCTYPE":
            return markup.start()
    return None


def _not_xml(head: bytes, name: str) -> OtherFormat:
    """Return the error that names the format of a file that is not XML."""
    start = head.lstrip()[:512]
    if not start:
        return OtherFormat("The file is empty", source=name, next_step="Download it again.")
    if not head.strip(b"\0"):
        return OtherFormat("The file contains only zero bytes", source=name, next_step="Download it again.")
    if known := _foreign.recognize(head):
        kind = WebPage if known.what == "a web page" else OtherFormat
        return kind(f"This is {known.what}", source=name, next_step=known.next_step)
    for mark, (what, next_step) in _OTHERS.items():
        if start.startswith(mark):
            return OtherFormat(f"This is {what}, not a Green Button feed (XML)", source=name, next_step=next_step)
    if b"\0" not in start and sum(b"," in line or b"\t" in line for line in start.splitlines()) > 1:
        return OtherFormat(
            "This looks like a CSV file, not a Green Button feed (XML)",
            source=name,
            next_step="Call load_smt if it is from Smart Meter Texas, and load_table if it is from another portal.",
        )
    return OtherFormat(
        "This is not XML", source=name, next_step="Check that this is the Green Button feed you meant to load."
    )


# The names

ATOM_NAMES: Final = frozenset(
    {
        *("feed", "entry", "link", "content", "id", "title", "published", "updated", "author", "contributor"),
        *("generator", "icon", "logo", "source", "subtitle", "category", "rights", "summary"),
    }
)
_FRAME: Final = frozenset({"feed", "entry", "link", "content"})
"""Names of Atom that no ESPI resource has for a member."""
USAGE: Final = (
    *("UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "LocalTimeParameters", "UsageSummary"),
    *("ElectricPowerUsageSummary", "ElectricPowerQualitySummary", "ProgramIdMappings"),
)
SERVICE: Final = ("ApplicationInformation", "Authorization", "BatchList", "ServiceStatus", "ServiceCategory")
CUSTOMER: Final = (
    *("Customer", "CustomerAccount", "CustomerAgreement", "ServiceLocation", "ServiceSupplier", "Meter", "EndDevice"),
    *("ProgramDateIdMappings", "Statement", "StatementRef"),
)
RESOURCES: Final = frozenset((*USAGE, *SERVICE, *CUSTOMER))
ALIASES: Final = {"TimeConfiguration": "LocalTimeParameters", "statement": "Statement"}
_MISSPELLED: Final = {"IntervalBLock": "IntervalBlock"}


def spellings() -> dict[str, str]:
    """Return the element names that senders write differently, by their names in the schema."""
    out = dict(_MISSPELLED)
    for quirk in quirks.in_use():
        out |= quirk.spellings
    return out


class Names(dict[str, str | None]):
    """Local names by tag: Atom's as ``atom:entry``, None for an element of another namespace or a comment.

    Examples
    --------
    >>> names = Names()
    >>> names["{http://naesb.org/espi}value"], names["{http://www.w3.org/2005/Atom}entry"], names["ns1:entry"]
    ('value', 'atom:entry', 'atom:entry')
    >>> names["{urn:vendor}value"] is None
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.spellings = spellings()

    def __missing__(self, tag: str) -> str | None:
        self[tag] = name = self._local_name(tag) if isinstance(tag, str) else None
        return name

    def _local_name(self, tag: str) -> str | None:
        if not tag.startswith("{"):
            # without a namespace, or with a prefix that is not declared, only the local name is left
            local = tag.rpartition(":")[2]
            return f"atom:{local}" if local in ATOM_NAMES else self.spellings.get(local, local)
        uri, _, local = tag[1:].partition("}")
        uri = (uri.lower().rstrip("/").partition("://")[2] or uri.lower()).removeprefix("www.")
        if uri.startswith("naesb.org/espi"):
            # some documents have this one namespace for everything
            return f"atom:{local}" if local in _FRAME else self.spellings.get(local, local)
        if uri == "w3.org/2005/atom":  # some do not declare ESPI's namespace, so that its names are in Atom's
            return f"atom:{local}" if local in ATOM_NAMES else local
        return None
