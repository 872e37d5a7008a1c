"""The ESPI resources of a meter as nodes, members in the order of the schema (ESPI 4.0, espi.xsd)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from greenkit import days
from greenkit.synthetic import loads
from greenkit.synthetic.chance import one
from greenkit.synthetic.channels import Channel
from greenkit.synthetic.dialects import Dialect
from greenkit.synthetic.markup import Node, leaf, node
from greenkit.synthetic.meters import Meter
from greenkit.synthetic.tariff import Bill

# unit → (uom, exponent of the unit over uom's own: a kWh is 10^3 Wh)
UNITS: Final[Mapping[str, tuple[int, int]]] = {
    "kWh": (72, 3),
    "kW": (38, 3),
    "kvarh": (73, 3),
    "V": (29, 0),
    "therm": (169, 0),
    "m3": (42, 0),
    "gal": (128, 0),
}
FLOWS: Final[Mapping[str, int]] = {"unknown": 0, "delivered": 1, "received": 19, "net": 4}
COMMODITIES: Final[Mapping[str, int]] = {"electricity, secondary metered": 1, "natural gas": 7, "potable water": 9}
SERVICES: Final[Mapping[str, int]] = {"electricity, secondary metered": 0, "natural gas": 1, "potable water": 2}
KINDS: Final[Mapping[str, int]] = {"energy": 12, "demand": 8, "voltage": 54, "volume": 58}
ACCUMULATIONS: Final[Mapping[str, int]] = {"demand": 12, "voltage": 6}
"""Instantaneous and indicating; all else is deltaData (4)."""
USD: Final = 840
VALIDATED: Final = 17
ESTIMATED: Final = 8
# (continent, standard offset or None for all) → DstRuleType start and end; bit fields: month, operator, day, weekday,
# hour. The second Sunday of March and the first of November at 02:00 (North America); the last Sundays of March at
# 02:00 and October at 03:00 (Central Europe).
RULES: Final[Mapping[tuple[str, int | None], tuple[str, str]]] = {
    ("America", None): ("360E2000", "B40E2000"),
    ("Europe", 3600): ("3E0E2000", "AE0E3000"),
}
NO_DST: Final = "FFFFFFFF"


def exponent(channel: Channel, dialect: Dialect) -> int:
    """Give the powerOfTenMultiplier with which a dialect writes a channel."""
    return dialect.exponents.get(channel.unit, UNITS[channel.unit][1] - channel.decimals)


def offsets(zone: str) -> tuple[int, int]:
    """Give a zone's standard offset from UTC and what daylight saving adds, in seconds."""
    tz = zoneinfo.ZoneInfo(zone)
    found = [
        int((datetime(2024, month, 1, tzinfo=tz).utcoffset() or datetime.resolution).total_seconds())
        for month in (1, 7)
    ]
    return min(found), max(found) - min(found)


def local_time(zone: str, dialect: Dialect) -> Node:
    """LocalTimeParameters: the site's offset and rules, or what the dialect makes of them."""
    offset, dst = offsets(zone)
    start, end = _rules(zone, offset) if dst else (NO_DST, NO_DST)
    values: list[str | int] = [end, dst, start, offset]
    if dialect.local_time == "wrong sign":
        values[3] = -offset
    elif dialect.local_time == "zero":
        values[3] = 0
    elif dialect.local_time == "empty":
        values = [""] * 4
    elif dialect.local_time == "four digits":
        values[0], values[2] = "B40E", "B60E"
    elif dialect.local_time == "smt":
        values[3] = 18_000
    elif dialect.local_time == "odd dst":
        values[1] = offset
    names = ("dstEndRule", "dstOffset", "dstStartRule", "tzOffset")
    return node("LocalTimeParameters", *(leaf(n, v) for n, v in zip(names, values, strict=True)))


def _rules(zone: str, offset: int) -> tuple[str, str]:
    continent = zone.partition("/")[0]
    found = RULES.get((continent, None)) or RULES.get((continent, offset))
    if found is None:
        raise ValueError(f"the daylight-saving rules of {zone} are not known here: add them to resources.RULES")
    return found


