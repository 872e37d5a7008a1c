"""Pieces that panels are made of: the panel itself, its status line, buttons, boxes, and the place of a picture.

Colours come from the page's theme (``--jp-*``), so light and dark follow it. Text from elsewhere is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from greenkit._html import text
from greenkit.widgets import page
from greenkit.widgets.guard import Line, Model

if TYPE_CHECKING:
    import ipywidgets as w
    import plotly.graph_objects as go

_SIGN: Final = {"idle": "○", "busy": "◔", "good": "●", "bad": "▲"}
_COLOR: Final = {
    "idle": "var(--jp-ui-font-color1, inherit)",
    "busy": "var(--jp-ui-font-color1, inherit)",
    "good": "var(--jp-success-color1, #2e7d32)",
    "bad": "var(--jp-error-color1, #c62828)",
}
PLOTLY: Final = "application/vnd.plotly.v1+json"
FIELD: Final = {"description_width": "initial"}


class Panel:
    """What is shown in a cell: ``widget`` is the ipywidget, ``model`` what it shows and does.

    Its repr is one line, since that of a widget shows what its boxes hold.
    """

    model: Model
    widget: w.Widget | None = None
    title: ClassVar[str] = ""

    @property
    def error(self) -> Exception | None:
        """What went wrong last, whole; None when nothing has."""
        return self.model.error

    def wait(self, timeout: float | None = None) -> None:
        """Wait until what runs now has ended; TimeoutError when it has not by then."""
        self.model.wait(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.model.line}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = {} if self.widget is None else dict(self.widget._repr_mimebundle_(**kwargs))
        return {**bundle, "text/plain": repr(self)}


def status(model: Model) -> w.HTML:
    """Make a line that follows the model, and that a screen reader reads out when it changes."""
    import ipywidgets

    box = ipywidgets.HTML()
    shown: list[Line] = []

    def show() -> None:
        if shown != [model.line]:
            shown[:] = [model.line]
            box.value = line_html(model.line)

    model.listen(show)
    show()
    return box


def line_html(line: Line) -> str:
    """Write a line as HTML: sign and colour say the same, since not everybody sees colours."""
    if not line.text:
        return ""
    return (
        f"<div role='status' aria-live='polite' class='gk-status gk-{line.kind}' "
        f"style='color:{_COLOR[line.kind]};line-height:1.5'>{_SIGN[line.kind]} {text(line.text)}</div>"
    )


def heading(words: str) -> w.HTML:
    """Make a panel's heading."""
    import ipywidgets

    return ipywidgets.HTML(f"<b style='font-size:1.1em;color:var(--jp-ui-font-color1, inherit)'>{text(words)}</b>")


def link(words: str, url: str) -> str:
    """Write a link that looks like one. The address is a profile's, which lets nothing but https stand in it."""
    return (
        f"<a class='gk-link' href='{text(url)}' target='_blank' rel='noopener noreferrer' style='text-decoration:"
        f"underline;font-weight:600;color:var(--jp-content-link-color, #1565c0)'>{text(words)}</a>"
    )


def button(words: str, tip: str, act: Callable[[], object], model: Model, *, first: bool = False) -> w.Button:
    """Make a button whose work is guarded."""
    import ipywidgets

    made = ipywidgets.Button(description=words, tooltip=tip, button_style="primary" if first else "")
    made.layout.width = "auto"
    made.on_click(model.guard(lambda _: act()))
    return made


def begins(box: w.DOMWidget, doing: str) -> bool:
    """Tell whether a job was begun by this button: it stays enabled, or the keyboard would lose its place."""
    return type(box).__name__ == "Button" and doing.startswith(box.description)


def row(*children: w.Widget) -> w.HBox:
    """Lay widgets side by side; they wrap where the cell is narrow."""
    import ipywidgets

    made = ipywidgets.HBox(list(children), layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"))
    return made.add_class("gk-row")


def column(*children: w.Widget) -> w.VBox:
    """Lay widgets one below the other."""
    import ipywidgets

    return ipywidgets.VBox([*children, page.keys()]).add_class("gk-panel")


def show_when(widget: w.Widget, shown: bool) -> None:
    """Show a widget or take it off the page: what cannot be seen cannot be reached by the keyboard either."""
    widget.layout.display = "" if shown else "none"


def picture() -> w.Output:
    """Make the place of a picture."""
    import ipywidgets

    return ipywidgets.Output(layout=ipywidgets.Layout(width="100%"))


def draw(place: w.Output, figure: go.Figure | None) -> None:
    """Put a figure there in place of the one before.

    The output is set as a whole: what is printed under ``with place`` from another thread is lost.
    """
    bundle: dict[str, Any] = {}
    if figure is not None:
        bundle = dict(figure._repr_mimebundle_() or {})
        if PLOTLY not in bundle and "text/html" not in bundle:
            bundle[PLOTLY] = json.loads(figure.to_json())
    place.outputs = ({"output_type": "display_data", "data": bundle, "metadata": {}},) if bundle else ()


def bar() -> w.FloatProgress:
    """Make a progress bar."""
    import ipywidgets

    made = ipywidgets.FloatProgress(max=1.0, layout=ipywidgets.Layout(width="10em"))
    show_when(made, False)
    return made


def show_share(bar: w.FloatProgress, model: Model) -> None:
    """Show how much of a job is done, where that is known."""
    show_when(bar, model.busy and model.done is not None)
    bar.value = model.done or 0.0


MOST: Final = 20
"""Names that a list shows."""


def listing(names: list[str]) -> str:
    """Write file names, of a server's choosing, as HTML."""
    shown = "".join(f"<li>{text(name)}</li>" for name in names[:MOST])
    more = f"<p>and {len(names) - MOST:,} more</p>" if len(names) > MOST else ""
    return f"<ul style='line-height:1.4'>{shown}</ul>{more}" if names else ""
