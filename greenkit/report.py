"""``write_report``: a frame as one self-contained HTML page, with an optional notebook for further analysis.

The page needs no network: its content security policy forbids every connection. It is light or dark like the
reader's system.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _files, _html, _style, frame, plot, store, tariffs, times
from greenkit.analysis import intervals, quality, receipt, reconcile, shape, totals
from greenkit.analysis.bills import Bills
from greenkit.analysis.intervals import Intervals
from greenkit.analysis.quality import QualityReport
from greenkit.analysis.shape import SERIES
from greenkit.findings import Finding, Findings, GreenkitWarning, counted
from greenkit.plot import _theme
from greenkit.tariffs import PlanSource

if TYPE_CHECKING:
    import plotly.graph_objects as go

CHARTED: Final = 4
"""Most series that are drawn."""
_ROWS: Final = 200
"""Most rows of a table that are shown."""
_OPEN: Final = 40
"""Most rows of a table without a panel."""
_FIRST: Final = 10
"""Rows of a longer table outside its panel."""
_METERS: Final = 12
"""Most meters whose series are drawn one by one; more are compared."""
_FINDINGS: Final = 12
"""Most findings outside a panel."""
_STRIPS: Final = 40
_SOURCES: Final = 5

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{head}
</header>
{body}
{scripts}
</body>
</html>
"""
# {name} of a color is filled in from the visual language
_STYLE: Final = """
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
body {{ background: var(--paper); color: var(--ink); font: 15px/1.5 {font}; max-width: 1000px; margin: 2rem auto;
 padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }}
h2 {{ font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); }}
.headline {{ font-size: 1.1rem; margin: .2rem 0; }}
.about, .note {{ color: var(--muted); margin: .2rem 0; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }}
@media (max-width: 760px) {{ .figures {{ grid-template-columns: 1fr 1fr; }} }}
.figures > div {{ border: 1px solid var(--line); border-radius: 6px; padding: .6rem .9rem; }}
.figures b {{ display: block; font-size: 1.6rem; line-height: 1.3; font-weight: 600; }}
.figures span {{ color: var(--muted); font-size: .85rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top;
 border-bottom: 1px solid var(--line); }}
th {{ color: var(--muted); font-weight: 600; white-space: nowrap; }}
td.n, th.n {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
td.long {{ overflow-wrap: anywhere; min-width: 14rem; }}
.serious {{ color: var(--serious); font-weight: 600; }}
.warning {{ color: var(--warning); font-weight: 600; }}
.findings {{ list-style: none; padding: 0; }}
.findings li {{ margin: .5rem 0; padding-left: .8rem; border-left: 3px solid var(--line); }}
.findings li.serious, .findings li.warning {{ color: inherit; font-weight: inherit; border-color: currentColor; }}
.findings li.serious {{ border-color: var(--serious); }}
.findings li.warning {{ border-color: var(--warning); }}
.findings b.serious, .findings b.warning {{ margin-right: .3rem; }}
.findings code {{ color: var(--muted); font-size: .8rem; }}
.strip {{ margin: .6rem 0; }}
.strip svg {{ width: 100%; height: 16px; display: block; }}
details {{ margin: .8rem 0; }}
summary {{ cursor: pointer; font-weight: 600; }}
code {{ white-space: normal; overflow-wrap: anywhere; }}
.chart {{ margin: .6rem 0; break-inside: avoid; }}
.chart .infolayer text, .chart [class$="tick"] text, .chart .annotation text,
.chart .xaxislayer-above text, .chart .yaxislayer-above text {{ fill: var(--ink) !important; }}
@media print {{
 :root {{ color-scheme: light; {light} }}
 @page {{ margin: 14mm; }}
 body {{ max-width: none; margin: 0; padding: 0; font-size: 10pt; }}
 section, .figures, tr, .strip {{ break-inside: avoid; }}
 h2 {{ break-after: avoid; }}
 details > summary {{ list-style: none; }}
 .wide {{ overflow: visible; }}
 .modebar, .rangeslider-container, .rangeselector {{ display: none !important; }}
}}
"""
_COLORED: Final = ("serious", "warning")
# The library is compressed within the page, because it is ten times as large as most data. Every browser since 2023
# can read it (DecompressionStream).
_SCRIPT: Final = """
<script id="library" type="text/plain">{library}</script>
<script>
(async () => {{
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const charts = [...document.querySelectorAll(".chart")];
  for (const chart of charts) {{
    const figure = JSON.parse(chart.querySelector("script").textContent);
    const place = chart.querySelector("div");
    await Plotly.newPlot(place, figure.data, figure.layout, {{displaylogo: false, responsive: true}});
  }}
  const resize = width => charts.forEach(chart => {{
    const place = chart.querySelector("div");
    if (width) Plotly.relayout(place, {{width}}); else Plotly.relayout(place, {{width: null, autosize: true}});
  }});
  const panels = [...document.querySelectorAll("details")];
  window.matchMedia("print").addEventListener("change", e => {{
    panels.forEach(panel => {{ panel.open = e.matches || panel.dataset.open === "true"; }});
    resize(e.matches ? 680 : null);
  }});
  panels.forEach(panel => panel.addEventListener("toggle", () => {{
    if (!window.matchMedia("print").matches) panel.dataset.open = panel.open;
  }}));
  document.documentElement.dataset.drawn = "true";
}})();
</script>
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
    """Write one HTML page with the headline, findings, data quality, totals, charts, and load shape of a frame.

    The page needs no network and has about 2 MB, of which 1.9 MB are the library that draws its charts. To get a PDF,
    open it in a browser and print it.

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
        If the name of the page ends in ``.pdf``, ``.ipynb``, or ``.parquet``.
    """
    frame.check(df)
    suffix = Path(path).suffix.lower()
    if suffix == ".pdf":
        raise ValueError(
            f"The report is an HTML page, so its name must not be {Path(path).name}. Name it report.html, "
            "open the page in a browser, and print it to a PDF."
        )
    if suffix in (".ipynb", ".parquet"):
        raise ValueError(f"The page is HTML, so its name must not be {Path(path).name}. Name it report.html.")
    noted = Findings(frame.findings_of(df) if findings is None else findings)
    with intervals.reading_once(), warnings.catch_warnings():
        # the page has these findings, under "Findings"
        warnings.simplefilter("ignore", GreenkitWarning)
        facts = _Facts.of(df, plan)
        head = _head(facts)
        sections = list(_sections(facts, noted, bills))
    write_page(path, title=title, head=head, sections=sections)
    if notebook:
        _write_notebook(df, Path(path), title=title)
    return Path(path)


def write_page(path: str | os.PathLike[str], *, title: str, head: str, sections: Iterable[tuple[str, str]]) -> None:
    """Write a page of sections; the names of sections are text, ``head`` and their content are HTML."""
    body = "\n".join(f"<section>\n<h2>{_html.text(name)}</h2>\n{html}\n</section>" for name, html in sections)
    scripts = _SCRIPT.format(library=_library()) if "class='chart'" in body else ""
    page = _PAGE.format(title=_html.text(title), style=_style_sheet(), head=head, body=body, scripts=scripts)
    with _files.atomic(path) as file:
        file.write(page.encode())


@functools.lru_cache(maxsize=1)
def _library() -> str:
    """Return the plotly library of the installed package, compressed, as base64."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=6, mtime=0)).decode()


