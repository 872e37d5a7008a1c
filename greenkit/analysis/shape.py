"""Load shape: mean, peak, load factor, base load, duration curve, coincident peaks, and average days.

Power is the value of an interval over its hours (kWh → kW), so a peak is always a mean over an interval of the length
that the result states. Times are interval starts in the site's time zone (UTC if there are several). Intervals
without a value are left out, and a frame without values returns a table without rows. Every result has the attributes
of the meters, and states in ``attrs["greenkit"]`` which rows it used (:func:`greenkit.analysis.intervals.state`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, intervals
from greenkit.analysis._periods import Date, Holidays
from greenkit.analysis.intervals import HOUR, Floats, Intervals, Ints, by_batch, power_unit, state
from greenkit.errors import SchemaError, SettingsError
from greenkit.times import US, to_instants, to_times

SERIES: Final = ["meter", "flow", "series", "unit"]
NEAR: Final = (0.025, 0.975)
"""Percentiles of a day that represent its base and its peak (Price, LBNL-3713E, 2010)."""
Moments = str | datetime.datetime | Iterable[str | datetime.datetime]
"""One or more times, each with its time zone."""
_NIGHT: Final = (1, 5)
"""Local hours between which a household is asleep."""
_WITHIN_DAY: Final = 3 * 3600
"""Longest interval in seconds for which percentiles of a day are meaningful."""


def with_power(df: pd.DataFrame) -> Intervals:
    """Read the intervals that have a power: a value and a length."""
    found = intervals.checked(df)
    return found.take(found.valid & (found.end > found.start))


def _times(instants: Any, one: Intervals) -> pd.DatetimeIndex:
    return to_times(np.asarray(instants, dtype=np.int64), one.zone)


def keys_of(one: Intervals, code: Any) -> pd.DataFrame:
    """Return the key columns of the series of each row of a result."""
    return one.keys[SERIES].iloc[np.asarray(code, dtype=np.int64)].reset_index(drop=True)


def summarize(df: pd.DataFrame) -> pd.DataFrame:
    """Describe the load of each series in one row.

    Returns
    -------
    DataFrame
        ``meter``, ``flow``, ``series``, ``unit``, then in ``power_unit`` (kW for kWh):

        * ``minutes``: length of the interval that peaks refer to; ``intervals`` and ``hours`` that were used
        * ``mean``, ``peak``, ``peak_at`` (start of the highest interval; the first if several are equal)
        * ``load_factor``: mean ÷ peak, over the hours with data; NaN if the peak is not above zero
        * ``base``: 5th percentile; ``always_on``: base × hours ÷ total, the share that never switches off
        * ``night``: median over days of the lowest value from 01:00 to 05:00 local time
        * ``near_base``, ``near_peak``: 2.5th and 97.5th percentile of a day, averaged over days; ``base_to_peak``
        * ``high_hours``: hours of an average day that are nearer to near-peak than to near-base

        The values that describe a day are NaN for a series with intervals longer than 3 hours.

    Notes
    -----
    PUCT 25.244 waives a demand ratchet at an annual load factor of 25% or less.
    """
    one = with_power(df)
    table = by_batch(one, _summary)
    units = [power_unit(u) for u in one.keys["unit"]]
    columns = {**one.keys[SERIES], "power_unit": units, **table.drop(columns="code")}
    return state(pd.DataFrame({**columns, "peak_at": _times(table["peak_at"], one)}), df, one)


def _summary(one: Intervals) -> pd.DataFrame:
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
        return pd.DataFrame(
            {
                "code": np.arange(n),
                "minutes": one.interval / 60,
                "intervals": np.bincount(one.code, minlength=n),
                "hours": hours,
                "mean": mean,
                "peak": peak,
                "peak_at": at,
                "load_factor": np.where(peak > 0, mean / peak, np.nan),
                "base": base,
                "always_on": base / mean,
                "night": night,
                "near_base": near_base,
                "near_peak": near_peak,
                "base_to_peak": near_base / near_peak,
                "high_hours": high_hours,
            }
        )


def _each(of_series: pd.Series[Any], n: int) -> Any:
    """Return one number per series, NaN for those without rows."""
    return of_series.reindex(range(n)).to_numpy(dtype=np.float64)


def daily(df: pd.DataFrame) -> pd.DataFrame:
    """Describe the load of each local day.

    Returns
    -------
    DataFrame
        One row for each series and local day with data: ``date``, ``total`` (the sum of amounts, the mean of rates),
        ``hours``, ``mean``, ``lowest``, ``near_base``, ``near_peak``, ``highest``, ``night``, and ``high_hours`` as in
        :func:`summarize`.
    """
    one = with_power(df)
    table = by_batch(one, _daily)
    return state(pd.concat([keys_of(one, table["code"]), table.drop(columns="code")], axis=1), df, one)


def _day_edges(one: Intervals) -> Ints:
    """Return the position of the first interval of each series and local day."""
    changed = (one.code[1:] != one.code[:-1]) | (one.date[1:] != one.date[:-1])
    return np.flatnonzero(np.append(np.ones(min(len(one), 1), dtype=bool), changed))


def _day_total(one: Intervals, edge: Ints) -> Floats:
    """Return the sum of each day for amounts, the mean for rates."""
    if not len(edge):
        return np.zeros(0)
    sums = np.array([intervals.adds_up(u) for u in one.keys["unit"]], dtype=bool)[one.code[edge]]
    energy, hours = np.add.reduceat(one.power * one.hours, edge), np.add.reduceat(one.hours, edge)
    return np.where(sums, energy, energy / hours)


def _daily(one: Intervals) -> pd.DataFrame:
    # edge: position of the first interval of each (series, day); day: number of the day of each interval.
    # For two days of three intervals: edge is [0, 3] and day is [0, 0, 0, 1, 1, 1]
    edge = _day_edges(one)
    day = np.repeat(np.arange(len(edge)), np.diff(np.append(edge, len(one))))
    power = pd.Series(one.power).groupby(day)
    low, high = (power.quantile(q).to_numpy() for q in NEAR)
    hours = np.bincount(day, one.hours, len(edge))
    hour = one.wall % (24 * HOUR) / HOUR
    asleep = (hour >= _NIGHT[0]) & (hour < _NIGHT[1])
    night = pd.Series(one.power[asleep]).groupby(day[asleep]).min().reindex(range(len(edge))).to_numpy()
    nearer = one.power > ((low + high) / 2)[day]
    code = one.code[edge]
    fine = one.interval[code] <= _WITHIN_DAY
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(day, one.power * one.hours, len(edge)) / hours
        high_hours = np.bincount(day[nearer], one.hours[nearer], len(edge)) / hours * 24
    table = {
        "code": code,
        "date": one.date[edge].astype("datetime64[D]").astype("datetime64[us]"),
        "total": _day_total(one, edge),
        "hours": hours,
        "mean": mean,
        "lowest": power.min().to_numpy(),
        "near_base": np.where(fine, low, np.nan),
        "near_peak": np.where(fine, high, np.nan),
        "highest": power.max().to_numpy(),
        "night": np.where(fine, night, np.nan),
        "high_hours": np.where(fine, high_hours, np.nan),
    }
    return pd.DataFrame(table)


def duration(df: pd.DataFrame) -> pd.DataFrame:
    """Sort the load from its highest interval to its lowest: the load duration curve.

    Returns
    -------
    DataFrame
        One row for each interval used: meter, flow, series, unit, ``percent`` (share of the hours in which the load
        is at least this high, from above 0 to 100), and ``power``. The area under the curve is the energy.
    """
    one = with_power(df)
    table = by_batch(one, curves)
    return state(pd.concat([keys_of(one, table.pop("code")), table], axis=1), df, one)


def curves(one: Intervals) -> pd.DataFrame:
    """Return the load duration curve of each series: ``code``, ``percent``, and ``power``, as in :func:`duration`."""
    order = np.lexsort([-one.power, one.code])
    code, hours = one.code[order], one.hours[order]
    passed = np.cumsum(hours)
    total = np.bincount(code, hours, len(one.keys))
    before = np.cumsum(total) - total
    percent = 100 * (passed - before[code]) / total[code]
    return pd.DataFrame({"code": code, "percent": percent, "power": one.power[order]})


def at_percent(curve: pd.DataFrame, percents: Sequence[float] = (1, 5, 10, 50, 90)) -> pd.DataFrame:
    """Read the power that is reached in given shares of the hours from a load duration curve.

    Returns
    -------
    DataFrame
        One row for each series, one column for each of ``percents``.
    """
    rows = {}
    for key, part in curve.groupby(SERIES, observed=True):
        place = np.searchsorted(part["percent"].to_numpy() + 1e-9, percents)
        rows[key] = part["power"].to_numpy()[np.minimum(place, len(part) - 1)]
    index = pd.MultiIndex.from_tuples(list(rows), names=SERIES) if rows else pd.MultiIndex.from_arrays([[]] * 4)
    return pd.DataFrame(list(rows.values()), index=index, columns=list(percents))


def peaks(df: pd.DataFrame, n: int = 10, *, one_a_day: bool = True) -> pd.DataFrame:
    """Return the highest intervals of each series.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    n : int
        Number of intervals of each series. Default: 10.
    one_a_day : bool
        Whether to use only the highest interval of each local day. Default: True.

    Returns
    -------
    DataFrame
        Sorted from the highest, equal ones by time: meter, flow, series, unit, ``rank`` (from 1), ``start``, ``power``
        (kW for kWh), ``weekday``, ``of_peak`` (share of the highest), ``day_total`` (total of that local day, in unit).

    Raises
    ------
    SettingsError
        If ``n`` is not a whole number of at least 1.
    """
    one = with_power(df)
    table = by_batch(one, lambda batch: highest(batch, n, one_a_day=one_a_day))
    out = keys_of(one, table.pop("code")).assign(
        rank=table["rank"],
        start=_times(table["start"], one),
        power=table["power"],
        weekday=pd.DatetimeIndex(table["wall"].to_numpy().view("datetime64[us]")).day_name(),
        of_peak=table["of_peak"],
        day_total=table["day_total"],
    )
    return state(out, df, one)


def highest(one: Intervals, n: int, *, one_a_day: bool = True) -> pd.DataFrame:
    """Return the highest intervals of each series as :func:`peaks` does, with its ``code`` and with instants."""
    _check_count(n)
    edge = _day_edges(one)
    row = _first_highest(one.power, edge) if one_a_day else np.arange(len(one))
    # the best candidates first within each series, the earlier of equal ones before the later
    row = row[np.lexsort([one.start[row], -one.power[row], one.code[row]])]
    code = one.code[row]
    first = np.searchsorted(code, np.arange(len(one.keys)))
    rank = np.arange(len(row)) - first[code] + 1
    row, rank = row[rank <= n], rank[rank <= n]
    day = np.searchsorted(edge, row, side="right") - 1
    peak = np.full(len(one.keys), np.nan)
    peak[one.code[row[rank == 1]]] = one.power[row[rank == 1]]
    return pd.DataFrame(
        {
            "code": one.code[row],
            "rank": rank,
            "start": one.start[row],
            "wall": one.wall[row],
            "power": one.power[row],
            "of_peak": one.power[row] / peak[one.code[row]],
            "day_total": _day_total(one, edge)[day],
        }
    )


def _first_highest(power: Floats, edge: Ints) -> Ints:
    """Return the position of the highest value of each group; of equal values the first.

    >>> _first_highest(np.array([1.0, 3.0, 3.0, 2.0, 5.0]), np.array([0, 3])).tolist()
    [1, 4]
    """
    if not len(edge):
        return edge
    length = np.diff(np.append(edge, len(power)))
    hit = np.flatnonzero(power == np.repeat(np.maximum.reduceat(power, edge), length))
    group = np.searchsorted(edge, hit, side="right") - 1
    return np.asarray(hit[np.append(True, group[1:] != group[:-1])])


def _check_count(n: object) -> None:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SettingsError(
            f"n is {n!r}, but it must be a whole number of at least 1", next_step="Pass the number of intervals."
        )


def coincident(df: pd.DataFrame, moments: Moments, *, label: str = "start") -> pd.DataFrame:
    """Return the load at given times, such as the four coincident peaks (4CP) of a Texas summer.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    moments : time or iterable of times
        Each with its time zone, such as ``"2024-08-20 17:00-05:00"``. The grid operator publishes them.
    label : {"start", "end"}
        Whether each time is the start or the end of the interval that it names. The lists of ERCOT are usually
        interval ending. Default: ``"start"``.

    Returns
    -------
    DataFrame
        One row for each series and moment: ``moment`` as given, ``start`` of the interval that contains it, ``power``
        (NaN if there is none), ``of_peak`` (power ÷ peak of the series), and ``average``: the mean over the moments,
        which is the 4CP if four were given, and NaN unless all of them have data.

    Raises
    ------
    SchemaError
        If a moment is not a time, or has no time zone.
    SettingsError
        If ``label`` is neither "start" nor "end".
    """
    if label not in ("start", "end"):
        raise SettingsError(
            f"label is {label!r}, but it must be 'start' or 'end'",
            next_step="Pass label='end' if the times name the end of an interval.",
        )
    at = _moments(moments)
    one = with_power(df)
    table = by_batch(one, lambda batch: _coincident(batch, at, label))
    out = keys_of(one, table.pop("code")).assign(
        moment=_times(table["moment"], one),
        start=_times(table["start"], one),
        power=table["power"],
        of_peak=table["of_peak"],
        average=table["average"],
    )
    return state(out, df, one)


def _coincident(one: Intervals, at: Ints, label: str) -> pd.DataFrame:
    # where: series × moments, position of the last interval of the series that begins at or before the moment (for
    # label="end": before it), or -1. edges[k] is the position of the first interval of series k
    n, m = len(one.keys), len(at)
    edges = np.searchsorted(one.code, np.arange(n + 1))
    # an interval that is labeled by its end contains the moment itself as its last instant
    inside = at if label == "start" else at - 1
    places = [np.searchsorted(one.start[a:b], inside, side="right") - 1 + a for a, b in _pairs(edges)]
    where = np.array(places, dtype=np.int64).reshape(n, m)
    held = (where >= edges[:-1, None]) & (inside < _at(one.end, where))
    power = np.where(held, _at(one.power, where), np.nan)
    peak = np.full(n, np.nan)
    filled = np.flatnonzero(np.diff(edges) > 0)
    if len(filled):
        peak[filled] = np.maximum.reduceat(one.power, edges[filled])
    return pd.DataFrame(
        {
            "code": np.repeat(np.arange(n), m),
            "moment": np.tile(at, n),
            "start": np.where(held, _at(one.start, where), np.iinfo(np.int64).min).reshape(-1),
            "power": power.reshape(-1),
            "of_peak": (power / peak[:, None]).reshape(-1),
            "average": np.repeat(power.mean(axis=1) if m else np.full(n, np.nan), m),
        }
    )


def _pairs(edges: Ints) -> Iterable[tuple[int, int]]:
    return zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _at(values: Any, where: Ints) -> Any:
    """Return the values at some positions, of which those outside are not used."""
    return values[np.clip(where, 0, len(values) - 1)] if len(values) else np.zeros(where.shape, dtype=values.dtype)


def _moments(moments: Moments) -> Ints:
    several = [moments] if isinstance(moments, str | datetime.datetime) else moments
    given: list[pd.Timestamp] = []
    for moment in several:
        try:
            time = pd.Timestamp(moment)
        except (TypeError, ValueError):
            raise SchemaError(
                f"{moment!r} is not a time", next_step="Pass times such as '2024-08-20 17:00-05:00'."
            ) from None
        if time.tz is None:
            raise SchemaError(
                f"The moment {time} has no time zone", next_step="Add it, as in '2024-08-20 17:00-05:00'."
            )
        given.append(time.tz_convert("UTC"))
    return to_instants(pd.DatetimeIndex(given, tz="UTC"))


# -- average days


def average_day(
    df: pd.DataFrame, by: str | Sequence[str] = ("day_type",), *, holidays: Holidays = None
) -> pd.DataFrame:
    """Average the load at each time of the local day, with its median and its 10th and 90th percentile.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    by : {"day_type", "season", "month", "weekday", "year"}, or a sequence of them
        Groups to keep apart; an empty sequence returns one average day. Default: ``("day_type",)``.
    holidays : str, or iterable of dates, optional
        A country or a state, such as "US-TX", or "NERC", whose holidays are a day type of their own. Default: none.

    Returns
    -------
    DataFrame
        One row for each series, group, and time of day: meter, flow, series, unit, the groups, ``time`` ("13:15",
        local time), ``hour`` (13.25), ``mean``, ``median``, ``p10``, ``p90`` (power), ``count`` (number of intervals:
        one per day, and two on the day with a repeated hour). An empty frame returns an empty table.

    Raises
    ------
    SchemaError
        If a series has intervals longer than an hour, or ``by`` contains an unknown name.
    """
    by = (by,) if isinstance(by, str) else by
    one = with_power(df)
    intervals.check_lengths(one, 3600, "an average day", next_step="Filter out the series, or use df.gk.totals('day').")
    table = by_batch(one, lambda batch: _average(batch, by, holidays))
    return state(pd.concat([keys_of(one, table.pop("code")), table], axis=1), df, one)


def _average(one: Intervals, by: Sequence[str], holidays: Holidays) -> pd.DataFrame:
    size = np.maximum(one.interval * US, 1)[one.code]
    slot = one.wall % (24 * HOUR) // size * size
    groups = _periods.groups(one.date, by, holidays)
    power = pd.Series(one.power).groupby([one.code, *groups.values(), slot], observed=True)
    table = power.agg(mean="mean", median="median", count="size")
    table["p10"], table["p90"] = power.quantile(0.1), power.quantile(0.9)
    table.index.names = ["code", *groups, "slot"]
    flat = table.reset_index()
    minutes = flat["slot"].to_numpy(dtype=np.int64) // (60 * US)
    flat["time"] = [f"{m // 60:02d}:{m % 60:02d}" for m in minutes]
    flat["hour"] = minutes / 60
    return flat[["code", *groups, "time", "hour", "mean", "median", "p10", "p90", "count"]]


def compare(
    df: pd.DataFrame, before: tuple[Date, Date], after: tuple[Date, Date], *, holidays: Holidays = None
) -> pd.DataFrame:
    """Compare the average days of two spans of local dates, by day type, without an adjustment for weather.

    Parameters
    ----------
    df : DataFrame
        A tidy frame with intervals of an hour or less.
    before, after : tuple of date
        First date, and the first date after the span.
    holidays : str, or iterable of dates, optional
        As in :func:`average_day`.

    Returns
    -------
    DataFrame
        One row for each series, day type, and time of day: ``before``, ``after``, ``difference`` (after − before) in
        power, ``share`` (difference ÷ before), and the number of intervals in each span: ``days_before``,
        ``days_after`` (one per day, and two on the day with a repeated hour).

    Raises
    ------
    SchemaError
        If a span is not two dates in order, has no interval with a value, or a series has intervals longer than an
        hour.
    """
    one = with_power(df)
    sides = []
    for name, span in (("before", before), ("after", after)):
        a, b = _dates(name, span)
        part = df.iloc[one.row[(one.date >= a) & (one.date < b)]]
        if len(df) and not len(part):
            raise SchemaError(
                f"There is no interval with a value in {name}, from {span[0]} to {span[1]}",
                next_step="Pass dates within the data.",
            )
        day = average_day(part, ("day_type",), holidays=holidays)
        day = day.rename(columns={"mean": name, "count": f"days_{name}"})
        sides.append(day[[*SERIES, "day_type", "time", "hour", name, f"days_{name}"]])
    out = sides[0].merge(sides[1], on=[*SERIES, "day_type", "time", "hour"], how="outer")
    out["difference"] = out["after"] - out["before"]
    with np.errstate(divide="ignore", invalid="ignore"):
        out["share"] = out["difference"] / out["before"]
    values = ["before", "after", "difference", "share", "days_before", "days_after"]
    names = [*SERIES, "day_type", "time", "hour", *values]
    out = out[names].sort_values([*SERIES, "day_type", "hour"], ignore_index=True)
    return state(out, df, one)


def _dates(name: str, span: Any) -> tuple[int, int]:
    """Return the bounds of a span as days since 1970."""
    try:
        first, last = (pd.Timestamp(d).to_datetime64().astype("datetime64[D]") for d in span)
    except (TypeError, ValueError):
        first, last = np.datetime64("NaT", "D"), np.datetime64("NaT", "D")
    if isinstance(span, str) or not first < last:
        raise SchemaError(
            f"{name} is {span!r}, but it must be two dates in order",
            next_step='Pass the first date and the first date after the span, as in ("2024-06-01", "2024-07-01").',
        )
    return int(first.astype(np.int64)), int(last.astype(np.int64))
