"""Rows that name their interval by a date and two clock times → blocks on the UTC line.

SMT labels the days of change in its own way (seen in portal exports of 2022, 2025 and 2026):

* autumn: 100 rows, the first row of the repeated hour is labelled 02:00 → 01:15 and means 01:00 standard time;
* spring: 96 rows, the four of the skipped hour blank.

A day that looks just like one of these, or like a plain day of 96 rows, is laid on the day's grid by position. Any
other day is laid by its labels, where the first of two equal labels is the earlier; its intervals may be of any length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.days import US
from greenkit.smt import stamps
from greenkit.smt.blocks import Blocks, Store, blocks_of
from greenkit.smt.notes import Notes
from greenkit.smt.stamps import DAY

Ints = npt.NDArray[Any]

_MINUTES: Final = 15
_FOLD: Final = (60, 120)
"""Clock minutes of the hour that autumn repeats; spring skips the one after it."""
_SKIPPED: Final = (120, 180)
_MISLABELLED: Final = 120
"""Start label of the first repeated row; its end is 01:15."""

_PLAIN_START: Final = np.arange(0, DAY, _MINUTES)
_FOLD_START: Final = np.concatenate([_PLAIN_START[:8], [_MISLABELLED], _PLAIN_START[5:8], _PLAIN_START[8:]])
_FOLD_END: Final = np.concatenate([_PLAIN_START[1:9], _PLAIN_START[5:9], _PLAIN_START[9:], [0]])
# length of the day in seconds → start and end labels of its rows, as SMT writes them
_PLAIN: Final = np.array([_PLAIN_START, np.roll(_PLAIN_START, -1)], dtype=np.int16)
_PATTERNS: Final = {82800: _PLAIN, 86400: _PLAIN, 90000: np.array([_FOLD_START, _FOLD_END], dtype=np.int16)}
_LONGEST: Final = 100
_CHANNELS: Final = 8
"""More than these in a piece are no series but damage, which is not looked at one by one."""


def calendar(day: Ints) -> tuple[Ints, Ints]:
    """Give the instant at which each day begins, and its seconds; each distinct one is looked up once."""
    distinct, where = np.unique(day, return_inverse=True)
    table = np.array([(stamps.midnight(d), stamps.day_seconds(d)) for d in distinct.tolist()], dtype=np.int64).reshape(
        -1, 2
    )
    return table[where, 0], table[where, 1]


@dataclass
class Rows:
    """Labelled rows as columns: numbers of the store's vocabularies, days, and minutes of the local clock."""

    meter: Ints
    channel: Ints
    day: Ints
    revision: Ints
    start: Ints
    end: Ints
    value: npt.NDArray[np.float64]
    code: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.value)

    def take(self, which: Ints | slice) -> Rows:
        """Give some of the rows, by a mask, by their places or by a slice."""
        return Rows(*(getattr(self, f.name)[which] for f in dataclasses.fields(self)))

    @classmethod
    def joined(cls, parts: Iterable[Rows]) -> Rows:
        """Put rows one after another."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(cls)))


def lay(rows: Rows, store: Store, source: int) -> list[Rows]:
    """Store the days that look just as SMT writes them; give back the rows of all others, for :func:`settle`.

    Consumption and surplus generation may be interleaved, so each channel is looked at by itself.
    """
    if not len(rows):
        return []
    channels = np.flatnonzero(np.bincount(rows.channel))
    if len(channels) == 1:
        return [odd for odd in [_lay_channel(rows, store, source)] if len(odd)]
    if len(channels) > _CHANNELS:
        return [rows]
    parts = [_lay_channel(rows.take(rows.channel == c), store, source) for c in channels]
    return [odd for odd in parts if len(odd)]


def _lay_channel(rows: Rows, store: Store, source: int) -> Rows:
    first = _breaks(rows.meter, rows.day, rows.revision)
    count = np.diff(first, append=len(rows))
    begin, length = calendar(rows.day[first])
    whole = _as_smt_writes(rows, first, count, length)
    if not whole.any():
        return rows
    kept = np.repeat(whole, count)
    place = np.cumsum(np.where(whole, count, 0)) - count
    blocks = _whole_days(rows, first[whole], place[whole], begin[whole], length[whole], source)
    values, codes = (rows.value, rows.code) if whole.all() else (rows.value[kept], rows.code[kept])
    store.add(blocks, values, codes)
    return rows.take(~kept)


def _as_smt_writes(rows: Rows, first: Ints, count: Ints, length: Ints) -> npt.NDArray[np.bool_]:
    """Tell the runs of rows that hold a day just as SMT writes it; runs alike are compared together."""
    whole = np.zeros(len(first), dtype=bool)
    ends = np.append(_breaks(count, length)[1:], len(first))
    for begin, end in zip(_breaks(count, length), ends, strict=True):
        pattern = _PATTERNS.get(int(length[begin]))
        size = int(count[begin])
        if pattern is None or size != pattern.shape[1]:
            continue
        part = slice(int(first[begin]), int(first[begin]) + size * (end - begin))
        whole[begin:end] = (rows.start[part].reshape(-1, size) == pattern[0]).all(axis=1)
        whole[begin:end] &= (rows.end[part].reshape(-1, size) == pattern[1]).all(axis=1)
        if length[begin] < 86400:
            skipped = slice(_SKIPPED[0] // _MINUTES, _SKIPPED[1] // _MINUTES)
            whole[begin:end] &= np.isnan(rows.value[part].reshape(-1, size)[:, skipped]).all(axis=1)
    return whole


def _whole_days(rows: Rows, first: Ints, place: Ints, begin: Ints, length: Ints, source: int) -> Blocks:
    """Make the block of each whole day; a spring day is two of them, either side of its blank rows."""
    day = rows.day[first]
    blocks = blocks_of(
        {
            "meter": rows.meter[first],
            "channel": rows.channel[first],
            "source": source,
            "day": day,
            "length": length,
            "start": begin,
            "step": _MINUTES * 60 * US,
            "revision": rows.revision[first],
            "first": place,
            "rows": length // (_MINUTES * 60),
        },
        len(first),
    )
    spring = blocks[length < 86400]
    if len(spring):
        before = _SKIPPED[0] // _MINUTES
        blocks["rows"][length < 86400] = before
        spring["start"] += before * _MINUTES * 60 * US
        spring["first"] += before + 4
        spring["rows"] -= before
        blocks = np.concatenate([blocks, spring])
    return blocks


def settle(parts: list[Rows], store: Store, source: int, notes: Notes) -> None:
    """Lay days that are not whole, not in order, or not labelled as SMT does, by their labels."""
    if not parts:
        return
    rows = Rows.joined(parts)
    begin, length = calendar(rows.day)
    elapsed = rows.start.astype(np.int64)
    end = np.where(rows.end > rows.start, 0, DAY) + rows.end
    if (length != 86400).any():
        for group in _groups(rows, np.flatnonzero(length != 86400)):
            day = rows.take(group)
            place = _autumn if length[group[0]] > 86400 else _spring
            elapsed[group], end[group] = place(day, store, source, notes)
    minutes = end - elapsed
    kept = np.flatnonzero(elapsed >= 0)
    order = np.lexsort(
        [column[kept] for column in (elapsed, minutes, rows.revision, rows.day, rows.channel, rows.meter)]
    )
    order = kept[order]
    rows, elapsed, minutes = rows.take(order), elapsed[order], minutes[order]
    begin, length = begin[order], length[order]
    if not len(rows):
        return
    gap = np.ones(len(rows), dtype=bool)
    gap[1:] = elapsed[1:] != elapsed[:-1] + minutes[:-1]
    first = _breaks(rows.meter, rows.channel, rows.day, rows.revision, minutes, also=gap)
    blocks = blocks_of(
        {
            "meter": rows.meter[first],
            "channel": rows.channel[first],
            "source": source,
            "day": rows.day[first],
            "length": length[first],
            "start": begin[first] + elapsed[first] * 60 * US,
            "step": minutes[first] * 60 * US,
            "revision": rows.revision[first],
            "first": first,
            "rows": np.diff(first, append=len(rows)),
        },
        len(first),
    )
    store.add(blocks, rows.value, rows.code)


def _breaks(*columns: Ints, also: Ints | None = None) -> Ints:
    """Give the places where any column differs from the row before it; the first is 0."""
    changed = np.zeros(len(columns[0]), dtype=bool) if also is None else also.copy()
    changed[0] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _groups(rows: Rows, which: Ints) -> Iterable[Ints]:
    """Give the places of the rows of each meter, channel, day and revision, in the order of the file."""
    some = rows.take(which)
    order = np.lexsort([some.revision, some.day, some.channel, some.meter])
    some = some.take(order)
    return np.split(which[order], _breaks(some.meter, some.channel, some.day, some.revision)[1:])


def _spring(day: Rows, store: Store, source: int, notes: Notes) -> tuple[Ints, Ints]:
    """Minutes since midnight at which a 23-hour day's rows begin and end; -1 for those that have no place in it."""
    filled = ~np.isnan(day.value)
    start: Ints = day.start.astype(np.int64)
    end = np.where(day.end > start, 0, DAY) + day.end
    if filled.sum() == len(_PLAIN_START) - 4 and (start[filled] == _PLAIN_START[:-4]).all():
        return np.where(filled, start, -1), end  # 92 rows counted on through the skipped hour: their place is meant
    elapsed = np.where(start < _SKIPPED[1], start, start - 60)
    skipped = (start >= _SKIPPED[0]) & (start < _SKIPPED[1])
    elapsed[skipped] = -1
    lost = skipped & filled
    if lost.any():
        example, file = _name(day, store), store.sources.word(source)
        notes.add("smt.time.skipped-hour", example, n=int(lost.sum()), file=file, kwh=float(day.value[lost].sum()))
    return elapsed, np.where(end <= _SKIPPED[0], end, np.maximum(end - 60, _SKIPPED[0]))


