"""Fetch files, decrypt them, and store them in a folder.

For cron, service managers, and people at a terminal. Exit codes 3, 4, and 5 show a scheduler what happened: some files
are missing, another fetch is running, or the server does not answer. A process that is killed loses no file.

example:
  greenkit fetch smt --into smt-files
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from greenkit.cli import _smt
from greenkit.cli._command import Exit, exit_code_of, write_error, write_line
from greenkit.errors import AccessRefused, BusyError, NoGpgProgram, ServerUnavailable, SettingsError

if TYPE_CHECKING:
    from greenkit.settings import SmtSettings
    from greenkit.transfer import FetchReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _smt.add_arguments(parser)
    parser.add_argument("--dir", action="append", metavar="FOLDER", help="remote folder (repeatable)")
    parser.add_argument("--into", metavar="DIR", help="local folder (default: that of the settings)")
    parser.add_argument("--watch", type=_minutes, metavar="MINUTES", help="fetch repeatedly, with MINUTES between runs")


def run(arguments: argparse.Namespace, *, sleep: Callable[[float], object] = time.sleep) -> int:
    """Fetch once, or repeatedly until someone must act, and return an exit code."""
    with _smt.traced(arguments):
        return _run(arguments, sleep)


def _run(arguments: argparse.Namespace, sleep: Callable[[float], object]) -> int:
    from greenkit.transfer import _account

    smt = _account.smt_settings(arguments.settings)
    into = Path(arguments.into) if arguments.into else smt.into
    if into is None:
        raise SettingsError("No destination folder is set", next_step="Pass --into DIR, or set into = ... under [smt].")
    folders = arguments.dir or smt.folders
    if not folders:
        raise SettingsError(
            "No remote folder is set", next_step="Pass --dir FOLDER, or set folders = [...] under [smt]."
        )
    code = _fetch(smt, folders, into)
    # At the start, BUSY means that a second copy of this command is running. Later, it is a single fetch, which ends.
    first = True
    while arguments.watch is not None and (code != Exit.BUSY or not first):
        first = False
        sleep(arguments.watch * 60)
        code = _fetch(smt, folders, into)
    return code


def _fetch(smt: SmtSettings, folders: Iterable[str], into: Path) -> Exit:
    try:
        return _fetch_folders(smt, folders, into)
    except (BusyError, ServerUnavailable) as e:
        write_error(e)
        return exit_code_of(e)


def _fetch_folders(smt: SmtSettings, folders: Iterable[str], into: Path) -> Exit:
    """Fetch each folder over one connection and return the worst exit code."""
    from greenkit.transfer import _account
    from greenkit.transfer._pull import pull

    code = Exit.DONE
    with contextlib.ExitStack() as stack:
        keyring = None
        try:
            keyring = stack.enter_context(_account.smt_keyring(smt))
        except NoGpgProgram as e:  # fetch anyway: SMT deletes every file after ten days
            write_error(e, subject="Files are fetched but not decrypted")
        remote = stack.enter_context(_account.smt_remote(smt))
        refused = later = False
        for folder in folders:
            try:
                report = pull(
                    remote, folder, into=into, pgp=keyring, delete=smt.delete, on_file=lambda f: write_line(str(f))
                )
            except (FileNotFoundError, AccessRefused) as e:
                write_error(e, subject=folder)
                refused = True  # and fetch the other folders
                continue
            except ServerUnavailable as e:
                write_error(e, subject=folder)
                later = True  # and try the other folders
                continue
            for finding in report.findings.by_severity:
                write_line(str(finding), error=True)
            write_line(str(report))
            refused = refused or bool(report.findings.named("smt.fetch.locked"))
            code = max(code, _code_of(report))
    return Exit.FAILED if refused else max(code, Exit.LATER) if later else code


def _code_of(report: FetchReport) -> Exit:
    if report.findings.named("smt.fetch.stopped"):
        return Exit.LATER
    return Exit.DONE if report.complete else Exit.INCOMPLETE


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 1 <= minutes <= 10_000:
        raise argparse.ArgumentTypeError(
            "must be at least 1 minute and at most 10000: SMT adds files a few times a day"
        )
    return minutes
