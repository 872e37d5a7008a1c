"""The pages that the pretend utility shows a customer: sign in, choose meters, allow or refuse."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any, Final

import flask

from greenkit._html import text
from greenkit.sandbox.custodian_oauth import Provider
from greenkit.sandbox.custodian_register import Authorization, Customer, Register

LIFE: Final = 600.0
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}label{display:block;margin:.5rem 0}"
    "input[type=text],input[type=password]{font:inherit;padding:.3rem;width:100%}"
    "button{font:inherit;padding:.4rem 1.2rem;margin:.5rem .5rem 0 0}.note{opacity:.75;font-size:.9rem}"
)


class Pages:
    """The two steps of an authorization.

    A ticket, random and good for one decision, carries the sign-in from the first page to the second: no cookie.
    """

    def __init__(self, provider: Provider, register: Register, title: str) -> None:
        self._provider, self._register, self._title = provider, register, title
        self._tickets: dict[str, tuple[Customer, float]] = {}

    def authorize(self) -> flask.Response | tuple[str, int]:
        """Answer the authorization address, GET and POST."""
        from authlib.oauth2 import OAuth2Error

        try:
            grant = self._provider.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            if error.redirect_uri:  # it is sure that it is the client's own: the error goes there
                return self._provider.handle_error_response(None, error)  # type: ignore[no-any-return]
            why = "This request is not right; nothing was shared. Tell the company that sent you here."
            return self._page("Request refused", f"<p>{why}</p>"), 400
        form = flask.request.form
        if flask.request.method == "GET":
            return self._sign_in(), 200
        if "ticket" not in form:
            customer = self._customer(form.get("user", ""), form.get("password", ""))
            return (self._choose(customer), 200) if customer else (self._sign_in("That is not right: try again."), 401)
        customer, until = self._tickets.pop(form["ticket"], (None, 0.0))
        if customer is None or time.monotonic() > until:
            return self._sign_in("The page was used, or is too old: sign in again."), 401
        return self._decide(grant, customer, form)

    def _decide(self, grant: Any, customer: Customer, form: Any) -> flask.Response | tuple[str, int]:
        chosen = tuple(m for m in customer.meters if m.id in form.getlist("meter"))
        allowed: Authorization | None = None
        if form.get("decision") == "allow":
            if not chosen:
                return self._choose(customer, "Choose at least one meter, or refuse."), 200
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
            f"<p class='note'>{text(self._title)}, a pretend utility on this machine</p>"
            f"<h1>{text(title)}</h1>{body}</body></html>"
        )
