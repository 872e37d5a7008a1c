"""What every reader of Smart Meter Texas files fills, and the tidy frame that is built from it.

A block is a run of consecutive intervals of one meter, channel and day: it begins at an instant and continues in equal
steps. Its values are consecutive in the store, so a block costs a few numbers, and an interval 9 bytes. Example, two
hourly intervals from 10:00 and one from 15:00:

    blocks    start   step     first   rows        store    values   codes
              10:00   1 hour   0       2                    0.25     A
              15:00   1 hour   2       1                    0.50     A
                                                            0.75     E
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit._categories import categorical, from_codes, smallest
from greenkit.smt._codes import KWH, NORMAL, QUALITIES, ZONE, Channel
from greenkit.smt._findings import (
    QUALITY_OTHER,
    VALUE_MISSING,
    VALUE_NEGATIVE,
    ZERO_ESTIMATED,
    FindingCounter,
)
from greenkit.times import to_times

Blocks = npt.NDArray[Any]
"""A structured array of dtype :data:`BLOCK`."""
Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[Any]
K = TypeVar("K", bound=Hashable)

BLOCK: Final = np.dtype(
    [
        ("meter", "i4"),  # these four: numbers of the store's interners
        ("channel", "i4"),
        ("unit", "i4"),
        ("source", "i4"),
        ("day", "i4"),  # local day, as days since 1970
        ("length", "i4"),  # seconds of this day
        ("start", "i8"),  # microseconds since 1970 UTC
        ("step", "i8"),  # microseconds
        ("revision", "i8"),  # microseconds since 1970 UTC, or NEVER
        ("first", "i8"),  # position of its first value in the store
        ("rows", "i8"),
    ]
)
EXTRAS: Final = ("quality_code", "revision", "usage_date", "source")
"""Columns of the frame in addition to those of every frame."""
_STRETCH: Final = 1 << 20
MISSING: Final = "missing"
OTHER: Final = "other"


# -- the store


class Interner(dict[K, int]):
    """Numbers words in the order in which they are first seen: ``interner[word]`` is the number of a word."""

    def __init__(self, *words: K) -> None:
        super().__init__()
        self.words: list[K] = []
        for word in words:
            self[word]

    def __missing__(self, word: K) -> int:
        self[word] = number = len(self)
        self.words.append(word)
        return number

    def word(self, number: Any) -> K:
        """Return the word that has a number."""
        return self.words[int(number)]


@dataclass
class Store:
    """Everything that was read: blocks, values and status codes, and the words behind their numbers."""

    meters: Interner[str] = field(default_factory=Interner)
    channels: Interner[Channel] = field(default_factory=Interner)
    units: Interner[str] = field(default_factory=lambda: Interner(KWH))
    codes: Interner[str] = field(default_factory=lambda: Interner("", NORMAL, "A", "E"))
    sources: Interner[str] = field(default_factory=Interner)
    _blocks: list[Blocks] = field(default_factory=list)
    _values: list[Values] = field(default_factory=list)
    _codes: list[Codes] = field(default_factory=list)
    rows: int = 0

    def add(self, blocks: Blocks, values: Values, codes: Codes) -> None:
        """Add blocks and their values; ``first`` counts from the first of these values."""
        self._blocks.append(self.keep(blocks, values, codes))

    def keep(self, blocks: Blocks, values: Values, codes: Codes) -> Blocks:
        """Add values without their blocks, and return the blocks with ``first`` as it is in the store."""
        blocks = blocks.copy()
        blocks["first"] += self.rows
        self._values.append(values)
        self._codes.append(codes)
        self.rows += len(values)
        return blocks

    def blocks(self) -> Blocks:
        """Return all blocks that were added."""
        self._blocks = [_concatenate(self._blocks, BLOCK)]
        return self._blocks[0]

    def flat(self) -> tuple[Values, Codes]:
        """Return all values and all codes, as one array each."""
        self._values = [_concatenate(self._values, np.dtype("f8"))]
        self._codes = [_concatenate(self._codes, np.dtype("u1"))]
        return self._values[0], self._codes[0]

    def mark(self) -> tuple[int, int, int]:
        """Return a mark to which :meth:`rollback` returns."""
        return len(self._blocks), len(self._values), self.rows

    def rollback(self, mark: tuple[int, int, int]) -> None:
        """Remove everything that was added after a mark."""
        blocks, values, self.rows = mark
        del self._blocks[blocks:], self._values[values:], self._codes[values:]

    def clear(self) -> None:
        """Free the values and codes."""
        self._values, self._codes, self.rows = [], [], 0

    def code(self, text: str) -> int:
        """Return the number of a status; from the 255th distinct status on, all have the same number."""
        text = text.strip()
        if text not in self.codes and len(self.codes) > 254:
            text = "…"
        return self.codes[text]


def _concatenate(parts: list[npt.NDArray[Any]], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Concatenate arrays, and free each one as soon as it is copied, so that no more than one of them is held twice."""
    if len(parts) == 1:
        return parts[0]
    out = np.empty(sum(map(len, parts)), dtype=dtype)
    at = len(out)
    while parts:
        part = parts.pop()
        at -= len(part)
        out[at : at + len(part)] = part
    return out


