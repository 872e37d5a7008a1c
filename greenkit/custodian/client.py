"""Green Button Connect: a client of one utility, for one customer.

>>> import greenkit
>>> client = greenkit.connect("pge")  # doctest: +SKIP
"""

from __future__ import annotations

import datetime
import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from greenkit import _files, _html, frame
from greenkit import settings as settings_
from greenkit._progress import Progress
from greenkit.custodian import authorization, notifications, profiles, urls, windows
from greenkit.custodian.authorization import Authorization, Method
from greenkit.custodian.notifications import BatchList
from greenkit.custodian.oauth import TokenEndpoint
from greenkit.custodian.profiles import Profile
from greenkit.custodian.resources import LIMIT, Bearer, Resources
from greenkit.custodian.tokens import FileStore, KeyringStore, MemoryStore, Store, Token, default_folder, scope_parts
from greenkit.custodian.transport import Tls
from greenkit.custodian.urls import after
from greenkit.custodian.windows import Document, Pending, Window
from greenkit.errors import (
    AuthorizationExpired,
    CertificateError,
    ClientRejected,
    FormatError,
    NotReady,
    RemoteError,
    SettingsError,
    StateMismatch,
)
from greenkit.findings import Findings, GreenkitWarning
from greenkit.secret import Secret

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.espi import GreenButton

StrPath = str | os.PathLike[str]
SOON: Final = 30
"""Days before the end of a certificate from which on it is warned of."""
_NOTHING: Final = b'<feed xmlns="http://www.w3.org/2005/Atom"/>'
Grant = Literal["authorization_code", "client_credentials"]


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


