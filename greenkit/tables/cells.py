"""Files as columns of cells: CSV with any delimiter in bulk by pyarrow, and the sheets of a workbook by openpyxl.

A :class:`Grid` shows its first rows, by which a layout is recognized, and then reads the columns that a mapping names.
A column of words keeps each distinct word once; a column of numbers is float64. Nothing here knows what a column means.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError, LimitError
from greenkit.sources import Limits, Source
from greenkit.text import BLANKS, Advance, decode, decode_head, parse_number, read_pieces, split_row

HEAD_ROWS: Final = 200
"""Number of rows that are searched for a header."""
_HEAD: Final = 1 << 20
MAX_COLUMNS: Final = 20_000
_TAIL: Final = 1 << 16
"""Bytes before the last line that are compared with it."""
_TAIL_ROWS: Final = 24
"""Rows whose numbers must have equally many decimals before one with fewer decimals is remarkable."""
_WIDE: Final = 24
"""Columns of numbers from which they are kept as one array: the table may have a column for each interval of a day."""
_MAX_WORD: Final = 4_096
"""Bytes of the longest word; a longer cell cannot be read."""
_MAX_SHEET_CELLS: Final = 100_000_000
_MAX_SHEETS: Final = 200
_PIECE: Final = 1 << 20
"""Bytes to parse at a time, which stay in the cache of the processor."""
_HELD: Final = 1 << 24
"""Bytes that wait for the end of a quoted cell that spans pieces."""
DELIMITERS: Final = (",", ";", "\t", "|")
MISSING: Final = (*BLANKS, "No Data", "NoData", "--", "#N/A")
"""Cells that mean "no value" in every table."""

Codes = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
_FOLD_BLANKS: Final = re.compile(r"\s+")
_DECIMALS: Final = re.compile(r"[+-]?\d+(?:[.,](\d*))?")
_DIGITS: Final = re.compile(r"[\d,. \u00a0\u202f'-]+")


def fold(text: str) -> str:
    r"""Return a name for comparison: without case, quotation marks, and runs of blanks (also non-breaking ones).

    Examples
    --------
    >>> fold("Energy\u00a0 Consumption ")
    'energy consumption'
    """
    return _FOLD_BLANKS.sub(" ", text.replace("\ufeff", "").strip().strip('"')).strip().casefold()


def clean_id(text: str) -> str:
    """Return an id without what spreadsheets and portals put around it.

    Examples
    --------
    >>> clean_id('="541448"'), clean_id("'00123"), clean_id(" 7 ")
    ('541448', '00123', '7')
    """
    return text.strip().removeprefix("=").strip().strip("'\"\u2018\u2019").strip()


def unique_names(names: Sequence[str]) -> list[str]:
    """Return column names of which each is different: the second ``Usage`` is ``Usage (2)``, an empty one its number.

    Examples
    --------
    >>> unique_names(["Usage", "", "Usage"])
    ['Usage', '2', 'Usage (2)']
    """
    seen: Counter[str] = Counter()
    out = []
    for i, name in enumerate(names):
        name = _FOLD_BLANKS.sub(" ", name.replace("\ufeff", "")).strip() or str(i + 1)
        seen[fold(name)] += 1
        out.append(name if seen[fold(name)] == 1 else f"{name} ({seen[fold(name)]})")
    return out


@dataclass
class Words:
    """A column of words: a code for each row, and the distinct words."""

    codes: Codes
    words: list[str]

    def take(self, rows: Codes) -> Words:
        """Return some of the rows."""
        return Words(self.codes[rows], self.words)

    def map(self, values: Sequence[Any] | npt.NDArray[Any], dtype: Any) -> Any:
        """Return an array with the value of each row's word."""
        return np.array(values, dtype=dtype)[self.codes] if len(values) else np.empty(len(self.codes), dtype=dtype)


