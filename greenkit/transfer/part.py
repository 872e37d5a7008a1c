"""A file on its way, and the names that it may take once it is whole."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from greenkit import _files
from greenkit.errors import LimitError

CHECKPOINT: Final = 32 << 20
"""Bytes after which a part is flushed to disk, so that a cut transfer can go on from there."""
LARGEST: Final = 8 << 30
"""Bytes after which a server that does not stop sending is cut off."""
ENCRYPTED: Final = re.compile(r"\.(asc|pgp|gpg)$", re.IGNORECASE)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""Names that are devices on Windows, whatever their ending."""
_VERSION_MARK: Final = ".0123456789ab-1234567890"  # the longest that a further version's name gets


class Part:
    """Bytes as they come: hashed, counted, flushed at checkpoints; a context manager.

    Parameters
    ----------
    path : path
        Where they are written.
    start : int
        Bytes of an earlier attempt that are kept; the rest of it is cut off.
    advance : callable
        Is told of each further byte.
    checkpoint : callable
        Is told how many bytes surely are on disk.
    """

    def __init__(
        self, path: Path, start: int, advance: Callable[[int], object], checkpoint: Callable[[int], object]
    ) -> None:
        self._file = path.open("r+b" if start else "wb")
        self._sha = hashlib.sha256()
        self._advance, self._checkpoint = advance, checkpoint
        self.start = self.count = self._saved = start
        self._keep(start)

    def _keep(self, start: int) -> None:
        for at in range(0, start, 1 << 20):
            self._sha.update(self._file.read(min(start - at, 1 << 20)))
        self._file.truncate(start)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._file.write(data)
        self._sha.update(data)
        self.count += len(data)
        if self.count > LARGEST:
            raise LimitError(f"{self._file.name}: the server sent more than {LARGEST:,} bytes: it is not trusted")
        self._advance(len(data))
        if self.count - self._saved >= CHECKPOINT:
            self.save()

    def save(self) -> None:
        """Flush to disk, and say so."""
        self.flush()
        self._saved = self.count
        self._checkpoint(self.count)

    def flush(self) -> None:
        """Make what was written survive a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        """Of all bytes, those of the earlier attempt too."""
        return self._sha.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()


def names(name: str, sha256: str, number: int) -> Iterator[str]:
    """Give the names a file may take, best first: its own, then with its content's hash, then with its row's number.

    Examples
    --------
    >>> list(names("a.lse.asc", "0123456789abcdef", 7))
    ['a.lse.asc', 'a.lse.0123456789ab.asc', 'a.lse.0123456789ab-7.asc']
    """
    found = ENCRYPTED.search(name)
    stem, ending = (name[: found.start()], found.group()) if found else (name, "")
    yield name
    yield f"{stem}.{sha256[:12]}{ending}"
    yield f"{stem}.{sha256[:12]}-{number}{ending}"


def refusal(name: str, folder: Path) -> str:
    """Say why a name from a server is not safe to store; empty when it is."""
    try:
        _files.inside(folder, name)
        length = len(name.encode())
    except LimitError:
        return "the name would leave the folder"
    except UnicodeEncodeError:
        return "the name is no text"
    if name.startswith("."):
        return "the name begins with a dot, which readers of a folder pass over"
    if _DEVICES.match(name) or ":" in name or ENCRYPTED.sub("", name)[-1:] in (" ", "."):
        return "the name is no file's on every system: a device, or with a colon, or with a space or dot at its end"
    return "the name is too long" if length + len(_VERSION_MARK) > 255 else ""


def digest(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def head(path: Path) -> bytes:
    """Give a file's first bytes."""
    with path.open("rb") as file:
        return file.read(4096)
