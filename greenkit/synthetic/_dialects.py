"""Dialects of Green Button feeds: the differences between utilities, as switches of one writer.

Each dialect is named after what it does, not after who does it. The comment beside it states where it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from greenkit.synthetic._channels import DEMAND, NET, REACTIVE, VOLTAGE, Channel


@dataclass(frozen=True, slots=True)
class Dialect:
    """The switches of the ESPI writer. The defaults are the conforming dialect: it validates against ESPI 4.0."""

    # -- A: XML
    espi_prefix: str = ""
    atom_prefix: str = ""
    customer_prefix: str = "cust"
    declared: bool = True
    """False leaves the prefixes undeclared, as in a fragment of a feed."""
    encoding: str = "utf-8"
    prolog: str = '<?xml version="1.0" encoding="{encoding}"?>\n'
    before: str = ""
    """Text before the prolog."""
    after_prolog: str = ""
    newline: str = "\n"
    pretty: bool = True
    xsi_types: bool = False
    padded_values: bool = False
    between: str = ""
    """Text before each entry: comments."""
    root: Literal["feed", "entry", "resource"] = "feed"
    """A single entry or resource is the first block of the first series."""
    blocks_in_content: int = 1
    """IntervalBlocks in one content element; 0 puts all blocks of a series in one."""
    title: str = "Usage data"
    content_type: str | None = "application/xml"
    dates: Literal["utc", "offset", "naive", "placeholder"] = "utc"
    dates_in_content: bool = False

    # -- B: links and structure
    links: Literal["collection", "direct", "nested", "back", "none"] = "collection"
    base: str = "https://custodian.example/espi/1_1/resource"
    usage_point: bool = True
    empty_usage_points: int = 0
    reading_type: bool = True
    order: Literal["parents", "readings", "types last"] = "parents"
    type_link: bool = True
    same_ids: bool = False
    """All entries have the same Atom ID, and all blocks of a series the same self link."""
    certificate: bool = False
    blocks_twice: bool = False
    """Every IntervalBlock appears twice, as after a retry."""
    thousands: bool = False
    """Thousands separators in the links of bills."""
    summary: str | None = "UsageSummary"
    power_quality: bool = True
    delivery_point: str = "serviceDeliveryPoint"
    readings: bool = True
    more_channels: tuple[Channel, ...] = ()
    """Additional series: demand, net."""
    registers: bool = False

    # -- C: values
    exponents: Mapping[str, int] = field(default_factory=dict)
    """unit → powerOfTenMultiplier; by default, the one that needs no scaling."""
    type_members: Literal["all", "few"] = "all"
    odd_codes: Mapping[str, int] = field(default_factory=dict)
    """Members of the ReadingType with codes that no table of ESPI has."""
    members: tuple[str, ...] = ("cost", "quality", "timePeriod", "value", "tou")
    """Members of a reading, in order; may include ``tier`` and ``cpp``."""
    quality: Literal["exceptions", "all", "none"] = "exceptions"
    free: bool = False
    """Every cost is 0."""
    service_kind: int | str | None = None
    """Code of ServiceCategory that replaces the correct one."""
    bills: Literal["espi", "thousandths"] = "espi"
    milliseconds: bool = False

    # -- D: time
    clock: Literal["utc", "local", "standard", "eastern"] = "utc"
    late: int = 0
    short: int = 0
    one_start: bool = False
    newest_first: bool = False
    time_period: bool = True
    block: Literal["day", "31 days", "all"] | int = "day"
    """Readings of an IntervalBlock: those of a local day, of 31 days, of the series, or a number of readings."""
    block_interval: bool = True
    timezone_element: bool = False
    repeated_hour: Literal["whole", "dropped", "pair"] = "whole"
    gas_day: Literal["local", "86400"] = "local"
    local_time: Literal["right", "wrong sign", "zero", "empty", "four digits", "odd dst", "smt", "absent"] = "right"
    smt_blocks: bool = False


CONFORMING: Final = Dialect()

# The differences, and where such feeds are found. A dialect combines the quirks that one utility combines.
DIALECTS: Final[Mapping[str, Dialect]] = {
    "conforming": CONFORMING,
    # -- A: XML
    "prefixed": Dialect(espi_prefix="espi"),
    "typed-prefixes": Dialect(  # an API that writes xsi:type on every Atom element
        espi_prefix="ns0", atom_prefix="ns1", xsi_types=True, content_type=None, pretty=False, dates="placeholder"
    ),
    "atom-prefix": Dialect(  # ESPI is the document's default namespace; byte order mark
        atom_prefix="ns2", encoding="utf-8-sig", base="/espi/1_1/resource", clock="local", local_time="absent"
    ),
    "undeclared-prefix": Dialect(espi_prefix="ns1", atom_prefix="ns1", declared=False, prolog="", local_time="absent"),
    "untidy": Dialect(  # the first sample files: text before the prolog, comments, white space in values, CRLF
        before="\n\n",
        after_prolog='<?xml-stylesheet type="text/xsl" href="GreenButtonDataStyleSheet.xslt"?>\n<!-- A > B -->\n',
        between="  <!-- entry -->\n",
        newline="\r\n",
        padded_values=True,
        dates="naive",
        base="/ThirdParty/83e269c1",
    ),
    "utf-16": Dialect(encoding="utf-16"),
    "latin-1": Dialect(encoding="iso-8859-1", title="Données d'usage à Montréal", dates="offset"),
    "bare-entry": Dialect(root="entry", block="all"),
    "bare-resource": Dialect(root="resource", block="all", prolog=""),
    "blocks-together": Dialect(blocks_in_content=0, base="RetailCustomer/1", content_type="xml"),
    # -- B: links and structure
    "direct-links": Dialect(links="direct", type_members="few", members=("timePeriod", "value"), local_time="absent"),
    "nested-links": Dialect(links="nested"),
    "back-links": Dialect(links="back", certificate=True),
    "no-links": Dialect(links="none", clock="local", local_time="zero", usage_point=False),
    "no-usage-point": Dialect(usage_point=False, free=True),
    "no-reading-type": Dialect(reading_type=False),
    "unlinked-type": Dialect(type_link=False),
    "readings-first": Dialect(order="readings"),
    "types-last": Dialect(order="types last", delivery_point="ServiceDeliveryPoint"),
    "same-ids": Dialect(same_ids=True),
    "blocks-twice": Dialect(blocks_twice=True),
    "empty-usage-points": Dialect(empty_usage_points=4, clock="standard"),
    "bills-only": Dialect(readings=False, bills="thousandths", local_time="empty", power_quality=False),
    # -- C: values and units
    "gas-1e-8": Dialect(exponents={"therm": -8}, late=1, members=("cost", "timePeriod", "value"), block="31 days"),
    "milli": Dialect(exponents={"kWh": -3}),
    "energy-and-demand": Dialect(  # durations a second short, local time as UTC, dstOffset equal to tzOffset
        more_channels=(DEMAND,),
        short=1,
        clock="local",
        local_time="odd dst",
        milliseconds=True,
        base="/v1/urn:uuid:2c5f1e0a-7b1d-4c3e-9f58-3d2a1b0c9e8f/resource",
    ),
    "hourly-and-register": Dialect(
        registers=True, usage_point=False, free=True, members=("cost", "timePeriod", "value", "tou", "quality")
    ),
    "net": Dialect(more_channels=(NET,)),
    "many-units": Dialect(more_channels=(DEMAND, REACTIVE, VOLTAGE), members=("timePeriod", "value", "quality")),
    "odd-codes": Dialect(
        odd_codes={"timeAttribute": 53, "phase": 229, "defaultQuality": 19, "measuringPeriod": 65_535}, quality="all"
    ),
    "wrong-kind": Dialect(service_kind=0),
    "empty-kind": Dialect(service_kind="", local_time="wrong sign"),
    "all-members": Dialect(
        members=("cost", "quality", "timePeriod", "value", "tier", "tou", "cpp"), quality="all", thousands=True
    ),
    "old-summary": Dialect(summary="ElectricPowerUsageSummary", power_quality=False),
    # -- D: time
    "local-as-utc": Dialect(clock="local", local_time="zero"),
    "local-as-utc-dropped": Dialect(clock="local", local_time="zero", repeated_hour="dropped"),
    "standard-as-utc": Dialect(clock="standard"),
    "eastern-epochs": Dialect(clock="eastern", local_time="absent"),
    "late-second": Dialect(late=1, local_time="wrong sign"),
    "short-second": Dialect(short=1),
    "one-start": Dialect(one_start=True, blocks_in_content=0, block_interval=False, local_time="wrong sign"),
    "newest-first": Dialect(
        newest_first=True, block="all", block_interval=False, dates_in_content=True, timezone_element=True
    ),
    "no-time-period": Dialect(time_period=False),
    "four-digit-rules": Dialect(local_time="four digits", odd_codes={"timeAttribute": 7}, free=True),
    "dropped-hour": Dialect(repeated_hour="dropped"),
    "paired-hour": Dialect(repeated_hour="pair"),
    "gas-day-86400": Dialect(gas_day="86400", block="31 days"),
    "smt": Dialect(  # the export of Smart Meter Texas: readings of a day by position, types after the blocks
        title="SMT Green Button Report: Interval",
        smt_blocks=True,
        order="types last",
        members=("timePeriod", "value"),
        summary=None,
        power_quality=False,
        local_time="smt",
        quality="none",
    ),
}


def named(dialect: str | Dialect) -> Dialect:
    """Return a dialect by its name.

    Raises
    ------
    ValueError
        If there is no dialect of this name. The error lists the names.
    """
    if isinstance(dialect, Dialect):
        return dialect
    try:
        return DIALECTS[dialect]
    except KeyError:
        raise ValueError(f"There is no dialect {dialect!r}. Use one of {', '.join(DIALECTS)}.") from None


def variant(**switches: Any) -> Dialect:
    """Return the conforming dialect with some switches changed."""
    return replace(CONFORMING, **switches)
