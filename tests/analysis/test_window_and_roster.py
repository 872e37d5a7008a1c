"""Completeness in a window and against a roster, with exact counts."""

import numpy as np
import pandas as pd
import pytest

from greenkit import _intervals, frame
from greenkit.analysis import quality
from greenkit.errors import SchemaError, SettingsError

NIGHTS = "2024-07-01", "2024-07-04"
"""Three days."""


def roster(*rows):
    return pd.DataFrame(rows, columns=["meter", "from", "to", "TDSP"])


def varied(hours, seed=1):
    return np.random.default_rng(seed).uniform(0.2, 2, hours).round(3)


def test_report_without_window_states_what_it_cannot_know(make_series):
    report = quality.assess(make_series(varied(24)))
    assert not report.bounded
    assert "so it is not known whether intervals before or after are missing. To count them, pass start= and" in repr(
        report
    )
    assert "pass start= and end=" in report._repr_html_()
    assert "pass start=" not in repr(quality.assess(make_series(varied(24)), start="2024-07-01"))


def test_lost_nights_are_gaps_within_a_window(make_series):
    """A meter with one of three days is 33% complete, not 100%."""
    df = make_series(varied(24), "2024-07-02")
    assert quality.assess(df).table["completeness"].tolist() == [1.0]
    report = quality.assess(df, start=NIGHTS[0], end=NIGHTS[1])
    row = report.table.iloc[0]
    assert (row["expected"], row["present"], row["missing"], row["gaps"]) == (72, 24, 48, 2)
    assert row["completeness"] == pytest.approx(1 / 3)
    assert report.gaps["intervals"].tolist() == [24, 24]
    assert report.days[["expected", "present"]].to_numpy().tolist() == [[24, 0], [24, 24], [24, 0]]
    assert report.findings.names == ["quality.gap"]


def test_rows_outside_a_window_do_not_count(make_series):
    df = make_series(varied(24 * 5), "2024-06-30")
    row = quality.assess(df, start=NIGHTS[0], end=NIGHTS[1]).table.iloc[0]
    assert (row["expected"], row["present"], row["missing"]) == (72, 72, 0)


def test_month_shows_what_was_expected_in_the_window_and_in_the_month(make_series):
    months = quality.assess(make_series(varied(24 * 3)), start=NIGHTS[0], end=NIGHTS[1]).months
    assert months[["month", "present", "expected", "expected_in_month"]].to_numpy().tolist() == [
        ["2024-07", 72, 72, 744]
    ]


def test_window_without_any_interval_of_a_series(make_series):
    df = make_series(varied(24), "2024-06-01")
    row = quality.assess(df, start=NIGHTS[0], end=NIGHTS[1]).table.iloc[0]
    assert (row["expected"], row["present"], row["missing"], row["worst"]) == (72, 0, 72, "serious")


@pytest.mark.parametrize(("start", "end"), [("soon", None), (None, 2024), ("2024-07-02", "2024-07-01")])
def test_wrong_window_raises(make_series, start, end):
    with pytest.raises(SettingsError, match=r"must be a date or time|window is empty"):
        quality.assess(make_series(varied(24)), start=start, end=end)


def fleet(make_series):
    """Return six meters of July 1 to 3: complete, without head, without tail, switched away, unknown; one is absent."""
    return frame.concat(
        make_series(varied(72, 1), meter="complete"),
        make_series(varied(48, 2), "2024-07-02", meter="no head"),
        make_series(varied(48, 3), meter="no tail"),
        make_series(varied(72, 4), meter="switched"),
        make_series(varied(24, 5), meter="unknown"),
    )


def test_roster_cases_have_exact_counts(make_series):
    listed = roster(
        ("complete", "2024-01-01", None, "Oncor"),
        ("no head", "2024-01-01", None, "Oncor"),
        ("no tail", None, None, "CenterPoint"),
        ("switched", "2024-01-01", "2024-07-03", "Oncor"),
        ("absent", "2024-07-02", None, "TNMP"),
    )
    report = quality.assess(fleet(make_series), start=NIGHTS[0], end=NIGHTS[1], expected=listed)
    names = ["expected", "received", "missing", "not_ours", "days_missing", "status", "TDSP"]
    found = report.roster.set_index("meter")[names]
    assert found.loc["complete"].tolist() == [72, 72, 0, 0, 0, "complete", "Oncor"]
    assert found.loc["no head"].tolist() == [72, 48, 24, 0, 1, "incomplete", "Oncor"]
    assert found.loc["no tail"].tolist() == [72, 48, 24, 0, 1, "incomplete", "CenterPoint"]
    assert found.loc["switched"].tolist() == [48, 48, 0, 24, 0, "complete", "Oncor"]
    assert found.loc["absent"].tolist() == [48, 0, 48, 0, 2, "absent", "TNMP"]
    assert found.loc["unknown", names[:-1]].tolist() == [0, 0, 0, 24, 0, "unknown meter"]
    firsts = report.roster.set_index("meter")["first_missing"]
    assert (f"{firsts['no head']:%Y-%m-%d}", f"{firsts['no tail']:%Y-%m-%d}") == ("2024-07-01", "2024-07-03")
    table = report.table.set_index("meter")
    assert table["completeness"].round(3).to_dict() == {
        "complete": 1.0, "no head": 0.667, "no tail": 0.667, "switched": 1.0, "unknown": 1.0,
    }  # fmt: skip
    assert table.loc["no tail", "TDSP"] == "CenterPoint"
    problems = {f.name: dict(f.evidence) for f in report.findings if "roster" in f.name}
    assert problems == {
        "quality.roster.absent": {"meters": 1, "first": "absent"},
        "quality.roster.unknown": {"meters": 1, "first": "unknown"},
        "quality.roster.not-ours": {"intervals": 24, "meters": 1, "first": "switched on 2024-07-03"},
    }


