"""Both remotes against the sandbox's servers (pyftpdlib, asyncssh), well-behaved and not."""

import contextlib
import ftplib
import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import paramiko
import pytest

from greenkit import Secret, certificates, errors
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.transfer import _ftps as ftp_session
from greenkit.transfer import _ftps as ftps
from greenkit.transfer._ftps import FtpsRemote
from greenkit.transfer._remote import SMT_FTPS, SMT_SFTP, Endpoint, NameTable, Stat, words
from greenkit.transfer._sftp import SftpRemote, transport_class

DATA = os.urandom(300_000)
PATH = "intervaldata/a.asc"


@pytest.fixture(scope="module", params=[FtpsServer, SftpServer], ids=["ftps", "sftp"])
def running(request):
    with request.param() as server:
        yield server


@pytest.fixture
def server(running):
    """A server without faults, with one file."""
    for path in running.root.rglob("*"):
        if path.is_file():
            path.unlink()
    running.put(PATH, DATA)
    good = running.faults
    yield running
    running.faults = good


@pytest.fixture
def remote(server):
    with server.remote(timeout=20) as remote:
        yield remote


def fetched(remote, path=PATH, offset=0):
    got = bytearray()
    remote.fetch(path, got.extend, offset)
    return bytes(got)


def test_endpoints_of_smt_have_their_ports_and_folders():
    assert str(SMT_SFTP) == "sftp://ftp.smartmetertexas.biz:22"
    assert str(SMT_FTPS) == "ftps://ftp.smartmetertexas.biz:21"
    assert SMT_SFTP.folders == SMT_FTPS.folders == ("intervaldata", "adhocusage")


def test_remote_lists_stats_fetches_and_deletes(server, remote):
    assert remote.names("intervaldata") == ["a.asc"]
    assert remote.names("adhocusage") == []
    assert sorted(remote.names("")) in ([], ["adhocusage", "intervaldata"])  # SFTP distinguishes folders from files
    found = remote.stat(PATH)
    assert found.size == len(DATA)
    assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=1)
    assert fetched(remote) == DATA
    assert fetched(remote, offset=123_456) == DATA[123_456:]
    assert fetched(remote, offset=len(DATA)) == b""
    remote.delete(PATH)
    assert remote.names("intervaldata") == []
    assert not (server.root / PATH).exists()


def test_many_files_and_an_empty_one_in_one_session(server, remote):
    server.put("intervaldata/empty", b"")
    assert fetched(remote, "intervaldata/empty") == b""
    for i in range(30):
        server.put(f"intervaldata/{i}", bytes([i]) * 1000)
    assert set(remote.names("intervaldata")) == {"a.asc", "empty", *map(str, range(30))}
    session = remote._session
    assert all(fetched(remote, f"intervaldata/{i}") == bytes([i]) * 1000 for i in range(30))
    assert remote._session is session


def test_missing_file_or_folder_raises_not_on_server(remote):
    for ask in (remote.stat, remote.delete, lambda path: remote.fetch(path, lambda chunk: None)):
        with pytest.raises(FileNotFoundError, match=r"intervaldata/none"):
            ask("intervaldata/none")
    with pytest.raises(FileNotFoundError, match="intervaldate"):
        remote.names("intervaldate")
    assert remote.names("intervaldata") == ["a.asc"]


def test_file_that_shrank_is_not_resumed(remote):
    with pytest.raises(errors.TransferError, match="300,000 bytes, fewer than were already fetched"):
        fetched(remote, offset=300_001)
    assert fetched(remote) == DATA


def test_names_are_returned_unchanged(server, remote):
    names = ["a b.asc", "grün.asc", "-rf", "a'b\"c", "%2e%2e", "..\\..\\win.asc", "x" * 200]
    for name in names:
        (server.root / "intervaldata" / name).write_bytes(name.encode())
    assert set(remote.names("intervaldata")) == {"a.asc", *names}
    for name in names:
        path = f"intervaldata/{name}"
        assert remote.stat(path).size == len(name.encode())
        assert fetched(remote, path) == name.encode()
        remote.delete(path)
    assert remote.names("intervaldata") == ["a.asc"]


def test_truncation_in_good_order_shows_only_in_the_size(server, remote):
    server.misbehave(cut="clean")
    assert fetched(remote) == DATA[:100_000]
    assert remote.stat(PATH).size == 300_000


