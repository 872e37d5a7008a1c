"""Read many damaged files in bulk and plainly, and compare all that they give.

    python tests/soak/read_mutants.py espi --first 600 --count 20000
    python tests/soak/read_mutants.py smt --first 400 --count 20000

Each seed makes one file. It fails at the first file that the fast reader reads otherwise than the plain one, that raises
anything but an error of greenkit, or that takes too long.
"""

import argparse
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


def compare_feeds(seeds):
    """Read Green Button feeds with the fast path and without it."""
    sys.path.insert(0, str(TESTS / "espi"))
    from test_fast import compare, fast

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "_FEW", 0)  # learn from the first entry, since the feeds are small
        return compare(seeds, patch)


def compare_texas(seeds):
    """Read Smart Meter Texas files (CSV, LSE, JSON) in bulk and row by row."""
    sys.path.insert(0, str(TESTS / "smt"))
    from smt_mutations import compare

    with pytest.MonkeyPatch.context() as patch:
        return compare(seeds, patch)


sys.path.pop(0)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("format", choices=("espi", "smt"))
    parser.add_argument("--first", type=int, default=600, help="first seed")
    parser.add_argument("--count", type=int, default=20_000)
    given = parser.parse_args()
    read = {"espi": compare_feeds, "smt": compare_texas}[given.format]
    began = time.perf_counter()
    print(
        given.format, dict(read(range(given.first, given.first + given.count))), f"{time.perf_counter() - began:.0f} s"
    )
