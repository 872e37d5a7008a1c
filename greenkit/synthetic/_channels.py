"""The series of a simulated meter, and the Texas utilities that may own it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.synthetic import _tariff
from greenkit.synthetic._loads import Ints

QUARTER: Final = 900


@dataclass(frozen=True, slots=True)
class Channel:
    """A series of a meter.

    ``interval`` is in seconds; 86400 means a local day of 23 to 25 hours. Amounts are whole steps of 10^-``decimals``
    of the unit. ``of`` names the model that the amounts come from.
    """

    series: str
    flow: str
    unit: str
    decimals: int
    interval: int
    of: str
    commodity: str = "electricity, secondary metered"
    kind: str = "energy"

    @property
    def priced(self) -> bool:
        """Whether the tariff has a price for the series."""
        return self.flow == "delivered" and self.unit in ("kWh", *_tariff.FLAT)


# The series numbers are those of Smart Meter Texas: channel 4 is load, channel 1 generation.
DELIVERED: Final = Channel("4", "delivered", "kWh", 3, QUARTER, "delivered")
RECEIVED: Final = Channel("1", "received", "kWh", 3, QUARTER, "received")
NET: Final = Channel("net", "net", "kWh", 3, QUARTER, "net")
REACTIVE: Final = Channel("reactive", "delivered", "kvarh", 3, QUARTER, "reactive")
VOLTAGE: Final = Channel("voltage", "unknown", "V", 1, QUARTER, "voltage", kind="voltage")
DEMAND: Final = Channel("demand", "delivered", "kW", 3, QUARTER, "demand", kind="demand")
GAS: Final = Channel("gas", "delivered", "therm", 3, 86_400, "gas", "natural gas")
GAS_M3: Final = Channel("gas", "delivered", "m3", 3, 3_600, "gas m3", "natural gas", "volume")
WATER: Final = Channel("water", "delivered", "gal", 0, 3_600, "water", "potable water", "volume")

# tdsp → (DUNS, ESI ID prefix, digits); the seed follows the prefix, so no ESI ID is real.
TDSPS: Final[Mapping[str, tuple[str, str, int]]] = {
    "oncor": ("1039940674000", "10443720", 17),
    "centerpoint": ("957877905", "1008901", 22),
    "aep central": ("007924772", "10032789", 17),
    "aep north": ("007923311", "10204049", 17),
    "tnmp": ("007929441", "10400511", 17),
}


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one channel: times in microseconds since 1970 UTC, amounts in steps of the channel."""

    channel: Channel
    start: Ints
    end: Ints
    amount: Ints
    estimated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """Amounts in the unit."""
        return np.asarray(self.amount / 10.0**self.channel.decimals)
