"""What a feed is: documents, Atom entries with their links, and the resources in them (RFC 4287; NAESB REQ.21)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from greenkit.espi._readings import Readings
from greenkit.espi._xml import Names
from greenkit.findings import Findings

Tree = dict[str, list[Any]]
"""An element as local name → its texts and trees, in document order."""


@dataclass(slots=True)
class Resource:
    """One ESPI resource other than an IntervalBlock."""

    kind: str
    data: Tree
    entry: int


@dataclass(slots=True)
class Entry:
    """One Atom entry; a bare resource has one without links."""

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


@dataclass(slots=True)
class Document:
    """One file's feed."""

    name: str
    title: str = ""
    root: str = ""


@dataclass
class Feed:
    """All documents of one call."""

    names: Names = field(default_factory=Names)
    documents: list[Document] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    def __post_init__(self) -> None:
        self.readings = Readings(self.names)

    def mark(self) -> tuple[Any, ...]:
        """Remember what is there, for :meth:`rollback`."""
        counts = len(self.documents), len(self.entries), len(self.resources), len(self.findings)
        return self.readings.mark(), *counts

    def rollback(self, mark: tuple[Any, ...]) -> None:
        """Forget what was read since the mark."""
        readings, documents, entries, resources, findings = mark
        self.readings.rollback(readings)
        del self.documents[documents:], self.entries[entries:], self.resources[resources:]
        self.findings.truncate(findings)

    def of(self, *kinds: str) -> list[Resource]:
        """Give the resources of these kinds, in document order."""
        return [r for r in self.resources if r.kind in kinds]


def href(text: str | None) -> str:
    """Normalise a link so that absolute, rooted and relative forms of it are equal.

    Examples
    --------
    >>> href(" https://x.example/DataCustodian/espi/1_1/resource/UsagePoint/1/ ")
    'UsagePoint/1'
    >>> href("/espi/1_1/resource/UsagePoint/1") == href("UsagePoint/1")
    True
    >>> href("https://x.example/feeds/UsagePoint/1") == href("/feeds/UsagePoint/1")
    True
    """
    path = unquote((text or "").strip())
    scheme, mark, rest = path.partition("://")
    if mark and "/" not in scheme:
        path = rest.partition("/")[2]
    return path.rpartition("espi/1_1/resource/")[2].strip("/") if "espi/1_1/resource/" in path else path.strip("/")
