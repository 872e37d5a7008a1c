"""What a file server is to the rest of greenkit: list, stat, fetch, delete; and what FTPS and SFTP share.

:class:`~greenkit.transfer.FtpsRemote` and :class:`~greenkit.transfer.SftpRemote` are the two implementations. The
inbox, the ledger, decryption, and deletion use only this interface and know neither protocol.
"""

from __future__ import annotations

import abc
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import AnyStr, Final, Generic, Protocol, Self, TypeVar

from greenkit import _net
from greenkit.errors import AccessRefused, GreenkitError, NotOnServer, RemoteError, SettingsError
from greenkit.secret import Secret

S = TypeVar("S")
T = TypeVar("T")

Sink = Callable[[bytes], object]
"""Takes each chunk of a file in order. Its exceptions end the transfer, and ``fetch`` raises them unchanged."""

BACKOFF: Final = 2.0
"""Seconds before a new session replaces a lost one."""
SLOWEST: Final = 1000
"""Bytes a second below which a transfer counts as stalled."""
log: Final = logging.getLogger("greenkit.transfer")
log.addHandler(logging.NullHandler())
_METER: Final = re.compile(r"(?<!\d)\d{17}(?:\d{5})?(?!\d)")  # an ESI ID, which no log contains


@dataclass(frozen=True, slots=True)
class Stat:
    """Size and date of a file, as a server reports them; None if it does not.

    Parameters
    ----------
    size : int or None
        Size in bytes.
    modified : datetime or None
        Time of the last modification, in UTC.
    """

    size: int | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a file server.

    Parameters
    ----------
    protocol : {"sftp", "ftps"}
        FTPS means explicit TLS (AUTH TLS on the port of plain FTP).
    host : str
        Host name, to which the server's certificate or host key must belong.
    port : int
        TCP port.
    folders : tuple of str, optional
        Remote folders that contain files.
    """

    protocol: str
    host: str
    port: int
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


SMT_FOLDERS: Final = ("intervaldata", "adhocusage")
SMT_SFTP: Final = Endpoint("sftp", "ftp.smartmetertexas.biz", 22, SMT_FOLDERS)
"""Smart Meter Texas since September 13, 2025."""
SMT_FTPS: Final = Endpoint("ftps", "ftp.smartmetertexas.biz", 21, SMT_FOLDERS)
"""Smart Meter Texas before that date; it may still provide FTPS."""


class Remote(Protocol):
    """A file server. A method connects if necessary, and again after a failure.

    Methods raise :class:`~greenkit.errors.RemoteError`, whose subclass determines what to do next:
    ``ServerUnavailable`` (try later), ``TransferError`` (fetch this file again), ``AccessRefused`` (the account has no
    permission), ``LoginRejected``, ``CertificateRejected`` and ``HostRejected`` (someone must act). A missing file or
    folder is :class:`~greenkit.errors.NotOnServer`, which is also a FileNotFoundError.
    """

    @property
    def endpoint(self) -> Endpoint:
        """Address of the server."""

    def open(self) -> Self:
        """Connect and log in, if that has not been done."""

    def close(self) -> None:
        """Log out; the next call connects again."""

    def names(self, folder: str) -> list[str]:
        """List the file names of a folder; names of subfolders may be among them.

        Raises
        ------
        NotOnServer
            If the folder does not exist or may not be entered.
        """

    def stat(self, path: str) -> Stat:
        """Return the size and the modification time of a file.

        Raises
        ------
        NotOnServer
            If the file does not exist.
        """

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Pass the bytes of a file from ``offset`` to its end to ``sink``.

        When it returns, the server has reported that it sent everything. Only the size, which the caller compares,
        proves that the file is complete: a server can close the connection of a truncated file in good order.

        Raises
        ------
        NotOnServer
            If the file does not exist.
        IsAFolder
            If it is a folder: a server may list folders among the files.
        TransferError
            If the transfer was interrupted. The bytes that arrived are right, and ``offset`` can continue there.
        """

    def delete(self, path: str) -> None:
        """Delete a file. The request is never repeated, because a new file may have taken the name.

        Raises
        ------
        NotOnServer
            If the file does not exist.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class SessionRemote(abc.ABC, Generic[S]):
    """A remote that holds a session of type ``S``; two threads must not use it at the same time.

    The protocols differ in the steps that are abstract here: how to connect, and how to list, stat, receive, and delete
    in a session. After a failure that may have put the session out of step (the reply to one command would be read as
    the reply to the next), the session is dropped, and the next call opens a new one.
    """

    _ERRORS: tuple[type[Exception], ...]
    """Exceptions of the protocol's library; others are raised unchanged."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user: str,
        password: Secret | None,
        timeout: float,
        backoff: float,
        proxy: str | None,
        proxy_password: Secret | None,
    ) -> None:
        self._endpoint, self._timeout, self._backoff = endpoint, timeout, backoff
        self._user, self._password = user, password
        self._proxy = _net.Proxy.parse(proxy, proxy_password) if proxy else None
        if not user:
            raise SettingsError(
                f"No user name is set for {endpoint}", next_step="Set user to the name that SMT assigned."
            )
        self._session: S | None = None
        self._names = NameTable()
        self.stage = ""
        """The last step of connecting that began; the doctor shows a failure there."""

    @property
    def endpoint(self) -> Endpoint:
        """Address of the server."""
        return self._endpoint

    @abc.abstractmethod
    def _connect(self) -> S:
        """Connect and log in; raise RemoteError with the cause."""

    @abc.abstractmethod
    def _leave(self, session: S, *, politely: bool) -> None:
        """End a session quickly, without raising an error."""

    @abc.abstractmethod
    def _lost(self, error: Exception) -> bool:
        """Return whether a new session may succeed at once."""

    @abc.abstractmethod
    def _explain(self, error: Exception, doing: str) -> RemoteError:
        """Translate an error of the protocol's library."""

    @abc.abstractmethod
    def _list(self, session: S, folder: str) -> list[str]:
        """List the names of a folder."""

    @abc.abstractmethod
    def _stat(self, session: S, path: str) -> Stat:
        """Return size and time of a file."""

    @abc.abstractmethod
    def _receive(self, session: S, path: str, tap: Tap, offset: int) -> None:
        """Pass a file's bytes to ``tap``."""

    @abc.abstractmethod
    def _delete(self, session: S, path: str) -> None:
        """Delete a file."""

    def names(self, folder: str) -> list[str]:
        """List a folder; see :class:`~greenkit.transfer.Remote`."""
        return self._run(lambda session: self._list(session, folder), f"list {folder!r}")

    def stat(self, path: str) -> Stat:
        """Return size and time; see :class:`~greenkit.transfer.Remote`."""
        return self._run(lambda session: self._stat(session, path), f"read the size and date of {path!r}")

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Pass a file's bytes to ``sink``; see :class:`~greenkit.transfer.Remote`."""
        tap = Tap(sink)
        began = time.monotonic()
        try:
            # a new session takes over only if the sink has received nothing
            self._run(
                lambda session: self._receive(session, path, tap, offset),
                f"fetch {path!r}",
                again=lambda: tap.count == 0,
            )
        except SinkFailed as e:
            raise e.error from None
        log.debug("fetched %s: %d bytes in %.1f s", traced(path), tap.count, time.monotonic() - began)

    def delete(self, path: str) -> None:
        """Delete a file; see :class:`~greenkit.transfer.Remote`."""
        self._run(lambda session: self._delete(session, path), f"delete {path!r}", again=lambda: False)

    def open(self) -> Self:
        """Connect and log in, if that has not been done."""
        self._run(lambda _: None, "connect")
        return self

    def close(self) -> None:
        """Log out; the next call connects again."""
        session, self._session = self._session, None
        if session is not None:
            self._leave(session, politely=True)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            log.debug("dropping the session with %s", self._endpoint)
            self._leave(session, politely=False)

    def _run(self, do: Callable[[S], T], doing: str, *, again: Callable[[], bool] = lambda: True) -> T:
        """Run an operation; once more in a new session if the old one was lost and ``again`` allows it."""
        for last in (False, True):
            if self._session is None:
                self._session = self._connect()
            try:
                return do(self._session)
            except (FileNotFoundError, IsADirectoryError, AccessRefused):
                raise  # an answer like any other
            except self._ERRORS as e:
                self._drop()
                if last or not self._lost(e) or not again():
                    fault = e if isinstance(e, GreenkitError) else self._explain(e, doing)
                    raise fault from None
                log.info("the session with %s was lost; retrying in %g s", self._endpoint, self._backoff)
            except BaseException:
                self._drop()
                raise
            time.sleep(self._backoff)
        raise AssertionError("not reached")

    def _words(self, e: Exception) -> str:
        return words(e, self._password)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint})"


