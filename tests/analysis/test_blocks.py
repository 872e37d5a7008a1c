import numpy as np
import pandas as pd
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


@pytest.mark.parametrize(
    ("date", "on_peak"),
    [
        ("2021-12-25", "2x16"),  # Christmas on a Saturday, which is not moved
        ("2021-12-27", "5x16"),
        ("2021-07-04", "2x16"),  # Independence Day on a Sunday, observed on Monday
        ("2021-07-05", "2x16"),
        ("2021-07-06", "5x16"),
        ("2023-01-02", "2x16"),  # New Year's Day of a Sunday, observed on Monday
        ("2024-11-29", "5x16"),  # the Friday after Thanksgiving is no holiday
    ],
)
def test_holidays_on_weekends(make_series, date, on_peak):
    out = blocks.totals(make_series([1.0] * 24, date), "day")
    assert dict(zip(out["block"], out["hours"], strict=True)) == {on_peak: 16.0, "7x8": 8.0}


def test_blocks_of_bills_add_up_to_their_totals(make_series):
    df = make_series(np.arange(24 * 40) % 17 / 4, "2024-07-01")
    bills = ["2024-07-03", "2024-07-20", "2024-08-04"]
    out = blocks.totals(df, "bill", bills=bills)
    assert out["period"].unique().tolist() == ["2024-07-03 – 2024-07-19", "2024-07-20 – 2024-08-03"]
    sums = df.gk.totals("bill", bills=bills)
    assert out.groupby("period")["value"].sum().tolist() == pytest.approx(sums["value"].tolist())
    # 3 to 19 July 2024: twelve weekdays without the holiday, four days of weekends and the holiday
    assert out["hours"].tolist()[:3] == [12 * 16, 5 * 16, 17 * 8]
    # bills that overlap share intervals
    twice = pd.DataFrame({"start": ["2024-07-03", "2024-07-03"], "end": ["2024-07-05", "2024-07-04"]})
    assert blocks.totals(df, "bill", bills=twice)["hours"].sum() == 72
    with pytest.raises(SchemaError, match='Totals by "bill" need bills'):
        blocks.totals(df, "bill")


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
