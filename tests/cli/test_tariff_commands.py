"""The commands that price: greenkit bill and greenkit compare-plans."""

import pytest

from greenkit import samples
from greenkit.cli import main


def path(name):
    return str(samples.path(name))


def test_bill_prints_lines_and_totals(capsys):
    assert main(["bill", path("smt-interval"), "--plan", path("plan-flat")]) == 0
    out = capsys.readouterr().out
    assert "Base charge" in out
    assert "<Bill: Flat 12, 2 bills, $146.72>" in out


def test_bill_explains_one_bill(capsys):
    arguments = ["bill", path("smt-interval"), "--plan", path("plan-free-nights"), "--explain"]
    assert main([*arguments, "2024-11"]) == 0
    assert "Rule: a window past midnight belongs to the day" in capsys.readouterr().out
    assert main([*arguments, "2020-01"]) == 1
    assert "There is no bill '2020-01'. The bills are: 2024-11." in capsys.readouterr().err


def test_compare_plans_prints_the_ranking_and_its_reasons(capsys, tmp_path):
    offers = tmp_path / "offers.csv"
    offers.write_text("name,energy,base,wires_month,wires_energy,credit,credit_from\nCheap,0.05,0,4.4,0.0535,,\n"
                      "Dear,0.25,5,4.4,0.0535,50,1000\n")  # fmt: skip
    assert main(["compare-plans", path("smt-interval"), path("plan-flat"), str(offers)]) == 0
    out = capsys.readouterr().out
    assert "Cheap is cheapest" in out
    assert "Why Cheap rather than Flat 12: energy" in out


@pytest.mark.parametrize("command", ["bill", "compare-plans"])
def test_wrong_plan_prints_its_error_and_next_step(capsys, tmp_path, command):
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "P"\nzone = "America/Chicago"\nenergy = 15.1\n')
    plan = ["--plan", str(bad)] if command == "bill" else [str(bad)]
    assert main([command, path("smt-interval"), *plan]) == 1
    err = capsys.readouterr().err
    assert "bad.toml, line 3: energy is 15.1 USD/kWh" in err
    assert "Next step: Write the price in USD: 0.151." in err


def test_bill_refuses_interval_data_in_place_of_a_plan(capsys):
    assert main(["bill", path("smt-interval"), "--plan", path("smt-interval")]) != 0
    assert "is not a plan: it has no fields of the U.S. Utility Rate Database" in capsys.readouterr().err


def test_compare_plans_says_that_the_usage_comes_first(capsys):
    assert main(["compare-plans", path("plan-flat"), path("smt-interval")]) != 0
    error = capsys.readouterr().err
    assert "is a plan, but the first file must contain the usage" in error
    assert "greenkit compare-plans FILE PLAN" in error
