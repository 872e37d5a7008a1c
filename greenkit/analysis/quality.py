"""Data quality: one row for each physical flow, tables of what was seen and where, and findings with evidence.

The definitions are those of the Uniform Business Practices (UBP) for sum, spike, and high/low checks, and of CalTRACK
2.2 for completeness. Utilities validate most data before they send it, so a finding is a reason to check, not a
verdict. With a window or a roster of meters, completeness is measured against them; without, each flow is measured
from its first to its last interval.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _html, _intervals, _relations, _style, times
from greenkit._categories import of_series
from greenkit._html import Markup
from greenkit.analysis import _periods, checks, intervals, reconcile
from greenkit.analysis._periods import Date, Window
from greenkit.analysis.checks import LIMITS, Limits
from greenkit.analysis.intervals import HOUR, KEY, Floats, Intervals, Ints
from greenkit.analysis.roster import Roster, read_roster
from greenkit.errors import SettingsError
from greenkit.findings import SEVERITIES, Finding, Findings, Kind
from greenkit.times import US

EMPTY: Final = Kind(
    "quality.empty", "serious", "{label}: No interval has a value.", "Ask the source for the data again."
)
GAP: Final = Kind(
    "quality.gap",
    "info",
    "{label}: {missing:,} of {expected:,} intervals are missing in {gaps:gap}{gaps: of|, the longest of} {longest:g} "
    "h from {at}.",
    "Ask the source for the missing days, or estimate them with df.gk.fill_gaps().",
)
REPEATED: Final = Kind(
    "quality.repeated",
    "info",
    "{label}: {intervals:duplicate interval} {intervals:has|have} the same value. Each interval is counted once.",
)
CONTRADICTING: Final = Kind(
    "quality.contradicting",
    "warning",
    "{label}: {intervals:duplicate interval} {intervals:has|have} different values. greenkit uses the newest "
    "revision, or else the last row.",
    "To keep only those rows, call df.gk.drop_duplicates().",
)
OVERLAP: Final = Kind(
    "quality.overlap",
    "serious",
    "{label}: {intervals:interval} {intervals:overlaps|overlap} others, so sums count that time more than once.",
    "Keep one of the overlapping intervals.",
)
NEGATIVE: Final = Kind(
    "quality.negative",
    "warning",
    "{label}: {intervals:value} {intervals:is|are} negative, although the flow has only one direction.",
    "Check with the source whether the values are net.",
)
ZERO_RUN: Final = Kind(
    "quality.zero-run",
    "warning",
    "{label}: {runs:run} of zeros, {runs:|the longest }{longest:,} intervals long, from {at}.",
    "Check whether there was an outage or a vacancy.",
)
FROZEN: Final = Kind(
    "quality.frozen",
    "info",
    "{label}: {runs:run} of identical values, {runs:|the longest }{longest:,} intervals long, from {at}.",
    "Check whether the meter is stuck.",
)
SPIKE: Final = Kind(
    "quality.spike",
    "info",
    "{label}: On {days:day}, the highest interval exceeds the third highest by more than {limit:.0%}, most on {at} "
    "({excess:.0%}).",
)
CEILING: Final = Kind(
    "quality.ceiling",
    "warning",
    "{label}: The highest power is {kW:,.1f} kW, above the ceiling of {limit:,g} kW.",
    "Check the multiplier of the meter.",
)
ESTIMATED: Final = Kind(
    "quality.estimated",
    "info",
    "{label}: {estimated:,} of {present:,} values are estimated ({percent:.1%}){over}.",
    "Check again when the source has actual values.",
)
PLACEHOLDER: Final = Kind(
    "quality.placeholder",
    "warning",
    "{label}: {intervals:zero} {intervals:is|are} marked as {intervals:an estimate|estimates}. Texas utilities write "
    "an estimated zero when they have no value.",
    "Treat {intervals:this interval|these intervals} as missing.",
)
CHANGE: Final = Kind(
    "quality.change",
    "info",
    "{label}: The daily average changed by more than {limit:.0%} in {changed:month}, most in {most} ({change:+.0%} "
    "compared with {against}).",
)
MIXED_LENGTHS: Final = Kind(
    "quality.interval.mixed",
    "info",
    "{label}: {intervals:interval} {intervals:differs|differ} from the usual length of {minutes:g} min.",
)
NO_LENGTH: Final = Kind(
    "quality.interval.empty",
    "warning",
    "{label}: {intervals:interval} {intervals:has|have} a length of zero, and therefore no power.",
    "Check the end times in the source.",
)
REGISTER: Final = Kind(
    "quality.unit.register",
    "serious",
    "{label}: The values only increase, like those of a register, so they must not be added up.",
    "Use the differences of consecutive values.",
)
WATT_HOURS: Final = Kind(
    "quality.unit.watt-hours",
    "warning",
    "{label}: All values are whole numbers, and their mean is {kW:,.0f} kW. They may be watt-hours.",
    "Compare the series with a bill.",
)
SUM_CHECK: Final = Kind(
    "quality.sum-check",
    "warning",
    "{label}: The register and the intervals differ in {spans:span} of {of:,}, most in the one that starts on "
    "{start}: {difference:+,.3f} ({status}).",
    "Check that span for gaps and for a wrong multiplier.",
)
ABSENT: Final = Kind(
    "quality.roster.absent",
    "warning",
    "{meters:meter} of the roster {meters:has|have} no intervals, first {first}.",
    "Ask the source for the data of {meters:this meter|these meters}.",
)
UNKNOWN_METER: Final = Kind(
    "quality.roster.unknown",
    "warning",
    "{meters:meter} {meters:is|are} not in the roster, first {first}.",
    "Add {meters:the meter to the roster, or filter it|the meters to the roster, or filter them} out.",
)
NOT_OURS: Final = Kind(
    "quality.roster.not-ours",
    "warning",
    "{intervals:interval} of {meters:meter} {intervals:is|are} from days on which the roster does not list the meter, "
    "first {first}.",
    "Check the dates of the roster.",
)
KINDS: Final = (
    EMPTY, GAP, REPEATED, CONTRADICTING, OVERLAP, NEGATIVE, ZERO_RUN, FROZEN, SPIKE, CEILING, ESTIMATED, PLACEHOLDER,
    CHANGE, MIXED_LENGTHS, NO_LENGTH, REGISTER, WATT_HOURS, SUM_CHECK, ABSENT, UNKNOWN_METER, NOT_OURS,
)  # fmt: skip
NAMES: Final[Mapping[str, str]] = {kind.name: kind.text for kind in KINDS}
"""Name of each finding → its text."""

DAILY: Final = 25 * 3600
"""Longest interval, in seconds, that fits into a local day."""
_MOST: Final = 20
"""Series and findings that the representations show."""
_EXAMPLES: Final = 3
_SERIES: Final = [k for k in KEY if k != "zone"]

_WIDTH: Final = 360


# -- the checks of all series


_TABLES: Final = ("table", "facts", "days", "months", "gaps", "runs", "spikes")


@dataclass(frozen=True)
class CheckResults:
    """The tables of all checks. Each has a column ``code``, the row of ``keys``, and is sorted by it.

    Parameters
    ----------
    found : Intervals
        The series without their intervals, which the checks no longer need.
    table, days, months, gaps, runs, spikes : DataFrame
        As in :class:`QualityReport`.
    facts : DataFrame
        What only findings use, one row for each series: ``highest`` power, ``mean`` power, intervals of an ``odd``
        length and of ``no_length``, and whether it looks like a ``register`` or like ``watt_hours``.
    """

    found: Intervals
    table: pd.DataFrame
    facts: pd.DataFrame
    days: pd.DataFrame
    months: pd.DataFrame
    gaps: pd.DataFrame
    runs: pd.DataFrame
    spikes: pd.DataFrame
    limits: Limits

    @classmethod
    def of(cls, found: Intervals, window: Window, counts: Mapping[str, Ints], limits: Limits) -> CheckResults:
        """Run the checks on ``found``, which has each interval once; ``counts`` holds duplicates of each series."""
        made: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
        usual = []
        for first, one in found.batches():
            part = slice(first, first + len(one.keys))
            checked = _checked(
                one,
                (window[0][part], window[1][part]),
                {name: count[part] for name, count in counts.items()},
                limits,
            )
            for name, table in checked.items():
                made[name].append(table.assign(code=table["code"] + first) if first else table)
            usual.append(one.interval)
        tables = {name: _joined(parts) for name, parts in made.items()}
        series = replace(found.take(slice(0)), usual=np.concatenate(usual))
        return cls(found=series, limits=limits, **tables)

    def rows(self, name: str, code: int) -> pd.DataFrame:
        """Return the rows of one table that belong to one series."""
        table: pd.DataFrame = self.tables[name]
        a, b = self.edges[name][code : code + 2]
        return table.iloc[a:b]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name; runs are split by their kind."""
        zeros, frozen = (self.runs[self.runs["kind"] == kind] for kind in ("zero", "frozen"))
        return {"gaps": self.gaps, "months": self.months, "spikes": self.spikes, "zeros": zeros, "frozen": frozen}

    @cached_property
    def edges(self) -> dict[str, Ints]:
        """For each table, the position of the first row of each series."""
        codes = np.arange(len(self.found.keys) + 1)
        return {
            name: np.searchsorted(t["code"].to_numpy(dtype=np.int64), codes) for name, t in self.tables.items()
        }  # fmt: skip

    @cached_property
    def flags(self) -> list[_Flag]:
        """Which series have which kind of finding, without their texts."""
        return list(_flags(self))

    @cached_property
    def worst(self) -> list[str]:
        """Severity of the worst finding of each series, or "none"."""
        level = np.full(len(self.found.keys), -1)
        for flag in self.flags:
            level = np.maximum(level, flag.level)
        return ["none" if i < 0 else SEVERITIES[i] for i in level.tolist()]

    def findings(self, most: int | None = None) -> Iterator[Finding]:
        """Yield the findings series by series, the most severe first within each."""
        order = [(int(c), -int(f.level[c]), i) for i, f in enumerate(self.flags) for c in np.flatnonzero(f.level >= 0)]
        for code, level, i in sorted(order)[:most]:
            flag = self.flags[i]
            evidence, words = flag.detail(code)
            key = self.found.keys.iloc[code]
            made = Findings()
            made.add(
                flag.kind,
                severity=SEVERITIES[-level],
                words={"label": self.found.label(code), **words},
                **{name: str(key[name]) for name in _SERIES},
                **evidence,
            )
            yield made[0]

    def at(self, code: int, instant: int) -> str:
        """Return a time in the time zone of a series, as text."""
        return f"{times.to_times(np.array([instant]), str(self.found.keys['zone'].iloc[code]))[0]:%Y-%m-%d %H:%M %Z}"


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables of different series; those without rows may have other dtypes."""
    full = [table for table in parts if len(table)]
    return pd.concat(full, ignore_index=True) if len(full) > 1 else (full or parts)[0]


def _checked(found: Intervals, window: Window, counts: Mapping[str, Ints], limits: Limits) -> dict[str, pd.DataFrame]:
    """Run the checks on some series."""
    gaps, runs, spikes = checks.gaps(found, window), checks.runs(found, limits), checks.spikes(found, limits)
    return {
        "table": _table(found, window, gaps, spikes, counts, limits),
        "facts": _facts(found),
        "days": _days(found, window),
        "months": checks.months(found, limits, window=window),
        "gaps": gaps,
        "runs": runs,
        "spikes": spikes,
    }


def _facts(found: Intervals) -> pd.DataFrame:
    n = len(found.keys)
    codes, highest, mean = np.arange(n), np.full(n, -np.inf), np.full(n, np.nan)
    if len(found):
        highest[found.code[found.first]] = np.fmax.reduceat(np.nan_to_num(found.power, nan=-np.inf), found.first)
    length = found.end - found.start
    large = checks.whole_thousands(found)
    for code in large:
        mean[code] = np.nanmean(found.power[found.code == code])
    return pd.DataFrame(
        {
            "code": codes,
            "highest": highest,
            "mean": mean,
            "odd": _count(found.code[length != (found.interval * US)[found.code]], n),
            "no_length": _count(found.code[length == 0], n),
            "register": np.isin(codes, checks.registers(found)),
            "watt_hours": np.isin(codes, large),
        }
    )


@dataclass(frozen=True)
class _Flag:
    """One kind of finding: for each series the severity (a position in SEVERITIES, −1 for none), and the details."""

    kind: Kind
    level: Ints
    detail: Callable[[int], tuple[dict[str, Any], dict[str, Any]]]


def _flags(seen: CheckResults) -> Iterator[_Flag]:
    """Yield a flag for each check, computed for all series at once; each text is built only when it is needed."""
    row: Mapping[str, Any] = {n: t[n].to_numpy() for t in (seen.facts, seen.table) for n in t.columns}
    limits, n = seen.limits, len(seen.found.keys)
    has = row["present"] > 0

    def flag(kind: Kind, mask: Any, detail: Callable[[int], tuple[dict[str, Any], dict[str, Any]]], worse: Any = None,
             severity: str = "") -> _Flag:  # fmt: skip
        level = np.where(mask, SEVERITIES.index(kind.severity), -1)
        if worse is not None:
            level = np.where(mask & worse, SEVERITIES.index(severity), level)
        return _Flag(kind, np.asarray(level, dtype=np.int64), detail)

    def count(column: str) -> Callable[[int], tuple[dict[str, Any], dict[str, Any]]]:
        return lambda code: ({"intervals": int(row[column][code])}, {})

    yield flag(EMPTY, ~has, count("expected"))
    bad = (row["completeness"] < limits.completeness) | (row["longest_gap"] >= 24)
    yield flag(GAP, has & (row["gaps"] > 0), lambda code: _gap(seen, code), bad, "warning")
    yield flag(REPEATED, row["duplicates"] > 0, count("duplicates"))
    yield flag(CONTRADICTING, row["conflicting"] > 0, count("conflicting"))
    yield flag(OVERLAP, row["overlapping"] > 0, count("overlapping"))
    yield flag(NEGATIVE, row["negative"] > 0, count("negative"))
    for kind, name in ((ZERO_RUN, "zeros"), (FROZEN, "frozen")):
        yield flag(kind, np.diff(seen.edges[name]) > 0, lambda code, name=name: _run(seen, name, code))  # type: ignore[misc]
    yield flag(SPIKE, row["spike_days"] > 0, lambda code: _spike(seen, code))
    power = np.isin(row["unit"], ("kWh", "kW"))
    yield flag(CEILING, power & (row["highest"] > limits.ceiling),
               lambda code: ({"kW": float(row["highest"][code])}, {"limit": limits.ceiling}))  # fmt: skip
    months = seen.months
    code_of = months["code"].to_numpy(dtype=np.int64)
    over = np.bincount(code_of[(months["estimated"] > limits.estimated).to_numpy()], minlength=n) > 0
    yield flag(ESTIMATED, row["estimated"] > 0, lambda code: _estimated(seen, code), over, "warning")
    yield flag(PLACEHOLDER, row["placeholders"] > 0, count("placeholders"))
    changed = np.bincount(code_of[(months["change"].abs() > limits.high_low).to_numpy()], minlength=n)
    yield flag(CHANGE, changed > 0, lambda code: _change(seen, code))
    yield flag(MIXED_LENGTHS, row["odd"] > 0, lambda code: (
        {"intervals": int(row["odd"][code])}, {"minutes": float(row["minutes"][code])}))  # fmt: skip
    yield flag(NO_LENGTH, row["no_length"] > 0, count("no_length"))
    yield flag(REGISTER, row["register"], count("present"))
    yield flag(WATT_HOURS, row["watt_hours"], lambda code: ({"kW": round(float(row["mean"][code]), 3)}, {}))


def _first(seen: CheckResults, code: int, table: pd.DataFrame) -> list[str]:
    return [seen.at(code, start) for start in table["start"].head(_EXAMPLES)]


def _gap(seen: CheckResults, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    gaps, row = seen.rows("gaps", code), seen.table.iloc[code]
    longest = gaps.iloc[int((gaps["end"] - gaps["start"]).to_numpy().argmax())]
    evidence = {"missing": int(row["missing"]), "completeness": round(float(row["completeness"]), 5)}
    words = {
        "expected": int(row["expected"]),
        "gaps": len(gaps),
        "longest": float(row["longest_gap"]),
        "at": seen.at(code, longest["start"]),
    }
    return {**evidence, "first": _first(seen, code, gaps)}, words


def _run(seen: CheckResults, name: str, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    runs = seen.rows(name, code)
    longest = runs.iloc[int(runs["intervals"].to_numpy().argmax())]
    words = {"longest": int(longest["intervals"]), "at": seen.at(code, longest["start"])}
    return {"runs": len(runs), "first": _first(seen, code, runs)}, words


def _spike(seen: CheckResults, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    spikes = seen.rows("spikes", code)
    most = spikes.iloc[int(spikes["excess"].to_numpy().argmax())]
    words = {"limit": seen.limits.spike, "at": seen.at(code, most["start"]), "excess": float(most["excess"])}
    return {"days": len(spikes), "first": _first(seen, code, spikes)}, words


def _estimated(seen: CheckResults, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    months, row = seen.rows("months", code), seen.table.iloc[code]
    over = months[months["estimated"] > seen.limits.estimated]["month"]
    share = row["estimated"] / row["present"]
    text = f", more than {seen.limits.estimated:.0%} in {', '.join(over.head(6))}" if len(over) else ""
    words = {"estimated": int(row["estimated"]), "present": int(row["present"]), "over": text, "percent": float(share)}
    return {"share": round(float(share), 4), "months": list(over)}, words


def _change(seen: CheckResults, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    months = seen.rows("months", code)
    change = months["change"].abs().to_numpy()
    changed, most = months[change > seen.limits.high_low], months.iloc[int(np.nanargmax(change))]
    words = {
        "changed": len(changed),
        "limit": seen.limits.high_low,
        "most": most["month"],
        "change": float(most["change"]),
        "against": most["against"],
    }
    return {"months": list(changed["month"])}, words


def _count(codes: Ints, n: int) -> Ints:
    return np.bincount(codes, minlength=n).astype(np.int64)


def _table(
    found: Intervals,
    window: Window,
    gaps: pd.DataFrame,
    spikes: pd.DataFrame,
    counts: Mapping[str, Ints],
    limits: Limits,
) -> pd.DataFrame:
    n, (first, last) = len(found.keys), window
    valid = found.take(found.valid)
    present, covered = _count(valid.code, n), np.bincount(valid.code, valid.hours, n)
    gap_code, gap_time = gaps["code"].to_numpy(dtype=np.int64), (gaps["end"] - gaps["start"]).to_numpy()
    longest = np.zeros(n)
    np.maximum.at(longest, gap_code, gap_time / HOUR)
    estimated = _count(valid.code[valid.estimated], n)
    complete = _share_present(gaps, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = complete * (1 - estimated / present)
    return found.keys.drop(columns="zone").assign(
        code=np.arange(n),
        start=first,
        end=last,
        minutes=found.interval / 60,
        expected=present + found.count_in(last - first - covered * HOUR, np.arange(n)),
        present=present,
        missing=np.bincount(gap_code, gaps["intervals"], n).astype(np.int64),
        completeness=complete,
        measured=measured,
        gaps=_count(gap_code, n),
        longest_gap=longest,
        **counts,
        overlapping=_count(found.code[found.overlap], n),
        estimated=estimated,
        placeholders=_count(found.code[checks.placeholders(found, limits)], n),
        zeros=_count(found.code[found.value == 0], n),
        negative=_count(found.code[checks.negative(found)], n),
        spike_days=_count(spikes["code"].to_numpy(dtype=np.int64), n),
    )


def _share_present(gaps: pd.DataFrame, window: Window) -> Floats:
    """Return the share of the window of each series that is not in a gap."""
    first, last = window
    code, time = gaps["code"].to_numpy(dtype=np.int64), (gaps["end"] - gaps["start"]).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - np.bincount(code, time, len(first)) / (last - first))


def completeness(df: pd.DataFrame) -> Floats:
    """Return the column ``completeness`` of ``assess(df).table``, without the other checks."""

    def measure(one: Intervals) -> pd.DataFrame:
        window = _periods.span(one)
        share = _share_present(checks.gaps(one, window), window)
        return pd.DataFrame({"code": np.arange(len(share)), "share": share})

    return intervals.by_batch(intervals.checked(df), measure)["share"].to_numpy()


def by_day(df: pd.DataFrame) -> pd.DataFrame:
    """Return ``assess(df).days``, without the other checks."""
    found = intervals.checked(df)
    days = intervals.by_batch(found, lambda one: _days(one, _periods.span(one)))
    return intervals.with_attributes(_named(days, found), intervals.attributes(df))


def _days(found: Intervals, window: Window) -> pd.DataFrame:
    """Count the intervals of each local day, for the series whose intervals fit into a day."""
    daily = found.interval <= DAILY
    fine = found.take(daily[found.code])
    # a series with longer intervals has an empty window, and so no days
    window = (window[0], np.where(daily, window[1], window[0]))
    periods = _periods.assign(fine, _periods.DAYS, window)
    sums = _periods.aggregate(fine, periods, window=window)
    which, distinct = pd.factorize(periods.name)
    date = pd.to_datetime(pd.Series(distinct, dtype="str")).to_numpy("datetime64[us]")
    table = pd.DataFrame(
        {
            "code": periods.code,
            "date": date[which],
            "expected": sums.expected,
            "present": sums.present,
            "estimated": sums.estimated,
        }
    )
    # a day in which only the rest of the last interval lies, as of daily values from 5:00 to 5:00, expects none
    return table[(table["expected"] > 0) | (table["present"] > 0)].reset_index(drop=True)


# -- the report


@dataclass(frozen=True)
class QualityReport:
    """The result of :func:`assess`. A notebook shows it as a table with a strip of the days.

    Parameters
    ----------
    table : DataFrame
        One row for each physical flow: meter, flow, series, unit, ``start`` and ``end`` (of the window, or of the
        first and last interval), ``minutes`` (most frequent interval length), ``expected`` (number of intervals in the
        elapsed time from start to end: those present, plus intervals of the usual length in the gaps), ``present``
        (those with a value), ``missing``, ``completeness`` (share of that time that has a value), ``measured`` (share
        that has a value which is not estimated), ``gaps``, ``longest_gap`` (hours), ``duplicates``, ``conflicting``,
        ``overlapping``, ``estimated``, ``placeholders``, ``zeros``, ``negative``, ``spike_days``, ``worst`` (severity
        of its worst finding), and the attributes of the roster.
    days : DataFrame
        One row for each flow and local day: ``date``, ``expected``, ``present``, ``estimated``.
    months : DataFrame
        One row for each flow and local month: see :func:`greenkit.analysis.checks.months`. ``expected`` counts the
        part of the month within the window, ``expected_in_month`` all of it.
    gaps, runs, spikes : DataFrame
        Where: times in UTC, or in local time if all series share a time zone.
    sums : DataFrame
        Registers compared with intervals, if registers were given: see
        :func:`greenkit.analysis.reconcile.compare_bills`.
    relations : DataFrame
        How the series of the frame became physical flows: see :func:`greenkit.frame.relations`.
    roster : DataFrame
        If a roster was given: one row for each of its meters, and for each unknown meter, with its attributes,
        ``expected``, ``received``, ``missing``, ``estimated``, ``not_ours`` (intervals from days on which the meter is
        not in the roster), ``days_missing``, ``first_missing``, and ``status``: "complete", "incomplete", "absent",
        or "unknown meter".
    roster_days : DataFrame
        The same for each meter, flow, and local day, with ``status``: "complete", "incomplete", "missing", "not ours",
        or "unknown meter".
    bounded : bool
        Whether a window or a roster was given. If not, it is not known whether the first or the last intervals of a
        series are missing.
    """

    table: pd.DataFrame
    days: pd.DataFrame
    months: pd.DataFrame
    gaps: pd.DataFrame
    runs: pd.DataFrame
    spikes: pd.DataFrame
    sums: pd.DataFrame
    relations: pd.DataFrame
    roster: pd.DataFrame
    roster_days: pd.DataFrame
    bounded: bool
    _seen: CheckResults = field(repr=False, compare=False)
    _more: Findings = field(repr=False, compare=False)

    @cached_property
    def findings(self) -> Findings:
        """Findings, series by series, the most severe first within each; those of registers and roster follow."""
        return Findings([*self._seen.findings(), *self._more])

    @cached_property
    def findings_table(self) -> pd.DataFrame:
        """One row for each kind of finding and severity: ``severity``, ``name``, ``series`` (how many), ``example``.

        It summarizes the findings of many meters without the text of each of them.
        """
        rows = []
        for flag in self._seen.flags:
            for level in range(len(SEVERITIES)):
                codes = np.flatnonzero(flag.level == level)
                if len(codes):
                    example = next(_one(self._seen, flag, int(codes[0])))
                    rows.append((SEVERITIES[level], flag.kind.name, len(codes), example.message))
        rows += [(f.severity, f.name, 1, f.message) for f in self._more]
        rows.sort(key=lambda r: -SEVERITIES.index(r[0]))
        return pd.DataFrame(rows, columns=["severity", "name", "series", "example"])

    @property
    def _note(self) -> str:
        if self.bounded or not len(self.table):
            return ""
        return (
            "Each series is measured from its first to its last interval, so it is not known whether intervals before "
            "or after are missing. To count them, pass start= and end=, or expected=."
        )

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return severity, name, and text of the findings to show: each, or each kind if there are many."""
        if sum(int((f.level >= 0).sum()) for f in self._seen.flags) + len(self._more) <= _MOST:
            worst = sorted(self.findings, key=lambda f: -SEVERITIES.index(f.severity))
            return [(f.severity, f.name, f.message) for f in worst]
        rows = self.findings_table.to_dict("records")
        more = [f" And {r['series'] - 1:,} more series." if r["series"] > 1 else "" for r in rows]
        return [(r["severity"], r["name"], r["example"] + text) for r, text in zip(rows, more, strict=True)]

    @cached_property
    def _shown(self) -> Ints:
        """Positions of the series to show: all, or the least complete of many."""
        if len(self.table) <= _MOST:
            return np.arange(len(self.table))
        return np.argsort(self.table["completeness"].to_numpy(), kind="stable")[:_MOST]

    @property
    def _not_shown(self) -> str:
        hidden = len(self.table) - len(self._shown)
        gaps = int((self.table["gaps"] > 0).sum())
        return f"… and {hidden:,} more series; {gaps:,} of {len(self.table):,} series have gaps" if hidden else ""

    def __repr__(self) -> str:
        lines = [
            f"{_style.series_label(*(r[n] for n in _SERIES))}: intervals {_present(r)}, gaps {_gaps(r)}, "
            f"estimated {r['estimated']:,}"
            for r in self.table.iloc[self._shown].to_dict("records")
        ]
        more = [self._not_shown] if self._not_shown else []
        found = [f"{severity}: {name}: {text}" for severity, name, text in self._lines()] or ["No findings"]
        return "\n".join(["Quality", *lines, *more, *found, *filter(None, [self._note])])

    def _repr_html_(self) -> str:
        return _html.block("Quality", self.html(), text=repr(self))

    def html(self) -> str:
        """Return the tables as HTML, without any script."""
        head = ["meter", "flow", "series", "unit", "days", "intervals", "gaps", "estimated", "worst"]
        shown = self.table.iloc[self._shown].to_dict("records")
        rows = [
            [r["meter"], _style.flow_label(r["flow"]), r["series"], r["unit"], strip,
             _present(r), _gaps(r), f"{r['estimated']:,}", r["worst"]]
            for r, strip in zip(shown, _strips(self._seen.days, self._shown), strict=True)
        ]  # fmt: skip
        more = f"<p>{self._not_shown}.</p>" if self._not_shown else ""
        found = [list(line) for line in self._lines()]
        seen = _html.table(["severity", "name", "finding"], found) if found else "<p>No findings.</p>"
        decided = "".join(f"<p>{_html.text(note)}.</p>" for note in self._notes)
        note = f"<p>{_html.text(self._note)}</p>" if self._note else ""
        return _html.table(head, rows) + more + _legend() + decided + seen + note

    @property
    def _notes(self) -> list[str]:
        relations = self._seen.found.relations
        return relations.notes if relations is not None else []


