"""The report page of a dataset, and the charts of a fleet, from small tables."""

import datetime as dt

import pandas as pd
import pytest
from scale_files import record, write

import greenkit
from greenkit import plot
from greenkit.errors import SchemaError


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    text = "".join(record(m, dt.date(2025, 7, d), [0.1 * ord(m)] * (24 if m != "C" else 20))
                   for m in "ABCDEFGHIJKL" for d in (1, 2))  # fmt: skip
    write(root / "in" / "a.lse", text, 0)
    write(root / "in" / "bad.txt", "<b>hello</b>", 0)
    greenkit.to_dataset(greenkit.scan_smt(root / "in"), root / "usage", client="in order")
    found = greenkit.open_dataset(root / "usage")
    found.set_meters(pd.DataFrame({"meter": list("ABCDEFGHIJKLZ"), "tdsp": ["ONCOR", "AEP"] * 6 + ["AEP"]}))
    return found


def test_page_has_files_quality_load_and_meters(ds, tmp_path):
    ds.report(tmp_path / "page.html", by="tdsp", client="in order")
    page = (tmp_path / "page.html").read_text()
    for text in ("Files", "Data quality", "Fleet load", "Meters", "bad.txt", "absent", "ONCOR"):
        assert text in page
    assert page.count("class='chart'") == 7
    assert "<b>hello" not in page


def test_charts_of_the_fleet_show_the_sums(ds):
    load = ds.fleet("hour", by="tdsp", client="in order")
    figure = plot.fleet_load(load)
    assert [t.name for t in figure.data] == ["AEP", "ONCOR"]
    assert sum(float(sum(t.y)) for t in figure.data) == pytest.approx(load["power"].sum())
    band = plot.fleet_band(ds.fleet("hour", client="in order"))
    low, high, middle = (t.y for t in band.data)
    assert (low <= middle).all()
    assert (middle <= high).all()
    days = ds.quality(client="in order").findings_by_day
    figure = plot.findings_by_day(days)
    assert figure.data[0].z.sum() == days["series"].sum()
    for chart in (plot.fleet_load, plot.fleet_band, plot.findings_by_day):
        with pytest.raises(SchemaError, match="no"):
            chart(load[:0] if chart is not plot.findings_by_day else days[:0])


def test_fleet_table_is_that_of_the_frame(ds):
    table = ds.fleet_table(client="in order")
    assert len(table) == 12
    assert table["tdsp"].notna().all()
    assert table["total"].sum() == pytest.approx(ds.frame()["value"].sum())
