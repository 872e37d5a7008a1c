"""Base of every panel's model: a status line, one job at a time, and callbacks whose errors are shown.

The thread of a widget's callback depends on the kernel: ipykernel 7.3 calls it on a separate thread while a cell runs,
6 and 7.4 call it on the main thread after the cell. Jupyter does not show an exception in a callback. A callback here
therefore only starts a job or records a choice, under a lock. The job runs on a daemon thread, so the kernel stays
free, and every error becomes one readable line.
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

Kind = Literal["idle", "busy", "good", "warn", "bad"]
OFTEN: Final = 0.1
"""Seconds between two progress updates, because each is a message to the browser."""


@dataclass(frozen=True)
class StatusLine:
    """The status of a panel: one line of text and its kind."""

    text: str = ""
    kind: Kind = "idle"

    def __str__(self) -> str:
        return self.text


class PanelModel:
    """The state and the actions of a panel, without a widget.

    Attributes
    ----------
    line : StatusLine
        Current status.
    error : Exception or None
        The latest error; None if the latest action succeeded.
    done : float or None
        Completed share of the running job, 0 to 1; None if it is unknown or no job runs.
    lock : RLock
        Held while the state changes and while the listeners are called.
    """

    def __init__(self) -> None:
        self.line = StatusLine()
        self.error: Exception | None = None
        self.done: float | None = None
        self.lock = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        self._job: threading.Thread | None = None
        self._ending = False  # whether the running job has set its last status
        self._next_word = 0.0

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` after each change, on the thread of the change, but never on two at once."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Call the listeners."""
        with self.lock:
            for listener in self._listeners:
                listener()

    def set_status(self, text: str, kind: Kind = "idle") -> None:
        """Set the status line and call the listeners."""
        with self.lock:
            self.line = StatusLine(text, kind)
            if kind != "busy" and threading.current_thread() is self._job:
                self._ending = True
            self.changed()

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    @property
    def doing(self) -> str:
        """Name of the running job, such as ``Fetching``; empty if no job runs."""
        return "" if self._job is None else self._job.name.removeprefix("greenkit: ")

    def start(self, doing: str, job: Callable[[], object]) -> bool:
        """Start a job on a separate thread and return True; do nothing and return False if a job already runs.

        A job that has set its last status no longer counts as running: the user sees that it is done, although the
        panel may still draw its result.
        """
        with self.lock:
            if self._job is not None and not self._ending:
                return False
            self._ending = False
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
                if self._job is threading.current_thread():
                    self._job, self.done, self._ending = None, None, False
                self.changed()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the running job has ended; raise TimeoutError if it has not ended within ``timeout`` [s]."""
        job = self._job
        if job is not None:
            job.join(timeout)
            if job.is_alive():
                raise TimeoutError(f"{job.name.removeprefix('greenkit: ')} is still running. Wait again.")

    def progress(self, done: int, total: int | None) -> None:
        """Update the progress of the running job; pass this method as ``progress=``."""
        if time.monotonic() < self._next_word:
            return
        self._next_word = time.monotonic() + OFTEN
        with self.lock:
            self.done = done / total if total else None
            self.set_status(f"{self.line.text.partition(' …')[0]} … {done:,} bytes", "busy")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Show an error of the block as one status line, and keep it in ``error`` until a later block succeeds."""
        try:
            yield
            self.error = None
        except Exception as e:  # noqa: BLE001 nothing else shows what a callback raises
            with self.lock:
                self.error = e
                self.set_status(sentence(e), "bad")

    def guard(self, act: Callable[..., object]) -> Callable[..., None]:
        """Return a widget callback that shows its errors in the status line."""

        @functools.wraps(act)
        def callback(*args: Any) -> None:
            with self.guarded():
                act(*args)

        return callback


def sentence(e: BaseException) -> str:
    """Return an error as one line without secrets.

    The texts of greenkit's errors contain no secrets. For any other error, the line has only the type, because its text
    may contain a URL with its query.

    Examples
    --------
    >>> sentence(GreenkitError("No file is selected", next_step="Select a file."))
    'No file is selected. Select a file.'
    >>> sentence(KeyError("token=xyzzy"))
    'An unexpected error occurred (KeyError). See the error attribute of this panel.'
    """
    if isinstance(e, GreenkitError | FileNotFoundError) and str(e):
        return " ".join(str(e).split())
    return f"An unexpected error occurred ({type(e).__name__}). See the error attribute of this panel."


def has_front_end() -> bool:
    """Return whether a user can select widgets: ipywidgets is installed, and this is a Jupyter kernel."""
    # a kernel has imported both already; importing them here would cost a script half a second
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    if getattr(running, "kernel", None) is None:
        return False
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True
