"""Scans: which files a dataset is to read, and how they are divided among workers. Nothing is opened.

Small files are batched, so that a task is worth starting a worker for. A large LSE file is cut into ranges, because its
records are independent; a worker finds the first record of its range itself. Other large files are one task each.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from greenkit import _html, sources, store
from greenkit.errors import SettingsError
from greenkit.findings import counted
from greenkit.sources import Limits

if TYPE_CHECKING:
    from greenkit.tables.mapping import TableMapping

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A file, folder, or glob pattern, or several of them."""

CUT: Final = 64 << 20
"""Bytes of a task. 64 MB of LSE are 6 million readings, and need about 1 GB of memory."""
FILES: Final = 250
"""Most files of a task."""
_PACKED: Final = (".gz", ".zip", ".pgp", ".gpg", ".asc", ".xz", ".bz2", ".tgz")
_PACKED_RATIO: Final = 8
"""Bytes that a byte of a packed file is likely to become."""


@dataclass(frozen=True)
class File:
    """One file of a scan, as the folder lists it."""

    path: str
    size: int
    modified: int
    """Microseconds since 1970 UTC."""

    @property
    def weight(self) -> int:
        """Bytes that there are to read, estimated for packed files."""
        packed = self.path.lower().endswith(_PACKED)
        return self.size * _PACKED_RATIO if packed else self.size


@dataclass(frozen=True)
class Piece:
    """A file, or a range of its bytes, as one task reads it."""

    file: File
    begin: int = 0
    end: int | None = None
    digest: str = ""


@dataclass(frozen=True)
class Task:
    """What one worker reads at a time. ``name`` identifies it in the dataset."""

    name: str
    pieces: tuple[Piece, ...]
    how: How

    @property
    def weight(self) -> int:
        """Bytes to read."""
        return sum((p.file.weight if p.end is None else min(p.end, p.file.size) - p.begin) for p in self.pieces)


@dataclass(frozen=True)
class How:
    """How the files of a scan are read: the reader and its arguments."""

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scan:
    """Files that are to be read. Create it with :func:`scan_smt`, :func:`scan_espi`, or :func:`scan_tables`.

    Attributes
    ----------
    files : tuple of File
        Path, bytes, and time of modification of each.
    how : How
        The reader and its arguments.
    cut : int
        Bytes of a task.
    """

    files: tuple[File, ...]
    how: How
    cut: int = CUT

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(f.size for f in self.files)

    def only(self, files: Iterable[File]) -> Scan:
        """Return the scan of some of its files."""
        return replace(self, files=tuple(files))

    def tasks(self, digests: Mapping[str, str] | None = None, name: Callable[[], str] = lambda: "") -> Iterator[Task]:
        """Yield the tasks: ranges of large LSE files, then batches of other files.

        Parameters
        ----------
        digests : mapping, optional
            Path → SHA-256 of each file.
        name : callable, optional
            Returns a new name for each task.
        """
        known = digests or {}
        batch: list[Piece] = []
        weight = 0
        for file in self.files:
            if self._is_cut(file):
                for begin in range(0, file.size, self.cut):
                    piece = Piece(file, begin, begin + self.cut, known.get(file.path, ""))
                    yield Task(name(), (piece,), self.how)
                continue
            if batch and (weight + file.weight > self.cut or len(batch) == FILES):
                yield Task(name(), tuple(batch), self.how)
                batch, weight = [], 0
            batch.append(Piece(file, 0, None, known.get(file.path, "")))
            weight += file.weight
        if batch:
            yield Task(name(), tuple(batch), self.how)

    def _is_cut(self, file: File) -> bool:
        return self.how.kind == "smt" and file.size > self.cut and file.path.lower().endswith(".lse")

    def __repr__(self) -> str:
        size = f"{self.bytes / 1e9:,.1f} GB" if self.bytes >= 1e8 else f"{self.bytes / 1e6:,.1f} MB"
        tasks = sum(1 for _ in self.tasks())
        return f"Scan ({self.how.kind}): {counted(len(self.files), 'file')}, {size}, {counted(tasks, 'task')}"

    def _repr_html_(self) -> str:
        rows = [[f.path, _html.Number(f"{f.size:,}")] for f in self.files[:10]]
        more = f"<p>and {len(self.files) - 10:,} more</p>" if len(self.files) > 10 else ""
        return _html.block(repr(self), _html.table(["file", "bytes"], rows) + more, text=repr(self))


