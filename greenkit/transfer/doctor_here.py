"""What the doctor looks at on this machine: settings, certificate and keys, OpenPGP."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from greenkit import certificates, pgp
from greenkit.errors import CertificateError
from greenkit.settings import SecretRef, SmtSettings
from greenkit.transfer import account
from greenkit.transfer.checks import Examination, Note

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
        certificates.check_key(path, smt.certificate_key, account.secret(smt.certificate_key_password))
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
            held.append(stack.enter_context(account.smt_keyring(smt)))
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
