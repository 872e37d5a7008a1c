"""The readings of a feed as numpy columns, and the corrections that are made to their times.

Without being asked, greenkit makes only these corrections: starts that are all one second late are floored, durations
that are all one second short are completed, readings without a timePeriod are placed from the start of their block,
and a block that was sent twice counts once. Nothing else is moved or left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.espi import _clock, quirks
from greenkit.espi._feed import Feed
from greenkit.espi._readings import FIRST, LAST, NONE
from greenkit.espi._series import Series, SeriesIndex
from greenkit.findings import Count, Findings, Kind
from greenkit.frame import ADDITIVE
from greenkit.times import US, Instants, from_wall_clock, to_times, to_wall_clock

DUPLICATE_BLOCKS: Final = Kind(
    "espi.block.repeated",
    "warning",
    "greenkit left out {blocks:exact duplicate block}, with {readings:reading}.",
    "Check whether the feed overlaps another one.",
)
PLACED: Final = Kind(
    "espi.time.laid-out",
    "info",
    "{count:reading} {count:has|have} no start or no duration. greenkit placed {count:it|them} by the interval length "
    "within the block{elsewhere}.",
    "Check the {count:time of this reading|times of these readings}.",
)
NO_TIME: Final = Kind(
    "espi.time.none",
    "serious",
    "greenkit left out {count:reading} that {count:has|have} no time, in blocks that have none.",
    "Download the feed again.",
)
LATE_SECOND: Final = Kind(
    "espi.time.late-second",
    "info",
    "{count:reading} {count:starts|start} one second late, as does every other reading of the same series. greenkit "
    "rounded the starts down to the minute.",
)
SHORT_DURATION: Final = Kind(
    "espi.time.short-duration",
    "info",
    "{count:reading} {count:is|are} one second short of full minutes, as is every other reading of the same series. "
    "greenkit added the second.",
)
WRONG_DURATION: Final = Kind(
    "espi.time.wrong-duration",
    "warning",
    "{count:reading} of series {series} {count:has|have} a duration of {declared:,} seconds, but the readings start "
    "every {length:,} seconds, which is the interval length of the ReadingType. greenkit used {length:,} seconds.",
    "Compare the peak demand with a bill.",
)
OTHER_LENGTH: Final = Kind(
    "espi.time.other-length",
    "info",
    "The duration of {count:reading} differs from the interval length of {count:its|their} ReadingType, first in "
    "series {series}, with {duration:,} instead of {length:,} seconds. greenkit kept the durations of the "
    "readings.",
)
REPEATED_HOUR: Final = Kind(
    "espi.time.repeated-hour",
    "info",
    "{count:reading} of a fall-back day {count:shares|share} the times of one of the two repeated hours; first at "
    "{first}. greenkit placed the first of each pair in daylight time and the second in standard time.",
)
SAME_START: Final = Kind(
    "espi.time.same-start",
    "serious",
    "All {count:,} readings of series {series} have the same start time, so their actual times are unknown.",
    "Ask the utility for another export.",
)
_LOOKS: Final = "Timestamps {looks} local {time} stored as UTC, judging by when the blocks start."
LOCAL_AS_UTC: Final = Kind(
    "espi.time.local-as-utc", "serious", _LOOKS.replace("{time}", "time"), "Load the file again with {fix}."
)
STANDARD_AS_UTC: Final = Kind(
    "espi.time.standard-as-utc", "serious", _LOOKS.replace("{time}", "standard time"), "Load the file again with {fix}."
)
OTHER_ZONE: Final = Kind(
    "espi.time.other-zone",
    "serious",
    "Blocks start at midnight in {other}, not in {zone}, so timestamps may be shifted{unless}.",
    "Compare the usage with a bill.",
)
_SUSPICIONS: Final = {"local": (LOCAL_AS_UTC, "epoch='local'"), "standard": (STANDARD_AS_UTC, "epoch='standard'")}

ENOUGH_STARTS: Final = 3
"""Readings with one start that are a series without times rather than a conflict."""
_ENOUGH_STEPS: Final = 4
_MINUTE: Final = 60 * US

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass
class Rows:
    """The readings as numpy columns.

    ``columns`` are those of :data:`greenkit.espi._readings.COLUMNS`; ``block`` and ``series`` are int32 arrays with the
    number of each row's block and series. The columns are most of the memory, so each is freed as soon as another
    replaces it.
    """

    feed: Feed
    index: SeriesIndex
    columns: dict[str, npt.NDArray[Any]]
    block: Numbers
    series: Numbers

    @classmethod
    def of(cls, feed: Feed, index: SeriesIndex) -> Rows:
        """Take over the columns of a feed. The rows of the blocks follow each other without gaps."""
        columns = {name: np.frombuffer(a, dtype=a.typecode) for name, a in feed.readings.take_columns().items()}
        counts = feed.readings.blocks.array("rows")
        block = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        of_block = np.array(index.of_block, dtype=np.int32)
        return cls(feed, index, columns, block, of_block[block] if len(block) else block)

    def keep(self, rows: Bools | Ints) -> None:
        """Keep only these rows, or put the rows in this order."""
        for name in self.columns:
            self.columns[name] = self.columns[name][rows]
        self.block, self.series = self.block[rows], self.series[rows]

    def taken(self, rows: Bools) -> Rows:
        """Return a copy of these rows."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Rows(self.feed, self.index, columns, self.block[rows], self.series[rows])

    def by_series(self) -> Iterator[tuple[int, Ints]]:
        """Yield the number of each series with rows, and the positions of its rows in ascending order."""
        order = np.argsort(self.series, kind="stable")
        counts = np.bincount(self.series)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(counts).tolist():
            yield number, order[ends[number] - counts[number] : ends[number]]

    def __len__(self) -> int:
        return len(self.block)


