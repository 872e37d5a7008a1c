"""The sources that ``load_*`` and ``open_*`` accept, as named byte streams.

A source is a path, bytes, a binary file, a folder, a glob, or a list of these. Any of them may be a zip or tar archive,
compressed with gzip, bzip2 or xz, or a saved e-mail with attachments, also inside one another. A source is never a URL.
Decompressed bytes are counted against :class:`Limits`. Nothing is unpacked to a folder; a member whose name would leave
its folder is rejected anyway.
"""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Final, NamedTuple, Protocol

from greenkit import _foreign
from greenkit.errors import DamagedMessage, DecryptError, FormatError, GreenkitError, LimitError
from greenkit.text import decode_head, detect_encoding

__all__ = [
    "Decrypt",
    "Decrypts",
    "Limits",
    "Readable",
    "Source",
    "copy_pipe",
    "foreign",
    "is_openpgp",
    "is_pipe",
    "printable",
    "refuse",
    "walk",
]

_GZIP: Final = b"\x1f\x8b"
_BZIP2: Final = re.compile(rb"BZh[1-9]1AY&SY")
_XZ: Final = b"\xfd7zXZ\0"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TAR: Final = slice(257, 262), b"ustar"
_DEFLATE64: Final = 9
_MBOX: Final = re.compile(rb"(?:\A|\r?\n\r?\n)From [^\r\n]*\r?\n")
_ARMOR: Final = b"-----BEGIN PGP MESSAGE-----"
_HEAD: Final = 4096
_EMAIL_SIZE: Final = 1 << 28
_AGAIN: Final = "Download the file again."
GIB: Final = 1 << 30
# What the archive modules of Python raise for damaged input. A read error of the disk is an OSError too, but of a file
# that is not in an archive it is never caught.
DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, struct.error),
    *(EOFError, OSError, ValueError, IndexError, NotImplementedError, RuntimeError),
)

Decrypt = Callable[[BinaryIO], BinaryIO]
"""Takes an open OpenPGP message and returns its decrypted stream, which the caller closes."""


class Decrypts(Protocol):
    """An object that decrypts OpenPGP messages, such as :class:`greenkit.pgp.Keyring`."""

    def decrypt(self, message: BinaryIO) -> BinaryIO:
        """Return the decrypted stream of an open message."""


LeaveOut = Callable[[str, GreenkitError], object]
"""Takes the name of a file that cannot be unpacked, and the error."""


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


Readable = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Source | Iterable[Any]
"""What ``load_*`` and ``open_*`` accept: a path, bytes, a binary file, or several of these."""


def walk(
    source: Readable, *, limits: Limits | None = None, decrypt: Decrypt | None = None, leave_out: LeaveOut | None = None
) -> Iterator[Source]:
    """Yield every stream of a source in a stable order (folders and globs by name).

    Parameters
    ----------
    source : path, bytes, binary file, or an iterable of these
        Of a folder, all files below it; names that begin with a dot are skipped.
    limits : Limits, optional
        Limits for archives.
    decrypt : callable, optional
        Decrypts each OpenPGP message. Without it, the message itself is the stream.
    leave_out : callable, optional
        Called with the name and the error of an archive or message that cannot be unpacked or decrypted; the others
        follow. Without it, the error is raised.

    Raises
    ------
    FileNotFoundError
        If the path does not exist, or a glob matches nothing.
    LimitError, FormatError
        If an archive exceeds the limits, or is damaged.
    """
    budget = Budget(limits or Limits())
    with contextlib.ExitStack() as held:
        opened = _Opened(budget, decrypt, held, leave_out)
        for found in _expand(source, opened):
            yield from _unpack(found, opened, 0)


class _Opened(NamedTuple):
    """What one walk has open, and how it unpacks."""

    budget: Budget
    decrypt: Decrypt | None
    held: contextlib.ExitStack
    leave_out: LeaveOut | None


def _expand(source: Any, opened: _Opened) -> Iterator[Source]:
    refuse(source)
    if isinstance(source, Source):
        yield source
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        yield Source("bytes", lambda: io.BytesIO(data), len(data))
    elif isinstance(source, str | os.PathLike):
        yield from _paths(os.fspath(source), opened)
    elif hasattr(source, "body"):  # an answer of a data custodian: its bytes, or the file that has them
        yield from _expand(source.body, opened)
    elif hasattr(source, "read"):
        yield _file(source, opened)
    elif isinstance(source, Iterable):
        for one in source:
            yield from _expand(one, opened)
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


def _paths(name: str | bytes, opened: _Opened) -> Iterator[Source]:
    for path, named in list_files(os.fsdecode(name)):
        if named and is_pipe(path):
            yield copy_pipe(path, opened.held, opened.budget.limits)
        else:
            yield _path(path, named=named)


