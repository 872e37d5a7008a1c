"""``load``: a tidy frame from any file that greenkit reads, told by its first bytes and never by its name."""

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
    """Read interval readings, whatever the source is: Green Button or Smart Meter Texas.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        XML, LSE, CSV or JSON; a zip or gzip of them, encrypted or not; a folder or a glob gives all that is in it.
        Never a URL. When all of it is XML, it is read as one Green Button feed.
    tz, epoch : str, optional
        The zone and the clock of a Green Button feed, as in :func:`greenkit.load_espi`; Smart Meter Texas's files
        need neither.
    pgp : Keyring or callable, optional
        For files encrypted with OpenPGP, as in :func:`greenkit.load_smt`.
    progress : bool or callable, optional
        True shows a bar; a callable is told (bytes done, bytes in all).
    limits : Limits, optional
        What archives may unpack to.

    Returns
    -------
    DataFrame
        A tidy frame, as :func:`greenkit.load_espi` or :func:`greenkit.load_smt` gives it; call these for their
        other options.

    Raises
    ------
    FormatError
        It is neither, or damaged; or ``tz`` or ``epoch`` is given for what is no Green Button feed.
    DecryptError
        It is encrypted, and ``pgp`` is missing or does not open it.
    LimitError
        It is hostile, or larger than the limits.
    ValueError
        ``tz`` or ``epoch`` is unknown.
    FileNotFoundError
        There is no such file.

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
            "tz= and epoch= are for Green Button feeds alone, and not all of this is: load those by themselves"
        )
    from greenkit.smt import load_smt

    return load_smt(source, pgp=pgp, progress=progress, limits=limits)


def _rereadable(source: Any, marks: list[tuple[Any, int]]) -> Any:
    """Hold on to what can be read only once, and mark where open files stand."""
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
    """Give the first characters as ASCII, without a byte order mark, blanks and UTF-16's zeros."""
    head = source.head(_HEAD)
    if is_openpgp(head):
        return head
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        head = head.removeprefix(mark)
    return head.replace(b"\0", b"").lstrip()
