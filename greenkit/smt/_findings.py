"""The kinds of findings in Smart Meter Texas files, and a counter that reports each kind once.

A file can contain a million rows with the same problem, so a reader counts problems while it reads, and at the end each
kind becomes one finding with its count, its first examples, and its files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from greenkit.errors import FormatError
from greenkit.findings import Count, Findings, Kind

_EXAMPLES: Final = 5
"""Examples and files that a finding lists."""
_LEFT_OUT: Final = 100
"""Files that a finding lists if they were left out."""

# Slots: {count:row} is the number of rows, {count:is|are} agrees with it, and {first} is the first example.

# -- files

NO_FILE: Final = Kind("smt.file.none", "warning", "The source contains no file.", "Check the path.")
FILE_EMPTY: Final = Kind(
    "smt.file.empty",
    "warning",
    "{count:file} {count:contains|contain} no readings, first {first}.",
    "Request the data from Smart Meter Texas again.",
)
FILE_SKIPPED: Final = Kind(
    "smt.file.skipped",
    "warning",
    "greenkit left out {count:file} that {count:contains|contain} no meter data it can read, first {first}.",
    "Check whether you need data from {count:it|them}.",
)
FILE_DAMAGED: Final = Kind(
    "smt.file.damaged",
    "serious",
    "greenkit left out {count:file} that it cannot read, first {first}.",
    "Download {count:the file|the files} again.",
)
FILE_ERROR: Final = Kind(
    "smt.file.error",
    "serious",
    "{count:file} {count:contains|contain} an error message of Smart Meter Texas instead of data, first {first}.",
    "Request the data again.",
)
HEADERLESS: Final = Kind(
    "smt.file.headerless",
    "info",
    "{count:CSV file} {count:has|have} no header. greenkit read the columns in SMT's usual order.",
)
OTHER_READS: Final = Kind(
    "smt.file.other-reads",
    "info",
    "{count:row} {count:is a register read or a bill|are register reads or bills}. {count:It is|They are} in "
    "open_smt(…).registers and .bills.",
)
FORMAT_TWICE: Final = Kind(
    "smt.format.twice",
    "info",
    "{count:interval} {count:is|are} in Green Button XML and in another format, first {first}. greenkit kept the other "
    "format, because it states the revision.",
)
FILE_CUT: Final = Kind(
    "smt.file.cut",
    "serious",
    "{count:file} {count:ends|end} in the middle of a row, first {first}. greenkit left out the value or row that may "
    "be truncated.",
    "Download the file again.",
)

# -- rows

ROW_UNREADABLE: Final = Kind(
    "smt.row.unreadable",
    "serious",
    "greenkit left out {count:row} that it cannot read, first {first}.",
    "Check {count:this row|these rows}, or request the data again.",
)
HEADER_REPEATED: Final = Kind(
    "smt.row.repeated-header",
    "info",
    "{count:header line} {count:is|are} repeated among the rows, as in concatenated files.",
)
FLOW_ASSUMED: Final = Kind(
    "smt.flow.assumed",
    "info",
    "{count:file} {count:does|do} not state consumption or generation. greenkit read the values as consumption.",
)
FLOW_OTHER: Final = Kind(
    "smt.flow.other",
    "warning",
    "{count:channel} {count:is|are} neither load nor generation, first {first}. greenkit kept the name in column flow.",
    "Check what {count:it measures|they measure} before you add {count:it|them} up.",
)
UNIT_OTHER: Final = Kind(
    "smt.unit.other",
    "serious",
    "{count:record} {count:is|are} not in kWh, first {first}. greenkit did not convert the values.",
    "Check the column unit before you use these values.",
)
COLUMN_IGNORED: Final = Kind(
    "smt.column.ignored",
    "warning",
    "greenkit did not read {count:column} of numbers, first {first}.",
    "Check whether {count:the column contains|these columns contain} energy that you need.",
)
NET_IGNORED: Final = Kind(
    "smt.column.net",
    "info",
    "greenkit did not read {count:column} of net values, first {first}. It read consumption and surplus generation "
    "as two flows.",
)
METER_UNKNOWN: Final = Kind(
    "smt.meter.unknown",
    "warning",
    '{count:file} {count:does|do} not state the ESI ID. The meter is named "unknown".',
    "Load files of different meters separately.",
)
REVISION_UNREADABLE: Final = Kind(
    "smt.revision.unreadable",
    "warning",
    "{count:revision} cannot be read, first {first}. greenkit treats a day with an unreadable revision as the oldest.",
    "If {count:this day has|these days have} another revision, compare the two.",
)

# -- values

VALUE_UNREADABLE: Final = Kind(
    "smt.value.unreadable",
    "serious",
    "{count:value} {count:is not a number|are not numbers}, first {first}. greenkit treats {count:it|them} as missing.",
    "Check {count:this value|these values} in the file.",
)
VALUE_MISSING: Final = Kind(
    "smt.value.missing",
    "warning",
    "{count:interval} {count:is|are} in the file without a value, first {first}. Sums leave {count:it|them} out.",
    "Call df.gk.quality() to count them together with the intervals that the file lacks.",
)
VALUE_NEGATIVE: Final = Kind(
    "smt.value.negative",
    "warning",
    "{count:value} {count:is|are} negative, first {first}. greenkit kept {count:it|them}.",
    "Check whether the values are net of generation.",
)
ZERO_ESTIMATED: Final = Kind(
    "smt.value.zero-estimated",
    "warning",
    "{count:value} {count:is an estimated zero|are estimated zeros}, first {first}. TDSPs write 0,E when they have no "
    "data, so the energy may be missing rather than zero.",
    "Check {count:this day before you use its total|these days before you use their totals}.",
)
QUALITY_OTHER: Final = Kind(
    "smt.quality.other",
    "info",
    "{count:value} {count:has|have} no status, or one other than A and E, first {first}. Column quality_code "
    "contains the status.",
)

# -- days

DAY_INCOMPLETE: Final = Kind(
    "smt.day.incomplete",
    "warning",
    "{count:day} {count:lacks|lack} intervals, first {first}. greenkit filled in nothing.",
    "Request {count:this day|these days} again, or leave {count:it|them} out of comparisons.",
)
DAY_DUPLICATE: Final = Kind(
    "smt.day.duplicate",
    "info",
    "{count:day} appeared more than once, unchanged, first {first}. greenkit kept one copy.",
)
DAY_CONFLICT: Final = Kind(
    "smt.day.conflict",
    "warning",
    "{count:day} appeared more than once with the same revision and different values, first {first}. greenkit kept the "
    "later reading.",
    "Check which of the values is correct.",
)
DAY_OVERLAP: Final = Kind(
    "smt.day.overlap",
    "serious",
    "{count:day} {count:has|have} overlapping intervals, first {first}. greenkit kept all of them, so sums count that "
    "time twice.",
    "Remove one set of intervals before you add them up.",
)
DAY_REPLACED: Final = Kind(
    "smt.day.replaced",
    "info",
    "{count:day} {count:was|were} superseded by a newer revision, first {first}.",
)
DAY_SHORTENED: Final = Kind(
    "smt.day.shortened",
    "warning",
    "The newest revision of {count:day} has fewer intervals than an older one, first {first}.",
    'Compare the revisions with revisions="all".',
)
SKIPPED_HOUR: Final = Kind(
    "smt.time.skipped-hour",
    "serious",
    "greenkit left out {count:value} in the hour that is skipped when clocks go forward, first {first}.",
    "Request the day again, or check how the file labels it.",
)
REPEATED_HOUR: Final = Kind(
    "smt.time.repeated-hour",
    "warning",
    "{count:fall-back day} {count:is|are} incomplete or out of order, first {first}. greenkit used the row order to "
    "assign readings to the first or second hour from 01:00.",
    "Check the order of the rows from 01:00 to 02:00.",
)
DAY_FIRST: Final = Kind(
    "smt.time.day-first",
    "warning",
    "{count:file} {count:has|have} dates in several months, all on the same day of the month, first {first}. Another "
    "program may have swapped day and month.",
    "Compare the dates with the original file, and export it again if they differ.",
)

# -- JSON of the REST API and the portal

READ_FAILED: Final = Kind(
    "smt.odr.failed",
    "warning",
    "{count:on-demand read} failed, first {first}.",
    "Request the on-demand read again.",
)
READ_PENDING: Final = Kind(
    "smt.odr.pending",
    "warning",
    "{count:on-demand read} {count:is|are} not ready, first {first}.",
    "Ask for the status again in a few minutes, and load that answer.",
)

SLOTS: Final = Kind(
    "smt.api.slots",
    "serious",
    "{count:day} {count:does|do} not have 100 slots, first {first}. greenkit placed the values as if the last slots "
    "were missing.",
    "Request the day again.",
)

# -- LSE

LSE_COUNT: Final = Kind(
    "smt.lse.count",
    "serious",
    "{count:record} {count:has|have} more or fewer intervals than fit between start and stop, first {first}. "
    "greenkit placed them from the start.",
    "Request the data again.",
)
LSE_STOP: Final = Kind(
    "smt.lse.stop",
    "warning",
    "{count:record} {count:has|have} no readable stop after the start, first {first}.",
    "Check that the last interval is the one you expect.",
)
LSE_BEYOND: Final = Kind(
    "smt.lse.beyond",
    "serious",
    "greenkit left out {count:interval} after the last day of the record, first {first}.",
    "Request the data again.",
)
LSE_SORT_CODE: Final = Kind(
    "smt.lse.sort-code",
    "serious",
    "{count:record} {count:has|have} gaps in the sort codes, so detail rows may be missing, first {first}.",
    "Request the data again.",
)
LSE_NO_DETAILS: Final = Kind(
    "smt.lse.no-details",
    "warning",
    "{count:record} {count:has|have} a header but no intervals, first {first}.",
    "Request the data again.",
)
LSE_ORPHAN: Final = Kind(
    "smt.lse.orphan",
    "serious",
    "greenkit left out {count:line} before the first header, first {first}.",
    "Check whether the beginning of the file is missing.",
)
LSE_INVALID: Final = Kind(
    "smt.lse.invalid",
    "warning",
    "{count:record} {count:has|have} the invalid-record flag, first {first}. greenkit kept the values.",
    "Ask the TDSP whether the values are valid.",
)
LSE_TIME: Final = Kind(
    "smt.lse.time",
    "serious",
    "{count:interval} {count:has|have} a time that cannot be read, first {first}. greenkit placed {count:it|them} "
    "after the previous interval.",
    "Check {count:this time|these times} in the file.",
)
LSE_JOINED: Final = Kind(
    "smt.lse.joined",
    "warning",
    "{count:record} {count:begins|begin} in the middle of a line, first {first}, as when files without a final line "
    "end are concatenated. The value before {count:it|each} may be truncated.",
    "Concatenate the original files again, or load them separately.",
)
LSE_MULTIPLIER: Final = Kind(
    "smt.lse.multiplier",
    "warning",
    "{count:record} {count:has|have} a pulse multiplier or offset, first {first}. greenkit read the values as energy "
    "and did not scale them.",
    "Compare the totals with a bill.",
)
LSE_INTERVAL: Final = Kind(
    "smt.lse.interval",
    "warning",
    "{count:record} {count:has|have} no readable seconds per interval, first {first}. greenkit used 900 seconds.",
    "Check that the intervals are 15 minutes long.",
)


def masked(text: object) -> str:
    """Return the first characters of a cell for a finding, with an x for each letter of a word and digit of an ID.

    A cell that cannot be read may be from a line above or below the table, which can contain the customer's name or
    account number.

    Examples
    --------
    >>> masked("07/32/2025"), masked("O.5"), masked("PAT EXAMPLE 12345")
    ("'07/32/2025'", "'O.5'", "'xxx xxxxxxx xxxxx'")
    """
    return repr(re.sub(r"[^\W\d_]{3,}|\d{5,}", lambda word: "x" * len(word[0]), str(text)[:40]))


@dataclass
class _Tally:
    """What was counted of one kind."""

    count: int = 0
    first: str = ""
    examples: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    kwh: float | None = None


class FindingCounter:
    """Counts problems by kind while files are read.

    Parameters
    ----------
    strict : bool
        Raise :class:`~greenkit.errors.FormatError` for the first problem of severity warning or serious.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._tallies: dict[Kind, _Tally] = {}

    def add(
        self,
        kind: Kind,
        example: str = "",
        *,
        n: int = 1,
        file: str = "",
        line: int | None = None,
        kwh: float | None = None,
    ) -> None:
        """Count one problem, or ``n`` equal ones.

        Parameters
        ----------
        kind : Kind
            What is reported.
        example : str
            The day, meter or cell that has the problem.
        n : int
            Number of rows, days or values that have it.
        file : str
            Name of the file.
        line : int, optional
            Line in the file, counted from 1.
        kwh : float, optional
            Energy that is left out.

        Raises
        ------
        FormatError
            If the counter is strict and the kind is not ``info``.
        """
        tally = self._tallies.setdefault(kind, _Tally())
        where = file + (f", line {line}" if line is not None else "")
        shown = f"{where}: {example}" if where and example else where or example
        tally.count += n
        tally.first = tally.first or shown
        limit = _LEFT_OUT if kind is FILE_SKIPPED or kind is FILE_DAMAGED else _EXAMPLES
        if len(tally.examples) < limit:
            tally.examples.append(shown)
        if file and (file in tally.files or len(tally.files) < limit):
            tally.files[file] = tally.files.get(file, 0) + n
        if kwh is not None:
            tally.kwh = (tally.kwh or 0.0) + kwh
        if self._strict and kind.severity != "info":
            slots = {"count": Count(tally.count), "first": tally.first}
            raise FormatError(
                kind.text.format(**slots).removesuffix("."),
                source=file or None,
                line=line,
                next_step=kind.what_to_do.format(**slots),
            )

    def findings(self) -> Findings:
        """Return one finding for each kind, in the order in which the kinds were first counted."""
        findings = Findings()
        for kind, tally in self._tallies.items():
            more: dict[str, Any] = {} if tally.kwh is None else {"kwh": round(tally.kwh, 6)}
            words = {"first": tally.first}
            findings.add(kind, words=words, count=tally.count, examples=tally.examples, files=tally.files, **more)
        return findings