def scan_smt(source: Paths, *, pgp: Any = None, limits: Limits | None = None, cut: int = CUT) -> Scan:
    """List Smart Meter Texas files for a dataset, without opening them.

    Parameters
    ----------
    source : path, or a list of these
        Files, folders, and glob patterns with what :func:`greenkit.load_smt` reads. Never a URL.
    pgp : Keyring or callable, optional
        For encrypted files, as in :func:`greenkit.load_smt`. To send it to other processes, it must be possible to
        pickle it; otherwise the files are read one after the other.
    limits : Limits, optional
        Limits for archives.
    cut : int
        Bytes of a task. Lower it if workers have less than 2 GB of memory. Default: 64 MiB.

    Returns
    -------
    Scan
        An empty folder returns a scan without files.

    Raises
    ------
    FileNotFoundError
        If a path does not exist, or a pattern matches nothing.
    """
    return Scan(tuple(_listed(source)), How("smt", {"pgp": pgp, "limits": limits}), _checked(cut))


def scan_espi(
    source: Paths,
    *,
    tz: str | None = None,
    epoch: Literal["utc", "local", "standard"] = "utc",
    limits: Limits | None = None,
    cut: int = CUT,
) -> Scan:
    """List Green Button files for a dataset, without opening them.

    Each file is read as a feed of its own: a feed in several files needs :func:`greenkit.load_espi`.

    Parameters
    ----------
    source : path, or a list of these
        Files, folders, and glob patterns. Never a URL.
    tz, epoch, limits
        As in :func:`greenkit.load_espi`.
    cut : int
        Bytes of a task. Default: 64 MiB.

    Returns
    -------
    Scan
        An empty folder returns a scan without files.
    """
    return Scan(tuple(_listed(source)), How("espi", {"tz": tz, "epoch": epoch, "limits": limits}), _checked(cut))


def scan_tables(
    source: Paths,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None = None,
    *,
    tz: str | None = None,
    unit: str | None = None,
    flow: Literal["delivered", "received", "net", "total", "unknown"] | None = None,
    meter: str | None = None,
    limits: Limits | None = None,
    cut: int = CUT,
) -> Scan:
    """List CSV, TXT, and Excel tables for a dataset, without opening them.

    Parameters
    ----------
    source : path, or a list of these
        Files, folders, and glob patterns. Never a URL.
    layout, tz, unit, flow, meter, limits
        As in :func:`greenkit.load_table`. Other answers belong into the mapping.
    cut : int
        Bytes of a task. Default: 64 MiB.

    Returns
    -------
    Scan
        An empty folder returns a scan without files.
    """
    arguments = {"layout": layout, "tz": tz, "unit": unit, "flow": flow, "meter": meter, "limits": limits}
    return Scan(tuple(_listed(source)), How("tables", arguments), _checked(cut))


def scan_store(path: str | os.PathLike[str]) -> Scan:
    """List the files of a store that :func:`greenkit.store.write` wrote."""
    where = Path(path).expanduser()
    files = [where] if where.is_file() else store.parts(where)
    return Scan(tuple(_file(p) for p in files), How("store"))


def _checked(cut: int) -> int:
    if cut < 1 << 10:
        raise SettingsError(
            f"cut is {cut!r}, but it must be at least 1024", next_step="Pass the number of bytes for each task."
        )
    return cut


def _listed(source: Paths) -> Iterator[File]:
    for one in [source] if isinstance(source, str | os.PathLike) else source:
        yield from (_file(path) for path, _ in sources.list_files(os.fspath(one)))


def _file(path: Path) -> File:
    stat = path.stat()
    return File(str(path.absolute()), stat.st_size, stat.st_mtime_ns // 1000)


def opener(path: str) -> Callable[[], BinaryIO]:
    """Return a callable that opens a file at its first byte."""
    return lambda: open(path, "rb")


def modified(file: File) -> dt.datetime:
    """Return when a file was modified, in UTC."""
    return dt.datetime.fromtimestamp(file.modified / 1e6, tz=dt.UTC)
