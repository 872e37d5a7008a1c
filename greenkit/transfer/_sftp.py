"""SFTP with paramiko: a key or a password, and a server that is known before anything is sent to it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import logging
import socket
import stat
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from greenkit import _files
from greenkit.errors import (
    AccessRefused,
    CertificateError,
    HostRejected,
    LoginRejected,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret
from greenkit.transfer._remote import BACKOFF, SMT_SFTP, Endpoint, SessionRemote, Sink, Stat, Tap, unreachable, words

# a server has one host key of each kind, and the fingerprint that one was given may be of any
KEY_KINDS: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


class OtherKey(Exception):
    """The host key is not the pinned one."""


class Pinned:
    """Accepts one host key."""

    def __init__(self, pin: bytes, seen: list[str]) -> None:
        self._pin, self._seen = pin, seen

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Judge a key; paramiko calls this by name."""
        if not hmac.compare_digest(hashlib.sha256(key.asbytes()).digest(), self._pin):
            self._seen.append(fingerprint(key))
            raise OtherKey


class Unknown:
    """Accepts no host key."""

    def __init__(self, endpoint: Endpoint, file: Path) -> None:
        self._endpoint, self._file = endpoint, file

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Judge a key; paramiko calls this by name."""
        raise HostRejected(
            f"{self._endpoint} is not in {self._file}; it shows {fingerprint(key)}: compare that with what SMT says, "
            "then pin it as host_key="
        )


def fingerprint(key: Any) -> str:
    """Write it as ssh-keygen does."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def fingerprint_bytes(text: str) -> bytes:
    """Read what :func:`fingerprint` writes; SettingsError when it is none."""
    try:
        pin = base64.b64decode(text.removeprefix("SHA256:").rstrip("=") + "=", validate=True)
    except ValueError:
        pin = b""
    if len(pin) != 32 or not text.startswith("SHA256:"):
        raise SettingsError(f"{text!r} is no fingerprint of a host key: give SHA256:… as ssh-keygen -lf writes it")
    return pin


def load_key(path: _files.StrPath, passphrase: Secret | None) -> Any:
    """Open a private key's file; CertificateError says why it cannot be."""
    import paramiko

    try:
        return paramiko.PKey.from_path(Path(path).expanduser(), passphrase.reveal().encode() if passphrase else None)
    except OSError as e:
        raise CertificateError(f"the SSH key {path} cannot be read ({e.strerror}): name the right file") from None
    except (paramiko.PasswordRequiredException, TypeError):
        raise CertificateError(f"the SSH key {path} is encrypted: give its passphrase") from None
    except (paramiko.SSHException, ValueError):
        fault = "its passphrase is wrong, or it is damaged" if passphrase else "it is no private key"
        raise CertificateError(f"the SSH key {path} cannot be used: {fault}") from None


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


_LOG: Final = "greenkit.transfer._sftp.paramiko"


