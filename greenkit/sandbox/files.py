"""The pretend file servers of Smart Meter Texas on loopback: FTPS with client certificates, and SFTP.

They are pyftpdlib's and asyncssh's servers (the extra ``greenkit[sandbox]``) with an account, a folder for each kind
of file, and switches to misbehave as real servers do, so that clients can be tried against that.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import io
import logging
import os
import socket
import struct
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from greenkit import _files, certificates
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret
from greenkit.transfer.ftps import FtpsRemote
from greenkit.transfer.remote import SMT_FOLDERS, Endpoint
from greenkit.transfer.sftp import SftpRemote

USER: Final = "sandbox"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER, 0 seconds: close() sends RST


@dataclass(frozen=True, slots=True)
class Faults:
    """How a server misbehaves; by default not at all.

    Parameters
    ----------
    rate : int
        Bytes of a file a second; 0 for as fast as it goes.
    cut : {"", "clean", "unannounced", "reset"}
        A file ends after ``after`` bytes: in good order, as if it were whole; by closing the connection; by
        resetting it. SFTP has one connection for all, so ``unannounced`` and ``reset`` end that.
    stall : bool
        A file stops after ``after`` bytes, and nothing more comes.
    after : int
        Bytes before ``cut`` or ``stall``.
    no_close_notify : bool
        FTPS: the data connection is closed without TLS's announcement, which is common.
    late_error : bool
        After all bytes of a file comes an error (FTPS: 451 in place of 226).
    lose_delete_reply : bool
        A file is deleted, and the connection broken before the answer.
    size_off : int
        Added to every size.
    no_size, no_time : bool
        The server cannot say the size (FTPS: no SIZE), the time (no MDTM).
    """

    rate: int = 0
    cut: str = ""
    stall: bool = False
    after: int = 100_000
    no_close_notify: bool = False
    late_error: bool = False
    lose_delete_reply: bool = False
    size_off: int = 0
    no_size: bool = False
    no_time: bool = False


class FileServer(abc.ABC):
    """A file server with one account, for a ``with`` block.

    Parameters
    ----------
    root : path, optional
        The folder that it serves; a temporary one when absent. SMT's folders are made in it.
    faults : Faults, optional
        How it misbehaves; :attr:`faults` may be set while it runs.
    """

    def __init__(self, root: _files.StrPath | None = None, *, faults: Faults | None = None) -> None:
        self._held = contextlib.ExitStack()
        self._given = root
        self.faults = faults or Faults()
        self.user = USER
        self.password = Secret(os.urandom(12).hex())
        self.commands: list[str] = []

    @property
    @abc.abstractmethod
    def endpoint(self) -> Endpoint:
        """Where it is."""

    @abc.abstractmethod
    def _start(self) -> None:
        """Serve in another thread; put on ``_held`` what ends that."""

    def put(self, path: str, data: bytes) -> Path:
        """Lay a file on the server, whole at once."""
        whole = self.root / path
        with _files.atomic(whole) as file:
            file.write(data)
        return whole

    def misbehave(self, **faults: Any) -> None:
        """Change some of the faults."""
        self.faults = replace(self.faults, **faults)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._held = stack
            root = self._given or stack.enter_context(tempfile.TemporaryDirectory(prefix="gk-"))
            self.root = Path(root).absolute()
            for folder in SMT_FOLDERS:
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            self._start()
            self._held = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()


class FtpsServer(FileServer):
    """FTP over explicit TLS, which demands a client certificate and encryption of control and data channel.

    Parameters
    ----------
    authority : Authority, optional
        Signs the server's certificate and those of its clients; one of its own when absent.

    Examples
    --------
    >>> with FtpsServer() as server:
    ...     _ = server.put("intervaldata/a.asc", b"hello")
    ...     with server.remote() as remote:
    ...         remote.names("intervaldata")
    ['a.asc']
    """

    def __init__(
        self,
        root: _files.StrPath | None = None,
        *,
        faults: Faults | None = None,
        authority: Authority | None = None,
    ) -> None:
        super().__init__(root, faults=faults)
        self._authority = authority

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint("ftps", "localhost", self._port, SMT_FOLDERS)

    @property
    def authority(self) -> Authority:
        """Who signed its certificate."""
        assert self._authority is not None  # noqa: S101 set when it started
        return self._authority

    def remote(self, **options: Any) -> FtpsRemote:
        """Give a remote that logs in to it; ``options`` replace what it is made with."""
        pair = self.pair
        given = {"user": self.user, "password": self.password, "certificate": pair.certificate, "key": pair.key}
        return FtpsRemote(self.endpoint, **{**given, "ca_file": self.authority.file, "backoff": 0.05, **options})

    def register(self, certificate: _files.StrPath) -> None:
        """Accept a client's own certificate, as SMT does with what is mailed to it."""
        from OpenSSL import crypto

        pem = certificates.public_pem(certificate)
        self._context.get_cert_store().add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, pem))

    def _start(self) -> None:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.ioloop import IOLoop
        from pyftpdlib.servers import FTPServer

        # else pyftpdlib sets up logging for the whole program
        logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())
        if self._authority is None:
            self._authority = self._held.enter_context(Authority())
        self.pair = self._authority.client("greenkit-sandbox-client", stem=f"ftps-client-{id(self)}")
        self._context = self._tls()
        authorizer = DummyAuthorizer()
        authorizer.add_user(self.user, self.password.reveal(), str(self.root), perm="elrd")
        server = FTPServer(("127.0.0.1", 0), _ftps_handler(self, authorizer, self._context), ioloop=IOLoop())
        self._port: int = server.address[1]
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                server.ioloop.loop(timeout=0.02, blocking=False)
            server.close_all()
            server.ioloop.close()

        thread = threading.Thread(target=serve, name="greenkit sandbox FTPS", daemon=True)
        thread.start()
        self._held.callback(thread.join)
        self._held.callback(ended.set)

    def _tls(self) -> Any:
        from OpenSSL import SSL

        pair = self.authority.server(stem=f"ftps-server-{id(self)}")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.use_certificate_chain_file(str(pair.certificate))
        context.use_privatekey_file(str(pair.key))
        context.load_verify_locations(str(self.authority.file))
        context.set_session_id(b"greenkit")  # without one no session with a client certificate is taken up again
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *seen: bool(seen[-1]))
        return context


