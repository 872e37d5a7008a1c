"""Charts of many meters, from a frame and from the small table of a dataset."""

import numpy as np
import pandas as pd
import pytest

from greenkit import frame, plot
from greenkit.errors import SchemaError, SettingsError

N = 200


@pytest.fixture(scope="module")
def table():
    """Two hundred meters as a small table."""
    rng = np.random.default_rng(3)
    annual = rng.lognormal(9, 0.5, N)
    return pd.DataFrame({
        "meter": [f"10443720000{i:011d}" for i in range(N)], "flow": "delivered", "unit": "kWh", "power_unit": "kW",
        "total": annual / 12, "annual": annual, "peak": annual / 2000, "load_factor": rng.uniform(0.1, 0.6, N),
        "completeness": rng.uniform(0.9, 1.0, N),
    })  # fmt: skip


@pytest.fixture(scope="module")
def three(make_series):
    parts = [make_series(np.full(24, i + 1.0), meter=f"M{i}") for i in range(3)]
    return frame.concat([*parts, make_series([9.0] * 24, flow="received", meter="M0")])


def test_fleet_table_measures_each_meter(three):
    table = three.gk.fleet_table()
    one = table[(table["meter"] == "M1") & (table["flow"] == "delivered")].iloc[0]
    assert (one["total"], one["mean"], one["peak"], one["load_factor"]) == (48, 2, 2, 1)
    assert (one["annual"], one["completeness"], one["power_unit"]) == (2 * 8766, 1, "kW")
    roster = pd.DataFrame({"meter": ["M0", "M1", "M2"], "rate": ["A", "B", "B"]})
    assert three.gk.fleet_table(roster=roster).set_index("meter")["rate"].to_dict() == {"M0": "A", "M1": "B", "M2": "B"}


def test_fleet_table_has_one_row_for_each_of_two_series_of_a_flow(make_series):
    df = frame.concat([make_series([1.0] * 24), make_series([2.0] * 24, series="s2")])
    assert df.gk.fleet_table()["total"].tolist() == [24, 48]


def test_ranking_goes_from_the_highest_down(three, table):
    bars = plot.ranking(three).data[0]
    assert (list(bars.y), list(bars.x), bars.orientation) == (["M2", "M1", "M0"], [72, 48, 24], "h")
    many = plot.ranking(table, "annual")
    assert list(many.data[0].y) == sorted(table["annual"], reverse=True)
    assert many.layout.height <= 600, "200 meters must fit on a screen"
    assert many.layout.title.text == "Energy per year of 200 meters"
    highest = table.sort_values("annual", ascending=False)["meter"].head(3)
    assert f"highest: {', '.join(highest)}" in many.layout.title.subtitle.text.replace("<br>", " ")
    complete = plot.ranking(table, "completeness").layout.yaxis
    assert complete.tickformat == ".0%"
    with pytest.raises(SettingsError, match="There is no measure 'size'"):
        plot.ranking(table, "size")
    with pytest.raises(SchemaError, match=r"no column peak\. Pass a tidy frame, or the result"):
        plot.ranking(table.drop(columns="peak"), "peak")


def test_small_multiples_have_a_pane_for_each_meter(make_series):
    hours = np.arange(24.0)
    table = pd.concat([pd.DataFrame({"meter": f"M{i}", "hour": hours, "mean": hours * i}) for i in range(1, N + 1)])
    figure = plot.small_multiples(table)
    line, names, _ = figure.data
    assert np.isnan(np.array(line.x, dtype=float)).sum() == N
    assert (len(names.text), figure.layout.height <= 1400) == (N, True)
    # every pane reaches from its base to its own highest
    y = np.array(line.y, dtype=float).reshape(N, 25)[:, :24]
    assert np.ptp(y, axis=1) == pytest.approx(0.6)
    one = plot.small_multiples(make_series([1.0, 2.0] * 24))
    assert one.data[0].text[1] == "M1<br>01:00: 2.0"
    assert one.layout.title.text == "Average day of 1 meter"


def test_small_multiples_leave_out_what_all_names_share():
    table = pd.concat([pd.DataFrame({"meter": f"household-{i:04d}", "hour": [0.0], "mean": [1.0]}) for i in range(N)])
    figure = plot.small_multiples(table)
    assert figure.data[1].text[:2] == ("000", "001")
    assert "names without household-0" in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_fleet_completeness_adds_up_the_meters_of_a_class(make_series):
    whole = make_series([1.0] * 48)
    holed = make_series([1.0] * 48, meter="M2").drop(index=range(24, 36))
    df = frame.concat([whole, frame.tidy(holed), make_series([1.0] * 48, meter="M3")])
    cells = plot.fleet_completeness(df, {"M1": "A", "M2": "A", "M3": "B"}).data[0]
    assert list(cells.y) == ["A", "B"]
    assert np.asarray(cells.z).tolist() == [[100, 75], [100, 100]]
    assert cells.customdata[0][1].tolist() == [36, 48]
    # without classes, meters with gaps are not hidden in the row of all meters
    every = plot.fleet_completeness(df.gk.quality().days)
    assert list(every.data[0].y) == ["all meters", "M2"]
    assert np.asarray(every.data[0].z).tolist() == [pytest.approx([100, 100 * 60 / 72]), [100, 50]]
    assert "below: the least complete meter" in every.layout.title.subtitle.text
    assert list(plot.fleet_completeness(frame.tidy(df[df["meter"] != "M2"])).data[0].y) == ["all meters"]


def test_annual_energy_counts_every_meter(table):
    figure = plot.annual_energy(table)
    assert sum(figure.data[0].y) == N
    assert figure.layout.shapes[0].x0 == pytest.approx(table["annual"].median())
    assert figure.layout.xaxis.title.text == "kWh/year"
    one = plot.annual_energy(table.head(1))
    assert (one.layout.title.text, one.layout.yaxis.dtick) == ("Energy per year of 1 meter", 1)


