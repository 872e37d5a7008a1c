"""CSV files of Smart Meter Texas: their layouts, their cells, and the interval CSV with one row for each interval.

    ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CONSUMPTION_SURPLUSGENERATION
    '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,00:15,0.145,A,Consumption

The portal, the e-mail subscription and the on-demand request all write this layout; older files lack the revision or
the last column. Columns are recognized by the names in the header, without regard to case, blanks, underscores and
slashes. Only the interval layout is known from real files. The daily and monthly names are those that SMT's JSON uses
for the same data, and obvious variants; :mod:`greenkit.smt._tables` reads those tables.

pyarrow reads rows in bulk. If a piece of the file has a row or cell that does not fit, :meth:`_Columns._by_row` reads
that piece again row by row, and reports the line.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.smt import _codes, _labels, _stamps
from greenkit.smt._blocks import Store
from greenkit.smt._codes import normalize_name
from greenkit.smt._findings import (
    COLUMN_IGNORED,
    DAY_FIRST,
    FILE_CUT,
    FILE_EMPTY,
    FLOW_ASSUMED,
    FLOW_OTHER,
    HEADER_REPEATED,
    HEADERLESS,
    NET_IGNORED,
    REVISION_UNREADABLE,
    ROW_UNREADABLE,
    VALUE_UNREADABLE,
    FindingCounter,
    masked,
)
from greenkit.smt._labels import Rows
from greenkit.sources import Source
from greenkit.text import BLANKS, Advance, Piece, decode, decode_head, parse_amount, read_pieces, split_row

Roles = Mapping[str, tuple[str, ...]]
"""Role of a column → the names that the column can have, as normalize_name returns them; the first is preferred."""


def _names(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_METER: Final = _names("esiid esi esiidnumber esiidno esinumber electricserviceidentifier")
_REVISION: Final = _names("revisiondate revision revisiontimestamp revisiondatetime revts")
_QUALITY: Final = _names("estimatedactual actualestimated estact actest estimatedoractual readquality quality")
_FLOW: Final = _names(
    "consumptionsurplusgeneration consumptiongeneration consumptionorsurplusgeneration consumptionsurplus readingtype "
    "flow type channel"
)

INTERVAL: Final[Roles] = {
    "meter": _METER,
    "date": _names("usagedate date intervaldate readdate servicedate startdate usagestartdate intervalstartdate"),
    "revision": _REVISION,
    "start": _names("usagestarttime starttime intervalstarttime intervalstart usagestart start time"),
    "end": _names("usageendtime endtime intervalendtime intervalend usageend end"),
    "value": _names("usagekwh kwh usage kwhusage energykwh intervalkwh consumptionkwh value"),
    "surplus": _names(
        "surplusgenerationkwh surplusgeneration surpluskwh surplus generationkwh generation receivedkwh exportkwh"
    ),
    "quality": _QUALITY,
    "flow": _FLOW,
}
REGISTER: Final[Roles] = {
    "meter": _METER,
    "date": _names("readdate usagedate date meterreaddate readingdate"),
    "revision": _REVISION,
    "start_reading": _names("startreading startread startmeterreading startregisterread beginreading"),
    "end_reading": _names(
        "endreading endread endmeterreading endregisterread meterreading reading meterreadingkwh registerread "
        "registeredread"
    ),
    "value": _names("energydatakwh usagekwh kwh usage dailyusagekwh consumptionkwh energykwh consumption"),
    "quality": _QUALITY,
    "flow": _FLOW,
}
BILLING: Final[Roles] = {
    "meter": _METER,
    "start": _names(
        "startdate billstartdate billstart billingstartdate billperiodstart servicestartdate fromdate usagestartdate "
        "periodstart readstartdate"
    ),
    "end": _names(
        "enddate billenddate billend billingenddate billperiodend serviceenddate todate usageenddate periodend "
        "readenddate"
    ),
    "revision": _REVISION,
    "value": _names(
        "actlkwhusg actualkwhusage actualkwh kwh usagekwh billedkwh billedusage usage energykwh monthlyusagekwh "
        "consumptionkwh energydatakwh totalkwh"
    ),
    "quality": _QUALITY,
    "flow": _FLOW,
}
# Kind of table, the roles of its columns, and the roles that it must have (one of each tuple). The first that fits is
# used.
TABLES: Final[Sequence[tuple[str, Roles, tuple[tuple[str, ...], ...]]]] = (
    ("interval", INTERVAL, (("meter",), ("date", "start"), ("start",), ("value",))),
    ("billing", BILLING, (("meter",), ("start",), ("end",), ("value",))),
    ("register", REGISTER, (("meter",), ("date",), ("value", "end_reading"))),
)
# The portal's layouts by their number of columns, for a file without a header.
WITHOUT_HEADER: Final[Mapping[int, tuple[str, ...]]] = {
    6: ("meter", "date", "start", "end", "value", "quality"),
    7: ("meter", "date", "start", "end", "value", "quality", "flow"),
    8: ("meter", "date", "revision", "start", "end", "value", "quality", "flow"),
}
_DELIMITERS: Final = (",", "\t", ";", "|")
_PREAMBLE: Final = 20
"""Lines that can precede the header."""
_IDENTIFIERS: Final = re.compile(
    r"id|number|num|no|account|acct|duns|zip|phone|premise|row|line|index|year|month|channel"
)
"""Parts of the name of a column whose numbers are not quantities."""
_SAMPLE: Final = 200
"""Rows in which columns that are not read are searched for numbers."""
_STEPS: Final = (5, 15, 30, 60)
"""Interval lengths in minutes, for a file without end times."""

_AROUND_ID: Final = " \t'\"=\u2018\u2019\ufeff\xa0"
"""What portals, people and spreadsheets put around an ESI ID: 'digits, ="digits", blanks."""
_MASKED: Final = re.compile(r"(?=.*\d)[A-Za-z0-9_*-]{1,64}")
"""What else is accepted as an ID, because people mask them. A word without a digit, such as Total, is not an ID."""
_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+)?E\+?\d+$|\d{15,}\.0+$", re.IGNORECASE)


