"""The pretend utility's resources: ESPI documents of seeded meters, asked for as at a profile's utility.

Windows, dates and refusals are those of the profile: a window that the real service would refuse is refused here.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from xml.sax.saxutils import escape

import flask
import pandas as pd

from greenkit import synthetic
from greenkit.sandbox.custodian_oauth import Authorization, Issued, Register
from greenkit.synthetic import Dialect, Meter

ATOM: Final = "application/atom+xml"
BULK_ID: Final = 50_916
USUAL_DAYS: Final = 30
"""Without a window the last so many days are given, where the profile has no longest window."""
_AUTHORIZATION_STATUS: Final = {True: 1, False: 0}


class Refusal(Exception):
    """An answer other than data."""

    def __init__(self, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class Job:
    """A request that is prepared while the asker waits."""

    ready: float
    key: str = field(default_factory=lambda: secrets.token_hex(8))


class Resources:
    """Make the documents.

    Parameters
    ----------
    register : Register
        Who has allowed what.
    base : str
        The address of the resources, with its slash.
    dialect : str or Dialect
        In which feeds are written.
    """

    def __init__(self, register: Register, base: str, dialect: str | Dialect) -> None:
        self._register, self._base, self._profile = register, base, register.profile
        named = synthetic.DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self._dialect = replace(named, base=base.rstrip("/"))
        self.jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    # -- usage

    def usage(self, meters: tuple[Meter, ...], query: Mapping[str, str], *, bulk: bool = False) -> Iterator[bytes]:
        """Give a feed of the readings in the window that is asked for; 204 when there is nothing in it."""
        start, end = self.window(query, bulk=bulk)
        if start >= end or not meters:
            raise Refusal(204)
        return synthetic.stream_espi(meters, start, end, dialect=self._dialect)

    def window(self, query: Mapping[str, str], *, bulk: bool = False) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Read the window as the profile's utility does; no reading is later than now."""
        names = self._profile.bulk_window_parameters if bulk else self._profile.window_parameters
        now = pd.Timestamp.now("UTC").floor("15min")
        texts = [query.get(name) for name in names]
        start, end = (self._instant(t) if t else None for t in texts)
        if end is not None and end > now and self._profile.clip_future:
            raise Refusal(400)
        end = end or now
        longest = self._profile.window_days
        start = start if start is not None else end - pd.Timedelta(days=longest or USUAL_DAYS)
        if start >= end or (longest and end - start > pd.Timedelta(days=longest, hours=1)):
            raise Refusal(400)
        return start, min(end, now)

    def _instant(self, text: str) -> pd.Timestamp:
        if self._profile.dates == "epoch":
            if not text.isdecimal():
                raise Refusal(400)
            return pd.Timestamp(int(text), unit="s", tz="UTC")
        if not (len(text) == 20 and text.endswith("Z")):  # a fraction of a second is refused, as in the wild
            raise Refusal(400)
        try:
            return pd.Timestamp(text)
        except ValueError:
            raise Refusal(400) from None

    def pending(self, url: str, seconds: float, *, kept: bool) -> Job | None:
        """Give the job of a request: a new one, or the one that is running; None when its data are ready."""
        with self._lock:
            job = self.jobs.get(url)
            if job is not None and time.monotonic() >= job.ready:
                if not kept:
                    del self.jobs[url]
                return None
            if job is None:
                job = self.jobs[url] = Job(time.monotonic() + seconds)
            return job

    def usage_points(self, meters: tuple[Meter, ...]) -> Iterator[bytes]:
        """Give a feed of the usage points alone."""
        dialect = replace(self._dialect, readings=False, summary=None, power_quality=False)
        now = pd.Timestamp.now("UTC").floor("s")
        return synthetic.stream_espi(meters, now - pd.Timedelta(days=1), now, dialect=dialect)

    # -- everything else

    def authorizations(self, one: int | None = None) -> bytes:
        """Give the authorizations that customers have given, and the bulk one of the third party itself."""
        found = [a for a in self._register.authorizations.values() if one in (None, a.id)]
        entries = [self._authorization(a) for a in found]
        if one in (None, BULK_ID):
            scope = f"FB=1_3_4_5_13;BulkAccountCollection={len(self._register.authorizations)}"
            entries.append(
                self._authorization_entry(BULK_ID, True, scope, int(time.time()) - 86_400, f"Batch/Bulk/{BULK_ID}", "")
            )
        if not entries:
            raise Refusal(404)
        return _feed(entries)

    def _authorization(self, a: Authorization) -> str:
        customer = f"{self._base}Batch/RetailCustomer/{a.customer.id}"
        return self._authorization_entry(a.id, a.active, a.scope, int(a.began), f"Batch/Subscription/{a.id}", customer)

    def _authorization_entry(
        self, number: int, active: bool, scope: str, began: int, resource: str, customer: str
    ) -> str:
        here = f"{self._base}Authorization/{number}"
        return _entry(
            here,
            _espi(
                "Authorization",
                authorizedPeriod=_period(began, 365 * 86_400),
                publishedPeriod=_period(began - 730 * 86_400, 1095 * 86_400),
                status=_AUTHORIZATION_STATUS[active],
                expires_at=began + 365 * 86_400,
                scope=scope,
                token_type="Bearer",  # noqa: S106 a kind of token
                resourceURI=self._base + resource,
                authorizationURI=here,
                customerResourceURI=customer or None,
            ),
        )

    def service_status(self) -> bytes:
        """Give the service's status: up."""
        return b'<?xml version="1.0"?>' + _espi("ServiceStatus", currentStatus=1).encode()

    def application_information(self) -> bytes:
        """Give the third party's registration, its secret too, as a utility does."""
        app = self._register.application
        return _feed(
            [
                _entry(
                    f"{self._base}ApplicationInformation/1",
                    _espi(
                        "ApplicationInformation",
                        dataCustodianId="SANDBOX",
                        dataCustodianApplicationStatus=2,
                        thirdPartyApplicationDescription="greenkit in its sandbox",
                        client_secret=app.secret,
                        client_name="greenkit",
                        redirect_uri=app.redirect_uris[0],
                        client_id=app.id,
                    ),
                )
            ]
        )

    def retail_customer(self, number: int) -> bytes:
        """Give a pretend customer's name and address."""
        found = next((c for c in self._register.customers if c.id == number), None)
        if found is None:
            raise Refusal(404)
        content = (
            '<cust:Customer xmlns:cust="http://naesb.org/espi/customer"><cust:Organisation><cust:streetAddress>'
            f"<cust:streetDetail><cust:number>{found.id}</cust:number><cust:name>Sandbox Street</cust:name>"
            "</cust:streetDetail><cust:townDetail><cust:name>Loopback</cust:name>"
            "<cust:stateOrProvince>TX</cust:stateOrProvince></cust:townDetail></cust:streetAddress>"
            f"<cust:organisationName>{escape(found.name)}</cust:organisationName></cust:Organisation>"
            f"<cust:kind>residential</cust:kind><cust:customerName>{escape(found.name)}</cust:customerName></cust:Customer>"
        )
        return _feed([_entry(f"{self._base}RetailCustomer/{number}/Customer/1", content)])

    def batch_list(self, uris: list[str]) -> bytes:
        """Give a notification's body, in the form that PG&E's have."""
        resources = "".join(f"<ns0:resources>{escape(u)}</ns0:resources>" for u in uris)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\\n<ns0:BatchList xmlns:ns0="http://naesb.org/espi">'
            f"{resources}</ns0:BatchList>"
        ).encode()


