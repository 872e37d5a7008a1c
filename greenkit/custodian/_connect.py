"""``connect``: from settings and arguments to a client. Missing or invalid values raise before any request."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from greenkit import settings as settings_
from greenkit.custodian import _authorization, _transport, profiles
from greenkit.custodian._client import Client, Grant
from greenkit.custodian._tokens import FileStore, KeyringStore, MemoryStore, Store, default_folder
from greenkit.custodian._transport import Tls
from greenkit.custodian.profiles import Profile
from greenkit.errors import CertificateError, SettingsError
from greenkit.findings import counted, warn
from greenkit.secret import Secret

StrPath = str | os.PathLike[str]
SOON: Final = 30
"""Number of days before a certificate expires from which greenkit warns."""
_PLACES: Final = ("file", "memory", "keyring")


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
    subscription: str | None = None,
    tokens: Store | StrPath | None = None,
    timeout: float | None = None,
    limit: int | None = None,
    proxy: str | None = None,
    proxy_password: Secret | str | None = None,
    proxies: Mapping[str, str] | None = None,
) -> Client:
    """Make a client of a utility's Green Button Connect service, without a request.

    Parameters
    ----------
    utility : str, path, or Profile
        A table ``[custodian.NAME]`` of the settings file, or a shipped profile
        (:data:`greenkit.custodian.profiles.SHIPPED`), or the path of your own TOML profile.
    settings : path, Settings, or CustodianSettings, optional
        The settings. Default: the file at :func:`greenkit.settings.default_path`, if it exists. The arguments below
        take precedence.
    grant : {"authorization_code", "client_credentials"}
        How to get data: with a customer's authorization, or with your own credentials (self access).
    customer : str
        Your name for the customer, if you serve several. Each has a separate grant.
    url : str, optional
        Address of the utility, for the profile of a platform.
    client_id, client_secret, redirect_uri, scope, registration_token
        From your registration. Pass secrets as :class:`greenkit.Secret`.
    certificate, certificate_key, certificate_key_password
        PEM files for mutual TLS; they are checked now.
    ca_file : path, optional
        Certificate authorities that sign the utility's certificate, instead of the public ones.
    subscription : str, optional
        ID of the customer's subscription, if the utility's token answers do not contain it.
    tokens : {"file", "memory", "keyring"}, path of a folder, or Store, optional
        Where grants are stored. Default: private files in the user's data folder; memory on JupyterHub, Binder, and
        Colab.
    timeout : float, optional
        Longest silence of the utility [s].
    limit : int, optional
        Largest answer [bytes], after decompression. Default: 256 MiB in memory, 2 GiB in a file.
    proxy : str, optional
        HTTP proxy that opens the connections: ``http://HOST:PORT`` or ``http://USER@HOST:PORT``. Environment variables
        are not used.
    proxy_password : Secret or str, optional
        Password of the proxy's user.
    proxies : mapping, optional
        Proxy in the form that requests takes: ``{"https": "http://HOST:PORT"}``.

    Returns
    -------
    Client

    Raises
    ------
    SettingsError
        If something is missing or wrong; the error names the place to correct.
    CertificateError
        If the certificate or its key is missing, has expired, or does not match.

    Examples
    --------
    With ``[custodian.pge]`` in the settings file:

    >>> import greenkit
    >>> client = greenkit.connect("pge")  # doctest: +SKIP
    >>> client.authorize().prompt()  # doctest: +SKIP
    >>> usage = client.usage("2024-03-01", "2024-04-15")  # doctest: +SKIP
    >>> usage.groupby(["meter", "flow", "unit"], observed=True)["value"].sum()  # doctest: +SKIP
    """
    # first, because a traceback with locals shows this frame
    client_secret = None if client_secret is None else Secret(client_secret)
    certificate_key_password = None if certificate_key_password is None else Secret(certificate_key_password)
    registration_token = None if registration_token is None else Secret(registration_token)
    proxy_password = None if proxy_password is None else Secret(proxy_password)
    through = _hidden(proxy or (proxies or {}).get("https") or (proxies or {}).get("all"))
    proxies = proxy = None

    own = _settings(utility, settings)
    profile = _profile(utility, own, url, scope)
    if grant not in ("authorization_code", "client_credentials") or grant not in profile.grants:
        raise SettingsError(
            f"{profile.name} does not offer the grant {grant!r}", next_step=f"Use one of {', '.join(profile.grants)}."
        )
    number = client_id or own.client_id
    secret = client_secret or _kept(own.client_secret)
    needs_secret = profile.client_auth != "tls_client_auth"
    if not number or (needs_secret and not secret):
        raise _missing("client_id" if not number else "client_secret", profile, utility, settings)
    wait = own.timeout if timeout is None else timeout
    if not (math.isfinite(wait) and wait > 0):
        raise SettingsError(
            f"timeout is {timeout!r}, but it must be greater than 0", next_step="Pass the timeout in seconds."
        )
    if limit is not None and limit <= 0:
        raise SettingsError(f"limit is {limit!r}, but it must be greater than 0", next_step="Pass the limit in bytes.")
    tls = Tls(
        certificate or own.certificate,
        certificate_key or own.certificate_key,
        certificate_key_password or _kept(own.certificate_key_password),
        ca_file or own.ca_file,
    )
    _check_tls(profile, tls)
    back = redirect_uri or own.redirect_uri
    return Client(
        profile,
        client_id=number,
        client_secret=secret,
        tls=tls,
        store=_store(tokens if tokens is not None else own.tokens, profile, number, customer),
        grant=grant,
        redirect_uri=None if back is None else _authorization.checked_redirect(back),
        registration_token=registration_token or _kept(own.registration_token),
        subscription=subscription or own.subscription,
        timeout=wait,
        limit=limit,
        proxy=_transport.chosen_proxy(through or _hidden(own.proxy), proxy_password or _kept(own.proxy_password)),
    )


def _hidden(proxy: str | Secret | None) -> Secret | None:
    """Return the address of a proxy as a Secret, because it may contain a password."""
    return Secret(proxy) if proxy else None


def _settings(
    utility: object, given: StrPath | settings_.Settings | settings_.CustodianSettings | None
) -> settings_.CustodianSettings:
    if isinstance(given, settings_.CustodianSettings):
        return given
    if given is None and not settings_.default_path().exists():
        return settings_.CustodianSettings()
    found = given if isinstance(given, settings_.Settings) else settings_.read(given)
    name = utility.name if isinstance(utility, Profile) else str(utility)
    if name not in found.custodian and given is not None:
        if Path(name).suffix == ".toml":  # a file has a table of another name, because a dot would divide the name
            table = profiles.load(name).name
            raise SettingsError(
                f"The settings have no table for the file {name}",
                next_step=f'Write utility = "{name}" under [custodian.{table}], and pass "{table}" to connect().',
            )
        raise SettingsError(
            f"The settings contain no table [custodian.{name}]", next_step="Write one, or leave settings out."
        )
    return found.custodian.get(name, settings_.CustodianSettings())


def _profile(
    utility: str | os.PathLike[str] | Profile, own: settings_.CustodianSettings, url: str | None, scope: str | None
) -> Profile:
    try:
        profile = profiles.load(own.utility or utility)
    except SettingsError as e:
        unnamed = not isinstance(utility, Profile) and own.utility is None and Path(utility).suffix != ".toml"
        if unnamed and not settings_.default_path().exists():
            e.next_step += (
                f" Or write a table [custodian.{utility}] into {settings_.default_path()}, which does not exist."
            )
        raise
    if url or own.url:
        profile = profile.at(url or own.url or "")
    profile = profile.complete()
    if scope or own.scope:
        profile = dataclasses.replace(profile, scope=scope or own.scope)
    return profile


def _missing(name: str, profile: Profile, utility: object, given: object) -> SettingsError:
    line = '"..."' if name == "client_id" else "{prompt = true}"  # the settings refuse a secret in clear text
    place = settings_.default_path()
    where = "the settings" if given else f"{place}" if place.exists() else f"{place} (which does not exist yet)"
    table = profile.name if isinstance(utility, Profile) else utility
    if Path(str(table)).suffix == ".toml":  # a dot would divide the name of the table
        path = Path(str(table)).expanduser().absolute()
        return SettingsError(
            f"No {name} is set",
            next_step=f'Add utility = "{path}" and {name} = {line} under [custodian.{profile.name}] in {where}, and '
            f'pass "{profile.name}" to connect(). Or pass {name}=.',
        )
    return SettingsError(
        f"No {name} is set",
        next_step=f"Add {name} = {line} under [custodian.{table}] in {where}, or pass {name}=.",
    )


def _kept(place: settings_.SecretRef | None) -> Secret | None:
    return None if place is None else place.get()


def _check_tls(profile: Profile, tls: Tls) -> None:
    ends = tls.check()
    if ends is None:
        if profile.mutual_tls or profile.client_auth == "tls_client_auth":
            raise CertificateError(
                f"{profile.name} requires a client certificate", next_step="Set certificate and certificate_key."
            )
        return
    left = ends - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=SOON):
        warn(
            f"The certificate {tls.certificate} expires in {counted(left.days, 'day')}. Get a new one and register it."
        )


def grant_name(profile: Profile, client_id: str, customer: str) -> str:
    """Return the name under which a grant is stored; grants of other utilities, clients, and customers differ."""
    whose = hashlib.sha256("\n".join([profile.token_url, client_id, customer]).encode()).hexdigest()[:16]
    return f"{profile.name}-{whose}"


def _store(given: Store | StrPath | None, profile: Profile, client_id: str, customer: str) -> Store:
    """Return the store of this utility's, client's, and customer's grant."""
    if given is not None and not isinstance(given, str | os.PathLike):
        return given
    name = grant_name(profile, client_id, customer)
    if given is None:
        given = "memory" if _authorization.is_shared() else "file"
    if given == "memory":
        return MemoryStore()
    if given == "keyring":
        return KeyringStore(name)
    return FileStore(token_folder(given) / f"{name}.json", customer)


def token_folder(given: StrPath) -> Path:
    """Return the folder of token files that a setting names.

    Raises
    ------
    SettingsError
        If it looks like a misspelled "file", "memory", or "keyring", or the home folder in it is unknown.
    """
    near = difflib.get_close_matches(str(given), _PLACES, n=1, cutoff=0.7)
    if near and str(given) not in _PLACES and not Path(given).is_dir():
        raise SettingsError(
            f"tokens is {str(given)!r}, which is not a folder",
            next_step=f"Did you mean {near[0]!r}? To store tokens in a folder of that name, make the folder first.",
        )
    try:
        return default_folder() if str(given) == "file" else Path(given).expanduser()
    except RuntimeError:  # the home folder of ~nobody
        raise SettingsError(
            f"tokens is {str(given)!r}, which has no home folder", next_step="Pass the complete path."
        ) from None
