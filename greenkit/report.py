"""``write_report``: a frame → one self-contained HTML page, and a notebook to go on from.

The page needs no network and says so to the browser: its content policy forbids every connection. It is light or
dark as the reader's system is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from greenkit import _files, _html, frame, plot
from greenkit.analysis import intervals, receipt
from greenkit.analysis.intervals import Intervals
from greenkit.findings import Finding, Findings

if TYPE_CHECKING:
    import plotly.graph_objects as go

PICTURED: Final = 4
"""Series that are drawn; the tables hold all of them."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: rgba(128,128,128,.35);
 --serious: #b3261e; --warning: #8a5300; }}
@media (prefers-color-scheme: dark) {{
 :root {{ --ink: #e3e3e3; --paper: #16181c; --serious: #ff8a80; --warning: #ffb74d; }} }}
body {{ background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1100px;
 margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; margin-bottom: .2rem; }}
h2 {{ font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; }}
th, td {{ padding: .25rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }}
.serious {{ color: var(--serious); font-weight: 600; }}
.warning {{ color: var(--warning); font-weight: 600; }}
code {{ overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def write_report(
    df: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    title: str = "Meter data report",
    findings: Iterable[Finding] | None = None,
) -> Path:
    """Write what a frame holds, what was doubtful, and its pictures, as one HTML page that needs no network.

    Parameters
    ----------
    df : DataFrame
        A tidy frame; an empty one gives a page that says so.
    path : path
        The page; replaced whole when it exists.
    title : str
        Headline of the page.
    findings : iterable of Finding, optional
        Those of the reading; by default the ones that the frame carries.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SchemaError
        When ``df`` is not a tidy frame.
    """
    frame.check(df)
    noted = Findings(frame.findings_of(df) if findings is None else findings)
    body = "\n".join(f"<h2>{_html.text(head)}</h2>\n{html}" for head, html in _sections(df, noted))
    page = _PAGE.format(title=_html.text(title), body=body)
    with _files.atomic(path) as file:
        file.write(page.encode())
    return Path(path)


def _sections(df: pd.DataFrame, noted: Findings) -> Iterator[tuple[str, str]]:
    once = intervals.unique(df)
    yield "What the data holds", _wide(_summary(once))
    yield "What was doubtful", _wide(_found(noted))
    yield from _pictures(once)
    yield "Receipt", _wide(_receipt(df))


def _wide(table: str) -> str:
    return f"<div class='wide'>{table}</div>"


def _summary(df: pd.DataFrame) -> str:
    if not len(df):
        return "<p>The frame is empty: no interval was read.</p>"
    found = intervals.read(df)
    head = ("meter", "flow", "series", "unit", "from", "to", "intervals", "of", "sum or mean", "highest", "at")
    return _html.table(head, [_row(found.take(found.code == code), code) for code in range(len(found.keys))])


def _row(one: Intervals, code: int) -> list[object]:
    key = one.keys.iloc[code]
    start, end = (pd.Timestamp(t, unit="us", tz="UTC").tz_convert(key["zone"]) for t in (one.start[0], one.end.max()))
    row = [key["meter"], key["flow"], key["series"], key["unit"], f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M %Z}"]
    row += [f"{len(one):,}", f"{one.interval[code] / 60:g} min"]
    used = one.take(one.valid & (one.hours > 0))
    if not len(used):
        return [*row, "no value", "", ""]
    total = used.amount.sum() if intervals.adds_up(key["unit"]) else used.amount.sum() / used.hours.sum()
    peak = int(used.power.argmax())
    at = pd.Timestamp(used.start[peak], unit="us", tz="UTC").tz_convert(key["zone"])
    power = intervals.power_unit(key["unit"])
    return [*row, f"{total:,.3f} {key['unit']}", f"{used.power[peak]:,.3f} {power}", f"{at:%a %Y-%m-%d %H:%M %Z}"]


def _found(noted: Findings) -> str:
    rows = [[f.severity, f.name, f.text, ", ".join(f"{k}: {v}" for k, v in f.evidence.items())] for f in noted]
    return _html.table(["severity", "name", "what", "evidence"], rows) if rows else "<p>The reader noted nothing.</p>"


def _pictures(df: pd.DataFrame) -> Iterator[tuple[str, str]]:
    shown, note = _shown(df)
    if not shown["value"].notna().any():
        return
    yield "Load", note + _figure(plot.load(shown), first=True)
    fine = _fine(shown)
    if fine["value"].notna().any():
        yield "Hour by date", note + _figure(plot.heatmap(fine))


def _shown(df: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    found = intervals.read(df)
    if len(found.keys) <= PICTURED:
        return df, ""
    first = df.iloc[found.row[found.code < PICTURED]]
    return first, f"<p>The first {PICTURED} of {len(found.keys)} series are drawn.</p>"


def _fine(df: pd.DataFrame) -> pd.DataFrame:
    """Keep the series whose intervals are an hour or less."""
    found = intervals.read(df)
    return df.iloc[found.row[(found.interval <= 3600)[found.code]]]


def _figure(figure: go.Figure, *, first: bool = False) -> str:
    # the library itself stands in the page once, before the first picture
    html: str = figure.to_html(full_html=False, include_plotlyjs=first, config={"displaylogo": False})
    return html


def _receipt(df: pd.DataFrame) -> str:
    given: dict[str, Any] = receipt.make_receipt(df)
    given["versions"] = ", ".join(f"{k} {v}" for k, v in given["versions"].items())
    given["sources"] = ", ".join(given["sources"]) or "not noted"
    rows = [[k, _html.Markup(f"<code>{_html.text(v)}</code>")] for k, v in given.items()]
    return _html.table(["what", "value"], rows)
