"""Two kills of a refresh; ``python tests/soak/kill_refresh.py --count 200`` makes many."""

import os
import runpy
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak" / "kill_refresh.py"


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_killed_refreshes_lose_no_grant_silently():
    found = runpy.run_path(str(SOAK))["run"](count=2, seed=1)
    assert found["killed"] == 2
    assert found["kept"] + found["answer lost"] == found["killed"] + found["ended"]
