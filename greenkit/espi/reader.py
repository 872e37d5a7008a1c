"""``load_espi`` and ``open_espi``: any Green Button feed to tidy frames, with what was doubtful."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from greenkit import frame
from greenkit._progress import Progress, progress_bar
from greenkit.errors import OtherFormat
from greenkit.espi import clock, fast, feed, parse
from greenkit.espi.assemble import assemble, built
from greenkit.espi.codes import Codes
from greenkit.espi.green_button import GreenButton
from greenkit.espi.series import Planner
from greenkit.espi.tables import Tables
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


def _say_empty(atom: feed.Feed) -> None:
    held = ", ".join(f"{count:,} {kind}" for kind, count in Counter(r.kind for r in atom.resources).items())
    text = "The feed holds no interval readings" + (
        f", only {held}: see open_espi." if held else ", nor anything else that greenkit knows."
    )
    if not atom.documents:
        text = "There is no file to read: look at the path."
    atom.findings.add("espi.reading.none", text, severity="warning")


def _read(
    source: Any, tz: str | None, epoch: str, progress: Progress, limits: Limits | None, *, recover: bool
) -> tuple[feed.Feed, Planner, Codes]:
    if tz is not None:
        tz = clock.check_zone(tz)
    clock.check_epoch(epoch)
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
            severity = "info" if isinstance(e, parse.StyleSheet) else "warning"
            atom.findings.add("espi.file.passed-over", f"Passed over: {e}.", severity=severity, file=found.name)
    if not atom.documents and atom.findings:
        raise OtherFormat(f"nothing in it is a Green Button feed ({atom.findings[0].text})")
    codes = Codes()
    return atom, Planner(atom, codes, tz), codes
