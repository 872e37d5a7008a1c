"""What stands around the readings of an entry: its links and stamps, and its block's interval.

Most feeds send each day as an entry of its own, and these are alike but for a handful of texts. Once the readings of
an entry are cut out, what is left is held against a pattern: an entry that the plain reader was given to read, with
slots for the texts that it was seen to take from there. Entries that fit and follow each other become one marker.
"""

from __future__ import annotations

import functools
import io
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from greenkit.days import US
from greenkit.errors import FormatError, LimitError
from greenkit.espi import parse
from greenkit.espi.feed import Entry, Feed, href
from greenkit.espi.readings import NONE
from greenkit.sources import Source

WHITE: Final = b" \t\r\n"  # XML's white space; bytes.isspace() knows more
_ROOT: Final = re.compile(rb"<([^\s<>/]+)[^<>]*>")
_OPENING: Final = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?entry)(?:\s[^<>]*[^<>/])?>")
_RUN: Final = re.compile(rb'IntervalReading [\w-]+="([0-9]+)"/>')
# what XML takes as it stands: words of printable ASCII without markup
_TEXT: Final = rb"""[^<>&"'\x00-\x20\x7f-\xff]++(?: ++[^<>&"'\x00-\x20\x7f-\xff]++)*+"""
_SLOT: Final = re.compile(rb"""(?:>\s*|\shref=["'])([0-9]+(?=\s*<)|%b(?=\s*[<"']))""" % _TEXT)
# so few digits that the plain reader does no more than multiply by a million
_NUMBERS: Final = {"start": rb"[0-9]{1,11}+", "duration": rb"[0-9]{1,9}+", "run": rb"[0-9]++"}
_WRAPPERS: Final = 8
_FAILURES: Final = 8
_ENOUGH: Final = 1024  # entries after which a document of which too few fit is left to the parser

Span = tuple[int, int]


