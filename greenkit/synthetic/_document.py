"""Write Atom documents around ESPI resources: the feed, its entries, links, and dates, in the style of a dialect."""

from __future__ import annotations

import codecs
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from greenkit.synthetic._dialects import Dialect
from greenkit.times import US

NAMESPACES: Final = {
    "a": "http://www.w3.org/2005/Atom",
    "": "http://naesb.org/espi",
    "c": "http://naesb.org/espi/customer",
}
# xsi:type of the Atom elements, which one utility writes on all of them
_ATOM_TYPES: Final = {"id": "idType", "title": "textType", "link": "linkType", "content": "contentType"}
_DATE_ELEMENTS: Final = ("published", "updated")

Children: TypeAlias = "str | int | tuple[Node, ...]"


class Node(NamedTuple):
    """An element. Atom names start with ``a:``, customer names with ``c:``; ESPI names have no prefix."""

    name: str
    children: Children = ()
    attributes: tuple[tuple[str, str], ...] = ()


def node(name: str, *children: Node | None, **attributes: str) -> Node:
    """Build an element with child elements, without those that are None."""
    return Node(name, tuple(c for c in children if c is not None), tuple(attributes.items()))


def leaf(name: str, text: str | int | None, **attributes: str) -> Node | None:
    """Build an element with text, or return None if the text is None."""
    return None if text is None else Node(name, text, tuple(attributes.items()))


class Markup:
    """Writer of nodes in the style of a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.prefixes = {"a": dialect.atom_prefix, "": dialect.espi_prefix, "c": dialect.customer_prefix}
        # If neither ESPI nor Atom names have a prefix, each resource declares its namespace.
        self.inline = {space for space in ("", "c") if not self.prefixes[space] and not dialect.atom_prefix}

    def root_attributes(self, *spaces: str) -> str:
        """Return the namespace declarations of the root element."""
        if not self.dialect.declared:
            return ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"' if self.dialect.xsi_types else ""
        found = []
        for space in spaces:
            if space not in self.inline:
                prefix = self.prefixes[space]
                found.append(f'xmlns{":" * bool(prefix)}{prefix}="{NAMESPACES[space]}"')
        if self.dialect.xsi_types:
            found.append('xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"')
        return "".join(f" {text}" for text in found)

    def tag(self, name: str) -> str:
        """Return the name of an element with the prefix of the dialect."""
        space, _, local = name.rpartition(":")
        prefix = self.prefixes[space]
        return f"{prefix}:{local}" if prefix else local

    def text(self, element: Node, depth: int = 0, *, root: bool = False) -> str:
        """Return the text of an element and its children; ``root`` marks the only child of a content element."""
        name = self.tag(element.name)
        lead, end = self.around(depth)
        opened = name + self._attributes(element, root=root)
        if isinstance(element.children, tuple):
            if not element.children:
                return f"{lead}<{opened}/>{end}"
            whole = element.name == "a:content"
            inner = "".join(self.text(child, depth + 1, root=whole) for child in element.children)
            return f"{lead}<{opened}>{end}{inner}{lead}</{name}>{end}"
        value = escape(str(element.children))
        if self.dialect.padded_values and not element.name.startswith("a:"):
            value = f" {value} "
        if not value:
            return f"{lead}<{opened}/>{end}"
        return f"{lead}<{opened}>{value}</{name}>{end}"

    def around(self, depth: int) -> tuple[str, str]:
        """Return the white space before and after an element at a depth."""
        return ("  " * depth, "\n") if self.dialect.pretty else ("", "")

    def halves(self, element: Node, depth: int, *, root: bool = False) -> tuple[str, str]:
        """Return the start tag and the end tag of an element."""
        lead, end = self.around(depth)
        attributes = self._attributes(element, root=root)
        name = self.tag(element.name)
        return f"{lead}<{name}{attributes}>{end}", f"{lead}</{name}>{end}"

    def _attributes(self, element: Node, *, root: bool) -> str:
        space, _, local = element.name.rpartition(":")
        found = list(element.attributes)
        if root and space in self.inline and self.dialect.declared:
            found.insert(0, ("xmlns", NAMESPACES[space]))
        if self.dialect.xsi_types and space == "a":
            kind = "dateTimeType" if local in _DATE_ELEMENTS else _ATOM_TYPES.get(local)
            if kind:
                prefix = self.dialect.atom_prefix
                found.append(("xsi:type", f"{prefix}:{kind}" if prefix else kind))
        return "".join(f" {key}={quoteattr(value)}" for key, value in found)


NAMESPACE: Final = uuid.UUID("6a2f5c1e-8b0d-4c7a-9a55-0d3f1f6e2b90")
"""Namespace of the entry IDs: the same link always gets the same ID."""
CERTIFICATE: Final = "https://certificates.example/green-button/1"
_DATES: Final = {"utc": "%Y-%m-%dT%H:%M:%SZ", "naive": "%Y-%m-%dT%H:%M:%S", "offset": "%Y-%m-%dT%H:%M:%S+00:00"}
_PLACEHOLDER: Final = "1899-12-30T00:00:00Z"
_MARKS: Final = {"utf-16": codecs.BOM_UTF16_LE, "utf-8-sig": codecs.BOM_UTF8}
_CODECS: Final = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its resource, its links, and the text of its content."""

    resource: str
    self: str
    related: tuple[tuple[str, str], ...]
    title: str
    content: str
    updated: int
    up: str | None = None

    @property
    def parent(self) -> str:
        """The collection that the entry belongs to."""
        return self.self.rpartition("/")[0] if self.up is None else self.up


