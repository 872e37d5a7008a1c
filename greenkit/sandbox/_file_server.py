"""What the pretend file servers share: an account, folders, and switches to misbehave."""

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
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER, 0 seconds: close() sends RST


@dataclass(frozen=True, slots=True)
class Faults:
    """How a server misbehaves; by default not at all.

    Parameters
    ----------
    rate : int
        Bytes of a file a second; 0 for as fast as it goes.
    cut : {"", "clean", "unannounced", "reset"}
        A file ends after ``after`` bytes: in good order, as if it were whole; by closing the connection; by
        resetting it. SFTP has one connection for all, so ``unannounced`` and ``reset`` end that.
    stall : bool
        A file stops after ``after`` bytes, and nothing more comes.
    after : int
        Bytes before ``cut`` or ``stall``.
    no_close_notify : bool
        FTPS: the data connection is closed without TLS's announcement, which is common.
    late_error : bool
        After all bytes of a file comes an error (FTPS: 451 in place of 226).
    lose_delete_reply : bool
        A file is deleted, and the connection broken before the answer.
    size_off : int
        Added to every size.
    no_size, no_time : bool
        The server cannot say the size (FTPS: no SIZE), the time (no MDTM).
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


class FileServer(abc.ABC):
    """A file server with one account, for a ``with`` block.

    Parameters
    ----------
    root : path, optional
        The folder that it serves; a temporary one when absent. SMT's folders are made in it.
    faults : Faults, optional
        How it misbehaves; :attr:`faults` may be set while it runs.
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
        """Where it is."""

    @abc.abstractmethod
    def _start(self) -> None:
        """Serve in another thread; put on ``_held`` what ends that."""

    def _end_with(self, thread: threading.Thread, end: Callable[[], object]) -> None:
        """Call ``end`` and wait for the thread, when this server ends; to be said before the thread begins.

        An interrupt while it begins would else wait for a thread that nobody has told to end.
        """

        def wait() -> None:
            end()
            if thread.ident is not None:
                thread.join()

        self._held.callback(wait)

    def put(self, path: str, data: bytes) -> Path:
        """Lay a file on the server, whole at once."""
        whole = self.root / path
        with _files.atomic(whole) as file:
            file.write(data)
        return whole

    def misbehave(self, **faults: Any) -> None:
        """Change some of the faults."""
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
