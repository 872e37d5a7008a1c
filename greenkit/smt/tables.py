"""Register reads and bills: tables beside the intervals, which cannot be summed with them.

The daily register CSV and the monthly billing CSV are mapped by their header's names (:mod:`greenkit.smt.headers`);
columns that are not known are kept as text, under the name that the file gives them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from greenkit import days, frame
from greenkit.errors import FormatError
from greenkit.smt import codes, interval_csv, stamps
from greenkit.smt.codes import KWH, QUALITIES, ZONE, Channel
from greenkit.smt.headers import Layout
from greenkit.smt.notes import Notes
from greenkit.smt.text import Advance, cells, decode, number, pieces
from greenkit.sources import Source

_NAT: Final = stamps.NEVER

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

    def add(self, meter: str, channel: Channel, code: str = "", revision: int = _NAT, **cells: Any) -> None:
        """Add a row; dates are days since 1970, the revision local microseconds."""
        quality = QUALITIES.get(code.upper(), "other") if code else None
        known = {"meter": meter, "series": channel.series, "flow": channel.flow, "unit": KWH}
        cells["source"] = os.path.basename(cells["source"])
        self._rows.append({**known, "quality": quality, "quality_code": code or None, "revision": revision, **cells})

    def frame(self, *, keep_all: bool) -> pd.DataFrame:
        """Give the rows; of one meter, flow and date only the newest revision unless ``keep_all``."""
        if not self._rows:
            return _empty(tuple(self._columns.items())).copy()
        names = list(dict.fromkeys([*self._columns, *(name for row in self._rows for name in row)]))
        raw = {name: [row.get(name) for row in self._rows] for name in names}
        df = pd.DataFrame({name: _column(raw[name], self._columns.get(name, "text")) for name in names})
        keys = [name for name in _VERSIONS_OF if name in df.columns]
        order = df.assign(_place=range(len(df))).sort_values(["revision", "_place"], na_position="first").index
        df = df.loc[order]
        if not keep_all:
            df = df.drop_duplicates(keys, keep="last")
        return df.sort_values(keys, kind="stable").reset_index(drop=True)


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
        return pd.Series(days.times(stamps.instants(local), ZONE))
    text = pd.Series([None if c is None else str(c) for c in cells], dtype="str")
    return frame.observed(text) if kind == "category" else text


def read(source: Source, layout: Layout, table: Table, notes: Notes, advance: Advance) -> None:
    """Read a daily register CSV or a monthly billing CSV into its table."""
    before = len(table)
    for i, (piece, line) in enumerate(pieces(source, advance)):
        skip = layout.skip if i == 0 else 0
        for k, text in enumerate(decode(piece).split("\n")[skip:-1]):
            row = cells(text, layout.delimiter)
            if row:
                _row(row, line + skip + k, source.name, layout, table, notes)
    if len(table) == before:
        notes.add("smt.file.empty", file=source.name)


def _row(row: list[str], line: int, file: str, layout: Layout, table: Table, notes: Notes) -> None:
    names = layout.names
    if layout.is_header(row):
        notes.add("smt.row.repeated-header", file=file)
        return
    row += [""] * (len(names) - len(row))
    try:
        meter = interval_csv.meter_id(row[layout.roles["meter"]])
    except FormatError as e:
        raise FormatError(str(e), source=file, line=line) from None
    made: dict[str, Any] = {"source": file}
    columns = _COLUMNS[layout.kind]
    for role, column in columns.items():
        if role not in layout.roles:
            continue
        cell = row[layout.roles[role]]
        found = (
            number(cell.replace(",", "")) if column in ("value", "start_reading", "end_reading") else stamps.day(cell)
        )
        if found is None and (cell or column.endswith("date")):
            notes.add("smt.row.unreadable", f"{names[layout.roles[role]]} is {cell[:40]!r}", file=file, line=line)
            return
        made[column] = found
    if meter is None or any(row[len(names) :]):
        notes.add("smt.row.unreadable", f"{len(row)} cells, first {row[0][:40]!r}", file=file, line=line)
        return
    known = {layout.roles[role] for role in layout.roles}
    more = {name: row[i] for i, name in enumerate(names) if i not in known and name and name not in made}
    stamp = stamps.stamp(_cell(row, layout, "revision"))
    table.add(
        meter,
        codes.channel(_cell(row, layout, "flow") or "4"),
        _cell(row, layout, "quality"),
        _NAT if stamp is None else stamp,
        **{**more, **made},
    )


def _cell(row: list[str], layout: Layout, role: str) -> str:
    return row[layout.roles[role]] if role in layout.roles else ""
