"""Resources other than readings as tables: one row a resource, one column a member."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.days import times
from greenkit.errors import FormatError
from greenkit.espi import links
from greenkit.espi.codes import Codes, integer
from greenkit.espi.feed import Resource, Tree
from greenkit.espi.members import LINE_ITEM, TABLES, Kind, Members, paths_of
from greenkit.espi.readings import NONE
from greenkit.espi.series import Planner, branch, one

MONEY: Final = -5  # ESPI's money is in hundred-thousandths of the currency
_CURRENCY_UOM: Final = "80"
_DETAILS: Final = ("costAdditionalDetailLastPeriod", "costAdditionalDetailsLastPeriod")
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[/_]")
_BEFORE: Final = ("meter", "id")
_AFTER: Final = ("title", "published", "updated", "source")
_DTYPES: Final = {"text": "str", "list": "str", "int": "Int64", "flag": "boolean", "money": "float64"}

Cells = dict[str, Any]


def column(path: str) -> str:
    """Name a member's column.

    Examples
    --------
    >>> column("serviceDeliveryPoint/tariffProfile"), column("resourceURI"), column("expires_at")
    ('service_delivery_point_tariff_profile', 'resource_uri', 'expires_at')
    """
    return "_".join(part.lower() for part in _WORDS.split(path) if part)


class Tables:
    """Builds each table of a feed."""

    def __init__(self, planner: Planner, codes: Codes) -> None:
        self.planner, self.feed, self.codes = planner, planner.feed, codes
        self.readings = self.feed.readings

    def table(self, name: str) -> pd.DataFrame:
        """Build one of :data:`greenkit.espi.members.TABLES`."""
        kinds, members = TABLES[name]
        power = self._bill_power if name == "bills" else lambda resource: MONEY
        rows = [
            (resource, {**self._before(resource), **self._cells(resource.data, members, power(resource))})
            for resource in self.feed.of(*kinds)
        ]
        frame = self._frame([{**cells, **self._after(resource)} for resource, cells in rows], members)
        if name == "bills":
            frame = frame.rename(columns={"billing_period_start": "start", "billing_period_end": "end"})
        if name == "local_time":
            frame["zone"] = pd.Series([self._zone_of(r) for r, _ in rows], dtype="str")
        return frame

    def line_items(self) -> pd.DataFrame:
        """Build the table of the bills' line items."""
        rows = []
        for resource in self.feed.of("UsageSummary", "ElectricPowerUsageSummary"):
            before = self._before(resource)
            before["bill"] = before.pop("id")
            for item in _details(resource.data):
                cells = self._cells(item, LINE_ITEM, _own_power(item, MONEY))
                rows.append({**before, **cells, **self._after(resource)})
        return self._frame(rows, LINE_ITEM, before=("meter", "bill"))

    def _before(self, resource: Resource) -> Cells:
        entry = self.feed.entries[resource.entry]
        names = self.planner.names.get(resource.kind, {})
        own = entry.self_.rpartition("/")[2] or entry.id.removeprefix("urn:uuid:")
        return {"meter": self._meter(resource), "id": names.get(entry.number, own) or None}

    def _meter(self, resource: Resource) -> str | None:
        entry = self.feed.entries[resource.entry]
        if resource.kind == "UsagePoint":
            return self.planner.names["UsagePoint"][entry.number]
        if resource.kind in ("UsageSummary", "ElectricPowerUsageSummary", "ElectricPowerQualitySummary"):
            usage_point = self.planner.resolver.find(entry, resource.kind, self.planner.usage_points, links.UPWARD)
            return self.planner.meter(entry, usage_point)
        return None

    def _after(self, resource: Resource) -> Cells:
        entry = self.feed.entries[resource.entry]
        return {
            "title": entry.title or None,
            "published": entry.published or None,
            "updated": entry.updated or None,
            "source": self.feed.documents[entry.document].name,
        }

    def _zone_of(self, resource: Resource) -> str | None:
        return self.planner.zone_named(resource.data)

    def _cells(self, data: Tree, members: Members, power: int) -> Cells:
        out: Cells = {}
        for path, kind in paths_of(members):
            out.update(self._member("/".join(path), _values(data, path), kind, power))
        return out

    def _member(self, path: str, values: list[Any], kind: Kind, power: int) -> Cells:
        name = column(path) or "text"
        first = values[0] if values else None
        if not isinstance(kind, str):
            return {name: self.codes.word(kind, path, first if isinstance(first, str) else None)}
        if kind == "list":
            return {name: "; ".join(filter(None, map(_flat, values))) or None}
        if kind in ("measure", "period"):
            tree = first if isinstance(first, dict) else {}
            return self._measure(name, tree) if kind == "measure" else self._period(name, tree)
        text = first if isinstance(first, str) and first else None
        return {name: self._scalar(text, kind, power)}

    def _scalar(self, text: str | None, kind: str, power: int) -> Any:
        if kind == "text":
            return text
        if kind == "int":
            return integer(text)
        if kind == "flag":
            return {"true": True, "1": True, "false": False, "0": False}.get((text or "").lower())
        if kind == "time":
            return self._instant(text)
        return scaled(self.readings.number("money", text), power)

    def _instant(self, text: str | None) -> int:
        try:
            return self.readings.instant(text)
        except FormatError:
            self.readings.doubtful["not-a-time", "TimeType"] += 1
            return NONE

    def _period(self, name: str, tree: Tree) -> Cells:
        start, duration = self._instant(one(tree, "start")), self.readings.duration(one(tree, "duration"))
        end = start + duration if NONE not in (start, duration) else NONE
        return {f"{name}_start": start, f"{name}_end": end}

    def _measure(self, name: str, tree: Tree) -> Cells:
        unit = self.codes.unit(one(tree, "uom"))
        power = integer(one(tree, "powerOfTenMultiplier")) or 0
        value = self.readings.number(name, one(tree, "value"))
        return {
            name: scaled(value, power - unit.kilo if abs(power) <= 30 else -unit.kilo),
            f"{name}_unit": unit.name if tree else None,
            f"{name}_time": self._instant(one(tree, "timeStamp")),
        }

    def _bill_power(self, resource: Resource) -> int:
        """Tell the power of ten of a bill's money: 10^-5, unless its own line items show another.

        Some platforms give each line item a multiplier of its own (its measurement in uom 80), and the bill's
        totals another still: then the one at which the total is found among the line items is taken.
        """
        items = [i for i in _details(resource.data) if _own_power(i, MONEY) != MONEY]
        bill = self.readings.number("billLastPeriod", one(resource.data, "billLastPeriod"))
        if not items or not bill:
            return MONEY
        amounts = [scaled(self.readings.number("amount", one(i, "amount")), _own_power(i, MONEY)) for i in items]
        for power in (-5, -4, -3, -2, -1, 0):
            if any(abs(scaled(bill, power) - amount) < 0.006 for amount in (*amounts, sum(amounts))):
                if power != MONEY:
                    text = f"The bills' money is in 10^{power} of the currency, as their line items show, not in 10^-5."
                    self._once("espi.bill.money-scale", text, power=power)
                return power
        text = (
            "The line items of a bill have multipliers of their own, and its total is not among them: check its scale."
        )
        self._once("espi.bill.money-unsure", text)
        return MONEY

    def _once(self, name: str, text: str, **evidence: Any) -> None:
        if name not in self.feed.findings.names:
            self.feed.findings.add(name, text, severity="warning", **evidence)

    def _frame(self, rows: list[Cells], members: Members, before: tuple[str, ...] = _BEFORE) -> pd.DataFrame:
        kinds = {**dict.fromkeys(before, "text"), **_column_kinds(members), **dict.fromkeys(_AFTER, "text")}
        kinds |= {"published": "stamp", "updated": "stamp"}
        return pd.DataFrame({name: self._column([row[name] for row in rows], kind) for name, kind in kinds.items()})

    def _column(self, cells: list[Any], kind: str) -> Any:
        if kind == "time":
            instants = np.array(cells, dtype=np.int64)
            index = times(np.where(instants == NONE, np.iinfo(np.int64).min, instants), self.planner.table_zone)
            return pd.Series(index)
        if kind == "stamp":
            stamps = pd.to_datetime(pd.Series(cells, dtype="object"), utc=True, errors="coerce", format="ISO8601")
            return stamps.dt.as_unit("us").dt.tz_convert(self.planner.table_zone)
        if kind in ("text", "list") and pd.__version__ < "3":
            return pd.Series(cells, dtype="object")  # pandas 2.2 has no str that holds None
        return pd.Series(cells, dtype=_DTYPES.get(kind, kind))


