"""Frames for other tools: CSV and back, Excel, Home Assistant, OpenDSM, and a copy without identities.

Parquet is :mod:`greenkit.store`. Each format's own rules stand beside its writer.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _files, days, frame
from greenkit.analysis import intervals, quality, totals
from greenkit.analysis.intervals import HOUR, Intervals
from greenkit.errors import FormatError, SchemaError

StrPath = str | os.PathLike[str]
_TIMES: Final = ("start", "end", "revision")
_EXCEL_ROWS: Final = 1_048_576
# what Home Assistant calls the units that its energy dashboard takes
_HA_UNITS: Final = {"kWh": "kWh", "m3": "m³", "ft3": "ft³", "gal": "gal", "L": "L"}
_KEPT: Final = ("cost", "currency", "tou", "cpp", "tier", "commodity", "kind", "quality_code", "usage_date")
"""Extra columns that say nothing of who the customer is."""
_SALT_LENGTH: Final = 16


def write_csv(df: pd.DataFrame, path: StrPath) -> Path:
    """Write a frame as CSV (RFC 4180, UTF-8) that :func:`read_csv` reads back without loss.

    Times are ISO 8601 with their offset from UTC, so the repeated hour stays two; numbers have all their digits;
    an empty cell is no value. The findings that a frame carries stay behind: Parquet keeps them.
    """
    frame.check(df)
    out = df.copy()
    for name in out.columns.intersection(list(_TIMES)):
        out[name] = [t.isoformat() if pd.notna(t) else "" for t in out[name]]
    if "usage_date" in out.columns:
        out["usage_date"] = out["usage_date"].dt.strftime("%Y-%m-%d")
    with _files.atomic(path) as file:
        file.write(out.to_csv(index=False, lineterminator="\r\n").encode())
    return Path(path)


def read_csv(path: StrPath) -> pd.DataFrame:
    """Read a CSV of :func:`write_csv` back: the same rows, columns and dtypes.

    Raises
    ------
    FormatError
        When it is not such a CSV.
    """
    # text first, so that an ESI ID keeps its digits and a code its zeros
    raw = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    missing = [name for name in frame.COLUMNS if name not in raw.columns]
    if missing:
        raise FormatError(f"lacks {', '.join(missing)}: only a CSV of write_csv can be read back", source=str(path))
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
        return pd.to_numeric(filled).astype(pd.Int16Dtype()) if kind == "Int16" else filled
    except ValueError as e:
        raise FormatError(f"column {name}: {e}", source=path) from None


def write_excel(df: pd.DataFrame, path: StrPath) -> Path:
    """Write a workbook (.xlsx): the intervals, daily totals, and what was doubtful, a sheet each.

    Excel knows no time zones, so times are local clock times with their offset from UTC in a column of its own. Meter
    ids are text, and no cell is ever a formula. Needs ``pip install "greenkit[excel]"``.

    Raises
    ------
    SchemaError
        When there are more rows than a sheet holds (1,048,575).
    """
    frame.check(df)
    if len(df) >= _EXCEL_ROWS:
        raise SchemaError(f"{len(df):,} rows do not fit in a sheet: write CSV or Parquet, or filter the frame")
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    _sheet(book, "intervals", _clock_times(df))
    coarse = intervals.read(df)
    fine = df.iloc[coarse.row[(coarse.interval <= quality.DAILY)[coarse.code]]]
    _sheet(book, "days", _clock_times(totals.by_period(fine, "day")))
    noted = [(f.severity, f.name, f.text) for f in quality.assess(df).findings]
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
            cell = WriteOnlyCell(sheet, value=value.to_pydatetime() if isinstance(value, pd.Timestamp) else value)
            if isinstance(value, str):
                cell.data_type = "s"  # text even when it begins with "=", as names from hostile files may
            cells.append(cell)
        sheet.append(cells)


def home_assistant(df: pd.DataFrame, *, source: str = "greenkit", before: float = 0.0) -> list[dict[str, Any]]:
    """Make the statistics that Home Assistant's recorder imports: hourly, from the full hour, with a running sum.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of amounts (kWh, m3, ft3, gal, L) with intervals of an hour or less.
    source : str
        Domain of the statistics' ids.
    before : float
        What had been used before the first hour: the last ``sum`` of an earlier import.

    Returns
    -------
    list of dict
        For each series what ``recorder.import_statistics`` takes: ``statistic_id``, ``source``, ``name``,
        ``unit_of_measurement``, ``has_mean``, ``has_sum`` and ``stats``: ``start`` (UTC, full hour), ``state`` (the
        hour's amount) and ``sum``. Delivered, received and net have ids of their own. Hours without a value are left
        out, so the sum stays level over them; an hour that lacks some intervals has what there is.

    Raises
    ------
    SchemaError
        When a series has a unit that Home Assistant does not take, or intervals of more than an hour.
    """
    found = intervals.used(df)
    for code, unit in enumerate(found.keys["unit"]):
        if unit not in _HA_UNITS or found.interval[code] > 3600:
            raise SchemaError(
                f"{found.label(code)} is no hourly amount that Home Assistant takes ({', '.join(_HA_UNITS)}): "
                "filter it out"
            )
    return [_statistics(found.take(found.code == code), code, source, before) for code in range(len(found.keys))]


def _statistics(one: Intervals, code: int, source: str, before: float) -> dict[str, Any]:
    one = one.take(one.valid)
    key = one.keys.iloc[code]
    hour, where = np.unique(one.start // HOUR, return_inverse=True)
    state = np.bincount(where.reshape(-1), one.value, len(hour))
    starts = days.times(hour * HOUR).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    twins = one.keys.duplicated(["meter", "flow"], keep=False).iloc[code]
    parts = [key["meter"], key["flow"], *([key["series"]] if twins else [])]
    slug = re.sub("_+", "_", re.sub("[^0-9a-z]", "_", "_".join(parts).lower())).strip("_")
    stats = zip(starts, state.tolist(), (before + np.cumsum(state)).tolist(), strict=True)
    return {
        "statistic_id": f"{source}:{slug}",
        "source": source,
        "name": " ".join(parts),
        "unit_of_measurement": _HA_UNITS[key["unit"]],
        "has_mean": False,
        "has_sum": True,
        "stats": [{"start": at, "state": round(amount, 6), "sum": round(total, 6)} for at, amount, total in stats],
    }


def write_home_assistant(df: pd.DataFrame, path: StrPath, **options: Any) -> Path:
    """Write :func:`home_assistant` statistics as ``.json``, or as the ``.tsv`` of the import_statistics integration.

    The TSV's times are UTC: name that zone when you import it.
    """
    made = home_assistant(df, **options)
    if str(path).endswith(".tsv"):
        text = "\r\n".join("\t".join(row) for row in _tsv(made)) + "\r\n"
    else:
        text = json.dumps(made, indent=1, ensure_ascii=False)
    with _files.atomic(path) as file:
        file.write(text.encode())
    return Path(path)


def _tsv(made: list[dict[str, Any]]) -> Iterator[list[str]]:
    yield ["statistic_id", "unit", "start", "state", "sum"]
    for series in made:
        for stat in series["stats"]:
            start = f"{pd.Timestamp(stat['start']):%d.%m.%Y %H:%M}"
            yield [series["statistic_id"], series["unit_of_measurement"], start, f"{stat['state']}", f"{stat['sum']}"]


def opendsm_frame(df: pd.DataFrame, temperature: pd.Series[float], *, period: str = "hour") -> pd.DataFrame:
    """Make the input of OpenDSM's models: ``observed`` and ``temperature`` by local hour or day.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series of amounts.
    temperature : Series
        Outdoor temperature in °F with a zone-aware DatetimeIndex, hourly or finer; it is averaged over the period.
    period : {"hour", "day"}
        Of the model.

    Returns
    -------
    DataFrame
        Index ``datetime`` in the site's zone, every period once and without holes. ``observed`` is NaN where any
        interval of the period is missing, since a part of an hour is not its amount.

    Raises
    ------
    SchemaError
        When there is not exactly one series of amounts, or the temperature has no zone.

    Notes
    -----
    OpenDSM takes an electric zero for a missing value.
    """
    found = intervals.used(df)
    if len(found.keys) != 1 or not intervals.adds_up(found.keys["unit"].iloc[0]):
        raise SchemaError(
            f"OpenDSM takes one series of amounts, and the frame holds {len(found.keys)}: filter it first"
        )
    if not isinstance(temperature.index, pd.DatetimeIndex) or temperature.index.tz is None:
        raise SchemaError("the temperature needs an index of times with a zone: use tz_localize")
    table = totals.by_period(df, period)
    index = pd.DatetimeIndex(table["start"], name="datetime")
    observed = table["value"].where(table["present"] >= table["expected"]).to_numpy()
    edges = days.instants(pd.DatetimeIndex([*table["start"], table["end"].iloc[-1]]))
    at = days.instants(temperature.index)
    place = np.searchsorted(edges, at, side="right") - 1
    inside = (place >= 0) & (place < len(index)) & temperature.notna().to_numpy()
    total = np.bincount(place[inside], temperature.to_numpy(dtype=np.float64)[inside], len(index))
    count = np.bincount(place[inside], minlength=len(index))
    mean = np.divide(total, count, out=np.full(len(index), np.nan), where=count > 0)
    return pd.DataFrame({"observed": observed, "temperature": mean}, index=index)


def redact(df: pd.DataFrame, salt: str | bytes | None = None) -> pd.DataFrame:
    """Make a copy that can be shared: ids hashed with a salt, file names and columns of one's own left out.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    salt : str or bytes, optional
        At least 16 characters that you keep to yourself: with the same one, the same meter has the same name in every
        copy. Without it a random one is used and forgotten.

    Returns
    -------
    DataFrame
        The same intervals; ``meter`` and ``series`` are ``meter-`` and ``series-`` with 16 hexadecimal digits of an
        HMAC-SHA256. No findings travel with it, since they name files.

    Raises
    ------
    ValueError
        When the salt is short: an ESI ID has few enough digits to be guessed.

    Notes
    -----
    A year of intervals can itself tell a household apart; this takes away the names, not the habits.
    """
    key = secrets.token_bytes(32) if salt is None else salt.encode() if isinstance(salt, str) else salt
    if len(key) < _SALT_LENGTH:
        raise ValueError(f"the salt must have at least {_SALT_LENGTH} characters, or the ids could be guessed")
    frame.check(df)
    out = df[[n for n in df.columns if n in frame.COLUMNS or n in _KEPT]].copy()
    out.attrs = {}
    for name in ("meter", "series"):
        text = out[name].astype("str")
        names = {word: _hashed(f"{name}:{word}", name, key) for word in text.unique()}
        out[name] = text.map(names)
    return frame.tidy(out)


def _hashed(text: str, name: str, key: bytes) -> str:
    return f"{name}-{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]}"
