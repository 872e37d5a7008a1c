import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import frame
from greenkit.analysis import shape
from greenkit.errors import SchemaError


def test_one_row_for_a_series(make_series):
    # 15-minute energy, so power is four times it; two days
    day = [0.25] * 48 + [0.5] * 44 + [2.5] * 4
    out = shape.summarize(make_series(day * 2, every="15min")).iloc[0]
    assert (out["power_unit"], out["minutes"], out["intervals"], out["hours"]) == ("kW", 15, 192, 48)
    assert (out["peak"], str(out["peak_at"])) == (10.0, "2024-07-01 23:00:00-05:00")
    mean = sum(day) / 24
    assert out["mean"] == pytest.approx(mean)
    assert out["load_factor"] == pytest.approx(mean / 10)
    assert (out["base"], out["night"], out["near_base"]) == (1.0, 1.0, 1.0)
    assert out["always_on"] == pytest.approx(1 / mean)
    assert out["near_peak"] == 10.0
    assert out["high_hours"] == 1.0


def test_state_is_not_divided(make_series):
    out = shape.summarize(make_series([3.0, 5.0], every="15min", unit="kW")).iloc[0]
    assert (out["power_unit"], out["mean"], out["peak"], out["load_factor"]) == ("kW", 4.0, 5.0, 0.8)


def test_missing_values_are_left_out_and_reported(make_series):
    out = shape.summarize(make_series([1, np.nan, 3]))
    assert (out["hours"].iloc[0], out["mean"].iloc[0]) == (2, 2)
    assert out.attrs["greenkit"] == {
        "rows": 2,
        "of": 3,
        "first": "2024-07-01 05:00:00+00:00",
        "last": "2024-07-01 08:00:00+00:00",
    }


def test_each_day_is_computed_separately(make_series):
    out = shape.daily(make_series(list(range(24)) + [1.0] * 24))
    assert out["date"].astype(str).tolist() == ["2024-07-01", "2024-07-02"]
    assert out[["total", "lowest", "highest", "night"]].to_numpy().tolist() == [[276, 0, 23, 1], [24, 1, 1, 1]]
    assert out["near_base"].iloc[0] == pytest.approx(np.percentile(range(24), 2.5))
    assert out["near_peak"].iloc[0] == pytest.approx(np.percentile(range(24), 97.5))


def test_duration_curve_falls_and_its_area_is_the_energy(make_series):
    df = frame.concat([make_series([1, 5, 3, 2]), make_series([7, 9], meter="M2")])
    curve = shape.duration(df)
    first = curve[curve["meter"] == "M1"]
    assert first[["percent", "power"]].to_numpy().tolist() == [[25, 5], [50, 3], [75, 2], [100, 1]]
    assert shape.at_percent(curve, (25, 26, 100)).to_numpy().tolist() == [[5, 3, 1], [9, 9, 7]]


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(0, 1e3), min_size=1, max_size=60))
def test_area_is_always_the_energy(make_series, values):
    curve = shape.duration(make_series(values, every="15min"))
    steps = np.diff(np.append(0, curve["percent"])) / 100
    assert (curve["power"] * steps).sum() * len(values) / 4 == pytest.approx(sum(values))
    assert curve["power"].is_monotonic_decreasing
    assert curve["percent"].iloc[-1] == pytest.approx(100)


def test_peaks_one_a_day(make_series):
    df = make_series([1] * 10 + [8, 9] + [1] * 12 + [7] + [1] * 23)
    out = shape.peaks(df, 3)
    assert out[["rank", "power"]].to_numpy().tolist() == [[1, 9], [2, 7]]
    assert out["start"].astype(str).tolist() == ["2024-07-01 11:00:00-05:00", "2024-07-02 00:00:00-05:00"]
    assert out["weekday"].tolist() == ["Monday", "Tuesday"]
    assert out["of_peak"].tolist() == [1, 7 / 9]
    assert out["day_total"].tolist() == [39, 30]
    assert shape.peaks(df, 3, one_a_day=False)["power"].tolist() == [9, 8, 7]


def test_coincident_peaks(make_series):
    df = frame.concat([make_series([1, 2, 4], every="15min"), make_series([3, 3, 3], every="15min", meter="M2")])
    out = shape.coincident(df, ["2024-07-01 00:20-05:00", "2024-07-01 05:40+00:00"])
    assert out["power"].tolist() == [8, 16, 12, 12]
    assert out["of_peak"].tolist() == [0.5, 1, 1, 1]
    assert out["average"].tolist() == [12, 12, 12, 12]
    assert out["moment"].astype(str).tolist() == 2 * ["2024-07-01 00:20:00-05:00", "2024-07-01 00:40:00-05:00"]
    outside = shape.coincident(df, ["2024-07-01 00:20-05:00", "2024-07-01 00:45-05:00"])
    assert outside["power"].isna().tolist() == [False, True, False, True]
    assert outside["average"].isna().all()
    assert shape.coincident(df, "2024-07-01 00:20-05:00")["power"].tolist() == [8, 12]
    with pytest.raises(SchemaError, match="has no time zone"):
        shape.coincident(df, ["2024-07-01 00:20"])
    with pytest.raises(SchemaError, match="'soon' is not a time"):
        shape.coincident(df, ["soon"])


