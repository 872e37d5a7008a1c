"""``to_dataset``: read the files of a scan into a dataset, each file once.

1. Files whose name, size, and time of modification are known are skipped. Workers compute the SHA-256 of the others.
2. Workers read the files that are new, and write Parquet files.
3. The driver commits them in groups. Before each commit it looks again at what the dataset has, because another process
   may have added the same files; those are dropped.

If the driver is killed, the files that it has committed are in the dataset, and the same call reads the others.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd
import pyarrow as pa

from greenkit import _html
from greenkit._progress import Progress
from greenkit.errors import GreenkitError
from greenkit.findings import SEVERITIES, counted
from greenkit.scale import _delta, _read, _runner
from greenkit.scale._read import Done, Read
from greenkit.scale._scan import File, Scan, Task, modified, scan_store

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from distributed import Client

_PARTS: Final = 100
_SECONDS: Final = 300.0
"""A commit is made when there are as many files, or when so much time has passed: what a killed driver loses."""
_DIGESTS: Final = 500
"""Files of a task that computes digests."""
_REPORT: Final = ("name", "state", "rows", "meters", "first", "last", "bytes", "reason", "digest")


@dataclass(frozen=True)
class DatasetReport:
    """What :func:`to_dataset` did.

    Attributes
    ----------
    files : DataFrame
        One row for each file that was read or refused: ``name``, ``state`` ("read" or "refused"), ``rows`` (readings),
        ``meters``, ``first`` and ``last`` (local dates), ``bytes``, ``reason``, and ``digest``.
    known : int
        Files that were skipped, because the dataset has them.
    findings : DataFrame
        One row for each kind of finding and severity: ``severity``, ``name``, ``files`` (how many), and ``example``.
    version : int
        Version of the dataset after the last commit.
    errors : list of GreenkitError
        Tasks that no worker survived. Their files are not in the dataset; the same call reads them again.
    """

    files: pd.DataFrame
    known: int
    findings: pd.DataFrame
    version: int
    errors: list[GreenkitError] = field(default_factory=list)

    @property
    def refused(self) -> pd.DataFrame:
        """The files that could not be read, with the reason."""
        return self.files[self.files["state"] == "refused"].reset_index(drop=True)

    @property
    def rows(self) -> int:
        """Readings that were added."""
        return int(self.files["rows"].sum())

    @property
    def complete(self) -> bool:
        """Whether every file was read or known."""
        return not len(self.refused) and not self.errors

    def __repr__(self) -> str:
        read = int((self.files["state"] == "read").sum())
        lines = [f"Read {counted(read, 'file')} with {counted(self.rows, 'reading')}; version {self.version}"]
        if self.known:
            lines.append(f"Skipped {counted(self.known, 'file')} that the dataset has")
        lines += [f"Refused {r['name']}: {r['reason']}" for r in self.refused.head(10).to_dict("records")]
        if len(self.refused) > 10:
            lines.append(f"Refused {counted(len(self.refused) - 10, 'more file')}")
        lines += [str(e) for e in self.errors]
        lines += [f"{r['severity']}: {r['name']}: {r['example']}" for r in self.findings.to_dict("records")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        refused = [[r["name"], r["reason"]] for r in self.refused.head(20).to_dict("records")]
        body = _html.table(["refused", "reason"], refused) if refused else ""
        body += findings_html(self.findings, "files")
        return _html.block(repr(self).partition("\n")[0], body, text=repr(self))


def to_dataset(
    source: Scan | Iterable[Scan] | str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    client: Client | Literal["in order"] | None = None,
    progress: Progress = None,
) -> DatasetReport:
    """Read files into a dataset, which is created if it does not exist. Files that it has are skipped.

    Parameters
    ----------
    source : Scan, several of them, or path
        What :func:`scan_smt`, :func:`scan_espi`, and :func:`scan_tables` return; or a store that
        :func:`greenkit.store.write` wrote.
    folder : path or URL
        The dataset. A URL is that of an object store that the package ``deltalake`` supports, which finds its
        credentials itself.
    client : distributed.Client, "in order", or None
        Where the tasks run. Default: on the cores of this machine if the package ``distributed`` is installed and there
        is more than a few seconds of work, else one after the other.
    progress : bool or callable, optional
        True shows a bar; a callable is called with (bytes done, total bytes).

    Returns
    -------
    DatasetReport
        With one row for each file. A file that cannot be read is a row of ``refused``; the others are read.

    Raises
    ------
    FormatError
        If the folder contains something else, a damaged dataset, or one of a newer greenkit.
    SettingsError
        If the extra ``scale`` is not installed.
    NotWritten
        If the disk is full, or this user may not write the folder. What was committed before stays, and the same call
        reads the other files.
    NotReadable
        If this user may not read the dataset.

    Notes
    -----
    The digest of its bytes identifies a file, so a file that is delivered again under another name is skipped. A file
    with new bytes under an old name is read, and resolved when the dataset is read: the newest revision of a day
    counts, or else the later file.

    Examples
    --------
    >>> import greenkit, tempfile
    >>> scan = greenkit.scan_smt(greenkit.samples.path("smt-lse"))
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     print(greenkit.to_dataset(scan, folder + "/usage"))
    Read 1 file with 1,452 readings; version 1
    """
    scans = [scan_store(source)] if isinstance(source, str | os.PathLike) else source
    scans = [scans] if isinstance(scans, Scan) else list(scans)
    _delta.deltalake()
    if not _delta.exists(folder):
        _delta.create(folder)
    ingest = _Ingest(os.fspath(folder))
    new = [scan.only(ingest.unknown(scan.files)) for scan in scans]
    weight = sum(f.weight for scan in new for f in scan.files)
    tasks = [task for scan in new for task in scan.tasks()]
    in_order = any(not _is_portable(scan) for scan in new)
    with _runner.runner("in order" if in_order else client, weight, len(tasks)) as workers:
        ingest.read(new, workers, progress)
    return ingest.report()


def _is_portable(scan: Scan) -> bool:
    """Return whether the arguments of a scan can be sent to another process; an open keyring cannot."""
    import pickle

    try:
        pickle.dumps(scan.how)
    except (TypeError, AttributeError, pickle.PicklingError):
        return False
    return True


@dataclass
class _Known:
    """What the dataset has: digests, and names with size and time of modification."""

    digests: set[str]
    stamps: set[tuple[str, int, int]]


def _known(folder: str, days: DeltaTable) -> _Known:
    table = _delta.rows_of(folder, "files", days, ["name", "digest", "bytes", "modified", "state"])
    rows = [r for r in table.to_pylist() if r["state"] == "read"]
    stamps = {(r["name"], r["bytes"], _microseconds(r["modified"])) for r in rows}
    return _Known({r["digest"] for r in rows}, stamps)


def _microseconds(time: dt.datetime) -> int:
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


class _Ingest:
    """One call of to_dataset."""

    def __init__(self, folder: str) -> None:
        self.folder, self.root = folder, _delta.location(folder, "days")
        days = _delta.open_table(folder)
        self.version = int(days.version())
        self._had = _known(folder, days)
        self._skipped: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._errors: list[GreenkitError] = []
        self._pending: list[Done] = []
        self._since = time.monotonic()
        self._open: dict[str, int] = {}

    def unknown(self, files: Iterable[File]) -> list[File]:
        """Return the files that the dataset may not have, each path once, by name, size, and time of modification."""
        out: dict[str, File] = {}
        for file in files:
            if (file.path, file.size, file.modified) in self._had.stamps:
                self._skipped.add(file.path)
            else:
                out[file.path] = file
        return list(out.values())

    def read(self, scans: list[Scan], client: Client | None, progress: Progress) -> None:
        """Read the files of the scans, and commit them."""
        digests = self._digests([f for scan in scans for f in scan.files], client)
        seen: set[str] = set(self._had.digests)
        tasks: list[Task] = []
        for scan in scans:
            fresh = []
            for file in scan.files:
                digest = digests[file.path]
                if digest and digest in seen:
                    self._skipped.add(file.path)
                    continue
                seen.add(digest)
                fresh.append(file)
            tasks += scan.only(fresh).tasks(digests, lambda: uuid.uuid4().hex)
        try:
            self._run(tasks, client, progress)
        finally:  # ranges of files that were not read completely
            for done in self._pending:
                _delta.delete_parts(self.root, done.parts)

    def _digests(self, files: list[File], client: Client | None) -> dict[str, str]:
        batches = [files[i : i + _DIGESTS] for i in range(0, len(files), _DIGESTS)]
        out: dict[str, str] = {}
        weights = [sum(f.size for f in batch) for batch in batches]
        for i, found in _runner.run(_read.digests, batches, client=client, weights=weights, describe=_names):
            if isinstance(found, GreenkitError):
                raise found
            out |= dict(zip((f.path for f in batches[i]), found, strict=True))
        return out

    def _run(self, tasks: list[Task], client: Client | None, progress: Progress) -> None:
        """Run tasks, and commit each file when all of its ranges have been read."""
        for task in tasks:
            for piece in task.pieces:
                self._open[piece.file.path] = self._open.get(piece.file.path, 0) + 1
        results = _runner.run(
            _read.run_task, tasks, (self.root,), client=client, weights=[t.weight for t in tasks],
            progress=progress, label="Reading files", describe=lambda t: _names([p.file for p in t.pieces]),
        )  # fmt: skip
        broken: set[str] = set()
        try:
            for i, done in results:
                if isinstance(done, GreenkitError):
                    self._errors.append(done)
                    broken |= {p.file.path for p in tasks[i].pieces}
                    continue
                self._pending.append(done)
                for read in done.read:
                    self._open[read.piece.file.path] -= 1
                if self._is_due():
                    self._commit(broken)
        finally:
            self._commit(broken)

    def _is_due(self) -> bool:
        parts = sum(len(done.parts) for done in self._pending)
        return parts >= _PARTS or time.monotonic() - self._since > _SECONDS

    def _commit(self, broken: set[str]) -> None:
        """Commit the results whose files have been read completely."""
        whole = [
            d for d in self._pending
            if all(not self._open[r.piece.file.path] and r.piece.file.path not in broken for r in d.read)
        ]  # fmt: skip
        if not whole:
            return
        self._pending = [d for d in self._pending if d not in whole]
        # a file of which one range was refused is refused altogether
        refused = {r.piece.file.path for d in whole for r in d.read if r.refused}
        for done in whole:
            if all(r.piece.file.path in refused for r in done.read) and done.parts:
                _delta.delete_parts(self.root, done.parts)
                done.parts = []
        again: list[Done] = []
        current: list[Done] = []
        added: list[Done] = []

        def choose(days: DeltaTable) -> _delta.Change | None:
            known = _known(self.folder, days).digests
            again.clear()
            current.clear()
            added.clear()
            # a commit may be written and yet reported as failed: its files must not be taken for those of others
            mine = _delta.committed(days, [done.task.name for done in whole])
            for done, is_added in zip(whole, mine, strict=True):
                is_known = any(r.piece.digest in known for r in done.read)
                (added if is_added else again if is_known else current).append(done)
            self.version = int(days.version())
            if not current:
                return None
            self._append_others(current)
            return _delta.Change([d.task.name for d in current], [p for d in current for p in d.parts])

        # rows of the other tables are written before the commit that makes them count
        version = _delta.commit(self.folder, choose)
        if version is not None:
            self.version = version
            added += current
        self._rows += _file_rows(added, refused)
        self._since = time.monotonic()
        self._drop_known(again)

    def _append_others(self, results: list[Done]) -> None:
        rows = _file_rows(results, {r.piece.file.path for d in results for r in d.read if r.refused})
        columns = {n: [row[n] for row in rows] for n in _delta.FILES.names}
        _delta.append(self.folder, "files", pa.table(columns, schema=_delta.FILES))
        for name in ("registers", "bills"):
            _delta.append(self.folder, name, pa.concat_tables([getattr(d, name) for d in results]))

    def _drop_known(self, results: list[Done]) -> None:
        """Drop files that another process has added in between, and read the other files of their tasks again."""
        if not results:
            return
        known = _known(self.folder, _delta.open_table(self.folder)).digests
        rest: list[Task] = []
        for done in results:
            _delta.delete_parts(self.root, done.parts)
            pieces = tuple(p for p in done.task.pieces if p.digest not in known)
            self._skipped |= {p.file.path for p in done.task.pieces if p.digest in known}
            if pieces:
                rest.append(replace(done.task, name=uuid.uuid4().hex, pieces=pieces))
        self._run(rest, None, None)

    def report(self) -> DatasetReport:
        """Return what was done."""
        files = pd.DataFrame(self._rows, columns=[*_REPORT, "findings"])
        for name in ("first", "last"):
            files[name] = pd.to_datetime(files[name]).astype("datetime64[us]")
        found = findings_table(zip(files["name"], files["findings"], strict=True))
        return DatasetReport(files[list(_REPORT)], len(self._skipped), found, self.version, self._errors)


def findings_html(table: pd.DataFrame, what: str) -> str:
    """Return a table of findings as HTML, empty if there are none; ``what`` is the column that counts them."""
    rows = [[r["severity"], r["name"], _html.Number(f"{r[what]:,}"), r["example"]] for r in table.to_dict("records")]
    return _html.table(["severity", "name", what, "example"], rows) if rows else ""


def findings_table(files: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return one row for each kind of finding and severity, from the JSON of each file."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for name, found in files:
        for one in json.loads(found):
            row = rows.setdefault((one["severity"], one["name"]), [set(), f"{one['text']} {one['what_to_do']}".strip()])
            row[0].add(name)
    table = [(s, n, len(files_of), example) for (s, n), (files_of, example) in rows.items()]
    table.sort(key=lambda r: (-SEVERITIES.index(r[0]), r[1]))
    return pd.DataFrame(table, columns=["severity", "name", "files", "example"])


def _file_rows(results: Iterable[Done], refused: set[str]) -> list[dict[str, Any]]:
    """Return one row of the table ``files`` for each file; the ranges of a file are added up."""
    pieces: dict[str, list[tuple[Done, Read]]] = {}
    for done in results:
        for read in done.read:
            pieces.setdefault(read.piece.file.path, []).append((done, read))
    return [_file_row(path, of, path in refused) for path, of in pieces.items()]


def _file_row(path: str, of: list[tuple[Done, Read]], refused: bool) -> dict[str, Any]:
    reads = [read for _, read in of]
    first, last = [r.first for r in reads if r.first is not None], [r.last for r in reads if r.last is not None]
    found: dict[str, Mapping[str, Any]] = {f["name"]: f for r in reads for f in r.findings}
    file = reads[0].piece.file
    return {
        "commit": of[0][0].task.name,
        "name": path,
        "digest": reads[0].piece.digest,
        "bytes": file.size,
        "modified": modified(file),
        "read": dt.datetime.now(dt.UTC),
        "state": "refused" if refused else "read",
        "reason": next((r.reason for r in reads if r.refused), ""),
        "meters": 0 if refused else sum(r.meters for r in reads),
        "rows": 0 if refused else sum(r.rows for r in reads),
        "first": None if refused or not first else _date(min(first)),
        "last": None if refused or not last else _date(max(last)),
        "findings": json.dumps(list(found.values()), default=str),
    }


def _date(days: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=days)


def _names(files: Iterable[File]) -> str:
    names = [os.path.basename(f.path) for f in files]
    return names[0] if len(names) == 1 else f"{names[0]} and {counted(len(names) - 1, 'more file')}"
