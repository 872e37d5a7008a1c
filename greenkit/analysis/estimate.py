"""Estimates for gaps: made only on request, in separate columns, so that measured values never change.

The methods are those of the UBP: a straight line between its neighbors fills a short gap, and the mean of similar days
fills a longer one. No estimate is based on another estimate, or on an outage, where zero is the correct value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.analysis import _periods, checks, intervals
from greenkit.analysis._periods import Holidays
from greenkit.analysis.intervals import HOUR, Bools, Floats, Intervals
from greenkit.times import US, to_times

SHORT: Final = 2.0
"""Longest gap, in hours, that a straight line crosses."""
WEEKS: Final = 3
"""Weeks before and after a gap in which similar days are used."""
_DAY: Final = 24 * HOUR


def fill_gaps(df: pd.DataFrame, *, short: float = SHORT, weeks: int = WEEKS, holidays: Holidays = None) -> pd.DataFrame:
    """Estimate the missing intervals of each series, in columns next to the measured values.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of amounts or states.
    short : float
        Longest gap, in hours, that is filled by a straight line between its neighbors. Default: 2.
    weeks : int
        Longer gaps are filled with the mean, by local time of day, of the days of the same type (weekday, weekend, or
        holiday) within this number of weeks before and after. Default: 3.
    holidays : str, or iterable of dates, optional
        As in :func:`greenkit.analysis.shape.average_day`.

    Returns
    -------
    DataFrame
        The frame with a row for every missing interval (``value`` NaN, quality "missing") and two more columns:
        ``filled``, the value or its estimate in the same unit (NaN if no estimate is possible), and ``filled_by``: ""
        (measured), "line", "like-days", or "none". Duplicate rows are kept once. An empty frame returns an empty frame.

    Raises
    ------
    SchemaError
        If the frame is not tidy, or if no holidays are known for the country or state.

    Notes
    -----
    A line needs two measured values above zero. The mean of similar days uses measured values only, without the runs
    of zeros that :func:`greenkit.analysis.checks.runs` reports.
    """
    found = intervals.checked(df)
    complete = _with_missing(df, found)
    rows = intervals.from_frame(complete)
    measured = rows.valid & ~rows.estimated & ~_in_outage(rows)
    filled, by = rows.value.copy(), np.where(rows.valid, "", "none").astype(object)
    for code in np.unique(rows.code[~rows.valid]):
        here = np.flatnonzero(rows.code == code)
        one = rows.take(here)
        line = _line(one, measured[here], short)
        like = _like_days(one, measured[here], weeks, holidays)
        for estimate, name in ((line, "line"), (like, "like-days")):
            use = np.isnan(filled[here]) & np.isfinite(estimate)
            filled[here[use]], by[here[use]] = estimate[use], name
    out = complete.iloc[rows.row].reset_index(drop=True)
    return out.assign(filled=filled, filled_by=pd.Categorical(by, categories=["", "line", "like-days", "none"]))


def _with_missing(df: pd.DataFrame, found: Intervals) -> pd.DataFrame:
    """Add a row for each missing interval that has none."""
    gaps = checks.gaps(found)
    length = (found.interval * US)[gaps["code"].to_numpy(dtype=np.int64)]
    count = np.where(length > 0, gaps["intervals"].to_numpy(dtype=np.int64), 0)
    code = np.repeat(gaps["code"].to_numpy(dtype=np.int64), count)
    first = np.cumsum(count) - count
    step = np.arange(count.sum()) - np.repeat(first, count)
    start = np.repeat(gaps["start"].to_numpy(dtype=np.int64), count) + step * np.repeat(length, count)
    end = np.minimum(start + np.repeat(length, count), np.repeat(gaps["end"].to_numpy(dtype=np.int64), count))
    kept = df.iloc[found.row[found.valid]]
    keys = found.keys.iloc[code].reset_index(drop=True)
    more = keys.assign(start=to_times(start), end=to_times(end), value=np.nan, quality="missing")
    more = intervals.with_attributes(more, intervals.attributes(df)).reindex(columns=df.columns)
    parts = [kept, _typed(more, df)] if len(more) else [kept]
    return frame.concat([frame.tidy(p) for p in parts], revisions="all")


def _typed(more: pd.DataFrame, df: pd.DataFrame) -> pd.DataFrame:
    zone = df["start"].dt.tz
    for name in ("start", "end"):
        more[name] = more[name].dt.tz_convert(zone)
    return more.astype({n: df[n].dtype for n in df.columns if n not in frame.COLUMNS and n != "revision"})


def _in_outage(rows: Intervals) -> Bools:
    """Return which values belong to a reported run of zeros."""
    runs = checks.runs(rows)
    zero = runs[runs["kind"] == "zero"]
    inside = np.zeros(len(rows), dtype=bool)
    for run in zero.to_dict("records"):
        inside |= (rows.code == run["code"]) & (rows.start >= run["start"]) & (rows.start < run["end"])
    return inside


def _line(one: Intervals, measured: Bools, short: float) -> Floats:
    """Interpolate each short run of missing intervals that has measured neighbors above zero."""
    out = np.full(len(one), np.nan)
    lacks = ~one.valid
    edge = np.diff(np.concatenate([[0], lacks.astype(np.int8), [0]]))
    for first, after in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
        before = first - 1
        if before < 0 or after >= len(one) or not (measured[before] and measured[after]):
            continue
        if one.hours[first:after].sum() > short + 1e-9 or min(one.value[before], one.value[after]) <= 0:
            continue
        out[first:after] = np.interp(one.start[first:after], one.start[[before, after]], one.value[[before, after]])
    return out


def _like_days(one: Intervals, measured: Bools, weeks: int, holidays: Holidays) -> Floats:
    """Average the same time of day over similar days near the gap."""
    kind = _periods.day_types(one.date, holidays).codes.astype(np.int64)
    like = one.wall % _DAY * len(_periods.DAY_TYPES) + kind
    out = np.full(len(one), np.nan)
    for group in np.unique(like[~one.valid]):
        measured_rows = np.flatnonzero(measured & (like == group))
        missing_rows = np.flatnonzero(~one.valid & (like == group))
        total = np.append(0.0, np.cumsum(one.value[measured_rows]))
        low = np.searchsorted(one.date[measured_rows], one.date[missing_rows] - 7 * weeks, side="left")
        high = np.searchsorted(one.date[measured_rows], one.date[missing_rows] + 7 * weeks, side="right")
        some = high > low
        out[missing_rows[some]] = (total[high] - total[low])[some] / (high - low)[some]
    return out
