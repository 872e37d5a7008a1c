"""Profiles, shipped and in TOML, and the windows that they define."""

import doctest
import importlib
import itertools
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import greenkit
from greenkit import errors
from greenkit.custodian import _windows, profiles
from greenkit.custodian.profiles import SHIPPED, Profile, load, parse

OWN = """
name = "mine"
title = "My utility"
authorize_url = "https://login.my.example/authorize"
token_url = "https://api.my.example/token"
resource_url = "https://api.my.example/espi/1_1/resource/"
hosts = ["data.my.example"]
zone = "America/Denver"
dates = "epoch"
window_days = 31
window_parameters = ["min", "max"]
limits = [[1, 1], [100, 60.0]]
mutual_tls = false
renew_on = [401]
authorize_parameters = {login = "guest"}
[meanings]
400 = "the moon is full"
"""


@pytest.mark.parametrize("name", profiles.SHIPPED)
def test_every_shipped_profile_names_sources_and_unverified_facts(name):
    module = importlib.import_module(f"greenkit.custodian.profiles.{name}")
    assert "Sources\n-------" in module.__doc__
    assert module.PROFILE.name == name
    assert module.PROFILE.unverified or name == "generic"
    assert load(name) is module.PROFILE
    pd.Timestamp("2024-01-01", tz=module.PROFILE.zone)


def test_own_profile_in_toml_needs_no_code(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    mine = load(path)
    assert mine.limits == ((1, 1.0), (100, 60.0))
    assert mine.meanings[400] == "the moon is full"
    assert mine.window_parameters == ("min", "max")
    path.write_text('based_on = "pge"\nname = "pge-iso"\ndates = "iso"\n')
    assert load(str(path)) == replace(load("pge"), name="pge-iso", dates="iso")


def test_repr_of_a_profile_shows_what_differs_from_the_defaults():
    facts = load("generic").facts()
    assert list(facts) == [
        "name",
        "title",
        "authorize_url",
        "token_url",
        "resource_url",
        "revoke_url",
        "grants",
        "pkce",
    ]
    assert repr(load("generic")).startswith("Profile(name='generic', title='a Green Button Connect service', auth")
    assert Profile(**facts) == load("generic")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tokn_url = 'x'", "tokn_url is not a known key. Did you mean token_url"),
        ("dates = 'julian'", "must be epoch or iso"),
        ("window_days = 'many'", "window_days is text, but it must be a whole number"),
        ("limits = [[1]]", "limits #1 is a list of 1"),
        ("mutual_tls = 1", "mutual_tls is 1, but it must be true or false"),
        ("token_url = 'http://my.example/token'", "token_url must be an https URL"),
        ("resource_url = 'https://my.example/espi'", "must end with a slash"),
        ("based_on = 'pgee'", "Did you mean 'pge'"),
        ("name = ", "line 1"),
        ('authorize_parameters = {state = "x"}', "contains state, which greenkit sets itself"),
        ("authorize_parameters = {login = 1}", "must be text in quotes"),
    ],
)
def test_invalid_profile_names_the_mistake(tmp_path, line, says):
    key = line.partition(" ")[0]
    kept = [known for known in OWN.splitlines() if not known.startswith(key + " ")]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([line, *kept]))
    with pytest.raises(errors.SettingsError, match=says):
        load(path)


def test_missing_keys_and_hosts_are_named():
    with pytest.raises(errors.SettingsError, match="authorize_url"):
        parse({"name": "mine"})
    with pytest.raises(errors.SettingsError, match=f"Use one of {SHIPPED[0]}"):
        load("zzz")
    with pytest.raises(errors.SettingsError, match="serves many utilities"):
        load("savage_data").complete()
    with pytest.raises(errors.SettingsError, match="https"):
        load("savage_data").at("utility.example")
    moved = load("savage_data").at("https://utility.example/gbc/").complete()
    assert moved.token_url == "https://utility.example/gbc/connect/token"


def test_every_field_can_be_set_in_toml(tmp_path):
    pge = load("pge")
    plain = {f.name: getattr(pge, f.name) for f in fields(Profile)}
    plain["authorize_parameters"] = {"login": "guest"}
    pge = replace(pge, authorize_parameters={"login": "guest"})
    plain["meanings"] = {str(k): v for k, v in pge.meanings.items()}
    lines = [f"{k} = {_toml(v)}" for k, v in plain.items() if v is not None]
    path = tmp_path / "pge.toml"
    path.write_text("\n".join(lines))
    assert load(path) == pge


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    return json.dumps(value)  # texts, numbers, booleans and lists are written alike


STARTS = st.datetimes(min_value=pd.Timestamp("2019-01-01"), max_value=pd.Timestamp("2024-12-31"))


@given(
    STARTS,
    st.integers(1, 500 * 24),
    st.sampled_from([None, 1, 28, 31]),
    st.sampled_from(["America/Los_Angeles", "UTC"]),
)
@example(pd.Timestamp("2019-03-05 02:00").to_pydatetime(), 24 * 30, 1, "America/Los_Angeles")  # 02:00 is skipped
@settings(deadline=None, max_examples=80)
def test_windows_cover_the_period_without_gap_or_overlap(start, hours, longest, zone):
    profile = replace(load("pge"), zone=zone, window_days=longest)
    first = _windows.instant(start, zone)
    last = first + pd.Timedelta(hours=hours)
    cut = _windows.split(profile, first, last)
    assert (cut[0].start, cut[-1].end) == (first, last)
    assert all(a.end == b.start for a, b in itertools.pairwise(cut))
    assert all(w.start < w.end for w in cut)
    if longest:
        assert all(w.end - w.start <= pd.Timedelta(days=longest, hours=1) for w in cut)
        assert len(cut) <= hours / 24 / longest + 2
    written = _windows.parameters(profile, cut[0])
    assert written["published-min"] == str(int(first.timestamp()))


def test_windows_follow_the_profile():
    savage = load("savage_data").at("https://x.example")
    now = pd.Timestamp("2024-03-10T15:30:20.7Z")
    (window,) = _windows.split(savage, "2024-03-01T13:45:00Z", "2024-04-01", now=now)
    assert str(window.start) == "2024-03-01 05:00:00+00:00"  # local midnight, so that it does not drift
    assert str(window.end) == "2024-03-10 15:30:20+00:00"
    assert _windows.parameters(savage, window)["published-max"] == "2024-03-10T15:30:20Z"
    con_edison = load("con_edison")
    assert list(_windows.parameters(con_edison, window, bulk=True)) == ["publishedMin", "publishedMax"]
    assert list(_windows.parameters(con_edison, window)) == ["published-min", "published-max"]
    for start, end, says in (
        ("2024-03-02", "2024-03-02", "is empty"),
        ("2024-03-02", "2024-03-01", "is empty"),
        ("soon", "2024-03-01", "is not an unambiguous date or time"),
        (None, "2024-03-01", "is not an unambiguous date or time"),
    ):
        with pytest.raises(errors.SettingsError, match=says):
            _windows.split(load("pge"), start, end)


def test_page_for_users_of_the_sdk_begins_with_the_script_of_connect():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "coming-from-pge-sdk.md").read_text(encoding="utf-8")
    script = "".join(e.source for e in doctest.DocTestParser().get_examples(greenkit.connect.__doc__))
    first = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert [line.partition("  #")[0] for line in first.splitlines() if line] == [
        line.partition("  #")[0] for line in script.splitlines()
    ]
