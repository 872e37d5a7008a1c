"""The fast path: similar readings are read in bulk, before an XML parser sees them.

Most of a feed repeats the same few hundred bytes with different digits. A *template* is the text between the digits,
which does not change. From this reading::

    <IntervalReading><timePeriod><duration>900</duration><start>1700000100</start></timePeriod><value>250</value>…

the fast path learns the literals ``<timePeriod><duration>``, ``</duration><start>``, ``</start></timePeriod><value>``,
``</value></IntervalReading>`` and the slots between them: duration, start, value. All readings that fit are *proved*,
and a few array operations write their digits to the columns. Proved readings that follow each other are a *run*. The
text gets one empty marker element in place of each run::

    <IntervalBlock><interval>…</interval><IntervalReading run-5f3a9c="0"/></IntervalBlock>

An entry that then contains only its links, timestamps, interval, and one run can be matched by a template for entries,
and consecutive similar entries also become one marker. The parser gets the shortened text.

Why it is safe:

* What a slot means is not assumed. The plain reader reads the reading several times with other numbers in the slot,
  and the column that follows these numbers is the slot's. If anything about a reading is unusual, no template is
  learned.
* A reading is proved only if every byte of it is a digit in a slot or equal to the template. All others go to the
  parser unchanged.
* The name of the marker's attribute is random, so no document can contain it. If a marker does not appear as a reading
  in a block or as an entry of the feed (because it was in a comment, in CDATA, or in a foreign element), or if the
  document has any fault, everything is discarded and :class:`~greenkit.espi._parse.DocumentReader` reads it without
  templates.

Without this module everything works as before, only slower: ``_reader`` passes :class:`FastReader` to
:func:`greenkit.espi._parse.read`, and no other module uses it.
"""

from __future__ import annotations

import functools
import io
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lxml import etree

from greenkit.errors import FormatError, LimitError
from greenkit.espi import _parse
from greenkit.espi._feed import Entry, Feed, href, hrefs
from greenkit.espi._parse import SAFE, Advance, DocumentReader, ReadPlainly
from greenkit.espi._readings import COLUMNS, EMPTY, NONE, Block, Readings
from greenkit.espi._xml import Names
from greenkit.findings import Findings
from greenkit.sources import Source
from greenkit.text import DIGITS, scan_decimals, scan_digits
from greenkit.times import US

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]
Span = tuple[int, int]
_Slot = tuple[Ints, npt.NDArray[Any]]
"""Where a slot begins at each position, and its numbers, or where its texts end."""


# Templates of readings

NOTHING: Final = ""
"""Column of a slot in a comment, whose digits mean nothing."""
_SPACE: Final = ord(" ")
# column of digits → first number that the plain reader does not simply multiply by a factor
BELOW: Final = {
    **dict.fromkeys(("value", "cost"), 10**DIGITS),
    **dict.fromkeys(("tou", "cpp", "tier"), 1 << 15),
    "start": 253402214400,
    "duration": 1 << 32,
    "run": 10**DIGITS,
    NOTHING: 10**DIGITS,
}
DECIMALS: Final = ("value", "cost")
"""Columns whose numbers may have decimals."""
_NUMBER: Final = re.compile(rb">\s*[-+]?([0-9]{1,15}|[0-9]{0,14}\.[0-9]{1,14})\s*<")
_COMMENT: Final = re.compile(rb"<!--(?:[^<>&\x80-\xff-]|-[^<>&\x80-\xff-])*-->")  # some senders write dates there
# an attribute that does not declare a namespace and is not in one
_ATTRIBUTE: Final = rb"""\s+(?!xmlns\s*=)[A-Za-z_][A-Za-z0-9_.-]*\s*=\s*(?:"[\x20!\x23-%'-;=-~]*"|'[\x20-%(-;=-~]*')"""
_SENTINELS: Final = (12347, 23459)
"""The first of the test numbers of each turn. All columns can have them, and no two slots get the same one."""
_DECIMAL: Final = ".625"
_MOST_NUMBERS: Final = 1000
_NAMESPACE: Final = b"http://naesb.org/espi"


@dataclass(frozen=True, slots=True)
class ReadingTemplate:
    """The bytes between the digits of a reading, and the meaning of the digits.

    There is one more of ``literals`` than of ``slots``. A slot is a column and the factor on its number. ``quality`` is
    the text of the quality, whose digits are not a slot.
    """

    literals: tuple[bytes, ...]
    slots: tuple[tuple[str, int], ...]
    quality: str | None


