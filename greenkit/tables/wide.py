"""Wide tables: a column for each interval of the day → one row for each interval.

The names of value columns are times (``00:15``), numbers (``KW_INTERVAL_1``), or both with text around them. Days when
clocks change have additional or blank columns. A table with the columns of 25 hours has the repeated hour in one of
three places, here for hours of the United States (1 is the hour from midnight, 2' the second hour from 01:00):

============  =============================================  ============================================
order         fall-back day                                  any other day
============  =============================================  ============================================
in order      1 2 2' 3 4 … 24                                1 2 3 … 24, the last column blank
slots 9-12    1 2 2' 3 4 … 24                                1 2, a blank column, 3 … 24
appended      1 2 3 … 24 2'                                  1 2 3 … 24, the last column blank
============  =============================================  ============================================

The second order shows on any other day. The first and the third do not differ in one fall-back day, so they are asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import SettingsError
from greenkit.tables._base import runs, squeeze, take
from greenkit.tables.cells import fold
from greenkit.tables.intervals import MINUTE
from greenkit.tables.placement import Change, changes
from greenkit.tables.stamps import DAY, NEVER, US, parse_stamps

PER_DAY: Final = (24, 48, 72, 96, 144, 288, 1440)
_PARTS: Final = {"{HH:MM}": r"(\d{1,2}:\d{2})", "{HHMM}": r"(\d{3,4})", "{n}": r"(\d{1,4})", "*": ".*"}
_SPLIT: Final = re.compile(r"(\{HH:MM\}|\{HHMM\}|\{n\}|\*)")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int8]


@dataclass
class Slots:
    """The value columns of a wide table, in the order of the table.

    Attributes
    ----------
    names : list of str
        The columns.
    minute : array of int64
        Microseconds since midnight that the name states; of a number, those of the end of its interval.
    number : array of int64
        Number of the interval, counted from 1; 0 if the names are times.
    extra : array of bool
        Columns of the repeated hour, by their names.
    """

    names: list[str]
    minute: Ints
    number: Ints
    extra: npt.NDArray[np.bool_]

    @property
    def step(self) -> int:
        """Length of an interval in microseconds."""
        if self.number.any():
            return DAY // self.per_day
        minutes = np.unique(np.append(self.minute[~self.extra] % DAY, DAY))
        minutes = minutes[minutes > 0]
        return int(np.diff(minutes, prepend=0).min()) if len(minutes) else DAY

    @property
    def per_day(self) -> int:
        """Intervals of a day of 24 hours."""
        count = int(self.number.max()) if self.number.any() else int((~self.extra).sum())
        fitting = [n for n in PER_DAY if n <= count <= n + n // 24]
        if not fitting:
            raise SettingsError(
                f"{count} columns are not the intervals of a day", next_step="Correct time.wide in the mapping."
            )
        return fitting[-1]


def matcher(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern of column names."""
    if "%" in pattern:
        return re.compile(r"(.+)")
    parts = [_PARTS.get(part) or re.escape(part.casefold()) for part in _SPLIT.split(fold_pattern(pattern)) if part]
    return re.compile("".join(parts), re.IGNORECASE)


def fold_pattern(pattern: str) -> str:
    """Return a pattern with single blanks."""
    return re.sub(r"\s+", " ", pattern.strip())


def find_slots(names: Sequence[str], pattern: str, extra: str = "") -> Slots:
    """Return the value columns whose names fit a pattern.

    Examples
    --------
    >>> found = find_slots(["Date", "HE 1", "HE 2"], "HE {n}")
    >>> found.names, found.number.tolist()
    (['HE 1', 'HE 2'], [1, 2])
    """
    kept: list[str] = []
    minute: list[int] = []
    number: list[int] = []
    is_extra: list[bool] = []
    for form, special in ((extra, True), (pattern, False)) if extra else ((pattern, False),):
        expression = matcher(form)
        words = [name for name in names if name not in kept]
        values = parse_stamps(words, form).value.tolist() if "%" in form else [NEVER] * len(words)
        for name, value in zip(words, values, strict=True):
            if "%" in form:
                ok, minutes, n = value != NEVER, value, 0
            else:
                match = expression.fullmatch(fold(name)) or expression.fullmatch(name)
                ok, minutes, n = _read_name(match, form)
            if ok:
                kept.append(name)
                minute.append(minutes)
                number.append(n)
                is_extra.append(special)
    order = sorted(range(len(kept)), key=lambda i: names.index(kept[i]))
    return Slots(
        [kept[i] for i in order],
        np.array([minute[i] for i in order], dtype=np.int64),
        np.array([number[i] for i in order], dtype=np.int64),
        np.array([is_extra[i] for i in order], dtype=bool),
    )


