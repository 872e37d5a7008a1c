import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import frame
from greenkit.analysis import checks, quality
from greenkit.analysis.checks import Limits


def wave(n):
    """Values that rise and fall."""
    return 1 + np.arange(n) % 7 / 10


def without(df, *rows):
    return df.drop(index=list(rows)).reset_index(drop=True)


def test_complete_series_is_complete(make_series):
    report = quality.assess(make_series(wave(48)))
    row = report.table.iloc[0]
    assert (row["expected"], row["present"], row["missing"], row["completeness"], row["measured"]) == (48, 48, 0, 1, 1)
    assert (row["minutes"], row["gaps"], row["worst"]) == (60, 0, "none")
    assert list(report.findings) == []
    assert report.days[["expected", "present"]].to_numpy().tolist() == [[24, 24], [24, 24]]


@pytest.mark.parametrize(
    ("day", "every", "count"),
    [("2024-03-10", "1h", 23), ("2024-11-03", "1h", 25), ("2024-03-10", "15min", 92), ("2024-11-03", "15min", 100)],
)
def test_day_when_clocks_change_is_complete_with_its_own_count(make_series, day, every, count):
    report = quality.assess(make_series(range(1, count + 1), day, every=every, flow="net"))
    assert report.days[["expected", "present"]].to_numpy().tolist() == [[count, count]]
    assert report.table["completeness"].tolist() == [1.0]
    assert report.table["duplicates"].tolist() == [0]  # the repeated hour is no repeat


def test_gaps_are_counted_and_placed(make_series):
    df = make_series(wave(48))
    df.loc[20, "value"] = np.nan
    report = quality.assess(without(df, 5, 6, 7))
    row = report.table.iloc[0]
    assert (row["present"], row["expected"], row["missing"], row["gaps"], row["longest_gap"]) == (44, 48, 4, 2, 3.0)
    assert row["completeness"] == pytest.approx(44 / 48)
    assert report.gaps[["start", "end", "intervals"]].astype(str).to_numpy().tolist() == [
        ["2024-07-01 05:00:00-05:00", "2024-07-01 08:00:00-05:00", "3"],
        ["2024-07-01 20:00:00-05:00", "2024-07-01 21:00:00-05:00", "1"],
    ]
    (found,) = report.findings
    assert (found.name, found.severity) == ("quality.gap", "info")
    assert "4 of 48 intervals are missing in 2 gaps, the longest of 3 h from 2024-07-01 05:00 CDT" in found.text


def test_missing_values_at_the_ends_are_gaps_too(make_series):
    report = quality.assess(make_series([np.nan, 1, 2, np.nan]))
    assert report.gaps["intervals"].tolist() == [1, 1]
    assert report.table["completeness"].tolist() == [0.5]
    assert report.findings[0].severity == "warning"


def test_duplicates_and_conflicts_are_counted_separately(make_series):
    df = make_series([1, 2, 3, 4])
    other = df.iloc[[2]].assign(value=9.0)
    report = quality.assess(frame.concat([df, df.iloc[[0, 1]], other]))
    assert report.table[["duplicates", "conflicting", "overlapping"]].to_numpy().tolist() == [[2, 1, 0]]
    assert report.findings.names == ["quality.contradicting", "quality.repeated"]
    assert report.table["completeness"].tolist() == [1.0]


def test_overlap_is_serious(make_series):
    report = quality.assess(frame.concat([make_series([1, 2]), make_series([5], "2024-07-01 00:30")]))
    assert report.findings[0].name == "quality.overlap"
    assert report.table["worst"].tolist() == ["serious"]


def test_negative_amounts_but_not_in_net(make_series):
    both = frame.concat([make_series([1, -2]), make_series([1, -2], flow="net")])
    assert quality.assess(both).table["negative"].tolist() == [1, 0]
    assert quality.assess(make_series([1, -2], unit="°C")).table["negative"].tolist() == [0]


