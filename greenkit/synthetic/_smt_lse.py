r"""Write LSE (LodeStar Enhanced) files of simulated meters, as the Texas utilities do.

A record has four header rows and detail rows of (value, status, start) triplets. A file is a sequence of records.

>>> import io
>>> from greenkit.synthetic import household
>>> file = io.BytesIO()
>>> write(file, [household(1, tdsp="oncor", faults=())], "2024-07-01", "2024-07-02", layout=Lse(per_row=3))
>>> print(*file.getvalue().decode().splitlines()[:5], sep="\n")
00000001,10443720000000001,4,20240701000000,20240701235959,Y,N
00000002,,,,,,,900,01,,,,
00000003,
00000004,20240702083121,M
10000000,0.155,A,,0.156,A,,0.125,A
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final, Literal

from greenkit._files import StrPath, opened
from greenkit.synthetic import _smt_days
from greenkit.synthetic._channels import QUARTER
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._smt_days import MISSING, Day
from greenkit.times import interval_starts, to_times

FIRST_DETAIL: Final = 10_000_000
STAMP: Final = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True)
class Lse:
    """Layout of an LSE file. The defaults are those of the market guide."""

    per_row: int = 96
    """Triplets in a detail row."""
    trailing_comma: bool = False
    """Whether a row ends with the comma before an empty interval start."""
    stop: Literal["235959", "235900", "next midnight"] = "235959"
    gap: Literal["0,E", "null"] = "0,E"
    """How a missing interval is written: as an estimated zero, or as nothing."""
    interval_times: bool = False
    """Whether every triplet contains its start."""
    days_in_record: int = 1
    made: bool = True
    """Whether header 4 contains the time of the record."""
    newline: str = "\n"
    redelivered: int = 0
    """Every n-th day appears twice, first estimated and then as a new revision; 0 means never."""


MARKET: Final = Lse()


def write(file: StrPath | BinaryIO, meters: Iterable[Meter], start: Any, end: Any, *, layout: Lse = MARKET) -> None:
    """Write an LSE file to a path or a binary file, record by record.

    Parameters
    ----------
    file : path or binary file
        A path is replaced completely or not at all.
    meters : iterable of Meter
        Meters in Texas; their IDs are the ESI IDs.
    start, end : date or time
        Window in local days, ``end`` exclusive.
    layout : Lse
        Layout of the file.
    """
    with opened(file) as out:
        for meter in meters:
            for record in _records(meter, start, end, layout):
                lines = [*_headers(record, layout), *_details(record, layout)]
                out.write("".join([line + layout.newline for line in lines]).encode("ascii"))


def _records(meter: Meter, start: Any, end: Any, layout: Lse) -> Iterator[list[Day]]:
    """Yield the days of each record: one day, as the market requires, or several."""
    held: dict[str, list[Day]] = {}
    for channels in _smt_days.of_meter(meter, start, end, redelivered=layout.redelivered):
        for day in channels:
            mine = held.setdefault(day.channel.series, [])
            mine.append(day)
            if len(mine) == layout.days_in_record:
                yield held.pop(day.channel.series)
    yield from held.values()


def _headers(record: list[Day], layout: Lse) -> list[str]:
    first, last = record[0], record[-1]
    midnight = datetime(last.date.year, last.date.month, last.date.day) + timedelta(days=1)
    before = {"235959": 1, "235900": 60, "next midnight": 0}[layout.stop]
    stop = (midnight - timedelta(seconds=before)).strftime(STAMP)
    made = last.revision.strftime(STAMP) if layout.made else ""
    return [
        f"00000001,{first.meter.id},{first.channel.series},{first.date:%Y%m%d}000000,{stop},Y,N",
        f"00000002,,,,,,,{QUARTER},01,,,,",
        "00000003,",
        f"00000004,{made},M",
    ]


def _details(record: list[Day], layout: Lse) -> list[str]:
    triplets = [text for day in record for text in _triplets(day, layout)]
    rows = []
    for number, i in enumerate(range(0, len(triplets), layout.per_row)):
        row = ",".join(triplets[i : i + layout.per_row])
        if not layout.trailing_comma and not layout.interval_times:
            row = row.removesuffix(",")
        rows.append(f"{FIRST_DETAIL + number},{row}")
    return rows


def _triplets(day: Day, layout: Lse) -> list[str]:
    gap = "0,E," if layout.gap == "0,E" else ",,"
    made = [
        gap if amount == MISSING else f"{amount // 1000}.{amount % 1000:03d},{'E' if estimated else 'A'},"
        for amount, estimated in zip(day.amounts, day.estimated, strict=True)
    ]
    if not layout.interval_times:
        return made
    return [text + stamp for text, stamp in zip(made, _wall_clock(day), strict=True)]


def _wall_clock(day: Day) -> list[str]:
    """Return the local start of each interval of a day, in the form of the headers."""
    grid = to_times(interval_starts(day.date, day.meter.zone, QUARTER), day.meter.zone)
    return [time.strftime(STAMP) for time in grid]
