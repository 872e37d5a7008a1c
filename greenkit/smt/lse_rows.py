"""The lines of LSE: headers told from detail rows, and the triplets of value, status and time, read in bulk.

How many triplets a row holds is free, a comma may end it or not, and status and time may be blank.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.smt import codes
from greenkit.smt.blocks import Store
from greenkit.smt.notes import Notes
from greenkit.text import Piece, decode, parse_decimals, parse_number

Ints = npt.NDArray[Any]

_CODE_1: Final = int.from_bytes(b"00000001", "big")
_HEADER_1: Final = re.compile(rb"00000001,(?=[^,\n]{1,64},\d{1,3},\d{14},\d{14},)")


class Lines:
    """The lines of one piece. A record's number is -1 before the first header, which only a first piece can have.

    Attributes
    ----------
    first : list of int
        The line of each record's header 1.
    detail, sort_code, count, record : arrays
        Of each detail row: its line, its sort code, how many triplets it holds, and its record.
    row : array
        Of each triplet: its place in ``detail``.
    value, code : arrays
        Of each triplet: its number, NaN where blank, and its status as a number of the store's vocabulary.
    times : dict
        Triplet → the time that it carries, for those that do.
    """

    def __init__(self, piece: Piece, file: str, store: Store, notes: Notes) -> None:
        self._text, self._line, self._cut = _tight(piece.text), piece.line, piece.cut
        self._file, self._store, self._notes = file, store, notes
        self._part()
        self._classify()
        self._triplets()

    def note(
        self, name: str, example: str = "", *, line: int | None = None, triplet: int | None = None, **more: Any
    ) -> None:
        """Note what is doubtful, with the line of the file in which it stands."""
        if triplet is not None:
            line = int(self.detail[self.row[triplet]])
        self._notes.add(name, example, file=self._file, line=None if line is None else self._line + line, **more)

    def headers(self, kind: int) -> list[bytes]:
        """Give the header line of one kind of each record; empty where a record has none."""
        out = [b""] * len(self.first)
        which = np.flatnonzero(self._kind == kind)
        places = (array[which].tolist() for array in (self._record, self._starts, self._ends))
        for record, start, end in zip(*places, strict=True):
            out[record] = self._text[start:end]
        return out

    def _part(self) -> None:
        """Part records that stand on one line, since files without a last line end were put together."""
        found = (match.start() for match in _HEADER_1.finditer(self._text))
        joined = [at for at in found if at and self._text[at - 1] != 10]
        if joined:
            self.note("smt.lse.joined", n=len(joined))
            edges = [0, *joined, len(self._text)]
            self._text = b"\n".join([self._text[a:b] for a, b in itertools.pairwise(edges)])

    def _classify(self) -> None:
        """Tell each line by its sort code: 1 to 4 header, 5 detail, 0 blank, 6 neither."""
        self._bytes = np.frombuffer(self._text + b"\n" * 8, dtype=np.uint8)
        self._ends = np.flatnonzero(self._bytes[: len(self._text)] == 10)
        self._starts = np.append(0, self._ends[:-1] + 1)
        heads = self._bytes[self._starts[:, None] + np.arange(8)]
        header = heads.view(">u8")[:, 0] - np.uint64(_CODE_1)
        digits = (heads - np.uint8(48) <= 9).all(axis=1)
        kind = np.full(len(heads), 6, dtype=np.int8)
        kind[header < 4] = header[header < 4] + 1
        kind[digits & (heads[:, 0] > 48)] = 5
        kind[self._ends == self._starts] = 0
        follows = self._bytes[np.minimum(self._starts + 8, len(self._bytes) - 1)]
        kind[(kind > 0) & (follows != 44) & (follows != 10)] = 6
        self._record = np.cumsum(kind == 1) - 1
        self.first: list[int] = np.flatnonzero(kind == 1).tolist()
        for i in np.flatnonzero((kind == 6) | ((self._record < 0) & (kind > 0))).tolist():
            name = "smt.row.unreadable" if kind[i] == 6 else "smt.lse.orphan"
            self.note(name, repr(decode(self._text[self._starts[i] : self._ends[i]])[:40]), line=i)
        kind[self._record < 0] = 0
        self._kind = kind
        self.detail = np.flatnonzero(kind == 5)
        self.record = self._record[self.detail]
        self.sort_code = (heads[self.detail] - np.uint8(48)).astype(np.int64) @ 10 ** np.arange(7, -1, -1)

    def _triplets(self) -> None:
        """Read value, status and time of each interval in all detail rows at once."""
        body = self._bytes[: len(self._text)]
        marks = np.flatnonzero((body == 44) | (body == 10))  # each ends a field
        last = np.flatnonzero(body[marks] == 10)
        first, last = np.append(-1, last[:-1])[self.detail] + 1, last[self.detail]
        fields = last - first  # without the sort code
        dangling = (fields % 3 == 1) & (marks[last] - marks[np.maximum(last - 1, 0)] == 1)
        self.count = (fields + 2) // 3 - dangling
        before = np.cumsum(self.count) - self.count
        n = int(self.count.sum())
        self.row = np.repeat(np.arange(len(self.detail)), self.count)
        value = np.repeat(first + 1 - 3 * before, self.count) + 3 * np.arange(n)
        final = np.repeat(last, self.count)
        self.value, odd = parse_decimals(body, marks[value - 1] + 1, marks[value])
        for i in np.flatnonzero(odd).tolist():
            self.value[i] = self._odd_value(body[marks[value[i] - 1] + 1 : marks[value[i]]].tobytes(), i)
        status = np.minimum(value + 1, final)
        width = marks[status] - marks[value] - 1
        self.code = self._statuses(body, marks[value] + 1, np.where(value < final, width, 0))
        time = np.minimum(value + 2, final)
        width = np.where(value + 1 < final, marks[time] - marks[status] - 1, 0)
        self.times = {int(i): body[marks[status[i]] + 1 : marks[time[i]]].tobytes() for i in np.flatnonzero(width > 0)}
        if self._cut and n and self._kind[-1] == 5 and value[-1] == last[-1]:
            self.note("smt.file.cut", triplet=n - 1)  # nothing shows that the last value's digits are all there
            self.value[-1] = np.nan

    def _odd_value(self, raw: bytes, i: int) -> float:
        text = decode(raw).strip()
        if not text:
            return np.nan
        value = parse_number(text)
        if value is not None:
            return value
        self.note("smt.value.unreadable", repr(text[:40]), triplet=i)
        return np.nan

    def _statuses(self, body: Ints, begin: Ints, width: Ints) -> npt.NDArray[np.uint8]:
        letters = np.where(width == 1, body[np.minimum(begin, len(body) - 1)], 0)
        lookup = np.full(256, self._store.codes[codes.NORMAL], dtype=np.uint8)
        for letter in np.flatnonzero(np.bincount(letters, minlength=256)[1:]) + 1:
            lookup[letter] = self._store.code(decode(bytes([letter])))
        numbers = lookup[letters]
        for i in np.flatnonzero(width > 1):
            numbers[i] = self._store.code(decode(body[begin[i] : begin[i] + width[i]].tobytes()))
        return numbers


def _tight(text: bytes) -> bytes:
    """Take away quotes, and blanks around commas."""
    for needless in (b'"', b"\t"):
        if needless in text:
            text = text.replace(needless, b"")
    return re.sub(rb" *([,\n]) *", rb"\1", text) if b" " in text else text
