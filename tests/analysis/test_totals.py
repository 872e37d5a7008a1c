import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import frame
from greenkit.analysis import _periods, totals
from greenkit.errors import SchemaError
from greenkit.findings import GreenkitWarning

ZONES = ["America/Chicago", "America/Los_Angeles", "America/St_Johns", "Asia/Kolkata", "America/Havana", "UTC"]


def rows(out, *names):
    return out[list(names)].to_numpy().tolist()


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-07-04", 24), ("2024-11-03", 25)])
def test_day_contains_its_own_hours(make_series, day, hours):
    df = make_series([0.25] * hours * 4, day, every="15min")
    out = totals.by_period(df, "D")
    assert rows(out, "period", "value", "hours", "present", "expected", "power") == [
        [day, hours, hours, hours * 4, hours * 4, 1.0]
    ]
    assert list(out.columns) == list(totals.COLUMNS)


def test_repeated_hour_is_two_hours(make_series):
    out = totals.by_period(make_series(range(100), "2024-11-03", every="15min"), "h")
    assert len(out) == 25
    assert out["period"].tolist()[:4] == [f"2024-11-03 0{h}:00" for h in (0, 1, 1, 2)]
    assert out["start"].astype(str).tolist()[1:3] == ["2024-11-03 01:00:00-05:00", "2024-11-03 01:00:00-06:00"]
    assert out["value"].tolist()[:3] == [0 + 1 + 2 + 3, 4 + 5 + 6 + 7, 8 + 9 + 10 + 11]


def test_weeks_months_years_and_seasons(make_series):
    df = make_series([1.0] * 24 * 400, "2023-12-25")
    assert rows(totals.by_period(df, "W").head(2), "period", "value") == [["2023-W52", 168], ["2024-W01", 168]]
    months = totals.by_period(df, "month")
    assert rows(months.head(3), "period", "value", "expected") == [
        ["2023-12", 7 * 24, 744],
        ["2024-01", 744, 744],
        ["2024-02", 29 * 24, 29 * 24],
    ]
    assert months.set_index("period").loc["2024-03", "hours"] == 743
    assert rows(totals.by_period(df, "Y"), "period", "present", "expected")[1] == ["2024", 8784, 8784]
    names = totals.by_period(df, "season")["period"].tolist()
    assert names == ["winter 2023", "spring 2024", "summer 2024", "autumn 2024", "winter 2024"]
    tariff = {"summer": (6, 7, 8, 9), "winter": (10, 11, 12, 1, 2, 3, 4, 5)}
    out = totals.by_period(df, "season", seasons=tariff)
    assert rows(out, "period", "value")[1] == ["summer 2024", 122 * 24]


def test_period_without_data_is_present_and_empty(make_series):
    df = make_series([1.0] * 72)
    out = totals.by_period(df[~df["start"].dt.day.eq(2)], "D")
    assert rows(out, "period", "present", "expected") == [
        ["2024-07-01", 24, 24],
        ["2024-07-02", 0, 24],
        ["2024-07-03", 24, 24],
    ]
    assert np.isnan(out["value"].iloc[1])
    assert np.isnan(out["power"].iloc[1])
    assert out["hours"].iloc[1] == 0


def test_missing_value_is_not_zero(make_series):
    out = totals.by_period(make_series([1, np.nan, 3], quality=["actual", "missing", "estimated"]), "D")
    assert rows(out, "value", "hours", "present", "estimated", "power") == [[4, 2, 2, 1, 2]]


def test_flows_units_and_meters_are_never_added(make_series):
    parts = [
        make_series([1, 1]),
        make_series([2, 2], flow="received"),
        make_series([3, 3], unit="kvarh", series="reactive"),
        make_series([4, 4], meter="M2"),
        make_series([5, 5], series="other"),
    ]
    out = totals.by_period(frame.concat(parts), "D")
    assert sorted(out["value"]) == [2, 4, 6, 8, 10]
    assert len(out.drop_duplicates(["meter", "flow", "series", "unit"])) == 5


def test_state_is_averaged_over_hours(make_series):
    df = frame.concat(
        [make_series([240] * 4, every="15min", unit="V"), make_series([250, 250], "2024-07-01 01:00", unit="V")]
    )
    out = totals.by_period(df, "D")
    assert rows(out, "value", "statistic", "hours") == [[(240 + 2 * 250) / 3, "mean", 3]]


def test_gas_and_water_add_up(make_series):
    out = totals.by_period(make_series([1.5, 2.5], unit="therm", every="24h"), "M")
    assert rows(out, "value", "statistic", "power", "present", "expected") == [[4.0, "sum", 4 / 48, 2, 31]]


def test_delivered_received_and_net(make_series):
    df = frame.concat([make_series([3] * 48), make_series([1] * 24, flow="received")])
    out = totals.by_flow(totals.by_period(df, "D"))
    assert rows(out, "delivered", "received", "net", "is_complete")[0] == [72, 24, 48, True]
    assert rows(out, "delivered", "is_complete")[1] == [72, False]
    assert np.isnan(out["net"].iloc[1])
    with pytest.raises(SchemaError, match="several delivered series in kWh"):
        totals.by_flow(totals.by_period(frame.concat([df, make_series([1], series="x")]), "D"))


