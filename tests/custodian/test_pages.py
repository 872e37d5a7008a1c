"""The how-to pages about Green Button Connect: their profiles, settings, and scripts work as printed."""

import re
import sys
import tomllib
from pathlib import Path

import flask
import pytest
from pretend import authorized

import greenkit
from greenkit import findings, settings
from greenkit.custodian import NightlyFetch, open_customers, profiles
from greenkit.custodian._tokens import default_folder
from greenkit.sandbox import custodian
from greenkit.sandbox.visitor import visit

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page, language):
    """Return the code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)


def test_profile_on_the_page_works_in_the_sandbox(authority, tmp_path):
    text, own = blocks("add-a-utility.md", "toml")
    (tmp_path / "my-utility.toml").write_text(text)
    profile = profiles.load(tmp_path / "my-utility.toml")
    assert (profile.dates, profile.window_days, profile.clip_future) == ("epoch", 28, True)
    with custodian.start(profile, authority=authority) as utility:
        client = authorized(utility)
        assert len(client.usage("2024-03-01", "2024-03-02")) == 3 * 96
    table = settings.parse(tomllib.loads(own)).custodian["my-utility"]
    assert (str(table.utility), table.client_id) == ("my-utility.toml", "YOUR-CLIENT-ID")


def run_nightly(monkeypatch, capsys, customers):
    """Run the script of the page for these customers; return its exit code and what it printed."""
    (script,) = [block for block in blocks("connect-customers.md", "python") if "sys.exit" in block]
    monkeypatch.setattr(greenkit.custodian, "open_customers", lambda name: customers)
    with pytest.raises(SystemExit) as ended:
        exec(compile(script, "nightly.py", "exec"), {})
    return ended.value.code, capsys.readouterr()


def test_nightly_script_maps_states_to_exit_codes(monkeypatch, capsys, tmp_path, authority):
    monkeypatch.chdir(tmp_path)
    with custodian.start("pge", authority=authority) as utility:
        customers = open_customers("pge", settings=utility.write_settings(tmp_path / "s"))
        assert run_nightly(monkeypatch, capsys, customers)[0] == 0
        for name, user in (("ada", "Ada"), ("grace", "Grace")):
            client = customers.client(name)
            client.finish(visit(client.authorize("paste").url, user=user))
        fetch_new = customers.fetch_new
        now = {"now": "2024-01-02"}
        monkeypatch.setattr(customers, "fetch_new", lambda **given: fetch_new(**given, **now))
        assert run_nightly(monkeypatch, capsys, customers) == (0, ("2 customers: 2 fetched\n", ""))
        assert run_nightly(monkeypatch, capsys, customers)[0] == 0
        now["now"] = "2024-01-03"
        utility.behavior.replace = lambda path: flask.Response("", 202) if "50001" in path else None
        code, said = run_nightly(monkeypatch, capsys, customers)
        assert code == 5
        assert said.err.startswith("grace pending: The utility is still preparing the data (1 of 1 requests). Pass")
        now["now"] = "2024-01-04"
        utility.register.authorizations[50_000].active = False
        code, said = run_nightly(monkeypatch, capsys, customers)
        assert (code, said.out) == (1, "2 customers: 1 ended, 1 pending\n")


def test_sandbox_and_roster_of_the_page_work_as_printed(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    for script in (b for b in blocks("connect-customers.md", "python") if "visitor" in b or "roster =" in b):
        exec(compile(script, "page.py", "exec"), names)
    said = capsys.readouterr().out
    assert said.startswith("2 customers: 2 fetched\n")
    assert "1 meter of the roster has no intervals, first shop-0004" in said
    assert len(names["df"]) == 4 * 4 * 96
    with findings.quiet():
        assert len(greenkit.load("feeds")) == 4 * 4 * 96


def test_page_lists_every_state_of_a_nightly_fetch():
    page = (PAGES / "connect-customers.md").read_text(encoding="utf-8")
    documented = re.sub(r"\s+", " ", NightlyFetch.table.__doc__)
    (script,) = [block for block in blocks("connect-customers.md", "python") if "sys.exit" in block]
    for state in ("fetched", "up to date", "pending", "ended", "failed", "not tried"):
        assert f"\n| {state} |" in page
        assert f'"{state}": ' in script
        assert re.search(rf"\b{state}\b", documented)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder of Linux")
def test_page_states_the_folder_of_the_grants(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    place = f"~/{default_folder().relative_to(Path.home())}"
    assert f"`{place}`" in (PAGES / "green-button-connect.md").read_text(encoding="utf-8")
