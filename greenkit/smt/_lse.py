"""LSE, the LodeStar Enhanced format, in which TDSPs send interval data to ERCOT and SMT.

    00000001,10000000000000017,4,20240701000000,20240701235959,Y,N   ID, channel, start, stop, DST, invalid flag
    00000002,,,,,,,900,01,,,,                                        seconds per interval, unit of measure, …
    00000003,                                                        descriptor
    00000004,20240702063000,M                                        time stamp of this version, origin
    10000000,0.207,A,,0.778,A,,0.711,A,,                             value, status, time of each interval, repeated

A record is headers 1 to 4 and its detail rows; a file has one record after another. An interval starts at the record's
start plus its place times the interval length in elapsed time, so days when clocks change have 92 or 100 intervals.

Sources: ERCOT Retail Market Guide, section 9, appendix G; LSE File Definition, version 04. Of header 2, only the
seconds per interval, the unit and the meter readings are used; all of its fields may be blank.
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

from greenkit.smt import _codes, _stamps
from greenkit.smt._blocks import Blocks, Store, make_blocks
from greenkit.smt._codes import KWH, STEP, ZONE
from greenkit.smt._findings import (
    FILE_CUT,
    FLOW_OTHER,
    LSE_BEYOND,
    LSE_COUNT,
    LSE_INTERVAL,
    LSE_INVALID,
    LSE_JOINED,
    LSE_MULTIPLIER,
    LSE_NO_DETAILS,
    LSE_ORPHAN,
    LSE_SORT_CODE,
    LSE_STOP,
    LSE_TIME,
    REVISION_UNREADABLE,
    ROW_UNREADABLE,
    UNIT_OTHER,
    VALUE_UNREADABLE,
    FindingCounter,
    masked,
)
from greenkit.sources import Source
from greenkit.text import Advance, Piece, decode, parse_decimals, parse_number, read_pieces
from greenkit.times import US, local_dates, to_times

Ints = npt.NDArray[Any]

# Fields of headers 1 to 4 after the sort code.
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
"""Unit of measure → unit. Only 01 is certain; any other code keeps its number."""
STANDARD_TIME: Final = "N"
"""DST participation of a record that keeps standard time all year."""
FIRST_DETAIL: Final = 10_000_000
"""Sort code of a record's first detail row."""

_SORT_CODES: Final = (b"00000001", b"00000002", b"00000003", b"00000004", b"10000000")
_CODE_1: Final = int.from_bytes(b"00000001", "big")
_HEADER_1: Final = re.compile(rb"00000001,(?=[^,\n]{1,64},\d{1,3},\d{14},\d{14},)")
_RECORD: Final = b"\n00000001"
_PIECE: Final = 1 << 20
"""Bytes that are read at a time. The arrays of a piece need ten times as much memory, which is used again."""
_DAY: Final = 86400 * US
_NO_LIMIT: Final = np.iinfo(np.int64).max
_CACHED: Final = 1 << 12


def is_lse(head: bytes) -> bool:
    """Return whether a file begins with a sort code of LSE."""
    return head[:8] in _SORT_CODES and head[8:9] in b", \n\r"


def is_standard(head: bytes) -> bool:
    """Return whether a file begins with a sort code of the older fixed-width Standard format (.ls)."""
    return head[:4] == b"0001" and not is_lse(head) and b"," not in head[:60]


def read(
    source: Source, store: Store, counter: FindingCounter, advance: Advance, add_register: Callable[..., object]
) -> None:
    """Read an LSE file into the store.

    Parameters
    ----------
    source : Source
    store : Store
    counter : FindingCounter
    advance : callable
        Takes the number of bytes read, for progress.
    add_register : callable
        Takes the meter readings of header 2, if there are any.
    """
    with source.open() as file:
        for piece in read_pieces(file, source.name, advance, cut=_RECORD, size=_PIECE):
            records = _Records(_Lines(piece, source.name, store, counter), store, source.name)
            records.read_headers(add_register)
            if records.meter:
                store.add(records.place(), records.lines.value, records.lines.code)


# -- header 1: the time of a record


class Span(NamedTuple):
    """The time of a record according to header 1 and the interval length; instants are in microseconds."""

    start: int
    stop: int | None  # exclusive; None if header 1 has no readable stop
    day: int
    length: int  # seconds of the day in which the record begins
    limit: int  # end of the local day that contains its last interval
    fixed: bool


