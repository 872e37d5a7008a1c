"""The single checks of quality: each takes intervals and gives a table of what it saw, series by series.

They are checks in the manner of the Uniform Business Practices (UBP) for validating, estimating and editing; a
utility's own validation knows the meter's constants and multipliers, these know the intervals alone. Tables have a
column ``code`` (row of ``Intervals.keys``) and instants as microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from greenkit.analysis import _periods
from greenkit.analysis.intervals import HOUR, Bools, Intervals, Ints, adds_up


@dataclass(frozen=True)
class Limits:
    """Where a check begins to speak.

    Parameters
    ----------
    completeness : float
        Least share of the expected intervals that have a value (CalTRACK 2.2: 0.9).
    spike : float
        Most that a day's highest interval may exceed its third highest, as a share of the third (UBP 1.4.4: 1.8).
    high_low : float
        Most that a month's average day may differ from the same month a year before, else from the month before
        (UBP 1.5.1: 0.25).
    run : int
        Least length of a run of equal values.
    rare : float
        Share of a series up to which its runs of zeros, or of equal values, are worth a word: solar surplus is zero
        every night, and a coarse register repeats itself.
    estimated : float
        Most of a month that may be estimated (UBP: 0.1).
    ceiling : float
        Power, in kW, that no interval should exceed: the size of the service, when you know it.
    """

    completeness: float = 0.9
    spike: float = 1.8
    high_low: float = 0.25
    run: int = 6
    rare: float = 0.05
    estimated: float = 0.1
    ceiling: float = np.inf


LIMITS = Limits()


def gaps(found: Intervals) -> pd.DataFrame:
    """Find the times without a value between a series' first start and its last end.

    Returns
    -------
    DataFrame
        ``code``, ``start``, ``end``, ``intervals`` (how many of the usual length fit in, at least 1).
    """
    n = len(found.keys)
    first, last = _periods.span(found)
    valid = found.take(found.valid)
    hole = np.flatnonzero(valid.start > valid.reached)
    # at both ends of a span; a series without any value is one gap, from its first start to its last end
    begins, ends = _periods.span(valid)
    none = np.bincount(valid.code, minlength=n) == 0
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
    """Find runs of zeros and of one repeated value that touch in time.

    A run is reported when such values are rare in the series (``limits.rare``), and a run of zeros of more than a
    day always: it may be an outage, a vacancy, or a meter that stopped.

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
    # most runs are of one interval: only the long ones are laid out
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
    """Find local days whose highest interval stands far above their third highest.

    Days of less than twelve hours of values, or whose third highest is zero, are not checked.

    Returns
    -------
    DataFrame
        ``code``, ``date`` (days since 1970), ``start`` (of the highest), ``value``, ``third``, ``excess`` (a share
        of the third).
    """
    one = found.take(found.valid & adding(found))
    if not len(one):
        return pd.DataFrame({n: [] for n in ("code", "date", "start", "value", "third", "excess")})
    first = np.flatnonzero(np.append(True, (np.diff(one.code) != 0) | (np.diff(one.date) != 0)))
    count = np.diff(np.append(first, len(one)))
    day = np.repeat(np.arange(len(first)), count)
    left = one.value.copy()
    top = np.empty((3, len(first)))
    where = np.zeros(len(first), dtype=np.int64)
    for i in range(3):
        top[i] = np.maximum.reduceat(left, first)
        at = np.flatnonzero(left == top[i][day])
        at = at[np.append(True, np.diff(day[at]) != 0)]
        left[at] = -np.inf
        where = at if i == 0 else where
    half = count * found.interval[one.code[first]] >= 12 * 3600
    ok = half & (count >= 3) & (top[2] > 0)
    excess = np.divide(top[0] - top[2], top[2], out=np.zeros(len(first)), where=ok)
    bad = ok & (excess > limits.spike)
    return pd.DataFrame(
        {
            "code": one.code[first][bad],
            "date": one.date[first][bad],
            "start": one.start[where][bad],
            "value": top[0][bad],
            "third": top[2][bad],
            "excess": excess[bad],
        }
    )


