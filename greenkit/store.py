"""Frames on disk: one Parquet file, or a folder with a file for each month.

A frame keeps its zone, categories, dtypes, order, and findings. The files are plain Parquet that any tool can read; a
greenkit key in their metadata has the version of the layout.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit._files import atomic, inside, locked, sync_folder
from greenkit.errors import FormatError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

VERSION: Final = 1
KEY: Final = b"greenkit"
"""Metadata key of a file: JSON with the version and the frame's findings."""
_REWRITE: Final = "Write the store again."
MANIFEST: Final = "_greenkit.json"
"""File of a folder that lists its valid parts. It is replaced atomically, so a folder never mixes old and new parts."""


def write(df: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a frame to one file if the path ends in ``.parquet``, else to a folder with a file for each month.

    An existing store is replaced completely, or stays unchanged if anything fails.

    Parameters
    ----------
    df : DataFrame
        A tidy interval frame. Your own columns are kept.
    path : path
        ``usage.parquet``, or a folder. Months are those of ``start`` in the frame's zone, or in UTC.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    SchemaError
        If ``df`` is not a greenkit frame.
    FormatError
        If the folder contains other files, or the path is a file where a folder is needed.

    Examples
    --------
    >>> import tempfile
    >>> from greenkit import synthetic
    >>> df = synthetic.household(1).frame("2024-10-30", "2024-11-02")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(df, folder + "/usage")
    ...     print(sorted(p.name for p in path.iterdir() if p.is_dir()), read(path).equals(df))
    ['month=2024-10', 'month=2024-11'] True
    """
    path = Path(path)
    df = frame.tidy(frame.check(df))
    table = _table(df)
    single = path.suffix.lower() == ".parquet"
    if path.is_dir() if single else path.is_file():
        kind = "folder" if single else "file"
        raise FormatError(
            f"The path is a {kind}, but a store ending in .parquet is a file and any other a folder",
            source=str(path),
            next_step="Choose another name.",
        )
    if single:
        _write_file(table, path)
    else:
        _write_folder(df, table, path)
    return path


def read(path: str | os.PathLike[str], *, start: Any = None, end: Any = None) -> pd.DataFrame:
    """Read a frame that :func:`write` stored.

    Parameters
    ----------
    path : path
        The file or folder.
    start, end : date or time, optional
        First and last start to read; ``end`` is exclusive. A time without an offset is in the frame's zone. Files of
        other months are not opened.

    Returns
    -------
    DataFrame
        The frame with its dtypes, sorted. An empty frame keeps its columns and dtypes.

    Raises
    ------
    FormatError
        If it is not Parquet, not written by greenkit, or has a newer layout.
    FileNotFoundError
        If the path does not exist.
    """
    path = Path(path)
    if not path.is_dir():
        return _frame(_read_file(path), start, end)
    try:
        table = _read_folder(path, start, end)
    except FileNotFoundError:
        # another process has just replaced the store, so its new list of files is valid
        try:
            table = _read_folder(path, start, end)
        except FileNotFoundError as e:
            lost = Path(str(e.filename)).name
            raise FormatError(f"Part {lost} is missing", source=str(path), next_step=_REWRITE) from None
    return _frame(table, start, end)


def parts(path: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a folder that :func:`write` stored; each can be read with :func:`read`.

    Raises
    ------
    FormatError
        If the folder contains no store, or one of a newer layout.
    """
    return _files_of(Path(path), None, None)


# -- files


def _table(df: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    attrs, df = df.attrs.get("greenkit"), df.copy(deep=False)
    df.attrs = {}
    try:
        table = pa.Table.from_pandas(df, preserve_index=False)
    except pa.ArrowException as e:
        why = str(e).splitlines()[0]
        raise SchemaError(
            f"A column of the frame cannot be stored in Parquet ({why})", next_step="Convert or drop the column."
        ) from None
    mine = json.dumps({"version": VERSION, "attrs": attrs}).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: mine})


