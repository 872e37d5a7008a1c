"""``python -m greenkit``: one sub-command for each job, each in its own function."""

from __future__ import annotations

import argparse
import functools
import platform
import signal
import sys
from importlib import metadata
from typing import Any

import pandas as pd

from greenkit import __version__, frame
from greenkit.errors import GreenkitError
from greenkit.findings import quiet


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command; give the exit code: 0 done, 1 an error, 2 wrong arguments, 130 Ctrl-C."""
    from greenkit.transfer import _command as command

    parser = argparse.ArgumentParser(prog="python -m greenkit", description="Meter data: load, fetch, check, show.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo = _add(commands, "demo", "the whole way from a utility to a picture, on this machine")
    demo.add_argument("--into", default="greenkit-demo", metavar="DIR", help="folder for the files and the page")
    demo.set_defaults(run=_demo)
    load = _add(commands, "load", "say what a Green Button or Smart Meter Texas file holds")
    load.add_argument("source", nargs="+", help="a file, folder, glob, zip or gzip")
    load.add_argument("--tz", type=_zone, metavar="ZONE", help="the site's zone, as in America/Chicago (Green Button)")
    load.add_argument("--epoch", default="utc", choices=("utc", "local", "standard"), help="its clock (Green Button)")
    load.set_defaults(run=_load)
    command.add_to(commands)
    box = _add(commands, "sandbox", "run a pretend utility on this machine until Ctrl-C")
    box.add_argument("--into", default="greenkit-sandbox", metavar="DIR", help="folder for its settings and keys")
    box.add_argument("--profile", default="pge", help="whose dialect of Green Button Connect it speaks")
    box.add_argument("--day", type=float, default=60.0, metavar="SECONDS", help="length of a pretend day")
    box.set_defaults(run=_sandbox)
    _add(commands, "versions", "what is installed").set_defaults(run=_versions)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        return int(args.run(args) or 0)
    except (GreenkitError, OSError) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return command.INTERRUPTED


def _add(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return parser


def _demo(args: argparse.Namespace) -> None:
    from greenkit.demo import run

    _end_tidily()
    run(args.into, talk=functools.partial(print, flush=True))


def _sandbox(args: argparse.Namespace) -> None:
    from greenkit.sandbox.utility import serve

    _end_tidily()
    serve(args.into, functools.partial(print, flush=True), profile=args.profile, day_length=args.day)


def _end_tidily() -> None:
    """Let a plain kill end the program as Ctrl-C does: servers closed, temporary keys and gpg's agents gone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _load(args: argparse.Namespace) -> None:
    import greenkit

    with quiet():  # the findings are printed below, all of them
        source = args.source if len(args.source) > 1 else args.source[0]
        df = greenkit.load(source, tz=args.tz, epoch=args.epoch, progress=sys.stderr.isatty())
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_colwidth", 40):
        print(frame.summary(df).to_string(index=False) if len(df) else "no interval readings")
        if len(df):
            print(f"\nthe first of {len(df):,} rows:\n{df[list(frame.COLUMNS)].head().to_string(index=False)}")
    print(f"\n{df.gk.findings}")


def _zone(name: str) -> str:
    from greenkit.espi import check_zone

    try:
        return check_zone(name)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _versions(_: argparse.Namespace) -> None:
    print(f"Python {platform.python_version()} on {platform.platform()}")
    print(f"greenkit {__version__}")
    for name in ("pandas", "numpy", "pyarrow", "lxml", "plotly", "ipywidgets", "paramiko", "authlib"):
        print(f"{name} {metadata.version(name)}")


if __name__ == "__main__":
    sys.exit(main())
