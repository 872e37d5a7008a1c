"""Meters as billing needs them: delivered and received energy, each interval once.

A frame is read series by series as slices of its own columns, so a frame of many meters is never copied. A slice whose
starts do not rise is put in order and freed of duplicates by :mod:`greenkit.analysis.intervals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame, times
from greenkit.analysis import intervals
from greenkit.findings import Findings, Kind
from greenkit.tariffs._model import PlanError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
HOUR: Final = 3600 * times.US
MINUTE: Final = 60 * times.US

FLOW_UNKNOWN: Final = Kind(
    "tariff.flow.unknown",
    "info",
    "Meter {meter} has the flow {flow}. greenkit priced it as delivered energy.",
)
FLOW_NET: Final = Kind(
    "tariff.flow.net-only",
    "warning",
    "Meter {meter} has only a net series. greenkit priced its positive intervals as import and its negative ones as "
    "export, so energy that was netted within an interval is not in the bill.",
    "Load the delivered and received registers if the utility provides them.",
)
SEVERAL: Final = Kind(
    "tariff.series.several",
    "info",
    "Meter {meter} has {count} series of {flow} energy. greenkit priced one physical flow: it added parts and used "
    "the finest of the alternatives.",
    "See frame.relations(df) for the decision on each series.",
)
TWICE: Final = Kind(
    "tariff.interval.duplicate",
    "info",
    "greenkit left out {count:duplicate interval} of meter {meter} and kept the newest revision.",
)
OVERLAP: Final = Kind(
    "tariff.interval.overlap",
    "warning",
    "{count:interval} of meter {meter} {count:overlaps|overlap} the previous one, so energy may be billed twice.",
    "Check the data with df.gk.quality().",
)

_IMPORT_UNITS: Final = {"kWh": "kvarh"}


@dataclass(frozen=True, eq=False)
class Channel:
    """One register of a meter; arrays of one length, sorted by start, each interval once.

    ``start`` and ``end`` are microseconds since 1970 UTC; ``value`` is in the plan's unit, NaN where there is none.
    """

    start: Ints
    end: Ints
    value: Floats
    estimated: Bools | None = None

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def length(self) -> int:
        """The most frequent interval length in microseconds; 0 without intervals."""
        if not len(self):
            return 0
        spans = self.end - self.start
        if (spans == spans[0]).all():
            return int(spans[0])
        found, counts = np.unique(spans[spans > 0], return_counts=True)
        return int(found[counts.argmax()]) if len(found) else 0

    @cached_property
    def valid(self) -> Bools:
        """Whether each interval has a value."""
        return np.isfinite(self.value)

    @cached_property
    def complete(self) -> bool:
        """Whether every interval has a value."""
        return bool(self.valid.all())

    def same_times(self, other: Channel) -> bool:
        """Return whether two channels have the same intervals."""
        return (
            len(self) == len(other)
            and (self.start is other.start or np.array_equal(self.start, other.start))
            and (self.end is other.end or np.array_equal(self.end, other.end))
        )


@dataclass(frozen=True, eq=False)
class Meter:
    """The meter of a bill, with its channels."""

    name: str
    zone: str
    delivered: Channel
    received: Channel | None = None
    reactive: Channel | None = None
    signed: bool = False
    findings: Findings = field(default_factory=Findings)


def meters(
    df: pd.DataFrame, plan_unit: str, *, power_as_energy: bool = False, aggregate: bool = False
) -> Iterator[Meter]:
    """Yield the meters of a frame that have energy in the unit of a plan.

    Parameters
    ----------
    df : DataFrame
        A tidy frame, already checked.
    plan_unit : str
        ``"kWh"``, or the unit of a gas or water plan.
    power_as_energy : bool
        Also use series in kW, as mean power times hours.
    aggregate : bool
        Add all meters up and bill them as one.

    Raises
    ------
    PlanError
        If no series has the unit, one flow of a meter has several series that cannot be distinguished, or delivered
        energy is negative.
    """
    units = {plan_unit, *(("kW",) if power_as_energy and plan_unit == "kWh" else ())}
    reactive = _IMPORT_UNITS.get(plan_unit, "")
    df = frame.latest(df) if "revision" in df.columns else df
    runs = _runs(df)
    several = _several(runs[runs["unit"].isin([*units, reactive])]) if len(runs) else {}
    if several:
        df = frame.physical(df)
        runs = _runs(df)
    if len(runs) and runs.duplicated(["meter", "flow", "series", "unit", "zone"]).any():
        df = frame.sort(df)
        runs = _runs(df)
    wanted = runs["unit"].isin([*units, reactive]) if len(runs) else runs
    if not len(runs) or not runs["unit"].isin(units).any():
        held = ", ".join(sorted({str(u) for u in runs["unit"]})) if len(runs) else "no intervals"
        more = " Pass power_as_energy=True to price mean power as energy." if "kW" in held.split(", ") else ""
        raise PlanError(
            f"The plan is priced in {plan_unit}, but the frame has {held}",
            next_step=f"Choose a plan or data with the same unit.{more}",
        )
    columns = _Columns(df)
    found = (
        _meter(columns, str(name), rows, units, reactive, several) for name, rows in _by_meter(runs[wanted]).items()
    )
    kept = (m for m in found if m is not None)
    if aggregate:
        yield _together(list(kept))
    else:
        yield from kept


class _Run(NamedTuple):
    """Rows of one series: what it is, and its first and last row."""

    meter: str
    flow: str
    series: str
    unit: str
    zone: str
    low: int
    high: int


def _by_meter(runs: pd.DataFrame) -> dict[str, list[_Run]]:
    made: dict[str, list[_Run]] = {}
    for row in runs.itertuples(index=False, name=None):
        made.setdefault(str(row[0]), []).append(_Run(*row))
    return made


def _several(runs: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the meters and flows that have more than one series, and how many."""
    count = runs.drop_duplicates(["meter", "flow", "unit", "series"]).groupby(["meter", "flow", "unit"]).size()
    rows = count[count > 1].reset_index(name="count")
    return {(str(m), str(f)): int(n) for m, f, n in zip(rows["meter"], rows["flow"], rows["count"], strict=True)}


