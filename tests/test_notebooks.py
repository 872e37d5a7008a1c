"""Every notebook runs from start to end, offline, and is stored without outputs."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
# the kernel's own machinery may warn: the notebook's code runs in its process, not in this one
@pytest.mark.filterwarnings("default")
def test_runs_from_start_to_end(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    if "pgp.new_key" in path.read_text(encoding="utf-8") and not shutil.which("gpg"):
        pytest.skip("the gpg program is not installed")
    import nbformat

    # what the notebook writes lands in the temporary folder; this checkout is what it imports
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = [out for cell in book.cells if cell.cell_type == "code" for out in cell.outputs]
    assert printed
    assert not [out for out in printed if out.output_type == "error"]
