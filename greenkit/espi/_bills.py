"""The money of bills: its power of ten, and checks of the amounts.

The standard stores ``billLastPeriod``, ``amount``, and the others in hundred-thousandths of the currency (espi.xsd,
UsageSummary and LineItem). Some platforms use thousandths or cents, and declare so only in the line items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.espi._cells import Cells, scaled
from greenkit.espi._codes import MONEY, integer
from greenkit.espi._readings import NONE, Readings
from greenkit.espi._series import branch, one
from greenkit.espi._xml import Tree
from greenkit.findings import Findings, Kind
from greenkit.times import US, Instants, to_times

MONEY_SCALE: Final = Kind(
    "espi.bill.money-scale",
    "warning",
    "The amounts of the bills are in 10^{power} of the currency, as their line items show, not in 10^-5. greenkit used "
    "10^{power}.",
    "Compare a total with a paper bill.",
)
MONEY_UNSURE: Final = Kind(
    "espi.bill.money-unsure",
    "warning",
    "The line items of a bill have their own multipliers, and its total fits none of them. greenkit read "
    "the total in 10^-5 of the currency.",
    "Compare the total with a paper bill.",
)
TOTAL_ZERO: Final = Kind(
    "espi.bill.total-zero",
    "warning",
    "{count:bill} {count:has|have} a total of 0 but line items with amounts.",
    "Add up the line items without balances, payments, and subtotals.",
)
SAME_PERIOD: Final = Kind(
    "espi.bill.same-period",
    "warning",
    "{count:bill} {count:has|have} the same meter and period as another bill, but different content. greenkit kept all "
    "of them, so a sum counts them more than once.",
    "Keep the bill with the latest value in the column updated, unless the bills are for different flows.",
)
PER_FLOW: Final = Kind(
    "espi.bill.per-flow",
    "info",
    "{count:bill} {count:has|have} the same meter and period as another bill, but a different flow: {shown}. Each "
    "consumption is the sum of the readings of its flow.",
)
OVERLAP: Final = Kind(
    "espi.bill.overlap",
    "warning",
    "{count:bill} {count:starts|start} before an earlier bill of the same meter ends, so a sum counts some days twice.",
    "Check the periods of the bills.",
)
PRICE: Final = Kind(
    "espi.bill.price",
    "warning",
    "The bills have a median price of {price:.3g} of the currency per {unit}. Their amounts may not be in 10^-5 of "
    "the currency, as the standard requires.",
    "Compare a total with a paper bill.",
)

_CURRENCY_UOM: Final = "80"
_DETAILS: Final = frozenset({"costadditionaldetaillastperiod", "costadditionaldetailslastperiod"})
_NO_CHARGES: Final = ("9", "10")
"""itemKind of payments and of information, such as an amount due."""
_SAME_DAY: Final = 86_400 * US
"""Bills may share the day on which the meter is read."""
_PRICES: Final = {"kWh": (0.003, 10.0), "therm": (0.03, 100.0)}
"""Lowest and highest total of a bill for each unit in a dollar or euro, with taxes, credits, and fixed charges."""
_ENOUGH: Final = 50.0
_SAME_SUM: Final = 0.001
"""Bills round their consumption, but to less than this part of it."""
_DOLLARS: Final = ("USD", "CAD", "EUR", "GBP", "AUD", "CHF", "NZD")


def details(data: Tree) -> list[Tree]:
    """Return the line items of a bill, under either spelling of their name."""
    return [v for name, values in data.items() if name.lower() in _DETAILS for v in values if isinstance(v, dict)]


def without_details(data: Tree) -> Tree:
    """Return the members of a bill without its line items."""
    return {name: values for name, values in data.items() if name.lower() not in _DETAILS}


def item_power(item: Tree) -> int:
    """Return the power of ten of a line item's amount: that of its measurement if that is in money.

    If the measurement has a value of its own that equals the amount at another scale, its power is not the amount's.
    """
    measurement = branch(item, "measurement")
    power = integer(one(measurement, "powerOfTenMultiplier"))
    if one(measurement, "uom") != _CURRENCY_UOM or power is None or abs(power) > 12:
        return MONEY
    value, amount = integer(one(measurement, "value")), integer(one(item, "amount"))
    if value and amount and value != amount and abs(scaled(value, power) - scaled(amount, MONEY)) < 0.005:
        return MONEY
    return power


def bill_power(data: Tree, readings: Readings) -> tuple[int, Findings]:
    """Return the power of ten of a bill's money: -5, unless its own line items show another.

    If line items have multipliers of their own, the total has another one: that at which the total equals one of the
    amounts, or the sum of the charges. Of several, the power of the largest amount counts, because small ones agree by
    chance.
    """
    out = Findings()
    items = [i for i in details(data) if item_power(i) != MONEY and integer(one(i, "amount"))]
    bill = readings.number("billLastPeriod", one(data, "billLastPeriod"))
    if not items or not bill or bill != bill:
        return MONEY, out
    powers = [item_power(i) for i in items]
    amounts = [scaled(float(integer(one(i, "amount")) or 0), p) for i, p in zip(items, powers, strict=True)]
    charges = sum(a for a, i in zip(amounts, items, strict=True) if one(i, "itemKind") not in _NO_CHARGES)
    # an amount is exact to half of its last digit
    found = [(abs(amount), power, 0.5 * 10.0**power) for amount, power in zip(amounts, powers, strict=True)]
    found += [(abs(total), max(powers), 0.006) for total in (charges, sum(amounts))]
    fits = [
        (amount, power)
        for power in range(MONEY, 1)
        for amount, _, within in found
        if amount > within and abs(abs(scaled(bill, power)) - amount) <= within * 1.001
    ]
    if fits:
        power = max(fits)[1]
        if power != MONEY:
            out.add(MONEY_SCALE, power=power, words={"power": str(power)})
        return power, out
    out.add(MONEY_UNSURE)
    return MONEY, out


def check(
    bills: Sequence[Cells], start: Instants, end: Instants, items: Sequence[Cells], readings: pd.DataFrame
) -> Findings:
    """Check the bills of a feed for overlaps and implausible amounts, and change nothing.

    Parameters
    ----------
    bills, items : sequence of dict
        Rows of the tables of bills and of line items.
    start, end : array of int64
        Periods of the bills, NONE where a bill has none.
    readings : DataFrame
        The interval readings of the feed.
    """
    out = _overlaps(bills, start.tolist(), end.tolist(), readings)
    out.extend(_prices(bills))
    charged: Counter[tuple[Any, ...]] = Counter()
    for item in items:
        amount = item.get("amount")
        charged[item["meter"], item["bill"], item["bill_start"]] += 0 if amount is None or amount != amount else amount
    zero = [
        bill
        for bill in bills
        if bill.get("bill_last_period") == 0
        and abs(charged[bill["meter"], bill["id"], bill.get("billing_period_start", NONE)]) > 0.005
    ]
    if zero:
        out.add(TOTAL_ZERO, count=len(zero))
    return out


def _overlaps(bills: Sequence[Cells], starts: list[int], ends: list[int], readings: pd.DataFrame) -> Findings:
    """Report bills of one meter, commodity, and company that share days."""
    out = Findings()
    # whose bills → period → bills of exactly this period
    periods: dict[tuple[Any, ...], dict[tuple[int, int], list[Cells]]] = {}
    for bill, start, end in zip(bills, starts, ends, strict=True):
        if NONE not in (start, end):
            whose = tuple(bill.get(name) for name in ("meter", "commodity", "billing_charge_source_agency_name"))
            periods.setdefault(whose, {}).setdefault((start, end), []).append(bill)
    flows: dict[str, list[str]] = {}
    same, over, per_flow = list[Any](), list[Any](), 0
    for whose, of_period in sorted(
        periods.items(), key=lambda found: [(part is None, part or "") for part in found[0]]
    ):
        latest = NONE
        for (start, end), alike in sorted(of_period.items(), key=lambda found: found[0]):
            if len(alike) > 1 and (found := _flows(alike, to_times(np.array([start, end])), readings)):
                flows[str(whose[0])] = found
                per_flow += len(alike)
            elif len(alike) > 1:
                same += [whose[0]] * len(alike)
            if latest > start + _SAME_DAY:
                over.append(whose[0])
            latest = max(latest, end)
    if per_flow:
        shown = "; ".join(", ".join(found) for found in list(flows.values())[:5])
        out.add(PER_FLOW, count=per_flow, flows=flows, words={"shown": shown})
    for kind, meters in ((SAME_PERIOD, same), (OVERLAP, over)):
        if meters:
            out.add(kind, count=len(meters), meters=sorted({meter for meter in meters if meter is not None})[:5])
    return out


def _flows(alike: Sequence[Cells], period: pd.DatetimeIndex, readings: pd.DataFrame) -> list[str]:
    """Return the flow of each bill of one meter and period, or nothing if the sums of its readings do not show it.

    Example: bills over 690 and 30 kWh, and readings that add up to 690 kWh delivered and 30 kWh received, give
    ``["delivered", "received"]``. Each flow must have one bill, and the bills must have different flows.
    """
    inside = readings["meter"].eq(alike[0]["meter"]) & (readings["start"] >= period[0])
    inside &= readings["end"] <= period[1]
    totals = readings[inside].groupby(["flow", "unit"], observed=True)["value"].sum().reset_index()
    sums = list(zip(totals["flow"], totals["unit"], totals["value"], strict=True))
    out: list[str] = []
    for bill in alike:
        used, unit = (bill.get(f"overall_consumption_last_period{of}") for of in ("", "_unit"))
        fits = [
            flow
            for flow, of, total in sums
            if used is not None and of == unit and abs(total - used) <= _SAME_SUM * abs(used)
        ]
        out += fits if len(fits) == 1 else [""]
    return out if all(out) and len(set(out)) == len(out) else []


def _prices(bills: Sequence[Cells]) -> Findings:
    """Check the price of a unit: at another scale of money, a kWh costs a thousandth, or thousands."""
    out = Findings()
    for unit, (least, most) in _PRICES.items():
        prices = [
            bill["bill_last_period"] / used
            for bill in bills
            if bill.get("overall_consumption_last_period_unit") == unit
            and (used := bill["overall_consumption_last_period"]) >= _ENOUGH
            and bill.get("currency") in _DOLLARS
            and (bill.get("bill_last_period") or 0) > 0
        ]
        if prices and not least <= (price := float(np.median(prices))) <= most:
            out.add(PRICE, unit=unit, price=price)
    return out
