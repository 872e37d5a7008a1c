"""What the simulated file servers share: an account, folders, and deliberate failures."""

from __future__ import annotations

import abc
import contextlib
import os
import struct
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from greenkit import _files
from greenkit.secret import Secret
from greenkit.transfer._remote import SMT_FOLDERS, Endpoint

USER: Final = "sandbox"
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: close() sends RST


@dataclass(frozen=True, slots=True)
class Faults:
    """Deliberate failures of a server; none by default.

    Parameters
    ----------
    rate : int
        Bytes of a file per second; 0 means no limit.
    cut : {"", "clean", "unannounced", "reset"}
        A file ends after ``after`` bytes: without an error, as if it were complete; by closing the connection; or by
        resetting it. SFTP has only one connection, so ``unannounced`` and ``reset`` end it.
    stall : bool
        A file stops after ``after`` bytes, and the connection stays open.
    after : int
        Bytes before ``cut`` or ``stall``.
    no_close_notify : bool
        FTPS: the data connection is closed without the close_notify of TLS, which is common.
    late_error : bool
        An error follows all bytes of a file (FTPS: 451 instead of 226).
    lose_delete_reply : bool
        A file is deleted, and the connection is closed before the answer.
    size_off : int
        Bytes added to every size.
    no_size, no_time : bool
        The server does not report sizes (FTPS: no SIZE) or times (no MDTM).
    hang_up_after : int
        FTPS: each session is closed after this number of commands; 0 means never.
    """

    rate: int = 0
    cut: str = ""
    stall: bool = False
    after: int = 100_000
    no_close_notify: bool = False
    late_error: bool = False
    lose_delete_reply: bool = False
    size_off: int = 0
    no_size: bool = False
    no_time: bool = False
    hang_up_after: int = 0


class FileServer(abc.ABC):
    """A file server with one account, for a ``with`` block.

    Parameters
    ----------
    root : path, optional
        Folder that it serves. Default: a temporary folder. The folders of SMT are created in it.
    faults : Faults, optional
        Deliberate failures; :attr:`faults` may be set while the server runs.
    """

    def __init__(self, root: _files.StrPath | None = None, *, faults: Faults | None = None) -> None:
        self._held = contextlib.ExitStack()
        self._given = root
        self.faults = faults or Faults()
        self.user = USER
        self.password = Secret(os.urandom(12).hex())
        self.commands: list[str] = []

    @property
    @abc.abstractmethod
    def endpoint(self) -> Endpoint:
        """Address of the server."""

    @abc.abstractmethod
    def _start(self) -> None:
        """Serve in another thread, and add its cleanup to ``_held``."""

    def _end_with(self, thread: threading.Thread, end: Callable[[], object]) -> None:
        """Call ``end`` and wait for the thread when this server ends. Call this before the thread starts.

        Otherwise an interrupt during the start would wait for a thread that nothing ends.
        """

        def wait() -> None:
            end()
            if thread.ident is not None:
                thread.join()

        self._held.callback(wait)

    def put(self, path: str, data: bytes) -> Path:
        """Add a complete file to the server, atomically."""
        whole = self.root / path
        with _files.atomic(whole) as file:
            file.write(data)
        return whole

    def misbehave(self, **faults: Any) -> None:
        """Change some of the deliberate failures."""
        self.faults = replace(self.faults, **faults)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._held = stack
            root = self._given or stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
            self.root = Path(root).absolute()
            for folder in SMT_FOLDERS:
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            self._start()
            self._held = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()
