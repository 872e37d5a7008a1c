"""One authorization under way: its link, its status, and the two ways in which it ends.

It never blocks by itself. A listener thread or a pasted URL finishes it, whichever comes first; its ``state`` serves
once. The same object serves a script, a REPL, a notebook and the widgets.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from greenkit import _html
from greenkit.custodian import redirect, transport
from greenkit.custodian.profiles import Profile
from greenkit.errors import AuthorizationDenied, AuthorizationExpired, GreenkitError, SettingsError, StateMismatch
from greenkit.secret import Secret

DEADLINE: Final = 600.0
"""Seconds that a customer has: as long as PG&E's codes live."""
Method = Literal["auto", "loopback", "paste"]
Status = Literal["waiting", "finishing", "authorized", "denied", "failed", "cancelled", "timed out"]
_REMOTE: Final = ("SSH_", "JUPYTERHUB_", "BINDER_", "COLAB_", "CODESPACES", "KUBERNETES_", "VSCODE_PROXY_URI")


def is_remote() -> bool:
    """Tell whether the browser is likely on another machine than this process: a hub, a container, ssh."""
    return any(name.startswith(_REMOTE) for name in os.environ) or Path("/.dockerenv").exists()


def is_shared() -> bool:
    """Tell whether this machine's disk is not the user's own: JupyterHub, Binder, Colab."""
    return any(name.startswith(("JUPYTERHUB_", "BINDER_", "COLAB_")) for name in os.environ)


def has_browser() -> bool:
    """Tell whether this machine can show a page in a window."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Authorization:
    """An authorization that was begun; :meth:`greenkit.custodian.client.Client.authorize` makes it.

    Parameters
    ----------
    profile : Profile
    client_id : str
    redirect_uri : str
        The registered one.
    exchange : callable
        Given code, redirect_uri and verifier, it gets the grant and keeps it.
    method : {"auto", "loopback", "paste"}
        ``loopback`` listens on this machine for the redirect; ``paste`` waits for :meth:`finish`; ``auto`` listens
        when the registered redirect is on this machine, the process is not remote and there is a browser.
    deadline : float
        Seconds until it gives up.
    already : bool
        There is a grant: it is authorized from the beginning, and nothing is listened for.

    Attributes
    ----------
    url : str
        The link that the customer opens.
    status : str
        waiting, finishing, authorized, denied, failed, cancelled or timed out.
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
        self.redirect_uri = self._listener.redirect_uri if self._listener else redirect.with_port(redirect_uri)
        self.url = self._link(client_id)
        self._timer = threading.Timer(deadline, self._end, ("timed out",))
        self._timer.daemon = True
        self._timer.start()
        if already:
            self._end("authorized")

    def _listen(self, method: Method, redirect_uri: str) -> redirect.Listener | None:
        if method not in ("auto", "loopback", "paste"):
            raise SettingsError(f"method is {method!r}: give auto, loopback or paste")
        able = redirect.is_loopback(redirect_uri)
        if method == "loopback" and not able:
            raise SettingsError(
                f"{redirect_uri} is not on this machine, so nothing can listen there: authorize by pasting"
            )
        if method == "paste" or not able or (method == "auto" and (is_remote() or not has_browser())):
            return None
        try:
            return redirect.Listener(redirect_uri, self.finish)
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
        """Where it stands now."""
        return self._status

    @property
    def listening(self) -> bool:
        """The redirect is caught by itself; otherwise it has to be pasted. Pasting works in both cases."""
        return self._listener is not None

    def finish(self, url: str | Secret) -> None:
        """End it with the URL that the browser was sent back to.

        Parameters
        ----------
        url : str or Secret
            The whole URL. A bare code is refused: it carries no state that could be checked.

        Raises
        ------
        StateMismatch
            The URL belongs to another authorization, or was used: this one goes on waiting.
        AuthorizationDenied, AuthorizationExpired, ClientRejected, ServerUnavailable
            The authorization has ended without a grant.
        """
        url = Secret(url)
        code, fault = self._claim(url)
        if code is not None:
            try:
                self._exchange(code, self.redirect_uri, self._verifier)
            except GreenkitError as e:
                fault = e
            except BaseException:
                self._end("failed", AuthorizationExpired("the authorization was broken off: begin another"))
                raise
        if not isinstance(fault, StateMismatch):
            self._end(_outcome(fault), fault)
        if fault is not None:
            raise fault

    def _claim(self, url: Secret) -> tuple[Secret | None, GreenkitError | None]:
        """Check the URL and take its code, once; a fault comes back without the frames that hold the code."""
        with self._lock:
            if self._status != "waiting":
                done = self._status in ("finishing", "authorized")  # a browser may bring the same address twice
                step = "nothing more is needed" if done else "begin another"
                return None, StateMismatch(f"this authorization is over ({self._status}): {step}")
            try:
                code = redirect.code_of(
                    url, redirect_uri=self.redirect_uri, state=self._state, issuer=self._profile.issuer
                )
            except GreenkitError as e:
                if not isinstance(e, StateMismatch):
                    self._status = "finishing"
                return None, transport.clean(e)
            self._status = "finishing"
            return code, None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended.

        Parameters
        ----------
        timeout : float, optional
            Longest wait [s]; until the deadline when absent.

        Raises
        ------
        TimeoutError
            It has not ended yet; it goes on.
        GreenkitError
            It has ended without a grant; the reason.
        """
        left = max(0.0, self._until - time.monotonic()) + 1.0
        if not self._done.wait(left if timeout is None else timeout):
            raise TimeoutError(f"the authorization is still {self._status}: wait again, or cancel() it")
        if self.error is not None:
            raise type(self.error)(str(self.error))
        if self._status != "authorized":
            raise AuthorizationExpired(f"the authorization was not finished ({self._status}): begin another")

    def prompt(self) -> None:
        """Print the link and ask for the redirected URL: for a terminal without a listener."""
        print(f"Open this link, sign in, and allow:\n\n{self.url}\n")  # noqa: T201 it is what this method is for
        if self.listening:
            self.wait()
            return
        while self._status == "waiting":
            try:
                self.finish(Secret.prompt("Then paste the whole address that the browser ends at (it is not shown)"))
            except StateMismatch as e:
                print(e)  # noqa: T201
        self.wait(0)

    def cancel(self) -> None:
        """Give it up and free the port; nothing happens when it has ended."""
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
        how = "" if self.listening else '\nthen paste the address that the browser ends at: client.finish("…")'
        return f"<Authorization at {self._profile.name}: {self._status}>\nopen {self.url}{how}"

    def _repr_html_(self) -> str:
        if self._status != "waiting":
            return _html.block(f"Authorization at {self._profile.name}", _html.text(self._status), text=repr(self))
        link = f"<a href='{_html.text(self.url)}' target='_blank' rel='noopener noreferrer'>Sign in and allow</a>"
        how = (
            ""
            if self.listening
            else "<p>Then paste the address that the browser ends at: <code>client.finish(…)</code></p>"
        )
        return _html.block(f"Authorization at {self._profile.name}", f"<p>{link}</p>{how}", text=repr(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an Authorization is not pickled: it holds secrets of one sign-in")


def _outcome(fault: GreenkitError | None) -> Status:
    if fault is None:
        return "authorized"
    return "denied" if isinstance(fault, AuthorizationDenied) else "failed"
