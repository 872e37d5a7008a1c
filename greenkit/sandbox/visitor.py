"""A simulated customer who signs in at the pages of the sandbox, for scripts and notebooks that run unattended."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urlsplit

from greenkit.custodian.profiles import LOOPBACK
from greenkit.errors import SettingsError

_TICKET: Final = re.compile(r"name='ticket' value='([^']+)'")
_CAUSE: Final = re.compile(r"<p id='cause'>([^<]+) Check")
_METER: Final = re.compile(r"name='meter' value='([^']+)'")


def visit(url: str, *, user: str = "Ada", password: str = "sandbox", allow: bool = True) -> str:  # noqa: S107 of a simulated customer
    """Open the link of an authorization, sign in, and approve or deny.

    Parameters
    ----------
    url : str
        Link to a sandbox on this machine, from :attr:`greenkit.custodian.Authorization.url`.
    user, password : str
        User name and password of a simulated customer.
    allow : bool
        Whether to share every meter, or to deny.

    Returns
    -------
    str
        The redirect URL, which is not opened. Pass it to ``finish`` of the authorization, as if a person pasted it.

    Raises
    ------
    SettingsError
        If the link is not that of a sandbox, the page refuses it, or the customer cannot sign in.

    Examples
    --------
    >>> from greenkit.sandbox import custodian
    >>> with custodian.start("generic") as utility, utility.connect() as client:
    ...     flow = client.authorize("paste")
    ...     client.finish(visit(flow.url))
    ...     str(client.status())
    'authorized'
    """
    import requests

    if urlsplit(url).hostname not in LOOPBACK:
        raise SettingsError(
            "The link does not belong to a sandbox on this machine",
            next_step="Pass the URL of an authorization of the sandbox.",
        )
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.post(url, data={"user": user, "password": password}, timeout=30).text
        cause = _CAUSE.search(page)
        if cause is not None:
            raise SettingsError(
                f"The sign-in page refused the link: {html.unescape(cause[1]).removesuffix('.')}",
                next_step="Set client_id and redirect_uri as they are registered with the sandbox.",
            )
        ticket = _TICKET.search(page)
        if ticket is None:
            raise SettingsError(
                f"The sandbox did not let {user} sign in", next_step="Use a name and password from its page."
            )
        form = {
            "ticket": html.unescape(ticket[1]),
            "meter": [html.unescape(m) for m in _METER.findall(page)],
            "decision": "allow" if allow else "refuse",
        }
        answer = browser.post(url, data=form, allow_redirects=False, timeout=30)
    return str(answer.headers["Location"])
