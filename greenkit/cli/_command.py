"""Parts that all commands share: exit codes, output, and the end of the program.

A command is a module of :mod:`greenkit.cli` whose name is that of the command, with ``_`` for ``-``: ``make_key.py`` is
``greenkit make-key``. Its docstring is the help text: the first line is the summary, the rest follows the arguments. It
has two functions, and may have a tuple ``ALIASES`` of other names::

    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(arguments: argparse.Namespace) -> int: ...

A command that reads files calls :func:`greenkit.cli._source.add_source` for their arguments, and
:func:`greenkit.cli._source.load` (intervals) or :func:`greenkit.cli._source.open_files` (everything) for what they
contain. Both print no warnings, because a command prints the findings itself, with :func:`write_findings`.

``run`` returns an exit code, and lets errors pass: :func:`greenkit.cli.main` prints them and chooses the code. Modules
import at their top only what is fast to import, because the help of the program imports all of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from greenkit.cli import _answers
from greenkit.errors import AmbiguousTable, BusyError, GreenkitError, ServerUnavailable

if TYPE_CHECKING:
    from greenkit.findings import Findings


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    BUSY = 4
    LATER = 5
    SERIOUS = 6
    INTERRUPTED = 130


EXIT_CODES: Final = {
    Exit.DONE: "The command did everything that it was asked to do.",
    Exit.FAILED: "A file, setting, key, or certificate is wrong, or a server refused it. Someone must act.",
    Exit.USAGE: "The arguments are wrong.",
    Exit.INCOMPLETE: "Some files were not fetched or not decrypted. The output names each one.",
    Exit.BUSY: "Another greenkit process works on the same folder. Wait until it ends.",
    Exit.LATER: "The server does not answer. Try again later.",
    Exit.SERIOUS: "The data has a serious finding (greenkit quality only). The output names it.",
    Exit.INTERRUPTED: "The command was interrupted from the keyboard. Fetched files are safe.",
}
"""Meaning of each exit code: the help of the program and the documentation print this table."""


def exit_code_of(error: BaseException) -> Exit:
    """Return the exit code of a command that ended with an error.

    Examples
    --------
    >>> exit_code_of(BusyError("Another fetch works on this folder")).name
    'BUSY'
    """
    if isinstance(error, BusyError):
        return Exit.BUSY
    return Exit.LATER if isinstance(error, ServerUnavailable) else Exit.FAILED


def write_line(text: str = "", *, error: bool = False) -> None:
    """Write a line to standard output or standard error at once, so that a log has it before the process is killed.

    Characters that the terminal cannot show are escaped.
    """
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def write_error(error: GreenkitError | OSError, *, subject: str = "") -> None:
    """Write an error to standard error: what happened, and on a second line the next step, if there is one."""
    if isinstance(error, GreenkitError):
        problem, next_step = error.problem, error.next_step
    elif error.strerror and error.filename:
        problem, next_step = f"{error.filename}: {error.strerror}", ""
    else:
        problem, next_step = str(error) or type(error).__name__, ""
    if isinstance(error, AmbiguousTable):
        problem, *lines = _questions(error)
        problem = "\n".join([as_options(problem), *lines])
    closing = "" if problem.endswith((".", "?", "!")) else "."
    write_line(f"Error: {f'{subject}: ' if subject else ''}{as_options(problem)}{closing}", error=True)
    if next_step:
        write_line(f"Next step: {as_options(next_step)}", error=True)


def _questions(error: AmbiguousTable) -> list[str]:
    """Return the problem of a table that can be read in several ways, and a line for each open question."""
    of = {choice.argument: choice for choice in reversed(error.choices)}
    place = error.source or of[error.choices[0].argument].file
    lines = [f"{place}: {'One question is' if len(of) == 1 else f'{len(of)} questions are'} open:"]
    for choice in reversed(of.values()):
        name = choice.argument.replace("_", "-")
        words = ", ".join(f'"{value}"' if " " in value else value for value in choice.values)
        answers = "an IANA time zone" if name == "tz" else words
        lines.append(f"  --{name}: {choice.question} {choice.evidence}. Answers: {answers}.")
    return lines


def as_options(text: str) -> str:
    """Write the advice of a finding or an error as the options and commands of the program.

    Advice is written for Python: it names arguments, as in ``tz=``, and functions.

    Examples
    --------
    >>> as_options("Load the file again with epoch='local'.")
    'Load the file again with --epoch local.'
    >>> as_options("Pass the answers to load_table, such as date_order='day first'.")
    'Pass the answers, such as --date-order "day first".'
    """
    for pattern, words in _CALLS:
        text = pattern.sub(words, text)
    return _ARGUMENT.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    name, value = found["name"], found["text"] or found["number"] or ""
    if name == "tz" and not value:
        value = "ZONE"
    if " " in value:
        value = f'"{value}"'
    return f"--{name.replace('_', '-')} {value}".rstrip()


_NAMES: Final = ("tz", "epoch", "layout", "start", "end", "expected", "dates", *(a.name for a in _answers.ANSWERS))
_ARGUMENT: Final = re.compile(
    rf"\b(?P<name>{'|'.join(_NAMES)})=(?:'(?P<text>[^']*)'|(?P<number>\d+(?:\.\d+)?)|(?=[ .,:;)]|$))"
)
"""An argument of a function in a sentence, with or without a value."""
_CALLS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r" (to|of) load_table\b", ""),
        (r"(Call|Use) greenkit\.open_\w+\((FILE|…)\)\.(bills|registers)\.", "To see them, run greenkit info FILE."),
        (r"To use (it|them|\{count:it\|them\}), call open_espi\.", r"To see \1, run greenkit info FILE."),
        (r"Open the source with open_espi or open_smt to see", "To see"),
        (r"To see all of them\.", "To see all of them, run greenkit info FILE."),
        (r"\bput (.*?) in open_\w+\(…\)\.registers, separate from usage\.", r"kept \1 separate from usage."),
        (r" (It is|They are) in open_\w+\(…\)\.registers and \.bills\.", ""),
        (r", or call open_espi to see everything in the feed", ""),
        (r", or keep the undamaged part with open_\w+\(\.\.\., recover=True\)", ""),
        (r"Call load_smt if it is .*?, and load_table if it is from another portal",
         "Run greenkit info with this file alone"),
        (r"Read it with greenkit\.(store\.read|export\.read_csv|load|load or greenkit\.load_table)\.",
         "Run greenkit info with this file alone."),
        (r"read it with greenkit\.load_table", "run greenkit info --explain FILE"),
        (r"Call df\.gk\.quality\(\)", "Run greenkit quality FILE"),
        (r"with df\.gk\.quality\(\)", "with greenkit quality FILE"),
        (r"Call (df\.gk\.\w+\(\)) to keep", r"In Python, \1 keeps"),
        (r"(with df\.gk\.\w+\(\)|call df\.gk\.\w+\(\)|(?:pass|with) revisions=['\"]all['\"])", r"\1 in Python"),
    )
)  # fmt: skip
"""Advice that names a function → the same advice at the command line."""


def write_findings(findings: Findings) -> None:
    """Write the findings of a load that a user should check to standard error, most severe first."""
    for finding in findings.by_severity:
        if finding.severity != "info":
            write_line(as_options(str(finding)), error=True)


def stop_on_sigterm() -> None:
    """Let SIGTERM end the program as Ctrl-C does, so that servers, temporary keys, and gpg agents end with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def run_and_report(run: Callable[[], int]) -> int:
    """Run a command, print its errors, and return the exit code."""
    try:
        return run()
    except BrokenPipeError:  # as in "greenkit info FILE | head": nobody reads the rest
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (GreenkitError, OSError) as e:
        write_error(e)
        return exit_code_of(e)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
