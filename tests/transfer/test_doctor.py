"""The doctor on the sandbox's servers and on sockets that misbehave: every result is provoked."""

import contextlib
import dataclasses
import os
import shutil
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from greenkit import _net, certificates, pgp
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.secret import Secret
from greenkit.transfer import _ledger as ledger
from greenkit.transfer._account import smt_remote
from greenkit.transfer._doctor import check_smt
from greenkit.transfer._pull import pull

GPG = pytest.mark.skipif(shutil.which("gpg") is None, reason="the gpg program is not installed")
HOST = socket.gethostname()
FTPS = ["settings", "destination", "certificate file", "certificate dates", "certificate name", "certificate issuer",
        "certificate key", "name", "port", "greeting", "TLS", "server certificate", "client certificate", "login", "data channel",
        "folder intervaldata", "files of intervaldata"]  # fmt: skip
SFTP = ["settings", "destination", "name", "port", "greeting", "SSH", "host key", "login", "SFTP", "folder intervaldata",
        "files of intervaldata"]  # fmt: skip
OPENPGP = ["OpenPGP program", "OpenPGP key", "OpenPGP passphrase"]


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(scope="module")
def mine(authority):
    return authority.client(HOST, stem="mine", days=90)


@pytest.fixture(scope="module")
def ftps(authority):
    with FtpsServer(authority=authority) as server:
        yield server


@pytest.fixture(scope="module")
def sftp():
    with SftpServer() as server:
        yield server


def without_gpg(**given):
    """Check without gpg, which takes half of the time, unless its settings are given."""
    with pytest.MonkeyPatch.context() as patch:
        if "pgp" not in given:
            patch.setenv("PATH", "")
        return check_smt(**given)


@pytest.fixture
def on_ftps(ftps, mine, tmp_path):
    """Check the FTPS server with one setting changed."""

    def examine(**changes):
        given = {"protocol": "ftps", "host": "localhost", "port": ftps.endpoint.port, "user": ftps.user,
                 "password": ftps.password, "certificate": mine.certificate, "certificate_key": mine.key,
                 "ca_file": ftps.authority.file, "timeout": 3.0, "host_name": HOST, "into": tmp_path / "files"}  # fmt: skip
        return without_gpg(**{**given, **changes})

    return examine


@pytest.fixture
def on_sftp(sftp, tmp_path):
    """Check the SFTP server with one setting changed."""

    def examine(**changes):
        given = {"host": "localhost", "port": sftp.endpoint.port, "user": sftp.user, "password": sftp.password,
                 "host_key": sftp.host_key, "timeout": 3.0, "into": tmp_path / "files"}  # fmt: skip
        return without_gpg(**{**given, **changes})

    return examine


def states(found):
    return {check.name: check.state for check in found.checks}


def broken(found, name, state="failed"):
    """Return the result and the next step of a check that did not pass."""
    check = found.named(name)
    assert check.state == state, str(found)
    assert check.next_step.endswith(".")
    if state == "failed":
        assert not found.ok
    return f"{check.found} | {check.next_step}"


def test_every_check_passes_over_ftps(on_ftps):
    found = on_ftps()
    assert [c.name for c in found.checks] == FTPS + [n for n in OPENPGP if n in states(found)]
    assert all(c.state == "ok" for c in found.checks if c.name not in OPENPGP), str(found)
    assert dataclasses.replace(found, checks=tuple(c for c in found.checks if c.name not in OPENPGP)).ok


def test_every_check_passes_over_sftp(on_sftp):
    found = on_sftp()
    assert [c.name for c in found.checks][: len(SFTP)] == SFTP
    assert all(c.state == "ok" for c in found.checks if c.name not in OPENPGP), str(found)
    frame = found.frame
    assert list(frame.columns) == ["name", "state", "tried", "found", "next_step"]
    assert len(frame) == len(found.checks)
    with pytest.raises(KeyError, match="none"):
        found.named("none")
    assert "what to do" in found._repr_html_()


