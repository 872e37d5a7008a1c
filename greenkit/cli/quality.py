"""Check meter data for gaps, duplicates, estimates, and implausible values.

Without ``--start``, ``--end``, or ``--expected``, each series is measured from its first to its last interval. The exit
code is 6 if a finding is serious. A gap, even of whole days, is not: the report lists it, and the exit code stays 0.

example:
  greenkit quality usage.xml --start 2025-01-01 --end 2026-01-01
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from greenkit.cli import _source
from greenkit.cli._command import Exit, as_options, write_line

if TYPE_CHECKING:
    import pandas as pd


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    parser.add_argument("--start", metavar="DATE", help="first day on which intervals are expected")
    parser.add_argument("--end", metavar="DATE", help="day after the last on which intervals are expected")
    parser.add_argument(
        "--expected",
        metavar="ROSTER",
        help="CSV file with a row for each meter that is expected: meter, and if needed from and to (dates)",
    )
    _source.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    roster = None if arguments.expected is None else _roster(arguments.expected)
    df = _source.load(arguments)
    report = df.gk.quality(start=arguments.start, end=arguments.end, expected=roster)
    noted = [*df.gk.findings, *report.findings]
    if arguments.json:
        found = [f.as_dict() for f in noted]
        write_line(_source.to_json(series=report.table, gaps=report.gaps, findings=found))
    else:
        text = as_options(str(report))
        if len(df.gk.findings):
            write_line(f"Findings of the load:\n{as_options(str(df.gk.findings))}\n")
            text = text.replace("\nNo findings", "\nNo further findings")
        write_line(text)
    return Exit.SERIOUS if any(f.severity == "serious" for f in noted) else Exit.DONE


def _roster(path: str) -> pd.DataFrame:
    """Read the roster of ``--expected``."""
    from greenkit.errors import FormatError

    table = _source.read_table(path, "a roster with the columns meter, from, and to")
    if "meter" not in table:
        raise FormatError(
            f"{path} has no column meter", next_step="Pass a CSV file with the columns meter, from, and to."
        )
    return table
