"""The money of bills: its power of ten, and checks of the amounts.

The standard stores ``billLastPeriod``, ``amount``, and the others in hundred-thousandths of the currency (espi.xsd,
UsageSummary and LineItem). Some platforms use thousandths or cents, and declare so only in the line items.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from greenkit.espi._cells import scaled
from greenkit.espi._codes import MONEY, integer
from greenkit.espi._readings import Readings
from greenkit.espi._series import branch, one
from greenkit.espi._xml import Tree
from greenkit.findings import Findings, Kind

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
    "The line items of a bill have multipliers of their own, and its total does not match any of them. greenkit read "
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
    "{count:bill} {count:has|have} the same meter and period as another one, but different content. greenkit kept all "
    "of them, so a sum counts them more than once.",
    "Keep the bill with the newest value in column updated, unless they are for different flows.",
)
PER_FLOW: Final = Kind(
    "espi.bill.per-flow",
    "info",
    "{count:bill} {count:has|have} the same meter and period as another one, but {count:is|are} for another flow: "
    "{shown}. Each consumption is the sum of the readings of its flow.",
)
OVERLAP: Final = Kind(
    "espi.bill.overlap",
    "warning",
    "{count:bill} {count:begins|begin} before an earlier one of the same meter ends, so a sum counts some days twice.",
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
_SAME_DAY: Final = pd.Timedelta(days=1)
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


def check(bills: pd.DataFrame, items: pd.DataFrame, readings: pd.DataFrame) -> Findings:
    """Check the bills of a feed for overlaps and implausible amounts, and change nothing."""
    out = Findings()
    if len(bills) > 1:
        out.extend(_overlaps(bills, readings))
    out.extend(_prices(bills))
    whose = ["meter", "bill", "bill_start"]
    sums = items.groupby(whose, dropna=False, observed=True)["amount"].sum().reset_index()
    charged = pd.MultiIndex.from_frame(sums.loc[sums["amount"].abs().gt(0.005), whose])
    own = pd.MultiIndex.from_frame(bills[["meter", "id", "start"]])
    zero = bills["bill_last_period"].eq(0) & own.isin(charged)
    if n := int(zero.sum()):
        out.add(TOTAL_ZERO, count=n)
    return out


def _overlaps(bills: pd.DataFrame, readings: pd.DataFrame) -> Findings:
    out = Findings()
    whose = ["meter", "commodity", "billing_charge_source_agency_name"]
    known = bills[bills["start"].notna() & bills["end"].notna()].sort_values(["start", "end"], kind="stable")
    same = known[known.duplicated([*whose, "start", "end"], keep=False)]
    flows: dict[str, list[str]] = {}
    of_flow: list[object] = []
    for _, alike in same.groupby([*whose, "start", "end"], dropna=False, observed=True):
        if found := _flows(alike, readings):
            of_flow += alike.index.tolist()
            flows |= {str(alike["meter"].iloc[0]): found}
    if of_flow:
        shown = "; ".join(", ".join(found) for found in list(flows.values())[:5])
        out.add(PER_FLOW, count=len(of_flow), flows=flows, words={"shown": shown})
    same = same.drop(index=of_flow)
    if len(same):
        out.add(SAME_PERIOD, count=len(same), meters=_meters(same))
    distinct = known.drop_duplicates([*whose, "start", "end"])
    so_far = distinct.assign(end=distinct.groupby(whose, dropna=False, observed=True)["end"].cummax())
    before = so_far.groupby(whose, dropna=False, observed=True)["end"].shift()
    over = distinct[before > distinct["start"] + _SAME_DAY]
    if len(over):
        out.add(OVERLAP, count=len(over), meters=_meters(over))
    return out


def _flows(alike: pd.DataFrame, readings: pd.DataFrame) -> list[str]:
    """Return the flow of each bill of one meter and period, or nothing if the sums of its readings do not show it.

    Example: bills over 690 and 30 kWh, and readings that add up to 690 kWh delivered and 30 kWh received, give
    ``["delivered", "received"]``. Each flow must have one bill, and the bills must have different flows.
    """
    first = alike.iloc[0]
    inside = readings["meter"].eq(first["meter"]) & (readings["start"] >= first["start"])
    within = readings[inside & (readings["end"] <= first["end"])]
    sums = within.groupby(["flow", "unit"], observed=True)["value"].sum()
    out: list[str] = []
    for used, unit in zip(
        alike["overall_consumption_last_period"], alike["overall_consumption_last_period_unit"], strict=True
    ):
        fits = [flow for (flow, of), total in sums.items() if of == unit and abs(total - used) <= _SAME_SUM * abs(used)]
        out += fits if len(fits) == 1 else [""]
    return out if all(out) and len(set(out)) == len(out) else []


def _meters(bills: pd.DataFrame) -> list[str]:
    return sorted(bills["meter"].dropna().unique().tolist())[:5]


def _prices(bills: pd.DataFrame) -> Findings:
    """Check the price of a unit: at another scale of money, a kWh costs a thousandth, or thousands."""
    out = Findings()
    money = bills["bill_last_period"].where(bills["currency"].isin(_DOLLARS))
    for unit, (least, most) in _PRICES.items():
        used = bills["overall_consumption_last_period"].where(bills["overall_consumption_last_period_unit"].eq(unit))
        price = (money / used)[used.ge(_ENOUGH) & money.gt(0)]
        if len(price) and not least <= price.median() <= most:
            out.add(PRICE, unit=unit, price=float(price.median()))
    return out
