"""Frames on disk: one Parquet file, or a folder with a file for each month.

What a frame is comes back whole: zone, categories, dtypes, order, findings. The files are plain Parquet that any tool
can read; a key of greenkit's own in their metadata carries the version of the layout.
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
"""The metadata key of a file: JSON with the version and the frame's findings."""
MANIFEST: Final = "_greenkit.json"
"""The file of a folder that lists the files that count; replaced whole, so a folder is never half old, half new."""


def write(df: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a frame: one file where the path ends ``.parquet``, else a folder with a file for each month.

    What was there is replaced whole or, when anything fails, not at all.

    Parameters
    ----------
    df : DataFrame
        A tidy interval frame. Columns of the user's own are kept.
    path : path
        ``usage.parquet``, or a folder. A month is that of ``start`` as the frame shows it: in its zone, or in UTC.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    SchemaError
        When ``df`` is no greenkit frame.
    FormatError
        When the folder holds something else than a store, or the path is a file where a folder should be.

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
        raise FormatError("a .parquet is a file, and any other store a folder: choose another name", source=str(path))
    if single:
        _write_file(table, path)
    else:
        _write_folder(df, table, path)
    return path


def read(path: str | os.PathLike[str], *, start: Any = None, end: Any = None) -> pd.DataFrame:
    """Read a frame that :func:`write` wrote.

    Parameters
    ----------
    path : path
        The file or the folder.
    start, end : date or time, optional
        Only the intervals that start within, ``end`` exclusive; without an offset in the frame's zone. Months outside
        are not opened.

    Returns
    -------
    DataFrame
        The frame with its dtypes, sorted; an empty one keeps them.

    Raises
    ------
    FormatError
        When it is no Parquet, not greenkit's, or of a newer layout.
    FileNotFoundError
        When there is nothing.
    """
    path = Path(path)
    if not path.is_dir():
        return _frame(_read_file(path), start, end)
    try:
        table = _read_folder(path, start, end)
    except FileNotFoundError:
        # another process has just replaced the store: its new list of files stands
        try:
            table = _read_folder(path, start, end)
        except FileNotFoundError as e:
            lost = Path(str(e.filename)).name
            raise FormatError(f"its part {lost} is missing: write the store again", source=str(path)) from None
    return _frame(table, start, end)


# -- files


def _table(df: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    attrs, df = df.attrs.get("greenkit"), df.copy(deep=False)
    df.attrs = {}
    try:
        table = pa.Table.from_pandas(df, preserve_index=False)
    except pa.ArrowException as e:
        why = str(e).splitlines()[0]
        raise SchemaError(f"a column of the frame does not fit into Parquet ({why}): convert or drop it") from None
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
            raise FormatError(f"it is no whole Parquet file ({why}): write it again", source=str(path)) from None
    _version(_json_of((table.schema.metadata or {}).get(KEY, b"{}")), path)
    return table


def _version(found: dict[str, Any], path: Path) -> None:
    if not isinstance(found.get("version"), int):
        raise FormatError("it was not written by greenkit.store: read it with pandas.read_parquet", source=str(path))
    if found["version"] > VERSION:
        raise FormatError(f"it has layout {found['version']} of a newer greenkit: upgrade greenkit", source=str(path))


def _json_of(data: bytes) -> dict[str, Any]:
    """Read an object of JSON; what is none says nothing."""
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
            f"the folder holds {strangers[0]}, which is no part of a store: choose another", source=str(path)
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
    """Delete the parts that the manifest does not name: of the store before, or of a write that was cut off."""
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
    """Give the files of the months that a window touches; always one, since it has the columns."""
    try:
        manifest = _json_of((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise FormatError("the folder holds no store: write one with greenkit.store.write", source=str(path)) from None
    files = manifest.get("files")
    if manifest:
        _version(manifest, path)
    if not isinstance(files, list) or not files or not all(isinstance(name, str) for name in files):
        raise FormatError(f"its {MANIFEST} is damaged: write the store again", source=str(path))
    day = pd.Timedelta(days=1)
    first = "" if start is None else f"month={pd.Timestamp(start) - day:%Y-%m}"
    last = "~" if end is None else f"month={pd.Timestamp(end) + day:%Y-%m}"
    parts = [name.partition("/") for name in files]
    kept = [part for part in parts if first <= part[0] <= last] or parts[:1]
    return [inside(inside(path, month), part) for month, _, part in kept]
