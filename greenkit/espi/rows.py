"""The readings of a feed as numpy columns, each row with its block and its series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from greenkit.espi.feed import Feed
from greenkit.espi.series import Plan

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass
class Rows:
    """The readings as numpy columns, each row with its block and series.

    The columns are most of the memory: each is let go as soon as another takes its place.
    """

    feed: Feed
    plan: Plan
    columns: dict[str, npt.NDArray[Any]]
    block: Numbers
    series: Numbers

    @classmethod
    def of(cls, feed: Feed, plan: Plan) -> Rows:
        """Take over the columns that were read; the blocks follow each other without a hole."""
        columns = {name: np.frombuffer(a, dtype=a.typecode) for name, a in feed.readings.give_away().items()}
        counts = np.array([b.rows for b in feed.readings.blocks], dtype=np.int64)
        block = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        of_block = np.array(plan.of_block, dtype=np.int32)
        return cls(feed, plan, columns, block, of_block[block] if len(block) else block)

    def keep(self, rows: Bools | Ints) -> None:
        """Keep only these rows, or bring them into this order."""
        for name in self.columns:
            self.columns[name] = self.columns[name][rows]
        self.block, self.series = self.block[rows], self.series[rows]

    def taken(self, rows: Bools) -> Rows:
        """Give these rows alone."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Rows(self.feed, self.plan, columns, self.block[rows], self.series[rows])

    def by_series(self) -> Iterator[tuple[int, Ints]]:
        """Give each series that has rows, by its number, with the places of its rows in order."""
        order = np.argsort(self.series, kind="stable")
        counts = np.bincount(self.series)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(counts).tolist():
            yield number, order[ends[number] - counts[number] : ends[number]]

    def __len__(self) -> int:
        return len(self.block)


def all_by_series(rows: Rows, hit: Bools) -> Bools:
    """Tell for each row whether all rows of its series are hit."""
    if not hit.any():
        return hit
    counts = np.bincount(rows.series, minlength=len(rows.plan.series))
    hits = np.bincount(rows.series, weights=hit, minlength=len(rows.plan.series))
    return np.asarray((counts == hits)[rows.series])
