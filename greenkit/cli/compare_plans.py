"""Rank tariff plans by what they cost for the usage in a file.

A CSV file in place of a plan is a table of offers, one in each row.

example:
  greenkit compare-plans usage.xml mine.toml offers.csv
"""

from __future__ import annotations

import argparse

from greenkit.cli import _source
from greenkit.cli._command import Exit, write_findings, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser, several=False)
    parser.usage = "%(prog)s FILE PLAN [PLAN ...] [options]"
    parser.add_argument("plans", nargs="+", metavar="PLAN", help="a plan in TOML, or a CSV file of offers")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import tariffs

    if arguments.source.lower().endswith(".toml"):
        raise tariffs.PlanError(
            f"{arguments.source} is a plan, but the first file must contain the usage",
            next_step="Run greenkit compare-plans FILE PLAN…",
        )
    plans: list[tariffs.PlanSource] = []
    for path in arguments.plans:
        plans += tariffs.load_offers(path) if path.lower().endswith(".csv") else [tariffs.load_plan(path)]
    df = _source.load(arguments)
    write_findings(df.gk.findings)
    comparison = tariffs.compare_plans(df, plans)
    write_line(comparison.ranking.to_string(index=False))
    write_line(f"\n{comparison.explain()}")
    return Exit.DONE
