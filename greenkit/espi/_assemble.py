"""Columns and series to the tidy frame: scale, quality, categories, order."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit.days import US, times
from greenkit.espi import _quirks, _rows
from greenkit.espi._codes import MONEY, QUALITY, Codes
from greenkit.espi._feed import Feed
from greenkit.espi._readings import LAST, NO_CODE
from greenkit.espi._rows import Bools, Ints, Numbers, Rows, all_by_series
from greenkit.espi._series import Plan, Series
from greenkit.findings import Count
from greenkit.frame import ADDITIVE

EXTRAS: Final = (
    *("quality_code", "cost", "currency", "tou", "cpp", "tier"),
    *("commodity", "kind", "reading_type", "source"),
)


def assemble(feed: Feed, plan: Plan, *, epoch: str, tz: str | None) -> tuple[Rows, Rows]:
    """Give the interval readings and the register reads, mended and in the order of their frames."""
    rows = Rows.of(feed, plan)
    _rows.drop_repeated_blocks(rows)
    _rows.lay_out(rows)
    _rows.mend_seconds(rows)
    if epoch == "utc":
        _quirks.smt_day_blocks(rows, tz)
    _rows.apply_epoch(rows, epoch, tz)
    dial = _dials(rows)
    registers = rows.taken(dial)
    if len(registers):
        rows.keep(~dial)
    _sort(rows)
    _sort(registers)
    _report_overlaps(rows)
    return rows, registers


def _dials(rows: Rows) -> Bools:
    """Tell which rows are register reads: those of a dial, which must never be summed with usage."""
    apart = np.zeros(len(rows), dtype=bool)
    for number, here in rows.by_series():
        apart[here] = _is_dial(rows, here, rows.plan.series[number])
    if n := Count(apart.sum()):
        text = f"{n:register read} (of a dial) {n:stands|stand} in .registers of open_espi, apart from usage"
        text += ": no other readings are there." if apart.all() else "."
        severity = "warning" if apart.all() else "info"
        rows.feed.findings.add("espi.register.apart", text, severity=severity, count=n)
    return apart


def _is_dial(rows: Rows, here: Ints, series: Series) -> bool:
    if series.dial is False:
        return False
    order = np.argsort(rows.columns["start"][here], kind="stable")
    value, spans = rows.columns["value"][here][order], rows.columns["duration"][here]
    steps = np.diff(value[~np.isnan(value)])
    if series.dial and (spans > 0).all() and (steps < 0).any():
        text = f"Series {series.name} is said to be a dial, but its values fall and have durations: taken as usage."
        rows.feed.findings.add(
            "espi.register.not-a-dial", text, severity="warning", series=series.name, count=len(value)
        )
        return False
    grows = len(steps) > 0 and (steps >= 0).all() and (steps > 0).any()
    if series.dial is None and grows and not spans.any() and series.unit.name in frame.ADDITIVE:
        text = f"Series {series.name} holds instants of a value that only grows: taken as a dial, not as usage."
        rows.feed.findings.add("espi.register.assumed", text, severity="warning", series=series.name, count=len(value))
        return True
    return bool(series.dial)


def _sort(rows: Rows) -> None:
    """Sort by meter, flow, series, start; of equal starts the newest ``updated`` comes last."""
    if not len(rows):
        return
    keys = sorted({s.frame_key for s in rows.plan.series})
    place = {key: n for n, key in enumerate(keys)}
    ranks = np.array([place[s.frame_key] for s in rows.plan.series], dtype=np.int32)
    rank, start = ranks[rows.series], rows.columns["start"]
    ahead = (rank[1:] > rank[:-1]) | ((rank[1:] == rank[:-1]) & (start[1:] > start[:-1]))
    if ahead.all():
        return
    updated = np.array([_updated(rows.feed, b.entry) for b in rows.feed.readings.blocks], dtype=np.int64)[rows.block]
    rows.keep(np.lexsort((updated, start, rank)))
    _drop_repeated_readings(rows, ranks[rows.series])
    _report_ties(rows, ranks[rows.series])


def _updated(feed: Feed, entry: int) -> int:
    text = feed.entries[entry].updated if entry >= 0 else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _drop_repeated_readings(rows: Rows, rank: Numbers) -> None:
    """Leave out readings that stand in another file too, the same in every member (overlapping exports)."""
    if len(rows.feed.documents) < 2:
        return
    start = rows.columns["start"]
    tie = (rank[1:] == rank[:-1]) & (start[1:] == start[:-1])
    near = np.flatnonzero(np.append(tie, False) | np.append(False, tie))  # no others can be the same
    document = np.array([rows.feed.entries[b.entry].document for b in rows.feed.readings.blocks])[rows.block[near]]
    table = pd.DataFrame({name: column[near] for name, column in rows.columns.items()} | {"series": rows.series[near]})
    # within one file nothing is thinned: two equal readings of one start stay, and are reported
    dropped = (table.duplicated() & ~table.assign(document=document).duplicated()).to_numpy()
    if n := Count(dropped.sum()):
        text = f"{n:reading} {n:stands|stand} in more than one file, unchanged: counted once."
        rows.feed.findings.add("espi.reading.in-two-files", text, severity="warning", count=n)
        rows.keep(np.delete(np.arange(len(rows)), near[dropped]))


def _report_ties(rows: Rows, rank: Numbers) -> None:
    start, value = rows.columns["start"], rows.columns["value"]
    tie = (rank[1:] == rank[:-1]) & (start[1:] == start[:-1]) & (rows.series[1:] == rows.series[:-1])
    flat = all_by_series(rows, np.concatenate(([True], tie | (rows.series[1:] != rows.series[:-1]))))
    many = np.bincount(rows.series)[rows.series] >= _rows.SAME_START
    tie &= ~(flat & many)[1:]  # a series whose readings all have one start has its own finding
    differ = tie & (value[1:] != value[:-1])
    for name, hits, what in (
        ("espi.reading.conflicting", differ, "the start of another but not its value: all are kept, newest last"),
        ("espi.reading.repeated", tie & ~differ, "the start and the value of another: all are kept"),
    ):
        if n := Count(hits.sum()):
            at = times(start[1:][hits][:1])[0].isoformat()
            text = f"{n:reading} {n:has|have} {what}; first at {at}."
            rows.feed.findings.add(name, text, severity="warning", count=n, first=at)


def _report_overlaps(rows: Rows) -> None:
    start, series = rows.columns["start"], rows.series
    end = start + rows.columns["duration"]
    over = (series[1:] == series[:-1]) & (end[:-1] > start[1:]) & (start[1:] > start[:-1])
    if n := Count(over.sum()):
        at = times(start[1:][over][:1])[0].isoformat()
        text = (
            f"{n:reading} {n:begins|begin} before the one before has ended, so that time counts twice; first at {at}."
        )
        # a gas day of always 24 hours does so once a year
        severity = "warning" if n * 100 > len(rows) else "info"
        rows.feed.findings.add("espi.reading.overlapping", text, severity=severity, count=n, first=at)


def built(rows: Rows, codes: Codes) -> pd.DataFrame:
    """Build the frame, in the very memory of the columns, which are no longer what they were."""
    series, feed = rows.plan.series, rows.feed
    if not len(rows):
        known = {s.zone for s in series}
        return frame.empty(EXTRAS, known.pop() if len(known) == 1 else "UTC")
    used = [series[n] for n in np.unique(rows.series)]
    zones = {s.zone for s in used}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    if zone == "UTC" and len({s.zone for s in used}) > 1:
        names = sorted({s.zone for s in used})
        feed.findings.add(
            "frame.zones.mixed", f"The feed holds {len(names)} zones, so its times are in UTC.", zones=names
        )
    value, cost = _scaled(rows), rows.columns["cost"]
    cost /= 10.0**-MONEY
    units_not_said(rows, used)
    units_titled_otherwise(rows, used)
    unlikely_prices(rows, value, cost)
    negative_flows(rows, value)
    decimals_of_watts(rows, value)
    same_series(rows, value)
    quality, quality_code = _quality(rows, value, codes)
    sources = [feed.documents[feed.entries[b.entry].document].name for b in feed.readings.blocks]
    end = np.add(rows.columns["start"], rows.columns["duration"], out=rows.columns["duration"])
    data: dict[str, Any] = {
        "meter": _by(rows, [s.meter for s in series]),
        "series": _by(rows, [s.name for s in series]),
        "flow": _by(rows, [s.flow for s in series]),
        "start": times(rows.columns["start"], zone),
        "end": times(np.minimum(end, LAST, out=end), zone),
        "value": value,
        "unit": _by(rows, [s.unit.name for s in series]),
        "zone": _by(rows, [s.zone for s in series]),
        "quality": quality,
        "quality_code": quality_code,
        "cost": cost,
        "currency": _by(rows, [s.currency for s in series]),
        "tou": _code(rows, "tou"),
        "cpp": _code(rows, "cpp"),
        "tier": _code(rows, "tier"),
        "commodity": _by(rows, [s.commodity for s in series]),
        "kind": _by(rows, [s.kind for s in series]),
        "reading_type": _by(rows, [s.reading_type for s in series]),
        "source": _categorical(rows.block, sources),
    }
    return pd.DataFrame(data, copy=False)  # nobody else has the columns


def _scaled(rows: Rows) -> npt.NDArray[np.float64]:
    """Scale it in place by 10^(multiplier − kilo); a negative power divides: decimals come out as they are written."""
    value = rows.columns["value"]
    power = np.array([s.power - s.unit.kilo for s in rows.plan.series], dtype=np.int64)
    for exponent in np.unique(power[np.unique(rows.series)]):
        if exponent:
            here = (power == exponent)[rows.series]
            factor = 10.0 ** abs(int(exponent))
            (np.divide if exponent < 0 else np.multiply)(value, factor, out=value, where=here)
    return value


def _quality(rows: Rows, value: npt.NDArray[np.float64], codes: Codes) -> tuple[pd.Categorical, pd.Categorical]:
    """Give the quality of each reading: its own, else its type's default, else actual; missing without a value."""
    texts = list(rows.feed.readings.quality_texts)
    defaults = [
        texts.index(s.default_quality) if s.default_quality in texts else _append(texts, s.default_quality)
        for s in rows.plan.series
    ]
    own = rows.columns["quality"]
    code = np.where(own >= 0, own, np.array(defaults, dtype=np.int32)[rows.series])
    words = [_quality_word(text, codes) for text in texts]
    missing = np.isnan(value)
    if n := Count(missing.sum()):
        text = f"{n:reading} {n:has|have} no value: NaN, with quality missing."
        rows.feed.findings.add("espi.value.missing", text, severity="warning", count=n)
    # -1 (no code) is the last of each list
    word = np.where(missing, np.int32(len(words)), code)
    return _categorical(word, [*words, "missing", "actual"]), _categorical(code, [*texts, None])