def documents_of_blocks(feed: Feed) -> Numbers:
    """Return the number of the document of each block."""
    return np.array(feed.entries.document, dtype=np.int32)[feed.readings.blocks.array("entry")]


def all_by_series(rows: Rows, hit: Bools) -> Bools:
    """Return, for each row, whether all rows of its series are marked."""
    if not hit.any():
        return hit
    counts = np.bincount(rows.series, minlength=len(rows.index.series))
    hits = np.bincount(rows.series, weights=hit, minlength=len(rows.index.series))
    return np.asarray((counts == hits)[rows.series])


# Corrections, in the order in which they are made


def drop_duplicate_blocks(rows: Rows) -> Findings:
    """Leave out blocks of one series with the same interval and the same readings, except for the first."""
    out, blocks = Findings(), rows.feed.readings.blocks
    seen: set[tuple[Any, ...]] = set()
    is_duplicate = np.zeros(len(blocks), dtype=bool)
    for n in _alike(rows).tolist():
        b = blocks[n]
        content = (c[b.first : b.first + b.rows].tobytes() for c in rows.columns.values())
        key = (rows.index.of_block[n], b.start, b.duration, *content)
        is_duplicate[n] = key in seen
        seen.add(key)
    if is_duplicate.any():
        dropped = is_duplicate[rows.block]
        out.add(DUPLICATE_BLOCKS, blocks=int(is_duplicate.sum()), readings=int(dropped.sum()))
        rows.keep(~dropped)
    return out


