"""JSON of SMT's REST API and of its portal.

* ``energyData`` (15-minute reads): for each day ``RD`` holds 100 slots ``<kWh>-<status>``. Slot i < 8 is the
  interval i of the clock's day, slot i > 11 the interval i - 4; slots 8 to 11 are the repeated hour of autumn and
  blank on other days. In spring the slots 12 to 15 are blank too.
* ``registeredReads`` and ``odrRead`` (daily and on-demand register reads): go to the registers, as does the portal's
  on-demand read, whose ``odrstatus`` stands beside it.
* ``intervaldata``, ``dailyData``, ``monthlyData`` (what the portal's pages get), which do not name the ESI ID.
* ``errorCode`` and ``errorMessage``: no data, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from greenkit.days import US
from greenkit.errors import FormatError
from greenkit.smt import _codes, _interval_csv, _labels, _stamps
from greenkit.smt._blocks import blocks_of
from greenkit.smt._codes import GENERATION, LOAD, STEP, Channel
from greenkit.smt._labels import Rows
from greenkit.smt._tables import Sink
from greenkit.sources import Source
from greenkit.text import Advance, decode_head, parse_amount, parse_number

Doc = Mapping[str, Any]

# shape → its names for: date, revision, reading at the start, at the end, and the energy between; None has no name
READS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "registeredReads": ("readDate", "revisionDate", "startReading", "endReading", "energyDataKwh"),
    "odrRead": ("readDate", None, None, "registeredRead", None),
    "dailyData": ("date", "revisiondate", "startreading", "endreading", "reading"),
}
# the portal's on-demand read, which stands beside its status; what odrusage counts from is not known
PORTAL_READ: Final = ("odrdate", None, None, "odrread", None)
BILL: Final = ("startdate", "enddate", "actl_kwh_usg")


def items(doc: Doc, name: str) -> list[Doc]:
    """Give the objects under a name, where there may be a list of them, one alone, or none."""
    found = doc.get(name)
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, dict)]


def made(text: Any, sink: Sink, file: str) -> int:
    """Give when a version was made, in local microseconds; NEVER when it is not said, or cannot be read."""
    found = _stamps.revision(str(text or ""))
    if found is None:
        sink.notes.add("smt.revision.unreadable", repr(text)[:40], file=file)
        return _stamps.NEVER
    return found


def register_reads(doc: Doc, meter: str, sink: Sink, file: str) -> int:
    """Take daily and on-demand reads to the registers, and give how many there are."""
    count = 0
    for date, revision, start, end, value in _reads(doc):
        count += 1
        day = _stamps.day(str(date or ""))
        if day is None:
            sink.notes.add("smt.row.unreadable", f"read date {date!r} of {meter}", file=file)
            continue
        cells = {"start_reading": start, "end_reading": end, "value": value}
        numbers: dict[str, Any] = {name: _number(cell, sink, file) for name, cell in cells.items()}
        sink.registers.add(meter, LOAD, revision=made(revision, sink, file), usage_date=day, source=file, **numbers)
    return count


def _reads(doc: Doc) -> Iterator[list[Any]]:
    pending = str(doc.get("statusCode", "0")) not in ("0", "200")
    for shape, names in READS.items():
        if not (shape == "odrRead" and pending):
            for entry in items(doc, shape):
                yield [entry.get(name) if name else None for name in names]
    if str(doc.get("odrstatus", "")).upper() == "COMPLETED":
        yield [doc.get(name) if name else None for name in PORTAL_READ]


def bills(entries: list[Doc], meter: str, sink: Sink, file: str) -> int:
    """Take monthly usage to the bills, and give how many there are."""
    for entry in entries:
        start, end = (_stamps.day(str(entry.get(name) or "")) for name in BILL[:2])
        if start is None or end is None:
            sink.notes.add("smt.row.unreadable", f"bill from {entry.get('startdate')!r}", file=file)
            continue
        more = {name: cell for name, cell in entry.items() if name not in BILL and not isinstance(cell, dict | list)}
        kwh = _number(entry.get(BILL[2]), sink, file)
        sink.bills.add(meter, LOAD, more=more, start_date=start, end_date=end, value=kwh, source=file)
    return len(entries)


def _number(cell: Any, sink: Sink, file: str) -> float | None:
    if cell is None or not str(cell).strip():
        return None
    found = parse_amount(str(cell).strip(), ",")
    if found is None:
        sink.notes.add("smt.value.unreadable", repr(cell)[:40], file=file)
    return found


SLOTS: Final = 100
CLOCK: Final = 96
"""Quarter-hours that a clock shows in a day."""
_REPEATED: Final = range(8, 12)
_SKIPPED: Final = range(12, 16)
UNKNOWN: Final = "unknown"
_DEPTH: Final = 8
_SHAPES: Final = (
    *("energyData", "registeredReads", "odrRead", "intervaldata", "dailyData", "monthlyData"),
    "odrstatus",
)


def read(source: Source, sink: Sink, advance: Advance) -> None:
    """Read one file, of one or several JSON documents.

    Raises
    ------
    FormatError
        Damaged JSON; JSON of another shape; an error body, with SMT's own message, when the caller named the file.
    """
    with source.open() as file:
        raw = file.read()
    advance(len(raw))
    found = False
    for doc in _documents(decode_head(raw), source.name):
        for part in _parts(doc):
            found = True
            _part(part, source, sink)
    if not found:
        raise FormatError(
            f"this JSON holds none of {', '.join(_SHAPES)}: it is no answer of Smart Meter Texas", source=source.name
        )


def _documents(text: str, file: str) -> Iterator[Any]:
    """Give JSON documents that stand one after another."""
    decoder = json.JSONDecoder()
    text = text.rstrip("\x00\x1a \t\r\n,")
    at = 0
    while at < len(text):
        while text[at] in " \t\r\n,":
            at += 1
        try:
            doc, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as e:  # a number of thousands of digits is a plain ValueError
            line = text.count("\n", 0, getattr(e, "pos", at)) + 1
            raise FormatError("the JSON is damaged or cut: fetch it again", source=file, line=line) from None
        yield doc


def _parts(doc: Any, depth: int = 0) -> Iterator[Doc]:
    """Give the objects that hold data or an error, however they are wrapped."""
    if isinstance(doc, dict) and (any(shape in doc for shape in _SHAPES) or _error(doc)):
        yield doc
    elif isinstance(doc, dict | list) and depth < _DEPTH:
        for one in doc.values() if isinstance(doc, dict) else doc:
            yield from _parts(one, depth + 1)


def _error(doc: Doc) -> str:
    """Give SMT's message when the answer is an error."""
    code, message = doc.get("errorCode"), doc.get("errorMessage") or doc.get("errormessage")
    if code in (None, "", "0", 0) and (not message or any(items(doc, shape) for shape in _SHAPES)):
        return ""
    return f"{message or 'no message'}" + (f" (error {code})" if code else "")


