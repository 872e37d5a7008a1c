"""The interval CSV of Smart Meter Texas: one row for a 15-minute interval.

    ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION
    '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,00:15,0.145,A,Consumption

The portal, the e-mail subscription and the ad-hoc request all write it; older ones lack the revision, or the last
column. Rows are read in bulk by pyarrow; a piece of the file that does not fit is read again row by row, with line
numbers, by :func:`_by_row`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.smt import codes, headers, labels, stamps
from greenkit.smt.blocks import Store
from greenkit.smt.codes import Channel
from greenkit.smt.headers import Layout
from greenkit.smt.labels import Rows
from greenkit.smt.notes import Notes
from greenkit.smt.text import Advance, cells, decode, decode_head, number, pieces
from greenkit.sources import Source

_BLANKS: Final = ("", " ", "NULL", "null", "Null", "NaN", "nan", "NA", "N/A", "n/a", "None", "-")
"""What stands for no value."""
_AROUND_ID: Final = " \t'\"=\u2018\u2019\ufeff\xa0"
"""What portals, people and spreadsheets put around an ESI ID: 'digits, ="digits", blanks."""
_MASKED: Final = re.compile(r"(?=.*\d)[A-Za-z0-9_*-]{1,64}")
"""What else is taken as an id, since people mask them; a word such as Total is none."""
_RUINED: Final = re.compile(r"\d(?:[.,]\d+)?E\+?\d+$|\d{15,}\.0+$", re.IGNORECASE)


class _Unfit(Exception):
    """A piece has a cell or row that the bulk reader cannot take; it never leaves this module."""


def meter_id(text: str) -> str | None:
    """Give the bare ESI ID; None when the cell holds none.

    Raises
    ------
    FormatError
        When a spreadsheet has turned the id to a number, which loses its last digits.

    Examples
    --------
    >>> meter_id("'10000000000000017"), meter_id('="10000000000000017"'), meter_id("my house")
    ('10000000000000017', '10000000000000017', None)
    """
    text = text.strip(_AROUND_ID)
    if text.isascii() and text.isdigit():
        return text
    if _RUINED.match(text):
        raise FormatError(
            f"the ESI ID {text} was turned to a number by a spreadsheet and its last digits are lost: export the file "
            "again and load it without opening it in a spreadsheet"
        )
    return text if _MASKED.fullmatch(text) else None


def read(source: Source, layout: Layout, store: Store, notes: Notes, advance: Advance) -> None:
    """Read one file into the store."""
    place = store.sources[source.name]
    if not layout.header:
        notes.add("smt.file.headerless", file=source.name)
    if "flow" not in layout.roles:
        notes.add("smt.flow.assumed", file=source.name)
    columns = _Columns(layout, store, notes, source.name)
    odd: list[Rows] = []
    for i, (piece, line) in enumerate(pieces(source, advance)):
        skip = layout.skip if i == 0 else 0
        odd += labels.lay(columns.rows(piece, line, skip), store, place)
    if not columns.any_rows:
        notes.add("smt.file.empty", file=source.name)
    labels.settle(odd, store, place, notes)


