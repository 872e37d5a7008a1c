import csv
import json
import os
import re
import stat
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import export, frame, load, store
from greenkit.errors import FormatError, SchemaError, SettingsError
from greenkit.export import _excel


def full(make_series, **more):
    """A frame with every kind of extra column."""
    df = make_series(
        [0.1 + 0.2, np.nan, 1e-9], "2024-11-03", meter="0010089", cost=[0.1, np.nan, 2.0], currency="USD",
        tou=pd.array([1, None, 3], dtype="Int16"), usage_date=pd.Timestamp("2024-11-03"), source="a,b \"c\".xml",
        revision=pd.Timestamp("2024-11-04 06:21:18", tz="America/Chicago"), quality=["actual", "missing", "estimated"],
        **more,
    )  # fmt: skip
    return frame.concat([df, make_series([5.0], meter="=1+1", flow="received")])


def test_csv_is_read_back_unchanged(tmp_path, make_series):
    df = full(make_series)
    export.write_csv(df, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(export.read_csv(tmp_path / "a.csv"), df)
    raw = (tmp_path / "a.csv").read_bytes()
    assert b"2024-11-03T01:00:00-05:00,2024-11-03T01:00:00-06:00," in raw  # the hour that is repeated
    assert b"0.30000000000000004" in raw


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_or_device_is_written_to_and_stays_one(tmp_path, make_series):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        export.write_csv(make_series([1.0, 2.0]), pipe)
        through = os.read(reader, 65536)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    export.write_csv(make_series([1.0, 2.0]), tmp_path / "a.csv")
    assert through == (tmp_path / "a.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "pipe"]


def test_csv_and_parquet_of_an_empty_frame_and_of_two_zones(tmp_path, make_series):
    two = frame.concat([make_series([1.0]), make_series([2.0], meter="M2", zone="America/New_York")])
    for df in (frame.empty(["cost"], "America/Chicago"), two):
        df.attrs = {}
        export.write_csv(df, tmp_path / "a.csv")
        back = export.read_csv(tmp_path / "a.csv")
        assert list(back.columns) == list(df.columns)
        if len(df):
            pd.testing.assert_frame_equal(back, df)
        store.write(df, tmp_path / "a.parquet")
        pd.testing.assert_frame_equal(store.read(tmp_path / "a.parquet"), df)


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=False, width=64), min_size=1, max_size=20))
def test_csv_keeps_every_digit(tmp_path_factory, make_series, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    df = make_series(values)
    export.write_csv(df, path)
    pd.testing.assert_frame_equal(export.read_csv(path), df)


def test_spreadsheet_finds_no_formula_in_a_csv(tmp_path, make_series):
    names = ['=cmd|"/c calc"!A1', "@SUM(1)", "+1", "-1", "\t=1", "'quoted", "plain"]
    df = frame.concat([make_series([-1.0], meter=name) for name in names])
    with open(export.write_csv(df, tmp_path / "a.csv"), encoding="utf-8", newline="") as file:
        cells = [row["meter"] for row in csv.DictReader(file)]
    assert sorted(cells) == sorted(["plain", *(f"'{name}" for name in names[:-1])])
    pd.testing.assert_frame_equal(export.read_csv(tmp_path / "a.csv"), df)


def test_workbook_has_the_findings_of_the_load_and_of_the_data(tmp_path, make_series):
    openpyxl = pytest.importorskip("openpyxl")
    df = frame.concat(make_series([1.0, 2.0]).drop(index=0), make_series([1.0], meter="M2", zone="America/Denver"))
    df = frame.concat(df, make_series([1.0, 2.0], "2024-07-02", meter="M2", zone="America/Denver"))
    sheet = openpyxl.load_workbook(export.write_excel(df, tmp_path / "a.xlsx"))["findings"]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("severity", "name", "finding")
    assert {row[1] for row in rows[1:]} == {"frame.zones.mixed", "quality.gap"}


def test_workbook_accepts_any_name_and_any_column(tmp_path, make_series):
    openpyxl = pytest.importorskip("openpyxl")
    df = make_series([1.0], meter="a\x01b").assign(mine=[{"a": 1}])
    sheet = openpyxl.load_workbook(export.write_excel(df, tmp_path / "a.xlsx"))["intervals"]
    head, row = sheet.iter_rows(values_only=True)
    told = dict(zip(head, row, strict=True))
    assert (told["meter"], told["mine"]) == ("a\ufffdb", "{'a': 1}")


def test_workbook_without_openpyxl_has_a_next_step(tmp_path, make_series, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        SettingsError, match=r'need openpyxl, which is not installed\. Run pip install "greenkit\[excel\]"'
    ):
        export.write_excel(make_series([1.0]), tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


def test_two_meters_have_two_statistics(make_series):
    made = export.home_assistant(frame.concat([make_series([1.0], meter=m) for m in ("a b", "a-b", "c")]))
    ids = [s["metadata"]["statistic_id"] for s in made]
    assert len(set(ids)) == 3
    assert ids[2] == "greenkit:c_delivered"
    (alone,) = export.home_assistant(make_series([1.0], meter="a b"))
    assert alone["metadata"]["statistic_id"] == "greenkit:a_b_delivered"


def test_another_csv_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("time,kWh\n1,2\n")
    with pytest.raises(FormatError, match="no column meter, series"):
        export.read_csv(tmp_path / "a.csv")
    head = ",".join(frame.COLUMNS)
    (tmp_path / "a.csv").write_text(f"{head}\nM1,s,delivered,yesterday,,1,kWh,UTC,actual\n")
    with pytest.raises(FormatError, match="Column start has a value"):
        export.read_csv(tmp_path / "a.csv")


def test_workbook_is_valid_for_excel(tmp_path, make_series):
    openpyxl = pytest.importorskip("openpyxl")
    df = full(make_series)
    book = openpyxl.load_workbook(export.write_excel(df, tmp_path / "a.xlsx"))
    assert book.sheetnames == ["intervals", "days", "findings"]
    rows = list(book["intervals"].iter_rows(values_only=True))
    table = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [r["meter"] for r in table] == ["0010089", "0010089", "0010089", "=1+1"]
    assert all(c.data_type != "f" for sheet in book for row in sheet.iter_rows() for c in row)
    assert [(str(r["start"]), r["utc_offset"], r["value"]) for r in table[:3]] == [
        ("2024-11-03 00:00:00", "-0500", pytest.approx(0.3)),
        ("2024-11-03 01:00:00", "-0500", None),
        ("2024-11-03 01:00:00", "-0600", 1e-9),
    ]
    days = list(book["days"].iter_rows(values_only=True))
    assert dict(zip(days[0], days[1], strict=True))["expected"] == 25


def test_sheet_has_its_limit(tmp_path, make_series, monkeypatch):
    monkeypatch.setattr(_excel, "_EXCEL_ROWS", 3)
    with pytest.raises(SchemaError, match="4 rows do not fit in an Excel worksheet"):
        export.write_excel(full(make_series), tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


def test_home_assistant_files_follow_its_rules(make_series):
    df = frame.concat([make_series([0.25] * 10, every="15min"), make_series([1, 1], every="30min", flow="received")])
    delivered, received = export.home_assistant(df, before=100)
    assert delivered["type"] == "recorder/import_statistics"
    assert received["metadata"]["statistic_id"] == "greenkit:m1_received"
    # the keys that Home Assistant requires from 2026.11 on, and no other: has_mean is refused
    assert delivered["metadata"] == {
        "statistic_id": "greenkit:m1_delivered", "source": "greenkit", "name": "M1 delivered",
        "unit_of_measurement": "kWh", "unit_class": "energy", "has_sum": True, "mean_type": 0,
    }  # fmt: skip
    assert delivered["stats"] == [
        {"start": "2024-07-01T05:00:00+00:00", "state": 1.0, "sum": 101.0},
        {"start": "2024-07-01T06:00:00+00:00", "state": 1.0, "sum": 102.0},
        {"start": "2024-07-01T07:00:00+00:00", "state": 0.5, "sum": 102.5},
    ]
    assert json.dumps([delivered, received])


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25)])
def test_home_assistant_has_each_hour_once(make_series, day, hours):
    (made,) = export.home_assistant(make_series([1.0] * hours, day))
    starts = [s["start"] for s in made["stats"]]
    assert len(set(starts)) == hours
    assert all(s.endswith(":00:00+00:00") for s in starts)
    sums = [s["sum"] for s in made["stats"]]
    assert sums == sorted(sums)
    assert sums[-1] == hours


