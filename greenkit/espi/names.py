"""The names of elements, whatever prefix or namespace style the document has.

Feeds declare Atom and ESPI as default, prefixed, or not at all (a fragment cut from a feed); a release of a utility's
software may change the prefixes. So an element is known by its namespace's family and its local name.
"""

from __future__ import annotations

from typing import Final

ATOM_NAMES: Final = frozenset(
    {
        "feed",
        "entry",
        "link",
        "content",
        "id",
        "title",
        "published",
        "updated",
        "author",
        "contributor",
        "generator",
        "icon",
        "logo",
        "source",
        "subtitle",
        "category",
        "rights",
        "summary",
    }
)
_FRAME: Final = frozenset({"feed", "entry", "link", "content"})
"""Atom's names that no ESPI resource has for a member."""
USAGE: Final = (
    "UsagePoint",
    "MeterReading",
    "ReadingType",
    "IntervalBlock",
    "LocalTimeParameters",
    "UsageSummary",
    "ElectricPowerUsageSummary",
    "ElectricPowerQualitySummary",
    "ProgramIdMappings",
)
SERVICE: Final = ("ApplicationInformation", "Authorization", "BatchList", "ServiceStatus", "ServiceCategory")
CUSTOMER: Final = (
    "Customer",
    "CustomerAccount",
    "CustomerAgreement",
    "ServiceLocation",
    "ServiceSupplier",
    "Meter",
    "EndDevice",
    "ProgramDateIdMappings",
    "Statement",
    "StatementRef",
)
RESOURCES: Final = frozenset((*USAGE, *SERVICE, *CUSTOMER))
# Con Edison's API begins these with a small letter, a generator has a capital too many; ESPI has no such names itself.
SPELLINGS: Final = {
    name[0].lower() + name[1:]: name
    for name in ("UsagePoint", "MeterReading", "ReadingType", "IntervalBlock", "IntervalReading", "UsageSummary")
} | {"IntervalBLock": "IntervalBlock"}
ALIASES: Final = {"TimeConfiguration": "LocalTimeParameters", "statement": "Statement"}


class Names(dict[str, str | None]):
    """Tag → local name; Atom's as ``atom:entry``; None for an element of a foreign namespace, or a comment.

    Examples
    --------
    >>> names = Names()
    >>> names["{http://naesb.org/espi}value"], names["{http://www.w3.org/2005/Atom}entry"], names["ns1:entry"]
    ('value', 'atom:entry', 'atom:entry')
    >>> names["{urn:vendor}value"] is None
    True
    """

    def __missing__(self, tag: str) -> str | None:
        self[tag] = found = _known(tag) if isinstance(tag, str) else None
        return found


def _known(tag: str) -> str | None:
    if not tag.startswith("{"):
        # no namespace at all, or a prefix that nobody declared: the local name alone tells
        local = tag.rpartition(":")[2]
        return f"atom:{local}" if local in ATOM_NAMES else SPELLINGS.get(local, local)
    uri, _, local = tag[1:].partition("}")
    uri = (uri.lower().rstrip("/").partition("://")[2] or uri.lower()).removeprefix("www.")
    if uri.startswith("naesb.org/espi"):
        # one namespace for the whole document
        return f"atom:{local}" if local in _FRAME else SPELLINGS.get(local, local)
    if uri == "w3.org/2005/atom":  # some forget to declare ESPI's namespace, and leave its names in Atom's
        return f"atom:{local}" if local in ATOM_NAMES else local
    return None
