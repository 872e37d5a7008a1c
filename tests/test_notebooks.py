"""Every notebook runs from start to end, offline, and is stored without outputs."""

import importlib.util
import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SLOW = {"05_smt_over_sftp", "10_all_your_meters"}
"""Notebooks that take more than five seconds; ring 2 runs all of them."""


# What must hold after a cell: notebook → text in the cell → statements. A reader does not see them.
CHECKS = {
    "02_green_button_in_depth": {
        "df.gk.reconcile(feed.bills)": 'assert _.loc["status"].eq("gaps").all()',
        "corrected = ": """
assert "espi.time.local-as-utc" in shifted.findings.names
assert "espi.time.local-as-utc" not in corrected.findings.names""",
        "night[[": "assert len(night) == 8 and night['start'].is_unique",
        "again.equals(df)": "assert again.equals(df)",
    },
    "03_smart_meter_texas": {
        "name: df.groupby": """
reference = days["CSV"]
for name, df in days.items():
    for flow, part in df.groupby("flow", observed=True):
        utc = part["start"].dt.tz_convert("UTC")
        assert len(part) == 100, name
        assert (utc.diff().dropna() == pd.Timedelta(minutes=15)).all(), name
        same = reference[reference["flow"] == flow]
        assert utc.tolist() == same["start"].dt.tz_convert("UTC").tolist(), name
        assert abs(part["value"].sum() - same["value"].sum()) < 1e-9, name""",
    },
    "04_authorize_and_fetch": {
        "fetched.join": """
assert (fetched["count"] == measured["count"]).all()
assert (fetched["sum"] - measured["sum"]).abs().max() < 1e-6""",
        "day = client.usage": "assert (day.groupby('flow', observed=True).size() == 100).all()",
        "AuthorizationDenied": "assert not other.status().authorized",
    },
    "05_smt_over_sftp": {
        "write_onboarding": "assert not any(b'PRIVATE' in path.read_bytes() for path in enclosed.values())",
        "diagnosis = ": """
assert not diagnosis.ok
assert diagnosis.named("host key").state == "failed"
assert smt.host_key in diagnosis.named("host key").found
assert diagnosis.named("login").state == 'skipped'""",
        "pinned = ": "assert pinned.ok, pinned",
        "report = greenkit.fetch_smt": """
states = dict(zip(report.frame["name"], report.frame["state"], strict=True))
assert states == {name: "undecryptable" if name == truncated else "done" for name in sent}
with smt.remote() as remote:
    assert remote.names("intervaldata") == [truncated]""",
        "again = greenkit.fetch_smt": """
assert again.complete
assert [path.name for path in again.new] == [truncated.removesuffix(".asc")]""",
        "df = greenkit.load_smt": """
truth = greenkit.concat([meter.frame(FIRST, days[-1] + pd.Timedelta(days=1)) for meter in meters])
found = df.groupby(["meter", "flow"], observed=True)["value"].agg(["size", "sum"])
expected = truth[truth["unit"] == "kWh"].groupby(["meter", "flow"], observed=True)["value"].agg(["size", "sum"])
pd.testing.assert_frame_equal(found, expected, check_index_type=False, rtol=1e-6)""",
        "panel.report": """
assert [path.name for path in panel.report.new] == [name.removesuffix(".asc")]
measured = sum(meter.frame(tomorrow, tomorrow + pd.Timedelta(days=1))["value"].sum() for meter in meters)
assert abs(panel.frame["value"].sum() - df["value"].sum() - measured) < 1e-6""",
        "over_ftps = ": """
assert over_ftps.ok, over_ftps
assert same.complete
assert len(greenkit.load_smt(folder / "over-ftps")) == len(df)""",
    },
    "06_quality_and_shape": {
        "quality = ": """
assert (quality.table["present"] <= quality.table["expected"]).all()
assert quality.table["gaps"].tolist() == [1, 1]""",
        "bills = ": """
assert bills["status"].value_counts().to_dict() == {"match": 11, "gaps": 1}
assert set(bills.loc[bills["status"] == "gaps", "start"].dt.month) == {5}""",
        'df.gk.flows("month")': """
for period in ("hour", "day", "week", "month", "season", "year"):
    assert abs(df.gk.totals(period)["value"].sum() - df["value"].sum()) < 1e-6
assert _.loc[~_["is_complete"], "period"].tolist() == ["2024-05"]""",
        "shape = ": "assert (shape['load_factor'].dropna() <= 1).all()",
        "page = ": """
assert page.stat().st_size > 1_000_000
assert {p.name for p in folder.iterdir()} >= {"report.html", "report.ipynb", "report.parquet"}""",
    },
    "07_your_own_utility": {
        "df = client.usage": """
from greenkit import synthetic
truth = synthetic.fleet_frame(list(utility.register.customers[0].meters), FIRST, LAST)
assert len(df) == len(truth)
assert abs(df["value"].sum() - truth["value"].sum()) < 1e-6""",
    },
    "10_all_your_meters": {
        "report.refused[[": """
assert len(report.files) == 2000
assert report.refused["name"].str.endswith("1999.lse").all() and len(report.refused) == 1""",
        "quality = ds.quality": "assert quality.table['meter'].nunique() == 1999",
        'inbox / "night.lse"': "assert (len(report.files), report.known) == (2, 1999)",
        "checked = ": "assert _.to_dict() == {'absent': 399, 'complete': 1600}",
        "df = ds.frame(": """
kwh = homes[1].frame(first, end)
assert len(df) == 31 * 96 and abs(df["value"].sum() - kwh["value"].sum()) < 1e-6""",
        "bill = ": "assert bool(bill.totals['whole'].all()) and len(bill.totals) == 1",
        "bills = ": "assert len(bills) == 40",
    },
}


