"""Small LSE files with known contents, written by hand for the tests of datasets."""

import datetime as dt
import os

import numpy as np

from greenkit.times import intervals_per_day

STAMP = "20251105063000"


def record(meter, day, values, *, revision=STAMP, channel="4", step=3600, newline="\n"):
    """One record of LSE: a meter, a local day, and its values; None is a blank value."""
    last = dt.datetime.combine(day, dt.time()) + dt.timedelta(days=1, seconds=-1)
    head = [
        f"00000001,{meter},{channel},{day:%Y%m%d}000000,{last:%Y%m%d%H%M%S},Y,N",
        f"00000002,,,,,,,{step},01,,,,",
        "00000003,",
        f"00000004,{revision},M" if revision else "00000004,,M",
    ]
    cells = ",".join(f"{'' if v is None else v},{'' if v is None else 'A'}," for v in values)
    return newline.join([*head, f"10000000,{cells}"]) + newline


def hours(day):
    """How many hours a local day has."""
    return int(intervals_per_day([np.datetime64(day, "D")], "America/Chicago", 3600)[0])


def write(path, text, age):
    """Write a file that is as old as ``age`` seconds after 2025-11-10."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    when = dt.datetime(2025, 11, 10, tzinfo=dt.UTC).timestamp() + age
    os.utime(path, (when, when))
    return path
