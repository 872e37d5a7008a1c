"""Prices from a series: wholesale prices, export prices by the hour, and tables of 576 values.

=====================  ===============================================================================================
Layout                 Recognized by
=====================  ===============================================================================================
instants               a column ``start`` (or ``time``, ``timestamp``) with offsets, and columns of prices per kWh
ERCOT real time        ``DeliveryDate``, ``DeliveryHour`` 1-24, ``DeliveryInterval`` 1-4, and ``DSTFlag``; $/MWh
ERCOT day ahead        ``DeliveryDate``, ``HourEnding`` "01:00", and ``DSTFlag``; $/MWh
a year's table         ``month``, ``day`` (weekday, weekend), ``hour`` 0-23, and columns of prices per kWh: 12 × 2 × 24
=====================  ===============================================================================================

A price holds from its start to the next start, at most for the usual step of the series. An interval that is longer
than the step of the prices gets their mean over its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import times
from greenkit.tariffs._model import HOLIDAY, PlanError, PriceSeries
from greenkit.tariffs._plan import Plan
from greenkit.tariffs._usage import MINUTE, Floats, Ints

Given = Mapping[str, Any]
_TIMES: Final = ("start", "time", "timestamp", "datetime", "interval_start")
_ERCOT: Final = ("DeliveryDate", "DSTFlag")
_POINT: Final = ("SettlementPointName", "SettlementPoint")
_ERCOT_ZONE: Final = "America/Chicago"
_PER_MWH: Final = 1000.0
_LARGEST: Final = 200_000_000  # bytes of a price file


@dataclass(frozen=True, eq=False)
class Steps:
    """Prices as steps in time: from each start to its end; NaN where a price is missing."""

    start: Ints
    end: Ints
    price: Floats

    def mean(self, start: Ints, end: Ints) -> Floats:
        """Return the mean price over spans of time; NaN where a part of the span has no price.

        ``worth`` and ``time`` are running integrals of price and of priced time at the bounds of the steps, so the mean
        of a span is the difference of two look-ups: prices 1, 3 an hour long, span 00:30 to 01:30 → (0.5 + 1.5) / 1.
        """
        good = np.isfinite(self.price)
        a, b, p = self.start[good], self.end[good], self.price[good]
        if not len(a):
            return np.full(len(start), np.nan)
        hours = (b - a).astype(np.float64)
        time, worth = np.append(0.0, np.cumsum(hours)), np.append(0.0, np.cumsum(hours * p))

        def at(when: Ints) -> tuple[Floats, Floats]:
            i = np.searchsorted(a, when, side="right") - 1
            inside = np.clip(when - a[np.maximum(i, 0)], 0, hours[np.maximum(i, 0)])
            inside = np.where(i >= 0, inside, 0.0)
            j = np.maximum(i, 0)
            return time[j] + inside, worth[j] + inside * p[j]

        (t0, w0), (t1, w1) = at(start), at(end)
        span = (end - start).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.abs(t1 - t0 - span) <= 1, (w1 - w0) / (t1 - t0), np.nan)


@dataclass(frozen=True, eq=False)
class YearTable:
    """A price for each month, weekday or weekend and holiday, and hour: 12 × 2 × 24."""

    price: Floats

    def at(self, klass: Ints, minute: Ints) -> Floats:
        """Return the prices of clock times on dates of some kinds."""
        kind = klass // 8 % 8
        weekend = ((kind >= 5) | (kind == HOLIDAY)).astype(np.int64)
        return np.asarray(self.price[klass // 64, weekend, minute // 60])


class SeriesBook:
    """The price series of one calculation, each read once.

    Parameters
    ----------
    given : mapping, optional
        Name of a series → a pandas Series with a zone-aware index, a DataFrame, or the path of a file.
    """

    def __init__(self, given: Given | None = None) -> None:
        self.given = dict(given or {})
        self._read: dict[tuple[str, str | None, str], dict[str, Steps | YearTable]] = {}

    def load(self, plan: Plan, series: PriceSeries) -> dict[str, Steps | YearTable]:
        """Return the columns of a series.

        Raises
        ------
        PlanError
            If the file is missing, has no prices, or has times without a zone.
        """
        key = (series.source, series.point, str(plan.folder))
        if key not in self._read:
            self._read[key] = self._columns(plan, series)
        found = self._read[key]
        if not series.columns:
            if len(found) > 1:
                raise PlanError(
                    f"{series.source} has {len(found)} columns of prices: {', '.join(found)}",
                    next_step=f"Name the one to use, such as columns = [{next(iter(found))!r}].",
                )
            return dict(found)
        missing = [c for c in series.columns if c not in found]
        if missing:
            raise PlanError(f"{series.source} has no column {missing[0]}", next_step=f"Use one of {', '.join(found)}.")
        return {c: found[c] for c in series.columns}

    def _columns(self, plan: Plan, series: PriceSeries) -> dict[str, Steps | YearTable]:
        source: Any = self.given.get(series.source, series.source)
        if isinstance(source, str | Path):
            source = _file(plan.folder, str(source), plan.name)
        return columns_of(source, series.source, series.point)


def _file(folder: Path | None, name: str, plan: str) -> pd.DataFrame:
    path = Path(name).expanduser()
    path = path if path.is_absolute() or folder is None else folder / path
    if not path.is_file():
        raise PlanError(
            f"{plan}: There is no price file {name}",
            next_step=f"Place the file next to the plan, or pass prices={{{name!r}: series}}.",
        )
    if path.stat().st_size > _LARGEST:
        raise PlanError(f"{name} is larger than {_LARGEST:,} bytes", next_step="Keep only the hours of the bills.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=dict.fromkeys((*_ERCOT, "HourEnding", *_POINT), "str"))
    except (ValueError, OSError, UnicodeDecodeError) as e:
        raise PlanError(f"{name} cannot be read ({type(e).__name__})", next_step="Use CSV or Parquet.") from None


def columns_of(source: Any, name: str, point: str | None = None) -> dict[str, Steps | YearTable]:
    """Return the columns of prices of a table.

    Raises
    ------
    PlanError
        If the table has no layout that is known.
    """
    if isinstance(source, pd.Series):
        source = source.to_frame(source.name or "price")
    if not isinstance(source, pd.DataFrame):
        raise PlanError(
            f"The prices {name} are of type {type(source).__name__}", next_step="Pass a Series, a DataFrame, or a path."
        )
    table = source
    if isinstance(table.index, pd.DatetimeIndex):
        table = table.rename_axis("start").reset_index()
    if set(_ERCOT) <= set(table.columns):
        return {"price": _ercot(table, name, point)}
    lower = {str(c).lower(): c for c in table.columns}
    if {"month", "hour"} <= set(lower) and ({"day", "day_type"} & set(lower)):
        return _year_table(table.rename(columns={v: k for k, v in lower.items()}), name)
    time = next((lower[t] for t in _TIMES if t in lower), None)
    if time is None:
        raise PlanError(
            f"{name} has no column of times", next_step="Name the column of times start, and write times with offsets."
        )
    start = _instants(table[time], name)
    known = {time, lower.get("end"), lower.get("zone"), lower.get("unit"), lower.get("currency")}
    prices = [c for c in table.columns if c not in known and pd.api.types.is_numeric_dtype(table[c].dtype)]
    if not prices:
        raise PlanError(f"{name} has no column of prices", next_step="Add a column of prices per kWh.")
    end = _instants(table[lower["end"]], name) if "end" in lower else None
    return {str(c): _steps(start, end, table[c].to_numpy(dtype=np.float64), name) for c in prices}


def _instants(column: pd.Series[Any], name: str) -> Ints:
    stamps = column
    if not isinstance(stamps.dtype, pd.DatetimeTZDtype):
        text = stamps.astype("str")
        if stamps.dtype.kind == "M" or not text.str.contains(r"(?:[+-]\d\d:?\d\d|Z)$").all():
            raise PlanError(
                f"{name} has times without a time zone",
                next_step="Write times with an offset, such as 2026-07-01T00:00:00-05:00, or localize the index.",
            )
        try:
            stamps = pd.to_datetime(text, utc=True)
        except (ValueError, OverflowError):
            raise PlanError(f"{name} has times that cannot be read", next_step="Write ISO 8601 times.") from None
    if stamps.isna().any():
        raise PlanError(f"{name} has empty times", next_step="Remove the rows without a time.")
    return times.to_instants(pd.DatetimeIndex(stamps))


def _steps(start: Ints, end: Ints | None, price: Floats, name: str) -> Steps:
    order = np.argsort(start, kind="stable")
    start, price = start[order], price[order]
    if len(start) > 1 and (start[1:] == start[:-1]).any():
        at = times.to_times(start[1:][start[1:] == start[:-1]][:1])[0]
        raise PlanError(f"{name} has two prices at {at:%Y-%m-%d %H:%M} UTC", next_step="Keep one price for each time.")
    if end is None:
        gaps = np.diff(start)
        step = int(np.bincount((gaps // MINUTE).astype(np.int64)).argmax()) * MINUTE if len(gaps) else 60 * MINUTE
        if len(gaps) and step <= 0:
            step = int(gaps.min())
        end = np.minimum(start + step, np.append(start[1:], np.iinfo(np.int64).max))
    else:
        end = end[order]
    return Steps(start, np.asarray(end), price)


def _ercot(table: pd.DataFrame, name: str, point: str | None) -> Steps:
    """Read ERCOT's settlement point prices; the flag marks the second of the two hours on the fall-back day."""
    column = next((c for c in _POINT if c in table.columns), None)
    if column is not None:
        points = table[column].astype("str")
        if point is not None:
            table = table[points == point]
            if not len(table):
                raise PlanError(f"{name} has no settlement point {point}", next_step="Check the name of the load zone.")
        elif points.nunique() > 1:
            raise PlanError(
                f"{name} has {points.nunique()} settlement points", next_step='Name one, such as point = "LZ_NORTH".'
            )
    table = table.drop_duplicates([c for c in table.columns if c not in ("SettlementPointType",)])
    date = pd.to_datetime(table["DeliveryDate"]).to_numpy().astype("datetime64[us]").view(np.int64)
    if "HourEnding" in table.columns:
        hour = table["HourEnding"].astype("str").str.split(":").str[0].astype("int64").to_numpy()
        quarter, step = np.ones(len(table), dtype=np.int64), 60
    else:
        hour = table["DeliveryHour"].to_numpy(dtype=np.int64)
        quarter, step = table["DeliveryInterval"].to_numpy(dtype=np.int64), 15
    wall = date + (hour - 1) * 60 * MINUTE + (quarter - 1) * 15 * MINUTE
    again = table["DSTFlag"].astype("str").str.strip().str.upper().isin(["Y", "TRUE"]).to_numpy()
    start = times.from_wall_clock(wall, _ERCOT_ZONE).copy()
    if again.any():
        start[again] = times.from_wall_clock(wall[again], _ERCOT_ZONE, repeated="standard")
    price = pd.to_numeric(table["SettlementPointPrice"]).to_numpy(dtype=np.float64) / _PER_MWH
    return _steps(start, start + step * MINUTE, price, name)