def _style_sheet() -> str:
    pages = {}
    for i, name in enumerate(("light", "dark")):
        page = _style.PAGES[name]
        colors = {"ink": page.ink, "paper": page.paper, "muted": page.muted, "line": page.shade}
        colors |= {severity: _style.SEVERITIES[severity][i] for severity in _COLORED}
        pages[name] = " ".join(f"--{key}: {value};" for key, value in colors.items())
    return _STYLE.format(font=_style.FONT, **pages)


@dataclass(frozen=True)
class _Facts:
    """What several parts of the page use: the intervals once, their quality, and the bill of a plan."""

    df: pd.DataFrame
    once: pd.DataFrame
    found: Intervals
    quality: QualityReport | None
    bill: tariffs.Bill | None

    @classmethod
    def of(cls, df: pd.DataFrame, plan: PlanSource | None) -> _Facts:
        once = intervals.unique(df)
        found = intervals.checked(once)
        report = quality.assess(df) if len(df) else None
        return cls(df, once, found, report, tariffs.price(df, plan) if plan is not None and len(df) else None)

    @property
    def used(self) -> Intervals:
        """The intervals that have a value and a length."""
        return self.found.take(self.found.valid & (self.found.hours > 0))


# -- the top of the page


def _head(facts: _Facts) -> str:
    written = f"Written on {_style.today()}"
    if not len(facts.df):
        return f"<p class='headline'>The frame is empty. It contains no intervals.</p><p class='about'>{written}</p>"
    about = [
        f"{_theme.about(facts.found)}; {_subject(facts.found)}",
        f"{written}; sources: {_sources(facts.df)}",
    ]
    lines = "".join(f"<p class='about'>{_html.text(line)}</p>" for line in about)
    return f"<p class='headline'>{_html.text(_headline(facts))}</p>{lines}{_figures(facts)}"