def allowed_meters(register: Register, token: Issued, subscription: int | None) -> tuple[Meter, ...]:
    """Give the meters that a token opens; 403 for another customer's subscription."""
    if subscription is None:
        return tuple(m for a in register.authorizations.values() if a.active for m in a.meters)
    found = register.authorizations.get(subscription)
    if found is None:
        raise Refusal(404)
    if token.authorization is not found or not found.active:
        raise Refusal(403)
    return found.meters


def answer(body: bytes | Iterator[bytes]) -> flask.Response:
    """Make the answer of a document."""
    return flask.Response(body, content_type=ATOM)


def _feed(entries: list[str]) -> bytes:
    now = pd.Timestamp.now("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:uuid:00000000-0000-5000-8000-000000000001</id><title>greenkit sandbox</title><updated>{now}</updated>"
        f"{''.join(entries)}</feed>"
    ).encode()


def _entry(href: str, content: str) -> str:
    now = pd.Timestamp.now("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    import uuid

    return (
        f"<entry><id>urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, href)}</id><link rel='self' href='{escape(href)}'/>"
        f"<title/><content>{content}</content><published>{now}</published><updated>{now}</updated></entry>"
    )


def _espi(name: str, **members: Any) -> str:
    inside = "".join(
        f"<{k}>{v if str(v).startswith('<duration>') else escape(str(v))}</{k}>"
        for k, v in members.items()
        if v is not None
    )
    return f'<{name} xmlns="http://naesb.org/espi">{inside}</{name}>'


def _period(start: int, duration: int) -> str:
    return f"<duration>{duration}</duration><start>{start}</start>"
