"""The arguments of the commands that load files, and their JSON output."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = 1
"""Version of the JSON output. A program that reads it refuses a newer one."""


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the files to load, and the options for the clock of a Green Button feed."""
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


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for JSON output."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def load(arguments: argparse.Namespace) -> pd.DataFrame:
    """Load the files into one frame, without warnings: each command prints the findings itself."""
    import greenkit
    from greenkit.findings import quiet

    source = arguments.source if len(arguments.source) > 1 else arguments.source[0]
    with quiet():
        return greenkit.load(source, tz=arguments.tz, epoch=arguments.epoch, progress=sys.stderr.isatty())


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
