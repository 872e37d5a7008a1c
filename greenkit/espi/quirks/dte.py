"""DTE Energy: gas whose title names hundreds of cubic feet, and whose uom names another unit."""

from __future__ import annotations

from typing import Final

from greenkit.espi.quirks import DocumentFacts, Quirk, SeriesFacts
from greenkit.findings import Findings, Kind

TITLED_OTHERWISE: Final = Kind(
    "espi.value.titled-otherwise",
    "warning",
    "The title of the ReadingType of series {series} names {titled}, but its uom declares {unit}. The values may be in "
    "{titled}; greenkit did not change them.",
    "Compare the series with a bill.",
)
# word of a title → power of ten that its cubic feet have
CUBIC_FEET: Final = {"CCF": 2, "MCF": 3}


class Dte(Quirk):
    """DTE Energy titles its gas "Energy Delivered (CCF)", and its numbers are in that unit."""

    name = "dte"
    sources = ("A download in a public repository",)
    sample = "tests/espi/test_quirks.py"

    def recognizes(self, document: DocumentFacts) -> bool:
        return any(_named_in(title) for title in document.reading_type_titles)

    def check_series(self, series: SeriesFacts) -> Findings:
        found = Findings()
        for name in _named_in(series.title):
            if not (series.unit.startswith("ft3") and series.multiplier == CUBIC_FEET[name]):
                found.add(TITLED_OTHERWISE, series=series.name, titled=name, unit=series.unit)
        return found


def _named_in(title: str) -> list[str]:
    words = title.upper().replace("(", " ").replace(")", " ").split()
    return [name for name in CUBIC_FEET if name in words]


QUIRK: Final = Dte()
