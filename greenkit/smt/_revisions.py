"""Which version of a day counts if it is in the files more than once.

A delivery of an ESI ID's day and channel replaces all earlier ones: the newest revision (REVISION_DATE, RevTS, or the
time stamp of LSE header 4) wins, and intervals of two revisions are never mixed. If the revision is the same or is not
stated, the later file wins, interval by interval, and within a file the later row. A value always wins over a blank.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit._days import breaks
from greenkit._intervals import newest
from greenkit.smt._blocks import BLOCK, Blocks, Codes, Store, Values, name_of_day
from greenkit.smt._findings import (
    DAY_CONFLICT,
    DAY_DUPLICATE,
    DAY_INCOMPLETE,
    DAY_OVERLAP,
    DAY_REPLACED,
    DAY_SHORTENED,
    FindingCounter,
)

Ints = npt.NDArray[Any]
_DAY: Final = ("meter", "channel", "unit", "day")
_VERSION: Final = (*_DAY, "revision")

# In this module a "day" is the blocks of one meter, channel, unit and day; a "version" is those of one revision of it.
# ``first`` is the position of the first block of each. np.logical_or.reduceat(x, first) returns for each day whether x
# holds for any of its blocks: x = [T, F, F, F], first = [0, 2] → [T, F].


def resolve(store: Store, blocks: Blocks, rank: Ints, counter: FindingCounter, *, keep_all: bool) -> Blocks:
    """Return the blocks that count, sorted by meter, channel, day, revision and start.

    Parameters
    ----------
    store : Store
        Its values are compared if a day appears more than once. The rows of merged days are added to it.
    blocks : Blocks
    rank : array of int
        Place in time of each source; later files have higher ranks. Equal ranks are in the order of reading.
    counter : FindingCounter
    keep_all : bool
        Keep all revisions, and only remove duplicates within each.
    """
    place = np.arange(len(blocks))
    order = np.lexsort([place, rank[blocks["source"]], blocks["revision"], *(blocks[n] for n in reversed(_DAY))])
    blocks = blocks[order]
    if len(blocks) < 2:
        return blocks
    if not keep_all:
        blocks = _newest(store, blocks, counter)
    return _deduplicate(store, blocks, counter)


def _newest(store: Store, blocks: Blocks, counter: FindingCounter) -> Blocks:
    """Return the blocks of each day's newest revision. The blocks of a day are sorted by revision."""
    first = _first_blocks(blocks, _DAY)
    last = np.append(first[1:], len(blocks)) - 1
    kept = newest(first, blocks["revision"])
    if kept.all():
        return blocks
    seconds = blocks["rows"] * blocks["step"]
    for i in np.flatnonzero(np.logical_or.reduceat(~kept, first)):
        day = slice(first[i], last[i] + 1)
        older = _longest(blocks[day][~kept[day]], seconds[day][~kept[day]])
        is_shorter = seconds[day][kept[day]].sum() < older
        counter.add(DAY_SHORTENED if is_shorter else DAY_REPLACED, _name(store, blocks[last[i]]))
    out: Blocks = blocks[kept]
    return out


def _longest(blocks: Blocks, seconds: Ints) -> int:
    """Return the time that the longest of several revisions covers."""
    return max(int(seconds[blocks["revision"] == revision].sum()) for revision in np.unique(blocks["revision"]))


def _deduplicate(store: Store, blocks: Blocks, counter: FindingCounter) -> Blocks:
    """Return blocks in which each interval of a version occurs once. Only versions with overlaps are merged."""
    by_start = _sort_by_start(blocks)
    overlap = _overlaps(by_start)
    if not overlap.any():
        return by_start
    first = _first_blocks(by_start, _VERSION)
    doubled = np.repeat(np.logical_or.reduceat(overlap, first), np.diff(first, append=len(blocks)))
    parts = [by_start[~doubled]]
    flat = store.flat()
    # the order of arrival decides which value counts, so the doubled versions are taken from the blocks as they came
    arrived = blocks[np.sort(_start_order(blocks)[doubled])]
    for version in np.split(arrived, _first_blocks(arrived, _VERSION)[1:]):
        parts.append(_merge(store, flat, version, counter))
    return _sort_by_start(np.concatenate(parts))


