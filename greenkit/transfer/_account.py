"""An account with Smart Meter Texas, from the settings: its file server, its OpenPGP key."""

from __future__ import annotations

import dataclasses
import difflib
import os
from typing import Any

from greenkit import pgp, settings
from greenkit.errors import SettingsError
from greenkit.secret import Secret
from greenkit.settings import SecretRef, Settings, SmtSettings
from greenkit.transfer._remote import SMT_FTPS, SMT_SFTP, Endpoint, Remote

Source = str | os.PathLike[str] | Settings | SmtSettings | None


def smt_settings(source: Source = None, **options: Any) -> SmtSettings:
    """Give the ``[smt]`` settings of a file, with single ones replaced.

    Parameters
    ----------
    source : path, Settings, SmtSettings or None
        None means the usual file, or no file at all when options are given.
    **options
        Any name of :class:`~greenkit.settings.SmtSettings`; a secret as :class:`~greenkit.Secret`.

    Raises
    ------
    SettingsError
        A setting is wrong, or there is no such setting.
    """
    known = [f.name for f in dataclasses.fields(SmtSettings)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(f"{name} is no setting: {f'did you mean {near[0]}?' if near else ', '.join(known)}")
    if isinstance(source, SmtSettings):
        found = source
    elif isinstance(source, Settings):
        found = source.smt
    elif source is None and options:
        found = SmtSettings()
    else:
        found = settings.read(source).smt
    return dataclasses.replace(found, **options)


def smt_endpoint(smt: SmtSettings) -> Endpoint:
    """Give the address of the file server."""
    usual = {"sftp": SMT_SFTP, "ftps": SMT_FTPS}.get(smt.protocol)
    if usual is None:
        raise SettingsError(f"protocol is {smt.protocol!r}: write sftp or ftps")
    return Endpoint(smt.protocol, smt.host, smt.port or usual.port, smt.folders)


def smt_remote(source: Source = None, **options: Any) -> Remote:
    """Make the remote of Smart Meter Texas: SFTP, or FTPS where the settings say so.

    Nothing is connected yet; ``with`` or the first call does that.

    Parameters
    ----------
    source : path, Settings or None
        The settings file; the usual one when neither it nor an option is given.
    **options
        Single settings in place of the file's: ``host``, ``user``, ``password=Secret.env(...)``, ``ssh_key``, …

    Raises
    ------
    SettingsError, CertificateError
        A setting, secret, key or certificate is missing or wrong.

    Examples
    --------
    >>> remote = smt_remote(user="rep1", password=Secret("xyzzy"), known_hosts="known_hosts")
    >>> remote
    SftpRemote(sftp://ftp.smartmetertexas.biz:22)
    """
    smt = smt_settings(source, **options)
    endpoint = smt_endpoint(smt)
    if smt.protocol == "sftp":
        from greenkit.transfer._sftp import SftpRemote

        return SftpRemote(
            endpoint, user=smt.user or "", password=secret(smt.password),
            key=smt.ssh_key, key_passphrase=secret(smt.ssh_key_passphrase),
            known_hosts=smt.known_hosts, host_key=smt.host_key, timeout=smt.timeout,
        )  # fmt: skip
    from greenkit.transfer._ftps import FtpsRemote

    password = secret(smt.password)
    if password is None:
        raise SettingsError(f"there is no password for {endpoint}: add it to the settings")
    return FtpsRemote(
        endpoint, user=smt.user or "", password=password,
        certificate=smt.certificate, key=smt.certificate_key, key_password=secret(smt.certificate_key_password),
        ca_file=smt.ca_file, minimum_tls=smt.minimum_tls, timeout=smt.timeout,
    )  # fmt: skip


def smt_keyring(source: Source = None, **options: Any) -> pgp.Keyring:
    """Open the OpenPGP keyring of the account, as ``[smt.pgp]`` says; arguments as :func:`smt_remote`.

    Raises
    ------
    NoGpgProgram, SettingsError
        gpg is missing, or a setting or secret is.
    """
    found = smt_settings(source, **options).pgp
    return pgp.Keyring(found.home, passphrase=secret(found.passphrase), allow_unprotected=found.allow_unprotected)


def secret(kept: SecretRef | Secret | None) -> Secret | None:
    """Read a secret that the settings only name."""
    return kept.get() if isinstance(kept, SecretRef) else None if kept is None else Secret(kept)