def make_blocks(columns: dict[str, Any], n: int) -> Blocks:
    """Build ``n`` blocks from columns; a scalar holds for all of them."""
    blocks = np.zeros(n, dtype=BLOCK)
    for name, column in columns.items():
        blocks[name] = column
    return blocks


def name_of_day(store: Store, day: Any, meter: Any, channel: Any = None) -> str:
    """Return the name of a meter's day for a finding, ``"2025-07-06 of 10000000000000017 delivered"``."""
    name = f"{np.datetime64(int(day), 'D')} of {store.meters.word(meter)}"
    return name if channel is None else f"{name} {store.channels.word(channel).flow}"


# -- the frame
#
# Blocks become rows by repetition: with blocks["rows"] = [2, 1], np.repeat(x, blocks["rows"]) gives [x0, x0, x1], one
# element for each row. Start and end of each row are the block's start plus the row's place in the block times the
# step. This is done for about a million rows at a time, so that little memory is used beside the frame.


def build_frame(store: Store, blocks: Blocks, source_names: Sequence[str], counter: FindingCounter) -> pd.DataFrame:
    """Build the tidy frame, and report problems of its values.

    Parameters
    ----------
    store : Store
        It is emptied: the frame takes over its memory.
    blocks : Blocks
        As :func:`greenkit.smt._revisions.resolve` returns them.
    source_names : sequence of str
        Names in the column ``source``, in the order of the store's numbers.
    counter : FindingCounter

    Returns
    -------
    DataFrame
        The columns of :data:`greenkit.frame.COLUMNS`, then :data:`EXTRAS`.
    """
    if not len(blocks):
        return frame.empty(EXTRAS, ZONE)
    words = {
        "meter": store.meters.words,
        "flow": [c.flow for c in store.channels.words],
        "series": [c.series for c in store.channels.words],
        "unit": store.units.words,
        "source": list(source_names),
    }
    numbers = {"meter": "meter", "flow": "channel", "series": "channel", "unit": "unit", "source": "source"}
    keys = {name: _Category(words[name], blocks[number]) for name, number in numbers.items()}
    order = np.lexsort([blocks["revision"], blocks["start"], *(keys[n].of_block for n in ("series", "flow", "meter"))])
    blocks = blocks[order]
    for key in keys.values():
        key.of_block = key.of_block[order]

    values, codes, start, end = _rows(store, blocks)
    count = blocks["rows"]
    quality, quality_code = _qualities(store, values, codes)
    check_values(store, blocks, values, codes, counter)
    del codes
    columns: dict[str, Any] = {name: key.column(np.repeat(key.of_block, count)) for name, key in keys.items()}
    columns |= {
        "start": to_times(start, ZONE),
        "end": to_times(end, ZONE),
        "value": values,
        "zone": categorical(np.zeros(len(values), dtype=np.int8), [ZONE]),
        "quality": quality,
        "quality_code": quality_code,
    }
    del start, end
    columns["revision"] = to_times(np.repeat(blocks["revision"], count), ZONE)
    columns["usage_date"] = np.repeat(blocks["day"].astype("M8[D]").astype("M8[us]"), count)
    df = pd.DataFrame({name: columns.pop(name) for name in (*frame.COLUMNS, *EXTRAS)}, copy=False)
    return frame.sort(df) if _are_interleaved(blocks, keys) else df


class _Category:
    """A categorical column: its words in alphabetical order, only those that some block has."""

    def __init__(self, words: Sequence[str], of_block: Ints) -> None:
        used = np.unique(of_block)
        self.words = sorted({words[i] for i in used})
        place = {word: i for i, word in enumerate(self.words)}
        lookup = np.full(len(words), -1, dtype=smallest(len(self.words)))
        for i in used:
            lookup[i] = place[words[i]]
        self.of_block = lookup[of_block]

    def column(self, of_row: Ints) -> pd.Categorical:
        return from_codes(of_row, self.words)


