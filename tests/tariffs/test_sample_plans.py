"""The sample plans: every kind, proven by their labels, and one golden bill of each worked out by hand."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from greenkit import frame, samples
from greenkit.tariffs import load_plan, price, price_bills
from greenkit.tariffs._label import proofs

PLANS = sorted(n for n in samples.names() if n.startswith("plan-"))
JANUARY = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [1200.0]})


@pytest.mark.parametrize("name", PLANS)
def test_sample_plan_loads_and_is_written_and_read_again(name):
    plan = load_plan(samples.path(name))
    wires = {"wires-example": samples.path("wires-example")}
    assert load_plan(plan.to_toml(), wires=wires).terms == plan.terms
    assert plan.name in repr(plan)
    assert "<Plan" not in plan._repr_html_().split("<pre class")[0]


def test_plan_with_one_price_has_no_map_of_prices():
    assert "Jan" not in repr(load_plan(samples.path("plan-flat")))
    assert "  Jan AAAAAA" in repr(load_plan(samples.path("plan-california-tou")))


def test_labels_of_samples_have_three_prices_each():
    assert {n: len(proofs(load_plan(samples.path(n)))) for n in PLANS if load_plan(samples.path(n)).label} == {
        "plan-flat": 3, "plan-usage-credit": 3, "plan-free-nights": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        # 1200 × 0.109, 4.95, 1200 × 0.0535, 4.40
        ("plan-flat", {"energy": 130.80, "fixed": 4.95, "wires": 68.60}),
        # 1200 × 0.148, less 100
        ("plan-usage-credit", {"energy": 177.60, "wires": 68.60, "credits": -100.0}),
        # 1200 × 0.112; 1200 × 0.0535 + 4.40, the price since September 2024
        ("plan-wires-by-date", {"energy": 134.40, "wires": 68.60}),
        # 31/30 × 1000 at 0.118, the rest at 0.141: 121.93 + 23.50; 1248 × 0.0172 = 21.47, 34.5 × 31/30 = 35.65
        ("plan-ontario-tiered", {"energy": 145.43, "wires": 57.12, "taxes": 26.33, "rebates": -40.51}),
    ],
)  # fmt: skip
def test_golden_bill_of_january(name, amounts):
    bill = price_bills(load_plan(samples.path(name)), JANUARY)
    found = bill.frame.groupby("kind", observed=True)["amount"].sum().round(2).to_dict()
    assert found == amounts
    assert float(bill.total) == pytest.approx(sum(amounts.values()))


def test_golden_bill_of_free_nights_over_the_spring_day():
    # 31 days of March 2025 in Chicago have 743 hours; 9 hours of each night are free, one of them is skipped on the 9th
    start = pd.date_range("2025-03-01", "2025-04-01", freq="h", tz="America/Chicago", inclusive="left")
    df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": start,
                                  "end": start + pd.Timedelta("1h"), "value": np.ones(len(start)), "unit": "kWh",
                                  "zone": "America/Chicago", "quality": "actual"}))  # fmt: skip
    lines = price(df, load_plan(samples.path("plan-free-nights"))).frame
    energy = lines[lines["kind"] == "energy"].set_index("period")["quantity"].to_dict()
    assert energy == {"night": 31 * 9 - 1, "rest": 31 * 15}
    assert lines["amount"].sum() == pytest.approx(round(465 * 0.178, 2) + 9.95 + round(743 * 0.0535, 2) + 4.40)


def test_golden_bill_of_general_service_with_a_ratchet():
    rows = pd.DataFrame(
        {"start": ["2025-08-01", "2025-09-01", "2025-10-01"], "end": ["2025-09-01", "2025-10-01", "2025-11-01"],
         "kWh": [40_000.0, 30_000.0, 20_000.0], "kW": [100.0, 90.0, 50.0]}
    )  # fmt: skip
    text = samples.path("plan-commercial-demand").read_text()
    plan = load_plan(text[: text.rindex("[[demand]]")])
    bill = price_bills(plan, rows)
    demand = bill.frame[bill.frame["kind"] == "demand"]
    # October bills 80% of August's 100 kW, and its tiers are 200 and 400 hours of those 80 kW
    assert demand["quantity"].tolist() == [100.0, 90.0, 80.0]
    assert demand["line"].tolist() == ["Demand", "Demand", "Demand (ratchet)"]
    october = bill.frame[(bill.frame["bill"].str.startswith("2025-10")) & (bill.frame["kind"] == "energy")]
    assert october["quantity"].tolist() == [16_000.0, 4_000.0]
    assert "tariff.ratchet.unknown-history" in bill.findings.names


GUIDES = Path(__file__).parents[2] / "docs" / "how-to"
HEAD = 'name = "x"\nzone = "America/Chicago"\n'


@pytest.mark.parametrize("page", ["tariff-plans", "texas-plans", "california-plans", "ontario-and-commercial-plans"])
def test_plans_of_the_guides_load(page):
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    found = [("" if "zone" in b else HEAD) + b for b in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    # a row of a table has one key, and may need energy to be a plan
    for row in re.findall(r"^\| [^|]+ \| `([^`|]+ = [^`|]+)` \|$", text, re.MULTILINE):
        found.append(HEAD + row + ("" if row.startswith("energy") else "\nenergy = 0.1"))
    assert found
    for one in found:
        assert load_plan(one + "\n").terms
