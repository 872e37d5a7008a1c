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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lxml import etree

from greenkit.errors import FormatError, LimitError
from greenkit.espi import _parse
from greenkit.espi._feed import Entry, Feed, href
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


# Templates of readings

NOTHING: Final = ""
"""Column of a slot in a comment, whose digits mean nothing."""
# column → first number that the plain reader does not simply multiply by a factor
BELOW: Final = {
    **dict.fromkeys(("value", "cost"), 10**DIGITS),
    **dict.fromkeys(("tou", "cpp", "tier"), 1 << 15),
    "start": 253402214400,
    "duration": 1 << 32,
    NOTHING: 10**DIGITS,
}
DECIMALS: Final = ("value", "cost")
"""Columns whose numbers may have decimals."""
_NUMBER: Final = re.compile(rb">\s*[-+]?([0-9]{1,15}|[0-9]{0,14}\.[0-9]{1,14})\s*<")
_COMMENT: Final = re.compile(rb"<!--(?:[^<>&\x80-\xff-]|-[^<>&\x80-\xff-])*-->")  # some senders write dates there
# an attribute that does not declare a namespace and is not in one
_ATTRIBUTE: Final = rb"""\s+(?!xmlns\s*=)[A-Za-z_][A-Za-z0-9_.-]*\s*=\s*(?:"[\x20!\x23-%'-;=-~]*"|'[\x20-%(-;=-~]*')"""
_SENTINELS: Final = (b"12347", b"23459")
_DECIMAL: Final = b"34570.625"
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
    probe, parts, slots, cursor = _Probe(opening, prefix), list[bytes](), list[tuple[str, int]](), 0
    for begin, end in sorted(_numbers_in(sample)):
        slot = probe.slot(sample[:begin], sample[end:])
        if slot and (slot[0] in DECIMALS or sample[begin:end].isdigit()):
            parts.append(sample[cursor:begin])
            slots.append(slot)
            cursor = end
    own = probe.row(sample)
    if own is None:
        return None
    # every number of the row must come from a slot, so that no template repeats the sample's own values
    columns = [name for name, _ in slots if name]
    numbers = [name for name, value in own.items() if name != "quality" and repr(value) != repr(EMPTY[name])]
    if not columns or sorted(numbers) != sorted(columns):
        return None
    quality = probe.readings.quality_texts[own["quality"]] if own["quality"] >= 0 else None
    return ReadingTemplate((*parts, sample[cursor:]), tuple(slots), quality)


def _numbers_in(sample: bytes) -> Iterator[tuple[int, int]]:
    """Yield the positions of numbers that may differ between readings: texts of elements, and digits in comments."""
    for number in _NUMBER.finditer(sample):
        yield number.span(1)
    yield from _digits_in_comments(sample)


def _digits_in_comments(text: bytes) -> Iterator[tuple[int, int]]:
    for comment in _COMMENT.finditer(text):
        for digits in re.finditer(rb"[0-9]{1,15}", comment[0]):
            yield digits.start() + comment.start(), digits.end() + comment.start()


class _Probe:
    """Reads one reading several times, with test numbers in its slots."""

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

    def slot(self, before: bytes, after: bytes) -> tuple[str, int] | None:
        """Return the column that the number between two texts determines, and the factor on the number."""
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


# Templates of entries

WHITE: Final = b" \t\r\n"
"""The white space of XML; bytes.isspace() accepts more characters."""
_ROOT: Final = re.compile(rb"<([^\s<>/]+)[^<>]*>")
_ENTRY: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?entry)(?:\s[^<>]*[^<>/])?>")
_RUN: Final = re.compile(rb'IntervalReading [\w-]+="([0-9]+)"/>')
# words of printable ASCII without markup, which XML does not change
_TEXT: Final = rb"""[^<>&"'\x00-\x20\x7f-\xff]++(?: ++[^<>&"'\x00-\x20\x7f-\xff]++)*+"""
_SLOT: Final = re.compile(rb"""(?:>\s*|\shref=["'])([0-9]+(?=\s*<)|%b(?=\s*[<"']))""" % _TEXT)
# few enough digits that the plain reader simply multiplies by a million
_SLOT_PATTERNS: Final = {
    "start": rb"([0-9]{1,11}+)",
    "duration": rb"([0-9]{1,9}+)",
    "run": rb"([0-9]++)",
    NOTHING: rb"[0-9]++",
}
_MEMBERS: Final = ("self_", "id", "title", "published", "updated", "start", "duration", "run")
_FEW: Final = 64  # entries to read without a template before learning one, which takes as long
_ENTRY_TEMPLATES: Final = 8
_ENTRY_FAILURES: Final = 8
_ENOUGH_ENTRIES: Final = 1024  # after these, the parser reads the rest of a document if less than half of them fit

