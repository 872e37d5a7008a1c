"""One authorization in progress: its link, its redirect, and its status.

It never blocks. A listener or a pasted URL finishes it, whichever comes first. A script, a REPL, a notebook, and the
widgets use the same object.

Anybody can forge the redirect, because it comes through the browser. greenkit accepts its ``state`` once, and compares
it before it reads anything else of the redirect (RFC 6749, 10.12). A refusal is an error and never leads to another
grant.
"""

from __future__ import annotations

import errno
import hmac
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

from greenkit import _html, _net
from greenkit.custodian._oauth import PKCE_STEP, mentions_pkce
from greenkit.custodian._transport import run_to_end
from greenkit.custodian.profiles import LOOPBACK, Profile
from greenkit.errors import (
    AuthorizationDenied,
    AuthorizationExpired,
    ClientRejected,
    GreenkitError,
    ServerUnavailable,
    SettingsError,
    StateMismatch,
)
from greenkit.secret import Secret

DEADLINE: Final = 600.0
"""Seconds that a customer has to sign in: a common lifetime of authorization codes."""
LONGEST: Final = 8192
"""Longest redirect URL [characters]."""
Method = Literal["auto", "loopback", "paste"]
Status = Literal["waiting", "finishing", "authorized", "denied", "failed", "cancelled", "timed out"]
_REMOTE: Final = ("SSH_", "JUPYTERHUB_", "BINDER_", "COLAB_", "CODESPACES", "KUBERNETES_", "VSCODE_PROXY_URI")
_PASTE: Final = "Then paste the complete URL from the browser's address bar, even if the page cannot be displayed"

# RFC 6749, 4.1.2.1: error code → (error, meaning, next step); other codes are not repeated
_ERRORS: Final = {
    "access_denied": (
        AuthorizationDenied,
        "The customer refused the authorization",
        "Call authorize() again when the customer agrees.",
    ),
    "unauthorized_client": (
        ClientRejected,
        "The utility does not let this client request an authorization",
        "Check the registration.",
    ),
    "invalid_request": (
        ClientRejected,
        "The utility does not accept the authorization request",
        "Check redirect_uri and scope, and check whether the utility requires PKCE (pkce in the profile).",
    ),
    "invalid_scope": (
        ClientRejected,
        "The utility does not accept the scope",
        "Set scope to the scope of the registration.",
    ),
    "unsupported_response_type": (
        ClientRejected,
        "The utility does not issue authorization codes",
        "Check the profile.",
    ),
    "server_error": (ServerUnavailable, "The utility could not answer", "Try again later."),
    "temporarily_unavailable": (ServerUnavailable, "The utility is busy", "Try again later."),
}


# -- where the browser is


def is_remote() -> bool:
    """Return whether the browser is probably on another machine: a hub, a container, SSH."""
    return any(name.startswith(_REMOTE) for name in os.environ) or Path("/.dockerenv").exists()


def is_shared() -> bool:
    """Return whether the disk of this machine is not the user's own: JupyterHub, Binder, Colab."""
    return any(name.startswith(("JUPYTERHUB_", "BINDER_", "COLAB_")) for name in os.environ)


