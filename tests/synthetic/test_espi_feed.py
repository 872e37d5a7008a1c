"""The ESPI writer: an independent walk reads the true values, and the conforming dialect is valid."""

import datetime as dt
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from greenkit import synthetic
from greenkit.synthetic import _espi_feed, data_samples
from greenkit.synthetic._dialects import variant

ATOM = "{http://www.w3.org/2005/Atom}"
ESPI = "{http://naesb.org/espi}"
ZONES = ["America/Chicago", "America/Los_Angeles", "America/Phoenix", "Europe/Berlin"]


def feed(meters, start, end, dialect="conforming"):
    file = io.BytesIO()
    _espi_feed.write(file, meters, start, end, dialect=dialect)
    return file.getvalue()


def read(data):
    """Rows (meter, series, start, duration, value, cost, quality) of a feed with ids in its links, by hand."""
    rows = []
    for block in etree.fromstring(data).iter(ESPI + "IntervalBlock"):
        entry = next(block.iterancestors(ATOM + "entry"))
        parts = next(x.get("href") for x in entry.iter(ATOM + "link") if x.get("rel") == "self").split("/")
        meter, series = parts[parts.index("UsagePoint") + 1], parts[parts.index("MeterReading") + 1]
        for r in block.iter(ESPI + "IntervalReading"):
            cell = {e.tag.removeprefix(ESPI): e.text for e in r.iter() if e.text and e.text.strip()}
            numbers = [int(cell[name]) for name in ("start", "duration", "value")]
            rows.append((meter, series, *numbers, int(cell.get("cost", -1)), int(cell.get("quality", 17))))
    return rows


def true_rows(df, steps=1000):
    epoch = df["start"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]").astype(int).tolist()
    length = (df["end"] - df["start"]).dt.total_seconds().astype(int)
    cost = (df["cost"] * 1e5).round().fillna(-1).astype(int)
    quality = [8 if q == "estimated" else 17 for q in df["quality"]]
    value = (df["value"] * steps).round().astype(int)
    meters, series = df["meter"].astype(str), df["series"].astype(str)
    return list(zip(meters, series, epoch, length, value, cost, quality, strict=True))


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(1, 10**6),
    day=st.dates(dt.date(2021, 1, 1), dt.date(2026, 12, 1)),
    length=st.integers(1, 40),
    zone=st.sampled_from(ZONES),
    solar=st.sampled_from([0.0, 5.0]),
    pretty=st.booleans(),
    block=st.sampled_from(["day", "31 days", "all", 24]),
)
def test_readings_equal_the_true_values(seed, day, length, zone, solar, pretty, block):
    home = synthetic.household(seed, zone=zone, solar=solar)
    end = day + dt.timedelta(days=length)
    data = feed([home], day, end, variant(pretty=pretty, block=block))
    assert sorted(read(data)) == sorted(true_rows(home.frame(day, end)))


@pytest.mark.parametrize(
    "meter",
    [
        synthetic.household(3, solar=4.0, read_day=9),
        synthetic.shop(4, zone="America/New_York", read_day=9),
        synthetic.gas_meter(5, read_day=9),
        synthetic.water_meter(6, read_day=9),
    ],
    ids=lambda m: m.kind,
)
def test_conforming_feeds_validate(meter, validate):
    data = feed([meter], "2024-10-20", "2024-11-10")
    assert validate(data) > 5
    assert etree.fromstring(data).find(f".//{ESPI}UsageSummary/{ESPI}billLastPeriod") is not None


def test_bills_equal_the_sum_of_their_items_and_readings():
    home = synthetic.household(8, solar=3.0, faults=())
    (bill,) = home.bills(home.instant("2024-06-02"), home.instant("2024-07-02"))
    df = home.frame("2024-06-01", "2024-07-01")
    out, back = (df[df["flow"] == flow] for flow in ("delivered", "received"))
    assert bill.delivered == round(out["value"].sum() * 1000)
    assert bill.received == round(back["value"].sum() * 1000)
    assert sum(i.amount for i in bill.items if i.kind == 3) == round(out["cost"].sum() * 1e5)
    assert bill.total == sum(i.amount for i in bill.items)
    assert bill.peak == round(out["value"].max() * 4000)
    summary = etree.fromstring(feed([home], "2024-06-02", "2024-07-02")).find(f".//{ESPI}UsageSummary")
    amounts = [int(a.text) for a in summary.findall(f"{ESPI}costAdditionalDetailLastPeriod/{ESPI}amount")]
    assert sum(amounts) == int(summary.findtext(ESPI + "billLastPeriod")) == bill.total


def test_path_and_file_have_the_same_bytes(tmp_path):
    home = synthetic.household(2)
    synthetic.write_espi(tmp_path / "a.xml", [home], "2024-05-01", "2024-05-03")
    assert (tmp_path / "a.xml").read_bytes() == feed([home], "2024-05-01", "2024-05-03")
    assert [p.name for p in tmp_path.iterdir()] == ["a.xml"]


def test_unknown_dialect_raises_with_the_list():
    with pytest.raises(ValueError, match=r"no dialect 'conform'. Use one of conforming, prefixed"):
        feed([], "2024-05-01", "2024-05-03", "conform")


FOLDER = Path(__file__).parents[2] / "data-samples"


@pytest.mark.parametrize("name", data_samples.SHIPPED)
def test_shipped_samples_equal_the_generated_ones(name):
    assert data_samples.content(name) == (FOLDER / name).read_bytes(), "run python -m greenkit.synthetic"


def test_folder_contains_the_shipped_samples_only(tmp_path):
    # plans and their table are written by hand
    meter_files = [p.name for p in FOLDER.iterdir() if p.suffix != ".md" and not p.name.startswith(("plan-", "wires-"))]
    assert sorted(data_samples.SHIPPED) == sorted(meter_files)
    assert len(data_samples.SHIPPED) == len(set(data_samples.SHIPPED)) == 20
    assert set(data_samples.SHIPPED) < set(data_samples.SAMPLES)
    assert data_samples.make(tmp_path, ["smt-api.json"]) == [tmp_path / "smt-api.json"]
    assert (tmp_path / "smt-api.json").read_bytes() == (FOLDER / "smt-api.json").read_bytes()
