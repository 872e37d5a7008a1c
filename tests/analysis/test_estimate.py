import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.analysis import estimate


def hole(df, *rows):
    return df.drop(index=list(rows)).reset_index(drop=True)


def test_short_gap_is_filled_by_a_line(make_series):
    df = hole(make_series([1.0, 2, 3, 4, 5, 6]), 2, 3)
    out = estimate.fill_gaps(df)
    assert out["filled"].tolist() == [1, 2, 3, 4, 5, 6]
    assert out["filled_by"].tolist() == ["", "", "line", "line", "", ""]
    assert out["value"].isna().tolist() == [False, False, True, True, False, False]
    assert out["quality"].tolist()[2] == "missing"
    frame.check(out)


def test_measured_values_are_never_changed(make_series):
    df = hole(make_series(np.random.default_rng(1).uniform(1, 2, 24 * 28)), *range(100, 130))
    out = estimate.fill_gaps(df)
    kept = out[out["filled_by"] == ""]
    assert kept["value"].tolist() == df["value"].tolist() == kept["filled"].tolist()
    assert len(out) == 24 * 28


def test_long_gap_is_the_mean_of_similar_days(make_series):
    # four weeks: each weekday is its week's number, weekends are ten times that
    week = np.repeat(np.arange(1, 5), 7 * 24) * np.where(np.arange(28 * 24) // 24 % 7 < 5, 1, 10)
    tuesday = range(7 * 24 + 24, 7 * 24 + 48)  # the second week's
    out = estimate.fill_gaps(hole(make_series(week), *tuesday), weeks=1)
    made = out[out["filled_by"] == "like-days"]
    assert len(made) == 24
    # weekdays from Tuesday a week before to Tuesday a week after: 4 of week one, 4 of week two, 2 of week three
    assert made["filled"].unique().tolist() == [(4 * 1 + 4 * 2 + 2 * 3) / 10]


def test_no_line_from_zero_or_from_an_estimate(make_series):
    assert estimate.fill_gaps(hole(make_series([1.0, 0, 9, 1]), 2))["filled_by"].tolist()[2] == "none"
    guessed = make_series([1.0, 2, 9, 4], quality=["actual", "estimated", "actual", "actual"])
    assert estimate.fill_gaps(hole(guessed, 2))["filled_by"].tolist()[2] == "none"


def test_outage_is_not_used_as_a_similar_day(make_series):
    values = np.random.default_rng(1).uniform(1, 2, 24 * 14)
    values[24:48] = 0.0  # a day without power
    out = estimate.fill_gaps(hole(make_series(values), *range(48, 72)))
    made = out.loc[out["filled_by"] == "like-days", "filled"]
    assert len(made) == 24
    assert made.min() >= 1.0


def test_rows_without_a_value_are_filled_too_and_extras_stay(make_series):
    df = make_series([1.0, np.nan, 3.0], cost=[0.1, 0.2, 0.3], source="a.xml")
    out = estimate.fill_gaps(df)
    assert out["filled"].tolist() == [1, 2, 3]
    assert list(out.columns) == [*df.columns, "filled", "filled_by"]


def test_series_are_filled_separately(make_series):
    df = frame.concat([hole(make_series([1.0, 2, 3]), 1), hole(make_series([10.0, 20, 30], meter="M2"), 1)])
    assert estimate.fill_gaps(df)["filled"].tolist() == [1, 2, 3, 10, 20, 30]


def test_frame_without_gaps_is_unchanged(make_series):
    df = make_series([1.0, 2.0])
    out = estimate.fill_gaps(df)
    pd.testing.assert_frame_equal(out[list(df.columns)], df)
    assert len(estimate.fill_gaps(frame.empty())) == 0