def list_files(name: str) -> Iterator[tuple[Path, bool]]:
    """Yield the file that a path names, the files below a folder, or those that a pattern matches, sorted by name.

    Hidden files and folders are left out of a folder. The second value is whether the path names the file itself.

    Raises
    ------
    FileNotFoundError
        If the path does not exist, or the pattern matches nothing.
    FormatError
        If the path is a URL.
    TypeError
        If it is the text of a file.
    """
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
                yield below, False
    elif path.exists():
        yield path, True
    else:
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(name) else []
        if not matches:
            raise FileNotFoundError(_no_such(path))
        yield from ((Path(match), False) for match in matches if Path(match).is_file())


def _no_such(path: Path) -> str:
    """Return the message for a path that does not exist, with a similar name if there is one."""
    if glob.has_magic(str(path)):
        return f"No file matches {path}. Check the pattern."
    import difflib

    near = difflib.get_close_matches(path.name, os.listdir(path.parent) if path.parent.is_dir() else [], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"greenkit looked in {path.parent.absolute()}."
    return f"There is no file {path}. {hint}"


def is_pipe(path: Path) -> bool:
    """Return whether a path is a pipe or device, which can be read only once, and neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # there is no such path, or the text is not a path at all
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _path(path: Path, *, named: bool) -> Source:
    return Source(printable(str(path)), lambda: path.open("rb"), path.stat().st_size, named)


def copy_pipe(path: Path, held: contextlib.ExitStack, limits: Limits | None = None) -> Source:
    """Copy a pipe or device to a temporary file, because it can be read only once."""
    with path.open("rb") as file:
        copy = _spool(file, str(path), held, (limits or Limits()).unpacked)
    return _held(printable(str(path)), copy, True)


def printable(name: str) -> str:
    r"""Return a name with escapes for bytes that are not UTF-8 and for lone surrogates, which no column can contain.

    Examples
    --------
    >>> print(printable(os.fsdecode(bytes([0x61, 0xE9]))))
    a\xe9
    """
    if name.isascii():
        return name
    errors = "surrogateescape" if _is_escaped(name) else "backslashreplace"
    return name.encode("utf-8", errors).decode("utf-8", "backslashreplace")


def _is_escaped(name: str) -> bool:
    """Return whether all surrogates of a name stand for bytes of a file name (PEP 383)."""
    return not any("\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in name)


def _file(file: Any, opened: _Opened) -> Source:
    """Read from the current position of a user's file; copy one that cannot seek to a temporary file first."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("The file is open as text. Open it with mode 'rb'.")
    name = printable(str(getattr(file, "name", "file")))
    try:
        start = file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        start = None
    if start is None:
        return _held(name, _spool(file, name, opened.held, opened.budget.limits.unpacked), True)
    return _held(name, file, True, start)


def _spool(file: IO[bytes], name: str, held: contextlib.ExitStack, limit: int) -> BinaryIO:
    """Return a temporary copy of a stream, which can be read again until ``held`` is closed."""
    copy: Any = held.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 24))  # noqa: SIM115 held
    size = 0
    while chunk := file.read(1 << 20):
        size += len(chunk)
        if size > limit:
            raise LimitError(
                f"{name}: The stream has more than {limit:,} bytes",
                next_step="If you trust it, pass a larger limits.unpacked.",
            )
        copy.write(chunk)
    copy.seek(0)
    return copy  # type: ignore[no-any-return]


def _held(name: str, file: Any, named: bool, start: int = 0) -> Source:
    def reopen() -> BinaryIO:
        file.seek(start)
        return io.BufferedReader(Guarded(file, name, close=False))

    return Source(name, reopen, None, named)


# -- archives, compressed files, e-mail, and encrypted messages


def _unpack(source: Source, opened: _Opened, depth: int) -> Iterator[Source]:
    """Yield what is in a source, or the source itself if it is not packed."""
    try:
        head = source.head()
        inner = _inner(source, head, opened)
        if inner is None:
            yield source
            return
        limits = opened.budget.limits
        if depth >= limits.nesting:
            raise LimitError(
                f"{source.name}: Archives are nested more than {limits.nesting} deep",
                next_step="If you trust the archive, pass a larger limits.nesting.",
            )
        for one in inner:
            yield from _unpack(one, opened, depth + 1)
    except (FormatError, DecryptError) as e:
        if opened.leave_out is None or isinstance(e, LimitError):
            raise
        opened.leave_out(source.name, e)


