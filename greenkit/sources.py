"""The sources that ``load_*`` and ``open_*`` accept, as named byte streams.

A source is a path, bytes, a binary file, a folder, a glob, or a list of these. Any of them may be zipped or gzipped,
also inside one another. A source is never a URL. Decompressed bytes are counted against :class:`Limits`. Nothing is
unpacked to disk; a member whose name would leave its folder is rejected anyway.
"""

from __future__ import annotations

import contextlib
import difflib
import glob
import gzip
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Final

from greenkit import _foreign
from greenkit.errors import FormatError, LimitError

__all__ = ["Decrypt", "Limits", "Source", "foreign", "is_openpgp", "refuse", "walk"]

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_HEAD: Final = 4096
_AGAIN: Final = "Download the file again."
GIB: Final = 1 << 30
DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError)

Decrypt = Callable[[BinaryIO], BinaryIO]
"""Takes an open OpenPGP message and returns its decrypted stream, which the caller closes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much archives may unpack to before greenkit raises :class:`~greenkit.errors.LimitError`.

    Parameters
    ----------
    unpacked : int
        Bytes after decompression, in all members of all archives. Default: 8 GiB.
    ratio : int
        Unpacked bytes per packed byte, checked above 32 MiB. Meter data compresses 10 to 60 times. Default: 400.
    members : int
        Members of all archives together. Default: 10,000.
    nesting : int
        Depth of archives inside archives. Default: 3.
    """

    unpacked: int = 8 * GIB
    ratio: int = 400
    members: int = 10_000
    nesting: int = 3


@dataclass
class Source:
    """One named stream of bytes, which can be opened any number of times.

    Parameters
    ----------
    name : str
        Path, or ``archive.zip!member.xml``.
    open : callable
        Returns a binary file at its first byte.
    size : int or None
        Bytes, if known before reading.
    named : bool
        Whether the caller named this file, so that it must be readable. Other files were found in a folder, glob, or
        archive.
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    named: bool = True

    def head(self, n: int = _HEAD) -> bytes:
        """Return the first bytes."""
        with self.open() as file:
            return _read_exactly(file, n)


def walk(source: Any, *, limits: Limits | None = None, decrypt: Decrypt | None = None) -> Iterator[Source]:
    """Yield every stream of a source in a stable order (folders and globs by name).

    Parameters
    ----------
    source : path, bytes, binary file, or an iterable of these
        Of a folder, all files below it; names that begin with a dot are skipped.
    limits : Limits, optional
        Limits for archives.
    decrypt : callable, optional
        Decrypts each OpenPGP message. Without it, the message itself is the stream.

    Raises
    ------
    FileNotFoundError
        If the path does not exist, or a glob matches nothing.
    LimitError, FormatError
        If an archive exceeds the limits, or is damaged.
    """
    budget = Budget(limits or Limits())
    with contextlib.ExitStack() as held:
        for found in _expand(source, held):
            yield from _unpack(found, budget, decrypt, held, 0)


def _expand(source: Any, held: contextlib.ExitStack) -> Iterator[Source]:
    refuse(source)
    if isinstance(source, Source):
        yield source
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        yield Source("bytes", lambda: io.BytesIO(data), len(data))
    elif isinstance(source, str | os.PathLike):
        yield from _paths(os.fspath(source))
    elif hasattr(source, "read"):
        yield _file(source, held)
    elif isinstance(source, Iterable):
        for one in source:
            yield from _expand(one, held)
    else:
        raise TypeError(
            f"A source must be a path, bytes, a binary file, or a list of these, not {type(source).__name__}."
        )


def refuse(source: Any) -> None:
    """Raise TypeError for objects that can be iterated but are not sources, such as a frame or an HTTP response."""
    if hasattr(source, "columns") or hasattr(source, "readings"):
        raise TypeError(f"A {type(source).__name__} is already loaded. Use it as it is.")
    if hasattr(source, "iter_content"):
        raise TypeError(f"A {type(source).__name__} is not a file. Pass its .content, or save that first.")


def _paths(name: str) -> Iterator[Source]:
    if "\n" in name or name.lstrip("\ufeff \t").startswith("<"):
        raise TypeError("The argument is the text of a file, not a path. Pass text.encode().")
    if "://" in name:
        raise FormatError(
            "greenkit does not load URLs",
            source=name.partition("?")[0],
            next_step="Download the file first, and then load the saved copy.",
        )
    if not name:
        raise FileNotFoundError("The file name is empty. Pass a path, or '.' for the current folder.")
    path = Path(name).expanduser()
    if path.is_dir():
        for below in sorted(p for p in path.rglob("*") if p.is_file()):
            if not any(part.startswith(".") for part in below.relative_to(path).parts):
                yield _path(below, named=False)
    elif path.exists():
        yield _path(path, named=True)
    else:
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(name) else []
        if not matches:
            raise FileNotFoundError(_no_such(path))
        for match in matches:
            if Path(match).is_file():
                yield _path(Path(match), named=False)


def _no_such(path: Path) -> str:
    if glob.has_magic(str(path)):
        return f"No file matches {path}. Check the pattern."
    near = difflib.get_close_matches(path.name, os.listdir(path.parent) if path.parent.is_dir() else [], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"greenkit looked in {path.parent.absolute()}."
    return f"There is no file {path}. {hint}"


def _path(path: Path, *, named: bool) -> Source:
    return Source(str(path), lambda: path.open("rb"), path.stat().st_size, named)


def _file(file: Any, held: contextlib.ExitStack) -> Source:
    """Read from the current position of a user's file; copy one that cannot seek to a temporary file first."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("The file is open as text. Open it with mode 'rb'.")
    name = str(getattr(file, "name", "file"))
    try:
        start = file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        start = None
    if start is None:
        return _held(name, _spool(file, held), True)
    return _held(name, file, True, start)


