"""Scale, units, codes, cost, quality, registers, duplicates (espi-quirks C)."""

import math

import pytest
from build import block, entry, feed, hourly, meters, reading, usage_point, utc, whole

START = utc("2024-01-05 05:00")


@pytest.mark.parametrize(
    ("uom", "power", "raw", "value", "unit"),
    [
        (72, 0, 1500, 1.5, "kWh"), (72, 3, 2, 2, "kWh"), (72, -3, 1234567, 1.234567, "kWh"),
        (169, -8, 103513077, 1.03513077, "therm"), (169, -5, 125000, 1.25, "therm"), (38, 0, 5500, 5.5, "kW"),
        (61, 0, 1000, 1, "kVA"), (63, 0, 1000, 1, "kvar"), (71, 0, 1000, 1, "kVAh"), (73, 0, 1000, 1, "kvarh"),
        (29, -1, 1203, 120.3, "V"), (5, -2, 250, 2.5, "A"), (42, -3, 1042, 1.042, "m3"), (119, 2, 3, 300, "ft3"),
        (128, 0, 748, 748, "gal"), (132, 3, 2, 2000, "Btu"), (65, -2, 95, 0.95, "cosθ"), (6, 0, 295, 295, "K"),
        (167, 0, 9, 9, "m3 (compensated)"), (229, 0, 9, 9, "code 229"), (72, 9, 1, 1e6, "kWh"),
    ],
)  # fmt: skip
def test_scale_and_unit(opened, uom, power, raw, value, unit):  # C1, C3
    df = opened(whole(block(hourly(START, [raw])), uom=uom, powerOfTenMultiplier=power)).readings
    assert df["value"].tolist() == [value]
    assert df["unit"].tolist() == [unit]


def test_placeholders_do_not_scale(opened):  # C3
    found = opened(whole(block(hourly(START, [7])), uom=65535, powerOfTenMultiplier=4096))
    assert found.readings["value"].tolist() == [7]
    assert found.readings["unit"].tolist() == ["code 65535"]
    assert {"espi.value.multiplier", "espi.code.unknown"} <= set(found.findings.names)


@pytest.mark.parametrize("uom", [None, "", 0])
def test_reading_type_without_a_unit_is_reported(opened, uom):
    found = opened(whole(block(hourly(START, [7])), uom=uom, powerOfTenMultiplier=""))
    assert found.readings[["value", "unit"]].iloc[0].tolist() == [7, "unknown"]
    assert [(f.name, f.severity) for f in found.findings] == [("espi.reading-type.no-unit", "serious")]


def test_spellings_of_numbers(opened):
    texts = ["1,234", "1,436,684", "1.5E3", "+7", "7.5", "12,34"]
    found = opened(whole(block(hourly(START, texts)), uom=42))
    assert found.readings["value"].fillna(-1).tolist() == [1234, 1436684, 1500, 7, 7.5, -1]
    assert {type(f.evidence["count"]) for f in found.findings} == {int}
    assert {f.name: f.evidence["count"] for f in found.findings} == {
        "espi.value.missing": 1, "espi.value.grouped": 2, "espi.value.not-a-number": 1,
    }  # fmt: skip
    assert {f.text for f in found.findings} == {
        "1 reading has no value. greenkit set it to NaN, with the quality missing.",
        "1 value of the member value is not a number. greenkit left it empty.",
        "2 values of the member value have commas between thousands. greenkit ignored the commas.",
    }  # fmt: skip


def test_unknown_codes_are_kept_and_reported(opened):  # C4
    found = opened(whole(block(hourly(START, [7])), timeAttribute=56, phase=229, flowDirection=77, kind=999))
    assert found.readings["flow"].tolist() == ["code 77"]
    assert found.readings["kind"].tolist() == ["code 999"]
    assert found.reading_types[["time_attribute", "phase"]].iloc[0].tolist() == ["code 56", "code 229"]
    members = {f.evidence["member"] for f in found.findings.named("espi.code.unknown")}
    assert members == {"timeAttribute", "phase", "flowDirection", "kind"}


