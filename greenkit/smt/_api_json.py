"""JSON of SMT's REST API and of its portal.

* ``energyData`` (15-minute reads): for each day, ``RD`` has 100 slots ``<kWh>-<status>``. Slot i < 8 is interval i of
  the day, and slot i > 11 is interval i - 4. Slots 8 to 11 are the second of the two hours from 01:00, and blank except
  on the fall-back day. On the spring-forward day, slots 12 to 15 are blank too.
* ``registeredReads`` and ``odrRead`` (daily and on-demand register reads) go to the registers, as does the portal's
  on-demand read, which has ``odrstatus`` beside it.
* ``intervaldata``, ``dailyData``, ``monthlyData`` (which the portal's pages load) do not state the ESI ID.
* ``errorCode`` and ``errorMessage``: no data, and why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from greenkit.errors import FormatError, OtherFormat
from greenkit.smt import _codes, _labels, _stamps
from greenkit.smt._blocks import make_blocks
from greenkit.smt._codes import GENERATION, LOAD, STEP, Channel
from greenkit.smt._findings import (
    FILE_EMPTY,
    FILE_ERROR,
    FLOW_ASSUMED,
    FLOW_OTHER,
    METER_UNKNOWN,
    READ_FAILED,
    READ_PENDING,
    REPEATED_HOUR,
    REVISION_UNREADABLE,
    ROW_UNREADABLE,
    SKIPPED_HOUR,
    SLOTS,
    VALUE_UNREADABLE,
    masked,
)
from greenkit.smt._interval_csv import parse_meter_id
from greenkit.smt._labels import Rows
from greenkit.smt._tables import ReadTargets
from greenkit.sources import Source, printable
from greenkit.text import Advance, decode_head, parse_amount, parse_number
from greenkit.times import US

Doc = Mapping[str, Any]

# Names under which an answer has its data.
SHAPES: Final = (
    *("energyData", "registeredReads", "odrRead", "intervaldata", "dailyData", "monthlyData"),
    "odrstatus",
)
# Shape → the names of a read's date, revision, readings at the start and at the end, and energy; None if it has none.
READS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "registeredReads": ("readDate", "revisionDate", "startReading", "endReading", "energyDataKwh"),
    "odrRead": ("readDate", None, None, "registeredRead", None),
    "dailyData": ("date", "revisiondate", "startreading", "endreading", "reading"),
}
# The portal's on-demand read, beside its status. It is not known from when its odrusage counts, so that is not read.
PORTAL_READ: Final = ("odrdate", None, None, "odrread", None)
COMPLETED: Final = "COMPLETED"
PENDING: Final = ("PENDING", "PEN", "SUBMITTED", "REQUESTED", "IN-PROGRESS", "IN_PROGRESS", "PROCESSING", "ACK")
"""Statuses of an on-demand read that may still succeed."""
BILL: Final = ("startdate", "enddate", "actl_kwh_usg")
SLOTS_OF_A_DAY: Final = 100
CLOCK: Final = 96
"""Quarter-hours that a clock shows in a day."""
UNKNOWN: Final = "unknown"
"""Meter of an answer without an ESI ID."""
_REPEATED: Final = range(8, 12)
_SKIPPED: Final = range(12, 16)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_DEPTH: Final = 8
"""How deep an answer may be nested in other objects."""


def read(source: Source, targets: ReadTargets, advance: Advance) -> None:
    """Read a file with one or several JSON documents.

    Raises
    ------
    FormatError
        If the JSON is damaged or contains none of SMT's names, or if it is an error message of SMT and the caller named
        the file.
    """
    with source.open() as file:
        raw = file.read()
    advance(len(raw))
    is_smt = False
    text = decode_head(raw)
    for doc in _documents(text, source.name):
        for part in _parts(doc):
            is_smt = True
            _read_part(part, source, targets)
    if not is_smt:
        raise OtherFormat(
            f"This JSON contains none of {', '.join(SHAPES)}, so it is not an answer of Smart Meter Texas",
            source=source.name,
            next_step="Check that this is the file you meant to load.",
        )


def has_names_of_smt(text: str) -> bool:
    """Return whether a JSON text has one of the names of SMT's answers."""
    return any(f'"{name}"' in text for name in (*SHAPES, "errorCode", "errorMessage", "errormessage"))


def _documents(text: str, file: str) -> Iterator[Any]:
    """Yield the JSON documents of a text, which may follow one another."""
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
            error = FormatError if has_names_of_smt(text) else OtherFormat
            raise error(
                "The JSON is damaged or truncated", source=file, line=line, next_step="Download the file again."
            ) from None
        # an escape such as \\ud800 without its partner is a text that no column can contain
        yield _without_surrogates(doc) if _SURROGATE.search(text) else doc


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {printable(name): _without_surrogates(one) for name, one in value.items()}
    return value