def _stretches(blocks: Blocks) -> Iterator[tuple[slice, slice]]:
    """Yield consecutive blocks that have about a million rows together: the slice of blocks, and that of their rows."""
    ends = np.cumsum(blocks["rows"])
    begin = done = 0
    while begin < len(blocks):
        stop = max(int(np.searchsorted(ends, done + _STRETCH)), begin + 1)
        yield slice(begin, stop), slice(done, int(ends[stop - 1]))
        begin, done = stop, int(ends[stop - 1])


def _rows(store: Store, blocks: Blocks) -> tuple[Values, Codes, Ints, Ints]:
    """Return the value, status, start and end of each row, in the order of the blocks."""
    all_values, all_codes = store.flat()
    n = int(blocks["rows"].sum())
    # if the blocks are in the order of the store and none was dropped, its arrays are the columns
    as_read = n == len(all_values) and bool((blocks["first"] == np.cumsum(blocks["rows"]) - blocks["rows"]).all())
    values, codes = (all_values, all_codes) if as_read else (np.empty(n), np.empty(n, dtype=np.uint8))
    start, end = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for some, rows in _stretches(blocks):
        part = blocks[some]
        place = _place_in_block(part["rows"])
        step = np.repeat(part["step"], part["rows"])
        start[rows] = np.repeat(part["start"], part["rows"])
        start[rows] += place * step
        np.add(start[rows], step, out=end[rows])
        if not as_read:
            place += np.repeat(part["first"], part["rows"])
            values[rows] = all_values[place]
            codes[rows] = all_codes[place]
    store.clear()
    return values, codes, start, end


def in_order(blocks: Blocks, values: Values, codes: Codes) -> tuple[Values, Codes]:
    """Return the values and codes in the order of the blocks; the arrays themselves if they are in it already."""
    count = blocks["rows"]
    begin = np.cumsum(count) - count
    if int(count.sum()) == len(values) and bool((blocks["first"] == begin).all()):
        return values, codes
    place = np.repeat(blocks["first"] - begin, count) + np.arange(int(count.sum()))
    return values[place], codes[place]


def _place_in_block(count: Ints) -> Ints:
    """Return the place of each row in its block, from 0: for blocks of 2 and 3 rows [0, 1, 0, 1, 2]."""
    if (count == count[0]).all():
        return np.tile(np.arange(count[0]), len(count))
    before = np.cumsum(count) - count
    return np.asarray(np.arange(count.sum()) - np.repeat(before, count))


def _qualities(store: Store, values: Values, codes: Codes) -> tuple[pd.Categorical, pd.Categorical]:
    """Return the columns quality and quality_code. An interval without a value is missing, whatever its status."""
    words = store.codes.words
    meaning = [QUALITIES.get(word.upper(), OTHER) for word in words]
    names = sorted({*meaning, MISSING})
    lookup = np.array([names.index(m) for m in meaning], dtype=np.int8)
    quality = lookup[codes]
    quality[np.isnan(values)] = names.index(MISSING)
    return categorical(quality, names), categorical(codes, [word if word.strip() else None for word in words])


def check_values(store: Store, blocks: Blocks, values: Values, codes: Codes, counter: FindingCounter) -> None:
    """Check for missing and negative values, estimated zeros, and unusual statuses."""
    estimated = np.array([QUALITIES.get(w.upper()) == "estimated" for w in store.codes.words])
    other = np.array([w.upper() not in QUALITIES for w in store.codes.words])
    missing = np.isnan(values)
    for kind, which in (
        (VALUE_MISSING, missing),
        (VALUE_NEGATIVE, values < 0),
        (ZERO_ESTIMATED, (values == 0) & estimated[codes]),
        (QUALITY_OTHER, other[codes] & ~missing),
    ):
        rows = int(np.count_nonzero(which))
        if rows:
            first = int(np.argmax(which))
            block = blocks[int(np.searchsorted(np.cumsum(blocks["rows"]), first, side="right"))]
            counter.add(kind, name_of_day(store, block["day"], block["meter"]), n=rows)


def _are_interleaved(blocks: Blocks, keys: dict[str, _Category]) -> bool:
    """Return whether blocks of one series overlap, as several revisions of a day do."""
    same = np.ones(max(len(blocks) - 1, 0), dtype=bool)
    for name in ("meter", "flow", "series"):
        same &= keys[name].of_block[1:] == keys[name].of_block[:-1]
    end = blocks["start"] + blocks["rows"] * blocks["step"]
    return bool((same & (blocks["start"][1:] < end[:-1])).any())
