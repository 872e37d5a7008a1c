"""See why files do not come: every step of a connection to Smart Meter Texas, one after another.

It takes the place of the troubleshooting page of SMT's integration guide (ping, telnet, the certificate's name,
verbose logs), and goes further: each check says what was tried, what came back, and what to do. A check whose
precondition failed is passed over. Nothing is fetched or deleted, and the password is sent once at most.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit import _html, certificates, pgp
from greenkit.errors import BusyError, CertificateError, CertificateRejected, GreenkitError, HostRejected, LoginRejected
from greenkit.findings import counted
from greenkit.settings import SecretRef, SmtSettings
from greenkit.transfer import _account
from greenkit.transfer._ledger import HERE, Home, Ledger
from greenkit.transfer._pull import KEPT, WARN_AFTER
from greenkit.transfer._remote import Endpoint, Remote, join

if TYPE_CHECKING:
    import pandas as pd

STATES: Final = ("ok", "warning", "failed", "skipped")
_MARKS: Final = {"ok": "ok", "warning": "warning", "failed": "serious", "skipped": "not tried"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        Which thing.
    state : {"ok", "warning", "failed", "skipped"}
        ``skipped``: it would have meant nothing, since an earlier one failed.
    tried : str
        What was done.
    found : str
        What came back.
    do : str
        What to do now; empty when there is nothing to do.
    """

    name: str
    state: str
    tried: str
    found: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8}{self.name}: {self.tried}: {self.found}{f'. Do: {self.do}' if self.do else ''}"


class Note(Exception):
    """Ends a check with another state than ok: raised by what is tried."""

    def __init__(self, found: str, do: str, state: str = "warning") -> None:
        super().__init__(found)
        self.found, self.do, self.state = found, do, state


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one run, in their order."""

    title: str
    checks: tuple[Check, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Nothing failed; there may be warnings."""
        return not any(check.state == "failed" for check in self.checks)

    @property
    def frame(self) -> pd.DataFrame:
        """The checks as a frame of text: name, state, tried, found, do."""
        import pandas as pd

        names = ("name", "state", "tried", "found", "do")
        return pd.DataFrame({n: pd.Series([getattr(c, n) for c in self.checks], dtype="str") for n in names})

    def named(self, name: str) -> Check:
        """Give the check of that name; KeyError when it was not made."""
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
        rows = [[_MARKS[c.state], c.name, c.tried, c.found, c.do] for c in self.checks]
        body = _html.table(["", "check", "tried", "came back", "what to do"], rows)
        return _html.block(self.title, body, text=str(self))


