"""Frames as CSV files that can be read back without loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pandas.api.types import is_string_dtype

from greenkit import _files, frame
from greenkit.sources import Source
from greenkit.tables.layouts import own
from greenkit.text import FORMULA

_TIMES: Final = ("start", "end", "revision")
_GUARDED: Final = (*FORMULA, "'")
"""First characters of a cell that gets a guard: those of a formula, and the guard itself."""


def write_csv(df: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a frame as CSV (RFC 4180, UTF-8) that :func:`read_csv` reads back without loss.

    Times are ISO 8601 with their offset from UTC, so both occurrences of the repeated hour stay distinct. Numbers have
    all their digits. An empty cell means no value. Text that a spreadsheet would read as a formula, such as a meter
    name from a hostile file, begins with an apostrophe. Findings of the frame are not written; Parquet keeps them.
    """
    frame.check(df)
    out = df.copy()
    for name in out.columns:
        if isinstance(out[name].dtype, pd.CategoricalDtype) or is_string_dtype(out[name]):
            out[name] = _guarded(out[name].astype("object"))
    for name in out.columns.intersection(list(_TIMES)):
        out[name] = [t.isoformat() if pd.notna(t) else "" for t in out[name]]
    if "usage_date" in out.columns:
        out["usage_date"] = out["usage_date"].dt.strftime("%Y-%m-%d")
    with _files.atomic(path) as file:
        file.write(out.to_csv(index=False, lineterminator="\r\n").encode())
    return Path(path)


def _guarded(text: pd.Series[Any]) -> pd.Series[Any]:
    risky = {word: f"'{word}" for word in text.dropna().unique() if str(word).startswith(_GUARDED)}
    return text.replace(risky) if risky else text


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV that :func:`write_csv` or ``df.to_csv`` wrote, with the same rows, columns, and dtypes.

    Raises
    ------
    FormatError
        If the file is not such a CSV.
    """
    return own.read_csv(Source(os.fspath(path), lambda: open(path, "rb")))
