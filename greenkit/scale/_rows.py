"""Day rows: the form in which a dataset stores readings, one row for each meter, series, and local day.

A day row has a first instant, a step, and the values as a list, so a day of 15-minute readings is one row instead of
96. A revision replaces whole days, so the day is also the natural key. A day takes several rows if its step changes, if
it has a gap, or if several files or revisions have it::

    meter  series  flow       day         start                 step       values               quality  revision
    A      4       delivered  2025-07-06  2025-07-06 05:00 UTC  900000000  [0.25, 0.31, …]      actual   2025-07-07 …

``start`` is UTC, ``step`` is in microseconds, and reading ``i`` begins at ``start + i × step``. If all readings of a
row have the same quality, it is in ``quality``; otherwise ``quality`` is empty, and ``qualities`` lists one for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from greenkit import _intervals, frame
from greenkit._categories import from_codes, smallest
from greenkit._intervals import DAY
from greenkit.findings import Kind
from greenkit.times import to_instants, to_times, view_instants

COLUMN_LEFT_OUT: Final = Kind(
    "scale.column.left-out",
    "warning",
    "A dataset cannot store {names}. greenkit left {count:it|them} out.",
    "Keep your own columns in a table with the columns meter and start.",
)

_TIME: Final = pa.timestamp("us", tz="UTC")
TEXTS: Final = ("meter", "flow", "series", "unit", "zone")
"""Columns that every row has, as text."""
EXTRA_TEXTS: Final = ("currency", "commodity", "kind", "reading_type", "source")
# column of the frame → (list of one value for each reading, its type). These change within a day.
LISTS: Final[Mapping[str, tuple[str, pa.DataType]]] = {
    "value": ("values", pa.float64()),
    "cost": ("costs", pa.float64()),
    "tou": ("tous", pa.int16()),
    "cpp": ("cpps", pa.int16()),
    "tier": ("tiers", pa.int16()),
}
# column of the frame → list that is used only if the readings of a row differ
WORDS: Final[Mapping[str, str]] = {"quality": "qualities", "quality_code": "quality_codes"}

SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in TEXTS),
        ("day", pa.date32()),  # usage_date, or else the local date of the first reading
        ("start", _TIME),
        ("step", pa.int64()),
        *((name, pa.list_(kind)) for name, kind in LISTS.values()),
        *((name, pa.string()) for name in WORDS),
        *((name, pa.list_(pa.string())) for name in WORDS.values()),
        *((name, pa.string()) for name in EXTRA_TEXTS),
        ("revision", _TIME),
        ("usage_date", pa.date32()),
        ("delivered", _TIME),  # age of the file: of two deliveries of one revision, the later one counts
        ("place", pa.int64()),  # order of the row within its file
        ("month", pa.string()),  # local month of the day, the only partition
    ]
)
KEY: Final = ("meter", "flow", "series", "unit", "day")
"""A revision replaces all rows of its key."""
ORDER: Final = (*KEY, "start", "delivered", "source", "place")
"""Columns by which day rows are sorted: those of a key are adjacent, and of equal ones the last delivered is last."""
_NEVER: Final = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]


def empty() -> pa.Table:
    """Return a table of day rows without rows.

    Examples
    --------
    >>> empty().num_rows
    0
    """
    return SCHEMA.empty_table()


# -- frame → day rows


def from_frame(df: pd.DataFrame, *, delivered: int | None = None, place: int = 0) -> pa.Table:
    """Build the day rows of a tidy frame.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. Columns that greenkit does not know are left out.
    delivered : int, optional
        Age of the file, in microseconds since 1970 UTC.
    place : int
        Number of the first row; the others follow it. Default: 0.

    Returns
    -------
    pyarrow.Table
        With :data:`SCHEMA`, sorted by meter, flow, series, unit, day, and start. :func:`to_frame` returns
        the same frame.

    Examples
    --------
    >>> from greenkit import synthetic
    >>> df = synthetic.household(1).frame("2024-11-02", "2024-11-04")
    >>> rows = from_frame(df)
    >>> rows.num_rows, pc.list_value_length(rows["values"]).to_pylist()
    (2, [96, 100])
    """
    if not len(df):
        return empty()
    first, code, keys = _intervals.runs(df)
    series = np.repeat(code, np.diff(np.append(first, len(df))))
    start, end = view_instants(df["start"]), view_instants(df["end"])
    filed = _dates(df["usage_date"]) if "usage_date" in df.columns else np.full(len(df), _NEVER)
    day = _intervals.local(start, series, keys["zone"]) // DAY
    day = np.where(filed == _NEVER, day, filed)
    revision = _times(df["revision"]) if "revision" in df.columns else np.full(len(df), _NEVER)
    words = {name: _codes(df[name]) for name in (*EXTRA_TEXTS, *WORDS) if name in df.columns}

    # group: one number for each row of the frame, equal for rows that could share a day row. Rows of a group are
    # brought together in the order of the frame; a day row ends where the group, the step, or the time breaks.
    same = [series, day, filed, revision, *(words[n][0] for n in EXTRA_TEXTS if n in words)]
    order = _gathered(same)
    start, step = start[order], (end - start)[order]
    breaks = np.ones(len(order), dtype=bool)
    breaks[1:] = (start[1:] != start[:-1] + step[:-1]) | (step[1:] != step[:-1])
    for column in same:
        breaks[1:] |= column[order[1:]] != column[order[:-1]]
    at = np.flatnonzero(breaks)
    row = order[at]  # row of the frame with the first reading of each day row
    count = np.diff(at, append=len(order))
    columns: dict[str, Any] = {
        **{name: keys[name].to_numpy(dtype=object)[series[row]] for name in TEXTS},
        "day": pa.array(day[row].astype("int32"), pa.date32()),
        "start": _time_array(start[at]),
        "step": step[at],
        "revision": _time_array(revision[row]),
        "usage_date": _date_array(filed[row]),
        "delivered": pa.nulls(len(at), _TIME) if delivered is None else _time_array(np.full(len(at), delivered)),
        "place": place + np.arange(len(at)),
    }
    for name in EXTRA_TEXTS:
        if name in words:
            columns[name] = _word_array(*words[name], row)
    for name, (listed, kind) in LISTS.items():
        if name in df.columns and (name == "value" or df[name].notna().any()):
            columns[listed] = _lists(_flat(df[name], kind, order), count, keep_empty=name == "value")
    for name, listed in WORDS.items():
        if name in df.columns:
            columns[name], columns[listed] = _mixed(words[name], order, at, count)
    return sort(build(columns, len(at)))


def build(columns: Mapping[str, Any], n: int) -> pa.Table:
    """Build a table of day rows from the columns that it has; the others are empty, and ``month`` follows ``day``."""
    month = pc.strftime(pc.cast(columns["day"], pa.timestamp("s")), format="%Y-%m") if n else pa.array([], pa.string())
    held = {**columns, "month": month}
    arrays = []
    for field in SCHEMA:
        column = held.get(field.name)
        if column is None:
            arrays.append(pa.nulls(n, field.type))
        elif isinstance(column, pa.Array | pa.ChunkedArray):
            arrays.append(column.cast(field.type) if column.type != field.type else column)
        else:
            arrays.append(pa.array(column, field.type))
    return pa.table(arrays, schema=SCHEMA)


def sort(table: pa.Table) -> pa.Table:
    """Return day rows sorted by meter, flow, series, unit, day, and start; equal ones by delivery and place.

    Sorted rows make a part small, and let a reader skip the row groups of other meters.
    """
    return sort_with_keys(table)[0]


def sort_with_keys(table: pa.Table) -> tuple[pa.Table, dict[str, Ints]]:
    """Return sorted day rows, and the numbers by which they are sorted: ranks of texts, and times as numbers."""
    keys = {name: _sort_key(table[name]) for name in ORDER}
    columns = list(reversed(keys.values()))
    if is_sorted(columns):
        return table, keys
    order = np.lexsort(columns)
    return table.combine_chunks().take(pa.array(order)), {name: key[order] for name, key in keys.items()}


def is_sorted(keys: Sequence[Ints]) -> bool:
    """Return whether rows are sorted by the keys, of which the last is the most important, as in numpy's lexsort.

    Examples
    --------
    >>> is_sorted([np.array([5, 1, 2]), np.array([1, 2, 2])])
    True
    """
    n = len(keys[0])
    undecided = np.ones(max(n - 1, 0), dtype=bool)
    for key in reversed(keys):
        before, after = key[:-1], key[1:]
        if (undecided & (after < before)).any():
            return False
        undecided &= after == before
    return True


def _sort_key(column: pa.ChunkedArray) -> Ints:
    if pa.types.is_string(column.type):
        return rank(column)
    return numbers(column)


def ranks(column: pa.ChunkedArray | pa.Array) -> tuple[Ints, list[str]]:
    """Return the alphabetical rank of each text, and the texts; an empty cell has rank −1.

    Examples
    --------
    >>> ranks(pa.chunked_array([["b", None, "a", "b"]]))
    (array([ 1, -1,  0,  1]), ['a', 'b'])
    """
    rank, words = _ranked(column)
    return rank, words.to_pylist()


def rank(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Return the alphabetical rank of each text; an empty cell has rank −1."""
    return _ranked(column)[0]


