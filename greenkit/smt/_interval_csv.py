"""The interval CSV of Smart Meter Texas: one row for a 15-minute interval.

    ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION
    '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,00:15,0.145,A,Consumption

The portal, the e-mail subscription and the ad-hoc request all write it; older ones lack the revision, or the last
column. Rows are read in bulk by pyarrow; a piece of the file that does not fit is read again row by row, with line
numbers, by :meth:`_Columns._by_row`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.smt import _codes, _labels, _stamps
from greenkit.smt._blocks import Store
from greenkit.smt._codes import squeezed
from greenkit.smt._findings import Notes
from greenkit.smt._labels import Rows
from greenkit.sources import Source
from greenkit.text import BLANKS, Advance, Piece, decode, decode_head, parse_amount, read_pieces, split_row

Roles = Mapping[str, tuple[str, ...]]


def _any(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_METER: Final = _any("esiid esi esiidnumber esiidno esinumber electricserviceidentifier")
_REVISION: Final = _any("revisiondate revision revisiontimestamp revisiondatetime revts")
_QUALITY: Final = _any("estimatedactual actualestimated estact actest estimatedoractual readquality quality")
_FLOW: Final = _any(
    "consumptionsurplusgeneration consumptiongeneration consumptionorsurplusgeneration consumptionsurplus readingtype "
    "flow type channel"
)

INTERVAL: Final[Roles] = {
    "meter": _METER,
    "date": _any("usagedate date intervaldate readdate servicedate startdate usagestartdate intervalstartdate"),
    "revision": _REVISION,
    "start": _any("usagestarttime starttime intervalstarttime intervalstart usagestart start time"),
    "end": _any("usageendtime endtime intervalendtime intervalend usageend end"),
    "value": _any("usagekwh kwh usage kwhusage energykwh intervalkwh consumptionkwh value"),
    "quality": _QUALITY,
    "flow": _FLOW,
}
REGISTER: Final[Roles] = {
    "meter": _METER,
    "date": _any("readdate usagedate date meterreaddate readingdate"),
    "revision": _REVISION,
    "start_reading": _any("startreading startread startmeterreading startregisterread beginreading"),
    "end_reading": _any(
        "endreading endread endmeterreading endregisterread meterreading reading meterreadingkwh registerread "
        "registeredread"
    ),
    "value": _any("energydatakwh usagekwh kwh usage dailyusagekwh consumptionkwh energykwh consumption"),
    "quality": _QUALITY,
    "flow": _FLOW,
}
BILLING: Final[Roles] = {
    "meter": _METER,
    "start": _any(
        "startdate billstartdate billstart billingstartdate billperiodstart servicestartdate fromdate usagestartdate "
        "periodstart readstartdate"
    ),
    "end": _any(
        "enddate billenddate billend billingenddate billperiodend serviceenddate todate usageenddate periodend "
        "readenddate"
    ),
    "revision": _REVISION,
    "value": _any(
        "actlkwhusg actualkwhusage actualkwh kwh usagekwh billedkwh billedusage usage energykwh monthlyusagekwh "
        "consumptionkwh energydatakwh totalkwh"
    ),
    "quality": _QUALITY,
    "flow": _FLOW,
}
# kind → its roles, and those without which a header is not of this kind; the first that fits is taken
KINDS: Final[Sequence[tuple[str, Roles, tuple[tuple[str, ...], ...]]]] = (
    ("interval", INTERVAL, (("meter",), ("date", "start"), ("start",), ("value",))),
    ("billing", BILLING, (("meter",), ("start",), ("end",), ("value",))),
    ("register", REGISTER, (("meter",), ("date",), ("value", "end_reading"))),
)
# The layouts of the portal by their number of columns, for a file that has lost its header.
HEADERLESS: Final[Mapping[int, tuple[str, ...]]] = {
    6: ("meter", "date", "start", "end", "value", "quality"),
    7: ("meter", "date", "start", "end", "value", "quality", "flow"),
    8: ("meter", "date", "revision", "start", "end", "value", "quality", "flow"),
}
_DELIMITERS: Final = (",", "\t", ";", "|")
_PREAMBLE: Final = 20
"""Lines that may stand before the header."""


@dataclass(frozen=True)
class Layout:
    """How the columns of one file are laid out.

    Parameters
    ----------
    kind : {"interval", "register", "billing"}
    delimiter : str
    names : tuple of str
        The columns as the file names them.
    roles : mapping
        Role → place of its column.
    skip : int
        Lines before the first row.
    header : bytes
        The header line, empty for a file without one.
    """

    kind: str
    delimiter: str
    names: tuple[str, ...]
    roles: Mapping[str, int]
    skip: int
    header: bytes

    def is_header(self, cells: Sequence[str]) -> bool:
        """Tell whether a row is the header again."""
        return [squeezed(cell) for cell in cells[: len(self.names)]] == [squeezed(name) for name in self.names]


def find(head: bytes) -> Layout | None:
    """Find the header among the first lines of a file, of any encoding; None when it is no table of SMT."""
    lines = decode_head(head).replace("\r\n", "\n").replace("\r", "\n").encode().split(b"\n")[:_PREAMBLE]
    for i, raw in enumerate(lines):
        line = decode(raw)
        for delimiter in _DELIMITERS:
            if delimiter in line:
                layout = named(next(csv.reader([line], delimiter=delimiter)), delimiter, i + 1, raw)
                if layout:
                    return layout
    return _headerless(lines)


def named(names: list[str], delimiter: str, skip: int = 0, raw: bytes = b"") -> Layout | None:
    """Give the layout that a header's names make; None where they make none."""
    while names and not names[-1].strip():
        names.pop()
    columns = [squeezed(name) for name in names]
    for kind, table, required in KINDS:
        roles = {role: place for role, known in table.items() if (place := _place(columns, known)) is not None}
        if all(any(role in roles for role in either) for either in required):
            if kind == "interval":
                roles.setdefault("date", roles["start"])  # the start is a date and time
            return Layout(
                kind,
                delimiter,
                tuple(name.strip() for name in names),
                roles,
                skip,
                raw or delimiter.join(names).encode(),
            )
    return None