@pytest.mark.parametrize("cut", ["unannounced", "reset"])
def test_interrupted_transfer_is_an_error_and_can_be_resumed(server, remote, cut):
    server.misbehave(cut=cut)
    got = bytearray()
    with pytest.raises(errors.TransferError, match="fetch"):
        remote.fetch(PATH, got.extend)
    assert 0 < len(got) <= 100_000
    assert bytes(got) == DATA[: len(got)]
    assert remote._session is None
    server.misbehave(cut="")
    remote.fetch(PATH, got.extend, len(got))
    assert bytes(got) == DATA


def test_stalled_transfer_ends_within_the_timeout(server):
    server.misbehave(stall=True)
    with server.remote(timeout=20) as remote:
        # the login has more time, because this machine may be slow
        if isinstance(server, FtpsServer):
            remote._session.timeout = 0.2
        else:
            remote._session.sftp._patience = 0.2
        with pytest.raises(errors.TransferError, match="no answer in time"):
            fetched(remote)


def test_error_after_the_last_byte_is_raised(server, remote):
    server.misbehave(late_error=True)
    with pytest.raises(errors.TransferError, match="error in reading"):
        fetched(remote)
    server.misbehave(late_error=False)
    # the next replies belong to their commands
    assert remote.stat(PATH).size == 300_000
    assert fetched(remote) == DATA


def test_lost_reply_to_delete_is_unavailable(server, remote):
    server.misbehave(lose_delete_reply=True)
    server.put("intervaldata/b.asc", b"other")
    with pytest.raises(errors.ServerUnavailable, match=r"delete 'intervaldata/a\.asc'"):
        remote.delete(PATH)
    server.misbehave(lose_delete_reply=False)
    with pytest.raises(FileNotFoundError):
        remote.stat(PATH)
    assert remote.names("intervaldata") == ["b.asc"]


def test_delete_is_never_sent_twice(server, remote):
    """A new file may have taken the name between the lost reply and a second try."""
    server.misbehave(lose_delete_reply=True)
    with pytest.raises(errors.ServerUnavailable):
        remote.delete(PATH)
    if isinstance(server, FtpsServer):
        assert server.commands[-1] == f"DELE {PATH}"
    server.put(PATH, b"new")
    assert remote.stat(PATH).size == 3


def test_wrong_or_missing_size_is_returned_as_reported(server, remote):
    server.misbehave(size_off=5)
    assert remote.stat(PATH).size == 300_005
    assert fetched(remote) == DATA
    server.misbehave(size_off=0, no_size=True, no_time=True)
    assert remote.stat(PATH) == Stat(None, None)
    assert fetched(remote) == DATA
    assert fetched(remote, offset=1000) == DATA[1000:]


def test_error_of_the_sink_is_raised_unchanged(server, remote):
    """An error of the sink that looks like one of the network is not retried, and does not mean a missing file."""
    for error in (BrokenPipeError("mine"), FileNotFoundError("mine"), KeyboardInterrupt()):
        seen = []

        def sink(chunk, seen=seen, error=error):
            seen.append(chunk)
            raise error

        with pytest.raises(type(error)) as caught:
            remote.fetch(PATH, sink)
        assert caught.value is error
        assert len(seen) == 1
        assert remote._session is None
    assert fetched(remote) == DATA


def test_lost_session_is_replaced_once(server, remote):
    remote.names("intervaldata")
    _break(remote)
    assert remote.names("intervaldata") == ["a.asc"]
    _break(remote)
    assert fetched(remote) == DATA


def _break(remote):
    """Close the socket of the session, as a firewall does after an idle time-out."""
    session = remote._session
    wire = session.sock if isinstance(remote, FtpsRemote) else session.client.get_transport().sock
    wire.shutdown(socket.SHUT_RDWR)


def test_wrong_password_is_tried_once_and_never_shown(server):
    wrong = Secret("wrong-password-7261")
    remote = server.remote(password=wrong)
    before = len(server.commands)
    with pytest.raises(errors.LoginRejected, match="greenkit does not try again") as caught:
        remote.open()
    assert "7261" not in str(caught.value) + repr(remote) + str(vars(remote))
    if isinstance(server, FtpsServer):
        assert server.commands[before:].count("PASS") == 1


