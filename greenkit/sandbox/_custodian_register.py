"""The data of the simulated utility, in memory: its third party, customers, authorizations, codes, and tokens."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

import flask
import pandas as pd
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin

from greenkit import synthetic
from greenkit.custodian.profiles import Profile
from greenkit.synthetic import Dialect, Meter, _resources

CODE_LIFE: Final = 600.0
_METHODS: Final = {"basic": "client_secret_basic", "basic_raw": "client_secret_basic", "post": "client_secret_post"}


@dataclass
class Application(ClientMixin):  # type: ignore[misc]
    """The only registered third party."""

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
        """Return whether a redirect URI is registered; a loopback address may have any port (RFC 8252, 7.3)."""
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
    """A simulated customer with meters."""

    id: int
    name: str
    password: str = field(repr=False)
    meters: tuple[Meter, ...]

    def get_user_id(self) -> int:
        return self.id


@dataclass
class Authorization:
    """The approval of a customer, valid until it is revoked or a refresh token is used twice."""

    id: int
    customer: Customer
    meters: tuple[Meter, ...]
    scope: str
    began: float
    active: bool = True


@dataclass
class Issued(TokenMixin):  # type: ignore[misc]
    """An access token and its refresh token."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    authorization: Authorization | None  # None: the token of the third party itself
    scope: str
    until: float
    spent: bool = False  # whether its refresh token was used

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
    """An authorization code."""

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
    """The tables of customers, authorizations, codes, and tokens."""

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
        """Add the approval of a customer, and end an older one, as PG&E does."""
        with self.lock:
            for old in self.authorizations.values():
                if old.customer is customer:
                    old.active = False
            number = 50_000 + len(self.authorizations)
            self.authorizations[number] = Authorization(number, customer, meters, scope, time.time())
            return self.authorizations[number]

    def issued(self, access: str) -> Issued | None:
        """Return a token by its text."""
        with self.lock:
            return next((t for t in self.tokens if hmac.compare_digest(t.access.encode(), access.encode())), None)

    def expire_access(self) -> None:
        """Expire every access token now. The grants stay valid."""
        with self.lock:
            for token in self.tokens:
                token.until = 0.0


def new_secret() -> str:
    """Return a client secret with every character that must be encoded in a Basic header."""
    return secrets.token_urlsafe(18) + "%+/:& ~"


ATOM: Final = "application/atom+xml"
BULK_ID: Final = 50_916
USUAL_DAYS: Final = 30
"""Days of an answer without a window, if the profile has no maximum."""
_DAY: Final = 86_400


