"""The how-to pages about Green Button Connect: their profiles, settings, and scripts work as printed."""

import re
import tomllib
from pathlib import Path

from pretend import authorized

from greenkit import settings
from greenkit.custodian import profiles
from greenkit.sandbox import custodian

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
