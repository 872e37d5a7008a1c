"""``load_espi`` and ``open_espi``: any Green Button feed as tidy frames, with findings on its problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property, partial
from typing import Final

import pandas as pd

from greenkit import _glance, _html, frame
from greenkit._help import explained
from greenkit._left_out import Errors, LeftOut, no_intervals, reason
from greenkit._progress import Progress, progress_bar
from greenkit.errors import OtherFormat
from greenkit.espi import _clock, _fast, _parse, _senders, _series
from greenkit.espi._assemble import CONFLICTING, Assembly, assemble, build_frame, scale_and_check
from greenkit.espi._codes import Codes
from greenkit.espi._feed import Feed
from greenkit.espi._series import SeriesResolver
from greenkit.espi._tables import Tables
from greenkit.espi._xml import WebPage
from greenkit.findings import Findings, Kind, counted
from greenkit.sources import Limits, Readable, walk

SKIPPED: Final = Kind(
    "espi.file.passed-over",
    "warning",
    "greenkit skipped {count:file} that {count:is not a Green Button feed|are not Green Button feeds}, first {first}.",
    "Check whether {count:this file belongs|these files belong} to the data.",
)
DAMAGED_FILE: Final = Kind(
    "espi.file.damaged",
    "serious",
    "greenkit left out {count:file} that {count:is|are} damaged, first {first}.",
    "Download {count:the file|these files} again.",
)
MORE_PAGES: Final = Kind(
    "espi.feed.more-pages",
    "serious",
    "The feed is one page of several: it has a link to a next page, which is not among the files.",
    "Download the other pages, and load all of them as a list.",
)
NO_READINGS: Final = Kind(
    "espi.reading.none",
    "warning",
    "There are no interval readings: {reason}.",
    "Check the path, or call open_espi to see everything in the feed.",
)

_BILLS: Final = ("UsageSummary", "ElectricPowerUsageSummary")
_LISTED: Final = 20
"""Files that a finding lists."""


@explained
def load_espi(
    source: Readable,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read the interval readings of a Green Button feed.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        XML, or a zip or gzip of it; also tar archives, bzip2, xz, and the attachments of saved e-mails. A folder or a
        glob pattern reads all files in it. Files of other kinds in a folder or archive are left out and reported. Never
        a URL.
    tz : str, optional
        IANA time zone of the site, ``"America/Los_Angeles"``. Default: the zone that the LocalTimeParameters of the
        feed describe, or UTC with the finding ``espi.time.no-zone`` if it has none.
    epoch : {"utc", "local", "standard"}
        What the feed stores. Default: ``"utc"``, seconds since 1970 UTC, as the standard requires. ``"local"``: local
        time as if it were UTC. ``"standard"``: local standard time as if it were UTC.
    errors : {"raise", "collect"}
        With ``"collect"``, damaged files among several are left out and reported as findings. Default: ``"raise"``.
    progress : bool or callable, optional
        True displays a bar. A callable takes (bytes done, total bytes).
    limits : Limits, optional
        What archives may unpack to.

    Returns
    -------
    DataFrame
        One row for each reading, sorted by meter, flow, series, and start. Its columns are
        :data:`greenkit.frame.COLUMNS`, then ``quality_code``, ``cost`` (in units of ``currency``), ``currency``,
        ``tou``, ``cpp``, ``tier``, ``commodity``, ``kind``, ``reading_type``, and ``source``. ``start`` labels the
        interval and ``end`` is exclusive, both in the time zone of the site. Electric values are in kWh, kW, kVA,
        kvar, kVAh, or kvarh, and others in the unit of the feed. Register readings are not included; see
        :func:`open_espi`. A feed without readings returns an empty frame with the same dtypes, and the finding
        ``load.intervals.none`` if it has bills, else ``espi.reading.none``.

    Raises
    ------
    FormatError
        If the source is not ESPI, is damaged, or is truncated. If none of several files can be read, the error names
        each file and the reason.
    LimitError
        If it looks like an attack, or exceeds the limits.
    FileNotFoundError
        If there is no such file.

    Warns
    -----
    GreenkitWarning
        If there are findings: one warning for each serious one, and at most one more.

    See Also
    --------
    open_espi : Read registers, bills, customers, and findings as well.

    Notes
    -----
    Source: NAESB REQ.21 (ESPI) 1.0 to 4.0; schemas at https://www.greenbuttonalliance.org.

    Examples
    --------
    >>> entry = b'''<entry xmlns="http://www.w3.org/2005/Atom"><content>
    ...   <IntervalBlock xmlns="http://naesb.org/espi"><IntervalReading>
    ...     <timePeriod><duration>900</duration><start>1700000100</start></timePeriod><value>250</value>
    ...   </IntervalReading></IntervalBlock>
    ...   <ReadingType xmlns="http://naesb.org/espi"><flowDirection>1</flowDirection><uom>72</uom></ReadingType>
    ... </content></entry>'''
    >>> df = load_espi(entry, tz="America/Chicago")
    >>> df[["flow", "start", "value", "unit"]].iloc[0].astype(str).tolist()
    ['delivered', '2023-11-14 16:15:00-06:00', '0.25', 'kWh']
    """
    opened = open_espi(source, tz=tz, epoch=epoch, errors=errors, progress=progress, limits=limits)
    readings = for_load(opened).readings
    frame.findings_of(readings).warn("load_espi")
    return readings


