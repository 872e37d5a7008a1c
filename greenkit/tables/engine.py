"""The engine: columns of cells and a mapping → readings in UTC.

It decides only what the table proves. A question that the table leaves open is recorded, answered provisionally so that
the other questions show too, and raised by the caller together with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.findings import Findings, Kind
from greenkit.tables import intervals, numbers, wide
from greenkit.tables.cells import MISSING, Columns, Words, clean_id, fold
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import (
    CLOCKS,
    DATE_ORDERS,
    FLOWS,
    REPEATED_HOURS,
    Blocks,
    Column,
    Cost,
    End,
    Table,
    Value,
    offset_minutes,
)
from greenkit.tables.mapping import Words as WordsOf
from greenkit.tables.placement import HOUR, Once, Placed, changes, place, standard_offset, to_utc
from greenkit.tables.stamps import DAY, NEVER, NO_OFFSET, Stamps, parse_stamps, time_format
from greenkit.times import to_wall_clock

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

KINDS: Final = {
    kind.name.removeprefix("tables."): kind
    for kind in (
        Kind(
            "tables.row.unreadable",
            "warning",
            "greenkit left out {count:row} of {file} without a readable time, first data row {first}.",
            "Check these rows.",
        ),
        Kind(
            "tables.value.unreadable",
            "warning",
            "{count:cell} of column {column} of {file} {count:is not a number|are not numbers}. greenkit reads "
            "{count:it|them} as missing.",
            "Add the words to missing in the mapping if they mean that there is no value.",
        ),
        Kind(
            "tables.value.blank-column",
            "info",
            "Column {column} of {file} is empty, so it has no readings.",
        ),
        Kind(
            "tables.flow.unknown-word",
            "warning",
            "{count:row} of {file} {count:has a flow|have flows} that the mapping does not name. The flow is unknown.",
            "Add the words to flow in the mapping.",
        ),
        Kind(
            "tables.unit.unknown",
            "warning",
            "The unit {unit} is not known to greenkit. Its values are unchanged.",
            "Set the unit and a factor in the mapping.",
        ),
        Kind(
            "tables.energy.again",
            "info",
            "Column {column} of {file} repeats the energy of {others}. greenkit does not count it.",
        ),
        Kind(
            "tables.energy.disagrees",
            "warning",
            "Column {column} of {file} differs from {others} in {count:row}, by {largest} at most. greenkit does not "
            "read it.",
            "Check which of the columns is right.",
        ),
        Kind(
            "tables.time.skipped-hour",
            "warning",
            "greenkit left out {count:value} in the hour that is skipped when clocks go forward, first {first}.",
            "Check whether the table is in standard time.",
        ),
        Kind(
            "tables.time.moved",
            "info",
            "{count:label} {count:does|do} not exist on the day when clocks go forward, first {first}. No row has the "
            "time an hour later, so greenkit read the {count:label as that time|labels as those times}.",
        ),
        Kind(
            "tables.time.repeated-hour",
            "warning",
            "The repeated hour of {count:day} is incomplete, first {first}. greenkit used the order of rows to assign "
            "them to the first or second hour.",
            "Check these days before you rely on their hours.",
        ),
        Kind(
            "tables.time.hour-lost",
            "warning",
            "{count:fall-back day} of {file} {count:has|have} 24 hours instead of 25, first {first}. One of the two "
            "repeated hours is missing; greenkit placed the one value in the first of them. {reason}",
            "Compare the total of the day with a bill.",
        ),
        Kind(
            "tables.time.hours-summed",
            "warning",
            "{count:fall-back day} of {file} {count:has|have} 24 hours instead of 25, first {first}. The value of the "
            "repeated hour contains both hours, so it is one interval of two hours. {reason}",
        ),
        Kind(
            "tables.clock.inferred",
            "info",
            "{file} is in {clock} time. {reason}",
        ),
        Kind(
            "tables.label.inferred",
            "info",
            "Times of {file} mark the {label} of intervals. {reason}",
        ),
        Kind(
            "tables.interval.measured",
            "info",
            "Intervals of {file} are {minutes} minutes long, as the distances between its times show.",
        ),
        Kind(
            "tables.interval.changes",
            "info",
            "Intervals of {file} have more than one length: {minutes} minutes, as the distances between its times show.",
        ),
        Kind(
            "tables.interval.unknown",
            "warning",
            "{count:row} of {file} {count:is|are} alone in a series, so the length of the interval is unknown. greenkit "
            "used {minutes} minutes, the length in the other series.",
            "Set interval in the mapping.",
        ),
        Kind(
            "tables.register.falls",
            "warning",
            "A register of {file} falls {count:time}, first {first}: the meter was replaced or rolled over. There is no "
            "usage across that time.",
            "Add the usage of that time by hand if you know it.",
        ),
        Kind(
            "tables.register.gap",
            "info",
            "Registers of {file} have {count:gap}, first {first}. The usage of each is one long interval.",
        ),
        Kind(
            "tables.net.split",
            "info",
            "greenkit split net values of {file} by their sign, as the mapping asks. Energy that flowed in both "
            "directions within one interval is not visible.",
        ),
        Kind(
            "tables.row.duplicate",
            "info",
            "greenkit left out {count:exact duplicate row} of {file}.",
        ),
        Kind(
            "tables.row.conflict",
            "warning",
            "{count:interval} of {file} {count:appears|appear} more than once with different values, first {first}. "
            "greenkit kept each of them.",
            "Check which value is right.",
        ),
    )
}
ZONES: Final = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
)  # fmt: skip
_MOST_LABELED: Final = 1 << 22
_NEIGHBOR_DAYS: Final = 10


@dataclass
class Question:
    """A question that the table leaves open.

    Attributes
    ----------
    argument, question, values, evidence
        As in :class:`greenkit.errors.Choice`.
    row : int
        Row of the columns that shows the difference; -1 if none does.
    """

    argument: str
    question: str
    values: tuple[str, ...]
    evidence: str
    row: int = -1


@dataclass
class Part:
    """Rows of one value column, or of the cells of a wide table."""

    row: Ints
    label: Ints
    value: Floats
    spec: Value
    column: str
    fold: npt.NDArray[np.int8] | None = None
    end: Ints | None = None

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: Any) -> Part:
        """Return some of the rows."""
        return Part(
            self.row[which],
            self.label[which],
            self.value[which],
            self.spec,
            self.column,
            None if self.fold is None else self.fold[which],
            None if self.end is None else self.end[which],
        )


@dataclass
class Readings:
    """Readings as arrays, sorted by series and start.

    Attributes
    ----------
    row : array of int64
        Row of the columns that each is from.
    series : array of int64
        Index into ``keys``.
    keys : list of tuple
        Meter, flow, series, unit, zone, commodity, kind.
    start, end : array of int64
        Microseconds since 1970 UTC.
    value, cost : array of float64
    currency : str
    registers : list of tuples (series, times, values)
        Cumulative readings.
    """

    row: Ints
    series: Ints
    keys: list[tuple[str, ...]]
    start: Ints
    end: Ints
    value: Floats
    cost: Floats | None = None
    currency: str = ""
    registers: list[tuple[int, Ints, Floats]] = field(default_factory=list)


def needed_columns(table: Table, names: Sequence[str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the columns of words and of numbers that a mapping needs, and the file's name of each.

    Raises
    ------
    KeyError
        With the name of a column that the file does not have.
    """
    by_name = {fold(name): name for name in reversed(names)}
    found: dict[str, str] = {}

    def use(name: str) -> str:
        if fold(name) not in by_name:
            raise KeyError(name)
        found[name] = by_name[fold(name)]
        return found[name]

    time = table.time
    words = [use(name) for name in time.columns]
    words += [use(slot.column) for slot in time.slots]
    words += [use(slot.minutes.column) for slot in time.slots if isinstance(slot.minutes, Column)]
    if isinstance(table.label, End):
        words += [use(name) for name in table.label.columns]
    for item in (time.dst, table.meter, table.series, table.zone, table.unit, table.interval, table.flow, table.quality,
                 table.tou, table.commodity, table.rows):  # fmt: skip
        if item is not None and hasattr(item, "column"):
            words.append(use(item.column))
    amounts = [use(time.epoch)] if time.epoch else []
    for name, value in table.values.items():
        if value.read or value.sum_of:
            amounts.append(use(name))
            amounts += [use(other.lstrip("-")) for other in value.sum_of]
        if isinstance(value.unit, Column):
            words.append(use(value.unit.column))
        if value.cost is not None:
            amounts.append(use(value.cost.column))
    for pattern, cell in table.patterns.items():
        amounts += wide.find_slots(names, pattern, table.time.extra).names
        if isinstance(cell.unit, Column):
            words.append(use(cell.unit.column))
    if table.cost is not None:
        amounts.append(use(table.cost.column))
    # A column can be words and numbers at once: the time column of an epoch, for example.
    return list(dict.fromkeys(words)), [n for n in dict.fromkeys(amounts) if n not in words], found


