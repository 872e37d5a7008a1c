import datetime
import io

import pandas as pd
import pytest

from greenkit import synthetic
from greenkit.custodian import MemoryStore
from greenkit.errors import AuthorizationExpired, NotReady, RateLimited, RemoteError, SettingsError
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.sandbox.visitor import visit
from greenkit.secret import Secret
from greenkit.settings import SecretRef, SmtSettings
from greenkit.widgets import AuthorizeAndFetch, FetchSmt
from greenkit.widgets.fetch import SmtFetch
from greenkit.widgets.usage import EVERY, UsageFetch

from . import hands

FIRST, LAST = datetime.date(2026, 3, 7), datetime.date(2026, 3, 9)  # the clocks go forward on the 8th
END = LAST + datetime.timedelta(days=1)


def truth(utility, meter=None):
    meters = utility.register.customers[0].meters
    start, end = (pd.Timestamp(d, tz=utility.profile.zone) for d in (FIRST, END))
    return synthetic.fleet_frame([m for m in meters if meter in (None, m.id)], start, end)


def authorized(utility, **more):
    client = utility.connect(**more)
    flow = client.authorize("paste")
    flow.finish(visit(flow.url))
    return client


# -- usage: the model


def test_the_chosen_days_and_usage_point_are_fetched(utility):
    model = UsageFetch(authorized(utility), FIRST, LAST)
    model.ask_usage_points()
    model.wait(10)
    assert model.usage_points == [EVERY, "household-0001", "shop-0002"]
    model.fetch()
    model.wait(20)
    want = truth(utility)
    assert len(model.frame) == len(want)
    assert model.frame["value"].sum() == pytest.approx(want["value"].sum())
    assert f"Fetched {len(want):,} intervals." == str(model.line)
    model.choose(usage_point="shop-0002", last=FIRST)
    model.fetch()
    model.wait(20)
    assert set(model.frame["meter"]) == {"shop-0002"}
    assert len(model.frame) == 96


def test_wrong_choices_are_refused(utility):
    model = UsageFetch(utility.connect(), LAST, FIRST)
    with pytest.raises(SettingsError, match="before the first"):
        model.fetch()
    with pytest.raises(SettingsError, match="A day is missing"):
        model.choose(first=None)
    with pytest.raises(TypeError, match="no argument 'end'"):
        model.choose(end=LAST)


def test_data_in_preparation_and_a_busy_utility_are_shown(utility):
    model = UsageFetch(authorized(utility), FIRST, LAST)
    utility.behavior.prepared.add("usage")
    model.fetch()
    model.wait(20)
    assert isinstance(model.error, NotReady)
    assert "still preparing" in str(model.line)
    assert model.frame is None
    utility.behavior.prepared.clear()
    utility.behavior.busy.extend([(429, "3600")] * 10)
    model.client = authorized(utility)
    model.fetch()
    model.wait(20)
    assert isinstance(model.error, RateLimited)
    utility.behavior.busy.clear()
    model.fetch()
    model.wait(20)
    assert model.line.kind == "good"
    assert model.error is None
    assert len(model.frame)


def test_days_without_readings_keep_the_fetched_frame(utility):
    model = UsageFetch(authorized(utility), datetime.date(2024, 3, 1), datetime.date(2024, 3, 1))
    model.fetch()
    model.wait(20)
    before = model.frame
    assert model.line.kind == "good"
    model.choose(first=datetime.date(1990, 1, 1), last=datetime.date(1990, 1, 2))
    model.fetch()
    model.wait(20)
    assert model.frame is before
    assert str(model.line) == "The utility has no readings for these days."
    assert model.line.kind == "idle"


def test_days_that_are_missing_are_in_the_status_line(utility):
    import flask

    client = authorized(utility)
    one = client.fetch_usage("2024-03-01", "2024-03-02", usage_point="household-0001")[0].read()
    utility.behavior.replace = lambda path: flask.Response(one) if "/Batch/" in path else None
    model = UsageFetch(client, datetime.date(2024, 3, 1), datetime.date(2024, 3, 1))
    model.fetch()
    model.wait(20)
    utility.behavior.replace = None
    assert "shop-0002" in str(model.line)
    assert model.line.kind == "idle"
    assert len(model.frame)