def test_members_missing_from_the_type(opened):  # C5: as in the feeds of 2011 to 2014
    only = dict.fromkeys(("flowDirection", "intervalLength"))
    df = opened(whole(block(hourly(START, [7])), **only, currency=840)).readings
    assert df[["flow", "unit", "commodity", "currency", "value"]].iloc[0].tolist() == [
        "unknown", "kWh", "electricity", "USD", 0.007,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uom", "power", "raw", "cost", "price"),
    [
        (72, 3, 2820, 62026, 0.62026 / 2820),  # Wh already, and a multiplier that says kWh (Opower)
        (169, 5, 400000, 527000, 5.27 / 4e10),  # 5 for -5 (a gas utility of the South-west)
        (72, 0, 1000, 140, 0.0014),  # thousandths of a dollar for hundred-thousandths (Alectra)
        (72, 0, 2820, 62026, None), (72, 0, 1000, 400, None), (169, -5, 400000, 527000, None), (72, 3, 2820, 0, None), (128, 3, 26154, 1, None),
    ],
)  # fmt: skip
def test_implausible_price_is_reported(opened, uom, power, raw, cost, price):
    found = opened(whole(block(hourly(START, [raw, 0], cost=cost)), uom=uom, powerOfTenMultiplier=power, currency=840))
    said = found.findings.named("espi.value.unlikely-price")
    assert [f.evidence["price"] for f in said] == ([pytest.approx(price)] if price else [])
    assert all(f.severity == "serious" and f"({power})" in f.text for f in said)
    assert found.readings["value"].iloc[0] == pytest.approx(raw * 10.0**power / (1000 if uom == 72 else 1))


@pytest.mark.parametrize(
    ("title", "uom", "power", "said"),
    [
        ("Energy Delivered (CCF)", 119, -3, True), ("Energy Delivered (CCF)", 169, 0, True), ("Gas, Mcf", 119, 2, True),
        ("Energy Delivered (CCF)", 119, 2, False), ("Gas, MCF", 120, 3, False), ("Energy Delivered (Wh)", 72, 0, False),
        ("CCFX", 119, 0, False),
    ],
)  # fmt: skip
def test_title_in_another_unit_than_the_uom_is_reported(opened, title, uom, power, said):
    data = whole(block(hourly(START, [1040])), uom=uom, powerOfTenMultiplier=power, commodity=7).decode()
    data = data.replace(
        '<entry><link rel="self" href="ReadingType',
        f"<entry><title>{title}</title>" + '<link rel="self" href="ReadingType',
    )
    found = opened(data.encode())
    named = [f.evidence["titled"] for f in found.findings.named("espi.value.titled-otherwise")]
    assert named == ["MCF" if "Mcf" in title else "CCF"] * said


def test_registers_are_in_a_separate_table(opened):  # C6
    dial = entry(block(reading(START, 987654321, 0) + reading(START + 86400, 987655555, 0)), "x")
    mr = '<entry><link rel="self" href="D"/><link rel="related" href="x"/><link rel="related" href="R"/>'
    mr += '<link rel="related" href="UsagePoint/1"/>'
    mr += '<content><MeterReading xmlns="http://naesb.org/espi"/></content></entry>'
    rt = '<entry><link rel="self" href="R"/><content><ReadingType xmlns="http://naesb.org/espi">'
    rt += "<accumulationBehaviour>1</accumulationBehaviour><uom>72</uom></ReadingType></content></entry>"
    found = opened(whole(block(hourly(START, [1000, 2000])), more=dial + mr + rt))
    assert found.readings["value"].tolist() == [1, 2]
    assert found.registers["value"].tolist() == [987654.321, 987655.555]
    assert (found.registers["start"] == found.registers["end"]).all()
    assert found.findings.named("espi.register.apart")[0].evidence["count"] == 2
    assert found.findings.named("espi.register.apart")[0].severity == "info"


def test_register_that_decreases_and_has_durations_is_usage(opened):
    found = opened(whole(block(hourly(START, [500, 300, 400])), accumulationBehaviour=3))
    assert found.readings["value"].tolist() == [0.5, 0.3, 0.4]
    assert "espi.register.not-a-dial" in found.findings.names


@pytest.mark.parametrize("behaviour", [None, 0, 6, 12])  # not said, none, indicating, instantaneous
def test_increasing_values_without_durations_are_a_register(opened, behaviour):
    reads = "".join(reading(START + d * 86400, 1000 + d, 0) for d in range(3))
    found = opened(whole(block(reads), accumulationBehaviour=behaviour))
    assert found.readings.empty
    assert found.registers["value"].tolist() == [1, 1.001, 1.002]
    assert "espi.register.assumed" in found.findings.names
    assert found.findings.named("espi.register.apart")[0].severity == "warning"  # load_espi gives none


def test_deltas_of_no_duration_are_usage(opened):
    found = opened(whole(block(reading(START, 5, 0) + reading(START + 3600, 6, 0)), accumulationBehaviour=4))
    assert found.readings["value"].tolist() == [0.005, 0.006]
    assert found.findings.names == []