def test_gap_leaves_the_sum_constant(make_series):
    (made,) = export.home_assistant(make_series([1, np.nan, 3]))
    assert [(s["state"], s["sum"]) for s in made["stats"]] == [(1, 1), (3, 4)]


def test_frames_that_home_assistant_does_not_accept_raise(make_series):
    for df in (make_series([1.0], unit="V"), make_series([1.0], every="24h"), make_series([1.0], unit="therm")):
        with pytest.raises(SchemaError, match=r"needs intervals of an hour or less in .*\. Filter out the series"):
            export.home_assistant(df)


def test_home_assistant_files(tmp_path, make_series):
    df = frame.concat([make_series([1.0, 2.0]), make_series([5.0], series="other")])
    json_file = export.write_home_assistant(df, tmp_path / "a.json")
    ids = [s["metadata"]["statistic_id"] for s in json.loads(json_file.read_text())]
    assert ids == ["greenkit:m1_delivered_delivered", "greenkit:m1_delivered_other"]
    tsv = export.write_home_assistant(df, tmp_path / "a.tsv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(tsv.splitlines(), delimiter="\t"))
    assert rows[1] == {
        "statistic_id": ids[0], "unit": "kWh", "start": "01.07.2024 06:00", "state": "2.0", "sum": "3.0"
    }  # fmt: skip


def test_shapes_of_the_two_common_importers_of_home_assistant(tmp_path, make_series):
    df = make_series([1.0, 2.0], unit="m3")
    (spook,) = export.home_assistant(df, form="spook")
    # Spook's schema requires these keys and refuses others
    assert set(spook) == {"statistic_id", "source", "name", "unit_of_measurement", "has_mean", "has_sum", "stats"}
    assert (spook["has_mean"], spook["has_sum"], spook["unit_of_measurement"]) == (False, True, "m³")
    (file,) = export.home_assistant(df, form="klausj1", before=10)
    assert file == {
        "timezone_identifier": "UTC",
        "entities": [{"id": "greenkit:m1_delivered", "unit": "m³", "values": [
            {"datetime": "01.07.2024 05:00", "state": 1.0, "sum": 11.0},
            {"datetime": "01.07.2024 06:00", "state": 2.0, "sum": 13.0},
        ]}],
    }  # fmt: skip
    path = export.write_home_assistant(df, tmp_path / "a.json", form="klausj1", before=10)
    assert json.loads(path.read_text(encoding="utf-8")) == file
    assert export.home_assistant(df)[0]["metadata"]["unit_class"] == "volume"
    with pytest.raises(SettingsError, match="There is no form 'rest'"):
        export.home_assistant(df, form="rest")


def test_opendsm_input_has_its_columns_and_index(make_series):
    df = make_series([0.25] * 95 + [np.nan], every="15min")
    hours = pd.date_range("2024-07-01", periods=48, freq="30min", tz="America/Chicago")
    made = export.opendsm_frame(df, pd.Series(np.arange(48.0), index=hours))
    assert list(made.columns) == ["observed", "temperature"]
    assert (made.index.name, str(made.index.tz), len(made)) == ("datetime", "America/Chicago", 24)
    assert made["observed"].tolist()[:2] == [1.0, 1.0]
    assert np.isnan(made["observed"].iloc[-1])  # a part of an hour is not its amount
    assert made["temperature"].tolist()[:3] == [0.5, 2.5, 4.5]


def test_opendsm_reads_a_daily_frame_on_any_pandas(make_series):
    # it compares the step of the index with an hour, which raises on pandas 3 if the step is a day
    df = make_series([24.0, np.nan, 48.0], every="24h")
    days = pd.date_range("2024-07-01", periods=3, freq="D", tz="America/Chicago")
    made = export.opendsm_frame(df, pd.Series(60.0, index=days), period="day")
    assert set(np.diff(made.index.tz_convert("UTC").to_numpy()) / np.timedelta64(1, "h")) == {1.0}
    assert made["observed"].groupby(made.index.date).sum(min_count=1).fillna(-1).tolist() == [24.0, -1, 48.0]
    assert set(made["temperature"]) == {60.0}
    hourly = make_series([1.0] * 49, "2024-11-02")
    days = pd.date_range("2024-11-02", periods=2, freq="D", tz="America/Chicago")
    made = export.opendsm_frame(hourly, pd.Series(60.0, index=days), period="day")
    assert made["observed"].groupby(made.index.date).sum().tolist() == [24.0, 25.0]
    with pytest.raises(SettingsError, match="period is 'week'"):
        export.opendsm_frame(hourly, pd.Series(60.0, index=days), period="week")


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25)])
def test_opendsms_index_has_every_hour_once(make_series, day, hours):
    df = make_series([1.0] * hours, day)
    made = export.opendsm_frame(df, pd.Series([70.0], index=df["start"].iloc[:1]))
    assert len(made) == hours
    assert made.index.is_unique
    assert made["temperature"].notna().sum() == 1


