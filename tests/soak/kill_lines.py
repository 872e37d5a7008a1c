"""Kill a pull at its n-th line, run it again, and check that nothing is lost, duplicated, or left over.

    python tests/soak/kill_lines.py --seed 1 --count 500 --delete fetched --lose always

The driver is a program of its own, so that forks are cheap and pytest has no part in them. It counts the lines of
greenkit's own code that run during a pull, so it needs no hook there, and kills at ``count`` of these points, drawn with
the seed (all points if there are fewer). At every other point the second pull is killed too. With ``--lose always`` the
ledger loses, at each kill, all that was recorded since its last flush, as it may in a power failure; with
``--lose sometimes`` at every other kill. It prints the number of points tried and the number of points.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "transfer"))

from directory_remote import DirectoryRemote, Unsealer, put, seal

import greenkit
from greenkit.transfer._ledger import Home, Ledger
from greenkit.transfer._pull import pull

OURS = (str(Path(greenkit.__file__).parent / "transfer"), str(Path(greenkit.__file__).parent / "_files.py"))
FILES = {"a.lse": b"a" * 2500, "b.csv": b"b" * 100, "c.lse": b"c" * 4000}


class Lines:
    """Counts lines of our code; kills this process at the given one."""

    def __init__(self, deadly=None):
        self.count, self.deadly = 0, deadly

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


class Disk:
    """The records of a ledger that are surely on disk: a copy from its last flush or end, which replaces it after a kill."""

    def __init__(self, base):
        self.inner, self.copy = base / "into" / ".greenkit", base / "disk"
        self.watch("flush")
        self.watch("__exit__")

    def watch(self, name):
        original = getattr(Ledger, name)

        def watched(ledger, *arguments):
            original(ledger, *arguments)
            self.move(self.inner, self.copy)

        setattr(Ledger, name, watched)

    def move(self, source, target):
        target.mkdir(exist_ok=True)
        for path in target.glob("ledger.db*"):
            path.unlink()
        for path in source.glob("ledger.db*"):
            shutil.copy(path, target)

    def lose(self):
        if self.inner.exists():
            self.copy.mkdir(exist_ok=True)
            self.move(self.copy, self.inner)


def go(base, delete, lines=None):
    """Pull twice; the first transfer of c.lse is interrupted, so that some kills come while a part is continued."""
    sys.settrace(lines)
    try:
        for faults in ({"c.lse.asc": [1500, 1500]}, {}):
            remote = DirectoryRemote(base / "server", faults=faults)
            pull(remote, "intervaldata", into=base / "into", pgp=Unsealer(), delete=delete)
    finally:
        sys.settrace(None)


def go_in_child(base, delete, deadly):
    """Return whether the child was killed at the point; False if it ended before."""
    child = os.fork()
    if child == 0:
        try:
            go(base, delete, Lines(deadly))
            os._exit(0)
        except BaseException:  # noqa: BLE001 a child must end here, whatever it met
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"point {deadly}: the pull failed"
    return os.WIFSIGNALED(status)


def fresh(base):
    shutil.rmtree(base, ignore_errors=True)
    for name, plain in FILES.items():
        put(base / "server", f"{name}.asc", seal(plain))


def plain_files(base):
    into = base / "into"
    return {p.name: p.read_bytes() for p in into.iterdir() if p.is_file()} if into.exists() else {}


def check_after_kill(base, at):
    """Check that no part has a final name, and that every deleted file is stored completely."""
    for name, data in plain_files(base).items():
        assert FILES[name] == data, f"point {at}: {name} is not complete"
    received = base / "into" / ".greenkit" / "received"
    for path in received.iterdir() if received.exists() else ():
        assert path.read_bytes() == seal(FILES[path.name.removesuffix(".asc")]), (
            f"point {at}: {path.name} is not complete"
        )
    on_server = os.listdir(base / "server" / "intervaldata")
    for name in FILES:
        assert f"{name}.asc" in on_server or name in plain_files(base), f"point {at}: {name} is lost"


def check_at_end(base, at, delete):
    home = Home(base / "into")
    assert plain_files(base) == FILES, f"point {at}: {sorted(plain_files(base))}"
    assert not list(home.parts.iterdir()), f"point {at}: leftovers"
    assert sorted(p.name for p in home.received.iterdir()) == sorted(f"{n}.asc" for n in FILES), f"point {at}"
    with Ledger(home.ledger) as ledger:
        rows = [(row.name, row.state, row.part_bytes) for row in ledger.rows()]
    state = "done" if delete != "never" else "decrypted"
    assert sorted(rows) == sorted((f"{n}.asc", state, 0) for n in FILES), f"point {at}: {rows}"
    log = base / "server" / "deleted.log"
    deleted = sorted(log.read_text().splitlines()) if log.exists() else []
    want = sorted(f"intervaldata/{n}.asc {hashlib.sha256(seal(p)).hexdigest()}" for n, p in FILES.items())
    assert deleted == (want if delete != "never" else []), f"point {at}: {deleted}"


def run(base, *, seed, count, delete, lose):
    """Kill at ``count`` points, check the promises after each, and return the numbers of tried and of all points."""
    fresh(base)
    disk = Disk(base) if lose != "never" else None
    counter = Lines()
    go(base, delete, counter)
    everywhere = range(1, counter.count + 1)
    points = sorted(random.Random(seed).sample(everywhere, min(count, len(everywhere))))
    for number, at in enumerate(points):
        fresh(base)
        assert go_in_child(base, delete, at), f"point {at} of {counter.count} was not reached"
        if disk and (lose == "always" or number % 2):
            disk.lose()
        check_after_kill(base, at)
        if number % 2:
            if go_in_child(base, delete, max(1, counter.count - at)) and lose == "always":
                disk.lose()
            check_after_kill(base, at)
        go(base, delete)
        check_at_end(base, at, delete)
    return len(points), counter.count


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10**6, help="number of points (default: all)")
    parser.add_argument("--delete", choices=["decrypted", "fetched", "never"], default="decrypted")
    parser.add_argument("--lose", choices=["never", "sometimes", "always"], default="never")
    given = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a pull flushes often; a RAM disk saves the time
    with tempfile.TemporaryDirectory(dir=memory) as base:
        print(*run(Path(base, "k"), **vars(given)))


if __name__ == "__main__":
    main()