def _parts(doc: Any, depth: int = 0) -> Iterator[Doc]:
    """Yield the objects that have data or an error message, however they are nested."""
    if isinstance(doc, dict) and (any(shape in doc for shape in SHAPES) or _error(doc)):
        yield doc
    elif isinstance(doc, dict | list) and depth < _DEPTH:
        for one in doc.values() if isinstance(doc, dict) else doc:
            yield from _parts(one, depth + 1)


def _error(doc: Doc) -> str:
    """Return SMT's message if the answer is an error, else an empty string."""
    code, message = doc.get("errorCode"), doc.get("errorMessage") or doc.get("errormessage")
    if code in (None, "", "0", 0) and (not message or any(_items(doc, shape) for shape in SHAPES)):
        return ""
    return f"{message or 'no message'}" + (f" (error {code})" if code else "")


def _read_part(doc: Doc, source: Source, targets: ReadTargets) -> None:
    file = source.name
    error = _error(doc)
    if error:
        if source.named:
            raise FormatError(
                f"Smart Meter Texas answered with an error instead of data: {error}",
                source=file,
                next_step="Correct the request, and send it again.",
            )
        targets.counter.add(FILE_ERROR, error, file=file)
        return
    state = _state_of_read(doc)
    if state:
        targets.counter.add(READ_PENDING if state in PENDING else READ_FAILED, f"status {state}", file=file)
        return
    meter = _meter(doc, file)
    if meter == UNKNOWN:
        targets.counter.add(METER_UNKNOWN, file=file)
    place = targets.store.sources[file]
    counts = [
        _read_energy_data(_items(doc, "energyData"), meter, place, targets, file),
        _read_labeled(_items(doc, "intervaldata"), meter, place, targets, file),
        _read_registers(doc, meter, targets, file),
        _read_bills(_items(doc, "monthlyData"), meter, targets, file),
    ]
    if not any(counts):
        targets.counter.add(FILE_EMPTY, file=file)


def _state_of_read(doc: Doc) -> str:
    """Return the status of an on-demand read that has no reading, else an empty string."""
    if any(_items(doc, shape) for shape in SHAPES if shape != "odrRead"):
        return ""
    state = str(doc.get("odrstatus") or "").upper()
    if not state and _items(doc, "odrRead") and str(doc.get("statusCode", "0")) not in ("0", "200"):
        state = str(doc.get("statusCode")).upper()
    if not state or state == COMPLETED:
        return ""
    return state if re.fullmatch(r"[A-Z0-9_-]{1,20}", state) else "unknown"


def _items(doc: Doc, name: str) -> list[Doc]:
    """Return the objects under a name, which may be a list of them, one alone, or none."""
    value = doc.get(name)
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]


def _meter(doc: Doc, file: str) -> str:
    """Return the ESI ID, which may be in a list of one."""
    value = doc.get("esiid") or doc.get("ESIID") or ""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        return parse_meter_id(str(value)) or UNKNOWN
    except FormatError as e:
        raise FormatError(e.problem, source=file, next_step=e.next_step) from None


def _channel(name: Any, targets: ReadTargets, file: str) -> Channel:
    if not str(name or "").strip():
        targets.counter.add(FLOW_ASSUMED, file=file)
        return LOAD
    channel = _codes.channel(str(name))
    if channel not in (LOAD, GENERATION):
        targets.counter.add(FLOW_OTHER, file=file)
    return channel


def _revision(text: Any, targets: ReadTargets, file: str) -> int:
    """Return when a version was made, in local microseconds; NEVER if it is not stated or cannot be read."""
    revision = _stamps.parse_revision(str(text or ""))
    if revision is None:
        targets.counter.add(REVISION_UNREADABLE, masked(text), file=file)
        return _stamps.NEVER
    return revision


# -- energyData: slots


def _read_energy_data(entries: list[Doc], meter: str, source: int, targets: ReadTargets, file: str) -> int:
    """Place the slots of each day, and return the number of entries."""
    for i, entry in enumerate(entries):
        where = f"energyData {i + 1} of {meter}"
        day = _stamps.parse_day(str(entry.get("DT", "")))
        channel = _channel(entry.get("RT"), targets, file)
        if day is None:
            targets.counter.add(ROW_UNREADABLE, f"{where}: DT is {masked(entry.get('DT'))}", file=file)
            continue
        raw = entry.get("RD") or ""
        text = ",".join(map(str, raw)) if isinstance(raw, list) else str(raw)
        if text.strip():
            values, statuses = _parse_slots(text, targets, file, where)
            revision = _revision(entry.get("RevTS"), targets, file)
            _place_slots(values, statuses, meter, channel, day, revision, source, targets, file)
        else:
            targets.counter.add(SLOTS, f"{where}: RD is empty", file=file)
    return len(entries)


