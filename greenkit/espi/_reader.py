"""``load_espi`` and ``open_espi``: any Green Button feed to tidy frames, with what was doubtful."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from greenkit import _glance, _html, frame
from greenkit._progress import Progress, progress_bar
from greenkit.errors import OtherFormat
from greenkit.espi import _bills, _clock, _fast, _feed, _parse
from greenkit.espi._assemble import assemble, built
from greenkit.espi._codes import Codes
from greenkit.espi._members import TABLES
from greenkit.espi._series import Planner
from greenkit.espi._tables import Tables
from greenkit.findings import Findings, counted
from greenkit.sources import Limits, walk


def _table(name: str, what: str) -> property:
    def get(self: GreenButton) -> pd.DataFrame:
        return self._table(name)

    return property(get, doc=f"DataFrame: {what}, one row a resource.")


class GreenButton:
    """What a Green Button feed holds. Made by :func:`greenkit.open_espi`.

    Attributes
    ----------
    readings : DataFrame
        Interval readings: a tidy frame, as :func:`greenkit.load_espi` gives it.
    registers : DataFrame
        Register reads (accumulated dials) in the same columns; they must never be summed with usage.
    bills, line_items, power_quality : DataFrame
        UsageSummary and ElectricPowerUsageSummary, with the ``start`` and exclusive ``end`` of the billing period; what
        their amounts consist of, with ``bill``, ``bill_start`` and ``bill_end``; ElectricPowerQualitySummary, as whole
        numbers (voltages in 10^-6 V, frequency in 10^-6 Hz, flicker in hundredths, events as counts).
    usage_points, reading_types, local_time : DataFrame
        What is measured, and how. ``unit`` of a reading type is that of its readings in the frame, ``zone`` of
        LocalTimeParameters the IANA zone that they mean.
    customers, accounts, agreements, service_locations, meters, suppliers, programs, statements : DataFrame
        The customer feed: personal data, which no repr shows. ``customer``, ``account``, ``agreement`` and
        ``service_location`` name the ``id`` of what a row belongs to; ``meter`` is the usage point that a service
        location and its meters serve, by which they join the readings.
    authorizations, application_information, service_status, batch : DataFrame
        What a data custodian says of itself and of us; no token and no secret among it.
    findings : Findings
        What was doubtful.

    Notes
    -----
    Every table has one row a resource, in the feed's order, and the same columns whatever the feed holds: whose it is
    (``meter``, ``id``), the members that the schemas 1.1 to 4.0 name, those of most use first, then ``title``,
    ``published``, ``updated`` and ``source`` of the Atom entry; ``table.dropna(axis=1, how="all")`` leaves what the
    feed really says. Members inside another have both names (``billing_charge_source_agency_name``). A period has
    ``…_start`` and ``…_end``; a measurement its value in the frame's unit, ``…_unit``, ``…_time`` and
    ``…_reading_type_ref``; a list is text with ``; `` between its elements. Money is float64 in units of ``currency``,
    codes are words, moments instants in the feed's zone (UTC where it has several), integers Int64 and flags boolean,
    both with NA.

    Members that no schema names follow those that one names, as text, under the name that their path gives, with
    ``member_`` before it where that is taken; what may be a secret is left out and said. A resource that stands more
    than once unchanged has one row.

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

    def __init__(self, readings: pd.DataFrame, registers: pd.DataFrame, tables: Tables) -> None:
        self.readings, self.registers = readings, registers
        self._tables, self._built = tables, dict[str, pd.DataFrame]()
        self.findings: Findings = tables.feed.findings
        for name, (kinds, _) in TABLES.items():
            if tables.feed.of(*kinds):
                self._table(name)
                if name == "bills":
                    _bills.check(self.bills, self.line_items, self.findings)
        tables.report()
        frame.note(readings, self.findings)

    usage_points = _table("usage_points", "usage points, each a place where something is measured")
    reading_types = _table("reading_types", "reading types: unit, scale, flow and kind of a series")
    bills = _table("bills", "UsageSummary and ElectricPowerUsageSummary, money in currency units")
    line_items = _table("line_items", "the bills' line items")
    power_quality = _table("power_quality", "ElectricPowerQualitySummary")
    local_time = _table("local_time", "LocalTimeParameters, and the IANA zone that they mean")
    authorizations = _table("authorizations", "the customers' authorizations")
    application_information = _table("application_information", "the third party's registration, without its secrets")
    service_status = _table("service_status", "whether the custodian's service is up")
    batch = _table("batch", "the resources that a notification names")
    customers = _table("customers", "customers (personal data)")
    accounts = _table("accounts", "customer accounts (personal data)")
    agreements = _table("agreements", "customer agreements (personal data)")
    service_locations = _table("service_locations", "service locations (personal data)")
    suppliers = _table("suppliers", "service suppliers")
    meters = _table("meters", "meters and end devices")
    programs = _table("programs", "names of demand-response programs and of codes for time of use, cpp and tier")
    statements = _table("statements", "billing statements")

    def _table(self, name: str) -> pd.DataFrame:
        if name not in self._built:
            self._built[name] = self._tables.line_items() if name == "line_items" else self._tables.table(name)
        return self._built[name]

    def _counts(self) -> dict[str, int]:
        counts = {"registers": len(self.registers)} | {name: len(table) for name, table in self._built.items()}
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
    words = "register reads" if name == "registers" else name.replace("_", " ")
    return f"{n:,} {words.removesuffix('s') if n == 1 and not words.endswith('us') else words}"


