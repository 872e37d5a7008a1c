"""The generators of the benchmarks write complete files of the requested size and form."""

import importlib.util
from pathlib import Path

import pytest
from lxml import etree

PATH = Path(__file__).parents[2] / "benchmarks" / "feeds.py"
ESPI = "{http://naesb.org/espi}"


@pytest.fixture(scope="module")
def feeds():
    spec = importlib.util.spec_from_file_location("benchmark_feeds", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("prefix", ["default", "espi", "ns0"])
@pytest.mark.parametrize(("layout", "readings", "members"), [("pretty", 96, "few"), ("compact", 24, "all")])
def test_feeds(feeds, tmp_path, prefix, layout, readings, members):
    path = feeds.espi(tmp_path / "a.xml", 600_000, feeds.dialect(layout, readings, prefix, members))
    assert 600_000 <= path.stat().st_size < 1_700_000
    document = etree.parse(path).getroot()
    block = document.find(f".//{ESPI}IntervalBlock")
    assert len(block.findall(ESPI + "IntervalReading")) == readings
    assert (block.find(f"{ESPI}IntervalReading/{ESPI}consumptionTier") is not None) == (members == "all")
    assert (path.read_bytes().count(b"\n") > 1000) == (layout == "pretty")
    assert block.prefix == {"default": None}.get(prefix, prefix)


def test_irregular_feed_has_an_attribute_on_each_value(feeds, tmp_path):
    path = feeds.espi(tmp_path / "a.xml", 1000, feeds.dialect(), irregular=True)
    values = list(etree.parse(path).getroot().iter(ESPI + "value"))
    assert values
    assert all(value.attrib for value in values)


@pytest.mark.parametrize("name", ["a.lse", "a.csv"])
def test_smt_files(feeds, tmp_path, name):
    text = feeds.smt(tmp_path / name, 90, 1).read_text()
    ids = {line.split(",")[1 if name == "a.lse" else 0] for line in text.splitlines() if "10443720" in line}
    assert len(ids) == 90
    assert feeds.TOKEN.decode() not in text
