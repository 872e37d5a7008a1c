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
    """Give a stack that is closed with its block, or with the program: later its threads stand still, and none ends."""
    with contextlib.ExitStack() as held:
        held.callback(atexit.unregister, held.close)
        atexit.register(held.close)
        yield held


class Server:
    """Take a port at once, and serve on it once the application is known.

    Attributes
    ----------
    port : int
        Of 127.0.0.1.
    """

    def __init__(self) -> None:
        self._server = _QuietServer(("127.0.0.1", 0), _not_yet, numthreads=8, timeout=5, shutdown_timeout=1)
        # its workers are daemons as the thread that begins them is, so that a program that forgets them can end
        beginning = threading.Thread(target=self._server.prepare, daemon=True)
        beginning.start()
        beginning.join()
        self.port = int(self._server.bind_addr[1])

    def tls(self, authority: Authority, pair: Pair) -> None:
        """Serve over TLS; a client's certificate is asked for, and checked when one is shown."""
        # with a chain named it does not read the system's authorities, which takes longer than all else here
        adapter = BuiltinSSLAdapter(str(pair.certificate), str(pair.key), str(authority.file))
        context = authority.server_context(pair)
        # optional, so that a client without one gets the answer that a utility gives
        context.verify_mode = ssl.CERT_OPTIONAL
        adapter.context = context
        self._server.ssl_adapter = adapter

    def serve(self, application: Callable[..., Any]) -> None:
        """Begin."""
        self._server.wsgi_app = application
        threading.Thread(target=self._server.serve, daemon=True).start()

    def close(self) -> None:
        """Stop, and free the port."""
        self._server.stop()


def _not_yet(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return []


class _Connection(cheroot.server.HTTPConnection):
    def close(self) -> None:
        """Close the writer too: cheroot leaves it to be collected, and since Python 3.13 its failing is printed."""
        with contextlib.suppress(OSError, ValueError):
            self.wfile.close()
        super().close()


class _QuietServer(cheroot.wsgi.Server):
    ConnectionClass = _Connection
    expiration_interval = 0.01  # how soon it sees that it has to stop [s]

    def error_log(self, *args: Any, **kwargs: Any) -> None:
        """Write nothing: a refused handshake is not worth a traceback."""
