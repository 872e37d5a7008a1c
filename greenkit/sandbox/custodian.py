"""A simulated Green Button Connect service on loopback, in the dialect of any profile.

>>> from greenkit.sandbox import custodian
>>> with custodian.start("pge") as utility:
...     utility.profile.name
'pge'

It consists of the OAuth 2.0 provider of Authlib and flask applications on a cheroot server, which reports the client
certificate. Clients reach the resources and the token endpoint over mutual TLS. The pages for the customer use plain
HTTP on another port of this machine, so that a browser does not warn about an unknown CA.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from greenkit import _files, _toml, synthetic
from greenkit.certificates import Pair
from greenkit.custodian import Client, connect, profiles
from greenkit.custodian.profiles import Profile
from greenkit.sandbox._custodian_register import Customer, Register, Resources, new_secret
from greenkit.sandbox._custodian_service import CLIENT, PREPARING, Behavior, Service
from greenkit.sandbox._serving import Server, until_exit
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret

__all__ = ["PREPARING", "Behavior", "Custodian", "Customer", "customers", "start"]

PASSWORD: Final = "sandbox"  # noqa: S105 of every simulated customer
# profile → dialect of its feeds: PG&E writes a type on every element, UtilityAPI starts with the newest
FEEDS: Final = {"pge": "typed-prefixes", "pge_test": "typed-prefixes", "utilityapi": "newest-first"}
REDIRECT: Final = "http://127.0.0.1:0/callback"
LIMITS: Final = ((1000, 1.0),)
"""Rate limit (requests, seconds), higher than that of any utility, so that nobody waits for a simulation."""


def customers(zone: str = "America/Los_Angeles") -> tuple[Customer, ...]:
    """Return the default customers: one with a home with solar panels and a shop, and one with a home."""
    mixed = (synthetic.household(1, zone=zone, solar=5.0, faults=()), synthetic.shop(2, zone=zone, faults=()))
    return (
        Customer(1, "Ada", PASSWORD, mixed),
        Customer(2, "Grace", PASSWORD, (synthetic.household(3, zone=zone, faults=()),)),
    )


class Custodian:
    """A running simulated service. Create it with :func:`start`.

    Attributes
    ----------
    profile : Profile
        Profile with which a client connects.
    url : str
        HTTPS address.
    page_url : str
        HTTP address for the browser of the customer.
    authority : Authority
        CA that it trusts.
    client_certificate : Pair
        Registered client certificate.
    register : Register
        Customers, authorizations, tokens, and counts of requests.
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
        self.authority = authority
        self.client_secret = Secret(new_secret())
        self.registration_token = Secret("registration-" + new_secret()[:18])
        api, page = self._servers = (Server(), Server())
        self.url, self.page_url = f"https://127.0.0.1:{api.port}", f"http://127.0.0.1:{page.port}"
        mark = secrets.token_hex(4)  # for the files of this service, if several share an authority
        self.client_certificate = authority.client(CLIENT, stem=f"client-{mark}", days=60)
        api.tls(authority, server_certificate or authority.server(stem=f"custodian-{mark}"))
        self.profile = self._moved(profile)
        behavior = Behavior(prepared={"bulk"} if profile.name in ("pge", "pge_test") else set())
        self.register = Register(self.profile, people, redirect_uris, self.client_secret.reveal())
        self._service = Service(
            self.register,
            Resources(self.register, self.profile.resource_url, dialect),
            behavior,
            registration_token=self.registration_token,
            notification_uri=notification_uri,
        )
        api.serve(self._service.api())
        page.serve(self._service.pages())

    def _moved(self, profile: Profile) -> Profile:
        moved = profile.at(self.url)
        page = self.page_url + urlsplit(moved.authorize_url).path
        return dataclasses.replace(moved, authorize_url=page, limits=LIMITS)

    # -- what a client needs

    def connect(self, **more: Any) -> Client:
        """Return a registered client; see :func:`greenkit.connect`."""
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

    def write_settings(self, folder: _files.StrPath) -> Path:
        """Write a settings file, and the files of its secret and profile, and return its path."""
        folder = _files.private_folder(folder).absolute()  # the settings may be read from any folder
        _files.write_private(folder / "client-secret", self.client_secret.reveal().encode())
        (folder / "profile.toml").write_text(_toml.dumps(self.profile.facts()), encoding="utf-8")
        own = {
            "utility": folder / "profile.toml",
            "client_id": self.register.application.id,
            "client_secret": {"file": "client-secret"},
            "redirect_uri": self.register.application.redirect_uris[0],
            "certificate": self.client_certificate.certificate,
            "certificate_key": self.client_certificate.key,
            "ca_file": self.authority.file,
            "tokens": folder / "tokens",
        }
        path = folder / "settings.toml"
        path.write_text(_toml.dumps({"custodian": {self.profile.name: own}}, schema=1), encoding="utf-8")
        return path

    @property
    def counts(self) -> Counter[str]:
        """Number of requests by grant and resource, and of refresh tokens that were used twice."""
        return self.register.counts

    @property
    def behavior(self) -> Behavior:
        """Deliberate failures. Change or replace them while the service runs."""
        return self._service.behavior

    @behavior.setter
    def behavior(self, new: Behavior) -> None:
        self._service.behavior = new

    @property
    def seen(self) -> list[tuple[str, str, str, bool]]:
        """Every request over TLS: method, path, common name of the certificate, and whether it had a bearer token."""
        return self._service.seen

    @property
    def notified(self) -> list[bytes]:
        """Every notification."""
        return self._service.notified

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.close()

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
    """Start a simulated service on free ports of 127.0.0.1. It stops at the end of the ``with`` block.

    Parameters
    ----------
    utility : str or Profile
        Profile whose dialect it has; may be the profile of a platform.
    authority : Authority, optional
        CA of the certificates. Default: a new one.
    people : tuple of Customer, optional
        Customers. Default: Ada and Grace.
    dialect : str, optional
        Dialect of the feeds; see :data:`greenkit.synthetic.DIALECTS`. Default: that of the utility.
    redirect_uris : tuple of str
        Registered redirect URIs. ``http://127.0.0.1:0/…`` lets the client choose the port.
    notification_uri : str, optional
        Address on this machine to which notifications are posted.
    server_certificate : Pair, optional
        Server certificate, such as a wrong one.

    Yields
    ------
    Custodian
    """
    profile = profiles.load(utility)
    with until_exit() as held:
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
