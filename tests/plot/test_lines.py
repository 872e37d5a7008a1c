"""The load over time: steps, gaps, estimated stretches, days when clocks change, long series."""

import numpy as np
import pandas as pd
import pytest

from greenkit import frame, plot
from greenkit.errors import SchemaError, SettingsError


def at(trace, i=None):
    """Positions of a trace as texts, or one of them."""
    times = [str(np.datetime64(int(x), "ms")) for x in np.asarray(trace.x).round()]
    return times if i is None else times[i]


def named(figure, name):
    return [t for t in figure.data if t.name == name]


def test_load_is_power_in_steps_closed_at_its_end(make_series):
    figure = plot.load(make_series([0.5, 1.0], every="15min"))
    (line,) = figure.data
    assert line.line.shape == "hv"
    assert at(line) == ["2024-07-01T00:00:00.000", "2024-07-01T00:15:00.000", "2024-07-01T00:30:00.000"]
    assert list(line.y) == [2.0, 4.0, 4.0]
    assert figure.layout.yaxis.title.text == "kW"
    assert figure.layout.xaxis.title.text == "Local time (America/Chicago)"
    assert figure.layout.hovermode == "x unified"
    assert line.hovertemplate == "%{y:,.4~g} kW"


def test_title_states_period_and_zone(make_series):
    title = plot.load(make_series([1.0] * 49, "2024-10-31")).layout.title
    assert title.text == "Load, meter M1"
    assert title.subtitle.text == "October 31 to November 2, 2024, America/Chicago"
    unknown = plot.load(make_series([1.0], zone="UTC"))
    assert unknown.layout.title.subtitle.text == "July 1, 2024, UTC, time zone unknown"
    assert unknown.layout.xaxis.title.text == "UTC (time zone unknown)"


@pytest.mark.parametrize("day", ["2024-07-01", "2024-12-01", "2024-03-11", "2024-11-04"])
def test_local_midnight_is_midnight_of_the_axis_all_year(make_series, day):
    # three days from local midnight; plotly sets ticks at the midnights of the axis
    df = make_series([1.0] * 72, day)
    assert [x[11:16] for x in at(plot.load(df).data[0])[:-1]] == list(df["start"].dt.strftime("%H:%M"))


def test_both_repeated_hours_share_one_hour_and_are_named(make_series):
    figure = plot.load(make_series(range(25), "2024-11-03"))
    line = figure.data[0]
    assert [x[11:16] for x in at(line)[:5]] == ["00:00", "01:00", "01:30", "02:00", "03:00"]
    assert line.text[:4] == ("", " at 01:00 CDT", " at 01:00 CST", "")
    assert at(line, -1) == "2024-11-04T00:00:00.000"
    assert "the repeated hour is drawn at half its width" in figure.layout.title.subtitle.text.replace("<br>", " ")
    assert plot.load(make_series(range(24), "2024-11-02")).data[0].text is None
    # the day of a daily reading is drawn as it is
    daily = plot.load(make_series([1.0, 2.0], "2024-11-02", every="24h"))
    assert "repeated hour" not in daily.layout.title.subtitle.text


def test_skipped_hour_is_blank(make_series):
    line = plot.load(make_series(range(23), "2024-03-10")).data[0]
    assert [x[11:16] for x in at(line)[:5]] == ["00:00", "01:00", "02:00", "02:00", "03:00"]
    assert np.isnan(line.y[3])


def test_two_gaps_break_the_line_twice(make_series):
    df = make_series([1, 2, 3, np.nan, 5])
    df = df[df["value"] != 2]
    line = plot.load(df).data[0]
    assert [None if np.isnan(v) else v for v in line.y] == [1, 1, None, 3, 3, None, 5, 5]
    assert at(line, 1) == "2024-07-01T01:00:00.000"
    assert line.connectgaps is False


def test_two_estimated_stretches_are_two_polygons(make_series):
    quality = ["actual"] * 96
    for i in (5, 6, 80):
        quality[i] = "estimated"
    figure = plot.load(make_series([2.0] * 96, quality=quality))
    (shade,) = named(figure, "estimated")
    assert (shade.fill, shade.connectgaps) == ("toself", None)
    breaks = np.isnan(np.asarray(shade.y, dtype=float))
    assert breaks.sum() == 1, "the stretches of different days must not be one polygon"
    parts = np.split(np.asarray(shade.x), np.flatnonzero(breaks))
    spans = [(p[1 if i else 0 :].min(), p.max()) for i, p in enumerate(parts)]
    hours = [(b - a) / 3_600_000 for a, b in spans]
    assert hours == pytest.approx([2, 1])
    area = sum((b - a) / 3_600_000 * 2.0 for a, b in spans)
    assert area == pytest.approx(6.0), "the shaded energy is that of the estimated intervals"


