"""``python -m greenkit.synthetic [FOLDER]``: make the data samples (by default into the checkout's own folder)."""

from __future__ import annotations

import argparse
from pathlib import Path

from greenkit.synthetic import data_samples


def main() -> None:
    """Make the samples and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m greenkit.synthetic", description="Make the data samples again.")
    parser.add_argument("folder", nargs="?", default=Path(__file__).parents[2] / "data-samples", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in data_samples.make(folder):
        print(f"{path.stat().st_size:>8,} bytes  {path}")  # noqa: T201


if __name__ == "__main__":
    main()
