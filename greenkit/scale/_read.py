"""What a worker does: read the files of one task, and write their day rows as Parquet files.

A worker returns only small things: the names of the files that it wrote, and what there is to say of each file that it
read. A file that cannot be read is one of these; it never stops the task.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from greenkit import frame, store
from greenkit._left_out import reason
from greenkit.errors import FormatError, GreenkitError
from greenkit.findings import Findings
from greenkit.scale import _delta, _rows, _smt_rows
from greenkit.scale._scan import File, How, Piece, Task, opener
from greenkit.smt._reader import HEAD, kind_of, read_blocks
from greenkit.sources import Source

RECORD: Final = b"\n00000001,"
"""Where a record of LSE begins, after the end of the line before."""
_CHUNK: Final = 1 << 20
_MOST_FINDINGS: Final = 50
"""Findings of a file that are kept."""


@dataclass
class Read:
    """Report on one piece of a file that was read."""

    piece: Piece
    reason: str = ""
    meters: int = 0
    rows: int = 0
    first: int | None = None
    last: int | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the file could not be read."""
        return bool(self.reason)


@dataclass
class Done:
    """The result of a task."""

    task: Task
    read: list[Read]
    parts: list[_delta.Part]
    registers: pa.Table
    bills: pa.Table


@dataclass(frozen=True)
class _Content:
    """What one piece of a file contains."""

    days: pa.Table
    registers: pd.DataFrame
    bills: pd.DataFrame
    findings: Findings