class Document:
    """Writer of a feed, a single entry, or a single resource; ``made`` is the time in microseconds since 1970 UTC."""

    def __init__(self, dialect: Dialect, made: int) -> None:
        self.dialect, self.markup, self.made = dialect, Markup(dialect), made
        self.depth = 0 if dialect.root == "resource" else 3

    def content(self, element: Node) -> str:
        """Return a resource as the content of an entry."""
        return self.markup.text(element, self.depth, root=True)

    def text(self, entries: Iterable[Entry], *, here: str, title: str, spaces: tuple[str, ...]) -> Iterator[str]:
        """Yield the document: a feed of entries, or only the first entry."""
        dialect = self.dialect
        encoding = dialect.encoding.upper().removesuffix("-SIG")
        yield dialect.before + dialect.prolog.format(encoding=encoding) + dialect.after_prolog
        if dialect.root != "feed":
            first = next(iter(entries), None)
            if first is None:
                raise ValueError("The window contains no reading. Use a longer window or more meters.")
            yield self._entry(first, spaces) if dialect.root == "entry" else first.content
            return
        yield self._head(here, title, spaces)
        for entry in entries:
            yield dialect.between + self._entry(entry, spaces)
        yield f"</{self.markup.tag('a:feed')}>\n"

    def encoded(self, texts: Iterable[str]) -> Iterator[bytes]:
        """Yield texts as bytes, after the byte order mark if the encoding has one."""
        dialect = self.dialect
        codec = _CODECS.get(dialect.encoding, dialect.encoding)
        yield _MARKS.get(dialect.encoding, b"")
        for text in texts:
            yield (text.replace("\n", dialect.newline) if dialect.newline != "\n" else text).encode(codec)

    def _head(self, here: str, title: str, spaces: tuple[str, ...]) -> str:
        markup, (_, line) = self.markup, self.markup.around(0)
        head = (
            leaf("a:id", f"urn:uuid:{self._id(here)}"),
            node("a:link", rel="self", href=here),
            node("a:link", rel="up", href=here.rpartition("/")[0]),
            self._certificate(),
            leaf("a:title", title),
            leaf("a:updated", self._date(self.made)),
        )
        opened = f"<{markup.tag('a:feed')}{markup.root_attributes('a', *spaces)}>{line}"
        return opened + "".join(markup.text(n, 1) for n in head if n is not None)

    def _entry(self, entry: Entry, spaces: tuple[str, ...]) -> str:
        markup, dialect = self.markup, self.dialect
        alone = dialect.root == "entry"
        first, last = markup.halves(node("a:entry"), 0 if alone else 1)
        if alone:
            first = first.replace(">", markup.root_attributes("a", *spaces) + ">", 1)
        attributes = {"type": dialect.content_type} if dialect.content_type else {}
        opened, closed = markup.halves(node("a:content", **attributes), 2)
        key = "entry" if dialect.same_ids else entry.self
        head = (leaf("a:id", f"urn:uuid:{self._id(key)}"), *self._links(entry), leaf("a:title", entry.title))
        above = "".join(markup.text(n, 2) for n in head if n is not None)
        if dialect.dates_in_content:
            return first + above + opened + self._dates(entry, 3) + entry.content + closed + last
        return first + above + opened + entry.content + closed + self._dates(entry, 2) + last

    def _links(self, entry: Entry) -> list[Node]:
        style = self.dialect.links
        if style == "none":
            return []
        links = [node("a:link", rel="self", href=entry.self)]
        if style not in ("direct", "back"):
            links.append(node("a:link", rel="up", href=entry.parent))
        certificate = self._certificate() if entry.resource == "UsagePoint" else None
        links += [certificate] if certificate else []
        return links + [node("a:link", rel="related", href=href, type=kind) for href, kind in entry.related]

    def _certificate(self) -> Node | None:
        """Return the link to a certificate, which certified feeds contain and which relates to no resource."""
        return node("a:link", rel="related", href=CERTIFICATE) if self.dialect.certificate else None

    def _id(self, key: str) -> uuid.UUID:
        return uuid.uuid5(NAMESPACE, key)

    def _dates(self, entry: Entry, depth: int) -> str:
        dates = (leaf(f"a:{name}", self._date(entry.updated)) for name in ("published", "updated"))
        return "".join(self.markup.text(date, depth) for date in dates if date)

    def _date(self, instant: int) -> str:
        time = datetime.fromtimestamp(instant // US, UTC)
        return time.strftime(_DATES[self.dialect.dates]) if self.dialect.dates in _DATES else _PLACEHOLDER