class Engine:
    """Reads one table.

    Parameters
    ----------
    columns : Columns
    table : Table
        The mapping, with the answers of the caller.
    names : sequence of str
        All columns of the file.
    meter : str
        Meter if no column has it.
    """

    def __init__(
        self, columns: Columns, table: Table, names: Sequence[str], used: dict[str, str], *, meter: str, file: str,
        header: Sequence[str] = (), preamble: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.columns, self.table, self.names, self.used = columns, table, list(names), used
        self.meter, self.file = meter, file
        self.header = {fold(cell) for cell in header if cell}
        self.preamble = dict(preamble or {})
        self.questions: list[Question] = []
        self.findings = Findings()
        self.time_given = True
        self._numbers: dict[str, Floats] = {}
        self._sign: str | None = None
        self._label: str | None = None
        self._saw_24 = False
        self._step = HOUR
        self._folds: npt.NDArray[np.int8] | None = None
        self._all_labels: Ints = np.zeros(0, dtype=np.int64)
        self._long: dict[int, int] = {}
        self._unknown: set[str] = set()
        # what the code of a layout sets
        self.lanes: list[tuple[Bools, Value]] | None = None
        self.period_starts: Ints | None = None
        self.shift = 0
        self._stamped: tuple[Ints, Ints | None, npt.NDArray[np.int32] | None] | None = None

    # -- cells

    def words(self, name: str) -> Words:
        """Return a column of words."""
        return self.columns.words[self.used[name]]

    def numbers(self, name: str) -> Floats:
        """Return a column of numbers, by the file's own name or the mapping's."""
        name = self.used.get(name, name)
        if name not in self._numbers:
            if name in self.columns.numbers:
                self._numbers[name] = self.columns.numbers[name]
            else:
                text = self.columns.texts.get(name) or self.columns.words[name]
                self._numbers[name], bad = numbers.settle(text, self._decimal(), self.table.missing)
                bad -= self._repeated_headers(name, text)
                if bad > 0:
                    self._report("value.unreadable", count=bad, column=name)
        return self._numbers[name]

    def _repeated_headers(self, name: str, text: Words) -> int:
        codes = [i for i, word in enumerate(text.words) if fold(word) in self.header or fold(word) == fold(name)]
        return int(np.isin(text.codes, codes).sum()) if codes else 0

    def _decimal(self) -> str:
        if self.table.decimal:
            return self.table.decimal
        if self._sign is None:
            self._sign = numbers.decimal_sign(self.columns.texts.values(), self.table.missing)
            if self._sign is None:
                text = next(t for t in self.columns.texts.values() if any("," in w or "." in w for w in t.words))
                code = next(i for i, w in enumerate(text.words) if "," in w or "." in w)
                row = int(np.argmax(text.codes == code))
                self.ask(
                    "decimal", "Is the comma or point in the numbers a decimal sign or a separator of thousands?",
                    (".", ","), "Every number with a comma or point has three digits after it", row,
                )  # fmt: skip
        return self._sign or "."

    def ask(self, argument: str, question: str, values: Sequence[str], evidence: str, row: int = -1) -> None:
        """Record a question once."""
        if all(q.argument != argument for q in self.questions):
            self.questions.append(Question(argument, question, tuple(values), evidence, row))

    def _report(self, name: str, *, words: dict[str, Any] | None = None, **evidence: Any) -> None:
        self.findings.add(KINDS[name], file=self.file, words=words, **evidence)

    # -- the whole reading

    def read(self) -> Readings:
        """Return the readings; questions and findings are recorded on the way."""
        used = self._used_rows()
        start, end, offset = self.stamps()
        used &= start != NEVER
        self._all_labels = start if used.all() else start[used]
        parts = self._parts(np.flatnonzero(used), start, end)
        self._compare_sums(used)
        parts = [part for part in parts if len(part)]
        if not parts:
            empty = np.zeros(0, dtype=np.int64)
            return Readings(empty, empty, [], empty, empty, np.zeros(0))
        return self._join(parts, offset)

    # -- which rows

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

    # -- time

    def stamps(self) -> tuple[Ints, Ints | None, npt.NDArray[np.int32] | None]:
        """Return the label of each row, its end if there is a column of ends, and its offset from UTC."""
        if self._stamped is None:
            self._stamped = self._labels()
            if self.shift:
                label = self._stamped[0]
                self._stamped = (np.where(label == NEVER, NEVER, label + self.shift), *self._stamped[1:])
        return self._stamped

    def report_again(self, column: str, others: str) -> None:
        """Report that a column repeats the energy of others."""
        self._report("energy.again", column=column, words={"others": others})

    def report_sum(self, column: str, others: str, off: Floats, tolerance: float) -> None:
        """Report whether a column repeats the energy of others, from the differences of each row."""
        if (off > tolerance).any():
            self._report(
                "energy.disagrees", count=int((off > tolerance).sum()), column=column,
                largest=float(np.round(off.max(), 6)), words={"others": others},
            )  # fmt: skip
        else:
            self.report_again(column, others)

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
            self._report("row.unreadable", count=int(doubtful.sum()), first=int(np.argmax(doubtful)) + 1)

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
            part = column.map(stamps.value, np.int64)
            bad |= part == NEVER
            label += np.where(part == NEVER, 0, part)
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
            "No number above 12 tells the month from the day", row,
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
            end = np.where(good & (end < label), end + DAY, end)
            return end
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

    # -- values

    def _parts(self, rows: Ints, start: Ints, end: Ints | None) -> list[Part]:
        if self.table.is_wide:
            return self._wide_parts(rows, start)
        parts = []
        everything = len(rows) == self.columns.rows
        if self.lanes is not None:
            return self._lane_parts(rows, start, end)
        for name, spec in self.table.values.items():
            if not spec.read:
                continue
            value = self.numbers(name)
            value = value if everything else value[rows]
            if spec.factor != 1:
                value = value * spec.factor
            part = Part(
                rows,
                start if everything else start[rows],
                value,
                spec,
                name,
                self._given_folds(rows),
                None if end is None else end[rows],
            )
            empty = np.isnan(value)
            if empty.all() and len(value) and len([v for v in self.table.values.values() if v.read]) > 1:
                self._report("value.blank-column", column=self.used[name])
                continue
            if spec.blank == "absent" and empty.any():
                part = part.take(~empty)
            parts.append(part)
        return parts

    def _lane_parts(self, rows: Ints, start: Ints, end: Ints | None) -> list[Part]:
        """Return the blocks of a file that share one column, as the code of a layout has told them apart."""
        name = next(iter(self.table.values))
        parts = []
        for rows_of_lane, spec in self.lanes or []:
            mine = rows[rows_of_lane[rows]]
            if not spec.read:
                continue
            part = Part(mine, start[mine], self.numbers(name)[mine] * spec.factor, spec, name)
            part.end = None if end is None else end[mine]
            parts.append(part)
        return parts

    # -- bills

    def periods(self) -> tuple[Ints, Ints, list[tuple[Part, Any, Any]]]:
        """Return local start and exclusive end of bills, and the value columns with their flow and unit."""
        used = self._used_rows()
        start, end, _ = self.stamps()
        rows = np.flatnonzero(used & (start != NEVER))
        start = start if self.period_starts is None else self.period_starts
        if end is None:
            end = np.full(len(start), NEVER, dtype=np.int64)
        self._compare_sums(used)
        made = []
        for part in self._parts(rows, start, end):
            unit_codes, units = self._unit_of(part)
            flow_codes, flows = self._flow_of(part)
            scale = np.array([u[1] for u in units])
            names = np.array([u[0] for u in units], dtype=object)
            part.value = part.value * (scale[0] if unit_codes is None else scale[unit_codes])
            unit = names[0] if unit_codes is None else names[unit_codes]
            flow = flows[0] if flow_codes is None else np.array(flows, dtype=object)[flow_codes]
            made.append((part, flow, unit))
        return start, end, made

    def labels_of(self, item: Any, default: str, part: Part) -> Any:
        """Return the label of each row of a part: a fixed one, or that of a column."""
        codes, labels = self._axis(item, default, part, False)
        return labels[0] if codes is None else np.array(labels, dtype=object)[codes]

    def cost_of(self, part: Part) -> Floats:
        """Return the money of the rows of a part."""
        cost = part.spec.cost or self.table.cost
        return np.full(len(part), np.nan) if cost is None else self.numbers(cost.column)[part.row] * cost.factor

    def currency_of(self, part: Part) -> str | None:
        """Return the currency of the money of a part."""
        cost = part.spec.cost or self.table.cost
        return None if cost is None else cost.currency

    def commodity_of(self, part: Part, unit: Any) -> Any:
        """Return the commodity of the rows of a part."""
        if self.table.commodity is not None:
            return self.labels_of(self.table.commodity, "", part)
        known = {entry[0]: entry[3] for entry in numbers.UNITS.values()}
        return known.get(unit, "") if isinstance(unit, str) else [known.get(u, "") for u in unit]

    # -- the two hours

    def _given_folds(self, rows: Ints) -> npt.NDArray[np.int8] | None:
        """Return which of the two hours a row is of, where a column says it."""
        fold_ = self._folds
        dst = self.table.time.dst
        if dst is not None:
            meanings = {fold(k): v for k, v in dst.words.items()}
            values = {"daylight": 0, "first": 0, "standard": 1, "second": 1}
            column = self.words(dst.column)
            codes = [values.get(meanings.get(fold(w), ""), -1) for w in column.words]
            fold_ = column.map(codes, np.int8)
        return None if fold_ is None else fold_[rows]

    def _wide_parts(self, rows: Ints, date: Ints) -> list[Part]:
        parts = []
        zone = self._zone() or "UTC"
        for pattern, spec in self.table.patterns.items():
            slots = wide.find_slots(self.names, pattern, self.table.time.extra)
            if not slots.names:
                continue
            values = np.stack([self.numbers(name)[rows] for name in slots.names], axis=1)
            if spec.factor != 1:
                values = values * spec.factor
            label = self._wide_label(slots)
            repeat = self.table.repeat
            if repeat is None:
                repeat, open_question = wide.likely_repeat(date[rows], values, slots, zone)
                if open_question:
                    found = changes(zone, int(date[rows].min()), int(date[rows].max()) + DAY)
                    fall = [(c.at + c.before) // DAY * DAY for c in found if c.is_fall]
                    self.ask(
                        "repeat", "Where are the columns of the repeated hour on the day with 25 hours?",
                        ("in order", "appended"),
                        f"The table has {len(slots.names)} columns of intervals, and the last ones are only filled on "
                        "the day when clocks go back",
                        int(rows[np.argmax(np.isin(date[rows], fall))]),
                    )  # fmt: skip
                    repeat = "in order"
            cells = wide.expand(date[rows], values, slots, label, zone, repeat)
            part = Part(rows[cells.row], cells.label, cells.value, spec, pattern, cells.fold)
            if spec.blank == "absent":
                part = part.take(~np.isnan(part.value))
            self._step = slots.step
            parts.append(part)
        if not parts:
            raise FormatError(
                f"{self.file}: No column is named as {' or '.join(self.table.patterns)}",
                next_step="Correct wide in time of the mapping.",
            )
        self.time_given = True
        return parts

    def _wide_label(self, slots: wide.Slots) -> str:
        if slots.number.any():
            return "start"
        label = self.table.label
        if isinstance(label, str):
            return label
        minute = slots.minute[~slots.extra]
        if (minute == DAY).any() or minute[-1] == 0:
            return "end"
        if minute[0] == 0:
            return "start"
        self.ask(
            "label", "Do the times mark the start or the end of intervals?", ("start", "end"),
            f"The columns run from {slots.names[0]} to {slots.names[-1]}", 0,
        )  # fmt: skip
        return "start"

    def _compare_sums(self, used: Bools) -> None:
        """Compare columns that repeat the energy of others with them."""
        for name, spec in self.table.values.items():
            if not spec.sum_of:
                continue
            mine = self.numbers(name)[used]
            total = np.zeros(len(mine))
            for other in spec.sum_of:
                part = np.nan_to_num(self.numbers(other.lstrip("-"))[used])
                total += -part if other.startswith("-") else part
            both = ~np.isnan(mine)
            off = np.abs(mine[both] - total[both])
            tolerance = 0.011 + 1e-6 * np.abs(mine[both])
            others = " and ".join(self.used[o.lstrip("-")] for o in spec.sum_of)
            if both.any():
                self.report_sum(self.used[name], others, np.where(off > tolerance, off, 0.0), 0.0)

    # -- series

    def _join(self, parts: list[Part], offset: npt.NDArray[np.int32] | None) -> Readings:
        """Put the parts together, in series, at their times."""
        units = [self._unit_of(part) for part in parts]
        flows = [self._flow_of(part) for part in parts]
        names = self._series_names(parts, flows, units)
        kept: list[Part] = []
        all_keys: list[tuple[str, ...]] = []
        codes: list[Ints] = []
        for part, unit, flow, name in zip(parts, units, flows, names, strict=True):
            part, key_codes, keys = self._keys(part, unit, flow, name)
            if not len(part):
                continue
            codes.append(key_codes + len(all_keys))
            all_keys += keys
            kept.append(part)
        if not kept:
            empty = np.zeros(0, dtype=np.int64)
            return Readings(empty, empty, [], empty, empty, np.zeros(0))
        order = sorted(range(len(all_keys)), key=lambda i: all_keys[i])
        distinct: list[tuple[str, ...]] = []
        rank = np.zeros(len(all_keys), dtype=np.int64)
        for i in order:
            if not distinct or distinct[-1] != all_keys[i]:
                distinct.append(all_keys[i])
            rank[i] = len(distinct) - 1
        joined = kept[0] if len(kept) == 1 else _concatenated(kept)
        series = rank[codes[0] if len(codes) == 1 else np.concatenate(codes)]
        which = np.repeat(np.arange(len(kept)), [len(part) for part in kept]) if len(kept) > 1 else None
        return self._placed(joined, series, distinct, offset, kept, which)

    def _keys(
        self, part: Part, unit: tuple[Any, list[tuple[str, float, str, str]]], flow: tuple[Any, list[str]], name: Any
    ) -> tuple[Part, Ints, list[tuple[str, ...]]]:
        """Return the rows that have a flow, and the series of each."""
        unit_codes, unit_list = unit
        flow_codes, flow_list = flow
        if "skip" in flow_list and flow_codes is not None:
            which = flow_codes != flow_list.index("skip")
            part, flow_codes = part.take(which), flow_codes[which]
            unit_codes = None if unit_codes is None else unit_codes[which]
        elif flow_list == ["skip"]:
            part = part.take(np.zeros(len(part), dtype=bool))
        axes: list[tuple[Any, list[Any]]] = [(flow_codes, flow_list), (unit_codes, unit_list)]
        for item, default in ((self.table.meter, self.meter), (name, "usage"), (self.table.commodity, "")):
            axes.append(self._axis(item, default, part, item is self.table.commodity))
        zone = self.table.zone
        axes.append(
            self._axis(zone, "", part, False) if isinstance(zone, Column) else (None, [zone or ""])
        )
        code = np.zeros(len(part), dtype=np.int64)
        combos: list[tuple[Any, ...]] = [()]
        for axis_codes, values in axes:
            combos = [(*combo, value) for combo in combos for value in values]
            code *= len(values)
            if axis_codes is not None:
                code += axis_codes
        present = np.bincount(code, minlength=len(combos)) > 0 if len(combos) <= _MOST_LABELED else None
        if present is None:
            places, code = np.unique(code, return_inverse=True)
        else:
            places = np.flatnonzero(present)
            lookup = np.cumsum(present) - 1
            code = lookup[code]
        keys = []
        scale = np.ones(len(places))
        for i, place_ in enumerate(places):
            flow_, (unit_name, factor, kind, commodity), meter, series, stated, zone_name = combos[place_]
            scale[i] = factor
            keys.append((meter, flow_, series, unit_name, zone_name, stated or commodity, kind))
        if (scale != 1).any():
            part = dataclasses.replace(part, value=part.value * scale[code])
        return part, np.asarray(code, dtype=np.int64), keys

    def _axis(self, item: Any, default: str, part: Part, is_commodity: bool) -> tuple[Any, list[str]]:
        if item is None:
            return None, [default]
        if isinstance(item, str):
            return None, [item]
        column = self.words(item.column)
        if isinstance(item, WordsOf):
            meanings = {fold(k): v for k, v in item.words.items()}
            labels = [meanings.get(fold(word), "") for word in column.words]
        else:
            labels = [clean_id(word) or default for word in column.words]
        distinct = list(dict.fromkeys(labels)) or [default]
        lookup = [distinct.index(label) for label in labels]
        return column.map(lookup, np.int64)[part.row], distinct

    def _unit_of(self, part: Part) -> tuple[Any, list[tuple[str, float, str, str]]]:
        unit = part.spec.unit if part.spec.unit is not None else self.table.unit
        if unit is None:
            unit = numbers.unit_of(self.used.get(part.column, part.column)) or None
        if isinstance(unit, Column):
            column = self.words(unit.column)
            found = [self._unit(word) for word in column.words] or [("kWh", 1.0, "energy", "electricity")]
            distinct = list(dict.fromkeys(found))
            return column.map([distinct.index(f) for f in found], np.int64)[part.row], distinct
        if unit is None:
            self.ask(
                "unit", "What is the unit of the values?", ("kWh", "kW", "Wh", "W", "MWh"),
                f"Neither the name of column {self.used.get(part.column, part.column)} nor another column has a unit",
                self._largest_row(part),
            )  # fmt: skip
            unit = "kWh"
        return None, [self._unit(unit)]

    def _unit(self, word: str) -> tuple[str, float, str, str]:
        known = numbers.UNITS.get(fold(word))
        if known is None:
            if word.strip():
                if word not in self._unknown:
                    self._unknown.add(word)
                    self.findings.add(KINDS["unit.unknown"], unit=word[:40])
            return (word.strip() or "unknown", 1.0, "", "")
        return known

    @staticmethod
    def _largest_row(part: Part) -> int:
        filled = np.flatnonzero(~np.isnan(part.value))
        return int(part.row[filled[np.argmax(np.abs(part.value[filled]))]]) if len(filled) else -1

    def _flow_of(self, part: Part) -> tuple[Any, list[str]]:
        if part.spec.flow is not None:
            return None, [part.spec.flow]
        flow = self.table.flow
        if isinstance(flow, Blocks):
            return self._block_flows(flow, part)
        if flow is not None:
            column = self.words(flow.column)
            meanings = {fold(k): v for k, v in flow.words.items()}
            labels = [meanings.get(fold(word), "?") for word in column.words]
            distinct = list(dict.fromkeys(labels)) or ["unknown"]
            codes = column.map([distinct.index(label) for label in labels], np.int64)[part.row]
            if "?" in distinct:
                count = int((codes == distinct.index("?")).sum())
                if count:
                    self._report("flow.unknown-word", count=count)
                distinct = ["unknown" if d == "?" else d for d in distinct]
            return codes, distinct
        negative = int((part.value < 0).sum())
        evidence = (
            f"{negative:,} of {len(part):,} values of column {self.used.get(part.column, part.column)} are negative"
            if negative
            else f"No value of column {self.used.get(part.column, part.column)} is negative"
        )
        self.ask(
            "flow", "Which direction does the energy flow?", FLOWS[:3], evidence, self._largest_row(part)
        )
        return None, ["delivered"]

    def _block_flows(self, flow: Blocks, part: Part) -> tuple[Any, list[str]]:
        """Return the flow of the block that each row is in, from the header lines between the blocks."""
        column = self.words(self.table.time.columns[0])
        meanings = {fold(k): v for k, v in flow.header.items()}
        distinct = list(dict.fromkeys(meanings.values()))
        of_word = [distinct.index(meanings[fold(w)]) + 1 if fold(w) in meanings else 0 for w in column.words]
        marks = column.map(of_word, np.int64)
        first = next((meanings[h] for h in self.header if h in meanings), distinct[0])
        place_ = np.maximum.accumulate(np.where(marks > 0, np.arange(len(marks)), -1))
        codes = np.where(place_ >= 0, marks[place_] - 1, distinct.index(first))
        return codes[part.row], list(distinct)

    def _series_names(self, parts: list[Part], flows: list[Any], units: list[Any]) -> list[Any]:
        """Return the name of each part's series: its column, where several columns have one flow and unit."""
        keys = [
            (tuple(flow[1]), tuple(u[0] for u in unit[1])) for flow, unit in zip(flows, units, strict=True)
        ]
        names: list[Any] = []
        for part, key in zip(parts, keys, strict=True):
            if part.spec.series:
                names.append(part.spec.series)
            elif self.table.series is not None:
                names.append(self.table.series)
            else:
                names.append(self.used.get(part.column, part.column) if keys.count(key) > 1 else None)
        return names

    # -- placing

    def _zone(self) -> str | None:
        zone = self.table.zone
        return zone if isinstance(zone, str) else None

    def _placed(
        self, part: Part, series: Ints, keys: list[tuple[str, ...]], offset: npt.NDArray[np.int32] | None,
        parts: list[Part], which: Ints | None,
    ) -> Readings:  # fmt: skip
        ends_given = part.end is not None
        instants, part, series, which = self._instants(part, series, keys, offset, which)
        if not len(part):
            return Readings(part.row, series, keys, instants, instants, part.value)
        order = _order(series, instants)
        if order is not None:
            part, series, instants = part.take(order), series[order], instants[order]
            which = None if which is None else which[order]
        zone_of_key = [key[4] or self._zone() or "UTC" for key in keys]
        start, end = (
            self._given_ends(part, instants, series, zone_of_key)
            if ends_given
            else self._measured_ends(part, instants, series, zone_of_key)
        )
        out = Readings(part.row, series, keys, start, end, part.value)
        self._costs(out, parts, which)
        self._rates_and_registers(out, parts, which)
        self._duplicates(out)
        return out

    def _instants(
        self, part: Part, series: Ints, keys: list[tuple[str, ...]], offset: npt.NDArray[np.int32] | None, which: Ints | None
    ) -> tuple[Ints, Part, Ints, Ints | None]:  # fmt: skip
        """Return the instants of labels, and the rows that have one."""
        clock = self.table.clock
        fixed = offset_minutes(clock) if clock else None
        if clock == "utc":
            return part.label, part, series, which
        if fixed is not None:
            return part.label - fixed * MINUTE, part, series, which
        if offset is not None and clock in (None, "offset", "local"):
            given = offset[part.row].astype(np.int64)
            good = given != NO_OFFSET
            if good.all():
                return part.label - given * MINUTE, part, series, which
            if clock == "offset":
                self._report("row.unreadable", count=int((~good).sum()), first=int(part.row[np.argmax(~good)]) + 1)
                part = part.take(good)
                which = None if which is None else which[good]
                return part.label - given[good] * MINUTE, part, series[good], which
        zones = {key[4] or self._zone() for key in keys}
        if None in zones or "" in zones:
            self.ask(
                "tz", "Which time zone is the site in?", ZONES, "The file does not name a time zone",
                int(part.row[0]),
            )  # fmt: skip
        return self._in_zones(part, series, keys, clock, which)

    def _in_zones(
        self, part: Part, series: Ints, keys: list[tuple[str, ...]], clock: str | None, which: Ints | None
    ) -> tuple[Ints, Part, Ints, Ints | None]:
        zone_of_key = np.array([key[4] or self._zone() or "UTC" for key in keys])
        zones = list(dict.fromkeys(zone_of_key.tolist()))
        start = np.zeros(len(part), dtype=np.int64)
        keep = np.ones(len(part), dtype=bool)
        ends = self._ends_are_labels()
        for zone in zones:
            mine = slice(None) if len(zones) == 1 else np.flatnonzero((zone_of_key == zone)[series])
            label, own = part.label[mine], series[mine]
            filled = ~np.isnan(part.value[mine])
            use = clock or self._infer_clock(label, own, zone, filled, part.row[mine])
            if use == "standard":
                start[mine] = label - standard_offset(zone, int(label.min()), int(label.max()))
                continue
            if use == "utc":
                start[mine] = label
                continue
            placed = self._place_local(part, mine, label, own, zone, filled, ends)
            start[mine] = placed.start
            keep[mine] = placed.keep
            self._tell_placed(placed, part, mine, own, label, zone)
        if not keep.all():
            part, series, start = part.take(keep), series[keep], start[keep]
            which = None if which is None else which[keep]
        return start, part, series, which

    def _place_local(
        self, part: Part, mine: Any, label: Ints, own: Ints, zone: str, filled: Bools, ends: bool
    ) -> Placed:
        """Place labels of local time; labels of ends are brought to starts where the table does so."""
        given = None if part.fold is None else part.fold[mine]
        backward = None
        if part.end is not None:
            end = part.end[mine]
            backward = (end != NEVER) & (end <= label)
        if not ends:
            return place(label, own, zone, filled=filled, fold=given, backward=backward)
        step = self._usual_step(label, own)
        if self._counts_from_start(label, own, zone, step):
            placed = place(label - step, own, zone, filled=filled, fold=given)
            placed.start = placed.start + step
            return placed
        return place(label, own, zone, filled=filled, fold=given)

    def _counts_from_start(self, label: Ints, series: Ints, zone: str, step: int) -> bool:
        """Return whether end labels repeat as their starts do (02:00 twice), not as the clock does (01:00 twice)."""
        verdict = True
        for change in changes(zone, int(label.min()), int(label.max())):
            if not change.is_fall:
                continue
            a, b = change.window
            seen = [np.unique(series[label == at], return_counts=True)[1].max(initial=0) for at in (a, b)]
            if seen[0] > seen[1]:
                verdict = False
            elif seen[1] > seen[0]:
                return True
        return verdict

    def _usual_step(self, label: Ints, series: Ints) -> int:
        if isinstance(self.table.interval, int | float):
            return int(self.table.interval * MINUTE)
        step = np.diff(label[:10_000])
        step = np.abs(step[(series[: len(step) + 1][1:] == series[: len(step)]) & (step != 0)])
        if not len(step):
            return HOUR
        distinct, counts = np.unique(step, return_counts=True)
        return int(distinct[np.argmax(counts)])

    def _ends_are_labels(self) -> bool:
        """Return whether the labels of a long table mark the ends of intervals."""
        if self.table.is_wide:
            return False
        if isinstance(self.table.label, End):
            return False
        return self.table.label == "end" or (self.table.label is None and self._infer_label() == "end")

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
        self._report("label.inferred", label=self._label, words={"reason": reason})
        return self._label

    def _infer_clock(self, label: Ints, series: Ints, zone: str, filled: Bools, row: Ints) -> str:
        """Return the clock that the days when clocks change prove; ask if they prove none."""
        low, high = int(label.min()), int(label.max())
        standard = standard_offset(zone, low, high)
        if (to_utc(label, zone) == label - standard).all():
            return "local"  # all in winter, when both clocks agree
        evidence = []
        for change in changes(zone, low, high):
            a, b = change.window
            near = (label >= a - 3 * HOUR) & (label < b + 3 * HOUR) & filled
            inside = near & (label >= a) & (label < b)
            before, after = (near & (label < a)).any(), (near & (label >= b)).any()
            if not (before and after):
                continue
            if change.is_fall:
                pairs = np.unique(np.stack([series[inside], label[inside]]), axis=1, return_counts=True)[1]
                twice = len(pairs) > 0 and pairs.max() > 1
                evidence.append("local" if twice else "24 in fall")
            else:
                hour = label[inside] + (b - a)
                both = np.isin(hour, label[near]).any() if len(hour) else False
                evidence.append("24 in spring" if both else "local")
        if "local" in evidence and "24 in spring" not in evidence:
            self._report("clock.inferred", clock="local", words={"reason": "The days when clocks change show it."})
            return "local"
        if not evidence:
            reason = "No day when clocks change is in the table, so it proves nothing about the clock"
        else:
            reason = "The days when clocks change have 24 hours: the clock is standard time, or hours were added"
        summer = int(np.argmax(to_utc(label, zone) != label - standard))
        self.ask("clock", "Which clock do the times follow?", CLOCKS[:3], reason, int(row[summer]))
        return "local"

    def _tell_placed(self, placed: Placed, part: Part, mine: Any, series: Ints, label: Ints, zone: str) -> None:
        def text(at: int) -> str:
            return str(np.datetime64(int(label[at]), "us"))[:16].replace("T", " ")

        for name, rows in (("time.skipped-hour", placed.skipped), ("time.moved", placed.moved)):
            if rows:
                self._report(name, count=len(rows), first=text(rows[0]))
        if placed.by_order:
            days = np.unique(label[placed.by_order] // DAY)
            self._report("time.repeated-hour", count=len(days), first=text(placed.by_order[0])[:10])
        if placed.once:
            self._settle_once(placed, part, mine, series, label, text)

    def _settle_once(
        self, placed: Placed, part: Part, mine: Any, series: Ints, label: Ints, text: Any
    ) -> None:
        """Decide whether the one value of the repeated hour is one hour or both."""
        value = part.value[mine].copy()
        decided: dict[str, list[Once]] = {"lost": [], "summed": []}
        reason = "The mapping says so." if self.table.repeated_hour else "Its value is as usual for that hour."
        for once in placed.once:
            verdict = self.table.repeated_hour or _lost_or_summed(once, value, series, label)
            if verdict is None:
                amount = float(np.nansum(value[once.rows]))
                self.ask(
                    "repeated_hour", "Does the repeated hour's one value contain one hour or both?", REPEATED_HOURS,
                    f"{text(int(once.rows[0]))[:10]} has 24 hours instead of 25, and its repeated hour ({amount:.6g}) "
                    "is neither about as high nor about twice as high as in the days around it",
                    int(part.row[mine][once.rows[0]]),
                )  # fmt: skip
                verdict = "lost"
            decided[verdict].append(once)
        for once in decided["summed"]:
            rows = once.rows
            total = np.nansum(value[rows]) if not np.isnan(value[rows]).all() else np.nan
            value[rows[0]] = total
            placed.keep[rows[1:]] = False
            self._long[int(placed.start[rows[0]])] = 2 * (once.change.before - once.change.after)
        if decided["summed"]:
            if isinstance(mine, slice):
                part.value = value
            else:
                part.value = part.value.copy()
                part.value[mine] = value
            if not self.table.repeated_hour:
                reason = "Its value is about twice as high as usual for that hour."
        for verdict, name in (("lost", "time.hour-lost"), ("summed", "time.hours-summed")):
            if decided[verdict] and not (verdict == "lost" and any(q.argument == "repeated_hour" for q in self.questions)):
                days = {text(int(once.rows[0]))[:10] for once in decided[verdict]}
                self._report(name, count=len(days), first=min(days), words={"reason": reason})

    # -- ends

    def _given_ends(self, part: Part, instants: Ints, series: Ints, zones: list[str]) -> tuple[Ints, Ints]:
        """Return start and end from a column of ends.

        A local end has two candidates on a fall-back day. The right one is later than the start, and the interval is
        then nearest to the usual length.
        """
        end = np.zeros(len(part), dtype=np.int64)
        local = part.end
        assert local is not None  # noqa: S101 for the type checker; the caller has looked
        label = part.label
        wall = np.where(local == NEVER, 0, local - label)
        positive = wall[wall > 0]
        distinct, counts = np.unique(positive, return_counts=True)
        usual = int(distinct[np.argmax(counts)]) if len(distinct) else HOUR
        clock = self.table.clock
        fixed = offset_minutes(clock) if clock else None
        for zone in dict.fromkeys(zones):
            mine = np.array([z == zone for z in zones])[series] if len(set(zones)) > 1 else np.ones(len(part), bool)
            if clock in ("utc", "standard", "offset") or fixed is not None or not self._time_zone_matters(zone, part.label[mine]):
                end[mine] = instants[mine] + np.where(wall[mine] > 0, wall[mine], usual)
                continue
            candidates = [
                to_utc(np.where(local[mine] == NEVER, label[mine] + usual, local[mine]), zone, second)
                for second in (None, np.ones(int(mine.sum()), dtype=bool))
            ]
            lengths = [c - instants[mine] for c in candidates]
            score = [np.where(x > 0, np.abs(x - usual), DAY * 10_000) for x in lengths]
            best = np.where(score[1] < score[0], lengths[1], lengths[0])
            end[mine] = instants[mine] + np.where(best > 0, best, usual)
        for at, length in self._long.items():
            end[instants == at] = at + length
        return instants, end

    @staticmethod
    def _time_zone_matters(zone: str, label: Ints) -> bool:
        return bool(len(label)) and bool(changes(zone, int(label.min()), int(label.max()) + 400 * DAY))

    def _measured_ends(
        self, part: Part, instants: Ints, series: Ints, zones: list[str]
    ) -> tuple[Ints, Ints]:
        """Return start and end from one label and the length of the interval."""
        backward = self._ends_are_labels()
        interval = self.table.interval
        if not self.time_given:
            return self._day_ends(part, instants, series, zones)
        if isinstance(interval, int | float):
            length: Any = np.full(len(part), int(interval * MINUTE), dtype=np.int64)
        elif isinstance(interval, Column):
            column = self.words(interval.column)
            length = column.map([minutes_of(word) for word in column.words], np.int64)[part.row]
        elif self.table.is_wide:
            length = np.full(len(part), self._step, dtype=np.int64)
        else:
            length = self._measured(part, instants, series, backward)
        start, end = (instants - length, instants) if backward else (instants, instants + length)
        for at, long in self._long.items():
            end[instants == at] = at + long
        return start, end

    def _measured(self, part: Part, instants: Ints, series: Ints, backward: bool) -> Ints:
        if backward:
            length, lone = intervals.lengths(-instants[::-1], -series[::-1])
            length, lone = length[::-1], -lone
        else:
            length, lone = intervals.lengths(instants, series)
        minutes = sorted({int(x) for x in np.unique(length[length > 0]).tolist()})
        if len(lone):
            alone = np.isin(series, lone)
            if minutes:
                usual = minutes[0] if len(minutes) == 1 else int(np.bincount(np.searchsorted(minutes, length[length > 0])).argmax())
                usual = usual if len(minutes) == 1 else minutes[usual]
                length[alone] = usual
                self._report("interval.unknown", count=int(alone.sum()), minutes=usual / MINUTE)
            else:
                self.ask(
                    "interval", "How long is an interval, in minutes?", ("15", "30", "60"),
                    "A row that is alone in its series does not show the length of its interval",
                    int(part.row[0]),
                )  # fmt: skip
                length[alone] = HOUR
        shown = [x // MINUTE if x % MINUTE == 0 else x / MINUTE for x in minutes]
        if len(minutes) == 1:
            self._report("interval.measured", minutes=shown[0])
        elif len(minutes) > 1:
            self._report("interval.changes", minutes=", ".join(map(str, shown[:8])))
        return np.asarray(length, dtype=np.int64)

    def _day_ends(self, part: Part, instants: Ints, series: Ints, zones: list[str]) -> tuple[Ints, Ints]:
        """Return the local days, or months, of rows that have a date only."""
        days = np.unique(part.label // DAY)
        step = np.diff(days)
        dates = days.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        if len(step) and (step >= 28).all() and (dates == months.astype("datetime64[D]")).all():
            after = (part.label.astype("datetime64[us]").astype("datetime64[M]") + 1).astype("datetime64[us]")
            label = after.astype(np.int64)
        else:
            label = part.label + DAY
        end = np.zeros(len(part), dtype=np.int64)
        for zone in dict.fromkeys(zones):
            mine = np.array([z == zone for z in zones])[series]
            end[mine] = to_utc(label[mine], zone)
        return instants, end

    # -- money, registers, duplicates

    def _costs(self, out: Readings, parts: list[Part], which: Ints | None) -> None:
        """Add the money of the rows; a cost of the whole table belongs to the first of its value columns."""
        costs: list[Cost | None] = [part.spec.cost for part in parts]
        if self.table.cost is not None and costs[0] is None:
            costs[0] = self.table.cost
        if not any(costs):
            return
        out.cost = np.full(len(out.row), np.nan)
        for i, cost in enumerate(costs):
            if cost is None:
                continue
            mine = slice(None) if which is None else np.flatnonzero(which == i)
            amount = self.numbers(cost.column)[out.row[mine]] * cost.factor
            if cost.credit and not (np.nan_to_num(amount) < 0).any():
                amount = -amount
            out.cost[mine] = amount + 0.0
            out.currency = cost.currency

    def _rates_and_registers(self, out: Readings, parts: list[Part], which: Ints | None) -> None:
        """Make usage of registers, and split net values where it is asked for."""
        for i, part in enumerate(parts):
            mine = np.ones(len(out.row), dtype=bool) if which is None else which == i
            kind = part.spec.kind
            if kind is None and _looks_like_register(out, mine):
                self.ask(
                    "kind", "Are the values usage, or readings of a register?", ("usage", "register"),
                    f"The values of column {self.used.get(part.column, part.column)} never fall and are large",
                    int(out.row[np.argmax(mine)]),
                )  # fmt: skip
            if kind == "register":
                self._from_register(out, mine)
                return
            if part.spec.split:
                _split(out, mine)
                self._report("net.split")
                which = None if which is None else which[: len(out.row)]

    def _from_register(self, out: Readings, mine: Bools) -> None:
        """Replace readings of registers by the differences of neighbors."""
        value = np.full(len(out.row), np.nan)
        keep = ~mine
        falls: list[int] = []
        gaps: list[int] = []
        start, end = out.start.copy(), out.end.copy()
        for key in np.unique(out.series[mine]):
            rows = np.flatnonzero(mine & (out.series == key) & ~np.isnan(out.value))
            at = out.end[rows] if self._ends_are_labels() else out.start[rows]
            out.registers.append((int(key), at, out.value[rows]))
            if len(rows) < 2:
                continue
            used, gained = np.diff(out.value[rows]), np.diff(at)
            good = (used >= 0) & (gained > 0)
            falls += at[1:][used < 0].tolist()
            usual = np.unique(gained[gained > 0])
            if len(usual):
                counts = [(gained == u).sum() for u in usual]
                common = usual[int(np.argmax(counts))]
                gaps += at[:-1][gained > common * 1.5].tolist()
            kept = rows[:-1][good]
            value[kept] = used[good]
            start[kept], end[kept] = at[:-1][good], at[1:][good]
            keep[kept] = True
        out.start, out.end = start, end
        out.value = np.where(mine, value, out.value)
        for name, found in (("register.falls", falls), ("register.gap", gaps)):
            if found:
                self._report(name, count=len(found), first=_instant_text(min(found)))
        _keep(out, keep)

    def _duplicates(self, out: Readings) -> None:
        """Leave out exact duplicates, and report intervals with two different values."""
        if len(out.row) < 2:
            return
        same = (out.series[1:] == out.series[:-1]) & (out.start[1:] == out.start[:-1]) & (out.end[1:] == out.end[:-1])
        if not same.any():
            return
        equal = (out.value[1:] == out.value[:-1]) | (np.isnan(out.value[1:]) & np.isnan(out.value[:-1]))
        again = same & equal
        # An empty cell beside a value of the same interval says nothing (blocks of a file often overlap by one row).
        conflict = same & ~equal
        if conflict.any():
            first = int(out.start[1:][conflict][0])
            self._report("row.conflict", count=int(conflict.sum()), first=_instant_text(first))
        if again.any():
            self._report("row.duplicate", count=int(again.sum()))
            _keep(out, np.concatenate([[True], ~again]))


def _instant_text(at: int) -> str:
    return str(np.datetime64(at, "us"))[:16].replace("T", " ") + " UTC"


def minutes_of(word: str) -> int:
    """Return the length that a cell such as ``15``, ``60min`` or ``Hour`` states, in microseconds; 0 if none."""
    word = fold(word)
    digits = "".join(c for c in word if c.isdigit() or c == ".")
    unit = word.replace(digits, "").strip() if digits else word
    scale = {"hour": 60, "hours": 60, "h": 60, "hr": 60, "day": 1440, "days": 1440, "d": 1440}.get(unit, 1)
    return int(float(digits or (1 if scale > 1 else 0)) * scale * MINUTE)


def _concatenated(parts: list[Part]) -> Part:
    """Return parts one after another; a part without folds or ends gets unknown ones."""
    folds = any(part.fold is not None for part in parts)
    ends = any(part.end is not None for part in parts)
    return Part(
        np.concatenate([p.row for p in parts]),
        np.concatenate([p.label for p in parts]),
        np.concatenate([p.value for p in parts]),
        parts[0].spec,
        parts[0].column,
        np.concatenate([np.full(len(p), -1, np.int8) if p.fold is None else p.fold for p in parts]) if folds else None,
        np.concatenate([np.full(len(p), NEVER) if p.end is None else p.end for p in parts]) if ends else None,
    )


def _order(series: Ints, start: Ints) -> Ints | None:
    """Return the order by series and start; None if the rows are in it."""
    if len(series) < 2:
        return None
    ahead = series[1:] > series[:-1]
    level = series[1:] == series[:-1]
    if (ahead | (level & (start[1:] >= start[:-1]))).all():
        return None
    return np.lexsort([start, series])


def _keep(out: Readings, which: Bools) -> None:
    out.row, out.series, out.start = out.row[which], out.series[which], out.start[which]
    out.end, out.value = out.end[which], out.value[which]
    out.cost = None if out.cost is None else out.cost[which]


def _split(out: Readings, mine: Bools) -> None:
    """Split net values by their sign: positive ones are delivered, negative ones received."""
    received = np.where(mine, np.where(np.isnan(out.value), np.nan, np.maximum(-out.value, 0)), np.nan)
    new = {}
    for key in np.unique(out.series[mine]).tolist():
        old = out.keys[key]
        new[key] = (len(out.keys), len(out.keys) + 1)
        out.keys += [(old[0], "delivered", *old[2:]), (old[0], "received", *old[2:])]
    series = out.series.copy()
    other = out.series.copy()
    for key, (first, second) in new.items():
        series[mine & (out.series == key)] = first
        other[out.series == key] = second
    out.row = np.concatenate([out.row, out.row[mine]])
    out.start = np.concatenate([out.start, out.start[mine]])
    out.end = np.concatenate([out.end, out.end[mine]])
    out.value = np.concatenate([np.where(mine, np.maximum(out.value, 0), out.value), received[mine]])
    out.series = np.concatenate([series, other[mine]])
    if out.cost is not None:
        out.cost = np.concatenate([out.cost, np.full(int(mine.sum()), np.nan)])
    used = sorted(set(out.series.tolist()), key=lambda k: out.keys[k])
    rank = {k: i for i, k in enumerate(used)}
    out.keys = [out.keys[k] for k in used]
    out.series = np.array([rank[k] for k in out.series.tolist()], dtype=np.int64)
    order = np.lexsort([out.start, out.series])
    for name in ("row", "series", "start", "end", "value"):
        setattr(out, name, getattr(out, name)[order])
    out.cost = None if out.cost is None else out.cost[order]


def _looks_like_register(out: Readings, mine: Bools) -> bool:
    """Return whether the values of each series never fall, rise, and are large beside their differences."""
    rows = np.flatnonzero(mine & ~np.isnan(out.value))
    if len(rows) < 10:
        return False
    same = out.series[rows][1:] == out.series[rows][:-1]
    step = np.diff(out.value[rows])[same]
    if not len(step) or (step < 0).any() or not (step > 0).any():
        return False
    return bool(np.nanmin(out.value[rows]) > 10 * step.max())


def _lost_or_summed(once: Once, value: Floats, series: Ints, label: Ints) -> str | None:
    """Return what the one value of a repeated hour is, from the same hour of the days around it; None if unclear.

    The value of one hour lies between the least and the most of its neighbors, and that of two hours between twice
    these. A value that fits one of the two only is decided.
    """
    rows = once.rows
    here = float(np.nansum(value[rows]))
    if np.isnan(value[rows]).all():
        return "lost"
    a, b = once.change.window
    day = a // DAY
    mine = (series == series[rows[0]]) & (np.abs(label // DAY - day) <= _NEIGHBOR_DAYS)
    hour = mine & (label % DAY >= a % DAY) & (label % DAY < a % DAY + (b - a))
    beside = mine & (((label >= a - (b - a)) & (label < a)) | ((label >= b) & (label < b + (b - a))))
    sums = []
    for at in np.unique(label[hour] // DAY):
        if at != day:
            part = value[hour & (label // DAY == at)]
            sums.append(float(np.nansum(part)))
    for part in (beside & (label < a), beside & (label >= b)):
        if part.any():
            sums.append(float(np.nansum(value[part])))
    if here == 0 and all(s == 0 for s in sums):
        return "lost"  # nothing can be told, and both ways have the same energy
    if len(sums) < 3:
        return None
    low, high = min(sums) * 0.9, max(sums) * 1.1
    one, both = low <= here <= high, low <= here / 2 <= high
    if one == both:
        return None
    return "lost" if one else "summed"


def local_text(at: int, zone: str) -> str:
    """Return an instant as local time with its offset."""
    import pandas as pd

    return str(pd.Timestamp(at, unit="us", tz="UTC").tz_convert(zone))


__all__ = ["Engine", "Question", "Readings", "local_text", "needed_columns", "to_wall_clock"]
