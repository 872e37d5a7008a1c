"""Add new files to a dataset.

Files that the dataset has are skipped, so a nightly job passes its whole inbox. Each file that cannot be read is named,
and the others are read. The exit code is 3 if a file was refused or a worker died, 4 if other processes write all the
time, and 0 if everything is in the dataset. Encrypted files must be decrypted first: ``greenkit fetch smt`` does that.

example:
  greenkit update-dataset usage inbox/ --kind smt
"""

from __future__ import annotations

import argparse
import sys
from typing import Literal

from greenkit.cli._command import Exit, write_line
from greenkit.cli._source import _time_zone, add_json, to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("dataset", metavar="DATASET", help="folder or URL of the dataset, created if it does not exist")
    parser.add_argument("source", nargs="+", metavar="FILE", help="a file, folder, or glob pattern")
    parser.add_argument(
        "--kind",
        choices=("smt", "espi", "tables"),
        default="smt",
        help="what the files are: Smart Meter Texas, Green Button, or other tables (default: %(default)s)",
    )
    parser.add_argument("--tz", type=_time_zone, metavar="ZONE", help="time zone of the site (not for smt)")
    parser.add_argument("--layout", metavar="LAYOUT", help="mapping of tables: a TOML file, or a known layout")
    parser.add_argument("--in-order", action="store_true", help="use one process, without Dask")
    parser.add_argument("--compact", action="store_true", help="sort months that have several files by meter")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    import greenkit

    if arguments.kind == "smt":
        scan = greenkit.scan_smt(arguments.source)
    elif arguments.kind == "espi":
        scan = greenkit.scan_espi(arguments.source, tz=arguments.tz)
    else:
        scan = greenkit.scan_tables(arguments.source, arguments.layout, tz=arguments.tz)
    client: Literal["in order"] | None = "in order" if arguments.in_order else None
    report = greenkit.to_dataset(scan, arguments.dataset, client=client, progress=sys.stderr.isatty())
    replaced = greenkit.open_dataset(arguments.dataset).compact(client=client) if arguments.compact else 0
    if arguments.json:
        errors = [str(e) for e in report.errors]
        write_line(to_json(files=report.files, known=report.known, version=report.version, findings=report.findings,
                           errors=errors, compacted=replaced))  # fmt: skip
    else:
        write_line(str(report))
        if replaced:
            write_line(f"Compacted {replaced:,} files")
    return Exit.DONE if report.complete else Exit.INCOMPLETE