def test_cost_is_in_hundred_thousandths_whatever_the_multiplier(opened):  # C7
    df = opened(whole(block(hourly(START, [5], cost=12345)), powerOfTenMultiplier=3, currency=124)).readings
    assert df[["cost", "currency", "value"]].iloc[0].tolist() == [0.12345, "CAD", 5]
    assert math.isnan(opened(whole(block(hourly(START, [5])))).readings["cost"].iloc[0])


def test_negative_net(opened):  # C10
    df = opened(whole(block(hourly(START, [-250])), flowDirection=4)).readings
    assert df[["flow", "value"]].iloc[0].tolist() == ["net", -0.25]


def quality(*codes):
    return [{"quality": code} for code in codes]


@pytest.mark.parametrize(
    ("own", "default", "word", "code"),
    [
        ((), None, "actual", None), ((), 19, "actual", "19"), ((), 14, "raw", "14"), ((8,), 17, "estimated", "8"),
        ((0,), 8, "actual", "0"), ((7,), None, "edited", "7"), ((0, 9), None, "estimated", "0+9"),
        (("quality1",), None, "code quality1", "quality1"), ((99,), None, "code 99", "99"), ((12,), None, "projected", "12"),
    ],
)  # fmt: skip
def test_quality_is_that_of_the_reading_or_else_of_the_type(opened, own, default, word, code):  # C11
    feed_ = whole(block(hourly(START, [5], ReadingQuality=quality(*own))), defaultQuality=default)
    df = opened(feed_).readings
    assert df["quality"].tolist() == [word]
    assert (None if df["quality_code"].isna().all() else df["quality_code"].iloc[0]) == code


def test_quality_without_its_inner_element(opened):
    found = opened(whole(block(hourly(START, [5], ReadingQuality=[8, {"quality": 14}]))))
    assert found.readings["quality_code"].tolist() == ["8+14"]


def test_tou_cpp_and_tier_are_those_of_the_reading_or_else_of_the_type(opened):  # C12
    readings = (
        reading(START, 1, tou=2) + reading(START + 3600, 1, tou=0, cpp=1, consumptionTier=3) + reading(START + 7200, 1)
    )
    df = opened(whole(block(readings), tou=1, consumptionTier=0)).readings
    assert df["tou"].tolist() == [2, 0, 1]
    assert df["cpp"].fillna(-1).tolist() == [-1, 1, -1]
    assert df["tier"].fillna(-1).tolist() == [-1, 3, -1]


@pytest.mark.parametrize(
    ("kind", "members", "commodity"),
    [
        ("", {"commodity": 7, "uom": 169}, "natural gas"), (0, {"commodity": 7, "uom": 169}, "natural gas"),
        (1, {"uom": 42}, "natural gas"), (0, {"uom": 169}, "natural gas"), (2, {"uom": 128}, "potable water"),
        (0, {}, "electricity"), ("", {"uom": 72}, "electricity"),
    ],
)  # fmt: skip
def test_commodity(opened, kind, members, commodity):  # C13
    assert opened(whole(block(hourly(START, [5])), service=kind, **members)).readings["commodity"].tolist() == [
        commodity
    ]


def test_reading_without_a_number_is_missing(opened):
    found = opened(whole(block(hourly(START, [None, "", "abc", 5]))))
    assert found.readings["quality"].tolist() == ["missing"] * 3 + ["actual"]
    assert {"espi.value.missing", "espi.value.not-a-number"} <= set(found.findings.names)


def test_duplicate_block_counts_once(opened):
    day = block(hourly(START, range(24)), START, 86400)
    found = opened(whole(day, day, block(hourly(START + 86400, range(24)))))
    assert len(found.readings) == 48
    assert found.findings.named("espi.block.repeated")[0].evidence == {"blocks": 1, "readings": 24}


def test_same_start_other_value_is_kept_newest_last(opened):
    up = "UsagePoint/1/MeterReading/2/IntervalBlock"
    newest = entry(block(hourly(START, [9000])), up + "/n", up, updated="2024-03-01T00:00:00Z")
    oldest = entry(block(hourly(START, [1000])), up + "/o", up, updated="2024-01-01T00:00:00-05:00")
    found = opened(whole(more=newest + oldest))
    assert found.readings["value"].tolist() == [1, 9]
    assert found.findings.named("espi.reading.conflicting")[0].evidence["count"] == 1