def test_export_is_below_zero_and_hovers_as_it_is(make_series):
    df = frame.concat([make_series([1, 2]), make_series([3, 4], flow="received")])
    figure = plot.load(df)
    delivered, export, net = figure.data
    assert (delivered.name, list(delivered.y)) == ("delivered", [1, 2, 2])
    assert (export.name, list(export.y), list(export.customdata)) == ("export", [-3, -4, -4], [3, 4, 4])
    assert export.hovertemplate == "%{customdata:,.4~g} kW"
    assert (net.name, list(net.y), net.visible) == ("net", [-2, -2, -2], "legendonly")
    assert "export is below zero" in figure.layout.title.subtitle.text.replace("<br>", " ")
    assert plot.load(df, flow="export").data[0].y[0] == 3


def test_units_have_panels_of_their_own(make_series):
    df = frame.concat([make_series([1, 2]), make_series([3, 4], unit="therm", meter="gas")])
    figure = plot.load(df)
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text) == ("kW", "therm/h")
    assert {t.yaxis for t in figure.data} == {"y", "y2"}
    assert [t.yaxis for t in figure.data if t.name == "gas"] == ["y2"]


def test_too_many_points_become_means_with_their_range(make_series):
    values = np.zeros(4000)
    values[1234] = 9.0
    df = make_series(values, every="15min")
    figure = plot.load(df, points=2000)
    band, line = figure.data
    assert len(line.x) == 1001
    assert max(band.y) == 36.0
    assert max(line.y) == 9.0
    assert "means of 1 h" in figure.layout.title.subtitle.text.replace("<br>", " ")
    # a mean over an hour, times its hours, is the energy again
    assert float(np.sum(line.y[:-1])) == pytest.approx(9.0)


@pytest.fixture(scope="module")
def long(make_series):
    """Half a year of hours over both changes of clocks, with a gap of an hour and one of two days."""
    values = np.tile(np.arange(24.0), 300)
    df = make_series(values, "2024-02-01")
    return df.drop(index=[100, *range(1000, 1048)]).reset_index(drop=True)


def test_half_a_year_has_daily_means_with_a_band_over_its_intervals(long):
    figure = plot.load(long)
    band, grid, rest, days = figure.data
    assert [t.showlegend for t in figure.data] == [False, False, False, True]
    assert days.name == "delivered, mean of the day"
    assert (days.y[0], max(band.y), min(band.y)) == (11.5, 23, 0)
    # the thin line has a number for each slot: its energy with that of the second trace is the energy of the data
    energy = np.nansum(np.asarray(grid.y, dtype=float)) * grid.dx / 3_600_000
    x, y = np.asarray(rest.x), np.asarray(rest.y, dtype=float)
    in_repeated_hour = np.array([bool(t) for t in rest.text[::3]])
    widths = (x[1::3] - x[::3]) / 3_600_000
    assert widths[in_repeated_hour] == pytest.approx([0.5, 0.5])
    repeated = y[::3][in_repeated_hour].sum()
    assert energy + repeated == pytest.approx(long["value"].sum())
    # the interval before each gap is drawn to its end
    ends = {str(np.datetime64(round(t), "ms"))[:16] for t in x[1::3]}
    assert {"2024-02-05T04:00", "2024-03-10T02:00"} <= ends


def test_long_series_has_daily_means_over_longer_steps(make_series):
    figure = plot.load(make_series(np.tile(np.arange(24.0), 100), "2024-01-01"), points=2000)
    thin, days = figure.data[1], figure.data[-1]
    note = figure.layout.title.subtitle.text.replace("<br>", " ")
    assert "thin: means of 3 h; thick: mean of each day" in note
    assert (days.name, days.y[0], thin.y[0], thin.dx) == ("delivered, mean of the day", 11.5, 1.0, 3 * 3_600_000)


def test_net_lines_of_two_units_have_different_names(make_series):
    df = frame.concat([
        make_series([1.0], flow=flow, unit=unit, series=f"{flow} {unit}")
        for flow in ("delivered", "received") for unit in ("kWh", "kvarh")
    ])  # fmt: skip
    assert [t.name for t in plot.load(df).data if "net" in t.name] == ["net · kWh", "net · kvarh"]


