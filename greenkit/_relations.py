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
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from greenkit._intervals import BATCH, Bools, Floats, Intervals, Ints, Runs, is_duplicate, ranges
from greenkit._series import ADDITIVE
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import counted
from greenkit.times import Instants, midnights

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
    rows : list of dict
        One per series that has a relation, with the keys of :data:`COLUMNS`.
    flow : array of int64, or None
        Number of the physical flow of each series, −1 for a series that is not used; None if each series is a flow.
    sign : array of float64, or None
        1, or −1 for a received series that is stored as negative.
    notes : list of str
        One sentence per kind of decision, for charts and reports.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    flow: Ints | None = None
    sign: Floats | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """The relations as a table, with the columns of :data:`COLUMNS`."""
        out = pd.DataFrame(self.rows, columns=list(COLUMNS))
        numbers = {"minutes": "float64", "intervals": "int64", "compared": "int64", "equal": "int64"}
        return out.astype({name: numbers.get(name, "str") for name in COLUMNS})

    def as_attrs(self) -> dict[str, Any]:
        """Return the first relations as small plain JSON, for ``df.attrs["greenkit"]``; nothing if there are none."""
        if not self.rows:
            return {}
        return {"relations": self.rows[:MOST], "relations_of": len(self.rows)}


NONE: Final = Relations()
"""Each series is a physical flow of its own."""


# -- finding them


