"""The simulated Green Button Connect service refuses what a real one refuses, and serves valid documents."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from greenkit.custodian import profiles
from greenkit.sandbox import custodian
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.visitor import visit

SCHEMAS = Path(__file__).parents[2] / ".." / "shared" / "xsd"
RESOURCE = "/GreenButtonConnect/espi/1_1/resource/"
MARCH = {"published-min": "1709280000", "published-max": "1709366400"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    with Authority(tmp_path_factory.mktemp("ca") / "ca") as made:
        yield made


@pytest.fixture
def utility(authority):
    with custodian.start("pge", authority=authority) as running:
        yield running


class Wire:
    """Requests without the client, and their answers."""

    def __init__(self, utility, certificate=True):
        self.utility, self.session = utility, requests.Session()
        self.session.trust_env = False
        self.session.verify = str(utility.authority.file)
        if certificate:
            self.session.cert = tuple(map(str, utility.client_certificate))

    def token(self, path="/datacustodian/oauth/v2/token", **form):
        auth = (
            self.utility.register.application.id,
            requests.utils.quote(self.utility.client_secret.reveal(), safe=""),
        )
        return self.session.post(self.utility.url + path, data=form, auth=auth, timeout=10)

    def get(self, path, access, params=None):
        headers = {"Authorization": f"Bearer {access}"}
        return self.session.get(self.utility.url + RESOURCE + path, headers=headers, params=params, timeout=20)

    def grant(self, **more):
        """Authorize as a person does, and return the answer of the token endpoint."""
        sent = {"client_id": self.utility.register.application.id, "redirect_uri": custodian.REDIRECT, "state": "s"}
        url = requests.Request(
            "GET", self.utility.profile.authorize_url, params={**sent, "response_type": "code"} | more
        )
        code = re.search(r"code=([^&]+)", visit(url.prepare().url))[1]
        return self.token(grant_type="authorization_code", code=code, redirect_uri=custodian.REDIRECT).json()


def test_service_runs_on_loopback_only(authority):
    with custodian.start("pge", authority=authority) as utility:
        assert utility.url.startswith("https://127.0.0.1:")
        assert utility.page_url.startswith("http://127.0.0.1:")
    with pytest.raises(requests.ConnectionError):
        requests.get(utility.page_url, timeout=5)


def test_token_answer_has_espi_addresses_and_the_field_of_pge(utility):
    wire = Wire(utility)
    answer = wire.grant()
    number = answer["resourceURI"].rpartition("/")[2]
    assert answer["resourceURI"] == f"{utility.url}{RESOURCE}Batch/Subscription/{number}"
    assert answer["authorizationURI"].endswith(f"Authorization/{number}")
    assert answer["expires_in"] == 3600
    own = wire.token(grant_type="client_credentials").json()
    assert "client_access_token" in own
    assert "access_token" not in own


def test_reuse_of_a_refresh_token_ends_the_grant(utility):
    wire = Wire(utility)
    first = wire.grant()
    second = wire.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    path = "Batch/Subscription/50000"
    assert wire.get(path, second["access_token"], MARCH).status_code == 200
    again = wire.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert wire.get(path, second["access_token"], MARCH).status_code == 403
    last = wire.token(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert last.json()["error"] == "invalid_grant"
    assert utility.counts["reuse detected"] == 1


def test_unregistered_certificate_gets_the_answer_of_pge(utility, authority):
    for wire in (Wire(utility, certificate=False), Wire(utility)):
        if wire.session.cert:
            wire.session.cert = tuple(map(str, authority.client("another", stem=f"x{time.time_ns()}", days=2)))
        for answer in (wire.token(grant_type="client_credentials"), wire.get("ReadServiceStatus", "x")):
            assert answer.status_code == 400
            assert answer.json() == "Invalid Certificate"


def test_tokens_open_only_their_resources(utility):
    wire = Wire(utility)
    ada, own = wire.grant()["access_token"], wire.token(grant_type="client_credentials").json()["client_access_token"]
    assert wire.get("Batch/Subscription/50000", ada, MARCH).status_code == 200
    assert wire.get("Batch/Subscription/50000", own, MARCH).status_code == 403
    assert wire.get("Authorization", ada).status_code == 403
    assert wire.get("Authorization", own).status_code == 200
    assert wire.get("Batch/RetailCustomer/2", ada).status_code == 403
    assert wire.get("Batch/Subscription/1", ada, MARCH).status_code == 404
    assert wire.get("Batch/Subscription/50000", "made-up", MARCH).status_code == 403
    assert wire.session.get(f"{utility.url}{RESOURCE}Authorization", timeout=5).status_code == 401
    assert wire.get("Nothing", own).status_code == 404


@pytest.mark.parametrize(
    ("name", "window", "status"),
    [
        ("pge", ("1709280000", "1709366400"), 200),
        ("pge", ("1709280000", "1719280000"), 400),  # longer than 28 days
        ("pge", ("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"), 400),
        ("pge", ("1709366400", "1709280000"), 400),
        ("generic", ("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"), 200),
        ("generic", ("2024-03-01T00:00:00.000Z", "2024-03-02T00:00:00Z"), 400),
        ("savage_data", ("2024-03-01T00:00:00Z", "2099-03-02T00:00:00Z"), 400),
        ("generic", ("2099-03-01T00:00:00Z", "2099-03-02T00:00:00Z"), 204),
    ],
)
def test_windows_follow_the_profile(authority, name, window, status):
    profile = profiles.load(name)
    profile = profile if name == "pge" else profile.at("https://x")
    with custodian.start(replace(profile, mutual_tls=False, pkce=False), authority=authority) as utility:
        wire, paths = Wire(utility), utility.profile
        sent = {"client_id": utility.register.application.id, "redirect_uri": custodian.REDIRECT, "state": "s"}
        url = requests.Request("GET", paths.authorize_url, params={**sent, "response_type": "code"}).prepare().url
        code = re.search(r"code=([^&]+)", visit(url))[1]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": custodian.REDIRECT}
        answer = wire.token(paths.token_url.removeprefix(utility.url), **form).json()
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        params = dict(zip(paths.window_parameters, window, strict=True))
        got = wire.session.get(answer["resourceURI"], headers=headers, params=params, timeout=20)
        assert got.status_code == status


def test_page_refuses_unknown_client_redirect_and_customer(utility):
    base = utility.profile.authorize_url
    sent = {"client_id": utility.register.application.id, "redirect_uri": custodian.REDIRECT, "response_type": "code"}
    for wrong in ({"client_id": "x"}, {"redirect_uri": "https://evil.example/"}):
        page = requests.get(base, params={**sent, **wrong}, allow_redirects=False, timeout=5)
        assert page.status_code == 400
        assert "no data was shared" in page.text
    other = requests.get(base, params={**sent, "response_type": "token"}, allow_redirects=False, timeout=5)
    assert other.status_code in (302, 400)
    form = {"user": "Ada", "password": "wrong"}
    assert requests.post(base, params=sent, data=form, timeout=5).status_code == 401
    forged = {"ticket": "forged", "meter": "household-0001", "decision": "allow"}
    assert requests.post(base, params=sent, data=forged, timeout=5).status_code == 401
    page = requests.post(base, params=sent, data={"user": "Ada", "password": "sandbox"}, timeout=5).text
    ticket = re.search(r"name='ticket' value='([^']+)'", page)[1]
    no_meter = requests.post(base, params=sent, data={"ticket": ticket, "decision": "allow"}, timeout=5)
    assert "Select at least one meter" in no_meter.text
    used = requests.post(base, params=sent, data={"ticket": ticket, "decision": "allow"}, timeout=5)
    assert used.status_code == 401


def test_only_loopback_redirects_may_have_any_port(authority):
    known = ("http://127.0.0.1:0/callback", "https://example.com/callback")
    with custodian.start("pge", authority=authority, redirect_uris=known) as utility:
        accepts = utility.register.application.check_redirect_uri
        assert accepts("http://127.0.0.1:5123/callback")
        assert accepts("https://example.com/callback")
        for wrong in ("http://127.0.0.1:5123/other", "https://example.com:444/callback", "http://127.0.0.1@evil/callback",
                      "https://127.0.0.1:1/callback", "http://localhost:5123/callback"):  # fmt: skip
            assert not accepts(wrong)


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="needs the ESPI schemas in ../shared/xsd")
def test_served_documents_validate(utility):
    from lxml import etree

    wire = Wire(utility)
    ada, own = wire.grant()["access_token"], wire.token(grant_type="client_credentials").json()["client_access_token"]
    bodies = [wire.get("Batch/Subscription/50000", ada, MARCH), wire.get("Subscription/50000/UsagePoint", ada),
              wire.get("Authorization", own), wire.get("ApplicationInformation", own)]  # fmt: skip
    schema = etree.XMLSchema(etree.parse(str(SCHEMAS / "espi.xsd")))
    checked = 0
    for body in bodies:
        assert body.status_code == 200
        for content in etree.fromstring(body.content).iter("{http://www.w3.org/2005/Atom}content"):
            for element in content:
                schema.assertValid(etree.ElementTree(element))
                checked += 1
    assert checked > 10
    schema.assertValid(etree.ElementTree(etree.fromstring(wire.get("ReadServiceStatus", own).content)))
