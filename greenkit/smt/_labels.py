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

from greenkit._days import breaks, day_bounds, place_rows
from greenkit.smt._blocks import Blocks, Store, blocks_of
from greenkit.smt._codes import ZONE
from greenkit.smt._findings import Notes
from greenkit.smt._stamps import DAY
from greenkit.times import US

Ints = npt.NDArray[Any]

_MINUTES: Final = 15
_SKIPPED: Final = (120, 180)
_MISLABELLED: Final = 120
"""Start label of the first repeated row; its end is 01:15."""

_PLAIN_START: Final = np.arange(0, DAY, _MINUTES)
_FOLD_START: Final = np.concatenate([_PLAIN_START[:8], [_MISLABELLED], _PLAIN_START[5:8], _PLAIN_START[8:]])
_FOLD_END: Final = np.concatenate([_PLAIN_START[1:9], _PLAIN_START[5:9], _PLAIN_START[9:], [0]])
# length of the day in seconds → start and end labels of its rows, as SMT writes them
_PLAIN: Final = np.array([_PLAIN_START, np.roll(_PLAIN_START, -1)], dtype=np.int16)
_PATTERNS: Final = {82800: _PLAIN, 86400: _PLAIN, 90000: np.array([_FOLD_START, _FOLD_END], dtype=np.int16)}
_CHANNELS: Final = 8
"""More than these in a piece are no series but damage, which is not looked at one by one."""


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
    first = breaks(rows.meter, rows.day, rows.revision)
    count = np.diff(first, append=len(rows))
    begin, length = day_bounds(rows.day[first], ZONE)
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
    ends = np.append(breaks(count, length)[1:], len(first))
    for begin, end in zip(breaks(count, length), ends, strict=True):
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
    keys = (rows.meter, rows.channel, rows.revision)
    placed = place_rows(rows.day, rows.start, rows.end, ZONE, keys=keys, filled=~np.isnan(rows.value))
    for group in placed.skipped:
        kwh = float(rows.value[group].sum())
        notes.add(
            "smt.time.skipped-hour", _name(rows, group, store), n=len(group), file=store.sources.word(source), kwh=kwh
        )
    for group in placed.by_order:
        notes.add("smt.time.repeated-hour", _name(rows, group, store), file=store.sources.word(source))
    elapsed, end, begin, length = placed.start, placed.end, placed.midnight, placed.length
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
    gap = np.append(True, elapsed[1:] != elapsed[:-1] + minutes[:-1])
    first = breaks(rows.meter, rows.channel, rows.day, rows.revision, minutes, np.cumsum(gap))
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


def _name(rows: Rows, group: Ints, store: Store) -> str:
    first = group[0]
    return f"{np.datetime64(int(rows.day[first]), 'D')} of {store.meters.word(rows.meter[first])}"
