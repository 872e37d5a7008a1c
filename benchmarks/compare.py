"""Compare this checkout with another one, workload by workload, in pairs that take turns.

Every measurement is a fresh process. For each workload the two checkouts run alternately, the order changes from pair
to pair, and the ratio new ÷ old is taken within a pair, so that a change in the speed of the machine cancels out. The
figures are CPU seconds (of the import: also as a share of importing pandas) and peak memory above the imports, as a
ratio new ÷ old, and for an analysis also of the new checkout as a multiple of the frame.

    git worktree add ../before 275f474
    python benchmarks/compare.py ../before               # ten pairs of each workload: about twenty minutes
    python benchmarks/compare.py ../before --pairs 3 --only load_espi
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

# Each workload is a body that sets ``result``; ``path`` is its input, ``n`` how often it runs in the process.
PRELUDE = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
start = time.process_time()
import greenkit
imported = time.process_time() - start
path, n = sys.argv[1], int(sys.argv[2])
def frame_of(meters, minutes):
    import numpy as np
    ends = pd.date_range("2024-01-01", "2025-01-01", freq=f"{minutes}min", tz="America/Chicago").as_unit("us")
    n = len(ends) - 1
    hour = ends[:-1].hour.to_numpy()
    day = (0.4 + np.exp(-(((hour - 18) % 24 - 2) ** 2) / 12)) * minutes / 60
    value = (np.random.default_rng(1).gamma(4, 0.25, (meters, n)) * day).round(3).reshape(-1)
    one = np.zeros(meters * n, dtype=np.int8)
    words = dict(series="4", flow="delivered", unit="kWh", zone="America/Chicago", quality="actual")
    codes = {name: pd.Categorical.from_codes(one, [word]) for name, word in words.items()}
    meter = pd.Categorical.from_codes(np.repeat(np.arange(meters), n), [f"M{i:05d}" for i in range(meters)])
    start, end = (pd.DatetimeIndex(np.tile(each.asi8, meters).view("M8[us]"), tz="UTC").tz_convert(ends.tz)
                  for each in (ends[:-1], ends[1:]))
    order = ["meter", "series", "flow", "start", "end", "value", "unit", "zone", "quality"]
    return pd.DataFrame({**codes, "meter": meter, "start": start, "end": end, "value": value}, copy=False)[order]
def refused(call):
    try:
        call()
    except ValueError:
        return
    raise AssertionError("it was not refused")
"""
TIMED = """
def peak():
    # ru_maxrss is that of the parent until the child is larger, so the process resets its own mark
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) * 1024
df = None
prepare()
frame = 0 if df is None else int(df.memory_usage().sum())
open("/proc/self/clear_refs", "w").write("5")
before, start = peak(), time.process_time()
for _ in range(n):
    run()
cpu = (time.process_time() - start) / n
print(json.dumps({"cpu": cpu, "memory": peak() - before, "import": imported, "frame": frame}))
"""


def body(run: str, prepare: str = "pass") -> str:
    """Return the program of a workload."""
    return f"{PRELUDE}\ndef prepare():\n    global df\n    {prepare}\ndef run():\n    {run}\n{TIMED}"


def of_frame(meters: int, minutes: int) -> str:
    """Return the preparation of a workload on a frame, which also imports what the analysis needs."""
    return (
        f"df = frame_of({meters}, {minutes}); globals()['_glance'] = __import__('greenkit._glance')._glance; "
        "small = df.head(96); small.gk.quality(); small.gk.shape(); small.gk.plot.completeness()"
    )


