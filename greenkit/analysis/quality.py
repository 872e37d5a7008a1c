"""Can these numbers be trusted: one row for each series, what was seen where, and findings with their evidence.

The definitions are those of the Uniform Business Practices (UBP) for sum, spike and high/low checks and of CalTRACK
2.2 for completeness. A utility's own validation has passed over most data before; what is found here is a reason
to look, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _html, days
from greenkit._html import Markup
from greenkit.analysis import _periods, checks, intervals, reconcile
from greenkit.analysis.checks import LIMITS, Limits
from greenkit.analysis.intervals import HOUR, KEY, Intervals, Ints
from greenkit.days import US
from greenkit.findings import SEVERITIES, Finding, Findings, counted

# status → (colour, meaning); told apart by lightness as well as by hue
STATUS: Final = (
    ("#1f7fbf", "whole"),
    ("#D55E00", "partly or all estimated"),
    ("#e3b34c", "some intervals missing"),
    ("#8c8c8c", "no value"),
)
_WIDTH: Final = 360


def day_status(present: Ints, expected: Ints, estimated: Ints) -> Ints:
    """Give each day its place in :data:`STATUS`."""
    return np.select([present == 0, present < expected, estimated > 0], [3, 2, 1], 0).astype(np.int64)


def strip_svg(days: Ints) -> Markup:
    """Draw the days of one series; many days share a cell, which shows the worst of them."""
    each = -(-len(days) // _WIDTH) or 1
    cells = [int(days[i : i + each].max()) for i in range(0, len(days), each)]
    edge = [0, *(i for i in range(1, len(cells)) if cells[i] != cells[i - 1]), len(cells)]
    width = max(1.0, 240 / max(len(cells), 1))
    bars = "".join(
        f'<rect x="{a * width:.1f}" width="{(b - a) * width:.1f}" height="12" fill="{STATUS[cells[a]][0]}"/>'
        for a, b in pairwise(edge)
        if b > a
    )
    total = f"{len(cells) * width:.0f}"
    return Markup(f'<svg width="{total}" height="12" viewBox="0 0 {total} 12" role="img">{bars}</svg>')


def _legend() -> Markup:
    """Name the colours."""
    names = [f'<span style="color:{color}">■</span> {meaning}' for color, meaning in STATUS]
    return Markup("<p>" + " &nbsp; ".join(names) + "</p>")


DAILY: Final = 25 * 3600
"""Longest interval, in seconds, of which a local day can hold one."""


@dataclass(frozen=True)
class CheckResults:
    """The tables of all checks; each has a column ``code``, the row of ``found.keys``."""

    found: Intervals
    table: pd.DataFrame
    days: pd.DataFrame
    months: pd.DataFrame
    gaps: pd.DataFrame
    runs: pd.DataFrame
    spikes: pd.DataFrame

    @classmethod
    def of(cls, rows: Intervals, found: Intervals, limits: Limits) -> CheckResults:
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
    n, (first, last) = len(found.keys), _periods.span(found)
    repeated, contradicting = intervals.duplicates(rows)
    present, covered = (
        _count(found.code[found.valid], n),
        np.bincount(found.code[found.valid], found.hours[found.valid], n),
    )
    table = found.keys.drop(columns="zone").assign(
        start=days.times(first, found.zone),
        end=days.times(last, found.zone),
        minutes=found.interval / 60,
        expected=present + found.count_in(last - first - covered * HOUR, np.arange(n)),
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
    laid = _periods.assign(fine, _periods.DAYS)
    sums = _periods.aggregate(fine, laid, window=_periods.span(fine))
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


_EXAMPLES: Final = 3

# name of a finding → what was seen
NAMES: Final[Mapping[str, str]] = {
    "quality.empty": "no interval has a value",
    "quality.gap": "times without a value",
    "quality.repeated": "intervals that stand twice with the same value",
    "quality.contradicting": "intervals that stand twice with different values",
    "quality.overlap": "intervals that overlap others of their series",
    "quality.negative": "amounts below zero in a flow of one direction",
    "quality.zero-run": "runs of zeros where zeros are rare, or for more than a day",
    "quality.frozen": "runs of one repeated value where they are rare",
    "quality.spike": "days whose highest interval stands far above their third highest",
    "quality.ceiling": "power above the ceiling that was given",
    "quality.estimated": "values that nobody measured",
    "quality.placeholder": "estimated zeros where zeros are rare",
    "quality.change": "months whose average day differs from the month they are compared with",
    "quality.interval.mixed": "intervals of another length than the usual one",
    "quality.interval.empty": "intervals without length",
    "quality.unit.register": "values that only ever rise",
    "quality.unit.watt-hours": "whole numbers with a mean above 100 kW",
    "quality.sum-check": "registers that advanced by something else than the intervals add up to",
}
FindingDraft = tuple[str, str, str, dict[str, Any]]
"""Last part of the name, severity, sentence without its subject, evidence."""


def _series_findings(seen: CheckResults, code: int, limits: Limits) -> list[Finding]:
    """Say what is doubtful in one series, the most severe first."""
    subject = {name: str(seen.records[code][name]) for name in ("meter", "flow", "series", "unit")}
    found = [
        Finding(f"quality.{name}", severity, f"{seen.found.label(code)}: {text}", {**subject, **evidence})
        for check in (_whole, _twice, _values, _guesses, _shape)
        for name, severity, text, evidence in check(seen, code, limits)
    ]
    return sorted(found, key=lambda f: -SEVERITIES.index(f.severity))


def _whole(seen: CheckResults, code: int, limits: Limits) -> Iterator[FindingDraft]:
    row, gaps = seen.records[code], seen.rows("gaps", code)
    if not row["present"]:
        yield "empty", "serious", "no interval has a value.", {"intervals": int(row["expected"])}
        return
    if len(gaps):
        longest = gaps.iloc[int((gaps["end"] - gaps["start"]).to_numpy().argmax())]
        bad = row["completeness"] < limits.completeness or row["longest_gap"] >= 24
        text = (
            f"{row['missing']:,} of {row['expected']:,} intervals are missing in {counted(len(gaps), 'gap')}, "
            f"the longest of {row['longest_gap']:g} h from {_at(seen, code, longest['start'])}."
        )
        evidence = {"missing": int(row["missing"]), "completeness": round(float(row["completeness"]), 5)}
        yield "gap", "warning" if bad else "info", text, {**evidence, "first": _first(seen, code, gaps)}


def _twice(seen: CheckResults, code: int, limits: Limits) -> Iterator[FindingDraft]:
    row = seen.records[code]
    if row["repeated"]:
        text = f"{row['repeated']:,} intervals stand twice with the same value; one of each counts."
        yield "repeated", "info", text, {"intervals": int(row["repeated"])}
    if row["contradicting"]:
        text = (
            f"{row['contradicting']:,} intervals stand twice with different values; the newest revision counts, "
            "else the last row: greenkit.analysis.intervals.unique(df) keeps just those."
        )
        yield "contradicting", "warning", text, {"intervals": int(row["contradicting"])}
    if row["overlapping"]:
        text = f"{row['overlapping']:,} intervals overlap others, so sums count that time more than once: choose one."
        yield "overlap", "serious", text, {"intervals": int(row["overlapping"])}


def _values(seen: CheckResults, code: int, limits: Limits) -> Iterator[FindingDraft]:
    row = seen.records[code]
    if row["negative"]:
        text = f"{row['negative']:,} values are negative, which a flow of one direction cannot be."
        yield "negative", "warning", text, {"intervals": int(row["negative"])}
    zero, frozen = seen.rows("zeros", code), seen.rows("frozen", code)
    if len(zero):
        text = f"{counted(len(zero), 'run')} of zeros, {_longest(seen, code, zero)}: an outage, or nobody there?"
        yield "zero-run", "warning", text, {"runs": len(zero), "first": _first(seen, code, zero)}
    if len(frozen):
        text = f"{counted(len(frozen), 'run')} of one repeated value, {_longest(seen, code, frozen)}: a stuck meter?"
        yield "frozen", "info", text, {"runs": len(frozen), "first": _first(seen, code, frozen)}
    if row["spike_days"]:
        spikes = seen.rows("spikes", code)
        most = spikes.iloc[int(spikes["excess"].to_numpy().argmax())]
        text = (
            f"on {counted(row['spike_days'], 'day')} the highest interval exceeds the third highest by more than "
            f"{limits.spike:.0%}, most on {_at(seen, code, most['start'])} ({most['excess']:.0%})."
        )
        yield "spike", "info", text, {"days": int(row["spike_days"]), "first": _first(seen, code, spikes)}
    if row["unit"] in ("kWh", "kW") and seen.highest[code] > limits.ceiling:
        text = f"the highest power is {seen.highest[code]:,.1f} kW, above the ceiling of {limits.ceiling:,g} kW."
        yield "ceiling", "warning", text, {"kW": float(seen.highest[code])}


def _guesses(seen: CheckResults, code: int, limits: Limits) -> Iterator[FindingDraft]:
    row, months = seen.records[code], seen.rows("months", code)
    if row["estimated"]:
        over = months[months["estimated"] > limits.estimated]
        share = row["estimated"] / row["present"]
        text = f"{row['estimated']:,} of {row['present']:,} values are estimated ({share:.1%})"
        text += f", more than {limits.estimated:.0%} in {', '.join(over['month'].head(6))}." if len(over) else "."
        evidence = {"share": round(float(share), 4), "months": list(over["month"])}
        yield "estimated", "warning" if len(over) else "info", text, evidence
    if row["placeholders"]:
        text = (
            f"{row['placeholders']:,} zeros are marked as estimates; utilities in Texas write that where they have "
            "no value, so count them as missing."
        )
        yield "placeholder", "warning", text, {"intervals": int(row["placeholders"])}
    change = months["change"].abs().to_numpy()
    if (change > limits.high_low).any():
        changed, most = months[change > limits.high_low], months.iloc[int(np.nanargmax(change))]
        text = (
            f"in {counted(len(changed), 'month')} the average day differs by more than {limits.high_low:.0%}, "
            f"most in {most['month']}: {most['change']:+.0%} against {most['against']}."
        )
        yield "change", "info", text, {"months": list(changed["month"])}


def _shape(seen: CheckResults, code: int, limits: Limits) -> Iterator[FindingDraft]:
    found, row = seen.found, seen.records[code]
    odd = int(seen.odd[code])
    if odd:
        text = f"{odd:,} intervals are not {row['minutes']:g} min long, as the others are."
        yield "interval.mixed", "info", text, {"intervals": odd}
    if seen.empty[code]:
        text = f"{counted(int(seen.empty[code]), 'interval')} without length, and so without power."
        yield "interval.empty", "warning", text, {"intervals": int(seen.empty[code])}
    if code in seen.registers:
        text = "the values only ever rise: they look like a register's, and must not be added up."
        yield "unit.register", "serious", text, {"intervals": int(row["present"])}
    if code in seen.thousands:
        mean = float(np.nanmean(found.power[found.code == code]))
        text = f"all values are whole numbers and the mean is {mean:,.0f} kW: are they watt-hours?"
        yield "unit.watt-hours", "warning", text, {"kW": round(mean, 3)}


def _sum_findings(sums: pd.DataFrame) -> Iterator[Finding]:
    """Say in which series the registers advanced by something else than the intervals add up to."""
    held = sums[~sums["status"].isin(("no amount", "no intervals"))] if len(sums) else sums
    for key, part in held.groupby(["meter", "flow", "series", "unit"]) if len(held) else ():
        bad = part[~part["status"].isin(("match", "rounding"))]
        if len(bad):
            most = bad.iloc[int(bad["difference"].abs().to_numpy().argmax())]
            text = (
                f"on {len(bad):,} of {counted(len(part), 'span')} the register and the intervals differ, most from "
                f"{most['start']:%Y-%m-%d}: {most['difference']:+,.3f} ({most['status']})."
            )
            evidence = dict(zip(("meter", "flow", "series", "unit"), map(str, key), strict=True))
            subject = f"{' / '.join(map(str, key[:3]))} [{key[3]}]"
            yield Finding("quality.sum-check", "warning", f"{subject}: {text}", {**evidence, "spans": len(bad)})


def _longest(seen: CheckResults, code: int, runs: pd.DataFrame) -> str:
    run = runs.iloc[int(runs["intervals"].to_numpy().argmax())]
    return f"the longest of {run['intervals']:,} intervals from {_at(seen, code, run['start'])}"


def _first(seen: CheckResults, code: int, table: pd.DataFrame) -> list[str]:
    return [_at(seen, code, start) for start in table["start"].head(_EXAMPLES)]


def _at(seen: CheckResults, code: int, instant: int) -> str:
    zone = str(seen.found.keys["zone"].iloc[code])
    return f"{pd.Timestamp(int(instant), unit='us', tz='UTC').tz_convert(zone):%Y-%m-%d %H:%M %Z}"


_MOST: Final = 20
"""Series and findings that the repr shows."""


@dataclass(frozen=True)
class QualityReport:
    """What :func:`assess` saw.

    Parameters
    ----------
    table : DataFrame
        One row for each series: meter, flow, series, unit, ``start``, ``end``, ``minutes`` (the usual interval),
        ``expected`` (intervals that fill the true time from start to end: the present ones, and such of the usual
        length where none is), ``present`` (those with a value), ``missing``, ``completeness`` (share of that time that
        has a value), ``measured`` (share that has one and is not estimated),
        ``gaps``, ``longest_gap`` (hours), ``repeated``, ``contradicting``, ``overlapping``, ``estimated``,
        ``placeholders``, ``zeros``, ``negative``, ``spike_days``, ``worst`` (severity of its worst finding).
    days : DataFrame
        One row for each series and local day: ``date``, ``expected``, ``present``, ``estimated``.
    months : DataFrame
        One row for each series and local month: see :func:`greenkit.analysis.checks.months`.
    gaps, runs, spikes : DataFrame
        Where: times in UTC, or local when all series share a zone.
    sums : DataFrame
        Registers against intervals, when registers were given: see :func:`greenkit.analysis.reconcile.compare_bills`.
    findings : Findings
        What is worth a look, the most severe first within each series; ``greenkit.analysis.quality.NAMES`` holds
        every name and what it means.
    """

    table: pd.DataFrame
    days: pd.DataFrame
    months: pd.DataFrame
    gaps: pd.DataFrame
    runs: pd.DataFrame
    spikes: pd.DataFrame
    sums: pd.DataFrame
    findings: Findings
    _strips: list[_html.Markup] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        lines = [
            f"{r['meter']} / {r['flow']} / {r['series']} [{r['unit']}]: intervals {_present(r)}, gaps {_gaps(r)}, "
            f"estimated {r['estimated']:,}"
            for r in self.table.head(_MOST).to_dict("records")
        ]
        more = [f"… and {len(self.table) - _MOST} more series"] if len(self.table) > _MOST else []
        return "\n".join(["Quality", *lines, *more, str(_head(self.findings, _MOST))])

    def _repr_html_(self) -> str:
        return _html.block("Quality", self.html(), text=repr(self))

    def html(self, most: int = _MOST) -> str:
        """Give the report's inner HTML: the table with its strips, and the findings (``most`` rows of each)."""
        head = ["meter", "flow", "series", "unit", "days", "of expected", "gaps", "estimated", "worst"]
        rows = [
            [
                r["meter"],
                r["flow"],
                r["series"],
                r["unit"],
                strip,
                _present(r),
                _gaps(r),
                f"{r['estimated']:,}",
                r["worst"],
            ]
            for r, strip in zip(self.table.head(most).to_dict("records"), self._strips[:most], strict=True)
        ]
        more = f"<p>… and {len(self.table) - most} more series.</p>" if len(self.table) > most else ""
        found = [[f.severity, f.name, f.message] for f in _head(self.findings, most)]
        seen = _html.table(["severity", "name", "what"], found) if found else "<p>Nothing doubtful was seen.</p>"
        left = f"<p>… and {len(self.findings) - most} more findings.</p>" if len(self.findings) > most else ""
        return _html.table(head, rows) + more + _legend() + seen + left


