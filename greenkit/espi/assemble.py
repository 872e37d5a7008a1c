"""Columns and series to the tidy frame: scale, quality, categories, order."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit.days import times
from greenkit.espi import doubts, quirks, repairs
from greenkit.espi.codes import MONEY, QUALITY, Codes
from greenkit.espi.feed import Feed
from greenkit.espi.readings import LAST, NO_CODE
from greenkit.espi.rows import Bools, Ints, Numbers, Rows, all_by_series
from greenkit.espi.series import Plan, Series
from greenkit.findings import Count

EXTRAS: Final = (
    *("quality_code", "cost", "currency", "tou", "cpp", "tier"),
    *("commodity", "kind", "reading_type", "source"),
)


def assemble(feed: Feed, plan: Plan, *, epoch: str, tz: str | None) -> tuple[Rows, Rows]:
    """Give the interval readings and the register reads, mended and in the order of their frames."""
    rows = Rows.of(feed, plan)
    repairs.drop_repeated_blocks(rows)
    repairs.lay_out(rows)
    repairs.mend_seconds(rows)
    if epoch == "utc":
        quirks.smt_day_blocks(rows, tz)
    repairs.apply_epoch(rows, epoch, tz)
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
    many = np.bincount(rows.series)[rows.series] >= repairs.SAME_START
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
    doubts.units_not_said(rows, used)
    doubts.units_titled_otherwise(rows, used)
    doubts.unlikely_prices(rows, value, cost)
    doubts.negative_flows(rows, value)
    doubts.decimals_of_watts(rows, value)
    doubts.same_series(rows, value)
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
    if text in quirks.DUKE_QUALITIES:
        return quirks.DUKE_QUALITIES[text]
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
