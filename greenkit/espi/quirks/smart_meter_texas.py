"""Smart Meter Texas: Green Button exports whose readings have the correct order but wrong epochs."""

from __future__ import annotations

from typing import Final

import numpy as np

from greenkit.espi.quirks import DocumentFacts, Quirk, Rows
from greenkit.findings import Findings, Kind
from greenkit.times import US, intervals_per_day, midnights

DAY_BLOCKS: Final = Kind(
    "espi.quirk.smt-day-blocks",
    "info",
    "{count:reading} from Smart Meter Texas {count:has|have} epochs that repeat and skip around midnight UTC. "
    "greenkit placed {count:it|them} on the local day by position.",
)
TITLE: Final = "SMT Green Button Report"
ZONE: Final = "America/Chicago"
_DAY: Final = 86_400 * US


class SmartMeterTexas(Quirk):
    """One block for each local day, labeled by midnight of that date as if it were UTC.

    The epochs of the readings in a block repeat and skip around midnight UTC. The readings are the day's intervals in
    order, 92 of 15 minutes on the spring-forward day and 100 on the fall-back day, so reading ``i`` begins at local
    midnight plus ``i`` intervals. The declared tzOffset is +18000, but all meters are in Central time.
    """

    name = "smart_meter_texas"
    sources = ("Exports of the portal in public repositories",)
    sample = "the dialect smt of greenkit.synthetic"
    zone = ZONE

    def recognizes(self, document: DocumentFacts) -> bool:
        return document.title.startswith(TITLE)

    def fix_rows(self, rows: Rows) -> Findings:
        found, zone = Findings(), rows.tz or ZONE
        # begin: True at the first row of a block; first, length: for each row, the number of its block's first row
        # and how many rows the block has. Example: blocks of 2 and 3 rows
        #   begin  T F T F F
        #   first  0 0 2 2 2
        #   length 2 2 3 3 3
        begin = np.r_[True, rows.block[1:] != rows.block[:-1]]
        first = np.flatnonzero(begin)[np.cumsum(begin) - 1]
        length = np.diff(np.r_[np.flatnonzero(begin), len(begin)])[np.cumsum(begin) - 1]
        dates = (rows.block_start // _DAY).astype("datetime64[D]")
        interval = rows.duration[first]
        placed = interval > 0
        for seconds in np.unique(interval[placed]) // US:
            fits = length <= intervals_per_day(dates, zone, int(seconds))
            placed &= fits | (interval != seconds * US)
        place = midnights(dates, zone) + (np.arange(len(first)) - first) * interval
        rows.start[:] = np.where(placed, place, rows.start)
        found.add(DAY_BLOCKS, count=int(placed.sum()))
        return found


QUIRK: Final = SmartMeterTexas()
