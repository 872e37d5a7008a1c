"""The fast path: runs of alike readings are proved and taken out before the XML parser sees them.

A piece of the document is cut at each ``<IntervalReading>``. Between the digits of one reading and those of the next
stand the same few hundred bytes: a template. A reading is *proved* when every one of its bytes is either a digit in
a slot of a known template or equal to the template's literals; what it then means, the plain reader
itself has said, which read the template once with numbers of our choosing in its slots. Proved readings that follow
each other are a run: the document's text gets one empty marker element in its place, the columns get the numbers in
bulk. Entries of which nothing else is left are taken out likewise (:class:`Wrappers`). All else goes to the
parser as it stands.

Nothing is lost without this module but speed. Readings that are not proved are read plainly; and a document in which
a marker does not turn up as a reading in a block, or as an entry in the feed (it stood in a comment, in CDATA, in a
foreign element), or which is damaged, is read again plainly.
"""

from __future__ import annotations

import functools
import io
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lxml import etree

from greenkit.days import US
from greenkit.errors import FormatError, LimitError
from greenkit.espi import _parse
from greenkit.espi._feed import Entry, Feed, href
from greenkit.espi._parse import SAFE, Unproved
from greenkit.espi._readings import COLUMNS, EMPTY, NONE, Block, Readings
from greenkit.espi._xml import Names
from greenkit.sources import Source

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


def learn_reading(sample: bytes, opening: bytes, prefix: bytes) -> Template | None:
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


WHITE: Final = b" \t\r\n"  # XML's white space; bytes.isspace() knows more
_ROOT: Final = re.compile(rb"<([^\s<>/]+)[^<>]*>")
_ENTRY_OPENING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?entry)(?:\s[^<>]*[^<>/])?>")
_RUN: Final = re.compile(rb'IntervalReading [\w-]+="([0-9]+)"/>')
# what XML takes as it stands: words of printable ASCII without markup
_TEXT: Final = rb"""[^<>&"'\x00-\x20\x7f-\xff]++(?: ++[^<>&"'\x00-\x20\x7f-\xff]++)*+"""
_SLOT: Final = re.compile(rb"""(?:>\s*|\shref=["'])([0-9]+(?=\s*<)|%b(?=\s*[<"']))""" % _TEXT)
# so few digits that the plain reader does no more than multiply by a million
_SLOT_PATTERNS: Final = {
    "start": rb"([0-9]{1,11}+)",
    "duration": rb"([0-9]{1,9}+)",
    "run": rb"([0-9]++)",
    NOTHING: rb"[0-9]++",
}
_MEMBERS: Final = ("self_", "id", "title", "published", "updated", "start", "duration", "run")
_FEW: Final = 64  # entries that are read plainly before one is learned from, which costs as much
_WRAPPERS: Final = 8
_ENTRY_FAILURES: Final = 8
_ENOUGH_ENTRIES: Final = 1024  # entries after which a document of which too few fit is left to the parser

Span = tuple[int, int]
Found = tuple[Entry, Block]
"""An entry and its one block, whose ``first`` is the number of its run until its rows are known."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The pattern of an entry, and what its groups mean.

    The texts of an entry are the groups of its match, and the ``constants`` that all these entries share. Which of
    them is what say ``own``, in the order of _MEMBERS, and ``up`` and ``related`` for the links.
    """

    pattern: re.Pattern[bytes]
    constants: tuple[str, ...]
    own: tuple[int, ...]
    up: tuple[int, ...]
    related: tuple[int, ...]

    def read(self, match: re.Match[bytes]) -> Found | None:
        """Read an entry that fits; None where a link is empty, which the plain reader passes over."""
        texts = [*map(bytes.decode, match.groups()), *self.constants]
        self_, id_, title, published, updated, start, duration, run = [texts[n] for n in self.own]
        up, related = _links(*[texts[n] for n in self.up]), _links(*[texts[n] for n in self.related])
        if "" in up or "" in related:
            return None
        entry = Entry(0, 0, href(self_), up, related, id_, title, published, updated, ("IntervalBlock",))
        return entry, Block(_instant(start), _instant(duration), int(run), 0)


@functools.lru_cache(maxsize=256)
def _links(*hrefs: str) -> tuple[str, ...]:
    return tuple(map(href, hrefs))  # kept, since thousands of entries have the same


def _instant(seconds: str) -> int:
    return int(seconds) * US if seconds else NONE


