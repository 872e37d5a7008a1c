"""What single utilities do that no rule of the standard covers (greenkit/espi/_quirks.py)."""

import re

from build import block, entry, feed, hourly, reading, resource, usage_point, utc, whole, xml

DUKE = """<?xml version="1.0" encoding="UTF-8"?>
<ns3:entry xmlns:espi="http://naesb.org/espi" xmlns:ns3="http://www.w3.org/2005/Atom"><ns3:content>{}</ns3:content></ns3:entry>"""


def duke(point, service, unit, length, start, *readings):
    said = {"servicePointId": point, "serviceType": service, "unitOfMeasure": unit, "secondsPerInterval": length}
    inner = xml("interval", {**said, "duration": 65840400, "start": start})
    for n, (quality, value) in enumerate(readings):
        period = {"start": start + n * length}
        inner += xml("IntervalReading", {"timePeriod": period, "readingQuality": quality, "value": value})
    return re.sub(r"<(/?)", r"<\1espi:", f"<IntervalBlock>{inner}</IntervalBlock>")


def test_an_interval_that_says_meter_unit_and_length(opened):
    """Duke Energy: no links, no other resource; words for codes; values with decimals, in the unit itself."""
    start = utc("2025-03-31 05:00")
    blocks = duke("TEST-001", "ELECTRIC", "kWH", 900, start, ("ACTUAL", 0.11), ("ESTIMATED", 0.1))
    blocks += duke("TEST-001", "ELECTRIC", "kWH", 900, start + 1800, ("ACTUAL", 0.25))
    blocks += duke("TEST-002", "GAS", "CCF", 86400, start, ("ACTUAL", 1.5))
    found = opened(DUKE.format(blocks).encode(), tz="America/New_York")
    df = found.readings
    assert df["meter"].tolist() == ["TEST-001"] * 3 + ["TEST-002"]
    assert df["series"].tolist() == ["electric"] * 3 + ["gas"]
    assert df["commodity"].tolist() == ["electricity"] * 3 + ["natural gas"]
    assert list(zip(df["value"], df["unit"], strict=True)) == [(0.11, "kWh"), (0.1, "kWh"), (0.25, "kWh"), (150, "ft3")]
    assert df["quality"].tolist() == ["actual", "estimated", "actual", "actual"]
    assert df["start"].dt.tz_convert("UTC").dt.strftime("%m-%d %H:%M").tolist() == [
        "03-31 05:00",
        "03-31 05:15",
        "03-31 05:30",
        "03-31 05:00",
    ]
    assert (df["end"] - df["start"]).dt.total_seconds().tolist() == [900, 900, 900, 86400]
    assert "espi.quirk.interval-terms" in found.findings.names
    assert not {"espi.reading-type.missing", "espi.code.unknown"} & set(found.findings.names)


def smarthub(uom, power, start, *values, duration=86400):
    """One block of SmartHub's: unit and currency in its interval, the multiplier in each reading."""
    interval = xml("interval", {"duration": duration * len(values), "start": start, "uom": uom, "currency": 840})
    readings = [
        {"powerOfTenMultiplier": power, "timePeriod": {"duration": duration, "start": start + n * duration}, "value": v}
        for n, v in enumerate(values)
    ]
    return entry(resource("IntervalBlock", inner=interval + xml("IntervalReading", readings)))


def test_an_interval_that_names_the_unit_and_readings_that_name_the_multiplier(opened):
    """SmartHub: usage and demand of one meter, and no ReadingType to tell them apart."""
    start = utc("2026-08-03 05:00")
    blocks = [
        smarthub(72, 3, start, 31250, 29000),
        smarthub(72, 3, start + 2 * 86400, 30500),
        smarthub(38, 3, start, 5100),
    ]
    found = opened(feed(usage_point(related=()), *blocks, smarthub(119, 2, start, 150)), tz="America/Chicago")
    df = found.readings
    assert df.groupby(["meter", "series", "unit", "currency"], observed=True)["value"].agg(list).to_dict() == {
        ("1", "kW", "kW", "USD"): [5.1],
        ("1", "kWh", "kWh", "USD"): [31.25, 29.0, 30.5],
        ("1", "ft3", "ft3", "USD"): [1.5],
    }
    assert len(found.reading_types) == 3
    (quirk,) = found.findings.named("espi.quirk.interval-terms")
    assert (quirk.severity, "divided by 10^3 to get kWh; compare a bill" in quirk.text) == ("warning", True)
    others = {"espi.reading-type.missing", "espi.value.own-multiplier", "espi.reading.conflicting"}
    assert not others & set(found.findings.names)


