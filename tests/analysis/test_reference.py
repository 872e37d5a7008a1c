"""The public SDG&E year, with the numbers that an independent study of the file found."""

from pathlib import Path

import numpy as np
import pytest

from greenkit.analysis import quality, reconcile, shape, totals
from greenkit.espi import open_espi

FILE = Path(__file__).parents[2] / "../shared/corpus/JenDobson+greenbutton/greenbutton__sample_data__sample_data.xml"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the folder ../shared of public feeds is not here")


@pytest.fixture(scope="module")
def feed():
    return open_espi(FILE, tz="America/Los_Angeles")


@pytest.fixture(scope="module")
def report(feed):
    return quality.assess(feed.readings)


def test_completeness(report):
    row = report.table.iloc[0]
    assert (row["expected"], row["present"], row["missing"]) == (8736, 8727, 9)
    assert round(100 * row["completeness"], 3) == 99.897
    assert str(row["end"]) == "2012-01-31 00:00:00-08:00"


def test_two_gaps(report):
    assert report.gaps[["start", "end", "intervals"]].astype(str).to_numpy().tolist() == [
        ["2011-02-08 16:00:00-08:00", "2011-02-09 00:00:00-08:00", "8"],
        ["2011-11-06 01:00:00-08:00", "2011-11-06 02:00:00-08:00", "1"],
    ]


def test_days_when_clocks_change(report):
    days = report.days.set_index(report.days["date"].dt.strftime("%Y-%m-%d"))
    assert days.loc["2011-03-13", ["expected", "present"]].tolist() == [23, 23]
    assert days.loc["2011-11-06", ["expected", "present"]].tolist() == [25, 24]


def test_zero_runs(report):
    zero = report.runs[report.runs["kind"] == "zero"]
    assert zero[["start", "end"]].astype(str).to_numpy().tolist() == [
        ["2011-04-06 16:00:00-07:00", "2011-04-07 00:00:00-07:00"],
        ["2011-07-18 00:00:00-07:00", "2011-07-18 16:00:00-07:00"],
        ["2011-09-08 16:00:00-07:00", "2011-09-09 00:00:00-07:00"],
    ]


def test_spike_check(report):
    assert len(report.spikes) == 5
    assert round(report.spikes["excess"].max(), 2) == 2.44


def test_sum_is_the_bill(feed):
    assert feed.readings["value"].sum() == pytest.approx(5089.595, abs=1e-9)
    assert totals.by_period(feed.readings, "M")["value"].sum() == pytest.approx(5089.595, abs=1e-9)
    out = reconcile.compare_bills(feed.readings, feed.bills)
    billed = out[out["billed"].notna()]
    assert billed[["billed", "status"]].to_numpy().tolist() == [[5089.595, "match"]]


def test_top_day(feed):
    days = totals.by_period(feed.readings, "D")
    top = days.iloc[int(np.nanargmax(days["value"]))]
    assert (top["period"], round(top["value"], 2)) == ("2011-10-12", 35.36)


def test_shape(feed):
    row = shape.summarize(feed.readings).iloc[0]
    assert (row["intervals"], row["peak"], str(row["peak_at"])) == (8727, 5.18, "2011-09-07 19:00:00-07:00")
    assert round(row["load_factor"], 4) == 0.1126
    assert row["base"] == pytest.approx(0.265)
    assert round(100 * row["always_on"], 1) == 45.4
    assert (round(row["near_base"], 4), round(row["near_peak"], 4)) == (0.2703, 1.5892)


def test_percentiles(feed):
    power = feed.readings["value"]
    assert np.percentile(power, [2.5, 5, 10, 97.5]) == pytest.approx([0.255, 0.265, 0.275, 1.73], abs=5e-4)
    curve = shape.at_percent(shape.duration(feed.readings), (2.5, 90, 95, 97.5)).iloc[0]
    assert curve.tolist() == pytest.approx([1.73, 0.275, 0.265, 0.255])


def test_weekdays_and_weekends(feed):
    day = shape.average_day(feed.readings)
    mean = day.assign(sum=day["mean"] * day["count"]).groupby("day_type", observed=True)[["sum", "count"]].sum()
    assert (mean["sum"] / mean["count"]).round(3).to_dict() == {"weekday": 0.589, "weekend": 0.568}


def test_after_the_blackout(feed):
    """Eight hours of the Southwest blackout of 2011 are zeros, and then everything switches on at once."""
    after = feed.readings.set_index("start").loc["2011-09-08 16:00-07:00":"2011-09-09 01:00-07:00", "value"]
    assert after.tolist() == [0.0] * 8 + [0.015, 1.0]
