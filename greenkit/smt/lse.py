"""LSE, the LodeStar Enhanced format: what TDSPs send to ERCOT and SMT, and SMT sends on.

    00000001,10000000000000017,4,20240701000000,20240701235959,Y,N   id, channel, start, stop, DST, invalid flag
    00000002,,,,,,,900,01,,,,                                        seconds per interval, unit of measure, …
    00000003,                                                        descriptor
    00000004,20240702063000,M                                        time stamp of this version, origin
    10000000,0.207,A,,0.778,A,,0.711,A,,                             value, status, time of each interval, repeated

One record is header 1 to 4 and its detail rows; records follow each other. Sources: ERCOT Retail Market Guide,
section 9, appendix G; LSE File Definition, version 04. An interval's start is the record's start and so many
intervals in real time, so the days of change have 92 and 100.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit import days
from greenkit.days import US
from greenkit.smt import codes, lse_headers, stamps
from greenkit.smt.blocks import Blocks, Store, blocks_of
from greenkit.smt.codes import KWH, STEP, ZONE
from greenkit.smt.lse_headers import Span, header_2, span, time_stamp
from greenkit.smt.lse_rows import Lines
from greenkit.smt.notes import Notes
from greenkit.sources import Source
from greenkit.text import Advance, decode, read_pieces

Ints = npt.NDArray[Any]

FIRST_DETAIL: Final = 10_000_000

_RECORD: Final = b"\n00000001"
_DAY: Final = 86400 * US


def read(source: Source, store: Store, notes: Notes, advance: Advance, register: Callable[..., object]) -> None:
    """Read one file into the store; ``register`` takes the meter readings of header 2, where there are any."""
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance, cut=_RECORD):
            records = _Records(Lines(piece, source.name, store, notes), store, source.name)
            records.read_headers(register)
            if records.meter:
                store.add(records.lay(), records.lines.value, records.lines.code)


@dataclass
class _Records:
    """The records of a piece: their headers as columns, and how their intervals are laid on the UTC line."""

    lines: Lines
    store: Store
    file: str
    meter: list[int] = field(default_factory=list)
    channel: list[int] = field(default_factory=list)
    unit: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    revision: list[int] = field(default_factory=list)
    span: list[Span | None] = field(default_factory=list)

    @cached_property
    def timed(self) -> list[int]:
        """The triplets that carry a time, in order."""
        return list(self.lines.times)

    def read_headers(self, register: Callable[..., object]) -> None:
        """Read header 1, 2 and 4 of each record; the descriptor of header 3 says nothing of the readings."""
        headers = [self.lines.headers(kind) for kind in (1, 2, 4)]
        for line, one, two, four in zip(self.lines.first, *headers, strict=True):
            self._header(line, one, two, four, register)

    def _header(self, line: int, one: bytes, two: bytes, four: bytes, register: Callable[..., object]) -> None:
        name, channel, start, stop, dst, invalid = (decode(one).split(",") + [""] * 6)[1:7]
        said = header_2(two)
        when = span(start, stop, dst, said.step or STEP)
        found = lse_headers.channel(channel)
        made = time_stamp(four)
        where = f"{name} from {start}"
        for name_of_note, doubtful, example in (
            ("smt.lse.interval", said.step is None, decode(two)),
            ("smt.lse.multiplier", said.scaled, f"{decode(two)} of {where}"),
            ("smt.flow.other", self._is_new(found), found.flow),
            ("smt.unit.other", said.unit != KWH, f"{said.unit} of {where}"),
            ("smt.lse.invalid", invalid.strip().upper() == "Y", where),
            ("smt.revision.unreadable", made is None, f"{decode(four)} of {where}"),
        ):
            if doubtful:
                self.lines.note(name_of_note, example, line=line)
        self.meter.append(self.store.meters[name])
        self.channel.append(self.store.channels[found])
        self.unit.append(self.store.units[said.unit])
        self.step.append(said.step or STEP)
        self.revision.append(stamps.NEVER if made is None else made)
        self.span.append(when if name else None)
        if said.readings and when:
            register(meter=name, channel=found, day=when.day, source=self.file, unit=said.unit, **said.readings)

    def _is_new(self, channel: codes.Channel) -> bool:
        return channel not in self.store.channels and channel not in (codes.LOAD, codes.GENERATION)

    def lay(self) -> Blocks:
        """Lay the intervals of each record: in bulk where it is one whole local day, else one record at a time."""
        lines, n = self.lines, len(self.meter)
        rows = np.bincount(lines.record, weights=lines.count, minlength=n).astype(np.int64)
        first = np.cumsum(rows) - rows
        revision = stamps.instants(np.array(self.revision, dtype=np.int64))
        unordered = self._unordered(n)
        usual = np.array([_is_one_day(*one) for one in zip(self.span, self.step, rows.tolist(), strict=True)])
        usual &= ~unordered
        usual[lines.record[lines.row[list(lines.times)]]] = False
        spans = [s for s, ok in zip(self.span, usual, strict=True) if ok and s]
        columns = {
            "meter": np.array(self.meter)[usual],
            "channel": np.array(self.channel)[usual],
            "unit": np.array(self.unit)[usual],
            "source": self.store.sources[self.file],
            "day": [s.day for s in spans],
            "length": [s.length for s in spans],
            "start": [s.start for s in spans],
            "step": np.array(self.step)[usual] * US,
            "revision": revision[usual],
            "first": first[usual],
            "rows": rows[usual],
        }
        parts = [blocks_of(columns, len(spans))]
        for i in np.flatnonzero(~usual).tolist():
            parts.append(self._unusual(i, int(first[i]), int(rows[i]), int(revision[i]), bool(unordered[i])))
        return np.concatenate(parts)

    def _unordered(self, n: int) -> npt.NDArray[np.bool_]:
        """Tell the records whose sort codes do not run 10000000, 10000001 and so on."""
        record = self.lines.record
        begin = np.append(True, record[1:] != record[:-1])
        at = np.arange(len(record))
        expected = FIRST_DETAIL + at - np.maximum.accumulate(np.where(begin, at, 0))
        out = np.zeros(n, dtype=bool)
        out[record[self.lines.sort_code != expected]] = True
        return out

    def _unusual(self, i: int, first: int, rows: int, revision: int, unordered: bool) -> Blocks:
        """Lay one record that is no plain day: several days, explicit times, gaps, or a wrong number of intervals."""
        when, step, note = self.span[i], self.step[i] * US, self.lines.note
        meter = self.store.meters.word(self.meter[i])
        name = f"{meter} {self.store.channels.word(self.channel[i]).flow}"
        if when is None:
            what = f"header 1 of {name if meter else 'no ESI ID'}, and so its {rows} intervals"
            note("smt.row.unreadable", what, line=self.lines.first[i])
            return blocks_of({}, 0)
        name = f"{np.datetime64(when.day, 'D')} of {name}"
        if not rows:
            note("smt.lse.no-details", name)
            return blocks_of({}, 0)
        place = np.arange(rows)
        if unordered:
            note("smt.lse.sort-code", name)
            place = self._places_by_sort_code(i, rows, when, step)
        start = self._explicit(when.start + place * step, first, step, when.fixed)
        if when.stop is None:
            note("smt.lse.stop", name)
        elif rows * step != when.stop - when.start:
            note("smt.lse.count", f"{name}: {rows} instead of {(when.stop - when.start) / step:g}")
        inside = start < when.limit
        if not inside.all():
            kwh = float(np.nansum(self.lines.value[first : first + rows][~inside]))
            note("smt.lse.beyond", name, n=int(np.count_nonzero(~inside)), kwh=kwh)
        return self._runs(i, start[inside], first + np.flatnonzero(inside), step, revision, when.fixed)

    def _places_by_sort_code(self, i: int, rows: int, when: Span, step: int) -> Ints:
        """Leave room for detail rows that are lost, where rows are equally long and the gap makes the count right."""
        mine = self.lines.record == i
        count, number = self.lines.count[mine], self.lines.sort_code[mine] - FIRST_DETAIL
        width = int(count[0])
        room = int(number[-1]) * width + int(count[-1])
        even = bool((count[:-1] == width).all() and (np.diff(number) > 0).all() and number[0] >= 0)
        if not even or when.stop is None or room * step != when.stop - when.start:
            return np.arange(rows)
        return np.concatenate([n * width + np.arange(k) for n, k in zip(number, count, strict=True)])

    def _explicit(self, start: Ints, first: int, step: int, fixed: bool) -> Ints:
        """Honour the times that intervals carry; those after one follow it."""
        until = first + len(start)
        given = self.timed[bisect_left(self.timed, first) : bisect_left(self.timed, until)]
        for i, to in zip(given, [*given, until][1:], strict=True):
            text = decode(self.lines.times[i]).strip()
            local = stamps.stamp(text)
            if local is None:
                self.lines.note("smt.lse.time", repr(text[:40]), triplet=i)
                continue
            k = i - first
            at = stamps.instant(local, fixed=fixed)
            if k and at <= start[k - 1]:  # the second of two equal clock times
                at = stamps.instant(local, fold=1, fixed=fixed)
            start[k : to - first] = at + step * np.arange(to - i)
        return start

    def _runs(self, i: int, start: Ints, place: Ints, step: int, revision: int, fixed: bool) -> Blocks:
        """Cut a record's intervals into blocks that follow each other within one local day."""
        if fixed:
            day = (start + codes.STANDARD * US) // _DAY
        else:
            day = days.local_dates(days.times(start, ZONE)).astype(np.int64)
        go_on = (day[1:] == day[:-1]) & (start[1:] == start[:-1] + step) & (place[1:] == place[:-1] + 1)
        begin = np.flatnonzero(~np.append(False, go_on)) if len(start) else np.empty(0, dtype=np.int64)
        columns = {
            "meter": self.meter[i],
            "channel": self.channel[i],
            "unit": self.unit[i],
            "source": self.store.sources[self.file],
            "day": day[begin],
            "length": [stamps.day_seconds(int(d), fixed=fixed) for d in day[begin]],
            "start": start[begin],
            "step": step,
            "revision": revision,
            "first": place[begin],
            "rows": np.diff(begin, append=len(start)),
        }
        return blocks_of(columns, len(begin))


def _is_one_day(when: Span | None, step: int, rows: int) -> bool:
    """Tell whether the intervals fill the record's time, and that is within one local day."""
    if when is None or when.stop is None or not rows:
        return False
    return when.stop - when.start == rows * step * US and when.stop <= when.limit <= when.start + when.length * US
