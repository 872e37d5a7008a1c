"""Register reads and bills: tables beside the intervals, to which they must never be added.

:mod:`greenkit.smt._interval_csv` recognizes the columns of the daily register CSV and the monthly billing CSV. Other
columns are kept as text under the names that the file has for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from greenkit import frame
from greenkit.errors import FormatError
from greenkit.smt import _codes, _stamps
from greenkit.smt._blocks import Store
from greenkit.smt._codes import KWH, QUALITIES, ZONE, Channel
from greenkit.smt._findings import (
    DAY_CONFLICT,
    DAY_DUPLICATE,
    FILE_CUT,
    FILE_EMPTY,
    HEADER_REPEATED,
    REVISION_UNREADABLE,
    ROW_UNREADABLE,
    FindingCounter,
    masked,
)
from greenkit.smt._interval_csv import Layout, parse_date, parse_meter_id, parse_revision
from greenkit.sources import Source
from greenkit.text import BLANKS, Advance, decode, parse_amount, read_pieces, split_row
from greenkit.times import US, to_times

# Column → what it contains: a category, a number, a local date, or an instant.
REGISTERS: Final[Mapping[str, str]] = {
    "meter": "category",
    "series": "category",
    "flow": "category",
    "usage_date": "date",
    "start_reading": "number",
    "end_reading": "number",
    "value": "number",
    "unit": "category",
    "quality": "category",
    "quality_code": "category",
    "revision": "time",
    "source": "category",
}
BILLS: Final[Mapping[str, str]] = {
    "meter": "category",
    "series": "category",
    "flow": "category",
    "start_date": "date",
    "end_date": "date",
    "value": "number",
    "unit": "category",
    "quality": "category",
    "quality_code": "category",
    "revision": "time",
    "source": "category",
}
# Kind of layout → the columns that its roles become.
_COLUMNS: Final = {
    "register": {
        "date": "usage_date",
        "start_reading": "start_reading",
        "end_reading": "end_reading",
        "value": "value",
    },
    "billing": {"start": "start_date", "end": "end_date", "value": "value"},
}
_NUMBERS: Final = ("value", "start_reading", "end_reading")
_KEYS: Final = ("meter", "series", "flow", "usage_date", "start_date", "end_date")
"""Columns that tell one read or bill from another; rows that are equal in them are revisions of one."""
_NAT: Final = _stamps.NEVER


class Table:
    """Collects rows, and returns them as a DataFrame with fixed dtypes."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        meter: str,
        channel: Channel,
        code: str = "",
        revision: int = _NAT,
        more: Mapping[str, Any] | None = None,
        **cells: Any,
    ) -> None:
        """Add a row.

        Parameters
        ----------
        meter : str
        channel : Channel
        code : str
            Status in the file.
        revision : int
            Microseconds of the local clock. Default: none.
        more : mapping, optional
            Columns of the file that greenkit does not know.
        **cells
            Cells of the table's columns; dates are days since 1970.
        """
        known = {"meter": meter, "series": channel.series, "flow": channel.flow, "unit": KWH, "revision": revision}
        known |= {"quality": QUALITIES.get(code.upper(), "other") if code else None, "quality_code": code or None}
        known |= cells | {"source": os.path.basename(cells["source"])}
        others = {f"{name} (file)" if name in self._columns else name: cell for name, cell in (more or {}).items()}
        self._rows.append(others | known)

    def truncate(self, length: int) -> None:
        """Remove all but the first rows."""
        del self._rows[length:]

    def frame(self, counter: FindingCounter, *, keep_all: bool) -> pd.DataFrame:
        """Return the rows; of each meter, flow and date only the newest revision, unless ``keep_all``."""
        if not self._rows:
            return _empty(tuple(self._columns.items())).copy()
        names = list(dict.fromkeys([*self._columns, *(name for row in self._rows for name in row)]))
        raw = {name: [row.get(name) for row in self._rows] for name in names}
        df = pd.DataFrame({name: _column(raw[name], self._columns.get(name, "text")) for name in names})
        keys = [name for name in _KEYS if name in df.columns]
        order = df.assign(_place=range(len(df))).sort_values(["revision", "_place"], na_position="first").index
        df = _deduplicate(df.loc[order], [*keys, "revision"], counter)
        if not keep_all:
            df = df.drop_duplicates(keys, keep="last")
        return df.sort_values(keys, kind="stable").reset_index(drop=True)