@dataclass
class Columns:
    """The columns that a mapping needs.

    Attributes
    ----------
    rows : int
        Number of rows, without those that are left out.
    words : dict
        Name → :class:`Words`.
    numbers : dict
        Name → float64, NaN if the cell has no number.
    texts : dict
        Name → :class:`Words` of a column whose numbers have thousands separators, decimal commas, or signs of
        currencies; :func:`greenkit.tables.numbers.settle` makes numbers of them.
    left_out : int
        Rows with too few cells.
    cut : str
        Why the last row may be truncated; empty if nothing shows that it is.
    block : tuple of a list of str and an array of float64, rows by columns; optional
        Names and cells of the columns of numbers of a wide table, if all are numbers; ``numbers`` has views of them.
    """

    file: str
    rows: int
    words: dict[str, Words] = field(default_factory=dict)
    numbers: dict[str, Floats] = field(default_factory=dict)
    texts: dict[str, Words] = field(default_factory=dict)
    left_out: int = 0
    cut: str = ""
    block: tuple[list[str], Floats] | None = None

    def take(self, rows: Codes) -> Columns:
        """Return some of the rows."""
        return Columns(
            self.file,
            len(rows) if rows.dtype != bool else int(rows.sum()),
            {name: column.take(rows) for name, column in self.words.items()},
            {name: column[rows] for name, column in self.numbers.items()},
            {name: column.take(rows) for name, column in self.texts.items()},
        )


class Grid(Protocol):
    """Rows and columns of one file, or of one sheet of a workbook."""

    name: str
    named: bool
    delimiters: tuple[str, ...]

    def head(self, delimiter: str) -> list[list[str]]:
        """Return the first rows; a blank row is empty."""

    def read(
        self, delimiter: str, first: int, names: Sequence[str], words: Iterable[str], numbers: Iterable[str],
        missing: Sequence[str], advance: Advance,
    ) -> Columns:  # fmt: skip
        """Read columns of the rows from ``first``, counted from 0, on."""

    def iterate(self, delimiter: str) -> Iterator[list[str]]:
        """Yield every row, for formats whose rows differ in kind."""


def grids(source: Source, limits: Limits) -> list[Grid]:
    """Return the tables of a file: one of a CSV, one of each sheet of a workbook.

    Raises
    ------
    FormatError
        If the workbook is damaged.
    LimitError
        If the workbook is dangerous or too large.
    """
    if source.head(4).startswith(b"PK\x03\x04"):
        return list(_sheets(source, limits))
    return [CsvGrid(source)]


