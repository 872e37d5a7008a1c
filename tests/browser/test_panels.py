"""The panels in front ends that people use, clicked as a person clicks; what is drawn is held against the truth."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

import greenkit
from greenkit import samples, synthetic
from greenkit.findings import quiet
from greenkit.sandbox import custodian

expect = pytest.importorskip("playwright.sync_api", reason='pip install -e ".[test,browser]"').expect
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

BOOK = "04_authorize_and_fetch.ipynb"
FIRST, LAST, END = "2024-11-02", "2024-11-04", "2024-11-05"  # the clocks go back on the 3rd


# Notes, outside the notebook, every secret that its process holds; short ones are words that stand on the page.
SPY = """
import gc, json, pathlib
held = client._grants.store.load()
found = {o.reveal() for o in gc.get_objects() if type(o) is greenkit.Secret} | {held.access.reveal(), held.refresh.reveal()}
pathlib.Path("secrets.json").write_text(json.dumps([secret for secret in found if len(secret) >= 12]))
"""


def truth(meter, start=FIRST, end=END):
    """What the pretend utility's meter measured [kWh], by flow; known without the utility."""
    meters = custodian.customers("America/Los_Angeles")[0].meters
    df = synthetic.fleet_frame([m for m in meters if m.id == meter], start, end)
    return df.groupby("flow", observed=True)["value"].sum()


def to_the_panel(front, **parameters):
    """Open the notebook, and run it up to its panel, for a person to click."""
    name = front.with_parameters(BOOK, CLICK=True, FIRST=FIRST, LAST=LAST, **parameters)
    front.open_lab(name)
    place = front.cell_with(name, "AuthorizeAndFetch")
    front.run(0, place)
    return place


def panel_of(front):
    return front.page.locator(".jp-OutputArea-output", has=front.page.get_by_text("Authorize: Pacific Gas"))


def test_authorize_fetch_and_change_the_chart(front, shot):
    place = to_the_panel(front, METHOD="loopback")
    page = front.page
    expect(front.status("Waiting for sign-in. Open the link")).to_be_visible()
    expect(page.get_by_role("button", name="Fetch", exact=True)).to_be_disabled()
    shot(panel_of(front), "authorize")
    tab = front.follow_link()
    front.customer(tab)
    expect(tab.get_by_role("heading", name="Authorized")).to_be_visible()
    front.leave(tab)
    expect(front.status("Authorized.")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in at")).to_have_count(0)
    expect(front.status("Found 2 usage points. Choose the days, then select Fetch.")).to_be_visible()
    page.get_by_label("Usage point").select_option("household-0001")
    page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("Fetched 584 intervals.")).to_be_visible()
    want = truth("household-0001")
    front.drawn("scatter", want)
    shot(panel_of(front), "fetch")
    page.get_by_role("button", name="Heatmap", exact=True).click()
    front.drawn("heatmap", want)
    page.get_by_label("Flow").select_option("delivered")
    expect(front.status(f"292 intervals; delivered {want['delivered']:,.3f} kWh")).to_be_visible()
    page.get_by_role("button", name="Load", exact=True).click()
    front.drawn("scatter", [want["delivered"]])
    page.get_by_label("First day").last.fill("2024-11-03")
    page.get_by_label("Last day").last.fill("2024-11-03")
    page.keyboard.press("Tab")
    expect(front.status("100 intervals; delivered")).to_be_visible()
    day = truth("household-0001", "2024-11-03", "2024-11-04")
    front.drawn("scatter", [day["delivered"]])
    # the rest of the notebook goes on from what was clicked
    front.run(place + 1, page.evaluate("() => window.gkPanel.content.widgets.length") - 1)


