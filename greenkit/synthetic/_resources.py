"""Build the ESPI resources of a meter as nodes, with members in the order of the schema (ESPI 4.0, espi.xsd)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from greenkit.synthetic import _loads, _tariff
from greenkit.synthetic._channels import Channel
from greenkit.synthetic._dialects import CONFORMING, Dialect, named, variant
from greenkit.synthetic._document import Document, Entry, Markup, Node, leaf, node
from greenkit.synthetic._loads import one
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._tariff import Bill, Item
from greenkit.times import US

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
"""instantaneous and indicating; all others are deltaData (4)."""
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
    """Return the powerOfTenMultiplier with which a dialect writes a channel."""
    return dialect.exponents.get(channel.unit, UNITS[channel.unit][1] - channel.decimals)


def offsets(zone: str) -> tuple[int, int]:
    """Return the standard UTC offset of a zone, and the seconds that daylight saving time adds."""
    tz = zoneinfo.ZoneInfo(zone)
    found = [
        int((datetime(2024, month, 1, tzinfo=tz).utcoffset() or datetime.resolution).total_seconds())
        for month in (1, 7)
    ]
    return min(found), max(found) - min(found)


def local_time(zone: str, dialect: Dialect) -> Node:
    """Build LocalTimeParameters: the offset and the rules of the site, as the dialect states them."""
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
        raise ValueError(f"The daylight saving rules of {zone} are unknown. Add them to RULES.")
    return found


def usage_point(meter: Meter, dialect: Dialect) -> Node:
    """Build a UsagePoint with the members that utilities fill."""
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
    """Build the ReadingType of a channel. A register accumulates (bulkQuantity) and has no interval."""
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
    """Build a DateTimeInterval from times in microseconds."""
    return node(name, leaf("duration", (end - start) // US), leaf("start", start // US))


def measure(name: str, value: int | None, uom: int, power: int, stamp: int | None = None) -> Node | None:
    """Build a SummaryMeasurement, or return None for None."""
    if value is None:
        return None
    return node(
        name, leaf("powerOfTenMultiplier", power), leaf("timeStamp", stamp), leaf("uom", uom), leaf("value", value)
    )


def power_quality(meter: Meter, bill: Bill) -> Node:
    """Build the ElectricPowerQualitySummary of a billing period; the outages are its long interruptions."""
    outages = sum(f.kind == "outage" and f.start >= bill.start for f in meter.faults_between(bill.start, bill.end))
    month = bill.start // _loads.DAY_US // 30
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


ALONE: Final = variant(root="resource")
# one utility writes a backslash and an n, not a line end, after the prolog
ODD_NOTIFICATION: Final = variant(
    root="resource", espi_prefix="ns0", prolog='<?xml version="1.0" encoding="UTF-8"?>', after_prolog="\\n"
)
GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")
SCOPE: Final = "FB=4_5_15;IntervalDuration=900;BlockDuration=daily;HistoryLength=13"


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorization: what a customer approved, with start and end in epoch seconds."""

    number: int
    began: int
    expires: int
    resource: str
    """Path of the usage, below the base."""
    active: bool = True
    scope: str = SCOPE
    customer: str | None = None
    """Path of the customer data, below the base."""
    history: int = 730 * 86_400


