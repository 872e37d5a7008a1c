"""The page of the documentation with the doctor's output for more than thirty faults.

Each fault is provoked, and its text is compared with the page. Each step begins with a verb and names an argument, a
command, a file, or a person. Where a test can undo the fault, it does what the step asks, and the doctor then passes.

To write the page again after a text changed::

    GREENKIT_PAGES=1 python -m pytest tests/transfer/test_doctor_page.py
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_doctor import GPG, HOST, OPENPGP, greeting_and_tls, speaking, with_pgp

from greenkit import Secret, _net, certificates, pgp
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.settings import PgpSettings, SecretRef, SmtSettings
from greenkit.transfer import _ftps, fetch_smt
from greenkit.transfer._doctor import Diagnosis, check_smt

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
HEAD = """# Find out why files are not fetched

`greenkit doctor smt` (in a notebook `greenkit.check_smt()`) tries every step from the settings to a decrypted test
message. It skips the steps that depend on a failed one, and sends the password once at most. It reads no file on the
server: a damaged file shows only in `greenkit fetch smt`. This page lists its output for more than thirty faults. A test
provokes each of them and compares the output with this page.

"""
SECTIONS = {
    "Settings": ("settings", "destination"),
    "Client certificate": ("certificate ",),
    "Network": ("name", "port", "greeting"),
    "Server and login": ("server certificate", "TLS", "host key", "SSH key", "login"),
    "Folders and files": ("folder ", "files of "),
    "OpenPGP": ("OpenPGP ",),
}
"""The headings of the page, and how the names of their checks begin."""
VERBS = {
    "Add", "Allow", "Ask", "Check", "Compare", "Correct", "Download", "Get", "Import", "Install", "Make", "Put",
    "Renew", "Run", "Set", "Try",
}  # fmt: skip
SETTINGS = [f.name for kind in (SmtSettings, PgpSettings) for f in fields(kind) if f.name != "certificate"]
NAMED = re.compile(
    rf"\b({'|'.join(SETTINGS)})\b|certificate = "  # an argument, or a setting of the same name
    r"|greenkit (fetch|doctor|make-key|list) \w+|gpg --\w+|chmod \d+"  # a command
    r"|/path/|\b[A-Z]+_[A-Z_]+\b"  # a file, an environment variable
    r"|\bSMT\b|operator|certificate authority|administrator"  # a person
)


@dataclass(frozen=True)
class Fault:
    """A fault: how to provoke it, the check that shows it, and how to follow its step, if a test can do that."""

    title: str
    check: str
    provoke: Callable[[], Diagnosis]
    follow: Callable[[Diagnosis], Diagnosis] | None = None


class World:
    """Two servers, and the settings of a customer whose files are fetched.

    Several steps lead to the same settings, which are then checked only once.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.authority = stack.enter_context(Authority())
        self.ftps = stack.enter_context(FtpsServer(authority=self.authority))
        self.sftp = stack.enter_context(SftpServer())
        self.mine = self.authority.client(HOST, stem="mine", days=90)
        self.following = False  # a step, so that equal settings have the same diagnosis
        self._known: dict[str, Diagnosis] = {}

    def check(self, given: dict[str, Any]) -> Diagnosis:
        if not self.following:
            return check_smt(**given)
        settings = repr(sorted((k, v.reveal() if isinstance(v, Secret) else v) for k, v in given.items()))
        if settings not in self._known:
            self._known[settings] = check_smt(**given)
        return self._known[settings]

    def on_ftps(self, **changes) -> Diagnosis:
        given = {"protocol": "ftps", "host": "localhost", "port": self.ftps.endpoint.port, "user": self.ftps.user,
                 "password": self.ftps.password, "certificate": self.mine.certificate, "certificate_key": self.mine.key,
                 "ca_file": self.authority.file, "timeout": 3.0, "host_name": HOST, "into": self.folder / "into"}  # fmt: skip
        return self.check({**given, **changes})

    def on_sftp(self, **changes) -> Diagnosis:
        given = {"host": "localhost", "port": self.sftp.endpoint.port, "user": self.sftp.user,
                 "password": self.sftp.password, "host_key": self.sftp.host_key, "timeout": 3.0,
                 "into": self.folder / "into"}  # fmt: skip
        return self.check({**given, **changes})

    def with_pair(self, pair, **changes) -> Diagnosis:
        return self.on_ftps(certificate=pair.certificate, certificate_key=pair.key, **changes)

    def speaking(self, words, wait=0.0, **changes) -> Diagnosis:
        with speaking(words, wait) as port:
            return self.on_ftps(port=port, **changes)

    def over_tls(self, pair, newest=None, **changes) -> Diagnosis:
        context = self.authority.server_context(pair)
        context.maximum_version = newest or context.maximum_version
        with greeting_and_tls(context) as port:
            return self.on_ftps(port=port, **changes)