def test_load_factor_over_energy_by_class(table):
    classes = {m: "ABC"[i % 3] for i, m in enumerate(table["meter"])}
    figure = plot.load_factor(table, classes)
    assert [t.name for t in figure.data] == ["A", "B", "C"]
    assert sum(len(t.x) for t in figure.data) == N
    assert figure.layout.xaxis.type == "log"
    assert {"2,000", "10,000"} <= set(figure.layout.xaxis.ticktext)


def test_meters_in_two_units_are_refused(three, make_series):
    gas = make_series([1.0] * 24, unit="therm", meter="G", flow="received")
    with pytest.raises(SchemaError, match="in kWh and therm"):
        plot.ranking(frame.concat([frame.tidy(three[three["flow"] == "received"]), gas]), flow="export")


def test_a_million_meters_are_a_density_and_a_curve_not_a_blot(table):
    n = 20_000
    many = pd.concat([table] * (n // len(table) + 1), ignore_index=True).head(n)
    many["meter"] = [f"m{i}" for i in range(n)]
    (cells,) = plot.load_factor(many).data
    assert cells.type == "heatmap"
    assert np.asarray(cells.customdata).sum() == n, "each meter is in one cell"
    assert np.nanmax(cells.z) == pytest.approx(np.log10(np.asarray(cells.customdata).max()), rel=1e-6)
    assert cells.x[0] == many["annual"].min()
    assert cells.y[-1] == many["load_factor"].max()
    (curve,) = plot.ranking(many).data
    assert len(curve.x) == len(curve.customdata) == 4000
    assert (curve.x[0], curve.x[-1]) == (1, n)
    assert curve.y[-1] == many["total"].min()
    assert (np.diff(curve.y) <= 0).all()
    assert curve.customdata[0] == many["meter"][many["total"].idxmax()]


@pytest.mark.parametrize("name", ["ranking", "annual_energy", "load_factor", "small_multiples", "fleet_completeness"])
def test_charts_of_a_frame_state_period_and_zone(three, name):
    text = getattr(plot, name)(three).layout.title.subtitle.text.replace("<br>", " ")
    assert text.startswith("July 1, 2024, America/Chicago")


def test_charts_of_a_table_have_no_period(table):
    assert plot.annual_energy(table).layout.title.subtitle.text.startswith("delivered; median ")


def test_demand_has_no_energy_and_hides_none(make_series):
    energy = frame.concat([make_series([float(i)] * 24, meter=f"M{i}") for i in (1, 2)])
    demand = make_series([5.0] * 24, unit="kW", series="2", meter="M1")
    both = frame.concat([energy, demand])
    table = both.gk.fleet_table()
    assert table[table["unit"] == "kW"][["total", "annual"]].isna().all(axis=None)
    assert list(plot.ranking(both).data[0].x) == [48, 24]
    assert sum(plot.annual_energy(both).data[0].y) == 2
    assert len(plot.load_factor(both).data[0].x) == 2
    with pytest.raises(SchemaError, match=r"in kW, which have no totals\. .*ranking\('peak'\)"):
        plot.annual_energy(demand)
    assert list(plot.ranking(demand, "peak").data[0].x) == [5]


def test_one_meter_is_not_compared_with_itself(make_series):
    one = make_series([1.0] * 24)
    for figure in (plot.ranking(one), plot.annual_energy(one), plot.load_factor(one)):
        assert "one meter only; df.gk.plot.monthly()" in figure.layout.title.subtitle.text.replace("<br>", " ")
        assert not figure.layout.shapes
    assert plot.monthly(one).data


def test_completeness_of_many_series_is_sent_to_the_chart_of_a_fleet(make_series):
    day = make_series([1.0] * 2)
    df = frame.tidy(pd.concat([day.assign(meter=f"M{i}") for i in range(201)], ignore_index=True))
    with pytest.raises(SchemaError, match=r"at most 200\. .*or draw df\.gk\.plot\.fleet_completeness\(\)"):
        plot.completeness(df)
    assert plot.fleet_completeness(df).data


def test_small_multiples_of_a_net_flow_stay_in_their_panes(make_series):
    df = make_series([-3.0, 1.0] * 24, flow="net")
    line, _, base = plot.small_multiples(df).data
    y = np.array(line.y, dtype=float)
    assert (np.nanmin(y), np.nanmax(y), base.y[0]) == (0, pytest.approx(0.6), pytest.approx(0.45))
    text = plot.small_multiples(df).layout.title.subtitle.text.replace("<br>", " ")
    assert "from its lowest, with a line at zero, to its own highest value" in text


def test_meters_that_are_close_together_lie_between_two_ticks(make_series):
    df = frame.concat([make_series([v] * 24, meter=f"M{v}") for v in (0.95, 0.96, 0.97)])
    axis = plot.load_factor(df).layout.xaxis
    shown = [t for t, at in zip(axis.ticktext, axis.tickvals, strict=True)
             if axis.range[0] <= np.log10(at) <= axis.range[1]]  # fmt: skip
    assert shown == ["5,000", "10,000"]


def test_energy_of_one_meter_below_zero_has_a_bar_of_its_size(make_series):
    bars = plot.annual_energy(make_series([-1.0] * 24, flow="net")).data[0]
    assert sum(bars.y) == 1
    assert bars.width[0] > 100


def test_names_of_rows_do_not_push_the_title_out(three):
    beside = [plot.ranking(three), plot.completeness(three), plot.fleet_completeness(three)]
    assert {f.layout.title.xref for f in beside} == {"container"}
    assert plot.annual_energy(three).layout.title.xref == "paper"
