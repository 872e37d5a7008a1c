"""``load_smt`` and ``open_smt``: Smart Meter Texas files of any format → tidy frames and findings."""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import itertools
import os
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd

from greenkit import _foreign, _glance, _html, frame
from greenkit._foreign import Foreign
from greenkit._help import explained
from greenkit._left_out import Errors, LeftOut, NothingRead, check_errors, no_intervals, reason
from greenkit._progress import Progress, progress_bar
from greenkit.errors import DecryptError, FormatError, GreenkitError, OtherFormat
from greenkit.findings import Findings
from greenkit.smt import _api_json, _interval_csv, _lse, _revisions, _tables
from greenkit.smt._blocks import Blocks, Codes, Store, Values, build_frame, check_values, in_order
from greenkit.smt._codes import ZONE
from greenkit.smt._findings import (
    FILE_DAMAGED,
    FILE_EMPTY,
    FILE_SKIPPED,
    FORMAT_TWICE,
    NO_FILE,
    OTHER_READS,
    FindingCounter,
)
from greenkit.smt._names import parse_name
from greenkit.smt._tables import BILLS, REGISTERS, ReadTargets, Table
from greenkit.sources import Decrypt, Decrypts, Limits, Readable, Source, is_openpgp, walk
from greenkit.text import Advance, decode_head

REVISIONS: Final = ("latest", "all")
HEAD: Final = 1 << 16
"""First bytes of a file by which its format is recognized. A CSV may have lines before its header."""

_CONTROL: Final = dict.fromkeys(set(range(32)) - set(b"\t\n\r\f\x1a"))
"""Control characters that no text contains."""
_RESAVED: Final = re.compile(rb"1[,;\t][^,;\t]*[,;\t]\d{1,3}[,;\t]2[.,]\d+E\+13[,;\t]")
"""Header 1 of LSE as a spreadsheet saves it: without leading zeros, and with rounded times and IDs."""
_DOWNLOADS: Final = (
    *("type,date,start time,", "type,start date,end date,"),  # Opower's: PG&E, PECO, ComEd, RG&E
    *("energy consumption time period,", "energy delivered time period,", "energy received time period,"),  # SCE
    *("meter number,date,start time,duration,", "interval_start,interval_end,"),  # SDG&E, UtilityAPI
)
"""Headers of the CSV that portals offer beside the XML, below lines with the customer's name."""
_HEADER_WORD: Final = re.compile(
    r"(?:(?:account|amount|consumption|cost|currency|date|day|delivered|demand|duration|end|energy|generation|hour|id|"
    r"interval|kw|kwh|meter|net|notes|number|period|price|quality|read|reading|received|service|start|status|stop|"
    r"surplus|time|timestamp|to|from|total|type|unit|units|usage|value|volume|zone|local|utc|of|in)[\s_()/:.-]*)+",
    re.IGNORECASE,
)
"""A cell that is made of words that are usual in headers."""
_TIDY: Final = "meter,series,flow,start,"
"""Header of a frame that greenkit wrote."""

# Kind of file → what it is, for files that are text and still not those of Smart Meter Texas.
_REFUSED: Final[Mapping[str, Foreign]] = {
    "standard": Foreign(
        "a file in the older fixed-width Lodestar Standard format (.ls)",
        "Request the data as LSE (Lodestar Enhanced) or CSV instead.",
    ),
    "resaved": Foreign(
        "LSE that was saved by a spreadsheet, which loses digits of ESI IDs and times",
        "Use the file as it was delivered, and do not open it in a spreadsheet.",
    ),
    "download": Foreign(
        "the CSV of a utility's portal, not of Smart Meter Texas", "Read it with greenkit.load or greenkit.load_table."
    ),
    "tidy": Foreign("a greenkit frame as CSV", "Read it with greenkit.export.read_csv."),
    "binary": Foreign(
        "not a Smart Meter Texas file", "Pass LSE, CSV, JSON or XML, or a zip, gzip or OpenPGP message of one of them."
    ),
}