def faults(w: World, closed: int) -> list[Fault]:
    """Return the faults: settings and certificates, the network, the server, then OpenPGP."""
    now, new, made = datetime.now(UTC), w.authority.client, w.folder
    old = new(HOST, stem="old", begins=now - timedelta(days=9), days=2)
    early = new(HOST, stem="early", begins=now + timedelta(days=2))
    soon, stranger = new(HOST, stem="soon", days=9), new(HOST, stem="stranger")
    elsewhere = w.authority.server("elsewhere.example", stem="elsewhere")
    locked = new(HOST, stem="locked", password=Secret("open sesame"))
    own = certificates.new_certificate(made / "own", HOST, password=None)
    # an EC key of a certificate is an SSH key too, and opens faster than one in OpenSSH's format
    sealed_public = certificates.public_ssh(locked.key, Secret("open sesame"))

    def renewed(_):
        return w.with_pair(w.mine)  # valid for 90 days

    def with_variable(_):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SMT_PASSWORD_X", w.sftp.password.reveal())
            return w.on_sftp(password=SecretRef("env", "SMT_PASSWORD_X"))

    def registered(_):
        w.sftp.register(certificates.public_ssh(stranger.key))
        return w.on_sftp(ssh_key=stranger.key, password=None)

    def patched(target, name, value, examine):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target, name, value)
            return examine()

    def dropped(*args, **kwargs):
        raise TimeoutError

    def waiting():
        path = w.sftp.put("intervaldata/old.csv", b"old")
        os.utime(path, (time.time() - 7.5 * 86400,) * 2)
        return w.on_sftp(into=made / "into")

    def fetched(_):
        with w.sftp.remote() as remote:
            fetch_smt(remote, into=made / "into")
        return w.on_sftp(into=made / "into")

    def without_key():
        (made / "g1").mkdir(mode=stat.S_IRWXU)
        return on_keyring()

    def with_new_key(_):
        # else gpg measures how often it can hash a passphrase
        (made / "g1" / "gpg-agent.conf").write_text("s2k-count 65536\n")
        pgp.new_key(made / "g1", name="REP One", passphrase=Secret("open sesame"))
        return on_keyring(Secret("open sesame"))

    def on_keyring(passphrase=None):
        try:
            return w.on_sftp(**with_pgp(home=made / "g1", passphrase=passphrase))
        finally:
            with pgp.Keyring(made / "g1") as keyring:
                keyring.forget()

    def sealed(passphrase):
        w.sftp.register(sealed_public)
        return w.on_sftp(ssh_key=locked.key, ssh_key_passphrase=passphrase, password=None)

    on_ftps, on_sftp, key_of = w.on_ftps, w.on_sftp, "certificate key"
    return [
        Fault("No user name", "settings", lambda: on_sftp(user=""), lambda _: on_sftp(user=w.sftp.user)),
        Fault("No password and no key", "settings", lambda: on_sftp(password=None), lambda _: on_sftp()),
        Fault("A secret that is not there", "settings",
              lambda: on_sftp(password=SecretRef("env", "SMT_PASSWORD_X")), with_variable),
        Fault("No destination folder", "destination", lambda: on_sftp(into=None), lambda _: on_sftp()),
        Fault("No client certificate", "certificate file",
              lambda: on_ftps(certificate=None, certificate_key=None), lambda _: w.with_pair(w.mine)),
        Fault("A certificate file that does not exist", "certificate file",
              lambda: on_ftps(certificate=made / "none.pem"), lambda _: on_ftps(certificate=w.mine.certificate)),
        Fault("An expired certificate", "certificate dates", lambda: w.with_pair(old), renewed),
        Fault("A certificate that is not valid yet", "certificate dates", lambda: w.with_pair(early),
              lambda _: on_ftps(certificate=w.mine.certificate, certificate_key=w.mine.key)),
        Fault("A certificate that expires soon", "certificate dates", lambda: w.with_pair(soon), renewed),
        Fault("A certificate of another machine", "certificate name",
              lambda: on_ftps(host_name="other-pc"), lambda _: on_ftps(host_name=HOST)),
        Fault("A self-signed certificate", "certificate issuer", lambda: w.with_pair(own), renewed),
        Fault("A private key of another certificate", key_of,
              lambda: on_ftps(certificate_key=stranger.key), lambda _: on_ftps(certificate_key=w.mine.key)),
        Fault("An encrypted private key without its password", key_of, lambda: w.with_pair(locked),
              lambda _: w.with_pair(locked, certificate_key_password=Secret("open sesame"))),
        Fault("A wrong password of the private key", key_of,
              lambda: w.with_pair(locked, certificate_key_password=Secret("wrong")),
              lambda _: w.with_pair(locked, certificate_key_password=Secret("open sesame"))),
        Fault("A host name that does not exist", "name",
              lambda: on_sftp(host="no-such-host.invalid"), lambda _: on_sftp(host="localhost")),
        Fault("A port without a server", "port",
              lambda: on_sftp(port=closed), lambda _: on_sftp(port=w.sftp.endpoint.port)),
        Fault("A firewall that drops the connection", "port",
              lambda: patched(_net, "connect", dropped, on_sftp), lambda _: on_sftp()),
        Fault("A server that closes the connection at once", "greeting", lambda: w.speaking(b"")),
        Fault("A server that sends no greeting", "greeting", lambda: w.speaking(b"", wait=1, timeout=0.2),
              lambda _: on_ftps(port=w.ftps.endpoint.port)),
        Fault("Too many sessions", "greeting", lambda: w.speaking(b"421 Too many sessions\r\n"),
              lambda _: on_ftps()),
        Fault("FTPS settings for an SFTP server", "greeting", lambda: w.speaking(b"SSH-2.0-OpenSSH_9.2\r\n"),
              lambda _: on_sftp(protocol="sftp")),
        Fault("A web server on the port", "greeting", lambda: w.speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
              lambda _: on_ftps(port=w.ftps.endpoint.port)),
        Fault("A server certificate of a private authority", "server certificate",
              lambda: on_ftps(ca_file=None), lambda _: on_ftps(ca_file=w.authority.file)),
        Fault("A server certificate for another host name", "server certificate", lambda: w.over_tls(elsewhere),
              lambda _: on_ftps(host="localhost")),
        Fault("A server with an old version of TLS", "TLS",
              lambda: w.over_tls(w.authority.server(stem="tls12"), ssl.TLSVersion.TLSv1_2, minimum_tls="1.3")),
        Fault("An SSH key without its passphrase", "SSH key", lambda: on_sftp(ssh_key=locked.key, password=None),
              lambda _: sealed(Secret("open sesame"))),
        Fault("A wrong passphrase of the SSH key", "SSH key", lambda: sealed(Secret("wrong")),
              lambda _: sealed(Secret("open sesame"))),
        Fault("A wrong password", "login",
              lambda: on_ftps(password=Secret("wrong")), lambda _: on_ftps(password=w.ftps.password)),
        Fault("An unknown host key", "host key", lambda: on_sftp(host_key=None, known_hosts=made / "known_hosts"),
              lambda d: on_sftp(host_key=re.search(r"SHA256:[\w+/]{43}", d.named("host key").found)[0])),
        Fault("A different host key", "host key",
              lambda: on_sftp(host_key="SHA256:" + "A" * 43), lambda _: on_sftp(host_key=w.sftp.host_key)),
        Fault("An SSH key that SMT does not know", "login",
              lambda: on_sftp(ssh_key=stranger.key, password=None), registered),
        Fault("A folder that does not exist", "folder intervaldat",
              lambda: on_sftp(folders=("intervaldat",)), lambda _: on_sftp(folders=("intervaldata",))),
        Fault("A firewall that blocks the data ports", "folder intervaldata",
              lambda: patched(_ftps.FtpSession, "makepasv", lambda self: ("127.0.0.1", closed), on_ftps),
              lambda _: on_ftps()),
        Fault("Files that SMT deletes soon", "files of intervaldata", waiting, fetched),
        Fault("A keyring without a key", "OpenPGP key", without_key, with_new_key),
        Fault("An OpenPGP key without its passphrase", "OpenPGP passphrase", on_keyring,
              lambda _: on_keyring(Secret("open sesame"))),
        Fault("A wrong OpenPGP passphrase", "OpenPGP passphrase", lambda: on_keyring(Secret("wrong")),
              lambda _: on_keyring(Secret("open sesame"))),
    ]  # fmt: skip


