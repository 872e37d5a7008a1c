"""Write an HTML report of meter data: quality, totals, bills, load shape, and charts.

The bills in the files, or those of ``--bills``, are compared with the intervals. The page needs no network. To get a
PDF, open the page in a browser and print it.

example:
  greenkit report usage.xml -o january.html --title "January"
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenkit.cli import _source
from greenkit.cli._command import Exit, write_findings, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="PAGE",
        help="page to write (default: %(default)s)",
    )
    parser.add_argument("--title", default="Meter data report", help="headline of the page (default: %(default)s)")
    _source.add_bills(parser)
    parser.add_argument("--notebook", action="store_true", help="also write a notebook and the data next to the page")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.errors import SettingsError

    if arguments.output.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(
            f"A report is an HTML page, but {arguments.output.name} does not end in .html",
            next_step="Name the output report.html, and print that page from a browser for a PDF.",
        )
    df, bills = _source.load_with_bills(arguments)
    page = df.gk.report(arguments.output, title=arguments.title, bills=bills, notebook=arguments.notebook)
    write_line(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB).")
    write_findings(df.gk.findings)
    return Exit.DONE