# -- layouts


@dataclass(frozen=True)
class Layout:
    """The columns of one file. Create it with :func:`find_layout`.

    Parameters
    ----------
    kind : {"interval", "register", "billing"}
    delimiter : str
    names : tuple of str
        Names of the columns in the file.
    roles : mapping
        Role → position of its column.
    skip : int
        Lines before the first row.
    header : bytes
        The header line; empty for a file without one.
    """

    kind: str
    delimiter: str
    names: tuple[str, ...]
    roles: Mapping[str, int]
    skip: int
    header: bytes

    def is_header(self, cells: Sequence[str]) -> bool:
        """Return whether a row repeats the header."""
        columns = self._normalized
        if not cells or normalize_name(cells[0]) != columns[0]:  # nearly every row
            return False
        return [normalize_name(cell) for cell in cells[: len(columns)]] == columns

    @cached_property
    def _normalized(self) -> list[str]:
        return [normalize_name(name) for name in self.names]

    @cached_property
    def fewest(self) -> int:
        """Cells that a row must have at least."""
        return max(self.roles[role] for role in ("meter", "date", "start", "value")) + 1


def find_layout(head: bytes) -> Layout | None:
    """Return the layout of a file by its first lines, in any encoding, or None if it is not a table of SMT."""
    lines = decode_head(head).replace("\r\n", "\n").replace("\r", "\n").encode().split(b"\n")[:_PREAMBLE]
    for i, raw in enumerate(lines):
        line = decode(raw)
        for delimiter in _DELIMITERS:
            if delimiter in line:
                layout = layout_of(next(csv.reader([line], delimiter=delimiter)), delimiter, i + 1, raw)
                if layout:
                    return layout
    return _layout_without_header(lines)


def layout_of(names: list[str], delimiter: str, skip: int = 0, raw: bytes = b"") -> Layout | None:
    """Return the layout that the names of a header make, or None if they are not those of a table of SMT."""
    while names and not names[-1].strip():
        names.pop()
    columns = [normalize_name(name) for name in names]
    for kind, table, required in TABLES:
        roles = {role: place for role, known in table.items() if (place := _position(columns, known)) is not None}
        if all(any(role in roles for role in either) for either in required):
            if kind == "interval":
                roles.setdefault("date", roles["start"])  # the start is a date and time
                if "flow" in roles or roles.get("surplus") == roles["value"]:
                    roles.pop("surplus", None)  # each row states its flow, or there is only one column of values
            return Layout(
                kind,
                delimiter,
                tuple(name.strip() for name in names),
                roles,
                skip,
                raw or delimiter.join(names).encode(),
            )
    return None


