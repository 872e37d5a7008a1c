"""Resources other than readings as tables: one row a resource, one column a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.days import times
from greenkit.espi import _bills, _clock, _series
from greenkit.espi._cells import MOST_UNKNOWN, Cells, Reader
from greenkit.espi._codes import CURRENCY, MONEY, Codes
from greenkit.espi._feed import Entry, Resource, Tree, href
from greenkit.espi._members import LINE_ITEM, TABLES, Members
from greenkit.espi._readings import NONE
from greenkit.espi._series import Planner, branch, one
from greenkit.findings import counted

_BILLS: Final = ("UsageSummary", "ElectricPowerUsageSummary")
_AFTER: Final = ("title", "published", "updated", "source")
_DTYPES: Final = {"text": "str", "list": "str", "int": "Int64", "flag": "boolean", "money": "float64"}
_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("usage_points", "bills", "power_quality"), ("meter", "id")),
    "line_items": ("meter", "bill", "bill_start", "bill_end"),
    "accounts": ("id", "customer"),
    "agreements": ("id", "customer", "account"),
    "service_locations": ("meter", "id", "customer", "account", "agreement"),
    "meters": ("meter", "id", "customer", "account", "agreement", "service_location"),
    "statements": ("id", "customer", "account", "agreement"),
}
"""The columns of a table before its members: whose it is. All others begin with ``id``."""
_LADDER: Final = {
    "customer": "Customer",
    "account": "CustomerAccount",
    "agreement": "CustomerAgreement",
    "service_location": "ServiceLocation",
}
"""What stands above what in a customer feed."""
_UNIT: Final = {"reading_types": "unit", "local_time": "zone"}


class Tables:
    """Builds each table of a feed."""

    def __init__(self, planner: Planner, codes: Codes, epoch: str = "utc") -> None:
        self.planner, self.feed, self.codes, self.epoch = planner, planner.feed, codes, epoch
        self.readings = self.feed.readings
        self._indexes = {kind: _series.Index(self.feed, kind) for kind in _LADDER.values()}
        self._found: dict[tuple[str, int, str], Entry | None] = {}
        self._meters: dict[tuple[str, int], str] = {}
        self._resent = 0
        self._types = {e.self_: e for e in planner.reading_types.entries if e.self_}
        self._uncounted = Codes()
        words = {self._currency_named(r.data) for r in self.feed.of("ReadingType")}
        self._currency = words.pop() if len(words) == 1 else None

    def table(self, name: str) -> pd.DataFrame:
        """Build one of :data:`greenkit.espi._members.TABLES`."""
        kinds, members = TABLES[name]
        before, after = _BEFORE.get(name, ("id",)), (*_AFTER, *(["resource"] if len(kinds) > 1 else []))
        extra = (_UNIT[name],) if name in _UNIT else ()
        renamed = {"billing_period_start": "start", "billing_period_end": "end"} if name == "bills" else {}
        reader = self._reader(members, (*before, *after, *extra, *renamed.values()))
        rows = []
        for resource in self._once_each(kinds):
            row = self._before(resource, before) | self._cells(name, reader, resource) | self._after(resource)
            rows.append(row | {column: self._derived(name, resource) for column in extra})
        self._report(reader)
        return self._frame(rows, before, reader, (*extra, *after)).rename(columns=renamed)

    def line_items(self) -> pd.DataFrame:
        """Build the table of the bills' line items."""
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
        self._report(reader)
        return self._frame(rows, before, reader, _AFTER)

    def report(self) -> None:
        """Say last what was counted on the way: repeated bills, texts that are no numbers, codes that no table knows.

        That resources other than bills come more than once, as in a folder of files, is no matter.
        """
        if self._resent:
            text = f"{counted(self._resent, 'bill')} stood more than once, unchanged: counted once."
            self.feed.findings.add("espi.bill.repeated", text, severity="warning", count=self._resent)
        self.readings.report(self.feed.findings)
        self.codes.report(self.feed.findings)

    def _reader(self, members: Members, reserved: tuple[str, ...]) -> Reader:
        zone = self.planner.table_zone
        return Reader(self.readings, self.codes, members, reserved, zone, typed=self._typed)

    def _typed(self, ref: str) -> Tree | None:
        return self.planner.data("ReadingType", self._types.get(href(ref)))

    def _cells(self, name: str, reader: Reader, resource: Resource) -> Cells:
        if name != "bills":
            return reader.row(resource.data, MONEY)
        power = _bills.bill_power(resource.data, self.readings, self.feed.findings)
        currency = self._currency_of(resource.data)
        return reader.row(_bills.without_details(resource.data), power, currency) | {"currency": currency}

    def _currency_of(self, data: Tree) -> str | None:
        """Give a bill's currency; one that names none means its ReadingType's (espi.xsd, billLastPeriod)."""
        return self._currency_named(data) or self._currency

    def _currency_named(self, data: Tree) -> str | None:
        return self._uncounted.word(CURRENCY, "currency", one(data, "currency"))

    def _derived(self, name: str, resource: Resource) -> str | None:
        if name == "local_time":
            return self.planner.zone_named(resource.data)
        return self.codes.unit(one(resource.data, "uom")).name

    def _once_each(self, kinds: tuple[str, ...]) -> list[Resource]:
        """Give the resources of these kinds, each once: files that overlap, or a folder of them, repeat them."""
        seen: set[tuple[str, str, str]] = set()
        out = []
        for resource in self.feed.of(*kinds):
            entry = self.feed.entries[resource.entry]
            whose = entry.self_ or entry.id
            if resource.kind in _BILLS and "billingPeriod" in resource.data and self._meter(resource) != "unknown":
                whose = f"{self._meter(resource)} "  # exports at two times may name one bill differently
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
        names = self.planner.names.get(kind, {})
        return names.get(entry.number) or entry.self_.rpartition("/")[2] or _series.own_name(entry)

    def _meter(self, resource: Resource) -> str | None:
        entry = self.feed.entries[resource.entry]
        if resource.kind == "UsagePoint":
            return self.planner.names["UsagePoint"][entry.number]
        if resource.kind in ("Meter", "EndDevice"):
            above = self._above(entry, resource.kind, "ServiceLocation")
            return self._served(self.planner.data("ServiceLocation", above))
        if resource.kind == "ServiceLocation":
            return self._served(resource.data)
        key = resource.kind, resource.entry
        if key not in self._meters:
            usage_point = self.planner.usage_point(entry, resource.kind)
            self._meters[key] = self.planner.meter(entry, usage_point)
        return self._meters[key]

    def _served(self, location: Tree | None) -> str | None:
        """Name the usage points of a service location, by their entries where the feed has them."""
        lists = [v for v in (location or {}).get("UsagePoints", ()) if isinstance(v, dict)]
        paths = [href(ref) for tree in lists for ref in tree.get("UsagePoint", ()) if isinstance(ref, str) and ref]
        found = [(path, self.planner.usage_points.by_self.get(path)) for path in paths]
        names = [self._id(es[0], "UsagePoint") if es else path.rpartition("/")[2] for path, es in found]
        return "; ".join(dict.fromkeys(names)) or None

    def _above(self, entry: Entry, kind: str, wanted: str) -> Entry | None:
        """Find the customer, account, agreement or location that an entry belongs to, through those between."""
        key = (kind, entry.number, wanted)
        if key not in self._found:
            self._found[key] = None  # links may run in a circle
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
        return self.planner.resolver.linked(entry, index, _series.UPWARD)

    def _after(self, resource: Resource) -> Cells:
        entry = self.feed.entries[resource.entry]
        return {
            "title": entry.title or None,
            "published": entry.published or None,
            "updated": entry.updated or None,
            "source": self.feed.documents[entry.document].name,
            "resource": resource.kind,
        }

    def _report(self, reader: Reader) -> None:
        add = self.feed.findings.add
        if reader.withheld:
            names = sorted(reader.withheld)[:5]
            add(
                "espi.member.withheld", f"Members that may be secrets were left out: {', '.join(names)}.", members=names
            )
        if reader.repeated:
            counts = dict(sorted(reader.repeated.items())[:20])
            shown = ", ".join(list(counts)[:5])
            text = f"Members that stand once stood more often, and differ: {shown}. The first was taken."
            add("espi.member.repeated", text, severity="warning", counts=counts)
        if reader.dropped:
            text = f"More than {MOST_UNKNOWN} members that no schema names: {len(reader.dropped):,} were passed over."
            add("espi.member.too-many", text, severity="warning", count=len(reader.dropped))

    def _frame(
        self, rows: list[Cells], before: tuple[str, ...], reader: Reader, after: tuple[str, ...]
    ) -> pd.DataFrame:
        """Lay out rows: whose it is, the members of the schemas in their order, the others, the entry's own."""
        kinds = dict.fromkeys(before, "text") | reader.kinds | dict.fromkeys(after, "text")
        kinds |= dict.fromkeys(("bill_start", "bill_end") if "bill" in before else (), "time")
        kinds |= {"published": "stamp", "updated": "stamp"}
        return pd.DataFrame({name: self._column([row.get(name) for row in rows], kind) for name, kind in kinds.items()})

    def _column(self, cells: list[Any], kind: str) -> Any:
        zone = self.planner.table_zone
        if kind == "time":
            instants = np.array([NONE if c is None else c for c in cells], dtype=np.int64)
            known = instants != NONE
            instants[known] = _clock.instants(instants[known], self.epoch, zone)
            return pd.Series(times(instants, zone))
        if kind == "stamp":
            stamps = pd.to_datetime(pd.Series(cells, dtype="object"), utc=True, errors="coerce", format="ISO8601")
            return stamps.dt.as_unit("us").dt.tz_convert(zone)
        if kind in ("text", "list"):
            cells = [c if c is None or isinstance(c, str) else str(c) for c in cells]
            if pd.__version__ < "3":
                return pd.Series(cells, dtype="object")  # pandas 2.2 has no str that holds None
        return pd.Series(cells, dtype=_DTYPES.get(kind, kind))