def _read_name(match: re.Match[str] | None, form: str) -> tuple[bool, int, int]:
    text = match[1] if match and match.groups() else ""
    if not text:
        return False, 0, 0
    if "{n}" in form:
        return int(text) > 0, 0, int(text)
    digits = text.replace(":", "").zfill(4)
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 24 or minutes > 59:
        return False, 0, 0
    # 23:59 is how some tables write the end of the day
    return True, (hours * 60 + minutes + (hours == 23 and minutes == 59)) * MINUTE, 0


@dataclass
class Expanded:
    """Cells of a wide table as rows.

    Attributes
    ----------
    counts : array of int64
        Cells of each row; those of a row follow one another.
    label : array of int64
        Local start in microseconds.
    fold : array of int8 or None
        1 in the second of the two hours from the same label; -1 if only the order of the rows shows it.
        None: only the order shows it in any row.
    value : array of float64
    """

    counts: Ints
    label: Ints
    fold: Folds | None
    value: Floats


def expand(date: Ints, values: Floats, slots: Slots, label: str, zone: str, repeat: str | None) -> Expanded:
    """Return one row for each cell.

    Parameters
    ----------
    date : array of int64
        Local date of each row, in microseconds.
    values : array of float64, rows by slots
        The result may have a view of it.
    slots : Slots
    label : {"start", "end"}
        What the names of columns mark, if they are times.
    zone : str
    repeat : str or None
        Where the repeated hour is; None if it is not in a column of its own.
    """
    step = slots.step
    n, k = values.shape
    starts = np.where(slots.number > 0, (slots.number - 1) * step, slots.minute - (step if label == "end" else 0))
    if label == "end" and not slots.number.any():
        starts[starts < 0] += DAY  # the column 00:00 at the end of a row
    count, extra = slots.per_day, int(slots.number.max(initial=0)) - slots.per_day if slots.number.any() else 0
    is_extra = slots.extra | (slots.number > count)
    # rows by columns: local label, and, if a column is of the repeated hour, which of two equal hours it is in
    labels = date[:, None] + starts[None, :]
    folds = np.full((n, k), -1, dtype=np.int8) if is_extra.any() else None
    found = changes(zone, int(date.min()), int(date.max()) + DAY) if n else ()
    days = {_date_of(change): change for change in found}
    special = np.flatnonzero(np.isin(date, list(days)))
    keep = np.ones((n, k), dtype=bool)
    if folds is not None:
        folds[:, slots.extra] = 1
        filled = ~np.isnan(values)
        keep &= filled | ~is_extra
        if extra > 0 and repeat == "slots 9-12":
            start = labels - date[:, None]
            _third_hour(start, folds, keep, filled, slots, date, zone, extra)
            labels = start + date[:, None]
    for i in special:
        start = labels[i] - date[i]
        _change_day(
            start, None if folds is None else folds[i], keep[i], ~np.isnan(values[i]), slots, days[int(date[i])],
            repeat, extra, step,
        )  # fmt: skip
        labels[i] = start + date[i]
    out = Expanded(np.full(n, k), labels.reshape(-1), None if folds is None else folds.reshape(-1), values.reshape(-1))
    if keep.all():
        return out
    kept = runs(keep.reshape(-1))
    return Expanded(
        keep.sum(axis=1), squeeze(out.label, kept), None if out.fold is None else squeeze(out.fold, kept),
        take(out.value, kept),
    )  # fmt: skip


