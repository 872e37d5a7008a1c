"""FTP over explicit TLS (RFC 4217) with a client certificate.

:mod:`ftplib` sends the commands and reads the replies. This module adds what it lacks. The data channel resumes the TLS
session of the control channel, which vsftpd, proftpd, FileZilla Server, and AWS Transfer require. The end of a file is
distinguished from the end of a broken connection, and the final reply is always read. Nothing is ever sent in clear
text, and no exchange lasts longer than its deadline, however slowly the server sends.
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

from greenkit import _files, _net, certificates
from greenkit.errors import (
    AccessRefused,
    CertificateRejected,
    IsAFolder,
    LimitError,
    LoginRejected,
    NotOnServer,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret
from greenkit.transfer._remote import (
    BACKOFF,
    SMT_FTPS,
    Endpoint,
    Pace,
    SessionRemote,
    Stat,
    Tap,
    log,
    no_folder,
    traced,
)

_CHUNK: Final = 1 << 18
_MOST_LINES: Final = 10_000  # lines of one reply
_MOST_NAMES: Final = 64 << 20  # bytes of one listing
UNKNOWN_COMMAND: Final = ("500", "501", "502", "504")
"""Replies to a command that the server does not support."""
_LOST: Final = ("421", "425", "522")  # closing; no data connection; TLS session not reused: a new session may succeed
# A 550 to a listing means an empty folder on some servers and a refusal on others; only its words show which.
_REFUSAL: Final = re.compile(r"denied|permission|not allowed|forbidden|privilege|not authorized|access", re.IGNORECASE)
_ADD_ADDRESS: Final = "Ask SMT whether the public IP address of this machine is on its list."


class NoDataConnection(ConnectionError):
    """The port for data cannot be reached, though the server's control port can."""

    def __init__(self, port: int, error: OSError) -> None:
        super().__init__(_cause(error))
        self.port = port


class FtpSession(ftplib.FTP_TLS):
    """:class:`ftplib.FTP_TLS` with what real servers need. Text is Latin-1, that is, bytes.

    Each reply, and each opening of a data channel, takes at most ``timeout`` seconds.
    """

    timeout: float

    def __init__(self, context: ssl.SSLContext, timeout: float, proxy: _net.Proxy | None = None) -> None:
        super().__init__(context=context, timeout=timeout, encoding="latin-1")
        self._proxy = proxy
        self._extended = True  # EPSV, until the server does not support it
        self._lines = 0
        self._mode = ""

    def begin(self, host: str, port: int) -> None:
        """Connect, read the greeting, and keep firewalls aware of the connection while a long file is transferred."""
        self.host, self.port = host, port
        self.sock = _net.connect(host, port, timeout=self.timeout, proxy=self._proxy)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def log_in(self, user: str, password: Secret) -> None:
        """Log in; errors are raised without the frames whose local variables contain the password."""
        fault: BaseException | None = None
        try:
            self.login(user, wire(password.reveal().encode()))
        except BaseException as e:  # noqa: BLE001 Ctrl-C too
            fault = _net.strip_traceback(e)
        if fault is not None:
            raise fault

    def mode(self, letter: str) -> None:
        """Set text (A) or binary (I) transfer, if it is not set."""
        if letter != self._mode:
            self.voidcmd(f"TYPE {letter}")
            self._mode = letter

    def putline(self, line: str) -> None:
        """Send a line."""
        log.debug("> %s", "PASS ***" if line.startswith("PASS ") else traced(line))
        super().putline(line)

    def getline(self) -> str:
        """Read a line; reject a greeting of another protocol, such as SSH or HTTP, and a reply that does not end."""
        line = super().getline()
        log.debug("< %s", traced(line))
        if self._lines == 0 and not re.match(r"\d\d\d", line):
            raise ftplib.error_proto(line)
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise ftplib.error_proto(f"a reply of more than {_MOST_LINES:,} lines")
        return line

    def getresp(self) -> str:
        """Read one reply within the time-out."""
        self._lines = 0
        with _net.Deadline(self.timeout):
            return super().getresp()

    def auth(self) -> str:
        """Negotiate TLS within the time-out."""
        with _net.Deadline(self.timeout):
            return super().auth()

    def makepasv(self) -> tuple[str, int]:
        """Ask for a data port: EPSV, which passes every NAT, then PASV, whose address is not trusted."""
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
            # a 550 here must not be read as the answer to the command that follows, "no such file"
            raise ftplib.error_temp(f"425 no data connection ({e})") from None

    def receive(self, command: str, sink: Callable[[bytes], object], offset: int = 0) -> tuple[bool, int | None]:
        """Receive the data of a command, and read its final reply.

        Returns
        -------
        clean : bool
            Whether the server announced the end of the data.
        size : int or None
            Size of the file, if the server announced it.

        Notes
        -----
        Bytes before ``offset`` are skipped here if the server cannot skip them.
        """
        with _net.Deadline(self.timeout):
            data, size, skip = self._start(command, offset)
        try:
            clean = _drain(data, sink, skip, Pace(self.timeout))
        except OSError:
            self._raise_last_reply(data)
            raise
        finally:
            data.close()
        self.voidresp()
        return clean, size

    def _start(self, command: str, offset: int) -> tuple[ssl.SSLSocket, int | None, int]:
        assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101 logged in
        host, port = self.makepasv()
        try:
            # through a proxy the peer is the proxy, so the server is named
            plain = _net.connect(self.host if self._proxy else host, port, timeout=self.timeout, proxy=self._proxy)
        except OSError as e:
            raise NoDataConnection(port, e) from None
        try:
            skip = offset if offset and not self._restart(offset) else 0
            reply = self.sendcmd(command)
            if reply.startswith("226"):  # there is nothing to list, and no connection for it
                raise ftplib.error_temp(f"450 {reply}")
            if reply[0] == "2":  # some servers send 200 before 150
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
            self._raise_last_reply(plain)
            raise

    def _raise_last_reply(self, data: socket.socket) -> None:
        """Raise the server's reply to an interrupted transfer, if there is one: 425 or 522 explain more."""
        data.close()
        with contextlib.suppress(OSError, EOFError), _net.Deadline(2.0):
            self.getresp()


