"""Ring 2: the client against an authorization server that others wrote, behind gunicorn with client certificates.

django-oauth-toolkit demands PKCE, rotates refresh tokens, and ends the whole grant when one is used twice.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import requests

import greenkit
from greenkit import errors, synthetic
from greenkit.secret import Secret

pytestmark = pytest.mark.real
HERE = Path(__file__).parent
MARCH = ("2024-03-01", "2024-03-02")
SECRET = "secret with %+/:& and ~"
REDIRECT = "http://127.0.0.1:8976/callback"


class Server:
    """The running server, and a simulated customer."""

    def __init__(self, folder, authority):
        self.folder, self.authority = folder, authority
        self.pair = authority.client("greenkit-real", stem=f"client-{folder.name}", days=60)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"https://127.0.0.1:{free.getsockname()[1]}"
        paths = [str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
        self.env = {**os.environ, "GREENKIT_TEST_FOLDER": str(folder), "PYTHONPATH": os.pathsep.join(paths)}

    def start(self):
        subprocess.run([sys.executable, HERE / "toolkit_server.py"], env=self.env, check=True, timeout=120)
        server = self.authority.server(stem=f"server-{self.folder.name}")
        return subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "toolkit_server:application", "--bind", self.url.removeprefix("https://"),
             "--workers", "2", "--certfile", server.certificate, "--keyfile", server.key, "--no-control-socket",
             "--ca-certs", self.authority.file, "--cert-reqs", "2", "--log-level", "error", "--chdir", HERE],
            env=self.env, cwd=self.folder,
        )  # fmt: skip

    def wait(self, process):
        for _ in range(200):
            assert process.poll() is None, "gunicorn did not start"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.url.rpartition(":")[2]))) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("gunicorn does not listen")

    def profile(self):
        path = self.folder / "toolkit.toml"
        path.write_text(
            'name = "toolkit"\nbased_on = "generic"\ndates = "epoch"\nzone = "America/Chicago"\n'
            f'scope = "FB=4_5_15"\nauthorize_url = "{self.url}/o/authorize/"\ntoken_url = "{self.url}/o/token/"\n'
            f'revoke_url = "{self.url}/o/revoke_token/"\nresource_url = "{self.url}/espi/1_1/resource/"\n'
            "limits = [[1000, 1.0]]\n"
        )
        return path

    def connect(self, **more):
        given = {
            "client_id": "customers", "client_secret": Secret(SECRET), "ca_file": self.authority.file,
            "certificate": self.pair.certificate, "certificate_key": self.pair.key, "redirect_uri": REDIRECT,
            "tokens": "memory",
        }  # fmt: skip
        return greenkit.connect(self.profile(), **{**given, **more})

    def click(self, url, *, allow=True):
        browser = requests.Session()
        browser.trust_env = False
        browser.verify, browser.cert = str(self.authority.file), (str(self.pair.certificate), str(self.pair.key))
        page = browser.get(url)
        if "/accounts/login/" in page.url:
            form = {"username": "ada", "password": "sandbox", **_token(page)}
            page = browser.post(page.url, data=form, headers={"Referer": page.url})
        fields = dict(re.findall(r'name="([a-z_]+)"[^>]*?value="([^"]*)"', page.text))
        fields = {k: requests.compat.unquote(v).replace("&amp;", "&") for k, v in fields.items() if k != "allow"}
        answer = browser.post(
            url, data={**fields, **({"allow": "Authorize"} if allow else {})}, headers={"Referer": url},
            allow_redirects=False,
        )  # fmt: skip
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def count(self, grant):
        log = self.folder / "requests.log"
        return log.read_text().split().count(grant) if log.exists() else 0

    def authorized(self, **more):
        client = self.connect(**more)
        flow = client.authorize("paste")
        flow.finish(self.click(flow.url))
        return client


class BehindNginx(Server):
    """The same behind nginx, which asks for the certificate and forwards; its token answers have no ESPI URIs."""

    def start(self):
        self.env["GREENKIT_TEST_BARE"] = "1"
        subprocess.run([sys.executable, HERE / "toolkit_server.py"], env=self.env, check=True, timeout=120)
        socket_file = self.folder / "app.sock"
        self.app = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "toolkit_server:application", "--bind", f"unix:{socket_file}", "--workers",
             "2", "--no-control-socket", "--log-level", "error", "--chdir", HERE], env=self.env, cwd=self.folder,
        )  # fmt: skip
        server = self.authority.server(stem=f"server-{self.folder.name}")
        port = self.url.rpartition(":")[2]
        (self.folder / "nginx.conf").write_text(
            f"daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log; user root; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;\n"
            f"fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;\n"
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {server.certificate};\n"
            f"ssl_certificate_key {server.key}; ssl_client_certificate {self.authority.file}; ssl_verify_client on;\n"
            f"location / {{ proxy_pass http://unix:{socket_file}; proxy_set_header Host $http_host;\n"
            "proxy_set_header X-Forwarded-Proto https; } } }\n"
        )
        return subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf"], env=self.env, cwd=self.folder)

    def wait(self, process):
        for _ in range(200):
            assert self.app.poll() is None, "gunicorn did not start"
            if (self.folder / "app.sock").exists():
                break
            time.sleep(0.1)
        super().wait(process)


def _token(page):
    return {"csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]}


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    pytest.importorskip("oauth2_provider", reason="needs django-oauth-toolkit and gunicorn; .ci/run installs them")
    made = Server(tmp_path_factory.mktemp("toolkit"), authority)
    process = made.start()
    try:
        made.wait(process)
        yield made
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, authority):
    pytest.importorskip("oauth2_provider", reason="needs django-oauth-toolkit and gunicorn; .ci/run installs them")
    if not shutil.which("nginx") or os.geteuid() != 0:
        pytest.skip("needs nginx, and root to start it; .ci/run installs it")
    made = BehindNginx(tmp_path_factory.mktemp("nginx"), authority)
    process = made.start()
    try:
        made.wait(process)
        yield made
    finally:
        for one in (process, made.app):
            one.terminate()
            one.wait(20)


def test_service_without_resource_uri_behind_nginx_serves_a_named_subscription(nginx):
    client = nginx.authorized(subscription="1")
    assert client._grants.store.load().resource_uri is None
    assert len(client.usage(*MARCH)) == 96
    _expire(client)
    assert len(client.usage(*MARCH)) == 96
    with pytest.raises(errors.FormatError, match=r"Pass subscription= to connect"):
        nginx.authorized().usage(*MARCH)


def test_words_of_nginx_about_the_certificate_are_understood(nginx, tmp_path):
    from greenkit.sandbox.authority import Authority

    bare = replace(greenkit.custodian.profiles.load(nginx.profile()), mutual_tls=False)
    given = {"client_id": "own", "client_secret": Secret(SECRET), "tokens": "memory", "grant": "client_credentials"}
    none = greenkit.connect(bare, ca_file=nginx.authority.file, **given)
    with pytest.raises(errors.CertificateRejected, match="requires a client certificate, and none is set"):
        none.service_status()
    with Authority(tmp_path / "other", name="other") as other:
        pair = other.client("greenkit-real", days=60)
        wrong = nginx.connect(certificate=pair.certificate, certificate_key=pair.key, **given)
        with pytest.raises(errors.CertificateRejected, match="does not accept the client certificate"):
            wrong.service_status()


def _expire(client):
    with client._grants.store.locked():
        client._grants.store.save(replace(client._grants.store.load(), expires_at=0.0))


def test_authorize_fetch_and_rotate(server):
    client = server.authorized()
    df = client.usage(*MARCH)
    expected = synthetic.household(1, faults=()).frame(*MARCH)
    pd.testing.assert_series_equal(df["value"], expected["value"], check_index=False)
    seen = set()
    for _ in range(3):
        seen.add(client._grants.store.load().refresh.reveal())
        _expire(client)
        assert len(client.usage(*MARCH)) == 96
    seen.add(client._grants.store.load().refresh.reveal())
    assert len(seen) == 4  # each refresh token served once


def test_refresh_token_used_twice_ends_the_grant(server):
    client = server.authorized()
    old = client._grants.store.load()
    _expire(client)
    client.usage(*MARCH)
    newest = client._grants.store.load()
    with client._grants.store.locked():
        client._grants.store.save(replace(old, expires_at=0.0))
    with pytest.raises(errors.AuthorizationExpired, match=r"invalid_grant.*authorize\(\)"):
        client.usage(*MARCH)
    with client._grants.store.locked():  # the reuse has ended the rotated token, too
        client._grants.store.save(replace(newest, expires_at=0.0))
    with pytest.raises(errors.AuthorizationExpired):
        client.usage(*MARCH)


def test_threads_at_expiry_make_one_refresh(server):
    client, rows, before = server.authorized(), [], server.count("refresh_token")
    _expire(client)
    threads = [threading.Thread(target=lambda: rows.append(len(client.usage(*MARCH)))) for _ in range(4)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert rows == [96] * 4
    assert server.count("refresh_token") == before + 1


PROCESS = """
import sys, greenkit
from pathlib import Path
c = greenkit.connect(sys.argv[1], client_id="customers", client_secret=greenkit.Secret(sys.argv[2]),
                     certificate=sys.argv[3], certificate_key=sys.argv[4], ca_file=sys.argv[5], tokens=sys.argv[6])
