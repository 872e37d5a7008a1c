"""Fetch the files of a remote folder: each file once and completely, and delete it there last, if at all.

The order of the steps guarantees this. If the process is killed at any moment, the next call settles what is left::

    SIZE and MDTM ── receive into a part, hashing ── flush to disk ── SIZE and MDTM again: still growing?
      ── bytes == SIZE ── ledger "storing" ── rename ── flush the folder ── ledger "fetched"
      ── decrypt into a part, verified ── rename ── flush the folder ── ledger "decrypted"
      ── flush the ledger ── SIZE and MDTM a last time ── DELE ── ledger "done"

``into`` contains the plain files, ready for ``load_smt(into)``. Everything else is in ``into/.greenkit``, which readers
of a folder skip::

    into/.greenkit/received/    the originals, as the server sent them
    into/.greenkit/parts/       files that are being received
    into/.greenkit/ledger.db    what was seen, fetched, decrypted, deleted (greenkit.transfer._ledger)
    into/.greenkit/lock.db      held while a fetch runs; the system releases it when the process ends
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
    SettingsError,
    TransferError,
)
from greenkit.findings import Findings, Kind
from greenkit.transfer._inbox import ENCRYPTED, Decrypts, Fetch, Inbox, refusal
from greenkit.transfer._ledger import LOCAL_STATES, UNKNOWN_FOLDER, Home, Ledger, Row, unusable
from greenkit.transfer._remote import Remote, Stat, join

if TYPE_CHECKING:
    import pandas as pd

SAFE: Final = ("decrypted", "copied", "done")
"""States in which the file's content is stored, ready to load."""
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of a report: a version of a name on the server, and its state.

    Parameters
    ----------
    name : str
        Name on the server.
    bytes : int or None
        Size of the original.
    state : str
        One of the keys of ``greenkit.transfer._ledger.STATES``, or ``"refused"``.
    updated : datetime
        When the state changed last, in UTC.
    reason : str, optional
        Why the file is not stored, decrypted, or deleted; empty if nothing is wrong.
    new : bool, optional
        Whether this call stored it.
    path : Path or None, optional
        The plain file, or else the original.
    """

    name: str
    bytes: int | None
    state: str
    updated: datetime
    reason: str = ""
    new: bool = False
    path: Path | None = None

    def __str__(self) -> str:
        size = "" if self.bytes is None else f" {self.bytes:,} bytes"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.updated:%Y-%m-%dT%H:%M:%SZ} {self.state} {self.name!r}{size}{reason}"


@dataclass(frozen=True)
class FetchReport:
    """The result of one call of :func:`~greenkit.fetch_smt`.

    Parameters
    ----------
    folder : str
        Remote folder.
    into : Path
        Local folder: ``load_smt(report.into)`` loads its files.
    files : tuple of Fetched
        Each file that the server listed, and those whose state changed.
    findings : Findings
        Files that are about to expire, lost, refused, or of a wrong size.
    """

    folder: str
    into: Path
    files: tuple[Fetched, ...] = ()
    findings: Findings = field(default_factory=Findings)

    @property
    def frame(self) -> pd.DataFrame:
        """The files as a DataFrame: name, bytes (Int64), state, updated (UTC), reason (or empty), new, path."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": pd.Series([f.name for f in self.files], dtype="str"),
                "bytes": pd.Series([f.bytes for f in self.files], dtype="Int64"),
                "state": pd.Series([f.state for f in self.files], dtype="str"),
                "updated": pd.to_datetime(pd.Series([f.updated for f in self.files], dtype="datetime64[us, UTC]")),
                "reason": pd.Series([f.reason for f in self.files], dtype="str"),
                "new": pd.Series([f.new for f in self.files], dtype="bool"),
                "path": pd.Series([str(f.path or "") for f in self.files], dtype="str"),
            }
        )

    @property
    def new(self) -> list[Path]:
        """Plain files that this call stored: ``load_smt(report.new)`` loads them."""
        return [f.path for f in self.files if f.new and f.path and f.state in SAFE]

    @property
    def complete(self) -> bool:
        """Whether every file that the server listed is stored and ready to load."""
        return all(f.state in SAFE for f in self.files)

    def completeness(
        self,
        expected: Iterable[str] | None = None,
        *,
        start: date | str | None = None,
        end: date | str | None = None,
    ) -> pd.DataFrame:
        """Compare the intervals that this call fetched with the request and with those of earlier calls.

        Parameters
        ----------
        expected : iterable of str, optional
            ESI IDs that were asked for. Default: those in the files.
        start, end : date or str, optional
            First and last local day that were asked for, both included. Default: those in the new files.

        Returns
        -------
        DataFrame
            One row for each meter, flow, and local day, sorted: ``meter``, ``flow``, ``day`` (date), ``asked`` (bool),
            ``intervals`` and ``expected`` (int64; 92, 96, or 100 quarter hours), ``new`` (bool: no earlier call fetched
            an interval of this day), ``state`` (``complete``, ``incomplete``, ``missing``). ``missing`` days of a
            meter without any data have the flow ``delivered``.

        Examples
        --------
        >>> report = greenkit.fetch_smt(remote, "adhocusage", into="smt", pgp=keys)  # doctest: +SKIP
        >>> report.completeness(["10443720000000001"], start="2026-07-01", end="2026-07-31")  # doctest: +SKIP
        """
        from greenkit.transfer._completeness import completeness

        return completeness(self, expected, start, end)

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(Counter(f.state for f in self.files).items()))
        return f"{self.folder}: {counts or 'no files'}; {len(self.new)} new in {self.into}"

    def __repr__(self) -> str:
        return f"<FetchReport {self}>"

    def _repr_html_(self) -> str:
        failed = [f for f in self.files if f.reason]
        shown = (failed + [f for f in self.files if not f.reason])[:_SHOWN]
        rows = [
            [f.name, "" if f.bytes is None else f"{f.bytes:,}", f.state, f"{f.updated:%Y-%m-%d %H:%M}", f.reason]
            for f in shown
        ]
        body = _html.table(["name", "bytes", "state", "updated (UTC)", "reason"], rows) if rows else ""
        more = len(self.files) - len(shown)
        if more:
            rest = "complete" if len(failed) <= _SHOWN else "files"
            body += f"<p>{more:,} more {rest}</p>"
        if self.findings:
            body += self.findings._repr_html_()
        return _html.block(str(self), body, text="\n".join([str(self), *map(str, shown), *map(str, self.findings)]))


