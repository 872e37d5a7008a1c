import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.analysis import bills, quality, reconcile
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import GreenkitWarning

ZONE = "America/Chicago"


def bill(value, start="2024-07-01", end="2024-07-31", **more):
    return pd.DataFrame(
        {"start": [start], "end": [end], "value": [value], "unit": ["kWh"], **{k: [v] for k, v in more.items()}}
    )


def month(make_series, **more):
    """Thirty days of 1 kWh an hour: 720 kWh."""
    return make_series([1.0] * 720, **more)


def status(df, table, **more):
    out = reconcile.compare_bills(df, table, **more)
    assert len(out) == 1
    return out["status"].iloc[0]


def test_dates_are_local_midnights():
    table = bills.tidy_bills(["2024-03-01", "2024-04-01", "2024-05-01"], ZONE)
    assert table["start"].astype(str).tolist() == ["2024-03-01 06:00:00+00:00", "2024-04-01 05:00:00+00:00"]
    assert list(table.columns) == list(bills.COLUMNS)
    pd.testing.assert_frame_equal(bills.tidy_bills(pd.date_range("2024-03-01", periods=3, freq="MS"), ZONE), table)
    with pytest.raises(SchemaError, match="two dates"):
        bills.tidy_bills(["2024-03-01"], ZONE)
    with pytest.raises(SchemaError, match="columns start and end"):
        bills.tidy_bills(pd.DataFrame({"from": [1]}), ZONE)
    with pytest.raises(SchemaError, match="ends before it starts"):
        bills.tidy_bills(bill(1, end="2024-06-01"), ZONE)


def test_espi_summary_is_compared_with_the_intervals_of_its_period():
    when = pd.to_datetime(["2024-07-01"]).tz_localize("UTC")
    last, current = "overall_consumption_last_period", "current_billing_period_over_all_consumption"
    espi = pd.DataFrame({
        "meter": ["M1"], "start": when, "end": when + pd.Timedelta(days=30), "currency": ["USD"],
        "bill_last_period": [80.0], current: [12.0], f"{current}_unit": ["kWh"], last: [720.0], f"{last}_unit": ["kWh"],
    })  # fmt: skip
    names = ["value", "unit", "cost", "currency", "field"]
    # the current amount is of the days after the period, unless it is the only one
    assert bills.tidy_bills(espi, ZONE)[names].to_numpy().tolist() == [[720.0, "kWh", 80.0, "USD", last]]
    alone = espi.assign(**{last: np.nan, f"{last}_unit": None})
    assert bills.tidy_bills(alone, ZONE)[names].to_numpy().tolist() == [[12.0, "kWh", 80.0, "USD", current]]
    none = alone.assign(**{current: np.nan, f"{current}_unit": None})
    assert bills.tidy_bills(none, ZONE)[["cost", "field", "unit"]].to_numpy().tolist() == [[80.0, "", ""]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (720.0, "match"),
        (721.5, "rounding"),
        (7200.0, "power of ten"),
        (0.72, "power of ten"),
        (744.0, "shifted"),
        (696.0, "shifted"),
        (650.0, "differs"),
        (np.nan, "no amount"),
    ],
)
def test_status_of_bills_over_complete_data(make_series, value, expected):
    df = make_series([1.0] * 24 * 40, "2024-06-25")
    assert status(df, bill(value)) == expected


def test_tolerance_of_a_thousandth_for_large_bills(make_series):
    df = make_series([100.0] * 720)
    assert status(df, bill(72_050.0)) == "rounding"
    assert status(df, bill(72_050.0), share=0.0) != "rounding"


def test_gaps_explain_a_shortfall(make_series):
    df = month(make_series)
    out = reconcile.compare_bills(df[~df["start"].dt.day.eq(9)], bill(720.0))
    assert out["status"].tolist() == ["gaps"]
    assert out["start"].astype(str).tolist() == ["2024-07-01 00:00:00-05:00"]
    assert out["detail"].tolist() == [
        "24 h have no value; 1.000 kWh in each of these hours would explain the difference"
    ]
    assert out[["billed", "metered", "difference", "present", "expected"]].to_numpy().tolist() == [
        [720, 696, -24, 696, 720]
    ]
    # more than the gap can hold
    assert status(df[~df["start"].dt.day.eq(9)], bill(900.0)) == "differs"


