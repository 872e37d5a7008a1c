"""How greenkit reads a table: its mapping as TOML to start from, and its first rows as read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from greenkit import frame
from greenkit.errors import AmbiguousTable, Choice, OtherFormat
from greenkit.findings import quiet
from greenkit.sources import Limits, Source, walk
from greenkit.tables import layouts, nem12, numbers, wide
from greenkit.tables.cells import Grid, Words, fold, grids, unique_names
from greenkit.tables.layouts import Recognized
from greenkit.tables.mapping import METERS, Column, Table, TableMapping, Time, Value, dump_mapping
from greenkit.tables.reader import Tables, open_table
from greenkit.tables.stamps import NEVER, parse_stamps
from greenkit.text import parse_number

_ROWS: Final = 3
_SAMPLE: Final = 50
_ADD: Final = (
    'If one names the meter, add meter = { column = "…" }; for quality, add '
    'quality = { column = "…", words = { … = "estimated" } }.'
)


def explain_table(
    source: Tables,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None = None,
    *,
    tz: str | None = None,
    limits: Limits | None = None,
) -> str:
    r"""Return the mapping of each table as TOML, with its first rows as read.

    Parameters
    ----------
    source, layout, tz, limits
        As for :func:`greenkit.load_table`.

    Returns
    -------
    str
        TOML that ``load_table(…, layout="mine.toml")`` accepts, with comments. For a table that no layout has, a draft
        from the names of its columns: complete it where a comment asks.

    Examples
    --------
    >>> print(explain_table(b"When,Usage\n2024-01-01 00:00,1.5\n"))
    # bytes: no known layout. Complete this draft.
    # Add zone, clock, and label.
    # Set the flow of Usage: delivered, received, or net.
    # Set the unit of Usage.
    schema = 1
    <BLANKLINE>
    [table.time]
    columns = [
        "When",
    ]
    <BLANKLINE>
    [table.values.Usage]
    # First rows as they are in the file:
    #   2024-01-01 00:00 | 1.5
    """
    limits = limits or Limits()
    return "\n".join(_explain(one, layout, tz, limits) for one in walk(source, limits=limits)).rstrip("\n")


def _explain(one: Source, layout: Any, tz: str | None, limits: Limits) -> str:
    name = os.path.basename(one.name)
    try:
        with quiet():
            data = open_table([one], layout, tz=tz, limits=limits)
    except AmbiguousTable as e:
        mappings = _mappings(one, limits)
        return "\n".join([_questions(name, e.choices), *mappings])
    except OtherFormat:
        return "\n".join(_draft(grid) for grid in grids(one, limits))
    lines = []
    for file, mapping in data.mappings.items():
        known = data.layouts.get(file)
        lines.append(f"# {file}: {f'layout {known}' if known else 'your mapping'}")
        lines.append(dump_mapping(mapping))
    rows = data.readings if len(data.readings) else data.bills
    lines.append("# First rows as read:")
    columns = [c for c in (*frame.COLUMNS, "cost", "currency") if c in rows.columns]
    lines += [f"# {line}" for line in rows[columns].head(_ROWS).to_string(index=False).splitlines()]
    return "\n".join(lines) + "\n"


def _mappings(one: Source, limits: Limits) -> list[str]:
    found = [layouts.recognize(grid) for grid in grids(one, limits)]
    return [
        f"# Layout {place.layout.name}\n{dump_mapping(place.layout.for_names(place.names))}"
        for place in found
        if isinstance(place, Recognized)
    ]


def _questions(name: str, choices: Sequence[Choice]) -> str:
    lines = [f"# {name}: the table leaves {len(choices)} open:"]
    for choice in choices:
        lines.append(f"# {choice.argument}: {choice.question} {choice.evidence}.")
        lines += [f"#   {value}: {text}" for value, text in choice.readings.items() if text]
    return "\n".join(lines)


def _draft(grid: Grid) -> str:
    """Return a mapping to start from, from the names of columns and the form of their cells, never their values."""
    name = os.path.basename(grid.name)
    if nem12.matches(grid.head(",")):
        return f"# {name}: NEM12, which needs no mapping\n"
    found = _header(grid)
    if found is None:
        return f"# {name}: there is no row of column names above numbers\n"
    names, rows = found
    columns = {column: [row[i] for row in rows if i < len(row)] for i, column in enumerate(names)}
    texts = {column: Words(np.arange(len(cells)), cells) for column, cells in columns.items()}
    sign = numbers.decimal_sign([texts[c] for c, cells in columns.items() if not _is_time(cells)]) or "."
    times = [column for column, cells in columns.items() if _is_time(cells)][:2]
    slots = [pattern for pattern in ("{HH:MM}", "{HHMM}", "{n}") if len(wide.find_slots(names, pattern).names) >= 24]
    open_ = ["Add zone, clock, and label."]
    if not times:
        open_.append("Set the time columns.")
    values: dict[str, Value] = {}
    if not slots:
        amounts = [column for column, text in texts.items() if column not in times and _is_number(text, sign)]
        for column in amounts:
            unit = numbers.unit_of(column) or None
            values[column] = Value(unit=unit)
            open_.append(f"Set the flow of {column}: delivered, received, or net.")
            if unit is None:
                open_.append(f"Set the unit of {column}.")
        if not amounts:
            values["Usage"] = Value(flow="delivered", unit="kWh")
            open_.append("Set the value columns.")
    else:
        open_.append("Set the flow and unit of the cells.")
    meter = next((Column(c) for c in names if fold(c) in METERS), None)
    table = Table(
        time=Time(columns=tuple(times or names[:1]), wide=slots[0] if slots else ""),
        values=values,
        cells=Value(flow="delivered") if slots else None,
        meter=meter,
    )
    used = {*table.time.columns, *values, *(column for pattern in slots[:1] for column in _slot_names(names, pattern))}
    others = [column for column in names if column not in used and column != getattr(meter, "column", None)]
    lines = [f"# {name}: no known layout. Complete this draft.", *(f"# {line}" for line in open_)]
    raw = ["# First rows as they are in the file:", *(f"#   {' | '.join(row)}" for row in rows[:_ROWS])]
    if others:
        raw.append(f"# Columns not used: {', '.join(others)}. {_ADD}")
    return "\n".join([*lines, dump_mapping(TableMapping(table)).rstrip("\n"), *raw]) + "\n"


def _slot_names(names: Sequence[str], pattern: str) -> list[str]:
    return wide.find_slots(names, pattern).names


def _header(grid: Grid) -> tuple[list[str], list[list[str]]] | None:
    """Return the names of the first row without numbers that is above rows with them."""
    widest: tuple[list[str], list[list[str]]] | None = None
    for delimiter in grid.delimiters:
        head = grid.head(delimiter)
        for i, row in enumerate(head[:-1]):
            below = [r for r in head[i + 1 : i + 1 + _SAMPLE] if len(r) > 1]
            wide_enough = len([cell for cell in row if cell]) >= 2 and below and abs(len(below[0]) - len(row)) <= 1
            is_data = _numbers(row if len(row) < 24 else row[:2]) or any(_is_time([cell]) for cell in row[:2])
            if not wide_enough or is_data or not any(_numbers(r) for r in below[:2]):
                continue
            # Lines of names and values before the table, such as a customer's, have no column of times.
            if any(_is_time([r[j] for r in below[:2] if j < len(r)]) for j in range(min(len(row), 60))):
                return unique_names(row), below
            if len(row) > 2 and (widest is None or len(row) > len(widest[0])):
                widest = unique_names(row), below
    return widest


def _numbers(row: Sequence[str]) -> bool:
    return any(parse_number(cell.replace(",", ".").strip("$ ")) is not None for cell in row)


def _is_time(cells: Sequence[str]) -> bool:
    words = [cell for cell in cells if cell]
    return bool(words) and bool((parse_stamps(words).value != NEVER).all())


def _is_number(column: Words, sign: str) -> bool:
    values, bad = numbers.settle(column, sign)
    return not bad and not np.isnan(values).all()