def _deduplicate(df: pd.DataFrame, version: list[str], counter: FindingCounter) -> pd.DataFrame:
    """Return each version of a read or bill once, the later row, and report duplicates."""
    is_repeat = df.duplicated(version, keep="last")
    if is_repeat.any():
        numbers = [name for name in _NUMBERS if name in df.columns]
        differs = df.duplicated(version, keep=False) & ~df.duplicated([*version, *numbers], keep=False)
        first = df[differs if differs.any() else is_repeat].iloc[0]
        date = first["usage_date"] if "usage_date" in df.columns else first["start_date"]
        kind = DAY_CONFLICT if differs.any() else DAY_DUPLICATE
        count = int((is_repeat & differs).sum() or is_repeat.sum())
        counter.add(kind, f"{date:%Y-%m-%d} of {first['meter']} {first['flow']}", n=count)
    return df[~is_repeat]


@lru_cache
def _empty(columns: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    return pd.DataFrame({name: _column([], kind) for name, kind in columns})


def _column(cells: list[Any], kind: str) -> pd.Series[Any]:
    if kind == "number":
        return pd.Series(cells, dtype="float64")
    if kind == "date":
        return pd.Series([_NAT if c is None else c * 86400 * US for c in cells], dtype="int64").astype("M8[us]")
    if kind == "time":
        local = pd.Series(cells, dtype="int64").to_numpy()
        return pd.Series(to_times(_stamps.revision_instants(local), ZONE))
    text = pd.Series([None if c is None else str(c) for c in cells], dtype="str")
    return frame.observed(text) if kind == "category" else text


@dataclass
class ReadTargets:
    """Where a reader puts what it reads."""

    store: Store
    registers: Table
    bills: Table
    counter: FindingCounter


def read(source: Source, layout: Layout, table: Table, counter: FindingCounter, advance: Advance) -> None:
    """Read a daily register CSV or a monthly billing CSV into its table."""
    has_rows, skip = False, layout.skip
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance):
            lines = decode(piece.text).split("\n")[skip:-1]
            for line, text in enumerate(lines, piece.line + skip):
                row = split_row(text, layout.delimiter)
                if not row:
                    continue
                if layout.is_header(row):
                    counter.add(HEADER_REPEATED, file=source.name)
                    continue
                has_rows = True
                if piece.cut and text is lines[-1] and len(row) < len(layout.names):
                    what = f"{len(row)} columns instead of {len(layout.names)}"
                    counter.add(FILE_CUT, what, file=source.name, line=line)
                    continue
                _read_row(row, line, source.name, layout, table, counter)
            skip = 0
    if not has_rows:
        counter.add(FILE_EMPTY, file=source.name)


class _Unreadable(Exception):
    """A row cannot be read, for the reason in its text."""


def _read_row(row: list[str], line: int, file: str, layout: Layout, table: Table, counter: FindingCounter) -> None:
    """Add one row to the table, or report why it cannot be read."""
    names, roles = layout.names, layout.roles
    row += [""] * (len(names) - len(row))
    flow, code, made = (row[roles[role]] if role in roles else "" for role in ("flow", "quality", "revision"))
    try:
        meter = parse_meter_id(row[roles["meter"]])
        revision = parse_revision(made)
        cells = {
            column: _cell(row[roles[role]], column, names[roles[role]], layout.delimiter)
            for role, column in _COLUMNS[layout.kind].items()
            if role in roles
        }
        if meter is None or any(row[len(names) :]):
            raise _Unreadable(f"{len(row)} cells, first {masked(row[0])}")
    except FormatError as e:
        raise FormatError(e.problem, source=file, line=line, next_step=e.next_step) from None
    except _Unreadable as e:
        counter.add(ROW_UNREADABLE, str(e), file=file, line=line)
        return
    if revision is None:
        counter.add(REVISION_UNREADABLE, masked(made), file=file, line=line)
    more = {name: row[i] for i, name in enumerate(names) if i not in roles.values() and name}
    channel = _codes.channel(flow or _codes.LOAD.series)
    table.add(meter, channel, code, _NAT if revision is None else revision, more, source=file, **cells)


def _cell(cell: str, column: str, name: str, delimiter: str) -> float | None:
    """Return a number, which may be blank, or a date as days since 1970."""
    if column in _NUMBERS and cell in BLANKS:
        return None
    value = parse_amount(cell, delimiter) if column in _NUMBERS else parse_date(cell)
    if value is None:
        raise _Unreadable(f"{name} is {masked(cell)}")
    return value