@lru_cache(1 << 16)
def span(start: str, stop: str, dst: str, step: int) -> Span | None:
    """Return the time of a record, or None if its start cannot be read.

    The stop is inclusive: 235959 and 235900 both mean the end of the day. A stop at midnight, or after a whole number
    of intervals, is exclusive.
    """
    fixed = dst.strip().upper() == STANDARD_TIME
    begin = _stamps.parse_stamp(start) if start.strip() else None
    if begin is None:
        return None
    end = _stamps.parse_stamp(stop) if stop.strip() else None
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
        start=_stamps.local_instant(begin, fixed=fixed),
        stop=_stamps.local_instant(end, fold=1, fixed=fixed) if end else None,
        day=day,
        length=_stamps.day_seconds(day, fixed=fixed),
        limit=_stamps.midnight((end - 1) // _DAY + 1, fixed=fixed) if end else _NO_LIMIT,
        fixed=fixed,
    )


cached_channel = lru_cache(_CACHED)(_codes.channel)


# -- headers 2 and 4


class Header2(NamedTuple):
    """Header 2. A pulse multiplier or offset would scale the readings if they were not energy already."""

    step: int | None  # seconds; None if they cannot be read
    unit: str
    readings: dict[str, float | None]  # meter readings; empty if there are none
    is_scaled: bool

    @property
    def is_usual(self) -> bool:
        """Whether nothing about it is reported."""
        return self.step is not None and self.unit == KWH and not self.is_scaled


@lru_cache(_CACHED)
def header_2(line: bytes) -> Header2:
    """Parse header 2, each field of which may be blank."""
    cells = [decode(cell).strip() for cell in line.split(b",")[1:]]
    cells += [""] * (len(HEADERS[2]) - len(cells))
    cell = dict(zip(HEADERS[2], cells, strict=False))
    value = parse_number(cell["seconds_per_interval"] or str(STEP))
    step = int(value) if value is not None and value.is_integer() and 0 < value <= 86400 else None
    code = cell["unit"].lstrip("0").upper()
    unit = UNITS.get(code, f"unit {cell['unit']}")
    readings = {name: parse_number(cell[name]) for name in ("start_reading", "end_reading")}
    multiplier, offset = parse_number(cell["pulse_multiplier"]), parse_number(cell["pulse_offset"])
    is_scaled = multiplier not in (None, 1) or offset not in (None, 0)
    return Header2(step, unit, readings if any(v is not None for v in readings.values()) else {}, is_scaled)


@lru_cache(_CACHED)
def time_stamp(line: bytes) -> int | None:
    """Return header 4's time stamp in local microseconds: NEVER if it has none, None if it is damaged."""
    cells = decode(line).split(",")
    return _stamps.parse_revision(cells[1] if len(cells) > 1 else "")


# -- lines and triplets


