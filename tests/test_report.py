import json
import re

import numpy as np
import pandas as pd
import pytest

import greenkit
from greenkit import frame
from greenkit.errors import SchemaError
from greenkit.findings import Finding


def test_the_page_holds_the_facts_and_needs_no_network(tmp_path, make_series):
    df = frame.concat([make_series([1.25] * 24), make_series([2] * 24, flow="received")])
    path = greenkit.write_report(df, tmp_path / "report.html", findings=[Finding("a.b", "warning", "It is odd.")])
    page = path.read_text(encoding="utf-8")
    assert "30.000 kWh" in page
    assert "48.000 kWh" in page
    assert "It is odd." in page
    # outside of the scripts, nothing points anywhere, and the policy forbids it
    assert "default-src 'none'" in page
    bare = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)\s*=", bare)
    assert not re.search(r"<script[^>]+src=", page)


def test_names_from_files_are_escaped(tmp_path, make_series):
    df = make_series([1, 2], meter="<script>alert(1)</script>")
    page = greenkit.write_report(df, tmp_path / "r.html", title="A & <b>").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "<h1>A &amp; &lt;b&gt;</h1>" in page


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_a_frame_without_values_gives_a_page_that_says_so(tmp_path, make_series, values):
    page = greenkit.write_report(make_series(values), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "It contains no intervals" in page or "no value" in page


def test_daily_and_fine_series_stand_in_one_report(tmp_path, make_series):
    df = frame.concat([make_series([1] * 24), make_series([30, 31], every="24h", series="daily")])
    assert greenkit.write_report(df, tmp_path / "r.html").exists()


def test_a_frame_of_another_kind_is_refused(tmp_path, make_series):
    with pytest.raises(SchemaError, match="no column"):
        greenkit.write_report(make_series([1]).drop(columns="zone"), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_the_sections_stand_in_the_order_of_the_questions(tmp_path, make_series):
    df = make_series([1.0] * 24 * 40).drop(index=[5])
    bills = pd.DataFrame({"start": ["2024-07-02"], "end": ["2024-08-01"], "value": [720.0], "unit": ["kWh"]})
    page = greenkit.write_report(frame.tidy(df), tmp_path / "r.html", bills=bills).read_text(encoding="utf-8")
    assert headings(page) == [
        "Summary", "Data quality", "Totals", "Bills", "Load shape", "Load", "Heatmap", "Average day", "Months",
        "Load duration", "Provenance",
    ]  # fmt: skip
    assert "959 of 960" in page
    assert "743.000 kWh" in page
    assert "<td>match</td>" in page
    assert page.count("plotly.js v") == 1


def test_intervals_that_stand_twice_count_once_and_are_told(tmp_path, make_series):
    df = make_series([1.0, 2.0])
    page = greenkit.write_report(frame.concat([df, df]), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "3.000 kWh" in page
    assert "2 duplicate intervals have the same value" in page


def test_many_series_are_told_and_few_are_drawn(tmp_path, make_series):
    df = frame.concat([make_series([1.0, 2.0], meter=f"M{i}", unit="kWh" if i else "therm") for i in range(7)])
    page = greenkit.write_report(df, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The first 4 of 7 series are drawn" in page
    assert "therm" in page


def test_the_notebook_beside_the_page_runs(tmp_path, make_series, monkeypatch):
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


def test_a_page_does_not_take_the_name_of_its_notebook(tmp_path, make_series):
    with pytest.raises(ValueError, match=r"must not be r\.ipynb\. Name it report\.html"):
        greenkit.write_report(make_series([1.0]), tmp_path / "r.ipynb", notebook=True)
    assert not list(tmp_path.iterdir())
