"""Fixtures of the tests of several folders."""

import pandas as pd
import pytest

from greenkit import frame
from greenkit.synthetic import data_samples


@pytest.fixture(scope="session")
def sample_path(tmp_path_factory):
    """Return the path of any sample by name, ``"espi-bare-entry"``; it is generated when it is first used."""
    folder = tmp_path_factory.mktemp("samples")
    files = {name.partition(".")[0]: name for name in data_samples.SAMPLES}

    def path(name):
        file = folder / files[name]
        if not file.exists():
            file.write_bytes(data_samples.content(files[name]))
        return file

    return path


@pytest.fixture(scope="session")
def make_series():
    """Build a tidy frame of one series from its values, laid one after another from a local start."""

    def make(
        values,
        start="2024-07-01",
        *,
        zone="America/Chicago",
        every="1h",
        meter="M1",
        flow="delivered",
        series=None,
        unit="kWh",
        quality="actual",
        **extras,
    ):
        step = pd.Timedelta(every)
        # in UTC, since a step of 24 hours is a calendar day to some versions of pandas
        first = pd.Timestamp(start, tz=zone).tz_convert("UTC")
        starts = pd.date_range(first, periods=len(values), freq=step).as_unit("us").tz_convert(zone)
        if not len(values):
            return frame.empty(zone=zone)
        columns = {
            "meter": meter, "series": series or flow, "flow": flow, "start": starts, "end": starts + step,
            "value": pd.Series(values, dtype="float64"), "unit": unit, "zone": zone, "quality": quality, **extras,
        }  # fmt: skip
        return frame.tidy(pd.DataFrame(columns))

    return make
