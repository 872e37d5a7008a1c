"""Private, atomic and locked files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from greenkit.errors import BusyError, GreenkitError, LimitError, NotWritten, SettingsError

StrPath = str | os.PathLike[str]


@contextlib.contextmanager
def atomic(path: StrPath, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write a file atomically: to a temporary file in the same folder, flushed to disk, then renamed to ``path``.

    A private file is 0600 from its first byte, whatever the umask; others get the umask's usual mode. A path that
    exists and is not a regular file (``/dev/null``, ``/dev/stdout``, a pipe) is written to directly, because a rename
    would replace it.
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
    """Open a path for writing as :func:`atomic` does; a file that is already open is left as it is."""
    return atomic(file) if isinstance(file, str | os.PathLike) else contextlib.nullcontext(file)


def _part(path: Path) -> tuple[int, str]:
    """Create a temporary file in the same folder, 0600."""
    try:
        return tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no folder {path.parent.absolute()}. Create it first.") from None


def _rename(part: str, path: Path, private: bool) -> None:
    if not private:
        os.chmod(part, 0o666 & ~_umask())
    os.replace(part, path)
    sync_folder(path.parent)


def write_private(path: StrPath, data: bytes) -> None:
    """Write or replace a file that only its owner can read."""
    with atomic(path, private=True) as file:
        file.write(data)


def create_private(path: StrPath, data: bytes) -> None:
    """Create a file that only its owner can read, or raise FileExistsError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def touch_private(path: StrPath) -> None:
    """Create an empty file that only its owner can read, unless it exists.

    An existing file is not even opened, because closing it would release the locks that this process holds on it
    (POSIX).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@contextlib.contextmanager
def writing(path: StrPath) -> Iterator[None]:
    """Translate an error of the disk while ``path`` is written into NotWritten."""
    try:
        yield
    except GreenkitError:
        raise
    except OSError as e:
        raise NotWritten(
            f"{path} cannot be written ({e.strerror or type(e).__name__})",
            next_step="Free disk space or use another folder.",
        ) from None


def how_to_protect(path: StrPath, place: str, *, owner: bool = False) -> str:
    """Return the next step for a file or folder that others can use.

    On file systems without permissions (WSL's Windows disks, many network drives) chmod changes nothing.

    Parameters
    ----------
    path : path
        The file or folder.
    place : str
        What to do where chmod does not help, as the end of a sentence.
    owner : bool, optional
        Whether it may also have the wrong owner. Default: False.
    """
    mode = "700" if Path(path).is_dir() else "600"
    begin = "Make yourself its owner and run" if owner else "Run"
    return f"{begin} chmod {mode} {path}. If the file system does not store permissions (WSL, network drives), {place}."


def private_folder(path: StrPath) -> Path:
    """Create a folder, and its missing parents, that only its owner can enter, and return its path."""
    path = Path(path)
    for folder in (*reversed(path.parents), path):  # mkdir(parents=True) would give those above the umask's mode
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def sync_folder(path: StrPath) -> None:
    """Make a rename in a folder survive a power failure, if the system supports it (Windows does not)."""
    if os.name != "posix":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(path: StrPath, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold a lock between threads and processes while the block runs.

    The lock is an exclusive SQLite transaction on a small file. It works the same on every system, and the operating
    system releases it when the process is killed, so it is never stale.

    Raises
    ------
    BusyError
        If another process still holds the lock after ``timeout`` seconds.
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
            raise BusyError(
                f"Another process holds the lock {path}", next_step="Wait until it ends, and try again."
            ) from None
        except sqlite3.DatabaseError:
            raise SettingsError(
                f"The lock file {path} is damaged", next_step="Delete it while no greenkit process is running."
            ) from None
        yield
    finally:
        connection.close()


def inside(folder: StrPath, name: str) -> Path:
    """Join a folder and an untrusted name, or raise LimitError if the name would leave the folder on any system."""
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    plain = name and not any(ord(c) < 32 or ord(c) == 127 for c in name)
    if not plain or ".." in parts or name != PureWindowsPath(name).name or name in (".", ".."):
        raise LimitError(
            f"The name {name!r} would be written outside the folder {folder}",
            next_step="Rename the file at its source.",
        )
    return Path(folder) / name


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
