"""environment.yml and pyproject.toml name the same packages with the same bounds."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONDA_ONLY = {"python", "pip", "gnupg"}
EXTRAS = ("notebook", "sandbox", "excel", "test")


def named(requirement):
    name, bound = re.fullmatch(r"([A-Za-z0-9-]+)(?:\[[^\]]*\])?\s*([^;]*?)\s*(?:;.*)?", requirement).groups()
    return name.lower(), bound


def test_environment_matches_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [r for r in project["dependencies"] if "platform_system" not in r]
    wanted += [r for extra in EXTRAS for r in project["optional-dependencies"][extra] if not r.startswith("greenkit")]
    lines = re.findall(r"^  - ([a-z].*)$", (ROOT / "environment.yml").read_text().partition("dependencies:")[2], re.M)
    found = dict(named(line) for line in lines if line != "pip:")
    assert {k: v for k, v in found.items() if k not in CONDA_ONLY} == dict(map(named, wanted))
    assert found["python"] == project["requires-python"]


def test_project_is_installed_last():
    assert (ROOT / "environment.yml").read_text().rstrip().endswith("- -e .")
