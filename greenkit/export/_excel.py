"""Excel workbooks with the intervals, daily totals, and findings of a frame."""

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
from greenkit.findings import Findings

_EXCEL_ROWS: Final = 1_048_576
# characters that XML 1.0 does not allow
_ILLEGAL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_excel(df: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write an Excel workbook (.xlsx) with three worksheets: intervals, daily totals, and findings.

    The findings are those of the load, which the frame carries, and those of :func:`greenkit.analysis.quality.assess`.

    Excel does not support time zones, so times are local, with their offset from UTC in a separate column. Meter IDs
    are text, and no cell is a formula. Control characters, which a workbook cannot contain, become U+FFFD. Requires
    ``pip install "greenkit[excel]"``.

    Raises
    ------
    SchemaError
        If there are more rows than a worksheet can contain (1,048,575).
    SettingsError
        If openpyxl is not installed.
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
    every = Findings([*frame.findings_of(df), *quality.assess(df).findings]).by_severity
    noted = [(f.severity, f.name, f.message) for f in every]
    _sheet(book, "findings", pd.DataFrame(noted, columns=["severity", "name", "finding"]))
    buffer = io.BytesIO()
    book.save(buffer)
    with _files.atomic(path) as file:
        file.write(buffer.getvalue())
    return Path(path)


def _clock_times(df: pd.DataFrame) -> pd.DataFrame:
    """Replace times that have a time zone by local times and the offset from UTC."""
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
                cell.data_type = "s"  # text even if it begins with "=", as a name from a hostile file may
            cells.append(cell)
        sheet.append(cells)


def _plain(value: Any) -> Any:
    """Return a value that a cell can contain: a number, a time, or text without control characters."""
    if value is None or isinstance(value, int | float | np.number):
        return value
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return _ILLEGAL.sub("\ufffd", str(value))
