"""The numbered security requirements of the client; each test fails if its requirement is not met.

Requirement 1 (no secret shows anywhere) has its own file, test_leaks.py.
"""

import base64
import gzip
import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import flask
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend import authorized, click, query_of, token_requests

from greenkit import errors
from greenkit.custodian import _authorization, _transport, profiles
from greenkit.custodian._oauth import TokenEndpoint
from greenkit.custodian._tokens import FileStore, Token
from greenkit.custodian._transport import RateLimiter, Tls
from greenkit.sandbox import custodian
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret

REDIRECT = "http://127.0.0.1:8123/callback"
MARCH = ("2024-03-01", "2024-03-02")
BASE = "https://api.pge.com/GreenButtonConnect/espi/1_1/resource/"
HOSTILE = [
    "https://api.pge.com.evil/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://api.pge.com@evil/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://user:word@api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://api.pge.com:8443/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://api.pge.com:port/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "http://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "sftp://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "file:///GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "//api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://api.pge.com/GreenButtonConnect/espi/1_1/resourceX/Batch/Bulk/1",
    "https://api.pge.com/other",
    BASE,
    BASE + "../../../datacustodian/oauth/v2/token",
    BASE + "%2e%2e/%2e%2e/token",
    BASE + "Batch/..%2f..%2ftoken",
    BASE + "Batch/..;/..;x=1/token",  # some servers cut what follows a semicolon
    BASE + "Batch/%252e%252e/token",
    BASE + "Batch\\..\\token",
    BASE + "Batch/Bulk/1#fragment",
    BASE + "Batch/Bulk/1\r\nX-Evil: 1",
    BASE + "Batch/Bulk/ 1",
    BASE + "Batch//token",
    "https://api.pge.com\t.evil/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "https://аpi.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",  # a Cyrillic letter
    "https://[::1/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1",
    "",
]

# -- 2: state


PARTS = st.lists(
    st.sampled_from(
        [
            "state=right",
            "state=wrong",
            "state=",
            "code=c",
            "code=d",
            "code=",
            "error=access_denied",
            "iss=i",
            "x=1",
            "&",
        ]
    ),
    max_size=6,
)


@given(PARTS)
@settings(deadline=None, max_examples=200)
def test_r02_code_is_returned_only_with_one_matching_state(parts):
    url = Secret(f"{REDIRECT}?{'&'.join(parts)}")
    real = [p for p in parts if p != "&"]
    sound = real.count("state=right") == 1 and not any(p.startswith("state=") for p in real if p != "state=right")
    once = all(sum(p.split("=")[0] == q.split("=")[0] for q in real) == 1 for p in real)
    try:
        code = _authorization.code_from_redirect(url, redirect_uri=REDIRECT, state=Secret("right"))
    except errors.AuthorizationDenied:
        assert sound
        assert once
    except errors.StateMismatch:
        assert not (sound and once and {"code=c", "code=d"} & set(real) and "error=access_denied" not in real)
    else:
        assert sound
        assert once
        assert f"code={code.reveal()}" in real


def test_r02_forged_redirect_leads_to_no_token_request(utility):
    client = utility.connect()
    flow = client.authorize("loopback")
    for forged in ("state=forged&code=c", "code=c", "", "state=a&state=a&code=c", "error=access_denied"):
        assert requests.get(f"{flow.redirect_uri}?{forged}", timeout=5).status_code == 400
    assert flow.status == "waiting"
    assert token_requests(utility) == 0
    assert click(flow.url).status_code == 200
    flow.wait(5)
    assert client.status().authorized


def test_r02_refusal_is_an_error_and_never_another_grant(utility):
    client = utility.connect()
    flow = client.authorize("loopback")
    click(flow.url, decision="refuse")
    with pytest.raises(errors.AuthorizationDenied, match="customer refused"):
        flow.wait(5)
    assert flow.status == "denied"
    assert token_requests(utility) == 0
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)"):
        client.usage(*MARCH)
    assert token_requests(utility) == 0  # no client-credentials token stands in for the customer's


