import numpy as np
import pytest

from greenkit import frame, plot
from greenkit.errors import SchemaError


def cells(figure):
    """The values of the carpet by (row, date), without the empty ones."""
    carpet = figure.data[-1]
    z = np.asarray(carpet.z)
    dates = [str(d)[:10] for d in np.asarray(carpet.x, dtype="datetime64[s]")]
    values = {(carpet.y[i], dates[j]): z[i, j] for i, j in zip(*np.nonzero(~np.isnan(z)), strict=True)}
    if len(figure.data) == 1:
        return values, set()
    gray = np.asarray(figure.data[0].z)
    return values, {(carpet.y[i], dates[j]) for i, j in zip(*np.nonzero(~np.isnan(gray)), strict=True)}


def test_the_repeated_hour_has_a_row_of_its_own(make_series):
    values, grey = cells(plot.heatmap(make_series(range(49), "2024-11-02")))
    assert values[("00:00", "2024-11-03")] == 24
    assert values[("01:00", "2024-11-03")] == 25
    assert values[("01:00 again", "2024-11-03")] == 26
    assert values[("02:00", "2024-11-03")] == 27
    assert values[("23:00", "2024-11-03")] == 48
    assert len(values) == 49
    assert not grey


def test_the_skipped_hour_is_blank_not_missing(make_series):
    values, grey = cells(plot.heatmap(make_series(range(23), "2024-03-10")))
    assert values[("01:00", "2024-03-10")] == 1
    assert values[("03:00", "2024-03-10")] == 2
    assert ("02:00", "2024-03-10") not in values
    assert not grey


def test_times_without_a_value_are_gray(make_series):
    df = make_series(range(48))
    df.loc[5, "value"] = np.nan
    values, grey = cells(plot.heatmap(df[df["value"] != 30]))
    assert grey == {("05:00", "2024-07-01"), ("06:00", "2024-07-02")}
    assert len(values) == 46


def test_quarter_hours_are_drawn_as_power_with_their_unit(make_series):
    figure = plot.heatmap(make_series([0.5] * 96, every="15min"))
    values, _ = cells(figure)
    assert set(values.values()) == {2.0}
    assert figure.data[0].colorbar.title.text == "kW"
    assert len(figure.data[0].y) == 96
    assert figure.layout.yaxis.tickvals[:2] == ("00:00", "03:00")


def test_negative_values_center_the_colors_on_zero(make_series):
    net = plot.heatmap(make_series([-1, 2], flow="net")).data[0]
    assert (net.zmid, net.zmin, net.zmax) == (0, -2, 2)
    one = plot.heatmap(make_series([1, 2])).data[0]
    assert (one.zmid, one.zmin, one.zmax) == (None, 0, 2)


def test_one_charger_does_not_flatten_the_colors(make_series):
    values = np.tile([0.5, 1.0, 1.5, 2.0], 24 * 15)
    values[77] = 11.5
    cells = plot.heatmap(make_series(values)).data[-1]
    assert cells.zmax == 2.0
    assert cells.colorbar.title.text == "kW, to the<br>99th percentile<br>(highest 11.5)"
    # two hours of charging each night
    nights = plot.heatmap(make_series(([0.5, 1.0] * 11 + [7.5, 7.5]) * 30)).data[-1]
    assert nights.zmax == 1.0
    assert nights.colorbar.title.text == "kW, to the<br>90th percentile<br>(highest 7.5)"


def test_axis_states_that_the_zone_is_unknown(make_series):
    assert plot.heatmap(make_series([1, 2])).layout.yaxis.title.text == "Local time (America/Chicago)"
    df = make_series([1.0] * 24, zone="UTC")
    assert plot.heatmap(df).layout.yaxis.title.text == "UTC (time zone unknown)"
    assert plot.week(df).layout.xaxis.title.text == "UTC (time zone unknown)"
    assert plot.average_day(df).layout.xaxis.title.text == "UTC (time zone unknown)"
    assert "local" not in plot.heatmap(df).to_json().lower()


def test_each_series_has_a_panel(make_series):
    df = frame.concat([make_series([1, 2]), make_series([3, 4], flow="received")])
    figure = plot.heatmap(df)
    assert [a.text for a in figure.layout.annotations] == ["delivered", "export"]
    assert {t.yaxis for t in figure.data} == {"y", "y2"}


def test_daily_values_make_no_carpet(make_series):
    with pytest.raises(SchemaError, match="intervals of 24 h"):
        plot.heatmap(make_series([1, 2], every="24h"))


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_every_value_finds_a_cell_in_odd_zones(make_series, zone):
    df = make_series(range(365 * 24), "2017-01-01", zone=zone)
    values, grey = cells(plot.heatmap(df))
    if zone == "Australia/Lord_Howe":  # half an hour of change: two hours of the year share a cell
        assert len(values) >= 365 * 24 - 2
    else:
        assert sorted(values.values()) == list(range(365 * 24))
        assert not grey
