"""Changelog fragments: their form, and how a release joins them."""

import datetime
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("join_changes", ROOT / "docs" / "join_changes.py")
join_changes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(join_changes)


def test_fragments_of_the_project_are_well_formed():
    texts = join_changes.fragments(ROOT / "changes")
    assert join_changes.section("Next release", texts).count("\n- ") == len(texts)


def test_fragments_are_joined_above_the_newest_version(tmp_path):
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("# Changelog fragments\n")
    (tmp_path / "changes" / "b.fixed.md").write_text("`b` is\nright.\n")
    (tmp_path / "changes" / "c-d.added.md").write_text("`c` is new.\n\nIt is fast.\n")
    (tmp_path / "changes" / "a.added.md").write_text("`a` is new.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\nText.\n\n## 0.1.0 (2026-01-01)\n\n- first\n")
    join_changes.join("0.2.0", tmp_path, datetime.date(2026, 12, 1))
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\nText.\n\n## 0.2.0 (2026-12-01)\n\n### Added\n\n- `a` is new.\n- `c` is new.\n\n  It is fast.\n\n"
        "### Fixed\n\n- `b` is\n  right.\n\n## 0.1.0 (2026-01-01)\n\n- first\n"
    )
    assert [p.name for p in (tmp_path / "changes").iterdir()] == ["README.md"]
    with pytest.raises(SystemExit, match="no fragments"):
        join_changes.join("0.3.0", tmp_path)
    (tmp_path / "changes" / "a.added.md").write_text("`a` is new.\n")
    with pytest.raises(SystemExit, match=r"has a section 0.2.0"):
        join_changes.join("0.2.0", tmp_path)


def test_fragments_follow_the_text_of_a_section_that_is_already_written(tmp_path):
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "a.added.md").write_text("`a` is new.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0 (unreleased)\n\nText.\n\n## 0.1.0\n\n- first\n")
    join_changes.join("0.2.0", tmp_path, datetime.date(2026, 12, 1))
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## 0.2.0 (2026-12-01)\n\nText.\n\n### Added\n\n- `a` is new.\n\n## 0.1.0\n\n- first\n"
    )
    assert list((tmp_path / "changes").iterdir()) == []


def test_written_section_is_released_without_fragments(tmp_path):
    (tmp_path / "changes").mkdir()
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0 (unreleased)\n\nText.\n\n## 0.1.0\n\n- first\n")
    join_changes.join("0.2.0", tmp_path, datetime.date(2026, 12, 1))
    assert "## 0.2.0 (2026-12-01)\n\nText.\n\n## 0.1.0" in (tmp_path / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.new.md", "x", "The name must be like"),
        ("A.added.md", "x", "The name must be like"),
        ("a.added.txt", "x", "The name must be like"),
        ("a.added.md", " \n", "Write complete sentences"),
        ("a.added.md", "- x", "Write complete sentences"),
        ("a.added.md", "# x", "Write complete sentences"),
    ],
)
def test_malformed_fragments_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit, match=message):
        join_changes.fragments(tmp_path)
