"""The resources that a data custodian serves beside usage: authorizations, the application, its status, notifications.

>>> status().decode().splitlines()[1]
'<ServiceStatus xmlns="http://naesb.org/espi">'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from greenkit.synthetic.dialects import CONFORMING, Dialect, named, variant
from greenkit.synthetic.document import Document, Entry
from greenkit.synthetic.markup import Markup, Node, leaf, node
from greenkit.synthetic.resources import span

ALONE: Final = variant(root="resource")
# with the two characters of a line end, a backslash and an n, after the prolog
ODD_NOTIFICATION: Final = variant(
    root="resource", espi_prefix="ns0", prolog='<?xml version="1.0" encoding="UTF-8"?>', after_prolog="\\n"
)
US: Final = 1_000_000
GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")
SCOPE: Final = "FB=4_5_15;IntervalDuration=900;BlockDuration=daily;HistoryLength=13"


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorization: what a customer allowed, from when until when (epoch seconds)."""

    number: int
    began: int
    expires: int
    resource: str
    """Where the usage is: the path below the base."""
    active: bool = True
    scope: str = SCOPE
    customer: str | None = None
    """Where the customer's own data are: the path below the base."""
    history: int = 730 * 86_400


@dataclass(frozen=True, slots=True)
class Application:
    """A third party's registration."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    name: str = "greenkit"
    token_endpoint: str = "https://custodian.example/oauth/token"  # noqa: S105 an address
    authorization_endpoint: str = "https://custodian.example/oauth/authorize"
    notify_uri: str = "https://thirdparty.example/notify"
    issued: int = 1_704_067_200


def authorizations(
    grants: Sequence[Grant], made: int, *, one: bool = False, dialect: str | Dialect = CONFORMING
) -> bytes:
    """Give authorizations as a feed, or the first as a bare entry.

    Parameters
    ----------
    grants : sequence of Grant
        What was allowed.
    made : int
        When the document is made, in epoch seconds.
    one : bool
        Whether the entry stands alone.
    """
    style = named(dialect)
    found = [(f"{style.base}/Authorization/{g.number}", _authorization(g, style.base)) for g in grants]
    return _document(found, made, style, one=one, here=f"{style.base}/Authorization")


def application(app: Application, made: int, *, dialect: str | Dialect = CONFORMING) -> bytes:
    """Give the third party's registration as a feed of one entry: its secret too, as utilities do."""
    style = named(dialect)
    here = f"{style.base}/ApplicationInformation/1"
    return _document([(here, _application(app, style.base))], made, style, one=False, here=here)


def status(current: int = 1) -> bytes:
    """Give a bare ServiceStatus: 1 is up, 0 is not."""
    return _alone(node("ServiceStatus", leaf("currentStatus", current)), ALONE)


def batch_list(uris: Iterable[str], *, dialect: Dialect = ALONE) -> bytes:
    """Give a bare BatchList, the body of a notification: where there is something new.

    :data:`ODD_NOTIFICATION` writes it as one utility does.
    """
    return _alone(node("BatchList", *(leaf("resources", uri) for uri in uris)), dialect)


def _authorization(g: Grant, base: str) -> Node:
    return node(
        "Authorization",
        span("authorizedPeriod", g.began * US, g.expires * US),
        span("publishedPeriod", (g.began - g.history) * US, g.expires * US),
        leaf("status", int(g.active)),
        leaf("expires_at", g.expires),
        leaf("grant_type", "authorization_code"),
        leaf("scope", g.scope),
        leaf("token_type", "Bearer"),
        leaf("resourceURI", f"{base}/{g.resource}"),
        leaf("authorizationURI", f"{base}/Authorization/{g.number}"),
        leaf("customerResourceURI", f"{base}/{g.customer}" if g.customer else None),
    )


def _application(app: Application, base: str) -> Node:
    return node(
        "ApplicationInformation",
        leaf("dataCustodianId", "EXAMPLE"),
        leaf("dataCustodianApplicationStatus", 2),
        leaf("thirdPartyApplicationDescription", app.name),
        leaf("thirdPartyNotifyUri", app.notify_uri),
        leaf("authorizationServerAuthorizationEndpoint", app.authorization_endpoint),
        leaf("authorizationServerTokenEndpoint", app.token_endpoint),
        leaf("dataCustodianBulkRequestURI", f"{base}/Batch/Bulk/1"),
        leaf("dataCustodianResourceEndpoint", base),
        leaf("client_secret", app.client_secret),
        leaf("client_name", app.name),
        *(leaf("redirect_uri", uri) for uri in app.redirect_uris),
        leaf("client_id", app.client_id),
        leaf("software_id", "greenkit"),
        leaf("software_version", "1"),
        leaf("client_id_issued_at", app.issued),
        leaf("client_secret_expires_at", 0),
        leaf("token_endpoint_auth_method", "client_secret_basic"),
        leaf("scope", SCOPE),
        *(leaf("grant_types", grant) for grant in GRANTS),
        leaf("response_types", "code"),
        leaf("registration_client_uri", f"{base}/ApplicationInformation/1"),
        leaf("registration_access_token", "none"),
    )


def _document(found: list[tuple[str, Node]], made: int, style: Dialect, *, one: bool, here: str) -> bytes:
    document = Document(replace(style, root="entry" if one else "feed"), made * US)
    entries = [Entry(n.name, href, (), n.name, document.content(n), made * US) for href, n in found]
    return b"".join(document.encoded(document.text(entries, here=here, title="Registrations", spaces=("",))))


def _alone(element: Node, style: Dialect) -> bytes:
    markup = Markup(style)
    prolog = style.prolog.format(encoding=style.encoding.upper()) + style.after_prolog
    text = markup.text(element, root=True)
    if "" not in markup.inline:
        name = markup.tag(element.name)
        text = text.replace(f"<{name}", f"<{name}{markup.root_attributes('')}", 1)
    return (prolog + text).encode(style.encoding)