def test_net_bill(make_series):
    df = frame.concat([month(make_series), make_series([0.4] * 720, flow="received")])
    assert status(df, bill(720 - 288.0)) == "net"
    assert status(df, bill(288.0, flow="received")) == "match"


def test_estimates_explain_a_difference_up_to_their_sum(make_series):
    df = month(make_series, quality=["estimated"] * 100 + ["actual"] * 620)
    assert status(df, bill(650.0)) == "estimated"
    assert status(df, bill(500.0)) == "differs"


def test_bill_of_another_time_unit_or_meter(make_series):
    df = month(make_series)
    nothing = reconcile.compare_bills(df, bill(720.0, start="2023-07-01", end="2023-07-31")).iloc[0]
    assert (nothing["status"], nothing["present"]) == ("no intervals", 0)
    assert np.isnan(nothing["metered"])
    assert len(reconcile.compare_bills(df, bill(720.0, meter="M9"))) == 0
    assert len(reconcile.compare_bills(df, bill(720.0).assign(unit="therm"))) == 0
    assert len(reconcile.compare_bills(frame.empty(), bill(720.0))) == 0


def test_bill_without_bounds_is_for_all_of_the_data(make_series):
    assert status(month(make_series), bill(720.0, start=None, end=None)) == "match"


def test_every_status_is_explained():
    tried = [reconcile._power_of_ten, reconcile._net, reconcile._gaps, reconcile._shifted, reconcile._estimated]
    assert {f.__name__.strip("_").replace("_", " ") for f in tried} < set(reconcile.STATUSES)


def test_daily_registers_are_the_sum_check(make_series):
    registers = pd.DataFrame({
        "meter": "M1", "series": "delivered", "flow": "delivered", "unit": "kWh",
        "usage_date": pd.to_datetime(["2024-07-01", "2024-07-02", "2024-07-03"]),
        "start_reading": [99_960.0, 99_984.0, 8.0], "end_reading": [99_984.0, 8.0, 40.0],
        "value": [np.nan, np.nan, 32.0],
    })  # fmt: skip
    out = reconcile.compare_registers(month(make_series), registers)
    assert out["billed"].tolist() == [24, 24, 32]
    assert out["status"].tolist() == ["match", "match", "differs"]


def test_register_read_at_irregular_times(make_series):
    dial = make_series([1000.0, 1024.0, 1048.0], every="24h")
    out = reconcile.compare_registers(month(make_series), dial)
    assert out[["billed", "status"]].to_numpy().tolist() == [[24, "match"], [24, "match"]]


def test_sum_check_is_part_of_quality(make_series):
    df = month(make_series)
    right = make_series([1000.0, 1024.0, 1048.0], every="24h")
    assert quality.assess(df, registers=right).findings.named("quality.sum-check").names == []
    wrong = make_series([1000.0, 1024.0, 1100.0], every="24h")
    report = quality.assess(df, registers=wrong)
    (found,) = report.findings.named("quality.sum-check")
    assert (
        "The register and the intervals differ in 1 span of 2, most in the one that starts on 2024-07-02: -52.000"
        in found.text
    )
    assert report.sums["status"].tolist() == ["match", "differs"]


def test_months_of_bills_by_days():
    table = pd.concat(
        [bill(310.0, "2024-01-15", "2024-02-15", cost=31.0), bill(280.0, "2024-02-14", "2024-03-14", cost=28.0)]
    )
    out = bills.bills_to_months(table, ZONE)
    # the later bill owns 14 February; what the earlier one billed stays whole
    assert out["value"].sum() == pytest.approx(590)
    assert out["cost"].sum() == pytest.approx(59)
    assert out[["month", "days", "of", "by"]].to_numpy().tolist() == [
        ["2024-01", 17, 31, "days"], ["2024-02", 29, 29, "days"], ["2024-03", 13, 31, "days"]
    ]  # fmt: skip
    assert out["value"].iloc[0] == pytest.approx(310 * 17 / 30)


def test_months_of_bills_by_the_shape_of_intervals(make_series):
    df = make_series([3.0] * 24 * 10 + [1.0] * 24 * 20, "2024-01-22")
    out = bills.bills_to_months(bill(500.0, "2024-01-22", "2024-02-21"), ZONE, df=df)
    assert out[["value", "by"]].to_numpy().tolist() == [[pytest.approx(300), "shape"], [pytest.approx(200), "shape"]]
    hole = df.drop(index=5)
    assert bills.bills_to_months(bill(500.0, "2024-01-22", "2024-02-21"), ZONE, df=hole)["by"].tolist() == ["days"] * 2


