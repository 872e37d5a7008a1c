"""``python -m greenkit``: the ``greenkit`` command."""

import sys

from greenkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
