"""The fast path: runs of alike readings are proved and taken out before the XML parser sees them.

A piece of the document is cut at each ``<IntervalReading>``. Between the digits of one reading and those of the next
stand the same few hundred bytes: a template. A reading is *proved* when every one of its bytes is either a digit in
a slot of a known template or equal to the template's literals; what it then means, :class:`~greenkit.espi.readings`
itself has said, which read the template once with numbers of our choosing in its slots. Proved readings that follow
each other are a run: the document's text gets one empty marker element in its place, the columns get the numbers in
bulk. Entries of which nothing else is left are taken out likewise (:mod:`greenkit.espi.wrappers`). All else goes to the
parser as it stands.

Nothing is lost without this module but speed. Readings that are not proved are read plainly; and a document in which
a marker does not turn up as a reading in a block, or as an entry in the feed (it stood in a comment, in CDATA, in a
foreign element), or which is damaged, is read again plainly.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.espi.feed import Feed
from greenkit.espi.parse import Unproved
from greenkit.espi.readings import COLUMNS, EMPTY
from greenkit.espi.templates import BELOW, DECIMALS, NOTHING, WIDEST, Template, learn
from greenkit.espi.wrappers import WHITE, Group, Wrappers, first_tag

_OPENING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)IntervalReading>")
_TEMPLATES: Final = 32
_FAILURES: Final = 16
_ENOUGH: Final = 4096  # readings after which a document of which too few are proved is left to the parser
_TENS: Final = 10 ** np.arange(WIDEST + 1, dtype=np.int64)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]
_Run = tuple[Columns, int, int]
"""The columns of a piece, and which rows of them the run is."""


@dataclass(slots=True)
class _Rows:
    """The readings of one piece: where each begins (behind its opening tag) and ends, and its columns where proved."""

    begin: Ints
    end: Ints
    proved: Bools
    columns: Columns

    @classmethod
    def at(cls, begin: Ints) -> _Rows:
        n = len(begin)
        columns = {name: np.full(n, EMPTY[name], dtype=code) for name, code in COLUMNS.items()}
        return cls(begin, begin.copy(), np.zeros(n, dtype=bool), columns)


@dataclass
class Runs:
    """Cuts the proved runs out of one document, and keeps them until their markers turn up."""

    feed: Feed
    attribute: str = field(default_factory=lambda: f"run-{secrets.token_hex(8)}")  # no document can hold it

    def __post_init__(self) -> None:
        self.readings = self.feed.readings
        self.wrappers = Wrappers(b"", b"")
        self.opening = self.closing = self.prefix = self.separator = b""
        self.templates: list[Template] = []
        self.seen = self.proved = self.failures = self.number = 0
        self._waiting: dict[int, _Run] = {}
        self._groups: dict[int, Group] = {}

    def cut(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Give the pieces with a marker in the place of each proved run."""
        pieces = iter(pieces)
        first = next(pieces, b"")
        self.wrappers = Wrappers(first_tag(first), self.attribute.encode())
        pieces = chain((first,), pieces)
        for piece in pieces:
            yield self._cut(piece)
            if self.seen > _ENOUGH and self.proved * 2 < self.seen:
                break
        yield from pieces

    def take(self, element: Any) -> bool:
        """Append the run for which this IntervalReading stands, if it is a marker."""
        number = element.get(self.attribute)
        if number is None:
            return False
        columns, first, end = self._waiting.pop(int(number))
        self._append(columns, first, end)
        return True

    def take_entries(self, element: Any) -> int:
        """Append the entries for which this one stands, if it is a marker; tell how many they are."""
        number = element.get(self.attribute)
        if number is None:
            return 0
        group = self._groups.pop(int(number))
        runs = [self._waiting.pop(block.first) for block in group.blocks]
        columns, begin, last = runs[0][0], runs[0][1], runs[-1][2]  # nothing stands between them
        shift, document = len(self.readings) - begin, len(self.feed.documents) - 1
        for entry, block, (_, first, end) in zip(group.entries, group.blocks, runs, strict=True):
            entry.document = document
            entry.number = block.entry = len(self.feed.entries)
            block.first, block.rows = shift + first, end - first
            self.feed.entries.append(entry)
        self.readings.blocks += group.blocks
        self._append(columns, begin, last)
        return len(runs)

    def finish(self) -> None:
        """Raise Unproved when a marker did not turn up where readings do."""
        if self._waiting:
            raise Unproved

    def _append(self, columns: Columns, first: int, end: int) -> None:
        for name, column in self.readings.columns.items():
            column.frombytes(columns[name][first:end].tobytes())

    def _cut(self, piece: bytes) -> bytes:
        if not self.opening:
            self._find_names(piece)
        parts = piece.split(self.opening) if self.opening else []
        if len(parts) < 3:
            return piece
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) + len(self.opening)
        rows = _Rows.at(np.cumsum(sizes)[:-1])
        text = _Text(piece)
        for template in self.templates:
            self._prove(text, rows, template)
        for template in self._learned(parts, rows):
            self._prove(text, rows, template)
        self.seen, self.proved = self.seen + len(rows.begin), self.proved + int(rows.proved.sum())
        shortened, groups = self.wrappers.cut(self._shortened(piece, text, rows))
        self._groups |= groups
        return shortened

    def _find_names(self, piece: bytes) -> None:
        """Take the name that readings have in this document from the first of them."""
        if found := _OPENING.search(piece):
            self.opening, self.prefix = found[0], found[1]
            self.closing = b"</" + found[0][1:]

    def _prove(self, text: _Text, rows: _Rows, template: Template) -> None:
        """Prove the readings, of those that are not yet, whose every byte is as the template says."""
        left = np.flatnonzero(~rows.proved)
        at, numbers = rows.begin[left], list[npt.NDArray[Any]]()
        for n, literal in enumerate(template.literals):
            fits = text.stands(literal, at)
            at = at + len(literal)
            if n < len(template.slots) and fits.any():
                number, end = (text.decimals if template.slots[n][0] in DECIMALS else text.numbers)(at)
                fits &= (end > at) & (number < BELOW[template.slots[n][0]])
                numbers.append(number)
                at = end
            if not fits.all():
                left, at, numbers = left[fits], at[fits], [number[fits] for number in numbers]
            if not len(left):
                return
        for (name, factor), number in zip(template.slots, numbers, strict=True):
            if name != NOTHING:
                rows.columns[name][left] = number if factor == 1 else number * rows.columns[name].dtype.type(factor)
        if template.quality is not None:
            rows.columns["quality"][left] = self.readings.quality_id(template.quality)
        rows.proved[left], rows.end[left] = True, at

    def _learned(self, parts: list[bytes], rows: _Rows) -> Iterator[Template]:
        """Learn from readings that are not proved, one after the other."""
        for row in np.flatnonzero(~rows.proved).tolist():
            if len(self.templates) >= _TEMPLATES or self.failures >= _FAILURES:
                return
            if rows.proved[row] or (end := parts[row + 1].find(self.closing)) < 0:
                continue
            template = learn(parts[row + 1][: end + len(self.closing)], self.opening, self.prefix)
            if template is None:
                self.failures += 1
            else:
                self.templates.append(template)
                yield template

    def _shortened(self, piece: bytes, text: _Text, rows: _Rows) -> bytes:
        """Put a marker in the place of each run."""
        joined = self._joined(piece, text, rows)
        firsts = np.flatnonzero(rows.proved & ~np.concatenate(([False], joined[:-1])))
        lasts = np.flatnonzero(rows.proved & ~joined)
        begins, ends = rows.begin[firsts] - len(self.opening), rows.end[lasts]
        marker, out, cursor = self.opening[:-1] + b" " + self.attribute.encode(), list[bytes](), 0
        for first, last, begin, end in zip(*(a.tolist() for a in (firsts, lasts, begins, ends)), strict=True):
            out += (piece[cursor:begin], b'%b="%d"/>' % (marker, self.number))
            self._waiting[self.number] = rows.columns, first, last + 1
            self.number += 1
            cursor = end
        return b"".join((*out, piece[cursor:]))

    def _joined(self, piece: bytes, text: _Text, rows: _Rows) -> Bools:
        """Tell which proved readings are followed by another, with nothing but the usual white space between them."""
        joined = rows.proved.copy()
        joined[-1] = False
        joined[:-1] &= rows.proved[1:]
        gap = np.zeros(len(joined), dtype=np.int64)
        gap[:-1] = rows.begin[1:] - len(self.opening) - rows.end[:-1]
        if not self.separator and joined.any():
            first = int(np.argmax(joined))
            between = piece[rows.end[first] : rows.end[first] + gap[first]]
            self.separator = b"" if between.strip(WHITE) else between
        joined &= gap == len(self.separator)
        if self.separator:
            joined[joined] = text.stands(self.separator, rows.end[joined])
        return joined


