"""The documentation site: generated pages are complete, and the examples and settings of its pages work."""

import doctest
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

import greenkit
from greenkit import cli, findings, frame, settings
from greenkit.analysis import reconcile
from greenkit.cli._command import EXIT_CODES
from greenkit.custodian import profiles
from greenkit.espi import quirks

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [
    DOCS / "index.md",
    *sorted(p for folder in ("how-to", "explanation", "reference") for p in (DOCS / folder).glob("*.md")),
]
WITH_EXAMPLES = [p for p in PAGES if ">>> " in p.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(DOCS))
    try:
        import generate

        yield generate
    finally:
        sys.path.remove(str(DOCS))


def test_findings_page_lists_every_kind(generate):
    page = generate.findings_page()
    kinds = findings.catalogue()
    assert len(kinds) >= 1
    for kind in kinds.values():
        assert f"`{kind.name}` ({kind.severity})" in page
    assert not re.search(r"\{\w+[:!}]", page)
    text = "{count:reading} {count:has|have} no value_; first at {first_row:,}."
    assert generate._template(text) == r"*n* readings have no value\_; first at *first row*."
    text = "{count:,} {of} {count:entry|entries} of {of:,} are estimated{over}. Timestamps {looks} local ({reason})."
    shown = "*n* *resource* entries of *total* are estimated. Timestamps *look like* local (*reason*)."
    assert generate._template(text) == shown
    assert not re.search(r"\*(of|to|looks|count)\*|\w\*\w", page)
    assert page.count("**What to do:**") == sum(bool(kind.what_to_do) for kind in kinds.values())


def test_utilities_page_has_every_profile_and_every_sender(generate):
    page = generate.utilities_page()
    blocks = dict(re.findall(r"^### (\w+)\n.*?```toml\n(.*?)```", page, re.MULTILINE | re.DOTALL))
    for name in profiles.SHIPPED:
        profile = profiles.load(name)
        kept = {"name": name, "title": profile.title, "unverified": profile.unverified}
        facts = tomllib.loads(blocks[name])
        facts["meanings"] = {int(status): text for status, text in facts.get("meanings", {}).items()}
        shown = {key: value for key, value in facts.items() if value != {}}
        assert json.loads(json.dumps({**shown, **kept})) == json.loads(
            json.dumps({"unverified": (), **profile.facts()})
        )
    for quirk in quirks.registered():
        assert f"\n### {quirk.name}\n" in page


def test_commands_page_lists_every_command_and_exit_code(generate):
    page = generate.commands_page()
    for name in cli.commands():
        assert f"## greenkit {name}\n" in page
    for code, meaning in EXIT_CODES.items():
        assert f"| {code.value} | {meaning} |" in page
    assert "--watch MINUTES" in page


def test_reference_lists_each_public_object_once(generate):
    modules = generate.modules()
    assert {"load", "load_espi", "load_smt", "connect"} <= set(modules["greenkit"])
    assert "check" in modules["greenkit.frame"]
    assert not [name for name in modules if "._" in name or ".cli" in name or "__main__" in name]
    page = generate.reference("greenkit.settings", modules["greenkit.settings"])
    assert ".. autoclass:: greenkit.settings.SmtSettings\n   :members:" in page
    assert ".. autofunction:: greenkit.settings.read\n" in page


def test_changelog_page_starts_with_the_fragments(generate, tmp_path, monkeypatch):
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "a.added.md").write_text("`a` is new.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0\n\n- first\n")
    monkeypatch.setattr(generate.join_changes, "ROOT", tmp_path)
    page = generate.changelog_page()
    assert page.startswith("# Changelog")
    assert page.index("## Next release") < page.index("\n## ", page.index("## Next release") + 1)


def test_text_is_escaped_for_markdown(generate):
    assert generate._plain("a_b <c> [d] *e*") == r"a\_b \<c\> \[d\] \*e\*"


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: p.stem)
def test_examples_of_a_page_print_the_output_shown(path):
    if path.stem == "sandbox":
        pytest.importorskip("flask")
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, path.name, str(path), 0)
    found = doctest.DocTestRunner().run(test)
    assert found.attempted > 0
    assert found.failed == 0


def test_every_how_to_page_is_in_its_index():
    index = DOCS / "how-to" / "index.md"
    listed = re.findall(r"^[a-z0-9-]+$", index.read_text(encoding="utf-8"), re.MULTILINE)
    pages = sorted(page.stem for page in index.parent.glob("*.md") if page != index)
    assert sorted(listed) == pages, "docs/how-to/index.md lists each page of its folder once"


def test_layout_of_the_guide_leaves_no_question_open():
    page = (DOCS / "how-to" / "add-a-table-layout.md").read_text(encoding="utf-8")
    written = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    (header,) = written["layout"]["headers"]
    days = [f"m,2024-07-04,{hour:02}:00,{hour}" for hour in range(3)]
    table = "\n".join([",".join(header), *days])
    df = greenkit.load_table(table.encode(), {"table": written["table"]})
    assert df["start"].dt.strftime("%H:%M %z").tolist() == ["00:00 -0600", "01:00 -0600", "02:00 -0600"]
    assert df["value"].tolist() == [0, 1, 2]


def test_settings_in_the_pages_are_valid():
    page = (DOCS / "how-to" / "settings.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    smt, custodian = (settings.parse(tomllib.loads(block)) for block in blocks)
    assert smt.smt.delete == "decrypted"
    assert custodian.custodian["pge"].client_secret.kind == "prompt"


def test_page_on_schedules_names_every_exit_code():
    page = (DOCS / "how-to" / "schedule.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == [str(code.value) for code in EXIT_CODES]


def test_links_of_pages_lead_to_files_of_a_checkout():
    for path in [*PAGES, DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"]:
        prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#]+)", prose):
            if "://" not in link and "generated/" not in link:  # the site generates these
                assert (path.parent / link).exists(), f"{path}: {link}"


def test_every_page_has_one_title():
    for path in PAGES:
        prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1, path


def test_page_of_the_frame_has_every_column():
    page = (DOCS / "reference" / "frame.md").read_text(encoding="utf-8")
    for name, (dtype, meaning) in {**frame.COLUMNS, **frame.EXTRAS}.items():
        assert f"| `{name}` | {dtype} | {meaning} |" in page


def test_charts_of_tutorials_are_html_without_other_hosts(generate):
    figure = {"data": [{"type": "bar", "x": [1], "y": [2]}], "layout": {}, "config": {}}
    widget = {"model_id": "a", "version_major": 2, "version_minor": 0}
    outputs = [{"data": {"application/vnd.plotly.v1+json": figure, "text/plain": "Figure"}}]
    outputs += [{"data": {"application/vnd.jupyter.widget-view+json": widget, "text/plain": "Panel"}}]
    book = {"cells": [{"cell_type": "code", "outputs": outputs}, {"cell_type": "markdown"}]}
    chart, panel = (output["data"] for output in json.loads(generate.tutorial(json.dumps(book)))["cells"][0]["outputs"])
    assert 'src="../../_static/plotly.min.js"' in chart["text/html"]
    assert "https://cdn" not in chart["text/html"]
    assert panel == {"text/plain": "Panel"}


def test_page_on_quality_lists_every_status_of_a_bill():
    page = (DOCS / "how-to" / "check-quality.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z ]+)` \| .+ \| .+ \|$", page, re.MULTILINE) == list(reconcile.STATUSES)
