"""Wholesale blocks of the local clock: 5x16, 2x16, and 7x8, with the NERC holidays.

5x16 is hour ending 7 to 22 (06:00 to 22:00) from Monday to Friday, 2x16 is the same hours on Saturdays, Sundays, and
NERC holidays, and 7x8 is the other eight hours of every day. Hours are local prevailing time, as ERCOT and the
eastern markets trade them; western markets count Saturday as on-peak, which this schedule does not.

Source: NERC, "Additional Off-peak Days": New Year's Day, Memorial Day, Independence Day, Labor Day, Thanksgiving Day,
and Christmas Day; a holiday on a Sunday is observed on the following Monday, one on a Saturday is not moved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from greenkit._intervals import ranges
from greenkit.analysis import bills as _bills
from greenkit.analysis._periods import DAY, DAYS, MONTHS, QUARTERS, WEEKS, YEARS, assign, holiday_dates
from greenkit.analysis._periods import nerc_holidays as nerc_holidays
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import HOUR, POWER, Intervals, checked, state
from greenkit.analysis.totals import SPELLINGS, needed
from greenkit.errors import SchemaError

NAMES: Final = ("5x16", "2x16", "7x8")
_ON_PEAK: Final = (6, 22)
"""Local hours between which the 16-hour blocks run."""
_CALENDARS: Final = {"day": DAYS, "week": WEEKS, "month": MONTHS, "quarter": QUARTERS, "year": YEARS}


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


def totals(df: pd.DataFrame, period: str = "month", *, bills: Bills | None = None) -> pd.DataFrame:
    """Add up each flow by wholesale block over periods of the local calendar.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    period : {"day", "week", "month", "quarter", "year", "bill"}
        Also the other spellings of :func:`greenkit.analysis.totals.by_period`. Default: ``"month"``.
    bills : DataFrame or sequence of dates, optional
        For ``"bill"``, as in :func:`greenkit.analysis.totals.by_period`.

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
    name = SPELLINGS.get(period, "")
    if name not in (*_CALENDARS, "bill"):
        raise SchemaError(
            f"There are no blocks by {period!r}", next_step=f"Use one of {', '.join([*_CALENDARS, 'bill'])}."
        )
    found = checked(df)
    long = np.flatnonzero(found.interval > 3600)
    if len(long):
        raise SchemaError(
            f"{found.label(int(long[0]))} has intervals longer than an hour, which span several blocks",
            next_step="Filter out the series.",
        )
    found = found.take(found.valid)
    if name == "bill":
        periods, slices = _bills.windows(found, needed(bills))
        # bills can overlap, so an interval is there once for each bill that contains it
        first = np.array([a for a, _ in slices], dtype=np.int64)
        count = np.array([b - a for a, b in slices], dtype=np.int64)
        where = np.repeat(np.arange(len(slices)), count)
        found = replace(found.take(ranges(first, count)), usual=found.interval)
    else:
        periods = assign(found, _CALENDARS[name])
        where = periods.where
    group = where * len(NAMES) + of(found).codes
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