def _append(texts: list[str], text: str | None) -> int:
    if text is None:
        return -1
    texts.append(text)
    return len(texts) - 1


def _quality_word(text: str, codes: Codes) -> str:
    """Give the word of the most doubtful of a reading's qualities (``0+8`` is estimated)."""
    if text in _quirks.DUKE_QUALITIES:
        return _quirks.DUKE_QUALITIES[text]
    words = [codes.word(QUALITY, "quality", part) or "actual" for part in text.split("+")]
    return next((word for word in words if word != "actual"), "actual")


def _code(rows: Rows, name: str) -> pd.arrays.IntegerArray:
    own = rows.columns[name]
    default = np.array([getattr(s, name) for s in rows.plan.series], dtype=np.int16)
    code = np.where(own == NO_CODE, default[rows.series], own)
    return pd.arrays.IntegerArray(code, code == NO_CODE)


def _by(rows: Rows, labels: list[str | None] | list[str]) -> pd.Categorical:
    return _categorical(rows.series, labels)


def _categorical(number: Numbers, labels: list[Any]) -> pd.Categorical:
    """Make a category of the labels that the numbers name; only those observed, in alphabetical order."""
    observed = np.zeros(len(labels), dtype=bool)
    observed[number] = True
    names = sorted({label for label, seen in zip(labels, observed, strict=True) if seen and label is not None})
    place = {name: n for n, name in enumerate(names)}
    codes = np.array([place.get(label, -1) for label in labels], dtype=np.min_scalar_type(-max(len(names), 1)))
    return pd.Categorical.from_codes(codes[number], dtype=_dtype(tuple(names)), validate=False)


