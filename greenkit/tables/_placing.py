"""Labels in UTC: which clock they follow, what the repeated hour holds, and how long each interval is."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.findings import Kind
from greenkit.tables import intervals
from greenkit.tables._base import Part, runs, squeeze, take
from greenkit.tables._labels import ROW_UNREADABLE, minutes_of
from greenkit.tables._values import Values
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import (
    CLOCKS,
    REPEATED_HOURS,
    Column,
    offset_minutes,
)
from greenkit.tables.placement import HOUR, Change, Once, Placed, between, changes, place, standard_offset, to_utc
from greenkit.tables.stamps import DAY, NEVER, NO_OFFSET
from greenkit.times import is_zone

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TIME_SKIPPED_HOUR: Final = Kind(
    "tables.time.skipped-hour",
    "warning",
    "greenkit left out {count:value} in the hour that is skipped when clocks go forward, first {first}.",
    "Check whether the table is in standard time.",
)
TIME_MOVED: Final = Kind(
    "tables.time.moved",
    "info",
    "{count:label} {count:is|are} in the hour that is skipped when clocks go forward, first {first}. No row has the "
    "time "
    "one hour later, so greenkit read the {count:label as that time|labels as those times}.",
)
TIME_REPEATED_HOUR: Final = Kind(
    "tables.time.repeated-hour",
    "warning",
    "The repeated hour of {count:day} is incomplete, first {first}. greenkit assigned the rows to the "
    "first or second hour by their order.",
    "Check {count:this day before you rely on its|these days before you rely on their} hours.",
)
TIME_HOUR_LOST: Final = Kind(
    "tables.time.hour-lost",
    "warning",
    "{count:fall-back day} of {file} {count:has|have} 24 hours instead of 25, first {first}. One of the two "
    "repeated hours is missing; greenkit placed the one value in the first of them. {reason}",
    "Compare the total of the day with a bill.",
)
TIME_HOURS_SUMMED: Final = Kind(
    "tables.time.hours-summed",
    "warning",
    "{count:fall-back day} of {file} {count:has|have} 24 hours instead of 25, first {first}. The value of the "
    "repeated hour contains both hours, so it is one interval of two hours. {reason}",
    "Do not compare that interval with single hours.",
)
CLOCK_INFERRED: Final = Kind(
    "tables.clock.inferred",
    "info",
    "{file} is in {clock} time. {reason}",
)
INTERVAL_MEASURED: Final = Kind(
    "tables.interval.measured",
    "info",
    "Intervals of {file} are {minutes} minutes long, as the differences between its times show.",
)
INTERVAL_CHANGES: Final = Kind(
    "tables.interval.changes",
    "info",
    "Intervals of {file} have more than one length: {minutes} minutes, as the differences between its times show.",
)
INTERVAL_UNKNOWN: Final = Kind(
    "tables.interval.unknown",
    "warning",
    "{count:row} of {file} {count:is the only one in its series|are each the only one in their series}, so the "
    "interval length is unknown. greenkit used {minutes} minutes, the length in the other series.",
    "Set interval in the mapping.",
)
ZONES: Final = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
)  # fmt: skip
INTERVAL_UNREADABLE: Final = Kind(
    "tables.interval.unreadable",
    "warning",
    "{count:row} of {file} {count:has|have} no readable interval length. greenkit used {minutes} minutes.",
    "Check {count:this row|these rows} of {file}.",
)
_NEIGHBOR_DAYS: Final = 10


class Placing(Values):
    """Instants and lengths of intervals."""

    def _instants(
        self,
        part: Part,
        series: Ints,
        keys: list[tuple[str, ...]],
        offset: npt.NDArray[np.int32] | None,
        which: Ints | None,
    ) -> tuple[Ints, Part, Ints, Ints | None]:
        """Return the instants of labels, and the rows that have one."""
        clock = self.table.clock
        fixed = offset_minutes(clock) if clock else None
        if clock == "utc" or self.table.time.epoch:  # seconds since 1970 are in UTC, whatever the clock
            return part.label, part, series, which
        if fixed is not None:
            return part.label - fixed * MINUTE, part, series, which
        if offset is not None and clock in (None, "offset", "local"):
            given = offset[part.row].astype(np.int64)
            good = given != NO_OFFSET
            if good.all():
                return part.label - given * MINUTE, part, series, which
            if clock == "offset":
                self._report(ROW_UNREADABLE, count=int((~good).sum()), first=int(part.row[np.argmax(~good)]) + 1)
                part = part.take(good)
                which = None if which is None else which[good]
                return part.label - given[good] * MINUTE, part, series[good], which
        zones = {key[4] or self._zone() for key in keys}
        if None in zones or "" in zones:
            self.ask(
                "tz", "Which time zone is the site in?", ZONES, "The file does not name a time zone",
                int(part.row[0]),
            )  # fmt: skip
            if clock is None:  # so that both questions are asked together; most zones change their clocks
                self._infer_clock(part.label, series, ZONES[1], ~np.isnan(part.value), part.row)
                clock = "local"
        return self._in_zones(part, series, keys, clock, which)

    def _in_zones(
        self, part: Part, series: Ints, keys: list[tuple[str, ...]], clock: str | None, which: Ints | None
    ) -> tuple[Ints, Part, Ints, Ints | None]:
        zone_of_key = np.array([key[4] or self._zone() or "UTC" for key in keys])
        zones = list(dict.fromkeys(zone_of_key.tolist()))
        for zone in zones:
            if not is_zone(zone):
                raise FormatError(
                    "A cell in the column of time zones is not a valid IANA time zone",
                    source=self.file,
                    next_step="Correct the column, or pass a mapping with zone.",
                )
        start = np.zeros(len(part) if len(zones) > 1 else 0, dtype=np.int64)
        keep = np.ones(len(start), dtype=bool)
        ends = self._ends_are_labels()
        for zone in zones:
            mine = slice(None) if len(zones) == 1 else np.flatnonzero((zone_of_key == zone)[series])
            label, own = part.label[mine], series[mine]
            filled = ~np.isnan(part.value[mine])
            use = clock or self._infer_clock(label, own, zone, filled, part.row[mine])
            if use == "standard":
                placed = Placed(label - standard_offset(zone, int(label.min()), int(label.max())), np.ones(0, bool))
            elif use == "utc":
                placed = Placed(label, np.ones(0, bool))
            else:
                placed = self._place_local(part, mine, label, own, zone, filled, ends)
                self._tell_placed(placed, part, mine, own, label, zone)
            if len(zones) == 1:
                start, keep = placed.start, placed.keep
            else:
                start[mine] = placed.start
                keep[mine] = placed.keep if len(placed.keep) else True
        part = dataclasses.replace(part, fold=None)  # these arrays are large, and not needed again
        if part.end is None and self.time_given:
            part.label = part.label[:0]
        if not keep.all():
            kept = runs(keep)
            if self.table.is_wide:  # all but the values were made of the cells, and nothing else uses them
                part.row, part.value = squeeze(part.row, kept), take(part.value, kept)
                series, start = squeeze(series, kept), squeeze(start, kept)
            else:
                part, series, start = part.take(kept), take(series, kept), squeeze(start, kept)
            which = None if which is None else take(which, kept)
        return start, part, series, which

    def _place_local(
        self, part: Part, mine: Any, label: Ints, own: Ints, zone: str, filled: Bools, ends: bool
    ) -> Placed:
        """Place labels of local time; convert end labels to starts if the table does so."""
        given = None if part.fold is None else part.fold[mine]
        backward = None
        if part.end is not None:
            end = part.end[mine]
            backward = (end != NEVER) & (end <= label)
        if not ends:
            return place(label, own, zone, filled=filled, fold=given, backward=backward)
        step = self._usual_step(label, own)
        if self._counts_from_start(label, own, zone, step):
            placed = place(label - step, own, zone, filled=filled, fold=given)
            placed.start = placed.start + step
            return placed
        return place(label, own, zone, filled=filled, fold=given)

    def _counts_from_start(self, label: Ints, series: Ints, zone: str, step: int) -> bool:
        """Return whether end labels repeat as their starts do (02:00 twice), not as the clock does (01:00 twice)."""
        verdict = True
        for change in changes(zone, int(label.min()), int(label.max())):
            a, b = change.window
            if not change.is_fall:
                # the interval before the change ends at 03:00 on the clock, or at 02:00 counted from its start
                verdict &= not ((label == b).any() and not (label == a).any())
                continue
            seen = [np.unique(series[label == at], return_counts=True)[1].max(initial=0) for at in (a, b)]
            if seen[0] > seen[1]:
                verdict = False
            elif seen[1] > seen[0]:
                return True
        return verdict

    def _usual_step(self, label: Ints, series: Ints) -> int:
        if isinstance(self.table.interval, int | float):
            return int(self.table.interval * MINUTE)
        step = np.diff(label[:10_000])
        step = np.abs(step[(series[: len(step) + 1][1:] == series[: len(step)]) & (step != 0)])
        if not len(step):
            return HOUR
        distinct, counts = np.unique(step, return_counts=True)
        return int(distinct[np.argmax(counts)])

    def _infer_clock(self, label: Ints, series: Ints, zone: str, filled: Bools, row: Ints) -> str:
        """Return the clock that the days when clocks change prove; ask if they prove none."""
        low, high = int(label.min()), int(label.max())
        standard = standard_offset(zone, low, high)
        if (to_utc(label, zone) == label - standard).all():
            return "local"  # all in winter, when both clocks agree
        evidence = []
        for change in changes(zone, low, high):
            a, b = change.window
            near = (label >= a - 3 * HOUR) & (label < b + 3 * HOUR) & filled
            inside = near & (label >= a) & (label < b)
            before, after = (near & (label < a)).any(), (near & (label >= b)).any()
            if not (before and after):
                continue
            if change.is_fall:
                pairs = np.unique(np.stack([series[inside], label[inside]]), axis=1, return_counts=True)[1]
                twice = len(pairs) > 0 and pairs.max() > 1
                evidence.append("local" if twice else "24 in fall")
            else:
                hour = label[inside] + (b - a)
                both = np.isin(hour, label[near]).any() if len(hour) else False
                evidence.append("24 in spring" if both else "local")
        if "local" in evidence and "24 in spring" not in evidence:
            self._report(CLOCK_INFERRED, clock="local", words={"reason": "The days when clocks change show this."})
            return "local"
        if not evidence:
            reason = "The table has no day when clocks change, so it proves nothing about the clock"
        else:
            reason = "The days when clocks change have 24 hours: the clock is standard time, or hours were added"
        summer = int(np.argmax(to_utc(label, zone) != label - standard))
        self.ask("clock", "Which clock do the times follow?", CLOCKS[:3], reason, int(row[summer]))
        return "local"

    def _tell_placed(self, placed: Placed, part: Part, mine: Any, series: Ints, label: Ints, zone: str) -> None:
        def text(at: int) -> str:
            return str(np.datetime64(int(label[at]), "us"))[:16].replace("T", " ")

        for kind, rows in ((TIME_SKIPPED_HOUR, placed.skipped), (TIME_MOVED, placed.moved)):
            if rows:
                self._report(kind, count=len(rows), first=text(rows[0]))
        if placed.by_order:
            days = np.unique(label[placed.by_order] // DAY)
            self._report(TIME_REPEATED_HOUR, count=len(days), first=text(placed.by_order[0])[:10])
        if placed.once:
            self._settle_once(placed, part, mine, series, label, text)

    def _settle_once(self, placed: Placed, part: Part, mine: Any, series: Ints, label: Ints, text: Any) -> None:
        """Decide whether the one value of the repeated hour is one hour or both."""
        value = part.value[mine]
        decided: dict[str, list[Once]] = {"lost": [], "summed": []}
        reason = "The mapping specifies this." if self.table.repeated_hour else "Its value is as usual for that hour."
        around: dict[Change, tuple[Ints, Ints]] = {}
        for once in placed.once:
            verdict: str | None = self.table.repeated_hour
            if verdict is None:
                if once.change not in around:
                    around[once.change] = _days_around(once.change, series, label)
                verdict = _lost_or_summed(once, value, series, label, around[once.change])
            if verdict is None:
                amount = float(np.nansum(value[once.rows]))
                self.ask(
                    "repeated_hour", "Does the repeated hour's one value contain one hour or both?", REPEATED_HOURS,
                    f"{text(int(once.rows[0]))[:10]} has 24 hours instead of 25, and its repeated hour ({amount:.6g}) "
                    "is neither about as high nor about twice as high as in the days around it",
                    int(part.row[mine][once.rows[0]]),
                )  # fmt: skip
                verdict = "lost"
            decided[verdict].append(once)
        if decided["summed"]:
            value = value.copy()
            for once in decided["summed"]:
                rows = once.rows
                value[rows[0]] = np.nansum(value[rows]) if not np.isnan(value[rows]).all() else np.nan
                placed.keep[rows[1:]] = False
                self._long[int(placed.start[rows[0]])] = 2 * (once.change.before - once.change.after)
            if isinstance(mine, slice):
                part.value = value
            else:
                part.value = part.value.copy()
                part.value[mine] = value
            if not self.table.repeated_hour:
                reason = "Its value is about twice as high as usual for that hour."
        for verdict, kind in (("lost", TIME_HOUR_LOST), ("summed", TIME_HOURS_SUMMED)):
            if decided[verdict] and not (
                verdict == "lost" and any(q.argument == "repeated_hour" for q in self.questions)
            ):
                days = {text(int(once.rows[0]))[:10] for once in decided[verdict]}
                self._report(kind, count=len(days), first=min(days), words={"reason": reason})

    def _given_ends(self, part: Part, instants: Ints, series: Ints, zones: list[str]) -> tuple[Ints, Ints]:
        """Return start and end from a column of ends.

        A local end has two candidates on a fall-back day. The right one is later than the start, and the interval is
        then nearest to the usual length.
        """
        end = np.zeros(len(part), dtype=np.int64)
        local = np.full(len(part), NEVER) if part.end is None else part.end
        label = part.label
        wall = np.where(local == NEVER, 0, local - label)
        positive = wall[wall > 0]
        distinct, counts = np.unique(positive, return_counts=True)
        usual = int(distinct[np.argmax(counts)]) if len(distinct) else HOUR
        clock = self.table.clock
        fixed = offset_minutes(clock) if clock else None
        for zone in dict.fromkeys(zones):
            mine = np.array([z == zone for z in zones])[series] if len(set(zones)) > 1 else np.ones(len(part), bool)
            if (
                clock in ("utc", "standard", "offset")
                or fixed is not None
                or not self._time_zone_matters(zone, part.label[mine])
            ):
                end[mine] = instants[mine] + np.where(wall[mine] > 0, wall[mine], usual)
                continue
            candidates = [
                to_utc(np.where(local[mine] == NEVER, label[mine] + usual, local[mine]), zone, second)
                for second in (None, np.ones(int(mine.sum()), dtype=bool))
            ]
            lengths = [c - instants[mine] for c in candidates]
            score = [np.where(x > 0, np.abs(x - usual), DAY * 10_000) for x in lengths]
            best = np.where(score[1] < score[0], lengths[1], lengths[0])
            best = np.where(best > 0, best, usual)
            # An interval of a usual length on the clock has that length: 01:45 to 02:00 is a quarter, although 02:00
            # is 75 minutes later if it is the first 01:45. A day is not: it has 23, 24 or 25 hours.
            plain = (wall[mine] == usual) & (usual < DAY // 2)
            end[mine] = instants[mine] + np.where(plain, usual, best)
        for at, length in self._long.items():
            end[instants == at] = at + length
        return instants, end

    @staticmethod
    def _time_zone_matters(zone: str, label: Ints) -> bool:
        return bool(len(label)) and bool(changes(zone, int(label.min()), int(label.max()) + 400 * DAY))

    def _measured_ends(self, part: Part, instants: Ints, series: Ints, zones: list[str]) -> tuple[Ints, Ints]:
        """Return start and end from one label and the length of the interval."""
        backward = self._ends_are_labels()
        interval = self.table.interval
        if not self.time_given:
            return self._day_ends(part, instants, series, zones)
        if isinstance(interval, int | float):
            length: Any = int(interval * MINUTE)
        elif isinstance(interval, Column):
            column = self.words(interval.column)
            length = self._readable(column.map([minutes_of(word) for word in column.words], np.int64)[part.row])
        elif self.table.is_wide:
            length = self._step
        else:
            length = self._measured(part, instants, series, backward)
        start, end = (instants - length, instants) if backward else (instants, instants + length)
        for at, long in self._long.items():
            end[instants == at] = at + long
        return start, end

    def _readable(self, length: Ints) -> Ints:
        """Return lengths of intervals from a column; a row without a readable length has that of most rows."""
        bad = length == 0
        if not bad.any():
            return length
        distinct, counts = np.unique(length[~bad], return_counts=True)
        usual = int(distinct[np.argmax(counts)]) if len(distinct) else HOUR
        self._report(INTERVAL_UNREADABLE, count=int(bad.sum()), minutes=usual / MINUTE)
        return np.where(bad, usual, length)

    def _measured(self, part: Part, instants: Ints, series: Ints, backward: bool) -> Ints:
        if backward:
            length, lone = intervals.lengths(-instants[::-1], -series[::-1])
            length, lone = length[::-1], -lone
        else:
            length, lone = intervals.lengths(instants, series)
        minutes = sorted({int(x) for x in np.unique(length[length > 0]).tolist()})
        if len(lone):
            alone = np.isin(series, lone)
            if minutes:
                usual = (
                    minutes[0]
                    if len(minutes) == 1
                    else int(np.bincount(np.searchsorted(minutes, length[length > 0])).argmax())
                )
                usual = usual if len(minutes) == 1 else minutes[usual]
                length[alone] = usual
                self._report(INTERVAL_UNKNOWN, count=int(alone.sum()), minutes=usual / MINUTE)
            else:
                self.ask(
                    "interval", "How long is an interval, in minutes?", ("15", "30", "60"),
                    "A row that is alone in its series does not show the length of its interval",
                    int(part.row[0]),
                )  # fmt: skip
                length[alone] = HOUR
        shown = [x // MINUTE if x % MINUTE == 0 else x / MINUTE for x in minutes]
        if len(minutes) == 1:
            self._report(INTERVAL_MEASURED, minutes=shown[0])
        elif len(minutes) > 1:
            self._report(INTERVAL_CHANGES, minutes=", ".join(map(str, shown[:8])))
        return np.asarray(length, dtype=np.int64)

    def _day_ends(self, part: Part, instants: Ints, series: Ints, zones: list[str]) -> tuple[Ints, Ints]:
        """Return the local days, or months, of rows that have a date only."""
        days = np.unique(part.label // DAY)
        step = np.diff(days)
        dates = days.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        if len(step) and (step >= 28).all() and (dates == months.astype("datetime64[D]")).all():
            after = (part.label.astype("datetime64[us]").astype("datetime64[M]") + 1).astype("datetime64[us]")
            label = after.astype(np.int64)
        else:
            label = part.label + DAY
            self._ask_day_start(part, zones)
        end = np.zeros(len(part), dtype=np.int64)
        for zone in dict.fromkeys(zones):
            mine = np.array([z == zone for z in zones])[series]
            end[mine] = to_utc(label[mine], zone)
        return instants, end

    def _ask_day_start(self, part: Part, zones: list[str]) -> None:
        """Ask when the days of gas in Europe begin: 06:00 is the gas day, and meters are also read at midnight."""
        units = {self._unit_of_name(name) for name in self.table.values}
        gas = self.table.commodity == "natural gas" or units & {"m3", "therm"}
        if self.asks_kind and gas and self.table.day_start is None and all(z.startswith("Europe/") for z in zones):
            self.ask(
                "day_start", "At which time do the days of the table begin?", ("00:00", "06:00"),
                "The rows are gas days, which begin at 06:00 in much of Europe", int(part.row[0]),
            )  # fmt: skip


def _days_around(change: Change, series: Ints, label: Ints) -> tuple[Ints, Ints]:
    """Return the rows of the days around a change of the clock, sorted by series, and the series of each."""
    day = change.window[0] // DAY * DAY
    rows = between(label, day - _NEIGHBOR_DAYS * DAY, day + (_NEIGHBOR_DAYS + 1) * DAY)
    rows = rows[np.argsort(series[rows], kind="stable")]
    return rows, series[rows]


def _lost_or_summed(once: Once, value: Floats, series: Ints, label: Ints, around: tuple[Ints, Ints]) -> str | None:
    """Return what the one value of a repeated hour is, from the same hour of the days around it; None if unclear.

    The value of one hour lies between the least and the most of its neighbors, and that of two hours between twice
    these. A value that fits one of the two only is decided.
    """
    here = float(np.nansum(value[once.rows]))
    if np.isnan(value[once.rows]).all():
        return "lost"
    a, b = once.change.window
    day = a // DAY
    own = series[once.rows[0]]
    mine = around[0][slice(*np.searchsorted(around[1], [own, own + 1]))]
    value, label = value[mine], label[mine]
    hour = (label % DAY >= a % DAY) & (label % DAY < a % DAY + (b - a))
    beside = ((label >= a - (b - a)) & (label < a)) | ((label >= b) & (label < b + (b - a)))
    sums = []
    for at in np.unique(label[hour] // DAY):
        if at != day:
            part = value[hour & (label // DAY == at)]
            sums.append(float(np.nansum(part)))
    for part in (beside & (label < a), beside & (label >= b)):
        if part.any():
            sums.append(float(np.nansum(value[part])))
    if here == 0 and all(s == 0 for s in sums):
        return "lost"  # nothing can be proven, and both ways have the same energy
    if len(sums) < 3:
        return None
    low, high = min(sums) * 0.9, max(sums) * 1.1
    one, both = low <= here <= high, low <= here / 2 <= high
    if one == both:
        return None
    return "lost" if one else "summed"