def _write_file(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    with atomic(path) as file:
        pq.write_table(table, file, compression="zstd")


def _read_file(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open(path, "rb") as file:
        try:
            table = pq.read_table(file)
        except (pa.ArrowException, OSError) as e:
            why = str(e).splitlines()[0]
            raise FormatError(f"The Parquet file is damaged ({why})", source=str(path), next_step=_REWRITE) from None
    _version(_json_of((table.schema.metadata or {}).get(KEY, b"{}")), path)
    return table


def _version(found: dict[str, Any], path: Path) -> None:
    if not isinstance(found.get("version"), int):
        raise FormatError(
            "The file was not written by greenkit.store",
            source=str(path),
            next_step="Read it with pandas.read_parquet.",
        )
    if found["version"] > VERSION:
        raise FormatError(
            f"The store has layout {found['version']} of a newer greenkit",
            source=str(path),
            next_step="Upgrade greenkit.",
        )


def _json_of(data: bytes) -> dict[str, Any]:
    """Parse a JSON object; anything else returns an empty dict."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _frame(table: pa.Table, start: Any, end: Any) -> pd.DataFrame:
    attrs = _json_of(table.schema.metadata[KEY]).get("attrs")
    df = table.to_pandas()
    zone = df["start"].dt.tz
    if start is not None:
        df = df[df["start"] >= _time(start, zone)]
    if end is not None:
        df = df[df["start"] < _time(end, zone)]
    df = frame.tidy(df)
    if attrs is not None:
        df.attrs["greenkit"] = attrs
    return df


def _time(when: Any, zone: Any) -> pd.Timestamp:
    time = pd.Timestamp(when)
    return time.tz_localize(zone) if time.tzinfo is None else time


# -- folders


def _write_folder(df: pd.DataFrame, table: pa.Table, path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    strangers = [p.name for p in path.iterdir() if not p.name.startswith((".", "_", "month="))]
    if strangers:
        raise FormatError(
            f"The folder contains {strangers[0]}, which is not part of a store",
            source=str(path),
            next_step="Choose another folder.",
        )
    token = uuid.uuid4().hex[:12]
    with locked(path / ".lock"):
        files = []
        for month, part in _by_month(df, table):
            name = f"month={month}/part-{token}.parquet"
            (path / name).parent.mkdir(exist_ok=True)
            _write_file(part, path / name)
            files.append(name)
        sync_folder(path)
        with atomic(path / MANIFEST) as file:
            file.write(json.dumps({"version": VERSION, "files": files}, indent=1).encode())
        _sweep(path, set(files))


def _by_month(df: pd.DataFrame, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    import pyarrow as pa

    months = df["start"].dt.tz_localize(None).to_numpy().astype("datetime64[M]")
    if not len(df):
        yield "none", table
    for month in np.unique(months):
        yield str(month), table.take(pa.array(np.flatnonzero(months == month)))


def _sweep(path: Path, files: set[str]) -> None:
    """Delete the parts that the manifest does not list, left by the previous store or an interrupted write."""
    for part in path.glob("month=*/part-*.parquet"):
        if f"{part.parent.name}/{part.name}" not in files:
            part.unlink()
    for folder in path.glob("month=*"):
        if not any(folder.iterdir()):
            folder.rmdir()


def _read_folder(path: Path, start: Any, end: Any) -> pa.Table:
    import pyarrow as pa

    tables = [_read_file(file) for file in _files_of(path, start, end)]
    return pa.concat_tables(tables).unify_dictionaries()


def _files_of(path: Path, start: Any, end: Any) -> list[Path]:
    """Return the files of the months in a window; always at least one, because it has the columns."""
    try:
        manifest = _json_of((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise FormatError(
            "The folder contains no store", source=str(path), next_step="Write one with greenkit.store.write."
        ) from None
    files = manifest.get("files")
    if manifest:
        _version(manifest, path)
    if not isinstance(files, list) or not files or not all(isinstance(name, str) for name in files):
        raise FormatError(f"{MANIFEST} is damaged", source=str(path), next_step=_REWRITE)
    day = pd.Timedelta(days=1)
    first = "" if start is None else f"month={pd.Timestamp(start) - day:%Y-%m}"
    last = "~" if end is None else f"month={pd.Timestamp(end) + day:%Y-%m}"
    parts = [name.partition("/") for name in files]
    kept = [part for part in parts if first <= part[0] <= last] or parts[:1]
    return [inside(inside(path, month), part) for month, _, part in kept]
