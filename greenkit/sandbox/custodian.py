"""A pretend Green Button Connect service on loopback, in the dialect of any profile.

>>> from greenkit.sandbox import custodian
>>> with custodian.start("pge") as utility:
...     utility.profile.name
'pge'

It is made of Authlib's OAuth 2.0 provider and flask, served by cheroot, which shows the client's certificate. The
resources and the token endpoint are reached over mutual TLS. The pages for the customer are served over plain http
on another port of this machine, so that a browser shows no warning of an authority that it cannot know.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import flask

from greenkit import synthetic
from greenkit.certificates import Pair
from greenkit.custodian import profiles
from greenkit.custodian.client import Client
from greenkit.custodian.profiles import LOOPBACK, Profile
from greenkit.custodian.registration import connect
from greenkit.errors import SettingsError
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.custodian_oauth import Customer, Issued, Provider, Register, new_secret
from greenkit.sandbox.custodian_pages import Pages
from greenkit.sandbox.custodian_resources import BULK_ID, Refusal, Resources, allowed_meters, answer
from greenkit.sandbox.serving import Server
from greenkit.secret import Secret
from greenkit.synthetic import services

PASSWORD: Final = "sandbox"  # noqa: S105 every pretend customer's
# profile → how its utility writes feeds: PG&E types every element, UtilityAPI begins with the newest
FEEDS: Final = {"pge": "typed-prefixes", "pge_test": "typed-prefixes", "utilityapi": "newest-first"}
REDIRECT: Final = "http://127.0.0.1:0/callback"
PREPARING: Final = 0.2
"""Seconds for which data are prepared, where the answer is 202."""
LIMITS: Final = ((1000, 1.0),)
"""Requests in seconds that it bears: more than any utility, so that nobody waits for a pretence."""


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


def customers(zone: str = "America/Los_Angeles") -> tuple[Customer, ...]:
    """Make the usual pretend customers: a home with panels and a shop, and a home."""
    mixed = (synthetic.household(1, zone=zone, solar=5.0, faults=()), synthetic.shop(2, zone=zone, faults=()))
    return (
        Customer(1, "Ada", PASSWORD, mixed),
        Customer(2, "Grace", PASSWORD, (synthetic.household(3, zone=zone, faults=()),)),
    )


class Custodian:
    """A running pretend utility; :func:`start` makes it.

    Attributes
    ----------
    profile : Profile
        With which a client reaches it.
    url : str
        Its https address.
    page_url : str
        Its http address, for the customer's browser.
    authority : Authority
        Whose certificates it trusts.
    client_certificate : Pair
        The registered one.
    register : Register
        Customers, authorizations, tokens, and the counts of what was asked for.
    behaviour : Behaviour
        What it does wrong on purpose.
    seen : list of (method, path, common name of the certificate, bearer or not)
        Every request that reached it over TLS.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        authority: Authority,
        people: tuple[Customer, ...],
        dialect: str,
        redirect_uris: list[str],
        notification_uri: str | None,
        server_certificate: Pair | None,
    ) -> None:
        self.authority, self.behaviour, self.notification_uri = authority, Behaviour(), notification_uri
        self.seen: list[tuple[str, str, str, bool]] = []
        self.notified: list[bytes] = []
        self.client_secret = Secret(new_secret())
        self.registration_token = Secret("registration-" + new_secret()[:18])
        api, page = self._servers = (Server(), Server())
        self.url, self.page_url = f"https://127.0.0.1:{api.port}", f"http://127.0.0.1:{page.port}"
        mark = secrets.token_hex(4)  # of this service's files, where several share an authority
        self.client_certificate = authority.client("greenkit-client", stem=f"client-{mark}", days=60)
        api.tls(authority, server_certificate or authority.server(stem=f"custodian-{mark}"))
        moved = profile.at(self.url)
        self.profile = replace(
            moved, authorize_url=self.page_url + urlsplit(moved.authorize_url).path, limits=LIMITS
        )
        if profile.name in ("pge", "pge_test"):
            self.behaviour.prepared.add("bulk")
        self.register = Register(self.profile, people, redirect_uris, self.client_secret.reveal())
        self._resources = Resources(self.register, self.profile.resource_url, dialect)
        api.serve(self._app(pages_only=False))
        page.serve(self._app(pages_only=True))

    # -- what a client needs

    def connect(self, **more: Any) -> Client:
        """Make a client that is registered here; see :func:`greenkit.connect`."""
        given: dict[str, Any] = {
            "client_id": self.register.application.id,
            "client_secret": self.client_secret,
            "certificate": self.client_certificate.certificate,
            "certificate_key": self.client_certificate.key,
            "ca_file": self.authority.file,
            "redirect_uri": self.register.application.redirect_uris[0],
            "registration_token": self.registration_token,
            "tokens": "memory",
        }
        return connect(self.profile, **{**given, **more})

    def write_settings(self, folder: Path) -> Path:
        """Write a settings file, and the secret and profile that it names, as a user would have them."""
        from greenkit import _files

        _files.private_folder(folder)
        _files.write_private(folder / "client-secret", self.client_secret.reveal().encode())
        base = next(n for n in profiles.SHIPPED if n == self.profile.name)
        (folder / "profile.toml").write_text(
            f'based_on = "{base}"\nname = "{self.profile.name}"\nauthorize_url = "{self.profile.authorize_url}"\n'
            f'token_url = "{self.profile.token_url}"\nresource_url = "{self.profile.resource_url}"\n'
            f"limits = {[list(limit) for limit in LIMITS]}\n"
        )
        path = folder / "settings.toml"
        path.write_text(
            f'[custodian.{self.profile.name}]\nutility = "{folder / "profile.toml"}"\n'
            f'client_id = "{self.register.application.id}"\nclient_secret = {{file = "client-secret"}}\n'
            f'redirect_uri = "{self.register.application.redirect_uris[0]}"\n'
            f'certificate = "{self.client_certificate.certificate}"\n'
            f'certificate_key = "{self.client_certificate.key}"\nca_file = "{self.authority.file}"\n'
            f'tokens = "{folder / "tokens"}"\n'
        )
        return path

    @property
    def counts(self) -> Counter[str]:
        """How often each grant was asked for, each resource, and each refresh token used twice."""
        return self.register.counts

    # -- serving

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.close()

    def _app(self, *, pages_only: bool) -> flask.Flask:
        app = flask.Flask(__name__, static_folder=None)
        provider = Provider(app, self.register)
        pages = Pages(provider, self.register, self.profile.title)
        app.add_url_rule(
            urlsplit(self.profile.authorize_url).path, "authorize", pages.authorize, methods=["GET", "POST"]
        )
        app.register_error_handler(Refusal, lambda r: flask.Response(r.body, r.status, r.headers))
        if pages_only:
            return app
        app.before_request(self._before)
        app.after_request(self._cut)
        app.add_url_rule(
            urlsplit(self.profile.token_url).path,
            "token",
            lambda: self._replaced() or provider.token_response(self.profile.resource_url),
            methods=["POST"],
        )
        if self.profile.revoke_url:
            app.add_url_rule(
                urlsplit(self.profile.revoke_url).path,
                "revoke",
                lambda: provider.create_endpoint_response("revocation"),
                methods=["POST"],
            )
        self._add_resources(app)
        return app

    def _add_resources(self, app: flask.Flask) -> None:
        base, made = urlsplit(self.profile.resource_url).path, self._resources
        routes: dict[str, Callable[..., Any]] = {
            "ReadServiceStatus": lambda: answer(made.service_status()),
            "ApplicationInformation": lambda: answer(made.application_information()),
            "Authorization": lambda: answer(made.authorizations()),
            "Authorization/<int:number>": self._authorization,
            "Subscription/<int:number>/UsagePoint": lambda number: answer(
                made.usage_points(allowed_meters(self.register, flask.g.token, number))
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
        page = request.path == urlsplit(self.profile.authorize_url).path
        if self.profile.mutual_tls and not page and name != "greenkit-client":
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
            self.counts[f"{flask.request.method} {flask.request.path}"] += 1
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
        if access == self.registration_token.reveal() and flask.request.path.endswith("/ApplicationInformation"):
            return None
        found = self.register.issued(access)
        if found is None or found.is_expired() or found.is_revoked():
            status = 403 if self.profile.name in ("pge", "pge_test") else 401
            raise Refusal(status, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if (found.authorization is None) != (whose == "client"):
            # a customer's token may end its own authorization
            own = flask.request.method == "DELETE" and found.authorization is not None
            if not own:
                raise Refusal(403)
        return found

    # -- resources with more than a document to them

    def _usage(self, number: int, point: str | None) -> flask.Response:
        meters = allowed_meters(self.register, flask.g.token, number)
        if point is not None:
            meters = tuple(m for m in meters if m.id == point)
            if not meters:
                raise Refusal(404)
        return self._given("usage", meters)

    def _bulk(self, number: int) -> flask.Response:
        if number != BULK_ID:
            raise Refusal(404)
        return self._given("bulk", allowed_meters(self.register, flask.g.token, None))

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
        body = services.batch_list([uri], dialect=services.ODD_NOTIFICATION)
        self.notified.append(body)
        if self.notification_uri is not None:
            if urlsplit(self.notification_uri).hostname not in LOOPBACK:
                raise SettingsError("the sandbox notifies addresses of this machine only")
            with contextlib.suppress(requests.RequestException):  # nobody listens: the utility does not mind
                requests.post(self.notification_uri, data=body, headers={"Content-Type": "application/xml"}, timeout=5)

    def _authorization(self, number: int) -> flask.Response:
        found = self.register.authorizations.get(number)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@contextlib.contextmanager
def start(
    utility: str | Profile = "pge",
    *,
    authority: Authority | None = None,
    people: tuple[Customer, ...] | None = None,
    dialect: str | None = None,
    redirect_uris: tuple[str, ...] = (REDIRECT,),
    notification_uri: str | None = None,
    server_certificate: Pair | None = None,
) -> Iterator[Custodian]:
    """Start a pretend utility on free ports of 127.0.0.1; it stops at the end of the ``with`` block.

    Parameters
    ----------
    utility : str or Profile
        Whose dialect it has; a platform's too.
    authority : Authority, optional
        Signs the certificates; one of its own when absent.
    people : tuple of Customer, optional
        Ada and Grace when absent.
    dialect : str, optional
        In which feeds are written; see :data:`greenkit.synthetic.DIALECTS`. The utility's own when absent.
    redirect_uris : tuple of str
        The registered ones. ``http://127.0.0.1:0/…`` lets the client choose a port.
    notification_uri : str, optional
        Where notifications are posted: an address of this machine.
    server_certificate : Pair, optional
        To show a wrong one.

    Yields
    ------
    Custodian
    """
    profile = profiles.load(utility)
    with contextlib.ExitStack() as held:
        authority = authority or held.enter_context(Authority())
        custodian = Custodian(
            profile,
            authority=authority,
            people=people or customers(profile.zone if profile.zone != "UTC" else "America/Chicago"),
            dialect=dialect or FEEDS.get(profile.name, "conforming"),
            redirect_uris=list(redirect_uris),
            notification_uri=notification_uri,
            server_certificate=server_certificate,
        )
        yield held.enter_context(custodian)
