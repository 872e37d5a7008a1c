"""Bills as utilities send them: what their money is in, whose they are, what is doubtful. Values worked out by hand."""

import pandas as pd
import pytest
from build import (
    LTP,
    UP,
    block,
    entry,
    feed,
    hourly,
    local_time,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
    xml,
)

MAY, JUNE = utc("2024-05-01 04:00"), utc("2024-06-01 04:00")
DAY = 86400
CAD, USD = 124, 840


def period(start=MAY, days=31):
    return {"duration": days * DAY, "start": start}


def kwh(value, power=3, uom=72):
    return {"powerOfTenMultiplier": power, "uom": uom, "value": value}


def line(amount, note="Charge", kind=3, power=None, **measurement):
    own = None if power is None else {"powerOfTenMultiplier": power, "uom": 80, **measurement}
    return {"amount": amount, "note": note, "measurement": own, "itemKind": kind}


def summary(self_=f"{UP}/UsageSummary/1", kind="UsageSummary", **members):
    items = members.pop("items", None)
    members = {"billingPeriod": period(), "costAdditionalDetailLastPeriod": items, "currency": USD} | members
    return entry(resource(kind, members), self_, self_.rpartition("/")[0] if self_ else "")


def bills_of(*entries, **kw):
    point = usage_point(related=(f"{UP}/UsageSummary", LTP))
    return feed(point, *entries, local_time(), **kw)


# what is sent → the bill, its line items' amounts, the findings on money
MONEY = {
    "as the standard has it": (
        {"billLastPeriod": 10250000, "overallConsumptionLastPeriod": kwh(640), "items": [line(2700), line(10247300)]},
        (102.5, [0.027, 102.473], []),
    ),
    "a credit": (
        {"billLastPeriod": -2345000, "items": [line(-4000000, kind=6), line(1655000)]},
        (-23.45, [-40.0, 16.55], []),
    ),
    "line by line multipliers, the total in thousandths": (
        {
            "billLastPeriod": 93410,
            "items": [
                {"note": "Meter read", "measurement": kwh(1234567, -2), "itemKind": 10},
                line(9341, "Amount due", 10, -2), line(12000, "Balance forward", 4, -2),
                line(30500000, "Delivery", 2, -6), line(71910, "Off-peak", 3, -3), line(-900, "Rebate", 8, -2),
            ],
        },
        (93.41, [None, 93.41, 120.0, 30.5, 71.91, -9.0], ["espi.bill.money-scale"]),
    ),
    "a total that is only the sum of the charges": (
        {"billLastPeriod": 50750, "items": [line(4000, kind=3, power=-2), line(1075, kind=5, power=-2)]},
        (50.75, [40.0, 10.75], ["espi.bill.money-scale"]),
    ),
    "an amount due that was rounded to tenths": (
        {"billLastPeriod": 93410, "items": [line(934, "Amount due", 10, -1), line(8000, kind=3, power=-2)]},
        (93.41, [93.4, 80.0], ["espi.bill.money-scale"]),
    ),
    "a small fee that agrees with the total at 10^-5 by chance": (
        {"billLastPeriod": 84870, "items": [line(85, "Fee", 4, -2), line(84870, "Amount due", 10, -3)]},
        (84.87, [0.85, 84.87], ["espi.bill.money-scale"]),
    ),
    "cents, shown by the line items": (
        {"billLastPeriod": 8487, "items": [line(8487, power=-2)]},
        (84.87, [84.87], ["espi.bill.money-scale"]),
    ),
    "whole dollars, shown by the line items": (
        {"billLastPeriod": 85, "items": [line(85, power=0)]},
        (85.0, [85.0], ["espi.bill.money-scale"]),
    ),
    "a measurement in money beside an amount as the standard has it": (
        {"billLastPeriod": 1234000, "items": [line(1234000, power=-2, value=1234)]},
        (12.34, [12.34], []),
    ),
    "a total of zero over line items": (
        {"billLastPeriod": 0, "items": [line(7039000, kind=0), line(-4780000, "Rebate", 0)]},
        (0.0, [70.39, -47.8], ["espi.bill.total-zero"]),
    ),
    "a total of zero over line items that cancel": (
        {"billLastPeriod": 0, "items": [line(5000000), line(-5000000, "Payment", 9)]},
        (0.0, [50.0, -50.0], []),
    ),
    "dollars that nothing shows": (
        {"billLastPeriod": 128, "overallConsumptionLastPeriod": kwh(640)},
        (0.00128, [], ["espi.bill.price"]),
    ),
    "cents that nothing shows": (
        {"billLastPeriod": 12800, "overallConsumptionLastPeriod": kwh(640)},
        (0.128, [], ["espi.bill.price"]),
    ),
    "ten-millionths that nothing shows": (
        {"billLastPeriod": 1280000000, "overallConsumptionLastPeriod": kwh(64, 3)},
        (12800.0, [], ["espi.bill.price"]),
    ),
    "a small bill for little": ({"billLastPeriod": 1500000, "overallConsumptionLastPeriod": kwh(1)}, (15.0, [], [])),
    "a bill of another currency": (
        {"billLastPeriod": 900000, "overallConsumptionLastPeriod": kwh(6400), "currency": 392},
        (9.0, [], []),
    ),
    "a total in words": ({"billLastPeriod": "12.5 USD"}, (float("nan"), [], [])),
}  # fmt: skip