def _spool(file: IO[bytes], held: contextlib.ExitStack) -> BinaryIO:
    copy: Any = held.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 24))  # noqa: SIM115 held by the stack
    while chunk := file.read(1 << 20):
        copy.write(chunk)
    return copy  # type: ignore[no-any-return]


def _held(name: str, file: Any, named: bool, start: int = 0) -> Source:
    def reopen() -> BinaryIO:
        file.seek(start)
        return io.BufferedReader(Guarded(file, name, close=False))

    return Source(name, reopen, None, named)


def _unpack(
    source: Source, budget: Budget, decrypt: Decrypt | None, held: contextlib.ExitStack, depth: int
) -> Iterator[Source]:
    head = source.head()
    packed = head.startswith((_GZIP, *_ZIP)) or (decrypt is not None and is_openpgp(head))
    if not packed or (head.startswith(_ZIP) and _is_workbook(source)):
        yield source
        return
    if depth >= budget.limits.nesting:
        raise LimitError(
            f"{source.name}: Archives are nested more than {budget.limits.nesting} deep",
            next_step="If you trust the archive, pass a larger limits.nesting.",
        )
    inner: Iterable[Source]
    if head.startswith(_GZIP):
        inner = [_gunzip(source, budget)]
    elif head.startswith(_ZIP):
        inner = _unzip(source, budget, held)
    else:
        inner = [_decrypted(source, decrypt, held)]  # type: ignore[arg-type]
    for one in inner:
        yield from _unpack(one, budget, decrypt, held, depth + 1)


def _gunzip(source: Source, budget: Budget) -> Source:
    name = source.name.removesuffix(".gz")

    def reopen() -> BinaryIO:
        packed = source.open()
        return io.BufferedReader(Guarded(Gunzipped(fileobj=packed), name, budget, packed.tell), 1 << 18)

    return Source(name, reopen, None, source.named)


def _unzip(source: Source, budget: Budget, held: contextlib.ExitStack) -> Iterator[Source]:
    try:
        archive = held.enter_context(zipfile.ZipFile(held.enter_context(source.open())))
    except DAMAGED as e:
        raise FormatError(
            f"The zip archive is damaged or truncated ({e})", source=source.name, next_step=_AGAIN
        ) from None
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        name = f"{source.name}!{info.filename}"
        budget.member(name)
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in parts[0]:
            raise LimitError(
                f"{source.name}: The member {info.filename!r} would be written outside its folder",
                next_step="Do not trust this archive. Ask its sender for the files.",
            )
        if parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts):
            continue
        if info.flag_bits & 1:  # APPNOTE.TXT, 4.4.4
            raise FormatError(
                "The zip archive is protected by a password", source=name, next_step="Unpack it, and load the files."
            )
        yield _member(archive, info, name, budget, source.named and len(infos) == 1)


