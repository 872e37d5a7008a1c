"""Requests for resources: one at a time, within the limits, with the token renewed once, and every status translated.

A resource is requested with a bearer token and the client certificate, at a URL that
:func:`greenkit.custodian._transport.checked_url` has accepted.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

import requests
from urllib3.exceptions import HTTPError

from greenkit import _files, _net
from greenkit._progress import Progress, progress_bar
from greenkit.custodian import _transport
from greenkit.custodian._oauth import certificate_rejected
from greenkit.custodian._transport import PATIENCE, RateLimiter, Tls, url_label
from greenkit.custodian.profiles import Profile
from greenkit.errors import AuthorizationExpired, ClientRejected, NotWritten, RemoteError
from greenkit.findings import counted
from greenkit.secret import Secret

log = logging.getLogger("greenkit.custodian")
log.addHandler(logging.NullHandler())

LIMIT: Final = 2 << 30
"""Largest answer [bytes] that is written to a file, after decompression."""
MEMORY_LIMIT: Final = 256 << 20
"""Largest answer [bytes] that is held in memory, after decompression."""
ATTEMPTS: Final = 3
"""Number of times that a request is sent to a server that is busy."""
_BUSY: Final = (429, 502, 503, 504)
_KEPT_HEADERS: Final = ("content-type", "etag", "last-modified", "location", "retry-after", "x-transaction")


@dataclass(frozen=True)
class Bearer:
    """Supplies the bearer token for a request.

    Parameters
    ----------
    get : callable
        Returns the access token. Its argument is a token that was refused, or None; it then returns a newer one.
    refused : type
        Error if a new token is refused too.
    """

    get: Callable[[Secret | None], Secret]
    refused: type[RemoteError] = AuthorizationExpired


@dataclass(frozen=True)
class Answer:
    """One answer: 200 with a body (bytes, or the file that it was written to), 202 or 204 without."""

    status: int
    body: bytes | Path = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    retry_after: float | None = None


@dataclass(frozen=True)
class _Refused:
    status: int
    error: RemoteError
    retry_after: float | None = None


class Resources:
    """One utility's resources.

    Parameters
    ----------
    profile : Profile
    tls : Tls
    timeout : float
        Longest silence of the server [s].
    total : float
        Longest time for one exchange [s].
    limit : int, optional
        Largest answer [bytes] after decompression. Default: 256 MiB in memory, 2 GiB in a file.
    proxy : Proxy, optional
        Proxy that opens the connections.
    limiter : RateLimiter, optional
        That of the client ID, if several clients share it.
    sleep : callable
        For tests.
    """

    def __init__(
        self,
        profile: Profile,
        tls: Tls,
        *,
        timeout: float = 60.0,
        total: float = _transport.TOTAL,
        limit: int | None = None,
        proxy: _net.Proxy | None = None,
        limiter: RateLimiter | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._profile, self._limit, self._total, self._sleep = profile.complete(), limit, total, sleep
        self._timeout, self._proxy, self._has_certificate = timeout, proxy, tls.certificate is not None
        self._limiter = limiter or RateLimiter(profile.limits)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = profile.user_agent
        _transport.configure(self._session, tls, proxy=proxy)
        _transport.hide_ids_in_logs(profile)

    def get(self, url: str, bearer: Bearer, *, into: Path | None = None, progress: Progress = None) -> Answer:
        """Fetch a resource.

        Parameters
        ----------
        url : str
            A resource of the profile.
        bearer : Bearer
        into : path, optional
            File to stream the body to. It appears when it is complete, and only its owner can read it.

        Returns
        -------
        Answer
            Status 200, 202, or 204.

        Raises
        ------
        HostRejected
            If the URL is not a resource of the profile.
        AuthorizationExpired, ClientRejected, CertificateRejected
            If the request is refused, after one renewal of the token.
        RateLimited, ServerUnavailable, TransferError, LimitError, NotWritten, RemoteError
            If the answer does not arrive, or not completely.
        """
        return self._request("GET", url, bearer, into, progress)

    def delete(self, url: str, bearer: Bearer) -> Answer:
        """Delete a resource."""
        return self._request("DELETE", url, bearer, None, None)

    def _request(self, method: str, url: str, bearer: Bearer, into: Path | None, progress: Progress) -> Answer:
        url = _transport.checked_url(self._profile, url)
        access, renewed, tries = bearer.get(None), False, 1
        while True:
            self._limiter.wait()
            outcome = self._send(method, url, access, into, progress, bearer.refused)
            if isinstance(outcome, Answer):
                return outcome
            if outcome.status in self._profile.renew_on and not renewed:
                access, renewed = bearer.get(access), True
            elif outcome.status in _BUSY and tries < ATTEMPTS and (outcome.retry_after or 0) <= PATIENCE:
                # without Retry-After: 1 s, then 4 s
                wait = outcome.retry_after if outcome.retry_after is not None else 4.0 ** (tries - 1)
                log.info("%s is busy; retrying in %.0f s", url_label(url), wait)
                self._sleep(wait)
                tries += 1
            else:
                raise outcome.error

    def _send(
        self, method: str, url: str, access: Secret, into: Path | None, progress: Progress, refused: type[RemoteError]
    ) -> Answer | _Refused:
        """Send a request once. Every failure leaves here without the frames that hold the token."""
        where, deadline = url_label(url), _net.Deadline(self._total)
        fault: BaseException
        try:
            with deadline:
                response = self._session.request(
                    method,
                    url,
                    headers={
                        "Authorization": f"Bearer {access.reveal()}",
                        "Accept": "application/atom+xml, application/xml;q=0.9",
                    },
                    timeout=(_transport.CONNECT, self._timeout),
                    allow_redirects=False,
                    stream=True,
                )
                took = self._total - (deadline.ends - time.monotonic())
                log.debug("%s %s: status %d after %.1f s", method, where, response.status_code, took)
                return self._read(response, url, deadline, into, progress, refused)
        except NotWritten as e:  # an OSError, but of the disk
            fault = _net.strip_traceback(e)
        except (requests.RequestException, HTTPError, OSError) as e:
            fault = _transport.exchange_error(e, url, deadline, timeout=self._timeout, proxy=self._proxy)
        except BaseException as e:  # noqa: BLE001 raised again, without the frames that hold the token
            fault = _net.strip_traceback(e)
        raise fault

    def _read(
        self,
        response: requests.Response,
        url: str,
        deadline: _net.Deadline,
        into: Path | None,
        progress: Progress,
        refused: type[RemoteError],
    ) -> Answer | _Refused:
        status, wait = response.status_code, _net.retry_after(response.headers.get("Retry-After"))
        headers = {k: response.headers[k] for k in _KEPT_HEADERS if k in response.headers}
        if status in (202, 204):
            response.close()
            return Answer(status, headers=headers, retry_after=wait)
        if status == 200:
            return Answer(200, self._body(response, url, deadline, into, progress), headers, wait)
        with contextlib.closing(_transport.chunks(response, limit=LIMIT)) as pieces:
            head = next(pieces, b"")[:1000]  # enough for a hint; the rest is not read, however long it is
        return _Refused(status, self._error(status, head, url, wait, refused), wait)

    def _body(
        self, response: requests.Response, url: str, deadline: _net.Deadline, into: Path | None, progress: Progress
    ) -> bytes | Path:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() and len(length) < 16 else None
        limit = self._limit if self._limit is not None else MEMORY_LIMIT if into is None else LIMIT

        def copy(file: BinaryIO | io.BytesIO) -> None:
            with progress_bar(progress, total, "fetching") as advance:
                for chunk in self._received(response, url, deadline, limit):
                    file.write(chunk)
                    advance(len(chunk))

        if into is None:
            memory = io.BytesIO()
            copy(memory)
            return memory.getvalue()
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            with _files.atomic(into, private=True) as file:
                copy(file)
        except OSError as e:  # of the disk; those of the network are translated already
            raise NotWritten(
                f"{into} cannot be written ({e.strerror or type(e).__name__})",
                next_step="Free disk space, or pass another folder as into.",
            ) from None
        return into

    def _received(self, response: requests.Response, url: str, deadline: _net.Deadline, limit: int) -> Iterator[bytes]:
        """Yield the body; failures of the network become errors here, so that they differ from those of the disk."""
        try:
            yield from _transport.chunks(response, limit=limit)
        except (requests.RequestException, HTTPError, OSError) as e:
            fault = _transport.exchange_error(e, url, deadline, timeout=self._timeout, proxy=self._proxy)
        else:
            return
        raise fault

    def _error(self, status: int, head: bytes, url: str, wait: float | None, refused: type[RemoteError]) -> RemoteError:
        """Translate a status. The body is not shown, because it may repeat what was sent."""
        where = url_label(url)
        meaning = self._profile.meanings.get(status)
        hint = f" (status {status}: {meaning})" if meaning else f" (status {status})"
        if status in (400, 401, 403, 495, 496):
            rejected = certificate_rejected(self._profile, head, where, sent=self._has_certificate)
            if rejected is not None:
                return rejected
        shared = _net.http_error(status, where, wait=wait, check="resource_url in the profile")
        if shared is not None:
            return shared
        if status in (401, 403):
            step = "Call authorize()." if refused is AuthorizationExpired else "Check the registration."
            if status == 403 and head.lstrip()[:1] == b"<":  # a web page, such as Cloudflare's
                step += (
                    " If a filter in front of the utility refuses this machine or program, set user_agent in a "
                    "profile of your own."
                )
            return refused(f"{where} refused the token{hint}", next_step=step)
        if status == 404:
            return RemoteError(
                f"{where} is unknown to the utility{hint}", next_step="Check the ID, and resource_url in the profile."
            )
        if status == 400:
            sent = _window_sent(self._profile, url)
            return ClientRejected(
                f"{where} refused the request{hint}{sent}",
                next_step="Check the dates, the ID, and the client certificate."
                + (" If no window is accepted, check dates and window_days of the profile." if sent else ""),
            )
        return RemoteError(
            f"{where} returned an unexpected answer{hint}",
            next_step="Ask the utility about this answer.",
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _window_sent(profile: Profile, url: str) -> str:
    """Return what the request of a window contained, for the error if it is refused; empty for another request."""
    sent = dict(parse_qsl(urlsplit(url).query))
    for names in (profile.window_parameters, profile.bulk_window_parameters):
        if set(names) <= set(sent):
            texts = [sent[name] for name in names]
            is_epoch = all(text.isdecimal() for text in texts)
            written = "in epoch seconds" if is_epoch else "in ISO 8601"
            try:
                start, end = (
                    float(text) if is_epoch else datetime.datetime.fromisoformat(text).timestamp() for text in texts
                )
                days = max(1, round((end - start) / 86_400))
            except (ValueError, OverflowError):  # of a URL that the utility wrote: a next page, or a notification
                return ""
            return f". greenkit sent dates {written}, and a window of {counted(days, 'day')}"
    return ""