Span = tuple[int, int]
EntryAndBlock = tuple[Entry, Block]
"""An entry and its only block. ``block.first`` is the number of its run until the rows are known."""


@dataclass(frozen=True, slots=True)
class EntryTemplate:
    """The pattern of an entry, and the meaning of its groups.

    The texts of an entry are the groups of its match, followed by the ``constants`` that all these entries share.
    ``own``, ``up``, and ``related`` are indexes into these texts: ``own`` in the order of _MEMBERS, the others for the
    links.
    """

    pattern: re.Pattern[bytes]
    constants: tuple[str, ...]
    own: tuple[int, ...]
    up: tuple[int, ...]
    related: tuple[int, ...]

    def read(self, text: bytes, at: int) -> tuple[list[Entry], list[Block], int]:
        """Read the consecutive entries that fit, from a position on; return them, their blocks, and the end position.

        An entry with an empty link does not fit, because the plain reader ignores such links.
        """
        rows, ends, match = list[tuple[bytes, ...]](), [at], self.pattern.match
        while found := match(text, ends[-1]):
            rows.append(found.groups())
            ends.append(found.end())
        if not rows:
            return [], [], at
        # One column for each text of an entry, with one element for each entry that fits. Everything below is done for
        # a whole column, since a document may have a hundred thousand entries with one reading each.
        columns: list[Any] = [*zip(*rows, strict=True), *([text.encode()] * len(rows) for text in self.constants)]
        self_, id_, title, published, updated = (_decoded(columns[n]) for n in self.own[:5])
        start, duration, run = (columns[n] for n in self.own[5:])
        up, related = (
            list(map(_links, *(_decoded(columns[n]) for n in places))) if places else [()] * len(rows)
            for places in (self.up, self.related)
        )
        empty = {links for links in {*up, *related} if "" in links}
        count = next((n for n in range(len(rows)) if empty & {up[n], related[n]}), len(rows)) if empty else len(rows)
        texts = map(href, self_), up, related, id_, title, published, updated
        entries = map(Entry, repeat(0), repeat(0), *texts, repeat(("IntervalBlock",)))
        blocks = map(Block, _instants(start), _instants(duration), map(int, run), repeat(0))
        return list(islice(entries, count)), list(islice(blocks, count)), ends[count]


def _decoded(column: Sequence[bytes]) -> list[str]:
    """Decode texts without line ends; to decode them as one costs less than one by one."""
    return b"\n".join(column).decode().split("\n")


def _instants(column: Sequence[bytes]) -> list[int]:
    return [int(seconds) * US if seconds else NONE for seconds in column]


@functools.lru_cache(maxsize=256)
def _links(*hrefs: str) -> tuple[str, ...]:
    return tuple(map(href, hrefs))  # cached, because thousands of entries have the same links


