"""``python -m greenkit fetch smt`` and ``doctor smt``, for cron, service managers and people at a terminal.

Exit codes of ``fetch smt``, the first that applies:

    0  every file that the server lists is here, decrypted where it was encrypted
    1  a setting, key or certificate is wrong, or the server refused us: a person must look
    2  wrong arguments
    3  some files are not here, or could not be decrypted; each has its line
    4  another fetch works on the same folder
    5  the server does not answer: try again later
    130  interrupted from the keyboard; like any kill, it loses nothing

``doctor smt`` gives 0 when no check failed, else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from greenkit import settings
from greenkit.errors import AccessRefused, BusyError, NoGpgProgram, ServerUnavailable, SettingsError
from greenkit.settings import SmtSettings
from greenkit.transfer import _account
from greenkit.transfer._doctor import check_smt
from greenkit.transfer._pull import FetchReport, pull
from greenkit.transfer.onboarding import write_onboarding

DONE: Final = 0
NEEDS_A_PERSON: Final = 1
INCOMPLETE: Final = 3
BUSY: Final = 4
LATER: Final = 5
INTERRUPTED: Final = 130


def add_to(commands: Any) -> None:
    """Add the sub-commands to an argparse parser's."""
    fetch = commands.add_parser(
        "fetch",
        help="fetch, decrypt and keep files",
        epilog=__doc__.partition("\n\n")[2].replace("``", ""),
        formatter_class=argparse.RawTextHelpFormatter,
    )
    fetch.add_argument("what", choices=["smt"])
    fetch.add_argument("--settings", metavar="FILE", help="the settings file; the usual one when absent")
    fetch.add_argument("--dir", action="append", metavar="FOLDER", help="remote folder; may be given several times")
    fetch.add_argument("--into", metavar="DIR", help="local folder, in place of the settings'")
    fetch.add_argument("--watch", type=_minutes, metavar="MINUTES", help="go on, with so many minutes in between")
    fetch.set_defaults(run=run_fetch)
    doctor = commands.add_parser("doctor", help="see why files do not come")
    doctor.add_argument("what", choices=["smt"])
    doctor.add_argument("--settings", metavar="FILE", help="the settings file; the usual one when absent")
    doctor.add_argument("--show", action="store_true", help="show the settings, without secrets")
    doctor.add_argument("--new", action="store_true", help="write a settings file for a new user")
    doctor.add_argument("--onboarding", metavar="DIR", help="write what SMT asks of a newcomer")
    doctor.set_defaults(run=run_doctor)


def run_doctor(args: argparse.Namespace) -> int:
    """Check the connection, or do one of the smaller things."""
    if args.new:
        there = f" --settings {args.settings}" if args.settings else ""
        _say(f"wrote {settings.write_template(args.settings)}: edit it, then run python -m greenkit doctor smt{there}")
        return DONE
    if args.show:
        _say(settings.read(args.settings).show())
        return DONE
    if args.onboarding:
        for name, path in write_onboarding(args.onboarding, args.settings).items():
            _say(f"{name}: {path}")
        return DONE
    found = check_smt(args.settings)
    _say(str(found))
    return DONE if found.ok else NEEDS_A_PERSON


def run_fetch(args: argparse.Namespace, *, sleep: Callable[[float], object] = time.sleep) -> int:
    """Fetch once, or again and again until something needs a person."""
    smt = _account.smt_settings(args.settings)
    into = Path(args.into) if args.into else smt.into
    if into is None:
        raise SettingsError("it is not said where the files go: give --into DIR, or into = ... under [smt]")
    folders = args.dir or smt.folders
    if not folders:
        raise SettingsError("no remote folder is named: give --dir FOLDER, or folders = [...] under [smt]")
    begun = False
    try:
        code = _attempt(smt, folders, into)
        # one that is busy at the start is a second copy; later it is somebody's single fetch, which ends
        while args.watch is not None and (code != BUSY or begun):
            begun = True
            sleep(args.watch * 60)
            code = _attempt(smt, folders, into)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _attempt(smt: SmtSettings, folders: Iterable[str], into: Path) -> int:
    try:
        return _once(smt, folders, into)
    except BusyError as e:
        _say(str(e), error=True)
        return BUSY
    except ServerUnavailable as e:
        _say(str(e), error=True)
        return LATER


def _once(smt: SmtSettings, folders: Iterable[str], into: Path) -> int:
    """Pull each folder over one connection; the worst of their codes."""
    code = DONE
    with contextlib.ExitStack() as stack:
        keyring = None
        try:
            keyring = stack.enter_context(_account.smt_keyring(smt))
        except NoGpgProgram as e:
            _say(f"files are fetched and not decrypted: {e}", error=True)  # they leave the server in ten days
        remote = stack.enter_context(_account.smt_remote(smt))
        refused = False
        for folder in folders:
            try:
                report = pull(remote, folder, into=into, pgp=keyring, delete=smt.delete, tell=lambda f: _say(str(f)))
            except (FileNotFoundError, AccessRefused) as e:
                _say(f"{folder}: {e}", error=True)  # the other folders' files leave the server all the same
                refused = True
                continue
            for finding in report.findings:
                _say(str(finding), error=True)
            _say(str(report))
            code = max(code, _code(report))
    return NEEDS_A_PERSON if refused else code


def _code(report: FetchReport) -> int:
    if report.findings.named("smt.fetch.stopped"):
        return LATER
    return DONE if report.complete else INCOMPLETE


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 1 <= minutes <= 10_000:
        raise argparse.ArgumentTypeError("give 1 minute or more: SMT adds files a few times a day")
    return minutes


def _say(text: str, *, error: bool = False) -> None:
    """Write a line at once, so that a log has it before a kill; what a terminal cannot show is escaped."""
    stream = sys.stderr if error else sys.stdout
    stream.write(text.encode(stream.encoding or "utf-8", "backslashreplace").decode(stream.encoding or "utf-8") + "\n")
    stream.flush()
