"""``load``: a tidy frame from any file that greenkit reads, recognized by its first bytes and never by its name."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from greenkit import _foreign, frame, tables
from greenkit._left_out import Errors, check_errors
from greenkit._progress import Progress, progress_bar
from greenkit.errors import FormatError
from greenkit.sources import Decrypt, Decrypts, Limits, Readable, Source, copy_pipe, is_pipe, refuse, walk
from greenkit.text import decode_head

_HEAD: Final = 1 << 16
_WORKBOOK: Final = b"PK\x03\x04"
"""First bytes of an Excel workbook; sources opens every other zip."""


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
        :func:`greenkit.load_table`, which have more options.

    Raises
    ------
    AmbiguousTable
        If a table can be read in several ways.
    FormatError
        If the file is damaged or has another format, or if ``tz`` or ``epoch`` is passed for a file that needs none.
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
    check_errors(errors)
    with contextlib.ExitStack() as held:
        marks: list[tuple[Any, int]] = []
        source = _rereadable(source, marks, held, limits)
        leave_out = (lambda name, error: None) if errors == "collect" else None  # the reader reports it
        kinds = {_kind_of(one) for one in walk(source, limits=limits, leave_out=leave_out)}
        for file, start in marks:
            file.seek(start)
        if kinds & {"espi"} and not kinds & {"smt", "known table"}:
            from greenkit.espi import load_espi

            return load_espi(source, tz=tz, epoch=epoch, errors=errors, progress=progress, limits=limits)
        if "known table" in kinds or ("table" in kinds and not kinds & {"espi", "smt"}):
            return _load_with_tables(source, tz, epoch, pgp, errors, progress, limits)
        if tz is not None or epoch != "utc":
            raise FormatError(
                "tz= and epoch= apply only to Green Button feeds and tables, and the source contains other files",
                next_step="Load the Green Button feeds separately.",
            )
        from greenkit.smt import load_smt

        return load_smt(source, pgp=pgp, errors=errors, progress=progress, limits=limits)


def _kind_of(source: Source) -> str:
    """Return which reader a file is for: ``espi``, ``smt``, ``known table``, ``table``, or ``other``."""
    head = source.head(_HEAD)
    if head.startswith(_WORKBOOK):
        return "known table" if tables.is_known(source) else "table"
    text = decode_head(head).lstrip("\0 \t\r\n\x1a")
    if not text or _foreign.recognize(head) or _foreign.recognize(text[:4096].encode()):
        return "other"
    from greenkit.smt import is_smt

    if is_smt(head):
        return "smt"
    if text.startswith("<"):
        return "espi"
    if b"\0\0\0\0" in head:
        return "other"
    return "known table" if tables.is_known(source) else "table"


def _load_with_tables(
    source: Readable,
    tz: str | None,
    epoch: str,
    pgp: Decrypts | Decrypt | None,
    errors: Errors,
    progress: Progress,
    limits: Limits | None,
) -> pd.DataFrame:
    """Load tables, and the feeds and Smart Meter Texas files beside them; energy that two files have counts once."""
    reading = tables.TableReading(None, {} if tz is None else {"zone": tz}, None, limits or Limits(), errors=errors)
    others: dict[str, list[Source]] = {"espi": [], "smt": []}
    for one in walk(source, limits=limits, leave_out=reading.left_out.from_walk):
        kind = _kind_of(one)
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
    if others["espi"]:
        from greenkit.espi import open_espi

        feed = open_espi(others["espi"], tz=tz, epoch=epoch, errors=errors, limits=limits)
        before.append(feed.readings)
        findings.extend(feed.findings)
    if others["smt"]:
        from greenkit.smt import open_smt

        data = open_smt(others["smt"], pgp=pgp, errors=errors, limits=limits)
        before.append(data.readings)
        findings.extend(data.findings)
    kept = tables.drop_repeats([df for df in [*before, *frames] if len(df)], findings)
    readings = kept[0] if len(kept) == 1 else frame.concat(kept)
    findings.warn(tables.source_name(source))
    return frame.note(readings, findings)


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
    if hasattr(source, "read"):
        if not getattr(source, "seekable", bool)():
            return source.read()
        marks.append((source, source.tell()))
        return source
    return [_rereadable(one, marks, held, limits) for one in source] if isinstance(source, Iterable) else source
