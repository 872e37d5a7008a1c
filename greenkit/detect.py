"""``load``: a tidy frame from any file that greenkit reads, recognized by its first bytes and never by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from greenkit._progress import Progress
from greenkit.errors import FormatError
from greenkit.sources import Limits, Source, is_openpgp, refuse, walk

_HEAD = 4096


def load(
    source: Any,
    *,
    tz: str | None = None,
    epoch: str = "utc",
    pgp: Any = None,
    progress: Progress = None,
    limits: Limits | None = None,
) -> pd.DataFrame:
    """Read interval readings from Green Button or Smart Meter Texas files.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        XML, LSE, CSV, or JSON; a zip or gzip of these, encrypted or not; of a folder or glob, all its files. Never a
        URL. If all files are XML, they are read as one Green Button feed.
    tz, epoch : str, optional
        Zone and clock of a Green Button feed, as in :func:`greenkit.load_espi`. Smart Meter Texas files need neither.
    pgp : Keyring or callable, optional
        For files encrypted with OpenPGP, as in :func:`greenkit.load_smt`.
    progress : bool or callable, optional
        True shows a bar; a callable is called with (bytes done, total bytes).
    limits : Limits, optional
        Limits for archives.

    Returns
    -------
    DataFrame
        A tidy frame, as returned by :func:`greenkit.load_espi` or :func:`greenkit.load_smt`, which have more options.

    Raises
    ------
    FormatError
        If the file is damaged or has another format, or if ``tz`` or ``epoch`` is passed for a file that is not a
        Green Button feed.
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
    marks: list[tuple[Any, int]] = []
    source = _rereadable(source, marks)
    heads = [_first_bytes(one) for one in walk(source, limits=limits)]
    for file, start in marks:
        file.seek(start)
    if heads and all(head.startswith(b"<") for head in heads):
        from greenkit.espi import load_espi

        return load_espi(source, tz=tz, epoch=epoch, progress=progress, limits=limits)
    if tz is not None or epoch != "utc":
        raise FormatError(
            "tz= and epoch= apply only to Green Button feeds, and the source contains other files",
            next_step="Load the Green Button feeds separately.",
        )
    from greenkit.smt import load_smt

    return load_smt(source, pgp=pgp, progress=progress, limits=limits)


def _rereadable(source: Any, marks: list[tuple[Any, int]]) -> Any:
    """Keep what can be read only once, and record the positions of open files."""
    if isinstance(source, str | bytes | bytearray | memoryview) or hasattr(source, "__fspath__"):
        return source
    refuse(source)
    if hasattr(source, "read"):
        if not getattr(source, "seekable", bool)():
            return source.read()
        marks.append((source, source.tell()))
        return source
    return [_rereadable(one, marks) for one in source] if isinstance(source, Iterable) else source


def _first_bytes(source: Source) -> bytes:
    """Return the first characters as ASCII, without a byte order mark, white space, or the zeros of UTF-16."""
    head = source.head(_HEAD)
    if is_openpgp(head):
        return head
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        head = head.removeprefix(mark)
    return head.replace(b"\0", b"").lstrip()