def _date_of(change: Change) -> int:
    return (change.at + change.before) // DAY * DAY


def _third_hour(
    start: Ints, folds: Folds, keep: npt.NDArray[np.bool_], filled: npt.NDArray[np.bool_], slots: Slots, date: Ints,
    zone: str, extra: int,
) -> None:  # fmt: skip
    """Set the columns after the second hour apart, and shift those that follow to their own labels."""
    step = slots.step
    window = next(
        (c.window[0] % DAY for c in changes(zone, int(date.min()), int(date.max()) + 366 * DAY) if c.is_fall), 3600 * US
    )
    first = window // step + extra  # intervals before the second of the two hours
    number = slots.number
    repeated = (number > first) & (number <= first + extra)
    start[:, repeated] = window + (number[repeated] - first - 1) * step
    folds[:, repeated] = 1
    later = number > first + extra
    start[:, later] = (number[later] - 1 - extra) * step
    keep[:, later] = True
    keep[:, repeated] = filled[:, repeated]


def _change_day(
    start: Ints, folds: Folds | None, keep: npt.NDArray[np.bool_], filled: npt.NDArray[np.bool_], slots: Slots,
    change: Change, repeat: str | None, extra: int, step: int,
) -> None:  # fmt: skip
    """Set the labels of one row on a day when clocks change."""
    a, b = (limit % DAY for limit in change.window)
    number, count = slots.number, slots.per_day
    hour = b - a
    if change.is_fall:
        if folds is None:
            return  # no column is of the repeated hour
        if extra > 0 and repeat == "appended":
            late = number > count
            start[late] = a + (number[late] - count - 1) * step
            folds[late] = 1
            folds[(start >= a) & (start < b) & ~late] = 0
        elif extra > 0 and repeat == "in order" and filled[number > count].any():
            elapsed = (number - 1) * step
            second = (elapsed >= b) & (elapsed < b + hour)
            start[:] = np.where(elapsed < b, elapsed, elapsed - hour)
            folds[:] = np.where(second, 1, np.where((elapsed >= a) & (elapsed < b), 0, -1))
        elif slots.extra.any():
            folds[(start >= a) & (start < b) & ~slots.extra] = 0
        return
    skipped = (start >= a) & (start < b)
    keep &= filled | ~skipped
    if number.any() and repeat != "slots 9-12":
        # 92 values from the left, the last columns blank: intervals are counted on through the skipped hour
        short = count - hour // step
        if filled[number <= short].all() and not filled[number > short].any():
            elapsed = (number - 1) * step
            start[:] = np.where(elapsed < a, elapsed, elapsed + hour)
            keep &= number <= short


def likely_repeat(date: Ints, values: Floats, slots: Slots, zone: str) -> tuple[str | None, bool]:
    """Return where the repeated hour is, and whether that must be asked.

    Examples
    --------
    >>> slots = find_slots([str(i) for i in range(1, 26)], "{n}")
    >>> day = np.array(["2024-11-02", "2024-11-03"], dtype="datetime64[us]").astype(np.int64)
    >>> values = np.ones((2, 25)); values[0, 24] = np.nan
    >>> likely_repeat(day, values, slots, "America/Chicago")
    (None, True)
    >>> values[0, [2, 24]] = np.nan, 1
    >>> likely_repeat(day, values, slots, "America/Chicago")
    ('slots 9-12', False)
    """
    extra = int(slots.number.max(initial=0)) - slots.per_day if slots.number.any() else 0
    if extra <= 0 or not len(date):
        return None, False
    filled = ~np.isnan(values)
    found = changes(zone, int(date.min()), int(date.max()) + DAY)
    ordinary = ~np.isin(date, [_date_of(c) for c in found])
    last = slots.number > slots.per_day
    if filled[np.ix_(ordinary, last)].any():
        return "slots 9-12", False
    fall = np.isin(date, [_date_of(c) for c in found if c.is_fall])
    return None, bool(filled[np.ix_(fall, last)].any())
