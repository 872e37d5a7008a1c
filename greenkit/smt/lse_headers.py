"""The headers of LSE: their fields by name, and what they say of a record's time, unit and version.

Sources: ERCOT Retail Market Guide, section 9, appendix G (header 1); LSE File Definition, version 04. Of header 2
only the seconds per interval and the unit are used; all of its fields may be blank.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from greenkit.days import US
from greenkit.smt import codes, stamps
from greenkit.smt.codes import KWH, STEP
from greenkit.text import decode, parse_number

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
    begin = stamps.stamp(start) if start.strip() else None
    if begin is None:
        return None
    end = stamps.stamp(stop) if stop.strip() else None
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
        start=stamps.instant(begin, fixed=fixed),
        stop=stamps.instant(end, fold=1, fixed=fixed) if end else None,
        day=day,
        length=stamps.day_seconds(day, fixed=fixed),
        limit=stamps.midnight((end - 1) // _DAY + 1, fixed=fixed) if end else _NO_LIMIT,
        fixed=fixed,
    )


channel = lru_cache(_CACHED)(codes.channel)


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
    return stamps.revision(cells[1] if len(cells) > 1 else "")
