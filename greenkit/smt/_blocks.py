"""What every format is read into: blocks of intervals that follow each other.

A block is a run of intervals of one meter, channel and day that begins at an instant and goes on in equal steps.
Its values lie one after another in the store, so a block costs a few numbers, and an interval nine bytes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import days, frame
from greenkit.smt._codes import KWH, NORMAL, QUALITIES, ZONE, Channel
from greenkit.smt._findings import Notes

Blocks = npt.NDArray[Any]
Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
K = TypeVar("K", bound=Hashable)

BLOCK: Final = np.dtype(
    [
        ("meter", "i4"),  # these four: numbers in the store's vocabularies
        ("channel", "i4"),
        ("unit", "i4"),
        ("source", "i4"),
        ("day", "i4"),  # the local day, as days since 1970
        ("length", "i4"),  # seconds that this day has
        ("start", "i8"),  # microseconds since 1970 UTC
        ("step", "i8"),  # microseconds
        ("revision", "i8"),  # microseconds since 1970 UTC, or _stamps.NEVER
        ("first", "i8"),  # where its values begin in the store
        ("rows", "i8"),
    ]
)


class Vocabulary(dict[K, int]):
    """Numbers its words in the order in which they come: ``vocabulary[word]`` is its number."""

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
        """Give the word of a number."""
        return self.words[int(number)]


@dataclass
class Store:
    """All that was read: blocks, values and status codes, and the words behind their numbers."""

    meters: Vocabulary[str] = field(default_factory=Vocabulary)
    channels: Vocabulary[Channel] = field(default_factory=Vocabulary)
    units: Vocabulary[str] = field(default_factory=lambda: Vocabulary(KWH))
    codes: Vocabulary[str] = field(default_factory=lambda: Vocabulary("", NORMAL, "A", "E"))
    sources: Vocabulary[str] = field(default_factory=Vocabulary)
    _blocks: list[Blocks] = field(default_factory=list)
    _values: list[Values] = field(default_factory=list)
    _codes: list[Codes] = field(default_factory=list)
    rows: int = 0

    def add(self, blocks: Blocks, values: Values, codes: Codes) -> None:
        """Keep values and the blocks over them; ``first`` counts from the first of these values."""
        self._blocks.append(self.keep(blocks, values, codes))

    def keep(self, blocks: Blocks, values: Values, codes: Codes) -> Blocks:
        """Keep values only, and give the blocks over them as they stand in the store."""
        blocks = blocks.copy()
        blocks["first"] += self.rows
        self._values.append(values)
        self._codes.append(codes)
        self.rows += len(values)
        return blocks

    def blocks(self) -> Blocks:
        """Give all blocks that were added."""
        self._blocks = [_joined(self._blocks, BLOCK)]
        return self._blocks[0]

    def flat(self) -> tuple[Values, Codes]:
        """Lay all values and codes out as one array each."""
        self._values = [_joined(self._values, np.dtype("f8"))]
        self._codes = [_joined(self._codes, np.dtype("u1"))]
        return self._values[0], self._codes[0]

    def clear(self) -> None:
        """Free the values and codes."""
        self._values, self._codes, self.rows = [], [], 0

    def code(self, text: str) -> int:
        """Give the number of a status; the 255th different one and those after it are one."""
        text = text.strip()
        if text not in self.codes and len(self.codes) > 254:
            text = "…"
        return self.codes[text]


def _joined(parts: list[npt.NDArray[Any]], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Join parts and free each as soon as it is copied."""
    if len(parts) == 1:
        return parts[0]
    out = np.empty(sum(map(len, parts)), dtype=dtype)
    at = len(out)
    while parts:
        part = parts.pop()
        at -= len(part)
        out[at : at + len(part)] = part
    return out


def blocks_of(columns: dict[str, Any], n: int) -> Blocks:
    """Make blocks from columns; a scalar holds for all of them."""
    blocks = np.zeros(n, dtype=BLOCK)
    for name, column in columns.items():
        blocks[name] = column
    return blocks


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
