"""load_smt and open_smt: what they take, refuse, say and return."""

import datetime as dt
import gzip
import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from smt_files import ID, PLAIN, csv, csv_rows, lse, read, values

import greenkit
from greenkit import frame
from greenkit.errors import FormatError, LimitError
from greenkit.findings import GreenkitWarning
from greenkit.smt import _stamps as stamps
from greenkit.smt import parse_name, tdsp_hint
from greenkit.sources import Limits

DAILY = "ESIID,READ_DATE,REVISION_DATE,START_READING,END_READING,ENERGY_DATA_KWH,METER_NUMBER\n"
MONTHLY = "Esi Id,Start Date,End Date,ACTL_KWH_USG,Bill Status\n"


# what comes back


def test_frame_is_the_same_from_every_format():
    slots = [f"{v}-A" for v in values(96)]
    doc = {"esiid": ID, "energyData": [
        {"DT": "07/06/2025", "RevTS": "07/07/2025 09:40:14", "RT": "C",
         "RD": ",".join([*slots[:8], "", "", "", "", *slots[8:]])}
    ]}  # fmt: skip
    frames = [
        read(csv(csv_rows())).readings,
        read(lse(revision="20250707094014")).readings,
        read(json.dumps(doc)).readings,
    ]
    for df in frames[1:]:
        pd.testing.assert_frame_equal(df, frames[0])
    assert len(frame.concat(frames).drop_duplicates(["meter", "series", "flow", "start"])) == 96


def test_formats_of_the_same_day_in_one_call():
    found = read([csv(csv_rows()).encode(), lse(kwh=values(96, 50), revision="20250708000000").encode()])
    assert found.readings["value"].tolist() == [float(v) for v in values(96, 50)]
    assert found.findings.names == ["smt.day.replaced"]


def test_load_warns_once_and_notes_the_findings(tmp_path):
    path = tmp_path / "june.csv"
    path.write_text(csv(csv_rows()[:90]))
    with pytest.warns(GreenkitWarning, match=r"june.csv: 1 day lacks intervals") as warned:
        df = greenkit.load_smt(path)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert df.gk.findings.names == ["smt.day.incomplete"]
    assert len(greenkit.load_smt(csv(csv_rows()).encode())) == 96


def test_repr_shows_the_contents_and_escapes(tmp_path):
    path = tmp_path / "<b>x.csv"
    path.write_text(csv(csv_rows()[:90], csv_rows(flow="<script>")))
    found = read(path)
    html = found._repr_html_()
    assert "Smart Meter Texas: 186 readings" in html
    assert "smt.day.incomplete" in html
    assert "<script>" not in html
    assert "<b>x" not in html
    assert "SmtData: 186 readings" in repr(found)
    assert "No findings" in read(lse())._repr_html_()
    assert "no register reads, no bills" in read(lse())._repr_html_()
    assert "0 readings" in repr(read(csv([])))


def test_many_meters_are_shown_in_part():
    text = "".join(lse(meter=f"1000000000000{n:04d}") for n in range(60))
    assert read(text)._repr_html_().count("<tr>") < 40


# what is taken


def test_every_kind_of_source(tmp_path):
    path = tmp_path / "a.lse"
    path.write_text(lse())
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("c.csv", csv(csv_rows(PLAIN + dt.timedelta(days=1))))
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(csv(csv_rows(PLAIN + dt.timedelta(days=2))).encode()))
    assert len(read(path).readings) == len(greenkit.load_smt(str(path))) == 96
    with path.open("rb") as file:
        assert len(read(file).readings) == 96
    whole = read(tmp_path).readings
    assert len(whole) == 3 * 96
    assert whole["source"].cat.categories.tolist() == ["a.lse", "b.zip!c.csv", "d.csv"]
    assert len(read([path, tmp_path / "b.zip"]).readings) == 2 * 96
    assert len(read(tmp_path / "*.gz").readings) == 96