def _drain(data: ssl.SSLSocket, sink: Callable[[bytes], object], skip: int, pace: Pace) -> bool:
    """Read to the end, and return whether close_notify announced it."""
    while True:
        try:
            chunk = data.recv(_CHUNK)
        except ssl.SSLEOFError:
            return False
        if not chunk:
            break
        pace.count(len(chunk))
        if skip:
            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
        if chunk:
            sink(chunk)
    with contextlib.suppress(OSError):
        data.settimeout(1.0)
        data.unwrap()
    return True


def wire(raw: bytes) -> str:
    """Return the text that ftplib, set to Latin-1, sends as these bytes."""
    return raw.decode("latin-1")


def code(e: Exception) -> str:
    """Return the three digits of a reply, or an empty string for an error that is not a reply."""
    return str(e)[:3] if isinstance(e, ftplib.Error) else ""


class FtpsRemote(SessionRemote[FtpSession]):
    """A file server that uses FTP over explicit TLS.

    Parameters
    ----------
    endpoint : Endpoint, optional
        Address of the server. Default: :data:`~greenkit.transfer.SMT_FTPS`.
    user : str
        User name.
    password : Secret
        Password of the user.
    certificate, key : path, optional
        Client certificate and its private key, PEM.
    key_password : Secret, optional
        Password of the private key.
    ca_file : path, optional
        Certificate authorities to trust. Default: those of the system.
    minimum_tls : str, optional
        Lowest version of TLS. Default: ``"1.2"``; use a lower one only for a server that supports nothing better.
    timeout : float, optional
        Seconds for the connection with the login, and then for each reply. Default: 60.
    backoff : float, optional
        Seconds before a new session replaces a lost one. Default: 2.
    proxy : str, optional
        HTTP proxy, ``http://HOST:PORT`` or ``http://USER@HOST:PORT``. Proxies of the environment are not used.
    proxy_password : Secret, optional
        Password of the proxy's user.

    Raises
    ------
    CertificateError
        If the client certificate or its key cannot be used.
    SettingsError
        If the user name is missing, or a value is not valid.

    Examples
    --------
    >>> with FtpsRemote(user="rep1", password=Secret.env("SMT_PASSWORD")) as remote:  # doctest: +SKIP
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
        proxy: str | None = None,
        proxy_password: Secret | None = None,
    ) -> None:
        password = Secret(password)  # the frame of an error contains no plain text
        super().__init__(
            endpoint, user=user, password=password, timeout=timeout, backoff=backoff, proxy=proxy,
            proxy_password=proxy_password,
        )  # fmt: skip
        if any(_has_line_break(text) for text in (Secret(user), password)):
            raise SettingsError(
                f"The user name or the password for {endpoint} contains a line break",
                next_step="Remove the line break where the user name or password is stored.",
            )
        self._certificate = certificate
        self._context = _net.tls_context(
            ca_file=ca_file, certificate=certificate, key=key, key_password=key_password, minimum_tls=minimum_tls
        )
        self._size: tuple[str, int | None] = ("", None)  # what stat returned last
        self._refused: set[str] = set()  # commands that the server refuses with 550 for files that exist

    # ── the four operations ──

    def stat(self, path: str) -> Stat:
        """Return size and time; see :class:`~greenkit.transfer.Remote`."""
        found = super().stat(path)
        self._size = path, found.size
        return found

    def _list(self, session: FtpSession, folder: str) -> list[str]:
        listing = bytearray()

        def gather(chunk: bytes) -> None:
            listing.extend(chunk)
            if len(listing) > _MOST_NAMES:
                raise LimitError(
                    f"The listing of {folder!r} on {self._endpoint} is longer than {_MOST_NAMES:,} bytes",
                    next_step="Ask SMT what the folder contains.",
                )

        line = self._line(folder)
        session.mode("A")
        try:
            clean, _ = session.receive(f"NLST {line}" if line else "NLST", gather)
        except (ftplib.error_perm, ftplib.error_temp) as e:
            # at the start it means an empty or a missing folder, depending on the server; later, a truncated listing
            if code(e) not in ("450", "550") or listing:
                raise
            if code(e) == "550" and _REFUSAL.search(str(e)):
                raise AccessRefused(
                    f"{self._endpoint} refuses to list {folder!r} ({self._words(e)})",
                    next_step="Ask SMT for read permission on the folder.",
                ) from None
            clean = True
        if not clean and listing and not listing.endswith(b"\n"):
            raise TransferError(
                f"The listing of {folder!r} on {self._endpoint} was interrupted", next_step="Try again later."
            )
        if not listing and folder:
            self._probe(session, folder)
        # a name may contain a line feed; the lines then end in CR LF
        lines = bytes(listing).split(b"\r\n" if b"\r\n" in listing else b"\n")
        bare = (_bare(name, folder.encode()) for name in lines)
        return [self._names.text(folder, name) for name in bare if name not in (b"", b".", b"..")]

    def _probe(self, session: FtpSession, folder: str) -> None:
        """Distinguish an empty folder from a missing one: vsftpd lists both alike."""
        # from a server that never grants CWD, a refusal means nothing
        if self._enter(session, folder) == "550":
            raise no_folder(self._endpoint, folder)

    def _is_folder(self, session: FtpSession, path: str) -> bool:
        return not self._enter(session, path)

    def _enter(self, session: FtpSession, folder: str) -> str:
        """Enter a folder and leave it again; return the code of a refusal, or an empty string."""
        home = session.pwd()
        try:
            session.voidcmd(f"CWD {self._line(folder)}")
        except ftplib.error_perm as e:
            return code(e)
        session.voidcmd(f"CWD {home}")
        return ""

    def _stat(self, session: FtpSession, path: str) -> Stat:
        session.mode("I")  # several servers report no SIZE in text mode
        proven = False  # that the file exists, by a listing
        answers = {"SIZE": "", "MDTM": ""}
        for command in [command for command in answers if command not in self._refused]:
            try:
                answers[command] = session.sendcmd(f"{command} {self._line(path)}")
            except ftplib.error_perm as e:
                if code(e) not in ("550", *UNKNOWN_COMMAND):
                    raise
                if code(e) != "550":
                    continue
                if not proven and not self._is_listed(session, path):
                    raise self._gone(path) from None
                # a server that refuses a command for a file that exists is not asked again: that costs a listing
                if not proven and self._is_folder(session, path):
                    break
                proven = True
                self._refused.add(command)
                session.mode("I")
        return Stat(_number(answers["SIZE"]), _instant(answers["MDTM"]))

    def _receive(self, session: FtpSession, path: str, tap: Tap, offset: int) -> None:
        """Receive a file.

        Many servers end the data connection without close_notify. greenkit accepts this as the end of the file only
        if the size agrees, or the server reports no size.
        """
        if offset:
            size = self._stat(session, path).size
            if size == offset:
                return  # servers answer REST to the very end in several ways
            if size is not None and offset > size:
                raise TransferError(
                    f"{path!r} now has {size:,} bytes, fewer than were already fetched",
                    next_step="No action is needed; greenkit fetches the file from its start.",
                )
        session.mode("I")
        try:
            clean, announced = session.receive(f"RETR {self._line(path)}", tap, offset)
        except ftplib.error_perm as e:
            if code(e) != "550" or tap.count:
                raise
            if not self._is_listed(session, path):
                raise self._gone(path) from None
            if self._is_folder(session, path):
                raise IsAFolder(f"{path!r} on {self._endpoint} is a folder", next_step="Name a file.") from None
            raise AccessRefused(
                f"{self._endpoint} lists {path!r} but refuses to send it ({self._words(e)})",
                next_step="Ask SMT for read permission.",
            ) from None
        size = self._size[1] if self._size[0] == path else announced
        if not clean and size is not None and offset + tap.count != size:
            raise TransferError(
                f"The connection was lost after {offset + tap.count:,} of {size:,} bytes of {path!r}",
                next_step="No action is needed; greenkit fetches the file again.",
            )
        if not clean:
            log.info("the data connection of %s ended without close_notify", traced(path))

    def _delete(self, session: FtpSession, path: str) -> None:
        try:
            session.voidcmd(f"DELE {self._line(path)}")
        except ftplib.error_perm as e:
            if code(e) == "550" and not self._is_listed(session, path):
                raise self._gone(path) from None
            raise AccessRefused(
                f"{self._endpoint} does not let this account delete {path!r} ({self._words(e)})",
                next_step="Ask SMT for delete permission.",
            ) from None

    def _is_listed(self, session: FtpSession, path: str) -> bool:
        """Distinguish "not there" from "not permitted", both 550, by the listing."""
        folder, _, name = path.rpartition("/")
        try:
            return name in self._list(session, folder)
        except FileNotFoundError:
            return False

    def _gone(self, path: str) -> NotOnServer:
        return NotOnServer(
            f"{self._endpoint} has no file {path!r}", next_step="List the folder to see the names of its files."
        )

    def _line(self, path: str) -> str:
        raw = self._names.raw(path)
        if b"\n" in raw or b"\r" in raw or b"\0" in raw:
            raise AccessRefused(
                f"The name {path!r} contains a line break, which FTP cannot send",
                next_step="Ask SMT to send the file under another name.",
            )
        return wire(raw)

    # ── the session ──

    def _connect(self) -> FtpSession:
        """Connect, negotiate TLS, log in, and protect the data channel, within one deadline."""
        if self._certificate is not None:
            certificates.check_dates(certificates.read(self._certificate))
        log.debug("connecting to %s as %s", self._endpoint, self._user)
        session = FtpSession(self._context, self._timeout, self._proxy)
        user = wire(self._user.encode())
        try:
            with _net.Deadline(self._timeout):
                where = self._endpoint
                self._step("greeting", session, lambda: session.begin(where.host, where.port), self._not_reached)
                self._step("TLS", session, session.auth, self._no_tls)
                self._step("login", session, lambda: session.log_in(user, self._password or Secret("")), self._no_login)
                self._step("data channel", session, session.prot_p, self._not_private)
        except BaseException:
            session.close()
            raise
        self.stage = ""
        return session

    def _step(
        self,
        stage: str,
        session: FtpSession,
        do: Callable[[], object],
        explain: Callable[[Any, FtpSession], RemoteError],
    ) -> None:
        self.stage = stage
        try:
            do()
        except RemoteError:
            raise  # of the proxy
        except self._ERRORS as e:
            if code(e) == "421":
                fault: RemoteError = ServerUnavailable(
                    f"{self._endpoint} accepts no new session now ({self._words(e)})", next_step="Try again later."
                )
            else:
                fault = explain(e, session)
            raise fault from None

    def _not_reached(self, e: Exception, session: FtpSession) -> RemoteError:
        where = self._endpoint
        if isinstance(e, ftplib.error_proto) and str(e).startswith("SSH-"):
            return RemoteError(f"{where} is an SSH server, not an FTP server", next_step='Set protocol = "sftp".')
        if isinstance(e, ftplib.Error):
            return RemoteError(
                f"{where} did not greet as an FTP server ({self._words(e)})", next_step="Check the host and the port."
            )
        if session.sock is None:
            return _net.connection_error(e, where, timeout=self._timeout, who="SMT", proxy=self._proxy)
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{where} accepted the connection but sent no complete greeting within {self._timeout:g} s",
                next_step="Check the port; a server for implicit TLS or a proxy does not greet.",
            )
        return ServerUnavailable(f"{where} closed the connection at once ({_cause(e)})", next_step=_ADD_ADDRESS)

    def _no_tls(self, e: Exception, session: FtpSession) -> RemoteError:
        if isinstance(e, ftplib.Error):
            return RemoteError(
                f"{self._endpoint} refuses TLS ({self._words(e)}), and greenkit sends nothing in clear text",
                next_step="Check the host and the port.",
            )
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{self._endpoint} did not finish the TLS handshake within {self._timeout:g} s",
                next_step="Try again later.",
            )
        return _net.tls_error(e, self._endpoint, who="SMT") or ServerUnavailable(
            f"{self._endpoint} ended the TLS handshake ({_cause(e)})",
            next_step="Ask SMT whether the client certificate is installed, and check whether a proxy intercepts TLS.",
        )

    def _no_login(self, e: Exception, session: FtpSession) -> RemoteError:
        """Explain a failed login; TLS 1.3 refuses a client certificate only here, by an alert or by hanging up."""
        if isinstance(e, ftplib.Error):
            return LoginRejected(
                f"{self._endpoint} refuses the user name or password ({self._words(e)}); greenkit does not try again",
                next_step="Check the user name and the password, and ask SMT whether the account is enabled.",
            )
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{self._endpoint} did not answer the login within {self._timeout:g} s", next_step="Try again later."
            )
        return _net.tls_error(e, self._endpoint, who="SMT") or CertificateRejected(
            f"{self._endpoint} closed the connection right after the TLS handshake ({_cause(e)}), as "
            "servers do if they do not accept the client certificate",
            next_step="Ask SMT whether the client certificate is installed."
            if self._certificate is not None
            else "Set certificate and certificate_key to the client certificate that is registered with SMT.",
        )

    def _not_private(self, e: Exception, session: FtpSession) -> RemoteError:
        if isinstance(e, TimeoutError):
            return ServerUnavailable(
                f"{self._endpoint} accepts the login but did not answer within {self._timeout:g} s",
                next_step="Try again later.",
            )
        reply = self._words(e) if isinstance(e, ftplib.Error) else _cause(e)
        return RemoteError(
            f"{self._endpoint} does not encrypt the data channel ({reply}), so greenkit fetches nothing",
            next_step="Ask SMT to allow PROT P.",
        )

    def _lost(self, error: Exception) -> bool:
        if isinstance(error, ftplib.Error):
            return code(error) in _LOST
        # an idle session ends in TLS errors of any kind, depending on how the server closes it
        left = isinstance(error, EOFError | ConnectionError | ssl.SSLError)
        return left and not isinstance(error, ssl.SSLCertVerificationError)

    def _explain(self, error: Exception, doing: str) -> RemoteError:
        if isinstance(error, ssl.SSLCertVerificationError):  # of the data channel
            found = _net.tls_error(error, self._endpoint, who="SMT")
            if found is not None:
                return found
        if isinstance(error, NoDataConnection):
            return ServerUnavailable(
                f"{self._endpoint}: Could not {doing}: the data connection to port {error.port} failed ({error})",
                next_step="Ask the administrator of your firewall to allow connections to the passive ports of "
                "the server.",
            )
        reply = self._words(error) if isinstance(error, ftplib.Error) else _cause(error)
        failed = f"{self._endpoint}: Could not {doing} ({reply})"
        refused = code(error) in ("530", "532", "553")  # not logged in, no account, name not allowed
        if doing.startswith("fetch") and not refused and code(error) != "421":
            return TransferError(failed, next_step="No action is needed; greenkit fetches the file again.")
        if code(error).startswith("4") or isinstance(error, OSError | EOFError):
            return ServerUnavailable(failed, next_step="Try again later.")
        if refused:
            return AccessRefused(failed, next_step="Ask SMT for permission.")
        return RemoteError(failed, next_step="Send this message to SMT support.")

    def _leave(self, session: FtpSession, *, politely: bool) -> None:
        with contextlib.suppress(*self._ERRORS), _net.Deadline(min(self._timeout, 2.0)):
            if politely and session.sock is not None:
                session.quit()
        with contextlib.suppress(*self._ERRORS):
            session.close()


def _has_line_break(text: Secret) -> bool:
    return any(c in "\r\n\0" for c in text.reveal())


def _bare(line: bytes, folder: bytes) -> bytes:
    """Remove the folder, which most servers put before each name."""
    line = line.removeprefix(b"./")
    inner = folder.strip(b"/")
    if inner and line.startswith(b"/"):  # the complete path from the server's root
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
    return getattr(e, "reason", None) or getattr(e, "strerror", None) or str(e) or type(e).__name__


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