def _autumn(day: Rows, store: Store, source: int, notes: Notes) -> tuple[Ints, Ints]:
    """Minutes since midnight at which a 25-hour day's rows begin and end."""
    elapsed = _autumn_starts(day, store, source, notes)
    # the end is the first time after the start at which the clock shows it: in or after the repeated hour it can be
    # an hour later than the clock says, and 02:00 is so unless the row began in the first of the two
    end = np.where(day.end == 0, DAY, day.end).astype(np.int64)
    later = (end > _FOLD[1]) | ((end >= _FOLD[0]) & (end <= elapsed))
    end[later] += 60
    return elapsed, np.where(end > elapsed, end, end + DAY)


def _autumn_starts(day: Rows, store: Store, source: int, notes: Notes) -> Ints:
    whole = _in_order(day)
    if whole is not None:
        return whole
    start: Ints = day.start.astype(np.int64)
    if len(day) > _LONGEST:  # the day came more than once: one after the other, or each row doubled
        again = np.flatnonzero((start[1:] < start[:-1]) & (start[1:] < _FOLD[0])) + 1
        if len(again):
            parts = np.split(np.arange(len(day)), again)
            return np.concatenate([_autumn_starts(day.take(part), store, source, notes) for part in parts])
        single = day.take(slice(0, None, 2))
        if _in_order(single) is not None and (np.repeat(single.start, 2)[: len(day)] == start).all():
            return np.repeat(_autumn_starts(single, store, source, notes), 2)[: len(day)]
    notes.add("smt.time.repeated-hour", _name(day, store), file=store.sources.word(source))
    second = (start == _MISLABELLED) & (day.end <= start) & (day.end > _FOLD[0])
    label = np.where(second, _FOLD[0], start)
    for i in range(1, len(label)):  # what follows the mislabelled row without a gap is of the second hour too
        if second[i - 1] and label[i] == label[i - 1] + _MINUTES and label[i] < _FOLD[1]:
            second[i] = True
    window = (label >= _FOLD[0]) & (label < _FOLD[1])
    seen: dict[int, int] = {}
    for i in np.flatnonzero(window & ~second).tolist():
        clock = int(label[i])
        seen[clock] = seen.get(clock, -1) + 1
        second[i] = seen[clock] % 2 == 1
    return np.where(second | (label >= _FOLD[1]), label + 60, label)


def _in_order(day: Rows) -> Ints | None:
    """Give the starts of a 25-hour day that is whole, in order or backwards, however its second hour is labelled."""
    step, rest = divmod(DAY + 60, len(day))
    if rest or 60 % step:
        return None
    elapsed = np.arange(len(day)) * step
    shown = np.where(elapsed < _FOLD[1], elapsed, elapsed - 60)
    known = (elapsed < _FOLD[1]) | (elapsed >= _FOLD[1] + 60)
    for start, found in ((day.start, elapsed), (day.start[::-1], elapsed[::-1])):
        if (start[known] == shown[known]).all():
            return found
    return None


def _name(day: Rows, store: Store) -> str:
    return f"{np.datetime64(int(day.day[0]), 'D')} of {store.meters.word(day.meter[0])}"