def learn_reading(sample: bytes, opening: bytes, prefix: bytes) -> ReadingTemplate | None:
    """Learn the template of one reading from the result of the plain reader; None if any of it is unusual.

    Parameters
    ----------
    sample : bytes
        One reading, from the end of its opening tag to the end of its closing tag.
    opening, prefix : bytes
        Its opening tag, and the prefix in it. Every element must have this prefix, and attributes without one, so that
        its meaning depends on nothing but the namespace of the reading itself.
    """
    tag = rb"</?" + re.escape(prefix) + rb"[A-Za-z]+(?:" + _ATTRIBUTE + rb")*\s*/?>"
    left = re.sub(tag, b"", _COMMENT.sub(b"", sample))
    if re.search(rb"[<>&\x80-\xff]", left):
        return None
    probe, in_comment = _Probe(opening, prefix), set(_digits_in_comments(sample))
    spans = sorted({*(number.span(1) for number in _NUMBER.finditer(sample)), *in_comment})
    own = probe.row(sample)
    probed = probe.row(_filled(sample, _test_numbers(spans, 0))) if len(spans) <= _MOST_NUMBERS else None
    if own is None or probed is None:
        return None
    slots: dict[Span, tuple[str, int]] = {}
    for span, text in _test_numbers(spans, 0).items():
        slot = _slot_of(int(text), probed)
        if slot and (slot[0] in DECIMALS or sample[slice(*span)].isdigit()):
            slots[span] = slot
        elif span in in_comment and not slot:
            slots[span] = NOTHING, 1
    # with other numbers in the slots, the row must have these numbers, and else be as it was
    for decimals in ("", _DECIMAL):
        texts = _test_numbers(list(slots), 1)
        texts = {span: text + decimals * (slots[span][0] in DECIMALS) for span, text in texts.items()}
        expected = own | {name: float(texts[span]) * factor for span, (name, factor) in slots.items() if name}
        row = probe.row(_filled(sample, texts))
        if row is None or any(repr(float(row[name])) != repr(float(expected[name])) for name in COLUMNS):
            return None
    # every number of the row must come from a slot, so that no template repeats the sample's own values
    columns = [name for name, _ in slots.values() if name]
    numbers = [name for name, value in own.items() if name != "quality" and repr(value) != repr(EMPTY[name])]
    if not columns or sorted(numbers) != sorted(columns):
        return None
    quality = probe.readings.quality_texts[own["quality"]] if own["quality"] >= 0 else None
    return ReadingTemplate(_between(sample, list(slots)), tuple(slots.values()), quality)


def _test_numbers(spans: Sequence[Span], turn: int) -> dict[Span, str]:
    """Return a distinct number for each span."""
    return {span: str(_SENTINELS[turn] + n) for n, span in enumerate(spans)}


