"""What the pretend utility answers: its routes, who may take them, and what goes wrong on purpose."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import flask

from greenkit import synthetic
from greenkit.custodian.profiles import LOOPBACK
from greenkit.errors import SettingsError
from greenkit.sandbox.custodian_oauth import Provider
from greenkit.sandbox.custodian_pages import Pages
from greenkit.sandbox.custodian_register import Issued, Register
from greenkit.sandbox.custodian_resources import BULK_ID, Refusal, Resources, allowed_meters, answer
from greenkit.secret import Secret
from greenkit.synthetic import _resources

CLIENT: Final = "greenkit-client"
"""Common name in the certificate of the registered third party."""
PREPARING: Final = 0.2
"""Seconds for which data are prepared, where the answer is 202."""


@dataclass
class Behaviour:
    """What the utility does wrong on purpose; change it while it runs.

    Attributes
    ----------
    slow : float
        Seconds of silence before each answer.
    busy : deque of (status, Retry-After or None)
        Answers, one each, that the next requests for resources get: 429, 503, …
    prepared : set of {"usage", "bulk"}
        What is answered with 202 first, and a notification when it is ready.
    forgets_jobs : bool
        A request that is asked again after its 202 begins a new job: only the notification's address has the data.
    cut_after : int or None
        Bytes after which the connection of a resource's answer is cut.
    replace : callable or None
        Given a request's path, it may give an answer of its own (a flask Response) in place of the right one.
    """

    slow: float = 0.0
    busy: deque[tuple[int, str | None]] = field(default_factory=deque)
    prepared: set[str] = field(default_factory=set)
    forgets_jobs: bool = False
    cut_after: int | None = None
    replace: Callable[[str], flask.Response | None] | None = None


class Service:
    """Make the flask applications of a pretend utility.

    Parameters
    ----------
    register : Register
        Customers, authorizations and tokens; its profile is whose dialect is spoken.
    resources : Resources
        Make the documents.
    behaviour : Behaviour
        What goes wrong on purpose; it may be replaced while it runs.
    registration_token : Secret
        Opens the application information.
    notification_uri : str or None
        Where notifications are posted: an address of this machine.

    Attributes
    ----------
    seen : list of (method, path, common name of the certificate, bearer or not)
        Every request that came over TLS.
    notified : list of bytes
        Every notification.
    """

    def __init__(
        self,
        register: Register,
        resources: Resources,
        behaviour: Behaviour,
        *,
        registration_token: Secret,
        notification_uri: str | None,
    ) -> None:
        self._register, self._resources, self.behaviour = register, resources, behaviour
        self._profile, self._registration_token = register.profile, registration_token
        self._notification_uri = notification_uri
        self.seen: list[tuple[str, str, str, bool]] = []
        self.notified: list[bytes] = []

    def pages(self) -> flask.Flask:
        """Make the application of the customer's pages."""
        return self._app()[0]

    def api(self) -> flask.Flask:
        """Make the application that clients reach over TLS: token endpoint, resources, and the pages too."""
        app, provider = self._app()
        app.before_request(self._before)
        app.after_request(self._cut)
        base, revoke = self._profile.resource_url, self._profile.revoke_url
        _post(app, self._profile.token_url, "token", lambda: self._replaced() or provider.token_response(base))
        if revoke:
            _post(app, revoke, "revoke", lambda: self._replaced() or provider.create_endpoint_response("revocation"))
        self._add_resources(app)
        return app

    def _app(self) -> tuple[flask.Flask, Provider]:
        app = flask.Flask(__name__, static_folder=None)
        provider = Provider(app, self._register)
        pages = Pages(provider, self._register, self._profile.title)
        app.add_url_rule(
            urlsplit(self._profile.authorize_url).path, "authorize", pages.authorize, methods=["GET", "POST"]
        )
        app.register_error_handler(Refusal, lambda r: flask.Response(r.body, r.status, r.headers))
        return app, provider

    def _add_resources(self, app: flask.Flask) -> None:
        base, made = urlsplit(self._profile.resource_url).path, self._resources
        routes: dict[str, Callable[..., Any]] = {
            "ReadServiceStatus": lambda: answer(made.service_status()),
            "ApplicationInformation": lambda: answer(made.application_information()),
            "Authorization": lambda: answer(made.authorizations()),
            "Authorization/<int:number>": self._authorization,
            "Subscription/<int:number>/UsagePoint": lambda number: answer(
                made.usage_points(allowed_meters(self._register, flask.g.token, number))
            ),
            "Batch/Subscription/<int:number>": lambda number: self._usage(number, None),
            "Batch/Subscription/<int:number>/UsagePoint/<point>": self._usage,
            "Batch/Bulk/<int:number>": self._bulk,
            "Batch/RetailCustomer/<int:number>": self._customer,
        }
        own = ("ReadServiceStatus", "ApplicationInformation", "Authorization", "Batch/Bulk")
        for rule, view in routes.items():
            whose = "client" if rule.startswith(own) else "customer"
            methods = ["GET", "DELETE"] if rule == "Authorization/<int:number>" else ["GET"]
            app.add_url_rule(base + rule, rule, self._guarded(view, whose), methods=methods)

    # -- every request

    def _before(self) -> flask.Response | None:
        request = flask.request
        name = request.environ.get("SSL_CLIENT_S_DN_CN", "")
        self.seen.append((request.method, request.path, name, "Authorization" in request.headers))
        if self.behaviour.slow:
            time.sleep(self.behaviour.slow)
        page = request.path == urlsplit(self._profile.authorize_url).path
        if self._profile.mutual_tls and not page and name != CLIENT:
            # PG&E's answer: 400 and a bare JSON string
            return flask.Response('"Invalid Certificate"', 400, content_type="application/json")
        return None

    def _cut(self, response: flask.Response) -> flask.Response:
        after = self.behaviour.cut_after
        if after is None or response.status_code != 200:
            return response
        body = response.get_data()

        def pieces() -> Iterator[bytes]:
            yield body[:after]
            raise ConnectionAbortedError  # cheroot closes the connection

        return flask.Response(pieces(), 200, {"Content-Length": str(len(body))}, content_type=response.content_type)

    def _replaced(self) -> flask.Response | None:
        return self.behaviour.replace(flask.request.path) if self.behaviour.replace else None

    def _guarded(self, view: Callable[..., Any], whose: str) -> Callable[..., Any]:
        def guarded(**parts: Any) -> Any:
            self._register.counts[f"{flask.request.method} {flask.request.path}"] += 1
            replaced = self._replaced()
            if replaced is not None:
                return replaced
            if self.behaviour.busy:
                status, wait = self.behaviour.busy.popleft()
                raise Refusal(status, headers={"Retry-After": wait} if wait else {})
            flask.g.token = self._token(whose)
            return view(**parts)

        return guarded

    def _token(self, whose: str) -> Issued | None:
        """Find the bearer's token; the profile's status for one that has ended, 403 for one of the wrong kind."""
        scheme, _, access = flask.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Refusal(401, headers={"WWW-Authenticate": "Bearer"})
        if access == self._registration_token.reveal() and flask.request.path.endswith("/ApplicationInformation"):
            return None
        found = self._register.issued(access)
        if found is None or found.is_expired() or found.is_revoked():
            status = 403 if self._profile.name in ("pge", "pge_test") else 401
            raise Refusal(status, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if (found.authorization is None) != (whose == "client"):
            # a customer's token may end its own authorization
            own = flask.request.method == "DELETE" and found.authorization is not None
            if not own:
                raise Refusal(403)
        return found

    # -- resources with more than a document to them

    def _usage(self, number: int, point: str | None) -> flask.Response:
        meters = allowed_meters(self._register, flask.g.token, number)
        if point is not None:
            meters = tuple(m for m in meters if m.id == point)
            if not meters:
                raise Refusal(404)
        return self._given("usage", meters)

    def _bulk(self, number: int) -> flask.Response:
        if number != BULK_ID:
            raise Refusal(404)
        return self._given("bulk", allowed_meters(self._register, flask.g.token, None))

    def _given(self, what: str, meters: tuple[synthetic.Meter, ...]) -> flask.Response:
        query, bulk = flask.request.args, what == "bulk"
        self._resources.window(query, bulk=bulk)  # a wrong window is refused before it is prepared
        ready = query.get("correlationID") in {
            j.key for j in self._resources.jobs.values() if j.ready < time.monotonic()
        }
        if what in self.behaviour.prepared and not ready:
            url = flask.request.url
            known = url in self._resources.jobs
            job = self._resources.pending(url, PREPARING, kept=not self.behaviour.forgets_jobs)
            if job is not None:
                if not known:
                    threading.Thread(target=self._notify, args=(f"{url}&correlationID={job.key}",), daemon=True).start()
                raise Refusal(202, headers={"Retry-After": "1", "x-transaction": job.key})
        return answer(self._resources.usage(meters, query, bulk=bulk))

    def _notify(self, uri: str) -> None:
        """Post a notification when the data are ready; only ever to this machine."""
        import requests

        time.sleep(PREPARING + 0.05)
        body = _resources.batch_list([uri], dialect=_resources.ODD_NOTIFICATION)
        self.notified.append(body)
        if self._notification_uri is not None:
            if urlsplit(self._notification_uri).hostname not in LOOPBACK:
                raise SettingsError("the sandbox notifies addresses of this machine only")
            with contextlib.suppress(requests.RequestException):  # nobody listens: the utility does not mind
                requests.post(self._notification_uri, data=body, headers={"Content-Type": "application/xml"}, timeout=5)

    def _authorization(self, number: int) -> flask.Response:
        found = self._register.authorizations.get(number)
        if flask.request.method == "GET":
            return answer(self._resources.authorizations(number))
        if found is None or (flask.g.token.authorization not in (None, found)):
            raise Refusal(404)
        found.active = False
        return flask.Response(status=204)

    def _customer(self, number: int) -> flask.Response:
        if flask.g.token.authorization.customer.id != number:
            raise Refusal(403)
        return answer(self._resources.retail_customer(flask.g.token.authorization))


def _post(app: flask.Flask, url: str, name: str, view: Callable[[], Any]) -> None:
    app.add_url_rule(urlsplit(url).path, name, view, methods=["POST"])
