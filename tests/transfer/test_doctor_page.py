"""The page of the documentation with the doctor's output for thirty faults: each is provoked, and each step is a step.

To write the page again after a text changed::

    GREENKIT_PAGES=1 python -m pytest tests/transfer/test_doctor_page.py
"""

import contextlib
import os
import re
import socket
import ssl
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_doctor import GPG, HOST, greeting_and_tls, speaking, with_pgp

from greenkit import Secret, _net, certificates
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.settings import SecretRef
from greenkit.transfer import _ftps
from greenkit.transfer._doctor import check_smt

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
HEAD = """# Find out why files are not fetched

`greenkit doctor smt` (in a notebook `greenkit.check_smt()`) tries every step from the settings to a decrypted file. It
skips the steps that depend on a failed one, and sends the password once at most. This page lists its output for
more than thirty faults. A test provokes each of them and compares the output with this page.

"""
VERBS = {
    "Add", "Allow", "Ask", "Check", "Compare", "Download", "Get", "Import", "Install", "Make", "Put", "Renew", "Run",
    "Set", "Try", "Wait",
}  # fmt: skip


@contextlib.contextmanager
def servers(tmp_path):
    with Authority() as authority, FtpsServer(authority=authority) as ftps, SftpServer() as sftp:
        mine = authority.client(HOST, stem="mine", days=90)

        def on_ftps(**changes):
            given = {"protocol": "ftps", "host": "localhost", "port": ftps.endpoint.port, "user": ftps.user,
                     "password": ftps.password, "certificate": mine.certificate, "certificate_key": mine.key,
                     "ca_file": authority.file, "timeout": 3.0, "host_name": HOST}  # fmt: skip
            given = {**given, **{k: v for k, v in changes.items() if v is not None}}
            return check_smt(**{k: v for k, v in given.items() if k not in changes or changes[k] is not None})

        def on_sftp(**changes):
            given = {"host": "localhost", "port": sftp.endpoint.port, "user": sftp.user, "password": sftp.password,
                     "host_key": sftp.host_key, "timeout": 3.0}  # fmt: skip
            given = {**given, **{k: v for k, v in changes.items() if v is not None}}
            return check_smt(**{k: v for k, v in given.items() if k not in changes or changes[k] is not None})

        yield authority, ftps, sftp, on_ftps, on_sftp


