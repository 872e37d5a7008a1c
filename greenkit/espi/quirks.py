"""What single utilities do that no rule of the standard covers: one small named piece for each.

A quirk is recognised by what the document says of itself, never guessed from its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from greenkit.days import expected, midnights
from greenkit.espi.clock import DAY
from greenkit.espi.feed import Document, Feed, Tree
from greenkit.espi.readings import NONE

if TYPE_CHECKING:
    from greenkit.espi.rows import Rows

SMT_TITLE: Final = "SMT Green Button Report"
SMT_ZONE: Final = "America/Chicago"
# Duke Energy's words: unitOfMeasure as (uom, powerOfTenMultiplier), serviceType as commodity, readingQuality as quality
DUKE_UNITS: Final = {"kwh": ("72", "3"), "wh": ("72", "0"), "ccf": ("119", "2"), "therm": ("169", "0")}
DUKE_SERVICES: Final = {"electric": "1", "gas": "7"}
DUKE_QUALITIES: Final = {"ACTUAL": "actual", "ESTIMATED": "estimated", "ESTIMATE": "estimated", "MISSING": "missing"}


def interval_terms(interval: Tree) -> tuple[str, Tree] | None:
    """Give the path and the ReadingType that a block's own interval stands for; None where it says neither.

    Duke Energy's downloads have one entry without links, and no other resource than IntervalBlocks: the interval of
    each names its service point, unit and seconds per interval.
    """
    said = {name: values[0].strip() for name, values in interval.items() if isinstance(values[0], str)}
    if not said.keys() & {"secondsPerInterval", "unitOfMeasure"}:
        return None
    uom, power = DUKE_UNITS.get(said.get("unitOfMeasure", "kWh").lower().removesuffix("s"), ("", "0"))
    commodity = DUKE_SERVICES.get(said.get("serviceType", "").lower(), "")
    point = said.get("servicePointId") or "unknown"
    members = {"uom": uom, "powerOfTenMultiplier": power, "commodity": commodity}
    members["intervalLength"] = said.get("secondsPerInterval", "")
    path = f"UsagePoint/{point}/MeterReading/{said.get('serviceType', 'usage').lower()}"
    return path, {name: [text] for name, text in members.items()}


def zone(document: Document) -> str | None:
    """Give the zone of a document whose own LocalTimeParameters are known to be wrong; None for all others.

    Smart Meter Texas says tzOffset +18000; all its meters are in Central time.
    """
    return SMT_ZONE if document.title.startswith(SMT_TITLE) else None


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
    count = int(here.sum())
    text = (
        f"{count:,} readings of Smart Meter Texas were laid on their local days by position, since its epochs are not."
    )
    rows.feed.findings.add("espi.quirk.smt-day-blocks", text, count=count)


def _is_smt(feed: Feed, entry: int) -> bool:
    return zone(feed.documents[feed.entries[entry].document]) is not None