def test_duplicate_reading_in_two_blocks_is_kept_and_reported(opened):
    found = opened(whole(block(hourly(START, [1, 2, 3])), block(hourly(START + 7200, [3, 4]))))
    assert len(found.readings) == 5
    assert found.findings.named("espi.reading.repeated")[0].evidence["count"] == 1


def test_overlapping_exports_count_once(opened, tmp_path):
    for n in (0, 1):
        hours = hourly(START + n * 7200, [1000 * (i + 2 * n) for i in range(4)])
        (tmp_path / f"{n}.xml").write_bytes(whole(block(hours)))
    found = opened(tmp_path)
    assert found.readings["value"].tolist() == [0, 1, 2, 3, 4, 5]
    assert "espi.reading.in-two-files" in found.findings.names


def test_newest_first_is_sorted(opened):  # D11
    readings = "".join(reading(START + i * 3600, i) for i in reversed(range(24)))
    found = opened(whole(block(readings)))
    assert found.readings["value"].tolist() == [i / 1000 for i in range(24)]


def test_feed_without_readings_is_an_empty_frame(opened):
    found = opened(feed(usage_point()))
    assert found.readings.empty
    assert found.readings.dtypes["cost"] == "float64"
    assert found.readings["value"].sum() == 0


def test_block_without_readings_causes_no_warning(opened):
    found = opened(feed(entry(block("", START, 86400))))
    assert found.readings.empty
    assert found.findings.names == []


def test_overlaps_of_a_year_are_for_the_record(opened):
    """A gas day of always 24 hours begins an hour early once a year."""
    days = "".join(reading(START + d * 86400 - 3600 * (d > 65), 1, 86400) for d in range(120))
    found = opened(whole(block(days), intervalLength=86400))
    assert [(f.name, f.severity) for f in found.findings] == [("espi.reading.overlapping", "info")]


def test_values_that_flow_against_their_type(opened):
    feed_ = whole(block(hourly(START, [-300, 500, -0.0])), flowDirection=19)
    (finding,) = opened(feed_).findings.named("espi.value.negative")
    assert (finding.severity, finding.evidence["flow"], finding.evidence["count"]) == ("warning", "received", 1)
    assert "1 value of 3 is negative" in finding.text
    for fits in ({"flowDirection": 4}, {"flowDirection": None}, {"flowDirection": 1, "uom": 38}):
        assert not opened(whole(block(hourly(START, [-300, 500])), **fits)).findings.named("espi.value.negative")


def test_codes_with_a_nought_behind_the_point(opened):
    odd = whole(block(hourly(START, [1_000_000])), uom="72.0", powerOfTenMultiplier="-3.0")
    found = opened(odd.replace(b">-18000<", b">-18000.0<"))
    assert found.readings[["value", "unit", "zone"]].iloc[0].tolist() == [1.0, "kWh", "America/New_York"]
    assert not found.findings


def test_decimals_of_a_watt_hour(opened):
    """Values of kWh whose type says Wh: no cost to tell it by, but a home of 0.3 W."""
    low = opened(whole(block(hourly(START, [0.25, 0.5, 0.125, 0]))))
    (finding,) = low.findings.named("espi.value.decimals")
    assert (finding.severity, finding.evidence["count"]) == ("warning", 3)
    assert "average is 0.29 W" in finding.text
    assert low.readings["value"].sum() == pytest.approx(0.000875)
    for fits in ([250.5, 500.25, 125.5], [2, 3, 4]):
        assert not opened(whole(block(hourly(START, fits)))).findings
    scaled = opened(whole(block(hourly(START, [0.25, 0.5])), powerOfTenMultiplier=3))
    assert not scaled.findings


def test_price_a_thousand_times_too_high(opened):
    dear = whole(block(hourly(START, [1, 2], cost=15_000)), currency=840)
    (finding,) = opened(dear).findings.named("espi.value.unlikely-price")
    assert finding.evidence["price"] == pytest.approx(100)
    assert not opened(dear.replace(b">840<", b">392<")).findings


def test_one_service_under_several_meters(opened):
    day = [100 + n for n in range(24)]
    (finding,) = opened(meters(START, day, day, [*day[:-1], 0], day, local=None), tz="UTC").findings.named(
        "espi.series.same"
    )
    assert (finding.severity, finding.evidence["series"]) == ("serious", ["0 / 1", "1 / 1", "3 / 1"])
    for fits in ([day, day[::-1]], [[5] * 24, [5] * 24], [[0] * 24, [0] * 24], [day[:23], day[:23]]):
        assert not opened(meters(START, *fits, local=None), tz="UTC").findings.named("espi.series.same")
