"""Value columns of a table as parts, each with its unit and flow, and the series that their rows belong to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.findings import Kind
from greenkit.tables import numbers, wide
from greenkit.tables._base import Part
from greenkit.tables._labels import Labels
from greenkit.tables.cells import MISSING, clean_id, fold
from greenkit.tables.mapping import (
    BLANKS,
    FLOWS,
    Blocks,
    Column,
    Cost,
    End,
    Table,
)
from greenkit.tables.mapping import Words as WordsOf
from greenkit.tables.placement import changes
from greenkit.tables.stamps import DAY, NEVER

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VALUE_BLANK_COLUMN: Final = Kind(
    "tables.value.blank-column",
    "info",
    "Column {column} of {file} is empty, so it has no readings.",
)
FLOW_UNKNOWN_WORD: Final = Kind(
    "tables.flow.unknown-word",
    "warning",
    "{count:row} of {file} {count:has a flow|have flows} that the mapping does not name. The flow is unknown.",
    "Add the words to flow in the mapping.",
)
UNIT_UNKNOWN: Final = Kind(
    "tables.unit.unknown",
    "warning",
    "greenkit does not know the unit {unit} and did not convert its values.",
    "Set the unit and a factor in the mapping.",
)
ENERGY_AGAIN: Final = Kind(
    "tables.energy.again",
    "info",
    "Column {column} of {file} repeats the energy of {others}. greenkit does not count it.",
)
ENERGY_DISAGREES: Final = Kind(
    "tables.energy.disagrees",
    "warning",
    "Column {column} of {file} differs from {others} in {count:row}, by {largest} at most. greenkit does not read it.",
    "Check which of the columns is correct.",
)
METER_ROUNDED: Final = Kind(
    "tables.meter.rounded",
    "warning",
    "A spreadsheet seems to have rounded {count:ID} in column {column} of {file}: it keeps 15 digits of a number. "
    "Different meters may have the same ID.",
    "Export the file again, and import the column as text if you open it in a spreadsheet.",
)
COST_CENTS: Final = Kind(
    "tables.cost.cents",
    "info",
    "Column {column} of {file} is in cents or pence, according to its name. greenkit divided its amounts by 100.",
)
_LONG_ID: Final = re.compile(r"\d{17,}")
_ROUNDED_ID: Final = re.compile(r"\d([.,]\d+)?E\+?\d{2}|[1-9]\d{14}0{2,}", re.IGNORECASE)
_MOST_LABELED: Final = 1 << 22
_CACHED_ROWS: Final = 4096
"""Rows of a wide table whose columns become rows together, which stay in the cache of the processor."""


class Values(Labels):
    """Value columns and series."""

    def _parts(self, rows: Ints, start: Ints, end: Ints | None) -> list[Part]:
        if self.table.is_wide:
            return self._wide_parts(rows, start)
        parts = []
        everything = len(rows) == self.columns.rows
        if self.lanes is not None:
            return self._lane_parts(rows, start, end)
        self._ask_blank(rows)
        multiplier = self._multiplier()
        for name, spec in self.table.values.items():
            if not spec.read:
                continue
            value = self.numbers(name)
            value = value if everything else value[rows]
            if spec.blank == "zero":
                value = np.where(self._is_blank(name)[rows], 0.0, value)
            if spec.factor != 1:
                value = value * spec.factor + 0.0  # -0.0 is 0.0
            if multiplier is not None:
                value = value * multiplier[rows]
            part = Part(
                rows,
                start if everything else start[rows],
                value,
                spec,
                name,
                self._given_folds(rows),
                None if end is None else end[rows],
            )
            if np.isnan(value).all() and len(value) and len([v for v in self.table.values.values() if v.read]) > 1:
                self._report(VALUE_BLANK_COLUMN, column=self.used[name])
                continue
            parts.append(part)
        return parts

    def _is_blank(self, name: str) -> Bools:
        """Return which cells of a column have no value, as opposed to a word that is not a number."""
        name = self.used[name]
        if name in self.columns.numbers:
            return np.isnan(self.columns.numbers[name])
        text = self.columns.texts.get(name) or self.columns.words[name]
        empty = {*MISSING, *self.table.missing}
        blank: Bools = text.map([word in empty for word in text.words], bool)
        return blank

    def _ask_blank(self, rows: Ints) -> None:
        """Ask what empty cells mean if most rows of a column have none, but have another value."""
        names = [name for name, spec in self.table.values.items() if spec.read]
        if not self.asks_kind or len(names) < 2:
            return
        filled = {name: ~np.isnan(self.numbers(name)[rows]) for name in names}
        for name in names:
            others = np.any([filled[other] for other in names if other != name], axis=0)
            empty = others & ~filled[name]
            if self.table.values[name].blank or not filled[name].any() or 2 * empty.sum() < others.sum():
                continue
            self.ask(
                "blank", "What does an empty cell mean?", BLANKS,
                f"{int(empty.sum()):,} of {int(others.sum()):,} cells of column {self.used[name]} are empty although "
                "the row has another value",
                int(rows[np.argmax(empty)]),
            )  # fmt: skip

    def _multiplier(self) -> Floats | None:
        """Return the factor of each row from a column such as ``Multiplier``; None if the values contain it."""
        spec = self.table.multiplier
        name = spec.column if isinstance(spec, Column) else self.extra.get("multiplier")
        if name is None or spec == "applied":
            return None
        text = self.columns.words[self.used.get(name, name)]
        factors, _ = numbers.settle(text, ".", self.table.missing)
        if spec is None:
            differs = ~np.isnan(factors) & (factors != 1)
            if differs.any():
                self.ask(
                    "multiplier", "Do the values contain the multiplier already?", ("applied", "apply"),
                    f"Column {name} has factors other than 1", int(np.argmax(differs)),
                )  # fmt: skip
            return None
        return np.where(np.isnan(factors), 1.0, factors)

    def _set_meter(self) -> None:
        """Use a column of meters that the mapping does not name; ask if there are several meters."""
        name = self.extra.get("meter")
        if name is None:
            return
        column = self.columns.words[name]
        ids = {clean_id(word) for word in column.words} - {""}
        if len(ids) < 2:
            return
        if self.table.meters is None:
            self.ask(
                "meters", "Are the meters kept apart or added up?", ("separate", "sum"),
                f"Column {name} has {len(ids):,} meters, and the mapping does not name it", 0,
            )  # fmt: skip
        self.used[name] = name
        self.table = dataclasses.replace(self.table, meter=Column(name))

    def _check_ids(self) -> None:
        """Report IDs of meters such as 1.04437E+16, or of which all long ones end with zeros after 15 digits."""
        if not isinstance(self.table.meter, Column):
            return
        ids = {clean_id(word) for word in self.words(self.table.meter.column).words}
        rounded = {one for one in ids if _ROUNDED_ID.fullmatch(one)}
        if rounded and all(one in rounded for one in ids if _LONG_ID.fullmatch(one)):
            self._report(METER_ROUNDED, count=len(rounded), column=self.used[self.table.meter.column])

    def _lane_parts(self, rows: Ints, start: Ints, end: Ints | None) -> list[Part]:
        """Return the blocks of a file that share one column, as the code of a layout has separated them."""
        name = next(iter(self.table.values))
        parts = []
        for rows_of_lane, spec in self.lanes or []:
            mine = rows[rows_of_lane[rows]]
            if not spec.read:
                continue
            part = Part(mine, start[mine], self.numbers(name)[mine] * spec.factor + 0.0, spec, name)
            part.end = None if end is None else end[mine]
            parts.append(part)
        return parts

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
        clock = self.table.clock
        # Standard time and UTC have no days when clocks change.
        zone = (self._zone() if clock in (None, "local") else None) or "UTC"
        multiplier = self._multiplier()
        for pattern, spec in self.table.patterns.items():
            slots = wide.find_slots(self.names, pattern, self.table.time.extra)
            if not slots.names:
                continue
            values = self._cells(slots.names, rows)
            if spec.factor != 1:
                values = values * spec.factor + 0.0
            if multiplier is not None:
                values = values * multiplier[rows][:, None]
            label = self._wide_label(slots)
            repeat: str | None = self.table.repeat
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
            part = Part(
                np.repeat(rows, cells.counts), cells.label, cells.value, spec, pattern, cells.fold,
                lines=(rows, cells.counts),
            )  # fmt: skip
            if spec.blank == "absent":
                part = part.take(~np.isnan(part.value))
            self._step = slots.step
            parts.append(part)
        if not parts:
            raise FormatError(
                f"{self.file}: No column name matches {' or '.join(self.table.patterns)}",
                next_step="Correct time.wide in the mapping.",
            )
        self.time_given = True
        return parts

    def _cells(self, names: Sequence[str], rows: Ints) -> Floats:
        """Return columns of numbers as an array of rows by columns, which may be that of the table itself."""
        if self.columns.block is not None and self.columns.block[0] == list(names):
            block = self.columns.block[1]
            return block if len(rows) == self.columns.rows else block[rows]
        columns = [self.numbers(name) for name in names]
        if len(rows) < self.columns.rows:
            columns = [column[rows] for column in columns]
        values = np.empty((len(rows), len(columns)))
        for low in range(0, len(rows), _CACHED_ROWS):
            block = values[low : low + _CACHED_ROWS]
            for i, column in enumerate(columns):
                block[:, i] = column[low : low + _CACHED_ROWS]
        return values

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

    def report_again(self, column: str, others: str) -> None:
        """Report that a column repeats the energy of others."""
        self._report(ENERGY_AGAIN, column=column, words={"others": others})

    def report_sum(self, column: str, others: str, off: Floats, tolerance: float) -> None:
        """Report whether a column repeats the energy of others, from the differences of each row."""
        if (off > tolerance).any():
            self._report(ENERGY_DISAGREES, count=int((off > tolerance).sum()), column=column,
                largest=float(np.round(off.max(), 6)), words={"others": others},
            )  # fmt: skip
        else:
            self.report_again(column, others)

    def _keys(
        self, part: Part, unit: tuple[Any, list[tuple[str, float, str, str]]], flow: tuple[Any, list[str]], name: Any
    ) -> tuple[Part, Ints, list[tuple[str, ...]]]:
        """Return the rows that have a flow, and the series of each."""
        unit_codes, unit_list = unit
        flow_codes, flow_list = flow
        # Row of the table for each code: in a wide table, one code serves all cells of a row.
        lines, counts = part.lines or (part.row, None)
        if "skip" in flow_list:
            which = (
                np.zeros(len(lines), dtype=bool)
                if flow_codes is None
                else self._of(flow_codes, lines) != flow_list.index("skip")
            )
            part = part.take(which if counts is None else np.repeat(which, counts))
            lines, counts = lines[which], None if counts is None else counts[which]
        axes: list[tuple[Any, list[Any]]] = [(flow_codes, flow_list), (unit_codes, unit_list)]
        for item, default in ((self.table.meter, self.meter), (name, "usage"), (self.table.commodity, "")):
            axes.append(self._axis(item, default))
        zone = self.table.zone
        axes.append(self._axis(zone, "") if isinstance(zone, Column) else (None, [zone or ""]))
        code: Any = None  # int32, one for each row: the number of its combination of values
        combos: list[tuple[Any, ...]] = [()]
        for axis_codes, values in axes:
            combos = [(*combo, value) for combo in combos for value in values]
            if len(values) > 1 and code is not None:
                code = code.astype(np.int64) if len(combos) > 1 << 30 else code
                code *= len(values)
            if axis_codes is not None and code is None:
                code = self._of(axis_codes, lines).astype(np.int32)
            elif axis_codes is not None:
                code += self._of(axis_codes, lines).astype(code.dtype, copy=False)
        if code is None:
            code = np.zeros(len(lines), dtype=np.int32)
        present = np.bincount(code, minlength=len(combos)) > 0 if len(combos) <= _MOST_LABELED else None
        if present is None:
            places, code = np.unique(code, return_inverse=True)
        else:
            places = np.flatnonzero(present)
            if len(places) < len(combos):
                code = (np.cumsum(present) - 1).astype(np.int32)[code]
        keys: list[tuple[str, ...]] = []
        scale = np.ones(len(places))
        for i, place_ in enumerate(places):
            flow_, (unit_name, factor, kind, commodity), meter, series, stated, zone_name = combos[place_]
            scale[i] = factor
            keys.append((meter, flow_, series, unit_name, zone_name, stated or commodity, kind))
        code = code if counts is None else np.repeat(code, counts)
        if (scale != 1).any():
            part = dataclasses.replace(part, value=part.value * scale[code])
        return part, code, keys

    def _axis(self, item: Any, default: str) -> tuple[Any, list[str]]:
        """Return the label of each row of the table as a code, or None if all have one label; and the labels."""
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
        return column.map([distinct.index(label) for label in labels], np.int32), distinct

    def _of(self, codes: Any, rows: Ints) -> Any:
        """Return the codes of some rows of the table, which are in its order."""
        return codes if len(rows) == self.columns.rows else codes[rows]

    def _unit_of(self, part: Part) -> tuple[Any, list[tuple[str, float, str, str]]]:
        """Return the unit of each row of the table as a code, or None if all have one; and the units."""
        unit = part.spec.unit if part.spec.unit is not None else self.table.unit
        if unit is None:
            unit = numbers.unit_of(self.used.get(part.column, part.column)) or None
        if isinstance(unit, Column | WordsOf):
            column = self.words(unit.column)
            meanings = {fold(k): v for k, v in getattr(unit, "words", {}).items()}
            seen = np.bincount(column.codes[part.row], minlength=len(column.words)) > 0  # not a repeated header's word
            found = [
                self._unit(meanings.get(fold(word), word) if here else "kWh", unit.column)
                for word, here in zip(column.words, seen, strict=True)
            ] or [numbers.UNITS["kwh"]]
            distinct = list(dict.fromkeys(found))
            return column.map([distinct.index(f) for f in found], np.int32), distinct
        if unit is None:
            self.ask(
                "unit", "What is the unit of the values?", ("kWh", "kW", "Wh", "W", "MWh"),
                f"Neither the name of column {self.used.get(part.column, part.column)} nor another column has a unit",
                self._largest_row(part),
            )  # fmt: skip
            unit = "kWh"
        return None, [self._unit(unit)]

    def _unit_of_name(self, name: str) -> str:
        """Return the unit of a value column where the mapping or its name states it; empty if neither does."""
        unit = self.table.values[name].unit or self.table.unit or numbers.unit_of(self.used.get(name, name))
        return numbers.UNITS.get(fold(unit), ("",))[0] if isinstance(unit, str) else ""

    def _unit(self, word: str, column: str = "") -> tuple[str, float, str, str]:
        """Return name, factor, kind, and commodity of a unit; text in a column that is not a unit is not repeated."""
        known = numbers.UNITS.get(fold(word)) or numbers.UNITS.get(fold(numbers.unit_of(word)))
        if known is not None:
            return known
        word = word.strip()
        if column and word and not numbers.is_like_unit(word):
            word = f"in column {column}"
        if word and word not in self._unknown:
            self._unknown.add(word)
            self.findings.add(UNIT_UNKNOWN, unit=word[:40])
        return ("unknown" if word.startswith("in column") else word or "unknown", 1.0, "", "")

    @staticmethod
    def _largest_row(part: Part) -> int:
        filled = np.flatnonzero(~np.isnan(part.value))
        return int(part.row[filled[np.argmax(np.abs(part.value[filled]))]]) if len(filled) else -1

    def _flow_of(self, part: Part) -> tuple[Any, list[str]]:
        """Return the flow of each row of the table as a code, or None if all have one; and the flows."""
        if part.spec.flow is not None:
            return None, [part.spec.flow]
        flow = self.table.flow
        if isinstance(flow, Blocks):
            return self._block_flows(flow)
        if flow is not None:
            column = self.words(flow.column)
            meanings = {fold(k): v for k, v in flow.words.items()}
            labels = [meanings.get(fold(word), "?") for word in column.words]
            distinct = list(dict.fromkeys(labels)) or ["unknown"]
            codes = column.map([distinct.index(label) for label in labels], np.int32)
            if "?" in distinct:
                count = int((codes[part.row] == distinct.index("?")).sum())
                if count:
                    self._report(FLOW_UNKNOWN_WORD, count=count)
                distinct = ["unknown" if d == "?" else d for d in distinct]
            return codes, distinct
        negative = int((part.value < 0).sum())
        evidence = (
            f"{negative:,} of {len(part):,} values of column {self.used.get(part.column, part.column)} are negative"
            if negative
            else f"No value of column {self.used.get(part.column, part.column)} is negative"
        )
        self.ask("flow", "Which direction does the energy flow?", FLOWS[:3], evidence, self._largest_row(part))
        return None, ["delivered"]

    def _block_flows(self, flow: Blocks) -> tuple[Any, list[str]]:
        """Return the flow of the block that each row is in, from the header lines between the blocks."""
        column = self.words(self.table.time.columns[0])
        meanings = {fold(k): v for k, v in flow.header.items()}
        distinct = list(dict.fromkeys(meanings.values()))
        of_word = [distinct.index(meanings[fold(w)]) + 1 if fold(w) in meanings else 0 for w in column.words]
        marks = column.map(of_word, np.int64)
        first = next((meanings[h] for h in self.header if h in meanings), distinct[0])
        place_ = np.maximum.accumulate(np.where(marks > 0, np.arange(len(marks)), -1))
        codes = np.where(place_ >= 0, marks[place_] - 1, distinct.index(first))
        return codes, list(distinct)

    def _series_names(self, parts: list[Part], flows: list[Any], units: list[Any]) -> list[Any]:
        """Return the name of each part's series: its column, where several columns have one flow and unit."""
        keys = [(tuple(flow[1]), tuple(u[0] for u in unit[1])) for flow, unit in zip(flows, units, strict=True)]
        names: list[Any] = []
        for part, key in zip(parts, keys, strict=True):
            if part.spec.series:
                names.append(part.spec.series)
            elif self.table.series is not None:
                names.append(self.table.series)
            else:
                names.append(self.used.get(part.column, part.column) if keys.count(key) > 1 else None)
        return names

    def labels_of(self, item: Any, default: str, part: Part) -> Any:
        """Return the label of each row of a part: a fixed one, or that of a column."""
        codes, labels = self._axis(item, default)
        return labels[0] if codes is None else np.array(labels, dtype=object)[codes[part.row]]

    def cost_of(self, part: Part) -> Floats:
        """Return the money of the rows of a part."""
        cost = part.spec.cost or self.table.cost
        return np.full(len(part), np.nan) if cost is None else self.amounts(cost)[part.row]

    def currency_of(self, part: Part) -> str | None:
        """Return the currency of the money of a part."""
        cost = part.spec.cost or self.table.cost
        return None if cost is None else self.currency(cost)

    def amounts(self, cost: Cost) -> Floats:
        """Return the money of a column; credits are negative."""
        amount = self.numbers(cost.column)
        if cost.scale != 1:
            amount = amount * cost.scale
            if cost.factor is None:
                self._report(COST_CENTS, column=self.used[cost.column])
        negative = (np.nan_to_num(amount) < 0).any()
        credit = cost.credit
        if credit is None and "credit" in fold(cost.column) and not negative and (np.nan_to_num(amount) > 0).any():
            self.ask(
                "credit", "Are the amounts credits?", ("credit", "charge"),
                f"No amount of column {self.used[cost.column]} is negative",
                int(np.argmax(np.nan_to_num(amount) > 0)),
            )  # fmt: skip
        return -amount + 0.0 if credit and not negative else amount

    def currency(self, cost: Cost) -> str:
        """Return the currency of a column of money, or ask for it: several countries have a dollar."""
        if cost.currency is not None:
            return cost.currency
        name = self.used[cost.column]
        text = self.columns.texts.get(name) or self.columns.words.get(name)
        words = text.words if text is not None else []
        signs = {sign for sign in "$€£" if sign in name or any(sign in word for word in words)}
        if signs in ({"€"}, {"£"}):
            return "EUR" if signs == {"€"} else "GBP"
        self.ask(
            "currency", "What is the currency of the cost?", ("USD", "CAD", "AUD", "NZD", "EUR", "GBP"),
            f"Amounts of column {name} have {'a dollar sign' if '$' in signs else 'no sign of a currency'}",
            int(np.argmax(~np.isnan(self.numbers(cost.column)))),
        )  # fmt: skip
        return "USD"

    def commodity_of(self, part: Part, unit: Any) -> Any:
        """Return the commodity of the rows of a part."""
        if self.table.commodity is not None:
            return self.labels_of(self.table.commodity, "", part)
        known = {entry[0]: entry[3] for entry in numbers.UNITS.values()}
        return known.get(unit, "") if isinstance(unit, str) else [known.get(u, "") for u in unit]

    def periods(self) -> tuple[Ints, Ints, list[tuple[Part, Any, Any]]]:
        """Return local start and exclusive end of bills, and the value columns with their flow and unit."""
        self._check_ids()
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
            part.value = part.value * (scale[0] if unit_codes is None else scale[unit_codes[part.row]])
            unit = names[0] if unit_codes is None else names[unit_codes[part.row]]
            flow = flows[0] if flow_codes is None else np.array(flows, dtype=object)[flow_codes[part.row]]
            made.append((part, flow, unit))
        return start, end, made


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
                 table.tou, table.commodity, table.rows, table.multiplier):  # fmt: skip
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
