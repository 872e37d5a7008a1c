"""Which format a stream is in, told by its first bytes and never by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from greenkit.errors import FormatError
from greenkit.smt import lse_headers
from greenkit.sources import foreign, is_openpgp
from greenkit.text import decode_head

HEAD: Final = 1 << 16
"""Bytes that are looked at: a CSV may have lines before its header."""
_BINARY: Final = dict.fromkeys(set(range(32)) - set(b"\t\n\r\f\x1a"))
"""Control characters that no text has."""
_RESAVED: Final = re.compile(rb"1[,;\t][^,;\t]*[,;\t]\d{1,3}[,;\t]2[.,]\d+E\+13[,;\t]")
"""Header 1 of LSE as a spreadsheet saves it: leading zeros gone, times and ids rounded."""
_DOWNLOADS: Final = (
    *("type,date,start time,", "type,start date,end date,"),  # Opower's: PG&E, PECO, ComEd, RG&E
    *("energy consumption time period,", "energy delivered time period,", "energy received time period,"),  # SCE
    *("meter number,date,start time,duration,", "interval_start,interval_end,"),  # SDG&E, UtilityAPI
)
"""What stands in the header of the CSV that portals give beside the XML, below lines with the customer's name."""
# kind → why it is refused; any other text is asked for the columns of SMT
_REFUSED: Final[Mapping[str, str]] = {
    "standard": "this is the older fixed-width Lodestar Standard format (.ls): ask for LSE (Lodestar Enhanced) or CSV "
    "instead",
    "resaved": "this is LSE that a spreadsheet has saved again, which loses digits of ESI IDs and times: take the file "
    "as it came, and do not open it in a spreadsheet",
    "download": "this is the CSV of a utility's Green Button download, which greenkit does not read: take its XML "
    "instead, and read that with greenkit.load_espi",
    "tidy": "this is a greenkit frame as CSV: read it with greenkit.export.read_csv",
    "html": "this is a web page, not data: download the file again, and check that you were signed in",
    "binary": "this is no Smart Meter Texas file: expected LSE, CSV, JSON or XML, or a zip, gzip or OpenPGP message of "
    "them",
}


def kind_of(head: bytes) -> tuple[str, str]:
    """Tell a format by a stream's first bytes, and give them as text without what stands before it."""
    if what := foreign(head):
        return "foreign", what
    if is_openpgp(head):
        return "openpgp", ""
    text = decode_head(head).lstrip("\0 \t\r\n\x1a")
    if not text:
        return "empty", ""
    start = text[:200].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "html", text
    if text.startswith("<"):
        return "xml", text
    if text[0] in "{[":
        return "json", text
    raw = text[:100].replace('"', "").replace(" ", "").encode()
    if lse_headers.is_lse(raw):
        return "lse", text
    if lse_headers.is_standard(raw):
        return "standard", text
    if _RESAVED.match(raw):
        return "resaved", text
    if len(text) - len(text.translate(_BINARY)) > len(text) // 100:
        return "binary", ""
    return "csv", text


def refusal(kind: str, text: str, source: str) -> FormatError:
    """Give the error for a stream that is nothing of SMT, or no longer."""
    if kind == "foreign":
        return FormatError(text, source=source)
    flat = text.replace('"', "").replace("\t", ",").lower()
    if kind == "text" and any(header in flat for header in _DOWNLOADS):
        kind = "download"
    if flat.lstrip(",").startswith("meter,series,flow,start,"):
        kind = "tidy"
    line = next((line for line in text.splitlines() if line.strip()), "")
    default = (
        f"no columns of Smart Meter Texas in {line[:80]!r}: expected a header with ESIID, USAGE_DATE, …; from another "
        "portal, take the Green Button XML instead of the CSV"
    )
    return FormatError(_REFUSED.get(kind, default), source=source)