def test_progress(tmp_path):
    path = tmp_path / "a.lse"
    path.write_text(lse())
    told = []
    greenkit.load_smt(path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


def test_later_file_wins_by_its_name_then_its_time(tmp_path):
    old, new = csv(csv_rows(revision="", kwh=values(96, 100))), csv(csv_rows(revision=""))
    (tmp_path / "IntervalMeterUsage20250801000000123.CSV").write_text(new)
    (tmp_path / "IntervalMeterUsage20250701000000456.CSV").write_text(old)
    assert read(tmp_path).readings["value"].iloc[0] == 0.001
    for name, text, time in (("b.csv", old, 1_000_000_000), ("a.csv", new, 1_500_000_000)):
        folder = tmp_path / "plain"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        os.utime(folder / name, (time, time))
    assert read(tmp_path / "plain").readings["value"].iloc[0] == 0.001


# what is refused


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html><body>Sign in</body></html>", "This is a web page"),
        (b"<!DOCTYPE html><p>", "This is a web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), "This is an image"),
        (b"\x00\x01\x02" * 200 + b"abc", "not a Smart Meter Texas file"),
        (b"%PDF-1.7\n1 0 obj", "This is a PDF. Download the data instead"),
        (b",meter,series,flow,start,end,value\n0,1,2,3,4,5,6\n", r"Read it with greenkit\.export\.read_csv"),
        (b"hello, world", "no columns of Smart Meter Texas. If"),
        (
            b"Name,A B\n\nTYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES\n",
            "portal, not of Smart Meter Texas.*load_table",
        ),
        (b"Name,A\n\nTYPE,START DATE,END DATE,USAGE (kWh),COST\n", "portal, not of Smart Meter Texas.*load_table"),
        (b"Name,Service,Type,Date,Start Time,End Time,Usage,Units\n", "portal, not of Smart Meter Texas.*load_table"),
        (
            b'Energy Usage Information\n"Energy Delivered time period","Usage"\n',
            "portal, not of Smart Meter Texas.*load_table",
        ),
        (
            b"Name,A\nUOM,KWH\nMeter Number\tDate\tStart Time\tDuration\tNet\n",
            "portal, not of Smart Meter Texas.*load_table",
        ),
        (
            b"Timestamp,kWh\n2025-06-01T00:00,1.0\n",
            "no columns .* among Timestamp, kWh. If .*read it with greenkit.load_table",
        ),
        (b"ESIID,USAGE_DATE,USAGE_KWH_TOTAL\n1,2,3", "no columns of Smart Meter Texas"),
        (b'{"a": 1}', "contains none of energyData"),
        (b'{"energyData": [', "damaged or truncated"),
        (b"[" * 100_000, "damaged or truncated"),
        (b"{}", "contains none of energyData"),
    ],
)
def test_foreign_files(data, message):
    with pytest.raises(FormatError, match=message):
        read(data)


def test_foreign_files_in_a_folder_are_left_out_and_reported(tmp_path):
    (tmp_path / "a.csv").write_text(csv(csv_rows()))
    (tmp_path / "README.md").write_text("# Notes, and more\n")
    (tmp_path / "empty.csv").write_text("")
    found = read(tmp_path)
    assert len(found.readings) == 96
    assert found.findings.names == ["smt.file.skipped", "smt.file.empty"]
    assert "README.md" in found.findings.named("smt.file.skipped")[0].text


def test_wrong_options():
    with pytest.raises(ValueError, match="revisions is 'newest', but it must be one of 'latest', 'all'"):
        greenkit.open_smt(lse().encode(), revisions="newest")
    with pytest.raises(TypeError, match=r"pgp must be a greenkit\.pgp\.Keyring or a callable, not str"):
        greenkit.open_smt(lse().encode(), pgp="secret.asc")
    with pytest.raises(FormatError, match=r"www\.smartmetertexas\.com/x: greenkit does not load URLs") as raised:
        greenkit.load_smt("https://www.smartmetertexas.com/x?token=abc")
    assert "token" not in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"no file nowhere\.csv"):
        greenkit.load_smt("nowhere.csv")


