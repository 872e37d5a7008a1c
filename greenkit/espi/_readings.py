"""IntervalBlocks to columns: one row for an IntervalReading, exactly as the document says it.

Nothing is scaled, moved or dropped here; :mod:`greenkit.espi._assemble` does that with the reading types and zones
that stand elsewhere in the feed.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from greenkit.days import US
from greenkit.errors import FormatError
from greenkit.espi._xml import Names
from greenkit.findings import Count, Findings

NONE: Final = -(1 << 63)
"""No instant or duration."""
NO_CODE: Final = -(1 << 15)
"""No tou, cpp or tier."""
_NAN: Final = math.nan

# column → array type code: start and duration in microseconds, quality an index into Readings.quality_texts
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
"""What a column holds for a member that a reading does not have."""
# what is counted in Readings.doubtful → the finding's name, severity and sentence
_DOUBTFUL: Final = {
    "fractional": (
        "espi.time.fractional",
        "info",
        "{count:time} {count:has|have} fractions of a second: kept to the microsecond.",
    ),
    "milliseconds": (
        "espi.time.milliseconds",
        "warning",
        "{count:time} {count:is|are} in milliseconds, not seconds: read as such.",
    ),
    "grouped": (
        "espi.value.grouped",
        "warning",
        "{count:time} the member {member} has commas between its thousands: read without.",
    ),
    "iso": (
        "espi.time.iso",
        "warning",
        "{count:time} {count:is a date|are dates} in words, not seconds: read as such.",
    ),
    "not-a-number": (
        "espi.value.not-a-number",
        "warning",
        "{count:time} the member {member} holds no number: empty.",
    ),
    "own": (
        "espi.value.own-multiplier",
        "warning",
        "{count:reading} {count:has|have} an own {member}, which ESPI knows of a ReadingType only: it was not applied.",
    ),
    "not-a-flag": (
        "espi.value.not-a-flag",
        "warning",
        "{count:time} the member {member} says neither true nor false: empty.",
    ),
    "not-a-time": (
        "espi.time.not-a-time",
        "warning",
        "{count:time} a {member} is outside the years 1 to 9999: empty.",
    ),
}
# Instants that pandas' zones can hold: the years 1 to 9999, less a day at each end.
FIRST, LAST = -62135510400 * US, 253402214400 * US
_MILLISECONDS = 631152000 * US
"""From 1990: before it nobody counted in milliseconds, so that 9999-12-31 for "never" is no day of 1978."""
_FAR: Final = 10**17
_GROUPED: Final = re.compile(r"\s*-?[0-9]{1,3}(,[0-9]{3})+\s*")  # an Int48, in which a comma is no decimal sign


@dataclass(slots=True)
class Block:
    """One IntervalBlock: its own interval (NONE where it has none), and its rows in the columns."""

    start: int
    duration: int
    first: int
    rows: int
    entry: int = -1


class Readings:
    """The readings of all documents, in document order."""

    def __init__(self, names: Names) -> None:
        self.columns: dict[str, array[Any]] = {name: array(code) for name, code in COLUMNS.items()}
        self.blocks: list[Block] = []
        self.quality_texts: list[str] = []
        self.doubtful: Counter[tuple[str, str]] = Counter()
        self._quality_ids: dict[str, int] = {}
        self._names = names
        self._milli = False  # the start just read was in milliseconds
        self.powers: list[str] = []  # the powerOfTenMultiplier of readings of the block just read, which has none
        self.runs: Any = None  # the fast path's, while it reads a document

    def __len__(self) -> int:
        return len(self.columns["start"])

    def mark(self) -> tuple[Any, ...]:
        """Remember what is there, for :meth:`rollback`."""
        return len(self), len(self.blocks), len(self.quality_texts), self.doubtful.copy()

    def rollback(self, mark: tuple[Any, ...]) -> None:
        """Forget what was read since the mark."""
        rows, blocks, qualities, self.doubtful = mark
        for column in self.columns.values():
            del column[rows:]
        del self.blocks[blocks:], self.quality_texts[qualities:]
        self._quality_ids = {text: n for n, text in enumerate(self.quality_texts)}

    def give_away(self) -> dict[str, array[Any]]:
        """Give the columns to who builds the frame, and keep none of them."""
        columns, self.columns = self.columns, {name: array(code) for name, code in COLUMNS.items()}
        return columns

    def read_block(self, element: Any) -> Block:
        """Read one IntervalBlock."""
        first = len(self)
        self.powers.clear()
        start, duration = self._read_in(element)
        block = Block(start, duration, first, len(self) - first)
        self.blocks.append(block)
        return block

    def _read_in(self, element: Any) -> tuple[int, int]:
        """Read the readings in a block, or in a wrapper in it that nobody knows; give the block's own interval."""
        names = self._names
        start = duration = NONE
        for child in element:
            name = names[child.tag]
            if name == "IntervalReading":
                if self.runs is None or not self.runs.take(child):
                    self.read(child)
            elif name == "interval":
                start, duration = self._period(child)
            elif len(child):
                self._read_in(child)
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
            elif name in ("readingQuality", "quality"):  # Duke Energy's, a word; and without its wrapper
                quality = (child.text or "").strip()
            elif name == "tou":
                tou = self.code("tou", child.text)
            elif name == "cpp":
                cpp = self.code("cpp", child.text)
            elif name == "consumptionTier":
                tier = self.code("consumptionTier", child.text)
            elif name == "powerOfTenMultiplier":
                self.powers.append((child.text or "").strip())
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
        if self._milli:
            self._milli = False
            # whole minutes of milliseconds; what a sender means in seconds, as 3600, are none
            if duration > 0 and duration % (60_000 * US) == 0:
                duration //= 1000
        return start, duration

    def instant(self, text: str | None) -> int:
        """Read epoch seconds (TimeType) as microseconds; NONE when there is no number."""
        try:
            instant = int(text) * US  # type: ignore[arg-type]  # None and "12.5" go the slow way
        except (TypeError, ValueError):
            instant = self._odd_instant(text)
        if instant != NONE and not FIRST < instant < LAST:
            instant = self._milliseconds(instant, text)
        return instant

    def _odd_instant(self, text: str | None) -> int:
        text = (text or "").strip()
        if not text:
            return NONE
        try:
            seconds = Decimal(text)
            # an exponent makes a number of a million digits of a few: what is no time is never multiplied out
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
            self._milli = True
            return instant // 1000
        shown = (text or "").strip()[:40]
        raise FormatError(f"{shown} is no time in seconds since 1970: mend the start or timePeriod")

    def duration(self, text: str | None) -> int:
        """Read whole seconds (UInt32) as microseconds; NONE when there is no number."""
        seconds = self.number("duration", text)
        return NONE if seconds != seconds or not 0 <= seconds < 1 << 32 else round(seconds * US)

    def number(self, member: str, text: str | None) -> float:
        """Read an Int48 (or a decimal, which some write); NaN when there is none."""
        try:
            number = float(text)  # type: ignore[arg-type]  # None goes the slow way
        except (TypeError, ValueError):
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
        """Read an Int16; NO_CODE when there is none."""
        try:
            code = int(text)  # type: ignore[arg-type]  # None goes the slow way
        except (TypeError, ValueError):
            code = NO_CODE
            if text is not None and text.strip():
                self.doubtful["not-a-number", member] += 1
        return code if NO_CODE < code < 1 << 15 else NO_CODE

    def _quality(self, element: Any, before: str) -> str:
        """Give the quality's text; several on one reading are kept as ``8+14``."""
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
        """Give the number under which a quality's text is kept."""
        number = self._quality_ids.get(text)
        if number is None:
            if len(self.quality_texts) >= 1 << 15:
                raise FormatError("the feed holds more than 32,768 different quality codes: it is not ESPI")
            number = self._quality_ids[text] = len(self.quality_texts)
            self.quality_texts.append(text)
        return number

    def report(self, findings: Findings) -> None:
        """Add the findings on texts that were no plain numbers."""
        for (what, member), count in sorted((+self.doubtful).items()):
            name, severity, text = _DOUBTFUL[what]
            findings.add(
                name, text.format(count=Count(count), member=member), severity=severity, member=member, count=count
            )