def test_frames_that_opendsm_does_not_accept_raise(make_series):
    temperature = pd.Series([70.0], index=pd.DatetimeIndex(["2024-07-01"]))
    with pytest.raises(SchemaError, match="index of times with a time zone"):
        export.opendsm_frame(make_series([1.0]), temperature)
    with pytest.raises(SchemaError, match=r"the frame has 2 series in kWh\. Filter the frame"):
        export.opendsm_frame(full(make_series), temperature)


def test_redacted_copy_contains_no_names(make_series):
    df = full(make_series).assign(customer="Ada Example", note="12 Main St")
    df = frame.note(df, [])
    out = export.redact(df, "a salt of my very own")
    assert frame.check(out, exact=True) is out
    text = out.to_csv() + repr(out.attrs)
    for secret in ("0010089", "Ada", "Main", ".xml"):
        assert secret not in text
    assert out["meter"].str.fullmatch("meter-[0-9a-f]{16}").all()
    assert out["value"].sum() == df["value"].sum()
    assert {"cost", "tou", "usage_date"} <= set(out.columns)
    again = export.redact(df, b"a salt of my very own")
    assert set(again["meter"]) == set(out["meter"])
    assert set(export.redact(df, "another salt, as long")["meter"]).isdisjoint(out["meter"])
    assert set(export.redact(df)["meter"]).isdisjoint(export.redact(df)["meter"])
    with pytest.raises(ValueError, match="at least 16"):
        export.redact(df, "short")


