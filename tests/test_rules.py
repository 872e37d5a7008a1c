"""Rules of the package that hold for every module: imports, signatures, names, kinds of findings."""

import ast
import functools
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from greenkit import findings

PACKAGE = Path(__file__).parent.parent / "greenkit"
PATHS = [p.relative_to(PACKAGE) for p in sorted(PACKAGE.rglob("*.py"))]


@functools.cache
def modules():
    """Parse all modules once, when a rule first needs them: {path: tree}."""
    return {path: ast.parse((PACKAGE / path).read_text(encoding="utf-8")) for path in PATHS}


# Public callables that take ** on purpose: name → reason.
OPEN = {
    "Findings.add": "evidence has names of its own for each kind of finding",
    "Custodian.connect": "the sandbox passes its arguments on to greenkit.connect, which refuses unknown ones",
    "replace": "passes on to dataclasses.replace, which refuses unknown fields",
    "View.choose": "sets attributes by the names of the panel's fields, and refuses unknown ones",
    "UsageFetch.choose": "sets attributes by the names of the panel's fields, and refuses unknown ones",
}
# Names of utilities and portals. The core knows none of them; what one of them does is a plugin or a profile. The names of
# the modules are in the pattern, so that a new one is; those in words are the other names of their utilities.
MODULES = {
    path.stem.replace("_", " ?")
    for path in PATHS
    if path.parent in (Path("espi/quirks"), Path("custodian/profiles")) and path.stem != "__init__"
} - {"smart ?meter ?texas", "generic"}  # a format with a package of its own, and any utility
UTILITIES = re.compile(
    rf"\b(?:{'|'.join(sorted(MODULES))}|"
    r"duke|smart ?hub|con ?edison|coned|opower|pg&e|pge|dte|lg&e|elexicon|ameren|toronto hydro|alectra|enwin|"
    r"sdg&e|southern california edison|london hydro|kentucky utilities|savage data|utilityapi|apigee|comed|peco|rg&e)\b",
    re.I,
)
# Where such names belong: plugins, profiles and layouts; made-up data; the demo of a utility.
NAMED_HERE = ("quirks", "profiles", "layouts", "synthetic", "sandbox")
# Sentences of the core that name one on purpose: (module, name) → reason.
NAMED = {
    ("cli/sandbox.py", "pge"): "the default profile of the sandbox",
    ("custodian/_connect.py", "pge"): "the default profile",
    ("custodian/_customers.py", "pge"): "the default profile",
    ("settings.py", "pge"): "the example in the settings template",
}


def dotted(path):
    parts = ("greenkit", *path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree, *, own):
    """Return the greenkit modules that a module imports, at any depth of its code but for type checking alone."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("greenkit"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in NAMES else node.module)
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name in NAMES)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    # a package's front exports its modules lazily; a module that imports the front means a name of it
    return {name for name in found if name not in (own, "greenkit")}


NAMES = {dotted(path) for path in PATHS}


def test_imports_have_no_cycle_at_any_depth():
    graph = {dotted(path): imports(tree, own=dotted(path)) for path, tree in modules().items()}
    state, cycles = {}, []

    def walk(name, trail):
        state[name] = "open"
        for other in sorted(graph.get(name, ())):
            if state.get(other) == "open":
                cycles.append(" → ".join([*trail[trail.index(other) :], other]))
            elif other not in state:
                walk(other, [*trail, other])
        state[name] = "done"

    for name in sorted(graph):
        if name not in state:
            walk(name, [name])
    assert cycles == []


def public_functions():
    for path, tree in modules().items():
        if any(part.startswith("_") and part != "__init__.py" for part in path.parts):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield path, node.name, node
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield path, f"{node.name}.{inner.name}", inner


def test_every_module_has_a_docstring_of_its_concept():
    for path, tree in modules().items():
        doc = ast.get_docstring(tree)
        assert doc, path
        first = doc.partition("\n\n")[0]
        assert first.endswith((".", ":")), f"{path}: {first}"


def test_no_public_callable_takes_open_keywords():
    found = {name: str(path) for path, name, node in public_functions() if node.args.kwarg}
    assert {name: path for name, path in found.items() if name not in OPEN} == {}
    assert set(OPEN) <= set(found), "an exception that is no longer needed"


def docstrings(tree):
    """Yield the nodes of docstrings, whose examples may name a profile."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            yield body[0].value


def test_core_names_no_utility():
    assert {"duke", "savage ?data"} <= MODULES
    found = []
    for path, tree in modules().items():
        if set(path.parts) & set(NAMED_HERE):
            continue
        docs = {id(d) for d in docstrings(tree)}
        for node in ast.walk(tree):
            if id(node) in docs:
                continue
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            text = text or getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "name", "") or ""
            text = text.replace("_", " ") if isinstance(text, str) else ""
            found += [
                f"{path}:{node.lineno} {m[0]}" for m in UTILITIES.finditer(text) if (str(path), m[0]) not in NAMED
            ]
    assert found == []


# -- kinds of findings


def kinds():
    """Yield (module, name of the finding, name of the constant or "") for each Kind that a module declares."""
    for path, tree in modules().items():
        if path == Path("findings.py"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Kind":
                yield path, node.args[0].value if isinstance(node.args[0], ast.Constant) else None


def test_each_kind_of_finding_is_declared_once_and_catalogued():
    names = Counter(name for _, name in kinds() if name)
    assert [name for name, n in names.items() if n > 1] == []
    assert set(names) - set(findings.catalogue()) == set()


def test_every_declared_kind_is_used():
    used = defaultdict(int)
    for tree in modules().values():
        for node in ast.walk(tree):
            name = getattr(node, "id", getattr(node, "attr", None))
            if isinstance(name, str) and name.isupper():
                used[name] += 1
    unused = []
    for path, tree in modules().items():
        for node in tree.body:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            value = getattr(node, "value", None)
            if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "Kind":
                unused += [f"{path}: {t.id}" for t in targets if used[t.id] < 2]
    assert unused == []


@pytest.mark.parametrize("kind", findings.catalogue().values(), ids=lambda k: k.name)
def test_texts_of_kinds_are_sentences(kind):
    assert re.fullmatch(r"[a-z]+(\.[a-z0-9]+(-[a-z0-9]+)*)+", kind.name)
    for text in (kind.text, kind.what_to_do):
        assert not text or text.endswith((".", ")", "}")), text
        assert "  " not in text
        for noun in re.findall(r"\{\w+:([\w -]+)\}", text):
            assert not re.search(r"(?<![aeou])y$|[sx]$|ch$", noun), f"{noun} has no plural with s"
    assert kind.severity == "info" or kind.what_to_do or kind.name in NEEDS_NOTHING, "say what to do"


# Warnings after which there is nothing that a user could do: name → reason.
NEEDS_NOTHING = {
    "tables.time.hours-summed": "the file has no finer values, and the reason is in the sentence",
}


def test_findings_are_made_of_declared_kinds_only():
    wrong = []
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0] if node.args else None
            text = isinstance(first, ast.Constant | ast.JoinedStr) and isinstance(getattr(first, "value", ""), str)
            of = ast.unparse(getattr(node.func, "value", node.func))
            if name == "add" and text and re.search("finding|found", of):
                wrong.append(f"{path}:{node.lineno}")
            if name == "Finding" and path not in (Path("findings.py"), Path("frame.py")):
                wrong.append(f"{path}:{node.lineno}")
    assert wrong == []
