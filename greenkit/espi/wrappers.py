"""What stands around the readings of an entry: its links and stamps, and its block's interval.

Most feeds send each day as an entry of its own, and these are alike but for a handful of texts. Once the readings of
an entry are cut out, what is left is held against a pattern: an entry that the plain reader was given to read, with
slots for the texts that it was seen to take from there. Entries that fit and follow each other become one marker.
"""

from __future__ import annotations

import functools
import io
import re
from dataclasses import dataclass, field
from typing import Final

from greenkit.days import US
from greenkit.errors import FormatError, LimitError
from greenkit.espi import parse
from greenkit.espi.feed import Entry, Feed, href
from greenkit.espi.readings import NONE, Block
from greenkit.espi.templates import NOTHING, digits_in_comments
from greenkit.sources import Source

WHITE: Final = b" \t\r\n"  # XML's white space; bytes.isspace() knows more
_ROOT: Final = re.compile(rb"<([^\s<>/]+)[^<>]*>")
_OPENING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?entry)(?:\s[^<>]*[^<>/])?>")
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
_FAILURES: Final = 8
_ENOUGH: Final = 1024  # entries after which a document of which too few fit is left to the parser

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


def learn(sample: bytes, root: bytes) -> Wrapper | None:
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
        parse.read(feed, Source("", lambda: io.BytesIO(data), len(data)), recover=False, advance=lambda size: None)
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
        if not self.opening and (found := _OPENING.search(text)):
            self.opening, self.closing = found[0], b"</%b>" % found[1]
        out, groups, cursor = list[bytes](), dict[int, Group](), 0
        hopeless = not self.opening or (self.seen > _ENOUGH and self.fitting * 2 < self.seen)
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
        if due and self.failures < _FAILURES and len(self.known) < _WRAPPERS:
            wrapper = learn(text[at:end], self.root)
            if wrapper:
                self.known.append(wrapper)
            else:
                self.failures += 1
