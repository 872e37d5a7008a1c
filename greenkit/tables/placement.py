"""Labels of a local clock → UTC time, on the days when clocks change too.

A table labels these days in one of seven ways (seen in utilities' files):

====  =======================================  =====================  ==============================
      fall-back day of 25 hours                spring-forward day     example
====  =======================================  =====================  ==============================
a     labels appear twice, in order            skipped                PG&E, SDG&E, ESB Networks
b     labels appear twice, interleaved         skipped                E-REDES, Fluvius
c     offset or UTC in the label               the same               Enedis, Octopus
d     labels appear once, an hour is lost      skipped                PPL, Aclara
e     labels appear once, both hours summed    row without a value    DTE
f     extra columns                            blank cells            EDI tables, 25 or 100 columns
g     nothing: standard time                   nothing                NEM12
====  =======================================  =====================  ==============================

A repeated label is placed by how often it has occurred in its series, never by "time must advance", which breaks at b.
The direction is found first, because a file may be newest first. d and e are distinguished by the values, or greenkit
asks.

:mod:`greenkit._days` places the rows of Smart Meter Texas, whose interval length, clock, and label the format fixes:
a complete day goes by position. A table proves these only after its labels are placed (its clock by the repeated hour,
its length by the differences in UTC), and can have the repeated hour once. So labels are placed one by one here.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.tables.stamps import DAY, US

HOUR: Final = 3600 * US
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK: Final = 1 << 8
"""Labels that are examined together, because they are mostly of one series and of a few days."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Folds = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the clock: when, and the offsets from UTC before and after, all in microseconds."""

    at: int
    before: int
    after: int

    @property
    def is_fall(self) -> bool:
        """Whether an hour repeats."""
        return self.after < self.before

    @property
    def window(self) -> tuple[int, int]:
        """Bounds of the local labels that repeat (fall) or do not exist (spring); the second is exclusive."""
        first, second = self.at + self.before, self.at + self.after
        return (second, first) if self.is_fall else (first, second)


