"""Check the TOML file of a utility profile, and print what it sets.

The file is correct if the command ends with exit code 0. The output lists the facts that differ from the defaults, the
defaults in use, and the facts that nobody has verified with a registered account.

example:
  greenkit check-profile my-utility.toml
"""

from __future__ import annotations

import argparse
import dataclasses

from greenkit.cli._command import Exit, write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("profile", metavar="PROFILE", help="a TOML file, or the name of a profile of greenkit")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.custodian import profiles

    profile = profiles.load(arguments.profile)
    own = profile.facts()
    defaults = {f.name: getattr(profile, f.name) for f in dataclasses.fields(profile) if f.name not in own}
    for name, value in own.items():
        if name != "unverified":
            write_line(f"{name}: {_written(value)}")
    for name, value in defaults.items():
        if name != "unverified":
            write_line(f"{name}: {_written(value)} (default)")
    for fact in profile.unverified:
        write_line(f"unverified: {fact}")
    return Exit.DONE


def _written(value: object) -> str:
    """Return a fact as text; a fact that is not set is "none"."""
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    return str(value) if value not in (None, "", {}) else "none"