def _part(doc: Doc, source: Source, sink: Sink) -> None:
    file = source.name
    error = _error(doc)
    if error:
        if source.named:
            raise FormatError(f"Smart Meter Texas answered with an error instead of data: {error}", source=file)
        sink.notes.add("smt.file.error", error, file=file)
        return
    meter = _meter(doc, file)
    if meter == UNKNOWN:
        sink.notes.add("smt.meter.unknown", file=file)
    place = sink.store.sources[file]
    counts = [
        _energy_data(items(doc, "energyData"), meter, place, sink, file),
        _labelled(items(doc, "intervaldata"), meter, place, sink, file),
        register_reads(doc, meter, sink, file),
        bills(items(doc, "monthlyData"), meter, sink, file),
    ]
    if not any(counts):
        sink.notes.add("smt.file.empty", file=file)


def _meter(doc: Doc, file: str) -> str:
    """Give the ESI ID, which may stand in a list of one."""
    found = doc.get("esiid") or doc.get("ESIID") or ""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    try:
        return _interval_csv.meter_id(str(found)) or UNKNOWN
    except FormatError as e:
        raise FormatError(str(e), source=file) from None


def _energy_data(entries: list[Doc], meter: str, source: int, sink: Sink, file: str) -> int:
    """Lay the slots of each day."""
    for i, entry in enumerate(entries):
        where = f"energyData {i + 1} of {meter}"
        day = _stamps.day(str(entry.get("DT", "")))
        channel = _channel(entry.get("RT"), sink, file)
        if day is None:
            sink.notes.add("smt.row.unreadable", f"{where}: DT is {entry.get('DT')!r}", file=file)
            continue
        raw = entry.get("RD") or ""
        text = ",".join(map(str, raw)) if isinstance(raw, list) else str(raw)
        if text.strip():
            values, statuses = _slots(text, sink, file, where)
            _lay_slots(values, statuses, meter, channel, day, made(entry.get("RevTS"), sink, file), source, sink, file)
        else:
            sink.notes.add("smt.api.slots", f"{where}: RD is empty", file=file)
    return len(entries)


