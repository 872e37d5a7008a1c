"""The OAuth 2.0 server of the simulated utility: the provider of Authlib over tables in memory.

It supports authorization codes with PKCE, refresh tokens that are valid once (a second use ends the grant), client
credentials, and revocation, in the dialect of a profile.
"""

from __future__ import annotations

import time
from typing import Any, Final

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

from greenkit.sandbox._custodian_register import CODE_LIFE, Application, Authorization, Code, Issued, Register

_AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post"]


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = _AUTH_METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        register, data = self.server.register, request.payload.data
        register.codes[code] = Code(
            code,
            request.payload.redirect_uri or register.application.redirect_uris[0],
            request.payload.scope or "",
            request.user,
            time.time() + CODE_LIFE,
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Application) -> Code | None:
        found: Code | None = self.server.register.codes.get(code)
        return found if found and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        self.server.register.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: Code) -> Authorization:
        return authorization_code.authorization


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = _AUTH_METHODS

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 Authlib's name
        return bool(self.server.register.rotates)

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        register: Register = self.server.register
        with register.lock:
            found = next((t for t in register.tokens if t.refresh == refresh_token), None)
            if found is None or found.authorization is None or not found.authorization.active:
                return None
            if found.spent:  # Someone has a copy of the token, so the grant ends.
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
    TOKEN_ENDPOINT_AUTH_METHODS: Final = _AUTH_METHODS


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS: Final = _AUTH_METHODS

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
    """The provider of Authlib, in the dialect of a profile."""

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
        """Answer a token request, with the addresses of ESPI and the field names of the profile."""
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
    """PKCE for clients with a secret too, as RFC 9700 requires; Authlib applies it to public clients only."""

    def __call__(self, grant: Any) -> None:
        grant.register_hook("after_validate_authorization_request_payload", self._check)

    def _check(self, grant: Any, *args: Any) -> None:
        if not grant.request.payload.data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge'", redirect_uri=grant.request.payload.redirect_uri)
