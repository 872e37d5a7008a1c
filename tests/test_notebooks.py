"""Every notebook runs from start to end, offline, and is stored without outputs."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SLOW = {"05_smt_over_sftp"}
"""Notebooks that take more than five seconds; ring 2 runs all of them."""


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
    import nbformat

    book = nbformat.read(path, as_version=4)
    # what the notebook writes lands in the temporary folder
    before = [RESET, f"%cd -q {folder}", LIGHT_KEYS if makes_keys else "None"]
    book.cells = [*map(nbformat.v4.new_code_cell, before), *book.cells]
    kernel.nb = book
    kernel.reset_execution_trackers()
    for index, cell in enumerate(book.cells):
        kernel.execute_cell(cell, index)  # raises what the cell raises
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
