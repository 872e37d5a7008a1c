"""The client: every way to authorize, windows, pending requests, loading, and completeness."""

import contextlib
import datetime
import doctest
import io
import re
import subprocess
import sys
import threading
from dataclasses import replace

import flask
import pandas as pd
import pytest
from pretend import authorized, click, query_of, truth

import greenkit
from greenkit import errors, espi, frame
from greenkit.custodian import _authorization, _windows, notifications, profiles
from greenkit.custodian._tokens import KeyringStore, Token, scope_parts
from greenkit.custodian._windows import Pending
from greenkit.espi import _tables
from greenkit.findings import GreenkitWarning
from greenkit.sandbox import custodian
from greenkit.secret import Secret

MARCH = ("2024-03-01", "2024-03-02")
SPRING = ("2024-03-01", "2024-04-15")


def check_equal(df, expected):
    """Compare the fetched frame with the true values."""
    frame.check(df, exact=True)
    got, want = (f.groupby(["meter", "flow", "unit", "start"], observed=True)["value"].sum() for f in (df, expected))
    pd.testing.assert_series_equal(got.sort_index(), want.sort_index(), check_index_type=False, rtol=1e-9)


# -- the script in the docstring of connect


def test_script_in_docstring_of_connect_runs(utility, tmp_path, monkeypatch):
    script = "".join(e.source for e in doctest.DocTestParser().get_examples(greenkit.connect.__doc__))
    assert "connect" in script
    assert "prompt" in script
    assert "usage" in script
    (tmp_path / "config" / "greenkit").mkdir(parents=True)
    settings = utility.write_settings(tmp_path / "own")
    text = settings.read_text().replace('"client-secret"', f'"{tmp_path / "own" / "client-secret"}"')
    (tmp_path / "config" / "greenkit" / "settings.toml").write_text(text)
    monkeypatch.setattr(_authorization, "is_remote", lambda: False)
    monkeypatch.setattr(_authorization, "has_browser", lambda: True)
    out, names = _Watched(), {}
    customer = threading.Thread(target=lambda: click(out.link(10)))
    customer.start()
    with contextlib.redirect_stdout(out):
        exec(script, names)
    customer.join(10)
    check_equal(names["usage"], truth(utility, *SPRING))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(script, names)
    assert utility.counts["token authorization_code"] == 1


class _Watched(io.StringIO):
    def __init__(self):
        super().__init__()
        self.there = threading.Event()

    def write(self, text):
        super().write(text)
        if "http" in text:
            self.there.set()
        return len(text)

    def link(self, timeout):
        assert self.there.wait(timeout)
        return re.search(r"http\S+", self.getvalue())[0]


# -- authorize


def test_pasted_url_must_be_complete(utility):
    flow = utility.connect().authorize("paste")
    assert not flow.listening
    assert "paste the complete URL from the browser's address bar" in repr(flow)
    url = click(flow.url, follow=False)
    for wrong in ("", query_of(url)["code"], url.replace("/callback", "/other"), url.replace("http:", "https:"),
                  url.replace("127.0.0.1", "evil.example"), url.replace("http://", "http://u@"), "x" * 9000):  # fmt: skip
        with pytest.raises(errors.StateMismatch, match="Paste the complete URL"):
            flow.finish(wrong)
    assert flow.status == "waiting"
    flow.finish(f"  {url}\n")
    flow.wait(0)
    assert flow.status == "authorized"


def test_prompt_asks_again_until_the_right_url_is_pasted(utility, monkeypatch, capsys):
    client = utility.connect()
    flow = client.authorize("paste")
    answers = iter(["nonsense", click(flow.url, follow=False)])
    monkeypatch.setattr("getpass.getpass", lambda label: next(answers))
    flow.prompt()
    printed = capsys.readouterr().out
    assert flow.url in printed
    assert "Paste the complete URL" in printed
    assert client.status().authorized
    assert client.status().granted["FB"][:2] == ("1", "3")  # the function blocks that were granted


def test_listener_ignores_requests_other_than_the_redirect(utility):
    import requests

    flow = utility.connect().authorize("loopback")
    port = flow.redirect_uri.split(":")[2].split("/")[0]
    base = f"http://127.0.0.1:{port}"
    assert requests.get(f"{base}/favicon.ico", timeout=5).status_code == 404
    url = click(flow.url, follow=False)
    assert requests.get(url, headers={"Host": f"evil.example:{port}"}, timeout=5).status_code == 404
    assert requests.post(url, timeout=5).status_code == 405
    page = requests.get(url, timeout=5)
    assert page.status_code == 200
    assert "return to your notebook" in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    flow.wait(5)
    with pytest.raises(requests.ConnectionError):
        requests.get(base, timeout=5)


