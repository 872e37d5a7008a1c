"""Convert meter data to CSV, Parquet, or Excel.

The ending of the output file chooses its format. CSV and Parquet load back without loss; Parquet also keeps the
findings. Excel needs the extra greenkit[excel].

example:
  greenkit convert usage.xml -o usage.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenkit.cli import _source
from greenkit.cli._command import Exit, write_findings, write_line

if TYPE_CHECKING:
    import pandas as pd


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    _source.add_source(parser)
    parser.usage = "%(prog)s FILE [FILE ...] -o OUTPUT [options]"
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_output,
        metavar="OUTPUT",
        help=f"file to write; it ends in {' or '.join(_WRITERS)}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit.errors import SettingsError

    output: Path = arguments.output
    for name in arguments.source:
        if output.exists() and Path(name).exists() and output.samefile(name):
            raise SettingsError(f"{output} is also an input", next_step="Choose another output file.")
    df = _source.load(arguments)  # nothing is written if there are no intervals
    _WRITERS[output.suffix.lower()](df, output)
    write_line(f"Wrote {len(df):,} rows to {output}.")
    write_findings(df.gk.findings)
    return Exit.DONE


def _write_csv(df: pd.DataFrame, path: Path) -> object:
    from greenkit import export

    return export.write_csv(df, path)


def _write_parquet(df: pd.DataFrame, path: Path) -> object:
    from greenkit import store

    return store.write(df, path)


def _write_excel(df: pd.DataFrame, path: Path) -> object:
    from greenkit import export

    return export.write_excel(df, path)


_WRITERS: Final[dict[str, Callable[[pd.DataFrame, Path], object]]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".xlsx": _write_excel,
}


def _output(name: str) -> Path:
    path = Path(name)
    if path.suffix.lower() not in _WRITERS:
        raise argparse.ArgumentTypeError(f"{name} must end in {' or '.join(_WRITERS)}")
    return path
