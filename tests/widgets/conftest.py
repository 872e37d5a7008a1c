"""A pretend utility, and panels built as in a kernel: their callbacks run without one."""

import pytest

from greenkit.sandbox import custodian
from greenkit.sandbox.authority import Authority
from greenkit.widgets import _model


@pytest.fixture(scope="session")
def _running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("widgets-authority") / "ca"
    with Authority(folder) as authority, custodian.start("pge", authority=authority) as running:
        yield running


@pytest.fixture
def utility(_running):
    """A pretend utility, well-behaved, that nobody has authorized at."""
    _running.behavior = custodian.Behavior(prepared={"bulk"})
    _running.register.authorizations.clear()
    return _running


@pytest.fixture
def kernel(monkeypatch):
    """Pretend that somebody can click."""
    monkeypatch.setattr(_model, "has_front_end", lambda: True)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