DELETE: Final = ("never", "decrypted", "fetched")
KEPT: Final = timedelta(days=10)
"""Time for which SMT keeps a file (third-party integration guide, "Key points to remember")."""
WARN_AFTER: Final = timedelta(days=7)
_GIVE_UP: Final = 3  # times in a row that the server did not answer, after which the call ends
_FATAL: Final = (LoginRejected, HostRejected, CertificateRejected)  # continuing would lock the account, or worse
_SESSIONS: Final = 100  # sessions for one file, each of which must add a piece
_PIECE: Final = 1 << 10  # bytes that count as progress, unless the file is then complete
_FEW: Final = 10  # names that a finding lists

REFUSED_NAME: Final = Kind(
    "smt.fetch.refused-name",
    "warning",
    "{named} {count:was|were} not fetched, because the name is not safe to store.",
    "Ask SMT to send the file under another name.",
)
LOST: Final = Kind(
    "smt.fetch.lost",
    "serious",
    "{named} disappeared from the server before greenkit had a complete copy.",
    "Ask SMT to send it again.",
)
TAKEN: Final = Kind(
    "smt.fetch.taken",
    "warning",
    "{named} disappeared from the server, although SMT keeps files for {kept} days.",
    "Check whether another machine or person fetched them.",
)
EXPIRING: Final = Kind(
    "smt.fetch.expiring",
    "warning",
    "{named} {count:is|are} not fetched or not decrypted, and the oldest is {days:day} old. SMT deletes files after "
    "{kept} days.",
    "Run the fetch again now, and check why the files fail.",
)
LOCKED: Final = Kind(
    "smt.fetch.locked",
    "serious",
    "{named} {count:was|were} fetched but not decrypted, because the passphrase or the secret key is missing or wrong.",
    "Correct passphrase, or home, under [smt.pgp], and check it with greenkit doctor smt. The next fetch decrypts "
    "what it already has.",
)
UNPROVEN: Final = Kind(
    "smt.fetch.unproven",
    "warning",
    "{named} {count:is|are} not encrypted, and the server reports no size, so greenkit cannot check that "
    "{count:it is|they are} complete.",
    "Check that the last day of each file is complete.",
)
STOPPED: Final = Kind(
    "smt.fetch.stopped", "serious", "The server stopped answering, so the call ended early: {error}", "Try again later."
)


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
        The server; see :func:`~greenkit.smt_remote`.
    folder : str, optional
        Remote folder: ``intervaldata`` (daily files, the default) or ``adhocusage`` (files requested through the API).
        With a leading slash it starts from the server's root, else from the account's folder.
    into : path
        Local folder, created if it does not exist, for plain files; originals are in ``.greenkit/received`` below it.
    pgp : greenkit.pgp.Keyring, optional
        Decrypts. Without it files are only fetched; a later call with it decrypts them without fetching again.
    delete : {"never", "decrypted", "fetched"}, optional
        Which files to delete on the server: none (the default); those whose local copy was decrypted, which proves
        that it is complete (recommended, because SMT asks users to delete downloaded files); or also those of which
        only the size agrees.
    progress : None, True or callable, optional
        Shows a bar, or takes the bytes so far and None.

    Returns
    -------
    FetchReport
        One row for each file: ``report.frame``, ``report.findings``, ``report.new``, ``report.completeness()``.

    Raises
    ------
    BusyError
        If another fetch works on ``into``.
    NotWritten
        If the disk is full or ``into`` cannot be written.
    RemoteError
        If the server cannot be reached, refuses the login, or has no such folder. Errors of a single file are in the
        report instead.

    Notes
    -----
    If the server uses a name again for other content, that becomes a second file, ``name.<sha256, 12 digits>.asc``.
    A file that grows while it is fetched is left for the next call. If a server reports no SIZE or MDTM, a file is
    fetched again and compared. The module's docstring describes the order of the steps.

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
    on_file: Callable[[Fetched], object] = lambda file: None,
) -> FetchReport:
    """Fetch as :func:`fetch_smt` does, without its warning, and pass each file to ``on_file`` as soon as it is done."""
    if delete not in DELETE:
        raise SettingsError(
            f"delete is {delete!r}, but it must be one of {', '.join(DELETE)}", next_step='Set delete to "decrypted".'
        )
    home = Home(Path(into).expanduser().absolute())
    with contextlib.ExitStack() as stack:
        stack.enter_context(_written(home))
        home.make()
        stack.enter_context(home.locked())
        ledger = stack.enter_context(Ledger(home.ledger))
        advance = stack.enter_context(progress_bar(progress, None, folder))
        inbox = Inbox(home, ledger, pgp, advance, findings := Findings())
        return _Pull(remote, folder, inbox, delete, findings, on_file).run()


