"""The wire: TLS with our certificate, time-outs, size limits, and network failures as greenkit's errors.

Nothing here knows OAuth or ESPI. Sessions never follow a redirect (requests would show the client certificate to
the next host), never take settings from environment variables (``REQUESTS_CA_BUNDLE`` would widen a pinned
authority, ``~/.netrc`` would replace the token), and always verify the server.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import create_urllib3_context

from greenkit import certificates
from greenkit.custodian.profiles import Profile
from greenkit.errors import (
    CertificateError,
    CertificateRejected,
    HostRejected,
    LimitError,
    RateLimited,
    RemoteError,
    ServerUnavailable,
    TransferError,
)
from greenkit.secret import Secret

CONNECT: Final = 10.0
"""Longest wait [s] for a connection."""
TOTAL: Final = 1800.0
"""Longest time [s] for one answer, however slowly it drips."""
CHUNK: Final = 1 << 16
_Error = TypeVar("_Error", bound=BaseException)


@dataclass(frozen=True)
class Tls:
    """Our certificate, and whom we trust.

    Parameters
    ----------
    certificate, key : path, optional
        PEM files; the key may stand in the certificate's file.
    password : Secret, optional
        The key's.
    ca_file : path, optional
        Authorities that may sign the server's certificate, and no others; those that requests ships when absent.
    """

    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    password: Secret | None = None
    ca_file: str | os.PathLike[str] | None = None

    def check(self) -> datetime | None:
        """Find now what would otherwise be an obscure failure of the first handshake; give the certificate's end.

        Raises
        ------
        CertificateError
            A file is missing, the certificate has ended, or the key is open to others, stays closed, or belongs to
            another certificate.
        """
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise CertificateError(f"there is no file of authorities {self.ca_file}: check ca_file")
        if self.certificate is None:
            return None
        found = certificates.read(self.certificate)
        certificates.check_dates(found)
        certificates.check_key(self.certificate, self.key, self.password)
        key = Path(self.key or self.certificate)
        if os.name == "posix" and key.stat().st_mode & 0o077:
            raise CertificateError(f"the key {key} may be read by others: run chmod 600 on it")
        return found.ends

    def context(self) -> ssl.SSLContext:
        """Make the TLS context; CertificateError when certificate and key cannot be used."""
        self.check()
        context = create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
        if self.certificate is not None:
            # a callable, so that OpenSSL never asks on the terminal for a password that was not given
            context.load_cert_chain(self.certificate, self.key, password=(self.password or Secret("")).reveal)
        return context


class _Adapter(HTTPAdapter):
    """Carry our TLS context; read a small answer at once, within limits of size and time."""

    def __init__(self, context: ssl.SSLContext, limit: int | None = None, total: float = TOTAL) -> None:
        self._context, self._limit, self._total = context, limit, total
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        if self._limit is not None:
            body = b"".join(chunks(response, limit=self._limit, total=self._total))
            response.raw.release_conn()
            response.raw = io.BytesIO(body)
        return response


def configure(
    session: requests.Session,
    tls: Tls,
    *,
    limit: int | None = None,
    proxies: Mapping[str, str] | None = None,
    total: float = TOTAL,
) -> None:
    """Make any requests session one of ours.

    Parameters
    ----------
    session : requests.Session
        Authlib's too.
    limit : int, optional
        Read every answer at once, up to so many bytes; without it answers are streamed by :func:`chunks`.
    proxies : mapping, optional
        As requests takes them; the environment's are not used.
    """
    session.trust_env = False
    session.max_redirects = 0
    session.verify = os.fspath(tls.ca_file) if tls.ca_file else True
    session.proxies = dict(proxies or {})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    session.mount("https://", _Adapter(tls.context(), limit, total))


def chunks(response: requests.Response, *, limit: int, total: float = TOTAL) -> Generator[bytes, None, None]:
    """Give the decoded bytes of an answer as they come.

    Raises
    ------
    LimitError
        More than ``limit`` bytes after decompression.
    TransferError
        It was cut, or dripped for longer than ``total`` seconds.
    """
    deadline, size = time.monotonic() + total, 0
    try:
        # read1 gives what has come, so that a server that drips cannot hold us past the deadline
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if size > limit:
                raise LimitError(f"the answer is larger than {limit:,} bytes: pass a larger limit if you trust it")
            if time.monotonic() > deadline:
                raise TransferError(f"the answer was not complete after {total:.0f} s: ask for a shorter window")
            yield chunk
    finally:
        response.close()


def translate_error(e: Exception, what: str) -> RemoteError:
    """Translate what requests and urllib3 raise; their texts, which hold the whole address, are dropped."""
    tls = _tls_error(e)
    if tls is not None:
        return translate_tls_error(tls, what)
    if isinstance(e, requests.exceptions.Timeout):
        return ServerUnavailable(f"{what} did not answer in time: try again later")
    if isinstance(e, requests.exceptions.TooManyRedirects):
        return HostRejected(f"{what} sent us to another address, which is not followed: check the profile's addresses")
    if isinstance(e, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError | HTTPError):
        return TransferError(f"the answer of {what} was cut or damaged: ask again")
    return ServerUnavailable(f"{what} cannot be reached, or closed the connection: check the address and the network")


def translate_tls_error(e: ssl.SSLError, what: str) -> RemoteError:
    """Tell the server's bad certificate from its refusal of ours."""
    if isinstance(e, ssl.SSLCertVerificationError):
        reason = e.verify_message or "it does not verify"
        return HostRejected(
            f"the certificate of {what} is not trusted ({reason}): nothing was sent; check the address, or name its "
            "authority with ca_file"
        )
    if "ALERT" in (e.reason or "") or "alert" in str(e):
        return CertificateRejected(
            f"{what} refused our client certificate: give the certificate that is registered there, and see that it "
            "has not ended"
        )
    return CertificateRejected(
        f"the TLS connection with {what} failed ({e.reason or 'no reason given'}): check the certificate"
    )


