"""``load_table`` and ``open_table``: utility tables and tables of your own as tidy frames."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

import numpy as np
import pandas as pd

from greenkit import _foreign, _glance, _html, frame
from greenkit._categories import categorical, from_codes, in_runs
from greenkit._help import explained
from greenkit._left_out import Errors, LeftOut, no_intervals, reason
from greenkit._progress import Progress, progress_bar
from greenkit.errors import AmbiguousTable, Choice, FormatError, GreenkitError, OtherFormat
from greenkit.findings import Findings, Kind
from greenkit.sources import Limits, Source, walk
from greenkit.tables import layouts, nem12
from greenkit.tables.cells import MISSING, Columns, Grid, Words, fold, grids, unique_names
from greenkit.tables.engine import Engine, Readings, local_text, needed_columns
from greenkit.tables.layouts import Near, Recognized
from greenkit.tables.mapping import (
    METERS,
    MULTIPLIERS,
    Blank,
    Column,
    Cost,
    DateOrder,
    Table,
    TableMapping,
    Value,
    read_mapping,
)
from greenkit.text import decode_head, parse_number
from greenkit.times import to_times

Tables = str | os.PathLike[str] | bytes | BinaryIO | Iterable[Any]
"""Sources that :func:`load_table` accepts: a path, bytes, a binary file, or several of these."""

FILE_KINDS: Final = {
    kind.name.removeprefix("tables.file."): kind
    for kind in (
        Kind(
            "tables.file.skipped",
            "warning",
            "greenkit left out {file}: {reason}.",
            "{fix}",
        ),
        Kind(
            "tables.file.damaged",
            "serious",
            "greenkit left out {file}, which it cannot read: {reason}.",
            "Download {file} again.",
        ),
        Kind("tables.file.ambiguous", "serious", "greenkit left out {file}: {reason}.", "{fix}"),
        Kind(
            "tables.file.cut",
            "warning",
            "{file} may be truncated: its last row has no line end, and {difference}.",
            "Compare the last row with the source of {file}, or download it again.",
        ),
        Kind("tables.file.empty", "warning", "{file} has no readings.", "Check {file}, or export it again."),
        Kind("tables.file.layout", "info", "{file} has the layout {layout}."),
        Kind(
            "tables.file.repeats",
            "info",
            "{count:reading} of {file} {count:is|are} also in {other}. greenkit counts {count:it|them} once.",
        ),
    )
}
_DESCRIBE: Final = (
    "Describe the table with layout= of load_table; `greenkit info --explain FILE` prints a mapping to start from."
)
COLUMN_UNREAD: Final = Kind(
    "tables.column.unread",
    "info",
    "Column {column} of {file} has numbers that the mapping does not read.",
    "Add the column to values in the mapping, with skip = true if you do not need it.",
)
BILL_DUPLICATE: Final = Kind(
    "tables.bill.duplicate",
    "info",
    "greenkit left out {count:bill} that another row or file also has.",
)
_OF_VALUES: Final = ("unit", "flow", "kind", "blank")
_OF_COSTS: Final = ("currency", "credit")
_SAMPLE: Final = 50
_ID: Final = re.compile(r"(Service )?[^\s\d]*\d\S*")
_SAME: Final = 0.0051
"""Values that differ by no more than rounding to two decimals are the same energy."""


@dataclass
class TableData:
    """Contents of tables. Create it with :func:`open_table`.

    Attributes
    ----------
    readings : DataFrame
        A tidy frame, as :func:`load_table` returns it.
    registers : DataFrame
        Cumulative readings: ``meter``, ``series``, ``flow``, ``time``, ``value``, ``unit``, ``source``. They must never
        be added up.
    bills : DataFrame
        ``meter``, ``series``, ``flow``, ``start`` and exclusive ``end`` (local dates), ``value``, ``unit``, ``cost``,
        ``currency``, ``quality``, ``commodity``, ``source``.
    findings : Findings
        Findings of the load.
    mappings : dict
        File → :class:`~greenkit.tables.mapping.TableMapping` that was used.
    layouts : dict
        File → name of its known layout; empty for a mapping of the caller.
    ambiguous : list of AmbiguousTable
        Tables that were left out with ``errors="collect"``.
    """

    readings: pd.DataFrame
    registers: pd.DataFrame
    bills: pd.DataFrame
    findings: Findings
    mappings: dict[str, TableMapping] = field(default_factory=dict)
    layouts: dict[str, str] = field(default_factory=dict)
    ambiguous: list[AmbiguousTable] = field(default_factory=list)

    def _counts(self) -> str:
        tables = (("register readings", self.registers), ("bills", self.bills))
        return ", ".join(f"{len(table):,} {what}" for what, table in tables if len(table))

    def __repr__(self) -> str:
        more = self._counts()
        lines = [f"TableData: {len(self.readings):,} readings" + (f"; {more}" if more else "")]
        lines += _glance.series_text(self.readings)
        lines.append(str(self.findings))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = _glance.series_html(self.readings)
        body += f"<p>{_html.text(self._counts() or 'no register readings, no bills')}</p>"
        body += _glance.findings_html(self.findings)
        return _html.block(f"Tables: {len(self.readings):,} readings", body, text=repr(self))


@explained
def load_table(
    source: Tables,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None = None,
    *,
    tz: str | None = None,
    unit: str | None = None,
    flow: Literal["delivered", "received", "net", "total", "unknown"] | None = None,
    label: Literal["start", "end"] | None = None,
    clock: str | None = None,
    date_order: DateOrder | None = None,
    decimal: Literal[".", ","] | None = None,
    kind: Literal["usage", "register"] | None = None,
    interval: float | None = None,
    repeat: Literal["in order", "slots 9-12", "appended"] | None = None,
    repeated_hour: Literal["lost", "summed"] | None = None,
    date_system: Literal["1900", "1904"] | None = None,
    blank: Blank | None = None,
    gaps: Literal["missing", "zero"] | None = None,
    multiplier: Literal["applied", "apply"] | None = None,
    meters: Literal["separate", "sum"] | None = None,
    currency: str | None = None,
    credit: Literal["credit", "charge"] | None = None,
    day_start: str | None = None,
    bill_end: Literal["inclusive", "exclusive"] | None = None,
    meter: str | None = None,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read the interval readings of a table: a utility's CSV or Excel download, or a table of your own.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        CSV with any delimiter or an Excel workbook (extra ``excel``); a zip or gzip of them; a folder or a glob.
        Never a URL.
    layout : path, dict, or TableMapping, optional
        A mapping (TOML file or dictionary) that names the columns. The name of a known layout is accepted too.
        Default: the known layouts are tried by the names of columns.
    tz : str, optional
        IANA time zone of the site. Needed if neither the file nor its layout has it.
    unit, flow, label, clock, date_order, decimal, kind, interval, repeat, repeated_hour, date_system, blank, gaps, \
multiplier, meters, currency, credit, day_start, bill_end : optional
        Answers to what a table leaves open, as in :class:`greenkit.tables.mapping.Table`. ``unit`` and ``flow`` are
        those of values that have none, ``interval`` is in minutes, and ``credit`` states whether amounts are credits.
    meter : str, optional
        Name of the meter if the table has none. Default: ``"meter"``.
    errors : {"raise", "collect"}
        With ``"collect"``, tables that can be read in several ways are left out and reported as findings.
    progress : bool or callable, optional
        True shows a bar; a callable takes (bytes done, bytes in all).
    limits : Limits, optional
        What archives and workbooks may unpack to.

    Returns
    -------
    DataFrame
        One row for each interval, sorted by meter, flow, series, start: the columns of
        :data:`greenkit.frame.COLUMNS`, then ``cost``, ``currency``, ``quality_code``, ``tou``, ``commodity``, and
        ``kind`` where the table has them, and ``source``. ``start`` labels the interval and ``end`` is exclusive, both
        in the zone of the site.
        ``value`` is in ``unit`` (kWh, kW, therm, …), NaN if the table has no value. A table without readings returns
        an empty frame with the same dtypes, and the finding ``load.intervals.none`` if it has bills or register
        readings.

    Raises
    ------
    AmbiguousTable
        If the table can be read in several ways. Its ``choices`` hold every open question.
    OtherFormat
        If no known layout has these columns. The error names the layout that is nearest, and the first difference.
    FormatError
        If the file is damaged.
    SettingsError
        If the mapping has a mistake or names a column that the table does not have.
    LimitError
        If the file is dangerous or larger than the limits.
    FileNotFoundError
        If there is no such file.

    Warns
    -----
    GreenkitWarning
        Once, with the worst finding and how many more there are; each serious finding separately.

    See Also
    --------
    open_table : the same with registers, bills, findings, and the mapping that was used.

    Examples
    --------
    >>> csv = b'''Day,Hour,Use
    ... 2026-01-15,00:00,0.5
    ... 2026-01-15,01:00,0.25'''
    >>> mapping = {
    ...     "time": {"columns": ["Day", "Hour"]}, "label": "start", "zone": "America/Chicago",
    ...     "values": {"Use": {"flow": "delivered", "unit": "kWh"}},
    ... }
    >>> load_table(csv, mapping)[["flow", "start", "value", "unit"]].iloc[1].astype(str).tolist()
    ['delivered', '2026-01-15 01:00:00-06:00', '0.25', 'kWh']
    """
    found = open_table(
        source, layout, tz=tz, unit=unit, flow=flow, label=label, clock=clock, date_order=date_order, decimal=decimal,
        kind=kind, interval=interval, repeat=repeat, repeated_hour=repeated_hour, date_system=date_system, blank=blank,
        gaps=gaps, multiplier=multiplier, meters=meters, currency=currency, credit=credit, day_start=day_start,
        bill_end=bill_end, meter=meter, errors=errors, progress=progress, limits=limits,
    )  # fmt: skip
    if len(found.readings):
        found.findings.warn(source_name(source))
        return found.readings
    found.findings.extend(no_intervals("open_table", bills=len(found.bills), registers=len(found.registers)))
    found.findings.warn(source_name(source))
    return frame.note(found.readings, found.findings)