def _parse_slots(text: str, targets: ReadTargets, file: str, where: str) -> tuple[list[float | None], list[int]]:
    """Parse ``0.155-A,0.474-A,,…`` into values and statuses; the value of a blank slot is None."""
    values: list[float | None] = []
    statuses: list[int] = []
    for k, token in enumerate(text.split(",")):
        body, dash, status = token.strip().rpartition("-")
        if not dash or status[:1].isdigit() or status[:1] == ".":
            body, status = token.strip(), ""  # there is no status, or the dash was a sign
        value = parse_number(body) if body else None
        if body and value is None:
            targets.counter.add(VALUE_UNREADABLE, f"{where}, slot {k}: {masked(token)}", file=file)
            value = np.nan
        values.append(value)
        statuses.append(targets.store.code(status))
    return values, statuses


def _place_slots(
    values: list[float | None],
    statuses: list[int],
    meter: str,
    channel: Channel,
    day: int,
    revision: int,
    source: int,
    targets: ReadTargets,
    file: str,
) -> None:
    """Store the slots of one day at their places."""
    midnight, length = _stamps.midnight(day), _stamps.day_seconds(day)
    intervals = length // STEP
    while len(values) > SLOTS_OF_A_DAY and values[-1] is None:
        values.pop()
    place = places_of_slots(len(values), [v is None for v in values], intervals)
    name = f"{np.datetime64(day, 'D')} of {meter} {channel.flow}"
    if len(values) != SLOTS_OF_A_DAY and place[-1] != intervals - 1:
        targets.counter.add(SLOTS, f"{name}: {len(values)}", file=file)
    elif len(values) == CLOCK < intervals:
        targets.counter.add(REPEATED_HOUR, name, file=file)
    lost = [v for v, p in zip(values, place, strict=True) if p < 0 and v is not None]
    if lost:
        targets.counter.add(SKIPPED_HOUR, name, n=len(lost), file=file, kwh=float(np.nansum(lost)))
    kept = [k for k, p in enumerate(place) if p >= 0]
    if not kept:
        return
    # at: the interval of the day that each kept slot is. A block begins where it does not grow by 1:
    # at = [6, 7, 12, 13] → begin = [0, 2]
    at = np.array([place[k] for k in kept])
    begin = np.flatnonzero(np.append(True, np.diff(at) != 1))
    columns = {
        "meter": targets.store.meters[meter],
        "channel": targets.store.channels[channel],
        "source": source,
        "day": day,
        "length": length,
        "start": midnight + at[begin] * STEP * US,
        "step": STEP * US,
        "revision": _stamps.revision_instants(np.array([revision], dtype=np.int64))[0],
        "first": begin,
        "rows": np.diff(begin, append=len(at)),
    }
    row_values = np.array([np.nan if values[k] is None else values[k] for k in kept], dtype=float)
    codes = np.array([statuses[k] for k in kept], dtype=np.uint8)
    targets.store.add(make_blocks(columns, len(begin)), row_values, codes)


def places_of_slots(slots: int, blank: list[bool], intervals: int) -> list[int]:
    """Return the interval of the day that each slot is, or -1 for a slot outside the day.

    A day without 100 slots, but with as many slots as it has intervals, is in order. One with 96 slots on a day when
    clocks change is by the clock.

    Parameters
    ----------
    slots : int
        Number of slots.
    blank : list of bool
        Whether each slot is blank.
    intervals : int
        Number of intervals of the day: 92, 96 or 100.

    Examples
    --------
    >>> places_of_slots(100, [False] * 100, 100)[8:13]
    [8, 9, 10, 11, 12]
    >>> places_of_slots(100, [8 <= i < 12 for i in range(100)], 96)[6:14]
    [6, 7, -1, -1, -1, -1, 8, 9]
    """
    if slots == CLOCK < intervals:
        return [i if i < 8 else i + 4 for i in range(slots)]
    if slots == CLOCK > intervals and all(blank[k] for k in _REPEATED):
        return [i if i < 8 else -1 if i in _REPEATED else i - 4 for i in range(slots)]
    if intervals == SLOTS_OF_A_DAY or (slots == intervals and not all(blank[k] for k in _REPEATED)):
        return [i if i < SLOTS_OF_A_DAY else -1 for i in range(slots)]
    is_spring = intervals < SLOTS_OF_A_DAY - len(_REPEATED)
    out = []
    for i in range(slots):
        is_none = i in _REPEATED or (is_spring and i in _SKIPPED) or i >= SLOTS_OF_A_DAY
        out.append(-1 if is_none else i if i < 8 else i - 4 - (4 if is_spring and i > _SKIPPED[-1] else 0))
    return out


