"""Text files: encodings, pieces of complete lines, cells, and numbers, one at a time and in bulk.

Every reader of text uses these functions, so that a byte-order mark, a DOS end-of-file mark, UTF-16 and Latin-1 mean
the same in a CSV, an LSE file, and an XML feed. The numbers are those that ``float`` returns, never an approximation.
"""

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

BLANKS: Final = ("", " ", "NULL", "null", "Null", "NaN", "nan", "NA", "N/A", "n/a", "None", "-")
"""Cells that mean "no value"."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of text that a spreadsheet reads as a formula (OWASP, CSV injection)."""
PIECE: Final = 1 << 22
"""Bytes of a file that are read at a time."""
DIGITS: Final = 15
"""Digits of the longest number that the bulk parsers read: every integer of 15 digits is exact as a float64."""

# byte-order mark → codec; UTF-32 comes first because its little-endian mark begins with that of UTF-16
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# text encodings of Python in which no file is, by their normalized names
_NOT_FILES: Final = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_PRINTABLE: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_THOUSANDS: Final = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA: Final = re.compile(r"[-+]?(\d*|\d{1,3}(\.\d{3})+),\d+")
_LONGEST: Final = 1 << 28
"""Bytes that may pass before a line or record ends; a year of one-minute readings has 12 million."""
_TENS: Final = 10.0 ** np.arange(DIGITS + 1)

Advance = Callable[[int], object]
"""Takes the number of bytes that were read since the last call."""
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


# Encodings


def detect_encoding(head: bytes) -> str:
    r"""Return the codec of a file whose first bytes prove it: a byte-order mark, or the zero bytes of UTF-16.

    Parameters
    ----------
    head : bytes
        First bytes of the file, at least 4 if it has them.

    Returns
    -------
    str
        ``"utf-8-sig"``, ``"utf-16"``, ``"utf-16-le"``, ``"utf-16-be"`` or ``"utf-32"``; an empty string for any
        other file, which is read as a superset of ASCII.

    Examples
    --------
    >>> detect_encoding(b"\xef\xbb\xbfESIID"), detect_encoding("ESIID".encode("utf-16-be")), detect_encoding(b"ESIID")
    ('utf-8-sig', 'utf-16-be', '')
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    # ASCII text in UTF-16 has a zero in every second byte
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return ""


def text_encoding(name: str) -> str | None:
    """Return Python's name of an encoding that a document declares, or None if no text file can be in it.

    The declaration itself is read as ASCII, so it is true only of an encoding in which ASCII bytes mean ASCII. This
    excludes Python's codecs that are not encodings (``rot13``, ``hex``, ``zlib``, ``undefined``) as well as UTF-16.

    Examples
    --------
    >>> text_encoding("ISO-8859-1"), text_encoding("hex"), text_encoding("no-such-encoding")
    ('iso8859-1', None, None)
    """
    try:
        found = codecs.lookup(name)
        same = found.name not in _NOT_FILES and _PRINTABLE.decode(found.name) == _PRINTABLE.decode("ascii")
    except (LookupError, ValueError):  # UnicodeError is a ValueError
        return None
    return found.name if same and found.incrementaldecoder is not None else None


def decode_head(raw: bytes) -> str:
    """Return the first bytes of a file as text without a byte-order mark, in whatever encoding they are."""
    name = detect_encoding(raw)
    return (raw.decode(name, errors="replace") if name else decode(raw)).removeprefix("\ufeff")


def decode(raw: bytes) -> str:
    r"""Return a cell or line as text: UTF-8, or else Latin-1, which cannot fail.

    Examples
    --------
    >>> decode("Café".encode()) == decode("Café".encode("latin-1"))
    True
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# Lines and cells


class Piece(NamedTuple):
    r"""Consecutive complete lines of a file, created by :func:`read_pieces`.

    Attributes
    ----------
    text : bytes
        The lines. Each ends with ``\n``.
    line : int
        Number of the first line, counted from 1.
    cut : bool
        The file ends here without the end of a line, so its last row may be truncated.
    """

    text: bytes
    line: int
    cut: bool


