"""FTP over explicit TLS (RFC 4217) with a client certificate.

:mod:`ftplib` does the dialogue. What it leaves out is here: the data channel takes up the control channel's TLS
session, which vsftpd, proftpd, FileZilla Server and AWS Transfer demand; the end of a file is told from the end of a
broken connection; the final reply is always read; nothing is ever sent in clear text.
"""

# ruff: noqa: S321 it is FTP inside TLS, which is what the rule asks for

from __future__ import annotations

import contextlib
import ftplib
import re
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from greenkit import _files
from greenkit.errors import (
    AccessRefused,
    CertificateRejected,
    LimitError,
    LoginRejected,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret
from greenkit.transfer._remote import BACKOFF, SMT_FTPS, Endpoint, SessionRemote, Sink, Stat, Tap, unreachable, words
from greenkit.transfer._tls import handshake_error, tls_context

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


_MOST_NAMES: Final = 64 << 20  # bytes of one listing
_LOST: Final = ("421", "425", "522")  # closing; no data connection; TLS session not reused: a new session may do


class FtpsRemote(SessionRemote[FtpSession]):
    """A file server that speaks FTP over explicit TLS.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is; :data:`~greenkit.transfer._remote.SMT_FTPS` when absent.
    user : str
        Account.
    password : Secret
        Of the account.
    certificate, key : path, optional
        The client's certificate and key, PEM.
    key_password : Secret, optional
        Of the key's file.
    ca_file : path, optional
        Authorities to trust in place of the system's.
    minimum_tls : str, optional
        ``"1.2"``; lower only for a server that has nothing better.
    timeout : float, optional
        Seconds that the connection and each answer may take.
    backoff : float, optional
        Seconds before the one new attempt after a lost session.

    Raises
    ------
    CertificateError
        The client's certificate or key is not usable.

    Examples
    --------
    >>> with FtpsRemote(  # doctest: +SKIP
    ...     user="rep1", password=Secret.env("SMT_PASSWORD"), certificate="client.crt.pem", key="client.key.pem"
    ... ) as remote:
    ...     remote.names("intervaldata")
    """

    _ERRORS = (OSError, EOFError, ftplib.Error)

    def __init__(
        self,
        endpoint: Endpoint = SMT_FTPS,
        *,
        user: str,
        password: Secret,
        certificate: _files.StrPath | None = None,
        key: _files.StrPath | None = None,
        key_password: Secret | None = None,
        ca_file: _files.StrPath | None = None,
        minimum_tls: str = "1.2",
        timeout: float = 60.0,
        backoff: float = BACKOFF,
    ) -> None:
        super().__init__(endpoint, timeout=timeout, backoff=backoff)
        if not user:
            raise SettingsError(f"there is no user name for {endpoint}: give the one that you got from SMT")
        if any(c in "\r\n\0" for c in user + password.reveal()):
            raise SettingsError(f"the user name or password for {endpoint} holds a line break: give it without")
        self._user, self._password = user, Secret(password)
        self._context = tls_context(
            ca_file=ca_file, certificate=certificate, key=key, key_password=key_password, minimum_tls=minimum_tls
        )
        self._size: tuple[str, int | None] = ("", None)  # what stat said last

    # ── the four questions ──

    def names(self, folder: str) -> list[str]:
        """List a folder; see :class:`~greenkit.transfer._remote.Remote`."""
        return self._run(lambda session: self._list(session, folder), f"list {folder!r}")

    def stat(self, path: str) -> Stat:
        """Give size and time; see :class:`~greenkit.transfer._remote.Remote`."""
        found = self._run(lambda session: self._stat(session, path), f"ask for {path!r}")
        self._size = path, found.size
        return found

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Give a file's bytes to ``sink``; see :class:`~greenkit.transfer._remote.Remote`.

        A connection that ends without saying so (no close_notify, as many servers do) is taken for the end only
        where that agrees with the size, or the server gives none.
        """
        self._fetch(lambda session, tap: self._receive(session, path, tap, offset), path, sink)

    def delete(self, path: str) -> None:
        """Delete a file; see :class:`~greenkit.transfer._remote.Remote`."""
        self._run(lambda session: self._delete(session, path), f"delete {path!r}", again=lambda: False)

    def _list(self, session: FtpSession, folder: str) -> list[str]:
        listing = bytearray()

        def gather(chunk: bytes) -> None:
            listing.extend(chunk)
            if len(listing) > _MOST_NAMES:
                raise LimitError(f"the listing of {folder!r} on {self._endpoint} is longer than {_MOST_NAMES:,} bytes")

        line = self._line(folder)
        session.mode("A")
        try:
            clean, _ = session.receive(f"NLST {line}" if line else "NLST", gather)
        except (ftplib.error_perm, ftplib.error_temp) as e:
            # at the start it means an empty or a missing folder, according to the server; later the listing is cut
            if code(e) not in ("450", "550") or listing:
                raise
            clean = True
        if not clean and listing and not listing.endswith(b"\n"):
            raise TransferError(f"the listing of {folder!r} on {self._endpoint} came cut: ask again")
        if not listing and folder:
            self._probe(session, folder)
        # a name may hold a line feed; the lines then end in CR LF
        lines = bytes(listing).split(b"\r\n" if b"\r\n" in listing else b"\n")
        bare = (_bare(name, folder.encode()) for name in lines)
        return [self._names.text(folder, name) for name in bare if name not in (b"", b".", b"..")]

    def _probe(self, session: FtpSession, folder: str) -> None:
        """Tell an empty folder from one that is not there: vsftpd lists both alike."""
        # a server that does not grant CWD at all tells nothing by it
        if self._enter(session, folder) == "550":
            raise FileNotFoundError(
                f"{self._endpoint} has no folder {folder!r}, or the account may not enter it: see its name"
            )

    def _is_folder(self, session: FtpSession, path: str) -> bool:
        return not self._enter(session, path)

    def _enter(self, session: FtpSession, folder: str) -> str:
        """Enter a folder and leave it again; give the code of the refusal, empty when there was none."""
        home = session.pwd()
        try:
            session.voidcmd(f"CWD {self._line(folder)}")
        except ftplib.error_perm as e:
            return code(e)
        session.voidcmd(f"CWD {home}")
        return ""

    def _stat(self, session: FtpSession, path: str) -> Stat:
        session.mode("I")  # several servers give no SIZE in text mode
        size = self._ask(session, "SIZE", path)
        modified = self._ask(session, "MDTM", path)
        return Stat(_number(size), _instant(modified))

    def _ask(self, session: FtpSession, command: str, path: str) -> str:
        """Give the answer, empty where the server does not know the command; FileNotFoundError without the file."""
        try:
            return session.sendcmd(f"{command} {self._line(path)}")
        except ftplib.error_perm as e:
            if code(e) == "550" and not self._is_listed(session, path):
                raise self._gone(path) from None
            if code(e) not in ("550", *UNKNOWN_COMMAND):
                raise
        return ""

    def _receive(self, session: FtpSession, path: str, tap: Tap, offset: int) -> None:
        if offset:
            size = self._stat(session, path).size
            if size == offset:
                return  # servers answer REST to the very end in several ways
            if size is not None and offset > size:
                raise TransferError(f"{path!r} now has {size:,} bytes, fewer than were fetched: it is fetched anew")
        session.mode("I")
        try:
            clean, said = session.receive(f"RETR {self._line(path)}", tap, offset)
        except ftplib.error_perm as e:
            if code(e) != "550" or tap.count:
                raise
            if not self._is_listed(session, path):
                raise self._gone(path) from None
            if self._is_folder(session, path):
                raise IsADirectoryError(f"{path!r} on {self._endpoint} is a folder") from None
            raise AccessRefused(
                f"{self._endpoint} lists {path!r}, but does not give it ({self._words(e)}): ask SMT for the right"
            ) from None
        size = self._size[1] if self._size[0] == path else said
        if not clean and size is not None and offset + tap.count != size:
            raise TransferError(
                f"{path!r} came cut: {offset + tap.count:,} of {size:,} bytes, and then the connection broke: "
                "it is fetched again"
            )

    def _delete(self, session: FtpSession, path: str) -> None:
        try:
            session.voidcmd(f"DELE {self._line(path)}")
        except ftplib.error_perm as e:
            if code(e) == "550" and not self._is_listed(session, path):
                raise self._gone(path) from None
            raise AccessRefused(
                f"{self._endpoint} does not let this account delete {path!r} ({self._words(e)}): ask SMT for the right"
            ) from None

    def _is_listed(self, session: FtpSession, path: str) -> bool:
        """Tell what a 550 means, "not there" or "you may not": the listing knows."""
        folder, _, name = path.rpartition("/")
        try:
            return name in self._list(session, folder)
        except FileNotFoundError:
            return False

    def _gone(self, path: str) -> FileNotFoundError:
        return FileNotFoundError(f"{self._endpoint} has no file {path!r}")

    def _line(self, path: str) -> str:
        raw = self._names.raw(path)
        if b"\n" in raw or b"\r" in raw or b"\0" in raw:
            raise AccessRefused(f"{path!r} holds a line break, with which FTP cannot ask for it")
        return wire(raw)

    # ── the session ──

    def _connect(self) -> FtpSession:
        """Connect, TLS, log in, private data channel; each step's failure means something else."""
        session = FtpSession(self._context, self._timeout)
        user, password = (wire(text.encode()) for text in (self._user, self._password.reveal()))
        try:
            self._step(session, lambda: session.connect(self._endpoint.host, self._endpoint.port), self._not_reached)
            self._step(session, session.auth, self._no_tls)
            self._step(session, lambda: session.login(user, password), self._no_login)
            self._step(session, session.prot_p, self._not_private)
        except BaseException:
            session.close()
            raise
        return session

    def _step(
        self, session: FtpSession, do: Callable[[], object], explain: Callable[[Any, FtpSession], RemoteError]
    ) -> None:
        try:
            do()
        except self._ERRORS as e:
            if code(e) == "421":
                raise ServerUnavailable(
                    f"{self._endpoint} takes no new session now ({self._words(e)}): try again later"
                ) from None
            raise explain(e, session) from None

    def _not_reached(self, e: Exception, session: FtpSession) -> RemoteError:
        where = self._endpoint
        if isinstance(e, socket.gaierror) or (isinstance(e, TimeoutError) and session.sock is None):
            return unreachable(where, e, self._timeout)
        if isinstance(e, ConnectionRefusedError):
            return ServerUnavailable(f"{where} refuses connections: see the port, or try again later")
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{where} took the connection but did not greet within {self._timeout:g} s: see the port"
            )
        if isinstance(e, ftplib.error_proto) and str(e).startswith("SSH-"):
            return RemoteError(f"{where} speaks SSH, not FTP: use SFTP there")
        if isinstance(e, ftplib.Error):
            return RemoteError(f"{where} does not greet as an FTP server ({self._words(e)}): see host and port")
        return ServerUnavailable(f"{where} closed the connection at once ({_cause(e)}): is this address on SMT's list?")

    def _no_tls(self, e: Exception, session: FtpSession) -> RemoteError:
        if isinstance(e, ftplib.Error):
            return RemoteError(
                f"{self._endpoint} refuses TLS ({self._words(e)}), and nothing is sent in clear text: see host and port"
            )
        return handshake_error(self._endpoint, e) or ServerUnavailable(
            f"{self._endpoint} broke off the TLS handshake ({_cause(e)}): a proxy may stand in between, "
            "or it does not accept the client certificate"
        )

    def _no_login(self, e: Exception, session: FtpSession) -> RemoteError:
        """TLS 1.3 refuses a client's certificate only here, after the handshake, by an alert or by hanging up."""
        if isinstance(e, ftplib.Error):
            return LoginRejected(
                f"{self._endpoint} refuses the user name or password ({self._words(e)}), and it is not tried again: "
                "check both"
            )
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{self._endpoint} did not answer the log-in within {self._timeout:g} s: try later"
            )
        return handshake_error(self._endpoint, e) or CertificateRejected(
            f"{self._endpoint} hung up right after the TLS handshake ({_cause(e)}): most often it does not accept the "
            "client certificate; has SMT installed it?"
        )

    def _not_private(self, e: Exception, session: FtpSession) -> RemoteError:
        said = self._words(e) if isinstance(e, ftplib.Error) else _cause(e)
        return RemoteError(
            f"{self._endpoint} does not encrypt the data channel ({said}), so nothing is fetched: ask SMT to allow it"
        )

    def _lost(self, error: Exception) -> bool:
        if isinstance(error, ftplib.Error):
            return code(error) in _LOST
        # an idle session ends in TLS errors of any kind, according to how clumsily the server leaves
        left = isinstance(error, EOFError | ConnectionError | ssl.SSLError)
        return left and not isinstance(error, ssl.SSLCertVerificationError)

    def _explain(self, error: Exception, doing: str) -> RemoteError:
        if isinstance(error, ssl.SSLCertVerificationError) and (found := handshake_error(self._endpoint, error)):
            return found  # of the data channel
        said = self._words(error) if isinstance(error, ftplib.Error) else _cause(error)
        if code(error) == "421" or (isinstance(error, OSError | EOFError) and not doing.startswith("fetch")):
            return ServerUnavailable(f"{self._endpoint}: could not {doing} ({said}): try again later")
        if code(error).startswith("53"):
            return AccessRefused(f"{self._endpoint}: could not {doing} ({said}): ask SMT for the right")
        if doing.startswith("fetch"):
            return TransferError(f"{self._endpoint}: could not {doing} to its end ({said}): it is fetched again")
        return RemoteError(f"{self._endpoint}: could not {doing} ({said}): try again later, or ask SMT what it means")

    def _words(self, e: Exception) -> str:
        return words(e, self._password)

    def _leave(self, session: FtpSession, *, politely: bool) -> None:
        with contextlib.suppress(*self._ERRORS):
            if politely and session.sock is not None:
                session.sock.settimeout(min(self._timeout, 2.0))
                session.quit()
        with contextlib.suppress(*self._ERRORS):
            session.close()


def _bare(line: bytes, folder: bytes) -> bytes:
    """Take the folder off, which most servers put before each name."""
    line = line.removeprefix(b"./")
    inner = folder.strip(b"/")
    if inner and line.startswith(b"/"):  # the whole way from the server's root
        return line.partition(b"/" + inner + b"/")[2] or line
    for prefix in (inner + b"/", inner + b"\\"):
        if inner and line.startswith(prefix):
            return line[len(prefix) :]
    return line


def _cause(e: Exception) -> str:
    if isinstance(e, TimeoutError):
        return "no answer in time"
    if isinstance(e, EOFError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the connection was closed"
    return getattr(e, "reason", None) or getattr(e, "strerror", None) or type(e).__name__


def _number(reply: str) -> int | None:
    found = re.match(r"213 +(\d{1,18})\s*$", reply)
    return int(found[1]) if found else None


def _instant(reply: str) -> datetime | None:
    """Read ``213 YYYYMMDDhhmmss[.sss]`` (RFC 3659, 3.1)."""
    found = re.match(r"213 +(\d{14})", reply)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
