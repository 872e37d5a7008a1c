import numpy as np
import pytest

from greenkit import plot
from greenkit.analysis import blocks, intervals
from greenkit.errors import SchemaError, SettingsError


@pytest.mark.parametrize(
    ("year", "dates"),
    [
        (2021, ["01-01", "05-31", "07-05", "09-06", "11-25", "12-25"]),  # 4 July is a Sunday, Christmas a Saturday
        (2022, ["01-01", "05-30", "07-04", "09-05", "11-24", "12-26"]),  # New Year's Day is a Saturday
        (2024, ["01-01", "05-27", "07-04", "09-02", "11-28", "12-25"]),
    ],
)
def test_nerc_holidays_are_observed_on_monday_after_a_sunday(year, dates):
    assert blocks.nerc_holidays([year]).astype(str).tolist() == [f"{year}-{d}" for d in dates]


def test_blocks_of_a_week_with_a_holiday(make_series):
    # Monday 1 to Sunday 7 July 2024; Thursday is a holiday: four days of 5x16, three of 2x16
    found = intervals.from_frame(make_series([1.0] * 168, "2024-07-01"))
    names = np.asarray(blocks.of(found)).astype(str)
    assert [(names == name).sum() for name in blocks.NAMES] == [4 * 16, 3 * 16, 7 * 8]
    assert names[:24].tolist() == ["7x8"] * 6 + ["5x16"] * 16 + ["7x8"] * 2
    assert set(names[72:96]) == {"2x16", "7x8"}


def test_blocks_follow_the_local_clock_on_a_fall_back_day(make_series):
    names = np.asarray(blocks.of(intervals.from_frame(make_series([1.0] * 25, "2024-11-03")))).astype(str)
    assert [(names == name).sum() for name in blocks.NAMES] == [0, 16, 9]


def test_totals_by_block_of_a_week_with_a_holiday(make_series):
    df = make_series([1.0] * 168, "2024-07-01")
    out = blocks.totals(df, "week")
    assert out[["period", "block", "value", "hours"]].to_numpy().tolist() == [
        ["2024-W27", "5x16", 64.0, 64.0], ["2024-W27", "2x16", 48.0, 48.0], ["2024-W27", "7x8", 56.0, 56.0],
    ]  # fmt: skip
    assert blocks.totals(df, "month")["value"].sum() == 168
    assert blocks.totals(make_series([2.0] * 24, "2024-07-01", unit="kW"))["value"].tolist() == [2.0, 2.0]
    with pytest.raises(SchemaError, match="no blocks by 'hour'"):
        blocks.totals(df, "hour")
    with pytest.raises(SchemaError, match="longer than an hour"):
        blocks.totals(make_series([1.0], every="24h"))


def test_time_of_use_chart_of_wholesale_blocks(make_series):
    df = make_series([1.0] * 168, "2024-07-01")
    figure = plot.tou(df, schedule="wholesale")
    assert {bar.name: sum(bar.y) for bar in figure.data} == {"5x16": 64, "2x16": 48, "7x8": 56}
    with pytest.raises(SettingsError, match="schedule is 'retail', but it must be 'wholesale'"):
        plot.tou(df, schedule="retail")