def test_closed_port_and_unknown_host_are_unavailable(server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gone = Endpoint(server.endpoint.protocol, "localhost", port)
    remote = server.remote()
    remote._endpoint = gone
    with pytest.raises(errors.ServerUnavailable, match="refuses"):
        remote.open()
    remote._endpoint = Endpoint(gone.protocol, "no-such-host.invalid", port)
    with pytest.raises(errors.ServerUnavailable, match="cannot be resolved"):
        remote.names("intervaldata")


def test_silent_server_ends_within_the_timeout(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote = server.remote(timeout=0.3)
        remote._endpoint = Endpoint(server.endpoint.protocol, "localhost", silent.getsockname()[1])
        with pytest.raises(
            errors.ServerUnavailable, match=r"(sent no complete greeting|did not greet|did not finish connecting)"
        ):
            remote.open()


def test_missing_user_raises_settings_error(server):
    with pytest.raises(errors.SettingsError, match="No user name is set"):
        server.remote(user="")


# ── FTPS alone ──


@pytest.fixture(scope="module")
def ftps_server():
    with FtpsServer() as server:
        server.put(PATH, DATA)
        yield server


def test_missing_close_notify_is_accepted_and_logged_if_the_size_agrees(ftps_server, caplog):
    caplog.set_level("INFO", "greenkit.transfer")
    ftps_server.put(PATH, DATA)
    ftps_server.misbehave(no_close_notify=True)
    with ftps_server.remote() as remote:
        assert remote.stat(PATH).size == 300_000
        assert fetched(remote) == DATA
        assert f"the data connection of {PATH} ended without close_notify" in caplog.messages
        ftps_server.misbehave(size_off=5)
        remote.stat(PATH)
        with pytest.raises(errors.TransferError, match="lost after 300,000 of 300,005 bytes"):
            fetched(remote)
        ftps_server.misbehave(no_size=True)
        assert remote.stat(PATH).size is None
        assert fetched(remote) == DATA
    ftps_server.misbehave(no_close_notify=False, size_off=0, no_size=False)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_versions_and_session_reuse(ftps_server, monkeypatch, version):
    ftps_server.put(PATH, DATA)
    remote, seen, drain = ftps_server.remote(), [], ftp_session._drain
    remote._context.maximum_version = ssl.TLSVersion[version]

    def watched(data, *rest):
        seen.append((data.version(), data.session_reused))
        return drain(data, *rest)

    monkeypatch.setattr(ftp_session, "_drain", watched)
    with remote:
        assert fetched(remote) == DATA
        assert remote._session.sock.version() == version.replace("_", ".")
    assert seen == [(version.replace("_", "."), True)]


def test_epsv_is_tried_before_pasv(ftps_server, monkeypatch):
    ftps_server.put(PATH, DATA)
    with ftps_server.remote() as remote:
        fetched(remote)
        assert "EPSV" in ftps_server.commands
        assert "PASV" not in ftps_server.commands
        monkeypatch.setattr(remote._session, "_extended", False)
        assert fetched(remote) == DATA
        assert "PASV" in ftps_server.commands


def refusing(monkeypatch, said):
    """Replace the server's replies to some commands."""
    asked = ftp_session.FtpSession.sendcmd

    def answer(self, command):
        reply = said.get(command.split()[0])
        if reply and reply[0] in "45":
            raise {"4": ftplib.error_temp, "5": ftplib.error_perm}[reply[0]](reply)
        return reply or asked(self, command)

    monkeypatch.setattr(ftp_session.FtpSession, "sendcmd", answer)


@pytest.mark.parametrize("reply", ["500 EPSV unknown", "425 no EPSV behind this firewall", "229 Entering"])
def test_pasv_follows_epsv_that_is_refused_with_any_code(ftps_server, monkeypatch, reply):
    ftps_server.put(PATH, DATA)
    refusing(monkeypatch, {"EPSV": reply})
    with ftps_server.remote() as remote:
        assert fetched(remote) == DATA


def test_empty_listing_may_be_reported_without_a_data_connection(ftps_server, monkeypatch):
    (ftps_server.root / "adhocusage").mkdir(exist_ok=True)
    refusing(monkeypatch, {"NLST": "226 Transfer complete (no files)"})
    with ftps_server.remote() as remote:
        assert remote.names("adhocusage") == []
        with pytest.raises(FileNotFoundError, match="has no folder"):
            remote.names("nowhere")


@pytest.mark.parametrize("given", [{"user": "a\r\nDELE x"}, {"password": Secret("a\nb")}])
def test_line_break_in_the_login_raises_settings_error(ftps_server, given):
    with pytest.raises(errors.SettingsError, match="contains a line break"):
        ftps_server.remote(**given)


def test_interrupted_listing_is_an_error(ftps_server, monkeypatch):
    """Check it, because names that are missing from it would count as deleted."""
    ftps_server.put(PATH, DATA)
    whole = ftp_session._drain
    monkeypatch.setattr(
        ftp_session, "_drain", lambda data, sink, *rest: whole(data, lambda chunk: sink(chunk[:-3]), *rest) and False
    )
    with ftps_server.remote() as remote, pytest.raises(errors.TransferError, match="was interrupted"):
        remote.names("intervaldata")

    def late(self, command, sink, offset=0):
        sink(b"a.asc\r\n")
        raise ftplib.error_temp("450 disk error")

    monkeypatch.setattr(ftp_session.FtpSession, "receive", late)
    with ftps_server.remote() as remote, pytest.raises(errors.RemoteError, match="450 disk error"):
        remote.names("intervaldata")


def test_server_without_rest_is_read_from_the_start(ftps_server, monkeypatch):
    """The bytes that are stored already are skipped."""
    ftps_server.put(PATH, DATA)
    monkeypatch.setattr(ftp_session.FtpSession, "_restart", lambda self, offset: False)
    with ftps_server.remote() as remote:
        assert fetched(remote, offset=123_456) == DATA[123_456:]
        assert fetched(remote) == DATA


def test_fetching_a_folder_over_ftps_raises_is_a_folder(ftps_server):
    """NLST does not distinguish folders from files; the replies to SIZE, RETR, and CWD do."""
    (ftps_server.root / "intervaldata" / "archive").mkdir(exist_ok=True)
    with ftps_server.remote() as remote:
        assert "archive" in remote.names("intervaldata")
        with pytest.raises(IsADirectoryError, match="'intervaldata/archive' on ftps://localhost:"):
            fetched(remote, "intervaldata/archive")
        session = remote._session
        assert remote.stat("intervaldata/archive").size is None
        assert remote._session is session
    (ftps_server.root / "intervaldata" / "archive").rmdir()


def test_type_is_binary_before_size_and_retr(ftps_server):
    ftps_server.put(PATH, DATA)
    with ftps_server.remote() as remote:
        remote.names("intervaldata")
        remote.stat(PATH)
        remote.names("intervaldata")
        fetched(remote)
        modes = [c for c in ftps_server.commands if c.split()[0] in ("TYPE", "SIZE", "RETR", "NLST")]
    assert modes[-8:] == [
        "TYPE A", "NLST intervaldata", "TYPE I", f"SIZE {PATH}", "TYPE A", "NLST intervaldata", "TYPE I", f"RETR {PATH}",
    ]  # fmt: skip


def test_server_certificate_is_verified(ftps_server):
    untrusted = pytest.raises(errors.HostRejected, match="is signed by a private certificate authority")
    with Authority(name="other") as other, untrusted:
        ftps_server.remote(ca_file=other.file).open()
    with pytest.raises(errors.HostRejected, match="certificate"):
        ftps_server.remote(ca_file=None).open()
    named = ftps_server.remote()
    named._endpoint = Endpoint("ftps", "127.0.0.2", ftps_server.endpoint.port)
    with pytest.raises((errors.HostRejected, errors.ServerUnavailable)):
        named.open()


def test_expired_and_misnamed_server_certificates():
    now = datetime.now(UTC)
    with Authority() as authority:
        for stem, names, begins, match in (
            ("old", (), now - timedelta(days=3), "has expired"),
            ("other", ("ftp.example.org",), None, "is for another host name"),
        ):
            pair = authority.server(*names, stem=stem, begins=begins)
            original, authority.server = authority.server, lambda *a, pair=pair, **k: pair
            with FtpsServer(authority=authority) as server, pytest.raises(errors.HostRejected, match=match):
                server.remote().open()
            authority.server = original


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_missing_client_certificate_is_rejected(ftps_server, version):
    """TLS 1.3 refuses only after the handshake."""
    with Authority(name="other") as other:
        stranger = other.client("stranger")
        for given in ({"certificate": None, "key": None}, {"certificate": stranger.certificate, "key": stranger.key}):
            remote = ftps_server.remote(**given)
            remote._context.maximum_version = ssl.TLSVersion[version]
            with pytest.raises((errors.CertificateRejected, errors.RemoteError), match="certificate") as caught:
                remote.open()
            assert not isinstance(caught.value, errors.LoginRejected | errors.HostRejected)
            for fault in (caught.value, remote._no_login(EOFError(), ftps.FtpSession(remote._context, 1.0))):
                assert ("Set certificate and certificate_key" in fault.next_step) == (given["key"] is None)


def test_registered_client_certificate_is_accepted(ftps_server, tmp_path):
    password = Secret("key password")
    pair = certificates.new_certificate(tmp_path, "meter-pc", password=password)
    ftps_server.register(pair.certificate)
    with ftps_server.remote(certificate=pair.certificate, key=pair.key, key_password=password) as remote:
        assert "a.asc" in remote.names("intervaldata")
    with pytest.raises(errors.CertificateError, match="is encrypted, and no password is set"):
        ftps_server.remote(certificate=pair.certificate, key=pair.key)


def test_tls_settings_reject_unusable_files(ftps_server, tmp_path):
    with pytest.raises(errors.CertificateError, match="file of certificate authorities"):
        ftps_server.remote(ca_file=tmp_path / "none.pem")
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(errors.CertificateError, match="it contains no PEM certificate"):
        ftps_server.remote(ca_file=tmp_path / "junk.pem")
    with pytest.raises(errors.SettingsError, match=r"minimum_tls is '0\.9'"):
        ftps_server.remote(minimum_tls="0.9")


def test_old_tls_needs_an_opt_in(ftps_server):
    assert ftps_server.remote()._context.minimum_version == ssl.TLSVersion.TLSv1_2
    old = ftps_server.remote(minimum_tls="1.0")._context
    assert old.minimum_version == ssl.TLSVersion.TLSv1
    assert (old.verify_mode, old.check_hostname) == (ssl.CERT_REQUIRED, True)


@contextlib.contextmanager
def scripted(*answers):
    """Run a server that sends the same replies to every client, for behavior that no real server here has."""
    heard = []

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                wire, _ = listener.accept()
                with wire:
                    wire.settimeout(2)
                    for answer in answers:
                        if answer is None:
                            break
                        wire.sendall(answer)
                        heard.append(wire.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield Endpoint("ftps", "localhost", listener.getsockname()[1]), heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    ("answers", "error", "match"),
    [
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], errors.RemoteError, "is an SSH server, not an FTP server"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], errors.RemoteError, "did not greet as an FTP server"),
        ([b"421 too many sessions\r\n"], errors.ServerUnavailable, "accepts no new session now"),
        ([None], errors.ServerUnavailable, "closed the connection at once"),
        ([b"220 hi\r\n", b"502 no\r\n", b""], errors.RemoteError, "refuses TLS"),
        ([b"220 hi\r\n", b"234 ok\r\n", b"421 plain text after all\r\n"], errors.RemoteError, "did not answer in TLS"),
        ([b"220 hi\r\n", b"234 ok\r\n", None], errors.ServerUnavailable, "ended the TLS handshake"),
        ([b"220-" + b"x\r\n" * 11_000], errors.RemoteError, "did not greet"),
        ([b"2" * 20_000 + b"\r\n"], errors.RemoteError, "did not greet"),
    ],
)
def test_server_of_another_protocol_is_named_and_gets_no_password(answers, error, match):
    secret = Secret("never-in-clear-4711")
    with scripted(*answers) as (endpoint, heard):
        remote = FtpsRemote(endpoint, user="me", password=secret, timeout=2, backoff=0)
        with pytest.raises(error, match=match) as caught:
            remote.open()
    assert type(caught.value) is error
    assert not any(b"4711" in line or b"USER" in line for line in heard)


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        (b"intervaldata/a.asc", b"a.asc"),
        (b"/intervaldata/a.asc", b"a.asc"),
        (b"./intervaldata/a.asc", b"a.asc"),
        (b"a.asc", b"a.asc"),
        (b"intervaldata/../../etc/passwd", b"../../etc/passwd"),
        (b"/etc/passwd", b"/etc/passwd"),
        (b"other/a.asc", b"other/a.asc"),
        (b"/home/rep1/intervaldata/a.asc", b"a.asc"),
        (b"intervaldata\\a.asc", b"a.asc"),
    ],
)
def test_folder_is_removed_from_listed_names(line, bare):
    assert ftps._bare(line, b"intervaldata") == bare


