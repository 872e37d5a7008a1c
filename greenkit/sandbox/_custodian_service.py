"""The HTTP service of the simulated utility: its routes, access checks, sign-in pages, and deliberate failures."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import flask

from greenkit import synthetic
from greenkit._html import text
from greenkit.custodian.profiles import LOOPBACK
from greenkit.errors import SettingsError
from greenkit.sandbox._custodian_oauth import Provider
from greenkit.sandbox._custodian_register import (
    BULK_ID,
    Authorization,
    Customer,
    Issued,
    Refusal,
    Register,
    Resources,
    allowed_meters,
    answer,
)
from greenkit.secret import Secret
from greenkit.synthetic import _resources

LIFE: Final = 600.0
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}label{display:block;margin:.5rem 0}"
    "input[type=text],input[type=password]{font:inherit;padding:.3rem;width:100%}"
    "button{font:inherit;padding:.4rem 1.2rem;margin:.5rem .5rem 0 0}.note{opacity:.75;font-size:.9rem}"
)


class Pages:
    """The two pages of an authorization.

    A random ticket that is valid for one decision connects the first page to the second, without a cookie.
    """

    def __init__(self, provider: Provider, register: Register, title: str) -> None:
        self._provider, self._register, self._title = provider, register, title
        self._tickets: dict[str, tuple[Customer, float]] = {}

    def authorize(self) -> flask.Response | tuple[str, int]:
        """Answer GET and POST requests for the authorization address."""
        from authlib.oauth2 import OAuth2Error

        try:
            grant = self._provider.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            if error.redirect_uri:  # The redirect URI is registered, so the error goes there.
                return self._provider.handle_error_response(None, error)  # type: ignore[no-any-return]
            why = "This request is not valid, and no data was shared. Tell the company that sent you here."
            cause = f"{text(self._unregistered())} Check the settings of the client."
            return self._page("Request refused", f"<p>{why}</p><p id='cause'>{cause}</p>"), 400
        form = flask.request.form
        if flask.request.method == "GET":
            return self._sign_in(), 200
        if "ticket" not in form:
            customer = self._customer(form.get("user", ""), form.get("password", ""))
            return (
                (self._choose(customer), 200)
                if customer
                else (self._sign_in("The user name or password is wrong. Try again."), 401)
            )
        customer, until = self._tickets.pop(form["ticket"], (None, 0.0))
        if customer is None or time.monotonic() > until:
            return self._sign_in("This page was already used or has expired. Sign in again."), 401
        return self._decide(grant, customer, form)

    def _unregistered(self) -> str:
        """Return which value of the link is not the registered one; a real utility may not tell."""
        sent, app = flask.request.args, self._register.application
        if sent.get("client_id") != app.id:
            return "client_id is not the registered one."
        if not app.check_redirect_uri(sent.get("redirect_uri", "")):
            return "redirect_uri is not a registered one."
        return "Its parameters are not those of an authorization request."

    def _decide(self, grant: Any, customer: Customer, form: Any) -> flask.Response | tuple[str, int]:
        chosen = tuple(m for m in customer.meters if m.id in form.getlist("meter"))
        allowed: Authorization | None = None
        if form.get("decision") == "allow":
            if not chosen:
                return self._choose(customer, "Select at least one meter, or select Refuse."), 200
            allowed = self._register.allow(customer, chosen, grant.request.payload.scope or "FB=1_3_4_5_13_14_39")
        return self._provider.create_authorization_response(grant_user=allowed, grant=grant)  # type: ignore[no-any-return]

    def _customer(self, user: str, password: str) -> Customer | None:
        found = next((c for c in self._register.customers if c.name.lower() == user.strip().lower()), None)
        known = hmac.compare_digest(password.encode(), found.password.encode()) if found else False
        return found if known else None

    def _sign_in(self, wrong: str = "") -> str:
        names = ", ".join(c.name for c in self._register.customers)
        first, password = (text(self._register.customers[0].name), text(self._register.customers[0].password))
        note = f"The customers are {text(names)}; the password of each is <code>{password}</code>."
        return self._page(
            "Sign in",
            f"<p role='alert'>{text(wrong)}</p><form method='post'>"
            f"<label>Name<input type='text' name='user' id='user' value='{first}'></label>"
            "<label>Password<input type='password' name='password' id='password' autofocus></label>"
            f"<button type='submit' id='sign-in'>Sign in</button></form><p class='note'>{note}</p>",
        )

    def _choose(self, customer: Customer, wrong: str = "") -> str:
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = (customer, time.monotonic() + LIFE)
        boxes = "".join(
            f"<label><input type='checkbox' name='meter' value='{text(m.id)}' checked> "
            f"{text(m.kind)} {text(m.id)}</label>"
            for m in customer.meters
        )
        return self._page(
            "Share your meter data?",
            f"<p role='alert'>{text(wrong)}</p><p>{text(customer.name)}, greenkit asks to read these meters:</p>"
            f"<form method='post'><input type='hidden' name='ticket' value='{ticket}'>{boxes}"
            "<button name='decision' value='allow' id='allow'>Allow</button>"
            "<button name='decision' value='refuse' id='refuse'>Refuse</button></form>",
        )

    def _page(self, title: str, body: str) -> str:
        return (
            f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{text(title)}</title>"
            "<meta name='viewport' content='width=device-width'><meta name='color-scheme' content='light dark'>"
            f"<meta name='referrer' content='no-referrer'><style>{_STYLE}</style></head><body>"
            f"<p class='note'>{text(self._title)}, a simulated utility on this machine</p>"
            f"<h1>{text(title)}</h1>{body}</body></html>"
        )


CLIENT: Final = "greenkit-client"
"""Common name of the certificate of the third party."""
PREPARING: Final = 0.2
"""Seconds until data is ready after an answer with 202."""


@dataclass
class Behavior:
    """Deliberate failures of the utility. Change them while it runs.

    Attributes
    ----------
    slow : float
        Seconds before each answer.
    busy : deque of (status, Retry-After or None)
        Answers to the next requests for resources, one each: 429, 503, …
    prepared : set of {"usage", "bulk"}
        Requests that are first answered with 202, and with a notification when the data is ready.
    forgets_jobs : bool
        A repeated request starts a new job, so only the URI in the notification has the data.
    cut_after : int or None
        Bytes of an answer after which the connection is closed.
    replace : callable or None
        Takes the path of a request, and may return a flask Response that replaces the correct answer.
    """

    slow: float = 0.0
    busy: deque[tuple[int, str | None]] = field(default_factory=deque)
    prepared: set[str] = field(default_factory=set)
    forgets_jobs: bool = False
    cut_after: int | None = None
    replace: Callable[[str], flask.Response | None] | None = None


class Service:
    """The flask applications of a simulated utility.

    Parameters
    ----------
    register : Register
        Customers, authorizations, and tokens; its profile sets the dialect.
    resources : Resources
        The documents.
    behavior : Behavior
        Deliberate failures; may be replaced while the service runs.
    registration_token : Secret
        Token that opens the application information.
    notification_uri : str or None
        Address on this machine to which notifications are posted.

    Attributes
    ----------
    seen : list of (method, path, common name of the certificate, bearer or not)
        Every request over TLS.
    notified : list of bytes
        Every notification.
    """

    def __init__(
        self,
        register: Register,
        resources: Resources,
        behavior: Behavior,
        *,
        registration_token: Secret,
        notification_uri: str | None,
    ) -> None:
        self._register, self._resources, self.behavior = register, resources, behavior
        self._profile, self._registration_token = register.profile, registration_token
        self._notification_uri = notification_uri
        self.seen: list[tuple[str, str, str, bool]] = []
        self.notified: list[bytes] = []

    def pages(self) -> flask.Flask:
        """Return the application with the pages for customers."""
        return self._app()[0]

    def api(self) -> flask.Flask:
        """Return the application for clients over TLS: token endpoint, resources, and the pages too."""
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
        if self.behavior.slow:
            time.sleep(self.behavior.slow)
        page = request.path == urlsplit(self._profile.authorize_url).path
        if self._profile.mutual_tls and not page and name != CLIENT:
            # the answer of PG&E: 400 and a bare JSON string
            return flask.Response('"Invalid Certificate"', 400, content_type="application/json")
        return None

    def _cut(self, response: flask.Response) -> flask.Response:
        after = self.behavior.cut_after
        if after is None or response.status_code != 200:
            return response
        body = response.get_data()

        def pieces() -> Iterator[bytes]:
            yield body[:after]
            raise ConnectionAbortedError  # cheroot closes the connection

        return flask.Response(pieces(), 200, {"Content-Length": str(len(body))}, content_type=response.content_type)

    def _replaced(self) -> flask.Response | None:
        return self.behavior.replace(flask.request.path) if self.behavior.replace else None

    def _guarded(self, view: Callable[..., Any], whose: str) -> Callable[..., Any]:
        def guarded(**parts: Any) -> Any:
            self._register.counts[f"{flask.request.method} {flask.request.path}"] += 1
            replaced = self._replaced()
            if replaced is not None:
                return replaced
            if self.behavior.busy:
                status, wait = self.behavior.busy.popleft()
                raise Refusal(status, headers={"Retry-After": wait} if wait else {})
            flask.g.token = self._token(whose)
            return view(**parts)

        return guarded

    def _token(self, whose: str) -> Issued | None:
        """Return the bearer token, or raise the status of the profile if it expired, or 403 for the wrong kind."""
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
            # the token of a customer may end its authorization
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
        self._resources.window(query, bulk=bulk)  # a wrong window is refused before a job starts
        ready = query.get("correlationID") in {
            j.key for j in self._resources.jobs.values() if j.ready < time.monotonic()
        }
        if what in self.behavior.prepared and not ready:
            url = flask.request.url
            known = url in self._resources.jobs
            job = self._resources.pending(url, PREPARING, kept=not self.behavior.forgets_jobs)
            if job is not None:
                if not known:
                    threading.Thread(target=self._notify, args=(f"{url}&correlationID={job.key}",), daemon=True).start()
                raise Refusal(202, headers={"Retry-After": "1", "x-transaction": job.key})
        return answer(self._resources.usage(meters, query, bulk=bulk))

    def _notify(self, uri: str) -> None:
        """Post a notification when the data is ready, only to this machine."""
        import requests

        time.sleep(PREPARING + 0.05)
        body = _resources.batch_list([uri], dialect=_resources.ODD_NOTIFICATION)
        self.notified.append(body)
        if self._notification_uri is not None:
            if urlsplit(self._notification_uri).hostname not in LOOPBACK:
                raise SettingsError(
                    "The sandbox posts notifications only to this machine",
                    next_step="Pass a notification_uri on 127.0.0.1.",
                )
            with contextlib.suppress(
                requests.RequestException
            ):  # nothing listens there; the utility does not report that
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