def _ranked(column: pa.ChunkedArray | pa.Array) -> tuple[Ints, pa.Array]:
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], column.type)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    words = encoded.dictionary
    code = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    # the rows of a dataset are sorted by meter, so its words are usually in order already
    if len(words) < 2 or pc.all(pc.less(words[:-1], words[1:])).as_py():
        return code, words
    order = pc.sort_indices(words)
    place = np.empty(len(words) + 1, dtype=np.int64)
    place[order.to_numpy()], place[-1] = np.arange(len(words)), -1
    return place[code], words.take(order)


def numbers(column: pa.ChunkedArray) -> Ints:
    """Return times (microseconds), dates (days), or whole numbers as int64; an empty cell is the smallest one."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    plain = column.cast(pa.int64())
    if plain.null_count:
        plain = pc.fill_null(plain, int(_NEVER))
    return np.asarray(plain.to_numpy(), dtype=np.int64)


def _gathered(columns: Sequence[Ints]) -> Ints:
    """Return an order that brings equal rows together, in the order of their first row, and else keeps the order."""
    n = len(columns[0])
    changed = np.zeros(n, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(changed)
    # one number for each run of equal rows; runs of the same group get the number of the first of them
    group = np.zeros(len(first), dtype=np.int64)
    for column in columns:
        _, part = np.unique(column[first], return_inverse=True)
        _, group = np.unique(group * (int(part.max()) + 1) + part, return_inverse=True)
    earliest = np.full(int(group.max()) + 1, n, dtype=np.int64)
    np.minimum.at(earliest, group, first)
    key = earliest[group]
    if (key[1:] >= key[:-1]).all():
        return np.arange(n)
    return np.argsort(np.repeat(key, np.diff(first, append=n)), kind="stable")


def _dates(column: pd.Series[Any]) -> Ints:
    days = column.to_numpy("datetime64[D]").astype(np.int64)
    return np.asarray(days)


def _times(column: pd.Series[Any]) -> Ints:
    return to_instants(column)


def _codes(column: pd.Series[Any]) -> tuple[Ints, list[str]]:
    category = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    return category.array.codes.astype(np.int64), [str(word) for word in category.cat.categories]


def _time_array(instants: Ints) -> pa.Array:
    return pa.array(instants, pa.int64(), mask=instants == _NEVER).cast(_TIME)


def _date_array(days: Ints) -> pa.Array:
    none = days == _NEVER
    return pa.array(np.where(none, 0, days).astype("int32"), pa.int32(), mask=none).cast(pa.date32())


def _word_array(codes: Ints, words: Sequence[str], rows: Ints) -> pa.Array:
    code = codes[rows].astype(np.int32)
    indices = pa.array(code, pa.int32(), mask=code < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())).cast(pa.string())


def _flat(column: pd.Series[Any], kind: pa.DataType, order: Ints) -> pa.Array:
    """Return a column in the given order; NaN stays NaN, and an empty whole number stays empty."""
    if pa.types.is_floating(kind):
        return pa.array(column.to_numpy(dtype=np.float64)[order], kind)
    return pa.array(column.to_numpy(dtype=np.float64, na_value=np.nan)[order], pa.float64(), from_pandas=True).cast(
        kind
    )


def _lists(flat: pa.Array, count: Ints, *, keep_empty: bool) -> pa.Array:
    """Return one list for each day row; a list without any value is empty itself, unless it is of the values."""
    offsets = np.append(0, np.cumsum(count)).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), flat)
    if keep_empty:
        return lists
    filled = flat.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(flat.type):
        filled = filled & ~np.isnan(flat.fill_null(np.nan).to_numpy(zero_copy_only=False))
    held = np.logical_or.reduceat(filled, offsets[:-1])
    return pc.if_else(pa.array(held), lists, pa.scalar(None, lists.type))


def _mixed(words: tuple[Ints, Sequence[str]], order: Ints, at: Ints, count: Ints) -> tuple[pa.Array, pa.Array]:
    """Return the one word of each day row, and the list of words of rows that have several.

    With the words a a | a b: one [a, null] and many [null, [a, b]].
    """
    codes, text = words
    return mixed_words(codes[order], text, at, count)


def mixed_words(codes: Ints, words: Sequence[str], at: Ints, count: Ints) -> tuple[pa.Array, pa.Array]:
    """Return the one word of each day row, and a list for each row that has several.

    Parameters
    ----------
    codes : array of int
        Number of the word of each reading; −1 for none.
    words : sequence of str
    at, count : array of int64
        Position of the first reading of each day row, and how many it has.
    """
    low, high = np.minimum.reduceat(codes, at), np.maximum.reduceat(codes, at)
    several = low != high
    text = pa.array(words, pa.string())
    first = np.where(several, -1, low).astype(np.int32)
    one = pa.DictionaryArray.from_arrays(pa.array(first, pa.int32(), mask=first < 0), text).cast(pa.string())
    if not several.any():
        return one, pa.nulls(len(at), pa.list_(pa.string()))
    of_row = np.repeat(several, count)
    picked = codes[of_row].astype(np.int32)
    flat = pa.DictionaryArray.from_arrays(pa.array(picked, pa.int32(), mask=picked < 0), text).cast(pa.string())
    offsets = np.append(0, np.cumsum(np.where(several, count, 0))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), flat)
    return one, pc.if_else(pa.array(several), lists, pa.scalar(None, lists.type))


# -- day rows → frame


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Build the tidy frame of day rows.

    Parameters
    ----------
    table : pyarrow.Table
        With :data:`SCHEMA`, in any order.

    Returns
    -------
    DataFrame
        One row for each reading, sorted, in the zone of the meters or in UTC if there are several. Of the columns that
        not every source has, it has those with a value. A table without rows returns an empty frame.

    Examples
    --------
    >>> len(to_frame(empty()))
    0
    """
    if not table.num_rows:
        return frame.empty()
    zones = pc.unique(table["zone"]).to_pylist()
    zone = str(zones[0]) if len(zones) == 1 else "UTC"
    count = counts(table)
    step = np.repeat(numbers(table["step"]), count)
    start = np.repeat(numbers(table["start"]), count) + places(count) * step
    columns: dict[str, Any] = {name: _category(table[name], count) for name in TEXTS}
    columns |= {"start": to_times(start, zone), "end": to_times(start + step, zone)}
    columns["value"] = flat_values(table)
    for name, listed in WORDS.items():
        if name == "quality" or table[name].null_count < table.num_rows or table[listed].null_count < table.num_rows:
            columns[name] = _word_column(table[name], table[listed], count)
    for name, (listed, kind) in LISTS.items():
        if name != "value" and table[listed].null_count < table.num_rows:
            columns[name] = _list_column(table[listed], kind, count)
    for name in EXTRA_TEXTS:
        if table[name].null_count < table.num_rows:
            columns[name] = _category(table[name], count)
    if table["revision"].null_count < table.num_rows:
        columns["revision"] = to_times(np.repeat(numbers(table["revision"]), count), zone)
    if table["usage_date"].null_count < table.num_rows:
        days = numbers(table["usage_date"])
        dates = days.astype("datetime64[D]")
        dates[days == _NEVER] = np.datetime64("NaT")
        columns["usage_date"] = np.repeat(dates.astype("datetime64[us]"), count)
    names = [n for n in (*frame.COLUMNS, *frame.EXTRAS) if n in columns]
    return frame.sort(pd.DataFrame({n: columns[n] for n in names}, copy=False))


