"""What single utilities do that no rule of the standard covers (greenkit/espi/quirks)."""

import re
from pathlib import Path
from typing import ClassVar

import pytest
from build import block, entry, feed, hourly, reading, resource, usage_point, utc, whole, xml

from greenkit.errors import SettingsError
from greenkit.espi import open_espi, quirks
from greenkit.findings import Findings, Kind

CORE = Path(quirks.__file__).parent.parent

DUKE = """<?xml version="1.0" encoding="UTF-8"?>
<ns3:entry xmlns:espi="http://naesb.org/espi" xmlns:ns3="http://www.w3.org/2005/Atom"><ns3:content>{}</ns3:content></ns3:entry>"""


def duke(point, service, unit, length, start, *readings):
    said = {"servicePointId": point, "serviceType": service, "unitOfMeasure": unit, "secondsPerInterval": length}
    inner = xml("interval", {**said, "duration": 65840400, "start": start})
    for n, (quality, value) in enumerate(readings):
        period = {"start": start + n * length}
        inner += xml("IntervalReading", {"timePeriod": period, "readingQuality": quality, "value": value})
    return re.sub(r"<(/?)", r"<\1espi:", f"<IntervalBlock>{inner}</IntervalBlock>")


def test_interval_with_meter_unit_and_length(opened):
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


def test_interval_that_names_the_unit_and_readings_that_name_the_multiplier(opened):
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
    assert (quirk.severity, "divided the values by 10^3 to get kWh" in quirk.text) == ("warning", True)
    others = {"espi.reading-type.missing", "espi.value.own-multiplier", "espi.reading.conflicting"}
    assert not others & set(found.findings.names)


def test_unit_in_the_interval_alone(opened):
    start = utc("2026-08-03 05:00")
    found = opened(feed(smarthub(72, None, start, 250, duration=900)), tz="America/Chicago")
    assert found.readings[["value", "unit"]].iloc[0].tolist() == [0.25, "kWh"]
    assert [f.severity for f in found.findings.named("espi.quirk.interval-terms")] == ["info"]


def test_multiplier_of_a_reading_does_not_count_beside_a_reading_type(opened):
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


def test_capital_too_many(opened):
    data = whole(block(hourly(utc("2026-08-13 04:00"), [7, 8])))
    assert b"<IntervalBlock" in data
    found = opened(data.replace(b"IntervalBlock", b"IntervalBLock"))
    assert found.readings["value"].tolist() == [0.007, 0.008]
    assert "espi.resource.unknown" not in found.findings.names


def test_multiplier_of_opowers_batch_feeds(opened):
    """Con Edison's by Opower: kWh by uom and multiplier, which stand as they are said; but they may be Wh."""
    start = utc("2024-01-05 05:00")
    titled = "Opower ESPI Third Party Batch Feed v1"
    cost = [{"cost": 10_000_000_000, "timePeriod": {"duration": 3600, "start": start}, "value": 300_000}]
    readings = xml("IntervalReading", cost)
    found = opened(whole(block(readings), title=titled, powerOfTenMultiplier=3))
    assert found.readings[["value", "unit", "cost"]].iloc[0].tolist() == [3e5, "kWh", 100_000]
    assert "espi.quirk.opower-wh-by-price" not in found.findings.names
    name = "espi.quirk.opower-wh"
    assert [(f.name, f.severity) for f in found.findings.named(name)] == [(name, "serious")]
    plain = opened(whole(block(readings), title=titled))
    other = opened(whole(block(readings), title="Green Button", powerOfTenMultiplier=3))
    gas = opened(whole(block(readings), title=titled, powerOfTenMultiplier=3, uom=169))
    assert not [each for each in (plain, other, gas) if name in each.findings.names]


# The registry


@pytest.fixture
def registry(monkeypatch):
    """A registry that the test may change, with nothing read yet."""
    quirks.registered()  # fills the list of built-in quirks
    for name in ("_BUILT_IN", "_added", "_read"):
        monkeypatch.setattr(quirks, name, list(getattr(quirks, name)) if name != "_read" else [])
    return quirks


MADE_UP = Kind("espi.quirk.made-up", "info", "The values of {count:reading} were in dozens.", "Count them again.")


class DozenPower(quirks.Quirk):
    """A made-up utility: block titles name the unit, values are in dozens, qualities are in Latin, in Honolulu."""

    name = "dozen_power"
    sources = ("this test",)
    sample = "this test"
    zone = "Pacific/Honolulu"
    spellings: ClassVar = {"Messung": "IntervalReading"}
    quality_words: ClassVar = {"AESTIMATUM": "estimated"}

    def recognizes(self, document):
        return document.title == "Dozen Power"

    def implied_reading_type(self, block):
        members = {"uom": "72", "powerOfTenMultiplier": "3", "flowDirection": "19"}
        return quirks.ImpliedReadingType(members, MADE_UP, f"UsagePoint/{block.interval['pole']}", {"count": 0})

    def fix_rows(self, rows):
        rows.value *= 12
        found = Findings()
        found.add(MADE_UP, count=len(rows.value))
        return found

    def check_series(self, series):
        found = Findings()
        found.add(MADE_UP, count=0, series=series.name, unit=series.unit)
        return found


def dozens(title="Dozen Power"):
    start = utc("2024-01-05 10:00")
    interval = xml("interval", {"duration": 7200, "start": start, "pole": 9})
    readings = hourly(start, [2, 3], ReadingQuality={"quality": "AESTIMATUM"}).replace("IntervalReading>", "Messung>")
    return feed(entry(resource("IntervalBlock", inner=interval + readings)), title=title)


