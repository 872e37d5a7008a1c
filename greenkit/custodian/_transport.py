"""HTTPS to one utility: which URLs may receive the token, TLS with the client certificate, deadlines, request limits.

This module does not read OAuth or ESPI documents. A session never follows a redirect, because requests would show the
client certificate to the next host. It reads no environment variables, because ``REQUESTS_CA_BUNDLE`` would widen a
pinned authority and ``~/.netrc`` would replace the token. It always verifies the server.
"""

from __future__ import annotations

import contextvars
import hashlib
import io
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from greenkit import _files, _net, certificates
from greenkit.custodian.profiles import Profile
from greenkit.errors import CertificateError, HostRejected, LimitError, RateLimited, RemoteError, TransferError
from greenkit.secret import Secret

CONNECT: Final = 10.0
"""Longest time [s] to open a connection, the proxy's answer included."""
TOTAL: Final = 1800.0
"""Longest time [s] for one exchange, from the connection to the last byte of the answer."""
PATIENCE: Final = 120.0
"""Longest wait [s] before a request that is not an error; a longer one raises RateLimited."""
_CHUNK: Final = 1 << 16
_Result = TypeVar("_Result")

# Path segments that are names of ESPI resources; every other segment may be a customer's id.
_RESOURCES: Final = frozenset(
    {
        "espi",
        "1_1",
        "resource",
        "Batch",
        "Bulk",
        "BulkRetailCustomerInfo",
        "BulkRetailDRPrgInfo",
        "RetailDRPrgInfo",
        "RetailCustomer",
        "Subscription",
        "UsagePoint",
        "MeterReading",
        "IntervalBlock",
        "UsageSummary",
        "ReadingType",
        "LocalTimeParameters",
        "Authorization",
        "ApplicationInformation",
        "ReadServiceStatus",
        "DownloadSampleData",
        "Customer",
        "CustomerAccount",
        "CustomerAgreement",
    }
)
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%]+")
_ESCAPED_TRICK: Final = re.compile(r"%(2e|2f|5c|00|25)", re.IGNORECASE)


# -- URLs
#
# The bearer token and the client certificate go only to the utility's hosts and resource paths. URLs come from token
# answers, feeds, and notifications, none of which is trusted. greenkit compares them part by part, never by a prefix
# of the text, and builds the URL that it requests from the checked parts.


def checked_url(profile: Profile, url: str) -> str:
    """Return a URL that may receive the token.

    Parameters
    ----------
    profile : Profile
        Its ``resource_url`` and ``hosts`` define what is allowed.
    url : str
        From a token answer, a feed, or a notification; not trusted.

    Raises
    ------
    HostRejected
        If the scheme, host, or port is another one; if the URL has user information, a fragment, ``..``, or an escaped
        dot or slash; or if the path is not below the resource path.
    """
    base = urlsplit(profile.resource_url)
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise _host_rejected(profile) from None
    segments = parts.path.split("/")
    sound = (
        parts.scheme == "https"
        and url.isascii()
        and url.isprintable()
        and not set(url) & set(' "<>\\^`{|}#')
        and "@" not in parts.netloc
        and (f"{parts.hostname}:{port}" in _allowed_hosts(profile))
        and parts.path.startswith(base.path)
        and parts.path != base.path
        and not any(s.partition(";")[0] in (".", "..") for s in segments)  # some servers drop what follows a semicolon
        and not _ESCAPED_TRICK.search(parts.path)
        and all(_PLAIN_SEGMENT.fullmatch(s) for s in segments[1:-1])
    )
    if not sound:
        raise _host_rejected(profile)
    query = f"?{parts.query}" if parts.query else ""
    host = str(parts.hostname) if port == 443 else f"{parts.hostname}:{port}"
    return f"https://{host}{parts.path}{query}"