def counts(table: pa.Table) -> Ints:
    """Return how many readings each day row has."""
    return np.asarray(pc.list_value_length(table["values"]).to_numpy(), dtype=np.int64)


def places(count: Ints) -> Ints:
    """Return the place of each reading in its day row, from 0: for rows of 2 and 3 readings [0, 1, 0, 1, 2]."""
    total = int(count.sum())
    return np.asarray(np.arange(total) - np.repeat(np.cumsum(count) - count, count), dtype=np.int64)


def flat_values(table: pa.Table) -> npt.NDArray[np.float64]:
    """Return the values of all day rows, one after the other."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table["values"].chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts])


def _category(column: pa.ChunkedArray, count: Ints) -> pd.Categorical:
    code, words = ranks(column)
    return from_codes(np.repeat(code.astype(smallest(len(words))), count), words)


def _word_column(one: pa.ChunkedArray, many: pa.ChunkedArray, count: Ints) -> pd.Categorical:
    """Return a column of words: the one word of a row for all its readings, or the list of its words."""
    code, words = ranks(one)
    flat = np.repeat(code, count)
    several = many.is_valid().to_numpy(zero_copy_only=False)
    if several.any():
        inner, more = ranks(many.combine_chunks().flatten() if many.num_chunks == 1 else _flatten(many))
        every = sorted({*words, *more})
        lookup = np.array([*(every.index(w) for w in words), -1], dtype=np.int64)
        flat = lookup[flat]
        flat[np.repeat(several, count)] = np.array([*(every.index(w) for w in more), -1], dtype=np.int64)[inner]
        words = every
    return from_codes(flat.astype(smallest(len(words))), words)


def _flatten(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.flatten() for chunk in lists.chunks], lists.type.value_type)


def _list_column(lists: pa.ChunkedArray, kind: pa.DataType, count: Ints) -> Any:
    """Return a column of numbers, empty for day rows without a list."""
    held = np.repeat(lists.is_valid().to_numpy(zero_copy_only=False), count)
    flat = _flatten(lists).combine_chunks()
    out = np.full(len(held), np.nan)
    out[held] = pc.cast(flat, pa.float64()).to_numpy(zero_copy_only=False)
    return out if pa.types.is_floating(kind) else pd.array(out, dtype="Float64").astype("Int16")
