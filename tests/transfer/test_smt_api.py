"""SMT's REST API against a stand-in on loopback that replays the documented shapes over TLS."""

import http.server
import json
import logging
import threading
from datetime import date

import pytest
from dripping import Drip
from secrets_in_tracebacks import plain
from tunnel import Tunnel

import greenkit
from greenkit import settings
from greenkit.errors import (
    ClientRejected,
    GreenkitError,
    HostRejected,
    LimitError,
    LoginRejected,
    NotReady,
    RateLimited,
    RemoteError,
    ServerUnavailable,
    SettingsError,
    TransferError,
)
from greenkit.sandbox.authority import Authority
from greenkit.secret import Secret
from greenkit.transfer.smt_api import SmtApi

PASSWORD, TOKEN = "hunter2-api", "tok-0123456789"
METER = "10443720000000001"
ENERGY = ",".join(["0.250-A"] * 8 + [""] * 4 + ["0.500-E"] * 88)


class StandIn(http.server.ThreadingHTTPServer):
    """Answers as SMT's guide says; ``next`` holds answers that come first: (status, headers, body)."""

    daemon_threads = True

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.seen, self.next, self.tokens = [], {}, 0

    def handle_error(self, request, client_address):
        """A client that refuses our certificate is part of a test."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body, self.headers.get("Authorization")))
        waiting = self.server.next.get(self.path)
        status, headers, answer = waiting.pop(0) if waiting else (200, {}, self.usual(body))
        answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def usual(self, body):
        if self.path == "/v2/token/":
            assert body == {"username": "REP1", "password": PASSWORD}
            self.server.tokens += 1
            return {"statusCode": "200", "accessToken": TOKEN, "tokenType": "Bearer", "expiresIn": "3600"}
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        if body["deliveryMode"] == "FTP":
            return {"trans_id": body["trans_id"], "statusCode": "ACK", "statusReason": "Request Submitted"}
        meter = body["esiid"][0]
        if self.path == "/v2/dailyreads/":
            read = {"readDate": "07/01/2026", "revisionDate": "07/02/2026 07:41:22", "startReading": "24002.915"}
            reads = [{**read, "endReading": "24048.915", "energyDataKwh": "46.000"}]
            return {"trans_id": body["trans_id"], "esiid": meter, "registeredReads": reads}
        day = {"DT": "07/01/2026", "RevTS": "07/02/2026 06:21:18", "RT": "C", "RD": ENERGY}
        return {"trans_id": body["trans_id"], "esiid": meter, "energyData": [day]}

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def authority():
    with Authority() as made:
        yield made


@pytest.fixture(scope="module")
def context(authority):
    return authority.server_context(authority.server())


@pytest.fixture
def server(context):
    with StandIn(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def api(server, authority):
    with SmtApi(
        user="REP1", password=Secret(PASSWORD), duns="000000000", ca_file=authority.file, timeout=5,
        url=f"https://localhost:{server.server_address[1]}",
    ) as api:  # fmt: skip
        yield api


def test_interval_reads_are_unchanged_and_load(api, server):
    answer = api.interval_reads(METER, "2026-07-01", date(2026, 7, 1))
    df = greenkit.load_smt(answer.raw)
    assert len(df) == 96
    assert df["value"].sum() == pytest.approx(8 * 0.25 + 88 * 0.5)
    assert df["quality"].value_counts().to_dict() == {"estimated": 88, "actual": 8}
    path, body, _ = server.seen[-1]
    assert path == "/v2/15minintervalreads/"
    assert len(body.pop("trans_id")) == 16
    assert body == {
        "requestorID": "REP1", "requesterType": "CSP", "requesterAuthenticationID": "000000000",
        "startDate": "07/01/2026", "endDate": "07/01/2026", "deliveryMode": "API", "reportFormat": "JSON",
        "version": "L", "readingType": "A", "esiid": [METER], "SMTTermsandConditions": "Y",
    }  # fmt: skip


def test_daily_reads_load_as_registers(api):
    answer = api.daily_reads(METER, "2026-07-01", "2026-07-01")
    assert answer.json()["registeredReads"][0]["energyDataKwh"] == "46.000"
    assert len(greenkit.open_smt(answer.raw).registers) > 0


def test_answer_is_saved_as_a_file(api, tmp_path):
    answer = api.interval_reads(METER, "2026-07-01", "2026-07-01")
    path = answer.save(tmp_path / "api")
    assert path.read_bytes() == answer.raw
    assert path.name.startswith("interval-20")
    assert answer.request in path.name


def test_one_login_serves_many_requests_and_an_expired_token_is_renewed_once(api, server):
    api.interval_reads(METER, "2026-07-01", "2026-07-01")
    api.daily_reads(METER, "2026-07-01", "2026-07-01")
    assert server.tokens == 1
    server.next["/v2/dailyreads/"] = [(401, {}, {})]
    api.daily_reads(METER, "2026-07-01", "2026-07-01")
    assert server.tokens == 2
    server.next["/v2/dailyreads/"] = [(401, {}, {}), (401, {}, {"errorMessage": "Username/ServiceID Mismatch"})]
    with pytest.raises(LoginRejected, match="Username/ServiceID Mismatch"):
        api.daily_reads(METER, "2026-07-01", "2026-07-01")
    assert server.tokens == 3


def test_token_that_is_about_to_expire_is_not_used(api, server):
    token = {"statusCode": "200", "accessToken": TOKEN, "tokenType": "Bearer", "expiresIn": "59"}
    server.next["/v2/token/"] = [(200, {}, token)]
    api.daily_reads(METER, "2026-07-01", "2026-07-01")
    api.daily_reads(METER, "2026-07-01", "2026-07-01")
    assert server.tokens == 1
    assert [path for path, _, _ in server.seen].count("/v2/token/") == 2


def test_files_are_requested_and_acknowledged(api, server):
    answer = api.request_files([METER, "10443720000000002", METER], "2026-07-01", "2026-07-05", form="CSV")
    assert answer.json()["statusReason"] == "Request Submitted"
    body = server.seen[-1][1]
    assert (body["deliveryMode"], body["reportFormat"]) == ("FTP", "CSV")
    assert body["esiid"] == [METER, "10443720000000002"]


def meters(n):
    return [f"1044372{i:010d}" for i in range(n)]


@pytest.mark.parametrize(
    ("count", "days", "fits"),
    [(1, 365, True), (1, 366, False), (10, 20, True), (10, 21, False), (50, 5, True), (51, 5, False), (100, 2, True),
     (200, 1, True), (201, 1, False), (200, 2, False)],
)  # fmt: skip
def test_request_that_is_too_large_is_rejected_before_it_is_sent(api, server, count, days, fits):
    end = date.fromordinal(date(2026, 1, 1).toordinal() + days - 1)
    if fits:
        api.request_files(meters(count), "2026-01-01", end)
    else:
        with pytest.raises(
            LimitError, match=f"{count} meters for {days} days are more than SMT accepts in one request"
        ):
            api.request_files(meters(count), "2026-01-01", end)
        assert server.seen == []


@pytest.mark.parametrize(("count", "a_day"), [(1, 20), (150, 10)])
def test_too_many_requests_a_day_are_rejected_before_they_are_sent(api, server, count, a_day):
    for _ in range(a_day):
        api.request_files(meters(count), "2026-07-01", "2026-07-01")
    sent = len(server.seen)
    with pytest.raises(LimitError, match="Send the request again tomorrow"):
        api.request_files(meters(1), "2026-07-01", "2026-07-01")
    assert len(server.seen) == sent
    api.interval_reads(METER, "2026-07-01", "2026-07-01")


@pytest.mark.parametrize(
    "arguments",
    [("10443720000000001'", "2026-07-01", "2026-07-01"), (METER, "07/01/2026", "2026-07-01"),
     (METER, "2026-07-02", "2026-07-01"), (10443720000000001, "2026-07-01", "2026-07-01")],
)  # fmt: skip
def test_invalid_arguments_are_rejected_before_they_are_sent(api, server, arguments):
    with pytest.raises(ValueError, match=r"not an ESI ID|No ESI ID|is not a day|is before the first day"):
        api.interval_reads(*arguments)
    assert server.seen == []


READS = "/v2/15minintervalreads/"
NO_DATA = {"errorCode": "1", "errorMessage": "No data received from the respective TDSP"}
ECHO = {"errorCode": "9", "errorMessage": f"bad {PASSWORD}\n{TOKEN}\x1b[31m"}
ANSWERS = [
    (READS, 200, {}, NO_DATA, NotReady, "No data"),
    (READS, 400, {}, {"errorCode": "2076", "errorMessage": "API Integration is not done."}, ClientRejected, "2076"),
    (READS, 200, {}, ECHO, RemoteError, r"code 9: bad"),
    (READS, 403, {}, b"<html>", LoginRejected, "user, requester, and duns"),
    (READS, 429, {"Retry-After": "7"}, b"", RateLimited, "limits the rate of requests"),
    (READS, 503, {}, b"", ServerUnavailable, "503"),
    (READS, 302, {"Location": "https://localhost:1/"}, b"", RemoteError, "does not follow"),
    (READS, 200, {}, b"<html>busy</html>", RemoteError, "is not JSON"),
    (READS, 200, {}, b"[" * 100_000, RemoteError, "is not JSON"),
    (READS, 200, {}, [1], RemoteError, "unknown structure"),
    (READS, 404, {}, b"", RemoteError, "404: no reason given"),
    ("/v2/token/", 401, {}, {"errorMessage": PASSWORD}, LoginRejected, "refuses the user or password of the API"),
    ("/v2/token/", 200, {}, {"accessToken": ""}, RemoteError, "contains no token"),
    ("/v2/token/", 500, {}, b"", ServerUnavailable, "500"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "headers", "body", "error", "text"), ANSWERS)
def test_answers_become_errors_without_secrets(api, server, caplog, path, status, headers, body, error, text):
    server.next[path] = [(status, headers, body)]
    with caplog.at_level(logging.DEBUG), pytest.raises(error, match=text) as caught:
        api.interval_reads(METER, "2026-07-01", "2026-07-01")
    for shown in (str(caught.value), repr(caught.value), repr(api), caplog.text):
        assert PASSWORD not in shown
        assert TOKEN not in shown
        assert "\n" not in str(caught.value)
    assert [p for p, _, _ in server.seen].count("/v2/token/") == 1, "a refused login is never repeated"
    if error is RateLimited:
        assert caught.value.retry_after == 7


def test_only_a_verified_server_gets_the_password(server, authority, monkeypatch):
    url = f"https://localhost:{server.server_address[1]}"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    trusting_nobody = SmtApi(user="REP1", password=Secret(PASSWORD), duns="0", url=url, timeout=5)
    with trusting_nobody as api, pytest.raises(HostRejected, match=r"private certificate authority|self-signed"):
        api.interval_reads(METER, "2026-07-01", "2026-07-01")
    assert server.seen == []


def test_closed_port_and_silence_are_unavailable(authority, api, server):
    server.next[READS] = [(200, {"Content-Length": "1000"}, b"{")]
    api.timeout = 0.5
    with pytest.raises(RemoteError):
        api.interval_reads(METER, "2026-07-01", "2026-07-01")
    nobody = SmtApi(user="u", password=Secret("p"), duns="0", url="https://localhost:9", ca_file=authority.file)
    with nobody as gone, pytest.raises(ServerUnavailable, match="refuses connections"):
        gone.interval_reads(METER, "2026-07-01", "2026-07-01")


LOGIN, LIST = "/v2/token/", "/v2/myagreements/"
FAULTS = {
    "empty": (200, {}, b""),
    "web page": (200, {}, b"<html>"),
    "json array": (200, {}, b"[1]"),
    "deep json": (200, {}, b'{"a":' * 10_000),
    "huge number": (200, {}, b'{"accessToken": "a", "expiresIn": 1e999}'),
    "many digits": (200, {}, b'{"accessToken": "a", "expiresIn": "' + b"9" * 5000 + b'"}'),
    "a superscript": (200, {}, '{"accessToken": "a", "expiresIn": "²"}'.encode()),
    "lone surrogate": (200, {}, b'{"accessToken": "\\ud800", "expiresIn": "3600"}'),
    "two lines": (200, {}, b'{"accessToken": "a\\r\\nX: 1", "expiresIn": "3600"}'),
    "not utf-8": (200, {}, b'{"accessToken": "\xff\xfe"}'),
    "broken gzip": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8bno"),
    "unknown encoding": (200, {"Content-Encoding": "rot13, br"}, b"x"),
    "nul": (200, {}, b"\0" * 64),
    "long wait": (503, {"Retry-After": "9" * 400}, b""),
    "odd error": (200, {}, b'{"errorCode": {"a": [1]}, "errorMessage": ["x"]}'),
    **{f"status {s}": (s, {}, b"no") for s in (202, 204, 301, 400, 401, 403, 404, 407, 418, 429, 500, 503)},
}
CALLS = {
    READS: lambda api: api.interval_reads(METER, "2026-07-01", "2026-07-01"),
    "/v2/dailyreads/": lambda api: api.daily_reads(METER, "2026-07-01", "2026-07-01"),
    LIST: lambda api: api.agreements(),
    "/v2/Mysubscriptions/": lambda api: api.subscriptions(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_meets_each_fault_with_a_documented_error(api, server, fault):
    raised = []
    for path, call in [*CALLS.items(), (LOGIN, CALLS[READS])]:
        server.next = {path: [FAULTS[fault]] * 2}
        if path == LOGIN:
            api._token = None
        error = error_of(call, api)
        if error is not None:
            assert error.next_step.endswith("."), (path, str(error))
            assert not any(secret in plain(error) for secret in (PASSWORD, TOKEN)), path
            raised.append(path)
    assert LOGIN in raised


def error_of(call, api):
    """Return the error of greenkit that a call raises, or None; anything else fails the test."""
    try:
        call(api)
    except GreenkitError as e:
        return e
    return None


def test_text_that_no_column_can_hold_is_replaced(api, server):
    server.next[LIST] = [(200, {}, b'{"list": [[{"agreementNumber": "7", "name": "a\\ud800"}]]}')]
    assert api.agreements().iloc[0].to_dict() == {
        "agreement": "7", "meter": "", "status": "", "reason": "", "name": "a?",
    }  # fmt: skip


@pytest.mark.parametrize("stage", Drip.STAGES)
@pytest.mark.parametrize("what", ["login", "reads"])
def test_one_deadline_ends_an_exchange_that_drips(authority, stage, what):
    with (
        Drip(authority, stage) as slow,
        SmtApi(
            user="REP1", password=Secret(PASSWORD), duns="0", url=slow.url, ca_file=authority.file, timeout=5
        ) as api,
    ):
        api._total = 0.15
        if what == "reads":
            api._token, api._token_ends = Secret(TOKEN), float("inf")
        with pytest.raises(TransferError, match=r"^Smart Meter Texas did not .* within 0\.15 s") as caught:
            api.interval_reads(METER, "2026-07-01", "2026-07-01")
        assert caught.value.next_step


AGREEMENTS = [
    {"agreementNumber": 71, "status": "ACT", "statusReason": "Active", "customerMeterList": [
        {"ESIID": METER, "meterNumber": "1"}, {"ESIID": f"{METER[:-1]}2"}]},
    {"agreementNumber": 72, "status": "PEN", "ESIID": f"{METER[:-1]}3", "empty": None, "names": ["a"]},
]  # fmt: skip


def test_agreements_and_subscriptions_are_listed(api, server):
    server.next["/v2/myagreements/"] = [(200, {}, {"trans_id": "x", "agreementList": AGREEMENTS})]
    found = api.agreements()
    assert list(found.columns) == ["agreement", "meter", "status", "reason", "meterNumber"]
    assert found["meter"].tolist() == [METER, f"{METER[:-1]}2", f"{METER[:-1]}3"]
    assert found["agreement"].tolist() == ["71", "71", "72"]
    assert found["reason"].tolist() == ["Active", "Active", ""]
    path, body, token = server.seen[-1]
    assert (path, token) == ("/v2/myagreements/", f"Bearer {TOKEN}")
    assert len(body.pop("trans_id")) == 16
    assert body == {"requestorID": "REP1", "requesterAuthenticationID": "000000000", "SMTTermsandConditions": "Y"}
    one = {"subscriptionNumber": "S1", "esiid": METER, "subscriptionType": "CSPENROLL", "dataType": "INTERVAL"}
    server.next["/v2/Mysubscriptions/"] = [(200, {}, {"data": {"subscriptions": [one]}})]
    row = api.subscriptions().iloc[0].to_dict()
    assert row == {"subscription": "S1", "meter": METER, "status": "", "type": "CSPENROLL", "dataType": "INTERVAL"}


def test_empty_list_has_every_column_and_an_unknown_one_is_an_error(api, server):
    server.next["/v2/myagreements/"] = [
        (200, {}, {"trans_id": "x", "agreementList": []}),
        (200, {}, {"list": [{"number": 1}]}),
    ]
    none = api.agreements()
    assert list(none.columns) == ["agreement", "meter", "status", "reason"]
    assert len(none) == 0
    with pytest.raises(RemoteError, match="contains no agreement") as caught:
        api.agreements()
    assert caught.value.next_step


@pytest.mark.parametrize("url", ["http://localhost", "https://user:pw@localhost", "https://", "https://x?token=1"])
def test_url_that_is_not_plain_https_is_rejected(url):
    with pytest.raises(SettingsError, match="must be https"):
        SmtApi(user="u", password=Secret("p"), duns="0", url=url)


def test_client_from_settings_needs_the_account(monkeypatch):
    monkeypatch.setenv("GK_TEST_API", PASSWORD)
    found = settings.parse({"smt": {"duns": "1", "api": {"user": "REP1", "password": {"env": "GK_TEST_API"}}}})
    assert SmtApi.from_settings(found.smt).url == "https://services.smartmetertexas.net"
    with pytest.raises(SettingsError, match="Add user and password"):
        SmtApi.from_settings(settings.parse({}).smt)
    with pytest.raises(SettingsError, match="one of production, uat"):
        SmtApi(user="u", password=Secret("p"), duns="0", environment="staging")


def test_documentation_states_that_no_real_account_was_tried():
    from greenkit.transfer import smt_api

    assert "never yet on a real account" in smt_api.__doc__


def test_proxy_of_the_settings_carries_the_requests(api, server, authority):
    with Tunnel() as tunnel:
        url = f"https://localhost:{server.server_address[1]}"
        through = SmtApi(
            user="REP1", password=Secret(PASSWORD), duns="0", url=url, ca_file=authority.file, proxy=tunnel.url
        )
        with through:
            through.interval_reads(METER, "2026-07-01", "2026-07-01")
    assert set(tunnel.targets) == {("localhost", server.server_address[1])}


@pytest.mark.parametrize("text", ["7", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_retry_after_is_read_in_both_forms(api, server, text):
    server.next[READS] = [(503, {"Retry-After": text}, b"")]
    with pytest.raises(ServerUnavailable) as caught:
        api.interval_reads(METER, "2026-07-01", "2026-07-01")
    assert caught.value.retry_after >= 7
