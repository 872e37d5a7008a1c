"""``load``: a tidy frame from any file that greenkit reads, recognized by its first bytes and never by its name."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from greenkit import _foreign, frame, tables
from greenkit._help import explained
from greenkit._left_out import Errors, check_errors, no_intervals
from greenkit._progress import Progress, progress_bar
from greenkit.errors import FormatError
from greenkit.findings import Findings
from greenkit.sources import Decrypt, Decrypts, Limits, Readable, Source, copy_pipe, is_pipe, refuse, walk
from greenkit.text import decode_head

if TYPE_CHECKING:
    from greenkit.espi import GreenButton
    from greenkit.smt import SmtData

_HEAD: Final = 1 << 16
_WORKBOOK: Final = b"PK\x03\x04"
"""First bytes of an Excel workbook; sources opens every other zip."""


@explained
def load(
    source: Readable,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    pgp: Decrypts | Decrypt | None = None,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read interval readings from Green Button or Smart Meter Texas files, or from utility tables.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        XML, LSE, CSV, JSON, or an Excel workbook; a zip or gzip of these, encrypted or not; of a folder or glob, all
        its files; also tar archives, bzip2, xz, and the attachments of saved e-mails. Never a URL. Green Button files
        are read as one feed. Tables must have a known layout. In a folder or archive, files of other kinds are left out
        and reported. Energy that two files have counts once.
    tz, epoch : str, optional
        Zone and clock of a Green Button feed, as in :func:`greenkit.load_espi`; ``tz`` is that of tables too. Smart
        Meter Texas files need neither.
    pgp : Keyring or callable, optional
        For files encrypted with OpenPGP, as in :func:`greenkit.load_smt`.
    errors : {"raise", "collect"}
        With ``"collect"``, damaged files among several, and tables that can be read in several ways, are left out and
        reported as findings.
    progress : bool or callable, optional
        True shows a bar; a callable is called with (bytes done, total bytes).
    limits : Limits, optional
        Limits for archives.

    Returns
    -------
    DataFrame
        A tidy frame, as returned by :func:`greenkit.load_espi`, :func:`greenkit.load_smt`, or
        :func:`greenkit.load_table`, which have more options. A source with only bills or register readings returns an
        empty frame with the finding ``load.intervals.none``, which names the call for them.

    Raises
    ------
    AmbiguousTable
        If a table can be read in several ways.
    FormatError
        If the file is damaged or has another format, if ``tz`` or ``epoch`` is passed for a file that needs none, or
        if a folder or archive has no files.
        If the source has several files and none of them can be read, the error names each file and the reason.
    DecryptError
        If the file is encrypted, and ``pgp`` is missing or cannot decrypt it.
    LimitError
        If an archive exceeds the limits.
    ValueError
        If ``tz`` or ``epoch`` is unknown.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> from greenkit import samples
    >>> load(samples.path("espi"))["unit"].iloc[0]
    'kWh'
    """
    found = open_contents(source, tz=tz, epoch=epoch, pgp=pgp, errors=errors, progress=progress, limits=limits)
    frame.findings_of(found.readings).warn(tables.source_name(source))
    return found.readings


@dataclass(frozen=True)
class Contents:
    """Everything in files of any kind. Create it with :func:`open_contents`.

    Attributes
    ----------
    readings : DataFrame
        A tidy frame, as returned by :func:`load`, with its findings.
    parts : tuple
        What each reader returned, with its registers and bills: at most one of each kind.
    """

    readings: pd.DataFrame
    parts: tuple[GreenButton | SmtData | tables.TableData, ...]

    @property
    def findings(self) -> Findings:
        """Findings of the readings, and of all other tables."""
        found = frame.findings_of(self.readings)
        known = {(f.name, f.text) for f in found}
        found.extend(f for part in self.parts for f in part.findings if (f.name, f.text) not in known)
        return found


def open_contents(
    source: Readable,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    pgp: Decrypts | Decrypt | None = None,
    errors: Errors = "raise",
    progress: Progress = None,
    limits: Limits | None = None,
    layout: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] = MappingProxyType({}),
) -> Contents:
    """Read everything in Green Button and Smart Meter Texas files, and in utility tables. It issues no warnings.

    Parameters
    ----------
    source, tz, epoch, pgp, errors, progress, limits
        As in :func:`load`.
    layout, answers
        Mapping of the tables, and arguments of :func:`greenkit.load_table` by name. They apply only to tables. With a
        mapping, every file is a table that is not Green Button XML.

    Returns
    -------
    Contents
        The readings, and what each reader returned.

    Raises
    ------
    FormatError, DecryptError, LimitError, ValueError, FileNotFoundError
        As in :func:`load`.
    """
    check_errors(errors)
    with contextlib.ExitStack() as held:
        marks: list[tuple[Any, int]] = []
        name, source = source, _rereadable(source, marks, held, limits)
        damaged: list[str] = []
        leave_out = (lambda file, error: damaged.append(file)) if errors == "collect" else None  # the reader reports it
        kinds = {_kind_of(one, layout) for one in walk(source, limits=limits, leave_out=leave_out)}
        for file, start in marks:
            file.seek(start)
        if not kinds and not damaged:
            raise _no_files(name)
        has_tables = "known table" in kinds or ("table" in kinds and not kinds & {"espi", "smt"})
        if (layout is not None or answers) and not has_tables:
            given = [*(["layout"] if layout is not None else []), *answers]
            raise FormatError(
                f"{given[0]}= applies only to tables, and the source contains none",
                next_step=f"Leave {given[0]}= out.",
            )
        if kinds & {"espi"} and not kinds & {"smt", "known table"}:
            from greenkit.espi import _reader as espi

            feed = espi.for_load(
                espi.open_espi(source, tz=tz, epoch=epoch, errors=errors, progress=progress, limits=limits)
            )
            return Contents(feed.readings, (feed,))
        if has_tables:
            if tz is not None:
                frame.zone_of(tz)
                answers = {"zone": tz, **answers}
            return _open_with_tables(source, tz, epoch, pgp, errors, progress, limits, layout, dict(answers))
        if tz is not None or epoch != "utc":
            raise FormatError(
                "tz= and epoch= apply only to Green Button feeds and tables, and the source contains other files",
                next_step="Load the Green Button feeds separately.",
            )
        from greenkit.smt import _reader as smt

        data = smt.for_load(smt.open_smt(source, pgp=pgp, errors=errors, progress=progress, limits=limits))
        return Contents(data.readings, (data,))


