"""The ESPI resources of a meter as nodes, members in the order of the schema (ESPI 4.0, espi.xsd)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from greenkit import days
from greenkit.synthetic import loads
from greenkit.synthetic.chance import one
from greenkit.synthetic.dialects import Dialect
from greenkit.synthetic.markup import Node, leaf, node
from greenkit.synthetic.meters import Channel, Meter
from greenkit.synthetic.tariff import Bill, Item

# unit → (uom, exponent of the unit over uom's own: a kWh is 10^3 Wh)
UNITS: Final[Mapping[str, tuple[int, int]]] = {
    "kWh": (72, 3),
    "kW": (38, 3),
    "therm": (169, 0),
    "m3": (42, 0),
    "gal": (128, 0),
}
FLOWS: Final[Mapping[str, int]] = {"delivered": 1, "received": 19, "net": 4}
COMMODITIES: Final[Mapping[str, int]] = {"electricity, secondary metered": 1, "natural gas": 7, "potable water": 9}
SERVICES: Final[Mapping[str, int]] = {"electricity, secondary metered": 0, "natural gas": 1, "potable water": 2}
KINDS: Final[Mapping[str, int]] = {"energy": 12, "demand": 8, "volume": 58}
USD: Final = 840
VALIDATED: Final = 17
ESTIMATED: Final = 8
# DstRuleType bit fields: month, operator, day, weekday, hour. The second Sunday of March and the first of November at
# 02:00 (North America); the last Sundays of March at 02:00 and October at 03:00 (Central Europe).
RULES: Final[Mapping[str, tuple[str, str]]] = {"America": ("360E2000", "B40E2000"), "Europe": ("3E0E2000", "AE0E3000")}
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
    start, end = RULES[zone.split("/")[0]] if dst else (NO_DST, NO_DST)
    values: list[str | int] = [end, dst, start, offset]
    if dialect.local_time == "wrong sign":
        values[3] = -offset
    elif dialect.local_time == "zero":
        values[3] = 0
    elif dialect.local_time == "empty":
        values = [""] * 4
    elif dialect.local_time == "four digits":
        values[0], values[2] = "B40E", "B60E"
    names = ("dstEndRule", "dstOffset", "dstStartRule", "tzOffset")
    return node("LocalTimeParameters", *(leaf(n, v) for n, v in zip(names, values, strict=True)))


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
        "accumulationBehaviour": 1 if register else 12 if channel.kind == "demand" else 4,
        "commodity": COMMODITIES[channel.commodity],
        "currency": USD,
        "dataQualifier": 2 if channel.kind == "demand" else 12,
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


def _measure(name: str, value: int | None, uom: int, power: int, stamp: int | None = None) -> Node | None:
    if value is None:
        return None
    return node(
        name, leaf("powerOfTenMultiplier", power), leaf("timeStamp", stamp), leaf("uom", uom), leaf("value", value)
    )


def usage_summary(meter: Meter, bill: Bill, dialect: Dialect) -> Node:
    """UsageSummary (or the deprecated ElectricPowerUsageSummary) of a bill, with its line items."""
    channel = meter.channels[0]
    scale, stamp = (1000 if dialect.milliseconds else 1), bill.end // days.US
    uom, power = UNITS[channel.unit][0], UNITS[channel.unit][1] - channel.decimals
    day = meter.readings(channel, bill.end - loads.DAY_US, bill.end)
    peak_at = None if bill.peak_at is None else bill.peak_at // days.US * scale
    members = [
        span("billingPeriod", bill.start, bill.end),
        leaf("billLastPeriod", bill.total),
        leaf("billToDate", 0),
        leaf("costAdditionalLastPeriod", bill.additional),
        *(_line_item(item, bill, uom, power) for item in bill.items),
        leaf("currency", USD),
        _measure("overallConsumptionLastPeriod", bill.delivered, uom, power, stamp * scale),
        _measure("peakDemand", bill.peak, UNITS["kW"][0], 0, peak_at),
        _measure("previousDayOverallConsumption", int(day.amount.sum()), uom, power, stamp * scale),
        leaf("qualityOfReading", VALIDATED),
        leaf("statusTimeStamp", stamp * scale),
        leaf("commodity", COMMODITIES[channel.commodity]),
    ]
    if dialect.summary == "UsageSummary":
        members += [
            leaf("tariffProfile", "TOU-1" if channel.unit == "kWh" else "FLAT-1"),
            leaf("readCycle", str(meter.read_day)),
            node("billingChargeSource", leaf("agencyName", "Example Utility")),
        ]
    return node(dialect.summary or "UsageSummary", *members)


def _line_item(item: Item, bill: Bill, uom: int, power: int) -> Node:
    return node(
        "costAdditionalDetailLastPeriod",
        leaf("amount", item.amount),
        leaf("rounding", 0),
        leaf("dateTime", bill.end // days.US),
        leaf("note", item.note),
        _measure("measurement", item.quantity, uom, power),
        leaf("itemKind", item.kind),
        leaf("unitCost", None if not item.quantity else abs(item.amount) // item.quantity),
        span("itemPeriod", bill.start, bill.end),
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