@pytest.mark.parametrize("sent", MONEY)
def test_money(opened, sent):
    members, (total, amounts, names) = MONEY[sent]
    found = opened(bills_of(summary(**members)))
    assert found.bills["bill_last_period"].tolist() == pytest.approx([total], nan_ok=True)
    have = found.line_items["amount"].tolist()
    assert have == pytest.approx([float("nan") if a is None else a for a in amounts], nan_ok=True)
    assert [n for n in found.findings.names if n.startswith("espi.bill")] == names


# what is sent → currency of the bill and of its line items
CURRENCIES = {
    "a code": (CAD, None, "CAD"),
    "white space": (" 124 ", None, "CAD"),
    "letters": ("CAD", None, "CAD"),
    "small letters": ("usd", None, "USD"),
    "no code of the table": (999, None, "code 999"),
    "another": (0, None, "other"),
    "none, but the reading type's": (None, CAD, "CAD"),
    "an empty one, but the reading type's": ("", CAD, "CAD"),
    "none at all": (None, None, None),
}


@pytest.mark.parametrize("sent", CURRENCIES)
def test_currencies(opened, sent):
    own, typed, currency = CURRENCIES[sent]
    found = opened(bills_of(summary(currency=own, items=[line(100)]), reading_type(currency=typed)))
    for table in (found.bills, found.line_items):
        assert table["currency"].fillna("none").tolist() == [currency or "none"]
    assert ("espi.code.unknown" in found.findings.names) == (currency == "code 999")


# a SummaryMeasurement → value and unit
MEASUREMENTS = {
    "Wh": (kwh(625716, 0), 625.716, "kWh"),
    "kWh": (kwh(640, 3), 640.0, "kWh"),
    "MWh": (kwh(2, 6), 2000.0, "kWh"),
    "no multiplier": ({"uom": 72, "value": 5000}, 5.0, "kWh"),
    "thousandths of a therm": (kwh(51234, -3, 169), 51.234, "therm"),
    "m3": (kwh(12345, -2, 42), 123.45, "m3"),
    "compensated m3": (kwh(7, 0, 167), 7.0, "m3 (compensated)"),
    "money": (kwh(1234, -2, 80), 12.34, "USD"),
    "negative": (kwh(-40, 3), -40.0, "kWh"),
    "out of order": ({"value": 7, "uom": 38, "powerOfTenMultiplier": 3}, 7.0, "kW"),
    "the reading type's unit and scale": ({"value": 1500, "readingTypeRef": "https://u.example/RT/9"}, 1.5, "therm"),
    "its own unit before the reading type's": (kwh(1, 3) | {"readingTypeRef": "RT/9"}, 1.0, "kWh"),
    "an unknown unit": (kwh(3, 0, 900), 3.0, "code 900"),
    "no unit": ({"value": 3}, 3.0, "unknown"),
    "a placeholder of a scale": (kwh(3000, 4096), 3.0, "kWh"),
}