def faults(authority, ftps, sftp, on_ftps, on_sftp, tmp_path, patch):
    """Yield the title of each fault, the diagnosis, and the check that shows it."""
    now = datetime.now(UTC)
    yield "No user name", on_sftp(user=None), "settings"
    yield "No password and no key", on_sftp(password=None), "settings"
    yield "A secret that is not there", on_sftp(password=SecretRef("env", "SMT_PASSWORD_X")), "settings"
    yield "No client certificate", on_ftps(certificate=None, certificate_key=None), "certificate file"
    yield "A certificate file that does not exist", on_ftps(certificate=tmp_path / "none.pem"), "certificate file"
    old = authority.client(HOST, stem="old", begins=now - timedelta(days=9), days=2)
    yield "An expired certificate", on_ftps(certificate=old.certificate, certificate_key=old.key), "certificate dates"
    early = authority.client(HOST, stem="early", begins=now + timedelta(days=2))
    yield (
        "A certificate that is not valid yet",
        on_ftps(certificate=early.certificate, certificate_key=early.key),
        "certificate dates",
    )
    soon = authority.client(HOST, stem="soon", days=9)
    yield (
        "A certificate that expires soon",
        on_ftps(certificate=soon.certificate, certificate_key=soon.key),
        "certificate dates",
    )
    yield "A certificate of another machine", on_ftps(host_name="other-pc"), "certificate name"
    own = certificates.new_certificate(tmp_path / "own", HOST, password=None)
    yield (
        "A self-signed certificate",
        on_ftps(certificate=own.certificate, certificate_key=own.key),
        "certificate issuer",
    )
    stranger = authority.client(HOST, stem="stranger")
    yield "A private key of another certificate", on_ftps(certificate_key=stranger.key), "certificate key"
    locked = authority.client(HOST, stem="locked", password=Secret("open sesame"))
    given = {"certificate": locked.certificate, "certificate_key": locked.key}
    yield "An encrypted private key without its password", on_ftps(**given), "certificate key"
    yield (
        "A wrong password of the private key",
        on_ftps(**given, certificate_key_password=Secret("wrong")),
        "certificate key",
    )
    yield "A host name that does not exist", on_sftp(host="no-such-host.invalid"), "name"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
        yield "A port without a server", on_sftp(port=closed), "port"
    with patch.context() as dropping:

        def dropped(*args, **kwargs):
            raise TimeoutError

        dropping.setattr(_net, "connect", dropped)
        yield "A firewall that drops the connection", on_sftp(), "port"
    with speaking(b"") as port:
        yield "A server that closes the connection at once", on_ftps(port=port), "greeting"
    with speaking(b"", wait=2) as port:
        yield "A server that sends no greeting", on_ftps(port=port, timeout=0.3), "greeting"
    with speaking(b"421 Too many sessions\r\n") as port:
        yield "Too many sessions", on_ftps(port=port), "greeting"
    with speaking(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        yield "FTPS settings for an SFTP server", on_ftps(port=port), "greeting"
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        yield "A web server on the port", on_ftps(port=port), "greeting"
    yield "A server certificate of a private authority", on_ftps(ca_file=None), "server certificate"
    elsewhere = authority.server_context(authority.server("elsewhere.example", stem="elsewhere"))
    with greeting_and_tls(elsewhere) as port:
        yield "A server certificate for another host name", on_ftps(port=port), "server certificate"
    old_tls = authority.server_context(authority.server(stem="tls12"))
    old_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with greeting_and_tls(old_tls) as port:
        yield "A server with an old version of TLS", on_ftps(port=port, minimum_tls="1.3"), "TLS"
    yield "A wrong password", on_ftps(password=Secret("wrong")), "login"
    yield "An unknown host key", on_sftp(host_key=None, known_hosts=tmp_path / "known_hosts"), "host key"
    yield "A different host key", on_sftp(host_key="SHA256:" + "A" * 43), "host key"
    key = tmp_path / "id"
    certificates.new_ssh_key(key, password=None)
    yield "An SSH key that SMT does not know", on_sftp(ssh_key=key, password=None), "login"
    yield "A folder that does not exist", on_sftp(folders=("intervaldat",)), "folder intervaldat"
    with patch.context() as blocked:
        blocked.setattr(_ftps.FtpSession, "makepasv", lambda self: ("127.0.0.1", closed))
        yield "A firewall that blocks the data ports", on_ftps(), "folder intervaldata"
    path = sftp.put("intervaldata/old.csv", b"old")
    os.utime(path, (time.time() - 7.5 * 86400,) * 2)
    yield "Files that SMT deletes soon", on_sftp(), "files of intervaldata"
    (tmp_path / "g").mkdir(mode=stat.S_IRWXU)
    yield "A keyring without a key", on_sftp(**with_pgp(home=tmp_path / "g")), "OpenPGP key"


def normal(text, tmp_path, authority):
    """Replace what differs from run to run: paths, ports, names, dates, and fingerprints."""
    text = text.replace(str(tmp_path), "/path").replace(str(authority.folder), "/path")
    text = re.sub(r"/path/(own/)?[\w.-]*?(crt|key)\.pem", r"/path/\2.pem", text)
    text = text.replace(HOST, "meter-pc")
    text = re.sub(r"(localhost:|port )\d{4,5}", r"\1PORT", text)
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:…", text)
    return re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "DATE", text)


@GPG
def test_page_of_faults_is_what_the_doctor_prints(tmp_path, monkeypatch):
    lines, steps = [HEAD], []
    with servers(tmp_path) as made:
        for title, diagnosis, name in faults(*made, tmp_path, pytest.MonkeyPatch):
            check = diagnosis.named(name)
            assert check.state in ("failed", "warning"), f"{title}: {diagnosis}"
            found, step = (normal(t, tmp_path, made[0]) for t in (check.found, check.next_step))
            steps.append((title, step))
            lines.append(f"**{title}** ({name}): {found}.  \n*Do:* {step}\n\n")
    wrong = [(title, step) for title, step in steps if step.split()[0] not in VERBS or not step.endswith(".")]
    assert wrong == []
    assert len(steps) >= 30
    page = "".join(lines).rstrip() + "\n"
    if os.environ.get("GREENKIT_PAGES"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page
