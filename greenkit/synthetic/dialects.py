"""How feeds differ from one utility to the next: a dialect is a set of switches on one writer.

Each dialect is named for what it does, not for who does it; the comment beside it says where it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from greenkit.synthetic.meters import Channel


@dataclass(frozen=True, slots=True)
class Dialect:
    """The switches of the ESPI writer. The defaults are the conforming dialect: it validates against ESPI 4.0."""

    # -- A: XML
    espi_prefix: str = ""
    atom_prefix: str = ""
    customer_prefix: str = ""
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
    root: Literal["feed", "resources"] = "feed"
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
    same_ids: bool = False
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
    bills: Literal["espi", "enbridge"] = "espi"
    milliseconds: bool = False

    # -- D: time
    clock: Literal["utc", "local", "standard", "eastern"] = "utc"
    late: int = 0
    short: int = 0
    one_start: bool = False
    newest_first: bool = False
    time_period: bool = True
    block: Literal["day", "month", "all"] | int = "day"
    block_interval: bool = True
    timezone_element: bool = False
    repeated_hour: Literal["whole", "dropped", "pair"] = "whole"
    gas_day: Literal["local", "86400"] = "local"
    local_time: Literal["right", "wrong sign", "zero", "empty", "four digits", "absent"] = "right"
    smt_blocks: bool = False


CONFORMING: Final = Dialect()

DIALECTS: Final[Mapping[str, Dialect]] = {
    "conforming": CONFORMING,
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
