"""The snippets of the documentation for other engines give the sums of greenkit."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from scale_files import hours, record, write

import greenkit

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "datasets.md"


@pytest.fixture(scope="module")
def usage(tmp_path_factory):
    """A dataset in which a shorter revision replaces a day, and a value is blank."""
    import datetime as dt

    root = tmp_path_factory.mktemp("engines")
    day, other = dt.date(2025, 11, 1), dt.date(2025, 11, 2)
    write(root / "a.lse", record("A", day, [0.5] * 24) + record("B", other, [None, *[0.25] * (hours(other) - 1)]), 0)
    write(root / "b.lse", record("A", day, [2.0] * 5, revision="20251109000000"), 1)
    greenkit.to_dataset(greenkit.scan_smt([root / "a.lse", root / "b.lse"]), root / "usage", client="in order")
    return root


@pytest.mark.parametrize("engine", ["polars", "duckdb", "dask.dataframe"])
@pytest.mark.filterwarnings("ignore")  # Dask uses what the newest pandas deprecates
def test_engine_gives_the_sums_of_greenkit(usage, monkeypatch, engine):
    if importlib.util.find_spec(engine.partition(".")[0]) is None:
        pytest.skip(f"there is no module {engine}")
    (code,) = re.findall(
        rf"```python\n(import {re.escape(engine)} .*?|import {re.escape(engine)}\n.*?)```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    body, _, last = code.rstrip().rpartition("\n")
    monkeypatch.chdir(usage)
    scope = {}
    exec(body, scope)
    found = eval(last, scope)
    pairs = {"polars": "rows", "duckdb": "fetchall", "dask.dataframe": "items"}
    rows = dict(getattr(found, pairs[engine])())
    want = greenkit.open_dataset("usage").frame().groupby("meter", observed=True)["value"].sum().to_dict()
    assert (
        {k: round(v, 9) for k, v in rows.items()} == {k: round(v, 9) for k, v in want.items()} == {"A": 10.0, "B": 6.0}
    )
    assert engine in sys.modules
