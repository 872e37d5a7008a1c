"""Write the generated pages of the site: reference, findings, commands, changelog, and the tutorials' notebooks.

Each function returns the text of one page, and :func:`write_all` writes them into folders that git ignores. An
unchanged page is not written again, so that Sphinx builds only what changed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import pkgutil
import re
import string
from importlib import import_module
from pathlib import Path
from types import ModuleType

import join_changes
import tomli_w
from plotly.io import to_html
from plotly.offline import get_plotlyjs

import greenkit
from greenkit import cli, findings
from greenkit.cli._command import EXIT_CODES
from greenkit.custodian import profiles
from greenkit.espi import quirks
from greenkit.tables import layouts
from greenkit.tables.mapping import dump_mapping

DOCS = Path(__file__).parent
GENERATED = DOCS / "reference" / "generated"
NOTEBOOKS = DOCS / "tutorials" / "notebooks"
STATIC = GENERATED / "static"
_NUMBER = re.compile(r"[+,.\d]*[fg%]?")  # a format of numbers; other words of a slot are nouns
_SLOTS = {
    ("count", ""): "n",
    ("count", ","): "n",
    ("looks", ""): "look like",
    ("of", ""): "resource",
    ("of", ","): "total",
    ("to", ""): "other resource",
}  # slots whose names are no nouns: name and format → what a reader sees
_LITERAL = re.compile(r"``([^`]+)``|:\w+:`~?([^`]+)`")
_NOT_PUBLIC = ("cli", "__main__")  # commands have a page of their own


def modules() -> dict[str, list[str]]:
    """Return the public functions and classes of each public module, each object in one module only.

    A name that a package exports is documented there, and not in the module that defines it.
    """
    names = ["greenkit", *(m.name for m in pkgutil.walk_packages(greenkit.__path__, "greenkit."))]
    public = [n for n in names if not any(p.startswith("_") or p in _NOT_PUBLIC for p in n.split(".")[1:])]
    found: dict[str, list[str]] = {}
    seen: set[int] = set()
    for name in sorted(public, key=lambda name: (name.count("."), name)):
        module = import_module(name)
        own = {member: getattr(module, member) for member in public_names(module)}
        found[name] = [member for member, value in own.items() if id(value) not in seen]
        seen |= {id(value) for value in own.values()}
    return {name: members for name, members in found.items() if members}


def public_names(module: ModuleType) -> list[str]:
    """Return the functions and classes that a module exports, or else those that it defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    values = {name: getattr(module, name) for name in names if not name.startswith("_")}
    return [name for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)]


def reference(name: str, members: list[str]) -> str:
    """Return the reference page of a module, from its docstring and those of its members."""
    module = import_module(name)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", ""]
    for member in members:
        kind = "class" if inspect.isclass(getattr(module, member)) else "function"
        lines += [f".. auto{kind}:: {name}.{member}"]
        lines += ["   :members:", "   :show-inheritance:", ""] if kind == "class" else [""]
    return "\n".join(lines)


def findings_page() -> str:
    """Return the page of findings: every kind with its severity, text, and what to do."""
    lines = [
        "# Findings",
        "",
        "greenkit reports each problem in the data as a finding with a stable name. `info` needs no action, `warning`",
        "needs a check before you rely on the numbers, and `serious` means that results mislead until you fix the",
        "problem. The evidence of the finding takes the place of the words in italics.",
        "",
    ]
    area = ""
    for kind in findings.catalogue().values():
        if kind.name.partition(".")[0] != area:
            area = kind.name.partition(".")[0]
            lines += [f"## {area}", ""]
        lines += [f"`{kind.name}` ({kind.severity})", f": {_template(kind.text)}"]
        lines += [f"  **What to do:** {_template(kind.what_to_do)}"] if kind.what_to_do else []
        lines += [""]
    return "\n".join(lines)


def _template(text: str) -> str:
    """Return the text of a kind as Markdown, with its slots as a reader would name them.

    Examples
    --------
    >>> _template("{count:reading} {count:has|have} no value; first at {first}.")
    '*n* readings have no value; first at *first*.'

    A slot right after a word adds to the sentence, as in "are estimated{over}", and is left out:

    >>> _template("{count:,} {of} entries are estimated{over}.")
    '*n* *resource* entries are estimated.'
    """
    parts = string.Formatter().parse(text)
    return "".join(
        _plain(literal) + (_slot(name, words or "") if name and not re.search(r"[\w).]$", literal) else "")
        for literal, name, words, _ in parts
    )


def _slot(name: str, words: str) -> str:
    _, agrees, plural = words.partition("|")
    if agrees:
        return _plain(plural)
    shown = _SLOTS.get((name, words), name.replace("_", " "))
    return f"*{shown}*" if _NUMBER.fullmatch(words) else f"*n* {_plain(words)}s"


