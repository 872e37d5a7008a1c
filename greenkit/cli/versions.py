"""Print the versions of greenkit, Python, and the main dependencies.

example:
  greenkit versions
"""

from __future__ import annotations

import argparse
import platform
from importlib import metadata

from greenkit import __version__
from greenkit.cli._command import Exit, write_line

_PACKAGES = ("pandas", "numpy", "pyarrow", "lxml", "plotly", "ipywidgets", "paramiko", "authlib")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: there are none."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    write_line(f"Python {platform.python_version()} on {platform.platform()}")
    write_line(f"greenkit {__version__}")
    for name in _PACKAGES:
        write_line(f"{name} {metadata.version(name)}")
    return Exit.DONE
