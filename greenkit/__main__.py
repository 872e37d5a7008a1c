"""``python -m greenkit``: one sub-command for each job, each in its own function."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib import metadata

from greenkit.errors import GreenkitError


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command; give the exit code: 0 done, 1 a greenkit error, 2 wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m greenkit", description="Meter data: load, fetch, check, show.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("versions", help="what is installed").set_defaults(run=_versions)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except (GreenkitError, FileNotFoundError) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1


def _versions(_: argparse.Namespace) -> None:
    print(f"Python {platform.python_version()} on {platform.platform()}")
    for name in ("greenkit", "pandas", "numpy", "pyarrow", "lxml", "plotly", "ipywidgets", "paramiko", "authlib"):
        print(f"{name} {metadata.version(name)}")


if __name__ == "__main__":
    sys.exit(main())
