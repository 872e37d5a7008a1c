"""Write the data samples again: ``python -m greenkit.synthetic [FOLDER] [--all]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from greenkit.synthetic import data_samples


def main() -> None:
    """Write the samples and print the size of each."""
    parser = argparse.ArgumentParser(prog="python -m greenkit.synthetic", description="Write the data samples again.")
    parser.add_argument("folder", nargs="?", type=Path, help="folder (default: that of the checkout)")
    parser.add_argument("--all", action="store_true", help="write every dialect, as the tests read them")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(__file__).parents[2] / "data-samples"
    folder.mkdir(parents=True, exist_ok=True)
    for path in data_samples.make(folder, data_samples.SAMPLES if arguments.all else data_samples.SHIPPED):
        print(f"{path.stat().st_size:>8,} bytes  {path}")  # noqa: T201


if __name__ == "__main__":
    main()