def _position(columns: list[str], known: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in known if name in columns), None)


def _layout_without_header(lines: list[bytes]) -> Layout | None:
    """Return the layout of a file whose first line is a row with the portal's columns."""
    for i, raw in enumerate(lines):
        line = decode(raw)
        if not line.strip():
            continue
        cells = next(csv.reader([line]))
        order = WITHOUT_HEADER.get(len(cells))
        if order is None:
            return None
        cell = dict(zip(order, cells, strict=True))
        if _stamps.parse_day(cell["date"]) is None or _stamps.parse_minute(cell["start"]) is None:
            return None
        return Layout("interval", ",", order, {role: place for place, role in enumerate(order)}, i, b"")
    return None


# -- cells


def parse_meter_id(text: str) -> str | None:
    """Return the ESI ID without quotation marks and blanks, or None if the cell does not contain an ID.

    Raises
    ------
    FormatError
        If a spreadsheet converted the ID to a number, which loses its last digits.

    Examples
    --------
    >>> parse_meter_id("'10000000000000017"), parse_meter_id('="10000000000000017"'), parse_meter_id("my house")
    ('10000000000000017', '10000000000000017', None)
    """
    text = text.strip(_AROUND_ID)
    if text.isascii() and text.isdigit():
        return text
    if _ROUNDED.match(text):
        raise FormatError(
            f"A spreadsheet converted the ESI ID {text} to a number, and its last digits are lost",
            next_step="Export the file again and load it without opening it in a spreadsheet.",
        )
    return text if _MASKED.fullmatch(text) else None


def parse_date(text: str) -> int | None:
    """Return a date as days since 1970, or None if the cell is not a date.

    Raises
    ------
    FormatError
        If its day is before its month: other dates of the file would then be read with day and month swapped.
    """
    day = _stamps.parse_day(text)
    if day is None:
        _refuse_day_first(text)
    return day


def parse_revision(text: str) -> int | None:
    """Return a revision as :func:`greenkit.smt._stamps.parse_revision` does; raise as :func:`parse_date` does."""
    revision = _stamps.parse_revision(text)
    if revision is None:
        _refuse_day_first(text)
    return revision


def _refuse_day_first(text: str) -> None:
    if _stamps.is_day_first(text):
        raise FormatError(
            f"The date {text.split()[0]} has its day before its month, so another program changed the dates of this "
            "file",
            next_step="Export the file again.",
        )


class CellReader:
    """Parses the cells of one interval file into numbers.

    Attributes
    ----------
    by_role : dict
        Role → the function that parses a cell of its column (None for a cell that it cannot parse), and the number
        that is used if the file does not have the column.
    """

    def __init__(self, store: Store, counter: FindingCounter, file: str) -> None:
        self._store, self._counter, self._file = store, counter, file
        self.by_role: dict[str, tuple[Callable[[str], int | None], int]] = {
            "meter": (self._meter, 0),
            "date": (self._date, 0),
            "start": (_stamps.parse_minute, 0),
            "end": (_end, -1),
            "quality": (store.code, store.code("")),
            "flow": (self._flow, store.channels[_codes.LOAD]),
        }
        self._days: set[int] = set()

    def _date(self, text: str) -> int | None:
        day = parse_date(text)
        if day is not None and "/" in text:
            self._days.add(day)
        return day

    def check_dates(self) -> None:
        """Report a file with one day of several months: 06/07, 07/07 and 08/07 may well be days of July."""
        first = np.datetime64(min(self._days, default=0), "D")
        if len(self._days) > 1 and len({str(np.datetime64(day, "D"))[-2:] for day in self._days}) == 1:
            self._counter.add(DAY_FIRST, f"{first} and {len(self._days) - 1} more", file=self._file)

    def _meter(self, text: str) -> int | None:
        meter = parse_meter_id(text)
        return None if meter is None else self._store.meters[meter]

    def _flow(self, text: str) -> int:
        channel = _codes.channel(text) if text.strip() else _codes.LOAD
        if channel not in self._store.channels and channel not in (_codes.LOAD, _codes.GENERATION):
            self._counter.add(FLOW_OTHER, file=self._file)
        return self._store.channels[channel]


