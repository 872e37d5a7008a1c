"""How long the analysis takes, as ratios of summing the values by meter with pandas, in one run.

python benchmarks/analysis.py            # one meter-year of 15-minute data, and 1,000 meter-years of hourly data
python benchmarks/analysis.py --meters 100

It also times the relations as a share of the quality checks, and the display of 10,000 meters. For ratios to another
checkout, and for memory, see ``benchmarks/compare.py``.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from greenkit import _glance, frame, plot
from greenkit.analysis import quality, shape, totals
from greenkit.times import US, midnights, to_times

ZONE = "America/Chicago"
# charts of a frame that need nothing else
CHARTS = ("average_day", "calendar", "completeness", "duration", "heatmap", "load", "monthly", "peak_days", "week")


def frame_of(meters: int, minutes: int, days: int = 366) -> pd.DataFrame:
    """A year of seeded load of so many meters, built column by column."""
    first = midnights(["2024-01-01"], ZONE)[0]
    last = midnights([np.datetime64("2024-01-01") + days], ZONE)[0]
    start = np.arange(first, last, minutes * 60 * US)
    hour = (start // (3600 * US)) % 24
    random = np.random.default_rng(1)
    shape_of_day = (0.4 + np.exp(-(((hour - 23) % 24 - 2) ** 2) / 12)) * minutes / 60
    value = (random.gamma(4, 0.25, (meters, len(start))) * shape_of_day).round(3).reshape(-1)
    n = len(value)
    names = [f"1008901{i:015d}" for i in range(meters)]
    one = np.zeros(n, dtype=np.int8)
    code = np.repeat(np.arange(meters), len(start))
    estimated = (random.random(n) < 0.01).astype(np.int8)
    return pd.DataFrame(
        {
            "meter": pd.Categorical.from_codes(code, names),
            "series": pd.Categorical.from_codes(one, ["4"]),
            "flow": pd.Categorical.from_codes(one, ["delivered"]),
            "start": to_times(np.tile(start, meters), ZONE),
            "end": to_times(np.tile(start + minutes * 60 * US, meters), ZONE),
            "value": value,
            "unit": pd.Categorical.from_codes(one, ["kWh"]),
            "zone": pd.Categorical.from_codes(one, [ZONE]),
            "quality": pd.Categorical.from_codes(estimated, ["actual", "estimated"]),
        },
        copy=False,
    )


def timed(call: Callable[[], object], repeat: int) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(repeat):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return float(np.median(taken))


def measure(df: pd.DataFrame, pictures: bool, repeat: int) -> None:
    calls: dict[str, Callable[[], object]] = {
        "quality": lambda: quality.assess(df),
        "totals by hour": lambda: totals.by_period(df, "hour"),
        "totals by day": lambda: totals.by_period(df, "day"),
        "totals by month": lambda: totals.by_period(df, "month"),
        "shape": lambda: shape.summarize(df),
        "peaks": lambda: shape.peaks(df),
        "average day": lambda: shape.average_day(df),
        "coincident": lambda: shape.coincident(df, ["2024-07-20 17:00-05:00", "2024-08-20 17:00-05:00"]),
        "wide": lambda: frame.wide(df),
        "summary": lambda: frame.summary(df),
        "relations": lambda: frame.relations(df),
    }
    if pictures:
        calls |= {name: lambda name=name: getattr(plot, name)(df) for name in CHARTS}  # type: ignore[misc]
    base = timed(lambda: df.groupby("meter", observed=True)["value"].sum(), repeat)
    print(f"{len(df):,} rows; pandas groupby sum: {base:.4f} CPU s")
    taken = {}
    for name, call in calls.items():
        took = taken[name] = timed(call, repeat)
        print(
            f"  {name:<16} {took:8.3f} CPU s   {took / base:8.1f} × the groupby   {len(df) / took / 1e6:6.2f} M rows/s"
        )
    print(f"  relations are {taken['relations'] / taken['quality']:.1%} of quality")


def display(meters: int) -> None:
    """Time the text and the HTML of a frame of so many meters, a day each."""
    df = frame_of(meters, 60, days=1)
    for name, call in (("text", lambda: _glance.series_text(df)), ("HTML", lambda: _glance.series_html(df))):
        print(f"  {name:<16} {timed(call, 3):8.3f} CPU s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=60, help="interval of the many meters")
    args = parser.parse_args()
    print("one meter-year of 15 minutes")
    measure(frame_of(1, 15), pictures=True, repeat=3)
    print(f"{args.meters:,} meter-years of {args.minutes} minutes")
    measure(frame_of(args.meters, args.minutes), pictures=False, repeat=1)
    print("display of 10,000 meters")
    display(10_000)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
