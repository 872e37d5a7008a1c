"""Diagnose why files are not fetched.

Without --show, --new, or --onboarding, the command tries every step from the settings to a decrypted test message,
prints the results and what to do, and exits with 0 if no check failed, else 1. It reads no file on the server, so only
greenkit fetch shows whether the files are complete.

example:
  greenkit doctor smt --new
  greenkit doctor smt
"""

from __future__ import annotations

import argparse

from greenkit.cli import _smt
from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _smt.add_arguments(parser)
    parser.add_argument("--into", metavar="DIR", help="local folder of greenkit fetch (default: that of the settings)")
    parser.add_argument("--show", action="store_true", help="show the settings, without secrets")
    parser.add_argument("--new", action="store_true", help="write a settings file to fill in")
    parser.add_argument("--onboarding", metavar="DIR", help="write the files that SMT requires from new users")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import settings, transfer
    from greenkit.transfer import _account

    if arguments.new:
        template = settings.write_template(arguments.settings)
        option = f" --settings {arguments.settings}" if arguments.settings else ""
        write_line(f"Wrote {template}. Edit it, then run greenkit doctor smt{option}.")
        return Exit.DONE
    if arguments.show:
        write_line(settings.read(arguments.settings).show())
        return Exit.DONE
    if arguments.onboarding:
        for name, path in transfer.write_onboarding(arguments.onboarding, arguments.settings).items():
            write_line(f"{name}: {path}")
        return Exit.DONE
    with _smt.traced(arguments):
        smt = _account.smt_settings(arguments.settings)  # those of the user also if --into is given
        diagnosis = transfer.check_smt(smt, into=arguments.into)
    write_line(str(diagnosis))
    return Exit.DONE if diagnosis.ok else Exit.FAILED