def _end(text: str) -> int | None:
    return _stamps.parse_end_minute(text) if text.strip() else -1


# -- the interval CSV


class _DoesNotFit(Exception):
    """A piece has a row or cell that the bulk reader cannot read. It never leaves this module."""


def read(source: Source, layout: Layout, store: Store, counter: FindingCounter, advance: Advance) -> None:
    """Read one interval CSV into the store."""
    place = store.sources[source.name]
    columns = _Columns(layout, store, counter, source.name)
    odd: list[Rows] = []
    skip = layout.skip
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance):
            odd += _labels.place_whole_days(columns.rows(piece, skip), store, place)
            skip = max(skip - piece.text.count(b"\n"), 0)  # a header without a line end is in the next piece
    if not columns.has_rows:
        counter.add(FILE_EMPTY, file=source.name)
    columns.cells.check_dates()
    _labels.place_by_label(odd, store, place, counter)


class _Columns:
    """Parses the text of one file into :class:`Rows`, each distinct cell once."""

    def __init__(self, layout: Layout, store: Store, counter: FindingCounter, file: str) -> None:
        self._store, self._counter, self._file = store, counter, file
        self.has_rows = False
        self.cells = CellReader(store, counter, file)
        self._by_role = self.cells.by_role
        self._parsed: dict[str, dict[bytes, int]] = {role: {} for role in self._by_role}
        self._use(layout)

    def _use(self, layout: Layout) -> None:
        self._layout = layout
        if not layout.header:
            self._counter.add(HEADERLESS, file=self._file)
        if "flow" not in layout.roles and "surplus" not in layout.roles:
            self._counter.add(FLOW_ASSUMED, file=self._file)
        self._unchecked = True

    def rows(self, piece: Piece, skip: int) -> Rows:
        """Return the rows of one piece, the first ``skip`` lines of which are not rows."""
        if self._unchecked:
            self._check_other_columns(piece, skip)
        try:
            rows = self._in_bulk(piece.text, skip)
        except _DoesNotFit:
            rows = self._by_row(piece, skip)
        self.has_rows |= len(rows) > 0
        missing = rows.end < 0
        if missing.any():
            rows.end[missing] = (rows.start[missing] + _usual_step(rows.start)) % _stamps.DAY
        return rows

    def _check_other_columns(self, piece: Piece, skip: int) -> None:
        """Report columns of numbers that are not read, by the first rows of the file."""
        self._unchecked = False
        layout = self._layout
        others = [i for i, name in enumerate(layout.names) if name and i not in layout.roles.values()]
        others = [i for i in others if not _IDENTIFIERS.search(normalize_name(layout.names[i]))]
        if not others:
            return
        lines = decode(_after(piece.text, skip)[: _SAMPLE * 200]).split("\n")[:_SAMPLE]
        rows = [split_row(line, layout.delimiter) for line in lines]
        for i in others:
            cells = [row[i] for row in rows if len(row) == len(layout.names) and row[i] not in BLANKS]
            numbers = [value for cell in cells if (value := parse_amount(cell, layout.delimiter)) is not None]
            if numbers and 2 * len(numbers) > len(cells):
                is_net = "surplus" in layout.roles and normalize_name(layout.names[i]).startswith("net")
                self._counter.add(NET_IGNORED if is_net else COLUMN_IGNORED, layout.names[i], file=self._file)

    # in bulk: pyarrow parses the values, and returns every other column as a dictionary of its distinct cells

    def _in_bulk(self, text: bytes, skip: int) -> Rows:
        again = self._layout.header + b"\n"
        body = _after(text, skip)
        repeated = body.count(again) if self._layout.header else 0
        if repeated:
            body = body.replace(again, b"\n")  # it also ends a row, if the file before it had no final line end
        if not body or body.isspace():
            self._report_repeated(repeated)
            return self._rows_of({}, np.empty(0))
        table = self._table(body)
        by_role = {role: table.column(str(place)).chunk(0) for role, place in self._layout.roles.items()}
        value = by_role.pop("value").to_numpy(zero_copy_only=False)
        surplus = by_role.pop("surplus").to_numpy(zero_copy_only=False) if "surplus" in by_role else None
        if np.isinf(value).any() or (surplus is not None and np.isinf(surplus).any()):
            raise _DoesNotFit
        numbers: dict[str, Any] = {
            role: self._numbers(role, column) for role, column in by_role.items() if role != "revision"
        }
        if "revision" in by_role:
            numbers["revision"] = self._revisions(by_role["revision"])
        self._report_repeated(repeated)
        return self._rows_of(numbers, value, surplus)

    def _table(self, body: bytes) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        word = pa.dictionary(pa.int32(), pa.binary())
        values = {self._layout.roles[role] for role in ("value", "surplus") if role in self._layout.roles}
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
                        str(i): pa.float64() if i in values else word for i in set(self._layout.roles.values())
                    },
                    null_values=list(BLANKS),
                    strings_can_be_null=False,
                    auto_dict_encode=False,
                ),
            )
        except pa.ArrowInvalid:
            raise _DoesNotFit from None

    def _numbers(self, role: str, column: Any) -> npt.NDArray[np.int32]:
        """Return the number of each cell of a column; each distinct cell of the file is parsed once."""
        parsed, parse = self._parsed[role], self._by_role[role][0]
        numbers = np.empty(len(column.dictionary), dtype=np.int32)
        for i, raw in enumerate(_distinct(column)):
            number = parsed.get(raw)
            if number is None:
                number = parsed[raw] = _parse_or_refuse(parse, raw)
            numbers[i] = number
        out: npt.NDArray[np.int32] = numbers[column.indices.to_numpy()]
        return out

    def _revisions(self, column: Any) -> npt.NDArray[np.int64]:
        local = np.array([_parse_or_refuse(parse_revision, raw) for raw in _distinct(column)], dtype=np.int64)
        out: npt.NDArray[np.int64] = _stamps.revision_instants(local)[column.indices.to_numpy()]
        return out

    # by row

    def _by_row(self, piece: Piece, skip: int) -> Rows:
        kept: dict[str, list[int]] = {role: [] for role in [*self._by_role, "revision"]}
        values: list[float] = []
        surpluses: list[float] = []
        for line, text, is_last in self._lines(piece, skip):
            cells = split_row(text, self._layout.delimiter)
            row = self._row(cells, line, cut=piece.cut and is_last) if cells else None
            if row:
                values.append(row[0])
                surpluses.append(row[1])
                for role, numbers in kept.items():
                    numbers.append(row[2][role])
        columns = {role: np.array(numbers, dtype=np.int64) for role, numbers in kept.items()}
        columns["revision"] = _stamps.revision_instants(columns["revision"])
        surplus = np.array(surpluses, dtype=float) if "surplus" in self._layout.roles else None
        return self._rows_of(columns, np.array(values, dtype=float), surplus)

    def _lines(self, piece: Piece, skip: int) -> Iterator[tuple[int, str, bool]]:
        """Yield the number and text of each line, and whether it is the last; a line with a header in it is two."""
        lines = decode(piece.text).split("\n")[skip:-1]
        header = decode(self._layout.header)
        for i, text in enumerate(lines):
            if header and header in text and not text.startswith(header):
                before, _, after = text.partition(header)
                yield piece.line + skip + i, before, False
                text = header + after
            yield piece.line + skip + i, text, i == len(lines) - 1

    def _row(self, row: list[str], line: int, *, cut: bool) -> tuple[float, float, dict[str, int]] | None:
        """Return a row's value, its surplus, and the numbers of its other cells; None after reporting a problem."""
        layout, width = self._layout, len(self._layout.names)
        if layout.is_header(row):
            self._report_repeated(1)
            return None
        if cut and len(row) < width:
            self._counter.add(FILE_CUT, f"{len(row)} columns instead of {width}", file=self._file, line=line)
            return None
        if any(row[width:]) or len(row) < layout.fewest:
            self._report_unreadable(row, f"{len(row)} columns instead of {width}", line)
            return None
        row += [""] * (width - len(row))
        numbers = {role: absent for role, (_, absent) in self._by_role.items()} | {"revision": _stamps.NEVER}
        for role, place in layout.roles.items():
            if role in ("value", "surplus"):
                continue
            parse = parse_revision if role == "revision" else self._by_role[role][0]
            try:
                number = parse(row[place])
            except FormatError as e:
                raise FormatError(e.problem, source=self._file, line=line, next_step=e.next_step) from None
            if number is None and role == "revision":
                self._counter.add(REVISION_UNREADABLE, masked(row[place]), file=self._file, line=line)
                number = _stamps.NEVER
            if number is None:
                self._report_unreadable(row, f"{layout.names[place]} is {masked(row[place])}", line)
                return None
            numbers[role] = number
        surplus = self._value(row[layout.roles["surplus"]], line) if "surplus" in layout.roles else np.nan
        return self._value(row[layout.roles["value"]], line), surplus, numbers

    def _value(self, cell: str, line: int) -> float:
        if cell in BLANKS:
            return np.nan
        value = parse_amount(cell, self._layout.delimiter)
        if value is not None:
            return value
        self._counter.add(VALUE_UNREADABLE, masked(cell), file=self._file, line=line)
        return np.nan

    def _report_repeated(self, n: int) -> None:
        if n:
            self._counter.add(HEADER_REPEATED, n=n, file=self._file)

    def _report_unreadable(self, row: list[str], why: str, line: int) -> None:
        """Report a row, unless it is the header of another layout, which then holds for the rows below it."""
        layout = layout_of(row, self._layout.delimiter) if _may_be_header(row) else None
        if layout and layout.kind == "interval":
            self._report_repeated(1)
            self._use(layout)
        else:
            self.has_rows = True
            self._counter.add(ROW_UNREADABLE, why, file=self._file, line=line)

    # both ways

    def _rows_of(
        self, numbers: dict[str, Any], value: npt.NDArray[np.float64], surplus: npt.NDArray[np.float64] | None = None
    ) -> Rows:
        def column(role: str, dtype: Any) -> Any:
            if role in numbers:
                return numbers[role].astype(dtype, copy=False)
            return np.full(len(value), _stamps.NEVER if role == "revision" else self._by_role[role][1], dtype=dtype)

        rows = Rows(
            meter=column("meter", np.int32),
            channel=column("flow", np.int32),
            day=column("date", np.int32),
            revision=column("revision", np.int64),
            start=column("start", np.int16),
            end=column("end", np.int16),
            value=value,
            code=column("quality", np.uint8),
        )
        if surplus is None or np.isnan(surplus).all():
            return rows
        generation = np.full_like(rows.channel, self._store.channels[_codes.GENERATION])
        return Rows.concatenate([rows, dataclasses.replace(rows, channel=generation, value=surplus)])