@pytest.mark.parametrize("sent", MEASUREMENTS)
def test_measurements(opened, sent):
    members, value, unit = MEASUREMENTS[sent]
    typed = reading_type("https://u.example/RT/9", uom=169, powerOfTenMultiplier=-3)
    found = opened(bills_of(summary(overallConsumptionLastPeriod=members), typed))
    row = found.bills.iloc[0]
    assert row["overall_consumption_last_period"] == pytest.approx(value)
    assert row["overall_consumption_last_period_unit"] == unit
    assert pd.isna(row["overall_consumption_last_period_time"])
    if "readingTypeRef" in members:
        assert row["overall_consumption_last_period_reading_type_ref"] == members["readingTypeRef"]


def test_line_item_and_all_its_members_important_ones_first(opened):
    item = {"itemPeriod": period(MAY, 15), "unitCost": 12345, "itemKind": 2, "note": "Tier 1", "dateTime": JUNE,
            "rounding": -3, "measurement": kwh(250), "amount": 3086250}  # fmt: skip
    items = opened(bills_of(summary(items=[item]))).line_items
    first = ["meter", "bill", "bill_start", "bill_end", "note", "item_kind", "amount", "currency", "measurement"]
    assert items.columns[:9].tolist() == first
    row = items.iloc[0]
    assert row[["meter", "bill", "note", "item_kind"]].tolist() == ["1", "1", "Tier 1", "energy delivery fee"]
    assert row[["amount", "currency", "measurement", "measurement_unit"]].tolist() == [30.8625, "USD", 250.0, "kWh"]
    assert row[["unit_cost", "rounding"]].tolist() == [0.12345, -0.00003]
    moments = row[["bill_start", "bill_end", "date_time", "item_period_start", "item_period_end"]]
    assert [f"{m:%m-%d %H:%M %Z}" for m in moments] == [
        "05-01 00:00 EDT", "06-01 00:00 EDT", "06-01 00:00 EDT", "05-01 00:00 EDT", "05-16 00:00 EDT",
    ]  # fmt: skip


def test_line_items_of_the_misspelt_name(opened):
    members = {"costAdditionalDetailsLastPeriod": [line(100000), line(200000)]}
    found = opened(bills_of(entry(resource("UsageSummary", members), f"{UP}/UsageSummary/1")))
    assert found.line_items["amount"].tolist() == [1, 2]
    assert not [c for c in found.bills.columns if "detail" in c]


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (utc("2024-03-01 05:00"), 31 - 1 / 24, "2024-04-01 00:00:00-04:00"),  # the clocks went forward on the way
        (utc("2024-03-01 05:00"), 31, "2024-04-01 01:00:00-04:00"),  # 31 days of 24 hours, as it says
        (utc("2024-11-01 04:00"), 30 + 1 / 24, "2024-12-01 00:00:00-05:00"),
    ],
)
def test_billing_periods_across_clock_changes(opened, start, days, end):
    row = opened(bills_of(summary(billingPeriod={"duration": round(days * DAY), "start": start}))).bills.iloc[0]
    assert f"{row['start']:%d %H:%M}" == "01 00:00"
    assert row["end"] == pd.Timestamp(end)
    assert f"{row['end']:%z}" == end[-6:].replace(":", "")


