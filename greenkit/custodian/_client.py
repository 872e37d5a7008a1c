"""Green Button Connect: a client of one utility, for one customer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from greenkit._progress import Progress
from greenkit.custodian import _transport, _windows, notifications
from greenkit.custodian._grants import subscription_of
from greenkit.custodian._resources import Bearer
from greenkit.custodian._windows import EMPTY_FEED, Document, Pending, Window, as_source, load_documents
from greenkit.custodian.notifications import BatchList
from greenkit.errors import ClientRejected, FormatError, NotReady, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.espi import GreenButton

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from greenkit import _html
from greenkit.custodian import _authorization
from greenkit.custodian._authorization import Authorization, Method
from greenkit.custodian._grants import Grants, Status
from greenkit.custodian._oauth import TokenEndpoint
from greenkit.custodian._resources import LIMIT, Resources
from greenkit.custodian._tokens import Store, Token
from greenkit.custodian._transport import Tls, checked_url, resource_url, segment_after, url_label
from greenkit.custodian._windows import Fetcher
from greenkit.custodian.profiles import Profile
from greenkit.errors import GreenkitError, RemoteError, StateMismatch
from greenkit.secret import Secret

StrPath = str | os.PathLike[str]


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


class Client:
    """A utility's Green Button Connect service, for one customer; :func:`greenkit.connect` makes it.

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
    redirect_uri, registration_token, timeout, limit, proxies
        As in :func:`greenkit.connect`.

    Examples
    --------
    At a pretend utility, with a pretend customer:

    >>> from greenkit.sandbox import custodian, visitor
    >>> with custodian.start("pge") as utility, utility.connect() as client:
    ...     flow = client.authorize("paste")
    ...     client.finish(visitor.visit(flow.url))
    ...     client, len(client.usage("2024-03-10", "2024-03-11"))  # 3 series of 92 quarter-hours: summer time begins
    (<Client of pge: authorized>, 276)
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
        registration_token: Secret | None = None,
        timeout: float = 60.0,
        limit: int = LIMIT,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.profile, self.grant, self.redirect_uri = profile.complete(), grant, redirect_uri
        self._id, self._registration = client_id, registration_token
        limiter = _transport.shared_limiter(profile.resource_url, client_id, profile.limits)
        endpoint = TokenEndpoint(
            profile, client_id, client_secret, tls, timeout=timeout, proxies=proxies, limiter=limiter
        )
        self._grants = Grants(endpoint, store)
        self._resources = Resources(profile, tls, timeout=timeout, limit=limit, proxies=proxies, limiter=limiter)
        self._fetcher = Fetcher(profile, self._resources)
        self._flow: Authorization | None = None

    # -- sign in and out

    def authorize(
        self,
        method: Method = "auto",
        *,
        again: bool = False,
        open_browser: bool = False,
        deadline: float = _authorization.DEADLINE,
    ) -> Authorization:
        """Begin an authorization; it returns at once.

        Parameters
        ----------
        method : {"auto", "loopback", "paste"}
            How the redirect comes back; see :class:`~greenkit.custodian._authorization.Authorization`.
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
        authorization_id = segment_after(token.authorization_uri, "Authorization")
        if authorization_id:
            ours = "client_credentials" in self.profile.grants
            bearer = self._grants.client_bearer if ours else self._grants.customer_bearer
            address = resource_url(self.profile, "Authorization", authorization_id)
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
        asked = self._asked(start, end, tz, epoch)
        came = self.fetch_usage(asked.start, asked.end, usage_point, progress=progress)
        return load_documents(self.profile, came, asked, tz=tz, epoch=epoch)

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
        path = ["Batch", "Subscription", self._grants.subscription()]
        address = resource_url(self.profile, *path, *(["UsagePoint", usage_point] if usage_point else []))
        return self._fetcher.fetch_windows(address, start, end, self._grants.customer_bearer, into, progress)

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
        asked = self._asked(start, end, tz, epoch)
        came = self.fetch_bulk(asked.start, asked.end, bulk_id, progress=progress)
        return load_documents(self.profile, came, asked, tz=tz, epoch=epoch)

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
        address = resource_url(self.profile, "Batch", "Bulk", bulk_id or self._bulk_id())
        return self._fetcher.fetch_windows(address, start, end, self._grants.client_bearer, into, progress, bulk=True)

    def _bulk_id(self) -> str:
        found = self.authorizations()
        ids = sorted(set(found.loc[(found["bulk"] != "") & (found["status"] != "revoked"), "bulk"]))
        if len(ids) != 1:
            raise SettingsError(
                f"the utility's list of authorizations holds {len(ids)} bulk ids, not one: "
                "give bulk_id, from authorizations()['bulk'] or from the registration"
            )
        return str(ids[0])

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
        checked = [checked_url(self.profile, uri) for uri in batch]
        came, awaited = list[Document](), list[Pending]()
        for url in checked:
            bearer = self._bearer_of(url)
            found = self._fetcher.fetch_urls([(url, None)], bearer, into, progress) if bearer else []
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
        subscription = segment_after(url, "Subscription")
        if not subscription:
            return (
                self._grants.customer_bearer
                if segment_after(url, "RetailCustomer") and self.grant == "authorization_code"
                else self._grants.client_bearer
            )
        if self.grant == "client_credentials":
            return self._grants.client_bearer
        return self._grants.customer_bearer if subscription_of(self._grants.token()) in ("", subscription) else None

    def load_notified(
        self, notification: bytes | BatchList, *, tz: str | None = None, epoch: str = "utc", progress: Progress = None
    ) -> pd.DataFrame:
        """Fetch what a notification names, as one tidy frame; see :meth:`fetch_notified`."""
        return load_documents(
            self.profile, self.fetch_notified(notification, progress=progress), None, tz=tz, epoch=epoch
        )

    def _asked(self, start: Any, end: Any, tz: str | None, epoch: str) -> Window:
        """Read what is asked for; a slip of the pen shows itself before anything is fetched."""
        from greenkit.espi import check_epoch, check_zone

        zone = self.profile.zone if tz is None else check_zone(tz)
        check_epoch(epoch)
        return Window(_windows.instant(start, zone), _windows.instant(end, zone))

    # -- everything else that can be asked for

    def usage_points(self) -> pd.DataFrame:
        """List the usage points of the subscription, as ``open_espi(…).usage_points`` gives them."""
        address = resource_url(self.profile, "Subscription", self._grants.subscription(), "UsagePoint")
        found: pd.DataFrame = self._read(address, self._grants.customer_bearer).usage_points
        return found

    def customers(self) -> pd.DataFrame:
        """Fetch name and address of the retail customer, as ``open_espi(…).customers`` gives them."""
        number = segment_after(self._grants.token().customer_uri, "RetailCustomer")
        if not number:
            raise FormatError("the token answer named no retail customer: ask the utility whether the scope covers it")
        address = resource_url(self.profile, "Batch", "RetailCustomer", number)
        found: pd.DataFrame = self._read(address, self._grants.customer_bearer).customers
        return found

    def authorizations(self) -> pd.DataFrame:
        """List the authorizations that customers have given us.

        Returns
        -------
        DataFrame
            As ``open_espi(…).authorizations`` gives them, then the ids in their addresses: ``subscription``,
            ``bulk``, ``customer`` (empty text where there is none).
        """
        found: pd.DataFrame = self._read(
            resource_url(self.profile, "Authorization"), self._grants.client_bearer
        ).authorizations
        for column, uri, name in (
            ("subscription", "resource_uri", "Subscription"),
            ("bulk", "resource_uri", "Bulk"),
            ("customer", "customer_resource_uri", "RetailCustomer"),
        ):
            found[column] = found[uri].map(lambda u, name=name: segment_after(u if isinstance(u, str) else None, name))
        return found.astype({"subscription": "str", "bulk": "str", "customer": "str"})

    def service_status(self) -> bool:
        """Ask whether the utility's service is up."""
        found = self._read(resource_url(self.profile, "ReadServiceStatus"), self._grants.client_bearer).service_status
        if not len(found):
            raise FormatError("the answer holds no ServiceStatus: see what the utility sent")
        return bool(found["current_status"].iloc[0] == "normal")

    def application_information(self) -> pd.DataFrame:
        """Fetch our registration, as ``open_espi(…).application_information`` gives it: without its secrets."""
        held = self._registration
        bearer = self._grants.client_bearer if held is None else Bearer(lambda _: held, ClientRejected)
        address = resource_url(self.profile, "ApplicationInformation")
        found: pd.DataFrame = self._read(address, bearer).application_information
        return found

    def _read(self, address: str, bearer: Bearer) -> GreenButton:
        from greenkit.espi import open_espi

        return open_espi(as_source(self._get(address, bearer) or EMPTY_FEED))

    def _get(self, address: str, bearer: Bearer) -> bytes:
        answer = self._resources.get(address, bearer)
        if answer.status == 202:
            raise NotReady(f"{url_label(address)} is still being prepared: ask again later", answer.retry_after)
        return answer.body if isinstance(answer.body, bytes) else answer.body.read_bytes()

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
