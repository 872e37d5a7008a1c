"""Write the CSV files of Smart Meter Texas: 15-minute intervals, daily registers, monthly billing.

The interval file has unusual labels when clocks change: on the fall-back day 100 rows, the first of the repeated hour
labeled 02:00 to 01:15; on the spring-forward day 96 rows, the four of the skipped hour without a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal

import numpy as np

from greenkit._files import StrPath, opened
from greenkit.synthetic import _smt_days
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._smt_days import MISSING, Day
from greenkit.times import local_dates, to_times

INTERVAL: Final = (
    "ESIID",
    "USAGE_DATE",
    "REVISION_DATE",
    "USAGE_START_TIME",
    "USAGE_END_TIME",
    "USAGE_KWH",
    "ESTIMATED_ACTUAL",
    "CONSUMPTION_SURPLUSGENERATION",
)
DAILY: Final = ("ESIID", "READ_DATE", "REVISION_DATE", "START_READING", "END_READING", "ENERGY_DATA_KWH")
MONTHLY: Final = ("ESIID", "START_DATE", "END_DATE", "ACTL_KWH_USG")
FLOWS: Final = {"delivered": "Consumption", "received": "Surplus Generation"}
HOUR: Final = 4
"""Intervals per hour."""


@dataclass(frozen=True, slots=True)
class IntervalCsv:
    """Layout of an interval file. The defaults are those of the portal."""

    id_guard: Literal["apostrophe", "formula", "none"] = "apostrophe"
    dates: Literal["portal", "spreadsheet", "iso"] = "portal"
    """``spreadsheet`` is the form after a spreadsheet saved the file: 5/3/2025, 6:22, 0:15."""
    columns: tuple[str, ...] = INTERVAL
    leading_space: bool = False
    short_numbers: bool = False
    """Whether numbers are .145 and 1.05, as until 2022, not 0.145 and 1.050."""
    flows: Literal["by day", "interleaved", "one after the other"] = "by day"
    surplus: str = "Surplus Generation"
    gap: Literal["blank", "absent"] = "blank"
    """Whether a missing interval is a row without a value, or no row."""
    newline: str = "\n"
    byte_order_mark: bool = False
    redelivered: int = 0
    """Every n-th day appears twice, first estimated and then as a new revision; 0 means never."""


PORTAL: Final = IntervalCsv()
# the layout of 2012
LEGACY_2012: Final = IntervalCsv(
    id_guard="none", dates="iso", leading_space=True, columns=(*INTERVAL[:2], *INTERVAL[3:7]), short_numbers=True
)
SPREADSHEET: Final = IntervalCsv(dates="spreadsheet", short_numbers=False)


def write(
    file: StrPath | BinaryIO,
    meters: Iterable[Meter],
    start: Any,
    end: Any,
    *,
    layout: IntervalCsv = PORTAL,
) -> None:
    """Write an interval file to a path or a binary file, day by day.

    Parameters
    ----------
    file : path or binary file
        A path is replaced completely or not at all.
    meters : iterable of Meter
        Meters in Texas; their IDs are the ESI IDs.
    start, end : date or time
        Window in local days, ``end`` exclusive.
    layout : IntervalCsv
        Layout of the file.
    """
    with opened(file) as out:
        mark = "\ufeff" if layout.byte_order_mark else ""
        out.write(f"{mark}{','.join(layout.columns)}{layout.newline}".encode())
        for meter in meters:
            for rows in _pieces(meter, start, end, layout):
                out.write("".join([row + layout.newline for row in rows]).encode())


def _pieces(meter: Meter, start: Any, end: Any, layout: IntervalCsv) -> Iterator[list[str]]:
    found = _smt_days.of_meter(meter, start, end, redelivered=layout.redelivered)
    if layout.flows == "one after the other":
        held = list(found)
        for i in range(max(map(len, held), default=0)):
            for channels in held:
                yield list(_rows(channels[i], layout))
        return
    for channels in found:
        series = [_rows(day, layout) for day in channels]
        if layout.flows == "interleaved":
            yield [row for rows in zip(*series, strict=True) for row in rows]
        else:
            yield [row for rows in series for row in rows]


def _rows(day: Day, layout: IntervalCsv) -> list[str]:
    """Return the rows of a day in the order of Smart Meter Texas."""
    guard = {"apostrophe": "'{}", "formula": '="{}"', "none": "{}"}[layout.id_guard]
    at, made = day.date, day.revision
    word = layout.surplus if day.channel.flow == "received" else FLOWS[day.channel.flow]
    dates = {
        "portal": (f"{at:%m/%d/%Y}", f"{made:%m/%d/%Y %H:%M:%S}"),
        "spreadsheet": (f"{at.month}/{at.day}/{at.year}", f"{made.month}/{made.day}/{made.year} {made.hour}:{made:%M}"),
        "iso": (f"{at:%Y-%m-%d}", f"{made:%Y-%m-%d %H:%M:%S}"),
    }[layout.dates]
    kept = [i for i, name in enumerate(INTERVAL) if name in layout.columns]
    rows = []
    for begin, end, place in labels(len(day.amounts)):
        amount = None if place is None else day.amounts[place]
        if amount == MISSING and layout.gap == "absent":
            continue
        value, status = "", ""
        if place is not None and amount is not None and amount != MISSING:
            value, status = number(amount, short=layout.short_numbers), "E" if day.estimated[place] else "A"
        times = [_clock(minutes, layout) for minutes in (begin, end)]
        cells = (guard.format(day.meter.id), *dates, *times, value, status, word)
        rows.append(",".join([cells[i] for i in kept]))
    return rows


def labels(count: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield the rows of a day of ``count`` intervals: start and end label in minutes, and position of the interval.

    Examples
    --------
    >>> [row for row in labels(100)][7:13]
    [(105, 120, 7), (120, 75, 8), (75, 90, 9), (90, 105, 10), (105, 120, 11), (120, 135, 12)]
    >>> [row for row in labels(92)][7:13]
    [(105, 120, 7), (120, 135, None), (135, 150, None), (150, 165, None), (165, 180, None), (180, 195, 8)]
    """
    change = 2 * HOUR
    for row in range(max(count, 96)):
        if count == 100 and row >= change:
            begin = 15 * (row - HOUR)
            yield (120 if row == change else begin), begin + 15, row
        elif count == 92 and row >= change:
            yield 15 * row, 15 * row + 15, row - HOUR if row >= change + HOUR else None
        else:
            yield 15 * row, 15 * row + 15, row


