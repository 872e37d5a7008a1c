"""Bills cut to calendar months, as benchmarking and utility tracking want them.

Where two bills overlap, the later one owns the days; days that no bill covers stay empty and are counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import bills as _bills
from greenkit.analysis import intervals
from greenkit.analysis.intervals import Floats, Intervals


def bills_to_months(bills: Any, zone: str, *, df: pd.DataFrame | None = None) -> pd.DataFrame:
    """Split what was billed over the calendar months.

    Parameters
    ----------
    bills : DataFrame
        What :func:`greenkit.analysis.bills.tidy_bills` takes, with amounts; bills without bounds are left out.
    zone : str
        IANA zone of the calendar.
    df : DataFrame, optional
        Intervals of the same meters, to split by their shape. Without them, and for a bill whose meter lacks a value
        on any of its days, each day of a bill gets the same share.

    Returns
    -------
    DataFrame
        ``meter``, ``flow``, ``unit``, ``month`` (YYYY-MM), ``start`` (local midnight), ``value``, ``cost``, ``days``
        (of the month that a bill covers), ``of`` (days in the month), ``by`` ("days" or "shape", "mixed").

    Examples
    --------
    >>> import pandas as pd
    >>> bill = pd.DataFrame({"start": ["2024-01-22"], "end": ["2024-02-21"], "value": [300.0], "unit": ["kWh"]})
    >>> bills_to_months(bill, "America/Chicago")[["month", "value", "days", "of"]].to_dict("records")
    [{'month': '2024-01', 'value': 100.0, 'days': 10, 'of': 31}, {'month': '2024-02', 'value': 200.0, 'days': 20, 'of': 29}]
    """  # noqa: E501 a doctest's output cannot be folded
    table = _bills.tidy_bills(bills, zone)
    table = table[table["value"].notna() & table["start"].notna() & table["end"].notna()]
    table = table.drop_duplicates(["meter", "flow", "unit", "start", "end"])
    found = None if df is None else intervals.used(df)
    daily = [_days_of(bill, dates, found) for bill, dates in _owned(table, zone)]
    if not daily:
        names = ["meter", "flow", "unit", "month", "start", "value", "cost", "days", "of", "by"]
        return pd.DataFrame({n: pd.Series(dtype="str") for n in names})
    return _months(pd.concat(daily, ignore_index=True), zone)


def _owned(table: pd.DataFrame, zone: str) -> list[tuple[dict[Any, Any], Any]]:
    """Give each bill with the local dates that are its own: those that no later bill of its kind covers."""
    taken: dict[tuple[str, str, str], Any] = {}
    out = []
    for bill in reversed(table.to_dict("records")):
        # a bill that ends within a day has that day too
        first, last = days.local_dates(
            pd.DatetimeIndex([bill["start"], bill["end"] - pd.Timedelta("1us")]).tz_convert(zone)
        )
        kind = (bill["meter"], bill["flow"], bill["unit"])
        later = taken.get(kind, np.array([], dtype="datetime64[D]"))
        dates = np.setdiff1d(np.arange(first, max(last, first) + days.ONE_DAY), later)
        taken[kind] = np.union1d(later, dates)
        if len(dates):
            out.append((bill, dates))
    return out


def _days_of(bill: dict[Any, Any], dates: Any, found: Intervals | None) -> pd.DataFrame:
    """Split one bill over its days."""
    share, by = np.full(len(dates), 1 / len(dates)), "days"
    shape = None if found is None else _shape(found, bill, dates)
    if shape is not None:
        share, by = shape / shape.sum(), "shape"
    return pd.DataFrame(
        {
            **{n: bill[n] for n in ("meter", "flow", "unit")},
            "date": dates.astype("datetime64[us]"),
            "value": bill["value"] * share,
            "cost": bill["cost"] * share,
            "by": by,
        }
    )


def _shape(found: Intervals, bill: dict[Any, Any], dates: Any) -> Floats | None:
    """Give the metered amount of each day; None unless one series has every day of the bill whole."""
    keys = found.keys
    mine = (keys["unit"] == bill["unit"]) & (
        keys["flow"] != "received" if not bill["flow"] else keys["flow"] == bill["flow"]
    )
    mine &= keys["meter"].isin((bill["meter"],)) | (bill["meter"] == "")
    codes = np.flatnonzero(mine.to_numpy(dtype=bool))
    if len(codes) != 1:
        return None
    one = found.take((found.code == codes[0]) & found.valid)
    number = dates.astype("datetime64[D]").astype(np.int64)
    place = np.minimum(np.searchsorted(number, one.date), len(number) - 1)
    inside = number[place] == one.date
    total = np.bincount(place[inside], one.value[inside], len(dates)).astype(np.float64)
    hours = np.bincount(place[inside], one.hours[inside], len(dates))
    whole = hours * 3600 >= days.seconds(dates, str(keys["zone"].iloc[codes[0]])) - 1
    return total if whole.all() and total.sum() > 0 else None


def _months(each: pd.DataFrame, zone: str) -> pd.DataFrame:
    month = each["date"].to_numpy().astype("datetime64[M]")
    grouped = each.assign(month=month.astype("datetime64[us]")).groupby(
        ["meter", "flow", "unit", "month"], observed=True
    )
    out = grouped.agg(
        value=("value", "sum"),
        cost=("cost", lambda c: c.sum(min_count=1)),
        days=("date", "size"),
        by=("by", lambda b: b.iloc[0] if b.nunique() == 1 else "mixed"),
    ).reset_index()
    first = out["month"].to_numpy().astype("datetime64[M]")
    out["of"] = (
        (first + np.timedelta64(1, "M")).astype("datetime64[D]") - first.astype("datetime64[D]")
    ) // days.ONE_DAY
    out["start"] = days.times(days.midnights(first.astype("datetime64[D]"), zone), zone)
    out["month"] = [str(m) for m in first]
    return out[["meter", "flow", "unit", "month", "start", "value", "cost", "days", "of", "by"]]