@explained
def open_table(
    source: Tables,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None = None,
    *,
    tz: str | None = None,
    unit: str | None = None,
    flow: Literal["delivered", "received", "net", "total", "unknown"] | None = None,
    label: Literal["start", "end"] | None = None,
    clock: str | None = None,
    date_order: DateOrder | None = None,
    decimal: Literal[".", ","] | None = None,
    kind: Literal["usage", "register"] | None = None,
    interval: float | None = None,
    repeat: Literal["in order", "slots 9-12", "appended"] | None = None,
    repeated_hour: Literal["lost", "summed"] | None = None,
    date_system: Literal["1900", "1904"] | None = None,
    blank: Blank | None = None,
    gaps: Literal["missing", "zero"] | None = None,
    multiplier: Literal["applied", "apply"] | None = None,
    meters: Literal["separate", "sum"] | None = None,
    currency: str | None = None,
    credit: Literal["credit", "charge"] | None = None,
    day_start: str | None = None,
    bill_end: Literal["inclusive", "exclusive"] | None = None,
    meter: str | None = None,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> TableData:
    """Read everything in tables.

    Parameters
    ----------
    source, layout, tz, unit, flow, label, clock, date_order, decimal, kind, interval, repeat, repeated_hour, \
date_system, blank, gaps, multiplier, meters, currency, credit, day_start, bill_end, meter, errors, progress, limits
        As in :func:`load_table`.

    Returns
    -------
    TableData
        Readings, registers, bills, findings, and the mappings that were used. Nothing is warned of.

    Raises
    ------
    AmbiguousTable, OtherFormat, FormatError, SettingsError, LimitError, FileNotFoundError
        As in :func:`load_table`.
    """
    answers = {
        "zone": tz, "unit": unit, "flow": flow, "label": label, "clock": clock, "date_order": date_order,
        "decimal": decimal, "kind": kind, "interval": interval, "repeat": repeat, "repeated_hour": repeated_hour,
        "date_system": date_system, "blank": blank, "gaps": gaps, "multiplier": multiplier, "meters": meters,
        "currency": currency, "credit": credit, "day_start": day_start, "bill_end": bill_end,
    }  # fmt: skip
    answers = {name: value for name, value in answers.items() if value is not None}
    if tz is not None:
        frame.zone_of(tz)
    limits = limits or Limits()
    reading = TableReading(layout, answers, meter, limits, errors=errors)
    for one in walk(source, limits=limits, leave_out=reading.left_out.from_walk):
        with progress_bar(progress, one.size, one.name) as advance:
            reading.read(one, advance)
    return reading.result()


class TableReading:
    """One call of open_table."""

    def __init__(
        self,
        layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None,
        answers: Mapping[str, Any],
        meter: str | None,
        limits: Limits,
        kind: Literal["readings", "prices"] = "readings",
        errors: Errors = "raise",
    ) -> None:
        self._kind = kind
        self.left_out = LeftOut(errors)
        self._answers, self._meter, self._limits = dict(answers), meter, limits
        self._known = None
        self._mapping = None
        if isinstance(layout, str) and layout in {one.name for one in layouts.known()}:
            self._known = layout
        elif layout is not None:
            self._mapping = read_mapping(layout)
        self._frames: list[pd.DataFrame] = []
        self._bills: list[pd.DataFrame] = []
        self._registers: list[pd.DataFrame] = []
        self._findings = Findings()
        self._mappings: dict[str, TableMapping] = {}
        self._layouts: dict[str, str] = {}
        self._ambiguous: list[AmbiguousTable] = []

    def read(self, source: Source, advance: Any) -> None:
        """Read one file."""
        lists: list[list[Any]] = [self._frames, self._bills, self._registers, self._ambiguous]
        marks, findings, known = [len(parts) for parts in lists], len(self._findings), len(self._mappings)

        def undo() -> None:
            for parts, mark in zip(lists, marks, strict=True):
                del parts[mark:]
            self._findings.truncate(findings)
            for names in (self._mappings, self._layouts):
                while len(names) > known:
                    names.popitem()

        with self.left_out.reading(source, undo):
            self._read_file(source, advance)

    def _read_file(self, source: Source, advance: Any) -> None:
        foreign = _foreign_format(source)
        if foreign is not None:
            raise OtherFormat(
                f"This is {foreign.what}", source=os.path.basename(source.name), next_step=foreign.next_step
            )
        done = False
        problems: list[OtherFormat] = []
        for grid in grids(source, self._limits):
            try:
                done |= self._read_grid(grid, advance)
            except AmbiguousTable as e:
                self._ambiguous.append(e)
                done = True
            except OtherFormat as e:
                problems.append(e)
        if not done:
            error = problems[0] if problems else OtherFormat("The file is empty", source=source.name)
            self.left_out.add(source.name, error)

    def skip(self, source: Source) -> None:
        """Record a file that is not a table."""
        foreign = _foreign.recognize(source.head(4096))
        what = f"This is {foreign.what}" if foreign else "The file is not a table"
        fix = foreign.next_step if foreign else ""
        self.left_out.add(source.name, OtherFormat(what, source=os.path.basename(source.name), next_step=fix))

    def _read_nem12(self, grid: Grid) -> bool:
        file = os.path.basename(grid.name)
        data = nem12.read(grid, self._answers.get("unit"))
        questions = []
        zone = self._answers.get("zone")
        if zone is None:
            questions.append(
                Choice(
                    "tz", "Which time zone is the site in?", _AUSTRALIA,
                    "The file is in market time (UTC+10) and does not name the state", file=file,
                )
            )  # fmt: skip
        if any(key[3] == "unknown" for key in data.keys):
            questions.append(
                Choice("unit", "What is the unit of the values?", ("kWh", "Wh"), "A channel (200) has none", file=file)
            )
        if questions:
            raise _question_error(questions, file)
        self._findings.extend(data.findings)
        self._add(_nem12_frame(data, str(zone), file), file, _NEM12, "nem12")
        return True

    def _read_grid(self, grid: Grid, advance: Any) -> bool:
        if self._mapping is None and self._kind == "readings" and nem12.matches(grid.head(",")):
            return self._read_nem12(grid)
        recognized = self._place(grid)
        layout = recognized.layout
        module = layout.module if layout is not None else None
        file = os.path.basename(grid.name)
        if module is not None and hasattr(module, "read"):
            readings, findings = module.read(grid, recognized, self._answers, self._meter)
            self._findings.extend(findings)
            self._add(readings, file, layout.mapping, layout.name)
            return True
        mapping = layout.for_names(recognized.names) if layout is not None else read_mapping(self._mapping or {})
        table = answered(mapping.table, self._answers)
        columns, table, used, extra = self._columns(grid, recognized, table, advance)
        if columns.cut:
            self._findings.add(FILE_KINDS["cut"], file=file, words={"difference": columns.cut})
        meter = self._meter or _meter_of(recognized) or "meter"
        engine = _engine(columns, table, recognized, used, meter, file)
        engine.asks_kind = layout is None
        if layout is None:
            engine.read_others = functools.partial(_other_columns, grid, recognized, columns, table)
        engine.extra = extra
        if module is not None:
            module.prepare(engine)
        if engine.table.interval == "period":
            bills = _bills(engine, file)
            if engine.questions:
                raise _ambiguous(engine, recognized, meter, file)
            self._bills.append(bills)
            self._findings.extend(engine.findings)
            self._add(None, file, TableMapping(engine.table), layout.name if layout is not None else "")
            return True
        arrays = engine.read()
        if engine.questions:
            raise _ambiguous(engine, recognized, meter, file)
        self._findings.extend(engine.findings)
        if arrays.registers:
            self._registers.append(_registers(arrays, engine, file))
        readings = build_frame(arrays, engine, file)
        if not len(readings):
            self._findings.add(FILE_KINDS["empty"], file=file)
        self._add(readings, file, TableMapping(engine.table), layout.name if layout is not None else "")
        return True

    def _add(self, readings: pd.DataFrame | None, file: str, mapping: TableMapping, layout: str) -> None:
        if readings is not None and len(readings):
            self._frames.append(readings)
        self._mappings[file] = mapping
        self._layouts[file] = layout
        if layout:
            self._findings.add(FILE_KINDS["layout"], file=file, layout=layout)

    def _place(self, grid: Grid) -> _Place:
        """Return where the header is, by a known layout or by the mapping of the caller."""
        if self._mapping is not None:
            return _place_of(self._mapping.table, grid)
        found = layouts.recognize(grid, self._kind)
        if isinstance(found, Recognized) and (self._known is None or found.layout.name == self._known):
            return _Place(found.layout, found.delimiter, found.header, found.names, found.preamble, found.tokens)
        name = os.path.basename(grid.name)
        if isinstance(found, Recognized):
            raise OtherFormat(
                f"The table has the layout {found.layout.name}", source=name, next_step="Leave layout out."
            )
        problem = "No known layout has these columns"
        if isinstance(found, Near):
            problem = (
                f"No known layout has exactly these columns. The nearest is {found.layout.name}, but {found.difference}"
            )
        raise OtherFormat(problem, source=name, next_step=_DESCRIBE)

    def _columns(
        self, grid: Grid, place: _Place, table: Table, advance: Any
    ) -> tuple[Columns, Table, dict[str, str], dict[str, str]]:
        """Return the columns that a mapping needs, and those of meters and multipliers that it does not name."""
        try:
            words, numbers, used = needed_columns(table, place.names)
            module = place.layout.module if place.layout is not None else None
            for name in getattr(module, "WORDS", ()):
                if fold(name) in {fold(n) for n in place.names}:
                    used[name] = next(n for n in place.names if fold(n) == fold(name))
                    words.append(used[name])
            for name in getattr(module, "NUMBERS", ()):
                if fold(name) in {fold(n) for n in place.names}:
                    used[name] = next(n for n in place.names if fold(n) == fold(name))
                    numbers.append(used[name])
        except KeyError as e:
            raise _no_column(str(e.args[0]), place.names, grid.name) from None
        extra: dict[str, str] = {}
        if place.layout is None:
            extra = _unnamed(table, place.names, used)
            words += extra.values()
            self._report_unread(grid, place, table, {*words, *numbers, *extra.values()})
        columns = grid.read(place.delimiter, place.first, place.names, words, numbers, table.missing, advance)
        return columns, table, used, extra

    def _report_unread(self, grid: Grid, place: _Place, table: Table, read: set[str]) -> None:
        """Report columns of numbers that the mapping of the caller neither reads nor skips."""
        known = {fold(name) for name in (*read, *table.values)}
        rows = grid.head(place.delimiter)[place.first :][:_SAMPLE]
        for i, name in enumerate(place.names):
            cells = [row[i] for row in rows if i < len(row) and row[i] not in MISSING]
            if fold(name) in known or fold(name) in METERS or not cells or len(set(cells)) < min(2, len(rows)):
                continue
            if all(parse_number(cell.strip("$€£ ").replace(",", ".")) is not None for cell in cells):
                self._findings.add(COLUMN_UNREAD, file=os.path.basename(grid.name), column=name)

    def result(self, *, alone: bool = True) -> TableData:
        """Return the result, or raise the error that prevents it.

        Parameters
        ----------
        alone : bool
            No other reader has read any of the files, so that an error is due if no table was read.
        """
        if self._ambiguous and not self.left_out.collects:
            raise _all_questions(self._ambiguous)
        files = self.left_out.files
        if files and alone and not self._mappings and not self._ambiguous:
            if len(files) == 1:
                raise next(iter(files.values()))
            raise self.left_out.nothing_read("table that greenkit knows")
        for name, error in files.items():
            file = os.path.basename(name)
            why = reason(error, name, brief=True)
            kind = FILE_KINDS["skipped" if isinstance(error, OtherFormat) else "damaged"]
            alone_fix = f"If {file} has readings, load it alone with layout=."
            fix = alone_fix if error.next_step == _DESCRIBE else error.next_step or f"Check {file}."
            self._findings.add(kind, file=file, words={"reason": why[:1].lower() + why[1:], "fix": fix})
        for unclear in self._ambiguous:
            name = unclear.choices[0].file
            self._findings.add(
                FILE_KINDS["ambiguous"],
                file=name,
                arguments=[choice.argument for choice in unclear.choices],
                words={"reason": "it can be read in several ways", "fix": unclear.next_step},
            )
        bills = _joined(self._bills, _BILL_COLUMNS)
        again = bills.duplicated([name for name in _BILL_COLUMNS if name != "source"])
        if again.any():
            self._findings.add(BILL_DUPLICATE, count=int(again.sum()))
            bills = bills[~again].reset_index(drop=True)
        frames = drop_repeats(self._frames, self._findings)
        readings = frames[0] if len(frames) == 1 else frame.concat(frames)
        return TableData(
            frame.note(readings, self._findings),
            _joined(self._registers, _REGISTER_COLUMNS),
            bills,
            self._findings,
            self._mappings,
            self._layouts,
            self._ambiguous,
        )


@dataclass(frozen=True)
class _Place:
    layout: Any
    delimiter: str
    header: int
    names: list[str]
    preamble: dict[str, str]
    tokens: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """First row after the header."""
        return self.header + 1


def _place_of(table: Table, grid: Grid) -> _Place:
    """Return where the header of a caller's mapping is."""
    wanted = [fold(name) for name in _column_names(table)]
    best: tuple[int, _Place] | None = None
    for delimiter in (table.delimiter,) if table.delimiter else grid.delimiters:
        head = grid.head(delimiter)
        if table.header is False:
            at = (table.skip or 0) - 1
            width = max((len(row) for row in head[at + 1 :]), default=0)
            names, lines = [str(i + 1) for i in range(width)], [at]
        else:
            names = []
            lines = [table.skip] if table.skip is not None else range(len(head))  # type: ignore[assignment]
        for line in lines:
            if line >= len(head):
                continue
            row = head[line] if line >= 0 else []
            if table.header is not False:
                if isinstance(table.header, str) and not _starts(row, delimiter, table.header):
                    continue
                names = _header_names(head, line, table.header_rows)
            score = sum(name in {fold(n) for n in names} for name in wanted)
            if best is None or score > best[0]:
                best = (score, _Place(None, delimiter, line + table.header_rows - 1, names, {}, tuple(row)))
            if score == len(wanted):
                break
    if best is None or (best[0] == 0 and table.header is not False):
        raise FormatError(
            "No row has the column names of the mapping",
            source=os.path.basename(grid.name),
            next_step="Compare the names with the header of the table, or set header or skip in the mapping.",
        )
    return best[1]


def _other_columns(grid: Grid, place: _Place, columns: Columns, table: Table) -> dict[str, Words]:
    """Read the columns that the mapping does not name, in the rows that were read."""
    others = [name for name in place.names if name not in {*columns.words, *columns.numbers, *columns.texts}]
    amounts = [*columns.numbers, *columns.texts]
    found = grid.read(
        place.delimiter, place.first, place.names, [*columns.words, *others], amounts, table.missing, lambda _: None
    )
    return {name: found.words[name] for name in others} if found.rows == columns.rows else {}


def _starts(row: Sequence[str], delimiter: str, text: str) -> bool:
    return fold((delimiter or ",").join(row)).startswith(fold(text))


def _header_names(head: Sequence[Sequence[str]], line: int, rows: int) -> list[str]:
    """Return the names of one header row, or of groups above names: a group goes on until the next one begins."""
    if rows == 1 or line + 1 >= len(head):
        return unique_names(head[line])
    groups, names, group = list(head[line]), head[line + 1], ""
    out = []
    for i, name in enumerate(names):
        group = groups[i] if i < len(groups) and groups[i] else group
        out.append(f"{group} / {name}" if group else name)
    return unique_names(out)


def _column_names(table: Table) -> list[str]:
    names = [*table.time.columns, *([table.time.epoch] if table.time.epoch else [])]
    names += [name for name, value in table.values.items() if value.read]
    for item in (table.meter, table.flow, table.quality, table.cost, table.zone):
        column = getattr(item, "column", None)
        if column is not None:
            names.append(column)
    return names


def _no_column(name: str, names: Sequence[str], file: str) -> GreenkitError:
    import difflib

    from greenkit.errors import SettingsError

    near = difflib.get_close_matches(fold(name), [fold(n) for n in names], n=1, cutoff=0.5)
    actual = next((n for n in names if near and fold(n) == near[0]), None)
    hint = f"Did you mean {actual!r}?" if actual else "Correct the name in the mapping."
    return SettingsError(f"{os.path.basename(file)}: The table has no column {name!r}", next_step=hint)


def answered(table: Table, answers: Mapping[str, Any]) -> Table:
    """Return a mapping with the answers of the caller: those of values apply to values that have none."""
    changes = {name: value for name, value in answers.items() if name not in (*_OF_VALUES, *_OF_COSTS)}
    of_values = {name: answers[name] for name in _OF_VALUES if name in answers}
    of_costs = {name: answers[name] for name in _OF_COSTS if name in answers}
    if "credit" in of_costs:
        of_costs["credit"] = of_costs["credit"] == "credit"
    if "label" in changes and not isinstance(table.label, str | None):
        del changes["label"]  # the table has a column of ends
    if of_values:
        changes["values"] = {name: _answered_value(value, of_values) for name, value in table.values.items()}
        if isinstance(table.cells, Value):
            changes["cells"] = _answered_value(table.cells, of_values)
        elif table.cells is not None:
            changes["cells"] = {name: _answered_value(value, of_values) for name, value in table.cells.items()}
        if table.flow is not None:
            for values in ("values", "cells"):
                changes.pop(values, None) if set(of_values) == {"flow"} else None
    if of_costs:
        values = changes.get("values", table.values)
        changes["values"] = {
            n: dataclasses.replace(v, cost=_answered_cost(v.cost, of_costs)) for n, v in values.items()
        }
        changes["cost"] = _answered_cost(table.cost, of_costs)
    return dataclasses.replace(table, **changes) if changes else table


def _unnamed(table: Table, names: Sequence[str], used: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of meters and multipliers that a mapping does not name, by ``meter`` and ``multiplier``."""
    found: dict[str, str] = {}
    for kind, known, given in (("meter", METERS, table.meter), ("multiplier", MULTIPLIERS, table.multiplier)):
        open_ = given is None if kind == "meter" else not isinstance(given, Column)
        name = next((name for name in names if fold(name) in known and name not in used.values()), None)
        if open_ and name is not None:
            found[kind] = name
    return found


def _answered_cost(cost: Cost | None, answers: Mapping[str, Any]) -> Cost | None:
    open_ = {name: answer for name, answer in answers.items() if cost is not None and getattr(cost, name) is None}
    return dataclasses.replace(cost, **open_) if cost is not None and open_ else cost


def _answered_value(value: Value, answers: Mapping[str, Any]) -> Value:
    if not value.read:
        return value
    open_ = {name: answer for name, answer in answers.items() if getattr(value, name) is None}
    return dataclasses.replace(value, **open_) if open_ else value


def _engine(
    columns: Columns, table: Table, place: _Place | Recognized, used: dict[str, str], meter: str, file: str
) -> Engine:
    return Engine(
        columns, table, place.names, used, meter=meter, file=file, header=place.tokens, preamble=place.preamble
    )


def _meter_of(place: _Place) -> str:
    """Return the ID of the meter from the lines before the header; what is not an ID may be a customer's name."""
    wanted = place.layout.layout.meter_from if place.layout is not None else ()
    found = [place.preamble.get(fold(name), "").strip() for name in wanted]
    return " ".join(text for text in found if _ID.fullmatch(text))


# -- questions


def _ambiguous(engine: Engine, place: _Place, meter: str, file: str) -> AmbiguousTable:
    """Return the error with every open question, each with one row read in every way."""
    choices = []
    for question in engine.questions:
        readings = {}
        if question.row >= 0:
            for value in question.values:
                readings[value] = _read_as(engine, question.argument, value, question.row, place, meter, file)
        choices.append(Choice(question.argument, question.question, question.values, question.evidence, readings, file))
    return _question_error(choices, file)


def _question_error(choices: Sequence[Choice], source: str | None) -> AmbiguousTable:
    lines = [f"{choice.question} {choice.evidence} ({choice.argument}=)" for choice in choices]
    arguments = dict.fromkeys(choice.argument for choice in choices)
    named = {c.argument: c for c in choices if c.argument != "tz"}
    examples = ", ".join(f"{c.argument}={c.values[0]!r}" for c in named.values())
    # an example of a time zone would be wrong for most sites
    zone = "tz=, the IANA time zone of the site" if "tz" in arguments else ""
    step = f"{zone}, and the other answers" if zone else "the answers"
    step = f"{step} to load_table, such as {examples}" if examples else zone
    count = len(arguments)
    return AmbiguousTable(
        f"The table leaves {'one question' if count == 1 else f'{count} questions'} open: " + "; ".join(lines),
        choices,
        source=source,
        next_step=f"Pass {step}.",
    )


def _all_questions(errors: Sequence[AmbiguousTable]) -> AmbiguousTable:
    if len(errors) == 1:
        return errors[0]
    choices = [choice for error in errors for choice in error.choices]
    arguments = list(dict.fromkeys(choice.argument for choice in choices))
    return AmbiguousTable(
        f"{len(errors):,} tables leave questions open: {', '.join(arguments)}. First: {errors[0].problem}",
        choices,
        next_step=errors[0].next_step,
    )


def _read_as(engine: Engine, argument: str, value: str, row: int, place: _Place, meter: str, file: str) -> str:
    """Return one row of the table as text, read with one of the answers."""
    answer: Any = float(value) if argument == "interval" else value
    answers = {"zone" if argument == "tz" else argument: answer}
    if engine.table.zone is None and argument != "tz":
        answers["zone"] = "UTC" if argument not in ("clock", "repeat", "repeated_hour") else "America/New_York"
    low, high = max(0, row - 400), min(engine.columns.rows, row + 400)
    part = engine.columns.take(np.arange(low, high))
    other = Engine(
        part, answered(engine.table, answers), engine.names, engine.used, meter=meter, file=file, header=place.tokens
    )
    other.asks_kind, other.extra = engine.asks_kind, engine.extra
    other.lanes = None if engine.lanes is None else [(mask[low:high], spec) for mask, spec in engine.lanes]
    try:
        found = other.read()
    except (GreenkitError, ValueError):
        return ""
    mine = np.flatnonzero((found.row == row - low) & ~np.isnan(found.value))
    if not len(mine):
        return ""
    if argument in ("repeat", "gaps") and len(mine) > 1:
        mine = mine[-1:]  # the last interval of the day, or the one without a row, is where the answers differ
    at = int(mine[0])
    key = found.keys[int(found.series[at])]
    zone = answers.get("zone") or key[4] or engine.table.zone or "UTC"
    zone = zone if isinstance(zone, str) else "UTC"
    start, end = local_text(int(found.start[at]), zone), local_text(int(found.end[at]), zone)
    if engine.table.zone is None and argument != "tz" and not key[4]:
        start, end = start[:16], end[:16]
    money = f", {found.cost[at]:.6g} {found.currency}" if argument in _OF_COSTS and found.cost is not None else ""
    return f"{found.value[at]:.6g} {key[3]} {key[1]} from {start} to {end}{money}"


# -- frames

_REGISTER_COLUMNS: Final = ("meter", "series", "flow", "time", "value", "unit", "source")
_BILL_COLUMNS: Final = (
    "meter", "series", "flow", "start", "end", "value", "unit", "cost", "currency", "quality", "commodity", "source",
)  # fmt: skip


def _categories(labels: Sequence[str], of_row: Any) -> pd.Categorical:
    """Return a categorical column of the labels that rows have; an empty label is an empty cell."""
    return categorical(of_row, [label or None for label in labels])


def build_frame(arrays: Readings, engine: Engine, file: str) -> pd.DataFrame:
    """Build the tidy frame of one table."""
    if not len(arrays.row):
        return frame.empty(["source"], _one_zone(arrays, engine))
    # Readings are sorted by series, so each series is one run of rows: labels repeat, and no row is looked up.
    bounds = np.searchsorted(arrays.series, np.arange(len(arrays.keys) + 1, dtype=arrays.series.dtype))
    counts = np.diff(bounds)
    keys = [key for key, count in zip(arrays.keys, counts, strict=True) if count]
    counts = counts[counts > 0]

    def labels(at: int, default: str = "") -> pd.Categorical:
        return in_runs([key[at] or default or None for key in keys], counts)

    zones = [key[4] or "UTC" for key in keys]
    zone = zones[0] if len(set(zones)) == 1 else "UTC"
    columns: dict[str, Any] = {
        "meter": labels(0),
        "series": labels(2),
        "flow": labels(1),
        "start": to_times(arrays.start, zone),
        "end": to_times(arrays.end, zone),
        "value": arrays.value,
        "unit": labels(3),
        "zone": labels(4, "UTC"),
    }
    quality, code = _qualities(arrays, engine)
    columns["quality"] = quality
    if code is not None:
        columns["quality_code"] = code
    if arrays.cost is not None:
        columns["cost"] = arrays.cost
        columns["currency"] = _categories(["", arrays.currency], (~np.isnan(arrays.cost)).astype(np.int64))
    tou = _tou(arrays, engine)
    columns |= {name: column for name, column in tou.items() if name == "tou"}
    for at, name in ((5, "commodity"), (6, "kind")):
        if any(k[at] for k in keys):
            columns[name] = labels(at)
    columns["source"] = in_runs([file], np.array([len(arrays.row)]))
    columns |= {name: column for name, column in tou.items() if name != "tou"}
    return pd.DataFrame(columns, copy=False)


_AUSTRALIA: Final = (
    "Australia/Sydney", "Australia/Melbourne", "Australia/Brisbane", "Australia/Adelaide", "Australia/Hobart",
)  # fmt: skip
_NEM12: Final = read_mapping(
    {
        "time": {"columns": ["300: date"], "format": "%Y%m%d", "wide": "{n}"},
        "clock": "+10:00",
        "meter": {"column": "200: NMI"},
        "series": {"column": "200: suffix"},
        "unit": {"column": "200: unit"},
        "cells": {},
    }
)
"""A NEM12 file in the terms of a mapping, for the explanation; its records differ in kind."""


def _nem12_frame(data: nem12.NemData, zone: str, file: str) -> pd.DataFrame:
    if not len(data.start):
        return frame.empty(["source"], zone)
    codes, of_row = np.unique(np.array(data.code, dtype=object).astype(str), return_inverse=True)
    words = [nem12.QUALITIES.get(code[:1], "actual") for code in codes]
    names = sorted(set(words) | {"missing"})
    quality = np.array([names.index(word) for word in words])[of_row]
    quality[np.isnan(data.value)] = names.index("missing")
    present = [name if (quality == i).any() else "" for i, name in enumerate(names)]
    columns: dict[str, Any] = {
        "meter": _categories([k[0] for k in data.keys], data.series),
        "series": _categories([k[2] for k in data.keys], data.series),
        "flow": _categories([k[1] for k in data.keys], data.series),
        "start": to_times(data.start, zone),
        "end": to_times(data.start + data.length, zone),
        "value": data.value,
        "unit": _categories([k[3] for k in data.keys], data.series),
        "zone": _categories([zone] * len(data.keys), data.series),
        "quality": _categories(present, quality),
        "quality_code": _categories(list(codes), of_row),
        "commodity": _categories([k[4] for k in data.keys], data.series),
        "kind": _categories([k[5] for k in data.keys], data.series),
        "source": _categories([file], np.zeros(len(data.start), dtype=np.int64)),
    }
    return frame.tidy(pd.DataFrame(columns))


def _one_zone(arrays: Readings, engine: Engine) -> str:
    zone = engine.table.zone
    return zone if isinstance(zone, str) else "UTC"


def _qualities(arrays: Readings, engine: Engine) -> tuple[pd.Categorical, pd.Categorical | None]:
    spec = engine.table.quality
    missing = np.isnan(arrays.value)
    if spec is None:
        if not missing.any() or missing.all():
            return in_runs(["missing" if missing.any() else "actual"], np.array([len(missing)])), None
        return from_codes(missing.view(np.int8), ["actual", "missing"]), None
    column = engine.words(spec.column)
    meanings = {fold(k): v for k, v in spec.words.items()}
    labels = [meanings.get(fold(word), meanings.get("*", "other") if word else "actual") for word in column.words]
    names = list(dict.fromkeys([*labels, "missing", "actual"]))
    lookup = np.array([names.index(label) for label in labels] or [names.index("actual")], dtype=np.int64)
    codes = lookup[column.codes[arrays.row]] if len(column.words) else np.zeros(len(arrays.row), dtype=np.int64)
    codes[missing] = names.index("missing")
    present = [name if (codes == i).any() else "" for i, name in enumerate(names)]
    words = [word[:80] for word in column.words]
    own = column.codes[arrays.row]
    seen = np.bincount(own, minlength=len(words)) > 0 if len(own) else np.zeros(len(words), dtype=bool)
    if not any(word and here for word, here in zip(words, seen, strict=True)):
        return _categories(present, codes), None
    return _categories(present, codes), _categories([w if s else "" for w, s in zip(words, seen, strict=True)], own)


def _tou(arrays: Readings, engine: Engine) -> dict[str, Any]:
    """Return the time-of-use period of each row: ``tou`` for numbers, ``tou_name`` for words without a number."""
    spec = engine.table.tou
    if spec is None:
        return {}
    column = engine.words(spec.column)
    meanings = {fold(k): v for k, v in spec.words.items()}
    words = [meanings.get(fold(word), word.strip()) for word in column.words]
    own = column.codes[arrays.row]
    seen = np.bincount(own, minlength=len(words)) > 0  # not a repeated header's word
    words = [w if here else "" for w, here in zip(words, seen, strict=True)]
    if all(not w or (w.isdigit() and int(w) < 32_768) for w in words):
        values = np.array([int(w) if w else 0 for w in words], dtype=np.int16)[own]
        return {"tou": pd.arrays.IntegerArray(values, np.array([not w for w in words])[own])}
    return {"tou_name": _categories([w[:80] for w in words], own)}


def _registers(arrays: Readings, engine: Engine, file: str) -> pd.DataFrame:
    parts = []
    for key, at, value in arrays.registers:
        meter, flow, series, unit, zone = arrays.keys[key][:5]
        parts.append(
            pd.DataFrame(
                {
                    "meter": meter,
                    "series": series,
                    "flow": flow,
                    "time": to_times(at, zone or "UTC"),
                    "value": value,
                    "unit": unit,
                    "source": file,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _bills(engine: Engine, file: str) -> pd.DataFrame:
    """Return bills: rows with a start and an end date, of which the end is made exclusive."""
    start, end, parts = engine.periods()
    made = []
    for part, flow, unit in parts:
        rows = part.row
        own = pd.DataFrame(
            {
                "meter": engine.labels_of(engine.table.meter, engine.meter, part),
                "series": "usage",
                "flow": flow,
                "start": start[rows].astype("datetime64[us]"),  # the least int64 is NaT
                "end": end[rows].astype("datetime64[us]"),
                "value": part.value,
                "unit": unit,
                "cost": engine.cost_of(part),
                "currency": engine.currency_of(part),
                "quality": "actual",
                "commodity": engine.commodity_of(part, unit),
                "source": file,
            }
        )
        made.append(own)
    return _joined(made, _BILL_COLUMNS)


def _joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    if not parts:
        kinds = {"value": "float64", "cost": "float64", "start": "datetime64[us]", "end": "datetime64[us]"}
        kinds["time"] = "datetime64[us, UTC]"
        return pd.DataFrame({name: pd.Series([], dtype=kinds.get(name, "str")) for name in columns})
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def drop_repeats(frames: Sequence[pd.DataFrame], findings: Findings) -> list[pd.DataFrame]:
    """Leave out series whose readings another file also has, such as a workbook and the CSV of one download.

    A series is a repeat if every one of its intervals has the same value, but for rounding, in one series of the same
    flow and unit of an earlier file. Intervals of one series that two files have in common (overlapping downloads)
    are counted once as well.
    """
    kept: list[pd.DataFrame] = []
    for df in frames:
        for earlier in kept:
            df = _without(df, earlier, findings)
            if not len(df):
                break
        if len(df):
            kept.append(df)
    return kept or list(frames[:1]) or [frame.empty(["source"])]


def _without(df: pd.DataFrame, earlier: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    drop = np.zeros(len(df), dtype=bool)
    for (meter, flow, series, unit), part in df.groupby(list(frame.SERIES), observed=True, sort=False):
        same = earlier[(earlier["flow"] == flow) & (earlier["unit"] == unit)]
        for (other_meter, other_series), other in same.groupby(["meter", "series"], observed=True, sort=False):
            both = part[["start", "end", "value"]].reset_index().merge(
                other[["start", "end", "value"]].drop_duplicates(["start", "end"]), on=["start", "end"],
                suffixes=("", "_other"),
            )  # fmt: skip
            if not len(both):
                continue
            equal = (both["value"] - both["value_other"]).abs() <= _SAME
            equal |= both["value"].isna() & both["value_other"].isna()
            one_series = (meter, series) == (other_meter, other_series)
            if not one_series and (len(both) < len(part) or not equal.all() or not _is_telling(both["value"])):
                continue
            repeats = both.loc[equal, "index"].to_numpy()
            drop[df.index.isin(repeats)] = True
    if not drop.any():
        return df
    findings.add(
        FILE_KINDS["repeats"],
        count=int(drop.sum()),
        file=str(df["source"].iloc[0]) if "source" in df else "",
        other=str(earlier["source"].iloc[0]) if "source" in earlier else "another file",
    )
    return frame.tidy(df[~drop]) if not drop.all() else df.iloc[:0]


def _is_telling(values: pd.Series[float]) -> bool:
    """Return whether equal values prove that two series are one: several different values, not a run of zeros."""
    return len(values) >= 4 and values.nunique() >= 3


def _foreign_format(source: Source) -> _foreign.Foreign | None:
    """Return what a file is if it is neither text with cells nor a workbook."""
    head = source.head(4096)
    if head.startswith(b"PK\x03\x04"):
        return None  # a workbook; sources unpacks all other archives
    found = _foreign.recognize(head)
    if found is None and decode_head(head).lstrip().startswith("<"):
        found = _foreign.Foreign("XML", "If it is a Green Button feed, load it with greenkit.load_espi.")
    return found


def is_known(source: Source, limits: Limits | None = None) -> bool:
    """Return whether a file, or a sheet of it, has a known layout."""
    try:
        return any(
            nem12.matches(grid.head(",")) or isinstance(layouts.recognize(grid), Recognized)
            for grid in grids(source, limits or Limits())
        )
    except FormatError:
        return False


def source_name(source: Any) -> str:
    """Return a short name of a source, for a warning or an error."""
    if isinstance(source, str | os.PathLike):
        return os.path.basename(os.fspath(source)) or str(source)
    return str(getattr(source, "name", "table"))