def _subject(found: Intervals) -> str:
    meters = [str(m) for m in found.keys["meter"].unique()]
    return f"meter {meters[0]}" if len(meters) == 1 else f"{len(meters):,} meters"


def _sources(df: pd.DataFrame) -> str:
    if "source" not in df.columns:
        return "not recorded"
    names = list(dict.fromkeys(Path(str(n)).name for n in df["source"].dropna().unique()))
    more = f" and {len(names) - _SOURCES:,} more" if len(names) > _SOURCES else ""
    return ", ".join(names[:_SOURCES]) + more or "not recorded"


def _headline(facts: _Facts) -> str:
    """Return one sentence: days, completeness, the energy of each flow, and the peak."""
    found = facts.found
    days = int(found.date.max() - found.date.min()) + 1
    parts = [f"{days:,} {'day' if days == 1 else 'days'}", f"{_style.percent(_completeness(facts))} complete"]
    parts += [f"{_style.number(total, unit)} {verb}" for verb, unit, total in _totals_by_flow(facts)]
    peak = _peak(facts)
    if peak:
        power, unit, at = peak
        year = at.year != _local(found, found.start.min()).year or at.year != _local(found, found.end.max() - 1).year
        parts.append(f"peak {_style.number(power, unit)} on {_style.moment(at, year=year)}")
    return ", ".join(parts) + "."


def _local(found: Intervals, instant: Any) -> pd.Timestamp:
    moment: pd.Timestamp = times.to_times(np.array([instant], dtype=np.int64), found.zone)[0]
    return moment


def _completeness(facts: _Facts) -> float:
    assert facts.quality is not None  # noqa: S101 a frame with intervals has a report
    table = facts.quality.table
    expected = int(table["expected"].sum())
    return float(table["present"].sum()) / expected if expected else float("nan")


def _totals_by_flow(facts: _Facts) -> list[tuple[str, str, float]]:
    """Return the verb, the unit, and the total of each flow that has one, such as ("exported", "kWh", 227.5)."""
    used, found = facts.used, []
    sums = np.bincount(used.code, used.amount, len(used.keys))
    table = used.keys.assign(total=sums)[[intervals.adds_up(u) for u in used.keys["unit"]]]
    for (flow, unit), part in table.groupby(["flow", "unit"], observed=True, sort=False):
        verb = {"received": "exported", "unknown": "of unstated direction"}.get(str(flow), str(flow))
        found.append((verb, str(unit), float(part["total"].sum())))
    return found


def _peak(facts: _Facts) -> tuple[float, str, pd.Timestamp] | None:
    """Return the highest power of delivered energy, or else of any flow, with its unit and local time."""
    used = facts.used
    if not len(used):
        return None
    delivered = (used.keys["flow"] == "delivered").to_numpy()[used.code]
    one = used.take(delivered) if delivered.any() else used
    unit = str(one.keys["unit"].iloc[one.code[0]])
    one = one.take((one.keys["unit"] == unit).to_numpy()[one.code])
    place = int(one.power.argmax())
    return float(one.power[place]), intervals.power_unit(unit), _local(used, one.start[place])


def _figures(facts: _Facts) -> str:
    """Return the four figures at the top: energy, peak, completeness, cost."""
    totals_of = _totals_by_flow(facts)
    energy = next((t for t in totals_of if t[0] == "delivered"), totals_of[0] if totals_of else None)
    boxes = [("no total", "energy") if energy is None else (_style.number(energy[2], energy[1]), energy[0])]
    peak = _peak(facts)
    boxes.append(
        ("no value", "peak") if peak is None else (_style.number(peak[0], peak[1]), f"peak, {_style.moment(peak[2])}")
    )
    boxes.append((_style.percent(_completeness(facts)), "complete"))
    boxes.append(_total_cost(facts))
    cells = "".join(f"<div><b>{_html.text(value)}</b><span>{_html.text(label)}</span></div>" for value, label in boxes)
    return f"<div class='figures'>{cells}</div>"


