"""What single utilities do that no rule of the standard covers: one small named piece for each.

A quirk is recognised by what the document says of itself, never guessed from its numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from greenkit.days import expected, midnights
from greenkit.espi._clock import DAY
from greenkit.espi._codes import UNITS, Unit, integer
from greenkit.espi._feed import Document, Feed, Tree
from greenkit.espi._readings import NONE
from greenkit.findings import Count

if TYPE_CHECKING:
    from greenkit.espi._rows import Rows

SMT_TITLE: Final = "SMT Green Button Report"
SMT_ZONE: Final = "America/Chicago"
OPOWER_TITLE: Final = "Opower ESPI Third Party Batch Feed"
# Duke Energy's words: unitOfMeasure as (uom, powerOfTenMultiplier), serviceType as commodity, readingQuality as quality
DUKE_UNITS: Final = {"kwh": ("72", "3"), "wh": ("72", "0"), "ccf": ("119", "2"), "therm": ("169", "0")}
DUKE_SERVICES: Final = {"electric": "1", "gas": "7"}
CON_EDISON_UNITS: Final = {"KWH": "72", "KVARH": "73", "KVAH": "71", "KW": "38", "KVAR": "63", "KVA": "61"}
CON_EDISON_BLOCK: Final = re.compile(rf"_({'|'.join(CON_EDISON_UNITS)}) ([0-9]{{1,3}}) Minute Interval[^/]*$", re.I)
DUKE_QUALITIES: Final = {"ACTUAL": "actual", "ESTIMATED": "estimated", "ESTIMATE": "estimated", "MISSING": "missing"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a block without a ReadingType says itself: that ReadingType, the path it implies, and how it was told."""

    reading_type: Tree
    path: str  # nothing where the entry's own holds
    finding: str
    severity: str
    text: str
    powers: int = 0  # how many readings' own multipliers are in it


def interval_terms(interval: Tree, powers: list[str]) -> Terms | None:
    """Give what a block's interval and its readings' multipliers say; None where it names nothing but its time."""
    said = {name: values[0].strip() for name, values in interval.items() if isinstance(values[0], str)}
    return _duke(said) or _smarthub(said, powers)


def _smarthub(said: dict[str, str], powers: list[str]) -> Terms | None:
    """Read what the downloads of SmartHub, the portal of many cooperatives, say.

    The interval names uom and currency; each reading names a powerOfTenMultiplier, by whose power of ten its value is
    larger than kWh, kW, or the unit itself.
    """
    unit = UNITS.get(integer(said.get("uom")) or 0, UNITS[0])
    power = integer(powers[0] if powers else "0") if len(set(powers)) < 2 else None
    if unit is UNITS[0] or power is None:
        return None
    members = {"uom": said["uom"], "currency": said.get("currency", "")}
    members["powerOfTenMultiplier"] = str(unit.kilo - power) if powers else "0"
    text = "Blocks name their unit in their interval, as SmartHub's do: taken from there."
    if powers:
        text = (
            "Blocks name their unit in their interval and their readings a powerOfTenMultiplier, as SmartHub's do: "
            f"values were divided by 10^{power} to get {unit.name}; compare a bill."
        )
    severity = "warning" if powers else "info"
    path = f"MeterReading/{unit.name}"
    return Terms(_tree(members), path, "espi.quirk.interval-terms", severity, text, len(powers))


def link_terms(path: str) -> Terms | None:
    """Give what the name of Con Edison's blocks says: ``…/IntervalBlock/SP_1_KWH 15 Minute Interval Read Interval``.

    Its API answers without a ReadingType, with the kvarh of a meter in one entry and its kWh in the next.
    """
    if not (found := CON_EDISON_BLOCK.search(path)):
        return None
    uom, length = CON_EDISON_UNITS[found[1].upper()], int(found[2]) * 60
    members = {"uom": uom, "powerOfTenMultiplier": "3", "intervalLength": str(length), "commodity": "1"}
    text = "Blocks name their unit and length in their link, as Con Edison's do: taken from there."
    return Terms(_tree(members), "", "espi.quirk.link-terms", "info", text)


