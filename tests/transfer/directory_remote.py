"""A remote that is a folder on this disk, with faults on demand, and messages that verify like those of OpenPGP.

It outlives a killed pull, as a server does, and logs each deletion. Other tests use real servers; this remote is for the
steps above the protocol.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from greenkit import _files
from greenkit.errors import BadPassphrase, DamagedMessage, NotOpenPGP, ServerUnavailable, TransferError
from greenkit.transfer._remote import Stat

BEGIN = b"-----BEGIN PGP MESSAGE-----\n"


def seal(plain):
    """Return a message whose truncation or alteration is detected, as with OpenPGP."""
    return BEGIN + hashlib.sha256(plain).hexdigest().encode() + b"\n" + plain


class Unsealer:
    """Decrypts the messages of :func:`seal`; ``locked`` is a keyring whose passphrase is missing."""

    def __init__(self, locked=False):
        self.locked = locked
        self.opened = []

    def decrypt_file(self, path, into):
        data = Path(path).read_bytes()
        self.opened.append(Path(path).name)
        if not data.startswith(BEGIN):
            raise NotOpenPGP(f"{Path(path).name}: it contains no OpenPGP message")
        if self.locked:
            raise BadPassphrase(f"{Path(path).name}: the passphrase is wrong")
        digest, _, plain = data[len(BEGIN) :].partition(b"\n")
        if hashlib.sha256(plain).hexdigest().encode() != digest:
            raise DamagedMessage(f"{Path(path).name}: it is truncated or altered")
        with _files.atomic(into) as file:
            file.write(plain)


class DirectoryRemote:
    """``faults`` lists the faults of a file by its name, one entry for each transfer (None: no fault)."""

    def __init__(self, root, *, faults=None, sizes=True, dates=True, chunk=1000, size_error=0):
        self.root = Path(root)
        self.faults = {name: list(what) for name, what in (faults or {}).items()}
        self.sizes, self.dates, self.chunk, self.size_error = sizes, dates, chunk, size_error
        self.log = []

    def _file(self, path):
        file = self.root / path
        if not file.exists():
            raise FileNotFoundError(f"{path} is not on the server")
        return file

    def _fault(self, path):
        waiting = self.faults.get(Path(path).name)
        return waiting.pop(0) if waiting else None

    def names(self, folder):
        self.log.append(("names", folder))
        return sorted(os.listdir(self.root / folder))

    def stat(self, path):
        self.log.append(("stat", path))
        found = self._file(path).stat()
        size = found.st_size + self.size_error if self.sizes else None
        return Stat(size, datetime.fromtimestamp(int(found.st_mtime), UTC) if self.dates else None)

    def fetch(self, path, sink, offset=0):
        self.log.append(("fetch", path, offset))
        fault = self._fault(path)
        data = self._file(path).read_bytes()
        if fault == "gone":
            self._file(path).unlink()
            raise FileNotFoundError(path)
        end = len(data)
        if fault in ("cut clean", "cut", "down") or isinstance(fault, int):
            end = fault if isinstance(fault, int) else len(data) // 2
        for at in range(offset, end, self.chunk):
            sink(data[at : min(at + self.chunk, end)])
        if fault == "grow":
            self._file(path).write_bytes(data + b"more")
        elif fault == "taken":
            self._file(path).unlink()
        elif fault == "cut" or isinstance(fault, int):
            raise TransferError(f"{path}: {end:,} of {len(data):,} bytes arrived")
        elif fault == "late 451":
            raise TransferError(f"{path}: the server answered 451 after the last byte")
        elif fault == "down":
            raise ServerUnavailable("the connection was lost")

    def delete(self, path):
        self.log.append(("delete", path))
        file = self._file(path)
        fault = self._fault("DELE " + Path(path).name)
        if fault == "refused":
            raise TransferError(f"{path}: the server answered 550 permission denied")
        with open(self.root / "deleted.log", "a") as log:
            log.write(f"{path} {hashlib.sha256(file.read_bytes()).hexdigest()}\n")
        file.unlink()
        if fault == "reply lost":
            raise ServerUnavailable("the connection was lost before the answer")

    def count(self, verb):
        return sum(entry[0] == verb for entry in self.log)


def put(root, name, data, *, folder="intervaldata", age_days=0.0):
    """Put a file of this age on the server."""
    path = Path(root) / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    when = datetime.now(UTC).timestamp() - age_days * 86400 - 60
    os.utime(path, (when, when))
    return path