class _Columns:
    """Turns text into :class:`Rows`, each distinct text once."""

    def __init__(self, layout: Layout, store: Store, notes: Notes, file: str) -> None:
        self._layout, self._store, self._notes, self._file = layout, store, notes, file
        self.any_rows = False
        # role → what a cell becomes when the column is there, and the number that holds where it is not
        self._words: dict[str, tuple[Callable[[str], int | None], int]] = {
            "meter": (self._meter, 0),
            "date": (stamps.day, 0),
            "start": (stamps.minute, 0),
            "end": (_end, -1),
            "quality": (store.code, 0),
            "flow": (self._flow, 0),
        }
        self._seen: dict[str, dict[Any, int]] = {role: {} for role in self._words}

    def rows(self, piece: bytes, line: int, skip: int) -> Rows:
        """Read one piece, of which the first ``skip`` lines are no rows."""
        try:
            rows = self._in_bulk(piece, skip)
        except _Unfit:
            rows = self._by_row(piece, line, skip)
        self.any_rows |= len(rows) > 0
        missing = rows.end < 0
        if missing.any():
            rows.end[missing] = (rows.start[missing] + 15) % stamps.DAY
        return rows

    # in bulk

    def _in_bulk(self, piece: bytes, skip: int) -> Rows:
        again = self._layout.header + b"\n"
        body = _after(piece, skip)
        repeated = body.count(again) if self._layout.header else 0
        if repeated:
            body = body.replace(again, b"")
        if not body or body.isspace():
            self._repeated(repeated)
            return self._made({}, np.empty(0), {})
        table = self._table(body)
        by_role = {role: table.column(str(place)).chunk(0) for role, place in self._layout.roles.items()}
        value = by_role.pop("value").to_numpy(zero_copy_only=False)
        if np.isinf(value).any():
            raise _Unfit
        numbers = {role: self._numbered(role, column) for role, column in by_role.items() if role != "revision"}
        revision = self._stamps(by_role["revision"]) if "revision" in by_role else None
        self._repeated(repeated)
        return self._made(numbers, value, {} if revision is None else {"revision": revision})

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
                    null_values=list(_BLANKS),
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
                try:
                    found = read(decode(raw))
                except FormatError:
                    raise _Unfit from None  # again by row, for the line
                if found is None:
                    raise _Unfit
                known = seen[raw] = found
            numbers[i] = known
        out: npt.NDArray[np.int32] = numbers[column.indices.to_numpy()]
        return out

    def _stamps(self, column: Any) -> npt.NDArray[np.int64]:
        local = [_revision(decode(raw)) for raw in _words(column)]
        if None in local:
            raise _Unfit
        out: npt.NDArray[np.int64] = stamps.instants(np.array(local, dtype=np.int64))[column.indices.to_numpy()]
        return out

    # by row

    def _by_row(self, piece: bytes, line: int, skip: int) -> Rows:
        kept: dict[str, list[int]] = {role: [] for role in [*self._layout.roles] if role != "value"}
        values: list[float] = []
        for i, text in enumerate(decode(piece).split("\n")[skip:-1]):
            found = cells(text, self._layout.delimiter)
            row = self._row(found, line + skip + i) if found else None
            if row:
                values.append(row[0])
                for role, code in row[1].items():
                    kept[role].append(code)
        local = kept.pop("revision", None)
        more = {} if local is None else {"revision": stamps.instants(np.array(local, dtype=np.int64))}
        return self._made(
            {r: np.array(n, dtype=np.int32) for r, n in kept.items()}, np.array(values, dtype=float), more
        )

    def _row(self, row: list[str], line: int) -> tuple[float, dict[str, int]] | None:
        width = len(self._layout.names)
        if self._layout.is_header(row):
            self._repeated(1)
            return None
        if any(row[width:]) or len(row) <= max(self._layout.roles[r] for r in ("meter", "date", "start", "value")):
            self._unreadable(f"{len(row)} columns instead of {width}", line)
            return None
        row += [""] * (width - len(row))
        numbers = {}
        for role, place in self._layout.roles.items():
            if role == "value":
                continue
            try:
                found = _revision(row[place]) if role == "revision" else self._words[role][0](row[place])
            except FormatError as e:
                raise FormatError(str(e), source=self._file, line=line) from None
            if role == "date" and found is None and stamps.is_day_first(row[place]):
                raise FormatError(
                    f"the date {row[place]} has its day first, so another program has rewritten this file's dates: "
                    "export it again",
                    source=self._file,
                    line=line,
                )
            if found is None:
                self._unreadable(f"{self._layout.names[place]} is {row[place][:40]!r}", line)
                return None
            numbers[role] = found
        return self._value(row[self._layout.roles["value"]], line), numbers

    def _value(self, cell: str, line: int) -> float:
        if cell in _BLANKS:
            return np.nan
        value = number(cell.replace(",", ""))
        if value is not None:
            return value
        self._notes.add("smt.value.unreadable", repr(cell[:40]), file=self._file, line=line)
        return np.nan

    def _repeated(self, n: int) -> None:
        if n:
            self._notes.add("smt.row.repeated-header", n=n, file=self._file)

    def _unreadable(self, why: str, line: int) -> None:
        self._notes.add("smt.row.unreadable", why, file=self._file, line=line)

    # both

    def _made(self, numbers: dict[str, Any], value: npt.NDArray[np.float64], more: dict[str, Any]) -> Rows:
        n = len(value)

        def column(role: str, dtype: Any) -> Any:
            if role not in self._layout.roles or role not in numbers:
                absent = self._store.channels[codes.LOAD] if role == "flow" else self._words[role][1]
                return np.full(n, absent, dtype=dtype)
            return numbers[role].astype(dtype, copy=False)

        return Rows(
            meter=column("meter", np.int32),
            channel=column("flow", np.int32),
            day=column("date", np.int32),
            revision=more.get("revision", np.full(n, stamps.NEVER)),
            start=column("start", np.int16),
            end=column("end", np.int16),
            value=value,
            code=column("quality", np.uint8),
        )

    def _meter(self, text: str) -> int | None:
        found = meter_id(text)
        return None if found is None else self._store.meters[found]

    def _flow(self, text: str) -> int:
        found = codes.channel(text) if text.strip() else Channel(*codes.LOAD)
        if found not in self._store.channels and found not in (codes.LOAD, codes.GENERATION):
            self._notes.add("smt.flow.other", found.flow, file=self._file)
        return self._store.channels[found]


def _words(column: Any) -> list[bytes]:
    """Give the distinct cells of a column; _Unfit when a stray quote has swallowed a line end."""
    words: list[bytes] = column.dictionary.to_pylist()
    if any(b"\n" in word for word in words):
        raise _Unfit
    return words


def _end(text: str) -> int | None:
    return stamps.minute(text) if text.strip() else -1


def _revision(text: str) -> int | None:
    return stamps.stamp(text) if text.strip() else stamps.NEVER


def _after(piece: bytes, skip: int) -> bytes:
    """Give what follows the first ``skip`` lines."""
    at = 0
    for _ in range(skip):
        at = piece.index(b"\n", at) + 1
    return piece[at:] if at else piece


def kind_of(head: bytes) -> Layout | None:
    """See :func:`greenkit.smt.headers.find`; the head may be of any encoding."""
    text = decode_head(head).replace("\r\n", "\n").replace("\r", "\n")
    return headers.find(text.encode())
