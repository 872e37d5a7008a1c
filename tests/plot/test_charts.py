"""The pictures of shape, days and months: their data and their axes."""

import numpy as np
import pandas as pd
import pytest

from greenkit import frame, plot
from greenkit.errors import SchemaError


def traces(figure, name):
    return [t for t in figure.data if t.name == name]


def test_the_average_day_has_a_line_and_a_band_for_each_day_type(make_series):
    # Monday to Sunday
    df = make_series(np.repeat([1.0, 1, 1, 1, 2, 4, 6], 24))
    figure = plot.average_day(df)
    (line,) = traces(figure, "weekend")
    assert list(line.y) == [5.0] * 25
    assert list(line.x) == [*range(24), 24]
    low, high = [t for t in figure.data if t.legendgroup == "weekend" and t.name is None]
    assert (low.y[0], high.y[0], high.fill) == (pytest.approx(4.2), pytest.approx(5.8), "tonexty")
    assert figure.layout.yaxis.title.text == "kW"
    assert figure.layout.xaxis.title.text == "local hour"


def test_the_legend_stands_between_the_note_and_the_names_of_the_panels(make_series):
    both = pd.concat([make_series([1.0] * 96, interval=900, flow=flow) for flow in ("delivered", "received")])
    layout = plot.average_day(both).layout
    assert layout.title.subtitle.text
    drawn = layout.height - layout.margin.t - layout.margin.b
    bottom = layout.margin.t - (layout.legend.y - 1) * drawn  # pixels from the top
    assert bottom - 22 >= 60, "it covers the note"
    assert bottom <= layout.margin.t - 22, "it covers the names"


def test_the_average_day_by_season_and_series(make_series):
    df = frame.concat([make_series([1.0] * 24 * 150, flow=f) for f in ("delivered", "received")])
    figure = plot.average_day(df, ("day_type", "season"))
    assert [a.text for a in figure.layout.annotations] == [
        "delivered · summer", "delivered · autumn", "received · summer", "received · autumn"
    ]  # fmt: skip


def test_the_duration_curve_marks_what_a_single_load_has(make_series):
    df = make_series([1.0, 4.0, 2.0, 1.0] * 6)
    figure = plot.duration(df)
    (line,) = figure.data
    assert (line.y[0], line.x[0], line.x[-1]) == (4.0, 0.0, 100.0)
    assert "load factor 0.500" in figure.layout.title.subtitle.text
    assert figure.layout.xaxis.title.text == "share of the hours [%]"
    assert any("base (5th percentile) 1 kW" in a.text for a in figure.layout.annotations)
    two = plot.duration(frame.concat([df, make_series([1.0], meter="M2")]))
    assert len(two.data) == 2
    with pytest.raises(SchemaError, match="in kW and therm/h"):
        plot.duration(frame.concat([df, make_series([1.0], unit="therm")]))


def test_a_long_duration_curve_is_thinned_and_keeps_its_ends(make_series):
    values = np.random.default_rng(1).uniform(0, 9, 9000)
    (line,) = plot.duration(make_series(values)).data
    assert len(line.x) == 2001
    assert (line.y[0], line.y[-1]) == (values.max(), values.min())


def test_peak_days_over_each_other_with_coincident_peaks(make_series):
    df = make_series([1.0] * 20 + [9.0] + [1.0] * 20 + [7.0] + [1.0] * 6)
    figure = plot.peak_days(df, 2, moments=["2024-07-01 20:30-05:00"])
    first, mark, second = figure.data
    assert (first.name, max(first.y), first.x[20], first.text[20]) == ("1. 2024-07-01", 9.0, 20.0, "20:00 CDT")
    assert second.name == "2. 2024-07-02"
    assert (list(mark.x), list(mark.y)) == ([20.0], [9.0])
    with pytest.raises(SchemaError, match="at most 1"):
        plot.peak_days(frame.concat([df, make_series([1.0], meter="M2")]))


def test_a_peak_day_of_25_hours(make_series):
    line = plot.peak_days(make_series(range(25), "2024-11-03"), 1).data[0]
    assert list(line.x) == list(range(26))
    assert line.text[1:3] == ("01:00 CDT", "01:00 CST")


