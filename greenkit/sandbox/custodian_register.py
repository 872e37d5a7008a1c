"""What the pretend utility knows: its one third party, customers, authorizations, codes and tokens, in memory."""

# ruff: noqa: D102 what the methods have to do is documented by Authlib's mixins
from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin

from greenkit.custodian.profiles import Profile
from greenkit.synthetic import Meter

CODE_LIFE: Final = 600.0
_METHODS: Final = {"basic": "client_secret_basic", "basic_raw": "client_secret_basic", "post": "client_secret_post"}


@dataclass
class Application(ClientMixin):  # type: ignore[misc]
    """The one third party that is registered."""

    id: str
    secret: str = field(repr=False)
    redirect_uris: list[str]
    profile: Profile

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare as RFC 8252, 7.3 has it: a loopback address may come with any port."""
        return any(_without_port(redirect_uri) == _without_port(known) for known in self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == _METHODS[self.profile.client_auth]

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in (*self.profile.grants, "refresh_token")


def _without_port(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.hostname or "").geturl() if parts.hostname == "127.0.0.1" else uri


@dataclass
class Customer:
    """A pretend customer, with meters."""

    id: int
    name: str
    password: str = field(repr=False)
    meters: tuple[Meter, ...]

    def get_user_id(self) -> int:
        return self.id


@dataclass
class Authorization:
    """What a customer has allowed: it lives until it is revoked, or a refresh token is used twice."""

    id: int
    customer: Customer
    meters: tuple[Meter, ...]
    scope: str
    began: float
    active: bool = True


@dataclass
class Issued(TokenMixin):  # type: ignore[misc]
    """One access token and the refresh token that came with it."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    authorization: Authorization | None  # None: our third party's own token
    scope: str
    until: float
    spent: bool = False  # its refresh token was used

    def check_client(self, client: Application) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return max(0, int(self.until - time.time()))

    def is_expired(self) -> bool:
        return time.time() >= self.until

    def is_revoked(self) -> bool:
        return self.authorization is not None and not self.authorization.active

    def get_user(self) -> Customer | None:
        return self.authorization.customer if self.authorization else None


@dataclass
class Code:
    """One authorization code."""

    code: str = field(repr=False)
    redirect_uri: str
    scope: str
    authorization: Authorization
    until: float
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return time.time() >= self.until


class Register:
    """The tables: customers, authorizations, codes, tokens."""

    def __init__(
        self, profile: Profile, customers: tuple[Customer, ...], redirect_uris: list[str], secret: str
    ) -> None:
        self.profile, self.customers = profile, customers
        self.application = Application("greenkit-sandbox", secret, redirect_uris, profile)
        self.lock = threading.RLock()
        self.authorizations: dict[int, Authorization] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: list[Issued] = []
        self.token_life = 3600.0
        self.rotates = True
        self.counts: Counter[str] = Counter()

    def allow(self, customer: Customer, meters: tuple[Meter, ...], scope: str) -> Authorization:
        """Note what a customer allows; an older authorization of theirs ends, as at PG&E."""
        with self.lock:
            for old in self.authorizations.values():
                if old.customer is customer:
                    old.active = False
            number = 50_000 + len(self.authorizations)
            self.authorizations[number] = Authorization(number, customer, meters, scope, time.time())
            return self.authorizations[number]

    def issued(self, access: str) -> Issued | None:
        """Find a token by its text."""
        with self.lock:
            return next((t for t in self.tokens if hmac.compare_digest(t.access.encode(), access.encode())), None)

    def expire_access(self) -> None:
        """End every access token now, as if their hour had passed; the grants live on."""
        with self.lock:
            for token in self.tokens:
                token.until = 0.0


def new_secret() -> str:
    """Make a client secret with every character that has to be encoded in a Basic header."""
    return secrets.token_urlsafe(18) + "%+/:& ~"