def _one(seen: CheckResults, flag: _Flag, code: int) -> Iterator[Finding]:
    """Yield the finding of one series."""
    only = np.full(len(flag.level), -1)
    only[code] = flag.level[code]
    alone = replace(seen)
    alone.__dict__["flags"] = [replace(flag, level=only)]
    yield from alone.findings()


def assess(
    df: pd.DataFrame,
    *,
    registers: pd.DataFrame | None = None,
    limits: Limits | None = None,
    start: Date | datetime.datetime | None = None,
    end: Date | datetime.datetime | None = None,
    expected: pd.DataFrame | None = None,
) -> QualityReport:
    """Check each physical flow of a frame: completeness, gaps, duplicates, spikes, runs, estimates, and units.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. Rows without a value count as missing. An empty frame returns an empty report.
    registers : DataFrame, optional
        ``open_espi(…).registers`` or ``open_smt(…).registers``. Their differences are compared with the sums of the
        intervals (the sum check of UBP 1.4.3).
    limits : Limits, optional
        Thresholds at which the checks report a finding. Default: those of the standards.
    start, end : date or time, optional
        The window in which intervals are expected; ``end`` is exclusive. A date is a local midnight. Default: from the
        first to the last interval of each series, or of the frame if there is a roster.
    expected : DataFrame, optional
        The roster: a table of the meters that should be there, with the columns ``meter``, ``from``, ``to``, and any
        attributes (TDSP, zone, load profile, rate class, name, read cycle). ``from`` is the first local day on which
        the meter is yours, ``to`` the first day on which it no longer is; an empty one is open. A meter that left and
        came back has several rows.

    Returns
    -------
    QualityReport
        With ``table``, ``days``, ``months``, ``gaps``, ``runs``, ``spikes``, ``relations``, ``roster``,
        ``roster_days``, and ``findings``.

    Raises
    ------
    SchemaError
        If the frame is not tidy, or the roster has no column ``meter``.
    SettingsError
        If ``start`` or ``end`` is not a date or time, or the window is empty.

    Notes
    -----
    Time is elapsed time, so the days when clocks change have 23 or 25 hours, and an interval of another length counts
    as one. Without a window or a roster, it is not known whether intervals before the first or after the last one are
    missing.
    """
    limits = limits or LIMITS
    rows = _intervals.latest(intervals.from_frame(df), df)
    found = _intervals.deduplicate(rows, df)
    relations = _relations.find(found, df)
    counts = _duplicates(rows, relations)
    found = _relations.apply(found, relations)
    roster = None if expected is None else read_roster(expected)
    found, window, day_rows, more = _bounded(found, start, end, roster)
    seen = CheckResults.of(found, window, counts, limits)
    sums = pd.DataFrame() if registers is None else reconcile.compare_registers(df, registers)
    more.extend(_sum_findings(sums))
    own = intervals.attributes(df)
    days, months, gaps, runs, spikes = (
        intervals.with_attributes(_named(table, found), own)
        for table in (seen.days, seen.months, seen.gaps, seen.runs, seen.spikes)
    )
    times_of = {name: times.to_times(seen.table[name].to_numpy(), found.zone) for name in ("start", "end")}
    table = seen.table.drop(columns="code").assign(**times_of, worst=seen.worst)
    table = intervals.with_attributes(table, own)
    summary = pd.DataFrame()
    if roster is not None:
        summary = roster.summary(day_rows)
        table = roster.join(table)
    return QualityReport(
        table=table,
        days=days,
        months=months,
        gaps=gaps,
        runs=runs,
        spikes=spikes,
        sums=sums,
        relations=relations.table,
        roster=summary,
        roster_days=day_rows,
        bounded=not (start is None and end is None and roster is None),
        _seen=seen,
        _more=more,
    )


