"""The local side of a pull: originals, parts and plain files in one folder, and the ledger that knows them.

What the server sent becomes a file here in three moves that each leave a whole file or none: into a part, under its
name, decrypted under its plain name.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

from greenkit import _files, sources
from greenkit.errors import DamagedMessage, DecryptError, LimitError, NotOpenPGP, RemoteError
from greenkit.findings import Findings
from greenkit.transfer._ledger import HERE, Home, Ledger, Row
from greenkit.transfer._remote import Stat

if TYPE_CHECKING:
    from greenkit.pgp import Decryption

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


Fetch = Callable[[Callable[[bytes], object], int], object]
"""Receives a file: given where its bytes go, and how many are here already."""


class Decrypts(Protocol):
    """What :class:`greenkit.pgp.Keyring` does for a pull."""

    def decrypt_file(self, path: _files.StrPath, into: _files.StrPath) -> Decryption | None:
        """Write the plain file whole and verified, or raise DecryptError."""


class Inbox:
    """A target folder while its lock is held.

    Parameters
    ----------
    home : Home
        Its places.
    ledger : Ledger
        Its open ledger.
    pgp : Decrypts or None
        Decrypts; without it encrypted files stay as they came.
    advance : callable
        Is told of each further byte received.
    findings : Findings
        Takes what is doubtful.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        pgp: Decrypts | None,
        advance: Callable[[int], object],
        findings: Findings,
    ) -> None:
        self.home, self.ledger, self.pgp, self.advance, self.findings = home, ledger, pgp, advance, findings
        self.new: set[int] = set()
        self.opened: set[int] = set()

    def settle(self) -> None:
        """Settle what a killed call left: originals about to take their name, parts that nobody goes on with."""
        for row in self.ledger.rows(state="storing"):
            original = self.original(row)
            whole = original.is_file() and digest(original) == row.sha256
            if whole:
                _files.sync_folder(original.parent)
            self.ledger.update(row, state="fetched" if whole else "seen")
        wanted = {self.part(row) for row in self.ledger.begun()}
        for path in self.home.parts.iterdir():
            if path not in wanted:
                path.unlink()

    def version(self, folder: str, name: str, stat: Stat) -> Row:
        """Give the row that this file on the server is: one that is here already, or one to be fetched."""
        versions = self.ledger.versions(folder, name)
        for row in reversed(versions):
            if _same(row, stat) and self.is_here(row):
                return row
        newest = versions[-1]
        if self.is_here(newest):
            # other content under the same name, or a server that cannot tell: fetched, then compared
            now = datetime.now(UTC)
            return self.ledger.add(Row(folder=folder, name=name, first_seen=now, changed=now))
        return newest if newest.state == "undecryptable" else self.ledger.update(newest, state="seen", left=None)

    def receive(self, row: Row, stat: Stat, fetch: Fetch, *, fresh: bool) -> tuple[Row, str, int]:
        """Receive into the part; give its sha256 and bytes.

        It goes on with an earlier part when the server's file is surely the same, unless ``fresh``.
        """
        path = self.part(row)
        held = not fresh and _same(row, stat) and path.is_file() and path.stat().st_size >= row.part_bytes

        def checkpoint(count: int) -> None:
            nonlocal row
            row = self.ledger.update(row, size=stat.size, modified=stat.modified, part_bytes=count)

        with Part(path, row.part_bytes if held else 0, self.advance, checkpoint) as part:
            try:
                fetch(part.write, part.start)
            except RemoteError:
                part.save()
                raise
            part.flush()
        return row, part.sha256, part.count

    def again(self, row: Row, why: str) -> Row:
        """Drop the part; the file is fetched again next time."""
        self.part(row).unlink(missing_ok=True)
        return self.ledger.update(row, part_bytes=0, note=why)

    def store(self, row: Row, stat: Stat, proof: str, sha256: str, count: int) -> Row:
        """Give the whole part its name; a version that is here already is not stored twice."""
        for twin in self.ledger.versions(row.folder, row.name):
            if twin.id != row.id and twin.sha256 == sha256 and self.is_here(twin):
                self.part(row).unlink()
                self.ledger.drop(row)
                return self.ledger.update(twin, size=stat.size, modified=stat.modified)
        stored = self.ledger.claim("stored", row, names(row.name, sha256, row.id))
        # a power cut after this and before "fetched" is settled by the hash
        row = self.ledger.update(
            row, state="storing", size=stat.size, modified=stat.modified, proof=proof, bytes=count, sha256=sha256,
            stored=stored, part_bytes=0, left=None, note="",
        )  # fmt: skip
        os.replace(self.part(row), self.original(row))
        _files.sync_folder(self.home.received)
        self.new.add(row.id)
        return self.ledger.update(row, state="fetched")

    def open(self, row: Row) -> Row:
        """Decrypt, or copy what is not encrypted, into a part; give it its name only when it verified."""
        self.opened.add(row.id)
        original = self.original(row)
        encrypted = ENCRYPTED.search(row.name) or sources.is_openpgp(head(original))
        if encrypted and self.pgp is None:
            return self.ledger.update(row, note="give pgp= to decrypt it")
        part = self.home.parts / f"{row.id}.plain"
        try:
            if encrypted and self.pgp:
                self.pgp.decrypt_file(original, part)
            else:
                with _files.atomic(part) as file, original.open("rb") as source:
                    shutil.copyfileobj(source, file)
        except (DamagedMessage, NotOpenPGP) as e:
            return self.ledger.update(row, state="undecryptable", note=str(e).removeprefix(f"{row.stored}: "))
        except DecryptError as e:
            return self.ledger.update(row, note=str(e).removeprefix(f"{row.stored}: "))
        plain = self.ledger.claim("plain", row, self._free(ENCRYPTED.sub("", row.name), row, part))
        os.replace(part, self.home.into / plain)
        _files.sync_folder(self.home.into)
        self.new.add(row.id)
        state = "done" if row.left else "decrypted" if encrypted else "copied"
        if row.proof == "wrong":
            return self.ledger.update(row, state=state, plain=plain, note=self._wrong_size(row))
        proof = "decrypted" if encrypted else row.proof
        return self.ledger.update(row, state=state, plain=plain, proof=proof, note="")

    def opens(self, path: Path) -> bool:
        """Tell whether a file decrypts: the one proof that is left where the server's size is wrong."""
        if self.pgp is None or not sources.is_openpgp(head(path)):
            return False
        trial = path.with_suffix(".trial")
        try:
            self.pgp.decrypt_file(path, trial)
        except DecryptError:
            return False
        trial.unlink()
        return True

    def _free(self, name: str, row: Row, part: Path) -> Iterator[str]:
        """Give the names under which the plain file can stand; a file that is not ours is never written over."""
        for plain in names(name, row.sha256 or "", row.id):
            path = self.home.into / plain
            if not os.path.lexists(path) or (path.is_file() and filecmp.cmp(path, part, shallow=False)):
                yield plain

    def _wrong_size(self, row: Row) -> str:
        text = f"the server says {row.size:,} bytes, but twice sent {row.bytes:,}"
        found = f"{row.name}: {text}; it decrypted well, so it is kept, and never deleted there."
        self.findings.add("smt.fetch.wrong-size", found, severity="warning", file=row.name)
        return text

    def part(self, row: Row) -> Path:
        """Give the place of a file on its way."""
        return self.home.parts / f"{row.id}.part"

    def original(self, row: Row) -> Path:
        """Give the place of what the server sent."""
        return self.home.received / str(row.stored)

    def is_here(self, row: Row) -> bool:
        """Tell whether the ledger and the disk agree that a copy is here."""
        original = self.original(row)
        return row.state in HERE and original.is_file() and original.stat().st_size == row.bytes


def _same(row: Row, stat: Stat) -> bool:
    """Tell whether the server's file surely is this row's; never where the server gives no size or date."""
    return None not in (stat.size, stat.modified) and (row.size, row.modified) == (stat.size, stat.modified)
