import json
import re

import numpy as np
import pandas as pd
import pytest

import greenkit
from greenkit import _style, frame, plot
from greenkit.errors import SchemaError
from greenkit.findings import Finding


def test_page_contains_the_facts_and_needs_no_network(tmp_path, make_series):
    df = frame.concat([make_series([1.25] * 24), make_series([2] * 24, flow="received")])
    path = greenkit.write_report(df, tmp_path / "report.html", findings=[Finding("a.b", "warning", "It is odd.")])
    page = path.read_text(encoding="utf-8")
    assert "1 day, 100% complete, 30.0 kWh delivered, 48.0 kWh exported, peak 1.2 kW on July 1 at 00:00 CDT." in page
    assert "It is odd." in page
    # outside of the scripts, nothing points anywhere, and the policy forbids it
    assert "default-src 'none'" in page
    bare = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert len(page) < 2_500_000, "the library is compressed"
    assert not re.search(r"(src|href)\s*=", bare)
    assert not re.search(r"<script[^>]+src=", page)


def test_names_from_files_are_escaped(tmp_path, make_series):
    df = make_series([1, 2], meter="<script>alert(1)</script>")
    page = greenkit.write_report(df, tmp_path / "r.html", title="A & <b>").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "<h1>A &amp; &lt;b&gt;</h1>" in page


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_frame_without_values_has_a_page_that_states_it(tmp_path, make_series, values):
    page = greenkit.write_report(make_series(values), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "It contains no intervals" in page or "no value" in page


def test_daily_and_fine_series_are_in_one_report(tmp_path, make_series):
    df = frame.concat([make_series([1] * 24), make_series([30, 31], every="24h", series="daily")])
    assert greenkit.write_report(df, tmp_path / "r.html").exists()


def test_other_frame_is_refused(tmp_path, make_series):
    with pytest.raises(SchemaError, match="no column"):
        greenkit.write_report(make_series([1]).drop(columns="zone"), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_sections_are_in_the_order_of_the_questions(tmp_path, make_series):
    df = make_series([1.0] * 24 * 40).drop(index=[5])
    bills = pd.DataFrame({"start": ["2024-07-02"], "end": ["2024-08-01"], "value": [720.0], "unit": ["kWh"]})
    page = greenkit.write_report(frame.tidy(df), tmp_path / "r.html", bills=bills).read_text(encoding="utf-8")
    assert headings(page) == [
        "Findings", "Data quality", "Totals", "Bills", "Load", "Heatmap", "Average day", "Months", "Load duration",
        "Load shape", "Provenance",
    ]  # fmt: skip
    assert "959 of 960" in page
    assert "743.0 kWh" in page
    assert "<td>match</td>" in page
    assert page.count('id="library"') == 1


def test_duplicate_intervals_are_counted_once_and_reported(tmp_path, make_series):
    df = make_series([1.0, 2.0])
    page = greenkit.write_report(frame.concat([df, df]), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "3.0 kWh delivered" in page
    assert "2 duplicate intervals have the same value" in page


def test_many_series_are_counted_and_few_are_drawn(tmp_path, make_series):
    df = frame.concat([make_series([1.0, 2.0], meter=f"M{i}", unit="kWh" if i else "therm") for i in range(7)])
    page = greenkit.write_report(df, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The first 4 of 7 series are drawn" in page
    assert "therm" in page


def test_many_meters_are_compared_and_their_long_tables_are_folded(tmp_path, make_series):
    df = frame.concat([make_series([1.0] * 24 + [np.nan] * 24, meter=f"M{i:02d}") for i in range(41)])
    page = greenkit.write_report(df, tmp_path / "r.html").read_text(encoding="utf-8")
    for title in ("Total of 41 meters", "Average day of 41 meters", "Completeness of 41 meters by day"):
        assert title in page
    assert "The first 4" not in page
    assert page.count("<summary>31 more rows</summary>") == 3, "totals, load shape, and base load at night"
    few = greenkit.write_report(df.iloc[: 12 * 48], tmp_path / "few.html").read_text(encoding="utf-8")
    assert "Total of" not in few
    assert "more rows" not in few


def test_strips_of_many_series_begin_with_the_least_complete(tmp_path, make_series):
    parts = [make_series([1.0] * 4, meter=f"M{i:02d}") for i in range(44)]
    parts[43] = frame.tidy(parts[43].drop(index=1))
    page = greenkit.write_report(frame.concat(parts), tmp_path / "r.html").read_text(encoding="utf-8")
    assert re.findall(r"<p class='note'>(M\d+):", page)[0] == "M43"
    assert "4 more series are not shown; all of them are complete." in page


def test_energy_of_unknown_direction_and_missing_cost_are_stated_plainly(tmp_path, make_series):
    page = greenkit.write_report(make_series([1.0, 2.0], flow="unknown"), tmp_path / "r.html").read_text("utf-8")
    assert "3.0 kWh of unstated direction" in page
    assert "<b>–</b><span>cost: none in the data, and no plan was passed</span>" in page
    assert "direction not stated" in plot.load(make_series([1.0], flow="unknown")).data[0].name


def test_notebook_beside_the_page_runs(tmp_path, make_series, monkeypatch):
    df = make_series([1.0, 2.0, 4.0] * 16)
    page = greenkit.write_report(df, tmp_path / "r.html", notebook=True, title="Line\nbreak {data}")
    assert {p.name for p in tmp_path.iterdir()} == {"r.html", "r.ipynb", "r.parquet"}
    book = json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))
    code = [c for c in book["cells"] if c["cell_type"] == "code"]
    assert code[0]["metadata"]["tags"] == ["parameters"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    monkeypatch.chdir(tmp_path)
    scope = {}
    for cell in code:
        exec("".join(cell["source"]), scope)
    pd.testing.assert_frame_equal(scope["df"], df)
    assert (tmp_path / "report-again.html").exists()


def test_page_does_not_take_the_name_of_its_notebook(tmp_path, make_series):
    with pytest.raises(ValueError, match=r"must not be r\.ipynb\. Name it report\.html"):
        greenkit.write_report(make_series([1.0]), tmp_path / "r.ipynb", notebook=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["r.pdf", "R.PDF"])
def test_pdf_name_raises_an_error_that_explains_printing(tmp_path, make_series, name):
    with pytest.raises(ValueError, match="open the page in a browser, and print it to a PDF"):
        greenkit.write_report(make_series([1.0]), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_headline_of_the_sample(tmp_path):
    df = greenkit.load(greenkit.samples.path("espi"))
    page = greenkit.write_report(df, tmp_path / "r.html").read_text(encoding="utf-8")
    assert (
        "14 days, 99.1% complete, 247.9 kWh delivered, 227.5 kWh exported, peak 7.5 kW on November 3 at 23:15 CST."
    ) in page
    assert f"Written on {_style.today()}" in page
    assert "October 28 to November 10, 2024, America/Chicago" in page
    assert "sources: espi.xml" in page
    figures = re.findall(r"<div><b>(.*?)</b><span>", page)
    assert figures == ["247.9 kWh", "7.5 kW", "99.1%", "28.33 USD"]
    assert page.index("</header>") < page.index("<table")
    assert "received" not in re.sub(r"<code>.*?</code>|<script.*?</script>|<li.*?</li>", "", page, flags=re.S)


def test_findings_are_sorted_by_severity_with_what_to_do(tmp_path, make_series):
    noted = [
        Finding("a.b", "info", "A."),
        Finding("c.d", "serious", "C.", {}, "Do C."),
        Finding("e.f", "warning", "E."),
    ]
    page = greenkit.write_report(make_series([1.0]), tmp_path / "r.html", findings=noted).read_text(encoding="utf-8")
    assert re.findall(r"<b class='(\w+)'>", page)[:3] == ["serious", "warning", "info"]
    assert "C.<br>Do C.<br>" in page


def test_unknown_zone_is_not_called_local(tmp_path, make_series):
    page = greenkit.write_report(make_series([1.0] * 48, zone="UTC"), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "UTC, time zone unknown" in page
    assert "Local" not in re.sub(r'<script id="library".*?</script>', "", page, flags=re.S)


def test_empty_frame_is_stated_and_has_no_library(tmp_path, make_series):
    page = greenkit.write_report(make_series([]), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The frame is empty. It contains no intervals." in page
    assert len(page) < 10_000


def test_costs_of_a_plan_are_one_of_the_figures(tmp_path, make_series):
    plan = {"name": "Flat", "zone": "America/Chicago", "energy": 0.5}
    page = greenkit.write_report(make_series([1.0] * 48), tmp_path / "r.html", plan=plan).read_text(encoding="utf-8")
    assert "<b>24.00 USD</b><span>cost on Flat</span>" in page


def test_every_axis_of_a_chart_has_the_color_of_the_page(tmp_path, make_series):
    page = greenkit.write_report(make_series([1.0] * 24), tmp_path / "r.html").read_text(encoding="utf-8")
    # plotly names the ticks of the first pane xtick and those of the others x2tick, x3tick, …
    assert '[class$="tick"] text' in page


def test_figures_of_a_narrow_page_are_two_by_two(tmp_path, make_series):
    page = greenkit.write_report(make_series([1.0] * 24), tmp_path / "r.html").read_text(encoding="utf-8")
    # four in a row would cut off an amount such as 7,392.87 USD at 640 pixels
    assert "@media (max-width: 760px) { .figures { grid-template-columns: 1fr 1fr; } }" in page
