"""The way back from the sign-in page: what a redirect must hold, and the listener that catches it.

The redirect is the one message that anybody may forge, since it comes through the browser. Its ``state`` is compared
before anything else of it is read (RFC 6749, 10.12), a refusal is an error and never another grant, and nothing
here makes a token request.
"""

from __future__ import annotations

import errno
import hmac
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from greenkit import _html
from greenkit.custodian.profiles import LOOPBACK
from greenkit.errors import (
    AuthorizationDenied,
    ClientRejected,
    GreenkitError,
    ServerUnavailable,
    SettingsError,
    StateMismatch,
)
from greenkit.secret import Secret

LONGEST: Final = 8192
"""No redirect is longer than so many characters."""

# RFC 6749, 4.1.2.1: error code → (error, what to do); other codes are not repeated
_ERRORS: Final = {
    "access_denied": (AuthorizationDenied, "the customer refused the authorization: ask again when they agree"),
    "unauthorized_client": (ClientRejected, "this client may not ask for an authorization: check the registration"),
    "invalid_request": (ClientRejected, "the utility refused the request: check redirect_uri and scope"),
    "invalid_scope": (ClientRejected, "the utility refused the scope: give the one that is registered"),
    "unsupported_response_type": (ClientRejected, "the utility gives no authorization codes: check the profile"),
    "server_error": (ServerUnavailable, "the utility could not answer: try again later"),
    "temporarily_unavailable": (ServerUnavailable, "the utility is busy: try again later"),
}


def code_of(url: Secret, *, redirect_uri: str, state: Secret, issuer: str | None = None) -> Secret:
    """Check a redirected URL and give the authorization code in it.

    Parameters
    ----------
    url : Secret
        The whole URL, as the browser shows it.
    redirect_uri : str
        The registered one: scheme, host, port and path must be the same.
    state : Secret
        What this authorization was begun with.
    issuer : str, optional
        Where the utility names itself (RFC 9207), it must be this one.

    Raises
    ------
    StateMismatch
        It does not belong to this authorization, or cannot be read in one way only.
    AuthorizationDenied, ClientRejected, ServerUnavailable
        It belongs to it, and says why there is no code.
    """
    fields = _fields(url, redirect_uri)
    if len(fields.get("state", [])) != 1 or not hmac.compare_digest(
        fields["state"][0].encode(), state.reveal().encode()
    ):
        raise StateMismatch(
            "the redirect does not belong to this authorization: open the newest link and sign in there"
        )
    if any(len(values) > 1 for values in fields.values()) or ("code" in fields) == ("error" in fields):
        raise StateMismatch("the redirect can be read in more than one way, so it is refused: authorize again")
    if issuer is not None and fields.get("iss") != [issuer]:
        raise StateMismatch("the redirect comes from another issuer than the profile names: check the profile's issuer")
    if "error" in fields:
        error, text = _ERRORS.get(fields["error"][0], (ClientRejected, "the utility gave an error of its own: ask it"))
        raise error(f"{text[0].upper()}{text[1:]}")
    if not fields["code"][0]:
        raise StateMismatch("the redirect holds an empty code: authorize again")
    return Secret(fields["code"][0])


def _fields(url: Secret, redirect_uri: str) -> dict[str, list[str]]:
    """Take the query apart; the address itself must be the registered one."""
    text, want = url.reveal().strip(" \t\r\n'\"<>"), urlsplit(redirect_uri)  # quotes come along when it is copied
    try:
        got = urlsplit(text) if len(text) <= LONGEST and text.isascii() and " " not in text else urlsplit("")
        same = _place(got) == _place(want)
        pairs = (
            parse_qsl(got.query, keep_blank_values=True, max_num_fields=40) if same and "@" not in got.netloc else None
        )
    except ValueError:
        pairs = None
    del text
    if pairs is None:
        raise StateMismatch(
            f"this is not the address that the sign-in ends at: paste the whole address that begins with {redirect_uri}"
        )
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _place(parts: SplitResult) -> tuple[object, ...]:
    """Give what has to agree; a browser leaves out a usual port and writes an empty path as a slash."""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual, parts.path or "/"


