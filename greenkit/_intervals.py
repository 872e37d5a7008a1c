"""The rows of a tidy frame as arrays, sorted by series and start: the form that every analysis computes on.

The start labels an interval, and its power is its value over its own hours. Times are int64 microseconds since 1970
UTC, so no sum and no length depends on daylight-saving time; the calendar is used only for local days.

The rows of a frame are read in runs: within a run of equal meter, flow, series, unit, and zone, only the times and
values differ, so names are looked up once per run and never once per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit._series import KEY, SERIES, adds_up
from greenkit._style import series_label
from greenkit.times import US, Instants, to_instants, to_wall_clock, view_instants

if TYPE_CHECKING:
    from greenkit._relations import Relations

HOUR: Final = 3600 * US
DAY: Final = 24 * HOUR
ESTIMATED: Final = frozenset({"estimated", "projected"})
"""Qualities of values that were not measured."""

BATCH: Final = 1 << 19
"""Rows of the groups of series that are computed one after another."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)  # arrays do not compare as one, and each generated method costs import
class Intervals:
    """Rows sorted by series and start, as arrays of one length.

    Parameters
    ----------
    keys : DataFrame
        One row per series: meter, flow, series, unit, zone (str).
    code : array of int64
        Row of ``keys`` that the interval belongs to.
    start, end : array of int64
        Microseconds since 1970 UTC.
    value : array of float64
        NaN if the source has no value.
    estimated : array of bool
        Whether the value is estimated or projected, by its quality.
    row : array of int64
        Position in the frame.
    relations : Relations, optional
        How the series of the frame became these physical flows.
    usual : array of int64, optional
        Most frequent length of each series in seconds, if it is not that of these rows alone.
    """

    keys: pd.DataFrame
    code: Ints
    start: Instants
    end: Instants
    value: Floats
    estimated: Bools
    row: Ints
    relations: Relations | None = None
    usual: Ints | None = None

    def __len__(self) -> int:
        return len(self.code)

    def take(self, where: Bools | Ints | slice) -> Intervals:
        """Keep some rows, and all series, even one without rows. A mask that keeps all rows returns the object."""
        if isinstance(where, np.ndarray) and where.dtype == bool and where.all():
            return self
        names = ("code", "start", "end", "value", "estimated", "row")
        return replace(self, **{n: getattr(self, n)[where] for n in names})

    def batches(self) -> Iterator[tuple[int, Intervals]]:
        """Yield groups of complete series of about :data:`BATCH` rows, with the number of their first series.

        What is computed series by series needs memory for one group only, and most of its arrays stay in the cache of
        the processor. Together, the groups have all series; ``code`` and ``keys`` count from the first of each group.
        """
        if len(self) <= BATCH:
            yield 0, self
            return
        edges = np.searchsorted(self.code, np.arange(len(self.keys)))
        for a, b, rows in groups(edges, len(self)):
            usual = None if self.usual is None else self.usual[a:b]
            one = replace(self.take(rows), keys=self.keys.iloc[a:b].reset_index(drop=True), usual=usual, relations=None)
            yield a, replace(one, code=one.code - a)

    @cached_property
    def zone(self) -> str:
        """The time zone that all series share, else UTC."""
        zones = self.keys["zone"].unique()
        return str(zones[0]) if len(zones) == 1 else "UTC"

    @cached_property
    def first(self) -> Ints:
        """Position of the first interval of each series that has rows."""
        return np.flatnonzero(np.append(np.ones(min(len(self), 1), dtype=bool), self.code[1:] != self.code[:-1]))

    @cached_property
    def valid(self) -> Bools:
        """Whether the interval has a value."""
        return np.isfinite(self.value)

    @cached_property
    def hours(self) -> Floats:
        """Length of each interval in hours."""
        return np.asarray((self.end - self.start) / HOUR, dtype=np.float64)

    @cached_property
    def power(self) -> Floats:
        """Value over hours for amounts (kWh → kW), the value itself for rates; NaN for an interval without length."""
        sums = np.array([adds_up(u) for u in self.keys["unit"]], dtype=bool)
        hours = self.hours
        if sums.all() and (hours > 0).all():
            return np.asarray(self.value / hours)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(hours > 0, self.value / hours, np.nan)
        return np.where(sums[self.code], rate, self.value)

    @cached_property
    def amount(self) -> Floats:
        """The number that is summed: the value of an amount, value × hours of a rate."""
        sums = np.array([adds_up(u) for u in self.keys["unit"]], dtype=bool)
        return self.value if sums.all() else np.where(sums[self.code], self.value, self.value * self.hours)

    @cached_property
    def wall(self) -> Instants:
        """Local clock time of each start, as microseconds since a 1970 of the local clock."""
        return local(self.start, self.code, self.keys["zone"])

    @cached_property
    def date(self) -> Ints:
        """Local date of each start, as days since 1970."""
        return self.wall // DAY

    @cached_property
    def interval(self) -> Ints:
        """Most frequent length in each series, in seconds; 0 for a series in which no interval has a length."""
        if self.usual is not None:
            return self.usual
        usual = np.zeros(len(self.keys), dtype=np.int64)
        usual[self.code[self.first]] = lengths(self.first, self.start, self.end)[0]
        return usual // US

    def count_in(self, time: Any, code: Any) -> Ints:
        """Return how many intervals of the usual length of a series fit into a time (microseconds), rounded."""
        length = (self.interval * US)[code]
        number = np.divide(time, length, out=np.zeros(len(length)), where=length > 0)
        return np.asarray(np.round(number), dtype=np.int64)

    @cached_property
    def reached(self) -> Instants:
        """Latest end among the earlier intervals of the series; for its first interval, its own start."""
        before = np.append(self.start[:1], self.end[:-1])
        before[self.first] = self.start[self.first]
        if (self.end[1:] >= self.end[:-1])[self.code[1:] == self.code[:-1]].all():
            return before
        latest = pd.Series(self.end).groupby(self.code).cummax().to_numpy(dtype=np.int64)
        latest = np.append(self.start[:1], latest[:-1])
        latest[self.first] = self.start[self.first]
        return latest

    @cached_property
    def overlap(self) -> Bools:
        """Whether an interval starts before an earlier one of its series has ended."""
        before = self.start[1:] < self.end[:-1]
        if not (before & (self.code[1:] == self.code[:-1])).any():
            return np.zeros(len(self), dtype=bool)
        return self.start < self.reached

    def label(self, code: int) -> str:
        """Return the name of one series for a message."""
        return label(self.keys, code)


