"""Kill fetches at random moments and check that no file is lost, duplicated, truncated, or left over.

    python tests/soak/kill_pulls.py vsftpd --seed 1 --kills 300

It needs root and the server's program, as ring 2 does. A worker, which has imported everything and opened no connection,
forks a child for each fetch; the child is ended with SIGKILL after a random part of the time that a fetch takes. After
each kill every plain file must be complete, and every file that is not stored must still be on the server. When a fetch
ends by itself, the folder must be empty and each file stored once; then the next files are put there. The output counts
the kills by tenths of a fetch, and by the number of the round's files that were stored when the kill came.
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
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "real"))

import servers

from greenkit import Secret, pgp
from greenkit.sandbox.authority import Authority
from greenkit.transfer._ftps import FtpsRemote
from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import pull
from greenkit.transfer._remote import Endpoint
from greenkit.transfer._sftp import SftpRemote, transport_class

KINDS = {
    "vsftpd": servers.Vsftpd,
    "proftpd": servers.Proftpd,
    "pure-ftpd": servers.PureFtpd,
    "openssh": servers.Sshd,
    "proftpd-sftp": servers.ProftpdSftp,
}


def fetch(job):
    """Fetch once in this process, which may be killed."""
    kind = FtpsRemote if job["protocol"] == "ftps" else SftpRemote
    options = dict(job["options"])
    if "password" in options:
        options["password"] = Secret(options["password"])
    endpoint = Endpoint(job["protocol"], "localhost", job["port"])
    with kind(endpoint, **options) as remote, pgp.Keyring(job["home"], passphrase=Secret("secret")) as keyring:
        pull(remote, "intervaldata", into=job["into"], pgp=keyring, delete="decrypted")


def work():
    """Fork a child for each line of the input, a number of seconds, and write how it ended."""
    job = json.loads(sys.stdin.readline())
    transport_class()  # imports paramiko, without a thread, which a fork would not copy
    for line in sys.stdin:
        lifetime, began = float(line), time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                fetch(job)
                os._exit(0)
            except BaseException as e:  # noqa: BLE001 the child ends here, whatever happens
                print(f"the fetch failed: {e!r}", file=sys.stderr, flush=True)
                os._exit(1)
        done, status = 0, 0
        while not done and time.monotonic() - began < lifetime:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if not done:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        how = "killed" if os.WIFSIGNALED(status) else "ended" if status == 0 else "failed"
        print(how, time.monotonic() - began, flush=True)


class Worker:
    """The process that forks; it must not have used a connection before."""

    def __init__(self, job):
        command = [sys.executable, __file__, "--work"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(job) + "\n")

    def fetch(self, lifetime=600.0):
        """Fetch in a child that lives for some seconds; return whether it was killed, and how long it took."""
        self.process.stdin.write(f"{lifetime}\n")
        self.process.stdin.flush()
        how, took = self.process.stdout.readline().split()
        assert how != "failed", "a fetch that was not killed failed"
        assert how == "ended" or lifetime < 600, "a fetch hangs"
        return how == "killed", float(took)

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


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


def run(kind, seed, kills, size, minutes):
    """Kill ``kills`` fetches of ``size`` files each, or as many as ``minutes`` allow, and return the counts.

    AssertionError if a promise is broken.
    """
    ends = time.monotonic() + 60 * minutes
    chance = random.Random(seed)
    counts = {"kills": 0, "files": 0, "rounds": 0, "gpg_outlived": 0}
    tenths, stored_then = Counter(), Counter()
    with tempfile.TemporaryDirectory(prefix="gks-") as base, Authority(name="soak") as authority:
        home = f"{base}/g"
        key = pgp.new_key(home, name="Soak test", passphrase=None, unprotected=True)
        into = Path(base, "into")
        with kind(authority) as server, pgp.Keyring(home) as keyring:
            job = {"protocol": server.protocol, "port": server.port, "home": home, "into": str(into)}
            worker = Worker({**job, "options": server.options()})
            usual = 0.0  # seconds that a fetch of a round takes if it is not killed
            before = {}
            while counts["kills"] < kills and time.monotonic() < ends:
                files = {
                    f"{counts['rounds']:04}-{i:02}.lse": chance.randbytes(chance.randrange(200_000))
                    for i in range(size)
                }
                for name, plain in files.items():
                    server.put(f"intervaldata/{name}.asc", keyring.encrypt(plain, key.fingerprint))
                killed = counts["rounds"] > 0  # the first round measures
                while killed and counts["kills"] < kills:
                    lifetime = chance.uniform(0, usual)
                    killed, _ = worker.fetch(lifetime)
                    stored, listed = plain_files(into), set(os.listdir(server.files / "intervaldata"))
                    if killed:
                        counts["kills"] += 1
                        tenths[int(10 * lifetime / usual)] += 1
                        stored_then[len(stored.keys() & files.keys())] += 1
                        if running(home):
                            time.sleep(0.2)
                            counts["gpg_outlived"] += bool(running(home))
                    assert all({**before, **files}[n] == data for n, data in stored.items()), "a file is wrong"
                    assert before.keys() <= stored.keys(), "a file that was stored is gone"
                    lost = {n for n in files if n not in stored and f"{n}.asc" not in listed}
                    assert not lost, f"lost: {lost}"
                _, took = worker.fetch()
                if not counts["rounds"]:
                    usual = took
                assert os.listdir(server.files / "intervaldata") == [], "a file was not deleted"
                before |= files
                assert plain_files(into) == before, "a file is missing or stored twice"
                assert list(Home(into).parts.iterdir()) == [], "a part is left over"
                counts["files"] += len(files)
                counts["rounds"] += 1
            worker.close()
            with Ledger(Home(into).ledger) as ledger:
                states = [row.state for row in ledger.rows()]
            assert states == ["done"] * counts["files"], states
            keyring.forget()
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    assert counts["gpg_outlived"] == 0, counts
    by = {"kills_by_tenth": tenths, "kills_by_files_stored": stored_then}
    return {**counts, **{name: dict(sorted(count.items())) for name, count in by.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--files", type=int, default=5, help="files of a round")
    parser.add_argument("--minutes", type=float, default=60.0, help="start no round after so many minutes")
    given = parser.parse_args()
    began = time.monotonic()
    counts = run(KINDS[given.server], given.seed, given.kills, given.files, given.minutes)
    seconds = round(time.monotonic() - began)
    print(json.dumps({"server": given.server, "seed": given.seed, **counts, "seconds": seconds}))


if __name__ == "__main__":
    work() if sys.argv[1:] == ["--work"] else main()
