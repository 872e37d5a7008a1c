"""Charts of bills and plans."""

import numpy as np
import pytest

from greenkit import frame, plot, samples
from greenkit.errors import SchemaError
from greenkit.tariffs import compare_plans, load_plan, price


@pytest.fixture
def year(make_series):
    rng = np.random.default_rng(7)
    return make_series(rng.gamma(2.0, 0.8, 8760), "2025-01-01")


def test_bill_stacks_the_kinds_of_lines_to_the_totals(year):
    made = price(year, load_plan(samples.path("plan-usage-credit")))
    figure = plot.bill(made)
    bars = [t for t in figure.data if t.type == "bar"]
    assert {t.name for t in bars} == {"energy", "delivery", "credits"}
    stacked = np.sum([t.y for t in bars], axis=0)
    assert stacked == pytest.approx(made.totals["computed_total"].to_numpy())
    assert figure.layout.title.text == "Bills on Usage credit 12, meter M1"
    with pytest.raises(SchemaError, match="no bill of meter 'X'"):
        plot.bill(made, meter="X")


def test_plans_are_drawn_from_the_cheapest_down(year):
    plans = [load_plan(samples.path(n)) for n in ("plan-flat", "plan-usage-credit", "plan-free-nights")]
    comparison = compare_plans(year, plans)
    bar = plot.plans(comparison).data[0]
    assert bar.y[-1] == comparison.best
    assert list(bar.x) == sorted(bar.x, reverse=True)


def test_price_map_has_a_panel_for_each_kind_of_day():
    one = plot.price_map(load_plan(samples.path("plan-california-tou")))
    assert len(one.data) == 1
    assert one.data[0].z[6][16] == 0.52
    assert one.data[0].z[6][21] == 0.41
    days = {"name": "P", "zone": "America/Chicago", "energy": {"p": {"price": 0.2, "days": "weekdays"}, "rest": 0.1}}
    two = plot.price_map(load_plan(days))
    assert [t.z[0][0] for t in two.data] == [0.2, 0.1]
    with pytest.raises(SchemaError, match="no fixed prices"):
        plot.price_map(load_plan(samples.path("plan-wholesale-index")))


def test_cost_by_hour_averages_over_the_days_of_the_data(make_series):
    df = make_series(np.full(24 * 14, 2.0), "2025-01-06")
    figure = plot.cost_by_hour(
        df, {"zone": "America/Chicago", "energy": {"p": {"price": 0.5, "hours": "16-21"}, "rest": 0}}
    )
    assert np.asarray(figure.data[0].z)[2][16:21].tolist() == [1.0] * 5
    assert np.asarray(figure.data[0].z).sum() == 35


FLAT = {"name": "Flat", "zone": "America/Chicago", "energy": 0.5}


def test_cost_of_an_hour_without_data_is_blank(make_series):
    # the night of March 10, 2024, skips 02:00; the second Sunday lacks 05:00
    df = make_series(np.full(24 * 14 - 1, 2.0), "2024-03-04")
    df = frame.tidy(df[df["start"] != "2024-03-17 05:00-05:00"])
    cells = np.asarray(plot.cost_by_hour(df, FLAT).data[0].z)
    assert np.nanmin(cells) == np.nanmax(cells) == 1.0, "each hour with data costs one dollar"
    assert np.isnan(np.asarray(plot.cost_by_hour(frame.tidy(df[df["start"] < "2024-03-11"]), FLAT).data[0].z)[6][2])


def test_cost_of_the_repeated_hour_is_an_average_of_both(make_series):
    cells = np.asarray(plot.cost_by_hour(make_series(np.full(25, 2.0), "2024-11-03"), FLAT).data[0].z)
    assert cells[6].tolist() == [1.0] * 24


