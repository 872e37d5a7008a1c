"""What a customer does in the browser, for the demo and for scripts without one."""

from __future__ import annotations

import re
from typing import Final

from greenkit.sandbox.custodian import PASSWORD

_TICKET: Final = re.compile(r"name='ticket' value='([^']+)'")
_METER: Final = re.compile(r"name='meter' value='([^']+)'")


def decide(url: str, *, name: str = "Ada", allow: bool = True) -> str:
    """Sign in at the sandbox's authorization page and decide; give the URL that the browser is sent back to.

    Parameters
    ----------
    url : str
        The authorization's address on this machine.
    name : str
        The pretend customer.
    allow : bool
        Share all meters, or refuse.

    Examples
    --------
    >>> from greenkit.sandbox import custodian
    >>> with custodian.start() as utility, utility.connect() as client:
    ...     flow = client.authorize("paste")
    ...     flow.finish(decide(flow.url))
    ...     flow.status.authorized
    True
    """
    import requests

    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.post(url, data={"user": name, "password": PASSWORD}, timeout=10).text
        ticket = _TICKET.search(page)
        if ticket is None:
            raise ValueError(f"the sandbox knows no customer {name!r}: it has Ada and Grace")
        form = {
            "ticket": ticket[1],
            "meter": _METER.findall(page),
            "decision": "allow" if allow else "refuse",
        }
        answer = browser.post(url, data=form, allow_redirects=False, timeout=10)
        return answer.headers["Location"]
