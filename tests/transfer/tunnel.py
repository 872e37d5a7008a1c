"""An HTTP proxy on loopback that opens tunnels, records them, and can slow a server down to single bytes."""

import contextlib
import re
import socket
import threading
import time


class Tunnel:
    """``drip(number, sent)`` returns the seconds to wait before the next byte of a connection; 0 passes all at once.

    ``number`` counts the connections, and ``sent`` the server's bytes; it is -1 in the proxy's answer.
    """

    def __init__(self, drip=lambda number, sent: 0.0, login=None):
        self.drip, self.login = drip, login
        self.targets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client):
        with contextlib.suppress(OSError), client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            if self.login and f"Proxy-Authorization: Basic {self.login}\r\n".encode() not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            host, port = re.match(rb"CONNECT (\S+):(\d+) ", head).groups()
            number = len(self.targets)
            self.targets.append((host.decode(), int(port)))
            with socket.create_connection((host.decode(), int(port))) as server:
                for byte in b"HTTP/1.1 200 OK\r\n\r\n":
                    time.sleep(self.drip(number, -1))
                    client.sendall(bytes([byte]))
                threading.Thread(target=self._copy, args=(client, server), daemon=True).start()
                self._answer(server, client, number)

    def _copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _answer(self, server, client, number):
        sent = 0
        while data := server.recv(1 << 10):
            while data:
                wait = self.drip(number, sent)
                piece, data = (data[:1], data[1:]) if wait else (data, b"")
                time.sleep(wait)
                client.sendall(piece)
                sent += len(piece)