class Examination:
    """Makes checks one after another, and passes over those whose needs failed."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def add(self, name: str, state: str, tried: str, found: str, do: str = "") -> None:
        """Record a check."""
        self.checks.append(Check(name, state, tried, found, do))

    def broken(self, needs: Sequence[str]) -> str:
        """Give the first needed check that did not pass; empty when all did."""
        bad = {check.name for check in self.checks if check.state in ("failed", "skipped")}
        return next((name for name in needs if name in bad), "")

    def passed_over(self, name: str, tried: str, needs: Sequence[str]) -> bool:
        """Record a check that is not made, when one that it needs did not pass."""
        if broken := self.broken(needs):
            self.add(name, "skipped", tried, f"not tried, since {broken} did not pass")
        return bool(broken)

    def run(self, name: str, tried: str, do: Callable[[], str], *, needs: Sequence[str] = (), fix: str = "") -> None:
        """Make a check: what ``do`` returns was found, what it raises went wrong; ``fix`` where the error has none."""
        if self.passed_over(name, tried, needs):
            return
        try:
            self.add(name, "ok", tried, do())
        except Note as note:
            self.add(name, note.state, tried, note.found, note.do)
        except (GreenkitError, FileNotFoundError) as e:
            self.add(name, "failed", tried, *split(e, fix))


def split(e: Exception, fix: str = "see the settings") -> tuple[str, str]:
    """Take greenkit's one sentence apart into what is wrong and the next step, which stands behind its last colon.

    Examples
    --------
    >>> split(ValueError("the key k is encrypted: give its password"))
    ('the key k is encrypted', 'give its password')
    """
    if step := getattr(e, "next_step", ""):
        return str(getattr(e, "problem", e)), step
    wrong, _, step = str(e).rpartition(": ")
    return (wrong, step) if wrong else (step, fix)


_SOON: Final = 30.0  # days before its end at which a certificate or key is warned of


def settings(seen: Examination, smt: SmtSettings) -> None:
    """See whether user and secrets are there."""

    def secrets() -> str:
        if not smt.user:
            raise Note("there is no user", 'write user = "..." under [smt]', "failed")
        names = (
            ["password", "ssh_key_passphrase"] if smt.protocol == "sftp" else ["password", "certificate_key_password"]
        )
        kept = {name: getattr(smt, name) for name in names if getattr(smt, name)}
        for secret in kept.values():
            if isinstance(secret, SecretRef):
                secret.get()
        if not kept.get("password") and not (smt.protocol == "sftp" and smt.ssh_key):
            raise Note("there is no password", 'write password = {env = "NAME"} under [smt]', "failed")
        return f"user {smt.user}, {', '.join(kept) or 'no secret needed'}"

    seen.run("settings", "read user and secrets", secrets)


def certificate(seen: Examination, smt: SmtSettings) -> None:
    """Check what SMT asks of a client certificate: one for each machine, its common name the machine's host name."""
    path = smt.certificate
    if path is None:
        text = (
            "write certificate = ... under [smt]; python -m greenkit doctor smt --onboarding DIR says how to make one"
        )
        seen.add("certificate file", "warning", "read the settings", "there is no client certificate", text)
        return
    seen.run("certificate file", f"read {path}", lambda: _describe(certificates.read(path)))
    needs = ("certificate file",)
    seen.run("certificate dates", "compare with this machine's clock", lambda: _dates(path), needs=needs)
    seen.run("certificate name", "compare with this machine's host name", lambda: _host_name(smt, path), needs=needs)
    seen.run("certificate issuer", "see who signed it", lambda: _issuer(path), needs=needs)

    def key() -> str:
        certificates.check_key(path, smt.certificate_key, _account.secret(smt.certificate_key_password))
        only_mine(smt.certificate_key or path)
        return "it belongs to the certificate"

    seen.run("certificate key", f"open {smt.certificate_key or path}", key, needs=("settings", *needs))


def _describe(found: certificates.Certificate) -> str:
    if not found.for_clients:
        raise Note(f"{found.key_type}, but not for clients", "ask the authority for one with clientAuth")
    return f"{found.common_name}, {found.key_type}"


def _dates(path: Path) -> str:
    found = certificates.read(path)
    certificates.check_dates(found)
    left = found.days_left()
    if left < _SOON:
        raise Note(f"it expires in {left:.0f} days", "make a new one now, and send its public half to SMT")
    return f"until {found.ends:%Y-%m-%d}, {left:.0f} days"


def _host_name(smt: SmtSettings, path: Path) -> str:
    found = certificates.read(path)
    mine = [smt.host_name] if smt.host_name else [socket.gethostname(), socket.getfqdn()]
    for name in mine:
        with contextlib.suppress(CertificateError):
            certificates.check_host(found, name)
            return f"{found.common_name} is this machine"
    raise Note(
        f"it is for {found.common_name or 'nobody'}, and this machine is {mine[-1]}",
        "SMT wants one certificate for each machine, whose common name is its host name; if this machine is known by "
        "another name, write host_name = ... under [smt]",
    )


def _issuer(path: Path) -> str:
    found = certificates.read(path)
    if found.self_signed:
        raise Note(
            "it signed itself", "SMT takes that for testing only: have a public authority sign one for production"
        )
    return found.issuer