def test_password_is_sent_once_and_never_shown(on_ftps, ftps):
    ftps.commands.clear()
    found = on_ftps(password=Secret("hunter2-wrong"))
    assert ftps.commands.count("PASS") == 1
    assert "refuses the user name or password" in broken(found, "login")
    for text in (str(found), found._repr_html_(), found.frame.to_string()):
        assert "hunter2" not in text
    assert states(found)["folder intervaldata"] == "skipped"


def test_missing_user_or_password_is_reported(on_ftps, on_sftp, monkeypatch):
    assert "No user name is set" in broken(on_sftp(user=None), "settings")
    assert "No password is set" in broken(on_sftp(password=None), "settings")
    from greenkit.settings import SecretRef

    found = on_ftps(password=SecretRef("env", "GK_TEST_NOT_SET"))
    assert "GK_TEST_NOT_SET is not set" in broken(found, "settings")
    assert states(found)["greeting"] == "ok", "the network is checked even so"
    assert states(found)["login"] == "skipped"


def test_destination_that_a_fetch_cannot_write_is_reported(on_sftp, tmp_path):
    assert 'Add into = "smt-files" under [smt]' in broken(on_sftp(into=None), "destination")
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in broken(on_sftp(into=tmp_path / "file" / "below"), "destination")
    found = on_sftp(into=tmp_path / "new" / "below")
    assert found.named("destination").found == f"{tmp_path / 'new' / 'below'}, which the first fetch creates"
    assert os.listdir(tmp_path) == ["file"], "nothing was created"


def test_destination_without_permission_is_reported(on_sftp, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != os.fspath(tmp_path))
    assert f"{tmp_path} is not writable" in broken(on_sftp(), "destination")


def test_missing_certificate_file_is_reported(on_ftps, tmp_path):
    found = on_ftps(certificate=tmp_path / "none.pem")
    broken(found, "certificate file")
    assert states(found)["certificate dates"] == states(found)["TLS"] == "skipped"
    assert states(found)["port"] == "ok"


def test_certificate_that_is_not_set_is_a_warning(on_ftps):
    found = on_ftps(certificate=None, certificate_key=None)
    broken(found, "certificate file", "warning")
    assert "client certificate" in broken(found, "client certificate")


def test_expired_and_expiring_certificates_are_reported(on_ftps, authority):
    past = datetime.now(UTC) - timedelta(days=9)
    old = authority.client(HOST, stem="old", begins=past, days=2)
    assert "expired on" in broken(on_ftps(certificate=old.certificate, certificate_key=old.key), "certificate dates")
    early = authority.client(HOST, stem="early", begins=datetime.now(UTC) + timedelta(days=2))
    found = on_ftps(certificate=early.certificate, certificate_key=early.key)
    assert "clock" in broken(found, "certificate dates")
    soon = authority.client(HOST, stem="soon", days=9)
    found = on_ftps(certificate=soon.certificate, certificate_key=soon.key)
    assert "expires in 9 days" in broken(found, "certificate dates", "warning")
    assert states(found)["login"] == "ok"


def test_certificate_of_another_machine_is_a_warning(on_ftps):
    assert "but this machine is other" in broken(on_ftps(host_name="other"), "certificate name", "warning")


def test_self_signed_certificate_that_the_server_does_not_know(on_ftps, tmp_path):
    pair = certificates.new_certificate(tmp_path, HOST, password=None)
    found = on_ftps(certificate=pair.certificate, certificate_key=pair.key)
    assert "testing only" in broken(found, "certificate issuer", "warning")
    assert "client certificate" in broken(found, "client certificate")
    assert states(found)["server certificate"] == "ok"
    assert states(found)["login"] == "skipped"