def digest(file: File) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read, which its reader will report."""
    try:
        with open(file.path, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def digests(files: list[File]) -> list[str]:
    """Return the SHA-256 of each file."""
    return [digest(file) for file in files]


def run_task(task: Task, root: str) -> Done:
    """Read the files of a task, write their day rows below ``root``, and return what was written.

    Raises
    ------
    NotWritten
        If the day rows cannot be written, such as on a full disk.
    """
    tables, read = [], []
    registers, bills = [], []
    for piece in task.pieces:
        try:
            found = _content(piece, task.how)
            _check_unchanged(piece.file)
        except (GreenkitError, OSError) as e:
            read.append(Read(piece, reason=_reason(e, piece.file)))
            continue
        tables.append(found.days)
        registers.append(_others(found.registers, task, piece))
        bills.append(_others(found.bills, task, piece))
        read.append(_summary(piece, found))
    days = pa.concat_tables(tables) if tables else _rows.empty()
    days = _rows.sort(days)
    parts = _delta.write_parts(root, days) if days.num_rows else []
    return Done(task, read, parts, _joined(registers), _joined(bills))


def _reason(error: GreenkitError | OSError, file: File) -> str:
    """Return why a file was refused, without its folder."""
    text = reason(error, file.path) if isinstance(error, GreenkitError) else error.strerror or str(error)
    return text.replace(os.path.dirname(file.path) + os.sep, "") or type(error).__name__


def _check_unchanged(file: File) -> None:
    stat = os.stat(file.path)
    if (stat.st_size, stat.st_mtime_ns // 1000) != (file.size, file.modified):
        raise FormatError("The file changed while it was read", next_step="Scan the folder again when it is complete.")


def _summary(piece: Piece, found: _Content) -> Read:
    days = found.days
    out = Read(piece, findings=[f.as_dict() for f in found.findings.by_severity[:_MOST_FINDINGS]])
    if days.num_rows:
        bounds = pc.min_max(days["day"].cast(pa.int32())).as_py()
        out.meters = len(pc.unique(days["meter"]))
        out.rows = int(_rows.counts(days).sum())
        out.first, out.last = bounds["min"], bounds["max"]
    return out


# -- readers


def _content(piece: Piece, how: How) -> _Content:
    """Read one piece of a file."""
    if how.kind == "smt":
        return _smt(piece, how)
    if how.kind == "store":
        readings = store.read(piece.file.path)
        return _Content(_frame_rows(readings, piece), pd.DataFrame(), pd.DataFrame(), _left_out(readings))
    if how.kind == "espi":
        from greenkit.espi import open_espi

        feed = open_espi(piece.file.path, **how.arguments)
        return _Content(_frame_rows(feed.readings, piece), feed.registers, feed.bills, feed.findings)
    from greenkit.tables import open_table

    table = open_table(piece.file.path, **how.arguments)
    return _Content(_frame_rows(table.readings, piece), table.registers, table.bills, table.findings)


def _left_out(df: pd.DataFrame) -> Findings:
    """Return the findings that a stored frame carries, and report its columns that a dataset has no place for."""
    found = Findings(frame.findings_of(df))
    own = [str(name) for name in df.columns if name not in frame.DTYPES]
    if own:
        found.add(_rows.COLUMN_LEFT_OUT, count=len(own), names=", ".join(own))
    return found


def _frame_rows(df: pd.DataFrame, piece: Piece) -> pa.Table:
    return _rows.from_frame(df, delivered=piece.file.modified)


def _smt(piece: Piece, how: How) -> _Content:
    source: Any = Source(piece.file.path, opener(piece.file.path), piece.file.size)
    place = 0
    if piece.end is not None:
        kind, _ = kind_of(source.head(HEAD))
        if kind != "lse" and piece.begin:
            return _Content(_rows.empty(), pd.DataFrame(), pd.DataFrame(), Findings())
        if kind == "lse":
            begin, end = lse_range(piece.file, piece.begin, piece.end)
            if begin == end:
                return _Content(_rows.empty(), pd.DataFrame(), pd.DataFrame(), Findings())
            source, place = _range(piece.file, begin, end), begin
    found = read_blocks(source, **how.arguments)
    tables = [_smt_rows.from_blocks(found, place=place)]
    for feed in found.feeds:
        tables.append(_rows.from_frame(feed, delivered=piece.file.modified, place=place + tables[0].num_rows))
    return _Content(pa.concat_tables(tables), found.registers, found.bills, found.findings)


def lse_range(file: File, begin: int, end: int) -> tuple[int, int]:
    """Return the bytes of the records that begin in a range of an LSE file.

    The ranges of all pieces of a file are disjoint, and cover it, wherever it is cut.
    """
    with open(file.path, "rb") as opened:
        return tuple(_record(opened, at, file.size) for at in (begin, end))  # type: ignore[return-value]


def _record(file: BinaryIO, at: int, size: int) -> int:
    """Return the position of the first record that begins at or after a position; the end of the file if none does."""
    if at <= 0:
        return 0
    if at >= size:
        return size
    file.seek(at - 1)
    base, held = at - 1, b""
    while chunk := file.read(_CHUNK):
        held += chunk
        found = held.find(RECORD)
        if found >= 0:
            return base + found + 1
        base += max(len(held) - len(RECORD), 0)
        held = held[-len(RECORD) :]
    return size


def _range(file: File, begin: int, end: int) -> Source:
    def opened() -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(_Slice(file.path, begin, end), _CHUNK))

    return Source(file.path, opened, end - begin)


class _Slice(io.RawIOBase):
    """Some bytes of a file as a file."""

    def __init__(self, path: str, begin: int, end: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 closed by close
        self._begin, self._end = begin, end
        self._file.seek(begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: self._begin, 1: self._file.tell(), 2: self._end}[whence]
        return self._file.seek(max(base + offset, self._begin)) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(self._end - self._file.tell(), 0)]
        return self._file.readinto(view) or 0 if len(view) else 0

    def close(self) -> None:
        self._file.close()
        super().close()


# -- registers and bills


def _others(df: pd.DataFrame, task: Task, piece: Piece) -> pa.Table:
    """Return the rows of register reads or bills as JSON, because their columns differ by source."""
    n = len(df)
    if not n:
        return _delta.OTHERS.empty_table()
    rows = [json.dumps({k: v for k, v in row.items() if v is not None}, default=str) for row in _plain(df)]
    columns = [
        [task.name] * n,
        [piece.digest] * n,
        list(range(n)),
        df["meter"].astype("str").tolist() if "meter" in df.columns else [None] * n,
        rows,
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, _delta.OTHERS, strict=True)], schema=_delta.OTHERS)


def _plain(df: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in df.to_dict("records"):
        yield {str(k): _cell(v) for k, v in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if not isinstance(value, list | dict) and pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables) if tables else _delta.OTHERS.empty_table()
