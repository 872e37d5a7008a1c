"""What a panel needs of the page and no trait of an ipywidget gives: looks, keys in lists, files that are dropped.

A style element in an HTML widget runs its ``onload`` once it stands on the page, in JupyterLab, Notebook 7 and Voila
alike. The scripts are these texts and nothing else; where a page lets none run, the panel works without what they add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greenkit._html import text

if TYPE_CHECKING:
    import ipywidgets as w

_STYLE: Final = (
    ".gk-panel{gap:4px;padding:2px;overflow:visible}"
    ".gk-panel .gk-row{gap:4px 12px;overflow:visible}"
    ".gk-panel .widget-toggle-buttons{flex-flow:row wrap;overflow:visible;height:auto;gap:0 8px;margin:2px}"
    ".gk-panel .widget-toggle-buttons>.widget-label{width:auto}"
    ".gk-panel td,.gk-panel th{line-height:1.5}"
    ".gk-over{outline:2px dashed var(--jp-brand-color1,#1976d2);outline-offset:2px}"
)
# JupyterLab takes arrows and letters for itself from a list that has the focus, unless it bears this attribute
_KEYS: Final = """
this.onload = null;
this.closest('.gk-panel').addEventListener('focusin', e => {
    if (e.target.matches('select')) e.target.dataset.lmSuppressShortcuts = 'true';
});
"""
# A FileUpload knows only the dialog of an input of its own, which stands nowhere on the page. But its button clicks
# that input, and at that moment the input can be given files from elsewhere. They go to the kernel as one message, and
# Jupyter ends, in silence, a connection that brings more than 10 MiB: so large ones are packed here, chosen ones too.
_FILES: Final = """
this.onload = null;
const panel = this.closest('.gk-panel'), upload = panel.querySelector('.widget-upload'), said = this.nextSibling;
const words = said.textContent, input = HTMLInputElement.prototype, dialog = document.createElement('input');
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
    said.textContent = words;
    try {
        for (const file of await Promise.all(Array.from(files, packed))) held.items.add(file), size += file.size;
    } catch {
        said.textContent = 'That cannot be read: choose files, not folders.';
        return;
    }
    if (size > 10e6) {
        said.textContent = 'Too large for a page: give the path to greenkit.load(), and its frame to Explore().';
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
said.hidden = false;
"""


def keys() -> w.HTML:
    """Give a panel its looks, and its lists their keys."""
    return _once(_KEYS, style=_STYLE)


def droppable() -> w.HTML:
    """Let files be dropped on the panel that this stands in, for its FileUpload; it says so where that works."""
    return _once(_FILES, words="or drop them here")


def _once(script: str, *, style: str = "", words: str = "") -> w.HTML:
    import ipywidgets

    said = f"<span role='status' hidden>{text(words)}</span>" if words else ""
    return ipywidgets.HTML(f'<style onload="{text(script)}">{style}</style>{said}')
