"""Opower: batch feeds for third parties that declare kWh and may hold Wh."""

from __future__ import annotations

from typing import Final

from greenkit.espi.quirks import DocumentFacts, Floats, Quirk, SeriesFacts
from greenkit.findings import Findings, Kind

MAY_BE_WH: Final = Kind(
    "espi.quirk.opower-wh",
    "serious",
    "Series {series} is declared in kWh (powerOfTenMultiplier 3), but other software reads Opower feeds with this "
    "title as Wh. greenkit follows the declaration.",
    "Compare the usage with a bill, and divide the values by 1000 if the bill shows a thousandth of them.",
)
IS_WH: Final = Kind(
    "espi.quirk.opower-wh-by-price",
    "serious",
    "Series {series} is declared in kWh (powerOfTenMultiplier 3), but then costs {price:.2g} of its currency per kWh; "
    "as Wh it costs {corrected:.2g}. greenkit read it as Wh.",
    "Compare the usage with a bill.",
)
ABSURD, ORDINARY = 0.003, (0.02, 2.0)
"""Prices of a kWh in any of the currencies of these feeds: below every tariff, and usual."""
TITLE: Final = "Opower ESPI Third Party Batch Feed"


class Opower(Quirk):
    """Batch feeds, such as those for Con Edison, with uom 72 and powerOfTenMultiplier 3 over whole numbers."""

    name = "opower"
    sources = ("Public readers of these feeds, which treat the numbers as Wh; not confirmed by a bill",)
    sample = "tests/espi/test_quirks.py"

    def recognizes(self, document: DocumentFacts) -> bool:
        return document.title.startswith(TITLE)

    def multiplier(self, series: SeriesFacts, value: Floats, cost: Floats) -> tuple[int, Findings]:
        found = Findings()
        paid = (cost > 0) & (value > 0)
        if series.unit != "kWh" or series.multiplier != 3 or not paid.any():
            return series.multiplier, found
        # cost is in 10^-5 of the currency; as declared, value is in kWh
        price = float(cost[paid].sum() * 1e-5 / value[paid].sum())
        if price >= ABSURD or not ORDINARY[0] <= 1000 * price <= ORDINARY[1]:
            return series.multiplier, found
        found.add(IS_WH, series=series.name, price=price, corrected=1000 * price)
        return 0, found

    def check_series(self, series: SeriesFacts) -> Findings:
        found = Findings()
        if series.unit == "kWh" and series.multiplier == 3:
            found.add(MAY_BE_WH, series=series.name, multiplier=series.multiplier)
        return found


QUIRK: Final = Opower()