def test_customer_refuses_and_then_starts_over(front):
    to_the_panel(front, METHOD="loopback")
    tab = front.follow_link()
    front.customer(tab, allow=False)
    expect(
        tab.get_by_text("The customer refused", exact=False).or_(tab.get_by_text("the customer refused"))
    ).to_be_visible()
    front.leave(tab)
    expect(front.status("The customer refused the authorization")).to_be_visible()
    expect(front.page.get_by_role("button", name="Fetch", exact=True)).to_be_disabled()
    front.page.get_by_role("button", name="Start over").click()
    tab = front.follow_link()
    front.customer(tab)
    front.leave(tab)
    expect(front.status("Authorized.")).to_be_visible()
    front.page.get_by_role("button", name="Forget").click()
    expect(front.status("Authorization removed")).to_be_visible()


def test_paste_the_address_instead(front, shot):
    to_the_panel(front, METHOD="paste")
    page = front.page
    box = page.get_by_label("Redirect URL")
    box.fill("https://example.com/callback?code=of-another")
    box.press("Enter")
    expect(front.status("This is not the redirect URL")).to_be_visible()
    expect(box).to_have_value("")
    _pictures(front, shot, "paste")
    tab = front.follow_link()
    with tab.expect_request("**/callback?*") as ended:
        front.customer(tab)
    front.leave(tab)  # the page cannot be reached: the address is all that is needed
    box.fill(ended.value.url)
    box.press("Enter")
    expect(front.status("Authorized.")).to_be_visible()
    expect(box).to_be_hidden()
    expect(front.status("2 usage points")).to_be_visible()
    assert "code=" not in page.content()
    page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("intervals.")).to_be_visible()
    _pictures(front, shot, "fetched")
    front.aside(SPY)
    secrets = json.loads((front.work / "secrets.json").read_text())
    code = parse_qs(urlsplit(ended.value.url).query)["code"][0]
    saved = front.saved()
    state = json.loads(saved)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert {"TextModel", "HTMLModel", "OutputModel"} <= {model["model_name"] for model in state.values()}
    assert "intervals." in saved
    assert len(secrets) >= 4
    for secret in [*secrets, code, "of-another"]:
        assert secret not in saved


def test_the_quickstart_and_its_lists_by_keyboard(front, shot):
    front.open_lab("01_quickstart.ipynb")
    front.run_all()
    page = front.page
    df = greenkit.load_espi(samples.path("espi"))
    want = df.groupby("flow", observed=True)["value"].sum()
    expect(front.status(f"delivered {want['delivered']:,.3f} kWh")).to_be_visible()
    front.drawn("scatter", want)
    front.reachable("Meter", "Flow", "First day", "Last day", "Load", "Completeness", "Open files (0)", others=True)
    assert front.choose_by_keys("Flow", "ArrowDown") == "delivered"
    front.drawn("scatter", [want["delivered"]])
    assert front.choose_by_keys("Flow", "e") == "export"
    front.drawn("scatter", [want["received"]])
    front.press("Heatmap", "Space")
    front.drawn("heatmap", [want["received"]])
    assert front.choose_by_keys("Flow", "Home") == "all"
    front.drawn("heatmap", want)
    page.get_by_role("button", name="Months", exact=True).click()
    front.drawn("bar", want, whole=True)
    _pictures(front, shot, "quickstart")


TABLE = """
from greenkit import samples
greenkit.open_espi(samples.path("espi-local-as-utc"))
"""