def load_espi(
    source: Any,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read the interval readings of a Green Button feed.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        XML, or a zip or gzip of it; a folder or a glob gives all that is in it. Never a URL.
    tz : str, optional
        IANA zone of the site, ``"America/Los_Angeles"``. Without it the zone that the feed's LocalTimeParameters
        mean; without those UTC, with the finding ``espi.time.no-zone``.
    epoch : {"utc", "local", "standard"}
        What the feed's seconds count from: 1970 UTC as the standard says; ``"local"`` for a utility that writes its
        wall clock as if it were UTC; ``"standard"`` for one that writes its standard time so.
    progress : bool or callable, optional
        True shows a bar; a callable is told (bytes done, bytes in all).
    limits : Limits, optional
        What archives may unpack to.

    Returns
    -------
    DataFrame
        One row for each reading, sorted by meter, flow, series, start: the columns of
        :data:`greenkit.frame.COLUMNS`, then ``quality_code``, ``cost`` (in units of ``currency``), ``currency``,
        ``tou``, ``cpp``, ``tier``, ``commodity``, ``kind``, ``reading_type``, ``source``. ``start`` labels the
        interval and ``end`` is exclusive, both true instants in the site's zone. Electric values are in kWh, kW,
        kVA, kvar, kVAh or kvarh; others in the unit of the feed. Register reads are not here: see
        :func:`open_espi`. A feed without readings gives an empty frame with the same dtypes, and the finding
        ``espi.reading.none``.

    Raises
    ------
    FormatError
        The source is not ESPI, is damaged, or is cut.
    LimitError
        It is hostile, or larger than the limits.
    FileNotFoundError
        There is no such file.

    Warns
    -----
    GreenkitWarning
        Once, with the worst finding and how many more there are; each serious one by itself.

    See Also
    --------
    open_espi : the same with registers, bills, customers, and the findings.

    Notes
    -----
    NAESB REQ.21 (ESPI) 1.0 to 4.0; schemas at https://www.greenbuttonalliance.org.

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
    atom, planner, codes = _read(source, tz, epoch, progress, limits, recover=False)
    rows, registers = assemble(atom, planner.plan(), epoch=epoch, tz=tz)
    readings = built(rows, codes)
    if len(registers):
        built(registers, codes)  # for its findings
    # last, what was counted on the way: texts that are no numbers, and codes that no table knows
    atom.readings.report(atom.findings)
    codes.report(atom.findings)
    if readings.empty and not atom.findings.named("espi.register.apart"):
        _say_empty(atom)
    atom.findings.warn("load_espi")
    return frame.note(readings, atom.findings)


def open_espi(
    source: Any,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    progress: Progress = None,
    recover: bool = False,
    limits: Limits | None = None,
) -> GreenButton:
    """Read everything that a Green Button feed holds.

    Parameters
    ----------
    source, tz, epoch, progress, limits
        As in :func:`load_espi`.
    recover : bool
        Keep what is whole of a cut or damaged document, with a finding, instead of raising FormatError.

    Returns
    -------
    GreenButton
        Frames of readings, registers, bills and the other resources, and the findings; nothing is warned of.

    Raises
    ------
    FormatError, LimitError, FileNotFoundError
        As in :func:`load_espi`.
    """
    atom, planner, codes = _read(source, tz, epoch, progress, limits, recover=recover)
    readings, registers = assemble(atom, planner.plan(), epoch=epoch, tz=tz)
    return GreenButton(built(readings, codes), built(registers, codes), Tables(planner, codes, epoch))


def _say_empty(atom: _feed.Feed) -> None:
    held = ", ".join(f"{count:,} {kind}" for kind, count in Counter(r.kind for r in atom.resources).items())
    text = "The feed holds no interval readings" + (
        f", only {held}: see open_espi." if held else ", nor anything else that greenkit knows."
    )
    if not atom.documents:
        text = "There is no file to read: look at the path."
    atom.findings.add("espi.reading.none", text, severity="warning")


def _read(
    source: Any, tz: str | None, epoch: str, progress: Progress, limits: Limits | None, *, recover: bool
) -> tuple[_feed.Feed, Planner, Codes]:
    if tz is not None:
        tz = _clock.check_zone(tz)
    _clock.check_epoch(epoch)
    atom = _feed.Feed()
    for found in walk(source, limits=limits):
        mark = atom.mark()
        try:
            with progress_bar(progress, found.size, found.name) as advance:
                _parse.read(atom, found, recover=recover, advance=advance, shorten=_fast.Runs)
        except OtherFormat as e:
            if found.named:
                raise
            atom.rollback(mark)
            severity = "info" if isinstance(e, _parse.StyleSheet) else "warning"
            atom.findings.add("espi.file.passed-over", f"Passed over: {e}.", severity=severity, file=found.name)
    if not atom.documents and atom.findings:
        raise OtherFormat(f"nothing in it is a Green Button feed ({atom.findings[0].text})")
    codes = Codes()
    return atom, Planner(atom, codes, tz), codes