def _ftps_handler(server: FtpsServer, authorizer_: Any, context: Any) -> Any:
    """Give the class that pyftpdlib makes an object of for each session; its settings are class attributes."""
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.log import logger

    class Files(AbstractedFS):  # type: ignore[misc]
        def open(self, filename: str, mode: str) -> Any:
            faults = server.faults
            return _Short(filename, faults.after) if faults.cut == "clean" else super().open(filename, mode)

        def getsize(self, path: str) -> int:
            return int(super().getsize(path)) + server.faults.size_off

    class Data(TLS_DTPHandler):  # type: ignore[misc]
        def send(self, data: bytes) -> int:
            faults = server.faults
            if faults.rate and self.cmd == "RETR":
                data = data[: max(faults.rate // 10, 1)]
                self.del_channel()
                self.ioloop.call_later(len(data) / faults.rate, self._go_on)
            if self.cmd != "RETR" or not (faults.stall or faults.cut in ("unannounced", "reset")):
                return int(super().send(data))
            left = faults.after - self.tot_bytes_sent
            if left > 0:
                return int(super().send(data[:left]))
            if faults.stall:
                self.del_channel()
                return 0
            if faults.cut == "reset":
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._resp = ("426 Connection closed; transfer aborted.", logger.debug)
            DTPHandler.close(self)
            return 0

        def _go_on(self) -> None:
            if not self._closed:
                self.add_channel(events=self.ioloop.WRITE)

        def close(self) -> None:
            if self.cmd == "RETR" and server.faults.late_error and self._resp:
                self._resp = ("451 Requested action aborted: error in reading.", self._resp[1])
            if server.faults.no_close_notify:
                DTPHandler.close(self)
            else:
                super().close()

    class Handler(TLS_FTPHandler):  # type: ignore[misc]
        authorizer, ssl_context = authorizer_, context
        abstracted_fs, dtp_handler = Files, Data
        tls_control_required = tls_data_required = True
        banner = "greenkit sandbox"
        max_login_attempts, auth_failed_timeout = 3, 0

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            server.commands.append(cmd if cmd == "PASS" else line)
            faults = server.faults
            if (cmd == "SIZE" and faults.no_size) or (cmd == "MDTM" and faults.no_time):
                self.respond(f'500 Command "{cmd}" not understood.')
            else:
                super().pre_process_command(line, cmd, arg)

        def ftp_DELE(self, path: str) -> Any:  # noqa: N802 pyftpdlib's name
            if not server.faults.lose_delete_reply:
                return super().ftp_DELE(path)
            self.fs.remove(path)
            FTPHandler.close(self)
            return None

    return Handler


class _Short(io.FileIO):
    """A file that ends early."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(path)
        self._most = most

    def read(self, size: int | None = -1) -> Any:
        left = max(self._most - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


class SftpServer(FileServer):
    """SFTP with a password, or with the keys that are registered.

    Examples
    --------
    >>> with SftpServer() as server, server.remote() as remote:
    ...     remote.names("adhocusage")
    []
    """

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint("sftp", "localhost", self._port, SMT_FOLDERS)

    def remote(self, **options: Any) -> SftpRemote:
        """Give a remote that logs in to it; ``options`` replace what it is made with."""
        given = {"user": self.user, "password": self.password, "host_key": self.host_key}
        return SftpRemote(self.endpoint, **{**given, "backoff": 0.05, **options})

    def register(self, public_key: str) -> None:
        """Accept a client's public SSH key, as SMT does with what is mailed to it."""
        self._keys.append(public_key.strip())

    def _start(self) -> None:
        self._keys: list[str] = []
        self._connections: list[Any] = []
        started: list[BaseException | None] = []
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        ended = asyncio.Event()

        async def serve() -> None:
            acceptor = await self._listen()
            ready.set()
            await ended.wait()
            acceptor.close()
            for connection in self._connections:
                connection.abort()
                await connection.wait_closed()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        def run() -> None:
            try:
                loop.run_until_complete(serve())
            except BaseException as e:  # noqa: BLE001 raised again in the thread that waits
                started.append(e)
            finally:
                ready.set()
                loop.close()

        thread = threading.Thread(target=run, name="greenkit sandbox SFTP", daemon=True)
        thread.start()
        self._held.callback(thread.join)
        ready.wait()
        if started and started[0]:
            raise started[0]
        self._held.callback(loop.call_soon_threadsafe, ended.set)

    async def _listen(self) -> Any:
        import asyncssh

        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = key.get_fingerprint()
        self.public_host_key = key.export_public_key().decode().strip()
        acceptor = await asyncssh.create_server(
            lambda: _ssh_account(self),
            "127.0.0.1",
            0,
            server_host_keys=[key],
            sftp_factory=lambda channel: _sftp_handler(self, channel),
        )
        self._port: int = acceptor.get_port()
        return acceptor


def _ssh_account(server: SftpServer) -> Any:
    import asyncssh

    class Account(asyncssh.SSHServer):
        def connection_made(self, conn: Any) -> None:
            server._connections.append(conn)

        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return username == server.user and Secret(password) == server.password

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: Any) -> bool:
            known = [asyncssh.import_public_key(line) for line in server._keys]
            return username == server.user and key in known

    return Account()


def _sftp_handler(server: SftpServer, channel: Any) -> Any:
    import asyncssh

    class Files(asyncssh.SFTPServer):
        def __init__(self) -> None:
            super().__init__(channel, chroot=os.fsencode(server.root))

        async def read(self, file_obj: Any, offset: int, size: int) -> Any:
            faults = server.faults
            if faults.rate:
                await asyncio.sleep(size / faults.rate)
            if offset + size > faults.after and (faults.cut or faults.stall):
                while server.faults.stall and not channel.is_closing():
                    await asyncio.sleep(0.02)
                if faults.cut != "clean":
                    self._break(reset=faults.cut == "reset")
                size = max(faults.after - offset, 0)
            data: Any = super().read(file_obj, offset, size)
            if faults.late_error and offset + len(data) >= os.fstat(file_obj.fileno()).st_size:
                raise asyncssh.SFTPFailure("error in reading")
            return data

        def remove(self, path: bytes) -> Any:
            done = super().remove(path)
            if server.faults.lose_delete_reply:
                self._break(reset=True)
            return done

        def stat(self, path: bytes) -> Any:
            return self._seen(super().stat(path))

        def fstat(self, file_obj: Any) -> Any:
            return self._seen(super().fstat(file_obj))

        def _seen(self, found: Any) -> Any:
            attrs, faults = asyncssh.SFTPAttrs.from_local(found), server.faults
            attrs.size = None if faults.no_size else found.st_size + faults.size_off
            if faults.no_time:
                attrs.atime = attrs.mtime = None
            return attrs

        def _break(self, *, reset: bool) -> None:
            if reset:
                wire = channel.get_extra_info("socket")
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            channel.get_connection().abort()

    return Files()
