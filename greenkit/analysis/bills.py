"""Bills beside intervals: their periods, and what the intervals amount to in them.

A bill runs from the start of its first day to the start of the day after its last, as ESPI's ``billingPeriod`` does;
dates without a time are local midnights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import _periods, intervals
from greenkit.analysis._periods import Periods, Tally
from greenkit.analysis.intervals import HOUR, Floats, Intervals, adds_up
from greenkit.errors import SchemaError

COLUMNS: Final[Mapping[str, str]] = {
    "meter": "whose bill; empty: any meter's",
    "flow": "empty when the bill does not say",
    "start": "UTC instant; empty when the bill does not say",
    "end": "UTC instant, exclusive",
    "value": "what was billed",
    "unit": "its unit",
    "cost": "in units of currency",
    "currency": "ISO 4217 letters",
    "field": "the column that the value came from",
}
# What was used in the billingPeriod of an ESPI UsageSummary (espi.xsd): the first is for it by definition, the second
# for the time after it where there is one; feeds that give the second alone mean the period by it.
_ESPI: Final = ("overall_consumption_last_period", "current_billing_period_over_all_consumption")
Slices = list[tuple[int, int]]
_NO_BILLS: Final = pd.DataFrame(columns=[*COLUMNS])


def tidy_bills(bills: pd.DataFrame | Sequence[Any], zone: str) -> pd.DataFrame:
    """Bring bills of any source into one form.

    Parameters
    ----------
    bills : DataFrame or sequence of dates
        ``open_espi(…).bills``, ``open_smt(…).bills``, a frame of your own with ``start`` and ``end`` (and any of
        the other columns), or dates: one bill from each to the next.
    zone : str
        IANA zone in which dates without a zone are midnights.

    Returns
    -------
    DataFrame
        The columns of ``greenkit.analysis.bills.COLUMNS``, sorted by meter and start.

    Raises
    ------
    SchemaError
        When there are no columns or dates to take the periods from, or a bill ends before it starts.
    """
    raw = bills if isinstance(bills, pd.DataFrame) else _from_dates(bills)
    if set(_ESPI) <= set(raw.columns):
        raw = _from_espi(raw)
    raw = raw.rename(columns={"start_date": "start", "end_date": "end"})
    if not {"start", "end"} <= set(raw.columns):
        raise SchemaError("bills need the columns start and end: name yours so")
    out = pd.DataFrame(index=raw.index)
    for name in COLUMNS:
        column = raw[name] if name in raw.columns else pd.Series(None, index=raw.index, dtype="object")
        if name in ("start", "end"):
            out[name] = _instants(column, zone)
        else:
            out[name] = column.astype("float64") if name in ("value", "cost") else _words(column)
    if (out["end"] < out["start"]).any():
        raise SchemaError(f"a bill ends before it starts, on {out.loc[out['end'] < out['start'], 'start'].iloc[0]}")
    return out.sort_values(["meter", "start"], kind="stable", ignore_index=True)


def _from_dates(dates: Sequence[Any]) -> pd.DataFrame:
    if isinstance(dates, str) or not isinstance(dates, Sequence | pd.Index | pd.Series | np.ndarray):
        raise SchemaError(f"bills are a frame with start and end, or dates, not {type(dates).__name__}")
    if len(dates) < 2:
        raise SchemaError("one bill needs two dates: its first day, and the first day after it")
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
        at[given] = days.midnights(dates, zone) + _time_of_day(times[given])
        times = pd.Series(days.times(at, "UTC"), index=column.index)
    return times.dt.tz_convert("UTC").dt.as_unit("us")


def _time_of_day(times: pd.Series[Any]) -> Any:
    return ((times - times.dt.normalize()) // pd.Timedelta("1us")).to_numpy(dtype=np.int64)


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype("object").where(column.notna(), "").astype("str")


def windows(found: Intervals, bills: pd.DataFrame | Sequence[Any]) -> tuple[Periods, Slices]:
    """Lay the bills of each meter over each of its series.

    Returns
    -------
    Periods
        ``where`` is empty: bills may overlap, so an interval may belong to two of them.
    list of (int, int)
        The intervals of each period, as a slice of ``found``: those that start in it.
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
    return Periods(
        codes, begins, ends, np.array([r[3] for r in rows], dtype=object), np.zeros(0, dtype=np.int64)
    ), slices


def _of_meters(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(meter): part for meter, part in table.groupby("meter", observed=True)}


def bounds(bill: dict[Any, Any], first: int, last: int) -> tuple[int, int]:
    """Give the bounds of a bill as instants; a bill that does not say them is for all of the data."""
    start = first if pd.isna(bill["start"]) else int(days.instants(pd.DatetimeIndex([bill["start"]]))[0])
    end = last if pd.isna(bill["end"]) else int(days.instants(pd.DatetimeIndex([bill["end"]]))[0])
    return start, end


def _name(start: int, end: int, zone: str) -> str:
    a, b = days.times(np.array([start, end - 1]), zone)
    return f"{a:%Y-%m-%d} – {b:%Y-%m-%d}"


def aggregate(found: Intervals, laid: Periods, slices: Slices) -> Tally:
    """Add up the valid intervals of each bill."""
    n = len(slices)
    value, hours = np.full(n, np.nan), np.zeros(n)
    present, estimated = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for i, (low, high) in enumerate(slices):
        valid = found.valid[low:high]
        hours[i] = found.hours[low:high][valid].sum()
        present[i], estimated[i] = valid.sum(), (found.estimated[low:high] & valid).sum()
        if present[i]:
            total = found.amount[low:high][valid].sum()
            value[i] = total if adds_up(found.keys["unit"].iloc[laid.code[i]]) else total / hours[i]
    expected = present + found.count_in(laid.end - laid.start - hours * HOUR, laid.code)
    return Tally(value, hours, present, estimated, expected)


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
    table = tidy_bills(bills, zone)
    table = table[table["value"].notna() & table["start"].notna() & table["end"].notna()]
    table = table.drop_duplicates(["meter", "flow", "unit", "start", "end"])
    found = None if df is None else intervals.checked(df)
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
