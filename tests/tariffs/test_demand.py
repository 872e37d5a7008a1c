"""Demand and ratchet lines, and how a bill explains them, worked out by hand."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from greenkit import frame
from greenkit.tariffs import PlanError, load_plan, price, price_bills

ZONE = "America/Chicago"


def plan(**keys):
    return load_plan({"name": "Plan", "zone": ZONE, **keys})


@pytest.fixture
def peaks(make_flow):
    """Hourly months of 1 kW, with one higher hour at noon of each first day."""

    def make(kws, start="2025-07-01", base=1.0):
        months = pd.date_range(start, periods=len(kws) + 1, freq="MS", tz=ZONE)
        values = np.full(int((months[-1] - months[0]) / pd.Timedelta("1h")), base)
        for month, kw in zip(months, kws, strict=False):
            values[int((month - months[0]) / pd.Timedelta("1h")) + 12] = kw
        return make_flow(values, start, zone=ZONE)

    return make


def reasons(bill, number):
    """The sentences of an explanation that are neither lines, rules, nor notes."""
    tail = bill.explain(number).split("\n\n")[-1].splitlines()
    return [t for t in tail if not t.startswith(("Rule", "Data", "Note"))]


def test_explanation_states_the_time_of_the_peak_and_the_ratchet(peaks):
    one = plan(
        demand=[
            {"name": "Facility", "price": 10, "window": 60, "minimum": 20,
             "ratchet": {"share": 0.8, "months": 11, "of": "jun-sep"}},
            {"name": "Peak", "price": 5, "window": 60, "hours": "16-21"},
        ]
    )  # fmt: skip
    bill = price(peaks([100, 50, 10, 10]), one)
    assert reasons(bill, "2025-07")[0] == (
        "Facility: the highest demand was 100 kW, in the 60 minutes from 2025-07-01 12:00."
    )
    assert reasons(bill, "2025-10") == [
        "Facility (ratchet): the highest demand was 10 kW, in the 60 minutes from 2025-10-01 12:00; "
        "the ratchet bills 80% of the 100 kW of 2025-07.",
        "Peak: the highest demand was 1 kW, in the 60 minutes from 2025-10-01 16:00.",
    ]
    assert "Facility (ratchet)  80 kW × 10  $800.00" in bill.explain("2025-10")
    assert "in 2025-07; if the highest demand of the data occurred before, it costs $1,000.00" in bill.explain()
    low = price(peaks([10]), one)
    assert reasons(low, 0)[0].endswith("12:00; the plan bills its minimum.")


def test_explanation_names_the_history_of_the_plan_and_the_contract(peaks):
    history = plan(demand=[{"price": 1, "window": 60, "ratchet": {"share": 0.5, "months": 2, "history": [90, 300]}}])
    assert reasons(price(peaks([10]), history), 0)[0].endswith("bills 50% of the 300 kW of the history of the plan.")
    contract = plan(demand=[{"price": 1, "window": 60, "contract": 40}])
    assert reasons(price(peaks([10]), contract), 0)[0].endswith("the plan bills the contract demand.")


def test_explanation_of_coarse_data_names_the_length_of_the_intervals(peaks):
    assert "in the 60 minutes from" in reasons(price(peaks([10]), plan(demand=[{"price": 1, "window": 15}])), 0)[0]


def test_intervals_that_do_not_divide_the_window_give_a_lower_bound(make_flow):
    values = np.ones(144)
    values[3] = 2
    bill = price(make_flow(values, zone=ZONE, every="10min"), plan(demand=[{"price": 1, "window": 15}]))
    # three intervals of 10 minutes are two windows of 15 minutes: (2 + 1 + 1) kWh in half an hour
    assert bill.total == 8
    assert bill.findings.named("tariff.demand.coarse")[0].evidence["minutes"] == 30.0


def test_power_factor_raises_billed_demand_and_is_named(make_flow, peaks):
    both = frame.tidy(pd.concat([peaks([90.0]), make_flow(np.full(744, 1.0), "2025-07-01", zone=ZONE, unit="kvarh")]))
    bill = price(both, plan(demand=[{"price": 10, "window": 60}], power_factor={"floor": 0.9}))
    # 833 kWh and 744 kvarh: 833 ÷ √(833² + 744²) = 0.7458; 90 × 0.9 ÷ 0.7458 = 108.604 kW
    assert bill.total == Decimal("1086.04")
    assert reasons(bill, 0)[0].endswith("12:00, billed higher for the power factor 0.746.")


GROUPS = [{"to": 0.10, "price": 3}, {"to": 0.15, "price": 4}, {"to": 0.25, "price": 6}]


@pytest.mark.parametrize(("base", "rate", "kw"), [(10, 3, 100), (20, 4, 100), (40, 6, 100), (60, 8, 160)])
def test_low_load_factor_bills_actual_demand_at_the_price_of_its_group(peaks, base, rate, kw):
    """Load factor of 200 kW: 10 ÷ 200 is 5%, 20 is 10.1%, 40 is 20%; at 30% the ratchet of 80% applies."""
    items = [{"name": "Distribution", "price": 8, "window": 60, "ratchet": {"share": 0.8, "months": 11},
              "load_factor": GROUPS}]  # fmt: skip
    bill = price(peaks([200, 100, 100], base=base), plan(demand=items))
    last = bill.frame.iloc[-1]
    assert (last["price"], last["quantity"], last["amount"]) == (rate, kw, rate * kw)
    if rate < 8:
        assert last["line"] == "Distribution, low load factor"
        assert "so this demand is billed at the price of its group" in reasons(bill, -1)[0]
        assert bill.findings.named("tariff.demand.short-load-factor")[0].evidence["count"] == 3


MOMENTS = ["2024-08-20T17:00-05:00", "2025-08-20T17:00-05:00"]


@pytest.fixture(scope="module")
def two_years():
    start = pd.date_range("2024-01-01", "2026-01-01", freq="h", tz=ZONE, inclusive="left")
    value = np.full(len(start), 10.0)
    value[start.get_indexer(pd.DatetimeIndex(MOMENTS).tz_convert(ZONE))] = [70, 90]
    return frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": start,
                                    "end": start + pd.Timedelta("1h"), "value": value, "unit": "kWh", "zone": ZONE,
                                    "quality": "actual"}))  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "first", "last", "count"),
    [("year-before", ("2025-01", 70.0), ("2025-12", 70.0), 12), ("all", ("2024-01", 80.0), ("2025-12", 80.0), 24),
     ("bill", ("2024-08", 70.0), ("2025-08", 90.0), 2), (None, ("2025-01", 70.0), ("2025-12", 70.0), 12)],
)  # fmt: skip
def test_moments_price_the_bills_that_their_rule_names(two_years, rule, first, last, count):
    item = {"name": "CP", "price": 1, "moments": MOMENTS, **({"moments_of": rule} if rule else {})}
    bill = price(two_years, plan(demand=[item]))
    lines = bill.frame[["bill", "quantity"]]
    assert (tuple(lines.iloc[0]), tuple(lines.iloc[-1]), len(lines)) == (first, last, count)
    assert "given time" in reasons(bill, last[0])[0]
    # the year before 2024 is not in the data
    unknown = [f.evidence["count"] for f in bill.findings.named("tariff.demand.moment-unknown")]
    assert unknown == ([12] if rule in ("year-before", None) else [])


def test_moment_without_an_offset_is_refused(two_years):
    with pytest.raises(PlanError, match="has no time zone"):
        price(two_years, plan(demand=[{"price": 1, "moments": ["2024-08-20 17:00"]}]))


def urdb(**keys):
    return load_plan({"label": "a", "utility": "U", "name": "R", **keys}, zone=ZONE)


ROW = [[0] * 24] * 12


@pytest.mark.parametrize(
    ("keys", "unit"),
    [({"flatdemandstructure": [[{"rate": 5}]], "flatdemandunit": "kVA"}, "kVA"),
     ({"demandratestructure": [[{"rate": 5}]], "demandweekdayschedule": ROW, "demandweekendschedule": ROW,
       "demandrateunit": "kVA"}, "kVA")],
)  # fmt: skip
def test_urdb_demand_in_kva_is_billed_from_reactive_energy(make_flow, keys, unit):
    one = urdb(**keys)
    active, reactive = (make_flow(np.full(744, v), "2025-01-01", zone=ZONE, every="1h", unit=u)
                        for v, u in ((3.0, "kWh"), (4.0, "kvarh")))  # fmt: skip
    lines = price(frame.tidy(pd.concat([active, reactive])), one).frame
    assert lines[["quantity", "unit", "amount"]].values.tolist() == [[5.0, unit, 25.0]]
    with pytest.raises(PlanError, match="no reactive energy"):
        price(active, one)


def test_urdb_tiers_in_kwh_per_kva_are_hours_of_the_billed_demand():
    structure = {"energyratestructure": [[{"rate": 0.1, "max": 200, "unit": "kWh/kVA"}, {"rate": 0.05}]]}
    one = urdb(**structure, flatdemandstructure=[[{"rate": 5}]], flatdemandunit="kVA")
    tables = {**one.document, "power_factor": {"value": Decimal("0.8")}}
    rows = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [30_000.0], "kW": [80.0]})
    lines = price_bills(load_plan(tables), rows).frame
    # 80 kW ÷ 0.8 = 100 kVA, and 200 hours of it
    assert lines.query("kind == 'energy'")["quantity"].tolist() == [20_000, 10_000]
    with pytest.raises(PlanError, match="no demand of the rate is in kVA"):
        urdb(**structure)
