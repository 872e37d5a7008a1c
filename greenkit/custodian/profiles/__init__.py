"""What is particular to a utility, as facts: one small module for each, or a user's own TOML file.

A profile holds no code. Whatever differs between two Green Button Connect services is a field below, so that the
client itself has no ``if`` for a utility. Where a platform serves many utilities, its profile holds paths, and
``Profile.at("https://…")`` makes them addresses.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from greenkit.errors import SettingsError

SHIPPED: Final = (
    "pge",
    "pge_test",
    "utilityapi",
    "london_hydro",
    "savage_data",
    "kentucky_utilities",
    "con_edison",
    "generic",
)
_RESERVED: Final = frozenset(
    {"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state"}
)
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, repr=False)
class Profile:
    """The facts of one utility's Green Button Connect service.

    Every field can stand in a TOML file of the user's own; see :func:`load`.
    """

    name: str
    title: str = ""
    # where things are: addresses, or paths when the profile is a platform's
    authorize_url: str
    token_url: str
    resource_url: str  # everything below it, and nothing else, is sent the bearer token
    revoke_url: str | None = None  # RFC 7009, where the service has it
    hosts: tuple[str, ...] = ()  # further "host" or "host:port" that hold resources under the same path
    zone: str = "UTC"  # in which a plain date begins
    # OAuth
    grants: tuple[str, ...] = ("authorization_code",)
    client_auth: Literal["basic", "basic_raw", "post"] = "basic"
    scope: str | None = None  # asked for at the authorization
    authorize_parameters: Mapping[str, str] = field(default_factory=dict)  # further ones of the authorization's link
    client_scope: str | None = None  # asked for with client credentials
    refresh_scope: Literal["omit", "granted", "fixed"] = "omit"
    client_token_field: str = "access_token"  # noqa: S105 a field's name
    token_lifetime: float = 3600.0  # [s] where the answer has no expires_in
    pkce: bool = False
    issuer: str | None = None  # RFC 9207: the redirect must name it
    mutual_tls: bool = True
    # windows and dates
    dates: Literal["epoch", "iso"] = "iso"
    window_parameters: tuple[str, str] = ("published-min", "published-max")
    bulk_window_parameters: tuple[str, str] = ("published-min", "published-max")
    window_days: int | None = None  # longest window of one request
    clip_future: bool = False  # an end in the future is refused: ask up to now
    whole_days: bool = False  # a start that drifts makes a new job each time: begin at local midnight
    # answers of the resources
    renew_on: tuple[int, ...] = (401, 403)  # may be an access token that has ended: renew it once
    pending_wait: float = 60.0  # [s] before the same window is asked for again, when a 202 does not say
    meanings: Mapping[int, str] = field(default_factory=dict)  # status → what it means here, for error texts
    # manners
    limits: tuple[tuple[int, float], ...] = ((1, 1.0),)  # (requests, seconds)
    user_agent: str = "greenkit"
    # what only a registered account can tell, said plainly
    unverified: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("authorize_url", "token_url", "resource_url", "revoke_url"):
            if getattr(self, name) is not None:
                _check_address(f"profile {self.name}: {name}", getattr(self, name), page=name == "authorize_url")
        taken = sorted(_RESERVED & set(self.authorize_parameters))
        if taken:
            raise SettingsError(
                f"profile {self.name}: authorize_parameters holds {taken[0]}, which greenkit sets itself"
            )
        if not self.resource_url.endswith("/"):
            raise SettingsError(f"profile {self.name}: resource_url must end with a slash, as in …/resource/")

    def facts(self) -> dict[str, Any]:
        """Give the fields that differ from what is usual."""
        return {f.name: value for f in dataclasses.fields(self) if (value := getattr(self, f.name)) != _usual(f)}

    def __repr__(self) -> str:
        return f"Profile({', '.join(f'{name}={value!r}' for name, value in self.facts().items())})"

    def at(self, url: str) -> Profile:
        """Give the profile with every address at another origin (``https://host[:port]``), the paths kept."""
        parts = urlsplit(url)
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
        """Give the profile itself when it has addresses; SettingsError when it is a platform's, without a host."""
        if self.token_url.startswith("/") or self.resource_url.startswith("/"):
            raise SettingsError(
                f'profile {self.name} serves many utilities: name yours, as in connect("{self.name}", url="https://…")'
            )
        return self


def _usual(of: dataclasses.Field[Any]) -> Any:
    return of.default if of.default_factory is dataclasses.MISSING else of.default_factory()


def load(source: str | os.PathLike[str] | Profile) -> Profile:
    """Find a profile: a shipped one by name, a user's own by the path of its TOML file.

    Parameters
    ----------
    source : str, path or Profile
        A name of :data:`SHIPPED`, or a file with ``name``, the three addresses, and any other field of
        :class:`Profile`. ``based_on = "pge"`` in it takes the other fields from that profile.

    Raises
    ------
    SettingsError
        No such profile, a key that is no field, a value of the wrong type, an address that is not https.

    Examples
    --------
    >>> load("pge").window_days
    28
    >>> load("pgee")
    Traceback (most recent call last):
    greenkit.errors.SettingsError: there is no profile 'pgee': did you mean 'pge'? Or give the path of a TOML file
    """
    if isinstance(source, Profile):
        return source
    if str(source) in SHIPPED:
        found: Profile = import_module(f"greenkit.custodian.profiles.{source}").PROFILE
        return found
    path = Path(source).expanduser()
    if path.suffix != ".toml":
        import difflib

        near = difflib.get_close_matches(str(source).lower(), SHIPPED, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"shipped are {', '.join(SHIPPED)}."
        raise SettingsError(f"there is no profile {str(source)!r}: {hint} Or give the path of a TOML file")
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise SettingsError(f"the profile {path} cannot be read: {e}") from None
    return parse(facts, where=str(path))


def parse(facts: Mapping[str, Any], *, where: str = "profile") -> Profile:
    """Check the facts that stand in a TOML file, and make a :class:`Profile` of them."""
    facts = dict(facts)
    base = facts.pop("based_on", None)
    hints = typing.get_type_hints(Profile)
    unknown = [key for key in facts if key not in hints]
    if unknown:
        raise SettingsError(f"{where}: {unknown[0]} is no field of a profile: known are {', '.join(hints)}")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in facts.items()}
    if base is not None:
        return dataclasses.replace(load(str(base)), **values)
    needed = [name for name in ("name", "authorize_url", "token_url", "resource_url") if name not in values]
    if needed:
        raise SettingsError(f"{where} lacks {', '.join(needed)}: write them, or take another's with based_on")
    return Profile(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    """Turn what TOML can hold into what the field holds, or say what it has to be."""
    kind, inside = typing.get_origin(hint), typing.get_args(hint)
    if kind is types.UnionType:
        return _value(inside[0], value, where)
    if kind is Literal:
        if value not in inside:
            raise SettingsError(f"{where} is {value!r}: write one of {', '.join(inside)}")
        return value
    if kind is tuple and isinstance(value, list):
        each = [inside[0]] * len(value) if inside[-1] is Ellipsis else list(inside)
        if len(each) == len(value):
            return tuple(_value(h, v, where) for h, v in zip(each, value, strict=True))
    if kind is Mapping and isinstance(value, dict) and (inside[0] is str or all(k.isdecimal() for k in value)):
        return {inside[0](k): _value(str, v, where) for k, v in value.items()}
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    raise SettingsError(f"{where} has a value of the wrong type: the field is {getattr(hint, '__name__', hint)}")


def _check_address(what: str, url: str, *, page: bool) -> None:
    """Demand https everywhere; only a sign-in page on this very machine may do without it."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and page and parts.hostname in LOOPBACK
    path_only = not parts.scheme and not parts.netloc and url.startswith("/")
    if not (parts.scheme == "https" and parts.hostname) and not plain and not path_only:
        raise SettingsError(f"{what} is not an https address: write https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment or parts.query or "\\" in url:
        raise SettingsError(f"{what} holds more than host and path: take user, query and fragment out of it")
