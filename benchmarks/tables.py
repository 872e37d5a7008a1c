"""Tables: CPU time and memory of ``load_table`` beside a bare ``pyarrow.csv.read_csv`` of the same file.

    python benchmarks/tables.py [rows in millions]

A long table of many meters and a wide table of 96 columns, each read in a process of its own. The ratio of CPU times is
the median of pairs of runs in turn; memory is what the process uses at most above the frame that it returns.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

GOALS = {"cpu": 1.5, "memory": 3.0}
LONG = {
    "time": {"columns": ["Date", "Time"]},
    "zone": "America/Chicago",
    "clock": "local",
    "label": "start",
    "interval": 15,
    "repeated_hour": "lost",
    "meter": {"column": "Meter"},
    "values": {"kWh": {"flow": "delivered", "unit": "kWh"}},
}
WIDE = {
    "time": {"columns": ["Date"], "wide": "%H:%M"},
    "zone": "America/Chicago",
    "clock": "local",
    "label": "start",
    "repeated_hour": "lost",
    "meter": {"column": "Meter"},
    "cells": {"flow": "delivered", "unit": "kWh"},
}


def write_long(path, rows):
    """Write a year of quarters for each of several meters, with the labels of local time."""
    year = pd.date_range("2023-01-01", "2024-01-01", freq="15min", tz="America/Chicago", inclusive="left")
    labels = [f"{at:%Y-%m-%d,%H:%M}" for at in year.tz_localize(None)]
    random = np.random.default_rng(1)
    with open(path, "w") as file:
        file.write("Meter,Date,Time,kWh,Notes\n")
        for meter in range(-(-rows // len(labels))):
            part = labels[: rows - meter * len(labels)]
            values = random.integers(1, 3000, len(part)) / 1000
            file.writelines(f"10443720000{meter:06},{t},{v:.3f},\n" for t, v in zip(part, values, strict=True))


def write_wide(path, rows):
    """Write days of 96 values."""
    clock = [f"{m // 60:02}:{m % 60:02}" for m in range(0, 1440, 15)]
    days = np.arange(np.datetime64("2023-01-01"), np.datetime64("2024-01-01")).astype(str)
    random = np.random.default_rng(1)
    with open(path, "w") as file:
        file.write(f"Meter,Date,{','.join(clock)}\n")
        for i in range(rows // 96):
            values = random.integers(1, 3000, 96) / 1000
            file.write(f"10443720000{i // 365:06},{days[i % 365]},{','.join(f'{v:.3f}' for v in values)}\n")


def measure(kind, path):
    """Run one reading in this process; print CPU seconds, peak bytes above the start, and bytes of the frame."""
    import greenkit
    from greenkit.findings import quiet

    greenkit.load_table(b"Day,kWh\n2024-01-01,1\n", {"time": {"columns": ["Day"]}, "zone": "UTC", "clock": "utc",
                        "values": {"kWh": {"flow": "delivered"}}})  # fmt: skip
    from pyarrow import csv

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cpu = time.process_time()
    size = 0
    if kind == "arrow":
        table = csv.read_csv(path)
        size = table.nbytes
    else:
        with quiet():
            df = greenkit.load_table(path, LONG if kind == "long" else WIDE)
        size = int(df.memory_usage(deep=False).sum())
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(cpu, peak, size)


def run(kind, path):
    out = subprocess.run(
        [sys.executable, __file__, "--one", kind, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return [float(x) for x in out.stdout.split()]


def main():
    if "--one" in sys.argv:
        measure(*sys.argv[-2:])
        return
    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 4) * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        for kind, write in (("long", write_long), ("wide", write_wide)):
            path = Path(folder) / f"{kind}.csv"
            write(path, rows)
            pairs = [(run(kind, path), run("arrow", path)) for _ in range(3)]
            ratio = float(np.median([mine[0] / bare[0] for mine, bare in pairs]))
            memory = float(np.median([mine[1] / mine[2] for mine, _ in pairs]))
            mine, bare = pairs[-1]
            print(
                f"{kind}: {rows:,} values, {path.stat().st_size / 1e6:,.0f} MB: {mine[0]:.2f} s CPU, "
                f"pyarrow.csv {bare[0]:.2f} s, ratio {ratio:.2f} (goal {GOALS['cpu']}); peak "
                f"{mine[1] / 1e6:,.0f} MB for a frame of {mine[2] / 1e6:,.0f} MB, {memory:.2f} (goal {GOALS['memory']})"
            )


if __name__ == "__main__":
    main()
