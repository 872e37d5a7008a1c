"""Pull the files of a remote folder: each once, whole, and deleted last if at all.

The order of the steps is the promise. A kill at any moment leaves nothing that the next call does not settle::

    SIZE and MDTM ── receive into a part, hashing ── flush to disk ── SIZE and MDTM again: still growing?
      ── bytes == SIZE ── ledger "storing" ── rename ── flush the folder ── ledger "fetched"
      ── decrypt into a part, verified ── rename ── flush the folder ── ledger "decrypted"
      ── flush the ledger ── SIZE and MDTM a last time ── DELE ── ledger "done"

``into`` holds the plain files, ready for ``load_smt(into)``; what the machinery needs stands in ``into/.greenkit``,
which readers of a folder pass over::

    into/.greenkit/received/    the originals, as the server sent them
    into/.greenkit/parts/       files on their way
    into/.greenkit/ledger.db    what was seen, fetched, decrypted, deleted (greenkit.transfer._ledger)
    into/.greenkit/lock.db      held while a pull runs; the system frees it when the process dies
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenkit import _files, _html
from greenkit._progress import Progress, progress_bar
from greenkit.errors import (
    CertificateRejected,
    HostRejected,
    LimitError,
    LoginRejected,
    NotWritten,
    RemoteError,
    ServerUnavailable,
)
from greenkit.findings import Findings
from greenkit.transfer._inbox import ENCRYPTED, Decrypts, Inbox, refusal
from greenkit.transfer._ledger import HERE, Home, Ledger, Row, unusable
from greenkit.transfer._remote import Remote, Stat, join

if TYPE_CHECKING:
    import pandas as pd

SAFE: Final = ("decrypted", "copied", "done")
"""States in which the file's content is here, ready to load."""
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of a report: a version of a name on the server, and what has become of it."""

    name: str
    bytes: int | None
    state: str
    when: datetime
    why: str = ""
    new: bool = False
    path: Path | None = None

    def __str__(self) -> str:
        size = "" if self.bytes is None else f" {self.bytes:,} bytes"
        return f"{self.when:%Y-%m-%dT%H:%M:%SZ} {self.state} {self.name!r}{size}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True)
class FetchReport:
    """What one call of :func:`~greenkit.fetch_smt` found and did.

    Parameters
    ----------
    folder : str
        The remote folder.
    into : Path
        The local one: ``load_smt(report.into)`` loads what is there.
    files : tuple of Fetched
        One for each file that the server listed, and for those that changed since.
    findings : Findings
        What is doubtful: files about to expire, lost, refused, or of a wrong size.
    """

    folder: str
    into: Path
    files: tuple[Fetched, ...] = ()
    findings: Findings = field(default_factory=Findings)

    @property
    def frame(self) -> pd.DataFrame:
        """The files as a frame: name, bytes (Int64), state, when (UTC), why (empty: nothing is amiss), new, path."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": pd.Series([f.name for f in self.files], dtype="str"),
                "bytes": pd.Series([f.bytes for f in self.files], dtype="Int64"),
                "state": pd.Series([f.state for f in self.files], dtype="str"),
                "when": pd.to_datetime(pd.Series([f.when for f in self.files], dtype="datetime64[us, UTC]")),
                "why": pd.Series([f.why for f in self.files], dtype="str"),
                "new": pd.Series([f.new for f in self.files], dtype="bool"),
                "path": pd.Series([str(f.path or "") for f in self.files], dtype="str"),
            }
        )

    @property
    def new(self) -> list[Path]:
        """The plain files that this call brought, to be loaded: ``load_smt(report.new)``."""
        return [f.path for f in self.files if f.new and f.path and f.state in SAFE]

    @property
    def complete(self) -> bool:
        """Every file that the server listed is here and ready to load."""
        return all(f.state in SAFE for f in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(Counter(f.state for f in self.files).items()))
        return f"{self.folder}: {counts or 'no files'}; {len(self.new)} new in {self.into}"

    def __repr__(self) -> str:
        return f"<FetchReport {self}>"

    def _repr_html_(self) -> str:
        amiss = [f for f in self.files if f.why]
        shown = (amiss + [f for f in self.files if not f.why])[:_SHOWN]
        rows = [
            [f.name, "" if f.bytes is None else f"{f.bytes:,}", f.state, f"{f.when:%Y-%m-%d %H:%M}", f.why]
            for f in shown
        ]
        body = _html.table(["name", "bytes", "state", "when (UTC)", "why not"], rows) if rows else ""
        more = len(self.files) - len(shown)
        if more:
            body += f"<p>and {more:,} more without remark</p>" if len(amiss) <= _SHOWN else f"<p>and {more:,} more</p>"
        if self.findings:
            body += self.findings._repr_html_()
        return _html.block(str(self), body, text="\n".join([str(self), *map(str, shown), *map(str, self.findings)]))


