"""Files of any size to measure with, streamed from the synthetic writers.

python benchmarks/feeds.py out.xml --size 100 --layout compact --readings 24 --prefix espi --members all
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from greenkit import synthetic
from greenkit.synthetic import _smt_csv
from greenkit.synthetic._dialects import CONFORMING, Dialect, variant

PREFIXES = {"default": {}, "espi": {"espi_prefix": "espi"}, "ns0": {"espi_prefix": "ns0", "atom_prefix": "ns1"}}
MEMBERS = {
    "few": {"members": ("timePeriod", "value"), "summary": None, "power_quality": False},
    "all": {"members": ("cost", "quality", "timePeriod", "value", "tier", "tou", "cpp"), "quality": "all"},
}


class _Counted:
    """A file that counts its bytes; an irregular one puts an attribute on each value."""

    def __init__(self, file: BinaryIO, irregular: bool) -> None:
        self.file, self.size, self.irregular = file, 0, irregular

    def write(self, data: bytes) -> None:
        if self.irregular:
            data = data.replace(b"<value>", b'<value status="0">')
        self.size += len(data)
        self.file.write(data)


def dialect(
    layout: str = "pretty",
    readings: int = 96,
    prefix: str = "default",
    members: str = "few",
) -> Dialect:
    """The switches of a feed."""
    return variant(pretty=layout == "pretty", block=readings, **PREFIXES[prefix], **MEMBERS[members])


def espi(path: str | Path, size: int, style: Dialect = CONFORMING, *, irregular: bool = False) -> Path:
    """Write a feed of at least ``size`` bytes (and less than one meter's quarter of a year more)."""
    window = ("2024-01-01", "2024-04-01") if size >= 20_000_000 else ("2024-03-04", "2024-03-18")
    with open(path, "wb") as file:
        counted = _Counted(file, irregular)

        def meters() -> Iterator[synthetic.Meter]:
            seed = 0
            while counted.size < size or not seed:
                seed += 1
                yield synthetic.household(seed)

        synthetic.write_espi(counted, meters(), *window, dialect=style)
    return Path(path)


DISTINCT = 40
"""Meters of which a large SMT file is made; the others are the same under other ESI IDs."""


def smt(path: str | Path, meters: int, days: int, per_row: int = 96) -> Path:
    """Write an SMT file of any number of meters and days: LSE where the name ends .lse, else interval CSV.

    Every fourth meter has panels, so two series.
    """
    first = dt.date(2024, 1, 1)
    kinds = [
        _under_a_token(path, i, first, first + dt.timedelta(days=days), per_row) for i in range(min(meters, DISTINCT))
    ]
    with open(path, "wb") as file:
        if Path(path).suffix != ".lse":
            file.write((",".join(_smt_csv.INTERVAL) + "\n").encode())
        for number in range(meters):
            file.write(kinds[number % len(kinds)].replace(TOKEN, b"10443720%09d" % (number + 1)))
    return Path(path)


TOKEN = b"@"


def _under_a_token(path: str | Path, number: int, start: dt.date, end: dt.date, per_row: int) -> bytes:
    meter = synthetic.household(number + 1, tdsp="oncor", solar=5.0 if number % 4 == 0 else 0.0)
    meter, file = replace(meter, id=TOKEN.decode()), io.BytesIO()
    if Path(path).suffix == ".lse":
        synthetic.write_lse(file, [meter], start, end, layout=synthetic.Lse(per_row=per_row))
        return file.getvalue()
    synthetic.write_interval_csv(file, [meter], start, end)
    return file.getvalue().partition(b"\n")[2]


def main() -> None:
    """Write one file and say how fast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", type=float, default=100.0, help="megabytes (10^6)")
    parser.add_argument("--layout", choices=["pretty", "compact"], default="pretty")
    parser.add_argument("--readings", type=int, default=96, help="readings in a block")
    parser.add_argument("--prefix", choices=list(PREFIXES), default="default")
    parser.add_argument("--members", choices=list(MEMBERS), default="few")
    parser.add_argument("--irregular", action="store_true")
    parser.add_argument("--meters", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--per-row", type=int, default=96, help="triplets in an LSE row")
    args = parser.parse_args()
    begun = time.process_time()
    if args.path.suffix in (".lse", ".csv"):
        smt(args.path, args.meters, args.days, args.per_row)
    else:
        style = dialect(args.layout, args.readings, args.prefix, args.members)
        espi(args.path, int(args.size * 1e6), style, irregular=args.irregular)
    spent, size = time.process_time() - begun, args.path.stat().st_size
    print(f"{args.path}: {size:,} bytes, {size / 1e6 / spent:.0f} MB/s of CPU time")


if __name__ == "__main__":
    main()