@pytest.mark.parametrize(
    ("reply", "number"),
    [("213 5", 5), ("213  12 ", 12), ("213 -1", None), ("213 1e9", None), ("", None), ("213 " + "9" * 40, None)],
)
def test_size_reply_is_parsed(reply, number):
    assert ftps._number(reply) == number


@pytest.mark.parametrize(
    ("reply", "instant"),
    [
        ("213 20260712013000", datetime(2026, 7, 12, 1, 30, tzinfo=UTC)),
        ("213 20260712013000.123", datetime(2026, 7, 12, 1, 30, tzinfo=UTC)),
        ("213 191000712013000", None),  # a bug of the year 2000 that is still met
        ("213 20261312013000", None),
        ("", None),
    ],
)
def test_time_reply_is_parsed(reply, instant):
    assert ftps._instant(reply) == instant


def test_line_break_in_a_name_is_never_sent(ftps_server):
    with ftps_server.remote() as remote:
        before = len(ftps_server.commands)
        with pytest.raises(errors.AccessRefused, match="line break"):
            remote.delete("intervaldata/a\r\nDELE intervaldata/a.asc")
        assert len(ftps_server.commands) == before


def test_name_table_returns_the_bytes_of_every_name():
    names = NameTable()
    raws = [b"a", "ü".encode(), "ü".encode("latin-1"), b"\xff\xfe", "日".encode(), "Ã¼".encode(), b"x\\xfc"]
    texts = [names.text("in", raw) for raw in raws]
    assert len(set(texts)) == len(raws)
    assert [names.raw(f"in/{text}") for text in texts] == [b"in/" + raw for raw in raws]
    assert names.raw("never/listed-ü") == "never/listed-ü".encode()