def assess(df: pd.DataFrame, *, registers: pd.DataFrame | None = None, limits: Limits | None = None) -> QualityReport:
    """Check a frame series by series: completeness, gaps, repeats, spikes, runs, estimates, units.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. Rows without a value count as missing. An empty frame gives an empty report.
    registers : DataFrame, optional
        ``open_espi(…).registers`` or ``open_smt(…).registers``: what the dials advanced by is held against the sum of
        the intervals (the sum check of UBP 1.4.3).
    limits : Limits
        Where the checks begin to speak.

    Returns
    -------
    QualityReport
        With ``table``, ``days``, ``months``, ``gaps``, ``runs``, ``spikes`` and ``findings``; a notebook shows it.

    Raises
    ------
    SchemaError
        When it is not a tidy frame.

    Notes
    -----
    Time is true time, so a day of change has 23 or 25 hours, and an interval of another length counts as one.
    What is missing before the first or after the last interval cannot be known from the frame.
    """
    limits = limits or LIMITS
    rows = intervals.from_frame(df)
    found = intervals.deduplicate(rows, df)
    seen = CheckResults.of(rows, found, limits)
    sums = pd.DataFrame() if registers is None else reconcile.compare_registers(df, registers)
    of_series = [_series_findings(seen, code, limits) for code in range(len(found.keys))]
    table = seen.table.assign(worst=[str(f[0].severity) if f else "none" for f in of_series])
    return QualityReport(
        table=table,
        days=_named(seen.days, found),
        months=_named(seen.months, found),
        gaps=_named(seen.gaps, found),
        runs=_named(seen.runs, found),
        spikes=_named(seen.spikes, found),
        sums=sums,
        findings=Findings([*(f for of_one in of_series for f in of_one), *_sum_findings(sums)]),
        _strips=_strips(seen.days, len(found.keys)),
    )