def test_private_key_that_does_not_fit_is_reported(on_ftps, authority, tmp_path):
    other = authority.client(HOST, stem="other")
    assert "another certificate" in broken(on_ftps(certificate_key=other.key), "certificate key")
    locked = authority.client(HOST, stem="locked", password=Secret("open sesame"))
    given = {"certificate": locked.certificate, "certificate_key": locked.key}
    assert "Set certificate_key_password" in broken(on_ftps(**given), "certificate key")
    found = on_ftps(**given, certificate_key_password=Secret("wrong"))
    assert "password is wrong" in " ".join(broken(found, "certificate key").split(" | "))
    assert states(on_ftps(**given, certificate_key_password=Secret("open sesame")))["login"] == "ok"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_readable_private_key_is_a_warning(on_ftps, authority):
    pair = authority.client(HOST, stem="open")
    pair.key.chmod(0o644)
    found = on_ftps(certificate=pair.certificate, certificate_key=pair.key)
    assert "chmod 600" in broken(found, "certificate key", "warning")


def test_unknown_host_and_closed_port_are_reported(on_sftp, closed_port):
    assert "cannot be resolved" in broken(on_sftp(host="no-such-host.invalid"), "name")
    found = on_sftp(port=closed_port)
    assert "refuses connections" in broken(found, "port")
    assert {states(found)[n] for n in ("greeting", "SSH", "host key", "login", "folder intervaldata")} == {"skipped"}


def test_dropping_firewall_is_reported(on_sftp, monkeypatch):
    def dropped(*args, **kwargs):
        raise TimeoutError("timed out")

    monkeypatch.setattr(_net, "connect", dropped)
    assert "public IP address" in broken(on_sftp(), "port")


def speaking(words, wait=0.0):
    """Run a server that sends some bytes and closes the connection."""
    return answering(lambda wire: (wire.sendall(words), time.sleep(wait)))


