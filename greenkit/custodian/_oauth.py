"""The token endpoint: three grants and a revocation (RFC 6749, 7009, 8705), each one stateless call of Authlib.

Authlib builds the body and the request. This module requires what Authlib leaves open: status 200 or 201, a JSON
object, a token that is not empty, and type bearer. The session is made for one call and never holds a token. It is
never passed the redirect URL, because Authlib answers a customer's refusal with a client-credentials request.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from greenkit import _net
from greenkit.custodian import _transport
from greenkit.custodian._tokens import Token
from greenkit.custodian._transport import RateLimiter, Tls, url_label
from greenkit.custodian.profiles import Profile
from greenkit.errors import (
    AuthorizationExpired,
    CertificateRejected,
    ClientRejected,
    FormatError,
    RemoteError,
    ServerUnavailable,
)
from greenkit.secret import Secret

ANSWER_LIMIT: Final = 1 << 20
"""Largest token answer [bytes]."""
TOTAL: Final = 90.0
"""Longest time [s] for one token request; shorter than the wait for the lock of a token store."""
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}

# Authlib's names for the ways in which a client authenticates. With a certificate alone (RFC 8705) the body contains
# only the client ID, which Authlib calls "none".
_AUTH_METHODS: Final = {"post": "client_secret_post", "tls_client_auth": "none"}

Check = Callable[[requests.Response], requests.Response]

# RFC 6749, 5.2: error code → (error, meaning, next step). Other codes are not repeated, because a server can send
# anything in their place.
_ERRORS: Final[Mapping[str, tuple[type[RemoteError], str, str]]] = {
    "invalid_grant": (
        AuthorizationExpired,
        "the grant has ended",
        "Call authorize(), because the customer must sign in again.",
    ),
    "invalid_client": (
        ClientRejected,
        "the client ID or secret is not accepted",
        "Check client_id and client_secret against the registration.",
    ),
    "unauthorized_client": (
        ClientRejected,
        "this client may not use this grant",
        "Ask the utility to enable the grant for your registration.",
    ),
    "unsupported_grant_type": (ClientRejected, "the utility does not offer this grant", "Pass another grant."),
    "invalid_scope": (ClientRejected, "the scope is not accepted", "Set scope to the scope of the registration."),
    "invalid_request": (
        ClientRejected,
        "the request is not accepted",
        "Check client_auth, pkce, and scope in the profile.",
    ),
    "temporarily_unavailable": (ServerUnavailable, "the utility cannot answer now", "Try again later."),
    "server_error": (ServerUnavailable, "the utility cannot answer now", "Try again later."),
}


class _Checked(Exception):
    """Ends Authlib's call once the answer has been checked, before Authlib reads it in its own way."""


