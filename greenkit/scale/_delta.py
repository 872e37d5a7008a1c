"""The Delta Lake tables of a dataset: where they are, what they contain, and how files are added in one commit.

Workers write Parquet files; only the driver commits. A file that no commit names is invisible to every reader, so a
killed worker or driver leaves nothing behind but unused files. ``days`` is the table that decides: a delivery is in the
dataset once the transaction of its commit is recorded there. Rows of the other tables name their commit, and count only
if that is so.

Each commit raises the version of one application transaction. Delta Lake rejects a commit whose transaction was raised
since the table was read, so of two processes that commit at once, one looks again at what the other has added.
"""

from __future__ import annotations

import errno
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from greenkit.errors import BusyError, FormatError, GreenkitError, SettingsError
from greenkit.scale import _faults, _rows

if TYPE_CHECKING:
    from deltalake import DeltaTable

VERSION: Final = 1
"""Version of the layout of a dataset; a newer one is refused."""
_COMMITS: Final = "greenkit"
"""Application transaction that every commit to ``days`` raises."""
_TRIES: Final = 50
ROW_GROUP: Final = 4096
"""Day rows of a row group: about 400,000 readings, the least that a reader decodes for one meter."""
_STATISTICS: Final = ("meter", "day", "start")

_TIME = pa.timestamp("us", tz="UTC")
FILES: Final = pa.schema(
    [
        ("commit", pa.string()),
        ("name", pa.string()),
        ("digest", pa.string()),
        ("bytes", pa.int64()),
        ("modified", _TIME),
        ("read", _TIME),  # when greenkit read it
        ("state", pa.string()),  # "read" or "refused"
        ("reason", pa.string()),
        ("meters", pa.int64()),
        ("rows", pa.int64()),
        ("first", pa.date32()),
        ("last", pa.date32()),
        ("findings", pa.string()),  # JSON: severity, name, text, what to do, and evidence of each
    ]
)
OTHERS: Final = pa.schema(
    [
        ("commit", pa.string()),
        ("digest", pa.string()),
        ("place", pa.int64()),
        ("meter", pa.string()),
        ("row", pa.string()),
    ]
)
"""Register reads and bills: their columns differ by source, so ``row`` is JSON."""
SCHEMAS: Final[Mapping[str, pa.Schema]] = {"days": _rows.SCHEMA, "files": FILES, "registers": OTHERS, "bills": OTHERS}


def deltalake() -> Any:
    """Return the module ``deltalake``, or raise SettingsError if the extra is not installed."""
    try:
        import deltalake
    except ImportError:
        raise SettingsError(
            "Datasets need the package deltalake, which is not installed",
            next_step="Install it with: pip install 'greenkit[scale]'",
        ) from None
    return deltalake


# -- tables


def is_url(folder: str) -> bool:
    """Return whether a folder is in an object store.

    Examples
    --------
    >>> is_url("s3://bucket/usage"), is_url("/data/usage")
    (True, False)
    """
    return "://" in folder


def location(folder: str | os.PathLike[str], table: str) -> str:
    """Return the folder or URL of one table."""
    text = os.fspath(folder)
    return f"{text.rstrip('/')}/{table}" if is_url(text) else str(Path(text).expanduser().absolute() / table)


