"""Tables of resources other than readings: one row for each resource, one column for each member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.espi import _bills, _clock, _series
from greenkit.espi._cells import MOST_UNKNOWN, Cells, Reader
from greenkit.espi._codes import CURRENCY, MONEY, Codes
from greenkit.espi._feed import Entry, Resource, href
from greenkit.espi._members import LINE_ITEM, TABLES, Members
from greenkit.espi._readings import NONE
from greenkit.espi._series import SeriesResolver, branch, one
from greenkit.espi._xml import Tree
from greenkit.findings import Findings, Kind
from greenkit.times import Instants, to_times

DUPLICATE_BILLS: Final = Kind(
    "espi.bill.repeated",
    "warning",
    "greenkit left out {count:exact duplicate bill}.",
    "Check whether the feed overlaps another one.",
)
WITHHELD: Final = Kind("espi.member.withheld", "info", "greenkit left out members that may be secrets: {names}.")
REPEATED: Final = Kind(
    "espi.member.repeated",
    "warning",
    "Members that may occur only once in a resource occur several times, with different values: {names}. greenkit "
    "kept the first.",
    "Check these members in the feed.",
)
TOO_MANY: Final = Kind(
    "espi.member.too-many",
    "warning",
    "A table has more than {most:,} members that no schema defines. greenkit left out {count:member}.",
    "Check that this is the feed you meant to load.",
)

_BILLS: Final = ("UsageSummary", "ElectricPowerUsageSummary")
_AFTER: Final = ("title", "published", "updated", "source")
# pandas 2 has no string dtype that can contain None
_TEXT: Final = "str" if int(pd.__version__.partition(".")[0]) >= 3 else "object"
_DTYPES: Final = {"text": _TEXT, "list": _TEXT, "int": "Int64", "flag": "boolean"}
_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("usage_points", "bills", "power_quality"), ("meter", "id")),
    "line_items": ("meter", "bill", "bill_start", "bill_end"),
    "accounts": ("id", "customer"),
    "agreements": ("id", "customer", "account"),
    "service_locations": ("meter", "id", "customer", "account", "agreement"),
    "meters": ("meter", "id", "customer", "account", "agreement", "service_location"),
    "statements": ("id", "customer", "account", "agreement"),
}
"""Columns of a table before its members: what each row belongs to. All other tables begin with ``id``."""
_LADDER: Final = {
    "customer": "Customer",
    "account": "CustomerAccount",
    "agreement": "CustomerAgreement",
    "service_location": "ServiceLocation",
}
"""Levels of a customer feed, from the top down."""
_EDGES: Final = ("start", "end")
_DERIVED: Final = {"reading_types": "unit", "local_time": "zone"}
_EMPTY: Final[dict[tuple[str, str], pd.DataFrame]] = {}
"""Tables without rows by name and time zone, each built once."""


@dataclass(slots=True)
class _Rows:
    """The rows of a table, of which its frame is built when it is asked for."""

    rows: list[Cells]
    reader: Reader
    before: tuple[str, ...]
    after: tuple[str, ...]


class Tables:
    """The tables of a feed, each read and built when it is asked for."""

    def __init__(self, resolver: SeriesResolver, codes: Codes, epoch: str = "utc") -> None:
        self.resolver, self.feed, self.codes, self.epoch = resolver, resolver.feed, codes, epoch
        self.readings = self.feed.readings
        self._frames: dict[str, pd.DataFrame] = {}
        self._rows: dict[str, _Rows] = {}
        self._findings_of: dict[str, Findings] = {}
        self._on_zones = Findings()
        self._indexes = {kind: _series.EntryIndex(self.feed, kind) for kind in _LADDER.values()}
        self._found: dict[tuple[str, int, str], Entry | None] = {}
        self._meters: dict[tuple[str, int], str] = {}
        self._resent = 0
        self._types = {e.self_: e for e in resolver.reading_types.entries if e.self_}
        self._uncounted = Codes()
        words = {self._currency_named(r.data) for r in self.feed.of("ReadingType")}
        self._currency = words.pop() if len(words) == 1 else None

    def table(self, name: str) -> pd.DataFrame:
        """Return one of :data:`greenkit.espi._members.TABLES`, or ``line_items``."""
        if name not in self._frames:
            self._frames[name] = self._build(name, self._read(name))
        return self._frames[name]

    def findings(self, readings: pd.DataFrame) -> Findings:
        """Read every table, check the bills against the readings, and return the findings. No frame is built."""
        out = Findings()
        for name, (kinds, _) in TABLES.items():
            if self.feed.of(*kinds):
                bills = self._read(name).rows
                out.extend(self._findings_of[name])
                if name == "bills":
                    items = self._read("line_items").rows
                    out.extend(self._findings_of["line_items"])
                    start, end = (self._times([row.get(f"billing_period_{edge}") for row in bills]) for edge in _EDGES)
                    out.extend(_bills.check(bills, start, end, items, readings))
        # the same resource in several files of a folder is normal, except for bills
        if self._resent:
            out.add(DUPLICATE_BILLS, count=self._resent)
        return Findings([*self._on_zones, *out])

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each table that was read."""
        names = [name for own in TABLES for name in ((own, "line_items") if own == "bills" else (own,))]
        return {name: len(self._rows[name].rows) for name in names if name in self._rows}

    def _build(self, name: str, table: _Rows) -> pd.DataFrame:
        """Build a table, or copy the one without rows: most feeds have few of the tables."""
        if table.rows:
            return self._frame(name, table)
        key = name, str(self.resolver.table_zone)
        if key not in _EMPTY:
            _EMPTY[key] = self._frame(name, table)
        return _EMPTY[key].copy()

    def _read(self, name: str) -> _Rows:
        if name not in self._rows:
            self._findings_of[name] = Findings()
            self._rows[name] = self._line_items() if name == "line_items" else self._table(name)
            self._findings_of[name].extend(_report(self._rows[name].reader))
            self._on_zones.extend(self.resolver.take_findings())
        return self._rows[name]

    def _table(self, name: str) -> _Rows:
        kinds, members = TABLES[name]
        before, after = _BEFORE.get(name, ("id",)), (*_AFTER, *(["resource"] if len(kinds) > 1 else []))
        extra = (_DERIVED[name],) if name in _DERIVED else ()
        reader = self._reader(members, (*before, *after, *extra, *(_EDGES if name == "bills" else ())))
        rows = []
        for resource in self._once_each(kinds):
            row = self._before(resource, before) | self._cells(name, reader, resource) | self._after(resource)
            rows.append(row | {column: self._derived(name, resource) for column in extra})
        return _Rows(rows, reader, before, (*extra, *after))

    def _line_items(self) -> _Rows:
        before = _BEFORE["line_items"]
        reader = self._reader(LINE_ITEM, (*before, *_AFTER))
        rows = []
        for resource in self._once_each(_BILLS):
            whose = self._before(resource, ("meter", "id"))
            period = reader.period("bill", branch(resource.data, "billingPeriod") or {})
            head = {"meter": whose["meter"], "bill": whose["id"], **period}
            currency = self._currency_of(resource.data)
            for item in _bills.details(resource.data):
                cells = reader.row(item, _bills.item_power(item), currency)
                rows.append({**head, **cells, "currency": currency, **self._after(resource)})
        return _Rows(rows, reader, before, _AFTER)

    def _reader(self, members: Members, reserved: tuple[str, ...]) -> Reader:
        zone = self.resolver.table_zone
        return Reader(self.readings, self.codes, members, reserved, zone, typed=self._typed)

    def _typed(self, ref: str) -> Tree | None:
        return self.resolver.data("ReadingType", self._types.get(href(ref)))

    def _cells(self, name: str, reader: Reader, resource: Resource) -> Cells:
        if name != "bills":
            return reader.row(resource.data, MONEY)
        power, found = _bills.bill_power(resource.data, self.readings)
        self._findings_of[name].extend(f for f in found if f.name not in self._findings_of[name].names)
        currency = self._currency_of(resource.data)
        return reader.row(_bills.without_details(resource.data), power, currency) | {"currency": currency}

    def _currency_of(self, data: Tree) -> str | None:
        """Return the currency of a bill, which may be declared by its ReadingType (espi.xsd, billLastPeriod)."""
        return self._currency_named(data) or self._currency

    def _currency_named(self, data: Tree) -> str | None:
        return self._uncounted.word(CURRENCY, "currency", one(data, "currency"))

    def _derived(self, name: str, resource: Resource) -> str | None:
        if name == "local_time":
            return self.resolver.zone_named(resource.data)
        return self.codes.unit(one(resource.data, "uom")).name

    def _once_each(self, kinds: tuple[str, ...]) -> list[Resource]:
        """Return the resources of these kinds, each once, because overlapping files contain them several times."""
        seen: set[tuple[str, str, str]] = set()
        out = []
        for resource in self.feed.of(*kinds):
            entry = self.feed.entries[resource.entry]
            whose = entry.self_ or entry.id
            if resource.kind in _BILLS and "billingPeriod" in resource.data and self._meter(resource) != "unknown":
                whose = f"{self._meter(resource)} "  # two exports may name one bill differently
            key = (resource.kind, whose, repr(resource.data))
            if not whose or key not in seen:
                out.append(resource)
            seen.add(key)
        if kinds == _BILLS:
            self._resent = len(self.feed.of(*kinds)) - len(out)
        return out

    def _before(self, resource: Resource, columns: tuple[str, ...]) -> Cells:
        entry = self.feed.entries[resource.entry]
        out: Cells = {}
        for column in columns:
            if column == "meter":
                out[column] = self._meter(resource)
            elif column == "id":
                out[column] = self._id(entry, resource.kind)
            else:
                above = self._above(entry, resource.kind, _LADDER[column])
                out[column] = self._id(above, _LADDER[column]) if above else None
        return out

    def _id(self, entry: Entry, kind: str) -> str:
        names = self.resolver.names.get(kind, {})
        return names.get(entry.number) or entry.self_.rpartition("/")[2] or _series.own_name(entry)

    def _meter(self, resource: Resource) -> str | None:
        entry = self.feed.entries[resource.entry]
        if resource.kind == "UsagePoint":
            return self.resolver.names["UsagePoint"][entry.number]
        if resource.kind in ("Meter", "EndDevice"):
            above = self._above(entry, resource.kind, "ServiceLocation")
            return self._served(self.resolver.data("ServiceLocation", above))
        if resource.kind == "ServiceLocation":
            return self._served(resource.data)
        key = resource.kind, resource.entry
        if key not in self._meters:
            usage_point = self.resolver.usage_point(entry, resource.kind)
            self._meters[key] = self.resolver.meter(entry, usage_point)
        return self._meters[key]

    def _served(self, location: Tree | None) -> str | None:
        """Return the names of the usage points of a service location, from their entries if the feed has them."""
        lists = [v for v in (location or {}).get("UsagePoints", ()) if isinstance(v, dict)]
        paths = [href(ref) for tree in lists for ref in tree.get("UsagePoint", ()) if isinstance(ref, str) and ref]
        found = [(path, self.resolver.usage_points.by_self.get(path)) for path in paths]
        names = [self._id(es[0], "UsagePoint") if es else path.rpartition("/")[2] for path, es in found]
        return "; ".join(dict.fromkeys(names)) or None

    def _above(self, entry: Entry, kind: str, wanted: str) -> Entry | None:
        """Return the customer, account, agreement, or location that an entry belongs to, through the levels between."""
        key = (kind, entry.number, wanted)
        if key not in self._found:
            self._found[key] = None  # links may form a circle
            rungs = list(_LADDER.values())
            top = rungs.index(wanted)
            below = rungs[top + 1 : rungs.index(kind) if kind in rungs else None]
            found = self._joined(entry, kind, wanted, only=False)
            for rung in reversed(below) if found is None else ():
                between = self._joined(entry, kind, rung, only=False)
                found = found or (self._above(between, rung, wanted) if between else None)
            self._found[key] = found or self._joined(entry, kind, wanted, only=True)
        return self._found[key]

    def _joined(self, entry: Entry, kind: str, wanted: str, *, only: bool) -> Entry | None:
        index = self._indexes[wanted]
        if only:
            here = index.by_document.get(entry.document, [])
            return here[0] if len(here) == 1 else None
        return self.resolver.links.linked(entry, index, _series.UPWARD)

    def _after(self, resource: Resource) -> Cells:
        entry = self.feed.entries[resource.entry]
        return {
            "title": entry.title or None,
            "published": entry.published or None,
            "updated": entry.updated or None,
            "source": self.feed.documents[entry.document].name,
            "resource": resource.kind,
        }

    def _frame(self, name: str, table: _Rows) -> pd.DataFrame:
        """Build a table: what a row belongs to, the members of the schemas in order, the others, those of the entry."""
        kinds = dict.fromkeys(table.before, "text") | table.reader.kinds | dict.fromkeys(table.after, "text")
        kinds |= dict.fromkeys(("bill_start", "bill_end") if "bill" in table.before else (), "time")
        kinds |= {"published": "stamp", "updated": "stamp"}
        # most columns of most tables are empty, and one empty column of a kind is as good as another
        empty: dict[str, Any] = {}
        columns: dict[str, Any] = {}
        renamed = {"billing_period_start": "start", "billing_period_end": "end"} if name == "bills" else {}
        for column, kind in kinds.items():
            cells = [row.get(column) for row in table.rows]
            if all(cell is None for cell in cells):
                if kind not in empty:
                    empty[kind] = self._column(cells, kind)
                columns[renamed.get(column, column)] = empty[kind]
            else:
                columns[renamed.get(column, column)] = self._column(cells, kind)
        return pd.DataFrame(columns)

    def _times(self, cells: list[Any]) -> Instants:
        """Return the UTC times of cells, NONE for an empty one."""
        instants = np.array([NONE if c is None else c for c in cells], dtype=np.int64)
        known = instants != NONE
        instants[known] = _clock.instants(instants[known], self.epoch, self.resolver.table_zone)
        return instants

    def _column(self, cells: list[Any], kind: str) -> Any:
        zone = self.resolver.table_zone
        if kind == "time":
            return to_times(self._times(cells), zone)
        if kind == "stamp":
            stamps = pd.to_datetime(pd.Series(cells, dtype="object"), utc=True, errors="coerce", format="ISO8601")
            return stamps.dt.as_unit("us").dt.tz_convert(zone).array
        if kind in ("text", "list"):
            cells = [c if c is None or isinstance(c, str) else str(c) for c in cells]
        if kind == "money" or kind == "float64":
            return np.array(cells, dtype=np.float64)  # None becomes NaN
        return pd.array(cells, dtype=_DTYPES.get(kind, kind))


def _report(reader: Reader) -> Findings:
    """Return the findings on the members of one table."""
    out = Findings()
    if reader.withheld:
        names = sorted(reader.withheld)[:5]
        out.add(WITHHELD, members=names, words={"names": ", ".join(names)})
    if reader.repeated:
        counts = dict(sorted(reader.repeated.items())[:20])
        out.add(REPEATED, counts=counts, words={"names": ", ".join(list(counts)[:5])})
    if reader.dropped:
        out.add(TOO_MANY, count=len(reader.dropped), words={"most": MOST_UNKNOWN})
    return out