def test_limits_reach_the_archives():
    bomb = gzip.compress(csv(*[csv_rows()] * 200).encode())
    with pytest.raises(LimitError):
        greenkit.open_smt(bomb, limits=Limits(unpacked=1_000_000))


# register reads and bills


def daily(*rows):
    return DAILY + "\n".join(rows)


def test_daily_registers():
    rows = [
        f"'{ID},07/06/2025,07/07/2025 09:00:00,100.5,110.25,9.75,M-77",
        f"'{ID},07/07/2025,07/08/2025 09:00:00,110.25,,,M-77",
    ]
    found = read(daily(*rows))
    assert len(found.readings) == 0
    df = found.registers
    assert df["start_reading"].tolist() == [100.5, 110.25]
    assert df["end_reading"].tolist() == pytest.approx([110.25, np.nan], nan_ok=True)
    assert df["value"].tolist() == pytest.approx([9.75, np.nan], nan_ok=True)
    assert df["usage_date"].tolist() == [pd.Timestamp("2025-07-06"), pd.Timestamp("2025-07-07")]
    assert df["METER_NUMBER"].tolist() == ["M-77", "M-77"]
    assert str(df["revision"].dtype) == "datetime64[us, America/Chicago]"
    with pytest.warns(
        GreenkitWarning, match=r"2 register readings and no intervals. Call greenkit\.open_smt\(FILE\)\.registers"
    ):
        assert greenkit.load_smt(daily(*rows).encode()).empty


def test_daily_registers_under_other_names():
    text = "ESIID, Date, Reading Type, Meter Reading (kWh), Actual/Estimated\n"
    text += f'{ID},07/06/2025,Consumption,"12,345.5",E\n'
    df = read(text).registers
    assert df["end_reading"].tolist() == [12345.5]
    assert df["quality"].tolist() == ["estimated"]


def test_newest_revision_of_a_register_read():
    rows = [
        f"{ID},07/06/2025,07/09/2025 09:00:00,100,111,11,",
        f"{ID},07/06/2025,07/07/2025 09:00:00,100,110,10,",
    ]
    assert read(daily(*rows)).registers["value"].tolist() == [11.0]
    assert read(daily(*rows), revisions="all").registers["value"].tolist() == [10.0, 11.0]


def test_damaged_register_rows():
    rows = [f"{ID},07/06/2025,,100,110,ten,", "Total,07/06/2025,,1,2,3,", f"{ID},never,,1,2,3,", DAILY.strip()]
    found = read(daily(*rows, f"{ID},07/07/2025,,1,2,3,"))
    assert len(found.registers) == 1
    finding = found.findings.named("smt.row.unreadable")[0]
    assert finding.evidence["count"] == 3
    assert "bytes, line 2: ENERGY_DATA_KWH is 'xxx'" in finding.text
    with pytest.raises(FormatError, match=r"line 2: A spreadsheet converted the ESI ID 1\.0089E\+21 to a number"):
        read(daily("1.0089E+21,07/06/2025,,1,2,3,"))


def test_monthly_bills():
    text = MONTHLY + f"'{ID},06/05/2025,07/06/2025,1234.5,Final\n'{ID},07/06/2025,08/05/2025,,Open\n"
    found = read(text)
    df = found.bills
    assert df["start_date"].tolist() == [pd.Timestamp("2025-06-05"), pd.Timestamp("2025-07-06")]
    assert df["end_date"].iloc[0] == pd.Timestamp("2025-07-06")
    assert df["value"].tolist() == pytest.approx([1234.5, np.nan], nan_ok=True)
    assert df["Bill Status"].tolist() == ["Final", "Open"]
    assert found.findings.names == ["smt.file.other-reads"]
    with pytest.warns(GreenkitWarning, match=r"2 bills and no intervals. Call greenkit\.open_smt\(FILE\)\.bills"):
        assert greenkit.load_smt(text.encode()).empty