# ── SFTP alone ──


@pytest.fixture(scope="module")
def sftp_server():
    with SftpServer() as server:
        server.put(PATH, DATA)
        yield server


def test_unknown_host_is_refused_before_the_password_is_sent(sftp_server, tmp_path):
    with pytest.raises(errors.HostRejected, match=r"is not in .*known_hosts; it presented SHA256:") as caught:
        sftp_server.remote(host_key=None, known_hosts=tmp_path / "known_hosts").open()
    assert sftp_server.host_key in str(caught.value)


def test_known_host_key_is_accepted_and_another_is_rejected(sftp_server, tmp_path):
    file, port = tmp_path / "known_hosts", sftp_server.endpoint.port
    line = sftp_server.public_host_key
    file.write_text(f"[localhost]:{port} {line}\n")
    with sftp_server.remote(host_key=None, known_hosts=file) as remote:
        assert remote.names("intervaldata") == ["a.asc"]
    with SftpServer() as other:
        file.write_text(f"[localhost]:{other.endpoint.port} {line}\n")
        with pytest.raises(errors.HostRejected, match="presented a different host key"):
            other.remote(host_key=None, known_hosts=file).open()


def test_other_key_than_the_pinned_one_is_rejected(sftp_server):
    with SftpServer() as other, pytest.raises(errors.HostRejected, match="than the pinned one") as caught:
        sftp_server.remote(host_key=other.host_key).open()
    assert sftp_server.host_key in str(caught.value)
    for wrong in ("SHA256:abc", "MD5:00:11", sftp_server.host_key[:-1], "x" * 42):
        with pytest.raises(errors.SettingsError, match="must contain the SHA-256 fingerprint"):
            sftp_server.remote(host_key=wrong)


