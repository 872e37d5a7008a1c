"""The resources: one request at a time, paced, renewed once, streamed, every status typed.

A resource is asked for with a bearer token and our certificate, at addresses that
:func:`greenkit.custodian._transport.checked_url` has let pass.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import requests
from urllib3.exceptions import HTTPError

from greenkit import _files
from greenkit._progress import Progress, progress_bar
from greenkit.custodian import _transport
from greenkit.custodian._oauth import retry_after
from greenkit.custodian._transport import PATIENCE, RateLimiter, Tls
from greenkit.custodian.profiles import Profile
from greenkit.errors import (
    AuthorizationExpired,
    CertificateRejected,
    ClientRejected,
    GreenkitError,
    HostRejected,
    RateLimited,
    RemoteError,
    ServerUnavailable,
)
from greenkit.secret import Secret

log = logging.getLogger("greenkit.custodian")

LIMIT: Final = 2 << 30
"""Largest answer [bytes], after decompression."""
ATTEMPTS: Final = 3
"""How often a request is sent to a server that says it is busy."""
_BUSY: Final = (429, 502, 503, 504)
_KEPT: Final = ("content-type", "etag", "last-modified", "location", "retry-after", "x-transaction")


@dataclass(frozen=True)
class Bearer:
    """Whose token a request carries.

    Parameters
    ----------
    get : callable
        Gives the access token; given one that was refused, it gives a newer one.
    refused : type
        The error when a new token is refused too.
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
    """Ask for one utility's resources.

    Parameters
    ----------
    profile : Profile
    tls : Tls
    timeout : float
        Longest silence of the server [s].
    limit : int
        Largest answer [bytes] after decompression.
    proxies : mapping, optional
        As requests takes them.
    limiter : RateLimiter, optional
        Of the client id, where several clients share it.
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
        limit: int = LIMIT,
        proxies: Mapping[str, str] | None = None,
        limiter: RateLimiter | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._profile, self._limit, self._total, self._sleep = profile.complete(), limit, total, sleep
        self._timeout = (_transport.CONNECT, timeout)
        self._limiter = limiter or RateLimiter(profile.limits)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = profile.user_agent
        _transport.configure(self._session, tls, proxies=proxies)
        _transport.hide_ids_in_logs(profile)

    def get(self, url: str, bearer: Bearer, *, into: Path | None = None, progress: Progress = None) -> Answer:
        """GET a resource.

        Parameters
        ----------
        url : str
            Of a resource of the profile; HostRejected for any other.
        bearer : Bearer
        into : path, optional
            A file to stream the body to; it appears when it is whole, and only its owner can read it.

        Returns
        -------
        Answer
            Status 200, 202 or 204.

        Raises
        ------
        AuthorizationExpired, ClientRejected, CertificateRejected
            Refused, after one renewal of the token.
        RateLimited, ServerUnavailable, TransferError, LimitError, RemoteError
        """
        return self._request("GET", url, bearer, into, progress)

    def delete(self, url: str, bearer: Bearer) -> Answer:
        """DELETE a resource."""
        return self._request("DELETE", url, bearer, None, None)

    def _request(self, method: str, url: str, bearer: Bearer, into: Path | None, progress: Progress) -> Answer:
        url = _transport.checked_url(self._profile, url)
        access, renewed, tries = bearer.get(None), False, 1
        while True:
            self._limiter.wait()
            outcome = self._once(method, url, access, into, progress, bearer.refused)
            if isinstance(outcome, Answer):
                return outcome
            if outcome.status in self._profile.renew_on and not renewed:
                access, renewed = bearer.get(access), True
            elif outcome.status in _BUSY and tries < ATTEMPTS and (outcome.retry_after or 0) <= PATIENCE:
                # without Retry-After: 1 s, then 4 s
                wait = outcome.retry_after if outcome.retry_after is not None else 4.0 ** (tries - 1)
                log.info("%s is busy: asking again in %.0f s", _transport.url_label(url), wait)
                self._sleep(wait)
                tries += 1
            else:
                raise outcome.error

    def _once(
        self, method: str, url: str, access: Secret, into: Path | None, progress: Progress, refused: type[RemoteError]
    ) -> Answer | _Refused:
        """Send it once; what fails leaves here without the frames that hold the token."""
        what, began = _transport.url_label(url), time.monotonic()
        fault: BaseException
        try:
            response = self._session.request(
                method,
                url,
                headers={
                    "Authorization": f"Bearer {access.reveal()}",
                    "Accept": "application/atom+xml, application/xml;q=0.9",
                },
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            log.debug("%s %s: %d after %.1f s", method, what, response.status_code, time.monotonic() - began)
            return self._read(response, what, into, progress, refused)
        except GreenkitError as e:
            fault = _transport.strip_traceback(e)
        except (requests.RequestException, HTTPError) as e:
            fault = _transport.translate_error(e, what)
        except BaseException as e:  # noqa: BLE001 Ctrl-C and a full disk, too, leave the frames with the token behind
            fault = _transport.strip_traceback(e)
        raise fault

    def _read(
        self, response: requests.Response, what: str, into: Path | None, progress: Progress, refused: type[RemoteError]
    ) -> Answer | _Refused:
        status, wait = response.status_code, retry_after(response)
        headers = {k: response.headers[k] for k in _KEPT if k in response.headers}
        if status in (202, 204):
            response.close()
            return Answer(status, headers=headers, retry_after=wait)
        if status == 200:
            return Answer(200, self._body(response, into, progress), headers, wait)
        with contextlib.closing(_transport.chunks(response, limit=LIMIT)) as pieces:
            head = next(pieces, b"")[:200]  # enough for a hint: what else there is is not read, however long it is
        return _Refused(status, self._error(status, head, what, wait, refused), wait)

    def _body(self, response: requests.Response, into: Path | None, progress: Progress) -> bytes | Path:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None

        def copy(file: BinaryIO | io.BytesIO) -> None:
            with progress_bar(progress, total, "fetching") as advance:
                for chunk in _transport.chunks(response, limit=self._limit, total=self._total):
                    file.write(chunk)
                    advance(len(chunk))

        if into is None:
            memory = io.BytesIO()
            copy(memory)
            return memory.getvalue()
        with _files.atomic(into, private=True) as file:
            copy(file)
        return into

    def _error(
        self, status: int, head: bytes, what: str, wait: float | None, refused: type[RemoteError]
    ) -> RemoteError:
        """Say what a status means; the body, which may repeat what was sent, is not shown."""
        meaning = self._profile.meanings.get(status)
        hint = f" (status {status}: {meaning})" if meaning else f" (status {status})"
        if b"certificate" in head.lower() and status in (400, 401, 403):
            return CertificateRejected(f"{what} says that our certificate is not the registered one: give that one")
        if status == 429:
            return RateLimited(f"{what} asks for fewer requests: wait, then try again", wait)
        if status >= 500:
            return ServerUnavailable(f"{what} cannot answer now (status {status}): try again later")
        if 300 <= status < 400:
            return HostRejected(
                f"{what} sent us to another address, which is not followed: check the profile's resource_url"
            )
        if status in (401, 403):
            next_step = "authorize again" if refused is AuthorizationExpired else "check the registration"
            if status == 403 and head.lstrip()[:1] == b"<":  # a web page, as Cloudflare's
                next_step += ", or, if a filter in front of it refuses this machine or program, set user_agent"
            return refused(f"{what} refused the token{hint}: {next_step}")
        if status == 404:
            return RemoteError(
                f"{what} is not known to the utility{hint}: check the id, and the profile's resource_url"
            )
        if status == 400:
            return ClientRejected(f"{what} refused the request{hint}: check window, id and certificate")
        return RemoteError(f"{what} gave an answer that greenkit does not expect{hint}: ask the utility")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
