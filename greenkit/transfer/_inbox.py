"""The local side of a fetch: originals, parts, and plain files in one folder, and the ledger that records them.

A file is stored in three steps, each of which leaves a complete file or none: received into a part, renamed to its own
name, and decrypted under its plain name. A file that the ledger does not know is never replaced.
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

from greenkit import _files, _foreign, sources
from greenkit.errors import (
    BadPassphrase,
    DamagedMessage,
    DecryptError,
    GpgTimedOut,
    LimitError,
    NoSecretKey,
    NotOpenPGP,
    RemoteError,
)
from greenkit.findings import Findings, Kind
from greenkit.transfer._ledger import LOCAL_STATES, UNKNOWN_FOLDER, Home, Ledger, Row
from greenkit.transfer._remote import Stat

if TYPE_CHECKING:
    from greenkit.pgp import Decryption

CHECKPOINT: Final = 32 << 20
"""Bytes after which a part is flushed to disk, so that an interrupted transfer can continue there."""
LARGEST: Final = 8 << 30
"""Bytes of one file after which greenkit stops the transfer, because the server may never end it."""
ENCRYPTED: Final = re.compile(r"\.(asc|pgp|gpg)$", re.IGNORECASE)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""Names that are devices on Windows, whatever their ending."""
_VERSION_MARK: Final = ".0123456789ab-1234567890"  # the longest that a further version's name gets
_HANGS: Final = 3  # times that gpg may exceed its time before no more files are decrypted in this call

WRONG_SIZE: Final = Kind(
    "smt.fetch.wrong-size",
    "warning",
    "{file}: The server reports {size:,} bytes, but sent {received:,} twice. greenkit decrypted and kept the file, "
    "but never deletes it from the server.",
    "Ask SMT why the size differs.",
)
ADOPTED: Final = Kind(
    "smt.fetch.adopted",
    "warning",
    "{count:original} in {place} {count:was|were} missing from the ledger, first {first}. greenkit kept "
    "{count:it|them} and added {count:it|them} to the ledger.",
    "Check why the ledger was lost, and keep it in the same folder as the files.",
)
UNPROTECTED: Final = Kind(
    "smt.fetch.unprotected",
    "warning",
    "{file}: The message has no integrity protection, so it may have been altered. greenkit decrypted it, because "
    "allow_unprotected is set.",
    "Ask SMT to turn on integrity protection (MDC).",
)
SIGNED: Final = Kind(
    "smt.fetch.signed", "info", "{file}: The message is signed. greenkit did not verify the signature."
)

Fetch = Callable[[Callable[[bytes], object], int], object]
"""Receives a file: takes a function for its bytes, and how many bytes are already stored."""


class Decrypts(Protocol):
    """Decrypts files for a fetch, as :class:`greenkit.pgp.Keyring` does."""

    def decrypt_file(self, path: _files.StrPath, into: _files.StrPath) -> Decryption | None:
        """Write the plain file complete and verified, or raise DecryptError."""


