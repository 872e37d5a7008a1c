"""The load of a fleet: sums and quantiles over the meters, at each time and for each class of meters.

A task takes one or more local days of all meters, so a sum is exact, and only small tables return to the driver. The
meters of a day are read range by range, which bounds the memory of a worker whatever the size of the fleet. Quantiles
come from a histogram with 64 bins for each power of two, so they are within 1% of the exact ones; powers below 0.06 W
count as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from greenkit import frame
from greenkit._days import breaks
from greenkit._intervals import HOUR
from greenkit._series import adds_up
from greenkit.analysis.roster import Roster
from greenkit.scale import _query, _resolve, _rows
from greenkit.scale._query import Where
from greenkit.times import to_times

QUANTILES: Final = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
COLUMNS: Final = ("class", "flow", "unit", "minutes", "start", "value", "power", "meters", *QUANTILES)
_LOWEST, _HIGHEST = np.array([2.0**-14, 2.0**21], dtype=np.float32)
"""Powers in kW at which bin 1 and the last bin begin: 0.06 W and 2 GW. Bin 0 is everything below."""
_SHIFT: Final = 17
"""Bits of a 32-bit float that a bin ignores. The exponent and 6 bits of the fraction remain."""
_FIRST: Final = int(_LOWEST.view(np.int32) >> _SHIFT) - 1
_BINS: Final = int(_HIGHEST.view(np.int32) >> _SHIFT) - _FIRST + 1
_FINEST: Final = HOUR // 60
_BLOCK: Final = 1024
"""Day rows that are added at a time: their values stay in the cache of a core."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bins = npt.NDArray[np.int32]


@dataclass
class _Sums:
    """Sums and the histogram of one class, flow, unit, and length of interval, over the times from ``first`` on."""

    first: int
    step: int
    value: Floats
    meters: Ints
    bins: Bins

    @classmethod
    def of(cls, first: int, step: int, n: int) -> _Sums:
        return cls(first, step, np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros((n, _BINS), dtype=np.int32))

    def reaching(self, first: int, end: int) -> _Sums:
        """Return sums that cover some more time."""
        low, high = min(first, self.first), max(end, self.first + len(self.value) * self.step)
        n = (high - low) // self.step
        if n == len(self.value):
            return self
        out = _Sums.of(low, self.step, n)
        at = (self.first - low) // self.step
        here = slice(at, at + len(self.value))
        out.value[here], out.meters[here], out.bins[here] = self.value, self.meters, self.bins
        return out

    def add(self, start: int, values: Floats, power: Floats) -> None:
        """Add ``values``, meters × times, that begin at ``start``."""
        at = (start - self.first) // self.step
        n = values.shape[1]
        bins = bins_of(power) + np.arange(n, dtype=np.int64) * _BINS
        valid = np.isfinite(values)
        if valid.all():
            self.value[at : at + n] += values.sum(axis=0)
            self.meters[at : at + n] += len(values)
        else:
            self.value[at : at + n] += np.where(valid, values, 0.0).sum(axis=0)
            self.meters[at : at + n] += valid.sum(axis=0)
            bins = bins[valid]
        self.bins[at : at + n] += np.bincount(bins.ravel(), minlength=n * _BINS).reshape(n, _BINS)


def bins_of(power: Floats) -> Bins:
    """Return the bin of each power.

    The bits of a positive float, read as a whole number, grow with it: sign, exponent, and fraction. Without the last
    17 bits of the fraction, this number is the bin, which takes a tenth of the time of a logarithm::

        power  bits of the 32-bit float            without 17 bits
        0.25   0 01111101 000000 00000000000000000  8000
        0.254  0 01111101 000001 00000110001001010  8001
        0.5    0 01111110 000000 00000000000000000  8064

    Examples
    --------
    >>> bins_of(np.array([0.0, -1.0, 2.0**-14, 0.25, 0.254, 0.5])).tolist()
    [0, 0, 1, 769, 770, 833]
    """
    with np.errstate(over="ignore"):
        bins = power.astype(np.float32).view(np.int32)
    bins >>= _SHIFT
    bins -= _FIRST
    return np.clip(bins, 0, _BINS - 1, out=bins)


