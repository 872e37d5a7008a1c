"""CSV that greenkit itself wrote, read back without loss: every column, dtype, and digit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.errors import FormatError
from greenkit.findings import Findings
from greenkit.sources import Source
from greenkit.tables.cells import Columns, CsvGrid, Grid, unique_names
from greenkit.tables.layouts import Recognized
from greenkit.text import parse_number
from greenkit.times import is_zone

_GUARD: Final = ("'=", "'+", "'-", "'@", "'\t", "'\r", "''")
"""Text that a spreadsheet would take for a formula was written with an apostrophe before it."""
_FORMS: Final = {
    "flow": re.compile(r"[a-z][a-z0-9 _+-]*|Q[1-4]([+\u2212]Q[1-4])?"),
    "unit": re.compile(r"(imperial )?\S{1,16}( \((un)?compensated\))?"),
}
"""Flows and units, which summaries repeat. Any other text in their columns can be a person's name."""


def read(grid: Grid, place: Recognized, answers: Mapping[str, Any], meter: str | None) -> tuple[pd.DataFrame, Findings]:
    """Return the frame of a CSV that greenkit wrote."""
    return _frame(grid, place.delimiter, place.header, place.names, _FORMS), Findings()


def read_csv(source: Source) -> pd.DataFrame:
    """Return the frame of a CSV that greenkit wrote, whatever the order of its columns.

    Raises
    ------
    FormatError
        If the file is not such a CSV.
    """
    grid = CsvGrid(source)
    header = next((i for i, row in enumerate(grid.head(",")) if set(frame.COLUMNS) <= set(row)), None)
    if header is None:
        row = next((row for row in grid.head(",") if row), [])
        missing = [name for name in frame.COLUMNS if name not in row]
        raise FormatError(
            f"The CSV has no column {', '.join(missing)}, so it is not a greenkit frame",
            source=source.name,
            next_step="Read it with greenkit.load.",
        )
    return _frame(grid, ",", header, unique_names(grid.head(",")[header]), {})


def _frame(
    grid: Grid, delimiter: str, header: int, names: Sequence[str], forms: Mapping[str, re.Pattern[str]]
) -> pd.DataFrame:
    used = [name for name in names if name != "1" or names.index(name)]  # the index, which df.to_csv writes
    floats = [name for name in used if frame.DTYPES.get(name) == "float64"]
    words = [name for name in used if name not in floats]
    found = grid.read(delimiter, header + 1, names, words, floats, [], lambda _: None)
    columns = {}
    for name in used:
        try:
            columns[name] = _column(found, name, forms.get(name))
        except ValueError:
            raise FormatError(
                f"Column {name} has a value that cannot be read",
                source=os.path.basename(grid.name),
                next_step=(
                    f"If it is a {name} of your own, read the file with greenkit.export.read_csv."
                    if name in forms
                    else "Write the file again with greenkit.export.write_csv."
                ),
            ) from None
    return frame.tidy(pd.DataFrame(columns))


def _column(found: Columns, name: str, form: re.Pattern[str] | None) -> Any:
    """Return a column with the dtype of the frame, from its distinct words.

    Raises
    ------
    ValueError
        If a word is not of that dtype or form. The message must not repeat it.
    """
    if name in found.numbers:
        return found.numbers[name]
    column = found.words.get(name) or found.texts[name]
    kind = frame.DTYPES.get(name, "")
    words = [None if word == "" else word[1:] if word.startswith(_GUARD) else word for word in column.words]
    text = pd.Series(words, dtype="object")
    filled = [word for word in words if word]
    if (form and not all(map(form.fullmatch, filled))) or (name == "zone" and not all(map(is_zone, filled))):
        raise ValueError
    if kind == "time":
        parsed = pd.to_datetime(text, format="ISO8601", utc=True)
        return parsed.to_numpy()[column.codes] if len(words) else parsed
    if kind == "date":
        return pd.to_datetime(text, format="%Y-%m-%d").to_numpy()[column.codes]
    if kind == "Int16":
        return pd.array([pd.NA if w is None else int(float(w)) for w in words], dtype="Int16").take(column.codes)
    if kind == "float64":  # some cells are not plain numbers
        values = [np.nan if w is None else parse_number(w) for w in words]
        if None in values:
            raise ValueError
        return np.array(values, dtype=float)[column.codes]
    return pd.Series(np.array(words, dtype=object)[column.codes] if words else [], dtype="object")