def test_drop_and_open_files(front, shot, tmp_path):
    cells = ["import greenkit\npanel = greenkit.widgets.Explore()\npanel", "panel.frame['value'].sum()", TABLE]
    name = front.write(cells)
    front.open_lab(name)
    front.run(0, 0)
    page = front.page
    expect(front.status("No data loaded.")).to_be_visible()
    expect(page.get_by_role("button", name="Load", exact=True)).to_be_disabled()
    expect(page.get_by_text("or drop them here")).to_be_visible()
    front.drop(samples.path("espi"))
    with quiet():
        espi = greenkit.load_espi(samples.path("espi"))
        smt = greenkit.load_smt(samples.path("smt-interval"))
    want = espi.groupby("flow", observed=True)["value"].sum()
    expect(front.status(f"delivered {want['delivered']:,.3f} kWh")).to_be_visible()
    front.drawn("scatter", want)
    page.get_by_role("button", name="Heatmap", exact=True).click()
    front.drawn("heatmap", want)
    _pictures(front, shot, "explore")
    front.drop(samples.path("smt-interval"))
    first = smt[smt["meter"] == smt["meter"].iloc[0]]
    expect(front.status(f"{len(first):,} intervals")).to_be_visible()
    front.drawn("heatmap", first.groupby("flow", observed=True)["value"].sum())
    front.drop(tmp_path)
    expect(page.get_by_text("Select files, not folders")).to_be_visible()
    _choose_files(page, __file__)
    expect(page.locator("[role=status].gk-bad")).to_be_visible()
    front.run(1, 1)
    expect(page.get_by_text(f"{smt['value'].sum():.6f}"[:-3], exact=False)).to_be_visible()
    front.run(2, 2)
    expect(page.locator(".gk td.long").first).to_be_visible()
    sides = page.locator(".gk td").evaluate_all("cells => cells.map(e => [e.className, getComputedStyle(e).textAlign])")
    assert {"n", "serious", "long"} <= {kind for kind, _ in sides}
    assert all(side == ("right" if kind == "n" else "left") for kind, side in sides), sides
    _a_year(tmp_path / "year.xml")
    for bring in (front.drop, lambda path: _choose_files(page, path)):
        bring(samples.path("espi"))
        expect(front.status(f"{len(espi):,} intervals")).to_be_visible()
        bring(tmp_path / "year.xml")
        expect(front.status(f"{366 * 96:,} intervals")).to_be_visible()
    (tmp_path / "too-large.zip").write_bytes(bytes(10_000_001))
    front.drop(tmp_path / "too-large.zip")
    expect(page.get_by_text("The files are too large.")).to_be_visible()


def _a_year(path):
    """Write a feed of a year, of more bytes than Jupyter takes in a message."""
    home = synthetic.household(1, faults=())
    synthetic.write_espi(path, [home], "2023-11-01", "2024-11-01")
    path.write_bytes(path.read_bytes().replace(b"<IntervalReading>", b"<IntervalReading>" + b" " * 300))
    assert path.stat().st_size > 11_000_000


def _choose_files(page, *paths):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open files").click()
    chooser.value.set_files([str(path) for path in paths])


def _pictures(front, shot, name):
    """Take the panel's picture on a light and on a dark page."""
    panel = front.page.locator(".jp-OutputArea-output", has=front.page.locator(".gk-panel")).first
    for theme in ("Dark", "Light"):
        front.theme(f"JupyterLab {theme}")
        shot(panel, f"{name}-{theme.lower()}")


def test_smart_meter_texas_check_list_fetch_load(front, shot):
    name = front.with_parameters("05_smt_over_sftp.ipynb", CLICK=True)
    front.open_lab(name)
    place = front.cell_with(name, "widgets.FetchSmt(")
    front.run(0, place)
    page, words = front.page, front.words()
    meters = [synthetic.household(42, tdsp="oncor", solar=5.0, faults=()), synthetic.shop(43, tdsp="oncor", faults=())]
    want = (
        synthetic.fleet_frame(meters, "2024-11-01", "2024-11-05")
        .groupby(["meter", "flow"], observed=True)["value"]
        .sum()
    )
    front.reachable("Folder", "Check", "List", "Fetch", "Load")
    front.press("Check", "Enter")
    expect(front.status("Every step works.")).to_be_visible()
    expect(page.get_by_role("cell", name="greeting", exact=False).last).to_be_visible()
    shot(page.locator(".gk-panel").first, "smt-check")
    page.get_by_role("button", name="List", exact=True).click()
    expect(front.status("intervaldata contains 1 file.")).to_be_visible()
    page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("Fetched 1 new file;")).to_be_visible()
    page.get_by_role("button", name="Load", exact=True).click()
    expect(front.status("Loaded ")).to_be_visible()
    front.was_shown(words, r"Fetching … [\d,]+ bytes")
    front.was_shown(words, "Loading …")
    house = want.index.get_level_values("meter")[0]
    front.drawn("scatter", want[house])
    front.reachable("Meter", "Flow", "First day", "Last day", "Duration", others=True)
    expect(page.get_by_role("button", name="Open files")).to_have_count(0)  # what is shown is what was fetched
    shop = front.choose_by_keys("Meter", "End")
    front.drawn("scatter", want[shop])
    page.get_by_role("button", name="Heatmap", exact=True).click()
    front.drawn("heatmap", want[shop])
    front.choose_by_keys("Meter", "ArrowUp")
    front.drawn("heatmap", want[house])
    _pictures(front, shot, "smt")
    front.aside("import json, pathlib; pathlib.Path('secrets.json').write_text(json.dumps([passphrase.reveal()]))")
    (secret,) = json.loads((front.work / "secrets.json").read_text())
    assert secret not in front.saved()
    front.run(place + 1, page.evaluate("() => window.gkPanel.content.widgets.length") - 1)


