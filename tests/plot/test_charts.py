"""The pictures of shape, days and months: their data and their axes."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from greenkit import _html, _style, frame, plot, samples
from greenkit.errors import SchemaError, SettingsError
from greenkit.tariffs import load_plan


def traces(figure, name):
    return [t for t in figure.data if t.name == name]


def test_the_average_day_has_a_line_and_a_band_for_each_day_type(make_series):
    # Monday to Sunday
    df = make_series(np.repeat([1.0, 1, 1, 1, 2, 4, 6], 24))
    figure = plot.average_day(df)
    (line,) = traces(figure, "weekend")
    assert [a.text for a in figure.layout.annotations] == ["weekday", "weekend"]
    assert line.xaxis == "x2"
    assert list(line.y) == [5.0] * 25
    assert list(line.x) == [*range(24), 24]
    low, high = [t for t in figure.data if t.legendgroup == "weekend" and t.name is None]
    assert (low.y[0], high.y[0], high.fill) == (pytest.approx(4.2), pytest.approx(5.8), "tonexty")
    assert figure.layout.yaxis.title.text == "kW"
    assert figure.layout.xaxis.title.text == "Local hour (America/Chicago)"


def test_names_of_panes_are_below_the_notes(make_series):
    both = pd.concat([make_series([1.0] * 96, every="15min", flow=flow) for flow in ("delivered", "received")])
    layout = plot.average_day(both).layout
    lines = 1 + layout.title.subtitle.text.count("<br>")
    assert layout.margin.t >= 12 + 21 + 16 * lines + 22, "the names of the panes cover the notes"


def test_the_average_day_by_season_and_series(make_series):
    df = frame.concat([make_series([1.0] * 24 * 150, flow=f) for f in ("delivered", "received")])
    figure = plot.average_day(df, ("day_type", "season"))
    assert [a.text for a in figure.layout.annotations] == [
        f"{flow} · {season} · {kind}" for flow in ("delivered", "export") for season in ("summer", "autumn")
        for kind in ("weekday", "weekend")
    ]  # fmt: skip


def test_duration_curve_of_one_series_marks_mean_base_and_near_peak(make_series):
    df = make_series([1.0, 4.0, 2.0, 1.0] * 6)
    figure = plot.duration(df)
    (line,) = figure.data
    assert (line.y[0], line.x[0], line.x[-1]) == (4.0, 0.0, 100.0)
    assert "load factor 0.50: mean ÷ peak (4.0 kW in 60 min)" in figure.layout.title.subtitle.text.replace("<br>", " ")
    assert figure.layout.xaxis.title.text == "Share of the hours [%]"
    assert any("base (5th percentile) 1.0 kW" in a.text for a in figure.layout.annotations)
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
    assert (first.name, max(first.y), first.x[20], first.text[20]) == ("1. July 1, 2024", 9.0, 20.0, "20:00 CDT")
    assert second.name == "2. July 2, 2024"
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
    grey, cells, halo, outline, dots = figure.data
    # 1 January 2024 was a Monday: first row, first column; 2 January has no value; 3 January lacks an hour
    assert cells.z[0][0] == 24.0
    assert cells.text[0][0] == "Mon, Jan 1, 2024"
    assert np.isnan(cells.z[1][0])
    assert grey.z[1][0] == 1.0
    assert (list(dots.x), list(dots.y)) == ([0], [2])
    assert list(figure.layout.yaxis.ticktext) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert cells.colorbar.title.text == "kWh"
    # six weeks of data are six weeks of calendar; 1 February was a Thursday, so the border goes around three days
    assert figure.layout.xaxis.ticktext == ("Jan", "Feb")
    assert np.shape(cells.z) == (7, 6)
    assert figure.layout.xaxis.range == (-0.5, 7.5)
    # a light line around the dark one keeps it visible between dark cells
    assert (halo.line.color, outline.line.color) == ("#ffffff", "#1f2328")
    assert halo.line.width > outline.line.width
    assert list(outline.x[:4]) == [4.5, 4.5, 3.5, 3.5]
    assert list(outline.y[:4]) == [-0.5, 2.5, 2.5, 6.5]
    assert cells.zmin == 0
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
    assert (cells.zmid, cells.zmin) == (None, 0)
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
    # without "overlay", plotly draws the hatched bar without its color
    assert (total.marker.pattern.fillmode, total.marker.color) == ("overlay", "#1f7fbf")
    # plotly would derive the ticks of the right axis from those of the left one, such as 5.53
    assert figure.layout.yaxis2.tickmode == "auto"
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
    # plotly draws the active button in almost white on every page
    dark = plot.tou(df, theme="dark").layout.updatemenus[0]
    assert min(contrast(dark.font.color, paper) for paper in ("#F4FAFF", dark.bgcolor)) >= 4.5
    with pytest.raises(SchemaError, match="no time-of-use codes"):
        plot.tou(make_series([1.0]))


FLEET = ["ranking", "small_multiples", "fleet_completeness", "annual_energy", "load_factor"]
ALL = [
    "load",
    "daily",
    "heatmap",
    "calendar",
    "week",
    "average_day",
    "duration",
    "monthly",
    "completeness",
    "peak_days",
]


@pytest.mark.parametrize("name", [*ALL, *FLEET])
def test_every_chart_raises_for_an_empty_frame_and_does_not_change_the_frame(make_series, name):
    with pytest.raises(SchemaError, match="no rows to draw"):
        getattr(plot, name)(frame.empty())
    df = make_series([1.0, 2.0, 3.0])
    before = df.copy()
    figure = getattr(plot, name)(df)
    pd.testing.assert_frame_equal(df, before)
    assert figure.layout.paper_bgcolor == "#ffffff"
    assert figure.layout.font.color == "#1f2328"
    assert figure.layout.title.subtitle.text


def test_every_public_chart_is_tested():
    of_results = {"bill", "bill_change", "cost_by_hour", "plans", "price_map"}  # tests/plot/test_tariff_charts.py
    of_datasets = {"findings_by_day", "fleet_band", "fleet_load"}  # tests/scale
    assert set(plot.__all__) == {*ALL, *FLEET, "tou", *of_results, *of_datasets}


def test_a_single_day_has_a_cell_of_its_width_and_one_tick(make_series):
    for figure in (plot.heatmap(make_series(range(5))), plot.completeness(make_series(range(5)))):
        assert [str(x)[:10] for x in figure.data[0].x] == ["2024-07-01", "2024-07-02"]
        assert figure.layout.xaxis.tickvals == ("2024-07-01T12:00:00",)
    week = plot.heatmap(make_series(range(168))).layout.xaxis
    assert (week.tick0, week.dtick) == ("2024-07-01T00:00:00", 86_400_000)


def test_years_of_a_series_share_one_color_scale(make_series):
    df = make_series([1.0] * 24 + [5.0] * 24, "2023-12-31")
    scales = {(t.zmin, t.zmax) for t in plot.calendar(df).data if t.type == "heatmap" and t.showscale is not False}
    assert scales == {(0.0, 120.0)}
    # one value alone needs a span around it
    alone = next(t for t in plot.calendar(make_series([2.0])).data if t.showscale is not False and t.type == "heatmap")
    assert (alone.zmin, alone.zmax) == (0.0, 2.0)


def test_months_are_named_in_the_middle_and_seldom_when_there_are_many(make_series):
    axis = plot.monthly(make_series([1.0] * 40, every="24h")).layout.xaxis
    assert (axis.ticktext, axis.tickvals[0][:10]) == (("Jul<br>2024", "Aug"), "2024-07-16")
    assert axis.range == ("2024-07-01T00:00:00.000", "2024-09-01T00:00:00.000")
    assert len(plot.monthly(make_series([1.0] * 1500, every="24h", zone="UTC")).layout.xaxis.ticktext) <= 12
    assert plot.monthly(make_series([240.0], unit="V")).layout.yaxis.title.text == "mean V"


def test_legends_are_below_every_chart_with_room(make_series):
    few = plot.load(frame.concat([make_series([1.0]), make_series([1.0], flow="received")])).layout
    many = plot.load(frame.concat([make_series([1.0], meter=f"meter-{i:09d}") for i in range(12)])).layout
    for layout in (few, many, plot.monthly(make_series([1.0] * 24 * 400, cost=1.0)).layout):
        assert (layout.legend.yref, layout.legend.y, layout.legend.x) == ("container", 0, 0)
    assert many.margin.b > few.margin.b + 20


def test_a_series_without_a_value_does_not_shift_the_names(make_series):
    df = frame.concat(
        [make_series([np.nan] * 24, flow="a"), make_series([1.0] * 24, flow="b"), make_series([2.0] * 24)]
    )
    assert [a.text for a in plot.week(df).layout.annotations] == ["b", "delivered"]
    assert [a.text for a in plot.average_day(df).layout.annotations] == ["b · weekday", "delivered · weekday"]


@pytest.mark.parametrize("name", ["week", "average_day"])
def test_daily_data_is_sent_to_a_chart_that_can_draw_it(make_series, name):
    df = make_series([1.0] * 9, every="24h", zone="UTC")
    with pytest.raises(SchemaError, match=r"needs intervals of an hour or less.*or draw df\.gk\.plot\.daily\(\)"):
        getattr(plot, name)(df)
    assert plot.daily(df).data
    with pytest.raises(SchemaError, match=r"longer than an hour\. Draw df\.gk\.plot\.monthly\(\)"):
        plot.tou(df)
    with pytest.raises(SchemaError, match=r"or draw df\.gk\.plot\.ranking\(\)"):
        plot.small_multiples(df)


def test_error_for_several_units_has_a_filter_that_works(make_series):
    df = frame.concat([make_series([1.0] * 24, unit=unit, series=unit) for unit in ("kvarh", "kWh", "therm")])
    with pytest.raises(SchemaError, match=r'in kWh, kvarh, and therm, .*as in df\[df\["unit"\] == \'kWh\'\]') as raised:
        plot.daily(df)
    with pytest.raises(SchemaError, match=r'in kW, kvar, and therm/h, .*as in df\[df\["unit"\] == \'kWh\'\]'):
        plot.duration(df)
    assert raised.value.next_step.startswith("Filter the frame to one unit")
    assert plot.daily(df[df["unit"] == "kWh"]).data


def test_hours_since_midnight_end_with_the_longest_day(make_series):
    assert plot.peak_days(make_series(range(24), "2024-07-01")).layout.xaxis.range == (0, 24)
    assert plot.peak_days(make_series(range(25), "2024-11-03")).layout.xaxis.range == (0, 25)


def test_names_of_hours_in_adjacent_panes_do_not_touch(make_series):
    layout = plot.average_day(make_series([1.0] * 24 * 7)).layout
    # "24" is centered on the end of one pane and "0" on the begin of the next: 20 px of text on 540 px of chart
    assert (layout.xaxis2.domain[0] - layout.xaxis.domain[1]) * 540 >= 24


def test_calendar_of_demand_states_that_it_is_a_mean(make_series):
    cells = plot.calendar(make_series([2.0] * 72, unit="kW")).data[1]
    assert (cells.z[0][0], cells.colorbar.title.text) == (2, "mean kW")
    assert "mean kW" in cells.hovertemplate


def test_bars_of_several_meters_do_not_cover_each_other(make_series):
    df = frame.concat([make_series([1.0] * 24, meter=f"M{i}") for i in range(3)])
    bars = plot.daily(df).data
    spans = [(t.x[0] + t.offset[0], t.x[0] + t.offset[0] + t.width[0]) for t in bars]
    assert len({t.x[0] for t in bars}) == 1, "one unified hover for the day"
    assert all(a[1] <= b[0] + 1 for a, b in itertools.pairwise(spans))
    assert spans[2][1] - spans[0][0] == pytest.approx(0.85 * 86_400_000)


def test_periods_of_meters_in_several_zones_are_local(make_series):
    zones = {"M1": "America/Chicago", "M2": "Europe/Berlin"}
    df = frame.concat([make_series([1.0] * 24, "2024-07-01", meter=m, zone=zone) for m, zone in zones.items()])
    months = plot.monthly(df)
    assert {months.layout[name].ticktext for name in ("xaxis", "xaxis2")} == {("Jul<br>2024",)}
    assert months.data[0].x[0] == months.data[1].x[0]
    days = plot.daily(df)
    assert days.data[0].x[0] == days.data[1].x[0]
    assert days.layout.title.subtitle.text == "July 1, 2024, 2 time zones"
    assert days.layout.xaxis.title.text == "Local date (2 time zones)"
    assert plot.average_day(df).layout.xaxis2.title.text == "Local hour (2 time zones)"
    assert plot.load(df).layout.title.subtitle.text == "June 30 to July 2, 2024, UTC, 2 time zones"


def test_long_names_fit_and_stay_different(make_series):
    wings = [f"<b>Community</b> center of the very long name, {wing} wing" for wing in ("north", "south")]
    df = frame.concat([make_series([1.0] * 24 * 7, meter=meter) for meter in wings])
    figure = plot.average_day(df)
    titles = [a.text for a in figure.layout.annotations]
    assert titles[0] == "&lt;b>Commun…g name, north wing<br>weekday"
    assert len(set(titles)) == 4
    assert {a.align for a in figure.layout.annotations} == {"left"}
    assert figure.layout.margin.t >= plot.average_day(make_series([1.0] * 24 * 7)).layout.margin.t + 16
    assert all(len(t.name) <= 40 for t in plot.load(df).data)
    ranked = plot.ranking(df).data[0]
    assert (ranked.y[0][:4], ranked.customdata[0][-10:]) == ("&lt;", "north wing")
    assert len(ranked.y[0]) <= 40
    same = [f"{'a' * 20}{i}{'b' * 20}" for i in range(2)]
    alike = frame.concat([make_series([1.0], meter=meter) for meter in same])
    assert list(plot.ranking(alike).data[0].y) == same, "names whose ends are the same are complete"


def test_duration_without_a_peak_has_no_load_factor(make_series):
    for values, peak in ([0.0] * 24, "peak 0 kW in 60 min"), ([-2.0] * 24, "peak -2.0 kW in 60 min"):
        df = make_series(values, flow="net")
        assert df.gk.fleet_table()["load_factor"].isna().all()
        assert plot.duration(df).layout.title.subtitle.text.endswith(f"; {peak}")
        with pytest.raises(SchemaError, match=r"No meter has a load factor"):
            plot.load_factor(df)
        assert plot.ranking(df).data
    tiny = plot.duration(make_series([1.0] * 999 + [5000.0])).layout.title.subtitle.text
    assert "load factor 0.0012: mean" in tiny


def test_amounts_of_zero_have_an_axis_from_zero(make_series):
    df = make_series([0.0] * 48)
    for figure in plot.daily(df), plot.tou(df, schedule="wholesale"):
        assert figure.layout.yaxis.rangemode == "tozero"


def test_error_for_too_many_series_names_what_to_choose(make_series):
    both = frame.concat([make_series([1.0], flow="received"), make_series([1.0], flow="net")])
    with pytest.raises(SchemaError, match="Choose fewer with flow=, as in flow='net'"):
        plot.peak_days(both)


# -- faults of the first version


def test_daily_data_has_no_base_and_no_peak_day(make_series):
    df = make_series([10.0, 20.0, 30.0], every="24h")
    figure = plot.duration(df)
    assert [a.text.partition(" ")[0] for a in figure.layout.annotations] == ["mean"]
    with pytest.raises(
        SchemaError,
        match=r"intervals of 24 h, but a chart of a peak day needs intervals of 3 h or less\. List the highest",
    ):
        plot.peak_days(df)


def test_daily_bars_have_export_below_zero_and_the_net(make_series):
    df = frame.concat([make_series([1.0] * 72), make_series([0.5] * 72, flow="received")])
    df = df.drop(index=[5]).reset_index(drop=True)
    figure = plot.daily(df)
    delivered, export, net = figure.data
    assert (list(delivered.y), list(export.y), list(net.y)) == ([23, 24, 24], [-12] * 3, [11, 12, 12])
    assert (delivered.name, export.name, net.name) == ("delivered", "export", "net")
    assert delivered.marker.pattern.shape == ("/", "", "")
    assert delivered.hovertemplate.startswith("%{customdata[0]")
    assert export.customdata[0][0] == 12
    assert figure.layout.barmode == "relative"
    assert list(plot.daily(df, aggregate="month").data[0].y) == [71]


def test_demand_of_months_is_in_the_middle_of_its_bars(make_series):
    days = 24 * 60
    df = frame.concat([make_series([1.0] * days, "2024-07-01"),
                       make_series([3.0] * days, "2024-07-01", unit="kW", series="2")])  # fmt: skip
    figure = plot.daily(df, aggregate="month")
    (bars,), (line,) = traces(figure, "delivered"), traces(figure, "demand")
    assert list(line.x) == list(bars.x)


def test_two_demands_differ_in_name_and_color(make_series):
    amounts = make_series([1.0] * 48)
    demands = [make_series([2.0] * 48, unit=unit, series=unit) for unit in ("kW", "kVA")]
    figure = plot.daily(frame.concat([amounts, *demands]))
    lines = [t for t in figure.data if t.yaxis == "y2"]
    assert {t.name for t in lines} == {"demand · delivered · kVA", "demand · delivered · kW"}
    assert len({t.line.color for t in lines}) == 2
    assert figure.layout.yaxis2.title.text == "highest demand [kVA, kW]"


def test_energy_and_demand_have_two_axes(make_series):
    demand = [2.0] * 30 + [9.0] + [1.0] * 17
    df = frame.concat([make_series([1.0] * 48), make_series(demand, unit="kW", series="demand")])
    figure = plot.daily(df)
    bars, line = figure.data
    assert (bars.yaxis, line.yaxis, figure.layout.yaxis2.side) == ("y", "y2", "right")
    assert (list(bars.y), list(line.y)) == ([24, 24], [2.0, 9.0])
    assert figure.layout.yaxis2.title.text == "highest demand [kW]"
    with pytest.raises(SchemaError, match="in kWh and therm"):
        plot.daily(frame.concat([df, make_series([1.0], unit="therm")]))


def test_panes_of_day_types(make_series):
    figure = plot.average_day(make_series([1.0] * 24 * 12), holidays=["2024-07-04"])
    assert [a.text for a in figure.layout.annotations] == ["weekday", "weekend", "holiday"]
    assert {t.xaxis for t in figure.data} == {"x", "x2", "x3"}
    assert figure.layout.yaxis2.matches == "y"


def test_average_day_keeps_the_color_of_the_flow(make_series):
    df = frame.concat([make_series([1.0] * 24 * 7, flow=flow) for flow in ("delivered", "received")])
    lines = [t for t in plot.average_day(df).data if t.name]
    assert {t.yaxis: t.line.color for t in lines} == dict.fromkeys(("y", "y2"), "#1f7fbf") | dict.fromkeys(
        ("y3", "y4"), "#009E73"
    )


def test_second_series_of_a_flow_does_not_take_the_color_of_another_flow(make_series):
    df = frame.concat([
        make_series([1.0] * 24), make_series([1.0] * 24, unit="kW", series="2"),
        make_series([1.0] * 24, flow="received"),
    ])  # fmt: skip
    lines = {t.name: t.line.color for t in plot.load(df).data}
    assert (lines["delivered · kWh"], lines["export · kWh"]) == ("#1f7fbf", "#009E73")
    assert lines["delivered · kW"] not in _style.FLOWS.values()


def test_peak_days_name_the_series_that_they_draw(make_series):
    df = frame.concat([make_series([1.0] * 24), make_series([9.0] * 24, unit="kW", series="demand")])
    assert "delivered · kWh only, of 2 series" in plot.peak_days(df).layout.title.subtitle.text


def test_time_of_use_does_not_sum_demand(make_series):
    demand = make_series([9.0] * 24, unit="kW", series="demand")
    figure = plot.tou(frame.concat([make_series([1.0] * 24), demand]), schedule={"on-peak": "16-21"})
    assert sum(t.y[0] for t in figure.data) == 24
    with pytest.raises(SchemaError, match="in kW, which have no totals"):
        plot.tou(demand, schedule="wholesale")


@pytest.mark.parametrize("schedule", ["wholesale", {"on-peak": "16-21"}])
def test_time_of_use_refuses_days_under_a_schedule(make_series, schedule):
    """A day has hours of every period, so its energy belongs to none."""
    with pytest.raises(SchemaError, match=r"has intervals of 24 h, but a schedule needs intervals of an hour or less"):
        plot.tou(make_series([1.0] * 10, every="24h", zone="UTC"), schedule=schedule)


def test_many_months_of_time_of_use_have_short_names_within_their_panel(make_series):
    df = make_series([1.0] * 24 * 14 * 31, zone="UTC")
    axis = plot.tou(df, schedule="wholesale").layout.xaxis
    assert (axis.tickvals[:2], axis.ticktext[:2]) == (("July 2024", "September 2024"), ("Jul<br>2024", "Sep<br>2024"))
    assert len(axis.ticktext) <= 12


def test_net_of_many_days_is_shown_on_a_click(make_series):
    df = frame.concat([make_series([1.0] * 90, every="24h", flow=flow) for flow in ("delivered", "received")])
    net = plot.daily(df).data[-1]
    assert (net.name, net.visible, net.mode) == ("net", "legendonly", "lines")
    few = plot.daily(df, end="2024-07-05")
    assert (few.data[-1].visible, few.data[-1].mode) == (True, "lines+markers")
    assert (few.layout.xaxis.tick0, few.layout.xaxis.dtick) == ("2024-07-01T12:00:00.000", 86_400_000)


def test_axes_write_ten_thousand_with_a_separator(make_series):
    figure = plot.load(make_series([12_345.0]))
    assert (figure.layout.yaxis.separatethousands, figure.layout.yaxis.exponentformat) == (True, "none")
    bar = plot.heatmap(make_series([12_345.0] * 24)).data[-1].colorbar
    assert (bar.separatethousands, bar.exponentformat, bar.title.side) == (True, "none", "right")


def test_time_of_use_by_hours_of_a_dict_for_both_flows(make_series):
    df = frame.concat([make_series([1.0] * 24 * 7), make_series([0.5] * 24 * 7, flow="received")])
    figure = plot.tou(df, schedule={"on-peak": {"hours": "16-21", "days": "weekdays"}, "night": "22-06"})
    sums = {(t.name, t.yaxis): t.y[0] for t in figure.data}
    assert sums == {
        ("on-peak", "y"): 25, ("night", "y"): 56, ("other hours", "y"): 87,
        ("on-peak", "y2"): 12.5, ("night", "y2"): 28, ("other hours", "y2"): 43.5,
    }  # fmt: skip
    assert [a.text for a in figure.layout.annotations] == ["delivered", "export"]
    assert [t.showlegend for t in figure.data] == [True] * 3 + [False] * 3


def test_time_of_use_by_the_periods_of_a_plan(make_series):
    plan = load_plan(samples.path("plan-california-tou"))
    figure = plot.tou(make_series([1.0] * 24 * 31, "2025-07-01", zone="America/Los_Angeles"), schedule=plan)
    assert sum(t.y[0] for t in figure.data) == 744
    assert len(figure.data) > 1
    with pytest.raises(SettingsError, match="schedule is 'peak'"):
        plot.tou(make_series([1.0]), schedule="peak")


def contrast(one, other):
    """Return the contrast of two ``#rrggbb`` colors (WCAG 2.2, 1 to 21)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_of_both_themes_have_contrast():
    assert round(contrast("#000000", "#ffffff"), 1) == 21
    for name in ("light", "dark"):
        page = _style.PAGES[name]
        for text in (page.ink, page.muted):
            assert contrast(text, page.paper) >= 4.5
    for i, (light, dark) in enumerate(_style.SEVERITIES.values()):
        assert contrast(light, "#ffffff") >= 4.5, i
        assert contrast(dark, "#16181c") >= 4.5, i
    for color in (*_style.COLORS, *_style.FLOWS.values(), *(c for c, _ in _style.DAYS)):
        assert min(contrast(color, "#ffffff"), contrast(color, "#16181c")) >= 3, color


