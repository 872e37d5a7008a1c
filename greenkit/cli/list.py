"""List the files on the server.

Prints the size, the date in UTC, and the path of each file of the folders of the settings, or of the given ones, sorted
by name within a folder.

example:
  greenkit list smt
"""

from __future__ import annotations

import argparse
import contextlib

from greenkit.cli import _smt
from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _smt.add_arguments(parser)
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="remote folder (default: those of the settings)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.transfer._remote import Stat, join

    with _smt.connected(arguments) as remote:
        for folder in arguments.folders or remote.endpoint.folders:
            for name in sorted(remote.names(folder)):
                path, found = join(folder, name), Stat()
                with contextlib.suppress(FileNotFoundError):  # it was deleted after the listing
                    found = remote.stat(path)
                size = "?" if found.size is None else f"{found.size:,}"
                date = f"{found.modified:%Y-%m-%d %H:%M:%S}" if found.modified else "?"
                write_line(f"{size:>15}  {date:<19}  {path}")
    return Exit.DONE
