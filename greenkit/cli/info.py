"""Summarize a Green Button file, a Smart Meter Texas file, or a utility table.

For a table that greenkit does not know, ``--explain`` prints a mapping to start from; pass it to any command with
``--layout``.

example:
  greenkit info usage.csv --tz America/Chicago
"""

from __future__ import annotations

import argparse
import re
import shlex
from typing import TYPE_CHECKING, Final

from greenkit.cli import _source
from greenkit.cli._command import Exit, as_options, write_line

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.detect import Contents

ALIASES = ("load",)
_MOST: Final = 5
"""Most bills and register readings that are printed."""
_MAPPING: Final = "schema = 1"
_NO_MAPPING: Final = "needs no mapping"
_REGISTERS: Final = ("meter", "flow", "usage_date", "start", "time", "start_reading", "end_reading", "value", "unit")


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
    from greenkit import frame

    if arguments.explain:
        texts = [_explain(source, arguments) for source in arguments.source]
        write_line("\n".join(texts))
        return Exit.DONE if all(_MAPPING in text or _NO_MAPPING in text for text in texts) else Exit.FAILED
    found = _source.open_files(arguments)
    df = found.readings
    bills = _source.bills_of(found, _source.zone_of(df, arguments))
    if arguments.json:
        parts = {"bills": bills} if bills is not None else {}
        summary = frame.summary(df)
        write_line(_source.to_json(series=summary, rows=len(df), findings=found.findings.as_list(), **parts))
        return Exit.DONE
    _print(found, bills, _source.zone_of(df, arguments))
    if len(found.findings):
        text = re.sub(r" To see [\w ]+, run greenkit info FILE\.", "", as_options(str(found.findings)))
        write_line(f"\n{text}")
    else:
        write_line("\nNo problems while reading.")
    if len(df):
        file = shlex.quote(arguments.source[0]) if len(arguments.source) == 1 else "FILE…"
        write_line(f"For gaps, estimates, and implausible values, run greenkit quality {file}.")
    return Exit.DONE


def _explain(source: str, arguments: argparse.Namespace) -> str:
    """Return the mappings of the tables in a file, or raise FormatError if it has none and needs none."""
    from greenkit import detect, tables
    from greenkit.errors import FormatError

    kinds = detect.kinds_of(source)
    if kinds <= {"espi", "smt"}:
        raise FormatError(
            f"{source} needs no mapping, because it is not a table", next_step=f"Run greenkit info {source}."
        )
    if kinds == {"other"}:
        detect.open_contents(source)  # raises the error that says what the file is
    return tables.explain_table(source, arguments.layout, tz=arguments.tz)


def _print(found: Contents, bills: pd.DataFrame | None, zone: str) -> None:
    """Print the series, the first rows, and what else the files have."""
    import pandas as pd

    from greenkit import frame
    from greenkit.findings import counted

    df = found.readings
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_colwidth", 40):
        write_line(_summary(df).to_string(index=False) if len(df) else "There are no interval readings.")
        if len(df):
            write_line(f"\nthe first of {len(df):,} rows:\n{df[list(frame.COLUMNS)].head().to_string(index=False)}")
        if bills is not None:
            shown = _source.printable_bills(bills.head(_MOST), zone)
            write_line(f"\n{counted(len(bills), 'bill')}{_first(bills)}:\n{shown.to_string(index=False, na_rep='')}")
        for part in found.parts:
            if len(part.registers):
                table = part.registers.head(_MOST)
                shown = table[[name for name in _REGISTERS if name in table.columns]]
                count = counted(len(part.registers), "register reading")
                write_line(
                    f"\n{count}, which must never be added to usage{_first(part.registers)}:\n"
                    f"{shown.to_string(index=False, na_rep='')}"
                )


def _first(table: pd.DataFrame) -> str:
    return f"; the first {_MOST}" if len(table) > _MOST else ""


def _summary(df: pd.DataFrame) -> pd.DataFrame:
    """Return the summary with headings that state their units: minutes, and percent of the time with values."""
    from greenkit import frame

    table = frame.summary(df)
    table["interval"] = (table["interval"] / 60).map("{:g}".format)
    table["complete"] = (table["complete"] * 100).map("{:.2f}".format)
    headings = {"first": "start", "last": "end (exclusive)", "interval": "minutes", "complete": "complete %"}
    return table.rename(columns=headings)
