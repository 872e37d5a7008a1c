"""Run the full workflow on this machine, from a simulated utility to charts.

example:
  greenkit demo --into greenkit-demo
"""

from __future__ import annotations

import argparse

from greenkit.cli._command import Exit, stop_on_sigterm, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--into", default="greenkit-demo", metavar="DIR", help="folder for files and report (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import demo

    stop_on_sigterm()
    demo.run(arguments.into, write_line=write_line)
    return Exit.DONE