def test_runs_of_zeros_and_of_one_value(make_series):
    values = np.random.default_rng(1).uniform(0.2, 2, 24 * 30)
    values[100:108], values[300:306], values[400:405] = 0, 0.7, 0.9
    report = quality.assess(make_series(values))
    assert report.runs[["kind", "intervals", "value"]].to_numpy().tolist() == [["zero", 8, 0.0], ["frozen", 6, 0.7]]
    assert [len(report.findings.named(f"quality.{name}")) for name in ("zero-run", "frozen")] == [1, 1]
    assert report.findings.named("quality.frozen")[0].evidence["first"] == ["2024-07-13 12:00 CDT"]
    assert report.findings.named("quality.zero-run")[0].evidence["first"] == ["2024-07-05 04:00 CDT"]
    assert list(report.runs.columns) == [
        "meter",
        "flow",
        "series",
        "unit",
        "kind",
        "start",
        "end",
        "intervals",
        "value",
    ]


def test_zeros_every_night_are_not_a_finding_but_a_long_run_is(make_series):
    night_and_day = np.tile([0.0] * 12 + list(range(1, 13)), 40)
    report = quality.assess(make_series(night_and_day, flow="received"))
    assert len(report.runs) == 0
    night_and_day[240:280] = 0
    assert quality.assess(make_series(night_and_day, flow="received")).runs["intervals"].tolist() == [40]


def test_run_does_not_span_a_gap(make_series):
    values = np.random.default_rng(1).uniform(0.2, 2, 240)
    values[100:108] = 0
    assert len(quality.assess(without(make_series(values), 104)).runs) == 0


def test_spike_check_of_a_day(make_series):
    values = [1.0] * 21 + [2.0, 2.0, 5.7]  # third highest 2.0: (5.7 − 2)/2 = 1.85
    report = quality.assess(make_series(values, flow="net"))
    assert report.spikes[["value", "third"]].to_numpy().tolist() == [[5.7, 2.0]]
    assert report.spikes["excess"].tolist() == [pytest.approx(1.85)]
    assert str(report.spikes["start"].iloc[0]) == "2024-07-01 23:00:00-05:00"
    assert report.spikes["date"].tolist() == report.days["date"].tolist() == [pd.Timestamp("2024-07-01")]
    values[-1] = 5.5
    assert len(quality.assess(make_series(values)).spikes) == 0


def test_third_highest_counts_equal_values(make_series):
    report = quality.assess(make_series([9.0, 9.0, 9.0] + [0.1] * 21))
    assert len(report.spikes) == 0


def test_month_of_estimates(make_series):
    quality_of = ["estimated"] * 100 + ["actual"] * 644
    report = quality.assess(make_series(wave(744), quality=quality_of))
    found = report.findings.named("quality.estimated")[0]
    assert found.severity == "warning"
    assert found.evidence["months"] == ["2024-07"]
    assert report.table["measured"].tolist() == [pytest.approx(644 / 744)]
    report = quality.assess(make_series(wave(744), quality=["estimated"] * 50 + ["actual"] * 694))
    assert report.findings.named("quality.estimated")[0].severity == "info"


def test_estimated_zero_is_a_placeholder(make_series):
    day = list(wave(24))
    guessed = make_series([0.0, *day], quality=["estimated"] + ["actual"] * 24)
    report = quality.assess(guessed)
    assert report.table[["placeholders", "zeros"]].to_numpy().tolist() == [[1, 1]]
    assert report.findings.named("quality.placeholder")[0].what_to_do == "Treat this interval as missing."
    # beside panels, zero is an ordinary value
    solar = make_series([0.0] + [0.0] * 12 + day, quality=["estimated"] + ["actual"] * 36)
    assert quality.assess(solar).table["placeholders"].tolist() == [0]


def test_rest_of_the_last_interval_is_no_month(make_series):
    """Daily values from 5:00 to 5:00: the last one of January ends in February, which expects none."""
    january = make_series([1.0] * 31, "2025-01-01 05:00", every="24h")
    columns = ["month", "present", "expected", "expected_in_month"]
    for window in ({}, {"start": "2025-01-01", "end": "2025-02-01 05:00"}):
        months = quality.assess(january, **window).months
        assert months[columns].to_numpy().tolist() == [["2025-01", 31, 31, 31]]
    lost = quality.assess(january, start="2025-01-01", end="2025-02-03").months
    assert lost[columns].to_numpy().tolist() == [["2025-01", 31, 31, 31], ["2025-02", 0, 2, 28]]


