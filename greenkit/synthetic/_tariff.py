"""A made-up time-of-use tariff, and the bills that follow from it.

Money is a whole number of hundred-thousandths of the currency, as in ESPI, so that every file and the true values
agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from greenkit.synthetic._loads import Ints, Moments, uniform

CURRENCY: Final = "USD"
# tou code → (name, 10^-5 USD per Wh, so 29 means 0.29 USD per kWh)
PERIODS: Final[Mapping[int, tuple[str, int]]] = {1: ("on-peak", 29), 2: ("mid-peak", 17), 3: ("off-peak", 9)}
CRITICAL: Final = 75
"""10^-5 USD per Wh in a critical peak (cpp 1)."""
EXPORT: Final = 6
"""10^-5 USD paid per Wh received from the customer."""
# unit → 10^-5 USD per step of the true values
FLAT: Final[Mapping[str, int]] = {"therm": 145, "gal": 1000, "m3": 58}
FIXED: Final = 995_000
"""Customer charge of a bill: 9.95 USD."""
TAX_PERCENT: Final = 6
TIER_WH: Final = 600_000
"""Tier 2 starts after 600 kWh in a calendar month."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line item: ESPI item kind (2 delivery, 3 use, 4 fixed, 5 tax, 6 credit), text, and amount in 10^-5 USD."""

    kind: int
    note: str
    amount: int
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill: its period (microseconds since 1970 UTC), quantities in steps of the true values, and line items."""

    start: int
    end: int
    unit: str
    delivered: int
    received: int
    peak: int | None
    peak_at: int | None
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """Sum of the line items, in 10^-5 USD."""
        return sum(item.amount for item in self.items)

    @property
    def additional(self) -> int:
        """Customer charge and tax, in 10^-5 USD."""
        return sum(item.amount for item in self.items if item.kind in (4, 5))


def periods(at: Moments) -> tuple[Ints, Ints]:
    """Return the tou code and the cpp code of each interval, by local time."""
    weekday, hour = at.weekday < 5, at.hour
    peak = weekday & (hour >= 16) & (hour < 21)
    mid = weekday & (hour >= 7) & (hour < 23)
    tou = np.where(peak, 1, np.where(mid, 2, 3)).astype(np.int64)
    event = peak & (hour >= 17) & (hour < 20) & (uniform(22, 1, at.day) < 0.06)
    return tou, event.astype(np.int64)


def cost(unit: str, amounts: Ints, tou: Ints, cpp: Ints) -> Ints:
    """Return the cost of each delivered amount, in 10^-5 USD."""
    if unit in FLAT:
        return amounts * FLAT[unit]
    prices = np.array([0, *(price for _, price in PERIODS.values())], dtype=np.int64)
    return amounts * np.where(cpp == 1, CRITICAL, prices[tou])


def items(unit: str, amounts: Ints, tou: Ints, cpp: Ints, received: int) -> tuple[Item, ...]:
    """Return the line items of a bill."""
    lines = []
    if unit in FLAT:
        lines.append(Item(3, "Use", int(cost(unit, amounts, tou, cpp).sum()), int(amounts.sum())))
    else:
        for code, (name, _) in PERIODS.items():
            mine = tou == code
            charge = int(cost(unit, amounts[mine], tou[mine], cpp[mine]).sum())
            lines.append(Item(3, f"Energy, {name}", charge, int(amounts[mine].sum())))
    if received:
        lines.append(Item(6, "Credit for energy received", -EXPORT * received, received))
    lines.append(Item(4, "Customer charge", FIXED))
    lines.append(Item(5, "Tax", max(0, sum(line.amount for line in lines)) * TAX_PERCENT // 100))
    return tuple(lines)