def test_cancel_and_deadline_free_the_port(utility):
    import socket

    client = utility.connect()
    for ended, flow in (("cancelled", client.authorize("loopback")), ("timed out", None)):
        flow = flow or client.authorize("loopback", deadline=0.1)
        port = int(flow.redirect_uri.split(":")[2].split("/")[0])
        if ended == "cancelled":
            flow.cancel()
        with pytest.raises(errors.AuthorizationExpired, match=ended):
            flow.wait(5)
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))
        with pytest.raises(errors.StateMismatch, match=r"over.*Call authorize\(\) again"):
            flow.finish("http://127.0.0.1/callback?code=c")


def test_auto_listens_only_if_the_browser_is_on_this_machine(utility, monkeypatch):
    client = utility.connect()
    for name in ("SSH_CONNECTION", "JUPYTERHUB_USER", "BINDER_SERVICE_HOST", "CODESPACES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.exists", lambda self: False)
    monkeypatch.setattr(_authorization, "has_browser", lambda: True)
    monkeypatch.setenv("SSH_CONNECTION", "1")
    assert not client.authorize().listening
    monkeypatch.delenv("SSH_CONNECTION")
    if not _authorization.is_remote():
        assert client.authorize().listening
    monkeypatch.setattr(_authorization, "has_browser", lambda: False)
    assert not client.authorize().listening
    client.close()


def test_port_in_use_is_reported_and_auto_falls_back_to_pasting(authority, monkeypatch):
    import socket

    monkeypatch.setattr(_authorization, "is_remote", lambda: False)
    monkeypatch.setattr(_authorization, "has_browser", lambda: True)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        uri = f"http://127.0.0.1:{held.getsockname()[1]}/callback"
        with custodian.start("pge", authority=authority, redirect_uris=(uri,)) as utility:
            client = utility.connect()
            with pytest.raises(errors.SettingsError, match="is in use"):
                client.authorize("loopback")
            flow = client.authorize()
            assert not flow.listening
            flow.finish(click(flow.url, follow=False))
            assert client.status().authorized


def test_authorize_without_the_means_raises_an_error_with_the_cause(utility):
    with pytest.raises(errors.SettingsError, match="there is no sign-in"):
        utility.connect(grant="client_credentials").authorize()
    with pytest.raises(errors.SettingsError, match="not on this machine"):
        utility.connect(redirect_uri="https://example.com/cb").authorize("loopback")
    with pytest.raises(errors.SettingsError, match="auto, loopback, or paste"):
        utility.connect().authorize("magic")
    with pytest.raises(errors.StateMismatch, match=r"No authorization is in progress.*Call authorize"):
        utility.connect().finish("http://127.0.0.1/callback")
    unknown = replace(utility.profile, authorize_url="/authorize")
    with pytest.raises(errors.SettingsError, match="has no sign-in page"):
        greenkit.connect(unknown, client_id="i", client_secret="s", ca_file=utility.authority.file, redirect_uri="https://x/cb",
                         certificate=utility.client_certificate.certificate, tokens="memory",
                         certificate_key=utility.client_certificate.key).authorize()  # fmt: skip
    bare = greenkit.connect(utility.profile, client_id="i", client_secret="s", ca_file=utility.authority.file,
                            certificate=utility.client_certificate.certificate,
                            certificate_key=utility.client_certificate.key, tokens="memory")  # fmt: skip
    with pytest.raises(errors.SettingsError, match="redirect_uri"):
        bare.authorize()


def test_second_authorize_keeps_the_grant_unless_again_is_set(utility):
    client = authorized(utility)
    flow = client.authorize("loopback")
    assert flow.status == "authorized"
    flow.wait(0)
    assert client.authorize("paste", again=True).status == "waiting"
    assert client.status().state == "waiting"


def test_localhost_redirect_reserves_both_addresses(authority):
    import socket

    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    from greenkit.custodian import _authorization

    listener = _authorization.RedirectListener("http://localhost:0/callback", print)
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            listener.close()
            pytest.skip("this machine has no ::1")
        with socket.socket(socket.AF_INET6) as late, pytest.raises(OSError, match="in use"):
            late.bind(("::1", listener.port))
        listener.close()
        taken = other.getsockname()[1]
        with pytest.raises(errors.SettingsError, match="is in use"):
            _authorization.RedirectListener(f"http://localhost:{taken}/callback", print)


