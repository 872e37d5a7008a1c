"""First contact with file servers, and servers that refuse, hang, or drip: what the remotes report, and how soon."""

import base64
import contextlib
import ftplib
import itertools
import logging
import pkgutil
import socket
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import paramiko
import pytest
from tunnel import Tunnel

from greenkit import Secret, certificates, errors
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.transfer import _ftps, _remote, _sftp
from greenkit.transfer._remote import Endpoint, Pace
from greenkit.transfer._sftp import KnownHosts, read_fingerprint

DATA = bytes(range(256)) * 1200
PATH = "intervaldata/a.asc"


@pytest.fixture(scope="module")
def ftps():
    with FtpsServer() as server:
        server.put(PATH, DATA)
        yield server


@pytest.fixture(scope="module")
def sftp():
    with SftpServer() as server:
        server.put(PATH, DATA)
        yield server


@pytest.fixture(params=["ftps", "sftp"])
def server(request):
    return request.getfixturevalue(request.param)


def fetched(remote, path=PATH):
    data = bytearray()
    remote.fetch(path, data.extend)
    return bytes(data)


# ── known_hosts, as OpenSSH reads it ──


@pytest.fixture(scope="module")
def key(sftp):
    """Type and Base64 of the host key of the sandbox."""
    with socket.create_connection(("127.0.0.1", sftp.endpoint.port)) as wire, paramiko.Transport(wire) as transport:
        transport.start_client(timeout=30)
        found = transport.get_remote_server_key()
        return f"{found.get_name()} {found.get_base64()}"


OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBaCNmYWDqdBQnZQkdNCFw1U9Jt4HYXcpmXpPvNyTbcf"


def hashed(name):
    return paramiko.HostKeys.hash_host(name)


@pytest.mark.parametrize(
    "lines",
    [
        "[localhost]:{port} {key}",
        "other.example,[localhost]:{port} {key} a comment",
        "[LOCALHOST]:{port} {key}",
        "{hashed} {key}",
        "[local*]:{port} {key}",
        "localhost {key}",  # known on the usual port: accepted on every port
        "[localhost]:{port} {other}\n[localhost]:{port} {key}",  # a rotation, the old key first
        "@cert-authority *.example.org {other}\n[localhost]:{port} {key}",
        "@revoked other.example {key}\n[localhost]:{port} {key}",
        "# comment\n\n[localhost]:{port} ssh-rsa !!!damaged!!!\nnonsense\n[localhost]:{port} {key}",
        "\xff\xfe latin-1\n[localhost]:{port} {key}",
    ],
)
def test_known_hosts_lines_that_openssh_accepts(sftp, key, tmp_path, lines):
    port = sftp.endpoint.port
    text = lines.format(port=port, key=key, other=OTHER, hashed=hashed(f"[localhost]:{port}"))
    (tmp_path / "known_hosts").write_bytes(text.encode("latin-1"))
    with sftp.remote(host_key=None, known_hosts=tmp_path / "known_hosts") as remote:
        assert remote.names("intervaldata") == ["a.asc"]


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("", "is not in"),
        ("localhost,!localhost {key}", "is not in"),
        ("[localhost]:1{port} {key}", "is not in"),
        ("[localhost]:{port} {other}", "presented a different host key"),
        ("@revoked * {key}\n[localhost]:{port} {key}", "marked @revoked"),
        ("[localhost]:{port} {key}\n@revoked [localhost]:{port} {key}", "marked @revoked"),
    ],
)
def test_known_hosts_lines_that_openssh_refuses(sftp, key, tmp_path, lines, match):
    file = tmp_path / "known_hosts"
    file.write_text(lines.format(port=sftp.endpoint.port, key=key, other=OTHER))
    with pytest.raises(errors.HostRejected, match=match) as caught:
        sftp.remote(host_key=None, known_hosts=file).open()
    assert caught.value.next_step


def test_brackets_of_a_port_are_not_a_set_of_characters():
    line = f"[abc]:2222 {OTHER}"
    assert KnownHosts._of([line], "[abc]:2222").keys
    assert not KnownHosts._of([line], "a:2222").keys


def test_host_key_of_a_known_type_is_asked_for_first():
    with socket.socket() as wire:
        transport = _sftp._preferring(["ssh-rsa"])(wire)
        assert transport.get_security_options().key_types[0] in ("rsa-sha2-512", "rsa-sha2-256")