def _place(columns: list[str], known: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)


def _headerless(lines: list[bytes]) -> Layout | None:
    for i, raw in enumerate(lines):
        line = decode(raw)
        if not line.strip():
            continue
        cells = next(csv.reader([line]))
        order = HEADERLESS.get(len(cells))
        if order is None:
            return None
        cell = dict(zip(order, cells, strict=True))
        if _stamps.day(cell["date"]) is None or _stamps.minute(cell["start"]) is None:
            return None
        return Layout("interval", ",", order, {role: place for place, role in enumerate(order)}, i, b"")
    return None


_AROUND_ID: Final = " \t'\"=\u2018\u2019\ufeff\xa0"
"""What portals, people and spreadsheets put around an ESI ID: 'digits, ="digits", blanks."""
_MASKED: Final = re.compile(r"(?=.*\d)[A-Za-z0-9_*-]{1,64}")
"""What else is taken as an id, since people mask them; a word such as Total is none."""
_RUINED: Final = re.compile(r"\d(?:[.,]\d+)?E\+?\d+$|\d{15,}\.0+$", re.IGNORECASE)


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


def date(text: str) -> int | None:
    """Give a date as days since 1970; None when it is none.

    Raises
    ------
    FormatError
        When its day stands before its month, so that other dates of the file would be taken for what they are not.
    """
    found = _stamps.day(text)
    if found is None:
        _refuse_day_first(text)
    return found


def revision(text: str) -> int | None:
    """Give when a version was made, as :func:`greenkit.smt.stamps.revision`; day before month as in :func:`date`."""
    found = _stamps.revision(text)
    if found is None:
        _refuse_day_first(text)
    return found


def _refuse_day_first(text: str) -> None:
    if _stamps.is_day_first(text):
        raise FormatError(
            f"the date {text.split()[0]} has its day first, so another program has rewritten this file's dates: "
            "export it again"
        )


class Cells:
    """The cells of one interval file as numbers.

    Attributes
    ----------
    words : dict
        Role → what reads a cell of its column (None where it says nothing), and the number that holds without one.
    """

    def __init__(self, store: Store, notes: Notes, file: str) -> None:
        self._store, self._notes, self._file = store, notes, file
        self.words: dict[str, tuple[Callable[[str], int | None], int]] = {
            "meter": (self._meter, 0),
            "date": (self._date, 0),
            "start": (_stamps.minute, 0),
            "end": (_end, -1),
            "quality": (store.code, store.code("")),
            "flow": (self._flow, store.channels[_codes.LOAD]),
        }
        self._days: set[int] = set()

    def _date(self, text: str) -> int | None:
        found = date(text)
        if found is not None and "/" in text:
            self._days.add(found)
        return found

    def doubt_dates(self) -> None:
        """Note a file of one day of several months: 06/07, 07/07 and 08/07 may well be days of July."""
        first = np.datetime64(min(self._days, default=0), "D")
        if len(self._days) > 1 and len({str(np.datetime64(day, "D"))[-2:] for day in self._days}) == 1:
            self._notes.add("smt.time.day-first", f"{first} and {len(self._days) - 1} more", file=self._file)

    def _meter(self, text: str) -> int | None:
        found = meter_id(text)
        return None if found is None else self._store.meters[found]

    def _flow(self, text: str) -> int:
        found = _codes.channel(text) if text.strip() else _codes.LOAD
        if found not in self._store.channels and found not in (_codes.LOAD, _codes.GENERATION):
            self._notes.add("smt.flow.other", found.flow, file=self._file)
        return self._store.channels[found]


def _end(text: str) -> int | None:
    return _stamps.end_minute(text) if text.strip() else -1


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
            odd += _labels.lay(columns.rows(piece, skip), store, place)
            skip = 0
    if not columns.any_rows:
        notes.add("smt.file.empty", file=source.name)
    columns.cells.doubt_dates()
    _labels.settle(odd, store, place, notes)


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
            rows.end[missing] = (rows.start[missing] + _usual_step(rows.start)) % _stamps.DAY
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
        local = np.array([_fit(revision, raw) for raw in _words(column)], dtype=np.int64)
        out: npt.NDArray[np.int64] = _stamps.instants(local)[column.indices.to_numpy()]
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
        made["revision"] = _stamps.instants(made["revision"])
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
        numbers = {role: absent for role, (_, absent) in self._words.items()} | {"revision": _stamps.NEVER}
        for role, place in layout.roles.items():
            if role == "value":
                continue
            try:
                found = revision(row[place]) if role == "revision" else self._words[role][0](row[place])
            except FormatError as e:
                raise FormatError(str(e), source=self._file, line=line) from None
            if found is None and role == "revision":
                self._notes.add("smt.revision.unreadable", repr(row[place][:40]), file=self._file, line=line)
                found = _stamps.NEVER
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
        layout = named(row, self._layout.delimiter)
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
            return np.full(len(value), _stamps.NEVER if role == "revision" else self._words[role][1], dtype=dtype)

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
