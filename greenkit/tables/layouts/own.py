"""CSV that greenkit itself wrote, read back without loss: every column, dtype, and digit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.errors import FormatError
from greenkit.findings import Findings
from greenkit.tables.cells import Columns, Grid
from greenkit.tables.layouts import Recognized

_GUARD: Final = ("'=", "'+", "'-", "'@", "'\t", "'\r", "''")
"""Text that a spreadsheet would treat as a formula was written with an apostrophe before it."""


def read(grid: Grid, place: Recognized, answers: Mapping[str, Any], meter: str | None) -> tuple[pd.DataFrame, Findings]:
    """Return the frame of a CSV that greenkit wrote."""
    names = [name for name in place.names if name != "1" or place.names.index(name)]
    floats = [name for name in names if frame.DTYPES.get(name) == "float64"]
    words = [name for name in names if name not in floats]
    found = grid.read(place.delimiter, place.header + 1, place.names, words, floats, [], lambda _: None)
    try:
        columns = {name: _column(found, name) for name in names}
        return frame.tidy(pd.DataFrame(columns)), Findings()
    except ValueError:
        raise FormatError(
            "A cell cannot be read as a time or number",
            source=os.path.basename(grid.name),
            next_step="Write the frame again with greenkit.export.write_csv.",
        ) from None


def _column(found: Columns, name: str) -> Any:
    if name in found.numbers:
        return found.numbers[name]
    column = found.words.get(name) or found.texts[name]
    kind = frame.DTYPES.get(name, "")
    words = [None if word == "" else word[1:] if word.startswith(_GUARD) else word for word in column.words]
    if kind == "time":
        parsed = pd.to_datetime(pd.Series(words, dtype="object"), format="ISO8601", utc=True)
        return (
            parsed.to_numpy()[column.codes] if len(words) else pd.to_datetime(pd.Series([], dtype="object"), utc=True)
        )
    if kind == "date":
        return pd.to_datetime(pd.Series(words, dtype="object"), format="%Y-%m-%d").to_numpy()[column.codes]
    if kind == "Int16":
        return pd.array([pd.NA if w is None else int(float(w)) for w in words], dtype="Int16").take(column.codes)
    return pd.Series(np.array(words, dtype=object)[column.codes] if words else [], dtype="object")
