"""SFTP with paramiko: a key or a password, and a server whose host key is verified before anything is sent to it.

``known_hosts`` is read as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): several keys for a host, hashed
names, patterns, ``[host]:port``, ``@revoked``; host certificates (``@cert-authority``) are not supported.
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import hashlib
import hmac
import io
import logging
import re
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from greenkit import _files, _net, certificates
from greenkit.errors import (
    AccessRefused,
    CertificateError,
    HostRejected,
    IsAFolder,
    NotOnServer,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret
from greenkit.transfer._remote import (
    BACKOFF,
    SMT_SFTP,
    Endpoint,
    Pace,
    SessionRemote,
    Stat,
    Tap,
    log,
    no_folder,
    traced,
)

# ── facts ──

# a server has one host key of each type, and the fingerprint that a user was given may be of any
KEY_TYPES: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
_SIGNED_BY: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # by the type that known_hosts and keys name
_PIECE: Final = 1 << 15  # the most that every server sends for one request
_AHEAD: Final = 64  # requests in flight at once, so that a distant server takes no longer
_KEEPALIVE: Final = 30
_MOST_NAMES: Final = 1_000_000
_LOG: Final = "greenkit.transfer.ssh"  # paramiko writes here, with tracebacks

# ── host keys ──


def fingerprint(key: bytes) -> str:
    """Return the SHA-256 fingerprint of a public key, as ssh-keygen writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_fingerprint(text: str) -> bytes:
    """Read the SHA-256 of a host key, as ssh-keygen, WinSCP, FileZilla, or a mail writes it.

    Parameters
    ----------
    text : str
        ``SHA256:…`` with or without padding, the line that ``ssh-keygen -lf`` prints, WinSCP's
        ``ssh-ed25519 255 …=``, 64 hexadecimal digits, or the public key itself.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    SettingsError
        If the text contains no SHA-256 fingerprint; an MD5 fingerprint is not safe.

    Examples
    --------
    >>> read_fingerprint("256 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU me@here (ED25519)").hex()[:8]
    'e3b0c442'
    """
    digits = re.search(r"(?<![0-9a-f])(?:[0-9a-f]{2}[: ]?){31}[0-9a-f]{2}(?![0-9a-f])", text, re.IGNORECASE)
    if digits:
        return bytes.fromhex(re.sub(r"[: ]", "", digits[0]))
    key = re.search(r"(?<![A-Za-z0-9+/])AAAA[A-Za-z0-9+/]{40,}={0,2}", text)
    with contextlib.suppress(ValueError):
        if key:
            return hashlib.sha256(base64.b64decode(key[0], validate=True)).digest()
    found = re.search(r"(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{43})=?(?![A-Za-z0-9+/=])", text)
    with contextlib.suppress(ValueError):
        if found:
            return base64.b64decode(found[1] + "=", validate=True)
    raise SettingsError(
        f"host_key is {text!r}, but it must contain the SHA-256 fingerprint of a host key",
        next_step="Set host_key to SHA256:…, as ssh-keygen -lf prints it for the key that SMT sent you.",
    )


