"""State that all parts of the engine share: the cells of the table, its mapping, open questions, and findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.findings import Findings, Kind
from greenkit.tables import numbers
from greenkit.tables.cells import Columns, Words, fold
from greenkit.tables.mapping import (
    Table,
    Value,
)
from greenkit.tables.placement import HOUR

Ints = npt.NDArray[Any]
"""Whole numbers, int64; rows and series are int32 where they fit, since tables can have millions of rows."""
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VALUE_UNREADABLE: Final = Kind(
    "tables.value.unreadable",
    "warning",
    "{count:cell} of column {column} of {file} {count:is not a number|are not numbers}. greenkit reads "
    "{count:it|them} as missing.",
    "Add the words to missing in the mapping if they mean that there is no value.",
)


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


def runs(keep: Bools) -> Bools | list[slice]:
    """Return a mask as slices if few rows are left out: copies of slices are several times faster than a mask.

    Examples
    --------
    >>> runs(np.array([True] * 200 + [False] + [True] * 99))
    [slice(0, 200, None), slice(201, 300, None)]
    """
    dropped = np.flatnonzero(~keep)
    if len(dropped) > len(keep) // 64:
        return keep
    # rows 200 and 201 of 300 are left out: runs begin at 0, 201, and 202 and end at 200, 201, and 300
    begins, ends = np.append(0, dropped + 1), np.append(dropped, len(keep))
    some = ends > begins
    return [slice(low, high) for low, high in zip(begins[some].tolist(), ends[some].tolist(), strict=True)]


def take(array: npt.NDArray[Any], which: Any) -> npt.NDArray[Any]:
    """Return the elements that a mask, numbers, or slices choose."""
    if not isinstance(which, list):
        chosen: npt.NDArray[Any] = array[which]
        return chosen
    return np.concatenate([array[part] for part in which]) if which else array[:0]


def squeeze(array: npt.NDArray[Any], which: Any) -> npt.NDArray[Any]:
    """Return what :func:`take` returns, in the memory of the array itself if the elements are slices.

    Only for an array that nothing else uses: its contents change.

    Examples
    --------
    >>> squeeze(np.arange(6), [slice(0, 2), slice(3, 6)])
    array([0, 1, 3, 4, 5])
    """
    if not isinstance(which, list):
        return take(array, which)
    size = 0
    for part in which:
        count = part.stop - part.start
        if part.start != size:
            array[size : size + count] = array[part]
        size += count
    return array[:size]


@dataclass
class Part:
    """Rows of one value column, or of the cells of a wide table.

    Attributes
    ----------
    row : array of int
        Row of the table that each is from.
    label : array of int64
        Local time in microseconds.
    value : array of float64
    spec : Value
    column : str
        The column, or the pattern of the columns of a wide table.
    fold : array of int8, optional
        1 in the second of two equal hours, 0 in the first; -1 if only the order of the rows shows it.
    end : array of int64, optional
        Local end in microseconds; NEVER if there is none.
    lines : tuple of two arrays, optional
        Rows of a wide table, and how many cells of each follow one another: all that is equal in the cells of a row is
        then computed once for the row.
    """

    row: Ints
    label: Ints
    value: Floats
    spec: Value
    column: str
    fold: npt.NDArray[np.int8] | None = None
    end: Ints | None = None
    lines: tuple[Ints, Ints] | None = None

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: Any) -> Part:
        """Return some of the rows: a mask, their numbers, or what :func:`runs` returns."""
        return Part(
            take(self.row, which),
            take(self.label, which) if len(self.label) else self.label,
            take(self.value, which),
            self.spec,
            self.column,
            None if self.fold is None else take(self.fold, which),
            None if self.end is None else take(self.end, which),
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


class Base:
    """Cells, questions, and findings of one table; :class:`greenkit.tables.engine.Engine` completes it."""

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
        self.extra: dict[str, str] = {}
        """Columns that the mapping does not name, with a meter or a multiplier by their names."""
        self.read_others: Callable[[], dict[str, Words]] = dict
        """Reads the columns that the mapping of the caller does not name."""
        # what a layout and its code set
        self.asks_kind = True
        self.lanes: list[tuple[Bools, Value]] | None = None
        self.period_starts: Ints | None = None
        self.shift = 0
        self._stamped: tuple[Ints, Ints | None, npt.NDArray[np.int32] | None] | None = None

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
                    self._report(VALUE_UNREADABLE, count=bad, column=name)
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

    def _report(self, kind: Kind, *, words: dict[str, Any] | None = None, **evidence: Any) -> None:
        self.findings.add(kind, file=self.file, words=words, **evidence)

    def change(self, **changes: Any) -> None:
        """Change the mapping, for the code of a layout."""
        self.table = dataclasses.replace(self.table, **changes)
        self._stamped = None

    def _zone(self) -> str | None:
        zone = self.table.zone
        return zone if isinstance(zone, str) else None
