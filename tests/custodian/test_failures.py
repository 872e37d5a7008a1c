"""Failures that third-party custodians, operating systems, and users cause: each has an error, a step, and no loss."""

import gc
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import flask
import numpy as np
import pandas as pd
import pytest
from dripping import Drip, answer_each
from pretend import authorized, click

import greenkit
import greenkit.synthetic
from greenkit import errors
from greenkit.certificates import Pair
from greenkit.custodian import FileStore, KeyringStore, MemoryStore, _coverage, _transport, _windows, profiles
from greenkit.custodian._coverage import Received
from greenkit.custodian._tokens import Token
from greenkit.findings import GreenkitWarning
from greenkit.sandbox import custodian
from greenkit.secret import Secret

MARCH = ("2024-03-01", "2024-03-02")
BATCH = "Batch/Subscription/50000"


def settings_with(tmp_path, utility, *lines):
    """Write the utility's settings with further lines in its table, and return the path."""
    path = utility.write_settings(tmp_path / "s")
    names = tuple(f"{line.partition(' ')[0]} =" for line in lines)
    old = [line for line in path.read_text().splitlines() if not line.startswith(names)]
    at = old.index(f"[custodian.{utility.profile.name}]") + 1
    path.write_text("\n".join([*old[:at], *lines, *old[at:]]) + "\n")
    return path


# -- settings


@pytest.mark.parametrize(("value", "kind"), [("memory", MemoryStore), ("keyring", KeyringStore)])
def test_tokens_of_the_settings_can_name_a_store(utility, tmp_path, monkeypatch, value, kind):
    monkeypatch.chdir(tmp_path)
    path = settings_with(tmp_path, utility, f'tokens = "{value}"')
    client = greenkit.connect("pge", settings=path)
    assert isinstance(client._grants.store, kind)
    if kind is MemoryStore:
        flow = client.authorize("paste")
        flow.finish(click(flow.url, follow=False))
        assert client.status().authorized
    assert not list(tmp_path.rglob("*.json"))


