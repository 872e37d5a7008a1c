"""Authorize at a utility inside a notebook: a link, a status line, a box for the pasted URL.

It returns at once and the kernel stays free: the redirect is awaited by a thread, or pasted. The grant goes into the
client's token store and nowhere else; ``client.usage(…)`` in the next cell uses it.
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

# state of an authorization → (what it means to whoever waits, how it is meant); a refusal has its error's own words
_SAID: Final[dict[str, tuple[str, Kind]]] = {
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
    """One client's way to a grant, without a widget.

    Parameters
    ----------
    client : Client
    method : {"auto", "loopback", "paste"}
        How the redirect comes back; see :meth:`greenkit.custodian.Client.authorize`.

    Attributes
    ----------
    flow : Authorization or None
        The authorization under way.
    """

    def __init__(self, client: Client, method: Method = "auto") -> None:
        super().__init__()
        self.client, self.method = client, method
        self.flow: Authorization | None = None
        self._watcher: threading.Thread | None = None
        if not self.needed:
            self.set_status("This client has its own credentials, so nobody needs to sign in.", "good")

    @property
    def name(self) -> str:
        """The utility's name."""
        return self.client.profile.title or self.client.profile.name

    @property
    def needed(self) -> bool:
        """Tell whether a customer has to sign in at all."""
        return self.client.grant == "authorization_code"

    @property
    def authorized(self) -> bool:
        """Tell whether data can be asked for."""
        return not self.needed or (self.flow is not None and self.flow.status == "authorized")

    @property
    def waiting(self) -> bool:
        """Tell whether a link is open."""
        return self.flow is not None and self.flow.status == "waiting"

    @property
    def url(self) -> str:
        """The link to open while it waits, else empty."""
        return self.flow.url if self.flow is not None and self.waiting else ""

    def begin(self, *, again: bool = False) -> None:
        """Begin; with a grant in the store it is authorized at once, unless ``again``."""
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
        """Wait for the end of a flow, which a listener, a paste, a button or the clock may bring."""
        with self.guarded():
            try:
                flow.wait()
            except GreenkitError:
                if flow is self.flow and flow.status not in _SAID:
                    raise
            self._ended(flow)

    def _ended(self, flow: Authorization) -> None:
        with self.lock:
            if flow is self.flow and flow.status in _SAID:  # not one that another has taken the place of
                self.set_status(*_SAID[flow.status])

    def paste(self, url: Secret) -> None:
        """Finish with the address that the browser ended at; one of another sign-in is refused, and it goes on."""
        flow = self.flow
        if flow is None or not self.waiting:
            raise StateMismatch("No sign-in is in progress", next_step="Select Start over to get a new link.")
        if not self.start("Checking the pasted URL", lambda: flow.finish(url)):
            raise BusyError("Another URL is being checked", next_step="Paste this one again in a moment.")

    def wait(self, timeout: float | None = None) -> None:
        """Wait until what runs has ended, and the end of a sign-in is told; one that still waits is not waited for."""
        super().wait(timeout)
        if self._watcher is not None and not self.waiting:
            self._watcher.join(timeout)

    def cancel(self) -> None:
        """Give up what is under way."""
        if self.flow is not None:
            self.flow.cancel()

    def forget(self) -> None:
        """Delete the grant from this machine; the utility is not told."""
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
        """Print the link and ask, in a terminal; SettingsError where nobody can be asked."""
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
    """A panel in which a customer authorizes: link, status, a box to paste into, cancel, forget.

    It is shown at once and the kernel stays free. In a plain Python prompt it prints the link and asks instead.

    Parameters
    ----------
    client : Client
        From :func:`greenkit.connect`.
    method : {"auto", "loopback", "paste"}
        How the redirect comes back. ``auto`` catches it where browser and kernel share a machine; pasting works
        in any case.

    Attributes
    ----------
    authorized : bool
        Whether data can be asked for.
    error : Exception or None
        What went wrong last.

    Examples
    --------
    >>> client = greenkit.connect("pge")  # doctest: +SKIP
    >>> greenkit.widgets.Authorize(client)  # doctest: +SKIP
    >>> client.usage("2024-01-01", "2024-03-01")  # in the next cell # doctest: +SKIP

    Notes
    -----
    The panel holds no secret: the link carries the sign-in's one-time state and is taken away when it ends, and the
    box is emptied before it is read, since what stands in a box is saved with the notebook.
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
        """Whether data can be asked for."""
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
        change["new"] = change["owner"].value = ""  # before anything else: a box's text is saved with the notebook
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
