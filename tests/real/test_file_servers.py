"""Both remotes against vsftpd, proftpd, and OpenSSH's sftp-server; curl reads from the same servers."""

import ftplib
import hashlib
import os
import signal
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from servers import ACCOUNT, Proftpd, PureFtpd, Sshd, Vsftpd

from greenkit import Secret, certificates, errors
from greenkit.sandbox.authority import Authority
from greenkit.transfer._remote import Stat

pytestmark = pytest.mark.real

DATA = os.urandom(300_000)
PATH = "intervaldata/a.asc"


def fetched(remote, path=PATH, offset=0):
    got = bytearray()
    remote.fetch(path, got.extend, offset)
    return bytes(got)


def test_four_questions(server):
    server.put(PATH, DATA)
    with server.remote() as remote:
        assert remote.names("intervaldata") == ["a.asc"]
        found = remote.stat(PATH)
        assert found.size == len(DATA)
        assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=1)
        assert fetched(remote) == DATA
        assert fetched(remote, offset=123_456) == DATA[123_456:]
        assert fetched(remote, offset=len(DATA)) == b""
        with pytest.raises(errors.TransferError, match="fewer than were already fetched"):
            fetched(remote, offset=len(DATA) + 1)
        remote.delete(PATH)
        assert remote.names("intervaldata") == []
        for ask in (remote.stat, remote.delete, lambda path: fetched(remote, path)):
            with pytest.raises(FileNotFoundError):
                ask(PATH)


def test_empty_folder_and_missing_folder(server):
    """Vsftpd answers both with an empty listing; a misspelt folder would look like "no files" for ever."""
    with server.remote() as remote:
        assert remote.names("adhocusage") == []
        with pytest.raises(FileNotFoundError, match="adhocusge"):
            remote.names("adhocusge")
        assert remote.names("adhocusage") == []


def test_two_hundred_files_in_one_session(server):
    for i in range(200):
        server.put(f"intervaldata/{i:03}.asc", DATA[: i * 100])
    with server.remote() as remote:
        names = remote.names("intervaldata")
        session = remote._session
        for name in names:
            assert fetched(remote, f"intervaldata/{name}") == DATA[: int(name[:3]) * 100]
            remote.delete(f"intervaldata/{name}")
        assert remote._session is session
        assert remote.names("intervaldata") == []
    assert len(names) == 200


def test_ten_thousand_names(server):
    expected = {f"{i:05}_usage.lse.asc" for i in range(10_000)}
    for name in expected:
        server.put(f"intervaldata/{name}", b"")
    with server.remote() as remote:
        names = remote.names("intervaldata")
    assert len(names) == 10_000
    assert set(names) == expected
    server.clear()


@pytest.mark.parametrize(
    "raw",
    [
        b"a b  c.asc",
        "größe.asc".encode(),
        "größe.asc".encode("latin-1"),
        b"\xe9\xfe.asc",
        b"..asc",
        b"..\\..\\win.asc",
        b"-rf",
        b"$(x)`y`;'z\"",
        b"%2e%2e%2fa",
        b"x" * 200,
    ],
)
def test_names_are_given_back_as_they_came(server, raw):
    server.put(b"intervaldata/" + raw, raw)
    with server.remote() as remote:
        names = remote.names("intervaldata")
        if raw.startswith(b".") and not names:
            names = [raw.decode()]  # vsftpd and proftpd hide such files, and give them when asked
        (name,) = names
        assert "/" not in name
        path = f"intervaldata/{name}"
        assert remote.stat(path).size == len(raw)
        if isinstance(server, PureFtpd) and b"..\\" in raw:
            with pytest.raises(errors.AccessRefused, match="553"):  # it lists names that it does not send
                fetched(remote, path)
            return
        assert fetched(remote, path) == raw
        remote.delete(path)
        assert remote.names("intervaldata") == []


def test_name_with_a_line_feed(server):
    server.put(b"intervaldata/a\nb.asc", b"x")
    server.put(PATH, DATA)
    with server.remote() as remote:
        names = remote.names("intervaldata")
        assert "a.asc" in names
        for name in set(names) - {"a.asc"}:
            # SFTP can ask for it; FTP must not, and the halves that some servers make of it are not there
            if server.protocol == "sftp":
                assert name == "a\nb.asc"
                continue
            with pytest.raises((FileNotFoundError, errors.AccessRefused)):
                fetched(remote, f"intervaldata/{name}")
        assert fetched(remote) == DATA


def test_paths_that_climb_stay_inside(ftps):
    with ftps.remote() as remote, pytest.raises((FileNotFoundError, errors.AccessRefused)):
        fetched(remote, "../../../../etc/hostname")