def normal(text: str, w: World) -> str:
    """Replace what differs from run to run: paths, ports, names, dates, and fingerprints."""
    text = text.replace(str(w.folder), "/path").replace(str(w.authority.folder), "/path")
    text = re.sub(r"/path/(own/)?[\w.-]*?(crt|key)\.pem", r"/path/\2.pem", text)
    text = text.replace(HOST, "meter-pc")
    text = re.sub(r"(localhost:|port )\d{4,5}", r"\1PORT", text)
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:…", text)
    return re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "DATE", text)


@pytest.fixture(scope="module")
def world(quick, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("w"), stack)


@GPG
def test_page_lists_each_fault_with_a_step_that_helps(world, closed_port):
    lines, wrong, headings, followed = [HEAD], [], [], 0
    for fault in faults(world, closed_port):
        with pytest.MonkeyPatch.context() as patch:
            if not fault.check.startswith("OpenPGP"):
                patch.setenv("PATH", "")  # without gpg, which takes half of the time of each diagnosis
            patch.setitem(_ftps.FtpsRemote.__init__.__kwdefaults__, "backoff", 0.0)  # seconds before a new session
            world.following = False
            diagnosis = fault.provoke()
            world.following = True
            after = fault.follow(diagnosis) if fault.follow else None
        check = diagnosis.named(fault.check)
        assert check.state in ("failed", "warning"), f"{fault.title}: {diagnosis}"
        found, step = normal(check.found, world), normal(check.next_step, world)
        heading = next(title for title, checks in SECTIONS.items() if fault.check.startswith(checks))
        if heading not in headings:
            headings.append(heading)
            lines[-1] += f"## {heading}\n\n"
        lines.append(f"**{fault.title}** ({fault.check}): {found}.  \n*Do:* {step}\n\n")
        if step.split()[0] not in VERBS or not step.endswith(".") or not NAMED.search(step):
            wrong.append(f"{fault.title}: {step}")
        if after is not None:
            # OpenPGP depends on no other check, and a keyring without a key is a fault of its own, the last one
            others = () if fault.check.startswith("OpenPGP") else OPENPGP
            failed = [c.name for c in after if c.state in ("failed", "skipped") and c.name not in others]
            assert failed == [], f"{fault.title}: the step does not help: {after}"
            assert all(c.state == "ok" for c in after if c.name == fault.check), f"{fault.title}: {after}"
            followed += 1
    assert wrong == []
    assert headings == list(SECTIONS), "the faults are in the order of the headings"
    assert len(lines) - 1 >= 30
    assert followed >= len(lines) - 3
    page = "".join(lines).rstrip() + "\n"
    if os.environ.get("GREENKIT_PAGES"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page