def _is_workbook(source: Source) -> bool:
    """Return whether a zip is a Microsoft Office file (ECMA-376, part 2, 10.1.2)."""
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" in archive.NameToInfo
    except DAMAGED:
        return False


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget, named: bool) -> Source:
    # zipfile never returns more bytes than declared here, so a bomb is recognized without unpacking it
    budget.check_ratio(name, info.file_size, info.compress_size)

    def reopen() -> BinaryIO:
        try:
            file = archive.open(info)
        except DAMAGED as e:
            raise FormatError(f"The archive member cannot be read ({e})", source=name, next_step=_AGAIN) from None
        return io.BufferedReader(Guarded(file, name, budget, lambda: info.compress_size), 1 << 18)

    return Source(name, reopen, info.file_size, named)


def _decrypted(source: Source, decrypt: Decrypt, held: contextlib.ExitStack) -> Source:
    with source.open() as message:
        plain = held.enter_context(contextlib.closing(decrypt(message)))
    name = source.name
    for ending in (".asc", ".pgp", ".gpg"):
        name = name.removesuffix(ending)
    return _held(name, plain, source.named)


# -- streams that count what is unpacked


@dataclass
class Budget:
    """What one call has unpacked so far, in all archives."""

    limits: Limits
    seen: dict[str, int] = field(default_factory=dict)
    total: int = 0
    members: int = 0

    def member(self, name: str) -> None:
        """Count a member, and raise LimitError if there are too many."""
        self.members += 1
        if self.members > self.limits.members:
            raise LimitError(
                f"{name}: The archives have more than {self.limits.members:,} members",
                next_step="If you trust them, pass a larger limits.members.",
            )

    def count(self, name: str, position: int, packed: int | None) -> None:
        """Count the bytes before a stream's position; a stream that is read again is counted once."""
        more = position - self.seen.get(name, 0)
        if more <= 0:
            return
        self.seen[name] = position
        self.total += more
        if self.total > self.limits.unpacked:
            raise LimitError(
                f"{name}: The archive unpacks to more than {self.limits.unpacked:,} bytes",
                next_step="If you trust it, pass a larger limits.unpacked.",
            )
        if packed is not None:
            self.check_ratio(name, position, packed)

    def check_ratio(self, name: str, unpacked: int, packed: int) -> None:
        """Raise LimitError for a member that unpacks to many times its size."""
        if unpacked > 1 << 25 and unpacked > self.limits.ratio * max(packed, 1):
            raise LimitError(
                f"{name}: The archive unpacks to more than {self.limits.ratio} times its size",
                next_step="If you trust it, pass a larger limits.ratio.",
            )


class Gunzipped(gzip.GzipFile):
    """A gzip stream that also closes the file it reads."""

    def close(self) -> None:
        packed: Any = self.fileobj
        super().close()
        if packed is not None:
            packed.close()


class Guarded(io.RawIOBase):
    """A stream that counts the bytes it unpacks, and raises FormatError if the archive is damaged."""

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
            raise FormatError(
                f"The archive is damaged or truncated ({e})", source=self._name, next_step=_AGAIN
            ) from None
        buffer[: len(data)] = data
        self._position += len(data)
        if self._budget:
            self._budget.count(self._name, self._position, self._packed() if self._packed else None)
        return len(data)

    def close(self) -> None:
        if self._close and not self.closed:
            self._file.close()
        super().close()


# -- first bytes


def foreign(head: bytes) -> str | None:
    """Return a sentence on what a stream is, if its first bytes are those of a kind without meter data.

    Other code reads :func:`greenkit._foreign.recognize`, which has the two halves of the sentence apart.
    """
    known = next((what for mark, what in _foreign.BY_FIRST_BYTES if head.startswith(mark)), None)
    return f"this is {known.what}: {known.next_step}" if known else None


def is_openpgp(head: bytes) -> bool:
    """Return whether the first bytes are those of an OpenPGP message, ASCII-armored or binary (RFC 4880, 4.2, 6.2)."""
    if b"-----BEGIN PGP MESSAGE-----" in head[:2048]:
        return True
    if len(head) < 3 or not head[0] & 0x80:
        return False
    tag = head[0] & 0x3F if head[0] & 0x40 else (head[0] >> 2) & 0x0F
    # every encrypted message begins with a public-key or symmetric session key packet
    body = 2 if head[0] & 0x40 else 1 + (1, 2, 4, 0)[head[0] & 3]
    return tag in (1, 3) and len(head) > body and head[body] in (3, 4, 5, 6)


def _read_exactly(file: BinaryIO, n: int) -> bytes:
    data = b""
    while len(data) < n and (more := file.read(n - len(data))):
        data += more
    return data