def test_html_of_an_authorization_is_escaped_and_opens_safely(utility):
    flow = utility.connect().authorize("paste")
    html = flow._repr_html_()
    assert "rel='noopener noreferrer'" in html
    assert "&amp;state=" in html
    assert flow.url in repr(flow)


# -- connect


def test_connect_reports_faults_before_any_request(utility, tmp_path):
    pair, ca = utility.client_certificate, utility.authority
    other = ca.client("other", stem=f"other-{tmp_path.name}", days=60)
    locked = ca.client("locked", stem=f"locked-{tmp_path.name}", days=60, password=Secret("pass"))
    from datetime import UTC, datetime, timedelta

    ended = ca.client("ended", stem=f"ended-{tmp_path.name}", begins=datetime.now(UTC) - timedelta(days=9), days=2)
    open_key = tmp_path / "open.pem"
    open_key.write_bytes(pair.key.read_bytes())
    open_key.chmod(0o644)
    before = len(utility.seen)
    for given, text in (
        ({"certificate": None, "certificate_key": None}, "requires a client certificate"),
        ({"certificate": tmp_path / "none.pem"}, "none.pem"),
        ({"certificate_key": other.key}, "another certificate"),
        ({"certificate": locked.certificate, "certificate_key": locked.key}, "encrypted"),
        ({"certificate": locked.certificate, "certificate_key": locked.key, "certificate_key_password": Secret("x")}, "password is wrong"),
        ({"certificate": ended.certificate, "certificate_key": ended.key}, "expired"),
        ({"certificate_key": open_key}, "chmod 600"),
        ({"ca_file": tmp_path / "none.pem"}, "Check ca_file"),
    ):  # fmt: skip
        with pytest.raises(errors.CertificateError, match=re.escape(text)):
            utility.connect(**given)
    for given, text in (
        ({"client_id": ""}, "No client_id is set"),
        ({"grant": "password"}, "Use one of authorization_code, client_credentials"),
    ):
        with pytest.raises(errors.SettingsError, match=text):
            utility.connect(**given)
    assert len(utility.seen) == before
    keyed = utility.connect(
        certificate=locked.certificate, certificate_key=locked.key, certificate_key_password=Secret("pass"),
        grant="client_credentials",
    )  # fmt: skip
    with pytest.raises(errors.CertificateRejected):  # an encrypted key works; it is not the registered one
        keyed.service_status()


def test_certificate_that_expires_soon_warns(utility, tmp_path):
    soon = utility.authority.client("greenkit-client", stem=f"soon-{tmp_path.name}", days=9.5)
    with pytest.warns(GreenkitWarning, match="expires in 9 days"):
        utility.connect(certificate=soon.certificate, certificate_key=soon.key)


def test_wrong_or_missing_certificate_is_reported(utility, generic, tmp_path):
    other = utility.authority.client("not-registered", stem=f"not-{tmp_path.name}", days=60)
    given = {"certificate": other.certificate, "certificate_key": other.key, "grant": "client_credentials"}
    for server in (utility, generic):
        with pytest.raises(
            errors.CertificateRejected, match=r"does not accept the client certificate. Set certificate"
        ):
            server.connect(**given).service_status()
    without = greenkit.connect(
        replace(generic.profile, mutual_tls=False), client_id="i", client_secret="s", ca_file=generic.authority.file,
        tokens="memory", grant="client_credentials",
    )  # fmt: skip
    with pytest.raises(errors.CertificateRejected):
        without.service_status()


def test_settings_supply_missing_arguments(utility, tmp_path):
    path = utility.write_settings(tmp_path / "s")
    client = greenkit.connect("pge", settings=path)
    assert client.profile.token_url == utility.profile.token_url
    assert str(tmp_path / "s" / "tokens") in str(client._grants.store)
    with pytest.raises(errors.SettingsError, match=r"no table \[custodian.utilityapi\]"):
        greenkit.connect("utilityapi", settings=path)
    with pytest.raises(errors.SettingsError, match=r"client_id.*\[custodian.utilityapi\]"):
        greenkit.connect("utilityapi")
    with pytest.raises(errors.SettingsError, match="Pass the address of your utility"):
        greenkit.connect("london_hydro", client_id="i", client_secret="s")


