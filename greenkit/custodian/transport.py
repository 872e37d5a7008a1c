"""The wire: TLS with our certificate, time-outs, size limits, and network failures as greenkit's errors.

Nothing here knows OAuth or ESPI. Sessions never follow a redirect (requests would show the client certificate to
the next host), never take settings from environment variables (``REQUESTS_CA_BUNDLE`` would widen a pinned
authority, ``~/.netrc`` would replace the token), and always verify the server.
"""

from __future__ import annotations

import io
import os
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import create_urllib3_context

from greenkit import certificates
from greenkit.errors import (
    CertificateError,
    CertificateRejected,
    HostRejected,
    LimitError,
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


def failure(e: Exception, what: str) -> RemoteError:
    """Translate what requests and urllib3 raise; their texts, which hold the whole address, are dropped."""
    tls = _tls_error(e)
    if tls is not None:
        return tls_failure(tls, what)
    if isinstance(e, requests.exceptions.Timeout):
        return ServerUnavailable(f"{what} did not answer in time: try again later")
    if isinstance(e, requests.exceptions.TooManyRedirects):
        return HostRejected(f"{what} sent us to another address, which is not followed: check the profile's addresses")
    if isinstance(e, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError | HTTPError):
        return TransferError(f"the answer of {what} was cut or damaged: ask again")
    return ServerUnavailable(f"{what} cannot be reached, or closed the connection: check the address and the network")


def tls_failure(e: ssl.SSLError, what: str) -> RemoteError:
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


def clean(e: _Error) -> _Error:
    """Cut an error off from the frames and errors behind it: their locals hold headers and bodies with secrets."""
    e.__cause__ = e.__context__ = None
    return e.with_traceback(None)
