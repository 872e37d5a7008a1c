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

from greenkit.analysis._periods import DAY, holiday_dates
from greenkit.analysis._periods import nerc_holidays as nerc_holidays
from greenkit.analysis.intervals import HOUR, Intervals

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
