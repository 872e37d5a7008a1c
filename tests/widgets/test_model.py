import sys
import threading
import types

import pytest

from greenkit.errors import FormatError, GreenkitError, SettingsError
from greenkit.findings import Findings, GreenkitWarning, Kind, quiet
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import PanelModel, StatusLine


def test_greenkit_error_is_shown_as_its_sentence_and_kept():
    model = PanelModel()
    fault = FormatError("no <feed> is in it:\n look at the file", source="a.xml")
    model.guard(lambda: (_ for _ in ()).throw(fault))()
    assert model.line == StatusLine("a.xml: no <feed> is in it: look at the file", "bad")
    assert model.error is fault


def test_other_errors_show_only_their_type():
    model = PanelModel()
    model.guard(lambda: 1 / 0)()
    assert "ZeroDivisionError" in str(model.line)
    model.guard(lambda: (_ for _ in ()).throw(OSError("https://host/token?code=xyzzy")))()
    assert "xyzzy" not in str(model.line)
    assert "OSError" in str(model.line)
    assert _model.sentence(GreenkitError("")).startswith("An unexpected error")


def test_keyboard_interrupt_is_not_caught():
    with pytest.raises(KeyboardInterrupt):
        PanelModel().guard(lambda: (_ for _ in ()).throw(KeyboardInterrupt))()


def test_one_job_at_a_time_off_the_caller_s_thread():
    model, go, ran = PanelModel(), threading.Event(), []
    assert model.start("First", lambda: (go.wait(10), ran.append(threading.current_thread())))
    assert model.line == StatusLine("First …", "busy")
    assert not model.start("Second", lambda: ran.append("second"))
    with pytest.raises(TimeoutError, match="First is still running"):
        model.wait(0.01)
    go.set()
    model.wait(10)
    assert not model.busy
    assert len(ran) == 1
    assert ran[0] is not threading.current_thread()
    model.wait()  # with nothing running


def test_a_failed_job_leaves_the_panel_usable():
    model = PanelModel()
    model.start("Job", lambda: (_ for _ in ()).throw(SettingsError("no end: give one")))
    model.wait(10)
    assert model.line == StatusLine("no end: give one", "bad")
    assert model.start("Next", lambda: model.set_status("done", "good"))
    model.wait(10)
    assert model.line == StatusLine("done", "good")


def test_job_can_start_while_the_result_of_the_last_one_is_drawn():
    model, ran = PanelModel(), []

    def draw():  # at this moment, the user sees "done" and opens the next file
        if str(model.line) == "done" and not ran:
            ran.append(model.start("Next", lambda: model.set_status("next", "good")))

    model.listen(draw)
    model.start("First", lambda: model.set_status("done", "good"))
    while not ran or model.busy:
        model.wait(10)
    assert (ran, model.line) == ([True], StatusLine("next", "good"))


def test_choice_during_a_job_does_not_let_a_second_job_start():
    model, go = PanelModel(), threading.Event()
    model.start("First", lambda: go.wait(10))
    model.set_status("a chart was chosen", "good")
    assert not model.start("Second", lambda: None)
    go.set()
    model.wait(10)


def test_listeners_are_never_called_on_two_threads_at_once():
    model, inside, most = PanelModel(), [], []

    def tell():
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    model.listen(tell)
    threads = [threading.Thread(target=lambda: [model.set_status(str(i)) for i in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 1600
    assert max(most) == 1


def test_progress_is_shown_at_most_ten_times_a_second():
    model, told = PanelModel(), []
    model.set_status("Fetching …", "busy")
    model.listen(lambda: told.append(str(model.line)))
    for i in range(1, 1001):
        model.progress(i * 1000, 1_000_000)
    assert 1 <= len(told) < 100
    assert told[0] == "Fetching … 1,000 bytes"
    assert model.done is not None
    assert 0 < model.done <= 1


def test_findings_do_not_warn_under_quiet_but_only_in_this_thread():
    found = Findings()
    found.add(Kind("a.b", "warning", "Something."))
    with quiet():
        found.warn("file")
        other = []

        def elsewhere():
            with pytest.warns(GreenkitWarning, match="Something"):
                found.warn("file")
            other.append(True)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert other == [True]
    with pytest.warns(GreenkitWarning):
        found.warn("file")


def test_a_front_end_is_a_kernel_with_ipywidgets(monkeypatch):
    import ipywidgets  # noqa: F401 needs the real IPython

    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not _model.has_front_end()
    terminal = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: terminal))
    assert not _model.has_front_end()
    terminal.kernel = object()
    assert _model.has_front_end()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # not installed
    assert not _model.has_front_end()


def test_text_from_elsewhere_is_escaped():
    assert "<script" not in _parts.line_html(StatusLine("<script>alert(1)</script>", "bad"))
    assert 'href="' not in _parts.link('x" onclick="y', "https://host/'\"><script>")
    assert "<script" not in _parts.link("<script>", "https://host/'><script>")
    assert "<img" not in _parts.listing(["<img src=x>"])
    assert "and 5 more" in _parts.listing([str(i) for i in range(25)])
