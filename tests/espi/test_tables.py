"""Bills, customers, authorizations and the other resources, with values worked out by hand."""

import pandas as pd
import pytest
from build import UP, block, entry, feed, hourly, reading_type, resource, usage_point, utc, whole

from greenkit.espi import open_espi
from greenkit.espi._members import TABLES

START = utc("2024-01-05 05:00")
MAY = utc("2024-05-01 04:00")
DAYS = 86400


def measure(value, uom=72, power=0, at=None):
    return {"powerOfTenMultiplier": power, "timeStamp": at, "uom": uom, "value": value}


def bill(members, kind="UsageSummary"):
    return entry(resource(kind, members), f"{UP}/UsageSummary/1,436,684,400,000", f"{UP}/UsageSummary")


SUMMARY = {
    "billingPeriod": {"duration": 30 * DAYS, "start": MAY},
    "billLastPeriod": 10250000,
    "billToDate": 100000,
    "costAdditionalLastPeriod": 64480,
    "costAdditionalDetailLastPeriod": [
        {"amount": 2700, "rounding": 3, "dateTime": MAY, "note": "Regulatory", "itemKind": 4},
        {
            "amount": -61780,
            "note": "Delivery",
            "measurement": measure(250000),
            "itemKind": 2,
            "unitCost": 12345,
            "itemPeriod": {"duration": DAYS, "start": MAY},
        },
    ],
    "currency": 840,
    "overallConsumptionLastPeriod": measure(625716),
    "currentBillingPeriodOverAllConsumption": measure(447993, at=MAY),
    "peakDemand": measure(5500, 38),
    "qualityOfReading": 14,
    "statusTimeStamp": MAY,
    "commodity": 1,
    "tariffProfile": "E-1",
    "readCycle": "07",
    "tariffRiderRefs": {"tariffRiderRef": [{"riderType": "DR", "enrollmentStatus": "enrolled"}, {"riderType": "EV"}]},
    "billingChargeSource": {"agencyName": "Example Energy"},
}


@pytest.mark.parametrize("kind", ["UsageSummary", "ElectricPowerUsageSummary"])  # B12
def test_bills(opened, kind):
    found = opened(whole(block(hourly(START, [1])), more=bill(SUMMARY, kind)))
    row = found.bills.iloc[0]
    assert len(found.bills) == 1
    assert row["meter"] == "1"
    assert row["start"] == pd.Timestamp("2024-05-01", tz="America/New_York")
    assert row["end"] == pd.Timestamp("2024-05-31", tz="America/New_York")
    assert row[["bill_last_period", "bill_to_date", "cost_additional_last_period"]].tolist() == [102.5, 1, 0.6448]
    assert row["currency"] == "USD"
    consumption = row[["overall_consumption_last_period", "overall_consumption_last_period_unit"]]
    assert consumption.tolist() == [625.716, "kWh"]
    assert row["current_billing_period_over_all_consumption_time"] == row["start"] == row["status_time_stamp"]
    assert row[["peak_demand", "peak_demand_unit"]].tolist() == [5.5, "kW"]
    assert row[["quality_of_reading", "commodity", "tariff_profile", "read_cycle"]].tolist() == [
        "raw", "electricity", "E-1", "07",
    ]  # fmt: skip
    assert row["tariff_rider_refs"].count("DR") == 1
    assert row["billing_charge_source_agency_name"] == "Example Energy"


def test_line_items(opened):
    items = opened(whole(more=bill(SUMMARY))).line_items
    assert items["amount"].tolist() == [0.027, -0.6178]
    assert items["note"].tolist() == ["Regulatory", "Delivery"]
    assert items["item_kind"].tolist() == ["administrative fee", "energy delivery fee"]
    assert items.loc[1, ["measurement", "measurement_unit", "unit_cost"]].tolist() == [250, "kWh", 0.12345]
    assert items.loc[1, "item_period_end"] - items.loc[1, "item_period_start"] == pd.Timedelta(days=1)
    assert items.loc[0, "rounding"] == 0.00003


def money(amount, power, note, **more):
    return {
        "amount": amount,
        "note": note,
        "measurement": {"powerOfTenMultiplier": power, "uom": 80, **more},
        "itemKind": 2,
    }


def test_line_items_with_multipliers_of_their_own_show_the_bills_scale(opened):  # C8
    items = [
        {"note": "Meter read", "measurement": measure(17579193, power=-2), "itemKind": 10},
        money(84870, -3, "Amount due"), money(45950000, -6, "Delivery"), money(-4517, -2, "Rebate"),
    ]  # fmt: skip
    found = opened(
        whole(more=bill({"billLastPeriod": 84870, "costAdditionalDetailLastPeriod": items, "currency": 124}))
    )
    assert found.bills["bill_last_period"].tolist() == [84.87]
    assert found.line_items["amount"].fillna(0).tolist() == [0, 84.87, 45.95, -45.17]
    assert found.line_items["measurement"].iloc[0] == pytest.approx(175.79193)
    assert found.findings.named("espi.bill.money-scale")[0].evidence["power"] == -3