def test_second_factor_is_never_asked_for_on_the_terminal():
    with pytest.raises(paramiko.BadAuthenticationType, match="keyboard-interactive"):
        transport_class().auth_interactive_dumb(None, "rep1")


def test_encrypted_ssh_key_needs_its_passphrase(sftp_server, tmp_path):
    passphrase = Secret("open ß")
    sftp_server.register(certificates.new_ssh_key(tmp_path / "id", password=passphrase))
    with sftp_server.remote(password=None, key=tmp_path / "id", key_passphrase=passphrase) as remote:
        assert remote.names("intervaldata") == ["a.asc"]
    for given, match in ((None, "is encrypted"), (Secret("wrong"), "the password is wrong")):
        with pytest.raises(errors.CertificateError, match=match):
            sftp_server.remote(password=None, key=tmp_path / "id", key_passphrase=given)
    with pytest.raises(errors.CertificateError, match="cannot be read"):
        sftp_server.remote(key=tmp_path / "none")
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(errors.CertificateError, match="contains no SSH key"):
        sftp_server.remote(key=tmp_path / "junk")
    certificates.new_ssh_key(tmp_path / "stranger", password=None)
    with pytest.raises(errors.LoginRejected, match="user name or its key"):
        sftp_server.remote(password=None, key=tmp_path / "stranger").open()
    with pytest.raises(errors.SettingsError, match="Neither a key nor a password"):
        sftp_server.remote(password=None)


