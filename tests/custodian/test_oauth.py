"""Requests to the token endpoint, and the translation of its answers."""

import base64
import json
import re
from dataclasses import replace
from urllib.parse import unquote

import flask
import pytest
import requests
from pretend import authorized, click, query_of

from greenkit import errors
from greenkit.custodian import _authorization, profiles
from greenkit.sandbox import custodian
from greenkit.secret import Secret

MARCH = ("2024-03-01", "2024-03-02")


def watch(utility):
    """Record form, header, and query of each token request."""
    sent = []

    def look(path):
        if "token" in path:
            sent.append(
                (dict(flask.request.form), flask.request.headers.get("Authorization"), dict(flask.request.args))
            )

    utility.behavior.replace = look
    return sent


@pytest.mark.parametrize("how", ["basic", "basic_raw", "post"])
def test_client_authenticates_as_the_profile_says(authority, how):
    with custodian.start(replace(profiles.load("generic"), client_auth=how), authority=authority) as utility:
        sent, secret = watch(utility), utility.client_secret.reveal()
        client = authorized(utility)
        utility.register.expire_access()
        assert len(client.usage(*MARCH)) > 0
        assert [form["grant_type"] for form, _, _ in sent] == ["authorization_code", "refresh_token"]
        for form, header, query in sent:
            assert query == {}
            if how == "post":
                assert (form["client_id"], form["client_secret"]) == (utility.register.application.id, secret)
                assert header is None
            else:
                pair = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2]
                assert pair == secret if how == "basic_raw" else (pair != secret and unquote(pair) == secret)
                assert "client_secret" not in form
        # any port is registered, and one is named: not every browser shows an address with port 0
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+/callback", sent[0][0]["redirect_uri"])
        assert len(sent[0][0]["code_verifier"]) >= 43


@pytest.mark.parametrize(("mode", "scope"), [("omit", None), ("granted", "FB=1_3"), ("fixed", "FB=1_3")])
def test_refresh_sends_the_scope_of_the_profile(authority, mode, scope):
    with custodian.start(
        replace(profiles.load("generic"), refresh_scope=mode, scope="FB=1_3"), authority=authority
    ) as utility:
        sent = watch(utility)
        client = authorized(utility)
        utility.register.expire_access()
        client.usage(*MARCH)
        assert sent[1][0].get("scope") == scope


def test_link_contains_the_parameters_of_the_profile_escaped(authority):
    profile = replace(profiles.load("pge"), authorize_parameters={"login": "guest & more"}, scope="a;b=c d")
    with custodian.start(profile, authority=authority) as utility:
        flow = utility.connect().authorize("paste")
        sent = query_of(flow.url)
        assert sent["login"] == "guest & more"
        assert sent["scope"] == "a;b=c d"
        assert sent["response_type"] == "code"
        flow.finish(click(flow.url, follow=False))
        assert utility.connect(scope="mine").authorize("paste").url.count("scope=mine") == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (400, '{"error": "invalid_grant"}', errors.ClientRejected, "client credentials are not accepted"),
        (401, '{"error": "invalid_client"}', errors.ClientRejected, "invalid_client: the client ID or secret"),
        (401, "", errors.ClientRejected, "client ID or secret"),
        (400, '{"error": "unauthorized_client"}', errors.ClientRejected, "may not use this grant"),
        (400, '{"error": "invalid_scope"}', errors.ClientRejected, "scope is not accepted"),
        (400, '{"error": "something-else"}', errors.ClientRejected, "status 400"),
        (400, '"Invalid Certificate"', errors.CertificateRejected, "does not accept the client certificate"),
        (403, "", errors.ClientRejected, "status 403"),
        (404, "No listener for endpoint: /x", errors.ClientRejected, "status 404"),
        (429, "", errors.RateLimited, "limits the rate of requests"),
        (500, "<html>", errors.ServerUnavailable, "Try again later"),
        (302, "", errors.HostRejected, "does not follow"),
        (200, "<html>", errors.FormatError, "did not return a JSON object"),
        (200, "[]", errors.FormatError, "did not return a JSON object"),
        (200, "{}", errors.FormatError, "without an access token"),
        (200, '{"access_token": 5}', errors.FormatError, "without an access token"),
        (200, '{"access_token": "a\\nb", "token_type": "bearer"}', errors.FormatError, "without an access token"),
        (200, '{"access_token": "a", "token_type": "mac"}', errors.FormatError, "not a bearer token"),
        (200, '{"error": "invalid_client"}', errors.ClientRejected, "client ID or secret"),
        (400, '{"error": "INVALID_SCOPE "}', errors.ClientRejected, "scope is not accepted"),
        (400, '{"error": {"code": "invalid_scope"}}', errors.ClientRejected, "status 400"),
        (400, '{"error": "temporarily_unavailable"}', errors.ServerUnavailable, "Try again later"),
    ],
)
def test_each_token_answer_has_its_error(shared_utility, status, body, error, says):
    shared_utility.behavior.replace = lambda path: flask.Response(body, status)
    with pytest.raises(error, match=says) as caught:
        shared_utility.connect(grant="client_credentials").service_status()
    assert "?" not in str(caught.value)
    assert str(caught.value).startswith("127.0.0.1/datacustodian/oauth/v2/token")


