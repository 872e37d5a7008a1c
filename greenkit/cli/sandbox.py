"""Run a simulated utility on this machine until Ctrl-C.

example:
  greenkit sandbox --profile pge --day 60
"""

from __future__ import annotations

import argparse

from greenkit.cli._command import Exit, stop_on_sigterm, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--into", default="greenkit-sandbox", metavar="DIR", help="folder for settings and keys (default: %(default)s)"
    )
    parser.add_argument(
        "--profile", default="pge", metavar="NAME", help="utility whose service it simulates (default: %(default)s)"
    )
    parser.add_argument(
        "--day",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="length of a simulated day in seconds (default: %(default)g)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.sandbox import serve

    stop_on_sigterm()
    serve(arguments.into, write_line, profile=arguments.profile, day_length=arguments.day)
    return Exit.DONE