class Part:
    """A file that is being received: hashed, counted, and flushed at checkpoints; a context manager.

    Parameters
    ----------
    path : path
        Where it is written.
    start : int
        Bytes of an earlier attempt to keep; the rest is removed.
    advance : callable
        Takes the number of bytes received since its last call.
    checkpoint : callable
        Takes the number of bytes that are surely on disk.
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
        """Write the next bytes."""
        self._file.write(data)
        self._sha.update(data)
        self.count += len(data)
        if self.count > LARGEST:
            raise LimitError(
                f"The server sent more than {LARGEST:,} bytes for one file", next_step="Ask SMT what the file contains."
            )
        self._advance(len(data))
        if self.count - self._saved >= CHECKPOINT:
            self.save()

    def save(self) -> None:
        """Flush to disk, and record how far."""
        self.flush()
        self._saved = self.count
        self._checkpoint(self.count)

    def flush(self) -> None:
        """Flush the file to disk, so that it survives a power failure."""
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        """Hash of all bytes, those of an earlier attempt included."""
        return self._sha.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()


class Inbox:
    """A target folder while its lock is held.

    Parameters
    ----------
    home : Home
        Its paths.
    ledger : Ledger
        Its open ledger.
    pgp : Decrypts or None
        Decrypts; with None encrypted files are only stored.
    advance : callable
        Takes the number of bytes received since its last call.
    findings : Findings
        Collects data problems.
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
        self.locked: list[str] = []  # names of files that the passphrase or the keys of the keyring do not open
        self.unproven: list[str] = []  # names of files that neither a size nor a decryption proves to be complete
        self._hangs = 0

    def settle(self) -> None:
        """Settle the files that a killed call left: originals being renamed, and parts that no transfer continues."""
        for row in self.ledger.rows(state="storing"):
            original = self.original(row)
            complete = original.is_file() and digest(original) == row.sha256
            if complete:
                _files.sync_folder(original.parent)
            self.ledger.update(row, state="fetched" if complete else "seen")
        wanted = {self.part(row) for row in self.ledger.begun()}
        for path in self.home.parts.iterdir():
            if path not in wanted:
                path.unlink()
        self._adopt()

    def _adopt(self) -> None:
        """Record originals that the ledger does not contain, as after its loss; they are decrypted and compared."""
        known = {row.stored for row in self.ledger.rows()}
        found = sorted(path for path in self.home.received.iterdir() if path.is_file() and path.name not in known)
        for path in found:
            now, sha256 = datetime.now(UTC), digest(path)
            row = self.ledger.add(
                Row(
                    folder=UNKNOWN_FOLDER,
                    name=path.name,
                    state="fetched",
                    bytes=path.stat().st_size,
                    sha256=sha256,
                    stored=path.name,
                    first_seen=now,
                    changed=now,
                )
            )
            self.ledger.claim("stored", row, names(path.name, sha256, row.id))
        if found:
            place = str(self.home.received)
            self.findings.add(ADOPTED, count=len(found), first=found[0].name, words={"place": place})

    def version(self, folder: str, name: str, stat: Stat) -> Row:
        """Return the row of this file on the server: a version that is stored, or one to be fetched."""
        versions = self.ledger.versions(folder, name)
        for row in reversed(versions):
            if _same(row, stat) and self.is_here(row):
                return row
        newest = versions[-1]
        if self.is_here(newest):
            # other content under the same name, or a server that reports too little: fetched, then compared
            now = datetime.now(UTC)
            return self.ledger.add(Row(folder=folder, name=name, first_seen=now, changed=now))
        return newest if newest.state == "undecryptable" else self.ledger.update(newest, state="seen", left=None)

    def receive(self, row: Row, stat: Stat, fetch: Fetch, *, fresh: bool) -> tuple[Row, str, int]:
        """Receive into the part, and return its sha256 and size.

        It continues an earlier part if the server's file is surely the same, unless ``fresh``.
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
        """Delete the part; the file is fetched again next time."""
        self.part(row).unlink(missing_ok=True)
        return self.ledger.update(row, part_bytes=0, note=why)

    def drop(self, row: Row) -> None:
        """Forget a name that turned out to be a folder."""
        self.part(row).unlink(missing_ok=True)
        self.ledger.drop(row)

    def store(self, row: Row, stat: Stat, proof: str, sha256: str, count: int) -> Row:
        """Rename the complete part to its final name; a version that is stored already is not stored twice."""
        for twin in [*self.ledger.versions(row.folder, row.name), *self.ledger.rows(UNKNOWN_FOLDER)]:
            if twin.id != row.id and twin.sha256 == sha256 and self.is_here(twin):
                self.part(row).unlink()
                self.ledger.drop(row)
                return self.ledger.update(
                    twin, folder=row.folder, name=row.name, size=stat.size, modified=stat.modified,
                    proof="decrypted" if twin.proof == "decrypted" else proof, left=None,
                )  # fmt: skip
        free = (name for name in names(row.name, sha256, row.id) if self._may_store(name, row, sha256))
        stored = self.ledger.claim("stored", row, free)
        # a power failure after this and before "fetched" is settled by the hash
        row = self.ledger.update(
            row, state="storing", size=stat.size, modified=stat.modified, proof=proof, bytes=count, sha256=sha256,
            stored=stored, part_bytes=0, left=None, note="",
        )  # fmt: skip
        os.replace(self.part(row), self.original(row))
        _files.sync_folder(self.home.received)
        self.new.add(row.id)
        return self.ledger.update(row, state="fetched")

    def _may_store(self, name: str, row: Row, sha256: str) -> bool:
        """Return whether a name is free, or its file is this row's earlier attempt or the same content."""
        path = self.home.received / name
        return not os.path.lexists(path) or name == row.stored or (path.is_file() and digest(path) == sha256)

    def open(self, row: Row) -> Row:
        """Decrypt a file, or copy it if it is not encrypted, into a part, and rename the part only if it verified."""
        self.opened.add(row.id)
        original = self.original(row)
        first = head(original)
        encrypted = ENCRYPTED.search(row.name) or sources.is_openpgp(first)
        if encrypted and self.pgp is None:
            return self.ledger.update(row, note="Not decrypted, because no OpenPGP keyring is set.")
        if encrypted and self._hangs >= _HANGS:
            return self.ledger.update(row, note="Not decrypted, because gpg did not finish several times.")
        if not encrypted and (page := _web_page(first)):
            return self.ledger.update(row, state="undecryptable", note=f"The file is {page}, not data.")
        part = self.home.parts / f"{row.id}.plain"
        known: Decryption | None = None
        try:
            if encrypted and self.pgp:
                known = self.pgp.decrypt_file(original, part)
            else:
                with _files.atomic(part) as file, original.open("rb") as source:
                    shutil.copyfileobj(source, file)
        except (DamagedMessage, NotOpenPGP) as e:
            return self.ledger.update(row, state="undecryptable", note=str(e).removeprefix(f"{row.stored}: "))
        except DecryptError as e:
            self._hangs += isinstance(e, GpgTimedOut)
            if isinstance(e, BadPassphrase | NoSecretKey):
                self.locked.append(row.name)
            return self.ledger.update(row, note=str(e).removeprefix(f"{row.stored}: "))
        if known is not None and not known.protected:
            self.findings.add(UNPROTECTED, file=row.name)
        if known is not None and known.signed:
            self.findings.add(SIGNED, file=row.name)
        plain = self.ledger.claim("plain", row, self._free(ENCRYPTED.sub("", row.name), row, part))
        os.replace(part, self.home.into / plain)
        _files.sync_folder(self.home.into)
        self.new.add(row.id)
        state = "done" if row.left else "decrypted" if encrypted else "copied"
        if row.proof == "wrong":
            self.findings.add(WRONG_SIZE, file=row.name, words={"size": row.size, "received": row.bytes})
            note = f"The server reports {row.size:,} bytes, but sent {row.bytes:,} twice."
            return self.ledger.update(row, state=state, plain=plain, note=note)
        if not encrypted and row.proof == "none":
            self.unproven.append(row.name)
        proof = "decrypted" if encrypted else row.proof
        return self.ledger.update(row, state=state, plain=plain, proof=proof, note="")

    def opens(self, path: Path) -> bool:
        """Return whether a file decrypts, which is the only proof if the server reports a wrong size."""
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
        """Yield the names that the plain file can have; a file of the user's is never replaced."""
        for plain in names(name, row.sha256 or "", row.id):
            path = self.home.into / plain
            if not os.path.lexists(path) or (path.is_file() and filecmp.cmp(path, part, shallow=False)):
                yield plain

    def part(self, row: Row) -> Path:
        """Return the path of a file that is being received."""
        return self.home.parts / f"{row.id}.part"

    def original(self, row: Row) -> Path:
        """Return the path of the original, as the server sent it."""
        return self.home.received / str(row.stored)

    def is_here(self, row: Row) -> bool:
        """Return whether the ledger and the disk agree that a copy is stored."""
        original = self.original(row)
        return row.state in LOCAL_STATES and original.is_file() and original.stat().st_size == row.bytes