def _alike(rows: Rows) -> Ints:
    """Return the numbers of the blocks that share series, interval, number of rows, and first start with another one.

    Only these can be duplicates, and their readings are compared; most feeds have none.
    """
    blocks, start = rows.feed.readings.blocks, rows.columns["start"]
    count, first, begin, length = (blocks.array(name) for name in ("rows", "first", "start", "duration"))
    filled = np.flatnonzero(count)
    if len(filled) < 2:
        return filled[:0]
    series = np.array(rows.index.of_block, dtype=np.int64)
    keys = [key[filled] for key in (series, begin, length, count)] + [start[first[filled]]]
    order = np.lexsort(keys)
    same = np.ones(len(order) - 1, dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    return np.sort(filled[order[np.append(same, False) | np.append(False, same)]])


def place_untimed_readings(rows: Rows) -> Findings:
    """Place readings without a start or a duration after the reading before them."""
    out = Findings()
    start, duration = rows.columns["start"], rows.columns["duration"]
    lacks = (start == NONE) | (duration == NONE)
    if not lacks.any():
        return out
    unfilled = 0
    for number in np.unique(rows.block[lacks]):
        here = np.arange(*np.searchsorted(rows.block, [number, number + 1]))
        block = rows.feed.readings.blocks[number]
        interval = rows.index.series[rows.index.of_block[number]].interval
        if interval == NONE:
            interval = _step(start[here]) or (block.duration // len(here) if block.duration != NONE else NONE)
        _place(start, duration, here, block.start, interval)
        end = int(start[here[-1]] + duration[here[-1]])
        unfilled += block.duration != NONE and end not in (NONE, block.start + block.duration)
    lost = start == NONE
    if n := int((lacks & ~lost).sum()):
        blocks = Count(unfilled)
        elsewhere = f"; {blocks:block} then {blocks:ends|end} at a different time than declared" if unfilled else ""
        severity = "warning" if unfilled else "info"
        out.add(PLACED, severity=severity, count=n, unfilled=unfilled, words={"elsewhere": elsewhere})
    if n := int(lost.sum()):
        out.add(NO_TIME, count=n, raw_sum=float(np.nansum(rows.columns["value"][lost])))
        rows.keep(~lost)
    return out


def _step(start: Ints) -> int:
    """Return the most common step from one start to the next, or 0 if the readings have no starts."""
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
        if not FIRST < after < LAST:  # not a time
            after = NONE


def correct_off_by_one_seconds(rows: Rows) -> Findings:
    """Floor starts one second late, and complete durations one second short, where all of a series are."""
    out = Findings()
    start, duration = rows.columns["start"], rows.columns["duration"]
    late = all_by_series(rows, start % _MINUTE == US)
    spans = duration > 0
    short = all_by_series(rows, (duration % _MINUTE == 59 * US) | ~spans) & spans
    if late.any():
        rows.columns["start"] = np.where(late, start - US, start)
        out.add(LATE_SECOND, count=int(late.sum()))
    if short.any():
        rows.columns["duration"] = np.where(short, duration + US, duration)
        out.add(SHORT_DURATION, count=int(short.sum()))
    return out


def correct_durations(rows: Rows) -> Findings:
    """Set the durations of a series to its intervalLength if they are all the same other length, and its starts agree.

    Starts agree if nine of ten steps from one start to the next are the intervalLength. Shorter durations are corrected
    for energy and other amounts only, because a demand of 15 minutes may be reported once an hour. All other durations
    are kept, and reported if they are not the intervalLength.
    """
    out = Findings()
    start, duration = rows.columns["start"], rows.columns["duration"]
    lengths = np.array([s.interval for s in rows.index.series], dtype=np.int64)
    differ = (duration != lengths[rows.series]) & (duration > 0) if len(rows) else np.zeros(0, bool)
    if not differ.any():
        return out
    all_differ = all_by_series(rows, differ)
    others: list[tuple[Series, int, int]] = []
    for number, here in rows.by_series():
        length, spans = int(lengths[number]), duration[here]
        if length <= 0 or not differ[here].any():
            continue
        series = rows.index.series[number]
        if all_differ[here[0]] and len(here) >= _ENOUGH_STEPS and (spans == spans[0]).all():
            steps = np.diff(np.unique(start[here]))
            is_longer = spans[0] > length or series.unit.name in ADDITIVE
            if len(steps) and (steps == length).mean() >= 0.9 and is_longer:
                duration[here] = length
                words = {"declared": int(spans[0]) // US, "length": length // US}
                out.add(WRONG_DURATION, series=series.name, count=len(here), words=words)
                continue
        # the intervalLength of a month is nominal; a day has 23 to 25 hours, and a duration may lack a second
        tolerance = US if length < _clock.DAY else 2 * 3600 * US
        odd = spans[(np.abs(spans - length) > tolerance) & (spans > 0)]
        if len(odd) and not series.dial and length <= 2 * _clock.DAY:
            others.append((series, len(odd), int(odd[0])))
    if others:
        first, _, span = others[0]
        words = {"duration": span // US, "length": first.interval // US}
        out.add(OTHER_LENGTH, series=first.name, count=sum(n for _, n, _ in others), words=words)
    return out


def fix_by_quirks(rows: Rows, tz: str | None) -> Findings:
    """Apply the corrections of each sender's quirks to the rows of its documents."""
    out = Findings()
    applied = {quirk for document in rows.feed.documents for quirk in document.quirks if "fix_rows" in quirk.sets}
    if not applied or not len(rows):
        return out
    documents = documents_of_blocks(rows.feed)
    first = np.flatnonzero(np.r_[True, rows.block[1:] != rows.block[:-1]])
    begins = dict(zip(rows.block[first].tolist(), rows.columns["start"][first].tolist(), strict=True))
    declared = rows.feed.readings.blocks.start
    labels = np.array([begins.get(n, NONE) if start == NONE else start for n, start in enumerate(declared)])
    for quirk in sorted(applied, key=quirks.registered().index):
        is_theirs = np.array([quirk in rows.feed.documents[n].quirks for n in documents], dtype=bool)
        here = np.flatnonzero(is_theirs[rows.block])
        if len(here):
            start, duration, value = (rows.columns[name][here] for name in ("start", "duration", "value"))
            theirs = quirks.Rows(start, duration, value, rows.block[here], labels[rows.block[here]], tz)
            out.extend(quirk.fix_rows(theirs))
            for name in ("start", "duration", "value"):
                rows.columns[name][here] = getattr(theirs, name)
    return out


def apply_epoch(rows: Rows, epoch: str, tz: str | None) -> Findings:
    """Convert local or standard times to UTC if asked to; otherwise report times that look like them."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    out = _same_start(rows, start)
    if epoch == "utc":
        zones = [s.zone for s in rows.index.series]
        for zone in sorted({zones[number] for number in np.unique(rows.series)}):
            mine = np.array([z == zone for z in zones])[rows.series]
            out.extend(_suspect(rows, start, mine, zone, known=tz is not None or zone != "UTC"))
    else:
        for number, here in rows.by_series():
            zone = rows.index.series[number].zone
            start[here], duration[here] = _instants(start[here], duration[here], epoch, zone)
    return out


def _instants(start: Instants, duration: Ints, epoch: str, zone: str) -> tuple[Instants, Ints]:
    if epoch == "standard":
        return _clock.from_standard(start, zone), duration
    begins = _clock.from_local(start, zone)
    # days and bills end at local midnight too; the duration of shorter intervals is as declared
    is_long = duration >= _clock.DAY
    by_label = np.where(is_long, _clock.from_local(start + duration, zone) - begins, duration)
    # unless the durations are true seconds: then begin + duration is the next begin, across changes of the clock too,
    # or at least the same time of day as the begin
    order = np.argsort(begins, kind="stable")
    after = begins[order][1:]

    def fit(lengths: Ints) -> tuple[int, int]:
        ends = begins + lengths
        same_time = (to_wall_clock(ends[is_long], zone) - start[is_long]) % _clock.DAY == 0
        return int((ends[order][:-1] == after).sum()), int(same_time.sum())

    return begins, duration if is_long.any() and fit(duration) > fit(by_label) else by_label


def split_repeated_hour(rows: Rows) -> Findings:
    """Separate the two hours of a fall-back day if both have the times of one of them.

    The proof is a start that occurs twice in the repeated hour while the same label of the other hour does not occur.
    Example for New York on 2024-11-03, where 01:00 daylight time is 05:00 UTC and 01:00 standard time is 06:00::

        starts as stored    04:00  06:00  06:00  07:00     05:00 is missing, 06:00 occurs twice
        corrected           04:00  05:00  06:00  07:00     the first is daylight time, the second standard time
    """
    out = Findings()
    start = rows.columns["start"]
    if len(rows) < 2:
        return out
    is_next = rows.series[1:] == rows.series[:-1]
    is_contiguous = len(rows) - int(is_next.sum()) == len(np.unique(rows.series))
    if is_contiguous and (~is_next | (start[1:] > start[:-1])).all():  # every start is once in its series
        return out
    count, first = 0, 0
    order = np.lexsort((start, rows.series))
    is_second = (start[order][1:] == start[order][:-1]) & (rows.series[order][1:] == rows.series[order][:-1])
    for number in np.unique(rows.series[order][1:][is_second]).tolist():
        zone = rows.index.series[number].zone
        here = np.flatnonzero(rows.series == number)
        distinct, times = np.unique(start[here], return_counts=True)
        twice = distinct[times == 2]
        label = to_wall_clock(twice, zone)
        daylight = from_wall_clock(label, zone)
        standard = from_wall_clock(label, zone, repeated="standard")
        other = np.where(twice == daylight, standard, daylight)
        proven = (daylight != standard) & ~np.isin(other, distinct)
        is_newest_first = len(here) > 2 and (np.diff(start[here]) < 0).sum() > len(here) / 2
        for begin, early, late in zip(twice[proven], daylight[proven], standard[proven], strict=True):
            pair = here[start[here] == begin]
            if len(set(rows.columns["duration"][pair].tolist())) > 1:  # an hour of two hours, and one of none
                continue
            count += 2
            start[pair[::-1] if is_newest_first else pair] = (early, late)
            first = min(first or int(early), int(early))
    if count:
        out.add(REPEATED_HOUR, count=count, first=to_times(np.array([first]))[0].isoformat())
    return out


def _same_start(rows: Rows, start: Instants) -> Findings:
    """Report series whose readings all have the same start."""
    out = Findings()
    first = np.zeros(len(rows.index.series), dtype=np.int64)
    first[rows.series[::-1]] = start[::-1]  # of several assignments the last one stays: the first row of each series
    same = all_by_series(rows, start == first[rows.series])
    for number, count in enumerate(np.bincount(rows.series[same], minlength=len(first)).tolist()):
        if count >= ENOUGH_STARTS:
            out.add(SAME_START, series=rows.index.series[number].name, count=count)
    return out


def _suspect(rows: Rows, start: Instants, mine: Bools, zone: str, *, known: bool) -> Findings:
    """Report times that look like local or standard time, judging by when the blocks begin."""
    out = Findings()
    marks = _day_marks(rows, start, mine)
    begins = marks.begins
    suspicion, where = _clock.suspicion(marks, zone if known else None)
    evidence: dict[str, Any] = {"zone": zone, "blocks": len(begins), "first": _shown(begins)}
    if suspicion in _SUSPICIONS:
        kind, fix = _SUSPICIONS[suspicion]
        words = {
            "looks": "look like" if len(begins) > 1 else "may be",
            "fix": fix if known else f"tz= (the time zone of the site) and {fix}",
        }
        severity = "serious" if known or len(begins) > 1 else "warning"
        out.add(kind, severity=severity, words=words, **evidence)
    elif suspicion:
        # some utilities keep standard time all year
        is_standard = _clock.at_standard_midnight(begins, zone)
        words = {"unless": ", unless the days of the utility are in standard time" if is_standard else ""}
        out.add(OTHER_ZONE, severity="warning" if is_standard else "serious", other=where, words=words, **evidence)
    return out


def _day_marks(rows: Rows, start: Instants, mine: Bools) -> _clock.DayMarks:
    """Return when days begin and end in these rows, whatever order the rows are in."""
    here = np.flatnonzero(mine)
    block, series, begin = rows.block[here], rows.series[here], start[here]
    duration = rows.columns["duration"][here]
    # The rows of a block follow each other: for blocks [0, 0, 1] and starts [7, 5, 9] the cuts are [0, 2] and the
    # earliest starts [5, 9]. The blocks are then reduced to their series in the same way, by number.
    cuts = np.flatnonzero(np.r_[True, block[1:] != block[:-1]])
    earliest, latest = np.minimum.reduceat(begin, cuts), np.maximum.reduceat(begin + duration, cuts)
    far = np.iinfo(np.int64).max
    firsts, lasts = np.full(len(rows.index.series), far), np.full(len(rows.index.series), -far)
    np.minimum.at(firsts, series[cuts], earliest)
    np.maximum.at(lasts, series[cuts], latest)
    is_daily = duration >= _clock.DAY - 2 * 3600 * US
    begins = np.concatenate((earliest, begin[is_daily]))
    ends = np.minimum(lasts[lasts > -far], LAST)  # a duration may lead beyond the years that a clock can show
    return _clock.DayMarks(np.unique(begins), np.unique(firsts[firsts < far]), np.unique(ends))


def _shown(begins: Instants) -> str:
    return datetime.fromtimestamp(int(begins[0]) // US, UTC).isoformat() if len(begins) else ""
