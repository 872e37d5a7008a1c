"""Blocks → the tidy frame, a stretch of blocks at a time, so that little stands in memory beside the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import days, frame
from greenkit.smt.blocks import Blocks, Store
from greenkit.smt.codes import QUALITIES, ZONE
from greenkit.smt.notes import Notes

Ints = npt.NDArray[Any]
EXTRAS: Final = ("quality_code", "revision", "usage_date", "source")
_STRETCH: Final = 1 << 20
_MISSING: Final = "missing"
_OTHER: Final = "other"


def frame_of(store: Store, blocks: Blocks, names: Sequence[str], notes: Notes) -> pd.DataFrame:
    """Make the tidy frame.

    Parameters
    ----------
    store : Store
    blocks : Blocks
        What :func:`greenkit.smt.revisions.resolve` gives.
    names : sequence of str
        What the source of each number is called in the frame.
    notes : Notes
        Takes what is doubtful about the values.
    """
    if not len(blocks):
        return frame.empty(EXTRAS, ZONE)
    words = {
        "meter": store.meters.words,
        "flow": [c.flow for c in store.channels.words],
        "series": [c.series for c in store.channels.words],
        "unit": store.units.words,
        "source": list(names),
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
    _note_values(store, blocks, values, codes, notes)
    del codes
    made: dict[str, Any] = {name: key.column(np.repeat(key.of_block, count)) for name, key in keys.items()}
    made |= {
        "start": days.times(start, ZONE),
        "end": days.times(end, ZONE),
        "value": values,
        "zone": _categorical(np.zeros(len(values), dtype=np.int8), [ZONE]),
        "quality": quality,
        "quality_code": quality_code,
    }
    del start, end
    made["revision"] = days.times(np.repeat(blocks["revision"], count), ZONE)
    made["usage_date"] = np.repeat(blocks["day"].astype("M8[D]").astype("M8[us]"), count)
    df = pd.DataFrame({name: made.pop(name) for name in (*frame.COLUMNS, *EXTRAS)}, copy=False)
    return frame.sort(df) if _interleaved(blocks, keys) else df


class _Category:
    """A category column: its words in alphabetical order, only those that some block has."""

    def __init__(self, words: Sequence[str], of_block: Ints) -> None:
        used = np.unique(of_block)
        self.words = sorted({words[i] for i in used})
        place = {word: i for i, word in enumerate(self.words)}
        lookup = np.full(len(words), -1, dtype=_smallest(len(self.words)))
        for i in used:
            lookup[i] = place[words[i]]
        self.of_block = lookup[of_block]

    def column(self, of_row: Ints) -> pd.Categorical:
        return _categorical(of_row, self.words)


def _smallest(n: int) -> np.dtype[Any]:
    return np.dtype(np.int8 if n < 127 else np.int16 if n < 32767 else np.int32)


def _categorical(of_row: Ints, words: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(of_row, categories=pd.Index(list(words), dtype="str"))


def _stretches(blocks: Blocks) -> Iterator[tuple[slice, slice]]:
    """Give the blocks in stretches of about a million rows, each with the place of its rows."""
    ends = np.cumsum(blocks["rows"])
    begin = done = 0
    while begin < len(blocks):
        stop = max(int(np.searchsorted(ends, done + _STRETCH)), begin + 1)
        yield slice(begin, stop), slice(done, int(ends[stop - 1]))
        begin, done = stop, int(ends[stop - 1])


def _rows(store: Store, blocks: Blocks) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8], Ints, Ints]:
    """Lay out each row's value, status, start and end."""
    all_values, all_codes = store.flat()
    n = int(blocks["rows"].sum())
    as_read = n == len(all_values) and bool((blocks["first"] == np.cumsum(blocks["rows"]) - blocks["rows"]).all())
    values, codes = (all_values, all_codes) if as_read else (np.empty(n), np.empty(n, dtype=np.uint8))
    start, end = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for some, rows in _stretches(blocks):
        part = blocks[some]
        place = _places(part["rows"])
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


def _places(count: Ints) -> Ints:
    """Count the rows of each block from 0."""
    if (count == count[0]).all():
        return np.tile(np.arange(count[0]), len(count))
    before = np.cumsum(count) - count
    return np.asarray(np.arange(count.sum()) - np.repeat(before, count))


def _qualities(store: Store, values: Ints, codes: Ints) -> tuple[pd.Categorical, pd.Categorical]:
    """Give the columns quality and quality_code; without a value an interval is missing, whatever its status."""
    words = store.codes.words
    meaning = [QUALITIES.get(word.upper(), _OTHER) for word in words]
    names = sorted({*meaning, _MISSING})
    lookup = np.array([names.index(m) for m in meaning], dtype=np.int8)
    quality = lookup[codes]
    quality[np.isnan(values)] = names.index(_MISSING)
    present = np.bincount(quality, minlength=len(names)) > 0
    squeeze = (np.cumsum(present) - 1).astype(np.int8)
    seen = np.bincount(codes, minlength=len(words)) > 0
    shown = sorted(word for word, there in zip(words, seen, strict=True) if there and word.strip())
    raw = np.array([shown.index(w) if there and w.strip() else -1 for w, there in zip(words, seen, strict=True)])
    return (
        _categorical(squeeze[quality], [name for name, there in zip(names, present, strict=True) if there]),
        _categorical(raw.astype(_smallest(len(shown)))[codes], shown),
    )


def _note_values(store: Store, blocks: Blocks, values: Ints, codes: Ints, notes: Notes) -> None:
    estimated = np.array([QUALITIES.get(w.upper()) == "estimated" for w in store.codes.words])
    other = np.array([w.upper() not in QUALITIES for w in store.codes.words])
    missing = np.isnan(values)
    for name, which in (
        ("smt.value.missing", missing),
        ("smt.value.negative", values < 0),
        ("smt.value.zero-estimated", (values == 0) & estimated[codes]),
        ("smt.quality.other", other[codes] & ~missing),
    ):
        rows = int(np.count_nonzero(which))
        if rows:
            first = int(np.argmax(which))
            block = blocks[int(np.searchsorted(np.cumsum(blocks["rows"]), first, side="right"))]
            notes.add(name, f"{np.datetime64(int(block['day']), 'D')} of {store.meters.word(block['meter'])}", n=rows)


def _interleaved(blocks: Blocks, keys: dict[str, _Category]) -> bool:
    """Tell whether blocks of one series overlap, as several revisions of a day do."""
    same = np.ones(max(len(blocks) - 1, 0), dtype=bool)
    for name in ("meter", "flow", "series"):
        same &= keys[name].of_block[1:] == keys[name].of_block[:-1]
    end = blocks["start"] + blocks["rows"] * blocks["step"]
    return bool((same & (blocks["start"][1:] < end[:-1])).any())
