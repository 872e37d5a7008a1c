"""How fast files come, against libcurl on the same servers in the same run.

Run as root with vsftpd, proftpd and OpenSSH's sshd installed (see .ci/run), and ``pip install pycurl``:

python benchmarks/transfer.py [--rounds 3] [--megabytes 200]

Each round logs in, fetches 200 files of 10 kB or one large file, and throws away the bytes. The ratio is
libcurl's best time over greenkit's: above 1, greenkit is the faster.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "real"))
from servers import Proftpd, Sshd, Vsftpd, missing

from greenkit.sandbox.authority import Authority

SMALL, SMALL_BYTES = 200, 10_000


def with_greenkit(server: Any, names: list[str]) -> Callable[[], int]:
    made = server.remote()  # reads and checks the keys, which is no part of the transfer

    def run() -> int:
        total = 0

        def count(chunk: bytes) -> None:
            nonlocal total
            total += len(chunk)

        with made as remote:
            for name in names:
                remote.fetch(f"intervaldata/{name}", count)
        return total

    return run


def with_libcurl(server: Any, names: list[str]) -> Callable[[], int]:
    import pycurl

    def run() -> int:
        total = 0

        def count(chunk: bytes) -> None:
            nonlocal total
            total += len(chunk)

        handle = pycurl.Curl()
        handle.setopt(pycurl.WRITEFUNCTION, count)
        if server.protocol == "ftps":
            base = server.url + "/intervaldata/"
            handle.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
            handle.setopt(pycurl.USERPWD, f"sandbox:{server.password.reveal()}")
            handle.setopt(pycurl.CAINFO, str(server.authority.file))
            handle.setopt(pycurl.SSLCERT, str(server.client.certificate))
            handle.setopt(pycurl.SSLKEY, str(server.client.key))
        else:
            base = f"sftp://root@localhost:{server.port}{server.files}/intervaldata/"
            handle.setopt(pycurl.SSH_AUTH_TYPES, pycurl.SSH_AUTH_PUBLICKEY)
            handle.setopt(pycurl.SSH_PRIVATE_KEYFILE, str(server.key))
            handle.setopt(pycurl.SSH_PUBLIC_KEYFILE, f"{server.key}.pub")
            handle.setopt(pycurl.SSH_KNOWNHOSTS, str(known_hosts(server)))
        try:
            for name in names:
                handle.setopt(pycurl.URL, base + name)
                handle.perform()
        finally:
            handle.close()
        return total

    return run


def known_hosts(server: Any) -> Path:
    file = server.base / "known_hosts"
    kinds = ("ed25519", "rsa", "ecdsa")
    file.write_text("".join(f"[localhost]:{server.port} {server.public(kind)}" for kind in kinds))
    return file


def seconds(run: Callable[[], int], expected: int) -> float:
    began = time.perf_counter()
    assert run() == expected, "not all bytes came"
    return time.perf_counter() - began


def compare(server: Any, label: str, names: list[str], expected: int, rounds: int) -> None:
    ours, theirs = [], []
    for _ in range(rounds):  # in turn, so that noise falls on both
        ours.append(seconds(with_greenkit(server, names), expected))
        theirs.append(seconds(with_libcurl(server, names), expected))
    mine, other = min(ours), min(theirs)
    print(f"{server.program:8} {label:22} greenkit {mine:6.2f} s   libcurl {other:6.2f} s   ratio {other / mine:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=200)
    args = parser.parse_args()
    large = os.urandom(1_000_000)
    with Authority() as authority:
        for kind in (Vsftpd, Proftpd, Sshd):
            if why := missing(kind.program):
                print(f"{kind.program}: {why}")
                continue
            with kind(authority) as server:
                names = [f"{i:03}.asc" for i in range(SMALL)]
                for name in names:
                    server.put(f"intervaldata/{name}", large[:SMALL_BYTES])
                compare(server, f"{SMALL} files of 10 kB", names, SMALL * SMALL_BYTES, args.rounds)
                server.put("intervaldata/large.asc", large * args.megabytes)
                compare(
                    server, f"1 file of {args.megabytes} MB", ["large.asc"], args.megabytes * 1_000_000, args.rounds
                )


if __name__ == "__main__":
    main()