def for_load(opened: GreenButton) -> GreenButton:
    """Return a feed, with the finding that :func:`load_espi` adds to readings without rows."""
    findings = frame.findings_of(opened.readings)
    if opened.readings.empty and not findings.named("espi.register.apart"):
        findings.extend(opened._nothing_read())
        frame.note(opened.readings, findings)
    return opened


@explained
def open_espi(
    source: Readable,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    errors: Errors = "raise",
    progress: Progress = None,
    recover: bool = False,
    limits: Limits | None = None,
) -> GreenButton:
    """Read everything in a Green Button feed.

    Parameters
    ----------
    source, tz, epoch, errors, progress, limits
        As in :func:`load_espi`.
    recover : bool
        Keep the undamaged part of a truncated or damaged document and report it, instead of raising FormatError.
        Default: False.

    Returns
    -------
    GreenButton
        Frames of readings, registers, bills, and the other resources, and the findings. It issues no warning.

    Raises
    ------
    FormatError, LimitError, FileNotFoundError
        As in :func:`load_espi`.
    """
    return _open(source, tz, epoch, errors, progress, limits, recover=recover)


def _open(
    source: Readable,
    tz: str | None,
    epoch: str,
    errors: Errors,
    progress: Progress,
    limits: Limits | None,
    *,
    recover: bool,
) -> GreenButton:
    """Read a source in four stages, each of which returns its findings: documents, senders, series, rows."""
    if tz is not None:
        tz = _clock.check_zone(tz)
    _clock.check_epoch(epoch)
    feed, findings = _read_documents(source, LeftOut(errors), progress, limits, recover=recover)
    findings.extend(_senders.recognize(feed))
    codes = Codes()
    resolver = SeriesResolver(feed, codes, tz)
    index = resolver.resolve()
    findings.extend(index.findings)
    assembly = assemble(feed, index, epoch=epoch, tz=tz)
    findings.extend(assembly.findings)
    if assembly.findings.named("espi.time.local-as-utc"):
        # the advice of that finding settles these too: an unknown time zone, and the repeated hour of the fall-back day
        settled = (_series.NO_ZONE.name, _clock.NO_SUCH_ZONE.name, CONFLICTING.name)
        findings = Findings(replace(f, severity="info") if f.name in settled else f for f in findings)
    findings.extend(scale_and_check(assembly.readings))
    findings.extend(scale_and_check(assembly.registers))
    return GreenButton(assembly, Tables(resolver, codes, epoch), findings)


def _read_documents(
    source: Readable, left_out: LeftOut, progress: Progress, limits: Limits | None, *, recover: bool
) -> tuple[Feed, Findings]:
    feed, out = Feed(), Findings()
    for file in walk(source, limits=limits, leave_out=left_out.from_walk):
        undo = partial(feed.rollback, feed.mark())
        with left_out.reading(file, undo), progress_bar(progress, file.size, file.name) as advance:
            out.extend(_parse.read(feed, file, recover=recover, advance=advance, faster=_fast.FastReader))
    if left_out.files and not feed.documents:
        raise left_out.nothing_read("Green Button feed")
    out.extend(_report_left_out(left_out, {document.name.rpartition("!")[0] for document in feed.documents} - {""}))
    pages = {document.self_ for document in feed.documents}
    for document in feed.documents:
        if document.next_page and document.next_page not in pages:
            out.add(MORE_PAGES, file=document.name)
    return feed, out


