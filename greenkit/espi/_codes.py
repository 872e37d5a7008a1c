"""The enumerations of ESPI 4.0 (espi.xsd, 2023-12-13) as words, and its units as the units of the frame.

Every ESPI code type is a union with a plain integer, so a code that is not in these tables is still valid. It becomes
``code 229`` and a finding, never an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from greenkit.findings import Findings, Kind

UNKNOWN_CODE: Final = Kind(
    "espi.code.unknown",
    "info",
    "The member {member} has codes that the schema does not define: {shown}. greenkit kept them as they are.",
)
_INTEGER: Final = re.compile(r"\s*([-+]?[0-9]{1,19})(?:\.0+)?\s*", re.A)

Words = Mapping[int, str]


class Unit(NamedTuple):
    """Unit of the frame for a uom code, and the power of ten that its values are divided by (3 for a kilo unit)."""

    name: str
    kilo: int = 0


# fmt: off
# Electric quantities always use kilo units; the others keep the unit of the source.
UNITS: Final[Mapping[int, Unit]] = {
    0: Unit("none"), 2: Unit("m"), 3: Unit("g"), 4: Unit("rev/s"), 5: Unit("A"), 6: Unit("K"), 7: Unit("mol"),
    8: Unit("cd"), 9: Unit("deg"), 10: Unit("rad"), 11: Unit("sr"), 21: Unit("GY"), 22: Unit("Bq"), 23: Unit("°C"),
    24: Unit("Sv"), 25: Unit("F"), 27: Unit("s"), 28: Unit("H"), 29: Unit("V"), 30: Unit("ohm"), 31: Unit("J"),
    32: Unit("N"), 33: Unit("Hz"), 34: Unit("lx"), 35: Unit("lm"), 36: Unit("Wb"), 37: Unit("T"), 38: Unit("kW", 3),
    39: Unit("Pa"), 41: Unit("m2"), 42: Unit("m3"), 43: Unit("m/s"), 44: Unit("m/s2"), 45: Unit("m3/s"),
    46: Unit("m/m3"), 47: Unit("kg·m"), 48: Unit("g/m3"), 49: Unit("m2/s"), 50: Unit("W/m/K"), 51: Unit("J/K"),
    53: Unit("S"), 54: Unit("rad/s"), 61: Unit("kVA", 3), 63: Unit("kvar", 3), 65: Unit("cosθ"), 66: Unit("Vs"),
    67: Unit("V2"), 68: Unit("As"), 69: Unit("A2"), 70: Unit("A2s"), 71: Unit("kVAh", 3), 72: Unit("kWh", 3),
    73: Unit("kvarh", 3), 74: Unit("V/Hz"), 75: Unit("Hz/s"), 76: Unit("char"), 77: Unit("char/s"), 78: Unit("g·m2"),
    79: Unit("Bel"), 80: Unit("currency"), 81: Unit("W/s"), 82: Unit("L/s"), 100: Unit("Q"), 101: Unit("Qh"),
    102: Unit("ohm·m"), 103: Unit("A/m"), 104: Unit("V2h"), 105: Unit("A2h"), 106: Unit("Ah"), 107: Unit("Wh/m3"),
    108: Unit("timestamp"), 109: Unit("boolean"), 111: Unit("count"), 113: Unit("Bm"), 114: Unit("code"),
    115: Unit("Wh/rev"), 116: Unit("VArh/rev"), 117: Unit("VAh/rev"), 118: Unit("meCode"), 119: Unit("ft3"),
    120: Unit("ft3 (compensated)"), 123: Unit("ft3/h (compensated)"), 125: Unit("m3/h"),
    126: Unit("m3/h (compensated)"), 127: Unit("m3/h (uncompensated)"), 128: Unit("gal"), 129: Unit("gal/h"),
    130: Unit("imperial gal"), 131: Unit("imperial gal/h"), 132: Unit("Btu"), 133: Unit("Btu/h"), 134: Unit("L"),
    137: Unit("L/h"), 138: Unit("L/h (compensated)"), 139: Unit("L/h (uncompensated)"), 140: Unit("PaG"),
    141: Unit("psiA"), 142: Unit("psiG"), 143: Unit("L/L"), 144: Unit("g/g"), 145: Unit("mol/m3"),
    146: Unit("mol/mol"), 147: Unit("mol/kg"), 148: Unit("m/m"), 149: Unit("s/s"), 150: Unit("Hz/Hz"),
    151: Unit("V/V"), 152: Unit("A/A"), 153: Unit("W/VA"), 154: Unit("rev"), 155: Unit("PaA"),
    156: Unit("L (uncompensated)"), 157: Unit("L (compensated)"), 158: Unit("kat"), 159: Unit("min"), 160: Unit("h"),
    161: Unit("Q45"), 162: Unit("Q60"), 163: Unit("Q45h"), 164: Unit("Q60h"), 165: Unit("J/kg"),
    166: Unit("m3 (uncompensated)"), 167: Unit("m3 (compensated)"), 168: Unit("W/W"), 169: Unit("therm"),
}
"""uom, UnitSymbolKind."""

FLOW: Final[Words] = {
    0: "unknown", 1: "delivered", 2: "lagging", 3: "leading", 4: "net", 5: "Q1+Q2", 7: "Q1+Q3", 8: "Q1+Q4",
    9: "Q1−Q4", 10: "Q2+Q3", 11: "Q2+Q4", 12: "Q2−Q3", 13: "Q3+Q4", 14: "Q3−Q2", 15: "Q1", 16: "Q2", 17: "Q3",
    18: "Q4", 19: "received", 20: "total", 21: "total by phase",
}
"""flowDirection, FlowDirectionKind; delivered (1) is to the customer, received (19) from the customer."""

QUALITY: Final[Words] = {
    0: "actual", 7: "edited", 8: "estimated", 9: "estimated", 10: "questionable", 11: "derived", 12: "projected",
    13: "mixed", 14: "raw", 15: "normalized", 16: "other", 17: "actual", 18: "actual", 19: "actual",
}
"""quality, defaultQuality, qualityOfReading: QualityOfReading. The column quality_code keeps the code itself."""

COMMODITY: Final[Words] = {
    0: "none", 1: "electricity", 2: "electricity, primary metered", 3: "communication infrastructure", 4: "air",
    5: "insulative gas", 6: "insulative oil", 7: "natural gas", 8: "propane", 9: "potable water", 10: "steam",
    11: "waste water", 12: "heating fluid", 13: "cooling fluid", 14: "non-potable (reclaimed) water", 15: "NOx",
    16: "SO2", 17: "CH4", 18: "CO2", 19: "carbon", 20: "HCH", 21: "PFC", 22: "SF6", 23: "television", 24: "internet",
    25: "refuse", 26: "electricity, transmission metered",
}
"""commodity, CommodityKind. 1 is secondary metered electricity, which nearly every meter measures."""

SERVICE: Final[Words] = {
    0: "electricity", 1: "gas", 2: "water", 3: "time", 4: "heat", 5: "refuse", 6: "sewerage", 7: "rates",
    8: "TV licence", 9: "internet",
}
"""ServiceCategory kind, ServiceKind."""

ACCUMULATION: Final[Words] = {
    0: "none", 1: "bulk quantity", 2: "continuous cumulative", 3: "cumulative", 4: "delta data", 6: "indicating",
    9: "summation", 10: "time delay", 12: "instantaneous", 13: "latching quantity", 14: "bounded quantity",
}
"""accumulationBehaviour, AccumulationKind."""

QUALIFIER: Final[Words] = {
    0: "none", 2: "average", 4: "excess", 5: "high threshold", 7: "low threshold", 8: "maximum", 9: "minimum",
    11: "nominal", 12: "normal", 16: "second maximum", 17: "second minimum", 23: "third maximum",
    24: "fourth maximum", 25: "fifth maximum", 26: "sum",
}
"""dataQualifier, DataQualifierKind."""

TIME_ATTRIBUTE: Final[Words] = {
    0: "none", 8: "billing period", 11: "daily", 13: "monthly", 22: "seasonal", 24: "weekly",
    32: "specified period (timePeriod in the message)",
}
"""timeAttribute, TimePeriodOfInterest."""

MEASURING_PERIOD: Final[Words] = {
    0: "none", 1: "10-minute", 2: "15-minute", 3: "1-minute", 4: "24-hour", 5: "30-minute", 6: "5-minute",
    7: "60-minute", 10: "2-minute", 14: "3-minute", 15: "within the present period of time",
    16: "shifted within the previous monthly cycle and data set", 31: "20-minute", 50: "60-minute fixed block",
    51: "30-minute fixed block", 52: "20-minute fixed block", 53: "15-minute fixed block",
    54: "10-minute fixed block", 55: "5-minute fixed block", 56: "1-minute fixed block",
    57: "60-minute rolling block with 30-minute sub-intervals",
    58: "60-minute rolling block with 20-minute sub-intervals",
    59: "60-minute rolling block with 15-minute sub-intervals",
    60: "60-minute rolling block with 12-minute sub-intervals",
    61: "60-minute rolling block with 10-minute sub-intervals",
    62: "60-minute rolling block with 6-minute sub-intervals",
    63: "60-minute rolling block with 5-minute sub-intervals",
    64: "60-minute rolling block with 4-minute sub-intervals",
    65: "30-minute rolling block with 15-minute sub-intervals",
    66: "30-minute rolling block with 10-minute sub-intervals",
    67: "30-minute rolling block with 6-minute sub-intervals",
    68: "30-minute rolling block with 5-minute sub-intervals",
    69: "30-minute rolling block with 3-minute sub-intervals",
    70: "30-minute rolling block with 2-minute sub-intervals",
    71: "15-minute rolling block with 5-minute sub-intervals",
    72: "15-minute rolling block with 3-minute sub-intervals",
    73: "15-minute rolling block with 1-minute sub-intervals",
    74: "10-minute rolling block with 5-minute sub-intervals",
    75: "10-minute rolling block with 2-minute sub-intervals",
    76: "10-minute rolling block with 1-minute sub-intervals",
    77: "5-minute rolling block with 1-minute sub-intervals",
}
"""measuringPeriod, TimeAttributeKind."""

KIND: Final[Words] = {
    0: "none", 2: "apparent power factor", 3: "currency", 4: "current", 5: "current angle", 6: "current imbalance",
    7: "date", 8: "demand", 9: "distance", 10: "distortion volt amperes", 11: "energization", 12: "energy",
    13: "energization load side", 14: "fan", 15: "frequency", 16: "funds", 17: "ieee1366ASAI", 18: "ieee1366ASIDI",
    19: "ieee1366ASIFI", 20: "ieee1366CAIDI", 21: "ieee1366CAIFI", 22: "ieee1366CEMIn", 23: "ieee1366CEMSMIn",
    24: "ieee1366CTAIDI", 25: "ieee1366MAIFI", 26: "ieee1366MAIFIe", 27: "ieee1366SAIDI", 28: "ieee1366SAIFI",
    31: "line losses", 32: "losses", 33: "negative sequence", 34: "phasor power factor", 35: "phasor reactive power",
    36: "positive sequence", 37: "power", 38: "power factor", 40: "quantity power", 41: "sag", 42: "swell",
    43: "switch position", 44: "tap position", 45: "tariff rate", 46: "temperature", 47: "total harmonic distortion",
    48: "transformer losses", 49: "unipede voltage dip 10 to 15", 50: "unipede voltage dip 15 to 30",
    51: "unipede voltage dip 30 to 60", 52: "unipede voltage dip 60 to 90", 53: "unipede voltage dip 90 to 100",
    54: "voltage", 55: "voltage angle", 56: "voltage excursion", 57: "voltage imbalance", 58: "volume",
    59: "zero flow duration", 60: "zero sequence", 64: "distortion power factor", 81: "frequency excursion",
    90: "application context", 91: "ap title", 92: "asset number", 93: "bandwidth", 94: "battery voltage",
    95: "broadcast address", 96: "device address type 1", 97: "device address type 2", 98: "device address type 3",
    99: "device address type 4", 100: "device class", 101: "electronic serial number", 102: "end device id",
    103: "group address type 1", 104: "group address type 2", 105: "group address type 3",
    106: "group address type 4", 107: "IP Address", 108: "MAC Address", 109: "mfg assigned configuration id",
    110: "mfg assigned physical serial number", 111: "mfg assigned product number",
    112: "mfg assigned unique communication address", 113: "multicast address", 114: "one way address",
    115: "signal strength", 116: "two way address", 117: "signal to noise ratio", 118: "alarm",
    119: "battery carryover", 120: "data overflow alarm", 121: "demand limit", 122: "demand reset", 123: "diagnostic",
    124: "emergency limit", 125: "encoder tamper", 126: "ieee1366 Momentary Interruption",
    127: "ieee1366 Momentary Interruption Event", 128: "ieee1366 Sustained Interruption",
    129: "interruption behaviour", 130: "inversion tamper", 131: "load interrupt", 132: "load shed",
    133: "maintenance", 134: "physical tamper", 135: "power loss tamper", 136: "power outage", 137: "power quality",
    138: "power restoration", 139: "programmed", 140: "push button", 141: "relay activation", 142: "relay cycle",
    143: "removal tamper", 144: "reprogramming tamper", 145: "reverse rotation tamper", 146: "switch armed",
    147: "switch disabled", 148: "tamper", 149: "watchdog timeout", 150: "bill of the previous period",
    151: "bill to date", 152: "bill", 153: "monthly connection fee", 154: "audible volume", 155: "volumetric flow",
}
"""kind of a ReadingType, MeasurementKind."""

PHASE: Final[Words] = {
    0: "none", 16: "N", 17: "NG", 32: "C", 33: "CN", 40: "CtoAv", 41: "ACN", 64: "B", 65: "BN", 66: "BC", 72: "BtoAv",
    96: "AC", 97: "BCN", 128: "A", 129: "AN", 132: "AB", 136: "AtoAv", 193: "ABN", 224: "ABC", 225: "ABCN", 256: "S2",
    272: "S2N", 512: "S1", 528: "S1N", 768: "S12", 769: "S12N", 784: "S12N",
}
"""phase, phaseCode: PhaseCodeKind."""

CURRENCY: Final[Words] = {
    0: "other", 36: "AUD", 124: "CAD", 156: "CNY", 208: "DKK", 356: "INR", 392: "JPY", 578: "NOK", 643: "RUB",
    752: "SEK", 756: "CHF", 826: "GBP", 840: "USD", 978: "EUR", 484: "MXN", 410: "KRW", 554: "NZD",
}
"""currency, ISO 4217 numeric codes as letters."""

ITEM: Final[Words] = {
    1: "energy generation fee", 2: "energy delivery fee", 3: "energy usage fee", 4: "administrative fee", 5: "tax",
    6: "energy generation credit", 7: "energy delivery credit", 8: "administrative credit", 9: "payment",
    10: "information",
}
"""itemKind of a LineItem, ItemKind."""

AUTHORIZATION: Final[Words] = {
    0: "revoked", 1: "active", 2: "denied",
}
"""status of an Authorization, AuthorizationStatus."""

SERVICE_STATUS: Final[Words] = {
    0: "unavailable", 1: "normal",
}
"""currentStatus of a ServiceStatus, ESPIServiceStatus."""

APPLICATION_STATUS: Final[Words] = {
    1: "review", 2: "production", 3: "on hold", 4: "revoked",
}
"""dataCustodianApplicationStatus of an ApplicationInformation."""

THIRD_PARTY_STATUS: Final[Words] = {
    1: "development", 2: "review", 3: "live", 4: "remove",
}
"""thirdPartyApplicationStatus, ThirdPartyApplicatonStatus."""

THIRD_PARTY_TYPE: Final[Words] = {
    1: "web", 2: "desktop", 3: "mobile device", 4: "other device",
}
"""thirdPartyApplicationType."""

THIRD_PARTY_USE: Final[Words] = {
    1: "energy management", 2: "analytical", 3: "governmental", 4: "academic", 5: "law enforcement",
}
"""thirdPartyApplicationUse."""

# fmt: on

MONEY: Final = -5
"""Power of ten of amounts of money in the currency, whatever a reading's multiplier (espi.xsd, cost and amount)."""