DELETE: Final = ("never", "decrypted", "fetched")
KEPT: Final = timedelta(days=10)
"""How long SMT keeps a file (third-party integration guide, "Key points to remember")."""
WARN_AFTER: Final = timedelta(days=7)
_GIVE_UP: Final = 3  # times in a row that the server did not answer, after which it is left alone
_FATAL: Final = (LoginRejected, HostRejected, CertificateRejected)  # going on would lock the account, or worse


def fetch_smt(
    remote: Remote,
    folder: str = "intervaldata",
    *,
    into: _files.StrPath,
    pgp: Decrypts | None = None,
    delete: str = "never",
    progress: Progress = None,
) -> FetchReport:
    """Fetch the new files of a remote folder, decrypt them, and delete them on the server if asked.

    Parameters
    ----------
    remote : Remote
        From :func:`~greenkit.smt_remote`.
    folder : str
        Remote folder, such as ``intervaldata`` (daily files) or ``adhocusage`` (what the API was asked for). With a
        slash at its head it is sought from the server's root, else from where the account begins.
    into : path
        Local folder, made when absent. Plain files land in it; originals are kept in ``.greenkit/received`` below it.
    pgp : greenkit.pgp.Keyring, optional
        Decrypts. Without it files are only fetched; a later call with it decrypts them without fetching again.
    delete : {"never", "decrypted", "fetched"}
        What is deleted on the server: nothing; files whose copy here was decrypted and so is proven whole
        (recommended, since SMT asks to delete what was downloaded); or also files of which only the size agreed.
    progress : None, True or callable
        A bar, or a callable that is given the bytes so far and None.

    Returns
    -------
    FetchReport
        One row for each file: ``report.frame``, ``report.findings``, ``report.new``.

    Raises
    ------
    BusyError
        Another pull works on ``into``.
    NotWritten
        The disk is full, or ``into`` cannot be written.
    RemoteError
        The server cannot be reached, refuses the login, or has no such folder. What stops a single file stands in
        the report instead.

    Notes
    -----
    A name that the server uses again for other content becomes a second file, ``name.<sha256, 12 digits>.asc``.
    A file that grows while it is fetched is left for the next call. Where a server gives no SIZE or MDTM, a file is
    fetched again and compared. Order of steps, ledger and rules: the head of :mod:`greenkit.transfer._pull`.

    Examples
    --------
    >>> with greenkit.smt_remote("settings.toml") as remote:  # doctest: +SKIP
    ...     report = greenkit.fetch_smt(remote, "intervaldata", into="smt", pgp=greenkit.smt_keyring())
    >>> greenkit.load_smt(report.into)  # doctest: +SKIP
    """
    report = pull(remote, folder, into=into, pgp=pgp, delete=delete, progress=progress)
    report.findings.warn(f"fetch_smt({folder!r})")
    return report


def pull(
    remote: Remote,
    folder: str,
    *,
    into: _files.StrPath,
    pgp: Decrypts | None = None,
    delete: str = "never",
    progress: Progress = None,
    tell: Callable[[Fetched], object] = lambda file: None,
) -> FetchReport:
    """Do as :func:`fetch_smt` without its warning; ``tell`` is given each file as soon as it is dealt with."""
    if delete not in DELETE:
        raise ValueError(f"delete is {delete!r}: give one of {', '.join(DELETE)}")
    home = Home(Path(into).expanduser().absolute())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_written(home))
        home.make()
        stack.enter_context(home.locked())
        ledger = stack.enter_context(Ledger(home.ledger))
        advance = stack.enter_context(progress_bar(progress, None, folder))
        inbox = Inbox(home, ledger, pgp, advance, findings := Findings())
        return _Pull(remote, folder, inbox, delete, findings, tell).run()