# -- intervaldata: labeled rows


def _read_labeled(entries: list[Doc], meter: str, source: int, targets: ReadTargets, file: str) -> int:
    """Place the portal's intervals, which have a date and clock times, and return the number of entries."""
    rows: dict[Channel, list[tuple[int, int, int, float, int]]] = {LOAD: [], GENERATION: []}
    generates = any(entry.get("generation") or entry.get("generation_est_act") for entry in entries)
    for i, entry in enumerate(entries):
        day = _stamps.parse_day(str(entry.get("date", "")))
        start, end = (_stamps.parse_minute(str(entry.get(name, ""))) for name in ("starttime", "endtime"))
        if day is None or start is None or end is None:
            targets.counter.add(ROW_UNREADABLE, f"intervaldata {i + 1}", file=file)
            continue
        for channel, name in ((LOAD, "consumption"), (GENERATION, "generation")):
            raw, status = entry.get(name), entry.get(f"{name}_est_act")
            if channel is GENERATION and not generates:
                continue
            cell = "" if raw is None else str(raw).strip()
            value = parse_number(cell) if cell else np.nan
            if value is None:
                targets.counter.add(VALUE_UNREADABLE, f"intervaldata {i + 1}: {masked(cell)}", file=file)
                value = np.nan
            rows[channel].append((day, start, end, value, targets.store.code(str(status or ""))))
    odd = [part for channel, some in rows.items() for part in _place_labeled(some, meter, channel, source, targets)]
    _labels.place_by_label(odd, targets.store, source, targets.counter)
    return len(entries)


def _place_labeled(
    some: list[tuple[int, int, int, float, int]], meter: str, channel: Channel, source: int, targets: ReadTargets
) -> list[Rows]:
    if not some:
        return []
    day, start, end, value, code = zip(*some, strict=True)
    n = len(some)
    rows = Rows(
        meter=np.full(n, targets.store.meters[meter], dtype=np.int32),
        channel=np.full(n, targets.store.channels[channel], dtype=np.int32),
        day=np.array(day, dtype=np.int32),
        revision=np.full(n, _stamps.NEVER),
        start=np.array(start, dtype=np.int16),
        end=np.array(end, dtype=np.int16),
        value=np.array(value, dtype=float),
        code=np.array(code, dtype=np.uint8),
    )
    return _labels.place_whole_days(rows, targets.store, source)


# -- register reads and bills


def _read_registers(doc: Doc, meter: str, targets: ReadTargets, file: str) -> int:
    """Add daily and on-demand reads to the registers, and return their number."""
    count = 0
    for date, made, start, end, value in _reads(doc):
        count += 1
        day = _stamps.parse_day(str(date or ""))
        if day is None:
            targets.counter.add(ROW_UNREADABLE, f"read date {masked(date)} of {meter}", file=file)
            continue
        cells = {"start_reading": start, "end_reading": end, "value": value}
        numbers: dict[str, Any] = {name: _number(cell, targets, file) for name, cell in cells.items()}
        revision = _revision(made, targets, file)
        targets.registers.add(meter, LOAD, revision=revision, usage_date=day, source=file, **numbers)
    return count


def _reads(doc: Doc) -> Iterator[list[Any]]:
    """Yield date, revision, both readings and the energy of each read."""
    is_pending = str(doc.get("statusCode", "0")) not in ("0", "200")
    for shape, names in READS.items():
        if not (shape == "odrRead" and is_pending):
            for entry in _items(doc, shape):
                yield [entry.get(name) if name else None for name in names]
    if str(doc.get("odrstatus", "")).upper() == COMPLETED:
        yield [doc.get(name) if name else None for name in PORTAL_READ]


def _read_bills(entries: list[Doc], meter: str, targets: ReadTargets, file: str) -> int:
    """Add monthly usage to the bills, and return the number of entries."""
    for entry in entries:
        start, end = (_stamps.parse_day(str(entry.get(name) or "")) for name in BILL[:2])
        if start is None or end is None:
            targets.counter.add(ROW_UNREADABLE, f"bill from {masked(entry.get('startdate'))}", file=file)
            continue
        more = {name: cell for name, cell in entry.items() if name not in BILL and not isinstance(cell, dict | list)}
        kwh = _number(entry.get(BILL[2]), targets, file)
        targets.bills.add(meter, LOAD, more=more, start_date=start, end_date=end, value=kwh, source=file)
    return len(entries)


def _number(cell: Any, targets: ReadTargets, file: str) -> float | None:
    if cell is None or not str(cell).strip():
        return None
    value = parse_amount(str(cell).strip(), ",")
    if value is None:
        targets.counter.add(VALUE_UNREADABLE, masked(cell), file=file)
    return value