def _duplicates(rows: Intervals, relations: _relations.Relations) -> dict[str, Ints]:
    """Count the duplicates of each flow, with equal and with different values."""
    flow = relations.flow if relations.flow is not None else np.arange(len(rows.keys))
    n = int(flow.max(initial=-1)) + 1
    counts = {}
    for name, places in zip(("duplicates", "conflicting"), intervals.duplicates(rows), strict=True):
        codes = flow[rows.code[places]]
        counts[name] = _count(codes[codes >= 0], n)
    return counts


# -- window and roster


def _bounded(
    found: Intervals, start: Any, end: Any, roster: Roster | None
) -> tuple[Intervals, Window, pd.DataFrame, Findings]:
    """Keep the intervals within the window and the roster, and return the window of each series.

    Returns
    -------
    Intervals
        Those that count. They keep the usual length of their series, even if none of a series remains.
    tuple of arrays
        Start and end of each series.
    DataFrame
        The table of meters and days of the roster; empty without one.
    Findings
        Those of the roster.
    """
    first, last = _periods.span(found)
    if start is None and end is None and roster is None:
        return found, (first, last), pd.DataFrame(), Findings()
    zones = found.keys["zone"].to_numpy(dtype=str)
    found = replace(found, usual=found.interval)
    has = np.zeros(len(zones), dtype=bool)
    has[found.code] = True
    # with a roster, a series that begins late or ends early lacks what the others have
    common = (first[has].min(), last[has].max()) if roster is not None and has.any() else None
    first = _bound("start", start, zones, first if common is None else np.full(len(first), common[0]))
    last = _bound("end", end, zones, last if common is None else np.full(len(last), common[1]))
    if len(first) and (last <= first).all():
        raise SettingsError("The window is empty: end is not after start", next_step="Pass an end after the start.")
    found = found.take((found.start >= first[found.code]) & (found.start < last[found.code]))
    if roster is None:
        return found, (first, last), pd.DataFrame(), Findings()
    days = roster.days(found, (first, last))
    more = Findings()
    for kind, evidence in roster.problems(days):
        more.add({"absent": ABSENT, "unknown": UNKNOWN_METER, "not ours": NOT_OURS}[kind], **evidence)
    kept, window = roster.within(found, (first, last))
    return kept, window, days, more