def _slot_of(number: int, row: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the column of a row that has a test number, and the factor on the number."""
    for name in COLUMNS:
        for factor in (US,) if name in ("start", "duration") else (1, -1):
            if name in BELOW and row[name] == factor * number:
                return name, factor
    return None


def _filled(sample: bytes, texts: Mapping[Span, str]) -> bytes:
    """Return the sample with another text in each span."""
    kept = _between(sample, list(texts))
    return b"".join(chain.from_iterable(zip(kept, [*(text.encode() for text in texts.values()), b""], strict=True)))


def _between(sample: bytes, spans: Sequence[Span]) -> tuple[bytes, ...]:
    """Return the parts of a sample before, between, and after spans, which are in ascending order."""
    bounds = [0, *(place for span in spans for place in span), len(sample)]
    return tuple(sample[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True))


def _digits_in_comments(text: bytes) -> Iterator[Span]:
    for comment in _COMMENT.finditer(text):
        for digits in re.finditer(rb"[0-9]{1,15}", comment[0]):
            yield digits.start() + comment.start(), digits.end() + comment.start()


class _Probe:
    """Reads one reading several times, without a template."""

    def __init__(self, opening: bytes, prefix: bytes) -> None:
        name = b":" + prefix[:-1] if prefix else b""
        self.opening = opening[:-1] + b" xmlns" + name + b'="' + _NAMESPACE + b'">'
        self.readings = Readings(Names())
        self.parser = etree.XMLParser(**SAFE)

    def row(self, rest: bytes) -> dict[str, Any] | None:
        """Return the row of a reading, or None if the plain reader reports anything."""
        try:
            element = etree.fromstring(self.opening + rest, self.parser)
            self.readings.read(element)
        except (etree.XMLSyntaxError, FormatError):
            return None
        if self.readings.doubtful:
            return None
        return {name: column[-1] for name, column in self.readings.columns.items()}


# Templates of entries

WHITE: Final = b" \t\r\n"
"""The white space of XML; bytes.isspace() accepts more characters."""
_ROOT: Final = re.compile(rb"<([^\s<>/]+)[^<>]*>")
_ENTRY: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?entry)(?:\s[^<>]*[^<>/])?>")
_RUN: Final = re.compile(rb'IntervalReading [\w-]+="([0-9]+)"/>')
# words of printable ASCII without markup, which XML does not change
_TEXT: Final = rb"""[^<>&"'\x00-\x20\x7f-\xff]++(?: ++[^<>&"'\x00-\x20\x7f-\xff]++)*+"""
_SLOT: Final = re.compile(rb"""(?:>\s*|\shref=["'])([0-9]+(?=\s*<)|%b(?=\s*[<"']))""" % _TEXT)
_PLAIN: Final = bytes(byte for byte in range(0x20, 0x7F) if byte not in b"<>&\"'")
"""The bytes of such words and the spaces between them. All others end a text."""
TEXTS: Final = ("self_", "id", "title", "published", "updated")
_FEW: Final = 64  # entries to read without a template before learning one, which takes as long
_ENTRY_TEMPLATES: Final = 8
_ENTRY_FAILURES: Final = 8
_ENOUGH_ENTRIES: Final = 1024  # after these, the parser reads the rest of a document if less than half of them fit

EntryAndBlock = tuple[Entry, Block]
"""An entry and its only block. ``block.first`` is the number of its run until the rows are known."""


@dataclass(frozen=True, slots=True)
class EntryTemplate:
    """The bytes between the texts of an entry, and the meaning of the texts.

    There is one more of ``literals`` than of ``slots``. The name of a slot is one of TEXTS, ``start`` or ``duration``
    of the block, ``run``, or a link: ``up 0``, ``up 1``, ``related 0``. ``constants`` are the texts that all these
    entries share, and ``up`` and ``related`` are the numbers of links.
    """

    literals: tuple[bytes, ...]
    slots: tuple[str, ...]
    constants: dict[str, str]
    up: int
    related: int

    def read(self, text: _Text, begin: Ints) -> tuple[Ints, Ints, Columns]:
        """Read the entries that fit: return their indexes in ``begin``, the position of their ends, and their columns.

        An entry with an empty link does not fit, because the plain reader ignores such links.
        """
        fitting, end, found = text.fit(begin, self.literals, self.slots)
        numbers, texts = dict[str, Ints](), dict[str, list[str]]()
        for name, (first, last) in zip(self.slots, found, strict=True):
            if name in BELOW:
                numbers[name] = last
            else:
                texts[name] = text.slices(first, last)
        count = len(fitting)
        texts |= {name: [constant] * count for name, constant in self.constants.items() if name not in BELOW}
        texts["self_"] = hrefs(texts["self_"])
        columns: Columns = {name: _objects(texts[name], count) for name in TEXTS}
        for of, links in (("up", self.up), ("related", self.related)):
            hrefs_of = [texts[f"{of} {n}"] for n in range(links)]
            columns[of] = _objects(map(_links, *hrefs_of) if links else repeat((), count), count)
        for name in ("start", "duration"):
            constant = self.constants.get(name)
            seconds = numbers[name] if constant is None else np.full(count, int(constant or 0), dtype=np.int64)
            columns[name] = np.full(count, NONE, dtype=np.int64) if constant == "" else seconds * US
        columns["run"] = numbers["run"]
        empty = {links for links in {*columns["up"], *columns["related"]} if "" in links}
        if empty:
            whole = np.array([not empty & {*pair} for pair in zip(columns["up"], columns["related"], strict=True)])
            fitting, end = fitting[whole], end[whole]
            columns = {name: column[whole] for name, column in columns.items()}
        return fitting, end, columns


def _objects(items: Iterable[Any], count: int) -> npt.NDArray[np.object_]:
    return np.fromiter(items, dtype=object, count=count)


@functools.lru_cache(maxsize=256)
def _links(*paths: str) -> tuple[str, ...]:
    return tuple(map(href, paths))  # cached, because thousands of entries have the same links


def _texts(entry: Entry, block: Block) -> dict[str, str]:
    """Return each text of an entry by the name of its slot."""
    texts = {name: getattr(entry, name) for name in TEXTS}
    texts |= {f"{of} {n}": text for of in ("up", "related") for n, text in enumerate(getattr(entry, of))}
    texts |= {name: "" if (t := getattr(block, name)) == NONE else str(t // US) for name in ("start", "duration")}
    return texts | {"run": str(block.first)}


def learn_entry(sample: bytes, opening: bytes, root: bytes) -> EntryTemplate | None:
    """Learn the template of an entry from the result of the plain reader; None if any of it is unusual.

    Parameters
    ----------
    sample : bytes
        One entry from the end of its opening tag to the end of its closing tag, with a marker in place of a run of
        readings.
    opening, root : bytes
        Its opening tag, and the first tag of the document: the meaning of an entry depends on the namespaces that are
        declared there.
    """
    model = _read_plainly(opening + sample, root)
    if model is None:
        return None
    spans = sorted(found.span(1) for pattern in (_SLOT, _RUN) for found in pattern.finditer(sample))
    probed = _read_plainly(opening + _filled(sample, _test_texts(sample, spans, 1)), root)
    span_of = {text: span for span, text in _test_texts(sample, spans, 1).items()}
    slots = {span_of[text]: name for name, text in _texts(*probed).items() if text in span_of} if probed else {}
    slots |= dict.fromkeys(_digits_in_comments(sample), NOTHING)
    slots = dict(sorted(slots.items()))
    literals = _between(sample, list(slots))
    constants = {name: text for name, text in _texts(*model).items() if name not in slots.values()}
    if "run" in constants:
        return None
    template = EntryTemplate(literals, tuple(slots.values()), constants, len(model[0].up), len(model[0].related))
    # with other texts in the slots, the template must read what the plain reader reads
    other = _filled(sample, _test_texts(sample, list(slots), 2))
    for text, plain in ((sample, model), (other, _read_plainly(opening + other, root))):
        _, end, columns = template.read(_Text(text), np.zeros(1, dtype=np.int64))
        if plain is None or end.tolist() != [len(text)]:
            return None
        entry, block = plain
        wanted = {name: getattr(entry, name) for name in (*TEXTS, "up", "related")}
        wanted |= {"start": block.start, "duration": block.duration, "run": block.first}
        if wanted != {name: column[0] for name, column in columns.items()}:
            return None
    return template


def _read_plainly(sample: bytes, root: bytes) -> EntryAndBlock | None:
    """Read one entry without a template; None unless it is one block with one run, and nothing is reported."""
    name, run, feed = _ROOT.fullmatch(root), _RUN.search(sample), Feed()
    if name is None or run is None or sample.count(b"IntervalReading") != 1:
        return None
    data = b"%b%b</%b>" % (root, sample, name[1])
    source = Source("", lambda: io.BytesIO(data), len(data))
    try:
        findings = _parse.read(feed, source, recover=False, advance=lambda size: None)
    except (FormatError, LimitError):
        return None
    readings = feed.readings
    alone = len(feed.entries) == len(readings.blocks) == len(readings) == 1 and feed.documents[0].root == "feed"
    if not alone or feed.resources or findings or readings.doubtful or readings.blocks.statements:
        return None
    block = readings.blocks[0]
    return feed.entries[0], Block(block.start, block.duration, int(run[1]), 0)


def _test_texts(sample: bytes, spans: Sequence[Span], turn: int) -> dict[Span, str]:
    """Return a distinct text for each span, of digits if the sample has digits there."""
    return {
        (begin, end): f"{turn}{n:08}" if sample[begin:end].isdigit() else f"text {turn} {n}"
        for n, (begin, end) in enumerate(spans)
    }


# Cutting readings and entries out of a text


@dataclass(slots=True)
class _Rows:
    """The readings or the entries of one piece of the document, one row for each.

    ``begin`` is the position after the opening tag and ``end`` the position after the closing tag, both int64;
    ``is_proved`` marks the rows of the ``columns`` that are filled.
    """

    begin: Ints
    end: Ints
    is_proved: Bools
    columns: Columns

    def fill(self, rows: Ints, end: Ints, columns: Columns) -> None:
        """Mark rows as proved, and fill their columns."""
        self.is_proved[rows], self.end[rows] = True, end
        for name, column in columns.items():
            self.columns[name][rows] = column


class _Cutter:
    """The tags of the elements that are cut out of a document, and the white space between two of them."""

    def __init__(self, attribute: bytes) -> None:
        self.attribute = attribute
        self.opening = self.closing = self.separator = b""

    def rows(self, parts: list[bytes], columns: Mapping[str, tuple[Any, Any]]) -> _Rows:
        """Return a row for each opening tag between the parts of a text; columns are dtypes with their empty values."""
        # Positions after each opening tag. For the text "ab<R>cd</R><R>e</R>" with the opening tag <R>, parts are "ab",
        # "cd</R>", "e</R>"; sizes with the tag are 5, 9, 8; begins are 5 and 14.
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) + len(self.opening)
        begin = np.cumsum(sizes)[:-1]
        filled = {name: np.full(len(begin), empty, dtype=code) for name, (code, empty) in columns.items()}
        return _Rows(begin, begin.copy(), np.zeros(len(begin), dtype=bool), filled)

    def stretches(self, text: _Text, rows: _Rows) -> tuple[Ints, Ints]:
        """Return the first and the last row of each stretch of proved rows that follow each other."""
        # Each row of a stretch is joined to the next one. For five rows
        #   is_proved  T T F T T
        #   joined     T F F T F     (row 0 is followed by row 1, row 3 by row 4)
        #   firsts     0     3       proved, and the row before is not joined to it
        #   lasts        1     4     proved, and not joined to the next
        joined = self._joined(text, rows)
        firsts = np.flatnonzero(rows.is_proved & ~np.concatenate(([False], joined[:-1])))
        return firsts, np.flatnonzero(rows.is_proved & ~joined)

    def _joined(self, text: _Text, rows: _Rows) -> Bools:
        """Return a mask of the proved rows that another follows, with only the usual white space between them."""
        joined = rows.is_proved.copy()
        joined[-1] = False
        joined[:-1] &= rows.is_proved[1:]
        gap = np.zeros(len(joined), dtype=np.int64)  # bytes between the end of a row and the opening tag of the next
        gap[:-1] = rows.begin[1:] - len(self.opening) - rows.end[:-1]
        if not self.separator and joined.any():
            first = int(np.argmax(joined))
            between = text.piece[rows.end[first] : rows.end[first] + gap[first]]
            self.separator = b"" if between.strip(WHITE) else between
        joined &= gap == len(self.separator)
        if self.separator:
            joined[joined] = text.has(self.separator, rows.end[joined])
        return joined

    def marked(self, text: _Text, begin: Ints, end: Ints, numbers: Iterable[int]) -> bytes:
        """Return a text with a numbered marker in place of each stretch from an opening tag to a closing tag."""
        cuts = [0, *end.tolist()], [*(begin - len(self.opening)).tolist(), len(text.piece)]
        kept = [text.piece[first:last] for first, last in zip(*cuts, strict=True)]
        marker = b'%b %b="%%d"/>' % (self.opening[:-1].replace(b"%", b"%%"), self.attribute)
        markers = [marker % number for number in numbers]
        return b"".join(chain.from_iterable(zip(kept, [*markers, b""], strict=True)))


class EntryCutter(_Cutter):
    """Cuts the entries that fit a template out of one document, whose runs of readings are cut out already."""

    COLUMNS: Final = {
        **dict.fromkeys((*TEXTS, "up", "related"), ("O", None)),
        **dict.fromkeys(("start", "duration", "run"), ("q", 0)),
    }

    def __init__(self, root: bytes, attribute: bytes) -> None:
        super().__init__(attribute)
        self.root = root
        self.templates: list[EntryTemplate] = []
        self.fitting = self.missed = self.failures = 0

    def cut(self, piece: bytes) -> tuple[bytes, list[Columns]]:
        """Return the text with a marker for each group of entries that follow each other, and their columns.

        The column ``run`` has the number of each entry's run, and a marker has that of the first.
        """
        if not self.opening and (found := _ENTRY.search(piece)):
            self.opening, self.closing = found[0], b"</%b>" % found[1]
        is_hopeless = self.fitting + self.missed > _ENOUGH_ENTRIES and self.missed > self.fitting
        parts = piece.split(self.opening) if self.opening and not is_hopeless else []
        if len(parts) < 2:
            return piece, []
        text, rows = _Text(piece), self.rows(parts, self.COLUMNS)
        for template in self.templates:
            self._prove(text, rows, template)
        self._learn(text, parts, rows)
        if not rows.is_proved.any():
            return piece, []
        self.fitting += int(rows.is_proved.sum())
        firsts, lasts = self.stretches(text, rows)
        stretches = zip(firsts.tolist(), lasts.tolist(), strict=True)
        groups = [
            {name: column[first : last + 1] for name, column in rows.columns.items()} for first, last in stretches
        ]
        numbers = rows.columns["run"][firsts].tolist()
        return self.marked(text, rows.begin[firsts], rows.end[lasts], numbers), groups

    def _prove(self, text: _Text, rows: _Rows, template: EntryTemplate) -> None:
        left = np.flatnonzero(~rows.is_proved)
        fitting, end, columns = template.read(text, rows.begin[left])
        rows.fill(left[fitting], end, columns)

    def _learn(self, text: _Text, parts: list[bytes], rows: _Rows) -> None:
        """Learn templates from entries that fit none, if a run was cut out of them."""
        for row in np.flatnonzero(~rows.is_proved).tolist():
            if rows.is_proved[row]:
                continue
            end = parts[row + 1].find(self.closing) + len(self.closing)
            if parts[row + 1].find(self.attribute, 0, end) < 0:
                continue
            self.missed += 1
            is_due = self.missed > _FEW * (len(self.templates) + self.failures + 1)
            if is_due and self.failures < _ENTRY_FAILURES and len(self.templates) < _ENTRY_TEMPLATES:
                template = learn_entry(parts[row + 1][:end], self.opening, self.root)
                if template:
                    self.templates.append(template)
                    self._prove(text, rows, template)
                else:
                    self.failures += 1


class RunCutter(_Cutter):
    """Cuts the runs of readings that fit a template out of one document."""

    COLUMNS: Final = {name: (code, EMPTY[name]) for name, code in COLUMNS.items()}

    def __init__(self, attribute: bytes, readings: Readings) -> None:
        super().__init__(attribute)
        self.prefix = b""
        self.readings = readings
        self.templates: list[ReadingTemplate] = []
        self.seen = self.proved = self.failures = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether too few of many readings are proved."""
        return self.seen > _ENOUGH and self.proved * 2 < self.seen

    def prove(self, piece: bytes) -> tuple[_Text, _Rows] | None:
        """Prove the readings of a piece, and fill their columns; None if it has too few of them."""
        if not self.opening and (found := _READING.search(piece)):  # all tags of readings are those of the first
            self.opening, self.prefix = found[0], found[1]
            self.closing = b"</" + found[0][1:]
        parts = piece.split(self.opening) if self.opening else []
        if len(parts) < 3:
            return None
        text, rows = _Text(piece), self.rows(parts, self.COLUMNS)
        for template in self.templates:
            self._prove(text, rows, template)
        for template in self._learned(parts, rows):
            self._prove(text, rows, template)
        self.seen, self.proved = self.seen + len(rows.begin), self.proved + int(rows.is_proved.sum())
        return text, rows

    def _prove(self, text: _Text, rows: _Rows, template: ReadingTemplate) -> None:
        left = np.flatnonzero(~rows.is_proved)
        names = [name for name, _ in template.slots]
        fitting, end, found = text.fit(rows.begin[left], template.literals, names)
        left, columns = left[fitting], Columns()
        for (name, factor), (_, number) in zip(template.slots, found, strict=True):
            if name != NOTHING:
                columns[name] = number if factor == 1 else number * rows.columns[name].dtype.type(factor)
        if template.quality is not None and len(left):
            columns["quality"] = np.full(len(left), self.readings.quality_id(template.quality), dtype=np.int16)
        rows.fill(left, end, columns)

    def _learned(self, parts: list[bytes], rows: _Rows) -> Iterator[ReadingTemplate]:
        """Yield templates learned from readings that are not proved; the caller proves with each before the next."""
        for row in np.flatnonzero(~rows.is_proved).tolist():
            if len(self.templates) >= _TEMPLATES or self.failures >= _FAILURES:
                return
            if rows.is_proved[row] or (end := parts[row + 1].find(self.closing)) < 0:
                continue
            template = learn_reading(parts[row + 1][: end + len(self.closing)], self.opening, self.prefix)
            if template is None:
                self.failures += 1
            else:
                self.templates.append(template)
                yield template


class _Text:
    """The bytes of one piece, for comparisons at many positions at once."""

    def __init__(self, piece: bytes) -> None:
        self.piece, self.size = piece, len(piece)
        self.bytes = np.frombuffer(piece + bytes(DIGITS + 1), dtype=np.uint8)

    def fit(self, begin: Ints, literals: Sequence[bytes], slots: Sequence[str]) -> tuple[Ints, Ints, list[_Slot]]:
        """Compare a template with the text from each position on.

        Returns
        -------
        fitting : int64 array
            Indexes of the positions at which the text fits.
        end : int64 array
            Where the template ends there.
        slots : list of pairs of arrays
            For each slot, where it begins, and its number, or where its text ends.
        """
        # left: indexes of the positions that still fit; at: the position in the text that each of them has reached;
        # found: two arrays for each slot so far, parallel to left. A template of two literals and one slot takes three
        # steps: compare the first literal at each position, read digits up to their end, compare the second literal
        # there. After each step, what does not fit is dropped from all these arrays.
        # rank: how many bytes before ``at`` end a text. A literal has a known number of them, so that the next one,
        # which is the end of a text that begins at ``at``, need not be searched.
        left, at, found = np.arange(len(begin)), begin, list[_Slot]()
        has_texts = not BELOW.keys() >= set(slots)
        rank = np.searchsorted(self._ends, at) if has_texts else at
        for n, literal in enumerate(literals):
            fits = self.has(literal, at)
            at = np.minimum(at + len(literal), self.size)
            if has_texts:
                rank = np.minimum(rank + len(literal.translate(None, _PLAIN)), len(self._ends) - 1)
            if n < len(slots):
                if slots[n] in BELOW:
                    number, end = self.numbers(at, decimals=slots[n] in DECIMALS)
                    fits &= (end > at) & (number < BELOW[slots[n]])
                    found.append((at, number))
                else:
                    following = literals[n + 1]
                    end = self._ends[rank] - (len(following) - len(following.lstrip(b" ")))
                    fits &= (end > at) & (self.bytes[at] != _SPACE) & (self.bytes[end - 1] != _SPACE)
                    found.append((at, end))
                at = end
            if not fits.all():
                left, at, rank, found = left[fits], at[fits], rank[fits], [(a[fits], b[fits]) for a, b in found]
        return left, at, found

    def has(self, literal: bytes, at: Ints) -> Bools:
        """Return a mask of the positions at which the text has the literal."""
        last = self.size - len(literal)
        if last < 0:
            return np.zeros(len(at), dtype=bool)
        # a view of the text as overlapping strings of the literal's length, one for each byte: no copy is made
        windows = np.ndarray((last + 1,), dtype=f"S{len(literal)}", buffer=self.bytes, strides=(1,))
        return np.asarray((windows[np.minimum(at, last)] == literal) & (at <= last))

    def numbers(self, at: Ints, *, decimals: bool) -> tuple[npt.NDArray[Any], Ints]:
        """Return the number of at most 15 digits that begins at each position, and the position of its end."""
        return (scan_decimals if decimals else scan_digits)(self.bytes, at)

    @functools.cached_property
    def _ends(self) -> Ints:
        """The positions of all bytes that end a text, and the end of the piece."""
        ends = (self.bytes - np.uint8(0x20)) > np.uint8(0x7E - 0x20)  # unsigned: control characters wrap around
        for byte in b"<>&\"'":
            ends |= self.bytes == byte
        return np.flatnonzero(ends[: self.size + 1])

    def slices(self, begin: Ints, end: Ints) -> list[str]:
        """Return the plain texts between two positions."""
        return [self._decoded[first:last] for first, last in zip(begin.tolist(), end.tolist(), strict=True)]

    @functools.cached_property
    def _decoded(self) -> str:
        return self.piece.decode("latin-1")  # a character for each byte


# The reader

_READING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)IntervalReading>")
_TEMPLATES: Final = 32
_FAILURES: Final = 16
_ENOUGH: Final = 4096  # after these, the parser reads the rest of a document if less than half of them are proved

_Run = tuple[Columns, int, int]
"""The columns of a piece, and the first and the end of the run's rows in them."""


class FastReader(DocumentReader):
    """Reads a document from which proved runs are cut out, and inserts each run where its marker appears."""

    def __init__(self, feed: Feed, source: Source, *, recover: bool, encoding: str | None) -> None:
        super().__init__(feed, source, recover=recover, encoding=encoding)
        self.attribute = f"run-{secrets.token_hex(8)}"  # no document can contain it
        self.run_cutter = RunCutter(self.attribute.encode(), self.readings)
        self.entry_cutter = EntryCutter(b"", b"")
        self.number = 0
        self._waiting: dict[int, _Run] = {}
        self._groups: dict[int, tuple[Columns, Columns, Ints, Ints]] = {}

    def run(self, advance: Advance) -> Findings:
        findings = super().run(advance)
        if self._waiting or self._groups:  # a marker did not appear where readings are
            raise ReadPlainly
        if self.entries.loose_readings:  # a group of entries and readings between entries would change their order
            raise ReadPlainly
        return findings

    def pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        pieces = iter(pieces)
        first = next(pieces, b"")
        found = _ROOT.match(first)
        self.entry_cutter = EntryCutter(found[0] if found else b"", self.attribute.encode())
        pieces = chain((first,), pieces)
        for piece in pieces:
            yield self._shortened(piece)
            if self.run_cutter.is_hopeless:
                break
        yield from pieces

    def reading(self, element: Any) -> None:
        number = element.get(self.attribute)
        if number is None:
            self.readings.read(element)
            return
        columns, first, end = self._waiting.pop(int(number))
        self._append(columns, first, end)

    def entry(self, element: Any) -> None:
        number = element.get(self.attribute)
        if number is None:
            self.entries.read(element)
            return
        in_feed = element.getparent() is self.root and self.names[self.root.tag] == "atom:feed"
        if self.entries.blocks or not in_feed:
            raise ReadPlainly
        group, columns, first, end = self._groups.pop(int(number))
        count, entries = len(first), self.feed.entries
        shift = len(self.readings) - int(first[0])  # the runs of a group follow each other
        number_of = np.arange(len(entries), len(entries) + count)
        places = {"first": shift + first, "rows": end - first, "entry": number_of}
        self.readings.blocks.extend(group | places)
        shared = {"document": len(self.feed.documents) - 1, "kinds": ("IntervalBlock",), "version": 0}
        cells = {name: column.tolist() for name, column in group.items()}
        entries.extend(cells | {name: repeat(cell, count) for name, cell in shared.items()})
        self._append(columns, int(first[0]), int(end[-1]))
        self.entries.resources += count

    def fault(self, code: int, line: int, reason: str, at_end: bool) -> None:
        if code == _parse._UNDECLARED and at_end:
            super().fault(code, line, reason, at_end)
            return
        raise ReadPlainly

    def _append(self, columns: Columns, first: int, end: int) -> None:
        for name, column in self.readings.columns.items():
            column.frombytes(columns[name][first:end].tobytes())

    def _shortened(self, piece: bytes) -> bytes:
        """Return a piece of the document with markers in place of runs and of entries."""
        found = self.run_cutter.prove(piece)
        if found is None:
            return piece
        text, rows = found
        firsts, lasts = self.run_cutter.stretches(text, rows)
        numbers, ends = range(self.number, self.number + len(firsts)), lasts + 1
        shortened = self.run_cutter.marked(text, rows.begin[firsts], rows.end[lasts], numbers)
        shortened, groups = self.entry_cutter.cut(shortened)
        in_entry = np.zeros(len(firsts), dtype=bool)
        for group in groups:
            runs = group["run"] - self.number
            in_entry[runs] = True
            self._groups[int(group["run"][0])] = group, rows.columns, firsts[runs], ends[runs]
        for run in np.flatnonzero(~in_entry).tolist():
            self._waiting[self.number + run] = rows.columns, int(firsts[run]), int(ends[run])
        self.number += len(firsts)
        return shortened
