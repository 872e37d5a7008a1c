"""Kill what writes a dataset, again and again, and check that no reading is lost, doubled, or left half.

    python tests/soak/kill_datasets.py --count 40 --seed 1 --only drivers compactions

``drivers`` are killed at a named step or after a random time, and run again; every third is killed twice. ``workers`` of
Dask are killed while the driver reads or compacts. ``compactions`` are killed too. ``pairs`` are two drivers, or a driver
and a compaction, at once; one of them may be killed. ``disks`` are full after a random number of bytes of a file. After
each, the dataset has whole files only, and the next run makes it equal to one that was written without any trouble.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "real"))

from test_scale_kills import FILES, METERS, fingerprint, write_inbox

import greenkit
from greenkit.scale import _delta, _ingest

DRIVER = """
import os, random, resource, signal, sys, threading, time
import greenkit
from greenkit.scale import _delta, _ingest
what, step, folder, inbox = sys.argv[1:5]
def die(*a, **k):
    os.kill(os.getpid(), signal.SIGKILL)
def before(module, name, calls=0):
    real, left = getattr(module, name), [calls]
    def called(*a, **k):
        left[0] -= 1
        return real(*a, **k) if left[0] >= 0 else die()
    setattr(module, name, called)
def after(module, name):
    real = getattr(module, name)
    setattr(module, name, lambda *a, **k: (real(*a, **k), die()))
kind, _, number = step.partition(":")
if kind == "part":
    before(_delta, "_write_part", int(number))
elif kind == "commit":
    before(_delta, "commit", int(number))
elif kind == "committed":
    after(_delta, "commit")
elif kind == "digests":
    before(_ingest._read, "digests")
elif kind == "files":
    after(_delta, "append")
elif kind == "after":
    threading.Timer(float(number), die).start()
elif kind == "bytes":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
_ingest._PARTS = 3
if what == "compact":
    print(greenkit.open_dataset(folder).compact("2025-07", client="in order"))
else:
    print(greenkit.to_dataset(greenkit.scan_smt(inbox, cut=30_000), folder, client="in order"))
