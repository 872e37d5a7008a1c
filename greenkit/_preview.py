"""The first rows of a table as a person reads them: few columns, local times, and values with their units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from greenkit import _html, _style

_WIDTH: Final = 1000
"""Most pixels of a table; a character takes about 7, and a cell 16 more."""
_LONG: Final = 28
"""Most characters of a cell."""


@dataclass(frozen=True)
class Preview:
    """Some rows to look at; create it with :func:`greenkit.frame.preview`.

    Parameters
    ----------
    title : str
        Number of rows, and the time zone of the times.
    table : DataFrame
        The rows as text.
    numbers : frozenset of str
        Columns that are aligned at the right.
    """

    title: str
    table: pd.DataFrame
    numbers: frozenset[str] = field(default=frozenset())

    def __repr__(self) -> str:
        return f"{self.title}\n{self.table.to_string(index=False)}" if len(self.table) else self.title

    def _repr_html_(self) -> str:
        head = [_html.Number(name) if name in self.numbers else name for name in self.table.columns]
        rows = [
            [
                _html.Number(v) if name in self.numbers else v.replace(" ", "\N{NO-BREAK SPACE}")
                for name, v in zip(self.table.columns, row, strict=True)
            ]
            for row in self.table.itertuples(index=False, name=None)
        ]
        return _html.block(self.title, _html.table(head, rows) if rows else "", text=repr(self))


def of_frame(df: pd.DataFrame, n: int) -> Preview:
    """Return the first rows of a tidy frame."""
    rows = df.head(n)
    if not len(rows):
        return Preview("0 rows", pd.DataFrame())
    zones = [str(z) for z in df["zone"].unique()]
    local: list[tuple[Any, Any]] = [
        (start.tz_convert(zone), end.tz_convert(zone))
        for start, end, zone in zip(rows["start"], rows["end"], rows["zone"], strict=True)
    ]
    out = {
        "meter": rows["meter"].astype("str").tolist(),
        "flow": [_style.flow_label(str(f)) for f in rows["flow"]],
        "start": [f"{a:%b} {a.day}, {a:%Y %H:%M}" for a, _ in local],
        "end": [f"{b:%H:%M}" if b - a < pd.Timedelta("1D") else f"{b:%b} {b.day}, {b:%Y %H:%M}" for a, b in local],
        "value": [_value(v, u) for v, u in zip(rows["value"], rows["unit"], strict=True)],
        "quality": rows["quality"].astype("str").tolist(),
    }
    if len(zones) > 1:
        out["zone"] = rows["zone"].astype("str").tolist()
    if "cost" in rows.columns and df["cost"].notna().any():
        unit = rows["currency"].astype("object").tolist() if "currency" in rows.columns else [""] * len(rows)
        out["cost"] = [
            "" if pd.isna(c) else f"{c:,.2f} {'' if pd.isna(u) else u}".rstrip()
            for c, u in zip(rows["cost"], unit, strict=True)
        ]
    zone = f"{len(zones)} time zones" if len(zones) > 1 else _style.zone_label(zones)
    return Preview(f"{_counted(len(df), n)}, {zone}", pd.DataFrame(out), frozenset({"value", "cost"}))


def of_table(table: pd.DataFrame, n: int) -> Preview:
    """Return the first rows of another table, with the columns that have a value."""
    rows = table.head(n)
    if not len(rows):
        return Preview("0 rows", pd.DataFrame())
    used = [name for name in table.columns if table[name].notna().any() and not str(name).endswith(("_id", "href"))]
    out, room = {}, _WIDTH
    for name in used:
        cells = [_cell(v) for v in rows[name]]
        room -= 7 * max(map(len, [str(name), *cells])) + 16
        if room < 0:
            break
        out[str(name)] = cells
    numbers = frozenset(name for name in out if pd.api.types.is_numeric_dtype(table[name].dtype))
    more = "" if len(out) == table.shape[1] else f", {len(out)} of {table.shape[1]} columns"
    return Preview(_counted(len(table), n) + more, pd.DataFrame(out), numbers)


def _counted(count: int, n: int) -> str:
    rows = f"{count:,} {'row' if count == 1 else 'rows'}"
    return f"First {n:,} of {rows}" if count > n else rows


def _value(value: float, unit: object) -> str:
    return "no value" if pd.isna(value) else f"{value:,.6g} {unit}"


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        text = f"{len(value)} entries"
    elif pd.isna(value):
        text = ""
    elif isinstance(value, pd.Timestamp):
        text = f"{value:%b} {value.day}, {value:%Y}" + (f" {value:%H:%M}" if value != value.normalize() else "")
    elif isinstance(value, float):
        text = f"{value:,.6g}"
    else:
        text = str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