def only_mine(path: Path) -> None:
    """Warn of a key's file that others may read."""
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Note(f"{path} may be read by others", f"chmod 600 {path}")


def openpgp(seen: Examination, smt: SmtSettings) -> None:
    """See whether gpg, the key and its passphrase are right."""
    with contextlib.ExitStack() as stack:
        held: list[pgp.Keyring] = []
        keys: list[pgp.Key] = []

        def program() -> str:
            held.append(stack.enter_context(_account.smt_keyring(smt)))
            home = smt.pgp.home
            if home and os.name == "posix" and stat.S_IMODE(home.stat().st_mode) & 0o077:
                raise Note(f"{home} is open to others", f"chmod 700 {home}")
            return f"gpg works, with {home or 'your own keyring'}"

        seen.run("OpenPGP program", "start gpg", program)
        needs: tuple[str, ...] = ("OpenPGP program",)
        seen.run("OpenPGP key", "look for a secret key", lambda: _key(smt, held[0], keys), needs=needs)
        needs = ("OpenPGP program", "OpenPGP key")
        tried = "encrypt a line to the key, as SMT does, and decrypt it"
        seen.run("OpenPGP passphrase", tried, lambda: _there_and_back(held[0], keys[0]), needs=needs)


def _key(smt: SmtSettings, keyring: pgp.Keyring, keys: list[pgp.Key]) -> str:
    wanted = (smt.pgp.key or "").replace(" ", "").upper()
    keys += [key for key in keyring.list_keys() if key.fingerprint.endswith(wanted)]
    if not keys:
        what = f"there is no secret key {wanted}" if wanted else "there is no secret key"
        raise Note(what, "import it (gpg --import), or make one with greenkit.pgp.new_key", "failed")
    keys.sort(key=lambda key: (not key.encrypts, -key.created.timestamp()))
    key = keys[0]
    left = None if key.expires is None else (key.expires - datetime.now(UTC)) / timedelta(days=1)
    renew = "renew it (gpg --quick-set-expire) and send SMT the new public key"
    if left is not None and left < 0:
        raise Note(f"{key.fingerprint} expired on {key.expires:%Y-%m-%d}", renew, "failed")
    if not key.encrypts:
        raise Note(f"nobody can encrypt to {key.fingerprint}", "make one with greenkit.pgp.new_key", "failed")
    if left is not None and left < _SOON:
        raise Note(f"{key.fingerprint} expires in {left:.0f} days", renew)
    return f"{key.fingerprint}, {key.user}"


def _there_and_back(keyring: pgp.Keyring, key: pgp.Key) -> str:
    keyring.forget()  # an agent that remembers would let a wrong passphrase pass
    with keyring.decrypt(io.BytesIO(keyring.encrypt(b"greenkit\n", key.fingerprint))) as plain:
        plain.read()
    return "the passphrase opens it"


_PATIENCE: Final = 30.0  # seconds, at most, for one step
_LOOKED_AT: Final = 200  # files of a folder of which the age is asked
_LISTED: Final = "is this machine's PUBLIC address on SMT's list? Ping proves nothing, since it is dropped"

# Which check an error of connecting belongs to; what came before it in the handshake has passed.
_STAGES: Final = {
    "ftps": ("TLS", "server certificate", "client certificate", "login"),
    "sftp": ("SSH", "host key", "login"),
}
_TRIED: Final = {
    "TLS": "ask for TLS (AUTH TLS) and shake hands",
    "server certificate": "verify the server's certificate",
    "client certificate": "show the client's certificate",
    "SSH": "agree on an SSH connection",
    "host key": "compare the server's key with the one that is known",
    "login": "log in",
}
_STAGE_OF: Final[tuple[tuple[type[GreenkitError], tuple[str, ...]], ...]] = (
    (HostRejected, ("server certificate", "host key")),
    (CertificateRejected, ("client certificate",)),
    (LoginRejected, ("login",)),
)