"""
STEPS = ["digests", "part:0", "part:1", "part:4", "part:9", "commit:0", "commit:1", "committed", "files"]
COMPACT_STEPS = ["part:0", "commit:0", "committed"]


class Soak:
    """The files, the dataset that they should become, and the checks."""

    def __init__(self, base: Path, seed: int) -> None:
        self.base, self.chance = base, random.Random(seed)
        self.inbox = base / "inbox"
        write_inbox(self.inbox)
        self.whole = base / "whole"
        began = time.monotonic()
        assert self.wait(self.start("read", "none", self.whole)) == 0
        self.longest = time.monotonic() - began
        self.want = fingerprint(self.whole)
        self.found: Counter[str] = Counter()

    def start(self, what: str, step: str, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, what, step, str(folder), str(self.inbox)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def wait(self, process: subprocess.Popen[str]) -> int:
        out = process.communicate(timeout=600)[0]
        killed = process.returncode == -signal.SIGKILL
        assert process.returncode == 0 or killed or "NotWritten" in out, out
        return process.returncode

    def fresh(self, *, copy: bool = False) -> Path:
        folder = self.base / "usage"
        shutil.rmtree(folder, ignore_errors=True)
        if copy:
            shutil.copytree(self.whole, folder)
        return folder

    def step(self, steps: list[str]) -> str:
        """Return a step to be killed at: a named one, or a time."""
        if self.chance.random() < 0.5:
            return self.chance.choice(steps)
        return f"after:{self.chance.uniform(0.3, 1.0) * self.longest:.3f}"

    def check_parts(self, folder: Path) -> None:
        """Whatever was killed: a file is in the dataset as a whole or not at all."""
        if _delta.exists(folder):
            rows = len(greenkit.open_dataset(folder).frame())
            assert rows % (METERS * 96) == 0, f"{rows} readings"

    def check_end(self, folder: Path, step: str) -> None:
        """The same call makes the dataset whole, and what it leaves over is not used."""
        greenkit.to_dataset(greenkit.scan_smt(self.inbox), folder, client="in order")
        ds = greenkit.open_dataset(folder)
        assert fingerprint(folder) == self.want, step
        assert len(ds.files) == FILES, step
        assert sum(p["rows"] for p in ds._parts) == METERS * FILES, f"{step}: a file is in the dataset twice"
        ds.unused_files(hours=0, delete=True)
        assert fingerprint(folder) == self.want, f"{step}: a file that is used was deleted"

    def drivers(self, n: int) -> None:
        folder, step = self.fresh(), self.step(STEPS)
        for _ in range(2 if n % 3 == 0 else 1):
            self.found["drivers killed"] += self.wait(self.start("read", step, folder)) == -signal.SIGKILL
            self.check_parts(folder)
            step = self.step(STEPS)
        self.check_end(folder, step)

    def compactions(self, n: int) -> None:
        folder, step = self.fresh(copy=True), self.step(COMPACT_STEPS)
        self.found["compactions killed"] += self.wait(self.start("compact", step, folder)) == -signal.SIGKILL
        assert fingerprint(folder) == self.want, f"{step}: a killed compaction changed the readings"
        greenkit.open_dataset(folder).compact("2025-07", client="in order")
        self.check_end(folder, step)

    def pairs(self, n: int) -> None:
        folder = self.fresh(copy=n % 2 == 1)
        _delta.create(folder)
        kinds = ["read", "read"] if n % 2 == 0 else ["compact", "compact" if n % 4 == 1 else "read"]
        step = self.step(STEPS) if n % 3 == 0 else "none"
        both = [self.start(kinds[0], step, folder), self.start(kinds[1], "none", folder)]
        codes = [self.wait(p) for p in both]
        assert codes[1] == 0
        self.found["pairs"] += 1
        self.found["pairs of which one was killed"] += codes[0] == -signal.SIGKILL
        self.check_parts(folder)
        self.check_end(folder, step)

    def disks(self, n: int) -> None:
        compacts = n % 3 == 2
        folder, size = self.fresh(copy=compacts), self.chance.randrange(200, 40_000)
        code = self.wait(self.start("compact" if compacts else "read", f"bytes:{size}", folder))
        self.found["full disks"] += code == 1
        self.check_parts(folder)
        self.check_end(folder, f"bytes:{size}")

    def workers(self, n: int, client) -> None:
        folder = self.fresh(copy=n % 3 == 2)
        pids = list(client.run(os.getpid).values())
        delay, pid = self.chance.uniform(0.0, 0.8), self.chance.choice(pids)
        thread = threading.Timer(delay, os.kill, (pid, signal.SIGKILL))
        thread.start()
        if n % 3 == 2:
            greenkit.open_dataset(folder).compact("2025-07", client=client)
        else:
            report = greenkit.to_dataset(greenkit.scan_smt(self.inbox, cut=20_000), folder, client=client)
            assert report.complete, report
        thread.join()
        self.found["workers killed"] += 1
        self.check_end(folder, f"worker after {delay:.2f} s")
        # a nanny gives up a worker that dies while it starts, so the next one is killed a little later
        client.cluster.scale(2)
        client.wait_for_workers(2, timeout=120)
        time.sleep(1.5)


KINDS = ("drivers", "workers", "compactions", "pairs", "disks")


def run(base: Path, *, seed: int, count: int, only: list[str]) -> Counter[str]:
    """Run each kind ``count`` times; AssertionError if a promise is broken."""
    soak = Soak(base, seed)
    _ingest._PARTS = 3
    for kind in only:
        if kind != "workers":
            for n in range(count):
                getattr(soak, kind)(n)
            print(kind, dict(soak.found), flush=True)
            continue
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                         silence_logs=logging.CRITICAL) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            for n in range(count):
                soak.workers(n, client)
        print(kind, dict(soak.found), flush=True)
    return soak.found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100, help="how often each kind")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    print("seed", given.seed, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), **vars(given)), indent=1))
