"""Relations between the series of a frame, proven from its rows, and the physical flows that follow from them.

A utility can spread one flow of one meter over several series. The relations are:

* **part**: series of one meter, flow, unit, and kind, with intervals of one length that do not overlap, such as one
  series per time-of-use period or per bill. Together they are one flow.
* **copy**: a series whose intervals and values are all in another series, of the same meter or of another one.
* **alternative**: the same energy at a coarser resolution; its values equal the sums of the finer intervals.
* **complement**: net beside delivered and received; net equals delivered − received.
* **successor**: a meter that replaces another from a date on, as the user states.
* **separate**: series of one flow that overlap with different values. They stay apart.

Nothing here changes a frame or reads ``df.attrs``: relations are computed from the rows whenever they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from greenkit._intervals import Bools, Floats, Intervals, Ints, Runs, is_duplicate, label, lengths, ranges
from greenkit._series import ADDITIVE
from greenkit._style import flow_label
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import counted
from greenkit.times import US, Instants, midnights

COLUMNS: Final = {
    "relation": "part, copy, alternative, complement, successor, or separate",
    "meter": "meter of the series",
    "flow": "flow of the series",
    "unit": "unit of the series",
    "series": "the series, as the source names it",
    "minutes": "most frequent interval length",
    "intervals": "number of its intervals",
    "of": "the physical flow: meter / flow / series",
    "compared": "intervals or sums that were compared",
    "equal": "those of compared that agree",
    "decision": "what greenkit does, as a sentence",
}
"""Columns of the table of relations, and what they contain."""
RESOLUTIONS: Final = {"15min": 900, "30min": 1800, "hour": 3600, "day": 86_400, "month": 30 * 86_400}
"""Names for ``resolution=`` beside "finest" and "coarsest", in seconds."""
MOST: Final = 20
"""Relations that ``df.attrs`` holds at most, because pandas copies it in every operation."""
_EQUAL: Final = 0.001
"""Relative difference up to which a coarse value equals the sum of finer ones."""
_ROUNDING: Final = 0.0005
"""Rounding error of each value in a sum, in its unit."""
_AGREE: Final = 0.95
"""Share of the compared values that has to agree."""
_ENOUGH: Final = 24
"""Readings that no two meters share by chance, if enough of them differ."""
_VARIED: Final = 10
"""Distinct values that readings need to be compared between meters."""
_CHUNK: Final = 1 << 13
"""Rows of the flows that are compared at once, so that their arrays stay in the cache of the processor."""
_BATCH: Final = 1 << 16
"""Pieces, or coarse values, that are compared at once."""


class Successor(NamedTuple):
    """A meter that replaces another: ``new`` from ``date`` on (local midnight), ``old`` before.

    Examples
    --------
    >>> Successor("1008901000000000000001", "1008901000000000000002", "2025-03-01").new
    '1008901000000000000002'
    """

    old: str
    new: str
    date: str


@dataclass(frozen=True)
class Relations:
    """The relations of a frame, and the physical flow of each of its series.

    Parameters
    ----------
    rows : list of tuple
        One per series that has a relation, in the order of :data:`COLUMNS`.
    flow : array of int64, or None
        Number of the physical flow of each series, −1 for a series that is not used; None if each series is a flow.
    sign : array of float64, or None
        1, or −1 for a received series that is stored as negative.
    notes : list of str
        One sentence per kind of decision, for charts and reports.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    flow: Ints | None = None
    sign: Floats | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """The relations as a table, with the columns of :data:`COLUMNS`."""
        numbers = {"minutes": "float64", "intervals": "int64", "compared": "int64", "equal": "int64"}
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(COLUMNS)
        return pd.DataFrame(
            {n: pd.Series(v, dtype=numbers.get(n, "str")) for n, v in zip(COLUMNS, columns, strict=True)}
        )

    def as_attrs(self) -> dict[str, Any]:
        """Return the first relations as small plain JSON, for ``df.attrs["greenkit"]``; nothing if there are none."""
        if not self.rows:
            return {}
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in self.rows[:MOST]]
        return {"relations": rows, "relations_of": len(self.rows)}


NONE: Final = Relations()
"""Each series is a physical flow of its own."""


# -- finding them


def find(found: Intervals | Runs, df: pd.DataFrame, *, resolution: str = "finest") -> Relations:
    """Find the relations between the series of a frame.

    Parameters
    ----------
    found : Intervals or Runs
        Each interval once. Runs are sorted by series.
    df : DataFrame
        The frame that they are from; its columns ``kind`` and ``commodity`` keep series apart.
    resolution : str
        Which of several resolutions to use.

    Raises
    ------
    SettingsError
        If ``resolution`` is unknown.
    SchemaError
        If a flow has alternatives, but none of that resolution.
    """
    _check_resolution(resolution)
    if len(found.keys) < 2:
        return NONE
    return _Search(found, df, resolution).run()


def _check_resolution(resolution: object) -> None:
    known = ("finest", "coarsest", *RESOLUTIONS)
    if resolution not in known:
        raise SettingsError(
            f"resolution is {resolution!r}, but it must be one of {', '.join(known)}",
            next_step="Pass resolution='finest' for the shortest intervals.",
        )