def test_scale_of_a_bill_without_proof_is_reported(opened):
    items = [money(1000, -2, "Delivery")]
    found = opened(whole(more=bill({"billLastPeriod": 777, "costAdditionalDetailLastPeriod": items})))
    assert found.bills["bill_last_period"].tolist() == [0.00777]
    assert "espi.bill.money-unsure" in found.findings.names


def test_summary_times_in_milliseconds(opened):  # C9
    summary = {"overallConsumptionLastPeriod": measure(1, at=MAY * 1000), "statusTimeStamp": MAY * 1000}
    found = opened(whole(more=bill(summary)))
    assert found.bills["status_time_stamp"].iloc[0] == pd.Timestamp("2024-05-01", tz="America/New_York")
    assert "espi.time.milliseconds" in found.findings.names


def test_feed_of_bills_only(opened):  # B6: usage point and summaries, no readings
    found = opened(feed(usage_point(kind=1, related=(f"{UP}/UsageSummary",)), bill(SUMMARY)))
    assert found.readings.empty
    assert found.bills["meter"].tolist() == ["1"]


@pytest.mark.parametrize("name", ["serviceDeliveryPoint", "ServiceDeliveryPoint"])  # B12: 3.3 and 1.1
def test_usage_points(opened, name):
    members = {
        "roleFlags": "0004", "status": 1, name: {"name": "SDP", "tariffProfile": "E-1"}, "isSdp": "true",
        "nominalServiceVoltage": measure(120, 29), "phaseCode": 769, "servicePriority": "1",
    }  # fmt: skip
    row = opened(feed(usage_point(kind=0, **members))).usage_points.iloc[0]
    assert row[["meter", "role_flags", "service_category_kind", "status"]].tolist() == ["1", "0004", "electricity", 1]
    assert row[["service_delivery_point_name", "service_delivery_point_tariff_profile"]].tolist() == ["SDP", "E-1"]
    assert row["is_sdp"]
    assert row[["nominal_service_voltage", "nominal_service_voltage_unit", "phase_code"]].tolist() == [120, "V", "S12N"]


def test_reading_types(opened):
    members = {"accumulationBehaviour": 4, "commodity": 1, "dataQualifier": 12, "kind": 12, "measuringPeriod": 2}
    members |= {"argument": {"numerator": 1, "denominator": 3}, "defaultQuality": 17, "phase": 769}
    row = opened(feed(reading_type(**members))).reading_types.iloc[0]
    words = ["accumulation_behaviour", "commodity", "data_qualifier", "kind", "measuring_period", "default_quality"]
    assert row[words].tolist() == ["delta data", "electricity", "normal", "energy", "15-minute", "actual"]
    assert row[["uom", "argument_denominator", "interval_length"]].tolist() == [72, 3, 3600]


def test_power_quality(opened):
    members = {"flickerPlt": 1, "powerFrequency": 60, "summaryInterval": {"duration": DAYS, "start": MAY}}
    found = opened(whole(more=entry(resource("ElectricPowerQualitySummary", members), "Q", related=(UP,))))
    row = found.power_quality.iloc[0]
    assert row[["meter", "flicker_plt", "power_frequency"]].tolist() == ["1", 1, 60]
    assert row["summary_interval_end"] - row["summary_interval_start"] == pd.Timedelta(days=1)


def test_local_time(opened):
    row = opened(whole()).local_time.iloc[0]
    assert row[["tz_offset", "dst_offset", "dst_start_rule", "zone"]].tolist() == [
        -18000, 3600, "360E2000", "America/New_York",
    ]  # fmt: skip


def test_authorizations(opened):
    members = {
        "authorizedPeriod": {"duration": 31604340, "start": MAY}, "publishedPeriod": {"duration": 0, "start": 0},
        "status": 1, "expires_at": MAY, "grant_type": "authorization_code", "scope": "FB=1_3_4", "token_type": "Bearer",
        "resourceURI": "https://u.example/Batch/Subscription/7", "authorizationURI": "https://u.example/Authorization/1",
    }  # fmt: skip
    row = opened(feed(entry(resource("Authorization", members), "Authorization/1"))).authorizations.iloc[0]
    assert row[["status", "scope", "id"]].tolist() == ["active", "FB=1_3_4", "1"]
    assert row["resource_uri"] == "https://u.example/Batch/Subscription/7"
    assert row["expires_at"] == pd.Timestamp(MAY, unit="s", tz="UTC")
    assert row["authorized_period_start"] == pd.Timestamp(MAY, unit="s", tz="UTC")


