"""Rows labeled with a local date and clock times → their true place in the day, also when clocks change.

On two days of the year a clock label does not show when an interval was. On the fall-back day one hour of labels
repeats; on the spring-forward day one hour of labels does not exist. Each group of rows of such a day (one meter,
channel and version) is placed

1. **by position**, if the day is complete and in order: the third row of a 15-minute day begins 30 minutes after
   midnight, whatever its label says of the hour that repeats;
2. **by label** otherwise: of two equal labels in the repeated hour, the first is the earlier one. The caller learns
   which rows were placed in this way, and which rows have a label that no time of the day has.

On every other day a label is the time. Nothing here depends on a file format, a zone, or an interval length.

Units: days are days since 1970-01-01; labels are minutes of the local clock, from 0 to 1439, and the end of the day
is 0; places are minutes elapsed since local midnight, so a fall-back day of the United States ends at 1500.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from greenkit.times import US, Instants, midnights

DAY: Final = 1440
"""Minutes that a clock shows in a day."""
DAY_SECONDS: Final = 86400
NOWHERE: Final = -1
"""The place of a row whose label no time of its day has."""

Ints = npt.NDArray[Any]
Minutes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Label = Literal["start", "end"]
"""Which of an interval's two times its rows are labeled with."""


class ClockChange(NamedTuple):
    """When clocks change in one local day, in minutes of the clock. Create it with :func:`clock_change`.

    Parameters
    ----------
    begin, end : int
        First minute of the hour that repeats or is skipped, and first minute after it: 60 and 120 on the fall-back
        day of the United States, 120 and 180 on its spring-forward day.
    repeats : bool
        True on the fall-back day, False on the spring-forward day.
    """

    begin: int
    end: int
    repeats: bool

    @property
    def minutes(self) -> int:
        """Minutes by which clocks change: 60, or 30 on Lord Howe Island."""
        return self.end - self.begin

    @property
    def day(self) -> int:
        """Minutes of the day: 1500 or 1380 in most zones."""
        return DAY + (self.minutes if self.repeats else -self.minutes)


class Placement(NamedTuple):
    """Where rows are in their days; arrays have one element for each row.

    Attributes
    ----------
    start, end : int64 arrays
        Minutes elapsed since local midnight; ``start`` is :data:`NOWHERE` for a row without a place in its day.
    midnight : int64 array
        Beginning of the day in microseconds since 1970 UTC: ``midnight + start * 60 * US`` is the instant.
    length : int64 array
        Seconds of the day.
    skipped : list of int64 arrays
        For each group and day with values in the skipped hour: the positions of those rows.
    by_order : list of int64 arrays
        For each group and day whose repeated hour was resolved by the order of equal labels: the positions of the
        rows of that day.
    """

    start: Minutes
    end: Minutes
    midnight: Instants
    length: Ints
    skipped: list[Ints]
    by_order: list[Ints]


def day_bounds(days: Ints, zone: str) -> tuple[Instants, Ints]:
    """Return the instant at which each day begins, in microseconds since 1970 UTC, and its length in seconds.

    Examples
    --------
    >>> day = np.array(["2025-11-02", "2025-11-03"], dtype="datetime64[D]").astype(int)
    >>> day_bounds(day, "America/Chicago")[1].tolist()
    [90000, 86400]
    """
    begin = midnights(days.astype("datetime64[D]"), zone)
    return begin, (midnights((days + 1).astype("datetime64[D]"), zone) - begin) // US


