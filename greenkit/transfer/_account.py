"""An account with Smart Meter Texas, from the settings: its file server, its proxy, its OpenPGP key."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from greenkit import _files, _net, settings
from greenkit import pgp as openpgp
from greenkit.errors import SettingsError
from greenkit.secret import Secret
from greenkit.settings import PgpSettings, SecretRef, Settings, SmtSettings
from greenkit.transfer._remote import SMT_FTPS, SMT_SFTP, Endpoint, Remote

Source = str | os.PathLike[str] | Settings | SmtSettings | None


def smt_settings(source: Source = None, /, **changes: Any) -> SmtSettings:
    """Return the ``[smt]`` settings of a file, with single ones replaced by those that are not None.

    Without a source the user's settings file is read, unless a setting is given.

    Raises
    ------
    SettingsError
        If a setting is not valid.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    for field in ("ssh_key", "known_hosts", "certificate", "certificate_key", "ca_file", "into"):
        if field in given:
            given[field] = Path(given[field])
    if isinstance(source, SmtSettings):
        found = source
    elif isinstance(source, Settings):
        found = source.smt
    elif source is None and given:
        found = SmtSettings()
    else:
        found = settings.read(source).smt
    return dataclasses.replace(found, **given)


def smt_endpoint(smt: SmtSettings) -> Endpoint:
    """Return the address of the file server."""
    usual = {"sftp": SMT_SFTP, "ftps": SMT_FTPS}.get(smt.protocol)
    if usual is None:
        raise SettingsError(
            f"protocol is {smt.protocol!r}, but it must be sftp or ftps", next_step='Set protocol = "sftp".'
        )
    return Endpoint(smt.protocol, smt.host, smt.port or usual.port, smt.folders)


def smt_proxy(smt: SmtSettings) -> _net.Proxy | None:
    """Return the proxy of the settings."""
    return _net.Proxy.parse(smt.proxy, secret(smt.proxy_password)) if smt.proxy else None


def smt_remote(
    source: Source = None,
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
) -> Remote:
    """Return the file server of Smart Meter Texas: SFTP, or FTPS if the settings specify it.

    It does not connect yet; ``with`` or the first call does.

    Parameters
    ----------
    source : path, Settings, or None
        Settings file. Default: the user's, or none if another argument is given.
    protocol : {"sftp", "ftps"}, optional
        Protocol; this and all other arguments replace the setting of the same name.
    host, port : str, int, optional
        Address of the server.
    user, password : str, Secret, optional
        Login.
    timeout : float, optional
        Seconds for the connection with the login, and for each answer.
    proxy, proxy_password : str, Secret, optional
        HTTP proxy, ``http://HOST:PORT`` or ``http://USER@HOST:PORT``, and its password.
    ssh_key, ssh_key_passphrase : path, Secret, optional
        SFTP: private key and its passphrase.
    known_hosts, host_key : path, str, optional
        SFTP: file of known host keys, or the fingerprint of the server's key.
    certificate, certificate_key, certificate_key_password : path, path, Secret, optional
        FTPS: client certificate, its private key, and the key's password.
    ca_file, minimum_tls : path, str, optional
        FTPS: certificate authorities to trust, and the lowest version of TLS.
    folders : tuple of str, optional
        Remote folders.

    Raises
    ------
    SettingsError, CertificateError
        If a setting, secret, key, or certificate is missing or not valid.

    Examples
    --------
    >>> remote = smt_remote(user="rep1", password=Secret("xyzzy"), known_hosts="known_hosts")
    >>> remote
    SftpRemote(sftp://ftp.smartmetertexas.biz:22)
    """
    smt = smt_settings(
        source,
        protocol=protocol, host=host, port=port, user=user, password=password, timeout=timeout, proxy=proxy,
        proxy_password=proxy_password, ssh_key=ssh_key, ssh_key_passphrase=ssh_key_passphrase,
        known_hosts=known_hosts, host_key=host_key, certificate=certificate, certificate_key=certificate_key,
        certificate_key_password=certificate_key_password, ca_file=ca_file, minimum_tls=minimum_tls, folders=folders,
    )  # fmt: skip
    endpoint = smt_endpoint(smt)
    if smt.protocol == "sftp":
        from greenkit.transfer._sftp import SftpRemote

        return SftpRemote(
            endpoint, user=smt.user or "", password=secret(smt.password),
            key=smt.ssh_key, key_passphrase=secret(smt.ssh_key_passphrase),
            known_hosts=smt.known_hosts, host_key=smt.host_key, timeout=smt.timeout,
            proxy=smt.proxy, proxy_password=secret(smt.proxy_password),
        )  # fmt: skip
    from greenkit.transfer._ftps import FtpsRemote

    given = secret(smt.password)
    if given is None:
        raise SettingsError(
            f"No password is set for {endpoint}", next_step='Add password = {env = "NAME"} under [smt] in the settings.'
        )
    return FtpsRemote(
        endpoint, user=smt.user or "", password=given,
        certificate=smt.certificate, key=smt.certificate_key, key_password=secret(smt.certificate_key_password),
        ca_file=smt.ca_file, minimum_tls=smt.minimum_tls, timeout=smt.timeout,
        proxy=smt.proxy, proxy_password=secret(smt.proxy_password),
    )  # fmt: skip


def smt_keyring(source: Source = None, *, pgp: PgpSettings | None = None) -> openpgp.Keyring:
    """Return the OpenPGP keyring of the account, as ``[smt.pgp]`` of the settings describes it.

    Parameters
    ----------
    source : path, Settings, or None
        Settings file. Default: the user's.
    pgp : PgpSettings, optional
        Replaces ``[smt.pgp]``.

    Raises
    ------
    NoGpgProgram, SettingsError
        If gpg is missing or does not answer, or a setting or secret is not valid.
    """
    found = smt_settings(source, pgp=pgp).pgp
    return openpgp.Keyring(found.home, passphrase=secret(found.passphrase), allow_unprotected=found.allow_unprotected)


def secret(kept: SecretRef | Secret | None) -> Secret | None:
    """Read a secret whose place the settings name."""
    return kept.get() if isinstance(kept, SecretRef) else None if kept is None else Secret(kept)