def _may_be_header(row: list[str]) -> bool:
    """Return whether a row has the name of a meter's column, which every header has."""
    return len(row) > 2 and any(normalize_name(cell) in _METER for cell in row)


def _parse_or_refuse(parse: Callable[[str], int | None], raw: bytes) -> int:
    """Parse one distinct cell. If that fails, the piece is read again by row, which knows the line."""
    try:
        number = parse(decode(raw))
    except FormatError:
        raise _DoesNotFit from None
    if number is None:
        raise _DoesNotFit
    return number


def _distinct(column: Any) -> list[bytes]:
    """Return the distinct cells of a column; a cell with a line end means that a stray quotation mark swallowed it."""
    cells: list[bytes] = column.dictionary.to_pylist()
    if any(b"\n" in cell for cell in cells):
        raise _DoesNotFit
    return cells


def _usual_step(start: npt.NDArray[Any]) -> int:
    """Return the most frequent number of minutes from one row to the next, or 15 if no interval is that long."""
    steps = np.diff(start)
    usual = int(np.bincount(steps[steps > 0], minlength=1).argmax())
    return usual if usual in _STEPS else 15


def _after(text: bytes, skip: int) -> bytes:
    """Return what follows the first ``skip`` lines."""
    at = 0
    for _ in range(skip):
        at = text.find(b"\n", at) + 1
        if not at:  # the last line has no end
            return b""
    return text[at:] if at else text
