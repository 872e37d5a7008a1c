"""Authorize at a utility in a notebook: a link, a status line, and a box for the pasted URL.

The panel returns at once, and the kernel stays free: a thread waits for the redirect, or the customer pastes it. The
grant is stored only in the client's token store; ``client.usage(…)`` in the next cell uses it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from greenkit.errors import BusyError, GreenkitError, SettingsError, StateMismatch
from greenkit.secret import Secret
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import Kind, PanelModel

if TYPE_CHECKING:
    from greenkit.custodian import Authorization, Client, Method

# state of an authorization → status line and its kind; a refusal has the text of its error
_STATUS: Final[dict[str, tuple[str, Kind]]] = {
    "authorized": ("Authorized.", "good"),
    "cancelled": ("Canceled. No data was shared. You can start again at any time.", "idle"),
    "timed out": ("Sign-in timed out. Start again.", "bad"),
}
_WAITING: Final = {
    True: "Waiting for sign-in. Open the link, sign in, and approve access. This line then changes automatically.",
    False: "Waiting for sign-in. Open the link, sign in, and approve access. Then paste the URL from the address bar, "
    "even if the page cannot be displayed.",
}


class SignIn(PanelModel):
    """The sign-in of one client's customer, without a widget.

    Parameters
    ----------
    client : Client
    method : {"auto", "loopback", "paste"}
        How greenkit receives the redirect. See :meth:`greenkit.custodian.Client.authorize`.

    Attributes
    ----------
    flow : Authorization or None
        The latest authorization.
    """

    def __init__(self, client: Client, method: Method = "auto") -> None:
        super().__init__()
        self.client, self.method = client, method
        self.flow: Authorization | None = None
        self._watcher: threading.Thread | None = None
        if not self.needed:
            self.set_status("This client uses client credentials, so nobody needs to sign in.", "good")

    @property
    def name(self) -> str:
        """The utility's name."""
        return self.client.profile.title or self.client.profile.name

    @property
    def needed(self) -> bool:
        """Whether a customer must sign in."""
        return self.client.grant == "authorization_code"

    @property
    def authorized(self) -> bool:
        """Whether the client can request data."""
        return not self.needed or (self.flow is not None and self.flow.status == "authorized")

    @property
    def waiting(self) -> bool:
        """Whether an authorization is waiting for the customer."""
        return self.flow is not None and self.flow.status == "waiting"

    @property
    def url(self) -> str:
        """The link to open during a sign-in; otherwise empty."""
        return self.flow.url if self.flow is not None and self.waiting else ""

    def begin(self, *, again: bool = False) -> None:
        """Start an authorization. A stored grant authorizes the client at once, unless ``again`` is true."""
        if not self.needed:
            return
        flow = self.flow = self.client.authorize(self.method, again=again)
        if flow.status == "waiting":
            self.set_status(_WAITING[flow.listening], "busy")
            self._watcher = threading.Thread(target=self._watch, args=(flow,), name="greenkit: sign-in", daemon=True)
            self._watcher.start()
        else:
            self._ended(flow)

    def _watch(self, flow: Authorization) -> None:
        """Wait until an authorization ends: by its listener, a pasted URL, a button, or a timeout."""
        with self.guarded():
            try:
                flow.wait()
            except GreenkitError:
                if flow is self.flow and flow.status not in _STATUS:
                    raise
            self._ended(flow)

    def _ended(self, flow: Authorization) -> None:
        with self.lock:
            if flow is self.flow and flow.status in _STATUS:  # not an authorization that a newer one has replaced
                self.set_status(*_STATUS[flow.status])

    def paste(self, url: Secret) -> None:
        """Finish with the redirect URL. A URL of another sign-in is rejected, and this sign-in continues."""
        flow = self.flow
        if flow is None or not self.waiting:
            raise StateMismatch("No sign-in is in progress", next_step="Select Start over to get a new link.")
        if not self.start("Checking the pasted URL", lambda: flow.finish(url)):
            raise BusyError("Another URL is being checked", next_step="Paste this one again in a moment.")

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the running job has ended and the status shows it; do not wait for the customer to sign in."""
        super().wait(timeout)
        if self._watcher is not None and not self.waiting:
            self._watcher.join(timeout)

    def cancel(self) -> None:
        """Cancel the authorization in progress."""
        if self.flow is not None:
            self.flow.cancel()

    def forget(self) -> None:
        """Delete the grant from this machine only; it stays active at the utility."""
        self.client.forget()
        self.flow = None
        self.set_status(
            "Authorization removed from this machine. It is still active at the utility, and greenkit can no longer "
            "end it there. The customer can end it on the utility's website.",
            "idle",
        )

    def revoke(self) -> None:
        """End the authorization at the utility, then delete the grant from this machine."""
        self.start("Ending the authorization at the utility", self._revoke)

    def _revoke(self) -> None:
        done = self.client.revoke()
        with self.lock:
            self.flow = None
            text = f"{str(done)[0].upper()}{str(done)[1:]}. The grant was removed from this machine."
            self.set_status(text, "bad" if done.not_ended else "idle")

    def prompt(self) -> None:
        """Print the link and ask for the redirect URL in a terminal; raise SettingsError without a terminal."""
        if not self.needed:
            return
        flow = self.flow = self.client.authorize(self.method)
        if flow.status == "waiting":
            if not sys.stdin.isatty():
                flow.cancel()
                raise SettingsError(
                    "Signing in needs a notebook or an interactive terminal",
                    next_step="Authorize there once and keep the grant.",
                )
            flow.prompt()
        self._ended(flow)


class Authorize(_parts.Panel):
    """Panel in which a customer authorizes: link, status, a box for the redirect URL, and buttons.

    The panel appears at once, and the kernel stays free. At a plain Python prompt, it prints the link and asks for the
    redirect URL instead.

    Parameters
    ----------
    client : Client
        From :func:`greenkit.connect`.
    method : {"auto", "loopback", "paste"}
        How greenkit receives the redirect. With ``auto``, it listens for it if the browser and the kernel are on the
        same machine. Pasting the URL always works.

    Attributes
    ----------
    authorized : bool
        Whether the client can request data.
    error : Exception or None
        The latest error; None if the latest action succeeded.

    Examples
    --------
    >>> client = greenkit.connect("pge")  # doctest: +SKIP
    >>> greenkit.widgets.Authorize(client)  # doctest: +SKIP
    >>> client.usage("2024-01-01", "2024-03-01")  # in the next cell # doctest: +SKIP

    Notes
    -----
    The panel keeps no secrets. Its link contains the one-time state of the sign-in and is removed when that ends. The
    box is cleared before the URL is read, because Jupyter saves the text of a box with the notebook.
    """

    model: SignIn

    def __init__(self, client: Client, *, method: Method = "auto") -> None:
        self.model = SignIn(client, method)
        if _model.has_front_end():
            self._build()
            with self.model.guarded():
                self.model.begin()
        else:
            self.model.prompt()

    @property
    def authorized(self) -> bool:
        """Whether the client can request data."""
        return self.model.authorized

    def __repr__(self) -> str:
        # a kernel without widgets (Spyder, jupyter console) shows this text alone, so it contains the link
        flow = self.model.flow
        return f"{super().__repr__()}\n{flow!r}" if flow is not None and self.model.waiting else super().__repr__()

    def _build(self) -> None:
        import ipywidgets as w

        model = self.model
        self._link = w.HTML()
        self._box = w.Text(
            description="Redirect URL",
            placeholder="the complete URL from the address bar, then Enter",
            continuous_update=False,
            layout=w.Layout(width="40em", max_width="100%"),
            style=_parts.FIELD,
        )
        self._box.observe(model.guard(self._pasted), "value")
        self._begin = _parts.button("Start over", "Get a new sign-in link", lambda: model.begin(again=True), model)
        self._cancel = _parts.button("Cancel", "Cancel this sign-in", model.cancel, model)
        self._revoke = _parts.button("Revoke", "End the authorization at the utility", model.revoke, model)
        self._forget = _parts.button("Forget", "Delete the grant from this machine only", model.forget, model)
        buttons = _parts.row(self._begin, self._cancel, self._revoke, self._forget)
        _parts.show_when(buttons, model.needed)
        self.widget = _parts.column(
            _parts.heading(f"Authorize: {model.name}"), _parts.status(model), self._link, self._box, buttons
        )
        model.listen(self._show)
        self._show()

    def _pasted(self, change: Any) -> None:
        if not change["new"]:
            return
        pasted = Secret(change["new"])
        change["new"] = change["owner"].value = ""  # first, because Jupyter saves the text of a box with the notebook
        self.model.paste(pasted)

    def _show(self) -> None:
        model = self.model
        self._link.value = _parts.link(f"Sign in at {model.name} and approve access", model.url) if model.url else ""
        _parts.show_when(self._link, bool(model.url))
        _parts.show_when(self._box, model.waiting)
        _parts.show_when(self._cancel, model.waiting)
        _parts.show_when(self._begin, not model.waiting and not model.busy)
        _parts.show_when(self._revoke, model.authorized and not model.busy)
        _parts.show_when(self._forget, model.authorized and not model.busy)
        if not model.waiting:
            self._box.value = ""
