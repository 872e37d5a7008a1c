"""UsageSummary of a bill, as the standard has it or as one gas utility writes it."""

from __future__ import annotations

from collections.abc import Iterator

from greenkit import days
from greenkit.synthetic import loads, tariff
from greenkit.synthetic.channels import Channel
from greenkit.synthetic.dialects import Dialect
from greenkit.synthetic.markup import Node, leaf, node
from greenkit.synthetic.meters import Meter
from greenkit.synthetic.resources import COMMODITIES, UNITS, USD, VALIDATED, measure, span
from greenkit.synthetic.tariff import Bill, Item

CURRENCY_UOM, TIME_UOM, CODE_UOM, VOLUME_UOM = 80, 27, 114, 42
MILLI = 100
"""10^-5 of the currency in a thousandth of it."""
INFORMATION = 10


def usage_summary(meter: Meter, bill: Bill, dialect: Dialect) -> Node:
    """Make the UsageSummary (or the deprecated ElectricPowerUsageSummary) of a bill, with its line items."""
    channel = meter.channels[0]
    uom, power = UNITS[channel.unit][0], UNITS[channel.unit][1] - channel.decimals
    scale = 1000 if dialect.milliseconds else 1
    closed, known = bill.end // days.US * scale, (bill.end + loads.DAY_US) // days.US * scale
    peak_at = None if bill.peak_at is None else bill.peak_at // days.US * scale
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
    """What is known of the next period a day after a bill was closed: the status of its summary."""

    def __init__(self, meter: Meter, start: int) -> None:
        end = start + loads.DAY_US
        main, *more = [meter.readings(c, start, end) for c in meter.channels if c.flow in ("delivered", "received")]
        tou, cpp = tariff.periods(loads.moments(main.start, meter.zone))
        year = 364 * loads.DAY_US
        self.cost = int(tariff.cost(main.channel.unit, main.amount, tou, cpp).sum())
        self.delivered = int(main.amount.sum())
        self.net = self.delivered - sum(int(r.amount.sum()) for r in more)
        self.year_before = int(meter.readings(main.channel, start - year, end - year).amount.sum())


def _line(item: Item, bill: Bill, channel: Channel) -> Node:
    uom, power = UNITS[channel.unit][0], UNITS[channel.unit][1] - channel.decimals
    # money for a whole unit, as on a paper bill: for a kWh, not for a Wh
    rate = abs(item.amount) * 10**channel.decimals // item.quantity if item.quantity else None
    return node(
        "costAdditionalDetailLastPeriod",
        leaf("amount", item.amount),
        leaf("rounding", 0),
        leaf("dateTime", bill.end // days.US),
        leaf("note", item.note),
        measure("measurement", item.quantity, uom, power),
        leaf("itemKind", item.kind),
        leaf("unitCost", rate),
        span("itemPeriod", bill.start, bill.end),
    )


def _thousandths(bill: Bill) -> Iterator[Node]:
    """Give line items that carry their money as a measurement in thousandths, and facts that are no money at all."""
    for item in bill.items:
        value = item.amount // MILLI
        yield _fact(item.note, item.kind, measure("measurement", value, CURRENCY_UOM, -3), amount=value)
    facts = {
        "Bill date": (bill.end // days.US, TIME_UOM, 0),
        "Number of days": ((bill.end - bill.start) // loads.DAY_US, CODE_UOM, 0),
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
