"""A person at a notebook: opens it, runs cells, clicks, types, looks at what is drawn.

JupyterLab shows a kernel as idle before it is connected, so runs are asked for through the application's own
promises, and only what a person does with a panel is done with mouse and keyboard.
"""

import re
import secrets
import time

import pytest

READY = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    let panel = null;
    for (let i = 0; i < 1800 && !(panel && panel.sessionContext); i++) {
        panel = app.shell.currentWidget || [...app.shell.widgets('main')].pop();
        if (!(panel && panel.sessionContext)) await new Promise(r => setTimeout(r, 100));
    }
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    window.gkPanel = panel;
}"""
# Shift+Enter on the chosen cells, one after another; resolves when the last has run
RUN = """async ([first, last]) => {
    const app = window.jupyterapp, book = window.gkPanel.content;
    for (let i = first; i <= last; i++) {
        book.activeCellIndex = i;
        await app.commands.execute('notebook:run-cell');
    }
}"""
# Energy of each drawn trace: under step lines by their corners, in cells of the carpet (but those that mark what is missing)
ENERGY = """gd => gd._fullData && gd.querySelector('.trace, image') && gd._fullData.filter(t => t.visible === true && t.showscale !== false).map(t => {
    let sum = 0;
    if (t.type === 'scatter') {
        const at = Array.from(t.x, x => typeof x === 'number' ? x : Date.parse(x.replace(' ', 'T') + 'Z'));
        for (let i = 0; i + 1 < t.y.length; i++) if (isFinite(t.y[i]) && t.y[i] !== null)
            sum += t.y[i] * (at[i + 1] - at[i]) / 3600000 * (t.text && t.text[i] ? 2 : 1);  // two hours share one
    } else if (t.type === 'heatmap') {
        for (const row of t.z) for (const z of row) if (isFinite(z) && z !== null) sum += z / 4;
    } else if (t.type === 'bar') {
        for (const y of t.y) sum += y;
    }
    return [t.type, t.name || '', sum];
})"""
# In one step, since a picture may be replaced between two
LOOK = f"""() => {{
    const gd = document.querySelector('.js-plotly-plot');
    if (!gd) return [];
    gd.scrollIntoView({{block: 'nearest'}});
    return ({ENERGY})(gd);
}}"""
# A control's name as a screen reader says it
NAME = """e => (e.getAttribute('aria-label') || (e.labels && e.labels.length ? e.labels[0].textContent : '')
    || e.textContent || e.title || '').trim()"""
FOCUSED = f"() => [document.activeElement.tagName.toLowerCase(), ({NAME})(document.activeElement)]"
CONTROLS = f"""root => [...root.querySelectorAll('a[href], button, input, select')]
    .filter(e => e.offsetParent && !e.disabled && !e.closest('.js-plotly-plot')).map({NAME})"""
# Execute code that stands in no cell; resolves when it has run
ASIDE = "async code => await window.gkPanel.sessionContext.session.kernel.requestExecute({code}).done"


class Front:
    """A page of a front end, and what went wrong on it.

    Attributes
    ----------
    problems : list of str
        Errors of the page's scripts, and requests that failed: offline, none may.
    """

    def __init__(self, page, address, token, work):
        self.page, self.address, self.token, self.work = page, address, token, work
        self.problems, self.expected = [], ()
        page.on("pageerror", lambda e: self._problem(str(e)))
        page.on("requestfailed", lambda r: self._problem(f"request failed: {r.url} {r.failure}"))
        self._jupyter = False

    def _problem(self, text):
        if not re.search("|".join([*self.expected, "ERR_ABORTED"]), text):
            self.problems.append(text)

    # -- notebooks

    def write(self, cells, name=None):
        """Lay a notebook of code cells in the server's folder."""
        import nbformat

        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        name = name or f"made-{secrets.token_hex(3)}.ipynb"
        nbformat.write(book, self.work / name)
        return name

    def with_parameters(self, name, **values):
        """Lay a copy of a notebook with other parameters, as papermill makes it; give its name."""
        import nbformat

        book = nbformat.read(self.work / name, 4)
        at = next(i for i, c in enumerate(book.cells) if "parameters" in c.metadata.get("tags", ()))
        lines = "\n".join(f"{key} = {value!r}" for key, value in values.items())
        book.cells[at].source += f"\n{lines}"
        made = f"{name.removesuffix('.ipynb')}-{secrets.token_hex(3)}.ipynb"
        nbformat.write(book, self.work / made)
        return made

    def cell_with(self, name, text):
        """Give the place of the first code cell that holds a text."""
        import nbformat

        book = nbformat.read(self.work / name, 4)
        return next(i for i, c in enumerate(book.cells) if c.cell_type == "code" and text in c.source)

    def open_lab(self, name):
        """Open a notebook in JupyterLab, alone, and wait for its kernel."""
        self.page.goto(f"{self.address}/lab/workspaces/{secrets.token_hex(4)}/tree/{name}?reset&token={self.token}")
        self._ready()

    def open_notebook7(self, name):
        """Open a notebook in Notebook 7, and wait for its kernel."""
        self.page.goto(f"{self.address}/notebooks/{name}?token={self.token}")
        self._ready()

    def open_voila(self, name):
        """Run a notebook in Voila."""
        self.page.goto(f"{self.address}/voila/render/{name}?token={self.token}")

    def _ready(self):
        self.page.locator(".jp-NotebookPanel").first.wait_for(timeout=180_000)
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=180_000)
        self.page.evaluate(READY)
        self._jupyter = True

    def run(self, first, last):
        """Run cells by their places; none may end in an error."""
        self.page.evaluate(RUN, [first, last])
        failed = self.page.evaluate(
            "([a, b]) => window.gkPanel.content.widgets.slice(a, b + 1)"
            ".flatMap(w => w.model.type === 'code' ? w.model.sharedModel.getOutputs() : [])"
            ".filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)",
            [first, last],
        )
        assert failed == []

    def run_all(self):
        """Run every cell."""
        self.run(0, self.page.evaluate("() => window.gkPanel.content.widgets.length") - 1)

    def theme(self, name):
        """Change JupyterLab's theme."""
        self.page.evaluate(
            "async n => await window.jupyterapp.commands.execute('apputils:change-theme', {theme: n})", name
        )
        dark = "true" if "Dark" in name else "false"
        self.page.wait_for_function(
            f"() => document.body.dataset.jpThemeLight === '{'false' if dark == 'true' else 'true'}'"
        )
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")  # what covers the change

    def close(self):
        """Stop the kernel and close the page."""
        try:
            if self._jupyter:
                self.page.evaluate("async () => await window.gkPanel.sessionContext.shutdown()")
        finally:
            self.page.close()

    # -- what a person sees

    def words(self):
        """Give every text that the status lines show from now on, in order, as a list that grows."""
        seen = []
        name = f"gkSeen{secrets.token_hex(3)}"
        self.page.expose_function(name, lambda text: seen.append(text))
        self.page.evaluate(
            f"() => new MutationObserver(() => document.querySelectorAll('.gk-status').forEach(e => {name}(e.textContent)))"
            ".observe(document.body, {childList: true, subtree: true, characterData: true})"
        )
        return seen

    def status(self, text):
        """The status line that holds a text."""
        return self.page.locator("[role=status].gk-status", has_text=text)

    def until(self, reached, otherwise, *, seconds=90.0):
        """Wait until ``reached()`` is true, and return it; fail with the text that ``otherwise()`` returns."""
        end = time.monotonic() + seconds
        while not (found := reached()):
            assert time.monotonic() < end, otherwise()
            self.page.wait_for_timeout(100)
        return found

    def was_shown(self, words, pattern):
        """Wait until a text of :meth:`words` matches a pattern: texts arrive a moment after the page shows them."""
        self.until(lambda: any(re.search(pattern, text) for text in words), lambda: f"{pattern} is not in {words}")

    def drawn(self, kind, want, *, whole=False):
        """Wait until the picture's traces of one kind carry the energies that are wanted [kWh].

        ``whole`` compares their sum alone, where a picture cuts a series into several traces.

        JupyterLab draws an output when it comes into view, and a new picture takes a moment to replace the old.
        """
        wanted = [sum(want)] if whole else sorted(want)
        seen = []

        def matches():
            seen[:] = [t for t in self.page.evaluate(LOOK) or [] if t[0] == kind and t[1] != "estimated"]
            energies = sorted(abs(value) for _, _, value in seen if value)
            return ([sum(energies)] if whole else energies) == pytest.approx(wanted, rel=1e-6)

        self.until(matches, lambda: f"{seen} is drawn, {kind} of {wanted} is wanted")

    # -- what a person does

    def customer(self, popup, *, user="Ada", allow=True):
        """Sign in on the utility's page, and allow or refuse."""
        popup.get_by_label("Name").fill(user)
        popup.get_by_label("Password").fill("sandbox")
        popup.get_by_role("button", name="Sign in").click()
        popup.get_by_role("button", name="Allow" if allow else "Refuse").click()

    def follow_link(self):
        """Click the panel's link; give the tab that it opens."""
        with self.page.context.expect_page() as opened:
            self.page.get_by_role("link", name=re.compile("^Sign in at .* and approve access$")).click()
        opened.value.wait_for_load_state()
        return opened.value

    def leave(self, tab):
        """Close the tab that a sign-in ended in, once its page stands.

        Chromium forgets to close, for good, a tab whose page has come but is not yet drawn.
        """
        tab.wait_for_url(re.compile("/callback|^chrome-error:"))
        tab.wait_for_load_state()
        tab.close()

    def tab_through(self, count):
        """Press Tab so often; give what the keyboard reached, in order."""
        found = []
        for _ in range(count):
            self.page.keyboard.press("Tab")
            found.append(tuple(self.page.evaluate(FOCUSED)))
        return found

    def reachable(self, *names, others=False):
        """Wait until the panel shows the named controls, and Tab through it until each was reached.

        ``others`` allows further controls. JupyterLab builds a panel's controls one after another, so a status line
        can stand before the last of them.
        """
        panel = self.page.locator(".gk-panel").first
        shown = []

        def complete():
            shown[:] = panel.evaluate(CONTROLS)
            return all(shown) and (set(names) <= set(shown) if others else list(names) == shown)

        self.until(complete, lambda: f"the panel shows {shown}, and {names} are wanted")
        panel.locator("a[href], button:enabled, input:enabled, select:enabled").first.focus()
        reached = {self.page.evaluate(FOCUSED)[1]}
        for _ in range(8 * len(shown)):  # a date has four parts
            if reached >= set(shown):
                return
            reached |= {name for _, name in self.tab_through(1)}
        raise AssertionError(f"the keyboard does not reach {set(shown) - reached}")

    def choose_by_keys(self, label, *keys):
        """Press keys in a list; give what is chosen then, and see that the list still has the focus."""
        box = self.page.get_by_label(label, exact=True)
        self.until(box.is_enabled, lambda: f"{label} is disabled")
        for key in keys:
            box.press(key)
        self.until(
            lambda: self.page.evaluate(FOCUSED) == ["select", label],
            lambda: f"{self.page.evaluate(FOCUSED)} has the focus, not {label}",
        )
        return box.input_value()

    def press(self, name, key):
        """Press a key on a button, once it is enabled."""
        button = self.page.get_by_role("button", name=name, exact=True)
        self.until(button.is_enabled, lambda: f"{name} is disabled")
        button.press(key)

    def drop(self, *paths):
        """Drop files on the panel that says that it takes them, as from the desktop."""
        panel = self.page.locator(".gk-panel", has_text="or drop them here").last
        # the hint appears when the panel takes files; what is above it may still grow and move it
        panel.get_by_text("or drop them here").wait_for()
        places = [None]

        def rests():
            panel.scroll_into_view_if_needed()
            places.append(panel.bounding_box())
            return places[-1] is not None and len(places) > 3 and places[-1] == places[-2] == places[-3]

        self.until(rests, lambda: f"the panel moves: {places[-3:]}")
        box = places[-1]
        devtools = self.page.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {
                "type": kind, "x": box["x"] + 50, "y": box["y"] + 20,
                "data": {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1},
            })  # fmt: skip
        devtools.detach()

    def aside(self, code):
        """Execute code in the notebook's kernel, in no cell of it."""
        self.page.evaluate(ASIDE, code)

    def saved(self):
        """Save the notebook, with the state of its widgets as the settings say; give its text."""
        # JupyterLab ignores the command while it saves by itself
        self.page.evaluate("async () => await window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("() => !window.gkPanel.context.model.dirty")
        path = self.page.evaluate("() => window.gkPanel.context.path")
        return (self.work / path).read_text(encoding="utf-8")
