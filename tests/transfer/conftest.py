"""Fixtures that the tests of transfers share."""

import os
import tempfile
from pathlib import Path

import pytest

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Use a RAM disk, because a pull flushes often, and RSA keys that are made at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", MEMORY)
        patch.setattr("greenkit.certificates._make.RSA_BITS", 2048)
        patch.setattr("greenkit.pgp._keyring._RSA_BITS", 1024)
        yield


@pytest.fixture
def tmp_path(quick):
    with tempfile.TemporaryDirectory(prefix="gkt-") as folder:
        yield Path(folder)
