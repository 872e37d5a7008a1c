"""The design's rules that no single module can show: one import direction, a small light public surface."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import greenkit

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "greenkit"

# Each floor imports from its own and those above it in this list, never from below.
FLOORS = [
    {
        "errors",
        "findings",
        "secret",
        "settings",
        "times",
        "_files",
        "_help",
        "_html",
        "_preview",
        "_progress",
        "_style",
        "_toml",
    },
    {"text", "_series"},
    {"frame", "sources", "_categories", "_days", "_foreign", "_glance", "_intervals", "_left_out", "_relations"},
    {"espi", "smt", "tables", "pgp"},
    {"detect", "store"},
    {"synthetic", "samples", "certificates", "_net"},
    {"transfer", "custodian"},
    {"analysis", "tariffs"},
    {"plot", "export"},
    {"report", "accessor", "scale"},
    {"widgets"},
    {"sandbox"},
    {"demo", "cli", "__main__"},
]
# Two rules of the design beside the order of the floors.
FORBIDDEN = [("sources", "pgp"), ("pgp", "sources"), ("synthetic", "espi"), ("synthetic", "smt")]


def imports_of(path):
    """Names of greenkit modules (first part below the package) that a file imports, at any depth of the code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"greenkit.{a.name}" for a in node.names] if module == "greenkit" else [module]
        found |= {n.split(".")[1] for n in names if n.startswith("greenkit.")}
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield name, path


def test_imports_point_one_way():
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    wrong = []
    for name, path in modules():
        assert name in floor, f"{name} stands on no floor: add it to FLOORS"
        for other in imports_of(path) - {"__version__"}:
            if floor.get(other, -1) > floor[name] or (name, other) in FORBIDDEN:
                wrong.append(f"{path.relative_to(ROOT)} imports greenkit.{other}")
    assert not wrong


def test_every_public_name_resolves_and_is_documented():
    for name in greenkit.__all__:
        found = getattr(greenkit, name)
        assert name == "__version__" or found.__doc__, f"{name} has no docstring"
    assert set(dir(greenkit)) == set(greenkit.__all__)
    with pytest.raises(AttributeError, match="lod_espi"):
        greenkit.lod_espi  # noqa: B018


def test_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert greenkit.__version__ == project["version"]


def test_import_is_light_and_has_no_side_effects():
    code = """
import json, logging, sys, warnings
before = set(sys.modules); filters = list(warnings.filters)
import pandas
pandas_brought = set(sys.modules)
filters = list(warnings.filters)
import greenkit
mine = sorted(m for m in set(sys.modules) - pandas_brought if m.split(".")[0] == "greenkit")
top = lambda modules: {m.split(".")[0] for m in modules}
other = sorted(top(sys.modules) - top(pandas_brought) - {"greenkit"} - set(sys.stdlib_module_names))
print(json.dumps([mine, other, warnings.filters == filters, logging.getLogger("greenkit").handlers == []]))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mine, other, filters_same, no_handlers = json.loads(out.stdout)
    assert mine == [
        "greenkit",
        "greenkit._help",
        "greenkit._series",
        "greenkit.accessor",
        "greenkit.errors",
        "greenkit.findings",
        "greenkit.frame",
        "greenkit.times",
    ]
    assert other == []
    assert filters_same
    assert no_handlers
