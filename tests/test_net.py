"""Deadlines, proxies, failures as errors and the loopback listener of greenkit._net, on loopback sockets."""

import errno
import http.client
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import requests

from greenkit import _net
from greenkit.errors import (
    CertificateRejected,
    HostRejected,
    LoginRejected,
    RateLimited,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.secret import Secret


@contextmanager
def serving(talk):
    """Run a one-connection server that calls ``talk(connection)``, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    talk(connection)

        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]


def drip(data, every=0.05):
    def talk(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(every)

    return talk


def test_deadline_ends_a_read_that_drips():
    with serving(drip(b"x" * 200)) as port:
        sock = _net.connect("127.0.0.1", port, timeout=5)
        with sock, sock.makefile("rb") as file, pytest.raises(TimeoutError), _net.Deadline(0.2):
            file.read(200)


def test_deadline_ends_a_tls_handshake_that_drips():
    with serving(drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 500)) as port:
        sock = _net.connect("127.0.0.1", port, timeout=5)
        with pytest.raises(TimeoutError), _net.Deadline(0.2):
            _net.tls_context().wrap_socket(sock, server_hostname="localhost")


def test_time_out_of_the_socket_is_restored_after_a_deadline():
    with serving(drip(b"xy", 0)) as port, _net.connect("127.0.0.1", port, timeout=7) as sock:
        with _net.Deadline(3):
            sock.recv(1)
        assert sock.gettimeout() == 7


def test_nested_deadline_does_not_extend_the_outer_one():
    with serving(drip(b"x" * 200)) as port:
        sock = _net.connect("127.0.0.1", port, timeout=5)
        with sock, sock.makefile("rb") as file, pytest.raises(TimeoutError), _net.Deadline(0.3), _net.Deadline(30):
            file.read(200)


def test_expired_deadline_raises_before_the_operation():
    with serving(drip(b"x")) as port, _net.connect("127.0.0.1", port, timeout=5) as sock:
        with pytest.raises(TimeoutError), _net.Deadline(0) as limit:
            sock.recv(1)
        with pytest.raises(TimeoutError, match="no complete answer within 0 s"):
            limit.left()


def answering(answer, seen):
    def talk(connection):
        seen.append(connection.recv(4096))
        connection.sendall(answer)

    return talk


def test_proxy_opens_a_tunnel_and_consumes_no_byte_of_the_greeting():
    seen = []
    with serving(answering(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n220 hello\r\n", seen)) as port:
        proxy = _net.Proxy.parse(f"http://me@127.0.0.1:{port}", Secret("pass word"))
        with _net.connect("smt.example", 21, timeout=5, proxy=proxy) as sock:
            assert sock.recv(100) == b"220 hello\r\n"
    assert seen[0].startswith(b"CONNECT smt.example:21 HTTP/1.1\r\nHost: smt.example:21\r\n")
    assert b"Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n" in seen[0]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", LoginRejected, "requires a login"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", ServerUnavailable, "status 403"),
        (b"", ServerUnavailable, "closed the connection"),
        (b"SSH-2.0-x\r\n\r\n", ServerUnavailable, "status 0"),
    ],
)
def test_refusal_of_a_proxy_is_explained(answer, error, text):
    with serving(answering(answer, [])) as port:
        proxy = _net.Proxy("127.0.0.1", port)
        with pytest.raises(error, match=text) as caught:
            _net.connect("smt.example", 21, timeout=5, proxy=proxy)
    assert caught.value.next_step


def test_dead_proxy_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServerUnavailable, match=r"The proxy .* refuses connections\. Check the proxy setting"):
        _net.connect("smt.example", 21, timeout=5, proxy=_net.Proxy("127.0.0.1", port))


@pytest.mark.parametrize("url", ["socks5://host:1", "http://", "http://host:port", "http://host/path", "http://h?x=1"])
def test_invalid_proxy_raises_settings_error_without_its_text(url):
    with pytest.raises(SettingsError, match="http://HOST:PORT") as caught:
        _net.Proxy.parse(url)
    assert url.removeprefix("http://") == "" or url not in caught.value.problem


def test_password_of_a_proxy_is_not_shown():
    proxy = _net.Proxy.parse("http://me:hunter2@proxy.example:8080")
    assert "hunter2" not in repr(proxy) + str(proxy) + repr(proxy.url())
    assert proxy.url().reveal() == "http://me:hunter2@proxy.example:8080"


def test_proxy_of_the_environment_is_mentioned_only_if_it_would_be_used(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "proxy" not in str(_net.connection_error(TimeoutError(), "sftp://host:22"))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert "HTTPS_PROXY" in _net.connection_error(TimeoutError(), "sftp://host:22").next_step
    assert "HTTPS_PROXY" not in str(_net.connection_error(TimeoutError(), "sftp://host:22", proxy=_net.Proxy("p", 1)))
    monkeypatch.setenv("NO_PROXY", "host")
    assert "HTTPS_PROXY" not in str(_net.connection_error(TimeoutError(), "sftp://host:22"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (socket.gaierror(-2, "x"), "cannot be resolved"),
        (ConnectionRefusedError(), "refuses connections"),
        (TimeoutError(), "did not answer within 5 s"),
        (OSError(errno.ENETUNREACH, "x"), "no route"),
        (ConnectionResetError(), "closed the connection"),
        (EOFError(), "closed the connection"),
    ],
)
def test_connection_errors_are_distinguished(error, text):
    found = _net.connection_error(error, "ftps://host:21", timeout=5)
    assert text in found.problem
    assert found.next_step.endswith(".")


def ssl_error(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}] x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "kind", "step"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", CertificateRejected, "Set certificate and certificate_key"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", CertificateRejected, "send it to SMT"),
        ("TLSV1_ALERT_CERTIFICATE_EXPIRED", CertificateRejected, "send it to SMT"),  # OpenSSL 3.2 and later
        ("WRONG_VERSION_NUMBER", RemoteError, "Check the host and the port"),
        ("UNSUPPORTED_PROTOCOL", RemoteError, "minimum_tls"),
    ],
)
def test_tls_alerts_have_a_next_step(reason, kind, step):
    found = _net.tls_error(ssl_error(reason), "ftps://host:21", who="SMT")
    assert type(found) is kind
    assert step in found.next_step


def test_tls_error_of_an_unknown_reason_is_left_to_the_caller():
    assert _net.tls_error(ssl_error("SHUTDOWN_WHILE_IN_INIT"), "x") is None
    assert _net.tls_error(ValueError(), "x") is None


@pytest.mark.parametrize("code", [9, 10, 18, 19, 20, 21, 62, 64, 999])
def test_certificates_of_servers_that_do_not_verify_are_host_rejections(code):
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "odd"
    found = _net.tls_error(error, "ftps://host:21", who="SMT")
    assert type(found) is HostRejected
    assert found.next_step


@pytest.mark.parametrize(
    ("status", "kind", "wait"),
    [
        (429, RateLimited, 30.0),
        (503, ServerUnavailable, 30.0),
        (408, ServerUnavailable, None),
        (302, HostRejected, None),
    ],
)
def test_http_statuses_that_mean_the_same_everywhere(status, kind, wait):
    found = _net.http_error(status, "The service", wait=wait)
    assert type(found) is kind
    assert str(status) in found.problem
    assert found.next_step
    assert getattr(found, "retry_after", None) == wait


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 404])
def test_other_http_statuses_are_left_to_the_caller(status):
    assert _net.http_error(status, "The service") is None


def asked(url, **options):
    with pytest.raises(requests.RequestException) as caught:
        requests.get(url, **{"timeout": 0.3, **options})
    return caught.value


def test_request_errors_are_distinguished_by_their_cause(monkeypatch, closed_port):
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = asked(f"http://127.0.0.1:{silent.getsockname()[1]}/?secret")
    closed = asked(f"http://127.0.0.1:{closed_port}/?secret")
    with serving(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", [])) as cutting:
        cut = asked(f"http://127.0.0.1:{cutting}/")
    nowhere = asked("http://nowhere.invalid/")
    found = [_net.request_error(e, "The service", timeout=0.3) for e in (slow, closed, cut, nowhere)]
    assert [type(e) for e in found] == [ServerUnavailable, ServerUnavailable, TransferError, ServerUnavailable]
    assert "did not answer within 0.3 s" in str(found[0])
    assert "refuses connections" in str(found[1])
    assert "cannot be resolved" in str(found[3])
    assert all(e.next_step and "secret" not in str(e) for e in found)


def test_failure_of_a_proxy_is_not_attributed_to_the_server():
    with serving(answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", [])) as port:
        error = asked("https://host.example/", proxies={"https": f"http://127.0.0.1:{port}"})
        assert "requires a login" in str(_net.request_error(error, "The service", proxy=_net.Proxy("127.0.0.1", port)))
    error = asked("https://host.example/", proxies={"https": f"http://127.0.0.1:{port}"})
    assert "The proxy" in str(_net.request_error(error, "The service", proxy=_net.Proxy("127.0.0.1", port)))


def listener(handle, **options):
    return _net.LoopbackListener(0, handle, **options)


def send(port, method="GET", path="/", body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body, dict(headers), encode_chunked=True)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_loopback_listener_passes_requests_on_and_bounds_their_bodies():
    def handle(request):
        return _net.Reply(200, f"{request.method} {request.path} {request.body.decode()}".encode())

    with listener(handle, longest=10) as at:
        assert send(at.port, "GET", "/a?b=c") == (200, b"GET /a?b=c ")
        assert send(at.port, "POST", "/", b"0123456789") == (200, b"POST / 0123456789")
        assert send(at.port, "POST", "/", b"0123456789x")[0] == 413
        chunked = {"Transfer-Encoding": "chunked"}
        assert send(at.port, "POST", "/", iter([b"01234", b"56789"]), chunked) == (200, b"POST / 0123456789")
        assert send(at.port, "POST", "/", iter([b"01234", b"567890"]), chunked)[0] == 413


def test_loopback_listener_ends_a_request_that_drips(monkeypatch):
    monkeypatch.setattr(_net._LoopbackHandler, "timeout", 0.2)
    with (
        listener(lambda request: _net.Reply(200)) as at,
        socket.create_connection(("127.0.0.1", at.port)) as sock,
        pytest.raises(OSError, match=r"reset|Broken pipe"),
    ):
        drip(b"G" * 1_000)(sock)


def test_port_of_a_loopback_listener_is_not_shared():
    with listener(lambda request: _net.Reply(200)) as at, pytest.raises(OSError, match="in use"):
        _net.LoopbackListener(at.port, lambda request: _net.Reply(200))


@pytest.mark.parametrize(("full", "name"), [("pc.example.com", "pc.example.com"), ("localhost.localdomain", "pc")])
def test_host_name_is_that_of_the_machine_and_not_of_the_loopback(monkeypatch, full, name):
    monkeypatch.setattr("socket.getfqdn", lambda: full)
    monkeypatch.setattr("socket.gethostname", lambda: "pc")
    assert _net.host_name() == name