def test_application_information_keeps_no_secret(opened):
    members = {
        "client_id": "abc",
        "client_secret": "hush",
        "registration_access_token": "hush",
        "redirect_uri": ["a", "b"],
    }
    found = opened(feed(entry(resource("ApplicationInformation", members))))
    assert found.application_information[["client_id", "redirect_uri"]].iloc[0].tolist() == ["abc", "a; b"]
    assert "hush" not in found.application_information.to_string() + repr(found) + found._repr_html_()


CUSTOMER_NS = "http://naesb.org/espi/customer"


def customer(kind, members, self_):
    return entry(resource(kind, members, ns=CUSTOMER_NS), self_)


def customer_feed():
    address = {"streetDetail": {"number": "1", "name": "Example St", "addressGeneral": "1 Example St"},
               "townDetail": {"name": "Springfield", "stateOrProvince": "XX"}, "postalCode": "00000"}  # fmt: skip
    return feed(
        customer("Customer", {"Organisation": {"streetAddress": address, "phone1": {"localNumber": "555-0100"}},
                              "kind": "residential", "customerName": "Ada Example"}, "Customer/1"),
        customer("CustomerAccount", {"accountId": "A-1", "createdDateTime": MAY, "lastBillAmount": 1234500,
                                     "contactInfo": {"electronicAddress": {"email1": "ada@example.org", "password": "hush"}}},
                 "CustomerAccount/2"),
        customer("CustomerAgreement", {"validityInterval": {"duration": 251922268800, "start": MAY}, "currency": 840,
                                       "agreementId": "G-1"}, "CustomerAgreement/3"),
        customer("ServiceLocation", {"mainAddress": address, "needsInspection": "false",
                                     "UsagePoints": {"UsagePoint": "https://u.example/UsagePoint/1"}}, "ServiceLocation/4"),
        customer("Meter", {"serialNumber": "S-1", "lifecycle": {"installationDate": MAY}, "intervalLength": 900}, "Meter/5"),
        customer("EndDevice", {"serialNumber": "S-2", "isVirtual": "0"}, "EndDevice/6"),
        customer("ServiceSupplier", {"Organisation": {"organisationName": "Example Utility"}}, "ServiceSupplier/7"),
    )  # fmt: skip


def test_customer_feeds(opened):
    found = opened(customer_feed())
    assert found.customers["customer_name"].tolist() == ["Ada Example"]
    assert found.customers["organisation_street_address_town_detail_name"].tolist() == ["Springfield"]
    assert found.customers["organisation_phone1_local_number"].tolist() == ["555-0100"]
    assert found.accounts[["account_id", "last_bill_amount"]].iloc[0].tolist() == ["A-1", 12.345]
    assert found.accounts["contact_info_electronic_address_email1"].tolist() == ["ada@example.org"]
    assert found.agreements["validity_interval_end"].isna().all()  # its duration is beyond what the type can hold
    assert found.agreements[["agreement_id", "currency"]].iloc[0].tolist() == ["G-1", "USD"]
    assert found.service_locations["usage_points"].tolist() == ["https://u.example/UsagePoint/1"]
    assert found.meters["serial_number"].tolist() == ["S-1", "S-2"]
    assert found.suppliers["organisation_organisation_name"].tolist() == ["Example Utility"]


def test_no_repr_shows_personal_data(opened):
    found = opened(customer_feed())
    shown = repr(found) + found._repr_html_() + str(found.findings) + found.findings._repr_html_()
    for private in ("Ada", "Example St", "555-0100", "ada@", "A-1", "S-1", "hush", "Springfield"):
        assert private not in shown
    assert "1 customer," in shown
    assert "hush" not in found.accounts.to_string()


def test_repr_escapes_what_it_shows(opened):
    bad = whole(block(hourly(START, [1, 2])), flowDirection=77).replace(b'"UsagePoint/1"', b'"UsagePoint/&lt;b&gt;"')
    html = opened(bad)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    for shown in ("kWh", "2024-01-05 00:00:00-05:00", "espi.code.unknown", "var(--jp-"):
        assert shown in html


def test_statements_and_unknown_resources(opened):
    found = opened(
        feed(entry(resource("Statement", {"issueDateTime": MAY}, ns=CUSTOMER_NS)), entry(resource("Surprise")))
    )
    assert found.statements["issue_date_time"].iloc[0] == pd.Timestamp(MAY, unit="s", tz="UTC")
    assert found.findings.named("espi.resource.unknown")[0].evidence["kind"] == "Surprise"


def test_every_table_exists_empty(opened):
    found = opened(feed())
    for name in (*TABLES, "line_items"):
        table = getattr(found, name)
        assert len(table) == 0
        assert len(table.columns) > 5, name
        assert ("bill_start" in table.columns) == (name == "line_items")
        assert ("resource" in table.columns) == (name in TABLES and len(TABLES[name][0]) > 1)


def test_findings_build_no_frame(sample_path):
    found = open_espi(sample_path("espi"))
    assert "line item" in repr(found)
    assert found._tables._frames == {}
    assert len(found.bills) == found._tables.counts()["bills"]
