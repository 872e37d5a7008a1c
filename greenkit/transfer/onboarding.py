"""What Smart Meter Texas asks of a newcomer, gathered in one folder to be mailed: public halves only.

Source: "Third Party Integration to SMT", the prerequisites: client certificate (Base-64 X.509), OpenPGP public key,
public addresses, DUNS number, _account. Since SMT serves SFTP, also the public SSH key.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from greenkit import _files, certificates
from greenkit.errors import CertificateError, GreenkitError, SettingsError
from greenkit.settings import SmtSettings
from greenkit.transfer import _account

_BLANK: Final = "________________  (fill in)"
_HOW: Final = {
    "client-certificate.cer": "greenkit.certificates.new_certificate (testing) or new_request (production)",
    "openpgp-public-key.asc": "greenkit.pgp.new_key",
    "ssh-public-key.pub": "greenkit.certificates.new_ssh_key",
}
_WHAT: Final = {
    "client-certificate.cer": "client certificate, Base-64 X.509 (FTPS)",
    "openpgp-public-key.asc": "OpenPGP public key, to which SMT encrypts",
    "ssh-public-key.pub": "SSH public key (SFTP)",
}


def write_onboarding(folder: _files.StrPath, source: _account.Source = None, **options: Any) -> dict[str, Path | str]:
    """Write what SMT needs to set up an account: public halves, and a page to fill in.

    Parameters
    ----------
    folder : path
        Made when it is not there; files of an earlier call are replaced.
    source, **options
        As for :func:`~greenkit.smt_remote`.

    Returns
    -------
    dict
        For each name the file that was written, or the reason why not and what to do.

    Examples
    --------
    >>> write_onboarding("for-smt", "settings.toml")  # doctest: +SKIP
    """
    smt = _account.smt_settings(source, **options)
    target = Path(folder).expanduser()
    target.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path | str] = {}
    parts: dict[str, Callable[[SmtSettings], bytes]] = {
        "client-certificate.cer": _certificate,
        "openpgp-public-key.asc": _openpgp_key,
        "ssh-public-key.pub": _ssh_key,
    }
    for name, make in parts.items():
        try:
            made[name] = _write(target / name, make(smt))
        except GreenkitError as e:
            made[name] = f"{e} (make one with {_HOW[name]})"
    made["onboarding.md"] = _write(target / "onboarding.md", _page(smt, made).encode())
    return made


def _write(path: Path, data: bytes) -> Path:
    if b"PRIVATE" in data:
        raise CertificateError(
            f"{path.name} would hold a private key, which never leaves this machine: nothing written"
        )
    with _files.atomic(path) as file:
        file.write(data)
    return path


def _certificate(smt: SmtSettings) -> bytes:
    if smt.certificate is None:
        raise SettingsError("there is no certificate in the settings: FTPS needs one")
    return certificates.public_pem(smt.certificate)


def _openpgp_key(smt: SmtSettings) -> bytes:
    # the public half needs no passphrase, so none is asked for
    with _account.smt_keyring(replace(smt, pgp=replace(smt.pgp, passphrase=None))) as keyring:
        wanted = (smt.pgp.key or "").replace(" ", "").upper()
        keys = [key for key in keyring.list_keys() if key.fingerprint.endswith(wanted) and key.encrypts]
        if len(keys) != 1:
            what = "no secret key" if not keys else f"{len(keys)} secret keys"
            raise SettingsError(f"the keyring holds {what}: name the right one as key = ... under [smt.pgp]")
        return keyring.public_key(keys[0].fingerprint).encode()


def _ssh_key(smt: SmtSettings) -> bytes:
    """Derive the public half, since a ``.pub`` file beside the key may be another's."""
    if smt.ssh_key is None:
        raise SettingsError("there is no ssh_key in the settings: SFTP takes one in place of a password")
    return certificates.public_ssh(smt.ssh_key, _account.secret(smt.ssh_key_passphrase)).encode()


def _host_name() -> str:
    whole = socket.getfqdn()
    return socket.gethostname() if whole.startswith("localhost") else whole


def _page(smt: SmtSettings, made: dict[str, Path | str]) -> str:
    host = smt.host_name or _host_name()
    facts = {
        "Company / account": smt.account or _BLANK,
        "DUNS number": smt.duns or _BLANK,
        "User name": smt.user or "given by SMT",
        "Host name of this machine (the certificate's common name)": host,
        "Public addresses from which requests come": ", ".join(smt.public_addresses) or _BLANK,
        "Server": f"{_account.smt_endpoint(smt)}",
        "Folders": ", ".join(smt.folders),
    }
    lines = ["# For Smart Meter Texas: what is needed to set up this account", ""]
    lines += [f"- {what}: {value}" for what, value in facts.items()]
    lines += ["", "## Enclosed", ""]
    lines += [
        f"- `{n}`: {w}{'' if isinstance(made[n], Path) else f' — NOT ENCLOSED: {made[n]}'}" for n, w in _WHAT.items()
    ]
    lines += [
        "",
        "Only public halves are enclosed; the private keys stay on this machine. An address behind a router is not",
        "public: ask whoever runs the network for the one that the internet sees. Each machine that fetches needs its",
        "own certificate and its own address on the list. Zip a .cer file before mailing it: mail filters drop it.",
        "",
    ]
    return "\n".join(lines)
