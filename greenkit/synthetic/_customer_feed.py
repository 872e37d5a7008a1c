"""Write customer feeds: made-up customers with their accounts, agreements, locations, and meters.

ESPI separates customers from usage: only the link of a service location to its usage point joins the two feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from greenkit._files import StrPath, opened
from greenkit.synthetic._dialects import CONFORMING, Dialect, named
from greenkit.synthetic._document import Document, Entry, Node, leaf, node
from greenkit.synthetic._espi_feed import made, usage_point_href
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._resources import USD
from greenkit.times import US

UTILITY = "Example Utility"


def write(
    file: StrPath | BinaryIO,
    meters: Iterable[Meter],
    start: Any,
    end: Any,
    *,
    dialect: str | Dialect = CONFORMING,
) -> None:
    """Write the customers of meters, and the statements of the bills in a window, to a path or a binary file.

    Parameters
    ----------
    file : path or binary file
        A path is replaced completely or not at all.
    meters : iterable of Meter
        Meters; each gets a customer, an account, an agreement, a location, and a device.
    start, end : date or time
        Window in which the billing periods end.
    dialect : str or Dialect
        As for the usage feed, so that the links to usage points match.
    """
    with opened(file) as out:
        for piece in stream(meters, start, end, dialect=dialect):
            out.write(piece)


def stream(meters: Iterable[Meter], start: Any, end: Any, *, dialect: str | Dialect = CONFORMING) -> Iterator[bytes]:
    """Yield the customer feed as pieces of bytes."""
    style = named(dialect)
    document = Document(style, made(end))
    entries = _entries(document, meters, start, end)
    here = f"{style.base}/Batch/RetailCustomer/1"
    return document.encoded(document.text(entries, here=here, title="Customer data", spaces=("c",)))


def _entries(document: Document, meters: Iterable[Meter], start: Any, end: Any) -> Iterator[Entry]:
    base = document.dialect.base
    supplier = document.content(_supplier())
    yield Entry("ServiceSupplier", f"{base}/ServiceSupplier/1", (), UTILITY, supplier, document.made)
    for meter in meters:
        bills = list(meter.bills(meter.instant(start), meter.instant(end)))
        made_of = {
            "Customer": _customer(meter),
            "CustomerAccount": _account(meter, bills[-1].total if bills else None),
            "CustomerAgreement": _agreement(meter),
            "ServiceLocation": _location(meter, usage_point_href(base, meter)),
            "Meter": _device(meter, document.made),
        }
        here = f"{base}/RetailCustomer/{meter.seed}"
        for level, below in zip(made_of, [*list(made_of)[1:], None], strict=True):
            here = f"{here}/{level}/{meter.seed}"
            related = ((f"{here}/{below}", f"cust-feed/{below}"),) if below else ()
            yield Entry(level, here, related, level, document.content(made_of[level]), document.made)
        account = f"{base}/RetailCustomer/{meter.seed}/Customer/{meter.seed}/CustomerAccount/{meter.seed}"
        for bill in bills:
            number = bill.end // US
            statement = _statement(number, f"{base}/statements/{meter.seed}-{number}.pdf")
            yield Entry("Statement", f"{account}/Statement/{number}", (), "Bill", document.content(statement), bill.end)


def _supplier() -> Node:
    return node(
        "c:ServiceSupplier",
        node("c:Organisation", leaf("c:organisationName", UTILITY)),
        leaf("c:kind", "utility"),
        leaf("c:issuerIdentificationNumber", "000000"),
    )


def _name(meter: Meter) -> str:
    return f"{'Shop' if meter.kind == 'shop' else 'Customer'} {meter.seed:04d}"


def _address(name: str, meter: Meter) -> Node:
    return node(
        name,
        node("c:streetDetail", leaf("c:number", meter.seed % 1000), leaf("c:name", "Example Street")),
        node("c:townDetail", leaf("c:name", "Exampletown"), leaf("c:stateOrProvince", "XX"), leaf("c:country", "US")),
        leaf("c:postalCode", "00000"),
    )


def _contact(name: str, meter: Meter) -> Node:
    return node(
        name,
        _address("c:streetAddress", meter),
        _address("c:postalAddress", meter),
        node("c:phone1", leaf("c:areaCode", "555"), leaf("c:localNumber", f"555{meter.seed % 10_000:04d}")),
        node("c:electronicAddress", leaf("c:email1", f"customer{meter.seed}@mail.example")),
        leaf("c:organisationName", _name(meter)),
    )


def _customer(meter: Meter) -> Node:
    return node(
        "c:Customer",
        _contact("c:Organisation", meter),
        leaf("c:kind", "commercialIndustrial" if meter.kind == "shop" else "residential"),
        node("c:status", leaf("c:value", "active")),
        leaf("c:locale", "en_US"),
        leaf("c:customerName", _name(meter)),
    )


def _account(meter: Meter, last_bill: int | None) -> Node:
    return node(
        "c:CustomerAccount",
        leaf("c:billingCycle", str(meter.read_day)),
        leaf("c:lastBillAmount", last_bill),
        _contact("c:contactInfo", meter),
        leaf("c:accountId", f"A-{meter.seed:08d}"),
    )


def _agreement(meter: Meter) -> Node:
    signed = meter.instant(meter.installed) // US
    return node(
        "c:CustomerAgreement",
        leaf("c:signDate", signed),
        node("c:validityInterval", leaf("c:duration", 20 * 365 * 86_400), leaf("c:start", signed)),
        leaf("c:isPrePay", "false"),
        leaf("c:currency", USD),
        leaf("c:agreementId", f"G-{meter.seed:08d}"),
    )


def _location(meter: Meter, usage_point: str) -> Node:
    return node(
        "c:ServiceLocation",
        _address("c:mainAddress", meter),
        leaf("c:needsInspection", "false"),
        node("c:UsagePoints", leaf("c:UsagePoint", usage_point)),
    )


def _device(meter: Meter, now: int) -> Node:
    """Build the current meter; a simulated meter change gives it a new serial number."""
    first = meter.instant(meter.installed)
    changes = [f.start for f in meter.faults_between(first, now) if f.kind == "meter change"]
    return node(
        "c:Meter",
        leaf("c:type", "electricity" if meter.channels[0].unit == "kWh" else meter.kind),
        leaf("c:serialNumber", f"M{meter.seed:06d}-{len(changes) + 1}"),
        node("c:lifecycle", leaf("c:installationDate", max([first, *changes]) // US)),
        node("c:status", leaf("c:value", "active")),
        leaf("c:isVirtual", "false"),
        leaf("c:amrSystem", "AMI"),
        leaf("c:formNumber", "2S"),
        node("c:MeterMultipliers", leaf("c:kind", "kH"), leaf("c:value", "1.0")),
        leaf("c:intervalLength", meter.channels[0].interval),
    )


def _statement(issued: int, url: str) -> Node:
    reference = node(
        "c:statementRef",
        leaf("c:fileName", url.rpartition("/")[2]),
        leaf("c:mediaType", "application/pdf"),
        leaf("c:statementURL", url),
    )
    return node("c:Statement", leaf("c:issueDateTime", issued), reference)
