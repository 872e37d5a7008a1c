"""Streams that count what comes out of an archive, and stop when it is more than the limits."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from greenkit.errors import FormatError, LimitError

GIB: Final = 1 << 30
DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may unpack to before :class:`~greenkit.errors.LimitError`.

    Parameters
    ----------
    unpacked : int
        Bytes after decompression, over all members of all archives.
    ratio : int
        Unpacked bytes for each packed byte, once more than 32 MiB came out. Meter data packs 10 to 60 times.
    members : int
        Members of all archives together.
    nesting : int
        Archives in archives.
    """

    unpacked: int = 8 * GIB
    ratio: int = 400
    members: int = 10_000
    nesting: int = 3


@dataclass
class Budget:
    """What was unpacked so far, over all archives of one call."""

    limits: Limits
    seen: dict[str, int] = field(default_factory=dict)
    total: int = 0
    members: int = 0

    def member(self, name: str) -> None:
        """Count a member."""
        self.members += 1
        if self.members > self.limits.members:
            raise LimitError(f"{name}: more than {self.limits.members:,} members: pass a larger limits.members")

    def count(self, name: str, position: int, packed: int | None) -> None:
        """Count what stands before a stream's position; a stream read again counts once."""
        more = position - self.seen.get(name, 0)
        if more <= 0:
            return
        self.seen[name] = position
        self.total += more
        if self.total > self.limits.unpacked:
            raise LimitError(
                f"{name}: unpacks to more than {self.limits.unpacked:,} bytes: "
                "pass a larger limits.unpacked if you trust it"
            )
        if packed is not None:
            self.check_ratio(name, position, packed)

    def check_ratio(self, name: str, unpacked: int, packed: int) -> None:
        """Refuse what unpacks to many times its size."""
        if unpacked > 1 << 25 and unpacked > self.limits.ratio * max(packed, 1):
            raise LimitError(
                f"{name}: unpacks to more than {self.limits.ratio} times its size: "
                "pass a larger limits.ratio if you trust it"
            )


class Gunzipped(gzip.GzipFile):
    """A gzip stream that also closes the file that it reads."""

    def close(self) -> None:
        packed: Any = self.fileobj
        super().close()
        if packed is not None:
            packed.close()


class Guarded(io.RawIOBase):
    """A stream that counts what it unpacks, and says in one sentence when the archive is damaged."""

    def __init__(
        self,
        file: Any,
        name: str,
        budget: Budget | None = None,
        packed: Callable[[], int] | None = None,
        *,
        close: bool = True,
    ) -> None:
        self._file, self._name, self._budget, self._packed, self._close = file, name, budget, packed, close
        self._position = 0

    @property
    def name(self) -> str:
        return self._name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = int(self._file.seek(offset, whence))
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except DAMAGED as e:
            raise FormatError(f"the archive is damaged or cut ({e}): fetch it again", source=self._name) from None
        buffer[: len(data)] = data
        self._position += len(data)
        if self._budget:
            self._budget.count(self._name, self._position, self._packed() if self._packed else None)
        return len(data)

    def close(self) -> None:
        if self._close and not self.closed:
            self._file.close()
        super().close()