def _total_cost(facts: _Facts) -> tuple[str, str]:
    if facts.bill is not None:
        return f"{facts.bill.total:,.2f} {facts.bill.plan.currency}", f"cost on {facts.bill.plan.name}"
    if "cost" in facts.once.columns and facts.once["cost"].notna().any():
        words = facts.once["currency"].dropna().astype("str").unique().tolist() if "currency" in facts.once else []
        unit = words[0] if len(words) == 1 else ""
        return f"{facts.once['cost'].sum():,.2f} {unit}".rstrip(), "cost, from the utility"
    return "–", "cost: none in the data, and no plan was passed"


# -- the sections


def _sections(facts: _Facts, noted: Findings, bills: Bills | None) -> Iterator[tuple[str, str]]:
    once = facts.once
    yield "Findings", _found(noted, facts.quality)
    if not len(facts.df):
        return
    yield "Data quality", _strips(facts)
    yield "Totals", _totals(once)
    if bills is not None:
        yield "Bills", _bills(once, bills)
    if facts.bill is not None:
        yield "Cost", _cost(facts.bill)
    yield from _charts(once)
    yield "Load shape", _shape(once)
    yield "Provenance", _panel("Receipt: what this page was made from", _wide(_receipt(facts.df)))


def _panel(summary: str, html: str) -> str:
    return f"<details><summary>{_html.text(summary)}</summary>{html}</details>"


def _cost(bill: tariffs.Bill) -> str:
    """Return the bills of a plan: a chart, the charges and total of each bill, and the findings."""
    lines = bill.frame
    kinds = list(dict.fromkeys(lines["kind"].astype("str")))
    amounts: dict[tuple[str, str, str], float] = {}
    for meter, name, kind, amount in zip(lines["meter"], lines["bill"], lines["kind"], lines["amount"], strict=True):
        key = str(meter), str(name), str(kind)
        amounts[key] = amounts.get(key, 0.0) + float(amount)
    rows: list[list[object]] = []
    for info in bill.totals.to_dict("records"):
        of = str(info["meter"]), str(info["bill"])
        cells = [_html.Number(f"{amounts.get((*of, k), 0.0):,.2f}") for k in kinds]
        whole = "yes" if info["whole"] else "no"
        rows.append([*of, *cells, _html.Number(f"{info['computed_total']:,.2f}"), whole])
    found: list[list[object]] = [[f.severity, f.name, f.message] for f in bill.findings.by_severity]
    more = _table(("severity", "name", "finding"), found) if found else ""
    total = f"{bill.total:,.2f} {bill.plan.currency}"
    head = f"<p>{_html.text(bill.plan.name)}: {_html.text(total)} for {len(bill):,} bill{'s' * (len(bill) != 1)}.</p>"
    shown = ["delivery" if k == "wires" else k for k in kinds]
    chart = chart_html(plot.bill(bill, theme="page")) if len(bill) else ""
    return head + chart + _table(("meter", "bill", *shown, "total", "complete"), rows) + more


def _wide(table: str) -> str:
    return f"<div class='wide'>{table}</div>"


def _table(head: Iterable[str], rows: list[list[object]]) -> str:
    """Return a table; of a long one, the first rows, and a panel with the others."""
    names = list(head)
    if len(rows) <= _OPEN:
        return _wide(_html.table(names, rows))
    more = f"<p>… and {len(rows) - _ROWS:,} more rows.</p>" if len(rows) > _ROWS else ""
    rest = _wide(_html.table(names, rows[_FIRST:_ROWS])) + more
    return _wide(_html.table(names, rows[:_FIRST])) + _panel(f"{len(rows) - _FIRST:,} more rows", rest)


