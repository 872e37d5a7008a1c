"""Rows labeled with a date and two clock times → blocks.

SMT labels the days when clocks change in its own way (seen in portal exports of 2022, 2025 and 2026):

* fall-back day: 100 rows. The first row of the second hour is labeled 02:00 to 01:15 and means 01:00 standard time.
* spring-forward day: 96 rows. The four rows of the skipped hour are blank.

Days that have exactly these labels, or those of a plain day of 96 rows, are placed by position, many at once. All other
rows go to :mod:`greenkit._days`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit._days import breaks, day_bounds, place_rows
from greenkit.smt._blocks import Blocks, Codes, Store, Values, make_blocks, name_of_day
from greenkit.smt._codes import ZONE
from greenkit.smt._findings import REPEATED_HOUR, SKIPPED_HOUR, FindingCounter
from greenkit.smt._stamps import DAY
from greenkit.times import US

Ints = npt.NDArray[Any]

_MINUTES: Final = 15
_SKIPPED: Final = (120, 180)
"""Clock minutes of the hour that the spring-forward day skips."""

# Start and end labels of a day's rows, in minutes. The second hour of the fall-back day begins with 02:00 to 01:15.
_PLAIN_START: Final = np.arange(0, DAY, _MINUTES)
_PLAIN: Final = np.array([_PLAIN_START, np.roll(_PLAIN_START, -1)], dtype=np.int16)
_FALL_BACK: Final = np.array(
    [
        np.concatenate([_PLAIN_START[:8], [120], _PLAIN_START[5:8], _PLAIN_START[8:]]),
        np.concatenate([_PLAIN_START[1:9], _PLAIN_START[5:9], _PLAIN_START[9:], [0]]),
    ],
    dtype=np.int16,
)
# seconds of the day → its labels
_PATTERNS: Final = {82800: _PLAIN, 86400: _PLAIN, 90000: _FALL_BACK}
_CHANNELS: Final = 8
"""If a piece of a file has more channels than this, it is damaged, and its channels are not compared one by one."""


@dataclass
class Rows:
    """Labeled rows as columns of equal length, in the order of the file.

    ``meter``, ``channel`` and ``code`` are numbers of the store's interners, ``day`` is days since 1970, ``start`` and
    ``end`` are minutes of the local clock, and ``revision`` is an instant in microseconds.
    """

    meter: Ints
    channel: Ints
    day: Ints
    revision: Ints
    start: Ints
    end: Ints
    value: Values
    code: Codes

    def __len__(self) -> int:
        return len(self.value)

    def take(self, which: Ints | slice) -> Rows:
        """Return some of the rows, by a mask, by their positions, or by a slice."""
        return Rows(*(getattr(self, f.name)[which] for f in dataclasses.fields(self)))

    @classmethod
    def concatenate(cls, parts: Iterable[Rows]) -> Rows:
        """Return the rows of all parts, in order."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(cls)))


def place_whole_days(rows: Rows, store: Store, source: int) -> list[Rows]:
    """Store the days that are labeled exactly as SMT does, and return the other rows for :func:`place_by_label`.

    Consumption and surplus generation may be interleaved, so each channel is compared separately.
    """
    if not len(rows):
        return []
    channels = np.flatnonzero(np.bincount(rows.channel))
    if len(channels) == 1:
        return [odd for odd in [_place_channel(rows, store, source)] if len(odd)]
    if len(channels) > _CHANNELS:
        return [rows]
    parts = [_place_channel(rows.take(rows.channel == c), store, source) for c in channels]
    return [odd for odd in parts if len(odd)]


def _place_channel(rows: Rows, store: Store, source: int) -> Rows:
    # A run is the consecutive rows of one meter, day and revision. Of three runs of 96, 95 and 96 rows:
    #
    #     first     0    96   191        position of the first row
    #     count     96   95   96
    #     is_whole  T    F    T          labeled exactly as SMT labels a day
    #     kept      T×96 F×95 T×96       of each row
    #     position  0    96   96         of the run's first value among those that are kept
    first = breaks(rows.meter, rows.day, rows.revision)
    count = np.diff(first, append=len(rows))
    begin, length = day_bounds(rows.day[first], ZONE)
    is_whole = _has_labels_of_smt(rows, first, count, length)
    if not is_whole.any():
        return rows
    kept = np.repeat(is_whole, count)
    position = np.cumsum(np.where(is_whole, count, 0)) - count
    blocks = _blocks_of_days(rows, first[is_whole], position[is_whole], begin[is_whole], length[is_whole], source)
    values, codes = (rows.value, rows.code) if is_whole.all() else (rows.value[kept], rows.code[kept])
    store.add(blocks, values, codes)
    return rows.take(~kept)


