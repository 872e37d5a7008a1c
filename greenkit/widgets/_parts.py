"""Parts of panels: the panel itself, its status line, buttons, boxes, and the area of a chart.

Colors come from the theme of the page (``--jp-*``), so panels are light or dark like the page. External text
is escaped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from greenkit._html import text, text_color
from greenkit._style import MARKS
from greenkit.widgets._model import PanelModel, StatusLine

if TYPE_CHECKING:
    import ipywidgets as w
    import plotly.graph_objects as go

_MARK: Final = {
    "idle": MARKS["info"], "busy": "◔", "good": MARKS[""], "warn": MARKS["warning"], "bad": MARKS["serious"],
}  # fmt: skip
_COLOR: Final = {
    "idle": "var(--jp-ui-font-color1, inherit)",
    "busy": "var(--jp-ui-font-color1, inherit)",
    "good": text_color("success", "#2e7d32"),
    "warn": text_color("warn", "#8a5300"),
    "bad": text_color("error", "#c62828"),
}
PLOTLY: Final = "application/vnd.plotly.v1+json"
FIELD: Final = {"description_width": "initial"}


class Panel:
    """A panel in a cell: ``widget`` is the ipywidget, and ``model`` contains its state and its actions.

    The repr is one line without the contents of the boxes, which the repr of a widget would show.
    """

    model: PanelModel
    widget: w.Widget | None = None
    title: ClassVar[str] = ""

    @property
    def error(self) -> Exception | None:
        """The latest error; None if the latest action succeeded."""
        return self.model.error

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the running job has ended; raise TimeoutError if it has not ended within ``timeout`` [s]."""
        self.model.wait(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.model.line}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = {} if self.widget is None else dict(self.widget._repr_mimebundle_(**kwargs))
        return {**bundle, "text/plain": repr(self)}


def status(model: PanelModel) -> w.HTML:
    """Make a line that shows the status of the model, and that a screen reader announces when it changes."""
    import ipywidgets

    box = ipywidgets.HTML()
    shown: list[StatusLine] = []

    def show() -> None:
        if shown != [model.line]:
            shown[:] = [model.line]
            box.value = line_html(model.line)

    model.listen(show)
    show()
    return box


def line_html(line: StatusLine) -> str:
    """Return a status line as HTML. Its mark repeats the meaning of its color, for readers who cannot see the color."""
    if not line.text:
        return ""
    return (
        f"<div role='status' aria-live='polite' class='gk-status gk-{line.kind}' "
        f"style='color:{_COLOR[line.kind]};line-height:1.5'>{_MARK[line.kind]} {text(line.text)}</div>"
    )


def heading(words: str) -> w.HTML:
    """Make a panel's heading."""
    import ipywidgets

    return ipywidgets.HTML(f"<b style='font-size:1.1em;color:var(--jp-ui-font-color1, inherit)'>{text(words)}</b>")


def link(words: str, url: str) -> str:
    """Return a link as HTML. Its URL comes from a profile, which accepts only https URLs."""
    return (
        f"<a class='gk-link' href='{text(url)}' target='_blank' rel='noopener noreferrer' style='text-decoration:"
        f"underline;font-weight:600;color:var(--jp-content-link-color, #1565c0)'>{text(words)}</a>"
    )


def button(words: str, tip: str, act: Callable[[], object], model: PanelModel, *, first: bool = False) -> w.Button:
    """Make a button that shows the errors of its action in the status line."""
    import ipywidgets

    made = ipywidgets.Button(description=words, tooltip=tip, button_style="primary" if first else "")
    made.layout.width = "auto"
    made.on_click(model.guard(lambda _: act()))
    return made


def begins(box: w.DOMWidget, doing: str) -> bool:
    """Return whether this button started the job. It stays enabled, because a disabled button loses keyboard focus."""
    return type(box).__name__ == "Button" and doing.startswith(box.description)


