"""Every way in which links do and do not join the entries (espi-quirks B)."""

import pytest
from build import (
    MR,
    RT,
    UP,
    WH,
    block,
    blocks,
    entry,
    feed,
    hourly,
    meter_reading,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
)  # fmt: skip

from greenkit.espi import _series

START = utc("2024-01-05 05:00")
DAY = block(hourly(START, [1000, 2000]))
HOST = "https://u.example/DataCustodian/espi/1_1/resource/"


def series(found):
    columns = ["meter", "series", "flow", "unit"]
    return [tuple(r) for r in found.readings[columns].astype(str).drop_duplicates().to_numpy()]


LINKED = [("1", "2", "delivered", "kWh")]


def test_collection_links(opened):  # B1
    found = opened(whole(DAY))
    assert series(found) == LINKED
    assert not found.findings.named("espi.link")


def test_direct_links_without_up(opened):  # B2
    mr = meter_reading(related=("Block/9", RT))
    found = opened(feed(usage_point(), mr, reading_type(), entry(DAY, "Block/9")))
    assert series(found) == LINKED
    assert not found.findings.named("espi.link")


def test_nested_paths(opened):  # B3: the strings differ, the paths nest
    mr = meter_reading(self_=f"{HOST}{MR}", related=(RT,))
    found = opened(
        feed(usage_point(related=()), mr, reading_type(), entry(DAY, f"/espi/1_1/resource/{MR}/IntervalBlock/7"))
    )
    assert series(found) == LINKED
    assert found.findings.named("espi.link").names == ["espi.link.path"]


def test_no_links_at_all(opened):  # B4
    found = opened(feed(usage_point(self_="", related=()), reading_type(self_=""), entry(DAY)))
    assert found.readings["value"].tolist() == [1, 2]
    assert found.findings.named("espi.link").names == ["espi.link.only-one"]


def test_document_order_decides_last(opened):  # B4
    parts = [
        reading_type(self_="", uom=72), entry(DAY), entry(DAY),
        reading_type(self_="", uom=169), entry(block(hourly(START, [7]))),
    ]  # fmt: skip
    found = opened(feed(*parts))
    assert sorted(found.readings["unit"].astype(str)) == ["kWh", "kWh", "therm"]
    assert "espi.link.document-order" in found.findings.names
    assert found.findings.named("espi.link.document-order").worst.severity == "warning"


def test_back_links(opened):  # B5: the block names its MeterReading, that names its UsagePoint
    mr = entry(resource("MeterReading"), MR, related=(UP, RT))
    found = opened(feed(usage_point(related=()), mr, reading_type(), entry(DAY, "Block/9", related=(MR,))))
    assert series(found) == LINKED
    assert not found.findings.named("espi.link")


def test_many_entries_that_name_one_collection_search_it_once(opened, monkeypatch):
    """40 MeterReadings name the collection of 40 ReadingTypes; a search for each would take quadratic time."""
    searched = []
    near = _series._near
    monkeypatch.setattr(_series, "_near", lambda found, document: searched.append(len(found)) or near(found, document))
    parts = [usage_point()]
    for i in range(40):
        mr = f"{UP}/MeterReading/{i}"
        parts.append(entry(resource("ReadingType", WH | {"uom": 72}), f"ReadingType/{i}", "ReadingType"))
        parts.append(entry(resource("MeterReading"), mr, related=(f"{mr}/IntervalBlock", "ReadingType")))
        parts.append(entry(block(hourly(START, [i])), f"{mr}/IntervalBlock/1", f"{mr}/IntervalBlock"))
    found = opened(feed(*parts))
    assert sorted(found.readings["value"]) == [i / 1000 for i in range(40)]
    assert searched.count(40) <= 2


def test_usage_point_absent_but_in_the_path(opened):  # B6
    found = opened(feed(meter_reading(), reading_type(), blocks(DAY)))
    assert series(found) == LINKED


def test_usage_points_without_readings(opened):  # B6
    more = "".join(usage_point(self_=f"UsagePoint/{n}", related=()) for n in (5, 6, 7))
    found = opened(whole(DAY, more=more))
    assert series(found) == LINKED
    assert found.usage_points["meter"].tolist() == ["1", "5", "6", "7"]


def test_reading_type_missing(opened):  # B7
    found = opened(feed(blocks(DAY)))
    assert found.readings["value"].tolist() == [1000, 2000]
    assert set(found.readings["unit"]) == {"unknown"}
    assert found.findings.named("espi.reading-type.missing")[0].severity == "serious"