def test_roster_alone_measures_meters_against_each_other(make_series):
    listed = roster(*((m, None, None, "x") for m in ("complete", "no head", "no tail", "switched", "unknown")))
    found = quality.assess(fleet(make_series), expected=listed).roster.set_index("meter")
    assert found["missing"].to_dict() == {"complete": 0, "no head": 24, "no tail": 24, "switched": 0, "unknown": 48}


def test_days_of_a_roster(make_series):
    listed = roster(("switched", "2024-07-02", "2024-07-03", "x"))
    df = fleet(make_series)
    df = df[df["meter"] == "switched"]
    days = quality.assess(df, expected=listed).roster_days
    assert days[["expected", "received", "not_ours", "status"]].to_numpy().tolist() == [
        [0, 0, 24, "not ours"], [24, 24, 0, "complete"], [0, 0, 24, "not ours"],
    ]  # fmt: skip


def test_meter_that_returned_has_two_periods(make_series):
    df = make_series(varied(72), meter="m")
    listed = roster(("m", "2024-07-01", "2024-07-02", "x"), ("m", "2024-07-03", None, "x"))
    found = quality.assess(df, expected=listed).roster.iloc[0]
    assert found[["expected", "received", "missing", "not_ours"]].tolist() == [48, 48, 0, 24]


def test_attributes_of_a_roster_can_be_grouped(make_series):
    listed = roster(*((m, None, None, m[:2]) for m in ("complete", "no head", "no tail", "switched", "unknown")))
    report = quality.assess(fleet(make_series), expected=listed)
    assert report.table.groupby("TDSP", observed=True)["missing"].sum().to_dict() == {
        "co": 0,
        "no": 48,
        "sw": 0,
        "un": 48,
    }


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (["m"], "must be a table with the column meter"),
        (pd.DataFrame({"esi": ["m"]}), "must be a table with the column meter"),
        (pd.DataFrame({"meter": ["m"], "from": ["soon"]}), "Column from of the roster has values that are not dates"),
        (roster(("m", "2024-07-02", "2024-07-01", "x")), "row for meter m in which to is before from"),
    ],
)
def test_wrong_roster_raises(make_series, table, text):
    with pytest.raises(SchemaError, match=text):
        quality.assess(make_series(varied(24)), expected=table)


def test_findings_of_many_meters_are_a_table(make_series):
    df = frame.concat(make_series(varied(48, i), meter=f"M{i:02d}").drop(index=[3]) for i in range(30))
    report = quality.assess(df)
    table = report.findings_table
    gaps = table[table["name"] == "quality.gap"].iloc[0]
    assert (gaps["severity"], gaps["series"]) == ("info", 30)
    assert "And 29 more series." in repr(report)
    assert len(report.findings.named("quality.gap")) == 30
    assert len(report._repr_html_()) < 20_000


def test_days_of_a_roster_have_the_attributes_of_their_date(make_series):
    listed = roster(("m", None, "2024-07-02", "old"), ("m", "2024-07-02", None, "new"))
    days = quality.assess(make_series(varied(72), meter="m"), expected=listed).roster_days
    assert days[["status", "TDSP"]].to_numpy().tolist() == [
        ["complete", "old"],
        ["complete", "new"],
        ["complete", "new"],
    ]


def test_periods_of_a_meter_that_overlap_count_together(make_series):
    listed = roster(("m", "2024-07-01", "2024-07-04", "x"), ("m", "2024-07-02", "2024-07-03", "x"))
    found = quality.assess(make_series(varied(96), meter="m"), expected=listed).roster.iloc[0]
    assert found[["expected", "received", "not_ours"]].tolist() == [72, 72, 24]


def test_roster_of_meters_in_groups_equals_that_at_once(make_series, monkeypatch):
    listed = roster(("complete", "2024-07-02", None, "a"), ("no tail", None, None, "b"), ("absent", None, None, "c"))
    at_once = quality.assess(fleet(make_series), expected=listed)
    monkeypatch.setattr(_intervals, "BATCH", 50)
    report = quality.assess(fleet(make_series), expected=listed)
    for name in ("table", "roster", "roster_days", "gaps"):
        pd.testing.assert_frame_equal(getattr(report, name), getattr(at_once, name))
