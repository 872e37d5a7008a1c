"""The shape of load: how even it is, what never switches off, when it peaks, and how often it is how high.

Power is a value over the hours of its interval (kWh → kW), so a peak is always the mean over an interval of the
length that is given beside it. Times label an interval by its start, in the site's zone (UTC when there are several).
Intervals without a value are left out, a frame without any gives a table without rows, and every result says in
``attrs["greenkit"]`` which rows it used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import _periods, intervals
from greenkit.analysis.intervals import HOUR, Intervals, power_unit
from greenkit.days import US
from greenkit.errors import SchemaError

SERIES: Final = ["meter", "flow", "series", "unit"]
NEAR: Final = (0.025, 0.975)
"""Percentiles of a day that stand for its base and its peak (Price, LBNL-3713E, 2010)."""
_NIGHT: Final = (1, 5)
"""Local hours from which to which a house is asleep."""


def with_power(df: pd.DataFrame) -> Intervals:
    """Read the intervals that have a power: a value, and a length."""
    found = intervals.checked(df)
    return found.take(found.valid & (found.hours > 0))


def note_rows(out: pd.DataFrame, df: pd.DataFrame, one: Intervals) -> pd.DataFrame:
    """Note which rows a result stands on."""
    span = days.times(np.array([one.start.min(), one.end.max()])).astype(str).tolist() if len(one) else [None, None]
    out.attrs["greenkit"] = {"rows": len(one), "of": len(df), "first": span[0], "last": span[1]}
    return out


def _times(instants: Any, one: Intervals) -> pd.DatetimeIndex:
    return days.times(np.asarray(instants, dtype=np.int64), one.zone)


def keys_of(one: Intervals, code: Any) -> pd.DataFrame:
    """Name the series of each row of a result."""
    return one.keys[SERIES].iloc[np.asarray(code, dtype=np.int64)].reset_index(drop=True)


def summarize(df: pd.DataFrame) -> pd.DataFrame:
    """Describe the load of each series in one row.

    Returns
    -------
    DataFrame
        ``meter``, ``flow``, ``series``, ``unit``, then in ``power_unit`` (kW for kWh):

        * ``minutes``: length of the interval that peaks refer to; ``intervals`` and ``hours`` that were used
        * ``mean``, ``peak``, ``peak_at`` (start of the highest interval; the first of equals)
        * ``load_factor``: mean ÷ peak, over the hours with data
        * ``base``: 5th percentile; ``always_on``: base × hours ÷ total, the share that never switches off
        * ``night``: median over days of the lowest value from 01:00 to 05:00 local time
        * ``near_base``, ``near_peak``: 2.5th and 97.5th percentile of a day, averaged over days; ``base_to_peak``
        * ``high_hours``: hours of an average day that are nearer to near-peak than to near-base

    Notes
    -----
    PUCT 25.244 waives a demand ratchet at an annual load factor of 25 % or less.
    """
    one = with_power(df)
    n = len(one.keys)
    hours = np.bincount(one.code, one.hours, n)
    mean = np.divide(np.bincount(one.code, one.power * one.hours, n), hours, out=np.full(n, np.nan), where=hours > 0)
    power = pd.Series(one.power).groupby(one.code)
    top = power.idxmax()
    at = np.full(n, np.iinfo(np.int64).min, dtype=np.int64)
    at[top.index] = one.start[top]
    peak, base = (_each(s, n) for s in (power.max(), power.quantile(0.05)))
    days_of = _daily(one).groupby("code")
    night = _each(days_of["night"].median(), n)
    near_base, near_peak, high_hours = (_each(days_of[c].mean(), n) for c in ("near_base", "near_peak", "high_hours"))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = keys_of(one, range(n)).assign(
            power_unit=[power_unit(u) for u in one.keys["unit"]],
            minutes=one.interval / 60,
            intervals=np.bincount(one.code, minlength=n),
            hours=hours,
            mean=mean,
            peak=peak,
            peak_at=_times(at, one),
            load_factor=mean / peak,
            base=base,
            always_on=base / mean,
            night=night,
            near_base=near_base,
            near_peak=near_peak,
            base_to_peak=near_base / near_peak,
            high_hours=high_hours,
        )
    return note_rows(out, df, one)


def _each(of_series: pd.Series[Any], n: int) -> Any:
    """Give one number for each series, NaN for those without rows."""
    return of_series.reindex(range(n)).to_numpy(dtype=np.float64)


def daily(df: pd.DataFrame) -> pd.DataFrame:
    """Describe the load of each local day.

    Returns
    -------
    DataFrame
        One row for each series and local day with data: ``date``, ``total`` (sum of what adds up, else the mean),
        ``hours``, ``mean``, ``lowest``, ``near_base``, ``near_peak``, ``highest``, ``night`` and ``high_hours`` as in
        :func:`summarize`.
    """
    one = with_power(df)
    table = _daily(one)
    return note_rows(pd.concat([keys_of(one, table["code"]), table.drop(columns="code")], axis=1), df, one)


def _daily(one: Intervals) -> pd.DataFrame:
    edge = np.flatnonzero(np.append(np.ones(min(len(one), 1), dtype=bool), _changes(one.code, one.date)))
    day = np.repeat(np.arange(len(edge)), np.diff(np.append(edge, len(one))))
    power = pd.Series(one.power).groupby(day)
    low, high = (power.quantile(q).to_numpy() for q in NEAR)
    hours, energy = np.bincount(day, one.hours, len(edge)), np.bincount(day, one.power * one.hours, len(edge))
    hour = one.wall % (24 * HOUR) / HOUR
    asleep = (hour >= _NIGHT[0]) & (hour < _NIGHT[1])
    night = pd.Series(one.power[asleep]).groupby(day[asleep]).min().reindex(range(len(edge))).to_numpy()
    nearer = one.power > ((low + high) / 2)[day]
    sums = np.array([intervals.adds_up(u) for u in one.keys["unit"]], dtype=bool)[one.code[edge]]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = energy / hours
    table = {
        "code": one.code[edge],
        "date": one.date[edge].astype("datetime64[D]").astype("datetime64[us]"),
        "total": np.where(sums, energy, mean),
        "hours": hours,
        "mean": mean,
        "lowest": power.min().to_numpy(),
        "near_base": low,
        "near_peak": high,
        "highest": power.max().to_numpy(),
        "night": night,
        "high_hours": np.bincount(day[nearer], one.hours[nearer], len(edge)) / hours * 24,
    }
    return pd.DataFrame(table)


def _changes(*columns: Any) -> Any:
    changed = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        changed = changed | (column[1:] != column[:-1])
    return changed


def duration(df: pd.DataFrame) -> pd.DataFrame:
    """Sort the load from its highest interval to its lowest: the load duration curve.

    Returns
    -------
    DataFrame
        One row for each interval used: meter, flow, series, unit, ``percent`` (share of the hours at which the load
        is at least this high, from above 0 to 100) and ``power``. The area under it is the energy.
    """
    one = with_power(df)
    order = np.lexsort([-one.power, one.code])
    code, hours = one.code[order], one.hours[order]
    passed = np.cumsum(hours)
    total = np.bincount(code, hours, len(one.keys))
    before = np.cumsum(total) - total
    out = keys_of(one, code).assign(percent=100 * (passed - before[code]) / total[code], power=one.power[order])
    return note_rows(out, df, one)


def at_percent(curve: pd.DataFrame, percents: Sequence[float] = (1, 5, 10, 50, 90)) -> pd.DataFrame:
    """Read a load duration curve off: the power that is reached in this share of the hours.

    Returns
    -------
    DataFrame
        A row for each series, a column for each of ``percents``.
    """
    rows = {}
    for key, part in curve.groupby(SERIES, observed=True):
        place = np.searchsorted(part["percent"].to_numpy() + 1e-9, percents)
        rows[key] = part["power"].to_numpy()[np.minimum(place, len(part) - 1)]
    index = pd.MultiIndex.from_tuples(list(rows), names=SERIES) if rows else pd.MultiIndex.from_arrays([[]] * 4)
    return pd.DataFrame(list(rows.values()), index=index, columns=list(percents))


def peaks(df: pd.DataFrame, n: int = 10, *, one_a_day: bool = True) -> pd.DataFrame:
    """Find the highest intervals of each series.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    n : int
        How many of each series.
    one_a_day : bool
        Take only the highest interval of a local day.

    Returns
    -------
    DataFrame
        From the highest down, of equals the first: meter, flow, series, unit, ``rank`` (from 1), ``start``, ``power``
        (kW for kWh), ``weekday``, ``of_peak`` (share of the highest), ``day_total`` (sum of that local day, in unit).
    """
    one = with_power(df)
    order = np.lexsort([one.start, -one.power, one.code])
    table = pd.DataFrame({"code": one.code[order], "date": one.date[order], "row": order})
    if one_a_day:
        table = table.drop_duplicates(["code", "date"])
    table = table.assign(rank=table.groupby("code", observed=True).cumcount() + 1)
    table = table[table["rank"] <= n].reset_index(drop=True)
    row = table["row"].to_numpy(dtype=np.int64)
    per_day = _daily(one)
    day = per_day["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    total = pd.Series(per_day["total"].to_numpy(), index=pd.MultiIndex.from_arrays([per_day["code"], day]))
    highest = pd.Series(one.power).groupby(one.code).max()
    start = _times(one.start[row], one)
    wall = pd.DatetimeIndex(one.wall[row].view("datetime64[us]"))
    out = keys_of(one, one.code[row]).assign(
        rank=table["rank"],
        start=start,
        power=one.power[row],
        weekday=wall.day_name(),
        of_peak=one.power[row] / highest.reindex(one.code[row]).to_numpy(),
        day_total=total.reindex(pd.MultiIndex.from_arrays([one.code[row], one.date[row]])).to_numpy(),
    )
    return note_rows(out, df, one)


def coincident(df: pd.DataFrame, moments: Iterable[Any]) -> pd.DataFrame:
    """Tell the load at given moments, such as the system's four coincident peaks (4CP) of a Texas summer.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    moments : iterable of times
        Each with its zone, such as ``"2024-08-20 17:00-05:00"``; which they were is for the grid operator to say.

    Returns
    -------
    DataFrame
        One row for each series and moment: ``moment``, ``start`` of the interval that holds it, ``power`` (NaN
        where there is none), ``of_peak`` (power ÷ the series' own peak) and ``average``: the mean over the moments,
        which is the 4CP when four were given; NaN unless all of them have data.

    Raises
    ------
    SchemaError
        When a moment has no zone.
    """
    at = _moments(moments)
    one = with_power(df)
    rows = []
    edges = np.searchsorted(one.code, np.arange(len(one.keys) + 1))
    for code in range(len(one.keys)):
        part = one.take(slice(int(edges[code]), int(edges[code + 1])))
        place = np.searchsorted(part.start, at, side="right") - 1
        held = (place >= 0) & (at < part.end[np.maximum(place, 0)]) if len(part) else np.zeros(len(at), dtype=bool)
        power = np.full(len(at), np.nan)
        power[held] = part.power[place[held]]
        start = np.where(held, part.start[np.maximum(place, 0)] if len(part) else 0, np.iinfo(np.int64).min)
        peak = part.power.max() if len(part) else np.nan
        rows.append(
            keys_of(one, [code] * len(at)).assign(
                moment=_times(at, one),
                start=_times(start, one),
                power=power,
                of_peak=power / peak,
                average=power.mean(),
            )
        )
    names = [*SERIES, "moment", "start", "power", "of_peak", "average"]
    out = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame({n: [] for n in names})
    return note_rows(out, df, one)


def _moments(moments: Iterable[Any]) -> Any:
    given = [pd.Timestamp(m) for m in ([moments] if isinstance(moments, str | pd.Timestamp) else moments)]
    for moment in given:
        if moment.tz is None:
            raise SchemaError(f"the moment {moment} has no zone: write it as in '2024-08-20 17:00-05:00'")
    return days.instants(pd.DatetimeIndex([m.tz_convert("UTC") for m in given]))


def average_day(
    df: pd.DataFrame, by: str | Sequence[str] = ("day_type",), *, holidays: _periods.Holidays = None
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
    one = with_power(df)
    long = np.flatnonzero(one.interval > 3600)
    if len(long):
        raise SchemaError(
            f"{one.label(int(long[0]))} has intervals of {one.interval[long[0]] / 3600:g} h, and an average day needs "
            "an hour or less: filter the series out"
        )
    size = np.maximum(one.interval * US, 1)[one.code]
    slot = one.wall % (24 * HOUR) // size * size
    groups = _periods.groups(one.date, one.keys, one.code, by, holidays)
    power = pd.Series(one.power).groupby([one.code, *groups.values(), slot], observed=True)
    table = power.agg(mean="mean", median="median", count="size")
    table["p10"], table["p90"] = power.quantile(0.1), power.quantile(0.9)
    table.index.names = ["code", *groups, "slot"]
    flat = table.reset_index()
    minutes = flat["slot"].to_numpy(dtype=np.int64) // (60 * US)
    flat["time"] = [f"{m // 60:02d}:{m % 60:02d}" for m in minutes]
    flat["hour"] = minutes / 60
    names = [*groups, "time", "hour", "mean", "median", "p10", "p90", "count"]
    return note_rows(pd.concat([keys_of(one, flat["code"]), flat[names]], axis=1), df, one)


def compare(
    df: pd.DataFrame, before: tuple[Any, Any], after: tuple[Any, Any], *, holidays: _periods.Holidays = None
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
    one = with_power(df)
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
    return note_rows(out, df, one)


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
