"""Which day rows count if several files have a meter's day: the rules of ``load_smt`` and ``frame.latest``.

The newest revision of a meter, series, and local day replaces the others completely
(:func:`greenkit._intervals.newest`). If several files have the same revision, or no revision, the later file counts,
interval by interval, and a value always counts before a blank (:func:`greenkit._intervals.deduplicate`).

A dataset only appends, so this runs whenever it is read. It works on day rows, of which there are about 96 times fewer
than readings, and looks at single readings only where two rows of one revision overlap.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from greenkit._days import breaks
from greenkit._intervals import newest
from greenkit.scale import _rows
from greenkit.scale._rows import KEY, LISTS, ORDER, WORDS, Ints, counts, flat_values, numbers, places, rank

NEEDED: Final = (*ORDER, "step", "values", "revision")
"""Columns that decide which day rows count, and of which reading."""


def resolve(table: pa.Table, *, keep_all: bool = False) -> pa.Table:
    """Return the day rows that count, sorted as :func:`greenkit.scale._rows.sort` sorts them.

    Parameters
    ----------
    table : pyarrow.Table
        Day rows of any number of files, in any order. Columns that are not in :data:`NEEDED` may be absent.
    keep_all : bool
        Keep every revision, and remove only duplicates within each. Default: False.
    """
    table, keys = _rows.sort_with_keys(table)
    if table.num_rows < 2:
        return table
    key = [keys[name] for name in KEY]
    revision = numbers(table["revision"])
    if not keep_all:
        kept = newest(breaks(*key), revision)
        if not kept.all():
            where = np.flatnonzero(kept)
            table, revision, key = table.take(pa.array(where)), revision[where], [column[where] for column in key]
    else:
        order = np.lexsort([revision, *reversed(key)])
        if not (order[1:] > order[:-1]).all():
            table, revision, key = table.take(pa.array(order)), revision[order], [column[order] for column in key]
        key.append(revision)
    doubled = _doubled(table, key)
    if not doubled.any():
        return _rows.sort(table) if keep_all else table
    single = table.filter(pa.array(~doubled))
    merged = _merge(table.filter(pa.array(doubled)), [column[doubled] for column in key])
    return _rows.sort(pa.concat_tables([single, merged]))


def resolve_repeated(table: pa.Table) -> pa.Table:
    """Return the day rows that count, in any order: rows that are the only ones of their key are not sorted."""
    code = np.zeros(table.num_rows, dtype=np.int64)
    for name in KEY:  # one number for each key
        part = numbers(table[name]) if name == "day" else rank(table[name])
        low = int(part.min(initial=0))
        code = code * (int(part.max(initial=0)) - low + 1) + part - low
    _, group, count = np.unique(code, return_inverse=True, return_counts=True)
    repeated = count[group] > 1
    if not repeated.any():
        return table
    return pa.concat_tables([table.filter(pa.array(~repeated)), resolve(table.filter(pa.array(repeated)))])


def _doubled(table: pa.Table, key: list[Ints]) -> Any:
    """Return which rows belong to a key in which two rows overlap. The rows of a key are adjacent, sorted by start.

    With the rows 0–10, 5–15, 20–30 of one key, and 0–10 of another: [True, True, True, False].
    """
    start = numbers(table["start"])
    end = start + numbers(table["step"]) * counts(table)
    first = breaks(*key)
    # if a row overlaps any earlier one of its key, then some row of the key overlaps the one before it
    overlap = np.zeros(len(start), dtype=bool)
    overlap[1:] = start[1:] < end[:-1]
    overlap[first] = False
    return np.repeat(np.logical_or.reduceat(overlap, first), np.diff(first, append=len(start)))


def _merge(table: pa.Table, key: list[Ints]) -> pa.Table:
    """Merge overlapping rows reading by reading: of equal start and step, the last with a value counts.

    Readings become positions: ``row`` and ``flat`` (position in the concatenated values). Of three readings from 10:00,
    in the order of delivery, the second counts:

        value   0.25  0.30  NaN      →  sorted  NaN  0.25  0.30
        last                                    F    F     T
    """
    n = counts(table)
    # the order in which rows arrived: age of the file, its name, place in it
    arrival = np.empty(table.num_rows, dtype=np.int64)
    arrival[np.lexsort([numbers(table["place"]), rank(table["source"]), numbers(table["delivered"])])] = np.arange(
        table.num_rows
    )
    group = np.zeros(table.num_rows, dtype=np.int64)
    group[breaks(*key)[1:]] = 1
    group = np.cumsum(group)
    row = np.repeat(np.arange(table.num_rows), n)
    flat = np.arange(int(n.sum()))
    step = numbers(table["step"])[row]
    start = numbers(table["start"])[row] + places(n) * step
    has_value = ~np.isnan(flat_values(table))
    order = np.lexsort([arrival[row], has_value, step, start, group[row]])
    row, flat, start, step = row[order], flat[order], start[order], step[order]
    same = (group[row[1:]] == group[row[:-1]]) & (start[1:] == start[:-1]) & (step[1:] == step[:-1])
    last = np.append(~same, True)
    row, flat, start, step = row[last], flat[last], start[last], step[last]
    # readings of one row that still follow each other become a row again
    by_row = np.lexsort([start, row])
    row, flat, start, step = row[by_row], flat[by_row], start[by_row], step[by_row]
    ends = np.ones(len(row), dtype=bool)
    ends[1:] = (row[1:] != row[:-1]) | (start[1:] != start[:-1] + step[:-1])
    at = np.flatnonzero(ends)
    return _cut(table, row[at], start[at], np.diff(at, append=len(row)), flat)


def _cut(table: pa.Table, row: Ints, start: Ints, count: Ints, flat: Ints) -> pa.Table:
    """Build day rows of some readings of a table.

    Parameters
    ----------
    table : pyarrow.Table
    row, start, count : array of int64
        For each new row: the row that it is a piece of, its first instant, and how many readings it has.
    flat : array of int64
        Position of each reading in the values of the table.
    """
    pieces = table.take(pa.array(row))
    columns: dict[str, Any] = {name: pieces[name] for name in table.column_names}
    columns["start"] = pa.array(start, pa.int64()).cast(_rows.SCHEMA.field("start").type)
    offsets = pa.array(np.append(0, np.cumsum(count)).astype(np.int32))
    for name in (*(listed for listed, _ in LISTS.values()), *WORDS.values()):
        if name not in columns:
            continue
        column = table[name].combine_chunks()
        if column.null_count == len(column):
            continue
        held = column.is_valid().to_numpy(zero_copy_only=False)
        if held.all():
            lists = pa.ListArray.from_arrays(offsets, column.flatten().take(pa.array(flat)))
        else:
            # position of each reading in the values of the rows that have this list
            n = counts(table)
            shift = np.cumsum(np.where(held, n, 0)) - np.where(held, n, 0) - (np.cumsum(n) - n)
            of_reading = np.repeat(row, count)
            used = held[of_reading]
            place = np.where(used, flat + shift[of_reading], 0)
            chosen = column.flatten().take(pa.array(place, mask=~used))
            lists = pc.if_else(pa.array(held[row]), pa.ListArray.from_arrays(offsets, chosen),
                               pa.scalar(None, column.type))  # fmt: skip
        columns[name] = lists
    made = _rows.build({name: column for name, column in columns.items() if name != "month"}, len(row))
    return made.select(table.column_names)