@pytest.mark.parametrize(
    ("epoch", "start", "duration"),
    [("local", utc("2024-11-01 00:00"), 30 * DAY), ("standard", utc("2024-10-31 23:00"), 30 * DAY + 3600)],
)
def test_bills_count_from_the_same_epoch_as_the_readings(opened, epoch, start, duration):
    sent = bills_of(
        summary(billingPeriod={"duration": duration, "start": start}, items=[line(1)], statusTimeStamp=start)
    )
    found = opened(sent, tz="America/Chicago", epoch=epoch)
    for got in (found.bills[["start", "end"]].iloc[0], found.line_items[["bill_start", "bill_end"]].iloc[0]):
        assert [m.isoformat() for m in got] == ["2024-11-01T00:00:00-05:00", "2024-12-01T00:00:00-06:00"]
    assert found.bills["status_time_stamp"].iloc[0].isoformat() == "2024-11-01T00:00:00-05:00"


SEVERAL = {
    "one after another": ([summary(), summary(f"{UP}/UsageSummary/2", billingPeriod=period(JUNE, 30))], 2, []),
    "sharing the day of the reading": (
        [summary(billingPeriod=period(MAY, 32)), summary(f"{UP}/UsageSummary/2", billingPeriod=period(JUNE, 30))],
        2,
        [],
    ),
    "overlapping": (
        [summary(billingPeriod=period(MAY, 40)), summary(f"{UP}/UsageSummary/2", billingPeriod=period(JUNE, 30))],
        2,
        ["espi.bill.overlap"],
    ),
    "a year that holds its months, newest first": (
        [
            summary(f"{UP}/UsageSummary/2", billingPeriod=period(JUNE, 30)),
            summary(),
            summary(f"{UP}/UsageSummary/3", billingPeriod=period(MAY, 365)),
        ],
        3,
        ["espi.bill.overlap"],
    ),
    "sent twice": ([summary(billLastPeriod=5), summary(billLastPeriod=5)], 1, ["espi.bill.repeated"]),
    "sent twice under another id": (
        [summary(billLastPeriod=5), summary(f"{UP}/UsageSummary/2", billLastPeriod=5)],
        1,
        ["espi.bill.repeated"],
    ),
    "sent again with another total": (
        [summary(billLastPeriod=5), summary(billLastPeriod=6)],
        2,
        ["espi.bill.same-period"],
    ),
    "of two agencies": (
        [
            summary(billLastPeriod=5, billingChargeSource={"agencyName": "A"}),
            summary(f"{UP}/UsageSummary/2", billLastPeriod=6, billingChargeSource={"agencyName": "B"}),
        ],
        2,
        [],
    ),
    "of gas and electricity": ([summary(commodity=1), summary(f"{UP}/UsageSummary/2", commodity=7)], 2, []),
    "one of which has a total of zero": (
        [
            summary(billLastPeriod=0, items=[line(5000000)]),
            summary(f"{UP}/UsageSummary/2", billingPeriod=period(JUNE, 30)),
        ],
        2,
        ["espi.bill.total-zero"],
    ),
    "without periods": (
        [summary(billingPeriod=None, billToDate=1), summary(f"{UP}/UsageSummary/2", billingPeriod=None, billToDate=1)],
        2,
        [],
    ),
}


@pytest.mark.parametrize("sent", SEVERAL)
def test_several_bills_of_a_meter(opened, sent):
    entries, count, names = SEVERAL[sent]
    found = opened(bills_of(*entries))
    assert len(found.bills) == count
    assert found.bills["meter"].tolist() == ["1"] * count
    assert found.findings.names == names


def test_bill_in_two_files_is_counted_once_with_its_line_items(opened):
    members = {"billLastPeriod": 500000, "items": [line(500000)]}
    found = opened([bills_of(summary(**members)), bills_of(summary(f"{UP}/UsageSummary/x7", **members))])
    assert found.bills["bill_last_period"].tolist() == [5]
    assert found.line_items["amount"].tolist() == [5]
    assert len(found.usage_points) == len(found.local_time) == 1
    assert found.findings.named("espi.bill.repeated")[0].evidence["count"] == 1


