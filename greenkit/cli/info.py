"""Summarize a Green Button or Smart Meter Texas file."""

from __future__ import annotations

import argparse
import sys

from greenkit.cli._command import Exit, write_line

ALIASES = ("load",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", nargs="+", metavar="FILE", help="a file, folder, glob pattern, ZIP or gzip file")
    parser.add_argument(
        "--tz",
        type=_time_zone,
        metavar="ZONE",
        help="time zone of the site, such as America/Chicago (Green Button)",
    )
    parser.add_argument(
        "--epoch",
        default="utc",
        choices=("utc", "local", "standard"),
        help="what the timestamps count: UTC, local time, or standard time (Green Button; default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    import pandas as pd

    import greenkit
    from greenkit import frame
    from greenkit.findings import quiet

    source = arguments.source if len(arguments.source) > 1 else arguments.source[0]
    with quiet():  # all findings are printed below
        df = greenkit.load(source, tz=arguments.tz, epoch=arguments.epoch, progress=sys.stderr.isatty())
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_colwidth", 40):
        write_line(frame.summary(df).to_string(index=False) if len(df) else "no interval readings")
        if len(df):
            write_line(f"\nthe first of {len(df):,} rows:\n{df[list(frame.COLUMNS)].head().to_string(index=False)}")
    write_line(f"\n{df.gk.findings}")
    return Exit.DONE


def _time_zone(name: str) -> str:
    from greenkit.espi._clock import check_zone

    try:
        return check_zone(name)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
