"""Two resolutions side by side in the tables of Aclara ACE: which column is finer, and whether both are one energy."""

from __future__ import annotations

from typing import Final

import numpy as np

from greenkit.tables.engine import Engine, minutes_of
from greenkit.tables.stamps import NEVER

WORDS: Final = ("Interval", "Interval (2)")
_TOLERANCE: Final = 0.011


def prepare(engine: Engine) -> None:
    """Read the finer of the two columns, and compare the sums of its values with the coarser one."""
    columns = list(engine.table.values)
    if len(columns) < 2:
        return
    lengths = {}
    for column, word in zip(columns, WORDS, strict=True):
        words = engine.words(word)
        found = words.map([minutes_of(w) for w in words.words], np.int64)[~np.isnan(engine.numbers(column))]
        lengths[column] = int(found[found > 0].min()) if (found > 0).any() else 0
    present = [column for column in columns if lengths[column]]
    if len(present) < 2:
        engine.change(values={c: engine.table.values[c] for c in present or columns[:1]})
        return
    fine, coarse = sorted(present, key=lambda column: lengths[column])
    label, _, _ = engine.stamps()
    rows = np.flatnonzero(label != NEVER)
    rows = rows[np.argsort(label[rows], kind="stable")]
    whole, parts = engine.numbers(coarse)[rows], engine.numbers(fine)[rows]
    begins = np.flatnonzero(~np.isnan(whole))
    if len(begins):
        sums = np.add.reduceat(np.nan_to_num(parts), begins)
        counts = np.add.reduceat((~np.isnan(parts)).astype(np.int64), begins)
        full = counts > 0
        off = np.abs(sums - whole[begins])[full]
        engine.report_sum(coarse, fine, off, _TOLERANCE)
    engine.change(values={fine: engine.table.values[fine]})
