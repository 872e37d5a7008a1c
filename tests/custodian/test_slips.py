"""Typing mistakes, odd answers, and folders that cannot be written: each has an error with a next step."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import flask
import pandas as pd
import pytest
from pretend import authorized, click, query_of

import greenkit
from greenkit import errors, frame, sandbox
from greenkit._net import retry_after
from greenkit.custodian import _authorization, _transport, _windows, notifications, profiles
from greenkit.findings import GreenkitWarning
from greenkit.sandbox import custodian
from greenkit.secret import Secret

MARCH = ("2024-03-01", "2024-03-02")
REDIRECT = "http://127.0.0.1:8123/callback"


@pytest.fixture(scope="module")
def utility(authority):
    with custodian.start("pge", authority=authority) as running:
        yield running


# -- arguments


@pytest.mark.parametrize("given", [20240301, 2024.5, True, None, "", "March", "now", "today", "3/4/2024"])
def test_ambiguous_date_is_refused(given):
    with pytest.raises(errors.SettingsError, match="is not an unambiguous date or time"):
        _windows.instant(given, "America/Los_Angeles")


@pytest.mark.parametrize("given", ["2024-03-01", "20240301", "2024-03-01 00:00", "2024-03", pd.Timestamp(2024, 3, 1)])
def test_dates_are_local_time_of_the_utility(given):
    assert _windows.instant(given, "America/Los_Angeles") == pd.Timestamp("2024-03-01 08:00", tz="UTC")


def test_windows_that_begin_in_the_future_are_not_requested():
    now = pd.Timestamp("2024-03-15 12:00", tz="UTC")
    found = _windows.split(profiles.load("pge"), "2024-03-01", "2124-03-01", now=now)
    assert [str(w) for w in found] == ["2024-03-01 08:00 to 2024-03-29 07:00"]
    assert len(_windows.split(profiles.load("pge"), "2099-03-01", "2099-08-01", now=now)) == 1


def test_period_in_the_future_is_named_where_the_utility_refuses_it():
    profile = replace(profiles.load("pge"), clip_future=True)
    with pytest.raises(errors.SettingsError, match=r"is in the future\. Request it after it has begun"):
        _windows.split(profile, "2099-03-01", "2099-08-01")
    with pytest.raises(errors.SettingsError, match="is empty"):
        _windows.split(profile, "2099-03-01", "2099-03-01")


def test_invalid_zone_or_epoch_is_reported_before_any_request(utility):
    client = authorized(utility)
    before = len(utility.seen)
    for wrong in ({"tz": "Mars/Base"}, {"epoch": "locale"}):
        with pytest.raises(ValueError, match=r"time zone|epoch"):
            client.usage(*MARCH, **wrong)
    assert len(utility.seen) == before


@pytest.mark.parametrize("point", ["a/b", "a%2Fb", "..", "a\\b"])
def test_usage_point_that_is_a_path_is_refused(utility, point):
    with pytest.raises(errors.HostRejected, match=r"Pass the ID alone, as usage_points\(\) returns it"):
        _transport.resource_url(utility.profile, "UsagePoint", point)


@pytest.mark.parametrize(("name", "near"), [("PGE", "pge"), ("PG&E", "pge"), ("pgee", "pge"), ("ConEd", "con_edison")])
def test_unknown_utility_has_a_hint(name, near):
    with pytest.raises(errors.SettingsError, match=f"Did you mean '{near}'"):
        greenkit.connect(name)


@pytest.mark.parametrize(
    ("given", "says"),
    [({"tokens": "memroy"}, "Did you mean 'memory'"), ({"timeout": -1}, "timeout is -1, but it must be greater than 0"),
     ({"client_secret": ""}, r"No client_secret is set\. Add client_secret = \{prompt = true\} under"), ({"redirect_uri": "not a url"}, "must be a URL without a fragment"),
     ({"redirect_uri": "http://127.0.0.1:99999/cb"}, "must be a URL without a fragment"), ({"redirect_uri": "127.0.0.1/cb"}, "must be a URL without a fragment"),
     ({"redirect_uri": "https://a/cb#x"}, "must be a URL without a fragment")],
)  # fmt: skip
def test_connect_rejects_invalid_arguments_before_any_request(utility, given, says):
    with pytest.raises(errors.SettingsError, match=says):
        utility.connect(**given)


def test_error_names_the_settings_file(tmp_path):
    with pytest.raises(
        errors.SettingsError,
        match=r'No client_id is set\. Add client_id = "\.\.\." under \[custodian\.pge\] in .*settings\.toml \(which does not '
        r"exist yet\), or pass client_id=\.$",
    ):
        greenkit.connect()


def test_error_of_a_profile_file_names_a_table_that_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('based_on = "pge"\nname = "mine"\nmutual_tls = false\n')
    with pytest.raises(errors.SettingsError) as missing:
        greenkit.connect("mine.toml", client_id="i")
    step = f'Add utility = "{tmp_path / "mine.toml"}" and client_secret = {{prompt = true}} under [custodian.mine] in '
    assert missing.value.next_step.startswith(step)
    # the step helps
    (tmp_path / "secret").write_text("s")
    (tmp_path / "secret").chmod(0o600)
    Path("settings.toml").write_text(
        '[custodian.mine]\nutility = "mine.toml"\nclient_id = "i"\nclient_secret = {file = "secret"}\n'
    )
    with greenkit.connect("mine", settings="settings.toml", tokens="memory") as client:
        assert client.profile.name == "mine"
    with pytest.raises(errors.SettingsError, match=r'utility = "mine.toml" under \[custodian.mine\], and pass "mine"'):
        greenkit.connect("mine.toml", settings="settings.toml")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"dates": "iso"}, "sent dates in ISO 8601, and a window of 28 days"),
        ({"window_days": None, "dates": "epoch"}, "sent dates in epoch seconds, and a window of 61 days"),
    ],
)
def test_refused_window_states_what_was_sent(utility, monkeypatch, facts, says):
    client = authorized(utility)
    client._fetcher._profile = replace(utility.profile, **facts)
    url = f"{utility.profile.resource_url}Batch/Subscription/50000"
    window = _windows.split(client._fetcher._profile, "2024-01-01", "2024-03-02")[0]
    query = urlencode(_windows.parameters(client._fetcher._profile, window))
    refused = lambda path: flask.Response("", 400) if "Subscription" in path else None  # noqa: E731
    monkeypatch.setattr(utility.behavior, "replace", refused)
    with pytest.raises(errors.ClientRejected, match=rf"{says}\. .*check dates and window_days of the profile"):
        client._resources.get(f"{url}?{query}", client._grants.customer_bearer)
    with pytest.raises(errors.ClientRejected) as other:
        client.usage_points()
    assert "greenkit sent" not in str(other.value)


@pytest.mark.parametrize("dates", ["published-min=a&published-max=b", f"published-min=1&published-max={'9' * 400}"])
def test_refused_url_of_the_utility_may_contain_any_dates(utility, monkeypatch, dates):
    client = authorized(utility)
    monkeypatch.setattr(utility.behavior, "replace", lambda path: flask.Response("", 400))
    with pytest.raises(errors.ClientRejected, match="refused the request") as caught:
        client._resources.get(f"{utility.profile.resource_url}Batch/Bulk/1?{dates}", client._grants.customer_bearer)
    assert "greenkit sent" not in str(caught.value)


# -- pasted URLs


@pytest.mark.parametrize("shape", ['"{}"', "'{}'", "<{}>", " {}\n", "{}#_=_"])
def test_quotes_around_a_copied_url_are_removed(shape):
    url = Secret(shape.format(f"{REDIRECT}?state=s&code=c"))
    assert _authorization.code_from_redirect(url, redirect_uri=REDIRECT, state=Secret("s")).reveal() == "c"


def test_url_with_a_space_does_not_spend_its_code(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    url = click(flow.url, follow=False)
    with pytest.raises(errors.StateMismatch, match="Paste the complete URL"):
        client.finish(f"{url[:60]} {url[60:]}")
    client.finish(url)
    assert client.status().authorized


def test_registered_redirect_without_a_port_is_unchanged(authority, monkeypatch):
    asked = []

    def forbidden(port, handle):
        asked.append(port)
        raise PermissionError

    monkeypatch.setattr("greenkit._net.LoopbackListener", forbidden)
    monkeypatch.setattr(_authorization, "is_remote", lambda: False)
    monkeypatch.setattr(_authorization, "has_browser", lambda: True)
    uri = "http://localhost/callback"
    with custodian.start("pge", authority=authority, redirect_uris=(uri,)) as running:
        client = running.connect()
        with pytest.raises(errors.SettingsError, match="Port 80 of redirect_uri is in use"):
            client.authorize("loopback")
        flow = client.authorize()
        assert query_of(flow.url)["redirect_uri"] == uri
        flow.finish(click(flow.url, follow=False))
        assert client.status().authorized
    assert asked == [80] * 2


# -- folders that cannot be written


def test_unusable_token_folder_is_reported_before_sign_in(utility, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(errors.SettingsError, match=r"token folder .* cannot be used"):
            utility.connect(tokens=place).authorize("paste")


def test_damaged_lock_is_reported(utility, tmp_path):
    client = authorized(utility, tokens=tmp_path / "tokens")
    next((tmp_path / "tokens").glob("*.lock")).write_bytes(b"no lock " * 99)
    with pytest.raises(errors.SettingsError, match=r"lock file .* is damaged. Delete it"):
        client.forget()


# -- answers


def test_empty_answer_has_every_column(utility):
    client = authorized(utility)
    full = client.usage(*MARCH)
    for answer in (flask.Response(status=204), flask.Response('<feed xmlns="http://www.w3.org/2005/Atom"/>', 200)):
        utility.behavior.replace = lambda path, a=answer: a
        with pytest.warns(GreenkitWarning, match="sent no readings for"):
            df = client.usage(*MARCH)
        assert list(df.columns) == list(full.columns)
        frame.check(df, exact=True)
    utility.behavior.replace = None


def test_each_status_of_a_resource_has_an_error_and_next_step(utility):
    client = authorized(utility)
    for status, error, says in (
        (400, errors.ClientRejected, "Check the dates, the ID, and the client certificate"),
        (404, errors.RemoteError, "Check the ID"),
        (418, errors.RemoteError, "unexpected answer"),
    ):
        utility.behavior.replace = lambda path, s=status: None if path.endswith("token") else flask.Response("", s)
        with pytest.raises(error, match=says):
            client.service_status()
    utility.behavior.replace = None


def test_own_token_is_reused_until_it_expires(utility):
    client = utility.connect(grant="client_credentials")
    before = utility.counts["token client_credentials"]
    client.service_status()
    client.service_status()
    assert utility.counts["token client_credentials"] == before + 1


def test_zipped_feed_is_read_and_web_page_is_not(utility):
    client = authorized(utility)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("usage.xml", client.fetch_usage(*MARCH)[0].read())
    utility.behavior.replace = lambda path: flask.Response(packed.getvalue(), 200, content_type="application/zip")
    assert len(client.usage(*MARCH)) == 288
    for body, says in (("<html><body>Sign in</body></html>", "web page"), ("", "empty"), ("{}", "JSON")):
        utility.behavior.replace = lambda path, b=body: flask.Response(b, 200)
        with pytest.raises(errors.FormatError, match=says):
            client.usage(*MARCH)
    utility.behavior.replace = None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("-1", None), ("1.5", None), ("soon", None), ("", None), ("²", None),
     ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Sun Nov  6 08:49:37 1994", 0)],
)  # fmt: skip
def test_retry_after_in_every_form(text, seconds):
    assert retry_after(text) == seconds


def test_old_date_in_retry_after_is_utc(monkeypatch):
    monkeypatch.setattr("time.time", lambda: pd.Timestamp("2024-03-01 00:00", tz="UTC").timestamp())
    assert retry_after("Fri Mar  1 00:00:30 2024") == 30


def test_error_contains_a_status_and_its_meaning(utility):
    client = authorized(utility)
    utility.behavior.replace = lambda path: flask.Response("", 404)
    with pytest.raises(errors.RemoteError, match=r"\(status 404: the resource or its ID is unknown\)\. Check the ID"):
        client.usage(*MARCH)
    utility.behavior.replace = None


def test_web_page_with_status_403_mentions_user_agent(utility):
    client = authorized(utility)
    utility.behavior.replace = lambda path: None if path.endswith("token") else flask.Response("<!DOCTYPE html>", 403)
    with pytest.raises(errors.AuthorizationExpired, match=r"Call authorize\(\)\. If a filter in front .* user_agent"):
        client.usage(*MARCH)
    utility.behavior.replace = None


def test_error_about_an_answer_names_the_utility(utility):
    client = authorized(utility)
    page = "<html>We are down for maintenance</html>"
    utility.behavior.replace = lambda path: None if path.endswith("token") else flask.Response(page)
    for ask in (lambda: client.usage(*MARCH), client.usage_points):
        with pytest.raises(errors.FormatError, match=r"^the utility's answer: This is a web page") as caught:
            ask()
        assert caught.value.next_step.startswith("Request the data again")
        assert "ownload" not in caught.value.next_step  # that is for a file
    utility.behavior.replace = None


def test_endless_error_page_is_not_read(utility):
    client, naps = authorized(utility), []
    client._resources._sleep = naps.append

    def endless():
        while True:
            yield b"<p>sorry</p>" * 9999

    utility.behavior.replace = lambda path: flask.Response(endless(), 503)
    with pytest.raises(errors.ServerUnavailable, match=r"status 503"):
        client.usage(*MARCH)
    assert len(naps) == 2
    utility.behavior.replace = None


def test_second_use_of_a_redirect_needs_no_action(utility):
    client = utility.connect()
    flow = client.authorize("paste")
    url = click(flow.url, follow=False)
    client.finish(url)
    with pytest.raises(errors.StateMismatch, match=r"over \(authorized\)\. No action is needed"):
        client.finish(url)


def test_comment_in_a_url_does_not_shorten_it():
    body = b"<BatchList><resources>https://a.example<!-- x -->.evil/b</resources></BatchList>"
    assert list(notifications.parse(body)) == ["https://a.example.evil/b"]


@pytest.mark.parametrize(("depth", "count"), [(1, 10), (200, 10), (250, 1000), (3, 1000)])
def test_items_of_nested_lists_count_once(depth, count):
    items = "".join(f"<resources>https://a.example/{n}</resources>" for n in range(count))
    body = "<BatchList>" * depth + items + "</BatchList>" * depth
    assert list(notifications.parse(body.encode())) == [f"https://a.example/{n}" for n in range(count)]
    more = body.replace("<resources>", "<resources>https://a.example/x</resources><resources>", 1)
    if count == notifications.MOST:
        with pytest.raises(errors.LimitError, match="more than 1,000 resources"):
            notifications.parse(more.encode())


def test_notification_with_a_huge_length_is_not_read():
    import http.client

    with notifications.Listener() as listener:
        host = listener.url.split("/")[2]
        for length in ("9" * 13, "0" * 12 + "999999999999", "²"):
            connection = http.client.HTTPConnection(host, timeout=5)
            connection.putrequest("POST", "/notifications")
            connection.putheader("Content-Length", length.encode())
            connection.endheaders()
            assert connection.getresponse().status == 413
            connection.close()


# -- the sandbox


def test_sandbox_without_its_extra_names_the_command(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'flask'", name="flask")

    monkeypatch.setattr(sandbox, "import_module", missing)
    with pytest.raises(errors.SettingsError, match=r'needs the package flask. Run pip install "greenkit\[sandbox\]"'):
        _ = sandbox.start


def test_own_profile_is_written_completely(authority, tmp_path):
    own = replace(profiles.load("generic"), name="mine", mutual_tls=False, window_days=5, meanings={400: 'a "window"'})
    with custodian.start(own, authority=authority) as running:
        client = greenkit.connect("mine", settings=running.write_settings(tmp_path))
        assert client.profile == running.profile


@pytest.mark.parametrize("length", [0.0, -5.0, float("nan")])
def test_invalid_day_length_is_refused(length):
    message = r"day_length is .*, but it must be greater than 0"
    with pytest.raises(errors.SettingsError, match=message), sandbox.start(day_length=length):
        pass


def test_unknown_attribute_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'strat'"):
        _ = sandbox.strat