def row(*children: w.Widget) -> w.HBox:
    """Return widgets side by side; they wrap if the cell is narrow."""
    import ipywidgets

    made = ipywidgets.HBox(list(children), layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"))
    return made.add_class("gk-row")


def column(*children: w.Widget) -> w.VBox:
    """Return widgets one below the other."""
    import ipywidgets

    return ipywidgets.VBox([*children, keys()]).add_class("gk-panel")


def show_when(widget: w.Widget, shown: bool) -> None:
    """Show or hide a widget; the keyboard cannot reach a hidden one."""
    widget.layout.display = "" if shown else "none"


def chart_area() -> w.Output:
    """Make the output area of a chart."""
    import ipywidgets

    return ipywidgets.Output(layout=ipywidgets.Layout(width="100%"))


def draw(place: w.Output, figure: go.Figure | None) -> None:
    """Replace the figure in an output area.

    The output is set directly, because text that another thread prints under ``with place`` is lost.
    """
    bundle: dict[str, Any] = {}
    if figure is not None:
        bundle = dict(figure._repr_mimebundle_() or {})
        # renderers return one of the two; JupyterLab draws the first, and Colab only the second
        if PLOTLY not in bundle:
            bundle[PLOTLY] = json.loads(figure.to_json())
        if "text/html" not in bundle:
            bundle["text/html"] = figure.to_html(full_html=False, include_plotlyjs="cdn")
    place.outputs = ({"output_type": "display_data", "data": bundle, "metadata": {}},) if bundle else ()


def download(name: str, content: bytes) -> str:
    """Return a link to a file within the page, and select it once, so that the browser saves the file."""
    data = base64.b64encode(content).decode()
    # a style that is loaded runs its script, which a script in a widget's HTML does not
    return (
        f"<a class='gk-link' download='{text(name)}' href='data:application/octet-stream;base64,{data}'>"
        f"Save {text(name)}</a>"
        "<style onload='this.onload=null;this.previousSibling.click()'>.gk-link{margin:0}</style>"
    )


def bar() -> w.FloatProgress:
    """Make a progress bar."""
    import ipywidgets

    made = ipywidgets.FloatProgress(max=1.0, layout=ipywidgets.Layout(width="10em"))
    show_when(made, False)
    return made


def show_share(bar: w.FloatProgress, model: PanelModel) -> None:
    """Show the completed share of the running job, if it is known."""
    show_when(bar, model.busy and model.done is not None)
    bar.value = model.done or 0.0


MOST: Final = 20
"""Most names that a list shows."""


def listing(names: list[str]) -> str:
    """Return file names as an HTML list; they come from the server, so they are escaped."""
    shown = "".join(f"<li>{text(name)}</li>" for name in names[:MOST])
    more = f"<p>and {len(names) - MOST:,} more</p>" if len(names) > MOST else ""
    return f"<ul style='line-height:1.4'>{shown}</ul>{more}" if names else ""


_STYLE: Final = (
    ".gk-panel{gap:4px;padding:2px;overflow:visible}"
    ".gk-panel .gk-row{gap:4px 12px;overflow:visible}"
    ".gk-panel .widget-toggle-buttons{flex-flow:row wrap;overflow:visible;height:auto;gap:0 8px;margin:2px}"
    ".gk-panel .widget-toggle-buttons>.widget-label{width:auto}"
    ".gk-panel td,.gk-panel th{line-height:1.5}"
    # charts in panels are transparent, and the page sets the color of their text
    ".gk-panel .infolayer text,.gk-panel [class$='tick'] text,.gk-panel .annotation text"
    "{fill:var(--jp-ui-font-color1,#1f2328)!important}"
    ".gk-over{outline:2px dashed var(--jp-brand-color1,#1976d2);outline-offset:2px}"
)
# JupyterLab handles arrow keys and letters in a focused list itself, unless the list has this attribute
_KEYS: Final = """
this.onload = null;
this.closest('.gk-panel').addEventListener('focusin', e => {
    if (e.target.matches('select')) e.target.dataset.lmSuppressShortcuts = 'true';
});
"""
# A FileUpload reads files only from its own input, which is not in the page. But its button clicks that input, and at
# that moment the input can receive other files. They go to the kernel as one message. Jupyter silently closes a
# connection that sends more than 10 MiB, so this script compresses large files, also those from the dialog.
_FILES: Final = """
this.onload = null;
const panel = this.closest('.gk-panel'), upload = panel.querySelector('.widget-upload'), hint = this.nextSibling;
const words = hint.textContent, input = HTMLInputElement.prototype, dialog = document.createElement('input');
let giving = false;
const packed = async file => {
    await file.slice(0, 1).arrayBuffer();
    if (file.size < 1e6 || /\\.(gz|zip)$/i.test(file.name)) return file;
    const stream = file.stream().pipeThrough(new CompressionStream('gzip'));
    return new File([await new Response(stream).blob()], file.name + '.gz');
};
const give = async files => {
    const held = new DataTransfer();
    let size = 0;
    hint.textContent = words;
    try {
        for (const file of await Promise.all(Array.from(files, packed))) held.items.add(file), size += file.size;
    } catch {
        hint.textContent = 'The dropped item cannot be read. Select files, not folders.';
        return;
    }
    if (size > 10e6) {
        hint.textContent = 'The files are too large. Call greenkit.load() with their path instead.';
        return;
    }
    input.click = function () { this.files = held.files; this.dispatchEvent(new Event('change')); };
    giving = true;
    try { upload.click(); } finally { giving = false; delete input.click; }
};
dialog.type = 'file';
dialog.multiple = true;
dialog.onchange = () => give(dialog.files);
panel.addEventListener('click', e => {
    if (giving || !upload.contains(e.target)) return;
    e.stopPropagation();
    dialog.value = '';
    dialog.click();
}, true);
for (const name of ['dragover', 'dragleave', 'drop']) panel.addEventListener(name, e => {
    if (!e.dataTransfer.types.includes('Files') || !upload.offsetParent) return;
    e.preventDefault();
    e.stopPropagation();
    panel.classList.toggle('gk-over', name === 'dragover');
    if (name === 'drop') give(e.dataTransfer.files);
});
hint.hidden = false;
"""


def keys() -> w.HTML:
    """Return the style of a panel and the script that makes the arrow keys work in its lists."""
    return _once(_KEYS, style=_STYLE)


def droppable() -> w.HTML:
    """Return a script that accepts files dropped on its panel, and a hint that appears if the browser supports it."""
    return _once(_FILES, words="or drop them here")


def _once(script: str, *, style: str = "", words: str = "") -> w.HTML:
    import ipywidgets

    hint = f"<span role='status' hidden>{text(words)}</span>" if words else ""
    return ipywidgets.HTML(f'<style onload="{text(script)}">{style}</style>{hint}')