def test_bill_periods_from_dates_and_from_frames(make_series):
    df = make_series([1.0] * 24 * 60)
    out = totals.by_period(df, "bill", bills=["2024-07-01", "2024-07-11", "2024-08-10"])
    assert rows(out, "period", "value", "expected") == [
        ["2024-07-01 – 2024-07-10", 240, 240],
        ["2024-07-11 – 2024-08-09", 720, 720],
    ]
    bills = pd.DataFrame({"meter": ["M1", "M2"], "start": ["2024-07-02"] * 2, "end": ["2024-07-03"] * 2})
    assert rows(totals.by_period(df, "bill", bills=bills), "meter", "value") == [["M1", 24]]
    with_another = frame.concat([df, make_series([1.0] * 48, meter="M3")])
    assert rows(totals.by_period(with_another, "bill", bills=bills), "meter", "value") == [["M1", 24]]
    with pytest.raises(SchemaError, match="need bills"):
        totals.by_period(df, "bill")


def test_costs_are_added_up(make_series):
    df = make_series([1.0] * 48, cost=0.25, currency="USD")
    df.loc[24:, "cost"] = np.nan
    out = totals.by_period(df, "D")
    assert out["cost"].tolist()[0] == 6.0
    assert np.isnan(out["cost"].iloc[1])
    assert out["currency"].tolist() == ["USD", "USD"]
    assert "cost" not in totals.by_period(make_series([1.0]), "D").columns


def test_different_currencies_are_reported(make_series):
    df = make_series([1.0] * 2, cost=0.25, currency=["USD", "CAD"])
    other = make_series([1.0], meter="M2", cost=1.0, currency="CAD")
    out = totals.by_period(frame.concat([df, other]), "D")
    assert out[["cost", "currency"]].to_numpy().tolist() == [[0.5, "mixed"], [1.0, "CAD"]]


def test_each_site_has_its_own_days(make_series):
    df = frame.concat(
        [make_series([1.0] * 25, "2024-11-03"), make_series([1.0] * 24, "2024-11-03", meter="M2", zone="UTC")]
    )
    out = totals.by_period(df, "D")
    assert rows(out, "meter", "period", "value", "expected") == [
        ["M1", "2024-11-03", 25, 25],
        ["M2", "2024-11-03", 24, 24],
    ]
    assert out["start"].astype(str).tolist() == ["2024-11-03 05:00:00+00:00", "2024-11-03 00:00:00+00:00"]


def test_intervals_longer_than_the_period_are_refused(make_series):
    with pytest.raises(SchemaError, match=r"intervals of 24 h, too long for totals by hour"):
        totals.by_period(make_series([1, 2], every="24h"), "h")
    with pytest.raises(SchemaError, match="no period 'decade'"):
        totals.by_period(make_series([1]), "decade")


def test_intervals_that_reach_into_the_next_period_are_reported(make_series):
    df = make_series([24, 24], "2024-07-01 18:00", every="24h")
    with pytest.warns(GreenkitWarning, match="2 intervals reach beyond the end of the day"):
        assert totals.by_period(df, "D")["value"].tolist() == [24, 24]
    # a day of 24 hours as a feed writes it, on the day of 23
    assert len(totals.by_period(make_series([1], "2024-03-10", every="24h"), "D")) == 1


def test_empty_frame_has_no_totals():
    for period in ("h", "D", "W", "M", "season", "Y"):
        assert len(totals.by_period(frame.empty(), period)) == 0
    assert list(totals.by_period(frame.empty(), "D").columns) == list(totals.COLUMNS)


def test_seasons_must_hold_every_month():
    with pytest.raises(ValueError, match="each month from 1 to 12 once"):
        _periods.seasons({"summer": (6, 7, 8)})
    with pytest.raises(ValueError, match="each month from 1 to 12 once"):
        _periods.seasons({"summer": tuple(range(1, 13)), "winter": (1,)})
    assert _periods.seasons({"all": tuple(range(1, 13))}).name(np.array([0])) == ["all 1970"]


@settings(deadline=None, max_examples=25)
@given(
    values=st.lists(st.floats(0, 1e4, allow_nan=False) | st.just(float("nan")), min_size=1, max_size=300),
    first=st.datetimes(pd.Timestamp("2024-01-01").to_pydatetime(), pd.Timestamp("2025-12-31").to_pydatetime()),
    zone=st.sampled_from(ZONES),
    every=st.sampled_from(["15min", "30min", "1h"]),
)
def test_every_calendar_adds_up_to_the_same_sum(make_series, values, first, zone, every):
    start = (
        pd.Timestamp(first)
        .tz_localize("UTC")
        .floor("1h")
        .tz_convert(zone)
        .floor("1h", ambiguous=True, nonexistent="shift_forward")
    )
    df = make_series(values, start.tz_convert("UTC").tz_localize(None), every=every, zone="UTC").assign(zone=zone)
    df = frame.tidy(df.assign(start=df["start"].dt.tz_convert(zone), end=df["end"].dt.tz_convert(zone)))
    whole = np.nansum(values)
    for period in ("h", "D", "W", "M", "season", "Y"):
        out = totals.by_period(df, period)
        assert np.nansum(out["value"]) == pytest.approx(whole)
        assert out["present"].sum() == np.isfinite(values).sum()
        assert (out["end"].iloc[:-1].to_numpy() == out["start"].iloc[1:].to_numpy()).all()
        assert (out["present"] <= out["expected"]).all()


