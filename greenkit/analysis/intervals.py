"""A tidy frame as arrays: what every analysis computes on, series by series and each interval once.

An interval is labelled by its start; its power is its value divided by its own hours. Instants are microseconds
since 1970 UTC, so no sum and no length ever depends on daylight-saving time; the calendar enters only where local
days are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import days, frame
from greenkit.days import US, Instants
from greenkit.findings import warn

KEY: Final = (*frame.SERIES, "zone")
HOUR: Final = 3600 * US

# The rate that an interval's value over its hours is, for units of which intervals add up. All others (kW, V, °C…) are
# states: over a longer time their mean, weighted by hours, is what can be said.
_RATE: Final = {
    "kWh": "kW", "kVAh": "kVA", "kvarh": "kvar", "Ah": "A", "V2h": "V2", "A2h": "A2", "Qh": "Q", "Q45h": "Q45",
    "Q60h": "Q60",
}  # fmt: skip
POWER: Final = {unit: _RATE.get(unit, f"{unit}/h") for unit in sorted(frame.ADDITIVE)}
ESTIMATED: Final = frozenset({"estimated", "projected"})
"""Qualities of values that nobody measured."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def adds_up(unit: str) -> bool:
    """Tell whether intervals of this unit may be summed over time.

    Examples
    --------
    >>> adds_up("kWh"), adds_up("therm"), adds_up("kW"), adds_up("V")
    (True, True, False, False)
    """
    return unit in POWER


def power_unit(unit: str) -> str:
    """Give the unit of a value divided by its hours; a state keeps its own.

    Examples
    --------
    >>> power_unit("kWh"), power_unit("m3"), power_unit("V")
    ('kW', 'm3/h', 'V')
    """
    return POWER.get(unit, unit)


