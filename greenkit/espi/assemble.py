"""Columns and series to the tidy frame: times, scale, quality, and what was sent twice.

Only these repairs are made unasked, each with its finding: starts that are all one second late are floored, durations
that are all one second short are made whole, readings without a timePeriod are laid out from their block's start, a
block that was sent twice whole counts once. Nothing else is moved or dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit.days import US, Instants, times
from greenkit.espi import clock, quirks
from greenkit.espi.codes import QUALITY, Codes
from greenkit.espi.feed import Feed
from greenkit.espi.readings import NO_CODE, NONE
from greenkit.espi.series import Plan

EXTRAS: Final = (
    *("quality_code", "cost", "currency", "tou", "cpp", "tier"),
    *("commodity", "kind", "reading_type", "source"),
)
_SAME_START: Final = 3  # so many readings with one start are no conflict, but a series without times
_MINUTE: Final = 60 * US
_COST: Final = 1e5  # cost is in hundred-thousandths of the currency, whatever the multiplier

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass
class Rows:
    """The readings as numpy columns, each row with its block and series."""

    feed: Feed
    plan: Plan
    columns: dict[str, npt.NDArray[Any]]
    block: Ints
    series: Ints

    @classmethod
    def of(cls, feed: Feed, plan: Plan) -> Rows:
        """View the columns that were read; the blocks follow each other without a hole."""
        columns = {name: np.frombuffer(a, dtype=a.typecode) for name, a in feed.readings.columns.items()}
        counts = np.array([b.rows for b in feed.readings.blocks], dtype=np.int64)
        block = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        of_block = np.array(plan.of_block, dtype=np.int64)
        return cls(feed, plan, columns, block, of_block[block] if len(block) else block)

    def keep(self, rows: Bools | Ints) -> None:
        """Keep only these rows, or bring them into this order."""
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.block, self.series = self.block[rows], self.series[rows]

    def __len__(self) -> int:
        return len(self.block)


def assemble(feed: Feed, plan: Plan, codes: Codes, *, epoch: str, tz: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build the frames of interval readings and of register reads."""
    rows = Rows.of(feed, plan)
    _drop_repeated_blocks(rows)
    _lay_out(rows)
    _mend_seconds(rows)
    if epoch == "utc":
        quirks.smt_day_blocks(rows, tz)
    _apply_epoch(rows, epoch, tz)
    dial = _dials(rows)
    return _frame(rows, codes, ~dial), _frame(rows, codes, dial)


def _drop_repeated_blocks(rows: Rows) -> None:
    """Leave out blocks of one series with the same interval and the same readings, but for the first."""
    blocks = rows.feed.readings.blocks
    seen: dict[tuple[Any, ...], int] = {}
    repeated = np.zeros(len(blocks), dtype=bool)
    alike: dict[tuple[int, ...], int] = {}
    start = rows.columns["start"]
    keys = [
        (s, b.start, b.duration, b.rows, int(start[b.first]) if b.rows else 0)
        for s, b in zip(rows.plan.of_block, blocks, strict=True)
    ]
    for key in keys:
        alike[key] = alike.get(key, 0) + 1
    for n, (key, b) in enumerate(zip(keys, blocks, strict=True)):
        if alike[key] > 1 and b.rows:
            held = (key, *(c[b.first : b.first + b.rows].tobytes() for c in rows.columns.values()))
            repeated[n] = held in seen
            seen.setdefault(held, n)
    if repeated.any():
        count, dropped = int(repeated.sum()), repeated[rows.block]
        text = f"{count:,} block{'s' if count > 1 else ''} stood more than once, whole and unchanged: counted once."
        rows.feed.findings.add(
            "espi.block.repeated", text, severity="warning", blocks=count, readings=int(dropped.sum())
        )
        rows.keep(~dropped)


