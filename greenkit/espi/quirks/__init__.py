"""Quirks: how the files of one utility or portal depart from the standard, in one module for each sender.

A rule belongs here only if text in the document proves it: a title, a member that no schema defines, or the form of
its links. If the data itself proves a rule (a clock, a duration, a sign, a scale), the rule belongs in the reader and
applies to every sender.

To add a sender, write one module in this folder with a subclass of :class:`Quirk` and one instance of it named
``QUIRK``; greenkit finds every module in the folder. A program can add its own quirk with :func:`register` before it
reads a file.

The reader recognizes the quirks of a document once, after it has read the document. It then calls each hook once for
a block, a series, or an array of rows, never once for a reading.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from greenkit.errors import SettingsError
from greenkit.findings import Findings, Kind

INTERVAL_TERMS: Final = Kind(
    "espi.quirk.interval-terms",
    "info",
    "The feed has no ReadingType. Its blocks name {named}, as those of {sender} do. greenkit {did}.",
    "Compare the usage with a bill.",
)
"""For senders whose blocks describe themselves in their interval."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class DocumentFacts(NamedTuple):
    """Facts in a document that can identify its sender.

    Attributes
    ----------
    title : str
        Title of the Atom feed.
    interval_members : frozenset of str
        Names of the members that the blocks have in their ``interval``, including ``start`` and ``duration``. Only
        intervals with more members than these two are counted.
    has_reading_type : bool
        Whether the document has a ReadingType.
    reading_type_titles : tuple of str
        Atom titles of its ReadingTypes.
    block_links : callable
        Return an iterator over the ``self`` links of the entries with blocks, without the server's address.
    """

    title: str
    interval_members: frozenset[str]
    has_reading_type: bool
    reading_type_titles: tuple[str, ...]
    block_links: Callable[[], Iterator[str]]


class BlockFacts(NamedTuple):
    """Facts in one IntervalBlock that can describe its readings.

    Attributes
    ----------
    interval : mapping
        Texts of the members of its ``interval`` by name, if there are more than ``start`` and ``duration``.
    multipliers : tuple of str
        Text of each powerOfTenMultiplier in its readings; ESPI defines this member for a ReadingType only.
    link : str
        ``self`` link of its entry, without the server's address.
    """

    interval: Mapping[str, str]
    multipliers: tuple[str, ...]
    link: str


class ImpliedReadingType(NamedTuple):
    """The ReadingType that a block implies if the document has none.

    Attributes
    ----------
    members : mapping
        Members of the ReadingType by their names in the schema, as texts.
    kind : Kind
        Finding that reports the ReadingType, once for a document.
    path : str
        Link that the block's entry gets, ``"UsagePoint/7/MeterReading/kWh"``; empty to keep the entry's own.
    words : mapping
        Values for the slots of the finding's sentence.
    severity : str
        Severity of the finding, if it differs from the kind's.
    """

    members: Mapping[str, str]
    kind: Kind
    path: str = ""
    words: Mapping[str, Any] | None = None
    severity: str | None = None


@dataclass(slots=True)
class Rows:
    """The readings of all documents with one quirk. A hook may change ``start``, ``duration``, and ``value``.

    Attributes
    ----------
    start, duration : array of int64
        Microseconds, the start since 1970 as the document has it.
    value : array of float64
        Values as the document has them, not scaled.
    block : array of int32
        Number of the row's block; the rows of a block follow each other.
    block_start : array of int64
        Start of the interval of the row's block, or of its first reading if it has no interval.
    tz : str or None
        Time zone that the caller passed.
    """

    start: Ints
    duration: Ints
    value: Floats
    block: npt.NDArray[np.int32]
    block_start: Ints
    tz: str | None


class SeriesFacts(NamedTuple):
    """Declared properties of one series: name, unit in the frame, powerOfTenMultiplier, and title of the ReadingType.

    ``kilo`` is the power of ten between the unit of the source and the frame's (3 for Wh in kWh).
    """

    name: str
    unit: str
    kilo: int
    multiplier: int
    title: str