def test_tokens_of_the_settings_can_name_a_folder_beside_them(utility, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = greenkit.connect("pge", settings=settings_with(tmp_path, utility, 'tokens = "grants"'))
    assert client._grants.store.path.parent == tmp_path / "s" / "grants"


def test_utility_of_the_settings_is_relative_to_their_folder(utility, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = settings_with(tmp_path, utility, 'utility = "mine.toml"')
    (path.parent / "profile.toml").rename(path.parent / "mine.toml")
    assert greenkit.connect("pge", settings=path).profile == utility.profile


def test_missing_settings_file_is_named(tmp_path):
    with pytest.raises(errors.SettingsError, match=r"write a table \[custodian\.x\] into .*does not exist") as caught:
        greenkit.connect("x")
    assert caught.value.next_step.startswith(("Use", "Did"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('zone = "Mars/Base"', "zone is 'Mars/Base', but it must be an IANA time zone"),
        ("window_days = 0", "window_days is 0, but it must be from 1"),
        ("limits = [[0, 1.0]]", "limits"),
        ("limits = [[1, -1.0]]", "limits"),
        ("limits = [[1, nan]]", "finite number"),
        ("token_lifetime = -1", "token_lifetime is -1.0"),
        ("pending_wait = inf", "finite number"),
        ('token_url = "https://["', "token_url is not a valid URL"),
        ('token_url = "https://api.example:port/"', "token_url is not a valid URL"),
        ("window_days = " + "9" * 5000, "too many digits"),
        ("hosts = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ('based_on = "mine.toml"', "leads back to this file"),
        ("based_on = 5", "based_on must be the name of a profile"),
        ('based_on = "~nobody-of-that-name/x.toml"', "cannot be read"),
        ("refresh_scop = 1", "Did you mean refresh_scope"),
        ("schema = 2", "Upgrade greenkit"),
    ],
)
def test_hostile_and_invalid_profile_raises_settings_error(tmp_path, line, says):
    key = line.partition(" ")[0]
    rest = {"name": "mine", "authorize_url": "https://a/", "token_url": "https://a/t", "resource_url": "https://a/r/"}
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([line, *(f'{k} = "{v}"' for k, v in rest.items() if k != key)]))
    with pytest.raises(errors.SettingsError) as caught:
        profiles.load(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value) or key == "based_on"


# -- dates


@pytest.mark.parametrize("given", [1709280000, 1709280000.0, "1709280000", " 1709280000 ", np.int64(1709280000), np.float32(1709280000)])  # fmt: skip
def test_epoch_seconds_are_accepted_as_number_and_text(given):
    assert abs(_windows.instant(given, "America/Los_Angeles") - pd.Timestamp("2024-03-01 08:00", tz="UTC")).seconds < 99


@pytest.mark.parametrize(
    "given",
    [np.int64(1709280000 * 10**9), np.int64(20240301), np.float64("nan"), np.bool_(True), np.timedelta64(1, "D"),
     np.datetime64("NaT"), "170928000012", 1709280000000, np.int64(1709280000000), float("inf"), 10**400, b"2024-03-01"],
)  # fmt: skip
def test_ambiguous_numbers_are_refused(given):
    with pytest.raises(errors.SettingsError, match="is not an unambiguous date or time"):
        _windows.instant(given, "America/Los_Angeles")


# -- the token store


def unusable(monkeypatch):
    def fail(*args, **kwargs):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(sqlite3, "connect", fail)


@pytest.mark.parametrize("method", ["authorize", "usage", "forget"])
def test_token_folder_that_cannot_be_locked_is_reported(utility, tmp_path, monkeypatch, method):
    client = authorized(utility, tokens=tmp_path / "tokens")
    client._grants.store.save(replace(client._grants.store.load(), expires_at=0.0))
    unusable(monkeypatch)
    with pytest.raises(errors.SettingsError, match=r"token folder .* cannot be used \(OperationalError\)") as caught:
        getattr(client, method)(*(MARCH if method == "usage" else ()))
    assert caught.value.next_step.startswith("Free disk space")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become a user without rights")
def test_read_only_token_folder_is_reported(tmp_path):
    folder = tmp_path / "tokens"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    folder.chmod(0o500)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    code = (
        "import os, sys, platformdirs\nfrom greenkit.custodian import FileStore\nfrom greenkit.errors import *\n"
        "os.setuid(65534)\n"
        "try:\n    with FileStore(sys.argv[1]).locked(): print('locked')\nexcept SettingsError as e: print(e)"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, str(folder / "x.json")], capture_output=True, text=True, cwd="/",
                          env={**os.environ, "PYTHONPATH": str(Path(greenkit.__file__).parents[1])})  # fmt: skip
    assert "cannot be used" in done.stdout, done.stderr
    assert "make the folder writable" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_disk_without_permissions_has_a_way_out(utility, authority, tmp_path):
    """K8: on WSL's Windows disks and many network drives every file has mode 0777, and chmod changes nothing."""
    disk, home = tmp_path / "disk", tmp_path / "home"
    for folder in (disk, home):
        folder.mkdir(mode=0o700)
    pair = authority.client("meter-pc", stem="on-disk")
    key = disk / "key.pem"
    key.write_bytes(pair.key.read_bytes())
    for path in (disk, key):
        path.chmod(0o777)
    with pytest.raises(errors.SettingsError) as caught:
        authorized(utility, tokens=disk)
    assert (
        "does not store permissions (WSL, network drives), set tokens to a folder on one that does"
        in caught.value.next_step
    )
    assert len(authorized(utility, tokens=home).usage(*MARCH)) == 288
    with pytest.raises(errors.CertificateError) as caught:
        _transport.Tls(certificate=pair.certificate, key=key).check()
    assert "move the key to one that does, and set key to its new path" in caught.value.next_step
    moved = home / "key.pem"
    moved.write_bytes(key.read_bytes())
    moved.chmod(0o600)
    assert _transport.Tls(certificate=pair.certificate, key=moved).check() is not None


def test_private_folder_makes_its_parents_private(tmp_path):
    mask = os.umask(0o022)
    try:
        FileStore(tmp_path / "a" / "b" / "x.json").save(token())
    finally:
        os.umask(mask)
    assert [(tmp_path / p).stat().st_mode & 0o777 for p in ("a", "a/b", "a/b/x.json")] == [0o700, 0o700, 0o600]


def token(access="a", refresh="r", *, issued=1000.0, **more):
    return Token(access=Secret(access), refresh=Secret(refresh), expires_at=issued + 3600, lifetime=3600.0, **more)


def test_complete_part_of_a_killed_save_is_adopted(tmp_path):
    store = FileStore(tmp_path / "t" / "pge.json")
    store.save(token("old"))
    store.save(token("old"))
    new = store.path.parent / ".pge.json.abc.part"
    new.write_text(token("new", "r2", issued=2000.0).to_json().reveal())
    new.chmod(0o600)
    with store.locked():
        assert store.load().access.reveal() == "new"
    assert sorted(p.name for p in store.path.parent.iterdir()) == ["pge.json", "pge.json.lock"]


def test_part_of_a_first_save_is_adopted(tmp_path):
    store = FileStore(tmp_path / "t" / "pge.json")
    (tmp_path / "t").mkdir(mode=0o700)
    part = store.path.parent / ".pge.json.abc.part"
    part.write_text(token("new").to_json().reveal())
    part.chmod(0o600)
    with store.locked():
        assert store.load().access.reveal() == "new"


@pytest.mark.parametrize("content", ["old", "truncated", "open to others", "link"])
def test_part_that_is_no_newer_private_token_is_deleted(tmp_path, content):
    store = FileStore(tmp_path / "t" / "pge.json")
    store.save(token("now", issued=2000.0))
    part = store.path.parent / ".pge.json.abc.part"
    text = token("part", issued=1000.0 if content == "old" else 3000.0).to_json().reveal()
    if content == "link":
        (tmp_path / "elsewhere").write_text(text)
        part.symlink_to(tmp_path / "elsewhere")
    else:
        part.write_text(text[: -5 if content == "truncated" else None])
        part.chmod(0o644 if content == "open to others" else 0o600)
    with store.locked():
        assert store.load().access.reveal() == "now"
    assert not list(store.path.parent.glob(".*part"))


INTERRUPTED = """
import signal, sys, threading, time
import greenkit
from greenkit.custodian import _tokens
client = greenkit.connect("pge", settings=sys.argv[1])
original, saves = _tokens._files.write_private, []
def write(path, data):
    saves.append(path)
    if len(saves) == 2:  # the renewed token has come, and is not saved yet
        signal.raise_signal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
        __import__("os").kill(__import__("os").getpid(), signal.SIGINT)
        time.sleep(0.3)
    original(path, data)
_tokens._files.write_private = write
try:
    client.usage("2024-03-01", "2024-03-02")
    print("no interrupt")
except KeyboardInterrupt:
    print("interrupted", len(saves))
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupt_between_answer_and_save_keeps_the_grant(utility, tmp_path):
    settings = utility.write_settings(tmp_path / "s")
    client = greenkit.connect("pge", settings=settings)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, follow=False))
    utility.register.expire_access()
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(settings)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(Path(greenkit.__file__).parents[1])},
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    assert done.stdout == "interrupted 2\n", done.stderr
    assert len(client.usage(*MARCH)) == 288
    assert utility.counts["token refresh_token"] == 1
    assert utility.counts["reuse detected"] == 0


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupt_while_the_code_is_exchanged_keeps_the_grant(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    url, save = click(flow.url, follow=False), client._grants.store.save

    def interrupted(token):
        os.kill(os.getpid(), signal.SIGINT)  # Python's handler runs in the main thread
        for _ in range(10):
            time.sleep(0.01)
        save(token)

    client._grants.store.save = interrupted
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            flow.finish(url)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert len(client.usage(*MARCH)) == 288
    assert utility.counts["token authorization_code"] == 1


def test_run_to_end_returns_raises_and_keeps_the_callers_deadline():
    assert _transport.run_to_end(lambda: threading.current_thread().name) == "greenkit: token exchange"
    with pytest.raises(KeyError):
        _transport.run_to_end(lambda: {}["x"])
    from greenkit import _net

    with _net.Deadline(5):
        assert _transport.run_to_end(lambda: _net._ends.get()) is not None


# -- deadlines


@pytest.mark.parametrize("stage", Drip.STAGES)
@pytest.mark.parametrize("what", ["token", "resource"])
def test_one_deadline_ends_an_exchange_that_drips(authority, stage, what):
    with Drip(authority, stage) as server:
        profile = replace(profiles.load("generic").at(server.url), mutual_tls=False)
        client = greenkit.connect(
            profile, client_id="i", client_secret=Secret("s"), ca_file=authority.file, tokens=MemoryStore(),
            grant="client_credentials", timeout=5,
        )  # fmt: skip
        client._grants.endpoint._total = client._resources._total = 0.15
        if what == "resource":
            client._grants.own.save(replace(token(), expires_at=time.time() + 3600))
        with pytest.raises(errors.RemoteError) as caught:
            client.service_status()
        assert "within 0.15 s" in caught.value.problem
        assert caught.value.next_step
        client.close()


def test_answer_in_memory_has_a_smaller_limit_than_a_file(utility, tmp_path, monkeypatch):
    from greenkit.custodian import _resources

    assert _resources.MEMORY_LIMIT < _resources.LIMIT
    monkeypatch.setattr(_resources, "MEMORY_LIMIT", 1000)
    client = authorized(utility)
    with pytest.raises(errors.LimitError, match=r"larger than 1,000 bytes.*larger limit"):
        client.fetch_usage(*MARCH)
    assert len(greenkit.load_espi(client.fetch_usage(*MARCH, into=tmp_path)[0].body)) == 288


# -- the token endpoint


def test_token_answer_with_status_201_is_accepted(utility):
    answer = json.dumps({"client_access_token": "t", "token_type": "bearer"})
    utility.behavior.replace = lambda path: flask.Response(answer, 201) if path.endswith("token") else None
    client = utility.connect(grant="client_credentials")
    assert client._grants.client_bearer.get(None).reveal() == "t"


def test_word_certificate_in_a_page_is_not_a_rejected_certificate(utility):
    client = authorized(utility)
    page = "<html>Gift certificate shop: not found</html>"
    utility.behavior.replace = lambda path: None if path.endswith("token") else flask.Response(page, 400)
    with pytest.raises(errors.ClientRejected):
        client.usage(*MARCH)
    utility.behavior.replace = lambda path: (
        None if path.endswith("token") else flask.Response("<center>The SSL certificate error</center>", 400)
    )
    with pytest.raises(errors.CertificateRejected):
        client.usage(*MARCH)


def test_required_certificate_that_is_not_set_is_named(generic):
    profile = replace(generic.profile, mutual_tls=False)
    client = greenkit.connect(
        profile, client_id="i", client_secret=Secret("s"), ca_file=generic.authority.file, tokens="memory",
        grant="client_credentials",
    )  # fmt: skip
    with pytest.raises(errors.CertificateRejected, match="requires a client certificate, and none is set"):
        client.service_status()


def test_certificate_alone_authenticates_the_client(authority):
    sent = []
    with custodian.start(
        replace(profiles.load("generic"), client_auth="tls_client_auth"), authority=authority
    ) as utility:
        utility.behavior.replace = lambda path: (
            (sent.append((dict(flask.request.form), flask.request.headers.get("Authorization"))),
             flask.jsonify({"access_token": "t", "token_type": "bearer"}))[1] if "token" in path else None
        )  # fmt: skip
        pair = utility.client_certificate
        given = {"client_id": utility.register.application.id, "ca_file": authority.file, "tokens": "memory"}
        client = greenkit.connect(
            utility.profile, certificate=pair.certificate, certificate_key=pair.key, grant="client_credentials", **given
        )
        assert client._grants.client_bearer.get(None).reveal() == "t"
        with pytest.raises(errors.CertificateError, match="requires a client certificate"):
            greenkit.connect(replace(utility.profile, mutual_tls=False), **given)
    form, header = sent[0]
    assert form["client_id"] == given["client_id"]
    assert "client_secret" not in form
    assert header is None


@pytest.mark.parametrize("where", ["redirect", "token"])
def test_required_pkce_is_named(authority, where):
    with custodian.start(replace(profiles.load("generic"), pkce=False), authority=authority) as utility:
        flow = utility.connect().authorize("paste")
        if where == "redirect":
            state = flow._state.reveal()
            url = f"{flow.redirect_uri}?error=invalid_request&error_description=code+challenge+required&state={state}"
        else:
            url = click(flow.url, follow=False)
            body = json.dumps({"error": "invalid_grant", "error_description": "Missing code_verifier"})
            utility.behavior.replace = lambda path: flask.Response(body, 400)
        with pytest.raises(errors.ClientRejected, match="requires PKCE") as caught:
            flow.finish(url)
        assert caught.value.next_step == "Set pkce = true in a profile of your own."


def test_redirect_without_state_is_reported(utility):
    flow = utility.connect().authorize("paste")
    with pytest.raises(errors.StateMismatch, match="contains no state, which some utilities drop"):
        flow.finish(f"{flow.redirect_uri}?code=abc")
    with pytest.raises(errors.StateMismatch, match="refused, but it contains no state"):
        flow.finish(f"{flow.redirect_uri}?error=access_denied")
    assert flow.status == "waiting"
    flow.cancel()


# -- the network


def test_each_cause_of_a_lost_connection_has_its_own_text(authority, monkeypatch, closed_port):
    def problem(url, **more):
        client = greenkit.connect(
            replace(profiles.load("generic").at(url), mutual_tls=False), client_id="i", client_secret=Secret("s"),
            ca_file=authority.file, tokens="memory", grant="client_credentials", timeout=5, **more,
        )  # fmt: skip
        with pytest.raises(errors.ServerUnavailable) as caught:
            client.service_status()
        return caught.value

    found = {
        "name": problem("https://no-such-host.invalid"),
        "port": problem(f"https://127.0.0.1:{closed_port}"),
        "proxy": problem("https://127.0.0.1:9", proxy=f"http://127.0.0.1:{closed_port}"),
    }
    assert "cannot be resolved" in found["name"].problem
    assert "refuses connections" in found["port"].problem
    assert f"The proxy 127.0.0.1:{closed_port}" in found["proxy"].problem
    assert len({e.problem for e in found.values()}) == 3
    assert all(e.next_step for e in found.values())
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "environment variable HTTPS_PROXY names one" in problem("https://no-such-host.invalid").next_step


class Proxy:
    """A proxy that opens tunnels, and records what it was asked."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for sock in [self.server, *self.open]:
            sock.close()

    def __init__(self):
        self.asked, self.open, self.server = [], [], socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        answer_each(self.server, self.tunnel)

    def tunnel(self, peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        self.asked.append(head.decode())
        host, port = head.split()[1].decode().split(":")
        there = socket.create_connection((host, int(port)))
        peer.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
        self.open += [peer, there]

        def copy(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        threading.Thread(target=copy, args=(peer, there), daemon=True).start()
        copy(there, peer)


@pytest.mark.parametrize("how", ["proxy", "proxies", "settings"])
def test_proxy_opens_every_connection(utility, tmp_path, how):
    with Proxy() as proxy:
        if how == "settings":
            (tmp_path / "word").write_text("pass word")
            (tmp_path / "word").chmod(0o600)
            lines = (f'proxy = "http://ada@{proxy.address}"', f'proxy_password = {{file = "{tmp_path / "word"}"}}')
            client = greenkit.connect("pge", settings=settings_with(tmp_path, utility, *lines))
        else:
            given = (
                {"proxy": f"http://{proxy.address}"}
                if how == "proxy"
                else {"proxies": {"https": f"http://{proxy.address}"}}
            )
            client = utility.connect(**given)
        flow = client.authorize("paste")
        flow.finish(click(flow.url, follow=False))
        assert len(client.usage(*MARCH)) == 288
        assert len(proxy.asked) >= 2
        assert all(head.startswith(f"CONNECT {utility.url.removeprefix('https://')} ") for head in proxy.asked)
        assert ("Proxy-Authorization: Basic YWRhOnBhc3Mgd29yZA==" in proxy.asked[0]) is (how == "settings")
        client.close()


def test_missing_intermediate_certificate_is_named_and_its_step_helps(authority, chain):
    def status(sent, ca_file):
        pair = Pair(sent, chain.key)
        with custodian.start("pge", authority=authority, server_certificate=pair) as utility:
            return utility.connect(ca_file=ca_file, grant="client_credentials").service_status()

    with pytest.raises(errors.HostRejected, match="does not send an intermediate certificate") as caught:
        status(chain.leaf, chain.root)
    assert "missing intermediate certificate and its root into one PEM file, and set ca_file" in caught.value.next_step
    assert status(chain.leaf, chain.complete) is True
    assert status(chain.sent, chain.root) is True


# -- which subscription


def without_resource_uri(utility, monkeypatch, *, authorization=True):
    """Make the utility's token answers leave out the URI of the data, as some do."""
    plain = Token.from_answer

    def build(answer, **more):
        gone = {"resourceURI"} | (set() if authorization else {"authorizationURI"})
        return plain({k: v for k, v in answer.items() if k not in gone}, **more)

    monkeypatch.setattr(Token, "from_answer", staticmethod(build))


def test_subscription_comes_from_the_argument_the_settings_or_the_list(utility, tmp_path, monkeypatch):
    without_resource_uri(utility, monkeypatch)
    assert len(authorized(utility, subscription="50000").usage(*MARCH)) == 288
    path = settings_with(tmp_path, utility, 'subscription = "50001"')
    assert greenkit.connect("pge", settings=path)._subscription_id == "50001"
    authorized(utility, user="Grace")
    assert set(authorized(utility).usage(*MARCH)["meter"]) == {"household-0001", "shop-0002"}  # by its authorizationURI


def test_unknown_subscription_is_an_error_with_a_next_step(generic, monkeypatch):
    without_resource_uri(generic, monkeypatch, authorization=False)
    client = authorized(generic)
    authorized(generic, user="Grace")
    with pytest.raises(errors.FormatError, match=r"2 subscriptions instead of one\. Pass subscription= to connect"):
        client.usage(*MARCH)


# -- completeness


def test_missing_usage_point_is_reported(utility):
    client = authorized(utility)
    one = client.fetch_usage(*MARCH, usage_point="household-0001")[0].read()
    utility.behavior.replace = lambda path: flask.Response(one) if path.endswith(BATCH) else None
    with pytest.warns(
        GreenkitWarning, match="1 usage point of the subscription is missing from the answer, first shop-0002"
    ):
        df = client.usage(*MARCH)
    assert df.gk.findings.named("custodian.answer.meter-missing")[0].evidence["meters"] == ["shop-0002"]


def test_list_of_usage_points_that_fails_does_not_lose_the_answer(utility):
    client = authorized(utility)
    utility.behavior.replace = lambda path: flask.Response("", 404) if path.endswith("/UsagePoint") else None
    assert len(client.usage(*MARCH)) == 288
    assert sum(path.endswith("/UsagePoint") for _, path, _, _ in utility.seen) == 1
    client.usage(*MARCH)
    assert sum(path.endswith("/UsagePoint") for _, path, _, _ in utility.seen) == 1


def test_coverage_lists_complete_partial_missing_and_changed_days(utility):
    client = authorized(utility)
    first = client.fetch_usage("2024-03-09", "2024-03-12")[0].read()
    later = client.fetch_usage("2024-03-10", "2024-03-12 12:00")[0].read()
    assert client.coverage is None
    utility.behavior.replace = lambda path: flask.Response(first) if path.endswith(BATCH) else None
    client.usage("2024-03-09", "2024-03-12")
    found = client.coverage
    assert list(found["status"].unique()) == ["complete"]
    assert len(found) == 9  # three series, three days
    assert set(found[found["day"] == "2024-03-10"]["requested_hours"]) == {23.0}
    assert set(found["change"]) == {""}
    utility.behavior.replace = lambda path: flask.Response(later) if path.endswith(BATCH) else None
    with pytest.warns(GreenkitWarning):
        df = client.usage("2024-03-09", "2024-03-14")
    found = client.coverage.query("meter == 'shop-0002'")
    assert list(zip(found["day"].astype(str), found["status"], found["change"], strict=True)) == [
        ("2024-03-09", "missing", ""), ("2024-03-10", "complete", "same"), ("2024-03-11", "complete", "same"),
        ("2024-03-12", "partial", "new"), ("2024-03-13", "missing", ""),
    ]  # fmt: skip
    lost = df.gk.findings.named("custodian.answer.lost")[0]
    assert lost.evidence["count"] == 1  # of three series
    assert df.gk.findings.named("custodian.answer.changed")[0].evidence == {"new": 1, "revised": 0}


@pytest.mark.parametrize(
    ("days", "status", "finding"),
    [
        (
            ("1990-01-01", "1990-01-03"),
            "missing",
            "sent no readings for 1990-01-01 00:00 to 1990-01-03 00:00 (America/Los_",
        ),
        (
            ("2099-01-01", "2099-01-03"),
            "not yet",
            "2099-01-01 00:00 to 2099-01-03 00:00 (America/Los_Angeles), lies in",
        ),
    ],
)
def test_every_requested_day_without_readings_has_a_row(utility, days, status, finding):
    client = authorized(utility)
    utility.behavior.replace = lambda path: flask.Response("", 204) if path.endswith(BATCH) else None
    with pytest.warns(GreenkitWarning, match=re.escape(finding)):
        client.usage(*days)
    found = client.coverage
    assert list(found["day"].astype(str)) == [f"{days[0][:4]}-01-01", f"{days[0][:4]}-01-02"]
    assert list(found["status"]) == [status] * 2
    assert list(found["meter"]) == [""] * 2
    assert client._coverage.received == Received()


def test_days_after_now_have_the_status_not_yet():
    zone, now = "America/Los_Angeles", pd.Timestamp("2024-03-02 12:00", tz="America/Los_Angeles")
    df = greenkit.synthetic.fleet_frame(
        [greenkit.synthetic.household(1, zone=zone, faults=())], "2024-03-01", "2024-03-02"
    )
    asked = [pd.Timestamp(day, tz=zone).tz_convert("UTC") for day in ("2024-03-01", "2024-03-05")]
    rows = _coverage.coverage(_coverage.Readings.of(df), _windows.Window(*asked), zone, now=now).frame()
    assert list(rows["status"]) == ["complete", "missing", "not yet", "not yet"]


def test_missing_usage_point_has_rows_in_the_coverage(utility):
    client = authorized(utility)
    one = client.fetch_usage(*MARCH, usage_point="household-0001")[0].read()
    utility.behavior.replace = lambda path: flask.Response(one) if path.endswith(BATCH) else None
    with pytest.warns(GreenkitWarning):
        client.usage(*MARCH)
    found = client.coverage.query("meter == 'shop-0002'")
    assert list(zip(found["flow"], found["status"], strict=True)) == [("", "missing")]


def test_revised_values_and_gaps_are_reported(utility):
    client = authorized(utility)
    client.usage("2024-03-01", "2024-03-04", usage_point="shop-0002")
    parts = [client.fetch_usage(*days, usage_point="shop-0002")[0] for days in (MARCH, ("2024-03-03", "2024-03-04"))]
    client._fetcher.fetch_windows = lambda *a, **k: parts
    with pytest.warns(GreenkitWarning, match="an earlier fetch contained"):
        df = client.usage("2024-03-01", "2024-03-04", usage_point="shop-0002")
    assert df.gk.findings.named("custodian.answer.days-missing")[0].evidence["days"] == ["2024-03-02"]
    doubled = parts[0].read().replace(b"<ns0:value>", b"<ns0:value>1").replace(b"<ns1:value>", b"<ns1:value>1")
    assert doubled != parts[0].read()
    client._fetcher.fetch_windows = lambda *a, **k: [_windows.Document(None, doubled), parts[1]]
    with pytest.warns(GreenkitWarning):
        df = client.usage("2024-03-01", "2024-03-04", usage_point="shop-0002")
    assert df.gk.findings.named("custodian.answer.changed")[0].evidence == {"new": 0, "revised": 1}


def pages(utility, client, days, *, link="{url}?page={n}"):
    """Let the utility answer a window in pages of one day each."""
    base = f"{utility.profile.resource_url}{BATCH}"
    starts = pd.date_range(days[0], days[1], freq="D")
    bodies = [client.fetch_usage(a, b)[0].read() for a, b in itertools.pairwise(starts)]

    def answer(path):
        if not path.endswith(BATCH):
            return None
        n = int(flask.request.args.get("page", 0))
        body = bodies[n]
        if n + 1 < len(bodies):
            href = link.format(url=base, n=n + 1).replace("&", "&amp;")
            at = body.index(b"<", body.index(b">", body.index(b"feed")) + 1)
            body = (
                body[:at] + f"<link xmlns='http://www.w3.org/2005/Atom' rel='next' href='{href}'/>".encode() + body[at:]
            )
        return flask.Response(body)

    utility.behavior.replace = answer


@pytest.mark.parametrize("link", ["{url}?page={n}", "?page={n}"])
def test_further_pages_are_followed(utility, tmp_path, link):
    client = authorized(utility)
    pages(utility, client, ("2024-03-01", "2024-03-04"), link=link)
    df = client.usage("2024-03-01", "2024-03-04")
    assert len(df) == 3 * 3 * 96
    assert list(df.gk.findings) == []
    assert len(client.fetch_usage("2024-03-01", "2024-03-04", into=tmp_path / "feeds")) == 3


@pytest.mark.parametrize(
    ("link", "reason"),
    [("https://evil.example/x?page={n}", "not one of the utility's resources"), ("{url}", "fetched already"),
     ("http://[", "not one of the utility's resources")],
)  # fmt: skip
def test_page_that_is_not_followed_is_reported(utility, link, reason):
    client = authorized(utility)
    pages(utility, client, ("2024-03-01", "2024-03-03"), link=link)
    if link == "{url}":
        from urllib.parse import urlencode

        from greenkit.custodian._windows import Window

        window = Window(
            _windows.instant("2024-03-01", client.profile.zone), _windows.instant("2024-03-03", client.profile.zone)
        )
        pages_link = f"?{urlencode(_windows.parameters(client.profile, window))}"
        utility.behavior.replace = None
        pages(utility, client, ("2024-03-01", "2024-03-03"), link=pages_link)
    with pytest.warns(GreenkitWarning):
        df = client.usage("2024-03-01", "2024-03-03")
    assert reason in df.gk.findings.named("custodian.answer.page-unfollowed")[0].text
    assert df.gk.findings.named("custodian.answer.page-unfollowed")[0].severity == "serious"
    assert len(df) == 3 * 96
    assert not any("evil" in path for _, path, _, _ in utility.seen)


def test_number_of_pages_is_limited(utility, monkeypatch):
    monkeypatch.setattr(_windows, "MOST_PAGES", 2)
    client = authorized(utility)
    pages(utility, client, ("2024-03-01", "2024-03-05"))
    assert [d.unfollowed for d in client.fetch_usage("2024-03-01", "2024-03-05")] == ["", "there are more than 2 pages"]


def test_hostile_times_do_not_exhaust_memory(utility):
    feed = b"""<entry xmlns="http://www.w3.org/2005/Atom"><content><IntervalBlock xmlns="http://naesb.org/espi">
    <IntervalReading><timePeriod><duration>900</duration><start>0</start></timePeriod><value>1</value></IntervalReading>
    <IntervalReading><timePeriod><duration>900</duration><start>250000000000</start></timePeriod><value>1</value>
    </IntervalReading></IntervalBlock></content></entry>"""
    client = authorized(utility)
    utility.behavior.replace = lambda path: flask.Response(feed) if path.endswith(BATCH) else None
    with pytest.warns(GreenkitWarning):
        df = client.usage(*MARCH)
    assert "custodian.answer.not-compared" in df.gk.findings.names


# -- secrets in the frames of errors


def test_plain_secrets_passed_to_connect_are_hidden_in_its_frame(utility):
    plain = {"client_secret": "plain-text-1", "certificate_key_password": "plain-text-2",
             "registration_token": "plain-text-3", "proxy_password": "plain-text-4",
             "proxy": "http://u:plain-text-5@proxy.example:1"}  # fmt: skip
    with pytest.raises(errors.GreenkitError) as caught:
        greenkit.connect(utility.profile, client_id="i", certificate="/nowhere.pem", timeout=3, **plain)
    frames = [f for f, _ in traceback.walk_tb(caught.tb) if f.f_globals["__name__"].startswith("greenkit")]
    assert frames
    for frame in frames:
        assert not any("plain-text" in repr(value) for value in frame.f_locals.values()), frame.f_code.co_name


def test_revoke_after_forget_is_an_error(utility):
    client = authorized(utility)
    client.forget()
    with pytest.raises(errors.SettingsError, match="cannot end the authorization at the utility") as caught:
        client.revoke()
    assert "utility's website" in caught.value.next_step


def test_text_of_a_sign_in_has_the_link_and_what_to_do(utility):
    with utility.connect().authorize("paste") as flow:
        assert flow.url in repr(flow).splitlines()[1]
        assert "client.finish(" in repr(flow)
    assert flow.url not in repr(flow)


def test_prompt_without_a_terminal_is_an_error_of_greenkit(utility, monkeypatch):
    flow = utility.connect().authorize("paste")
    for error in (EOFError, NotImplementedError, OSError):

        def fail(label, error=error):
            raise error

        monkeypatch.setattr("getpass.getpass", fail)
        with pytest.raises(errors.SettingsError, match="cannot ask for the redirect URL") as caught:
            flow.prompt()
        assert caught.value.next_step
    flow.cancel()
    gc.collect()
