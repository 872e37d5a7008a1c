"""Many customers of one registration: their grants in one table, and a nightly fetch of what is new."""

import json
from pathlib import Path

import flask
import pandas as pd
import pytest
from pretend import click

from greenkit import errors
from greenkit.custodian import open_customers
from greenkit.custodian._coverage import Received


@pytest.fixture
def customers(utility, tmp_path):
    made = open_customers("pge", settings=utility.write_settings(tmp_path / "s"))
    for name, user in (("ada", "Ada"), ("grace", "Grace")):
        with made.client(name) as client:
            flow = client.authorize("paste")
            flow.finish(click(flow.url, user=user, follow=False))
    return made


def test_all_grants_are_in_one_table(customers, utility):
    assert list(customers) == ["ada", "grace"]
    table = customers.table()
    assert list(table["customer"]) == ["ada", "grace"]
    assert list(table["state"]) == ["authorized", "authorized"]
    assert (table["renewed_at"] > pd.Timestamp.now("UTC")).all()
    assert table["last_day"].isna().all()
    assert repr(customers).startswith("<Customers of pge: 2 grants in ")


def test_table_without_customers_has_every_column(utility, tmp_path):
    empty = open_customers("pge", settings=utility.write_settings(tmp_path / "s")).table()
    assert len(empty) == 0
    assert empty["renewed_at"].dtype == "datetime64[us, UTC]"


def test_nightly_fetch_brings_only_what_is_new(customers, utility, tmp_path):
    first = customers.fetch_new(first="2024-03-01", now="2024-03-04 05:00", into=tmp_path / "feeds")
    assert str(first) == "2 customers: 2 fetched"
    assert list(first.table["readings"]) == [3 * 3 * 96, 3 * 96]
    assert list(first.table["new_days"]) == [3, 3]
    assert list(first.table["last_day"]) == ["2024-03-03"] * 2
    assert set(first.readings["grace"]["meter"]) == {"household-0003"}
    assert [len(list(Path(folder).glob("*.xml"))) for folder in first.table["folder"]] == [1, 1]
    assert {Path(folder).parent for folder in first.table["folder"]} == {tmp_path / "feeds"}
    assert list(customers.table()["last_day"].astype(str)) == ["2024-03-03"] * 2

    before = len(utility.seen)
    again = customers.fetch_new(now="2024-03-04 22:00")
    assert str(again) == "2 customers: 2 up to date"
    assert len(utility.seen) == before

    later = customers.fetch_new(now="2024-03-06")
    assert list(later.table["new_days"]) == [2, 2]  # 4 and 5 March
    assert list(later.table["revised_days"]) == [0, 0]
    assert later.readings["grace"]["start"].min() == pd.Timestamp("2024-03-01", tz="America/Los_Angeles")


def test_ended_grant_is_listed_and_does_not_end_the_night(customers, utility):
    utility.register.authorizations[50_000].active = False
    done = customers.fetch_new(first="2024-03-01", now="2024-03-02")
    assert done.ended == ("ada",)
    assert list(done.table["state"]) == ["ended", "fetched"]
    assert done.table["next_step"][0] == "Call client('ada').authorize(), and ask ada to sign in."
    assert list(done.table["folder"]) == ["", ""]
    assert list(customers.table()["state"]) == ["expired", "authorized"]


def test_pending_failed_and_limited_customers_are_told_apart(customers, utility):
    utility.behavior.replace = lambda path: flask.Response("", 202) if "50000" in path else flask.Response("", 500)
    with customers.client("grace") as client:
        client._resources._sleep = lambda seconds: None
    utility.behavior.replace = lambda path: (
        flask.Response("", 202) if "50000" in path else flask.Response("", 404) if "50001" in path else None
    )
    done = customers.fetch_new(first="2024-03-01", now="2024-03-02")
    assert list(done.table["state"]) == ["pending", "failed"]
    assert all(done.table["next_step"])
    utility.behavior.replace = lambda path: (
        flask.Response("", 429, {"Retry-After": "9000"}) if "Batch" in path else None
    )
    done = customers.fetch_new(first="2024-03-01", now="2024-03-02")
    assert list(done.table["state"]) == ["failed", "not tried"]


def test_grants_of_an_older_version_are_found_by_name(customers, utility, tmp_path):
    for path in (tmp_path / "s" / "tokens").glob("*.json"):
        held = json.loads(path.read_text())
        assert held.pop("customer") in ("ada", "grace")
        path.write_text(json.dumps(held))
    assert list(customers) == []
    named = open_customers("pge", settings=tmp_path / "s" / "settings.toml", names=["ada", "nobody"])
    assert list(named) == ["ada"]


def test_findings_of_a_nightly_answer_say_what_is_missing(customers, utility):
    with customers.client("grace") as client:
        one = client.fetch_usage("2024-03-01", "2024-03-02")[0].read()
    utility.behavior.replace = lambda path: flask.Response(one) if path.endswith("Subscription/50001") else None
    night = customers.fetch_new(first="2024-03-01", now="2024-03-04")
    assert list(night.table["state"]) == ["fetched", "fetched"]
    assert "custodian.window.less" in night.readings["grace"].gk.findings.names
    assert "custodian.window.less" not in night.readings["ada"].gk.findings.names


def test_forgetting_a_customer_deletes_the_record_of_received_days(customers, tmp_path):
    customers.fetch_new(first="2024-03-01", now="2024-03-02")
    assert len(list((tmp_path / "s" / "tokens").glob("*.received"))) == 2
    customers.client("ada").forget()
    assert len(list((tmp_path / "s" / "tokens").glob("*.received"))) == 1
    assert list(customers) == ["grace"]


def test_customers_need_token_files(utility, tmp_path):
    path = utility.write_settings(tmp_path / "s")
    with pytest.raises(errors.SettingsError, match="need token files"):
        open_customers("pge", settings=path, tokens="memory")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2, "days": []}', '{"schema": 1, "days": [[1]]}', "[" * 9999]
)
def test_damaged_record_of_received_days_is_an_error(text):
    with pytest.raises(errors.FormatError, match="damaged or was written by a newer greenkit"):
        Received.from_json(text)


def test_record_of_received_days_reads_what_it_writes():
    held = Received({("m", "delivered"): {"2024-03-01": (96, 1.5)}})
    assert Received.from_json(held.to_json()) == held
    newer = Received({("m", "delivered"): {"2024-03-01": (95, 1.0)}, ("n", "net"): {"2024-03-02": (1, 0.0)}})
    joined = held.joined(newer)
    assert joined.days[("m", "delivered")] == {"2024-03-01": (95, 1.0)}
    assert joined.last_day == "2024-03-02"
