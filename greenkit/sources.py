"""What ``load_*`` and ``open_*`` accept, as named byte streams.

A source is a path, bytes, a binary file, a directory, a glob, or a list of these; any of them may be zipped or
gzipped, also inside one another. It is never a URL. Bytes that come out of a decompression are counted against
:class:`Limits`; nothing is unpacked to a folder, and a member whose name would leave one is refused all the same.
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
GIB: Final = 1 << 30
DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError)

Decrypt = Callable[[BinaryIO], BinaryIO]
"""Takes an open OpenPGP message, gives its open plain text; the caller closes it."""


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
class Source:
    """One stream of bytes with a name; it can be opened again and again.

    Parameters
    ----------
    name : str
        Path, or ``archive.zip!member.xml``.
    open : callable
        Gives a binary file at its first byte.
    size : int or None
        Bytes, where that is known before reading.
    named : bool
        The caller named this very file: it must be readable. Others were found in a folder, glob or archive.
    """

    name: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    named: bool = True

    def head(self, n: int = _HEAD) -> bytes:
        """Give the first bytes."""
        with self.open() as file:
            return _read_exactly(file, n)


def walk(source: Any, *, limits: Limits | None = None, decrypt: Decrypt | None = None) -> Iterator[Source]:
    """Give every stream of a source in a stable order (folders and globs by name).

    Parameters
    ----------
    source : path, bytes, binary file, or an iterable of these
        A folder is walked whole; names that begin with a dot are passed over.
    limits : Limits, optional
        What archives may unpack to.
    decrypt : callable, optional
        Given each OpenPGP message; without it the message itself is the stream.

    Raises
    ------
    FileNotFoundError
        No such path, or a glob that matches nothing.
    LimitError, FormatError
        An archive is hostile, or damaged.
    """
    budget = Budget(limits or Limits())
    with contextlib.ExitStack() as held:
        for found in _expand(source, held):
            yield from _unpack(found, budget, decrypt, held, 0)


def _expand(source: Any, held: contextlib.ExitStack) -> Iterator[Source]:
    refuse(source)
    if isinstance(source, bytes | bytearray | memoryview):
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
        raise TypeError(f"a source is a path, bytes, a binary file or a list of these, not {type(source).__name__}")


def refuse(source: Any) -> None:
    """Refuse what could be iterated but is no list of sources: a frame gives its columns, an answer its pieces."""
    if hasattr(source, "columns") or hasattr(source, "readings"):
        raise TypeError(f"a {type(source).__name__} is loaded already: use it as it is")
    if hasattr(source, "iter_content"):
        raise TypeError(f"a {type(source).__name__} is no file: pass its .content, or save that first")


def _paths(name: str) -> Iterator[Source]:
    if "\n" in name or name.lstrip("\ufeff \t").startswith("<"):
        raise TypeError("this is the text of a file, where a path is expected: pass text.encode()")
    if "://" in name:
        raise FormatError(
            "a URL is never loaded: fetch it first, then load what was saved", source=name.partition("?")[0]
        )
    if not name:
        raise FileNotFoundError("the name of the file is empty: give a path, or '.' for this folder")
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
        return f"no file matches {path}"
    near = difflib.get_close_matches(path.name, os.listdir(path.parent) if path.parent.is_dir() else [], n=1)
    return f"no file {path}" + (f": did you mean {near[0]}?" if near else f" (looked in {path.parent.absolute()})")


def _path(path: Path, *, named: bool) -> Source:
    return Source(str(path), lambda: path.open("rb"), path.stat().st_size, named)


def _file(file: Any, held: contextlib.ExitStack) -> Source:
    """Read from where a user's file stands; one that cannot seek is copied to a temporary one first."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("the file is open as text: open it with mode 'rb'")
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
            f"{source.name}: archives more than {budget.limits.nesting} deep: "
            "pass a larger limits.nesting if you trust it"
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
        raise FormatError(f"the zip archive is damaged or cut ({e}): fetch it again", source=source.name) from None
    infos = [info for info in archive.infolist() if not info.is_dir()]
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        name = f"{source.name}!{info.filename}"
        budget.member(name)
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in parts[0]:
            raise LimitError(
                f"{source.name}: the member {info.filename!r} would leave its folder: the archive is not trusted"
            )
        if parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts):
            continue
        if info.flag_bits & 1:  # APPNOTE.TXT, 4.4.4
            raise FormatError("this zip has a password: unpack it first", source=name)
        yield _member(archive, info, name, budget, source.named and len(infos) == 1)


def _is_workbook(source: Source) -> bool:
    """Tell a file of Microsoft Office, which is a zip inside (ECMA-376, part 2, 10.1.2)."""
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" in archive.NameToInfo
    except DAMAGED:
        return False


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget, named: bool) -> Source:
    # no more comes out than is declared here, so a bomb need not be unpacked to be known
    budget.check_ratio(name, info.file_size, info.compress_size)

    def reopen() -> BinaryIO:
        try:
            file = archive.open(info)
        except DAMAGED as e:
            raise FormatError(f"the archive's member cannot be read ({e})", source=name) from None
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


# -- first bytes


def foreign(head: bytes) -> str | None:
    """Return a sentence on what a stream is, if its first bytes are those of a kind without meter data."""
    known = next((what for mark, what in _foreign.BY_FIRST_BYTES if head.startswith(mark)), None)
    return f"this is {known.what}: {known.next_step}" if known else None


def is_openpgp(head: bytes) -> bool:
    """Tell an OpenPGP message, armoured or binary, by its first bytes (RFC 4880, 4.2 and 6.2)."""
    if b"-----BEGIN PGP MESSAGE-----" in head[:2048]:
        return True
    if len(head) < 3 or not head[0] & 0x80:
        return False
    tag = head[0] & 0x3F if head[0] & 0x40 else (head[0] >> 2) & 0x0F
    # a public-key or symmetric session key packet of version 3 or 4 begins every encrypted message
    body = 2 if head[0] & 0x40 else 1 + (1, 2, 4, 0)[head[0] & 3]
    return tag in (1, 3) and len(head) > body and head[body] in (3, 4, 5, 6)


def _read_exactly(file: BinaryIO, n: int) -> bytes:
    data = b""
    while len(data) < n and (more := file.read(n - len(data))):
        data += more
    return data
