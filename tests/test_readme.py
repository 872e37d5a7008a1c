"""The README is short, its links exist, and its examples print what it shows."""

import doctest
import os
import re
from pathlib import Path

import pandas as pd
import pytest

import greenkit

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def examples():
    for section in re.split(r"^## ", README, flags=re.M):
        name = section.partition("\n")[0].strip()
        for n, block in enumerate(re.findall(r"^```python\n(.*?)^```", section, re.S | re.M)):
            # a warning is shown as the terminal shows it, which is no output of the example
            if ">>>" in block and "GreenkitWarning" not in block:
                yield pytest.param(block, id=f"{name[:30]} {n + 1}")


@pytest.mark.parametrize("block", list(examples()))
@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_examples_print_the_output_shown(block, tmp_path, monkeypatch):
    (tmp_path / "data-samples").symlink_to(ROOT / "data-samples")
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(block, {"greenkit": greenkit, "os": os}, "README", "README.md", 0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said = []
    with pd.option_context("display.width", 200, "display.max_columns", 30):
        doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


def test_readme_is_short():
    assert len(README.split()) <= 1_200
    assert README.count("```python") >= 3


def test_links_have_targets():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_every_dotted_name_exists_after_one_import():
    pages = [
        README,
        *(p.read_text(encoding="utf-8") for p in (*(ROOT / "docs").glob("[!r]*/*.md"), ROOT / "CONTRIBUTING.md")),
    ]
    names = set(re.findall(r"(?<![\w/.])greenkit(?:\.[A-Za-z_]\w*)+", "\n".join(pages)))
    names = sorted(n for n in names if n.rpartition(".")[2] not in ("py", "toml", "xml", "exe"))
    assert len(names) > 20
    for name in names:
        found = greenkit
        for part in name.split(".")[1:]:
            # a package that loads its modules lazily lists them, whatever another test has imported
            assert part in dir(found), name
            found = getattr(found, part)
