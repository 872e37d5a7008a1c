"""A WSGI server on a free port of 127.0.0.1, with TLS that shows who the client is."""

from __future__ import annotations

import atexit
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import cheroot.server
import cheroot.wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from greenkit.certificates import Pair
from greenkit.sandbox.authority import Authority


@contextlib.contextmanager
def until_exit() -> Iterator[contextlib.ExitStack]:
    """Yield an ExitStack that is closed at the end of the block or at interpreter exit, while threads still run."""
    with contextlib.ExitStack() as held:
        held.callback(atexit.unregister, held.close)
        atexit.register(held.close)
        yield held


class Server:
    """A server that takes a port at once, and serves when the application is known.

    Attributes
    ----------
    port : int
        Port on 127.0.0.1.
    """

    def __init__(self) -> None:
        self._server = _QuietServer(("127.0.0.1", 0), _not_yet, numthreads=8, timeout=5, shutdown_timeout=1)
        # Workers inherit the daemon flag of the thread that starts them, so that a program can end without close().
        beginning = threading.Thread(target=self._server.prepare, daemon=True)
        beginning.start()
        beginning.join()
        self.port = int(self._server.bind_addr[1])

    def tls(self, authority: Authority, pair: Pair) -> None:
        """Serve over TLS. A client certificate is optional, and verified if the client has one."""
        # With a chain, the adapter does not load the system CAs, which is the slowest step here.
        adapter = BuiltinSSLAdapter(str(pair.certificate), str(pair.key), str(authority.file))
        context = authority.server_context(pair)
        # optional, so that a client without a certificate gets the answer of a utility
        context.verify_mode = ssl.CERT_OPTIONAL
        adapter.context = context
        self._server.ssl_adapter = adapter

    def serve(self, application: Callable[..., Any]) -> None:
        """Start the server with an application."""
        self._server.wsgi_app = application
        threading.Thread(target=self._server.serve, daemon=True).start()

    def close(self) -> None:
        """Stop the server and release the port."""
        self._server.stop()


def _not_yet(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return []


class _Connection(cheroot.server.HTTPConnection):
    def close(self) -> None:
        """Close the writer too. cheroot leaves it to the garbage collector, and Python 3.13 prints its failure."""
        with contextlib.suppress(OSError, ValueError):
            self.wfile.close()
        super().close()


class _QuietServer(cheroot.wsgi.Server):
    ConnectionClass = _Connection
    expiration_interval = 0.01  # interval [s] in which the server checks whether to stop

    def error_log(self, *args: Any, **kwargs: Any) -> None:
        """Write nothing, so that a refused handshake prints no traceback."""