@functools.lru_cache(maxsize=32)
def _dtype(names: tuple[str, ...]) -> pd.CategoricalDtype:
    """Give the dtype of a category, which costs more to make than a small file's codes; most feeds have the same."""
    return pd.CategoricalDtype(pd.Index(names, dtype="str" if names else object))


Floats = npt.NDArray[np.float64]

# What a unit may cost in any currency from a dollar to a yen: far outside of every tariff, and near enough to tell a
# multiplier of the wrong sign, or one too many.
PRICES: Final = {"kWh": (0.003, 1000.0), "therm": (0.03, 10_000.0), "m3": (0.01, 4000.0)}
# These currencies buy more than a thirtieth of the bound.
_STRONG: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "USD"})
_ENOUGH: Final = 24  # readings that no two meters have alike by chance
_IDLE: Final = 20.0  # watts: less than what a home draws while nobody is in it
# What a title calls hundreds and thousands of cubic feet → the power of ten that cubic feet then have.
_CUBIC_FEET: Final = {"CCF": 2, "MCF": 3}


def unlikely_prices(rows: Rows, value: Floats, cost: Floats) -> None:
    """Say which series cost too little or too much for what they hold: value or cost are in another scale.

    Some utilities give a powerOfTenMultiplier of 3 to readings that are in Wh already, or 5 where they mean -5.
    """
    paid = (cost > 0) & (value > 0)
    series = rows.series[paid]
    money, used = np.bincount(series, cost[paid]), np.bincount(series, value[paid])
    for number, count in enumerate(np.bincount(series).tolist()):
        of = rows.plan.series[number]
        if not count or of.unit.name not in PRICES:
            continue
        low, high = PRICES[of.unit.name]
        price = float(money[number] / used[number])
        high = high / 30 if of.currency in _STRONG else high
        if not low <= price <= high:
            text = (
                f"Series {of.name} costs {price:.2g} {of.currency or 'of its currency'} a {of.unit.name}, "
                f"which no tariff does: compare a bill, since its powerOfTenMultiplier ({of.power}) or its cost "
                "is in another scale than it says; both are as the feed has them."
            )
            evidence = {"series": of.name, "price": price, "multiplier": of.power, "count": count}
            rows.feed.findings.add("espi.value.unlikely-price", text, severity="serious", **evidence)


