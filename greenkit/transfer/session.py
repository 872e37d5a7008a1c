"""What both remotes share: one session at a time, which is replaced when it was lost, and names as text."""

from __future__ import annotations

import abc
import socket
import time
from collections.abc import Callable
from typing import AnyStr, Final, Generic, Self, TypeVar

from greenkit.errors import AccessRefused, RemoteError, ServerUnavailable
from greenkit.secret import Secret
from greenkit.transfer.remote import Endpoint, Sink

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