def _tree(members: dict[str, str]) -> Tree:
    return {name: [text] for name, text in members.items()}


def _duke(said: dict[str, str]) -> Terms | None:
    """Read what Duke Energy's downloads say, which have no links, and no other resource than IntervalBlocks.

    The interval of each block names its service point, unit and seconds per interval.
    """
    if not said.keys() & {"secondsPerInterval", "unitOfMeasure"}:
        return None
    uom, power = DUKE_UNITS.get(said.get("unitOfMeasure", "kWh").lower().removesuffix("s"), ("", "0"))
    commodity = DUKE_SERVICES.get(said.get("serviceType", "").lower(), "")
    point = said.get("servicePointId") or "unknown"
    members = {"uom": uom, "powerOfTenMultiplier": power, "commodity": commodity}
    members["intervalLength"] = said.get("secondsPerInterval", "")
    path = f"UsagePoint/{point}/MeterReading/{said.get('serviceType', 'usage').lower()}"
    text = "Blocks say their meter, unit and length in their interval, as Duke Energy's do: taken from there."
    return Terms(_tree(members), path, "espi.quirk.interval-terms", "info", text)


def zone(document: Document) -> str | None:
    """Give the zone of a document whose own LocalTimeParameters are known to be wrong; None for all others.

    Smart Meter Texas says tzOffset +18000; all its meters are in Central time.
    """
    return SMT_ZONE if document.title.startswith(SMT_TITLE) else None


def may_be_wh(document: Document, unit: Unit, power: int) -> bool:
    """Tell whether a document is one of those that say kWh (uom 72, powerOfTenMultiplier 3), and may hold Wh.

    Other readers take the whole numbers of Opower's batch feeds for Con Edison as Wh; no bill was seen that settles it.
    """
    return document.title.startswith(OPOWER_TITLE) and unit.name == "kWh" and power == 3


def smt_day_blocks(rows: Rows, tz: str | None) -> None:
    """Lay out Smart Meter Texas's Green Button files by position.

    It writes one block for each local day, labelled by midnight of that date as if it were UTC, but the epochs of
    the readings in it double and skip around midnight UTC. The readings of a block are the day's intervals in order,
    92 and 100 of them on the days of change: so reading ``i`` is at local midnight plus ``i`` intervals.
    """
    mine = np.array([_is_smt(rows.feed, b.entry) for b in rows.feed.readings.blocks], dtype=bool)
    if not mine.any() or not len(rows):
        return
    start, duration = rows.columns["start"], rows.columns["duration"]
    begin = np.r_[True, rows.block[1:] != rows.block[:-1]]
    first = np.flatnonzero(begin)[np.cumsum(begin) - 1]  # for each row the first row of its block
    label = np.array([b.start for b in rows.feed.readings.blocks])[rows.block]
    dates = (np.where(label == NONE, start[first], label) // DAY).astype("datetime64[D]")
    interval = duration[first]
    length = np.diff(np.r_[np.flatnonzero(begin), len(rows)])[np.cumsum(begin) - 1]
    here = mine[rows.block] & (interval > 0)
    for seconds in np.unique(interval[here]) // 1_000_000:
        fits = length <= expected(dates, tz or SMT_ZONE, int(seconds))
        here &= fits | (interval != seconds * 1_000_000)
    place = midnights(dates, tz or SMT_ZONE) + (np.arange(len(rows)) - first) * interval
    rows.columns["start"] = np.where(here, place, start)
    n = Count(here.sum())
    text = f"{n:reading} of Smart Meter Texas laid on the local day by position, since its epochs are not."
    rows.feed.findings.add("espi.quirk.smt-day-blocks", text, count=n)


def _is_smt(feed: Feed, entry: int) -> bool:
    return zone(feed.documents[feed.entries[entry].document]) is not None
