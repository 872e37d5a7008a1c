"""The grants of a client: the customer's, kept in a store and renewed once for everybody, and its own.

The two never stand in for each other: PG&E gives one client id both, and a customer's refusal that came back as a
working token of our own would be a lie.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from greenkit.custodian._oauth import TokenEndpoint
from greenkit.custodian._resources import Bearer
from greenkit.custodian._tokens import MemoryStore, Store, Token, scope_parts
from greenkit.custodian._transport import segment_after
from greenkit.errors import AuthorizationExpired, ClientRejected, FormatError, SettingsError
from greenkit.secret import Secret


@dataclass(frozen=True)
class Status:
    """Where a client stands, without asking the utility.

    Attributes
    ----------
    state : {"authorized", "expired", "waiting", "not authorized", "client credentials"}
    text : str
        The same, and what to do next.
    renewed_at : datetime or None
        When the access token ends, UTC; it is then renewed by itself.
    scope : str or None
        What the utility granted.
    """

    state: str
    text: str
    renewed_at: datetime.datetime | None = None
    scope: str | None = None

    @property
    def granted(self) -> dict[str, tuple[str, ...]]:
        """Give the granted scope as its keys and their lists: function blocks, interval and block durations."""
        return scope_parts(self.scope)

    @property
    def authorized(self) -> bool:
        """Tell whether data can be asked for."""
        return self.state in ("authorized", "client credentials")

    def __str__(self) -> str:
        return self.text


class Grants:
    """Give tokens that live.

    Parameters
    ----------
    endpoint : TokenEndpoint
    store : Store
        Where the customer's grant is kept. Our own token is kept in memory only, since it is had again at will.
    """

    def __init__(self, endpoint: TokenEndpoint, store: Store) -> None:
        self.endpoint, self.store, self.own = endpoint, store, MemoryStore()

    @property
    def customer_bearer(self) -> Bearer:
        """Give the customer's token to a request."""
        return Bearer(lambda rejected: self.token(rejected).access, AuthorizationExpired)

    @property
    def client_bearer(self) -> Bearer:
        """Give our own token to a request."""
        return Bearer(self._own_access, ClientRejected)

    def exchange(self, code: Secret, redirect_uri: str, verifier: Secret | None) -> None:
        """Turn an authorization code into a grant, and keep it."""
        token = self.endpoint.exchange(code, redirect_uri=redirect_uri, verifier=verifier)
        with self.store.locked():
            self.store.save(token)

    def token(self, rejected: Secret | None = None) -> Token:
        """Give the customer's token, renewed when it has ended or was rejected.

        Raises
        ------
        AuthorizationExpired
            There is no grant, or it has ended; the next step is ``authorize()``.
        """
        if live := _live(self.store.load(), rejected):
            return live
        with self.store.locked():
            token = self.store.load()
            if live := _live(token, rejected):  # another thread or process has renewed it
                return live
            if token is None:
                raise AuthorizationExpired("no customer has authorized yet: call authorize()")
            if token.ended:
                raise AuthorizationExpired("the authorization has ended: call authorize()")
            self.store.save(token)  # a full or read-only disk shows itself before the refresh token is spent
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

    def subscription(self) -> str:
        """Give the id of the customer's subscription.

        Raises
        ------
        FormatError
            The utility did not name it.
        """
        found = subscription_of(self.token())
        if not found:
            raise FormatError("the token answer named no subscription: ask the utility for its resourceURI")
        return found

    def status(self) -> Status:
        """Tell where the customer's grant stands; nothing is sent."""
        try:
            token = self.store.load()
        except (AuthorizationExpired, SettingsError) as e:
            return Status("not authorized", str(e))
        if token is None:
            return Status("not authorized", "no customer has authorized yet: call authorize()")
        if token.ended or (token.refresh is None and token.expired()):
            return Status("expired", "the authorization has ended: call authorize()", None, token.scope)
        until = datetime.datetime.fromtimestamp(token.expires_at, datetime.UTC)
        return Status("authorized", "authorized", until, token.scope)

    def kept(self) -> Token | None:
        """Give the grant that is kept, if it can still serve; one that cannot be understood is none."""
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


def subscription_of(token: Token) -> str:
    """Give the id of the subscription that a grant names; empty when it names none."""
    if not token.resource_uri and token.scope and token.scope.isascii() and token.scope.isdecimal():
        return token.scope  # PG&E's older answers carry it here
    return segment_after(token.resource_uri, "Subscription")


def _live(token: Token | None, rejected: Secret | None) -> Token | None:
    return None if token is None or token.expired() or token.access == rejected else token
