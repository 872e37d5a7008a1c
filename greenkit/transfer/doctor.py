"""See why files do not come: every step of a connection to Smart Meter Texas, one after another.

It takes the place of the troubleshooting page of SMT's integration guide (ping, telnet, the certificate's name,
verbose logs), and goes further: each check says what was tried, what came back, and what to do. A check whose
precondition failed is passed over. Nothing is fetched or deleted, and the password is sent once at most.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from greenkit import certificates
from greenkit.errors import BusyError, CertificateRejected, GreenkitError, HostRejected, LoginRejected
from greenkit.findings import counted
from greenkit.settings import SmtSettings
from greenkit.transfer import account
from greenkit.transfer import doctor_here as here
from greenkit.transfer.checks import Diagnosis, Examination, Note, split
from greenkit.transfer.ledger import HERE, Home, Ledger
from greenkit.transfer.pull import KEPT, WARN_AFTER
from greenkit.transfer.remote import Endpoint, Remote
from greenkit.transfer.session import join

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


def check_smt(source: account.Source = None, **options: Any) -> Diagnosis:
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
    smt = account.smt_settings(source, **options)
    smt = replace(smt, timeout=min(smt.timeout, _PATIENCE))
    endpoint = account.smt_endpoint(smt)
    seen = Examination()
    here.settings(seen, smt)
    if smt.protocol == "ftps":
        here.certificate(seen, smt)
    _reach(seen, endpoint, smt.timeout)
    remote = _log_in(seen, smt, endpoint)
    with contextlib.ExitStack() as stack:
        if remote is not None:
            stack.callback(remote.close)
        for folder in smt.folders:
            _folder(seen, smt, folder, remote)
    here.openpgp(seen, smt)
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
        public = certificates.public_ssh(path, account.secret(smt.ssh_key_passphrase))
        made.append(account.smt_remote(smt))
        here.only_mine(path)
        return public.split()[0]

    if smt.protocol == "sftp" and smt.ssh_key:
        seen.run("SSH key", f"open {smt.ssh_key}", partial(open_key, smt.ssh_key), needs=("settings",))
        needs.append("SSH key")
    if seen.broken(needs):
        for stage in stages:
            seen.passed_over(stage, _TRIED[stage], needs)
        return None
    try:
        remote = made[0] if made else account.smt_remote(smt)
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
