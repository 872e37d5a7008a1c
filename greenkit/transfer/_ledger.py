"""What was seen, fetched, decrypted and deleted: one SQLite file beside the files.

The ledger is what makes a pull safe to kill. What it records survives the death of the process at once, and a power
cut from the next :meth:`Ledger.flush` on, which comes before anything is deleted on a server. A record lost in between
only makes a file come again, under the same name.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from greenkit import _files
from greenkit.errors import BusyError, FormatError, GreenkitError, NotWritten

STATES: Final[Mapping[str, str]] = {
    "seen": "listed by the server, not here yet",
    "storing": "whole and checked, on its way from the part to its name; settled at the next start after a kill",
    "fetched": "the original is here; not decrypted",
    "decrypted": "the plain file is here, from a decryption that verified",
    "copied": "the file was not encrypted; it is here as it came",
    "undecryptable": "the original is here, damaged or no OpenPGP message; it is fetched again next time",
    "done": "the plain file is here; it was deleted on the server, or has left it",
    "gone": "it left the server before it was fetched",
}
"""What has become of a file."""
PROOFS: Final[Mapping[str, str]] = {
    "none": "the server gives no size",
    "wrong": "the server's size is wrong: two transfers were alike, yet of another size; never deleted there",
    "size": "the bytes here are as many as the server said, before and after the transfer",
    "decrypted": "OpenPGP verified every byte",
}
"""Why a copy is held to be whole, weakest first."""
HERE: Final = ("fetched", "decrypted", "copied", "done")
"""States in which a copy is here that need not be fetched again."""


@dataclass(frozen=True)
class Home:
    """The places below a target folder."""

    into: Path

    @property
    def inner(self) -> Path:
        """What is not a plain file; readers of a folder pass over it, since its name begins with a dot."""
        return self.into / ".greenkit"

    @property
    def received(self) -> Path:
        """Originals, as the server sent them."""
        return self.inner / "received"

    @property
    def parts(self) -> Path:
        """Files on their way."""
        return self.inner / "parts"

    @property
    def ledger(self) -> Path:
        """The ledger's SQLite file."""
        return self.inner / "ledger.db"

    def make(self) -> None:
        """Make the folders that are not there; those with originals are private."""
        self.into.mkdir(parents=True, exist_ok=True)
        for path in (self.inner, self.received, self.parts):
            _files.private_folder(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; BusyError at once when another call holds it."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_files.locked(self.inner / "lock.db", timeout=0))
            except BusyError:
                raise BusyError(f"another fetch works on {self.into}: wait for it to end") from None
            yield


@dataclass(frozen=True, kw_only=True)
class Row:
    """One version of one file; a name that the server uses again for other content gets a second row."""

    id: int = 0
    folder: str
    name: str
    state: str = "seen"
    size: int | None = None  # as the server said
    modified: datetime | None = None  # as the server said
    proof: str | None = None  # that the copy is whole; see PROOFS
    bytes: int | None = None
    sha256: str | None = None
    stored: str | None = None  # file name of the original
    plain: str | None = None  # file name of what it decrypted to
    part_bytes: int = 0  # of the part that surely are on disk: a cut transfer goes on from there
    first_seen: datetime
    changed: datetime  # when the state became what it is
    left: datetime | None = None  # when it was deleted on the server, or found missing there
    note: str = ""

    @property
    def dated(self) -> datetime:
        """The server's date of the file, or when it was first seen: its ten days count from here."""
        return min(self.modified or self.first_seen, self.first_seen)


_VERSION: Final = 1
_PATIENCE: Final = 5.0  # seconds to wait for another process that reads it
# The write-ahead log needs no flush for each record. Held by one process alone it works on network drives too, since
# no memory is shared then. What a killed process left in it is flushed first.
_SETTINGS: Final = """
PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_checkpoint(TRUNCATE);
"""
_COLUMNS: Final = [f.name for f in fields(Row)]
_TIMES: Final = ("modified", "first_seen", "changed", "left")
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{s}'" for s in STATES)})),
    size INTEGER, modified TEXT, proof TEXT, bytes INTEGER, sha256 TEXT, stored TEXT, plain TEXT,
    part_bytes INTEGER NOT NULL, first_seen TEXT NOT NULL, changed TEXT NOT NULL, left TEXT, note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS files_by_name ON files (folder, name);
CREATE TABLE IF NOT EXISTS claims (kind TEXT NOT NULL, key TEXT NOT NULL, file INTEGER NOT NULL,
    PRIMARY KEY (kind, key));
"""


class Ledger:
    """The rows of one target folder; a context manager.

    Parameters
    ----------
    path : path
        The SQLite file; made when absent, readable by its owner only.

    Raises
    ------
    BusyError
        Another process has it open.
    NotWritten
        The disk is full, or the file cannot be written.
    FormatError
        It is damaged, or no ledger.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        _files.touch_private(path)
        self._db = sqlite3.connect(Path(path), isolation_level=None, timeout=_PATIENCE)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.executescript(_SETTINGS + _SCHEMA)
        except sqlite3.DatabaseError as e:
            self._db.close()
            raise unusable(Path(path), e) from None
        self._safe = self._db.total_changes  # so many changes survive a power cut

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def flush(self) -> None:
        """Make all that was recorded survive a power cut: one flush to disk, or none when nothing is new."""
        if self._db.total_changes == self._safe:
            return
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA user_version={_VERSION}")  # any write will do: it takes the earlier ones along
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._safe = self._db.total_changes

    def see(self, folder: str, names: Iterable[str]) -> dict[str, int]:
        """Record names at first sight, all in one transaction; give every name's place in the order of first sight."""
        known = dict(
            map(tuple, self._db.execute("SELECT name, min(id) FROM files WHERE folder = ? GROUP BY 1", [folder]))
        )
        now = datetime.now(UTC)
        with self._transaction():
            for name in names:
                if name not in known:
                    known[name] = self._insert(Row(folder=folder, name=name, first_seen=now, changed=now)).id
        return known

    def rows(self, folder: str | None = None, *, state: str | None = None) -> list[Row]:
        """Give the rows of a remote folder (of all without it), oldest first."""
        return self._select(
            "(:folder IS NULL OR folder = :folder) AND (:state IS NULL OR state = :state)", folder=folder, state=state
        )

    def present(self, folder: str) -> list[Row]:
        """Give the rows of files that have not left the server, as far as is known."""
        return self._select("folder = :folder AND left IS NULL", folder=folder)

    def begun(self) -> list[Row]:
        """Give the rows of which a part is on disk that can be gone on with."""
        return self._select("part_bytes > 0")

    def versions(self, folder: str, name: str) -> list[Row]:
        """Give the rows of one name, oldest first."""
        return self._select("folder = :folder AND name = :name", folder=folder, name=name)

    def add(self, row: Row) -> Row:
        """Record a further version of a name."""
        with self._transaction():
            return self._insert(row)

    def drop(self, row: Row) -> None:
        """Forget a version that turned out to be one that is here already."""
        with self._transaction():
            self._db.execute("DELETE FROM claims WHERE file = ?", [row.id])
            self._db.execute("DELETE FROM files WHERE id = ?", [row.id])

    def update(self, row: Row, **changes: Any) -> Row:
        """Change columns of a row; the time of a change of state is kept."""
        if changes.get("state", row.state) != row.state:
            changes["changed"] = datetime.now(UTC)
        new = replace(row, **changes)
        if new != row:
            assignments = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
            with self._transaction():
                # column names are this module's own; every value is bound
                self._db.execute(f"UPDATE files SET {assignments} WHERE id = ?", [*_values(new)[1:], row.id])  # noqa: S608
        return new

    def claim(self, kind: str, row: Row, names: Iterable[str]) -> str:
        """Give the first of the names that no other row has, and keep it for this row.

        Names are compared as the most forgetful file systems do: without case, in one Unicode form.
        """
        with self._transaction():
            for name in names:
                key = unicodedata.normalize("NFC", name).casefold()
                self._db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", [kind, key, row.id])
                holder = self._db.execute("SELECT file FROM claims WHERE kind = ? AND key = ?", [kind, key])
                if holder.fetchone()["file"] == row.id:
                    return name
        raise AssertionError(f"every name for {row.name!r} is taken")  # the last one holds the content's own hash

    def _select(self, where: str, **values: str | None) -> list[Row]:
        found = self._db.execute(f"SELECT * FROM files WHERE {where} ORDER BY id", values)  # noqa: S608 as above
        return [_row(row) for row in found]

    def _insert(self, row: Row) -> Row:
        marks = ", ".join("?" * (len(_COLUMNS) - 1))
        cursor = self._db.execute(
            f"INSERT INTO files ({', '.join(_COLUMNS[1:])}) VALUES ({marks})",  # noqa: S608 as above
            _values(row)[1:],
        )
        return replace(row, id=int(cursor.lastrowid or 0))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def unusable(path: Path, e: sqlite3.DatabaseError) -> GreenkitError:
    """Say what an error of SQLite means for the ledger."""
    if e.sqlite_errorcode == sqlite3.SQLITE_BUSY:
        return BusyError(f"another fetch has {path} open: wait for it to end")
    if isinstance(e, sqlite3.OperationalError):
        return NotWritten(f"{path} cannot be written ({e}): make room, or give another folder")
    return FormatError(
        f"it is no ledger, or is damaged ({e}): move it away, and what is here is fetched once more and compared",
        source=str(path),
    )


def _values(row: Row) -> list[Any]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return [v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v for v in values.values()]


def _row(found: sqlite3.Row) -> Row:
    values = dict(found)
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Row(**values)
