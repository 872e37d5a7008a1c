"""The token endpoint: three grants and a revocation (RFC 6749, 7009), each one stateless call of Authlib.

Authlib builds the body and the request. What it leaves open is demanded here: status 200, a JSON object, a token
that is not empty, type bearer. Its session is made for one call and never holds a token; it is never handed the
redirected URL, since it takes a customer's refusal for a wish to use client credentials.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, Final
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from greenkit.custodian import _transport
from greenkit.custodian._tokens import Token
from greenkit.custodian._transport import RateLimiter, Tls
from greenkit.custodian.profiles import Profile
from greenkit.errors import (
    AuthorizationExpired,
    CertificateRejected,
    ClientRejected,
    FormatError,
    GreenkitError,
    RateLimited,
    RemoteError,
    ServerUnavailable,
)
from greenkit.secret import Secret

ANSWER_LIMIT: Final = 1 << 20
"""A token answer is never longer than so many bytes."""
TOTAL: Final = 120.0
"""Longest time [s] for a whole token answer."""
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}

_BEARER: Final = ("bearer", "bearertoken")
"""Types of token that greenkit can use: Apigee writes BearerToken; one that is not named can be no other."""

Check = Callable[[requests.Response], requests.Response]

# RFC 6749, 5.2: error code → (error, what to do). Other codes are not repeated, since a server may put anything there.
_ERRORS: Final[Mapping[str, tuple[type[RemoteError], str]]] = {
    "invalid_grant": (AuthorizationExpired, "the grant has ended: authorize again"),
    "invalid_client": (ClientRejected, "client id or secret is not accepted: check both against the registration"),
    "unauthorized_client": (ClientRejected, "this client may not use this grant: ask the utility to enable it"),
    "unsupported_grant_type": (ClientRejected, "this grant is not offered: use another"),
    "invalid_scope": (ClientRejected, "the scope is refused: give the one that is registered"),
    "invalid_request": (ClientRejected, "the request is refused: check the profile's client_auth, pkce and scope"),
    "temporarily_unavailable": (ServerUnavailable, "it cannot answer now: try again later"),
    "server_error": (ServerUnavailable, "it cannot answer now: try again later"),
}


class TokenEndpoint:
    """Ask one utility for tokens.

    Parameters
    ----------
    profile : Profile
        Where and how.
    client_id : str
    client_secret : Secret
        Of the registration.
    tls : Tls
        Our certificate.
    timeout : float
        Longest silence of the server [s].
    proxies : mapping, optional
        As requests takes them.
    limiter : RateLimiter, optional
        Token requests count towards the utility's limits, too.
    """

    def __init__(
        self,
        profile: Profile,
        client_id: str,
        client_secret: Secret,
        tls: Tls,
        *,
        timeout: float = 60.0,
        proxies: Mapping[str, str] | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._limiter = limiter or RateLimiter(profile.limits)
        self._profile, self._id, self._secret = profile.complete(), client_id, client_secret
        self._tls, self._timeout, self._proxies = tls, (_transport.CONNECT, timeout), proxies

    def exchange(self, code: Secret, *, redirect_uri: str, verifier: Secret | None) -> Token:
        """Turn an authorization code into a grant (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
        return self._token("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)

    def refresh(self, token: Token) -> Token:
        """Renew a grant (RFC 6749, 6); what the answer leaves out is carried over.

        Raises
        ------
        AuthorizationExpired
            The grant has ended.
        """
        if token.refresh is None:
            raise AuthorizationExpired("the grant has ended and cannot be renewed: authorize again")
        mode = self._profile.refresh_scope
        scope = {"omit": None, "granted": token.scope, "fixed": self._profile.scope}[mode]
        return token.renewed_with(self._token("refresh_token", refresh_token=token.refresh, scope=scope))

    def client_credentials(self) -> Token:
        """Get a token of our own (RFC 6749, 4.4), for bulk data and our registration."""
        return self._token("client_credentials", scope=self._profile.client_scope)

    def revoke(self, token: Token) -> None:
        """End a grant (RFC 7009), where the utility has an endpoint for it."""
        which = token.refresh or token.access
        hint = "refresh_token" if token.refresh else "access_token"
        url = self._profile.revoke_url or ""

        def call(session: Any, check: Check) -> None:
            check(
                session.revoke_token(
                    url, token=which.reveal(), token_type_hint=hint, headers=dict(_HEADERS), **self._how()
                )
            )

        self._call(url, call, self._revoked)

    def _token(self, grant: str, **fields: Secret | str | None) -> Token:
        url, came, now = self._profile.token_url, list[Token](), time.time()

        def call(session: Any, check: Check) -> None:
            plain = {k: v.reveal() if isinstance(v, Secret) else v for k, v in fields.items() if v}
            if grant == "refresh_token":
                session.register_compliance_hook("refresh_token_response", check)
                session.refresh_token(url, headers=dict(_HEADERS), **plain, **self._how())
            else:
                session.register_compliance_hook("access_token_response", check)
                session.fetch_token(url, grant_type=grant, headers=dict(_HEADERS), **plain, **self._how())

        self._call(url, call, lambda response: came.append(self._granted(response, grant, now)))
        return came[0]

    def _how(self) -> dict[str, Any]:
        return {"timeout": self._timeout, "allow_redirects": False}

    def _call(self, url: str, call: Callable[[Any, Check], None], demand: Callable[[requests.Response], None]) -> None:
        """Make one call with a fresh session; whatever fails leaves here without the frames that hold secrets."""
        what, session, met = _transport.url_label(url), self._session(), False
        fault: BaseException | None = None

        def check(response: requests.Response) -> requests.Response:
            nonlocal met
            demand(response)
            met = True
            return response

        try:
            self._limiter.wait()
            call(session, check)
        except GreenkitError as e:  # from demand, or from the adapter
            fault = _transport.strip_traceback(e)
        except (requests.RequestException, HTTPError, OSError) as e:
            fault = _transport.translate_error(e, what)
        except Exception:  # noqa: BLE001 whatever else Authlib makes of an answer, its text may hold the answer
            if not met:
                fault = FormatError(f"{what} gave no token answer that can be understood: check the token address")
        except BaseException as e:  # noqa: BLE001 Ctrl-C, too, leaves the frames with the code and the tokens behind
            fault = _transport.strip_traceback(e)
        finally:
            session.close()
        if fault is not None:
            raise fault

    def _session(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        method = {"post": "client_secret_post"}.get(self._profile.client_auth, self._profile.client_auth)
        session = OAuth2Session(
            self._id,
            self._secret.reveal(),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )
        session.register_client_auth_method(("basic", _basic(_form_encoded)))
        session.register_client_auth_method(("basic_raw", _basic(str)))
        session.headers["User-Agent"] = self._profile.user_agent
        _transport.configure(session, self._tls, limit=ANSWER_LIMIT, proxies=self._proxies, total=TOTAL)
        return session

    def _granted(self, response: requests.Response, grant: str, now: float) -> Token:
        """Demand what RFC 6749, 5.1 says of a token answer."""
        what, body = _transport.url_label(self._profile.token_url), _json(response)
        if response.status_code != 200:
            raise self._refusal(response, body, grant)
        if not isinstance(body, dict):
            raise FormatError(f"{what} answered with something other than a JSON object: check the token address")
        access = body.get("access_token") or (
            grant == "client_credentials" and body.get(self._profile.client_token_field)
        )
        if not access and isinstance(body.get("error"), str):  # some say so with status 200
            raise self._refusal(response, body, grant)
        if not isinstance(access, str) or not access or not access.isascii() or not access.isprintable():
            raise FormatError(f"{what} answered without an access token: check the profile's client_token_field")
        if str(body.get("token_type") or "bearer").strip().lower() not in _BEARER:
            raise FormatError(f"{what} gave a token that is not of type bearer, which greenkit cannot use")
        return Token.from_answer(body, access=access, lifetime=self._lifetime(body.get("expires_in")), now=now)

    def _lifetime(self, given: object) -> float:
        """Read ``expires_in`` [s], a number or a numeric text; the profile's where it is neither."""
        try:
            lifetime = float(str(given))
        except ValueError:
            lifetime = 0.0
        return lifetime if 0 < lifetime < 1e10 else self._profile.token_lifetime

    def _refusal(self, response: requests.Response, body: object, grant: str) -> RemoteError:
        """Tell our own fault (client, certificate) from the grant's end, and both from a server in trouble."""
        what, status = _transport.url_label(self._profile.token_url), response.status_code
        if isinstance(body, str) and "certificate" in body.lower():
            return CertificateRejected(f"{what} says that our certificate is not the registered one: give that one")
        if status == 429:
            return RateLimited(f"{what} asks for fewer requests: wait, then try again", retry_after(response))
        if status >= 500:
            return ServerUnavailable(f"{what} cannot answer now (status {status}): try again later")
        if 300 <= status < 400:
            return ClientRejected(f"{what} sent us to another address, which is not followed: check the token address")
        code = str(body.get("error", "")).strip().lower() if isinstance(body, dict) else ""
        if status == 401 and code != "invalid_grant":
            code = "invalid_client"
        if code in _ERRORS:
            error, text = _ERRORS[code]
            if error is AuthorizationExpired and grant == "client_credentials":
                error, text = ClientRejected, "client credentials are refused: check the registration"
            if error is AuthorizationExpired:
                return AuthorizationExpired(f"{what} answered {code}: {text}", final=True)
            return error(f"{what} answered {code}: {text}")
        if status == 403 and grant != "client_credentials":
            return AuthorizationExpired(f"{what} refused the grant (status 403): authorize again")
        if status == 400 and grant == "refresh_token":  # the grant is kept, since it may be something else
            return AuthorizationExpired(
                f"{what} refused to renew the grant (status 400) and did not say why: authorize again, and if that "
                "does not help check the profile's refresh_scope"
            )
        return ClientRejected(f"{what} refused the request (status {status}): check the client id and the registration")

    def _revoked(self, response: requests.Response) -> None:
        if response.status_code not in (200, 204):
            raise self._refusal(response, _json(response), "revoke")


def _form_encoded(text: str) -> str:
    # a space as %20, which servers that decode forms and servers that decode addresses both understand
    return quote(text, safe="")


def _basic(encode: Callable[[str], str]) -> Callable[..., Any]:
    """Make a client authentication for Authlib: RFC 6749, 2.3.1 has id and secret form-encoded before Base64."""

    def prepare(client: Any, method: str, uri: str, headers: Any, body: Any) -> Any:
        pair = f"{encode(client.client_id)}:{encode(client.client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return uri, headers, body

    return prepare


def _json(response: requests.Response) -> object:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def retry_after(response: requests.Response) -> float | None:
    """Read ``Retry-After`` [s], in seconds or as a date (RFC 9110, 10.2.3); None when it is absent or unreadable."""
    from email.utils import parsedate_to_datetime

    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)  # the older forms do not say that they are in UTC
        return max(0.0, at.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