def test_each_customer_has_a_separate_grant(utility, tmp_path):
    ada = authorized(utility, tokens=tmp_path, customer="ada")
    grace = authorized(utility, tokens=tmp_path, customer="grace", user="Grace")
    assert set(ada.usage(*MARCH)["meter"]) == {"household-0001", "shop-0002"}
    assert set(grace.usage(*MARCH)["meter"]) == {"household-0003"}
    assert len(list(tmp_path.glob("*.json"))) == 2
    ada.forget()
    status = grace.status()
    assert status.authorized
    assert status.tokens == f"file {next(tmp_path.glob('*.json'))}"
    assert status.expires_at == status.renewed_at > datetime.datetime.now(datetime.UTC)


# -- usage


def test_usage_equals_the_true_values_in_accepted_windows(utility):
    client = authorized(utility)
    df = client.usage(*SPRING)
    check_equal(df, truth(utility, *SPRING))
    assert list(df.gk.findings) == []
    assert utility.counts["GET /GreenButtonConnect/espi/1_1/resource/Batch/Subscription/50000"] == 2
    one = client.usage(*MARCH, usage_point="household-0001")
    assert set(one["meter"]) == {"household-0001"}
    points = client.usage_points()
    assert list(points["meter"]) == ["household-0001", "shop-0002"]
    assert (points[["published", "updated"]] > pd.Timestamp("2024-01-01", tz="UTC")).all(axis=None)
    assert list(client.customers()["customer_name"]) == ["Customer 0001", "Shop 0002"]


@pytest.mark.parametrize("name", [n for n in profiles.SHIPPED if n != "pge"])
def test_every_profile_works_with_its_simulated_utility(authority, name):
    profile = profiles.load(name)
    profile = profile if profile.token_url.startswith("https") and name != "con_edison" else profile.at("https://x")
    scoped = replace(profile, scope="FB=1_3_4_5_13") if profile.refresh_scope == "fixed" else profile
    with custodian.start(scoped, authority=authority) as utility:
        client = authorized(utility)
        zone = utility.register.customers[0].meters[0].zone
        check_equal(client.usage(*MARCH, tz=zone), truth(utility, *MARCH))
        utility.register.expire_access()
        assert len(client.usage(*MARCH, tz=zone)) == 288
        assert utility.counts["token refresh_token"] == 1
        if "client_credentials" in profile.grants:
            assert utility.connect(grant="client_credentials").service_status()


def test_usage_reads_the_readings_alone(utility, monkeypatch):
    client, read, built = authorized(utility), [], []
    client._usage_points = ()  # the list of usage points is a request of its own
    load, read_table = espi.load_espi, _tables.Tables._read
    monkeypatch.setattr(espi, "load_espi", lambda source, **more: read.append(source) or load(source, **more))
    monkeypatch.setattr(_tables.Tables, "_read", lambda self, name: built.append(name) or read_table(self, name))
    df = client.usage(*MARCH)
    assert len(df) == 288
    assert len(read) == 1  # all documents in one call
    assert built == []