def quantiles(bins: Bins) -> dict[str, Floats]:
    """Return the quantiles of each row of a histogram: the middle of the bin, NaN for a row without meters."""
    total = bins.sum(axis=1)
    reached = np.cumsum(bins, axis=1)
    edge = ((np.arange(1, _BINS + 1, dtype=np.int32) + _FIRST) << _SHIFT).view(np.float32).astype(np.float64)
    middle = np.append(0.0, (edge[1:] + edge[:-1]) / 2)
    out = {}
    for name, share in QUANTILES.items():
        # the first bin at which at least this share of the meters is reached
        place = (reached < np.maximum(share * total, 1e-9)[:, None]).sum(axis=1)
        out[name] = np.where(total > 0, middle[np.minimum(place, _BINS - 1)], np.nan)
    return out


def profile(task: Where, folder: str, version: int, ranges: list[Where], classes: Roster | None) -> pd.DataFrame:
    """Return the load of the fleet over the days of one task.

    Parameters
    ----------
    task : Where
        Local days.
    folder, version
        The dataset.
    ranges : list of Where
        Ranges of meters, read one after the other.
    classes : Roster, optional
        Meters with their class, the only attribute, which may change on a date. A meter without one has the class
        "none". Default: one class, "all".

    Returns
    -------
    DataFrame
        ``class``, ``flow``, ``unit``, ``minutes``, ``start`` (UTC), ``value`` (sum), ``power`` (sum of mean powers),
        ``meters`` (with a value), and p10, p50, p90 of the power over the meters.
    """
    table = _query.at_version(folder, version)
    sums: dict[tuple[str, str, str, int], _Sums] = {}
    for one in ranges:
        which = Where(one.meters, one.low, one.high, task.start, task.end)
        rows = _resolve.resolve_repeated(_query.raw(table, which, _resolve.NEEDED))
        mixed = with_several_series(rows)
        if mixed:
            rows = rows.filter(pc.invert(pc.is_in(rows["meter"], pa.array(mixed))))
            _add(sums, physical(_query.read(table, replace(which, meters=tuple(mixed)))), classes)
        _add(sums, rows, classes)
    return _table(sums)


def with_several_series(rows: pa.Table) -> list[str]:
    """Return the meters that have a flow in one unit as several series, such as hourly and daily readings."""
    flow, unit, series = (_rows.rank(rows[name]) for name in ("flow", "unit", "series"))
    if len(_distinct(flow, unit)) == len(_distinct(flow, unit, series)):
        return []  # so no meter can have any
    meter, meters = _rows.ranks(rows["meter"])
    flows = _distinct(meter, flow, unit, series)
    several = flows.duplicated(list(flows)[:-1])
    return sorted({meters[i] for i in flows.loc[several, 0]})


def _distinct(*columns: Ints) -> pd.DataFrame:
    """Return the distinct rows of some columns, which are named by their numbers."""
    each = breaks(*columns)  # one row of each, or some more
    return pd.DataFrame({i: column[each] for i, column in enumerate(columns)}).drop_duplicates()


def physical(rows: pa.Table) -> pa.Table:
    """Return day rows in which each physical flow of a meter is one series: see :func:`greenkit.frame.physical`."""
    # meter by meter, because relations between meters would depend on how the meters are divided
    made = []
    for meter in pc.unique(rows["meter"]).to_pylist():
        df = _rows.to_frame(rows.filter(pc.equal(rows["meter"], meter)))
        made.append(_rows.from_frame(frame.tidy(frame.physical(df))))
    return pa.concat_tables(made)