def _bound(name: str, value: Any, zones: Any, default: Ints) -> Ints:
    if value is None:
        return default
    try:
        of_zone = {
            zone: int(times.to_instants(pd.DatetimeIndex([times.moment(value, zone)]))[0]) for zone in set(zones)
        }
    except (TypeError, ValueError):
        raise SettingsError(
            f"{name} is {value!r}, but it must be a date or time", next_step=f"Pass {name}='2024-07-01', for example."
        ) from None
    return np.array([of_zone[zone] for zone in zones], dtype=np.int64)


def _sum_findings(sums: pd.DataFrame) -> Findings:
    """Report the series whose registers differ from the sums of the intervals."""
    made = Findings()
    held = sums[~sums["status"].isin(("no amount", "no intervals"))] if len(sums) else sums
    for key, part in held.groupby(_SERIES) if len(held) else ():
        bad = part[~part["status"].isin(("match", "rounding"))]
        if len(bad):
            most = bad.iloc[int(bad["difference"].abs().to_numpy().argmax())]
            words = {
                "label": _style.series_label(*key),
                "of": len(part),
                "start": f"{most['start']:%Y-%m-%d}",
                "difference": float(most["difference"]),
                "status": most["status"],
            }
            made.add(SUM_CHECK, words=words, **dict(zip(_SERIES, map(str, key), strict=True)), spans=len(bad))
    return made


