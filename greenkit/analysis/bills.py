"""Bills: their periods, the totals of intervals in them, and their split into calendar months.

A bill runs from the start of its first day to the start of the day after its last, as ESPI's ``billingPeriod`` does.
Dates without a time are local midnights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, intervals
from greenkit.analysis._periods import Date, Periods, Tally
from greenkit.analysis.intervals import HOUR, Floats, Intervals, adds_up
from greenkit.errors import SchemaError
from greenkit.times import ONE_DAY, day_seconds, local_dates, midnights, to_instants, to_times

COLUMNS: Final[Mapping[str, str]] = {
    "meter": "meter of the bill; empty: any meter",
    "flow": "empty if the bill does not name one",
    "start": "UTC time; empty if the bill does not contain it",
    "end": "UTC time, exclusive",
    "value": "billed amount",
    "unit": "its unit",
    "cost": "in units of currency",
    "currency": "ISO 4217 code",
    "field": "column of the value",
}
Bills = pd.DataFrame | Sequence[Date] | pd.Index | pd.Series
"""A table with ``start`` and ``end``, or the dates on which one bill ends and the next begins."""
# The usage of the billingPeriod of an ESPI UsageSummary (espi.xsd). By definition the first field is for that period,
# and the second for the time after it if both are present; feeds with only the second mean the period by it.
_ESPI: Final = ("overall_consumption_last_period", "current_billing_period_over_all_consumption")
_MONTHS: Final = ("meter", "flow", "unit", "month", "start", "value", "cost", "days", "of", "by")
Slices = list[tuple[int, int]]
_NO_BILLS: Final = pd.DataFrame(columns=[*COLUMNS])


def tidy_bills(bills: Bills, zone: str) -> pd.DataFrame:
    """Convert bills of any source to one form.

    Parameters
    ----------
    bills : DataFrame or sequence of dates
        ``open_espi(…).bills``, ``open_smt(…).bills``, your own frame with ``start`` and ``end`` (and any of the other
        columns), or dates: one bill from each date to the next.
    zone : str
        IANA time zone in which dates without a time zone are midnights.

    Returns
    -------
    DataFrame
        The columns of ``greenkit.analysis.bills.COLUMNS``, sorted by meter and start.

    Raises
    ------
    SchemaError
        If there are no columns or dates for the periods, or a bill ends before it starts.
    """
    raw = bills if isinstance(bills, pd.DataFrame) else _from_dates(bills)
    if set(_ESPI) <= set(raw.columns):
        raw = _from_espi(raw)
    raw = raw.rename(columns={"start_date": "start", "end_date": "end"})
    if not {"start", "end"} <= set(raw.columns):
        raise SchemaError("Bills must have the columns start and end", next_step="Rename your columns.")
    out = pd.DataFrame(index=raw.index)
    for name in COLUMNS:
        column = raw[name] if name in raw.columns else pd.Series(None, index=raw.index, dtype="object")
        if name in ("start", "end"):
            out[name] = _instants(column, zone)
        else:
            out[name] = column.astype("float64") if name in ("value", "cost") else _words(column)
    if (out["end"] < out["start"]).any():
        first = out.loc[out["end"] < out["start"], "start"].iloc[0]
        raise SchemaError(f"The bill that starts on {first} ends before it starts", next_step="Correct its dates.")
    return out.sort_values(["meter", "start"], kind="stable", ignore_index=True)


def _from_dates(dates: Any) -> pd.DataFrame:
    if isinstance(dates, str) or not isinstance(dates, Sequence | pd.Index | pd.Series | np.ndarray):
        raise SchemaError(
            f"bills is a {type(dates).__name__}, but it must be a frame or a list of dates",
            next_step="Pass a frame with the columns start and end, or the dates between the bills.",
        )
    if len(dates) < 2:
        raise SchemaError("A bill needs two dates", next_step="Pass its first day and the first day after it.")
    return pd.DataFrame({"start": pd.Series(list(dates[:-1])), "end": pd.Series(list(dates[1:]))})


def _from_espi(raw: pd.DataFrame) -> pd.DataFrame:
    first, second = _ESPI
    given = raw[first].notna()
    return raw[["meter", "start", "end", "currency"]].assign(
        cost=raw["bill_last_period"],
        value=raw[first].where(given, raw[second]),
        unit=raw[f"{first}_unit"].astype("object").where(given, raw[f"{second}_unit"].astype("object")),
        field=np.where(given, first, np.where(raw[second].notna(), second, "")),
    )


def _instants(column: pd.Series[Any], zone: str) -> pd.Series[Any]:
    times = pd.to_datetime(column)
    if times.dt.tz is None:
        given = times.notna().to_numpy()
        at = np.full(len(times), np.iinfo(np.int64).min, dtype=np.int64)
        dates = times[given].to_numpy().astype("datetime64[D]")
        at[given] = midnights(dates, zone) + _time_of_day(times[given])
        times = pd.Series(to_times(at, "UTC"), index=column.index)
    return times.dt.tz_convert("UTC").dt.as_unit("us")


def _time_of_day(times: pd.Series[Any]) -> Any:
    return ((times - times.dt.normalize()) // pd.Timedelta("1us")).to_numpy(dtype=np.int64)


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype("object").where(column.notna(), "").astype("str")


# -- the intervals of each bill


def windows(found: Intervals, bills: Bills) -> tuple[Periods, Slices]:
    """Assign the bills of each meter to each of its series.

    Returns
    -------
    Periods
        ``where`` is empty: bills can overlap, so an interval can belong to two of them.
    list of (int, int)
        The intervals that start in each period, as a slice of ``found``.
    """
    first, last = _periods.span(found)
    edges = np.searchsorted(found.code, np.arange(len(found.keys) + 1))
    rows: list[tuple[int, int, int, str]] = []
    slices: Slices = []
    of_zone = {zone: _of_meters(tidy_bills(bills, zone)) for zone in found.keys["zone"].unique()}
    for code, key in enumerate(found.keys.to_dict("records")):
        of_meter = of_zone[key["zone"]]
        mine = pd.concat([of_meter[m] for m in {"", key["meter"]} & set(of_meter)] or [_NO_BILLS])
        mine = mine[mine["flow"].isin(("", key["flow"]))].drop_duplicates(["start", "end"])
        starts = found.start[edges[code] : edges[code + 1]]
        for bill in mine.to_dict("records"):
            a, b = bounds(bill, int(first[code]), int(last[code]))
            low, high = np.searchsorted(starts, [a, b]) + edges[code]
            rows.append((code, a, b, _name(a, b, key["zone"])))
            slices.append((int(low), int(high)))
    codes, begins, ends = (np.array([r[i] for r in rows], dtype=np.int64) for i in range(3))
    names = np.array([r[3] for r in rows], dtype=object)
    return Periods(codes, begins, ends, names, np.zeros(0, dtype=np.int64)), slices


def _of_meters(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(meter): part for meter, part in table.groupby("meter", observed=True)}


def bounds(bill: Mapping[Any, Any], first: int, last: int) -> tuple[int, int]:
    """Return the bounds of a bill in microseconds since 1970 UTC; a bill without bounds covers all of the data."""
    start = first if pd.isna(bill["start"]) else int(to_instants(pd.DatetimeIndex([bill["start"]]))[0])
    end = last if pd.isna(bill["end"]) else int(to_instants(pd.DatetimeIndex([bill["end"]]))[0])
    return start, end


def _name(start: int, end: int, zone: str) -> str:
    a, b = to_times(np.array([start, end - 1]), zone)
    return f"{a:%Y-%m-%d} – {b:%Y-%m-%d}"


def aggregate(found: Intervals, periods: Periods, slices: Slices) -> Tally:
    """Add up the intervals with a value in each bill."""
    n = len(slices)
    value, hours = np.full(n, np.nan), np.zeros(n)
    present, estimated = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for i, (low, high) in enumerate(slices):
        valid = found.valid[low:high]
        hours[i] = found.hours[low:high][valid].sum()
        present[i], estimated[i] = valid.sum(), (found.estimated[low:high] & valid).sum()
        if present[i]:
            total = found.amount[low:high][valid].sum()
            value[i] = total if adds_up(found.keys["unit"].iloc[periods.code[i]]) else total / hours[i]
    expected = present + found.count_in(periods.end - periods.start - hours * HOUR, periods.code)
    return Tally(value, hours, present, estimated, expected)


# -- calendar months


def bills_to_months(bills: Bills, zone: str, *, df: pd.DataFrame | None = None) -> pd.DataFrame:
    """Split billed amounts into calendar months, as benchmarking and utility tracking need them.

    If two bills overlap, the later one owns the days. Days without a bill stay empty and are counted.

    Parameters
    ----------
    bills : DataFrame
        Bills with amounts, as :func:`tidy_bills` takes them. Bills without bounds are left out.
    zone : str
        IANA time zone of the calendar.
    df : DataFrame, optional
        Intervals of the same meters, whose shape is used for the split. Without them, and for a bill whose meter has
        no value on any of its days, each day of a bill gets the same share.

    Returns
    -------
    DataFrame
        ``meter``, ``flow``, ``unit``, ``month`` (YYYY-MM), ``start`` (local midnight), ``value``, ``cost``, ``days``
        (days of the month that a bill covers), ``of`` (days in the month), ``by`` ("days", "shape", or "mixed").

    Examples
    --------
    >>> import pandas as pd
    >>> bill = pd.DataFrame({"start": ["2024-01-22"], "end": ["2024-02-21"], "value": [300.0], "unit": ["kWh"]})
    >>> bills_to_months(bill, "America/Chicago")[["month", "value", "days", "of"]].to_dict("records")
    [{'month': '2024-01', 'value': 100.0, 'days': 10, 'of': 31}, {'month': '2024-02', 'value': 200.0, 'days': 20, 'of': 29}]
    """  # noqa: E501 the output of a doctest cannot be wrapped
    table = tidy_bills(bills, zone)
    table = table[table["value"].notna() & table["start"].notna() & table["end"].notna()]
    table = table.drop_duplicates(["meter", "flow", "unit", "start", "end"])
    found = None if df is None else intervals.checked(df)
    daily = [_days_of(bill, dates, found) for bill, dates in _owned(table, zone)]
    if not daily:
        return pd.DataFrame({n: pd.Series(dtype="str") for n in _MONTHS})
    return _months(pd.concat(daily, ignore_index=True), zone)


def _owned(table: pd.DataFrame, zone: str) -> list[tuple[dict[Any, Any], Any]]:
    """Return each bill with its local dates that no later bill of the same kind covers."""
    taken: dict[tuple[str, str, str], Any] = {}
    out = []
    for bill in reversed(table.to_dict("records")):
        # a bill that ends within a day includes that day
        first, last = local_dates(pd.DatetimeIndex([bill["start"], bill["end"] - pd.Timedelta("1us")]).tz_convert(zone))
        kind = (bill["meter"], bill["flow"], bill["unit"])
        later = taken.get(kind, np.array([], dtype="datetime64[D]"))
        dates = np.setdiff1d(np.arange(first, max(last, first) + ONE_DAY), later)
        taken[kind] = np.union1d(later, dates)
        if len(dates):
            out.append((bill, dates))
    return out


def _days_of(bill: dict[Any, Any], dates: Any, found: Intervals | None) -> pd.DataFrame:
    """Split one bill into its days."""
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
    """Return the metered amount of each day, or None unless one series is complete on every day of the bill."""
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
    complete = hours * 3600 >= day_seconds(dates, str(keys["zone"].iloc[codes[0]])) - 1
    return total if complete.all() and total.sum() > 0 else None


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
    after = (first + np.timedelta64(1, "M")).astype("datetime64[D]")
    out["of"] = (after - first.astype("datetime64[D]")) // ONE_DAY
    out["start"] = to_times(midnights(first.astype("datetime64[D]"), zone), zone)
    out["month"] = [str(m) for m in first]
    return out[list(_MONTHS)]
