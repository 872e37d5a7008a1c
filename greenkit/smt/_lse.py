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

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from greenkit import days
from greenkit.days import US
from greenkit.smt import _codes, _stamps
from greenkit.smt._blocks import Blocks, Store, blocks_of
from greenkit.smt._codes import KWH, STEP, ZONE
from greenkit.smt._findings import Notes
from greenkit.sources import Source
from greenkit.text import Advance, Piece, decode, parse_decimals, parse_number, read_pieces

# Header 1 to 4: the fields after the sort code, by name.
HEADERS: Final[dict[int, tuple[str, ...]]] = {
    1: ("meter", "channel", "start", "stop", "dst", "invalid"),
    2: (
        "start_reading",
        "end_reading",
        "meter_multiplier",
        "meter_offset",
        "pulse_multiplier",
        "pulse_offset",
        "seconds_per_interval",
        "unit",
        "basic_unit",
        "time_zone",
        "population",
        "weight",
    ),
    3: ("descriptor",),
    4: ("time_stamp", "origin"),
}
UNITS: Final = {"": KWH, "1": KWH, "KWH": KWH}
"""Unit of measure → unit. Only 01 is sure; any other code keeps its number."""
STANDARD_TIME: Final = "N"
"""DST participation of a record that keeps to standard time all year."""
_NO_LIMIT: Final = np.iinfo(np.int64).max
_DAY: Final = 86400 * US
_CACHED: Final = 1 << 12


def is_lse(head: bytes) -> bool:
    """Tell an LSE file by its first sort code."""
    return head[:8] in (b"00000001", b"00000002", b"00000003", b"00000004", b"10000000") and head[8:9] in b", \n\r"


def is_standard(head: bytes) -> bool:
    """Tell the older fixed-width Standard format (.ls) by its first sort code."""
    return head[:4] == b"0001" and not is_lse(head) and b"," not in head[:60]


class Span(NamedTuple):
    """What header 1 and the interval length say of a record's time; instants in microseconds."""

    start: int
    stop: int | None  # exclusive; None when header 1 has no readable stop
    day: int
    length: int  # seconds of the day it begins in
    limit: int  # the end of the local day in which its last interval lies
    fixed: bool