def test_r02_state_works_once_and_differs_for_each_authorization(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    url = click(flow.url, follow=False)
    other = client.authorize("paste", again=True)
    assert flow.status == "cancelled"
    with pytest.raises(errors.StateMismatch):
        other.finish(url)
    assert token_requests(utility) == 0
    right = click(other.url, follow=False)
    other.finish(right)
    with pytest.raises(errors.StateMismatch, match="over"):
        other.finish(right)
    assert utility.counts["token authorization_code"] == 1
    states = {query_of(client.authorize("paste", again=True).url)["state"] for _ in range(5)}
    assert len(states) == 5
    assert min(map(len, states)) >= 43


def test_r02_redirect_delivered_by_many_threads_is_exchanged_once(utility):
    flow = utility.connect().authorize("paste")
    url, outcomes = click(flow.url, follow=False), []

    def deliver():
        try:
            flow.finish(url)
            outcomes.append("done")
        except errors.StateMismatch:
            outcomes.append("refused")

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    [t.start() for t in threads]
    [t.join(10) for t in threads]
    assert sorted(outcomes) == ["done"] + ["refused"] * 5
    assert utility.counts["token authorization_code"] == 1


# -- 3: PKCE and issuer


def test_r03_pkce_s256_if_the_profile_says_so(generic, utility):
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    # RFC 7636, appendix B
    assert create_s256_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == (
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )
    flow = generic.connect().authorize("paste")
    verifier, sent = flow._verifier.reveal(), query_of(flow.url)
    assert 43 <= len(verifier) <= 128
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert sent["code_challenge"] == digest
    assert sent["code_challenge_method"] == "S256"
    flow.finish(click(flow.url, follow=False))
    assert flow.status == "authorized"
    assert "code_challenge" not in query_of(utility.connect().authorize("paste").url)


def test_r03_wrong_verifier_is_refused_by_the_server(generic):
    flow = generic.connect().authorize("paste")
    flow._verifier = Secret("x" * 64)
    with pytest.raises(errors.AuthorizationExpired, match="invalid_grant"):
        flow.finish(click(flow.url, follow=False))


def test_r03_issuer_is_checked_if_the_profile_names_one(authority):
    named = replace(profiles.load("generic"), issuer="https://issuer.example")
    with custodian.start(named, authority=authority) as utility:
        flow = utility.connect().authorize("paste")
        url = click(flow.url, follow=False)
        for wrong in (url.replace("issuer.example", "evil.example"), url.partition("&iss=")[0]):
            with pytest.raises(errors.StateMismatch, match="issuer"):
                flow.finish(wrong)
        assert token_requests(utility) == 0
        flow.finish(url)
        assert flow.status == "authorized"


# -- 4: https only


@pytest.mark.parametrize("field", ["token_url", "resource_url", "revoke_url", "authorize_url"])
@pytest.mark.parametrize(
    "address",
    ["http://api.pge.com/x/", "http://localhost:80@evil/x/", "http://127.0.0.1.evil/x/", "ftp://api.pge.com/x/",
     "api/x/", "https://user@api.pge.com/x/", "https:///x/", "https://api.pge.com/x/#f", "https://api.pge.com/x/?q=1"],
)  # fmt: skip
def test_r04_urls_must_be_https(field, address):
    with pytest.raises(errors.SettingsError, match=r"https|more than host and path|slash"):
        replace(profiles.load("pge"), **{field: address})


def test_r04_http_is_only_for_pages_on_this_machine():
    replace(profiles.load("pge"), authorize_url="http://127.0.0.1:8000/authorize")
    with pytest.raises(errors.SettingsError, match="https"):
        replace(profiles.load("pge"), token_url="http://127.0.0.1:8000/token")
    assert _authorization.is_loopback("http://127.0.0.1:0/callback")
    for other in (
        "http://192.168.1.1/cb",
        "https://127.0.0.1/cb",
        "http://127.0.0.1.evil/cb",
        "http://localhost@evil/",
    ):
        assert not _authorization.is_loopback(other)


# -- 5: TLS


def test_r05_server_of_another_authority_gets_nothing(utility, tmp_path, monkeypatch):
    with Authority(tmp_path / "rogue", name="rogue") as rogue:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(rogue.file))
        monkeypatch.setenv("CURL_CA_BUNDLE", str(rogue.file))
        with custodian.start("pge", authority=utility.authority, server_certificate=rogue.server()) as evil:
            client = evil.connect(grant="client_credentials")
            with pytest.raises(
                errors.HostRejected, match=r"does not trust|is self-signed|private certificate authority"
            ):
                client.service_status()
            assert evil.seen == []
    assert utility.connect(grant="client_credentials").service_status()