def test_fingerprint_is_read_in_every_usual_form(key):
    raw = base64.b64decode(key.split()[1])
    shown = _sftp.fingerprint(raw)
    bare = shown.removeprefix("SHA256:")
    digits = read_fingerprint(shown).hex()
    forms = [
        shown,
        shown + "=",
        f"256 {shown} root@smt (ED25519)",  # ssh-keygen -lf
        f"ssh-ed25519 255 {bare}=",  # WinSCP
        f"ssh-ed25519 255 {shown}",
        f" {shown}\n",
        f"SHA256: {bare}",
        f"sha256:{bare}",
        digits,
        ":".join(digits[i : i + 2] for i in range(0, 64, 2)).upper(),
        key,
    ]
    assert {read_fingerprint(form) for form in forms} == {bytes.fromhex(digits)}


@pytest.mark.parametrize("text", ["MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "SHA256:abc", "localhost"])
def test_text_without_a_sha256_fingerprint_raises_settings_error(text):
    with pytest.raises(errors.SettingsError, match="SHA-256 fingerprint"):
        read_fingerprint(text)


def test_server_with_old_signatures_is_not_taken_for_an_impostor(sftp, monkeypatch):
    def connect(*args, **kwargs):
        raise paramiko.IncompatiblePeer("Incompatible ssh peer (no acceptable host key)")

    monkeypatch.setattr(paramiko.SSHClient, "connect", connect)
    with pytest.raises(errors.RemoteError, match="no longer safe, such as ssh-rsa with SHA-1") as caught:
        sftp.remote().open()
    assert type(caught.value) is errors.RemoteError
    assert "different host key" not in str(caught.value)


def test_pkcs8_ssh_key_logs_in(sftp, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    for number, made in enumerate((ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048))):
        path = tmp_path / f"key{number}"
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")))
        sftp.register(certificates.public_ssh(path, Secret("open")))
        with sftp.remote(password=None, key=path, key_passphrase=Secret("open")) as remote:
            assert remote.names("intervaldata") == ["a.asc"]


# ── proxies ──


def test_proxy_carries_every_connection(server):
    with Tunnel() as tunnel, server.remote(proxy=tunnel.url) as remote:
        assert remote.names("intervaldata") == ["a.asc"]
        assert fetched(remote) == DATA
        assert remote.stat(PATH).size == len(DATA)
    assert tunnel.targets[0] == ("localhost", server.endpoint.port)
    assert len(tunnel.targets) == (3 if server.endpoint.protocol == "ftps" else 1)  # the data channels too


def test_proxy_with_a_login(server):
    with Tunnel(login=base64.b64encode(b"me:hunter2").decode()) as tunnel:
        url = tunnel.url.replace("http://", "http://me@")
        with server.remote(proxy=url, proxy_password=Secret("hunter2")) as remote:
            assert fetched(remote) == DATA
        with pytest.raises(errors.LoginRejected, match=r"The proxy .* refuses the user name or password") as caught:
            server.remote(proxy=url, proxy_password=Secret("wrong")).open()
        assert "proxy_password" in caught.value.next_step


def test_proxy_of_the_environment_is_not_used_but_mentioned(server, monkeypatch, closed_port):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with server.remote() as remote:
        assert remote.names("intervaldata") == ["a.asc"]
    kind, where = type(server.remote()), Endpoint(server.endpoint.protocol, "localhost", closed_port)
    remote = kind(where, user="me", password=Secret("x"), timeout=5, backoff=0)
    with pytest.raises(errors.ServerUnavailable, match="HTTPS_PROXY"):
        remote.open()


# ── one deadline for every exchange ──


# stage → the method of the client at whose call everything that the server and the proxy send begins to drip
STAGES = {
    "ftps": {
        "proxy": "greenkit._net.connect",
        "greeting": "greenkit.transfer._ftps.FtpSession.getresp",
        "AUTH": "greenkit.transfer._ftps.FtpSession.auth",
        "TLS": "greenkit._net.TimedSSLSocket.do_handshake",
        "login": "greenkit.transfer._ftps.FtpSession.login",
        "PROT": "greenkit.transfer._ftps.FtpSession.prot_p",
        "data port": "greenkit.transfer._ftps.FtpSession.makepasv",
        "TLS of the data": "greenkit.transfer._ftps.FtpSession._wrapped",
        "data": "greenkit.transfer._ftps._drain",
        "final reply": "greenkit.transfer._ftps.FtpSession.voidresp",
    },
    "sftp": {
        "proxy": "greenkit._net.connect",
        "banner": "paramiko.transport.Packetizer.readline",
        "key exchange": "paramiko.Transport._send_kex_init",
        "login": "paramiko.Transport.auth_password",
        "channel": "paramiko.Transport.open_session",
        "subsystem": "paramiko.Channel.invoke_subsystem",
        "version": "paramiko.SFTPClient._send_version",
        "open file": "paramiko.SFTPClient.open",
        "data": "greenkit.transfer._sftp._Ahead.pieces",
    },
}


@pytest.mark.parametrize(("protocol", "stage"), [(p, stage) for p, stages in STAGES.items() for stage in stages])
def test_deadline_ends_an_exchange_that_drips(request, monkeypatch, protocol, stage):
    server, where = request.getfixturevalue(protocol), STAGES[protocol][stage]
    owner, name = pkgutil.resolve_name(where.rpartition(".")[0]), where.rpartition(".")[2]
    real, reached, got = getattr(owner, name), threading.Event(), bytearray()

    def method(*args, **kwargs):
        reached.set()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, method)
    with Tunnel(lambda number, sent: 0.1 if reached.is_set() else 0.0) as tunnel:
        remote = server.remote(proxy=tunnel.url, timeout=0.2)
        with pytest.raises(errors.RemoteError, match=r"within 0\.2 s|in time|only \d+ bytes") as caught:
            remote.fetch(PATH, got.extend)
        remote.close()
    # the server is slow, so the next step asks for no change of a setting, a name, or a permission
    assert type(caught.value) in (errors.ServerUnavailable, errors.TransferError)
    assert caught.value.next_step
    assert DATA.startswith(bytes(got))


@pytest.mark.parametrize(
    ("protocol", "where", "wait"),
    [("ftps", "greenkit.transfer._ftps.FtpSession.getresp", 0.1), ("sftp", "paramiko.Transport.auth_password", 0.7)],
)
def test_one_deadline_holds_for_all_steps_of_connecting(request, monkeypatch, protocol, where, wait):
    """Each step is quicker than the deadline; together they are not."""
    server = request.getfixturevalue(protocol)
    owner, name = pkgutil.resolve_name(where.rpartition(".")[0]), where.rpartition(".")[2]
    real = getattr(owner, name)

    def method(*args, **kwargs):
        time.sleep(wait)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, method)
    with pytest.raises(errors.ServerUnavailable, match=r"within 0\.2 s"):
        server.remote(timeout=0.2).open()