def test_the_calendar_puts_each_day_in_its_cell(make_series):
    df = make_series([1.0] * 24 * 40, "2024-01-01").drop(index=range(24, 48)).drop(index=[50])
    figure = plot.calendar(frame.tidy(df))
    grey, cells, dots = figure.data
    # 1 January 2024 was a Monday: first row, first column; 2 January has no value; 3 January lacks an hour
    assert cells.z[0][0] == 24.0
    assert cells.text[0][0] == "Mon 01 Jan 2024"
    assert np.isnan(cells.z[1][0])
    assert grey.z[1][0] == 1.0
    assert (list(dots.x), list(dots.y)) == ([0], ["Wed"])
    assert cells.colorbar.title.text == "kWh"
    assert figure.layout.xaxis.ticktext[0] == "J"
    assert cells.z[3][5] == 24.0  # Thursday of the sixth week, 8 February
    assert np.nansum(cells.z) == 24 * 39 - 1


def test_the_calendar_has_a_panel_for_each_year(make_series):
    figure = plot.calendar(make_series([1.0] * 48, "2023-12-31"))
    assert [a.text for a in figure.layout.annotations] == ["2023", "2024"]
    with pytest.raises(SchemaError, match="panels of series and years"):
        plot.calendar(make_series([1.0] * 10 * 366, "2014-06-01", every="24h", zone="UTC"))


def test_weekday_by_hour(make_series):
    df = make_series(np.repeat(np.arange(7.0), 24))
    (cells,) = plot.week(df).data
    assert cells.y[0] == "Mon"
    assert np.asarray(cells.z)[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    # a cell lasts from its hour to the next
    assert list(cells.x) == [hour + 0.5 for hour in range(24)]
    assert cells.text[0][13] == "13:00"
    assert cells.zmid is None
    assert plot.week(make_series([-1.0, 1.0], flow="net")).data[0].zmid == 0


def test_completeness_of_many_series(make_series):
    whole, guessed = (
        make_series([1.0] * 48),
        make_series([1.0] * 48, meter="M2", quality=["estimated"] + ["actual"] * 47),
    )
    holed = make_series([1.0] * 72, meter="M3").drop(index=[3, *range(24, 48)])
    figure = plot.completeness(frame.concat([whole, guessed, frame.tidy(holed)]))
    cells = figure.data[0]
    assert list(cells.y) == ["M1", "M2", "M3"]
    z = [[None if np.isnan(v) else v for v in row] for row in np.asarray(cells.z)]
    assert z == [[0, 0, None], [1, 0, None], [2, 3, 0]]
    assert [t.name for t in figure.data[1:]] == [
        "complete", "partly or all estimated", "some intervals missing", "no value"
    ]  # fmt: skip


def test_months_with_the_year_before_and_the_cost(make_series):
    df = make_series([1.0] * 24 * 400, "2023-06-01", cost=0.1, currency="USD").drop(index=[30])
    figure = plot.monthly(frame.tidy(df))
    (total,), (before,), (cost,) = (traces(figure, n) for n in ("total", "a year before", "cost"))
    assert total.y[0] == 719
    assert total.marker.pattern.shape[0] == "/"
    assert total.marker.pattern.shape[1] == ""
    assert before.y[12] == 719
    assert cost.y[1] == pytest.approx(74.4)
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text) == ("kWh", "USD")


def test_bills_have_their_true_width(make_series):
    figure = plot.monthly(make_series([1.0] * 24 * 60), bills=["2024-07-01", "2024-07-11", "2024-08-10"])
    (total,) = traces(figure, "total")
    assert list(total.y) == [240, 720]
    assert np.asarray(total.width) / 86_400_000 / 0.76 == pytest.approx([10, 30])