def test_month_is_compared_with_the_previous_year_or_else_the_previous_month(make_series):
    hours = 24 * (366 + 31)
    values = np.ones(hours) + np.arange(hours) % 7 / 100
    values[24 * 366 :] *= 1.5
    months = quality.assess(make_series(values, "2024-01-01")).months
    last = months.iloc[-1]
    assert (last["month"], last["against"]) == ("2025-01", "2024-01")
    assert last["change"] == pytest.approx(0.5, abs=0.01)
    assert months["against"].tolist()[:3] == ["", "2024-01", "2024-02"]
    cut = quality.assess(make_series(values, "2024-01-01").drop(index=range(100, 600))).months
    assert cut["against"].tolist()[:3] == ["", "", "2024-02"]
    assert cut["against"].iloc[-1] == "2024-12"


def test_days_and_completeness_alone_are_those_of_all_checks(make_series):
    df = frame.concat([make_series([1.0, np.nan] * 30), make_series([1.0] * 24, flow="received", start="2024-07-06")])
    report = quality.assess(df)
    pd.testing.assert_frame_equal(quality.by_day(df), report.days)
    assert quality.completeness(df).tolist() == report.table["completeness"].tolist()


def test_first_and_last_day_expect_only_intervals_within_the_data(make_series):
    report = quality.assess(make_series([1.0] * 42, "2024-07-01 12:00"))
    assert report.days[["expected", "present"]].to_numpy().tolist() == [[12, 12], [24, 24], [6, 6]]


def test_values_that_only_rise_are_a_register(make_series):
    report = quality.assess(make_series(np.cumsum(np.random.default_rng(3).uniform(0.1, 1, 72))))
    assert report.findings[0].name == "quality.unit.register"
    idle = np.cumsum(np.tile([0.0, 0.3, 0.4], 24))  # a dial stands still where nothing is used
    assert quality.assess(make_series(idle)).findings.named("quality.unit.register")


def test_watt_hours_declared_as_kwh_are_reported(make_series):
    values = np.random.default_rng(3).integers(200, 900, 48)
    assert "quality.unit.watt-hours" in quality.assess(make_series(values)).findings.names
    assert "quality.unit.watt-hours" not in quality.assess(make_series(values / 1000)).findings.names


def test_ceiling_is_checked_when_given(make_series):
    df = make_series([2.0, 3.0], every="15min")
    assert "quality.ceiling" in quality.assess(df, limits=Limits(ceiling=10)).findings.names
    assert "quality.ceiling" not in quality.assess(df).findings.names


def test_mixed_and_empty_intervals(make_series):
    df = make_series([1, 2, 3, 4])
    df.loc[3, "end"] = df.loc[3, "start"]
    report = quality.assess(df)
    assert {"quality.interval.mixed", "quality.interval.empty"} <= set(report.findings.names)


def test_daily_and_monthly_series_have_plausible_counts(make_series):
    daily = make_series(range(1, 31), every="24h", series="daily")
    month = make_series([1, 2, 3], every="720h", series="monthly")
    report = quality.assess(frame.concat([daily, month]))
    assert report.table["expected"].tolist() == [30, 3]
    assert set(report.days["series"]) == {"daily"}


def test_frame_without_values_and_an_empty_one(make_series):
    report = quality.assess(make_series([np.nan, np.nan]))
    assert report.findings.names == ["quality.empty"]
    assert report.table["completeness"].tolist() == [0.0]
    none = quality.assess(frame.empty())
    assert (len(none.table), len(none.days), len(none.findings)) == (0, 0, 0)
    assert "No findings" in repr(none)
    assert "No findings." in none._repr_html_()


def test_series_are_checked_separately(make_series):
    good, bad = make_series(wave(24)), without(make_series(wave(24), meter="M2"), 3)
    report = quality.assess(frame.concat([good, bad]))
    assert report.table["gaps"].tolist() == [0, 1]
    assert report.findings[0].evidence["meter"] == "M2"