def _inner(source: Source, head: bytes, opened: _Opened) -> Iterable[Source] | None:
    """Return the streams that are packed in a source, or None if nothing is."""
    for mark, opener, ending in _COMPRESSED:
        if mark(head):
            return [_decompressed(source, opener, ending, opened)]
    if head.startswith(_ZIP):
        return None if _is_workbook(source) else _unzip(source, opened)
    if head[_TAR[0]] == _TAR[1]:
        return _untar(source, opened)
    attachments = _attachments(source, opened) if _foreign.is_email(head) else []
    if attachments:
        return attachments
    if opened.decrypt is not None and is_openpgp(head):
        return [_decrypted(source, opened.decrypt, opened)]
    return None


def _decompressed(source: Source, opener: Callable[[BinaryIO], Any], ending: str, opened: _Opened) -> Source:
    name = source.name.removesuffix(ending)

    def reopen() -> BinaryIO:
        packed = source.open()
        return io.BufferedReader(Guarded(opener(packed), name, opened.budget, packed.tell, also=packed), 1 << 18)

    return Source(name, reopen, None, source.named)


# Whether the first bytes are those of a compressed file, what opens it, and the ending that its name loses.
_COMPRESSED: Final[tuple[tuple[Callable[[bytes], object], Callable[[BinaryIO], Any], str], ...]] = (
    (lambda head: head.startswith(_GZIP), lambda file: gzip.GzipFile(fileobj=file), ".gz"),
    (_BZIP2.match, bz2.BZ2File, ".bz2"),
    (lambda head: head.startswith(_XZ), lzma.LZMAFile, ".xz"),
)


def _damaged(what: str, e: BaseException, name: str) -> FormatError:
    return FormatError(f"The {what} is damaged or truncated ({e or type(e).__name__})", source=name, next_step=_AGAIN)


def _unzip(source: Source, opened: _Opened) -> Iterator[Source]:
    budget = opened.budget
    try:
        budget.check_members(source.name, _declared_members(source))
        archive = opened.held.enter_context(zipfile.ZipFile(opened.held.enter_context(source.open())))
    except DAMAGED as e:
        if isinstance(e, FormatError | LimitError):
            raise
        raise _damaged("zip archive", e, source.name) from None
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    budget.check_members(source.name, len(infos))
    for info in infos:
        name = f"{source.name}!{printable(info.filename)}"
        budget.member(name)
        if _is_hidden(source, info.filename):
            continue
        if info.flag_bits & 1:  # APPNOTE.TXT, 4.4.4
            raise FormatError(
                "The zip archive is protected by a password", source=name, next_step="Unpack it, and load the files."
            )
        yield _zip_member(archive, info, name, budget, source.named and len(infos) == 1)


def _declared_members(source: Source) -> int:
    """Return the number of members that a zip declares in its last record, to refuse millions of them at once.

    The record is the last 22 bytes, unless the archive has a comment (APPNOTE.TXT, 4.3.16). A number above 65,534 is
    in another record and counts as 65,535 here.
    """
    with source.open() as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 22, 0))
        record = file.read(22)
    return int.from_bytes(record[10:12], "little") if record[:4] == b"PK\x05\x06" else 0


def _is_hidden(source: Source, member: str) -> bool:
    """Return whether a member is one that no user put into the archive, and raise if its name is not a file's."""
    parts = PurePosixPath(member.replace("\\", "/")).parts
    if not parts:
        raise FormatError("The archive has a member without a name", source=source.name, next_step=_AGAIN)
    if ".." in parts or member.startswith(("/", "\\")) or ":" in parts[0]:
        raise LimitError(
            f"{source.name}: The member {member!r} would be written outside its folder",
            next_step="Do not trust this archive; ask its sender for the files.",
        )
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _is_workbook(source: Source) -> bool:
    """Return whether a zip is a Microsoft Office file (ECMA-376, part 2, 10.1.2)."""
    try:
        if _declared_members(source) > 10_000:  # no workbook has as many parts, and reading their names takes long
            return False
        with source.open() as file, zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" in archive.NameToInfo
    except DAMAGED:
        return False


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, budget: Budget, named: bool) -> Source:
    # zipfile never returns more bytes than declared here, so a bomb is recognized without unpacking it
    budget.check_ratio(name, info.file_size, info.compress_size)

    def reopen() -> BinaryIO:
        try:
            file = archive.open(info)
        except DAMAGED as e:
            if info.compress_type == _DEFLATE64:
                raise FormatError(
                    "The member is compressed with Deflate64, which Python cannot read",
                    source=name,
                    next_step="Unpack the archive with another program, and load the files.",
                ) from None
            raise _damaged("archive member", e, name) from None
        return io.BufferedReader(Guarded(file, name, budget, lambda: info.compress_size), 1 << 18)

    return Source(name, reopen, info.file_size, named)


