"""Bytes of a text file as pieces of whole lines, and decimals read from them in bulk."""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from greenkit.errors import LimitError
from greenkit.sources import Source

BLANKS: Final = ("", " ", "NULL", "null", "Null", "NaN", "nan", "NA", "N/A", "n/a", "None", "-")
"""What stands for no value."""
_THOUSANDS: Final = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA: Final = re.compile(r"[-+]?(\d*|\d{1,3}(\.\d{3})+),\d+")
PIECE: Final = 1 << 22
Advance = Callable[[int], object]
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
_LONGEST: Final = 1 << 28
"""Bytes that may pass before a line or record ends; a year of one-minute readings has 12 million."""
_DIGITS_EXACT: Final = 15
_POWERS: Final = 10.0 ** np.arange(_DIGITS_EXACT + 1)


def encoding(head: bytes) -> str:
    """Tell UTF-16 and a byte order mark by the first bytes; anything else is read as a superset of ASCII."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return ""


def decode_head(raw: bytes) -> str:
    """Decode the first bytes of a file, of whatever encoding."""
    name = encoding(raw)
    return (raw.decode(name, errors="replace") if name else decode(raw)).removeprefix("\ufeff")


def decode(raw: bytes) -> str:
    """Decode a cell or line of a piece: UTF-8, else Latin-1, which cannot fail."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def cells(line: str, delimiter: str) -> list[str]:
    """Split one line of a CSV, and take blanks off each cell; a blank line has none.

    Each line by itself, since no cell of SMT holds a line end, and a stray quote must not swallow the lines below it.
    """
    if '"' in line:
        try:
            found = next(csv.reader([line], delimiter=delimiter))
        except csv.Error:
            found = [line]
    else:
        found = line.split(delimiter)
    found = [cell.strip() for cell in found]
    return found if any(found) else []


def number(text: str) -> float | None:
    """Read one number; None for anything else, and for what only a program would take for one (nan, inf, 1_0)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def amount(cell: str, delimiter: str) -> float | None:
    r"""Read a number as people and spreadsheets write it; None where it is none, or could be either of two.

    Where a semicolon parts the cells, a comma is decimal; where a comma does, it sets off thousands.

    Examples
    --------
    >>> amount("1,234.5", ","), amount("1.234,5", ";"), amount("0,145", ";"), amount("1,234", ";")
    (1234.5, 1234.5, 0.145, 1.234)
    >>> amount("0,145", ",") is None and amount("1,234", "\t") is None
    True
    """
    if "," in cell:
        thousands = _THOUSANDS.fullmatch(cell) is not None
        if delimiter != "," and _DECIMAL_COMMA.fullmatch(cell) and (delimiter == ";" or not thousands):
            cell = cell.replace(".", "").replace(",", ".")
        elif thousands and (delimiter == "," or "." in cell):
            cell = cell.replace(",", "")
    return number(cell)


class Piece(NamedTuple):
    """Whole lines of a file."""

    text: bytes
    line: int
    """The number of its first line."""
    cut: bool
    """The file ends here without the end of a line, so its last row may not be whole."""


def pieces(source: Source, advance: Advance, *, cut: bytes = b"\n", size: int = PIECE) -> Iterator[Piece]:
    r"""Give a file as pieces that end where ``cut`` begins a new one.

    Line ends are ``\n``, whatever they were, and every piece ends with one; a byte order mark and a DOS
    end-of-file mark are gone, UTF-16 has become UTF-8.
    """
    line, rest = 1, b""
    with source.open() as file:
        for chunk in _chunks(file, size, advance):
            whole = rest + chunk if rest else chunk
            at = whole.rfind(cut)
            if at < 0:
                rest = whole
                if len(rest) > _LONGEST:
                    raise LimitError(
                        f"{source.name}: more than {_LONGEST:,} bytes without the end of a row: no such file is read"
                    )
                continue
            yield Piece(whole[: at + 1], line, False)
            line += int(np.count_nonzero(np.frombuffer(whole, dtype=np.uint8, count=at + 1) == 10))
            rest = whole[at + 1 :]
    rest = rest.rstrip(b"\x1a\0")
    if rest:
        ended = rest.endswith(b"\n")
        yield Piece(rest if ended else rest + b"\n", line, not ended)


def _chunks(file: BinaryIO, size: int, advance: Advance) -> Iterator[bytes]:
    decoder = None
    first = True
    while chunk := file.read(size):
        advance(len(chunk))
        if first:
            name = encoding(chunk[:4])
            decoder = codecs.getincrementaldecoder(name)(errors="replace") if name.startswith("utf-16") else None
            first = False
        if decoder:
            chunk = decoder.decode(chunk).encode()
        if codecs.BOM_UTF8[:1] in chunk:  # files that were put together have a mark each
            chunk = chunk.replace(codecs.BOM_UTF8, b"")
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):
                chunk += _next_byte(file, decoder)
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield chunk


def _next_byte(file: BinaryIO, decoder: codecs.IncrementalDecoder | None) -> bytes:
    return decoder.decode(file.read(2)).encode() if decoder else file.read(1)


def decimals(text: Bytes, start: Positions, stop: Positions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read decimals such as ``0.207``, ``.145`` or ``-12`` at given places, all at once.

    Returns
    -------
    values : array of float64
        The very float that ``float()`` gives, since an integer below 10**15 over a power of ten is rounded once.
        NaN where the place is blank.
    odd : array of bool
        Places that hold anything else (blanks around it, an exponent, letters): their value is NaN.
    """
    width = stop - start
    longest = int(width.max(initial=0))
    mantissa = np.zeros(len(start), dtype=np.int64)
    digits = np.zeros(len(start), dtype=np.int64)
    point = np.full(len(start), -1, dtype=np.int64)
    odd = width > _DIGITS_EXACT + 2
    negative = np.zeros(len(start), dtype=bool)
    for k in range(min(longest, _DIGITS_EXACT + 2)):
        here = k < width
        byte = text[np.minimum(start + k, len(text) - 1)]
        digit = here & (byte - np.uint8(48) <= 9)
        mantissa = np.where(digit, mantissa * 10 + (byte - np.uint8(48)), mantissa)
        digits += digit
        dot = here & (byte == 46) & (point < 0)
        point[dot] = digits[dot]
        other = here & ~digit & ~dot
        if k == 0:
            negative = other & (byte == 45)
            other &= ~negative
        odd |= other
    blank = width == 0
    odd |= ~blank & ((digits == 0) | (digits > _DIGITS_EXACT))
    decimal_places = np.where(point < 0, 0, digits - point)
    values = mantissa / _POWERS[np.minimum(decimal_places, _DIGITS_EXACT)]
    values[negative] *= -1
    values[blank | odd] = np.nan
    return values, odd