def _texts(entry: Entry, block: Block) -> dict[str, str]:
    """Return each text of an entry by its name in _MEMBERS; links are ``up 0``, ``up 1``, ``related 0``."""
    texts = {name: getattr(entry, name) for name in _MEMBERS[:5]}
    texts |= {f"{of} {n}": text for of in ("up", "related") for n, text in enumerate(getattr(entry, of))}
    texts |= {name: "" if (t := getattr(block, name)) == NONE else str(t // US) for name in ("start", "duration")}
    return texts | {"run": str(block.first)}


def learn_entry(sample: bytes, root: bytes) -> EntryTemplate | None:
    """Learn the template of an entry from the result of the plain reader; None if any of it is unusual.

    Parameters
    ----------
    sample : bytes
        One entry from its opening to its closing tag, with a marker in place of a run of readings.
    root : bytes
        First tag of the document: the meaning of an entry depends on the namespaces that are declared there.
    """
    model = _read_plainly(sample, root)
    if model is None:
        return None
    spans = [found.span(1) for pattern in (_SLOT, _RUN) for found in pattern.finditer(sample)]
    probed = _read_plainly(_filled(sample, spans, 1), root)
    span_of = dict(zip(_sentinels(sample, spans, 1), spans, strict=True))
    slots = {span_of[text]: name for name, text in _texts(*probed).items() if text in span_of} if probed else {}
    slots |= dict.fromkeys(_digits_in_comments(sample), NOTHING)
    template = _entry_template(sample, dict(sorted(slots.items())), model)
    # with other texts in the slots, the template must read what the plain reader reads
    other = _filled(sample, list(slots), 2)
    for text, plain in ((sample, model), (other, _read_plainly(other, root))):
        if plain is None or template.read(text, 0) != ([plain[0]], [plain[1]], len(text)):
            return None
    return template


def _entry_template(sample: bytes, slots: dict[Span, str], model: EntryAndBlock) -> EntryTemplate:
    pattern, cursor = b"[%b]*+" % WHITE, 0
    for (begin, end), name in slots.items():
        pattern += re.escape(sample[cursor:begin]) + _SLOT_PATTERNS.get(name, b"(%b)" % _TEXT)
        cursor = end
    pattern += re.escape(sample[cursor:])
    constants = {name: text for name, text in _texts(*model).items() if name not in slots.values()}
    names = [name for name in (*slots.values(), *constants) if name != NOTHING]
    up, related = ([f"{of} {n}" for n in range(len(getattr(model[0], of)))] for of in ("up", "related"))
    places = (tuple(map(names.index, own)) for own in (_MEMBERS, up, related))
    return EntryTemplate(re.compile(pattern), tuple(constants.values()), *places)


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
    if not alone or feed.resources or findings or readings.doubtful or readings.blocks[0].statement:
        return None
    block = readings.blocks[0]
    return feed.entries[0], Block(block.start, block.duration, int(run[1]), 0)


def _sentinels(sample: bytes, spans: list[Span], turn: int) -> list[str]:
    return [f"{turn}{n:08}" if sample[a:b].isdigit() else f"text {turn} {n}" for n, (a, b) in enumerate(spans)]


def _filled(sample: bytes, spans: list[Span], turn: int) -> bytes:
    """Return the sample with a distinct text in each span."""
    out, cursor = b"", 0
    for (begin, end), text in sorted(zip(spans, _sentinels(sample, spans, turn), strict=True)):
        out += sample[cursor:begin] + text.encode()
        cursor = end
    return out + sample[cursor:]


@dataclass(slots=True)
class EntryGroup:
    """Entries that follow each other, and the block of each."""

    entries: list[Entry] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def _first_tag(text: bytes) -> bytes:
    """Return the first tag of a document; empty if it is incomplete."""
    found = _ROOT.match(text)
    return found[0] if found else b""


class EntryCutter:
    """Cuts the entries that fit a template out of one document, whose runs of readings are cut out already."""

    def __init__(self, root: bytes, attribute: bytes) -> None:
        self.root, self.attribute = root, attribute
        self.opening = self.closing = b""
        self.templates: list[EntryTemplate] = []
        self.seen = self.fitting = self.failures = 0

    def cut(self, text: bytes) -> tuple[bytes, dict[int, EntryGroup]]:
        """Return the text with a marker for each group of entries, and the groups by their markers' numbers."""
        if not self.opening and (found := _ENTRY.search(text)):
            self.opening, self.closing = found[0], b"</%b>" % found[1]
        out, groups, cursor = list[bytes](), dict[int, EntryGroup](), 0
        is_hopeless = not self.opening or (self.seen > _ENOUGH_ENTRIES and self.fitting * 2 < self.seen)
        at = -1 if is_hopeless else text.find(self.opening)
        while at >= 0:
            group, end = self._group(text, at)
            if group.blocks:
                number = group.blocks[0].first
                out += [text[cursor:at], b'%b %b="%d"/>' % (self.opening[:-1], self.attribute, number)]
                groups[number] = group
                cursor = end
            else:
                self._learn(text, at)
            at = text.find(self.opening, max(end, at + 1))
        return b"".join((*out, text[cursor:])), groups

    def _group(self, text: bytes, at: int) -> tuple[EntryGroup, int]:
        """Read the consecutive entries from a position on that fit a template, and return the position of their end."""
        group = EntryGroup()
        while True:
            before = at
            for template in self.templates:
                entries, blocks, at = template.read(text, at)
                group.entries += entries
                group.blocks += blocks
            if at == before:
                break
        self.seen, self.fitting = self.seen + len(group.blocks), self.fitting + len(group.blocks)
        return group, at

    def _learn(self, text: bytes, at: int) -> None:
        """Learn a template from an entry that fits none, if a run was cut out of it. It is still read without one."""
        end = text.find(self.closing, at) + len(self.closing)
        if text.find(self.attribute, at, end) < 0:
            return
        self.seen += 1
        is_due = self.seen - self.fitting > _FEW * (len(self.templates) + self.failures + 1)
        if is_due and self.failures < _ENTRY_FAILURES and len(self.templates) < _ENTRY_TEMPLATES:
            template = learn_entry(text[at:end], self.root)
            if template:
                self.templates.append(template)
            else:
                self.failures += 1


# The reader

_READING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)IntervalReading>")
_TEMPLATES: Final = 32
_FAILURES: Final = 16
_ENOUGH: Final = 4096  # after these, the parser reads the rest of a document if less than half of them are proved

_Run = tuple[Columns, int, int]
"""The columns of a piece, and the first and the end of the run's rows in them."""


@dataclass(slots=True)
class _Rows:
    """The readings of one piece of the document, one row for each.

    ``begin`` is the position after the opening tag and ``end`` the position after the closing tag, both int64;
    ``is_proved`` marks the rows of the ``columns`` that are filled.
    """

    begin: Ints
    end: Ints
    is_proved: Bools
    columns: Columns

    @classmethod
    def at(cls, begin: Ints) -> _Rows:
        n = len(begin)
        columns = {name: np.full(n, EMPTY[name], dtype=code) for name, code in COLUMNS.items()}
        return cls(begin, begin.copy(), np.zeros(n, dtype=bool), columns)


class FastReader(DocumentReader):
    """Reads a document from which proved runs are cut out, and inserts each run where its marker appears."""

    def __init__(self, feed: Feed, source: Source, *, recover: bool, encoding: str | None) -> None:
        super().__init__(feed, source, recover=recover, encoding=encoding)
        self.attribute = f"run-{secrets.token_hex(8)}"  # no document can contain it
        self.entry_cutter = EntryCutter(b"", b"")
        self.opening = self.closing = self.prefix = self.separator = b""
        self.templates: list[ReadingTemplate] = []
        self.seen = self.proved = self.failures = self.number = 0
        self._waiting: dict[int, _Run] = {}
        self._groups: dict[int, EntryGroup] = {}

    def run(self, advance: Advance) -> Findings:
        findings = super().run(advance)
        if self._waiting:  # a marker did not appear where readings are
            raise ReadPlainly
        if self.entries.loose_readings:  # a group of entries and readings between entries would change their order
            raise ReadPlainly
        return findings

    def pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        pieces = iter(pieces)
        first = next(pieces, b"")
        self.entry_cutter = EntryCutter(_first_tag(first), self.attribute.encode())
        pieces = chain((first,), pieces)
        for piece in pieces:
            yield self._shortened(piece)
            if self.seen > _ENOUGH and self.proved * 2 < self.seen:
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
        group = self._groups.pop(int(number))
        runs = [self._waiting.pop(block.first) for block in group.blocks]
        columns, begin, last = runs[0][0], runs[0][1], runs[-1][2]  # the runs of a group follow each other
        shift, document = len(self.readings) - begin, len(self.feed.documents) - 1
        for entry, block, (_, first, end) in zip(group.entries, group.blocks, runs, strict=True):
            entry.document = document
            entry.number = block.entry = len(self.feed.entries)
            block.first, block.rows = shift + first, end - first
            self.feed.entries.append(entry)
        self.readings.blocks += group.blocks
        self._append(columns, begin, last)
        self.entries.resources += len(runs)

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
        if not self.opening:
            self._find_names(piece)
        parts = piece.split(self.opening) if self.opening else []
        if len(parts) < 3:
            return piece
        # Positions after the opening tag of each reading. For the piece "ab<R>cd</R><R>e</R>" with the opening tag
        # <R>, parts are "ab", "cd</R>", "e</R>"; sizes with the tag are 5, 9, 8; begins are 5 and 14.
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) + len(self.opening)
        rows = _Rows.at(np.cumsum(sizes)[:-1])
        text = _Text(piece)
        for template in self.templates:
            self._prove(text, rows, template)
        for template in self._learned(parts, rows):
            self._prove(text, rows, template)
        self.seen, self.proved = self.seen + len(rows.begin), self.proved + int(rows.is_proved.sum())
        shortened, groups = self.entry_cutter.cut(self._without_runs(piece, text, rows))
        self._groups |= groups
        return shortened

    def _find_names(self, piece: bytes) -> None:
        """Set the tags of readings to those of the first reading in the document."""
        if found := _READING.search(piece):
            self.opening, self.prefix = found[0], found[1]
            self.closing = b"</" + found[0][1:]

    def _prove(self, text: _Text, rows: _Rows, template: ReadingTemplate) -> None:
        """Prove the readings that fit a template, and fill their columns."""
        # left: numbers of the rows that still fit; at: the position in the text that each of them has reached; numbers:
        # one array for each slot so far, parallel to left. A template of two literals and one slot takes three steps:
        # compare the first literal at each position, read digits up to their end, compare the second literal there.
        # After each step, rows that do not fit are dropped from all these arrays.
        left = np.flatnonzero(~rows.is_proved)
        at, numbers = rows.begin[left], list[npt.NDArray[Any]]()
        for n, literal in enumerate(template.literals):
            fits = text.has(literal, at)
            at = at + len(literal)
            if n < len(template.slots) and fits.any():
                number, end = text.numbers(at, decimals=template.slots[n][0] in DECIMALS)
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
        rows.is_proved[left], rows.end[left] = True, at

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

    def _without_runs(self, piece: bytes, text: _Text, rows: _Rows) -> bytes:
        """Return a piece with a marker in place of each run."""
        # A run is a maximal sequence of proved rows of which each is joined to the next. For five rows
        #   is_proved  T T F T T
        #   joined     T F F T F     (row 0 is followed by row 1, row 3 by row 4)
        #   firsts     0     3       proved, and the row before is not joined to it
        #   lasts        1     4     proved, and not joined to the next
        joined = self._joined(piece, text, rows)
        firsts = np.flatnonzero(rows.is_proved & ~np.concatenate(([False], joined[:-1])))
        lasts = np.flatnonzero(rows.is_proved & ~joined)
        begins, ends = rows.begin[firsts] - len(self.opening), rows.end[lasts]
        marker, out, cursor = self.opening[:-1] + b" " + self.attribute.encode(), list[bytes](), 0
        for first, last, begin, end in zip(*(a.tolist() for a in (firsts, lasts, begins, ends)), strict=True):
            out += (piece[cursor:begin], b'%b="%d"/>' % (marker, self.number))
            self._waiting[self.number] = rows.columns, first, last + 1
            self.number += 1
            cursor = end
        return b"".join((*out, piece[cursor:]))

    def _joined(self, piece: bytes, text: _Text, rows: _Rows) -> Bools:
        """Return a mask of the proved rows that another follows, with only the usual white space between them."""
        joined = rows.is_proved.copy()
        joined[-1] = False
        joined[:-1] &= rows.is_proved[1:]
        gap = np.zeros(len(joined), dtype=np.int64)  # bytes between the end of a row and the opening tag of the next
        gap[:-1] = rows.begin[1:] - len(self.opening) - rows.end[:-1]
        if not self.separator and joined.any():
            first = int(np.argmax(joined))
            between = piece[rows.end[first] : rows.end[first] + gap[first]]
            self.separator = b"" if between.strip(WHITE) else between
        joined &= gap == len(self.separator)
        if self.separator:
            joined[joined] = text.has(self.separator, rows.end[joined])
        return joined


class _Text:
    """The bytes of one piece, for comparisons at many positions at once."""

    def __init__(self, piece: bytes) -> None:
        self.size = len(piece)
        self.bytes = np.frombuffer(piece + bytes(DIGITS + 1), dtype=np.uint8)

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
        return (scan_decimals if decimals else scan_digits)(self.bytes, np.minimum(at, self.size))
