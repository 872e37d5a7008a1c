"""What is doubtful about values: it is said, and nothing is changed."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.espi.rows import Rows

COST: Final = 1e5
"""A cost is in hundred-thousandths of the currency, whatever the multiplier (espi.xsd, IntervalReading.cost)."""

# What a unit may cost in any currency from a dollar to a yen: far outside of every tariff, and near enough to tell a
# multiplier of the wrong sign, or one too many.
PRICES: Final = {"kWh": (0.001, 1000.0), "therm": (0.01, 10_000.0)}


def unlikely_prices(rows: Rows, value: npt.NDArray[np.float64]) -> None:
    """Say which series cost too little or too much for what they hold: value or cost are in another scale.

    Some utilities give a powerOfTenMultiplier of 3 to readings that are in Wh already, or 5 where they mean -5.
    """
    cost = rows.columns["cost"] / COST
    paid = (cost > 0) & (value > 0)
    for number in np.unique(rows.series[paid]):
        series, here = rows.plan.series[number], paid & (rows.series == number)
        low, high = PRICES.get(series.unit.name, (0.0, np.inf))
        price = float(cost[here].sum() / value[here].sum())
        if not low <= price <= high:
            text = (
                f"Series {series.name} costs {price:.2g} {series.currency or 'of its currency'} a {series.unit.name}, "
                f"which no tariff does: compare a bill, since its powerOfTenMultiplier ({series.power}) or its cost "
                "is in another scale than it says; both are as the feed has them."
            )
            evidence = {"series": series.name, "price": price, "multiplier": series.power, "count": int(here.sum())}
            rows.feed.findings.add("espi.value.unlikely-price", text, severity="serious", **evidence)


def units_not_said(rows: Rows) -> None:
    """Say which series have a ReadingType that names no unit."""
    for number in np.unique(rows.series):
        series = rows.plan.series[number]
        if series.reading_type and series.unit.name == "unknown":
            text = f"The ReadingType of series {series.name} names no unit (uom): its values are raw."
            rows.feed.findings.add("espi.reading-type.no-unit", text, severity="serious", series=series.name)
