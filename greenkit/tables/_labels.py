"""Time columns of a table as labels: local times without a time zone, and the ends that rows may have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.findings import Kind
from greenkit.tables._base import Base
from greenkit.tables.cells import MISSING, Words, fold
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import (
    DATE_SYSTEMS,
    Column,
    End,
)
from greenkit.tables.placement import HOUR, changes
from greenkit.tables.stamps import DAY, NEVER, NO_OFFSET, Stamps, parse_stamps, time_format
from greenkit.text import parse_number

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROW_UNREADABLE: Final = Kind(
    "tables.row.unreadable",
    "warning",
    "greenkit left out {count:row} of {file} without a readable time, first data row {first}.",
    "Check {count:this row|these rows} of {file}.",
)
LABEL_INFERRED: Final = Kind(
    "tables.label.inferred",
    "info",
    "Times of {file} mark the {label} of intervals. {reason}",
)


_SLOT: Final = re.compile(r"(?:HE)?\s*(\d+)(?::00){0,2}", re.IGNORECASE)
"""Number of an interval: 7, HE07, 07:00, or 7:00:00 after a spreadsheet."""
_LENGTH: Final = re.compile(
    r"(?P<number>\d{1,5}(\.\d{1,3})?)?\s*(?P<unit>d|days?|h|hrs?|hours?|m|mins?|minutes?|minute\(s\))?\.?"
)
END_INCLUSIVE: Final = Kind(
    "tables.label.inclusive",
    "info",
    "The end times in {file} are inclusive, since the next row starts after them. greenkit made them exclusive.",
)


class Labels(Base):
    """Labels of the rows."""

    def _used_rows(self) -> Bools:
        """Return which rows are readings, by the words that the mapping names."""
        used = np.ones(self.columns.rows, dtype=bool)
        rows = self.table.rows
        if rows is not None:
            column = self.words(rows.column)
            keep = {fold(word) for word in rows.keep}
            drop = {fold(word) for word in rows.drop}
            good = [fold(w) not in drop and (not keep or fold(w) in keep) for w in column.words]
            used &= column.map(good, bool)
        return used

    def stamps(self) -> tuple[Ints, Ints | None, npt.NDArray[np.int32] | None]:
        """Return the label of each row, its end if there is a column of ends, and its offset from UTC."""
        if self._stamped is None:
            self._stamped = self._labels()
            if self.shift:
                label = self._stamped[0]
                self._stamped = (np.where(label == NEVER, NEVER, label + self.shift), *self._stamped[1:])
        return self._stamped

    def _labels(self) -> tuple[Ints, Ints | None, npt.NDArray[np.int32] | None]:
        time = self.table.time
        if time.epoch:
            scale = {"s": 1_000_000, "ms": 1_000, "us": 1}[time.unit]
            values = self.numbers(time.epoch)
            label = np.full(len(values), NEVER, dtype=np.int64)
            good = ~np.isnan(values) & (np.abs(values) < 1e17 / scale)
            label[good] = np.round(values[good] * scale).astype(np.int64)
            self.time_given = True
            return label, None, np.where(good, np.int32(0), np.int32(NO_OFFSET))
        if time.between:
            return self._ranges(time.between)
        label, offset, has_time = self._stamps(time.columns, time.format)
        self.time_given = has_time or bool(time.slots)
        if time.slots:
            label = self._with_slots(label)
        if not self.time_given and self.table.day_start:
            hour, _, minute = self.table.day_start.partition(":")
            label = np.where(label == NEVER, NEVER, label + (int(hour) * 60 + int(minute)) * MINUTE)
        self._count_unreadable(label, self.words(time.columns[0]))
        end = None
        if isinstance(self.table.label, End):
            end = self._ends(self.table.label, label, offset)
        return label, end, offset

    def _count_unreadable(self, label: Ints, column: Words) -> None:
        """Report rows whose time cannot be read, but not blank rows and repeated headers."""
        bad = label == NEVER
        if not bad.any():
            return
        silent = [fold(w) in self.header or w in MISSING for w in column.words]
        doubtful = bad & ~column.map(silent, bool)
        if doubtful.any():
            self._report(ROW_UNREADABLE, count=int(doubtful.sum()), first=int(np.argmax(doubtful)) + 1)

    def _stamps(
        self, names: Sequence[str], form: str, *, ends: bool = False
    ) -> tuple[Ints, npt.NDArray[np.int32] | None, bool]:
        """Return the labels of one column, or of a date and a time column."""
        forms = ["", ""] if not form else [form] if len(names) == 1 else list(time_format(form))
        found = []
        for name, one in zip(names, forms, strict=False):
            column = self.words(name)
            if name == names[0] and not one and _are_serials(column.words):
                one = self._serials(column)
            stamps = parse_stamps(column.words, one, self.table.date_order)
            if stamps.order == "ambiguous" and self.table.date_order is None:
                self._ask_date_order(column, stamps)
            found.append((column, stamps))
        label = np.zeros(self.columns.rows, dtype=np.int64)
        bad = np.zeros(self.columns.rows, dtype=bool)
        offset: npt.NDArray[np.int32] | None = None
        for column, stamps in found:
            if (stamps.value == NEVER).any():
                part = column.map(stamps.value, np.int64)
                bad |= part == NEVER
                label += np.where(part == NEVER, 0, part)
            elif len(column.words):
                label += stamps.value[column.codes]
            else:
                bad[:] = True
            if (stamps.offset != NO_OFFSET).any():
                offset = column.map(stamps.offset, np.int32)
            self._saw_24 |= stamps.ends_at_24 and not ends
        label[bad] = NEVER
        return label, offset, any(s.has_time for _, s in found)

    def _serials(self, column: Words) -> str:
        """Return the form of serial numbers, whose first day is of 1900 or of 1904."""
        if self.table.date_system is None:
            first = next(word for word in column.words if word not in MISSING)
            self.ask(
                "date_system", "From which year do the serial numbers of the times count?", DATE_SYSTEMS,
                "The times are numbers of days, as spreadsheets store them",
                int(np.argmax(column.codes == column.words.index(first))),
            )  # fmt: skip
        return "excel-1904" if self.table.date_system == "1904" else "excel"

    def _ask_date_order(self, column: Words, stamps: Stamps) -> None:
        read = {order: parse_stamps(column.words, "", order) for order in stamps.orders}
        # If only one order makes the days consecutive, and there are enough of them, it is the right one.
        consecutive = [order for order, one in read.items() if _are_consecutive(one)]
        if len(consecutive) == 1:
            stamps.value[:] = read[consecutive[0]].value
            return
        differs = np.any([one.value != stamps.value for one in read.values()], axis=0) & (stamps.value != NEVER)
        evidence = "No number above 12 distinguishes the month from the day"
        if "year first" in read:
            evidence = "Years have two digits, and no number shows which part is the year, the month, or the day"
        self.ask(
            "date_order", "Which part of the dates is first?", stamps.orders, evidence,
            int(np.argmax(column.codes == int(np.argmax(differs)))),
        )  # fmt: skip

    def _ends(self, spec: End, label: Ints, offset: npt.NDArray[np.int32] | None) -> Ints:
        """Return the exclusive local end of each row, with the offset of its start; NEVER if it has none."""
        form = self.table.time.format
        names = spec.columns
        if form and len(names) == 1 and len(self.table.time.columns) == 2:
            form = time_format(form)[1] if not self._has_dates(names[0]) else form
        end, own, has_time = self._stamps(names, form, ends=True)
        good = end != NEVER
        end = _at_offset(end, own, offset)
        if good.any() and (end[good] <= DAY).all():
            # times without dates: the day of the start, or the next one
            end = np.where(good & (label != NEVER), label // DAY * DAY + end, NEVER)
            if self._is_inclusive(spec, label, end, MINUTE):
                end = np.where(good, end + MINUTE, end)
            # 23:30 to 00:00 ends on the next day; 01:45 to 01:00 is the last quarter before clocks go back
            return np.where(good & (end < label) & (label - end >= DAY // 2), end + DAY, end)
        last = MINUTE if has_time else DAY
        return np.where(good, end + last, end) if self._is_inclusive(spec, label, end, last) else end

    def _is_inclusive(self, spec: End, label: Ints, end: Ints, last: int) -> bool:
        """Return whether the last minute or day belongs to the rows, as the start of the next row shows."""
        if spec.inclusive is not None or not self.asks_kind:
            return bool(spec.inclusive)
        if self.table.interval == "period" and self.table.bill_end is not None:
            return self.table.bill_end == "inclusive"
        good = (end != NEVER) & (label != NEVER)
        starts = np.unique(label[good])
        if np.isin(end[good], starts).any():
            return False
        if np.isin(end[good] + last, starts).any():
            self._report(END_INCLUSIVE)
            return True
        if self.table.interval == "period" and good.any():
            self.ask(
                "bill_end", "Is the end date part of the bill?", ("inclusive", "exclusive"),
                "No bill begins on the end date of another bill, or on the day after", int(np.argmax(good)),
            )  # fmt: skip
        return False

    def _has_dates(self, name: str) -> bool:
        words = self.words(name).words[:20]
        return parse_stamps(words, "", self.table.date_order).has_date

    def _ranges(self, between: str) -> tuple[Ints, Ints | None, npt.NDArray[np.int32] | None]:
        """Return start and end of cells such as ``2024-01-01 00:00 to 2024-01-01 01:00``."""
        column = self.words(self.table.time.columns[0])
        pairs = [word.partition(between) for word in column.words]
        form, order = self.table.time.format, self.table.date_order
        start = parse_stamps([p[0] for p in pairs], form, order)
        end = parse_stamps([p[2] for p in pairs], form, order)
        if start.order == "ambiguous" and order is None:
            self._ask_date_order(Words(column.codes, [p[0] for p in pairs]), start)
        self.time_given = True
        label = column.map(start.value, np.int64)
        self._count_unreadable(label, column)
        offset = column.map(start.offset, np.int32) if (start.offset != NO_OFFSET).any() else None
        return label, _at_offset(column.map(end.value, np.int64), column.map(end.offset, np.int32), offset), offset

    def _with_slots(self, date: Ints) -> Ints:
        """Add counted intervals to dates: hour 1 to 24, and quarter 1 to 4.

        On days when clocks change, the numbers count elapsed hours if they reach 25, or if they skip none in spring.
        """
        minutes = np.zeros(len(date))
        for slot in self.table.time.slots:
            column = self.words(slot.column)
            values = [self._slot_number(word) for word in column.words]
            length: Any = slot.minutes
            if isinstance(length, Column):
                lengths = self.words(length.column)
                length = lengths.map([minutes_of(word) / MINUTE for word in lengths.words], float)
            minutes += (column.map(values, float) - slot.first) * length
        good = (date != NEVER) & ~np.isnan(minutes) & (minutes >= 0) & (minutes <= 25 * 60)
        elapsed = np.where(good, minutes * MINUTE, 0).astype(np.int64)
        label = np.where(good, date + elapsed, NEVER)
        zone = self._zone() if self.table.clock in (None, "local") else None  # other clocks do not change
        if zone is None or not good.any():
            return np.asarray(label, dtype=np.int64)
        for change in changes(zone, int(date[good].min()), int(date[good].max()) + DAY):
            day = (change.at + change.before) // DAY * DAY
            rows = good & (date == day)
            hour = abs(change.after - change.before)
            a = change.window[0] - day
            last = elapsed[rows].max(initial=0)
            if change.is_fall and last >= DAY:
                label[rows & (elapsed >= change.window[1] - day)] -= hour
                if self._folds is None:
                    self._folds = np.full(len(date), -1, dtype=np.int8)
                self._folds[rows & (elapsed >= a) & (elapsed < a + hour)] = 0
                self._folds[rows & (elapsed >= a + hour) & (elapsed < a + 2 * hour)] = 1
            elif not change.is_fall and rows.any() and last < DAY - hour and (elapsed[rows] // HOUR == a // HOUR).any():
                label[rows & (elapsed >= a)] += hour
        return np.asarray(label, dtype=np.int64)

    @staticmethod
    def _slot_number(word: str) -> float:
        match = _SLOT.fullmatch(word.strip())
        return float(match[1]) if match else np.nan

    def _infer_label(self) -> str:
        if not self.time_given or self.table.time.slots:
            return "start"
        if self._label is not None:
            return self._label
        labels = self._all_labels
        first, last = int(labels.min()) % DAY, int(labels.max()) % DAY
        self._label = "start"
        if getattr(self, "_saw_24", False):
            self._label, reason = "end", "One of them is 24:00."
        elif first != 0 and last == 0:
            self._label, reason = "end", "The last one is 00:00 of the next day."
        elif first == 0 and last != 0 and last >= DAY - 2 * HOUR:
            reason = "The first one is 00:00, and the last one is in the last hour of a day."
        else:
            self.ask(
                "label", "Do the times mark the start or the end of intervals?", ("start", "end"),
                "The first and the last time of the table are not the limits of days", 0,
            )  # fmt: skip
            return "start"
        self._report(LABEL_INFERRED, label=self._label, words={"reason": reason})
        return self._label

    def _ends_are_labels(self) -> bool:
        """Return whether the labels of a long table mark the ends of intervals."""
        if self.table.is_wide:
            return False
        if isinstance(self.table.label, End):
            return False
        return self.table.label == "end" or (self.table.label is None and self._infer_label() == "end")


def _at_offset(end: Ints, own: npt.NDArray[np.int32] | None, offset: npt.NDArray[np.int32] | None) -> Ints:
    """Return ends by the offset of their starts: from 01:00+01:00 to 03:00+02:00 is one hour, to 02:00+01:00."""
    if own is None or offset is None:
        return end
    both = (end != NEVER) & (own != NO_OFFSET) & (offset != NO_OFFSET)
    return np.where(both, end + (offset.astype(np.int64) - own) * MINUTE, end)


def _are_consecutive(stamps: Stamps) -> bool:
    days = np.unique(stamps.value[stamps.value != NEVER] // DAY)
    return len(days) > 3 and bool((np.diff(days) == 1).all())


def _are_serials(words: Sequence[str]) -> bool:
    """Return whether all words are serial numbers of spreadsheets, from 1982 to 2091."""
    numbers = [parse_number(word) for word in words if word and word not in MISSING]
    return bool(numbers) and all(number is not None and 30_000 <= number < 70_000 for number in numbers)


def minutes_of(word: str) -> int:
    """Return the length that a cell such as ``15``, ``60min`` or ``Hour`` states, in microseconds; 0 if none.

    Examples
    --------
    >>> [minutes_of(word) // MINUTE for word in ("15", "60min", "Hour", "1.5 h", "Pat 12")]
    [15, 60, 60, 90, 0]
    """
    match = _LENGTH.fullmatch(fold(word))
    if match is None or not (match["number"] or match["unit"]):
        return 0
    scale = (
        1440 if match["unit"] and match["unit"][0] == "d" else 60 if match["unit"] and match["unit"][0] == "h" else 1
    )
    return int(float(match["number"] or scale > 1) * scale * MINUTE)
