"""Register reads and bills: tables beside the intervals, which cannot be summed with them.

The daily register CSV and the monthly billing CSV are mapped by their header's names (:mod:`greenkit.smt.headers`);
columns that are not known are kept as text, under the name that the file gives them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from greenkit import days, frame
from greenkit.errors import FormatError
from greenkit.smt import _codes, _interval_csv, _stamps
from greenkit.smt._blocks import Store
from greenkit.smt._codes import KWH, QUALITIES, ZONE, Channel
from greenkit.smt._findings import Notes
from greenkit.smt._interval_csv import Layout
from greenkit.sources import Source
from greenkit.text import BLANKS, Advance, decode, parse_amount, read_pieces, split_row

_NAT: Final = _stamps.NEVER

# column → what it holds: a category, a number, a local date, or an instant
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
_NUMBERS: Final = ("value", "start_reading", "end_reading")
_VERSIONS_OF: Final = ("meter", "series", "flow", "usage_date", "start_date", "end_date")
# role of a header → column
_COLUMNS: Final = {
    "register": {
        "date": "usage_date",
        "start_reading": "start_reading",
        "end_reading": "end_reading",
        "value": "value",
    },
    "billing": {"start": "start_date", "end": "end_date", "value": "value"},
}


class Table:
    """Collects rows; :meth:`frame` gives them as a DataFrame with fixed dtypes."""

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
        """Add a row: dates are days since 1970, the revision local microseconds, ``more`` the file's own columns."""
        known = {"meter": meter, "series": channel.series, "flow": channel.flow, "unit": KWH, "revision": revision}
        known |= {"quality": QUALITIES.get(code.upper(), "other") if code else None, "quality_code": code or None}
        known |= cells | {"source": os.path.basename(cells["source"])}
        own = {f"{name} (file)" if name in self._columns else name: cell for name, cell in (more or {}).items()}
        self._rows.append(own | known)

    def frame(self, notes: Notes, *, keep_all: bool) -> pd.DataFrame:
        """Give the rows; of one meter, flow and date only the newest revision unless ``keep_all``."""
        if not self._rows:
            return _empty(tuple(self._columns.items())).copy()
        names = list(dict.fromkeys([*self._columns, *(name for row in self._rows for name in row)]))
        raw = {name: [row.get(name) for row in self._rows] for name in names}
        df = pd.DataFrame({name: _column(raw[name], self._columns.get(name, "text")) for name in names})
        keys = [name for name in _VERSIONS_OF if name in df.columns]
        order = df.assign(_place=range(len(df))).sort_values(["revision", "_place"], na_position="first").index
        df = _once(df.loc[order], [*keys, "revision"], notes)
        if not keep_all:
            df = df.drop_duplicates(keys, keep="last")
        return df.sort_values(keys, kind="stable").reset_index(drop=True)


def _once(df: pd.DataFrame, version: list[str], notes: Notes) -> pd.DataFrame:
    """Leave each version of a read or bill once, the later one."""
    again = df.duplicated(version, keep="last")
    if again.any():
        numbers = [name for name in _NUMBERS if name in df.columns]
        differ = df.duplicated(version, keep=False) & ~df.duplicated([*version, *numbers], keep=False)
        first = df[differ if differ.any() else again].iloc[0]
        date = first["usage_date"] if "usage_date" in df.columns else first["start_date"]
        name = "smt.day.conflict" if differ.any() else "smt.day.duplicate"
        notes.add(
            name, f"{date:%Y-%m-%d} of {first['meter']} {first['flow']}", n=int((again & differ).sum() or again.sum())
        )
    return df[~again]


@lru_cache
def _empty(columns: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    return pd.DataFrame({name: _column([], kind) for name, kind in columns})


def _column(cells: list[Any], kind: str) -> pd.Series[Any]:
    if kind == "number":
        return pd.Series(cells, dtype="float64")
    if kind == "date":
        return pd.Series([_NAT if c is None else c * 86400 * days.US for c in cells], dtype="int64").astype("M8[us]")
    if kind == "time":
        local = pd.Series(cells, dtype="int64").to_numpy()
        return pd.Series(days.times(_stamps.instants(local), ZONE))
    text = pd.Series([None if c is None else str(c) for c in cells], dtype="str")
    return frame.observed(text) if kind == "category" else text


@dataclass
class Sink:
    """Where what is read goes."""

    store: Store
    registers: Table
    bills: Table
    notes: Notes


def read(source: Source, layout: Layout, table: Table, notes: Notes, advance: Advance) -> None:
    """Read a daily register CSV or a monthly billing CSV into its table."""
    any_rows, skip = False, layout.skip
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance):
            lines = decode(piece.text).split("\n")[skip:-1]
            for line, text in enumerate(lines, piece.line + skip):
                row = split_row(text, layout.delimiter)
                if not row:
                    continue
                if layout.is_header(row):
                    notes.add("smt.row.repeated-header", file=source.name)
                    continue
                any_rows = True
                if piece.cut and text is lines[-1] and len(row) < len(layout.names):
                    what = f"{len(row)} columns instead of {len(layout.names)}"
                    notes.add("smt.file.cut", what, file=source.name, line=line)
                    continue
                _row(row, line, source.name, layout, table, notes)
            skip = 0
    if not any_rows:
        notes.add("smt.file.empty", file=source.name)


def _row(row: list[str], line: int, file: str, layout: Layout, table: Table, notes: Notes) -> None:
    """Add one row, or note why it cannot be read."""
    names, roles = layout.names, layout.roles
    row += [""] * (len(names) - len(row))
    flow, code, made = (row[roles[role]] if role in roles else "" for role in ("flow", "quality", "revision"))
    try:
        meter = _interval_csv.meter_id(row[roles["meter"]])
        revision = _interval_csv.revision(made)
        found = {
            column: _cell(row[roles[role]], column, names[roles[role]], layout.delimiter)
            for role, column in _COLUMNS[layout.kind].items()
            if role in roles
        }
        if meter is None or any(row[len(names) :]):
            raise ValueError(f"{len(row)} cells, first {row[0][:40]!r}")
    except FormatError as e:
        raise FormatError(str(e), source=file, line=line) from None
    except ValueError as e:
        notes.add("smt.row.unreadable", str(e), file=file, line=line)
        return
    if revision is None:
        notes.add("smt.revision.unreadable", repr(made[:40]), file=file, line=line)
    more = {name: row[i] for i, name in enumerate(names) if i not in roles.values() and name}
    channel = _codes.channel(flow or _codes.LOAD.series)
    table.add(meter, channel, code, _NAT if revision is None else revision, more, source=file, **found)


def _cell(cell: str, column: str, name: str, delimiter: str) -> float | None:
    """Read a number, which may be blank, or a date."""
    if column in _NUMBERS and cell in BLANKS:
        return None
    found = parse_amount(cell, delimiter) if column in _NUMBERS else _interval_csv.date(cell)
    if found is None:
        raise ValueError(f"{name} is {cell[:40]!r}")
    return found