def test_figures_have_both_mime_types_whatever_the_renderer(monkeypatch):
    import ipywidgets

    from greenkit.widgets import _parts

    class Figure:
        def _repr_mimebundle_(self):
            return {"text/html": "<div>"}

        def to_json(self):
            return "{}"

    place = ipywidgets.Output()
    _parts.draw(place, Figure())
    assert set(place.outputs[0]["data"]) == {"text/html", _parts.PLOTLY}


def test_the_usual_days_are_thirty_whole_ones(utility):
    model = UsageFetch(utility.connect())
    assert (model.last - model.first).days == 29
    assert model.last < datetime.date.today()


# -- usage: the panel


@pytest.mark.usefixtures("kernel")
def test_a_person_authorizes_fetches_and_looks(utility):
    store = MemoryStore()
    panel = AuthorizeAndFetch(utility.connect(tokens=store), first=FIRST, last=LAST, method="paste")
    assert panel.frame is None
    assert not panel.authorized
    assert hands.figures(panel) == []
    with pytest.raises(AssertionError, match="'Fetch' is disabled"):
        hands.click(panel, "Fetch")
    hands.control(panel, "Redirect URL").value = visit(panel.sign_in.url)
    hands.until(lambda: "2 usage points" in hands.text(panel))
    hands.control(panel, "Usage point").value = "household-0001"
    hands.until(lambda: not panel.model.busy)
    hands.click(panel, "Fetch")
    panel.wait(20)
    want = truth(utility, "household-0001")
    assert panel.frame["value"].sum() == pytest.approx(want["value"].sum())
    assert panel.error is None
    sums = want.groupby("flow", observed=True)["value"].sum()
    assert f"{sums['delivered']:,.3f} kWh" in hands.text(panel)
    (figure,) = hands.figures(panel)
    assert [trace["name"] for trace in figure["data"]] == ["delivered", "export", "net"]
    pd.testing.assert_frame_equal(panel.explore.frame, panel.frame)
    for secret in (store.load().access.reveal(), utility.client_secret.reveal()):
        assert secret not in hands.wire(panel.widget)


def test_a_notebook_without_a_person_fetches_in_one_line(utility):
    client = utility.connect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenkit.widgets._model.has_front_end", lambda: True)
        panel = AuthorizeAndFetch(client, first=FIRST, last=LAST, method="paste")
    with pytest.raises(AuthorizationExpired, match="No customer has authorized"):
        panel.fetch(20)
    client.finish(visit(panel.sign_in.url))
    df = panel.fetch(20)
    assert df is panel.frame
    assert df["value"].sum() == pytest.approx(truth(utility)["value"].sum())
    assert panel.model.usage_points == [EVERY, "household-0001", "shop-0002"]


@pytest.mark.usefixtures("kernel")
def test_own_credentials_skip_the_sign_in(utility):
    authorized(utility)  # bulk data are of those customers who have allowed it
    utility.behavior.prepared.clear()
    panel = AuthorizeAndFetch(utility.connect(grant="client_credentials"), first=FIRST, last=LAST)
    assert not {"Redirect URL", "Cancel", "Forget", "Revoke", "Start over"} & hands.labels(panel)
    assert "nobody needs to sign in" in hands.text(panel)
    hands.click(panel, "Fetch")
    panel.wait(20)
    assert panel.frame["value"].sum() == pytest.approx(truth(utility)["value"].sum())


@pytest.mark.usefixtures("kernel")
def test_a_kept_grant_needs_no_click_before_fetch(utility, tmp_path):
    authorized(utility, tokens=tmp_path / "tokens")
    panel = AuthorizeAndFetch(utility.connect(tokens=tmp_path / "tokens"), first=FIRST, last=FIRST)
    panel.wait(10)
    hands.click(panel, "Fetch")
    panel.wait(20)
    assert len(panel.frame)


# -- Smart Meter Texas


@pytest.fixture(params=[SftpServer, FtpsServer], ids=["sftp", "ftps"])
def server(request):
    with request.param() as running:
        yield running


