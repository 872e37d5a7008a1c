"""Compare the bills with the intervals of the same periods.

Each row has a status: match and rounding need no action; the documentation lists the others and what to do.

example:
  greenkit reconcile usage.xml
  greenkit reconcile intervals.csv --bills bills.csv
"""

from __future__ import annotations

import argparse
import warnings

from greenkit.cli import _source
from greenkit.cli._command import Exit, as_options, write_findings, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    _source.add_bills(parser)
    parser.add_argument(
        "--dates",
        choices=("exclusive", "inclusive", "earlier", "later"),
        default="exclusive",
        help="how to read the dates of the bills; exclusive: a bill ends before its end date (default: %(default)s)",
    )
    _source.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    from greenkit.analysis import reconcile
    from greenkit.errors import FormatError
    from greenkit.findings import GreenkitWarning

    df, bills = _source.load_with_bills(arguments)
    if bills is None:
        raise FormatError("The files have no bills", next_step="Pass --bills with a file that has them.")
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", GreenkitWarning)
        table = df.gk.reconcile(bills, dates=arguments.dates)
    if not len(table):
        raise FormatError(
            "None of the bills belongs to a series in the files",
            next_step="Compare the meters and units of the bills with those that greenkit info shows.",
        )
    if arguments.json:
        write_line(_source.to_json(bills=table, findings=df.gk.findings.as_list()))
        return Exit.DONE
    shown = table[["meter", "flow", "start", "end", "billed", "metered", "difference", "unit", "status", "detail"]]
    for name in ("start", "end"):
        shown = shown.assign(**{name: shown[name].dt.strftime("%Y-%m-%d")})
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 2_000):
        write_line((shown.round(3).replace(-0.0, 0.0)).to_string(index=False))
    write_line()
    for status in dict.fromkeys(table["status"]):
        count = int((table["status"] == status).sum())
        write_line(f"{status} ({count:,}): {reconcile.STATUSES[status]}")
    for warning in noted:
        write_line(as_options(str(warning.message)), error=True)
    write_findings(df.gk.findings)
    return Exit.DONE