@functools.lru_cache(maxsize=4096)
def _changes_of_year(zone: str, year: int) -> tuple[Change, ...]:
    tz = zoneinfo.ZoneInfo(zone)

    def offset(at: int) -> int:
        moment = datetime.fromtimestamp(at, UTC).astimezone(tz)
        return int((moment.utcoffset() or moment - moment).total_seconds())

    start = int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    stop = int((datetime(year + 1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    found = []
    for day in range(start, stop, 86_400):
        before, after = offset(day), offset(day + 86_400)
        if before == after:
            continue
        low, high = day, day + 86_400
        while high - low > 60:  # all changes of this century are at full minutes
            middle = (low + high) // 120 * 60
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        found.append(Change(high * US, before * US, after * US))
    return tuple(found)


def changes(zone: str, first: int, last: int) -> tuple[Change, ...]:
    """Return the changes of the clock between two times in microseconds, with a day to spare on both sides.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> year = datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp() * 1e6
    >>> [c.is_fall for c in changes("America/Chicago", int(year), int(year + 366 * 86400e6))]
    [False, True]
    """
    years = range(_year(first - DAY), _year(last + DAY) + 1)
    return tuple(
        change for year in years for change in _changes_of_year(zone, year) if first - DAY <= change.at <= last + DAY
    )


def _year(at: int) -> int:
    return int(np.datetime64(at, "us").astype("datetime64[Y]").astype(np.int64)) + 1970


def standard_offset(zone: str, first: int, last: int) -> int:
    """Return the offset of standard time in microseconds."""
    years = range(_year(first), _year(last) + 1)
    tz = zoneinfo.ZoneInfo(zone)
    offsets = set()
    for year in years:
        for month in (1, 7):
            moment = datetime(year, month, 1, tzinfo=tz)
            offsets.add(moment.utcoffset() or moment - moment)  # Ireland's law calls summer time standard
    return int(min(offsets).total_seconds()) * US


def to_utc(label: Ints, zone: str, second: Bools | None = None) -> Ints:
    """Return local labels in UTC.

    Parameters
    ----------
    label : array of int64
        Local microseconds.
    zone : str
        IANA time zone.
    second : array of bool, optional
        Labels of the second of two equal hours. Default: all are of the first.

    Returns
    -------
    array of int64
        Microseconds since 1970 UTC. A label that does not exist is the time an hour later on the clock.

    Examples
    --------
    >>> labels = np.array(["2024-03-10T02:30", "2024-11-03T01:30"], dtype="datetime64[us]").astype(np.int64)
    >>> [str(t)[:16] for t in to_utc(labels, "America/Chicago").astype("datetime64[us]")]
    ['2024-03-10T08:30', '2024-11-03T06:30']
    """
    if not len(label):
        return label.copy()
    return _to_utc(label, zone, second, _bounds(label))


def _to_utc(label: Ints, zone: str, second: Bools | None, bounds: tuple[Ints, Ints]) -> Ints:
    lows, highs = bounds
    found = changes(zone, int(lows.min()), int(highs.max()))
    if not found:
        tz = zoneinfo.ZoneInfo(zone)
        moment = datetime.fromtimestamp(int(lows.min()) / US, UTC).replace(tzinfo=tz)
        return np.asarray(label - int((moment.utcoffset() or moment - moment).total_seconds()) * US)
    offsets = np.array([found[0].before, *(c.after for c in found)], dtype=np.int64)
    first_at = np.array([c.at + max(c.before, c.after) for c in found], dtype=np.int64)
    out = np.empty_like(label)
    # Most blocks are between two changes of the clock, so that all their labels have one offset: that of the least.
    # In the other blocks, and for the labels after the last block, each label is searched.
    blocks = len(label) // _BLOCK
    place = np.searchsorted(first_at, [lows[:blocks], highs[:blocks]], side="right")
    whole, made = (array[: blocks * _BLOCK].reshape(-1, _BLOCK) for array in (label, out))
    np.subtract(whole, offsets[place[0]][:, None], out=made)
    mixed = np.flatnonzero(place[0] != place[1])
    made[mixed] = whole[mixed] - offsets[np.searchsorted(first_at, whole[mixed], side="right")]
    rest = label[blocks * _BLOCK :]
    out[blocks * _BLOCK :] = rest - offsets[np.searchsorted(first_at, rest, side="right")]
    if second is not None and second.any():
        second_at = np.array([c.at + (c.after if c.is_fall else max(c.before, c.after)) for c in found], dtype=np.int64)
        out[second] = label[second] - offsets[np.searchsorted(second_at, label[second], side="right")]
    return np.asarray(out, dtype=np.int64)


def _bounds(label: Ints) -> tuple[Ints, Ints]:
    """Return the least and the greatest label of each block of ``_BLOCK`` labels.

    Tables are sorted within a series, so few blocks are near a change of the clock, and only these are searched.
    """
    whole = len(label) // _BLOCK * _BLOCK
    blocks, rest = label[:whole].reshape(-1, _BLOCK), label[whole:]
    lows, highs = blocks.min(axis=1), blocks.max(axis=1)
    if len(rest):
        lows, highs = np.append(lows, rest.min()), np.append(highs, rest.max())
    return lows, highs


def between(label: Ints, low: int, high: int, bounds: tuple[Ints, Ints] | None = None) -> Ints:
    """Return the rows whose labels are from ``low`` to before ``high``."""
    lows, highs = bounds or _bounds(label)
    blocks = np.flatnonzero((highs >= low) & (lows < high)).tolist()
    found = []
    for at in (block * _BLOCK for block in blocks):
        own = label[at : at + _BLOCK]
        found.append(np.flatnonzero((own >= low) & (own < high)) + at)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


@dataclass
class Once:
    """The repeated hour of one series in a table that has it once: one value, or both hours summed.

    Attributes
    ----------
    rows : array of int64
        Its rows, in order of time.
    change : Change
        The change of the clock.
    """

    rows: Ints
    change: Change


@dataclass
class Placed:
    """Positions of labels in UTC.

    Attributes
    ----------
    start : array of int64
        Microseconds since 1970 UTC.
    keep : array of bool
        False for a row that has no time: in the skipped hour, beside the row of the hour after it.
    once : list of Once
        Fall-back days with 24 hours.
    by_order, moved, skipped : array of int64
        Rows of the repeated hour that only their order tells apart; rows whose label does not exist and that stand
        for the hour after it; rows with a value that were left out.
    """

    start: Ints
    keep: Bools
    once: list[Once] = field(default_factory=list)
    by_order: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)


def place(
    label: Ints,
    series: Ints,
    zone: str,
    *,
    filled: Bools,
    fold: Folds | None = None,
    backward: Bools | None = None,
) -> Placed:
    """Place the labels of local time.

    Parameters
    ----------
    label : array of int64
        Local microseconds, in the order of the file.
    series : array of int64
        What keeps labels apart: a label can repeat in each series.
    zone : str
        IANA time zone.
    filled : array of bool
        Rows with a value.
    fold : array of int8, optional
        0 for the first of two equal hours, 1 for the second, where the table says it; else -1.
    backward : array of bool, optional
        Rows whose end is not later than their start on the clock, which marks the first of two equal labels.

    Returns
    -------
    Placed

    Examples
    --------
    >>> hours = np.array(["2024-11-03T00", "2024-11-03T01", "2024-11-03T01"], dtype="datetime64[us]").astype(np.int64)
    >>> found = place(hours, np.zeros(3, int), "America/Chicago", filled=np.ones(3, bool))
    >>> (np.diff(found.start) / 3600e6).tolist()
    [1.0, 1.0]
    """
    if not len(label):
        return Placed(label.copy(), np.ones(0, dtype=bool))
    bounds = _bounds(label)
    out = Placed(_to_utc(label, zone, None, bounds), np.ones(len(label), dtype=bool))
    second = np.zeros(len(label), dtype=bool)
    for change in changes(zone, int(bounds[0].min()), int(bounds[1].max())):
        a, b = change.window
        near = between(label, a - 3 * HOUR, b + 3 * HOUR, bounds)
        inside = near[(label[near] >= a) & (label[near] < b)]
        if not len(inside):
            continue
        for rows, around in _by_series(series, inside, near):
            if change.is_fall:
                _place_fall(out, second, label, rows, around, change, fold, backward)
            else:
                _place_spring(out, label, rows, around, change, filled)
    late = np.flatnonzero(second)
    if len(late):
        out.start[late] = to_utc(label[late], zone, np.ones(len(late), dtype=bool))
    return out


def _by_series(series: Ints, inside: Ints, near: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the rows of each series in a window, and those around it, in the order of the file."""
    order = np.argsort(series[inside], kind="stable")
    inside = inside[order]
    near = near[np.argsort(series[near], kind="stable")]
    keys, firsts = np.unique(series[inside], return_index=True)
    lows = np.searchsorted(series[near], keys, side="left")
    highs = np.searchsorted(series[near], keys, side="right")
    for part, low, high in zip(np.split(inside, firsts[1:]), lows, highs, strict=True):
        yield part, near[low:high]


def _place_fall(
    out: Placed,
    second: Bools,
    label: Ints,
    rows: Ints,
    around: Ints,
    change: Change,
    fold: Folds | None,
    backward: Bools | None,
) -> None:
    """Separate the two hours that have the same labels.

    Example, hourly and newest first, for labels 3 2 1 1 0: the direction is down, so the rows are reversed to
    0 1 1 2 3, and of the two rows of 1 the first one is daylight time.
    """
    a, b = change.window
    steps = np.sign(np.diff(label[around]))
    if (steps < 0).sum() > (steps > 0).sum():
        rows, around = rows[::-1], around[::-1]
    known = np.zeros(len(rows), dtype=bool) if fold is None else fold[rows] >= 0
    if fold is not None:
        second[rows[known]] = fold[rows[known]] == 1
    rows = rows[~known]
    if not len(rows):
        return
    labels = label[rows]
    _, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    outside = label[around][(label[around] < a) | (label[around] >= b)]
    copies = int(np.median(np.unique(outside, return_counts=True)[1])) if len(outside) else 1
    nth = occurrence(where.reshape(-1))
    if known.any():
        return  # the table states the hour of the others, so the remaining rows are in the first hour
    if (counts <= copies).all():
        before, after = (outside < a).any(), (outside >= b).any()
        if before and after:
            out.once.append(Once(rows, change))
        elif after:
            second[rows] = True  # the file begins inside the repeated hour
            out.by_order.extend(rows.tolist())
        else:
            out.by_order.extend(rows.tolist())
        return
    doubled = len(outside) > 1 and copies > 1 and bool((np.diff(outside) == 0).any())
    late = nth // copies >= 1 if doubled or copies == 1 else nth % 2 == 1
    if (counts != 2 * copies).any():
        # One of the two hours is incomplete. Where the labels go back, the second hour begins.
        run = np.concatenate([[0], np.cumsum(np.diff(labels) < 0)])
        if run[-1] == 1:
            late = run == 1
        out.by_order.extend(rows.tolist())
    if backward is not None and backward[rows].any():
        # 02:45 to 02:00 is the first of the pair, whatever the order of the rows
        for code in np.unique(where[backward[rows]]):
            pair = where == code
            if backward[rows][pair].sum() == copies and pair.sum() == 2 * copies:
                late[pair] = ~backward[rows][pair]
    second[rows[late]] = True


def occurrence(codes: Ints) -> Ints:
    """Return how often each code has occurred before.

    Examples
    --------
    >>> occurrence(np.array([7, 5, 7])).tolist()
    [0, 0, 1]
    """
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.searchsorted(ordered, ordered, side="left")
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = np.arange(len(codes)) - first
    return out


def _place_spring(out: Placed, label: Ints, rows: Ints, around: Ints, change: Change, filled: Bools) -> None:
    """Place labels of the hour that does not exist: to_utc has put them an hour later on the clock."""
    hour = change.after - change.before
    _, b = change.window
    taken = set(label[around][(label[around] >= b) & filled[around]].tolist())
    for row in rows.tolist():
        if not filled[row]:
            out.keep[row] = False
        elif int(label[row]) + hour in taken:
            out.keep[row] = False
            out.skipped.append(row)
        else:
            out.moved.append(row)