def test_usage_has_only_approved_meters_and_may_be_empty(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    flow.finish(click(flow.url, meters=["shop-0002"], follow=False))
    assert set(client.usage(*MARCH)["meter"]) == {"shop-0002"}
    utility.behavior.replace = lambda path: flask.Response(status=204)
    with pytest.warns(GreenkitWarning, match="sent no readings for"):
        df = client.usage(*MARCH)
    assert len(df) == 0
    frame.check(df, exact=True)
    assert client.usage_points().empty


def test_answer_that_covers_less_or_more_is_reported_and_kept(utility):
    client = authorized(utility)
    bodies = {}
    for name, days in (("less", ("2024-03-01", "2024-03-05")), ("more", ("2024-02-20", "2024-03-15"))):
        bodies[name] = client.fetch_usage(*days)[0].read()
        utility.behavior.replace = lambda path, b=bodies[name]: flask.Response(b, 200)
        asked = ("2024-03-01", "2024-03-10")
        if name == "less":
            with pytest.warns(GreenkitWarning, match="covers only part of the requested period"):
                df = client.usage(*asked)
        else:
            df = client.usage(*asked)
            assert df.gk.findings.named("custodian.window.more")[0].evidence["rows"] > 0
        assert f"custodian.window.{name}" in df.gk.findings.names
        check_equal(df, truth(utility, *days))
        utility.behavior.replace = None


def test_documents_are_stored_unchanged_in_private_files(utility, tmp_path):
    client = authorized(utility)
    documents = client.fetch_usage(*SPRING, into=tmp_path / "feeds")
    assert [d.body.parent for d in documents] == [tmp_path / "feeds"] * 2
    assert all(d.body.stat().st_mode & 0o777 == 0o600 for d in documents)
    in_memory = client.fetch_usage(*SPRING)
    assert [d.read() for d in documents] == [d.body for d in in_memory]
    for given in (documents, in_memory):
        assert greenkit.open_espi(given).readings.equals(greenkit.load(given))
    check_equal(greenkit.load_espi(tmp_path / "feeds"), truth(utility, *SPRING))
    assert not any("50000" in d.body.name for d in documents)
    told = []
    client.fetch_usage(*MARCH, progress=lambda done, total: told.append(done))
    assert told[-1] == len(client.fetch_usage(*MARCH)[0].read())


def test_truncated_answer_is_reported_and_leaves_no_file(utility, tmp_path):
    client = authorized(utility)
    utility.behavior.cut_after = 5000
    with pytest.raises(errors.TransferError, match="truncated or damaged"):
        client.fetch_usage(*MARCH, into=tmp_path / "feeds")
    assert list((tmp_path / "feeds").iterdir()) == []
    utility.behavior.cut_after = None
    assert len(client.usage(*MARCH)) == 288


# -- 202 and notifications


def test_pending_request_is_not_sent_twice(utility):
    client = authorized(utility)
    utility.behavior.prepared.add("usage")
    first = client.fetch_usage(*SPRING)
    assert isinstance(first, Pending)
    assert len(first.windows) == 2
    assert first.retry_after == 1.0
    assert first.transaction
    seen = len(utility.seen)
    with pytest.raises(
        errors.NotReady, match=r"Pass its notification to fetch_notified\(\), or request the data again in"
    ) as caught:
        client.usage(*SPRING)
    assert 0 < caught.value.retry_after <= 1.0
    assert len(utility.seen) == seen
    client._fetcher.waiting = _windows.PendingRequests()  # as if the second were over
    import time

    time.sleep(custodian.PREPARING + 0.05)
    check_equal(client.usage(*SPRING), truth(utility, *SPRING))


def test_self_access_gets_bulk_data_from_a_notification(authority):
    with (
        notifications.Listener() as listener,
        custodian.start("pge", authority=authority, notification_uri=listener.url) as utility,
    ):
        authorized(utility)  # a customer, so that there are data
        utility.behavior.forgets_jobs = True
        client = utility.connect(grant="client_credentials", redirect_uri=None)
        assert client.status().authorized
        with pytest.raises(errors.NotReady):
            client.usage(*MARCH)
        batch = listener.get(timeout=10)
        check_equal(client.load_notified(batch), truth(utility, *MARCH))
        with pytest.raises(errors.SettingsError, match="Leave usage_point out"):
            client.usage(*MARCH, usage_point="household-0001")
        utility.behavior.prepared.clear()
        check_equal(client.bulk("2024-05-01", "2024-05-03"), truth(utility, "2024-05-01", "2024-05-03"))
        listing = client.authorizations()
        assert sorted(listing["bulk"]) == ["", "50916"]
        assert "50000" in set(listing["subscription"])


def test_notification_of_another_customer_is_left_to_their_client(utility):
    ada, grace = authorized(utility, user="Ada"), authorized(utility, user="Grace")
    uris = [f"{utility.profile.resource_url}Batch/Subscription/{n}" for n in (50_000, 50_001)]
    body = "".join(f"<resources>{u}</resources>" for u in uris)
    notification = f"<BatchList xmlns='http://naesb.org/espi'>{body}</BatchList>".encode()
    assert len(ada.fetch_notified(notification)) == len(grace.fetch_notified(notification)) == 1
    assert set(grace.load_notified(notification)["meter"]) == {"household-0003"}
    utility.behavior.replace = lambda path: flask.Response("", 202, {"Retry-After": "7"})
    pending = ada.fetch_notified(notification)
    assert isinstance(pending, Pending)
    assert (pending.documents, pending.retry_after) == ((), 7.0)


def test_notification_listener_keeps_each_notification_once():
    import requests

    body = b"<BatchList xmlns='http://naesb.org/espi'><resources>https://a/b?c=1&amp;d=2</resources></BatchList>"
    with notifications.Listener() as listener:
        assert listener.url.startswith("http://127.0.0.1:")
        assert requests.get(listener.url, timeout=5).status_code == 200
        assert [requests.post(listener.url, data=body, timeout=5).status_code for _ in range(3)] == [200] * 3
        assert list(listener.get(1)) == ["https://a/b?c=1&d=2"]
        with pytest.raises(TimeoutError):
            listener.get(0.05)
        assert requests.post(listener.url, data=b"<feed/>", timeout=5).status_code == 400
        assert requests.post(listener.url, data=b"", timeout=5).status_code == 200  # a ping
        feed = b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><content>%s</content></entry></feed>"
        wrapped = feed % body.replace(b"resources", b"resource").replace(b"b?c", b"x?c")
        assert requests.post(listener.url, data=iter([wrapped[:50], wrapped[50:]]), timeout=5).status_code == 200
        assert list(listener.get(1)) == ["https://a/x?c=1&d=2"]
        endless = (b" " * (1 << 16) for _ in range(17))
        with contextlib.suppress(requests.ConnectionError):  # it hangs up on the rest
            assert requests.post(listener.url, data=endless, timeout=5).status_code == 413
        assert requests.post(listener.url + "x", data=body, timeout=5).status_code == 404
        big = {"Content-Length": str(2 << 20), "Connection": "close"}
        assert requests.post(listener.url, headers=big, data=b"", timeout=5).status_code in (400, 413)


# -- tokens


def test_damaged_token_requires_a_new_authorization(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path)
    (file,) = tmp_path.glob("*.json")
    for damage in (b"", b"{}", b"[]", b"\xff\xfe", file.read_bytes()[:50], b'{"version": 2}'):
        file.write_bytes(damage)
        with pytest.raises(errors.AuthorizationExpired, match="authorize again"):
            client.usage(*MARCH)
        assert "authorize again" in repr(client)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, follow=False))
    assert len(client.usage(*MARCH)) == 288