def negative_flows(rows: Rows, value: Floats) -> None:
    """Say which series flow one way by their type, and hold values that flow the other.

    Some utilities net what was received from what was delivered, and still say delivered; others give what was
    received as negative numbers, which a difference of the two would then add.
    """
    negative = np.bincount(rows.series[value < 0], minlength=len(rows.plan.series))
    every = np.bincount(rows.series, minlength=len(rows.plan.series))
    for number in np.flatnonzero(negative):
        of, n = rows.plan.series[number], Count(negative[number])
        if of.flow in ("delivered", "received") and of.unit.name in ADDITIVE:
            text = (
                f"Series {of.name} is {of.flow} by its type, but {n:value} of {every[number]:,} {n:is|are} negative: "
                "it may hold the net of both ways; sums take them as they are."
            )
            rows.feed.findings.add(
                "espi.value.negative", text, severity="warning", series=of.name, flow=of.flow, count=n
            )


def same_series(rows: Rows, value: Floats) -> None:
    """Say which series hold the same readings, one for one, so that a sum over them counts each several times.

    LG&E's downloads carry one service under every meter that it has had.
    """
    count, total = np.bincount(rows.series), np.bincount(rows.series, np.nan_to_num(value))
    alike: dict[tuple[object, ...], list[int]] = {}
    for number in np.flatnonzero((count >= _ENOUGH) & (total != 0)).tolist():
        of = rows.plan.series[number]
        alike.setdefault((of.unit.name, of.flow, count[number], total[number]), []).append(number)
    several = [numbers for numbers in alike.values() if len(numbers) > 1]
    places = dict(rows.by_series()) if several else {}
    for numbers in several:
        held: dict[bytes, list[str]] = {}
        for number in numbers:
            here, of = places[number], rows.plan.series[number]
            if (value[here] != value[here[0]]).any():
                key = rows.columns["start"][here].tobytes() + value[here].tobytes()
                held.setdefault(key, []).append(f"{of.meter} / {of.name}")
        for names in held.values():
            if len(names) > 1:
                text = (
                    f"{len(names)} series hold the same readings, one for one ({', '.join(names[:5])}), as one service "
                    "under several meters does: take one of them, since a sum counts each reading as often."
                )
                rows.feed.findings.add("espi.series.same", text, severity="serious", series=names, count=len(names))