def test_a_unit_in_the_interval_alone(opened):
    start = utc("2026-08-03 05:00")
    found = opened(feed(smarthub(72, None, start, 250, duration=900)), tz="America/Chicago")
    assert found.readings[["value", "unit"]].iloc[0].tolist() == [0.25, "kWh"]
    assert [f.severity for f in found.findings.named("espi.quirk.interval-terms")] == ["info"]


def test_a_multiplier_of_a_reading_does_not_count_beside_a_reading_type(opened):
    start = utc("2026-08-03 05:00")
    odd = "".join(reading(start + 900 * n, 250, 900, powerOfTenMultiplier=3) for n in range(300))
    found = opened(whole(block(odd + hourly(start + 300 * 900, [1500]))))
    assert set(found.readings["value"]) == {0.25, 1.5}
    assert [f.evidence["count"] for f in found.findings.named("espi.value.own-multiplier")] == [300]
    differ = feed(smarthub(72, 3, start, 1), smarthub(72, 3, start, 1).replace(">3<", ">2<", 1))
    assert "espi.value.own-multiplier" not in opened(differ, tz="America/Chicago").findings.names


def con_edison(name, start, *values):
    readings = [{"timePeriod": {"duration": 900, "start": start + n * 900}, "value": v} for n, v in enumerate(values)]
    inner = xml("interval", {"duration": 86400, "start": start}) + xml("intervalReading", readings)
    content = f'<intervalBlocks xmlns="http://naesb.org/espi"><intervalBlock>{inner}</intervalBlock></intervalBlocks>'
    path = "https://utility.example/gbc/v1/resource/Subscription/5/UsagePoint/77/MeterReading/9/IntervalBlock"
    return entry(content, f"{path}/SP_77_{name}%20Minute%20Interval%20Read%20Interval", path)


def test_small_first_letters_and_units_in_links(opened):
    """Con Edison's API: kvarh and kWh of one MeterReading in two entries, and no ReadingType."""
    start = utc("2026-08-13 04:00")
    found = opened(
        feed(con_edison("KVARH%2015", start, 0.1, 0.2), con_edison("KWH%2015", start, 0.25, 0.5)), tz="America/New_York"
    )
    df = found.readings
    assert df.groupby(["meter", "series", "unit"], observed=True)["value"].agg(list).to_dict() == {
        ("77", "9", "kWh"): [0.25, 0.5],
        ("77", "9", "kvarh"): [0.1, 0.2],
    }
    assert set(found.reading_types["interval_length"]) == {900}
    assert found.findings.named("espi.quirk").names == ["espi.quirk.link-terms"]
    assert not {"espi.reading-type.missing", "espi.resource.unknown"} & set(found.findings.names)
    # a ReadingType that the feed has is believed before a name
    typed = feed(con_edison("KWH%2015", start, 250), entry(resource("ReadingType", {"uom": 72})))
    assert opened(typed, tz="America/New_York").readings["value"].tolist() == [0.25]


def test_a_capital_too_many(opened):
    data = whole(block(hourly(utc("2026-08-13 04:00"), [7, 8])))
    assert b"<IntervalBlock" in data
    found = opened(data.replace(b"IntervalBlock", b"IntervalBLock"))
    assert found.readings["value"].tolist() == [0.007, 0.008]
    assert "espi.resource.unknown" not in found.findings.names


def test_the_multiplier_of_opowers_batch_feeds(opened):
    """Con Edison's by Opower: kWh by uom and multiplier, which stand as they are said; but they may be Wh."""
    start = utc("2024-01-05 05:00")
    titled = "Opower ESPI Third Party Batch Feed v1"
    cost = [{"cost": 10_000_000, "timePeriod": {"duration": 3600, "start": start}, "value": 300_000}]
    readings = xml("IntervalReading", cost)
    found = opened(whole(block(readings), title=titled, powerOfTenMultiplier=3))
    assert found.readings[["value", "unit", "cost"]].iloc[0].tolist() == [3e5, "kWh", 100]
    name = "espi.quirk.opower-wh"
    assert [(f.name, f.severity) for f in found.findings.named(name)] == [(name, "serious")]
    plain = opened(whole(block(readings), title=titled))
    other = opened(whole(block(readings), title="Green Button", powerOfTenMultiplier=3))
    gas = opened(whole(block(readings), title=titled, powerOfTenMultiplier=3, uom=169))
    assert not [each for each in (plain, other, gas) if name in each.findings.names]