def test_latin_1_names_over_sftp(sftp_server):
    raw = "größe.asc".encode("latin-1")
    path = os.path.join(os.fsencode(sftp_server.root), b"adhocusage", raw)
    with open(path, "wb") as file:
        file.write(b"x")
    with sftp_server.remote() as remote:
        assert remote.names("adhocusage") == ["größe.asc"]
        assert fetched(remote, "adhocusage/größe.asc") == b"x"
        remote.delete("adhocusage/größe.asc")
    assert not os.path.exists(path)


def test_folder_is_neither_listed_nor_fetched_over_sftp(sftp_server):
    with sftp_server.remote() as remote:
        (sftp_server.root / "intervaldata" / "folder").mkdir(exist_ok=True)
        assert remote.names("intervaldata") == ["a.asc"]
        with pytest.raises((errors.AccessRefused, errors.IsAFolder), match="folder"):
            fetched(remote, "intervaldata/folder")
        assert fetched(remote) == DATA


def test_invalid_listing_is_an_error(sftp_server, monkeypatch):
    with sftp_server.remote() as remote:
        sftp, ask = remote._session.sftp, remote._session.sftp._request
        for count in (0, 0xFFFFFFFF):

            def request(kind, *arguments, count=count, ask=ask):
                if kind != paramiko.sftp.CMD_READDIR:
                    return ask(kind, *arguments)
                return kind, paramiko.Message(count.to_bytes(4, "big"))

            monkeypatch.setattr(sftp, "_request", request)
            with pytest.raises(errors.RemoteError, match=f"is not valid .{count} names at once"):
                remote.names("intervaldata")
            sftp, ask = (remote.open()._session.sftp, remote._session.sftp._request)


def test_server_words_are_shortened_and_contain_no_password():
    said = words(OSError("you sent hunter2\x1b[31m\n" + "x" * 200), Secret("hunter2"))
    assert said.startswith("you sent *** [31m")
    assert len(said) <= 120
    assert "hunter2" not in words(OSError("x" * 116 + "hunter2"), Secret("hunter2"))


def test_import_is_lazy():
    import subprocess
    import sys

    code = "import sys, greenkit.transfer._sftp, greenkit.sandbox.files\n"
    code += "print({'paramiko', 'asyncssh', 'pyftpdlib', 'cryptography', 'gnupg'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_remotes_implement_the_protocol():
    from greenkit.transfer._remote import Remote

    for kind in (FtpsRemote, SftpRemote):
        assert all(callable(getattr(kind, name)) for name in ("open", "close", "names", "stat", "fetch", "delete"))
        assert {n for n in dir(Remote) if not n.startswith("_")} <= set(dir(kind))


@pytest.mark.parametrize("most", [1, 1000, 32_767])
def test_short_reads_are_completed(sftp_server, monkeypatch, most):
    """Drafts of the RFC allow short reads; pieces that were requested ahead must not follow a gap."""
    import asyncssh

    data = DATA[: 200 * most]
    sftp_server.put("adhocusage/short", data)
    whole = asyncssh.SFTPServer.read
    monkeypatch.setattr(
        asyncssh.SFTPServer, "read", lambda self, file, at, size: whole(self, file, at, min(size, most))
    )
    with sftp_server.remote() as remote:
        assert fetched(remote, "adhocusage/short") == data
        assert fetched(remote, "adhocusage/short", 150) == data[150:]


@pytest.mark.parametrize("off", [-70_000, -1, 1, 70_000, 10_000_000])
def test_wrong_size_does_not_truncate_sftp(sftp_server, off):
    """The file is a whole number of pieces, and its size is wrong: exactly the bytes of the server arrive."""
    data = DATA[: 8 * 32_768]
    sftp_server.put("adhocusage/pieces", data)
    sftp_server.misbehave(size_off=off)
    with sftp_server.remote() as remote:
        assert fetched(remote, "adhocusage/pieces") == data
    sftp_server.misbehave(size_off=0)
