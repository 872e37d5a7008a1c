"""The options for tables, which every command that reads files has, and what the commands do without intervals."""

import argparse
import inspect
import json
import shlex

import pytest

import greenkit
from greenkit import cli, samples
from greenkit.cli import _answers
from greenkit.cli._command import Exit

# the samples have findings, which the commands print
pytestmark = [
    pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning"),
    pytest.mark.usefixtures("commands_print_findings"),
]
READERS = ("bill", "compare-plans", "convert", "info", "quality", "reconcile", "report", "totals")
OWN = "Site;When;Use\nA;01.11.2025 00:00;1,5\nA;01.11.2025 01:00;2,5\nA;01.11.2025 02:00;1,0\n"
LAYOUT = """schema = 1
[table]
time = { columns = ["When"] }
meter = { column = "Site" }
values = { Use = { flow = "delivered" } }
"""
ANSWERS = (
    "--unit",
    "kWh",
    "--tz",
    "Europe/Berlin",
    "--label",
    "start",
    "--date-order",
    "day first",
    "--clock",
    "local",
)


def run(command, capsys):
    code = cli.main([str(word) for word in command])
    return code, *capsys.readouterr()


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.csv").write_text(OWN)
    (tmp_path / "mine.toml").write_text(LAYOUT)
    return tmp_path / "own.csv", tmp_path / "mine.toml"


def options(command):
    subparsers = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return subparsers.choices[command]._option_string_actions


def test_wrong_argument_is_not_hidden_below_a_list_of_options(capsys):
    with pytest.raises(SystemExit):
        cli.main(["bill", "x.csv"])
    assert capsys.readouterr().err == (
        "usage: greenkit bill FILE [FILE ...] --plan PLAN [options]\n"
        "greenkit bill: error: the following arguments are required: --plan\n"
    )


def test_answers_are_the_arguments_of_load_table():
    own = set(inspect.signature(greenkit.load_table).parameters)
    own -= {"source", "layout", "tz", "errors", "progress", "limits"}
    assert {answer.name for answer in _answers.ANSWERS} == own


@pytest.mark.parametrize("command", READERS)
def test_command_that_reads_files_has_the_options_for_tables(command):
    wanted = {"--tz", "--epoch", "--layout", *("--" + a.name.replace("_", "-") for a in _answers.ANSWERS)}
    assert not wanted - set(options(command))


def test_own_table_is_read_with_its_layout_and_answers(own, capsys):
    table, layout = own
    code, out, _ = run(["totals", table, "--layout", layout, *ANSWERS, "--json"], capsys)
    assert code == Exit.DONE
    assert [row["value"] for row in json.loads(out)["totals"]] == [5.0]
    assert json.loads(out)["totals"][0]["meter"] == "A"


def test_errors_of_a_table_name_options_until_it_is_read(own, capsys):
    """The way of a newcomer: each error names what is missing."""
    table, layout = own
    code, _, err = run(["info", table], capsys)
    assert code == Exit.FAILED
    assert "Describe the table with --layout; `greenkit info --explain FILE` prints a mapping" in err
    code, _, err = run(["info", table, "--layout", layout], capsys)
    assert code == Exit.FAILED
    assert "\n  --label: " in err
    assert "\n  --date-order: Which part of the dates is first?" in err
    assert 'Answers: "month first", "day first".\n' in err
    step = err.rpartition("Next step: ")[2]
    assert step.startswith("Pass --tz ZONE, the IANA time zone of the site, and the other answers, such as --")
    assert "=" not in step
    code, out, _ = run(["info", table, "--layout", layout, *ANSWERS], capsys)
    assert code == Exit.DONE
    assert "2025-11-01 00:00:00+01:00" in out


def test_answer_for_another_kind_of_file_raises(capsys):
    code, _, err = run(["info", samples.path("espi"), "--unit", "kWh"], capsys)
    assert code == Exit.FAILED
    assert err.endswith("--unit applies only to tables, and the source contains none.\nNext step: Leave --unit out.\n")


