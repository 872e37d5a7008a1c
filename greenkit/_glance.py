"""The summary of a frame and its findings that the reprs of the readers share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pandas as pd

from greenkit import _html, _style, frame
from greenkit.findings import Finding, Findings

MOST: Final = 20
"""Number of series, and of findings, that a repr shows."""
_NUMBERS: Final = ("interval", "rows", "complete", "total")


def series_text(df: pd.DataFrame) -> list[str]:
    """Return the series of a frame as lines of text; none for an empty frame."""
    table = frame.summary(df)
    if not len(table):
        return []
    return [table.head(MOST).to_string(index=False), *_more(len(table), "series")]


def series_html(df: pd.DataFrame) -> str:
    """Return the series of a frame as an HTML table, with intervals in minutes and completeness in percent."""
    table = frame.summary(df)
    if not len(table):
        return ""
    rows = [
        [
            *row[:2],
            _style.flow_label(str(row[2])),
            row[3],
            _moment(row[4]),
            _moment(row[5]),
            _span(row[6]),
            _html.Number(f"{row[7]:,}"),
            _share(row[8]),
            _sum(row[9]),
        ]
        for row in table.head(MOST).itertuples(index=False, name=None)
    ]
    head = [_html.Number(c) if c in _NUMBERS else c for c in table.columns]
    return _html.table(head, rows) + "".join(f"<p>{line}</p>" for line in _more(len(table), "series"))


def findings_html(findings: Iterable[Finding]) -> str:
    """Return findings as an HTML table, most severe first."""
    worst = list(Findings(findings).by_severity)
    if not worst:
        return "<p>No findings.</p>"
    table = _html.table(["severity", "name", "finding"], [[f.severity, f.name, f.message] for f in worst[:MOST]])
    return table + "".join(f"<p>{line}</p>" for line in _more(len(worst), "findings"))


def _more(count: int, what: str) -> list[str]:
    return [f"and {count - MOST:,} more {what}"] if count > MOST else []


def _moment(moment: pd.Timestamp) -> str:
    offset = f"{moment:%z}"
    return f"{moment:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"


def _span(seconds: int) -> _html.Number:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and not seconds % length:
            return _html.Number(f"{seconds // length} {unit}")
    return _html.Number(f"{seconds} s")


def _share(complete: float) -> _html.Number:
    # rounded down, so that a series without one reading of a year is not shown as 100%
    shown = int(complete * 1000) / 10 if 0 <= complete < 1 else round(complete * 100, 1)
    return _html.Number("" if complete != complete else f"{shown:g}%")


def _sum(total: float) -> _html.Number:
    small = 0 < abs(total) < 1
    return _html.Number("" if total != total else f"{total:.4g}" if small else f"{total:,.3f}")