def resource_url(profile: Profile, *segments: object) -> str:
    """Build a URL below the resource URL, with each segment quoted.

    Raises
    ------
    HostRejected
        If a segment is empty, consists of dots, or contains a slash or a percent sign.
    """
    texts = [str(s) for s in segments]
    if not all(texts) or {".", ".."} & set(texts) or set("/\\%") & set("".join(texts)):
        raise HostRejected(
            "An ID is empty, consists of dots, or contains a slash or percent sign",
            next_step="Pass the ID alone, as usage_points() returns it.",
        )
    return profile.resource_url + "/".join(quote(t, safe="=") for t in texts)


def segment_after(uri: str | None, name: str) -> str:
    """Return the unquoted path segment after a resource's name; empty if there is none.

    Examples
    --------
    >>> segment_after("https://api.pge.com/GreenButtonConnect/epi/1_1/resource/Batch/Bulk/50916?x=1", "Bulk")
    '50916'
    """
    try:
        segments = urlsplit(uri or "").path.split("/")
    except ValueError:
        return ""
    found = segments[segments.index(name) + 1 :] if name in segments else []
    return unquote(found[0]) if found else ""


def _allowed_hosts(profile: Profile) -> set[str]:
    base = urlsplit(profile.resource_url)
    named = {h.lower() if ":" in h else f"{h.lower()}:443" for h in profile.hosts}
    return {f"{base.hostname}:{base.port or 443}", *named}


def _host_rejected(profile: Profile) -> HostRejected:
    # the URL itself is not repeated, because it may contain a token or a customer's id
    return HostRejected(
        f"A URL is not a resource of {profile.name} ({profile.resource_url}…), so greenkit sent nothing to it",
        next_step="Check where the URL comes from, and if it is the utility's, add its host to hosts in your profile.",
    )


def hashed_id(customer_id: object) -> str:
    """Return a short, stable stand-in for a customer's id, for logs and errors."""
    return "~" + hashlib.sha256(str(customer_id).encode()).hexdigest()[:8]


def url_label(url: str) -> str:
    """Return a URL without its query and with every id hashed, for logs and errors.

    Examples
    --------
    >>> url_label("https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Subscription/38475?published-min=1")
    'api.pge.com/…/Batch/Subscription/~21b4af14'
    """
    parts = urlsplit(url)
    for prefix in _PREFIXES:
        _, found, tail = parts.path.partition(prefix)
        if found:
            shown = (s if s in _RESOURCES or not s else hashed_id(s) for s in tail.split("/"))
            return f"{parts.hostname or ''}/…/{'/'.join(shown)}"
    return f"{parts.hostname or ''}{parts.path}"


_PREFIXES = {"/espi/1_1/resource/"}


class HideIds(logging.Filter):
    """Hide customer ids in the DEBUG lines of urllib3, which contain the complete path of each request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the path in a line about a resource, and keep every line."""
        if isinstance(record.args, tuple):
            record.args = tuple(url_label(a) if isinstance(a, str) and _is_resource(a) else a for a in record.args)
        return True


_HIDE_IDS: Final = HideIds()


def _is_resource(text: str) -> bool:
    return any(prefix in text for prefix in _PREFIXES)


def hide_ids_in_logs(profile: Profile) -> None:
    """Add the filter to urllib3's logger, for this utility's resource path too."""
    _PREFIXES.add(urlsplit(profile.resource_url).path)
    logging.getLogger("urllib3.connectionpool").addFilter(_HIDE_IDS)


# -- TLS