def test_month_of_a_bill_with_shape_and_one_without_is_mixed(make_series):
    df = make_series([3.0] * 24 * 10 + [1.0] * 24 * 20, "2024-01-22").drop(index=24 * 25)
    two = pd.concat([bill(500.0, "2024-01-22", "2024-02-06"), bill(150.0, "2024-02-06", "2024-02-21")])
    out = bills.bills_to_months(two, ZONE, df=df)
    assert out["by"].tolist() == ["shape", "mixed"]
    assert out["value"].sum() == pytest.approx(650)


def test_bills_without_amounts_give_no_months():
    assert len(bills.bills_to_months(bill(np.nan), ZONE)) == 0


def test_shift_that_fits_best_is_named(make_series):
    df = make_series(np.arange(1000) / 100, "2024-06-25")
    out = reconcile.compare_bills(df, bill(np.arange(168, 864).sum() / 100))
    assert out[["status", "detail"]].to_numpy().tolist() == [["shifted", "start moved by +24 h, end by +0 h"]]


@pytest.mark.parametrize("wrong", ["2024-07-01", 3])
def test_invalid_bills_raise_schema_error(make_series, wrong):
    with pytest.raises(
        SchemaError, match=f"bills is a {type(wrong).__name__}, but it must be a frame or a list of dates"
    ):
        reconcile.compare_bills(month(make_series), wrong)


def test_invalid_registers_raise_schema_error(make_series):
    with pytest.raises(SchemaError, match="registers must be a table with the columns"):
        quality.assess(month(make_series), registers=pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("first", "last", "dates"),
    [(0, 0, "exclusive"), (0, -1, "inclusive"), (1, 1, "earlier"), (-1, -1, "later")],
)
def test_convention_of_dates_that_most_bills_agree_with(make_series, first, last, dates):
    """Three bills of ten days: their end is the first day after them or their last day, or both dates are a day off."""
    values = np.arange(720) % 24 / 10 + np.arange(720) // 24
    # the data begin before the first bill, and go on after the last one
    df = make_series(np.concatenate([np.full(48, 9.0), values, np.full(48, 9.0)]), "2024-06-29")
    starts = pd.to_datetime(["2024-07-01", "2024-07-11", "2024-07-21"])
    printed = {"start": starts + pd.Timedelta(days=first), "end": starts + pd.Timedelta(days=10 + last)}
    table = pd.DataFrame({**printed, "value": values.reshape(3, 240).sum(axis=1), "unit": "kWh"})
    out = reconcile.compare_bills(df, table, dates=dates)
    assert out["status"].tolist() == ["match"] * 3
    counts = out.attrs["greenkit"]["dates"]
    assert {name: counts[name] for name in reconcile.DATES} == dict.fromkeys(reconcile.DATES, 0) | {dates: 3}
    for other in set(reconcile.DATES) - {dates}:
        with pytest.warns(GreenkitWarning, match=f"As {dates}, 3 do. Pass dates='{dates}'"):
            assert reconcile.compare_bills(df, table, dates=other).attrs["greenkit"]["dates"]["used"] == other


def test_unknown_convention_of_dates_raises(make_series):
    with pytest.raises(SettingsError, match="dates is 'both', but it must be one of exclusive, inclusive"):
        reconcile.compare_bills(make_series([1.0]), ["2024-07-01", "2024-07-02"], dates="both")


def test_bill_that_begins_and_ends_on_a_time_of_a_clock_change_is_compared(make_series):
    """01:30 of the days before and after November 3 is shifted by a day to the hour that occurs twice."""
    df = make_series(np.ones(24 * 6), "2024-11-01")
    for start, end in (("2024-11-02 01:00", "2024-11-04 01:00"), ("2024-11-03 01:00", "2024-11-05 01:00")):
        table = pd.DataFrame({"start": [pd.Timestamp(start)], "end": [pd.Timestamp(end)], "value": 49.0, "unit": "kWh"})
        assert reconcile.compare_bills(df, table)["status"].tolist() == ["match"]