def months(found: Intervals, limits: Limits = LIMITS) -> pd.DataFrame:
    """Tally each local month, and compare its average day with the same month a year before, else the month before.

    Returns
    -------
    DataFrame
        ``code``, ``month`` (YYYY-MM), ``value``, ``present``, ``expected``, ``estimated`` (share of present), ``daily``
        (value of an average day), ``against`` (the month compared with, or empty) and ``change`` (as a share).
        Months with less than ``limits.completeness`` of their intervals are not compared.
    """
    laid = _periods.assign(found, _periods.MONTHS)
    sums = _periods.aggregate(found, laid)
    table = pd.DataFrame({"code": laid.code, "month": laid.name, "value": sums.value, "present": sums.present})
    table["expected"] = sums.expected
    table["estimated"] = np.divide(sums.estimated, sums.present, out=np.zeros(len(table)), where=sums.present > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        daily = np.where(adding_series(found)[laid.code], sums.value / sums.hours * 24, np.nan)
    table["daily"] = daily
    fit = (sums.present >= limits.completeness * sums.expected) & (daily > 0)
    table["against"], table["change"] = "", np.nan
    place = np.arange(len(table))
    for back in (1, 12):  # the year before, where there is one, overwrites the month before
        before = place - back
        same = (before >= 0) & (laid.code[np.maximum(before, 0)] == laid.code)
        usable = same & fit & fit[np.maximum(before, 0)]
        table.loc[usable, "against"] = table["month"].to_numpy()[before[usable]]
        table.loc[usable, "change"] = daily[usable] / daily[before[usable]] - 1
    return table


def adding_series(found: Intervals) -> Bools:
    """Tell which series hold amounts (kWh, therm), not states (V, kW)."""
    return np.array([adds_up(u) for u in found.keys["unit"]], dtype=bool)


def adding(found: Intervals) -> Bools:
    """Tell which intervals hold amounts."""
    return np.asarray(adding_series(found)[found.code], dtype=bool)


def negative(found: Intervals) -> Bools:
    """Where an amount that goes one way only is below zero."""
    one_way = found.keys["flow"].isin(("delivered", "received")).to_numpy(dtype=bool)
    return np.asarray(adding(found) & one_way[found.code] & (found.value < 0), dtype=bool)


def placeholders(found: Intervals, limits: Limits = LIMITS) -> Bools:
    """Where a zero is marked as an estimate, which in Texas stands for a value that the utility does not have.

    In a series that is often measured as zero, as beside solar panels, an estimated zero says nothing.
    """
    n = len(found.keys)
    measured = found.valid & ~found.estimated
    zeros = np.bincount(found.code[measured & (found.value == 0)], minlength=n)
    rare = zeros <= limits.rare * np.bincount(found.code[measured], minlength=n)
    return np.asarray(found.estimated & (found.value == 0) & rare[found.code], dtype=bool)


def registers(found: Intervals) -> Ints:
    """Find the series whose values only ever rise, as those of a register (dial) do, not amounts of an interval."""
    same = found.valid[1:] & found.valid[:-1] & (found.code[1:] == found.code[:-1]) & adding(found)[1:]
    step, code = found.value[1:][same] - found.value[:-1][same], found.code[1:][same]
    n = len(found.keys)
    count = np.bincount(code, minlength=n)
    rises, falls = np.bincount(code[step > 0], minlength=n), np.bincount(code[step < 0], minlength=n)
    return np.flatnonzero((count >= 48) & (falls == 0) & (rises * 2 > count))


def whole_thousands(found: Intervals) -> Ints:
    """Find kWh series of whole numbers with a mean above 100 kW: they may be watt-hours."""
    one = found.take(found.valid & (found.hours > 0))
    n = len(found.keys)
    count, whole = np.bincount(one.code, minlength=n), np.bincount(one.code[one.value % 1 == 0], minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(one.code, one.amount, n) / np.bincount(one.code, one.hours, n)
    kwh = (found.keys["unit"] == "kWh").to_numpy(dtype=bool)
    return np.flatnonzero(kwh & (count >= 24) & (whole == count) & (mean > 100))