@pytest.mark.parametrize(
    "form",
    [HOST, "/espi/1_1/resource/", "espi/1_1/resource/", "", "http://other.sandbox.example:8443/espi/1_1/resource/"],
)
def test_absolute_rooted_and_relative_links_are_joined(opened, form):  # B8
    mr = meter_reading(self_=form + MR, related=(f" {MR}/IntervalBlock/ ", form + RT))
    found = opened(feed(usage_point(related=(form + "UsagePoint/1/MeterReading",)),
                        mr.replace("</entry>", f'<link rel="up" href="{UP}/MeterReading"/></entry>'),
                        reading_type(), blocks(DAY)))  # fmt: skip
    assert series(found) == LINKED
    assert not found.findings.named("espi.link")


def test_odd_hrefs(opened):  # B8: urn:uuid in the path, Base64 with = (also %3D), a certificate's unrelated link
    one, other = "UsagePoint/urn:uuid:ab-12", "UsagePoint/urn:uuid:ab-12/MeterReading/Nz09=="
    mr = entry(resource("MeterReading"), other.replace("=", "%3D"), related=(other + "/IntervalBlock", RT))
    up = usage_point(self_=one, related=(other, "https://cert.example.org/certificate/1"))
    found = opened(feed(up, mr, reading_type(), blocks(DAY, up=other + "/IntervalBlock")))
    assert series(found) == [("urn:uuid:ab-12", "Nz09==", "delivered", "kWh")]
    assert not found.findings.named("espi.link")


def test_duplicate_self_and_ids(opened):  # B9: sent twice, one resource
    found = opened(feed(usage_point(), usage_point(), meter_reading(), meter_reading(), reading_type(), blocks(DAY)))
    assert series(found) == LINKED
    assert len(found.readings) == 2


def two_series(first, second):
    """One usage point with two MeterReadings, each with its own ReadingType."""
    parts = [usage_point(related=("UsagePoint/1/MeterReading/a", "UsagePoint/1/MeterReading/b"))]
    for name, (members, day) in zip("ab", (first, second), strict=True):
        mr = f"UsagePoint/1/MeterReading/{name}"
        parts += [
            meter_reading(mr, (f"{mr}/IntervalBlock", f"ReadingType/{name}")),
            reading_type(f"ReadingType/{name}", **members),
            blocks(day, up=f"{mr}/IntervalBlock"),
        ]
    return feed(*parts)


def test_energy_and_demand_of_one_meter(opened):  # B10
    found = opened(two_series(({"uom": 72, "kind": 12}, DAY), ({"uom": 38, "kind": 8}, block(hourly(START, [5500])))))
    assert series(found) == [("1", "a", "delivered", "kWh"), ("1", "b", "delivered", "kW")]
    assert found.readings["value"].tolist() == [1, 2, 5.5]
    assert found.readings["kind"].tolist() == ["energy", "energy", "demand"]


def test_delivered_and_received(opened):  # B10
    found = opened(two_series(({}, DAY), ({"flowDirection": 19}, DAY)))
    assert series(found) == [("1", "a", "delivered", "kWh"), ("1", "b", "received", "kWh")]


def test_blocks_that_name_their_own_type(opened):  # B10: one MeterReading for both directions
    up = f"{MR}/IntervalBlock"
    parts = [usage_point(), meter_reading(related=(up,)), reading_type("T/1"), reading_type("T/2", flowDirection=19)]
    parts += [entry(DAY, f"{up}/{n}", up, (f"T/{n}",)) for n in (1, 2)]
    found = opened(feed(*parts))
    assert series(found) == [("1", "2", "delivered", "kWh"), ("1", "2", "received", "kWh")]
    assert not found.findings.named("espi.link")


def test_meter_reading_with_two_reading_types_is_reported(opened):
    parts = [usage_point(), meter_reading(related=(f"{MR}/IntervalBlock", "T/1", "T/2"))]
    found = opened(feed(*parts, reading_type("T/1"), reading_type("T/2", flowDirection=19), blocks(DAY)))
    assert series(found) == LINKED
    assert "more than one link" in found.findings.named("espi.link.document-order")[0].text


