"""Which version of a day counts, when it came more than once.

A delivery of an ESI ID's day and channel replaces the earlier ones whole: the newest revision (REVISION_DATE, RevTS,
the time stamp of LSE header 4) wins, and intervals of two revisions are never mixed. Where the revision is the same,
or none is given, the later file wins, interval by interval, and in one file what was read later; a value always
wins over a blank.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.smt._blocks import BLOCK, Blocks, Codes, Store, Values
from greenkit.smt._findings import Notes

Ints = npt.NDArray[Any]
_DAY: Final = ("meter", "channel", "unit", "day")
_VERSION: Final = (*_DAY, "revision")


def resolve(store: Store, blocks: Blocks, rank: Ints, notes: Notes, *, keep_all: bool) -> Blocks:
    """Give the blocks that count, sorted by meter, channel, day, revision and start.

    Parameters
    ----------
    store : Store
        Its values are compared where a day came twice; the rows of days that had to be joined are added to it.
    blocks : Blocks
    rank : array
        For each source its place in time; ties are in the order in which they were read.
    keep_all : bool
        Keep every revision, and only drop what came twice within one.
    """
    place = np.arange(len(blocks))
    order = np.lexsort([place, rank[blocks["source"]], blocks["revision"], *(blocks[n] for n in reversed(_DAY))])
    blocks = blocks[order]
    if len(blocks) < 2:
        return blocks
    if not keep_all:
        blocks = _newest(store, blocks, notes)
    return _once(store, blocks, notes)


def _newest(store: Store, blocks: Blocks, notes: Notes) -> Blocks:
    """Drop what is not of its day's newest revision; the blocks of a day stand in the order of their revisions."""
    first = _changes(blocks, _DAY)
    last = np.append(first[1:], len(blocks)) - 1
    newest = np.repeat(blocks["revision"][last], np.diff(first, append=len(blocks)))
    kept = blocks["revision"] == newest
    if kept.all():
        return blocks
    seconds = blocks["rows"] * blocks["step"]
    for i in np.flatnonzero(np.logical_or.reduceat(~kept, first)):
        day = slice(first[i], last[i] + 1)
        older = _longest(blocks[day][~kept[day]], seconds[day][~kept[day]])
        shorter = seconds[day][kept[day]].sum() < older
        notes.add("smt.day.shortened" if shorter else "smt.day.replaced", name_of(store, blocks[last[i]]))
    out: Blocks = blocks[kept]
    return out


def _longest(blocks: Blocks, seconds: Ints) -> int:
    return max(int(seconds[blocks["revision"] == revision].sum()) for revision in np.unique(blocks["revision"]))


def _once(store: Store, blocks: Blocks, notes: Notes) -> Blocks:
    """Leave each interval of a revision once."""
    by_start = _by_start(blocks)
    overlap = _overlaps(by_start)
    if not overlap.any():
        return by_start
    first = _changes(by_start, _VERSION)
    doubled = np.repeat(np.logical_or.reduceat(overlap, first), np.diff(first, append=len(blocks)))
    joined = [by_start[~doubled]]
    flat = store.flat()
    arrived = blocks[np.sort(_order(blocks)[doubled])]
    for day in np.split(arrived, _changes(arrived, _VERSION)[1:]):
        joined.append(_joined(store, flat, day, notes))
    return _by_start(np.concatenate(joined))


def _order(blocks: Blocks) -> Ints:
    return np.lexsort([blocks[name] for name in reversed((*_VERSION, "start", "step"))])


def _by_start(blocks: Blocks) -> Blocks:
    return blocks[_order(blocks)]


def _overlaps(blocks: Blocks) -> Ints:
    """Tell for each block, in the order of :func:`_by_start`, whether it begins before the one before it ends."""
    end = blocks["start"] + blocks["rows"] * blocks["step"]
    overlap = np.append(False, blocks["start"][1:] < end[:-1])
    overlap[_changes(blocks, _VERSION)] = False
    return overlap


def _joined(store: Store, flat: tuple[Values, Codes], day: Blocks, notes: Notes) -> Blocks:
    """Make one version of a day from blocks that overlap, of which the later counts, but a blank never does."""
    places = [slice(int(b["first"]), int(b["first"] + b["rows"])) for b in day]
    if len(day) == 2 and all(day[0][n] == day[1][n] for n in ("start", "step", "rows")):
        alike = [np.array_equal(part[places[0]], part[places[1]], equal_nan=True) for part in flat]
        if all(alike):
            notes.add("smt.day.duplicate", name_of(store, day[0]))
            return day[1:]
    values: Values = np.concatenate([flat[0][place] for place in places])
    codes: Codes = np.concatenate([flat[1][place] for place in places])
    which = np.repeat(np.arange(len(day)), day["rows"])
    start = np.concatenate([b["start"] + b["step"] * np.arange(b["rows"]) for b in day])
    step = day["step"][which]
    order = np.lexsort([which, ~np.isnan(values), start, step])
    values, codes = values[order], codes[order]
    which, start, step = which[order], start[order], step[order]
    again = (start[1:] == start[:-1]) & (step[1:] == step[:-1])
    differ = again & ~((values[1:] == values[:-1]) | np.isnan(values[:-1]))
    if again.any():
        notes.add("smt.day.conflict" if differ.any() else "smt.day.duplicate", name_of(store, day[0]))
    last = np.flatnonzero(~np.append(again, False))
    values, codes = values[last], codes[last]
    which, start, step = which[last], start[last], step[last]
    go_on = (which[1:] == which[:-1]) & (start[1:] == start[:-1] + step[1:])
    first = np.flatnonzero(~np.append(False, go_on))
    out = day[which[first]].astype(BLOCK)
    out["start"], out["first"], out["rows"] = start[first], first, np.diff(first, append=len(values))
    return store.keep(out, values, codes)


def completeness(store: Store, blocks: Blocks, notes: Notes) -> None:
    """Note the days that lack intervals, and those whose intervals overlap; blocks as :func:`resolve` gives them."""
    if not len(blocks):
        return
    first = _changes(blocks, _VERSION)
    covered = np.add.reduceat(blocks["rows"] * blocks["step"], first) // 1_000_000
    day = blocks[first]
    for block in day[covered < day["length"]]:
        notes.add("smt.day.incomplete", name_of(store, block))
    for block in blocks[_overlaps(blocks)]:
        notes.add("smt.day.overlap", name_of(store, block))


def name_of(store: Store, block: Any) -> str:
    """Name the day of a block, for a finding."""
    channel = store.channels.word(block["channel"])
    return f"{np.datetime64(int(block['day']), 'D')} of {store.meters.word(block['meter'])} {channel.flow}"


def _changes(blocks: Blocks, names: tuple[str, ...]) -> Ints:
    changed = np.zeros(len(blocks), dtype=bool)
    changed[:1] = True
    for name in names:
        changed[1:] |= blocks[name][1:] != blocks[name][:-1]
    return np.flatnonzero(changed)
