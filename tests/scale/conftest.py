"""Tests that need the extra are skipped where it is not installed; those of day rows need pyarrow only."""

import importlib.util

import pytest

NEEDED = ("deltalake",)
WITHOUT = ("test_scale_rows.py",)


def pytest_collection_modifyitems(items):
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    for item in items:
        if missing and "tests/scale/" in item.nodeid and item.path.name not in WITHOUT:
            item.add_marker(pytest.mark.skip(reason=f"the extra scale is not installed: no module {missing[0]}"))
