"""NEM12, the interval data of the Australian market operator (AEMO Meter Data File Format).

Records are distinguished by their first field: 100 begins a file, 200 a channel (meter, suffix, unit, minutes), 300 is
a day of a channel, 400 divides the quality of that day, 500 is a register, and 900 ends the file. Portals omit records
100 and 900. Days are those of market time, UTC+10 in every state, so each has the same number of intervals.

Directions are seen from the grid: suffix ``E…`` is energy that leaves the grid (delivered), ``B…`` energy that enters
it (received). ``Q…`` and ``K…`` are reactive. Two suffixes with the same letter are separate circuits and remain
separate series.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError, OtherFormat
from greenkit.findings import Findings, Kind
from greenkit.tables.cells import Grid, fold
from greenkit.tables.intervals import MINUTE
from greenkit.tables.numbers import UNITS, is_like_unit
from greenkit.tables.stamps import DAY

CLOCK: Final = 10 * 60 * MINUTE
"""Market time is 10 hours ahead of UTC."""
FLOWS: Final = {"E": "delivered", "B": "received"}
QUALITIES: Final = {"A": "actual", "S": "estimated", "F": "estimated", "E": "estimated", "N": "missing"}
"""First letter of the quality method: actual, substituted, final substituted, estimated, no reading."""
_AGAIN: Final = "Ask the distributor for the file again."
_MINUTES: Final = (1, 5, 10, 15, 30, 60)
VERSIONS: Final = Kind(
    "tables.nem12.versions",
    "info",
    "{count:day} of {file} {count:is|are} in the file more than once. greenkit used the version that was updated last.",
)
REGISTERS: Final = Kind(
    "tables.nem12.registers",
    "info",
    "greenkit left out {count:register reading} (records 500) of {file}.",
)


@dataclass
class _Channel:
    nmi: str
    suffix: str
    unit: str
    minutes: int

    @property
    def per_day(self) -> int:
        return 1440 // self.minutes


@dataclass
class _Day:
    channel: _Channel
    date: int
    values: npt.NDArray[np.float64]
    codes: list[str]
    updated: str
    line: int


@dataclass
class NemData:
    """The days of a NEM12 file, in the order of meter, flow, suffix, and time.

    Attributes
    ----------
    keys : list of tuple
        NMI, flow, suffix, unit, commodity, kind.
    series, start, length : array of int64
    value : array of float64
    code : list of str
        Quality method of each interval, such as ``S14``.
    """

    keys: list[tuple[str, ...]]
    series: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    code: list[str]
    findings: Findings = field(default_factory=Findings)


def matches(head: Sequence[Sequence[str]]) -> bool:
    """Return whether the first rows are NEM12.

    Examples
    --------
    >>> matches([["100", "NEM12", "202401010000", "A", "B"]]), matches([["Date", "kWh"]])
    (True, False)
    """
    rows = [row for row in head[:5] if row]
    if not rows:
        return False
    first = rows[0]
    if first[0] == "100" and len(first) > 1 and first[1].upper() in ("NEM12", "NEM13"):
        return True
    return first[0] == "200" and len(first) >= 9 and len(rows) > 1 and rows[1][0] == "300"


def read(grid: Grid, unit: str | None = None) -> NemData:
    """Read a NEM12 file.

    Raises
    ------
    OtherFormat
        If it is NEM13, which has cumulative readings but no intervals.
    FormatError
        If a record is incomplete or contradicts its channel, with its line.
    """
    file = os.path.basename(grid.name)
    findings = Findings()
    days = list(_days(grid.iterate(","), file, unit, findings))
    kept: dict[tuple[str, str, int], _Day] = {}
    again = 0
    for day in days:
        key = (day.channel.nmi, day.channel.suffix, day.date)
        other = kept.get(key)
        again += other is not None
        if other is None or day.updated >= other.updated:
            kept[key] = day
    if again:
        findings.add(VERSIONS, file=file, count=again)
    return _joined(list(kept.values()), findings)


def _days(rows: Iterator[list[str]], file: str, unit: str | None, findings: Findings) -> Iterator[_Day]:
    channel: _Channel | None = None
    day: _Day | None = None
    registers = 0
    for line, row in enumerate(rows, start=1):
        if not row:
            continue
        kind = row[0]
        if kind != "400" and day is not None:
            yield _checked(day, file)
            day = None
        if kind == "100" and len(row) > 1 and row[1].upper() != "NEM12":
            raise OtherFormat(
                "This is not NEM12 but another version, such as NEM13, which has cumulative readings but no intervals",
                source=file,
                next_step="Ask the distributor for NEM12.",
            )
        if kind == "200":
            channel = _channel(row, file, line, unit)
        elif kind == "300":
            if channel is None:
                raise FormatError(
                    "A day (300) is before the first channel (200)", source=file, line=line, next_step=_AGAIN
                )
            day = _day(row, channel, file, line)
        elif kind == "400":
            if day is None:
                raise FormatError(
                    "A quality record (400) is not after a day (300)", source=file, line=line, next_step=_AGAIN
                )
            _divide(row, day, file, line)
        elif kind == "500":
            registers += 1
        elif kind in ("250", "550"):
            raise OtherFormat(
                "This is NEM13, which has no intervals", source=file, next_step="Ask the distributor for NEM12."
            )
        elif kind not in ("100", "900"):
            raise FormatError("The first field is not the number of a record", source=file, line=line, next_step=_AGAIN)
    if day is not None:
        yield _checked(day, file)
    if registers:
        findings.add(REGISTERS, file=file, count=registers)


def _channel(row: Sequence[str], file: str, line: int, unit: str | None) -> _Channel:
    row = [*row, *[""] * (10 - len(row))]
    minutes = int(row[8]) if row[8].isdigit() else 0
    if minutes not in _MINUTES:
        raise FormatError(
            "The interval length is not 1, 5, 10, 15, 30, or 60 minutes", source=file, line=line, next_step=_AGAIN
        )
    return _Channel(row[1].strip(), row[4].strip() or row[3].strip(), row[7].strip() or unit or "", minutes)


def _day(row: Sequence[str], channel: _Channel, file: str, line: int) -> _Day:
    count = channel.per_day
    if len(row) < 2 + count or any(cell[:1].isalpha() for cell in row[2 : 2 + count]):
        raise FormatError(
            f"A day (300) must have {count} values and a quality, because its interval is {channel.minutes} minutes",
            source=file,
            line=line,
            next_step="Download the file again.",
        )
    try:
        date = datetime.datetime.strptime(row[1], "%Y%m%d").date()
        values = np.array([cell or "nan" for cell in row[2 : 2 + count]], dtype=float)
    except (ValueError, IndexError):
        raise FormatError(
            "A day (300) has an invalid date or value", source=file, line=line, next_step=_AGAIN
        ) from None
    quality = row[2 + count].strip().upper() if len(row) > 2 + count else ""
    if quality and quality[0] not in "ANSFEV":
        raise FormatError("A day (300) has an unknown quality", source=file, line=line, next_step=_AGAIN)
    updated = row[5 + count].strip() if len(row) > 5 + count else ""
    return _Day(channel, date.toordinal() - 719_163, values, [quality] * count, updated, line)


def _divide(row: Sequence[str], day: _Day, file: str, line: int) -> None:
    numbers = [int(cell) if cell.isdigit() else 0 for cell in row[1:3]]
    if len(numbers) < 2 or not 1 <= numbers[0] <= numbers[1] <= day.channel.per_day:
        raise FormatError(
            "A quality record (400) has an invalid range of intervals", source=file, line=line, next_step=_AGAIN
        )
    for i in range(numbers[0] - 1, numbers[1]):
        day.codes[i] = row[3].strip().upper() if len(row) > 3 else ""


def _checked(day: _Day, file: str) -> _Day:
    if "V" in day.codes:
        raise FormatError(
            "A day of variable quality (V) has intervals without a quality record (400)",
            source=file,
            line=day.line,
            next_step=_AGAIN,
        )
    for i, code in enumerate(day.codes):
        if code.startswith("N"):
            day.values[i] = np.nan
    return day


def _joined(days: list[_Day], findings: Findings) -> NemData:
    keys = sorted({_key(day.channel) for day in days})
    rank = {key: i for i, key in enumerate(keys)}
    days.sort(key=lambda day: (rank[_key(day.channel)], day.date))
    counts = [len(day.values) for day in days]
    factor = {key[3]: _unit(key[3])[1] for key in keys}
    values = [day.values * factor[day.channel.unit] for day in days]
    starts = [
        day.date * DAY - CLOCK + np.arange(n) * day.channel.minutes * MINUTE
        for day, n in zip(days, counts, strict=True)
    ]
    empty = np.zeros(0, dtype=np.int64)
    made: list[tuple[str, ...]] = []
    for nmi, flow, suffix, unit in keys:
        name, _, kind, commodity = _unit(unit)
        made.append((nmi, flow, suffix, name, commodity, kind))
    return NemData(
        made,
        np.repeat([rank[_key(day.channel)] for day in days], counts) if days else empty,
        np.concatenate(starts) if days else empty,
        np.repeat([day.channel.minutes * MINUTE for day in days], counts) if days else empty,
        np.concatenate(values) if days else np.zeros(0),
        [code for day in days for code in day.codes],
        findings,
    )


def _key(channel: _Channel) -> tuple[str, str, str, str]:
    return channel.nmi, FLOWS.get(channel.suffix[:1].upper(), "unknown"), channel.suffix, channel.unit


def _unit(word: str) -> tuple[str, float, str, str]:
    return UNITS.get(fold(word), (word if is_like_unit(word) else "unknown", 1.0, "", ""))