def read_pieces(
    file: BinaryIO, name: str, advance: Advance, *, cut: bytes = b"\n", size: int = PIECE
) -> Iterator[Piece]:
    r"""Yield a text file as pieces of complete lines or records, in order.

    Every line of a piece ends with ``\n``, whichever line ends the file has. Byte-order marks and a DOS end-of-file
    mark are removed, and UTF-16 and UTF-32 are converted to UTF-8.

    Parameters
    ----------
    file : binary file
        Positioned at its first byte.
    name : str
        Name of the file, for errors.
    advance : callable
        Takes the number of bytes read, for progress.
    cut : bytes
        Bytes that begin a new line or record. A piece ends with their first byte. Default: the end of a line.
    size : int
        Bytes to read at a time. Default: 4 MiB.

    Raises
    ------
    LimitError
        If 256 MiB pass without the end of a line or record.

    Examples
    --------
    >>> import io
    >>> list(read_pieces(io.BytesIO(b"a,1\r\nb,2"), "x.csv", print))
    8
    [Piece(text=b'a,1\n', line=1, cut=False), Piece(text=b'b,2\n', line=2, cut=True)]
    """
    line, rest = 1, bytearray()
    for chunk in _utf8_chunks(file, size, advance):
        if len(cut) > 1:  # a record may begin where two chunks meet
            chunk, rest = bytes(rest) + chunk, bytearray()
        at = chunk.rfind(cut)
        if at < 0:
            rest += chunk
            if len(rest) > _LONGEST:
                raise LimitError(
                    f"{name}: More than {_LONGEST:,} bytes contain no line end",
                    next_step="Check that this is the file you meant to load; meter data files have shorter rows.",
                )
            continue
        text = b"".join((rest, memoryview(chunk)[: at + 1]))
        yield Piece(text, line, False)
        line += int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == 10))
        rest = bytearray(chunk[at + 1 :])
    last = rest.rstrip(b"\x1a\0")
    if last:
        ended = last.endswith(b"\n")
        yield Piece(bytes(last if ended else last + b"\n"), line, not ended)


def _utf8_chunks(file: BinaryIO, size: int, advance: Advance) -> Iterator[bytes]:
    r"""Yield the file in chunks as UTF-8 or another superset of ASCII, with ``\n`` as its only line end."""
    decoder = None
    first = True
    while chunk := file.read(size):
        advance(len(chunk))
        if first:
            encoding = detect_encoding(chunk[:4])
            wide = encoding.startswith(("utf-16", "utf-32"))
            decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if wide else None
            first = False
        if decoder:
            chunk = decoder.decode(chunk).encode()
        if codecs.BOM_UTF8[:1] in chunk:  # concatenated files have a byte-order mark each
            chunk = chunk.replace(codecs.BOM_UTF8, b"")
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):  # the \n of this line end may be the first byte of the next chunk
                chunk += _next_character(file, decoder)
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield chunk


def _next_character(file: BinaryIO, decoder: codecs.IncrementalDecoder | None) -> bytes:
    if decoder is None:
        return file.read(1)
    out = b""
    while not out and (more := file.read(2)):
        out = decoder.decode(more).encode()
    return out