def _column_kinds(members: Members) -> dict[str, str]:
    out: dict[str, str] = {}
    for path, kind in members.items():
        name = column(path) or "text"
        if kind == "period":
            out |= {f"{name}_start": "time", f"{name}_end": "time"}
        elif kind == "measure":
            out |= {name: "float64", f"{name}_unit": "text", f"{name}_time": "time"}
        else:
            out[name] = kind if isinstance(kind, str) else "text"
    return out


def scaled(value: float, power: int) -> float:
    """Give value × 10^power; a negative power divides, so that decimals come out as they are written."""
    return value / 10.0**-power if power < 0 else value * 10.0**power


def _values(data: Tree, path: tuple[str, ...]) -> list[Any]:
    """Give what stands at a path; the first letter's case is free (ServiceDeliveryPoint in 1.1)."""
    found: list[Any] = [data]
    for part in path or ("",):
        either = (part, part[:1].swapcase() + part[1:])
        found = [v for tree in found if isinstance(tree, dict) for name in either for v in tree.get(name, ())]
    return found


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(f"{name} {text}" if name else text for name, vs in value.items() for v in vs if (text := _flat(v)))


def _details(data: Tree) -> list[Tree]:
    return [item for name in _DETAILS for item in data.get(name, ()) if isinstance(item, dict)]


def _own_power(item: Tree, default: int) -> int:
    """Give the power of ten of a line item's amount: its measurement's when that is in money."""
    measurement = branch(item, "measurement")
    power = integer(one(measurement, "powerOfTenMultiplier"))
    return power if one(measurement, "uom") == _CURRENCY_UOM and power is not None and abs(power) < 13 else default
