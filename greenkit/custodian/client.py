"""Green Button Connect: a client of one utility, for one customer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from greenkit._progress import Progress
from greenkit.custodian import notifications, urls, windows
from greenkit.custodian.access import Access
from greenkit.custodian.fetching import NOTHING, load, named
from greenkit.custodian.grants import subscription_of
from greenkit.custodian.notifications import BatchList
from greenkit.custodian.resources import Bearer
from greenkit.custodian.urls import after
from greenkit.custodian.windows import Document, Pending, Window
from greenkit.errors import ClientRejected, FormatError, NotReady, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.espi import GreenButton

StrPath = str | os.PathLike[str]


class Client(Access):
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
        return load(self.profile, came, asked, tz=tz, epoch=epoch)

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
        address = urls.below(self.profile, *path, *(["UsagePoint", usage_point] if usage_point else []))
        return self._fetcher.windows(address, start, end, self._grants.of_customer, into, progress)

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
        return load(self.profile, came, asked, tz=tz, epoch=epoch)

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
        return self._fetcher.windows(address, start, end, self._grants.of_client, into, progress, bulk=True)

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
        checked = [urls.resource(self.profile, uri) for uri in batch]
        came, awaited = list[Document](), list[Pending]()
        for url in checked:
            bearer = self._bearer_of(url)
            found = self._fetcher.each([(url, None)], bearer, into, progress) if bearer else []
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
                self._grants.of_customer
                if after(url, "RetailCustomer") and self.grant == "authorization_code"
                else self._grants.of_client
            )
        if self.grant == "client_credentials":
            return self._grants.of_client
        return self._grants.of_customer if subscription_of(self._grants.token()) in ("", subscription) else None

    def load_notified(
        self, notification: bytes | BatchList, *, tz: str | None = None, epoch: str = "utc", progress: Progress = None
    ) -> pd.DataFrame:
        """Fetch what a notification names, as one tidy frame; see :meth:`fetch_notified`."""
        return load(self.profile, self.fetch_notified(notification, progress=progress), None, tz=tz, epoch=epoch)

    def _asked(self, start: Any, end: Any, tz: str | None, epoch: str) -> Window:
        """Read what is asked for; a slip of the pen shows itself before anything is fetched."""
        from greenkit.espi import check_epoch, check_zone

        zone = self.profile.zone if tz is None else check_zone(tz)
        check_epoch(epoch)
        return Window(windows.instant(start, zone), windows.instant(end, zone))

    # -- everything else that can be asked for

    def usage_points(self) -> pd.DataFrame:
        """List the usage points of the subscription, as ``open_espi(…).usage_points`` gives them."""
        address = urls.below(self.profile, "Subscription", self._grants.subscription(), "UsagePoint")
        found: pd.DataFrame = self._read(address, self._grants.of_customer).usage_points
        return found

    def customers(self) -> pd.DataFrame:
        """Fetch name and address of the retail customer, as ``open_espi(…).customers`` gives them."""
        number = after(self._grants.token().customer_uri, "RetailCustomer")
        if not number:
            raise FormatError("the token answer named no retail customer: ask the utility whether the scope covers it")
        address = urls.below(self.profile, "Batch", "RetailCustomer", number)
        found: pd.DataFrame = self._read(address, self._grants.of_customer).customers
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
            urls.below(self.profile, "Authorization"), self._grants.of_client
        ).authorizations
        for column, uri, name in (
            ("subscription", "resource_uri", "Subscription"),
            ("bulk", "resource_uri", "Bulk"),
            ("customer", "customer_resource_uri", "RetailCustomer"),
        ):
            found[column] = found[uri].map(lambda u, name=name: after(u if isinstance(u, str) else None, name))
        return found.astype({"subscription": "str", "bulk": "str", "customer": "str"})

    def service_status(self) -> bool:
        """Ask whether the utility's service is up."""
        found = self._read(urls.below(self.profile, "ReadServiceStatus"), self._grants.of_client).service_status
        if not len(found):
            raise FormatError("the answer holds no ServiceStatus: see what the utility sent")
        return bool(found["current_status"].iloc[0] == "normal")

    def application_information(self) -> pd.DataFrame:
        """Fetch our registration, as ``open_espi(…).application_information`` gives it: without its secrets."""
        held = self._registration
        bearer = self._grants.of_client if held is None else Bearer(lambda _: held, ClientRejected)
        address = urls.below(self.profile, "ApplicationInformation")
        found: pd.DataFrame = self._read(address, bearer).application_information
        return found

    def _read(self, address: str, bearer: Bearer) -> GreenButton:
        from greenkit.espi import open_espi

        return open_espi(named(self._get(address, bearer) or NOTHING))

    def _get(self, address: str, bearer: Bearer) -> bytes:
        answer = self._resources.get(address, bearer)
        if answer.status == 202:
            raise NotReady(f"{urls.label(address)} is still being prepared: ask again later", answer.retry_after)
        return answer.body if isinstance(answer.body, bytes) else answer.body.read_bytes()