class _Text:
    """The bytes of one piece, to be compared at many places at once."""

    def __init__(self, piece: bytes) -> None:
        self.size = len(piece)
        self.bytes = np.frombuffer(piece + bytes(WIDEST + 1), dtype=np.uint8)

    def stands(self, literal: bytes, at: Ints) -> Bools:
        """Tell at which places the literal stands."""
        last = self.size - len(literal)
        if last < 0:
            return np.zeros(len(at), dtype=bool)
        windows = np.ndarray((last + 1,), dtype=f"S{len(literal)}", buffer=self.bytes, strides=(1,))
        return np.asarray((windows[np.minimum(at, last)] == literal) & (at <= last))

    def numbers(self, at: Ints) -> tuple[Ints, Ints]:
        """Read the digits that begin at each place, 15 at most, and tell where they end."""
        number = np.zeros(len(at), dtype=np.int64)
        at = np.minimum(at, self.size)
        going = np.ones(len(at), dtype=bool)
        for _ in range(WIDEST):
            digit = self.bytes[at] - np.uint8(48)
            going &= digit < 10
            if not going.any():
                break
            number = np.where(going, number * 10 + digit, number)
            at = at + going
        return number, at

    def decimals(self, at: Ints) -> tuple[npt.NDArray[Any], Ints]:
        """Read the digits that begin at each place, with or without decimals, 15 in all at most, as float() does."""
        whole, end = self.numbers(at)
        dotted = np.flatnonzero(self.bytes[end] == ord("."))
        if not len(dotted):
            return whole, end
        part, stop = self.numbers(end[dotted] + 1)
        places = stop - end[dotted] - 1
        fits = (places > 0) & (stop - at[dotted] <= WIDEST + 1)
        dotted, part, stop, tens = dotted[fits], part[fits], stop[fits], _TENS[places[fits]]
        number = whole.astype(np.float64)
        number[dotted] = (whole[dotted] * tens + part) / tens  # one rounding of two exact numbers
        end[dotted] = stop
        return number, end
