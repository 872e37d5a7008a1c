"""Kill a process while it renews a grant, again and again, and check what is left.

    python tests/soak/kill_refresh.py --count 200 --seed 1

A simulated utility rotates refresh tokens and ends the grant if one is used twice. A worker forks a process that renews
the grant and kills it after a random delay. After each kill the grant must either work, or be reported as ended because
the utility's answer was lost on its way. Nothing may be doubled, left over, or readable by others.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

WORKER = """
import os, random, signal, sys, time
import greenkit
from greenkit import errors
from greenkit.custodian import _oauth, _client  # everything that a refresh imports, before the fork
import authlib.integrations.requests_client
settings, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
took = []
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            client = greenkit.connect("pge", settings=settings)
            client._grants.token(client._grants.store.load().access)
        except errors.GreenkitError:
            pass
        os._exit(0)
    began = time.monotonic()
    if line.strip() == "measure":
        os.waitpid(pid, 0)
        took.append(time.monotonic() - began)
        print("measured", flush=True)
        continue
    time.sleep(chance.uniform(0, 1.2 * sorted(took)[len(took) // 2]))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print("killed" if os.WIFSIGNALED(status) else "ended", flush=True)
"""


def run(count: int, seed: int, minutes: float = 60.0) -> Counter[str]:
    """Kill ``count`` refreshes, or as many as ``minutes`` allow, and return how often each outcome occurred.

    A refresh that ended before its kill is not counted. AssertionError if a promise is broken.
    """
    import greenkit
    from greenkit import errors
    from greenkit.sandbox import custodian, visitor

    found: Counter[str] = Counter()
    ends = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as base, custodian.start("pge") as utility:
        settings = utility.write_settings(Path(base) / "s")
        tokens = Path(base) / "s" / "tokens"
        client = greenkit.connect("pge", settings=settings)
        authorize(client, visitor)
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(settings), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            orders = 0
            while found["killed"] < count and time.monotonic() < ends:
                order = "measure" if orders < 3 else "kill"
                orders += 1
                reused = utility.counts["reuse detected"]
                worker.stdin.write(order + "\n")
                worker.stdin.flush()
                outcome = worker.stdout.readline().strip()
                if order == "measure":
                    continue
                found[outcome] += 1
                try:
                    with client._grants.store.locked():  # finishes the save of the killed process
                        pass
                    token = client._grants.store.load()
                    client._grants.token(token.access if token else None)
                except errors.AuthorizationExpired as e:
                    # the utility renewed the grant, and its answer was lost on the way to the disk, which no client can
                    # prevent; what it had renewed is known only now, since it may answer a process that is gone late
                    assert utility.counts["reuse detected"] == reused + 1, "a grant was lost without a renewal"
                    assert e.next_step  # noqa: PT017 this is no test function
                    found["answer lost"] += 1
                    authorize(client, visitor)
                else:
                    assert utility.counts["reuse detected"] == reused, "a refresh token was used twice"
                    found["kept"] += 1
                left = sorted(p.name for p in tokens.iterdir() if not p.name.endswith((".json", ".lock")))
                assert not left, left
                assert all(p.stat().st_mode & 0o077 == 0 for p in tokens.iterdir())
        finally:
            worker.stdin.close()
            worker.wait(30)
            worker.stdout.close()
        client.close()
    return found


def authorize(client, visitor):
    """Let the simulated customer sign in."""
    flow = client.authorize("paste", again=True)
    flow.finish(visitor.visit(flow.url))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=60.0, help="start no kill after so many minutes")
    given = parser.parse_args()
    print("seed", given.seed, flush=True)
    print(json.dumps(run(given.count, given.seed, given.minutes), indent=1))
