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

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit import days
from greenkit.days import US
from greenkit.smt import codes, lse_headers, stamps
from greenkit.smt.blocks import Blocks, Store, blocks_of
from greenkit.smt.codes import KWH, STEP, ZONE
from greenkit.smt.lse_headers import Span, header_2, span, time_stamp
from greenkit.smt.notes import Notes
from greenkit.smt.text import Advance, decimals, decode, number, pieces
from greenkit.sources import Source

Ints = npt.NDArray[Any]

FIRST_DETAIL: Final = 10_000_000

_RECORD: Final = b"\n00000001"
_DAY: Final = 86400 * US
_CODE_1: Final = int.from_bytes(b"00000001", "big")


def read(source: Source, store: Store, notes: Notes, advance: Advance, register: Callable[..., object]) -> None:
    """Read one file into the store; ``register`` takes the meter readings of header 2, where there are any."""
    place = store.sources[source.name]
    for piece, line in pieces(source, advance, cut=_RECORD):
        _Piece(_tight(piece), line, store, place, notes, register).read()


def _tight(piece: bytes) -> bytes:
    """Take away quotes, and blanks around commas."""
    for needless in (b'"', b"\t"):
        if needless in piece:
            piece = piece.replace(needless, b"")
    return re.sub(rb" *([,\n]) *", rb"\1", piece) if b" " in piece else piece


@dataclass
class _Records:
    """The headers of a piece's records, as columns."""

    meter: list[int] = field(default_factory=list)
    channel: list[int] = field(default_factory=list)
    unit: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    revision: list[int] = field(default_factory=list)
    span: list[Span | None] = field(default_factory=list)
    line: list[int] = field(default_factory=list)


