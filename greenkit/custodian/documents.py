"""The small ESPI documents: authorizations, the service's status, our own registration, notifications.

Usage is read by :mod:`greenkit.espi`. These come from the network too, one of them from anybody, so nothing in them
is trusted: bounded bytes, no DOCTYPE, no entities, no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from greenkit.errors import FormatError, LimitError
from greenkit.secret import Secret

ESPI: Final = "http://naesb.org/espi"
LONGEST: Final = 4 << 20
"""Largest small document [bytes]."""
MOST_URIS: Final = 1000
"""A notification that names more resources than this is refused."""

# ESPI 1.1 Authorization → column; tokens that a custodian may repeat there are left out
_AUTHORIZATION: Final = {
    "status": "status",
    "scope": "scope",
    "resourceURI": "resource_uri",
    "authorizationURI": "authorization_uri",
    "customerResourceURI": "customer_uri",
}
_STATUS: Final = {"0": "revoked", "1": "active", "2": "denied"}
_SERVICE: Final = {"0": "unavailable", "1": "available"}
_SECRET_WORDS: Final = ("secret", "token", "password", "key")


def root_of(data: bytes, *, what: str, limit: int = LONGEST) -> Any:
    """Parse a small document; LimitError for what is too big or has a DOCTYPE, FormatError for what is no XML."""
    from lxml import etree

    if len(data) > limit:
        raise LimitError(f"{what} is larger than {limit:,} bytes, so it is refused: see who sent it")
    # PG&E's notifications have a backslash and an n, two characters, after the prolog
    data = data.replace(b"?>\\n", b"?>\n", 1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root, fault = etree.fromstring(data, parser), None
    except (etree.XMLSyntaxError, ValueError) as e:
        root, fault = None, getattr(e, "lineno", None)
    if root is None:
        raise FormatError(f"{what} is not XML: see what the utility sent", line=fault)
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise LimitError(f"{what} has a DOCTYPE, which no Green Button document has, so it is refused")
    return root


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _text(element: Any) -> str:
    return (element.text or "").strip()


def authorizations(data: bytes) -> pd.DataFrame:
    """Read Authorization resources: one row each, with the ids that their addresses hold.

    Returns
    -------
    DataFrame
        id, status, scope, subscription, bulk, customer, start, end (UTC, of the authorized period), published_start,
        published_end, resource_uri, authorization_uri, customer_uri. No row when there is none.
    """
    rows = [
        _authorization(e)
        for e in root_of(data, what="the list of authorizations").iter()
        if _local(e) == "Authorization"
    ]
    columns = ["id", *list(_AUTHORIZATION.values())[:2], "subscription", "bulk", "customer"]
    times = ["start", "end", "published_start", "published_end"]
    table = pd.DataFrame(rows, columns=[*columns, *times, *list(_AUTHORIZATION.values())[2:]]).astype(
        dict.fromkeys([*columns, *list(_AUTHORIZATION.values())[2:]], "str")
    )
    for name in times:
        seconds = pd.to_numeric(table[name], errors="coerce")
        table[name] = pd.to_datetime(seconds, unit="s", utc=True).dt.as_unit("us")
    return table


def _authorization(element: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_AUTHORIZATION.values(), "")
    for child in element:
        name = _local(child)
        if name in _AUTHORIZATION:
            row[_AUTHORIZATION[name]] = _text(child)
        elif name in ("authorizedPeriod", "publishedPeriod"):
            prefix = "" if name == "authorizedPeriod" else "published_"
            period = {_local(c): _text(c) for c in child}
            start, duration = period.get("start", ""), period.get("duration", "")
            if start.isdecimal():
                row[f"{prefix}start"] = int(start)
            if start.isdecimal() and duration.isdecimal() and duration != "0":
                row[f"{prefix}end"] = int(start) + int(duration)
    row["status"] = _STATUS.get(row["status"], row["status"])
    row["id"] = after(row["authorization_uri"], "Authorization")
    row["subscription"] = after(row["resource_uri"], "Subscription")
    row["bulk"] = after(row["resource_uri"], "Bulk")
    row["customer"] = after(row["customer_uri"], "RetailCustomer")
    return row


def after(uri: str | None, name: str) -> str:
    """Give the path segment behind a resource's name, unquoted; empty when there is none.

    Examples
    --------
    >>> after("https://api.pge.com/GreenButtonConnect/epi/1_1/resource/Batch/Bulk/50916?x=1", "Bulk")
    '50916'
    """
    from urllib.parse import unquote, urlsplit

    try:
        segments = urlsplit(uri or "").path.split("/")
    except ValueError:
        return ""
    found = segments[segments.index(name) + 1 :] if name in segments else []
    return unquote(found[0]) if found else ""


def service_status(data: bytes) -> str:
    """Read a ServiceStatus: available, unavailable, or the code itself."""
    for element in root_of(data, what="the service status").iter():
        if _local(element) == "currentStatus":
            return _SERVICE.get(_text(element), _text(element))
    raise FormatError("the service status holds no currentStatus: see what the utility sent")


def application_information(data: bytes) -> dict[str, str | Secret]:
    """Read an ApplicationInformation: each member by its ESPI name, secrets and tokens as Secret."""
    found: dict[str, str | Secret] = {}
    for element in root_of(data, what="the application information").iter():
        if _local(element) == "ApplicationInformation":
            for child in element:
                hide = any(word in _local(child).lower() for word in _SECRET_WORDS) and not _text(child).startswith(
                    "http"
                )
                found[_local(child)] = Secret(_text(child)) if hide else _text(child)
    if not found:
        raise FormatError("the answer holds no ApplicationInformation: see what the utility sent")
    return found


@dataclass(frozen=True)
class BatchList:
    """The resources that a notification names, each once, in its order; none of them checked yet."""

    uris: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.uris)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uris)


def batch_list(data: bytes) -> BatchList:
    """Read a notification's BatchList.

    Raises
    ------
    FormatError
        It is no XML, or no BatchList.
    LimitError
        It is too big, has a DOCTYPE, or names too many resources.
    """
    root = root_of(data, what="the notification", limit=1 << 20)
    if _local(root) != "BatchList":
        raise FormatError("the notification is no BatchList: see what the utility sent")
    uris = [_text(e) for e in root.iter() if _local(e) == "resources" and _text(e)]
    if len(uris) > MOST_URIS:
        raise LimitError(f"the notification names more than {MOST_URIS:,} resources, so it is refused: see who sent it")
    return BatchList(tuple(dict.fromkeys(uris)))


def scope_parts(scope: str | None) -> Mapping[str, tuple[str, ...]]:
    """Take a granted ESPI scope apart: ``FB=1_3;IntervalDuration=900_3600`` → its keys and their lists.

    Unknown keys are kept; the order is the utility's, which need not be numeric.

    Examples
    --------
    >>> scope_parts("FB=1_3_13;IntervalDuration=900_3600;BR=third")["IntervalDuration"]
    ('900', '3600')
    """
    parts = (p.partition("=") for p in (scope or "").split(";") if "=" in p)
    return {key.strip(): tuple(v for v in value.split("_") if v) for key, _, value in parts}
