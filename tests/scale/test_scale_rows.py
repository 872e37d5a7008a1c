"""Day rows hold a frame exactly, and the rules of revisions are those of load_smt and frame.latest."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import greenkit
from greenkit import frame, samples
from greenkit.scale import _resolve, _rows, _smt_rows
from greenkit.smt._reader import read_blocks

INTERVALS = [n for n in samples.names() if n.startswith(("espi", "smt")) and n not in ("smt-daily", "smt-monthly")]


def plain(df):
    """The frame without findings, and without columns that are empty."""
    df = df.drop(columns=[c for c in df.columns if c not in frame.COLUMNS and df[c].isna().all()])
    df.attrs = {}
    return df


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_day_rows_return_the_frame_of_every_sample(name):
    df = plain(greenkit.load(samples.path(name)))
    pd.testing.assert_frame_equal(_rows.to_frame(_rows.from_frame(df)), df)


@pytest.mark.parametrize("name", ["smt-lse", "smt-interval-revised", "smt-files", "smt-api"])
def test_blocks_of_the_smt_reader_are_the_day_rows_of_its_frame(name):
    path = samples.path(name)
    opened = greenkit.open_smt(path, revisions="all")
    found = read_blocks(path)
    rows = _smt_rows.from_blocks(found)
    pd.testing.assert_frame_equal(_rows.to_frame(rows), plain(opened.readings))
    assert found.findings.names == opened.findings.names
    assert rows.num_rows < len(opened.readings) / 50


@st.composite
def frames(draw):
    """Tidy frames with gaps, steps of several lengths, blanks, several zones, and columns that change within a day."""
    parts = []
    for m in range(draw(st.integers(1, 3))):
        zone = draw(st.sampled_from(["America/Chicago", "America/Los_Angeles"]))
        day = draw(st.sampled_from(["2025-03-08", "2025-07-01", "2025-11-01"]))
        step = draw(st.sampled_from(["15min", "1h", "1D"]))
        n = draw(st.integers(1, 60))
        start = pd.date_range(pd.Timestamp(day, tz=zone).tz_convert("UTC"), periods=n, freq=pd.Timedelta(step))
        keep = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        keep[0] = True
        values = draw(st.lists(st.sampled_from([0.0, 0.25, -1.5, np.nan]), min_size=n, max_size=n))
        rows = {
            "meter": f"M{m}", "series": draw(st.sampled_from(["1", "4"])), "flow": "delivered", "start": start,
            "end": start + pd.Timedelta(step), "value": values, "unit": "kWh", "zone": zone,
            "quality": draw(st.lists(st.sampled_from(["actual", "estimated"]), min_size=n, max_size=n)),
            "tier": pd.array(draw(st.lists(st.sampled_from([1, 2, None]), min_size=n, max_size=n)), dtype="Int16"),
            "cost": draw(st.lists(st.sampled_from([0.1, np.nan]), min_size=n, max_size=n)),
        }  # fmt: skip
        parts.append(pd.DataFrame(rows)[keep])
    return plain(frame.tidy(pd.concat(parts, ignore_index=True)))


@settings(max_examples=25, deadline=None)
@given(frames())
def test_day_rows_return_any_frame(df):
    rows = _rows.from_frame(df, delivered=7)
    pd.testing.assert_frame_equal(_rows.to_frame(rows), df)
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(rows.num_rows)))
    pd.testing.assert_frame_equal(_rows.to_frame(_resolve.resolve(shuffled)), df)
    pd.testing.assert_frame_equal(_rows.to_frame(_resolve.resolve_repeated(shuffled)), df)


def series(values, revision, quality="actual", start="2025-07-01"):
    times = pd.date_range(pd.Timestamp(start, tz="America/Chicago"), periods=len(values), freq="15min").as_unit("us")
    return frame.tidy(pd.DataFrame({
        "meter": "M", "series": "4", "flow": "delivered", "start": times, "end": times + pd.Timedelta("15min"),
        "value": values, "unit": "kWh", "zone": "America/Chicago", "quality": quality,
        "revision": pd.Timestamp(revision, tz="America/Chicago").as_unit("us"),
    }))  # fmt: skip


def test_shorter_newer_revision_replaces_the_complete_day():
    old, new = series([0.1] * 96, "2025-07-02"), series([0.2] * 92, "2025-07-03")
    rows = pa.concat_tables([_rows.from_frame(old, delivered=9), _rows.from_frame(new, delivered=1)])
    found = _rows.to_frame(_resolve.resolve(rows))
    assert (len(found), round(found["value"].sum(), 6)) == (92, 18.4)
    pd.testing.assert_frame_equal(found, plain(frame.tidy(frame.latest(frame.concat(old, new, revisions="all")))))
    assert len(_rows.to_frame(_resolve.resolve(rows, keep_all=True))) == 188


def test_of_equal_revisions_the_later_file_counts_but_never_its_blanks():
    a = series([1.0, 2.0, 3.0, np.nan], "2025-07-02")
    b = series(
        [np.nan, 7.0, np.nan], "2025-07-02", quality=["missing", "estimated", "missing"], start="2025-07-01 00:15"
    )
    for order in ((a, b), (b, a)):
        rows = pa.concat_tables([_rows.from_frame(df, delivered=1 if df is a else 2) for df in order])
        found = _rows.to_frame(_resolve.resolve(rows))
        # 00:15 has a value in a alone; b has a later one for 00:30, and neither has one for 00:45
        assert found["value"].fillna(-1).tolist() == [1.0, 2.0, 7.0, -1.0]
        assert found["quality"].tolist() == ["actual", "actual", "estimated", "missing"]


def test_few_columns_are_enough_to_resolve_days_that_are_repeated():
    a, b = series([1.0, 2.0, np.nan], "2025-07-02"), series([7.0], "2025-07-02", start="2025-07-01 00:15")
    alone = series([5.0], "2025-07-02", start="2025-07-03")
    rows = pa.concat_tables([_rows.from_frame(df, delivered=i) for i, df in enumerate((alone, a, b))])
    found = _resolve.resolve_repeated(rows.select(_resolve.NEEDED))
    assert found.column_names == list(_resolve.NEEDED)
    want = _rows.flat_values(_resolve.resolve(rows)).tolist()
    assert str(want) == "[1.0, 7.0, nan, 5.0]"
    assert sorted(map(str, _rows.flat_values(found))) == sorted(map(str, want))


def test_merging_keeps_lists_that_only_some_rows_have():
    a = series([1.0, np.nan], "2025-07-02").assign(cost=[0.5, np.nan])
    b = series([3.0], "2025-07-02", start="2025-07-01 00:15")
    rows = pa.concat_tables([_rows.from_frame(a, delivered=2), _rows.from_frame(b, delivered=1)])
    found = _rows.to_frame(_resolve.resolve(rows))
    assert found["value"].tolist() == [1.0, 3.0]
    assert found["cost"].fillna(-1).tolist() == [0.5, -1]


def test_months_are_local():
    df = series([1.0] * 8, "2025-08-02", start="2025-07-31 23:00")
    rows = _rows.from_frame(df)
    assert rows["month"].to_pylist() == ["2025-07", "2025-08"]
    assert rows["day"].to_pylist() == [dt.date(2025, 7, 31), dt.date(2025, 8, 1)]


def test_scale_modules_need_no_extra_to_be_imported():
    import subprocess
    import sys

    code = "import sys, greenkit.scale; print(sorted({'deltalake', 'distributed', 'dask'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert out.stdout.strip() == "[]"
