"""Kill fetches at random moments and check that no file is lost, duplicated, truncated, or left over.

    python tests/soak/kill_pulls.py vsftpd --seed 1 --kills 300

It needs root and the server's program, as ring 2 does. A child fetches from the server and is ended with SIGKILL after a
random time. After each kill every plain file must be complete, and every file that is not stored must still be on the
server. When a fetch ends by itself, the folder must be empty and each file stored once; then the next files are put there.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "real"))

import servers

from greenkit import Secret, pgp
from greenkit.sandbox.authority import Authority
from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import pull

KINDS = {
    "vsftpd": servers.Vsftpd,
    "proftpd": servers.Proftpd,
    "pure-ftpd": servers.PureFtpd,
    "openssh": servers.Sshd,
    "proftpd-sftp": servers.ProftpdSftp,
}


def fetch(server, home, into):
    """Fetch once in this process, which may be killed."""
    with server.remote() as remote, pgp.Keyring(home, passphrase=Secret("secret")) as keyring:
        pull(remote, "intervaldata", into=into, pgp=keyring, delete="decrypted")


def in_child(server, home, into, lifetime):
    """Fetch in a child that lives for some seconds, and return whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            fetch(server, home, into)
            os._exit(0)
        except BaseException as e:  # noqa: BLE001 the child ends here, whatever happens
            print(f"the fetch failed: {e!r}", flush=True)
            os._exit(1)
    end = time.monotonic() + lifetime
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, "a fetch that was not killed failed"
            return False
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def plain_files(into):
    return {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()} if into.exists() else {}


def running(home):
    """Return the processes of gpg that decrypt with this keyring."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        if home in command and "--decrypt" in command:
            found.append(entry.name)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=300)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    counts = {"server": given.server, "seed": given.seed, "kills": 0, "files": 0, "rounds": 0, "gpg_outlived": 0}
    with tempfile.TemporaryDirectory(prefix="gks-") as base, Authority(name="soak") as authority:
        home = f"{base}/g"
        key = pgp.new_key(home, name="Soak test", passphrase=None, unprotected=True)
        into = Path(base, "into")
        with KINDS[given.server](authority) as server, pgp.Keyring(home) as keyring:
            longest = 1.0
            while counts["kills"] < given.kills:
                files = {
                    f"{counts['rounds']:04}-{i}.lse": chance.randbytes(chance.randrange(200_000)) for i in range(5)
                }
                for name, plain in files.items():
                    server.put(f"intervaldata/{name}.asc", keyring.encrypt(plain, key.fingerprint))
                while True:
                    began = time.monotonic()
                    killed = counts["kills"] < given.kills and in_child(server, home, into, chance.uniform(0, longest))
                    counts["kills"] += killed
                    longest = min(30.0, longest * 1.1)  # until a fetch comes to its end in this time
                    stored, listed = plain_files(into), set(os.listdir(server.files / "intervaldata"))
                    assert all(files[n] == data for n, data in stored.items() if n in files), "a file is truncated"
                    lost = {n for n in files if n not in stored and f"{n}.asc" not in listed}
                    assert not lost, f"lost: {lost}"
                    if not killed:
                        break
                    if running(home):
                        time.sleep(0.2)
                        counts["gpg_outlived"] += bool(running(home))
                fetch(server, home, into)
                longest = max(0.3, 1.5 * (time.monotonic() - began))
                assert os.listdir(server.files / "intervaldata") == [], "a file was not deleted"
                assert plain_files(into).keys() >= files.keys()
                assert list(Home(into).parts.iterdir()) == [], "a part is left over"
                counts["files"] += len(files)
                counts["rounds"] += 1
                assert len(plain_files(into)) == counts["files"], "a file was stored twice"
            with Ledger(Home(into).ledger) as ledger:
                states = [row.state for row in ledger.rows()]
            assert states == ["done"] * counts["files"], states
            keyring.forget()
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
