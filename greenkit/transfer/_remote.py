"""What a file server is to the rest of greenkit: names, stat, fetch, delete.

:class:`~greenkit.transfer._ftps.FtpsRemote` and :class:`~greenkit.transfer._sftp.SftpRemote` are the two there are.
Everything hard (inbox, ledger, decryption, deleting last) stands above this interface and knows neither.
"""

from __future__ import annotations

import abc
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import AnyStr, Final, Generic, Protocol, Self, TypeVar

from greenkit.errors import AccessRefused, RemoteError, ServerUnavailable
from greenkit.secret import Secret

Sink = Callable[[bytes], object]
"""Takes each chunk of a file in order; what it raises ends the transfer and is raised by ``fetch`` as it is."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a server says of a file; None where it cannot say.

    Parameters
    ----------
    size : int or None
        Bytes.
    modified : datetime or None
        In UTC.
    """

    size: int | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a file server is.

    Parameters
    ----------
    protocol : {"sftp", "ftps"}
        FTPS means explicit TLS (AUTH TLS on the plain port).
    host : str
        Its name; the certificate or host key must belong to it.
    port : int
        TCP port.
    folders : tuple of str
        Where it lays its files.
    """

    protocol: str
    host: str
    port: int
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


SMT_FOLDERS: Final = ("intervaldata", "adhocusage")
SMT_SFTP: Final = Endpoint("sftp", "ftp.smartmetertexas.biz", 22, SMT_FOLDERS)
"""Smart Meter Texas since 13 September 2025."""
SMT_FTPS: Final = Endpoint("ftps", "ftp.smartmetertexas.biz", 21, SMT_FOLDERS)
"""Smart Meter Texas before that, and where it still serves FTPS."""


class Remote(Protocol):
    """A file server. A method connects when that has not been done, and after a failure at its next call.

    It raises :class:`~greenkit.errors.RemoteError`, of which the subclass tells what to do next:
    ``ServerUnavailable`` (again later), ``TransferError`` (this file again), ``AccessRefused`` (the account has no
    right to it), and the three after which no other call will do better: ``LoginRejected``, ``HostRejected``,
    ``CertificateRejected``.
    """

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""

    def open(self) -> Self:
        """Connect and log in."""

    def close(self) -> None:
        """Leave; it can be opened again."""

    def names(self, folder: str) -> list[str]:
        """List what a folder holds: bare names, as the server has them, safe to store or not.

        Raises
        ------
        FileNotFoundError
            There is no such folder, or no right to enter it.
        """

    def stat(self, path: str) -> Stat:
        """Give size and time of a file.

        Raises
        ------
        FileNotFoundError
            It is not there.
        """

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Give the bytes of a file from ``offset`` to its end to ``sink``.

        When it returns, the server has said that it sent the whole. That it is the whole is proven by the size
        alone, which the caller compares: a server can close a cut file in good order.

        Raises
        ------
        FileNotFoundError
            It is not there.
        IsADirectoryError
            It is a folder: a server may list those among the files.
        TransferError
            It came cut; the bytes that came are right, and ``offset`` can take it up where it ended.
        """

    def delete(self, path: str) -> None:
        """Delete a file. It is never asked twice, since a new file may have taken the name.

        Raises
        ------
        FileNotFoundError
            It is not there.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


S = TypeVar("S")
T = TypeVar("T")

BACKOFF: Final = 2.0
"""Seconds before the one new attempt."""


class SessionRemote(abc.ABC, Generic[S]):
    """A remote that holds a session of kind ``S``; not to be used by two threads at once.

    After any failure that may have left the session out of step (the reply to one command would be read as the
    reply to the next), it is dropped; the next call opens a new one.
    """

    _ERRORS: tuple[type[Exception], ...]
    """What the protocol's library raises; anything else is the caller's own."""

    def __init__(self, endpoint: Endpoint, *, timeout: float, backoff: float) -> None:
        self._endpoint, self._timeout, self._backoff = endpoint, timeout, backoff
        self._session: S | None = None
        self._names = NameTable()

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return self._endpoint

    @abc.abstractmethod
    def _connect(self) -> S:
        """Connect and log in; raise RemoteError with the cause."""

    @abc.abstractmethod
    def _leave(self, session: S, *, politely: bool) -> None:
        """End a session; never raise, never take long."""

    @abc.abstractmethod
    def _lost(self, error: Exception) -> bool:
        """Tell whether a new session may do better at once."""

    @abc.abstractmethod
    def _explain(self, error: Exception, doing: str) -> RemoteError:
        """Say what went wrong."""

    def open(self) -> Self:
        """Connect and log in, when that has not been done."""
        self._run(lambda _: None, "connect")
        return self

    def close(self) -> None:
        """Leave; it can be opened again."""
        session, self._session = self._session, None
        if session is not None:
            self._leave(session, politely=True)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._leave(session, politely=False)

    def _run(self, do: Callable[[S], T], doing: str, *, again: Callable[[], bool] = lambda: True) -> T:
        """Do something in the session; once more in a new one where the old was lost and ``again`` allows it."""
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
                    raise self._explain(e, doing) from None
            except BaseException:
                self._drop()
                raise
            time.sleep(self._backoff)
        raise AssertionError("not reached")

    def _fetch(self, do: Callable[[S, Tap], None], path: str, sink: Sink) -> None:
        """Run a transfer; a new session takes it over only while the sink has been given nothing."""
        tap = Tap(sink)
        try:
            self._run(lambda session: do(session, tap), f"fetch {path!r}", again=lambda: tap.count == 0)
        except SinkFailed as e:
            raise e.error from None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint})"


def unreachable(endpoint: Endpoint, e: Exception, timeout: float) -> ServerUnavailable:
    """Say why no connection came about: the name, or else silence."""
    if isinstance(e, socket.gaierror):
        return ServerUnavailable(f"the name of {endpoint} is not known here: see the name, the network or the VPN")
    return ServerUnavailable(
        f"{endpoint} did not answer within {timeout:g} s: a firewall may drop it; is this machine's public address on "
        "SMT's list?"
    )


def words(e: Exception, secret: Secret | None) -> str:
    """Give a server's own words, cut short, in one line, and without the password if it repeats that."""
    text = str(e).replace(secret.reveal(), "***") if secret else str(e)
    return "".join(c if c.isprintable() else " " for c in text)[:120].strip(" :")


class SinkFailed(Exception):
    """Carries the sink's own error past the handlers of network errors, of which it may be one by its type."""

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
        except BaseException as e:  # noqa: BLE001 raised again by SessionRemote._fetch, as it is
            raise SinkFailed(e) from None
        self.count += len(chunk)


class NameTable:
    r"""File names as text, and back to the bytes that the server has.

    A name is UTF-8 where its bytes are that, else Latin-1. Of two names that look alike then, the second is written
    with backslashes, which no inbox stores.

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
        """Give the name as text."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        whole = join(folder.encode(), raw)
        if self._raw.setdefault(join(folder, text), whole) != whole:
            text = raw.decode("ascii", "backslashreplace")
            self._raw[join(folder, text)] = whole
        return text

    def raw(self, path: str) -> bytes:
        """Give the path's bytes."""
        return self._raw.get(path) or path.encode()


def join(folder: AnyStr, name: AnyStr) -> AnyStr:
    """Put a folder before a name; an empty folder is the one that a session begins in."""
    if isinstance(folder, bytes):
        return folder.rstrip(b"/") + b"/" + name if folder else name
    return folder.rstrip("/") + "/" + name if folder else name