def test_r05_wrong_name_and_expired_certificate_are_refused(authority):
    from datetime import UTC, datetime, timedelta

    for wrong in (
        authority.server("other.example", stem="wrong-name"),
        authority.server(stem="ended", begins=datetime.now(UTC) - timedelta(days=9), days=2),
    ):
        with custodian.start("pge", authority=authority, server_certificate=wrong) as evil:
            with pytest.raises(errors.HostRejected, match=r"is for another IP address|has expired"):
                evil.connect(grant="client_credentials").service_status()
            assert evil.seen == []


def test_r05_there_is_no_switch_for_unverified_tls():
    import inspect

    import greenkit

    assert not any("verify" in name for name in inspect.signature(greenkit.connect).parameters)
    for path in Path(_transport.__file__).parent.rglob("*.py"):
        assert "verify = False" not in path.read_text()
        assert "CERT_NONE" not in path.read_text()


@pytest.mark.parametrize("what", ["token", "resource"])
def test_r05_redirects_are_not_followed(utility, authority, what):
    with custodian.start("pge", authority=authority) as other:
        client = authorized(utility) if what == "resource" else utility.connect(grant="client_credentials")
        to = {"Location": f"{other.url}/GreenButtonConnect/espi/1_1/resource/Batch/Bulk/1"}
        for status in (301, 302, 303, 307, 308):
            away = flask.Response("", status, to)
            utility.behavior.replace = lambda path, a=away: a if path.endswith("token") == (what == "token") else None
            with pytest.raises((errors.HostRejected, errors.ClientRejected), match="does not follow"):
                client.usage(*MARCH)
        assert other.seen == []


# -- 6: where the token goes


@pytest.mark.parametrize("uri", HOSTILE)
def test_r06_hostile_urls_are_refused(uri):
    with pytest.raises(errors.HostRejected) as caught:
        _transport.checked_url(profiles.load("pge"), uri)
    assert not uri or uri == BASE or uri not in str(caught.value)


def test_r06_urls_of_the_utility_and_of_named_hosts_are_accepted():
    pge = profiles.load("pge")
    for good in ("Batch/Bulk/1", "Batch/Subscription/a%20b/UsagePoint/YWI=?published-min=1", "Authorization"):
        assert _transport.checked_url(pge, BASE + good) == BASE + good
    assert _transport.checked_url(pge, BASE.replace("pge.com", "pge.com:443") + "Batch/Bulk/1") == BASE + "Batch/Bulk/1"
    more = replace(pge, hosts=("data.pge.com:8443",))
    assert _transport.checked_url(more, BASE.replace("api.pge.com", "data.pge.com:8443") + "Batch/Bulk/1")
    with pytest.raises(errors.HostRejected):
        _transport.checked_url(more, BASE.replace("api.pge.com", "data.pge.com") + "Batch/Bulk/1")


@given(st.text(max_size=40), st.text(max_size=20))
@settings(deadline=None, max_examples=40)
def test_r06_accepted_url_has_the_same_host_for_every_parser(host, tail):
    from urllib3.util import parse_url

    for uri in (f"https://{host}/GreenButtonConnect/espi/1_1/resource/{tail}", BASE + tail):
        try:
            passed = _transport.checked_url(profiles.load("pge"), uri)
        except errors.HostRejected:
            continue
        assert parse_url(passed).host == "api.pge.com"
        assert parse_url(passed).path.startswith("/GreenButtonConnect/espi/1_1/resource/")


