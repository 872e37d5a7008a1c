"""One FTP session inside TLS: :class:`ftplib.FTP_TLS` with what real servers need and ftplib leaves out."""

# ruff: noqa: S321 it is FTP inside TLS, which is what the rule asks for

from __future__ import annotations

import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

_CHUNK: Final = 1 << 18
_MOST_LINES: Final = 10_000  # lines of one reply
UNKNOWN_COMMAND: Final = ("500", "501", "502", "504")
"""Replies to a command that the server does not have."""


class FtpSession(ftplib.FTP_TLS):
    """:class:`ftplib.FTP_TLS` with what real servers need; text is Latin-1, that is, bytes."""

    def __init__(self, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(context=context, timeout=timeout, encoding="latin-1")
        self._extended = True  # EPSV, until the server does not know it
        self._lines = 0
        self._mode = ""

    def mode(self, letter: str) -> None:
        """Set text (A) or binary (I) transfer, where it is not set."""
        if letter != self._mode:
            self.voidcmd(f"TYPE {letter}")
            self._mode = letter

    def connect(self, host: str = "", port: int = 0, timeout: float = -999, source_address: Any = None) -> str:
        """Connect, and keep the connection known to firewalls while a long file goes over the other one."""
        welcome = super().connect(host, port, timeout, source_address)
        assert self.sock is not None  # noqa: S101 set by connect
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return welcome

    def getline(self) -> str:
        """Refuse a greeting that is none (of SSH, HTTP: ftplib would wait for its end) and a reply without an end."""
        line = super().getline()
        if self._lines == 0 and not re.match(r"\d\d\d", line):
            raise ftplib.error_proto(line)
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise ftplib.error_proto(f"a reply of more than {_MOST_LINES:,} lines")
        return line

    def getresp(self) -> str:
        """Read one reply."""
        self._lines = 0
        return super().getresp()

    def makepasv(self) -> tuple[str, int]:
        """Ask for a data port: EPSV, which passes every NAT, then PASV; the address in its answer is not believed."""
        assert self.sock is not None  # noqa: S101 connected
        if self._extended:
            try:
                return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())
            except ftplib.Error as e:
                if self.af != socket.AF_INET or code(e) == "421":
                    raise
                self._extended = False
        try:
            return self.sock.getpeername()[0], ftplib.parse227(self.sendcmd("PASV"))[1]
        except ftplib.error_perm as e:
            # a 550 here must not be taken for the answer to the command that follows, "no such file"
            raise ftplib.error_temp(f"425 no data connection ({e})") from None

    def receive(self, command: str, sink: Callable[[bytes], object], offset: int = 0) -> tuple[bool, int | None]:
        """Receive what a command sends, to its final reply; give whether the end was announced, and the size if said.

        Bytes before ``offset`` are passed over where the server cannot.
        """
        data, size, skip = self._start(command, offset)
        try:
            clean = _drain(data, sink, skip)
        except OSError:
            self._last_words(data)
            raise
        finally:
            data.close()
        self.voidresp()
        return clean, size

    def _start(self, command: str, offset: int) -> tuple[ssl.SSLSocket, int | None, int]:
        assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101 logged in
        host, port = self.makepasv()
        plain = socket.create_connection((host, port), self.timeout)
        try:
            skip = offset if offset and not self._restart(offset) else 0
            reply = self.sendcmd(command)
            if reply.startswith("226"):  # there is nothing to list, and no connection for it
                raise ftplib.error_temp(f"450 {reply}")
            if reply[0] == "2":  # some say 200 before 150
                reply = self.getresp()
            if reply[0] != "1":
                raise ftplib.error_reply(reply)
            return self._wrapped(plain), ftplib.parse150(reply) if reply.startswith("150") else None, skip
        except BaseException:
            plain.close()
            raise

    def _restart(self, offset: int) -> bool:
        try:
            self.sendcmd(f"REST {offset}")
        except ftplib.error_perm as e:
            if code(e) not in UNKNOWN_COMMAND:
                raise
            return False
        return True

    def _wrapped(self, plain: socket.socket) -> ssl.SSLSocket:
        assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101 logged in
        try:
            return self.context.wrap_socket(
                plain, server_hostname=self.host, session=self.sock.session, suppress_ragged_eofs=False
            )
        except OSError:
            self._last_words(plain)
            raise

    def _last_words(self, data: socket.socket) -> None:
        """Raise the server's reply to a transfer that broke, if there is one: 425 or 522 say more than the socket."""
        data.close()
        assert self.sock is not None  # noqa: S101 connected
        self.sock.settimeout(min(self.timeout or 2.0, 2.0))
        with contextlib.suppress(OSError, EOFError):
            self.getresp()


def _drain(data: ssl.SSLSocket, sink: Callable[[bytes], object], skip: int) -> bool:
    """Read to the end; give whether it was announced by close_notify."""
    while True:
        try:
            chunk = data.recv(_CHUNK)
        except ssl.SSLEOFError:
            return False
        if not chunk:
            break
        if skip:
            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
        if chunk:
            sink(chunk)
    with contextlib.suppress(OSError):
        data.settimeout(1.0)
        data.unwrap()
    return True


def wire(raw: bytes) -> str:
    """Give bytes as the text that ftplib, set to Latin-1, sends as these bytes."""
    return raw.decode("latin-1")


def code(e: Exception) -> str:
    """Give a reply's three digits; empty for an error that is no reply."""
    return str(e)[:3] if isinstance(e, ftplib.Error) else ""