class Quirk:
    """Base class of the quirks of one sender. Override the attributes and hooks that the sender needs.

    Attributes
    ----------
    name : str
        Short name, as in the module's: ``"duke"``.
    sources : tuple of str
        Source of each fact: a public document, a specification, or a file.
    sample : str
        Source of a sample document: a dialect of :mod:`greenkit.synthetic`, or the test that writes one.
    spellings : mapping
        Element names that the sender writes differently, by their names in the schema. They are understood in every
        document, because a sender is recognized only after its elements are read.
    zone : str or None
        Time zone of the sender's meters, if its LocalTimeParameters are known to be wrong.
    quality_words : mapping
        Word of the frame for each quality that the sender writes as a word.

    Examples
    --------
    >>> class Elsewhere(Quirk):
    ...     name = "elsewhere"
    ...     zone = "Pacific/Honolulu"
    ...
    ...     def recognizes(self, document):
    ...         return document.title == "Elsewhere Power usage export"
    >>> sorted(Elsewhere().sets)
    ['zone']
    """

    name: ClassVar[str] = ""
    sources: ClassVar[tuple[str, ...]] = ()
    sample: ClassVar[str] = ""
    spellings: ClassVar[Mapping[str, str]] = {}
    zone: ClassVar[str | None] = None
    quality_words: ClassVar[Mapping[str, str]] = {}

    def recognizes(self, document: DocumentFacts) -> bool:
        """Return whether a document comes from this sender, judging only by its own text."""
        return False

    def implied_reading_type(self, block: BlockFacts) -> ImpliedReadingType | None:
        """Return the ReadingType that a block implies. Called once for each block if the document has none."""
        return None

    def fix_rows(self, rows: Rows) -> Findings:
        """Correct times or values in place. Called once for all documents of the sender, before any scaling."""
        return Findings()

    def multiplier(self, series: SeriesFacts, value: Floats, cost: Floats) -> tuple[int, Findings]:
        """Return the powerOfTenMultiplier of a series, from its unscaled values and costs. Called once for a series."""
        return series.multiplier, Findings()

    def check_series(self, series: SeriesFacts) -> Findings:
        """Report problems of a series without changing it. Called once for each series with readings."""
        return Findings()

    @property
    def sets(self) -> frozenset[str]:
        """Names of what this quirk sets; two quirks of one document must not set the same one."""
        hooks = ("implied_reading_type", "fix_rows", "multiplier")
        found = {name for name in hooks if getattr(type(self), name) is not getattr(Quirk, name)}
        return frozenset(found | {name for name in ("zone", "quality_words") if getattr(self, name)})


_BUILT_IN: Final[list[Quirk]] = []
_added: Final[list[Quirk]] = []
_read: Final[list[bool]] = []  # not empty once a file was read


def register(quirk: Quirk) -> Quirk:
    """Register a quirk for all files that this process reads.

    Parameters
    ----------
    quirk : Quirk
        An instance with a name that no other quirk has.

    Returns
    -------
    Quirk
        The same instance.

    Raises
    ------
    SettingsError
        If a file was read already, or if the name is missing or in use.
    """
    if _read:
        raise SettingsError(
            f"The quirk {quirk.name!r} was registered after a file was read",
            next_step="Register quirks at the start of the program.",
        )
    if not quirk.name or quirk.name in {other.name for other in (*_built_in(), *_added)}:
        raise SettingsError(f"A quirk cannot have the name {quirk.name!r}", next_step="Use a name that is not in use.")
    _added.append(quirk)
    return quirk


def registered() -> tuple[Quirk, ...]:
    """Return all quirks: those of this folder by name, then those of the program in the order of their registration."""
    return (*_built_in(), *_added)


def in_use() -> tuple[Quirk, ...]:
    """Return all quirks for reading a file; from then on none can be registered."""
    if not _read:
        _read.append(True)
    return registered()


def _built_in() -> list[Quirk]:
    if not _BUILT_IN:
        for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
            _BUILT_IN.append(importlib.import_module(f"{__name__}.{module.name}").QUIRK)
    return _BUILT_IN