@lru_cache(1 << 16)
def span(start: str, stop: str, dst: str, step: int) -> Span | None:
    """Read a record's start and stop; None when the start is no time.

    The stop is inclusive: 235959 and 235900 both mean the end of the day; a stop at midnight is that very instant,
    and so is one that leaves whole intervals.
    """
    fixed = dst.strip().upper() == STANDARD_TIME
    begin = _stamps.stamp(start) if start.strip() else None
    if begin is None:
        return None
    end = _stamps.stamp(stop) if stop.strip() else None
    if end is not None:
        second = end // US % 60
        minute = end // US // 60 % 60
        if second == 59:
            end += US
        elif end % _DAY and (minute == 59 or (end - begin) % (step * US)):
            end += 60 * US
    if end is not None and end <= begin:
        end = None
    day = begin // _DAY
    return Span(
        start=_stamps.instant(begin, fixed=fixed),
        stop=_stamps.instant(end, fold=1, fixed=fixed) if end else None,
        day=day,
        length=_stamps.day_seconds(day, fixed=fixed),
        limit=_stamps.midnight((end - 1) // _DAY + 1, fixed=fixed) if end else _NO_LIMIT,
        fixed=fixed,
    )


cached_channel = lru_cache(_CACHED)(_codes.channel)


class Header2(NamedTuple):
    """What header 2 says; a pulse multiplier or offset would scale the readings, if they were not energy already."""

    step: int | None  # seconds; None when they cannot be read
    unit: str
    readings: dict[str, float | None]  # of the meter, empty where there are none
    scaled: bool


@lru_cache(_CACHED)
def header_2(line: bytes) -> Header2:
    """Read header 2; each of its fields may be blank."""
    cells = [decode(cell).strip() for cell in line.split(b",")[1:]]
    cells += [""] * (len(HEADERS[2]) - len(cells))
    cell = dict(zip(HEADERS[2], cells, strict=False))
    seconds = cell["seconds_per_interval"] or str(STEP)
    value = parse_number(seconds)
    step = int(value) if value is not None and value.is_integer() and 0 < value <= 86400 else None
    code = cell["unit"].lstrip("0").upper()
    unit = UNITS.get(code, f"unit {cell['unit']}")
    readings = {name: parse_number(cell[name]) for name in ("start_reading", "end_reading")}
    scaled = parse_number(cell["pulse_multiplier"]) not in (None, 1) or parse_number(cell["pulse_offset"]) not in (
        None,
        0,
    )
    return Header2(step, unit, readings if any(v is not None for v in readings.values()) else {}, scaled)


@lru_cache(_CACHED)
def time_stamp(line: bytes) -> int | None:
    """Give header 4's time stamp in microseconds of the local clock; NEVER when it has none, None for a damaged one."""
    cells = decode(line).split(",")
    return _stamps.revision(cells[1] if len(cells) > 1 else "")


Ints = npt.NDArray[Any]

_CODE_1: Final = int.from_bytes(b"00000001", "big")
_HEADER_1: Final = re.compile(rb"00000001,(?=[^,\n]{1,64},\d{1,3},\d{14},\d{14},)")


class Lines:
    """The lines of one piece. A record's number is -1 before the first header, which only a first piece can have.

    Attributes
    ----------
    first : list of int
        The line of each record's header 1.
    detail, sort_code, count, record : arrays
        Of each detail row: its line, its sort code, how many triplets it holds, and its record.
    row : array
        Of each triplet: its place in ``detail``.
    value, code : arrays
        Of each triplet: its number, NaN where blank, and its status as a number of the store's vocabulary.
    times : dict
        Triplet → the time that it carries, for those that do.
    """

    def __init__(self, piece: Piece, file: str, store: Store, notes: Notes) -> None:
        self._text, self._line, self._cut = _tight(piece.text), piece.line, piece.cut
        self._file, self._store, self._notes = file, store, notes
        self._part()
        self._classify()
        self._triplets()

    def note(
        self, name: str, example: str = "", *, line: int | None = None, triplet: int | None = None, **more: Any
    ) -> None:
        """Note what is doubtful, with the line of the file in which it stands."""
        if triplet is not None:
            line = int(self.detail[self.row[triplet]])
        self._notes.add(name, example, file=self._file, line=None if line is None else self._line + line, **more)

    def headers(self, kind: int) -> list[bytes]:
        """Give the header line of one kind of each record; empty where a record has none."""
        out = [b""] * len(self.first)
        which = np.flatnonzero(self._kind == kind)
        places = (array[which].tolist() for array in (self._record, self._starts, self._ends))
        for record, start, end in zip(*places, strict=True):
            out[record] = self._text[start:end]
        return out

    def _part(self) -> None:
        """Part records that stand on one line, since files without a last line end were put together."""
        found = (match.start() for match in _HEADER_1.finditer(self._text))
        joined = [at for at in found if at and self._text[at - 1] != 10]
        if joined:
            self.note("smt.lse.joined", n=len(joined))
            edges = [0, *joined, len(self._text)]
            self._text = b"\n".join([self._text[a:b] for a, b in itertools.pairwise(edges)])

    def _classify(self) -> None:
        """Tell each line by its sort code: 1 to 4 header, 5 detail, 0 blank, 6 neither."""
        self._bytes = np.frombuffer(self._text + b"\n" * 8, dtype=np.uint8)
        self._ends = np.flatnonzero(self._bytes[: len(self._text)] == 10)
        self._starts = np.append(0, self._ends[:-1] + 1)
        heads = self._bytes[self._starts[:, None] + np.arange(8)]
        header = heads.view(">u8")[:, 0] - np.uint64(_CODE_1)
        digits = (heads - np.uint8(48) <= 9).all(axis=1)
        kind = np.full(len(heads), 6, dtype=np.int8)
        kind[header < 4] = header[header < 4] + 1
        kind[digits & (heads[:, 0] > 48)] = 5
        kind[self._ends == self._starts] = 0
        follows = self._bytes[np.minimum(self._starts + 8, len(self._bytes) - 1)]
        kind[(kind > 0) & (follows != 44) & (follows != 10)] = 6
        self._record = np.cumsum(kind == 1) - 1
        self.first: list[int] = np.flatnonzero(kind == 1).tolist()
        for i in np.flatnonzero((kind == 6) | ((self._record < 0) & (kind > 0))).tolist():
            name = "smt.row.unreadable" if kind[i] == 6 else "smt.lse.orphan"
            self.note(name, repr(decode(self._text[self._starts[i] : self._ends[i]])[:40]), line=i)
        kind[self._record < 0] = 0
        self._kind = kind
        self.detail = np.flatnonzero(kind == 5)
        self.record = self._record[self.detail]
        self.sort_code = (heads[self.detail] - np.uint8(48)).astype(np.int64) @ 10 ** np.arange(7, -1, -1)

    def _triplets(self) -> None:
        """Read value, status and time of each interval in all detail rows at once."""
        body = self._bytes[: len(self._text)]
        marks = np.flatnonzero((body == 44) | (body == 10))  # each ends a field
        last = np.flatnonzero(body[marks] == 10)
        first, last = np.append(-1, last[:-1])[self.detail] + 1, last[self.detail]
        fields = last - first  # without the sort code
        dangling = (fields % 3 == 1) & (marks[last] - marks[np.maximum(last - 1, 0)] == 1)
        self.count = (fields + 2) // 3 - dangling
        before = np.cumsum(self.count) - self.count
        n = int(self.count.sum())
        self.row = np.repeat(np.arange(len(self.detail)), self.count)
        value = np.repeat(first + 1 - 3 * before, self.count) + 3 * np.arange(n)
        final = np.repeat(last, self.count)
        self.value, odd = parse_decimals(body, marks[value - 1] + 1, marks[value])
        for i in np.flatnonzero(odd).tolist():
            self.value[i] = self._odd_value(body[marks[value[i] - 1] + 1 : marks[value[i]]].tobytes(), i)
        status = np.minimum(value + 1, final)
        width = marks[status] - marks[value] - 1
        self.code = self._statuses(body, marks[value] + 1, np.where(value < final, width, 0))
        time = np.minimum(value + 2, final)
        width = np.where(value + 1 < final, marks[time] - marks[status] - 1, 0)
        self.times = {int(i): body[marks[status[i]] + 1 : marks[time[i]]].tobytes() for i in np.flatnonzero(width > 0)}
        if self._cut and n and self._kind[-1] == 5 and value[-1] == last[-1]:
            self.note("smt.file.cut", triplet=n - 1)  # nothing shows that the last value's digits are all there
            self.value[-1] = np.nan

    def _odd_value(self, raw: bytes, i: int) -> float:
        text = decode(raw).strip()
        if not text:
            return np.nan
        value = parse_number(text)
        if value is not None:
            return value
        self.note("smt.value.unreadable", repr(text[:40]), triplet=i)
        return np.nan

    def _statuses(self, body: Ints, begin: Ints, width: Ints) -> npt.NDArray[np.uint8]:
        letters = np.where(width == 1, body[np.minimum(begin, len(body) - 1)], 0)
        lookup = np.full(256, self._store.codes[_codes.NORMAL], dtype=np.uint8)
        for letter in np.flatnonzero(np.bincount(letters, minlength=256)[1:]) + 1:
            lookup[letter] = self._store.code(decode(bytes([letter])))
        numbers = lookup[letters]
        for i in np.flatnonzero(width > 1):
            numbers[i] = self._store.code(decode(body[begin[i] : begin[i] + width[i]].tobytes()))
        return numbers


def _tight(text: bytes) -> bytes:
    """Take away quotes, and blanks around commas."""
    for needless in (b'"', b"\t"):
        if needless in text:
            text = text.replace(needless, b"")
    return re.sub(rb" *([,\n]) *", rb"\1", text) if b" " in text else text


FIRST_DETAIL: Final = 10_000_000

_RECORD: Final = b"\n00000001"


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
        found = cached_channel(channel)
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
        self.revision.append(_stamps.NEVER if made is None else made)
        self.span.append(when if name else None)
        if said.readings and when:
            register(meter=name, channel=found, day=when.day, source=self.file, unit=said.unit, **said.readings)

    def _is_new(self, channel: _codes.Channel) -> bool:
        return channel not in self.store.channels and channel not in (_codes.LOAD, _codes.GENERATION)

    def lay(self) -> Blocks:
        """Lay the intervals of each record: in bulk where it is one whole local day, else one record at a time."""
        lines, n = self.lines, len(self.meter)
        rows = np.bincount(lines.record, weights=lines.count, minlength=n).astype(np.int64)
        first = np.cumsum(rows) - rows
        revision = _stamps.instants(np.array(self.revision, dtype=np.int64))
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
            local = _stamps.stamp(text)
            if local is None:
                self.lines.note("smt.lse.time", repr(text[:40]), triplet=i)
                continue
            k = i - first
            at = _stamps.instant(local, fixed=fixed)
            if k and at <= start[k - 1]:  # the second of two equal clock times
                at = _stamps.instant(local, fold=1, fixed=fixed)
            start[k : to - first] = at + step * np.arange(to - i)
        return start

    def _runs(self, i: int, start: Ints, place: Ints, step: int, revision: int, fixed: bool) -> Blocks:
        """Cut a record's intervals into blocks that follow each other within one local day."""
        if fixed:
            day = (start + _codes.STANDARD * US) // _DAY
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
            "length": [_stamps.day_seconds(int(d), fixed=fixed) for d in day[begin]],
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
