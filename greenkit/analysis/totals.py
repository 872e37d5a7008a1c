"""What it adds up to: hour, day, week, month, season, year and bill period, on the local calendar.

A total is always given with the hours that have data, and with the intervals that are there and that should be:
a sum over a month with holes is not the month's sum. Flows, units, meters and series are never added to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import _periods, intervals
from greenkit.analysis import bills as _bills
from greenkit.analysis._periods import SEASONS, Periods, Tally
from greenkit.analysis.intervals import HOUR, Intervals, Ints
from greenkit.errors import SchemaError
from greenkit.findings import warn

COLUMNS: Final[Mapping[str, str]] = {
    "meter": "as in the frame",
    "flow": "as in the frame",
    "series": "as in the frame",
    "unit": "as in the frame",
    "zone": "as in the frame",
    "period": "its name: 2024-07-04 13:00, 2024-07-04, 2024-W27, 2024-07, summer 2024, 2024, or a bill's dates",
    "start": "first instant of the period, in the site's zone (UTC when there are several)",
    "end": "first instant after it",
    "value": "sum of the intervals; for a state (kW, V) the mean weighted by hours; NaN when none has a value",
    "statistic": "sum or mean",
    "power": "value over the hours that have data: kW for kWh, the mean for a state",
    "hours": "hours that have data",
    "present": "intervals that have a value",
    "expected": "intervals that fill the whole period in true time: the present ones, and usual ones where none is",
    "estimated": "those of present that are estimates",
}
# period → (its calendar, or None for hours; the longest interval that fits, in hours)
_PERIODS: Final[Mapping[str, tuple[_periods.Calendar | None, int]]] = {
    "hour": (None, 1),
    "day": (_periods.DAYS, 25),
    "week": (_periods.WEEKS, 169),
    "month": (_periods.MONTHS, 745),
    "season": (None, 24 * 366),
    "year": (_periods.YEARS, 24 * 366),
    "bill": (None, 24 * 366),
}
_ALIASES: Final = {"h": "hour", "D": "day", "W": "week", "M": "month", "ME": "month", "MS": "month", "Y": "year"}


def by_period(
    df: pd.DataFrame,
    period: str = "day",
    *,
    bills: pd.DataFrame | Sequence[Any] | None = None,
    seasons: Mapping[str, tuple[int, ...]] = SEASONS,
) -> pd.DataFrame:
    """Add up each series over the periods of the local calendar.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    period : {"hour", "day", "week", "month", "season", "year", "bill"}
        Also ``h``, ``D``, ``W`` (ISO, from Monday), ``M``, ``Y``.
    bills : DataFrame or sequence of dates, optional
        For "bill": the bills of an ESPI feed or of Smart Meter Texas, a frame with ``start`` and ``end`` (and
        ``meter``), or the dates on which one bill ends and the next begins.
    seasons : mapping of str to tuple of int
        For "season": the months of each; by default the meteorological seasons.

    Returns
    -------
    DataFrame
        One row for each series and period, also for those without data (value NaN, present 0), with the columns of
        ``greenkit.analysis.totals.COLUMNS``, and ``cost`` and ``currency`` when the frame has costs. An empty frame
        gives an empty one.

    Raises
    ------
    SchemaError
        When the frame is not tidy, the period unknown, or a series' intervals are longer than the period.

    Notes
    -----
    An interval belongs to the period in which it starts; a warning says so when some reach beyond its end. A day of
    change has 23 or 25 hours, and the repeated hour is two hours.

    Examples
    --------
    >>> import pandas as pd
    >>> from greenkit import frame
    >>> start = pd.date_range("2024-11-03", periods=25, freq="h", tz="America/Chicago")
    >>> df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": start,
    ...     "end": start + pd.Timedelta("1h"), "value": 0.5, "unit": "kWh", "zone": "America/Chicago",
    ...     "quality": "actual"}))
    >>> by_period(df, "D")[["period", "value", "hours", "present", "expected"]].to_dict("records")
    [{'period': '2024-11-03', 'value': 12.5, 'hours': 25.0, 'present': 25, 'expected': 25}]
    """
    name = _ALIASES.get(period, period)
    if name not in _PERIODS:
        raise SchemaError(f"there is no period {period!r}: take one of {', '.join(_PERIODS)}")
    found = intervals.checked(df)
    calendar, longest = _PERIODS[name]
    _check_length(found, name, longest)
    if name == "bill":
        return _by_bill(found, df, bills)
    laid = (
        _periods.assign_hours(found)
        if name == "hour"
        else _periods.assign(found, calendar or _periods.seasons(seasons))
    )
    _warn_crossing(found, laid, name)
    sums = _periods.aggregate(found, laid)
    return _frame(found, df, laid, sums, lambda amount: np.bincount(laid.where, amount, len(laid.code)))


def _check_length(found: Intervals, name: str, longest: int) -> None:
    long = np.flatnonzero(found.interval > longest * 3600)
    if len(long):
        raise SchemaError(
            f"{found.label(int(long[0]))} has intervals of {found.interval[long[0]] / 3600:g} h, too long for totals "
            f"by {name}: ask for a longer period, or filter the series out"
        )


def _warn_crossing(found: Intervals, laid: Periods, name: str) -> None:
    beyond = found.end - laid.end[laid.where]
    # a day that is written as 24 hours reaches an hour beyond the shorter of the days of change
    crossing = int(((beyond > 0) & ~((beyond <= HOUR) & (found.hours >= 23))).sum())
    if crossing:
        warn(f"{crossing} intervals reach beyond the end of the {name} in which they start, and count in it whole")


def _frame(found: Intervals, df: pd.DataFrame, laid: Periods, sums: Tally, add: Callable[[Any], Any]) -> pd.DataFrame:
    states = np.array([not intervals.adds_up(u) for u in found.keys["unit"]], dtype=bool)[laid.code]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(states, sums.value, np.where(sums.hours > 0, sums.value / sums.hours, np.nan))
    out = pd.DataFrame(
        {
            **{n: _category(found.keys[n], laid.code) for n in intervals.KEY},
            "period": pd.Series(laid.name, dtype="str"),
            "start": days.times(laid.start, found.zone),
            "end": days.times(laid.end, found.zone),
            "value": sums.value,
            "statistic": pd.Categorical(np.where(states, "mean", "sum")),
            "power": power,
            "hours": sums.hours,
            "present": sums.present,
            "expected": sums.expected,
            "estimated": sums.estimated,
        }
    )[list(COLUMNS)]
    return _with_cost(out, found, df, laid.code, add)


def _category(names: pd.Series[str], code: Ints) -> pd.Categorical:
    codes, words = pd.factorize(names, sort=True)
    return pd.Categorical.from_codes(codes[code], categories=words)


def _with_cost(
    out: pd.DataFrame, found: Intervals, df: pd.DataFrame, code: Ints, add: Callable[[Any], Any]
) -> pd.DataFrame:
    if "cost" not in df.columns or not df["cost"].notna().any():
        return out
    cost = df["cost"].to_numpy(dtype=np.float64)[found.row]
    known = np.isfinite(cost)
    out["cost"] = np.where(add(known.astype(np.float64)) > 0, add(np.where(known, cost, 0.0)), np.nan)
    if "currency" in df.columns:
        word, words = pd.factorize(df["currency"])
        seen = pd.Series(word[found.row][known]).groupby(found.code[known]).agg(["min", "max"])
        one = np.where(seen["min"] == seen["max"], np.append(words.astype("str"), "")[seen["min"]], "mixed")
        out["currency"] = pd.Series(one, index=seen.index, dtype="str").reindex(code).to_numpy()
    return out


def _by_bill(found: Intervals, df: pd.DataFrame, bills: pd.DataFrame | Sequence[Any] | None) -> pd.DataFrame:
    if bills is None:
        raise SchemaError('totals by "bill" need bills=: a frame with start and end, or the dates between bills')
    laid, slices = _bills.windows(found, bills)
    sums = _bills.aggregate(found, laid, slices)

    def add(amount: Any) -> Any:
        return np.array([amount[a:b].sum() for a, b in slices])

    return _frame(found, df, laid, sums, add)


def by_flow(totals: pd.DataFrame) -> pd.DataFrame:
    """Put what was delivered and received side by side, with the net of both.

    Parameters
    ----------
    totals : DataFrame
        Of :func:`by_period`, with at most one delivered and one received series for each meter and unit.

    Returns
    -------
    DataFrame
        ``meter``, ``unit``, ``period``, ``start``, ``end``, then ``delivered``, ``received`` and ``net`` (delivered −
        received; NaN unless both are known), in unit, and ``whole``: both have every expected interval. No rows give
        no rows.

    Raises
    ------
    SchemaError
        When a meter has two series of one flow and unit: filter the frame to one of them first.
    """
    mine = totals[totals["flow"].isin(("delivered", "received"))]
    keys = ["meter", "unit", "period", "start", "end"]
    twice = mine.duplicated([*keys, "flow"])
    if twice.any():
        row = mine[twice].iloc[0]
        raise SchemaError(
            f"meter {row['meter']} has several {row['flow']} series in {row['unit']}: filter the frame to one of them"
        )
    sides = [_side(mine, flow, keys) for flow in ("delivered", "received")]
    out = sides[0].merge(sides[1], on=keys, how="outer").sort_values(["meter", "unit", "start"], ignore_index=True)
    out["net"] = out["delivered"] - out["received"]
    out["whole"] = out.pop("whole_delivered").eq(True) & out.pop("whole_received").eq(True)
    return out


def _side(mine: pd.DataFrame, flow: str, keys: list[str]) -> pd.DataFrame:
    part = mine[mine["flow"] == flow]
    side = part[keys].astype({"meter": "str", "unit": "str"})
    side[flow], side[f"whole_{flow}"] = part["value"], part["present"] >= part["expected"]
    return side
