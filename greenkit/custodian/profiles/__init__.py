"""Utility profiles: the facts that differ between Green Button Connect services.

A shipped profile is one small module of this package, found by its name; a user's own is a TOML file. A profile
contains no code: everything that differs between two services is a field below, and the client has no code for one
utility. If a platform serves many utilities, its profile contains paths, and ``Profile.at("https://…")`` turns them
into URLs.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from greenkit import _toml
from greenkit.errors import SettingsError
from greenkit.times import is_zone

SHIPPED: Final[tuple[str, ...]] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""Names of the profiles that come with greenkit."""
_RESERVED: Final = frozenset(
    {"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"}
)
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, repr=False)
class Profile:
    """The facts of one utility's Green Button Connect service.

    You can set every field in your own TOML file; see :func:`load`.

    Attributes
    ----------
    name, title : str
        Short name, and the utility's name for people.
    authorize_url, token_url, resource_url : str
        Sign-in page, token endpoint, and root of the resources, or paths if the profile is a platform's. Only what is
        below ``resource_url`` receives the bearer token.
    revoke_url : str or None
        Revocation endpoint (RFC 7009), if the service has one.
    hosts : tuple of str
        Further ``host`` or ``host:port`` with resources under the same path.
    zone : str
        IANA time zone of dates without an offset.
    grants : tuple of str
        OAuth grants that the service offers.
    client_auth : {"basic", "basic_raw", "post", "tls_client_auth"}
        How the client authenticates at the token endpoint; the last one (RFC 8705) has no client secret.
    scope, client_scope : str or None
        Scope requested at the authorization, and with client credentials.
    authorize_parameters : mapping
        Further parameters of the sign-in link.
    refresh_scope : {"omit", "granted", "fixed"}
        Scope sent with a refresh: none, the granted one, or ``scope``.
    client_token_field : str
        Field of the token answer with the token of client credentials.
    token_types : tuple of str
        Accepted token types in lower case; gateways such as Apigee send the second.
    token_lifetime : float
        Lifetime of an access token [s] if the answer has no ``expires_in``.
    pkce : bool
        Send a code challenge (RFC 7636).
    issuer : str or None
        Issuer that the redirect must name (RFC 9207).
    mutual_tls : bool
        Send the client certificate.
    certificate_phrases : tuple of str
        Words of an answer that refuses the client certificate, in lower case.
    dates : {"epoch", "iso"}
        Format of the dates of a window.
    window_parameters, bulk_window_parameters : tuple of str
        Names of the parameters with the first and last instant of a window.
    window_days : int or None
        Longest window of one request [days].
    clip_future : bool
        The service refuses a window that ends in the future, so windows end now.
    whole_days : bool
        The service starts a new job for each different start, so windows begin at local midnight.
    subscription_in_scope : bool
        Without ``resourceURI``, a scope of digits is the subscription.
    lists_usage_points : bool
        ``Subscription/…/UsagePoint`` exists.
    renew_on : tuple of int
        Statuses that may mean that the access token has expired: greenkit renews it once.
    pending_wait : float
        Wait [s] before the same window is requested again, if the answer 202 names none.
    meanings : mapping
        Meaning of a status at this utility, for errors.
    limits : tuple of pairs
        Request limits: number of requests and seconds.
    user_agent : str
        User agent of each request.
    unverified : tuple of str
        What only a registered account can confirm.
    """

    name: str
    title: str = ""
    authorize_url: str
    token_url: str
    resource_url: str
    revoke_url: str | None = None
    hosts: tuple[str, ...] = ()
    zone: str = "UTC"
    # OAuth
    grants: tuple[str, ...] = ("authorization_code",)
    client_auth: Literal["basic", "basic_raw", "post", "tls_client_auth"] = "basic"
    scope: str | None = None
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)
    client_scope: str | None = None
    refresh_scope: Literal["omit", "granted", "fixed"] = "omit"
    client_token_field: str = "access_token"  # noqa: S105 a field's name
    token_types: tuple[str, ...] = ("bearer", "bearertoken")
    token_lifetime: float = 3600.0
    pkce: bool = False
    issuer: str | None = None
    mutual_tls: bool = True
    certificate_phrases: tuple[str, ...] = (
        "invalid certificate",
        "no required ssl certificate was sent",
        "the ssl certificate error",
    )
    # windows and dates
    dates: Literal["epoch", "iso"] = "iso"
    window_parameters: tuple[str, str] = ("published-min", "published-max")
    bulk_window_parameters: tuple[str, str] = ("published-min", "published-max")
    window_days: int | None = None
    clip_future: bool = False
    whole_days: bool = False
    # answers of the resources
    subscription_in_scope: bool = False
    lists_usage_points: bool = True
    renew_on: tuple[int, ...] = (401, 403)
    pending_wait: float = 60.0
    meanings: Mapping[int, str] = field(default_factory=dict)
    # limits
    limits: tuple[tuple[int, float], ...] = ((1, 1.0),)
    user_agent: str = "greenkit"
    unverified: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("authorize_url", "token_url", "resource_url", "revoke_url"):
            if getattr(self, name) is not None:
                _check_url(self.name, name, getattr(self, name), is_page=name == "authorize_url")
        reserved = sorted(_RESERVED & set(self.authorize_parameters))
        if reserved:
            raise _invalid(self.name, "authorize_parameters", f"contains {reserved[0]}, which greenkit sets itself")
        if not self.resource_url.endswith("/"):
            raise _invalid(self.name, "resource_url", "must end with a slash, as in …/resource/")
        if not is_zone(self.zone):
            raise _invalid(
                self.name, "zone", f"is {self.zone!r}, but it must be an IANA time zone such as America/Chicago"
            )
        if self.window_days is not None and not 1 <= self.window_days <= 36_525:
            raise _invalid(self.name, "window_days", f"is {self.window_days}, but it must be from 1 to 36,525")
        for name in ("token_lifetime", "pending_wait"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise _invalid(self.name, name, f"is {getattr(self, name)}, but it must be greater than 0")
        for count, seconds in self.limits:
            if not (0 < count <= 1_000_000 and 0 < seconds <= 31_536_000):  # false for NaN too
                raise _invalid(
                    self.name, "limits", f"contains [{count}, {seconds}], but both numbers must be greater than 0"
                )

    def facts(self) -> dict[str, Any]:
        """Return the fields that do not have their default."""
        return {f.name: value for f in dataclasses.fields(self) if (value := getattr(self, f.name)) != _default(f)}

    def __repr__(self) -> str:
        return f"Profile({', '.join(f'{name}={value!r}' for name, value in self.facts().items())})"

    def at(self, url: str) -> Profile:
        """Return the profile with every URL at another origin (``https://host[:port]``) and the same paths."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise _invalid(self.name, "url", "is not a valid URL") from None
        origin = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

        def moved(address: str | None) -> str | None:
            return None if address is None else origin + urlsplit(address).path

        return dataclasses.replace(
            self,
            authorize_url=moved(self.authorize_url) or "",
            token_url=moved(self.token_url) or "",
            resource_url=moved(self.resource_url) or "",
            revoke_url=moved(self.revoke_url),
            hosts=(),
        )

    def complete(self) -> Profile:
        """Return the profile itself if it has URLs.

        Raises
        ------
        SettingsError
            If it is a platform's profile without a host.
        """
        if self.token_url.startswith("/") or self.resource_url.startswith("/"):
            raise SettingsError(
                f"The profile {self.name} serves many utilities, so it contains no host",
                next_step=f'Pass the address of your utility: connect("{self.name}", url="https://…").',
            )
        return self


def _default(of: dataclasses.Field[Any]) -> Any:
    return of.default if of.default_factory is dataclasses.MISSING else of.default_factory()


def load(source: str | os.PathLike[str] | Profile) -> Profile:
    """Load a profile: a shipped one by its name, a user's own by the path of its TOML file.

    Parameters
    ----------
    source : str, path, or Profile
        A name of :data:`SHIPPED`, or a file with ``name``, the three URLs, and any other field of :class:`Profile`.
        ``based_on = "pge"`` takes the other fields from that profile. A relative path in ``based_on`` starts from the
        folder of the file.

    Raises
    ------
    SettingsError
        If there is no such profile, or the file has an unknown key, a value of the wrong type, or a URL that is not
        https.

    Examples
    --------
    >>> load("pge").window_days
    28
    >>> load("pgee")
    Traceback (most recent call last):
    greenkit.errors.SettingsError: There is no profile 'pgee'. Did you mean 'pge'? Or pass the path of a TOML file.
    """
    return _load(source, ())


def _load(source: str | os.PathLike[str] | Profile, seen: tuple[Path, ...]) -> Profile:
    if isinstance(source, Profile):
        return source
    if str(source) in SHIPPED:
        found: Profile = import_module(f"greenkit.custodian.profiles.{source}").PROFILE
        return found
    path = Path(source)
    if path.suffix != ".toml":
        near = difflib.get_close_matches(str(source).lower()[:60], SHIPPED, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(SHIPPED)}."
        raise SettingsError(
            f"There is no profile {str(source)[:60]!r}", next_step=f"{hint} Or pass the path of a TOML file."
        )
    tables = _toml.parse(path)  # raises for a path that cannot be expanded, too
    path = path.expanduser().absolute()
    if path in seen:
        raise SettingsError(f"{path}: based_on leads back to this file", next_step="Name another profile as based_on.")
    return _convert(tables, str(path), (*seen, path))


def parse(facts: Mapping[str, Any], *, where: str = "profile") -> Profile:
    """Check the tables of a TOML file and build a :class:`Profile`.

    Parameters
    ----------
    facts : mapping
        Tables, as ``tomllib`` returns them.
    where : str
        Name of the source in errors.
    """
    return _convert(facts, where, ())


def _convert(facts: Mapping[str, Any], where: str, seen: tuple[Path, ...]) -> Profile:
    facts = dict(facts)
    base, based_on = None, facts.pop("based_on", None)
    if based_on is not None:
        if not isinstance(based_on, str):
            raise SettingsError(
                f"{where}: based_on must be the name of a profile, in quotes", next_step='Write based_on = "pge".'
            )
        near = seen[-1].parent / based_on if seen and based_on.endswith(".toml") and based_on[0] != "~" else based_on
        base = _load(near, seen)
    return _toml.convert(facts, Profile, name=where, base=base)


def _check_url(profile: str, name: str, url: str, *, is_page: bool) -> None:
    """Raise unless a URL is https; only a sign-in page on this machine may be http."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _invalid(profile, name, "is not a valid URL") from None
    plain = parts.scheme == "http" and is_page and host in LOOPBACK
    path_only = not parts.scheme and not parts.netloc and url.startswith("/")
    if not (parts.scheme == "https" and host) and not plain and not path_only:
        raise _invalid(profile, name, "must be an https URL", "Write it as https://host/path.")
    if parts.username is not None or parts.password is not None or parts.fragment or parts.query or "\\" in url:
        raise _invalid(
            profile, name, "contains more than host and path", "Remove the user name, the query, and the fragment."
        )


def _invalid(profile: str, name: str, problem: str, next_step: str = "") -> SettingsError:
    return SettingsError(f"Profile {profile}: {name} {problem}", next_step=next_step or f"Correct {name}.")