def _same(row: Row, stat: Stat) -> bool:
    """Return whether the server's file surely is this row's; never if the server reports no size or date."""
    return None not in (stat.size, stat.modified) and (row.size, row.modified) == (stat.size, stat.modified)


def _web_page(first: bytes) -> str:
    """Return what a file is if it is a web page, such as a proxy's error, under the name of a data file."""
    found = _foreign.recognize(first)
    return found.what if found is not None and "web page" in found.what else ""


def names(name: str, sha256: str, number: int) -> Iterator[str]:
    """Yield the names that a file may have, best first: its own, then with its content's hash, then its row's number.

    Examples
    --------
    >>> list(names("a.lse.asc", "0123456789abcdef", 7))
    ['a.lse.asc', 'a.lse.0123456789ab.asc', 'a.lse.0123456789ab-7.asc']
    >>> list(names("a.csv", "0123456789abcdef", 7))
    ['a.csv', 'a.0123456789ab.csv', 'a.0123456789ab-7.csv']
    """
    found = ENCRYPTED.search(name)
    stem, ending = (name[: found.start()], found.group()) if found else os.path.splitext(name)
    yield name
    yield f"{stem}.{sha256[:12]}{ending}"
    yield f"{stem}.{sha256[:12]}-{number}{ending}"


def refusal(name: str, folder: Path) -> str:
    """Return why a name from a server is not safe to store, or an empty string if it is."""
    if any(ord(c) < 32 or ord(c) == 127 for c in name):
        return "The name contains a control character."
    try:
        _files.inside(folder, name)
        length = len(name.encode())
    except LimitError:
        return "The name points outside the folder."
    except UnicodeEncodeError:
        return "The name is not valid text."
    if name.startswith("."):
        return "The name begins with a dot, and readers of a folder skip such files."
    if _DEVICES.match(name) or ":" in name or ENCRYPTED.sub("", name)[-1:] in (" ", "."):
        return "The name is not a file name on every system: it is a device, has a colon, or ends in a space or a dot."
    return "The name is too long." if length + len(_VERSION_MARK) > 255 else ""


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def head(path: Path) -> bytes:
    """Return a file's first bytes."""
    with path.open("rb") as file:
        return file.read(4096)