def test_cost_by_hour_follows_the_clock_of_each_meter(make_series):
    morning = np.where(np.arange(24) == 7, 2.0, 0.0)
    zones = {"M1": "America/Chicago", "M2": "America/New_York"}
    df = frame.concat([make_series(morning, "2024-07-01", meter=m, zone=zone) for m, zone in zones.items()])
    figure = plot.cost_by_hour(df, FLAT)
    assert np.flatnonzero(np.asarray(figure.data[0].z)[0] > 0).tolist() == [7]
    assert figure.layout.xaxis.title.text == "Local time (2 time zones)"


def test_cost_by_hour_of_no_rows_asks_for_rows(make_series):
    with pytest.raises(SchemaError, match="no rows to draw"):
        plot.cost_by_hour(make_series([1.0]).iloc[:0], FLAT)


def test_charts_of_bills_state_period_and_zone(make_series):
    df = make_series(np.full(24 * 59, 1.0), "2025-01-01")
    made = price(df, load_plan(samples.path("plan-flat")))
    assert plot.bill(made).layout.title.subtitle.text == "January 1 to February 28, 2025, America/Chicago"
    assert plot.bill_change(made).layout.title.subtitle.text == "meter M1, America/Chicago"
    compared = plot.plans(compare_plans(df, [load_plan(samples.path("plan-flat"))])).layout.title
    assert (compared.text, compared.subtitle.text) == (
        "Cost of 2 bills by plan, meter M1", "January 2025 to February 2025",
    )  # fmt: skip
    prices = plot.price_map(load_plan(samples.path("plan-california-tou")))
    assert prices.layout.xaxis.title.text == "Local time (America/Los_Angeles)"


def test_costs_on_bars_have_contrast_and_their_range_has_a_note(make_series):
    df = make_series(np.full(24 * 31, 1.0), "2025-01-01")
    df = frame.tidy(df.drop(index=range(100, 130)))
    figure = plot.plans(compare_plans(df, [load_plan(samples.path(n)) for n in ("plan-flat", "plan-free-nights")]))
    bar = figure.data[0]
    assert (bar.insidetextfont.color, bar.insidetextanchor) == ("#000000", "start")
    assert bar.error_x.visible
    assert figure.layout.title.xref == "container", "names of plans would push the notes out of a narrow page"
    assert "line: range of what the missing usage could cost" in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_bills_that_are_left_out_are_stated(make_series):
    made = price(make_series(np.full(40, 30.0), "2022-01-01", every="730h"), load_plan({**FLAT, "energy": 0.1}))
    count = len(made.totals)
    figure = plot.bill(made)
    assert count > 36
    assert len(figure.data[-1].x) == 36
    assert f"the last 36 of {count} bills" in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_bill_change_steps_add_up(year):
    made = price(year, load_plan(samples.path("plan-usage-credit")))
    steps, before, after = made.changes("2025-02", "2025-07")
    assert sum(v for _, v in steps) == pytest.approx(after[1] - before[1], abs=0.011)
    water = plot.bill_change(made, "2025-02", "2025-07").data[0]
    assert water.type == "waterfall"
    assert list(water.x)[:2] == ["February 2025", "energy used"]


def test_one_bill_and_no_bill_raise_schema_error(make_series):
    month = make_series(np.full(24 * 31, 1.0), "2025-01-01")
    plan = load_plan(samples.path("plan-flat"))
    made = price(month, plan)
    with pytest.raises(SchemaError, match="A change needs two bills"):
        plot.bill_change(made)
    two = frame.concat([month, make_series(np.full(24 * 31, 1.0), "2025-01-01", meter="M2")])
    with pytest.raises(SchemaError, match="A change needs two bills"):
        plot.bill_change(price(two, plan))
    with pytest.raises(SchemaError, match="A change needs two bills"):
        plot.bill_change(price(month.iloc[:0], plan))
    assert plot.bill(made).layout.xaxis.ticktext == ("Jan<br>2025",)
    assert plot.plans(compare_plans(month, [plan])).layout.title.text == "Cost of 1 bill by plan, meter M1"
    with pytest.raises(SchemaError, match="no bill to draw"):
        plot.plans(compare_plans(month.iloc[:0], [plan]))