def test_made_up_utility_in_one_class_is_read_without_touching_the_core(registry, opened):
    before = open_espi(dozens())
    assert before.readings.empty
    registry._read.clear()
    registry.register(DozenPower())
    found = opened(dozens())
    df = found.readings
    assert df[["meter", "flow", "unit", "quality", "zone"]].iloc[0].tolist() == [
        "9", "received", "kWh", "estimated", "Pacific/Honolulu",
    ]  # fmt: skip
    assert df["value"].tolist() == [2 * 12, 3 * 12]
    assert [f.evidence.get("count", "file") for f in found.findings.named("espi.quirk.made-up")] == ["file", 2, 0]
    # the same file under another title is not theirs
    other = opened(dozens("Dozens"))
    assert not other.findings.named("espi.quirk")
    assert other.readings["value"].tolist() == [2, 3]


def test_quirk_cannot_be_registered_after_a_file_was_read(registry):
    open_espi(dozens())
    with pytest.raises(SettingsError, match="after a file was read") as raised:
        registry.register(DozenPower())
    assert raised.value.next_step == "Register quirks at the start of the program."


@pytest.mark.parametrize("name", ["", "duke"])
def test_quirk_needs_a_name_that_is_not_taken(registry, name):
    class Unnamed(quirks.Quirk):
        pass

    Unnamed.name = name
    with pytest.raises(SettingsError, match=f"cannot have the name '{name}'"):
        registry.register(Unnamed())


def test_two_quirks_of_one_document_apply_if_they_set_different_things(registry, opened):
    class Clockwork(quirks.Quirk):
        name = "clockwork"
        zone = "Asia/Seoul"

        def recognizes(self, document):
            return document.title.startswith("Opower")

    registry.register(Clockwork())
    title = "Opower ESPI Third Party Batch Feed v1"
    found = opened(whole(block(hourly(utc("2024-01-05 05:00"), [1])), title=title, powerOfTenMultiplier=3))
    assert set(found.readings["zone"]) == {"Asia/Seoul"}
    assert found.findings.named("espi.quirk").names == ["espi.quirk.opower-wh"]


def test_two_quirks_that_set_the_same_thing_are_reported_and_do_not_apply(registry, opened):
    class Rival(quirks.Quirk):
        name = "rival"
        zone = "Asia/Seoul"

        def recognizes(self, document):
            return document.title == "Dozen Power"

    registry.register(DozenPower())
    registry.register(Rival())
    found = opened(dozens(), tz="America/Chicago")
    (conflict,) = found.findings.named("espi.quirk.conflict")
    assert (conflict.severity, conflict.evidence["quirks"]) == ("serious", ["dozen_power", "rival"])
    assert found.readings["value"].tolist() == [2, 3]
    assert found.readings["unit"].tolist() == ["unknown"] * 2


def documents():
    """Return a document of each built-in quirk, and under "" one that none recognizes."""
    start = utc("2024-01-05 06:00")
    smt = whole(block(hourly(start, range(24)), utc("2024-01-05 00:00"), 86400), title="SMT Green Button Report: x")
    gas = whole(block(hourly(start, [7])), uom=169).replace(
        b"<content><ReadingType", b"<title>Delivered (CCF)</title><content><ReadingType"
    )
    return {
        "con_edison": feed(con_edison("KWH%2015", start, 0.25, 0.5)),
        "dte": gas,
        "duke": DUKE.format(duke("T-1", "ELECTRIC", "kWh", 900, start, ("ESTIMATE", 0.1))).encode(),
        "opower": whole(
            block(hourly(start, [3])), title="Opower ESPI Third Party Batch Feed v1", powerOfTenMultiplier=3
        ),
        "smart_meter_texas": smt,
        "smarthub": feed(smarthub(72, 3, start, 31250)),
        "": whole(block(hourly(start, [3]))),
    }


def test_every_quirk_has_a_document():
    for quirk in quirks.registered():
        assert quirk.name in documents(), f"add a document of {quirk.name} to documents() in this file"


@pytest.mark.parametrize("quirk", quirks.registered(), ids=lambda quirk: quirk.name)
def test_removing_a_quirk_changes_its_own_documents_only(registry, quirk):
    samples = documents()
    before = {name: open_espi(document, tz="America/Chicago") for name, document in samples.items()}
    registry._BUILT_IN.remove(quirk)
    for name, document in samples.items():
        after = open_espi(document, tz="America/Chicago")
        same = before[name].readings.equals(after.readings) and list(before[name].findings) == list(after.findings)
        assert same == (name != quirk.name), name


@pytest.mark.parametrize("quirk", quirks.registered(), ids=lambda quirk: quirk.name)
def test_quirk_declares_its_facts(quirk):
    module = __import__(type(quirk).__module__, fromlist=["x"])
    assert quirk.name == type(quirk).__module__.rpartition(".")[2]
    assert quirk.sources
    assert quirk.sample
    assert type(quirk).__doc__
    assert module.__doc__
    kinds = [value for value in vars(module).values() if isinstance(value, Kind)]
    changes = {"check_series", "implied_reading_type", "fix_rows"} & vars(type(quirk)).keys()
    assert bool(kinds) == bool(changes)


def test_no_core_module_names_a_utility():
    words = [quirk.name.replace("_", ".?") for quirk in quirks.registered()]
    names = re.compile(
        rf"\b({'|'.join(words)}|con.?ed|smt|lg&e|elexicon|ameren|pg&e|utilityapi|green.?mountain|toronto|ontario)\b",
        re.I,
    )
    allowed = re.compile(r"load_smt if it is from Smart Meter Texas|Smart Meter Texas, call load_smt|load_smt")
    for path in CORE.glob("*.py"):
        text = allowed.sub("", path.read_text(encoding="utf-8"))
        assert not names.search(text), f"{path.name}: {names.search(text)}"