def test_strict_names_the_file_and_the_line(tmp_path):
    (tmp_path / "a.lse").write_text(lse().replace("0.001", "x"))
    with pytest.raises(FormatError, match=r"a\.lse, line 5: "):
        read(tmp_path, strict=True)


def test_intervals_beside_register_reads(tmp_path):
    (tmp_path / "a.csv").write_text(csv(csv_rows()))
    (tmp_path / "b.csv").write_text(daily(f"{ID},07/06/2025,,1,2,3,"))
    found = read(tmp_path)
    assert (len(found.readings), len(found.registers)) == (96, 1)
    assert found.findings.names == ["smt.file.other-reads"]
    assert len(greenkit.load_smt(tmp_path)) == 96


# JSON


def test_register_reads_of_the_api():
    doc = {"esiid": ID, "registeredReads": [
        {"readDate": "04/21/2020", "revisionDate": "04/22/2020 07:41:22", "startReading": "24002.915",
         "endReading": "24038.915", "energyDataKwh": "36.492"}
    ]}  # fmt: skip
    row = read(json.dumps(doc)).registers.iloc[0]
    assert (row["meter"], row["start_reading"], row["end_reading"], row["value"]) == (ID, 24002.915, 24038.915, 36.492)
    assert row["revision"] == pd.Timestamp("2020-04-22 07:41:22", tz="America/Chicago")


def test_register_read_without_a_day_is_reported():
    reads = [{"readDate": date, "startReading": "1", "endReading": "3"} for date in ("soon", "04/21/2020")]
    found = read(json.dumps({"esiid": ID, "registeredReads": reads}))
    assert found.registers["usage_date"].tolist() == [pd.Timestamp("2020-04-21")]
    assert "'xxxx'" in found.findings.named("smt.row.unreadable")[0].text


def test_on_demand_reads():
    pending = {"statusCode": "PEN", "odrRead": {"registeredRead": 0.0, "readDate": "04/04/2020 21:25:34"}}
    done = {"statusCode": "0", "odrRead": {"registeredRead": 23459.133, "readDate": "04/04/2020 21:26:41"}}
    found = read(json.dumps(pending) + "\n" + json.dumps(done))
    assert found.registers["end_reading"].tolist() == [23459.133]
    assert set(found.findings.names) == {"smt.odr.pending", "smt.meter.unknown", "smt.file.other-reads"}


def test_on_demand_read_of_the_portal():
    done = {
        "data": {"odrstatus": "COMPLETED", "odrread": "12345.789", "odrusage": "5.5", "odrdate": "05/16/2020 16:08:23"}
    }
    pending = {"data": {"odrstatus": "PENDING", "responseMessage": "SUCCESS"}}
    row = read(json.dumps(done)).registers.iloc[0]
    assert (row["end_reading"], row["usage_date"]) == (12345.789, pd.Timestamp("2020-05-16"))
    found = read(json.dumps(pending))
    assert len(found.registers) == 0
    assert found.findings.names == ["smt.odr.pending"]


def test_portal_shapes():
    entries = [
        {"starttime": f" {h % 12 or 12}:{m:02d} {'am' if h < 12 else 'pm'}", "date": "2020-09-03", "consumption": 0.25,
         "endtime": f" {(h + (m == 45)) % 24 % 12 or 12}:{(m + 15) % 60:02d} {'am' if (h + (m == 45)) % 24 < 12 else 'pm'}",
         "consumption_est_act": "A", "generation": 0, "generation_est_act": None}
        for h in range(24) for m in (0, 15, 30, 45)
    ]  # fmt: skip
    doc = {
        "intervaldata": entries,
        "dailyData": [{"date": "09/03/2020", "reading": 24.5}],
        "monthlyData": [{"startdate": "08/05/2020", "enddate": "09/04/2020", "actl_kwh_usg": None, "note": "x"}],
    }
    found = read(json.dumps(doc))
    assert found.readings["value"].tolist() == [0.25] * 96
    assert found.readings["flow"].unique().tolist() == ["delivered"]
    assert found.registers["value"].tolist() == [24.5]
    assert found.bills["value"].isna().all()
    assert found.bills["note"].tolist() == ["x"]
    assert found.findings.names == ["smt.meter.unknown", "smt.file.other-reads"]


