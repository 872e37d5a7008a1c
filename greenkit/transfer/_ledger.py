"""The ledger: which files were seen, fetched, decrypted, and deleted, in one SQLite file beside them.

The ledger makes a fetch safe to kill. A record survives the end of the process at once. It survives a power failure
after the next :meth:`Ledger.flush`, which always comes before a deletion on the server. If a record is lost before
that, greenkit fetches the file again under the same name.
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
    "seen": "listed by the server, not fetched yet",
    "storing": "complete and checked, being renamed; the next call settles it after a kill",
    "fetched": "the original is stored; not decrypted",
    "decrypted": "the plain file is stored, from a decryption that verified",
    "copied": "the file was not encrypted; it is stored unchanged",
    "undecryptable": "the original is stored, but damaged or not an OpenPGP message; it is fetched again next time",
    "done": "the plain file is stored; on the server the file was deleted or has disappeared",
    "gone": "it disappeared from the server before it was fetched",
}
"""State of a file."""
PROOFS: Final[Mapping[str, str]] = {
    "none": "the server reports no size",
    "wrong": "the server's size is wrong: two transfers were equal, but of another size; never deleted there",
    "size": "the size is the one that the server reported before and after the transfer",
    "decrypted": "OpenPGP verified every byte",
}
"""Why a copy counts as complete, weakest first."""
LOCAL_STATES: Final = ("fetched", "decrypted", "copied", "done")
"""States of a file whose local copy need not be fetched again."""
UNKNOWN_FOLDER: Final = "?"
"""Remote folder of originals that were found here without a record, until the server's file proves to be the same."""