@pytest.mark.parametrize("name", ["espi-bills-only", "smt-monthly", "smt-daily"])
@pytest.mark.parametrize("command", ["convert", "report", "quality", "totals", "bill", "compare-plans", "reconcile"])
def test_commands_without_intervals_fail_and_write_nothing(command, name, tmp_path, capsys):
    output = {"convert": ["-o", tmp_path / "x.csv"], "report": ["-o", tmp_path / "x.html"]}.get(command, [])
    plan = samples.path("plan-flat")
    plans = {"bill": ["--plan", plan], "compare-plans": [plan]}.get(command, [])
    code, out, err = run([command, samples.path(name), *plans, *output], capsys)
    assert (code, out) == (Exit.FAILED, "")
    assert "and no intervals.\nNext step: To see what it has, run greenkit info FILE.\n" in err
    assert not [*tmp_path.iterdir()]


def test_info_shows_bills_and_registers(capsys):
    code, out, _ = run(["info", samples.path("smt-daily")], capsys)
    assert code == Exit.DONE
    assert "122 register readings, which must never be added to usage; the first 5:" in out
    assert "open_smt" not in out
    code, out, _ = run(["info", samples.path("smt-monthly"), "--json"], capsys)
    assert len(json.loads(out)["bills"]) == 26


def test_info_states_units_and_names_the_command_for_gaps(capsys):
    _, out, _ = run(["info", samples.path("espi")], capsys)
    assert out.split("\n")[0].split() == [
        "meter", "series", "flow", "unit", "start", "end", "(exclusive)", "minutes", "rows", "complete", "%", "total",
    ]  # fmt: skip
    assert "  15  1336      99.11 247.888" in out
    assert "No problems while reading.\nFor gaps, estimates, and implausible values, run greenkit quality " in out


def test_info_of_an_empty_folder_fails(tmp_path, capsys):
    code, _, err = run(["info", tmp_path], capsys)
    assert code == Exit.FAILED
    assert err.startswith(f"Error: The folder {tmp_path} has no files.\nNext step: greenkit reads .xml, .csv,")


def test_files_written_by_convert_are_read_back(tmp_path, capsys):
    for name in ("x.csv", "x.parquet"):
        run(["convert", samples.path("smt-interval"), "-o", tmp_path / name], capsys)
        code, out, _ = run(["totals", tmp_path / name, "--json"], capsys)
        assert code == Exit.DONE
        assert round(sum(row["value"] for row in json.loads(out)["totals"]), 3) == 845.316


def test_plan_in_place_of_readings_is_named(capsys):
    code, _, err = run(["totals", samples.path("plan-flat")], capsys)
    assert code == Exit.FAILED
    assert "plan-flat.toml is a TOML file, which has no readings.\nNext step: Pass the file with the readings" in err


# -- quality


def test_quality_of_a_serious_finding_exits_with_its_code_and_does_not_contradict_itself(capsys):
    code, out, _ = run(["quality", samples.path("espi-local-as-utc")], capsys)
    assert code == Exit.SERIOUS
    assert out.index("serious: espi.time.local-as-utc") < out.index("\nQuality\n")
    assert "\nNo findings" not in out


def test_quality_counts_in_a_window_and_against_a_roster(tmp_path, capsys):
    path = samples.path("espi")
    _, out, _ = run(["quality", path], capsys)
    assert "pass --start and --end, or --expected" in out
    _, out, _ = run(["quality", path, "--start", "2024-10-01", "--end", "2024-12-01", "--json"], capsys)
    assert json.loads(out)["series"][0]["expected"] == 61 * 96 + 4
    roster = tmp_path / "roster.csv"
    roster.write_text("meter,from,to\nhousehold-0001,2024-10-28,\nhousehold-0002,2024-10-28,\n")
    _, out, _ = run(["quality", path, "--expected", roster], capsys)
    assert "household-0002" in out
    code, _, err = run(["quality", path, "--start", "soon"], capsys)
    assert code == Exit.FAILED
    assert "start is 'soon', but it must be a date or time.\nNext step: Pass --start 2024-07-01" in err
    roster.write_text("name\nx\n")
    code, _, err = run(["quality", path, "--expected", roster], capsys)
    assert code == Exit.FAILED
    assert "has no column meter.\nNext step: Pass a CSV file with the columns meter, from, and to." in err


# -- bills


def test_reconcile_compares_the_bills_of_the_feed(capsys):
    code, out, _ = run(["reconcile", samples.path("espi")], capsys)
    assert code == Exit.DONE
    assert "gaps (1): the missing intervals can explain the difference" in out