@dataclass(frozen=True)
class KnownHosts:
    """The keys of one server in a ``known_hosts`` file. Create it with :meth:`read`.

    Parameters
    ----------
    keys : tuple of (str, bytes)
        Type and public key of each accepted key.
    revoked : frozenset of bytes
        Public keys marked ``@revoked`` for this server.
    """

    keys: tuple[tuple[str, bytes], ...] = ()
    revoked: frozenset[bytes] = frozenset()

    @classmethod
    def read(cls, path: Path, host: str, port: int) -> KnownHosts:
        """Read the keys of a server; lines that are damaged or for other hosts are skipped.

        Raises
        ------
        SettingsError
            If the file exists and cannot be read.
        """
        try:
            lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines() if path.exists() else []
        except OSError as e:
            raise SettingsError(
                f"{path} cannot be read ({e.strerror})", next_step="Check the permissions of the file."
            ) from None
        found = cls._of(lines, host if port == 22 else f"[{host}]:{port}")
        # as OpenSSH does: a key that is known for the host is accepted on every port
        return found if found.keys or found.revoked or port == 22 else cls._of(lines, host)

    @classmethod
    def _of(cls, lines: Iterable[str], name: str) -> KnownHosts:
        keys: list[tuple[str, bytes]] = []
        revoked: set[bytes] = set()
        for line in lines:
            fields = line.split()
            marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
            if len(fields) < 3 or fields[0].startswith("#") or not _is_for(fields[0], name.lower()):
                continue
            try:
                key = base64.b64decode(fields[2], validate=True)
            except ValueError:
                log.info("skipping a damaged line of known_hosts for %s", name)
                continue
            if marker == "@revoked":
                revoked.add(key)
            elif not marker:
                keys.append((fields[1], key))
        return cls(tuple(keys), frozenset(revoked))


