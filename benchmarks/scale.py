"""Datasets: µs a reading of each step, memory, two workers against one, and the answers to single questions.

    python benchmarks/scale.py --meters 80000 --folder /tmp/scale

The files are generated: values of 1,000 simulated meters under new IDs, so sizes on disk are smaller than those of
distinct meters. ``--shape files`` writes a night as many files of at most 50,000 records, ``--shape one`` as one file
that is cut into ranges. CPU seconds are those of the process and its children.
"""

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

DAY = dt.date(2025, 7, 1)
RECORDS = 50_000


def record(meter, day, values):
    cells = ",".join(f"{v},A," for v in values)
    return (
        f"00000001,{meter},4,{day:%Y%m%d}000000,{day:%Y%m%d}235959,Y,N\n00000002,,,,,,,900,01,,,,\n00000003,\n"
        f"00000004,{day + dt.timedelta(days=1):%Y%m%d}063000,M\n10000000,{cells}\n"
    )


def generate(folder, meters, days, shape):
    """Write LSE files; a meter's number is in a place of fixed width, so files are made by replacing it."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    text = [",".join(f"{v:.3f},A," for v in random.gamma(2.0, 0.15, 96)) for _ in range(1000)]
    for d in range(days):
        day = DAY + dt.timedelta(days=d)
        head = record("{m}", day, [0]).partition("10000000,")[0]
        each = meters if shape == "one" else RECORDS
        for begin in range(0, meters, each):
            with open(folder / f"night{d:03d}-{begin:08d}.lse", "w") as file:
                for m in range(begin, min(begin + each, meters)):
                    file.write(head.replace("{m}", f"1044372{m:010d}") + f"10000000,{text[(m + d) % 1000]}\n")


CODE = """
import json, resource, sys, time, logging
import greenkit, dataclasses
step, folder, inbox, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
def main():
    import pandas, pyarrow, pyarrow.dataset, deltalake, greenkit.scale
    from greenkit.scale._dataset import Dataset
    client = "in order"
    if workers:
        from distributed import Client, LocalCluster
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                               silence_logs=logging.ERROR, memory_limit="4GB")
        client = Client(cluster)
        client.wait_for_workers(workers)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ds = None if step == "ingest" else greenkit.open_dataset(folder)
    start, cpu = time.perf_counter(), time.process_time()
    made = {}
    if step == "ingest":
        report = greenkit.to_dataset(greenkit.scan_smt(inbox), folder, client=client)
        made = {"rows": report.rows, "refused": len(report.refused)}
    elif step == "one meter":
        made = {"rows": len(ds.frame("10443720000000777"))}
    elif step == "resolve":
        from greenkit.scale import _query, _rows
        table = ds._table
        rows = _query.raw(table, _query.Where())
        start, cpu = time.perf_counter(), time.process_time()
        from greenkit.scale import _resolve
        made = {"rows": int(_rows.counts(_resolve.resolve(rows)).sum())}
    elif step == "fleet":
        made = {"rows": int(ds.fleet("interval", client=client)["meters"].sum())}
    elif step == "compact":
        made = {"files": ds.compact(client=client)}
    elif step == "quality":
        made = {"series": len(ds.quality(client=client).table)}
    elif step == "totals":
        made = {"series": len(ds.totals("day", client=client))}
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if workers:
        peak = max(client.run(lambda: __import__("resource").getrusage(0).ru_maxrss / 1024).values())
        cpu = sum(client.run(time.process_time).values())
    print(json.dumps({**made, "wall": wall, "cpu": cpu, "peak": peak, "base": base}))
    if workers:
        client.close(); cluster.close()
if __name__ == "__main__":
    main()
"""


def run(script, step, folder, inbox, workers=0):
    out = subprocess.run(
        [sys.executable, str(script), step, str(folder), str(inbox), str(workers)],
        capture_output=True, text=True,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(out.stderr)
    return json.loads(out.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=80_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--shape", choices=("one", "files"), default="files")
    parser.add_argument("--folder", type=Path, default=Path("scale-benchmark"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", default="one meter,resolve,fleet,totals,quality,compact,one meter")
    arguments = parser.parse_args()
    inbox, folder = arguments.folder / f"in-{arguments.shape}", arguments.folder / "usage"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if not inbox.exists():
        generate(inbox, arguments.meters, arguments.days, arguments.shape)
    size = sum(p.stat().st_size for p in inbox.iterdir())
    rows = arguments.meters * arguments.days * 96
    load = os.getloadavg()[0]
    print(
        f"{rows:,} readings, {size / 1e6:,.0f} MB in {len(list(inbox.iterdir()))} files; load of the machine {load:.1f}"
    )
    script = arguments.folder / "step.py"
    script.write_text(CODE)
    print("| step | workers | CPU s | µs a reading | wall s | peak MB |\n| --- | --- | --- | --- | --- | --- |")

    def show(step, found, workers):
        per = found["cpu"] / rows * 1e6
        print(f"| {step} | {workers or 'in order'} | {found['cpu']:.2f} | {per:.3f} | {found['wall']:.2f} | "
              f"{found['peak']:,.0f} ({found['base']:,.0f} before) |", flush=True)  # fmt: skip

    walls = {}
    for workers in [0, *([1, arguments.workers] if arguments.workers else [])]:
        shutil.rmtree(folder, ignore_errors=True)
        found = run(script, "ingest", folder, inbox, workers)
        assert found["rows"] == rows, found
        walls[workers] = found["wall"]
        show("to dataset", found, workers)
    if arguments.workers:
        print(f"{arguments.workers} workers are {walls[1] / walls[arguments.workers]:.2f} times as fast as one")
    stored = sum(p.stat().st_size for p in (folder / "days").rglob("*.parquet"))
    print(f"{stored / rows:.2f} bytes a reading")
    for step in arguments.steps.split(","):
        show(step, run(script, step, folder, inbox), 0)


if __name__ == "__main__":
    main()
