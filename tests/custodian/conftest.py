"""A simulated utility for each test, and no settings of the user."""

import pytest

from greenkit.sandbox import custodian
from greenkit.sandbox.authority import Authority

collect_ignore = ["toolkit_server.py"]  # run by gunicorn in ring 2; it needs what only that installs


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    with Authority(tmp_path_factory.mktemp("authority") / "ca") as made:
        yield made


@pytest.fixture
def utility(authority):
    with custodian.start("pge", authority=authority) as running:
        yield running


@pytest.fixture
def generic(authority):
    with custodian.start("generic", authority=authority) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
