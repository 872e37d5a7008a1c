"""The customer feed and the resources of the data custodian are valid, and match the usage feed."""

import io

import pytest
from lxml import etree

from greenkit import synthetic
from greenkit.synthetic import _customer_feed, _resources
from greenkit.synthetic._dialects import DIALECTS

ATOM = "{http://www.w3.org/2005/Atom}"
ESPI = "{http://naesb.org/espi}"
CUSTOMER = "{http://naesb.org/espi/customer}"
WINDOW = ("2024-09-15", "2024-11-15")


def customers(meters, dialect="conforming"):
    return b"".join(_customer_feed.stream(meters, *WINDOW, dialect=dialect))


@pytest.mark.parametrize("dialect", ["conforming", "prefixed", "atom-prefix"])
def test_customer_feeds_validate(validate, dialect):
    meters = [synthetic.household(1, solar=5.0), synthetic.shop(2), synthetic.gas_meter(3)]
    assert validate(customers(meters, dialect)) == 1 + 3 * (5 + 2)


def test_location_links_to_the_usage_point_of_the_usage_feed():
    home = synthetic.household(1)
    document = etree.fromstring(customers([home]))
    link = document.findtext(f".//{CUSTOMER}UsagePoints/{CUSTOMER}UsagePoint")
    usage = etree.fromstring(b"".join(synthetic.stream_espi([home], "2024-11-01", "2024-11-02")))
    entry = next(e for e in usage.iter(ATOM + "entry") if e.find(f"{ATOM}content/{ESPI}UsagePoint") is not None)
    assert link == next(x.get("href") for x in entry.iter(ATOM + "link") if x.get("rel") == "self")
    assert document.find(f".//{ESPI}IntervalReading") is None


def test_account_has_the_last_bill_and_a_new_meter_a_new_serial_number():
    home = synthetic.household(1, faults=())
    bills = list(home.bills(*(home.instant(t) for t in WINDOW)))
    document = etree.fromstring(customers([home]))
    assert int(document.findtext(f".//{CUSTOMER}lastBillAmount")) == bills[-1].total
    assert len(document.findall(f".//{CUSTOMER}statementURL")) == len(bills) == 2
    before = document.findtext(f".//{CUSTOMER}serialNumber")
    changed = home.plant("meter change", "2024-11-06", "2024-11-06")
    after = etree.fromstring(customers([changed]))
    assert after.findtext(f".//{CUSTOMER}serialNumber") != before
    assert int(after.findtext(f".//{CUSTOMER}installationDate")) == changed.instant("2024-11-06") // 10**6


def test_path_and_stream_have_the_same_bytes(tmp_path):
    home = synthetic.household(1)
    synthetic.write_customers(tmp_path / "c.xml", [home], *WINDOW)
    assert (tmp_path / "c.xml").read_bytes() == customers([home])
    file = io.BytesIO()
    synthetic.write_customers(file, [home], *WINDOW)
    assert file.getvalue() == customers([home])


def test_resources_of_the_data_custodian_validate(validate, schema):
    grants = [
        _resources.Grant(1, 1_700_000_000, 1_731_536_000, "Batch/Subscription/1", customer="Batch/RetailCustomer/1"),
        _resources.Grant(2, 1_600_000_000, 1_631_536_000, "Batch/Subscription/2", active=False),
    ]
    feed = _resources.authorizations(grants, 1_700_000_100)
    assert validate(feed) == 2
    assert [e.text for e in etree.fromstring(feed).iter(ESPI + "status")] == ["1", "0"]
    assert etree.fromstring(_resources.authorizations(grants, 1_700_000_100, one=True)).tag == ATOM + "entry"
    app = _resources.Application("id", "not-a-secret", ("https://a.example/1", "https://a.example/2"))
    assert validate(_resources.application(app, 1_700_000_100)) == 1
    for bare in (_resources.status(), _resources.batch_list(["https://a.example/1"])):
        schema.assertValid(etree.fromstring(bare))


def test_notification_of_one_utility():
    body = _resources.batch_list(["https://a.example/1?a=1&b=2"], dialect=_resources.ODD_NOTIFICATION)
    assert body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\\n<ns0:BatchList xmlns:ns0="http://naesb.org/espi">'
    )
    document = etree.fromstring(body.partition(b"\\n")[2])
    assert [e.text for e in document] == ["https://a.example/1?a=1&b=2"]


def test_dialects_apply_to_the_resources_of_the_data_custodian():
    typed = _resources.authorizations([_resources.Grant(1, 0, 1, "x")], 1, dialect=DIALECTS["typed-prefixes"])
    assert b"<ns0:Authorization>" in typed
    assert b'xsi:type="ns1:idType"' in typed
