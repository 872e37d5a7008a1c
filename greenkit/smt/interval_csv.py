"""The interval CSV of Smart Meter Texas: one row for a 15-minute interval.

    ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION
    '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,00:15,0.145,A,Consumption

The portal, the e-mail subscription and the ad-hoc request all write it; older ones lack the revision, or the last
column. Rows are read in bulk by pyarrow; a piece of the file that does not fit is read again row by row, with line
numbers, by :meth:`_Columns._by_row`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.smt import csv_cells, headers, labels, stamps
from greenkit.smt.blocks import Store
from greenkit.smt.csv_cells import Cells
from greenkit.smt.headers import Layout
from greenkit.smt.labels import Rows
from greenkit.smt.notes import Notes
from greenkit.sources import Source
from greenkit.text import BLANKS, Advance, Piece, decode, parse_amount, read_pieces, split_row

_STEPS: Final = (5, 15, 30, 60)
"""Minutes of an interval, where a file has no end times."""


class _Unfit(Exception):
    """A piece has a cell or row that the bulk reader cannot take; it never leaves this module."""


def read(source: Source, layout: Layout, store: Store, notes: Notes, advance: Advance) -> None:
    """Read one file into the store."""
    place = store.sources[source.name]
    columns = _Columns(layout, store, notes, source.name)
    odd: list[Rows] = []
    skip = layout.skip
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance):
            odd += labels.lay(columns.rows(piece, skip), store, place)
            skip = 0
    if not columns.any_rows:
        notes.add("smt.file.empty", file=source.name)
    columns.cells.doubt_dates()
    labels.settle(odd, store, place, notes)


class _Columns:
    """Turns text into :class:`Rows`, each distinct text once."""

    def __init__(self, layout: Layout, store: Store, notes: Notes, file: str) -> None:
        self._notes, self._file = notes, file
        self.any_rows = False
        self.cells = Cells(store, notes, file)
        self._words = self.cells.words
        self._seen: dict[str, dict[bytes, int]] = {role: {} for role in self._words}
        self._use(layout)

    def _use(self, layout: Layout) -> None:
        self._layout = layout
        if not layout.header:
            self._notes.add("smt.file.headerless", file=self._file)
        if "flow" not in layout.roles:
            self._notes.add("smt.flow.assumed", file=self._file)

    def rows(self, piece: Piece, skip: int) -> Rows:
        """Read one piece, of which the first ``skip`` lines are no rows."""
        try:
            rows = self._in_bulk(piece.text, skip)
        except _Unfit:
            rows = self._by_row(piece, skip)
        self.any_rows |= len(rows) > 0
        missing = rows.end < 0
        if missing.any():
            rows.end[missing] = (rows.start[missing] + _usual_step(rows.start)) % stamps.DAY
        return rows

    # in bulk

    def _in_bulk(self, text: bytes, skip: int) -> Rows:
        again = self._layout.header + b"\n"
        body = _after(text, skip)
        repeated = body.count(again) if self._layout.header else 0
        if repeated:
            body = body.replace(again, b"\n")  # it ends a row too, where the file before it had no last line end
        if not body or body.isspace():
            self._repeated(repeated)
            return self._made({}, np.empty(0))
        table = self._table(body)
        by_role = {role: table.column(str(place)).chunk(0) for role, place in self._layout.roles.items()}
        value = by_role.pop("value").to_numpy(zero_copy_only=False)
        if np.isinf(value).any():
            raise _Unfit
        made: dict[str, Any] = {
            role: self._numbered(role, column) for role, column in by_role.items() if role != "revision"
        }
        if "revision" in by_role:
            made["revision"] = self._stamps(by_role["revision"])
        self._repeated(repeated)
        return self._made(made, value)

    def _table(self, body: bytes) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        word = pa.dictionary(pa.int32(), pa.binary())
        value = self._layout.roles["value"]
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(body),
                read_options=arrow_csv.ReadOptions(
                    column_names=[str(i) for i in range(len(self._layout.names))],
                    block_size=len(body) + 1,
                    use_threads=False,
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=self._layout.delimiter),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=[str(i) for i in sorted({*self._layout.roles.values()})],
                    column_types={
                        str(i): pa.float64() if i == value else word for i in set(self._layout.roles.values())
                    },
                    null_values=list(BLANKS),
                    strings_can_be_null=False,
                    auto_dict_encode=False,
                ),
            )
        except pa.ArrowInvalid:
            raise _Unfit from None

    def _numbered(self, role: str, column: Any) -> npt.NDArray[np.int32]:
        seen, read = self._seen[role], self._words[role][0]
        numbers = np.empty(len(column.dictionary), dtype=np.int32)
        for i, raw in enumerate(_words(column)):
            known = seen.get(raw)
            if known is None:
                known = seen[raw] = _fit(read, raw)
            numbers[i] = known
        out: npt.NDArray[np.int32] = numbers[column.indices.to_numpy()]
        return out

    def _stamps(self, column: Any) -> npt.NDArray[np.int64]:
        local = np.array([_fit(csv_cells.revision, raw) for raw in _words(column)], dtype=np.int64)
        out: npt.NDArray[np.int64] = stamps.instants(local)[column.indices.to_numpy()]
        return out

    # by row

    def _by_row(self, piece: Piece, skip: int) -> Rows:
        kept: dict[str, list[int]] = {role: [] for role in [*self._words, "revision"]}
        values: list[float] = []
        for line, text, last in self._lines(piece, skip):
            found = split_row(text, self._layout.delimiter)
            row = self._row(found, line, cut=piece.cut and last) if found else None
            if row:
                values.append(row[0])
                for role, numbers in kept.items():
                    numbers.append(row[1][role])
        made = {role: np.array(numbers, dtype=np.int64) for role, numbers in kept.items()}
        made["revision"] = stamps.instants(made["revision"])
        return self._made(made, np.array(values, dtype=float))

    def _lines(self, piece: Piece, skip: int) -> Iterator[tuple[int, str, bool]]:
        """Give each line with its number, and whether it is the last; one that a header stands in is two."""
        lines = decode(piece.text).split("\n")[skip:-1]
        header = decode(self._layout.header)
        for i, text in enumerate(lines):
            before, found, after = text.partition(header) if header else ("", "", text)
            if before and found:
                yield piece.line + skip + i, before, False
            yield piece.line + skip + i, found + after if found else text, i == len(lines) - 1

    def _row(self, row: list[str], line: int, *, cut: bool) -> tuple[float, dict[str, int]] | None:
        layout, width = self._layout, len(self._layout.names)
        if layout.is_header(row):
            self._repeated(1)
            return None
        if cut and len(row) < width:
            self._notes.add("smt.file.cut", f"{len(row)} columns instead of {width}", file=self._file, line=line)
            return None
        if any(row[width:]) or len(row) <= max(layout.roles[r] for r in ("meter", "date", "start", "value")):
            self._unreadable(row, f"{len(row)} columns instead of {width}", line)
            return None
        row += [""] * (width - len(row))
        numbers = {role: absent for role, (_, absent) in self._words.items()} | {"revision": stamps.NEVER}
        for role, place in layout.roles.items():
            if role == "value":
                continue
            try:
                found = csv_cells.revision(row[place]) if role == "revision" else self._words[role][0](row[place])
            except FormatError as e:
                raise FormatError(str(e), source=self._file, line=line) from None
            if found is None and role == "revision":
                self._notes.add("smt.revision.unreadable", repr(row[place][:40]), file=self._file, line=line)
                found = stamps.NEVER
            if found is None:
                self._unreadable(row, f"{layout.names[place]} is {row[place][:40]!r}", line)
                return None
            numbers[role] = found
        return self._value(row[layout.roles["value"]], line), numbers

    def _value(self, cell: str, line: int) -> float:
        if cell in BLANKS:
            return np.nan
        value = parse_amount(cell, self._layout.delimiter)
        if value is not None:
            return value
        self._notes.add("smt.value.unreadable", repr(cell[:40]), file=self._file, line=line)
        return np.nan

    def _repeated(self, n: int) -> None:
        if n:
            self._notes.add("smt.row.repeated-header", n=n, file=self._file)

    def _unreadable(self, row: list[str], why: str, line: int) -> None:
        """Note a row, unless it is the header of another layout, which holds from there on."""
        layout = headers.named(row, self._layout.delimiter)
        if layout and layout.kind == "interval":
            self._repeated(1)
            self._use(layout)
        else:
            self.any_rows = True
            self._notes.add("smt.row.unreadable", why, file=self._file, line=line)

    # both

    def _made(self, numbers: dict[str, Any], value: npt.NDArray[np.float64]) -> Rows:
        def column(role: str, dtype: Any) -> Any:
            if role in numbers:
                return numbers[role].astype(dtype, copy=False)
            return np.full(len(value), stamps.NEVER if role == "revision" else self._words[role][1], dtype=dtype)

        return Rows(
            meter=column("meter", np.int32),
            channel=column("flow", np.int32),
            day=column("date", np.int32),
            revision=column("revision", np.int64),
            start=column("start", np.int16),
            end=column("end", np.int16),
            value=value,
            code=column("quality", np.uint8),
        )


def _fit(read: Callable[[str], int | None], raw: bytes) -> int:
    """Read one distinct cell; _Unfit where it says nothing, so that it is read again by row, for the line."""
    try:
        found = read(decode(raw))
    except FormatError:
        raise _Unfit from None
    if found is None:
        raise _Unfit
    return found


def _words(column: Any) -> list[bytes]:
    """Give the distinct cells of a column; _Unfit when a stray quote has swallowed a line end."""
    words: list[bytes] = column.dictionary.to_pylist()
    if any(b"\n" in word for word in words):
        raise _Unfit
    return words


def _usual_step(start: npt.NDArray[Any]) -> int:
    """Give the minutes from one row to the next, most often; 15 where that is no interval."""
    steps = np.diff(start)
    usual = int(np.bincount(steps[steps > 0], minlength=1).argmax())
    return usual if usual in _STEPS else 15


def _after(text: bytes, skip: int) -> bytes:
    """Give what follows the first ``skip`` lines."""
    at = 0
    for _ in range(skip):
        at = text.index(b"\n", at) + 1
    return text[at:] if at else text
