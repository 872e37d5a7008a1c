"""The SMT writers: an independent parser reads the true values from each file."""

import csv
import datetime as dt
import io
import itertools
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import synthetic
from greenkit.synthetic import _smt_csv, _smt_json, _smt_lse, smt_names

CHANGES = [dt.date(2024, 3, 10), dt.date(2024, 11, 3), dt.date(2022, 11, 6), dt.date(2026, 3, 8)]
DAYS = st.one_of(st.sampled_from(CHANGES), st.dates(dt.date(2021, 1, 1), dt.date(2026, 12, 1)))
SEEDS = st.integers(1, 10**6)


def written(write, *args, **kwargs):
    file = io.BytesIO()
    write(file, *args, **kwargs)
    return file.getvalue().decode()


def true_days(meter, start, end):
    """(flow, local date) → (values in the order of time, letters)."""
    found = {}
    for flow, rows in meter.frame(start, end).groupby("flow", observed=True):
        for date, day in rows.groupby(rows["start"].dt.date):
            letters = ["E" if q == "estimated" else "A" for q in day["quality"]]
            found[flow, date] = ([round(v, 3) for v in day["value"]], letters)
    return found


def read_lse(text, *, placeholders=()):
    found, key = {}, None
    for line in text.splitlines():
        cells = line.split(",")
        if cells[0] == "00000001":
            assert len(cells) == 7
            key = ({"4": "delivered", "1": "received"}[cells[2]], dt.datetime.strptime(cells[3], "%Y%m%d%H%M%S").date())
            found[key] = ([], [])
            number = 10_000_000
        elif cells[0] == "00000002":
            assert len(cells) == 13
            assert cells[7:9] == ["900", "01"]
        elif cells[0] >= "10000000":
            assert int(cells[0]) == number
            number += 1
            for i in range(1, len(cells) - 1, 3):
                if tuple(cells[i : i + 2]) not in placeholders and cells[i]:
                    found[key][0].append(float(cells[i]))
                    found[key][1].append(cells[i + 1])
    return found


@settings(max_examples=12, deadline=None)
@given(
    seed=SEEDS,
    day=DAYS,
    solar=st.sampled_from([0.0, 5.0]),
    per_row=st.sampled_from([1, 3, 4, 7, 96, 100, 500]),
    comma=st.booleans(),
    stop=st.sampled_from(["235959", "235900", "next midnight"]),
    gap=st.sampled_from(["0,E", "null"]),
    times=st.booleans(),
)
def test_lse_contains_the_true_values(seed, day, solar, per_row, comma, stop, gap, times):
    home, end = synthetic.household(seed, tdsp="oncor", solar=solar), day + dt.timedelta(days=2)
    layout = _smt_lse.Lse(per_row=per_row, trailing_comma=comma, stop=stop, gap=gap, interval_times=times)
    text = written(_smt_lse.write, [home], day, end, layout=layout)
    assert read_lse(text, placeholders={("0", "E")}) == true_days(home, day, end)


def read_csv(text):
    """Rows by (flow, date), each with its labels: (start, end, kWh or None, letter)."""
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        date = dt.datetime.strptime(row["USAGE_DATE"], "%m/%d/%Y").date()
        flow = "delivered" if row["CONSUMPTION_SURPLUSGENERATION"] == "Consumption" else "received"
        value = float(row["USAGE_KWH"]) if row["USAGE_KWH"] else None
        cells = (row["USAGE_START_TIME"], row["USAGE_END_TIME"], value, row["ESTIMATED_ACTUAL"])
        found.setdefault((flow, date), []).append(cells)
    return found


@settings(max_examples=12, deadline=None)
@given(
    seed=SEEDS,
    day=DAYS,
    solar=st.sampled_from([0.0, 5.0]),
    flows=st.sampled_from(["by day", "interleaved", "one after the other"]),
    short=st.booleans(),
    guard=st.sampled_from(["apostrophe", "formula", "none"]),
)
def test_interval_csv_contains_the_true_values(seed, day, solar, flows, short, guard):
    home, end = synthetic.household(seed, tdsp="tnmp", solar=solar), day + dt.timedelta(days=2)
    layout = _smt_csv.IntervalCsv(flows=flows, short_numbers=short, id_guard=guard)
    text = written(_smt_csv.write, [home], day, end, layout=layout)
    found = read_csv(text)
    truth = true_days(home, day, end)
    for key, (values, letters) in truth.items():
        assert [c[2] for c in found[key] if c[2] is not None] == values
        assert [c[3] for c in found[key] if c[2] is not None] == letters
    assert {home.id} == {row.split(",")[0].strip("'=\"") for row in text.splitlines()[1:]}


