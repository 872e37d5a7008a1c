"""The files of ``data-samples/``: which meters, which window, which shape. A test makes them again and compares."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from greenkit._files import atomic
from greenkit.synthetic import espi_feed, smt_csv, smt_json, smt_lse, smt_names
from greenkit.synthetic.dialects import CONFORMING
from greenkit.synthetic.meters import Meter, gas_meter, household, shop, water_meter

Maker = Callable[[BinaryIO], None]
AUTUMN: Final = ("2024-10-28", "2024-11-11")
"""Two weeks with the end of daylight saving on 3 November, a Sunday of 25 hours."""
CHANGE: Final = ("2024-11-02", "2024-11-07")
"""Five days of the SMT samples with the same end of daylight saving."""


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


def texas_home() -> Meter:
    """Make the household of the SMT samples: panels, an estimated night, a gap, a new meter."""
    home = household(42, tdsp="oncor", solar=5.0, ev=True, faults=())
    home = home.plant("estimated", "2024-11-04 00:00", "2024-11-04 06:00")
    return home.plant("gap", "2024-11-05 09:00", "2024-11-05 10:00").plant("meter change", "2024-11-06", "2024-11-06")


def texas_shop() -> Meter:
    """Make the shop of the SMT samples, whose ESI ID has 22 digits."""
    return shop(43, tdsp="centerpoint", faults=())


def _lse(file: BinaryIO) -> None:
    smt_lse.write(file, [texas_home(), texas_shop()], *CHANGE, layout=smt_lse.Lse(per_row=4))


def _lse_rows(file: BinaryIO) -> None:
    layout = smt_lse.Lse(
        per_row=1, trailing_comma=True, stop="235900", gap="null", newline="\r\n", made=True, redelivered=2
    )
    smt_lse.write(file, [texas_home()], "2024-11-04", "2024-11-07", layout=layout)


def _interval(file: BinaryIO) -> None:
    smt_csv.write(file, [texas_home(), texas_shop()], *CHANGE)


def _spring(file: BinaryIO) -> None:
    smt_csv.write(file, [texas_home()], "2024-03-09", "2024-03-12", layout=smt_csv.SPREADSHEET)


def _legacy(file: BinaryIO) -> None:
    smt_csv.write(file, [texas_shop()], "2023-11-04", "2023-11-07", layout=smt_csv.LEGACY_2012)


def _revised(file: BinaryIO) -> None:
    layout = replace(smt_csv.PORTAL, flows="interleaved", surplus="SurplusGeneration", redelivered=2)
    smt_csv.write(file, [texas_home()], *CHANGE, layout=layout)


def _zip(file: BinaryIO) -> None:
    made = datetime(2024, 11, 8, 6, 30)
    members = {
        smt_names.lse_name("oncor", made): _bytes(_lse),
        smt_names.csv_name("IntervalMeterUsage", made): _bytes(_interval),
        smt_names.csv_name("DailyMeterUsage", made): _bytes(_daily),
    }
    file.write(smt_names.pack("samples.lse", members, compress=False)[1])


def _daily(file: BinaryIO) -> None:
    smt_csv.write_daily(file, [texas_home(), texas_shop()], "2024-10-01", "2024-12-01")


def _monthly(file: BinaryIO) -> None:
    smt_csv.write_monthly(file, [texas_home(), texas_shop()], "2023-12-31", "2025-01-02")


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _bytes(maker: Maker) -> bytes:
    file = io.BytesIO()
    maker(file)
    return file.getvalue()


# file name → what writes it
SAMPLES: Final[Mapping[str, Maker]] = {
    "espi.xml": _espi,
    "espi-gas.xml": _gas,
    "espi-water.xml": _water,
    "espi-shops.xml": _shops,
    "smt-lse.lse": _lse,
    "smt-lse-rows.lse": _lse_rows,
    "smt-interval.csv": _interval,
    "smt-interval-spring.csv": _spring,
    "smt-interval-legacy.csv": _legacy,
    "smt-interval-revised.csv": _revised,
    "smt-daily.csv": _daily,
    "smt-monthly.csv": _monthly,
    "smt-api.json": lambda file: _put(file, smt_json.intervals(texas_home(), *CHANGE)),
    "smt-api-daily.json": lambda file: _put(file, smt_json.daily(texas_home(), "2024-10-01", "2024-12-01")),
    "smt-portal.json": lambda file: _put(file, smt_json.portal_intervals(texas_home(), *CHANGE)),
    "smt-files.zip": _zip,
}


def make(folder: str | os.PathLike[str]) -> list[Path]:
    """Write every sample into a folder; give their paths."""
    paths = [Path(folder) / name for name in SAMPLES]
    for path in paths:
        with atomic(path) as file:
            SAMPLES[path.name](file)
    return paths
