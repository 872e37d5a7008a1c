"""Time columns of a table that is written: instants on its clock, as text of a format, serial numbers, or counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import Column, End, Slot, Table, offset_minutes
from greenkit.tables.placement import HOUR, standard_offset, to_utc
from greenkit.tables.stamps import DAY, US, time_format
from greenkit.times import to_wall_clock

ISO: Final = "%Y-%m-%d %H:%M:%S"
"""Format of times where a mapping states none."""
_BASES: Final = {"excel": "1899-12-30", "excel-1904": "1904-01-01"}

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


def is_fixed(table: Table) -> bool:
    """Return whether the times of the table are the same in every zone."""
    return bool(table.time.epoch) or table.clock == "utc" or offset_minutes(table.clock or "") is not None


def to_local(at: Ints, zones: npt.NDArray[Any], table: Table) -> tuple[Ints, Bools]:
    """Return instants on the clock of the table, and which of them are in the second of two equal hours."""
    clock = table.clock or "local"
    second = np.zeros(len(at), dtype=bool)
    fixed = 0 if clock == "utc" else offset_minutes(clock)
    if fixed is not None:
        return at + fixed * MINUTE, second
    local = np.zeros(len(at), dtype=np.int64)
    for zone in dict.fromkeys(zones):
        mine = zones == zone
        own = at[mine]
        if clock == "standard":
            local[mine] = own + standard_offset(zone, int(own.min()), int(own.max()))
        else:
            local[mine] = to_wall_clock(own, zone)
            second[mine] = to_utc(local[mine], zone) != own
    return local, second


def time_columns(rows: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Return the time columns of rows, and those of the ends and lengths of intervals."""
    time, zones = table.time, rows["zone"].to_numpy()
    start, end = rows["start"].to_numpy(), rows["end"].to_numpy()
    at = labeled(rows, table)
    local, end_local = to_local(at, zones, table)[0], to_local(end, zones, table)[0]
    days = _are_days(start, end, local, table)
    form = time.format or ("%Y-%m-%d" if days else f"{ISO}%z" if table.clock == "offset" else ISO)
    if days:
        local = to_local(start, zones, table)[0] - _day_start(table)
        end_local = end_local - _day_start(table)
    out: dict[str, Any] = {}
    if time.epoch:
        out[time.epoch] = at // {"s": US, "ms": 1000, "us": 1}[time.unit]
    elif time.between:
        both = [stamp(bound, form, bound - own) for bound, own in ((local, start), (end_local, end))]
        out[time.columns[0]] = both[0].astype(str) + time.between + both[1].astype(str)
    elif time.slots:
        out |= _counted(local, end - start, time.slots, table)
    else:
        out |= _stamps(local, time.columns, form, local - at)
    if isinstance(table.label, End):
        last = (DAY if days else MINUTE) if table.label.inclusive else 0
        out |= _stamps(end_local - last, table.label.columns, form, end_local - end)
    if isinstance(table.interval, Column):
        minutes = (end - start) / MINUTE
        out[table.interval.column] = minutes.astype(int) if (minutes % 1 == 0).all() else minutes
    return out


def labeled(rows: pd.DataFrame, table: Table) -> Ints:
    """Return the bound of each interval that the time of its row marks."""
    return rows["end" if table.label == "end" and not table.time.between else "start"].to_numpy()


def _day_start(table: Table) -> int:
    hour, _, minute = (table.day_start or "00:00").partition(":")
    return (int(hour) * 60 + int(minute)) * MINUTE


def _are_days(start: Ints, end: Ints, local: Ints, table: Table) -> bool:
    """Return whether the intervals are local days or months, which a table states by their dates."""
    time = table.time
    if table.clock not in (None, "local") or time.epoch or time.slots or time.between or len(time.columns) != 1:
        return False
    if any(directive in time.format for directive in ("%H", "%I", "excel")) or not len(start):
        return False
    begins = local if table.label != "end" else local - (end - start)
    return bool((end - start >= 23 * HOUR).all() and (begins % DAY == _day_start(table)).all())


def _stamps(local: Ints, names: Sequence[str], form: str, offset: Ints) -> dict[str, Any]:
    """Return local times as one column, or as a date and a time column."""
    if len(names) == 1:
        return {names[0]: stamp(local, form, offset)}
    date, clock = time_format(form)
    days = local // DAY * DAY if date in _BASES else local
    return {names[0]: stamp(days, date, offset), names[1]: stamp(local, clock or "%H:%M:%S", offset)}


def stamp(local: Ints, form: str, offset: Ints | None) -> pd.Series[Any]:
    """Return local times as text of a format, or as serial numbers of a spreadsheet."""
    if form in _BASES:
        days = (local - int(np.datetime64(_BASES[form], "us").astype(np.int64))) / DAY
        return pd.Series(days.astype(np.int64) if (days % 1 == 0).all() else days)
    at = pd.Series(local.astype("datetime64[us]"))
    parts = re.split("%[zZ]", form)
    text = at.dt.strftime(parts[0])
    for part in parts[1:]:
        minutes = np.zeros(len(at), dtype=np.int64) if offset is None else offset // MINUTE
        signs = np.where(minutes < 0, "-", "+")
        zone = [f"{s}{abs(m) // 60:02}:{abs(m) % 60:02}" for s, m in zip(signs, minutes.tolist(), strict=True)]
        text = text + pd.Series(zone, dtype=text.dtype) + (at.dt.strftime(part) if part else "")
    return text


def _counted(local: Ints, length: Ints, slots: Sequence[Slot], table: Table) -> dict[str, Any]:
    """Return the date of each time, and the numbers of the intervals that it is after: hour 3 and quarter 2 for 02:15.

    The repeated hour has its numbers twice, as the clock does.
    """
    unit = [length if isinstance(s.minutes, Column) else np.full(len(local), int(s.minutes * MINUTE)) for s in slots]
    largest = max((int(u.max(initial=1)) for u in unit), default=DAY)
    names = table.time.columns
    whole = local // DAY * DAY
    if len(names) == 2 and largest < HOUR:
        whole = local // HOUR * HOUR  # the time column has the hour, and the numbers are counted in it
    out = _stamps(whole, names, table.time.format or ("%Y-%m-%d" if len(names) == 1 else ISO), 0 * local)
    rest = local - whole
    # the largest intervals first: 02:15 is 2 hours, and then 1 quarter
    for i in sorted(range(len(slots)), key=lambda i: -int(unit[i].max(initial=0))):
        out[slots[i].column] = rest // np.maximum(unit[i], 1) + slots[i].first
        rest = rest % np.maximum(unit[i], 1)
        if isinstance(spec := slots[i].minutes, Column):
            out[spec.column] = length // MINUTE
    return out