def traced(text: str) -> str:
    """Return text for the trace: in one line, and without the digits of ESI IDs.

    Examples
    --------
    >>> traced("RETR 10443720000000001_20260712.lse.asc")
    'RETR 1044…_20260712.lse.asc'
    """
    return "".join(c if c.isprintable() else " " for c in _METER.sub(lambda m: m[0][:4] + "…", text))


def words(e: object, secret: Secret | None) -> str:
    """Return a server's own words, shortened, in one line, and without the password if it repeats that."""
    text = str(e).replace(secret.reveal(), "***") if secret else str(e)
    return "".join(c if c.isprintable() else " " for c in text)[:120].strip(" :")


class Pace:
    """Detects a transfer that is too slow.

    Parameters
    ----------
    timeout : float
        Seconds in which a minimum number of bytes must arrive.

    Examples
    --------
    >>> pace = Pace(60)
    >>> pace.count(1 << 20)
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._began, self._bytes = time.monotonic(), 0

    def count(self, size: int) -> None:
        """Count bytes that arrived.

        Raises
        ------
        TimeoutError
            If fewer than :data:`SLOWEST` bytes a second arrived for as long as the time-out.
        """
        self._bytes += size
        elapsed = time.monotonic() - self._began
        if elapsed < self._timeout:
            return
        if self._bytes < SLOWEST * elapsed:
            raise TimeoutError(f"only {self._bytes:,} bytes in {elapsed:.0f} s")
        self._began, self._bytes = time.monotonic(), 0


class SinkFailed(Exception):
    """Carries the sink's own error past the handlers of network errors, whose type it may have."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Tap:
    """A sink that counts."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.count = 0

    def __call__(self, chunk: bytes) -> None:
        """Pass a chunk on."""
        try:
            self._sink(chunk)
        except BaseException as e:  # noqa: BLE001 raised again by SessionRemote.fetch, unchanged
            raise SinkFailed(e) from None
        self.count += len(chunk)


class NameTable:
    r"""File names as text, and the bytes that the server uses for them.

    A name is UTF-8 if its bytes are valid UTF-8, else Latin-1. If two names then look the same, the second is written
    with backslashes, and no inbox stores it.

    Examples
    --------
    >>> names = NameTable()
    >>> [names.text("in", name.encode(code)) for name, code in (("é", "latin-1"), ("ü", "utf-8"), ("é", "utf-8"))]
    ['é', 'ü', '\\xc3\\xa9']
    >>> names.raw("in/é"), names.raw("out/é")
    (b'in/\xe9', b'out/\xc3\xa9')
    """

    def __init__(self) -> None:
        self._raw: dict[str, bytes] = {}

    def text(self, folder: str, raw: bytes) -> str:
        """Return a name as text."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        path = join(folder.encode(), raw)
        if self._raw.setdefault(join(folder, text), path) != path:
            text = raw.decode("ascii", "backslashreplace")
            self._raw[join(folder, text)] = path
        return text

    def raw(self, path: str) -> bytes:
        """Return the bytes of a path."""
        return self._raw.get(path) or path.encode()


def no_folder(endpoint: Endpoint, folder: str) -> NotOnServer:
    """Return the error for a folder that cannot be listed, the same for both protocols.

    Examples
    --------
    >>> print(no_folder(SMT_SFTP, "intervaldat").next_step)
    Correct folders under [smt], or the name that you passed, or ask SMT for permission to enter 'intervaldat'.
    """
    return NotOnServer(
        f"{endpoint} has no folder {folder!r}, or the account may not enter it",
        next_step=f"Correct folders under [smt], or the name that you passed, or ask SMT for permission to enter "
        f"{folder!r}.",
    )


def join(folder: AnyStr, name: AnyStr) -> AnyStr:
    """Join a folder and a name; an empty folder is the one in which a session begins."""
    if isinstance(folder, bytes):
        return folder.rstrip(b"/") + b"/" + name if folder else name
    return folder.rstrip("/") + "/" + name if folder else name