def _add(sums: dict[tuple[str, str, str, int], _Sums], rows: pa.Table, classes: Roster | None) -> None:
    """Add day rows. Rows with equal start, step, and length are added as one matrix, meters × times.

    Almost all meters of a day have the same start and length, so a day of a fleet is a few matrices.
    """
    count = _rows.counts(rows)
    flat = _rows.flat_values(rows)
    first = np.cumsum(count) - count
    start, step = _rows.numbers(rows["start"]), _rows.numbers(rows["step"])
    flow, flows = _rows.ranks(rows["flow"])
    unit, units = _rows.ranks(rows["unit"])
    group, words = np.zeros(len(count), dtype=np.int64), ["all"]
    if classes is not None:
        meter, meters = _rows.ranks(rows["meter"])
        of_row, words = _rows.ranks(pa.array([*(v or "none" for v in classes.details.iloc[:, 0]), "none"], pa.string()))
        # the last word is that of row −1
        group = of_row[classes.row(classes.number(meters)[meter], _rows.numbers(rows["day"]))]
    usable = (step >= _FINEST) & (count > 0)
    if not usable.any():
        return
    keys = np.stack([group, flow, unit, step, start, count])[:, usable]
    order = np.lexsort(keys[::-1])
    keys, rows_of = keys[:, order], np.flatnonzero(usable)[order]
    edge = breaks(*keys)
    for a, b in zip(edge, np.append(edge[1:], keys.shape[1]), strict=True):
        g, f, u, length, begin, n = (int(x) for x in keys[:, a])
        # intervals that do not begin at a multiple of their length, such as days, are counted from their own start
        key = (words[g], flows[f], units[u], length)
        held = sums.get(key)
        if held is None or (begin - held.first) % length:
            key = key if held is None else (*key[:3], length + begin % length)
            held = sums.get(key) or _Sums.of(begin, length, n)
        sums[key] = held = held.reaching(begin, begin + n * length)
        at = np.lib.stride_tricks.sliding_window_view(flat, n)  # the n values from each position on
        for c in range(a, b, _BLOCK):
            values = at[first[rows_of[c : min(c + _BLOCK, b)]]]
            held.add(begin, values, values / (length / HOUR) if adds_up(units[u]) else values)


def _table(sums: Mapping[tuple[str, str, str, int], _Sums]) -> pd.DataFrame:
    parts = []
    for (name, flow, unit, _), held in sums.items():
        used = held.meters > 0
        hours = held.step / HOUR
        parts.append(
            pd.DataFrame(
                {
                    "class": name,
                    "flow": flow,
                    "unit": unit,
                    "minutes": hours * 60,
                    "start": to_times(held.first + np.arange(len(held.value)) * held.step),
                    "value": held.value,
                    "power": held.value / hours if adds_up(unit) else held.value,
                    "meters": held.meters,
                    **quantiles(held.bins),
                }
            )[used]
        )
    return joined(parts)


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the tables of tasks, sorted by class, flow, unit, length, and start.

    Days of several zones overlap, so two tasks can have the same time; their sums are added, and the quantiles are
    those of the task with more meters.
    """
    filled = [p for p in parts if len(p)]
    if not filled:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in COLUMNS})
    table = pd.concat(filled, ignore_index=True)
    key = ["class", "flow", "unit", "minutes", "start"]
    if table.duplicated(key).any():
        best = table.sort_values([*key, "meters"]).drop_duplicates(key, keep="last").set_index(key)
        added = table.groupby(key, observed=True)[["value", "power", "meters"]].sum()
        table = added.join(best[list(QUANTILES)]).reset_index()
    return table.sort_values(key, ignore_index=True)[list(COLUMNS)]


def by_period(table: pd.DataFrame, period: str, zone: str) -> pd.DataFrame:
    """Add up a profile to hours or local days: energy is added, power and quantiles are means over the time.

    ``meters`` is the largest number of meters in the period.
    """
    local = pd.DatetimeIndex(table["start"]).tz_convert(zone)
    if period == "day":
        start = local.tz_localize(None).normalize().tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    else:
        start = local.tz_convert("UTC").floor("h").tz_convert(zone)
    length = 1440.0 if period == "day" else 60.0
    hours = table["minutes"] / 60
    each = table.assign(start=start, minutes=np.maximum(table["minutes"], length))
    for name in ("power", *QUANTILES):
        each[name] = table[name] * hours
    sums = np.array([adds_up(u) for u in table["unit"]], dtype=bool)
    each["value"] = np.where(sums, table["value"], table["value"] * hours)
    each["hours"] = hours
    key = ["class", "flow", "unit", "minutes", "start"]
    rules = dict.fromkeys(("value", "power", *QUANTILES, "hours"), "sum") | {"meters": "max"}
    out = each.groupby(key, observed=True, sort=True).agg(rules).reset_index()
    for name in ("power", *QUANTILES):
        out[name] /= out["hours"]
    states = ~np.array([adds_up(u) for u in out["unit"]], dtype=bool)
    out["value"] = np.where(states, out["power"], out["value"])
    return out[list(COLUMNS)]
