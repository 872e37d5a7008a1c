import re

import numpy as np
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
    assert "no interval was read" in page or "no value" in page


def test_daily_and_fine_series_stand_in_one_report(tmp_path, make_series):
    df = frame.concat([make_series([1] * 24), make_series([30, 31], every="24h", series="daily")])
    assert greenkit.write_report(df, tmp_path / "r.html").exists()


def test_a_frame_of_another_kind_is_refused(tmp_path, make_series):
    with pytest.raises(SchemaError, match="lacks"):
        greenkit.write_report(make_series([1]).drop(columns="zone"), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())