def test_repr_is_escaped_and_small(make_series):
    report = quality.assess(make_series(wave(24 * 366), meter="<b>"))
    html = report._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "<svg" in html
    assert len(html) < 5000
    many = frame.concat([make_series([1, 2], meter=f"M{i:02d}") for i in range(30)])
    assert "10 more series" in repr(quality.assess(many))


def test_the_least_complete_of_many_series_are_shown_first(make_series):
    many = [make_series(wave(24), meter=f"M{i:02d}") for i in range(29)]
    report = quality.assess(frame.concat([*many, without(make_series(wave(24), meter="Z"), 3)]))
    text = repr(report)
    assert text.splitlines()[1].startswith("Z ")
    assert "10 more series; 1 of 30 series have gaps" in text
    html = report.html()
    assert html.index(">Z<") < html.index(">M00<")
    assert html.count("<svg") >= 20


@settings(deadline=None, max_examples=20)
@given(holes=st.sets(st.integers(1, 98)), day=st.sampled_from(["2024-03-09", "2024-07-01", "2024-11-02"]))
def test_present_and_missing_always_make_the_expected(make_series, holes, day):
    report = quality.assess(without(make_series(range(1, 101), day, flow="net"), *holes))
    row = report.table.iloc[0]
    assert row["present"] + row["missing"] == row["expected"] == 100
    assert report.days["expected"].sum() == 100
    assert report.days["present"].sum() == row["present"]
    assert report.gaps["intervals"].sum() == len(holes)
    assert row["completeness"] == pytest.approx(row["present"] / 100)


def test_strip_shows_the_worst_day(make_series):

    status = quality.day_status(np.array([24, 20, 24, 0]), np.array([24] * 4), np.array([0, 0, 3, 0]))
    assert status.tolist() == [0, 2, 1, 3]
    assert quality.strip_svg(status).count("<rect") == 4
    assert quality.strip_svg(np.zeros(2000, dtype=np.int64)).count("<rect") == 1


def test_every_finding_has_a_text_in_the_table():
    assert set(quality.NAMES) == {kind.name for kind in quality.KINDS}
    assert all(name.startswith("quality.") for name in quality.NAMES)


def test_limits_are_the_pages_of_ubp():
    assert (checks.LIMITS.spike, checks.LIMITS.high_low, checks.LIMITS.estimated) == (1.8, 0.25, 0.1)


def test_times_are_utc_when_zones_differ(make_series):
    df = frame.concat([make_series([1, 2]), make_series([1, 2], meter="M2", zone="America/New_York")])
    assert str(quality.assess(df).table["start"].dt.tz) == "UTC"
    assert isinstance(quality.assess(df).table["start"].iloc[0], pd.Timestamp)


def test_intervals_of_two_lengths_can_be_complete(make_series):
    both = frame.concat([make_series(wave(96), every="15min"), make_series(wave(24), "2024-07-02")])
    report = quality.assess(both)
    row = report.table.iloc[0]
    assert (row["present"], row["expected"], row["completeness"]) == (120, 120, 1.0)
    assert report.days[["present", "expected"]].to_numpy().tolist() == [[96, 96], [24, 24]]
    assert report.findings.names == ["quality.interval.mixed"]


def test_intervals_without_length_are_reported_and_not_multiplied(make_series):
    df = make_series(wave(48))
    row = quality.assess(df.assign(end=df["start"])).table.iloc[0]
    assert (row["expected"], row["missing"], row["completeness"]) == (48, 47, 0.0)
    assert len(df.assign(end=df["start"]).gk.fill_gaps()) == 48
    # the few with a length say what is usual
    most = df.assign(end=df["end"].where(df.index < 10, df["start"]))
    assert quality.assess(most).table["minutes"].tolist() == [60.0]


def test_infinite_values_count_as_none(make_series):
    assert quality.assess(make_series([np.inf, np.inf, 1.0])).table["present"].tolist() == [1]


def test_rest_of_the_last_interval_is_not_a_day_without_a_value(make_series):
    report = quality.assess(make_series([24.0] * 3, "2024-07-01 05:00", every="24h"))
    assert report.days[["expected", "present"]].to_numpy().tolist() == [[1, 1]] * 3
