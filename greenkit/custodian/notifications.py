"""Notifications: what a utility posts when data is ready, and a listener that receives it.

Anybody can post to the registered address, because nothing is signed. A notification is therefore only a hint about
what to request. It is limited in size and count and has no DOCTYPE, and each URL in it must be one of the utility's
resources (:func:`greenkit.custodian._transport.checked_url`) before a single request is sent.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

from greenkit import _net
from greenkit.errors import FormatError, LimitError, SettingsError

LONGEST: Final = 1 << 20
"""Largest notification [bytes]."""
MOST: Final = 1000
"""Largest number of resources in a notification."""
WAITING: Final = 100
"""Number of notifications that wait in a listener; later ones are answered with 503, so they are sent again."""
_CHECK: Final = "Check what the utility sent."
_DISTRUST: Final = "Check who sent it."


@dataclass(frozen=True)
class BatchList:
    """The resources that a notification names: each once, in order, and not checked yet."""

    uris: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.uris)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uris)


def parse(data: bytes) -> BatchList:
    """Parse the body of a notification.

    Raises
    ------
    FormatError
        If it is not XML, or not a BatchList.
    LimitError
        If it is too large, has a DOCTYPE, or names too many resources.

    Examples
    --------
    >>> body = b'<BatchList xmlns="http://naesb.org/espi"><resources>https://api.pge.com/x</resources></BatchList>'
    >>> parse(body)
    BatchList()
    >>> len(parse(body))
    1
    """
    from lxml import etree

    if len(data) > LONGEST:
        raise LimitError(f"The notification is larger than {LONGEST:,} bytes", next_step=_DISTRUST)
    # some senders write a backslash and an n, two characters, after the XML declaration, where no text can be
    data = re.sub(rb"\?>(?:\\n|\s)+", b"?>\n", data.strip(), count=1)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root, line = etree.fromstring(data, parser), None
    except (etree.XMLSyntaxError, ValueError) as e:
        root, line = None, getattr(e, "lineno", None)
    if root is None:
        raise FormatError("The notification is not XML", line=line, next_step=_CHECK)
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise LimitError("The notification has a DOCTYPE, which no BatchList has", next_step=_DISTRUST)
    # some senders wrap the list in an Atom feed, and older versions of ESPI write "resource"
    if next(root.iter("{*}BatchList"), None) is None:
        raise FormatError("The notification is not a BatchList", next_step=_CHECK)
    # a list inside a list is part of it, so that each item counts once
    named = root.iter("{*}resources", "{*}resource")
    uris = [(e.text or "").strip() for e in named if next(e.iterancestors("{*}BatchList"), None) is not None]
    if len(uris) > MOST:
        raise LimitError(f"The notification lists more than {MOST:,} resources", next_step=_DISTRUST)
    return BatchList(tuple(dict.fromkeys(u for u in uris if u)))


class Listener:
    """Receive notifications on 127.0.0.1, behind a reverse proxy or a tunnel that forwards them.

    It answers at once and fetches nothing. The same body twice is kept once.

    Parameters
    ----------
    port : int
        Port to listen on; 0 uses a free one.
    path : str
        The only path that is answered.

    Raises
    ------
    SettingsError
        If the port is in use.

    Examples
    --------
    >>> with Listener(0) as listener:
    ...     listener.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, port: int = 0, path: str = "/notifications") -> None:
        self._path = path
        self._queue: queue.Queue[BatchList] = queue.Queue(WAITING)
        self._seen: dict[tuple[str, ...], None] = {}
        self._lock = threading.Lock()
        try:
            self._listener = _net.LoopbackListener(port, self._answer, longest=LONGEST)
        except (OSError, OverflowError) as e:  # a port above 65535 overflows
            raise SettingsError(
                f"Port {port} cannot be used ({getattr(e, 'strerror', None) or e})",
                next_step="Pass another port, or 0 for a free one.",
            ) from None
        self.url = f"http://127.0.0.1:{self._listener.port}{path}"

    def get(self, timeout: float | None = None) -> BatchList:
        """Wait for the next notification and return it.

        Raises
        ------
        TimeoutError
            If none arrives within ``timeout`` seconds.
        """
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("No notification has arrived yet. Wait again.") from None

    def _answer(self, request: _net.Request) -> _net.Reply:
        if request.path != self._path:
            return _net.Reply(404)
        if request.method == "GET" or not request.body:  # some utilities send a ping
            return _net.Reply(200)
        try:
            batch = parse(request.body)
        except LimitError:
            return _net.Reply(413)
        except FormatError:
            return _net.Reply(400)
        with self._lock:
            if batch.uris not in self._seen:
                try:
                    self._queue.put_nowait(batch)
                except queue.Full:
                    return _net.Reply(503)
                self._seen[batch.uris] = None
            while len(self._seen) > WAITING:
                del self._seen[next(iter(self._seen))]
        return _net.Reply(200)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
