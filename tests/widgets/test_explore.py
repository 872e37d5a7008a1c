import base64
import datetime
import re

import numpy as np
import pytest

import greenkit
from greenkit import export, frame, store, synthetic
from greenkit.errors import FormatError, SchemaError, SettingsError
from greenkit.findings import Finding, Findings, quiet
from greenkit.widgets import Explore, explore
from greenkit.widgets.explore import ALL, CHARTS, View

from . import hands

START, END = "2024-11-01", "2024-11-08"  # the clocks go back on the 3rd
SUNDAY = datetime.date(2024, 11, 3)


@pytest.fixture(scope="module")
def df():
    meters = (synthetic.household(1, solar=5.0, faults=()), synthetic.shop(2, faults=()))
    return synthetic.fleet_frame(list(meters), START, END)


def area(trace):
    """Energy under a step line [kWh], as plotly draws it: each value holds until the next corner.

    The two hours that a fall-back day repeats, which have a hover text, share one hour of the axis.
    """
    x, y = np.asarray(trace.x, dtype=float) / 3_600_000, np.asarray(trace.y, dtype=float)
    repeated = np.array([bool(t) for t in trace.text or [""] * len(x)])
    return np.nansum(y[:-1] * np.diff(x) * np.where(repeated[:-1], 2, 1))


# -- the model


def test_it_begins_with_the_first_meter_and_every_day(df):
    view = View(df)
    assert view.meters == [ALL, "household-0001", "shop-0002"]
    assert view.meter == "household-0001"
    assert view.flows == [ALL, "delivered", "received"]
    assert view.span == (datetime.date(2024, 11, 1), datetime.date(2024, 11, 7))
    assert len(view.chosen) == (df["meter"] == "household-0001").sum()


def test_each_choice_narrows_the_rows_and_redraws_the_chart(df):
    view = View(df)
    view.draw()
    truth = df[df["meter"] == "household-0001"]
    assert [t.name for t in view.figure.data] == ["delivered", "export", "net"]
    view.choose(flow="delivered")
    truth = truth[truth["flow"] == "delivered"]
    assert area(view.figure.data[0]) == pytest.approx(truth["value"].sum())
    assert f"{truth['value'].sum():,.3f} kWh" in str(view.line)
    view.choose(first=SUNDAY, last=SUNDAY)
    assert len(view.chosen) == 100  # the long day
    day = truth[truth["start"].dt.date == SUNDAY]
    assert area(view.figure.data[0]) == pytest.approx(day["value"].sum())
    view.choose(picture="Heatmap")
    assert view.figure.data[-1].type == "heatmap"
    assert np.nansum(view.figure.data[-1].z) / 4 == pytest.approx(day["value"].sum())
    view.choose(meter="shop-0002")
    assert set(view.chosen["meter"]) == {"shop-0002"}


def test_a_flow_that_the_next_meter_lacks_becomes_all(df):
    view = View(df)
    view.choose(flow="received")
    view.choose(meter="shop-0002")
    assert view.flow == ALL
    assert len(view.chosen)


@pytest.mark.parametrize("picture", CHARTS)
def test_every_chart_can_be_drawn(df, picture):
    view = View(df.assign(tou=np.where(df["start"].dt.hour < 12, 1, 2)))
    view.choose(picture=picture)
    if CHARTS[picture][1]:
        assert str(view.line) == f"The chart {picture} shows one series, but 2 are selected. Choose a flow."
        assert view.offers == (("flow", "delivered"), ("flow", "received"))
        view.choose(flow="delivered")
        assert view.offers == ()
    assert view.line.kind == "good", view.line
    assert view.figure.data


def test_chart_that_the_data_does_not_allow_states_the_reason(df):
    view = View(df)
    view.choose(picture="Peak days", flow="all")
    assert view.figure is None
    assert view.line.kind == "bad"
    assert isinstance(view.error, SchemaError)
    view.choose(picture="Load")
    assert view.line.kind == "good"
    assert view.error is None


