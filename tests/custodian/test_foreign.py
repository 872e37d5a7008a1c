"""Nothing foreign escapes: each public entry point meets each fault, and only documented errors come out.

Every error has a next step, and no secret stands in its frames as IPython's verbose mode, rich, and cgitb show them.
"""

import socket
import sqlite3
import struct
from dataclasses import replace

import flask
import pytest
from pretend import authorized, click
from secrets_in_tracebacks import TOOLS, from_greenkit

from greenkit import errors, findings
from greenkit.custodian import open_customers
from greenkit.sandbox import custodian
from greenkit.secret import Secret

MARCH = ("2024-03-01", "2024-03-02")


def reset(path):
    """End the connection with a TCP reset instead of an answer."""
    sock = flask.request.environ.get("werkzeug.socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def answer(body=b"", status=200, **headers):
    return lambda path: flask.Response(body, status, {k.replace("_", "-"): v for k, v in headers.items()})


FAULTS = {
    "reset": reset,
    "empty": answer(b""),
    "web page": answer(b"<!doctype html><title>Sign in</title>"),
    "json array": answer(b"[1]"),
    "deep json": answer(b"[" * 100_000),
    "huge number": answer(b'{"access_token": "a", "token_type": "bearer", "expires_in": 1e999}' + b" " * 9),
    "not utf-8": answer(b'{"access_token": "\xff\xfe"}'),
    "broken gzip": answer(b"\x1f\x8bnot gzip", Content_Encoding="gzip"),
    "unknown encoding": answer(b"x", Content_Encoding="rot13, br"),
    "doctype": answer(b"<!DOCTYPE f [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><f>&e;</f>"),
    "odd codec": answer(b'<?xml version="1.0" encoding="rot13"?><feed/>'),
    "lone surrogate": answer(b'{"access_token": "\\ud800", "token_type": "bearer"}'),
    "nul": answer(b"\0" * 64),
    "odd zip": answer(b"PK\x03\x04" + b"\0" * 26),
    "bad length": answer(b"", 200, Retry_After="9" * 400),
    **{f"status {s}": answer(b"no", s, Retry_After="0") for s in (202, 204, 301, 400, 401, 403, 404, 407, 418, 429, 500, 503)},
}  # fmt: skip

ENTRIES = {
    "usage": lambda c: c.usage(*MARCH),
    "fetch_usage": lambda c: c.fetch_usage(*MARCH),
    "bulk": lambda c: c.bulk(*MARCH, bulk_id="50916"),
    "fetch_notified": lambda c: c.fetch_notified(
        f"<BatchList><resources>{c.profile.resource_url}Batch/Subscription/50000</resources></BatchList>".encode()
    ),
    "usage_points": lambda c: c.usage_points(),
    "customers": lambda c: c.customers(),
    "authorizations": lambda c: c.authorizations(),
    "service_status": lambda c: c.service_status(),
    "application_information": lambda c: c.application_information(),
    "revoke": lambda c: c.revoke(),
    "fetch_bulk": lambda c: c.fetch_bulk(*MARCH, bulk_id="50916"),
    "load_notified": lambda c: c.load_notified(
        f"<BatchList><resources>{c.profile.resource_url}Batch/Subscription/50000</resources></BatchList>".encode()
    ),
    "refresh": lambda c: c._grants.token(c._grants.token().access),
    "exchange": lambda c: c._grants.exchange(Secret("code-of-a-test"), c.redirect_uri, Secret("verifier-of-a-test")),
    "client token": lambda c: c._grants.endpoint.client_credentials(),
}


@pytest.fixture(scope="module")
def one(authority):
    with custodian.start("pge", authority=authority) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_each_entry_point_meets_each_fault_with_a_documented_error(one, fault):
    one.behavior.replace = None
    client = authorized(one)
    token = client._grants.store.load()
    secrets = [one.client_secret, token.access, token.refresh, one.registration_token]
    secrets += [Secret("code-of-a-test"), Secret("verifier-of-a-test")]
    client._resources._sleep = lambda seconds: None
    raised = []
    for name, call in ENTRIES.items():
        with client._grants.store.locked():
            client._grants.store.save(token)
        client._grants.own.save(replace(token, expires_at=token.expires_at + 9e9))
        client._fetcher.waiting._until.clear()
        one.behavior.replace = FAULTS[fault]
        with findings.quiet():
            error = error_of(call, client)
        one.behavior.replace = None
        if error is not None:
            raised.append(name)
            assert error.next_step.endswith("."), (name, type(error), str(error))
            check_hidden(error, [s.reveal() for s in secrets], name, slowly=len(SHOWN) < 4 and name not in SHOWN)
            SHOWN.add(name)
    # 202 and 204 are answers, and revoke() reports what it could not end
    assert len(raised) >= (1 if fault in ("status 202", "status 204") else 4), raised


def test_nightly_fetch_turns_each_fault_into_a_row(one, tmp_path):
    one.behavior.replace = None
    customers = open_customers("pge", settings=one.write_settings(tmp_path / "s"))
    with customers.client("ada") as client:
        client.finish(click(client.authorize("paste").url, follow=False))
        token = client._grants.store.load()
    for name in ("reset", "web page", "deep json", "broken gzip", "doctype", "status 202", "status 401", "status 503"):
        one.behavior.replace = FAULTS[name]
        (row,) = customers.fetch_new(first=MARCH[0], now=MARCH[1]).rows
        one.behavior.replace = None
        assert row["state"] in ("fetched", "pending", "ended", "failed"), name
        assert row["state"] == "fetched" or (row["problem"] and row["next_step"].endswith(".")), name
        customers._path("ada").with_suffix(".received").unlink(missing_ok=True)
        with customers.client("ada") as client, client._grants.store.locked():
            client._grants.store.save(token)


def error_of(call, *args):
    """Return the error of greenkit that a call raises, or None; anything else fails the test."""
    try:
        call(*args)
    except errors.GreenkitError as e:
        return e
    return None


SHOWN = set()  # entry points whose error IPython showed too, which takes ten times as long as the other tools


def check_hidden(error, secrets, name, *, slowly=True):
    for tool, show in TOOLS.items():
        if slowly or tool != "ipython":
            text = show(from_greenkit(error))
            for secret in secrets:
                assert secret not in text, (name, tool, type(error))


@pytest.mark.parametrize("where", ["load", "save", "lock", "delete"])
def test_disk_faults_are_errors_of_greenkit(one, tmp_path, monkeypatch, where):
    one.behavior.replace = None
    client = authorized(one, tokens=tmp_path / "tokens")
    token = client._grants.store.load()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def broken(*args, **kwargs):
        raise sqlite3.DatabaseError("database disk image is malformed")

    target = {"load": ("pathlib.Path.read_text", fail), "save": ("os.replace", fail), "lock": ("sqlite3.connect", broken),
              "delete": ("pathlib.Path.unlink", fail)}[where]  # fmt: skip
    monkeypatch.setattr(*target)
    calls = {"load": client._grants.token, "delete": client.forget}
    error = error_of(calls.get(where, lambda: client._grants._renewed(token.access)))
    assert error.next_step
    check_hidden(error, [token.access.reveal(), token.refresh.reveal()], where)
    monkeypatch.undo()


def test_internal_error_is_not_translated(one, monkeypatch):
    one.behavior.replace = None
    client = authorized(one)
    monkeypatch.setattr(type(client._grants.endpoint), "_token_of", lambda self, *args: self.no_such_attribute)
    with pytest.raises(AttributeError, match="no_such_attribute"):
        client._grants.token(client._grants.token().access)
    monkeypatch.setattr(type(client._resources), "_read", lambda self, *args: self.no_such_attribute)
    with pytest.raises(AttributeError, match="no_such_attribute"):
        client.service_status()


REDIRECTS = [
    "",
    "?",
    "x",
    "https://[",
    "http://127.0.0.1:99999/",
    "?code=a",
    "?state=b",
    "?error=x&state=s",
    "\ud800",
    "a" * 99_999,
]


@pytest.mark.parametrize("url", REDIRECTS)
def test_pasted_text_is_an_error_of_greenkit(one, url):
    flow = one.connect().authorize("paste")
    for text in (url, f"{flow.redirect_uri}{url}"):
        with pytest.raises(errors.GreenkitError) as caught:
            flow.finish(text)
        assert caught.value.next_step
    flow.cancel()
