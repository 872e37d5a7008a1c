"""The engine: columns of cells and a mapping → readings in UTC.

It decides only what the table proves. A question that the table leaves open is recorded, answered provisionally so that
the other questions show too, and raised by the caller together with them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.findings import Kind
from greenkit.tables._base import Part, Question, Readings
from greenkit.tables._labels import minutes_of
from greenkit.tables._placing import Placing
from greenkit.tables._values import needed_columns
from greenkit.tables.mapping import (
    Cost,
)
from greenkit.tables.stamps import NEVER

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REGISTER_FALLS: Final = Kind(
    "tables.register.falls",
    "warning",
    "A register of {file} decreases {count:time}, first {first}. The meter may have been replaced, or the register "
    "rolled over. greenkit computed no usage across {count:that time|those times}.",
    "Add the usage of {count:that time|those times} by hand if you know it.",
)
REGISTER_GAP: Final = Kind(
    "tables.register.gap",
    "info",
    "Registers of {file} have {count:gap}, first {first}. The usage of each is one long interval.",
)
NET_SPLIT: Final = Kind(
    "tables.net.split",
    "info",
    "greenkit split net values of {file} by their sign, as the mapping asks. Energy that flowed in both "
    "directions within one interval is not visible.",
)
ROW_DUPLICATE: Final = Kind(
    "tables.row.duplicate",
    "info",
    "greenkit left out {count:exact duplicate row} of {file}.",
)
ROW_CONFLICT: Final = Kind(
    "tables.row.conflict",
    "warning",
    "{count:interval} of {file} {count:appears|appear} more than once with different values, first {first}. "
    "greenkit kept every version.",
    "{fix}",
)


GAPS_ZERO: Final = Kind(
    "tables.row.zero",
    "info",
    "{count:interval} of {file} {count:has|have} no row. greenkit read {count:it|them} as zero, as the mapping asks.",
)
_MANY_GAPS: Final = 10


class Engine(Placing):
    """Reads one table.

    Parameters
    ----------
    columns : Columns
    table : Table
        The mapping, with the answers of the caller.
    names : sequence of str
        All columns of the file.
    meter : str
        Meter if no column has it.
    """

    def read(self) -> Readings:
        """Return the readings; questions and findings are recorded on the way."""
        self._set_meter()
        self._check_ids()
        used = self._used_rows()
        start, end, offset = self.stamps()
        used &= start != NEVER
        if self.table.label is None:
            self._all_labels = start if used.all() else start[used]
        rows = np.flatnonzero(used) if not used.all() else np.arange(len(used), dtype=np.int32)
        parts = self._parts(rows, start, end)
        self._stamped = None  # the labels are large, and are not needed again
        self._compare_sums(used)
        parts = [part for part in parts if len(part)]
        if not parts:
            empty = np.zeros(0, dtype=np.int64)
            return Readings(empty, empty, [], empty, empty, np.zeros(0))
        return self._join(parts, offset)

    def _join(self, parts: list[Part], offset: npt.NDArray[np.int32] | None) -> Readings:
        """Put the parts together, in series, at their times."""
        units = [self._unit_of(part) for part in parts]
        flows = [self._flow_of(part) for part in parts]
        names = self._series_names(parts, flows, units)
        kept: list[Part] = []
        all_keys: list[tuple[str, ...]] = []
        codes: list[Ints] = []
        for part, unit, flow, name in zip(parts, units, flows, names, strict=True):
            part, key_codes, keys = self._keys(part, unit, flow, name)
            if not len(part):
                continue
            codes.append(key_codes + len(all_keys))
            all_keys += keys
            kept.append(part)
        if not kept:
            empty = np.zeros(0, dtype=np.int64)
            return Readings(empty, empty, [], empty, empty, np.zeros(0))
        order = sorted(range(len(all_keys)), key=lambda i: all_keys[i])
        distinct: list[tuple[str, ...]] = []
        rank = np.zeros(len(all_keys), dtype=np.int32)
        for i in order:
            if not distinct or distinct[-1] != all_keys[i]:
                distinct.append(all_keys[i])
            rank[i] = len(distinct) - 1
        joined = kept[0] if len(kept) == 1 else _concatenated(kept)
        series = codes[0] if len(codes) == 1 else np.concatenate(codes)
        if (rank != np.arange(len(rank))).any():
            series = rank[series]
        which = np.repeat(np.arange(len(kept)), [len(part) for part in kept]) if len(kept) > 1 else None
        return self._placed(joined, series, distinct, offset, kept, which)

    def _placed(
        self, part: Part, series: Ints, keys: list[tuple[str, ...]], offset: npt.NDArray[np.int32] | None,
        parts: list[Part], which: Ints | None,
    ) -> Readings:  # fmt: skip
        ends_given = part.end is not None
        instants, part, series, which = self._instants(part, series, keys, offset, which)
        # Rows without a reading are left out only now: a blank row of the repeated hour is one of its two rows too.
        if any(one.spec.blank == "absent" for one in parts):
            absent = np.array([one.spec.blank == "absent" for one in parts])
            keep = ~np.isnan(part.value) | ~(absent[0] if which is None else absent[which])
            if not keep.all():
                instants, part, series = instants[keep], part.take(keep), series[keep]
                which = None if which is None else which[keep]
        if not len(part):
            return Readings(part.row, series, keys, instants, instants, part.value)
        order = _order(series, instants)
        if order is not None:
            part, series, instants = part.take(order), series[order], instants[order]
            which = None if which is None else which[order]
        zone_of_key = [key[4] or self._zone() or "UTC" for key in keys]
        start, end = (
            self._given_ends(part, instants, series, zone_of_key)
            if ends_given
            else self._measured_ends(part, instants, series, zone_of_key)
        )
        out = Readings(part.row, series, keys, start, end, part.value)
        self._costs(out, parts, which)
        self._rates_and_registers(out, parts, which)
        self._duplicates(out)
        if self.table.meters == "sum" and "meter" in self.extra:
            _sum_meters(out, self.meter)
        self._gaps(out)
        return out

    def _costs(self, out: Readings, parts: list[Part], which: Ints | None) -> None:
        """Add the money of the rows; a cost of the whole table belongs to the first of its value columns."""
        costs: list[Cost | None] = [part.spec.cost for part in parts]
        if self.table.cost is not None and costs[0] is None:
            costs[0] = self.table.cost
        if not any(costs):
            return
        out.cost = np.full(len(out.row), np.nan)
        for i, cost in enumerate(costs):
            if cost is None:
                continue
            mine = slice(None) if which is None else np.flatnonzero(which == i)
            out.cost[mine] = self.amounts(cost)[out.row[mine]]
            out.currency = self.currency(cost)

    def _rates_and_registers(self, out: Readings, parts: list[Part], which: Ints | None) -> None:
        """Make usage of registers, and split net values where it is asked for."""
        which = np.zeros(len(out.row), dtype=np.int64) if which is None else which  # the part of each row
        for i, part in enumerate(parts):
            kind = part.spec.kind
            if kind != "register" and not part.spec.split and (kind == "usage" or not self.asks_kind):
                continue
            mine = which == i
            if kind is None and self.asks_kind and _looks_like_register(out, mine):
                self.ask(
                    "kind", "Are the values usage, or readings of a register?", ("usage", "register"),
                    f"The values of column {self.used.get(part.column, part.column)} never decrease and are large",
                    int(out.row[np.argmax(mine)]),
                )  # fmt: skip
            if kind == "register":
                which = which[self._from_register(out, mine)]
            elif part.spec.split:
                which = np.concatenate([which, which[mine]])[_split(out, mine)]
                self._report(NET_SPLIT)

    def _from_register(self, out: Readings, mine: Bools) -> Bools:
        """Replace readings of registers by the differences of neighbors, and return which rows are left."""
        value = np.full(len(out.row), np.nan)
        keep = ~mine
        falls: list[int] = []
        gaps: list[int] = []
        start, end = out.start.copy(), out.end.copy()
        for key in np.unique(out.series[mine]):
            rows = np.flatnonzero(mine & (out.series == key) & ~np.isnan(out.value))
            at = out.end[rows] if self._ends_are_labels() else out.start[rows]
            out.registers.append((int(key), at, out.value[rows]))
            if len(rows) < 2:
                continue
            used, gained = np.diff(out.value[rows]), np.diff(at)
            good = (used >= 0) & (gained > 0)
            falls += at[1:][used < 0].tolist()
            usual = np.unique(gained[gained > 0])
            if len(usual):
                counts = [(gained == u).sum() for u in usual]
                common = usual[int(np.argmax(counts))]
                gaps += at[:-1][gained > common * 1.5].tolist()
            kept = rows[:-1][good]
            value[kept] = used[good]
            start[kept], end[kept] = at[:-1][good], at[1:][good]
            keep[kept] = True
        out.start, out.end = start, end
        out.value = np.where(mine, value, out.value)
        for kind, found in ((REGISTER_FALLS, falls), (REGISTER_GAP, gaps)):
            if found:
                self._report(kind, count=len(found), first=_instant_text(min(found)))
        _keep(out, keep)
        return keep

    def _duplicates(self, out: Readings) -> None:
        """Leave out exact duplicates, and report intervals with two different values."""
        if len(out.row) < 2:
            return
        same = (out.start[1:] == out.start[:-1]) & (out.series[1:] == out.series[:-1])
        if not same.any():
            return
        same &= out.end[1:] == out.end[:-1]
        equal = (out.value[1:] == out.value[:-1]) | (np.isnan(out.value[1:]) & np.isnan(out.value[:-1]))
        again = same & equal
        # An empty cell next to a value of the same interval means nothing (blocks of a file often overlap by one row).
        conflict = same & ~equal
        if conflict.any():
            at = int(np.argmax(conflict))
            zone = out.keys[int(out.series[at])][4] or self._zone() or "UTC"
            name = self._column_that_differs(out.row[1:][conflict], out.row[:-1][conflict])
            fix = "Check which value is correct."
            if name:
                fix = (
                    f'Column {name} differs in these rows. If it names the meter, add meter = {{ column = "{name}" }}.'
                )
            first = local_text(int(out.start[at]), zone)
            self._report(ROW_CONFLICT, count=int(conflict.sum()), first=first, words={"fix": fix})
        if again.any():
            self._report(ROW_DUPLICATE, count=int(again.sum()))
            _keep(out, np.concatenate([[True], ~again]))

    def _column_that_differs(self, rows: Ints, others: Ints) -> str:
        """Return the first column that the mapping does not name and that differs in pairs of rows; "" if none does."""
        for name, column in self.read_others().items():
            if len(column.words) < len(column.codes) and (column.codes[rows] != column.codes[others]).all():
                return name
        return ""

    def _gaps(self, out: Readings) -> None:
        """Ask whether absent rows are zero if many are absent and no value is zero; insert them if they are."""
        if self.table.gaps == "missing" or len(out.row) < 2:
            return
        if self.table.gaps is None and (not self.asks_kind or self.table.is_wide or (out.value == 0).any()):
            return
        length = out.end - out.start
        gap = (out.series[1:] == out.series[:-1]) & (out.start[1:] > out.end[:-1]) & (length[:-1] > 0)
        before = np.flatnonzero(gap)
        absent = (out.start[before + 1] - out.end[before]) // np.maximum(length[before], 1)
        if self.table.gaps is None:
            if (
                len(before) >= _MANY_GAPS
                and absent.sum() * 10 >= len(out.row)
                and (np.nan_to_num(out.value) >= 0).all()
            ):
                self.ask(
                    "gaps", "What do intervals without a row mean?", ("missing", "zero"),
                    f"{int(absent.sum()):,} intervals in {len(before):,} gaps have no row, and no value is zero",
                    int(out.row[before[0]]),
                )  # fmt: skip
            return
        if not absent.any():
            return
        # Each gap becomes rows after the row before it: a gap of two hours after 01:00 to 02:00 → 02:00 and 03:00.
        source = np.repeat(before, absent)
        number = np.arange(len(source)) - np.repeat(np.cumsum(absent) - absent, absent)
        start = out.end[source] + number * length[source]
        place = source + 1
        out.row, out.series = (
            np.insert(out.row, place, out.row[source]),
            np.insert(out.series, place, out.series[source]),
        )
        out.end = np.insert(out.end, place, start + length[source])
        out.start = np.insert(out.start, place, start)
        out.value = np.insert(out.value, place, 0.0)
        out.cost = None if out.cost is None else np.insert(out.cost, place, np.nan)
        self._report(GAPS_ZERO, count=len(source))


def _instant_text(at: int) -> str:
    return str(np.datetime64(at, "us"))[:16].replace("T", " ") + " UTC"


def _concatenated(parts: list[Part]) -> Part:
    """Return parts one after another; a part without folds or ends gets unknown ones."""
    folds = any(part.fold is not None for part in parts)
    ends = any(part.end is not None for part in parts)
    return Part(
        np.concatenate([p.row for p in parts]),
        np.concatenate([p.label for p in parts]),
        np.concatenate([p.value for p in parts]),
        parts[0].spec,
        parts[0].column,
        np.concatenate([np.full(len(p), -1, np.int8) if p.fold is None else p.fold for p in parts]) if folds else None,
        np.concatenate([np.full(len(p), NEVER) if p.end is None else p.end for p in parts]) if ends else None,
    )


def _order(series: Ints, start: Ints) -> Ints | None:
    """Return the order by series and start; None if the rows are in it."""
    if len(series) < 2:
        return None
    ahead = series[1:] > series[:-1]
    level = series[1:] == series[:-1]
    if (ahead | (level & (start[1:] >= start[:-1]))).all():
        return None
    return np.lexsort([start, series])


def _keep(out: Readings, which: Bools | Ints) -> None:
    out.row, out.series, out.start = out.row[which], out.series[which], out.start[which]
    out.end, out.value = out.end[which], out.value[which]
    out.cost = None if out.cost is None else out.cost[which]


def _sum_meters(out: Readings, meter: str) -> None:
    """Add up the readings of all meters, interval by interval."""
    keys = [(meter, *key[1:]) for key in out.keys]
    distinct = sorted(set(keys))
    out.series = np.array([distinct.index(key) for key in keys], dtype=np.int32)[out.series]
    out.keys = distinct
    _keep(out, np.lexsort([out.end, out.start, out.series]))
    again = (out.series[1:] == out.series[:-1]) & (out.start[1:] == out.start[:-1]) & (out.end[1:] == out.end[:-1])
    first = np.flatnonzero(np.concatenate([[True], ~again]))
    value = np.add.reduceat(out.value, first)
    cost = None if out.cost is None else np.add.reduceat(out.cost, first)
    _keep(out, first)
    out.value, out.cost = value, cost


def _split(out: Readings, mine: Bools) -> Ints:
    """Split net values by their sign: positive ones are delivered, negative ones received.

    Return the new order of the rows, where those that were split follow all others once more.
    """
    received = np.where(mine, np.where(np.isnan(out.value), np.nan, np.maximum(-out.value, 0)), np.nan)
    new = {}
    for key in np.unique(out.series[mine]).tolist():
        old = out.keys[key]
        new[key] = (len(out.keys), len(out.keys) + 1)
        out.keys += [(old[0], "delivered", *old[2:]), (old[0], "received", *old[2:])]
    series = out.series.copy()
    other = out.series.copy()
    for key, (first, second) in new.items():
        series[mine & (out.series == key)] = first
        other[out.series == key] = second
    out.row = np.concatenate([out.row, out.row[mine]])
    out.start = np.concatenate([out.start, out.start[mine]])
    out.end = np.concatenate([out.end, out.end[mine]])
    out.value = np.concatenate([np.where(mine, np.maximum(out.value, 0), out.value), received[mine]])
    out.series = np.concatenate([series, other[mine]])
    if out.cost is not None:
        out.cost = np.concatenate([out.cost, np.full(int(mine.sum()), np.nan)])
    used = sorted(set(out.series.tolist()), key=lambda k: out.keys[k])
    rank = {k: i for i, k in enumerate(used)}
    out.keys = [out.keys[k] for k in used]
    out.series = np.array([rank[k] for k in out.series.tolist()], dtype=np.int64)
    order = np.lexsort([out.start, out.series])
    for name in ("row", "series", "start", "end", "value"):
        setattr(out, name, getattr(out, name)[order])
    out.cost = None if out.cost is None else out.cost[order]
    return order


def _looks_like_register(out: Readings, mine: Bools) -> bool:
    """Return whether the values of each series never fall, rise, and are large compared with their differences."""
    # One decrease is proof enough, and the first rows mostly have one.
    first = np.flatnonzero(mine[:5_000] & ~np.isnan(out.value[:5_000]))
    if ((np.diff(out.value[first]) < 0) & (out.series[first][1:] == out.series[first][:-1])).any():
        return False
    rows = np.flatnonzero(mine & ~np.isnan(out.value))
    if len(rows) < 24:
        return False
    same = out.series[rows][1:] == out.series[rows][:-1]
    step = np.diff(out.value[rows])[same]
    if not len(step) or (step < 0).any() or not (step > 0).any():
        return False
    return bool(np.nanmin(out.value[rows]) > 10 * step.max())


def local_text(at: int, zone: str) -> str:
    """Return an instant as local time with its offset."""
    import pandas as pd

    return str(pd.Timestamp(at, unit="us", tz="UTC").tz_convert(zone))


__all__ = ["Engine", "Part", "Question", "Readings", "local_text", "minutes_of", "needed_columns"]
