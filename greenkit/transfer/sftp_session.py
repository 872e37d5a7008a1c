"""One SFTP session: paramiko's client with what real servers need and paramiko leaves out."""

from __future__ import annotations

import socket
import stat
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from greenkit.errors import RemoteError
from greenkit.transfer.remote import Endpoint

_PIECE: Final = 1 << 15  # the most that every server gives for one request
_AHEAD: Final = 64  # requests under way at once, so that the distance to the server does not count
_KEEPALIVE: Final = 30
_MOST_NAMES: Final = 1_000_000


def connected(endpoint: Endpoint, timeout: float) -> socket.socket:
    """Connect; small requests go at once, where TCP else holds each back until the one before is acknowledged."""
    wire = socket.create_connection((endpoint.host, endpoint.port), timeout)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


@cache
def transport_class() -> Any:
    """Give paramiko's transport, but one that never asks on the terminal."""
    from paramiko import BadAuthenticationType, Transport

    # not its ServiceRequestingTransport, which loses a fast answer to a log-in and then waits for it (paramiko 5.1)
    class Silent(Transport):  # type: ignore[misc]
        def auth_interactive_dumb(self, *args: Any, **options: Any) -> Any:
            """Refuse a second factor that only a person has."""
            raise BadAuthenticationType("it asks for more", ["keyboard-interactive"])

    return Silent


class SftpSession:
    """A logged-in client and its SFTP channel."""

    def __init__(self, client: Any, timeout: float) -> None:
        from paramiko import SFTPClient

        self.client = client
        transport = client.get_transport()
        transport.set_keepalive(_KEEPALIVE)
        self.sftp: Any = SFTPClient.from_transport(transport)
        self.sftp.get_channel().settimeout(timeout)

    def pieces(self, file: Any, start: int, size: int) -> Iterator[bytes]:
        """Give an open file's bytes from ``start`` to its end, in order; ``size`` is a guess of where that is."""
        return _Ahead(self.sftp, file.handle).pieces(start, size)

    def files(self, folder: bytes) -> list[bytes]:
        """List a folder's files as bytes; paramiko's own listing fails as a whole on a name that is not UTF-8."""
        from paramiko import SFTPAttributes
        from paramiko.sftp import CMD_CLOSE, CMD_OPENDIR, CMD_READDIR

        _, answer = self.sftp._request(CMD_OPENDIR, folder)
        handle = answer.get_string()
        found: list[bytes] = []
        while len(found) < _MOST_NAMES:
            try:
                _, answer = self.sftp._request(CMD_READDIR, handle)
            except EOFError:
                # also what a lost connection raises, in which case this raises it again
                self.sftp._request(CMD_CLOSE, handle)
                return found
            count = answer.get_int()
            if not 0 < count <= _MOST_NAMES:
                raise RemoteError(f"the listing of {folder!r} makes no sense ({count} names at once): ask SMT")
            for _ in range(count):
                name, _long = answer.get_string(), answer.get_string()
                mode = SFTPAttributes._from_msg(answer).st_mode
                if name not in (b".", b"..") and (mode is None or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    found.append(name)
        raise RemoteError(f"the folder {folder!r} lists more than {_MOST_NAMES:,} names: ask SMT what they are")


class _Ahead:
    """Reads a file with many requests under way.

    paramiko's own prefetch does it in a thread, which sleeps between requests and gives up when the answers come
    faster than it asks. Here one thread asks, and hands each piece on in order as soon as it is there.
    """

    def __init__(self, sftp: Any, handle: bytes) -> None:
        self._sftp, self._handle = sftp, handle
        self._arrived: dict[int, bytes] = {}

    def pieces(self, start: int, size: int) -> Iterator[bytes]:
        """Give all from ``start`` to where the server says that it ends; ``size`` is its guess, and only a guide."""
        asked: deque[tuple[int, int, int]] = deque()
        place = start
        while True:
            # the request beyond the guess, one at a time, is how the end is found
            while len(asked) < _AHEAD and (place <= size or not asked):
                length = min(_PIECE, size - place) if place < size else _PIECE
                asked.append((self._ask(place, length), place, length))
                place += length
            number, begin, length = asked.popleft()
            piece = self._answer(number)
            if not piece:
                break
            yield piece
            if len(piece) < length:
                # the rest of it comes first, so what was asked for after it is asked for again
                for later, _, _ in asked:
                    self._answer(later)
                asked.clear()
                place = begin + len(piece)
        for later, _, _ in asked:
            self._answer(later)

    def _ask(self, place: int, length: int) -> int:
        from paramiko.sftp import CMD_READ, int64

        return int(self._sftp._async_request(self, CMD_READ, self._handle, int64(place), length))

    def _answer(self, number: int) -> bytes:
        while number not in self._arrived:
            self._sftp._read_response()
        return self._arrived.pop(number)

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Take an answer; paramiko calls this by name."""
        from paramiko.sftp import CMD_DATA

        if kind == CMD_DATA:
            self._arrived[number] = message.get_string()
            return
        try:
            self._sftp._convert_status(message)
        except EOFError:
            self._arrived[number] = b""
