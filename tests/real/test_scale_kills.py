"""Datasets under Dask: the same result as in order, with workers and drivers killed at every step.

Two processes that write the same files at once, and a worker with too little memory, are here too. The number of kills
is that of ring 2; tests/soak/kill_datasets.py is the long form.
"""

import datetime as dt
import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import greenkit
from greenkit.scale import _delta, _runner

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),  # distributed warns while workers die
    pytest.mark.skipif(
        not greenkit.scale._runner.has_dask(), reason="the extra scale is not installed: no module distributed"
    ),
]
KILLS, SEED = 20, 7
METERS, FILES = 40, 12

RECORD = (
    "00000001,{meter},4,{day}000000,{day}235959,Y,N\n00000002,,,,,,,900,01,,,,\n00000003,\n00000004,{day}235959,M\n"
)
DRIVER = """
    import sys, os, time, signal
    import greenkit
    from greenkit.scale import _delta, _ingest
    step, folder, inbox = sys.argv[1:4]
    def die(*a, **k):
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "digest":
        _ingest._read.digests = die
    elif step.startswith("part"):
        n, real = [int(step[4:])], _delta._write_part
        def write(*a):
            n[0] -= 1
            if n[0] < 0:
                die()
            return real(*a)
        _delta._write_part = write
    elif step == "before":
        _delta.commit = die
    elif step == "files":
        real = _delta.append
        def append(folder, name, table):
            real(folder, name, table)
            die()
        _delta.append = append
    elif step == "after":
        real = _delta.commit
        def commit(*a, **k):
            real(*a, **k)
            die()
        _delta.commit = commit
    elif step.startswith("at"):
        import threading
        threading.Timer(float(step[2:]), die).start()
    _ingest._PARTS = 3
    import dataclasses
    scan = dataclasses.replace(greenkit.scan_smt(inbox), cut=30_000)
    print(greenkit.to_dataset(scan, folder, client="in order"))
"""


def write_inbox(folder):
    """Write one file for each night, with the same meters."""
    folder.mkdir(exist_ok=True)
    for f in range(FILES):
        day = dt.date(2025, 7, 1) + dt.timedelta(days=f)
        rows = ",".join(f"{0.01 * (i + f):.3f},A," for i in range(96))
        text = "".join(
            RECORD.format(meter=f"{m:017d}", day=f"{day:%Y%m%d}") + f"10000000,{rows}\n" for m in range(METERS)
        )
        (folder / f"night{f:02d}.lse").write_text(text)


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox")
    write_inbox(folder)
    return folder


def fingerprint(folder):
    df = greenkit.open_dataset(folder).frame()
    text = df[["meter", "start", "value", "quality"]].astype("str").to_csv(index=False)
    return len(df), hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def want(inbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("want") / "usage"
    greenkit.to_dataset(greenkit.scan_smt(inbox), folder, client="in order")
    found = fingerprint(folder)
    assert found[0] == METERS * FILES * 96
    return found


def drive(step, folder, inbox):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), step, str(folder), str(inbox)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_driver_killed_at_every_step_loses_nothing(inbox, want, tmp_path):
    chance = random.Random(SEED)
    steps = ["digest", "before", "files", "after", "part0", "part1", "part5"]
    steps += [f"at{chance.uniform(0.8, 3.0):.2f}" for _ in range(max(KILLS - len(steps), 0))]
    killed = 0
    for n, step in enumerate(steps[:KILLS]):
        folder = tmp_path / f"d{n}" / "usage"
        killed += drive(step, folder, inbox).wait() == -signal.SIGKILL
        seen = greenkit.open_dataset(folder).frame() if _delta.exists(folder) else []
        assert len(seen) % (METERS * 96) == 0, "a file is in the dataset as a whole or not at all"
        report = greenkit.to_dataset(greenkit.scan_smt(inbox), folder, client="in order")
        assert fingerprint(folder) == want, step
        ds = greenkit.open_dataset(folder)
        assert len(ds.files) == FILES, step
        assert report.known + len(report.files) == FILES
    print(f"drivers killed: {killed} of {len(steps[:KILLS])}, seed {SEED}")
    assert killed >= 5


def test_two_drivers_at_once_add_each_file_once(inbox, want, tmp_path):
    for n in range(3):
        folder = tmp_path / str(n) / "usage"
        _delta.create(folder)
        both = [drive("none", folder, inbox) for _ in range(2)]
        out = [p.communicate(timeout=120)[0] for p in both]
        assert [p.returncode for p in both] == [0, 0], out
        assert fingerprint(folder) == want
        ds = greenkit.open_dataset(folder)
        assert len(ds.files) == FILES
        assert sum(p["rows"] for p in ds._parts) == METERS * FILES, "no file is in the dataset twice"


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                     silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


def test_dask_gives_the_result_of_the_tasks_in_order(inbox, want, tmp_path, client):
    import dataclasses

    scan = dataclasses.replace(greenkit.scan_smt(inbox), cut=40_000)
    report = greenkit.to_dataset(scan, tmp_path / "usage", client=client)
    assert report.complete
    assert fingerprint(tmp_path / "usage") == want
    ds = greenkit.open_dataset(tmp_path / "usage")
    one, other = ds.totals("day", client=client), ds.totals("day", client="in order")
    assert one.equals(other)
    assert ds.fleet("day", client=client).equals(ds.fleet("day", client="in order"))


def test_workers_killed_while_they_read_lose_nothing(inbox, want, tmp_path, client):
    import dataclasses
    import threading

    chance = random.Random(SEED)
    killed = []
    for n in range(max(KILLS // 5, 2)):
        scan = dataclasses.replace(greenkit.scan_smt(inbox), cut=20_000)
        pids = list(client.run(os.getpid).values())

        def kill(pids=pids):
            time.sleep(chance.uniform(0.02, 0.8))
            os.kill(chance.choice(pids), signal.SIGKILL)
            killed.append(1)

        thread = threading.Thread(target=kill)
        thread.start()
        report = greenkit.to_dataset(scan, tmp_path / str(n), client=client)
        thread.join()
        assert report.complete
        assert fingerprint(tmp_path / str(n)) == want
        # a nanny gives up a worker that dies while it starts, so the next one is killed a little later
        client.cluster.scale(2)
        client.wait_for_workers(2, timeout=60)
        time.sleep(1.5)
    print(f"workers killed: {len(killed)}, seed {SEED}")


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_task_that_kills_every_worker_is_an_error_with_numbers(client):
    from greenkit.scale import _runner

    found = list(_runner.run(die, ["x"], client=client, weights=[64 << 20], describe=lambda t: "night00.lse"))
    assert isinstance(found[0][1], _runner.WorkerTooSmall)
    assert "night00.lse (67 MB); the smallest has a memory limit of" in str(found[0][1])
    assert "at least 2 GB" in found[0][1].next_step
    client.cluster.scale(2)
    client.wait_for_workers(1, timeout=60)


def test_local_workers_keep_free_memory_for_the_next_array():
    with _runner.runner(None, _runner.WORTH_A_CLUSTER, 2) as client:
        found = client.run(os.environ.get, "MALLOC_MMAP_THRESHOLD_")
    assert set(found.values()) == {str(1 << 25)}