@pytest.mark.parametrize("named", [None, "BearerToken", " BEARER "])
def test_token_without_a_type_or_with_another_spelling_is_a_bearer_token(shared_utility, named):
    shared_utility.behavior.replace = None
    client = authorized(shared_utility)
    answer = {"access_token": "fresh", "token_type": named, "expires_in": "0"}
    shared_utility.behavior.replace = lambda path: flask.Response(json.dumps(answer))
    renewed = client._grants.token(client._grants.token().access)
    shared_utility.behavior.replace = None
    assert (renewed.access.reveal(), renewed.lifetime) == ("fresh", 3600.0)


def test_renewal_refused_without_a_reason_keeps_the_grant(shared_utility):
    shared_utility.behavior.replace = None
    client = authorized(shared_utility)
    shared_utility.behavior.replace = lambda path: flask.Response('{"ErrorCode": "invalid_request"}', 400)
    with pytest.raises(
        errors.AuthorizationExpired, match=r"without a reason\. Call authorize\(\), and check refresh_scope"
    ):
        client._grants.token(client._grants.token().access)
    shared_utility.behavior.replace = None
    assert client.status().authorized


@pytest.fixture(scope="module")
def shared_utility(authority):
    with custodian.start("pge", authority=authority) as running:
        yield running


@pytest.mark.parametrize(
    ("registered", "pasted"),
    [("https://a.example:443/cb", "https://A.example/cb"), ("https://a.example", "https://a.example/"),
     ("http://127.0.0.1:8400", "http://127.0.0.1:8400/")],
)  # fmt: skip
def test_redirect_as_a_browser_spells_it_is_accepted(registered, pasted):
    url = Secret(f"{pasted}?state=s&code=c")
    assert _authorization.code_from_redirect(url, redirect_uri=registered, state=Secret("s")).reveal() == "c"


def test_redirect_without_a_path_is_received():
    caught = []
    listener = _authorization.RedirectListener("http://127.0.0.1:0", caught.append)
    assert requests.get(f"{listener.redirect_uri}/?state=s&code=c", timeout=5).status_code == 200
    listener.close()
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [("access_denied", errors.AuthorizationDenied), ("invalid_scope", errors.ClientRejected),
     ("server_error", errors.ServerUnavailable), ("its-own", errors.ClientRejected)],
)  # fmt: skip
def test_each_error_of_a_redirect_has_its_type(shared_utility, error, kind):
    flow = shared_utility.connect().authorize("paste")
    state = query_of(flow.url)["state"]
    with pytest.raises(kind) as caught:
        flow.finish(f"{flow.redirect_uri}?error={error}&error_description=reflected&state={state}")
    assert "reflected" not in str(caught.value)
    assert flow.status == ("denied" if kind is errors.AuthorizationDenied else "failed")
    with pytest.raises(kind):
        flow.wait(0)