def _found(noted: Findings, report: QualityReport | None) -> str:
    """Return the findings of the load and of the quality checks by severity, each with what to do."""
    every = list(Findings([*noted, *(report.findings if report is not None else [])]).by_severity)
    if not every:
        return "<p>No issues found.</p>"
    shown = "".join(_finding(f) for f in every[:_FINDINGS])
    more = "".join(_finding(f) for f in every[_FINDINGS:_ROWS])
    rest = _panel(f"{len(every) - _FINDINGS:,} more findings", f"<ul class='findings'>{more}</ul>") if more else ""
    return f"<ul class='findings'>{shown}</ul>{rest}"


def _finding(f: Finding) -> str:
    todo = f"<br>{_html.text(f.what_to_do)}" if f.what_to_do else ""
    evidence = f"; {f.evidence_text()}" if f.evidence else ""
    return (
        f"<li class='{f.severity}'><b class='{f.severity}'>{f.severity}</b> {_html.text(f.text)}{todo}"
        f"<br><code>{_html.text(f.name + evidence)}</code></li>"
    )


def _strips(facts: _Facts) -> str:
    """Return a strip of the days of each series, as wide as the page, with its counts.

    Of many series, those with the largest share of missing intervals come first.
    """
    report = facts.quality
    assert report is not None  # noqa: S101 a frame with intervals has a report
    table = report.table.assign(
        name=_theme.names(report.table), share=report.table["present"] / report.table["expected"]
    )
    if len(table) > _STRIPS:
        table = table.sort_values("share", kind="stable")
    days = dict(iter(report.days.groupby(list(SERIES), observed=True, sort=False)))
    parts = []
    for row in table.head(_STRIPS).to_dict("records"):
        counts = (
            f"{row['present']:,} of {row['expected']:,} intervals, {counted(int(row['gaps']), 'gap')}, "
            f"{row['estimated']:,} estimated"
        )
        part = days.get(tuple(row[k] for k in SERIES))
        strip = ""
        if part is not None:
            status = quality.day_status(
                *(part[n].to_numpy(dtype=np.int64) for n in ("present", "expected", "estimated"))
            )
            strip = quality.strip_svg(status).replace("<svg ", "<svg preserveAspectRatio='none' ")
        parts.append(f"<div class='strip'><p class='note'>{row['name']}: {_html.text(counts)}</p>{strip}</div>")
    legend = " ".join(f"<span style='color:{color}'>■</span> {meaning}" for color, meaning in _style.DAYS)
    rest = table.iloc[_STRIPS:]
    gaps = int((rest["share"] < 1).sum())
    which = f"{gaps:,} of them have missing intervals" if gaps else "all of them are complete"
    more = f"<p>{len(rest):,} more series are not shown; {which}.</p>" if len(rest) else ""
    bounded = "" if report.bounded else (
        "<p class='note'>Each series is measured from its first to its last interval, so it is not known whether "
        "intervals before or after are missing.</p>"
    )  # fmt: skip
    decided = (
        "".join(f"<p class='note'>{_html.text(note)}.</p>" for note in facts.found.relations.notes)
        if facts.found.relations is not None
        else ""
    )
    return "".join(parts) + more + f"<p class='note'>{legend}</p>" + bounded + decided


def _totals(df: pd.DataFrame) -> str:
    fits = _no_longer_than(df, 31 * 24)
    if not len(fits):
        return "<p>All intervals are longer than a month, so there are no monthly totals.</p>"
    table = totals.by_period(fits, "month")
    several = table["meter"].nunique() > 1
    rows: list[list[object]] = [
        [*([r["meter"]] if several else []), _style.flow_label(str(r["flow"])), f"{r['start']:%B %Y}",
         _html.Number(_style.number(r["value"], r["unit"])), "mean" if r["statistic"] == "mean" else "sum",
         _html.Number(f"{r['present']:,} of {r['expected']:,}"), _html.Number(f"{r['estimated']:,}")]
        for r in table.to_dict("records")
    ]  # fmt: skip
    head = [*(["meter"] if several else []), "flow", "month", _html.Number("total"), "as", _html.Number("intervals"),
            _html.Number("estimated")]  # fmt: skip
    return _table(head, rows)


