"""The mapping grammar: how the columns of a table become readings, as frozen dataclasses that TOML converts to.

A mapping is a TOML file or a dictionary of the same form. Only values, time, and zone are needed::

    schema = 1
    [table]
    time = { columns = ["Date", "Start"] }
    zone = "America/Chicago"
    values = { Usage = { flow = "delivered", unit = "kWh" } }

A mapping contains no code. If a mapping leaves a question open, greenkit asks it
(:class:`greenkit.errors.AmbiguousTable`). The layouts that greenkit knows are such mappings, with the header by which a
file is recognized.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from greenkit import _toml
from greenkit._toml import NOT_EMPTY, TIME_ZONE, Rule, above
from greenkit.errors import SettingsError

Flow = Literal["delivered", "received", "net", "total", "unknown", "skip"]
FLOWS: Final = ("delivered", "received", "net", "total", "unknown")
Text = Annotated[str, NOT_EMPTY]
TIME_OF_DAY: Final = Rule(
    lambda text: re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) is not None, "a time of day such as 06:00"
)

REPEATS: Final = ("in order", "slots 9-12", "appended")
REPEATED_HOURS: Final = ("lost", "summed")
CLOCKS: Final = ("local", "standard", "utc", "offset")
BLANKS: Final = ("missing", "absent", "zero")
DATE_SYSTEMS: Final = ("1900", "1904")
DateOrder = Literal["month first", "day first", "year first"]
Blank = Literal["missing", "absent", "zero"]
MULTIPLIERS: Final = frozenset(
    {
        "multiplier",
        "meter multiplier",
        "pulse multiplier",
        "ct ratio",
        "ct multiplier",
        "transformer ratio",
        "meter constant",
    }
)
"""Names of columns with the factor between a meter's register and the energy, without case."""
METERS: Final = frozenset(
    {"meter", "meter number", "meter no", "meter id", "meter_id", "esi id", "esiid", "service point id", "nmi", "mpan"}
)
"""Names of columns with the meter, without case."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column whose cells contain the value."""

    column: Text


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words, and the meaning of each word.

    Parameters
    ----------
    column : str
        Name of the column.
    words : mapping
        Word in the table → meaning. Case and surrounding blanks do not matter.
    """

    column: Text
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one file whose header names the flow, as in Southern California Edison's downloads.

    Parameters
    ----------
    header : mapping
        First token of a block's header → flow.
    """

    header: Mapping[str, Flow]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that are readings, selected by the words of one column."""

    column: Text
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A column that counts intervals of the day: an hour from 1 to 24, a quarter from 1 to 4.

    Parameters
    ----------
    column : str
        Name of the column.
    minutes : float or Column
        Length of each counted interval.
    first : int
        Number of the first interval of the day.
    """

    column: Text
    minutes: Annotated[float, above(0)] | Column
    first: int = 1


@dataclass(frozen=True, slots=True)
class Time:
    """The time columns of a table, or its epoch column.

    Parameters
    ----------
    columns : tuple of str
        One column with date and time, or a date and a time column.
    format : str
        As for ``strptime``; ``"excel"`` and ``"excel-1904"`` are serial numbers of spreadsheets. Default: inferred;
        if days and months cannot be distinguished, greenkit asks.
    between : str
        Text between start and end in one cell, such as ``" to "``.
    epoch, unit : str
        Column of seconds (``s``), milliseconds (``ms``), or microseconds (``us``) since 1970 UTC, instead of
        ``columns``.
    slots : tuple of Slot
        Columns that count intervals from local midnight of the date column.
    wide : str
        Names of value columns that are times: a ``strptime`` format, or a pattern with ``{HH:MM}``, ``{HHMM}``,
        ``{n}`` (number of the interval), and ``*`` (any text).
    extra : str
        Pattern of the additional columns of the repeated hour.
    dst : Words
        Column that distinguishes daylight and standard time, or the first and the second hour. Its words mean
        ``daylight``, ``standard``, ``first``, or ``second``.
    """

    columns: tuple[str, ...] = ()
    format: str = ""
    between: str = ""
    epoch: str = ""
    unit: Literal["s", "ms", "us"] = "s"
    slots: tuple[Slot, ...] = ()
    wide: str = ""
    extra: str = ""
    dst: Words | None = None

    def __post_init__(self) -> None:
        if bool(self.columns) == bool(self.epoch):
            raise SettingsError("time must have columns or epoch", next_step='Write columns = ["Date", "Time"].')
        if len(self.columns) > 2:
            raise SettingsError("time has more than two columns", next_step="Name the date column and the time column.")


