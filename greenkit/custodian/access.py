"""What a client may ask with: the customer's authorization, begun, kept and ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from greenkit import _html
from greenkit.custodian import authorization, pacing, urls
from greenkit.custodian.authorization import Authorization, Method
from greenkit.custodian.fetching import Fetcher
from greenkit.custodian.grants import Grants, Status
from greenkit.custodian.oauth import TokenEndpoint
from greenkit.custodian.profiles import Profile
from greenkit.custodian.resources import LIMIT, Resources
from greenkit.custodian.token_answer import Token
from greenkit.custodian.tokens import Store
from greenkit.custodian.transport import Tls
from greenkit.custodian.urls import after
from greenkit.errors import GreenkitError, RemoteError, SettingsError, StateMismatch
from greenkit.secret import Secret

Grant = Literal["authorization_code", "client_credentials"]


@dataclass(frozen=True)
class Revocation:
    """What :meth:`Client.revoke` could end at the utility, and what it could not."""

    ended: tuple[str, ...]
    not_ended: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"ended: {', '.join(self.ended) or 'nothing'}"]
        if self.not_ended:
            parts.append(f"not ended: {'; '.join(self.not_ended)}. Ask the customer to end it on the utility's pages")
        return ". ".join(parts)


class Access:
    """The half of a :class:`~greenkit.custodian.client.Client` that signs in and out; its parameters stand there."""

    def __init__(
        self,
        profile: Profile,
        *,
        client_id: str,
        client_secret: Secret,
        tls: Tls,
        store: Store,
        grant: Grant = "authorization_code",
        redirect_uri: str | None = None,
        registration_token: Secret | None = None,
        timeout: float = 60.0,
        limit: int = LIMIT,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.profile, self.grant, self.redirect_uri = profile.complete(), grant, redirect_uri
        self._id, self._registration = client_id, registration_token
        pacer = pacing.shared(profile.resource_url, client_id, profile.limits)
        endpoint = TokenEndpoint(profile, client_id, client_secret, tls, timeout=timeout, proxies=proxies, pacer=pacer)
        self._grants = Grants(endpoint, store)
        self._resources = Resources(profile, tls, timeout=timeout, limit=limit, proxies=proxies, pacer=pacer)
        self._fetcher = Fetcher(profile, self._resources)
        self._flow: Authorization | None = None

    def authorize(
        self,
        method: Method = "auto",
        *,
        again: bool = False,
        open_browser: bool = False,
        deadline: float = authorization.DEADLINE,
    ) -> Authorization:
        """Begin an authorization; it returns at once.

        Parameters
        ----------
        method : {"auto", "loopback", "paste"}
            How the redirect comes back; see :class:`~greenkit.custodian.authorization.Authorization`.
        again : bool
            Begin one although there is a grant. At PG&E that ends the old one.
        open_browser : bool
            Open the link in this machine's browser.
        deadline : float
            Seconds that the customer has.

        Returns
        -------
        Authorization
            Its ``url`` is the link; ``wait()`` and ``prompt()`` block, ``finish(url)`` takes a pasted redirect,
            ``cancel()`` gives up. With a grant in the store it is authorized already.

        Raises
        ------
        SettingsError
            No redirect_uri; this client uses client credentials; the token store cannot be written.
        """
        if self.grant != "authorization_code":
            raise SettingsError("client credentials need no sign-in: call usage() or bulk()")
        if self.redirect_uri is None:
            raise SettingsError("no redirect_uri is set: give the one that is registered with the utility")
        if self.profile.authorize_url.startswith("/"):
            raise SettingsError(
                f"the profile {self.profile.name} does not know the sign-in page: name it as authorize_url in a TOML "
                f'profile with based_on = "{self.profile.name}"'
            )
        if self._flow is not None:
            self._flow.cancel()
        with self._grants.store.locked():  # a place that cannot be written shows itself before the customer signs in
            already = not again and self._grants.kept() is not None
        self._flow = Authorization(
            self.profile,
            self._id,
            self.redirect_uri,
            self._grants.exchange,
            method=method,
            deadline=deadline,
            already=already,
        )
        if open_browser and self._flow.status == "waiting":
            import webbrowser

            webbrowser.open(self._flow.url)
        return self._flow

    def finish(self, url: str | Secret) -> None:
        """End the authorization that is under way with the URL that the browser was sent back to."""
        if self._flow is None:
            raise StateMismatch("no authorization is under way in this process: begin one with authorize()")
        url = Secret(url)  # a traceback with locals shows this frame
        self._flow.finish(url)

    def status(self) -> Status:
        """Tell where this client stands; nothing is sent."""
        if self.grant == "client_credentials":
            return Status("client credentials", "client credentials: no sign-in is needed")
        if self._flow is not None and self._flow.status in ("waiting", "finishing"):
            return Status("waiting", "waiting for the customer to sign in and allow")
        return self._grants.status()

    def revoke(self) -> Revocation:
        """End the grant at the utility, and forget it here; the answer says what could not be ended there."""
        token, ended, failed = self._grants.store.load(), list[str](), list[str]()
        for name, end in self._ways_to_end(token):
            try:
                end()
                ended.append(name)
            except GreenkitError as e:
                failed.append(f"{name} ({e})")
        self.forget()
        return Revocation(tuple(ended), tuple(failed))

    def _ways_to_end(self, token: Token | None) -> Iterable[tuple[str, Callable[[], object]]]:
        if token is None or token.ended:
            return
        authorization_id = after(token.authorization_uri, "Authorization")
        if authorization_id:
            bearer = self._grants.of_client if "client_credentials" in self.profile.grants else self._grants.of_customer
            address = urls.below(self.profile, "Authorization", authorization_id)
            yield "the authorization", lambda: self._resources.delete(address, bearer)
        if self.profile.revoke_url is not None:
            # looked up anew, since ending the authorization may have renewed them
            yield "the tokens", lambda: self._grants.endpoint.revoke(self._grants.store.load() or token)
        if not authorization_id and self.profile.revoke_url is None:
            yield "the authorization", _no_way_to_end

    def forget(self) -> None:
        """Delete the grant from this machine; the utility is not told."""
        if self._flow is not None:
            self._flow.cancel()
        self._grants.forget()

    def close(self) -> None:
        """Close connections, and cancel an authorization that is under way."""
        if self._flow is not None:
            self._flow.cancel()
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.profile.name}: {self.status()}>"

    def _repr_html_(self) -> str:
        rows = [
            ["utility", self.profile.title or self.profile.name],
            ["status", str(self.status())],
            ["tokens in", str(self._grants.store)],
        ]
        return _html.block("Green Button Connect", _html.table(["", ""], rows), text=repr(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Client is not pickled, since it holds secrets: call connect() where it is needed")


def _no_way_to_end() -> None:
    raise RemoteError("the utility offers no address for it")