def kinds_of(source: Readable) -> set[str]:
    """Return which readers the files of a path are for: ``espi``, ``smt``, ``known table``, ``table``, and ``other``.

    Raises
    ------
    FormatError, LimitError, FileNotFoundError
        As in :func:`load`, if the source has no files or is damaged.
    """
    kinds = {_kind_of(one) for one in walk(source)}
    if not kinds:
        raise _no_files(source)
    return kinds


def _no_files(source: Any) -> FormatError:
    """Return the error for a folder, an archive, or a list without files."""
    what = "source"
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source)).expanduser()
        what = f"{'folder' if path.is_dir() else 'archive'} {source}"
    return FormatError(
        f"The {what} has no files",
        next_step="greenkit reads .xml, .csv, .xlsx, .json, .lse, .zip, and .gz files, and encrypted .asc files. "
        "Check the path.",
    )


def _kind_of(source: Source, layout: object = None) -> str:
    """Return which reader a file is for: ``espi``, ``smt``, ``known table``, ``table``, or ``other``.

    With a mapping of the caller, every table is known.
    """
    head = source.head(_HEAD)
    if head.startswith(_WORKBOOK):
        return "known table" if layout is not None or tables.is_known(source) else "table"
    text = decode_head(head).lstrip("\0 \t\r\n\x1a")
    if not text or _foreign.recognize(head) or _foreign.recognize(text[:4096].encode()):
        return "other"
    from greenkit.smt import is_smt

    if is_smt(head) and layout is None:
        return "smt"
    if text.startswith("<"):
        return "espi"
    if b"\0\0\0\0" in head:
        return "other"
    return "known table" if layout is not None or tables.is_known(source) else "table"


def _open_with_tables(
    source: Readable,
    tz: str | None,
    epoch: str,
    pgp: Decrypts | Decrypt | None,
    errors: Errors,
    progress: Progress,
    limits: Limits | None,
    layout: str | os.PathLike[str] | Mapping[str, Any] | None,
    answers: dict[str, Any],
) -> Contents:
    """Read tables, and the feeds and Smart Meter Texas files beside them; energy that two files have counts once."""
    meter = answers.pop("meter", None)
    reading = tables.TableReading(layout, answers, meter, limits or Limits(), errors=errors)
    others: dict[str, list[Source]] = {"espi": [], "smt": []}
    for one in walk(source, limits=limits, leave_out=reading.left_out.from_walk):
        kind = _kind_of(one, layout)
        if kind in others:
            others[kind].append(_lasting(one))
        elif kind == "other":
            reading.skip(one)
        else:
            with progress_bar(progress, one.size, one.name) as advance:
                reading.read(one, advance)
    if others["smt"] and epoch != "utc":
        raise FormatError(
            "epoch= applies only to Green Button feeds, and the source contains other files",
            next_step="Load the Green Button feeds separately.",
        )
    found = reading.result(alone=not any(others.values()))
    findings = found.findings
    frames = [found.readings] if len(found.readings) else []
    before: list[pd.DataFrame] = []
    parts: list[GreenButton | SmtData | tables.TableData] = [found]
    if others["espi"]:
        from greenkit.espi import open_espi

        feed = open_espi(others["espi"], tz=tz, epoch=epoch, errors=errors, limits=limits)
        before.append(feed.readings)
        findings.extend(feed.findings)
        parts.append(feed)
    if others["smt"]:
        from greenkit.smt import open_smt

        data = open_smt(others["smt"], pgp=pgp, errors=errors, limits=limits)
        before.append(data.readings)
        findings.extend(data.findings)
        parts.append(data)
    kept = tables.drop_repeats([df for df in [*before, *frames] if len(df)], findings)
    readings = kept[0] if len(kept) == 1 else frame.concat(kept)
    if not len(readings):
        findings.extend(no_intervals("open_table", bills=len(found.bills), registers=len(found.registers)))
    return Contents(frame.note(readings, findings), tuple(parts))


def _lasting(source: Source) -> Source:
    """Return a source that can be opened after its archive is closed."""
    if os.path.isfile(source.name):
        return source
    with source.open() as file:
        data = file.read()
    return Source(source.name, lambda: io.BytesIO(data), len(data), source.named)


def _rereadable(source: Any, marks: list[tuple[Any, int]], held: contextlib.ExitStack, limits: Limits | None) -> Any:
    """Copy what can be read only once, and record the positions of open files."""
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source)).expanduser()
        return copy_pipe(path, held, limits) if is_pipe(path) else source
    if isinstance(source, bytes | bytearray | memoryview):
        return source
    refuse(source)
    if hasattr(source, "body"):
        return source.body
    if hasattr(source, "read"):
        if not getattr(source, "seekable", bool)():
            return source.read()
        marks.append((source, source.tell()))
        return source
    return [_rereadable(one, marks, held, limits) for one in source] if isinstance(source, Iterable) else source
