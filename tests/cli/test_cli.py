"""The ``greenkit`` command: its commands, help, errors, and exit codes."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import greenkit
from greenkit import cli, errors, samples
from greenkit.cli._command import EXIT_CODES, Exit, as_options, run_and_report
from greenkit.findings import catalogue

ROOT = Path(__file__).parents[2]


def test_info_prints_summary_rows_and_findings(capsys):
    assert cli.main(["info", str(samples.path("espi"))]) == 0
    out = capsys.readouterr().out
    for shown in (
        "household-0001",
        "delivered",
        "received",
        "kWh",
        "the first of 2,672 rows",
        "No problems while reading",
    ):
        assert shown in out


def test_load_is_another_name_of_info(capsys):
    assert cli.main(["load", str(samples.path("espi"))]) == 0
    assert "household-0001" in capsys.readouterr().out


def test_info_prints_findings(capsys):
    assert cli.main(["info", str(samples.path("espi-local-as-utc"))]) == 0
    assert "serious: espi.time.local-as-utc" in capsys.readouterr().out


def test_info_takes_the_arguments_that_a_finding_names(capsys):
    path = str(samples.path("espi-local-as-utc"))
    assert cli.main(["info", path, "--tz", "America/Chicago", "--epoch", "local"]) == 0
    assert "espi.time.local-as-utc" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["info", path, "--tz", "America/Chicag"])
    assert "did you mean 'America/Chicago'?" in capsys.readouterr().err.lower().replace(
        "america/chicago", "America/Chicago"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Load it again with epoch='standard'.", "Load it again with --epoch standard."),
        ("with tz= (the time zone of the site) and epoch='local'.", "with --tz ZONE (the time zone of the site) and --epoch local."),
        ("Load the file again with tz=.", "Load the file again with --tz ZONE."),
        ("as in tz='America/Los_Angeles'.", "as in --tz America/Los_Angeles."),
        ("Pass the answers to load_table, such as unit='kWh'.", "Pass the answers, such as --unit kWh."),
        ("date_order='day first', interval=15; label=", '--date-order "day first", --interval 15; --label'),
        ("Check the path, or call open_espi to see everything in the feed.", "Check the path."),
        ("Call df.gk.drop_duplicates() to keep the last of each.",
         "In Python, df.gk.drop_duplicates() keeps the last of each."),
        ("greenkit put 3 register readings in open_espi(…).registers, separate from usage. To use them, call open_espi.",
         "greenkit kept 3 register readings separate from usage. To see them, run greenkit info FILE."),
        ("pass start= and end=, or expected=.", "pass --start and --end, or --expected."),
    ],
)  # fmt: skip
def test_advice_names_the_options_of_the_command(text, shown):
    assert as_options(text) == shown


def test_advice_of_every_finding_can_be_followed_at_the_command_line():
    for kind in catalogue().values():
        text = as_options(re.sub(r"\{\w+!r\}", "'x'", kind.what_to_do))
        only_python = re.search(r"\b[a-z_]+=|\b(open|load)_\w+|\bgreenkit\.\w|\w\(\)", text)
        assert only_python is None or "in Python" in text or "In Python" in text, (kind.name, text)


def test_quality_lists_a_gap_of_whole_days_and_exits_with_0(capsys):
    """As its help says, because most files have gaps, and the report names them."""
    assert cli.main(["quality", str(samples.path("espi")), "--start", "2024-09-20"]) == Exit.DONE
    assert "intervals are missing" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["info", "quality", "convert"])
def test_command_prints_advice_as_options_and_the_worst_finding_first(command, capsys, tmp_path):
    output = ["-o", str(tmp_path / "a.csv")] if command == "convert" else []
    code = Exit.SERIOUS if command == "quality" else Exit.DONE
    assert cli.main([command, str(samples.path("espi-local-as-utc")), *output]) == code
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "Load the file again with --tz ZONE (the time zone of the site) and --epoch local." in shown
    assert "epoch='" not in shown
    lines = [line.partition(":")[0] for line in shown.splitlines() if ": espi." in line]
    assert lines == sorted(lines, key=["serious", "warning", "info"].index)


def test_error_of_a_command_names_its_options(capsys):
    def fail():
        raise errors.FormatError("The zone is not known", next_step="Pass tz='America/Chicago'.")

    assert run_and_report(fail) == 1
    assert "Next step: Pass --tz America/Chicago." in capsys.readouterr().err


def test_info_of_a_file_without_intervals_prints_no_empty_table(capsys):
    assert cli.main(["info", str(samples.path("espi-bills-only"))]) == 0
    out = capsys.readouterr().out
    assert "The source has 3 bills and no intervals.\n" in out
    assert "gas-0006 2024-09-01 2024-10-01  71.751   m3" in out
    assert "Empty DataFrame" not in out


def test_misspelled_path_prints_one_error(capsys):
    assert cli.main(["info", str(samples.path("espi")) + "l"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: ")
    assert "espi.xml" in err
    assert "Traceback" not in err


def test_check_profile_prints_the_facts(capsys, tmp_path):
    assert cli.main(["check-profile", "pge"]) == 0
    out = capsys.readouterr().out
    assert "window_days: 28" in out
    assert "unverified: whether PKCE is accepted" in out
    assert "\npkce: False (default)\n" in out
    assert "\nrevoke_url: none (default)\n" in out
    assert out.count("window_days") == 1
    path = tmp_path / "mine.toml"
    path.write_text('based_on = "pge"\nname = "mine"\nwindow_days = "many"\n')
    assert cli.main(["check-profile", str(path)]) == 1
    assert "window_days" in capsys.readouterr().err


def test_versions_as_a_process():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    line = [sys.executable, "-m", "greenkit", "versions"]
    out = subprocess.run(line, capture_output=True, text=True, check=True, env=env)
    assert f"greenkit {greenkit.__version__}\n" in out.stdout
    assert "pandas" in out.stdout


def test_version_option(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"greenkit {greenkit.__version__}\n"


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["inof"])
    assert caught.value.code == Exit.USAGE
    assert "info" in capsys.readouterr().err


def test_no_command_prints_the_help_with_commands_and_exit_codes(capsys):
    assert cli.main([]) == Exit.USAGE
    err = capsys.readouterr().err
    assert all(name in err for name in cli.commands())
    assert all(meaning in err for meaning in EXIT_CODES.values())


def test_exit_codes_are_documented():
    assert list(EXIT_CODES) == list(Exit)


@pytest.mark.parametrize("name", cli.commands())
def test_each_command_has_help_in_the_style_of_the_guide(name, capsys):
    module = cli.commands()[name]
    summary = module.__doc__.partition("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]{10,90}\.", summary)
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert summary in out
    assert f"usage: greenkit {name}" in out


def test_a_module_is_found_as_a_command(tmp_path, monkeypatch, capsys):
    """Adding a command adds one file and changes none."""
    (tmp_path / "say_hello.py").write_text(
        '"""Print a greeting."""\n'
        "from greenkit.cli._command import Exit, write_line\n"
        "def add_arguments(parser):\n    parser.add_argument('name')\n"
        "def run(arguments):\n    write_line('hello ' + arguments.name)\n    return Exit.DONE\n"
    )
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    assert cli.main(["say-hello", "Ada"]) == 0
    assert capsys.readouterr().out == "hello Ada\n"
    monkeypatch.delitem(sys.modules, "greenkit.cli.say_hello")


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (
            errors.SettingsError("No user is set", next_step="Set it."),
            1,
            "Error: No user is set.\nNext step: Set it.\n",
        ),
        (errors.FormatError("not TOML", source="x.toml", line=3), 1, "Error: x.toml, line 3: not TOML.\n"),
        (errors.BusyError("Another fetch runs."), 4, "Error: Another fetch runs.\n"),
        (errors.ServerUnavailable("No answer"), 5, "Error: No answer.\n"),
        (errors.RateLimited("Too many requests", 60.0), 5, "Error: Too many requests.\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "Error: x: Permission denied.\n"),
        (FileNotFoundError("There is no file x. Did you mean y?"), 1, "Error: There is no file x. Did you mean y?\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_are_printed_with_their_next_step(error, code, printed, capsys):
    def run():
        raise error

    assert run_and_report(run) == code
    assert capsys.readouterr().err == printed


def test_a_fault_of_greenkit_is_not_hidden():
    def run():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_and_report(run)


def test_a_closed_pipe_ends_the_output():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    code = "import sys; from greenkit import cli; sys.exit(cli.main(['versions']))"
    read, write = os.pipe()
    os.close(read)
    piped = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, env=env, check=False)
    os.close(write)
    assert (piped.returncode, piped.stderr) == (0, b"")


def test_the_console_script_is_the_same_program():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"greenkit": "greenkit.cli:main"}
    assert "greenkit.cli" in importlib.util.find_spec("greenkit.__main__").loader.get_source("greenkit.__main__")


def test_the_help_imports_nothing_slow():
    code = """
import json, sys
import greenkit
before = set(sys.modules)
from greenkit import cli
cli.parser().format_help()
new = {m.split(".")[0] for m in set(sys.modules) - before}
print(json.dumps(sorted(new - set(sys.stdlib_module_names) - {"greenkit"})))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert json.loads(out.stdout) == []
