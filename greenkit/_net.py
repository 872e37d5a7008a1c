"""What the clients of servers share: deadlines, proxies, TLS settings, failures as errors, and a loopback listener.

Each kind of failure is translated in one place: :func:`http_error` reads HTTP status codes, :func:`tls_error` TLS
handshakes, :func:`ssh_error` SSH connections, :func:`connection_error` sockets, and :func:`request_error` the
exceptions of requests, which wrap all of them. Nothing here knows a protocol above these, a folder or a token.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, unquote, urlsplit

from greenkit import _files, certificates
from greenkit.errors import (
    CertificateError,
    CertificateRejected,
    HostRejected,
    LimitError,
    LoginRejected,
    RateLimited,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret

_Error = TypeVar("_Error", bound=BaseException)

# ── facts ──

TLS_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

# ssl.SSLError.reason: what the server reports about the client certificate, and what the user does next. {who} runs the
# server.
_ALERTS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (
        "requires a client certificate",
        "Set certificate and certificate_key to the client certificate that is registered with {who}",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": (
        "does not know the issuer of the client certificate",
        "Ask {who} to install the client certificate or its issuer",
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": (
        "reports that the client certificate has expired",
        "Make a new client certificate and send it to {who}",
    ),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": (
        "reports that the client certificate was revoked",
        "Make a new client certificate and send it to {who}",
    ),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": (
        "does not accept the client certificate",
        "Ask {who} whether this client certificate is installed",
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": (
        "does not accept the client certificate",
        "Check the dates of the client certificate and the clock of this machine, then ask {who} whether the "
        "certificate is installed",
    ),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": (
        "does not accept this type of client certificate",
        "Make a certificate for client authentication and send it to {who}",
    ),
    "TLSV1_ALERT_ACCESS_DENIED": (
        "does not accept the client certificate",
        "Ask {who} whether this client certificate is installed",
    ),
}
_OLD_TLS: Final = 'Ask {who} to enable TLS 1.2, or allow the old version with minimum_tls = "1.0"'
_NO_COMMON_TLS: Final = {
    "WRONG_VERSION_NUMBER": (
        "did not answer in TLS",
        "Check the host and the port, and whether a proxy or firewall intercepts the connection",
    ),
    "HTTP_REQUEST": (
        "did not answer in TLS",
        "Check the host and the port, and whether a proxy or firewall intercepts the connection",
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("supports only an old version of TLS", _OLD_TLS),
    "UNSUPPORTED_PROTOCOL": ("supports only an old version of TLS", _OLD_TLS),
    "NO_SHARED_CIPHER": ("supports only old TLS ciphers", _OLD_TLS),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "ended the TLS handshake: it requires a client certificate or supports only old ciphers",
        "Set certificate and certificate_key to the client certificate that is registered with {who}; if it is set, "
        'allow old ciphers with minimum_tls = "1.0"',
    ),
}
# X509_V_ERR_…, of ssl.SSLCertVerificationError.verify_code: what is wrong with the server's certificate
_CHAIN: Final = (
    "is signed by an issuer that this machine does not trust, or the server does not send an intermediate certificate",
    "Put the missing intermediate certificate and its root into one PEM file, and set ca_file to that file",
)
_VERIFY: Final = {
    9: ("is not valid yet", "Check the clock of this machine"),
    10: ("has expired", "Ask {who} to renew it"),
    18: ("is self-signed", "Get the certificate from {who}, not from the server, and set ca_file to it"),
    19: (
        "is signed by a private certificate authority",
        "Get the authority's certificate from {who} and set ca_file to it",
    ),
    20: _CHAIN,
    21: _CHAIN,
    62: ("is for another host name", "Check the host name in the settings"),
    64: ("is for another IP address", "Set the host to the server's name"),
}

# ── deadlines ──

_ends: ContextVar[float | None] = ContextVar("greenkit_deadline", default=None)


class Deadline:
    """One time limit for all that happens in its blocks, however slowly the peer sends.

    A time-out holds for one receive, so a peer that sends a byte now and then outlasts it. While a block of the
    deadline runs, each operation of this thread on a socket of :func:`connect` or of a context of
    :func:`tls_context` takes at most the time that is left. Of nested deadlines the earliest counts.

    Parameters
    ----------
    seconds : float
        Time from now.

    Examples
    --------
    >>> with Deadline(60) as limit:
    ...     0 < limit.left() <= 60
    True
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends = time.monotonic() + seconds
        self._tokens: list[Token[float | None]] = []

    def left(self) -> float:
        """Return the remaining time in seconds.

        Raises
        ------
        TimeoutError
            If the deadline has passed.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no complete answer within {self.seconds:g} s")
        return left

    def __enter__(self) -> Self:
        outer = _ends.get()
        self._tokens.append(_ends.set(self.ends if outer is None else min(self.ends, outer)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ends.reset(self._tokens.pop())


@contextlib.contextmanager
def _limited(sock: socket.socket) -> Iterator[None]:
    """Shorten a socket's time-out to what the deadline of this thread leaves."""
    ends = _ends.get()
    if ends is None:
        yield
        return
    left, own = ends - time.monotonic(), sock.gettimeout()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    sock.settimeout(left if own is None else min(own, left))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # closed by the peer's failure
            sock.settimeout(own)


