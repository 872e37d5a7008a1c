"""What a notebook with panels keeps when it is saved, with the state of its widgets: no secret."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Notes, outside the notebook, every secret that its process holds.
SPY = """
import gc, json, pathlib
from greenkit import Secret
found = {o.reveal() for o in gc.get_objects() if type(o) is Secret}
found |= {h.access.reveal() for h in [store.load()] if h} | {h.refresh.reveal() for h in [store.load()] if h}
found |= {address.partition("code=")[2].partition("&")[0], address.partition("state=")[2].partition("&")[0]}
pathlib.Path("secrets.json").write_text(json.dumps(sorted(found)))
"""
PANEL = """
import datetime
import greenkit
from greenkit.custodian import MemoryStore
from greenkit.sandbox import custodian
from greenkit.sandbox.visitor import visit
started = custodian.start("pge"); utility = started.__enter__()
store = MemoryStore()
client = utility.connect(tokens=store)
day = datetime.date(2024, 11, 3)
panel = greenkit.widgets.AuthorizeAndFetch(client, first=day, last=day, method="paste")
panel
"""
PASTE = """
address = visit(panel.sign_in.url)
panel.authorize._box.value = "https://example.com/callback?code=wrong-code-of-another"
panel.sign_in.wait(60)
panel.authorize._box.value = address
panel.fetch(60)
upload = panel.explore._upload
content = greenkit.samples.path("espi").read_bytes()
upload.value = ({"name": "own.xml", "type": "", "size": len(content), "content": memoryview(content),
                 "last_modified": datetime.datetime.now(datetime.UTC)},)
panel.explore.wait(60)
print(panel, client, panel.explore.frame["value"].sum())
"""
FAIL = """
%xmode Verbose
client.usage("no date", "2024-11-04")
"""


@pytest.mark.filterwarnings("default")  # the kernel's own machinery may warn
def test_no_secret_is_saved(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in (PANEL, PASTE, FAIL, SPY)]
    cells[2].metadata["tags"] = ["raises-exception"]
    book = nbformat.v4.new_notebook(cells=cells)
    run = {"kernel_name": "python3", "resources": {"metadata": {"path": str(tmp_path)}}}
    nbclient.NotebookClient(book, timeout=120, store_widget_state=True, shutdown_kernel="immediate", **run).execute()
    state = book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert {"TextModel", "HTMLModel", "OutputModel", "FileUploadModel"} <= {w["model_name"] for w in state.values()}
    (failed,) = [out for out in book.cells[2].outputs if out.output_type == "error"]
    assert failed.ename == "SettingsError"
    assert "self" in "".join(failed.traceback)  # the traceback is the long one, which shows variables
    saved = re.sub(r"\\u001b\[[0-9;]*m", "", json.dumps(book))
    assert "Authorized." in saved
    assert "475.37" in saved  # what the uploaded file holds
    secrets = json.loads((tmp_path / "secrets.json").read_text())
    assert len(secrets) >= 6
    for secret in [*secrets, "wrong-code-of-another"]:
        # short ones, such as the pretend customers' password, are words that stand on the page
        assert len(secret) < 12 or secret not in saved.replace(json.dumps(PASTE.strip())[1:-1], ""), "a secret is saved"
    assert "IntervalBlock" not in saved  # the uploaded file itself
