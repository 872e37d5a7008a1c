"""Frames as CSV files that can be read back without loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from greenkit import _files, frame
from greenkit.errors import FormatError

_TIMES: Final = ("start", "end", "revision")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
"""First characters of a cell that a spreadsheet reads as a formula (OWASP, CSV injection), and the guard itself."""
_GUARD: Final = r"(?s)^'([=+\-@\t\r'])"


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
    risky = {word: f"'{word}" for word in text.dropna().unique() if str(word).startswith(_FORMULA)}
    return text.replace(risky) if risky else text


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV that :func:`write_csv` or ``df.to_csv`` wrote, with the same rows, columns, and dtypes.

    Raises
    ------
    FormatError
        If the file is not such a CSV.
    """
    # text first, so that an ESI ID keeps its digits and a code its zeros
    raw = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    raw = raw.drop(columns="Unnamed: 0", errors="ignore")  # the index, which df.to_csv writes
    missing = [name for name in frame.COLUMNS if name not in raw.columns]
    if missing:
        raise FormatError(
            f"The CSV has no column {', '.join(missing)}, so it is not a greenkit frame",
            source=str(path),
            next_step="Read it with greenkit.load.",
        )
    out = pd.DataFrame({name: _parsed(raw[name], name, str(path)) for name in raw.columns})
    return frame.tidy(out)


def _parsed(column: pd.Series[str], name: str, path: str) -> pd.Series[Any]:
    known = {**frame.COLUMNS, **frame.EXTRAS}
    kind = known[name][0] if name in known else ""
    filled = column.where(column != "")
    try:
        if kind == "time":
            return pd.to_datetime(filled, format="ISO8601", utc=True)
        if kind == "date":
            return pd.to_datetime(filled, format="%Y-%m-%d")
        # the C parser's default rounding may be a bit off in the last place; float() is exact
        if kind == "float64":
            return pd.Series([float(v) if v else np.nan for v in column], dtype="float64")
        if kind == "Int16":
            return pd.to_numeric(filled).astype(pd.Int16Dtype())
        return filled.str.replace(_GUARD, r"\1", regex=True)
    except ValueError as e:
        reason = str(e).partition(". ")[0]  # pandas adds advice for programmers
        raise FormatError(
            f"Column {name} has a value that cannot be read ({reason})",
            source=path,
            next_step="Write the file again with greenkit.export.write_csv.",
        ) from None