@dataclass(frozen=True)
class Home:
    """The paths below a target folder."""

    into: Path

    @property
    def inner(self) -> Path:
        """Folder of everything but plain files; readers of a folder skip it, because its name begins with a dot."""
        return self.into / ".greenkit"

    @property
    def received(self) -> Path:
        """Originals, as the server sent them."""
        return self.inner / "received"

    @property
    def parts(self) -> Path:
        """Files that are being received."""
        return self.inner / "parts"

    @property
    def ledger(self) -> Path:
        """The ledger's SQLite file."""
        return self.inner / "ledger.db"

    def make(self) -> None:
        """Create the missing folders; those with originals are private."""
        self.into.mkdir(parents=True, exist_ok=True)
        for path in (self.inner, self.received, self.parts):
            _files.private_folder(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder lock while the block runs; raise BusyError at once if another call holds it."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_files.locked(self.inner / "lock.db", timeout=0))
            except BusyError:
                raise BusyError(
                    f"Another fetch is using {self.into}", next_step="Wait until it ends, then try again."
                ) from None
            yield


@dataclass(frozen=True, kw_only=True)
class Row:
    """One version of one file. A name that the server uses again for other content gets a second row."""

    id: int = 0
    folder: str
    name: str
    state: str = "seen"
    size: int | None = None  # as the server reported
    modified: datetime | None = None  # as the server reported
    proof: str | None = None  # that the copy is complete; see PROOFS
    bytes: int | None = None
    sha256: str | None = None
    stored: str | None = None  # file name of the original
    plain: str | None = None  # file name of the plain file
    part_bytes: int = 0  # of the part that are surely on disk: an interrupted transfer continues there
    first_seen: datetime
    changed: datetime  # when the state changed last
    left: datetime | None = None  # when it was deleted on the server or had disappeared
    note: str = ""

    @property
    def dated(self) -> datetime:
        """The server's date of the file, or when it was first seen, whichever is earlier: its ten days start here."""
        return min(self.modified or self.first_seen, self.first_seen)


_VERSION: Final = 1
_PATIENCE: Final = 5.0  # seconds to wait for another process that reads the ledger
# The write-ahead log needs no flush for each record. Used by only one process it works on network drives too, because
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
    """The records of one target folder; a context manager.

    Parameters
    ----------
    path : path
        The SQLite file; created if it does not exist, readable by its owner only.

    Raises
    ------
    BusyError
        If another process has it open.
    NotWritten
        If the disk is full or the file cannot be written.
    FormatError
        If it is damaged, is not a ledger, or was written by a newer greenkit.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        _files.touch_private(path)
        self._db = sqlite3.connect(Path(path), isolation_level=None, timeout=_PATIENCE)
        self._db.row_factory = sqlite3.Row
        self._path = Path(path)
        try:
            self._check()
            self._db.executescript(_SETTINGS + _SCHEMA)
        except sqlite3.DatabaseError as e:
            self._db.close()
            raise unusable(self._path, e) from None
        except FormatError:
            self._db.close()
            raise
        self._safe = self._db.total_changes  # the number of changes that survive a power failure

    def _check(self) -> None:
        """Raise FormatError if the file is another program's database, before anything is written to it."""
        tables = {row["name"] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {row["name"] for row in self._db.execute("PRAGMA table_info(files)")}
        if tables and not ({"files", "claims"} <= tables and set(_COLUMNS) <= columns):
            raise _not_a_ledger(self._path, "it has other tables")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise FormatError(
                f"The ledger has version {version}, written by a newer greenkit",
                source=str(self._path),
                next_step="Install the newest greenkit.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def flush(self) -> None:
        """Make all records survive a power failure: one flush to disk, or none if nothing is new."""
        if self._db.total_changes == self._safe:
            return
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA user_version={_VERSION}")  # any write flushes the earlier ones, too
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._safe = self._db.total_changes

    def see(self, folder: str, names: Iterable[str]) -> dict[str, int]:
        """Record new names in one transaction, and return each name's place in the order of first sight."""
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
        """Return the rows of a remote folder, or of all folders, oldest first."""
        return self._select(
            "(:folder IS NULL OR folder = :folder) AND (:state IS NULL OR state = :state)", folder=folder, state=state
        )

    def present(self, folder: str) -> list[Row]:
        """Return the rows of files that, as far as is known, are still on the server."""
        return self._select("folder = :folder AND left IS NULL", folder=folder)

    def begun(self) -> list[Row]:
        """Return the rows with a part on disk at which a transfer can continue."""
        return self._select("part_bytes > 0")

    def versions(self, folder: str, name: str) -> list[Row]:
        """Return the rows of one name, oldest first."""
        return self._select("folder = :folder AND name = :name", folder=folder, name=name)

    def add(self, row: Row) -> Row:
        """Record a further version of a name."""
        with self._transaction():
            return self._insert(row)

    def drop(self, row: Row) -> None:
        """Delete the record of a version that turned out to be stored already."""
        with self._transaction():
            self._db.execute("DELETE FROM claims WHERE file = ?", [row.id])
            self._db.execute("DELETE FROM files WHERE id = ?", [row.id])

    def update(self, row: Row, **changes: Any) -> Row:
        """Change columns of a row, and record when its state changed."""
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
        """Return the first of the names that no other row has, and reserve it for this row.

        Names are compared as the least strict file systems do: without case, in one Unicode form.
        """
        with self._transaction():
            for name in names:
                key = unicodedata.normalize("NFC", name).casefold()
                self._db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", [kind, key, row.id])
                holder = self._db.execute("SELECT file FROM claims WHERE kind = ? AND key = ?", [kind, key])
                if holder.fetchone()["file"] == row.id:
                    return name
        raise AssertionError(f"every name for {row.name!r} is in use")  # the last one contains the row's own number

    def _select(self, where: str, **values: str | None) -> list[Row]:
        found = self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM files WHERE {where} ORDER BY id", values)  # noqa: S608 as above
        try:
            return [_row(row) for row in found]
        except (ValueError, TypeError) as e:
            raise _not_a_ledger(self._path, str(e)) from None

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
    """Translate an error of SQLite."""
    if e.sqlite_errorcode == sqlite3.SQLITE_BUSY:
        return BusyError(f"Another fetch is using {path}", next_step="Wait until it ends, then try again.")
    if isinstance(e, sqlite3.OperationalError):
        return NotWritten(f"{path} cannot be written ({e})", next_step="Free disk space or use another folder.")
    return _not_a_ledger(path, str(e))


def _not_a_ledger(path: Path, why: str) -> FormatError:
    return FormatError(
        f"The file is not a greenkit ledger or is damaged ({why})",
        source=str(path),
        next_step="Move it to another folder. greenkit then fetches the files again and compares them with the local "
        "copies.",
    )


def _values(row: Row) -> list[Any]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return [v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v for v in values.values()]


def _row(found: sqlite3.Row) -> Row:
    values = dict(found)
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Row(**values)
