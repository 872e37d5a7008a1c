"""The money of bills: at which power of ten it stands, and what about it is doubtful.

The standard has hundred-thousandths of the currency in ``billLastPeriod``, ``amount`` and the rest (espi.xsd,
UsageSummary and LineItem). Some platforms write thousandths or cents, and say so only in the line items.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from greenkit.espi._cells import scaled
from greenkit.espi._codes import MONEY, integer
from greenkit.espi._feed import Tree
from greenkit.espi._readings import Readings
from greenkit.espi._series import branch, one
from greenkit.findings import Count, Findings

_CURRENCY_UOM: Final = "80"
_DETAILS: Final = frozenset({"costadditionaldetaillastperiod", "costadditionaldetailslastperiod"})
_NO_CHARGES: Final = ("9", "10")
"""itemKind of payments and of information, such as an amount due."""
_SAME_DAY: Final = pd.Timedelta(days=1)
"""Bills may share the day on which the meter is read."""
_PRICES: Final = {"kWh": (0.003, 10.0), "therm": (0.03, 100.0)}
"""Between these a bill's money for a unit lies, with taxes, credits and fixed charges, in a dollar or euro."""
_ENOUGH: Final = 50.0
_DOLLARS: Final = ("USD", "CAD", "EUR", "GBP", "AUD", "CHF", "NZD")


def details(data: Tree) -> list[Tree]:
    """Give a bill's line items, also those of the misspelt name."""
    return [v for name, values in data.items() if name.lower() in _DETAILS for v in values if isinstance(v, dict)]


def without_details(data: Tree) -> Tree:
    """Give a bill's own members."""
    return {name: values for name, values in data.items() if name.lower() not in _DETAILS}


def item_power(item: Tree) -> int:
    """Give the power of ten of a line item's amount: its measurement's when that is in money.

    A measurement that has a value of its own in money is the same amount in another scale where both agree, and then
    says nothing of the amount.
    """
    measurement = branch(item, "measurement")
    power = integer(one(measurement, "powerOfTenMultiplier"))
    if one(measurement, "uom") != _CURRENCY_UOM or power is None or abs(power) > 12:
        return MONEY
    value, amount = integer(one(measurement, "value")), integer(one(item, "amount"))
    if value and amount and value != amount and abs(scaled(value, power) - scaled(amount, MONEY)) < 0.005:
        return MONEY
    return power


def bill_power(data: Tree, readings: Readings, findings: Findings) -> int:
    """Tell the power of ten of a bill's money: 10^-5, unless its own line items show another.

    Where line items have multipliers of their own, the bill's totals have another still: the one at which the total
    is found among the amounts, or as the sum of the charges. Of several the one of the largest amount is taken, since
    small ones agree by chance.
    """
    items = [i for i in details(data) if item_power(i) != MONEY and integer(one(i, "amount"))]
    bill = readings.number("billLastPeriod", one(data, "billLastPeriod"))
    if not items or not bill or bill != bill:
        return MONEY
    powers = [item_power(i) for i in items]
    amounts = [scaled(float(integer(one(i, "amount")) or 0), p) for i, p in zip(items, powers, strict=True)]
    charges = sum(a for a, i in zip(amounts, items, strict=True) if one(i, "itemKind") not in _NO_CHARGES)
    # an amount is as exact as its last digit, half of which may have been rounded away
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
            text = f"The bills' money is in 10^{power} of the currency, as their line items show, not in 10^-5."
            _once(findings, "espi.bill.money-scale", text, power=power)
        return power
    text = "The line items of a bill have multipliers of their own, and its total is not among them: check its scale."
    _once(findings, "espi.bill.money-unsure", text)
    return MONEY


def _once(findings: Findings, name: str, text: str, **evidence: Any) -> None:
    if name not in findings.names:
        findings.add(name, text, severity="warning", **evidence)


def check(bills: pd.DataFrame, items: pd.DataFrame, findings: Findings) -> None:
    """Say what is doubtful about the bills of a feed; nothing is changed."""
    if len(bills) > 1:
        _overlaps(bills, findings)
    _prices(bills, findings)
    whose = ["meter", "bill", "bill_start"]
    sums = items.groupby(whose, dropna=False, observed=True)["amount"].sum().reset_index()
    charged = pd.MultiIndex.from_frame(sums.loc[sums["amount"].abs().gt(0.005), whose])
    own = pd.MultiIndex.from_frame(bills[["meter", "id", "start"]])
    zero = bills["bill_last_period"].eq(0) & own.isin(charged)
    if n := Count(zero.sum()):
        text = (
            f"The total of {n:bill} reads 0 though {n:it has|they have} line items with amounts: add those up, "
            "less balances, payments and subtotals."
        )
        findings.add("espi.bill.total-zero", text, severity="warning", count=n)


def _overlaps(bills: pd.DataFrame, findings: Findings) -> None:
    whose = ["meter", "commodity", "billing_charge_source_agency_name"]
    known = bills[bills["start"].notna() & bills["end"].notna()].sort_values(["start", "end"], kind="stable")
    same = known[known.duplicated([*whose, "start", "end"], keep=False)]
    if n := Count(len(same)):
        text = (
            f"{n:bill} {n:is|are} of the same meter and period as another and differ from it: all are kept, "
            "so a sum counts them more than once; the newest ``updated`` is likely right."
        )
        findings.add("espi.bill.same-period", text, severity="warning", count=n, meters=_meters(same))
    distinct = known.drop_duplicates([*whose, "start", "end"])
    so_far = distinct.assign(end=distinct.groupby(whose, dropna=False, observed=True)["end"].cummax())
    before = so_far.groupby(whose, dropna=False, observed=True)["end"].shift()
    over = distinct[before > distinct["start"] + _SAME_DAY]
    if n := Count(len(over)):
        text = f"{n:bill} {n:begins|begin} before an earlier one of the meter ends: a sum counts some days twice."
        findings.add("espi.bill.overlap", text, severity="warning", count=n, meters=_meters(over))


def _meters(bills: pd.DataFrame) -> list[str]:
    return sorted(bills["meter"].dropna().unique().tolist())[:5]


def _prices(bills: pd.DataFrame, findings: Findings) -> None:
    """Compare the bills with what they are for: money in another scale makes a kWh cost a thousandth, or thousands."""
    money = bills["bill_last_period"].where(bills["currency"].isin(_DOLLARS))
    for unit, (least, most) in _PRICES.items():
        used = bills["overall_consumption_last_period"].where(bills["overall_consumption_last_period_unit"].eq(unit))
        price = (money / used)[used.ge(_ENOUGH) & money.gt(0)]
        if len(price) and not least <= price.median() <= most:
            text = (
                f"The bills come to {price.median():.3g} of the currency for each {unit}: their money may not be in "
                "10^-5 of it, as the standard has it; compare with a paper bill before you use it."
            )
            findings.add("espi.bill.price", text, severity="warning", unit=unit, price=float(price.median()))
