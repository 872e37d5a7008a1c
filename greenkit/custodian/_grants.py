"""The grants of a client: the customer's, which is stored and renewed, and the client's own.

Neither replaces the other. Some utilities give one client ID both kinds. If a customer refused and the client's own
token were used instead, the refusal would look like consent.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from greenkit.custodian._oauth import TokenEndpoint
from greenkit.custodian._resources import Bearer
from greenkit.custodian._tokens import MemoryStore, Store, Token, scope_parts
from greenkit.custodian._transport import run_to_end, segment_after
from greenkit.custodian.profiles import Profile
from greenkit.errors import AuthorizationExpired, ClientRejected, SettingsError
from greenkit.secret import Secret

_NONE: Final = "No customer has authorized yet"
_ENDED: Final = "The authorization has ended"
_AUTHORIZE: Final = "Call authorize()."


@dataclass(frozen=True)
class Status:
    """State of a client's authorization, as known on this machine.

    Attributes
    ----------
    state : {"authorized", "expired", "waiting", "not authorized", "client credentials"}
    text : str
        The state, and the next step.
    renewed_at : datetime or None
        When the access token expires, UTC, so a time in the future. It is then renewed automatically.
    scope : str or None
        What the utility granted.
    tokens : str
        Where the grant is stored on this machine: a file, the keyring, or memory.
    """

    state: str
    text: str
    renewed_at: datetime.datetime | None = None
    scope: str | None = None
    tokens: str = ""

    @property
    def expires_at(self) -> datetime.datetime | None:
        """When the access token expires, UTC; another name of ``renewed_at``."""
        return self.renewed_at

    @property
    def granted(self) -> dict[str, tuple[str, ...]]:
        """Keys and lists of the granted scope: function blocks, interval and block durations."""
        return scope_parts(self.scope)

    @property
    def authorized(self) -> bool:
        """Whether the client can request data."""
        return self.state in ("authorized", "client credentials")

    def __str__(self) -> str:
        return self.text


class Grants:
    """Valid tokens for requests.

    Parameters
    ----------
    endpoint : TokenEndpoint
    store : Store
        Storage for the customer's grant. The client's own token is kept in memory only, because it can be requested
        again at any time.
    """

    def __init__(self, endpoint: TokenEndpoint, store: Store) -> None:
        self.endpoint, self.store, self.own = endpoint, store, MemoryStore()

    @property
    def customer_bearer(self) -> Bearer:
        """The customer's token for a request."""
        return Bearer(lambda rejected: self.token(rejected).access, AuthorizationExpired)

    @property
    def client_bearer(self) -> Bearer:
        """The client's own token for a request."""
        return Bearer(self._own_access, ClientRejected)

    def exchange(self, code: Secret, redirect_uri: str, verifier: Secret | None) -> None:
        """Exchange an authorization code for a grant, and store it."""
        token = self.endpoint.exchange(code, redirect_uri=redirect_uri, verifier=verifier)
        with self.store.locked():
            self.store.save(token)

    def token(self, rejected: Secret | None = None) -> Token:
        """Return the customer's token, renewed if it has expired or was rejected.

        Raises
        ------
        AuthorizationExpired
            If there is no grant, or it has ended.
        """
        return _live(self.store.load(), rejected) or run_to_end(lambda: self._renewed(rejected))

    def _renewed(self, rejected: Secret | None) -> Token:
        with self.store.locked():
            token = self.store.load()
            if live := _live(token, rejected):  # another thread or process has renewed it
                return live
            if token is None:
                raise AuthorizationExpired(_NONE, next_step=_AUTHORIZE)
            if token.ended:
                raise AuthorizationExpired(_ENDED, next_step=_AUTHORIZE)
            self.store.save(token)  # fails on a full or read-only disk before the refresh token is spent
            try:
                new = self.endpoint.refresh(token)
            except AuthorizationExpired as e:
                if e.final:
                    self.store.save(token.as_ended())
                raise
            self.store.save(new)
            return new

    def _own_access(self, rejected: Secret | None = None) -> Secret:
        with self.own.locked():
            token = _live(self.own.load(), rejected)
            if token is None:
                token = self.endpoint.client_credentials()
                self.own.save(token)
            return token.access

    def status(self) -> Status:
        """Return the state of the customer's grant, without a request."""
        try:
            token = self.store.load()
        except (AuthorizationExpired, SettingsError) as e:
            return Status("not authorized", str(e))
        if token is None:
            return Status("not authorized", f"{_NONE}. {_AUTHORIZE}")
        if token.ended or (token.refresh is None and token.expired()):
            return Status("expired", f"{_ENDED}. {_AUTHORIZE}", None, token.scope)
        until = datetime.datetime.fromtimestamp(token.expires_at, datetime.UTC)
        return Status("authorized", "authorized", until, token.scope)

    def stored(self) -> Token | None:
        """Return the stored grant if it can still be used; a damaged one counts as none."""
        try:
            token = self.store.load()
        except AuthorizationExpired:
            return None
        return None if token is None or token.ended else token

    def forget(self) -> None:
        """Delete the grant from this machine."""
        with self.store.locked():
            self.store.delete()
        self.own = MemoryStore()


def subscription_of(token: Token, profile: Profile) -> str:
    """Return the ID of the subscription that a grant names; empty if it names none."""
    in_scope = profile.subscription_in_scope and not token.resource_uri and token.scope
    if in_scope and token.scope and token.scope.isascii() and token.scope.isdecimal():
        return token.scope
    return segment_after(token.resource_uri, "Subscription")


def _live(token: Token | None, rejected: Secret | None) -> Token | None:
    return None if token is None or token.expired() or token.access == rejected else token