def _has_labels_of_smt(rows: Rows, first: Ints, count: Ints, length: Ints) -> npt.NDArray[np.bool_]:
    """Return which runs of rows are labeled exactly as SMT labels a day.

    Consecutive runs with equally many rows and days of equal length are compared together, as a matrix with one run in
    each row: a year of plain days is one comparison of 365 × 96 labels.
    """
    is_whole = np.zeros(len(first), dtype=bool)
    begins = breaks(count, length)
    for begin, end in zip(begins, np.append(begins[1:], len(first)), strict=True):
        pattern = _PATTERNS.get(int(length[begin]))
        size = int(count[begin])
        if pattern is None or size != pattern.shape[1]:
            continue
        part = slice(int(first[begin]), int(first[begin]) + size * (end - begin))
        is_whole[begin:end] = (rows.start[part].reshape(-1, size) == pattern[0]).all(axis=1)
        is_whole[begin:end] &= (rows.end[part].reshape(-1, size) == pattern[1]).all(axis=1)
        if length[begin] < 86400:
            skipped = slice(_SKIPPED[0] // _MINUTES, _SKIPPED[1] // _MINUTES)
            is_whole[begin:end] &= np.isnan(rows.value[part].reshape(-1, size)[:, skipped]).all(axis=1)
    return is_whole


def _blocks_of_days(rows: Rows, first: Ints, position: Ints, begin: Ints, length: Ints, source: int) -> Blocks:
    """Return one block for each day, or two for a spring-forward day, before and after its blank rows."""
    blocks = make_blocks(
        {
            "meter": rows.meter[first],
            "channel": rows.channel[first],
            "source": source,
            "day": rows.day[first],
            "length": length,
            "start": begin,
            "step": _MINUTES * 60 * US,
            "revision": rows.revision[first],
            "first": position,
            "rows": length // (_MINUTES * 60),
        },
        len(first),
    )
    is_spring = length < 86400
    after = blocks[is_spring]
    if len(after):
        before = _SKIPPED[0] // _MINUTES
        blocks["rows"][is_spring] = before
        after["start"] += before * _MINUTES * 60 * US
        after["first"] += before + (_SKIPPED[1] - _SKIPPED[0]) // _MINUTES
        after["rows"] -= before
        blocks = np.concatenate([blocks, after])
    return blocks


def place_by_label(parts: list[Rows], store: Store, source: int, counter: FindingCounter) -> None:
    """Store days that are incomplete, out of order, or labeled differently; their intervals may have any length."""
    if not parts:
        return
    rows = Rows.concatenate(parts)
    keys = (rows.meter, rows.channel, rows.revision)
    placed = place_rows(rows.day, rows.start, rows.end, ZONE, keys=keys, filled=~np.isnan(rows.value))
    file = store.sources.word(source)
    for group in placed.skipped:
        day = name_of_day(store, rows.day[group[0]], rows.meter[group[0]])
        counter.add(SKIPPED_HOUR, day, n=len(group), file=file, kwh=float(rows.value[group].sum()))
    for group in placed.by_order:
        counter.add(REPEATED_HOUR, name_of_day(store, rows.day[group[0]], rows.meter[group[0]]), file=file)
    minutes = placed.end - placed.start
    kept = np.flatnonzero(placed.start >= 0)
    order = np.lexsort(
        [column[kept] for column in (placed.start, minutes, rows.revision, rows.day, rows.channel, rows.meter)]
    )
    order = kept[order]
    rows, start, minutes = rows.take(order), placed.start[order], minutes[order]
    if not len(rows):
        return
    # A block ends where a row does not begin at the end of the row before. For rows at 0, 15, 45 and 60 minutes, all of
    # 15 minutes: gap = [T, F, T, F], its running count [1, 1, 2, 2], and first = [0, 2].
    gap = np.append(True, start[1:] != start[:-1] + minutes[:-1])
    first = breaks(rows.meter, rows.channel, rows.day, rows.revision, minutes, np.cumsum(gap))
    blocks = make_blocks(
        {
            "meter": rows.meter[first],
            "channel": rows.channel[first],
            "source": source,
            "day": rows.day[first],
            "length": placed.length[order][first],
            "start": placed.midnight[order][first] + start[first] * 60 * US,
            "step": minutes[first] * 60 * US,
            "revision": rows.revision[first],
            "first": first,
            "rows": np.diff(first, append=len(rows)),
        },
        len(first),
    )
    store.add(blocks, rows.value, rows.code)
