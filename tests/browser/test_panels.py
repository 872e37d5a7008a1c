"""The panels in front ends that people use, clicked as a person clicks; what is drawn is held against the truth."""

import pytest

import greenkit
from greenkit import samples, synthetic
from greenkit.findings import quiet
from greenkit.sandbox import custodian

expect = pytest.importorskip("playwright.sync_api", reason='pip install -e ".[test,browser]"').expect
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

BOOK = "04_authorize_and_fetch.ipynb"
FIRST, LAST, END = "2024-11-02", "2024-11-04", "2024-11-05"  # the clocks go back on the 3rd


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


def test_authorize_fetch_and_change_the_picture(front, shot):
    place = to_the_panel(front, METHOD="loopback")
    page = front.page
    expect(front.status("Waiting: open the link")).to_be_visible()
    expect(page.get_by_role("button", name="Fetch", exact=True)).to_be_disabled()
    shot(panel_of(front), "authorize")
    tab = front.follow_link()
    front.customer(tab)
    expect(tab.get_by_role("heading", name="Authorized")).to_be_visible()
    tab.close()
    expect(front.status("Authorized.")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in at")).to_have_count(0)
    expect(front.status("2 usage points: choose days, then fetch.")).to_be_visible()
    page.get_by_label("Usage point").select_option("household-0001")
    page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("584 intervals came.")).to_be_visible()
    want = truth("household-0001")
    front.drawn("scatter", want)
    shot(panel_of(front), "fetch")
    page.get_by_role("button", name="Hour by date", exact=True).click()
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


def test_refuse_then_begin_again(front):
    to_the_panel(front, METHOD="loopback")
    tab = front.follow_link()
    front.customer(tab, allow=False)
    expect(
        tab.get_by_text("The customer refused", exact=False).or_(tab.get_by_text("the customer refused"))
    ).to_be_visible()
    tab.close()
    expect(front.status("The customer refused the authorization")).to_be_visible()
    expect(front.page.get_by_role("button", name="Fetch", exact=True)).to_be_disabled()
    front.page.get_by_role("button", name="Begin again").click()
    tab = front.follow_link()
    front.customer(tab)
    tab.close()
    expect(front.status("Authorized.")).to_be_visible()
    front.page.get_by_role("button", name="Forget").click()
    expect(front.status("Forgotten here.")).to_be_visible()


def test_paste_the_address_instead(front):
    to_the_panel(front, METHOD="paste")
    page = front.page
    box = page.get_by_label("Pasted address")
    box.fill("https://example.com/callback?code=of-another")
    box.press("Enter")
    expect(front.status("This is not the address that the sign-in ends at")).to_be_visible()
    expect(box).to_have_value("")
    tab = front.follow_link()
    with tab.expect_request("**/callback?*") as ended:
        front.customer(tab)
    tab.close()  # the page cannot be reached: the address is all that is needed
    box.fill(ended.value.url)
    box.press("Enter")
    expect(front.status("Authorized.")).to_be_visible()
    expect(box).to_be_hidden()
    expect(front.status("2 usage points")).to_be_visible()
    assert "code=" not in page.content()


def test_open_a_file(front, shot):
    name = front.write(["import greenkit\npanel = greenkit.widgets.Explore()\npanel", "panel.frame['value'].sum()"])
    front.open_lab(name)
    front.run(0, 0)
    page = front.page
    expect(front.status("No data yet")).to_be_visible()
    expect(page.get_by_role("button", name="Load", exact=True)).to_be_disabled()
    _choose_files(page, samples.path("espi"))
    with quiet():
        espi = greenkit.load_espi(samples.path("espi"))
    want = espi.groupby("flow", observed=True)["value"].sum()
    expect(front.status(f"delivered {want['delivered']:,.3f} kWh")).to_be_visible()
    front.drawn("scatter", want)
    page.get_by_role("button", name="Months", exact=True).click()
    front.drawn("bar", want, whole=True)
    page.get_by_role("button", name="Hour by date", exact=True).click()
    front.drawn("heatmap", want)
    shot(page.locator(".jp-Cell").first.locator(".jp-Cell-outputArea"), "explore-light")
    front.theme("JupyterLab Dark")
    shot(page.locator(".jp-Cell").first.locator(".jp-Cell-outputArea"), "explore-dark")
    _choose_files(page, samples.path("smt-interval"))
    with quiet():
        smt = greenkit.load_smt(samples.path("smt-interval"))
    expect(front.status(f"{len(smt[smt['meter'] == smt['meter'].iloc[0]]):,} intervals")).to_be_visible()
    _choose_files(page, __file__)
    expect(page.locator("[role=status].gk-bad")).to_be_visible()
    front.run(1, 1)
    expect(page.get_by_text(f"{smt['value'].sum():.6f}"[:-3], exact=False)).to_be_visible()


def _choose_files(page, *paths):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open files").click()
    chooser.value.set_files([str(path) for path in paths])


def test_keyboard_only(front):
    to_the_panel(front, METHOD="loopback")
    page = front.page
    page.get_by_role("link", name="Sign in at").focus()
    reached = [("a", page.get_by_role("link", name="Sign in at").inner_text()), *front.tab_through(8)]
    names = [name for _, name in reached]
    assert all(names[:3]), reached
    assert [n for n in names if n in ("Pasted address", "Cancel", "Fetch")][:2] == ["Pasted address", "Cancel"]
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
    tab.close()
    expect(front.status("2 usage points")).to_be_visible()
    page.get_by_role("button", name="Forget").focus()
    reached = front.tab_through(12)
    want = ["Usage point", "First day", "Last day", "Fetch"]
    assert [n for n in dict.fromkeys(name for _, name in reached) if n in want] == want, reached
    page.get_by_role("button", name="Fetch", exact=True).focus()
    page.keyboard.press("Enter")
    expect(front.status("intervals came.")).to_be_visible()
    front.drawn("scatter", truth("household-0001"))
    page.get_by_role("button", name="Fetch", exact=True).focus()
    want = ["Meter", "Flow", "First day", "Last day", "Load", "Hour by date", "Completeness"]
    reached = front.tab_through(28)
    assert [n for n in dict.fromkeys(name for _, name in reached) if n in want] == want, reached
    assert any(name.startswith("Open files") for _, name in reached), reached
    page.get_by_role("button", name="Hour by date", exact=True).focus()
    page.keyboard.press("Enter")
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


def through(front):
    """Authorize and fetch in whatever front end shows the panel."""
    tab = front.follow_link()
    front.customer(tab)
    tab.close()
    expect(front.status("Authorized.")).to_be_visible()
    expect(front.status("2 usage points")).to_be_visible()
    front.page.get_by_label("Usage point").select_option("household-0001")
    front.page.get_by_role("button", name="Fetch", exact=True).click()
    expect(front.status("584 intervals came.")).to_be_visible()
    front.drawn("scatter", truth("household-0001"))


def test_notebook_7(front, shot):
    # what Notebook 7 itself says of parts of JupyterLab that it does not have
    front.expected = ("reading 'schema'", "filebrowser:open-path")
    front.open_notebook7(front.write([PANEL]))
    front.run_all()
    through(front)
    shot(front.page.locator(".jp-OutputArea-output").first, "notebook7")


def test_voila(front, shot):
    front.expected = (
        "font-?awesome",
        "mathjax",
        "setData is not a function",
    )  # Voila's own page asks a CDN for icons and formulas
    front.open_voila(front.write([PANEL]))
    expect(front.status("Waiting: open the link")).to_be_visible(timeout=90_000)
    through(front)
    shot(front.page.locator("body"), "voila")
