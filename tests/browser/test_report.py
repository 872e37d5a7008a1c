"""The report's page in a real browser: nothing leaves the machine, nothing fails, and every chart is drawn."""

import pytest

import greenkit
from greenkit import samples

pytestmark = pytest.mark.browser
CHARTS = ("Load", "Heatmap", "Average day", "Months", "Load duration")


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 28)")])
def test_page_draws_every_chart_without_a_network(chromium, shot, tmp_path, scheme, paper):
    path = greenkit.write_report(greenkit.load(samples.path("espi")), tmp_path / "report.html")
    page = chromium.new_page()
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    try:
        page.set_viewport_size({"width": 1060, "height": 1200})
        page.emulate_media(color_scheme=scheme)
        page.goto(path.as_uri())
        for name in CHARTS:
            section = page.locator("section", has=page.get_by_role("heading", name=name, exact=True))
            section.locator(".main-svg").first.wait_for()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        assert problems == []
        if scheme == "light":
            # the README shows the first two charts
            page.evaluate("""() => {
                const box = document.createElement('div'); box.id = 'both'; box.style.padding = '0 12px 12px';
                const [load, hours] = [...document.querySelectorAll('section')].filter(s => s.querySelector('.main-svg'));
                load.before(box); box.append(load, hours);
            }""")
            shot(page.locator("#both"), "report")
    finally:
        page.close()