class TimedSocket(socket.socket):
    """A socket whose operations end at the deadline of the thread."""

    def recv(self, *args: Any) -> bytes:
        """Receive bytes."""
        with _limited(self):
            return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        """Receive bytes into a buffer."""
        with _limited(self):
            return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        """Send bytes."""
        with _limited(self):
            return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """Send all bytes."""
        with _limited(self):
            super().sendall(*args)


class TimedSSLSocket(ssl.SSLSocket):
    """A TLS socket whose operations end at the deadline of the thread; see :func:`timed`."""

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """Read decrypted bytes; ``recv`` and ``recv_into`` end here too."""
        with _limited(self):
            return super().read(*args, **kwargs)

    def send(self, *args: Any) -> int:
        """Send bytes; ``sendall`` ends here too."""
        with _limited(self):
            return super().send(*args)

    def do_handshake(self, block: bool = False) -> None:
        """Perform the TLS handshake."""
        with _limited(self):
            super().do_handshake(block)


def timed(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the sockets of a TLS context end at the deadline of their thread, and return the context."""
    context.sslsocket_class = TimedSSLSocket
    return context


# ── connections and proxies ──


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that opens tunnels (``CONNECT``, RFC 9110, 9.3.6). Create it with :meth:`parse`."""

    host: str
    port: int
    user: str = ""
    password: Secret | None = None

    @classmethod
    def parse(cls, url: str, password: Secret | None = None) -> Proxy:
        """Read ``http://HOST:PORT`` or ``http://USER@HOST:PORT``.

        Parameters
        ----------
        url : str
            Address of the proxy. Default port: 3128.
        password : Secret, optional
            Password of the proxy's user, if the URL does not contain it.

        Raises
        ------
        SettingsError
            If the text is not the address of an HTTP proxy.

        Examples
        --------
        >>> Proxy.parse("http://proxy.example.com:8080")
        Proxy(host='proxy.example.com', port=8080, user='', password=None)
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
            secret = Secret(unquote(parts.password)) if parts.password else password
            user = unquote(parts.username or "")
        except ValueError:
            parts, host, port, secret, user = urlsplit(""), None, None, None, ""
        # the text is not repeated: it may contain a password
        if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query:
            raise SettingsError(
                "The proxy address is not the address of an HTTP proxy",
                next_step="Write proxy as http://HOST:PORT.",
            )
        return cls(host, port or 3128, user, secret)

    def url(self) -> Secret:
        """Return the address with user and password, as requests takes it."""
        login = f"{quote(self.user, safe='')}:{quote(self.password.reveal() if self.password else '', safe='')}@"
        return Secret(f"http://{login if self.user else ''}{self.host}:{self.port}")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def connect(host: str, port: int, *, timeout: float, proxy: Proxy | None = None) -> TimedSocket:
    """Open a TCP connection, through a proxy if one is given.

    All addresses of the name share one time limit. Small packets are sent at once (``TCP_NODELAY``).

    Parameters
    ----------
    host, port : str, int
        Where to connect to.
    timeout : float
        Seconds for the whole connection, the proxy's answer included; then the time-out of the socket.
    proxy : Proxy, optional
        Proxy that opens the connection.

    Raises
    ------
    OSError
        If the connection cannot be opened; :func:`connection_error` explains it.
    RemoteError
        If the proxy cannot be reached or refuses.
    """
    with Deadline(timeout) as limit:
        if proxy is None:
            return _open(host, port, limit, timeout)
        try:
            sock = _open(proxy.host, proxy.port, limit, timeout)
        except OSError as e:
            raise _through(connection_error(e, f"The proxy {proxy}", timeout=timeout, proxy=proxy)) from None
        try:
            _tunnel(sock, proxy, host, port)
        except OSError as e:
            sock.close()
            raise _through(connection_error(e, f"The proxy {proxy}", timeout=timeout, proxy=proxy)) from None
        except BaseException:
            sock.close()
            raise
        return sock


def _open(host: str, port: int, limit: Deadline, timeout: float) -> TimedSocket:
    fault: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = TimedSocket(family, kind, protocol)
        try:
            sock.settimeout(limit.left())
            sock.connect(address)
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as e:
            fault = e
            sock.close()
    raise fault or OSError("the name has no address")


def _tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.user:
        pair = f"{proxy.user}:{proxy.password.reveal() if proxy.password else ''}"
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair.encode()).decode())
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    # one byte at a time: what follows the head is the server's greeting
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > 1 << 16:
            raise ConnectionResetError(errno.ECONNRESET, "no answer to CONNECT")
        head += byte
    found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    status = int(found[1]) if found else 0
    if status == 407:
        raise _proxy_login(proxy)
    if not 200 <= status < 300:
        raise ServerUnavailable(
            f"The proxy {proxy} does not open a connection to {where} (status {status})",
            next_step="Ask the administrator of the proxy to allow this host and port.",
        )


def _proxy_login(proxy: Proxy) -> RemoteError:
    return LoginRejected(
        f"The proxy {proxy} refuses the user name or password" if proxy.user else f"The proxy {proxy} requires a login",
        next_step="Set proxy to http://USER@HOST:PORT, and proxy_password to the password of that user.",
    )


def _through(error: RemoteError) -> RemoteError:
    error.next_step = "Check the proxy setting, and ask the administrator of the proxy."
    return error


def environment_proxy(host: str) -> str:
    """Return the name of the environment variable that sets a proxy for a host, or an empty string.

    greenkit does not use it, because a proxy sees where the client connects to; its errors mention it.
    """
    found = urllib.request.getproxies_environment()
    if not (found.keys() & {"https", "all"}) or urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return ""
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    return next((name for name in names if os.environ.get(name)), "")


def host_name() -> str:
    """Return the name of this machine, complete if the system knows it: the common name of its certificates."""
    name = socket.getfqdn()
    return socket.gethostname() if name.startswith("localhost") else name


# ── failures as errors ──


def connection_error(
    e: Exception, where: object, *, timeout: float | None = None, who: str = "its operator", proxy: Proxy | None = None
) -> ServerUnavailable:
    """Translate a failure to connect, or the loss of a connection.

    Parameters
    ----------
    e : Exception
        OSError or EOFError of a socket.
    where : object
        The server, as the error names it: an address without a query, or a label.
    timeout : float, optional
        Seconds that it was given.
    who : str, optional
        Who runs the server.
    proxy : Proxy, optional
        Proxy in use. Without one the error mentions a proxy that the environment names.

    Examples
    --------
    >>> print(connection_error(ConnectionRefusedError(), "sftp://host:22"))
    sftp://host:22 refuses connections. Check the host and the port, or try again later.
    """
    hint = _proxy_hint(str(where)) if proxy is None else ""
    if isinstance(e, socket.gaierror):
        problem, step = f"The host name of {where} cannot be resolved", "Check the host name, the network and the VPN."
    elif isinstance(e, ConnectionRefusedError):
        problem, step = f"{where} refuses connections", "Check the host and the port, or try again later."
    elif isinstance(e, TimeoutError):
        limit = "in time" if timeout is None else f"within {timeout:g} s"
        problem = f"{where} did not answer {limit}"
        step = f"Ask {who} whether the firewall allows the public IP address of this machine, or try again later."
    elif getattr(e, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        problem, step = f"There is no route to {where}", "Check the network connection and the VPN of this machine."
    else:
        problem, step = f"{where} closed the connection", "Try again later."
    return ServerUnavailable(problem, next_step=f"{step}{hint}")


def _proxy_hint(where: str) -> str:
    host = urlsplit(where).hostname if "://" in where else where.partition(":")[0]
    name = environment_proxy(host or where)
    return (
        f" If this machine needs a proxy, set proxy: the environment variable {name} names one, and greenkit does not "
        "use it."
        if name
        else ""
    )


def tls_error(e: BaseException, where: object, *, who: str = "its operator") -> RemoteError | None:
    """Translate a failed TLS handshake; return None if the exception does not state the cause.

    Parameters
    ----------
    e : BaseException
        Usually an ``ssl.SSLError``.
    where : object
        The server, as the error names it.
    who : str, optional
        Who runs the server and installs client certificates.

    Returns
    -------
    RemoteError or None
        HostRejected if the server's certificate is not trusted, CertificateRejected if the server refuses the
        client's, RemoteError if there is no common version or cipher.
    """
    if isinstance(e, ssl.SSLCertVerificationError):
        problem, step = _VERIFY.get(
            e.verify_code, (f"cannot be verified ({e.verify_message or 'no reason given'})", "Ask {who} about it")
        )
        return HostRejected(f"The certificate of {where} {problem}", next_step=f"{step.format(who=who)}.")
    reason = getattr(e, "reason", None) or ""
    # OpenSSL 3.2 and later write TLSV1_ALERT_… for what was SSLV3_ALERT_…
    for name in dict.fromkeys(
        (reason, reason.replace("TLSV1_ALERT", "SSLV3_ALERT"), reason.replace("SSLV3_ALERT", "TLSV1_ALERT"))
    ):
        for table, error in ((_ALERTS, CertificateRejected), (_NO_COMMON_TLS, RemoteError)):
            if name in table:
                problem, step = table[name]
                return error(f"{where} {problem}", next_step=f"{step.format(who=who)}.")
    return None


def http_error(
    status: int, where: object, *, wait: float | None = None, who: str = "the utility", check: str = "the address"
) -> RemoteError | None:
    """Translate an HTTP status that means the same for every service; return None for the others.

    Parameters
    ----------
    status : int
        Status code of the response.
    where : object
        The resource, as the error names it: without a query, an id or a token.
    wait : float, optional
        Seconds of ``Retry-After``; see :func:`retry_after`.
    who : str, optional
        Who runs the service.
    check : str, optional
        Setting that holds the address.

    Examples
    --------
    >>> http_error(429, "The token endpoint", wait=30.0).retry_after
    30.0
    >>> http_error(404, "The token endpoint") is None
    True
    """
    later = "Try again later." if wait is None else f"Try again in {wait:,.0f} s."
    if status == 429:
        return RateLimited(f"{where} limits the rate of requests (status 429)", wait, next_step=later)
    if status in (408, 425) or status >= 500:
        return ServerUnavailable(f"{where} is not available now (status {status})", wait, next_step=later)
    if 300 <= status < 400:
        return HostRejected(
            f"{where} redirects to another address, which greenkit does not follow (status {status})",
            next_step=f"Check {check}, or ask {who} for the current one.",
        )
    if status == 407:
        return LoginRejected(
            "The proxy requires a login (status 407)",
            next_step="Set proxy to http://USER@HOST:PORT, and proxy_password to the password of that user.",
        )
    return None


def retry_after(text: str | None) -> float | None:
    """Read the value of ``Retry-After``, in seconds or as a date (RFC 9110, 10.2.3).

    Returns
    -------
    float or None
        Seconds from now, not negative; None if the value is absent or cannot be read.

    Examples
    --------
    >>> retry_after("120"), retry_after("Fri, 01 Mar 2024 00:00:30 GMT"), retry_after("soon"), retry_after(None)
    (120.0, 0.0, None, None)
    """
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        # the older forms of a date do not say that they are in UTC
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def request_error(
    e: BaseException,
    where: object,
    *,
    host: str = "",
    timeout: float | None = None,
    who: str = "the utility",
    proxy: Proxy | None = None,
) -> RemoteError:
    """Translate what requests and urllib3 raise; their texts, which contain the whole address, are dropped.

    Parameters
    ----------
    e : BaseException
        The exception, which wraps those of sockets and TLS several times.
    where : object
        The resource, as the error names it.
    host : str, optional
        Host of the resource, to see whether the environment names a proxy for it.
    timeout, who, proxy
        As for :func:`connection_error` and :func:`tls_error`.
    """
    import requests
    from urllib3.exceptions import HTTPError, NameResolutionError

    causes = list(_causes(e))
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, TimeoutError):
            return tls_error(cause, where, who=who) or CertificateRejected(
                f"The TLS connection with {where} failed ({cause.reason or 'no reason given'})",
                next_step=f"Check the client certificate, and ask {who} whether it is installed.",
            )
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        if any("407" in str(cause) for cause in causes if isinstance(cause, OSError)):
            return _proxy_login(proxy) if proxy else LoginRejected("The proxy requires a login")
        return ServerUnavailable(
            f"The proxy {proxy or ''} does not open a connection to {where}".replace("  ", " "),
            next_step="Check the proxy setting, and ask the administrator of the proxy.",
        )
    if any(isinstance(cause, requests.exceptions.TooManyRedirects) for cause in causes):
        return HostRejected(
            f"{where} redirects to another address, which greenkit does not follow", next_step="Check the address."
        )
    cut = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
    if isinstance(e, cut) or (isinstance(e, HTTPError) and not isinstance(e, OSError)):
        return TransferError(f"The answer of {where} is truncated or damaged", next_step="Send the request again.")
    plain: Exception = ConnectionResetError()
    for cause in causes:
        if isinstance(cause, requests.exceptions.Timeout | TimeoutError):
            plain = TimeoutError()
        elif isinstance(cause, socket.gaierror | ConnectionRefusedError):
            plain = cause
            break
        elif isinstance(cause, NameResolutionError):
            plain = socket.gaierror()
            break
        elif getattr(cause, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            plain = cause  # type: ignore[assignment]
            break
    error = connection_error(plain, where, timeout=timeout, who=who, proxy=proxy or Proxy("", 0))
    error.next_step += _proxy_hint(host) if host and proxy is None else ""
    return error


def _causes(e: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that it wraps, each once."""
    seen: set[int] = set()
    todo: list[object] = [e]
    while todo:
        one = todo.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def ssh_error(
    e: Exception, where: object, *, timeout: float, given: str, said: str, who: str = "SMT", proxy: Proxy | None = None
) -> RemoteError:
    """Translate what paramiko raises while it connects and logs in, host keys apart.

    Parameters
    ----------
    e : Exception
        Exception of paramiko or of the socket.
    where : object
        The server, as the error names it.
    timeout : float
        Seconds that it was given.
    given : str
        What was offered: ``"key"``, ``"password"`` or both.
    said : str
        The exception's text, in one line and without a secret.
    who : str, optional
        Who runs the server.
    proxy : Proxy, optional
        Proxy in use.
    """
    import paramiko

    if isinstance(e, paramiko.AuthenticationException):
        # after a time-out or a lost connection nothing was refused, and paramiko reports this only as text
        if "timeout" in str(e).lower():
            return ServerUnavailable(
                f"{where} did not answer the login within {timeout:g} s", next_step="Try again later."
            )
        accepted = getattr(e, "allowed_types", None)
        hint = f" (it accepts: {', '.join(accepted)})" if accepted else ""
        return LoginRejected(
            f"{where} refuses the user name or its {given}{hint}; greenkit does not try again",
            next_step=f"Check the user name and the {given}, and ask {who} whether they are registered.",
        )
    if isinstance(e, paramiko.IncompatiblePeer):
        return RemoteError(
            f"{where} supports only SSH algorithms that are no longer safe ({said})",
            next_step=f"Ask {who} to enable current SSH algorithms.",
        )
    if isinstance(e, socket.gaierror | OSError):
        return connection_error(e, where, timeout=timeout, who=who, proxy=proxy)
    if "banner" in str(e) or "No existing session" in str(e):  # the latter when its own time-out was first
        return ServerUnavailable(
            f"{where} did not greet as an SSH server within {timeout:g} s",
            next_step=f"Check the port, and ask {who} whether the public IP address of this machine is allowed.",
        )
    if isinstance(e, EOFError):
        return connection_error(e, where, timeout=timeout, who=who, proxy=proxy)
    return ServerUnavailable(f"The SSH connection with {where} failed ({said})", next_step="Try again later.")


def strip_traceback(e: _Error) -> _Error:
    """Cut an exception off from the frames and exceptions behind it, whose locals contain secrets, and return it."""
    e.__cause__ = e.__context__ = None
    return e.with_traceback(None)


# ── TLS settings ──


def tls_context(
    *,
    ca_file: _files.StrPath | None = None,
    certificate: _files.StrPath | None = None,
    key: _files.StrPath | None = None,
    key_password: Secret | None = None,
    minimum_tls: str = "1.2",
) -> ssl.SSLContext:
    """Make the TLS settings of a client that verifies the server and shows its own certificate.

    Parameters
    ----------
    ca_file : path, optional
        Certificate authorities (or the one server certificate) to trust. Default: those of the system.
    certificate, key : path, optional
        The client's certificate and private key, PEM. Without ``key`` it is read from the certificate's file.
    key_password : Secret, optional
        Password of the key. It is never asked for on the terminal.
    minimum_tls : {"1.2", "1.3", "1.1", "1.0"}
        Lowest version of TLS. Below 1.2 old ciphers are allowed too; the server is verified in every case.

    Raises
    ------
    SettingsError
        If ``minimum_tls`` is none of these versions.
    CertificateError
        If a file is missing, is not PEM, is not accepted by OpenSSL, or certificate and key do not match.
    """
    if minimum_tls not in TLS_VERSIONS:
        raise SettingsError(
            f"minimum_tls is {minimum_tls!r}, but it must be one of {', '.join(TLS_VERSIONS)}",
            next_step='Set minimum_tls to "1.2".',
        )
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as e:
        cause = e.strerror if not isinstance(e, ssl.SSLError) else "it contains no PEM certificate"
        raise CertificateError(
            f"The file of certificate authorities {ca_file} cannot be used ({cause})",
            next_step="Set ca_file to a PEM file with the certificates of the authorities.",
        ) from None
    if minimum_tls in ("1.0", "1.1"):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():  # the caller has just asked for an old version
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = TLS_VERSIONS[minimum_tls]
    else:
        context.minimum_version = TLS_VERSIONS[minimum_tls]
    if certificate is not None:
        certificates.check_key(certificate, key, key_password)
        try:
            # a callable, because without one OpenSSL would ask on the terminal
            context.load_cert_chain(certificate, key, lambda: key_password.reveal().encode() if key_password else b"")
        except ssl.SSLError as e:
            raise CertificateError(
                f"OpenSSL does not accept the client certificate {certificate} ({e.reason or 'no reason given'})",
                next_step="Make a new one with an RSA key of 3072 bits: greenkit make-key certificate.",
            ) from None
    return timed(context)


# ── loopback listener ──


@dataclass(frozen=True)
class Request:
    """One request to a :class:`LoopbackListener`."""

    method: str
    path: str
    """The request target with its query, as sent."""
    headers: Message = field(repr=False)
    """Header fields; their names are not case-sensitive."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Reply:
    """The response to a :class:`Request`."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class LoopbackListener:
    """An HTTP listener on 127.0.0.1 that answers each request with what a function returns.

    It writes no log, because a request line may contain a code or a customer's id, and it ends a connection that
    sends too slowly.

    Parameters
    ----------
    port : int
        Port to listen on; 0 uses a free one. It is never shared with another program.
    handle : callable
        Takes a :class:`Request` and returns a :class:`Reply`. It runs in a thread of its own for each connection.
    longest : int, optional
        Largest body in bytes; a larger one is answered with 413 and not passed on.

    Raises
    ------
    OSError
        If the port is in use or reserved.

    Examples
    --------
    >>> with LoopbackListener(0, lambda request: Reply(200, request.path.encode())) as listener:
    ...     listener.port > 0
    True
    """

    def __init__(self, port: int, handle: Callable[[Request], Reply], *, longest: int = 1 << 20) -> None:
        self._server = _LoopbackServer(("127.0.0.1", port), _LoopbackHandler)
        self._server.handle, self._server.longest = handle, longest
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and free the port; safe to call twice, and from the listener's own threads."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _LoopbackServer(ThreadingHTTPServer):
    allow_reuse_address = False  # another program must not listen on the same port
    daemon_threads = True
    block_on_close = False
    handle: Callable[[Request], Reply]
    longest: int

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted, address = super().get_request()
        return TimedSocket(fileno=accepted.detach()), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing if the peer hangs up: the default prints a traceback."""


class _LoopbackHandler(BaseHTTPRequestHandler):
    server: _LoopbackServer
    timeout = 10.0  # for a browser that connects early and sends nothing
    server_version, sys_version = "greenkit", ""

    def handle(self) -> None:
        with Deadline(3 * self.timeout):
            super().handle()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            reply = self.server.handle(Request(self.command, self.path, self.headers, self._body()))
        except LimitError:
            reply = Reply(413)
        except ValueError:
            reply = Reply(400)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _body(self) -> bytes:
        """Read the body by its length or in chunks (RFC 9112, 7.1); LimitError if it is too long."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = self.headers.get("Content-Length", "0")
            return self.rfile.read(self._bounded(int(length) if length.isdecimal() and len(length) < 10 else -1))
        body = b""
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            body += self.rfile.read(self._bounded(size, len(body)))
            self.rfile.readline(3)
        return body

    def _bounded(self, size: int, before: int = 0) -> int:
        if size < 0 or before + size > self.server.longest:
            raise LimitError(f"The request is larger than {self.server.longest:,} bytes")
        return size

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the line may contain a code or a customer's id."""