class _Lines:
    """The lines of one piece: headers, and the triplets of value, status and time of all detail rows, read in bulk.

    A row can have any number of triplets. It may end with a comma or not, and status and time may be blank.

    Attributes
    ----------
    first : list of int
        Line of each record's header 1.
    detail, sort_code, count, record : arrays
        Of each detail row: its line, its sort code, its number of triplets, and its record. The number of a record is
        -1 before the first header, which only the first piece can have.
    row : array
        Of each triplet: its position in ``detail``.
    value, code : arrays
        Of each triplet: its value, NaN if blank, and its status as a number of the store's interner.
    times : dict
        Triplet → its time, for those that have one.
    """

    def __init__(self, piece: Piece, file: str, store: Store, counter: FindingCounter) -> None:
        self._text, self._line, self._cut = _without_blanks(piece.text), piece.line, piece.cut
        self._file, self._store, self._counter = file, store, counter
        self._split_records()
        self._classify()
        self._read_triplets()

    def report(
        self, kind: Any, example: str = "", *, line: int | None = None, triplet: int | None = None, **more: Any
    ) -> None:
        """Report a problem at a line of the piece, or at the line of a triplet."""
        if triplet is not None:
            line = int(self.detail[self.row[triplet]])
        self._counter.add(kind, example, file=self._file, line=None if line is None else self._line + line, **more)

    def headers(self, kind: int) -> list[bytes]:
        """Return the line of one header, 1 to 4, for each record; empty if a record does not have it."""
        out = [b""] * len(self.first)
        which = np.flatnonzero(self._kind == kind)
        places = (array[which].tolist() for array in (self._record, self._starts, self._ends))
        for record, start, end in zip(*places, strict=True):
            out[record] = self._text[start:end]
        return out

    def _split_records(self) -> None:
        """Split records that share a line, as when files without a final line end are concatenated."""
        headers = (match.start() for match in _HEADER_1.finditer(self._text))
        joined = [at for at in headers if at and self._text[at - 1] != 10]
        if joined:
            self.report(LSE_JOINED, n=len(joined))
            edges = [0, *joined, len(self._text)]
            self._text = b"\n".join([self._text[a:b] for a, b in itertools.pairwise(edges)])

    def _classify(self) -> None:
        """Classify each line by its sort code: 1 to 4 header, 5 detail row, 0 blank, 6 other."""
        # heads: one row for each line, its first eight bytes. As a big-endian number, "00000001" is _CODE_1, and the
        # other headers are the three numbers after it, so that header 1 to 4 is one subtraction and one comparison.
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
        # a record begins at each header 1; lines before the first have record -1
        self._record = np.cumsum(kind == 1) - 1
        self.first: list[int] = np.flatnonzero(kind == 1).tolist()
        for i in np.flatnonzero((kind == 6) | ((self._record < 0) & (kind > 0))).tolist():
            self.report(ROW_UNREADABLE if kind[i] == 6 else LSE_ORPHAN, line=i)
        kind[self._record < 0] = 0
        self._kind = kind
        self.detail = np.flatnonzero(kind == 5)
        self.record = self._record[self.detail]
        self.sort_code = (heads[self.detail] - np.uint8(48)).astype(np.int64) @ 10 ** np.arange(7, -1, -1)

    def _read_triplets(self) -> None:
        """Read value, status and time of each triplet of all detail rows at once."""
        # marks are the positions of all commas and line ends, so field k lies between marks k-1 and k. For the two
        # detail rows "10000000,1.5,A,\n10000001,2,,,3\n":
        #
        #     marks      8 12 14 15 | 24 26 27 28 30     each ends a field
        #     first      0            4                  field of the row's sort code
        #     last       3            8                  last field of the row
        #     count      1            2                  triplets; a comma at the end of a row is not a triplet
        #     value      1            5  8               field of each triplet's value; status and time follow it
        body = self._bytes[: len(self._text)]
        marks = np.flatnonzero((body == 44) | (body == 10))
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
            self.report(FILE_CUT, triplet=n - 1)  # nothing shows that the last value has all of its digits
            self.value[-1] = np.nan

    def _odd_value(self, raw: bytes, i: int) -> float:
        text = decode(raw).strip()
        if not text:
            return np.nan
        value = parse_number(text)
        if value is not None:
            return value
        self.report(VALUE_UNREADABLE, masked(text), triplet=i)
        return np.nan

    def _statuses(self, body: Ints, begin: Ints, width: Ints) -> npt.NDArray[np.uint8]:
        """Return the numbers of the statuses. Nearly all are one letter, which is looked up in a table of 256."""
        letters = np.where(width == 1, body[np.minimum(begin, len(body) - 1)], 0)
        lookup = np.full(256, self._store.codes[_codes.NORMAL], dtype=np.uint8)
        for letter in np.flatnonzero(np.bincount(letters, minlength=256)[1:]) + 1:
            lookup[letter] = self._store.code(decode(bytes([letter])))
        numbers = lookup[letters]
        for i in np.flatnonzero(width > 1):
            numbers[i] = self._store.code(decode(body[begin[i] : begin[i] + width[i]].tobytes()))
        return numbers


def _without_blanks(text: bytes) -> bytes:
    """Return the text without quotation marks, tabs, and blanks around commas."""
    for needless in (b'"', b"\t"):
        if needless in text:
            text = text.replace(needless, b"")
    return re.sub(rb" *([,\n]) *", rb"\1", text) if b" " in text else text


# -- records


