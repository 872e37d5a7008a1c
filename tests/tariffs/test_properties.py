"""What holds for every plan: sums, splits, ties, and that the fast ranking equals the engine."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenkit import frame
from greenkit.findings import Findings
from greenkit.tariffs import _ranking, compare_plans, load_plan, price, price_bills, rank_bills
from greenkit.tariffs._bill import Pricing
from greenkit.tariffs._series import SeriesBook
from greenkit.tariffs._usage import meters

ZONE = "America/Chicago"
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hourly(start, end, value=None, seed=1, **keys):
    index = pd.date_range(start, end, freq="h", tz=ZONE, inclusive="left")
    values = np.random.default_rng(seed).gamma(2.0, 0.7, len(index)) if value is None else np.full(len(index), value)
    return frame.tidy(
        pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": index,
                      "end": index + pd.Timedelta("1h"), "value": values, "unit": "kWh", "zone": ZONE,
                      "quality": "actual", **keys})
    )  # fmt: skip


cents = st.integers(1, 60).map(lambda c: c / 100)
tiers = st.lists(cents, min_size=3, max_size=3).map(
    lambda p: {"tiers": [{"to": 300, "price": p[0]}, {"to": 700, "price": p[1]}, {"price": p[2]}]}
)


@st.composite
def plans(draw):
    """Draw a plan without anything that needs rows."""
    made = {"name": "P", "zone": ZONE}
    kind = draw(st.sampled_from(["flat", "tiers", "periods", "seasons", "tiered periods"]))
    windows = {"hours": draw(st.sampled_from(["16-21", "22-06", "07-11, 17-19:30"])),
               "days": draw(st.sampled_from(["weekdays", "sat-sun", "every day"]))}  # fmt: skip

    def periods(tiered):
        a, b = (draw(tiers) if tiered else {"price": draw(cents)} for _ in range(2))
        return {"peak": {**a, **windows}, "rest": b}

    if kind == "flat":
        made["energy"] = draw(cents)
    elif kind == "tiers":
        made["energy"] = {**draw(tiers), **draw(st.sampled_from([{}, {"tier_month": 30}, {"per": "day"}]))}
    elif kind == "seasons":
        made["seasons"] = {"summer": draw(st.sampled_from(["06-01/09-30", "05-10/10-20"])), "winter": "rest"}
        made["energy"] = {"summer": periods(False), "winter": draw(tiers)}
    else:
        made["energy"] = periods(kind == "tiered periods")
        if kind == "tiered periods":
            made["energy"]["pool"] = draw(st.sampled_from(["all", "period"]))
    made["fixed"] = [{"amount": draw(st.integers(0, 30)), "per": draw(st.sampled_from(["month", "day", "year"]))}]
    if draw(st.booleans()):
        made["holidays"] = "NERC"
    if draw(st.booleans()):
        made["credits"] = [{"amount": draw(st.integers(1, 90)), "from": 900}, {"rate": 0.05, "on": ["energy"]}]
    if draw(st.booleans()):
        made["fees"] = [{"amount": 9, "below": 800, "months": "nov-mar"}, {"amount": 0.01, "per": "kWh"}]
    if draw(st.booleans()):
        made["wires"] = {
            "month": 4.23,
            "energy": 0.055,
            "prorate": draw(st.sampled_from(["none", "days/30", "days/month"])),
        }
        made["loss_factor"] = 1.04
    if draw(st.booleans()):
        made["taxes"] = [{"rate": 0.08, "on": ["energy", "fixed"]}, {"per_kwh": 0.001}]
    if draw(st.booleans()):
        made["minimum"] = {"amount": draw(st.integers(1, 200)), "prorate": "days/30"}
    if draw(st.booleans()):
        made["rebates"] = [{"rate": 0.2}]
    return made


@QUICK
@given(plans())
def test_fast_ranking_equals_the_engine(tables):
    df = hourly("2025-02-10", "2025-12-05")
    plan = load_plan(tables)
    assert _ranking._shape(plan) is not None
    meter = next(meters(df, "kWh"))
    pricing = Pricing(plan, "month", SeriesBook(), rounded=False)
    _, infos = pricing.meter(meter, Findings(), quiet=True)
    _, cost = _ranking.costs([pricing] * 4, meter)
    assert cost[:, 0] == pytest.approx([float(i.total) for i in infos], abs=2e-5)
    assert (cost[:, 0] == cost[:, 1]).all()


@QUICK
@given(plans())
def test_lines_add_up_and_floats_equal_the_decimals(tables):
    bill = price(hourly("2025-05-01", "2025-07-01"), load_plan(tables))
    lines = bill.frame
    assert [round(a, 2) for a in lines["amount"]] == [float(x.amount) for x in bill.lines]
    assert round(lines["amount"].sum(), 2) == float(bill.total) == round(bill.totals["computed_total"].sum(), 2)
    assert lines["tier"].dtype == "int64"


@QUICK
@given(plans(), st.integers(0, 5))
def test_usage_may_change_places_within_a_day_and_period(tables, seed):
    one = hourly("2025-06-01", "2025-07-01", seed=seed)
    # swap 02:00 and 03:00 of every day, which are in one period of every plan that is drawn
    value = one["value"].to_numpy().copy().reshape(-1, 24)
    value[:, [2, 3]] = value[:, [3, 2]]
    other = one.assign(value=value.reshape(-1))
    plan = load_plan(tables)
    assert price(one, plan).total == price(other, plan).total


@QUICK
@given(tiers, st.lists(st.integers(0, 3000), min_size=2, max_size=6, unique=True))
def test_bill_rises_with_usage_without_bands(energy, usage):
    start = pd.date_range("2025-01-01", periods=len(usage), freq="30D")
    rows = pd.DataFrame({"start": start, "end": start + pd.Timedelta("30D"), "kWh": np.sort(usage).astype(float)})
    totals = price_bills(load_plan({"zone": ZONE, "energy": energy, "fixed": 5}), rows).totals["computed_total"]
    assert totals.is_monotonic_increasing


@QUICK
@given(cents, st.integers(0, 4000))
def test_flat_plan_is_fixed_plus_energy(rate, kwh):
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [float(kwh)]})
    total = price_bills(load_plan({"zone": ZONE, "energy": rate, "fixed": 7.5}), rows).total
    assert float(total) == pytest.approx(round(rate * kwh, 2) + 7.5)


def test_time_of_use_with_equal_prices_is_flat():
    df = hourly("2025-03-01", "2025-04-01")
    tou = {"zone": ZONE, "energy": {"peak": {"price": 0.2, "hours": "16-21"}, "rest": 0.2}, "rounding": "none"}
    flat = {"zone": ZONE, "energy": 0.2, "rounding": "none"}
    assert float(price(df, load_plan(tou)).total) == pytest.approx(float(price(df, load_plan(flat)).total), abs=1e-6)


def test_splitting_a_bill_leaves_energy_lines_alike():
    df = hourly("2025-06-01", "2025-07-01")
    plan = load_plan(
        {"zone": ZONE, "energy": {"peak": {"price": 0.3, "hours": "16-21"}, "rest": 0.1}, "rounding": "none"}
    )
    whole = price(df, plan, periods=["2025-06-01", "2025-07-01"]).frame.groupby("period", observed=True)["amount"].sum()
    parts = price(df, plan, periods=["2025-06-01", "2025-06-11", "2025-07-01"]).frame
    split = parts.groupby("period", observed=True)["amount"].sum()
    assert split.to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-5)


def test_equal_plans_tie():
    df = hourly("2025-01-01", "2026-01-01")
    plan = {"zone": ZONE, "energy": 0.1}
    ranking = compare_plans(
        df, [{**plan, "name": "A"}, {**plan, "name": "B"}, {**plan, "name": "C", "energy": 0.2}]
    ).ranking
    assert ranking["rank"].tolist() == [1, 1, 3]
    assert ranking["bills_won"].tolist() == [12, 12, 0]


def test_fleet_has_a_best_plan_for_each_meter_and_one_for_all():
    low, high = hourly("2025-01-01", "2025-03-01", 0.5), hourly("2025-01-01", "2025-03-01", 2.0)
    df = frame.concat([low, high.assign(meter=pd.Categorical(["2"] * len(high)))])
    base = {"name": "Base charge", "zone": ZONE, "energy": 0.05, "fixed": 60}
    flat = {"name": "Flat", "zone": ZONE, "energy": 0.12}
    result = compare_plans(df, [base, flat])
    assert result.by_meter["best"].tolist() == ["Flat", "Base charge"]
    assert result.best == "Base charge"
    assert result.by_meter["loss"].round(2).tolist()[1] == 0
    assert result.by_meter["loss"][0] == pytest.approx(120 - 0.07 * 0.5 * 1416)
    assert result.bill("Flat").totals["meter"].tolist() == ["1", "1", "2", "2"]


def test_rank_without_intervals_needs_a_mix_for_time_of_use():
    rows = pd.DataFrame({"start": pd.date_range("2025-01-01", periods=12, freq="MS")})
    rows = rows.assign(end=rows["start"] + pd.offsets.MonthBegin(1), kWh=np.linspace(600, 1400, 12))
    flat = {"name": "Flat", "zone": ZONE, "energy": 0.12}
    tou = {"name": "Nights", "zone": ZONE, "energy": {"night": {"price": 0, "hours": "21-06"}, "rest": 0.17}}
    from greenkit.tariffs import PlanError

    with pytest.raises(PlanError, match="do not show when energy was used"):
        rank_bills(rows, [flat, tou])
    result = rank_bills(rows, [flat, tou], assumed_mix={"night": 0.35, "rest": 0.65})
    assert result.best == "Nights"
    assert result.ranking["computed_cost"].tolist() == [1326.0, 1440.0]
