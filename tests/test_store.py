"""Frames on disk come back as they were, or the error says why not."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import greenkit
from greenkit import errors, frame, store, synthetic
from greenkit.findings import Findings, Kind


@pytest.fixture(scope="module")
def df():
    meters = [synthetic.household(1, solar=5.0), synthetic.water_meter(2, zone="America/Chicago")]
    return synthetic.fleet_frame(meters, "2024-10-30", "2024-12-02")


@pytest.mark.parametrize("name", ["usage.parquet", "usage"])
def test_frame_is_read_back_unchanged(df, tmp_path, name):
    path = store.write(df, tmp_path / name)
    got = frame.check(store.read(path), exact=True)
    pd.testing.assert_frame_equal(got, df)
    assert str(got["start"].dt.tz) == "America/Chicago"


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_part_of_a_frame_is_read_back(df, tmp_path_factory, data):
    rows = data.draw(st.lists(st.integers(0, len(df) - 1), max_size=30, unique=True))
    dropped = data.draw(st.lists(st.sampled_from([n for n in df.columns if n in frame.EXTRAS]), unique=True))
    part = df.iloc[rows].drop(columns=dropped)
    part = frame.tidy(part) if rows else frame.empty([n for n in part.columns if n in frame.EXTRAS], "America/Chicago")
    name = data.draw(st.sampled_from(["a.parquet", "a"]))
    path = store.write(part, tmp_path_factory.mktemp("any") / name)
    pd.testing.assert_frame_equal(frame.check(store.read(path), exact=True), part)


def test_several_zones_and_missing_values_are_read_back(tmp_path):
    two = frame.concat(
        [
            synthetic.household(1).frame("2024-11-01", "2024-11-02"),
            synthetic.gas_meter(2).frame("2024-11-01", "2024-11-05"),
        ]
    )
    two.loc[3, "value"] = np.nan
    assert str(two["start"].dt.tz) == "UTC"
    for name in ("b.parquet", "b"):
        got = store.read(store.write(two, tmp_path / name))
        pd.testing.assert_frame_equal(got, two)


def test_findings_and_columns_of_the_user_are_read_back(df, tmp_path):
    found = Findings()
    found.add(Kind("smt.day.incomplete", "warning", "A day is incomplete."), day="2024-11-01")
    mine = frame.note(df.assign(site="north", rank=np.arange(len(df)))[[*df.columns, "site", "rank"]], found)
    for name in ("c.parquet", "c"):
        got = store.read(store.write(mine, tmp_path / name))
        assert frame.findings_of(got).names == ["smt.day.incomplete"]
        assert got["rank"].tolist() == mine["rank"].tolist()
        assert set(got["site"]) == {"north"}
    assert frame.findings_of(mine).names == ["smt.day.incomplete"]


def test_empty_frame_keeps_its_dtypes(tmp_path):
    empty = frame.empty(["cost", "tou"], "America/New_York")
    for name in ("d.parquet", "d"):
        got = store.read(store.write(empty, tmp_path / name))
        assert got.dtypes.astype(str).tolist() == empty.dtypes.astype(str).tolist()


def test_window_opens_only_its_months(df, tmp_path):
    path = store.write(df, tmp_path / "usage")
    assert sorted(p.name for p in path.glob("month=*")) == ["month=2024-10", "month=2024-11", "month=2024-12"]
    (december,) = path.glob("month=2024-12/*.parquet")
    december.write_bytes(b"not to be opened")
    got = store.read(path, start="2024-11-05", end="2024-11-07")
    start = df["start"].dt.tz_localize(None)
    want = frame.tidy(df[(start >= "2024-11-05") & (start < "2024-11-07")])
    pd.testing.assert_frame_equal(got, want)
    later = store.read(path, start=pd.Timestamp("2024-11-07T06:00Z"), end=pd.Timestamp("2024-11-07T07:00Z"))
    assert later["start"].nunique() == 4
    assert len(store.read(path, end="2020-01-01")) == 0
    with pytest.raises(
        errors.FormatError, match=r"part-\w+\.parquet: The Parquet file is damaged .* Write the store again"
    ):
        store.read(path)


def test_second_write_replaces_the_first_completely(df, tmp_path):
    path = store.write(df, tmp_path / "usage")
    november = frame.tidy(df[df["start"].dt.month == 11])
    store.write(november, path)
    assert [p.name for p in path.glob("month=*")] == ["month=2024-11"]
    pd.testing.assert_frame_equal(store.read(path), november)


def test_failed_write_leaves_the_previous_store(df, tmp_path, monkeypatch):
    paths = [store.write(df, tmp_path / name) for name in ("e.parquet", "e")]
    calls = []

    def torn(table, file, **_):
        file.write(b"PAR1 torn")
        calls.append(1)
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", torn)
    half = frame.tidy(df.iloc[:10])
    for path in paths:
        with pytest.raises(OSError, match="disk full"):
            store.write(half, path)
        pd.testing.assert_frame_equal(store.read(path), df)
    assert len(calls) == 2
    assert not list(tmp_path.rglob("*.part"))


def test_killed_write_leaves_the_previous_store(df, tmp_path):
    path = store.write(df, tmp_path / "usage")
    code = """
        import os, sys
        from greenkit import store
        df = store.read(sys.argv[1])
        store.atomic_, calls = store._write_file, []
        def killed(table, path):
            store.atomic_(table, path)
            calls.append(path)
            if len(calls) == 2:
                os._exit(9)
        store._write_file = killed
        store.write(df.iloc[:0:-1], sys.argv[1])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], check=False)
    assert done.returncode == 9
    assert len(list(path.rglob("part-*.parquet"))) == 5
    pd.testing.assert_frame_equal(store.read(path), df)
    store.write(df, path)
    assert len(list(path.rglob("part-*.parquet"))) == 3