class _Piece:
    """One piece of whole records; only the first may lack the headers that stood before it."""

    def __init__(
        self, text: bytes, line: int, store: Store, source: int, notes: Notes, register: Callable[..., object]
    ) -> None:
        self._text, self._line, self._store, self._source = text, line, store, source
        self._notes, self._register, self._file = notes, register, store.sources.word(source)

    def read(self) -> None:
        self._classify()
        self._triplets()
        self._headers()
        self._lay()

    def _classify(self) -> None:
        """Tell each line by its sort code: 1 to 4 header, 5 detail, 0 blank, 6 neither."""
        self._bytes = np.frombuffer(self._text + b"\n" * 8, dtype=np.uint8)
        self._ends = np.flatnonzero(self._bytes[: len(self._text)] == 10)
        self._starts = np.append(0, self._ends[:-1] + 1)
        heads = self._bytes[self._starts[:, None] + np.arange(8)]
        header = heads.view(">u8")[:, 0] - np.uint64(_CODE_1)
        digits = (heads - np.uint8(48) <= 9).all(axis=1)
        self._kind = np.full(len(heads), 6, dtype=np.int8)
        self._kind[header < 4] = header[header < 4] + 1
        self._kind[digits & (heads[:, 0] > 48)] = 5
        self._kind[self._ends == self._starts] = 0
        follows = self._bytes[np.minimum(self._starts + 8, len(self._bytes) - 1)]
        self._kind[(self._kind > 0) & (follows != 44) & (follows != 10)] = 6
        self._record = np.cumsum(self._kind == 1) - 1
        self._sort_codes = (heads - np.uint8(48)).astype(np.int64) @ 10 ** np.arange(7, -1, -1)
        for i in np.flatnonzero((self._kind == 6) | ((self._record < 0) & (self._kind > 0))):
            name = "smt.row.unreadable" if self._kind[i] == 6 else "smt.lse.orphan"
            self._notes.add(name, repr(self._line_text(int(i))[:40]), file=self._file, line=self._line + int(i))
        self._kind[self._record < 0] = 0

    def _line_text(self, i: int) -> str:
        return decode(self._text[self._starts[i] : self._ends[i]])

    def _triplets(self) -> None:
        """Read value, status and time of each interval in all detail rows at once."""
        body = self._bytes[: len(self._text)]
        marks = np.flatnonzero((body == 44) | (body == 10))  # each ends a field
        last = np.flatnonzero(body[marks] == 10)
        details = np.flatnonzero(self._kind == 5)
        line_first = np.append(-1, last[:-1])[details] + 1
        line_last = last[details]
        fields = line_last - line_first  # without the sort code
        dangling = (fields % 3 == 1) & (marks[line_last] - marks[np.maximum(line_last - 1, 0)] == 1)
        count = (fields + 2) // 3 - dangling
        self._details, self._count = details, count
        before = np.cumsum(count) - count
        self._rows = int(count.sum())
        self._line_of = np.repeat(np.arange(len(details)), count)
        value = np.repeat(line_first + 1 - 3 * before, count) + 3 * np.arange(self._rows)
        final = np.repeat(line_last, count)
        self._value, odd = decimals(body, marks[value - 1] + 1, marks[value])
        for i in np.flatnonzero(odd):
            self._value[i] = self._odd_value(body[marks[value[i] - 1] + 1 : marks[value[i]]].tobytes(), int(i))
        status = np.minimum(value + 1, final)
        begin, width = marks[value] + 1, marks[status] - marks[value] - 1
        self._code = self._statuses(body, begin, np.where(value < final, width, 0))
        time = np.minimum(value + 2, final)
        width = np.where(value + 1 < final, marks[time] - marks[status] - 1, 0)
        self._times = {int(i): body[marks[status[i]] + 1 : marks[time[i]]].tobytes() for i in np.flatnonzero(width > 0)}

    def _odd_value(self, raw: bytes, i: int) -> float:
        text = decode(raw).strip()
        if not text:
            return np.nan
        value = number(text)
        if value is not None:
            return value
        line = self._line + int(self._details[self._line_of[i]])
        self._notes.add("smt.value.unreadable", repr(text[:40]), file=self._file, line=line)
        return np.nan

    def _statuses(self, body: Ints, begin: Ints, width: Ints) -> npt.NDArray[np.uint8]:
        letters = np.where(width == 1, body[np.minimum(begin, len(body) - 1)], 0)
        lookup = np.full(256, self._store.codes[codes.NORMAL], dtype=np.uint8)
        for letter in np.flatnonzero(np.bincount(letters, minlength=256)[1:]) + 1:
            lookup[letter] = self._store.code(decode(bytes([letter])))
        numbers = lookup[letters]
        for i in np.flatnonzero(width > 1):
            numbers[i] = self._store.code(decode(body[begin[i] : begin[i] + width[i]].tobytes()))
        return numbers

    def _headers(self) -> None:
        """Read header 1 to 4 of each record."""
        self._records = _Records()
        lines = [self._lines_of(kind) for kind in (1, 2, 4)]
        for line, one, two, four in zip(np.flatnonzero(self._kind == 1).tolist(), *lines, strict=True):
            self._header(one, two, four, self._line + line)

    def _lines_of(self, kind: int) -> list[bytes]:
        """Give the header line of one kind of each record; empty where a record has none."""
        which = np.flatnonzero(self._kind == kind)
        out = [b""] * (int(self._record[-1]) + 1)
        places = zip(
            self._record[which].tolist(), self._starts[which].tolist(), self._ends[which].tolist(), strict=True
        )
        for record, start, end in places:
            out[record] = self._text[start:end]
        return out

    def _header(self, one: bytes, two: bytes, four: bytes, line: int) -> None:
        name, channel, start, stop, dst, invalid = (decode(one).split(",") + [""] * 6)[1:7]
        step, unit, readings = header_2(two)
        if step is None:
            self._notes.add("smt.lse.interval", decode(two), file=self._file, line=line)
            step = STEP
        records, store = self._records, self._store
        when = span(start, stop, dst, step)
        where = f"{name} from {start}"
        found = lse_headers.channel(channel)
        if found not in store.channels and found not in (codes.LOAD, codes.GENERATION):
            self._notes.add("smt.flow.other", found.flow, file=self._file, line=line)
        if unit != KWH:
            self._notes.add("smt.unit.other", f"{unit} of {where}", file=self._file, line=line)
        if invalid.strip().upper() == "Y":
            self._notes.add("smt.lse.invalid", where, file=self._file, line=line)
        records.meter.append(store.meters[name])
        records.channel.append(store.channels[found])
        records.unit.append(store.units[unit])
        records.step.append(step)
        records.revision.append(time_stamp(four))
        records.span.append(when if name else None)
        records.line.append(line)
        if readings and when:
            self._register(meter=name, channel=found, day=when.day, source=self._file, unit=unit, **readings)

    def _lay(self) -> None:
        """Lay the intervals of each record: in bulk where it is one whole local day, else one record at a time."""
        r = self._records
        n = len(r.meter)
        if not n:
            return
        of_line = self._record[self._details]
        rows = np.bincount(of_line, weights=self._count, minlength=n).astype(np.int64)
        first = np.cumsum(rows) - rows
        revision = stamps.instants(np.array(r.revision, dtype=np.int64))
        usual = np.array([_is_one_day(s, step, k) for s, step, k in zip(r.span, r.step, rows.tolist(), strict=True)])
        unordered = self._unordered(of_line, n)
        usual &= ~unordered
        usual[[int(of_line[self._line_of[i]]) for i in self._times]] = False
        spans = [s for s, ok in zip(r.span, usual, strict=True) if ok and s]
        columns = {
            "meter": np.array(r.meter)[usual],
            "channel": np.array(r.channel)[usual],
            "unit": np.array(r.unit)[usual],
            "source": self._source,
            "day": [s.day for s in spans],
            "length": [s.length for s in spans],
            "start": [s.start for s in spans],
            "step": np.array(r.step)[usual] * US,
            "revision": revision[usual],
            "first": first[usual],
            "rows": rows[usual],
        }
        parts = [blocks_of(columns, len(spans))]
        for i in np.flatnonzero(~usual):
            parts.append(self._unusual(int(i), int(first[i]), int(rows[i]), int(revision[i]), bool(unordered[i])))
        self._store.add(np.concatenate(parts), self._value, self._code)

    def _unordered(self, of_line: Ints, n: int) -> npt.NDArray[np.bool_]:
        """Tell the records whose sort codes do not run 10000000, 10000001 and so on."""
        begin = np.append(True, of_line[1:] != of_line[:-1])
        at = np.arange(len(of_line))
        expected = FIRST_DETAIL + at - np.maximum.accumulate(np.where(begin, at, 0))
        out = np.zeros(n, dtype=bool)
        out[of_line[self._sort_codes[self._details] != expected]] = True
        return out

    def _unusual(self, i: int, first: int, rows: int, revision: int, unordered: bool) -> Blocks:
        """Lay one record that is no plain day: several days, explicit times, gaps, or a wrong number of intervals."""
        r = self._records
        when, step = r.span[i], r.step[i] * US
        name = f"{self._store.meters.word(r.meter[i])} {self._store.channels.word(r.channel[i]).flow}"
        if when is None:
            what = f"header 1 of {name or 'no id'}, and so its {rows} intervals"
            self._notes.add("smt.row.unreadable", what, file=self._file, line=r.line[i])
            return blocks_of({}, 0)
        name = f"{np.datetime64(when.day, 'D')} of {name}"
        if not rows:
            self._notes.add("smt.lse.no-details", name, file=self._file)
            return blocks_of({}, 0)
        place = np.arange(rows)
        if unordered:
            self._notes.add("smt.lse.sort-code", name, file=self._file)
            place = self._places_by_sort_code(i, rows, when, step)
        start = self._explicit(when.start + place * step, first, rows, step, when.fixed)
        if when.stop is None:
            self._notes.add("smt.lse.stop", name, file=self._file)
        elif rows * step != when.stop - when.start:
            expected = (when.stop - when.start) / step
            self._notes.add("smt.lse.count", f"{name}: {rows} instead of {expected:g}", file=self._file)
        beyond = start >= when.limit
        if beyond.any():
            lost = self._value[first : first + rows][beyond]
            kwh = float(np.nansum(lost))
            self._notes.add("smt.lse.beyond", name, n=int(beyond.sum()), file=self._file, kwh=kwh)
        return self._runs(i, start[~beyond], first + np.flatnonzero(~beyond), step, revision, when.fixed)

    def _places_by_sort_code(self, i: int, rows: int, when: Span, step: int) -> Ints:
        """Leave room for detail rows that are lost, where rows are equally long and the gap makes the count right."""
        lines = np.flatnonzero(self._record[self._details] == i)
        count = self._count[lines]
        codes_of = self._sort_codes[self._details][lines] - FIRST_DETAIL
        width = int(count[0])
        room = int(codes_of[-1]) * width + int(count[-1])
        even = bool((count[:-1] == width).all() and (np.diff(codes_of) > 0).all() and codes_of[0] >= 0)
        if not even or when.stop is None or room * step != when.stop - when.start:
            return np.arange(rows)
        return np.concatenate([n * width + np.arange(k) for n, k in zip(codes_of, count, strict=True)])

    def _explicit(self, start: Ints, first: int, rows: int, step: int, fixed: bool) -> Ints:
        """Honour the times that intervals carry; those after one follow it."""
        given = sorted(i for i in self._times if first <= i < first + rows)
        for i, until in zip(given, [*given, first + rows][1:], strict=True):
            text = decode(self._times[i]).strip()
            local = stamps.stamp(text)
            if local is None:
                line = self._line + int(self._details[self._line_of[i]])
                self._notes.add("smt.row.unreadable", f"interval time {text[:40]!r}", file=self._file, line=line)
                continue
            k = i - first
            at = stamps.instant(local, fixed=fixed)
            if k and at <= start[k - 1]:  # the second of two equal clock times
                at = stamps.instant(local, fold=1, fixed=fixed)
            start[k : until - first] = at + step * np.arange(until - i)
        return start

    def _runs(self, i: int, start: Ints, place: Ints, step: int, revision: int, fixed: bool) -> Blocks:
        """Cut a record's intervals into blocks that follow each other within one local day."""
        r = self._records
        if fixed:
            day = (start + codes.STANDARD * US) // _DAY
        else:
            day = days.local_dates(days.times(start, ZONE)).astype(np.int64)
        go_on = (day[1:] == day[:-1]) & (start[1:] == start[:-1] + step) & (place[1:] == place[:-1] + 1)
        begin = np.flatnonzero(~np.append(False, go_on)) if len(start) else np.empty(0, dtype=np.int64)
        columns = {
            "meter": r.meter[i],
            "channel": r.channel[i],
            "unit": r.unit[i],
            "source": self._source,
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
