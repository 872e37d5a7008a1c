"""Meters to make: households, shops, gas, water, a fleet.

>>> home = household(1, solar=5.0)
>>> df = home.frame("2024-11-01", "2024-11-05")
>>> df.groupby("flow", observed=True)["value"].size().to_dict()
{'delivered': 388, 'received': 388}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from greenkit.synthetic.chance import one
from greenkit.synthetic.channels import DELIVERED, GAS, QUARTER, RECEIVED, TDSPS, WATER, Channel
from greenkit.synthetic.faults import Fault
from greenkit.synthetic.meters import Meter


def household(
    seed: int,
    *,
    zone: str = "America/Chicago",
    solar: float = 0.0,
    ev: bool | None = None,
    interval: int = QUARTER,
    tdsp: str | None = None,
    faults: tuple[Fault, ...] | None = None,
    **more: Any,
) -> Meter:
    """Make a household with a 15-minute electricity meter.

    Parameters
    ----------
    seed : int
        The same seed is the same household for ever.
    zone : str
        IANA zone; it brings the weather and the sun.
    solar : float
        Rated power of the panels in kW; more than 0 adds the series of what is received from the customer.
    ev : bool, optional
        Whether a car is charged at night; None lets the seed say (one in three).
    interval : int
        Seconds of an interval: 900, 3600, or 86400 for local days.
    tdsp : str, optional
        A Texas utility of :data:`greenkit.synthetic.TDSPS`: the meter's id is then a made-up ESI ID.
    faults : tuple of Fault, optional
        None plants some by the seed; ``()`` none.
    **more
        Other fields of :class:`greenkit.synthetic.Meter`: ``read_day``, ``installed``, ``id``, ``channels``.

    Examples
    --------
    >>> household(7, tdsp="centerpoint").id
    '1008901000000000000007'
    """
    car = one(seed, 91) < 1 / 3 if ev is None else ev
    channels = tuple(replace(c, interval=interval) for c in ((DELIVERED, RECEIVED) if solar else (DELIVERED,)))
    return _meter(seed, "household", channels, zone, tdsp=tdsp, solar=solar, ev=car, faults=faults, **more)


def shop(seed: int, *, zone: str = "America/Chicago", tdsp: str | None = None, **more: Any) -> Meter:
    """Make a shop with a 15-minute electricity meter: open by day, closed on Sundays and public holidays.

    ``more`` are fields of :class:`greenkit.synthetic.Meter`, here and below.
    """
    return _meter(seed, "shop", (DELIVERED,), zone, tdsp=tdsp, **more)


def gas_meter(seed: int, *, zone: str = "America/Los_Angeles", channel: Channel = GAS, **more: Any) -> Meter:
    """Make a gas meter: therms by the local day, or m³ by the hour with ``channel=channels.GAS_M3``."""
    return _meter(seed, "gas", (channel,), zone, **more)


def water_meter(seed: int, *, zone: str = "America/Los_Angeles", **more: Any) -> Meter:
    """Make a water meter: US gallons by the hour."""
    return _meter(seed, "water", (WATER,), zone, **more)


def fleet(count: int, *, seed: int = 1, tdsps: tuple[str, ...] = tuple(TDSPS)) -> Iterator[Meter]:
    """Give any number of Texas meters: mostly households, one in four with panels, one in ten a shop."""
    for i in range(seed, seed + count):
        tdsp = tdsps[i % len(tdsps)]
        if i % 10 == 0:
            yield shop(i, tdsp=tdsp)
        else:
            yield household(i, tdsp=tdsp, solar=4.0 + 4.0 * one(i, 92) if i % 4 == 0 else 0.0)


def _meter(
    seed: int, kind: str, channels: tuple[Channel, ...], zone: str, tdsp: str | None = None, **more: Any
) -> Meter:
    name = f"{kind}-{seed:04d}"
    if tdsp is not None:
        if tdsp not in TDSPS:
            raise ValueError(f"{tdsp!r} is no Texas utility: use one of {', '.join(TDSPS)}")
        _, prefix, digits = TDSPS[tdsp]
        name, zone = prefix + str(seed).zfill(digits - len(prefix)), "America/Chicago"
    return Meter(seed, more.pop("id", name), zone, kind, more.pop("channels", channels), tdsp=tdsp, **more)
