"""Can these numbers be trusted: one row for each series, what was seen where, and findings with their evidence.

The definitions are those of the Uniform Business Practices (UBP) for sum, spike and high/low checks and of CalTRACK
2.2 for completeness. A utility's own validation has passed over most data before; what is found here is a reason
to look, not a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _html, days
from greenkit.analysis import _strip, intervals, reconcile
from greenkit.analysis._doubts import NAMES as NAMES
from greenkit.analysis._doubts import findings, sum_findings
from greenkit.analysis._seen import DAILY as DAILY
from greenkit.analysis._seen import Seen
from greenkit.analysis.checks import LIMITS, Limits
from greenkit.analysis.intervals import KEY, Intervals
from greenkit.findings import SEVERITIES, Findings

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
        return _html.table(head, rows) + more + _strip.legend() + seen + left


def assess(df: pd.DataFrame, *, registers: pd.DataFrame | None = None, limits: Limits = LIMITS) -> QualityReport:
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
    rows = intervals.read(df)
    found = intervals.once(rows, df)
    seen = Seen.of(rows, found, limits)
    sums = pd.DataFrame() if registers is None else reconcile.compare_registers(df, registers)
    of_series = [findings(seen, code, limits) for code in range(len(found.keys))]
    table = seen.table.assign(worst=[str(f[0].severity) if f else "none" for f in of_series])
    return QualityReport(
        table=table,
        days=_named(seen.days, found),
        months=_named(seen.months, found),
        gaps=_named(seen.gaps, found),
        runs=_named(seen.runs, found),
        spikes=_named(seen.spikes, found),
        sums=sums,
        findings=Findings([*(f for of_one in of_series for f in of_one), *sum_findings(sums)]),
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
    status = _strip.status(present, expected, guessed)
    edge = np.searchsorted(code, np.arange(n + 1))
    return [_strip.strip(status[a:b]) if b > a else _html.Markup("") for a, b in pairwise(edge)]


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
