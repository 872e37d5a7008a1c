"""Duke Energy: usage downloads that contain only IntervalBlocks, whose intervals name the meter, unit, and length."""

from __future__ import annotations

from typing import Final

from greenkit.espi.quirks import INTERVAL_TERMS, BlockFacts, DocumentFacts, ImpliedReadingType, Quirk

# unitOfMeasure → uom and powerOfTenMultiplier
UNITS: Final = {"kwh": ("72", "3"), "wh": ("72", "0"), "ccf": ("119", "2"), "therm": ("169", "0")}
# serviceType → commodity
SERVICES: Final = {"electric": "1", "gas": "7"}


class Duke(Quirk):
    """The intervals of Duke Energy's blocks have servicePointId, serviceType, unitOfMeasure, and secondsPerInterval.

    The documents have no links and no resources other than IntervalBlocks. Values are decimals in the unit itself, and
    a reading's quality is a word in a ``readingQuality`` without an inner element.
    """

    name = "duke"
    sources = ("A download in a public repository",)
    sample = "tests/espi/test_quirks.py"
    spellings = {"readingQuality": "ReadingQuality"}
    quality_words = {"ACTUAL": "actual", "ESTIMATED": "estimated", "ESTIMATE": "estimated", "MISSING": "missing"}

    def recognizes(self, document: DocumentFacts) -> bool:
        return not document.interval_members.isdisjoint({"secondsPerInterval", "unitOfMeasure"})

    def implied_reading_type(self, block: BlockFacts) -> ImpliedReadingType | None:
        stated = block.interval
        if not stated.keys() & {"secondsPerInterval", "unitOfMeasure"}:
            return None
        uom, power = UNITS.get(stated.get("unitOfMeasure", "kWh").lower().removesuffix("s"), ("", "0"))
        service = stated.get("serviceType", "").lower()
        members = {
            "uom": uom,
            "powerOfTenMultiplier": power,
            "commodity": SERVICES.get(service, ""),
            "intervalLength": stated.get("secondsPerInterval", ""),
        }
        path = f"UsagePoint/{stated.get('servicePointId') or 'unknown'}/MeterReading/{service or 'usage'}"
        words = {
            "named": "their meter, unit, and interval length in their interval",
            "sender": "Duke Energy",
            "did": "used these",
        }
        return ImpliedReadingType(members, INTERVAL_TERMS, path, words)


QUIRK: Final = Duke()
