"""``load_espi`` and ``open_espi``: any Green Button feed to tidy frames, with what was doubtful."""

from __future__ import annotations

from typing import Any

import pandas as pd

from greenkit import _html, frame
from greenkit._progress import Progress, progress_bar
from greenkit.errors import OtherFormat
from greenkit.espi import clock, fast, feed, parse
from greenkit.espi.assemble import assemble
from greenkit.espi.codes import Codes
from greenkit.espi.members import TABLES
from greenkit.espi.series import Planner
from greenkit.espi.tables import Tables
from greenkit.findings import Findings
from greenkit.sources import Limits, walk


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
        :func:`open_espi`. A feed without readings gives an empty frame with the same dtypes.

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
        Once, with the number of findings and the worst of them; each serious one by itself.

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
    readings, _ = assemble(atom, planner.plan(), codes, epoch=epoch, tz=tz)
    _report(atom, codes)
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
    readings, registers = assemble(atom, planner.plan(), codes, epoch=epoch, tz=tz)
    return GreenButton(readings, registers, Tables(planner, codes))


def _read(
    source: Any, tz: str | None, epoch: str, progress: Progress, limits: Limits | None, *, recover: bool
) -> tuple[feed.Feed, Planner, Codes]:
    if tz is not None:
        tz = clock.check_zone(tz)
    if epoch not in clock.EPOCHS:
        raise ValueError(f"epoch={epoch!r} is none of {', '.join(map(repr, clock.EPOCHS))}")
    atom = feed.Feed()
    for found in walk(source, limits=limits):
        mark = atom.mark()
        try:
            with progress_bar(progress, found.size, found.name) as advance:
                parse.read(atom, found, recover=recover, advance=advance, shorten=fast.Runs)
        except OtherFormat as e:
            if found.named:
                raise
            atom.rollback(mark)
            atom.findings.add("espi.file.passed-over", f"Passed over: {e}.", severity="warning", file=found.name)
    if not atom.documents and atom.findings:
        raise OtherFormat(f"nothing in it is a Green Button feed ({atom.findings[0].text})")
    codes = Codes()
    return atom, Planner(atom, codes, tz), codes


def _report(atom: feed.Feed, codes: Codes) -> None:
    """Say last what was counted on the way: texts that are no numbers, and codes that no table knows."""
    atom.readings.report(atom.findings)
    codes.report(atom.findings)


def _table(name: str, what: str) -> property:
    def get(self: GreenButton) -> pd.DataFrame:
        return self._table(name)

    return property(get, doc=f"DataFrame: {what}, one row a resource.")


class GreenButton:
    """What a Green Button feed holds. Made by :func:`open_espi`.

    Attributes
    ----------
    readings : DataFrame
        Interval readings: a tidy frame, as :func:`load_espi` gives it.
    registers : DataFrame
        Register reads (accumulated dials) in the same columns; they must never be summed with usage.
    findings : Findings
        What was doubtful.
    """

    def __init__(self, readings: pd.DataFrame, registers: pd.DataFrame, tables: Tables) -> None:
        self.readings, self.registers = readings, registers
        self._tables, self._built = tables, dict[str, pd.DataFrame]()
        self.findings: Findings = tables.feed.findings
        for name, (kinds, _) in TABLES.items():
            if tables.feed.of(*kinds):
                self._table(name)
        if len(self.bills):
            self._table("line_items")
        _report(tables.feed, tables.codes)
        frame.note(readings, self.findings)

    usage_points = _table("usage_points", "usage points (meters)")
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
    programs = _table("programs", "demand-response programs")
    statements = _table("statements", "billing statements")

    def _table(self, name: str) -> pd.DataFrame:
        if name not in self._built:
            self._built[name] = self._tables.line_items() if name == "line_items" else self._tables.table(name)
        return self._built[name]

    def _counts(self) -> list[str]:
        counts = [("register reads", len(self.registers))]
        counts += [(name.replace("_", " "), len(table)) for name, table in self._built.items()]
        return [f"{n:,} {what}" for what, n in counts if n]

    def __repr__(self) -> str:
        lines = [f"GreenButton: {len(self.readings):,} readings; {', '.join(self._counts()) or 'nothing else'}"]
        if len(self.readings):
            lines.append(frame.summary(self.readings).to_string(index=False))
        lines.append(
            f"{len(self.findings)} findings" + (": " + ", ".join(self.findings.names) if self.findings else "")
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = frame.summary(self.readings)
        body = _html.table(list(table.columns), table.astype(str).to_numpy().tolist()) if len(table) else ""
        body += f"<p>{_html.text(', '.join(self._counts()) or 'no other resources')}</p>"
        rows = [[f.severity, f.name, f.text] for f in self.findings]
        body += _html.table(["severity", "finding", "what"], rows) if rows else "<p>no findings</p>"
        return _html.block(f"Green Button: {len(self.readings):,} readings", body, text=repr(self))