# background and colors of JupyterLab 4, with its text of 87% black or white: the theme's color alone has too little contrast
@pytest.mark.parametrize(
    ("page", "ink", "colors"),
    [
        ("#ffffff", "#212121", {"success": "#388e3c", "warn": "#f57c00", "error": "#d32f2f"}),
        ("#111111", "#e0e0e0", {"success": "#4caf50", "warn": "#ff9800", "error": "#f44336"}),
    ],
)
def test_texts_with_a_status_have_contrast_in_jupyterlab(page, ink, colors):
    for status, color in colors.items():
        own, share, text = re.fullmatch(
            r"color-mix\(in srgb,var\(--jp-(\w+)-color1,#c62828\) (\d+)%,var\(--jp-(.+),#c62828\)\)",
            _html.text_color(status, "#c62828"),
        ).groups()
        assert (own, text) == (status, "ui-font-color1")
        pairs = [(int(color[i : i + 2], 16), int(ink[i : i + 2], 16)) for i in (1, 3, 5)]
        mixed = "#" + "".join(f"{round((a * int(share) + b * (100 - int(share))) / 100):02x}" for a, b in pairs)
        assert contrast(mixed, page) >= 4.5, status


def test_colors_of_flows_differ_for_color_blind_readers():
    # luminance or blue-yellow position, which red-green blindness leaves, must differ
    flows = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _style.FLOWS.values()]
    for i, a in enumerate(flows):
        for b in flows[i + 1 :]:
            seen = [abs((a[2] - (a[0] + a[1]) / 2) - (b[2] - (b[0] + b[1]) / 2)), abs(sum(a) - sum(b)) / 3]
            assert max(seen) >= 40, (a, b)