def label(keys: pd.DataFrame, code: int) -> str:
    """Return the name of one of the series in ``keys`` for a message."""
    return series_label(*keys[list(SERIES)].iloc[code])


def groups(first: Ints, rows: int) -> Iterator[tuple[int, int, slice]]:
    """Yield groups of consecutive series of about :data:`BATCH` rows: first and last series (exclusive), and rows.

    Parameters
    ----------
    first : array of int64
        First row of each series, increasing.
    rows : int
        Number of all rows.
    """
    edges = np.append(first, rows)
    # a group begins with the series whose last row passes a multiple of BATCH
    cuts = [0, *(np.flatnonzero(np.diff(edges[1:] // BATCH)) + 1).tolist(), len(first)]
    for a, b in pairwise(cuts):
        yield a, b, slice(int(edges[a]), int(edges[b]))


def lengths(first: Ints, start: Instants, end: Instants) -> tuple[Ints, Bools]:
    """Return the most frequent length of the intervals of each series, and whether all of them have it.

    Parameters
    ----------
    first : array of int64
        First row of each series, increasing. Each series has rows.
    start, end : array of int64
        Microseconds since 1970 UTC.

    Returns
    -------
    array of int64
        Microseconds; of lengths that are equally frequent, the shortest. An interval without length does not count.
    array of bool
        Whether the series has intervals of one length only.

    Examples
    --------
    >>> lengths(np.array([0, 2]), np.array([0, 1, 0, 1, 2]), np.array([1, 2, 1, 2, 4]))[0].tolist()
    [1, 1]
    """
    low, high = np.zeros(len(first), dtype=np.int64), np.zeros(len(first), dtype=np.int64)
    for a, b, rows in groups(first, len(start)) if len(first) else ():
        length = end[rows] - start[rows]
        low[a:b], high[a:b] = (each.reduceat(length, first[a:b] - first[a]) for each in (np.minimum, np.maximum))
    several = np.flatnonzero(low < high)
    if len(several):
        # series with several lengths are counted; most have one
        count = np.diff(np.append(first, len(start)))[several]
        mixed = ranges(first[several], count)
        which, sizes = pd.factorize(end[mixed] - start[mixed], sort=True)
        number = np.repeat(np.arange(len(several)), count) * len(sizes) + which
        counts = np.bincount(number, minlength=len(several) * len(sizes)).reshape(len(several), len(sizes))
        counts[:, sizes == 0] = 0
        low[several] = np.where(counts.any(axis=1), sizes[counts.argmax(axis=1)], 0)
    uniform = np.ones(len(first), dtype=bool)
    uniform[several] = False
    return low, uniform


def ranges(first: Ints, count: Ints) -> Ints:
    """Return the consecutive numbers of several ranges, one range after another.

    Examples
    --------
    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(count) - count
    return np.asarray(np.arange(count.sum()) + np.repeat(first - before, count), dtype=np.int64)


def local(instants: Instants, code: Ints, zones: Sequence[str] | pd.Series[str]) -> Instants:
    """Return the local clock times (int64 microseconds) of instants, each in the time zone of its series."""
    names = np.asarray(zones, dtype=str)
    out = np.empty(len(instants), dtype=np.int64)
    for zone in np.unique(names):
        here = slice(None) if (names == zone).all() else np.isin(code, np.flatnonzero(names == zone))
        out[here] = _wall(instants[here], str(zone))
    return out


_QUARTER: Final = HOUR // 4
_FEW: Final = 20_000
"""Number of instants up to which a table of offsets costs more than it saves."""


def _wall(instants: Instants, zone: str) -> Instants:
    """Return clock times by a table of the offset in each quarter of an hour, at which all zones change.

    For 10 years the table has 350,000 rows; a fleet has a thousand times as many instants.
    """
    if len(instants) < _FEW:
        return to_wall_clock(np.ascontiguousarray(instants), zone)
    first, last = int(instants.min() // _QUARTER), int(instants.max() // _QUARTER)
    if last - first > len(instants):
        return to_wall_clock(np.ascontiguousarray(instants), zone)
    grid = np.arange(first, last + 1) * _QUARTER
    offset = to_wall_clock(grid, zone) - grid
    return np.asarray(instants + offset[instants // _QUARTER - first])


# -- from a frame

_BLOCK: Final = 1 << 16
"""Rows whose names are compared at once."""


def runs(df: pd.DataFrame) -> tuple[Ints, Ints, pd.DataFrame]:
    """Find the series of a frame, run by run.

    Returns
    -------
    first : array of int64
        Row at which each run begins.
    code : array of int64
        Series of each run: its row in ``keys``.
    keys : DataFrame
        One row per series: meter, flow, series, unit, zone (str), sorted by the order of their categories.

    Examples
    --------
    Rows with the meters A A A B B A have the runs ``first`` [0, 3, 5] and ``code`` [0, 1, 0], and two rows of ``keys``.
    """
    columns = [_category(df[name]) for name in KEY]
    codes = [column.array.codes for column in columns]
    changed = np.zeros(max(len(df) - 1, 0), dtype=bool)
    # a column with one category never changes
    several = [each for column, each in zip(columns, codes, strict=True) if len(column.cat.categories) > 1]
    # in blocks that stay in the cache of the processor
    for a in range(0, len(changed), _BLOCK):
        block = changed[a : a + _BLOCK]
        for each in several:
            here = each[a : a + _BLOCK + 1]
            block |= here[1:] != here[:-1]
    first = np.append(np.zeros(min(len(df), 1), dtype=np.int64), np.flatnonzero(changed) + 1)
    joint = np.zeros(len(first), dtype=np.int64)
    for column, each in zip(columns, codes, strict=True):
        joint = joint * max(len(column.cat.categories), 1) + each[first]
    code, distinct = pd.factorize(joint, sort=True)
    at = np.zeros(len(distinct), dtype=np.int64)
    at[code[::-1]] = first[::-1]
    words = {name: c.array.categories[c.array.codes[at]] for name, c in zip(KEY, columns, strict=True)}
    return first, np.asarray(code, dtype=np.int64), pd.DataFrame(words, dtype="str")


def _category(column: pd.Series[Any]) -> pd.Series[Any]:
    return column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")


class Runs(NamedTuple):
    """A frame in which each series is one run of rows whose starts increase, so that there are no duplicates."""

    first: Ints
    code: Ints
    keys: pd.DataFrame
    start: Instants
    end: Instants
    value: Floats


def plain(df: pd.DataFrame) -> Runs | None:
    """Return the runs of a frame that is sorted and without duplicates, as the readers return it; else None.

    What can be computed from runs costs a fraction of what the arrays of :func:`of` cost.
    """
    first, code, keys = runs(df)
    if len(code) != len(keys):
        return None
    start = view_instants(df["start"])
    follows = start[1:] > start[:-1]
    follows[first[1:] - 1] = True
    if not follows.all():
        return None
    return Runs(first, code, keys, start, view_instants(df["end"]), df["value"].to_numpy(dtype=np.float64))


def of(df: pd.DataFrame) -> Intervals:
    """Return all rows of a tidy frame, sorted by series and start. The frame is not checked."""
    first, code, keys = runs(df)
    each = np.repeat(code, np.diff(np.append(first, len(df))))
    start, end = view_instants(df["start"]), view_instants(df["end"])
    quality = _category(df["quality"])
    words = np.append(quality.cat.categories.isin(ESTIMATED), False)
    value = df["value"].to_numpy(dtype=np.float64)
    found = Intervals(keys, each, start, end, value, words[quality.array.codes], np.arange(len(df)))
    # sorted by end as well, so that duplicates are adjacent
    wrong = start[1:] < start[:-1]
    same = start[1:] == start[:-1]
    if same.any():
        wrong |= same & (end[1:] < end[:-1])
    wrong[first[1:] - 1] = code[1:] < code[:-1]
    return found.take(np.lexsort([end, start, each])) if wrong.any() else found


def is_duplicate(found: Intervals) -> Bools:
    """Return whether an interval has the series, start, and end of the one before it."""
    twin = np.zeros(len(found), dtype=bool)
    twin[1:] = found.start[1:] == found.start[:-1]
    if twin.any():
        twin[1:] &= (found.code[1:] == found.code[:-1]) & (found.end[1:] == found.end[:-1])
    return twin


def duplicates(found: Intervals) -> tuple[Ints, Ints]:
    """Return the positions of intervals that repeat the one before them with the same value, and with another value."""
    here = np.flatnonzero(is_duplicate(found))
    a, b = found.value[here], found.value[here - 1]
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    return here[equal], here[~equal]


def deduplicate(found: Intervals, df: pd.DataFrame) -> Intervals:
    """Keep each interval once: a value before none, then the newest ``revision``, then the last row of ``df``."""
    if not is_duplicate(found).any():
        return found
    # an empty revision becomes the smallest integer, so any other is newer
    revision = to_instants(df["revision"])[found.row] if "revision" in df.columns else np.zeros(len(found), np.int64)
    best = found.take(np.lexsort([found.row, revision, found.valid, found.end, found.start, found.code]))
    return best.take(np.append(~is_duplicate(best)[1:], True))


# -- revisions


def newest(first: Ints, revision: Ints) -> Bools:
    """Return which rows belong to the newest revision of their group: the one rule of revisions.

    A revision replaces the earlier ones of its meter, series, and day completely: intervals of two revisions are never
    mixed, even if the newest has fewer of them.

    Parameters
    ----------
    first : array of int64
        Position of the first row of each group; the rows of a group are adjacent.
    revision : array
        Revision of each row: larger is newer.

    Examples
    --------
    >>> newest(np.array([0, 3]), np.array([1, 2, 2, 7, 6])).tolist()
    [False, True, True, True, False]
    """
    if not len(first):
        return np.zeros(len(revision), dtype=bool)
    count = np.diff(np.append(first, len(revision)))
    return np.asarray(revision == np.repeat(np.maximum.reduceat(revision, first), count))


def has_revisions(df: pd.DataFrame) -> bool:
    """Return whether any row states the revision that it is from."""
    return "revision" in df.columns and bool(df["revision"].notna().any())


def latest(found: Intervals, df: pd.DataFrame) -> Intervals:
    """Keep the newest revision of each local day of each series; a row without a revision is older than any other."""
    if not has_revisions(df):
        return found
    revision = to_instants(df["revision"])[found.row]
    day = found.date
    if "usage_date" in df.columns:
        # the day of the source: of an interval that is filed under another day than that of its start, its revision too
        filed = df["usage_date"].to_numpy("datetime64[D]").astype(np.int64)[found.row]
        day = np.where(filed == np.iinfo(np.int64).min, day, filed)
    changed = (found.code[1:] != found.code[:-1]) | (day[1:] != day[:-1])
    order = None
    if (day[1:] < day[:-1])[found.code[1:] == found.code[:-1]].any():
        order = np.lexsort([day, found.code])
        code, day = found.code[order], day[order]
        changed = (code[1:] != code[:-1]) | (day[1:] != day[:-1])
        revision = revision[order]
    kept = newest(np.append(0, np.flatnonzero(changed) + 1), revision)
    if order is not None:
        kept[order] = kept.copy()
    return found.take(kept)
