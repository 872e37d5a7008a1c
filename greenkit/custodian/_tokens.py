"""Where grants are kept: in memory, in a private file, in the system's keyring.

A refresh token may serve once only. So a store is locked from before a refresh until after its save, between
threads and processes, and the rotated token is on disk before it is used: whoever comes second finds the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from greenkit import _files
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


MARGIN: Final = 60.0
"""A token is renewed so many seconds before it ends, or at 90 % of a life shorter than ten minutes."""

# the fields of a token answer that have an attribute below; ESPI's addresses may be left out of later answers
_URIS: Final = ("resource_uri", "authorization_uri", "customer_uri")
_KNOWN: Final = frozenset(
    {"access_token", "client_access_token", "refresh_token", "token_type", "expires_in", "scope"}
    | {"resourceURI", "authorizationURI", "customerResourceURI"}
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """One grant, as the utility's last token answer left it.

    Its secrets and the customer's addresses do not show in its repr; it cannot be pickled.
    """

    access: Secret
    expires_at: float  # seconds since 1970
    lifetime: float  # [s]
    refresh: Secret | None = None
    scope: str | None = None
    resource_uri: str | None = field(default=None, repr=False)
    authorization_uri: str | None = field(default=None, repr=False)
    customer_uri: str | None = field(default=None, repr=False)
    extra: Mapping[str, Secret] = field(default_factory=dict)  # what the answer held besides, each as JSON
    ended: bool = False  # the utility has said that the grant is over

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], *, access: str, lifetime: float, now: float) -> Token:
        """Make a token of a checked token answer (RFC 6749, 5.1, and ESPI's addresses)."""
        refresh = answer.get("refresh_token")
        return cls(
            access=Secret(access),
            expires_at=now + lifetime,
            lifetime=lifetime,
            refresh=Secret(refresh) if isinstance(refresh, str) and refresh else None,
            scope=_text(answer.get("scope")),
            extra={k: Secret(json.dumps(v)) for k, v in answer.items() if k not in _KNOWN},
            resource_uri=_text(answer.get("resourceURI")),
            authorization_uri=_text(answer.get("authorizationURI")),
            customer_uri=_text(answer.get("customerResourceURI")),
        )

    def expired(self, now: float | None = None) -> bool:
        """Tell whether the access token has ended, or is about to."""
        now = time.time() if now is None else now
        return self.ended or now >= self.expires_at - min(MARGIN, 0.1 * self.lifetime)

    def renewed_with(self, new: Token) -> Token:
        """Give the new token with what its answer left out carried over from this one."""
        kept = ("refresh", "scope", *_URIS)
        return replace(new, **{k: getattr(new, k) or getattr(self, k) for k in kept}, extra={**self.extra, **new.extra})

    def as_ended(self) -> Token:
        """Give the grant as one that the utility has ended: kept so that it is not tried again."""
        return replace(self, ended=True, access=Secret(""), refresh=None)

    def to_json(self) -> Secret:
        """Give everything, as the JSON that a store keeps."""
        plain = {k: getattr(self, k) for k in ("expires_at", "lifetime", "scope", "ended", *_URIS)}
        secret = {"access": self.access.reveal(), "refresh": self.refresh.reveal() if self.refresh else None}
        extra = {k: v.reveal() for k, v in self.extra.items()}
        return Secret(json.dumps({"version": 1, **plain, **secret, "extra": extra}))

    @classmethod
    def from_json(cls, text: Secret) -> Token:
        """Read :meth:`to_json`; ValueError, without the text, when it is something else."""
        try:
            held = json.loads(text.reveal())
            if held.pop("version") != 1:
                raise ValueError
            held["access"], refresh = Secret(held["access"]), held["refresh"]
            held["refresh"] = None if refresh is None else Secret(refresh)
            held["extra"] = {k: Secret(v) for k, v in held["extra"].items()}
            held["expires_at"], held["lifetime"] = float(held["expires_at"]), float(held["lifetime"])
            found = cls(**held)
        except (ValueError, TypeError, KeyError, AttributeError):
            found = None
        if found is None:  # outside the handler: the error behind it shows the text
            raise ValueError("not a greenkit token")
        return found


def scope_parts(scope: str | None) -> dict[str, tuple[str, ...]]:
    """Take a granted ESPI scope apart; unknown keys are kept, and no value is interpreted.

    Examples
    --------
    >>> scope_parts("FB=1_3_13;IntervalDuration=900_3600;BR=third")["IntervalDuration"]
    ('900', '3600')
    """
    parts = (p.partition("=") for p in (scope or "").split(";") if "=" in p)
    return {key.strip(): tuple(v for v in value.split("_") if v) for key, _, value in parts}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
