"""Download single files from the server, as the server has them.

NAME is a path, intervaldata/FILE, or the name of a file in the first folder of the settings. The files are neither
decrypted nor recorded, and nothing is deleted on the server; greenkit fetch does all of that. An existing file is not
replaced.

example:
  greenkit get smt intervaldata/20260712.lse.asc
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenkit.cli import _smt
from greenkit.cli._command import Exit, write_line
from greenkit.errors import SettingsError, TransferError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _smt.add_arguments(parser)
    parser.add_argument("names", nargs="+", metavar="NAME", help="file on the server (repeatable)")
    parser.add_argument("--into", metavar="DIR", default=".", help="local folder (default: the current one)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import _files

    folder = Path(arguments.into).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with _smt.connected(arguments) as remote:
        for name in arguments.names:
            path = server_path(name, remote.endpoint.folders)
            target = _files.inside(folder, path.rpartition("/")[2])
            if target.exists():
                raise SettingsError(f"{target} already exists", next_step="Move it, or pass --into another folder.")
            size, received = remote.stat(path).size, 0
            with _files.atomic(target) as file:

                def write(data: bytes, file=file) -> None:  # type: ignore[no-untyped-def]
                    nonlocal received
                    received += len(data)
                    file.write(data)

                remote.fetch(path, write)
                if size not in (None, received):
                    raise TransferError(
                        f"Only {received:,} of {size:,} bytes of {path!r} arrived", next_step="Run the command again."
                    )
            write_line(f"{target}: {received:,} bytes")
    return Exit.DONE


def server_path(name: str, folders: tuple[str, ...]) -> str:
    """Return the path on the server; a bare name is in the first folder.

    Examples
    --------
    >>> server_path("a.asc", ("intervaldata",)), server_path("adhocusage/b.asc", ("intervaldata",))
    ('intervaldata/a.asc', 'adhocusage/b.asc')
    """
    from greenkit.transfer._remote import join

    return name if "/" in name or not folders else join(folders[0], name)
