"""The doubled hour of DTE Energy: whether its daily total proves that the value of 01:00 contains both hours."""

from __future__ import annotations

from typing import Final

import numpy as np

from greenkit.tables.engine import Engine
from greenkit.tables.placement import changes
from greenkit.tables.stamps import DAY, NEVER

NUMBERS: Final = ("Daily Total",)
_TOLERANCE: Final = 0.011


def prepare(engine: Engine) -> None:
    """Set the repeated hour to ``summed`` if the hourly values of each fall-back day add up to its daily total.

    The daily total is that of 25 hours. If the 24 values are less, an hour is missing, and the values decide.
    """
    label, _, _ = engine.stamps()
    good = label != NEVER
    if not good.any() or engine.table.repeated_hour is not None:
        return
    hourly, daily = engine.numbers("Hourly Total"), engine.numbers("Daily Total")
    zone = str(engine.table.zone)
    adds_up = []
    for change in changes(zone, int(label[good].min()), int(label[good].max())):
        rows = good & (label // DAY == (change.at + change.before) // DAY)
        if change.is_fall and rows.any():
            for total in np.unique(daily[rows & ~np.isnan(daily)]):
                mine = rows & (daily == total)
                adds_up.append(abs(np.nansum(hourly[mine]) - total) <= _TOLERANCE * max(1, mine.sum() / 24))
    if adds_up and all(adds_up):
        engine.change(repeated_hour="summed")
