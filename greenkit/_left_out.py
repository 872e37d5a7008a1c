"""Files that one load leaves out: files of another kind in a folder, and damaged files if errors are collected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from greenkit.errors import DecryptError, FormatError, GreenkitError, LimitError, OtherFormat
from greenkit.findings import Findings, Kind, counted
from greenkit.sources import Source

Errors = Literal["raise", "collect"]
"""What a load does with a damaged file among several: it raises the error, or it leaves out and reports the file."""
ERRORS: Final = ("raise", "collect")
_SHOWN: Final = 20
"""Files that an error lists."""
NO_INTERVALS: Final = Kind(
    "load.intervals.none",
    "warning",
    "The source has {what} and no intervals.",
    "Call greenkit.{call}(FILE).{table}.",
)


def check_errors(errors: str) -> None:
    """Raise ValueError if ``errors`` is not one of the two words that every ``load_*`` accepts."""
    if errors not in ERRORS:
        raise ValueError(f"errors is {errors!r}, but it must be 'raise' or 'collect'")


def no_intervals(call: str, *, bills: int = 0, registers: int = 0) -> Findings:
    """Return the finding of a source that has only bills or register readings; none if it has neither.

    Parameters
    ----------
    call : str
        Function of greenkit that returns them, ``"open_smt"``.
    bills, registers : int
        How many the source has.

    Examples
    --------
    >>> print(no_intervals("open_table", bills=4))
    warning: load.intervals.none: The source has 4 bills and no intervals. Call greenkit.open_table(FILE).bills.
    """
    parts = [counted(n, what) for n, what in ((bills, "bill"), (registers, "register reading")) if n]
    found = Findings()
    if parts:
        table = "bills" if bills else "registers"
        found.add(
            NO_INTERVALS, bills=bills, registers=registers,
            words={"what": " and ".join(parts), "call": call, "table": table},
        )  # fmt: skip
    return found


class NothingRead(OtherFormat):
    """No file of a source could be read. ``files`` has the error of each."""

    def __init__(self, problem: str, files: Mapping[str, GreenkitError], *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.files = dict(files)


class LeftOut:
    """Files that one call has left out so far, and the decision which errors leave out a file.

    A file of another format is left out if the caller did not name it, so that a stray file in a folder stops nothing.
    A damaged file is left out if errors are collected. Files that exceed the limits are never left out, because they
    may be an attack.

    Parameters
    ----------
    errors : {"raise", "collect"}
        What to do with a damaged file.
    report : callable, optional
        Called with the name and the error of each file that is left out, at once.

    Attributes
    ----------
    files : dict
        Name of the file → the error, in the order in which the files were read.

    Examples
    --------
    >>> import io
    >>> left_out = LeftOut()
    >>> with left_out.reading(Source("notes.txt", io.BytesIO, named=False)):
    ...     raise OtherFormat("This is a text", source="notes.txt")
    >>> left_out.reasons()
    {'notes.txt': 'This is a text'}
    """

    def __init__(
        self, errors: Errors = "raise", report: Callable[[str, GreenkitError], object] = lambda name, error: None
    ) -> None:
        check_errors(errors)
        self.collects = errors == "collect"
        self.files: dict[str, GreenkitError] = {}
        self._report = report

    @contextlib.contextmanager
    def reading(self, source: Source, undo: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Leave out the file that the body of the ``with`` reads if its error allows it, and raise the error otherwise.

        ``undo`` removes what was read from the file before the error.
        """
        try:
            yield
        except (FormatError, DecryptError) as e:
            is_stranger = isinstance(e, OtherFormat)
            if (source.named if is_stranger else not self.collects) or isinstance(e, LimitError):
                raise
            undo()
            self.add(source.name, e)

    def add(self, name: str, error: GreenkitError) -> None:
        """Leave out a file because of an error."""
        self.files[name] = error
        self._report(name, error)

    @property
    def from_walk(self) -> Callable[[str, GreenkitError], None] | None:
        """The argument ``leave_out`` of :func:`greenkit.sources.walk`: archives that cannot be unpacked."""
        return self.add if self.collects else None

    def reasons(self) -> dict[str, str]:
        """Return the name of each file and why it was left out."""
        return {name: reason(error, name) for name, error in self.files.items()}

    def nothing_read(self, what: str) -> NothingRead:
        """Return the error for a source of which no file could be read.

        Parameters
        ----------
        what : str
            What the reader looks for, ``"Green Button feed"``.
        """
        lines = [f"\n  {name}: {why}" for name, why in self.reasons().items()]
        more = f"\n  and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
        return NothingRead(
            f"The source contains no {what}:{''.join(lines[:_SHOWN])}{more}\n",
            self.files,
            next_step="Check that this is the source you meant to load.",
        )


def reason(error: GreenkitError, name: str, *, brief: bool = False) -> str:
    """Return the text of an error, without the name of its file, and without its next step if ``brief``.

    Examples
    --------
    >>> error = FormatError("The XML ends early", source="feed.xml", line=7, next_step="Download the file again.")
    >>> reason(error, "folder/feed.xml", brief=True)
    'line 7: The XML ends early'
    """
    text = error.problem if brief else str(error)
    for own in (name, os.path.basename(name)):
        text = text.removeprefix(f"{own}: ").removeprefix(f"{own}, ")
    return text
