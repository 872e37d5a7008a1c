"""The documentation of layouts comes from their TOML files."""

import sys
from pathlib import Path

import pytest

from greenkit.tables import layouts

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.skipif(not (DOCS / "generate.py").is_file(), reason="the documentation is not beside the tests")
def test_every_layout_is_on_the_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    try:
        import generate

        page = generate.layouts_page()
    finally:
        for name in ("generate", "join_changes"):
            sys.modules.pop(name, None)
    for layout in layouts.known():
        assert f"## {layout.name}\n" in page
        assert layout.layout.source in page.replace("\\", "")
