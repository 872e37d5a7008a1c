"""Columns become the frame without copies of it: memory stays a small multiple of the frame."""

import io
import tracemalloc

import pandas as pd
import pytest
from build import block, hourly, utc, whole

from greenkit.espi import _feed as feed
from greenkit.espi import _parse as parse
from greenkit.espi._assemble import assemble, build_frame, scale_and_check
from greenkit.espi._codes import Codes
from greenkit.espi._series import SeriesResolver
from greenkit.sources import Source

START = utc("2024-01-05 05:00")
ROWS = 50_000


def long_feed(rows=ROWS):
    """A feed of one block, with so many hours put behind it."""
    data, found = whole(block(hourly(START, [5]), START, 3600)), feed.Feed()
    parse.read(found, Source("a", lambda: io.BytesIO(data), len(data)), recover=False, advance=lambda size: None)
    for column in found.readings.columns.values():
        column.extend(column * (rows - 1))
    start = found.readings.columns["start"]
    for row in range(1, rows):
        start[row] += row * 3_600_000_000
    found.readings.blocks.rows[0] = rows
    return found


@pytest.mark.parametrize("tz", ["America/New_York", None])
def test_frame_is_built_in_little_more_than_its_own_memory(tz):
    found, codes = long_feed(), Codes()
    index = SeriesResolver(found, codes, tz).resolve()
    tracemalloc.start()
    try:
        assembly = assemble(found, index, epoch="utc", tz=tz)
        scale_and_check(assembly.readings)
        df = build_frame(assembly.readings, codes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(df), len(assembly.registers), len(found.readings)) == (ROWS, 0, 0)
    # the columns that were read are not in it, though they are part of the frame
    assert peak < 1.5 * df.memory_usage().sum()


def test_columns_are_independent_and_can_be_written(opened):
    df = opened(whole(block(hourly(START, [1000, 2000], cost=100000), START, 7200))).readings
    before = df.copy()
    df.loc[0, "value"] = 7.0
    df.loc[1, "start"] += pd.Timedelta("1h")
    df["cost"] *= 2
    assert df["value"].tolist() == [7, 2]
    assert df["cost"].tolist() == [2, 2]
    changed = ["value", "start", "cost"]
    pd.testing.assert_frame_equal(df.drop(columns=changed), before.drop(columns=changed))