def test_r06_ids_stay_in_their_segment():
    assert (
        _transport.resource_url(profiles.load("pge"), "Batch", "Bulk", "a b?c#d") == BASE + "Batch/Bulk/a%20b%3Fc%23d"
    )
    for bad in ("..", ".", "", "a/../b", "a%2Fb"):
        with pytest.raises(errors.HostRejected):
            _transport.resource_url(profiles.load("pge"), "Batch", "Bulk", bad)


# -- 7: notifications


def test_r07_hostile_notification_leads_to_no_request(utility):
    client = authorized(utility)
    good = f"{utility.profile.resource_url}Batch/Subscription/50000"
    before = len(utility.seen)
    for uri in HOSTILE[:-1]:
        evil = escape(uri.replace("https://api.pge.com/", f"{utility.url}/"))
        inside = f"<resources>{good}</resources><resources>{evil}</resources>"
        with pytest.raises(errors.GreenkitError):
            client.fetch_notified(f"<BatchList xmlns='http://naesb.org/espi'>{inside}</BatchList>".encode())
    assert len(utility.seen) == before
    assert len(client.fetch_notified(f"<BatchList><resources>{good}</resources></BatchList>".encode())) == 1


def test_r07_size_of_a_notification_is_limited(utility):
    client, before = utility.connect(), len(utility.seen)
    for body, error in (
        (b"<!DOCTYPE b [<!ENTITY e 'x'>]><BatchList><resources>&e;</resources></BatchList>", errors.LimitError),
        (b"<BatchList>" + b"<resources>https://a/</resources>" * 1001 + b"</BatchList>", errors.LimitError),
        (b"<BatchList>" + b" " * (1 << 20) + b"</BatchList>", errors.LimitError),
        (b"<feed/>", errors.FormatError),
        (b"", errors.FormatError),
        (b"{}", errors.FormatError),
        (b"<BatchList>" + b"<a>" * 100_000, errors.FormatError),
    ):
        with pytest.raises(error):
            client.fetch_notified(body)
    assert len(utility.seen) == before


# -- 8: hostile answers


def _answer(body, **headers):
    return lambda path: None if path.endswith("token") else flask.Response(body, 200, headers)


def test_r08_hostile_xml_raises_an_error(utility):
    client = authorized(utility)
    laughs = b"".join(b"<!ENTITY e%d '%s'>" % (i, b"&e%d;" % (i - 1) * 20) for i in range(1, 30))
    for body in (
        b"<!DOCTYPE f [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><feed xmlns='http://www.w3.org/2005/Atom'>&e;</feed>",
        b"<!DOCTYPE f [" + laughs + b"]><f>&e29;</f>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'>" + b"<a>" * 200_000,
        b"<html><body>Sign in</body></html>",
    ):
        utility.behavior.replace = _answer(body)
        for ask in (lambda: client.usage(*MARCH), client.usage_points, client.authorizations, client.service_status):
            with pytest.raises((errors.LimitError, errors.FormatError)):
                ask()


def test_r08_answer_is_limited_after_decompression(utility, tmp_path):
    client = authorized(utility, limit=1 << 20)
    bomb = gzip.compress(b"\0" * (64 << 20))
    utility.behavior.replace = _answer(bomb, **{"Content-Encoding": "gzip"})
    with pytest.raises(errors.LimitError, match="larger than 1,048,576 bytes"):
        client.usage(*MARCH)
    with pytest.raises(errors.LimitError):
        client.fetch_usage(*MARCH, into=tmp_path / "files")
    assert list((tmp_path / "files").iterdir()) == []


def test_r08_token_answer_is_limited(utility):
    utility.behavior.replace = lambda path: flask.Response(b"[" * (2 << 20), 200)
    with pytest.raises(errors.LimitError):
        utility.connect(grant="client_credentials").service_status()


# -- 9: the token file


def test_r09_token_file_is_private_from_its_first_byte(utility, tmp_path):
    mask = os.umask(0)
    try:
        authorized(utility, tokens=tmp_path / "a" / "tokens")
    finally:
        os.umask(mask)
    (file,) = (tmp_path / "a" / "tokens").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not list(file.parent.glob(".*part"))


