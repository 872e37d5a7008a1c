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
from greenkit.sandbox._custodian_service import CLIENT, PREPARING, Behaviour, Service
from greenkit.sandbox._serving import Server, until_exit
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret

__all__ = ["PREPARING", "Behaviour", "Custodian", "Customer", "customers", "start"]

PASSWORD: Final = "sandbox"  # noqa: S105 every pretend customer's
# profile → how its utility writes feeds: PG&E types every element, UtilityAPI begins with the newest
FEEDS: Final = {"pge": "typed-prefixes", "pge_test": "typed-prefixes", "utilityapi": "newest-first"}
REDIRECT: Final = "http://127.0.0.1:0/callback"
LIMITS: Final = ((1000, 1.0),)
"""Requests in seconds that it bears: more than any utility, so that nobody waits for a pretence."""


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
        mark = secrets.token_hex(4)  # of this service's files, where several share an authority
        self.client_certificate = authority.client(CLIENT, stem=f"client-{mark}", days=60)
        api.tls(authority, server_certificate or authority.server(stem=f"custodian-{mark}"))
        self.profile = self._moved(profile)
        behaviour = Behaviour(prepared={"bulk"} if profile.name in ("pge", "pge_test") else set())
        self.register = Register(self.profile, people, redirect_uris, self.client_secret.reveal())
        self._service = Service(
            self.register,
            Resources(self.register, self.profile.resource_url, dialect),
            behaviour,
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

    def write_settings(self, folder: _files.StrPath) -> Path:
        """Write a settings file, and the secret and profile that it names, as a user would have them."""
        folder = _files.private_folder(folder).absolute()  # the settings may be read from anywhere
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
        """How often each grant was asked for, each resource, and each refresh token used twice."""
        return self.register.counts

    @property
    def behaviour(self) -> Behaviour:
        """What it does wrong on purpose: change it, or put another in its place, while it runs."""
        return self._service.behaviour

    @behaviour.setter
    def behaviour(self, new: Behaviour) -> None:
        self._service.behaviour = new

    @property
    def seen(self) -> list[tuple[str, str, str, bool]]:
        """Every request that came over TLS: method, path, the certificate's common name, whether it had a bearer."""
        return self._service.seen

    @property
    def notified(self) -> list[bytes]:
        """Every notification that was made."""
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
