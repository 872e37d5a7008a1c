"""Where grants are kept: in memory, in a private file, in the system's keyring.

A refresh token may serve once only. So a store is locked from before a refresh until after its save, between
threads and processes, and the rotated token is on disk before it is used: whoever comes second finds the new one.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from greenkit import _files
from greenkit.custodian.token_answer import Token as Token
from greenkit.errors import AuthorizationExpired, SettingsError
from greenkit.secret import Secret

LOCK_TIMEOUT: Final = 120.0
"""Longest wait [s] for another thread's or process's refresh."""


class Store(Protocol):
    """Where one grant is kept."""

    def load(self) -> Token | None:
        """Give the grant; None when there is none."""

    def save(self, token: Token) -> None:
        """Keep a grant; call it while the store is locked."""

    def delete(self) -> None:
        """Forget the grant; call it while the store is locked."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store for a refresh and its save; not reentrant."""


class MemoryStore:
    """For this process only: the usual place on shared machines."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        """See :class:`Store`."""
        return self._token

    def save(self, token: Token) -> None:
        """See :class:`Store`."""
        self._token = token

    def delete(self) -> None:
        """See :class:`Store`."""
        self._token = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Store`."""
        with self._lock:
            yield

    def __str__(self) -> str:
        return "memory (until this process ends)"


class FileStore:
    """A file of mode 0600 in a folder of mode 0700, replaced as a whole.

    Parameters
    ----------
    path : path
        The file. Its folder is made when it is not there.

    Raises
    ------
    SettingsError
        The file or its folder can be read or changed by others, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def load(self) -> Token | None:
        """See :class:`Store`; AuthorizationExpired when the file cannot be understood."""
        fault = None
        try:
            _check_private(self.path.parent)
            _check_private(self.path)
            return Token.from_json(Secret(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except ValueError as e:  # UnicodeDecodeError is one, and holds the bytes
            fault = (
                e
                if isinstance(e, SettingsError)
                else AuthorizationExpired(
                    f"the token file {self.path} cannot be understood: call forget(), then authorize again"
                )
            )
        except OSError as e:
            fault = SettingsError(f"the token file {self.path} cannot be read ({type(e).__name__}): check its owner")
        raise fault

    def save(self, token: Token) -> None:
        """See :class:`Store`."""
        fault = None
        try:
            _check_private(_files.private_folder(self.path.parent))
            _files.write_private(self.path, token.to_json().reveal().encode())
        except OSError as e:
            fault = type(e).__name__
        if fault:  # outside the handler: the frames behind it hold the tokens
            raise SettingsError(
                f"the token file {self.path} cannot be written ({fault}): free the disk or name another"
            )

    def delete(self) -> None:
        """See :class:`Store`; leftovers of a process that was killed while it saved go too."""
        for path in [self.path, *self.path.parent.glob(f".{self.path.name[:80]}.*.part")]:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Store`."""
        with contextlib.ExitStack() as held:
            try:
                folder = _files.private_folder(self.path.parent)
                _check_private(folder)
                held.enter_context(_files.locked(folder / f"{self.path.name}.lock", timeout=LOCK_TIMEOUT))
            except OSError as e:
                fault = f"the folder of tokens {self.path.parent} cannot be used ({type(e).__name__}): name another"
                raise SettingsError(fault) from None
            yield

    def __str__(self) -> str:
        return f"file {self.path}"


class KeyringStore:
    """The system's keyring (the extra ``greenkit[keyring]``); its lock is a file in the user's data folder."""

    SERVICE: Final = "greenkit tokens"

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = default_folder() / f"{name}.keyring.lock"

    def load(self) -> Token | None:
        """See :class:`Store`."""
        text = self._call("get_password")
        fault = None
        try:
            return None if text is None else Token.from_json(text)
        except ValueError:
            fault = f"the keyring's token {self.name} cannot be understood: call forget(), then authorize again"
        raise AuthorizationExpired(fault)

    def save(self, token: Token) -> None:
        """See :class:`Store`."""
        self._call("set_password", token.to_json())

    def delete(self) -> None:
        """See :class:`Store`."""
        if self._call("get_password") is not None:
            self._call("delete_password")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Store`."""
        _files.private_folder(self._lock.parent)
        with _files.locked(self._lock, timeout=LOCK_TIMEOUT):
            yield

    def _call(self, verb: str, secret: Secret | None = None) -> Secret | None:
        try:
            import keyring
        except ImportError:
            raise SettingsError('keyring is not installed: run pip install "greenkit[keyring]"') from None
        fault = None
        try:
            text = getattr(keyring, verb)(self.SERVICE, self.name, *([secret.reveal()] if secret else []))
            return None if text is None else Secret(text)
        except keyring.errors.KeyringError as e:
            fault = f"this machine's keyring cannot be used ({type(e).__name__}): keep tokens in a file or in memory"
        raise SettingsError(fault)

    def __str__(self) -> str:
        return f"keyring, {self.SERVICE}"


def default_folder() -> Path:
    """Give the usual folder of token files for this user on this system."""
    import platformdirs

    return Path(platformdirs.user_data_dir("greenkit", appauthor=False)) / "tokens"


def _check_private(path: Path) -> None:
    """Refuse what others may read or change; Windows keeps its profile folders private by itself."""
    if os.name != "posix":
        return
    found = path.lstat()
    forbidden = 0o022 if path.is_dir() else 0o077
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & forbidden or path.is_symlink():
        mode = "700" if path.is_dir() else "600"
        raise SettingsError(f"{path} could be read or changed by others: make it your own and run chmod {mode} on it")
