"""Load profiles: the average day, and two spans compared by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from greenkit.analysis import daytypes
from greenkit.analysis.intervals import HOUR
from greenkit.analysis.shape import SERIES, keys_of, say, used
from greenkit.days import US
from greenkit.errors import SchemaError


def average_day(
    df: pd.DataFrame, by: str | Sequence[str] = ("day_type",), *, holidays: daytypes.Holidays = None
) -> pd.DataFrame:
    """Average the load over each time of the local day, with its median and the band of 10th to 90th percentile.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    by : {"day_type", "season", "month", "weekday", "year"}, or a sequence of them
        What to keep apart; nothing gives one average day.
    holidays : str, or iterable of dates, optional
        A country, or country and state, such as "US-TX", whose public holidays are a day type of their own.

    Returns
    -------
    DataFrame
        One row for each series, group and time of day: meter, flow, series, unit, the groups, ``time`` ("13:15", local
        clock), ``hour`` (13.25), ``mean``, ``median``, ``p10``, ``p90`` (power), ``count`` (intervals in it: one a
        day, and the repeated hour of autumn a second one). No rows give no rows.

    Raises
    ------
    SchemaError
        When a series has intervals of more than an hour, or ``by`` names something else.
    """
    by = (by,) if isinstance(by, str) else by
    one = used(df)
    long = np.flatnonzero(one.interval > 3600)
    if len(long):
        raise SchemaError(
            f"{one.label(int(long[0]))} has intervals of {one.interval[long[0]] / 3600:g} h, and an average day needs "
            "an hour or less: filter the series out"
        )
    size = np.maximum(one.interval * US, 1)[one.code]
    slot = one.wall % (24 * HOUR) // size * size
    groups = daytypes.groups(one.date, one.keys, one.code, by, holidays)
    power = pd.Series(one.power).groupby([one.code, *groups.values(), slot], observed=True)
    table = power.agg(mean="mean", median="median", count="size")
    table["p10"], table["p90"] = power.quantile(0.1), power.quantile(0.9)
    table.index.names = ["code", *groups, "slot"]
    flat = table.reset_index()
    minutes = flat["slot"].to_numpy(dtype=np.int64) // (60 * US)
    flat["time"] = [f"{m // 60:02d}:{m % 60:02d}" for m in minutes]
    flat["hour"] = minutes / 60
    names = [*groups, "time", "hour", "mean", "median", "p10", "p90", "count"]
    return say(pd.concat([keys_of(one, flat["code"]), flat[names]], axis=1), df, one)


def compare(
    df: pd.DataFrame, before: tuple[Any, Any], after: tuple[Any, Any], *, holidays: daytypes.Holidays = None
) -> pd.DataFrame:
    """Compare the average days of two spans of local dates, day type by day type; weather is not allowed for.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    before, after : tuple of date
        First date, and first date after.
    holidays : str, or iterable of dates, optional
        As in :func:`average_day`.

    Returns
    -------
    DataFrame
        One row for each series, day type and time of day: ``before``, ``after``, ``difference`` (after − before) in
        power, ``share`` (difference ÷ before), and the intervals in each: ``days_before``, ``days_after`` (one
        a day, and two where an hour is repeated).

    Raises
    ------
    SchemaError
        When a span is not two dates in order, or a series has intervals of more than an hour.
    """
    one = used(df)
    sides = []
    for name, span in (("before", before), ("after", after)):
        a, b = _dates(name, span)
        part = df.iloc[one.row[(one.date >= a) & (one.date < b)]]
        day = average_day(part, ("day_type",), holidays=holidays)
        day = day.rename(columns={"mean": name, "count": f"days_{name}"})
        sides.append(day[[*SERIES, "day_type", "time", "hour", name, f"days_{name}"]])
    out = sides[0].merge(sides[1], on=[*SERIES, "day_type", "time", "hour"], how="outer")
    out["difference"] = out["after"] - out["before"]
    with np.errstate(divide="ignore", invalid="ignore"):
        out["share"] = out["difference"] / out["before"]
    names = [
        *SERIES,
        "day_type",
        "time",
        "hour",
        "before",
        "after",
        "difference",
        "share",
        "days_before",
        "days_after",
    ]
    out = out[names].sort_values([*SERIES, "day_type", "hour"], ignore_index=True)
    return say(out, df, one)


def _dates(name: str, span: tuple[Any, Any]) -> tuple[int, int]:
    """Give the bounds of a span as days since 1970."""
    try:
        first, last = (pd.Timestamp(d).to_datetime64().astype("datetime64[D]") for d in span)
    except (TypeError, ValueError):
        first, last = np.datetime64("NaT", "D"), np.datetime64("NaT", "D")
    if isinstance(span, str) or not first < last:
        raise SchemaError(
            f'{name} is {span!r}: give its first date and the first date after, as in ("2024-06-01", "2024-07-01")'
        )
    return int(first.astype(np.int64)), int(last.astype(np.int64))