def lay(server, days=3):
    """Put files for so many days on the server; give their truth."""
    meter, start = synthetic.household(1, tdsp="oncor", faults=()), pd.Timestamp("2024-11-01", tz="America/Chicago")
    for i in range(days):
        day = start + pd.DateOffset(days=i)
        synthetic.write_interval_csv(body := io.BytesIO(), [meter], day, day + pd.DateOffset(days=1))
        server.put(f"intervaldata/day{i}.csv", body.getvalue())
    return synthetic.fleet_frame([meter], start, start + pd.DateOffset(days=days))


def test_list_fetch_load_and_again(server, tmp_path):
    want = lay(server)
    with server.remote() as remote:
        model = SmtFetch(remote, tmp_path / "smt")
        assert model.folders == ["intervaldata", "adhocusage"]
        model.list()
        model.wait(20)
        assert model.names == ["day0.csv", "day1.csv", "day2.csv"]
        assert str(model.line) == "intervaldata contains 3 files."
        model.fetch()
        model.wait(20)
        assert len(model.report.new) == 3
        assert model.line.kind == "good", model.line
        model.load()
        model.wait(20)
        assert model.frame["value"].sum() == pytest.approx(want["value"].sum())
        model.fetch()
        model.wait(20)
        assert "0 new files; 3 " in str(model.line)
        model.choose("adhocusage")
        model.list()
        model.wait(20)
        assert model.names == []


@pytest.mark.usefixtures("kernel")
def test_a_person_fetches_from_smart_meter_texas(tmp_path):
    with SftpServer() as server, server.remote() as remote:
        want = lay(server)
        panel = FetchSmt(remote, tmp_path / "smt")
        assert {"Folder", "List", "Fetch", "Load"} == hands.labels(panel)
        hands.click(panel, "List")
        panel.wait(20)
        assert "<li>day0.csv</li>" in hands.text(panel)
        hands.click(panel, "Fetch")
        panel.wait(20)
        assert "day0.csv" in hands.text(panel)
        hands.click(panel, "Load")
        panel.wait(20)
        assert panel.frame["value"].sum() == pytest.approx(want["value"].sum())
        assert len(hands.figures(panel)) == 1
        assert server.password.reveal() not in hands.wire(panel.widget)


@pytest.mark.usefixtures("kernel")
def test_a_person_checks_every_step(tmp_path):
    secret = tmp_path / "password"
    with SftpServer() as server, server.remote() as remote:
        secret.touch(0o600)
        secret.write_text(server.password.reveal())
        settings = SmtSettings(
            host="localhost", port=server.endpoint.port, user=server.user, host_key=server.host_key,
            password=SecretRef("file", str(secret)), folders=("intervaldata",),
        )  # fmt: skip
        panel = FetchSmt(remote, tmp_path / "smt", settings=settings)
        hands.click(panel, "Check")
        panel.wait(60)
        assert panel.error is None
        assert panel.model.diagnosis.named("login").state == "ok"
        assert "host key" in hands.text(panel)
        server.password = Secret("another")
        hands.click(panel, "Check")
        panel.wait(60)
        assert str(panel.model.line).startswith("login: ")
        assert panel.model.line.kind == "bad"
        hands.click(panel, "List")
        panel.wait(20)
        assert panel.model.diagnosis is None  # the newest answer is what is shown
        assert secret.read_text() not in hands.wire(panel.widget)


def test_unreachable_server_is_shown(tmp_path):
    with SftpServer() as server:
        remote = server.remote(timeout=2.0)
    model = SmtFetch(remote, tmp_path / "smt")
    model.list()
    model.wait(30)
    assert model.line.kind == "bad"
    assert model.names is None
    assert "did not expect" not in str(model.line)


@pytest.mark.usefixtures("kernel")
def test_a_notebook_without_a_person_fetches_from_smart_meter_texas(tmp_path):
    with SftpServer() as server, server.remote(timeout=2.0) as remote:
        want = lay(server, days=1)
        panel = FetchSmt(remote, tmp_path / "smt")
        assert [path.name for path in panel.fetch(20).new] == ["day0.csv"]
        assert panel.load(20)["value"].sum() == pytest.approx(want["value"].sum())
        assert "Open files" not in hands.labels(panel)  # what is shown is what was fetched
    with pytest.raises(RemoteError):
        panel.fetch(20)
