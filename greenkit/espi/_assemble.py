"""Columns and series to the tidy frame: order, registers, checks of the values, scale, quality, and categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit import frame
from greenkit._categories import categorical
from greenkit.espi import _rows, quirks
from greenkit.espi._codes import MONEY, QUALITY, Codes
from greenkit.espi._feed import Feed
from greenkit.espi._readings import LAST, NO_CODE, NONE
from greenkit.espi._rows import Bools, Ints, Numbers, Rows, all_by_series, documents_of_blocks
from greenkit.espi._series import Series, SeriesIndex
from greenkit.findings import Findings, Kind
from greenkit.times import US, to_times

REGISTERS: Final = Kind(
    "espi.register.apart",
    "info",
    "greenkit put {count:register reading} in open_espi(…).registers, separate from usage.{only}",
    "To use {count:it|them}, call open_espi.",
)
NOT_A_REGISTER: Final = Kind(
    "espi.register.not-a-dial",
    "warning",
    "Series {series} is declared as a register, but its values decrease more than a rollover explains. greenkit treats "
    "it as interval usage{how}.",
    "Compare the usage with a bill.",
)
ASSUMED_REGISTER: Final = Kind(
    "espi.register.assumed",
    "warning",
    "Series {series} has readings without durations whose values only increase. greenkit treats it as a register, not "
    "as usage.",
    "Compare the difference of two readings with a bill.",
)
IN_TWO_FILES: Final = Kind(
    "espi.reading.in-two-files",
    "warning",
    "{count:reading} {count:is|are} identical in more than one file. greenkit kept one copy of each.",
    "Check whether the files are meant to overlap.",
)
CONFLICTING: Final = Kind(
    "espi.reading.conflicting",
    "warning",
    "{count:reading} {count:has|have} the same start as another one but a different value; first at {first}. "
    "greenkit kept all versions, with the newest last.",
    "Call df.gk.drop_duplicates() to keep the last of each.",
)
REPEATED: Final = Kind(
    "espi.reading.repeated",
    "warning",
    "{count:reading} {count:has|have} the same start and value as another one; first at {first}. greenkit kept all "
    "copies.",
    "Call df.gk.drop_duplicates() to keep one of each.",
)
OVERLAPPING: Final = Kind(
    "espi.reading.overlapping",
    "warning",
    "{count:reading} {count:overlaps|overlap} the previous reading, so that time is counted twice; first at {first}.",
    "Check the {count:duration of this reading|durations of these readings}.",
)
MISSING: Final = Kind(
    "espi.value.missing",
    "warning",
    "{count:reading} {count:has|have} no value. greenkit set {count:it|them} to NaN, with the quality missing.",
    "Ask the utility for the missing values.",
)
NO_UNIT: Final = Kind(
    "espi.reading-type.no-unit",
    "serious",
    "The ReadingType of series {series} has no unit (uom). greenkit did not convert its values.",
    "Ask the utility for the unit.",
)
UNLIKELY_PRICE: Final = Kind(
    "espi.value.unlikely-price",
    "serious",
    "Series {series} costs {price:.2g} {currency} per {unit}, outside any plausible tariff. Its powerOfTenMultiplier "
    "({multiplier}) or its cost has a different scale than declared; greenkit changed neither.",
    "Compare the series with a bill.",
)
NEGATIVE: Final = Kind(
    "espi.value.negative",
    "warning",
    "Series {series} is declared as {flow}, but {count:value} of {all:,} {count:is|are} negative. It may contain net "
    "values. Sums include the negative values.",
    "Compare the series with a bill.",
)
SIGN: Final = Kind(
    "espi.value.sign-corrected",
    "warning",
    "Series {series} is declared as received and stored as negative numbers, as the net series of its meter proves. "
    "greenkit made {count:value} positive.",
    "Compare the received energy with a bill.",
)
SAME_SERIES: Final = Kind(
    "espi.series.same",
    "serious",
    "{count:,} series have identical readings ({names}), as when one service is listed under several meters. A sum "
    "counts each reading {count:time}.",
    "Keep one of these series.",
)
DECIMALS: Final = Kind(
    "espi.value.decimals",
    "warning",
    "Series {series} is declared in Wh, but {count:value} {count:has|have} decimals, and its average is {watts:.2g} W. "
    "Its values may be in kWh; greenkit did not change them.",
    "Compare the series with a bill.",
)

EXTRAS: Final = (
    *("quality_code", "cost", "currency", "tou", "cpp", "tier"),
    *("commodity", "kind", "reading_type", "source"),
)
# Price of a unit in any currency from the dollar to the yen: far outside any tariff, and still narrow enough to detect
# a multiplier with the wrong sign, or one too many.
PRICES: Final[Mapping[str, tuple[float, float]]] = {
    "kWh": (0.003, 1000.0),
    "therm": (0.03, 10_000.0),
    "m3": (0.01, 4000.0),
}
# For these currencies a thirtieth of the upper price is the limit.
_STRONG: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "USD"})
_ENOUGH: Final = 24  # readings that two meters do not share by chance
_FALLS: Final = 2  # one fall may be an exchange of the meter
_IDLE: Final = 20.0  # watts: less than a home uses while nobody is in it

Floats = npt.NDArray[np.float64]


@dataclass
class Assembly:
    """The interval readings and the register readings of a feed, corrected and in the order of their frames."""

    readings: Rows
    registers: Rows
    findings: Findings = field(default_factory=Findings)


def assemble(feed: Feed, index: SeriesIndex, *, epoch: str, tz: str | None) -> Assembly:
    """Correct the readings of a feed, separate the registers, and sort both."""
    rows, out = Rows.of(feed, index), Findings()
    out.extend(_rows.drop_duplicate_blocks(rows))
    out.extend(_rows.place_untimed_readings(rows))
    out.extend(_rows.correct_off_by_one_seconds(rows))
    out.extend(_rows.correct_durations(rows))
    if epoch == "utc":
        out.extend(_rows.fix_by_quirks(rows, tz))
    out.extend(_rows.apply_epoch(rows, epoch, tz))
    if epoch == "utc":
        out.extend(_rows.split_repeated_hour(rows))
    is_register, found = _registers(rows)
    out.extend(found)
    registers = rows.taken(is_register)
    if len(registers):
        rows.keep(~is_register)
    out.extend(_sort(rows))
    out.extend(_sort(registers))
    out.extend(_overlaps(rows))
    return Assembly(rows, registers, out)


def _registers(rows: Rows) -> tuple[Bools, Findings]:
    """Return a mask of the register readings, which must never be added to usage."""
    out = Findings()
    apart = np.zeros(len(rows), dtype=bool)
    for number, here in rows.by_series():
        apart[here], found = _is_register(rows, here, rows.index.series[number])
        out.extend(found)
    if n := int(apart.sum()):
        only, severity = (" The feed has no other readings.", "warning") if apart.all() else ("", "info")
        out.add(REGISTERS, severity=severity, count=n, words={"only": only})
    return apart, out


def _is_register(rows: Rows, here: Ints, series: Series) -> tuple[bool, Findings]:
    out = Findings()
    if series.dial is False:
        return False, out
    order = np.argsort(rows.columns["start"][here], kind="stable")
    value, spans = rows.columns["value"][here][order], rows.columns["duration"][here]
    steps = np.diff(value[~np.isnan(value)])
    if series.dial and (spans > 0).all() and (steps < 0).any():
        out.add(NOT_A_REGISTER, series=series.name, count=len(value), words={"how": ""})
        return False, out
    length = series.interval
    if series.dial and length not in (NONE, 0) and not spans.any() and _unexplained_falls(value) >= _FALLS:
        rows.columns["duration"][here] = length
        words = {"how": f", with the declared interval length of {length // US:,} seconds"}
        out.add(NOT_A_REGISTER, series=series.name, count=len(value), words=words)
        return False, out
    grows = len(steps) > 0 and (steps >= 0).all() and (steps > 0).any()
    if series.dial is None and grows and not spans.any() and series.unit.name in frame.ADDITIVE:
        out.add(ASSUMED_REGISTER, series=series.name, count=len(value))
        return True, out
    return bool(series.dial), out


def _unexplained_falls(value: Floats) -> int:
    """Return how often the values fall other than by a rollover, from near a power of ten to near zero.

    For the values 99_998, 3, 7, 2 there is one: from 7 to 2.
    """
    value = value[~np.isnan(value)]
    before, after = value[:-1], value[1:]
    falls = after < before
    top = 10.0 ** np.ceil(np.log10(np.maximum(before, 1) + 1))
    rolls_over = (before > 0.9 * top) & (after < 0.1 * top)
    return int((falls & ~rolls_over).sum())


# Order


def _sort(rows: Rows) -> Findings:
    """Sort by meter, flow, series, and start; of equal starts, the newest ``updated`` is last."""
    out = Findings()
    if not len(rows):
        return out
    keys = sorted({s.frame_key for s in rows.index.series})
    place = {key: n for n, key in enumerate(keys)}
    ranks = np.array([place[s.frame_key] for s in rows.index.series], dtype=np.int32)
    rank, start = ranks[rows.series], rows.columns["start"]
    is_ahead = (rank[1:] > rank[:-1]) | ((rank[1:] == rank[:-1]) & (start[1:] > start[:-1]))
    if is_ahead.all():
        return out
    texts = rows.feed.entries.updated
    updated = np.array([_instant(texts[n]) for n in rows.feed.readings.blocks.entry], dtype=np.int64)[rows.block]
    rows.keep(np.lexsort((updated, start, rank)))
    out.extend(_drop_readings_of_other_files(rows, ranks[rows.series]))
    out.extend(_ties(rows, ranks[rows.series]))
    return out


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _drop_readings_of_other_files(rows: Rows, rank: Numbers) -> Findings:
    """Leave out readings that are the same in every member in another file (overlapping exports)."""
    out = Findings()
    if len(rows.feed.documents) < 2:
        return out
    start = rows.columns["start"]
    tie = (rank[1:] == rank[:-1]) & (start[1:] == start[:-1])
    near = np.flatnonzero(np.append(tie, False) | np.append(False, tie))  # no other rows can be duplicates
    document = _document(rows)[near]
    table = pd.DataFrame({name: column[near] for name, column in rows.columns.items()} | {"series": rows.series[near]})
    # within one file all readings stay: two equal readings with one start are reported
    dropped = (table.duplicated() & ~table.assign(document=document).duplicated()).to_numpy()
    if dropped.any():
        out.add(IN_TWO_FILES, count=int(dropped.sum()))
        rows.keep(np.delete(np.arange(len(rows)), near[dropped]))
    return out


def _ties(rows: Rows, rank: Numbers) -> Findings:
    """Report readings of one series with the same start."""
    out = Findings()
    start, value = rows.columns["start"], rows.columns["value"]
    tie = (rank[1:] == rank[:-1]) & (start[1:] == start[:-1]) & (rows.series[1:] == rows.series[:-1])
    # a series whose readings all have one start has its own finding
    flat = all_by_series(rows, np.concatenate(([True], tie | (rows.series[1:] != rows.series[:-1]))))
    many = np.bincount(rows.series)[rows.series] >= _rows.ENOUGH_STARTS
    tie &= ~(flat & many)[1:]
    differ = tie & (value[1:] != value[:-1])
    for kind, hits in ((CONFLICTING, differ), (REPEATED, tie & ~differ)):
        if hits.any():
            out.add(kind, count=int(hits.sum()), first=to_times(start[1:][hits][:1])[0].isoformat())
    return out


def _overlaps(rows: Rows) -> Findings:
    """Report readings that begin before the previous one of their series ends."""
    out = Findings()
    start, series = rows.columns["start"], rows.series
    end = start + rows.columns["duration"]
    over = (series[1:] == series[:-1]) & (end[:-1] > start[1:]) & (start[1:] > start[:-1])
    if n := int(over.sum()):
        # a gas day that always has 24 hours overlaps once a year
        severity = "warning" if n * 100 > len(rows) else "info"
        out.add(OVERLAPPING, severity=severity, count=n, first=to_times(start[1:][over][:1])[0].isoformat())
    return out


# Checks of the values: they report, and change nothing


def scale_and_check(rows: Rows) -> Findings:
    """Scale values and costs in place, and return the findings on them."""
    out = Findings()
    if not len(rows):
        return out
    used = [rows.index.series[n] for n in np.unique(rows.series)]
    zones = sorted({s.zone for s in used})
    if len(zones) > 1:
        out.add(frame.MIXED_ZONES, zones=zones, words={"n": len(zones)})
    out.extend(_correct_multipliers(rows))
    value, cost = _scaled(rows), rows.columns["cost"]
    cost /= 10.0**-MONEY
    out.extend(_correct_signs(rows, value))
    out.extend(_check_units(rows, used))
    out.extend(_check_by_quirks(rows))
    out.extend(_check_prices(rows, value, cost))
    out.extend(_check_signs(rows, value))
    out.extend(_check_decimals(rows, value))
    out.extend(_check_same_series(rows, value))
    if n := int(np.isnan(value).sum()):
        out.add(MISSING, count=n)
    return out


def _scaled(rows: Rows) -> Floats:
    """Multiply the values in place by 10^(multiplier − kilo), and return them."""
    value = rows.columns["value"]
    power = np.array([s.power - s.unit.kilo for s in rows.index.series], dtype=np.int64)
    for exponent in np.unique(power[np.unique(rows.series)]):
        if exponent:
            here = (power == exponent)[rows.series]
            factor = 10.0 ** abs(int(exponent))
            # dividing for a negative power rounds decimals as they are written: 58 / 1000 is 0.058
            (np.divide if exponent < 0 else np.multiply)(value, factor, out=value, where=here)
    return value


def _senders_of(rows: Rows) -> dict[int, list[quirks.Quirk]]:
    """Return the quirks of the documents of each series with rows, in the order of their registration."""
    if not any(document.quirks for document in rows.feed.documents):
        return {}
    applied: dict[int, set[quirks.Quirk]] = {}
    for number in np.unique(rows.block).tolist():
        document = rows.feed.entries.document[rows.feed.readings.blocks.entry[number]]
        of_document = rows.feed.documents[document].quirks
        applied.setdefault(rows.index.of_block[number], set()).update(of_document)
    return {number: sorted(found, key=quirks.registered().index) for number, found in sorted(applied.items())}


def _facts(s: Series) -> quirks.SeriesFacts:
    return quirks.SeriesFacts(s.name, s.unit.name, s.unit.kilo, s.power, s.title)


def _correct_multipliers(rows: Rows) -> Findings:
    """Let the quirks of each sender correct the powerOfTenMultiplier of a series."""
    out = Findings()
    for number, applied in _senders_of(rows).items():
        of = rows.index.series[number]
        for quirk in applied:
            if "multiplier" in quirk.sets:
                here = rows.series == number
                of.power, found = quirk.multiplier(_facts(of), rows.columns["value"][here], rows.columns["cost"][here])
                out.extend(found)
    return out


def _correct_signs(rows: Rows, value: Floats) -> Findings:
    """Make received amounts positive that are stored as negative numbers, if a net series of the meter proves it.

    The proof is that net = delivered + received at every start that the three series share. Example::

        delivered  50  23       received  -30  0       net  20  23       received becomes 30, 0
    """
    out = Findings()
    negative = np.bincount(rows.series[value < 0], minlength=len(rows.index.series))
    positive = np.bincount(rows.series[value > 0], minlength=len(rows.index.series))
    candidates = [
        n for n in np.flatnonzero((negative > 0) & (positive == 0)).tolist() if rows.index.series[n].flow == "received"
    ]
    for number in candidates:
        of = rows.index.series[number]
        peers: dict[str, pd.Series[float]] = {}
        for other, s in enumerate(rows.index.series):
            here = rows.series == other
            if (s.meter, s.unit) == (of.meter, of.unit) and here.any() and (s is of or s.flow in ("delivered", "net")):
                held = pd.Series(value[here], index=rows.columns["start"][here])
                peers[s.flow] = held[~held.index.duplicated()]
        if peers.keys() < {"delivered", "received", "net"}:
            continue
        table = pd.DataFrame(peers).dropna()
        if len(table) > 1 and np.allclose(table["net"], table["delivered"] + table["received"], rtol=0, atol=1e-6):
            here = rows.series == number
            value[here] = np.abs(value[here])
            out.add(SIGN, series=of.name, count=int(negative[number]))
    return out


def _check_units(rows: Rows, used: list[Series]) -> Findings:
    """Report series whose ReadingType has no unit."""
    out = Findings()
    for series in used:
        if series.reading_type and series.unit.name == "unknown":
            out.add(NO_UNIT, series=series.name)
    return out


def _check_by_quirks(rows: Rows) -> Findings:
    """Let the quirks of each sender check the series of its documents."""
    out = Findings()
    for number, applied in _senders_of(rows).items():
        for quirk in applied:
            out.extend(quirk.check_series(_facts(rows.index.series[number])))
    return out


def _check_prices(rows: Rows, value: Floats, cost: Floats) -> Findings:
    """Report series with an implausible price per unit, because the value or the cost has the wrong scale.

    Some utilities declare a powerOfTenMultiplier of 3 for readings that are in Wh, or 5 where they mean -5.
    """
    out = Findings()
    paid = (cost > 0) & (value > 0)
    series = rows.series[paid]
    money, used = np.bincount(series, cost[paid]), np.bincount(series, value[paid])
    for number, count in enumerate(np.bincount(series).tolist()):
        of = rows.index.series[number]
        if not count or of.unit.name not in PRICES:
            continue
        low, high = PRICES[of.unit.name]
        price = float(money[number] / used[number])
        high = high / 30 if of.currency in _STRONG else high
        if not low <= price <= high:
            words = {"currency": of.currency or "of its currency", "unit": of.unit.name, "multiplier": str(of.power)}
            out.add(UNLIKELY_PRICE, series=of.name, price=price, multiplier=of.power, count=int(count), words=words)
    return out


def _check_signs(rows: Rows, value: Floats) -> Findings:
    """Report series with values that flow against their declared direction.

    Some utilities subtract what they received and still declare the difference as delivered; others store received
    amounts as negative numbers, which a difference of the two flows would then add.
    """
    out = Findings()
    negative = np.bincount(rows.series[value < 0], minlength=len(rows.index.series))
    every = np.bincount(rows.series, minlength=len(rows.index.series))
    for number in np.flatnonzero(negative):
        of = rows.index.series[number]
        if of.flow in ("delivered", "received") and of.unit.name in frame.ADDITIVE:
            n = int(negative[number])
            out.add(NEGATIVE, series=of.name, flow=of.flow, count=n, words={"all": int(every[number])})
    return out


def _check_decimals(rows: Rows, value: Floats) -> Findings:
    """Report series in Wh with decimals and a very low average, which may be in kWh.

    ESPI's values are integers. A sender that writes 0.25 with a powerOfTenMultiplier of 0 usually means kWh.
    """
    out = Findings()
    used = value > 0
    energy = np.bincount(rows.series, np.where(used, value, 0))
    time = np.bincount(rows.series, np.where(used, rows.columns["duration"], 0))
    for number in np.flatnonzero(time > 0):
        of, watts = rows.index.series[number], 1000 * 3600 * US * float(energy[number] / time[number])
        if of.unit.name != "kWh" or of.power or watts >= _IDLE:
            continue
        wh = 1000 * value[used & (rows.series == number)]
        if (n := int((np.abs(wh - wh.round()) > 1e-6).sum())) * 2 > len(wh):
            out.add(DECIMALS, series=of.name, watts=watts, count=n)
    return out


def _check_same_series(rows: Rows, value: Floats) -> Findings:
    """Report series with identical readings, so that a sum counts each of them several times.

    Some downloads list one service under every meter that it has had.
    """
    out = Findings()
    count, total = np.bincount(rows.series), np.bincount(rows.series, np.nan_to_num(value))
    alike: dict[tuple[object, ...], list[int]] = {}
    for number in np.flatnonzero((count >= _ENOUGH) & (total != 0)).tolist():
        of = rows.index.series[number]
        alike.setdefault((of.unit.name, of.flow, count[number], total[number]), []).append(number)
    several = [numbers for numbers in alike.values() if len(numbers) > 1]
    places = dict(rows.by_series()) if several else {}
    for numbers in several:
        same: dict[bytes, list[str]] = {}
        for number in numbers:
            here, of = places[number], rows.index.series[number]
            if (value[here] != value[here[0]]).any():
                key = rows.columns["start"][here].tobytes() + value[here].tobytes()
                same.setdefault(key, []).append(f"{of.meter} / {of.name}")
        for names in same.values():
            if len(names) > 1:
                out.add(SAME_SERIES, series=names, count=len(names), words={"names": ", ".join(names[:5])})
    return out


# The frame


def build_frame(rows: Rows, codes: Codes) -> pd.DataFrame:
    """Build the frame in place: it reuses the memory of the columns, so do not use the columns afterwards."""
    series, feed = rows.index.series, rows.feed
    if not len(rows):
        known = {s.zone for s in series}
        return frame.empty(EXTRAS, known.pop() if len(known) == 1 else "UTC")
    zones = {series[n].zone for n in np.unique(rows.series)}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    value, cost = rows.columns["value"], rows.columns["cost"]
    quality, quality_code = _quality(rows, value, codes)
    end = np.add(rows.columns["start"], rows.columns["duration"], out=rows.columns["duration"])
    data: dict[str, Any] = {
        "meter": _by_series(rows, [s.meter for s in series]),
        "series": _by_series(rows, [s.name for s in series]),
        "flow": _by_series(rows, [s.flow for s in series]),
        "start": to_times(rows.columns["start"], zone),
        "end": to_times(np.minimum(end, LAST, out=end), zone),
        "value": value,
        "unit": _by_series(rows, [s.unit.name for s in series]),
        "zone": _by_series(rows, [s.zone for s in series]),
        "quality": quality,
        "quality_code": quality_code,
        "cost": cost,
        "currency": _by_series(rows, [s.currency for s in series]),
        "tou": _code(rows, "tou"),
        "cpp": _code(rows, "cpp"),
        "tier": _code(rows, "tier"),
        "commodity": _by_series(rows, [s.commodity for s in series]),
        "kind": _by_series(rows, [s.kind for s in series]),
        "reading_type": _by_series(rows, [s.reading_type for s in series]),
        "source": categorical(_document(rows), [document.name for document in feed.documents]),
    }
    return pd.DataFrame(data, copy=False)  # nothing else refers to the columns


def _document(rows: Rows) -> Numbers:
    """Return the number of the document of each row."""
    feed = rows.feed
    if len(feed.documents) == 1:
        return np.zeros(len(rows), dtype=np.int32)
    return documents_of_blocks(feed)[rows.block]


def _quality(rows: Rows, value: Floats, codes: Codes) -> tuple[pd.Categorical, pd.Categorical]:
    """Return the quality of each reading, and its code.

    The quality is the reading's own, or the default of its type, or ``actual``; without a value it is ``missing``.

    Qualities are numbers of texts. Example: the texts are ["8", "19"], a series has the default "19"::

        own       0  -1  -1       number of each reading's own text, -1 without one
        default   1   1  -1       number of the default text of its series
        code      0   1  -1       the text that counts
        words     estimated  actual  missing  actual     by code; -1 is the last, "actual"
    """
    texts = list(rows.feed.readings.quality_texts)
    defaults = [
        texts.index(s.default_quality) if s.default_quality in texts else _append(texts, s.default_quality)
        for s in rows.index.series
    ]
    own = rows.columns["quality"]
    code = np.where(own >= 0, own, np.array(defaults, dtype=np.int32)[rows.series])
    is_missing = np.isnan(value)
    vocabularies, of_block = _vocabularies(rows.feed)
    words: list[str] = []
    for vocabulary in vocabularies:
        words += [*(_quality_word(text, codes, vocabulary) for text in texts), "missing", "actual"]
    # each vocabulary has its own len(texts) + 2 words
    place = np.where(code < 0, len(texts) + 1, code)
    word = np.where(is_missing, np.int32(len(texts)), place)
    if len(vocabularies) > 1:
        word = word + (of_block * (len(texts) + 2))[rows.block]
    return categorical(word, words), categorical(code, [*texts, None])


def _vocabularies(feed: Feed) -> tuple[list[Mapping[str, str]], Numbers]:
    """Return the distinct quality words of the documents' senders, and the number of those of each block."""
    of_document = [
        next((quirk.quality_words for quirk in document.quirks if quirk.quality_words), {})
        for document in feed.documents
    ]
    distinct: list[Mapping[str, str]] = []
    for words in of_document:
        if words not in distinct:
            distinct.append(words)
    if len(distinct) < 2:
        return distinct, np.zeros(0, dtype=np.int32)
    numbers = [distinct.index(words) for words in of_document]
    return distinct, np.array(numbers, dtype=np.int32)[documents_of_blocks(feed)]


def _append(texts: list[str], text: str | None) -> int:
    if text is None:
        return -1
    texts.append(text)
    return len(texts) - 1


def _quality_word(text: str, codes: Codes, vocabulary: Mapping[str, str]) -> str:
    """Return the word for the worst of a reading's qualities (``0+8`` is estimated)."""
    if text in vocabulary:
        return vocabulary[text]
    words = [codes.word(QUALITY, "quality", part) or "actual" for part in text.split("+")]
    return next((word for word in words if word != "actual"), "actual")


def _code(rows: Rows, name: str) -> pd.arrays.IntegerArray:
    own = rows.columns[name]
    default = np.array([getattr(s, name) for s in rows.index.series], dtype=np.int16)
    code = np.where(own == NO_CODE, default[rows.series], own)
    return pd.arrays.IntegerArray(code, code == NO_CODE)


def _by_series(rows: Rows, labels: list[str | None] | list[str]) -> pd.Categorical:
    return categorical(rows.series, labels)
