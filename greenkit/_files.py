"""Private, atomic and locked files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from greenkit.errors import BusyError, LimitError, SettingsError

StrPath = str | os.PathLike[str]


@contextlib.contextmanager
def atomic(path: StrPath, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write a file whole or not at all: a temporary neighbour, flushed to disk, then renamed over ``path``.

    A private one is 0600 from its first byte, whatever the umask; others get the umask's usual mode. What is there
    and no file (``/dev/null``, ``/dev/stdout``, a pipe) is written to: renamed over, it would be gone.
    """
    path = Path(path)
    if not private and path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as file:
            yield file
        return
    fd, part = _part(path)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename(part, path, private)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


def opened(file: StrPath | BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a path to be written as by :func:`atomic`; a file that is open already stays so."""
    return atomic(file) if isinstance(file, str | os.PathLike) else contextlib.nullcontext(file)


@contextlib.contextmanager
def atomic_path(path: StrPath, *, private: bool = False) -> Iterator[Path]:
    """Do as :func:`atomic` for a program that writes by name: give the path of its part, which exists and is 0600."""
    path = Path(path)
    fd, part = _part(path)
    os.close(fd)
    try:
        yield Path(part)
        with open(part, "r+b") as file:
            os.fsync(file.fileno())
        _rename(part, path, private)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


def _part(path: Path) -> tuple[int, str]:
    """Open a temporary neighbour: new, and 0600."""
    try:
        return tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no folder {path.parent.absolute()}: make it first") from None


def _rename(part: str, path: Path, private: bool) -> None:
    if not private:
        os.chmod(part, 0o666 & ~_umask())
    os.replace(part, path)
    sync_folder(path.parent)


def write_private(path: StrPath, data: bytes) -> None:
    """Replace a file that only its owner may read."""
    with atomic(path, private=True) as file:
        file.write(data)


def create_private(path: StrPath, data: bytes) -> None:
    """Make a new file that only its owner may read; FileExistsError when there is one."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def touch_private(path: StrPath) -> None:
    """Make an empty file that only its owner may read, where there is none.

    One that is there is not even opened: to close it would free the locks that this process holds on it (POSIX).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def private_folder(path: StrPath) -> Path:
    """Make a folder (and those above it) that only its owner may enter."""
    path = Path(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def sync_folder(path: StrPath) -> None:
    """Make a rename in a folder survive a power cut, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(path: StrPath, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold a lock between threads and processes; BusyError when another holds it past ``timeout`` seconds.

    It is an exclusive SQLite transaction on a small file: the same on every system, and the operating system
    gives it free when the process is killed, so it is never stale.
    """
    path = Path(path)
    touch_private(path)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise BusyError(f"another process holds {path}: wait for it to end, then try again") from None
        except sqlite3.DatabaseError:
            raise SettingsError(f"the lock {path} is damaged: delete it when no greenkit runs") from None
        yield
    finally:
        connection.close()


def inside(folder: StrPath, name: str) -> Path:
    """Join a name that came from elsewhere; LimitError when it would leave the folder, on any system."""
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    plain = name and not any(ord(c) < 32 or ord(c) == 127 for c in name)
    if not plain or ".." in parts or name != PureWindowsPath(name).name or name in (".", ".."):
        raise LimitError(f"the name {name!r} is refused, since it would leave the folder {folder}")
    return Path(folder) / name


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
