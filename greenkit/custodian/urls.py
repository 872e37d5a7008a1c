"""Addresses: which may be sent the token, and how they are named in logs and errors.

A bearer token and a client certificate go to the utility's hosts and resource paths only. Addresses come from
token answers, feeds and notifications, none of which is trusted: they are compared part by part, never by prefix
of the text, and what is requested is put together again from the parts that were checked.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from greenkit.custodian.profiles import Profile
from greenkit.errors import HostRejected

# Path segments that are names of ESPI resources; every other segment may be a customer's id.
NAMES: Final = frozenset(
    {
        "espi",
        "1_1",
        "resource",
        "Batch",
        "Bulk",
        "BulkRetailCustomerInfo",
        "BulkRetailDRPrgInfo",
        "RetailDRPrgInfo",
        "RetailCustomer",
        "Subscription",
        "UsagePoint",
        "MeterReading",
        "IntervalBlock",
        "UsageSummary",
        "ReadingType",
        "LocalTimeParameters",
        "Authorization",
        "ApplicationInformation",
        "ReadServiceStatus",
        "DownloadSampleData",
        "Customer",
        "CustomerAccount",
        "CustomerAgreement",
    }
)
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%]+")
_ESCAPED_TRICK: Final = re.compile(r"%(2e|2f|5c|00|25)", re.IGNORECASE)


def resource(profile: Profile, url: str) -> str:
    """Give back an address that may be sent the token; HostRejected for every other.

    Parameters
    ----------
    profile : Profile
        Its ``resource_url`` and ``hosts`` are what is allowed.
    url : str
        From a token answer, a feed or a notification: not trusted.

    Raises
    ------
    HostRejected
        Another scheme, host or port; user information, a fragment, ``..``, an escaped dot or slash; a path that
        is not below the resource path.
    """
    base = urlsplit(profile.resource_url)
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise _refused(profile) from None
    segments = parts.path.split("/")
    sound = (
        parts.scheme == "https"
        and url.isascii()
        and url.isprintable()
        and not set(url) & set(' "<>\\^`{|}#')
        and "@" not in parts.netloc
        and (f"{parts.hostname}:{port}" in _allowed(profile))
        and parts.path.startswith(base.path)
        and parts.path != base.path
        and not any(s.partition(";")[0] in (".", "..") for s in segments)  # some servers cut what follows a semicolon
        and not _ESCAPED_TRICK.search(parts.path)
        and all(_PLAIN_SEGMENT.fullmatch(s) for s in segments[1:-1])
    )
    if not sound:
        raise _refused(profile)
    query = f"?{parts.query}" if parts.query else ""
    host = str(parts.hostname) if port == 443 else f"{parts.hostname}:{port}"
    return f"https://{host}{parts.path}{query}"


def below(profile: Profile, *segments: object) -> str:
    """Put an address together below the resource URL, each segment quoted."""
    texts = [str(s) for s in segments]
    if not all(texts) or {".", ".."} & set(texts) or set("/\\%") & set("".join(texts)):
        raise HostRejected(
            "an id is empty, made of dots, or holds a slash or percent sign: give it alone, as usage_points() has it"
        )
    return profile.resource_url + "/".join(quote(t, safe="=") for t in texts)


def after(uri: str | None, name: str) -> str:
    """Give the path segment behind a resource's name, unquoted; empty when there is none.

    Examples
    --------
    >>> after("https://api.pge.com/GreenButtonConnect/epi/1_1/resource/Batch/Bulk/50916?x=1", "Bulk")
    '50916'
    """
    try:
        segments = urlsplit(uri or "").path.split("/")
    except ValueError:
        return ""
    found = segments[segments.index(name) + 1 :] if name in segments else []
    return unquote(found[0]) if found else ""


def _allowed(profile: Profile) -> set[str]:
    base = urlsplit(profile.resource_url)
    named = {h.lower() if ":" in h else f"{h.lower()}:443" for h in profile.hosts}
    return {f"{base.hostname}:{base.port or 443}", *named}


def _refused(profile: Profile) -> HostRejected:
    # the address itself is not repeated: it may carry a token or a customer's id
    return HostRejected(
        f"an address that is not one of {profile.name}'s resources ({profile.resource_url}…) was refused: "
        "nothing was sent to it"
    )


def hashed(customer_id: object) -> str:
    """Give a short stable stand-in for a customer's id, for logs and errors."""
    return "~" + hashlib.sha256(str(customer_id).encode()).hexdigest()[:8]


def label(url: str) -> str:
    """Name an address without its query, and with every id hashed: for logs and errors.

    Examples
    --------
    >>> label("https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Subscription/38475?published-min=1")
    'api.pge.com/…/Batch/Subscription/~21b4af14'
    """
    parts = urlsplit(url)
    for prefix in _prefixes:
        _, found, tail = parts.path.partition(prefix)
        if found:
            return (
                f"{parts.hostname or ''}/…/{'/'.join(s if s in NAMES or not s else hashed(s) for s in tail.split('/'))}"
            )
    return f"{parts.hostname or ''}{parts.path}"


_prefixes = {"/espi/1_1/resource/"}


class HideIds(logging.Filter):
    """Hide customer ids in the DEBUG lines of urllib3, which names the whole path of each request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the path in a line about a resource; every line passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(label(a) if isinstance(a, str) and _is_resource(a) else a for a in record.args)
        return True


_HIDE_IDS: Final = HideIds()


def _is_resource(text: str) -> bool:
    return any(prefix in text for prefix in _prefixes)


def hide_ids_in_logs(profile: Profile) -> None:
    """Put the filter on urllib3's logger, for this utility's resource path too."""
    _prefixes.add(urlsplit(profile.resource_url).path)
    logging.getLogger("urllib3.connectionpool").addFilter(_HIDE_IDS)
