"""What greenkit promises of every release: data of 0.1 opens, types, threads, logging, platforms, and licenses."""

import logging
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typed_use

import greenkit

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures" / "0.1"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_stores_that_0_1_wrote_open():
    file = greenkit.store.read(FIXTURES / "store.parquet")
    folder = greenkit.store.read(FIXTURES / "store")
    # one home with solar panels on the fall-back day: two series of 100 quarter-hours
    assert len(file) == len(folder) == 200
    assert file["value"].sum() == folder["value"].sum()
    assert str(file["start"].iloc[0]) == "2024-11-03 00:00:00-05:00"
    greenkit.frame.check(file, exact=True)


def test_ledger_that_0_1_wrote_fetches_nothing_twice(tmp_path):
    pytest.importorskip("asyncssh")
    from greenkit.sandbox.files import SftpServer

    into = tmp_path / "smt-files"
    shutil.copytree(FIXTURES / "smt-files", into)
    data = (into / "20241104.lse").read_bytes()
    received = into / ".greenkit" / "received"
    received.mkdir()
    for name, content in (("20241104.lse", data), ("20241103.lse", b"")):
        (received / name).write_bytes(content)
        (into / name).write_bytes(content)
    with SftpServer() as server, server.remote() as remote:
        for name, content in (("20241104.lse", data), ("20241103.lse", b""), ("20241105.lse", b"new")):
            server.put(f"intervaldata/{name}", content)
        report = greenkit.fetch_smt(remote, "intervaldata", into=into)
    assert report.frame.set_index("name")["new"].to_dict() == {
        "20241103.lse": False, "20241104.lse": False, "20241105.lse": True,
    }  # fmt: skip


def test_typed_script_of_a_user_runs(tmp_path):
    figures = typed_use.main(tmp_path)
    assert figures["readings"] == 2_672
    assert figures["delivered"] == pytest.approx(247.888)
    assert figures["bill"] > 0
    assert figures["page"] > 10_000


def test_eight_threads_load_check_and_bill_alike():
    plan = greenkit.load_plan(greenkit.samples.path("plan-flat"))
    shared = greenkit.load_espi(greenkit.samples.path("espi"))

    def work(_):
        df = greenkit.load_espi(greenkit.samples.path("espi"))
        return (
            df["value"].sum(),
            shared.gk.totals("day")["value"].sum(),
            len(shared.gk.quality().findings),
            shared.gk.price(plan).totals["computed_total"].sum(),
        )

    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(work, range(8)))
    assert len(results) == 1


def test_loggers_are_silent_unless_a_program_configures_them():
    """Each package has one logger with a NullHandler, so nothing reaches standard error through the last resort."""
    script = (
        "import logging, greenkit, greenkit.custodian._resources, greenkit.transfer._remote\n"
        "for name in ('greenkit.custodian', 'greenkit.transfer'):\n"
        "    logging.getLogger(name).warning('must not be printed')\n"
        "    print(name, logging.getLogger(name).level, logging.getLogger(name).handlers)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == ""
    assert done.stdout.count("NullHandler") == 2
    assert logging.getLogger("greenkit").level == logging.NOTSET


def test_loading_and_analysis_need_no_module_of_posix():
    """Windows has none of these modules."""
    script = (
        "import sys\n"
        "for name in ('fcntl', 'grp', 'pwd', 'resource', 'termios', 'tty', 'pty', 'syslog'):\n"
        "    sys.modules[name] = None\n"
        "import greenkit, greenkit.custodian, greenkit.widgets, greenkit.transfer, greenkit.pgp, greenkit.cli\n"
        "df = greenkit.load(greenkit.samples.path('espi'))\n"
        "df.gk.quality(), df.gk.totals('day'), df.gk.plot.load()\n"
        "print(len(df))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.stderr) == ("2672", "")


def requirements():
    extras = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"], *extras.values()]
    names = {re.match(r"[A-Za-z0-9_.-]+", text)[0].lower() for texts in lists for text in texts}
    return names - {"greenkit"}


def test_every_dependency_has_a_license_in_the_documentation():
    page = (ROOT / "docs" / "reference" / "licenses.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z0-9_.-]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert requirements() == set(listed)
    assert all(license.strip() for license in listed.values())
    assert not [name for name, license in listed.items() if re.search(r"\b(AGPL|non-commercial)\b", license)]


def test_versions_and_requirements_agree_in_every_file():
    recipe = (ROOT / ".ci" / "conda" / "meta.yaml").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == PROJECT["version"] == greenkit.__version__
    assert re.search(r'set version = "(.+?)"', recipe)[1] == PROJECT["version"]
    run = re.search(r"^  run:\n((?:    - .+\n)+)", recipe, re.MULTILINE)[1]
    conda = sorted(line.removeprefix("    - ").replace(" ", "") for line in run.splitlines())
    wanted = [text for text in PROJECT["dependencies"] if ";" not in text]  # a marker names another platform
    assert conda == sorted([f"python{PROJECT['requires-python']}", *wanted])
