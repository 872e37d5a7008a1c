"""Meter sheets of Portfolio Manager: whether the end date of a bill belongs to it, as the start of the next shows."""

from __future__ import annotations

import numpy as np

from greenkit.tables.engine import Engine
from greenkit.tables.mapping import End
from greenkit.tables.stamps import DAY, NEVER


def prepare(engine: Engine) -> None:
    """Set whether ends are inclusive: the next bill then starts a day later, else on the same day."""
    start, end, _ = engine.stamps()
    if end is None:
        return
    good = (start != NEVER) & (end != NEVER)
    starts = set(start[good].tolist())
    same = int(np.sum([at in starts for at in end[good].tolist()]))
    after = int(np.sum([at + DAY in starts for at in end[good].tolist()]))
    if after > same:
        engine.change(label=End("End Date", inclusive=True))