def number(amount: int, *, short: bool = False) -> str:
    """Return Wh as the text of kWh.

    Examples
    --------
    >>> [number(145), number(1050), number(145, short=True), number(1050, short=True), number(0, short=True)]
    ['0.145', '1.050', '.145', '1.05', '0']
    """
    text = f"{amount // 1000}.{amount % 1000:03d}"
    return (text.rstrip("0").rstrip(".").lstrip("0") or "0") if short else text


def _clock(minutes: int, layout: IntervalCsv) -> str:
    hour, minute = divmod(minutes % 1440, 60)
    text = f"{hour}:{minute:02d}" if layout.dates == "spreadsheet" else f"{hour:02d}:{minute:02d}"
    return f" {text}" if layout.leading_space else text


def write_daily(file: StrPath | BinaryIO, meters: Iterable[Meter], start: Any, end: Any) -> None:
    """Write a file of daily register readings: the register at both ends of each local day, and the difference."""
    with opened(file) as out:
        out.write((",".join(DAILY) + "\n").encode())
        for meter in meters:
            for read in register_days(meter, start, end):
                out.write((",".join((f"'{meter.id}", *read)) + "\n").encode())


def register_days(meter: Meter, start: Any, end: Any) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the register readings of each local day: date, revision, register at start and end, kWh.

    On the day of a meter change, both readings are those of the new meter.
    """
    first, last = meter.instant(start), meter.instant(end)
    at, register, used = meter.registers(first, last)
    dates = local_dates(to_times(at, meter.zone)).tolist()
    for day, shown, amount in zip(dates, register.tolist(), used.tolist(), strict=True):
        made = _smt_days.revision(meter, day)
        reads = (number(shown), number(shown + amount), number(amount))
        yield (f"{day:%m/%d/%Y}", f"{made:%m/%d/%Y %H:%M:%S}", *reads)


def write_monthly(file: StrPath | BinaryIO, meters: Iterable[Meter], start: Any, end: Any) -> None:
    """Write a file of monthly billing: the billing periods that end in the window, and their kWh."""
    with opened(file) as out:
        out.write((",".join(MONTHLY) + "\n").encode())
        for meter in meters:
            for period in bill_periods(meter, start, end):
                out.write((",".join((f"'{meter.id}", *period)) + "\n").encode())


def bill_periods(meter: Meter, start: Any, end: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the billing periods that end in a window: first day, day of the next reading, kWh delivered."""
    for bill in meter.bills(meter.instant(start), meter.instant(end)):
        edges = local_dates(to_times(np.array([bill.start, bill.end], dtype=np.int64), meter.zone)).tolist()
        yield (f"{edges[0]:%m/%d/%Y}", f"{edges[1]:%m/%d/%Y}", number(bill.delivered))
