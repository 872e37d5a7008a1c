"""Grants and where they are stored: in memory, in a private file, or in the system's keyring.

Many utilities accept a refresh token only once. Therefore a store is locked, for threads and processes, from before a
refresh until after its save, and the new token is on disk before it is used. A second process finds the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from greenkit import _files
from greenkit.errors import AuthorizationExpired, SettingsError
from greenkit.secret import Secret

MARGIN: Final = 60.0
"""A token is renewed this many seconds before it expires, or at 90% of a lifetime shorter than ten minutes."""
LOCK_TIMEOUT: Final = 120.0
"""Longest wait [s] for the refresh of another thread or process; longer than a token request can take."""

# The fields of a token answer that have an attribute below. Later answers may leave out the URIs of ESPI.
_URIS: Final = ("resource_uri", "authorization_uri", "customer_uri")
_KNOWN: Final = frozenset(
    {"access_token", "client_access_token", "refresh_token", "token_type", "expires_in", "scope"}
    | {"resourceURI", "authorizationURI", "customerResourceURI"}
)


# -- one grant


@dataclass(frozen=True, kw_only=True)
class Token:
    """One grant, as of the utility's latest token answer.

    Its repr contains neither its secrets nor the customer's URIs, and it cannot be pickled.

    Attributes
    ----------
    access : Secret
        The access token.
    expires_at : float
        Time when the access token expires [seconds since 1970].
    lifetime : float
        Lifetime of the access token when it was issued [s].
    refresh : Secret or None
        The refresh token.
    scope : str or None
        What the utility granted.
    resource_uri, authorization_uri, customer_uri : str or None
        Where the customer's data, the authorization, and the retail customer are.
    extra : mapping
        Further fields of the answer, each as JSON.
    ended : bool
        Whether the utility has reported that the grant has ended.
    """

    access: Secret
    expires_at: float
    lifetime: float
    refresh: Secret | None = None
    scope: str | None = None
    resource_uri: str | None = field(default=None, repr=False)
    authorization_uri: str | None = field(default=None, repr=False)
    customer_uri: str | None = field(default=None, repr=False)
    extra: Mapping[str, Secret] = field(default_factory=dict)
    ended: bool = False

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], *, access: str, lifetime: float, now: float) -> Token:
        """Build a token from a checked token answer (RFC 6749, 5.1, and the URIs of ESPI)."""
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

    @property
    def issued_at(self) -> float:
        """Time when the access token was issued [seconds since 1970]."""
        return self.expires_at - self.lifetime

    def expired(self, now: float | None = None) -> bool:
        """Return whether the access token has expired or is about to."""
        now = time.time() if now is None else now
        return self.ended or now >= self.expires_at - min(MARGIN, 0.1 * self.lifetime)

    def renewed_with(self, new: Token) -> Token:
        """Return the new token, with what its answer left out taken from this one."""
        kept = ("refresh", "scope", *_URIS)
        return replace(new, **{k: getattr(new, k) or getattr(self, k) for k in kept}, extra={**self.extra, **new.extra})

    def as_ended(self) -> Token:
        """Return the grant marked as ended by the utility; it is stored so that it is not tried again."""
        return replace(self, ended=True, access=Secret(""), refresh=None)

    def to_json(self, customer: str = "") -> Secret:
        """Return all fields as the JSON that a store keeps, with the customer's name if there is one."""
        plain = {k: getattr(self, k) for k in ("expires_at", "lifetime", "scope", "ended", *_URIS)}
        secret = {"access": self.access.reveal(), "refresh": self.refresh.reveal() if self.refresh else None}
        extra = {k: v.reveal() for k, v in self.extra.items()}
        name = {"customer": customer} if customer else {}
        return Secret(json.dumps({"version": 1, **name, **plain, **secret, "extra": extra}))

    @classmethod
    def from_json(cls, text: Secret) -> Token:
        """Read the JSON of :meth:`to_json`.

        Raises
        ------
        ValueError
            If it is something else. The error does not contain the text.
        """
        try:
            held = json.loads(text.reveal())
            if held.pop("version") != 1:
                raise ValueError
            held.pop("customer", None)
            held["access"], refresh = Secret(held["access"]), held["refresh"]
            held["refresh"] = None if refresh is None else Secret(refresh)
            held["extra"] = {k: Secret(v) for k, v in held["extra"].items()}
            held["expires_at"], held["lifetime"] = float(held["expires_at"]), float(held["lifetime"])
            found = cls(**held)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            found = None
        if found is None:  # outside the handler, because the error behind it shows the text
            raise ValueError("not a greenkit token")
        return found