def usage_point(meter: Meter, dialect: Dialect) -> Node:
    """UsagePoint with the members that a utility fills."""
    commodity = meter.channels[0].commodity
    service = SERVICES[commodity] if dialect.service_kind is None else dialect.service_kind
    electric = commodity.startswith("electricity")
    return node(
        "UsagePoint",
        leaf("roleFlags", "0000"),
        node("ServiceCategory", leaf("kind", service)),
        leaf("status", 1),
        node(
            dialect.delivery_point,
            leaf("name", "Main service"),
            leaf("tariffProfile", "TOU-1" if electric else "FLAT-1"),
            leaf("customerAgreement", f"Agreement {meter.seed}"),
        )
        if dialect.delivery_point
        else None,
        leaf("amiBillingReady", "billingApproved"),
        leaf("checkBilling", "false"),
        leaf("connectionState", "connected"),
        node("nominalServiceVoltage", leaf("powerOfTenMultiplier", 0), leaf("uom", 29), leaf("value", 240))
        if electric
        else None,
        leaf("readCycle", str(meter.read_day)),
    )


def reading_type(channel: Channel, dialect: Dialect, *, register: bool = False) -> Node:
    """ReadingType of a channel; a register accumulates (bulkQuantity) and has no interval."""
    uom, _ = UNITS[channel.unit]
    electric = channel.commodity.startswith("electricity")
    members: dict[str, int | None] = {
        "accumulationBehaviour": 1 if register else ACCUMULATIONS.get(channel.kind, 4),
        "commodity": COMMODITIES[channel.commodity],
        "currency": USD,
        "dataQualifier": 12 if channel.kind in ("energy", "volume") else 2,
        "defaultQuality": VALIDATED,
        "flowDirection": FLOWS[channel.flow],
        "intervalLength": 0 if register else channel.interval,
        "kind": KINDS[channel.kind],
        "phase": 769 if electric else None,
        "powerOfTenMultiplier": exponent(channel, dialect),
        "timeAttribute": 0,
        "uom": uom,
        "measuringPeriod": {900: 2, 3600: 7, 86_400: 4}[channel.interval] if not register else None,
    }
    if dialect.type_members == "few":
        members = {name: members[name] for name in ("currency", "powerOfTenMultiplier", "uom")}
    members |= {name: code for name, code in dialect.odd_codes.items() if name in members}
    return node("ReadingType", *(leaf(name, code) for name, code in members.items()))


def span(name: str, start: int, end: int) -> Node:
    """Make a DateTimeInterval of instants in microseconds."""
    return node(name, leaf("duration", (end - start) // days.US), leaf("start", start // days.US))


def measure(name: str, value: int | None, uom: int, power: int, stamp: int | None = None) -> Node | None:
    """Make a SummaryMeasurement; None makes none."""
    if value is None:
        return None
    return node(
        name, leaf("powerOfTenMultiplier", power), leaf("timeStamp", stamp), leaf("uom", uom), leaf("value", value)
    )


def power_quality(meter: Meter, bill: Bill) -> Node:
    """ElectricPowerQualitySummary of a billing period; its long interruptions are the planted outages."""
    outages = sum(f.kind == "outage" and f.start >= bill.start for f in meter.faults_between(bill.start, bill.end))
    month = bill.start // loads.DAY_US // 30
    dips = int(6 * one(meter.seed, 93, month))
    members: dict[str, int] = {
        "flickerPlt": 0,
        "flickerPst": 0,
        "harmonicVoltage": 2,
        "longInterruptions": outages,
        "mainsVoltage": 240,
        "measurementProtocol": 0,
        "powerFrequency": 60,
        "rapidVoltageChanges": dips // 2,
        "shortInterruptions": int(3 * one(meter.seed, 94, month)),
    }
    return node(
        "ElectricPowerQualitySummary",
        *(leaf(name, value) for name, value in members.items()),
        span("summaryInterval", bill.start, bill.end),
        leaf("supplyVoltageDips", dips),
        leaf("supplyVoltageImbalance", 0),
        leaf("supplyVoltageVariations", 1),
        leaf("tempOvervoltage", 0),
    )
