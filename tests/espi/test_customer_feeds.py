"""Customer feeds, authorizations and the rest: who belongs to whom, and lists written out. Values worked out by hand."""

import re

import pandas as pd
import pytest
from build import ESPI, LTP, UP, block, entry, feed, hourly, local_time, resource, usage_point, utc, whole

NS = "http://naesb.org/espi/customer"
MAY, JUNE = utc("2024-05-01 04:00"), utc("2024-06-01 04:00")
DAY = 86400


def cust(kind, members=None, self_="", related=(), **kw):
    return entry(resource(kind, members, ns=NS), self_, related=related, **kw)


def location(*paths, **members):
    refs = {"UsagePoint": [f"https://u.example/espi/1_1/resource/{p}" for p in paths]} if paths else None
    return {"UsagePoints": refs, **members}


C = "RetailCustomer/9/Customer/100"
A, G = f"{C}/CustomerAccount/200", f"{C}/CustomerAccount/200/CustomerAgreement/300"
NESTED = (
    cust("Customer", self_=C),
    cust("CustomerAccount", self_=A),
    cust("CustomerAgreement", self_=G),
    cust("ServiceLocation", location(UP), f"{G}/ServiceLocation/400"),
    cust("Meter", {"serialNumber": "S-1"}, f"{G}/ServiceLocation/400/Meter/500"),
    cust("Statement", self_=f"{A}/Statement/600"),
)
FLAT = (  # no path says anything: each names the next, or is named by it
    cust("Customer", self_="x/100", related=("x/200",)),
    cust("CustomerAccount", self_="x/200"),
    cust("CustomerAgreement", self_="x/300", related=("x/200",)),
    cust("ServiceLocation", location(UP), "x/400", related=("x/300", "x/500")),
    cust("EndDevice", {"serialNumber": "S-1"}, "x/500"),
    cust("Statement", self_="x/600", related=("x/200",)),
    # somebody else, so that nothing is the only one
    cust("Customer", self_="x/101"), cust("CustomerAccount", self_="x/201"), cust("CustomerAgreement", self_="x/301"),
    cust("ServiceLocation", location(), "x/401"),
)  # fmt: skip
COLLECTIONS = tuple(
    e.replace('rel="related" href="x/200"', 'rel="related" href="x/C"').replace(
        'rel="self" href="x/200"', 'rel="up" href="x/C"/><link rel="self" href="x/200"'
    )
    for e in FLAT
)
ONE_OF_EACH = tuple(re.sub('href="[^"]*"', f'href="y{n}"', e) for n, e in enumerate(NESTED))
BELONGS = {"nested paths": NESTED, "links": FLAT, "collections": COLLECTIONS, "one of each": ONE_OF_EACH}


@pytest.mark.parametrize("sent", BELONGS)
@pytest.mark.parametrize("backwards", [False, True])
def test_customers_accounts_and_agreements_are_linked(opened, sent, backwards):
    entries = BELONGS[sent][:: -1 if backwards else 1]
    found = opened(feed(usage_point(), *entries))
    tables = {
        n: getattr(found, n).sort_values("id")
        for n in ("accounts", "agreements", "service_locations", "meters", "statements")
    }
    account, agreement = tables["accounts"].iloc[0], tables["agreements"].iloc[0]
    place, meter, statement = (tables[n].iloc[0] for n in ("service_locations", "meters", "statements"))
    people = found.customers.sort_values("id").iloc[0]
    assert account["customer"] == agreement["customer"] == place["customer"] == meter["customer"] == people["id"]
    assert agreement["account"] == place["account"] == meter["account"] == statement["account"] == account["id"]
    assert place["agreement"] == agreement["id"]
    assert meter["service_location"] == place["id"]
    assert place["meter"] == meter["meter"] == found.usage_points["meter"].iloc[0] == "1"
    if sent == "nested paths":
        ids = [t["id"] for t in (people, account, agreement, place, meter, statement)]
        assert ids == ["100", "200", "300", "400", "500", "600"]


def test_accounts_without_links_have_no_customer(opened):
    found = opened(feed(cust("Customer", {"customerName": "A"}), cust("Customer", {"customerName": "B"}),
                        cust("CustomerAccount", {"accountId": "1"}), cust("CustomerAccount", {"accountId": "1"})))  # fmt: skip
    assert found.customers["customer_name"].tolist() == ["A", "B"]
    assert found.accounts["account_id"].tolist() == ["1", "1"]  # two entries without a name are two
    assert found.accounts["customer"].isna().all()