def _lay_out(rows: Rows) -> None:
    """Give readings without a timePeriod, or without a duration, their place after the one before."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    lacks = (start == NONE) | (duration == NONE)
    if not lacks.any():
        return
    start, duration = start.copy(), duration.copy()
    for number in np.unique(rows.block[lacks]):
        here = np.flatnonzero(rows.block == number)
        block = rows.feed.readings.blocks[number]
        interval = rows.plan.series[rows.plan.of_block[number]].interval
        if interval == NONE and block.duration != NONE:
            interval = block.duration // len(here)
        _lay_out_block(start, duration, here, block.start, interval)
    lost = start == NONE
    placed = int((lacks & ~lost).sum())
    if placed:
        text = f"{placed:,} readings have no timePeriod of their own: laid out by the interval length in their block."
        rows.feed.findings.add("espi.time.laid-out", text, count=placed)
    if lost.any():
        text = f"{int(lost.sum()):,} readings say nothing of their time, nor does their block: they are left out."
        total = float(np.nansum(rows.columns["value"][lost]))
        rows.feed.findings.add("espi.time.none", text, severity="serious", count=int(lost.sum()), raw_sum=total)
    rows.columns = {**rows.columns, "start": start, "duration": duration}
    if lost.any():
        rows.keep(~lost)


def _lay_out_block(start: Ints, duration: Ints, here: Ints, begin: int, interval: int) -> None:
    after = begin
    for row in here:
        if start[row] == NONE:
            start[row] = after
        if duration[row] == NONE:
            duration[row] = max(interval, 0)
        after = start[row] + duration[row] if start[row] != NONE else NONE


def _mend_seconds(rows: Rows) -> None:
    """Floor starts that are all a second late, and make whole durations that are all a second short, by series."""
    start, duration = rows.columns["start"], rows.columns["duration"]
    late = _all_by_series(rows, start % _MINUTE == US)
    spans = duration > 0
    short = _all_by_series(rows, (duration % _MINUTE == 59 * US) | ~spans) & spans
    if late.any():
        start = np.where(late, start - US, start)
        text = f"{int(late.sum()):,} readings all start one second late: floored to the minute."
        rows.feed.findings.add("espi.time.late-second", text, count=int(late.sum()))
    if short.any():
        duration = np.where(short, duration + US, duration)
        text = f"{int(short.sum()):,} readings all last one second less than whole minutes: made whole."
        rows.feed.findings.add("espi.time.short-duration", text, count=int(short.sum()))
    rows.columns = {**rows.columns, "start": start, "duration": duration}


def _all_by_series(rows: Rows, hit: Bools) -> Bools:
    """Tell for each row whether all rows of its series are hit."""
    counts = np.bincount(rows.series, minlength=len(rows.plan.series))
    hits = np.bincount(rows.series, weights=hit, minlength=len(rows.plan.series))
    return np.asarray((counts == hits)[rows.series]) if len(rows) else hit


def _apply_epoch(rows: Rows, epoch: str, tz: str | None) -> None:
    """Turn wall-clock or standard-time epochs into instants when asked; else say when they look like such."""
    start, duration = rows.columns["start"].copy(), rows.columns["duration"].copy()
    _same_start(rows, start)
    for zone in sorted({s.zone for s in rows.plan.series}):
        mine = np.array([s.zone == zone for s in rows.plan.series])[rows.series] if len(rows) else np.zeros(0, bool)
        if not mine.any():
            continue
        if epoch == "utc":
            _suspect(rows, start, mine, zone, known=tz is not None or zone != "UTC")
            continue
        for number in np.unique(rows.series[mine]):
            here = rows.series == number
            start[here], duration[here] = _instants(start[here], duration[here], epoch, zone)
    rows.columns = {**rows.columns, "start": start, "duration": duration}


def _instants(start: Instants, duration: Ints, epoch: str, zone: str) -> tuple[Instants, Ints]:
    if epoch == "standard":
        return clock.from_standard(start, zone), duration
    begins = clock.from_local(start, zone)
    # days and bills end at local midnight too; shorter intervals last as long as they say
    long = duration >= clock.DAY
    ends = clock.from_local(start + duration, zone)
    return begins, np.where(long, ends - begins, duration)


def _same_start(rows: Rows, start: Instants) -> None:
    for number, series in enumerate(rows.plan.series):
        here = start[rows.series == number]
        if len(here) >= _SAME_START and (here == here[0]).all():
            text = (
                f"All {len(here):,} readings of series {series.name} start at the same time: when each was is not told."
            )
            rows.feed.findings.add(
                "espi.time.same-start", text, severity="serious", series=series.name, count=len(here)
            )


_SUSPICIONS: Final = {
    "local": ("espi.time.local-as-utc", "local wall-clock time written as if it were UTC", "epoch='local'"),
    "standard": ("espi.time.standard-as-utc", "local standard time written as if it were UTC", "epoch='standard'"),
}


def _suspect(rows: Rows, start: Instants, mine: Bools, zone: str, *, known: bool) -> None:
    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows.block[1:] != rows.block[:-1]
    daily = rows.columns["duration"] >= clock.DAY - 2 * 3600 * US
    begins = np.unique(start[mine & (first | daily)])
    kind, where = clock.suspicion(begins, zone if known else None)
    evidence = {"zone": zone, "blocks": len(begins), "first": _shown(begins)}
    if kind in _SUSPICIONS:
        name, what, fix = _SUSPICIONS[kind]
        fix = fix if known else f"tz= (the site's zone) and {fix}"
        text = f"The hours are wrong: the blocks begin as in {what}; read it with {fix}."
        rows.feed.findings.add(name, text, severity="serious" if known or len(begins) > 1 else "warning", **evidence)
    elif kind:
        text = f"The blocks begin at midnight in {where}, not in {zone}: the hours may be shifted; compare a bill."
        rows.feed.findings.add("espi.time.other-zone", text, severity="serious", other=where, **evidence)


def _shown(begins: Instants) -> str:
    return datetime.fromtimestamp(int(begins[0]) // US, UTC).isoformat() if len(begins) else ""


def _dials(rows: Rows) -> Bools:
    """Tell which rows are register reads: of a dial, or instants of a value that only grows."""
    dial = np.array([s.dial for s in rows.plan.series], dtype=bool)
    findings = rows.feed.findings
    for number, series in enumerate(rows.plan.series):
        here = rows.series == number
        order = np.argsort(rows.columns["start"][here], kind="stable")
        value = rows.columns["value"][here][order]
        falls = bool((np.diff(value) < 0).any())
        spans = bool((rows.columns["duration"][here] > 0).all())
        if series.dial and spans and falls:
            dial[number] = False
            text = f"Series {series.name} is said to be a dial, but its values fall and have durations: taken as usage."
            findings.add("espi.register.not-a-dial", text, severity="warning", series=series.name, count=len(value))
    apart = dial[rows.series] if len(rows) else np.zeros(0, dtype=bool)
    if apart.any():
        text = f"{int(apart.sum()):,} register reads (dials) stand in .registers, apart from usage."
        findings.add("espi.register.apart", text, count=int(apart.sum()))
    return apart


def _frame(rows: Rows, codes: Codes, mine: Bools) -> pd.DataFrame:
    if not mine.any():
        zones = {s.zone for s in rows.plan.series}
        return frame.empty(EXTRAS, zones.pop() if len(zones) == 1 else "UTC")
    part = Rows(rows.feed, rows.plan, dict(rows.columns), rows.block, rows.series)
    if not mine.all():
        part.keep(mine)
    _sort(part)
    return _built(part, codes)


def _sort(rows: Rows) -> None:
    """Sort by meter, flow, series, start; of equal starts the newest ``updated`` comes last."""
    keys = sorted({s.frame_key for s in rows.plan.series})
    rank = np.array([keys.index(s.frame_key) for s in rows.plan.series], dtype=np.int64)[rows.series]
    start = rows.columns["start"]
    ahead = (rank[1:] > rank[:-1]) | ((rank[1:] == rank[:-1]) & (start[1:] > start[:-1]))
    if ahead.all():
        return
    updated = np.array([_updated(rows.feed, b.entry) for b in rows.feed.readings.blocks], dtype=np.int64)[rows.block]
    rows.keep(np.lexsort((updated, start, rank)))
    rank = np.array([keys.index(s.frame_key) for s in rows.plan.series], dtype=np.int64)[rows.series]
    _drop_repeated_readings(rows, rank)
    _report_ties(rows, np.array([keys.index(s.frame_key) for s in rows.plan.series], dtype=np.int64)[rows.series])


def _updated(feed: Feed, entry: int) -> int:
    text = feed.entries[entry].updated if entry >= 0 else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _drop_repeated_readings(rows: Rows, rank: Ints) -> None:
    """Leave out readings that stand in another file too, the same in every member (overlapping exports)."""
    if len(rows.feed.documents) < 2:
        return
    document = np.array([rows.feed.entries[b.entry].document for b in rows.feed.readings.blocks])[rows.block]
    table = pd.DataFrame({**rows.columns, "rank": rank, "series": rows.series})
    same = table.duplicated().to_numpy()
    # within one file nothing is thinned: two equal readings of one start stay, and are reported
    own = pd.DataFrame({**rows.columns, "rank": rank, "series": rows.series, "document": document}).duplicated()
    dropped = same & ~own.to_numpy()
    if dropped.any():
        text = f"{int(dropped.sum()):,} readings stand in more than one file, unchanged: counted once."
        rows.feed.findings.add("espi.reading.in-two-files", text, severity="warning", count=int(dropped.sum()))
        rows.keep(~dropped)


def _report_ties(rows: Rows, rank: Ints) -> None:
    start, value = rows.columns["start"], rows.columns["value"]
    tie = (rank[1:] == rank[:-1]) & (start[1:] == start[:-1]) & (rows.series[1:] == rows.series[:-1])
    flat = _all_by_series(rows, np.concatenate(([True], tie | (rows.series[1:] != rows.series[:-1]))))
    many = np.bincount(rows.series)[rows.series] >= _SAME_START
    tie &= ~(flat & many)[1:]  # a series whose readings all have one start has its own finding
    differ = tie & (value[1:] != value[:-1])
    for name, hits, what in (
        ("espi.reading.conflicting", differ, "have the start of another but not its value: all are kept, newest last"),
        ("espi.reading.repeated", tie & ~differ, "have the start and the value of another: all are kept"),
    ):
        if hits.any():
            at = times(start[1:][hits][:1])[0].isoformat()
            text = f"{int(hits.sum()):,} readings {what}; first at {at}."
            rows.feed.findings.add(name, text, severity="warning", count=int(hits.sum()), first=at)


def _built(rows: Rows, codes: Codes) -> pd.DataFrame:
    series, feed = rows.plan.series, rows.feed
    used = [series[n] for n in np.unique(rows.series)]
    zones = {s.zone for s in used}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    if zone == "UTC" and len({s.zone for s in used}) > 1:
        names = sorted({s.zone for s in used})
        feed.findings.add(
            "frame.zones.mixed", f"The feed holds {len(names)} zones, so its times are in UTC.", zones=names
        )
    start, value = rows.columns["start"], _scaled(rows)
    quality, quality_code = _quality(rows, value, codes)
    sources = [feed.documents[feed.entries[b.entry].document].name for b in feed.readings.blocks]
    data: dict[str, Any] = {
        "meter": _by(rows, [s.meter for s in series]),
        "series": _by(rows, [s.name for s in series]),
        "flow": _by(rows, [s.flow for s in series]),
        "start": times(start, zone),
        "end": times(start + rows.columns["duration"], zone),
        "value": value,
        "unit": _by(rows, [s.unit.name for s in series]),
        "zone": _by(rows, [s.zone for s in series]),
        "quality": quality,
        "quality_code": quality_code,
        "cost": rows.columns["cost"] / _COST,
        "currency": _by(rows, [s.currency for s in series]),
        "tou": _code(rows, "tou"),
        "cpp": _code(rows, "cpp"),
        "tier": _code(rows, "tier"),
        "commodity": _by(rows, [s.commodity for s in series]),
        "kind": _by(rows, [s.kind for s in series]),
        "reading_type": _by(rows, [s.reading_type for s in series]),
        "source": _categorical(rows.block, sources),
    }
    return pd.DataFrame(data)


def _scaled(rows: Rows) -> npt.NDArray[np.float64]:
    """Give value × 10^(multiplier − kilo); a negative power divides, so that decimals come out as they are written."""
    value = rows.columns["value"]
    power = np.array([s.power - s.unit.kilo for s in rows.plan.series], dtype=np.int64)
    for exponent in np.unique(power[np.unique(rows.series)]):
        if exponent:
            here = power[rows.series] == exponent
            factor = 10.0 ** abs(int(exponent))
            if here.all():
                value = value / factor if exponent < 0 else value * factor
            else:
                value = value.copy()
                value[here] = value[here] / factor if exponent < 0 else value[here] * factor
    return value if value is not rows.columns["value"] else value.copy()


def _quality(rows: Rows, value: npt.NDArray[np.float64], codes: Codes) -> tuple[pd.Categorical, pd.Categorical]:
    """Give the quality of each reading: its own, else its type's default, else actual; missing without a value."""
    texts = list(rows.feed.readings.quality_texts)
    defaults = [
        texts.index(s.default_quality) if s.default_quality in texts else _append(texts, s.default_quality)
        for s in rows.plan.series
    ]
    own = rows.columns["quality"].astype(np.int64)
    code = np.where(own >= 0, own, np.array(defaults, dtype=np.int64)[rows.series])
    words = [_quality_word(text, codes) for text in texts]
    missing = np.isnan(value)
    if missing.any():
        text = f"{int(missing.sum()):,} readings have no value: NaN, with quality missing."
        rows.feed.findings.add("espi.value.missing", text, severity="warning", count=int(missing.sum()))
    # -1 (no code) is the last of each list
    word = np.where(missing, len(words) + 1, np.where(code < 0, len(words), code))
    return _categorical(word, [*words, "actual", "missing"]), _categorical(
        np.where(code < 0, len(texts), code), [*texts, None]
    )


