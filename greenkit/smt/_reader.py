"""``load_smt`` and ``open_smt``: any Smart Meter Texas file to tidy frames, with what was doubtful."""

from __future__ import annotations

import datetime as dt
import os
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _glance, _html, frame
from greenkit._progress import Progress, progress_bar
from greenkit.errors import DecryptError, FormatError
from greenkit.findings import Findings
from greenkit.smt import _api_json, _interval_csv, _lse, _revisions, _tables
from greenkit.smt._blocks import Store, frame_of
from greenkit.smt._codes import ZONE
from greenkit.smt._findings import Notes
from greenkit.smt._names import parse_name
from greenkit.smt._tables import BILLS, REGISTERS, Sink, Table
from greenkit.sources import Limits, Source, foreign, is_openpgp, walk
from greenkit.text import Advance, decode_head

HEAD: Final = 1 << 16
"""Bytes that are looked at: a CSV may have lines before its header."""
_BINARY: Final = dict.fromkeys(set(range(32)) - set(b"\t\n\r\f\x1a"))
"""Control characters that no text has."""
_RESAVED: Final = re.compile(rb"1[,;\t][^,;\t]*[,;\t]\d{1,3}[,;\t]2[.,]\d+E\+13[,;\t]")
"""Header 1 of LSE as a spreadsheet saves it: leading zeros gone, times and ids rounded."""
_DOWNLOADS: Final = (
    *("type,date,start time,", "type,start date,end date,"),  # Opower's: PG&E, PECO, ComEd, RG&E
    *("energy consumption time period,", "energy delivered time period,", "energy received time period,"),  # SCE
    *("meter number,date,start time,duration,", "interval_start,interval_end,"),  # SDG&E, UtilityAPI
)
"""What stands in the header of the CSV that portals give beside the XML, below lines with the customer's name."""
# kind → why it is refused; any other text is asked for the columns of SMT
_REFUSED: Final[Mapping[str, str]] = {
    "standard": "this is the older fixed-width Lodestar Standard format (.ls): ask for LSE (Lodestar Enhanced) or CSV "
    "instead",
    "resaved": "this is LSE that a spreadsheet has saved again, which loses digits of ESI IDs and times: take the file "
    "as it came, and do not open it in a spreadsheet",
    "download": "this is the CSV of a utility's Green Button download, which greenkit does not read: take its XML "
    "instead, and read that with greenkit.load_espi",
    "tidy": "this is a greenkit frame as CSV: read it with greenkit.export.read_csv",
    "html": "this is a web page, not data: download the file again, and check that you were signed in",
    "binary": "this is no Smart Meter Texas file: expected LSE, CSV, JSON or XML, or a zip, gzip or OpenPGP message of "
    "them",
}


def kind_of(head: bytes) -> tuple[str, str]:
    """Tell a format by a stream's first bytes, and give them as text without what stands before it."""
    if what := foreign(head):
        return "foreign", what
    if is_openpgp(head):
        return "openpgp", ""
    text = decode_head(head).lstrip("\0 \t\r\n\x1a")
    if not text:
        return "empty", ""
    start = text[:200].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "html", text
    if text.startswith("<"):
        return "xml", text
    if text[0] in "{[":
        return "json", text
    raw = text[:100].replace('"', "").replace(" ", "").encode()
    if _lse.is_lse(raw):
        return "lse", text
    if _lse.is_standard(raw):
        return "standard", text
    if _RESAVED.match(raw):
        return "resaved", text
    if len(text) - len(text.translate(_BINARY)) > len(text) // 100:
        return "binary", ""
    return "csv", text


def refusal(kind: str, text: str, source: str) -> FormatError:
    """Give the error for a stream that is nothing of SMT, or no longer."""
    if kind == "foreign":
        return FormatError(text, source=source)
    flat = text.replace('"', "").replace("\t", ",").lower()
    if kind == "text" and any(header in flat for header in _DOWNLOADS):
        kind = "download"
    if flat.lstrip(",").startswith("meter,series,flow,start,"):
        kind = "tidy"
    line = next((line for line in text.splitlines() if line.strip()), "")
    default = (
        f"no columns of Smart Meter Texas in {line[:80]!r}: expected a header with ESIID, USAGE_DATE, …; from another "
        "portal, take the Green Button XML instead of the CSV"
    )
    return FormatError(_REFUSED.get(kind, default), source=source)