def _named(table: pd.DataFrame, found: Intervals) -> pd.DataFrame:
    """Put the names of the series in place of their code, and times in place of instants."""
    code = table["code"].to_numpy(dtype=np.int64)
    keys = found.keys[[k for k in KEY if k != "zone"]].iloc[code].reset_index(drop=True)
    rest = table.drop(columns="code").reset_index(drop=True)
    for name in {"start", "end"} & set(rest.columns):
        rest[name] = days.times(rest[name].to_numpy(dtype=np.int64), found.zone)
    if "date" in rest.columns and rest["date"].dtype.kind != "M":
        rest["date"] = rest["date"].to_numpy(dtype=np.int64).astype("datetime64[D]").astype("datetime64[us]")
    return pd.concat([keys, rest], axis=1)


def _strips(table: pd.DataFrame, n: int) -> list[_html.Markup]:
    code, present, expected, guessed = (
        table[name].to_numpy(dtype=np.int64) for name in ("code", "present", "expected", "estimated")
    )
    status = day_status(present, expected, guessed)
    edge = np.searchsorted(code, np.arange(n + 1))
    return [strip_svg(status[a:b]) if b > a else _html.Markup("") for a, b in pairwise(edge)]


def _head(noted: Findings, most: int) -> Findings:
    return Findings(sorted(noted, key=lambda f: -SEVERITIES.index(f.severity))[:most])


def _present(row: dict[Any, Any]) -> str:
    return f"{row['present']:,} of {row['expected']:,} ({_percent(row['completeness'])})"


def _gaps(row: dict[Any, Any]) -> str:
    return f"{row['gaps']:,}, longest {row['longest_gap']:g} h" if row["gaps"] else "none"


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "none"
    # 99.9999 % is not all of it, so it must not read as 100 %
    return "100 %" if share == 1 else f"{min(round(100 * share, 3), 99.999):.3f} %"