def _slots(text: str, sink: Sink, file: str, where: str) -> tuple[list[float | None], list[int]]:
    """Read ``0.155-A,0.474-A,,…``; None marks a blank slot."""
    values: list[float | None] = []
    statuses: list[int] = []
    for k, token in enumerate(text.split(",")):
        body, dash, status = token.strip().rpartition("-")
        if not dash or status[:1].isdigit() or status[:1] == ".":
            body, status = token.strip(), ""  # no status, or the dash was a sign
        value = parse_number(body) if body else None
        if body and value is None:
            sink.notes.add("smt.value.unreadable", f"{where}, slot {k}: {token[:40]!r}", file=file)
            value = np.nan
        values.append(value)
        statuses.append(sink.store.code(status))
    return values, statuses


def _lay_slots(
    values: list[float | None],
    statuses: list[int],
    meter: str,
    channel: Channel,
    day: int,
    revision: int,
    source: int,
    sink: Sink,
    file: str,
) -> None:
    midnight, length = _stamps.midnight(day), _stamps.day_seconds(day)
    intervals = length // STEP
    while len(values) > SLOTS and values[-1] is None:
        values.pop()
    place = places(len(values), [v is None for v in values], intervals)
    name = f"{np.datetime64(day, 'D')} of {meter} {channel.flow}"
    if len(values) != SLOTS and place[-1] != intervals - 1:
        sink.notes.add("smt.api.slots", f"{name}: {len(values)}", file=file)
    elif len(values) == CLOCK < intervals:
        sink.notes.add("smt.time.repeated-hour", name, file=file)
    lost = [v for v, p in zip(values, place, strict=True) if p < 0 and v is not None]
    if lost:
        sink.notes.add("smt.time.skipped-hour", name, n=len(lost), file=file, kwh=float(np.nansum(lost)))
    kept = [k for k, p in enumerate(place) if p >= 0]
    if not kept:
        return
    at = np.array([place[k] for k in kept])
    begin = np.flatnonzero(np.append(True, np.diff(at) != 1))
    columns = {
        "meter": sink.store.meters[meter],
        "channel": sink.store.channels[channel],
        "source": source,
        "day": day,
        "length": length,
        "start": midnight + at[begin] * STEP * US,
        "step": STEP * US,
        "revision": _stamps.instants(np.array([revision], dtype=np.int64))[0],
        "first": begin,
        "rows": np.diff(begin, append=len(at)),
    }
    row_values = np.array([np.nan if values[k] is None else values[k] for k in kept], dtype=float)
    sink.store.add(blocks_of(columns, len(begin)), row_values, np.array([statuses[k] for k in kept], dtype=np.uint8))