class TokenEndpoint:
    """One utility's token endpoint.

    Parameters
    ----------
    profile : Profile
        Its address and habits.
    client_id : str
    client_secret : Secret or None
        From the registration. None with ``client_auth = "tls_client_auth"``.
    tls : Tls
        The client certificate.
    timeout : float
        Longest silence of the server [s].
    proxy : Proxy, optional
        Proxy that opens the connections.
    limiter : RateLimiter, optional
        Token requests count towards the utility's limits, too.
    """

    def __init__(
        self,
        profile: Profile,
        client_id: str,
        client_secret: Secret | None,
        tls: Tls,
        *,
        timeout: float = 60.0,
        proxy: _net.Proxy | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._limiter = limiter or RateLimiter(profile.limits)
        self._profile, self._id, self._secret = profile.complete(), client_id, client_secret
        self._tls, self._timeout, self._proxy = tls, timeout, proxy
        self._total = TOTAL

    def exchange(self, code: Secret, *, redirect_uri: str, verifier: Secret | None) -> Token:
        """Exchange an authorization code for a grant (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
        return self._token("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)

    def refresh(self, token: Token) -> Token:
        """Renew a grant (RFC 6749, 6), and keep what the answer leaves out.

        Raises
        ------
        AuthorizationExpired
            If the grant has ended.
        """
        if token.refresh is None:
            raise AuthorizationExpired(
                "The grant has ended, and the utility gave no refresh token", next_step="Call authorize()."
            )
        mode = self._profile.refresh_scope
        scope = {"omit": None, "granted": token.scope, "fixed": self._profile.scope}[mode]
        return token.renewed_with(self._token("refresh_token", refresh_token=token.refresh, scope=scope))

    def client_credentials(self) -> Token:
        """Request a token of the client's own (RFC 6749, 4.4), for bulk data and the registration."""
        return self._token("client_credentials", scope=self._profile.client_scope)

    def revoke(self, token: Token) -> None:
        """End a grant (RFC 7009), if the utility has an endpoint for it."""
        which = token.refresh or token.access
        hint = "refresh_token" if token.refresh else "access_token"
        url = self._profile.revoke_url or ""

        def call(session: Any, check: Check) -> None:
            check(
                session.revoke_token(
                    url, token=which.reveal(), token_type_hint=hint, headers=dict(_HEADERS), **self._options()
                )
            )

        self._call(url, call, self._check_revoked)

    def _token(self, grant: str, **fields: Secret | str | None) -> Token:
        url, tokens, now = self._profile.token_url, list[Token](), time.time()

        def call(session: Any, check: Check) -> None:
            plain = {k: v.reveal() if isinstance(v, Secret) else v for k, v in fields.items() if v}
            if grant == "refresh_token":
                session.register_compliance_hook("refresh_token_response", check)
                session.refresh_token(url, headers=dict(_HEADERS), **plain, **self._options())
            else:
                session.register_compliance_hook("access_token_response", check)
                session.fetch_token(url, grant_type=grant, headers=dict(_HEADERS), **plain, **self._options())

        self._call(url, call, lambda response: tokens.append(self._token_of(response, grant, now)))
        return tokens[0]

    def _options(self) -> dict[str, Any]:
        return {"timeout": (_transport.CONNECT, self._timeout), "allow_redirects": False}

    def _call(self, url: str, call: Callable[[Any, Check], None], check: Callable[[requests.Response], None]) -> None:
        """Make one call with a new session. Every failure leaves here without the frames that hold secrets."""
        session, deadline = self._session(), _net.Deadline(self._total)
        fault: BaseException

        def hook(response: requests.Response) -> requests.Response:
            check(response)
            raise _Checked

        try:
            self._limiter.wait()
            deadline = _net.Deadline(self._total)
            with deadline:
                call(session, hook)
        except _Checked:
            return
        except (requests.RequestException, HTTPError, OSError) as e:
            fault = _transport.exchange_error(e, url, deadline, timeout=self._timeout, proxy=self._proxy)
        except BaseException as e:  # noqa: BLE001 raised again, without the frames that hold the code and the tokens
            fault = _net.strip_traceback(e)
        finally:
            session.close()
        raise fault

    def _session(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        method = _AUTH_METHODS.get(self._profile.client_auth, self._profile.client_auth)
        session = OAuth2Session(
            self._id,
            self._secret.reveal() if self._secret else None,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )
        session.register_client_auth_method(("basic", _basic(_form_encoded)))
        session.register_client_auth_method(("basic_raw", _basic(str)))
        session.headers["User-Agent"] = self._profile.user_agent
        _transport.configure(session, self._tls, limit=ANSWER_LIMIT, proxy=self._proxy)
        return session

    def _token_of(self, response: requests.Response, grant: str, now: float) -> Token:
        """Check a token answer (RFC 6749, 5.1) and build the token."""
        where, body = url_label(self._profile.token_url), _json(response)
        if response.status_code not in (200, 201):
            raise self._refusal(response, body, grant)
        if not isinstance(body, dict):
            raise FormatError(
                f"{where} did not return a JSON object",
                next_step="Check token_url in the profile.",
            )
        access = body.get("access_token") or (
            grant == "client_credentials" and body.get(self._profile.client_token_field)
        )
        if not access and isinstance(body.get("error"), str):  # some report errors with status 200
            raise self._refusal(response, body, grant)
        if not isinstance(access, str) or not access or not access.isascii() or not access.isprintable():
            raise FormatError(
                f"{where} answered without an access token", next_step="Check client_token_field in the profile."
            )
        # a token without a type can only be a bearer token
        if str(body.get("token_type") or "bearer").strip().lower() not in self._profile.token_types:
            raise FormatError(
                f"{where} sent a token that is not a bearer token, which greenkit cannot use",
                next_step="Ask the utility for bearer tokens, or add its type to token_types in a profile of your own.",
            )
        return Token.from_answer(body, access=access, lifetime=self._lifetime(body.get("expires_in")), now=now)

    def _lifetime(self, given: object) -> float:
        """Read ``expires_in`` [s], a number or numeric text; the profile's lifetime if it is neither."""
        try:
            lifetime = float(str(given))
        except ValueError:
            lifetime = 0.0
        return lifetime if 0 < lifetime < 1e10 else self._profile.token_lifetime

    def _refusal(self, response: requests.Response, body: object, grant: str) -> RemoteError:
        """Translate a refusal. Faults of the client, the end of the grant, and an unavailable server differ."""
        where, status = url_label(self._profile.token_url), response.status_code
        rejected = certificate_rejected(self._profile, response.content[:1000], where, sent=bool(self._tls.certificate))
        if rejected is not None and 400 <= status < 500:
            return rejected
        shared = _net.http_error(
            status, where, wait=_net.retry_after(response.headers.get("Retry-After")), check="token_url in the profile"
        )
        if shared is not None:
            return shared
        code = str(body.get("error", "")).strip().lower() if isinstance(body, dict) else ""
        if status == 401 and code != "invalid_grant":
            code = "invalid_client"
        if code in _ERRORS:
            error, meaning, step = _ERRORS[code]
            if error is AuthorizationExpired and grant == "client_credentials":
                error, meaning = ClientRejected, "the client credentials are not accepted"
                step = "Check the registration."
            if isinstance(body, dict) and mentions_pkce(body.get("error_description")) and not self._profile.pkce:
                error, meaning, step = ClientRejected, "the utility requires PKCE", PKCE_STEP
            if error is AuthorizationExpired:
                return AuthorizationExpired(f"{where} answered {code}: {meaning}", final=True, next_step=step)
            return error(f"{where} answered {code}: {meaning}", next_step=step)
        if status == 403 and grant != "client_credentials":
            return AuthorizationExpired(f"{where} refused the grant (status 403)", next_step="Call authorize().")
        if status == 400 and grant == "refresh_token":  # the grant is kept, because the cause may be something else
            return AuthorizationExpired(
                f"{where} refused to renew the grant (status 400) without a reason",
                next_step="Call authorize(), and check refresh_scope in the profile if that does not help.",
            )
        return ClientRejected(
            f"{where} refused the request (status {status})", next_step="Check client_id and the registration."
        )

    def _check_revoked(self, response: requests.Response) -> None:
        if response.status_code not in (200, 204):
            raise self._refusal(response, _json(response), "revoke")


PKCE_STEP: Final = "Set pkce = true in a profile of your own."


def mentions_pkce(description: object) -> bool:
    """Return whether a refusal mentions PKCE; its text is never shown, because a server can send anything in it."""
    text = description.lower() if isinstance(description, str) else ""
    return any(word in text for word in ("code_challenge", "code challenge", "code_verifier", "code verifier", "pkce"))


def certificate_rejected(profile: Profile, head: bytes, where: str, *, sent: bool) -> CertificateRejected | None:
    """Return the error for an answer that refuses the client certificate in words; None for any other answer.

    Parameters
    ----------
    profile : Profile
        Its ``certificate_phrases`` are the words.
    head : bytes
        Begin of the answer.
    where : str
        The resource, as the error names it.
    sent : bool
        Whether a certificate was sent.
    """
    text = head.decode("latin-1").lower()
    if not any(phrase.lower() in text for phrase in profile.certificate_phrases):
        return None
    if not sent:
        return CertificateRejected(
            f"{where} requires a client certificate, and none is set",
            next_step="Set certificate and certificate_key to the registered certificate.",
        )
    return CertificateRejected(
        f"{where} does not accept the client certificate",
        next_step="Set certificate to the one that is registered with the utility, and check that it has not expired.",
    )


def _form_encoded(text: str) -> str:
    # a space as %20, which servers that decode forms and servers that decode URLs both understand
    return quote(text, safe="")


def _basic(encode: Callable[[str], str]) -> Callable[..., Any]:
    """Return a client authentication for Authlib: RFC 6749, 2.3.1 form-encodes ID and secret before Base64."""

    def prepare(client: Any, method: str, uri: str, headers: Any, body: Any) -> Any:
        pair = f"{encode(client.client_id)}:{encode(client.client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return uri, headers, body

    return prepare


def _json(response: requests.Response) -> object:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None
