"""SmartHub, the customer portal of many cooperatives: the unit is in the interval, the scale in each reading."""

from __future__ import annotations

from typing import Final

from greenkit.espi._codes import UNITS, integer
from greenkit.espi.quirks import INTERVAL_TERMS, BlockFacts, DocumentFacts, ImpliedReadingType, Quirk


class SmartHub(Quirk):
    """The interval names uom and currency; each reading names a powerOfTenMultiplier.

    That multiplier has the opposite sense of ESPI's: by its power of ten the value is larger than kWh, kW, or the unit
    itself.
    """

    name = "smarthub"
    sources = ("Downloads in public repositories",)
    sample = "tests/espi/test_quirks.py"

    def recognizes(self, document: DocumentFacts) -> bool:
        return "uom" in document.interval_members

    def implied_reading_type(self, block: BlockFacts) -> ImpliedReadingType | None:
        stated, powers = block.interval, block.multipliers
        unit = UNITS.get(integer(stated.get("uom")) or 0, UNITS[0])
        power = integer(powers[0] if powers else "0") if len(set(powers)) < 2 else None
        if unit is UNITS[0] or power is None:
            return None
        members = {"uom": stated["uom"], "currency": stated.get("currency", "")}
        members["powerOfTenMultiplier"] = str(unit.kilo - power) if powers else "0"
        words, severity = {"sender": "SmartHub"}, "info"
        if powers:
            words["named"] = "their unit in their interval, and their readings a powerOfTenMultiplier"
            words["did"] = f"divided the values by 10^{power} to get {unit.name}"
            severity = "warning"
        else:
            words["named"], words["did"] = "their unit in their interval", "used it"
        return ImpliedReadingType(members, INTERVAL_TERMS, f"MeterReading/{unit.name}", words, severity)


QUIRK: Final = SmartHub()
