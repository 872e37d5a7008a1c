"""Compare the results of every analysis with those of another checkout, on the frames that the other one reads.

    git worktree add ../before 275f474
    python tests/soak/equal_results.py ../before data-samples ../shared/corpus

The other checkout loads each file and stores its frame as Parquet. Both checkouts read that frame and compute every
analysis in a process of their own, and the results are compared column by column. A difference is printed with its reason
where a rule has changed on purpose (:data:`REASONS`), and as unexplained otherwise; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent.parent
# name of 0.1 → name now
RENAMED = {"repeated": "duplicates", "contradicting": "conflicting", "whole": "is_complete"}
# rule that has changed since 0.1 → (analyses that it changes, "" for all, and why)
REASONS = {
    "relations": ("", "series are combined to physical flows, and copies are counted once"),
    "revisions": ("", "of the revisions of a day, only the newest counts"),
    "long": ("shape", "percentiles of a day are NaN for intervals longer than 3 hours"),
    "duplicates": ("summary", "a duplicate start is counted once in the completeness"),
}
PERIODS = ("hour", "day", "week", "month", "season", "year")


# -- in the process of one checkout


def load(folder: str) -> None:
    """Load each listed file, and store its frame under its number."""
    import greenkit
    from greenkit import store

    for number, file in enumerate(Path(folder, "files").read_text().split("\n")):
        try:
            df = greenkit.load(file)
        except Exception as e:  # noqa: BLE001 the other checkout may fail in any way on a damaged file
            print(f"not loaded: {Path(file).name}: {type(e).__name__}", file=sys.stderr)
            continue
        if len(df):
            store.write(df, Path(folder) / f"{number:04d}.parquet")


def analyses(df: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Return every analysis of a frame by name."""
    import greenkit

    gk: Any = df.gk
    first, last = df["start"].min(), df["end"].max()
    middle = (first + (last - first) / 2).normalize()
    dates = [first.normalize(), middle, last.normalize()]
    report = {}

    def quality(name: str) -> Any:
        report.setdefault("all", gk.quality())
        if name == "findings":
            found = [(f.severity, f.name, sorted(map(str, f.evidence.items()))) for f in report["all"].findings]
            return pd.DataFrame([str(f) for f in found], columns=["finding"])
        return getattr(report["all"], name)

    return {
        **{f"totals {period}": lambda period=period: gk.totals(period) for period in PERIODS},
        **{f"flows {period}": lambda period=period: gk.flows(period) for period in PERIODS},
        "totals bill": lambda: gk.totals("bill", bills=dates),
        "reconcile": lambda: gk.reconcile(pd.DataFrame({"start": dates[:-1], "end": dates[1:], "value": 100.0})),
        **{f"quality {name}": lambda name=name: quality(name)
           for name in ("table", "days", "months", "gaps", "runs", "spikes", "findings")},
        "shape and load factor": gk.shape,
        "duration": gk.duration,
        "peaks": gk.peaks,
        "all peaks": lambda: gk.peaks(5, one_a_day=False),
        "average day": gk.average_day,
        "average day by month": lambda: gk.average_day(("month", "weekday")),
        "coincident": lambda: gk.coincident([middle, last]),
        "compare": lambda: gk.compare((dates[0], dates[1]), (dates[1], dates[2])),
        "fill gaps": gk.fill_gaps,
        "without duplicates": getattr(gk, "drop_duplicates", None) or gk.unique,
        "wide": gk.wide,
        "series": gk.series,
        "summary": lambda: greenkit.frame.summary(df),
    }  # fmt: skip


def compute(folder: str, out: str) -> None:
    """Compute every analysis of every stored frame, and pickle the results, or the names of errors."""
    import importlib

    from greenkit import store
    from greenkit.errors import GreenkitError

    importlib.import_module("greenkit.export")
    results: dict[tuple[str, str], Any] = {}
    for path in sorted(Path(folder).glob("*.parquet")):
        df = store.read(path)
        df.attrs = {}
        results[path.stem, "changed"] = _changed(df)
        for name, analysis in analyses(df).items():
            try:
                made = analysis()
            except (GreenkitError, ValueError) as e:
                made = type(e).__name__
            if isinstance(made, pd.DataFrame | pd.Series):
                made.attrs = {}
            results[path.stem, name] = made
    Path(out).write_bytes(pickle.dumps(results))