def places(slots: int, blank: list[bool], intervals: int) -> list[int]:
    """Give the interval of the day that each slot is; -1 for a slot that stands for none.

    A day that is not written in 100 slots, but in just as many as it has intervals, is taken in order; one of 96
    slots on a day of change by the clock.

    Examples
    --------
    >>> places(100, [False] * 100, 100)[8:13]
    [8, 9, 10, 11, 12]
    >>> places(100, [8 <= i < 12 for i in range(100)], 96)[6:14]
    [6, 7, -1, -1, -1, -1, 8, 9]
    """
    if slots == CLOCK < intervals:
        return [i if i < 8 else i + 4 for i in range(slots)]
    if slots == CLOCK > intervals and all(blank[k] for k in _REPEATED):
        return [i if i < 8 else -1 if i in _REPEATED else i - 4 for i in range(slots)]
    if intervals == SLOTS or (slots == intervals and not all(blank[k] for k in _REPEATED)):
        return [i if i < SLOTS else -1 for i in range(slots)]
    spring = intervals < SLOTS - len(_REPEATED)
    out = []
    for i in range(slots):
        gone = i in _REPEATED or (spring and i in _SKIPPED) or i >= SLOTS
        out.append(-1 if gone else i if i < 8 else i - 4 - (4 if spring and i > _SKIPPED[-1] else 0))
    return out


def _labelled(entries: list[Doc], meter: str, source: int, sink: Sink, file: str) -> int:
    """Lay the portal's intervals, which carry a date and clock times."""
    rows: dict[Channel, list[tuple[int, int, int, float, int]]] = {LOAD: [], GENERATION: []}
    generates = any(entry.get("generation") or entry.get("generation_est_act") for entry in entries)
    for i, entry in enumerate(entries):
        day = _stamps.day(str(entry.get("date", "")))
        start, end = (_stamps.minute(str(entry.get(name, ""))) for name in ("starttime", "endtime"))
        if day is None or start is None or end is None:
            sink.notes.add("smt.row.unreadable", f"intervaldata {i + 1}", file=file)
            continue
        for channel, name in ((LOAD, "consumption"), (GENERATION, "generation")):
            value, status = entry.get(name), entry.get(f"{name}_est_act")
            if channel is GENERATION and not generates:
                continue
            cell = "" if value is None else str(value).strip()
            read_as = parse_number(cell) if cell else np.nan
            if read_as is None:
                sink.notes.add("smt.value.unreadable", f"intervaldata {i + 1}: {cell[:40]!r}", file=file)
                read_as = np.nan
            rows[channel].append((day, start, end, read_as, sink.store.code(str(status or ""))))
    odd = [part for channel, some in rows.items() for part in _lay_rows(some, meter, channel, source, sink)]
    _labels.settle(odd, sink.store, source, sink.notes)
    return len(entries)


def _lay_rows(
    some: list[tuple[int, int, int, float, int]], meter: str, channel: Channel, source: int, sink: Sink
) -> list[Rows]:
    if not some:
        return []
    day, start, end, value, code = zip(*some, strict=True)
    n = len(some)
    rows = Rows(
        meter=np.full(n, sink.store.meters[meter], dtype=np.int32),
        channel=np.full(n, sink.store.channels[channel], dtype=np.int32),
        day=np.array(day, dtype=np.int32),
        revision=np.full(n, _stamps.NEVER),
        start=np.array(start, dtype=np.int16),
        end=np.array(end, dtype=np.int16),
        value=np.array(value, dtype=float),
        code=np.array(code, dtype=np.uint8),
    )
    return _labels.lay(rows, sink.store, source)


def _channel(name: Any, sink: Sink, file: str) -> Channel:
    if not str(name or "").strip():
        sink.notes.add("smt.flow.assumed", file=file)
        return LOAD
    found = _codes.channel(str(name))
    if found not in (LOAD, GENERATION):
        sink.notes.add("smt.flow.other", found.flow, file=file)
    return found