def _named(table: pd.DataFrame, found: Intervals) -> pd.DataFrame:
    """Replace the code of the series by its names, and instants by times."""
    code = table["code"].to_numpy(dtype=np.int64)
    columns: dict[str, Any] = {name: of_series(found.keys[name], code) for name in _SERIES}
    for name in table.columns.drop("code"):
        columns[name] = table[name].array
        if name in ("start", "end"):
            columns[name] = times.to_times(table[name].to_numpy(dtype=np.int64), found.zone)
        elif name == "date" and table[name].dtype.kind != "M":
            columns[name] = table[name].to_numpy(dtype=np.int64).astype("datetime64[D]").astype("datetime64[us]")
    return pd.DataFrame(columns)


# -- strips and cells


def day_status(present: Ints, expected: Ints, estimated: Ints) -> Ints:
    """Return the position in :data:`greenkit._style.DAYS` for each day."""
    return np.select([present == 0, present < expected, estimated > 0], [3, 2, 1], 0).astype(np.int64)


def _strips(table: pd.DataFrame, codes: Ints) -> list[Markup]:
    """Draw the days of some series."""
    code = table["code"].to_numpy(dtype=np.int64)
    out = []
    for first, last in zip(np.searchsorted(code, codes), np.searchsorted(code, codes, "right"), strict=True):
        days = table.iloc[first:last]
        counts = (days[name].to_numpy(dtype=np.int64) for name in ("present", "expected", "estimated"))
        out.append(strip_svg(day_status(*counts)) if len(days) else Markup(""))
    return out


