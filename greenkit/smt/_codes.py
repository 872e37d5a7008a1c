"""Smart Meter Texas: the facts that all its file formats share.

Sources: ERCOT Retail Market Guide, section 9, appendix G (LSE); the AMS Data Practices Matrix of the TDSPs; interval
files exported from the SMT portal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

ZONE: Final = "America/Chicago"
"""Central Prevailing Time, in which ERCOT's market works. SMT has no meter in another zone."""
STANDARD: Final = -6 * 3600
"""Seconds from UTC in standard time, for LSE records without daylight saving time."""
STEP: Final = 900
"""Seconds of a settlement interval, for files that do not state it."""
KWH: Final = "kWh"


class Channel(NamedTuple):
    """A series of a meter: its SMT channel number as text, and the direction in which energy flows."""

    series: str
    flow: str


LOAD: Final = Channel("4", "delivered")
GENERATION: Final = Channel("1", "received")

# Names of a channel in LSE header 1, in the last column of the CSV, and in RT of the JSON, as normalize_name returns
# them.
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
"""Status of an LSE interval that has a value and no letter: Lodestar's normal quality."""

# Status letter or word → quality. Any other status, or a missing one, is "other"; the column quality_code keeps it.
QUALITIES: Final[Mapping[str, str]] = {
    NORMAL: "actual",
    "A": "actual",
    "ACTUAL": "actual",
    "E": "estimated",
    "ESTIMATED": "estimated",
}

# ESI ID prefix → TDSP. Territories were merged and moved, so a meter may belong to another TDSP by now.
TDSPS: Final[Mapping[str, str]] = {
    "1044372": "Oncor",
    "1017699": "Oncor",  # the former Sharyland territory
    "1008901": "CenterPoint",
    "10032789": "AEP Texas Central",
    "10204049": "AEP Texas North",
    "10400511": "TNMP",
}


@lru_cache(1 << 12)
def normalize_name(text: str) -> str:
    """Return the lowercase letters and digits of a name, by which names are compared.

    Examples
    --------
    >>> normalize_name("USAGE (KWH)")
    'usagekwh'
    """
    return "".join(c for c in text.lower() if c.isalnum())


def channel(name: str) -> Channel:
    """Return the channel of a name or number; one that SMT does not define keeps its name.

    Examples
    --------
    >>> channel("Surplus Generation"), channel("04"), channel("7")
    (Channel(series='1', flow='received'), Channel(series='4', flow='delivered'), Channel(series='7', flow='channel 7'))
    """
    known = CHANNELS.get(normalize_name(name))
    if known is None and name.isascii() and name.strip().isdigit():
        number = str(int(name))
        known = CHANNELS.get(number) or Channel(number, f"channel {number}")
    return known or Channel(name.strip(), name.strip().lower() or "unknown")


def tdsp_hint(esi_id: str) -> str | None:
    """Return the transmission and distribution utility that an ESI ID's prefix suggests, or None if it is unknown.

    Parameters
    ----------
    esi_id : str
        ESI ID, 17 or 22 digits.

    Examples
    --------
    >>> tdsp_hint("10443720000000001")
    'Oncor'
    """
    return next((tdsp for prefix, tdsp in TDSPS.items() if esi_id.startswith(prefix)), None)