def check_smt(source: _account.Source = None, **options: Any) -> Diagnosis:
    """Check every step from the settings to the decryption of a file.

    Parameters
    ----------
    source, **options
        As for :func:`~greenkit.smt_remote`.

    Returns
    -------
    Diagnosis
        ``.ok``, ``.frame``, and a table in a notebook.

    Raises
    ------
    SettingsError
        The settings file itself cannot be read.

    Examples
    --------
    >>> greenkit.check_smt("settings.toml")  # doctest: +SKIP
    """
    smt = _account.smt_settings(source, **options)
    smt = replace(smt, timeout=min(smt.timeout, _PATIENCE))
    endpoint = _account.smt_endpoint(smt)
    seen = Examination()
    settings(seen, smt)
    if smt.protocol == "ftps":
        certificate(seen, smt)
    _reach(seen, endpoint, smt.timeout)
    remote = _log_in(seen, smt, endpoint)
    with contextlib.ExitStack() as stack:
        if remote is not None:
            stack.callback(remote.close)
        for folder in smt.folders:
            _folder(seen, smt, folder, remote)
    openpgp(seen, smt)
    return Diagnosis(f"{endpoint} as {smt.user or 'nobody'}", tuple(seen.checks))


# ── the network ──


def _reach(seen: Examination, endpoint: Endpoint, patience: float) -> None:
    """Look up, connect, and read the greeting without a client in between, which might wait for ever."""
    seen.run("name", f"look up {endpoint.host}", lambda: _look_up(endpoint))
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []

        def connect() -> str:
            held.append(stack.enter_context(_connected(endpoint, patience)))
            return _from_where(held[0].getsockname()[0])

        tried = f"connect to port {endpoint.port} within {patience:g} s"
        seen.run("port", tried, connect, needs=("name",))
        seen.run("greeting", "read the first line", lambda: _greeting(held[0], endpoint), needs=("port",))


def _look_up(endpoint: Endpoint) -> str:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Note(
            "the name is not known here", "see its spelling, the network, and whether a VPN is needed", "failed"
        ) from None
    return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))


def _connected(endpoint: Endpoint, patience: float) -> socket.socket:
    try:
        return socket.create_connection((endpoint.host, endpoint.port), patience)
    except ConnectionRefusedError:
        raise Note("the connection is refused", "see host and port; the server may be down", "failed") from None
    except TimeoutError:
        raise Note(f"no answer within {patience:g} s, so a firewall drops it", _LISTED, "failed") from None
    except OSError as e:
        raise Note(f"it cannot be reached ({e.strerror})", "see the network of this machine", "failed") from None


def _from_where(address: str) -> str:
    private = ipaddress.ip_address(address).is_private and not ipaddress.ip_address(address).is_loopback
    behind = ", a private address: SMT must know the public one of your network" if private else ""
    return f"connected from {address}{behind}"


def _greeting(wire: socket.socket, endpoint: Endpoint) -> str:
    try:
        line = wire.recv(512).split(b"\n")[0].decode("latin-1").strip()
    except TimeoutError:
        raise Note(
            "no greeting",
            "see the port: implicit FTPS (990), or a proxy, waits for the client to speak first",
            "failed",
        ) from None
    except OSError:
        line = ""
    said = "".join(c if c.isprintable() else " " for c in line)[:120]
    if not line:
        raise Note("it hung up without a word", _LISTED, "failed")
    kind = "sftp" if line.startswith("SSH-") else "ftps" if line[:3].isdigit() else "neither"
    if line.startswith("421"):
        raise Note(said, "too many sessions, or the server is closing: try again later", "failed")
    if kind == endpoint.protocol:
        return said
    if kind == "neither":
        raise Note(f"{said!r} is no file server's greeting", "see host and port", "failed")
    other = {"sftp": 'protocol = "sftp"; SMT moved there, on port 22', "ftps": 'protocol = "ftps", on port 21'}[kind]
    raise Note(f"{said!r} is the greeting of {kind.upper()}", f"write {other}", "failed")


