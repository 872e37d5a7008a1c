"""Files to XML text: the document from its root element on, as UTF-8, or a sentence on what the file is instead."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from greenkit.errors import LimitError, OtherFormat
from greenkit.sources import foreign

CHUNK: Final = 1 << 20
_PROLOG: Final = 1 << 20
# an unfinished comment runs to the end of what is given, so that nothing in it is taken for the root
_MARKUP: Final = re.compile(rb"<(?:\?.*?(?:\?>|\Z)|!--.*?(?:-->|\Z)|!DOCTYPE|(?=[A-Za-z_:\x80-\xff]))", re.S | re.I)
_ENCODING: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_FOREIGN: Final = {
    b"{": "JSON, not a Green Button feed (XML): use load_smt if it is Smart Meter Texas's",
    b"[": "JSON, not a Green Button feed (XML): use load_smt if it is Smart Meter Texas's",
    b"&lt;": "XML that was written as text, with &lt; for each <: unescape it, or download it again",
    b"-----BEGIN PGP": "encrypted with OpenPGP: use greenkit.load(…, pgp=greenkit.pgp.Keyring(passphrase=…))",
    b"00000001,": "an LSE file of Smart Meter Texas: use load_smt",
}
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
    if at is None or foreign(head) or head.lstrip().startswith(tuple(_FOREIGN)):
        raise OtherFormat(_not_xml(head), source=name)
    if utf8[at : at + 5].lower() == b"<html" or utf8[at : at + 14].lower() == b"<!doctype html":
        raise OtherFormat(
            "this is a web page (a sign-in page?), not a Green Button feed: download the file again", source=name
        )
    if utf8[at : at + 2] == b"<!":
        raise LimitError(f"{name}: the document has a DOCTYPE, which Green Button never has and which may be an attack")

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
    if what := foreign(head):
        return what
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            return f"this is {what}"
    if b"\0" not in start and sum(b"," in line or b"\t" in line for line in start.splitlines()) > 1:
        return (
            "this looks like a CSV file, not a Green Button feed (XML): use load_smt if it is Smart Meter Texas's, "
            "else download the XML instead"
        )
    return "this is not XML: expected a Green Button feed"


ATOM_NAMES: Final = frozenset(
    {
        "feed",
        "entry",
        "link",
        "content",
        "id",
        "title",
        "published",
        "updated",
        "author",
        "contributor",
        "generator",
        "icon",
        "logo",
        "source",
        "subtitle",
        "category",
        "rights",
        "summary",
    }
)
_FRAME: Final = frozenset({"feed", "entry", "link", "content"})
"""Atom's names that no ESPI resource has for a member."""
USAGE: Final = (
    "UsagePoint",
    "MeterReading",
    "ReadingType",
    "IntervalBlock",
    "LocalTimeParameters",
    "UsageSummary",
    "ElectricPowerUsageSummary",
    "ElectricPowerQualitySummary",
    "ProgramIdMappings",
)
SERVICE: Final = ("ApplicationInformation", "Authorization", "BatchList", "ServiceStatus", "ServiceCategory")
CUSTOMER: Final = (
    "Customer",
    "CustomerAccount",
    "CustomerAgreement",
    "ServiceLocation",
    "ServiceSupplier",
    "Meter",
    "EndDevice",
    "ProgramDateIdMappings",
    "Statement",
    "StatementRef",
)
RESOURCES: Final = frozenset((*USAGE, *SERVICE, *CUSTOMER))
# Con Edison's API begins these with a small letter, a generator has a capital too many; ESPI has no such names itself.
SPELLINGS: Final = {
    name[0].lower() + name[1:]: name
    for name in ("UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "IntervalReading", "UsageSummary")
} | {"IntervalBLock": "IntervalBlock"}
ALIASES: Final = {"TimeConfiguration": "LocalTimeParameters", "statement": "Statement"}


class Names(dict[str, str | None]):
    """Tag → local name; Atom's as ``atom:entry``; None for an element of a foreign namespace, or a comment.

    Examples
    --------
    >>> names = Names()
    >>> names["{http://naesb.org/espi}value"], names["{http://www.w3.org/2005/Atom}entry"], names["ns1:entry"]
    ('value', 'atom:entry', 'atom:entry')
    >>> names["{urn:vendor}value"] is None
    True
    """

    def __missing__(self, tag: str) -> str | None:
        self[tag] = found = _known(tag) if isinstance(tag, str) else None
        return found


def _known(tag: str) -> str | None:
    if not tag.startswith("{"):
        # no namespace at all, or a prefix that nobody declared: the local name alone tells
        local = tag.rpartition(":")[2]
        return f"atom:{local}" if local in ATOM_NAMES else SPELLINGS.get(local, local)
    uri, _, local = tag[1:].partition("}")
    uri = (uri.lower().rstrip("/").partition("://")[2] or uri.lower()).removeprefix("www.")
    if uri.startswith("naesb.org/espi"):
        # one namespace for the whole document
        return f"atom:{local}" if local in _FRAME else SPELLINGS.get(local, local)
    if uri == "w3.org/2005/atom":  # some forget to declare ESPI's namespace, and leave its names in Atom's
        return f"atom:{local}" if local in ATOM_NAMES else local
    return None
