"""Diagnose why files are not fetched: every step of a connection to Smart Meter Texas, one after another.

It replaces the troubleshooting page of SMT's integration guide (ping, telnet, the certificate's name, verbose logs).
Each check reports the step, its result, and the next step. A check that depends on a failed one is skipped.
Nothing is fetched or deleted, and the password is sent once at most.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenkit import _files, _html, _net, certificates
from greenkit import pgp as openpgp
from greenkit.errors import (
    BusyError,
    CertificateError,
    CertificateRejected,
    GreenkitError,
    HostRejected,
    LoginRejected,
)
from greenkit.findings import counted
from greenkit.secret import Secret
from greenkit.settings import PgpSettings, SecretRef, SmtSettings
from greenkit.transfer import _account
from greenkit.transfer._ledger import LOCAL_STATES, Home, Ledger
from greenkit.transfer._pull import KEPT, WARN_AFTER
from greenkit.transfer._remote import Endpoint, Remote, SessionRemote, join, words

if TYPE_CHECKING:
    import pandas as pd

STATES: Final = ("ok", "warning", "failed", "skipped")
_MARKS: Final = {"ok": "ok", "warning": "warning", "failed": "serious", "skipped": "not tried"}
_SOON: Final = 30.0  # days before it expires at which a certificate or key causes a warning
_PATIENCE: Final = 30.0  # seconds, at most, for one step
_DATED: Final = 200  # files of a folder whose age is read
_GREETING: Final = 512  # bytes at most of the first line of a server
_ADD_ADDRESS: Final = (
    "Ask SMT whether the public IP address of this machine is on its list. A ping does not show this, because SMT "
    "drops it."
)

# The steps of logging in, in their order. An error belongs to one of them; those before it have passed.
_STAGES: Final = {
    "ftps": ("TLS", "server certificate", "client certificate", "login", "data channel"),
    "sftp": ("SSH", "host key", "login", "SFTP"),
}
_TRIED: Final = {
    "TLS": "request TLS (AUTH TLS) and perform the handshake",
    "server certificate": "verify the server's certificate",
    "client certificate": "present the client certificate",
    "data channel": "protect the data channel (PROT P)",
    "SSH": "negotiate an SSH connection",
    "host key": "compare the server's host key with the known one",
    "login": "log in",
    "SFTP": "start SFTP",
}
_STAGE_OF: Final[tuple[tuple[type[GreenkitError], tuple[str, ...]], ...]] = (
    (HostRejected, ("server certificate", "host key")),
    (CertificateRejected, ("client certificate",)),
    (LoginRejected, ("login",)),
)


# ── checks ──


@dataclass(frozen=True, slots=True)
class Check:
    """One step that was checked.

    Parameters
    ----------
    name : str
        Name of the step.
    state : {"ok", "warning", "failed", "skipped"}
        ``skipped`` means that it depends on a step that failed.
    tried : str
        What the doctor did.
    found : str
        The result.
    next_step : str
        What to do now, one or two imperative sentences; empty if there is nothing to do.
    """

    name: str
    state: str
    tried: str
    found: str
    next_step: str = ""

    def __str__(self) -> str:
        todo = f". Do: {self.next_step}" if self.next_step else ""
        return f"{self.state:<8}{self.name}: {self.tried}: {self.found}{todo}"


class CheckFailed(Exception):
    """Ends a check with a state other than ok; the function that makes the check raises it."""

    def __init__(self, found: str, next_step: str, state: str = "failed") -> None:
        super().__init__(found)
        self.found, self.next_step, self.state = found, next_step, state


def _warning(found: str, next_step: str) -> CheckFailed:
    return CheckFailed(found, next_step, "warning")


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one run, in their order. Create it with :func:`check_smt`."""

    title: str
    checks: tuple[Check, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether no check failed; there may be warnings."""
        return not any(check.state == "failed" for check in self.checks)

    @property
    def frame(self) -> pd.DataFrame:
        """The checks as a DataFrame of text: name, state, tried, found, next_step."""
        import pandas as pd

        names = ("name", "state", "tried", "found", "next_step")
        return pd.DataFrame({n: pd.Series([getattr(c, n) for c in self.checks], dtype="str") for n in names})

    def named(self, name: str) -> Check:
        """Return the check of that name; raise KeyError if it was not made."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self.checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.checks)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [[_MARKS[c.state], c.name, c.tried, c.found, c.next_step] for c in self.checks]
        body = _html.table(["", "check", "tried", "result", "what to do"], rows)
        return _html.block(self.title, body, text=str(self))


class CheckRunner:
    """Runs checks one after another, and skips those that depend on a failed one."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def add(self, name: str, state: str, tried: str, found: str, next_step: str = "") -> None:
        """Record a check."""
        self.checks.append(Check(name, state, tried, found, next_step))

    def broken(self, needs: Sequence[str]) -> str:
        """Return the first of the needed checks that did not pass, or an empty string."""
        bad = {check.name for check in self.checks if check.state in ("failed", "skipped")}
        return next((name for name in needs if name in bad), "")

    def skipped(self, name: str, tried: str, needs: Sequence[str]) -> bool:
        """Record a check as skipped if one that it needs did not pass, and return whether it was."""
        if broken := self.broken(needs):
            self.add(name, "skipped", tried, f"not tried, because {broken} did not pass")
        return bool(broken)

    def run(self, name: str, tried: str, do: Callable[[], str], *, needs: Sequence[str] = ()) -> None:
        """Run a check: ``do`` returns the result, or raises an error."""
        if self.skipped(name, tried, needs):
            return
        try:
            self.add(name, "ok", tried, do())
        except CheckFailed as e:
            self.add(name, e.state, tried, e.found, e.next_step)
        except GreenkitError as e:
            self.add(name, "failed", tried, e.problem, e.next_step)


def check_smt(
    source: _account.Source = None,
    *,
    protocol: str | None = None,
    host: str | None = None,
    port: int | None = None,
    user: str | None = None,
    password: Secret | SecretRef | None = None,
    timeout: float | None = None,
    proxy: str | None = None,
    proxy_password: Secret | SecretRef | None = None,
    ssh_key: _files.StrPath | None = None,
    ssh_key_passphrase: Secret | SecretRef | None = None,
    known_hosts: _files.StrPath | None = None,
    host_key: str | None = None,
    certificate: _files.StrPath | None = None,
    certificate_key: _files.StrPath | None = None,
    certificate_key_password: Secret | SecretRef | None = None,
    ca_file: _files.StrPath | None = None,
    minimum_tls: str | None = None,
    folders: tuple[str, ...] | None = None,
    into: _files.StrPath | None = None,
    host_name: str | None = None,
    pgp: PgpSettings | None = None,
) -> Diagnosis:
    """Check every step from the settings to the decryption of a test message.

    It reads no file on the server, so it cannot check whether the files are complete; a fetch does.

    Parameters
    ----------
    source : path, Settings, or None
        Settings file. Default: the user's, or none if another argument is given.
    protocol, host, port, user, password, timeout, proxy, proxy_password : optional
        Replace the settings of the same name; see :func:`~greenkit.smt_remote`.
    ssh_key, ssh_key_passphrase, known_hosts, host_key : optional
        As above, for SFTP.
    certificate, certificate_key, certificate_key_password, ca_file, minimum_tls : optional
        As above, for FTPS.
    folders, into : tuple of str, path, optional
        Remote folders to list, and the local folder, whose ledger lists the files that were fetched.
    host_name : str, optional
        Host name that the certificate must have. Default: that of this machine.
    pgp : PgpSettings, optional
        Replaces ``[smt.pgp]``.

    Returns
    -------
    Diagnosis
        Its ``.ok`` and ``.frame`` are for programs; a notebook shows a table.

    Raises
    ------
    SettingsError
        If the settings file cannot be read.

    Examples
    --------
    >>> greenkit.check_smt("settings.toml")  # doctest: +SKIP
    """
    smt = _account.smt_settings(
        source,
        protocol=protocol, host=host, port=port, user=user, password=password, timeout=timeout, proxy=proxy,
        proxy_password=proxy_password, ssh_key=ssh_key, ssh_key_passphrase=ssh_key_passphrase,
        known_hosts=known_hosts, host_key=host_key, certificate=certificate, certificate_key=certificate_key,
        certificate_key_password=certificate_key_password, ca_file=ca_file, minimum_tls=minimum_tls, folders=folders,
        into=into, host_name=host_name, pgp=pgp,
    )  # fmt: skip
    smt = replace(smt, timeout=min(smt.timeout, _PATIENCE))
    endpoint = _account.smt_endpoint(smt)
    checks = CheckRunner()
    _check_settings(checks, smt)
    checks.run("destination", "look for the folder that greenkit fetch smt fills", lambda: _destination(smt))
    if smt.protocol == "ftps":
        _check_certificate(checks, smt)
    _check_network(checks, smt, endpoint)
    remote = _check_login(checks, smt, endpoint)
    with contextlib.ExitStack() as stack:
        if remote is not None:
            stack.callback(remote.close)
        for folder in smt.folders:
            _check_folder(checks, smt, folder, remote)
    _check_openpgp(checks, smt)
    return Diagnosis(f"{endpoint} as {smt.user or 'no user'}", tuple(checks.checks))


# ── this machine: settings, certificate, keys ──


def _check_settings(checks: CheckRunner, smt: SmtSettings) -> None:
    """Check that the user name is set and the secrets can be read."""

    def secrets() -> str:
        if not smt.user:
            raise CheckFailed("No user name is set", 'Add user = "..." under [smt] in the settings.')
        names = (
            ["password", "ssh_key_passphrase"] if smt.protocol == "sftp" else ["password", "certificate_key_password"]
        )
        kept = {name: getattr(smt, name) for name in names if getattr(smt, name)}
        for secret in kept.values():
            if isinstance(secret, SecretRef):
                secret.get()
        if not kept.get("password") and not (smt.protocol == "sftp" and smt.ssh_key):
            raise CheckFailed("No password is set", 'Add password = {env = "NAME"} under [smt] in the settings.')
        return f"user {smt.user}, {', '.join(kept) or 'no secret needed'}"

    checks.run("settings", "read the user name and the secrets", secrets)


def _destination(smt: SmtSettings) -> str:
    """Check that the local folder is set and that a fetch can write to it or create it. Nothing is written."""
    if smt.into is None:
        raise CheckFailed(
            "No destination folder is set",
            'Add into = "smt-files" under [smt] in the settings, or pass --into DIR to greenkit fetch smt.',
        )
    into = Path(smt.into).expanduser().absolute()
    nearest = next(path for path in (into, *into.parents) if path.exists())
    if not nearest.is_dir():
        raise CheckFailed(f"{nearest} is a file, not a folder", "Set into under [smt] to another folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise CheckFailed(
            f"{nearest} is not writable", f"Allow this user to write to {nearest}, or set into to another folder."
        )
    return str(into) if nearest == into else f"{into}, which the first fetch creates"


def _check_certificate(checks: CheckRunner, smt: SmtSettings) -> None:
    """Check what SMT requires of a client certificate: one for each machine, with its host name as common name."""
    path = smt.certificate
    if path is None:
        text = "Make a certificate with greenkit make-key certificate, and add certificate = ... under [smt]."
        checks.add("certificate file", "warning", "read the settings", "No client certificate is set", text)
        return
    checks.run("certificate file", f"read {path}", lambda: _describe(certificates.read(path)))
    needs = ("certificate file",)
    checks.run("certificate dates", "compare them with the clock of this machine", lambda: _dates(path), needs=needs)
    checks.run("certificate name", "compare it with this machine's host name", lambda: _name(smt, path), needs=needs)
    checks.run("certificate issuer", "read who signed it", lambda: _issuer(path), needs=needs)

    def key() -> str:
        certificates.check_key(path, smt.certificate_key, _account.secret(smt.certificate_key_password))
        _only_mine(smt.certificate_key or path)
        return "it belongs to the certificate"

    checks.run("certificate key", f"open {smt.certificate_key or path}", key, needs=("settings", *needs))


def _describe(found: certificates.Certificate) -> str:
    if not found.for_clients:
        raise _warning(
            f"The certificate ({found.key_type}) is not for client authentication",
            "Ask the certificate authority for a certificate with clientAuth.",
        )
    return f"{found.common_name}, {found.key_type}"


def _dates(path: Path) -> str:
    found = certificates.read(path)
    certificates.check_dates(found)
    left = found.days_left()
    if left < _SOON:
        raise _warning(
            f"The certificate expires in {left:.0f} days",
            "Make a new one with greenkit make-key certificate, and send it to SMT.",
        )
    return f"valid until {found.ends:%Y-%m-%d}, {left:.0f} days"


def _name(smt: SmtSettings, path: Path) -> str:
    found = certificates.read(path)
    names = [smt.host_name] if smt.host_name else [socket.gethostname(), _net.host_name()]
    for name in names:
        with contextlib.suppress(CertificateError):
            certificates.check_host(found, name)
            return f"{found.common_name} is this machine"
    raise _warning(
        f"The common name is {found.common_name!r}, but this machine is {names[-1]}",
        "Make a certificate for this machine with greenkit make-key certificate, or, if this machine has another "
        "name, add host_name = ... under [smt].",
    )


def _issuer(path: Path) -> str:
    found = certificates.read(path)
    if found.self_signed:
        raise _warning(
            "The certificate is self-signed, which SMT accepts for testing only",
            "Ask a public certificate authority to sign a request, which greenkit make-key request writes.",
        )
    return found.issuer


def _only_mine(path: Path) -> None:
    """Warn about a private key that others may read."""
    if os.name == "posix" and stat.S_IMODE(path.expanduser().stat().st_mode) & 0o077:
        raise _warning(
            f"{path} can be read by other users",
            _files.how_to_protect(path, "move the file to one that does"),
        )


# ── the network ──


def _check_network(checks: CheckRunner, smt: SmtSettings, endpoint: Endpoint) -> None:
    """Resolve the name, connect, and read the greeting with a plain socket: a client library might wait forever."""
    proxy = _account.smt_proxy(smt)
    if proxy is None:
        checks.run("name", f"resolve {endpoint.host}", lambda: _resolve(endpoint))
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []

        def connect() -> str:
            try:
                wire = _net.connect(endpoint.host, endpoint.port, timeout=smt.timeout, proxy=proxy)
            except OSError as e:
                error = _net.connection_error(e, endpoint, timeout=smt.timeout, who="SMT", proxy=proxy)
                if isinstance(e, TimeoutError):
                    hint = error.next_step.partition("later.")[2]
                    raise CheckFailed(f"{error.problem}, as if a firewall drops it", _ADD_ADDRESS + hint) from None
                raise error from None
            held.append(stack.enter_context(wire))
            return f"connected through {proxy}" if proxy else _from_where(wire.getsockname()[0])

        through = f" through the proxy {proxy}" if proxy else ""
        tried = f"connect to port {endpoint.port}{through} within {smt.timeout:g} s"
        checks.run("port", tried, connect, needs=("name",))
        checks.run(
            "greeting", "read the first line", lambda: _greeting(held[0], endpoint, smt.timeout), needs=("port",)
        )


def _resolve(endpoint: Endpoint) -> str:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise CheckFailed(
            f"The host name {endpoint.host} cannot be resolved", "Check the spelling of host, the network, and the VPN."
        ) from None
    return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))


def _from_where(address: str) -> str:
    private = ipaddress.ip_address(address).is_private and not ipaddress.ip_address(address).is_loopback
    behind = ", a private address: SMT must list the public address of your network" if private else ""
    return f"connected from {address}{behind}"


def _greeting(wire: socket.socket, endpoint: Endpoint, timeout: float) -> str:
    data = b""
    try:
        with _net.Deadline(timeout):
            while b"\n" not in data and len(data) < _GREETING and (piece := wire.recv(_GREETING)):
                data += piece
    except TimeoutError:
        raise CheckFailed(
            f"The server sends no complete greeting within {timeout:g} s",
            "Check port: a server for implicit FTPS (990) and a proxy wait for the client to send first.",
        ) from None
    except OSError:
        pass  # what arrived before counts
    line = data.split(b"\n")[0].decode("latin-1").strip()
    reply = words(line, None)
    if not line:
        raise CheckFailed("The server closed the connection without a greeting", _ADD_ADDRESS)
    kind = "sftp" if line.startswith("SSH-") else "ftps" if line[:3].isdigit() else "neither"
    if line.startswith("421"):
        raise CheckFailed(
            f"{reply}: too many sessions, or the server is shutting down",
            "Run greenkit doctor smt again in a few minutes, and close other programs that are logged in to SMT.",
        )
    if kind == endpoint.protocol:
        return reply
    if kind == "neither":
        raise CheckFailed(f"{reply!r} is not the greeting of a file server", "Check host and port under [smt].")
    other = {"sftp": '"sftp" and remove port', "ftps": '"ftps" and remove port'}[kind]
    raise CheckFailed(f"{reply!r} is the greeting of {kind.upper()}", f"Set protocol = {other} under [smt].")


# ── the server ──


def _check_login(checks: CheckRunner, smt: SmtSettings, endpoint: Endpoint) -> Remote | None:
    """Connect once, and conclude from the error which steps passed."""
    stages = _STAGES[smt.protocol]
    needs = ["settings", "greeting", "certificate file", "certificate dates", "certificate key"]
    made: list[Remote] = []

    def open_key(path: Path) -> str:
        public = certificates.public_ssh(path, _account.secret(smt.ssh_key_passphrase))
        made.append(_account.smt_remote(smt))
        _only_mine(path)
        return public.split()[0]

    if smt.protocol == "sftp" and smt.ssh_key:
        checks.run("SSH key", f"open {smt.ssh_key}", partial(open_key, smt.ssh_key), needs=("settings",))
        needs.append("SSH key")
    if checks.broken(needs):
        for stage in stages:
            checks.skipped(stage, _TRIED[stage], needs)
        return None
    remote: Remote | None = None
    try:
        remote = made[0] if made else _account.smt_remote(smt)
        remote.open()
    except GreenkitError as e:
        reached = remote.stage if isinstance(remote, SessionRemote) else ""
        broken = next((n for kind, names in _STAGE_OF if isinstance(e, kind) for n in names if n in stages), reached)
        broken = broken if broken in stages else stages[0]
        for stage in stages[: stages.index(broken)]:
            checks.add(stage, "ok", _TRIED[stage], "passed")
        step = _missing_intermediate(smt, endpoint) if broken == "server certificate" else ""
        checks.add(broken, "failed", _TRIED[broken], e.problem, step or e.next_step)
        for stage in stages[stages.index(broken) + 1 :]:
            checks.skipped(stage, _TRIED[stage], (broken,))
        return None
    for stage in stages:
        checks.add(stage, "ok", _TRIED[stage], f"as {smt.user}" if stage == "login" else "passed")
    return remote


def _missing_intermediate(smt: SmtSettings, endpoint: Endpoint) -> str:
    """Return what to do if the server leaves out the certificate of its issuer, which is then named; else nothing.

    The server is asked once more, without verification and without a login, because a failed handshake does not keep
    the certificate.
    """
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

    from greenkit.transfer._ftps import FtpSession

    context = _net.timed(ssl.create_default_context())
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = FtpSession(context, smt.timeout, _account.smt_proxy(smt))
    try:
        session.begin(endpoint.host, endpoint.port)
        session.auth()
        raw = session.sock.getpeercert(binary_form=True) if isinstance(session.sock, ssl.SSLSocket) else None
    except (OSError, EOFError, GreenkitError):
        raw = None
    finally:
        session.close()
    if not raw:
        return ""
    leaf = x509.load_der_x509_certificate(raw)
    if leaf.issuer == leaf.subject:
        return ""
    name = next((str(part.value) for part in leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)), "its issuer")
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:  # a private authority, which is asked for its certificate
        return ""
    where = [
        str(d.access_location.value) for d in access if d.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    ]
    source = f" from {words(where[0], None)}" if where else ""
    return (
        f"Download the intermediate certificate {words(name, None)!r}{source}, which the server leaves out, put it and "
        "its root into one PEM file, and set ca_file to that file."
    )


def _check_folder(checks: CheckRunner, smt: SmtSettings, folder: str, remote: Remote | None) -> None:
    """List a folder, which for FTPS is also the first use of the data channel; then check the age of its files."""
    names: list[str] = []

    def listing() -> str:
        assert remote is not None  # noqa: S101 else login did not pass
        names.extend(remote.names(folder))
        return counted(len(names), "file")

    def ages() -> str:
        assert remote is not None  # noqa: S101 as above
        try:
            missing = sorted(set(names) - _fetched(smt, folder))
        except (BusyError, OSError) as e:
            raise _warning(
                f"The ledger of {smt.into} cannot be read ({e})",
                "Check which program or user fetches into this folder, and try again when it has finished.",
            ) from None
        if not missing:
            return "every file was fetched" if names else "the folder is empty"
        dates = list(_dated(remote, folder, missing[:_DATED]))
        if not dates:
            raise _warning(
                f"{counted(len(missing), 'file')} not fetched yet, and the server reports no dates",
                f"Run greenkit fetch smt within {KEPT.days} days: SMT then deletes files.",
            )
        age = datetime.now(UTC) - min(dates)
        text = f"{counted(len(missing), 'file')} not fetched yet; the oldest is {age / timedelta(days=1):.1f} days old"
        if age >= WARN_AFTER:
            raise _warning(text, f"Run greenkit fetch smt now: SMT deletes files after {KEPT.days} days.")
        return text

    checks.run(f"folder {folder}", "enter and list it", listing, needs=("login",))
    checks.run(f"files of {folder}", "read their dates", ages, needs=("login", f"folder {folder}"))


def _fetched(smt: SmtSettings, folder: str) -> set[str]:
    """Return the names of the files that earlier calls fetched."""
    if smt.into is None or not Home(smt.into).ledger.is_file():
        return set()
    with Ledger(Home(smt.into).ledger) as ledger:
        return {row.name for row in ledger.rows(folder.strip("/")) if row.state in LOCAL_STATES}


def _dated(remote: Remote, folder: str, names: list[str]) -> Iterator[datetime]:
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # someone else fetched it in between
            modified = remote.stat(join(folder, name)).modified
            if modified:
                yield modified


# ── OpenPGP ──


def _check_openpgp(checks: CheckRunner, smt: SmtSettings) -> None:
    """Check gpg, the key, and its passphrase."""
    with contextlib.ExitStack() as stack:
        held: list[openpgp.Keyring] = []
        keys: list[openpgp.Key] = []

        def program() -> str:
            held.append(stack.enter_context(_account.smt_keyring(smt)))
            home = smt.pgp.home
            if home and os.name == "posix" and stat.S_IMODE(home.stat().st_mode) & 0o077:
                step = _files.how_to_protect(home, "move the folder to one that does, and set home to it")
                raise _warning(f"{home} can be read by other users", step)
            return f"gpg works with {home or 'your own keyring'}"

        checks.run("OpenPGP program", "start gpg", program)
        needs: tuple[str, ...] = ("OpenPGP program",)
        checks.run("OpenPGP key", "look for a secret key", lambda: _key(smt, held[0], keys), needs=needs)
        needs = ("OpenPGP program", "OpenPGP key")
        tried = "encrypt a line to the key, as SMT does, and decrypt it"
        checks.run("OpenPGP passphrase", tried, lambda: _there_and_back(held[0], keys[0]), needs=needs)


def _key(smt: SmtSettings, keyring: openpgp.Keyring, keys: list[openpgp.Key]) -> str:
    wanted = (smt.pgp.key or "").replace(" ", "").upper()
    keys += [key for key in keyring.list_keys() if key.fingerprint.endswith(wanted)]
    make = "Make a new key with greenkit make-key pgp, and send its public key to SMT."
    if not keys:
        what = f"The keyring has no secret key {wanted}" if wanted else "The keyring has no secret key"
        raise CheckFailed(what, "Import the key with gpg --import, or make one with greenkit make-key pgp.")
    keys.sort(key=lambda key: (not key.encrypts, -key.created.timestamp()))
    key = keys[0]
    left = None if key.expires is None else (key.expires - datetime.now(UTC)) / timedelta(days=1)
    renew = f"Renew the key with gpg --quick-set-expire {key.fingerprint} 3y, and send SMT the new public key."
    if left is not None and left < 0:
        raise CheckFailed(f"The key {key.fingerprint} expired on {key.expires:%Y-%m-%d}", renew)
    if not key.encrypts:
        raise CheckFailed(f"The key {key.fingerprint} cannot be used for encryption", make)
    if left is not None and left < _SOON:
        raise _warning(f"The key {key.fingerprint} expires in {left:.0f} days", renew)
    return f"{key.fingerprint}, {key.user}"


def _there_and_back(keyring: openpgp.Keyring, key: openpgp.Key) -> str:
    keyring.forget()  # an agent that remembers a passphrase would accept a wrong one
    with keyring.decrypt(io.BytesIO(keyring.encrypt(b"greenkit\n", key.fingerprint))) as plain:
        plain.read()
    return "the passphrase unlocks the key"
