"""What every format is read into: blocks of intervals that follow each other.

A block is a run of intervals of one meter, channel and day that begins at an instant and goes on in equal steps.
Its values lie one after another in the store, so a block costs a few numbers, and an interval nine bytes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from greenkit.smt.codes import KWH, NORMAL, Channel

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
        ("revision", "i8"),  # microseconds since 1970 UTC, or stamps.NEVER
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
