"""The readings of a feed as numpy columns, each row with its block and its series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.days import US, Instants
from greenkit.espi import _clock
from greenkit.espi._feed import Feed
from greenkit.espi._readings import FIRST, LAST, NONE
from greenkit.espi._series import Plan
from greenkit.findings import Count, counted

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass
class Rows:
    """The readings as numpy columns, each row with its block and series.

    The columns are most of the memory: each is let go as soon as another takes its place.
    """

    feed: Feed
    plan: Plan
    columns: dict[str, npt.NDArray[Any]]
    block: Numbers
    series: Numbers

    @classmethod
    def of(cls, feed: Feed, plan: Plan) -> Rows:
        """Take over the columns that were read; the blocks follow each other without a hole."""
        columns = {name: np.frombuffer(a, dtype=a.typecode) for name, a in feed.readings.give_away().items()}
        counts = np.array([b.rows for b in feed.readings.blocks], dtype=np.int64)
        block = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        of_block = np.array(plan.of_block, dtype=np.int32)
        return cls(feed, plan, columns, block, of_block[block] if len(block) else block)

    def keep(self, rows: Bools | Ints) -> None:
        """Keep only these rows, or bring them into this order."""
        for name in self.columns:
            self.columns[name] = self.columns[name][rows]
        self.block, self.series = self.block[rows], self.series[rows]

    def taken(self, rows: Bools) -> Rows:
        """Give these rows alone."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Rows(self.feed, self.plan, columns, self.block[rows], self.series[rows])

    def by_series(self) -> Iterator[tuple[int, Ints]]:
        """Give each series that has rows, by its number, with the places of its rows in order."""
        order = np.argsort(self.series, kind="stable")
        counts = np.bincount(self.series)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(counts).tolist():
            yield number, order[ends[number] - counts[number] : ends[number]]

    def __len__(self) -> int:
        return len(self.block)


def all_by_series(rows: Rows, hit: Bools) -> Bools:
    """Tell for each row whether all rows of its series are hit."""
    if not hit.any():
        return hit
    counts = np.bincount(rows.series, minlength=len(rows.plan.series))
    hits = np.bincount(rows.series, weights=hit, minlength=len(rows.plan.series))
    return np.asarray((counts == hits)[rows.series])


SAME_START: Final = 3
"""So many readings with one start are no conflict, but a series without times."""
_MINUTE: Final = 60 * US


def drop_repeated_blocks(rows: Rows) -> None:
    """Leave out blocks of one series with the same interval and the same readings, but for the first."""
    blocks = rows.feed.readings.blocks
    seen: set[tuple[Any, ...]] = set()
    repeated = np.zeros(len(blocks), dtype=bool)
    start = rows.columns["start"]
    keys = [
        (s, b.start, b.duration, b.rows, int(start[b.first]) if b.rows else 0)
        for s, b in zip(rows.plan.of_block, blocks, strict=True)
    ]
    alike = Counter(keys)
    for n, (key, b) in enumerate(zip(keys, blocks, strict=True)):
        if alike[key] > 1 and b.rows:
            held = (key, *(c[b.first : b.first + b.rows].tobytes() for c in rows.columns.values()))
            repeated[n] = held in seen
            seen.add(held)
    if repeated.any():
        count, dropped = int(repeated.sum()), repeated[rows.block]
        text = f"{counted(count, 'block')} stood more than once, whole and unchanged: counted once."
        rows.feed.findings.add(
            "espi.block.repeated", text, severity="warning", blocks=count, readings=int(dropped.sum())
        )
        rows.keep(~dropped)


def lay_out(rows: Rows) -> None:
    """Give readings without a timePeriod, or without a duration, their place after the one before."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    lacks = (start == NONE) | (duration == NONE)
    if not lacks.any():
        return
    unfilled = 0
    for number in np.unique(rows.block[lacks]):
        here = np.arange(*np.searchsorted(rows.block, [number, number + 1]))
        block = rows.feed.readings.blocks[number]
        interval = rows.plan.series[rows.plan.of_block[number]].interval
        if interval == NONE:
            interval = _step(start[here]) or (block.duration // len(here) if block.duration != NONE else NONE)
        _place(start, duration, here, block.start, interval)
        end = int(start[here[-1]] + duration[here[-1]])
        unfilled += block.duration != NONE and end not in (NONE, block.start + block.duration)
    lost = start == NONE
    if n := Count((lacks & ~lost).sum()):
        text = f"{n:reading} {n:has|have} no own start or duration: laid out by interval length in the block"
        text += (
            f"; {counted(unfilled, 'block')} then {Count(unfilled):ends|end} elsewhere: check them."
            if unfilled
            else "."
        )
        severity = "warning" if unfilled else "info"
        rows.feed.findings.add("espi.time.laid-out", text, severity=severity, count=n, unfilled=unfilled)
    if n := Count(lost.sum()):
        text = f"{n:reading} {n:says|say} nothing of time, nor does the block: left out."
        total = float(np.nansum(rows.columns["value"][lost]))
        rows.feed.findings.add("espi.time.none", text, severity="serious", count=n, raw_sum=total)
        rows.keep(~lost)


def _step(start: Ints) -> int:
    """Give the commonest step from one start to the next; 0 where the readings say no starts."""
    steps = np.diff(start[start != NONE])
    found, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(found[counts.argmax()]) if len(found) else 0


def _place(start: Ints, duration: Ints, here: Ints, begin: int, interval: int) -> None:
    after = begin
    for row in here:
        if start[row] == NONE:
            start[row] = after
        if duration[row] == NONE:
            duration[row] = max(interval, 0)
        after = int(start[row]) + int(duration[row])
        if not FIRST < after < LAST:  # beyond what a time can be, or no time at all
            after = NONE


def mend_seconds(rows: Rows) -> None:
    """Floor starts that are all a second late, and make whole durations that are all a second short, by series."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    late = all_by_series(rows, start % _MINUTE == US)
    spans = duration > 0
    short = all_by_series(rows, (duration % _MINUTE == 59 * US) | ~spans) & spans
    if n := Count(late.sum()):
        rows.columns["start"] = np.where(late, start - US, start)
        text = f"{n:reading} {n:starts|start} one second late, as all of the series: floored to the minute."
        rows.feed.findings.add("espi.time.late-second", text, count=n)
    if n := Count(short.sum()):
        rows.columns["duration"] = np.where(short, duration + US, duration)
        text = f"{n:reading} {n:lasts|last} a second less than whole minutes, as all of the series: made whole."
        rows.feed.findings.add("espi.time.short-duration", text, count=n)


