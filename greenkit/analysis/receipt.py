"""Provenance of a result: a hash of the data, its rows and span, and the versions of the software."""

from __future__ import annotations

import hashlib
import platform
from pathlib import PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from greenkit import __version__, frame
from greenkit.times import to_instants


def make_receipt(df: pd.DataFrame) -> dict[str, Any]:
    """Describe the frame behind a result as small plain JSON.

    Returns
    -------
    dict
        ``sha256`` of the columns of greenkit (:func:`fingerprint`), ``rows``, ``series`` (how many), ``first`` start
        and ``last`` end in UTC, ``sources`` (names of the files, without their folders), and ``versions`` of greenkit,
        pandas, numpy, and Python.

    Raises
    ------
    SchemaError
        If the frame is not tidy.
    """
    frame.check(df)
    return {
        "sha256": fingerprint(df),
        "rows": len(df),
        "series": len(df[list(frame.SERIES)].astype(str).drop_duplicates()),
        "first": _utc(df["start"].min()),
        "last": _utc(df["end"].max()),
        "sources": sorted({_file(s) for s in df["source"].dropna().unique()}) if "source" in df.columns else [],
        "versions": {
            "greenkit": __version__,
            "pandas": pd.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def fingerprint(df: pd.DataFrame) -> str:
    """Return a hash of the rows, whatever the pandas version, the dtypes of text, or the order of the rows.

    Examples
    --------
    >>> from greenkit import frame
    >>> fingerprint(frame.empty())[:12]
    'e3b0c44298fc'
    """
    df = frame.sort(df)
    digest = hashlib.sha256()
    for name in frame.COLUMNS if len(df) else ():
        column = df[name]
        if name in ("start", "end"):
            digest.update(to_instants(column).astype("<i8").tobytes())
        elif name == "value":
            digest.update((column.to_numpy(dtype=np.float64) + 0.0).astype("<f8").tobytes())
        else:
            codes, words = pd.factorize(column.astype(str), sort=True)
            digest.update(codes.astype("<i8").tobytes() + "\0".join(words).encode() + b"\0")
    return digest.hexdigest()


def _file(source: object) -> str:
    return PureWindowsPath(str(source)).name or str(source)


def _utc(time: Any) -> str | None:
    return None if pd.isna(time) else pd.Timestamp(time).tz_convert("UTC").isoformat()
