"""The layouts that greenkit knows: a mapping and the header by which a file is recognized, one TOML file each.

A file is recognized by the names of its columns, and by a line before them where the names are not enough; never by the
name of the file. A layout has code (a module of the same name) only where arithmetic decides what a column is.

Register a layout of your own with :func:`register`, before the first table is read.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module, resources
from typing import Any, Final, Literal

from greenkit import _toml
from greenkit.errors import SettingsError
from greenkit.tables import wide
from greenkit.tables.cells import Grid, fold, unique_names
from greenkit.tables.mapping import Table, TableMapping

CELLS: Final = "<cells>"
"""Token of a header for all columns that fit the patterns of a wide table."""
ANY: Final = "..."
"""Token of a header for any columns."""
_ORDER: Final = (
    "greenkit", "opower", "opower-days", "opower-bills", "sdge", "sdge-net", "sce", "smarthub", "dte", "ppl", "aclara",
    "pge-commercial", "bc-hydro", "bc-hydro-net", "utilityapi", "duke", "xcel-bills", "portfolio-manager", "comed-wide",
    "edi-867", "baltimore", "hydro-quebec", "philadelphia-water", "texas-wide", "datadis", "e-distribuzione",
    "e-redes", "eloverblik", "enedis", "engie-nl", "esb-hdf", "flick", "fluvius", "jemena", "linznetz", "octopus",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class About:
    """Facts about a layout, and how a file is recognized.

    Parameters
    ----------
    name, title : str
        Name in findings and in :func:`known`, and one line for people.
    source : str
        Source of the facts.
    grade : {"R", "T", "C"}
        Seen in a real file, in a public test file, or known from code and documentation only.
    headers : tuple of tuple of str
        Column names of each variant, in order. A name that ends with ``?`` may be absent, ``*`` means any text,
        ``<cells>`` for the value columns of a wide table, and ``...`` for any columns.
    kind : {"readings", "prices"}
        What :func:`greenkit.load_table` or :func:`greenkit.load_prices` reads.
    preamble : str
        Beginning of a line before the header.
    days : str
        What the table does on days when clocks change, for the documentation.
    code : str
        Module of this package that completes the mapping by arithmetic, or reads the file.
    meter_from : tuple of str
        Lines before the header whose values name the meter.
    rename : mapping
        Name of a column in a variant of the header → its name in the mapping.
    """

    name: str
    title: str
    headers: tuple[tuple[str, ...], ...]
    source: str = ""
    grade: Literal["R", "T", "C"] = "C"
    kind: Literal["readings", "prices"] = "readings"
    preamble: str = ""
    days: str = ""
    code: str = ""
    meter_from: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """A known layout: how greenkit recognizes it, and its mapping."""

    layout: About
    table: Table
    schema: int = 1

    @property
    def name(self) -> str:
        """Name of the layout."""
        return self.layout.name

    @property
    def mapping(self) -> TableMapping:
        """The mapping of the layout."""
        return TableMapping(self.table)

    def for_names(self, names: Sequence[str]) -> TableMapping:
        """Return the mapping without the columns that a file does not have, since many of them are optional."""
        return TableMapping(_present(self.table, {fold(name) for name in names}))

    @property
    def module(self) -> Any:
        """The module with the code of the layout; None if it has none."""
        return import_module(f"greenkit.tables.layouts.{self.layout.code}") if self.layout.code else None


@dataclass(frozen=True, slots=True)
class Recognized:
    """Location of a layout's header in a file."""

    layout: Layout
    delimiter: str
    header: int
    names: list[str]
    preamble: dict[str, str]
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Near:
    """The layout that a file resembles most, and the first difference, in names of columns only."""

    layout: Layout
    difference: str
    shared: float


_registered: list[Layout] = []
_state = {"read": False}


def register(source: str | os.PathLike[str] | Mapping[str, Any] | Layout) -> Layout:
    """Register a layout of your own, before the first table is read.

    Parameters
    ----------
    source : path, dict or Layout
        TOML with the tables ``layout`` and ``table``, or a dictionary of the same form.

    Raises
    ------
    SettingsError
        If it has a mistake, if a layout has the same name or the same header, or if a table was read before.

    Examples
    --------
    A layout needs a name that no other has:

    >>> "opower" in {layout.name for layout in known()}
    True
    """
    if _state["read"]:
        raise SettingsError(
            "Layouts must be registered before the first table is read",
            next_step="Call greenkit.tables.layouts.register at the start of the program.",
        )
    layout = source if isinstance(source, Layout) else _convert(source)
    if layout.name in {one.name for one in known()}:
        raise SettingsError(f"There is already a layout {layout.name!r}", next_step="Choose another name.")
    for one in known():
        if same_header(one, layout):
            raise SettingsError(
                f"The layouts {one.name!r} and {layout.name!r} have the same header",
                next_step="Add a preamble that only one of them has, or pass your layout to load_table as layout=.",
            )
    _registered.append(layout)
    return layout


