"""The members of a resource as cells of a table's row, those that the schemas define and others.

A member that no schema defines is kept under the name that its path gives: ``extension/rate/step`` becomes
``extension_rate_step``. Only members that may be secrets are left out.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from greenkit.errors import FormatError
from greenkit.espi._codes import Codes, integer
from greenkit.espi._members import Kind, Members
from greenkit.espi._readings import LAST, NONE, Readings
from greenkit.espi._series import one
from greenkit.espi._xml import Tree
from greenkit.times import US, to_times

Cells = dict[str, Any]
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[/_:]")
_SECRET: Final = re.compile(r"secret|token|passw|passphrase|credential|api_?key|auth\w*_?code|^pin$|^ssn$", re.I)
_PERIOD: Final = frozenset({"start", "duration"})
_ENDED: Final = _PERIOD | {"end"}
"""Members of a period: some senders write its end instead of its duration."""
_MEASURE: Final = frozenset({"powerOfTenMultiplier", "timeStamp", "uom", "value", "readingTypeRef"})
_TIMES: Final = frozenset(
    {"dateTime", "effectiveDate", "startEffectiveDate", "endEffectiveDate", "time", "programDate", "issueDateTime"}
)
"""Members of lists that are times."""
_FLAGS: Final = {"true": True, "1": True, "yes": True, "y": True, "false": False, "0": False, "no": False, "n": False}
MOST_UNKNOWN: Final = 200
"""Columns that a table has at most for members that no schema defines."""


class Known(NamedTuple):
    """A member that the schemas define."""

    path: str
    kind: Kind


def column(path: str) -> str:
    """Return the name of a member's column.

    Examples
    --------
    >>> column("serviceDeliveryPoint/tariffProfile"), column("resourceURI"), column("expires_at")
    ('service_delivery_point_tariff_profile', 'resource_uri', 'expires_at')
    """
    return "_".join(part.lower() for part in _WORDS.split(path) if part) or "text"


def columns_of(name: str, kind: Kind) -> dict[str, str]:
    """Return the columns of a member of this kind, and the kind of each."""
    if kind == "period":
        return {f"{name}_start": "time", f"{name}_end": "time"}
    if kind == "measure":
        return {name: "float64", f"{name}_unit": "text", f"{name}_time": "time", f"{name}_reading_type_ref": "text"}
    return {name: kind if isinstance(kind, str) else "text"}


def scaled(value: float, power: int) -> float:
    """Return value × 10^power. A negative power divides, which rounds decimals as they are written."""
    return value / 10.0**-power if power < 0 else value * 10.0**power


class Reader:
    """Reads the resources of one table into rows.

    Parameters
    ----------
    readings, codes
        Count texts that are not numbers, and codes that are not in a table.
    members : Members
        Members that the schemas define.
    reserved : iterable of str
        Other columns of the table. A member with such a name is kept as ``member_…``.
    zone : str
        Time zone in which the times of lists are written.
    typed : callable, optional
        Return the ReadingType that a readingTypeRef refers to.
    """

    def __init__(
        self,
        readings: Readings,
        codes: Codes,
        members: Members,
        reserved: Iterable[str],
        zone: str,
        typed: Callable[[str], Tree | None] = lambda ref: None,
    ) -> None:
        self.readings, self.codes, self.zone, self.typed = readings, codes, zone, typed
        self.reserved = frozenset(reserved)
        self.known = _nested(tuple(members.items()))
        self.kinds: dict[str, str] = {}
        for path, kind in members.items():
            self.kinds |= columns_of(self._column(path), kind)
        self.standard = frozenset(self.kinds)
        self.withheld: set[str] = set()
        self.repeated: Counter[str] = Counter()
        self.dropped: set[str] = set()
        self.currency: str | None = None
        self.power = 0

    def row(self, data: Tree, power: int, currency: str | None = None) -> Cells:
        """Read one resource, whose money is in 10^power of the currency."""
        self.power, self.currency = power, currency
        cells: Cells = {}
        self._walk(data, self.known, "", cells)
        return cells

    def _column(self, path: str) -> str:
        name = column(path)
        return f"member_{name}" if name in self.reserved else name

    def _walk(self, data: Tree, known: dict[str, Any], path: str, cells: Cells) -> None:
        for name, values in data.items():
            found = known.get(name.lower())
            trees = [v for v in values if isinstance(v, dict)]
            texts = [v for v in values if isinstance(v, str) and v]
            here = f"{path}/{name}" if path else name
            if isinstance(found, Known) and (found.kind == "list" or not isinstance(found.kind, str)):
                cells |= self._listed(found, values)
            elif isinstance(found, Known) and (found.kind in ("period", "measure")) == bool(trees):
                cells |= self._member(found, trees or texts)
                self._beyond(found, trees, cells)
            elif isinstance(found, dict) and trees:
                self._walk(_merged(trees), found, here, cells)
                self._unknown(here, texts, [], cells)
            else:
                self._unknown(here, texts, trees, cells)

    def _listed(self, known: Known, values: list[Any]) -> Cells:
        name = self._column(known.path)
        if known.kind == "list":
            parts = [part for value in values for part in self._parts(value, known.path)]
            return {name: "; ".join(parts) or None}
        texts = self._first(known.path, [v for v in values if isinstance(v, str) and v])
        return {name: self.codes.word(known.kind, known.path, texts)}  # type: ignore[arg-type]  # a table of words

    def _member(self, known: Known, values: list[Any]) -> Cells:
        name = self._column(known.path)
        if known.kind == "text":
            return {name: "; ".join(dict.fromkeys(values)) or None}
        first = self._first(known.path, values)
        if known.kind == "period":
            return self.period(name, first or {})
        if known.kind == "measure":
            return self._measure(name, first or {})
        return {name: self._scalar(known.path, first, str(known.kind))}

    def _beyond(self, known: Known, trees: list[Tree], cells: Cells) -> None:
        """Keep the members of a period or a measurement that it does not define."""
        own = _ENDED if known.kind == "period" else _MEASURE
        for name, values in trees[0].items() if trees else ():
            if name in own:
                continue
            inner = [v for v in values if isinstance(v, dict)]
            self._unknown(f"{known.path}/{name}", [v for v in values if isinstance(v, str) and v], inner, cells)

    def _first(self, path: str, values: list[Any]) -> Any:
        """Return the only value, or the first of several, which are counted if they differ."""
        if any(v != values[0] for v in values[1:]):
            self.repeated[path] += 1
        return values[0] if values else None

    def _scalar(self, path: str, text: str | None, kind: str) -> Any:
        if kind == "money":
            return scaled(self.readings.number(path, text), self.power)
        if kind == "time":
            return self._instant(text, path)
        known = _FLAGS.get((text or "").lower()) if kind == "flag" else integer(text)
        if text and known is None:
            self.readings.doubtful["not-a-flag" if kind == "flag" else "not-a-number", path] += 1
        return known

    def _instant(self, text: str | None, path: str = "TimeType") -> int:
        try:
            return self.readings.instant(text)
        except FormatError:
            self.readings.doubtful["not-a-time", path] += 1
            return NONE

    def period(self, name: str, tree: Tree) -> Cells:
        """Read a DateTimeInterval."""
        start = self._instant(one(tree, "start"), f"{name} start")
        if "duration" not in tree:
            return {f"{name}_start": start, f"{name}_end": self._instant(one(tree, "end"), f"{name} end")}
        seconds = self.readings.number(f"{name} duration", one(tree, "duration"))
        # senders write an agreement without end as one of thousands of years, more than the type allows
        end = start + round(seconds * US) if start != NONE and 0 <= seconds < LAST // US else NONE
        return {f"{name}_start": start, f"{name}_end": end if NONE < end < LAST else NONE}

    def _measure(self, name: str, tree: Tree) -> Cells:
        ref = one(tree, "readingTypeRef")
        typed = self.typed(ref) if ref and not one(tree, "uom") else None
        unit = self.codes.unit(one(tree, "uom") or one(typed, "uom"))
        power = integer(one(tree, "powerOfTenMultiplier") or one(typed, "powerOfTenMultiplier")) or 0
        value = self.readings.number(name, one(tree, "value"))
        is_money = unit.name == "currency" and self.currency
        return {
            name: scaled(value, power - unit.kilo if abs(power) <= 30 else -unit.kilo),
            f"{name}_unit": (self.currency if is_money else unit.name) if tree else None,
            f"{name}_time": self._instant(one(tree, "timeStamp"), f"{name} timeStamp"),
            f"{name}_reading_type_ref": ref,
        }

    def _parts(self, value: Any, path: str) -> list[str]:
        """Return the texts of the elements of a list, without wrappers (``pnodeRefs`` around ``pnodeRef``)."""
        if isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            if path.lower().endswith(f"{name.lower()}s"):
                return [part for v in inner for part in self._parts(v, "")]
        text = self._flat(value)
        return [text] if text else []

    def _flat(self, value: Any, name: str = "") -> str:
        if isinstance(value, str):
            return self._written(value) if name in _TIMES else value
        if "value" in value and _MEASURE >= value.keys() > {"value"}:
            found = self._measure("", value)
            return f"{found['']:g} {found['_unit']}"
        return ", ".join(
            f"{inner.removeprefix(':')} {text}" if inner else text
            for inner, values in value.items()
            if not _SECRET.search(inner)
            for v in values
            if (text := self._flat(v, inner))
        )

    def _written(self, text: str) -> str:
        instant = self._instant(text)
        return text if instant == NONE else str(to_times(np.array([instant], dtype=np.int64), self.zone)[0])

    def _unknown(self, path: str, texts: list[str], trees: list[Tree], cells: Cells) -> None:
        if not texts and not trees:
            return
        if _SECRET.search(path.rpartition("/")[2].removeprefix(":")):
            self.withheld.add(path)
            return
        name = column(path)
        name = f"member_{name}" if name in self.reserved or name in self.standard else name
        if texts:
            self._keep(name, "text", {name: "; ".join(dict.fromkeys(texts))}, cells)
        if len(trees) == 1 and trees[0].keys() == _PERIOD:
            self._keep(name, "period", self.period(name, trees[0]), cells)
        elif len(trees) == 1 and "value" in trees[0] and _MEASURE >= trees[0].keys() > {"value"}:
            self._keep(name, "measure", self._measure(name, trees[0]), cells)
        elif trees:
            self._walk(_merged(trees), {}, path, cells)

    def _keep(self, name: str, kind: Kind, found: Cells, cells: Cells) -> None:
        kinds = columns_of(name, kind)
        if not kinds.keys() <= self.kinds.keys() and len(self.kinds) - len(self.standard) >= MOST_UNKNOWN:
            self.dropped.add(name)
            return
        for key, kind_of in kinds.items():
            # mixed numeric and text values: make the column text
            self.kinds[key] = kind_of if self.kinds.get(key, kind_of) == kind_of else "text"
        cells |= found


def _nested(members: tuple[tuple[str, Kind], ...]) -> dict[str, Any]:
    """Return members as a tree of lower-case names, because case differs between versions and senders."""
    out: dict[str, Any] = {}
    for path, kind in members:
        *parents, last = path.lower().split("/")
        here = functools.reduce(lambda tree, part: tree.setdefault(part, {}), parents, out)
        here[last] = Known(path, kind)
    return out


def _merged(trees: list[Tree]) -> Tree:
    if len(trees) == 1:
        return trees[0]
    out: Tree = {}
    for tree in trees:
        for name, values in tree.items():
            out.setdefault(name, []).extend(values)
    return out
