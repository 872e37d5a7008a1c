"""The contents of a feed: documents, Atom entries with their links, and resources (RFC 4287; NAESB REQ.21)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, overload
from urllib.parse import unquote

from greenkit.espi._readings import Mark, Readings
from greenkit.espi._xml import Names, Tree
from greenkit.espi.quirks import Quirk

_RESOURCE: Final = "espi/1_1/resource/"


@dataclass(slots=True)
class Resource:
    """One ESPI resource that is not an IntervalBlock."""

    kind: str
    data: Tree
    entry: int


@dataclass(slots=True)
class Entry:
    """One Atom entry. A resource outside of any entry gets one without links."""

    document: int
    number: int
    self_: str = ""
    up: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    id: str = ""
    title: str = ""
    published: str = ""
    updated: str = ""
    kinds: tuple[str, ...] = ()
    version: int = 0  # of entries of one document with one self link and different content


class Entries(Sequence[Entry]):
    """The entries of all documents, in columns: one list for each member of an :class:`Entry`, except its number.

    Some feeds have an entry for each reading. ``entries[n]`` is a copy of one entry; to change it, change the columns.
    """

    def __init__(self) -> None:
        self.document: list[int] = []
        self.self_: list[str] = []
        self.up: list[tuple[str, ...]] = []
        self.related: list[tuple[str, ...]] = []
        self.id: list[str] = []
        self.title: list[str] = []
        self.published: list[str] = []
        self.updated: list[str] = []
        self.kinds: list[tuple[str, ...]] = []
        self.version: list[int] = []

    def __len__(self) -> int:
        return len(self.document)

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> list[Entry]: ...
    def __getitem__(self, number: int | slice) -> Entry | list[Entry]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        return Entry(number=number, **{name: column[number] for name, column in vars(self).items()})

    def append(self, entry: Entry) -> None:
        """Add an entry, whose number is the length so far."""
        for name, column in vars(self).items():
            column.append(getattr(entry, name))

    def extend(self, columns: Mapping[str, Iterable[Any]]) -> None:
        """Add entries in columns."""
        for name, column in vars(self).items():
            column.extend(columns[name])

    def truncate(self, length: int) -> None:
        """Remove the entries after the first ones."""
        for column in vars(self).values():
            del column[length:]


@dataclass(slots=True)
class Document:
    """One file: its name, the title, root element, and links of its feed, and the quirks of its sender."""

    name: str
    title: str = ""
    root: str = ""
    self_: str = ""
    next_page: str = ""
    quirks: tuple[Quirk, ...] = ()


@dataclass
class Feed:
    """All documents of one call."""

    names: Names = field(default_factory=Names)
    documents: list[Document] = field(default_factory=list)
    entries: Entries = field(default_factory=Entries)
    resources: list[Resource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.readings = Readings(self.names)

    def mark(self) -> tuple[Mark, int, int, int]:
        """Return a mark for :meth:`rollback`."""
        return self.readings.mark(), len(self.documents), len(self.entries), len(self.resources)

    def rollback(self, mark: tuple[Mark, int, int, int]) -> None:
        """Remove everything that was read since the mark."""
        readings, documents, entries, resources = mark
        self.readings.rollback(readings)
        self.entries.truncate(entries)
        del self.documents[documents:], self.resources[resources:]

    def entries_of(self, kind: str) -> list[Entry]:
        """Return the entries that contain a resource of this kind, in document order."""
        numbers = dict.fromkeys(r.entry for r in self.resources if r.kind == kind)
        return [self.entries[number] for number in numbers]

    def of(self, *kinds: str) -> list[Resource]:
        """Return the resources of these kinds, in document order."""
        return [r for r in self.resources if r.kind in kinds]


def href(text: str | None) -> str:
    """Normalize a link so that its absolute, rooted, and relative forms are equal.

    Examples
    --------
    >>> href(" https://x.example/DataCustodian/espi/1_1/resource/UsagePoint/1/ ")
    'UsagePoint/1'
    >>> href("/espi/1_1/resource/UsagePoint/1") == href("UsagePoint/1")
    True
    >>> href("https://x.example/feeds/UsagePoint/1") == href("/feeds/UsagePoint/1")
    True
    """
    path = (text or "").strip()
    if "%" in path:
        path = unquote(path)
    before, found, rest = path.rpartition(_RESOURCE)
    if found and (not before or (before[-1] == "/" and before[-2:] != "//")):  # not in the name of the host
        return rest.strip("/")
    scheme, mark, rest = path.partition("://")
    if mark and "/" not in scheme:
        path = rest.partition("/")[2]
    return path.rpartition(_RESOURCE)[2].strip("/")


def hrefs(paths: Iterable[str]) -> list[str]:
    """Normalize many links as :func:`href` does, with the work of it once for all links in the same folder.

    Examples
    --------
    >>> hrefs(["https://x.example/espi/1_1/resource/UsagePoint/1", "https://x.example/espi/1_1/resource/UsagePoint/2"])
    ['UsagePoint/1', 'UsagePoint/2']
    """
    folders: dict[str, str] = {}
    out = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            # "" if the last segment may belong to what is cut off, such as the name of the host
            with_slash = href(f"{folder}/x").removesuffix("x")
            folders[folder] = with_slash if with_slash.endswith("/") and "%" not in folder else ""
        before = folders[folder]
        is_plain = before and name and "%" not in name and name == name.strip()
        out.append(before + name if is_plain else href(path))
    return out