def scope_parts(scope: str | None) -> dict[str, tuple[str, ...]]:
    """Split a granted ESPI scope into its keys and their lists; no value is interpreted.

    Examples
    --------
    >>> scope_parts("FB=1_3_13;IntervalDuration=900_3600;BR=third")["IntervalDuration"]
    ('900', '3600')
    """
    parts = (p.partition("=") for p in (scope or "").split(";") if "=" in p)
    return {key.strip(): tuple(v for v in value.split("_") if v) for key, _, value in parts}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


# -- where it is stored


class Store(Protocol):
    """Storage for one grant."""

    def load(self) -> Token | None:
        """Return the grant, or None if there is none."""

    def save(self, token: Token) -> None:
        """Store a grant. Call it while the store is locked."""

    def delete(self) -> None:
        """Delete the grant. Call it while the store is locked."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the store for a refresh and its save. The lock is not reentrant."""


class MemoryStore:
    """Storage until this process ends: the default on shared machines."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        """Return the grant, or None if there is none."""
        return self._token

    def save(self, token: Token) -> None:
        """Store a grant."""
        self._token = token

    def delete(self) -> None:
        """Delete the grant."""
        self._token = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store for a refresh and its save."""
        with self._lock:
            yield

    def __str__(self) -> str:
        return "memory (until this process ends)"


class FileStore:
    """A file of mode 0600 in a folder of mode 0700, which is replaced as a whole.

    Parameters
    ----------
    path : path
        The file. Its folder is made if it does not exist.
    customer : str
        Your name for the customer, which the file contains for :func:`greenkit.custodian.open_customers`.

    Raises
    ------
    SettingsError
        If others can read or change the file or its folder, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], customer: str = "") -> None:
        self.path, self.customer = Path(path), customer

    def load(self) -> Token | None:
        """Return the grant, or None if there is none.

        Raises
        ------
        AuthorizationExpired
            If the file is damaged.
        """
        fault: Exception | None = None
        try:
            _check_private(self.path.parent)
            return _read(self.path)
        except FileNotFoundError:
            return None
        except SettingsError as e:
            fault = e
        except ValueError:
            fault = AuthorizationExpired(
                f"The token file {self.path} is damaged", next_step="Call forget(), then authorize again."
            )
        except OSError as e:
            fault = SettingsError(
                f"The token file {self.path} cannot be read ({type(e).__name__})", next_step="Check its owner."
            )
        raise fault

    def save(self, token: Token) -> None:
        """Store a grant."""
        fault = None
        try:
            _check_private(_files.private_folder(self.path.parent))
            _files.write_private(self.path, token.to_json(self.customer).reveal().encode())
        except OSError as e:
            fault = type(e).__name__
        if fault:  # outside the handler, because the frames behind it contain the tokens
            raise SettingsError(
                f"The token file {self.path} cannot be written ({fault})",
                next_step="Free disk space, or set tokens to another folder.",
            )

    def delete(self) -> None:
        """Delete the grant, and files of it that a killed process has left."""
        fault = None
        try:
            for path in [self.path, self.path.with_suffix(".received"), *self._parts()]:
                path.unlink(missing_ok=True)
        except OSError as e:
            fault = type(e).__name__
        if fault:
            raise SettingsError(
                f"The token file {self.path} cannot be deleted ({fault})", next_step="Make its folder writable."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store for a refresh and its save."""
        with contextlib.ExitStack() as held:
            fault = None
            try:
                folder = _files.private_folder(self.path.parent)
                _check_private(folder)
                held.enter_context(_files.locked(folder / f"{self.path.name}.lock", timeout=LOCK_TIMEOUT))
                self._finish_save()
            except (OSError, sqlite3.Error) as e:  # SQLite has no error code for a folder that is not writable
                fault = type(e).__name__
            if fault:
                raise SettingsError(
                    f"The token folder {self.path.parent} cannot be used ({fault})",
                    next_step="Free disk space and make the folder writable, or set tokens to another folder.",
                )
            yield

    def _parts(self) -> list[Path]:
        return list(self.path.parent.glob(f".{self.path.name[:80]}.*.part"))

    def _finish_save(self) -> None:
        """Finish the save of a process that was killed: adopt a complete newer token, and delete every other part.

        A save writes a part, then renames it. A kill in between leaves the new token in the part, while the file still
        has the old one, whose refresh token is spent. To send that one again would make the utility revoke the grant.
        """
        newest: tuple[float, Path] | None = None
        parts = self._parts()
        if not parts:
            return
        for part in parts:
            with contextlib.suppress(ValueError):  # a link, or a part that is truncated or that others could write
                token = _read(part)
                newest = max(newest or (float("-inf"), part), (token.issued_at, part))
        with contextlib.suppress(ValueError, FileNotFoundError):
            kept = _read(self.path)
            if newest is not None and newest[0] <= kept.issued_at:
                newest = None
        if newest is not None:
            os.replace(newest[1], self.path)
            _files.sync_folder(self.path.parent)
        for part in parts:
            part.unlink(missing_ok=True)

    def __str__(self) -> str:
        return f"file {self.path}"


