"""Bills of a fleet on Dask: one task for some meters each, without a shuffle, gives the bills of the whole."""

import datetime as dt

import pandas as pd
import pytest

import greenkit
from greenkit import samples

distributed = pytest.importorskip("distributed", reason="the extra scale is not installed: no module distributed")
pytest.importorskip("deltalake", reason="the extra scale is not installed: no module deltalake")


@pytest.mark.filterwarnings("ignore")  # distributed warns while it stops
def test_plans_priced_by_dask_tasks_equal_those_priced_at_once(tmp_path, monkeypatch):
    meters = [greenkit.synthetic.household(n, tdsp="oncor", faults=()) for n in range(1, 6)]
    days = (dt.date(2024, 11, 1), dt.date(2024, 11, 8))
    greenkit.synthetic.write_lse(tmp_path / "week.lse", meters, *days)
    greenkit.to_dataset(greenkit.scan_smt(tmp_path / "week.lse"), tmp_path / "usage", client="in order")
    monkeypatch.setattr("greenkit.scale._query.ranges.__defaults__", (4,))  # one meter a task
    ds = greenkit.open_dataset(tmp_path / "usage")
    whole = ds.frame()
    plans = [greenkit.load_plan(samples.path(f"plan-{name}")) for name in ("flat", "free-nights", "usage-credit")]
    with distributed.Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        found = [ds.price(plan, client=client).drop(columns="plan") for plan in plans]
    for mine, plan in zip(found, plans, strict=True):
        expected = whole.gk.price(plan).totals
        texts = {c: "str" for c in expected.columns if isinstance(expected[c].dtype, pd.CategoricalDtype)}
        expected.attrs = mine.attrs = {}
        assert len(expected) == 5
        pd.testing.assert_frame_equal(mine, expected.astype(texts), check_dtype=False)
