"""Price a Green Button, Smart Meter Texas, or table file on a tariff plan, line by line.

Bills are calendar months in local time. ``--explain`` prints one bill with its rules and doubts.

example:
  greenkit bill usage.xml --plan plan.toml --explain 2025-01
"""

from __future__ import annotations

import argparse

from greenkit.cli import _source
from greenkit.cli._command import Exit, write_findings, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    parser.usage = "%(prog)s FILE [FILE ...] --plan PLAN [options]"
    parser.add_argument("--plan", required=True, metavar="PLAN", help="a plan in TOML, or a URDB rate as JSON or CSV")
    parser.add_argument("--rate", metavar="LABEL", help="which rate of a URDB file to use")
    parser.add_argument(
        "--explain", nargs="?", const="", metavar="BILL", help="explain one bill, such as 2025-01 (default: the first)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    import greenkit
    from greenkit import tariffs

    try:
        plan = greenkit.load_plan(arguments.plan, label=arguments.rate)
    except tariffs.PlanError as e:
        e.next_step = e.next_step.replace("label=", "--rate")
        raise
    df = _source.load(arguments)
    bill = tariffs.price(df, plan)
    write_findings(df.gk.findings)
    if arguments.explain is not None:
        try:
            write_line(bill.explain(arguments.explain or None))
        except KeyError as e:
            write_line(f"Error: {e.args[0]}", error=True)
            return Exit.FAILED
        return Exit.DONE
    lines = bill.frame[["meter", "bill", "line", "season", "period", "tier", "quantity", "unit", "price", "amount"]]
    shown = [name for name in lines if not lines[name].isin(("", 0)).all()]  # a plan without seasons needs no season
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 2_000):
        write_line(lines[shown].to_string(index=False) if len(lines) else "There is no bill.")
        write_line(f"\n{bill}")
    return Exit.DONE if len(lines) else Exit.FAILED
