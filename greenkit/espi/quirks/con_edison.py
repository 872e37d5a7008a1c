"""Con Edison: its API answers without a ReadingType and names the unit and length in the links of the blocks."""

from __future__ import annotations

import re
from typing import Final

from greenkit.espi.quirks import BlockFacts, DocumentFacts, ImpliedReadingType, Quirk
from greenkit.findings import Kind

LINK_TERMS: Final = Kind(
    "espi.quirk.link-terms",
    "info",
    "The feed has no ReadingType. Its blocks name their unit and length in their link, as Con Edison's do. greenkit "
    "used these.",
)
UNITS: Final = {"KWH": "72", "KVARH": "73", "KVAH": "71", "KW": "38", "KVAR": "63", "KVA": "61"}
# …/IntervalBlock/SP_1_KWH 15 Minute Interval Read Interval
BLOCK: Final = re.compile(rf"_({'|'.join(UNITS)}) ([0-9]{{1,3}}) Minute Interval[^/]*$", re.I)
ELEMENTS: Final = ("UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "IntervalReading", "UsageSummary")


class ConEdison(Quirk):
    """The kvarh of a meter are in one entry and its kWh in the next, distinguished by the names in their links.

    Element names of its API begin with a small letter: ``intervalBlock``.
    """

    name = "con_edison"
    sources = ("Answers of its Green Button Connect API in a public repository",)
    sample = "tests/espi/test_quirks.py"
    spellings = {name[0].lower() + name[1:]: name for name in ELEMENTS}

    def recognizes(self, document: DocumentFacts) -> bool:
        return not document.has_reading_type and any(BLOCK.search(link) for link in document.block_links())

    def implied_reading_type(self, block: BlockFacts) -> ImpliedReadingType | None:
        named = BLOCK.search(block.link)
        if not named:
            return None
        members = {"uom": UNITS[named[1].upper()], "powerOfTenMultiplier": "3", "commodity": "1"}
        return ImpliedReadingType(members | {"intervalLength": str(int(named[2]) * 60)}, LINK_TERMS)


QUIRK: Final = ConEdison()