@dataclass
class SmtData:
    """What Smart Meter Texas files hold. Made by :func:`open_smt`.

    Attributes
    ----------
    readings : DataFrame
        Intervals: a tidy frame, as :func:`load_smt` gives it.
    registers : DataFrame
        Register reads, one row for a meter's day: ``meter``, ``series``, ``flow``, ``usage_date`` (local date),
        ``start_reading``, ``end_reading`` and ``value`` (kWh), ``unit``, ``quality``, ``quality_code``,
        ``revision``, ``source``, then the file's other columns as text. They must never be summed with usage.
    bills : DataFrame
        Monthly usage: ``meter``, ``series``, ``flow``, ``start_date`` and ``end_date`` (local dates, as the file
        gives them), ``value`` (kWh), and the same others.
    findings : Findings
        What was doubtful.
    """

    readings: pd.DataFrame
    registers: pd.DataFrame
    bills: pd.DataFrame
    findings: Findings = field(default_factory=Findings)

    def _counts(self) -> str:
        tables = (("register reads", self.registers), ("bills", self.bills))
        return ", ".join(f"{len(table):,} {what}" for what, table in tables if len(table))

    def __repr__(self) -> str:
        more = self._counts()
        lines = [f"SmtData: {len(self.readings):,} readings" + (f"; {more}" if more else "")]
        lines += _glance.series_text(self.readings)
        lines.append(str(self.findings))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = _glance.series_html(self.readings)
        body += f"<p>{_html.text(self._counts() or 'no register reads, no bills')}</p>"
        body += _glance.findings_html(self.findings)
        return _html.block(f"Smart Meter Texas: {len(self.readings):,} readings", body, text=repr(self))


REVISIONS: Final = ("latest", "all")