class Codes:
    """Converts codes to words, and counts the codes that are not in a table."""

    def __init__(self) -> None:
        self._unknown: Counter[tuple[str, str]] = Counter()

    def word(self, table: Words, name: str, text: str | None, default: str | None = None) -> str | None:
        """Return the word for a code, or for the word itself; ``code 229`` for a code that is not in the table."""
        code = integer(text)
        if text is None or not text.strip():
            return default
        if code is not None and code in table:
            return table[code]
        wanted = text.strip().casefold()
        if known := next((word for word in table.values() if word.casefold() == wanted), None):
            return known
        self._unknown[name, text.strip()[:40]] += 1
        return f"code {text.strip()[:40]}"

    def unit(self, text: str | None) -> Unit:
        """Return the unit for a uom code."""
        code = integer(text)
        if not code:
            return Unit("unknown")
        if code in UNITS:
            return UNITS[code]
        self._unknown["uom", str(code)] += 1
        return Unit(f"code {code}")

    def report(self) -> Findings:
        """Return one finding for each enumeration with unknown codes."""
        out = Findings()
        for name in sorted({name for name, _ in self._unknown}):
            codes = {code: n for (where, code), n in sorted(self._unknown.items()) if where == name}
            out.add(UNKNOWN_CODE, member=name, codes=codes, words={"shown": ", ".join(list(codes)[:5])})
        return out


def integer(text: str | None) -> int | None:
    """Parse an integer of 64 bits with white space around it, or ``-3.0``; None for anything else.

    Examples
    --------
    >>> integer(" 72 "), integer("-3.0"), integer("1_000"), integer("")
    (72, -3, None, None)
    """
    found = _INTEGER.fullmatch(text) if text is not None and len(text) < 40 else None
    number = int(found[1]) if found else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None