class CsvGrid:
    """A text file with delimiters."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name, self.named = source.name, source.named
        raw = source.head(_HEAD)
        text = decode_head(raw).replace("\r\n", "\n").replace("\r", "\n")
        self._lines = text.split("\n")
        if len(raw) == _HEAD and len(self._lines) > 1:
            self._lines.pop()  # incomplete
        self._lines = self._lines[: HEAD_ROWS + 100]
        widest = max((line.count(d) for line in self._lines for d in DELIMITERS), default=0)
        if widest >= MAX_COLUMNS:
            raise LimitError(
                f"{self.name}: A row has more than {MAX_COLUMNS:,} columns",
                next_step="Check that this is the file you meant to load; meter data tables have fewer columns.",
            )
        self.delimiters = tuple(d for d in DELIMITERS if any(d in line for line in self._lines)) or (",",)
        self._heads: dict[str, list[list[str]]] = {}

    def head(self, delimiter: str) -> list[list[str]]:
        """Return the first rows; a blank row is empty."""
        if delimiter not in self._heads:
            self._heads[delimiter] = [split_row(line, delimiter) for line in self._lines]
        return self._heads[delimiter]

    def read(
        self,
        delimiter: str,
        first: int,
        names: Sequence[str],
        words: Iterable[str],
        numbers: Iterable[str],
        missing: Sequence[str],
        advance: Advance,
    ) -> Columns:
        """Read columns of the rows from ``first``, counted from 0, on."""
        widths = Counter(len(row) for row in self.head(delimiter)[first : first + 50] if len(row) > 1)
        width = max(widths, key=lambda w: (widths[w], w), default=len(names))
        as_words: set[int] = set()
        while True:
            collector = _Collector(self.name, names, words, numbers, [*MISSING, *missing], delimiter, width, as_words)
            cut = self._collect(collector, first, advance, delimiter)
            if not (mixed := collector.mixed() - as_words):
                columns = collector.columns()
                columns.cut = cut
                return columns
            as_words |= mixed

    def _collect(self, collector: _Collector, first: int, advance: Advance, delimiter: str) -> str:
        """Add the rows of the file, and return why its last row may be truncated."""
        cut, tail = "", b""
        with self._source.open() as file:
            held, skip = b"", first
            for piece in read_pieces(file, self.name, advance, size=_PIECE):
                text = _after(piece.text, skip) if skip else piece.text
                skip = max(0, skip - piece.text.count(b"\n")) if skip else 0
                if piece.cut:
                    cut = _cut(piece.text, tail, delimiter)
                tail = piece.text[-_TAIL:]
                text = held + text
                held = b""
                if _is_open(text) and len(text) < _HELD and not piece.cut:
                    held = text  # a quoted cell may go on in the next piece
                    continue
                collector.add_text(text)
            if held:
                collector.add_text(held)
        return cut

    def iterate(self, delimiter: str) -> Iterator[list[str]]:
        """Yield every row, for formats whose rows differ in kind."""
        with self._source.open() as file:
            for piece in read_pieces(file, self.name, lambda _: None):
                for line in decode(piece.text).split("\n")[:-1]:
                    yield split_row(line, delimiter)


def _is_open(text: bytes) -> bool:
    """Return whether the quotation marks are odd, so that a cell may go on; most files have none, which is quick."""
    return b'"' in text and text.count(b'"') % 2 == 1


def _cut(text: bytes, before: bytes, delimiter: str) -> str:
    r"""Return how a last line without a line end differs from the rows before it as a truncated one would.

    Most files without a final line end are complete, and a line of totals differs from the rows in its first cell.

    Examples
    --------
    >>> _cut(b"2024-01-03,0.", b"Day,kWh,Note\n2024-01-01,0.1,x\n2024-01-02,0.2,x\n", ",")
    'it has fewer cells than each row before it'
    >>> _cut(b"2024-01-03,0.3", b"Day,kWh\n2024-01-01,0.1\n2024-01-02,0.25\n", ",")
    ''
    """
    *earlier, last = [split_row(line, delimiter) for line in decode(before + text).split("\n") if line]
    kind = re.sub(r"\d+", "0", last[0]) if last else ""
    rows = [row for row in earlier[1:] if len(row) > 1 and re.sub(r"\d+", "0", row[0]) == kind]
    if len(last) < 2 or len(rows) < 2:
        return ""
    if len(last) < min(map(len, rows)):
        return "it has fewer cells than each row before it"
    matches = [_DECIMALS.fullmatch(row[-1]) for row in (last, *rows) if len(row) == len(last)]
    decimals = [len(match[1] or "") if match else -1 for match in matches]
    if len(decimals) > _TAIL_ROWS and set(decimals[1:]) == {max(decimals)} and 0 <= decimals[0] < max(decimals):
        return "its last number has fewer decimals than each number before it"
    return ""


def _after(text: bytes, lines: int) -> bytes:
    at = 0
    for _ in range(lines):
        at = text.find(b"\n", at) + 1
        if not at:
            return b""
    return text[at:]


class _Unfit(Exception):
    """The bulk reader cannot read a piece; it never leaves this module."""


class _Collector:
    """Adds rows to columns, each distinct word once."""

    def __init__(
        self,
        file: str,
        names: Sequence[str],
        words: Iterable[str],
        numbers: Iterable[str],
        missing: Sequence[str],
        delimiter: str,
        width: int,
        as_words: Iterable[int] = (),
    ) -> None:
        self._file, self._delimiter, self._width = file, delimiter, max(width, 1)
        self._words = {names.index(name): name for name in dict.fromkeys(words)}
        self._numbers = {names.index(name): name for name in dict.fromkeys(numbers)}
        self._names = list(names)
        self._missing = list(dict.fromkeys(missing))
        self._plain = {place for place in self._numbers if place < self._width} - set(as_words)
        self._wide = sorted(self._numbers) if len(self._plain) == len(self._numbers) >= _WIDE else []
        self._blocks: list[Floats] = []
        columns = {**self._words, **self._numbers}
        self._seen: dict[int, dict[bytes, int]] = {place: {} for place in columns}
        self._chunks: dict[int, list[Any]] = {place: [] for place in columns}
        self._needed = 1 + max(self._words, default=0)
        self._rows = self._left_out = 0

    def add_text(self, text: bytes) -> None:
        """Add the rows of complete lines."""
        if not text or text.isspace():
            return
        if not text.isascii():
            text = decode(text).encode()  # pyarrow reads UTF-8 only
        try:
            if _is_open(text):
                raise _Unfit  # a stray quotation mark would swallow the lines below it
            self._add_bulk(text)
        except _Unfit:
            self.add_rows(_csv_rows(text, self._delimiter))

    def _add_bulk(self, text: bytes) -> None:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        word = pa.dictionary(pa.int32(), pa.binary())
        types = {
            str(place): pa.float64() if place in self._plain else word for place in self._chunks if place < self._width
        }
        left_out = 0

        def invalid(row: Any) -> str:
            # A line with one cell is a separator, a title, or a trailer. Any other may be a short row of the table.
            nonlocal left_out
            if sum(bool(cell) for cell in split_row(row.text, self._delimiter)) > 1:
                return "error"
            left_out += 1
            return "skip"

        def table(types: dict[str, Any]) -> Any:
            nonlocal left_out
            left_out = 0
            return arrow_csv.read_csv(
                pa.BufferReader(text),
                read_options=arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(self._width)], block_size=len(text) + 1, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=b'"' in text, invalid_row_handler=invalid
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(types), column_types=types, null_values=self._missing,
                    strings_can_be_null=False, auto_dict_encode=False,
                ),
            )  # fmt: skip

        try:
            found = table(types)
        except pa.ArrowInvalid:
            # pyarrow does not reliably report which column has numbers in another format, so each column is tried as
            # text once and then remains text.
            if not self._plain:
                raise _Unfit from None
            try:
                found = table(types | {str(place): word for place in self._plain})
            except pa.ArrowInvalid:
                raise _Unfit from None
            self._plain = {place for place in self._plain if self._is_plain(found.column(str(place)))}
        if b'"' in text and found.num_rows + left_out < text.count(b"\n") - text.count(b"\n\n"):
            raise _Unfit  # a cell has several lines: see whether a stray quotation mark made it
        self._take(found, types)

    def _is_plain(self, column: Any) -> bool:
        words = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
        missing = {m.encode() for m in self._missing}
        return all(w in missing or parse_number(decode(w)) is not None for w in words)

    def _take(self, found: Any, types: dict[str, Any]) -> None:
        made: dict[int, Any] = {}
        batches = found.to_batches()  # one, or none if there are no rows
        if not batches:
            return
        chunks = {int(name): column for name, column in zip(types, batches[0].columns, strict=True)}
        if self._wide and not any(hasattr(chunks[place], "dictionary") for place in self._wide):
            block = np.empty((found.num_rows, len(self._wide)))
            for i, place in enumerate(self._wide):
                block[:, i] = chunks.pop(place).to_numpy(zero_copy_only=False)
                made[place] = block[:, i]
            if np.isinf(block).any():
                raise _Unfit
            self._blocks.append(block)
        for place, chunk in chunks.items():
            if hasattr(chunk, "dictionary"):
                texts = chunk.dictionary.to_pylist()
                if any(b"\n" in text and len(text) > 200 for text in texts):
                    raise _Unfit  # a stray quotation mark has swallowed lines
                made[place] = self._coded(place, texts, chunk.indices.to_numpy())
            else:
                values = chunk.to_numpy(zero_copy_only=False)
                if np.isinf(values).any():
                    raise _Unfit
                made[place] = values
        for place in self._chunks:
            if place not in made:
                made[place] = self._coded(place, [b""], np.zeros(found.num_rows, dtype=np.int32))
            self._chunks[place].append(made[place])
        self._rows += found.num_rows

    def _coded(self, place: int, texts: list[bytes], indices: Codes) -> Codes:
        seen = self._seen[place]
        codes = np.array(
            [seen.setdefault(text if len(text) <= _MAX_WORD else b"\xff", len(seen)) for text in texts], dtype=np.int32
        )
        kind = np.min_scalar_type(max(len(seen) - 1, 0))
        return codes.astype(kind)[indices]

    def add_rows(self, rows: Iterable[Sequence[str]]) -> None:
        """Add rows of cells one by one; short rows are filled with blanks."""
        places = list(self._chunks)
        kept: dict[int, list[int]] = {place: [] for place in places}
        count = 0
        for row in rows:
            filled = sum(bool(cell) for cell in row)
            if filled < 2 and self._needed > 1:
                self._left_out += filled
                continue
            count += 1
            for place in places:
                cell = row[place].strip() if place < len(row) else ""
                text = cell.encode() if len(cell) <= _MAX_WORD else b"\xff"
                seen = self._seen[place]
                kept[place].append(seen.setdefault(text, len(seen)))
        for place in places:
            self._chunks[place].append(np.array(kept[place], dtype=np.int32))
        self._rows += count

    def mixed(self) -> set[int]:
        """Return the columns of which some pieces are numbers, and others are words such as ``0,5``.

        1.234 was then read as a number, although it is 1234 where the comma is the decimal sign.
        """
        return {place for place in self._numbers if self._is_mixed(place)}

    def _is_mixed(self, place: int) -> bool:
        kinds = {chunk.dtype == np.float64 for chunk in self._chunks[place] if len(chunk)}
        return len(kinds) > 1 and not self._are_plain(self._texts(place))

    def _are_plain(self, words: Sequence[str]) -> bool:
        return all(word in self._missing or parse_number(word) is not None for word in words)

    def columns(self) -> Columns:
        """Return the columns of the rows that were added."""
        out = Columns(self._file, self._rows, left_out=self._left_out)
        for place, name in self._words.items():
            out.words[name] = self._as_words(place, self._chunks.pop(place))
        if self._blocks and sum(map(len, self._blocks)) == self._rows:
            block = np.concatenate(self._blocks)
            out.block = [self._numbers[place] for place in self._wide], block
            out.numbers = {name: block[:, i] for i, name in enumerate(out.block[0])}
            return out
        for place, name in self._numbers.items():
            chunks = self._chunks.pop(place)
            if all(chunk.dtype == np.float64 for chunk in chunks):
                out.numbers[name] = np.concatenate(chunks) if chunks else np.empty(0)
                continue
            words = self._texts(place)
            if self._are_plain(words):
                values = np.array([np.nan if w in self._missing else parse_number(w) for w in words], dtype=float)
                out.numbers[name] = np.concatenate([c if c.dtype == np.float64 else values[c] for c in chunks])
            else:
                out.texts[name] = self._as_words(place, chunks)
        return out

    def _texts(self, place: int) -> list[str]:
        return [decode(text).replace("\0", "").strip() for text in self._seen[place]]

    def _as_words(self, place: int, chunks: list[Codes]) -> Words:
        kind = np.min_scalar_type(max(len(self._seen[place]) - 1, 0))
        codes = np.concatenate([c.astype(kind, copy=False) for c in chunks]) if chunks else np.empty(0, dtype=kind)
        return Words(codes, self._texts(place))


def _csv_rows(text: bytes, delimiter: str) -> Iterator[list[str]]:
    """Yield the rows of a piece that pyarrow cannot read; a stray quotation mark does not swallow lines."""
    plain = decode(text).replace("\0", "")
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows = [] if plain.count('"') % 2 else list(csv.reader(io.StringIO(plain, newline=""), delimiter=delimiter))
    usual = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    cells = [line for row in rows for cell in row if "\n" in cell for line in cell.split("\n")[1:]]
    # A line of an address has no cells; a line with as many as a row is a row that a stray mark has swallowed.
    if not rows or any(line.count(delimiter) >= max(1, usual - 1) for line in cells):
        rows = [split_row(line, delimiter) for line in plain.split("\n")]
    yield from rows


class SheetGrid:
    """One sheet of a workbook."""

    delimiters: tuple[str, ...] = ("",)

    def __init__(self, name: str, named: bool, open_rows: Callable[[], Iterator[list[str]]]) -> None:
        self.name, self.named, self._open = name, named, open_rows
        self._head: list[list[str]] | None = None

    def head(self, delimiter: str) -> list[list[str]]:
        """Return the first rows; a blank row is empty."""
        if self._head is None:
            self._head = [row for row, _ in zip(self._open(), range(HEAD_ROWS), strict=False)]
        return self._head

    def read(
        self,
        delimiter: str,
        first: int,
        names: Sequence[str],
        words: Iterable[str],
        numbers: Iterable[str],
        missing: Sequence[str],
        advance: Advance,
    ) -> Columns:
        """Read columns of the rows from ``first``, counted from 0, on."""
        collector = _Collector(self.name, names, words, numbers, [*MISSING, *missing], ",", len(names))
        rows = self._open()
        for _ in range(first):
            next(rows, None)
        collector.add_rows(rows)
        return collector.columns()

    def iterate(self, delimiter: str) -> Iterator[list[str]]:
        """Yield every row, for formats whose rows differ in kind."""
        return self._open()


def _sheets(source: Source, limits: Limits) -> Iterator[SheetGrid]:
    try:
        import openpyxl
    except ImportError:
        raise FormatError(
            "This is an Excel workbook, and openpyxl is not installed",
            source=source.name,
            next_step='Install it with pip install "greenkit[excel]", or save the sheet as CSV.',
        ) from None
    with source.open() as file:
        data = file.read()
    _check_workbook(data, source.name, limits)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        names = book.sheetnames[:_MAX_SHEETS]
    except Exception as e:  # noqa: BLE001 openpyxl raises whatever a damaged workbook leads it to
        raise _damaged(source.name, e) from None
    for number, sheet in enumerate(names, start=1):
        if not hasattr(book[sheet], "iter_rows"):
            continue  # a sheet with a chart only

        def rows(sheet: str = sheet) -> Iterator[list[str]]:
            return _sheet_rows(book[sheet], source.name)

        # by its number, because people also name sheets after customers
        yield SheetGrid(f"{source.name}!sheet {number}" if len(names) > 1 else source.name, source.named, rows)


def _sheet_rows(sheet: Any, name: str) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # a workbook may declare a million columns; only cells that exist count
    cells = 0
    rows = iter(sheet.iter_rows(values_only=True))
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as e:  # noqa: BLE001 as above
            raise _damaged(name, e) from None
        cells += len(row)
        if cells > _MAX_SHEET_CELLS:
            raise LimitError(
                f"{name}: A sheet has more than {_MAX_SHEET_CELLS:,} cells", next_step="Save the sheet as CSV."
            )
        texts = [_cell_text(value) for value in row]
        yield texts if any(texts) else []


def _cell_text(value: Any) -> str:
    """Return a cell as a CSV would have it; dates are ISO 8601, so that their order is not in question."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime.datetime):
        # openpyxl has a time of day for each date; one of midnight means the day, or is the same with the date alone
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e18 else repr(value)
    return str(value)