def _tls_error(e: BaseException | None) -> ssl.SSLError | None:
    """Find the TLS error that requests and urllib3 have wrapped several times."""
    seen: set[int] = set()
    todo: list[Any] = [e]
    while todo:
        one = todo.pop()
        if isinstance(one, ssl.SSLError):
            return one
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return None


def strip_traceback(e: _Error) -> _Error:
    """Cut an error off from the frames and errors behind it: their locals hold headers and bodies with secrets."""
    e.__cause__ = e.__context__ = None
    return e.with_traceback(None)


# Path segments that are names of ESPI resources; every other segment may be a customer's id.
NAMES: Final = frozenset(
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


def checked_url(profile: Profile, url: str) -> str:
    """Give back an address that may be sent the token; HostRejected for every other.

    Parameters
    ----------
    profile : Profile
        Its ``resource_url`` and ``hosts`` are what is allowed.
    url : str
        From a token answer, a feed or a notification: not trusted.

    Raises
    ------
    HostRejected
        Another scheme, host or port; user information, a fragment, ``..``, an escaped dot or slash; a path that
        is not below the resource path.
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
        and (f"{parts.hostname}:{port}" in _allowed(profile))
        and parts.path.startswith(base.path)
        and parts.path != base.path
        and not any(s.partition(";")[0] in (".", "..") for s in segments)  # some servers cut what follows a semicolon
        and not _ESCAPED_TRICK.search(parts.path)
        and all(_PLAIN_SEGMENT.fullmatch(s) for s in segments[1:-1])
    )
    if not sound:
        raise _host_rejected(profile)
    query = f"?{parts.query}" if parts.query else ""
    host = str(parts.hostname) if port == 443 else f"{parts.hostname}:{port}"
    return f"https://{host}{parts.path}{query}"


def resource_url(profile: Profile, *segments: object) -> str:
    """Put an address together below the resource URL, each segment quoted."""
    texts = [str(s) for s in segments]
    if not all(texts) or {".", ".."} & set(texts) or set("/\\%") & set("".join(texts)):
        raise HostRejected(
            "an id is empty, made of dots, or holds a slash or percent sign: give it alone, as usage_points() has it"
        )
    return profile.resource_url + "/".join(quote(t, safe="=") for t in texts)


def segment_after(uri: str | None, name: str) -> str:
    """Give the path segment behind a resource's name, unquoted; empty when there is none.

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


def _allowed(profile: Profile) -> set[str]:
    base = urlsplit(profile.resource_url)
    named = {h.lower() if ":" in h else f"{h.lower()}:443" for h in profile.hosts}
    return {f"{base.hostname}:{base.port or 443}", *named}


def _host_rejected(profile: Profile) -> HostRejected:
    # the address itself is not repeated: it may carry a token or a customer's id
    return HostRejected(
        f"an address that is not one of {profile.name}'s resources ({profile.resource_url}…) was refused: "
        "nothing was sent to it"
    )


def hashed_id(customer_id: object) -> str:
    """Give a short stable stand-in for a customer's id, for logs and errors."""
    return "~" + hashlib.sha256(str(customer_id).encode()).hexdigest()[:8]


def url_label(url: str) -> str:
    """Name an address without its query, and with every id hashed: for logs and errors.

    Examples
    --------
    >>> url_label("https://api.pge.com/GreenButtonConnect/espi/1_1/resource/Batch/Subscription/38475?published-min=1")
    'api.pge.com/…/Batch/Subscription/~21b4af14'
    """
    parts = urlsplit(url)
    for prefix in _PREFIXES:
        _, found, tail = parts.path.partition(prefix)
        if found:
            shown = (s if s in NAMES or not s else hashed_id(s) for s in tail.split("/"))
            return f"{parts.hostname or ''}/…/{'/'.join(shown)}"
    return f"{parts.hostname or ''}{parts.path}"


_PREFIXES = {"/espi/1_1/resource/"}


class HideIds(logging.Filter):
    """Hide customer ids in the DEBUG lines of urllib3, which names the whole path of each request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the path in a line about a resource; every line passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(url_label(a) if isinstance(a, str) and _is_resource(a) else a for a in record.args)
        return True


_HIDE_IDS: Final = HideIds()


def _is_resource(text: str) -> bool:
    return any(prefix in text for prefix in _PREFIXES)


def hide_ids_in_logs(profile: Profile) -> None:
    """Put the filter on urllib3's logger, for this utility's resource path too."""
    _PREFIXES.add(urlsplit(profile.resource_url).path)
    logging.getLogger("urllib3.connectionpool").addFilter(_HIDE_IDS)


PATIENCE = 120.0
"""Longest wait [s] that is made in silence; a longer one is an error that says when to come back."""


class RateLimiter:
    """Let requests pass no faster than several limits at once; safe between threads.

    It knows the requests of this process only: two processes that share a client id share its limits unknowing.

    Parameters
    ----------
    limits : sequence of (int, float)
        So many requests in so many seconds, each counted over a sliding window.
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
        """Wait until a request may be sent, and count it; RateLimited when that is more than two minutes off."""
        with self._lock:
            now = self._clock()
            # a full deque's first entry is the request that has to leave its window before the next may pass
            free = max((sent[0] + span for count, span, sent in self._limits if len(sent) == count), default=now)
            pause = free - now
            if pause > PATIENCE:
                raise RateLimited(
                    f"the utility's request limit is used up: try again in {pause / 60:.0f} minutes", pause
                )
            due = max(now, free)
            for _, _, sent in self._limits:
                sent.append(due)
        if due > now:
            self._sleep(due - now)


_shared: dict[tuple[str, str], RateLimiter] = {}
_lock = threading.Lock()


def shared_limiter(address: str, client_id: str, limits: tuple[tuple[int, float], ...]) -> RateLimiter:
    """Give the one limiter of a client id at an address: the clients of several customers share its limits."""
    with _lock:
        return _shared.setdefault((address, client_id), RateLimiter(limits))