def test_customer_feed_joins_the_readings_of_its_usage_points(opened):
    ids = {"espi": f"RetailCustomer/9/{UP}", "other": "RetailCustomer/9/UsagePoint/2"}
    people = feed(cust("ServiceLocation", location(*ids.values()), "L/1"), cust("ServiceLocation", location(), "L/2"))
    found = opened([whole(block(hourly(MAY, [1, 2]))), people])
    served = found.service_locations.assign(meter=found.service_locations["meter"].str.split("; ")).explode("meter")
    assert served["meter"].fillna("").tolist() == ["1", "2", ""]
    joined = found.readings.astype({"meter": "str"}).merge(served[["meter", "id"]], on="meter")
    assert joined["id"].tolist() == ["L/1".rpartition("/")[2]] * 2


def test_feed_of_its_own_prefixes_zone_and_order(opened):
    text = f"""<a:feed xmlns:a="http://www.w3.org/2005/Atom" xmlns:q="{NS}"><a:entry>
      <a:link href="LocalTimeParameters/1" rel="self"/><a:content><q:TimeConfiguration><q:dstEndRule>B40E2000</q:dstEndRule>
      <q:dstOffset>3600</q:dstOffset><q:dstStartRule>360E2000</q:dstStartRule><q:tzOffset>-21600</q:tzOffset>
      </q:TimeConfiguration></a:content></a:entry><a:entry><a:content><q:CustomerAgreement>
      <q:agreementId> G-1 </q:agreementId><q:title>Terms</q:title><q:validityInterval><q:start>1448514000</q:start>
      <q:duration>251922268800</q:duration></q:validityInterval><q:PricingStructures>RES-TOU</q:PricingStructures>
      <q:PricingStructures>EV-A</q:PricingStructures><q:currency/></q:CustomerAgreement></a:content>
      <a:title>Customer Agreement</a:title></a:entry></a:feed>"""
    row = opened(text.encode()).agreements.iloc[0]
    assert row[["agreement_id", "title", "member_title"]].tolist() == ["G-1", "Customer Agreement", "Terms"]
    assert row["pricing_structures"] == "RES-TOU; EV-A"
    # without end: thousands of years, more seconds than a UInt32 has, but still an instant
    assert row["validity_interval_start"].isoformat() == "2015-11-25T23:00:00-06:00"
    assert row["validity_interval_end"].isoformat() == "9998-12-31T23:00:00-06:00"
    assert pd.isna(row["currency"])


