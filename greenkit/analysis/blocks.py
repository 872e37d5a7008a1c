"""Wholesale blocks of the local clock: 5x16, 2x16, and 7x8, with the NERC holidays.

5x16 is hour ending 7 to 22 (06:00 to 22:00) from Monday to Friday, 2x16 is the same hours on Saturdays, Sundays, and
NERC holidays, and 7x8 is the other eight hours of every day. Hours are local prevailing time, as ERCOT and the
eastern markets trade them; western markets count Saturday as on-peak, which this schedule does not.

Source: NERC, "Additional Off-peak Days": New Year's Day, Memorial Day, Independence Day, Labor Day, Thanksgiving Day,
and Christmas Day; a holiday on a Sunday is observed on the following Monday, one on a Saturday is not moved.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from greenkit.analysis._periods import DAY, DAYS, MONTHS, QUARTERS, WEEKS, YEARS, assign, holiday_dates
from greenkit.analysis._periods import nerc_holidays as nerc_holidays
from greenkit.analysis.intervals import HOUR, POWER, Intervals, checked, state
from greenkit.analysis.totals import SPELLINGS
from greenkit.errors import SchemaError

NAMES: Final = ("5x16", "2x16", "7x8")
_ON_PEAK: Final = (6, 22)
"""Local hours between which the 16-hour blocks run."""


def of(found: Intervals) -> pd.Categorical:
    """Return the block in which each interval starts.

    Parameters
    ----------
    found : Intervals
        Intervals of an hour or less, so that none reaches from one block into the next.
    """
    dates, hour = found.date, found.wall % DAY // HOUR
    which, distinct = pd.factorize(dates, sort=True)
    off = (distinct + 3) % 7 >= 5
    off |= np.isin(distinct, holiday_dates("NERC", distinct))
    day = (hour >= _ON_PEAK[0]) & (hour < _ON_PEAK[1])
    code = np.where(day, off[which].astype(np.int8), np.int8(2)).astype(np.int8)
    made: pd.Categorical = pd.Categorical.from_codes(code, dtype=pd.CategoricalDtype(list(NAMES)))  # type: ignore[assignment]
    return made


def totals(df: pd.DataFrame, period: str = "month") -> pd.DataFrame:
    """Add up each flow by wholesale block over periods of the local calendar.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    period : {"day", "week", "month", "quarter", "year"}
        Also the other spellings of :func:`greenkit.analysis.totals.by_period`. Default: ``"month"``.

    Returns
    -------
    DataFrame
        One row for each flow, period, and block with data: meter, flow, series, unit, ``period``, ``block``, ``value``
        (sum of amounts, mean of rates weighted by hours), ``hours`` that have data, and ``present`` intervals. The
        blocks of a period add up to :func:`greenkit.analysis.totals.by_period`.

    Raises
    ------
    SchemaError
        If the frame is not tidy, a series has intervals longer than an hour, or the period is not one of these.
    """
    calendar = {"day": DAYS, "week": WEEKS, "month": MONTHS, "quarter": QUARTERS, "year": YEARS}.get(
        SPELLINGS.get(period, "")
    )
    if calendar is None:
        raise SchemaError(f"There are no blocks by {period!r}", next_step="Use one of day, week, month, quarter, year.")
    found = checked(df)
    long = np.flatnonzero(found.interval > 3600)
    if len(long):
        raise SchemaError(
            f"{found.label(int(long[0]))} has intervals longer than an hour, which reach over several blocks",
            next_step="Filter out the series.",
        )
    found = found.take(found.valid)
    periods = assign(found, calendar)
    group = periods.where * len(NAMES) + of(found).codes
    n = len(periods.code) * len(NAMES)
    present, hours = np.bincount(group, minlength=n), np.bincount(group, found.hours, n)
    kept = np.flatnonzero(present)
    where = kept // len(NAMES)
    keys = found.keys[["meter", "flow", "series", "unit"]].iloc[periods.code[where]].reset_index(drop=True)
    amount = np.bincount(group, found.amount, n)[kept]
    rate = ~keys["unit"].isin(POWER).to_numpy(dtype=bool)
    out = keys.assign(
        period=periods.name[where],
        block=pd.Categorical.from_codes((kept % len(NAMES)).astype(np.int8), dtype=pd.CategoricalDtype(list(NAMES))),
        value=np.where(rate, amount / hours[kept], amount),
        hours=hours[kept],
        present=present[kept],
    )
    return state(out, df, found)
