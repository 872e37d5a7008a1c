"""Time columns of a table as labels: local times without a time zone, and the ends that rows may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.findings import Kind
from greenkit.tables._base import Base
from greenkit.tables.cells import MISSING, Words, fold
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import (
    DATE_ORDERS,
    Column,
    End,
)
from greenkit.tables.placement import HOUR, changes
from greenkit.tables.stamps import DAY, NEVER, NO_OFFSET, Stamps, parse_stamps, time_format

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
        self._count_unreadable(label, self.words(time.columns[0]))
        end = None
        if isinstance(self.table.label, End):
            end = self._ends(self.table.label, label)
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

    def _ask_date_order(self, column: Words, stamps: Stamps) -> None:
        other = parse_stamps(column.words, "", "day first")
        code = int(np.argmax((other.value != stamps.value) & (stamps.value != NEVER)))
        # Only one of the two orders can give consecutive days in the order of the file, if there are enough of them.
        verdict = self._order_by_sequence(column, stamps, other)
        if verdict:
            if verdict == "day first":
                stamps.value[:] = other.value
            return
        row = int(np.argmax(column.codes == code))
        self.ask(
            "date_order", "Is the month or the day first in the dates?", DATE_ORDERS,
            "No number above 12 distinguishes the month from the day", row,
        )  # fmt: skip

    @staticmethod
    def _order_by_sequence(column: Words, first: Stamps, second: Stamps) -> str | None:
        """Return the order in which the dates are consecutive days, if they are in one order only."""
        steps = []
        for stamps in (first, second):
            days = np.unique(stamps.value[stamps.value != NEVER] // DAY)
            steps.append(len(days) > 3 and bool((np.diff(days) == 1).all()))
        if steps == [True, False]:
            return "month first"
        return "day first" if steps == [False, True] else None

    def _ends(self, spec: End, label: Ints) -> Ints:
        """Return the exclusive local end of each row; NEVER if it has none."""
        form = self.table.time.format
        names = spec.columns
        if form and len(names) == 1 and len(self.table.time.columns) == 2:
            form = time_format(form)[1] if not self._has_dates(names[0]) else form
        end, _, has_time = self._stamps(names, form, ends=True)
        good = end != NEVER
        if good.any() and (end[good] <= DAY).all():
            # times without dates: the day of the start, or the next one
            end = np.where(good & (label != NEVER), label // DAY * DAY + end, NEVER)
            if spec.inclusive:
                end = np.where(good, end + MINUTE, end)
            # 23:30 to 00:00 ends on the next day; 01:45 to 01:00 is the last quarter before clocks go back
            return np.where(good & (end < label) & (label - end >= DAY // 2), end + DAY, end)
        if spec.inclusive:
            end = np.where(good, end + (MINUTE if has_time else DAY), end)
        return end

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
        return label, column.map(end.value, np.int64), offset

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
        zone = self._zone()
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
        digits = word.strip().upper().removeprefix("HE").removesuffix(":00").strip()
        return float(digits) if digits.isdigit() else np.nan

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


def minutes_of(word: str) -> int:
    """Return the length that a cell such as ``15``, ``60min`` or ``Hour`` states, in microseconds; 0 if none."""
    word = fold(word)
    digits = "".join(c for c in word if c.isdigit() or c == ".")
    unit = word.replace(digits, "").strip() if digits else word
    scale = {"hour": 60, "hours": 60, "h": 60, "hr": 60, "day": 1440, "days": 1440, "d": 1440}.get(unit, 1)
    return int(float(digits or (1 if scale > 1 else 0)) * scale * MINUTE)
