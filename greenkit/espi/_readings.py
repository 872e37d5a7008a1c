"""IntervalBlocks as columns: one row for each IntervalReading, as the document has it.

Nothing is scaled, moved, or left out here. :mod:`greenkit.espi._rows` and :mod:`greenkit.espi._assemble` do that, with
the reading types and time zones that other entries of the feed declare.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt

from greenkit.errors import FormatError
from greenkit.espi._xml import Names
from greenkit.findings import Findings, Kind
from greenkit.times import US

NONE: Final = -(1 << 63)
"""No time or duration."""
NO_CODE: Final = -(1 << 15)
"""No tou, cpp, or tier."""
_NAN: Final = math.nan

# column → array type code. start and duration are in microseconds; quality is an index into Readings.quality_texts.
COLUMNS: Final = {
    "start": "q",
    "duration": "q",
    "value": "d",
    "cost": "d",
    "quality": "h",
    "tou": "h",
    "cpp": "h",
    "tier": "h",
}
EMPTY: Final = {"start": NONE, "duration": NONE, "value": _NAN, "cost": _NAN, "quality": -1} | dict.fromkeys(
    ("tou", "cpp", "tier"), NO_CODE
)
"""Value of a column for a member that a reading does not have."""

KINDS: Final[Mapping[str, Kind]] = {
    "fractional": Kind(
        "espi.time.fractional",
        "info",
        "{count:time} {count:has|have} fractions of a second. greenkit kept {count:it|them} to the microsecond.",
    ),
    "milliseconds": Kind(
        "espi.time.milliseconds",
        "warning",
        "{count:time} {count:is|are} in milliseconds instead of seconds. greenkit converted {count:it|them}.",
        "Check the dates of the data.",
    ),
    "grouped": Kind(
        "espi.value.grouped",
        "warning",
        "{count:value} of the member {member} {count:has|have} commas between thousands. greenkit ignored the commas.",
        "Check that the commas are not decimal signs.",
    ),
    "iso": Kind(
        "espi.time.iso",
        "warning",
        "{count:start time} {count:is a date|are dates} in ISO 8601 instead of seconds. greenkit converted "
        "{count:it|them}, and read times without an offset as UTC.",
        "Check the times of the data.",
    ),
    "not-a-number": Kind(
        "espi.value.not-a-number",
        "warning",
        "{count:value} of the member {member} {count:is not a number|are not numbers}. greenkit left {count:it|them} "
        "empty.",
        "Check the member {member} in the feed.",
    ),
    "own": Kind(
        "espi.value.own-multiplier",
        "warning",
        "{count:reading} {count:has|have} a {member} of {count:its|their} own, but ESPI defines it for a ReadingType "
        "only. greenkit did not apply it.",
        "Compare the usage with a bill.",
    ),
    "not-a-flag": Kind(
        "espi.value.not-a-flag",
        "warning",
        "{count:value} of the member {member} {count:is|are} neither true nor false. greenkit left {count:it|them} "
        "empty.",
        "Check the member {member} in the feed.",
    ),
    "not-a-time": Kind(
        "espi.time.not-a-time",
        "warning",
        "{count:value} of the member {member} {count:is|are} outside the years 1 to 9999. greenkit left "
        "{count:it|them} empty.",
        "Check the member {member} in the feed.",
    ),
}
"""Findings on texts, by the word under which they are counted in ``Readings.doubtful``."""

# Times that a pandas time zone can represent: the years 1 to 9999, less a day at each end.
FIRST, LAST = -62135510400 * US, 253402214400 * US
_MILLISECONDS: Final = 631152000 * US
"""1990. No older time is in milliseconds, so that 9999-12-31 for "never" does not become a day of 1978."""
_FAR: Final = 10**17
_GROUPED: Final = re.compile(r"\s*-?[0-9]{1,3}(,[0-9]{3})+\s*", re.A)  # an Int48, where a comma is not a decimal sign
_QUALITIES: Final = 1 << 15

Mark = tuple[int, int, int, Counter[tuple[str, str]]]


@dataclass(slots=True)
class Statement:
    """Members of a block that no schema defines, for the quirks to use.

    ``interval`` has the texts of its interval's members, ``multipliers`` the powerOfTenMultipliers of its readings.
    """

    interval: dict[str, str]
    multipliers: tuple[str, ...]


@dataclass(slots=True)
class Block:
    """One IntervalBlock: its own interval (NONE if it has none), and its rows in the columns."""

    start: int
    duration: int
    first: int
    rows: int
    entry: int = -1
    statement: Statement | None = None


class Blocks(Sequence[Block]):
    """The blocks of all documents, in columns: an int64 array for each number of a :class:`Block`.

    ``blocks[n]`` is a copy of one block; to change it, change the columns.
    """

    def __init__(self) -> None:
        self.start, self.duration, self.first, self.rows, self.entry = (array("q") for _ in range(5))
        self.statements: dict[int, Statement] = {}

    @property
    def columns(self) -> dict[str, array[int]]:
        """The arrays by their names."""
        return {name: getattr(self, name) for name in ("start", "duration", "first", "rows", "entry")}

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, number: int) -> Block: ...
    @overload
    def __getitem__(self, number: slice) -> list[Block]: ...
    def __getitem__(self, number: int | slice) -> Block | list[Block]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        cells = {name: column[number] for name, column in self.columns.items()}
        return Block(**cells, statement=self.statements.get(number))

    def append(self, block: Block) -> None:
        """Add a block."""
        if block.statement:
            self.statements[len(self)] = block.statement
        for name, column in self.columns.items():
            column.append(getattr(block, name))

    def extend(self, columns: Mapping[str, npt.NDArray[np.int64]]) -> None:
        """Add blocks in columns."""
        for name, column in self.columns.items():
            column.frombytes(columns[name].tobytes())

    def truncate(self, length: int) -> None:
        """Remove the blocks after the first ones."""
        for column in self.columns.values():
            del column[length:]
        self.statements = {number: found for number, found in self.statements.items() if number < length}

    def array(self, name: str) -> npt.NDArray[np.int64]:
        """Return a column as a numpy array without a copy; while it is in use, no block can be added."""
        return np.frombuffer(self.columns[name], dtype=np.int64)


class Readings:
    """The readings of all documents, in document order."""

    def __init__(self, names: Names) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in COLUMNS.items()}
        self.blocks = Blocks()
        self.quality_texts: list[str] = []
        self.doubtful: Counter[tuple[str, str]] = Counter()
        self._quality_ids: dict[str, int] = {}
        self._names = names
        self._is_milli = False  # the start that was read last was in milliseconds
        self.multipliers: list[str] = []  # powerOfTenMultipliers of the readings of the block that was read last

    def __len__(self) -> int:
        return len(self.columns["start"])

    def mark(self) -> Mark:
        """Return a mark for :meth:`rollback`."""
        return len(self), len(self.blocks), len(self.quality_texts), self.doubtful.copy()

    def rollback(self, mark: Mark) -> None:
        """Remove everything that was read since the mark."""
        rows, blocks, qualities, doubtful = mark
        self.doubtful = doubtful.copy()  # a mark serves twice if the fast path and an encoding both fail
        for column in self.columns.values():
            del column[rows:]
        self.blocks.truncate(blocks)
        del self.quality_texts[qualities:]
        self._quality_ids = {text: n for n, text in enumerate(self.quality_texts)}

    def take_columns(self) -> dict[str, array[Any]]:
        """Return the columns and keep none of them, so that the frame can be built in their memory."""
        columns, self.columns = self.columns, {name: array(code) for name, code in COLUMNS.items()}
        return columns

    # Elements

    def read_block(self, element: Any, read: Callable[[Any], object] | None = None) -> Block:
        """Read one IntervalBlock; ``read`` reads each IntervalReading in place of :meth:`read`."""
        first = len(self)
        self.multipliers.clear()
        start, duration = self._read_in(element, read or self.read)
        block = Block(start, duration, first, len(self) - first)
        self.blocks.append(block)
        return block

    def _read_in(self, element: Any, read: Callable[[Any], object]) -> tuple[int, int]:
        """Read the readings in a block, or in an unknown wrapper inside it; return the block's own interval."""
        names = self._names
        start = duration = NONE
        for child in element:
            name = names[child.tag]
            if name == "IntervalReading":
                read(child)
            elif name == "interval":
                start, duration = self._period(child)
            elif len(child):
                self._read_in(child, read)
        return start, duration

    def read(self, element: Any) -> None:
        """Read one IntervalReading."""
        names = self._names
        start = duration = NONE
        value = cost = _NAN
        quality = ""
        tou = cpp = tier = NO_CODE
        for child in element:
            name = names[child.tag]
            if name == "timePeriod":
                start, duration = self._period(child)
            elif name == "value":
                value = self.number("value", child.text)
            elif name == "cost":
                cost = self.number("cost", child.text)
            elif name == "ReadingQuality":
                quality = self._quality(child, quality)
            elif name == "quality":  # without its wrapper
                quality = (child.text or "").strip()
            elif name == "tou":
                tou = self.code("tou", child.text)
            elif name == "cpp":
                cpp = self.code("cpp", child.text)
            elif name == "consumptionTier":
                tier = self.code("consumptionTier", child.text)
            elif name == "powerOfTenMultiplier":
                self.multipliers.append((child.text or "").strip())
                self.doubtful["own", name] += 1
        number = self.quality_id(quality) if quality else -1
        cells = (start, duration, value, cost, number, tou, cpp, tier)
        for column, cell in zip(self.columns.values(), cells, strict=True):
            column.append(cell)

    def _period(self, element: Any) -> tuple[int, int]:
        names = self._names
        start = duration = NONE
        for child in element:
            name = names[child.tag]
            if name == "start":
                start = self.instant(child.text)
            elif name == "duration":
                duration = self.duration(child.text)
        if self._is_milli:
            self._is_milli = False
            # a duration in whole minutes of milliseconds; one that is meant in seconds, such as 3600, is not
            if duration > 0 and duration % (60_000 * US) == 0:
                duration //= 1000
        return start, duration

    def _quality(self, element: Any, before: str) -> str:
        """Return the text of a quality; several qualities of one reading are kept as ``8+14``."""
        for child in element if len(element) else (element,):  # some leave the inner element out
            if (
                self._names[child.tag] in ("quality", "ReadingQuality")
                and child.text is not None
                and child.text.strip()
            ):
                text = child.text.strip()
                return f"{before}+{text}" if before else text
        return before

    def quality_id(self, text: str) -> int:
        """Return the number under which the text of a quality is kept."""
        number = self._quality_ids.get(text)
        if number is None:
            if len(self.quality_texts) >= _QUALITIES:
                raise FormatError(
                    f"The feed has more than {_QUALITIES:,} different quality codes, so it is not a valid ESPI feed",
                    next_step="Check that this is the file you meant to load.",
                )
            number = self._quality_ids[text] = len(self.quality_texts)
            self.quality_texts.append(text)
        return number

    # Texts

    def instant(self, text: str | None) -> int:
        """Parse epoch seconds (TimeType) into microseconds; NONE if the text is not a number."""
        try:
            instant = int(text) * US  # type: ignore[arg-type]  # None and "12.5" take the slow way
        except (TypeError, ValueError):
            instant = self._odd_instant(text)
        if text is not None and _is_python(text):
            self.doubtful["not-a-number", "start"] += 1
            return NONE
        if instant != NONE and not FIRST < instant < LAST:
            instant = self._milliseconds(instant, text)
        return instant

    def _odd_instant(self, text: str | None) -> int:
        text = (text or "").strip()
        if not text:
            return NONE
        try:
            seconds = Decimal(text)
            # an exponent can stand for a million digits, so a number that cannot be a time is never multiplied out
            near = -_FAR < seconds < _FAR or seconds.is_infinite()
            instant = int(seconds.scaleb(6).to_integral_value()) if near else LAST * 1000
        except (InvalidOperation, ValueError, OverflowError):
            return self._iso_instant(text)
        self.doubtful["fractional", "start"] += 1
        return instant

    def _iso_instant(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.doubtful["not-a-number", "start"] += 1
            return NONE
        self.doubtful["iso", "start"] += 1
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * US

    def _milliseconds(self, instant: int, text: str | None) -> int:
        if _MILLISECONDS <= instant // 1000 < LAST:
            self.doubtful["milliseconds", "start"] += 1
            self._is_milli = True
            return instant // 1000
        shown = (text or "").strip()[:40]
        raise FormatError(
            f"{shown} is not a time in seconds since 1970", next_step="Correct the start in the timePeriod."
        )

    def duration(self, text: str | None) -> int:
        """Parse whole seconds (UInt32) into microseconds; NONE if the text is not a number."""
        seconds = self.number("duration", text)
        return NONE if seconds != seconds or not 0 <= seconds < 1 << 32 else round(seconds * US)

    def number(self, member: str, text: str | None) -> float:
        """Parse an Int48, or a decimal, which some senders write; NaN if the text is not a number."""
        try:
            number = float(text)  # type: ignore[arg-type]  # None takes the slow way
        except (TypeError, ValueError):
            number = math.inf
        if text is not None and _is_python(text):
            number = math.inf
        return self._odd_number(member, text or "") if math.isinf(number) else number

    def _odd_number(self, member: str, text: str) -> float:
        if _GROUPED.fullmatch(text):
            self.doubtful["grouped", member] += 1
            return float(text.replace(",", ""))
        if text.strip():
            self.doubtful["not-a-number", member] += 1
        return _NAN

    def code(self, member: str, text: str | None) -> int:
        """Parse an Int16; NO_CODE if the text is not one."""
        try:
            code = int(text)  # type: ignore[arg-type]  # None takes the slow way
        except (TypeError, ValueError):
            code = NO_CODE
            if text is not None and text.strip():
                self.doubtful["not-a-number", member] += 1
        if code != NO_CODE and text is not None and _is_python(text):
            self.doubtful["not-a-number", member] += 1
            return NO_CODE
        return code if NO_CODE < code < 1 << 15 else NO_CODE

    def report(self) -> Findings:
        """Return the findings on texts that are not plain numbers."""
        out = Findings()
        for (what, member), count in sorted((+self.doubtful).items()):
            out.add(KINDS[what], member=member, count=count)
        return out


def _is_python(text: str) -> bool:
    """Return whether a text is a number to Python that no file means: ``1_000``, or digits of another script."""
    return "_" in text or not text.isascii()