def test_an_open_end_and_days_without_data(df):
    view = View(df)
    view.choose(first=None, last=None)
    assert len(view.chosen) == (df["meter"] == "household-0001").sum()
    view.choose(first=datetime.date(2025, 1, 1))
    assert view.figure is None
    assert str(view.line) == "There are no intervals in the selected days. Choose other days."
    assert isinstance(view.error, SchemaError)


def test_days_are_counted_in_each_sites_own_zone(df):
    east = synthetic.fleet_frame([synthetic.household(9, zone="America/New_York", faults=())], START, END)
    view = View(greenkit.concat([df, east]))
    view.choose(meter=ALL, first=SUNDAY, last=SUNDAY)
    counts = view.chosen.groupby(["meter", "flow"], observed=True).size()
    assert set(counts) == {100}


def test_wrong_choices_are_refused(df):
    view = View(df)
    with pytest.raises(SettingsError, match="There is no chart 'Lod'"):
        view.choose(picture="Lod")
    with pytest.raises(TypeError, match="no argument 'color'"):
        view.choose(color="red")
    with pytest.raises(SchemaError):
        View(df.drop(columns="unit"))


@pytest.mark.parametrize(("sample", "reader"), [("espi", greenkit.load_espi), ("smt-interval", greenkit.load_smt)])
def test_files_are_loaded_by_their_content(sample, reader):
    content = greenkit.samples.path(sample).read_bytes()
    view = View()
    view.draw()
    assert "Open a file" in str(view.line)
    view.load([("whatever.bin", content)])
    view.wait(20)
    assert view.line.kind in ("good", "warn"), view.line
    with quiet():
        assert len(view.frame) == len(reader(content))
    assert set(view.frame["source"]) == {"whatever.bin"}


def test_file_without_meter_data_keeps_the_loaded_frame(df):
    view = View(df)
    view.load([("photo.jpg", b"\xff\xd8\xff not meter data"), ("b", b"")])
    view.wait(20)
    assert view.line.kind == "bad"
    assert isinstance(view.error, FormatError)
    assert view.frame is df
    view.load([])
    assert not view.busy


# -- the panel


@pytest.mark.usefixtures("kernel")
def test_a_person_chooses(df):
    panel = Explore(df)
    assert {"Meter", "Flow", "First day", "Last day", "Chart", "Open files", "CSV", "Parquet"} == hands.labels(panel)
    (load,) = hands.figures(panel)
    hands.control(panel, "Chart").value = "Heatmap"
    (heat,) = hands.figures(panel)
    assert [t["type"] for t in load["data"]] == ["scatter"] * 3
    assert {t["type"] for t in heat["data"]} == {"heatmap"}
    hands.control(panel, "Flow").value = "received"
    hands.control(panel, "First day").value = SUNDAY
    hands.control(panel, "Last day").value = SUNDAY
    want = df[(df["flow"] == "received") & (df["start"].dt.date == SUNDAY)]
    assert panel.chosen["value"].sum() == pytest.approx(want["value"].sum())
    assert len(panel.chosen) == 100
    hands.control(panel, "First day").value = datetime.date(2030, 1, 1)
    assert hands.figures(panel) == []
    assert "Choose other days" in hands.text(panel)


@pytest.mark.usefixtures("kernel")
def test_a_person_opens_a_file_and_no_copy_of_it_stays_in_the_widget():
    panel = Explore()
    assert not hands.control(panel, "Open files").accept  # a file is told by its bytes, whatever its name
    content = greenkit.samples.path("espi").read_bytes()
    hands.control(panel, "Open files").value = (
        {"name": "<b>.xml", "content": memoryview(content), "type": "text/xml", "size": len(content),
         "last_modified": datetime.datetime.now(datetime.UTC)},
    )  # fmt: skip
    assert hands.control(panel, "Open files").value == ()
    panel.wait(20)
    assert panel.frame["value"].sum() == pytest.approx(greenkit.load_espi(content)["value"].sum())
    assert len(hands.figures(panel)) == 1
    assert "<b>" not in hands.text(panel)
    assert not hands.control(panel, "Meter").disabled


def test_without_a_front_end_it_still_has_its_figure(df):
    panel = Explore(df)
    assert panel.widget is None
    assert panel.figure.data
    assert panel._repr_mimebundle_()["text/plain"].startswith("<Explore: ")


