"""Frames that the tests of tariffs share."""

import numpy as np
import pandas as pd
import pytest

from greenkit import frame


@pytest.fixture
def make_flow():
    """Build a frame of one register from values laid from a local start."""

    def make(values, start="2024-01-01", *, zone="America/Phoenix", every="1h", meter="M1", flow="delivered",
             unit="kWh", quality="actual", **extras):  # fmt: skip
        step = pd.Timedelta(every)
        first = pd.Timestamp(start, tz=zone).tz_convert("UTC")
        starts = pd.date_range(first, periods=len(values), freq=step).as_unit("us").tz_convert(zone)
        return frame.tidy(
            pd.DataFrame(
                {
                    "meter": meter, "series": flow + unit, "flow": flow, "start": starts, "end": starts + step,
                    "value": np.asarray(values, dtype=float), "unit": unit, "zone": zone, "quality": quality,
                    **extras,
                }
            )
        )  # fmt: skip

    return make