def known() -> tuple[Layout, ...]:
    """Return all layouts, in the order in which they are tried."""
    return (*_registered, *_shipped())


def start_reading() -> None:
    """Forbid further registrations: what a file means must not depend on when it is read."""
    _state["read"] = True


def _convert(source: str | os.PathLike[str] | Mapping[str, Any]) -> Layout:
    if isinstance(source, Mapping):
        return _toml.convert(source, Layout, name="layout")
    from pathlib import Path

    return _toml.load(Path(source), Layout)


@lru_cache(maxsize=1)
def _shipped() -> tuple[Layout, ...]:
    found = [
        _toml.load(file.read_text(encoding="utf-8"), Layout, name=file.name)
        for file in resources.files(__name__).iterdir()
        if file.name.endswith(".toml")
    ]
    rank = {name: i for i, name in enumerate(_ORDER)}
    return tuple(sorted(found, key=lambda layout: (rank.get(layout.name, len(rank)), layout.name)))


def _present(table: Table, names: set[str]) -> Table:
    """Return a mapping without the columns that are not there."""
    import dataclasses

    changes: dict[str, Any] = {
        "values": {
            name: dataclasses.replace(
                value, cost=value.cost if value.cost is not None and fold(value.cost.column) in names else None
            )
            for name, value in table.values.items()
            if fold(name) in names and all(fold(other.lstrip("-")) in names for other in value.sum_of)
        }
    }
    for name in ("meter", "series", "zone", "unit", "interval", "flow", "quality", "cost", "tou", "commodity", "rows"):
        item = getattr(table, name)
        if hasattr(item, "column") and fold(item.column) not in names:
            changes[name] = None
    dst = table.time.dst
    if dst is not None and fold(dst.column) not in names:
        changes["time"] = dataclasses.replace(table.time, dst=None)
    return dataclasses.replace(table, **changes)


def match_header(layout: Layout, row: Sequence[str]) -> bool:
    """Return whether a row is the header of a layout."""
    tokens = _tokens(row)
    return any(_matches(header, tokens, layout) for header in layout.layout.headers)


def same_header(one: Layout, other: Layout) -> bool:
    """Return whether a file can have the header of both layouts, without a line before it that distinguishes them.

    Only the first layout that is tried would ever read such a file. Headers of value columns (``<cells>``) or any
    columns (``...``) are the same only if all their names are.
    """
    if one.layout.kind != other.layout.kind or fold(one.layout.preamble) != fold(other.layout.preamble):
        return False
    return any(
        _rows_of(mine)[0] == _rows_of(theirs)[0]
        if {ANY, CELLS} & {*mine, *theirs}
        else any(_matches(mine, row, one) for row in _rows_of(theirs))
        or any(_matches(theirs, row, other) for row in _rows_of(mine))
        for mine, theirs in itertools.product(one.layout.headers, other.layout.headers)
    )


