"""The client of one utility's Green Button Connect service, for one customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from greenkit import _html, _net, frame
from greenkit._progress import Progress
from greenkit.custodian import _authorization, _coverage, _transport, notifications
from greenkit.custodian._authorization import Authorization, Method
from greenkit.custodian._coverage import Coverage, Received
from greenkit.custodian._grants import Grants, Status, subscription_of
from greenkit.custodian._oauth import TokenEndpoint
from greenkit.custodian._resources import Bearer, Resources
from greenkit.custodian._tokens import Store, Token
from greenkit.custodian._transport import Tls, checked_url, resource_url, segment_after, url_label
from greenkit.custodian._windows import (
    EMPTY_FEED,
    Document,
    Fetcher,
    Moment,
    Pending,
    StrPath,
    Window,
    as_source,
    instant,
    reading_an_answer,
)
from greenkit.custodian.notifications import BatchList
from greenkit.custodian.profiles import Profile
from greenkit.errors import (
    AuthorizationExpired,
    ClientRejected,
    FormatError,
    GreenkitError,
    NotReady,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    StateMismatch,
)
from greenkit.findings import Findings, quiet
from greenkit.secret import Secret

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.espi import GreenButton

Grant = Literal["authorization_code", "client_credentials"]


@dataclass(frozen=True)
class Revocation:
    """Result of :meth:`Client.revoke`: what it ended at the utility, and what it could not end.

    Attributes
    ----------
    ended, not_ended : tuple of str
        Of "the authorization" and "the tokens"; each that was not ended is followed by its reason.
    already_ended : bool
        Whether the authorization had ended at the utility before.
    """

    ended: tuple[str, ...]
    not_ended: tuple[str, ...]
    already_ended: bool = False

    def __str__(self) -> str:
        if self.already_ended:
            return "The authorization had already ended at the utility; greenkit deleted it here"
        parts = [f"ended: {', '.join(self.ended) or 'nothing'}"]
        if self.not_ended:
            reasons = "; ".join(self.not_ended).removesuffix(".")
            parts.append(f"not ended: {reasons}. Ask the customer to end it on the utility's website")
        return ". ".join(parts)


class Client:
    """Client of a utility's Green Button Connect service, for one customer. Create it with :func:`greenkit.connect`.

    Every method except :meth:`status` and :meth:`forget` may send requests to the utility. Threads may share a client,
    and processes may share its token store.

    Parameters
    ----------
    profile : Profile
    client_id : str
    client_secret : Secret or None
    tls : Tls
    store : Store
        Storage for the customer's grant.
    grant : {"authorization_code", "client_credentials"}
        With ``client_credentials`` nobody signs in, and the bulk ID comes from the authorizations.
    redirect_uri, registration_token, subscription, timeout, limit
        As in :func:`greenkit.connect`.
    proxy : Proxy, optional
        Proxy that opens the connections.

    Examples
    --------
    With a simulated utility and a simulated customer:

    >>> from greenkit.sandbox import custodian, visitor
    >>> with custodian.start("pge") as utility, utility.connect() as client:
    ...     flow = client.authorize("paste")
    ...     client.finish(visitor.visit(flow.url))
    ...     client, len(client.usage("2024-03-10", "2024-03-11"))  # 3 series of 92 quarter-hours: DST begins
    (<Client of pge: authorized>, 276)
    """

    def __init__(
        self,
        profile: Profile,
        *,
        client_id: str,
        client_secret: Secret | None,
        tls: Tls,
        store: Store,
        grant: Grant = "authorization_code",
        redirect_uri: str | None = None,
        registration_token: Secret | None = None,
        subscription: str | None = None,
        timeout: float = 60.0,
        limit: int | None = None,
        proxy: _net.Proxy | None = None,
    ) -> None:
        self.profile, self.grant, self.redirect_uri = profile.complete(), grant, redirect_uri
        self._id, self._registration, self._subscription_id = client_id, registration_token, subscription
        limiter = _transport.shared_limiter(profile.resource_url, client_id, profile.limits)
        endpoint = TokenEndpoint(profile, client_id, client_secret, tls, timeout=timeout, proxy=proxy, limiter=limiter)
        self._grants = Grants(endpoint, store)
        self._resources = Resources(profile, tls, timeout=timeout, limit=limit, proxy=proxy, limiter=limiter)
        self._fetcher = Fetcher(profile, self._resources)
        self._flow: Authorization | None = None
        self._usage_points: tuple[str, ...] | None = None
        self._coverage: Coverage | None = None
        self._before: Received | None = None

    # -- sign in and out

    def authorize(
        self,
        method: Method = "auto",
        *,
        again: bool = False,
        open_browser: bool = False,
        deadline: float = _authorization.DEADLINE,
    ) -> Authorization:
        """Start an authorization, and return at once.

        Parameters
        ----------
        method : {"auto", "loopback", "paste"}
            How the redirect arrives; see :class:`~greenkit.custodian.Authorization`.
        again : bool
            Start one even if there is a grant. At PG&E the old grant ends as soon as the customer approves, even if
            this process has stopped waiting by then.
        open_browser : bool
            Open the link in the browser of this machine.
        deadline : float
            Seconds that the customer has.

        Returns
        -------
        Authorization
            Its ``url`` is the link; ``wait()`` and ``prompt()`` block, ``finish(url)`` takes a pasted redirect URL,
            and ``cancel()`` ends it. If the store has a grant, it is authorized already.

        Raises
        ------
        SettingsError
            If redirect_uri is missing, this client uses client credentials, or the token store cannot be written.
        """
        if self.grant != "authorization_code":
            raise SettingsError(
                "This client uses client credentials, so there is no sign-in", next_step="Call usage() or bulk()."
            )
        if self.redirect_uri is None:
            raise SettingsError(
                "No redirect_uri is set", next_step="Pass redirect_uri= as it is registered with the utility."
            )
        if self.profile.authorize_url.startswith("/"):
            raise SettingsError(
                f"The profile {self.profile.name} has no sign-in page",
                next_step=f'Set authorize_url in a TOML profile with based_on = "{self.profile.name}".',
            )
        if self._flow is not None:
            self._flow.cancel()
        with self._grants.store.locked():  # a store that cannot be written raises before the customer signs in
            already = not again and self._grants.stored() is not None
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
        """Finish the authorization in progress with the URL to which the browser was redirected."""
        url = Secret(url)  # a traceback with locals shows this frame
        if self._flow is None:
            raise StateMismatch("No authorization is in progress in this process", next_step="Call authorize().")
        self._flow.finish(url)

    def status(self) -> Status:
        """Return the state of this client, without a request."""
        if self.grant == "client_credentials":
            return Status("client credentials", "client credentials: nobody needs to sign in")
        place = str(self._grants.store)
        if self._flow is not None and self._flow.status in ("waiting", "finishing"):
            return Status("waiting", "waiting for the customer to sign in and approve access", tokens=place)
        return replace(self._grants.status(), tokens=place)

    def revoke(self) -> Revocation:
        """End the grant at the utility and delete it from this machine.

        Returns
        -------
        Revocation
            What was ended there, and what could not be.

        Raises
        ------
        SettingsError
            If there is no grant on this machine, so greenkit cannot end anything at the utility.
        """
        token, ended, failed = self._grants.store.load(), list[str](), list[str]()
        if token is None:
            raise SettingsError(
                "There is no grant on this machine, so greenkit cannot end the authorization at the utility",
                next_step="If the customer has authorized this client, ask them to end it on the utility's website.",
            )
        for name, end in self._ways_to_end(token):
            try:
                end()
                ended.append(name)
            except GreenkitError as e:
                if isinstance(e, AuthorizationExpired) and e.final:  # its tokens have no use any more
                    self.forget()
                    return Revocation((), (), already_ended=True)
                failed.append(f"{name} ({e})")
        self.forget()
        return Revocation(tuple(ended), tuple(failed), already_ended=token.ended)

    def _ways_to_end(self, token: Token) -> Iterable[tuple[str, Callable[[], object]]]:
        if token.ended:
            return
        authorization_id = segment_after(token.authorization_uri, "Authorization")
        if authorization_id:
            own = "client_credentials" in self.profile.grants
            bearer = self._grants.client_bearer if own else self._grants.customer_bearer
            url = resource_url(self.profile, "Authorization", authorization_id)
            yield "the authorization", lambda: self._resources.delete(url, bearer)
        if self.profile.revoke_url is not None:
            # loaded again, because ending the authorization may have renewed the tokens
            yield "the tokens", lambda: self._grants.endpoint.revoke(self._grants.store.load() or token)
        if not authorization_id and self.profile.revoke_url is None:
            yield "the authorization", _no_way_to_end

    def forget(self) -> None:
        """Delete the grant from this machine only; afterwards only the customer can end it at the utility."""
        if self._flow is not None:
            self._flow.cancel()
        self._grants.forget()

    # -- usage

    def usage(
        self,
        start: Moment,
        end: Moment,
        usage_point: str | None = None,
        *,
        tz: str | None = None,
        epoch: str = "utc",
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Fetch usage as a tidy frame.

        Parameters
        ----------
        start, end : date, time, or epoch seconds
            ``end`` is exclusive. Without an offset it is the utility's local time. Some utilities select by the time
            of publication, so the answer can cover less or more. A finding reports it, and nothing is dropped.
        usage_point : str, optional
            One of :meth:`usage_points`. Default: all of the subscription.
        tz, epoch
            As in :func:`greenkit.load_espi`. Dates without an offset are in ``tz``, too.
        progress : None, True, or callable

        Returns
        -------
        DataFrame
            As :func:`greenkit.load_espi` returns it. If there are no data, it is empty and has every dtype. Its
            findings and :attr:`coverage` report what is missing.

        Raises
        ------
        NotReady
            If the utility is still preparing the data.
        AuthorizationExpired, ClientRejected, CertificateRejected, RateLimited, ServerUnavailable, …
            If the utility refuses or cannot be reached.
        """
        asked = self._asked(start, end, tz, epoch)
        documents = self.fetch_usage(asked.start, asked.end, usage_point, progress=progress)
        if isinstance(documents, Pending):
            raise documents.error()
        return self._load(documents, asked, tz=tz, epoch=epoch, usage_point=usage_point, listed=True)

    def fetch_usage(
        self,
        start: Moment,
        end: Moment,
        usage_point: str | None = None,
        *,
        into: StrPath | None = None,
        progress: Progress = None,
    ) -> list[Document] | Pending:
        """Fetch usage as the bytes that arrive, which can be stored, loaded later, or sent with a bug report.

        Parameters
        ----------
        start, end, usage_point, progress
            As in :meth:`usage`.
        into : path, optional
            Folder to stream each document to, as a private file.

        Returns
        -------
        list of Document, or Pending
            One or more documents for each window with data, in order of time; Pending if any of them is still being
            prepared.
        """
        if self.grant == "client_credentials":
            if usage_point is not None:
                raise SettingsError(
                    "Bulk data contains every usage point",
                    next_step="Leave usage_point out, and filter the frame by meter.",
                )
            return self.fetch_bulk(start, end, into=into, progress=progress)
        path = ["Batch", "Subscription", self._subscription()]
        url = resource_url(self.profile, *path, *(["UsagePoint", usage_point] if usage_point else []))
        return self._fetcher.fetch_windows(url, start, end, self._grants.customer_bearer, into, progress)

    def bulk(
        self,
        start: Moment,
        end: Moment,
        bulk_id: str | None = None,
        *,
        tz: str | None = None,
        epoch: str = "utc",
        progress: Progress = None,
    ) -> pd.DataFrame:
        """Fetch bulk data, of every customer of this client, as one tidy frame; see :meth:`usage`."""
        asked = self._asked(start, end, tz, epoch)
        documents = self.fetch_bulk(asked.start, asked.end, bulk_id, progress=progress)
        return self._load(documents, asked, tz=tz, epoch=epoch)

    def fetch_bulk(
        self,
        start: Moment,
        end: Moment,
        bulk_id: str | None = None,
        *,
        into: StrPath | None = None,
        progress: Progress = None,
    ) -> list[Document] | Pending:
        """Fetch bulk data as the bytes that arrive. Default ``bulk_id``: that of :meth:`authorizations`."""
        url = resource_url(self.profile, "Batch", "Bulk", bulk_id or self._bulk_id())
        return self._fetcher.fetch_windows(url, start, end, self._grants.client_bearer, into, progress, bulk=True)

    def _bulk_id(self) -> str:
        found = self.authorizations()
        ids = sorted(set(found.loc[(found["bulk"] != "") & (found["status"] != "revoked"), "bulk"]))
        if len(ids) != 1:
            raise SettingsError(
                f"The utility's list of authorizations contains {len(ids)} bulk IDs instead of one",
                next_step="Pass bulk_id= from authorizations()['bulk'] or from the registration.",
            )
        return str(ids[0])

    def fetch_notified(
        self, notification: bytes | BatchList, *, into: StrPath | None = None, progress: Progress = None
    ) -> list[Document] | Pending:
        """Fetch what a notification names.

        Parameters
        ----------
        notification : bytes or BatchList
            The body that the utility posted to the registered address. Anybody can post there, so greenkit trusts
            nothing in it: it sends no request unless every URL is one of the utility's resources. It leaves URLs of
            other customers' subscriptions to the clients of these customers.
        into, progress
            As in :meth:`fetch_usage`.

        Raises
        ------
        HostRejected
            If it names a URL that is not one of the utility's resources.
        FormatError, LimitError
            If it is not a BatchList, is too large, or has a DOCTYPE.
        """
        batch = notifications.parse(notification) if isinstance(notification, bytes) else notification
        checked = [checked_url(self.profile, uri) for uri in batch]
        documents, awaited = list[Document](), list[Pending]()
        for url in checked:
            bearer = self._bearer_for(url)
            found = self._fetcher.fetch_urls([(url, None)], bearer, into, progress) if bearer else []
            if isinstance(found, Pending):
                awaited.append(found)
                documents += found.documents
            else:
                documents += found
        if awaited:
            missing = tuple(w for p in awaited for w in p.windows)
            return Pending(missing, tuple(documents), max(p.retry_after for p in awaited), awaited[0].transaction)
        return documents

    def _bearer_for(self, url: str) -> Bearer | None:
        """Choose the token for a URL; None for another customer's subscription."""
        subscription = segment_after(url, "Subscription")
        if not subscription:
            customers = segment_after(url, "RetailCustomer") and self.grant == "authorization_code"
            return self._grants.customer_bearer if customers else self._grants.client_bearer
        if self.grant == "client_credentials":
            return self._grants.client_bearer
        return self._grants.customer_bearer if self._known_subscription() in ("", subscription) else None

    def load_notified(
        self, notification: bytes | BatchList, *, tz: str | None = None, epoch: str = "utc", progress: Progress = None
    ) -> pd.DataFrame:
        """Fetch what a notification names, as one tidy frame; see :meth:`fetch_notified`."""
        documents = self.fetch_notified(notification, progress=progress)
        return self._load(documents, None, tz=tz, epoch=epoch)

    @property
    def coverage(self) -> pd.DataFrame | None:
        """Completeness of the latest :meth:`usage`, :meth:`bulk`, or :meth:`load_notified`, by meter, flow, and day.

        None before the first one. Columns: ``meter``, ``flow``, ``day`` (local), ``requested_hours``,
        ``received_hours``, ``readings``, ``status`` (complete, partial, missing, not yet, not requested), and
        ``change`` compared with the fetches before (new, revised, same; empty for the first one).

        Every requested day has a row, up to a year in the future. A usage point that is missing from the answer has an
        empty ``flow``; if the answer has no readings, ``meter`` may be empty, too. The table is empty only if no period
        was requested, or it is too long to compare, which a finding reports. So test both:
        ``len(c) > 0 and (c["status"] == "complete").all()``.
        """
        return None if self._coverage is None else self._coverage.frame(self._before)

    def _asked(self, start: Moment, end: Moment, tz: str | None, epoch: str) -> Window:
        """Check the arguments before any request."""
        from greenkit.espi import check_epoch, check_zone

        zone = self.profile.zone if tz is None else check_zone(tz)
        check_epoch(epoch)
        return Window(instant(start, zone), instant(end, zone))

    def _load(
        self,
        documents: list[Document] | Pending,
        asked: Window | None,
        *,
        tz: str | None,
        epoch: str,
        usage_point: str | None = None,
        listed: bool = False,
    ) -> pd.DataFrame:
        """Load documents as ``load_espi`` does, and report what is missing compared with what was requested."""
        if isinstance(documents, Pending):
            raise documents.error()
        from greenkit.espi import load_espi

        findings = Findings()
        with quiet(), reading_an_answer():
            if documents:
                df = load_espi([as_source(d.body) for d in documents], tz=tz, epoch=epoch)
                # this client follows pages, and reports for an empty answer what was requested
                nothing = {"espi.reading.none", "load.intervals.none"} if asked is not None else set()
                known = {"espi.feed.more-pages", *nothing}
                findings.extend(f for f in frame.findings_of(df) if f.name not in known)
            else:
                df = load_espi(EMPTY_FEED, tz=tz or self.profile.zone, epoch=epoch)
        for reason in sorted({d.unfollowed for d in documents if d.unfollowed}):
            findings.add(_coverage.PAGE_UNFOLLOWED, reason=reason)
        df.attrs.clear()  # pandas would copy the findings at every access below; they are attached again at the end
        rows = _coverage.Readings.of(df)
        if asked is not None:
            _coverage.compare_with_window(rows, asked, tz or self.profile.zone, findings)
        found = _coverage.coverage(rows, asked, tz or self.profile.zone)
        before = (
            self._before if self._coverage is None else (self._before or Received()).joined(self._coverage.received)
        )
        compared = before if before is None or usage_point is None else before.of_meter(usage_point)
        meters = [usage_point] if usage_point else self._listed_usage_points() if listed and documents else ()
        found.report(findings, meters=meters, before=compared)
        named = meters or (self._usage_points or () if listed else ())
        self._before, self._coverage = before, found.with_absent(named)
        findings.warn(self.profile.name)
        return frame.note(df, findings)

    # -- which subscription

    def _known_subscription(self) -> str:
        return self._subscription_id or subscription_of(self._grants.token(), self.profile)

    def _subscription(self) -> str:
        """Return the ID of the customer's subscription: from the settings, the grant, or the list of authorizations.

        Raises
        ------
        FormatError
            If none of them contains it.
        """
        known = self._known_subscription()
        if known:
            return known
        step = "Pass subscription= to connect(), or set it in the settings, with the ID from the utility."
        if "client_credentials" not in self.profile.grants:
            raise FormatError("The utility's token answer contains no resourceURI", next_step=step)
        try:
            listed = self.authorizations()
        except ServerUnavailable:
            raise
        except (RemoteError, FormatError) as e:
            raise FormatError(
                f"The utility's token answer contains no resourceURI, and its list of authorizations is not available "
                f"({type(e).__name__})",
                next_step=step,
            ) from None
        listed = listed[(listed["subscription"] != "") & (listed["status"] != "revoked")]
        own = segment_after(self._grants.token().authorization_uri, "Authorization")
        mine = listed[listed["id"].astype("str").str.contains(own, regex=False)] if own else listed
        found = sorted(set(mine["subscription"]))
        if len(found) != 1:
            raise FormatError(
                "The utility's token answer contains no resourceURI, and its list of authorizations contains "
                f"{len(found)} subscriptions instead of one",
                next_step=step,
            )
        self._subscription_id = str(found[0])
        return self._subscription_id

    def _listed_usage_points(self) -> tuple[str, ...]:
        """Return the usage points of the subscription, requested once; none if the utility does not list them."""
        if self.grant == "client_credentials" or not self.profile.lists_usage_points:
            return ()
        if self._usage_points is None:
            try:
                self._usage_points = tuple(sorted({str(m) for m in self.usage_points()["meter"]}))
            except (RemoteError, FormatError, NotReady):  # the answer itself has arrived; this list only checks it
                self._usage_points = ()
        return self._usage_points

    # -- everything else

    def usage_points(self) -> pd.DataFrame:
        """Fetch the usage points of the subscription, as ``open_espi(…).usage_points`` returns them."""
        url = resource_url(self.profile, "Subscription", self._subscription(), "UsagePoint")
        found: pd.DataFrame = self._read(url, self._grants.customer_bearer).usage_points
        return found

    def customers(self) -> pd.DataFrame:
        """Fetch name and address of the retail customer, as ``open_espi(…).customers`` returns them."""
        number = segment_after(self._grants.token().customer_uri, "RetailCustomer")
        if not number:
            raise FormatError(
                "The utility's token answer contains no customerResourceURI",
                next_step="Ask the utility whether the scope includes customer data.",
            )
        url = resource_url(self.profile, "Batch", "RetailCustomer", number)
        found: pd.DataFrame = self._read(url, self._grants.customer_bearer).customers
        return found

    def authorizations(self) -> pd.DataFrame:
        """Fetch the authorizations that customers have given to this client.

        Returns
        -------
        DataFrame
            As ``open_espi(…).authorizations`` returns them, and the IDs in their URIs: ``subscription``, ``bulk``,
            ``customer`` (empty text if there is none).
        """
        url = resource_url(self.profile, "Authorization")
        found: pd.DataFrame = self._read(url, self._grants.client_bearer).authorizations
        for column, uri, name in (
            ("subscription", "resource_uri", "Subscription"),
            ("bulk", "resource_uri", "Bulk"),
            ("customer", "customer_resource_uri", "RetailCustomer"),
        ):
            found[column] = found[uri].map(lambda u, name=name: segment_after(u if isinstance(u, str) else None, name))
        return found.astype({"subscription": "str", "bulk": "str", "customer": "str"})

    def service_status(self) -> bool:
        """Fetch whether the utility's service is available."""
        found = self._read(resource_url(self.profile, "ReadServiceStatus"), self._grants.client_bearer).service_status
        if not len(found):
            raise FormatError(
                "The answer contains no ServiceStatus", next_step="Ask the utility about its ServiceStatus resource."
            )
        return bool(found["current_status"].iloc[0] == "normal")

    def application_information(self) -> pd.DataFrame:
        """Fetch this client's registration, without secrets, as ``open_espi(…).application_information`` returns it."""
        token = self._registration
        bearer = self._grants.client_bearer if token is None else Bearer(lambda _: token, ClientRejected)
        url = resource_url(self.profile, "ApplicationInformation")
        found: pd.DataFrame = self._read(url, bearer).application_information
        return found

    def _read(self, url: str, bearer: Bearer) -> GreenButton:
        from greenkit.espi import open_espi

        body = self._get(url, bearer) or EMPTY_FEED
        with reading_an_answer():
            return open_espi(as_source(body))

    def _get(self, url: str, bearer: Bearer) -> bytes:
        answer = self._resources.get(url, bearer)
        if answer.status == 202:
            raise NotReady(
                f"The utility is still preparing {url_label(url)}", answer.retry_after, next_step="Try again later."
            )
        return answer.body if isinstance(answer.body, bytes) else answer.body.read_bytes()

    # -- the object

    def close(self) -> None:
        """Close the connections, and cancel an authorization in progress."""
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
        raise TypeError("A Client cannot be pickled, because it holds secrets. Call connect() where you need it.")


def _no_way_to_end() -> None:
    raise RemoteError("the utility offers no address for it")