def test_cut_connection_and_resume(server):
    """The server's process for this session is killed during a file; its parent keeps running."""
    data = os.urandom(20_000_000)
    server.put(PATH, data)
    got = bytearray()

    def sink(chunk):
        got.extend(chunk)
        if len(got) > 2_000_000 and not killed:
            killed.extend(_descendants(server.process.pid))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    killed = []
    with server.remote(timeout=10) as remote:
        remote.open()
        with pytest.raises(errors.TransferError):
            remote.fetch(PATH, sink)
        assert killed
        assert bytes(got) == data[: len(got)]
        assert len(got) < len(data)
        remote.fetch(PATH, got.extend, len(got))
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


def _descendants(pid):
    """Return the processes that a server started."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(one)], capture_output=True, text=True, check=False)
        children = [int(p) for p in listed.stdout.split()]
        found += children
        todo += children
    return found


def test_growing_file_shows_by_its_stat(server):
    path = server.put(PATH, DATA)
    with server.remote() as remote:
        before = remote.stat(PATH)
        with open(path, "ab") as file:
            file.write(b"more")
        os.utime(path, (before.modified.timestamp() + 60,) * 2)
        after = remote.stat(PATH)
        assert (after.size, after.modified - before.modified) == (300_004, timedelta(minutes=1))
        assert before == Stat(300_000, before.modified)


def test_missing_permission_is_distinguished_from_a_missing_file(ftps):
    path = ftps.put(PATH, DATA)
    os.chmod(path, 0o600)  # the server's account is not the owner
    with ftps.remote() as remote:
        with pytest.raises(errors.AccessRefused, match=r"lists 'intervaldata/a\.asc' but refuses to send it"):
            fetched(remote)
        os.chmod(path, 0o644)
        folder = os.path.dirname(path)
        os.chown(folder, 0, 0)
        try:
            with pytest.raises(errors.AccessRefused, match="does not let this account delete"):
                remote.delete(PATH)
        finally:
            import pwd

            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        assert fetched(remote) == DATA
        remote.delete(PATH)


def test_four_clients_at_once(server):
    for i in range(8):
        server.put(f"intervaldata/{i}.asc", DATA[: 10_000 * i])
    wrong = []

    def run():
        with server.remote() as remote:
            for i in range(8):
                if fetched(remote, f"intervaldata/{i}.asc") != DATA[: 10_000 * i]:
                    wrong.append(i)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


# ── FTPS ──


def test_ftplib_alone_fails_here(ftps):
    """These servers require what the remote adds: the same TLS session on the data channel."""
    context = ssl.create_default_context(cafile=ftps.authority.file)
    context.load_cert_chain(ftps.client.certificate, ftps.client.key)
    with ftplib.FTP_TLS(context=context, timeout=10) as plain:
        plain.connect("localhost", ftps.port)
        plain.login("sandbox", ftps.password.reveal())
        plain.prot_p()
        with pytest.raises((ftplib.error_perm, ftplib.error_temp, OSError)):
            plain.nlst("intervaldata")


def test_curl_reads_the_same(ftps):
    for i in range(5):
        ftps.put(f"intervaldata/{i} x.asc", DATA[i:])
    with ftps.remote() as remote:
        names = remote.names("intervaldata")
        listed = ftps.curl("--list-only", f"{ftps.url}/intervaldata/").stdout.decode().splitlines()
        assert sorted(names) == sorted(listed)
        for name in names:
            path = f"intervaldata/{name}"
            assert fetched(remote, path) == ftps.curl(f"{ftps.url}/{path.replace(' ', '%20')}").stdout
        ftps.curl("-I", "-Q", "DELE intervaldata/0 x.asc", f"{ftps.url}/")
        with pytest.raises(FileNotFoundError):
            remote.stat("intervaldata/0 x.asc")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_versions(ftps, version):
    ftps.put(PATH, DATA)
    remote = ftps.remote()
    remote._context.minimum_version = remote._context.maximum_version = ssl.TLSVersion[version]
    with remote:
        for _ in range(20):
            assert fetched(remote) == DATA
        assert remote._session.sock.version() == version.replace("_", ".")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("which", ["none", "stranger", "expired", "not yet"])
def test_client_certificate_is_validated(ftps, version, which, tmp_path):
    now = datetime.now(UTC)
    with Authority(tmp_path / "other", name="other") as other:
        stem = f"client-{os.urandom(4).hex()}"
        pair = {
            "none": lambda: (None, None),
            "stranger": lambda: other.client("stranger"),
            "expired": lambda: ftps.authority.client("pc", stem=stem, begins=now - timedelta(days=9)),
            "not yet": lambda: ftps.authority.client("pc", stem=stem, begins=now + timedelta(days=9)),
        }[which]()
        remote = ftps.remote(certificate=pair[0], key=pair[1], timeout=10)
    remote._context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises((errors.RemoteError, errors.CertificateError), match="certificate") as caught:
        remote.open()
    assert not isinstance(caught.value, errors.LoginRejected | errors.HostRejected)


def test_self_signed_client_certificate(start, tmp_path, authority):
    """SMT accepts them for testing: the server trusts the certificate itself."""
    password = Secret("key password")
    pair = certificates.new_certificate(tmp_path, "meter-pc.example.org", password=password)
    both = tmp_path / "trusted.pem"
    both.write_bytes(authority.file.read_bytes() + certificates.public_pem(pair.certificate))
    own = {"certificate": pair.certificate, "key": pair.key, "key_password": password}
    for kind, variant in ((Vsftpd, {"ca_certs_file": both}), (Proftpd, {"ca": both})):
        with start(kind, **variant) as server:
            server.put(PATH, DATA)
            with server.remote(**own) as remote:
                assert fetched(remote) == DATA


def test_wrong_user_is_tried_once(ftps):
    with pytest.raises(errors.LoginRejected, match="530"):
        ftps.remote(user="somebody").open()


def test_wrong_password_is_refused(proftpd):
    with pytest.raises(errors.LoginRejected, match="530") as caught:
        proftpd.remote(password=Secret("wrong-4711")).open()
    assert "4711" not in str(caught.value)


def test_idle_session_is_replaced(start):
    with start(Vsftpd, idle_session_timeout=1) as server:
        server.put(PATH, DATA)
        with server.remote() as remote:
            first = remote.open()._session
            time.sleep(2.5)
            assert fetched(remote) == DATA
            assert remote._session is not first


def test_old_tls_only_by_opt_in(start, monkeypatch):
    monkeypatch.setenv("OPENSSL_CONF", "/dev/null")
    more = "TLSCipherSuite ALL:@SECLEVEL=0"
    with start(Proftpd, protocol="TLSv1", more=more) as server:
        server.put(PATH, DATA)
        with pytest.raises(errors.RemoteError, match="supports only an old version of TLS"):
            server.remote().open()
        with server.remote(minimum_tls="1.0") as remote:
            assert remote._session.sock.version() == "TLSv1"
            assert fetched(remote) == DATA


def test_too_many_sessions_is_later(start):
    refused = pytest.raises(errors.ServerUnavailable, match="accepts no new session now")
    with start(Vsftpd, max_clients=1) as server:
        time.sleep(0.5)  # until it has noticed that the connection that tried its port is gone
        with server.remote(), refused:
            server.remote().open()


# ── SFTP ──


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_any_of_the_servers_host_keys_may_be_pinned(sshd, kind):
    with sshd.remote(host_key=sshd.fingerprint(kind)) as remote:
        assert isinstance(remote.names("intervaldata"), list)


def test_another_servers_host_key_is_refused(sshd, start):
    with start(Sshd, kinds=["ed25519"]) as other, pytest.raises(errors.HostRejected, match="pinned"):
        sshd.remote(host_key=other.fingerprint("ed25519")).open()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("hashed", [False, True])
def test_known_hosts_as_openssh_writes_it(sshd, tmp_path, kind, hashed):
    file = tmp_path / "known_hosts"
    file.write_text(f"[localhost]:{sshd.port} {sshd.public(kind)}")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
        assert "localhost" not in file.read_text()
    with sshd.remote(host_key=None, known_hosts=file) as remote:
        assert isinstance(remote.names("intervaldata"), list)


def test_unknown_and_changed_host(sshd, start, tmp_path):
    file = tmp_path / "known_hosts"
    with pytest.raises(errors.HostRejected, match="is not in"):
        sshd.remote(host_key=None, known_hosts=file).open()
    with start(Sshd, kinds=["ed25519"]) as other:
        file.write_text(f"[localhost]:{sshd.port} {other.public('ed25519')}")
        with pytest.raises(errors.HostRejected, match="presented a different host key"):
            sshd.remote(host_key=None, known_hosts=file).open()


def test_password_where_only_keys_are_taken(sshd):
    with pytest.raises(errors.LoginRejected, match="it accepts: publickey"):
        sshd.remote(key=None, password=Secret("x")).open()


def test_account_without_sftp(start):
    with start(Sshd, command="/bin/false") as server, pytest.raises(errors.RemoteError, match="provides no SFTP"):
        server.remote(timeout=10).open()
