"""SFTP with paramiko: a key or a password, and a server that is known before anything is sent to it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from greenkit import _files
from greenkit.errors import (
    AccessRefused,
    HostRejected,
    LoginRejected,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret
from greenkit.transfer.remote import SMT_SFTP, Endpoint, Sink, Stat
from greenkit.transfer.session import BACKOFF, SessionRemote, Tap, unreachable, words
from greenkit.transfer.sftp_session import SftpSession, connected, transport_class
from greenkit.transfer.ssh_keys import KEY_KINDS, OtherKey, Pinned, Unknown, fingerprint, fingerprint_bytes, load_key

_LOG: Final = "greenkit.transfer.sftp.paramiko"


class SftpRemote(SessionRemote["SftpSession"]):
    """A file server that speaks SFTP.

    The server is verified against ``known_hosts`` or against a pinned fingerprint; an unknown one is refused.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is; :data:`~greenkit.transfer.remote.SMT_SFTP` when absent.
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
        """List the files of a folder; see :class:`~greenkit.transfer.remote.Remote`."""
        return self._run(lambda session: self._list(session, folder), f"list {folder!r}")

    def stat(self, path: str) -> Stat:
        """Give size and time; see :class:`~greenkit.transfer.remote.Remote`."""
        return self._run(lambda session: self._stat(session, path), f"ask for {path!r}")

    def fetch(self, path: str, sink: Sink, offset: int = 0) -> None:
        """Give a file's bytes to ``sink``; see :class:`~greenkit.transfer.remote.Remote`."""
        self._fetch(lambda session, tap: self._receive(session, path, tap, offset), path, sink)

    def delete(self, path: str) -> None:
        """Delete a file; see :class:`~greenkit.transfer.remote.Remote`."""
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