def load_smt(
    source: Any,
    *,
    revisions: str = "latest",
    pgp: Any = None,
    strict: bool = False,
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read the 15-minute readings of Smart Meter Texas files.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        LSE, interval CSV, the REST API's JSON or Green Button XML; a zip or gzip of them, encrypted or not; a
        folder or a glob gives all that is in it. Never a URL.
    revisions : {"latest", "all"}
        SMT sends a day again when it has better data. ``"latest"`` keeps the newest revision of each ESI ID's day
        and channel, whole; ``"all"`` keeps every one, told apart by the column ``revision``.
    pgp : Keyring or callable, optional
        For files encrypted with OpenPGP: a :class:`greenkit.pgp.Keyring`, or a callable that takes the open message
        and gives the open plain text.
    strict : bool
        Raise FormatError for the first thing that would be a finding of severity warning or serious.
    progress : bool or callable, optional
        True shows a bar; a callable is told (bytes done, bytes in all).
    limits : Limits, optional
        What archives may unpack to.

    Returns
    -------
    DataFrame
        One row for each interval, sorted by meter, flow, series, start: the columns of
        :data:`greenkit.frame.COLUMNS`, then ``quality_code`` (the file's letter), ``revision`` (when SMT made this
        version of the day), ``usage_date`` (the day it is filed under), ``source``. ``meter`` is the ESI ID,
        ``series`` the SMT channel (``"4"`` load, ``"1"`` generation), ``flow`` ``delivered`` for consumption and
        ``received`` for surplus generation. ``start`` labels the interval and ``end`` is exclusive, both true
        instants in America/Chicago; ``value`` is in kWh, NaN where the file gives none. A file without readings
        gives an empty frame with the same dtypes.

    Raises
    ------
    FormatError
        The source is no Smart Meter Texas file, is an error answer, or holds only register reads or bills.
    DecryptError
        It is encrypted, and ``pgp`` is missing or does not open it.
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
    open_smt : the same with register reads, bills, and the findings.

    Notes
    -----
    ERCOT Retail Market Guide, section 9, appendix G; LSE File Definition, version 04; the portal's own exports.

    Examples
    --------
    >>> csv = b'''ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL
    ... '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,12:00,1.5,A
    ... '10000000000000017,07/06/2025,07/07/2025 09:40:14,12:00,00:00,2.25,A'''
    >>> load_smt(csv)[["meter", "flow", "start", "value"]].iloc[1].astype(str).tolist()
    ['10000000000000017', 'delivered', '2025-07-06 12:00:00-05:00', '2.25']
    """
    found = open_smt(source, revisions=revisions, pgp=pgp, strict=strict, progress=progress, limits=limits)
    if not len(found.readings) and (len(found.registers) or len(found.bills)):
        kind = "registers" if len(found.registers) else "bills"
        what = "daily register reads" if kind == "registers" else "monthly bills"
        raise FormatError(f"holds {what} and no intervals: use greenkit.open_smt(…).{kind}", source=_what(source))
    found.findings.warn(_what(source))
    return found.readings


def open_smt(
    source: Any,
    *,
    revisions: str = "latest",
    pgp: Any = None,
    strict: bool = False,
    progress: Progress = None,
    limits: Limits | None = None,
) -> SmtData:
    """Read everything that Smart Meter Texas files hold.

    Parameters
    ----------
    source, revisions, pgp, strict, progress, limits
        As in :func:`load_smt`.

    Returns
    -------
    SmtData
        Frames of readings, registers and bills, and the findings; nothing is warned of.

    Raises
    ------
    FormatError, DecryptError, LimitError, FileNotFoundError
        As in :func:`load_smt`; files of register reads or bills are welcome here.
    """
    if revisions not in REVISIONS:
        raise ValueError(f"revisions={revisions!r} is none of {', '.join(map(repr, REVISIONS))}")
    reading = _Reading(Notes(strict=strict), progress, limits)
    for one in walk(source, limits=limits, decrypt=_decrypt(pgp)):
        with progress_bar(progress, one.size, one.name) as advance:
            reading.read(one, advance)
    return reading.result(keep_all=revisions == "all")


class _Reading:
    """One call of open_smt: the formats read into one store, the rest into tables."""

    def __init__(self, notes: Notes, progress: Progress, limits: Limits | None) -> None:
        self._store, self._notes = Store(), notes
        self._registers, self._bills = Table(REGISTERS), Table(BILLS)
        self._ages: dict[str, tuple[str, int]] = {}
        self._green_buttons: list[Any] = []
        self._limits = limits

    def read(self, source: Source, advance: Advance) -> None:
        """Read one stream, whatever its format."""
        head = source.head(HEAD)
        self._ages.setdefault(source.name, (_age(source.name), len(self._ages)))
        kind, text = kind_of(head)
        if kind == "lse":
            _lse.read(source, self._store, self._notes, advance, self._register)
        elif kind == "json":
            _api_json.read(source, Sink(self._store, self._registers, self._bills, self._notes), advance)
        elif kind == "xml":
            self._green_button(source)
        elif kind == "csv":
            self._csv(source, head, text, advance)
        elif kind == "empty":
            self._notes.add("smt.file.empty", file=source.name)
        elif kind == "openpgp":
            raise DecryptError(
                f"{source.name}: this is encrypted with OpenPGP: pass pgp=greenkit.pgp.Keyring(passphrase=…), "
                "which holds the secret key"
            )
        else:
            self._foreign(source, kind, text)

    def _csv(self, source: Source, head: bytes, text: str, advance: Advance) -> None:
        layout = _interval_csv.find(head)
        if layout is None:
            self._foreign(source, "text", text)
        elif layout.kind == "interval":
            _interval_csv.read(source, layout, self._store, self._notes, advance)
        else:
            table = self._registers if layout.kind == "register" else self._bills
            _tables.read(source, layout, table, self._notes, advance)

    def _foreign(self, source: Source, kind: str, text: str) -> None:
        """Refuse a file that the caller named, or that was data; note any other."""
        if source.named or kind in ("standard", "resaved"):
            raise refusal(kind, text, source.name)
        self._notes.add("smt.file.skipped", file=source.name)

    def _green_button(self, source: Source) -> None:
        from greenkit.espi import open_espi

        with source.open() as file:
            self._green_buttons.append(open_espi(file, limits=self._limits))

    def _register(self, *, meter: str, channel: Any, day: int, source: str, unit: str, **readings: Any) -> None:
        self._registers.add(meter, channel, usage_date=day, source=source, unit=unit, **readings)

    def result(self, *, keep_all: bool) -> SmtData:
        """Choose the revisions, and make the frames."""
        store, notes = self._store, self._notes
        if not self._ages:
            notes.add("smt.file.none")
        names = [os.path.basename(name) for name in store.sources.words]
        ages = [self._ages[name] for name in store.sources.words]
        rank = np.argsort(np.array(sorted(range(len(ages)), key=ages.__getitem__), dtype=np.int64))
        blocks = _revisions.resolve(store, store.blocks(), rank, notes, keep_all=keep_all)
        _revisions.completeness(store, blocks, notes)
        readings = frame_of(store, blocks, names, notes)
        if self._registers or self._bills:
            notes.add("smt.file.other-reads", n=len(self._registers) + len(self._bills))
        readings = self._with_green_button(readings)
        registers, bills = (table.frame(notes, keep_all=keep_all) for table in (self._registers, self._bills))
        findings = notes.findings()
        for green_button in self._green_buttons:
            findings.extend(green_button.findings)
        return SmtData(frame.note(readings, findings), registers, bills, findings)

    def _with_green_button(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Add what came as XML; where another format has the same interval that one counts, since it has a revision."""
        if not self._green_buttons:
            return readings
        parts = [readings] if len(readings) else []
        both = frame.concat([*parts, *(g.readings for g in self._green_buttons)])
        if not parts:
            return both
        again = both.duplicated([*frame.SERIES, "start"], keep=False) & both["revision"].isna()
        if again.any():
            self._notes.add("smt.format.twice", str(both.loc[again, "start"].iloc[0]), n=int(again.sum()))
            both = frame.tidy(both[~again])
        return both


def _age(name: str) -> str:
    """Give when a file was made, to tell which of two is later: by its name, else its time on the disk."""
    outer, _, member = name.partition("!")
    created = parse_name(member or outer).created or parse_name(outer).created
    if created is None:
        try:
            changed = Path(outer).stat().st_mtime
        except OSError:
            return ""
        created = dt.datetime.fromtimestamp(changed, tz=zoneinfo.ZoneInfo(ZONE)).replace(tzinfo=None)
    return created.isoformat()


def _decrypt(pgp: Any) -> Callable[..., Any] | None:
    if pgp is None:
        return None
    decrypt = getattr(pgp, "decrypt", pgp)
    if not callable(decrypt):
        raise TypeError(f"pgp is a greenkit.pgp.Keyring or a callable, not {type(pgp).__name__}")
    return decrypt  # type: ignore[no-any-return]


def _what(source: Any) -> str:
    """Name a source in one word, for a warning or an error."""
    if isinstance(source, str | os.PathLike):
        return os.path.basename(os.fspath(source)) or str(source)
    return str(getattr(source, "name", "Smart Meter Texas files"))