def _rows_of(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the longest and the shortest row that a header describes: with its optional names, and without them."""
    return (
        [fold(name.removesuffix("?")) for name in header],
        [fold(name) for name in header if not name.endswith("?")],
    )


def _tokens(row: Sequence[str]) -> list[str]:
    tokens = [fold(cell) for cell in row]
    while tokens and not tokens[-1]:
        tokens.pop()
    return tokens


def _matches(header: Sequence[str], tokens: Sequence[str], layout: Layout, at: int = 0) -> bool:
    """Return whether tokens from ``at`` on are the rest of a header."""
    for i, name in enumerate(header):
        if name == ANY:
            rest = header[i + 1 :]
            return any(
                _matches(rest, tokens, layout, j) for j in range(at, len(tokens) + 1) if _can_begin(rest, tokens, j)
            )
        if name == CELLS:
            cells = _cell_columns(layout, tokens[at:])
            if cells < 24:
                return False
            at += cells
        elif at < len(tokens) and _fits(tokens[at], name):
            at += 1
        elif not name.endswith("?"):
            return False
    return at == len(tokens)


def _can_begin(rest: Sequence[str], tokens: Sequence[str], at: int) -> bool:
    if not rest:
        return at == len(tokens)
    plain = rest[0] not in (ANY, CELLS) and not rest[0].endswith("?")
    return not plain or (at < len(tokens) and _fits(tokens[at], rest[0]))


def _fits(token: str, name: str) -> bool:
    name = fold(name.removesuffix("?"))
    return token == name or ("*" in name and fnmatch.fnmatchcase(token, name.replace("[", "[[]")))


def _slot_names(layout: Layout, tokens: Sequence[str]) -> set[str]:
    """Return the names of the value columns of a wide table."""
    found: set[str] = set()
    for pattern in layout.table.patterns:
        found |= set(wide.find_slots(list(tokens), pattern, layout.table.time.extra).names)
    return found


def _cell_columns(layout: Layout, tokens: Sequence[str]) -> int:
    """Return how many of the first columns are value columns of a wide table, or are next to one."""
    fitting = _slot_names(layout, tokens)
    beside = {fold(word) for word in ("QTY", "Quality", "")}
    count = 0
    for token in tokens:
        if token not in fitting and not (count and token in beside):
            break
        count += 1
    return count if fitting else 0


def recognize(grid: Grid, kind: str = "readings") -> Recognized | Near | None:
    """Return the layout of a table of readings or prices, or else the one that it resembles most."""
    start_reading()
    nearest: Near | None = None
    for delimiter in grid.delimiters:
        head = grid.head(delimiter)
        for i, row in enumerate(head):
            if sum(bool(cell) for cell in row) < 2:
                continue
            for layout in _candidates(row):
                if layout.layout.kind == kind and match_header(layout, row) and _has_preamble(layout, head[:i]):
                    return Recognized(
                        layout, delimiter, i, unique_names(_named(layout, row)), _preamble(head[:i]), tuple(row)
                    )
            near = _near(row, kind)
            if near is not None and (nearest is None or near.shared > nearest.shared):
                nearest = near
    return nearest


def _named(layout: Layout, row: Sequence[str]) -> list[str]:
    """Return the names of a header, with those of the mapping where a variant has others.

    Empty cells at its end are left out, because their numbers do not name intervals.
    """
    renamed = list(row[: max((i + 1 for i, cell in enumerate(row) if cell), default=0)])
    for name, own in layout.layout.rename.items():
        renamed = [own if _fits(fold(cell), name) else cell for cell in renamed]
    return renamed


@lru_cache(maxsize=8)
def _by_first(layouts: tuple[str, ...]) -> dict[str, list[Layout]]:
    out: dict[str, list[Layout]] = {}
    for layout in known():
        for header in layout.layout.headers:
            for name in _firsts(header):
                out.setdefault(name, [])
                if layout not in out[name]:
                    out[name].append(layout)
    return out


def _firsts(header: Sequence[str]) -> Iterator[str]:
    for name in header:
        yield fold(name.removesuffix("?"))
        if not name.endswith("?"):
            return


def _candidates(row: Sequence[str]) -> list[Layout]:
    by_first = _by_first(tuple(layout.name for layout in known()))
    return [*by_first.get(fold(row[0]), []), *by_first.get(ANY, [])]


def _has_preamble(layout: Layout, rows: Sequence[Sequence[str]]) -> bool:
    wanted = layout.layout.preamble
    if not wanted:
        return True
    return any(fold(row[0]).startswith(fold(wanted)) for row in rows if row)


def _preamble(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the values of the lines before the header, by their folded names."""
    out: dict[str, str] = {}
    for row in rows:
        cells = [cell.strip() for cell in row if cell.strip()]
        if len(cells) == 1 and ":" in cells[0]:
            name, _, value = cells[0].partition(":")
            cells = [name, value.strip()]
        if len(cells) == 2:
            out.setdefault(fold(cells[0]), cells[1])
    for names, values in itertools.pairwise([row for row in rows if row]):
        if len(names) == len(values) > 2:  # a line of names above a line of values
            for name, value in zip(names, values, strict=True):
                out.setdefault(fold(name), value.strip())
    return out


def _near(row: Sequence[str], kind: str) -> Near | None:
    """Return the layout whose header shares most names with a row, if it shares at least half of them."""
    tokens = _tokens(row)
    if len(tokens) < 3:
        return None
    here, best = set(tokens), None
    for layout in known():
        for header in layout.layout.headers if layout.layout.kind == kind else ():
            plain = [fold(name.removesuffix("?")) for name in header if name not in (CELLS, ANY)]
            if len(here & set(plain)) < 3:
                continue
            slots = _slot_names(layout, tokens)
            shared = len(here & set(plain)) / len((here - slots) | set(plain))
            if shared >= 0.5 and (best is None or shared > best.shared):
                best = Near(layout, _difference(header, row, slots), shared)
    return best


def _column(name: str) -> str:
    """Return the name of a column for an error; one with a long number may be an account, and is not repeated."""
    return "an additional column" if re.search(r"\d{5}", name) else f"column {name.strip()[:60]!r}"


def _difference(header: Sequence[str], row: Sequence[str], slots: set[str]) -> str:
    known_names = {fold(name.removesuffix("?")) for name in header} | slots
    tokens = _tokens(row)
    missing = [n for n in header if not n.endswith("?") and n not in (CELLS, ANY) and fold(n) not in tokens]
    other = [_column(row[i]) for i, token in enumerate(tokens) if token and token not in known_names]
    if missing and other:
        return f"it has {other[0]} instead of {missing[0]!r}"
    if missing:
        return f"column {missing[0]!r} is missing"
    if other:
        return f"{other[0]} is not part of it"
    return "the columns are in another order"