@dataclass
class _Records:
    """The records of a piece: their headers as columns, and the places of their intervals."""

    lines: _Lines
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
        """The triplets that have a time, in order."""
        return list(self.lines.times)

    def read_headers(self, add_register: Callable[..., object]) -> None:
        """Read headers 1, 2 and 4 of each record. The descriptor of header 3 does not concern the readings."""
        headers = [self.lines.headers(kind) for kind in (1, 2, 4)]
        for line, one, two, four in zip(self.lines.first, *headers, strict=True):
            self._read_header(line, one, two, four, add_register)

    def _read_header(self, line: int, one: bytes, two: bytes, four: bytes, add_register: Callable[..., object]) -> None:
        meter, channel_name, start, stop, dst, invalid = (decode(one).split(",") + [""] * 6)[1:7]
        second = header_2(two)
        when = span(start, stop, dst, second.step or STEP)
        channel = cached_channel(channel_name)
        revision = time_stamp(four)
        is_invalid = invalid.strip().upper() == "Y"
        if not second.is_usual or revision is None or is_invalid or self._is_new(channel):
            self._report_header(line, f"{meter} from {start}", second, channel, is_invalid, four, revision)
        self.meter.append(self.store.meters[meter])
        self.channel.append(self.store.channels[channel])
        self.unit.append(self.store.units[second.unit])
        self.step.append(second.step or STEP)
        self.revision.append(_stamps.NEVER if revision is None else revision)
        self.span.append(when if meter else None)
        if second.readings and when:
            add_register(
                meter=meter, channel=channel, day=when.day, source=self.file, unit=second.unit, **second.readings
            )

    def _report_header(
        self,
        line: int,
        where: str,
        second: Header2,
        channel: _codes.Channel,
        is_invalid: bool,
        four: bytes,
        revision: int | None,
    ) -> None:
        """Report what is unusual in the headers of one record."""
        for kind, applies, cell in (
            (LSE_INTERVAL, second.step is None, ""),
            (LSE_MULTIPLIER, second.is_scaled, ""),
            (FLOW_OTHER, self._is_new(channel), ""),
            (UNIT_OTHER, second.unit != KWH, masked(second.unit)),
            (LSE_INVALID, is_invalid, ""),
            (REVISION_UNREADABLE, revision is None, masked(decode(four))),
        ):
            if applies:
                self.lines.report(kind, f"{cell} of {where}" if cell else where, line=line)

    def _is_new(self, channel: _codes.Channel) -> bool:
        return channel not in self.store.channels and channel not in (_codes.LOAD, _codes.GENERATION)

    def place(self) -> Blocks:
        """Return the blocks of all records: many at once if each is one complete local day, else one by one."""
        # One element for each record. rows is its number of intervals, first the position of its first value.
        lines, n = self.lines, len(self.meter)
        rows = np.bincount(lines.record, weights=lines.count, minlength=n).astype(np.int64)
        first = np.cumsum(rows) - rows
        revision = _stamps.revision_instants(np.array(self.revision, dtype=np.int64))
        is_unordered = self._unordered(n)
        is_usual = np.array([_is_one_day(*one) for one in zip(self.span, self.step, rows.tolist(), strict=True)])
        is_usual &= ~is_unordered
        is_usual[lines.record[lines.row[list(lines.times)]]] = False
        spans = [s for s, ok in zip(self.span, is_usual, strict=True) if ok and s]
        columns = {
            "meter": np.array(self.meter)[is_usual],
            "channel": np.array(self.channel)[is_usual],
            "unit": np.array(self.unit)[is_usual],
            "source": self.store.sources[self.file],
            "day": [s.day for s in spans],
            "length": [s.length for s in spans],
            "start": [s.start for s in spans],
            "step": np.array(self.step)[is_usual] * US,
            "revision": revision[is_usual],
            "first": first[is_usual],
            "rows": rows[is_usual],
        }
        parts = [make_blocks(columns, len(spans))]
        for i in np.flatnonzero(~is_usual).tolist():
            parts.append(self._place_one(i, int(first[i]), int(rows[i]), int(revision[i]), bool(is_unordered[i])))
        blocks = np.concatenate(parts)
        return blocks[np.argsort(blocks["first"], kind="stable")]  # in file order: of equal revisions the later counts

    def _unordered(self, n: int) -> npt.NDArray[np.bool_]:
        """Return which records have sort codes other than 10000000, 10000001 and so on."""
        # Of each detail row, its place in its record is its position minus that of the record's first row:
        # record [0, 0, 0, 1, 1] → begin [T, F, F, T, F] → first row [0, 0, 0, 3, 3] → place [0, 1, 2, 0, 1]
        record = self.lines.record
        begin = np.append(True, record[1:] != record[:-1])
        at = np.arange(len(record))
        expected = FIRST_DETAIL + at - np.maximum.accumulate(np.where(begin, at, 0))
        out = np.zeros(n, dtype=bool)
        out[record[self.lines.sort_code != expected]] = True
        return out

    def _place_one(self, i: int, first: int, rows: int, revision: int, is_unordered: bool) -> Blocks:
        """Return the blocks of a record with several days, explicit times, gaps, or a wrong number of intervals."""
        when, step, report = self.span[i], self.step[i] * US, self.lines.report
        meter = self.store.meters.word(self.meter[i])
        name = f"{meter} {self.store.channels.word(self.channel[i]).flow}"
        if when is None:
            what = f"header 1 of {name if meter else 'no ESI ID'}, and so its {rows} intervals"
            report(ROW_UNREADABLE, what, line=self.lines.first[i])
            return make_blocks({}, 0)
        name = f"{np.datetime64(when.day, 'D')} of {name}"
        if not rows:
            report(LSE_NO_DETAILS, name)
            return make_blocks({}, 0)
        place = np.arange(rows)
        if is_unordered:
            report(LSE_SORT_CODE, name)
            place = self._places_by_sort_code(i, rows, when, step)
        start = self._apply_times(when.start + place * step, first, step, when.fixed)
        if when.stop is None:
            report(LSE_STOP, name)
        elif rows * step != when.stop - when.start:
            report(LSE_COUNT, f"{name}: {rows} instead of {(when.stop - when.start) / step:g}")
        inside = start < when.limit
        if not inside.all():
            kwh = float(np.nansum(self.lines.value[first : first + rows][~inside]))
            report(LSE_BEYOND, name, n=int(np.count_nonzero(~inside)), kwh=kwh)
        return self._split_days(i, start[inside], first + np.flatnonzero(inside), step, revision, when.fixed)

    def _places_by_sort_code(self, i: int, rows: int, when: Span, step: int) -> Ints:
        """Leave room for missing detail rows, if all rows are equally long and the gaps make the count right."""
        of_record = self.lines.record == i
        count, number = self.lines.count[of_record], self.lines.sort_code[of_record] - FIRST_DETAIL
        width = int(count[0])
        room = int(number[-1]) * width + int(count[-1])
        is_even = bool((count[:-1] == width).all() and (np.diff(number) > 0).all() and number[0] >= 0)
        if not is_even or when.stop is None or room * step != when.stop - when.start:
            return np.arange(rows)
        return np.concatenate([n * width + np.arange(k) for n, k in zip(number, count, strict=True)])

    def _apply_times(self, start: Ints, first: int, step: int, fixed: bool) -> Ints:
        """Move intervals to the times that they have, and the intervals after each of them along with it."""
        until = first + len(start)
        timed = self.timed[bisect_left(self.timed, first) : bisect_left(self.timed, until)]
        for i, to in zip(timed, [*timed, until][1:], strict=True):
            text = decode(self.lines.times[i]).strip()
            local = _stamps.parse_stamp(text)
            if local is None:
                self.lines.report(LSE_TIME, masked(text), triplet=i)
                continue
            k = i - first
            at = _stamps.local_instant(local, fixed=fixed)
            if k and at <= start[k - 1]:  # the second of two equal clock times
                at = _stamps.local_instant(local, fold=1, fixed=fixed)
            start[k : to - first] = at + step * np.arange(to - i)
        return start

    def _split_days(self, i: int, start: Ints, position: Ints, step: int, revision: int, fixed: bool) -> Blocks:
        """Return the blocks of a record's intervals: consecutive ones within one local day.

        ``start`` and ``position`` have one element for each interval: its instant, and the position of its value.
        """
        if fixed:
            day: Ints = (start + _codes.STANDARD * US) // _DAY
        else:
            day = local_dates(to_times(start, ZONE)).astype(np.int64)
        continues = (day[1:] == day[:-1]) & (start[1:] == start[:-1] + step) & (position[1:] == position[:-1] + 1)
        begin = np.flatnonzero(~np.append(False, continues)) if len(start) else np.empty(0, dtype=np.int64)
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
            "first": position[begin],
            "rows": np.diff(begin, append=len(start)),
        }
        return make_blocks(columns, len(begin))


def _is_one_day(when: Span | None, step: int, rows: int) -> bool:
    """Return whether the intervals fill the record's time, and that time is within one local day."""
    if when is None or when.stop is None or not rows:
        return False
    return when.stop - when.start == rows * step * US and when.stop <= when.limit <= when.start + when.length * US