# ── the server ──


def _log_in(seen: Examination, smt: SmtSettings, endpoint: Endpoint) -> Remote | None:
    """Connect once, and tell from the error how far that came."""
    stages = _STAGES[smt.protocol]
    needs = ["settings", "greeting", "certificate file", "certificate dates", "certificate key"]
    made: list[Remote] = []

    def open_key(path: Path) -> str:
        public = certificates.public_ssh(path, _account.secret(smt.ssh_key_passphrase))
        made.append(_account.smt_remote(smt))
        only_mine(path)
        return public.split()[0]

    if smt.protocol == "sftp" and smt.ssh_key:
        seen.run("SSH key", f"open {smt.ssh_key}", partial(open_key, smt.ssh_key), needs=("settings",))
        needs.append("SSH key")
    if seen.broken(needs):
        for stage in stages:
            seen.passed_over(stage, _TRIED[stage], needs)
        return None
    try:
        remote = made[0] if made else _account.smt_remote(smt)
        remote.open()
    except GreenkitError as e:
        broken = next((n for kind, names in _STAGE_OF if isinstance(e, kind) for n in names if n in stages), stages[0])
        for stage in stages[: stages.index(broken)]:
            seen.add(stage, "ok", _TRIED[stage], "passed")
        seen.add(broken, "failed", _TRIED[broken], *split(e, "ask SMT; nothing was sent"))
        for stage in stages[stages.index(broken) + 1 :]:
            seen.passed_over(stage, _TRIED[stage], (broken,))
        return None
    for stage in stages:
        seen.add(stage, "ok", _TRIED[stage], f"as {smt.user}" if stage == "login" else "passed")
    return remote


def _folder(seen: Examination, smt: SmtSettings, folder: str, remote: Remote | None) -> None:
    """List a folder, which for FTPS is also the first use of the data channel; then see how old its files are."""
    names: list[str] = []

    def listing() -> str:
        assert remote is not None  # noqa: S101 else login did not pass
        try:
            names.extend(remote.names(folder))
        except FileNotFoundError:
            raise Note(
                "there is no such folder, or no right to enter it", "see its spelling; ask SMT for the right", "failed"
            ) from None
        return counted(len(names), "file")

    def ages() -> str:
        assert remote is not None  # noqa: S101 as above
        try:
            missing = sorted(set(names) - _here(smt, folder))
        except (BusyError, OSError) as e:
            raise Note(f"what is here already cannot be told: {e}", "see which program or user fetches here") from None
        if not missing:
            return "every file is here already" if names else "it is empty"
        dates = list(_dated(remote, folder, missing[:_LOOKED_AT]))
        if not dates:
            raise Note(f"not here: {counted(len(missing), 'file')}, and the server gives no dates", "fetch them soon")
        age = datetime.now(UTC) - min(dates)
        text = f"not here yet: {counted(len(missing), 'file')}; the oldest is {age / timedelta(days=1):.1f} days old"
        if age >= WARN_AFTER:
            raise Note(text, f"fetch them now: SMT deletes files after {KEPT.days} days")
        return text

    fix = "the data connection fails: let the firewall pass outbound connections to the server's high ports"
    seen.run(f"folder {folder}", "enter and list it", listing, needs=("login",), fix=fix)
    seen.run(f"files of {folder}", "ask for their dates", ages, needs=("login", f"folder {folder}"))


def _here(smt: SmtSettings, folder: str) -> set[str]:
    """Give the names that an earlier fetch brought."""
    if smt.into is None or not Home(smt.into).ledger.is_file():
        return set()
    with Ledger(Home(smt.into).ledger) as ledger:
        return {row.name for row in ledger.rows(folder.strip("/")) if row.state in HERE}


def _dated(remote: Remote, folder: str, names: list[str]) -> Iterator[datetime]:
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # somebody fetched it meanwhile
            modified = remote.stat(join(folder, name)).modified
            if modified:
                yield modified
