"""What is doubtful about values: it is said, and nothing is changed."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.days import US
from greenkit.espi.rows import Rows
from greenkit.espi.series import Series
from greenkit.findings import Count
from greenkit.frame import ADDITIVE

Floats = npt.NDArray[np.float64]

# What a unit may cost in any currency from a dollar to a yen: far outside of every tariff, and near enough to tell a
# multiplier of the wrong sign, or one too many.
PRICES: Final = {"kWh": (0.003, 1000.0), "therm": (0.03, 10_000.0), "m3": (0.01, 4000.0)}
# These currencies buy more than a thirtieth of the bound.
_STRONG: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "USD"})
_ENOUGH: Final = 24  # readings that no two meters have alike by chance
_IDLE: Final = 20.0  # watts: less than what a home draws while nobody is in it
# What a title calls hundreds and thousands of cubic feet → the power of ten that cubic feet then have.
_CUBIC_FEET: Final = {"CCF": 2, "MCF": 3}


def unlikely_prices(rows: Rows, value: Floats, cost: Floats) -> None:
    """Say which series cost too little or too much for what they hold: value or cost are in another scale.

    Some utilities give a powerOfTenMultiplier of 3 to readings that are in Wh already, or 5 where they mean -5.
    """
    paid = (cost > 0) & (value > 0)
    series = rows.series[paid]
    money, used = np.bincount(series, cost[paid]), np.bincount(series, value[paid])
    for number, count in enumerate(np.bincount(series).tolist()):
        of = rows.plan.series[number]
        if not count or of.unit.name not in PRICES:
            continue
        low, high = PRICES[of.unit.name]
        price = float(money[number] / used[number])
        high = high / 30 if of.currency in _STRONG else high
        if not low <= price <= high:
            text = (
                f"Series {of.name} costs {price:.2g} {of.currency or 'of its currency'} a {of.unit.name}, "
                f"which no tariff does: compare a bill, since its powerOfTenMultiplier ({of.power}) or its cost "
                "is in another scale than it says; both are as the feed has them."
            )
            evidence = {"series": of.name, "price": price, "multiplier": of.power, "count": count}
            rows.feed.findings.add("espi.value.unlikely-price", text, severity="serious", **evidence)


def negative_flows(rows: Rows, value: Floats) -> None:
    """Say which series flow one way by their type, and hold values that flow the other.

    Some utilities net what was received from what was delivered, and still say delivered; others give what was
    received as negative numbers, which a difference of the two would then add.
    """
    negative = np.bincount(rows.series[value < 0], minlength=len(rows.plan.series))
    every = np.bincount(rows.series, minlength=len(rows.plan.series))
    for number in np.flatnonzero(negative):
        of, n = rows.plan.series[number], Count(negative[number])
        if of.flow in ("delivered", "received") and of.unit.name in ADDITIVE:
            text = (
                f"Series {of.name} is {of.flow} by its type, but {n:value} of {every[number]:,} {n:is|are} negative: "
                "it may hold the net of both ways; sums take them as they are."
            )
            rows.feed.findings.add(
                "espi.value.negative", text, severity="warning", series=of.name, flow=of.flow, count=n
            )


def same_series(rows: Rows, value: Floats) -> None:
    """Say which series hold the same readings, one for one, so that a sum over them counts each several times.

    LG&E's downloads carry one service under every meter that it has had.
    """
    count, total = np.bincount(rows.series), np.bincount(rows.series, np.nan_to_num(value))
    alike: dict[tuple[object, ...], list[int]] = {}
    for number in np.flatnonzero((count >= _ENOUGH) & (total != 0)).tolist():
        of = rows.plan.series[number]
        alike.setdefault((of.unit.name, of.flow, count[number], total[number]), []).append(number)
    several = [numbers for numbers in alike.values() if len(numbers) > 1]
    places = dict(rows.by_series()) if several else {}
    for numbers in several:
        held: dict[bytes, list[str]] = {}
        for number in numbers:
            here, of = places[number], rows.plan.series[number]
            if (value[here] != value[here[0]]).any():
                key = rows.columns["start"][here].tobytes() + value[here].tobytes()
                held.setdefault(key, []).append(f"{of.meter} / {of.name}")
        for names in held.values():
            if len(names) > 1:
                text = (
                    f"{len(names)} series hold the same readings, one for one ({', '.join(names[:5])}), as one service "
                    "under several meters does: take one of them, since a sum counts each reading as often."
                )
                rows.feed.findings.add("espi.series.same", text, severity="serious", series=names, count=len(names))


def decimals_of_watts(rows: Rows, value: Floats) -> None:
    """Say which series in Wh have decimals and hold next to nothing: they may be in kWh.

    ESPI's values are whole numbers; who writes 0.25 and leaves powerOfTenMultiplier at 0 has mostly left the kWh be.
    """
    used = value > 0
    energy = np.bincount(rows.series, np.where(used, value, 0))
    time = np.bincount(rows.series, np.where(used, rows.columns["duration"], 0))
    for number in np.flatnonzero(time > 0):
        of, watts = rows.plan.series[number], 1000 * 3600 * US * float(energy[number] / time[number])
        if of.unit.name != "kWh" or of.power or watts >= _IDLE:
            continue
        held = 1000 * value[used & (rows.series == number)]
        if (n := Count((np.abs(held - held.round()) > 1e-6).sum())) * 2 > len(held):
            text = (
                f"Series {of.name} is in Wh by its type, but {n:value} {n:has|have} decimals, and its average is "
                f"{watts:.2g} W: compare a bill, since its values may be in kWh; they are as the feed has them."
            )
            evidence = {"series": of.name, "watts": watts, "count": n}
            rows.feed.findings.add("espi.value.decimals", text, severity="warning", **evidence)


def units_not_said(rows: Rows, used: list[Series]) -> None:
    """Say which of the series that have readings have a ReadingType that names no unit."""
    for series in used:
        if series.reading_type and series.unit.name == "unknown":
            text = f"The ReadingType of series {series.name} names no unit (uom): its values are raw."
            rows.feed.findings.add("espi.reading-type.no-unit", text, severity="serious", series=series.name)


def units_titled_otherwise(rows: Rows, used: list[Series]) -> None:
    """Say which series' type is titled in hundreds of cubic feet, but has a uom that means another unit.

    DTE Energy titles its gas "Energy Delivered (CCF)", and its numbers are in that unit.
    """
    for series in used:
        for name, power in _CUBIC_FEET.items():
            fits = series.unit.name.startswith("ft3") and series.power == power
            if name in series.title.upper().replace("(", " ").replace(")", " ").split() and not fits:
                text = (
                    f"The ReadingType of series {series.name} is titled {series.title!r}, but its uom says "
                    f"{series.unit.name}: compare a bill, since the values may be in {name}."
                )
                evidence = {"series": series.name, "title": series.title}
                rows.feed.findings.add("espi.value.titled-otherwise", text, severity="warning", **evidence)
