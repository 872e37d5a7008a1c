"""Requirement 1: no token, code, verifier, or secret is shown anywhere.

A whole notebook is run in a process of its own, with every log at its lowest level, tracebacks with locals, every
object shown, and failures of every sort; then the saved notebook is searched for all that is secret.
"""

import base64
import contextlib
import copy
import json
import pickle
import traceback
from urllib.parse import quote

import flask
import nbclient
import nbformat
import pytest
from pretend import authorized, click
from secrets_in_tracebacks import plain

from greenkit import Secret, errors

CELLS = """
%xmode Verbose
import logging, sys
logging.basicConfig(level=1, stream=sys.stdout, force=True)
import greenkit
client = greenkit.connect("pge", settings=SETTINGS)
flow = client.authorize("paste")
===
client
===
print(repr(flow), vars(flow), vars(client), client._grants.store)
===
import requests, re
def click(url, decision):
    browser = requests.Session(); browser.trust_env = False
    page = browser.post(url, data={"user": "Ada", "password": "sandbox"}).text
    ticket = re.search(r"name='ticket' value='([^']+)'", page)[1]
    meters = re.findall(r"name='meter' value='([^']+)'", page)
    form = {"ticket": ticket, "meter": meters, "decision": decision}
    return greenkit.Secret(browser.post(url, data=form, allow_redirects=False).headers["Location"])
logging.disable(logging.CRITICAL)   # the customer's browser is not ours
url = click(flow.url, "allow")
logging.disable(logging.NOTSET)
client.finish(greenkit.Secret(url.reveal().replace("code=", "code=x&code=")))
===
client.finish(greenkit.Secret(url.reveal() + "&error=access_denied"))
===
client.finish(greenkit.Secret(url.reveal().replace("state=", "state=x")))
===
client.finish(url)
===
client.finish(url)
===
print(client.status(), client._grants.store.load(), vars(client._grants.store.load()), client)
===
df = client.usage("2024-03-01", "2024-03-02")
df.attrs
===
client.usage("2024-04-01", "2024-04-02", "no-such-meter")
===
token = client._grants.store.load()
import dataclasses, pickle
client._grants.store.save(dataclasses.replace(token, expires_at=0.0))
client.usage("2024-03-01", "2024-03-02").shape
===
client._grants.store.save(dataclasses.replace(client._grants.store.load(), expires_at=0.0, refresh=token.refresh))
client.usage("2024-03-01", "2024-03-02")
===
pickle.dumps(token)
===
pickle.dumps(client)
===
other = greenkit.connect("pge", settings=SETTINGS, client_secret=greenkit.Secret(WRONG), grant="client_credentials")
other.service_status()
===
plain = greenkit.connect("pge", settings=SETTINGS, grant="client_credentials", url="https://127.0.0.1:1")
plain.service_status()
===
own = greenkit.connect("pge", settings=SETTINGS, grant="client_credentials")
print(own.service_status(), own.application_information().T.to_string(), own._grants.own.load())
"""
WRONG = "wrong-secret-ä%+/:&"