def test_pace_accepts_a_slow_start_and_a_fast_line(monkeypatch):
    now = itertools.count(0, 40)  # seconds; each look at the clock is later
    monkeypatch.setattr(_remote, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    pace = Pace(60)
    pace.count(1)
    with pytest.raises(TimeoutError, match="only 2 bytes in 80 s"):
        pace.count(1)
    pace = Pace(60)
    for _ in range(5):
        pace.count(80_000)


# ── what servers refuse ──


def refusing(monkeypatch, command, reply):
    """Make the server answer a command with a reply of its own."""
    real = _ftps.FtpSession.sendcmd

    def sendcmd(self, line):
        if line.split()[0] == command:
            raise (ftplib.error_temp if reply[0] == "4" else ftplib.error_perm)(reply)
        return real(self, line)

    monkeypatch.setattr(_ftps.FtpSession, "sendcmd", sendcmd)


@pytest.mark.parametrize("reply", ["425 no data", "426 aborted", "451 local error", "452 no space", "421 closing"])
def test_temporary_refusal_of_a_listing_means_later(ftps, monkeypatch, reply):
    with ftps.remote() as remote:
        refusing(monkeypatch, "NLST", reply)
        with pytest.raises(errors.ServerUnavailable, match=reply[:3]) as caught:
            remote.names("intervaldata")
    assert caught.value.next_step == "Try again later."


@pytest.mark.parametrize("reply", ["550 Permission denied.", "550 Access is not allowed"])
def test_listing_that_is_refused_is_not_an_empty_folder(ftps, monkeypatch, reply):
    with ftps.remote() as remote:
        refusing(monkeypatch, "NLST", reply)
        with pytest.raises(errors.AccessRefused, match="refuses to list 'intervaldata'"):
            remote.names("intervaldata")


def test_listing_of_an_empty_folder_may_be_550(ftps, monkeypatch):
    with ftps.remote() as remote:
        refusing(monkeypatch, "NLST", "550 No files found.")
        assert remote.names("intervaldata") == []


def test_size_that_is_refused_costs_one_listing_and_not_two_for_each_file(ftps, monkeypatch):
    for number in range(20):
        ftps.put(f"adhocusage/{number}.asc", b"x")
    with ftps.remote() as remote:
        refusing(monkeypatch, "SIZE", "550 SIZE not allowed here")
        listings, real = [], _ftps.FtpSession.receive
        monkeypatch.setattr(
            _ftps.FtpSession, "receive", lambda self, *rest: (listings.append(rest[0]), real(self, *rest))[1]
        )
        stats = [remote.stat(f"adhocusage/{number}.asc") for number in range(20)]
        assert len([line for line in listings if line.startswith("NLST")]) == 1
        assert {s.size for s in stats} == {None}
        assert all(s.modified for s in stats)


def test_size_that_is_refused_for_a_missing_file_is_not_on_server(ftps, monkeypatch):
    with ftps.remote() as remote:
        refusing(monkeypatch, "SIZE", "550 SIZE not allowed here")
        with pytest.raises(errors.NotOnServer):
            remote.stat("intervaldata/none.asc")


def test_missing_folder_is_a_remote_error(server):
    with server.remote() as remote:
        for call in (lambda: remote.names("no-folder"), lambda: remote.stat("intervaldata/none")):
            with pytest.raises(errors.NotOnServer) as caught:
                call()
            assert isinstance(caught.value, errors.RemoteError)
            assert isinstance(caught.value, FileNotFoundError)
            assert caught.value.next_step


def test_refused_data_port_names_the_firewall(ftps, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with ftps.remote(backoff=0) as remote:
        monkeypatch.setattr(_ftps.FtpSession, "makepasv", lambda self: ("127.0.0.1", port))
        with pytest.raises(errors.ServerUnavailable, match=f"data connection to port {port} failed") as caught:
            remote.names("intervaldata")
    assert "firewall" in caught.value.next_step


def test_stage_of_a_failure_is_kept_for_the_doctor(ftps, monkeypatch):
    remote = ftps.remote()
    monkeypatch.setattr(_ftps.FtpSession, "prot_p", lambda self: (_ for _ in ()).throw(ftplib.error_perm("504 no")))
    with pytest.raises(errors.RemoteError, match="does not encrypt the data channel"):
        remote.open()
    assert remote.stage == "data channel"
    monkeypatch.setattr(_ftps.FtpSession, "login", lambda self, *rest: (_ for _ in ()).throw(TimeoutError()))
    with pytest.raises(errors.ServerUnavailable, match="did not answer the login"):
        remote.open()
    assert remote.stage == "login"


def test_expired_client_certificate_is_named_before_connecting():
    with Authority() as authority, FtpsServer(authority=authority) as server:
        old = authority.client("pc", stem="old", begins=datetime.now(UTC) - timedelta(days=9), days=2)
        remote = server.remote(certificate=old.certificate, key=old.key)
        with pytest.raises(errors.CertificateError, match="expired on"):
            remote.open()


# ── secrets and the trace ──


@pytest.mark.parametrize("why", ["refused", "hanging", "interrupted"])
def test_no_traceback_contains_the_password(server, monkeypatch, why):
    password = Secret("hunter2-4711")
    remote = server.remote(password=password, timeout=0.4 if why == "hanging" else 10, backoff=0)
    kind = server.endpoint.protocol
    target, name = (_ftps.FtpSession, "putcmd") if kind == "ftps" else (paramiko.Transport, "auth_password")
    real = getattr(target, name)

    def hang(self, *rest, **named):
        if kind == "ftps" and not rest[0].startswith("PASS"):
            return real(self, *rest, **named)
        raise KeyboardInterrupt if why == "interrupted" else TimeoutError

    if why != "refused":
        monkeypatch.setattr(target, name, hang)
    with pytest.raises((errors.RemoteError, KeyboardInterrupt)) as caught:
        remote.open()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(line for frame in chain(caught.value) for line in frame) + "".join(shown.format())
    assert "hunter2" not in text


def chain(error):
    """Yield the tracebacks of an error and of those behind it, which rich and cgitb print too."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__cause__ or error.__context__


def test_trace_has_the_conversation_and_no_secret(server, caplog):
    meter = "10443720000000123"
    server.put(f"intervaldata/{meter}.asc", b"x")
    with caplog.at_level(logging.DEBUG, "greenkit.transfer"), server.remote() as remote:
        remote.names("intervaldata")
        remote.stat(f"intervaldata/{meter}.asc")
        fetched(remote, f"intervaldata/{meter}.asc")
        remote.delete(f"intervaldata/{meter}.asc")
    text = caplog.text
    assert server.password.reveal() not in text
    assert meter not in text
    assert "1044…" in text
    for said in ("> PASS ***", "> NLST intervaldata", "< 230") if server.endpoint.protocol == "ftps" else (
        "the host key of", "listing intervaldata", "deleting"
    ):  # fmt: skip
        assert said in text


def test_trace_is_silent_unless_it_is_asked_for(server, capfd):
    with contextlib.suppress(errors.RemoteError), server.remote(timeout=5, backoff=0) as remote:
        remote.names("no-folder")
    with pytest.raises(errors.RemoteError):
        server.remote(password=Secret("wrong")).open()
    assert capfd.readouterr().err == ""
