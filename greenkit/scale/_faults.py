"""Errors of the table format and of the disk in greenkit's words: what is damaged, and what to do.

deltalake and pyarrow raise errors of their own and plain OSErrors, whose texts name neither the dataset nor a next
step. Everything that reads or writes the tables of a dataset does so within :func:`reading` or :func:`writing`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from greenkit.errors import FormatError, GreenkitError, NotReadable, NotWritten

if TYPE_CHECKING:
    from deltalake import DeltaTable

_REPAIR: Final = "Restore it from a backup, or write a new dataset from the files with greenkit.to_dataset."
_ALLOW: Final = "Give this user the permission to read the folder and its files."
_AGAIN: Final = (
    "Free disk space or get the permission to write, and run the same call again. What was committed before is kept."
)
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")
_CODE: Final = re.compile(r"\(os error (\d+)\)|code: (\d+)")
_NEWER: Final = re.compile(r"unsupported .*(?:version|feature)", re.IGNORECASE)


def _kinds() -> tuple[type[Exception], ...]:
    from deltalake.exceptions import DeltaError

    return (pa.ArrowException, OSError, DeltaError)


@contextlib.contextmanager
def reading(where: str, table: DeltaTable | None = None) -> Iterator[None]:
    """Translate an error while a table is read.

    Parameters
    ----------
    where : str
        Location of the table.
    table : DeltaTable, optional
        The table, if it could be opened. Its missing or truncated files are then named.

    Raises
    ------
    FormatError
        If a file of the table is missing or damaged, or the table needs a newer version of deltalake.
    NotReadable
        If this user may not read it.
    """
    try:
        yield
    except GreenkitError:
        raise
    except _kinds() as e:
        raise _not_read(e, where, table) from None


@contextlib.contextmanager
def writing(where: str) -> Iterator[None]:
    """Translate an error while a table is written.

    Raises
    ------
    NotWritten
        If the disk is full, or this user may not write the folder.
    """
    try:
        yield
    except GreenkitError:
        raise
    except _kinds() as e:
        raise NotWritten(f"{where} cannot be written ({_cause(e)})", next_step=_AGAIN) from None


def is_of_the_disk(error: Exception) -> bool:
    """Return whether an error of deltalake comes from the disk, such as a full one."""
    return _number(error) is not None


def check_log(where: Path) -> None:
    """Check that no file of the log of a table is empty, as it may be after a power failure.

    Delta Lake reads an empty file as a commit that did nothing, so readings would be missing without an error.
    """
    with os.scandir(where / "_delta_log") as found:
        empty = sorted(e.name for e in found if e.name.endswith(".json") and not e.stat().st_size)
    if empty:
        raise FormatError(f"The log of the dataset is damaged: {empty[0]} is empty", source=str(where),
                          next_step=_REPAIR)  # fmt: skip


def not_readable(where: str, why: str) -> NotReadable:
    """Return the error of a folder that this user may not read."""
    return NotReadable(f"{where} cannot be read ({why})", next_step=_ALLOW)


def incomplete(where: str, what: str) -> FormatError:
    """Return the error of a dataset that lacks a part."""
    return FormatError(f"The dataset is damaged: {what}", source=where, next_step=_REPAIR)


def _not_read(error: Exception, where: str, table: DeltaTable | None) -> GreenkitError:
    text = _cause(error)
    if _number(error) in (errno.EACCES, errno.EPERM):
        return not_readable(where, text)
    if _NEWER.search(text):
        return FormatError(
            f"The dataset needs a newer version of deltalake ({text})",
            source=where,
            next_step="Upgrade greenkit and deltalake.",
        )
    if table is None:
        return incomplete(where, f"its log cannot be read ({text})")
    return incomplete(where, _wrong_file(where, table) or f"a file of it cannot be read ({text})")


def _wrong_file(where: str, table: DeltaTable) -> str:
    """Return what is wrong with the first file that is missing or has another size than the log says."""
    if "://" in where:
        return ""
    for action in pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes"]).to_pylist():
        path = Path(where) / action["path"]
        if not path.exists():
            return f"{action['path']} is missing"
        if path.stat().st_size != action["size_bytes"]:
            return f"{action['path']} has {path.stat().st_size:,} bytes instead of {action['size_bytes']:,}"
    return ""


def _cause(error: Exception) -> str:
    r"""Return the cause of an error on one line: deltalake writes a chain of causes in color, the first one last.

    Examples
    --------
    >>> _cause(OSError("Generic error \x1b[31m↳\x1b[0m Unable to read \x1b[31m↳\x1b[0m Object too small\n"))
    'Object too small'
    """
    number = _number(error)
    if number is not None:
        return os.strerror(number)
    text = _COLORS.sub("", str(error)).rpartition("↳")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].removeprefix("Kernel error: ") if lines else type(error).__name__


def _number(error: Exception) -> int | None:
    """Return the number of an error of the operating system; None if there is none."""
    number: Any = getattr(error, "errno", None)
    if number is not None:
        return int(number)
    found = _CODE.search(str(error))
    return int(found[1] or found[2]) if found else None
