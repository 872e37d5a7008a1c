"""The command, odd names and every finding of the doctor on vsftpd, proftpd and OpenSSH, with real OpenPGP."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from servers import USER, Proftpd, Sshd, Vsftpd

from greenkit import Secret, certificates, pgp
from greenkit.errors import ServerUnavailable
from greenkit.sandbox.authority import Authority
from greenkit.settings import PgpSettings
from greenkit.transfer._doctor import Diagnosis, check_smt
from greenkit.transfer._pull import pull

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("gpg") is None, reason="the gpg program is not installed"),
]

HOST = socket.gethostname()
PHRASE = Secret("open sesame")
PLAIN = {f"{i:02}.lse": random.Random(i).randbytes(random.Random(i).choice([10, 5_000, 400_000])) for i in range(24)}


@pytest.fixture(scope="session")
def gnupg(tmp_path_factory):
    home = tmp_path_factory.mktemp("g") / "h"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    pgp.new_key(home, name="REP One", passphrase=PHRASE)
    yield home
    with pgp.Keyring(home) as keyring:
        keyring.forget()


@pytest.fixture(scope="session")
def keyring(gnupg):
    with pgp.Keyring(gnupg, passphrase=PHRASE) as keyring:
        yield keyring


@pytest.fixture(scope="session")
def sealed(keyring):
    (key,) = keyring.list_keys()
    return {f"{name}.asc": keyring.encrypt(plain, key.fingerprint) for name, plain in PLAIN.items()}


def fill(server, sealed):
    """Put the files on the server so that its account may delete them."""
    for name, data in sealed.items():
        server.put(f"intervaldata/{name}", data)


def account_of(server):
    """Return the settings of a server."""
    common = {"host": "localhost", "port": server.port, "timeout": 10.0}
    if isinstance(server, Sshd):
        return {**common, "protocol": "sftp", "user": "root", "ssh_key": server.key,
                "host_key": server.fingerprint("ed25519")}  # fmt: skip
    if server.protocol == "sftp":
        return {**common, "protocol": "sftp", "user": USER, "password": server.password,
                "host_key": server.options()["host_key"].strip()}  # fmt: skip
    return {**common, "protocol": "ftps", "user": USER, "password": server.password,
            "certificate": server.client.certificate, "certificate_key": server.client.key,
            "ca_file": server.authority.file, "host_name": "meter-pc"}  # fmt: skip


@pytest.fixture
def command(server, gnupg, tmp_path):
    """Run the command as cron does."""
    said = {**account_of(server), "into": tmp_path / "into", "delete": "decrypted"}
    kept = {name: said.pop(name) for name in ("password",) if name in said}
    lines = [
        f"{name} = {value if isinstance(value, float | int) else repr(str(value))}" for name, value in said.items()
    ]
    lines += [f'{name} = {{env = "GK_{name.upper()}"}}' for name in kept]
    lines += ["[smt.pgp]", f"home = '{gnupg}'", 'passphrase = {env = "GK_PHRASE"}']
    file = tmp_path / "settings.toml"
    file.write_text("[smt]\n" + "\n".join(lines) + "\n")
    env = {**os.environ, "GK_PHRASE": PHRASE.reveal(), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    env |= {f"GK_{name.upper()}": secret.reveal() for name, secret in kept.items()}

    def start():
        line = [sys.executable, "-m", "greenkit", "fetch", "smt", "--settings", str(file)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    return start


def on_server(server):
    return sorted(os.listdir(server.files / "intervaldata"))


def plain_files(into):
    return {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()}


def test_four_at_once_into_one_folder(server, sealed, command, tmp_path):
    fill(server, sealed)
    running = [command() for _ in range(4)]
    said = [(p.communicate(timeout=120), p.returncode) for p in running]
    codes = sorted(code for _, code in said)
    assert set(codes) <= {0, 4}, said
    assert 0 in codes
    assert plain_files(tmp_path / "into") == PLAIN
    assert on_server(server) == []


def test_odd_names(server, sealed, keyring, tmp_path):
    data, plain = sealed["00.lse.asc"], PLAIN["00.lse"]
    for name in ("b c.asc", "größe.asc", b"latin\xe9.asc", "'; x.asc", "sub\\win.asc", "a\nb.asc"):
        server.put(b"intervaldata/" + os.fsencode(name), data)
    with server.remote() as remote:
        report = pull(remote, "intervaldata", into=tmp_path / "into", pgp=keyring, delete="decrypted")
    found = plain_files(tmp_path / "into")
    assert {"b c": plain, "größe": plain, "latiné": plain, "'; x": plain}.items() <= found.items()
    assert "sub\\win.asc" in [f.name for f in report.files if f.state == "refused"]
    assert [p for p in tmp_path.iterdir() if p.name != "into"] == []
    assert "sub\\win.asc" in on_server(server)


# ── the doctor ──


def examine(server, gnupg, **changes) -> Diagnosis:
    own = {"pgp": PgpSettings(home=gnupg, passphrase=PHRASE), "into": gnupg.parent / "files"}
    return check_smt(**{**account_of(server), **own, **changes})


def failed(found):
    return [check.name for check in found.checks if check.state == "failed"]


def told(found, name):
    check = found.named(name)
    assert check.next_step, str(found)
    return f"{check.found} | {check.next_step}"


def test_doctor_finds_no_problem(server, gnupg):
    found = examine(server, gnupg)
    assert failed(found) == [], str(found)
    assert {c.state for c in found.checks} <= {"ok", "warning"}
    assert {c.name for c in found.checks if c.state == "warning"} <= {"certificate dates"}


def test_doctor_on_folders_and_ages(server, gnupg):
    path = server.put("intervaldata/old.asc", b"x")
    when = time.time() - 8 * 86400
    os.utime(path, (when, when))
    found = examine(server, gnupg, folders=("intervaldata", "intervaldat"))
    assert "the oldest is 8.0 days old" in told(found, "files of intervaldata")
    assert failed(found) == ["folder intervaldat"]
    assert "has no" in told(found, "folder intervaldat")


def test_doctor_on_a_refused_login(server, gnupg, tmp_path):
    wrong = {"user": "nobody-here", "password": Secret("hunter2")}
    if isinstance(server, Sshd):
        certificates.new_ssh_key(tmp_path / "other", password=None)
        wrong = {"ssh_key": tmp_path / "other"}
    found = examine(server, gnupg, **wrong)
    assert failed(found) == ["login"], str(found)
    assert "does not try again" in told(found, "login")
    assert "hunter2" not in str(found)


def test_doctor_reports_a_server_of_another_kind(server, gnupg, tmp_path):
    is_sftp = server.protocol == "sftp"
    changes = {"host_key": None, "known_hosts": tmp_path / "none"} if is_sftp else {"ca_file": None}
    found = examine(server, gnupg, **changes)
    assert failed(found) == ["host key" if is_sftp else "server certificate"]


def test_doctor_on_the_wrong_protocol(ftps, sshd, gnupg):
    assert 'protocol = "sftp"' in told(examine(ftps, gnupg, port=sshd.port), "greeting")
    assert 'protocol = "ftps"' in told(examine(sshd, gnupg, port=ftps.port), "greeting")


def test_doctor_on_client_certificates(ftps, gnupg, tmp_path):
    found = examine(ftps, gnupg, certificate=None, certificate_key=None)
    assert "client certificate" in failed(found), str(found)
    mine = certificates.new_certificate(tmp_path, "meter-pc", password=None)
    found = examine(ftps, gnupg, certificate=mine.certificate, certificate_key=mine.key)
    assert failed(found) == ["client certificate"], str(found)
    past = datetime.now(UTC) - timedelta(days=9)
    with Authority() as other:
        old = other.client("meter-pc", begins=past, days=1)
        found = examine(ftps, gnupg, certificate=old.certificate, certificate_key=old.key)
        assert failed(found) == ["certificate dates"]
        stranger = other.client("meter-pc", stem="stranger")
        found = examine(ftps, gnupg, certificate=stranger.certificate, certificate_key=stranger.key)
        assert failed(found) == ["client certificate"], str(found)
        found = examine(ftps, gnupg, certificate_key=stranger.key)
        assert failed(found) == ["certificate key"]


def test_doctor_on_a_server_without_common_tls(start, gnupg):
    with start(Proftpd, protocol="TLSv1.2") as server:
        assert failed(examine(server, gnupg)) == []
        assert failed(examine(server, gnupg, minimum_tls="1.3")) == ["TLS"]


def test_doctor_on_a_blocked_data_channel(start, gnupg):
    with start(Vsftpd, cmds_denied="PASV,EPSV") as server:
        found = examine(server, gnupg)
        assert failed(found) == ["folder intervaldata"], str(found)


def test_doctor_on_too_many_sessions(start, gnupg):
    with start(Vsftpd, max_clients=1) as server, contextlib.ExitStack() as stack:
        for _ in range(50):  # it takes a moment to forget the connection that saw it start
            with contextlib.suppress(ServerUnavailable):
                stack.enter_context(server.remote())
                break
            time.sleep(0.1)
        assert "again in a few minutes" in told(examine(server, gnupg), "greeting")


def test_doctor_on_openpgp(sshd, gnupg, tmp_path):
    found = examine(sshd, gnupg, pgp=PgpSettings(home=gnupg, passphrase=Secret("wrong")))
    assert failed(found) == ["OpenPGP passphrase"]
    (tmp_path / "e").mkdir(mode=0o700)
    found = examine(sshd, gnupg, pgp=PgpSettings(home=tmp_path / "e"))
    assert failed(found) == ["OpenPGP key"]


def test_doctor_on_a_server_that_is_down(sshd, gnupg):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = examine(sshd, gnupg, port=free.getsockname()[1])
    assert failed(found) == ["port"]
    assert found.named("login").state == "skipped"
