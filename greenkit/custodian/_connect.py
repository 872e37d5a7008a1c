"""From settings and arguments to a client: what is missing or wrong is said before anything is sent."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from greenkit import settings as settings_
from greenkit.custodian import _authorization, profiles
from greenkit.custodian._client import Client, Grant
from greenkit.custodian._resources import LIMIT
from greenkit.custodian._tokens import FileStore, KeyringStore, MemoryStore, Store, default_folder
from greenkit.custodian._transport import Tls
from greenkit.custodian.profiles import Profile
from greenkit.errors import CertificateError, SettingsError
from greenkit.findings import warn
from greenkit.secret import Secret

StrPath = str | os.PathLike[str]
SOON: Final = 30
"""Days before the end of a certificate from which on it is warned of."""


def connect(
    utility: str | os.PathLike[str] | Profile = "pge",
    *,
    settings: StrPath | settings_.Settings | settings_.CustodianSettings | None = None,
    grant: Grant = "authorization_code",
    customer: str = "default",
    url: str | None = None,
    client_id: str | None = None,
    client_secret: Secret | str | None = None,
    certificate: StrPath | None = None,
    certificate_key: StrPath | None = None,
    certificate_key_password: Secret | str | None = None,
    ca_file: StrPath | None = None,
    redirect_uri: str | None = None,
    scope: str | None = None,
    registration_token: Secret | str | None = None,
    tokens: Store | StrPath | None = None,
    timeout: float | None = None,
    limit: int = LIMIT,
    proxies: Mapping[str, str] | None = None,
) -> Client:
    """Make a client of a utility's Green Button Connect service; nothing is sent yet.

    Parameters
    ----------
    utility : str, path or Profile
        A table ``[custodian.NAME]`` of the settings file, or else a shipped profile
        (:data:`greenkit.custodian.profiles.SHIPPED`), or the path of a TOML profile of your own.
    settings : path, Settings or CustodianSettings, optional
        The settings; those of the usual file, where there is one, when absent. Whatever is given below wins.
    grant : {"authorization_code", "client_credentials"}
        How data are had: with a customer's authorization, or (PG&E's Self Access) with our own credentials.
    customer : str
        A name of your own for the customer, when you serve several: each has a grant of their own.
    url : str, optional
        The utility's address, for a platform's profile.
    client_id, client_secret, redirect_uri, scope, registration_token
        Of the registration. Give secrets as :class:`greenkit.Secret`.
    certificate, certificate_key, certificate_key_password
        PEM files for mutual TLS; checked now.
    ca_file : path, optional
        Authorities that sign the utility's certificate, in place of the public ones.
    tokens : {"file", "memory", "keyring"}, path of a folder, or Store, optional
        Where grants are kept: private files in the user's data folder; in memory on JupyterHub, Binder and Colab.
    timeout : float, optional
        Longest silence of the utility [s].
    limit : int
        Largest answer [bytes], after decompression.
    proxies : mapping, optional
        As requests takes them; environment variables are not read.

    Returns
    -------
    Client

    Raises
    ------
    SettingsError
        Something is missing or wrong, with where to put it.
    CertificateError
        The certificate or its key is missing, has ended, or does not match.

    Examples
    --------
    With ``[custodian.pge]`` in the settings file:

    >>> import greenkit
    >>> client = greenkit.connect("pge")  # doctest: +SKIP
    >>> client.authorize().prompt()  # doctest: +SKIP
    >>> usage = client.usage("2024-03-01", "2024-04-15")  # doctest: +SKIP
    >>> usage.groupby(["meter", "flow", "unit"], observed=True)["value"].sum()  # doctest: +SKIP
    """
    own = _settings(utility, settings)
    name = own.utility or utility
    profile = profiles.load(name)
    if url or own.url:
        profile = profile.at(url or own.url or "")
    profile = profile.complete()
    if scope or own.scope:
        profile = dataclasses.replace(profile, scope=scope or own.scope)
    if grant not in ("authorization_code", "client_credentials") or grant not in profile.grants:
        raise SettingsError(f"{profile.name} has no grant {grant!r}: use one of {', '.join(profile.grants)}")
    number = client_id or own.client_id
    secret = _secret(client_secret, own.client_secret)
    if not number or not secret:
        # a secret in clear text is refused there
        missing, line = ("client_id", '"..."') if not number else ("client_secret", "{prompt = true}")
        where = "the settings" if settings else settings_.default_path()
        text = f"write {missing} = {line} under [custodian.{profile.name}] of {where}, or pass {missing}="
        raise SettingsError(f"no {missing} is set: {text}")
    back, wait = redirect_uri or own.redirect_uri, timeout or own.timeout
    if not wait > 0:
        raise SettingsError(f"timeout is {wait!r}: give seconds, more than none")
    tls = Tls(
        certificate or own.certificate,
        certificate_key or own.certificate_key,
        _secret(certificate_key_password, own.certificate_key_password),
        ca_file or own.ca_file,
    )
    _check_tls(profile, tls)
    return Client(
        profile,
        client_id=number,
        client_secret=secret,
        tls=tls,
        store=_store(tokens if tokens is not None else own.tokens, profile, number, customer),
        grant=grant,
        redirect_uri=None if back is None else _authorization.checked_redirect(back),
        registration_token=_secret(registration_token, own.registration_token),
        timeout=wait,
        limit=limit,
        proxies=proxies,
    )


def _settings(utility: object, given: Any) -> settings_.CustodianSettings:
    if isinstance(given, settings_.CustodianSettings):
        return given
    if given is None and not settings_.default_path().exists():
        return settings_.CustodianSettings()
    found = given if isinstance(given, settings_.Settings) else settings_.read(given)
    name = utility.name if isinstance(utility, Profile) else str(utility)
    if name not in found.custodian and given is not None:
        raise SettingsError(f"the settings hold no table [custodian.{name}]: write one, or leave settings out")
    return found.custodian.get(name, settings_.CustodianSettings())


def _secret(given: Secret | str | None, kept: settings_.SecretRef | None) -> Secret | None:
    if given is not None:
        return Secret(given)
    return kept.get() if kept is not None else None


def _check_tls(profile: Profile, tls: Tls) -> None:
    ends = tls.check()
    if ends is None:
        if profile.mutual_tls:
            raise CertificateError(f"{profile.name} demands a client certificate: give certificate and certificate_key")
        return
    left = ends - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=SOON):
        warn(f"the certificate {tls.certificate} ends in {left.days} days: get a new one and register it")


def _store(given: Any, profile: Profile, client_id: str, customer: str) -> Store:
    """Find the place of this utility's, client's and customer's grant; a grant of another never stands there."""
    if given is not None and not isinstance(given, str | os.PathLike):
        found: Store = given
        return found
    whose = hashlib.sha256("\n".join([profile.token_url, client_id, customer]).encode()).hexdigest()[:16]
    name = f"{profile.name}-{whose}"
    if given is None:
        given = "memory" if _authorization.is_shared() else "file"
    if given == "memory":
        return MemoryStore()
    if given == "keyring":
        return KeyringStore(name)
    near = difflib.get_close_matches(str(given), ("file", "memory", "keyring"), n=1, cutoff=0.7)
    if near and given != "file" and not Path(given).is_dir():
        raise SettingsError(
            f"tokens is {given!r}: did you mean {near[0]!r}? A folder of that name has to be there first"
        )
    folder = default_folder() if given == "file" else Path(given).expanduser()
    return FileStore(folder / f"{name}.json")
