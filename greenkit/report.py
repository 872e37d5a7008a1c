"""``write_report``: a frame as one self-contained HTML page, with an optional notebook for further analysis.

The page needs no network: its content security policy forbids every connection. It is light or dark like the
reader's system.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _files, _html, frame, plot, store, tariffs
from greenkit.analysis import intervals, quality, receipt, reconcile, shape, totals
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import Intervals
from greenkit.findings import Finding, Findings, GreenkitWarning
from greenkit.tariffs import PlanSource

if TYPE_CHECKING:
    import plotly.graph_objects as go

CHARTED: Final = 4
"""Most series that are drawn."""
_ROWS: Final = 200
"""Most rows of a table that are shown."""

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
body {{ background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1250px;
 margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; margin-bottom: .2rem; }}
h2 {{ font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ padding: .25rem .4rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
 white-space: nowrap; }}
td.long {{ white-space: normal; overflow-wrap: anywhere; min-width: 20rem; }}
.serious {{ color: var(--serious); font-weight: 600; }}
.warning {{ color: var(--warning); font-weight: 600; }}
code {{ white-space: normal; overflow-wrap: anywhere; }}
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
    bills: Bills | None = None,
    notebook: bool = False,
    plan: PlanSource | None = None,
) -> Path:
    """Write one HTML page with the summary, data quality, totals, load shape, and charts of a frame.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. For an empty frame, the page states that it is empty. Duplicate intervals are counted once.
    path : path
        The page to write. An existing page is replaced.
    title : str
        Headline of the page.
    findings : iterable of Finding, optional
        Findings of the load. Default: those of the frame.
    bills : DataFrame, optional
        Bills to compare with the intervals, as :func:`greenkit.analysis.bills.tidy_bills` accepts them.
    notebook : bool
        Also write a notebook for further analysis and the frame as Parquet: ``report.ipynb`` and ``report.parquet``
        next to ``report.html``. Default: False.
    plan : plan, path, or mapping, optional
        A tariff plan, as :func:`greenkit.load_plan` accepts it. It adds a section with the cost of each bill by line.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SchemaError
        If ``df`` is not a tidy frame.
    ValueError
        If the name of the page ends in ``.ipynb`` or ``.parquet``.
    """
    frame.check(df)
    if Path(path).suffix.lower() in (".ipynb", ".parquet"):
        raise ValueError(f"The page is HTML, so its name must not be {Path(path).name}. Name it report.html.")
    noted = Findings(frame.findings_of(df) if findings is None else findings)
    sections = _sections(df, noted, bills, plan)
    body = "\n".join(f"<section>\n<h2>{_html.text(head)}</h2>\n{html}\n</section>" for head, html in sections)
    page = _PAGE.format(title=_html.text(title), body=body)
    with _files.atomic(path) as file:
        file.write(page.encode())
    if notebook:
        _write_notebook(df, Path(path), title=title)
    return Path(path)


def _sections(
    df: pd.DataFrame, noted: Findings, bills: Bills | None, plan: PlanSource | None
) -> Iterator[tuple[str, str]]:
    once = intervals.unique(df)
    with warnings.catch_warnings():
        # the page has these findings, under "Data quality"
        warnings.simplefilter("ignore", GreenkitWarning)
        yield "Summary", _summary(once) + _found(noted)
        if len(df):
            yield "Data quality", _wide(quality.assess(df).html())
            yield "Totals", _totals(once)
            if bills is not None:
                yield "Bills", _bills(once, bills)
            if plan is not None:
                yield "Cost", _cost(df, plan)
            yield "Load shape", _shape(once)
        yield from _charts(once)
        yield "Provenance", _wide(_receipt(df))


def _cost(df: pd.DataFrame, plan: PlanSource) -> str:
    """Return the bills of a plan: its charges, a total for each bill, and the findings."""
    bill = tariffs.price(df, plan)
    table = bill.frame.pivot_table(
        index=["meter", "bill"], columns="kind", values="amount", aggfunc="sum", observed=True, sort=False
    ).fillna(0.0)
    rows: list[list[object]] = []
    for info in bill.totals.to_dict("records"):
        amounts = table.loc[(info["meter"], info["bill"])]
        cells = [_html.Number(f"{amounts[k]:,.2f}") for k in table.columns]
        whole = "yes" if info["whole"] else "no"
        rows.append([info["meter"], info["bill"], *cells, _html.Number(f"{info['computed_total']:,.2f}"), whole])
    found: list[list[object]] = [[f.severity, f.name, f.message] for f in bill.findings]
    more = _table(("severity", "name", "finding"), found) if found else ""
    total = f"{bill.total:,.2f} {bill.plan.currency}"
    head = f"<p>{_html.text(bill.plan.name)}: {_html.text(total)} for {len(bill):,} bill{'s' * (len(bill) != 1)}.</p>"
    return head + _table(("meter", "bill", *map(str, table.columns), "total", "complete"), rows) + more


def _wide(table: str) -> str:
    return f"<div class='wide'>{table}</div>"


def _table(head: Iterable[str], rows: list[list[object]]) -> str:
    more = f"<p>… and {len(rows) - _ROWS:,} more rows.</p>" if len(rows) > _ROWS else ""
    return _wide(_html.table(list(head), rows[:_ROWS])) + more


def _summary(df: pd.DataFrame) -> str:
    if not len(df):
        return "<p>The frame is empty. It contains no intervals.</p>"
    found = intervals.checked(df)
    head = ("meter", "flow", "series", "unit", "from", "to", "intervals", "length", "sum or mean", "highest", "at")
    order = np.searchsorted(found.code, np.arange(len(found.keys) + 1))
    return _table(head, [_row(found.take(slice(a, b)), code) for code, (a, b) in enumerate(pairwise(order.tolist()))])


def _row(one: Intervals, code: int) -> list[object]:
    key = one.keys.iloc[code]
    start, end = (_clock(t, key["zone"]) for t in (one.start[0], one.end.max()))
    row = [key["meter"], key["flow"], key["series"], key["unit"], start, end, f"{len(one):,}"]
    row.append(f"{one.interval[code] / 60:g} min")
    used = one.take(one.valid & (one.hours > 0))
    if not len(used):
        return [*row, "no value", "", ""]
    total = used.amount.sum() if intervals.adds_up(key["unit"]) else used.amount.sum() / used.hours.sum()
    peak = int(used.power.argmax())
    power = intervals.power_unit(key["unit"])
    at = _clock(used.start[peak], key["zone"])
    return [*row, f"{total:,.3f} {key['unit']}", f"{used.power[peak]:,.3f} {power}", at]


def _clock(instant: Any, zone: str) -> str:
    return f"{pd.Timestamp(int(instant), unit='us', tz='UTC').tz_convert(zone):%Y-%m-%d %H:%M %Z}"


def _found(noted: Findings) -> str:
    rows: list[list[object]] = [[f.severity, f.name, f.message, f.evidence_text()] for f in noted.by_severity]
    if not rows:
        return "<p>No findings were reported when the data was loaded.</p>"
    return "<h3>Findings of the load</h3>" + _table(["severity", "name", "finding", "evidence"], rows)


def _totals(df: pd.DataFrame) -> str:
    fits = _no_longer_than(df, 31 * 24)
    if not len(fits):
        return "<p>All intervals are longer than a month, so there are no monthly totals.</p>"
    rows: list[list[object]] = [
        [r["meter"], r["flow"], r["series"], r["period"], f"{r['value']:,.3f} {r['unit']}", r["statistic"],
         f"{r['hours']:,g}", f"{r['present']:,} of {r['expected']:,}", f"{r['estimated']:,}"]
        for r in totals.by_period(fits, "month").to_dict("records")
    ]  # fmt: skip
    head = ("meter", "flow", "series", "month", "total", "as", "hours with data", "intervals", "estimated")
    return _table(head, rows)


def _bills(df: pd.DataFrame, bills: Bills) -> str:
    rows: list[list[object]] = [
        [r["meter"], r["flow"], f"{r['start']:%Y-%m-%d}", f"{r['end']:%Y-%m-%d}", f"{r['billed']:,.3f} {r['unit']}",
         f"{r['metered']:,.3f} {r['unit']}", r["status"], r["detail"]]
        for r in reconcile.compare_bills(df, bills).to_dict("records")
    ]  # fmt: skip
    head = ("meter", "flow", "from (UTC)", "to", "billed", "metered", "status", "detail")
    return _table(head, rows) if rows else "<p>No bill matches a series in the data.</p>"


def _shape(df: pd.DataFrame) -> str:
    rows: list[list[object]] = [
        [r["meter"], r["flow"], r["series"], *(f"{r[n]:,.3f} {r['power_unit']}" for n in ("mean", "peak", "base")),
         f"{r['load_factor']:.3f}", f"{r['always_on']:.1%}", f"{r['near_base']:,.3f} / {r['near_peak']:,.3f}",
         f"{r['high_hours']:.1f}"]
        for r in shape.summarize(df).to_dict("records") if r["hours"]
    ]  # fmt: skip
    head = ("meter", "flow", "series", "mean", "peak", "base load", "load factor", "always on", "near-base / near-peak",
            "high hours a day")  # fmt: skip
    meaning = (
        "<p>Load factor: mean ÷ peak. Base load: the power that 95% of the intervals exceed. Always on: its share of "
        "the total. Near-base and near-peak: the 2.5th and 97.5th percentile of a day, averaged over the days.</p>"
    )
    return _table(head, rows) + meaning


def _charts(df: pd.DataFrame) -> Iterator[tuple[str, str]]:
    shown, note = _shown(df)
    if not shown["value"].notna().any():
        return
    yield "Load", note + _figure(plot.load(shown), first=True)
    fine, daily = _no_longer_than(shown, 1), _no_longer_than(shown, 25)
    if fine["value"].notna().any():
        yield "Heatmap", note + _figure(plot.heatmap(fine))
        yield "Average day", note + _figure(plot.average_day(fine))
    if daily["value"].notna().any():
        yield "Months", note + _figure(plot.monthly(daily))
    yield "Load duration", note + "".join(_figure(plot.duration(one)) for one in _by_unit(shown))


def _by_unit(df: pd.DataFrame) -> list[pd.DataFrame]:
    return [part for _, part in df.groupby(df["unit"].astype("str")) if part["value"].notna().any()]


def _shown(df: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    found = intervals.checked(df)
    if len(found.keys) <= CHARTED:
        return df, ""
    first = df.iloc[found.row[found.code < CHARTED]]
    return first, f"<p>The first {CHARTED} of {len(found.keys)} series are drawn.</p>"


def _no_longer_than(df: pd.DataFrame, hours: int) -> pd.DataFrame:
    """Return the rows of the series whose usual interval is at most ``hours``."""
    found = intervals.checked(df)
    return df.iloc[found.row[(found.interval <= hours * 3600)[found.code]]]


def _figure(figure: go.Figure, *, first: bool = False) -> str:
    # the page contains the plotly library once, before the first chart
    html: str = figure.to_html(full_html=False, include_plotlyjs=first, config={"displaylogo": False})
    return html


def _receipt(df: pd.DataFrame) -> str:
    given: dict[str, Any] = receipt.make_receipt(df)
    given["versions"] = ", ".join(f"{k} {v}" for k, v in given["versions"].items())
    given["sources"] = ", ".join(given["sources"]) or "not recorded"
    rows = [[k, _html.Markup(f"<code>{_html.text(v)}</code>")] for k, v in given.items()]
    return _html.table(["item", "value"], rows)


# (kind, text) of each cell; {title} and {data} are filled in
_CELLS = (
    (
        "markdown",
        "# {title}\n\nEach step is one cell. The data is in the folder of this notebook, and no step needs a network.",
    ),
    ("parameters", "DATA = {data}"),
    (
        "markdown",
        "## Summary\n\nThe frame has one row for each interval of a series. `start` is its local start time.",
    ),
    ("code", "import greenkit\nfrom greenkit import store\n\ndf = store.read(DATA)\ndf.head()"),
    (
        "markdown",
        "## Data quality\n\nExpected intervals are counted in elapsed time, so days when clocks change are correct.",
    ),
    ("code", "quality = df.gk.quality()\nquality"),
    (
        "markdown",
        "## Totals\n\nTotals follow the local calendar, with the hours that have data. Flows are never added together.",
    ),
    ("code", 'df.gk.totals("month")'),
    (
        "markdown",
        "## Load shape\n\nLoad factor, base load, near-base and near-peak, and the highest intervals of each series.",
    ),
    ("code", "df.gk.shape().T"),
    ("code", "df.gk.peaks(5)"),
    ("markdown", "## Charts"),
    ("code", "df.gk.plot.load()"),
    ("code", "df.gk.plot.heatmap()"),
    ("code", "df.gk.plot.average_day()"),
    ("markdown", "## Report"),
    ("code", 'greenkit.write_report(df, "report-again.html")'),
)


def _write_notebook(df: pd.DataFrame, page: Path, *, title: str) -> Path:
    """Write the notebook and its data next to the page, and return the path of the notebook."""
    nbformat = _nbformat()
    data = store.write(df, page.with_suffix(".parquet"))
    cells = [_cell(kind, text, title, data.name, i) for i, (kind, text) in enumerate(_CELLS)]
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }})  # fmt: skip
    nbformat.validate(book)
    path = page.with_suffix(".ipynb")
    with _files.atomic(path) as file:
        file.write(nbformat.writes(book).encode())
    return path


def _nbformat() -> Any:
    # imported late, because it takes seconds to load; its functions have no types
    import nbformat

    return nbformat


def _cell(kind: str, text: str, title: str, data: str, number: int) -> Any:
    v4 = _nbformat().v4
    if kind == "markdown":
        return v4.new_markdown_cell(text.replace("{title}", title.replace("\n", " ")), id=f"cell-{number}")
    # a JSON string is also a Python string
    source = text.replace("{data}", json.dumps(data))
    tags = {"metadata": {"tags": ["parameters"]}} if kind == "parameters" else {}
    return v4.new_code_cell(source, id=f"cell-{number}", **tags)
