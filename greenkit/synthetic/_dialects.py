"""How feeds differ from one utility to the next: a dialect is a set of switches on one writer.

Each dialect is named for what it does, not for who does it; the comment beside it says where it is found.
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
    """False leaves the prefixes undeclared, as in a fragment cut from a feed."""
    encoding: str = "utf-8"
    prolog: str = '<?xml version="1.0" encoding="{encoding}"?>\n'
    before: str = ""
    """Junk before the prolog."""
    after_prolog: str = ""
    newline: str = "\n"
    pretty: bool = True
    xsi_types: bool = False
    padded_values: bool = False
    between: str = ""
    """What stands before each entry: comments."""
    root: Literal["feed", "entry", "resource"] = "feed"
    """An entry or a resource alone is the first block of the first series."""
    blocks_in_content: int = 1
    """IntervalBlocks in one content; 0 puts all of a series in one."""
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
    """One Atom id for all entries, one self link for all blocks of a series."""
    certificate: bool = False
    blocks_twice: bool = False
    """Every IntervalBlock is sent again whole, as after a retry."""
    thousands: bool = False
    """Separators in the numbers of a bill's link."""
    summary: str | None = "UsageSummary"
    power_quality: bool = True
    delivery_point: str = "serviceDeliveryPoint"
    readings: bool = True
    more_channels: tuple[Channel, ...] = ()
    """Series beside the meter's own: demand, net."""
    registers: bool = False

    # -- C: values
    exponents: Mapping[str, int] = field(default_factory=dict)
    """unit → powerOfTenMultiplier; the default is the one that needs no scaling."""
    type_members: Literal["all", "few"] = "all"
    odd_codes: Mapping[str, int] = field(default_factory=dict)
    """Members of the ReadingType that carry a code from elsewhere."""
    members: tuple[str, ...] = ("cost", "quality", "timePeriod", "value", "tou")
    """Members of a reading, in order; ``tier`` and ``cpp`` may stand among them."""
    quality: Literal["exceptions", "all", "none"] = "exceptions"
    free: bool = False
    """Every cost is 0."""
    service_kind: int | str | None = None
    """What ServiceCategory says in place of the truth."""
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
    """The readings of an IntervalBlock: of a local day, of 31, all of the series, or a number of them."""
    block_interval: bool = True
    timezone_element: bool = False
    repeated_hour: Literal["whole", "dropped", "pair"] = "whole"
    gas_day: Literal["local", "86400"] = "local"
    local_time: Literal["right", "wrong sign", "zero", "empty", "four digits", "odd dst", "smt", "absent"] = "right"
    smt_blocks: bool = False


CONFORMING: Final = Dialect()

# What differs, and where such feeds come from. Quirks that one utility has together stand together.
DIALECTS: Final[Mapping[str, Dialect]] = {
    "conforming": CONFORMING,
    # -- A: XML
    "prefixed": Dialect(espi_prefix="espi"),
    "typed-prefixes": Dialect(  # an API that says xsi:type on every Atom element
        espi_prefix="ns0", atom_prefix="ns1", xsi_types=True, content_type=None, pretty=False, dates="placeholder"
    ),
    "atom-prefix": Dialect(  # ESPI is the document's default namespace; byte order mark
        atom_prefix="ns2", encoding="utf-8-sig", base="/espi/1_1/resource", clock="local", local_time="absent"
    ),
    "undeclared-prefix": Dialect(espi_prefix="ns1", atom_prefix="ns1", declared=False, prolog="", local_time="absent"),
    "untidy": Dialect(  # the first sample files: junk before the prolog, comments, white space in values, CRLF
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
    "energy-and-demand": Dialect(  # durations a second short, wall clock as UTC, dstOffset that is the offset
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
    "smt": Dialect(  # Smart Meter Texas's own export: the day's readings by position, types after the blocks
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
    """Give a dialect by its name; ValueError with the list when there is none of that name."""
    if isinstance(dialect, Dialect):
        return dialect
    try:
        return DIALECTS[dialect]
    except KeyError:
        raise ValueError(f"there is no dialect {dialect!r}: use one of {', '.join(DIALECTS)}") from None


def variant(**switches: Any) -> Dialect:
    """Give the conforming dialect with some switches turned."""
    return replace(CONFORMING, **switches)
