"""The simulated SFTP server on loopback, with asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import Any

from greenkit.sandbox._file_server import RESET, FileServer
from greenkit.secret import Secret
from greenkit.transfer._remote import SMT_FOLDERS, Endpoint
from greenkit.transfer._sftp import SftpRemote


class SftpServer(FileServer):
    """An SFTP server with a password, or with registered keys.

    Examples
    --------
    >>> with SftpServer() as server, server.remote() as remote:
    ...     remote.names("adhocusage")
    []
    """

    @property
    def endpoint(self) -> Endpoint:
        """Address of the server."""
        return Endpoint("sftp", "localhost", self._port, SMT_FOLDERS)

    def remote(self, **options: Any) -> SftpRemote:
        """Return a remote that logs in to this server; ``options`` replace its arguments."""
        given = {"user": self.user, "password": self.password, "host_key": self.host_key}
        return SftpRemote(self.endpoint, **{**given, "backoff": 0.05, **options})

    def register(self, public_key: str) -> None:
        """Register a public SSH key, as SMT does with keys that it receives by e-mail."""
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

        def end() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(ended.set)

        self._end_with(thread, end)
        thread.start()
        ready.wait()
        if started and started[0]:
            raise started[0]

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
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            channel.get_connection().abort()

    return Files()