def split_row(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line of a CSV, without surrounding blanks; a blank line has no cells.

    Each line is split separately: no cell of meter data contains a line end, and a stray quotation mark must not
    swallow the lines below it.

    Examples
    --------
    >>> split_row(' a ,"b,c",', ","), split_row(" , ", ",")
    (['a', 'b,c', ''], [])
    """
    if '"' in line:
        try:
            cells = next(csv.reader([line], delimiter=delimiter))
        except csv.Error:
            cells = [line]
    else:
        cells = line.split(delimiter)
    cells = [cell.strip() for cell in cells]
    return cells if any(cells) else []


# Numbers, one at a time


def parse_number(text: str) -> float | None:
    """Return a finite number, or None for any other text.

    Examples
    --------
    >>> parse_number("0.145"), parse_number("1e3"), parse_number("nan"), parse_number("1_000"), parse_number("１２")
    (0.145, 1000.0, None, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    # float() accepts 1_000, as Python source does, and digits of other scripts; no meter data file means either
    return value if math.isfinite(value) and "_" not in text and text.isascii() else None


def parse_amount(cell: str, delimiter: str) -> float | None:
    r"""Return a number as people and spreadsheets write it, or None if it is not a number or is ambiguous.

    In a file with semicolons between its cells, a comma is the decimal sign. In one with commas, it separates
    thousands.

    Examples
    --------
    >>> parse_amount("1,234.5", ","), parse_amount("1.234,5", ";"), parse_amount("0,145", ";")
    (1234.5, 1234.5, 0.145)
    >>> parse_amount("1,234", ";"), parse_amount("0,145", ","), parse_amount("1,234", "\t")
    (1.234, None, None)
    """
    if "," in cell:
        thousands = _THOUSANDS.fullmatch(cell) is not None
        if delimiter != "," and _DECIMAL_COMMA.fullmatch(cell) and (delimiter == ";" or not thousands):
            cell = cell.replace(".", "").replace(",", ".")
        elif thousands and (delimiter == "," or "." in cell):
            cell = cell.replace(",", "")
    return parse_number(cell)


# Numbers in bulk
#
# All three functions look at many places of one text at once. ``text`` is a uint8 array of ASCII bytes and ``at`` an
# int64 array of places in it, one for each number. The text must end with at least one byte that is neither a digit
# nor a point, so that no number runs off its end. Example, for the text "0.207,A,-12\n":
#
#     at                            0        8         places where numbers begin
#     scan_digits(text, at)         (0, 0)  (1, 8)     the numbers, and where their digits end; none at the sign
#     scan_decimals(text, at)       (0.207, 0), (5, 8)
#
# They loop over the digits of the longest number (15 at most), not over the numbers.


def scan_digits(text: Bytes, at: Positions) -> tuple[Positions, Positions]:
    """Read the digits that begin at each place, 15 at most.

    Returns
    -------
    number : int64 array
        Value of the digits; 0 if there are none.
    end : int64 array
        Place after the last digit.
    """
    number, at = np.zeros(len(at), dtype=np.int64), at.copy()
    going = np.ones(len(at), dtype=bool)  # places whose number has not ended yet
    left = len(at)
    ended = []  # places whose number ended before the longest one; theirs is computed on, and then put back
    for _ in range(DIGITS):
        digit = text.take(at, mode="clip")
        digit -= np.uint8(48)  # unsigned, so that bytes below "0" wrap around to large numbers
        was_going, going = going, going & (digit < 10)
        before, left = left, int(np.count_nonzero(going))
        if not left:
            break
        if left < before:
            done = np.flatnonzero(was_going & ~going)
            ended.append((done, number[done], at[done]))
        number *= 10
        number += digit
        at += 1
    for done, numbers, ends in ended:
        number[done], at[done] = numbers, ends
    return number, at


def scan_decimals(text: Bytes, at: Positions) -> tuple[Positions | Floats, Positions]:
    """Read the number that begins at each place, with or without decimals, of 15 digits in all at most.

    Returns
    -------
    number : int64 or float64 array
        The float that ``float()`` returns, because an integer below 10**15 over a power of ten is rounded once.
        An int64 array if no number has decimals.
    end : int64 array
        Place after the number; the same as ``at`` if there is none.
    """
    whole, end = scan_digits(text, at)
    is_pointed = text[end] == ord(".")
    if not is_pointed.any():
        return whole, end
    if 2 * np.count_nonzero(is_pointed) < len(at):  # of few, only those are read on
        few = np.flatnonzero(is_pointed)
        number = whole.astype(np.float64)
        number[few], end[few] = _fractions(text, at[few], whole[few], end[few], is_pointed[few])
        return number, end
    return _fractions(text, at, whole, end, is_pointed)


def _fractions(
    text: Bytes, at: Positions, whole: Positions, point: Positions, is_pointed: Bools
) -> tuple[Floats, Positions]:
    """Return numbers with the decimals that follow their point, and where they end."""
    part, stop = scan_digits(text, point + 1)
    places = stop - point - 1
    fits = is_pointed & (places > 0) & (stop - at <= DIGITS + 1)
    tens = _TENS[places]
    number = (whole * tens + part) / tens  # both are exact integers: one rounding
    if fits.all():
        return number, stop
    return np.where(fits, number, whole), np.where(fits, stop, point)


def parse_decimals(text: Bytes, start: Positions, stop: Positions) -> tuple[Floats, Bools]:
    r"""Read decimals such as ``0.207``, ``.145`` or ``-12`` that fill the text from ``start`` to ``stop``.

    Returns
    -------
    values : float64 array
        The float that ``float()`` returns; NaN if the place is blank.
    odd : bool array
        Places that contain anything else, such as blanks, an exponent, letters, or more than 15 digits. Their value
        is NaN.

    Examples
    --------
    >>> text = np.frombuffer(b".145,,-12,1e3\n", dtype=np.uint8)
    >>> values, odd = parse_decimals(text, np.array([0, 5, 6, 10]), np.array([4, 5, 9, 13]))
    >>> values.tolist(), odd.tolist()
    ([0.145, nan, -12.0, nan], [False, False, False, True])
    """
    negative = (text[start] == ord("-")) & (stop > start)
    begin = start + negative
    number, end = scan_decimals(text, begin)
    values = number.astype(np.float64, copy=False)
    np.negative(values, out=values, where=negative)
    blank = stop == start
    odd = ~blank & ((end != stop) | (end == begin))
    values[blank | odd] = np.nan
    return values, odd
