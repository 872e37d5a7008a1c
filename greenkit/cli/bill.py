"""Price a Green Button, Smart Meter Texas, or table file on a tariff plan, line by line.

Bills are calendar months in local time. ``--explain`` prints one bill with its rules and doubts.
"""

from __future__ import annotations

import argparse
import sys

from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", nargs="+", metavar="FILE", help="a file, folder, glob pattern, ZIP or gzip file")
    parser.add_argument("--plan", required=True, metavar="PLAN", help="a plan in TOML, or a URDB rate as JSON or CSV")
    parser.add_argument("--label", metavar="LABEL", help="which rate of a URDB file to use")
    parser.add_argument(
        "--explain", nargs="?", const="", metavar="BILL", help="explain one bill, such as 2025-01 (default: the first)"
    )
    parser.add_argument("--tz", metavar="ZONE", help="time zone of the site, such as America/Chicago (Green Button)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    import greenkit
    from greenkit.findings import quiet

    source = arguments.source if len(arguments.source) > 1 else arguments.source[0]
    plan = greenkit.load_plan(arguments.plan, label=arguments.label)
    with quiet():
        df = greenkit.load(source, tz=arguments.tz, progress=sys.stderr.isatty())
    bill = greenkit.tariffs.price(df, plan)
    if arguments.explain is not None:
        try:
            write_line(bill.explain(arguments.explain or None))
        except KeyError as e:
            write_line(f"Error: {e.args[0]}", error=True)
            return Exit.FAILED
        return Exit.DONE
    lines = bill.frame[["meter", "bill", "line", "season", "period", "tier", "quantity", "unit", "price", "amount"]]
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 2_000):
        write_line(lines.to_string(index=False) if len(lines) else "There is no bill.")
        write_line(f"\n{bill}")
    return Exit.DONE