def _texts(entry: Entry, block: Block) -> dict[str, str]:
    """Name each text of an entry, as _MEMBERS do; its links are ``up 0``, ``up 1``, ``related 0``."""
    texts = {name: getattr(entry, name) for name in _MEMBERS[:5]}
    texts |= {f"{of} {n}": text for of in ("up", "related") for n, text in enumerate(getattr(entry, of))}
    texts |= {name: "" if (t := getattr(block, name)) == NONE else str(t // US) for name in ("start", "duration")}
    return texts | {"run": str(block.first)}


def learn_entry(sample: bytes, root: bytes) -> Wrapper | None:
    """Let the plain reader say what each text of an entry is; None when it cannot be told cleanly.

    Parameters
    ----------
    sample : bytes
        One entry from its opening to its closing tag, with a marker in the place of a run of readings.
    root : bytes
        The document's first tag: what an entry means hangs on the namespaces that are declared there.
    """
    model = _plain(sample, root)
    if model is None:
        return None
    spans = [found.span(1) for pattern in (_SLOT, _RUN) for found in pattern.finditer(sample)]
    told = _plain(_filled(sample, spans, 1), root)
    span_of = dict(zip(_sentinels(sample, spans, 1), spans, strict=True))
    slots = {span_of[text]: name for name, text in _texts(*told).items() if text in span_of} if told else {}
    slots |= dict.fromkeys(digits_in_comments(sample), NOTHING)
    wrapper = _wrapper(sample, dict(sorted(slots.items())), model)
    # with other texts in the slots, it has to read what the plain reader reads
    other = _filled(sample, list(slots), 2)
    for text, plainly in ((sample, model), (other, _plain(other, root))):
        match = wrapper.pattern.fullmatch(text)
        if match is None or wrapper.read(match) != plainly:
            return None
    return wrapper


def _wrapper(sample: bytes, slots: dict[Span, str], model: Found) -> Wrapper:
    pattern, cursor = b"[%b]*+" % WHITE, 0
    for (begin, end), name in slots.items():
        pattern += re.escape(sample[cursor:begin]) + _SLOT_PATTERNS.get(name, b"(%b)" % _TEXT)
        cursor = end
    pattern += re.escape(sample[cursor:])
    constants = {name: text for name, text in _texts(*model).items() if name not in slots.values()}
    names = [name for name in (*slots.values(), *constants) if name != NOTHING]
    up, related = ([f"{of} {n}" for n in range(len(getattr(model[0], of)))] for of in ("up", "related"))
    places = (tuple(map(names.index, own)) for own in (_MEMBERS, up, related))
    return Wrapper(re.compile(pattern), tuple(constants.values()), *places)


def _plain(sample: bytes, root: bytes) -> Found | None:
    """Read one entry plainly; None where it is more than one block with one run, or anything is doubtful."""
    name, run, feed = _ROOT.fullmatch(root), _RUN.search(sample), Feed()
    if name is None or run is None or sample.count(b"IntervalReading") != 1:
        return None
    data = b"%b%b</%b>" % (root, sample, name[1])
    try:
        _parse.read(feed, Source("", lambda: io.BytesIO(data), len(data)), recover=False, advance=lambda size: None)
    except (FormatError, LimitError):
        return None
    readings = feed.readings
    alone = len(feed.entries) == len(readings.blocks) == len(readings) == 1 and feed.documents[0].root == "feed"
    if not alone or feed.resources or feed.findings or readings.doubtful:
        return None
    block = readings.blocks[0]
    return feed.entries[0], Block(block.start, block.duration, int(run[1]), 0)


def _sentinels(sample: bytes, spans: list[Span], turn: int) -> list[str]:
    return [f"{turn}{n:08}" if sample[a:b].isdigit() else f"text {turn} {n}" for n, (a, b) in enumerate(spans)]


def _filled(sample: bytes, spans: list[Span], turn: int) -> bytes:
    """Put a text of its own into each span."""
    out, cursor = b"", 0
    for (begin, end), text in sorted(zip(spans, _sentinels(sample, spans, turn), strict=True)):
        out += sample[cursor:begin] + text.encode()
        cursor = end
    return out + sample[cursor:]


@dataclass(slots=True)
class Group:
    """Entries that follow each other, and the block of each."""

    entries: list[Entry] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def first_tag(text: bytes) -> bytes:
    """Give the tag that a document begins with; nothing where it is not whole."""
    found = _ROOT.match(text)
    return found[0] if found else b""


class Wrappers:
    """Cuts the entries that fit a pattern out of one document, from which the runs of readings are cut already."""

    def __init__(self, root: bytes, attribute: bytes) -> None:
        self.root, self.attribute = root, attribute
        self.opening = self.closing = b""
        self.known: list[Wrapper] = []
        self.seen = self.fitting = self.failures = 0

    def cut(self, text: bytes) -> tuple[bytes, dict[int, Group]]:
        """Give the text with a marker in the place of entries that follow each other, and these by its number."""
        if not self.opening and (found := _ENTRY_OPENING.search(text)):
            self.opening, self.closing = found[0], b"</%b>" % found[1]
        out, groups, cursor = list[bytes](), dict[int, Group](), 0
        hopeless = not self.opening or (self.seen > _ENOUGH_ENTRIES and self.fitting * 2 < self.seen)
        at = -1 if hopeless else text.find(self.opening)
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

    def _group(self, text: bytes, at: int) -> tuple[Group, int]:
        """Read the entries that stand here one behind the other and fit a pattern; tell where they end."""
        group = Group()
        while found := self._read(text, at):
            (entry, block), at = found
            group.entries.append(entry)
            group.blocks.append(block)
        self.seen, self.fitting = self.seen + len(group.blocks), self.fitting + len(group.blocks)
        return group, at

    def _read(self, text: bytes, at: int) -> tuple[Found, int] | None:
        for wrapper in self.known:
            if (match := wrapper.pattern.match(text, at)) and (found := wrapper.read(match)):
                return found, match.end()
        return None

    def _learn(self, text: bytes, at: int) -> None:
        """Learn from an entry that fits no pattern, if a run was cut out of it; it is itself still read plainly."""
        end = text.find(self.closing, at) + len(self.closing)
        if text.find(self.attribute, at, end) < 0:
            return
        self.seen += 1
        due = self.seen - self.fitting > _FEW * (len(self.known) + self.failures + 1)
        if due and self.failures < _ENTRY_FAILURES and len(self.known) < _WRAPPERS:
            wrapper = learn_entry(text[at:end], self.root)
            if wrapper:
                self.known.append(wrapper)
            else:
                self.failures += 1


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
            template = learn_reading(parts[row + 1][: end + len(self.closing)], self.opening, self.prefix)
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
