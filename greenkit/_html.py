"""Small HTML reprs: every value is escaped, colors follow the notebook's theme, and a text fallback is included.

Colors come from JupyterLab's ``--jp-*`` variables, so they follow the light or dark theme; other front ends use the
fallback after the comma. An untrusted notebook shows the ``<pre>``, because it drops the style that hides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

_SHARE: Final = 65
"""Percent of a theme's color in a color of text. JupyterLab's orange alone has a contrast of 2.7 on its white page."""


def text_color(status: Literal["success", "warn", "error"], fallback: str) -> str:
    """Return the CSS color of a text with a status: that of the theme, mixed with the theme's color of text.

    The contrast is at least 4.5 in JupyterLab's light and dark themes. Without a theme, it is ``fallback``.
    """
    own = f"var(--jp-{status}-color1,{fallback})"
    return f"color-mix(in srgb,{own} {_SHARE}%,var(--jp-ui-font-color1,{fallback}))"


_STYLE = (
    ".gk{font-family:var(--jp-ui-font-family,sans-serif);font-size:13px;color:var(--jp-ui-font-color1,inherit)}"
    ".gk h4{margin:.4em 0}"
    ".gk table{border-collapse:collapse}"
    # tripled for specificity: JupyterLab's rule that right-aligns all cells has two classes
    ".gk.gk.gk th,.gk.gk.gk td{padding:2px 8px;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.35))}"
    ".gk.gk.gk .n{text-align:right;white-space:nowrap}"
    ".gk code{font-size:12px;opacity:.8}"
    f".gk .serious{{color:{text_color('error', '#c62828')}}}"
    f".gk .warning{{color:{text_color('warn', '#8a5300')}}}"
    ".gk+pre.gk-text{display:none}"
)

_LONG = 40
"""Length from which a cell is treated as a sentence."""


def text(value: object) -> str:
    """Escape a value for HTML, including quotes."""
    return _escaped(str(value))


def _escaped(text: str) -> str:
    import html  # its table of names costs more than a tenth of the import of greenkit

    return html.escape(text, quote=True)


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Build a table: a severity is colored, a Number is right-aligned, and a sentence can wrap."""
    body = "".join("<tr>" + "".join(_cell(c, "td") for c in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(_cell(h, "th") for h in head) + f"</tr>{body}</table>"


def _cell(value: object, tag: str) -> str:
    kind = value if value in ("serious", "warning") else "n" if isinstance(value, Number) else ""
    if not kind and len(str(value)) > _LONG and not isinstance(value, Markup):
        kind = "long"
    mark = f' class="{kind}"' if kind else ""
    return f"<{tag}{mark}>{value if isinstance(value, Markup) else text(value)}</{tag}>"


class Number(str):
    """A formatted number, or the heading of a number column."""

    __slots__ = ()


class Markup(str):
    """HTML that is already escaped, such as a strip of colored cells."""

    __slots__ = ()


def block(title: str, body: str, *, text: str) -> str:
    """Build one repr: a title, a body of escaped HTML, and plain text for front ends that do not allow styles."""
    return (
        f"<style>{_STYLE}</style><div class='gk'><h4>{_escaped(title)}</h4>{body}</div>"
        f"<pre class='gk-text'>{_escaped(text)}</pre>"
    )