def _report_left_out(left_out: LeftOut, archives: set[str]) -> Findings:
    """Return one finding for each kind and severity of the files that were left out.

    A portal's archive may contain a web page with the same data, or a style sheet, next to the feed: that is ``info``.
    """
    out = Findings()
    of_kind: dict[tuple[Kind, str], dict[str, str]] = {}
    for name, error in left_out.files.items():
        is_copy = isinstance(error, WebPage) and name.rpartition("!")[0] in archives
        is_expected = is_copy or isinstance(error, _parse.StyleSheet)
        kind = SKIPPED if isinstance(error, OtherFormat) else DAMAGED_FILE
        severity = "info" if is_expected else kind.severity
        of_kind.setdefault((kind, severity), {})[name] = reason(error, name, brief=True)
    for (kind, severity), files in of_kind.items():
        name, why = next(iter(files.items()))
        listed = dict(list(files.items())[:_LISTED])
        out.add(kind, severity=severity, count=len(files), files=listed, words={"first": f"{name}: {why}"})
    return out


def _table(name: str, what: str) -> property:
    def get(self: GreenButton) -> pd.DataFrame:
        return self._tables.table(name)

    return property(get, doc=f"DataFrame: {what}, one row for each resource.")


class GreenButton:
    """The contents of a Green Button feed. Create it with :func:`greenkit.open_espi`.

    Attributes
    ----------
    readings : DataFrame
        Interval readings: a tidy frame, as :func:`greenkit.load_espi` returns it.
    registers : DataFrame
        Register readings (cumulative) in the same columns; never add them to usage.
    bills, line_items, power_quality : DataFrame
        UsageSummary and ElectricPowerUsageSummary, with the ``start`` and exclusive ``end`` of the billing period;
        the line items of their amounts, with ``bill``, ``bill_start``, and ``bill_end``; ElectricPowerQualitySummary,
        as integers (voltages in 10^-6 V, frequency in 10^-6 Hz, flicker in hundredths, events as counts).
    usage_points, reading_types, local_time : DataFrame
        What is measured, and how. ``unit`` of a reading type is that of its readings in the frame; ``zone`` of
        LocalTimeParameters is the IANA time zone that they describe.
    customers, accounts, agreements, service_locations, meters, suppliers, programs, statements : DataFrame
        The customer feed: personal data, which no repr displays. ``customer``, ``account``, ``agreement``, and
        ``service_location`` contain the ``id`` of what a row belongs to; ``meter`` is the usage point that a service
        location and its meters serve, by which they join the readings.
    authorizations, application_information, service_status, batch : DataFrame
        Information of a data custodian about itself and about the third party, without tokens and secrets.
    findings : Findings
        Findings on the readings and on all tables.

    Notes
    -----
    A table is built when it is first used. Every table has one row for each resource, in the order of the feed, and
    the same columns for every feed: what a row belongs to (``meter``, ``id``), the members that the schemas 1.1 to 4.0
    define, with the most used ones first, then ``title``, ``published``, ``updated``, and ``source`` of the Atom entry.
    ``table.dropna(axis=1, how="all")`` keeps the columns that the feed uses. Members inside another have both names
    (``billing_charge_source_agency_name``). A period has ``…_start`` and ``…_end``; a measurement has its value in the
    frame's unit, ``…_unit``, ``…_time``, and ``…_reading_type_ref``; a list is text with ``; `` between its elements.
    Money is float64 in units of ``currency``, codes are words, times are in the time zone of the feed (UTC if it has
    several), and integers (Int64) and flags (boolean) can be NA.

    Members that no schema defines follow the others, as text, under the name that their path gives, with ``member_``
    before it if that name is taken. Members that may be secrets are left out, with a finding. A resource that occurs
    several times unchanged has one row.

    Examples
    --------
    >>> from greenkit.espi import open_espi
    >>> bill = b'''<entry xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="UsagePoint/7/UsageSummary/1"/>
    ...   <content><UsageSummary xmlns="http://naesb.org/espi">
    ...     <billingPeriod><duration>2678400</duration><start>1704085200</start></billingPeriod>
    ...     <billLastPeriod>10250000</billLastPeriod><currency>840</currency>
    ...   </UsageSummary></content></entry>'''
    >>> bills = open_espi(bill, tz="America/New_York").bills
    >>> bills[["meter", "start", "bill_last_period", "currency"]].iloc[0].astype(str).tolist()
    ['7', '2024-01-01 00:00:00-05:00', '102.5', 'USD']
    """

    def __init__(self, assembly: Assembly, tables: Tables, findings: Findings) -> None:
        self._registers, self._tables, self._findings = assembly.registers, tables, findings
        readings = build_frame(assembly.readings, tables.codes)
        self.readings = frame.note(readings, Findings([*findings, *self._counted()]))

    @cached_property
    def registers(self) -> pd.DataFrame:
        """Register readings (cumulative); never add them to usage."""
        return build_frame(self._registers, Codes())

    @cached_property
    def findings(self) -> Findings:
        """Findings on the readings and on all tables."""
        on_tables = self._tables.findings(self.readings)
        return Findings([*self._findings, *on_tables, *self._counted()])

    usage_points = _table("usage_points", "usage points, each a place where something is measured")
    reading_types = _table("reading_types", "reading types: unit, scale, flow, and kind of a series")
    bills = _table("bills", "UsageSummary and ElectricPowerUsageSummary, money in currency units")
    line_items = _table("line_items", "the line items of bills")
    power_quality = _table("power_quality", "ElectricPowerQualitySummary")
    local_time = _table("local_time", "LocalTimeParameters, and the IANA time zone that they describe")
    authorizations = _table("authorizations", "the customers' authorizations")
    application_information = _table("application_information", "the third party's registration, without its secrets")
    service_status = _table("service_status", "whether the custodian's service is available")
    batch = _table("batch", "the resources that a notification names")
    customers = _table("customers", "customers (personal data)")
    accounts = _table("accounts", "customer accounts (personal data)")
    agreements = _table("agreements", "customer agreements (personal data)")
    service_locations = _table("service_locations", "service locations (personal data)")
    suppliers = _table("suppliers", "service suppliers")
    meters = _table("meters", "meters and end devices")
    programs = _table("programs", "names of demand-response programs and of codes for time of use, cpp, and tier")
    statements = _table("statements", "billing statements")

    def _counted(self) -> Findings:
        """Return the findings that are counted over everything read so far: odd texts and unknown codes."""
        return Findings([*self._tables.readings.report(), *self._tables.codes.report()])

    def _nothing_read(self) -> Findings:
        """Return the finding that lists what a feed without readings contains."""
        out, feed = Findings(), self._tables.feed
        contents = Counter(r.kind for r in feed.resources)
        bills = sum(contents[kind] for kind in _BILLS)
        if bills:
            return no_intervals("open_espi", bills=bills)
        reason = "the feed contains nothing that greenkit recognizes"
        if not feed.documents:
            reason = "the source contains no file"
        elif contents:
            reason = "the feed has only " + ", ".join(f"{count:,} {kind}" for kind, count in contents.items())
        out.add(NO_READINGS, words={"reason": reason})
        return out

    def _counts(self) -> dict[str, int]:
        self.findings  # noqa: B018 reads all tables
        counts = {"registers": len(self._registers)} | self._tables.counts()
        return {name: n for name, n in counts.items() if n}

    def __repr__(self) -> str:
        counts = ", ".join(_counted(name, n) for name, n in self._counts().items())
        head = f"GreenButton: {counted(len(self.readings), 'reading')}; {counts or 'nothing else'}"
        n, names = len(self.findings), ", ".join(self.findings.names)
        last = counted(n, "finding") + (f": {names}" if n else "")
        return "\n".join([head, *_glance.series_text(self.readings), last])

    def _repr_html_(self) -> str:
        counts = [f"<code>.{_html.text(name)}</code>&nbsp;{n:,}" for name, n in self._counts().items()]
        body = _glance.series_html(self.readings)
        body += f"<p>{' &nbsp; '.join(counts) or 'no other resources'}</p>" + _glance.findings_html(self.findings)
        return _html.block(f"Green Button: {counted(len(self.readings), 'reading')}", body, text=repr(self))


def _counted(name: str, n: int) -> str:
    words = "register readings" if name == "registers" else name.replace("_", " ")
    return f"{n:,} {words.removesuffix('s') if n == 1 and not words.endswith('us') else words}"