def source(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_clean_and_introduced(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert book["cells"][0]["cell_type"] == "markdown"
    assert re.search(r"\b(seconds?|minutes?)\b", source(book["cells"][0])), "the first cell says how long it takes"
    assert [cell["metadata"]["tags"] for cell in code if cell["metadata"].get("tags")][:1] == [["parameters"]]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "widgets" not in book["metadata"]
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert "What to try next" in source(book["cells"][-1])
    assert not re.search(r"(/home/|/root/|/tmp/|[A-Z]:\\\\)", path.read_text(encoding="utf-8"))


# Each notebook starts from nothing: no name of the one before it, and greenkit imported anew.
RESET = """
%reset -f
import sys
import pandas
getattr(pandas.DataFrame, "_accessors", set()).discard("gk")
if hasattr(pandas.DataFrame, "gk"):
    del pandas.DataFrame.gk
for name in [name for name in sys.modules if name.partition(".")[0] == "greenkit"]:
    del sys.modules[name]
%reset -f
"""
# Finding a long key takes seconds, and so does gpg's measuring of how often this machine can hash a passphrase in a tenth of one.
LIGHT_KEYS = """
from greenkit import certificates, pgp
certificates.RSA_BITS = pgp._RSA_BITS = 2048
def light_key(home, _made=pgp.new_key, **options):
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\\n")
    return _made(home, **options)
pgp.new_key = light_key
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One kernel for all, since each takes two seconds to start, to import pandas and to stop."""
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    # this checkout is what the notebooks import
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")),
    }
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(), timeout=300, kernel_name="python3", shutdown_kernel="immediate"
    )
    with client.setup_kernel(env=env):
        yield client


def execute(path, kernel, folder):
    """Run a notebook, and return it with its outputs."""
    makes_keys = "pgp.new_key" in path.read_text(encoding="utf-8")
    if makes_keys and not shutil.which("gpg"):
        pytest.skip("the gpg program is not installed")
    if "open_dataset" in path.read_text(encoding="utf-8") and importlib.util.find_spec("deltalake") is None:
        pytest.skip("the extra scale is not installed: no module deltalake")
    import nbformat

    book = nbformat.read(path, as_version=4)
    # what the notebook writes lands in the temporary folder
    before = [RESET, f"%cd -q {folder}", LIGHT_KEYS if makes_keys else "None"]
    book.cells = [*map(nbformat.v4.new_code_cell, before), *book.cells]
    kernel.nb = book
    kernel.reset_execution_trackers()
    checks = dict(CHECKS.get(path.stem, {}))
    for index, cell in enumerate(book.cells):
        kernel.execute_cell(cell, index)  # raises what the cell raises
        for text in [text for text in checks if cell.cell_type == "code" and text in cell.source]:
            check = nbformat.v4.new_code_cell(checks.pop(text))
            kernel.nb.cells.append(check)
            kernel.execute_cell(check, len(kernel.nb.cells) - 1)
            kernel.nb.cells.pop()
    assert not checks, "a check belongs to a cell that is not there"
    book.cells = book.cells[len(before) :]
    printed = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    assert printed
    assert not [out for out in printed if out.output_type == "error"]
    assert not [out.text for out in printed if out.get("name") == "stderr"], "a warning stands in the reader's notebook"
    return book


# The kernel's own machinery may warn: the notebook's code runs in its process, not in this one.
@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem not in SLOW], ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_quick_notebook_runs_from_start_to_end(path, kernel, tmp_path):
    execute(path, kernel, tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_notebook_runs_and_its_outputs_reach_the_site(path, kernel, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    book = execute(path, kernel, tmp_path)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    kept = Path(os.environ.get("GREENKIT_EXECUTED", tmp_path)) / path.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, kept)
    assert b'"output_type"' in kept.read_bytes()
