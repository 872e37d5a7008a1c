"""Grants and settings that greenkit 0.1 wrote still open. The fixtures are bytes from 0.1, with made-up tokens."""

import shutil
import tomllib
from pathlib import Path

import pytest

from greenkit.custodian import FileStore, profiles
from greenkit.custodian._connect import _store
from greenkit.custodian._tokens import Token
from greenkit.secret import Secret

FIXTURES = Path(__file__).parents[1] / "fixtures" / "0.1"
# the name that 0.1 gave the file of this utility, client, and customer
NAMES = {"default": "pge-9f03adecd15ec656.json", "ada": "pge-3a613c2fd5752731.json"}


def kept(tmp_path, fixture, customer):
    folder = tmp_path / "tokens"
    folder.mkdir(mode=0o700)
    path = folder / NAMES[customer]
    shutil.copyfile(FIXTURES / fixture, path)
    path.chmod(0o600)
    return _store(folder, profiles.load("pge"), "made-up-client", customer)


def test_token_file_of_0_1_opens_under_its_name(tmp_path):
    store = kept(tmp_path, "token.json", "default")
    assert isinstance(store, FileStore)
    token = store.load()
    assert (token.access.reveal(), token.refresh.reveal()) == ("made-up-access-1", "made-up-refresh-1")
    assert (token.expires_at, token.lifetime, token.scope) == (1709283600.0, 3600.0, "FB=1_3_4_5_13")
    assert token.resource_uri.endswith("/Batch/Subscription/50000")
    assert token.authorization_uri.endswith("/Authorization/50000")
    assert token.customer_uri.endswith("/RetailCustomer/1")
    assert token.extra["x_made_up"].reveal() == "[1]"
    assert not token.ended
    with store.locked():
        store.save(token)
        assert store.load() == token


def test_ended_grant_of_0_1_is_known_as_ended(tmp_path):
    token = kept(tmp_path, "token-ended.json", "ada").load()
    assert token.ended
    assert token.expired()
    assert token.refresh is None


def test_profile_of_0_1_opens():
    facts = tomllib.loads((FIXTURES / "profile-sandbox.toml").read_text(encoding="utf-8"))
    profile = profiles.load(FIXTURES / "profile-sandbox.toml")
    assert profile.name == facts["name"]
    assert profile.token_url == facts["token_url"]


@pytest.mark.parametrize("fixture", ["token.json", "token-ended.json"])
def test_token_is_written_as_it_was_read(fixture):
    token = Token.from_json(Secret((FIXTURES / fixture).read_text()))
    assert Token.from_json(token.to_json()) == token
