"""Delete single files on the server.

NAME is a path, intervaldata/FILE, or the name of a file in the first folder of the settings. This cannot be undone, and
the command does not check whether a copy exists: use it for files that you do not want. greenkit fetch deletes files
after their copy is verified, if delete is set in the settings.

example:
  greenkit delete smt intervaldata/20260712.lse.asc
"""

from __future__ import annotations

import argparse

from greenkit.cli import _smt
from greenkit.cli._command import Exit, write_line
from greenkit.cli.get import server_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _smt.add_arguments(parser)
    parser.add_argument("names", nargs="+", metavar="NAME", help="file on the server (repeatable)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    with _smt.connected(arguments) as remote:
        for name in arguments.names:
            path = server_path(name, remote.endpoint.folders)
            remote.delete(path)
            write_line(f"Deleted {path}.")
    return Exit.DONE