@pytest.mark.parametrize("shape", [{"energyData": []}, {"intervaldata": None}, {"registeredReads": []}])
def test_answers_without_data(shape):
    found = read(json.dumps({"esiid": ID, **shape}))
    assert len(found.readings) == len(found.registers) == 0
    assert found.findings.names == ["smt.file.empty"]


def test_damaged_entries_of_the_api():
    good = {"DT": "07/06/2025", "RT": "C", "RD": ",".join(["0.1-A"] * 96)}
    doc = {
        "esiid": ID,
        "energyData": [{"DT": "soon", "RD": "1-A"}, {**good, "RD": good["RD"].replace("0.1", "o.1", 1)}, 7],
    }
    found = read(json.dumps(doc))
    assert len(found.readings) == 96
    assert found.readings["value"].isna().sum() == 1
    assert {"smt.row.unreadable", "smt.value.unreadable"} <= set(found.findings.names)


def test_damaged_entries_of_the_portal():
    good = {"date": "2020-09-03", "starttime": "12:00 am", "endtime": "12:15 am", "consumption": 0.25}
    bill = {"startdate": "08/05/2020", "enddate": "09/04/2020", "actl_kwh_usg": 100}
    found = read(json.dumps({
        "intervaldata": [good, *(good | {name: "soon"} for name in ("date", "starttime", "endtime"))],
        "monthlyData": [bill, *(bill | {name: ""} for name in ("startdate", "enddate"))],
    }))  # fmt: skip
    assert (len(found.readings), found.bills["value"].tolist()) == (1, [100])
    assert not {"startdate", "enddate", "actl_kwh_usg"} & set(found.bills.columns)
    assert found.findings.named("smt.row.unreadable")[0].evidence["count"] == 5


def test_token_and_trans_id_are_not_shown():
    body = {"errorCode": "2076", "errorMessage": "API Integration is not done.", "accessToken": "abc.def"}
    with pytest.raises(FormatError, match=r"API Integration is not done\. \(error 2076\)") as raised:
        read(json.dumps(body))
    assert "abc" not in str(raised.value)


# names


@pytest.mark.parametrize(
    ("name", "duns", "report", "created", "requester"),
    [
        ("957877905IntervalData20240702063000001.lse", "957877905", "IntervalData", "2024-07-02 06:30:00", None),
        ("/in/1039940674000IntervalData20240702063000001.lse.asc", "1039940674000", "IntervalData", "2024-07-02 06:30:00", None),
        ("IntervalMeterUsage202512302103505093F4F9339E4024C89B21685CA1223B8AEEML.CSV", None, "IntervalMeterUsage", "2025-12-30 21:03:50", None),
        ("DailyMeterUsage20251230210350509.CSV.134642921.asc", None, "DailyMeterUsage", "2025-12-30 21:03:50", "134642921"),
        ("x.zip!IntervalMeterUsage20251230210350509.csv", None, "IntervalMeterUsage", "2025-12-30 21:03:50", None),
        ("IntervalData (3).csv", None, None, None, None),
        ("", None, None, None, None),
    ],
)  # fmt: skip
def test_file_names(name, duns, report, created, requester):
    found = parse_name(name)
    assert (found.duns, found.report, found.requester) == (duns, report, requester)
    assert (str(found.created) if found.created else None) == created


def test_every_month_by_its_name():
    names = ("jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    assert [stamps.parse_day(f"06-{name}-2025") for name in names] == [
        stamps.parse_day(f"{m}/06/2025") for m in range(1, 13)
    ]
    assert stamps.parse_day("06-foo-2025") is None
    assert [stamps.parse_minute(clock) for clock in ("12:60", "12:00:60", "24:15", "13:00 pm")] == [None] * 4


def test_tdsp_is_a_hint():
    assert tdsp_hint("10089010000000000000") == "CenterPoint"
    assert tdsp_hint("99999") is None