@dataclass(frozen=True, slots=True)
class Application:
    """The registration of a third party."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    name: str = "greenkit"
    token_endpoint: str = "https://custodian.example/oauth/token"  # noqa: S105 an address
    authorization_endpoint: str = "https://custodian.example/oauth/authorize"
    notify_uri: str = "https://thirdparty.example/notify"
    issued: int = 1_704_067_200


def authorizations(
    grants: Sequence[Grant], made: int, *, one: bool = False, dialect: str | Dialect = CONFORMING
) -> bytes:
    """Return authorizations as a feed, or the first one as a bare entry.

    Parameters
    ----------
    grants : sequence of Grant
        The authorizations.
    made : int
        Time of the document, in epoch seconds.
    one : bool
        Whether to return a bare entry.
    """
    style = named(dialect)
    found = [(f"{style.base}/Authorization/{g.number}", _authorization(g, style.base)) for g in grants]
    return _document(found, made, style, one=one, here=f"{style.base}/Authorization")


def application(app: Application, made: int, *, dialect: str | Dialect = CONFORMING) -> bytes:
    """Return the registration of the third party as a feed of one entry, with its secret, as utilities do."""
    style = named(dialect)
    here = f"{style.base}/ApplicationInformation/1"
    return _document([(here, _application(app, style.base))], made, style, one=False, here=here)


def status(current: int = 1) -> bytes:
    """Return a bare ServiceStatus: 1 if the service is up, else 0."""
    return _alone(node("ServiceStatus", leaf("currentStatus", current)), ALONE)


def batch_list(uris: Iterable[str], *, dialect: Dialect = ALONE) -> bytes:
    """Return a bare BatchList, the body of a notification, which lists the URIs of new data.

    :data:`ODD_NOTIFICATION` is the dialect of one utility.
    """
    return _alone(node("BatchList", *(leaf("resources", uri) for uri in uris)), dialect)


def _authorization(g: Grant, base: str) -> Node:
    return node(
        "Authorization",
        span("authorizedPeriod", g.began * US, g.expires * US),
        span("publishedPeriod", (g.began - g.history) * US, g.expires * US),
        leaf("status", int(g.active)),
        leaf("expires_at", g.expires),
        leaf("grant_type", "authorization_code"),
        leaf("scope", g.scope),
        leaf("token_type", "Bearer"),
        leaf("resourceURI", f"{base}/{g.resource}"),
        leaf("authorizationURI", f"{base}/Authorization/{g.number}"),
        leaf("customerResourceURI", f"{base}/{g.customer}" if g.customer else None),
    )


def _application(app: Application, base: str) -> Node:
    return node(
        "ApplicationInformation",
        leaf("dataCustodianId", "EXAMPLE"),
        leaf("dataCustodianApplicationStatus", 2),
        leaf("thirdPartyApplicationDescription", app.name),
        leaf("thirdPartyNotifyUri", app.notify_uri),
        leaf("authorizationServerAuthorizationEndpoint", app.authorization_endpoint),
        leaf("authorizationServerTokenEndpoint", app.token_endpoint),
        leaf("dataCustodianBulkRequestURI", f"{base}/Batch/Bulk/1"),
        leaf("dataCustodianResourceEndpoint", base),
        leaf("client_secret", app.client_secret),
        leaf("client_name", app.name),
        *(leaf("redirect_uri", uri) for uri in app.redirect_uris),
        leaf("client_id", app.client_id),
        leaf("software_id", "greenkit"),
        leaf("software_version", "1"),
        leaf("client_id_issued_at", app.issued),
        leaf("client_secret_expires_at", 0),
        leaf("token_endpoint_auth_method", "client_secret_basic"),
        leaf("scope", SCOPE),
        *(leaf("grant_types", grant) for grant in GRANTS),
        leaf("response_types", "code"),
        leaf("registration_client_uri", f"{base}/ApplicationInformation/1"),
        leaf("registration_access_token", "none"),
    )


def _document(found: list[tuple[str, Node]], made: int, style: Dialect, *, one: bool, here: str) -> bytes:
    document = Document(replace(style, root="entry" if one else "feed"), made * US)
    entries = [Entry(n.name, href, (), n.name, document.content(n), made * US) for href, n in found]
    return b"".join(document.encoded(document.text(entries, here=here, title="Registrations", spaces=("",))))


def _alone(element: Node, style: Dialect) -> bytes:
    markup = Markup(style)
    prolog = style.prolog.format(encoding=style.encoding.upper()) + style.after_prolog
    text = markup.text(element, root=True)
    if "" not in markup.inline:
        name = markup.tag(element.name)
        text = text.replace(f"<{name}", f"<{name}{markup.root_attributes('')}", 1)
    return (prolog + text).encode(style.encoding)


CURRENCY_UOM, TIME_UOM, CODE_UOM, VOLUME_UOM = 80, 27, 114, 42
MILLI = 100
"""A thousandth of the currency, in 10^-5 of it."""
INFORMATION = 10


def usage_summary(meter: Meter, bill: Bill, dialect: Dialect) -> Node:
    """Build the UsageSummary (or the deprecated ElectricPowerUsageSummary) of a bill, with its line items."""
    channel = meter.channels[0]
    uom, power = UNITS[channel.unit][0], UNITS[channel.unit][1] - channel.decimals
    scale = 1000 if dialect.milliseconds else 1
    closed, known = bill.end // US * scale, (bill.end + _loads.DAY_US) // US * scale
    peak_at = None if bill.peak_at is None else bill.peak_at // US * scale
    unit = MILLI if dialect.bills == "thousandths" else 1
    lines = _thousandths(bill) if dialect.bills == "thousandths" else (_line(i, bill, channel) for i in bill.items)
    since = _FirstDay(meter, bill.end)

    def amount(name: str, value: int | None, stamp: int = known) -> Node | None:
        return measure(name, value, uom, power, stamp)

    members = [
        span("billingPeriod", bill.start, bill.end),
        leaf("billLastPeriod", sum(i.amount // unit for i in bill.items)),
        leaf("billToDate", since.cost // unit),
        leaf("costAdditionalLastPeriod", sum(i.amount // unit for i in bill.items if i.kind in (4, 5))),
        *lines,
        leaf("currency", USD),
        amount("overallConsumptionLastPeriod", bill.delivered, closed),
        amount("currentBillingPeriodOverAllConsumption", since.delivered),
        measure("peakDemand", bill.peak, UNITS["kW"][0], 0, peak_at),
        amount("previousDayLastYearOverallConsumption", since.year_before),
        amount("previousDayNetConsumption", since.net),
        amount("previousDayOverallConsumption", since.delivered),
        leaf("qualityOfReading", VALIDATED),
        measure("ratchetDemand", bill.peak, UNITS["kW"][0], 0, peak_at),
        None if bill.peak is None else span("ratchetDemandPeriod", bill.start, bill.end),
        leaf("statusTimeStamp", known),
        leaf("commodity", COMMODITIES[channel.commodity]),
    ]
    if dialect.summary == "UsageSummary":
        members += [
            leaf("tariffProfile", "TOU-1" if channel.unit == "kWh" else "FLAT-1"),
            leaf("readCycle", str(meter.read_day)),
            node("billingChargeSource", leaf("agencyName", "Example Utility")),
        ]
    return node(dialect.summary or "UsageSummary", *members)


class _FirstDay:
    """Return what is known about the next period a day after the end of a bill: the status of its summary."""

    def __init__(self, meter: Meter, start: int) -> None:
        end = start + _loads.DAY_US
        main, *more = [meter.readings(c, start, end) for c in meter.channels if c.flow in ("delivered", "received")]
        tou, cpp = _tariff.periods(_loads.moments(main.start, meter.zone))
        year = 364 * _loads.DAY_US
        self.cost = int(_tariff.cost(main.channel.unit, main.amount, tou, cpp).sum())
        self.delivered = int(main.amount.sum())
        self.net = self.delivered - sum(int(r.amount.sum()) for r in more)
        self.year_before = int(meter.readings(main.channel, start - year, end - year).amount.sum())


def _line(item: Item, bill: Bill, channel: Channel) -> Node:
    uom, power = UNITS[channel.unit][0], UNITS[channel.unit][1] - channel.decimals
    # money per unit as on a paper bill: per kWh, not per Wh
    rate = abs(item.amount) * 10**channel.decimals // item.quantity if item.quantity else None
    return node(
        "costAdditionalDetailLastPeriod",
        leaf("amount", item.amount),
        leaf("rounding", 0),
        leaf("dateTime", bill.end // US),
        leaf("note", item.note),
        measure("measurement", item.quantity, uom, power),
        leaf("itemKind", item.kind),
        leaf("unitCost", rate),
        span("itemPeriod", bill.start, bill.end),
    )


def _thousandths(bill: Bill) -> Iterator[Node]:
    """Return line items with money as a measurement in thousandths, and with facts that are not money."""
    for item in bill.items:
        value = item.amount // MILLI
        yield _fact(item.note, item.kind, measure("measurement", value, CURRENCY_UOM, -3), amount=value)
    facts = {
        "Bill date": (bill.end // US, TIME_UOM, 0),
        "Number of days": ((bill.end - bill.start) // _loads.DAY_US, CODE_UOM, 0),
        "Metered volume": (bill.delivered, VOLUME_UOM, -3),
    }
    for note, (value, uom, power) in facts.items():
        yield _fact(note, INFORMATION, measure("measurement", value, uom, power))


def _fact(note: str, kind: int, measured: Node | None, amount: int = 0) -> Node:
    return node(
        "costAdditionalDetailLastPeriod",
        leaf("amount", amount),
        leaf("note", note),
        measured,
        leaf("itemKind", kind),
    )