def test_keyboard_only(front):
    to_the_panel(front, METHOD="loopback")
    page = front.page
    front.reachable("Redirect URL", "Cancel", others=True)
    page.get_by_role("link", name="Sign in at").focus()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    tab = opened.value
    tab.wait_for_load_state()
    tab.keyboard.type("sandbox")  # the password has the focus
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Allow").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Authorized")).to_be_visible()
    front.leave(tab)
    expect(front.status("2 usage points")).to_be_visible()
    front.reachable("Start over", "Revoke", "Forget", "Usage point", "First day", "Last day", "Fetch")
    assert front.choose_by_keys("Usage point", "ArrowDown") == "household-0001"
    front.press("Fetch", "Enter")
    expect(front.status("Fetched 584 intervals.")).to_be_visible()
    front.drawn("scatter", truth("household-0001"))
    expect(page.get_by_label("Meter", exact=True)).to_be_enabled()
    assert front.tab_through(1)[0][1] == "Meter"  # the keyboard goes on from where it was
    front.reachable("Meter", "Flow", "Load", "Heatmap", "Completeness", others=True)
    front.press("Heatmap", "Enter")
    front.drawn("heatmap", truth("household-0001"))


PANEL = """
import datetime
import greenkit
from greenkit.sandbox import custodian
started = custodian.start("pge")
client = started.__enter__().connect()
first, last = datetime.date(2024, 11, 2), datetime.date(2024, 11, 4)
greenkit.widgets.AuthorizeAndFetch(client, first=first, last=last, method="loopback")
"""


DROP = "empty = greenkit.widgets.Explore()\nempty.model.choose(picture='Completeness')\nempty"


def through(front):
    """Drop a file, authorize and fetch, in whatever front end shows the panels."""
    front.drop(samples.path("espi"))
    expect(front.status("2,672 intervals; delivered 247.888 kWh")).to_be_visible()
    tab = front.follow_link()
    front.customer(tab)
    front.leave(tab)
    expect(front.status("Authorized.")).to_be_visible()
    expect(front.status("2 usage points")).to_be_visible()
    front.page.get_by_label("Usage point").select_option("household-0001")
    front.page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("Fetched 584 intervals.")).to_be_visible()
    front.drawn("scatter", truth("household-0001"))


def test_notebook_7(front, shot):
    # what Notebook 7 itself says of parts of JupyterLab that it does not have
    front.expected = ("reading 'schema'", "filebrowser:open-path")
    front.open_notebook7(front.write([PANEL, DROP]))
    front.run_all()
    through(front)
    shot(front.page.locator(".jp-OutputArea-output").first, "notebook7")


def test_voila(front, shot):
    front.expected = (
        "font-?awesome",
        "mathjax",
        "setData is not a function",
    )  # Voila's own page asks a CDN for icons and formulas
    front.open_voila(front.write([PANEL, DROP]))
    expect(front.status("Waiting for sign-in. Open the link")).to_be_visible(timeout=90_000)
    through(front)
    shot(front.page.locator("body"), "voila")