TWO = (usage_point(self_="UsagePoint/1", related=()), usage_point(kind=1, self_="UsagePoint/2", related=()))
WHOSE = {
    "by its path": ([summary("UsagePoint/2/UsageSummary/1")], ["2"]),
    "by its own related link": ([entry(resource("UsageSummary"), "U/8", related=("UsagePoint/2",))], ["2"]),
    "by the usage point's link": (
        [usage_point(self_="UsagePoint/3", related=("U/8",)), entry(resource("UsageSummary"), "U/8")],
        ["3"],
    ),
    "by the order, as many as usage points": ([summary("U/8"), summary("U/9", billToDate=1)], ["1", "2"]),
    "of a usage point that is not there": ([summary("UsagePoint/77/UsageSummary/1")], ["77"]),
}


@pytest.mark.parametrize("sent", WHOSE)
def test_bill_has_the_meter_of_its_usage_point(opened, sent):
    entries, meters = WHOSE[sent]
    points = () if meters == ["77"] else TWO
    assert opened(feed(*points, *entries)).bills["meter"].tolist() == meters


def test_bill_alone_is_of_an_unknown_meter(opened):
    found = opened(resource("UsageSummary", {"billLastPeriod": 5, "currency": USD}).encode())
    assert found.bills[["meter", "bill_last_period", "currency"]].iloc[0].tolist() == ["unknown", 0.00005, "USD"]


def test_bills_in_one_content_keep_their_line_items_separate_by_period(opened):
    content = "".join(
        resource("UsageSummary", {"billingPeriod": period(start), "costAdditionalDetailLastPeriod": line(amount)})
        for start, amount in ((MAY, 100000), (JUNE, 200000))
    )
    items = opened(bills_of(entry(content, f"{UP}/UsageSummary"))).line_items
    assert items["bill_start"].dt.month.tolist() == [5, 6]
    assert items["amount"].tolist() == [1, 2]


def test_old_summary_with_new_members_empty_ones_and_any_order_and_case(opened):
    content = (
        "<e:ElectricPowerUsageSummary xmlns:e='http://naesb.org/espi'><e:readCycle> 07 </e:readCycle><e:peakDemand/>"
        "<e:currency/><e:billLastPeriod/><e:TariffProfile>E-1</e:TariffProfile><e:billingPeriod/>"
        "<e:currentBillingPeriodOverallConsumption><e:uom>72</e:uom><e:value>5000</e:value>"
        "</e:currentBillingPeriodOverallConsumption></e:ElectricPowerUsageSummary>"
    )
    row = opened(bills_of(entry(content, f"{UP}/UsageSummary/1"))).bills.iloc[0]
    assert row[["read_cycle", "tariff_profile", "resource"]].tolist() == ["07", "E-1", "ElectricPowerUsageSummary"]
    assert row[["current_billing_period_over_all_consumption", "meter"]].tolist() == [5.0, "1"]
    assert row[["peak_demand", "peak_demand_unit", "currency", "bill_last_period", "start", "end"]].isna().all()


