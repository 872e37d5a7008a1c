"""The simulated FTPS server on loopback, with pyftpdlib."""

from __future__ import annotations

import io
import logging
import socket
import threading
from typing import Any

from greenkit import _files, certificates
from greenkit.sandbox._file_server import RESET, Faults, FileServer
from greenkit.sandbox.authority import Authority
from greenkit.transfer._ftps import FtpsRemote
from greenkit.transfer._remote import SMT_FOLDERS, Endpoint


class FtpsServer(FileServer):
    """An FTPS server (explicit TLS) that requires a client certificate and encrypted control and data channels.

    Parameters
    ----------
    authority : Authority, optional
        CA of the certificates of the server and its clients. Default: a new one.

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
        """Address of the server."""
        return Endpoint("ftps", "localhost", self._port, SMT_FOLDERS)

    @property
    def authority(self) -> Authority:
        """CA of the server certificate."""
        assert self._authority is not None  # noqa: S101 set when the server starts
        return self._authority

    def remote(self, **options: Any) -> FtpsRemote:
        """Return a remote that logs in to this server; ``options`` replace its arguments."""
        pair = self.pair
        given = {"user": self.user, "password": self.password, "certificate": pair.certificate, "key": pair.key}
        return FtpsRemote(self.endpoint, **{**given, "ca_file": self.authority.file, "backoff": 0.05, **options})

    def register(self, certificate: _files.StrPath) -> None:
        """Register a client certificate, as SMT does with certificates that it receives by e-mail."""
        from OpenSSL import crypto

        pem = certificates.public_pem(certificate)
        self._context.get_cert_store().add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, pem))

    def _start(self) -> None:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.ioloop import IOLoop
        from pyftpdlib.servers import FTPServer

        # otherwise pyftpdlib configures logging for the program
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
        self._end_with(thread, ended.set)
        thread.start()

    def _tls(self) -> Any:
        from OpenSSL import SSL

        pair = self.authority.server(stem=f"ftps-server-{id(self)}")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.use_certificate_chain_file(str(pair.certificate))
        context.use_privatekey_file(str(pair.key))
        context.load_verify_locations(str(self.authority.file))
        context.set_session_id(b"greenkit")  # without an ID, a session with a client certificate cannot be resumed
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *seen: bool(seen[-1]))
        return context


def _ftps_handler(server: FtpsServer, authorizer_: Any, context: Any) -> Any:
    """Return the class of the sessions of pyftpdlib, whose settings are class attributes."""
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
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
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
        received = 0

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            server.commands.append(cmd if cmd == "PASS" else line)
            faults = server.faults
            self.received += 1
            if faults.hang_up_after and self.received > faults.hang_up_after:
                FTPHandler.close(self)
            elif (cmd == "SIZE" and faults.no_size) or (cmd == "MDTM" and faults.no_time):
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
    """A file that ends early, as one of the deliberate failures."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(path)
        self._most = most

    def read(self, size: int | None = -1) -> Any:
        left = max(self._most - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))
