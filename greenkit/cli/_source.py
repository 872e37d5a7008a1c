"""The arguments of the commands that load files, what they load, and their JSON output."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit.cli import _answers

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.detect import Contents

SCHEMA: Final = 1
"""Version of the JSON output. A program that reads it refuses a newer one."""


def add_source(parser: argparse.ArgumentParser, *, several: bool = True) -> None:
    """Add the files to load, and the options for their clock and for tables: the same for every command."""
    # the list of all options would hide the message of a wrong argument
    parser.usage = f"%(prog)s {'FILE [FILE ...]' if several else 'FILE'} [options]"
    parser.add_argument(
        "source",
        nargs="+" if several else None,
        metavar="FILE",
        help="a file, folder, glob pattern, ZIP or gzip file; Green Button, Smart Meter Texas, or a table; - reads "
        "standard input",
    )
    parser.add_argument("--tz", type=_time_zone, metavar="ZONE", help="time zone of the site, such as America/Chicago")
    parser.add_argument(
        "--epoch",
        default="utc",
        choices=("utc", "local", "standard"),
        help="what the timestamps of a Green Button feed count (default: %(default)s)",
    )
    _answers.add_arguments(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for JSON output."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_bills(parser: argparse.ArgumentParser) -> None:
    """Add the option for bills in a file of their own."""
    parser.add_argument(
        "--bills",
        metavar="BILLS",
        help="file with the bills: Green Button, Smart Meter Texas, a utility's table, or a CSV file with the columns "
        "start, end, and value, and if needed meter, flow, unit, cost, currency (default: the bills in FILE)",
    )


def open_files(arguments: argparse.Namespace) -> Contents:
    """Read everything in the files, without warnings: each command prints the findings itself."""
    from greenkit.detect import Contents, open_contents
    from greenkit.findings import quiet

    source: Any = arguments.source
    if isinstance(source, list) and len(source) == 1:
        source = source[0]
    if source == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
        source.name = "standard input"
    _refuse_toml(source)
    with quiet():
        kept = _frame_of(source)
        if kept is not None:
            return Contents(kept, ())
        return open_contents(
            source,
            tz=arguments.tz,
            epoch=arguments.epoch,
            progress=sys.stderr.isatty(),
            layout=arguments.layout,
            answers=_answers.given(arguments),
        )


def _refuse_toml(source: Any) -> None:
    """Raise FormatError for a plan or a mapping in place of a file with readings."""
    from greenkit.errors import FormatError

    for name in source if isinstance(source, list) else [source]:
        if isinstance(name, str) and name.lower().endswith(".toml"):
            raise FormatError(
                f"{name} is a TOML file, which has no readings",
                next_step="Pass the file with the readings first, then a plan with --plan or a mapping with --layout.",
            )


def load(arguments: argparse.Namespace) -> pd.DataFrame:
    """Load the intervals of the files into one frame, without warnings.

    Raises
    ------
    FormatError
        If there are none, because the commands that call this do nothing without intervals.
    """
    return intervals_of(open_files(arguments), arguments)


def intervals_of(found: Contents, arguments: argparse.Namespace) -> pd.DataFrame:
    """Return the intervals of the files, or raise FormatError if there are none."""
    from greenkit.errors import FormatError

    if len(found.readings):
        return found.readings
    nothing = found.readings.gk.findings.named("load.intervals.none")
    problem = nothing[0].text.removesuffix(".") if nothing else "The source has no interval readings"
    raise FormatError(problem, next_step="To see what it has, run greenkit info FILE.")


def _frame_of(source: Any) -> pd.DataFrame | None:
    """Return the frame of a Parquet file that ``greenkit convert`` wrote; None for any other source."""
    from greenkit import store

    if not isinstance(source, str) or not os.path.isfile(source):
        return None
    with open(source, "rb") as file:
        if file.read(4) != b"PAR1":
            return None
    return store.read(source)


# -- bills


def zone_of(df: pd.DataFrame, arguments: argparse.Namespace) -> str:
    """Return the time zone in which dates of bills are shown and read: that of the intervals, or of ``--tz``."""
    zones = [str(zone) for zone in df["zone"].unique()] if len(df) else []
    return zones[0] if len(zones) == 1 else arguments.tz or "UTC"


def bills_of(found: Contents, zone: str) -> pd.DataFrame | None:
    """Return the bills of the files in one form; None if there are none."""
    import pandas as pd

    from greenkit.analysis.bills import tidy_bills

    tables = [tidy_bills(part.bills, zone) for part in found.parts if len(part.bills)]
    return pd.concat(tables, ignore_index=True) if tables else None


def load_with_bills(arguments: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Load the intervals, and the bills of ``--bills`` or else of the same files; None if there are none."""
    found = open_files(arguments)
    df = intervals_of(found, arguments)
    zone = zone_of(df, arguments)
    return df, bills_of(found, zone) if arguments.bills is None else _read_bills(arguments.bills, zone)