def _is_for(patterns: str, name: str) -> bool:
    """Return whether a line's first field names a host: hashed, or as patterns of which ``!`` excludes."""
    if patterns.startswith("|1|"):
        with contextlib.suppress(ValueError):
            _, _, salt, digest = patterns.split("|")
            made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
            return hmac.compare_digest(made, base64.b64decode(digest))
        return False
    matched = False
    for pattern in patterns.lower().split(","):
        # brackets are part of [host]:port, not a set of characters
        if fnmatch.fnmatchcase(name, pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


class OtherKey(Exception):
    """The host key is not the pinned one."""


class _Judge:
    """Accepts the host key that is pinned or known, and no other; paramiko calls it for each connection."""

    def __init__(self, endpoint: Endpoint, pin: bytes | None, known: KnownHosts, file: Path) -> None:
        self._endpoint, self._pin, self._known, self._file = endpoint, pin, known, file
        self.seen: list[str] = []

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Accept or reject a host key; paramiko calls this by name."""
        raw = key.asbytes()
        shown = fingerprint(raw)
        log.debug("the host key of %s is %s %s", self._endpoint, key.get_name(), shown)
        if self._pin is not None:
            if not hmac.compare_digest(hashlib.sha256(raw).digest(), self._pin):
                self.seen.append(shown)
                raise OtherKey
            return
        if raw in self._known.revoked:
            raise HostRejected(
                f"{self._endpoint} presented a host key ({shown}) that is marked @revoked in {self._file}",
                next_step="Ask SMT for its current host key. Do not continue until you know.",
            )
        if any(hmac.compare_digest(raw, known) for _, known in self._known.keys):
            return
        if self._known.keys:
            raise HostRejected(
                f"{self._endpoint} presented a different host key ({shown}) than {self._file} contains",
                next_step="Ask SMT whether the key changed. Do not continue until you know.",
            )
        raise HostRejected(
            f"{self._endpoint} is not in {self._file}; it presented {shown}",
            next_step="Compare the fingerprint with the one that SMT publishes, then set host_key to it.",
        )


# ── the user's key ──


def load_key(path: _files.StrPath, passphrase: Secret | None) -> Any:
    """Read a private SSH key for paramiko: OpenSSH, PKCS#1, or PKCS#8, with the certificate beside it, if any.

    Raises
    ------
    CertificateError
        If the file cannot be read or opened.
    """
    import paramiko
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = certificates.read_private_key(path, passphrase, "SSH key")
    types = {
        rsa.RSAPrivateKey: "RSAKey",
        ec.EllipticCurvePrivateKey: "ECDSAKey",
        ed25519.Ed25519PrivateKey: "Ed25519Key",
    }
    name = next((name for kind, name in types.items() if isinstance(private, kind)), None)
    if name is None:
        raise CertificateError(
            f"The SSH key {path} is of a type that SSH no longer supports",
            next_step="Make a new key with greenkit make-key ssh, and send its public key to SMT.",
        )
    text = io.StringIO(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
    key = getattr(paramiko, name).from_private_key(text)
    beside = Path(f"{path}-cert.pub").expanduser()
    if beside.exists():
        key.load_certificate(str(beside))
    return key


# ── a session ──


@cache
def transport_class() -> Any:
    """Return paramiko's transport, but one that never asks on the terminal."""
    from paramiko import BadAuthenticationType, Transport

    # not its ServiceRequestingTransport, which loses a fast answer to a login and then waits for it (paramiko 5.1)
    class Silent(Transport):  # type: ignore[misc]
        def auth_interactive_dumb(self, *args: Any, **options: Any) -> Any:
            """Refuse a second factor, which needs a user."""
            raise BadAuthenticationType("it asks for a second factor", ["keyboard-interactive"])

    return Silent


@cache
def _client_class() -> Any:
    from paramiko import SFTPClient

    class Timed(SFTPClient):  # type: ignore[misc]
        """paramiko's SFTP client with a deadline for each packet, however slowly it arrives."""

        def __init__(self, channel: Any, patience: float) -> None:
            self._patience, self._ends = patience, 0.0
            super().__init__(channel)

        def _read_packet(self) -> Any:
            self._ends = time.monotonic() + self._patience
            return super()._read_packet()

        def _read_all(self, n: int) -> bytes:
            data = b""
            while len(data) < n:
                left = self._ends - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the answer is not complete")
                self.sock.settimeout(left)
                piece = self.sock.recv(n - len(data))
                if not piece:
                    raise EOFError
                data += piece
            return data

    return Timed


class SftpSession:
    """A logged-in client and its SFTP channel."""

    def __init__(self, client: Any, timeout: float) -> None:
        self.client, self._timeout = client, timeout
        transport = client.get_transport()
        transport.set_keepalive(_KEEPALIVE)
        channel = transport.open_session(timeout=timeout)
        channel.settimeout(timeout)
        channel.invoke_subsystem("sftp")
        self.sftp: Any = _client_class()(channel, timeout)

    def pieces(self, file: Any, start: int, size: int) -> Iterator[bytes]:
        """Yield an open file's bytes from ``start`` to its end, in order; ``size`` is an estimate of the end."""
        return _Ahead(self.sftp, file.handle).pieces(start, size)

    def files(self, folder: bytes) -> list[bytes]:
        """List a folder's files as bytes; paramiko's own listing fails if one name is not UTF-8."""
        from paramiko import SFTPAttributes
        from paramiko.sftp import CMD_CLOSE, CMD_OPENDIR, CMD_READDIR

        pace = Pace(self._timeout)
        _, answer = self.sftp._request(CMD_OPENDIR, folder)
        handle = answer.get_string()
        found: list[bytes] = []
        while len(found) < _MOST_NAMES:
            try:
                _, answer = self.sftp._request(CMD_READDIR, handle)
            except EOFError:
                # a lost connection raises the same, in which case this raises it again
                self.sftp._request(CMD_CLOSE, handle)
                return found
            pace.count(1 << 16)  # answers are counted, not bytes: a packet has its own deadline
            count = answer.get_int()
            if not 0 < count <= _MOST_NAMES:
                raise RemoteError(
                    f"The listing of {folder.decode(errors='replace')!r} is not valid ({count} names at once)",
                    next_step="Send this message to SMT support.",
                )
            for _ in range(count):
                name, _long = answer.get_string(), answer.get_string()
                mode = SFTPAttributes._from_msg(answer).st_mode
                if name not in (b".", b"..") and (mode is None or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    found.append(name)
        raise RemoteError(
            f"The folder {folder.decode(errors='replace')!r} lists more than {_MOST_NAMES:,} names",
            next_step="Ask SMT what the folder contains.",
        )


class _Ahead:
    """Reads a file with many requests in flight.

    paramiko's own prefetch uses a second thread, which sleeps between requests and fails if the answers arrive faster
    than it sends them. This class sends the requests and yields each piece in order, in the caller's thread.
    """

    def __init__(self, sftp: Any, handle: bytes) -> None:
        self._sftp, self._handle = sftp, handle
        self._arrived: dict[int, bytes] = {}

    def pieces(self, start: int, size: int) -> Iterator[bytes]:
        """Yield everything from ``start`` to the end that the server reports; ``size`` is only an estimate."""
        # (number, offset, length) of each request in flight, in the order of the file
        asked: deque[tuple[int, int, int]] = deque()
        place = start
        while True:
            # a request beyond the estimate, one at a time, finds the end
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
                # the rest of this piece comes first, so what was requested after it is requested again
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
        """Store the answer to a request; paramiko calls this by name."""
        from paramiko.sftp import CMD_DATA

        if kind == CMD_DATA:
            self._arrived[number] = message.get_string()
            return
        try:
            self._sftp._convert_status(message)
        except EOFError:
            self._arrived[number] = b""


class SftpRemote(SessionRemote["SftpSession"]):
    """A file server that uses SFTP.

    The server's host key is verified with ``known_hosts`` or with a pinned fingerprint; an unknown server is refused.

    Parameters
    ----------
    endpoint : Endpoint, optional
        Address of the server. Default: :data:`~greenkit.transfer.SMT_SFTP`.
    user : str
        User name.
    password : Secret, optional
        Password of the user.
    key : path, optional
        Private SSH key: OpenSSH, PKCS#1, or PKCS#8.
    key_passphrase : Secret, optional
        Passphrase of the key.
    known_hosts : path, optional
        File of known host keys. Default: ``~/.ssh/known_hosts``.
    host_key : str, optional
        SHA-256 fingerprint of the server's host key in any usual form, in place of ``known_hosts``.
    timeout : float, optional
        Seconds for the connection with the login, and then for each answer. Default: 60.
    backoff : float, optional
        Seconds before a new session replaces a lost one. Default: 2.
    proxy : str, optional
        HTTP proxy, ``http://HOST:PORT`` or ``http://USER@HOST:PORT``. Proxies of the environment are not used.
    proxy_password : Secret, optional
        Password of the proxy's user.

    Raises
    ------
    SettingsError
        If there is neither a key nor a password, a value is not valid, or a file cannot be read.

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
        proxy: str | None = None,
        proxy_password: Secret | None = None,
    ) -> None:
        import paramiko

        password = Secret(password) if password else None  # the frame of an error contains no plain text
        super().__init__(
            endpoint, user=user, password=password, timeout=timeout, backoff=backoff, proxy=proxy,
            proxy_password=proxy_password,
        )  # fmt: skip
        if key is None and password is None:
            raise SettingsError(
                f"Neither a key nor a password is set for {endpoint}", next_step="Set ssh_key or password."
            )
        self._ERRORS = (OSError, EOFError, paramiko.SSHException)
        self._key = load_key(key, key_passphrase) if key is not None else None
        self._pin = read_fingerprint(host_key) if host_key else None
        self._known_hosts = Path(known_hosts) if known_hosts else Path("~/.ssh/known_hosts").expanduser()

    # ── the four operations ──

    def _list(self, session: SftpSession, folder: str) -> list[str]:
        log.debug("listing %s", traced(folder))
        try:
            with self._answers(session, folder):
                return [self._names.text(folder, raw) for raw in session.files(folder.encode() or b".")]
        except NotOnServer:
            raise no_folder(self._endpoint, folder) from None

    def _stat(self, session: SftpSession, path: str) -> Stat:
        with self._answers(session, path):
            found = session.sftp.stat(self._names.raw(path))
        log.debug("stat %s: %s bytes", traced(path), found.st_size)
        modified = None if found.st_mtime is None else datetime.fromtimestamp(found.st_mtime, UTC)
        return Stat(found.st_size, modified)

    def _receive(self, session: SftpSession, path: str, tap: Tap, offset: int) -> None:
        log.debug("fetching %s from byte %d", traced(path), offset)
        with self._answers(session, path):
            file = session.sftp.open(self._names.raw(path), "rb")
        attributes = file.stat()
        size = attributes.st_size
        if attributes.st_mode is not None and stat.S_ISDIR(attributes.st_mode):
            raise IsAFolder(f"{path!r} on {self._endpoint} is a folder", next_step="Name a file.")
        if size is not None and offset > size:
            raise TransferError(
                f"{path!r} now has {size:,} bytes, fewer than were already fetched",
                next_step="No action is needed; greenkit fetches the file from its start.",
            )
        pace = Pace(self._timeout)
        for piece in session.pieces(file, offset, size or 0):
            pace.count(len(piece))
            tap(piece)
        file._close(async_=True)  # nothing depends on the answer

    def _delete(self, session: SftpSession, path: str) -> None:
        log.debug("deleting %s", traced(path))
        with self._answers(session, path):
            session.sftp.remove(self._names.raw(path))

    @contextlib.contextmanager
    def _answers(self, session: SftpSession, path: str) -> Iterator[None]:
        """Distinguish the server's refusals (an error without a lost connection) from the network's errors."""
        try:
            yield
        except FileNotFoundError:
            raise NotOnServer(
                f"{self._endpoint} has no {path!r}", next_step="Check the name, or list the folder that contains it."
            ) from None
        except PermissionError:
            raise AccessRefused(
                f"{self._endpoint} does not let this account use {path!r}", next_step="Ask SMT for permission."
            ) from None
        except OSError as e:
            # paramiko's "failure" of the protocol is an OSError with a text alone, and so is "Socket is closed"
            if type(e) is OSError and e.errno is None and not session.sftp.get_channel().closed:
                raise AccessRefused(
                    f"{self._endpoint} refuses {path!r} ({self._words(e)})",
                    next_step="Check whether it is a file, and ask SMT for permission.",
                ) from None
            raise

    # ── the session ──

    def _connect(self) -> SftpSession:
        log.debug("connecting to %s as %s", self._endpoint, self._user)
        where = self._endpoint
        known = KnownHosts() if self._pin else KnownHosts.read(self._known_hosts, where.host, where.port)
        judge = _Judge(where, self._pin, known, self._known_hosts)
        no_algorithm = False
        for types in KEY_TYPES if self._pin else ((),):
            try:
                return self._attempt(judge, types, known)
            except OtherKey:
                continue
            except _NoAlgorithm:
                no_algorithm = True
        if no_algorithm and not judge.seen:
            raise RemoteError(
                f"{where} offers only host key algorithms that are no longer safe, such as ssh-rsa with SHA-1",
                next_step="Ask SMT to enable rsa-sha2-512 or ssh-ed25519.",
            )
        raise HostRejected(
            f"{where} presented a different host key ({', '.join(judge.seen) or 'of an unknown type'}) than the "
            "pinned one",
            next_step="Ask SMT whether the key changed. Do not continue until you know.",
        )

    def _attempt(self, judge: _Judge, types: tuple[str, ...], known: KnownHosts) -> SftpSession:
        """Connect, log in, and start SFTP, within one deadline."""
        import paramiko

        client = paramiko.SSHClient()
        # paramiko's thread logs each error with its traceback; this class raises it in one sentence
        client.set_log_channel(_LOG)
        logging.getLogger(_LOG).addHandler(logging.NullHandler())
        logging.getLogger(f"{_LOG}.sftp").setLevel(logging.WARNING)  # it would log names, and so ESI IDs
        client.set_missing_host_key_policy(judge)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            client.close()

        # paramiko limits each step, and some not at all; closing the connection ends all of them
        timer = threading.Timer(1.2 * self._timeout + 0.3, expire)  # after paramiko's own time-outs, which explain more
        timer.daemon = True
        timer.start()
        try:
            self.stage = "SSH"
            self._log_in(client, types, known)
            self.stage = "SFTP"
            session = self._begin(client)
        except (OtherKey, _NoAlgorithm):
            client.close()
            raise
        except BaseException as e:
            client.close()
            if expired.is_set() and isinstance(e, RemoteError):
                fault = ServerUnavailable(
                    f"{self._endpoint} did not finish connecting within {self._timeout:g} s",
                    next_step="Try again later.",
                )
                raise fault from None
            raise
        finally:
            timer.cancel()
        self.stage = ""
        return session

    def _log_in(self, client: Any, types: tuple[str, ...], known: KnownHosts) -> None:
        import paramiko

        sock = None
        fault: BaseException | None = None
        others = [name for names in KEY_TYPES for name in names if name not in types]
        try:
            sock = _net.connect(self._endpoint.host, self._endpoint.port, timeout=self._timeout, proxy=self._proxy)
            client.connect(
                self._endpoint.host,
                self._endpoint.port,
                self._user,
                sock=sock,
                password=self._password.reveal() if self._password else None,
                pkey=self._key,
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                channel_timeout=self._timeout,
                allow_agent=False,  # only the given key: others count as wrong attempts
                look_for_keys=False,
                disabled_algorithms={"keys": others} if types else None,
                transport_factory=_preferring([name for name, _ in known.keys]),
            )
        except (OtherKey, RemoteError) as e:
            fault = e
        except paramiko.IncompatiblePeer as e:
            # the server may have no key of this type, but one of another
            fault = _NoAlgorithm() if types and "host key" in str(e) else self._translated(e)
        except (OSError, EOFError, paramiko.SSHException) as e:
            fault = self._translated(e)
        except BaseException as e:  # noqa: BLE001 Ctrl-C, too, must not leave the frames with the password behind
            fault = _net.strip_traceback(e)
        if fault is not None:
            if sock is not None:
                sock.close()
            raise _net.strip_traceback(fault)

    def _translated(self, e: Exception) -> RemoteError:
        return _net.ssh_error(
            e,
            self._endpoint,
            timeout=self._timeout,
            given=" and ".join(["key"] * bool(self._key) + ["password"] * bool(self._password)),
            said=self._words(e),
            proxy=self._proxy,
        )

    def _begin(self, client: Any) -> SftpSession:
        try:
            return SftpSession(client, self._timeout)
        except self._ERRORS as e:
            if isinstance(e, TimeoutError) or "Timeout" in str(e):  # paramiko has no class for the channel's
                raise ServerUnavailable(
                    f"{self._endpoint} accepts the login but did not start SFTP within {self._timeout:g} s",
                    next_step="Try again later.",
                ) from None
            reply = self._words(e) or "it closed the connection"
            raise RemoteError(
                f"{self._endpoint} accepts the login but provides no SFTP ({reply})",
                next_step="Ask SMT to enable SFTP.",
            ) from None

    def _lost(self, error: Exception) -> bool:
        return not isinstance(error, TimeoutError)

    def _explain(self, error: Exception, doing: str) -> RemoteError:
        reply = (
            "no answer in time" if isinstance(error, TimeoutError) else self._words(error) or "it closed the connection"
        )
        failed = f"{self._endpoint}: Could not {doing} ({reply})"
        if doing.startswith("fetch"):
            return TransferError(failed, next_step="No action is needed; greenkit fetches the file again.")
        return ServerUnavailable(failed, next_step="Try again later.")

    def _leave(self, session: SftpSession, *, politely: bool) -> None:
        with contextlib.suppress(*self._ERRORS):
            session.client.close()


class _NoAlgorithm(Exception):
    """The server has no host key of the types that were offered."""


def _preferring(types: list[str]) -> Callable[..., Any]:
    """Make transports that ask for host keys of the known types first, as OpenSSH does."""

    def make(sock: socket.socket, **options: Any) -> Any:
        transport = transport_class()(sock, **options)
        security = transport.get_security_options()
        wanted = [name for known in types for name in _SIGNED_BY.get(known, (known,))]
        first = [name for name in security.key_types if name in wanted]
        security.key_types = tuple(first + [name for name in security.key_types if name not in first])
        return transport

    return make