# -- recognizing a format


def kind_of(head: bytes) -> tuple[str, str]:
    """Return the format of a file, and its text without what precedes it, by its first bytes and never by its name.

    Returns
    -------
    kind : str
        ``"lse"``, ``"csv"``, ``"json"``, ``"xml"``, ``"openpgp"``, ``"empty"``, a key of the table of refused files, or
        ``"foreign"`` for what :func:`greenkit._foreign.recognize` knows.
    text : str
        The first bytes as text.
    """
    if _foreign.recognize(head):
        return "foreign", ""
    if is_openpgp(head):
        return "openpgp", ""
    text = decode_head(head).lstrip("\0 \t\r\n\x1a")
    if not text:
        return "empty", ""
    if _foreign.recognize(text[:4096].encode()):  # text in UTF-16
        return "foreign", text
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
    if len(text) - len(text.translate(_CONTROL)) > len(text) // 100:
        return "binary", ""
    return "csv", text


def is_smt(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of Smart Meter Texas, encrypted or not.

    Parameters
    ----------
    head : bytes
        The first 64 KiB of the file, or all of it.

    Examples
    --------
    >>> is_smt(b"00000001,10000000000000017,4,"), is_smt(b"name,street")
    (True, False)
    """
    kind, text = kind_of(head)
    if kind == "csv":
        return _interval_csv.find_layout(head) is not None
    return kind in ("lse", "openpgp", "standard", "resaved") or (kind == "json" and _api_json.has_names_of_smt(text))


def refusal(kind: str, head: bytes, text: str, source: str) -> OtherFormat:
    """Return the error for a file that is not one of Smart Meter Texas, or no longer."""
    flat = text.replace('"', "").replace("\t", ",").lower()
    if kind == "text" and any(header in flat for header in _DOWNLOADS):
        kind = "download"
    if flat.lstrip(",").startswith(_TIDY):
        kind = "tidy"
    what = _REFUSED.get(kind) or _foreign.recognize(head) or _foreign.recognize(text[:4096].encode())
    if what:
        return OtherFormat(f"This is {what.what}", source=source, next_step=what.next_step)
    names = _column_names(text)
    return OtherFormat(
        "There are no columns of Smart Meter Texas" + (f" among {', '.join(names)}" if names else ""),
        source=source,
        next_step="If the file is a table of another sender, read it with greenkit.load_table.",
    )


def _column_names(text: str) -> list[str]:
    """Return the names in the header of an unknown table.

    Lines before a header can contain the customer's name, so only words that are usual in headers are returned.
    """
    for line in text.splitlines()[:20]:
        cells = [cell.strip(' "') for cell in re.split(r"[,;\t|]", line)]
        if len(cells) > 1 and all(_HEADER_WORD.fullmatch(cell) for cell in cells if cell):
            return [cell for cell in cells if cell][:12]
    return []


# -- the public functions


@dataclass
class SmtData:
    """The contents of Smart Meter Texas files. Create it with :func:`open_smt`.

    Attributes
    ----------
    readings : DataFrame
        Intervals: a tidy frame, as :func:`load_smt` returns it.
    registers : DataFrame
        Register reads, one row for each meter and day: ``meter``, ``series``, ``flow``, ``usage_date`` (local date),
        ``start_reading``, ``end_reading`` and ``value`` (kWh), ``unit``, ``quality``, ``quality_code``,
        ``revision``, ``source``, then the file's other columns as text. Never add them to interval usage.
    bills : DataFrame
        Monthly usage: ``meter``, ``series``, ``flow``, ``start_date`` and ``end_date`` (local dates, as in the
        file), ``value`` (kWh), and the same columns after it.
    findings : Findings
        Problems in the data.
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


@dataclass(frozen=True)
class SmtBlocks:
    """All revisions of Smart Meter Texas files as blocks. Create it with :func:`read_blocks`.

    Attributes
    ----------
    store : Store
        The words behind the numbers of the blocks.
    blocks : Blocks
        Sorted by meter, channel, day, revision, and start. ``first`` is a position in ``values``.
    values, codes : array
        Value (kWh) and status of each interval, in the order of the blocks.
    names, ages : list of str
        Name and age of each source, in the order of the store's numbers. An age is a local date and time of Texas in
        ISO 8601, or empty if it is unknown.
    feeds : list of DataFrame
        Readings of the files that are Green Button XML.
    registers, bills : DataFrame
        As in :class:`SmtData`, in all revisions.
    findings : Findings
        Problems in the data.
    """

    store: Store
    blocks: Blocks
    values: Values
    codes: Codes
    names: list[str]
    ages: list[str]
    feeds: list[pd.DataFrame]
    registers: pd.DataFrame
    bills: pd.DataFrame
    findings: Findings


def read_blocks(source: Readable, *, pgp: Decrypts | Decrypt | None = None, limits: Limits | None = None) -> SmtBlocks:
    """Read the intervals of Smart Meter Texas files as blocks, in all revisions, for a dataset.

    A block costs a few numbers where a frame costs 50 bytes for each interval.

    Parameters
    ----------
    source, pgp, limits
        As in :func:`load_smt`.

    Returns
    -------
    SmtBlocks
        It issues no warnings.

    Raises
    ------
    FormatError, DecryptError, LimitError, FileNotFoundError
        As in :func:`open_smt`.
    """
    reading = _Reading(FindingCounter(strict=False), limits, "raise")
    reading.read_all(walk(source, limits=limits, decrypt=_decrypt_with(pgp)), None)
    return reading.blocks()


@explained
def load_smt(
    source: Readable,
    *,
    revisions: str = "latest",
    pgp: Decrypts | Decrypt | None = None,
    strict: bool = False,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read the 15-minute readings of Smart Meter Texas files.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        LSE, interval CSV, the REST API's JSON or Green Button XML; a zip or gzip of these, encrypted or not; of a
        folder or glob, all its files. Never a URL.
    revisions : {"latest", "all"}
        When SMT has better data for a day, it sends the day again. ``"latest"`` keeps only the newest revision of each
        ESI ID, day and channel. ``"all"`` keeps every revision; the column ``revision`` distinguishes them.
    pgp : Keyring or callable, optional
        For files encrypted with OpenPGP: a :class:`greenkit.pgp.Keyring`, or a callable that takes the open message
        and returns the open decrypted file.
    strict : bool
        Raise FormatError for the first problem that would be a finding of severity warning or serious.
    errors : {"raise", "collect"}
        What to do with a damaged file among several. ``"raise"`` raises its error. ``"collect"`` leaves the file out,
        reads the others, and reports the finding ``smt.file.damaged`` with the reason. Files of other kinds in a
        folder or archive are always left out and reported.
    progress : bool or callable, optional
        True shows a bar; a callable is called with (bytes done, total bytes).
    limits : Limits, optional
        Limits for archives.

    Returns
    -------
    DataFrame
        One row for each interval, sorted by meter, flow, series and start. Columns are those of
        :data:`greenkit.frame.COLUMNS`, then ``quality_code`` (the letter in the file), ``revision`` (when SMT made this
        version of the day), ``usage_date`` (the day under which the file has the interval), and ``source``. ``meter``
        is the ESI ID, ``series`` the SMT channel (``"4"`` load, ``"1"`` generation), and ``flow`` is ``delivered`` for
        consumption and ``received`` for surplus generation. ``start`` labels the interval and ``end`` is exclusive;
        both are in America/Chicago. ``value`` is in kWh, and NaN if the file has no value. A file without readings
        returns an empty frame with the same dtypes, and the finding ``load.intervals.none`` if it has register reads or
        bills.

    Raises
    ------
    FormatError
        If the source is not a Smart Meter Texas file, or is an error message of SMT; if it has several files and none
        of them can be read, the error names each file and the reason.
    DecryptError
        If the source is encrypted, and ``pgp`` is missing or cannot decrypt it.
    LimitError
        If an archive exceeds the limits.
    FileNotFoundError
        If the file does not exist.

    Warns
    -----
    GreenkitWarning
        If there are findings: once for each serious finding, and once for the first of severity warning.

    See Also
    --------
    open_smt : also returns register reads, bills, and findings.

    Notes
    -----
    Sources: ERCOT Retail Market Guide, section 9, appendix G; LSE File Definition, version 04; exports of the portal.

    Examples
    --------
    >>> csv = b'''ESIID,USAGE_DATE,REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL
    ... '10000000000000017,07/06/2025,07/07/2025 09:40:14,00:00,12:00,1.5,A
    ... '10000000000000017,07/06/2025,07/07/2025 09:40:14,12:00,00:00,2.25,A'''
    >>> load_smt(csv)[["meter", "flow", "start", "value"]].iloc[1].astype(str).tolist()
    ['10000000000000017', 'delivered', '2025-07-06 12:00:00-05:00', '2.25']
    """
    data = for_load(
        open_smt(source, revisions=revisions, pgp=pgp, strict=strict, errors=errors, progress=progress, limits=limits)
    )
    data.findings.warn(_name_of(source))
    return data.readings


def for_load(data: SmtData) -> SmtData:
    """Return the data, with the finding that :func:`load_smt` adds to readings without rows."""
    if not len(data.readings):
        data.findings.extend(no_intervals("open_smt", bills=len(data.bills), registers=len(data.registers)))
        frame.note(data.readings, data.findings)
    return data


@explained
def open_smt(
    source: Readable,
    *,
    revisions: str = "latest",
    pgp: Decrypts | Decrypt | None = None,
    strict: bool = False,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> SmtData:
    """Read the readings, register reads and bills of Smart Meter Texas files.

    Parameters
    ----------
    source, revisions, pgp, strict, errors, progress, limits
        As in :func:`load_smt`.

    Returns
    -------
    SmtData
        Frames of readings, registers and bills, and the findings. It issues no warnings.

    Raises
    ------
    FormatError, DecryptError, LimitError, FileNotFoundError
        As in :func:`load_smt`.
    """
    if revisions not in REVISIONS:
        raise ValueError(f"revisions is {revisions!r}, but it must be one of {', '.join(map(repr, REVISIONS))}")
    check_errors(errors)
    if strict and errors == "collect":
        raise ValueError("strict=True raises the first problem, so errors must be 'raise'")
    reading = _Reading(FindingCounter(strict=strict), limits, errors)
    files = walk(source, limits=limits, decrypt=_decrypt_with(pgp), leave_out=reading.left_out.from_walk)
    reading.read_all(files, progress)
    return reading.result(keep_all=revisions == "all")


class _EmptyFile(OtherFormat):
    """The file has no content."""


class _Reading:
    """One call of open_smt: the formats are read into one store, the rest into tables."""

    def __init__(self, counter: FindingCounter, limits: Limits | None, errors: Errors) -> None:
        self._store, self._counter, self._limits = Store(), counter, limits
        self.left_out = LeftOut(errors, self._report)
        self._registers, self._bills = Table(REGISTERS), Table(BILLS)
        self._ages: dict[str, tuple[str, int]] = {}
        self._feeds: list[Any] = []

    def read_all(self, sources: Iterable[Source], progress: Progress) -> None:
        """Read all files. Green Button feeds are read as one, since a feed may be in several files."""
        feeds = self._read_others(sources, progress)
        first = next(feeds, None)
        if first is None:
            return
        from greenkit.espi import open_espi

        errors: Errors = "collect" if self.left_out.collects else "raise"
        try:
            # open_espi takes one feed after the other from the generator, which reads the files in between
            self._feeds.append(open_espi(itertools.chain([first], feeds), errors=errors, limits=self._limits))
        except NothingRead as e:
            for name, error in e.files.items():
                self.left_out.add(name, error)

    def _read_others(self, sources: Iterable[Source], progress: Progress) -> Iterator[Source]:
        """Read all files but Green Button XML, and yield the sources of those."""
        for source in sources:
            head = source.head(HEAD)
            kind, text = kind_of(head)
            self._ages.setdefault(source.name, (_age(source.name), len(self._ages)))
            if kind == "xml":
                yield source
                continue
            with progress_bar(progress, source.size, source.name) as advance, self._reading(source):
                self._read(source, kind, head, text, advance)

    def _reading(self, source: Source) -> contextlib.AbstractContextManager[None]:
        """Read one file, and remove its rows if it is left out."""
        rows, registers, bills = self._store.mark(), len(self._registers), len(self._bills)

        def undo() -> None:
            self._store.rollback(rows)
            self._registers.truncate(registers)
            self._bills.truncate(bills)

        return self.left_out.reading(source, undo)

    def _report(self, name: str, error: GreenkitError) -> None:
        if isinstance(error, _EmptyFile):
            self._counter.add(FILE_EMPTY, file=name)
        else:
            kind = FILE_SKIPPED if isinstance(error, OtherFormat) else FILE_DAMAGED
            self._counter.add(kind, reason(error, name, brief=True), file=name)

    def _read(self, source: Source, kind: str, head: bytes, text: str, advance: Advance) -> None:
        """Read one file that is not XML."""
        if kind == "lse":
            _lse.read(source, self._store, self._counter, advance, self._add_register)
        elif kind == "json":
            targets = ReadTargets(self._store, self._registers, self._bills, self._counter)
            _api_json.read(source, targets, advance)
        elif kind == "csv":
            self._read_csv(source, head, text, advance)
        elif kind == "empty":
            rest = head.removeprefix(codecs.BOM_UTF8)
            what = "The file is empty" if not rest else "The file contains only white space"
            if b"\0" in rest:
                what = "The file contains only zero bytes"
            raise _EmptyFile(what, source=source.name, next_step="Download the file again.")
        elif kind == "openpgp":
            raise DecryptError(
                f"{source.name} is encrypted with OpenPGP",
                next_step="Pass pgp=greenkit.pgp.Keyring(passphrase=…), with a keyring that has the secret key.",
            )
        elif kind in ("standard", "resaved"):  # meter data that must not go unnoticed
            error = refusal(kind, head, text, source.name)
            raise FormatError(error.problem, next_step=error.next_step)
        else:
            raise refusal(kind, head, text, source.name)

    def _read_csv(self, source: Source, head: bytes, text: str, advance: Advance) -> None:
        layout = _interval_csv.find_layout(head)
        if layout is None:
            raise refusal("text", head, text, source.name)
        if layout.kind == "interval":
            _interval_csv.read(source, layout, self._store, self._counter, advance)
        else:
            table = self._registers if layout.kind == "register" else self._bills
            _tables.read(source, layout, table, self._counter, advance)

    def _add_register(self, *, meter: str, channel: Any, day: int, source: str, unit: str, **readings: Any) -> None:
        self._registers.add(meter, channel, usage_date=day, source=source, unit=unit, **readings)

    def result(self, *, keep_all: bool) -> SmtData:
        """Choose the revisions that count, and build the frames."""
        store, counter = self._store, self._counter
        blocks, names = self._resolved(keep_all=keep_all)
        readings = build_frame(store, blocks, names, counter)
        readings = self._with_green_button(readings)
        registers, bills, findings = self._others(keep_all=keep_all)
        return SmtData(frame.note(readings, findings), registers, bills, findings)

    def blocks(self) -> SmtBlocks:
        """Return all revisions as blocks, before they become a frame."""
        store, counter = self._store, self._counter
        blocks, names = self._resolved(keep_all=True)
        values, codes = store.flat()
        if len(blocks):
            values, codes = in_order(blocks, values, codes)
            check_values(store, blocks, values, codes, counter)
        ages = [self._ages[name][0] for name in store.sources.words]
        registers, bills, findings = self._others(keep_all=True)
        feeds = [feed.readings for feed in self._feeds]
        return SmtBlocks(store, blocks, values, codes, names, ages, feeds, registers, bills, findings)

    def _resolved(self, *, keep_all: bool) -> tuple[Blocks, list[str]]:
        """Return the blocks that count, and the names of the store's sources."""
        store, counter = self._store, self._counter
        if self.left_out.files and not self._feeds and not self._ages.keys() - self.left_out.files.keys():
            raise self.left_out.nothing_read("meter data that greenkit reads")
        if not self._ages:
            counter.add(NO_FILE)
        names = [os.path.basename(name) for name in store.sources.words]
        ages = [self._ages[name] for name in store.sources.words]
        rank = np.argsort(np.array(sorted(range(len(ages)), key=ages.__getitem__), dtype=np.int64))
        blocks = _revisions.resolve(store, store.blocks(), rank, counter, keep_all=keep_all)
        _revisions.check_completeness(store, blocks, counter)
        return blocks, names

    def _others(self, *, keep_all: bool) -> tuple[pd.DataFrame, pd.DataFrame, Findings]:
        """Return the register reads, the bills, and the findings."""
        counter = self._counter
        if self._registers or self._bills:
            counter.add(OTHER_READS, n=len(self._registers) + len(self._bills))
        registers, bills = (table.frame(counter, keep_all=keep_all) for table in (self._registers, self._bills))
        findings = counter.findings()
        for feed in self._feeds:
            findings.extend(feed.findings)
        return registers, bills, findings

    def _with_green_button(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Return the readings with those of Green Button XML.

        If another format has the same interval, that one counts, because it states its revision.
        """
        if not self._feeds:
            return readings
        parts = [readings] if len(readings) else []
        both = frame.concat([*parts, *(feed.readings for feed in self._feeds)], revisions="all")
        if not parts:
            return both
        is_repeat = both.duplicated([*frame.SERIES, "start"], keep=False) & both["revision"].isna()
        if is_repeat.any():
            self._counter.add(FORMAT_TWICE, str(both.loc[is_repeat, "start"].iloc[0]), n=int(is_repeat.sum()))
            both = frame.tidy(both[~is_repeat])
        return both


def _age(name: str) -> str:
    """Return when a file was made, by its name or else its modification time, to tell which of two is newer."""
    outer, _, member = name.partition("!")
    created = parse_name(member or outer).created or parse_name(outer).created
    if created is None:
        try:
            changed = Path(outer).stat().st_mtime
        except OSError:
            return ""
        created = dt.datetime.fromtimestamp(changed, tz=zoneinfo.ZoneInfo(ZONE)).replace(tzinfo=None)
    return created.isoformat()


def _decrypt_with(pgp: Decrypts | Decrypt | None) -> Decrypt | None:
    """Return the callable that decrypts a message."""
    if pgp is None:
        return None
    decrypt = getattr(pgp, "decrypt", pgp)
    if not callable(decrypt):
        raise TypeError(f"pgp must be a greenkit.pgp.Keyring or a callable, not {type(pgp).__name__}")
    return cast(Callable[..., Any], decrypt)


def _name_of(source: Any) -> str:
    """Return a short name of a source, for a warning or an error."""
    if isinstance(source, str | os.PathLike):
        return os.path.basename(os.fspath(source)) or str(source)
    return str(getattr(source, "name", "Smart Meter Texas files"))
