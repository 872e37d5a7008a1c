"""What the checks saw, put together for each series: the tables that a quality report shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import days
from greenkit.analysis import checks, intervals, periods
from greenkit.analysis.checks import Limits
from greenkit.analysis.intervals import HOUR, Intervals, Ints
from greenkit.days import US

DAILY: Final = 25 * 3600
"""Longest interval, in seconds, of which a local day can hold one."""


@dataclass(frozen=True)
class Seen:
    """The tables of all checks; each has a column ``code``, the row of ``found.keys``."""

    found: Intervals
    table: pd.DataFrame
    days: pd.DataFrame
    months: pd.DataFrame
    gaps: pd.DataFrame
    runs: pd.DataFrame
    spikes: pd.DataFrame

    @classmethod
    def of(cls, rows: Intervals, found: Intervals, limits: Limits) -> Seen:
        """Run the checks on all ``rows``, and on ``found``, which has each interval once."""
        gaps, runs, spikes = checks.gaps(found), checks.runs(found, limits), checks.spikes(found, limits)
        table = _table(rows, found, gaps, spikes, limits)
        return cls(found, table, _days(found), checks.months(found, limits), gaps, runs, spikes)

    @cached_property
    def records(self) -> list[dict[Any, Any]]:
        """The table, as one mapping for each series."""
        return self.table.to_dict("records")

    @cached_property
    def zeros(self) -> pd.DataFrame:
        """The runs of zeros."""
        return self.runs[self.runs["kind"] == "zero"]

    @cached_property
    def frozen(self) -> pd.DataFrame:
        """The runs of one repeated value."""
        return self.runs[self.runs["kind"] == "frozen"]

    @cached_property
    def registers(self) -> set[int]:
        """Series that look like a register's."""
        return set(checks.registers(self.found).tolist())

    @cached_property
    def thousands(self) -> set[int]:
        """Series that look like watt-hours taken for kWh."""
        return set(checks.whole_thousands(self.found).tolist())

    @cached_property
    def highest(self) -> Any:
        """Highest power of each series."""
        power = pd.Series(self.found.power).groupby(self.found.code).max()
        return power.reindex(range(len(self.found.keys))).to_numpy()

    @cached_property
    def odd(self) -> Ints:
        """Count of intervals of another length than the usual one in each series."""
        found = self.found
        other = found.end - found.start != (found.interval * US)[found.code]
        return _count(found.code[other], len(found.keys))

    @cached_property
    def empty(self) -> Ints:
        """Count of intervals without length in each series."""
        return _count(self.found.code[self.found.end == self.found.start], len(self.found.keys))

    def rows(self, name: str, code: int) -> pd.DataFrame:
        """Rows of one table that belong to one series."""
        if name not in self._groups:
            table: pd.DataFrame = getattr(self, name)
            self._groups[name] = dict(iter(table.groupby("code", observed=True))), table.iloc[:0]
        groups, none = self._groups[name]
        return groups.get(code, none)

    @cached_property
    def _groups(self) -> dict[str, tuple[dict[Any, pd.DataFrame], pd.DataFrame]]:
        return {}


def _count(codes: Ints, n: int) -> Ints:
    return np.bincount(codes, minlength=n).astype(np.int64)


def _table(rows: Intervals, found: Intervals, gaps: pd.DataFrame, spikes: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    n, (first, last) = len(found.keys), periods.span(found)
    repeated, contradicting = intervals.repeats(rows)
    present, covered = (
        _count(found.code[found.valid], n),
        np.bincount(found.code[found.valid], found.hours[found.valid], n),
    )
    table = found.keys.drop(columns="zone").assign(
        start=days.times(first, found.zone),
        end=days.times(last, found.zone),
        minutes=found.interval / 60,
        expected=present + found.fit(last - first - covered * HOUR, np.arange(n)),
        present=present,
    )
    missing = np.bincount(gaps["code"], gaps["intervals"], n).astype(np.int64)
    lost = np.bincount(gaps["code"], gaps["end"] - gaps["start"], n)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = 1 - lost / (last - first)
        guessed = _count(found.code[found.estimated & found.valid], n)
        measured = whole * (1 - guessed / table["present"].to_numpy())
    longest = (gaps["end"] - gaps["start"]).groupby(gaps["code"]).max().reindex(range(n)).fillna(0) / HOUR
    return table.assign(
        missing=missing,
        completeness=whole,
        measured=measured,
        gaps=_count(gaps["code"].to_numpy(dtype=np.int64), n),
        longest_gap=longest.to_numpy(dtype=np.float64),
        repeated=_count(rows.code[repeated], n),
        contradicting=_count(rows.code[contradicting], n),
        overlapping=_count(found.code[found.overlap], n),
        estimated=guessed,
        placeholders=_count(found.code[checks.placeholders(found, limits)], n),
        zeros=_count(found.code[found.value == 0], n),
        negative=_count(found.code[checks.negative(found)], n),
        spike_days=_count(spikes["code"].to_numpy(dtype=np.int64), n),
    )


def _days(found: Intervals) -> pd.DataFrame:
    fine = found.take((found.interval <= DAILY)[found.code])
    laid = periods.lay(fine, periods.DAYS)
    sums = periods.tally(fine, laid, within=True)
    date = pd.to_datetime(pd.Series(laid.name, dtype="str")).astype("datetime64[us]")
    return pd.DataFrame(
        {
            "code": laid.code,
            "date": date,
            "expected": sums.expected,
            "present": sums.present,
            "estimated": sums.estimated,
        }
    )
