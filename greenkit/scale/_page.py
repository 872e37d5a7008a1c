"""The report page of a dataset: files, completeness, findings, and the load of the fleet, from small tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from greenkit import _html, plot, report
from greenkit.errors import SchemaError
from greenkit.findings import counted
from greenkit.scale._ingest import findings_html
from greenkit.scale._query import Day

if TYPE_CHECKING:
    from distributed import Client

    from greenkit.scale._dataset import Dataset

_ROWS: Final = 20


def write(
    ds: Dataset,
    path: str | os.PathLike[str],
    *,
    title: str,
    by: str | None,
    start: Day,
    end: Day,
    client: Client | Literal["in order"] | None,
) -> None:
    """Write the page."""
    head = f"<p class='headline'>{_html.text(repr(ds))}</p>"
    report.write_page(path, title=title, head=head, sections=_sections(ds, by, start, end, client))


def _sections(
    ds: Dataset, by: str | None, start: Day, end: Day, client: Client | Literal["in order"] | None
) -> Iterator[tuple[str, str]]:
    files = ds.files
    read = files["state"] == "read"
    refused = files[~read]
    body = f"<p>{_html.text(counted(int(read.sum()), 'file'))} read, {_html.text(f'{len(refused):,}')} refused.</p>"
    if len(refused):
        names = [[os.path.basename(r["name"]), r["reason"]] for r in refused.head(_ROWS).to_dict("records")]
        body += _html.table(["refused", "reason"], names)
    yield "Files", body + _or_none(findings_html(ds.findings, "files"))
    if not len(ds.months):
        return
    quality = ds.quality(start=start, end=end, client=client)
    charts = _chart(plot.fleet_completeness, quality.days) if len(quality.days) else ""
    charts += _chart(plot.findings_by_day, quality.findings_by_day)
    yield "Data quality", charts + _or_none(findings_html(quality.findings, "series")) + _roster(quality.roster)
    load = ds.fleet("hour", by=by, start=start, end=end, client=client)
    yield "Fleet load", _chart(plot.fleet_load, load) + _chart(plot.fleet_band, load)
    table = ds.fleet_table(start=start, end=end, client=client)
    yield "Meters", "".join(_chart(chart, table) for chart in (plot.annual_energy, plot.load_factor, plot.ranking))


def _chart(chart: Any, table: Any) -> str:
    """Return a chart, or the reason why there is none."""
    try:
        return report.chart_html(chart(table, theme="page"))
    except SchemaError as e:
        return f"<p>{_html.text(e)}</p>"


def _or_none(findings: str) -> str:
    return findings or "<p>No findings.</p>"


def _roster(roster: Any) -> str:
    if not len(roster):
        return ""
    counts = roster.groupby("status").size()
    return _html.table(["meters of the roster", "number"], [[n, _html.Number(f"{c:,}")] for n, c in counts.items()])
