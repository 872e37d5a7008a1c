"""Write the files that Smart Meter Texas requires from new users to one folder: public keys only.

Source: "Third Party Integration to SMT", the prerequisites: client certificate (Base-64 X.509), OpenPGP public key,
public IP addresses, DUNS number, account. Since SMT offers SFTP, also the public SSH key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from greenkit import _files, _net, certificates
from greenkit.errors import CertificateError, GreenkitError, SettingsError
from greenkit.secret import Secret
from greenkit.settings import PgpSettings, SecretRef, SmtSettings
from greenkit.transfer import _account

_BLANK: Final = "________________  (fill in)"
_HOW: Final = {
    "client-certificate.cer": "greenkit make-key certificate (testing) or greenkit make-key request (production)",
    "openpgp-public-key.asc": "greenkit make-key pgp",
    "ssh-public-key.pub": "greenkit make-key ssh",
}
_ONLY_FOR: Final = {"client-certificate.cer": ("ftps", "certificate"), "ssh-public-key.pub": ("sftp", "ssh_key")}
"""Files that only one protocol needs, with its name and their setting, without which the other protocol omits them."""
_WHAT: Final = {
    "client-certificate.cer": "client certificate, Base-64 X.509 (FTPS)",
    "openpgp-public-key.asc": "OpenPGP public key, to which SMT encrypts",
    "ssh-public-key.pub": "SSH public key (SFTP)",
}


def write_onboarding(
    folder: _files.StrPath,
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
    duns: str | None = None,
    account: str | None = None,
    public_addresses: tuple[str, ...] | None = None,
) -> dict[str, Path | str]:
    """Write what SMT needs to set up an account: public keys, and a page to fill in.

    Parameters
    ----------
    folder : path
        Created if it does not exist; files of an earlier call are replaced.
    source : path, Settings, or None
        Settings file. Default: the user's, or none if another argument is given.
    protocol, host, port, user, password, timeout, proxy, proxy_password, folders, into : optional
        Replace the settings of the same name; see :func:`~greenkit.smt_remote`.
    ssh_key, ssh_key_passphrase, known_hosts, host_key : optional
        As above, for SFTP.
    certificate, certificate_key, certificate_key_password, ca_file, minimum_tls : optional
        As above, for FTPS.
    host_name : str, optional
        Host name of this machine.
    pgp : PgpSettings, optional
        Replaces ``[smt.pgp]``.
    duns, account, public_addresses : str, str, tuple of str, optional
        DUNS number, company or account, and public IP addresses.

    Returns
    -------
    dict
        For each name the file that was written, or why it was not and what to do. The client certificate, which only
        FTPS needs, and the SSH key, which only SFTP needs, are left out for the other protocol if they are not set.

    Examples
    --------
    >>> write_onboarding("for-smt", "settings.toml")  # doctest: +SKIP
    """
    smt = _account.smt_settings(
        source,
        protocol=protocol, host=host, port=port, user=user, password=password, timeout=timeout, proxy=proxy,
        proxy_password=proxy_password, ssh_key=ssh_key, ssh_key_passphrase=ssh_key_passphrase,
        known_hosts=known_hosts, host_key=host_key, certificate=certificate, certificate_key=certificate_key,
        certificate_key_password=certificate_key_password, ca_file=ca_file, minimum_tls=minimum_tls, folders=folders,
        into=into, host_name=host_name, pgp=pgp, duns=duns, account=account, public_addresses=public_addresses,
    )  # fmt: skip
    target = Path(folder).expanduser()
    with _files.writing(target):
        target.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path | str] = {}
    parts: dict[str, Callable[[SmtSettings], bytes]] = {
        "client-certificate.cer": _certificate,
        "openpgp-public-key.asc": _openpgp_key,
        "ssh-public-key.pub": _ssh_key,
    }
    for name, make in parts.items():
        protocol_of, setting = _ONLY_FOR.get(name, (smt.protocol, ""))
        if protocol_of != smt.protocol and getattr(smt, setting) is None:
            continue
        try:
            made[name] = _write(target / name, make(smt))
        except GreenkitError as e:
            made[name] = f"{e} To make one, run {_HOW[name]}."
    made["onboarding.md"] = _write(target / "onboarding.md", _page(smt, made).encode())
    return made


def _write(path: Path, data: bytes) -> Path:
    if b"PRIVATE" in data:
        raise CertificateError(
            f"{path.name} would contain a private key, so greenkit did not write it",
            next_step="Check which file the settings name.",
        )
    with _files.writing(path), _files.atomic(path) as file:
        file.write(data)
    return path


def _certificate(smt: SmtSettings) -> bytes:
    if smt.certificate is None:
        raise SettingsError(
            "The settings contain no certificate, which FTPS requires", next_step="Set certificate under [smt]."
        )
    return certificates.public_pem(smt.certificate)


def _openpgp_key(smt: SmtSettings) -> bytes:
    # a public key needs no passphrase, so none is asked for
    with _account.smt_keyring(replace(smt, pgp=replace(smt.pgp, passphrase=None))) as keyring:
        wanted = (smt.pgp.key or "").replace(" ", "").upper()
        keys = [key for key in keyring.list_keys() if key.fingerprint.endswith(wanted) and key.encrypts]
        if not keys:
            raise SettingsError(
                f"The keyring has no secret key{f' {wanted}' if wanted else ''} for encryption",
                next_step="Set home under [smt.pgp] to the keyring that has it, or import it with gpg --import.",
            )
        if len(keys) > 1:
            raise SettingsError(
                f"The keyring has {len(keys)} secret keys",
                next_step="Set key = ... under [smt.pgp] to the fingerprint of the right one.",
            )
        return keyring.public_key(keys[0].fingerprint).encode()


def _ssh_key(smt: SmtSettings) -> bytes:
    """Derive the public key, because a ``.pub`` file beside the private key may belong to another."""
    if smt.ssh_key is None:
        raise SettingsError("The settings contain no SSH key for SFTP", next_step="Set ssh_key under [smt].")
    return certificates.public_ssh(smt.ssh_key, _account.secret(smt.ssh_key_passphrase)).encode()


def _page(smt: SmtSettings, made: dict[str, Path | str]) -> str:
    host = smt.host_name or _net.host_name()
    certified = "client-certificate.cer" in made
    facts = {
        "Company / account": smt.account or _BLANK,
        "DUNS number": smt.duns or _BLANK,
        "User name": smt.user or "given by SMT",
        f"Host name of this machine{' (the common name of the certificate)' if certified else ''}": host,
        "Public addresses from which requests come": ", ".join(smt.public_addresses) or _BLANK,
        "Server": f"{_account.smt_endpoint(smt)}",
        "Folders": ", ".join(smt.folders),
    }
    lines = ["# For Smart Meter Texas: information to set up this account", ""]
    lines += [f"- {what}: {value}" for what, value in facts.items()]
    lines += ["", "## Enclosed", ""]
    lines += [
        f"- `{n}`: {_WHAT[n]}{'' if isinstance(found, Path) else f' — NOT ENCLOSED: {found}'}"
        for n, found in made.items()
    ]
    lines += [
        "",
        "Only public keys are enclosed; the private keys stay on this machine. An address behind a router is not",
        "public: ask your network administrator for the public one. Each machine that fetches files needs its own",
        *(
            [
                "certificate and its own address on the list. Zip a .cer file before you mail it, because mail filters",
                "remove it.",
            ]
            if certified
            else ["address on the list."]
        ),
        "",
    ]
    return "\n".join(lines)