# resource, members → table, column, what it reads
LISTS = {
    "DemandResponseProgram": (
        {"programName": "Peak", "enrollmentStatus": "enrolled", "DRProgramNomination": {"powerOfTenMultiplier": 3,
         "uom": 38, "value": 5}, "programDate": {"programDate": MAY, "programDateDescription": "Enrollment"}},
        "CustomerAgreement", "agreements", "demand_response_program",
        "programName Peak, enrollmentStatus enrolled, DRProgramNomination 5 kW, "
        "programDate programDate 2024-05-01 00:00:00-04:00, programDateDescription Enrollment",
    ),
    "futureStatus": (
        [{"value": "closing", "dateTime": JUNE}, {"value": "closed"}], "CustomerAgreement", "agreements", "future_status",
        "value closing, dateTime 2024-06-01 00:00:00-04:00; value closed",
    ),
    "notifications": (
        {"methodKind": "email", "time": MAY, "note": "late", "customerNotificationKind": "bill"}, "CustomerAccount",
        "accounts", "notifications",
        "methodKind email, time 2024-05-01 00:00:00-04:00, note late, customerNotificationKind bill",
    ),
    "positionPoints": (
        [{"xPosition": "-79.8", "yPosition": "43.3"}, {"xPosition": "-79.9", "yPosition": "43.4"}], "ServiceLocation",
        "service_locations", "position_points", "xPosition -79.8, yPosition 43.3; xPosition -79.9, yPosition 43.4",
    ),
    "MeterMultipliers": (
        [{"kind": "kH", "value": "7.2"}, {"kind": "ctRatio", "value": "40"}], "Meter", "meters", "meter_multipliers",
        "kind kH, value 7.2; kind ctRatio, value 40",
    ),
    "statementRef": (
        {"fileName": "may.pdf", "mediaType": "application/pdf", "statementURL": "https://u.example/s/1"}, "Statement",
        "statements", "statement_ref", "fileName may.pdf, mediaType application/pdf, statementURL https://u.example/s/1",
    ),
    "programDateIdMapping": (
        {"programDateType": "CUST_DR_PROGRAM_ENROLLMENT_DATE", "code": "7", "name": "Peak"}, "ProgramDateIdMappings",
        "programs", "program_date_id_mapping", "programDateType CUST_DR_PROGRAM_ENROLLMENT_DATE, code 7, name Peak",
    ),
    "programIdMapping": (
        [{"code": 1, "name": "Off-peak"}, {"code": 2, "name": "Peak"}], "ProgramIdMappings", "programs",
        "program_id_mapping", "code 1, name Off-peak; code 2, name Peak",
    ),
    "pnodeRefs": (
        {"pnodeRef": [{"apnodeType": "LAP", "ref": "P1", "startEffectiveDate": MAY}, {"apnodeType": "CPZ", "ref": "P2"}]},
        "UsagePoint", "usage_points", "pnode_refs",
        "apnodeType LAP, ref P1, startEffectiveDate 2024-05-01 00:00:00-04:00; apnodeType CPZ, ref P2",
    ),
    "aggregateNodeRefs": (
        {"aggregateNodeRef": {"anodeType": "POD", "ref": "N1", "pnodeRef": {"apnodeType": "LAP", "ref": "P1"}}},
        "UsagePoint", "usage_points", "aggregate_node_refs",
        "anodeType POD, ref N1, pnodeRef apnodeType LAP, ref P1",
    ),
    "serviceDeliveryPoint": (
        {"tariffRiderRefs": {"tariffRiderRef": [
            {"riderType": "DR", "enrollmentStatus": "enrolled", "effectiveDate": MAY}, {"riderType": "EV"}]}},
        "UsagePoint", "usage_points", "service_delivery_point_tariff_rider_refs",
        "riderType DR, enrollmentStatus enrolled, effectiveDate 2024-05-01 00:00:00-04:00; riderType EV",
    ),
}  # fmt: skip


@pytest.mark.parametrize("member", LISTS)
def test_lists_are_written_out_with_their_moments(opened, member):
    value, kind, table, column, text = LISTS[member]
    ns = ESPI if kind in ("UsagePoint", "ProgramIdMappings") else NS
    found = opened(feed(entry(resource(kind, {member: value}, ns=ns), f"{kind}/1", related=(LTP,)), local_time()))
    assert getattr(found, table)[column].tolist() == [text]


PHONE = {"countryCode": "1", "areaCode": "555", "cityCode": "2", "localNumber": "0100", "ext": "9", "dialOut": "9",
         "internationalPrefix": "011", "ituPhone": "+15550100"}  # fmt: skip
ADDRESS = {
    "streetDetail": {"number": "1", "name": "Main", "suffix": "St", "prefix": "N", "type": "street", "code": "7",
                     "buildingName": "B", "suiteNumber": "2", "addressGeneral": "1 Main", "withinTownLimits": "true"},
    "townDetail": {"code": "T", "section": "S", "name": "Springfield", "county": "C", "stateOrProvince": "XX",
                   "country": "US"},
    "status": {"value": "Active", "dateTime": MAY}, "postalCode": "00000", "poBox": "77",
}  # fmt: skip


def test_customer_with_all_its_addresses(opened):
    organisation = {"organisationName": "Example & Co", "streetAddress": ADDRESS, "postalAddress": ADDRESS, "phone1": PHONE,
                    "phone2": PHONE, "electronicAddress": {"email1": "a@mail.example", "userID": "a", "password": "hush"}}  # fmt: skip
    members = {"customerName": "Ada", "kind": "residential", "vip": "1", "status": "active", "locale": "en_US",
               "priority": {"rank": 2, "type": "high"}, "Organisation": organisation}  # fmt: skip
    text = resource("Customer", members, ns=NS).replace("&", "&amp;")
    found = opened(feed(entry(text, "Customer/1"), local_time()))
    row = found.customers.iloc[0]
    assert found.customers.columns[:3].tolist() == ["id", "customer_name", "name"]
    assert row[["customer_name", "kind", "status", "locale", "priority_rank"]].tolist() == [
        "Ada", "residential", "active", "en_US", 2,
    ]  # fmt: skip
    assert row["vip"]
    for prefix in ("organisation_street_address", "organisation_postal_address"):
        assert row[f"{prefix}_town_detail_name"] == "Springfield"
        assert row[f"{prefix}_street_detail_within_town_limits"]
        assert row[[f"{prefix}_postal_code", f"{prefix}_po_box", f"{prefix}_status_value"]].tolist() == [
            "00000", "77", "Active",
        ]  # fmt: skip
        assert row[f"{prefix}_status_date_time"] == pd.Timestamp("2024-05-01", tz="America/New_York")
    assert row[["organisation_phone2_itu_phone", "organisation_phone1_ext"]].tolist() == ["+15550100", "9"]
    assert row["organisation_organisation_name"] == "Example & Co"
    assert "hush" not in found.customers.to_string()


