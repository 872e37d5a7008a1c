"""What a client's ``usage`` costs, against ``requests.get`` of the same bytes and ``load_espi`` of them.

python benchmarks/connect.py [--megabytes 1 10] [--rounds 15]

A server on loopback sends one feed over TLS. The three are measured in turns, in CPU time of the thread that calls
them, so the server's part does not count; the figures are medians. ``usage`` fetches the feed, reads it, and compares
what arrived with what was requested.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import requests

import greenkit
from greenkit.custodian import MemoryStore, profiles
from greenkit.custodian._tokens import Token
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret

sys.path.insert(0, str(Path(__file__).parent))
import feeds


def serve(context: ssl.SSLContext, body: bytes) -> str:
    """Answer each request with the same bytes, and return the address."""
    server = socket.create_server(("127.0.0.1", 0))
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def talk(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as sock:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = sock.recv(1 << 16)
                    if not received:
                        return
                    head += received
                sock.sendall(answer)

    def accept() -> None:
        while True:
            threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"https://127.0.0.1:{server.getsockname()[1]}"


def connect(authority: Authority, url: str) -> greenkit.custodian.Client:
    """Return a client whose grant is still valid."""
    profile = replace(
        profiles.load("generic").at(url), mutual_tls=False, limits=((10**6, 1.0),), lists_usage_points=False
    )
    store = MemoryStore()
    store.save(Token(access=Secret("token"), expires_at=time.time() + 1e6, lifetime=1e6))
    return greenkit.connect(
        profile, client_id="id", client_secret=Secret("secret"), ca_file=authority.file, tokens=store,
        subscription="50000",
    )  # fmt: skip


def seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def measure(folder: Path, authority: Authority, megabytes: float, rounds: int) -> None:
    body = feeds.espi(folder / "feed.xml", int(megabytes * 1e6)).read_bytes()
    url = serve(authority.server_context(authority.server(stem=f"server-{megabytes:g}")), body)
    df = greenkit.load_espi(body)
    period = df["start"].min(), df["end"].max()
    session = requests.Session()
    session.verify, session.trust_env = str(authority.file), False
    with connect(authority, url) as client:
        assert len(client.usage(*period)) == len(df), "not all readings came"
        assert len(session.get(url).content) == len(body), "not all bytes came"
        calls: dict[str, Callable[[], object]] = {
            "get": lambda: session.get(url).content,
            "load": lambda: greenkit.load_espi(body),
            "usage": lambda: client.usage(*period),
        }
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):  # in turn, so that noise falls on all
            for name, call in calls.items():
                taken[name].append(seconds(call))
    get, load, usage = (statistics.median(times) * 1000 for times in taken.values())
    print(
        f"{megabytes:5g} MB   requests.get {get:7.1f} ms   load_espi {load:7.1f} ms   usage {usage:7.1f} ms   "
        f"usage ÷ (get + load) {usage / (get + load):.2f}   usage ÷ load {usage / load:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", greenkit.findings.GreenkitWarning)
    with tempfile.TemporaryDirectory() as folder, Authority(Path(folder) / "authority") as authority:
        for megabytes in arguments.megabytes:
            measure(Path(folder), authority, megabytes, arguments.rounds)


if __name__ == "__main__":
    main()