def test_reconcile_reads_bills_of_a_file_of_their_own(tmp_path, capsys):
    df = greenkit.load(samples.path("smt-interval"))
    one = df[(df["meter"] == "1008901000000000000043")]["value"].sum()
    bills = tmp_path / "bills.csv"
    bills.write_text(f"meter,start,end,value,unit\n1008901000000000000043,2024-11-02,2024-11-07,{one:.3f},kWh\n")
    code, out, _ = run(["reconcile", samples.path("smt-interval"), "--bills", bills], capsys)
    assert code == Exit.DONE
    assert "match (1): equal to a thousandth of the unit" in out
    bills.write_text("meter,start,end,value\n1008901000000000000043,soon,2024-11-07,1\n")
    code, _, err = run(["reconcile", samples.path("smt-interval"), "--bills", bills], capsys)
    assert code == Exit.FAILED
    assert "A bill has a date or an amount that cannot be read" in err


def test_reconcile_reads_bills_that_need_no_time_zone_and_refuses_other_files(tmp_path, capsys):
    code, out, _ = run(
        ["reconcile", samples.path("smt-interval"), "--bills", samples.path("smt-monthly"), "--json"], capsys
    )
    assert code == Exit.DONE
    assert len(json.loads(out)["bills"]) == 26
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    code, _, err = run(["reconcile", samples.path("espi"), "--bills", other], capsys)
    assert code == Exit.FAILED
    assert "or a CSV file with the columns start, end, and value." in err


def test_totals_by_bill_use_the_bills_of_the_feed(capsys):
    code, out, _ = run(["totals", samples.path("espi-gas"), "--period", "bill", "--json"], capsys)
    assert code == Exit.DONE
    assert [round(row["value"], 3) for row in json.loads(out)["totals"]][:2] == [29.912, 38.244]
    code, _, err = run(["totals", samples.path("smt-interval"), "--period", "bill"], capsys)
    assert code == Exit.FAILED
    assert "Next step: Pass --bills with a file that has them." in err


def test_explain_of_what_is_no_table_fails(tmp_path, capsys):
    code, _, err = run(["info", "--explain", samples.path("espi")], capsys)
    assert code == Exit.FAILED
    assert "needs no mapping, because it is not a table" in err
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.4\n")
    code, _, err = run(["info", "--explain", tmp_path / "bill.pdf"], capsys)
    assert code == Exit.FAILED
    assert "This is a PDF" in err
    (tmp_path / "notes.txt").write_text("hello\n")
    assert run(["info", "--explain", tmp_path / "notes.txt"], capsys)[0] == Exit.FAILED
    assert run(["info", "--explain", tmp_path], capsys)[0] == Exit.FAILED


def test_reconcile_without_bills_says_how_to_pass_them(capsys):
    code, _, err = run(["reconcile", samples.path("smt-interval")], capsys)
    assert code == Exit.FAILED
    assert "Next step: Pass --bills with a file that has them." in err


def test_report_has_the_bills_of_the_feed(tmp_path, capsys):
    run(["report", samples.path("espi"), "-o", tmp_path / "r.html"], capsys)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h2>Bills</h2>" in page
    assert "652.9" in page


# -- words


def test_password_without_a_terminal_names_the_option(tmp_path, capsys, monkeypatch):
    def no_terminal(label):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    for words, option in (
        (["convert-certificate", tmp_path / "client.p12"], "--file-password-env"),
        (["make-key", "ssh", "--into", tmp_path], "--password-env"),
    ):
        (tmp_path / "client.p12").write_bytes(b"0")
        code, _, err = run(words, capsys)
        assert code == Exit.FAILED
        assert f"Next step: Pass {option} NAME, an environment variable with the password." in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["qualty", "x.csv"], "There is no command 'qualty'. Did you mean quality?"),
        (["frobnicate"], "There is no command 'frobnicate'. greenkit --help lists the commands."),
        (["info", "x.csv", "--layot", "y"], "unrecognized arguments: --layot y. Did you mean --layout?"),
    ],
)
def test_misspelled_words_are_answered_with_the_nearest(words, said, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == Exit.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.commands())
def test_help_shows_an_example_that_the_command_accepts(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    examples = [line.strip() for line in out.splitlines() if line.startswith("  greenkit ")]
    assert examples
    for example in examples:
        assert cli.parser().parse_args(shlex.split(example)[1:]).command == command
