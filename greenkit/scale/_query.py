"""Read day rows of a dataset: which files have them, what counts, and how the meters are divided among workers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from greenkit.errors import SettingsError
from greenkit.scale import _delta, _faults, _resolve, _rows

if TYPE_CHECKING:
    import pyarrow.dataset as ds

Day = str | dt.date | None
"""A local day, such as "2025-07-01"."""
READINGS: Final = 5_000_000
"""Readings of a range of meters: about 1 GB of memory while their quality is checked."""
_ROWS: Final = READINGS // 100
"""Day rows of a range; a day of 15-minute readings is one row."""
_SAMPLE: Final = 1000
"""Rows of a range that are looked at to find its bounds."""


@dataclass(frozen=True)
class Where:
    """Which day rows are read.

    Attributes
    ----------
    meters : tuple of str, optional
        Only these.
    low, high : str, optional
        First meter, and the first one after the range, in alphabetical order.
    start, end : date, optional
        Local days; ``end`` is exclusive.
    """

    meters: tuple[str, ...] | None = None
    low: str | None = None
    high: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None

    def expression(self) -> ds.Expression | None:
        """Return the condition as Arrow has it; None for everything."""
        field = pc.field
        parts = []
        if self.meters is not None:
            parts.append(field("meter").isin(list(self.meters)))
            if self.meters:  # lets the reader skip files by their statistics
                parts += [field("meter") >= min(self.meters), field("meter") <= max(self.meters)]
        if self.low is not None:
            parts.append(field("meter") >= self.low)
        if self.high is not None:
            parts.append(field("meter") < self.high)
        if self.start is not None:
            parts += [field("day") >= self.start, field("month") >= f"{self.start:%Y-%m}"]
        if self.end is not None:
            parts += [field("day") < self.end, field("month") <= f"{self.end - dt.timedelta(days=1):%Y-%m}"]
        out = None
        for part in parts:
            out = part if out is None else out & part
        return out


def where(meters: Iterable[str] | str | None = None, start: Day = None, end: Day = None) -> Where:
    """Return a condition from the arguments of a method.

    Raises
    ------
    SettingsError
        If a day is not a date, or the span is empty.
    """
    names = None if meters is None else (meters,) if isinstance(meters, str) else tuple(map(str, meters))
    first, after = _day("start", start), _day("end", end)
    if first is not None and after is not None and first >= after:
        raise SettingsError(
            f"The span from {first} to {after} is empty", next_step="Pass a start before the end; end is exclusive."
        )
    return Where(names, start=first, end=after)


def _day(name: str, value: Any) -> dt.date | None:
    if value is None:
        return None
    try:
        time = pd.Timestamp(value)
        if isinstance(value, int | float) or pd.isna(time) or time.tz is not None or time != time.normalize():
            raise ValueError
    except (TypeError, ValueError):
        raise SettingsError(
            f"{name} is {value!r}, but it must be a local day", next_step="Pass a date such as '2025-07-01'."
        ) from None
    return time.date()


def read(table: Any, which: Where, *, keep_all: bool = False) -> pa.Table:
    """Return the day rows that count.

    Parameters
    ----------
    table : DeltaTable
    which : Where
    keep_all : bool
        Keep all revisions. Default: False.
    """
    return _resolve.resolve(raw(table, which), keep_all=keep_all)


def raw(table: Any, which: Where, columns: Sequence[str] = _rows.SCHEMA.names) -> pa.Table:
    """Return the day rows as they are stored, of all revisions and deliveries."""
    with _faults.reading(_path(table), table):
        found = table.to_pyarrow_dataset().to_table(filter=which.expression(), columns=list(columns))
    return found.cast(pa.schema([_rows.SCHEMA.field(name) for name in columns]))


def count_by(table: Any, which: Where, column: str) -> pd.Series[Any]:
    """Return the number of day rows of each value of a column, sorted by it, without reading the readings."""
    return counts_by(table, which, [column])[0]


def counts_by(table: Any, which: Where, columns: Sequence[str]) -> list[pd.Series[Any]]:
    """Return what :func:`count_by` returns for each of the columns, which are read together."""
    parts: list[list[pa.Table]] = [[] for _ in columns]
    with _faults.reading(_path(table), table):
        scanner = table.to_pyarrow_dataset().scanner(filter=which.expression(), columns=list(columns))
        for batch in scanner.to_batches():
            if batch.num_rows:
                for held, column in zip(parts, batch.columns, strict=True):
                    counted = pc.value_counts(column)
                    held.append(pa.table({"value": counted.field(0), "count": counted.field(1)}))
    return [_added(held) for held in parts]


def _added(parts: Sequence[pa.Table]) -> pd.Series[Any]:
    if not parts:
        return pd.Series(np.zeros(0, dtype=np.int64), index=pd.Index([], dtype="str"))
    every = pa.concat_tables(parts).group_by("value").aggregate([("count", "sum")]).sort_by("value")
    index: Any = every["value"].to_pylist()
    return pd.Series(every["count_sum"].to_numpy(), index=pd.Index(index), dtype="int64")


def ranges(table: Any, which: Where, most: int = _ROWS, *, weight: float = 1.0) -> list[Where]:
    """Divide the meters into ranges that have about the same number of day rows.

    The first range has no lower bound and the last no upper one, so each meter of a roster is in exactly one of them.
    The bounds come from a sample of the rows, so a range may have some more rows than ``most``.

    Parameters
    ----------
    table : DeltaTable
    which : Where
    most : int
        Day rows of a range. Default: 50,000.
    weight : float
        How many day rows of a range one day row counts as. Default: 1.
    """
    every = max(most // _SAMPLE, 1)
    names: list[str] = []
    with _faults.reading(_path(table), table):
        for batch in table.to_pyarrow_dataset().scanner(filter=which.expression(), columns=["meter"]).to_batches():
            names += batch["meter"].take(pa.array(np.arange(0, batch.num_rows, every))).to_pylist()
    lows = sorted(set(sorted(names)[:: max(int(most / weight) // every, 1)]))
    out = []
    for i, low in enumerate(lows):
        high = lows[i + 1] if i + 1 < len(lows) else None
        mine = None
        if which.meters is not None:
            mine = tuple(m for m in which.meters if (i == 0 or m >= low) and (high is None or m < high))
        out.append(Where(mine, None if i == 0 else low, high, which.start, which.end))
    return out


def at_version(folder: str, version: int) -> Any:
    """Open ``days`` as it was at a version, so that all workers read the same."""
    table = _delta.open_table(folder)
    if table.version() != version:
        with _faults.reading(_path(table)):
            table.load_as_version(version)
    return table


def _path(table: Any) -> str:
    """Return the folder or URL of a table."""
    found = urlsplit(table.table_uri)
    return url2pathname(found.path).rstrip("/") if found.scheme in ("", "file") else str(table.table_uri)