def test_reading_type_with_the_id_of_the_meter_reading(opened):
    """Elexicon: no MeterReading, and no link from the blocks to usage and dial but the id in their paths."""
    base = "Subscription/5/UsagePoint/1/MeterReading"
    types = reading_type("ReadingType/S01-KWH"), reading_type("ReadingType/S02-KWH", accumulationBehaviour=1)
    usage, dial = blocks(DAY, up=f"{base}/S01-KWH/IntervalBlock"), blocks(DAY, up=f"{base}/S02-KWH/IntervalBlock")
    found = opened(feed(*types, dial, usage))
    assert found.readings["reading_type"].unique().tolist() == ["S01-KWH"]
    assert found.registers["reading_type"].unique().tolist() == ["S02-KWH"]
    assert found.findings.named("espi.link").names == ["espi.link.same-id"]
    # numbers in a row say nothing
    numbered = feed(
        reading_type("ReadingType/2"), reading_type("ReadingType/1"), blocks(DAY, up=f"{base}/1/IntervalBlock")
    )
    assert opened(numbered).findings.named("espi.link").names == ["espi.link.document-order"]


@pytest.mark.parametrize("with_meter_readings", [True, False])
def test_only_type_of_the_usage_points_service(opened, with_meter_readings):
    """DTE Energy: electricity and gas of one customer, and nothing that joins their types but what they are of."""
    points = [usage_point(kind, f"UsagePoint/{kind}", related=()) for kind in (0, 1)]
    types = [reading_type("ReadingType/8", commodity=1), reading_type("ReadingType/9", commodity=7, uom=169)]
    readings = [blocks(DAY, up=f"UsagePoint/{kind}/MeterReading/1/IntervalBlock") for kind in (1, 0)]
    if with_meter_readings:
        readings += [meter_reading(f"UsagePoint/{kind}/MeterReading/1", related=()) for kind in (0, 1)]
    found = opened(feed(*points, *types, *readings))
    assert series(found) == [("0", "1", "delivered", "kWh"), ("1", "1", "delivered", "therm")]
    assert "espi.link.service" in found.findings.names
    assert "espi.link.document-order" not in found.findings.names
    twice = feed(*points, *types, reading_type("ReadingType/7", commodity=1, uom=38, kind=37), *readings)
    assert "espi.link.document-order" in opened(twice).findings.names


def test_one_reading_type_for_several_series(opened):  # B10
    parts = [reading_type()]
    for n in (1, 2):
        mr = f"UsagePoint/{n}/MeterReading/x"
        parts += [usage_point(self_=f"UsagePoint/{n}", related=(mr,)), meter_reading(mr, (f"{mr}/IntervalBlock", RT))]
        parts += [blocks(DAY, up=f"{mr}/IntervalBlock")]
    assert series(opened(feed(*parts))) == [("1", "x", "delivered", "kWh"), ("2", "x", "delivered", "kWh")]


def test_hourly_and_daily_series_of_one_name_stay_separate(opened):
    second = meter_reading("other/2", ("other/2/IntervalBlock", "ReadingType/d"))
    parts = [usage_point(related=(MR, "other/2")), meter_reading(), reading_type(), blocks(DAY), second]
    parts += [reading_type("ReadingType/d", intervalLength=86400)]
    parts += [blocks(block(hourly(START, [3000], 86400)), up="other/2/IntervalBlock")]
    assert series(opened(feed(*parts))) == [("1", "2", "delivered", "kWh"), ("1", "2 (2)", "delivered", "kWh")]


def test_answers_in_separate_files_are_joined(opened, tmp_path):
    """A usage point, its reading, its type and its blocks, each saved from its own request."""
    parts = {"1": usage_point(), "2": meter_reading(), "3": reading_type(), "4": blocks(DAY)}
    for name, part in parts.items():
        (tmp_path / f"{name}.xml").write_bytes(feed(part))
    assert series(opened(tmp_path)) == LINKED


def test_monthly_files_make_one_series(opened, tmp_path):
    for n in range(3):
        day = block(hourly(START + n * 86400, [1000]))
        (tmp_path / f"{n}.xml").write_bytes(whole(day, powerOfTenMultiplier=n))
    found = opened(tmp_path)
    assert series(found) == LINKED
    assert found.readings["value"].tolist() == [1, 10, 100]


@pytest.mark.parametrize("way", [str.title, str.upper, "http://www.iana.org/assignments/relation/{}".format])
def test_relations_in_any_case_and_as_uris(opened, way):
    data = whole(block(hourly(START, [1, 2])))
    for rel in ("self", "up", "related"):
        data = data.replace(f'rel="{rel}"'.encode(), f'rel="{way(rel)}"'.encode())
    found = opened(data)
    assert found.readings[["meter", "series", "unit"]].iloc[0].tolist() == ["1", "2", "kWh"]
    assert not found.findings
