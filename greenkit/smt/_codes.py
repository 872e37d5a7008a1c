"""Smart Meter Texas: the facts that all its file formats share.

Sources: ERCOT Retail Market Guide, section 9, appendix G (LSE); the AMS Data Practices Matrix of the TDSPs; real
interval files of the SMT portal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

ZONE: Final = "America/Chicago"
"""ERCOT's market time, Central Prevailing; no meter of SMT lies outside it."""
STANDARD: Final = -6 * 3600
"""Seconds from UTC in standard time, for the LSE records that do not take part in daylight saving."""
STEP: Final = 900
"""Seconds of a settlement interval, where a file does not say."""
KWH: Final = "kWh"


class Channel(NamedTuple):
    """One series of a meter: its SMT channel as text, and which way the energy flows."""

    series: str
    flow: str


LOAD: Final = Channel("4", "delivered")
GENERATION: Final = Channel("1", "received")

# What the formats call a channel, in lower-case letters and digits only: LSE header 1, the CSV's last column, JSON RT.
CHANNELS: Final[Mapping[str, Channel]] = {
    "4": LOAD,
    "consumption": LOAD,
    "c": LOAD,
    "delivered": LOAD,
    "1": GENERATION,
    "surplusgeneration": GENERATION,
    "generation": GENERATION,
    "g": GENERATION,
    "received": GENERATION,
}

NORMAL: Final = " "
"""The status of an LSE interval that has a value and no letter: Lodestar's normal quality."""

# Status letters and words → quality. Any other, and none where a letter belongs, is "other"; quality_code keeps it.
QUALITIES: Final[Mapping[str, str]] = {
    NORMAL: "actual",
    "A": "actual",
    "ACTUAL": "actual",
    "E": "estimated",
    "ESTIMATED": "estimated",
}


# ESI ID prefix → TDSP. Territories were merged and moved, so an id may belong to another by now.
TDSPS: Final[Mapping[str, str]] = {
    "1044372": "Oncor",
    "1017699": "Oncor",  # the former Sharyland territory
    "1008901": "CenterPoint",
    "10032789": "AEP Texas Central",
    "10204049": "AEP Texas North",
    "10400511": "TNMP",
}
DUNS: Final[Mapping[str, str]] = {
    "1039940674000": "Oncor",
    "957877905": "CenterPoint",
    "007924772": "AEP Texas Central",
    "007923311": "AEP Texas North",
    "007929441": "TNMP",
}


def squeezed(text: str) -> str:
    """Give lower-case letters and digits only, by which names are compared: ``USAGE (KWH)`` → ``usagekwh``."""
    return "".join(c for c in text.lower() if c.isalnum())


def channel(name: str) -> Channel:
    """Give the channel of a name or number; one that SMT does not define keeps its own name."""
    known = CHANNELS.get(squeezed(name))
    if known is None and name.isascii() and name.strip().isdigit():
        number = str(int(name))
        known = CHANNELS.get(number) or Channel(number, f"channel {number}")
    return known or Channel(name.strip(), name.strip().lower() or "unknown")


def tdsp_hint(esi_id: str) -> str | None:
    """Guess the transmission and distribution utility by an ESI ID's prefix; None when it is not known.

    Examples
    --------
    >>> tdsp_hint("10443720000000001")
    'Oncor'
    """
    return next((tdsp for prefix, tdsp in TDSPS.items() if esi_id.startswith(prefix)), None)