class Found(NamedTuple):
    """One entry of one IntervalBlock: the block's interval in microseconds, and the number of its run of readings."""

    entry: Entry
    start: int
    duration: int
    run: int


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The pattern of an entry, and what its groups mean.

    ``names`` are those of the groups, and ``constants`` the texts that all these entries share: an Entry's members,
    with its links as ``up 0``, ``up 1``, ``related 0``, and ``start``, ``duration`` and ``run`` of the block.
    """

    pattern: re.Pattern[bytes]
    names: tuple[str, ...]
    constants: dict[str, str]
    up: tuple[str, ...]
    related: tuple[str, ...]

    def read(self, match: re.Match[bytes]) -> Found | None:
        """Read an entry that fits; None where a link is empty, which the plain reader passes over."""
        texts = self.constants | dict(zip(self.names, map(bytes.decode, match.groups()), strict=True))
        up = tuple([_shared_href(texts[name]) for name in self.up])
        related = tuple([_shared_href(texts[name]) for name in self.related])
        if not (all(up) and all(related)):
            return None
        entry = Entry(
            *(0, 0, href(texts["self_"]), up, related),
            *(texts["id"], texts["title"], texts["published"], texts["updated"], ("IntervalBlock",)),
        )
        return Found(entry, _instant(texts["start"]), _instant(texts["duration"]), int(texts["run"]))


_shared_href: Final = functools.lru_cache(maxsize=256)(href)  # thousands of entries point at one


def _instant(seconds: str) -> int:
    return int(seconds) * US if seconds else NONE


def _texts(found: Found) -> dict[str, str]:
    """Name each text of an entry as a Wrapper does."""
    texts = {name: getattr(found.entry, name) for name in ("self_", "id", "title", "published", "updated")}
    texts |= {f"{of} {n}": text for of in ("up", "related") for n, text in enumerate(getattr(found.entry, of))}
    texts |= {name: "" if (t := getattr(found, name)) == NONE else str(t // US) for name in ("start", "duration")}
    return texts | {"run": str(found.run)}


def learn(sample: bytes, root: bytes) -> Wrapper | None:
    """Let the plain reader say what each text of an entry is; None when it cannot be told cleanly.

    Parameters
    ----------
    sample : bytes
        One entry from its opening to its closing tag, with a marker in the place of a run of readings.
    root : bytes
        The document's first tag: what an entry means hangs on the namespaces that are declared there.
    """
    spans = [found.span(1) for pattern in (_SLOT, _RUN) for found in pattern.finditer(sample)]
    model, told = _plain(sample, root), _plain(_filled(sample, spans, 1), root)
    if model is None or told is None:
        return None
    span_of = dict(zip(_sentinels(sample, spans, 1), spans, strict=True))
    slots = {span_of[text]: name for name, text in _texts(told).items() if text in span_of}
    wrapper = _wrapper(sample, dict(sorted(slots.items())), model)
    # with other texts in the slots, it has to read what the plain reader reads
    for text in (sample, _filled(sample, list(slots), 2)):
        match = wrapper.pattern.fullmatch(text)
        if match is None or wrapper.read(match) != _plain(text, root):
            return None
    return wrapper


def _wrapper(sample: bytes, slots: dict[Span, str], model: Found) -> Wrapper:
    pattern, cursor = b"", 0
    for (begin, end), name in slots.items():
        pattern += re.escape(sample[cursor:begin]) + b"(%b)" % _NUMBERS.get(name, _TEXT)
        cursor = end
    pattern += re.escape(sample[cursor:])
    constants = {name: text for name, text in _texts(model).items() if name not in slots.values()}
    up, related = (tuple(f"{of} {n}" for n in range(len(getattr(model.entry, of)))) for of in ("up", "related"))
    return Wrapper(re.compile(pattern), tuple(slots.values()), constants, up, related)


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
    return Found(feed.entries[0], readings.blocks[0].start, readings.blocks[0].duration, int(run[1]))


def _sentinels(sample: bytes, spans: list[Span], turn: int) -> list[str]:
    return [f"{turn}{n:08}" if sample[a:b].isdigit() else f"text {turn} {n}" for n, (a, b) in enumerate(spans)]


def _filled(sample: bytes, spans: list[Span], turn: int) -> bytes:
    """Put a text of its own into each span."""
    out, cursor = b"", 0
    for (begin, end), text in sorted(zip(spans, _sentinels(sample, spans, turn), strict=True)):
        out += sample[cursor:begin] + text.encode()
        cursor = end
    return out + sample[cursor:]


class Entries:
    """Cuts the entries that fit a pattern out of one document, from which the runs of readings are cut already."""

    def __init__(self, attribute: bytes) -> None:
        self.attribute = attribute
        self.root: bytes | None = None
        self.opening = self.closing = b""
        self.wrappers: list[Wrapper] = []
        self.seen = self.fitting = self.failures = 0

    def cut(self, text: bytes) -> tuple[bytes, list[list[Found]]]:
        """Give the text with a marker in the place of entries that follow each other, and those entries.

        A marker's number is that of the first of their runs.
        """
        self._find_names(text)
        out, groups, cursor = list[bytes](), list[list[Found]](), 0
        hopeless = not self.opening or (self.seen > _ENOUGH and self.fitting * 2 < self.seen)
        at = -1 if hopeless else text.find(self.opening)
        while at >= 0 and (last := text.find(self.closing, at)) >= 0:
            end = last + len(self.closing)
            if found := self._found(text, at, end):
                if not groups or text[cursor:at].strip(WHITE):
                    out += [text[cursor:at], b'%b %b="%d"/>' % (self.opening[:-1], self.attribute, found.run)]
                    groups.append([])
                groups[-1].append(found)
                cursor = end
            at = text.find(self.opening, end)
        return b"".join((*out, text[cursor:])), groups

    def _find_names(self, text: bytes) -> None:
        """Take the document's first tag from its first piece, and the entries' tag from the first of them."""
        if self.root is None:
            found = _ROOT.match(text)
            self.root = found[0] if found else b""
        if self.root and not self.opening and (found := _OPENING.search(text)):
            self.opening, self.closing = found[0], b"</%b>" % found[1]

    def _found(self, text: bytes, at: int, end: int) -> Found | None:
        """Read the entry that stands here, if a run was cut out of it, and its pattern is known or can be learned."""
        if text.find(self.attribute, at, end) < 0:
            return None
        self.seen += 1
        for wrapper in self.wrappers:
            if match := wrapper.pattern.fullmatch(text, at, end):
                self.fitting += 1
                return wrapper.read(match)
        if self.failures < _FAILURES and len(self.wrappers) < _WRAPPERS:
            learned = learn(text[at:end], self.root or b"")
            if learned:
                self.wrappers.append(learned)
            else:
                self.failures += 1
        return None  # this one is still read plainly
