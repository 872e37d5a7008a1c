"""Summarize a Green Button file, a Smart Meter Texas file, or a utility table."""

from __future__ import annotations

import argparse

from greenkit.cli import _source
from greenkit.cli._command import Exit, as_options, write_line

ALIASES = ("load",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    _source.add_json(parser)
    parser.add_argument(
        "--explain",
        action="store_true",
        help="print each table's mapping as TOML to start from, with three rows",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    from greenkit import frame, tables

    if arguments.explain:
        for source in arguments.source:
            write_line(tables.explain_table(source, tz=arguments.tz))
        return Exit.DONE
    df = _source.load(arguments)
    summary = frame.summary(df)
    if arguments.json:
        write_line(_source.to_json(series=summary, rows=len(df), findings=df.gk.findings.as_list()))
        return Exit.DONE
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_colwidth", 40):
        write_line(summary.to_string(index=False) if len(df) else "no interval readings")
        if len(df):
            write_line(f"\nthe first of {len(df):,} rows:\n{df[list(frame.COLUMNS)].head().to_string(index=False)}")
    write_line(f"\n{as_options(str(df.gk.findings))}")
    return Exit.DONE