@settings(deadline=None, max_examples=10)
@given(shift=st.integers(0, 24 * 366))
def test_zone_never_changes_a_sum(make_series, shift):
    values = np.arange(200.0)
    utc = make_series(values, pd.Timestamp("2024-01-01") + pd.Timedelta(hours=shift), zone="UTC")
    for zone in ("America/Chicago", "America/Los_Angeles", "America/Havana", "UTC"):
        local = frame.tidy(
            utc.assign(zone=zone, start=utc["start"].dt.tz_convert(zone), end=utc["end"].dt.tz_convert(zone))
        )
        assert totals.by_period(local, "D")["value"].sum() == values.sum()


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2024-04-07", [["01:00", 1.0], ["01:00", 0.5], ["02:00", 1.0], ["03:00", 1.0]]),
        ("2024-10-06", [["01:00", 1.0], ["02:00", 0.5], ["03:00", 1.0]]),
    ],
)
def test_clock_of_lord_howe_moves_by_half_an_hour(make_series, day, hours):
    df = make_series([1.0] * 96, day, zone="Australia/Lord_Howe", every="30min")
    out = totals.by_period(df, "h")
    seen = out.assign(period=out["period"].str[11:])
    assert rows(seen, "period", "hours")[1 : len(hours) + 1] == hours
    assert (out["present"] == out["expected"]).iloc[:-1].all()
    assert ((out["end"] - out["start"]).dt.total_seconds() == out["expected"] * 1800).all()
    assert (out["start"].iloc[1:].to_numpy() == out["end"].iloc[:-1].to_numpy()).all()
    assert set(seen["period"].str[3:]) == {"00"}


def test_interval_of_another_length_counts_as_one(make_series):
    fine, coarse = make_series([0.25] * 96, every="15min"), make_series([1.0] * 24, "2024-07-02")
    out = totals.by_period(frame.concat([fine, coarse.drop(index=[3, 4])]), "D")
    # two hours are missing, for which the series' usual interval is a quarter
    assert rows(out, "value", "hours", "present", "expected") == [[24.0, 24.0, 96, 96], [22.0, 22.0, 22, 30]]


def test_intervals_without_length_have_an_amount_but_no_power(make_series):
    df = make_series([1.0, 2.0])
    out = totals.by_period(df.assign(end=df["start"]), "D")
    assert rows(out, "value", "hours", "present", "expected") == [[3.0, 0.0, 2, 2]]
    assert out["power"].isna().all()


@pytest.mark.parametrize(
    ("spellings", "names"),
    [
        (("15min", "15T"), ["2024-03-31 22:00", "2024-03-31 22:15"]),
        (("30min", "half-hourly"), ["2024-03-31 22:00", "2024-03-31 22:30"]),
        (("hour", "hourly", "h", "H", "1h", "60min"), ["2024-03-31 22:00", "2024-03-31 23:00"]),
        (("day", "daily", "D", "1D", "d"), ["2024-03-31", "2024-04-01"]),
        (("week", "weekly", "W", "W-SUN"), ["2024-W13", "2024-W14"]),
        (("month", "monthly", "M", "ME", "MS", "1MS"), ["2024-03", "2024-04"]),
        (("quarter", "quarterly", "Q", "QE", "QS"), ["2024-Q1", "2024-Q2"]),
        (("season", "seasonal"), ["spring 2024"]),
        (("year", "yearly", "annually", "Y", "YE", "YS", "A"), ["2024"]),
    ],
)
def test_every_spelling_of_a_period_gives_the_same_totals(make_series, spellings, names):
    df = make_series([1.0] * 16, "2024-03-31 22:00", every="15min")
    for spelling in spellings:
        out = totals.by_period(df, spelling)
        assert out["period"].tolist()[:2] == names
        assert out["value"].sum() == 16


@pytest.mark.parametrize("period", ["fortnight", "W-MON", "2h", "5min", "", None, 15])
def test_unknown_period_raises_with_the_list(make_series, period):
    listed = "Use one of 15min, 30min, hour, day, week, month, quarter, season, year, bill"
    with pytest.raises(SchemaError, match=listed):
        totals.by_period(make_series([1.0]), period)


def test_quarter_hours_of_a_fall_back_day(make_series):
    out = totals.by_period(make_series([1.0] * 100, "2024-11-03", every="15min"), "30min")
    assert len(out) == 50
    assert out["period"].tolist().count("2024-11-03 01:30") == 2
    assert out["value"].eq(2).all()
