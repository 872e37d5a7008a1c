"""A damaged dataset, one that may not be read, and a full disk: each is an error of greenkit with a next step."""

import dataclasses
import datetime as dt
import os
import pickle
import resource
import shutil
import uuid

import pandas as pd
import pytest
from scale_files import record, write

import greenkit
from greenkit.errors import FormatError, NotReadable, NotWritten
from greenkit.scale import _delta, _faults, _ingest, _runner


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A dataset of one day, and a file of another day that it does not have."""
    root = tmp_path_factory.mktemp("faults")
    write(root / "in" / "a.lse", record("A", dt.date(2025, 11, 1), [1.0] * 24), 0)
    write(root / "more" / "b.lse", record("A", dt.date(2025, 11, 3), [2.0] * 24), 0)
    greenkit.to_dataset(greenkit.scan_smt(root / "in"), root / "usage", client="in order")
    return root


@pytest.fixture
def usage(base, tmp_path):
    return shutil.copytree(base / "usage", tmp_path / "usage")


def add(base, usage):
    return greenkit.to_dataset(greenkit.scan_smt(base / "more"), usage, client="in order")


def truncate(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def spoil(path):
    data = bytearray(path.read_bytes())
    data[20:60] = bytes(40)
    path.write_bytes(data)


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def part(usage, table="days"):
    return next((usage / table).rglob("*.parquet"))


def log(usage, number):
    return usage / "days" / "_delta_log" / f"{number:020d}.json"


DAMAGES = {
    "truncated": (lambda u: truncate(part(u)), r"month=2025-11/\w+\.parquet has [\d,]+ bytes instead of"),
    "missing": (lambda u: part(u).unlink(), r"month=2025-11/\w+\.parquet is missing"),
    "spoiled": (lambda u: spoil(part(u)), "a file of it cannot be read"),
    "log truncated": (lambda u: truncate(log(u, 1)), "its log cannot be read"),
    "log missing": (lambda u: log(u, 0).unlink(), "its log cannot be read"),
    "log empty": (lambda u: truncate(log(u, 1), 0), r"0001\.json is empty"),
    "column": (lambda u: replace(log(u, 0), r"\"name\":\"values\"", r"\"name\":\"v\""), "has no column values"),
    "reader": (lambda u: replace(log(u, 0), '"minReaderVersion":1', '"minReaderVersion":9'), "newer version of delta"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_dataset_is_an_error_with_a_next_step(usage, name):
    damage, text = DAMAGES[name]
    damage(usage)
    for ask in (
        lambda ds: ds.frame(),
        lambda ds: ds.fleet(client="in order"),
        lambda ds: ds.totals(client="in order"),
        lambda ds: ds.compact("2025-11", client="in order"),
    ):
        with pytest.raises(FormatError, match=text) as found:
            ask(greenkit.open_dataset(usage))
        assert found.value.next_step.startswith("Upgrade" if name == "reader" else "Restore it from a backup")
        assert str(usage) in found.value.source


def test_the_error_of_a_worker_can_be_sent_to_the_driver(usage):
    pytest.importorskip("distributed", reason="the extra scale is not installed: no module distributed")
    import tblib.pickling_support  # as Dask does: errors are sent with their context

    tblib.pickling_support.install()
    truncate(log(usage, 1))
    with pytest.raises(FormatError) as found:
        _runner.call(greenkit.open_dataset, usage)
    assert str(pickle.loads(pickle.dumps(found.value))) == str(found.value)


def test_a_damaged_table_of_files_stops_what_needs_it(base, usage):
    truncate(part(usage, "files"))
    for ask in (lambda: greenkit.open_dataset(usage).files, lambda: add(base, usage)):
        with pytest.raises(FormatError, match=r"part-.* bytes instead of"):
            ask()
    shutil.rmtree(usage / "files")
    with pytest.raises(FormatError, match="the table is missing"):
        add(base, usage)
    assert len(greenkit.open_dataset(usage).frame()) == 24


def test_another_delta_table_is_no_dataset(tmp_path):
    import deltalake

    deltalake.write_deltalake(tmp_path / "days", pd.DataFrame({"a": [1]}))
    with pytest.raises(FormatError, match="was not written by greenkit"):
        greenkit.open_dataset(tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        # deltalake's text
        OSError("Kernel error -> Generic error \x1b[31m↳\x1b[0m Unable to open file a\n  \x1b[31m↳\x1b[0m No (os error 13)"),
    ],
)  # fmt: skip
def test_no_permission_to_read_is_an_error_with_a_next_step(usage, monkeypatch, error):
    import deltalake

    def refuse(*a, **k):
        raise error

    monkeypatch.setattr(deltalake, "DeltaTable", refuse)
    with pytest.raises(NotReadable, match=r"days cannot be read \(Permission denied\)\. Give this user"):
        _delta.open_table(usage)


def test_a_folder_that_may_not_be_opened_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything, so chmod would not do
    with pytest.raises(NotReadable, match="Permission denied"):
        greenkit.open_dataset(tmp_path)


@pytest.mark.parametrize("size", [100, 2500, 5000])
def test_a_full_disk_is_an_error_and_the_same_call_goes_on_after_it(base, usage, tmp_path, size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for folder, has in ((usage, 24), (tmp_path / "new", 0)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            with pytest.raises(NotWritten, match=r"cannot be written \(File too large\)\. Free disk space"):
                add(base, folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        parts = list((folder / "days").rglob("*.parquet"))
        assert len(parts) == (1 if has else 0), "a part that was not written completely is removed"
        assert add(base, folder).rows == 24
        assert len(greenkit.open_dataset(folder).frame()) == has + 24


def test_a_commit_that_fails_on_a_full_disk_is_not_repeated(base, usage, monkeypatch):
    import deltalake
    from deltalake.exceptions import CommitFailedError

    def fail(*a, **k):
        raise CommitFailedError("Transaction failed: No space left on device (os error 28)")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", fail)
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waited for another process"))
    with pytest.raises(NotWritten, match="No space left on device"):
        add(base, usage)


def test_a_roster_that_cannot_be_written_is_an_error(usage):
    ds = greenkit.open_dataset(usage)
    (usage / "meters").write_text("a file in the place of the table")
    with pytest.raises(NotWritten, match="meters cannot be written"):
        ds.set_meters(pd.DataFrame({"meter": ["A"]}))


def test_errors_of_the_code_itself_are_not_translated():
    with pytest.raises(ZeroDivisionError), _faults.reading("x"):
        raise ZeroDivisionError


def test_a_commit_that_is_written_but_reported_as_failed_keeps_its_files(base, usage, monkeypatch):
    import deltalake
    from deltalake.exceptions import CommitFailedError

    real, failures = deltalake.DeltaTable.create_write_transaction, []

    def write_and_fail(*a, **k):
        real(*a, **k)
        if not failures:
            failures.append(1)
            raise CommitFailedError("Transaction failed: Version 2 already exists")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", write_and_fail)
    report = add(base, usage)
    ds = greenkit.open_dataset(usage)
    assert (report.rows, report.known, len(ds.frame())) == (24, 0, 48)
    assert (report.version, len(ds.files), failures.pop()) == (ds.version, 2, 1)
    assert ds.compact("2025-11", client="in order") == 2
    assert (len(ds.frame()), failures) == (48, [1])
    assert len(ds.months) == ds.months["files"].sum() == 1


def test_ranges_that_wait_for_their_file_are_kept_if_another_process_adds_the_file_of_another_task(
    base, usage, tmp_path, monkeypatch
):
    long, other, third = (tmp_path / "in" / f"{name}.lse" for name in "abc")
    write(long, "".join(record("L", dt.date(2025, 11, d), [1.0] * 24) for d in (4, 5, 6, 7)), 0)
    write(other, record("B", dt.date(2025, 11, 4), [2.0] * 24), 0)
    write(third, record("C", dt.date(2025, 11, 4), [3.0] * 24), 0)
    scan = dataclasses.replace(greenkit.scan_smt(tmp_path / "in"), cut=long.stat().st_size // 2 + 1)
    ingest = _ingest._Ingest(str(usage))
    first, last, batch = scan.tasks(ingest._digests(scan.files, None), lambda: uuid.uuid4().hex)
    assert [len(task.pieces) for task in (first, last, batch)] == [1, 1, 2]
    monkeypatch.setattr(_ingest, "_PARTS", 1)
    # the other process is first with one of the two files, while a range of the long file waits for the last one
    greenkit.to_dataset(greenkit.scan_smt(other), usage, client="in order")
    ingest._run([first, batch, last], None, None)
    found = greenkit.open_dataset(usage).frame(["L", "B", "C"])
    assert found.groupby("meter", observed=True)["value"].agg(["size", "sum"]).to_numpy().tolist() == [
        [24, 48.0], [24, 72.0], [96, 96.0],
    ]  # fmt: skip
    assert ingest.report().known == 1
