"""Check the TOML file of a utility profile, and print what it sets.

The file is correct if the command ends with exit code 0. The output lists the facts that differ from the defaults, and
the facts that nobody has verified with a registered account.

example:
  greenkit check-profile my-utility.toml
"""

from __future__ import annotations

import argparse

from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("profile", metavar="PROFILE", help="a TOML file, or the name of a profile of greenkit")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.custodian import profiles

    profile = profiles.load(arguments.profile)
    for name, value in profile.facts().items():
        if name != "unverified":
            write_line(f"{name}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}")
    for fact in profile.unverified:
        write_line(f"unverified: {fact}")
    return Exit.DONE
