"""A few kills at lines of a pull; ``python tests/soak/kill_lines.py`` tries every line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks, which this system cannot")

SOAK = Path(__file__).parents[1] / "soak" / "kill_lines.py"


def kill(seed, count, delete, lose):
    """Run the driver and check that it tried ``count`` points of a pull."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    given = ["--seed", str(seed), "--count", str(count), "--delete", delete, "--lose", lose]
    done = subprocess.run([sys.executable, str(SOAK), *given], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    tried, points = map(int, done.stdout.split())
    assert tried == count
    assert points > 500


def test_pull_killed_at_some_lines_loses_nothing():
    kill(1, 6, "decrypted", "sometimes")


@pytest.mark.real
@pytest.mark.parametrize("lose", ["never", "always"])
@pytest.mark.parametrize("delete", ["decrypted", "fetched"])
def test_pull_killed_at_more_lines_loses_nothing(delete, lose):
    kill(2, 5, delete, lose)