def apply_epoch(rows: Rows, epoch: str, tz: str | None) -> None:
    """Turn wall-clock or standard-time epochs into instants when asked; else say when they look like such."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    _same_start(rows, start)
    if epoch == "utc":
        zones = [s.zone for s in rows.plan.series]
        for zone in sorted({zones[number] for number in np.unique(rows.series)}):
            mine = np.array([z == zone for z in zones])[rows.series]
            _suspect(rows, start, mine, zone, known=tz is not None or zone != "UTC")
    else:
        for number, here in rows.by_series():
            zone = rows.plan.series[number].zone
            start[here], duration[here] = _instants(start[here], duration[here], epoch, zone)


def _instants(start: Instants, duration: Ints, epoch: str, zone: str) -> tuple[Instants, Ints]:
    if epoch == "standard":
        return _clock.from_standard(start, zone), duration
    begins = _clock.from_local(start, zone)
    # days and bills end at local midnight too; shorter intervals last as long as they say
    long = duration >= _clock.DAY
    ends = _clock.from_local(start + duration, zone)
    return begins, np.where(long, ends - begins, duration)


def _same_start(rows: Rows, start: Instants) -> None:
    first = np.zeros(len(rows.plan.series), dtype=np.int64)
    first[rows.series[::-1]] = start[::-1]  # of several the last one written stays: the first of each series
    same = all_by_series(rows, start == first[rows.series])
    for number, count in enumerate(np.bincount(rows.series[same], minlength=len(first)).tolist()):
        if count >= SAME_START:
            name = rows.plan.series[number].name
            text = f"All {count:,} readings of series {name} start at the same time: when each was is not told."
            rows.feed.findings.add("espi.time.same-start", text, severity="serious", series=name, count=count)


_SUSPICIONS: Final = {
    "local": ("espi.time.local-as-utc", "local wall-clock time written as if it were UTC", "epoch='local'"),
    "standard": ("espi.time.standard-as-utc", "local standard time written as if it were UTC", "epoch='standard'"),
}


def _suspect(rows: Rows, start: Instants, mine: Bools, zone: str, *, known: bool) -> None:
    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows.block[1:] != rows.block[:-1]
    daily = rows.columns["duration"] >= _clock.DAY - 2 * 3600 * US
    begins = np.unique(start[mine & (first | daily)])
    kind, where = _clock.suspicion(begins, zone if known else None)
    evidence = {"zone": zone, "blocks": len(begins), "first": _shown(begins)}
    if kind in _SUSPICIONS:
        name, what, fix = _SUSPICIONS[kind]
        fix = fix if known else f"tz= (the site's zone) and {fix}"
        sure = (
            "The hours are wrong: the blocks begin" if len(begins) > 1 else "The hours look wrong: the one block begins"
        )
        text = f"{sure} as in {what}; read it with {fix}."
        rows.feed.findings.add(name, text, severity="serious" if known or len(begins) > 1 else "warning", **evidence)
    elif kind:
        text = f"The blocks begin at midnight in {where}, not in {zone}: the hours may be shifted; compare a bill."
        severity = "serious"
        if _clock.at_standard_midnight(begins, zone):  # Ontario's meters keep standard time all year
            severity = "warning"
            text = f"The blocks begin at midnight of standard time in {zone}, which is midnight in {where}: "
            text += "the hours are right where the utility's days are of standard time; compare a bill."
        rows.feed.findings.add("espi.time.other-zone", text, severity=severity, other=where, **evidence)


def _shown(begins: Instants) -> str:
    return datetime.fromtimestamp(int(begins[0]) // US, UTC).isoformat() if len(begins) else ""
