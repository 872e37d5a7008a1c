"""The command line, in a process of its own."""

import subprocess
import sys

import pytest

from greenkit import samples
from greenkit.__main__ import main


def test_load_prints_the_summary_the_rows_and_the_findings(capsys):
    assert main(["load", str(samples.path("espi"))]) == 0
    out = capsys.readouterr().out
    for shown in ("household-0001", "delivered", "received", "kWh", "the first of 2,672 rows", "no findings"):
        assert shown in out


def test_load_says_what_is_doubtful(capsys):
    assert main(["load", str(samples.path("espi-local-as-utc"))]) == 0
    assert "serious: espi.time.local-as-utc" in capsys.readouterr().out


def test_load_takes_the_fix_that_it_names(capsys):
    path = str(samples.path("espi-local-as-utc"))
    assert main(["load", path, "--tz", "America/Chicago", "--epoch", "local"]) == 0
    assert "local-as-utc" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["load", path, "--tz", "America/Chicag"])
    assert "did you mean 'America/Chicago'?" in capsys.readouterr().err


def test_a_file_without_intervals_shows_no_empty_table(capsys):
    assert main(["load", str(samples.path("espi-bills-only"))]) == 0
    out = capsys.readouterr().out
    assert "espi.reading.none" in out
    assert "Empty DataFrame" not in out


def test_a_typo_is_one_sentence(capsys):
    assert main(["load", str(samples.path("espi")) + "l"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("FileNotFoundError: no file ")
    assert "did you mean espi.xml?" in err
    assert err.count("\n") == 1


def test_versions_in_a_process():
    out = subprocess.run([sys.executable, "-m", "greenkit", "versions"], capture_output=True, text=True, check=True)
    assert "pandas" in out.stdout


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["lod"])
    assert caught.value.code == 2
    assert "load" in capsys.readouterr().err


def test_no_command_gives_the_help(capsys):
    assert main([]) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ("demo", "load", "fetch", "doctor", "sandbox", "versions"))


def test_help_says_what_a_command_does(capsys):
    with pytest.raises(SystemExit):
        main(["load", "--help"])
    assert "Say what a Green Button or Smart Meter Texas file holds." in capsys.readouterr().out