@contextlib.contextmanager
def _written(home: Home) -> Iterator[None]:
    """Translate errors of the local disk; an error of the server has no number of the operating system."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        raise unusable(home.ledger, e) from None
    except OSError as e:
        if e.errno is None:
            raise
        raise NotWritten(
            f"{home.into} cannot be written ({e.strerror})", next_step="Free disk space or use another folder."
        ) from None


class _Pull:
    """The steps of one call, in their order."""

    def __init__(
        self,
        remote: Remote,
        folder: str,
        inbox: Inbox,
        delete: str,
        findings: Findings,
        on_file: Callable[[Fetched], object],
    ) -> None:
        self.remote, self.inbox, self.ledger = remote, inbox, inbox.ledger
        self.place, self.folder = folder.rstrip("/") or folder[:1], folder.strip("/")
        self.delete, self.findings, self.on_file = delete, findings, on_file
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
        for kind, names in ((LOCKED, self.inbox.locked), (UNPROVEN, self.inbox.unproven)):
            if names:
                self._find(kind, names)
        return FetchReport(self.folder, self.inbox.home.into, tuple(self.files), self.findings)

    # ── before ──

    def _list(self) -> list[str]:
        """Return the names to fetch in the order of first sight, because SMT deletes the oldest files first."""
        listed = dict.fromkeys(self.remote.names(self.place))
        refused = {name: why for name in listed if (why := refusal(name, self.inbox.home.received))}
        for name, why in refused.items():
            self._tell(Fetched(name, None, "refused", datetime.now(UTC), why))
        if refused:
            self._find(REFUSED_NAME, [repr(name) for name in refused])
        safe = [name for name in listed if name not in refused]
        order = self.ledger.see(self.folder, safe)
        return sorted(safe, key=lambda name: order[name])

    # ── one file ──

    def _guarded(self, name: str) -> None:
        """Fetch one file; an error of this file goes into the report, and one that ends the call is raised."""
        if self.failures >= _GIVE_UP:
            self._row(self._newest(name), reason="Not tried, because the server did not answer several times in a row.")
            return
        failures = self.failures
        try:
            row = self._take(name)
            self.failures = 0 if self.failures == failures else self.failures
        except _FATAL:
            raise
        except IsADirectoryError:
            self.inbox.drop(self._newest(name))
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
            if row.state not in LOCAL_STATES:
                row = self._fetch(row, stat)
        except FileNotFoundError:
            return self._left(self._newest(name), "It disappeared from the server after the listing.")
        if row.state == "fetched":
            row = self.inbox.open(row)
        self.ledger.flush()
        return self._delete(row)

    def _fetch(self, row: Row, stat: Stat) -> Row:
        """Fetch the file until the copy is verified, at most twice, because a server may always report a wrong SIZE."""
        before = ""
        for attempt in range(2):
            fetch = partial(self.remote.fetch, self._path(row.name))
            row, sha256, count = self._receive(row, stat, fetch, fresh=attempt > 0)
            after = self._stat_or_none(row)
            if after not in (stat, None):
                return self.inbox.again(row, "The file is still being written. greenkit fetches it next time.")
            if stat.size in (None, count):
                proof = "none" if stat.size is None else "size"
                break
            if sha256 == before and self.inbox.opens(self.inbox.part(row)):
                proof = "wrong"
                break
            before = sha256
        else:
            return self.inbox.again(
                row, f"Only {count:,} of {stat.size:,} bytes arrived. greenkit fetches the file again next time."
            )
        row = self.inbox.store(row, stat, proof, sha256, count)
        return row if after else self.ledger.update(row, left=datetime.now(UTC))

    def _receive(self, row: Row, stat: Stat, fetch: Fetch, *, fresh: bool) -> tuple[Row, str, int]:
        """Receive a file, in further sessions as long as each brings a piece of it."""
        for _ in range(_SESSIONS):
            before = 0 if fresh else row.part_bytes
            try:
                return self.inbox.receive(row, stat, fetch, fresh=fresh)
            except _FATAL:
                raise
            except (TransferError, ServerUnavailable):
                row = next(r for r in self.ledger.versions(row.folder, row.name) if r.id == row.id)
                # without a size and a date nothing proves that the rest is of the same file
                can_continue = None not in (stat.size, stat.modified)
                progress = row.part_bytes - before
                if not can_continue or progress <= 0 or (progress < _PIECE and row.part_bytes != stat.size):
                    raise
                fresh = False
        return self.inbox.receive(row, stat, fetch, fresh=False)

    # ── the server's copy ──

    def _delete(self, row: Row) -> Row:
        """Delete the server's file as the last step if the local copy is verified. Keep one that has changed there."""
        if self.delete == "never" or row.state not in LOCAL_STATES:
            return row
        proven = row.proof == "decrypted" or (self.delete == "fetched" and row.proof == "size")
        if not (proven and self.inbox.is_here(row)):
            return row
        try:
            if self.remote.stat(self._path(row.name)) != Stat(row.size, row.modified):
                return self.ledger.update(row, note="Not deleted, because it has changed on the server.")
            self.remote.delete(self._path(row.name))
            return self._left(row, "")
        except FileNotFoundError:
            return self._left(row, "")
        except _FATAL:
            raise
        except RemoteError as e:
            self._failed(e)
            return self.ledger.update(row, note=f"Not deleted. {e}")

    def _left(self, row: Row, note: str) -> Row:
        state = {"seen": "gone", "decrypted": "done", "copied": "done"}.get(row.state, row.state)
        self.inbox.part(row).unlink(missing_ok=True)
        note = {"gone": note, "done": ""}.get(state, row.note)
        return self.ledger.update(row, state=state, left=datetime.now(UTC), part_bytes=0, note=note)

    # ── after ──

    def _catch_up(self) -> None:
        """Decrypt what an earlier call left undecrypted, even if the server no longer has it."""
        for row in [r for f in (self.folder, UNKNOWN_FOLDER) for r in self.ledger.rows(f, state="fetched")]:
            if row.id in self.inbox.opened or (self.inbox.pgp is None and ENCRYPTED.search(row.name)):
                continue
            if self.inbox.is_here(row):
                self._row(self.inbox.open(row))

    def _missing(self, listed: Collection[str]) -> None:
        """Record files that disappeared from the server, and report those without a local copy."""
        present = set(listed)
        lost: list[str] = []
        taken: list[str] = []
        for row in self.ledger.present(self.folder):
            if row.name in present:
                continue
            if row.state in ("seen", "undecryptable"):
                (lost if _age(row) >= WARN_AFTER else taken).append(row.name)
            left = self._left(row, "It disappeared from the server before it was fetched.")
            if row.state in ("seen", "undecryptable"):
                self._row(left)
        if lost:
            self._find(LOST, lost)
        if taken:
            self._find(TAKEN, taken, kept=KEPT.days)

    def _expiring(self, listed: Collection[str]) -> None:
        """Report files that have been on the server for a week and are still not stored."""
        present = set(listed)
        rows = {row.name: row for row in self.ledger.present(self.folder) if row.name in present}
        old = [row for row in rows.values() if row.state in ("seen", "undecryptable") and _age(row) >= WARN_AFTER]
        if old:
            days = max(_age(row) for row in old).days
            self._find(EXPIRING, [row.name for row in old], days=days, kept=KEPT.days)

    def _find(self, kind: Kind, files: list[str], **words: int) -> None:
        named = f"1 file ({files[0]})" if len(files) == 1 else f"{len(files):,} files (first {files[0]})"
        self.findings.add(kind, files=files[:_FEW], count=len(files), words={"named": named, **words})

    # ── helpers ──

    def _failed(self, e: RemoteError) -> None:
        """Count the times that the server did not answer; an interrupted file does not count."""
        if not isinstance(e, ServerUnavailable):
            return
        self.failures += 1
        if self.failures == _GIVE_UP:
            self.findings.add(STOPPED, words={"error": e.problem + "."})

    def _row(self, row: Row, reason: str = "") -> None:
        plain = self.inbox.home.into / row.plain if row.plain else None
        original = self.inbox.original(row) if row.stored else None
        new = row.id in self.inbox.new and row.state in LOCAL_STATES
        self._tell(Fetched(row.name, row.bytes, row.state, row.changed, reason or row.note, new, plain or original))

    def _tell(self, file: Fetched) -> None:
        self.files.append(file)
        self.on_file(file)

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
