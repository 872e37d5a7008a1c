"""Notifications: what a utility posts when data are ready, and a listener for those who can receive it.

Anybody can post to the registered address: nothing is signed. So a notification is only ever a hint of what to ask
for. It is bounded in size and count, has no DOCTYPE, and each address in it has to be one of the utility's resources
(:func:`greenkit.custodian._transport.checked_url`) before a single request is made.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from greenkit.errors import FormatError, GreenkitError, LimitError

LONGEST: Final = 1 << 20
"""Largest notification [bytes]."""
MOST: Final = 1000
"""A notification that names more resources than this is refused."""
WAITING: Final = 100
"""So many notifications are kept until they are taken; later ones are refused with 503, so they are sent again."""


@dataclass(frozen=True)
class BatchList:
    """The resources that a notification names, each once, in its order; none of them checked yet."""

    uris: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.uris)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uris)


def parse(data: bytes) -> BatchList:
    """Read a notification's body.

    Raises
    ------
    FormatError
        It is no XML, or no BatchList.
    LimitError
        It is too big, has a DOCTYPE, or names too many resources.

    Examples
    --------
    >>> body = b'<BatchList xmlns="http://naesb.org/espi"><resources>https://api.pge.com/x</resources></BatchList>'
    >>> parse(body)
    BatchList()
    >>> len(parse(body))
    1
    """
    from lxml import etree

    _bounded(len(data))
    # PG&E puts a backslash and an n, two characters, after the prolog
    data = data.strip().replace(b"?>\\n", b"?>\n", 1)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root, line = etree.fromstring(data, parser), None
    except (etree.XMLSyntaxError, ValueError) as e:
        root, line = None, getattr(e, "lineno", None)
    if root is None:
        raise FormatError("the notification is not XML: see what the utility sent", line=line)
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise LimitError("the notification has a DOCTYPE, which no BatchList has, so it is refused: see who sent it")
    # Savage Data wraps it in an Atom feed; older ESPI says resource
    lists = list(root.iter("{*}BatchList"))
    if not lists:
        raise FormatError("the notification is no BatchList: see what the utility sent")
    uris = [(e.text or "").strip() for one in lists for e in one.iter("{*}resources", "{*}resource")]
    if len(uris) > MOST:
        raise LimitError(f"the notification names more than {MOST:,} resources, so it is refused: see who sent it")
    return BatchList(tuple(dict.fromkeys(u for u in uris if u)))


class Listener:
    """Receive notifications on 127.0.0.1, behind whatever brings them there (a reverse proxy, a tunnel).

    It answers at once and fetches nothing; the same body twice is kept once.

    Parameters
    ----------
    port : int
        0 takes a free one.
    path : str
        The only path that is answered.

    Examples
    --------
    >>> with Listener(0) as listener:
    ...     listener.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, port: int = 0, path: str = "/notifications") -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.path = path
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def get(self, timeout: float | None = None) -> BatchList:
        """Take the next notification; TimeoutError when none has come within ``timeout`` seconds."""
        try:
            return self._server.come.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("no notification has come yet: wait again") from None

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = False
    daemon_threads = True
    block_on_close = False
    path = "/"

    def __init__(self, *args: Any) -> None:
        self.come: queue.Queue[BatchList] = queue.Queue(WAITING)
        self._seen: dict[tuple[str, ...], None] = {}
        self._lock = threading.Lock()
        super().__init__(*args)

    def take(self, batch: BatchList) -> None:
        """Keep a notification, once; queue.Full when too many are waiting."""
        with self._lock:
            if batch.uris not in self._seen:
                self.come.put_nowait(batch)
                self._seen[batch.uris] = None
            while len(self._seen) > WAITING:
                del self._seen[next(iter(self._seen))]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a sender that hung up: the default prints a traceback."""


def _bounded(size: int, before: int = 0) -> int:
    if size < 0 or before + size > LONGEST:
        raise LimitError(f"the notification is larger than {LONGEST:,} bytes, so it is refused: see who sent it")
    return size


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0
    server_version, sys_version = "greenkit", ""

    def do_GET(self) -> None:
        """Answer the ping that some utilities send."""
        self._say(200 if self.path == self.server.path else 404)

    def do_POST(self) -> None:
        if self.path != self.server.path:
            self._say(404)
            return
        try:
            body = self._body()
            if body:  # nothing at all is a ping
                self.server.take(parse(body))
        except LimitError:
            self._say(413)
        except (GreenkitError, ValueError):
            self._say(400)
        except queue.Full:
            self._say(503)
        else:
            self._say(200)

    def _body(self) -> bytes:
        """Read what is posted, by its length or in chunks (RFC 9112, 7.1); LimitError when it is too long."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = self.headers.get("Content-Length", "0")
            told = int(length) if length.isdecimal() and len(length) < 10 else LONGEST + 1
            return self.rfile.read(_bounded(told))
        body = b""
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            body += self.rfile.read(_bounded(size, len(body)))
            self.rfile.readline(3)
        return body

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the line may hold a customer's id."""
