"""What stands between the digits of a reading, and what its digits mean: learned from one reading by reading it.

The plain reader reads the reading again and again with numbers of our choosing in it; which column follows which
number is thus what it says, whatever the order, the optional and foreign elements, comments, signs and white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from greenkit.days import US
from greenkit.errors import FormatError
from greenkit.espi.names import Names
from greenkit.espi.parse import SAFE
from greenkit.espi.readings import COLUMNS, EMPTY, Readings

_NUMBER: Final = re.compile(rb">\s*[-+]?([0-9]{1,15}|[0-9]{0,14}\.[0-9]{1,14})\s*<")
_COMMENT: Final = re.compile(rb"<!--(?:[^<>&\x80-\xff-]|-[^<>&\x80-\xff-])*-->")  # some write the date there
WIDEST: Final = 15  # digits whose number a float64 holds exactly
NOTHING: Final = ""  # what a slot in a comment means
# column → the numbers below which the plain reader does no more than multiply by a factor
BELOW: Final = {
    **dict.fromkeys(("value", "cost"), 10**WIDEST),
    **dict.fromkeys(("tou", "cpp", "tier"), 1 << 15),
    "start": 253402214400,
    "duration": 1 << 32,
    NOTHING: 10**WIDEST,
}
DECIMALS: Final = ("value", "cost")  # columns whose numbers may have decimals
_SENTINELS: Final = (b"12347", b"23459")
_DECIMAL: Final = b"34570.625"
_NAMESPACE: Final = b"http://naesb.org/espi"


@dataclass(frozen=True, slots=True)
class Template:
    """What stands between the digits of a reading, and what its digits mean.

    ``literals`` are one more than ``slots``; a slot is a column and the factor on its number. ``quality`` is the
    quality's text, whose digits are no slot.
    """

    literals: tuple[bytes, ...]
    slots: tuple[tuple[str, int], ...]
    quality: str | None


def learn(sample: bytes, opening: bytes, prefix: bytes) -> Template | None:
    """Let the plain reader say what each number of a reading is; None when it cannot be told cleanly.

    Parameters
    ----------
    sample : bytes
        One reading behind its opening tag, its closing tag included.
    opening, prefix : bytes
        Its opening tag, and the prefix in it. Every element must have this prefix and no attribute, so that what they
        mean hangs on nothing but the namespace of the reading itself.
    """
    left = re.sub(rb"</?" + re.escape(prefix) + rb"[A-Za-z]+/?>", b"", _COMMENT.sub(b"", sample))
    if re.search(rb"[<>&\x80-\xff]", left):
        return None
    reader, parts, slots, cursor = _Sentinels(opening, prefix), list[bytes](), list[tuple[str, int]](), 0
    for begin, end in sorted(_numbers_in(sample)):
        slot = reader.slot(sample[:begin], sample[end:])
        if slot and (slot[0] in DECIMALS or sample[begin:end].isdigit()):
            parts.append(sample[cursor:begin])
            slots.append(slot)
            cursor = end
    own = reader.row(sample)
    if own is None:
        return None
    told = [name for name, _ in slots if name]
    numbers = [name for name, value in own.items() if name != "quality" and repr(value) != repr(EMPTY[name])]
    if not told or sorted(numbers) != sorted(told):
        return None
    quality = reader.readings.quality_texts[own["quality"]] if own["quality"] >= 0 else None
    return Template((*parts, sample[cursor:]), tuple(slots), quality)


def _numbers_in(sample: bytes) -> Iterator[tuple[int, int]]:
    """Find the numbers that may differ from reading to reading: the text of an element, and the digits in comments."""
    for found in _NUMBER.finditer(sample):
        yield found.span(1)
    yield from digits_in_comments(sample)


def digits_in_comments(text: bytes) -> Iterator[tuple[int, int]]:
    """Find the digits in comments, where some write the date: they mean nothing."""
    for comment in _COMMENT.finditer(text):
        for found in re.finditer(rb"[0-9]{1,15}", comment[0]):
            yield found.start() + comment.start(), found.end() + comment.start()


class _Sentinels:
    """Reads one reading again and again, with numbers of our choosing in it."""

    def __init__(self, opening: bytes, prefix: bytes) -> None:
        name = b":" + prefix[:-1] if prefix else b""
        self.opening = opening[:-1] + b" xmlns" + name + b'="' + _NAMESPACE + b'">'
        self.readings = Readings(Names())

    def row(self, rest: bytes) -> dict[str, Any] | None:
        """Read it plainly; None where the plain reader doubts anything."""
        try:
            element = etree.fromstring(self.opening + rest, etree.XMLParser(**SAFE))
            self.readings.read(element)
        except (etree.XMLSyntaxError, FormatError):
            return None
        if self.readings.doubtful:
            return None
        return {name: column[-1] for name, column in self.readings.columns.items()}

    def slot(self, before: bytes, after: bytes) -> tuple[str, int] | None:
        """Tell which column follows a number of the reading, and by which factor; none follows one in a comment."""
        first, second = (self.row(before + sentinel + after) for sentinel in _SENTINELS)
        if first is None or second is None:
            return None
        changed = [name for name in COLUMNS if repr(first[name]) != repr(second[name])]
        if not changed:
            return (NOTHING, 1) if before.rfind(b"<!--") > before.rfind(b"-->") else None
        name = changed[0]
        if len(changed) > 1 or name not in BELOW:
            return None
        for factor in (US,) if name in ("start", "duration") else (1, -1):
            if (first[name], second[name]) == tuple(factor * int(sentinel) for sentinel in _SENTINELS):
                third = self.row(before + _DECIMAL + after) if name in DECIMALS else None
                return (name, factor) if third is None or third[name] == factor * float(_DECIMAL) else None
        return None
