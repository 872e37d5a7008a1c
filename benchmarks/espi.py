"""Green Button feeds against their peers, as ratios within one run, each run in a fresh process.

Peers: ``lxml.etree.parse`` alone, which makes a tree and reads nothing; libxml2's bare check, which makes nothing at
all; a plain lxml ``iterparse`` loop that makes a frame of start, duration and value; and greenbutton-objects, where
it is installed (``pip install greenbutton-objects``). A feed of 1 MB is read ten times in its process and the last
nine count, since most users hold small files; larger ones are read once. CPU seconds, and the peak of the resident
memory above the imports (Linux).

python benchmarks/espi.py                # 1 and 100 MB: some minutes
python benchmarks/espi.py --huge         # also 1 GB
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

ESPI = "{http://naesb.org/espi}"
# name → (megabytes, what benchmarks/feeds.py makes of it)
FILES = {
    "1 MB": (1, {}),
    "100 MB": (100, {}),
    "100 MB, 24 readings a block": (100, {"readings": 24}),
    "100 MB, one reading an entry": (100, {"readings": 1}),
    "100 MB, all members, prefixes": (100, {"members": "all", "prefix": "ns0"}),
    "20 MB, attributes on members": (20, {"irregular": True}),
}
HUGE = {"1 GB": (1000, {})}


# what is measured; each takes a path and gives the rows and the bytes of its frame


def load_espi(path: str) -> tuple[int, int]:
    import greenkit.espi

    df = greenkit.espi.load_espi(path)
    return len(df), int(df.memory_usage(deep=True).sum())


def parse(path: str) -> tuple[int, int]:
    from lxml import etree

    etree.parse(path)
    return 0, 0


def check(path: str) -> tuple[int, int]:
    from lxml import etree

    class Nothing:
        def close(self) -> None:
            return None

    etree.parse(path, etree.XMLParser(target=Nothing()))
    return 0, 0


def iterparse(path: str) -> tuple[int, int]:
    import pandas as pd
    from lxml import etree

    starts, durations, values = [], [], []
    for _, block in etree.iterparse(path, tag=ESPI + "IntervalBlock"):
        for reading in block.iterfind(ESPI + "IntervalReading"):
            period = reading.find(ESPI + "timePeriod")
            starts.append(int(period.findtext(ESPI + "start")))
            durations.append(int(period.findtext(ESPI + "duration")))
            values.append(float(reading.findtext(ESPI + "value")))
        block.clear()
        entry = block.getparent().getparent()
        while entry.getprevious() is not None:
            entry.getparent().remove(entry.getprevious())
    df = pd.DataFrame({"start": pd.to_datetime(starts, unit="s", utc=True), "duration": durations, "value": values})
    return len(df), int(df.memory_usage(deep=True).sum())


def objects(path: str) -> tuple[int, int]:
    import pandas as pd
    from greenbutton_objects import parse as peer

    rows = [
        (reading.timePeriod.start, reading.timePeriod.duration, reading.value)
        for usage_point in peer.parse_feed(path)
        for meter_reading in usage_point.meterReadings
        for reading in meter_reading.intervalReadings
    ]
    df = pd.DataFrame(rows, columns=["start", "duration", "value"])
    return len(df), int(df.memory_usage(deep=True).sum())


CANDIDATES = {
    "load_espi": load_espi,
    "lxml.etree.parse": parse,
    "libxml2 check": check,
    "lxml iterparse reader": iterparse,
    "greenbutton-objects": objects,
}


def one(what: str, path: str, times: int) -> None:
    """Measure in this process, and print it as JSON."""
    import lxml.etree
    import pandas

    import greenkit.espi

    assert lxml.etree, (pandas, greenkit.espi)  # they are imported before the clock starts
    warnings.simplefilter("ignore")
    Path("/proc/self/clear_refs").write_text("5")
    before, spent = _peak(), []
    for _ in range(times):
        begun = time.process_time()
        rows, size = CANDIDATES[what](path)
        spent.append(time.process_time() - begun)
    cpu = statistics.median(spent[1:] or spent)
    print(json.dumps({"cpu": cpu, "rows": rows, "frame": size, "peak": _peak() - before}))


def _peak() -> int:
    """Give the largest resident size so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


# the run


def measure(names: list[str], path: Path, runs: int, times: int) -> dict[str, dict[str, float]]:
    """Run the candidates in turn, in fresh processes; give the medians."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for run in range(runs):
        for name in names:
            if name == "greenbutton-objects" and run > 0 and times == 1:
                continue  # it takes long, and is far from the others
            command = [sys.executable, __file__, "--one", name, str(path), str(times)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name].append(json.loads(out.stdout))
    return {name: {key: statistics.median(o[key] for o in out) for key in out[0]} for name, out in found.items()}


def candidates(name: str) -> list[str]:
    """Give what can read this file, in reasonable time and memory."""
    if name in HUGE:
        return ["load_espi", "libxml2 check"]
    with_objects = importlib.util.find_spec("greenbutton_objects") and "," not in name
    return [c for c in CANDIDATES if c != "greenbutton-objects" or with_objects]


def table(name: str, found: dict[str, dict[str, float]]) -> None:
    """Print the rows of one file."""
    mine = found["load_espi"]
    for what, cost in found.items():
        ratio = f"{mine['cpu'] / cost['cpu']:.2f}" if what != "load_espi" else ""
        frame = f" ({cost['peak'] / cost['frame']:.1f} × frame)" if what == "load_espi" and name != "1 MB" else ""
        print(f"| {name} | {what} | {cost['cpu']:.3f} | {ratio} | {cost['peak'] / 1e6:,.0f} MB{frame} |", flush=True)


def main() -> None:
    """Write the files, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--only", default="", help="part of the name of the feeds to measure")
    parser.add_argument("--folder", type=Path, help="where the feeds are kept for the next time")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "PATH", "TIMES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one[0], args.one[1], int(args.one[2]))
        return
    import feeds

    with tempfile.TemporaryDirectory() as folder:
        kept = args.folder or Path(folder)
        kept.mkdir(exist_ok=True, parents=True)
        print("| feed | reader | CPU s | load_espi ÷ it | peak above imports |\n| --- | --- | --- | --- | --- |")
        for name, (size, style) in {**FILES, **(HUGE if args.huge else {})}.items():
            if args.only not in name:
                continue
            path = kept / (name.replace(" ", "-").replace(",", "") + ".xml")
            if not path.exists():
                irregular = style.pop("irregular", False)
                feeds.espi(path, size * 1_000_000, feeds.dialect(**style), irregular=irregular)
            runs = 1 if name in HUGE else args.runs
            table(name, measure(candidates(name), path, runs, 10 if size == 1 else 1))


if __name__ == "__main__":
    main()
