"""Seeded chance that depends on nothing but its keys: the same number for an interval, whatever window asks for it.

numpy's generators may change their streams between versions, and give numbers in the order of the calls. A hash of
(seed, stream, index) does neither, so any window of any meter can be made by itself, and files come out byte for byte.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The constants of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_WORD: Final = (1 << 64) - 1


def uniform(seed: int, stream: int, index: Any) -> Floats:
    """Give numbers in [0, 1), one for each index.

    Examples
    --------
    >>> uniform(1, 2, [10, 11, 10]).round(3).tolist()
    [0.688, 0.245, 0.688]
    """
    key = np.uint64((seed * 0xD1342543DE82EF95 + stream * 0xA0761D6478BD642F) & _WORD)
    x = np.atleast_1d(np.asarray(index, dtype=np.int64)).view(np.uint64)
    x = (x + key) * np.uint64(_GOLDEN)
    for shift, factor in (*_MIX, *_MIX):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x ^= x >> np.uint64(31)
    return np.asarray((x >> np.uint64(11)).astype(np.float64) * 2.0**-53, dtype=np.float64)


def one(seed: int, stream: int, index: int = 0) -> float:
    """Give a single number in [0, 1)."""
    return float(uniform(seed, stream, [index])[0])


def smooth(seed: int, stream: int, position: Floats) -> Floats:
    """Give a curve in [0, 1) that wanders: chance at whole positions, straight lines between."""
    below = np.floor(position).astype(np.int64)
    part = position - below
    return uniform(seed, stream, below) * (1 - part) + uniform(seed, stream, below + 1) * part