# name → (program, input, repetitions in a process)
WORKLOADS: dict[str, tuple[str, str, int]] = {
    "import greenkit": (body("pass"), "", 1),
    "load_espi, sample": (body("greenkit.load_espi(path)"), "espi.xml", 20),
    "load_espi, 1 MB": (body("greenkit.load_espi(path)"), "1.xml", 10),
    "load_espi, 50 MB": (body("greenkit.load_espi(path)"), "50.xml", 1),
    "load_espi, 50 MB in days": (body("greenkit.load_espi(path)"), "50-24.xml", 1),
    "load_espi, 20 MB all members": (body("greenkit.load_espi(path)"), "20-all.xml", 1),
    "load_espi, 10 MB irregular": (body("greenkit.load_espi(path)"), "10-irregular.xml", 1),
    "open_espi, 1 MB": (body("greenkit.open_espi(path)"), "1.xml", 10),
    "load_smt, CSV 100 meters": (body("greenkit.load_smt(path)"), "100.csv", 1),
    "load_smt, LSE 100 meters": (body("greenkit.load_smt(path)"), "100.lse", 1),
    "load_smt, CSV sample": (body("greenkit.load_smt(path)"), "smt-interval.csv", 10),
    "load_smt, JSON sample": (body("greenkit.load_smt(path)"), "smt-api.json", 10),
    "quality, a meter-year": (body("df.gk.quality()", of_frame(1, 15)), "", 3),
    "quality, 200 hourly": (body("df.gk.quality()", of_frame(200, 60)), "", 1),
    "quality, 1,000 hourly": (body("df.gk.quality()", of_frame(1000, 60)), "", 1),
    "totals, 1,000 hourly": (body("df.gk.totals('day')", of_frame(1000, 60)), "", 1),
    "shape, 1,000 hourly": (body("df.gk.shape()", of_frame(1000, 60)), "", 1),
    "average day, 1,000 hourly": (body("df.gk.average_day()", of_frame(1000, 60)), "", 1),
    "peaks, 1,000 hourly": (body("df.gk.peaks()", of_frame(1000, 60)), "", 1),
    "coincident, 1,000 hourly": (
        body("df.gk.coincident(['2024-07-20 17:00-05:00', '2024-08-20 17:00-05:00'])", of_frame(1000, 60)),
        "",
        1,
    ),
    "wide, 1,000 hourly": (body("df.gk.wide()", of_frame(1000, 60)), "", 1),
    "summary, 1,000 hourly": (body("greenkit.frame.summary(df)", of_frame(1000, 60)), "", 1),
    "repr, 1,000 hourly": (body("_glance.series_text(df)", of_frame(1000, 60)), "", 1),
    "HTML, 1,000 hourly": (body("_glance.series_html(df)", of_frame(1000, 60)), "", 1),
    "no chart of 1,000 hourly": (body("refused(df.gk.plot.completeness)", of_frame(1000, 60)), "", 1),
    "plot.load, a year": (body("df.gk.plot.load().to_json()", "df = frame_of(1, 15)"), "", 1),
    "heatmap, a year": (body("df.gk.plot.heatmap().to_json()", "df = frame_of(1, 15)"), "", 1),
    "report": (body("df.gk.report(path)", "df = frame_of(1, 60)"), "report.html", 1),
    "store": (
        body("greenkit.store.write(df, path); greenkit.store.read(path)", "df = frame_of(20, 60)"),
        "x.parquet",
        1,
    ),
}


def make_inputs(folder: Path) -> None:
    """Write the inputs of the workloads."""
    import shutil

    from greenkit import synthetic

    feeds = [sys.executable, str(HERE / "benchmarks" / "feeds.py")]
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    for name, options in {
        "1.xml": ["--size", "1"],
        "50.xml": ["--size", "50"],
        "50-24.xml": ["--size", "50", "--readings", "24"],
        "20-all.xml": ["--size", "20", "--members", "all"],
        "10-irregular.xml": ["--size", "10", "--irregular"],
    }.items():
        subprocess.run([*feeds, str(folder / name), *options], check=True, env=env, stdout=subprocess.DEVNULL)
    meters = [synthetic.household(i, tdsp="oncor") for i in range(100)]
    synthetic.write_interval_csv(folder / "100.csv", meters, "2024-10-01", "2024-11-15")
    synthetic.write_lse(folder / "100.lse", meters, "2024-10-01", "2024-11-15")
    for name in ("espi.xml", "smt-interval.csv", "smt-api.json"):
        shutil.copy(HERE / "data-samples" / name, folder)


def measure(checkout: Path, program: str, path: Path, n: int) -> dict[str, float]:
    """Run a program in a fresh process with the greenkit of one checkout."""
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(n)], check=True, env=env, capture_output=True, text=True, cwd="/"
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def interval(ratios: list[float], seed: int = 1) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the median."""
    generator = random.Random(seed)
    medians = sorted(statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


def main() -> None:
    """Measure, and print a row for each workload."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--only", default="", help="only workloads whose name contains this")
    options = parser.parse_args()
    print(
        f"{'workload':32} {'old s':>8} {'new s':>8} {'ratio':>6} {'95% of the median':>18} {'memory':>7} {'÷ frame':>7}"
    )
    for checkout in (options.before, HERE):  # else a process that may not write bytecode compiles anew each time
        compileall.compile_dir(checkout / "greenkit", quiet=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = {label: workload for label, workload in WORKLOADS.items() if options.only in label}
        if any(source for _, source, _ in chosen.values()):
            make_inputs(folder)
        for label, (program, source, n) in chosen.items():
            figure = "import" if label.startswith("import") else "cpu"
            pairs: list[tuple[dict[str, float], dict[str, float]]] = []
            for i in range(options.pairs):
                order = [options.before.resolve(), HERE] if i % 2 == 0 else [HERE, options.before.resolve()]
                taken = {checkout: measure(checkout, program, folder / source, n) for checkout in order}
                pairs.append((taken[options.before.resolve()], taken[HERE]))
            ratios = [new[figure] / old[figure] for old, new in pairs]
            memory = statistics.median(new["memory"] / max(old["memory"], 1) for old, new in pairs)
            above = statistics.median(new["memory"] / new["frame"] if new["frame"] else 0 for _, new in pairs)
            low, high = interval(ratios)
            old, new = (statistics.median(p[i][figure] for p in pairs) for i in (0, 1))
            verdict = "" if statistics.median(ratios) <= 1.05 or low <= 1.0 <= high else "  slower"
            print(
                f"{label:32} {old:8.3f} {new:8.3f} {statistics.median(ratios):6.2f} {f'{low:.2f} to {high:.2f}':>18}"
                f" {memory:7.2f} {above or '':>7.3}{verdict}",
                flush=True,
            )


if __name__ == "__main__":
    main()
