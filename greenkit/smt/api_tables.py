"""Register reads and bills in the JSON of SMT: ``registeredReads``, ``odrRead``, ``dailyData``, ``monthlyData``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from greenkit.smt import stamps
from greenkit.smt.codes import LOAD
from greenkit.smt.tables import Sink
from greenkit.text import parse_amount

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
    found = stamps.revision(str(text or ""))
    if found is None:
        sink.notes.add("smt.revision.unreadable", repr(text)[:40], file=file)
        return stamps.NEVER
    return found


def register_reads(doc: Doc, meter: str, sink: Sink, file: str) -> int:
    """Take daily and on-demand reads to the registers, and give how many there are."""
    count = 0
    for date, revision, start, end, value in _reads(doc):
        count += 1
        day = stamps.day(str(date or ""))
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
        start, end = (stamps.day(str(entry.get(name) or "")) for name in BILL[:2])
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