def exists(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder contains a dataset."""
    where = location(folder, "days")
    with _faults.reading(where):
        return bool(deltalake().DeltaTable.is_deltatable(where))


def open_table(folder: str | os.PathLike[str], name: str = "days") -> DeltaTable:
    """Open a table of a dataset.

    Raises
    ------
    FormatError
        If the folder contains no dataset, a damaged one, or one of a newer greenkit.
    NotReadable
        If this user may not read it.
    """
    module = deltalake()
    where = location(folder, name)
    with _faults.reading(where):
        try:
            table = module.DeltaTable(where)
        except module.exceptions.TableNotFoundError:
            raise _no_table(os.fspath(folder), where, name) from None
        if not is_url(where):
            _faults.check_log(Path(where))
        found = _layout(table.metadata().description)
        columns = {field.name for field in table.schema().fields}
    if found is None:
        raise FormatError(
            "The Delta table was not written by greenkit",
            source=os.fspath(folder),
            next_step="Choose another folder.",
        )
    if found > VERSION:
        raise FormatError(
            f"The dataset has layout {found} of a newer greenkit",
            source=os.fspath(folder),
            next_step="Upgrade greenkit.",
        )
    for column in SCHEMAS[name].names:
        if column not in columns:
            raise _faults.incomplete(where, f"the table has no column {column}")
    return table


def _no_table(folder: str, where: str, name: str) -> GreenkitError:
    """Return the error of a table that was not found."""
    if not is_url(folder):
        path = Path(folder).expanduser()
        if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
            return _faults.not_readable(folder, os.strerror(errno.EACCES))
    if name != "days":
        return _faults.incomplete(where, "the table is missing")
    return FormatError("The folder contains no dataset", source=folder, next_step="Write one with greenkit.to_dataset.")


def _layout(description: str | None) -> int | None:
    try:
        found = json.loads(description or "")
    except ValueError:
        return None
    version = found.get("schema") if isinstance(found, dict) else None
    return version if isinstance(version, int) else None


def create(folder: str | os.PathLike[str]) -> None:
    """Create the tables of a dataset that do not exist yet.

    Raises
    ------
    FormatError
        If the folder contains other files.
    NotWritten
        If the disk is full, or this user may not write the folder.
    """
    with _faults.writing(os.fspath(folder)):
        _create(os.fspath(folder))


def _create(text: str) -> None:
    module = deltalake()
    if not is_url(text):
        path = Path(text).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        strangers = sorted(p.name for p in path.iterdir() if not p.name.startswith(".") and p.name not in _NAMES)
        if strangers:
            raise FormatError(
                f"The folder contains {strangers[0]}, which is not part of a dataset",
                source=text,
                next_step="Choose another folder.",
            )
    # days is created last: a dataset exists once it does
    for name, schema in reversed(list(SCHEMAS.items())):
        module.DeltaTable.create(
            location(text, name),
            module.Schema.from_arrow(schema),
            mode="ignore",
            partition_by=["month"] if name == "days" else None,
            name=f"greenkit.{name}",
            description=json.dumps({"schema": VERSION}),
        )


_NAMES: Final = {*SCHEMAS, "meters"}


def committed(days: DeltaTable, commits: Sequence[str]) -> list[bool]:
    """Return which commits are recorded in ``days``."""
    return [days.transaction_version(commit) is not None for commit in commits]


def rows_of(
    folder: str | os.PathLike[str], name: str, days: DeltaTable, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the rows of ``files``, ``registers``, or ``bills`` whose commit counts."""
    found = open_table(folder, name)
    with _faults.reading(location(folder, name), found):
        table = found.to_pyarrow_table(columns=None if columns is None else ["commit", *columns])
    commits = pc.unique(table["commit"]).to_pylist()
    held = [c for c, done in zip(commits, committed(days, commits), strict=True) if done]
    return table.filter(pc.is_in(table["commit"], pa.array(held, pa.string())))


def append(folder: str | os.PathLike[str], name: str, table: pa.Table) -> None:
    """Append rows to a table other than ``days``. They count once a commit to ``days`` names their commit."""
    if table.num_rows:
        found = open_table(folder, name)
        with _faults.writing(location(folder, name)):
            deltalake().write_deltalake(found, table, mode="append")


# -- Parquet files


@dataclass(frozen=True)
class Part:
    """One Parquet file of ``days`` that a worker wrote, and its entry in the commit."""

    path: str
    size: int
    month: str
    rows: int
    readings: int
    statistics: str


def write_parts(root: str, table: pa.Table) -> list[Part]:
    """Write day rows as one Parquet file for each month, and return the files.

    Parameters
    ----------
    root : str
        Location of the table ``days``.
    table : pyarrow.Table
        Day rows, sorted.

    Raises
    ------
    NotWritten
        If the disk is full, or this user may not write the folder.
    """
    months = pc.unique(table["month"]).to_pylist()
    out = []
    for month in sorted(months):
        part = table.filter(pc.equal(table["month"], month)) if len(months) > 1 else table
        # a name of its own for each attempt: a task that runs twice never touches a file that was committed
        with _faults.writing(root):
            out.append(_write_part(root, f"month={month}/{uuid.uuid4().hex}.parquet", month, part))
    return out


def _write_part(root: str, name: str, month: str, part: pa.Table) -> Part:
    # the partition is in the path, as every reader of Delta Lake expects
    plain = part.drop_columns(["month"])
    options: dict[str, Any] = {
        "compression": "zstd",
        "row_group_size": ROW_GROUP,
        "use_dictionary": [f.name for f in plain.schema if pa.types.is_string(f.type)] + ["values.list.element"],
    }
    if is_url(root):
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        system = PyFileSystem(DeltaStorageHandler(root))
        with system.open_output_stream(name) as file:
            pq.write_table(plain, file, **options)
        size = system.get_file_info(name).size
    else:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                pq.write_table(plain, file, **options)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk gets back what was written
            path.unlink(missing_ok=True)
            raise
        size = path.stat().st_size
    readings = int(pc.sum(pc.list_value_length(part["values"])).as_py() or 0)
    return Part(name, size, month, part.num_rows, readings, _statistics(part))


def _statistics(part: pa.Table) -> str:
    """Return the statistics of a file as Delta Lake's JSON: without them, a reader opens every file."""
    low, high, none = {}, {}, {}
    for name in _STATISTICS:
        found = pc.min_max(part[name]).as_py()
        low[name], high[name] = _plain(found["min"]), _plain(found["max"])
        none[name] = part[name].null_count
    return json.dumps({"numRecords": part.num_rows, "minValues": low, "maxValues": high, "nullCount": none})


def _plain(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if hasattr(value, "hour") else str(value)


def delete_parts(root: str, parts: Sequence[Part]) -> None:
    """Delete files that were written and then not needed. What cannot be deleted stays, and is invisible."""
    if is_url(root):
        return
    for part in parts:
        (Path(root) / part.path).unlink(missing_ok=True)


# -- commits


@dataclass(frozen=True)
class Change:
    """Files to add to ``days``, files to remove, and the names by which rows of other tables know that they count."""

    names: Sequence[str]
    add: Sequence[Part] = ()
    remove: Sequence[Mapping[str, Any]] = ()


def commit(
    folder: str | os.PathLike[str],
    choose: Callable[[DeltaTable], Change | None],
    *,
    wait: Callable[[float], object] = time.sleep,
) -> int | None:
    """Add and remove files of ``days`` in one commit.

    Parameters
    ----------
    folder : path or URL
        The dataset.
    choose : callable
        Takes the table as it is now, and returns the change, or None if there is nothing to do. It is called again if
        another process has committed in the meantime.

    Returns
    -------
    int or None
        Version of the table, or None if there was nothing to do.

    Raises
    ------
    BusyError
        If other processes commit all the time.
    NotWritten
        If the disk is full, or this user may not write the folder.
    """
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import AddAction, RemoveAction

    for attempt in range(_TRIES):
        days = open_table(folder)
        chosen = choose(days)
        if chosen is None:
            return None
        now = int(time.time() * 1000)
        # a compaction adds no data: its files repeat what those that it removes contain
        moved = bool(chosen.remove)
        actions: list[Any] = [
            AddAction(p.path, p.size, {"month": p.month}, now, not moved, p.statistics) for p in chosen.add
        ]
        actions += [
            RemoveAction(
                path=r["path"],
                data_change=False,
                deletion_timestamp=now,
                partition_values={"month": r["month"]},
                size=r["size"],
            )
            for r in chosen.remove
        ]
        number = (days.transaction_version(_COMMITS) or 0) + 1
        properties = CommitProperties(
            app_transactions=[Transaction(_COMMITS, number), *(Transaction(name, 1) for name in chosen.names)],
            max_commit_retries=0,
        )
        with _faults.writing(location(folder, "days")):
            try:
                days.create_write_transaction(
                    actions, "append", days.schema(), partition_by=["month"], commit_properties=properties
                )
            except CommitFailedError as e:
                if _faults.is_of_the_disk(e):
                    raise
                wait(min(0.05 * 2 ** min(attempt, 5), 1.0))
                continue
        days.update_incremental()
        return int(days.version())
    raise BusyError(
        f"Other processes committed to {os.fspath(folder)} during each of {_TRIES} attempts",
        next_step="Run the same call again; it continues where this one stopped.",
    )


def files_in(days: DeltaTable, month: str | None = None) -> list[dict[str, Any]]:
    """Return the files of ``days``: path, month, size, rows, and the bounds of meter and day."""
    found = pa.table(days.get_add_actions(flatten=True)).to_pylist()
    return [
        {
            "path": r["path"],
            "month": r["partition.month"],
            "size": r["size_bytes"],
            "rows": r["num_records"],
            "meters": (r.get("min.meter"), r.get("max.meter")),
            "days": (r.get("min.day"), r.get("max.day")),
        }
        for r in found
        if month is None or r["partition.month"] == month
    ]