@dataclass(frozen=True)
class Tls:
    """The client certificate, and the certificate authorities to trust.

    Parameters
    ----------
    certificate, key : path, optional
        PEM files; the certificate's file may contain the key.
    password : Secret, optional
        Password of the key.
    ca_file : path, optional
        Authorities that may sign the server's certificate, and no others. Default: those that requests ships.
    """

    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    password: Secret | None = None
    ca_file: str | os.PathLike[str] | None = None

    def check(self) -> datetime | None:
        """Check the files before the first handshake, and return when the certificate expires.

        Raises
        ------
        CertificateError
            If a file is missing, the certificate has expired, or the key can be read by others, cannot be opened, or
            belongs to another certificate.
        """
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise CertificateError(
                f"There is no file of certificate authorities {self.ca_file}", next_step="Check ca_file."
            )
        if self.certificate is None:
            return None
        found = certificates.read(self.certificate)
        certificates.check_dates(found)
        certificates.check_key(self.certificate, self.key, self.password)
        key = Path(self.key or self.certificate)
        if os.name == "posix" and key.stat().st_mode & 0o077:
            step = _files.how_to_protect(key, "move the key to one that does, and set key to its new path")
            raise CertificateError(f"Other users can read the key {key}", next_step=step)
        return found.ends


class _Adapter(HTTPAdapter):
    """Connect with greenkit's own sockets, which end at the deadline; read a small answer at once.

    Parameters
    ----------
    tls : Tls
    proxy : Proxy, optional
    limit : int, optional
        Read every answer at once, up to this many bytes. Default: the caller streams it.
    """

    def __init__(self, tls: Tls, proxy: _net.Proxy | None, limit: int | None = None) -> None:
        tls.check()
        self._limit = limit
        self._context = _net.tls_context(
            ca_file=tls.ca_file or requests.utils.DEFAULT_CA_BUNDLE_PATH,
            certificate=tls.certificate,
            key=tls.key,
            key_password=tls.password,
        )

        class Connection(HTTPSConnection):
            def _new_conn(self) -> Any:
                return _net.connect(self.host.strip("[]"), self.port or 443, timeout=CONNECT, proxy=proxy)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        self._pool = Pool
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool}

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        if self._limit is not None:
            body = b"".join(chunks(response, limit=self._limit))
            response.raw.release_conn()
            response.raw = io.BytesIO(body)
        return response


def configure(
    session: requests.Session, tls: Tls, *, limit: int | None = None, proxy: _net.Proxy | None = None
) -> None:
    """Set up a requests session, or Authlib's, with greenkit's rules.

    Parameters
    ----------
    session : requests.Session
    tls : Tls
    limit : int, optional
        Read every answer at once, up to this many bytes. Default: answers are streamed by :func:`chunks`.
    proxy : Proxy, optional
        Proxy that opens the connections; those of the environment are not used.
    """
    session.trust_env = False
    session.max_redirects = 0
    session.verify = os.fspath(tls.ca_file) if tls.ca_file else True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    session.mount("https://", _Adapter(tls, proxy, limit))


def chosen_proxy(address: Secret | None, password: Secret | None) -> _net.Proxy | None:
    """Return the proxy of the settings; None if there is none.

    Raises
    ------
    SettingsError
        If the text is not the address of an HTTP proxy.
    """
    return None if address is None else _net.Proxy.parse(address.reveal(), password)


# -- one exchange


def chunks(response: requests.Response, *, limit: int) -> Generator[bytes, None, None]:
    """Yield the decoded bytes of an answer as they arrive.

    Raises
    ------
    LimitError
        If there are more than ``limit`` bytes after decompression.
    """
    size = 0
    try:
        # read1 returns what has arrived, so a progress bar moves while a server is slow
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > limit:
                raise LimitError(
                    f"The answer is larger than {limit:,} bytes", next_step="If you trust it, pass a larger limit."
                )
            yield chunk
    finally:
        response.close()