def _append(texts: list[str], text: str | None) -> int:
    if text is None:
        return -1
    texts.append(text)
    return len(texts) - 1


def _quality_word(text: str, codes: Codes) -> str:
    """Give the word of the most doubtful of a reading's qualities (``0+8`` is estimated)."""
    words = [codes.word(QUALITY, "quality", part) or "actual" for part in text.split("+")]
    return next((word for word in words if word != "actual"), "actual")


def _code(rows: Rows, name: str) -> pd.arrays.IntegerArray:
    own = rows.columns[name]
    default = np.array([getattr(s, name) for s in rows.plan.series], dtype=np.int16)
    code = np.where(own == NO_CODE, default[rows.series], own).astype(np.int16)
    return pd.arrays.IntegerArray(code, code == NO_CODE)


def _by(rows: Rows, labels: list[str | None] | list[str]) -> pd.Categorical:
    return _categorical(rows.series, labels)


def _categorical(number: Ints, labels: list[Any]) -> pd.Categorical:
    """Make a category of the labels that the numbers name; only those observed, in alphabetical order."""
    observed = np.zeros(len(labels), dtype=bool)
    observed[number] = True
    names = sorted({label for label, seen in zip(labels, observed, strict=True) if seen and label is not None})
    place = {name: n for n, name in enumerate(names)}
    codes = np.array([place.get(label, -1) for label in labels], dtype=np.int64)
    small = np.min_scalar_type(-max(len(names), 1))
    return pd.Categorical.from_codes(
        codes.astype(small)[number], categories=pd.Index(names, dtype="str" if names else object)
    )