@dataclass(frozen=True, slots=True)
class End:
    """A column, or a date and a time column, with the end of each interval.

    Parameters
    ----------
    end : str or tuple of str
        Name of the column. A column of times without dates takes the date of the start.
    inclusive : bool
        Whether the last minute (or day) belongs to the interval: 00:00 to 00:14 is then a quarter of an hour.
        Default: inferred from the start of the next row; for bills that prove neither, greenkit asks.
    """

    end: str | tuple[str, ...]
    inclusive: bool | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (self.end,) if isinstance(self.end, str) else self.end


_CENTS: Final = re.compile(r"\((p|c|¢)\)|\b(pence|cents|cent)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cost:
    """A column of money.

    Parameters
    ----------
    column : str
        Name of the column.
    currency : str
        ISO 4217 code. Default: that of a euro or pound sign in the column; otherwise, greenkit asks.
    factor : float
        Factor to multiply the amounts by. Default: 0.01 if the name of the column contains cents or pence, else 1.
    credit : bool
        Whether amounts are credits that the column has without a minus sign, so their cost is negative. Default:
        greenkit asks if the name of the column contains credit, and no amount is negative.
    """

    column: Text
    currency: Text | None = None
    factor: float | None = None
    credit: bool | None = None

    @property
    def scale(self) -> float:
        """Factor to multiply the amounts by."""
        if self.factor is not None:
            return self.factor
        return 0.01 if _CENTS.search(self.column) else 1.0


@dataclass(frozen=True, slots=True)
class Value:
    """A column of numbers, and its meaning.

    Parameters
    ----------
    flow : str
        ``delivered`` (to the customer), ``received`` (from the customer), ``net``, ``total``, ``unknown``. Default:
        from the column that ``flow`` of the table names; otherwise, greenkit asks.
    unit : str or Column
        Unit of the numbers. Wh, MWh, W, and MW become kWh and kW. Default: the table's ``unit``; otherwise, greenkit
        asks.
    factor : float
        Factor to multiply the numbers by.
    skip : bool
        Whether to leave the column out.
    sum_of : tuple of str
        The column repeats the energy of these columns (a minus sign before a name subtracts). greenkit
        compares it with them, reports the result, and does not read it.
    kind : {"usage", "register"}
        A register is cumulative: usage is the difference of neighboring readings.
    series : str
        Name of the series. Needed if several columns have one flow and unit.
    split : bool
        Whether negative net values become received and positive ones delivered. greenkit does this only if you ask
        for it, because energy can flow in both directions within one interval.
    blank : {"missing", "absent", "zero"}
        Whether an empty cell is a missing reading, no reading, or zero. Default: missing; greenkit asks if most cells
        are empty in rows where another value column has a number.
    cost : Cost
        Cost of the energy in this column.
    """

    flow: Flow | None = None
    unit: str | Column | None = None
    factor: float = 1.0
    skip: bool = False
    sum_of: tuple[str, ...] = ()
    kind: Literal["usage", "register"] | None = None
    series: str = ""
    split: bool = False
    blank: Blank | None = None
    cost: Cost | None = None

    def __post_init__(self) -> None:
        if self.split and self.flow != "net":
            raise SettingsError('split requires flow = "net"', next_step='Write flow = "net".')

    @property
    def read(self) -> bool:
        """Whether the column has readings of its own."""
        return not self.skip and not self.sum_of and self.flow != "skip"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the location of its header, and the meaning of its columns.

    Parameters
    ----------
    time : Time
        The time columns, or the epoch column.
    values : mapping
        Column → :class:`Value`.
    cells : Value or mapping
        Meaning of the value columns of a wide table; a mapping has a pattern (as ``time.wide``) for each flow.
    zone : str or Column
        IANA time zone of the site.
    label : {"start", "end"} or End
        Bound of the interval that a time marks. Default: inferred if the table proves it; otherwise, greenkit asks.
    clock : str
        ``local`` (with daylight saving time), ``standard``, ``utc``, ``offset`` (the time has its offset), or a fixed
        offset such as ``+10:00``. Default: inferred from the days when clocks change; otherwise, greenkit
        asks.
    interval : float or "period" or Column
        Minutes; ``"period"`` for bills, whose rows have a start and an end date. Default: measured.
    meter, series : str or Column
        Name of the meter and series, or the column that has it.
    unit : str, Column, or Words
        Unit of all values without one; words that mean units.
    flow : Words or Blocks
        Column with the flow, or blocks that name it.
    quality : Words
        Column with the quality of a reading: ``actual``, ``estimated``, ``missing``, or another word. The word ``*``
        is any other that is not empty.
    cost : Cost
        Cost of the energy in the first value column.
    tou : Words
        Column with the time-of-use period; words that are numbers, or mean numbers, go to ``tou``.
    commodity : str or Words
        Such as ``electricity`` or ``natural gas``.
    rows : Rows
        The rows that are readings.
    skip : int
        Lines before the header.
    header : str or bool
        First characters of the header line, or False if there is none: the columns are then ``"1"``, ``"2"``, …
    header_rows : int
        2 if there are group names above the column names; the name of a column is then ``"group / name"``.
    delimiter, decimal : str
        Default: inferred.
    date_order : {"month first", "day first", "year first"}
        Default: inferred if a number above 12 or consecutive days prove it; otherwise, greenkit asks. The year can
        only be first without four digits.
    date_system : {"1900", "1904"}
        First year of the serial numbers of a spreadsheet. Default: greenkit asks if times are such numbers.
    missing : tuple of str
        Words that mean "no value", in addition to an empty cell, ``-``, ``NA``, ``NaN``, and ``null``.
    repeat : str
        Location of the repeated hour in a table of 25, 50, or 100 columns: ``in order`` of time, in the columns after
        the second hour (``slots 9-12``), or ``appended`` at the end.
    repeated_hour : {"lost", "summed"}
        Meaning of the one value of the repeated hour, in a table with 24 hours on a day of 25.
    gaps : {"missing", "zero"}
        Meaning of intervals without a row. Default: missing; greenkit asks if many are absent and no value is zero.
    multiplier : {"applied", "apply"} or Column
        Whether the values contain the multiplier of a column such as ``Multiplier`` already; a column is applied.
        Default: greenkit asks if the table has such a column.
    meters : {"separate", "sum"}
        Whether the meters of a column such as ``Meter ID``, which the mapping does not name, are kept apart or added
        up. Default: greenkit asks if there are several.
    day_start : str
        Time of day at which the days of daily rows begin, such as ``"06:00"`` for gas in Europe. Default: midnight;
        greenkit asks for daily gas in Europe.
    bill_end : {"inclusive", "exclusive"}
        Whether the end date of a bill belongs to it, if ``label`` does not specify it.
    sheet : str
        Sheet of a workbook. Default: the first that fits.
    """

    time: Time
    values: Mapping[str, Value] = field(default_factory=dict)
    cells: Mapping[str, Value] | Value | None = None
    zone: Annotated[str, TIME_ZONE] | Column | None = None
    label: Literal["start", "end"] | End | None = None
    clock: str | None = None
    interval: Annotated[float, above(0)] | Literal["period"] | Column | None = None
    meter: str | Column | None = None
    series: str | Column | None = None
    unit: str | Column | Words | None = None
    flow: Words | Blocks | None = None
    quality: Words | None = None
    cost: Cost | None = None
    tou: Words | None = None
    commodity: str | Words | None = None
    rows: Rows | None = None
    skip: int | None = None
    header: str | bool | None = None
    header_rows: Literal[1, 2] = 1
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    date_order: DateOrder | None = None
    date_system: Literal["1900", "1904"] | None = None
    missing: tuple[str, ...] = ()
    repeat: Literal["in order", "slots 9-12", "appended"] | None = None
    repeated_hour: Literal["lost", "summed"] | None = None
    gaps: Literal["missing", "zero"] | None = None
    multiplier: Literal["applied", "apply"] | Column | None = None
    meters: Literal["separate", "sum"] | None = None
    day_start: Annotated[str, TIME_OF_DAY] | None = None
    bill_end: Literal["inclusive", "exclusive"] | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if not self.values and self.cells is None:
            raise SettingsError("lacks values", next_step='Write values = { Usage = { flow = "delivered" } }.')
        if self.cells is not None and not self.patterns:
            raise SettingsError("cells requires time.wide", next_step='Write wide = "%H:%M" in time.')
        if self.cells is not None and (self.cost or any(cell.cost for cell in self.patterns.values())):
            raise SettingsError(
                "cost is the amount of one row, but a row of a wide table has many intervals", next_step="Remove cost."
            )
        if self.clock is not None and self.clock not in CLOCKS and offset_minutes(self.clock) is None:
            raise SettingsError(
                f"clock is {self.clock!r}, but it must be local, standard, utc, offset, or an offset such as +10:00",
                next_step="Correct the clock.",
            )
        if self.interval == "period" and not isinstance(self.label, End):
            raise SettingsError("bills need an end date", next_step='Write label = { end = "End Date" }.')

    @property
    def patterns(self) -> dict[str, Value]:
        """Pattern of the names of wide value columns → flow, unit, and factor of their values."""
        if isinstance(self.cells, Mapping) and self.cells:
            return dict(self.cells)
        cells = self.cells if isinstance(self.cells, Value) else Value()
        return {self.time.wide: cells} if self.time.wide else {}

    @property
    def is_wide(self) -> bool:
        """Whether the names of value columns are times."""
        return self.cells is not None


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A mapping: the schema and the table.

    Examples
    --------
    >>> mapping = read_mapping({"time": {"columns": ["Time"]}, "values": {"kWh": {"flow": "delivered"}}})
    >>> mapping.table.values["kWh"].flow
    'delivered'
    """

    table: Table
    schema: int = 1

    def to_toml(self) -> dict[str, Any]:
        """Return the plain tables of the mapping."""
        return {"schema": self.schema, "table": _toml.plain(self.table)}

    def __str__(self) -> str:
        return dump_mapping(self)


def read_mapping(layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping) -> TableMapping:
    """Read a mapping from a TOML file or a dictionary.

    Parameters
    ----------
    layout : path, dict or TableMapping
        A dictionary may leave ``schema`` and the level ``table`` out.

    Raises
    ------
    SettingsError
        If the file cannot be read, has no or a newer schema, or a key that the grammar does not know.
    """
    if isinstance(layout, TableMapping):
        return layout
    if isinstance(layout, Mapping):
        tables = dict(layout)
        if "table" not in tables:
            schema = tables.pop("schema", 1)
            tables = {"schema": schema, "table": tables}
        return _toml.convert(tables, TableMapping, name="layout")
    path = Path(layout)
    tables = _toml.parse(path)
    if "schema" not in tables:
        raise SettingsError(f"{path}: schema is not set", next_step="Begin the file with schema = 1.")
    tables.pop("layout", None)
    return _toml.convert(tables, TableMapping, name=str(path))


def dump_mapping(mapping: TableMapping) -> str:
    """Return a mapping as TOML that :func:`read_mapping` reads back."""
    tables = mapping.to_toml()
    return _toml.dumps(tables)


def replace(mapping: TableMapping, **changes: Any) -> TableMapping:
    """Return the mapping with some fields of its table changed."""
    return dataclasses.replace(mapping, table=dataclasses.replace(mapping.table, **changes))


def offset_minutes(text: str) -> int | None:
    """Return a fixed offset from UTC in minutes; None if the text is not one.

    Examples
    --------
    >>> offset_minutes("+10:00"), offset_minutes("-0330"), offset_minutes("local")
    (600, -210, None)
    """
    sign, digits = text[:1], text[1:].replace(":", "")
    if sign not in "+-" or not sign or len(digits) != 4 or not digits.isdigit():
        return None
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return minutes if sign == "+" else -minutes