TABLE = (
    b"Start Date,End Date,Usage(kWh)\n01/15/2026 00:00,01/15/2026 00:59,0.9\n01/15/2026 01:00,01/15/2026 01:59,0.8\n"
)


def test_a_table_that_leaves_a_question_open_waits_for_the_answer():
    view = View()
    view.load([("usage.csv", TABLE)])
    view.wait(20)
    (question,) = view.questions
    assert question.argument == "tz"
    assert "America/Chicago" in question.readings
    assert not len(view.frame)
    view.answer({"tz": "America/Chicago"})
    view.wait(20)
    assert view.questions == ()
    assert view.frame["value"].tolist() == [0.9, 0.8]
    assert str(view.frame["start"].dtype.tz) == "America/Chicago"


def test_an_answer_without_a_waiting_table_raises():
    with pytest.raises(SettingsError, match="No table has an open question"):
        View().answer({"tz": "America/Chicago"})


@pytest.mark.usefixtures("kernel")
def test_the_panel_asks_with_a_preview_and_loads_the_answer():
    panel = Explore()
    panel.model.load([("usage.csv", TABLE)])
    panel.model.wait(20)
    panel._show()
    box, button = panel._questions.children
    assert panel._questions.layout.display == ""
    assert any("2026-01-15 00:00:00-06:00" in text for text, _ in box.options)
    box.value = "America/Denver"
    button.click()
    panel.model.wait(20)
    panel._show()
    assert str(panel.frame["start"].dtype.tz) == "America/Denver"
    assert panel._questions.layout.display == "none"


# -- findings, offers, downloads


@pytest.mark.usefixtures("kernel")
def test_worst_finding_sets_the_color_and_the_sentence(df):
    noted = [
        Finding("a.b", "warning", "Some.", {}, "Look."),
        Finding("c.d", "serious", "Hours are wrong.", {}, "Pass tz."),
    ]
    panel = Explore(frame.note(df.copy(), Findings(noted)))
    assert panel.model.line.kind == "bad"
    assert str(panel.model.line).endswith("Hours are wrong. Pass tz. And 1 more finding.")
    assert "gk-bad" in hands.text(panel)
    assert "▲" in hands.text(panel)
    warned = View(frame.note(df.copy(), Findings(noted[:1])))
    warned.draw()
    assert (warned.line.kind, str(warned.line).endswith("Some. Look.")) == ("warn", True)


@pytest.mark.usefixtures("kernel")
def test_a_chart_of_one_flow_offers_the_flows_as_buttons(df):
    panel = Explore(df)
    hands.control(panel, "Chart").value = "Peak days"
    assert hands.figures(panel) == []
    assert {"delivered", "export"} <= hands.labels(panel)
    hands.click(panel, "export")
    assert panel.model.flow == "received"
    assert len(hands.figures(panel)) == 1
    assert "export" not in hands.labels(panel)


@pytest.mark.usefixtures("kernel")
def test_selected_rows_are_downloaded(df, tmp_path):
    panel = Explore(df)
    hands.control(panel, "Flow").value = "received"
    for label, read in (("CSV", export.read_csv), ("Parquet", store.read)):
        hands.click(panel, label)
        link = re.search(r"download='(.*?)' href='data:application/octet-stream;base64,(.*?)'", hands.text(panel))
        (tmp_path / "back").write_bytes(base64.b64decode(link[2]))
        back = read(tmp_path / "back")
        assert link[1] == f"usage.{label.lower()}"
        assert back["value"].sum() == pytest.approx(panel.chosen["value"].sum())


def test_large_download_is_refused(df, monkeypatch):
    monkeypatch.setattr(explore, "_DOWNLOAD", 1000)
    with pytest.raises(SettingsError, match=r"too large for a download from a notebook\. Choose fewer days"):
        View(df).download("csv")


@pytest.mark.usefixtures("kernel")
def test_figures_have_both_mime_types_for_every_front_end(df):
    panel = Explore(df)
    (output,) = panel._place.outputs
    assert {"application/vnd.plotly.v1+json", "text/html"} <= set(output["data"])
    assert output["data"]["application/vnd.plotly.v1+json"]["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
