"""Kill -9 at every line of a pull, then run it again (see kill_driver)."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks, which this system cannot")


def kill(share, delete, *how):
    """Give how many points were tried, and how many there are; on a RAM disk if there is one, for the time."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    driver = str(Path(__file__).parent / "kill_driver.py")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        command = [sys.executable, driver, str(Path(folder) / "k"), str(share), delete, *how]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return tuple(map(int, done.stdout.split()))


def test_kills_at_some_points():
    tried, points = kill(131, "decrypted", "mixed")
    assert tried >= 10
    assert points > 500


@pytest.mark.real
@pytest.mark.parametrize("how", [(), ("power",)], ids=["kill", "power"])
@pytest.mark.parametrize(("delete", "share"), [("decrypted", 1), ("fetched", 7), ("never", 7)])
def test_kills_at_every_point(delete, share, how):
    tried, points = kill(share, delete, *how)
    assert tried * share >= points > 500