def _bills(df: pd.DataFrame, bills: Bills) -> str:
    rows: list[list[object]] = [
        [r["meter"], _style.flow_label(str(r["flow"])), f"{r['start']:%Y-%m-%d}", f"{r['end']:%Y-%m-%d}",
         _html.Number(_style.number(r["billed"], r["unit"])), _html.Number(_style.number(r["metered"], r["unit"])),
         r["status"], r["detail"]]
        for r in reconcile.compare_bills(df, bills).to_dict("records")
    ]  # fmt: skip
    head = ("meter", "flow", "from (UTC)", "to", _html.Number("billed"), _html.Number("metered"), "status", "detail")
    return _table(head, rows) if rows else "<p>No bill matches a series in the data.</p>"


def _shape(df: pd.DataFrame) -> str:
    table = shape.summarize(df)
    table = table[table["hours"] > 0]
    several = table["meter"].nunique() > 1

    def rows(*columns: str) -> list[list[object]]:
        return [
            [
                *([r["meter"]] if several else []),
                _style.flow_label(str(r["flow"])),
                *(_measure(r, name) for name in columns),
            ]
            for r in table.to_dict("records")
        ]

    key = [*(["meter"] if several else []), "flow"]
    main = _table([*key, *map(_html.Number, ("mean", "peak", "load factor"))], rows("mean", "peak", "load_factor"))
    night = _table(
        [
            *key,
            *map(_html.Number, ("base load", "at night", "always on", "near-base", "near-peak", "high hours a day")),
        ],
        rows("base", "night", "always_on", "near_base", "near_peak", "high_hours"),
    )
    meaning = (
        "<p class='note'>Base load: the power that 95% of the intervals exceed. At night: the median over days of the "
        "lowest power from 01:00 to 05:00. Always on: the share of the total that the base load makes up. Near-base "
        "and near-peak: the 2.5th and 97.5th percentile of a day, averaged over the days. High hours: hours of an "
        "average day that are closer to near-peak.</p>"
    )
    return main + _panel("Base load at night", night + meaning)


def _measure(row: dict[Any, Any], name: str) -> _html.Number:
    value = float(row[name])
    if not np.isfinite(value):
        return _html.Number("–")
    if name == "always_on":
        return _html.Number(f"{value:.1%}")
    if name in ("load_factor", "high_hours"):
        return _html.Number(f"{value:.2f}" if name == "load_factor" else f"{value:.1f}")
    return _html.Number(_style.number(value, str(row["power_unit"])))


def _charts(df: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if df["meter"].nunique() > _METERS:
        yield from _charts_of_many(df)
        return
    shown, note = _shown(df)
    if not shown["value"].notna().any():
        return
    yield "Load", note + chart_html(plot.load(shown, theme="page"))
    fine, daily = _no_longer_than(shown, 1), _no_longer_than(shown, 25)
    if fine["value"].notna().any():
        yield "Heatmap", note + chart_html(plot.heatmap(fine, theme="page"))
        yield "Average day", note + chart_html(plot.average_day(fine, theme="page"))
    if daily["value"].notna().any():
        yield "Months", note + chart_html(plot.monthly(daily, theme="page"))
    yield "Load duration", note + "".join(chart_html(plot.duration(one, theme="page")) for one in _by_unit(shown))


def _charts_of_many(df: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield charts that compare meters, for each unit."""
    units = _by_unit(df)
    if not units:
        return
    rankings = (plot.ranking(one, "total" if intervals.adds_up(str(one["unit"].iloc[0])) else "mean", theme="page")
                for one in units)  # fmt: skip
    yield "Ranking", "".join(map(chart_html, rankings))
    fine = [one for one in map(partial(_no_longer_than, hours=1), units) if 0 < one["meter"].nunique() <= _ROWS]
    if fine:
        yield "Average day", "".join(chart_html(plot.small_multiples(one, theme="page")) for one in fine)
    daily = _no_longer_than(df, 25)
    if len(daily):
        yield "Completeness", chart_html(plot.fleet_completeness(daily, theme="page"))


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
    fits = found.interval <= hours * 3600
    return df if fits.all() else df.iloc[found.row[fits[found.code]]]


def chart_html(figure: go.Figure) -> str:
    """Return a place for a chart with its data; a script of the page draws it."""
    data: str = figure.to_json()
    height = int(figure.layout.height)
    return (
        f"<div class='chart'><div style='min-height:{height}px'></div>"
        f"<script type='application/json'>{data.replace('<', chr(92) + 'u003c')}</script></div>"
    )


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
