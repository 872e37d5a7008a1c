import numpy as np
import pandas as pd
import pytest

from greenkit import frame, plot
from greenkit.errors import SchemaError


def xs(trace):
    return np.asarray(trace.x, dtype="datetime64[s]")


def test_the_load_is_power_in_steps_closed_at_its_end(make_series):
    figure = plot.load(make_series([0.5, 1.0], every="15min"))
    (line,) = figure.data
    assert line.line.shape == "hv"
    assert list(map(str, xs(line))) == ["2024-07-01T00:00:00", "2024-07-01T00:15:00", "2024-07-01T00:30:00"]
    assert list(line.y) == [2.0, 4.0, 4.0]
    assert figure.layout.yaxis.title.text == "kW"
    assert figure.layout.xaxis.title.text == "CDT, UTC−05:00"
    assert line.text[1] == "Mon 01 Jul 2024 00:15 CDT"


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25)])
def test_time_runs_evenly_on_days_of_change(make_series, day, hours):
    df = make_series(range(hours), day)
    figure = plot.load(df)
    assert set(np.diff(xs(figure.data[0])) / np.timedelta64(1, "h")) == {1.0}
    assert figure.layout.xaxis.title.text == "standard time, UTC−06:00 (hover: local time)"
    shown = [t[16:] for t in figure.data[0].text[:-1]]
    assert shown == list(df["start"].dt.strftime("%H:%M %Z"))
    assert ("01:00 CDT" in shown and "01:00 CST" in shown) == (hours == 25)


def test_a_gap_breaks_the_line(make_series):
    df = make_series([1, 2, 3, np.nan, 5])
    df = df[df["value"] != 2]
    line = plot.load(df).data[0]
    assert [None if np.isnan(v) else v for v in line.y] == [1, 1, None, 3, 3, None, 5, 5]
    assert str(xs(line)[1]) == "2024-07-01T01:00:00"
    assert line.connectgaps is False


def test_estimated_values_are_shaded(make_series):
    df = make_series([1, 2, 3], quality=["actual", "estimated", "actual"])
    line, shade = plot.load(df).data
    assert (line.fill, shade.fill, shade.name) == (None, "tozeroy", "delivered, estimated")
    assert list(shade.y) == [2, 2]


def test_what_was_received_is_mirrored_and_told_as_it_is(make_series):
    df = frame.concat([make_series([1, 2]), make_series([3, 4], flow="received")])
    delivered, received = plot.load(df).data
    assert (delivered.name, list(delivered.y)) == ("delivered", [1, 2, 2])
    assert (received.name, list(received.y), list(received.customdata)) == ("received", [-3, -4, -4], [3, 4, 4])
    assert plot.load(df[df["flow"] == "received"]).data[0].y[0] == 3


def test_units_have_panels_of_their_own(make_series):
    df = frame.concat([make_series([1, 2]), make_series([3, 4], unit="therm", meter="gas")])
    figure = plot.load(df)
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text) == ("kW", "therm/h")
    assert {t.yaxis for t in figure.data} == {"y", "y2"}
    assert [t.yaxis for t in figure.data if t.name == "gas"] == ["y2"]


def test_many_points_become_means_with_their_range(make_series):
    values = np.zeros(4000)
    values[1234] = 9.0
    df = make_series(values, every="15min")
    band, line = plot.load(df, points=2000).data
    assert len(line.x) == 1001
    assert max(band.y) == 36.0
    assert max(line.y) == 9.0
    assert "means of 1 h" in plot.load(df, points=2000).layout.title.subtitle.text
    # a mean over an hour, times its hours, is the energy again
    assert float(np.sum(line.y[:-1])) == pytest.approx(9.0)


def test_a_band_does_not_bridge_a_gap(make_series):
    df = make_series(np.ones(4000), every="15min")
    gap = (df["start"] >= "2024-07-10") & (df["start"] < "2024-07-12")
    band, line = plot.load(df[~gap], points=2000).data
    assert (np.isnan(band.y).sum(), np.isnan(line.y).sum()) == (1, 1)


def test_zones_that_differ_share_utc(make_series):
    df = frame.concat([make_series([1]), make_series([1], meter="M2", zone="America/New_York")])
    assert plot.load(df).layout.xaxis.title.text == "UTC"


def test_what_cannot_be_drawn_is_said(make_series):
    with pytest.raises(SchemaError, match="no value to draw"):
        plot.load(make_series([np.nan]))
    with pytest.raises(SchemaError, match="no value to draw"):
        plot.load(frame.empty())
    many = frame.concat([make_series([1], meter=f"M{i}") for i in range(13)])
    with pytest.raises(SchemaError, match="13 series, but this chart shows at most 12"):
        plot.load(many)


def test_the_frame_is_left_as_it_was(make_series):
    df = make_series([1, 2])
    before = df.copy()
    plot.load(df)
    plot.heatmap(df)
    pd.testing.assert_frame_equal(df, before)


def test_a_hostile_name_is_text(make_series):
    figure = plot.load(make_series([1], meter="<img src=x onerror=alert(1)>"))
    assert "<img" not in figure.layout.title.text