def has_browser() -> bool:
    """Return whether this machine can open a browser window."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# -- the authorization


class Authorization:
    """An authorization in progress. Create it with :meth:`greenkit.custodian.Client.authorize`.

    Parameters
    ----------
    profile : Profile
    client_id : str
    redirect_uri : str
        The registered one.
    exchange : callable
        Takes code, redirect URI, and verifier; gets the grant and stores it.
    method : {"auto", "loopback", "paste"}
        ``loopback`` listens on this machine for the redirect; ``paste`` waits for :meth:`finish`; ``auto`` listens
        if the registered redirect URI is on this machine, the process is not remote, and there is a browser.
    deadline : float
        Seconds until it times out.
    already : bool
        There is a grant, so it is authorized from the start and does not listen.

    Attributes
    ----------
    url : str
        The link that the customer opens.
    status : {"waiting", "finishing", "authorized", "denied", "failed", "cancelled", "timed out"}
    error : GreenkitError or None
        Why it ended without a grant.
    """

    def __init__(
        self,
        profile: Profile,
        client_id: str,
        redirect_uri: str,
        exchange: Callable[[Secret, str, Secret | None], object],
        *,
        method: Method = "auto",
        deadline: float = DEADLINE,
        already: bool = False,
    ) -> None:
        self._profile, self._exchange = profile, exchange
        self._state = Secret(secrets.token_urlsafe(32))
        self._verifier = Secret(secrets.token_urlsafe(64)) if profile.pkce else None
        self._lock, self._done = threading.Lock(), threading.Event()
        self._status: Status = "waiting"
        self.error: GreenkitError | None = None
        self._until = time.monotonic() + deadline
        self._listener = self._listen("paste" if already else method, redirect_uri)
        self.redirect_uri = self._listener.redirect_uri if self._listener else with_free_port(redirect_uri)
        self.url = self._link(client_id)
        self._timer = threading.Timer(deadline, self._end, ("timed out",))
        self._timer.daemon = True
        self._timer.start()
        if already:
            self._end("authorized")

    def _listen(self, method: Method, redirect_uri: str) -> RedirectListener | None:
        if method not in ("auto", "loopback", "paste"):
            raise SettingsError(
                f"method is {method!r}, but it must be auto, loopback, or paste", next_step='Pass method="auto".'
            )
        able = is_loopback(redirect_uri)
        if method == "loopback" and not able:
            raise SettingsError(
                f"redirect_uri {redirect_uri} is not on this machine, so greenkit cannot listen there",
                next_step='Pass method="paste".',
            )
        if method == "paste" or not able or (method == "auto" and (is_remote() or not has_browser())):
            return None
        try:
            return RedirectListener(redirect_uri, self.finish)
        except SettingsError:
            if method == "loopback":
                raise
            return None

    def _link(self, client_id: str) -> str:
        from authlib.integrations.requests_client import OAuth2Session

        session = OAuth2Session(
            client_id, redirect_uri=self.redirect_uri, scope=self._profile.scope, code_challenge_method="S256"
        )
        verifier = self._verifier.reveal() if self._verifier else None
        url, _ = session.create_authorization_url(
            self._profile.authorize_url,
            state=self._state.reveal(),
            code_verifier=verifier,
            **self._profile.authorize_parameters,
        )
        return str(url)

    @property
    def status(self) -> Status:
        """Current status."""
        return self._status

    @property
    def listening(self) -> bool:
        """Whether greenkit receives the redirect itself. Otherwise it must be pasted; pasting works in both cases."""
        return self._listener is not None

    def finish(self, url: str | Secret) -> None:
        """Finish with the URL to which the browser was redirected.

        Ctrl-C does not interrupt the exchange of the code, which serves once: the grant is stored first.

        Parameters
        ----------
        url : str or Secret
            The complete URL. A bare code is refused, because it has no state to check.

        Raises
        ------
        StateMismatch
            If the URL belongs to another authorization or was used before. This authorization continues to wait.
        AuthorizationDenied, AuthorizationExpired, ClientRejected, ServerUnavailable
            If the authorization has ended without a grant.
        """
        url = Secret(url)
        code, fault = self._claim(url)
        if code is not None:
            run_to_end(lambda: self._complete(code))
            return
        if not isinstance(fault, StateMismatch):
            self._end(_status_after(fault), fault)
        if fault is not None:
            raise fault

    def _complete(self, code: Secret) -> None:
        try:
            self._exchange(code, self.redirect_uri, self._verifier)
        except GreenkitError as e:
            self._end(_status_after(e), e)
            raise
        except BaseException:
            self._end(
                "failed", AuthorizationExpired("The authorization was interrupted", next_step="Call authorize() again.")
            )
            raise
        self._end("authorized")

    def _claim(self, url: Secret) -> tuple[Secret | None, GreenkitError | None]:
        """Check the URL and take its code, once; an error is returned without the frames that hold the code."""
        with self._lock:
            if self._status != "waiting":
                done = self._status in ("finishing", "authorized")  # a browser may send the same URL twice
                step = "No action is needed." if done else "Call authorize() again."
                return None, StateMismatch(f"This authorization is over ({self._status})", next_step=step)
            try:
                code = code_from_redirect(
                    url,
                    redirect_uri=self.redirect_uri,
                    state=self._state,
                    issuer=self._profile.issuer,
                    pkce=self._profile.pkce,
                )
            except GreenkitError as e:
                if not isinstance(e, StateMismatch):
                    self._status = "finishing"
                return None, _net.strip_traceback(e)
            self._status = "finishing"
            return code, None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the authorization has ended.

        Parameters
        ----------
        timeout : float, optional
            Longest wait [s]. Default: until the deadline.

        Raises
        ------
        TimeoutError
            If it has not ended yet. It continues.
        GreenkitError
            If it has ended without a grant; the reason.
        """
        left = max(0.0, self._until - time.monotonic()) + 1.0
        if not self._done.wait(left if timeout is None else timeout):
            raise TimeoutError(
                f"The authorization is still {self._status}. Wait again, or call cancel(). If the sign-in page reports "
                "an error, check client_id and redirect_uri against the registration."
            )
        if self.error is not None:
            raise type(self.error)(self.error.problem, next_step=self.error.next_step)
        if self._status != "authorized":
            raise AuthorizationExpired(
                f"The authorization was not finished ({self._status})", next_step="Call authorize() again."
            )

    def prompt(self) -> None:
        """Print the link and ask for the redirect URL, in a terminal.

        Raises
        ------
        SettingsError
            If nobody can be asked, as when papermill runs a notebook.
        """
        print(f"Open this link, sign in, and approve access:\n\n{self.url}\n")  # noqa: T201 it is what this method is for
        if self.listening:
            self.wait()
            return
        while self._status == "waiting":
            try:
                self.finish(_ask(f"{_PASTE} (what you paste is not displayed)"))
            except StateMismatch as e:
                print(e)  # noqa: T201
        self.wait(0)

    def cancel(self) -> None:
        """Cancel the authorization and free the port; do nothing if it has ended."""
        self._end("cancelled")

    def _end(self, status: Status, error: GreenkitError | None = None) -> None:
        with self._lock:
            given_up = status in ("cancelled", "timed out")
            if self._done.is_set() or (given_up and self._status != "waiting"):
                return
            self._status, self.error = status, error
        self._timer.cancel()
        if self._listener:
            self._listener.close()
        self._done.set()

    def __enter__(self) -> Authorization:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        if self._status != "waiting":
            return f"<Authorization at {self._profile.name}: {self._status}>"
        how = "" if self.listening else f'\n{_PASTE}: client.finish("…")'
        return f"<Authorization at {self._profile.name}: {self._status}>\nOpen {self.url}{how}"

    def _repr_html_(self) -> str:
        if self._status != "waiting":
            return _html.block(f"Authorization at {self._profile.name}", _html.text(self._status), text=repr(self))
        link = (
            f"<a href='{_html.text(self.url)}' target='_blank' rel='noopener noreferrer'>Sign in and approve access</a>"
        )
        how = "" if self.listening else f"<p>{_html.text(_PASTE)}: <code>client.finish(…)</code></p>"
        return _html.block(f"Authorization at {self._profile.name}", f"<p>{link}</p>{how}", text=repr(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("An Authorization cannot be pickled, because it holds secrets of one sign-in.")


def _status_after(fault: GreenkitError | None) -> Status:
    if fault is None:
        return "authorized"
    return "denied" if isinstance(fault, AuthorizationDenied) else "failed"


def _ask(label: str) -> Secret:
    """Ask in a terminal; raise SettingsError if there is no terminal to answer."""
    try:
        return Secret.prompt(label)
    except SettingsError:
        raise SettingsError(
            "greenkit cannot ask for the redirect URL here",
            next_step="Authorize once in a notebook or a terminal, and use the stored grant here.",
        ) from None


# -- the redirect


def code_from_redirect(
    url: Secret, *, redirect_uri: str, state: Secret, issuer: str | None = None, pkce: bool = True
) -> Secret:
    """Check a redirect URL and return its authorization code.

    Parameters
    ----------
    url : Secret
        The complete URL, as the browser shows it.
    redirect_uri : str
        The registered one: scheme, host, port, and path must be the same.
    state : Secret
        The state with which this authorization began.
    issuer : str, optional
        If the utility names itself (RFC 9207), it must be this one.
    pkce : bool
        Whether PKCE was used.

    Raises
    ------
    StateMismatch
        If it does not belong to this authorization, or can be read in more than one way.
    AuthorizationDenied, ClientRejected, ServerUnavailable
        If it belongs to this authorization and reports why there is no code.
    """
    fields = _fields(url, redirect_uri)
    if "state" not in fields:
        raise _without_state(fields)
    if len(fields["state"]) != 1 or not hmac.compare_digest(fields["state"][0].encode(), state.reveal().encode()):
        raise StateMismatch(
            "The redirect belongs to a different authorization", next_step="Open the newest link and sign in."
        )
    if any(len(values) > 1 for values in fields.values()) or ("code" in fields) == ("error" in fields):
        raise StateMismatch(
            "The redirect is ambiguous, so greenkit did not use it",
            next_step="Call authorize() again.",
        )
    if issuer is not None and fields.get("iss") != [issuer]:
        raise StateMismatch(
            "The redirect comes from a different issuer than the one in the profile",
            next_step="Check issuer in the profile.",
        )
    if "error" in fields:
        error, problem, step = _ERRORS.get(
            fields["error"][0],
            (
                ClientRejected,
                "The utility reports an error that the standard does not define",
                "Ask the utility about this error.",
            ),
        )
        if not pkce and mentions_pkce(fields.get("error_description", [""])[0]):
            error, problem, step = ClientRejected, "The utility requires PKCE", PKCE_STEP
        raise error(problem, next_step=step)
    if not fields["code"][0]:
        raise StateMismatch("The redirect contains an empty code", next_step="Call authorize() again.")
    return Secret(fields["code"][0])


def _without_state(fields: dict[str, list[str]]) -> StateMismatch:
    """Return the error for a redirect that cannot be matched to this authorization, because it has no state."""
    if "error" in fields:
        return StateMismatch(
            "The redirect reports that the authorization was refused, but it contains no state, so it may be forged",
            next_step="Call cancel() if the customer refused; otherwise open the link again and sign in.",
        )
    return StateMismatch(
        "The redirect contains no state, which some utilities drop, so greenkit cannot tell whether it is forged",
        next_step="Open the newest link and sign in, and ask the utility to return the state if it is missing again.",
    )


def _fields(url: Secret, redirect_uri: str) -> dict[str, list[str]]:
    """Return the parameters of the query; the URL itself must be the registered one."""
    text, want = url.reveal().strip(" \t\r\n'\"<>"), urlsplit(redirect_uri)  # quotes are often copied with a URL
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
            "This is not the redirect URL", next_step=f"Paste the complete URL that begins with {redirect_uri}."
        )
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _place(parts: SplitResult) -> tuple[object, ...]:
    """Return what must agree; a browser leaves out a default port and writes an empty path as a slash."""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual, parts.path or "/"


def checked_redirect(redirect_uri: str) -> str:
    """Return a redirect URI to which a browser can be sent.

    Raises
    ------
    SettingsError
        If it is anything else.
    """
    try:
        parts = urlsplit(redirect_uri)
        _place(parts)  # raises for an invalid port
        plain = redirect_uri.isascii() and redirect_uri.isprintable() and not set(redirect_uri) & set(' <>"\\')
    except (ValueError, AttributeError):
        plain = False
    if not plain or not parts.scheme or parts.fragment:
        raise SettingsError(
            f"redirect_uri is {redirect_uri!r}, but it must be a URL without a fragment",
            next_step="Write it exactly as it is registered, such as http://127.0.0.1:8400/callback.",
        )
    return redirect_uri


def is_loopback(redirect_uri: str) -> bool:
    """Return whether a listener on this machine can receive the redirect (RFC 8252, 7.3)."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and parts.hostname != "::1"


def with_free_port(redirect_uri: str) -> str:
    """Replace port 0 of a redirect URI by a free port, because not every browser displays a URL with port 0."""
    parts = urlsplit(redirect_uri)
    if parts.port != 0:
        return redirect_uri
    with socket.create_server(("127.0.0.1", 0)) as free:
        return parts._replace(netloc=f"{parts.hostname}:{free.getsockname()[1]}").geturl()


class RedirectListener:
    """Receive the redirect on 127.0.0.1. It listens until the right redirect arrives or it is closed.

    Parameters
    ----------
    redirect_uri : str
        ``http://127.0.0.1:PORT/path``. Port 0 uses a free one, which :attr:`redirect_uri` then contains. Without a
        port it is 80, because a utility compares the URI character by character.
    receive : callable
        Takes each URL that arrives at the path, as a Secret. It raises StateMismatch for a forged one, and any other
        error of greenkit for one that ends the authorization.

    Raises
    ------
    SettingsError
        If the port is in use, or this user may not use it.
    """

    def __init__(self, redirect_uri: str, receive: Callable[[Secret], object]) -> None:
        parts = urlsplit(redirect_uri)
        port = 80 if parts.port is None else parts.port
        in_use = SettingsError(
            f"Port {port} of redirect_uri is in use",
            next_step='Stop the program that listens there, or pass method="paste".',
        )
        self._receive, self.redirect_uri = receive, redirect_uri
        try:
            self._listener = _net.LoopbackListener(port, self._answer)
        except OSError:
            raise in_use from None
        self.port = self._listener.port
        try:
            self._held = _hold_ipv6(self.port) if parts.hostname == "localhost" else None
        except OSError:
            self._listener.close()
            raise in_use from None
        if not port:
            self.redirect_uri = parts._replace(netloc=f"{parts.hostname}:{self.port}").geturl()

    def _answer(self, request: _net.Request) -> _net.Reply:
        want = urlsplit(self.redirect_uri)
        # a page that has rebound its host name to this machine sends another Host header
        hosts = (want.netloc, want.netloc.removesuffix(":80"))
        if request.path.partition("?")[0] != (want.path or "/") or request.headers.get("Host") not in hosts:
            return _page(404, "Nothing here", "This address only receives the redirect of a sign-in.")
        if request.method != "GET":
            return _page(405, "Not the redirect", "A redirect arrives as a GET request.")
        try:
            self._receive(Secret(f"{want.scheme}://{want.netloc}{request.path}"))
        except StateMismatch as e:
            return _page(400, "Not the expected redirect", str(e))
        except GreenkitError as e:
            return _page(200, "No authorization", str(e))
        return _page(200, "Authorized", "You can close this page and return to your notebook or terminal.")

    def close(self) -> None:
        """Stop listening and free the port; safe to call twice, and from the listener's own threads."""
        self._listener.close()
        if self._held:
            self._held.close()


def _page(status: int, title: str, text: str) -> _net.Reply:
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_html.text(title)}</title>"
        "<meta name=color-scheme content='light dark'>"
        "<body style='font:16px sans-serif;margin:4em auto;max-width:34em'>"
        f"<h1>{_html.text(title)}</h1><p>{_html.text(text)}</p>"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",  # the URL contains the code
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return _net.Reply(status, body.encode(), headers)


def _hold_ipv6(port: int) -> socket.socket | None:
    """Bind ::1 without listening, so that no other program receives what a browser sends to ``localhost``.

    Return None if this machine has no ::1, and raise OSError if another program uses the port there.
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
