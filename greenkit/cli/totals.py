"""Print the totals of each series by hour, day, week, month, or year of the local calendar.

example:
  greenkit totals usage.xml --period day
"""

from __future__ import annotations

import argparse
from typing import Final

from greenkit.cli import _source
from greenkit.cli._command import Exit, write_findings, write_line

_SHOWN: Final = (
    "meter", "flow", "series", "period", "value", "unit", "hours", "present", "expected", "estimated", "cost",
    "currency",
)  # fmt: skip
"""Columns that fit into a terminal; --json prints all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    parser.add_argument(
        "--period",
        default="month",
        metavar="PERIOD",
        help="15min, 30min, hour, day, week, month, quarter, season, year, or bill; also as adverbs, such as monthly "
        "(default: %(default)s)",
    )
    _source.add_bills(parser)
    _source.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    from greenkit.analysis.totals import SPELLINGS
    from greenkit.errors import FormatError

    if SPELLINGS.get(arguments.period) == "bill":
        df, bills = _source.load_with_bills(arguments)
        if bills is None:
            raise FormatError("The files have no bills", next_step="Pass --bills with a file that has them.")
    else:
        df, bills = _source.load(arguments), None
    table = df.gk.totals(arguments.period, bills=bills)
    if arguments.json:
        write_line(_source.to_json(totals=table, findings=df.gk.findings.as_list()))
        return Exit.DONE
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 10_000):
        write_line(table[[name for name in _SHOWN if name in table.columns]].to_string(index=False))
    write_findings(df.gk.findings)
    return Exit.DONE