def test_r09_file_that_others_can_read_is_refused(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    (file,) = (tmp_path / "tokens").glob("*.json")
    for path, mode, right in ((file, 0o640, 0o600), (file, 0o602, 0o600), (file.parent, 0o770, 0o700)):
        path.chmod(mode)
        with pytest.raises(errors.SettingsError, match=r"Other users could read or change .*chmod"):
            client.usage(*MARCH)
        path.chmod(right)
    assert len(client.usage(*MARCH)) == 288


def test_r09_symbolic_link_is_refused(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    (file,) = (tmp_path / "tokens").glob("*.json")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.SettingsError, match="Other users could read or change"):
        client.usage(*MARCH)


def test_r09_new_token_is_saved_before_it_is_used(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    (file,) = (tmp_path / "tokens").glob("*.json")
    utility.register.expire_access()
    on_disk = []

    def look(path):
        if "/Batch/" in path:
            bearer = flask.request.headers["Authorization"].removeprefix("Bearer ")
            on_disk.append(bearer in file.read_text())

    utility.behavior.replace = look
    assert len(client.usage(*MARCH)) > 0
    assert on_disk == [True, True]


def test_r09_store_that_cannot_be_written_spends_no_refresh_token(utility):
    class Full(FileStore):
        def save(self, token):
            raise errors.SettingsError("the disk is full")

    client = authorized(utility)
    token = client._grants.store.load()
    client._grants.store = Full("unused")
    client._grants.store.load = lambda: replace(token, expires_at=0.0)
    import contextlib

    client._grants.store.locked = contextlib.nullcontext
    with pytest.raises(errors.SettingsError, match="full"):
        client.usage(*MARCH)
    assert utility.counts["token refresh_token"] == 0


KILLED = """
import os, sys
from greenkit.custodian import _client, _tokens
from greenkit import connect, Secret, settings

c = connect("pge", settings=sys.argv[1])
when = sys.argv[2]
saves = 0
original = _tokens._files.write_private
def write(path, data):
    global saves
    saves += 1
    if saves == 2 and when == "during":
        with open(os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ".x.part"), "wb") as f:
            f.write(data[: len(data) // 2])
            f.flush()
            os._exit(9)
    original(path, data)
    if saves == 2 and when == "after":
        os._exit(9)
if when != "never":
    _tokens._files.write_private = write
print("ready", flush=True)
sys.stdin.readline()
try:
    print(len(c.usage("2024-03-01", "2024-03-02")))
except Exception as e:
    print(type(e).__name__, e)
"""


def _run(settings_file, when):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(settings_file), when],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(_transport.__file__).parents[2])},
    )  # fmt: skip


@pytest.mark.parametrize("when", ["during", "after"])
def test_r09_killed_process_leaves_a_usable_store_or_an_error(utility, tmp_path, when):
    from greenkit import connect

    settings_file = utility.write_settings(tmp_path / "s")
    client = connect("pge", settings=settings_file)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, follow=False))
    utility.register.expire_access()
    dead = _run(settings_file, when)
    dead.communicate("go\n", timeout=60)
    assert dead.returncode == 9
    if when == "after":
        assert len(client.usage(*MARCH)) == 288
        assert utility.counts["token refresh_token"] == 1
        return
    # the refresh token was spent, and its successor is lost: the next use is a reuse
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)"):
        client.usage(*MARCH)
    assert client.status().state == "expired"
    flow = client.authorize("paste")
    flow.finish(click(flow.url, follow=False))
    assert len(client.usage(*MARCH)) == 288
    client.forget()
    left = [p.name for p in (tmp_path / "s" / "tokens").iterdir()]
    assert all(name.endswith(".lock") for name in left)


# -- 10: refresh, retry


def test_r10_two_threads_at_expiry_make_one_refresh(utility):
    client, rows = authorized(utility), []
    utility.register.expire_access()
    threads = [threading.Thread(target=lambda: rows.append(len(client.usage(*MARCH)))) for _ in range(4)]
    [t.start() for t in threads]
    [t.join(30) for t in threads]
    assert rows == [288] * 4
    assert utility.counts["token refresh_token"] == 1
    assert utility.counts["reuse detected"] == 0


