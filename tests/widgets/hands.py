"""What a person does with a panel, done by a test: find the control by its label, use it, wait for the end."""

import json
import time


def every(widget):
    """Walk a panel's widgets, those on the page only."""
    if widget.layout.display == "none":
        return
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def control(panel, label):
    """Find the control with this label; it must be on the page, and not disabled."""
    found = [w for w in every(panel.widget) if getattr(w, "description", None) == label]
    assert len(found) == 1, f"{len(found)} controls {label!r}"
    assert not found[0].disabled, f"{label!r} is disabled"
    return found[0]


def labels(panel):
    return {w.description for w in every(panel.widget) if getattr(w, "description", "")}


def click(panel, label):
    control(panel, label).click()


def text(panel):
    """All HTML that is on the page."""
    return "\n".join(w.value for w in every(panel.widget) if type(w).__name__ == "HTML")


def figures(panel):
    """The plotly figures that are on the page, as the browser gets them."""
    return [
        output["data"]["application/vnd.plotly.v1+json"]
        for w in every(panel.widget)
        if type(w).__name__ == "Output"
        for output in w.outputs
    ]


def wire(widget):
    """Everything that a saved notebook holds of a panel, whether it is on the page or not, as text."""
    states = [json.dumps(widget.get_state(), default=str)]
    states += [wire(child) for child in getattr(widget, "children", ())]
    return "\n".join(states)


def until(condition, seconds=10.0):
    """Wait for what another thread brings about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