def _start_order(blocks: Blocks) -> Ints:
    return np.lexsort([blocks[name] for name in reversed((*_VERSION, "start", "step"))])


def _sort_by_start(blocks: Blocks) -> Blocks:
    return blocks[_start_order(blocks)]


def _overlaps(blocks: Blocks) -> Ints:
    """Return which blocks, sorted by start, begin before the previous block of the same version ends."""
    end = blocks["start"] + blocks["rows"] * blocks["step"]
    overlap = np.append(False, blocks["start"][1:] < end[:-1])
    overlap[_first_blocks(blocks, _VERSION)] = False
    return overlap


def _merge(store: Store, flat: tuple[Values, Codes], version: Blocks, counter: FindingCounter) -> Blocks:
    """Merge overlapping blocks of one version, in which later blocks win, but a blank never does."""
    places = [slice(int(b["first"]), int(b["first"] + b["rows"])) for b in version]
    if len(version) == 2 and all(version[0][n] == version[1][n] for n in ("start", "step", "rows")):
        equal = [np.array_equal(part[places[0]], part[places[1]], equal_nan=True) for part in flat]
        if all(equal):  # the usual case: a file was delivered twice
            counter.add(DAY_DUPLICATE, _name(store, version[0]))
            return version[1:]
    # One element for each row of the blocks. Sorted by step and start, and then so that the row that counts is the last
    # of those with an equal start. Of three rows from 10:00, in the order of arrival:
    #
    #     value        0.25   0.30   NaN           NaN   0.25   0.30
    #     which        0      1      2      →      2     0      1        number of the block
    #     is_repeat                                      T      T        same start as the row before
    #     last                                                  2        position of the row that is kept
    values: Values = np.concatenate([flat[0][place] for place in places])
    codes: Codes = np.concatenate([flat[1][place] for place in places])
    which = np.repeat(np.arange(len(version)), version["rows"])
    start = np.concatenate([b["start"] + b["step"] * np.arange(b["rows"]) for b in version])
    step = version["step"][which]
    order = np.lexsort([which, ~np.isnan(values), start, step])
    values, codes = values[order], codes[order]
    which, start, step = which[order], start[order], step[order]
    is_repeat = (start[1:] == start[:-1]) & (step[1:] == step[:-1])
    differs = is_repeat & ~((values[1:] == values[:-1]) | np.isnan(values[:-1]))
    if is_repeat.any():
        counter.add(DAY_CONFLICT if differs.any() else DAY_DUPLICATE, _name(store, version[0]))
    last = np.flatnonzero(~np.append(is_repeat, False))
    values, codes = values[last], codes[last]
    which, start, step = which[last], start[last], step[last]
    # a new block begins where the rows of one block do not continue without a gap
    continues = (which[1:] == which[:-1]) & (start[1:] == start[:-1] + step[1:])
    first = np.flatnonzero(~np.append(False, continues))
    out = version[which[first]].astype(BLOCK)
    out["start"], out["first"], out["rows"] = start[first], first, np.diff(first, append=len(values))
    return store.keep(out, values, codes)


def check_completeness(store: Store, blocks: Blocks, counter: FindingCounter) -> None:
    """Report days with missing intervals and with overlapping ones; blocks as :func:`resolve` returns them."""
    if not len(blocks):
        return
    first = _first_blocks(blocks, _VERSION)
    covered = np.add.reduceat(blocks["rows"] * blocks["step"], first) // 1_000_000
    day = blocks[first]
    for block in day[covered < day["length"]]:
        counter.add(DAY_INCOMPLETE, _name(store, block))
    for block in blocks[_overlaps(blocks)]:
        counter.add(DAY_OVERLAP, _name(store, block))


def _name(store: Store, block: Any) -> str:
    return name_of_day(store, block["day"], block["meter"], block["channel"])


def _first_blocks(blocks: Blocks, names: tuple[str, ...]) -> Ints:
    """Return the position of the first block of each day or version."""
    return breaks(*(blocks[name] for name in names))