class _Search:
    """One search for relations.

    ``group`` numbers the series by meter, flow, unit, kind, commodity, and zone; ``cluster`` also by interval length.
    ``leader`` is the result: the first series of proven parts, else the series itself.
    """

    def __init__(self, found: Intervals | Runs, df: pd.DataFrame, resolution: str) -> None:
        self.keys, self.df, self.resolution = found.keys, df, resolution
        self.start, self.end, self.value = found.start, found.end, found.value
        self.n = len(self.keys)
        # first row of each series, and the number of its rows; what a message states about it
        if isinstance(found, Runs):
            self.first, self.row = found.first, found.first
        else:
            self.first = np.searchsorted(found.code, np.arange(self.n))
            self.row = found.row[np.minimum(self.first, max(len(found) - 1, 0))] if len(found) else self.first
        self.count = np.diff(np.append(self.first, len(self.value)))
        self.names = {name: self.keys[name].tolist() for name in ("meter", "flow", "unit", "series")}
        self.used = np.ones(self.n, dtype=bool)
        # the series that stands for the flow of each series: at first each for itself
        self.leader = np.arange(self.n)
        self.members = np.ones(self.n, dtype=np.int64)
        self.sign = np.ones(self.n)
        # relation, series, series whose flow it belongs to, compared, equal, and decision
        self.rows: list[tuple[str, int, int, int, int, str]] = []
        self.notes: dict[str, None] = {}

    @cached_property
    def lengths(self) -> tuple[Ints, Bools]:
        """Most frequent length of each series in seconds, and whether all of its intervals have that length."""
        usual, uniform = np.zeros(self.n, dtype=np.int64), np.ones(self.n, dtype=bool)
        has = self.count > 0
        usual[has], uniform[has] = lengths(self.first[has], self.start, self.end)
        return usual // US, uniform

    @cached_property
    def low(self) -> int:
        """First start of all series, each of which is sorted."""
        return int(self.start[self.first[self.count > 0]].min()) if len(self.start) else 0

    @cached_property
    def span(self) -> int:
        """Time from the first start to the last end of all series, and 1."""
        return int(self.end.max()) - self.low + 1 if len(self.start) else 1

    @cached_property
    def total(self) -> Floats:
        """Sum of the values of each series, which is finite if each value is."""
        total = np.zeros(self.n)
        has = self.count > 0
        if has.any():
            total[has] = np.add.reduceat(self.value, self.first[has])
        return total

    def run(self) -> Relations:
        self.group = _numbers(self.keys, ["meter", "flow", "unit", "zone"])
        size = np.bincount(self.group)
        if (size[self.group] > 1).any():
            self.group = self._by_kind()
            size = np.bincount(self.group)
            several = size[self.group] > 1
            if several.any():
                self.length = _length_class(self.lengths[0])
                self.parts(several)
                self.alternatives(several)
        self.copies()
        if (self.keys["flow"] == "net").any():
            self.complements()
        if not self.rows:
            return NONE
        return Relations(self._named(), self._flows(), self.sign if (self.sign < 0).any() else None, list(self.notes))

    def _by_kind(self) -> Ints:
        """Keep kinds and commodities apart, for the first row of each series has both."""
        keys = pd.DataFrame({"group": self.group})
        has = np.flatnonzero(self.count)
        for name in ("kind", "commodity"):
            if name in self.df.columns:
                words = np.full(self.n, "", dtype=object)
                words[has] = self.df[name].iloc[self.row[has]].astype("object").fillna("")
                keys[name] = words
        return _numbers(keys, list(keys.columns))

    def _flows(self) -> Ints | None:
        """Return the number of the flow of each series, in the order of their leaders."""
        if self.used.all() and (self.leader == np.arange(self.n)).all():
            return None
        flow = np.full(self.n, -1, dtype=np.int64)
        used = self.leader[self.used]
        flow[self.used] = np.searchsorted(np.unique(used), used)
        return flow

    # -- parts, and copies within a meter

    def parts(self, several: Bools) -> None:
        """Join the series of one group and interval length if their intervals do not overlap with different values."""
        cluster = _numbers(pd.DataFrame({"group": self.group, "length": self.length}), ["group", "length"])
        joined = several & (np.bincount(cluster)[cluster] > 1)
        if not joined.any():
            return
        overlap = self._overlaps(np.flatnonzero(joined), cluster)
        for number, series in _grouped(np.flatnonzero(joined), cluster[joined]):
            self._join(series, *(self._clashes(series) if overlap[number] else (0, 0)))

    @cached_property
    def pieces(self) -> _Pieces:
        """The pieces of all series."""
        n = len(self.start)
        new = np.append(self.start[1:] != self.end[:-1], True)[:n]
        new[self.first[(self.first > 0) & (self.first < n)] - 1] = True
        # the last row of each piece, and the row after it
        last = np.flatnonzero(new)
        row = np.append(0, last + 1)
        edge = np.searchsorted(row, np.append(self.first, n))
        return _Pieces(edge, row, self.start[row[:-1]], self.end[last])

    @cached_property
    def begins(self) -> Ints:
        """One number for the series and the start of each piece, which increases."""
        edge, _, begin, _ = self.pieces
        return np.asarray(np.repeat(np.arange(self.n), np.diff(edge)) * self.span + (begin - self.low))

    def _overlaps(self, series: Ints, cluster: Ints) -> Bools:
        """Return for each cluster whether any two intervals of its ``series`` overlap.

        An on-peak series with the hours 7 to 10 and 17 to 18 of a day has the pieces 7 to 11 and 17 to 19, and the
        others have 0 to 7, 11 to 17, and 19 to 24. No two of them overlap if, in order of size, each end is at most
        the next start: the ends 7, 11, 17, 19, 24 and the starts 0, 7, 11, 17, 19. The pieces of several clusters are
        sorted at once, each cluster in a span of its own, as if the second one were on the next day.
        """
        found = np.zeros(int(cluster.max()) + 1, dtype=bool)
        edge, most = self.pieces.edge, max(int(2**62 // self.span), 1)
        count = np.diff(edge)
        # clusters of about _BATCH pieces, and few enough that the times of all of them fit into 64 bits
        rows = np.cumsum(np.bincount(cluster[series], count[series], len(found)))
        chunk = rows // _BATCH + np.arange(len(found)) // most
        series = series[np.argsort(cluster[series], kind="stable")]
        for part in np.split(series, np.flatnonzero(np.diff(chunk[cluster[series]])) + 1):
            here, own = ranges(edge[part], count[part]), np.repeat(cluster[part], count[part])
            start, end = self.pieces.start[here], self.pieces.end[here]
            # an interval without length may lie within another one
            found[own[start >= end]] = True
            shift = (own - cluster[part[0]]) * self.span - self.low
            start += shift
            end += shift
            # each series is sorted, which a stable sort uses; sorting keeps each cluster in its place
            start.sort(kind="stable")
            end.sort(kind="stable")
            found[own[1:][(end[:-1] > start[1:]) & (own[1:] == own[:-1])]] = True
        return found

    def _clashes(self, series: Ints) -> tuple[int, int]:
        """Count the intervals that overlap with those of another series, and the ones that are in two series."""
        # rows of the series, sorted by start; clash: an interval that overlaps the one before it, which is not the
        # same interval with the same value
        rows, code = ranges(self.first[series], self.count[series]), np.repeat(series, self.count[series])
        order = np.lexsort([self.end[rows], self.start[rows]])
        rows, code = rows[order], code[order]
        start, end, value = self.start[rows], self.end[rows], self.value[rows]
        same = (start[1:] == start[:-1]) & (end[1:] == end[:-1])
        # a missing value contradicts no other
        alike = same & ((value[1:] == value[:-1]) | np.isnan(value[1:]) | np.isnan(value[:-1]))
        clash = (code[1:] != code[:-1]) & (start[1:] < end[:-1]) & ~alike
        return int(clash.sum()), int(alike.sum())

    def _join(self, series: Ints, clashes: int, shared: int) -> None:
        sizes = self.count[series]
        intervals = int(sizes.sum())
        if clashes:
            text = f"Kept apart: {counted(clashes, 'interval')} of these series overlap with different values."
            for code in series.tolist():
                self._row("separate", code, code, intervals, intervals - clashes, text)
            return
        leader = int(series[0])
        self.leader[series] = leader
        self.members[leader] = len(series)
        copies = self._copied(series, sizes) if shared else np.zeros(len(series), dtype=bool)
        kept = int((~copies).sum())
        for code, copied, size in zip(series.tolist(), copies.tolist(), sizes.tolist(), strict=True):
            if copied:
                self._row("copy", code, leader, size, size,
                          "Counted once: all of its intervals are in the other series.")  # fmt: skip
            elif kept > 1:
                text = f"One of {kept} parts of one flow: no interval overlaps another."
                self._row("part", code, leader, intervals, intervals, text)
        if kept > 1:
            self._note(f"{kept} series of {self._quantity(leader)} are parts of one flow")
        if copies.any():
            self._note(f"{counted(int(copies.sum()), 'series copy').replace('copys', 'copies')} counted once")

    def _copied(self, series: Ints, sizes: Ints) -> Bools:
        """Return which series of a cluster have all of their intervals in the series before them."""
        edges = self.first[series], self.first[series] + self.count[series]
        seen: set[tuple[int, int]] = set()
        copied = np.zeros(len(series), dtype=bool)
        for i in np.argsort(-sizes, kind="stable"):
            a, b = edges[0][i], edges[1][i]
            own = set(zip(self.start[a:b].tolist(), self.end[a:b].tolist(), strict=True))
            copied[i] = bool(own) and own <= seen
            seen |= own
        return copied

    # -- alternatives

    def alternatives(self, several: Bools) -> None:
        """Leave out coarser series whose values equal the sums of finer ones."""
        units = self.keys["unit"].isin(ADDITIVE).to_numpy(dtype=bool)
        leads = np.flatnonzero(several & units & (self.leader == np.arange(self.n)))
        leads = leads[np.lexsort([self.length[leads], self.group[leads]])]
        group, length = self.group[leads], self.length[leads]
        # a group in which series of one length stay apart has no alternatives
        apart = group[1:][(group[1:] == group[:-1]) & (length[1:] == length[:-1])]
        leads = leads[np.isin(group, apart, invert=True)]
        flows = [series for _, series in _grouped(leads, self.group[leads]) if len(series) > 1]
        if not flows:
            return
        # most coarse series are the sums of the finest one, so all of these are compared at once
        coarse, fine = np.concatenate([f[1:] for f in flows]), np.concatenate([f[:1].repeat(len(f) - 1) for f in flows])
        compared, equal = (counts.tolist() for counts in self._compare(coarse, fine))
        known = dict(zip(coarse.tolist(), zip(compared, equal, strict=True), strict=True))
        for series in flows:
            self._choose(series.tolist(), known)

    def _choose(self, series: list[int], known: dict[int, tuple[int, int]]) -> None:
        """Find the resolutions of one flow, and keep the one that is asked for; ``known`` compares with the finest."""
        proven = series[:1]
        proof = {}
        for coarse in series[1:]:
            compared, equal = known[coarse]
            for fine in proven[1:] if not compared else ():
                compared, equal = (int(n[0]) for n in self._compare(np.array([coarse]), np.array([fine])))
                if compared:
                    break
            if compared and equal >= _AGREE * compared:
                proof[coarse] = (compared, equal)
                proven.append(coarse)
            else:
                text = "Kept apart: " + (
                    f"{compared - equal:,} of {compared:,} values differ from the sum of the finer intervals."
                    if compared
                    else "no value can be compared with a complete sum of finer intervals."
                )
                self._row("separate", coarse, coarse, compared, equal, text)
        if len(proven) < 2:
            return
        chosen = self._resolution(proven)
        other = _minutes(self.lengths[0][chosen])
        less = ""
        for code in proven:
            compared, equal = proof.get(code, (0, 0))
            text = f"Used in place of {len(proven) - 1} other resolution{'s' * (len(proven) > 2)} of the same energy."
            if code != chosen:
                text = f"Left out: the same energy at {other}, which is used."
                self.used[self.leader == code] = False
                # daily values of a year beside the hours of its last month: the hours do not cover all of them
                values = len(self._flat(np.array([code])).value) if 0 < compared < self.count[code] else compared
                if chosen == proven[0] and compared < values:
                    text += f" It does not cover {values - compared:,} of {counted(values, 'value')} completely."
                    less = f", which does not cover all values at {_minutes(self.lengths[0][code])}"
            self._row("alternative", code, chosen, compared, equal, text)
        of = (
            f", the {self.resolution} of {len(proven)} resolutions" if self.resolution in ("finest", "coarsest") else ""
        )
        self._note(f"{self._quantity(chosen)} at {other}{of}{less}")

    def _resolution(self, proven: Sequence[int]) -> int:
        if self.resolution == "finest":
            return proven[0]
        if self.resolution == "coarsest":
            return proven[-1]
        wanted = _length_class(np.array([RESOLUTIONS[self.resolution]]))[0]
        for code in proven:
            if self.length[code] == wanted:
                return code
        have = ", ".join(_minutes(self.lengths[0][code]) for code in proven)
        raise SchemaError(
            f"{label(self.keys, proven[0])} has no intervals of resolution {self.resolution!r}, only {have}",
            next_step="Pass resolution='finest', or one of those.",
        )

    # -- comparing flows

    def _chunks(self, *leaders: Ints, size: int | None = None) -> Iterator[slice]:
        """Yield groups of flows with about _CHUNK rows, or ``size`` rows, and few enough for :meth:`_flat`."""
        most = max(int(2**62 // self.span), 1)
        rows = np.cumsum(np.maximum.reduce([self.count[each] for each in leaders])) if len(leaders[0]) else np.zeros(0)
        cuts = np.union1d(np.flatnonzero(np.diff(rows // (size or _CHUNK))) + 1, np.arange(0, len(rows), most)).tolist()
        for a, b in pairwise([*([0] if cuts[:1] != [0] else []), *cuts, len(rows)]):
            yield slice(a, b)

    def _flat(self, leaders: Ints) -> _Flat:
        """Return the intervals with a value of some flows, one after another, each sorted by start and only once."""
        one = len(leaders) == 1
        if one and self.members[leaders[0]] == 1 and np.isfinite(self.total[leaders[0]]):
            code = leaders[0]
            here = slice(self.first[code], self.first[code] + self.count[code])
            return _Flat(None, self.start[here], self.end[here], self.value[here], bool(self.lengths[1][code]))
        series, flow = leaders, np.arange(len(leaders))
        if (self.members[leaders] > 1).any():
            # the series of each flow: those with the same leader are next to each other in order
            order = np.argsort(self.leader, kind="stable")
            begin, after = (np.searchsorted(self.leader[order], leaders, side=s) for s in ("left", "right"))
            series, flow = order[ranges(begin, after - begin)], np.repeat(flow, after - begin)
        rows, flow = ranges(self.first[series], self.count[series]), np.repeat(flow, self.count[series])
        start, end, value = self.start[rows], self.end[rows], self.value[rows]
        if len(series) > len(leaders):
            order = _by_start(flow, start, end)
            start, end, value = start[order], end[order], value[order]
        if not one:
            shift = flow * self.span - self.low
            start, end = start + shift, end + shift
        kept = np.isfinite(value)
        if len(kept):
            kept &= ~np.append(False, (start[1:] == start[:-1]) & (end[1:] == end[:-1]) & kept[:-1])
        return _Flat(None if one else flow, start, end, value).take(slice(None) if kept.all() else kept)

    def _compare(self, coarse: Ints, fine: Ints) -> tuple[Ints, Ints]:
        """Count the values of coarse flows that complete sets of fine intervals can be compared with, and that agree.

        A coarse hour with the fine quarters 1, 2, 3, 4 is compared with 10, and not at all if one of them is missing.
        """
        compared, equal = np.zeros(len(coarse), dtype=np.int64), np.zeros(len(coarse), dtype=np.int64)
        regular = self._regular(coarse, fine)
        if regular.any():
            compared[regular], equal[regular] = self._compare_regular(coarse[regular], fine[regular])
        others = np.flatnonzero(~regular)
        coarse, fine = coarse[others], fine[others]
        for part in self._chunks(coarse, fine):
            big, small = self._flat(coarse[part]), self._flat(fine[part])
            a, b = small.places(big.start), small.places(big.end)
            if small.uniform and len(small.start):
                time = (b - a) * (small.end[0] - small.start[0])
            else:
                reached = np.append(0, np.cumsum(small.end - small.start))
                time = reached[b] - reached[a]
            complete = (time == big.end - big.start) & (b > a)
            if not complete.all():
                big, a, b = big.take(complete), a[complete], b[complete]
            near = _near(_sums(np.append(small.value, 0.0), a, b), big.value, b - a)
            n = part.stop - part.start
            compared[others[part]], equal[others[part]] = (
                big.counts(np.ones(len(near), dtype=bool), n),
                big.counts(near, n),
            )
        return compared, equal

    def _regular(self, coarse: Ints, fine: Ints) -> Bools:
        """Return which pairs are two series without empty values, of which the fine one has one interval length.

        The series with the last row is none of them, because ``reduceat`` needs a row after each sum.
        """
        usual, uniform = self.lengths
        alone = (self.members == 1) & np.isfinite(self.total)
        regular = alone[coarse] & alone[fine] & uniform[fine] & (usual[fine] > 0)
        regular &= self.first[fine] + self.count[fine] < len(self.value)
        # one number for each series and time needs to fit into 64 bits
        return np.asarray(regular & (self.n < 2**62 // self.span))

    def _compare_regular(self, coarse: Ints, fine: Ints) -> tuple[Ints, Ints]:
        """Compare as :meth:`_compare` does, where the positions in the fine series follow from its pieces."""
        compared, equal = np.zeros(len(coarse), dtype=np.int64), np.zeros(len(coarse), dtype=np.int64)
        usual = self.lengths[0] * US
        for part in self._chunks(coarse, size=_BATCH):
            count = self.count[coarse[part]]
            rows, pair = ranges(self.first[coarse[part]], count), np.repeat(np.arange(len(count)), count)
            small = fine[part][pair]
            start, end, value, length = self.start[rows], self.end[rows], self.value[rows], usual[small]
            a, b = self._before(start, small, length), self._before(end, small, length)
            complete = ((b - a) * length == end - start) & (b > a)
            if not complete.all():
                a, b, value, pair = a[complete], b[complete], value[complete], pair[complete]
            # the last sum ends where the values do
            near = _near(_sums(self.value[: b.max(initial=0) + 1], a, b), value, b - a)
            compared[part] = np.bincount(pair, minlength=len(count))
            equal[part] = np.bincount(pair[near], minlength=len(count))
        return compared, equal

    def _before(self, times: Instants, series: Ints, length: Ints) -> Ints:
        """Return the first row of a series that starts at a time or after it, for series of one interval length.

        Hours from 0:00 to 4:00 and from 6:00 to 8:00 in rows 10 to 15 are two pieces. The last piece that begins before
        3:00 is the first one, and 3 hours from its begin is row 13. For 5:00, five hours are more than it has, so the
        row is 14, the first one of the next piece.
        """
        edge, row, begin, _ = self.pieces
        place = edge[series]
        several = edge[series + 1] - place > 1
        if several.any():
            wanted = series[several] * self.span + (times[several] - self.low)
            place[several] = np.maximum(np.searchsorted(self.begins, wanted) - 1, place[several])
        # a time before the first piece, or after the last interval of a piece, is limited to the rows of the piece
        return np.clip(row[place] - (begin[place] - times) // length, row[place], row[place + 1])

    # -- copies across meters

    def copies(self) -> None:
        """Count a service once that is listed under several meters."""
        meters = self.names["meter"]
        code = np.flatnonzero((self.count >= _ENOUGH) & (self.total != 0) & ~np.isnan(self.total))
        if not len(code) or len(set(meters)) < 2:
            return
        # among a thousand meters, some have the same total by chance: only the readings of those are compared
        table = pd.DataFrame(
            {
                "count": self.count[code],
                "start": self.start[self.first[code]],
                "end": self.end[self.first[code] + self.count[code] - 1],
                "total": self.total[code],
            },
            index=code,
        )
        alike = table[table.duplicated(keep=False)]
        if not len(alike):
            return
        # the first series of each distinct content, by its flow, its unit, and some of its values
        held: dict[tuple[str, str, bytes], list[int]] = {}
        for number in alike.index.tolist():
            here = slice(self.first[number], self.first[number] + self.count[number])
            start, value = self.start[here], self.value[here]
            if self.leader[number] != number or not self.used[number] or not _is_varied(value):
                continue
            key = self.names["flow"][number], self.names["unit"][number], value[:: len(value) // _ENOUGH].tobytes()
            others = held.setdefault(key, [])
            for of in others:
                a, b = self.first[of], self.first[of] + self.count[of]
                if np.array_equal(value, self.value[a:b]) and np.array_equal(start, self.start[a:b]):
                    break
            else:
                others.append(number)
                continue
            if meters[of] != meters[number]:
                self.used[number] = False
                text = f"Counted once: meter {meters[of]} has the same readings."
                self._row("copy", number, of, len(value), len(value), text)
        if any(row[0] == "copy" for row in self.rows):
            self._note("readings that several meters share are counted once")

    # -- complements

    def complements(self) -> None:
        """Compare each net series with delivered − received, which also proves a received series that is negative."""
        leads = np.flatnonzero(self.used & (self.leader == np.arange(self.n)))
        keys = self.keys.iloc[leads]
        place = _numbers(keys, ["meter", "unit"])
        flow = keys["flow"].to_numpy(dtype=str)
        # the only delivered and the only received flow of each meter and unit
        sides = []
        for name in ("delivered", "received"):
            mine = flow == name
            only = np.full(len(leads), -1, dtype=np.int64)
            only[place[mine]] = leads[mine]
            only[np.bincount(place[mine], minlength=len(leads)) != 1] = -1
            sides.append(only)
        nets = np.flatnonzero((flow == "net") & (sides[0][place] >= 0) & (sides[1][place] >= 0))
        self._complement(leads[nets], sides[0][place[nets]], sides[1][place[nets]])

    def _complement(self, net: Ints, delivered: Ints, received: Ints) -> None:
        """Compare net flows with the difference of the two others, over the intervals that all three have."""
        for part in self._chunks(net, delivered, received):
            whole, out, back = (self._flat(each[part]) for each in (net, delivered, received))
            (with_out, a), (with_back, b) = _matches(whole, out), _matches(whole, back)
            both = with_out & with_back
            kept = slice(None) if both.all() else both
            whole, plus, minus = whole.take(kept), out.value[a][kept], back.value[b][kept]
            off = _EQUAL * np.abs(whole.value)
            off += 3 * _ROUNDING
            below = minus < 0
            tests = [np.ones(len(off), dtype=bool), np.abs(plus - minus - whole.value) <= off, below]
            if below.any():
                tests += [np.abs(plus + minus - whole.value) <= off, minus > 0]
            counts = [whole.counts(test, part.stop - part.start).tolist() for test in tests]
            for i, (compared, *found) in enumerate(zip(*counts, strict=True)):
                self._decide(int(net[part][i]), int(received[part][i]), compared, *found)

    def _decide(
        self, net: int, received: int, compared: int, minus: int, below: int, plus: int = 0, above: int = 0
    ) -> None:
        """Decide about a net flow: how many intervals equal d − r, have r below 0, equal d + r, and have r above 0."""
        if below and not above and plus >= _AGREE * compared and plus > minus:
            self.sign[self.leader == received] = -1
            text = "Its sign is reversed: the net series proves that received is stored as negative values."
            self._row("complement", received, received, compared, plus, text)
            self._row("complement", net, net, compared, plus, "Compared: net equals delivered − received.")
            self._note("export is stored as negative values, and its sign is reversed")
        else:
            agrees = compared and minus >= _AGREE * compared
            text = "Compared: net equals delivered − received." if agrees else (
                f"Compared: net differs from delivered − received in {compared - minus:,} of {compared:,} intervals."
            )  # fmt: skip
            self._row("complement", net, net, compared, minus, text)

    def _quantity(self, code: int) -> str:
        return f"{flow_label(self.names['flow'][code])} [{self.names['unit'][code]}]"

    def _row(self, relation: str, code: int, of: int, compared: int, equal: int, decision: str) -> None:
        self.rows.append((relation, code, of, compared, equal, decision))

    def _named(self) -> list[tuple[Any, ...]]:
        """Return the rows with the names of their series, in the order of COLUMNS."""
        meter, flow, unit, series = (self.names[name] for name in ("meter", "flow", "unit", "series"))
        minutes, count = (self.lengths[0] / 60).tolist(), self.count.tolist()
        return [
            (relation, meter[i], flow[i], unit[i], series[i], minutes[i], count[i],
             f"{meter[of]} / {flow[of]} / {series[of]}", compared, equal, decision)
            for relation, i, of, compared, equal, decision in self.rows
        ]  # fmt: skip

    def _note(self, text: str) -> None:
        self.notes[text] = None


def _is_varied(value: Floats) -> bool:
    """Return whether there are enough distinct values to compare meters, which a part of them mostly shows."""
    return len(np.unique(value[: 4 * _VARIED])) >= _VARIED or len(np.unique(value)) >= _VARIED


def _numbers(table: pd.DataFrame, names: list[str]) -> Ints:
    """Return the number of each row's combination of values, counted from 0 in the order of the rows."""
    number = np.zeros(len(table), dtype=np.int64)
    for name in names:
        code, values = pd.factorize(table[name], use_na_sentinel=False)
        if len(values) > 1:
            number = pd.factorize(number * len(values) + code)[0]
    return number


def _length_class(seconds: Ints) -> Ints:
    """Round lengths so that days of 23 to 25 hours, and months, are one class each."""
    days = np.asarray(np.round(seconds / 86_400), dtype=np.int64)
    day = np.abs(seconds - days * 86_400) <= 3600
    month = day & (days >= 27) & (days <= 34)
    rounded = np.where(month, 30 * 86_400, np.where(day & (days >= 1), days * 86_400, seconds))
    return np.asarray(rounded, dtype=np.int64)


def _minutes(seconds: Any) -> str:
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds and not seconds % size:
            return f"{seconds // size} {unit}"
    return f"{seconds / 60:g} min"


def _grouped(items: Ints, group: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield each group number, and its items in their order."""
    order = np.argsort(group, kind="stable")
    numbers, first = np.unique(group[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(items[order], first[1:]), strict=True) if len(items) else ()


def _by_start(group: Ints, start: Instants, end: Instants) -> Ints:
    """Return the order by group, start, and end.

    The series of a group are sorted, so a stable sort of one key has few runs to merge. The end matters to equal starts
    only, and then all three are sorted.
    """
    span = int(start.max() - start.min()) + 1 if len(start) else 1
    if not len(start) or int(group.max()) >= 2**62 // span:
        return np.lexsort([end, start, group])
    key = group * span + (start - start.min())
    order = np.argsort(key, kind="stable")
    key = key[order]
    return np.lexsort([end, start, group]) if (key[1:] == key[:-1]).any() else order


class _Pieces(NamedTuple):
    """The pieces of each series: adjoining intervals, from the first start to the last end.

    The first row of piece ``k`` is ``row[k]``, and ``row`` also has the number of all rows. The pieces of series ``i``
    are ``edge[i]`` to ``edge[i + 1]``. They are far fewer than the intervals.
    """

    edge: Ints
    row: Ints
    start: Instants
    end: Instants


@dataclass(frozen=True)
class _Flat:
    """The intervals with a value of several flows, one after another.

    ``flow`` counts the flows from 0; None if there is one flow only. With several, ``start`` and ``end`` are numbers
    that increase from flow to flow: of two flows over 10 hours that begin at 0:00, the intervals from 3:00 have the
    starts 3 and 13, so one search finds the starts of all flows. ``uniform`` is true if it is known that all intervals
    have one length.
    """

    flow: Ints | None
    start: Ints
    end: Ints
    value: Floats
    uniform: bool = False

    def places(self, times: Instants) -> Ints:
        """Return the number of intervals that start before each time."""
        return np.searchsorted(self.start, times)

    def take(self, where: Bools | slice) -> _Flat:
        """Keep some intervals."""
        if isinstance(where, slice):
            return self
        flow = None if self.flow is None else self.flow[where]
        return _Flat(flow, self.start[where], self.end[where], self.value[where])

    def counts(self, where: Bools, n: int) -> Ints:
        """Count the intervals of each of ``n`` flows for which ``where`` is true."""
        if self.flow is None:
            return np.array([np.count_nonzero(where)])
        return np.bincount(self.flow[where], minlength=n)


def _sums(value: Floats, a: Ints, b: Ints) -> Floats:
    """Return the sum of ``value[a[i]:b[i]]`` for each i, where ``a[i] < b[i] < len(value)``.

    ``reduceat`` adds up from each position to the next one: of the ranges 0 to 2 and 3 to 5, the positions 0, 2, 3, 5
    give the sums of 0 to 2, 2 to 3, 3 to 5, and a rest, of which every other one is wanted.
    """
    edge = np.empty(2 * len(a), dtype=np.int64)
    edge[::2], edge[1::2] = a, b
    return np.asarray(np.add.reduceat(value, edge)[::2]) if len(edge) else np.zeros(0)


def _near(sums: Floats, value: Floats, count: Ints) -> Bools:
    """Return whether sums of so many values equal a value, but for rounding."""
    return np.asarray(np.abs(sums - value) <= _EQUAL * np.abs(value) + _ROUNDING * (count + 1))


def _matches(one: _Flat, other: _Flat) -> tuple[Bools, Ints | slice]:
    """Return which intervals of ``one`` are in ``other``, and their positions there."""
    if np.array_equal(one.start, other.start):
        equal = one.uniform and other.uniform and np.array_equal(one.end[:1], other.end[:1])
        return (np.ones(len(one.end), dtype=bool) if equal else one.end == other.end), slice(None)
    place = np.minimum(np.searchsorted(other.start, one.start), max(len(other.start) - 1, 0))
    if not len(other.start):
        return np.zeros(len(one.start), dtype=bool), slice(0, 0)
    return (other.start[place] == one.start) & (other.end[place] == one.end), place


# -- physical flows


def physical(found: Intervals, df: pd.DataFrame, *, resolution: str = "finest") -> Intervals:
    """Return the intervals of the physical flows: each flow is one series, and each interval is there once.

    A flow that is made of parts is named after its first series and the number of the others: ``"1 (+2)"``.
    """
    relations = find(found, df, resolution=resolution)
    return apply(found, relations)


def apply(found: Intervals, relations: Relations) -> Intervals:
    """Combine the series of a frame according to its relations."""
    value = found.value
    if relations.sign is not None:
        value = value * relations.sign[found.code]
    if relations.flow is None:
        return replace(found, value=value, relations=relations)
    flow = relations.flow
    leaders = pd.Series(np.arange(len(flow))[flow >= 0]).groupby(flow[flow >= 0]).min().to_numpy()
    keys = found.keys.iloc[leaders].reset_index(drop=True)
    others = np.bincount(flow[flow >= 0]) - 1
    keys["series"] = [f"{s} (+{n})" if n else s for s, n in zip(keys["series"], others.tolist(), strict=True)]
    code = flow[found.code]
    kept = code >= 0
    made = Intervals(
        keys.astype("str"), code[kept], found.start[kept], found.end[kept], value[kept], found.estimated[kept],
        found.row[kept], relations,
    )  # fmt: skip
    if not others.any():
        return made
    order = _by_start(made.code, made.start, made.end)
    if not is_duplicate(made.take(order)).any():
        return made.take(order)
    # of an interval that two parts share, the one with a value is last, and the last is kept
    made = made.take(np.lexsort([made.valid, made.end, made.start, made.code]))
    return made.take(np.append(~is_duplicate(made)[1:], np.ones(min(len(made), 1), dtype=bool)))


# -- successors


def successors_of(stated: pd.DataFrame | Iterable[Successor | tuple[str, str, Any]]) -> list[Successor]:
    """Return the stated successors, checked: one date for each old meter, and no meter that replaces itself.

    Raises
    ------
    SettingsError
        If they are not (old, new, date), or an old meter has two successors.
    """
    if isinstance(stated, pd.DataFrame):
        missing = [n for n in ("old", "new", "date") if n not in stated.columns]
        if missing:
            raise SettingsError(
                f"The table of successors has no column {', '.join(missing)}",
                next_step="Name its columns old, new, and date.",
            )
        stated = list(stated[["old", "new", "date"]].itertuples(index=False, name=None))
    made = []
    for entry in stated:
        if isinstance(entry, str) or len(entry) != 3:
            raise SettingsError(
                f"{entry!r} does not describe a successor",
                next_step="Pass the old meter, the new meter, and the first date.",
            )
        date = pd.Timestamp(entry[2])
        if pd.isna(date) or entry[0] == entry[1]:
            raise SettingsError(
                f"{entry!r} does not describe a successor",
                next_step="Pass two meters and the first date of the new one.",
            )
        made.append(Successor(str(entry[0]), str(entry[1]), f"{date:%Y-%m-%d}"))
    if len({s.old for s in made}) < len(made):
        raise SettingsError("A meter has two successors", next_step="Pass one successor for each old meter.")
    return made


def succeed(found: Intervals, successors: Sequence[Successor]) -> tuple[Intervals, list[tuple[Any, ...]]]:
    """Assign the intervals of each old meter before the date to its successor, whose earlier ones are left out.

    Returns
    -------
    Intervals
        With the name of the new meter; old and new series are still apart, and :func:`find` joins them as parts.
    list of tuple
        Rows of the table of relations, in the order of :data:`COLUMNS`.
    """
    keys = found.keys.copy()
    kept = np.ones(len(found), dtype=bool)
    rows = []
    for old, new, date in successors:
        for meter, before in ((old, True), (new, False)):
            for code in np.flatnonzero((found.keys["meter"] == meter).to_numpy(dtype=bool)):
                cut = midnights([np.datetime64(date, "D")], str(keys["zone"].iloc[code]))[0]
                mine = found.code == code
                kept &= ~mine | ((found.start < cut) == before)
                keys.loc[code, "meter"] = new
                names = [found.keys[name].iloc[code] for name in ("meter", "flow", "unit", "series")]
                of = f"{new} / {keys['flow'].iloc[code]} / {keys['series'].iloc[code]}"
                text = f"Stated: meter {new} replaces meter {old} from {date}."
                minutes = float(found.interval[code] / 60)
                rows.append(("successor", *names, minutes, int(mine.sum()), of, 0, 0, text))
    return replace(found, keys=keys).take(kept), rows
