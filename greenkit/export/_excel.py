"""An Excel workbook: the intervals, daily totals, and what was doubtful."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _files, frame
from greenkit.analysis import intervals, quality, totals
from greenkit.errors import SchemaError, SettingsError

_EXCEL_ROWS: Final = 1_048_576
# XML 1.0 has no letters for these
_ILLEGAL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_excel(df: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a workbook (.xlsx): the intervals, daily totals, and what was doubtful, a sheet each.

    Excel knows no time zones, so times are local clock times with their offset from UTC in a column of its own. Meter
    ids are text, and no cell is ever a formula; a control character, which no workbook can hold, becomes U+FFFD. Needs
    ``pip install "greenkit[excel]"``.

    Raises
    ------
    SchemaError
        When there are more rows than a sheet holds (1,048,575).
    SettingsError
        When openpyxl is not installed.
    """
    frame.check(df)
    if len(df) >= _EXCEL_ROWS:
        raise SchemaError(
            f"{len(df):,} rows do not fit in an Excel worksheet", next_step="Write CSV or Parquet, or filter the frame."
        )
    try:
        from openpyxl import Workbook
    except ImportError:
        raise SettingsError(
            "Excel workbooks need openpyxl, which is not installed", next_step='Run pip install "greenkit[excel]".'
        ) from None
    book = Workbook(write_only=True)
    _sheet(book, "intervals", _clock_times(df))
    coarse = intervals.from_frame(df)
    fine = df.iloc[coarse.row[(coarse.interval <= quality.DAILY)[coarse.code]]]
    _sheet(book, "days", _clock_times(totals.by_period(fine, "day")))
    noted = [(f.severity, f.name, f.message) for f in quality.assess(df).findings.by_severity]
    _sheet(book, "doubts", pd.DataFrame(noted, columns=["severity", "name", "what"]))
    buffer = io.BytesIO()
    book.save(buffer)
    with _files.atomic(path) as file:
        file.write(buffer.getvalue())
    return Path(path)


def _clock_times(df: pd.DataFrame) -> pd.DataFrame:
    """Put local clock times and the offset in place of zoned times."""
    out = {}
    for name in df.columns:
        zoned = isinstance(df[name].dtype, pd.DatetimeTZDtype)
        if name == "start":
            out["utc_offset"] = df[name].dt.strftime("%z")
        out[name] = df[name].dt.tz_localize(None) if zoned else df[name]
    return pd.DataFrame(out)


def _sheet(book: Any, name: str, table: pd.DataFrame) -> None:
    from openpyxl.cell import WriteOnlyCell

    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    sheet.append(list(table.columns))
    columns = [table[n].astype("object").where(table[n].notna(), None).tolist() for n in table.columns]
    for row in zip(*columns, strict=True):
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value=_plain(value))
            if isinstance(cell.value, str):
                cell.data_type = "s"  # text even when it begins with "=", as names from hostile files may
            cells.append(cell)
        sheet.append(cells)


def _plain(value: Any) -> Any:
    """Make what a cell can hold: a number, a time, or text without control characters."""
    if value is None or isinstance(value, int | float | np.number):
        return value
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return _ILLEGAL.sub("\ufffd", str(value))