def test_members_that_no_schema_names_are_kept(opened):
    more = {
        "billId": "B-7", "title": "May", "start": "soon", "extension": {"rate": {"step": [1, 2]}},
        "exported": {"powerOfTenMultiplier": 3, "uom": 72, "value": 12}, "season": {"duration": DAY, "start": MAY},
        "readCycle": ["07", "08"], "billToDate": [100000, 200000], "peakDemand": "7 kW",
        "tariffRiderRefs": {"tariffRiderRef": {"riderType": "R", "accessToken": "hush"}},
    }  # fmt: skip
    inner = "".join(xml(k, v) for k, v in more.items())
    vendor = '<v:billLastPeriod xmlns:v="urn:vendor">gone up</v:billLastPeriod><accessToken>hush</accessToken>'
    content = resource("UsageSummary", {"billLastPeriod": 100000}, inner + vendor)
    found = opened(bills_of(entry(content, f"{UP}/UsageSummary/1", title="Summary")))
    row = found.bills.iloc[0]
    assert row[["bill_last_period", "member_bill_last_period", "bill_id"]].tolist() == [1.0, "gone up", "B-7"]
    assert row[["title", "member_title", "member_start"]].tolist() == ["Summary", "May", "soon"]
    assert row[["extension_rate_step", "exported", "exported_unit"]].tolist() == ["1; 2", 12.0, "kWh"]
    assert row["season_end"] == pd.Timestamp("2024-05-02", tz="America/New_York")
    assert row[["read_cycle", "bill_to_date", "member_peak_demand"]].tolist() == ["07; 08", 1.0, "7 kW"]
    assert row["tariff_rider_refs"] == "riderType R"
    assert found.findings.named("espi.member.repeated")[0].evidence["counts"] == {"billToDate": 1}
    assert "accessToken" in found.findings.named("espi.member.withheld")[0].text
    assert "hush" not in found.bills.to_string() + repr(found) + found._repr_html_() + str(found.findings)


def test_invalid_member_is_empty_and_reported(opened):
    members = {"billToDate": "ten", "statusTimeStamp": 10**17, "peakDemand": kwh("much"),
               "billingPeriod": {"start": MAY, "end": JUNE, "timezone": "-0500"}}  # fmt: skip
    point = usage_point(related=(), isSdp="maybe", grounded="yes", status="on")
    found = opened(feed(point, entry(resource("UsageSummary", members), f"{UP}/UsageSummary/1"), local_time()))
    row, place = found.bills.iloc[0], found.usage_points.iloc[0]
    assert row[["bill_to_date", "status_time_stamp", "peak_demand"]].isna().all()
    assert place[["is_sdp", "status"]].isna().all()
    assert place["grounded"]
    assert f"{row['end']:%m-%d %H:%M}" == "06-01 00:00"  # the end, where there is no duration
    assert row["billing_period_timezone"] == "-0500"
    said = {(f.name, f.evidence["member"]) for f in found.findings if f.name.startswith(("espi.value", "espi.time"))}
    assert said == {
        ("espi.value.not-a-number", "billToDate"), ("espi.time.not-a-time", "statusTimeStamp"),
        ("espi.value.not-a-number", "peak_demand"), ("espi.value.not-a-flag", "isSdp"),
        ("espi.value.not-a-number", "status"),
    }  # fmt: skip


def test_member_that_is_words_here_and_a_measurement_there_is_words(opened):
    one = resource("UsageSummary", {"exported": kwh(12)})
    other = resource("UsageSummary", {"exported": "none"})
    found = opened(bills_of(entry(one, f"{UP}/UsageSummary/1"), entry(other, f"{UP}/UsageSummary/2")))
    assert found.bills["exported"].tolist() == ["12.0", "none"]


def test_flood_of_unknown_members_is_bounded(opened):
    found = opened(bills_of(entry(resource("UsageSummary", {f"m{i}": i for i in range(1000)}), f"{UP}/UsageSummary/1")))
    assert found.bills.shape[1] < 300
    assert found.findings.named("espi.member.too-many")[0].evidence["count"] == 800


def test_table_has_the_same_columns_for_every_feed(opened):
    held = opened(whole(block(hourly(MAY, [1])), more=summary(items=[line(1)])))
    none = opened(feed())
    for name in ("bills", "line_items", "usage_points", "reading_types"):
        assert getattr(held, name).dtypes.astype(str).tolist() == [
            # an empty feed has no zone
            str(d).replace("UTC", "America/New_York") for d in getattr(none, name).dtypes
        ]  # fmt: skip
        assert getattr(held, name).columns.tolist() == getattr(none, name).columns.tolist()
    assert held.bills.columns[:5].tolist() == ["meter", "id", "start", "end", "bill_last_period"]
    assert held.reading_types["unit"].tolist() == ["kWh"]
