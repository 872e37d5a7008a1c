"""Read many damaged Green Button feeds with the fast path and without it, and compare all that they give.

python tests/soak/read_mutants.py --first 600 --count 20000
"""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "espi"))

from test_fast import compare, fast

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--first", type=int, default=600, help="first seed")
    parser.add_argument("--count", type=int, default=20_000)
    given = parser.parse_args()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "_FEW", 0)  # learn from the first entry, since the feeds are small
        print(dict(compare(range(given.first, given.first + given.count), patch)))