class Client:
    """A utility's Green Button Connect service, for one customer; :func:`connect` makes it.

    Every method may ask the utility, but :meth:`status` and :meth:`forget`. It is safe to use from several threads,
    and several processes may share its token store.

    Parameters
    ----------
    profile : Profile
    client_id : str
    client_secret : Secret
    tls : Tls
    store : Store
        Where the customer's grant is kept.
    grant : {"authorization_code", "client_credentials"}
        ``client_credentials`` is for PG&E's Self Access: no sign-in, the bulk id comes from the authorizations.
    redirect_uri, scope, registration_token, timeout, limit, proxies
        As in :func:`connect`.
    """

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
        scope: str | None = None,
        registration_token: Secret | None = None,
        timeout: float = 60.0,
        limit: int = LIMIT,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.profile, self.grant, self.redirect_uri = profile.complete(), grant, redirect_uri
        self._id, self._scope, self._store = client_id, scope, store
        self._endpoint = TokenEndpoint(profile, client_id, client_secret, tls, timeout=timeout, proxies=proxies)
        self._resources = Resources(profile, tls, timeout=timeout, limit=limit, proxies=proxies)
        self._own = MemoryStore()  # our own client's token: never on disk, since it is had again at will
        self._registration, self._waiting = registration_token, windows.Waiting()
        self._flow: Authorization | None = None

    # -- the grant

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
        if self._flow is not None:
            self._flow.cancel()
        with self._store.locked():  # a place that cannot be written shows itself before the customer signs in
            held = None if again else _or_none(self._store.load)
        self._flow = Authorization(
            self.profile,
            self._id,
            self.redirect_uri,
            self._exchange,
            scope=self._scope,
            method=method,
            deadline=deadline,
            already=held is not None and not held.ended,
        )
        if open_browser and self._flow.status == "waiting":
            import webbrowser

            webbrowser.open(self._flow.url)
        return self._flow

    def finish(self, url: str | Secret) -> None:
        """End the authorization that is under way with the URL that the browser was sent back to."""
        if self._flow is None:
            raise StateMismatch("no authorization is under way in this process: begin one with authorize()")
        self._flow.finish(url)

    def _exchange(self, code: Secret, redirect_uri: str, verifier: Secret | None) -> None:
        token = self._endpoint.exchange(code, redirect_uri=redirect_uri, verifier=verifier)
        with self._store.locked():
            self._store.save(token)

    def status(self) -> Status:
        """Tell where this client stands; nothing is sent."""
        if self.grant == "client_credentials":
            return Status("client credentials", "client credentials: no sign-in is needed")
        if self._flow is not None and self._flow.status in ("waiting", "finishing"):
            return Status("waiting", "waiting for the customer to sign in and allow")
        token = self._store.load()
        if token is None:
            return Status("not authorized", "no customer has authorized yet: call authorize()")
        until = datetime.datetime.fromtimestamp(token.expires_at, datetime.UTC)
        if token.ended or (token.refresh is None and token.expired()):
            return Status("expired", "the authorization has ended: call authorize()", None, token.scope)
        return Status("authorized", "authorized", until, token.scope)

    def revoke(self) -> Revocation:
        """End the grant at the utility, and forget it here; the answer says what could not be ended there."""
        token, ended, failed = self._store.load(), list[str](), list[str]()
        for name, end in self._ways_to_end(token):
            try:
                end()
                ended.append(name)
            except RemoteError as e:
                failed.append(f"{name} ({e})")
        self.forget()
        return Revocation(tuple(ended), tuple(failed))

    def _ways_to_end(self, token: Token | None) -> Iterable[tuple[str, Callable[[], object]]]:
        if token is None or token.ended:
            return
        authorization_id = after(token.authorization_uri, "Authorization")
        if authorization_id:
            bearer = self._client if "client_credentials" in self.profile.grants else self._customer
            address = urls.below(self.profile, "Authorization", authorization_id)
            yield "the authorization", lambda: self._resources.delete(address, bearer)
        if self.profile.revoke_url is not None:
            yield "the tokens", lambda: self._endpoint.revoke(token)
        if not authorization_id and self.profile.revoke_url is None:
            yield "the authorization", _no_way_to_end

    def forget(self) -> None:
        """Delete the grant from this machine; the utility is not told."""
        if self._flow is not None:
            self._flow.cancel()
        with self._store.locked():
            self._store.delete()
        self._own = MemoryStore()

    # -- tokens

    @property
    def _customer(self) -> Bearer:
        return Bearer(lambda rejected: self._access(rejected).access, AuthorizationExpired)

    @property
    def _client(self) -> Bearer:
        return Bearer(self._own_access, ClientRejected)

    def _access(self, rejected: Secret | None = None) -> Token:
        """Give the customer's token, renewed when it has ended or was rejected; never another grant's in its place."""
        token = self._store.load()
        if _serves(token, rejected):
            return token  # type: ignore[return-value]
        with self._store.locked():
            token = self._store.load()
            if _serves(token, rejected):  # another thread or process has renewed it
                return token  # type: ignore[return-value]
            if token is None:
                raise AuthorizationExpired("no customer has authorized yet: call authorize()")
            if token.ended:
                raise AuthorizationExpired("the authorization has ended: call authorize()")
            self._store.save(token)  # a full or read-only disk shows itself before the refresh token is spent
            try:
                new = self._endpoint.refresh(token)
            except AuthorizationExpired:
                self._store.save(token.over())
                raise
            self._store.save(new)
            return new

    def _own_access(self, rejected: Secret | None = None) -> Secret:
        with self._own.locked():
            token = self._own.load()
            if not _serves(token, rejected):
                token = self._endpoint.client_credentials()
                self._own.save(token)
            return token.access  # type: ignore[union-attr]

    def _subscription(self) -> str:
        token = self._access()
        found = after(token.resource_uri, "Subscription")
        if not found and token.scope and token.scope.isascii() and token.scope.isdecimal() and not token.resource_uri:
            found = token.scope  # PG&E's older answers carry the subscription here
        if not found:
            raise FormatError("the token answer named no subscription: ask the utility for its resourceURI")
        return found

    # -- usage

    def usage(
        self,
        start: Any,
        end: Any,
        usage_point: str | None = None,
        *,
        tz: str | None = None,
        epoch: str = "utc",
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Fetch usage as a tidy frame.

        Parameters
        ----------
        start, end : date or time
            ``end`` exclusive. Without an offset it is the utility's wall clock. What the utility counts by may be
            the time of publication, so the answer can cover less or more: a finding says so, and nothing is cut off.
        usage_point : str, optional
            One of :meth:`usage_points`; all of the subscription when absent.
        tz, epoch
            As in :func:`greenkit.load_espi`; dates without an offset are in ``tz``, too.
        progress : None, True or callable

        Returns
        -------
        DataFrame
            As :func:`greenkit.load_espi` gives it; empty, with every dtype, when there are no data.

        Raises
        ------
        NotReady
            The utility is still preparing the data.
        AuthorizationExpired, ClientRejected, CertificateRejected, RateLimited, ServerUnavailable, …
        """
        asked = self._asked(start, end, tz)
        came = self.fetch_usage(asked.start, asked.end, usage_point, progress=progress)
        return self._load(came, asked, tz=tz, epoch=epoch)

    def fetch_usage(
        self,
        start: Any,
        end: Any,
        usage_point: str | None = None,
        *,
        into: StrPath | None = None,
        progress: Progress = None,
    ) -> list[Document] | Pending:
        """Fetch usage as the bytes that came: they can be stored, loaded again, or sent with a bug report.

        Parameters
        ----------
        into : path, optional
            A folder to stream each document to, as a private file.

        Returns
        -------
        list of Document, or Pending
            One document for each window that held data, in order of time; Pending when any is still prepared.
        """
        if self.grant == "client_credentials":
            if usage_point is not None:
                raise SettingsError(
                    "bulk data hold every usage point: leave usage_point out, and filter the frame by meter"
                )
            return self.fetch_bulk(start, end, into=into, progress=progress)
        path = ["Batch", "Subscription", self._subscription()]
        address = urls.below(self.profile, *path, *(["UsagePoint", usage_point] if usage_point else []))
        return self._fetch_windows(address, start, end, self._customer, into, progress)

    def bulk(
        self,
        start: Any,
        end: Any,
        bulk_id: str | None = None,
        *,
        tz: str | None = None,
        epoch: str = "utc",
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Fetch bulk data, of every customer of ours, as one tidy frame; see :meth:`usage`."""
        asked = self._asked(start, end, tz)
        came = self.fetch_bulk(asked.start, asked.end, bulk_id, progress=progress)
        return self._load(came, asked, tz=tz, epoch=epoch)

    def fetch_bulk(
        self,
        start: Any,
        end: Any,
        bulk_id: str | None = None,
        *,
        into: StrPath | None = None,
        progress: Progress = None,
    ) -> list[Document] | Pending:
        """Fetch bulk data as the bytes that came; without ``bulk_id`` it is taken from :meth:`authorizations`."""
        address = urls.below(self.profile, "Batch", "Bulk", bulk_id or self._bulk_id())
        return self._fetch_windows(address, start, end, self._client, into, progress, bulk=True)

    def _bulk_id(self) -> str:
        found = self.authorizations()
        ids = sorted(set(found.loc[(found["bulk"] != "") & (found["status"] != "revoked"), "bulk"]))
        if len(ids) != 1:
            raise SettingsError(
                f"the utility's list of authorizations holds {len(ids)} bulk ids, not one: "
                "give bulk_id, from authorizations()['bulk'] or from the registration"
            )
        return str(ids[0])

    def _fetch_windows(
        self,
        address: str,
        start: Any,
        end: Any,
        bearer: Bearer,
        into: StrPath | None,
        progress: Progress,
        *,
        bulk: bool = False,
    ) -> list[Document] | Pending:
        from urllib.parse import urlencode

        asked: list[tuple[str, Window | None]] = [
            (f"{address}?{urlencode(windows.parameters(self.profile, w, bulk=bulk))}", w)
            for w in windows.split(self.profile, start, end)
        ]
        return self._fetch_all(asked, bearer, into, progress)

    def _fetch_all(
        self, asked: Iterable[tuple[str, Window | None]], bearer: Bearer, into: StrPath | None, progress: Progress
    ) -> list[Document] | Pending:
        came, awaited, wait, transaction = list[Document](), list[Window | None](), 0.0, None
        for url, window in asked:
            known = self._waiting.left(url)
            if known is None:
                answer = self._resources.get(url, bearer, into=_file_for(into, url, window), progress=progress)
                if answer.status == 200:
                    came.append(Document(window, answer.body))
                if answer.status != 202:
                    continue
                known = (
                    self.profile.pending_wait if answer.retry_after is None else answer.retry_after,
                    answer.headers.get("x-transaction"),
                )
                self._waiting.add(url, *known)
            awaited.append(window)
            wait, transaction = max(wait, known[0]), known[1] or transaction
        return Pending(tuple(awaited), tuple(came), wait, transaction) if awaited else came

    def fetch_notified(
        self, notification: bytes | BatchList, *, into: StrPath | None = None, progress: Progress = None
    ) -> list[Document] | Pending:
        """Fetch what a notification names.

        Parameters
        ----------
        notification : bytes or BatchList
            The body that the utility posted to the registered address. Anybody can post there, so nothing in it is
            trusted: each address must be one of the utility's resources, or nothing at all is requested. Those of
            other customers' subscriptions are left to their own clients.

        Raises
        ------
        HostRejected
            It names an address that is not one of the utility's resources.
        FormatError, LimitError
            It is no BatchList; it is too big, or has a DOCTYPE.
        """
        batch = notifications.parse(notification) if isinstance(notification, bytes) else notification
        checked = [urls.resource(self.profile, uri) for uri in batch]
        came, awaited = list[Document](), list[Pending]()
        for url in checked:
            bearer = self._bearer_of(url)
            found = self._fetch_all([(url, None)], bearer, into, progress) if bearer else []
            if isinstance(found, Pending):
                awaited.append(found)
            else:
                came += found
        if awaited:
            missing = tuple(w for p in awaited for w in p.windows)
            return Pending(missing, tuple(came), max(p.retry_after for p in awaited), awaited[0].transaction)
        return came

    def _bearer_of(self, url: str) -> Bearer | None:
        """Choose the token by what is asked for; None for another customer's subscription."""
        subscription = after(url, "Subscription")
        if not subscription:
            return (
                self._customer if after(url, "RetailCustomer") and self.grant == "authorization_code" else self._client
            )
        if self.grant == "client_credentials":
            return self._client
        return self._customer if subscription == self._subscription() else None

    def load_notified(
        self, notification: bytes | BatchList, *, tz: str | None = None, epoch: str = "utc", progress: Progress = None
    ) -> pd.DataFrame:
        """Fetch what a notification names, as one tidy frame; see :meth:`fetch_notified`."""
        return self._load(self.fetch_notified(notification, progress=progress), None, tz=tz, epoch=epoch)

    def _load(
        self, came: list[Document] | Pending, asked: Window | None, *, tz: str | None, epoch: str
    ) -> pd.DataFrame:
        if isinstance(came, Pending):
            raise NotReady(f"{came.text[0].upper()}{came.text[1:]}", came.retry_after)
        findings = Findings()
        if came:
            from greenkit.espi import open_espi

            read = open_espi([d.body for d in came], tz=tz, epoch=epoch)
            df = read.readings
            findings.extend(read.findings)
        else:
            df = frame.empty(zone=tz or self.profile.zone)
        if asked is not None:
            windows.compare(df, asked, findings)
        findings.warn(self.profile.name, stacklevel=4)
        return frame.note(df, findings)

    def _asked(self, start: Any, end: Any, tz: str | None) -> Window:
        zone = tz or self.profile.zone
        return Window(windows.instant(start, zone), windows.instant(end, zone))

    # -- everything else that can be asked for

    def usage_points(self) -> pd.DataFrame:
        """List the usage points of the subscription, as ``open_espi(…).usage_points`` gives them."""
        address = urls.below(self.profile, "Subscription", self._subscription(), "UsagePoint")
        found: pd.DataFrame = self._read(address, self._customer).usage_points
        return found

    def customers(self) -> pd.DataFrame:
        """Fetch name and address of the retail customer, as ``open_espi(…).customers`` gives them."""
        number = after(self._access().customer_uri, "RetailCustomer")
        if not number:
            raise FormatError("the token answer named no retail customer: ask the utility whether the scope covers it")
        address = urls.below(self.profile, "Batch", "RetailCustomer", number)
        found: pd.DataFrame = self._read(address, self._customer).customers
        return found

    def authorizations(self) -> pd.DataFrame:
        """List the authorizations that customers have given us.

        Returns
        -------
        DataFrame
            As ``open_espi(…).authorizations`` gives them, then the ids in their addresses: ``subscription``,
            ``bulk``, ``customer`` (empty text where there is none).
        """
        found: pd.DataFrame = self._read(urls.below(self.profile, "Authorization"), self._client).authorizations
        for column, uri, name in (
            ("subscription", "resource_uri", "Subscription"),
            ("bulk", "resource_uri", "Bulk"),
            ("customer", "customer_resource_uri", "RetailCustomer"),
        ):
            found[column] = found[uri].map(lambda u, name=name: after(u if isinstance(u, str) else None, name))
        return found.astype({"subscription": "str", "bulk": "str", "customer": "str"})

    def service_status(self) -> bool:
        """Ask whether the utility's service is up."""
        found = self._read(urls.below(self.profile, "ReadServiceStatus"), self._client).service_status
        if not len(found):
            raise FormatError("the answer holds no ServiceStatus: see what the utility sent")
        return bool(str(found["current_status"].iloc[0]) == "1")

    def application_information(self) -> pd.DataFrame:
        """Fetch our registration, as ``open_espi(…).application_information`` gives it: without its secrets."""
        held = self._registration
        bearer = self._client if held is None else Bearer(lambda _: held, ClientRejected)
        address = urls.below(self.profile, "ApplicationInformation")
        found: pd.DataFrame = self._read(address, bearer).application_information
        return found

    def _read(self, address: str, bearer: Bearer) -> GreenButton:
        from greenkit.espi import open_espi

        return open_espi(self._get(address, bearer) or _NOTHING)

    def _get(self, address: str, bearer: Bearer) -> bytes:
        answer = self._resources.get(address, bearer)
        if answer.status == 202:
            raise NotReady(f"{urls.label(address)} is still being prepared: ask again later", answer.retry_after)
        return answer.body if isinstance(answer.body, bytes) else answer.body.read_bytes()

    def close(self) -> None:
        """Close connections, and cancel an authorization that is under way."""
        if self._flow is not None:
            self._flow.cancel()
        self._resources.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.profile.name}: {self.status()}>"

    def _repr_html_(self) -> str:
        rows = [
            ["utility", self.profile.title or self.profile.name],
            ["status", str(self.status())],
            ["tokens in", str(self._store)],
        ]
        return _html.block("Green Button Connect", _html.table(["", ""], rows), text=repr(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Client is not pickled, since it holds secrets: call connect() where it is needed")


def _serves(token: Token | None, rejected: Secret | None) -> bool:
    return token is not None and not token.expired() and token.access != rejected


def _or_none(load: Callable[[], Token | None]) -> Token | None:
    """Load a grant; one that cannot be understood does not keep a new one from being given."""
    try:
        return load()
    except AuthorizationExpired:
        return None


def _no_way_to_end() -> None:
    raise RemoteError("the utility offers no address for it")


def _file_for(into: StrPath | None, url: str, window: Window | None) -> Path | None:
    """Name a file by its window and a hash of its address: no customer's id stands in a file name."""
    if into is None:
        return None
    Path(into).mkdir(parents=True, exist_ok=True)
    span = f"{window.start:%Y%m%dT%H%M}-{window.end:%Y%m%dT%H%M}" if window else "notified"
    return _files.inside(into, f"usage-{span}-{urls.hashed(url)[1:]}.xml")


def connect(
    utility: str | os.PathLike[str] | Profile = "pge",
    *,
    settings: StrPath | settings_.Settings | settings_.CustodianSettings | None = None,
    grant: Grant = "authorization_code",
    customer: str = "default",
    url: str | None = None,
    client_id: str | None = None,
    client_secret: Secret | str | None = None,
    certificate: StrPath | None = None,
    certificate_key: StrPath | None = None,
    certificate_key_password: Secret | str | None = None,
    ca_file: StrPath | None = None,
    redirect_uri: str | None = None,
    scope: str | None = None,
    registration_token: Secret | str | None = None,
    tokens: Store | StrPath | None = None,
    timeout: float | None = None,
    limit: int = LIMIT,
    proxies: Mapping[str, str] | None = None,
) -> Client:
    """Make a client of a utility's Green Button Connect service; nothing is sent yet.

    Parameters
    ----------
    utility : str, path or Profile
        A table ``[custodian.NAME]`` of the settings file, or else a shipped profile
        (:data:`greenkit.custodian.profiles.SHIPPED`), or the path of a TOML profile of your own.
    settings : path, Settings or CustodianSettings, optional
        The settings; those of the usual file, where there is one, when absent. Whatever is given below wins.
    grant : {"authorization_code", "client_credentials"}
        How data are had: with a customer's authorization, or (PG&E's Self Access) with our own credentials.
    customer : str
        A name of your own for the customer, when you serve several: each has a grant of their own.
    url : str, optional
        The utility's address, for a platform's profile.
    client_id, client_secret, redirect_uri, scope, registration_token
        Of the registration. Give secrets as :class:`greenkit.Secret`.
    certificate, certificate_key, certificate_key_password
        PEM files for mutual TLS; checked now.
    ca_file : path, optional
        Authorities that sign the utility's certificate, in place of the public ones.
    tokens : {"file", "memory", "keyring"}, path of a folder, or Store, optional
        Where grants are kept: private files in the user's data folder; in memory on JupyterHub, Binder and Colab.
    timeout : float, optional
        Longest silence of the utility [s].
    limit : int
        Largest answer [bytes], after decompression.
    proxies : mapping, optional
        As requests takes them; environment variables are not read.

    Returns
    -------
    Client

    Raises
    ------
    SettingsError
        Something is missing or wrong, with where to put it.
    CertificateError
        The certificate or its key is missing, has ended, or does not match.

    Examples
    --------
    With ``[custodian.pge]`` in the settings file:

    >>> import greenkit
    >>> client = greenkit.connect("pge")  # doctest: +SKIP
    >>> client.authorize().prompt()  # doctest: +SKIP
    >>> usage = client.usage("2024-03-01", "2024-04-15")  # doctest: +SKIP
    >>> usage.groupby(["meter", "flow", "unit"], observed=True)["value"].sum()  # doctest: +SKIP
    """
    own = _settings(utility, settings)
    name = own.utility or utility
    profile = profiles.load(name)
    if url or own.url:
        profile = profile.at(url or own.url or "")
    profile = profile.complete()
    if grant not in ("authorization_code", "client_credentials") or grant not in profile.grants:
        raise SettingsError(f"{profile.name} has no grant {grant!r}: use one of {', '.join(profile.grants)}")
    number = client_id or own.client_id
    secret = _secret(client_secret, own.client_secret)
    if not number or secret is None:
        missing = "client_id" if not number else "client_secret"
        raise SettingsError(f"no {missing} is set: write it in [custodian.{profile.name}] of the settings, or give it")
    tls = Tls(
        certificate or own.certificate,
        certificate_key or own.certificate_key,
        _secret(certificate_key_password, own.certificate_key_password),
        ca_file or own.ca_file,
    )
    _check_tls(profile, tls)
    return Client(
        profile,
        client_id=number,
        client_secret=secret,
        tls=tls,
        store=_store(tokens if tokens is not None else own.tokens, profile, number, customer),
        grant=grant,
        redirect_uri=redirect_uri or own.redirect_uri,
        scope=scope or own.scope,
        registration_token=_secret(registration_token, own.registration_token),
        timeout=timeout or own.timeout,
        limit=limit,
        proxies=proxies,
    )


def _settings(utility: object, given: Any) -> settings_.CustodianSettings:
    if isinstance(given, settings_.CustodianSettings):
        return given
    if given is None and not settings_.default_path().exists():
        return settings_.CustodianSettings()
    found = given if isinstance(given, settings_.Settings) else settings_.read(given)
    name = utility.name if isinstance(utility, Profile) else str(utility)
    if name not in found.custodian and given is not None:
        raise SettingsError(f"the settings hold no table [custodian.{name}]: write one, or leave settings out")
    return found.custodian.get(name, settings_.CustodianSettings())


def _secret(given: Secret | str | None, kept: settings_.SecretRef | None) -> Secret | None:
    if given is not None:
        return Secret(given)
    return kept.get() if kept is not None else None


def _check_tls(profile: Profile, tls: Tls) -> None:
    ends = tls.check()
    if ends is None:
        if profile.mutual_tls:
            raise CertificateError(f"{profile.name} demands a client certificate: give certificate and certificate_key")
        return
    left = ends - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=SOON):
        warnings.warn(
            f"the certificate {tls.certificate} ends in {left.days} days: get a new one and register it",
            GreenkitWarning,
            stacklevel=3,
        )


def _store(given: Any, profile: Profile, client_id: str, customer: str) -> Store:
    """Find the place of this utility's, client's and customer's grant; a grant of another never stands there."""
    if given is not None and not isinstance(given, str | os.PathLike):
        found: Store = given
        return found
    whose = hashlib.sha256("\n".join([profile.token_url, client_id, customer]).encode()).hexdigest()[:16]
    name = f"{profile.name}-{whose}"
    if given is None:
        given = "memory" if authorization.is_shared() else "file"
    if given == "memory":
        return MemoryStore()
    if given == "keyring":
        return KeyringStore(name)
    folder = default_folder() if given == "file" else Path(given).expanduser()
    return FileStore(folder / f"{name}.json")