@contextlib.contextmanager
def _written(home: Home) -> Iterator[None]:
    """Say in a sentence why nothing can be written here; what a server lacks has no number of the system's."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        raise unusable(home.ledger, e) from None
    except OSError as e:
        if e.errno is None:
            raise
        raise NotWritten(f"{home.into} cannot be written ({e.strerror}): make room, or give another folder") from None


class _Pull:
    """One call: its steps, in their order."""

    def __init__(
        self,
        remote: Remote,
        folder: str,
        inbox: Inbox,
        delete: str,
        findings: Findings,
        tell: Callable[[Fetched], object],
    ) -> None:
        self.remote, self.inbox, self.ledger = remote, inbox, inbox.ledger
        self.place, self.folder = folder.rstrip("/") or folder[:1], folder.strip("/")
        self.delete, self.findings, self.tell = delete, findings, tell
        self.files: list[Fetched] = []
        self.failures = 0

    def run(self) -> FetchReport:
        self.inbox.settle()
        listed = self._list()
        for name in listed:
            self._guarded(name)
        self._missing(listed)
        self._catch_up()
        self._expiring(listed)
        return FetchReport(self.folder, self.inbox.home.into, tuple(self.files), self.findings)

    # ── before ──

    def _list(self) -> list[str]:
        """Give the names to deal with, those first that were seen first, since they leave the server first."""
        listed = dict.fromkeys(self.remote.names(self.place))
        refused = {name: why for name in listed if (why := refusal(name, self.inbox.home.received))}
        for name, why in refused.items():
            self._tell(Fetched(name, None, "refused", datetime.now(UTC), why))
        if refused:
            text = "not fetched, since the name is not safe to store: ask for it under a plain name"
            self._find("smt.fetch.refused-name", text, "warning", [repr(name) for name in refused])
        safe = [name for name in listed if name not in refused]
        order = self.ledger.see(self.folder, safe)
        return sorted(safe, key=lambda name: order[name])

    # ── one file ──

    def _guarded(self, name: str) -> None:
        """Take one file; what fails for it alone stands in the report, what ends the whole call is raised."""
        if self.failures >= _GIVE_UP:
            self._row(self._newest(name), why="not tried, since the server did not answer several times in a row")
            return
        failures = self.failures
        try:
            row = self._take(name)
            self.failures = 0 if self.failures == failures else self.failures
        except _FATAL:
            raise
        except IsADirectoryError:
            self.ledger.drop(self._newest(name))
            return
        except LimitError as e:
            row = self.inbox.again(self._newest(name), str(e))
        except RemoteError as e:
            self._failed(e)
            row = self.ledger.update(self._newest(name), note=str(e))
        self._row(row)

    def _take(self, name: str) -> Row:
        try:
            stat = self.remote.stat(self._path(name))
            row = self.inbox.version(self.folder, name, stat)
            if row.state not in HERE:
                row = self._fetch(row, stat)
        except FileNotFoundError:
            return self._left(self._newest(name), "it left the server between the listing and its turn")
        if row.state == "fetched":
            row = self.inbox.open(row)
        self.ledger.flush()
        return self._delete(row)

    def _fetch(self, row: Row, stat: Stat) -> Row:
        """Receive until the copy is proven whole: at most twice, since a server may give a wrong SIZE for ever."""
        before = ""
        for attempt in range(2):
            fetch = partial(self.remote.fetch, self._path(row.name))
            row, sha256, count = self.inbox.receive(row, stat, fetch, fresh=attempt > 0)
            after = self._stat_or_none(row)
            if after not in (stat, None):
                return self.inbox.again(row, "it is still being written: it is fetched next time")
            if stat.size in (None, count):
                proof = "none" if stat.size is None else "size"
                break
            if sha256 == before and self.inbox.opens(self.inbox.part(row)):
                proof = "wrong"
                break
            before = sha256
        else:
            return self.inbox.again(row, f"{count:,} of {stat.size:,} bytes came: it is fetched again next time")
        row = self.inbox.store(row, stat, proof, sha256, count)
        return row if after else self.ledger.update(row, left=datetime.now(UTC))

    # ── the server's copy ──

    def _delete(self, row: Row) -> Row:
        """Delete on the server, last, what is proven to be here; leave what has changed there meanwhile."""
        if self.delete == "never" or row.state not in HERE:
            return row
        proven = row.proof == "decrypted" or (self.delete == "fetched" and row.proof == "size")
        if not (proven and self.inbox.is_here(row)):
            return row
        try:
            if self.remote.stat(self._path(row.name)) != Stat(row.size, row.modified):
                return self.ledger.update(row, note="not deleted: it has changed on the server")
            self.remote.delete(self._path(row.name))
            return self._left(row, "")
        except FileNotFoundError:
            return self._left(row, "")
        except _FATAL:
            raise
        except RemoteError as e:
            self._failed(e)
            return self.ledger.update(row, note=f"not deleted: {e}")

    def _left(self, row: Row, note: str) -> Row:
        state = {"seen": "gone", "decrypted": "done", "copied": "done"}.get(row.state, row.state)
        self.inbox.part(row).unlink(missing_ok=True)
        note = {"gone": note, "done": ""}.get(state, row.note)
        return self.ledger.update(row, state=state, left=datetime.now(UTC), part_bytes=0, note=note)

    # ── after ──

    def _catch_up(self) -> None:
        """Decrypt what an earlier call left undecrypted, also where the server has it no longer."""
        for row in self.ledger.rows(self.folder, state="fetched"):
            if row.id in self.inbox.opened or (self.inbox.pgp is None and ENCRYPTED.search(row.name)):
                continue
            if self.inbox.is_here(row):
                self._row(self.inbox.open(row))

    def _missing(self, listed: Collection[str]) -> None:
        """Note what has left the server; say so when it never came here."""
        present = set(listed)
        lost: list[str] = []
        taken: list[str] = []
        for row in self.ledger.present(self.folder):
            if row.name in present:
                continue
            if row.state in ("seen", "undecryptable"):
                (lost if _age(row) >= WARN_AFTER else taken).append(row.name)
            left = self._left(row, "it left the server before it was fetched")
            if row.state in ("seen", "undecryptable"):
                self._row(left)
        if lost:
            text = "left the server before a whole copy was here: ask SMT for it again"
            self._find("smt.fetch.lost", text, "serious", lost)
        if taken:
            text = "left the server, though not for their age: see whether another machine or person fetched them"
            self._find("smt.fetch.taken", text, "warning", taken)

    def _expiring(self, listed: Collection[str]) -> None:
        """Warn of files that are on the server for a week, and still not here."""
        present = set(listed)
        rows = {row.name: row for row in self.ledger.present(self.folder) if row.name in present}
        old = [row for row in rows.values() if row.state in ("seen", "undecryptable") and _age(row) >= WARN_AFTER]
        if old:
            days = max(_age(row) for row in old).days
            text = f"are not here, and the oldest is {days} days old: SMT deletes files after {KEPT.days} days"
            self._find("smt.fetch.expiring", text, "warning", [row.name for row in old])

    def _find(self, name: str, text: str, severity: str, files: list[str]) -> None:
        some = f"{len(files):,} files {text}" if len(files) > 1 else f"1 file: {files[0]}: {text}"
        self.findings.add(name, f"{some}.", severity=severity, files=files[:10], count=len(files))

    # ── small things ──

    def _failed(self, e: RemoteError) -> None:
        """Count the times that the server did not answer; a file that came cut says nothing about the server."""
        if not isinstance(e, ServerUnavailable):
            return
        self.failures += 1
        if self.failures == _GIVE_UP:
            self.findings.add(
                "smt.fetch.stopped", f"The server stopped answering, so the call ended early: {e}", severity="serious"
            )

    def _row(self, row: Row, why: str = "") -> None:
        plain = self.inbox.home.into / row.plain if row.plain else None
        original = self.inbox.original(row) if row.stored else None
        new = row.id in self.inbox.new and row.state in HERE
        self._tell(Fetched(row.name, row.bytes, row.state, row.changed, why or row.note, new, plain or original))

    def _tell(self, file: Fetched) -> None:
        self.files.append(file)
        self.tell(file)

    def _newest(self, name: str) -> Row:
        return self.ledger.versions(self.folder, name)[-1]

    def _path(self, name: str) -> str:
        return join(self.place, name)

    def _stat_or_none(self, row: Row) -> Stat | None:
        try:
            return self.remote.stat(self._path(row.name))
        except FileNotFoundError:
            return None


def _age(row: Row) -> timedelta:
    return datetime.now(UTC) - row.dated