def test_refresh_answer_may_omit_granted_fields(utility):
    client = authorized(utility)
    before = client._grants.store.load()
    answer = {"access_token": "new", "token_type": "Bearer", "expires_in": "60", "x": [1]}
    after = before.renewed_with(Token.from_answer(answer, access="new", lifetime=60, now=0))
    assert after.access.reveal() == "new"
    assert (after.refresh, after.resource_uri, after.scope) == (before.refresh, before.resource_uri, before.scope)
    assert Token.from_json(after.to_json()) == after
    assert scope_parts("FB=1_3;BR=x;odd") == {"FB": ("1", "3"), "BR": ("x",)}


def test_subscription_can_be_the_scope_of_an_old_answer(utility):
    client = authorized(utility)
    token = client._grants.store.load()
    client._grants.store.save(replace(token, resource_uri=None, scope="50000"))
    assert len(client.usage(*MARCH)) == 288
    client._grants.store.save(replace(token, resource_uri=None, scope="FB=1"))
    assert len(client.usage(*MARCH)) == 288  # the utility's list of authorizations contains it


class _Keyring:
    """The calls of a keyring, in memory."""

    class errors:  # noqa: N801 the module's name
        class KeyringError(Exception):
            pass

    held = {}  # noqa: RUF012

    def get_password(self, service, name):
        return self.held.get((service, name))

    def set_password(self, service, name, value):
        self.held[service, name] = value

    def delete_password(self, service, name):
        del self.held[service, name]


def test_keyring_can_store_the_grant(utility, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", _Keyring())
    client = authorized(utility, tokens="keyring")
    assert isinstance(client._grants.store, KeyringStore)
    assert utility.connect(tokens="keyring").status().authorized
    _Keyring.held = dict.fromkeys(_Keyring.held, "damaged")
    assert "authorize again" in str(client.status())
    client.forget()
    assert not _Keyring.held
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(errors.SettingsError, match=r"greenkit\[keyring\]"):
        client.usage(*MARCH)


def test_default_store_is_private_or_memory_on_shared_machines(utility, monkeypatch):
    for name in ("JUPYTERHUB_USER", "BINDER_SERVICE_HOST", "COLAB_GPU"):
        monkeypatch.delenv(name, raising=False)
    if not _authorization.is_shared():
        assert "tokens" in str(utility.connect(tokens=None)._grants.store)
    monkeypatch.setenv("JUPYTERHUB_USER", "x")
    assert "memory" in str(utility.connect(tokens=None)._grants.store)


def test_import_sends_and_writes_nothing(tmp_path):
    code = "import greenkit.custodian, sys; print('authlib' in sys.modules, 'flask' in sys.modules, 'keyring' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["False", "False", "False"]
    assert list(tmp_path.iterdir()) == []
