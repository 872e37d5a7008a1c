"""Smart Meter Texas files against their yardsticks, as ratios within one run.

Interval CSV: ``load_smt`` against a bare, single-threaded ``pyarrow.csv.read_csv`` of the same bytes, which makes
strings of every cell and knows nothing of days. LSE: ``load_smt`` against a plain Python loop over the lines that
makes a frame. Every figure is the median of fresh processes, which take turns, in CPU seconds; the share of them that
the system takes, mostly for handing out memory, is shown, since it differs tenfold between machines and moments, and
most for pyarrow's strings. Both run on one thread. Memory is the peak above the imports.

python benchmarks/smt.py                 # wide and long files, a minute or two
python benchmarks/smt.py --huge          # also a year of 1,000 meters: 44 million rows, 4 GB on the disk
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# name → (meters, days, triplets in an LSE row or None for CSV)
FILES = {
    "csv-10000x1": (10_000, 1, None),
    "csv-100x365": (100, 365, None),
    "lse-10000x1": (10_000, 1, 96),
    "lse-10000x1-one-a-row": (10_000, 1, 1),
    "lse-100x365": (100, 365, 96),
    "lse-100x365-one-a-row": (100, 365, 1),
}
HUGE = {"lse-1000x365": (1000, 365, 96), "csv-1000x365": (1000, 365, None)}
TARGETS = {"csv": (1.5, 0.5), "lse": (0.5, 0.2)}


# what is measured; each runs in a process of its own


def load_smt(path: str) -> int:
    import greenkit.smt

    warnings.simplefilter("ignore")

    def run() -> tuple[int, int]:
        df = greenkit.smt.load_smt(path)
        return len(df), int(df.memory_usage(deep=True).sum())

    return _measured(run)


def arrow(path: str) -> int:
    from pyarrow import csv

    def run() -> tuple[int, int]:
        table = csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False))
        return table.num_rows, table.nbytes

    return _measured(run)


def loop(path: str) -> int:
    import datetime as dt
    import zoneinfo

    import pandas as pd

    zone = zoneinfo.ZoneInfo("America/Chicago")

    def run() -> tuple[int, int]:
        meters, channels, starts, values, statuses = [], [], [], [], []
        begins = {}
        with open(path) as file:
            for line in file:
                cells = line.rstrip("\n").split(",")
                if cells[0] == "00000001":
                    meter, channel = cells[1], cells[2]
                    at = begins.get(cells[3])
                    if at is None:
                        local = dt.datetime.strptime(cells[3], "%Y%m%d%H%M%S").replace(tzinfo=zone)
                        at = begins[cells[3]] = int(local.timestamp())
                elif cells[0] == "00000002":
                    step = int(cells[7])
                elif cells[0] > "1":
                    for i in range(1, len(cells) - 1, 3):
                        meters.append(meter)
                        channels.append(channel)
                        starts.append(at)
                        values.append(float(cells[i]) if cells[i] else float("nan"))
                        statuses.append(cells[i + 1])
                        at += step
        df = pd.DataFrame({
            "meter": pd.Categorical(meters), "channel": pd.Categorical(channels), "value": values,
            "start": pd.to_datetime(starts, unit="s", utc=True).tz_convert(zone), "status": pd.Categorical(statuses),
        })  # fmt: skip
        return len(df), int(df.memory_usage(deep=True).sum())

    return _measured(run)


def _measured(run) -> int:
    _forget_peak()
    before, begun, clock = _peak(), resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows, size = run()
    clock, used = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_SELF)
    user, system = used.ru_utime - begun.ru_utime, used.ru_stime - begun.ru_stime
    spent = {"cpu": user + system, "system": system, "wall": clock}
    print(json.dumps(spent | {"rows": rows, "frame": size, "peak": _peak() - before}))
    return 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Give the largest resident size so far, in bytes (Linux)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


# the run


def measure(candidates: list[str], path: Path, runs: int) -> list[dict[str, float]]:
    """Run candidates by turns, each time in a fresh process; give the medians of each."""
    found: dict[str, list[dict[str, float]]] = {what: [] for what in candidates}
    for _ in range(runs):
        for what, figures in found.items():
            command = [sys.executable, __file__, "--one", what, path]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            figures.append(json.loads(out.stdout))
    return [{key: statistics.median(one[key] for one in figures) for key in figures[0]} for figures in found.values()]


def _cpu(figures: dict[str, float]) -> str:
    return f"{figures['cpu']:.2f} ({figures['system']:.2f})"


def main() -> int:
    """Write the files, measure, print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--only", default="", help="part of the name of the files to measure")
    parser.add_argument("--folder", type=Path, help="where the files are kept for the next time")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return {"load_smt": load_smt, "arrow": arrow, "loop": loop}[args.one[0]](args.one[1])
    import feeds

    with tempfile.TemporaryDirectory() as folder:
        kept = args.folder or Path(folder)
        kept.mkdir(exist_ok=True, parents=True)
        print(
            f"{'file':24} {'MB':>6} {'rows':>11} {'CPU s (system)':>15} {'wall s':>7} {'yardstick':>15} {'÷ it':>16} "
            f"{'÷ it, user':>11} {'peak ÷ frame':>13}"
        )
        for name, (meters, days, per_row) in {**FILES, **(HUGE if args.huge else {})}.items():
            if args.only not in name:
                continue
            kind = name[:3]
            path = kept / f"{name}.{kind}"
            if not path.exists():
                feeds.smt(path, meters, days, per_row or 96)
            huge = name in HUGE
            yardstick = [] if huge else [{"csv": "arrow", "lse": "loop"}[kind]]
            mine, *others = measure(["load_smt", *yardstick], path, 1 if huge else args.runs)
            must, wish = TARGETS[kind]
            compared = f"{'–':>15} {'–':>16} {'–':>11}"
            for other in others:
                ratio = f"{mine['cpu'] / other['cpu']:.2f} ({must}, {wish})"
                user = (mine["cpu"] - mine["system"]) / (other["cpu"] - other["system"])
                compared = f"{_cpu(other):>15} {ratio:>16} {user:11.2f}"
            print(
                f"{name:24} {path.stat().st_size / 1e6:6.0f} {mine['rows']:11,.0f} {_cpu(mine):>15} "
                f"{mine['wall']:7.2f} {compared} {mine['peak'] / mine['frame']:13.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