@dataclass(frozen=True)
class Intervals:
    """Rows sorted by series and start, as arrays of one length.

    Parameters
    ----------
    keys : DataFrame
        One row for a series: meter, flow, series, unit, zone (str).
    code : array of int64
        Row of ``keys`` that the interval belongs to.
    start, end : array of int64
        Microseconds since 1970 UTC.
    value : array of float64
        NaN where the source gave none.
    estimated : array of bool
        Where the quality says that nobody measured the value.
    row : array of int64
        Position in the frame that was read.
    """

    keys: pd.DataFrame
    code: Ints
    start: Instants
    end: Instants
    value: Floats
    estimated: Bools
    row: Ints

    def __len__(self) -> int:
        return len(self.code)

    def take(self, where: Bools | Ints | slice) -> Intervals:
        """Keep some rows; the series stay, even one without rows. A mask that keeps all gives these very rows."""
        if isinstance(where, np.ndarray) and where.dtype == bool and where.all():
            return self
        names = ("code", "start", "end", "value", "estimated", "row")
        return replace(self, **{n: getattr(self, n)[where] for n in names})

    @cached_property
    def zone(self) -> str:
        """The zone that all series share, else UTC."""
        zones = self.keys["zone"].unique()
        return str(zones[0]) if len(zones) == 1 else "UTC"

    @cached_property
    def valid(self) -> Bools:
        """Where there is a value."""
        return np.isfinite(self.value)

    @cached_property
    def hours(self) -> Floats:
        """Length of each interval in hours."""
        return np.asarray((self.end - self.start) / HOUR, dtype=np.float64)

    @cached_property
    def power(self) -> Floats:
        """Value over hours for what adds up (kWh → kW), the value itself for states; NaN for an empty interval."""
        sums = np.array([adds_up(u) for u in self.keys["unit"]], dtype=bool)[self.code]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(self.hours > 0, self.value / self.hours, np.nan)
        return np.where(sums, rate, self.value)

    @cached_property
    def amount(self) -> Floats:
        """What is summed: the value of what adds up, value × hours of a state."""
        sums = np.array([adds_up(u) for u in self.keys["unit"]], dtype=bool)[self.code]
        return np.where(sums, self.value, self.value * self.hours)

    @cached_property
    def wall(self) -> Instants:
        """Local clock time of each start, as microseconds since a 1970 of the local clock."""
        return local(self.start, self.code, self.keys["zone"])

    @cached_property
    def date(self) -> Ints:
        """Local date of each start, as days since 1970."""
        return self.wall // (24 * HOUR)

    @cached_property
    def interval(self) -> Ints:
        """The most frequent length in each series, in seconds; 0 for a series in which no interval has a length."""
        which, lengths = pd.factorize(self.end - self.start, sort=True)
        counts = np.bincount(self.code * len(lengths) + which, minlength=len(self.keys) * len(lengths))
        counts = counts.reshape(len(self.keys), len(lengths))
        if not len(lengths):
            return np.zeros(len(self.keys), dtype=np.int64)
        counts[:, lengths == 0] = 0
        usual = np.where(counts.any(axis=1), lengths[counts.argmax(axis=1)], 0)
        return np.asarray(usual // US, dtype=np.int64)

    def count_in(self, time: Any, code: Any) -> Ints:
        """Tell how many intervals of the usual length of their series fit into some times (microseconds), rounded."""
        length = (self.interval * US)[code]
        number = np.divide(time, length, out=np.zeros(len(length)), where=length > 0)
        return np.asarray(np.round(number), dtype=np.int64)

    @cached_property
    def reached(self) -> Instants:
        """Latest end among the earlier intervals of the same series; the own start for the first."""
        latest = pd.Series(self.end).groupby(self.code).cummax().to_numpy(dtype=np.int64)
        first = np.append(np.ones(min(len(self), 1), dtype=bool), self.code[1:] != self.code[:-1])
        return np.where(first, self.start, np.append(self.start[:1], latest[:-1]))

    @cached_property
    def overlap(self) -> Bools:
        """Where an interval begins before an earlier one of its series has ended."""
        return self.start < self.reached

    def label(self, code: int) -> str:
        """Name one series for a message."""
        key = self.keys.iloc[code]
        return f"{key['meter']} / {key['flow']} / {key['series']} [{key['unit']}]"


def local(instants: Instants, code: Ints, zones: Sequence[str] | pd.Series[str]) -> Instants:
    """Give local clock times (int64 microseconds) of instants, each in the zone of its series."""
    names = np.asarray(zones, dtype=str)
    out = np.empty(len(instants), dtype=np.int64)
    for zone in np.unique(names):
        here = slice(None) if (names == zone).all() else np.isin(code, np.flatnonzero(names == zone))
        wall = days.times(np.ascontiguousarray(instants[here]), zone).tz_localize(None)
        out[here] = wall.to_numpy("datetime64[us]").view(np.int64)
    return out


def from_frame(df: pd.DataFrame) -> Intervals:
    """Read a tidy frame, every row of it, sorted by series and start.

    Raises
    ------
    SchemaError
        When it is not a tidy frame.
    """
    frame.check(df)
    code, keys = _series(df)
    start, end = days.instants(df["start"]), days.instants(df["end"])
    estimated = df["quality"].isin(ESTIMATED).to_numpy(dtype=bool)
    value = df["value"].to_numpy(dtype=np.float64)
    found = Intervals(keys, code, start, end, value, estimated, np.arange(len(df)))
    # by end too, so that an interval that stands twice is the neighbour of itself
    tied, late = code[1:] == code[:-1], start[1:] < start[:-1]
    late |= (start[1:] == start[:-1]) & (end[1:] < end[:-1])
    if (code[1:] < code[:-1]).any() or (tied & late).any():
        return found.take(np.lexsort([end, start, code]))
    return found


def _series(df: pd.DataFrame) -> tuple[Ints, pd.DataFrame]:
    columns = [df[name].astype("category") for name in KEY]
    code = np.zeros(len(df), dtype=np.int64)
    for column in columns:
        code = code * max(len(column.cat.categories), 1) + column.cat.codes.to_numpy(dtype=np.int64)
    where, _ = pd.factorize(code, sort=True)
    first = np.zeros(where.max() + 1 if len(where) else 0, dtype=np.int64)
    first[where[::-1]] = np.arange(len(where))[::-1]
    # the words of one row of each series, not of every row
    keys = pd.DataFrame({name: c.iloc[first].astype("str").to_numpy() for name, c in zip(KEY, columns, strict=True)})
    return np.asarray(where, dtype=np.int64), keys.astype("str")


def is_duplicate(found: Intervals) -> Bools:
    """Where an interval has the series, start and end of the one before it."""
    twin = np.zeros(len(found), dtype=bool)
    same = (found.code[1:] == found.code[:-1]) & (found.start[1:] == found.start[:-1])
    twin[1:] = same & (found.end[1:] == found.end[:-1])
    return twin


def duplicates(found: Intervals) -> tuple[Ints, Ints]:
    """Give the rows that repeat the interval before them with the same value, and those that contradict it."""
    here = np.flatnonzero(is_duplicate(found))
    a, b = found.value[here], found.value[here - 1]
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    return here[equal], here[~equal]


def deduplicate(found: Intervals, df: pd.DataFrame) -> Intervals:
    """Keep each interval once: a value before none, then the newest ``revision``, then the last row of ``df``."""
    if not is_duplicate(found).any():
        return found
    # an empty revision becomes the smallest integer, so any real one is newer
    revision = days.instants(df["revision"])[found.row] if "revision" in df.columns else np.zeros(len(found), np.int64)
    best = found.take(np.lexsort([found.row, revision, found.valid, found.end, found.start, found.code]))
    return best.take(np.append(~is_duplicate(best)[1:], True))


def unique(df: pd.DataFrame) -> pd.DataFrame:
    """Keep each interval of each series once: a value before none, then the newest ``revision``, then the last row.

    Rows that overlap without having the same start and end are all kept: which of them is right cannot be known.

    Returns
    -------
    DataFrame
        The same rows in the same order, without the ones that stood twice; the very frame when none did.

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
    found = from_frame(df)
    kept = deduplicate(found, df)
    return df if len(kept) == len(df) else df.iloc[np.sort(kept.row)].reset_index(drop=True)


def checked(df: pd.DataFrame) -> Intervals:
    """Read a frame for a computation: each interval once, with a warning that says so when one stood twice."""
    found = from_frame(df)
    kept = deduplicate(found, df)
    dropped, overlap = len(found) - len(kept), int(kept.overlap.sum())
    if dropped:
        warn(f"{dropped} intervals stand twice, so one of each was used: df.gk.quality() shows them")
    if overlap:
        text = "intervals overlap others of their series and count as often as they stand: df.gk.quality() shows them"
        warn(f"{overlap} {text}")
    return kept
