"""What every panel's model shares: a status line, one job at a time, and callbacks that cannot fail unseen.

A widget's callback runs where the kernel pleases: ipykernel 7.3 calls it on a thread of its own while a cell runs,
6 and 7.4 on the main thread after the cell. An exception in it is shown nowhere. So a callback here only begins a
job or notes a choice, under a lock; the job runs on a daemon thread, the kernel stays free, and whatever goes wrong
becomes one readable line.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from greenkit.errors import GreenkitError
from greenkit.findings import quiet

Kind = Literal["idle", "busy", "good", "bad"]
OFTEN: Final = 0.1
"""Seconds between two words on progress: each is a message to the browser."""


@dataclass(frozen=True)
class StatusLine:
    """What a panel says of itself: one line, and how it is meant."""

    text: str = ""
    kind: Kind = "idle"

    def __str__(self) -> str:
        return self.text


class PanelModel:
    """What a panel knows and does, without a widget.

    Attributes
    ----------
    line : StatusLine
        How it stands.
    error : Exception or None
        What went wrong last, whole.
    done : float or None
        Share of the running job, 0 to 1; None when it is unknown or nothing runs.
    lock : RLock
        Held while anything changes, and while the listeners are told.
    """

    def __init__(self) -> None:
        self.line = StatusLine()
        self.error: Exception | None = None
        self.done: float | None = None
        self.lock = threading.RLock()
        self._told: list[Callable[[], object]] = []
        self._job: threading.Thread | None = None
        self._next_word = 0.0

    def listen(self, tell: Callable[[], object]) -> None:
        """Call ``tell`` after each change, on whatever thread makes it, and never on two at once."""
        self._told.append(tell)

    def changed(self) -> None:
        """Tell the listeners."""
        with self.lock:
            for tell in self._told:
                tell()

    def set_status(self, text: str, kind: Kind = "idle") -> None:
        """Set the line, and tell the listeners."""
        with self.lock:
            self.line = StatusLine(text, kind)
            self.changed()

    @property
    def busy(self) -> bool:
        """Tell whether a job runs."""
        return self._job is not None

    @property
    def doing(self) -> str:
        """What runs, such as ``Fetching``; empty when nothing does."""
        return "" if self._job is None else self._job.name.removeprefix("greenkit: ")

    def start(self, doing: str, job: Callable[[], object]) -> bool:
        """Run a job on a thread of its own; False, and nothing happens, when one runs already."""
        with self.lock:
            if self._job is not None:
                return False
            self._job = threading.Thread(target=self._run, args=(job,), name=f"greenkit: {doing}", daemon=True)
            self.set_status(f"{doing} …", "busy")
            self._job.start()
            return True

    def _run(self, job: Callable[[], object]) -> None:
        try:
            with self.guarded(), quiet():
                job()
        finally:
            with self.lock:
                self._job, self.done = None, None
                self.changed()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the running job has ended, for a script or a test; TimeoutError when it has not by then."""
        job = self._job
        if job is not None:
            job.join(timeout)
            if job.is_alive():
                raise TimeoutError(f"{job.name} still runs: wait again")

    def progress(self, done: int, total: int | None) -> None:
        """Say how much of a job is done: what the library's ``progress=`` takes."""
        if time.monotonic() < self._next_word:
            return
        self._next_word = time.monotonic() + OFTEN
        with self.lock:
            self.done = done / total if total else None
            self.set_status(f"{self.line.text.partition(' …')[0]} … {done:,} bytes", "busy")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what goes wrong inside into one line; the error itself is kept in ``error`` until all is well again."""
        try:
            yield
            self.error = None
        except Exception as e:  # noqa: BLE001 what a callback raises is shown nowhere else
            with self.lock:
                self.error = e
                self.set_status(sentence(e), "bad")

    def guard(self, act: Callable[..., object]) -> Callable[..., None]:
        """Make a widget's callback that cannot fail unseen."""

        @functools.wraps(act)
        def callback(*args: Any) -> None:
            with self.guarded():
                act(*args)

        return callback


def sentence(e: BaseException) -> str:
    """Give an error as one line that holds no secret.

    The library's own errors are such lines. Of any other only the type is told, since a text that others wrote may
    hold an address with its query.

    Examples
    --------
    >>> sentence(GreenkitError("no file is given: choose one"))
    'No file is given: choose one'
    >>> sentence(KeyError("token=xyzzy"))
    'Something went wrong that greenkit did not expect (KeyError): look at .error of this panel'
    """
    if isinstance(e, GreenkitError | FileNotFoundError) and str(e):
        text = " ".join(str(e).split())
        return text[0].upper() + text[1:]
    return f"Something went wrong that greenkit did not expect ({type(e).__name__}): look at .error of this panel"


def has_front_end() -> bool:
    """Tell whether somebody can click: ipywidgets is there, and this is a Jupyter kernel."""
    # a kernel has loaded both; to import them for the question's sake would cost a script half a second
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    if getattr(running, "kernel", None) is None:
        return False
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True