def check(redirect_uri: str) -> str:
    """Give back a redirect address that a browser can be sent to; SettingsError for any other."""
    try:
        parts = urlsplit(redirect_uri)
        _place(parts)  # a port that is none
        plain = redirect_uri.isascii() and redirect_uri.isprintable() and not set(redirect_uri) & set(' <>"\\')
    except (ValueError, AttributeError):
        plain = False
    if not plain or not parts.scheme or parts.fragment:
        raise SettingsError(
            f"redirect_uri is {redirect_uri!r}, which is no address: write it as it is registered, "
            "such as http://127.0.0.1:8400/callback"
        )
    return redirect_uri


def is_loopback(redirect_uri: str) -> bool:
    """Tell whether a listener on this machine can catch the redirect (RFC 8252, 7.3)."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and parts.hostname != "::1"


def with_port(redirect_uri: str) -> str:
    """Give port 0 of a redirect address the number of a free port, since not every browser shows an address with 0."""
    parts = urlsplit(redirect_uri)
    if parts.port != 0:
        return redirect_uri
    with socket.create_server(("127.0.0.1", 0)) as free:
        return parts._replace(netloc=f"{parts.hostname}:{free.getsockname()[1]}").geturl()


class Listener:
    """Catch one redirect on 127.0.0.1; it goes on listening until the right one has come, or it is closed.

    Parameters
    ----------
    redirect_uri : str
        ``http://127.0.0.1:PORT/path``. Port 0 takes a free one: :attr:`redirect_uri` then holds it. Without a port it
        is 80, since a utility compares the address to the letter.
    receive : callable
        Given each URL that comes to the path, as a Secret; it raises StateMismatch for a forged one, and any other
        error of greenkit for one that ends the authorization.

    Raises
    ------
    SettingsError
        The port is taken, or not for this user.
    """

    def __init__(self, redirect_uri: str, receive: Callable[[Secret], object]) -> None:
        parts = urlsplit(redirect_uri)
        port = 80 if parts.port is None else parts.port
        taken = f"port {port} of the redirect address is taken: end what listens there, or authorize by pasting"
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError:
            raise SettingsError(taken) from None
        self.port = int(self._server.server_address[1])
        try:
            self._held = _hold_ipv6(self.port) if parts.hostname == "localhost" else None
        except OSError:
            self._server.server_close()
            raise SettingsError(taken) from None
        free = parts._replace(netloc=f"{parts.hostname}:{self.port}").geturl()
        self.redirect_uri = redirect_uri if port else free
        self._server.expect(self.redirect_uri, receive)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and free the port; safe to call twice, and from the listener's own threads."""
        self._server.shutdown()
        self._server.server_close()
        if self._held:
            self._held.close()


def _hold_ipv6(port: int) -> socket.socket | None:
    """Bind ::1 without listening, so that no other program catches what a browser sends to ``localhost``.

    None where this machine has no ::1; OSError where another program is there already.
    """
    try:
        held = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        held.bind(("::1", port))
    except OSError as e:
        held.close()
        if e.errno == errno.EADDRINUSE:
            raise
        return None
    return held


class _Server(ThreadingHTTPServer):
    allow_reuse_address = False  # the port is ours alone
    daemon_threads = True
    block_on_close = False

    def expect(self, redirect_uri: str, receive: Callable[[Secret], object]) -> None:
        self.redirect_uri, self.receive = redirect_uri, receive

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that hung up: the default prints a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0  # a browser that connects early and says nothing
    server_version, sys_version = "greenkit", ""

    def do_GET(self) -> None:
        want = urlsplit(self.server.redirect_uri)
        # another Host is a page that has rebound its name to this machine
        hosts = (want.netloc, want.netloc.removesuffix(":80"))
        if self.path.partition("?")[0] != (want.path or "/") or self.headers.get("Host") not in hosts:
            self._say(404, "Nothing here", "This address only receives the answer of a sign-in.")
            return
        url = Secret(f"{want.scheme}://{want.netloc}{self.path}")
        try:
            self.server.receive(url)
        except StateMismatch as e:
            self._say(400, "Not the answer that was awaited", str(e))
        except GreenkitError as e:
            self._say(200, "No authorization", str(e))
        else:
            self._say(200, "Authorized", "You can close this page and go back to your notebook or terminal.")

    def _say(self, status: int, title: str, text: str) -> None:
        body = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{_html.text(title)}</title>"
            "<meta name=color-scheme content='light dark'>"
            "<body style='font:16px sans-serif;margin:4em auto;max-width:34em'>"
            f"<h1>{_html.text(title)}</h1><p>{_html.text(text)}</p>"
        ).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),  # the address holds the code
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the line would hold the code."""
