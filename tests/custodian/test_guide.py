"""The whole flow of PG&E's guide, function by function, as its users would write it with greenkit."""

import re
import tomllib
from pathlib import Path

import flask
import pytest
from pretend import click, query_of, truth

import greenkit
from greenkit import errors
from greenkit.custodian import notifications, profiles
from greenkit.custodian._client import Client
from greenkit.sandbox import custodian

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "coming-from-pge-sdk.md"
SUBSCRIPTION = "50000"
# the guide's published-min and published-max: text, in epoch seconds
PUBLISHED = ("1709280000", "1709366400")


def test_guide_from_sign_in_to_data(authority):
    link = {"action": "Grant", "verified": "true"}
    profile = profiles.parse({"based_on": "pge", "name": "pge", "authorize_parameters": link})
    with custodian.start(profile, authority=authority) as utility:
        # redirect 1 and 2: the sign-in page, with the guide's parameters, and the code
        client = utility.connect(subscription=SUBSCRIPTION)
        flow = client.authorize("paste")
        assert {k: query_of(flow.url)[k] for k in link} == link
        client.finish(click(flow.url, follow=False))
        token = client._grants.store.load()
        assert token.resource_uri.endswith(f"/Batch/Subscription/{SUBSCRIPTION}")

        # sync_request, with and without a usage point
        expected = truth(utility, "2024-03-01", "2024-03-02")
        df = client.usage(*PUBLISHED)
        assert len(df) == len(expected)
        assert df["value"].sum() == pytest.approx(expected["value"].sum())
        assert set(client.usage(*PUBLISHED, "household-0001")["meter"]) == {"household-0001"}

        # get_refresh_token: automatic, and the subscription is the same
        utility.register.expire_access()
        assert len(client.usage(*PUBLISHED)) == len(df)
        assert client._grants.store.load().refresh != token.refresh

        # the data of the customer, and the end of the authorization
        assert list(client.customers()["customer_name"]) == ["Customer 0001", "Shop 0002"]
        assert client.revoke().ended == ("the authorization",)
        with pytest.raises(errors.AuthorizationExpired):
            client.usage(*PUBLISHED)


def test_guide_asynchronous_request_with_notification(authority):
    with (
        notifications.Listener() as listener,
        custodian.start("pge", authority=authority, notification_uri=listener.url) as utility,
    ):
        customer = utility.connect()
        flow = customer.authorize("paste")
        customer.finish(click(flow.url, follow=False))
        # get_client_access_token, then async_request: 202, then a BatchList at the registered URI
        utility.behavior.forgets_jobs = True
        client = utility.connect(grant="client_credentials", redirect_uri=None)
        with pytest.raises(errors.NotReady) as caught:
            client.bulk(*PUBLISHED)
        assert caught.value.retry_after is not None
        assert "fetch_notified" in caught.value.next_step
        batch = listener.get(timeout=10)
        assert len(batch) == 1
        assert len(client.load_notified(batch)) == len(truth(utility, "2024-03-01", "2024-03-02"))
        assert set(client.coverage["status"]) == {"not requested"}
        assert client.service_status()
        assert "50916" in set(client.authorizations()["bulk"])


@pytest.mark.parametrize("body", [b"?>\\n", b"?>\\n\n", b"?>"])
def test_notification_as_really_received_is_read(body):
    head = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"' + body
    rest = b'<ns0:BatchList xmlns:ns0="http://naesb.org/espi"><ns0:resources>https://a/b?c=1</ns0:resources></ns0:BatchList>'
    assert list(notifications.parse(head + rest)) == ["https://a/b?c=1"]


def test_empty_answer_of_a_new_account_is_reported(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    client.finish(click(flow.url, follow=False))
    utility.behavior.replace = lambda path: flask.Response(status=204)
    with pytest.warns(greenkit.findings.GreenkitWarning, match="sent no readings for"):
        assert client.usage(*PUBLISHED).empty


def test_page_for_users_of_the_sdk_is_correct():
    page = PAGE.read_text(encoding="utf-8")
    registration, link, changed = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert greenkit.settings.parse(tomllib.loads(registration)).custodian["pge"].client_id == "YOUR-CLIENT-ID"
    assert profiles.parse(tomllib.loads(link)).authorize_parameters == {"action": "Grant", "verified": "true"}
    mine = profiles.parse(tomllib.loads(changed))
    assert (mine.dates, mine.token_url) == ("iso", profiles.load("pge").token_url)
    for method in re.findall(r"client\.(\w+)\(", page):
        assert callable(getattr(Client, method))
    for error in re.findall(r"`([A-Z]\w+(?:Denied|Expired|Rejected|Error|Ready|Limited|Unavailable))`", page):
        if error != "KeyError":
            assert hasattr(errors, error), error
