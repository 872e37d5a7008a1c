"""Rank tariff plans by what they cost for the usage in a file.

A CSV file in place of a plan is a table of offers, one in each row.
"""

from __future__ import annotations

import argparse
import sys

from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", metavar="FILE", help="a file, folder, glob pattern, ZIP or gzip file")
    parser.add_argument("plans", nargs="+", metavar="PLAN", help="a plan in TOML, or a CSV file of offers")
    parser.add_argument("--tz", metavar="ZONE", help="time zone of the site, such as America/Chicago (Green Button)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import greenkit
    from greenkit import tariffs
    from greenkit.findings import quiet

    if arguments.source.lower().endswith(".toml"):
        raise tariffs.PlanError(
            f"{arguments.source} is a plan, but the first file must contain the usage",
            next_step="Run greenkit compare-plans FILE PLAN…",
        )
    plans: list[tariffs.PlanSource] = []
    for path in arguments.plans:
        plans += tariffs.load_offers(path) if path.lower().endswith(".csv") else [tariffs.load_plan(path)]
    with quiet():
        df = greenkit.load(arguments.source, tz=arguments.tz, progress=sys.stderr.isatty())
    comparison = tariffs.compare_plans(df, plans)
    write_line(comparison.ranking.to_string(index=False))
    write_line(f"\n{comparison.explain()}")
    return Exit.DONE
