"""JSON of SMT's REST API and of its portal.

* ``energyData`` (15-minute reads): for each day ``RD`` holds 100 slots ``<kWh>-<status>``. Slot i < 8 is the
  interval i of the clock's day, slot i > 11 the interval i - 4; slots 8 to 11 are the repeated hour of autumn and
  blank on other days. In spring the slots 12 to 15 are blank too.
* ``registeredReads`` and ``odrRead`` (daily and on-demand register reads): go to the registers.
* ``intervaldata``, ``dailyData``, ``monthlyData`` (what the portal's pages get), which do not name the ESI ID.
* ``errorCode`` and ``errorMessage``: no data, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from greenkit.days import US
from greenkit.errors import FormatError
from greenkit.smt import codes, labels, stamps
from greenkit.smt.blocks import Store, blocks_of
from greenkit.smt.codes import GENERATION, LOAD, STEP, Channel
from greenkit.smt.labels import Rows
from greenkit.smt.notes import Notes
from greenkit.smt.tables import Table
from greenkit.smt.text import Advance, decode_head, number
from greenkit.sources import Source

Doc = Mapping[str, Any]
SLOTS: Final = 100
_REPEATED: Final = range(8, 12)
_SKIPPED: Final = range(12, 16)
UNKNOWN: Final = "unknown"
_SHAPES: Final = ("energyData", "registeredReads", "odrRead", "intervaldata", "dailyData", "monthlyData")


@dataclass
class Sink:
    """Where what is read goes."""

    store: Store
    registers: Table
    bills: Table
    notes: Notes


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
    text = text.rstrip("\x00\x1a \t\r\n")
    at = 0
    while at < len(text):
        while text[at] in " \t\r\n,":
            at += 1
        try:
            doc, at = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as e:
            line = text.count("\n", 0, getattr(e, "pos", at)) + 1
            raise FormatError("the JSON is damaged or cut: fetch it again", source=file, line=line) from None
        yield doc


def _parts(doc: Any, depth: int = 0) -> Iterator[Doc]:
    """Give the objects that hold data or an error, however they are wrapped."""
    if isinstance(doc, list):
        for one in doc:
            yield from _parts(one, depth + 1)
    elif isinstance(doc, dict):
        if any(shape in doc for shape in _SHAPES) or _error(doc):
            yield doc
        elif depth < 6:
            for one in doc.values():
                if isinstance(one, dict | list):
                    yield from _parts(one, depth + 1)


def _error(doc: Doc) -> str:
    """Give SMT's message when the answer is an error."""
    code, message = doc.get("errorCode"), doc.get("errorMessage") or doc.get("errormessage")
    if code in (None, "", "0", 0) and not message:
        return ""
    return f"{message or 'no message'} (error {code})"


def _part(doc: Doc, source: Source, sink: Sink) -> None:
    file = source.name
    error = _error(doc)
    if error:
        if source.named:
            raise FormatError(f"Smart Meter Texas answered with an error instead of data: {error}", source=file)
        sink.notes.add("smt.file.error", error, file=file)
        return
    meter = str(doc.get("esiid") or doc.get("ESIID") or "").strip(" '\"") or UNKNOWN
    if meter == UNKNOWN:
        sink.notes.add("smt.meter.unknown", file=file)
    place = sink.store.sources[file]
    counts = [
        _energy_data(_list(doc, "energyData"), meter, place, sink, file),
        _labelled(_list(doc, "intervaldata"), meter, place, sink, file),
        _register_reads(doc, meter, sink, file),
        _bills(_list(doc, "monthlyData"), meter, sink, file),
    ]
    if not any(counts):
        sink.notes.add("smt.file.empty", file=file)


def _list(doc: Doc, name: str) -> list[Doc]:
    found = doc.get(name)
    items = found if isinstance(found, list) else [] if found is None else [found]
    return [item for item in items if isinstance(item, dict)]


def _energy_data(entries: list[Doc], meter: str, source: int, sink: Sink, file: str) -> int:
    """Lay the slots of each day."""
    for i, entry in enumerate(entries):
        where = f"energyData {i + 1} of {meter}"
        day = stamps.day(str(entry.get("DT", "")))
        channel = _channel(entry.get("RT"), sink, file)
        if day is None:
            sink.notes.add("smt.row.unreadable", f"{where}: DT is {entry.get('DT')!r}", file=file)
            continue
        values, statuses = _slots(str(entry.get("RD") or ""), sink, file, where)
        _lay_slots(values, statuses, meter, channel, day, _revision(entry.get("RevTS")), source, sink, file)
    return len(entries)


