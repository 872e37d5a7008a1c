"""Parts that the commands for Smart Meter Texas share: the settings file, the trace, and the connection."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenkit.transfer import Remote


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every command for Smart Meter Texas has."""
    parser.add_argument("service", choices=["smt"], help="Smart Meter Texas")
    parser.add_argument("--settings", metavar="FILE", help="settings file (default: that of the user)")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="print the conversation with the server, without secrets"
    )


@contextlib.contextmanager
def traced(arguments: argparse.Namespace) -> Iterator[None]:
    """Print the trace to standard error while the block runs, if ``--verbose`` is set.

    The trace contains commands, replies, host key, and algorithms, and neither a password nor an ESI ID, so that it can
    be sent to SMT's support.
    """
    if not arguments.verbose:
        yield
        return
    logger, handler = logging.getLogger("greenkit.transfer"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextlib.contextmanager
def connected(arguments: argparse.Namespace) -> Iterator[Remote]:
    """Hold a connection to the file server of the settings while the block runs."""
    from greenkit.transfer import smt_remote

    with traced(arguments), smt_remote(arguments.settings) as remote:
        yield remote