def test_a_band_does_not_bridge_a_gap(make_series):
    df = make_series(np.ones(4000), every="15min")
    gap = (df["start"] >= "2024-07-10") & (df["start"] < "2024-07-12")
    band, line = plot.load(df[~gap], points=2000).data
    assert (np.isnan(band.y).sum(), np.isnan(line.y).sum()) == (1, 1)


def test_buttons_exist_only_for_spans_within_the_data(make_series):
    def labels(df):
        buttons = plot.load(df).layout.xaxis.rangeselector.buttons
        return [b.label for b in buttons]

    assert labels(make_series([1.0] * 24)) == []
    assert labels(make_series([1.0] * 24 * 10)) == ["day", "week", "all"]
    assert labels(make_series([1.0] * 40, every="24h")) == ["day", "week", "month", "all"]


def test_title_of_the_axis_has_room_without_a_legend(make_series):
    one = plot.load(make_series([1.0] * 48)).layout
    two = plot.load(frame.concat([make_series([1.0] * 48, flow=flow) for flow in ("delivered", "received")])).layout
    assert (one.showlegend, two.showlegend) == (False, True)
    # the range slider and the title of the axis are above the legend, or end the figure
    assert min(one.margin.b, two.margin.b) >= 40


def test_zones_that_differ_share_utc(make_series):
    df = frame.concat([make_series([1]), make_series([1], meter="M2", zone="America/New_York")])
    assert plot.load(df).layout.xaxis.title.text == "UTC (2 time zones)"


def test_frames_that_cannot_be_drawn_raise(make_series):
    with pytest.raises(SchemaError, match="no value to draw"):
        plot.load(make_series([np.nan]))
    with pytest.raises(SchemaError, match="no rows to draw"):
        plot.load(frame.empty())
    many = frame.concat([make_series([1], meter=f"M{i}") for i in range(13)])
    with pytest.raises(
        SchemaError, match=r"13 series, but this chart shows at most 12\. Choose fewer with meter=, as in"
    ):
        plot.load(many)
    assert len(plot.load(many, meter=["M1", "M2"]).data) == 2


def test_hostile_name_is_text(make_series):
    figure = plot.load(make_series([1], meter="<img src=x onerror=alert(1)>"))
    assert "<img" not in figure.layout.title.text


# -- the arguments that all charts share


def test_rows_are_chosen_by_meter_flow_and_window(make_series):
    df = frame.concat([make_series(range(72), flow="delivered"), make_series(range(72), flow="received", meter="M2")])
    line = plot.load(df, meter="M1", start="2024-07-02", end="2024-07-03").data[0]
    assert (at(line, 0)[:10], list(line.y[:2]), len(line.x)) == ("2024-07-02", [24, 25], 25)
    with pytest.raises(SchemaError, match=r"no meter 'M3'\. Use one of M1, M2\."):
        plot.load(df, meter="M3")
    with pytest.raises(SchemaError, match="no flow 'net'"):
        plot.load(df, flow="net")
    with pytest.raises(SchemaError, match="The data begins on 2024-07-01 and ends on 2024-07-04"):
        plot.load(df, start="2030-01-01")
    with pytest.raises(SettingsError, match="start is 2024, but it must be a date or time"):
        plot.load(df, start=2024)


def test_aggregate_draws_the_mean_power_of_each_period(make_series):
    df = make_series([1.0, 3.0] * 24)
    assert set(plot.load(df, aggregate="day").data[0].y) == {2.0}
    assert plot.load(df, aggregate="D").data[0].y[0] == 2.0
    # of a day that lacks an hour, the mean of the hours with data
    assert plot.load(df.drop(index=0).reset_index(drop=True), aggregate="day").data[0].y[0] == pytest.approx(47 / 23)
    with pytest.raises(SettingsError, match="aggregate is 'fortnight', but it must be a period"):
        plot.load(df, aggregate="fortnight")


def test_title_height_and_theme(make_series):
    df = make_series([1.0, 2.0])
    figure = plot.load(df, title="Roof <b>", height=555, theme="dark")
    assert (figure.layout.title.text, figure.layout.height) == ("Roof &lt;b>", 555)
    assert figure.layout.paper_bgcolor == "#16181c"
    assert plot.load(df, theme="page").layout.paper_bgcolor == "rgba(0,0,0,0)"
    with pytest.raises(SettingsError, match="theme is 'blue'"):
        plot.load(df, theme="blue")


def test_the_frame_is_left_as_it_was(make_series):
    df = make_series([1, 2])
    before = df.copy()
    plot.load(df, aggregate="hour", start="2024-07-01")
    plot.heatmap(df)
    pd.testing.assert_frame_equal(df, before)
