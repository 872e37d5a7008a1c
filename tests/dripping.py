"""A TLS server that sends its answer drop by drop, so that only a deadline for the whole exchange ends it."""

import secrets
import socket
import ssl
import threading
import time


def answer_each(server, talk):
    """Call ``talk`` with each connection to a socket in a thread of its own, until the socket is closed."""

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


class Drip:
    """A TLS server that sends its answer drop by drop, from a stage on, and never completes it."""

    STAGES = {  # noqa: RUF012 stage → (what arrives at once, what drips)
        "handshake": (b"", b"\x16\x03\x03\x40\x00"),
        "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Filler: 1\r\n"),
        "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "chunk sizes": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 3),
        "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", b"X: 1\r\n"),
    }

    def __init__(self, authority, stage):
        self.head, self.drop = self.STAGES[stage]
        self.context, self.stage = None, stage
        if stage != "handshake":
            pair = authority.server(stem=f"drip-{secrets.token_hex(4)}")
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(pair.certificate, pair.key)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.server.getsockname()[1]}"
        self.stop = threading.Event()
        answer_each(self.server, self.talk)

    def talk(self, peer):
        try:
            with peer if self.context is None else self.context.wrap_socket(peer, server_side=True) as sock:
                if self.context is not None:
                    sock.recv(65536)
                sock.sendall(self.head)
                while not self.stop.is_set():
                    sock.sendall(self.drop)
                    time.sleep(0.05)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.server.close()
