"""The data samples: the meters, window, and format of each. Tests compare the files with what this module writes.

>>> truth("smt-interval")["flow"].value_counts().sort_index().to_dict()
{'delivered': 964, 'received': 480}
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import pandas as pd

from greenkit._files import atomic
from greenkit.synthetic import _customer_feed, _espi_feed, _resources, _smt_csv, _smt_json, _smt_lse, smt_names
from greenkit.synthetic._channels import GAS_M3, QUARTER
from greenkit.synthetic._dialects import CONFORMING, DIALECTS, Dialect
from greenkit.synthetic._meters import Meter, fleet_frame, gas_meter, household, shop, water_meter

Maker = Callable[[BinaryIO, list[Meter], str, str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: its meters, its window of local days (end exclusive), and its writer."""

    meters: Callable[[], list[Meter]]
    start: str
    end: str
    write: Maker

    def make(self, file: BinaryIO) -> None:
        """Write the sample to a binary file."""
        self.write(file, self.meters(), self.start, self.end)


# -- meters; the windows include November 3, 2024, a Sunday of 25 hours


def solar_home() -> Meter:
    """Return the household of the sample ``espi``: solar panels, a car, estimates, an outage, and a gap."""
    home = household(1, solar=6.0, ev=True, read_day=29, faults=())
    home = home.plant("estimated", "2024-10-30 06:00", "2024-10-30 12:00")
    home = home.plant("outage", "2024-11-05 15:00", "2024-11-05 18:00")
    return home.plant("gap", "2024-11-08 02:00", "2024-11-08 05:00")


def quiet_home(interval: int = 3600, solar: float = 0.0) -> Meter:
    """Return the household that shows the quirks: one hourly series without anything unusual."""
    return household(11, interval=interval, solar=solar, read_day=4, faults=())


def texas_home() -> Meter:
    """Return the household of the SMT samples: solar panels, estimates, a gap, a new meter."""
    home = household(42, tdsp="oncor", solar=5.0, ev=True, faults=())
    home = home.plant("estimated", "2024-11-04 00:00", "2024-11-04 06:00")
    return home.plant("gap", "2024-11-05 09:00", "2024-11-05 10:00").plant("meter change", "2024-11-06", "2024-11-06")


def texas_shop() -> Meter:
    """Return the shop of the SMT samples, whose ESI ID has 22 digits."""
    return shop(43, tdsp="centerpoint", faults=())


def _home() -> list[Meter]:
    return [texas_home()]


def _both() -> list[Meter]:
    return [texas_home(), texas_shop()]


# -- Green Button


def _feed(dialect: Dialect, meters: Callable[[], list[Meter]], start: str, end: str) -> Sample:
    return Sample(meters, start, end, partial(_write_feed, dialect))


def _write_feed(dialect: Dialect, file: BinaryIO, meters: list[Meter], start: str, end: str) -> None:
    _espi_feed.write(file, meters, start, end, dialect=dialect)


_COMPACT: Final = replace(CONFORMING, pretty=False)
_MONTHS: Final = replace(CONFORMING, block="31 days")
_GAS: Final = ("2024-10-20", "2024-11-20")
# dialects that need another meter or window than three days of the quiet home
_OTHERS: Final[Mapping[str, tuple[Callable[[], list[Meter]], str, str]]] = {
    "gas-1e-8": (lambda: [gas_meter(5, faults=())], *_GAS),
    "gas-day-86400": (lambda: [gas_meter(5, faults=())], *_GAS),
    "wrong-kind": (lambda: [gas_meter(5, faults=())], *_GAS),
    "empty-kind": (lambda: [gas_meter(5, faults=())], *_GAS),
    "bills-only": (
        lambda: [gas_meter(6, channel=GAS_M3, zone="America/Toronto", faults=())],
        "2024-09-15",
        "2024-12-15",
    ),
    "energy-and-demand": (lambda: [quiet_home(QUARTER)], "2024-11-02", "2024-11-04"),
    "many-units": (lambda: [quiet_home(QUARTER)], "2024-11-03", "2024-11-04"),
    "net": (lambda: [quiet_home(QUARTER, solar=5.0)], "2024-11-03", "2024-11-04"),
    "nested-links": (lambda: [quiet_home(solar=5.0)], "2024-11-02", "2024-11-05"),
    "direct-links": (lambda: [quiet_home(solar=5.0)], "2024-11-02", "2024-11-05"),
    "back-links": (lambda: [quiet_home(solar=5.0)], "2024-11-02", "2024-11-05"),
    "eastern-epochs": (lambda: [replace(quiet_home(), zone="America/Los_Angeles")], "2024-11-02", "2024-11-05"),
    # Base64 in the links, as in that API
    "typed-prefixes": (lambda: [replace(quiet_home(), id="MTE6NTM5MTMyMA==")], "2024-11-02", "2024-11-05"),
    "smt": (_home, "2024-11-02", "2024-11-05"),
}