@pytest.mark.real
@pytest.mark.filterwarnings("default")
def test_opendsm_accepts_the_input(make_series):
    opendsm = pytest.importorskip("opendsm.eemeter", reason="needs greenkit[mv], which needs pandas below 3")
    df = make_series(2 + np.sin(np.arange(8784)), "2024-01-01")
    index = pd.date_range("2024-01-01", periods=8784, freq="h", tz="America/Chicago")
    temperature = pd.Series(65 + 20 * np.sin(np.arange(8784) / 8784 * 2 * np.pi), index=index)
    for period, data in (("hour", opendsm.HourlyBaselineData), ("day", opendsm.DailyBaselineData)):
        taken = data(export.opendsm_frame(df, temperature, period=period), is_electricity_data=True)
        assert taken.disqualification == []
        assert taken.df["observed"].sum() == pytest.approx(df["value"].sum())
        assert not [w.qualified_name for w in taken.warnings if "timezone" in w.qualified_name]


def test_csv_written_by_pandas_is_read_back(make_series, tmp_path):
    df = make_series([1.0, 2.0])
    df.to_csv(tmp_path / "usage.csv")
    pd.testing.assert_frame_equal(export.read_csv(tmp_path / "usage.csv"), df)


def test_missing_folder_is_named(make_series, tmp_path):
    df = make_series([1.0, 2.0])
    with pytest.raises(
        FileNotFoundError, match=rf"^There is no folder {re.escape(str(tmp_path / 'no'))}\. Create it first\.$"
    ):
        export.write_csv(df, tmp_path / "no" / "usage.csv")


def test_load_names_no_text_of_the_columns_that_summaries_repeat(tmp_path, make_series):
    path = export.write_csv(make_series([1.0]).assign(flow="Pat Example"), tmp_path / "a.csv")
    with pytest.raises(
        FormatError, match=r"Column flow has a value .* read the file with greenkit\.export\.read_csv"
    ) as e:
        load(path)
    assert "Pat" not in str(e.value)
    assert export.read_csv(path)["flow"].tolist() == ["Pat Example"]
