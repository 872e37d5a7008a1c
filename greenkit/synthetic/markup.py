"""XML as text: a tree of nodes, written in a dialect's namespace style.

Written by hand and not with lxml, since half of the dialects are on purpose no well-formed namespace XML, and since
a reading's text is made once as a template and filled a million times.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from greenkit.synthetic.dialects import Dialect

NAMESPACES: Final = {
    "a": "http://www.w3.org/2005/Atom",
    "": "http://naesb.org/espi",
    "c": "http://naesb.org/espi/customer",
}
# xsi:type of the Atom elements, as one utility writes them all
_ATOM_TYPES: Final = {"id": "idType", "title": "textType", "link": "linkType", "content": "contentType"}
_DATES: Final = ("published", "updated")

Children: TypeAlias = "str | int | tuple[Node, ...]"


class Node(NamedTuple):
    """An element. Atom's names begin with ``a:``, the customer schema's with ``c:``, ESPI's with nothing."""

    name: str
    children: Children = ()
    attributes: tuple[tuple[str, str], ...] = ()


def node(name: str, *children: Node | None, **attributes: str) -> Node:
    """Make an element of elements; None among them is left out."""
    return Node(name, tuple(c for c in children if c is not None), tuple(attributes.items()))


def leaf(name: str, text: str | int | None, **attributes: str) -> Node | None:
    """Make an element of text; None makes none."""
    return None if text is None else Node(name, text, tuple(attributes.items()))


class Markup:
    """Writes nodes in a dialect's style."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.prefixes = {"a": dialect.atom_prefix, "": dialect.espi_prefix, "c": dialect.customer_prefix}
        # where an ESPI name has no prefix and Atom has none either, each resource declares its own namespace
        self.inline = {space for space in ("", "c") if not self.prefixes[space] and not dialect.atom_prefix}

    def root_attributes(self, *spaces: str) -> str:
        """Give the namespace declarations of the root element."""
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
        """Give an element's name with the dialect's prefix."""
        space, _, local = name.rpartition(":")
        prefix = self.prefixes[space]
        return f"{prefix}:{local}" if prefix else local

    def text(self, element: Node, depth: int = 0, *, root: bool = False) -> str:
        """Write an element with all that it holds; ``root`` says that it stands alone in its content."""
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
        """Give what stands before and after an element at a depth."""
        return ("  " * depth, "\n") if self.dialect.pretty else ("", "")

    def halves(self, element: Node, depth: int, *, root: bool = False) -> tuple[str, str]:
        """Write the start and the end of an element whose inside is written by others."""
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
            kind = "dateTimeType" if local in _DATES else _ATOM_TYPES.get(local)
            if kind:
                prefix = self.dialect.atom_prefix
                found.append(("xsi:type", f"{prefix}:{kind}" if prefix else kind))
        return "".join(f" {key}={quoteattr(value)}" for key, value in found)
