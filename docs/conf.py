"""Configuration of the documentation site: ``sphinx-build -W -b html docs docs/_build/html``.

Pages are collected by glob from ``tutorials``, ``how-to``, and ``explanation``. :mod:`generate` writes the reference
from docstrings, the findings from their catalog, the commands from their parsers, and the changelog from its fragments.

Sphinx with numpydoc, because the docstrings are numpydoc; myst-nb, because the tutorials are notebooks; the theme of
pandas, because readers know it. All four are maintained by the projects that use them most.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

import greenkit

project = "greenkit"
author = "greenkit contributors"
copyright = "greenkit contributors"
version = release = greenkit.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]

# Notebooks are shown with their outputs; ring 2 executes them and generate.py takes its copies.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # panels are shown as pictures and text, and nothing is loaded from other hosts
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state the types
numpydoc_show_class_members = False  # autodoc lists them with their docstrings
numpydoc_class_members_toctree = False

suppress_warnings = ["ref.python"]  # attributes of several classes have the same name

html_theme = "pydata_sphinx_theme"
html_title = f"greenkit {version}"
html_show_sourcelink = False
html_static_path = ["reference/generated/static"]
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def _link_notebooks(app: object, page: str, source: list[str]) -> None:
    """Point links to the repository's notebooks, which work in a checkout, to the tutorials."""
    source[0] = (
        source[0]
        .replace("(../notebooks/", "(tutorials/notebooks/")
        .replace("(../../notebooks/", "(../tutorials/notebooks/")
    )


def setup(app: object) -> None:
    """Write the generated pages before Sphinx looks for sources."""
    app.connect("config-inited", lambda *_: generate.write_all())
    app.connect("source-read", _link_notebooks)
