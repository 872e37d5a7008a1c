"""Lengths of intervals, measured from labels that are sorted within their series."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.tables.stamps import DAY, US

MINUTE: Final = 60 * US
STANDARD: Final = (*(m * MINUTE for m in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)), DAY)
"""Lengths that a change of the interval within a series can lead to; any other distance is a gap."""

Ints = npt.NDArray[np.int64]


def lengths(start: Ints, series: Ints) -> tuple[Ints, Ints]:
    """Return the length of each interval, and the series whose length cannot be measured.

    The distance to the next row is the length where it is the usual one, or where two distances in a row are the same
    standard length (a file can change from 60 to 15 minutes). Any other distance is a gap, and the row before it
    continues the length of its neighbors.

    Parameters
    ----------
    start : array of int64
        Microseconds, not decreasing within a series.
    series : array of int64
        Not decreasing.

    Returns
    -------
    lengths : array of int64
        0 for a series with one row.
    lone : array of int64
        Those series.

    Examples
    --------
    >>> minutes = np.array([0, 60, 120, 135, 150, 165, 240, 255])
    >>> (lengths(minutes * MINUTE, np.zeros(8, int))[0] // MINUTE).tolist()
    [60, 60, 15, 15, 15, 15, 15, 15]
    """
    n = len(start)
    out = np.zeros(n, dtype=np.int64)
    if not n:
        return out, out
    same = series[1:] == series[:-1]
    step = np.diff(start)
    usable = same & (step > 0)
    if usable.any() and (first := int(step[np.argmax(usable)])) and bool((step[usable] == first).all()):
        # one length everywhere: the usual case
        begins = np.flatnonzero(np.concatenate([[True], ~same]))
        counts = np.diff(begins, append=n)
        out[:] = first
        distinct = np.add.reduceat(np.concatenate([usable, [False]]), begins)
        alone = begins[distinct == 0]
        for begin, count in zip(alone, counts[distinct == 0], strict=True):
            out[begin : begin + count] = 0
        return out, series[alone]
    lone = []
    begins = np.flatnonzero(np.concatenate([[True], ~same]))
    for begin, end in zip(begins, np.append(begins[1:], n), strict=True):
        part, where = np.unique(start[begin:end], return_inverse=True)
        if len(part) < 2:
            lone.append(series[begin])
            continue
        out[begin:end] = _of_series(part)[where.reshape(-1)]
    return out, np.array(lone, dtype=np.int64)


def _of_series(start: Ints) -> Ints:
    step = np.diff(start)
    distinct, counts = np.unique(step, return_counts=True)
    usual = int(distinct[np.argmax(counts)])
    following = np.append(step[1:], 0)
    preceding = np.concatenate([[0], step[:-1]])
    standard = np.isin(step, STANDARD)
    accepted = (step == usual) | (standard & ((step == following) | (step == preceding))) | (standard & (step < usual))
    known = np.where(accepted, step, 0)
    # the row before a gap, and the last row, continue what is before them; the first rows what is after them
    place = np.where(known > 0, np.arange(len(known)), -1)
    last = np.maximum.accumulate(place)
    first = int(np.argmax(known > 0)) if (known > 0).any() else -1
    if first < 0:
        return np.full(len(start), usual, dtype=np.int64)
    filled = known[np.where(last >= 0, last, first)]
    filled = np.minimum(filled, step)
    return np.append(filled, filled[-1] if known[-1] else known[last[-1]])
