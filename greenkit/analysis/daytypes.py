"""Kinds of days: weekday, weekend, holiday, season, month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis.intervals import Ints
from greenkit.analysis.periods import SEASONS
from greenkit.errors import SchemaError

Holidays = str | Iterable[Any] | None
DAY_TYPES: Final = ("weekday", "weekend", "holiday")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SEASON: Final = {month: name for name, months in SEASONS.items() for month in months}
BY: Final = ("day_type", "season", "month", "weekday", "year")


def groups(dates: Ints, keys: pd.DataFrame, code: Ints, by: Sequence[str], holidays: Holidays) -> dict[str, Any]:
    """Give, for each name in ``by``, what each date (days since 1970) belongs to, as ordered categories."""
    for name in by:
        if name not in BY:
            raise SchemaError(f"there is no grouping {name!r}: take some of {', '.join(BY)}")
    where, distinct = pd.factorize(dates, sort=True)
    return {name: _kind(name, distinct, holidays)[where] for name in by}


def _kind(name: str, dates: Ints, holidays: Holidays) -> Any:
    stamps = pd.DatetimeIndex(dates.astype("datetime64[D]").astype("datetime64[us]"))
    if name == "day_type":
        return day_types(dates, holidays)
    if name == "season":
        return pd.Categorical([_SEASON[m] for m in stamps.month], categories=list(SEASONS), ordered=True)
    if name == "weekday":
        return pd.Categorical(stamps.day_name(), categories=list(WEEKDAYS), ordered=True)
    return stamps.month.to_numpy() if name == "month" else stamps.year.to_numpy()


def day_types(dates: Ints, holidays: Holidays = None) -> pd.Categorical:
    """Tell weekday, weekend and holiday apart; without ``holidays`` there are no holidays.

    Examples
    --------
    >>> days = np.array(["2024-07-03", "2024-07-04", "2024-07-06"], dtype="datetime64[D]").astype(np.int64)
    >>> list(day_types(days, "US-TX"))
    ['weekday', 'holiday', 'weekend']
    """
    kind = np.where((dates + 3) % 7 >= 5, "weekend", "weekday").astype(object)
    kind[np.isin(dates, _free(holidays, dates))] = "holiday"
    return pd.Categorical(kind, categories=list(DAY_TYPES), ordered=True)


def _free(holidays: Holidays, dates: Ints) -> Ints:
    """Give the holidays as days since 1970."""
    if holidays is None or not len(dates):
        return np.zeros(0, dtype=np.int64)
    if not isinstance(holidays, str):
        return pd.DatetimeIndex(list(holidays)).to_numpy().astype("datetime64[D]").astype(np.int64)
    import holidays as package

    country, _, state = holidays.partition("-")
    years = dates[[0, -1]].astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    try:
        found = package.country_holidays(country, subdiv=state or None, years=range(int(years[0]), int(years[1]) + 1))
    except NotImplementedError:
        raise SchemaError(f"no holidays are known for {holidays!r}: write it as in 'US' or 'US-TX'") from None
    return np.array(sorted(np.datetime64(d, "D") for d in found), dtype="datetime64[D]").astype(np.int64)