def test_r01_saved_notebook_of_failures_contains_no_secret(utility, tmp_path):
    codes, refreshes = _remember(utility)
    path = utility.write_settings(tmp_path / "s")
    text = CELLS.replace("SETTINGS", repr(str(path))).replace("WRONG", f"open({str(tmp_path / 'w')!r}).read()")
    (tmp_path / "w").write_text(WRONG)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c.strip()) for c in text.split("\n===\n")])
    nbclient.NotebookClient(
        notebook,
        timeout=60,
        allow_errors=True,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    saved = json.dumps(notebook, ensure_ascii=False)

    raised = [o["ename"] for c in notebook.cells for o in c.outputs if o.output_type == "error"]
    assert raised == [
        "StateMismatch", "StateMismatch", "StateMismatch", "StateMismatch", "RemoteError", "AuthorizationExpired",
        "TypeError", "TypeError", "ClientRejected", "ServerUnavailable",
    ]  # fmt: skip
    assert "urllib3.connectionpool" in saved
    assert "POST /datacustodian" in saved
    secrets = {*codes, *refreshes, *(t.access for t in utility.register.tokens), WRONG, utility.client_secret.reveal()}
    assert len(secrets) >= 8
    for secret in secrets:
        for shape in _shapes(secret):
            assert shape not in saved, f"a secret of {len(secret)} characters is in the notebook"


def _remember(utility):
    """Record every code and refresh token that the utility issues."""
    codes, refreshes = [], []

    class Codes(dict):
        def __setitem__(self, code, value):
            codes.append(code)
            super().__setitem__(code, value)

    class Tokens(list):
        def append(self, issued):
            refreshes.extend([issued.refresh] if issued.refresh else [])
            super().append(issued)

    utility.register.codes, utility.register.tokens = Codes(), Tokens()
    return codes, refreshes


def _shapes(secret):
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


def test_r01_tracebacks_with_locals_contain_no_secret(utility, monkeypatch, tmp_path):
    codes, refreshes = _remember(utility)
    client, caught = authorized(utility, tokens=tmp_path / "tokens"), []

    def fail(call, error):
        with pytest.raises(error) as info:
            call()
        caught.append(info.value)

    for answer in (
        flask.Response("not json", 200),
        flask.Response("{}", 200),
        flask.Response('{"access_token": "", "token_type": "bearer"}', 200),
        flask.Response('{"access_token": "reflected-secret-token", "token_type": "mac"}', 200),
        flask.Response('{"error": "invalid_grant-reflected", "error_description": "reflected-secret-token"}', 400),
        flask.Response('{"error": "reflected-secret-token"}', 400),
        flask.Response('"Invalid Certificate"', 400),
        flask.Response("", 302, {"Location": "https://x/?reflected-secret-token"}),
        flask.Response(b"\xff" * 100, 200, {"Content-Encoding": "gzip"}),
        flask.Response("reflected-secret-token", 500),
        flask.Response("", 429),
    ):
        utility.register.expire_access()
        with client._grants.store.locked():
            token = client._grants.store.load()
            client._grants.store.save(_old(token))
        utility.behavior.replace = lambda path, a=answer: a if path.endswith("token") else None
        fail(lambda: client.usage("2024-03-01", "2024-03-02"), errors.GreenkitError)
    monkeypatch.setattr("os.replace", _full)
    utility.behavior.replace = None
    fail(lambda: client.usage("2024-03-01", "2024-03-02"), errors.SettingsError)
    utility.close()
    fail(lambda: client.application_information(), errors.ServerUnavailable)
    secrets = {*codes, *refreshes, *(t.access for t in utility.register.tokens), utility.client_secret.reveal()}
    secrets |= {"reflected-secret-token", utility.registration_token.reveal()}
    for error in caught:
        text = plain(error)
        for secret in secrets:
            assert not any(shape in text for shape in _shapes(secret)), type(error)


@pytest.mark.parametrize("what", ["token", "resource"])
@pytest.mark.parametrize("broken", [KeyboardInterrupt, ValueError, MemoryError])
def test_r01_interrupted_request_leaves_no_frame_with_secrets(utility, monkeypatch, what, broken):
    client = authorized(utility)
    token = client._grants.store.load()
    if what == "token":
        client._grants.store.save(_old(token))

    def stop(*args, **kwargs):
        raise broken

    monkeypatch.setattr("urllib3.connectionpool.HTTPConnectionPool.urlopen", stop)
    with pytest.raises((broken, errors.FormatError)) as caught:
        client.usage("2024-03-01", "2024-03-02")
    text = plain(caught.value)
    for secret in (token.access.reveal(), token.refresh.reveal(), utility.client_secret.reveal()):
        assert not any(shape in text for shape in _shapes(secret))


def test_r01_pasted_url_is_hidden_in_the_frames_of_an_error(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    with pytest.raises(errors.StateMismatch) as caught:
        client.finish(click(flow.url, follow=False).replace("state=", "state=x"))
    frames = [f for f, _ in traceback.walk_tb(caught.tb) if "greenkit" in f.f_globals["__name__"]]
    assert frames
    assert not any(isinstance(v, str) and "code=" in v for f in frames for v in f.f_locals.values())


def _old(token):
    from dataclasses import replace

    return replace(token, expires_at=0.0)


def _full(*args):
    raise OSError(28, "No space left on device")


def test_r01_objects_do_not_reveal_secrets(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    url = click(flow.url, follow=False)
    flow.finish(url)
    token = client._grants.store.load()
    secrets = [token.access.reveal(), token.refresh.reveal(), utility.client_secret.reveal()]
    for thing in (
        client,
        flow,
        token,
        client.status(),
        client._grants.endpoint,
        client._resources,
        client._grants.store,
    ):
        shown = f"{thing!r} {thing} {getattr(thing, '_repr_html_', str)()} {getattr(thing, '__dict__', '')}"
        assert not any(s in shown for s in secrets)
        if thing is not client._grants.store and not isinstance(thing, type(client.status())):
            for attempt in (pickle.dumps, copy.deepcopy):
                with contextlib.suppress(TypeError):
                    assert not any(s.encode() in pickle.dumps(attempt(thing)) for s in secrets)
    for thing in (token, client, flow, token.access):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
    assert "extra" not in utility.connect().__dict__
    assert str(token.to_json()) == "Secret(***)"
    assert Secret("a") != "a"