def _runs(df: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of rows with one meter, flow, series, unit, and zone, with their first and last row."""
    names = ["meter", "flow", "series", "unit", "zone"]
    n = len(df)
    if not n:
        return pd.DataFrame({k: [] for k in [*names, "low", "high"]})
    new = np.zeros(n, dtype=bool)
    new[0] = True
    columns = {}
    for name in names:
        column = df[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            if len(column.cat.categories) > 1:
                new[1:] |= codes[1:] != codes[:-1]
        else:
            codes = pd.factorize(column)[0]
            new[1:] |= codes[1:] != codes[:-1]
        columns[name] = column
    low = np.flatnonzero(new)
    made = pd.DataFrame({k: columns[k].iloc[low].astype("str").to_numpy() for k in names})
    return made.assign(low=low, high=np.append(low[1:], n))


def weighted(where: Ints, weights: Floats, size: int) -> Floats:
    """Return the sum of the weights in each of so many cells."""
    return np.asarray(np.bincount(where, weights, size), dtype=np.float64)


class _Columns:
    """The columns of a frame as arrays, without a copy where pandas allows it."""

    def __init__(self, df: pd.DataFrame) -> None:
        self.df = df
        self.start = times.to_instants(df["start"])
        self.end = times.to_instants(df["end"])
        self.value = df["value"].to_numpy(dtype=np.float64)
        quality = df["quality"]
        if isinstance(quality.dtype, pd.CategoricalDtype):
            guess = [i for i, q in enumerate(quality.cat.categories) if q in intervals.ESTIMATED]
            codes = quality.cat.codes.to_numpy()
            self.estimated = np.isin(codes, guess) if guess else None
        else:
            self.estimated = quality.isin(intervals.ESTIMATED).to_numpy(dtype=bool)

    def channel(self, low: int, high: int, unit: str, meter: str, notes: Findings) -> Channel:
        """Return a slice as a channel, in order and without duplicates."""
        part = slice(low, high)
        start, end, value = self.start[part], self.end[part], self.value[part]
        guess = self.estimated[part] if self.estimated is not None else None
        if len(start) > 1 and not (start[1:] > start[:-1]).all():
            found = intervals.from_frame(self.df.iloc[part])
            kept = intervals.deduplicate(found, self.df.iloc[part])
            if len(kept) < len(found):
                notes.add(TWICE, count=len(found) - len(kept), words={"meter": meter}, meter=meter)
            start, end, value = kept.start, kept.end, kept.value
            guess = kept.estimated if self.estimated is not None else None
        if len(start) > 1 and (start[1:] < end[:-1]).any():
            overlap = int((start[1:] < np.maximum.accumulate(end)[:-1]).sum())
            if overlap:
                notes.add(OVERLAP, count=overlap, words={"meter": meter}, meter=meter)
        if unit == "kW":
            value = value * ((end - start) / HOUR)
        return Channel(start, end, value, guess)


def _meter(
    columns: _Columns,
    name: str,
    rows: list[_Run],
    units: set[str],
    reactive: str,
    several: dict[tuple[str, str], int],
) -> Meter | None:
    notes = Findings()
    for (meter, flow), count in several.items():
        if meter == name:
            notes.add(SEVERAL, count=count, words={"meter": name}, meter=name, flow=flow)
    zones = list(dict.fromkeys(r.zone for r in rows))
    if len(zones) > 1:
        raise PlanError(
            f"Meter {name} has {len(zones)} time zones: {', '.join(zones)}", next_step="Filter the frame to one zone."
        )
    energy = [r for r in rows if r.unit in units]

    def channel(flow: str, of: list[_Run]) -> Channel | None:
        mine = [r for r in of if r.flow == flow]
        if not mine:
            return None
        made = [columns.channel(r.low, r.high, r.unit, name, notes) for r in mine]
        if len(made) > 1:
            listed = ", ".join(r.series for r in mine)
            raise PlanError(
                f"Meter {name} has several {flow} series ({listed}), and a bill needs one",
                next_step="Filter the frame to the series that is billed, such as df[df['series'] == …].",
            )
        return made[0]

    delivered, received = channel("delivered", energy), channel("received", energy)
    kvar = channel("delivered", [r for r in rows if r.unit == reactive]) if reactive else None
    if delivered is not None:
        _check_sign(delivered, name, str(zones[0]), "delivered")
    if delivered is None and (net := channel("net", energy)) is not None:
        notes.add(FLOW_NET, words={"meter": name}, meter=name)
        plus, minus = np.clip(net.value, 0, None), np.clip(-net.value, 0, None)
        return Meter(
            name,
            str(zones[0]),
            Channel(net.start, net.end, plus, net.estimated),
            Channel(net.start, net.end, minus, net.estimated),
            kvar,
            signed=True,
            findings=notes,
        )
    if delivered is None:
        other = next((f for f in ("unknown", "total") if any(r.flow == f for r in energy)), None)
        if other is None and received is None:
            return None
        if other:
            delivered = channel(other, energy)
            assert delivered is not None  # noqa: S101 the flow was found above
            _check_sign(delivered, name, str(zones[0]), other)
            notes.add(FLOW_UNKNOWN, words={"meter": name, "flow": other}, meter=name)
        else:
            assert received is not None  # noqa: S101 one of both is there
            delivered = Channel(received.start, received.end, np.zeros(len(received)), received.estimated)
    if received is not None:
        _check_sign(received, name, str(zones[0]), "received")
    return Meter(name, str(zones[0]), delivered, received, kvar, findings=notes)


def _check_sign(channel: Channel, meter: str, zone: str, flow: str) -> None:
    with np.errstate(invalid="ignore"):
        bad = channel.value < 0
    if bad.any():
        at = times.to_times(channel.start[bad][:1], zone)[0]
        raise PlanError(
            f"Meter {meter} has {int(bad.sum()):,} negative {flow} values, first at {at:%Y-%m-%d %H:%M %z}",
            next_step="If the series is the net of both directions, set its flow to net; else correct the values.",
        )


def _together(found: Sequence[Meter]) -> Meter:
    """Add meters up: every start of any of them, with a value where all that are in time have one."""
    if len({m.zone for m in found}) > 1:
        raise PlanError("The meters are in several time zones", next_step="Aggregate the meters of one zone.")
    notes = Findings(f for m in found for f in m.findings)
    delivered = _sum([m.delivered for m in found])
    received = [m.received for m in found if m.received is not None]
    reactive = [m.reactive for m in found if m.reactive is not None]
    return Meter(
        f"{len(found)} meters",
        found[0].zone,
        delivered,
        _sum(received) if received else None,
        _sum(reactive) if len(reactive) == len(found) else None,
        findings=notes,
    )


def _sum(channels: Sequence[Channel]) -> Channel:
    if len({c.length for c in channels}) > 1:
        raise PlanError(
            "The meters have different interval lengths", next_step="Aggregate meters of one interval length."
        )
    start = np.concatenate([c.start for c in channels])
    end = np.concatenate([c.end for c in channels])
    value = np.concatenate([c.value for c in channels])
    guess = np.concatenate([c.estimated if c.estimated is not None else np.zeros(len(c), bool) for c in channels])
    distinct, where = np.unique(start, return_inverse=True)
    total = np.bincount(where, np.nan_to_num(value), len(distinct))
    # one meter without a value makes the sum unknown; a meter that has ended does not
    lacking = np.bincount(where, ~np.isfinite(value), len(distinct)) > 0
    ends = np.zeros(len(distinct), dtype=np.int64)
    ends[where] = end
    some = np.bincount(where, guess, len(distinct)) > 0
    return Channel(distinct, ends, np.where(lacking, np.nan, total), some)