def test_months_by_time_of_use_and_cost(make_series):
    codes = pd.array([1, 2] * 24 + [None] * 2, dtype="Int16")
    df = make_series([1.0] * 50, tou=codes, cost=0.5, currency="USD")
    figure = plot.tou(df, {1: "on-peak"})
    assert [(t.name, t.y[0], t.visible) for t in figure.data] == [
        ("unknown", 2, True), ("on-peak", 24, True), ("time of use 2", 24, True),
        ("unknown", 1, False), ("on-peak", 12, False), ("time of use 2", 12, False),
    ]  # fmt: skip
    assert [b.label for b in figure.layout.updatemenus[0].buttons] == ["kWh", "USD"]
    with pytest.raises(SchemaError, match="no time-of-use codes"):
        plot.tou(make_series([1.0]))


ALL = ["load", "heatmap", "calendar", "week", "average_day", "duration", "monthly", "completeness", "peak_days"]


@pytest.mark.parametrize("name", ALL)
def test_every_picture_refuses_nothing_and_leaves_the_frame_alone(make_series, name):
    with pytest.raises(SchemaError, match="no value to draw"):
        getattr(plot, name)(frame.empty())
    df = make_series([1.0, 2.0, 3.0])
    before = df.copy()
    figure = getattr(plot, name)(df)
    pd.testing.assert_frame_equal(df, before)
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color == "#797979"


def test_every_public_chart_is_tested():
    of_results = {"bill", "bill_change", "cost_by_hour", "plans", "price_map"}  # tests/plot/test_tariff_charts.py
    assert set(plot.__all__) == {*ALL, "tou", *of_results}


def test_a_single_day_has_a_cell_of_its_width_and_one_tick(make_series):
    for figure in (plot.heatmap(make_series(range(5))), plot.completeness(make_series(range(5)))):
        assert [str(x)[:10] for x in figure.data[0].x] == ["2024-07-01", "2024-07-02"]
        assert figure.layout.xaxis.tickvals == ("2024-07-01T12:00:00",)
    week = plot.heatmap(make_series(range(168))).layout.xaxis
    assert (week.tick0, week.dtick) == ("2024-07-01T00:00:00", 86_400_000)


def test_the_years_of_a_series_share_their_colours(make_series):
    df = make_series([1.0] * 24 + [5.0] * 24, "2023-12-31")
    scales = {(t.zmin, t.zmax) for t in plot.calendar(df).data if t.type == "heatmap" and t.showscale is not False}
    assert scales == {(24.0, 120.0)}
    # one value alone needs a span around it
    alone = next(t for t in plot.calendar(make_series([2.0])).data if t.showscale is not False and t.type == "heatmap")
    assert (alone.zmin, alone.zmax) == (0.0, 2.0)


def test_months_are_named_in_the_middle_and_seldom_when_there_are_many(make_series):
    axis = plot.monthly(make_series([1.0] * 40, every="24h")).layout.xaxis
    assert (axis.ticktext, axis.tickvals[0][:10]) == (("Jul 2024", "Aug 2024"), "2024-07-16")
    assert axis.range == ("2024-07-01T00:00:00.000", "2024-09-01T00:00:00.000")
    assert len(plot.monthly(make_series([1.0] * 1500, every="24h", zone="UTC")).layout.xaxis.ticktext) <= 14
    assert plot.monthly(make_series([240.0], unit="V")).layout.yaxis.title.text == "mean V"


def test_many_names_stand_below_the_load(make_series):
    few = frame.concat([make_series([1.0]), make_series([1.0], flow="received")])
    many = frame.concat([make_series([1.0], meter=f"M{i}") for i in range(5)])
    assert (plot.load(few).layout.legend.y, plot.load(many).layout.legend.yref) == (1.0, "container")


def test_a_series_without_a_value_does_not_shift_the_names(make_series):
    df = frame.concat(
        [make_series([np.nan] * 24, flow="a"), make_series([1.0] * 24, flow="b"), make_series([2.0] * 24)]
    )
    for picture in (plot.average_day, plot.week):
        assert [a.text for a in picture(df).layout.annotations] == ["b", "delivered"]


def test_too_many_series_are_told_by_what_to_choose(make_series):
    both = frame.concat([make_series([1.0], flow="received"), make_series([1.0], flow="net")])
    with pytest.raises(SchemaError, match=r"Filter it first, as in df\[df\[\"flow\"\] == 'net'\]"):
        plot.peak_days(both)