def _plain(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return "".join(f"\\{c}" if c in "\\*_<>[]`$~#|" else c for c in text)


def layouts_page() -> str:
    """Return the page of the tables that greenkit knows, from their TOML files."""
    grades = {
        "R": "seen in real files",
        "T": "seen in public test files",
        "C": "from public code and documentation",
    }
    lines = [
        "# Table layouts",
        "",
        "`greenkit.load`, `load_table`, and `load_prices` recognize these tables by the names of their columns,",
        "never by the name of the file. NEM12 files need no layout. For any other table, write a mapping:",
        "`greenkit info --explain FILE` prints one to start from.",
        "",
    ]
    for layout in layouts.known():
        about, table = layout.layout, layout.table
        zone = table.zone if isinstance(table.zone, str) else "named in a column" if table.zone else "pass `tz=`"
        lines += [f"## {about.name}", "", f"{_plain(about.title)}.", ""]
        lines += [f"* Grade: {about.grade}, {grades[about.grade]}. {_plain(about.source)}.", f"* Time zone: {zone}"]
        lines += [f"* Days when clocks change: {_plain(about.days)}"] if about.days else []
        lines += ["* Columns: " + ", ".join(f"`{name.removesuffix('?')}`" for name in about.headers[0]), ""]
        lines += ["```toml", dump_mapping(layout.mapping).rstrip(), "```", ""]
    return "\n".join(lines)


def utilities_page() -> str:
    """Return the page of utilities: the profiles of Green Button Connect, and the senders whose files have quirks."""
    lines = [
        "# Utilities",
        "",
        "Facts about single utilities are in modules of their own, never in the rules that apply to every file. To add",
        "one, see [Add a utility](../../how-to/add-a-utility.md).",
        "",
        "## Profiles of Green Button Connect",
        "",
        "`greenkit.connect(NAME, …)` uses these profiles. Each block shows what differs from the defaults of",
        "{py:class}`greenkit.custodian.profiles.Profile`, in the form of a TOML file. Unverified facts come",
        "from documents or from other clients, and only a registered account can confirm them.",
        "",
    ]
    for name in profiles.SHIPPED:
        profile = profiles.load(name)
        facts = {key: value for key, value in profile.facts().items() if key not in ("name", "title", "unverified")}
        facts |= (
            {"meanings": {str(status): text for status, text in profile.meanings.items()}} if profile.meanings else {}
        )
        lines += [f"### {name}", "", f"{_plain(_sentence(profile.title))}", ""]
        lines += ["```toml", tomli_w.dumps(facts).rstrip(), "```", ""]
        lines += ["Unverified:", "", *(f"* {_plain(fact)}" for fact in profile.unverified), ""] * bool(
            profile.unverified
        )
        lines += [*_sources(import_module(profiles.__name__ + f".{name}")), ""]
    lines += [
        "## Senders of Green Button files",
        "",
        "`greenkit.load_espi` recognizes these senders by text that only they write, and corrects what their files",
        "state wrongly or do not state.",
        "",
    ]
    for quirk in quirks.registered():
        lines += [f"### {quirk.name}", "", _markdown(inspect.getdoc(type(quirk)) or ""), ""]
        lines += ["Sources:", "", *(f"* {_plain(_sentence(source))}" for source in quirk.sources), ""]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _sources(module: ModuleType) -> list[str]:
    """Return the section of sources of a module's docstring as lines of Markdown."""
    _, _, sources = (inspect.getdoc(module) or "").partition("Sources\n-------\n")
    text = _markdown(sources)
    return ["Sources:", "", text if text.startswith("* ") else f"* {text}"]


def _markdown(text: str) -> str:
    """Return the text of a docstring as Markdown: literals and roles become code."""
    return _LITERAL.sub(lambda match: f"`{match[1] or match[2]}`", text).strip()


def commands_page() -> str:
    """Return the page of commands, from their parsers, and of the exit codes."""
    lines = ["# Commands", "", "`python -m greenkit` is the same program as `greenkit`.", "", "## Exit codes", ""]
    lines += ["| code | meaning |", "| --- | --- |"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    subparsers = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name in cli.commands():
        parser = subparsers.choices[name]
        parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)
        lines += ["", f"## greenkit {name}", "", "```text", parser.format_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def changelog_page() -> str:
    """Return the changelog, with the fragments of the next release first."""
    texts = join_changes.fragments(join_changes.ROOT / "changes")
    changelog = (join_changes.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    start = changelog.index("\n## ") + 1
    coming = join_changes.section("Next release", texts) + "\n" if texts else ""
    return changelog[:start] + coming + changelog[start:]


def write_all() -> None:
    """Write every generated page."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.rst": reference(name, members) for name, members in modules().items()}
    pages |= {"findings.md": findings_page(), "commands.md": commands_page(), "changelog.md": changelog_page()}
    pages |= {"layouts.md": layouts_page(), "utilities.md": utilities_page()}
    for old in set(GENERATED.glob("*.*")) - {GENERATED / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        _write(GENERATED / name, text)
    STATIC.mkdir(parents=True, exist_ok=True)
    _write(STATIC / "plotly.min.js", get_plotlyjs())
    NOTEBOOKS.mkdir(parents=True, exist_ok=True)
    for path in notebooks():
        _write(NOTEBOOKS / path.name, tutorial(path.read_text(encoding="utf-8")))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def tutorial(text: str) -> str:
    """Return a notebook whose charts are HTML that works offline, and whose panels are their text.

    A site has neither the chart renderer of JupyterLab nor a kernel behind the panels.
    """
    book = json.loads(text)
    for cell in book["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            figure = data.pop("application/vnd.plotly.v1+json", None)
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if figure is not None:
                figure = {name: figure[name] for name in ("data", "layout")}
                script = "../../_static/plotly.min.js"
                data["text/html"] = to_html(figure, full_html=False, include_plotlyjs=script, validate=False)
    return json.dumps(book)


def notebooks() -> list[Path]:
    """Return the notebooks, with their outputs if ``GREENKIT_EXECUTED`` names the folder in which ring 2 keeps them."""
    executed = Path(os.environ.get("GREENKIT_EXECUTED") or NOTEBOOKS / "none")
    paths = sorted((join_changes.ROOT / "notebooks").glob("*.ipynb"))
    return [executed / path.name if (executed / path.name).is_file() else path for path in paths]