def test_dst_changes_have_the_labels_of_smt():
    home = synthetic.household(1, tdsp="oncor", faults=())
    autumn = read_csv(written(_smt_csv.write, [home], "2024-11-03", "2024-11-04"))["delivered", dt.date(2024, 11, 3)]
    assert len(autumn) == 100
    assert [c[:2] for c in autumn[7:13]] == [
        ("01:45", "02:00"),
        ("02:00", "01:15"),
        ("01:15", "01:30"),
        ("01:30", "01:45"),
        ("01:45", "02:00"),
        ("02:00", "02:15"),
    ]
    assert autumn[-1][:2] == ("23:45", "00:00")
    spring = read_csv(written(_smt_csv.write, [home], "2024-03-10", "2024-03-11"))["delivered", dt.date(2024, 3, 10)]
    assert len(spring) == 96
    blank = [c[0] for c in spring if c[2] is None]
    assert blank == ["02:00", "02:15", "02:30", "02:45"]
    assert all(c[3] == "" for c in spring if c[2] is None)


def test_layouts_of_other_years_and_spreadsheets():
    home = synthetic.household(1, tdsp="centerpoint", faults=())

    def first(layout):
        return written(_smt_csv.write, [home], "2024-07-04", "2024-07-05", layout=layout).split(layout.newline)[:2]

    header, row = first(_smt_csv.LEGACY_2012)
    assert header == "ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL"
    assert row.startswith("1008901000000000000001,2024-07-04, 00:00, 00:15,.")
    assert first(_smt_csv.SPREADSHEET)[1].startswith("'1008901000000000000001,7/4/2024,7/5/2024 ")
    assert ",0:00,0:15,0." in first(_smt_csv.SPREADSHEET)[1]
    bom = first(_smt_csv.IntervalCsv(byte_order_mark=True, newline="\r\n", id_guard="formula"))
    assert bom[0].startswith("\ufeffESIID")
    assert bom[1].startswith('="1008901000000000000001",')


def test_gaps_are_blank_or_absent():
    home = synthetic.household(1, tdsp="oncor").plant("gap", "2024-07-04 10:00", "2024-07-04 12:00")
    blank = read_csv(written(_smt_csv.write, [home], "2024-07-04", "2024-07-05"))["delivered", dt.date(2024, 7, 4)]
    assert [c[0] for c in blank if c[2] is None] == [f"{h}:{m:02d}" for h in (10, 11) for m in (0, 15, 30, 45)]
    layout = _smt_csv.IntervalCsv(gap="absent")
    absent = read_csv(written(_smt_csv.write, [home], "2024-07-04", "2024-07-05", layout=layout))
    assert len(absent["delivered", dt.date(2024, 7, 4)]) == 88
    text = written(_smt_lse.write, [home], "2024-07-04", "2024-07-05", layout=_smt_lse.Lse(per_row=1))
    assert text.count(",0,E") == 8


def test_redelivered_day_is_estimated_first():
    home = synthetic.household(1, tdsp="oncor", faults=())
    layout = _smt_csv.IntervalCsv(redelivered=1)
    rows = list(csv.DictReader(io.StringIO(written(_smt_csv.write, [home], "2024-07-04", "2024-07-05", layout=layout))))
    assert len(rows) == 192
    assert {r["ESTIMATED_ACTUAL"] for r in rows[:96]} == {"E"}
    assert {r["ESTIMATED_ACTUAL"] for r in rows[96:]} == {"A"}
    assert rows[0]["REVISION_DATE"] < rows[-1]["REVISION_DATE"]


def test_record_with_several_days():
    home = synthetic.household(1, tdsp="oncor", faults=())
    text = written(_smt_lse.write, [home], "2024-11-01", "2024-11-08", layout=_smt_lse.Lse(days_in_record=5))
    heads = [line for line in text.splitlines() if line.startswith("00000001")]
    assert [h.split(",")[3:5] for h in heads] == [
        ["20241101000000", "20241105235959"],
        ["20241106000000", "20241107235959"],
    ]
    counts = [len(v[0]) for v in read_lse(text).values()]
    assert counts == [4 * 96 + 100, 2 * 96]


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, day=DAYS, solar=st.sampled_from([0.0, 5.0]))
def test_json_contains_the_true_values(seed, day, solar):
    home, end = synthetic.household(seed, tdsp="oncor", solar=solar), day + dt.timedelta(days=2)
    body = json.loads(_smt_json.intervals(home, day, end))
    assert body["esiid"] == home.id
    found = {}
    for record in body["energyData"]:
        slots = record["RD"].split(",")
        assert len(slots) == 100
        pairs = [s.rsplit("-", 1) for s in slots if s]
        key = ({"C": "delivered", "G": "received"}[record["RT"]], dt.datetime.strptime(record["DT"], "%m/%d/%Y").date())
        found[key] = ([float(v) for v, _ in pairs], [q for _, q in pairs])
    assert found == true_days(home, day, end)
    wrapped = json.loads(_smt_json.intervals(home, day, end, wrapped=True))
    assert wrapped["data"] == body