def decimals_of_watts(rows: Rows, value: Floats) -> None:
    """Say which series in Wh have decimals and hold next to nothing: they may be in kWh.

    ESPI's values are whole numbers; who writes 0.25 and leaves powerOfTenMultiplier at 0 has mostly left the kWh be.
    """
    used = value > 0
    energy = np.bincount(rows.series, np.where(used, value, 0))
    time = np.bincount(rows.series, np.where(used, rows.columns["duration"], 0))
    for number in np.flatnonzero(time > 0):
        of, watts = rows.plan.series[number], 1000 * 3600 * US * float(energy[number] / time[number])
        if of.unit.name != "kWh" or of.power or watts >= _IDLE:
            continue
        held = 1000 * value[used & (rows.series == number)]
        if (n := Count((np.abs(held - held.round()) > 1e-6).sum())) * 2 > len(held):
            text = (
                f"Series {of.name} is in Wh by its type, but {n:value} {n:has|have} decimals, and its average is "
                f"{watts:.2g} W: compare a bill, since its values may be in kWh; they are as the feed has them."
            )
            evidence = {"series": of.name, "watts": watts, "count": n}
            rows.feed.findings.add("espi.value.decimals", text, severity="warning", **evidence)


def units_not_said(rows: Rows, used: list[Series]) -> None:
    """Say which of the series that have readings have a ReadingType that names no unit."""
    for series in used:
        if series.reading_type and series.unit.name == "unknown":
            text = f"The ReadingType of series {series.name} names no unit (uom): its values are raw."
            rows.feed.findings.add("espi.reading-type.no-unit", text, severity="serious", series=series.name)


def units_titled_otherwise(rows: Rows, used: list[Series]) -> None:
    """Say which series' type is titled in hundreds of cubic feet, but has a uom that means another unit.

    DTE Energy titles its gas "Energy Delivered (CCF)", and its numbers are in that unit.
    """
    for series in used:
        for name, power in _CUBIC_FEET.items():
            fits = series.unit.name.startswith("ft3") and series.power == power
            if name in series.title.upper().replace("(", " ").replace(")", " ").split() and not fits:
                text = (
                    f"The ReadingType of series {series.name} is titled {series.title!r}, but its uom says "
                    f"{series.unit.name}: compare a bill, since the values may be in {name}."
                )
                evidence = {"series": series.name, "title": series.title}
                rows.feed.findings.add("espi.value.titled-otherwise", text, severity="warning", **evidence)
