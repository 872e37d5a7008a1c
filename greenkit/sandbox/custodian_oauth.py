"""The pretend utility's OAuth 2.0 server: Authlib's provider over plain tables in memory.

Authorization codes with PKCE, refresh tokens that serve once (and end the whole grant when one is used again),
client credentials, revocation; in the dialect of a profile.
"""

# ruff: noqa: D102 what the methods have to do is documented by Authlib's mixins and grants
from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

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
    from urllib.parse import urlsplit

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
class _Code:
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
        self.codes: dict[str, _Code] = {}
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


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post"]

    def save_authorization_code(self, code: str, request: Any) -> None:
        register, data = self.server.register, request.payload.data
        register.codes[code] = _Code(
            code,
            request.payload.redirect_uri or register.application.redirect_uris[0],
            request.payload.scope or "",
            request.user,
            time.time() + CODE_LIFE,
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Application) -> _Code | None:
        found: _Code | None = self.server.register.codes.get(code)
        return found if found and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        self.server.register.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: _Code) -> Authorization:
        return authorization_code.authorization


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post"]

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 Authlib's name
        return bool(self.server.register.rotates)

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        register: Register = self.server.register
        with register.lock:
            found = next((t for t in register.tokens if t.refresh == refresh_token), None)
            if found is None or found.authorization is None or not found.authorization.active:
                return None
            if found.spent:  # somebody holds a copy: the whole grant ends
                found.authorization.active = False
                register.counts["reuse detected"] += 1
                return None
            found.spent = register.rotates
            return found

    def _validate_token_scope(self, token: Issued) -> None:
        if self.server.register.profile.refresh_scope == "fixed" and not self.request.payload.scope:
            raise InvalidScopeError
        super()._validate_token_scope(token)

    def authenticate_user(self, refresh_token: Issued) -> Authorization | None:
        return refresh_token.authorization

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        if self.server.register.rotates:
            refresh_token.until = 0.0


class _ClientGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post"]


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post"]

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        tokens: list[Issued] = self.server.register.tokens
        return next((t for t in tokens if token_string in (t.access, t.refresh)), None)

    def revoke_token(self, token: Issued, request: Any) -> None:
        token.until = 0.0
        if token.authorization is not None:
            token.authorization.active = False


class _Issuer(IssuerParameter):  # type: ignore[misc]
    def __init__(self, issuer: str | None) -> None:
        self.issuer = issuer

    def get_issuer(self) -> str | None:
        return self.issuer


class Provider(AuthorizationServer):  # type: ignore[misc]
    """Authlib's provider, in the dialect of a profile."""

    def __init__(self, app: flask.Flask, register: Register) -> None:
        self.register = register
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        super().__init__(app, query_client=self._application, save_token=self._save)
        self.register_grant(
            _CodeGrant, [CodeChallenge(required=False), *([_Required()] if register.profile.pkce else [])]
        )
        self.register_grant(_RefreshGrant)
        self.register_grant(_ClientGrant)
        self.register_endpoint(_Revocation)
        if register.profile.issuer:
            self.register_extension(_Issuer(register.profile.issuer))

    def _application(self, client_id: str) -> Application | None:
        return self.register.application if client_id == self.register.application.id else None

    def _save(self, token: dict[str, Any], request: Any) -> None:
        register, authorization = self.register, request.user
        token["expires_in"] = int(register.token_life)
        life = register.token_life
        with register.lock:
            register.tokens.append(
                Issued(
                    token["access_token"],
                    token.get("refresh_token"),
                    authorization,
                    token.get("scope", ""),
                    time.time() + life,
                )
            )

    def token_response(self, base: str) -> flask.Response:
        """Answer a token request, with ESPI's addresses and the profile's field names."""
        grant = flask.request.form.get("grant_type", "none")
        self.register.counts[f"token {grant}"] += 1
        with self.register.lock:
            response: flask.Response = self.create_token_response()
        if response.status_code != 200:
            return response
        answer = response.get_json()
        if grant == "client_credentials":
            answer[self.register.profile.client_token_field] = answer.pop("access_token")
        else:
            issued = self.register.issued(answer["access_token"])
            if issued is not None and issued.authorization is not None:
                a = issued.authorization
                answer["resourceURI"] = f"{base}Batch/Subscription/{a.id}"
                answer["authorizationURI"] = f"{base}Authorization/{a.id}"
                answer["customerResourceURI"] = f"{base}Batch/RetailCustomer/{a.customer.id}"
                answer["scope"] = a.scope
        response.set_data(flask.json.dumps(answer))
        return response


class _Required:
    """PKCE for a client with a secret too, which RFC 9700 asks for and Authlib leaves to public clients."""

    def __call__(self, grant: Any) -> None:
        grant.register_hook("after_validate_authorization_request_payload", self._check)

    def _check(self, grant: Any, *args: Any) -> None:
        from authlib.oauth2.rfc6749.errors import InvalidRequestError

        if not grant.request.payload.data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge'", redirect_uri=grant.request.payload.redirect_uri)


def new_secret() -> str:
    """Make a client secret with every character that has to be encoded in a Basic header."""
    return secrets.token_urlsafe(18) + "%+/:& ~"