def _slots(text: str, sink: Sink, file: str, where: str) -> tuple[list[float | None], list[int]]:
    """Read ``0.155-A,0.474-A,,…``; None marks a blank slot."""
    values: list[float | None] = []
    statuses: list[int] = []
    for k, token in enumerate(text.split(",")):
        body, dash, status = token.strip().rpartition("-")
        if not dash or status[:1].isdigit() or status[:1] == ".":
            body, status = token.strip(), ""  # no status, or the dash was a sign
        value = number(body) if body else None
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
    midnight, length = stamps.midnight(day), stamps.day_seconds(day)
    intervals = length // STEP
    place = places(len(values), [v is None for v in values], intervals)
    name = f"{np.datetime64(day, 'D')} of {meter} {channel.flow}"
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
        "revision": stamps.instants(np.array([revision], dtype=np.int64))[0],
        "first": begin,
        "rows": np.diff(begin, append=len(at)),
    }
    row_values = np.array([np.nan if values[k] is None else values[k] for k in kept], dtype=float)
    sink.store.add(blocks_of(columns, len(begin)), row_values, np.array([statuses[k] for k in kept], dtype=np.uint8))


def places(slots: int, blank: list[bool], intervals: int) -> list[int]:
    """Give the interval of the day that each slot is; -1 for a slot that stands for none.

    A day that is not written in 100 slots, but in just as many as it has intervals, is taken in order.

    Examples
    --------
    >>> places(100, [False] * 100, 100)[8:13]
    [8, 9, 10, 11, 12]
    >>> places(100, [8 <= i < 12 for i in range(100)], 96)[6:14]
    [6, 7, -1, -1, -1, -1, 8, 9]
    """
    if slots == intervals and not all(blank[k] for k in _REPEATED):
        return list(range(slots))
    if intervals == SLOTS:
        return list(range(slots))
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
        day = stamps.day(str(entry.get("date", "")))
        start, end = (stamps.minute(str(entry.get(name, ""))) for name in ("starttime", "endtime"))
        if day is None or start is None or end is None:
            sink.notes.add("smt.row.unreadable", f"intervaldata {i + 1}", file=file)
            continue
        for channel, name in ((LOAD, "consumption"), (GENERATION, "generation")):
            value, status = entry.get(name), entry.get(f"{name}_est_act")
            if channel is GENERATION and not generates:
                continue
            cell = "" if value is None else str(value).strip()
            read_as = number(cell) if cell else np.nan
            if read_as is None:
                sink.notes.add("smt.value.unreadable", f"intervaldata {i + 1}: {cell[:40]!r}", file=file)
                read_as = np.nan
            rows[channel].append((day, start, end, read_as, sink.store.code(str(status or ""))))
    odd = [part for channel, some in rows.items() for part in _lay_rows(some, meter, channel, source, sink)]
    labels.settle(odd, sink.store, source, sink.notes)
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
        revision=np.full(n, stamps.NEVER),
        start=np.array(start, dtype=np.int16),
        end=np.array(end, dtype=np.int16),
        value=np.array(value, dtype=float),
        code=np.array(code, dtype=np.uint8),
    )
    return labels.lay(rows, sink.store, source)


def _register_reads(doc: Doc, meter: str, sink: Sink, file: str) -> int:
    reads = [
        *(
            (
                r.get("readDate"),
                r.get("revisionDate"),
                r.get("startReading"),
                r.get("endReading"),
                r.get("energyDataKwh"),
            )
            for r in _list(doc, "registeredReads")
        ),
        *((r.get("readDate"), None, None, r.get("registeredRead"), None) for r in _list(doc, "odrRead")),
        *(
            (r.get("date"), r.get("revisiondate"), r.get("startreading"), r.get("endreading"), r.get("reading"))
            for r in _list(doc, "dailyData")
        ),
    ]
    pending = bool(_list(doc, "odrRead")) and str(doc.get("statusCode", "0")) not in ("0", "200")
    for date, revision, start, end, value in [] if pending else reads:
        day = stamps.day(str(date or ""))
        if day is None:
            sink.notes.add("smt.row.unreadable", f"read date {date!r} of {meter}", file=file)
            continue
        numbers = {"start_reading": start, "end_reading": end, "value": value}
        found: dict[str, Any] = {
            n: number(str(text)) if text not in (None, "") else None for n, text in numbers.items()
        }
        sink.registers.add(meter, LOAD, revision=_revision(revision), usage_date=day, source=file, **found)
    return 0 if pending else len(reads)


def _bills(entries: list[Doc], meter: str, sink: Sink, file: str) -> int:
    for entry in entries:
        start, end = (stamps.day(str(entry.get(name) or "")) for name in ("startdate", "enddate"))
        if start is None or end is None:
            sink.notes.add("smt.row.unreadable", f"bill from {entry.get('startdate')!r}", file=file)
            continue
        value = entry.get("actl_kwh_usg")
        kwh = number(str(value)) if value not in (None, "") else None
        known = ("startdate", "enddate", "actl_kwh_usg")
        more = {k: v for k, v in entry.items() if k not in known and not isinstance(v, dict | list)}
        sink.bills.add(meter, LOAD, **{**more, "start_date": start, "end_date": end, "value": kwh, "source": file})
    return len(entries)


def _channel(name: Any, sink: Sink, file: str) -> Channel:
    if not str(name or "").strip():
        sink.notes.add("smt.flow.assumed", file=file)
        return LOAD
    found = codes.channel(str(name))
    if found not in (LOAD, GENERATION):
        sink.notes.add("smt.flow.other", found.flow, file=file)
    return found


def _revision(text: Any) -> int:
    found = stamps.stamp(str(text)) if text else None
    return stamps.NEVER if found is None else found
