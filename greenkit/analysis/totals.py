"""Totals by period of the local calendar: quarter-hour to year, season, and bill.

Each total has the hours that have data and the number of intervals that are present and expected beside it,
because the sum of an incomplete month is not the sum of the month. Flows, units, meters, and series are never added
to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from greenkit._categories import of_series
from greenkit.analysis import _periods, intervals
from greenkit.analysis import bills as _bills
from greenkit.analysis._periods import SEASONS, Periods, Tally
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints
from greenkit.errors import SchemaError
from greenkit.findings import warn
from greenkit.times import to_times

COLUMNS: Final[Mapping[str, str]] = {
    "meter": "as in the frame",
    "flow": "as in the frame",
    "series": "as in the frame",
    "unit": "as in the frame",
    "zone": "as in the frame",
    "period": "2024-07-04 13:00, 2024-07-04, 2024-W27, 2024-07, 2024-Q3, summer 2024, 2024, or the dates of a bill",
    "start": "start of the period, in the site's time zone (UTC if there are several)",
    "end": "exclusive end of the period",
    "value": "sum of the intervals; for a rate (kW, V) the mean weighted by hours; NaN if no interval has a value",
    "statistic": "sum or mean",
    "power": "value over the hours that have data: kW for kWh, the mean for a rate",
    "hours": "hours that have data",
    "present": "intervals that have a value",
    "expected": "intervals in the elapsed time of the complete period: those present, plus usual ones in the gaps",
    "estimated": "intervals of present that are estimates",
}
# period → (its calendar, or None; the longest interval that fits, in hours)
_PERIODS: Final[Mapping[str, tuple[_periods.Calendar | None, float]]] = {
    "15min": (None, 0.25),
    "30min": (None, 0.5),
    "hour": (None, 1),
    "day": (_periods.DAYS, 25),
    "week": (_periods.WEEKS, 169),
    "month": (_periods.MONTHS, 745),
    "quarter": (_periods.QUARTERS, 24 * 92 + 1),
    "season": (None, 24 * 366),
    "year": (_periods.YEARS, 24 * 366),
    "bill": (None, 24 * 366),
}
_STEPS: Final = {"15min": HOUR // 4, "30min": HOUR // 2, "hour": HOUR}
# The adverbs, and pandas' names in any version. Weeks are ISO weeks, so only pandas' weeks that end on a Sunday fit.
_ALSO: Final[Mapping[str, str]] = {
    "15min": "15T 1/4h quarter-hourly",
    "30min": "30T 0.5h half-hourly",
    "hour": "h H 1h 1H 60min 60T hourly",
    "day": "d D 1d 1D daily",
    "week": "w W 1W W-SUN weekly",
    "month": "M ME MS 1M 1ME 1MS monthly",
    "quarter": "Q QE QS 1Q 1QE 1QS Q-DEC QE-DEC QS-JAN quarterly",
    "season": "seasonal seasonally",
    "year": "Y YE YS A AS 1Y 1YE 1YS 1A A-DEC Y-DEC YE-DEC AS-JAN YS-JAN yearly annual annually",
    "bill": "bills billing",
}
SPELLINGS: Final[Mapping[str, str]] = {name: name for name in _PERIODS} | {
    spelling: name for name, also in _ALSO.items() for spelling in also.split()
}
"""Every accepted spelling of a period → the period, the same on every pandas version."""


def by_period(
    df: pd.DataFrame,
    period: str = "day",
    *,
    bills: Bills | None = None,
    seasons: Mapping[str, tuple[int, ...]] | None = None,
) -> pd.DataFrame:
    """Add up each series over periods of the local calendar.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    period : {"15min", "30min", "hour", "day", "week", "month", "quarter", "season", "year", "bill"}
        Also their adverbs (``"daily"``) and the names of pandas (``"D"``, ``"h"``, ``"ME"``, ``"MS"``); see
        ``greenkit.analysis.totals.SPELLINGS``. Weeks are ISO weeks, which begin on Monday. Default: ``"day"``.
    bills : DataFrame or sequence of dates, optional
        For ``"bill"``: the bills of an ESPI feed or of Smart Meter Texas, a frame with ``start`` and ``end`` (and
        ``meter``), or the dates on which one bill ends and the next begins.
    seasons : mapping of str to tuple of int, optional
        For ``"season"``: the months of each season. Default: the meteorological seasons.

    Returns
    -------
    DataFrame
        One row for each series and period, including periods without data (value NaN, present 0), with the columns
        of ``greenkit.analysis.totals.COLUMNS``, and ``cost`` and ``currency`` if the frame has costs. An empty frame
        returns an empty table.

    Raises
    ------
    SchemaError
        If the frame is not tidy, the period is unknown, or a series has intervals longer than the period.

    Warns
    -----
    GreenkitWarning
        If intervals reach beyond the end of the period in which they start: once.

    Notes
    -----
    An interval belongs to the period in which it starts. On the days when clocks change, a day has 23 or 25 hours,
    and the repeated hour is two hours.

    Examples
    --------
    >>> import pandas as pd
    >>> from greenkit import frame
    >>> start = pd.date_range("2024-11-03", periods=25, freq="h", tz="America/Chicago")
    >>> df = frame.tidy(pd.DataFrame({"meter": "1", "series": "1", "flow": "delivered", "start": start,
    ...     "end": start + pd.Timedelta("1h"), "value": 0.5, "unit": "kWh", "zone": "America/Chicago",
    ...     "quality": "actual"}))
    >>> by_period(df, "daily")[["period", "value", "hours", "present", "expected"]].to_dict("records")
    [{'period': '2024-11-03', 'value': 12.5, 'hours': 25.0, 'present': 25, 'expected': 25}]
    """
    name = SPELLINGS.get(period, "") if isinstance(period, str) else ""
    if not name:
        raise SchemaError(f"There is no period {period!r}", next_step=f"Use one of {', '.join(_PERIODS)}.")
    found = intervals.checked(df)
    calendar, longest = _PERIODS[name]
    _check_length(found, name, longest)
    if name == "bill":
        return _by_bill(found, df, bills)
    calendar = calendar or _periods.seasons(seasons or SEASONS)
    parts, crossing = [], 0
    for first, one in found.batches():
        step = _STEPS.get(name)
        periods = _periods.assign(one, calendar) if step is None else _periods.assign_clock(one, step)
        crossing += _crossing(one, periods)
        sums = _periods.aggregate(one, periods)
        cost = _costs(one, df, lambda amount, p=periods: np.bincount(p.where, amount, len(p.code)))  # type: ignore[misc]
        parts.append(_Part(periods.code + first, periods.start, periods.end, periods.name, sums, cost))
    if crossing:
        warn(f"{crossing} intervals reach beyond the end of the {name} in which they start. It contains all of them.")
    return _frame(found, df, parts)


class _Part(NamedTuple):
    """The periods of some series, and their totals."""

    code: Ints
    start: Ints
    end: Ints
    name: Any
    sums: Tally
    cost: Floats


def _check_length(found: Intervals, name: str, longest: float) -> None:
    long = np.flatnonzero(found.interval > longest * 3600)
    if len(long):
        raise SchemaError(
            f"{found.label(int(long[0]))} has intervals of {found.interval[long[0]] / 3600:g} h, too long for totals "
            f"by {name}",
            next_step="Use a longer period, or filter out the series.",
        )


def _crossing(found: Intervals, periods: Periods) -> int:
    """Count the intervals that reach beyond the end of the period in which they start."""
    beyond = np.flatnonzero(found.end > periods.end[periods.where])
    time = found.end[beyond] - periods.end[periods.where[beyond]]
    # a day that is stored as 24 hours reaches an hour beyond the shorter of the days when clocks change
    return len(beyond) - int(((time <= HOUR) & (found.hours[beyond] >= 23)).sum())


def _frame(found: Intervals, df: pd.DataFrame, parts: list[_Part]) -> pd.DataFrame:
    code, start, end, name, value, hours, present, expected, estimated, cost = (
        np.concatenate(arrays)
        for arrays in zip(
            *(
                (p.code, p.start, p.end, p.name, p.sums.value, p.sums.hours, p.sums.present, p.sums.expected,
                 p.sums.estimated, p.cost)
                for p in parts
            ),
            strict=True,
        )
    )  # fmt: skip
    statistic = pd.Series(["sum" if intervals.adds_up(unit) else "mean" for unit in found.keys["unit"]])
    states = (statistic == "mean").to_numpy(dtype=bool)[code]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(states, value, np.where(hours > 0, value / hours, np.nan))
    out = pd.DataFrame(
        {
            **{n: of_series(found.keys[n], code) for n in intervals.KEY},
            "period": pd.Series(name, dtype="str"),
            "start": to_times(start, found.zone),
            "end": to_times(end, found.zone),
            "value": value,
            "statistic": of_series(statistic, code),
            "power": power,
            "hours": hours,
            "present": present,
            "expected": expected,
            "estimated": estimated,
        }
    )[list(COLUMNS)]
    if _has_cost(df):
        out["cost"] = cost
        if "currency" in df.columns:
            out["currency"] = _currencies(found, df).reindex(code).to_numpy()
    return intervals.state(out, df, found)


def _has_cost(df: pd.DataFrame) -> bool:
    return "cost" in df.columns and bool(df["cost"].notna().any())


def _costs(found: Intervals, df: pd.DataFrame, add: Callable[[Any], Any]) -> Floats:
    """Add up the costs of each period; NaN if it has none, and no array if the frame has none."""
    if not _has_cost(df):
        return np.zeros(0)
    cost = df["cost"].to_numpy(dtype=np.float64)[found.row]
    known = np.isfinite(cost)
    return np.where(add(known.astype(np.float64)) > 0, add(np.where(known, cost, 0.0)), np.nan)


def _currencies(found: Intervals, df: pd.DataFrame) -> pd.Series[str]:
    """Return the currency of each series, or "mixed"."""
    known = df["cost"].notna().to_numpy()[found.row]
    word, words = pd.factorize(df["currency"])
    seen = pd.Series(word[found.row][known]).groupby(found.code[known]).agg(["min", "max"])
    one = np.where(seen["min"] == seen["max"], np.append(words.astype("str"), "")[seen["min"]], "mixed")
    return pd.Series(one, index=seen.index, dtype="str")


def needed(bills: Bills | None) -> Bills:
    """Return the bills that totals by bill need, or raise SchemaError."""
    if bills is None:
        raise SchemaError(
            'Totals by "bill" need bills',
            next_step="Pass bills=, a frame with start and end, or the dates between the bills.",
        )
    return bills


def _by_bill(found: Intervals, df: pd.DataFrame, bills: Bills | None) -> pd.DataFrame:
    periods, slices = _bills.windows(found, needed(bills))
    sums = _bills.aggregate(found, periods, slices)

    def add(amount: Any) -> Any:
        return np.array([amount[a:b].sum() for a, b in slices])

    cost = _costs(found, df, add)
    return _frame(found, df, [_Part(periods.code, periods.start, periods.end, periods.name, sums, cost)])


def by_flow(totals: pd.DataFrame) -> pd.DataFrame:
    """Put delivered and received side by side, with their difference.

    Parameters
    ----------
    totals : DataFrame
        From :func:`by_period`, with at most one delivered and one received series for each meter and unit.

    Returns
    -------
    DataFrame
        ``meter``, ``unit``, ``period``, ``start``, ``end``, then ``delivered``, ``received``, and ``net`` (delivered −
        received; NaN unless both are known) in the unit, and ``is_complete`` (both have every expected interval). An
        empty table returns an empty table.

    Raises
    ------
    SchemaError
        If a meter has two series of the same flow and unit.
    """
    mine = totals[totals["flow"].isin(("delivered", "received"))]
    keys = ["meter", "unit", "period", "start", "end"]
    twice = mine.duplicated([*keys, "flow"])
    if twice.any():
        row = mine[twice].iloc[0]
        raise SchemaError(
            f"Meter {row['meter']} has several {row['flow']} series in {row['unit']}",
            next_step="Filter the frame to one of them.",
        )
    sides = [_side(mine, flow, keys) for flow in ("delivered", "received")]
    out = sides[0].merge(sides[1], on=keys, how="outer").sort_values(["meter", "unit", "start"], ignore_index=True)
    out["net"] = out["delivered"] - out["received"]
    out["is_complete"] = out.pop("complete_delivered").eq(True) & out.pop("complete_received").eq(True)
    out = intervals.with_attributes(out, intervals.attributes(totals, {*COLUMNS, "cost", "currency"}))
    out.attrs = dict(totals.attrs)
    return out


def _side(mine: pd.DataFrame, flow: str, keys: list[str]) -> pd.DataFrame:
    part = mine[mine["flow"] == flow]
    side = part[keys].astype({"meter": "str", "unit": "str"})
    side[flow], side[f"complete_{flow}"] = part["value"], part["present"] >= part["expected"]
    return side
