"""The findings of Smart Meter Texas files: each kind once, however many rows, days or files it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from greenkit.errors import FormatError
from greenkit.findings import Count, Findings

_SHOWN: Final = 5

# name → (severity, sentence). {n:…} counts what is concerned, or agrees with the count; {first} is the first of it.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    # files
    "smt.file.none": ("warning", "There is no file to read: look at the path."),
    "smt.file.empty": ("warning", "{n:file} {n:holds|hold} no readings, first {first}: ask SMT for the data again."),
    "smt.file.skipped": (
        "warning",
        "{n:file} {n:holds|hold} no meter data that greenkit reads and {n:was|were} left out, first {first}.",
    ),
    "smt.file.error": ("serious", "{n:answer} of SMT {n:is an error|are errors} instead of data, first {first}."),
    "smt.file.headerless": ("info", "{n:CSV file} {n:has|have} no header; the columns were taken in SMT's order."),
    "smt.file.other-reads": (
        "info",
        "{n:row} {n:is|are} register reads or bills: see open_smt(…).registers and .bills.",
    ),
    "smt.format.twice": (
        "info",
        "{n:interval} came as Green Button XML and in another format, first {first}; the other format was kept.",
    ),
    "smt.file.cut": (
        "serious",
        "{n:file} {n:ends|end} in the middle of a row, first {first}: what may be cut was left out; fetch the file "
        "again.",
    ),
    # rows
    "smt.row.unreadable": ("serious", "{n:row} cannot be read and {n:was|were} left out, first {first}."),
    "smt.row.repeated-header": (
        "info",
        "{n:header line} {n:stands|stand} again among the rows, as after a concatenation.",
    ),
    "smt.flow.assumed": (
        "info",
        "{n:file} {n:does|do} not say consumption or generation; it was taken as consumption.",
    ),
    "smt.flow.other": (
        "warning",
        "{n:channel} {n:is|are} neither load nor generation, first {first}: the name was kept.",
    ),
    "smt.unit.other": (
        "serious",
        "{n:record} {n:is|are} not in kWh and {n:was|were} not converted, first {first}: see column unit.",
    ),
    "smt.meter.unknown": ("warning", "{n:file} {n:names|name} no ESI ID; the meter is called unknown."),
    "smt.revision.unreadable": (
        "warning",
        "{n:revision} cannot be read, first {first}: a day with such a one counts as older than any other.",
    ),
    # values
    "smt.value.unreadable": (
        "serious",
        "{n:value} {n:is no number|are no numbers} and {n:is|are} missing, first {first}.",
    ),
    "smt.value.missing": ("warning", "{n:interval} {n:has|have} no value, first {first}; sums leave {n:it|them} out."),
    "smt.value.negative": ("warning", "{n:value} {n:is|are} negative and {n:was|were} kept, first {first}."),
    "smt.value.zero-estimated": (
        "warning",
        "{n:value} {n:is an estimated zero|are estimated zeros}, first {first}: TDSPs write 0,E where they hold no "
        "data, so the energy may be missing rather than zero.",
    ),
    "smt.quality.other": (
        "info",
        "{n:value} {n:has|have} no status or one other than A and E, first {first}: see quality_code.",
    ),
    # days
    "smt.day.incomplete": ("warning", "{n:day} {n:lacks|lack} intervals, first {first}; nothing was filled in."),
    "smt.day.duplicate": ("info", "{n:day} came more than once in the same words, first {first}; one was kept."),
    "smt.day.conflict": (
        "warning",
        "{n:day} came more than once with different values and the same revision, first {first}; the later "
        "reading was kept.",
    ),
    "smt.day.overlap": ("serious", "{n:day} {n:holds|hold} intervals that overlap, first {first}; all were kept."),
    "smt.day.replaced": ("info", "{n:day} {n:was|were} replaced by a newer revision, first {first}."),
    "smt.day.shortened": (
        "warning",
        "{n:day} {n:has|have} a newest revision with fewer intervals than an older one, first {first}: compare them "
        'with revisions="all".',
    ),
    "smt.time.skipped-hour": (
        "serious",
        "{n:value} {n:stands|stand} in an hour that the day does not have, so {n:it has|they have} no instant and "
        "{n:was|were} left out, first {first}.",
    ),
    "smt.time.repeated-hour": (
        "warning",
        "{n:day} of the autumn change {n:is|are} not whole or not in order, first {first}: which of the two hours from "
        "01:00 a reading belongs to was told by its order.",
    ),
    "smt.time.day-first": (
        "warning",
        "{n:file} {n:holds|hold} the same day of several months and no other, first {first}: if another program has "
        "put the day before the month, the dates are wrong; export it again.",
    ),
    # JSON
    "smt.api.slots": (
        "serious",
        "{n:day} {n:is|are} not written in 100 slots, first {first}: laid as if the last slots were cut off.",
    ),
    # LSE
    "smt.lse.count": (
        "serious",
        "{n:record} {n:does|do} not hold as many intervals as lie between start and stop, first {first}; they were "
        "laid from the start on.",
    ),
    "smt.lse.stop": ("warning", "{n:record} {n:has|have} no readable stop after the start, first {first}."),
    "smt.lse.beyond": (
        "serious",
        "{n:interval} {n:lies|lie} beyond the last day of the record and {n:was|were} left out, first {first}.",
    ),
    "smt.lse.sort-code": (
        "serious",
        "{n:record} {n:has|have} gaps in the sort codes, first {first}: detail rows may be lost.",
    ),
    "smt.lse.no-details": ("warning", "{n:record} {n:has|have} a header and no intervals, first {first}."),
    "smt.lse.orphan": (
        "serious",
        "{n:line} {n:stands|stand} before the first header and {n:was|were} left out, first {first}.",
    ),
    "smt.lse.invalid": (
        "warning",
        "{n:record} {n:carries|carry} the invalid-record flag, first {first}; kept as {n:it is|they are}.",
    ),
    "smt.lse.time": (
        "serious",
        "{n:interval} {n:carries|carry} a time that cannot be read, first {first}; {n:it follows|they follow} the one"
        " before.",
    ),
    "smt.lse.joined": (
        "warning",
        "{n:record} {n:begins|begin} in the middle of a line, first {first}: files without a last line end were put "
        "together, so the value before may be cut.",
    ),
    "smt.lse.multiplier": (
        "warning",
        "{n:record} {n:carries|carry} a pulse multiplier or offset, first {first}: values were taken as energy, as "
        "they stand.",
    ),
    "smt.lse.interval": (
        "warning",
        "{n:record} {n:has|have} no readable seconds per interval, first {first}; 900 was taken.",
    ),
}


@dataclass
class _Tally:
    n: int = 0
    first: str = ""
    examples: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    kwh: float | None = None


class Notes:
    """Counts what is doubtful while files are read; with ``strict`` the first of it is an error instead.

    Parameters
    ----------
    strict : bool
        Raise FormatError for whatever would be a finding of severity warning or serious.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._tallies: dict[str, _Tally] = {}

    def add(
        self,
        name: str,
        example: str = "",
        *,
        n: int = 1,
        file: str = "",
        line: int | None = None,
        kwh: float | None = None,
    ) -> None:
        """Count one thing (or ``n`` alike), with where it is."""
        tally = self._tallies.setdefault(name, _Tally())
        where = file + (f", line {line}" if line is not None else "")
        shown = f"{where}: {example}" if where and example else where or example
        tally.n += n
        tally.first = tally.first or shown
        if len(tally.examples) < _SHOWN:
            tally.examples.append(shown)
        if file and (file in tally.files or len(tally.files) < _SHOWN):
            tally.files[file] = tally.files.get(file, 0) + n
        if kwh is not None:
            tally.kwh = (tally.kwh or 0.0) + kwh
        severity, _ = KINDS[name]
        if self._strict and severity != "info":
            raise FormatError(self._text(name), source=file or None, line=line)

    def _text(self, name: str) -> str:
        tally = self._tallies[name]
        return KINDS[name][1].format(n=Count(tally.n), first=tally.first)

    def findings(self) -> Findings:
        """Give them as findings, in the order in which they were first met."""
        found = Findings()
        for name, tally in self._tallies.items():
            evidence = {"count": tally.n, "examples": tally.examples, "files": tally.files}
            if tally.kwh is not None:
                evidence["kwh"] = round(tally.kwh, 6)
            found.add(name, self._text(name), severity=KINDS[name][0], **evidence)
        return found
