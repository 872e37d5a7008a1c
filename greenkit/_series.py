"""A series: the columns that identify it, and what its unit means.

A unit either adds up over time (kWh, therm) or is a rate (kW, V), of which only the mean weighted by hours is used.
"""

from __future__ import annotations

from typing import Final

SERIES: Final = ("meter", "flow", "series", "unit")
"""The columns that identify a series."""
KEY: Final = (*SERIES, "zone")
# fmt: off
ADDITIVE: Final = frozenset({
    "kWh", "kVAh", "kvarh", "Ah", "V2h", "A2h", "Qh", "Q45h", "Q60h", "therm", "Btu", "J", "m3", "m3 (compensated)",
    "m3 (uncompensated)", "ft3", "ft3 (compensated)", "gal", "imperial gal", "L", "L (compensated)",
    "L (uncompensated)", "currency", "count", "rev",
})
# fmt: on
"""Units of quantities that can be summed over time, unlike kW, V, A, or °C."""
# The rate that the value of an interval over its hours is, for units that can be summed. All others (kW, V, °C …) are
# rates themselves: for a longer time, only their mean weighted by hours is used.
_RATE: Final = {
    "kWh": "kW", "kVAh": "kVA", "kvarh": "kvar", "Ah": "A", "V2h": "V2", "A2h": "A2", "Qh": "Q", "Q45h": "Q45",
    "Q60h": "Q60",
}  # fmt: skip
POWER: Final = {unit: _RATE.get(unit, f"{unit}/h") for unit in sorted(ADDITIVE)}


def adds_up(unit: str) -> bool:
    """Return whether intervals of this unit may be summed over time.

    Examples
    --------
    >>> adds_up("kWh"), adds_up("therm"), adds_up("kW"), adds_up("V")
    (True, True, False, False)
    """
    return unit in POWER


def power_unit(unit: str) -> str:
    """Return the unit of a value divided by its hours; a rate keeps its own.

    Examples
    --------
    >>> power_unit("kWh"), power_unit("m3"), power_unit("V")
    ('kW', 'm3/h', 'V')
    """
    return POWER.get(unit, unit)
