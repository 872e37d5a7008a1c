"""Bills of Xcel Energy, whose periods are not given: each begins on the date of the bill before it."""

from __future__ import annotations

import numpy as np

from greenkit.tables.engine import Engine
from greenkit.tables.stamps import NEVER


def prepare(engine: Engine) -> None:
    """Set the start of each bill to the date of the bill before it; the oldest has none."""
    label, _, _ = engine.stamps()
    dates = np.unique(label[label != NEVER])
    place = np.searchsorted(dates, label) - 1
    start = np.where((label != NEVER) & (place >= 0), dates[np.maximum(place, 0)] if len(dates) else label, NEVER)
    engine.period_starts = start