def exchange_error(
    e: BaseException,
    url: str,
    deadline: _net.Deadline,
    *,
    timeout: float,
    proxy: _net.Proxy | None,
    where: str | None = None,
    who: str = "the utility",
) -> RemoteError:
    """Translate what requests and urllib3 raise during an exchange.

    Parameters
    ----------
    e : BaseException
    url : str
        What was requested.
    deadline : Deadline
        Limit of the whole exchange.
    timeout : float
        Longest silence [s].
    proxy : Proxy or None
    where : str, optional
        The server, as the error names it. Default: the :func:`url_label`.
    who : str, optional
        Who runs the server.
    """
    where = where or url_label(url)
    if time.monotonic() >= deadline.ends:
        return TransferError(
            f"{where} did not complete its answer within {deadline.seconds:g} s",
            next_step="Request a shorter period, or try again later.",
        )
    return _net.request_error(e, where, host=urlsplit(url).hostname or "", timeout=timeout, who=who, proxy=proxy)


def run_to_end(call: Callable[[], _Result]) -> _Result:
    """Run a function to its end even if Ctrl-C is pressed; the KeyboardInterrupt is raised afterwards.

    A refresh token can be used once. An interrupt between the utility's answer and the save would lose the grant, so
    both run in a thread, which no interrupt reaches.

    Examples
    --------
    >>> run_to_end(lambda: 2 + 2)
    4
    """
    results: list[_Result] = []
    faults: list[BaseException] = []
    context = contextvars.copy_context()  # the deadline of the caller holds in the thread too
    done = threading.Event()

    def run() -> None:
        try:
            results.append(context.run(call))
        except BaseException as e:  # noqa: BLE001 raised again below, in the thread of the caller
            faults.append(e)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="greenkit: token exchange")
    interrupt: KeyboardInterrupt | None = None
    try:
        thread.start()
    except KeyboardInterrupt as e:  # the thread may be running already
        interrupt = e
    while True:
        try:
            # an event, because an interrupted join() considers the thread dead (Python 3.11); with a limit, because
            # Windows cannot interrupt an endless wait
            if done.wait(0.5) or (interrupt is not None and thread.ident is None):  # it was never started
                break
        except KeyboardInterrupt as e:
            interrupt = e
    if interrupt is not None:
        raise interrupt
    if faults:
        raise faults[0]
    return results[0]


# -- request limits


class RateLimiter:
    """Delay requests so that they stay within several limits at once. Threads may share it.

    It counts the requests of this process only: two processes that share a client id can exceed the limits together.

    Parameters
    ----------
    limits : sequence of (int, float)
        Number of requests in a number of seconds, each counted over a sliding window.
    clock, sleep : callable
        For tests.

    Examples
    --------
    >>> now, naps = [0.0], []
    >>> def nap(s): naps.append(s); now[0] += s
    >>> limiter = RateLimiter([(1, 1.0)], clock=lambda: now[0], sleep=nap)
    >>> for _ in range(3): limiter.wait()
    >>> naps
    [1.0, 1.0]
    """

    def __init__(
        self,
        limits: tuple[tuple[int, float], ...] | list[tuple[int, float]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._limits = [(count, span, deque[float](maxlen=count)) for count, span in limits]
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until a request may be sent, and count it.

        Raises
        ------
        RateLimited
            If the wait is longer than two minutes.
        """
        with self._lock:
            now = self._clock()
            # the first entry of a full deque is the request that must leave the window before the next may be sent
            free = max((sent[0] + span for count, span, sent in self._limits if len(sent) == count), default=now)
            pause = free - now
            if pause > PATIENCE:
                raise RateLimited(
                    "The utility's request limit has been reached",
                    pause,
                    next_step=f"Try again in {pause / 60:.0f} minutes.",
                )
            due = max(now, free)
            for _, _, sent in self._limits:
                sent.append(due)
        if due > now:
            self._sleep(due - now)


_limiters: dict[tuple[str, str], RateLimiter] = {}
_limiters_lock = threading.Lock()


def shared_limiter(url: str, client_id: str, limits: tuple[tuple[int, float], ...]) -> RateLimiter:
    """Return the one limiter of a client id at a URL, which the clients of several customers share."""
    with _limiters_lock:
        return _limiters.setdefault((url, client_id), RateLimiter(limits))
