"""The ``greenkit`` command, also ``python -m greenkit``: one module for each command, found by its name.

:mod:`greenkit.cli._command` says what a command's module contains, and lists the exit codes.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from greenkit import __version__
from greenkit.cli._command import EXIT_CODES, Exit, run_and_report

_DESCRIPTION: Final = (
    "Read, check, price, and fetch meter data: Green Button (ESPI), Smart Meter Texas (SMT), and utility tables."
)
_EXAMPLES: Final = """examples:
  greenkit info usage.xml
  greenkit report usage.xml -o report.html
  greenkit fetch smt
  greenkit quality --help"""


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
        epilog=f"{_EXAMPLES}\n\nexit codes:\n{codes}",
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


def _names() -> list[str]:
    """Return the names of all commands, also their other names."""
    return [name for own, module in commands().items() for name in (own, *getattr(module, "ALIASES", ()))]


def _parser_of(program: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    """Return the parser of a command; the program itself without one."""
    subparsers = next(a for a in program._actions if isinstance(a, argparse._SubParsersAction))
    found: argparse.ArgumentParser = subparsers.choices.get(command, program)
    return found


def _near(word: str, known: Sequence[str], otherwise: str) -> str:
    """Return a question with the known word that is nearest, or else another sentence."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else otherwise


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
    given = [*(sys.argv[1:] if argv is None else argv)]  # list is a command of this package
    name = next((word for word in given if not word.startswith("-")), None)
    if name is not None and name not in _names():
        program.error(f"There is no command {name!r}. {_near(name, _names(), 'greenkit --help lists the commands.')}")
    arguments, unknown = program.parse_known_args(given)
    if unknown:
        command = _parser_of(program, arguments.command)
        options = [word for word in command._option_string_actions if word.startswith("--")]
        hint = _near(unknown[0].partition("=")[0], options, f"{command.prog} --help lists the options.")
        command.error(f"unrecognized arguments: {' '.join(unknown)}. {hint}")
    if arguments.command is None:
        program.print_help(sys.stderr)
        return Exit.USAGE
    return int(run_and_report(functools.partial(arguments.run, arguments)))