def test_coincident_peaks_by_interval_end(make_series):
    df = make_series([1, 2, 4], every="15min")
    # the interval from 00:15 to 00:30 holds 2 kWh; its end is its name in a list that is interval ending
    ending = shape.coincident(df, ["2024-07-01 00:30-05:00", "2024-07-01 00:45-05:00"], label="end")
    assert ending["power"].tolist() == [8, 16]
    assert ending["start"].astype(str).tolist() == ["2024-07-01 00:15:00-05:00", "2024-07-01 00:30:00-05:00"]
    starting = shape.coincident(df, ["2024-07-01 00:30-05:00", "2024-07-01 00:45-05:00"])
    assert starting["power"].iloc[0] == 16
    assert np.isnan(starting["power"].iloc[1])
    assert shape.coincident(df, ["2024-07-01 00:00-05:00"], label="end")["power"].isna().all()
    with pytest.raises(ValueError, match="label is 'right', but it must be 'start' or 'end'"):
        shape.coincident(df, ["2024-07-01 00:30-05:00"], label="right")


def test_daily_data_has_no_shape_within_the_day(make_series):
    row = shape.summarize(make_series([24.0, 48.0], every="24h")).iloc[0]
    assert row[["near_base", "near_peak", "base_to_peak", "high_hours", "night"]].isna().all()
    assert row["mean"] == 1.5


def test_average_day_by_day_type(make_series):
    # Thursday 4 July 2024 to Sunday: holiday, weekday, weekend, weekend
    df = make_series([10.0] * 24 + [1.0] * 24 + [2.0] * 24 + [4.0] * 24, "2024-07-04")
    out = shape.average_day(df, holidays="US-TX")
    noon = out[out["time"] == "12:00"].set_index("day_type")
    assert noon["mean"].to_dict() == {"weekday": 1, "weekend": 3, "holiday": 10}
    assert noon["count"].to_dict() == {"weekday": 1, "weekend": 2, "holiday": 1}
    assert noon.loc["weekend", ["median", "p10", "p90"]].tolist() == pytest.approx([3, 2.2, 3.8])
    assert set(shape.average_day(df)["day_type"]) == {"weekday", "weekend"}
    assert set(shape.average_day(df, holidays=["2024-07-05"])["day_type"]) == {"weekday", "weekend", "holiday"}


def test_average_day_in_other_groups(make_series):
    df = make_series([1.0] * 24 * 200, "2024-01-01")
    assert len(shape.average_day(df, ())) == 24
    assert set(shape.average_day(df, ("season",))["season"]) == {"winter", "spring", "summer"}
    assert shape.average_day(df, ("month", "day_type")).groupby(["month"]).size().tolist() == [48] * 7
    assert shape.average_day(df, ("weekday",))["weekday"].iloc[0] == "Monday"
    with pytest.raises(SchemaError, match="no grouping 'decade'"):
        shape.average_day(df, ("decade",))
    with pytest.raises(SchemaError, match="No holidays are known for 'XX'"):
        shape.average_day(df, holidays="XX")
    with pytest.raises(SchemaError, match="intervals of 24 h"):
        shape.average_day(make_series([1, 2], every="24h"))


def test_repeated_hour_counts_at_its_time(make_series):
    out = shape.average_day(make_series(range(25), "2024-11-03"), ()).set_index("time")
    assert out["count"].to_dict()["01:00"] == 2
    assert out.loc["01:00", "mean"] == 1.5
    spring = shape.average_day(make_series(range(23), "2024-03-10"), ())
    assert "02:00" not in set(spring["time"])


def test_two_spans_compared(make_series):
    df = make_series([1.0] * 24 * 7 + [3.0] * 24 * 7)
    out = shape.compare(df, ("2024-07-01", "2024-07-08"), ("2024-07-08", "2024-07-15"))
    assert len(out) == 48
    assert set(out["difference"]) == {2.0}
    assert set(out["share"]) == {2.0}
    assert out.groupby("day_type", observed=True)[["days_before", "days_after"]].first().to_numpy().tolist() == [
        [5, 5],
        [2, 2],
    ]


def test_empty_frames_give_empty_results():
    none = frame.empty()
    for call in (shape.summarize, shape.daily, shape.duration, shape.peaks, shape.average_day):
        assert len(call(none)) == 0
    assert len(shape.coincident(none, [pd.Timestamp("2024-07-01", tz="UTC")])) == 0
    assert len(shape.at_percent(shape.duration(none))) == 0


def test_series_are_never_mixed(make_series):
    df = frame.concat([make_series([1, 2]), make_series([10, 30], meter="M2"), make_series([np.nan], meter="M3")])
    out = shape.summarize(df).set_index("meter")
    assert out["peak"].to_dict() == {"M1": 2, "M2": 30, "M3": pytest.approx(np.nan, nan_ok=True)}
    assert out["hours"].to_dict() == {"M1": 2, "M2": 2, "M3": 0}
    assert pd.isna(out.loc["M3", "peak_at"])


def test_single_grouping_needs_no_brackets(make_series):
    df = make_series(range(48))
    pd.testing.assert_frame_equal(shape.average_day(df, "weekday"), shape.average_day(df, ("weekday",)))


@pytest.mark.parametrize("span", ["2024-07-01", ("2024-07-02", "2024-07-01"), ("2024-07-01",), (1, "x"), 3])
def test_span_is_two_dates_in_order(make_series, span):
    with pytest.raises(SchemaError, match=r"before is .*, but it must be two dates in order"):
        shape.compare(make_series(range(48)), span, ("2024-07-02", "2024-07-03"))


def test_compare_refuses_a_span_without_data(make_series):
    with pytest.raises(SchemaError, match="no interval with a value in after, from 2025-01-01 to 2025-02-01"):
        shape.compare(make_series([1.0] * 48), ("2024-07-01", "2024-07-02"), ("2025-01-01", "2025-02-01"))