def _quirk(name: str) -> Sample:
    return _feed(DIALECTS[name], *_OTHERS.get(name, (lambda: [quiet_home()], "2024-11-02", "2024-11-05")))


def _grants(file: BinaryIO, _: list[Meter], start: str, end: str) -> None:
    began, day = (int(pd.Timestamp(t, tz="UTC").timestamp()) for t in (start, end))
    grants = [
        _resources.Grant(1, began, began + 365 * 86_400, "Batch/Subscription/1", customer="Batch/RetailCustomer/1"),
        _resources.Grant(2, began - 400 * 86_400, began - 35 * 86_400, "Batch/Subscription/2", active=False),
    ]
    file.write(_resources.authorizations(grants, day))


def _notification(file: BinaryIO, _: list[Meter], __: str, ___: str) -> None:
    uris = [f"{CONFORMING.base}/Batch/Subscription/{i}" for i in (1, 2)]
    file.write(_resources.batch_list(uris, dialect=_resources.ODD_NOTIFICATION))


# -- Smart Meter Texas


def _lse(layout: _smt_lse.Lse, file: BinaryIO, meters: list[Meter], start: str, end: str) -> None:
    _smt_lse.write(file, meters, start, end, layout=layout)


def _csv(layout: _smt_csv.IntervalCsv, file: BinaryIO, meters: list[Meter], start: str, end: str) -> None:
    _smt_csv.write(file, meters, start, end, layout=layout)


def _json(
    answer: Callable[[Meter, str, str], bytes], file: BinaryIO, meters: list[Meter], start: str, end: str
) -> None:
    file.write(answer(meters[0], start, end))


def _zip(file: BinaryIO, meters: list[Meter], start: str, end: str) -> None:
    made = datetime(2024, 11, 8, 6, 30)
    lse, interval = BytesIO(), BytesIO()
    _smt_lse.write(lse, meters[:1], start, end)
    _smt_csv.write(interval, meters[1:], start, end)
    members = {
        smt_names.lse_name("oncor", made): lse.getvalue(),
        smt_names.csv_name("IntervalMeterUsage", made): interval.getvalue(),
    }
    file.write(smt_names.pack("", members, compress=False)[1])


_CHANGE: Final = ("2024-11-02", "2024-11-07")
_ROWS: Final = _smt_lse.Lse(per_row=1, trailing_comma=True, stop="235900", gap="null", newline="\r\n", redelivered=2)
_REVISED: Final = _smt_csv.IntervalCsv(flows="interleaved", surplus="SurplusGeneration", redelivered=2)