@contextlib.contextmanager
def answering(answer):
    """Run a server that answers each connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    wire, _ = server.accept()
                    with wire, contextlib.suppress(OSError):
                        answer(wire)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", 'is the greeting of SFTP | Set protocol = "sftp"'),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not the greeting of a file server | Check host and port"),
        (
            b"421 Too many sessions\r\n",
            "421 Too many sessions: too many sessions, or the server is shutting down | Run greenkit doctor smt again",
        ),
        (b"", "closed the connection without a greeting | Ask SMT whether the public IP address"),
    ],
)
def test_greeting_of_another_server_is_reported(on_ftps, words, text):
    with speaking(words) as port:
        found = on_ftps(port=port)
    assert text in broken(found, "greeting")
    assert states(found)["TLS"] == "skipped"


def test_silent_server_and_wrong_protocol_are_reported(on_ftps, on_sftp):
    with speaking(b"", wait=2) as port:
        assert "implicit FTPS" in broken(on_ftps(port=port, timeout=0.5), "greeting")
    with speaking(b"220 ready\r\n") as port:
        assert 'Set protocol = "ftps"' in broken(on_sftp(port=port), "greeting")


def test_dripped_greeting_is_read_to_its_end_and_within_the_deadline(on_ftps):
    def drip(wire):
        for byte in b"220 ready\r\n":
            wire.sendall(bytes([byte]))
            time.sleep(0.01)

    with answering(drip) as port:
        assert states(on_ftps(port=port))["greeting"] == "ok"
    with answering(lambda wire: [wire.sendall(b"2") or time.sleep(0.05) for _ in range(40)]) as port:
        assert "no complete greeting within 0.5 s" in broken(on_ftps(port=port, timeout=0.5), "greeting")


def test_server_without_tls_gets_no_password(on_ftps):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    wire, _ = server.accept()
                    with wire, wire.makefile("rwb") as lines:
                        wire.sendall(b"220 plain\r\n")
                        for line in lines:
                            heard.append(line)
                            wire.sendall(b"502 no such command\r\n")

        threading.Thread(target=serve, daemon=True).start()
        found = on_ftps(port=server.getsockname()[1])
    assert "refuses TLS" in broken(found, "TLS")
    assert not any(line.startswith((b"USER", b"PASS")) for line in heard)


def test_untrusted_server_certificate_is_reported(on_ftps, authority):
    found = on_ftps(ca_file=None)
    assert "ca_file" in broken(found, "server certificate")
    assert states(found)["TLS"] == "ok"
    assert states(found)["client certificate"] == states(found)["login"] == "skipped"


@contextlib.contextmanager
def greeting_and_tls(context):
    """Run a server that greets, accepts AUTH TLS, and performs the handshake of the context."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    wire, _ = server.accept()
                    with wire, contextlib.suppress(OSError):
                        wire.sendall(b"220 ready\r\n")
                        if wire.recv(100):
                            wire.sendall(b"234 go on\r\n")
                            context.wrap_socket(wire, server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_expired_or_misnamed_server_certificate_is_reported(on_ftps, authority):
    context = authority.server_context(authority.server("elsewhere.example", stem="elsewhere"))
    with greeting_and_tls(context) as port:
        assert "another host name" in broken(on_ftps(port=port), "server certificate")
    past = datetime.now(UTC) - timedelta(days=9)
    context = authority.server_context(authority.server(stem="past", begins=past, days=2))
    with greeting_and_tls(context) as port:
        assert "has expired" in broken(on_ftps(port=port), "server certificate")


@pytest.mark.parametrize("sends_it", [False, True], ids=["left-out", "sent"])
def test_missing_intermediate_certificate_is_named_and_its_step_helps(on_ftps, authority, chain, monkeypatch, sends_it):
    """K6: if the server sends its certificate without the intermediate one, the root alone does not help."""
    pair = certificates.Pair(chain.sent if sends_it else chain.leaf, chain.key)
    monkeypatch.setattr(authority, "server", lambda **options: pair)
    with FtpsServer(authority=authority) as server:

        def examine(ca_file):
            return on_ftps(port=server.endpoint.port, password=server.password, ca_file=ca_file)

        if not sends_it:
            for ca_file in (None, chain.root):
                found = broken(examine(ca_file), "server certificate")
                assert "or the server does not send an intermediate certificate" in found
                assert "Download the intermediate certificate 'Intermediate 7' from http://ca.example/inter" in found
                assert "put it and its root into one PEM file, and set ca_file to that file" in found
        assert states(examine(chain.root if sends_it else chain.complete))["files of intervaldata"] == "ok"


def test_server_with_old_tls_is_reported(on_ftps, authority):
    context = authority.server_context(authority.server(stem="tls12"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with greeting_and_tls(context) as port:
        assert "supports only an old version of TLS" in broken(on_ftps(port=port, minimum_tls="1.3"), "TLS")


def test_missing_ca_file_is_reported(on_ftps, tmp_path):
    assert "file of certificate authorities" in broken(on_ftps(ca_file=tmp_path / "none"), "TLS")


def test_unknown_or_different_host_key_is_reported(on_sftp, tmp_path):
    found = on_sftp(host_key=None, known_hosts=tmp_path / "none")
    assert "Compare the fingerprint" in broken(found, "host key")
    assert "SHA256:" in found.named("host key").found
    assert states(found)["login"] == "skipped"
    assert "presented a different host key" in broken(on_sftp(host_key="SHA256:" + "A" * 43), "host key")
    assert "must contain the SHA-256 fingerprint" in broken(on_sftp(host_key="nonsense"), "SSH")


def test_unusable_ssh_key_is_reported(on_sftp, sftp, authority, tmp_path):
    # the EC key of a certificate is an SSH key too, and opens at once
    locked = authority.client(HOST, stem="ssh-locked", password=Secret("open sesame")).key
    key = authority.client(HOST, stem="ssh").key
    public = certificates.public_ssh(key)
    found = broken(on_sftp(ssh_key=locked, password=None), "SSH key")
    assert "Set ssh_key_passphrase to the passphrase of the key." in found
    assert "certificate" not in found
    broken(on_sftp(ssh_key=tmp_path / "none", password=None), "SSH key")
    assert "refuses the user name or its key" in broken(on_sftp(ssh_key=key, password=None), "login")
    sftp.register(public)
    assert states(on_sftp(ssh_key=key, password=None))["login"] == "ok"
    if os.name == "posix":
        key.chmod(0o644)
        assert "chmod 600" in broken(on_sftp(ssh_key=key, password=None), "SSH key", "warning")


@pytest.mark.parametrize("on", ["on_ftps", "on_sftp"])
def test_missing_folder_is_reported(on, request):
    found = request.getfixturevalue(on)(folders=("intervaldata", "intervaldat"))
    assert states(found)["folder intervaldata"] == "ok"
    assert "has no folder 'intervaldat', or the account may not enter it | Correct folders under [smt]" in broken(
        found, "folder intervaldat"
    )
    assert states(found)["files of intervaldat"] == "skipped"


@pytest.mark.parametrize("server", ["ftps", "sftp"])
def test_old_file_is_a_warning(server, on_ftps, on_sftp, request, tmp_path):
    examine, server = {"ftps": on_ftps, "sftp": on_sftp}[server], request.getfixturevalue(server)
    path = server.put("intervaldata/old.csv", b"old")
    when = time.time() - 7.5 * 86400
    os.utime(path, (when, when))
    try:
        found = examine(into=tmp_path / "into")
        assert "the oldest is 7.5 days old" in broken(found, "files of intervaldata", "warning")
        with server.remote() as remote:
            pull(remote, "intervaldata", into=tmp_path / "into")
        found = examine(into=tmp_path / "into")
        assert found.named("files of intervaldata").found == "every file was fetched"
    finally:
        path.unlink()


def test_running_fetch_is_a_warning(on_sftp, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_PATIENCE", 0.01)
    home = ledger.Home(tmp_path / "into")
    home.make()
    with ledger.Ledger(home.ledger) as held:
        held.see("intervaldata", ["a.asc"])
        found = on_sftp(into=tmp_path / "into")
    assert "Another fetch is using" in broken(found, "files of intervaldata", "warning")


def test_missing_gpg_is_reported(on_sftp):
    found = on_sftp()
    assert "Install GnuPG" in broken(found, "OpenPGP program")
    assert states(found)["OpenPGP passphrase"] == "skipped"
    assert states(found)["login"] == "ok"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("g") / "home"
    pgp.new_key(home, name="REP One", passphrase=Secret("open sesame"))
    yield home
    with pgp.Keyring(home) as keyring:
        keyring.forget()


def with_pgp(**options):
    from greenkit.settings import PgpSettings

    return {"pgp": PgpSettings(**options)}


@GPG
def test_missing_openpgp_key_is_reported(on_sftp, tmp_path):
    assert "does not exist" in broken(on_sftp(**with_pgp(home=tmp_path / "none")), "OpenPGP program")
    (tmp_path / "empty").mkdir(mode=0o755)
    found = on_sftp(**with_pgp(home=tmp_path / "empty"))
    assert "gpg --import" in broken(found, "OpenPGP key")
    assert states(found)["OpenPGP passphrase"] == "skipped"
    if os.name == "posix":
        assert "chmod 700" in broken(found, "OpenPGP program", "warning")


@GPG
@pytest.mark.real
def test_openpgp_key_and_passphrase_are_tried(on_sftp, home):
    found = on_sftp(**with_pgp(home=home, passphrase=Secret("open sesame")))
    assert {states(found)[n] for n in OPENPGP} == {"ok"}, str(found)
    found = on_sftp(**with_pgp(home=home, passphrase=Secret("wrong")))
    assert "passphrase is wrong" in broken(found, "OpenPGP passphrase")
    assert "has a passphrase" in broken(on_sftp(**with_pgp(home=home)), "OpenPGP passphrase")
    assert "no secret key ABCD" in broken(on_sftp(**with_pgp(home=home, key="AB CD")), "OpenPGP key")


def test_smt_remote_uses_the_same_settings(sftp):
    options = {"host": "localhost", "port": sftp.endpoint.port, "user": sftp.user, "host_key": sftp.host_key}
    with smt_remote(**options, password=sftp.password) as remote:
        assert remote.names("intervaldata") == []
    with pytest.raises(TypeError, match="usr"):
        smt_remote(usr="x")