def test_r10_two_processes_at_expiry_make_one_refresh(utility, tmp_path):
    from greenkit import connect

    settings_file = utility.write_settings(tmp_path / "s")
    client = connect("pge", settings=settings_file)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, follow=False))
    utility.register.expire_access()
    other = _run(settings_file, "never")
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("go\n")
    other.stdin.flush()
    assert len(client.usage(*MARCH)) == 288
    assert other.communicate(timeout=60)[0] == "288\n"
    assert utility.counts["token refresh_token"] == 1
    assert utility.counts["reuse detected"] == 0


def test_r10_refused_token_is_renewed_once(utility):
    client = authorized(utility)
    utility.register.expire_access()  # the client believes that its token lives: 403 tells
    assert len(client.usage(*MARCH)) == 288
    assert utility.counts["token refresh_token"] == 1
    what = "GET /GreenButtonConnect/espi/1_1/resource/Batch/Subscription/50000"
    assert utility.counts[what] == 2
    utility.behavior.replace = lambda path: None if path.endswith("token") else flask.Response("", 403)
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)"):
        client.usage(*MARCH)
    assert utility.counts[what] == 4
    assert utility.counts["token refresh_token"] == 2


def test_r10_ended_grant_is_not_tried_twice(utility):
    client = authorized(utility)
    utility.register.authorizations[50_000].active = False
    for _ in range(3):
        with pytest.raises(errors.AuthorizationExpired, match="authorize"):
            client.usage(*MARCH)
    assert utility.counts["token refresh_token"] == 1
    assert client.status().state == "expired"


def test_r10_status_403_of_the_token_endpoint_keeps_the_grant(utility):
    client = authorized(utility)
    utility.register.expire_access()
    utility.behavior.replace = lambda path: flask.Response("", 403) if path.endswith("token") else None
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)"):
        client.usage(*MARCH)
    utility.behavior.replace = None  # it was a firewall's
    assert len(client.usage(*MARCH)) == 288


def test_r10_rejected_client_keeps_the_grant(utility):
    client = authorized(utility)
    right, utility.register.application.secret = utility.register.application.secret, "another"
    utility.register.expire_access()
    with pytest.raises(errors.ClientRejected, match="invalid_client"):
        client.usage(*MARCH)
    assert client.status().authorized
    utility.register.application.secret = right
    assert len(client.usage(*MARCH)) == 288


def test_r10_retry_after_is_respected_up_to_a_limit(utility):
    client, naps = authorized(utility), []
    client._resources._sleep = naps.append
    utility.behavior.busy.extend([(429, "7"), (503, None)])
    assert len(client.usage(*MARCH)) == 288
    assert naps == [7.0, 4.0]
    utility.behavior.busy.extend([(503, None)] * 9)
    with pytest.raises(errors.ServerUnavailable, match="Try again later"):
        client.usage(*MARCH)
    assert len(utility.behavior.busy) == 6  # three attempts
    utility.behavior.busy.clear()
    utility.behavior.busy.append((429, "9000"))
    with pytest.raises(errors.RateLimited, match="limits the rate of requests") as caught:
        client.usage(*MARCH)
    assert caught.value.retry_after == 9000
    utility.behavior.busy.append((503, "8000"))
    with pytest.raises(errors.ServerUnavailable) as caught:
        client.usage(*MARCH)
    assert caught.value.retry_after == 8000
    assert len(naps) == 4  # nothing was slept for the last two


def test_r10_retry_after_of_the_token_endpoint_is_in_the_error(utility):
    client = authorized(utility)
    utility.register.expire_access()
    busy = flask.Response("", 503, {"Retry-After": "120"})
    utility.behavior.replace = lambda path: busy if path.endswith("token") else None
    with pytest.raises(errors.ServerUnavailable) as caught:
        client.usage(*MARCH)
    assert caught.value.retry_after == 120


