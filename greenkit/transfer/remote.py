"""What a file server is to the rest of greenkit: names, stat, fetch, delete.

:class:`~greenkit.transfer.ftps.FtpsRemote` and :class:`~greenkit.transfer.sftp.SftpRemote` are the two there are.
Everything hard (inbox, ledger, decryption, deleting last) stands above this interface and knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, Self

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