print(len(c.usage("2024-03-01", "2024-03-02")))
"""


def test_processes_at_expiry_make_one_refresh(server, tmp_path):
    client, before = server.authorized(tokens=tmp_path), server.count("refresh_token")
    _expire(client)
    arguments = [server.profile(), SECRET, *server.pair, server.authority.file, tmp_path]
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=server.env)
        for _ in range(2)
    ]  # fmt: skip
    assert [p.communicate(timeout=120)[0].strip() for p in running] == ["96", "96"]
    assert server.count("refresh_token") == before + 1


def test_refusal_leads_to_no_token_request(server):
    flow, before = server.connect().authorize("paste"), server.count("authorization_code")
    with pytest.raises(errors.AuthorizationDenied, match="customer refused"):
        flow.finish(server.click(flow.url, allow=False))
    assert server.count("authorization_code") == before
    assert server.count("client_credentials") == 0


def test_pkce_binds_the_code(server):
    flow = server.connect().authorize("paste")
    url = server.click(flow.url)
    flow._verifier = Secret("y" * 64)
    with pytest.raises(errors.AuthorizationExpired, match="invalid_grant"):
        flow.finish(url)


def test_code_works_once(server):
    client = server.connect()
    flow = client.authorize("paste")
    url = server.click(flow.url)
    verifier = flow._verifier
    flow.finish(url)
    code = Secret(re.search(r"code=([^&]+)", url)[1])
    with pytest.raises(errors.AuthorizationExpired, match="invalid_grant"):
        client._grants.endpoint.exchange(code, redirect_uri=REDIRECT, verifier=verifier)


def test_client_credentials_and_a_wrong_secret(server):
    own = server.connect(client_id="own", grant="client_credentials")
    assert own.service_status()
    with pytest.raises(errors.ClientRejected, match="invalid_client"):
        server.connect(client_id="own", grant="client_credentials", client_secret=Secret("x")).service_status()
    with pytest.raises(errors.ClientRejected, match="unauthorized_client"):
        server.connect(grant="client_credentials").service_status()


def test_wrong_certificate_is_reported_from_the_handshake(server, tmp_path):
    from greenkit.sandbox.authority import Authority

    with Authority(tmp_path / "other", name="other") as other:
        pair = other.client("greenkit-real", days=60)
        wrong = server.connect(
            certificate=pair.certificate, certificate_key=pair.key, client_id="own", grant="client_credentials"
        )
        with pytest.raises(errors.CertificateRejected, match="client certificate"):
            wrong.service_status()
    bare = replace(greenkit.custodian.profiles.load(server.profile()), mutual_tls=False)
    none = greenkit.connect(
        bare, client_id="own", client_secret=Secret(SECRET), ca_file=server.authority.file, tokens="memory",
        grant="client_credentials",
    )  # fmt: skip
    with pytest.raises(errors.CertificateRejected, match="client certificate"):
        none.service_status()
    with pytest.raises(errors.HostRejected, match=r"does not trust|is self-signed|private certificate authority"):
        server.connect(ca_file=None, client_id="own", grant="client_credentials").service_status()


def test_revoking_ends_the_grant_at_the_server(server):
    client = server.authorized()
    token = client._grants.store.load()
    assert client.revoke().ended == ("the tokens",)
    with client._grants.store.locked():
        client._grants.store.save(token)
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)"):
        client.usage(*MARCH)
