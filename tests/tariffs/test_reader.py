"""A reader changes the names of files in the notebook of plans, and nothing else, and gets a ranked answer."""

import ast
import json
from pathlib import Path

import pandas as pd
import pytest

import greenkit
from greenkit.tariffs import PlanError, load_plan, rank_bills

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "09_which_plan.ipynb"
# three labels with other periods, tiers, and fees than the samples have
LABELS = {
    "nights": """
name = "Half-price nights"
zone = "America/Chicago"
wires = {month = 4.23, energy = 0.056032}
energy.night = {price = 0.0602, hours = "21-06"}
energy.day = {price = 0.1203, hours = "06-21"}
efl = {shares = {day = 0.625, night = 0.375}, average_cents = {500 = 16.2, 1000 = 15.8, 2000 = 15.6}}
""",
    "tier": """
name = "Tier at 1200"
zone = "America/Chicago"
energy = {tiers = [{to = 1200, price = 0.12}, {price = 0.196}]}
fixed = 9.95
wires = {month = 4.06, energy = 0.061196}
credits = [{amount = 50, from = 800}]
efl = {average_cents = {500 = 20.9, 1000 = 14.5, 2000 = 19.4}}
""",
    "fee": """
name = "Service fee"
zone = "America/Chicago"
energy = 0.098
wires = {month = 4.23, energy = 0.055833}
fees = [{amount = 8, to = 1999}]
efl = {average_cents = {500 = 17.8, 1000 = 16.6, 2000 = 15.6}}
""",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run the cells of the notebook on a home that it does not use and on plans that it does not use."""
    folder = tmp_path_factory.mktemp("reader")
    home = greenkit.synthetic.household(77, interval=900, faults=())
    greenkit.synthetic.write_interval_csv(folder / "mine.csv", [home], "2024-01-01", "2025-01-01")
    for name, text in LABELS.items():
        (folder / f"{name}.toml").write_text(text)
    names = {"FILE": folder / "mine.csv", "PLANS": [folder / f"{n}.toml" for n in LABELS]}
    held, shown = {}, {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            body = ast.parse("".join(cell["source"])).body
            last = ast.unparse(body.pop()) if isinstance(body[-1], ast.Expr) else "None"
            exec(compile(ast.Module(body, []), "cell", "exec"), held)
            if "PLANS" in held and names:
                held.update(names)
                names = {}
            shown[last] = eval(last, held)
    return held, shown


def test_notebook_ranks_other_plans_by_changing_only_file_names(ran):
    held, shown = ran
    comparison = held["comparison"]
    assert comparison.ranking["plan"].tolist() == ["Half-price nights", "Service fee", "Tier at 1200"]
    assert comparison.ranking["bills"].tolist() == [12, 12, 12]
    text = comparison.explain()
    assert "Half-price nights is cheapest" in text
    assert "Why Half-price nights rather than Service fee: energy" in text
    assert "and the cheapest in" in text
    # the bills alone, with the shares of the year, cost the same within a percent
    by_bills = next(v for k, v in shown.items() if "rank_bills" in k)
    assert by_bills["plan"].tolist() == comparison.ranking["plan"].tolist()
    assert by_bills["computed_cost"].tolist() == pytest.approx(comparison.ranking["computed_cost"].tolist(), rel=0.01)


ROWS = pd.DataFrame({"start": ["2025-01-01"], "end": ["2025-02-01"], "kWh": [1000.0]})


def test_rank_bills_takes_a_mix_for_each_plan():
    nights = load_plan(LABELS["nights"])
    other = load_plan(
        {"name": "Peak", "zone": "America/Chicago", "energy": {"peak": {"price": 0.3, "hours": "16-21"}, "rest": 0.1}}
    )
    flat = load_plan({"name": "Flat", "zone": "America/Chicago", "energy": 0.16})
    mix = {"Half-price nights": {"night": 0.5, "day": 0.5}, "Peak": {"peak": 0.2, "rest": 0.8}}
    ranking = rank_bills(ROWS, [nights, other, flat], assumed_mix=mix).ranking.set_index("plan")["computed_cost"]
    assert ranking.to_dict() == {"Peak": 140.0, "Half-price nights": 150.51, "Flat": 160.0}
    with pytest.raises(PlanError, match="mix is for 'Peek', which is not one of the plans"):
        rank_bills(ROWS, [nights, other], assumed_mix={**mix, "Peek": mix["Peak"]})