def test_slots_of_the_repeated_hour_are_filled_on_the_fall_back_day_only():
    home = synthetic.household(1, tdsp="oncor", faults=())
    body = json.loads(_smt_json.intervals(home, "2024-11-02", "2024-11-04"))["energyData"]
    assert [[s == "" for s in day["RD"].split(",")][7:13] for day in body] == [
        [False, True, True, True, True, False],
        [False] * 6,
    ]
    spring = json.loads(_smt_json.intervals(home, "2024-03-10", "2024-03-11"))["energyData"][0]["RD"].split(",")
    assert [i for i, s in enumerate(spring) if not s] == list(range(8, 16))


def test_portal_answers():
    home = synthetic.household(1, tdsp="oncor", solar=5.0, faults=())
    rows = json.loads(_smt_json.portal_intervals(home, "2024-11-03", "2024-11-04"))["intervaldata"]
    assert len(rows) == 100
    assert (rows[0]["starttime"], rows[0]["endtime"], rows[-1]["endtime"]) == (" 12:00 am", " 12:15 am", " 12:00 am")
    truth = home.frame("2024-11-03", "2024-11-04").groupby("flow", observed=True)["value"].sum()
    assert sum(r["consumption"] for r in rows) == pytest.approx(truth["delivered"])
    assert sum(r["generation"] for r in rows) == pytest.approx(truth["received"])
    assert json.loads(_smt_json.no_data())["errorCode"] == "1"


def test_registers_of_csv_and_json_match_the_intervals():
    home = synthetic.household(1, tdsp="oncor", faults=()).plant("meter change", "2024-11-06", "2024-11-06")
    rows = list(csv.DictReader(io.StringIO(written(_smt_csv.write_daily, [home], "2024-11-01", "2024-11-09"))))
    daily = home.frame("2024-11-01", "2024-11-09")
    daily = daily.groupby(daily["start"].dt.strftime("%m/%d/%Y"))["value"].sum()
    assert [r["READ_DATE"] for r in rows] == daily.index.tolist()
    assert [float(r["ENERGY_DATA_KWH"]) for r in rows] == pytest.approx(daily.tolist())
    for before, after in itertools.pairwise(rows):
        start = "0.000" if after["READ_DATE"] == "11/06/2024" else before["END_READING"]
        assert after["START_READING"] == start
    reads = json.loads(_smt_json.daily(home, "2024-11-01", "2024-11-09"))["registeredReads"]
    assert [r["endReading"] for r in reads] == [r["END_READING"] for r in rows]
    assert len(json.loads(_smt_json.portal_daily(home, "2024-11-01", "2024-11-09"))["dailyData"]) == 8


def test_billing_periods_equal_the_sum_of_their_days():
    home = synthetic.household(1, tdsp="oncor", faults=())
    rows = list(csv.DictReader(io.StringIO(written(_smt_csv.write_monthly, [home], "2024-10-15", "2024-12-15"))))
    assert [(r["START_DATE"], r["END_DATE"]) for r in rows] == [
        ("10/01/2024", "11/01/2024"),
        ("11/01/2024", "12/01/2024"),
    ]
    november = home.frame("2024-11-01", "2024-12-01")["value"].sum()
    assert float(rows[1]["ACTL_KWH_USG"]) == pytest.approx(november)
    monthly = json.loads(_smt_json.portal_monthly(home, "2024-10-15", "2024-12-15"))["monthlyData"]
    assert [m["actl_kwh_usg"] for m in monthly] == [r["ACTL_KWH_USG"] for r in rows]


def test_packing_and_names():
    name, data = smt_names.pack("a.lse", {"b.CSV": b"x", "c.lse": b"y"})
    assert name == "a.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {n: archive.read(n) for n in archive.namelist()} == {"b.CSV": b"x", "c.lse": b"y"}
    name, data = smt_names.pack("a.CSV", {"a.CSV": b"x"}, encrypt=lambda plain: b"secret" + plain[:2])
    assert name == "a.zip.000000000.asc"
    assert data == b"secretPK"
    made = dt.datetime(2025, 12, 30, 21, 3, 50)
    mailed = smt_names.csv_name("IntervalMeterUsage", made, 509, mailed=True)
    assert mailed.startswith("IntervalMeterUsage20251230210350509")
    assert len(mailed) == len("IntervalMeterUsage202512302103505093F4F9339E4024C89B21685CA1223B8AEEML.CSV")
