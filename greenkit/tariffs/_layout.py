"""Bills, their segments, and the cell of each interval: what the rows of one meter are summed into.

A bill is a half-open span of UTC time. Its local dates fall into segments, which have one version and one season of
the plan each. A cell is (segment, time-of-use period). Rows are laid out once for a set of interval times, and meters
that share those times share the layout, so a second meter costs one ``bincount``.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.analysis.bills import tidy_bills
from greenkit.tariffs._calendar import DAY, ClockMap, CompiledSchedule, DateTable
from greenkit.tariffs._model import Energy, PlanError, Schedule, Wires
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._usage import MINUTE, Bools, Channel, Floats, Ints

DAY_US: Final = DAY * MINUTE


@dataclass(frozen=True)
class BillPeriod:
    """One bill: instants in microseconds since 1970 UTC, local dates as days since 1970.

    ``full`` is False for a calendar month of which the data has only a part.
    """

    name: str
    start: int
    end: int
    first: int
    days: int
    full: bool = True

    @property
    def last(self) -> int:
        """Last local date."""
        return self.first + self.days - 1

    def month(self) -> int:
        """Return the calendar month (1 to 12) that most days of the bill belong to; of equals the later one."""
        stamps = np.arange(self.first, self.first + self.days).astype("datetime64[D]").astype("datetime64[M]")
        found, counts = np.unique(stamps.astype(np.int64), return_counts=True)
        return int(found[::-1][counts[::-1].argmax()] % 12 + 1)


@dataclass(frozen=True)
class Segment:
    """The dates of a bill with one version and one season of the plan."""

    bill: int
    version: int
    season: str
    first: int
    days: int


# -- bills


@functools.lru_cache(maxsize=64)
def months(first: int, last: int, zone: str) -> tuple[BillPeriod, ...]:
    """Return the calendar months that data from one instant to another lie in, cut to the local days with data."""
    if last <= first:
        return ()
    wall = times.to_wall_clock(np.array([first, last - 1]), zone) // DAY_US
    number = wall.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    made = []
    for n in range(int(number[0]), int(number[1]) + 1):
        a, b = (int(np.datetime64(m, "M").astype("datetime64[D]").astype(np.int64)) for m in (n, n + 1))
        low, high = max(a, int(wall[0])), min(b, int(wall[1]) + 1)
        edges = times.midnights(np.array([low, high]).astype("datetime64[D]"), zone)
        name = str(np.datetime64(n, "M"))
        made.append(BillPeriod(name, int(edges[0]), int(edges[1]), low, high - low, (low, high) == (a, b)))
    return tuple(made)


def given(bills: pd.DataFrame | Sequence[Any], meter: str, zone: str) -> list[BillPeriod]:
    """Return the bills of a table or of a list of dates that belong to a meter.

    Raises
    ------
    PlanError
        If a bill has no start or end.
    """
    table = tidy_bills(bills, zone)
    table = table[table["meter"] == meter] if table["meter"].eq(meter).any() else table[table["meter"] == ""]
    table = table.drop_duplicates(["start", "end"]).sort_values(["start", "end"])
    if table[["start", "end"]].isna().any().any():
        raise PlanError("A bill has no start or no end", next_step="Set both dates of every bill.")
    made = []
    for start, end in zip(times.to_instants(table["start"]), times.to_instants(table["end"]), strict=True):
        if end > start:
            made.append(bill_period(int(start), int(end), zone))
    return made


def bill_period(start: int, end: int, zone: str) -> BillPeriod:
    """Return the bill from one instant to another."""
    a, b = (times.to_wall_clock(np.array([start, end]), zone) // DAY_US).tolist()
    shown = [str(np.datetime64(d, "D")) for d in (a, max(a, b - 1))]
    return BillPeriod(f"{shown[0]} – {shown[1]}", start, end, a, max(b - a, 1))


# -- segments


def segments(plan: Plan, bills: Sequence[BillPeriod]) -> list[Segment]:
    """Cut bills into segments by version and season; a bill with a day of no version has version -1 there."""
    if not bills:
        return []
    first, last = min(b.first for b in bills), max(b.last for b in bills)
    dates = plan.calendar.dates(first, last)
    made = []
    for i, bill in enumerate(bills):
        part = slice(bill.first - first, bill.first - first + bill.days)
        version, season = dates.version[part].copy(), dates.season[part].copy()
        if plan.change == "read" and version[-1] >= 0:
            version[:] = version[-1]
        if plan.season_by == "bill-end":
            season[:] = season[-1]
        elif plan.season_by == "more-days":
            season[:] = np.bincount(season).argmax()
        cut = np.flatnonzero(np.diff(version * 1000 + season)) + 1
        edges = [0, *cut.tolist(), bill.days]
        for a, b in itertools.pairwise(edges):
            name = plan.seasons[season[a]].name if plan.seasons else ""
            made.append(Segment(i, int(version[a]), name, bill.first + a, b - a))
    return made


def wires_of(plan: Plan, version: int, date: int, last: int) -> Wires | None:
    """Return the delivery charges of a date; with ``change = "read"`` those of the last day of its bill.

    Raises
    ------
    KeyError
        With the date, if a dated table has no charges for it.
    """
    wires = plan.terms[version].wires
    if wires is None or wires.table is None:
        return wires
    table = next(t for t in plan.tables if t.name == wires.table)
    day = np.datetime64(last if wires.change == "read" else date, "D").item()
    held = [w for d, w in table.rows if d <= day]
    if not held:
        raise KeyError(day)
    return held[-1]


def wires_changes(plan: Plan, segment: Segment) -> list[Segment]:
    """Cut a segment at the dates on which a dated table of delivery charges changes."""
    wires = plan.terms[segment.version].wires if segment.version >= 0 else None
    if wires is None or wires.table is None or wires.change == "read":
        return [segment]
    table = next(t for t in plan.tables if t.name == wires.table)
    days = [int(np.datetime64(d, "D").astype(np.int64)) for d, _ in table.rows]
    edges = [segment.first, *(d for d in days if segment.first < d < segment.first + segment.days)]
    edges.append(segment.first + segment.days)
    return [Segment(segment.bill, segment.version, segment.season, a, b - a) for a, b in itertools.pairwise(edges)]


# -- cells


@dataclass(frozen=True, eq=False)
class Rows:
    """Intervals, or pieces of them, that lie in bills; arrays of one length.

    Parameters
    ----------
    source : array of int64
        Row of the channel that the piece comes from.
    share : array of float64, optional
        Share of the interval's energy; ``None``: every row is a whole interval.
    first : array of bool, optional
        Where the row is the first piece of its interval, which counts it.
    start : array of int64
        Start of the piece, microseconds since 1970 UTC.
    bill, segment : array of int64
        Which bill and segment it lies in.
    klass, minute : array of int64
        Kind of its date, and its local time.
    """

    source: Ints
    share: Floats | None
    first: Bools | None
    start: Ints
    end: Ints
    bill: Ints
    segment: Ints
    date: Ints
    klass: Ints
    minute: Ints


class Layout:
    """The intervals of one channel laid out on bills and periods."""

    def __init__(
        self,
        plan: Plan,
        channel: Channel,
        zone: str,
        bills: Sequence[BillPeriod],
        parts: Sequence[Segment],
        *,
        step: int | None = None,
    ) -> None:
        self.plan, self.channel, self.zone, self.bills, self.parts = plan, channel, zone, bills, parts
        self.offset = _standard_offset(zone, channel) if plan.clock == "standard" else None
        self.maps = self._schedules()
        steps = [m.clock.step for m in self.maps if m.clock.by_hour] if step is None else [step]
        self.step = int(np.gcd.reduce(steps)) if steps else None
        self.by_day = any(m.clock.by_day or m.clock.by_month for m in self.maps) or _tiers_by_day(plan)
        self.dates: DateTable = plan.calendar.dates(*self._span())
        self.rows = self._lay(channel.start, channel.end)
        self._cells: dict[int, Ints] = {}
        self._expected: dict[int, Ints] = {}

    def _span(self) -> tuple[int, int]:
        if not self.bills:
            return 0, 0
        # one day more at both ends: a standard clock may show another date
        return min(b.first for b in self.bills) - 1, max(b.last for b in self.bills) + 1

    def _schedules(self) -> list[CompiledSchedule]:
        calendar, found = self.plan.calendar, []
        for one in self.plan.terms:
            held: list[Energy | None] = [one.energy, one.wires.energy if one.wires else None]
            held += [w.energy for t in self.plan.tables for _, w in t.rows]
            found += [calendar.schedule(s) for e in held if e for _, s in e.seasons]
            if one.export and isinstance(one.export.price, Schedule):
                found.append(calendar.schedule(one.export.price))
        return found

    @cached_property
    def coarse(self) -> bool:
        """Whether intervals of a day or longer would have to be split by time of use."""
        longest = int((self.channel.end - self.channel.start).max()) if len(self.channel) else 0
        limit = 23 * 60 * MINUTE if self.step else 25 * 60 * MINUTE if self.by_day else None
        return limit is not None and (longest >= limit if self.step else longest > limit)

    def _wall(self, instants: Ints) -> Ints:
        return instants + self.offset if self.offset is not None else times.to_wall_clock(instants, self.zone)

    def _lay(self, start: Ints, end: Ints, edges: Ints | None = None) -> Rows:
        """Cut intervals where a bill, a segment, or a period may change, and place them."""
        edges = self._edges() if edges is None else edges
        source = np.arange(len(start))
        wall = self._wall(start)
        pieces = [(source, start, end, wall)]
        share: Floats | None = None
        first: Bools | None = None
        done: list[tuple[Ints, Ints, Ints, Ints]] = []
        rounds = 0
        while pieces:
            source, a, b, wall = pieces.pop()
            cut = self._next_cut(a, wall, edges)
            whole = cut >= b
            if whole.all() and not done:
                done.append((source, a, b, wall))
                break
            done.append((source, a, np.minimum(cut, b), wall))
            rest = ~whole
            if rest.any():
                pieces.append((source[rest], cut[rest], b[rest], self._wall(cut[rest])))
            rounds += 1
            if rounds > 20_000:
                raise PlanError(
                    "The intervals are too long to be split by the plan's times", next_step="Use finer data."
                )
        if len(done) > 1:
            source, a, b, wall = (np.concatenate([d[i] for d in done]) for i in range(4))
            order = np.argsort(a, kind="stable")
            source, a, b, wall = source[order], a[order], b[order], wall[order]
            share = (b - a) / np.maximum(end - start, 1)[source]
            first = np.zeros(len(source), dtype=bool)
            first[np.unique(source, return_index=True)[1]] = True
        else:
            source, a, b, wall = done[0] if done else (source, start, end, wall)
        return self._place(source, share, first, a, b, wall)

    def _next_cut(self, at: Ints, wall: Ints, edges: Ints) -> Ints:
        cut = np.append(edges, np.iinfo(np.int64).max)[np.searchsorted(edges, at, side="right")]
        if self.step:
            step = self.step * MINUTE
            cut = np.minimum(cut, at + step - wall % step)
        return cut

    def _edges(self) -> Ints:
        """Return the instants at which no interval may go on: bounds of bills and segments, or every midnight."""
        bounds = [b.start for b in self.bills] + [b.end for b in self.bills]
        inner = [s.first for s in self.parts]
        if self.by_day and self.bills and not self.step:
            low, high = self._span()
            inner = list(range(low, high + 1))
        at: Any = times.midnights(np.array(inner, dtype=np.int64).astype("datetime64[D]"), self.zone) if inner else []
        return np.unique(np.concatenate([np.array(bounds, dtype=np.int64), np.asarray(at, dtype=np.int64)]))

    def _place(self, source: Ints, share: Floats | None, first: Bools | None, a: Ints, b: Ints, wall: Ints) -> Rows:
        low = np.searchsorted(a, [x.start for x in self.bills])
        high = np.searchsorted(a, [x.end for x in self.bills])
        if len(self.bills) and low[0] == 0 and high[-1] == len(a) and (low[1:] == high[:-1]).all():
            take: Any = slice(None)
        else:
            take = np.concatenate([np.arange(x, y) for x, y in zip(low, high, strict=True)] or [np.zeros(0, int)])
        bill = np.repeat(np.arange(len(self.bills)), high - low)
        a, b, wall, source = a[take], b[take], wall[take], source[take]
        share = share[take] if share is not None else None
        first = first[take] if first is not None else None
        date = wall // DAY_US
        # the date that a segment goes by is the local one, whatever clock the periods go by
        local = date if self.offset is None else times.to_wall_clock(a, self.zone) // DAY_US
        starts = np.array([s.first for s in self.parts], dtype=np.int64)
        owner = np.array([s.bill for s in self.parts], dtype=np.int64)
        segment = np.searchsorted(owner * 10**8 + starts, bill * 10**8 + local, side="right") - 1
        lowest = np.searchsorted(owner, np.arange(len(self.bills)))
        segment = np.maximum(segment, lowest[bill]) if len(bill) else segment
        klass = self.dates.klass[np.clip(date - self.dates.first, 0, len(self.dates.month) - 1)]
        return Rows(source, share, first, a, b, bill, segment, date, klass, (wall % DAY_US) // MINUTE)

    def period(self, schedule: Schedule) -> Ints:
        """Return the period of each row in a schedule."""
        return np.asarray(self.plan.calendar.schedule(schedule).clock.at(self.rows.klass, self.rows.minute), np.int64)

    def inside(self, clock: ClockMap) -> Bools:
        """Return which rows a set of times contains."""
        return np.asarray(clock.at(self.rows.klass, self.rows.minute) >= 0)

    def cell(self, schedules: Sequence[Schedule]) -> tuple[Ints, int]:
        """Return the cell (segment × width + period) of each row; ``schedules`` are those of the segments."""
        width = max((len(s.periods) for s in schedules), default=1)
        key = hash((width, tuple(id(s) for s in schedules)))
        if key not in self._cells:
            self._cells[key] = self._cell_of(self.rows, schedules, width)
        return self._cells[key], width

    def _cell_of(self, rows: Rows, schedules: Sequence[Schedule], width: int) -> Ints:
        cell = rows.segment * width
        if width == 1:
            return cell
        distinct = {id(s): s for s in schedules}
        which = np.array([list(distinct).index(id(s)) for s in schedules], dtype=np.int64)[rows.segment]
        for i, schedule in enumerate(distinct.values()):
            mine: Any = slice(None) if len(distinct) == 1 else which == i
            clock = self.plan.calendar.schedule(schedule).clock
            cell[mine] += clock.at(rows.klass[mine], rows.minute[mine])
        return cell

    @cached_property
    def _edges_of(self) -> tuple[Ints, Ints]:
        """Return where the rows of each bill, and of each segment, begin and end: rows are in the order of both."""
        bills, parts = np.arange(len(self.bills) + 1), np.arange(len(self.parts) + 1)
        return np.searchsorted(self.rows.bill, bills), np.searchsorted(self.rows.segment, parts)

    def by_bill(self, energy: Floats) -> Floats:
        """Return the sum of the rows of each bill."""
        return _run_sums(energy, self._edges_of[0])

    def by_segment(self, energy: Floats) -> Floats:
        """Return the sum of the rows of each segment."""
        return _run_sums(energy, self._edges_of[1])

    def values(self, value: Floats) -> Floats:
        """Return the energy of each row; 0 where there is no value."""
        rows = self.rows
        taken = value[rows.source] if rows.share is not None or len(rows.source) != len(value) else value
        taken = taken if rows.share is None else taken * rows.share
        return np.nan_to_num(taken) if not np.isfinite(taken).all() else taken

    def counts(self, mask: Bools | None) -> Floats | None:
        """Return 1 for each row that counts as an interval, by a mask of the channel; ``None``: all of them do."""
        rows = self.rows
        counted = mask[rows.source] if mask is not None else None
        if rows.first is not None:
            counted = rows.first if counted is None else counted & rows.first
        return counted.astype(np.float64) if counted is not None else None

    def expected(self, schedules: Sequence[Schedule]) -> Ints:
        """Return the number of intervals that each cell should contain: those that are present, and those in gaps."""
        cell, width = self.cell(schedules)
        key = hash((width, tuple(id(s) for s in schedules)))
        if key not in self._expected:
            size = len(self.parts) * width
            counted = self.counts(None)
            made = np.bincount(cell, counted, size).astype(np.int64)
            missing = self._missing_rows
            if missing is not None:
                where = self._cell_of(missing, schedules, width)
                first = missing.first.astype(np.float64) if missing.first is not None else None
                made = made + np.bincount(where, first, size).astype(np.int64)
            self._expected[key] = made
        return self._expected[key]

    @cached_property
    def _missing_rows(self) -> Rows | None:
        """Return the layout of the intervals of the usual length that would fill the gaps of the bills."""
        length = self.channel.length
        if not length or not self.bills:
            return None
        start, end = self.channel.start, np.maximum.accumulate(self.channel.end)
        low, high = min(b.start for b in self.bills), max(b.end for b in self.bills)
        gap_start = np.concatenate([[min(low, start[0])], end])
        gap_end = np.concatenate([start, [max(high, end[-1])]])
        gap_start, gap_end = np.maximum(gap_start, low), np.minimum(gap_end, high)
        count = np.maximum(np.round((gap_end - gap_start) / length), 0).astype(np.int64)
        if not count.any():
            return None
        first = np.cumsum(count) - count
        step = np.arange(count.sum()) - np.repeat(first, count)
        a = np.repeat(gap_start, count) + step * length
        return self._lay(a, a + length)


def _run_sums(energy: Floats, edges: Ints) -> Floats:
    """Return the sum of each run of rows: run i is ``energy[edges[i] : edges[i + 1]]``, and may be empty."""
    made = np.zeros(len(edges) - 1)
    some = edges[1:] > edges[:-1]
    if some.any():
        made[some] = np.add.reduceat(energy, edges[:-1][some])
    return made


def _tiers_by_day(plan: Plan) -> bool:
    return any(s.pool == "day" for t in plan.terms for e in (t.energy,) if e for _, s in e.seasons)


def _standard_offset(zone: str, channel: Channel) -> int:
    """Return the offset of standard time, the smaller one of the year's, in microseconds."""
    if not len(channel):
        return 0
    year = pd.Timestamp(int(channel.start[0]), unit="us").year
    at = np.array([pd.Timestamp(year, m, 1).value // 1000 for m in range(1, 13)], dtype=np.int64)
    return int((times.to_wall_clock(at, zone) - at).min())