def _read_bills(path: str, zone: str) -> pd.DataFrame:
    """Read bills from a file of their own: one that greenkit knows, or a CSV file with start, end, and value."""
    from greenkit.analysis.bills import tidy_bills
    from greenkit.detect import open_contents
    from greenkit.errors import AmbiguousTable, FormatError, SchemaError
    from greenkit.findings import quiet

    if Path(path).suffix.lower() == ".csv" and Path(path).is_file():
        table = read_table(path, "bills with the columns start, end, and value")
        if {"start", "end", "value"} <= set(table.columns):
            try:
                return tidy_bills(table, zone)
            except (ValueError, TypeError) as e:
                if isinstance(e, SchemaError):
                    raise
                raise FormatError(
                    f"{path}: A bill has a date or an amount that cannot be read ({e})",
                    next_step="Write dates as 2025-01-31, and amounts as numbers.",
                ) from None
    own = "Pass a file with bills, or a CSV file with the columns start, end, and value."
    with quiet():
        try:
            found = open_contents(path)
        except AmbiguousTable as e:
            if any(choice.argument != "tz" for choice in e.choices):
                raise FormatError(e.problem, next_step=own) from None
            found = open_contents(path, tz=zone)
        except FormatError as e:
            raise FormatError(e.problem, next_step=own) from None
    bills = bills_of(found, zone)
    if bills is None:
        raise FormatError(f"{path} has no bills", next_step=own)
    return bills


def printable_bills(bills: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Return bills with local dates, without the columns that are empty in all of them."""
    shown = bills.drop(columns="field")
    for name in ("start", "end"):
        shown[name] = shown[name].dt.tz_convert(zone).dt.strftime("%Y-%m-%d")
    empty = [name for name in shown.columns if shown[name].isna().all() or (shown[name] == "").all()]
    return shown.drop(columns=empty)


def read_table(path: str, what: str) -> pd.DataFrame:
    """Read a small CSV file of the user, with meters as text.

    Raises
    ------
    FormatError
        If the file is not a CSV file.
    """
    import pandas as pd

    from greenkit.errors import FormatError

    try:
        return pd.read_csv(path, dtype={"meter": "str"}, skipinitialspace=True)
    except ValueError as e:  # also wrong encodings and wrong numbers of columns
        raise FormatError(f"{path} is not a CSV file ({e})", next_step=f"Pass {what}, as CSV.") from None


# -- output


def to_json(**parts: Any) -> str:
    """Return the parts of a result as one JSON object with its schema; tables become lists of rows.

    Times are ISO 8601 with their offset from UTC, and a missing value is null.
    """
    import greenkit

    held = {name: _rows(part) if hasattr(part, "to_dict") else part for name, part in parts.items()}
    return json.dumps({"schema": SCHEMA, "greenkit": greenkit.__version__, **held}, indent=1, default=str)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    def plain(value: Any) -> Any:
        if pd.isna(value):
            return None
        if isinstance(value, pd.Timestamp):
            return value.isoformat()
        return value.item() if hasattr(value, "item") else value

    return [{str(name): plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _time_zone(name: str) -> str:
    from greenkit.espi._clock import check_zone

    try:
        return check_zone(name)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