def _untar(source: Source, opened: _Opened) -> Iterator[Source]:
    with source.open() as file:
        copy = _spool(
            file, source.name, opened.held, opened.budget.limits.unpacked
        )  # tar needs to seek, which is slow in a compressed stream
    try:
        archive = opened.held.enter_context(tarfile.open(fileobj=copy, mode="r:"))  # noqa: SIM115 held
        members = []
        for member in archive:
            opened.budget.member(source.name)
            if member.isreg() and not member.issparse():  # a sparse member can declare any size
                members.append(member)
    except DAMAGED as e:
        if isinstance(e, LimitError):
            raise
        raise _damaged("tar archive", e, source.name) from None
    for member in members:
        if not _is_hidden(source, member.name):
            yield _tar_member(
                archive, member, f"{source.name}!{printable(member.name)}", source.named and len(members) == 1
            )


def _tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, named: bool) -> Source:
    def reopen() -> BinaryIO:
        file = archive.extractfile(member)
        return io.BufferedReader(Guarded(file, name), 1 << 18)

    return Source(name, reopen, member.size, named)


def _attachments(source: Source, opened: _Opened) -> list[Source]:
    """Return the attachments of a saved e-mail, or of all e-mails in an mbox file."""
    import email

    with source.open() as file:
        data = file.read(_EMAIL_SIZE + 1)
    if len(data) > _EMAIL_SIZE:
        raise LimitError(
            f"{source.name}: The e-mail has more than {_EMAIL_SIZE:,} bytes",
            next_step="Save its attachments, and load those.",
        )
    starts = [match.end() for match in _MBOX.finditer(data)] if data.startswith(b"From ") else [0]
    parts = []
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        for part in email.message_from_bytes(data[begin:end]).walk():
            if not part.is_multipart() and (part.get_filename() or part.get_content_disposition() == "attachment"):
                parts.append(part)
    attachments = []
    for i, part in enumerate(parts, 1):
        name = f"{source.name}!{printable(str(part.get_filename() or f'attachment-{i}'))}"
        opened.budget.member(name)
        content = part.get_payload(decode=True) or b""
        opened.budget.count(name, len(content), None)
        attachments.append(Source(name, _opener(content), len(content), source.named and len(parts) == 1))
    return attachments


def _opener(content: Any) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(content)


def _decrypted(source: Source, decrypt: Decrypt, opened: _Opened) -> Source:
    with _message(source) as message:
        plain = opened.held.enter_context(contextlib.closing(decrypt(message)))
    name = source.name
    for ending in (".asc", ".pgp", ".gpg"):
        name = name.removesuffix(ending)
    return _held(name, plain, source.named)


def _message(source: Source) -> BinaryIO:
    """Open an OpenPGP message; one that an editor saved in UTF-16 is converted.

    Raises
    ------
    DamagedMessage
        If an e-mail program changed the ASCII armor.
    """
    head = source.head()
    armor = decode_head(head) if detect_encoding(head) else ""
    text = (armor or head.decode("latin-1")).replace("\r\n", "\n")
    begin = text.find(_ARMOR.decode())
    if begin >= 0:
        after = text[begin + len(_ARMOR) :]
        # RFC 4880, 6.2: header lines with a colon, a blank line, and Base64, in which "=" is only at the end
        headers, blank, _ = after.lstrip(" \t").removeprefix("\n").partition("\n\n")
        has_gap = after.lstrip(" \t").startswith("\n\n") or (
            bool(blank) and all(":" in line for line in headers.split("\n"))
        )
        if not has_gap or re.search(r"=(?:3D|\n[A-Za-z0-9+/=]{10})", after):
            raise DamagedMessage(
                f"{source.name}: The ASCII armor of the OpenPGP message was changed, as e-mail programs and editors do",
                next_step="Download the file again in binary mode, or save the attachment instead of its text.",
            )
    file = source.open()
    if not armor:
        return file
    with file:
        return io.BytesIO(decode_head(file.read()).encode())


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
        self.check_members(name, 1)
        self.members += 1

    def check_members(self, name: str, more: int) -> None:
        """Raise LimitError if so many more members would be too many."""
        if self.members + more > self.limits.members:
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
        also: Any = None,
    ) -> None:
        self._file, self._name, self._budget, self._packed, self._close = file, name, budget, packed, close
        self._also = also  # closed with the file
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
            if self._budget is None or isinstance(e, FormatError | LimitError):
                raise  # not an archive, or an archive inside this one
            raise _damaged("archive", e, self._name) from None
        buffer[: len(data)] = data
        self._position += len(data)
        if self._budget:
            self._budget.count(self._name, self._position, self._packed() if self._packed else None)
        return len(data)

    def close(self) -> None:
        if self._close and not self.closed:
            self._file.close()
            if self._also is not None:
                self._also.close()
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
    if _ARMOR in head[:2048] or (detect_encoding(head) and _ARMOR.decode() in decode_head(head[:4096])):
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
