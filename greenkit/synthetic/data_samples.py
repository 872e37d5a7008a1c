"""The files of ``data-samples/``: which meters, which window, which shape. A test makes them again and compares."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from greenkit._files import atomic
from greenkit.synthetic import espi_feed
from greenkit.synthetic.dialects import CONFORMING
from greenkit.synthetic.meters import Meter, gas_meter, household, shop, water_meter

Maker = Callable[[BinaryIO], None]
AUTUMN: Final = ("2024-10-28", "2024-11-11")
"""Two weeks with the end of daylight saving on 3 November, a Sunday of 25 hours."""


def solar_home() -> Meter:
    """Make the household of the ``espi`` sample: panels, a car, an estimated morning, an outage and a gap."""
    home = household(1, solar=6.0, ev=True, read_day=29, faults=())
    home = home.plant("estimated", "2024-10-30 06:00", "2024-10-30 12:00")
    return home.plant("outage", "2024-11-05 15:00", "2024-11-05 18:00").plant(
        "gap", "2024-11-08 02:00", "2024-11-08 05:00"
    )


def _espi(file: BinaryIO) -> None:
    espi_feed.write(file, [solar_home()], *AUTUMN, dialect=replace(CONFORMING, pretty=False))


def _gas(file: BinaryIO) -> None:
    espi_feed.write(
        file, [gas_meter(1, faults=())], "2024-10-01", "2025-04-01", dialect=replace(CONFORMING, block="month")
    )


def _water(file: BinaryIO) -> None:
    espi_feed.write(file, [water_meter(1, faults=())], "2024-07-01", "2024-07-15")


def _shops(file: BinaryIO) -> None:
    shops = [shop(seed, zone="America/New_York", faults=()) for seed in (3, 4)]
    espi_feed.write(file, shops, "2024-03-08", "2024-03-12", dialect=replace(CONFORMING, pretty=False))


# file name → what writes it
SAMPLES: Final[Mapping[str, Maker]] = {
    "espi.xml": _espi,
    "espi-gas.xml": _gas,
    "espi-water.xml": _water,
    "espi-shops.xml": _shops,
}


def make(folder: str | os.PathLike[str]) -> list[Path]:
    """Write every sample into a folder; give their paths."""
    paths = [Path(folder) / name for name in SAMPLES]
    for path in paths:
        with atomic(path) as file:
            SAMPLES[path.name](file)
    return paths