def strip_svg(days: Ints) -> Markup:
    """Draw the days of one series as inline SVG; if many days share a cell, it shows the worst of them."""
    each = -(-len(days) // _WIDTH) or 1
    cells = [int(days[i : i + each].max()) for i in range(0, len(days), each)]
    edge = [0, *(i for i in range(1, len(cells)) if cells[i] != cells[i - 1]), len(cells)]
    width = max(1.0, 240 / max(len(cells), 1))
    bars = "".join(
        f'<rect x="{a * width:.1f}" width="{(b - a) * width:.1f}" height="12" fill="{_style.DAYS[cells[a]][0]}"/>'
        for a, b in pairwise(edge)
        if b > a
    )
    total = f"{len(cells) * width:.0f}"
    # in a narrow cell, a front end would shrink it to a hairline
    return Markup(
        f'<svg style="min-width:10em" width="{total}" height="12" viewBox="0 0 {total} 12" role="img">{bars}</svg>'
    )


def _legend() -> Markup:
    names = [f'<span style="color:{color}">■</span> {meaning}' for color, meaning in _style.DAYS]
    return Markup("<p>" + " &nbsp; ".join(names) + "</p>")


def _present(row: dict[Any, Any]) -> str:
    return f"{row['present']:,} of {row['expected']:,} ({_percent(row['completeness'])})"


def _gaps(row: dict[Any, Any]) -> str:
    return f"{row['gaps']:,}, longest {row['longest_gap']:g} h" if row["gaps"] else "none"


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "none"
    # 99.9999% is not complete, so it must not read as 100%
    return "100%" if share == 1 else f"{min(round(100 * share, 3), 99.999):.3f}%"