# file name → sample
SAMPLES: Final[Mapping[str, Sample]] = {
    "espi.xml": _feed(_COMPACT, lambda: [solar_home()], "2024-10-28", "2024-11-11"),
    "espi-gas.xml": _feed(_MONTHS, lambda: [gas_meter(1, faults=())], "2024-10-01", "2025-04-01"),
    "espi-water.xml": _feed(CONFORMING, lambda: [water_meter(1, faults=())], "2024-07-01", "2024-07-15"),
    "espi-shops.xml": _feed(
        _COMPACT,
        lambda: [shop(seed, zone="America/New_York", faults=()) for seed in (3, 4)],
        "2024-03-08",
        "2024-03-12",
    ),
    "espi-customers.xml": Sample(
        lambda: [solar_home(), texas_shop()], "2024-09-15", "2024-11-15", _customer_feed.write
    ),
    "espi-authorizations.xml": Sample(list, "2024-11-01", "2024-11-02", _grants),
    "espi-notification.xml": Sample(list, "2024-11-01", "2024-11-02", _notification),
    **{f"espi-{name}.xml": _quirk(name) for name in DIALECTS if name != "conforming"},
    "smt-lse.lse": Sample(_both, *_CHANGE, partial(_lse, _smt_lse.Lse(per_row=4))),
    "smt-lse-rows.lse": Sample(_home, "2024-11-04", "2024-11-07", partial(_lse, _ROWS)),
    "smt-interval.csv": Sample(_both, *_CHANGE, partial(_csv, _smt_csv.PORTAL)),
    "smt-interval-spring.csv": Sample(_home, "2024-03-09", "2024-03-12", partial(_csv, _smt_csv.SPREADSHEET)),
    "smt-interval-legacy.csv": Sample(
        lambda: [texas_shop()], "2023-11-04", "2023-11-07", partial(_csv, _smt_csv.LEGACY_2012)
    ),
    "smt-interval-revised.csv": Sample(_home, *_CHANGE, partial(_csv, _REVISED)),
    "smt-daily.csv": Sample(_both, "2024-10-01", "2024-12-01", _smt_csv.write_daily),
    "smt-monthly.csv": Sample(_both, "2023-12-31", "2025-01-02", _smt_csv.write_monthly),
    "smt-api.json": Sample(_home, *_CHANGE, partial(_json, _smt_json.intervals)),
    "smt-api-daily.json": Sample(_home, "2024-10-01", "2024-12-01", partial(_json, _smt_json.daily)),
    "smt-portal.json": Sample(_home, *_CHANGE, partial(_json, _smt_json.portal_intervals)),
    "smt-files.zip": Sample(_both, *_CHANGE, _zip),
}

SHIPPED: Final = (
    *("espi.xml", "espi-gas.xml", "espi-water.xml", "espi-shops.xml", "espi-customers.xml", "espi-bills-only.xml"),
    *("espi-hourly-and-register.xml", "espi-energy-and-demand.xml", "espi-net.xml", "espi-local-as-utc.xml"),
    *("espi-smt.xml", "smt-lse.lse", "smt-lse-rows.lse", "smt-interval.csv", "smt-interval-revised.csv"),
    *("smt-daily.csv", "smt-monthly.csv", "smt-api.json", "smt-portal.json", "smt-files.zip"),
)
"""The samples in ``data-samples/`` and in the wheel. Tests generate the others."""


def truth(name: str) -> pd.DataFrame:
    """Return the true values behind a sample as a tidy frame.

    Parameters
    ----------
    name : str
        Name of a sample, such as ``"espi"``. Its file may contain more series (demand, net) or fewer readings than
        the true values.

    Raises
    ------
    ValueError
        If there is no such sample.
    """
    for file, sample in SAMPLES.items():
        if file.split(".")[0] == name:
            return fleet_frame(sample.meters(), sample.start, sample.end)
    raise ValueError(f"There is no sample {name!r}. List the samples with greenkit.samples.names().")


@functools.cache
def content(name: str) -> bytes:
    """Return the bytes of a sample.

    Parameters
    ----------
    name : str
        File name, one of :data:`SAMPLES`.

    Examples
    --------
    >>> content("smt-lse.lse")[:9]
    b'00000001,'
    """
    file = BytesIO()
    SAMPLES[name].make(file)
    return file.getvalue()


def make(folder: str | os.PathLike[str], names: Iterable[str] = SHIPPED) -> list[Path]:
    """Write samples into a folder.

    Parameters
    ----------
    folder : path
        An existing folder.
    names : iterable of str
        File names, each one of :data:`SAMPLES`.

    Returns
    -------
    list of Path
        The files, in the order of the names.
    """
    paths = [Path(folder) / name for name in names]
    for path in paths:
        with atomic(path) as file:
            file.write(content(path.name))
    return paths