class Refusal(Exception):
    """An HTTP answer other than data."""

    def __init__(self, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class Job:
    """A request whose data the utility prepares."""

    ready: float
    key: str = field(default_factory=lambda: secrets.token_hex(8))


class Resources:
    """The documents that the utility serves.

    Parameters
    ----------
    register : Register
        Authorizations and tokens.
    base : str
        Address of the resources, with a trailing slash.
    dialect : str or Dialect
        Dialect of the feeds.
    """

    def __init__(self, register: Register, base: str, dialect: str | Dialect) -> None:
        self._register, self._base, self._profile = register, base, register.profile
        named = synthetic.DIALECTS[dialect] if isinstance(dialect, str) else dialect
        # a server knows when it made an entry; the placeholder of some senders would read as a date in 1899
        dates = "utc" if named.dates == "placeholder" else named.dates
        self._dialect = replace(named, base=base.rstrip("/"), dates=dates)
        self.jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    # -- usage

    def usage(self, meters: tuple[Meter, ...], query: Mapping[str, str], *, bulk: bool = False) -> Iterator[bytes]:
        """Return a feed of the readings in the requested window, or 204 if it is empty."""
        start, end = self.window(query, bulk=bulk)
        if start >= end or not meters:
            raise Refusal(204)
        return synthetic.stream_espi(meters, start, end, dialect=self._dialect)

    def window(self, query: Mapping[str, str], *, bulk: bool = False) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return the requested window, as the utility of the profile reads it, up to now."""
        names = self._profile.bulk_window_parameters if bulk else self._profile.window_parameters
        now = pd.Timestamp.now("UTC").floor("15min")
        texts = [query.get(name) for name in names]
        start, end = (self._instant(t) if t else None for t in texts)
        if end is not None and end > now and self._profile.clip_future:
            raise Refusal(400)
        end = end or now
        longest = self._profile.window_days
        start = start if start is not None else end - pd.Timedelta(days=longest or USUAL_DAYS)
        if start >= end or (longest and end - start > pd.Timedelta(days=longest, hours=1)):
            raise Refusal(400)
        return start, min(end, now)

    def _instant(self, text: str) -> pd.Timestamp:
        if self._profile.dates == "epoch":
            if not text.isdecimal():
                raise Refusal(400)
            return pd.Timestamp(int(text), unit="s", tz="UTC")
        if not (len(text) == 20 and text.endswith("Z")):  # a fraction of a second is refused, as by real utilities
            raise Refusal(400)
        try:
            return pd.Timestamp(text)
        except ValueError:
            raise Refusal(400) from None

    def pending(self, url: str, seconds: float, *, kept: bool) -> Job | None:
        """Return the job of a request, new or running, or None if its data is ready."""
        with self._lock:
            job = self.jobs.get(url)
            if job is not None and time.monotonic() >= job.ready:
                if not kept:
                    del self.jobs[url]
                return None
            if job is None:
                job = self.jobs[url] = Job(time.monotonic() + seconds)
            return job

    def usage_points(self, meters: tuple[Meter, ...]) -> Iterator[bytes]:
        """Return a feed of the usage points only."""
        dialect = replace(self._dialect, readings=False, summary=None, power_quality=False)
        now = pd.Timestamp.now("UTC").floor("s")
        return synthetic.stream_espi(meters, now - pd.Timedelta(days=1), now, dialect=dialect)

    # -- everything else

    def authorizations(self, one: int | None = None) -> bytes:
        """Return the authorizations of customers, and the bulk authorization of the third party."""
        found = [self._grant(a) for a in self._register.authorizations.values()]
        now = int(time.time())
        found.append(_resources.Grant(BULK_ID, now - _DAY, now + 365 * _DAY, f"Batch/Bulk/{BULK_ID}"))
        found = [g for g in found if one in (None, g.number)]
        if not found:
            raise Refusal(404)
        return _resources.authorizations(found, now, one=one is not None, dialect=self._dialect)

    def _grant(self, a: Authorization) -> _resources.Grant:
        began, customer = int(a.began), f"Batch/RetailCustomer/{a.customer.id}"
        usage = f"Batch/Subscription/{a.id}"
        return _resources.Grant(a.id, began, began + 365 * _DAY, usage, a.active, a.scope, customer)

    def service_status(self) -> bytes:
        """Return the status of the service: up."""
        return _resources.status()

    def application_information(self) -> bytes:
        """Return the registration of the third party, with its secret, as utilities do."""
        app, profile = self._register.application, self._profile
        registered = _resources.Application(
            app.id,
            app.secret,
            tuple(app.redirect_uris),
            token_endpoint=profile.token_url,
            authorization_endpoint=profile.authorize_url,
        )
        return _resources.application(registered, int(time.time()), dialect=self._dialect)

    def retail_customer(self, a: Authorization) -> Iterator[bytes]:
        """Return the names and addresses of the customers of an authorization."""
        now = pd.Timestamp.now("UTC").floor("s")
        return synthetic.stream_customers(a.meters, now - pd.Timedelta(days=USUAL_DAYS), now, dialect=self._dialect)


def allowed_meters(register: Register, token: Issued, subscription: int | None) -> tuple[Meter, ...]:
    """Return the meters that a token opens, or raise 403 for the subscription of another customer."""
    if subscription is None:
        return tuple(m for a in register.authorizations.values() if a.active for m in a.meters)
    found = register.authorizations.get(subscription)
    if found is None:
        raise Refusal(404)
    if token.authorization is not found or not found.active:
        raise Refusal(403)
    return found.meters


def answer(body: bytes | Iterator[bytes]) -> flask.Response:
    """Return the HTTP answer with a document."""
    return flask.Response(body, content_type=ATOM)
