"""Opower: batch feeds for third parties that declare kWh and may hold Wh."""

from __future__ import annotations

from typing import Final

from greenkit.espi.quirks import DocumentFacts, Quirk, SeriesFacts
from greenkit.findings import Findings, Kind

MAY_BE_WH: Final = Kind(
    "espi.quirk.opower-wh",
    "serious",
    "Series {series} is declared in kWh (powerOfTenMultiplier 3), but other readers take Opower's feeds of this title "
    "as Wh. greenkit follows the declaration.",
    "Compare the usage with a bill; if the bill is a thousandth of it, divide the values by 1000.",
)
TITLE: Final = "Opower ESPI Third Party Batch Feed"


class Opower(Quirk):
    """Batch feeds, such as those for Con Edison, with uom 72 and powerOfTenMultiplier 3 over whole numbers."""

    name = "opower"
    sources = ("Public readers of these feeds, which take the numbers as Wh; no bill was seen that settles it",)
    sample = "tests/espi/test_quirks.py"

    def recognizes(self, document: DocumentFacts) -> bool:
        return document.title.startswith(TITLE)

    def check_series(self, series: SeriesFacts) -> Findings:
        found = Findings()
        if series.unit == "kWh" and series.multiplier == 3:
            found.add(MAY_BE_WH, series=series.name, multiplier=series.multiplier)
        return found


QUIRK: Final = Opower()