def find(found: Intervals, df: pd.DataFrame, *, resolution: str = "finest") -> Relations:
    """Find the relations between the series of a frame.

    Parameters
    ----------
    found : Intervals
        Each interval once.
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


def possible(runs: Runs) -> bool:
    """Return whether the series of a frame can have any relation, judged by their names, and by equal values."""
    keys = runs.keys
    if len(keys) < 2:
        return False
    if keys.duplicated(["meter", "flow", "unit", "zone"]).any() or (keys["flow"] == "net").any():
        return True
    after = np.append(runs.first[1:], len(runs.value))
    total = np.add.reduceat(runs.value, runs.first)
    table = pd.DataFrame(
        {"count": after - runs.first, "start": runs.start[runs.first], "end": runs.end[after - 1], "total": total}
    )
    # among a thousand meters, some have the same total by chance: only the readings of those are compared
    alike = np.flatnonzero(table.duplicated(keep=False) & (total != 0) & ~np.isnan(total))
    readings = {runs.value[runs.first[i] : after[i]].tobytes() for i in alike}
    return len(readings) < len(alike)


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
    ``flow`` is the result: the cluster of a proven part, else the series itself.
    """

    def __init__(self, found: Intervals, df: pd.DataFrame, resolution: str) -> None:
        self.found, self.df, self.resolution = found, df, resolution
        self.n = len(found.keys)
        # first row of each series, and the number of its rows; what a message states about it
        self.first = np.searchsorted(found.code, np.arange(self.n))
        self.count = np.diff(np.append(self.first, len(found)))
        self.names = {name: found.keys[name].tolist() for name in ("meter", "flow", "unit", "series")}
        self.low = int(found.start.min()) if len(found) else 0
        self.span = int(found.end.max()) - self.low + 1 if len(found) else 1
        self.used = np.ones(self.n, dtype=bool)
        # the series that stands for the flow of each series: at first each for itself
        self.leader = np.arange(self.n)
        self.sign = np.ones(self.n)
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def run(self) -> Relations:
        keys = self.found.keys
        self.group = _numbers(keys, ["meter", "flow", "unit", "zone"])
        size = np.bincount(self.group)
        if (size[self.group] > 1).any():
            self.group = self._by_kind()
            size = np.bincount(self.group)
            several = size[self.group] > 1
            if several.any():
                self.length = _length_class(self.found.interval)
                self.parts(several)
                self.alternatives(several)
        self.copies()
        if (keys["flow"] == "net").any():
            self.complements()
        if not self.rows:
            return NONE
        return Relations(self.rows, self._flows(), self.sign if (self.sign < 0).any() else None, self.notes)

    def _by_kind(self) -> Ints:
        """Keep kinds and commodities apart, for the first row of each series has both."""
        keys = self.found.keys.assign(group=self.group)
        first = self.found.row[self.found.first]
        for name in ("kind", "commodity"):
            if name in self.df.columns:
                words = np.full(self.n, "", dtype=object)
                words[self.found.code[self.found.first]] = self.df[name].iloc[first].astype("object").fillna("")
                keys[name] = words
        return _numbers(keys, [n for n in ("group", "kind", "commodity") if n in keys.columns])

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
        found = self.found
        cluster = _numbers(pd.DataFrame({"group": self.group, "length": self.length}), ["group", "length"])
        count = np.bincount(cluster)
        joined = several & (count[cluster] > 1)
        if not joined.any():
            return
        # rows of such series, sorted by cluster and start; clash: an interval that overlaps the one before it, which
        # is not the same interval with the same value
        series = np.flatnonzero(joined)
        rows = ranges(self.first[series], self.count[series])
        order = rows[_by_start(np.repeat(cluster[series], self.count[series]), found.start[rows], found.end[rows])]
        each = cluster[found.code[order]]
        start, end, value = found.start[order], found.end[order], found.value[order]
        tied = each[1:] == each[:-1]
        other = found.code[order][1:] != found.code[order][:-1]
        same = tied & (start[1:] == start[:-1]) & (end[1:] == end[:-1])
        # a missing value contradicts no other
        alike = same & ((value[1:] == value[:-1]) | np.isnan(value[1:]) | np.isnan(value[:-1]))
        clash = tied & other & (start[1:] < end[:-1]) & ~alike
        clashes = np.bincount(each[1:][clash], minlength=len(count))
        shared = np.bincount(each[1:][alike], minlength=len(count))
        for number, series in _grouped(np.flatnonzero(joined), cluster[joined]):
            self._join(series, int(clashes[number]), int(shared[number]))

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
            own = set(zip(self.found.start[a:b].tolist(), self.found.end[a:b].tolist(), strict=True))
            copied[i] = bool(own) and own <= seen
            seen |= own
        return copied

    # -- alternatives

    def alternatives(self, several: Bools) -> None:
        """Leave out coarser series whose values equal the sums of finer ones."""
        # one flow of each interval length: a group in which series of one length stay apart has no alternatives
        units = self.found.keys["unit"].isin(ADDITIVE).to_numpy(dtype=bool)
        leads = np.flatnonzero(several & units & (self.leader == np.arange(self.n)))
        flows = [
            series[np.argsort(self.length[series], kind="stable")]
            for _, series in _grouped(leads, self.group[leads])
            if len(series) > 1 and len(set(self.length[series].tolist())) == len(series)
        ]
        # most coarse series are the sums of the finest one, so all of these are compared at once
        pairs = [(coarse, series[0]) for series in flows for coarse in series[1:].tolist()]
        coarse, fine = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        compared, equal = self._compare(coarse, fine)
        known = {int(c): (int(n), int(e)) for c, n, e in zip(coarse, compared, equal, strict=True)}
        for series in flows:
            self._choose(series, known)

    def _choose(self, series: Ints, known: dict[int, tuple[int, int]]) -> None:
        """Find the resolutions of one flow, and keep the one that is asked for; ``known`` compares with the finest."""
        proven = [int(series[0])]
        proof = {}
        for coarse in series[1:].tolist():
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
        for code in proven:
            compared, equal = proof.get(code, (0, 0))
            other = _minutes(self.found.interval[chosen])
            text = f"Used in place of {len(proven) - 1} other resolution{'s' * (len(proven) > 2)} of the same energy."
            if code != chosen:
                text = f"Left out: the same energy at {other}, which is used."
                self.used[self.leader == code] = False
            self._row("alternative", code, chosen, compared, equal, text)
        of = (
            f", the {self.resolution} of {len(proven)} resolutions" if self.resolution in ("finest", "coarsest") else ""
        )
        self._note(f"{self._quantity(chosen)} at {_minutes(self.found.interval[chosen])}{of}")

    def _resolution(self, proven: Sequence[int]) -> int:
        if self.resolution == "finest":
            return proven[0]
        if self.resolution == "coarsest":
            return proven[-1]
        wanted = _length_class(np.array([RESOLUTIONS[self.resolution]]))[0]
        for code in proven:
            if self.length[code] == wanted:
                return code
        have = ", ".join(_minutes(self.found.interval[code]) for code in proven)
        raise SchemaError(
            f"{self.found.label(proven[0])} has no intervals of resolution {self.resolution!r}, only {have}",
            next_step="Pass resolution='finest', or one of those.",
        )

    # -- comparing flows

    def _chunks(self, *leaders: Ints) -> Iterator[slice]:
        """Yield groups of flows with about BATCH rows, and few enough for :meth:`_flat`."""
        most = max(int(2**62 // self.span), 1)
        rows = np.cumsum(np.maximum.reduce([self.count[each] for each in leaders])) if len(leaders[0]) else np.zeros(0)
        cuts = np.union1d(np.flatnonzero(np.diff(rows // BATCH)) + 1, np.arange(0, len(rows), most)).tolist()
        for a, b in pairwise([*([0] if cuts[:1] != [0] else []), *cuts, len(rows)]):
            yield slice(a, b)

    def _flat(self, leaders: Ints) -> _Flat:
        """Return the intervals with a value of some flows, one after another, each sorted by start and only once."""
        if (self.leader == np.arange(self.n)).all():
            series, flow = leaders, np.arange(len(leaders))
        else:
            # the series of each flow: those with the same leader are next to each other in order
            order = np.argsort(self.leader, kind="stable")
            begin, after = (np.searchsorted(self.leader[order], leaders, side=s) for s in ("left", "right"))
            series, flow = order[ranges(begin, after - begin)], np.repeat(np.arange(len(leaders)), after - begin)
        rows, flow = ranges(self.first[series], self.count[series]), np.repeat(flow, self.count[series])
        start, end, value = self.found.start[rows], self.found.end[rows], self.found.value[rows]
        if len(series) > len(leaders):
            order = _by_start(flow, start, end)
            start, end, value = start[order], end[order], value[order]
        key = flow * self.span + (start - self.low)
        kept = np.isfinite(value)
        twice = np.append(False, (key[1:] == key[:-1]) & (end[1:] == end[:-1]) & kept[:-1]) if len(key) else kept
        kept &= ~twice
        if kept.all():
            return _Flat(flow, key, end - start, value)
        return _Flat(flow[kept], key[kept], (end - start)[kept], value[kept])

    def _compare(self, coarse: Ints, fine: Ints) -> tuple[Ints, Ints]:
        """Count the values of coarse flows that complete sets of fine intervals can be compared with, and that agree.

        The sums of the fine values come from a running sum: that of the intervals a to b is ``sums[b] - sums[a]``. A
        coarse hour with the fine quarters 1, 2, 3, 4 is compared with 10, and not at all if one of them is missing.
        """
        compared, equal = np.zeros(len(coarse), dtype=np.int64), np.zeros(len(coarse), dtype=np.int64)
        for part in self._chunks(coarse, fine):
            big, small = self._flat(coarse[part]), self._flat(fine[part])
            sums, time = np.append(0.0, np.cumsum(small.value)), np.append(0, np.cumsum(small.length))
            a, b = np.searchsorted(small.key, big.key), np.searchsorted(small.key, big.key + big.length)
            complete = (time[b] - time[a] == big.length) & (b > a)
            off = np.abs(sums[b] - sums[a] - big.value)
            near = off <= _EQUAL * np.abs(big.value) + _ROUNDING * (b - a + 1)
            n = part.stop - part.start
            compared[part] = np.bincount(big.flow[complete], minlength=n)
            equal[part] = np.bincount(big.flow[complete & near], minlength=n)
        return compared, equal

    # -- copies across meters

    def copies(self) -> None:
        """Count a service once that is listed under several meters."""
        found, meters = self.found, self.names["meter"]
        if len(set(meters)) < 2:
            return
        code = np.flatnonzero(self.count)
        table = pd.DataFrame(
            {
                "count": self.count[code],
                "start": found.start[self.first[code]],
                "end": found.end[self.first[code] + self.count[code] - 1],
                "total": np.add.reduceat(found.value, self.first[code]) if len(code) else [],
            },
            index=code,
        )
        table = table[(table["count"] >= _ENOUGH) & (table["total"] != 0) & table["total"].notna()]
        alike = table[table.duplicated(keep=False)]
        if not len(alike):
            return
        held: dict[tuple[Any, ...], int] = {}
        for number in alike.index.tolist():
            a, b = self.first[number], self.first[number] + self.count[number]
            value = found.value[a:b]
            if self.leader[number] != number or not self.used[number] or len(np.unique(value)) < _VARIED:
                continue
            content = (
                self.names["flow"][number],
                self.names["unit"][number],
                found.start[a:b].tobytes(),
                value.tobytes(),
            )
            of = held.setdefault(content, number)
            if of != number and meters[of] != meters[number]:
                self.used[number] = False
                text = f"Counted once: meter {meters[of]} has the same readings."
                self._row("copy", number, of, int(b - a), int(b - a), text)
        copied = sum(row["relation"] == "copy" for row in self.rows)
        if copied:
            self._note("readings that several meters share are counted once")

    # -- complements

    def complements(self) -> None:
        """Compare each net series with delivered − received, which also proves a received series that is negative."""
        leads = np.flatnonzero(self.used & (self.leader == np.arange(self.n)))
        keys = self.found.keys.iloc[leads]
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
            flow, value, plus, minus = whole.flow[both], whole.value[both], out.value[a[both]], back.value[b[both]]
            off = _EQUAL * np.abs(value) + 3 * _ROUNDING
            tests = (np.ones(len(flow), dtype=bool), np.abs(plus - minus - value) <= off,
                     np.abs(plus + minus - value) <= off, minus > 0, minus < 0)  # fmt: skip
            counts = (np.bincount(flow[test], minlength=part.stop - part.start).tolist() for test in tests)
            for i, count in enumerate(zip(*counts, strict=True)):
                self._decide(int(net[part][i]), int(received[part][i]), *count)

    def _decide(self, net: int, received: int, compared: int, minus: int, plus: int, above: int, below: int) -> None:
        """Decide about a net flow: how many intervals equal d − r and d + r, and have r above and below 0."""
        if below and not above and plus >= _AGREE * compared and plus > minus:
            self.sign[self.leader == received] = -1
            text = "Its sign is reversed: the net series proves that received is stored as negative values."
            self._row("complement", received, received, compared, plus, text)
            self._row("complement", net, net, compared, plus, "Compared: net equals delivered − received.")
            self._note("received is stored as negative values, and its sign is reversed")
        else:
            agrees = compared and minus >= _AGREE * compared
            text = "Compared: net equals delivered − received." if agrees else (
                f"Compared: net differs from delivered − received in {compared - minus:,} of {compared:,} intervals."
            )  # fmt: skip
            self._row("complement", net, net, compared, minus, text)

    def _quantity(self, code: int) -> str:
        return f"{self.names['flow'][code]} [{self.names['unit'][code]}]"

    def _row(self, relation: str, code: int, of: int, compared: int, equal: int, decision: str) -> None:
        names = self.names
        self.rows.append(
            {
                "relation": relation,
                **{name: names[name][code] for name in ("meter", "flow", "unit", "series")},
                "minutes": float(self.found.interval[code] / 60),
                "intervals": int(self.count[code]),
                "of": f"{names['meter'][of]} / {names['flow'][of]} / {names['series'][of]}",
                "compared": compared,
                "equal": equal,
                "decision": decision,
            }
        )

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _numbers(table: pd.DataFrame, names: list[str]) -> Ints:
    if len(names) == 1:
        return np.asarray(pd.factorize(table[names[0]])[0], dtype=np.int64)
    number = table.groupby(names, sort=False, observed=True, dropna=False).ngroup()
    return np.asarray(number.to_numpy(dtype=np.int64), dtype=np.int64)


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


@dataclass(frozen=True)
class _Flat:
    """The intervals with a value of several flows, one after another.

    ``flow`` counts the flows from 0. ``key`` is one sorted number for flow and start: of two flows over 10 hours that
    begin at 0:00, the intervals from 3:00 have the keys 3 and 13, so one search finds the starts of all flows.
    """

    flow: Ints
    key: Ints
    length: Ints
    value: Floats


def _matches(one: _Flat, other: _Flat) -> tuple[Bools, Ints]:
    """Return which intervals of ``one`` are in ``other``, and their positions there."""
    if np.array_equal(one.key, other.key):
        return one.length == other.length, np.arange(len(one.key))
    place = np.minimum(np.searchsorted(other.key, one.key), max(len(other.key) - 1, 0))
    if not len(other.key):
        return np.zeros(len(one.key), dtype=bool), place
    return (other.key[place] == one.key) & (other.length[place] == one.length), place


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
                f"{entry!r} is not a successor", next_step="Pass the old meter, the new meter, and the first date."
            )
        date = pd.Timestamp(entry[2])
        if pd.isna(date) or entry[0] == entry[1]:
            raise SettingsError(
                f"{entry!r} is not a successor",
                next_step="Pass two meters and the first date of the new one.",
            )
        made.append(Successor(str(entry[0]), str(entry[1]), f"{date:%Y-%m-%d}"))
    if len({s.old for s in made}) < len(made):
        raise SettingsError("A meter has two successors", next_step="Pass one successor for each old meter.")
    return made


def succeed(found: Intervals, successors: Sequence[Successor]) -> tuple[Intervals, list[dict[str, Any]]]:
    """Assign the intervals of each old meter before the date to its successor, whose earlier ones are left out.

    Returns
    -------
    Intervals
        With the name of the new meter; old and new series are still apart, and :func:`find` joins them as parts.
    list of dict
        Rows of the table of relations.
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
                rows.append(
                    {
                        "relation": "successor",
                        **{name: found.keys[name].iloc[code] for name in ("meter", "flow", "unit", "series")},
                        "minutes": float(found.interval[code] / 60),
                        "intervals": int(mine.sum()),
                        "of": f"{new} / {keys['flow'].iloc[code]} / {keys['series'].iloc[code]}",
                        "compared": 0,
                        "equal": 0,
                        "decision": f"Stated: meter {new} replaces meter {old} from {date}.",
                    }
                )
    return replace(found, keys=keys).take(kept), rows
