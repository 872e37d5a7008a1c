"""The intervals of physical flows, as arrays: what every analysis computes on.

:func:`checked` reads a frame for a computation. It keeps each interval once, and it combines the series of each
physical flow as :func:`greenkit.frame.physical` does. :func:`unique` returns a frame without duplicates. :func:`state`
completes a result: it adds the attributes of the meters, and the decisions about the series.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import take
from pandas.api.types import is_string_dtype

from greenkit import _intervals, _relations, frame
from greenkit._intervals import ESTIMATED as ESTIMATED
from greenkit._intervals import HOUR as HOUR
from greenkit._intervals import Bools as Bools
from greenkit._intervals import Floats as Floats
from greenkit._intervals import Intervals as Intervals
from greenkit._intervals import Ints as Ints
from greenkit._intervals import deduplicate as deduplicate
from greenkit._intervals import duplicates as duplicates
from greenkit._intervals import is_duplicate as is_duplicate
from greenkit._intervals import local as local
from greenkit._series import KEY as KEY
from greenkit._series import POWER as POWER
from greenkit._series import adds_up as adds_up
from greenkit._series import power_unit as power_unit
from greenkit.errors import SchemaError
from greenkit.findings import counted, warn
from greenkit.times import to_times

_Known = dict[tuple[int, str], tuple[pd.DataFrame, Intervals]]
_known: contextvars.ContextVar[_Known | None] = contextvars.ContextVar("known", default=None)


def from_frame(df: pd.DataFrame) -> Intervals:
    """Read all rows of a tidy frame, sorted by series and start.

    Raises
    ------
    SchemaError
        If the frame is not tidy.
    """
    frame.check(df)
    return _intervals.of(df)


def check_lengths(found: Intervals, longest: int, what: str, *, next_step: str) -> None:
    """Raise SchemaError if a series has intervals longer than ``longest`` seconds.

    ``what`` names the chart or table that needs intervals of that length or less.
    """
    long = np.flatnonzero(found.interval > longest)
    if len(long):
        bound = "an hour" if longest == 3600 else f"{longest / 3600:g} h"
        raise SchemaError(
            f"{found.label(int(long[0]))} has intervals of {found.interval[long[0]] / 3600:g} h, but {what} needs "
            f"intervals of {bound} or less",
            next_step=next_step,
        )


def unique(df: pd.DataFrame) -> pd.DataFrame:
    """Keep each interval of each series once.

    Of the revisions of a day, only the newest is kept (:func:`greenkit.frame.latest`). Of duplicates within it, a row
    with a value is kept before one without, then the newest ``revision``, then the last row. Rows that overlap without
    the same start and end are all kept, because it is not known which of them is correct.

    Returns
    -------
    DataFrame
        The remaining rows in the same order; ``df`` itself if there is no duplicate.

    Examples
    --------
    >>> import pandas as pd
    >>> from greenkit import frame
    >>> day = pd.date_range("2024-07-04", periods=2, freq="h", tz="UTC")
    >>> df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": day,
    ...     "end": day + pd.Timedelta("1h"), "value": [1.0, 2.0], "unit": "kWh", "zone": "UTC", "quality": "actual"}))
    >>> len(unique(frame.concat([df, df])))
    2
    """
    newest = frame.latest(df)
    found = _intervals.of(newest)
    kept = deduplicate(found, newest)
    return newest if len(kept) == len(newest) else newest.iloc[np.sort(kept.row)].reset_index(drop=True)


def checked(df: pd.DataFrame, *, resolution: str = "finest") -> Intervals:
    """Read a frame for a computation: each physical flow is one series, and each interval is there once.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    resolution : str
        As in :func:`greenkit.frame.physical`. Default: ``"finest"``.

    Returns
    -------
    Intervals
        With ``relations``, which states the decisions.

    Raises
    ------
    SchemaError
        If the frame is not tidy.

    Warns
    -----
    GreenkitWarning
        Once if there are duplicates, and once if intervals overlap.
    """
    known = _known.get()
    if known is not None and (id(df), resolution) in known:
        return known[id(df), resolution][1]
    found = _checked(df, resolution)
    if known is not None:
        # the frame is kept, because another one could get the id of a frame that no longer exists
        known[id(df), resolution] = df, found
    return found


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """Let :func:`checked` read each frame once while the block runs. No frame may change in the block.

    A chart or a report calls several analyses of one frame, and each of them reads it.
    """
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def _checked(df: pd.DataFrame, resolution: str) -> Intervals:
    found = _intervals.latest(from_frame(df), df)
    kept = deduplicate(found, df)
    dropped = len(found) - len(kept)
    if dropped:
        warn(f"{counted(dropped, 'duplicate interval')} left out. Call df.gk.quality() to see where.")
    kept = _relations.physical(kept, df, resolution=resolution)
    overlap = int(kept.overlap.sum())
    if overlap:
        warn(
            f"{overlap} intervals overlap others of their series, so that time is counted more than once. "
            "Call df.gk.quality() to see where."
        )
    return kept


# -- results


def by_batch(found: Intervals, compute: Callable[[Intervals], pd.DataFrame]) -> pd.DataFrame:
    """Compute a table group by group of series (:meth:`Intervals.batches`), and join the results.

    Parameters
    ----------
    found : Intervals
        All series.
    compute : callable
        Intervals of some series → a table with a column ``code``, and with the same dtypes even if it has no rows.
    """
    made = [(first, compute(one)) for first, one in found.batches()]
    if len(made) == 1:
        return made[0][1]
    full = [table.assign(code=table["code"] + first) for first, table in made if len(table)]
    return pd.concat(full, ignore_index=True) if full else made[0][1]


def state(out: pd.DataFrame, df: pd.DataFrame, found: Intervals) -> pd.DataFrame:
    """Complete a result: add the attributes of its meters, and state in ``attrs["greenkit"]`` what it is based on.

    Returns
    -------
    DataFrame
        ``out`` with the columns of :func:`attributes`. ``attrs["greenkit"]`` has ``rows`` (intervals used), ``of``
        (rows of the frame), ``first`` and ``last`` (instants in UTC), and, if series were combined, ``relations``: the
        first rows of :func:`greenkit.frame.relations`.
    """
    out = with_attributes(out, attributes(df))
    span = to_times(np.array([found.start.min(), found.end.max()])).astype(str).tolist() if len(found) else [None, None]
    out.attrs["greenkit"] = {"rows": len(found), "of": len(df), "first": span[0], "last": span[1]}
    if found.relations is not None:
        out.attrs["greenkit"] |= found.relations.as_attrs()
    return out


def attributes(df: pd.DataFrame, known: Collection[str] = frame.DTYPES) -> pd.DataFrame:
    """Return the attributes of the meters of a frame: your own columns that do not change within a meter.

    Parameters
    ----------
    df : DataFrame
        A frame, or a result with a column ``meter``.
    known : collection of str
        Columns that are not attributes. Default: those of frames.

    Returns
    -------
    DataFrame
        One row for each meter, indexed by it, with one column for each attribute.
    """
    names = [name for name in df.columns if name not in known]
    if not names or not len(df):
        return pd.DataFrame(index=pd.Index([], dtype="str"))
    meter = df["meter"].astype("category").array.codes
    kept = {}
    for name in names:
        code = _codes(df[name])
        if code is None:
            continue
        # within a run of rows, neither changes. An attribute has one code for each meter, so there are as many pairs
        # of meter and code as there are meters
        run = np.flatnonzero(np.append(True, (meter[1:] != meter[:-1]) | (code[1:] != code[:-1])))
        pairs = pd.DataFrame({"meter": meter[run], "code": code[run], "row": run}).drop_duplicates(["meter", "code"])
        if not pairs["meter"].duplicated().any():
            rows = pairs["row"].to_numpy()
            kept[name] = pd.Series(df[name].array.take(rows), index=df["meter"].iloc[rows].astype("str"))
    return pd.DataFrame(kept)


def _codes(column: pd.Series[Any]) -> Ints | None:
    """Return a number for each distinct value; None for lists or dictionaries, which no result can be grouped by."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.array.codes)
    try:
        return np.asarray(pd.factorize(column)[0])
    except TypeError:
        return None


def with_attributes(table: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the attributes of its meters, from :func:`attributes`."""
    if not len(own.columns):
        return table
    place = own.index.get_indexer(pd.Index(table["meter"].astype("str")))
    return with_columns(table, {name: taken(own[name], place) for name in own.columns})


def taken(column: pd.Series[Any], place: Ints) -> Any:
    """Return the values at some positions, empty for position −1; text becomes categories."""
    column = column.astype("category") if is_string_dtype(column.dtype) else column
    values = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
    return take(values, place, allow_fill=True)


def with_columns(table: pd.DataFrame, columns: Mapping[str, Any], *, prefix: str = "") -> pd.DataFrame:
    """Return a table with more columns.

    Parameters
    ----------
    table : DataFrame
        The table, which is not changed.
    columns : mapping of str to array
        The columns to add, of the length of the table.
    prefix : str
        Prefix of a column whose name the table already uses, unless it is equal. Default: leave it out.
    """
    out = table.copy(deep=False)
    for name, values in columns.items():
        column = pd.Series(values, index=table.index)
        if name not in table.columns:
            out[name] = column
        elif prefix and (name in frame.DTYPES or not table[name].astype("object").equals(column.astype("object"))):
            out[f"{prefix}{name}"] = column
    return out