def _check_workbook(data: bytes, name: str, limits: Limits) -> None:
    """Reject a workbook that unpacks to far more than its size, or whose XML has a DOCTYPE (entity bombs)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            size = sum(info.file_size for info in infos)
            if len(infos) > limits.members or size > limits.unpacked:
                raise LimitError(
                    f"{name}: The workbook unpacks to {size:,} bytes",
                    next_step="If you trust it, pass a larger limits.unpacked or limits.members.",
                )
            for info in infos:
                if info.file_size > (32 << 20) and info.file_size > limits.ratio * max(info.compress_size, 1):
                    raise LimitError(
                        f"{name}: Part of the workbook unpacks to more than {limits.ratio} times its size",
                        next_step="If you trust it, pass a larger limits.ratio.",
                    )
                if info.filename.endswith((".xml", ".rels")):
                    with archive.open(info) as part:
                        if b"<!DOCTYPE" in part.read(4096):
                            raise LimitError(
                                f"{name}: The workbook has a DOCTYPE, which no spreadsheet writes",
                                next_step="Do not trust this file.",
                            )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as e:
        if isinstance(e, LimitError):
            raise
        raise _damaged(name, e) from None


def _damaged(name: str, e: Exception) -> FormatError:
    return FormatError(
        f"The workbook is damaged or protected ({type(e).__name__})", source=name, next_step="Download it again."
    )
