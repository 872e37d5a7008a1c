"""Check meter data for gaps, duplicates, estimates, and implausible values."""

from __future__ import annotations

import argparse

from greenkit.cli import _source
from greenkit.cli._command import Exit, as_options, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    _source.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    df = _source.load(arguments)
    report = df.gk.quality()
    if arguments.json:
        noted = [*df.gk.findings.as_list(), *report.findings.as_list()]
        write_line(_source.to_json(series=report.table, gaps=report.gaps, findings=noted))
        return Exit.DONE
    write_line(str(report))
    if len(df.gk.findings):
        write_line(f"\nFindings of the load:\n{as_options(str(df.gk.findings))}")
    return Exit.DONE