@lru_cache(1 << 10)
def clock_change(day: int, zone: str) -> ClockChange | None:
    """Return when clocks change on one day, or None if the day has 24 hours.

    Examples
    --------
    >>> for date in ("2025-03-09", "2025-11-02"):
    ...     clock_change(int(np.datetime64(date).astype(int)), "America/Chicago")
    ClockChange(begin=120, end=180, repeats=False)
    ClockChange(begin=60, end=120, repeats=True)
    """
    begin, length = day_bounds(np.array([day]), zone)
    shift = int(length[0] - DAY_SECONDS) // 60
    if not shift:
        return None
    at = _offset_changes_at(int(begin[0]) // US, int(length[0]) // 60, zone)
    if shift > 0:
        return ClockChange(at - shift, at, repeats=True)
    return ClockChange(at, at - shift, repeats=False)


def _offset_changes_at(begin: int, minutes: int, zone: str) -> int:
    """Return the minutes from midnight to the change of the UTC offset; 0 if midnight itself is skipped."""
    tz = zoneinfo.ZoneInfo(zone)

    def offset(minute: int) -> Any:
        return dt.datetime.fromtimestamp(begin + minute * 60, tz).utcoffset()

    first = offset(0)
    low, high = 0, minutes
    if offset(high) == first:
        return 0
    while high - low > 1:  # the offset is the first one at low, and another at high
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == first else (low, middle)
    return high


def place_rows(
    day: Ints,
    start: Ints,
    end: Ints,
    zone: str,
    *,
    keys: Sequence[Ints] = (),
    filled: Bools | None = None,
    label: Label = "start",
) -> Placement:
    """Return where labeled rows are in their days.

    Parameters
    ----------
    day : array of int
        Local day of each interval, as days since 1970. An interval that ends at midnight belongs to the day that
        ends.
    start, end : arrays of int
        Clock minutes at which each interval starts and ends. If the file has only one of them, compute the other
        with the interval length on the clock: ``(start + 15) % 1440``.
    zone : str
        IANA time zone.
    keys : sequence of arrays of int
        What distinguishes series, such as meter, channel, and version. Rows with equal keys on one day form a group.
        Their order is that of the file.
    filled : array of bool, optional
        Whether a row has a value. Rows without one in the skipped hour are not reported. Default: all rows.
    label : {"start", "end"}
        Which of the two times the file states; ``"start"`` if it states both. Default: ``"start"``. In a zone
        where midnight repeats (Havana), an end of 00:00 is the end of the day, except in a complete day.

    Returns
    -------
    Placement

    Examples
    --------
    The hours from 00:00 of a fall-back day, of which 01:00 repeats:

    >>> day = np.full(4, np.datetime64("2025-11-02").astype(int))
    >>> start = np.array([0, 60, 60, 120])
    >>> placed = place_rows(day, start, start + 60, "America/Chicago")
    >>> placed.start.tolist(), placed.end.tolist(), len(placed.by_order)
    ([0, 60, 120, 180], [60, 120, 180, 240], 1)
    """
    start, end = start.astype(np.int64), end.astype(np.int64)
    runs = breaks(day)  # rows are mostly sorted by day, so each day is looked up once or a few times
    midnight, length = (np.repeat(of_run, np.diff(runs, append=len(day))) for of_run in day_bounds(day[runs], zone))
    filled = np.ones(len(day), dtype=bool) if filled is None else filled
    placed = Placement(start.copy(), end + np.where(end > start, 0, DAY), midnight, length, [], [])
    for rows in _groups(day, keys, np.flatnonzero(length != DAY_SECONDS)):
        change = cast(ClockChange, clock_change(int(day[rows[0]]), zone))  # never None, since the day has no 24 hours
        one = _Rows(start[rows], end[rows], filled[rows], change, label)
        if change.repeats:
            placed.start[rows], placed.end[rows], by_order = _fall_back(one)
            placed.by_order.extend(rows[part] for part in by_order)
        else:
            placed.start[rows], placed.end[rows], skipped = _spring_forward(one)
            if skipped.any():
                placed.skipped.append(rows[skipped])
    return placed


def breaks(*columns: Ints) -> Ints:
    """Return the positions at which any of the columns differs from the row before; the first is always 0.

    Examples
    --------
    >>> breaks(np.array([7, 7, 7, 8]), np.array([1, 1, 2, 2])).tolist()
    [0, 2, 3]
    """
    changed = np.zeros(len(columns[0]), dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _groups(day: Ints, keys: Sequence[Ints], some: Ints) -> Iterator[Ints]:
    """Yield the positions of the rows of each group, in the order of the file; groups are sorted by their keys."""
    if not len(some):
        return
    columns = [*(key[some] for key in keys), day[some]]
    order = np.lexsort(columns[::-1])  # lexsort is stable, and sorts by its last column first
    yield from np.split(some[order], breaks(*(column[order] for column in columns))[1:])


class _Rows(NamedTuple):
    """The rows of one group on a day when clocks change."""

    start: Minutes
    end: Minutes
    filled: Bools
    change: ClockChange
    label: Label

    def take(self, which: Ints | slice) -> _Rows:
        return _Rows(self.start[which], self.end[which], self.filled[which], self.change, self.label)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def duration(self) -> Minutes:
        """Minutes between the two labels; a day for an interval that ends at the label at which it starts."""
        return (self.end - self.start - 1) % DAY + 1

    @property
    def step(self) -> int:
        """The most frequent duration."""
        return int(np.bincount(self.duration).argmax())

    @property
    def stated(self) -> Minutes:
        """The labels that the file states; the end of the day is 1440."""
        return self.start if self.label == "start" else np.where(self.end == 0, DAY, self.end)

    def nth(self, n: Ints, step: int) -> Ints:
        """Return the place that a row states at position ``n`` of a complete day."""
        return n * step if self.label == "start" else (n + 1) * step


# The spring-forward day. Elapsed minutes and labels, for 15-minute rows of the United States:
#
#     elapsed    0 …  105   (none)             120 …
#     label      0 …  105   120 135 150 165    180 …      the skipped hour has labels, but no time


def _spring_forward(rows: _Rows) -> tuple[Minutes, Minutes, Bools]:
    """Return the places at which the rows start and end, and which rows have a value in the skipped hour."""
    change, shift = rows.change, rows.change.minutes
    start, end = rows.start, rows.end + np.where(rows.end > rows.start, 0, DAY)
    count = int(rows.filled.sum())
    step, rest = divmod(change.day, count) if count else (0, 1)
    if not rest and not shift % step and (rows.stated[rows.filled] == rows.nth(np.arange(count), step)).all():
        # As many values as the day has intervals, labeled without a gap: they were counted on through the skipped
        # hour, so that the last label is 22:45. Their positions are right.
        return np.where(rows.filled, start, NOWHERE), end, np.zeros(len(rows), dtype=bool)
    if rows.label == "start":
        skipped = (start >= change.begin) & (start < change.end)
        elapsed = np.where(start < change.end, start, start - shift)
        elapsed[skipped] = NOWHERE
        return elapsed, np.where(end <= change.begin, end, np.maximum(end - shift, change.begin)), skipped & rows.filled
    # The interval before the change ends when clocks jump from 02:00 to 03:00. Its label is either; if it is 02:00,
    # then 03:00 is the end of the last row in the skipped hour.
    stated = rows.stated
    both = bool((rows.filled & (stated == change.begin)).any())
    skipped = (stated > change.begin) & (stated < change.end + both)
    ends = np.where(stated <= change.begin, stated, np.maximum(stated - shift, change.begin))
    return np.where(skipped, NOWHERE, ends - rows.duration), ends, skipped & rows.filled


# The fall-back day. Elapsed minutes and labels, for 15-minute rows of the United States:
#
#     elapsed    0 … 45   60 75 90 105   120 135 150 165   180 …
#     label      0 … 45   60 75 90 105    60  75  90 105   120 …


def _fall_back(rows: _Rows) -> tuple[Minutes, Minutes, list[Ints]]:
    """Return the places at which the rows start and end, and the rows that were placed by the order of labels."""
    stated, by_order = _fall_back_labels(rows)
    if rows.label == "end":
        return stated - rows.duration, stated, by_order
    # The end is the first time after the start at which the clock shows it. Clocks show a label up to 02:00 before
    # they change (02:00 is the end of the first hour from 01:00), and one from 01:00 on an hour later.
    change = rows.change
    # where midnight repeats, 00:00 is also the end of the first of the two hours
    is_inside = (change.begin == 0) & (stated < change.minutes)
    label = np.where((rows.end == 0) & ~is_inside, DAY, rows.end)
    later = (label > change.end) | ((label >= change.begin) & (label <= stated))
    end = label + np.where(later, change.minutes, 0)
    return stated, np.where(end > stated, end, end + DAY), by_order


def _fall_back_labels(rows: _Rows) -> tuple[Minutes, list[Ints]]:
    """Return the places of the labels that the file states, and the rows that were placed by the order of labels."""
    complete = _complete_day(rows)
    if complete is not None:
        return complete, []
    stated, change, everything = rows.stated, rows.change, np.arange(len(rows))
    if len(rows) > change.day // rows.step:
        # More rows than the day has intervals: the day is in the file more than once, as copies one after another ...
        again = np.flatnonzero((stated[1:] < stated[:-1]) & (stated[1:] < change.begin)) + 1
        if len(again):
            copies = np.split(everything, again)
            places = [_fall_back_labels(rows.take(copy)) for copy in copies]
            by_order = [copy[part] for copy, (_, parts) in zip(copies, places, strict=True) for part in parts]
            return np.concatenate([place for place, _ in places]), by_order
        # ... or with each row twice
        single = rows.take(slice(0, None, 2))
        place = _complete_day(single)
        if place is not None and (np.repeat(single.stated, 2)[: len(rows)] == stated).all():
            return np.repeat(place, 2)[: len(rows)], []
    return _by_order(rows), [everything]


def _complete_day(rows: _Rows) -> Minutes | None:
    """Return the places of the labels of a complete day, in order or in reverse, or None if it is neither.

    The labels in the second of the two hours are not compared, because files label it in several ways.
    """
    change = rows.change
    step, rest = divmod(change.day, len(rows))
    if rest or change.minutes % step:
        return None
    elapsed = rows.nth(np.arange(len(rows)), step)
    shown = np.where(elapsed < change.end, elapsed, elapsed - change.minutes)
    known = (elapsed < change.end) | (elapsed >= change.end + change.minutes)
    for stated, places in ((rows.stated, elapsed), (rows.stated[::-1], elapsed[::-1])):
        if (stated[known] == shown[known]).all():
            return places
    return None


def _by_order(rows: _Rows) -> Minutes:
    """Return the places of the labels of a fall-back day that is incomplete or out of order."""
    change, step, label = rows.change, rows.step, rows.stated.copy()
    second = np.zeros(len(rows), dtype=bool)
    if rows.label == "start":
        # A row from 02:00 to 01:15 begins the second hour: its end proves it.
        second = (label == change.end) & (rows.end <= label) & (rows.end > change.begin)
        label[second] = change.begin
        for i in range(1, len(label)):  # rows that follow it without a gap are in the second hour too
            if second[i - 1] and label[i] == label[i - 1] + step and label[i] < change.end:
                second[i] = True
    # Of the other labels, every other occurrence of the same label is in the second hour.
    seen: dict[int, int] = {}
    for i in np.flatnonzero((label >= change.begin) & (label < change.end) & ~second).tolist():
        minute = int(label[i])
        seen[minute] = seen.get(minute, 0) + 1
        second[i] = seen[minute] % 2 == 0
    return np.where(second | (label >= change.end), label + change.minutes, label)
