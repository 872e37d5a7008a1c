"""The ``greenkit`` command, also ``python -m greenkit``: one module for each command, found by its name.

:mod:`greenkit.cli._command` says what a command's module contains, and lists the exit codes.
"""

from __future__ import annotations

import argparse
import functools
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from greenkit import __version__
from greenkit.cli._command import EXIT_CODES, Exit, run_and_report

_DESCRIPTION: Final = "Read, check, and fetch meter data: Green Button (ESPI) and Smart Meter Texas (SMT)."


def commands() -> dict[str, ModuleType]:
    """Return the modules of the commands by the name of the command, in alphabetical order.

    Examples
    --------
    >>> "fetch" in commands()
    True
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {name.replace("_", "-"): import_module(f"{__name__}.{name}") for name in names}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the program, with the arguments of every command."""
    codes = "\n".join(f"  {code.value:<4} {meaning}" for code, meaning in EXIT_CODES.items())
    program = argparse.ArgumentParser(
        prog="greenkit",
        description=_DESCRIPTION,
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument("--version", action="version", version=f"greenkit {__version__}")
    added = program.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in commands().items():
        summary, _, more = (module.__doc__ or "").partition("\n\n")
        command = added.add_parser(
            name,
            aliases=getattr(module, "ALIASES", ()),
            help=summary.rstrip("."),
            description=summary,
            epilog=more.replace("``", "").strip() or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return program


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the name of the program. Default: those of the process.

    Returns
    -------
    int
        An exit code; see :data:`greenkit.cli._command.EXIT_CODES`. Wrong arguments raise SystemExit with code 2.
    """
    program = parser()
    arguments = program.parse_args(argv)
    if arguments.command is None:
        program.print_help(sys.stderr)
        return Exit.USAGE
    return int(run_and_report(functools.partial(arguments.run, arguments)))