class SftpRemote(SessionRemote["SftpSession"]):
    """A file server that speaks SFTP.

    The server is verified against ``known_hosts`` or against a pinned fingerprint; an unknown one is refused.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is; :data:`~greenkit.transfer._remote.SMT_SFTP` when absent.
    user : str
        Account.
    password : Secret, optional
        Of the account.
    key : path, optional
        The private SSH key.
    key_passphrase : Secret, optional
        Of the key's file.
    known_hosts : path, optional
        The user's own ``~/.ssh/known_hosts`` when absent.
    host_key : str, optional
        The server's fingerprint, ``SHA256:…``, as ``ssh-keygen -lf`` writes it; used in place of ``known_hosts``.
    timeout : float, optional
        Seconds that the connection and each answer may take.
    backoff : float, optional
        Seconds before the one new attempt after a lost session.

    Raises
    ------
    SettingsError
        Neither key nor password, a fingerprint that is none, or a file that cannot be read.

    Examples
    --------
    >>> with SftpRemote(user="rep1", key="smt_ssh_key", host_key="SHA256:…") as remote:  # doctest: +SKIP
    ...     remote.names("intervaldata")
    """

    _ERRORS: tuple[type[Exception], ...] = (OSError, EOFError)

    def __init__(
        self,
        endpoint: Endpoint = SMT_SFTP,
        *,
        user: str,
        password: Secret | None = None,
        key: _files.StrPath | None = None,
        key_passphrase: Secret | None = None,
        known_hosts: _files.StrPath | None = None,
        host_key: str | None = None,
        timeout: float = 60.0,
        backoff: float = BACKOFF,
    ) -> None:
        import paramiko

        super().__init__(endpoint, timeout=timeout, backoff=backoff)
        if not user:
            raise SettingsError(f"there is no user name for {endpoint}: give the one that you got from SMT")
        if key is None and not password:
            raise SettingsError(f"there is neither a key nor a password for {endpoint}: give key= or password=")
        self._ERRORS = (OSError, EOFError, paramiko.SSHException)
        self._user, self._password = user, Secret(password) if password else None
        self._key = load_key(key, key_passphrase) if key is not None else None
        self._pin = fingerprint_bytes(host_key) if host_key else None
        self._known_hosts = Path(known_hosts) if known_hosts else Path("~/.ssh/known_hosts").expanduser()

    # ── the four questions ──

    def names(self, folder: str) -> list[str]:
        """List the files of a folder; see :class:`~greenkit.transfer._remote.Remote`."""
        return self._run(lambda session: self._list(session, folder), f"list {folder!r}")

    def stat(self, path: str) -> Stat:
        """Give size and time; see :class:`~greenkit.transfer._remote.Remote`."""
        return self._run(lambda session: self._stat(session, path), f"ask for {path!r}")

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Give a file's bytes to ``sink``; see :class:`~greenkit.transfer._remote.Remote`."""
        self._fetch(lambda session, tap: self._receive(session, path, tap, offset), path, sink)

    def delete(self, path: str) -> None:
        """Delete a file; see :class:`~greenkit.transfer._remote.Remote`."""
        self._run(lambda session: self._delete(session, path), f"delete {path!r}", again=lambda: False)

    def _list(self, session: SftpSession, folder: str) -> list[str]:
        with self._answers(session, folder):
            return [self._names.text(folder, raw) for raw in session.files(folder.encode() or b".")]

    def _stat(self, session: SftpSession, path: str) -> Stat:
        with self._answers(session, path):
            found = session.sftp.stat(self._names.raw(path))
        modified = None if found.st_mtime is None else datetime.fromtimestamp(found.st_mtime, UTC)
        return Stat(found.st_size, modified)

    def _receive(self, session: SftpSession, path: str, tap: Tap, offset: int) -> None:
        with self._answers(session, path):
            file = session.sftp.open(self._names.raw(path), "rb")
        size = file.stat().st_size
        if size is not None and offset > size:
            raise TransferError(f"{path!r} now has {size:,} bytes, fewer than were fetched: it is fetched anew")
        for piece in session.pieces(file, offset, size or 0):
            tap(piece)
        file._close(async_=True)  # nothing depends on the answer

    def _delete(self, session: SftpSession, path: str) -> None:
        with self._answers(session, path):
            session.sftp.remove(self._names.raw(path))

    @contextlib.contextmanager
    def _answers(self, session: SftpSession, path: str) -> Iterator[None]:
        """Tell the server's refusals (an error without a lost connection) from the network's errors."""
        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(f"{self._endpoint} has no {path!r}") from None
        except PermissionError:
            raise AccessRefused(
                f"{self._endpoint} does not let this account use {path!r}: ask SMT for the right"
            ) from None
        except OSError as e:
            # paramiko's "failure" of the protocol is an OSError with a text alone, and so is "Socket is closed"
            if type(e) is OSError and e.errno is None and not session.sftp.get_channel().closed:
                raise AccessRefused(f"{self._endpoint} refuses {path!r} ({self._words(e)}): see what it is") from None
            raise

    # ── the session ──

    def _connect(self) -> SftpSession:
        kinds = KEY_KINDS if self._pin else ((),)
        seen: list[str] = []
        for kind in kinds:
            client = self._client(seen)
            try:
                self._log_in(client, kind)
                return self._begin(client)
            except OtherKey:
                client.close()
            except BaseException:
                client.close()
                raise
        raise HostRejected(
            f"{self._endpoint} shows another host key ({', '.join(seen) or 'of an unknown kind'}) than the "
            "one that was pinned: ask SMT whether it changed, and do not go on before you know"
        )

    def _client(self, seen: list[str]) -> Any:
        import paramiko

        client = paramiko.SSHClient()
        # its thread logs with tracebacks what is raised here in one sentence
        client.set_log_channel(_LOG)
        logging.getLogger(_LOG).addHandler(logging.NullHandler())
        if self._pin:
            client.set_missing_host_key_policy(Pinned(self._pin, seen))
            return client
        client.set_missing_host_key_policy(Unknown(self._endpoint, self._known_hosts))
        if self._known_hosts.exists():
            try:
                client.load_system_host_keys(str(self._known_hosts))
            except (OSError, UnicodeDecodeError, paramiko.SSHException) as e:
                raise SettingsError(f"{self._known_hosts} cannot be read ({type(e).__name__}): mend it") from None
        return client

    def _log_in(self, client: Any, kind: tuple[str, ...]) -> None:
        import paramiko

        others = [name for names in KEY_KINDS for name in names if name not in kind]
        try:
            client.connect(
                self._endpoint.host,
                self._endpoint.port,
                self._user,
                sock=connected(self._endpoint, self._timeout),
                password=self._password.reveal() if self._password else None,
                pkey=self._key,
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                channel_timeout=self._timeout,
                allow_agent=False,  # only what was given: others' keys count as wrong attempts
                look_for_keys=False,
                disabled_algorithms={"keys": others} if kind else None,
                transport_factory=transport_class(),
            )
        except paramiko.BadHostKeyException as e:
            raise HostRejected(
                f"{self._endpoint} shows another host key ({fingerprint(e.key)}) than {self._known_hosts} holds: "
                "ask SMT whether it changed, and do not go on before you know"
            ) from None
        except paramiko.IncompatiblePeer as e:
            if kind and "host key" in str(e):
                raise OtherKey from None  # the server has no key of this kind
            raise RemoteError(
                f"{self._endpoint} and this machine find no common SSH ({self._words(e)}): ask SMT what it speaks"
            ) from None
        except paramiko.AuthenticationException as e:
            raise LoginRejected(self._refused(e)) from None
        except (socket.gaierror, OSError, EOFError, paramiko.SSHException) as e:
            raise self._not_reached(e) from None

    def _begin(self, client: Any) -> SftpSession:
        try:
            return SftpSession(client, self._timeout)
        except self._ERRORS as e:
            said = self._words(e) or "it hung up"
            raise RemoteError(
                f"{self._endpoint} lets the account log in, but gives it no SFTP ({said}): ask SMT to enable it"
            ) from None

    def _refused(self, e: Exception) -> str:
        given = " and ".join(["key"] * bool(self._key) + ["password"] * bool(self._password))
        takes = getattr(e, "allowed_types", None)
        hint = f" (it takes {', '.join(takes)})" if takes else ""
        return f"{self._endpoint} refuses the user name or its {given}{hint}, and it is not tried again: check both"

    def _not_reached(self, e: Exception) -> RemoteError:
        where = self._endpoint
        if isinstance(e, socket.gaierror | TimeoutError):
            return unreachable(where, e, self._timeout)
        if "banner" in str(e) or "No existing session" in str(e):  # the latter when its own time-out came first
            return ServerUnavailable(
                f"{where} did not greet as an SSH server: see the port; is this address on SMT's list?"
            )
        if isinstance(e, OSError | EOFError):
            return ServerUnavailable(f"{where} refuses or closes connections: see the port, or try again later")
        return ServerUnavailable(f"{where} could not be connected to ({self._words(e)}): try again later")

    def _lost(self, error: Exception) -> bool:
        return not isinstance(error, TimeoutError)

    def _explain(self, error: Exception, doing: str) -> RemoteError:
        said = "no answer in time" if isinstance(error, TimeoutError) else self._words(error) or "it hung up"
        if doing.startswith("fetch"):
            return TransferError(f"{self._endpoint}: could not {doing} to its end ({said}): it is fetched again")
        return ServerUnavailable(f"{self._endpoint}: could not {doing} ({said}): try again later")

    def _words(self, e: Exception) -> str:
        return words(e, self._password)

    def _leave(self, session: SftpSession, *, politely: bool) -> None:
        with contextlib.suppress(*self._ERRORS):
            session.client.close()