def test_hostile_names_are_kept_in_the_table_and_shown_by_no_repr(opened):
    name = "&lt;script&gt;alert(1)&lt;/script&gt;"
    found = opened(feed(cust("Customer", {"customerName": name, name[4:10]: "Ada"}, f"Customer/{name}", title=name)))
    assert found.customers["customer_name"].tolist() == ["<script>alert(1)</script>"]
    assert found.customers["script"].tolist() == ["Ada"]
    shown = found._repr_html_() + repr(found)
    assert "script" not in shown
    assert "Ada" not in shown


def test_authorization_that_was_refused_and_the_tokens_it_came_with(opened):
    members = {"status": "2", "error": "invalid_scope", "error_description": "no", "error_uri": "https://u.example/e",
               "expires_at": 253402300799, "access_token": "hush", "refresh_token": "hush", "customerResourceURI": "C/1",
               "publishedPeriod": {"duration": DAY, "start": MAY}}  # fmt: skip
    found = opened(feed(entry(resource("Authorization", members), "Authorization/7"), local_time()))
    row = found.authorizations.iloc[0]
    assert row[["id", "status", "error", "error_description", "error_uri"]].tolist() == [
        "7", "denied", "invalid_scope", "no", "https://u.example/e",
    ]  # fmt: skip
    assert row["published_period_end"] == pd.Timestamp("2024-05-02", tz="America/New_York")
    assert pd.isna(row["expires_at"])  # the end of the year 9999 is no day of 1978
    assert "espi.time.not-a-time" in found.findings.names
    assert found.findings.named("espi.member.withheld")[0].evidence["members"] == ["access_token", "refresh_token"]
    assert "hush" not in found.authorizations.to_string() + repr(found) + found._repr_html_()


@pytest.mark.parametrize(("code", "word"), [("1", "active"), ("Active", "active"), ("0", "revoked"), ("7", "code 7")])
def test_status_words(opened, code, word):
    found = opened(feed(entry(resource("Authorization", {"status": code}), "Authorization/7")))
    assert found.authorizations["status"].tolist() == [word]


def test_registration_in_words(opened):
    members = {"dataCustodianApplicationStatus": 2, "thirdPartyApplicationStatus": 3, "thirdPartyApplicationType": 1,
               "thirdPartyApplicationUse": 2, "contacts": ["a@mail.example", "b@mail.example"]}  # fmt: skip
    row = opened(feed(entry(resource("ApplicationInformation", members)))).application_information.iloc[0]
    names = ["data_custodian_application_status", "third_party_application_status", "third_party_application_type"]
    assert row[[*names, "third_party_application_use"]].tolist() == ["production", "live", "web", "analytical"]
    assert row["contacts"] == "a@mail.example; b@mail.example"


def test_repr_is_bounded_and_names_the_tables(opened):
    more = "".join(cust("Customer", self_=f"Customer/{i}") for i in range(1234))
    found = opened(whole(block(hourly(MAY, [1, 2])), more=more, intervalLength=3600))
    html = found._repr_html_()
    assert "<code>.customers</code>&nbsp;1,234" in html
    assert '<td class="n">1 h</td><td class="n">2</td><td class="n">100%</td><td class="n">0.003</td>' in html
    assert "2024-05-01 00:00 -04:00" in html
    assert "1 usage point, 1 reading type, 1 local time, 1,234 customers" in repr(found)


def test_feed_of_many_series_shows_the_first(opened):
    points = "".join(usage_point(self_=f"UsagePoint/{i}", related=()) for i in range(30))
    blocks = "".join(
        entry(block(hourly(MAY, [1])), f"UsagePoint/{i}/MeterReading/1/IntervalBlock/1") for i in range(30)
    )
    found = opened(feed(points, blocks))
    assert found._repr_html_().count('<td class="n">1 h</td>') == 20
    assert "and 10 more series" in found._repr_html_()
    assert "and 10 more series" in repr(found)