def test_reader_during_a_replacement_reads_the_new_store(df, tmp_path, monkeypatch):
    path = store.write(df, tmp_path / "usage")
    november = frame.tidy(df[df["start"].dt.month == 11])
    listed = store._files_of

    def slow(*args):
        files = listed(*args)
        monkeypatch.setattr(store, "_files_of", listed)
        store.write(november, path)
        return files

    monkeypatch.setattr(store, "_files_of", slow)
    pd.testing.assert_frame_equal(store.read(path), november)


def test_two_writers_at_once_leave_one_complete_store(df, tmp_path):
    code = """
        import sys
        from greenkit import store, synthetic
        df = synthetic.household(int(sys.argv[2])).frame("2024-10-25", "2024-12-03")
        for _ in range(2):
            store.write(df, sys.argv[1])
    """
    args = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "usage")]
    running = [subprocess.Popen([*args, seed]) for seed in ("1", "2")]
    assert [p.wait(timeout=60) for p in running] == [0, 0]
    got = store.read(tmp_path / "usage")
    assert got["meter"].nunique() == 1
    assert len(got) > 3000
    assert len(list(tmp_path.rglob("part-*.parquet"))) == 3


def test_other_files_are_not_a_store(df, tmp_path):
    with pytest.raises(FileNotFoundError):
        store.read(tmp_path / "none.parquet")
    with pytest.raises(errors.FormatError, match=r"contains no store. Write one with greenkit\.store\.write"):
        store.read(tmp_path)
    (tmp_path / "text.parquet").write_text("a,b\n")
    with pytest.raises(errors.FormatError, match=r"text\.parquet: The Parquet file is damaged"):
        store.read(tmp_path / "text.parquet")
    whole = store.write(df, tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.FormatError, match="Parquet file is damaged"):
        store.read(tmp_path / "cut.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(errors.FormatError, match=r"not written by greenkit\.store. Read it with pandas"):
        store.read(tmp_path / "other.parquet")
    with pytest.raises(errors.SchemaError, match="no column meter"):
        store.write(pd.DataFrame({"a": [1]}), tmp_path / "x.parquet")
    odd = df.iloc[:2].assign(odd=[object(), object()])
    with pytest.raises(errors.SchemaError, match="cannot be stored in Parquet"):
        store.write(odd, tmp_path / "x.parquet")
    with pytest.raises(errors.FormatError, match=r"contains \S+, which is not part of a store"):
        store.write(df, tmp_path)


def test_newer_layout_is_refused(df, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "VERSION", 2)
    paths = [store.write(df, tmp_path / name) for name in ("f.parquet", "f")]
    monkeypatch.setattr(store, "VERSION", 1)
    for path in paths:
        with pytest.raises(errors.FormatError, match=r"layout 2 of a newer greenkit\. Upgrade greenkit"):
            store.read(path)


def test_list_of_files_outside_the_folder_is_refused(df, tmp_path):
    path = store.write(df, tmp_path / "usage")
    for name in ("../../secret.parquet", "month=2024-11/../../x", "/etc/passwd"):
        (path / store.MANIFEST).write_text(json.dumps({"version": 1, "files": [name]}))
        with pytest.raises(errors.LimitError, match="would be written outside the folder"):
            store.read(path)
    (path / store.MANIFEST).write_text(json.dumps({"version": 1, "files": ["month=2024-11/lost.parquet"]}))
    with pytest.raises(errors.FormatError, match=r"Part lost\.parquet is missing. Write the store again"):
        store.read(path)
    for text in ("{", "[]", '{"version": 1}', '{"version": 1, "files": []}', '{"version": 1, "files": [3]}'):
        (path / store.MANIFEST).write_text(text)
        with pytest.raises(errors.FormatError, match=r"is damaged\. Write the store again"):
            store.read(path)


def test_file_where_a_folder_should_be_is_kept(df, tmp_path):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "usage.parquet").mkdir()
    for name in ("notes", "usage.parquet"):
        with pytest.raises(errors.FormatError, match=r"a store ending in \.parquet is a file and any other a folder"):
            store.write(df, tmp_path / name)
    assert (tmp_path / "notes").read_text() == "mine"


def test_other_tools_read_the_files(df, tmp_path):
    path = store.write(df, tmp_path / "usage.parquet")
    assert pd.read_parquet(path)["value"].sum() == pytest.approx(df["value"].sum())
    folder = store.write(df, tmp_path / "usage")
    assert len(pd.read_parquet(folder)) == len(df)
    assert oct(os.stat(path).st_mode & 0o777) == oct(0o666 & ~_umask())


def _umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def test_load_names_the_call_that_reads_parquet(df, tmp_path):
    path = store.write(df, tmp_path / "usage.parquet")
    with pytest.raises(errors.FormatError, match=r"(?i)this is a Parquet file[.:] Read it with greenkit\.store\.read"):
        greenkit.load(path)