def _year_table(table: pd.DataFrame, name: str) -> dict[str, Steps | YearTable]:
    day = table["day_type" if "day_type" in table.columns else "day"].astype("str").str.lower()
    weekend = day.str.contains("weekend") | day.str.contains("holiday")
    if not (weekend | day.str.contains("weekday")).all():
        raise PlanError(f"{name} has a day that is neither weekday nor weekend", next_step="Write weekday or weekend.")
    month = table["month"].to_numpy(dtype=np.int64)
    hour = table["hour"].to_numpy(dtype=np.int64)
    if len(table) != 576 or not ((month >= 1) & (month <= 12) & (hour >= 0) & (hour <= 23)).all():
        raise PlanError(
            f"{name} has {len(table)} rows, but a year's table has 12 × 2 × 24 = 576",
            next_step="Write one row for each month 1-12, weekday and weekend, and hour 0-23.",
        )
    made: dict[str, Steps | YearTable] = {}
    for column in table.columns:
        if column in ("month", "day", "day_type", "hour") or not pd.api.types.is_numeric_dtype(table[column].dtype):
            continue
        price = np.full((12, 2, 24), np.nan)
        price[month - 1, weekend.to_numpy(dtype=np.int64), hour] = table[column].to_numpy(dtype=np.float64)
        if not np.isfinite(price).all():
            raise PlanError(f"{name} lacks prices in column {column}", next_step="Set one price for each hour.")
        made[str(column)] = YearTable(price)
    return made


def prices_at(
    found: Steps | YearTable, start: Ints, end: Ints, klass: Ints, minute: Ints, needed: Any, name: str, zone: str
) -> Floats:
    """Return the price of each interval.

    Raises
    ------
    PlanError
        If an interval that is ``needed`` has no price; the error names the first one.
    """
    if isinstance(found, YearTable):
        return found.at(klass, minute)
    made = found.mean(start, end)
    bad = ~np.isfinite(made) & needed
    if bad.any():
        at = times.to_times(start[bad][:1], zone)[0]
        raise PlanError(
            f"{name} has no price for {int(bad.sum()):,} intervals, first at {at:%Y-%m-%d %H:%M %z}",
            next_step="Add the missing hours to the price series, or price a shorter period.",
        )
    return np.nan_to_num(made)