def _changed(df: pd.DataFrame) -> list[str]:
    """Return which changed rules apply to a frame; none in a checkout that has none of them."""
    from greenkit import frame

    if not hasattr(frame, "relations"):
        return []
    keys = [*frame.SERIES, "start"]
    applies = {
        "relations": len(frame.relations(df)) > 0,
        "revisions": len(frame.latest(df)) < len(df),
        "long": bool((df["end"] - df["start"] > pd.Timedelta(hours=3)).any()),
        "duplicates": bool(df.duplicated(keys).any()),
    }
    return [name for name, so in applies.items() if so]


# -- comparing


def difference(name: str, then: Any, now: Any) -> str:
    """Return the first difference between two results of an analysis, or ""."""
    if type(then) is not type(now):
        return f"{_short(then)} → {_short(now)}"
    if isinstance(then, str):
        return "" if then == now else f"{then} → {now}"
    if isinstance(then, list):
        return "" if then == now else "another list"
    if isinstance(then, pd.Series):
        then, now = then.to_frame(), now.to_frame()
    if not isinstance(then.columns, pd.MultiIndex):
        # 0.1 counted what is expected in the complete month, also for a month that the data does not cover
        months = {"expected": "expected_in_month"} if name == "quality months" else {}
        then = then.rename(columns=RENAMED | months)
        lost = [c for c in then.columns if c not in now.columns]
        if lost:
            return f"without column {', '.join(lost)}"
        now = now[list(then.columns)]
    if len(then) != len(now):
        return f"{len(then)} → {len(now)} rows"
    try:
        pd.testing.assert_frame_equal(
            then, now, check_dtype=False, check_categorical=False, check_index_type=False, rtol=1e-9, atol=1e-9
        )
    except AssertionError as e:
        return " ".join(str(e).split())[:160]
    return ""


def _short(result: Any) -> str:
    return result if isinstance(result, str) else type(result).__name__


def run(checkout: Path, *arguments: str) -> None:
    """Run this script in the process of a checkout."""
    env = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    subprocess.run([sys.executable, str(HERE), *arguments], check=True, env=env, cwd="/")


def main() -> int:
    """Load, compute in both checkouts, and print what is equal and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("sources", type=Path, nargs="+", help="files, or folders of files")
    options = parser.parse_args()
    files = sorted(
        str(f.resolve()) for s in options.sources for f in ([s] if s.is_file() else s.rglob("*")) if f.is_file()
    )
    equal: Counter[str] = Counter()
    differs: list[tuple[str, str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "files").write_text("\n".join(files))
        run(options.before, "--load", folder)
        for name, checkout in (("then", options.before), ("now", ROOT)):
            run(checkout, "--compute", folder, f"{folder}/{name}.pickle")
        then, now = (pickle.loads(Path(folder, f"{name}.pickle").read_bytes()) for name in ("then", "now"))
    for (number, name), result in then.items():
        if name == "changed":
            continue
        text = difference(name, result, now[number, name])
        reason = next((r for r in now[number, "changed"] if name.startswith(REASONS[r][0])), "")
        if text:
            differs.append((files[int(number)], name, reason, text))
        else:
            equal[name] += 1
    frames = len({number for number, _ in then})
    print(f"{frames} frames of {len(files)} files; {sum(equal.values())} results equal, {len(differs)} different")
    for reason, count in Counter(row[2] for row in differs).items():
        print(f"  {count}: {REASONS[reason][1] if reason else 'unexplained'}")
    for file, name, reason, text in differs:
        print(f"{'-' if reason else '!'} {Path(file).name}: {name}: {text}")
    return 0 if all(row[2] for row in differs) else 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--load"]:
        load(sys.argv[2])
    elif sys.argv[1:2] == ["--compute"]:
        compute(*sys.argv[2:])
    else:
        sys.exit(main())
