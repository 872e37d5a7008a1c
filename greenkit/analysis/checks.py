"""The individual quality checks: each takes intervals and returns a table of its results by series.

They follow the Uniform Business Practices (UBP) for validation, estimation, and editing. The validation of a utility
uses the constants and multipliers of the meter; these checks use the intervals alone. Tables have a column ``code``
(row of ``Intervals.keys``) and times in microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from greenkit.analysis import _periods
from greenkit.analysis._periods import Window
from greenkit.analysis.intervals import HOUR, Bools, Intervals, Ints, adds_up


@dataclass(frozen=True)
class Limits:
    """Thresholds at which the checks report a finding.

    Parameters
    ----------
    completeness : float
        Lowest share of the expected intervals that have a value (CalTRACK 2.2: 0.9).
    spike : float
        Largest excess of a day's highest interval over its third highest, as a share of the third (UBP 1.4.4: 1.8).
    high_low : float
        Largest difference of a month's average day from the same month a year before, or else from the month before
        (UBP 1.5.1: 0.25).
    run : int
        Shortest run of equal values, in intervals.
    rare : float
        Share of a series up to which its runs of zeros, or of equal values, are reported. Solar surplus is zero every
        night, and a coarse register repeats values.
    estimated : float
        Largest share of a month that is estimated (UBP: 0.1).
    ceiling : float
        Power in kW that no interval should exceed: the size of the service, if you know it.
    """

    completeness: float = 0.9
    spike: float = 1.8
    high_low: float = 0.25
    run: int = 6
    rare: float = 0.05
    estimated: float = 0.1
    ceiling: float = np.inf


LIMITS = Limits()


def gaps(found: Intervals, window: Window | None = None) -> pd.DataFrame:
    """Find the times without a value in each series.

    Parameters
    ----------
    found : Intervals
        Each interval once.
    window : tuple of arrays, optional
        Start and end of each series. Default: from its first start to its last end.

    Returns
    -------
    DataFrame
        ``code``, ``start``, ``end``, ``intervals`` (how many of the usual length fit in, at least 1).
    """
    n = len(found.keys)
    first, last = _periods.span(found) if window is None else window
    valid = found.take(found.valid)
    hole = np.flatnonzero(valid.start > valid.reached)
    # gaps at both ends; a series without any value is one gap from its first start to its last end
    begins, ends = _periods.span(valid)
    none = np.ones(n, dtype=bool)
    none[valid.code[valid.first]] = False
    begins, ends = np.where(none, last, begins), np.where(none, last, ends)
    head, tail = np.flatnonzero(begins > first), np.flatnonzero(ends < last)
    table = pd.DataFrame(
        {
            "code": np.concatenate([valid.code[hole], head, tail]),
            "start": np.concatenate([valid.reached[hole], first[head], ends[tail]]),
            "end": np.concatenate([valid.start[hole], begins[head], last[tail]]),
        }
    ).sort_values(["code", "start"], ignore_index=True)
    lost = found.count_in((table["end"] - table["start"]).to_numpy(), table["code"].to_numpy())
    table["intervals"] = np.maximum(1, lost)
    return table


def runs(found: Intervals, limits: Limits = LIMITS) -> pd.DataFrame:
    """Find runs of consecutive zeros and of consecutive equal values.

    A run is reported if such values are rare in the series (``limits.rare``). A run of zeros longer than a day is
    always reported, because it may be an outage, a vacancy, or a stopped meter.

    Returns
    -------
    DataFrame
        ``code``, ``kind`` ("zero" or "frozen"), ``start``, ``end``, ``intervals``, ``value``.
    """
    one = found.take(found.valid & adding(found))
    new = np.append(
        True,
        (one.code[1:] != one.code[:-1]) | (one.value[1:] != one.value[:-1]) | (one.start[1:] != one.end[:-1]),
    )
    first = np.flatnonzero(new)
    length = np.diff(np.append(first, len(one)))
    # most runs have one interval: only the long ones become rows
    first, length = first[length >= limits.run], length[length >= limits.run]
    table = pd.DataFrame(
        {
            "code": one.code[first],
            "kind": np.where(one.value[first] == 0, "zero", "frozen"),
            "start": one.start[first],
            "end": one.end[first + length - 1],
            "intervals": length,
            "value": one.value[first],
        }
    )
    held = table["intervals"].groupby([table["code"], table["kind"]]).transform("sum").to_numpy()
    rare = held <= limits.rare * np.bincount(one.code, minlength=len(found.keys))[table["code"]]
    long = (table["kind"] == "zero") & (table["end"] - table["start"] > 24 * HOUR)
    return table[rare | long].reset_index(drop=True)


def spikes(found: Intervals, limits: Limits = LIMITS) -> pd.DataFrame:
    """Find local days whose highest interval far exceeds their third highest.

    Days with less than twelve hours of values, or whose third highest value is zero, are not checked.

    Returns
    -------
    DataFrame
        ``code``, ``date`` (days since 1970), ``start`` (of the highest), ``value``, ``third``, ``excess`` (a share of
        the third).
    """
    one = found.take(found.valid & adding(found))
    if not len(one):
        return pd.DataFrame({n: [] for n in ("code", "date", "start", "value", "third", "excess")})
    # first: position of the first interval of each series and day; count: its number of intervals. Days with the same
    # count are one table, days × intervals, whose two highest columns are found by a partial sort
    first = np.flatnonzero(np.append(True, (one.code[1:] != one.code[:-1]) | (one.date[1:] != one.date[:-1])))
    count = np.diff(np.append(first, len(one)))
    top, third = np.zeros(len(first)), np.zeros(len(first))
    for size in np.unique(count[count >= 3]):
        days = np.flatnonzero(count == size)
        values = one.value[np.repeat(count == size, count)].reshape(-1, size)
        values.partition(size - 3, axis=1)
        third[days], top[days] = values[:, -3], values[:, -2:].max(axis=1)
    half = count * found.interval[one.code[first]] >= 12 * 3600
    checked = half & (count >= 3) & (third > 0)
    excess = np.divide(top - third, third, out=np.zeros(len(first)), where=checked)
    bad = np.flatnonzero(checked & (excess > limits.spike))
    where = np.array([first[d] + one.value[first[d] : first[d] + count[d]].argmax() for d in bad], dtype=np.int64)
    return pd.DataFrame(
        {
            "code": one.code[first[bad]],
            "date": one.date[first[bad]],
            "start": one.start[where],
            "value": top[bad],
            "third": third[bad],
            "excess": excess[bad],
        }
    )


def months(found: Intervals, limits: Limits = LIMITS, *, window: Window | None = None) -> pd.DataFrame:
    """Add up each local month, and compare its average day with the same month a year before, or the month before.

    Returns
    -------
    DataFrame
        ``code``, ``month`` (YYYY-MM), ``value``, ``present``, ``expected`` (intervals in the part of the month that
        lies in the window, or between the first and the last interval), ``expected_in_month`` (in all of it),
        ``estimated`` (share of present), ``daily`` (value of an average day), ``against`` (the month that it is
        compared with, or empty), and ``change`` (as a share). Months with less than ``limits.completeness`` of all
        their intervals are not compared. A month in which no interval is expected has no row.
    """
    periods = _periods.assign(found, _periods.MONTHS, window)
    sums = _periods.aggregate(found, periods)
    reach = _periods.span(found) if window is None else window
    within = sums.present + _periods.lacking(found, periods, sums.hours, reach)
    table = pd.DataFrame({"code": periods.code, "month": periods.name, "value": sums.value, "present": sums.present})
    table["expected"], table["expected_in_month"] = within, sums.expected
    table["estimated"] = np.divide(sums.estimated, sums.present, out=np.zeros(len(table)), where=sums.present > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        daily = np.where(adding_series(found)[periods.code], sums.value / sums.hours * 24, np.nan)
    table["daily"] = daily
    fit = (sums.present >= limits.completeness * sums.expected) & (daily > 0)
    table["against"], table["change"] = "", np.nan
    place = np.arange(len(table))
    for back in (1, 12):  # the year before, if it exists, overwrites the month before
        before = place - back
        same = (before >= 0) & (periods.code[np.maximum(before, 0)] == periods.code)
        usable = same & fit & fit[np.maximum(before, 0)]
        table.loc[usable, "against"] = table["month"].to_numpy()[before[usable]]
        table.loc[usable, "change"] = daily[usable] / daily[before[usable]] - 1
    # a month in which only the rest of the last interval lies, as of daily values from 5:00 to 5:00, expects none
    return table[(table["expected"] > 0) | (table["present"] > 0)].reset_index(drop=True)


def adding_series(found: Intervals) -> Bools:
    """Return which series contain amounts (kWh, therm), not rates (V, kW)."""
    return np.array([adds_up(u) for u in found.keys["unit"]], dtype=bool)


def adding(found: Intervals) -> Bools:
    """Return which intervals contain amounts."""
    series = adding_series(found)
    return np.ones(len(found), dtype=bool) if series.all() else np.asarray(series[found.code], dtype=bool)


def negative(found: Intervals) -> Bools:
    """Return which amounts of a flow in one direction are below zero."""
    below = found.value < 0
    if not below.any():
        return np.asarray(below)
    one_way = found.keys["flow"].isin(("delivered", "received")).to_numpy(dtype=bool)
    return np.asarray(below & adding(found) & one_way[found.code], dtype=bool)


def placeholders(found: Intervals, limits: Limits = LIMITS) -> Bools:
    """Return which zeros are marked as estimates: utilities in Texas write that if they have no value.

    In a series that is often measured as zero, such as solar surplus, an estimated zero is plausible.
    """
    guessed = found.estimated & (found.value == 0)
    if not guessed.any():
        return np.asarray(guessed)
    n = len(found.keys)
    measured = found.valid & ~found.estimated
    zeros = np.bincount(found.code[measured & (found.value == 0)], minlength=n)
    rare = zeros <= limits.rare * np.bincount(found.code[measured], minlength=n)
    return np.asarray(guessed & rare[found.code], dtype=bool)


def registers(found: Intervals) -> Ints:
    """Return the series whose values only increase, as those of a register do."""
    # most series decrease somewhere, so only the others are checked
    down = np.append(False, found.value[1:] < found.value[:-1])
    down[found.first] = False
    never = np.zeros(len(found.keys), dtype=bool)
    if len(found):
        never[found.code[found.first]] = ~np.logical_or.reduceat(down, found.first)
    if not never.any():
        return np.zeros(0, dtype=np.int64)
    found = found.take(never[found.code])
    same = found.valid[1:] & found.valid[:-1] & (found.code[1:] == found.code[:-1]) & adding(found)[1:]
    step, code = found.value[1:][same] - found.value[:-1][same], found.code[1:][same]
    n = len(found.keys)
    count = np.bincount(code, minlength=n)
    rises, falls = np.bincount(code[step > 0], minlength=n), np.bincount(code[step < 0], minlength=n)
    return np.flatnonzero((count >= 48) & (falls == 0) & (rises * 2 > count))


def whole_thousands(found: Intervals) -> Ints:
    """Return the kWh series of whole numbers with a mean above 100 kW, which may be watt-hours."""
    n = len(found.keys)
    one = found.take(found.valid & (found.hours > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(one.code, one.amount, n) / np.bincount(one.code, one.hours, n)
    large = (found.keys["unit"] == "kWh").to_numpy(dtype=bool) & (mean > 100)
    if not large.any():
        return np.zeros(0, dtype=np.int64)
    one = one.take(large[one.code])
    count, integers = np.bincount(one.code, minlength=n), np.bincount(one.code[one.value % 1 == 0], minlength=n)
    return np.flatnonzero(large & (count >= 24) & (integers == count))
