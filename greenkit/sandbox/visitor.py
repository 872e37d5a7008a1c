"""A pretend customer at the pretend utility's pages: what a person clicks, for a script or a notebook without one."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urlsplit

from greenkit.custodian.profiles import LOOPBACK
from greenkit.errors import SettingsError

_TICKET: Final = re.compile(r"name='ticket' value='([^']+)'")
_METER: Final = re.compile(r"name='meter' value='([^']+)'")


def visit(url: str, *, user: str = "Ada", password: str = "sandbox", allow: bool = True) -> str:  # noqa: S107 pretend
    """Open an authorization's link, sign in, and allow or refuse.

    Parameters
    ----------
    url : str
        The link, as :attr:`greenkit.custodian.Authorization.url` gives it: a sandbox's, on this machine.
    user, password : str
        A pretend customer's.
    allow : bool
        Share every meter, or refuse.

    Returns
    -------
    str
        The address that the browser is sent back to; it is not opened. ``client.finish(…)`` takes it, as it would
        take what a person pastes.

    Raises
    ------
    SettingsError
        The link is no sandbox's, or the customer cannot sign in.

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
        raise SettingsError("this is no sandbox's link: a pretend customer visits pages of this machine only")
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.post(url, data={"user": user, "password": password}, timeout=30).text
        ticket = _TICKET.search(page)
        if ticket is None:
            raise SettingsError(f"the sandbox did not let {user} sign in: take a name and password from its page")
        form = {
            "ticket": html.unescape(ticket[1]),
            "meter": [html.unescape(m) for m in _METER.findall(page)],
            "decision": "allow" if allow else "refuse",
        }
        answer = browser.post(url, data=form, allow_redirects=False, timeout=30)
    return str(answer.headers["Location"])