def test_r10_token_request_is_never_repeated_automatically(utility):
    client = authorized(utility)
    utility.register.expire_access()
    utility.behavior.replace = lambda path: flask.Response("", 503) if path.endswith("token") else None
    with pytest.raises(errors.ServerUnavailable):
        client.usage(*MARCH)
    assert sum(path.endswith("/token") for _, path, _, _ in utility.seen) == 2  # the code's, and one refresh


# -- 11: time-outs


@pytest.fixture
def silent():
    """A server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"


def test_r11_silent_server_times_out(silent, authority, monkeypatch):
    monkeypatch.setattr(_transport, "CONNECT", 0.3)
    profile, tls = profiles.load("generic").at(silent), Tls(ca_file=authority.file)
    endpoint = TokenEndpoint(profile, "id", Secret("secret"), tls, timeout=0.3)
    with pytest.raises(errors.ServerUnavailable, match="did not answer within"):
        endpoint.client_credentials()


def test_r11_missing_or_dripping_answer_times_out(utility):
    client = authorized(utility)
    client._resources._timeout = 0.2  # from here on, since this machine may be slow
    utility.behavior.slow = 0.5
    with pytest.raises(errors.ServerUnavailable, match="did not answer within"):
        client.usage(*MARCH)
    utility.behavior.slow = 0.0

    def drip():
        for _ in range(100):
            yield b" " * 10
            time.sleep(0.05)

    client._resources._timeout, client._resources._total = 60, 0.3
    utility.behavior.replace = lambda path: flask.Response(drip(), 200)
    # the answer's headers may come too late as well
    with pytest.raises(errors.RemoteError, match=r"within 0\.3 s"):
        client.usage(*MARCH)


# -- 12: pacing


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_r12_requests_stay_within_every_limit(pauses):
    now, sent, limits = [0.0], [], [(1, 1.0), (5, 20.0)]

    def nap(seconds):
        now[0] += seconds

    limiter = RateLimiter(limits, clock=lambda: now[0], sleep=nap)
    for pause in pauses:
        now[0] += pause
        limiter.wait()
        sent.append(now[0])
    for count, span in limits:
        for i in range(len(sent) - count):
            assert sent[i + count] - sent[i] >= span - 1e-6


def test_r12_long_wait_is_an_error_and_short_waits_are_made(utility):
    limiter = RateLimiter([(2, 3600.0)], clock=lambda: 0.0, sleep=lambda s: None)
    limiter.wait()
    limiter.wait()
    with pytest.raises(errors.RateLimited, match="60 minutes") as caught:
        limiter.wait()
    assert caught.value.retry_after == 3600
    assert (
        authorized(utility)._resources._limiter is authorized(utility)._grants.endpoint._limiter
    )  # one for a client id
    client, naps = authorized(utility), []
    client._resources._limiter = RateLimiter(profiles.load("pge").limits, sleep=naps.append)
    client.fetch_usage("2024-01-01", "2024-03-20")
    assert len(naps) == 2  # three windows of 28 days, a second apart
    assert all(0 < n <= 2 for n in naps)


# -- 13: revoke and forget


def test_r13_revoke_ends_the_grant_at_the_utility_and_on_this_machine(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    done = client.revoke()
    assert done.ended == ("the authorization",)
    assert done.not_ended == ()
    assert not utility.register.authorizations[50_000].active
    assert not list((tmp_path / "tokens").glob("*.json"))
    assert client.status().state == "not authorized"


def test_r13_revoke_uses_rfc_7009_if_it_is_offered(generic):
    client = authorized(generic)
    assert client.revoke().ended == ("the authorization", "the tokens")
    assert not any(a.active for a in generic.register.authorizations.values())


def test_r13_newest_tokens_are_revoked(authority):
    profile = replace(profiles.load("generic"), grants=("authorization_code",))
    with custodian.start(profile, authority=authority) as utility:
        client, revoked = authorized(utility), []
        utility.register.expire_access()

        def look(path):
            revoked.extend([flask.request.form["token"]] if path.endswith("/revoke") else [])

        utility.behavior.replace = look
        assert client.revoke().ended == ("the authorization", "the tokens")
        assert utility.counts["token refresh_token"] == 1
        assert revoked == [utility.register.tokens[-1].refresh]


@pytest.mark.parametrize("known", [True, False])
def test_r13_revoke_of_an_ended_grant_says_so(authority, known):
    profile = replace(profiles.load("generic"), grants=("authorization_code",))
    with custodian.start(profile, authority=authority) as utility:
        client = authorized(utility)
        utility.register.authorizations[50_000].active = False
        utility.register.expire_access()
        if known:
            with pytest.raises(errors.AuthorizationExpired):
                client.usage_points()
        done = client.revoke()
        assert str(done) == "The authorization had already ended at the utility; greenkit deleted it here"
        assert done.already_ended
        assert client._grants.store.load() is None


def test_r13_revoke_reports_what_it_could_not_end(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    utility.behavior.replace = lambda path: flask.Response("", 500)
    done = client.revoke()
    assert done.ended == ()
    assert "status 500" in str(done)
    assert "Ask the customer to end it" in str(done)
    assert not list((tmp_path / "tokens").glob("*.json"))


def test_r13_utility_without_a_way_to_revoke_is_reported(authority):
    profile = replace(profiles.load("generic"), revoke_url=None)
    with custodian.start(profile, authority=authority) as utility:
        client = authorized(utility)
        with client._grants.store.locked():
            client._grants.store.save(replace(client._grants.store.load(), authorization_uri=None))
        assert "no address for it" in str(client.revoke())


# -- 14: customers' ids


def test_r14_customer_ids_are_hashed_in_logs(utility, caplog):
    caplog.set_level(1)
    logging.getLogger("urllib3").setLevel(1)
    client = authorized(utility)
    client.usage(*MARCH, usage_point="household-0001")
    with pytest.raises(errors.RemoteError) as caught:
        client.usage(*MARCH, usage_point="unknown-meter")
    lines = [r.getMessage() for r in caplog.records if r.name.startswith(("urllib3", "greenkit", "requests"))]
    assert any("Batch/Subscription/~" in line for line in lines if "GET" in line)
    assert any(r.name == "urllib3.connectionpool" for r in caplog.records), "its lines are rewritten, not lost"
    for secret_id in ("50000", "household-0001", "unknown-meter", "published-min"):
        assert not any(secret_id in line for line in lines), secret_id
        assert secret_id not in str(caught.value)


# -- 15: time


@pytest.mark.parametrize(
    ("lifetime", "age", "expired"),
    [(3600, 3539, False), (3600, 3541, True), (5, 4.4, False), (5, 4.6, True), (600, 539, False), (600, 541, True)],
)
def test_r15_token_is_renewed_before_it_expires(lifetime, age, expired):
    token = Token.from_answer({}, access="a", lifetime=lifetime, now=1000.0)
    assert token.expires_at == 1000.0 + lifetime
    assert token.expired(1000.0 + age) is expired


def test_r15_expires_in_may_be_a_number_text_or_missing(utility):
    endpoint = utility.connect(grant="client_credentials")._grants.endpoint
    for given_, lifetime in ((3600, 3600), ("120", 120), (None, 3600), ("soon", 3600), (-5, 3600), ([], 3600)):
        answer = {"client_access_token": "t", "token_type": "BEARER", "expires_in": given_, "scope": [given_]}
        utility.behavior.replace = lambda path, a=answer: flask.jsonify(a)
        token = endpoint.client_credentials()
        assert (token.lifetime, token.scope) == (lifetime, None)


def test_r15_short_lifetimes_are_renewed_in_time(utility):
    client = authorized(utility)
    token = client._grants.store.load()
    # a life of 5 s, of which 4.6 s are over: the utility would still take it
    client._grants.store.save(replace(token, lifetime=5.0, expires_at=time.time() + 0.4))
    assert len(client.usage(*MARCH)) == 288
    resource = "GET /GreenButtonConnect/espi/1_1/resource/Batch/Subscription/50000"
    assert utility.counts[resource] == 1
    assert utility.counts["token refresh_token"] == 1