class KeyringStore:
    """The system's keyring (the extra ``greenkit[keyring]``). Its lock is a file in the user's data folder."""

    SERVICE: Final = "greenkit tokens"

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = default_folder() / f"{name}.keyring.lock"

    def load(self) -> Token | None:
        """Return the grant, or None if there is none."""
        text = self._call("get_password")
        with contextlib.suppress(ValueError):
            return None if text is None else Token.from_json(text)
        raise AuthorizationExpired(
            f"The token {self.name} in the keyring is damaged", next_step="Call forget(), then authorize again."
        )

    def save(self, token: Token) -> None:
        """Store a grant."""
        self._call("set_password", token.to_json())

    def delete(self) -> None:
        """Delete the grant."""
        if self._call("get_password") is not None:
            self._call("delete_password")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store for a refresh and its save."""
        with contextlib.ExitStack() as held:
            fault = None
            try:
                _files.private_folder(self._lock.parent)
                held.enter_context(_files.locked(self._lock, timeout=LOCK_TIMEOUT))
            except (OSError, sqlite3.Error) as e:
                fault = type(e).__name__
            if fault:
                raise SettingsError(
                    f"The lock {self._lock} of the keyring cannot be used ({fault})",
                    next_step="Free disk space and make its folder writable.",
                )
            yield

    def _call(self, verb: str, secret: Secret | None = None) -> Secret | None:
        try:
            import keyring
        except ImportError:
            raise SettingsError("keyring is not installed", next_step='Run pip install "greenkit[keyring]".') from None
        fault = None
        try:
            text = getattr(keyring, verb)(self.SERVICE, self.name, *([secret.reveal()] if secret else []))
            return None if text is None else Secret(text)
        except keyring.errors.KeyringError as e:
            fault = type(e).__name__
        raise SettingsError(
            f"The keyring of this machine cannot be used ({fault})", next_step='Set tokens to "file" or "memory".'
        )

    def __str__(self) -> str:
        return f"keyring, {self.SERVICE}"


def default_folder() -> Path:
    """Return the folder of token files for this user on this system."""
    import platformdirs

    return Path(platformdirs.user_data_dir("greenkit", appauthor=False)) / "tokens"


def _read(path: Path) -> Token:
    """Read a private token file; ValueError without its text if it is damaged."""
    _check_private(path)
    damaged = False
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # it contains the bytes
        damaged = True
    if damaged:
        raise ValueError("not a greenkit token")
    secret = Secret(text)
    del text
    return Token.from_json(secret)


def _check_private(path: Path) -> None:
    """Raise SettingsError if others can read or change a path; Windows keeps its profile folders private."""
    if os.name != "posix":
        return
    found = path.lstat()
    forbidden = 0o022 if path.is_dir() else 0o077
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & forbidden or path.is_symlink():
        place = 'set tokens to a folder on one that does, or to "keyring"'
        raise SettingsError(
            f"Other users could read or change {path}", next_step=_files.how_to_protect(path, place, owner=True)
        )
