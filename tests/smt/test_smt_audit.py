"""Files as they really come: cut, put together, and saved again by spreadsheets of other countries."""

import datetime as dt
import io
import json

import numpy as np
import pytest
from smt_files import AUTUMN, HEADER, ID, INTERVALS, PLAIN, SPRING, clock, csv, csv_rows, lse, read, values

from greenkit import text
from greenkit.errors import FormatError, LimitError
from greenkit.times import interval_starts, to_times

ZONE = "America/Chicago"
TIMES = {
    (day, step): to_times(interval_starts(day, ZONE, step * 60), ZONE)
    for day in (PLAIN, SPRING, AUTUMN)
    for step in (5, 15, 30, 60)
}


def is_day(found, day, kwh=None, step=15):
    """Check that every interval of the day has one row, at its time, with its value in the file."""
    df = found.readings
    assert list(df["start"]) == list(TIMES[day, step])
    assert set((df["end"] - df["start"]).dt.total_seconds()) == {step * 60}
    assert df["value"].tolist() == [float(v) for v in (kwh or values(len(df)))]
    return True


# numbers


def spreadsheet(lines, delimiter, *, comma=True):
    """Return a file as a spreadsheet saves it where the decimal mark is a comma."""
    joined = [line.replace(",", delimiter).replace(".", "," if comma else ".") for line in lines]
    return "\n".join([HEADER.replace(",", delimiter), *joined, ""])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep=;\n"])
def test_decimal_commas(delimiter, first):
    found = read(first + spreadsheet(csv_rows(), delimiter))
    assert is_day(found, PLAIN)
    assert len(found.findings) == 0


@pytest.mark.parametrize(
    ("delimiter", "cell", "value"),
    [(";", "1.234,5", 1234.5), (";", "1,234", 1.234), (",", '"1,234"', 1234.0), (",", '"1,234.5"', 1234.5),
     ("\t", "1,234.5", 1234.5), ("\t", "1.234,5", 1234.5), (";", ",5", 0.5), (";", "-1,5", -1.5), (";", "0.25", 0.25)],
)  # fmt: skip
def test_thousands_and_decimals(delimiter, cell, value):
    lines = csv_rows(kwh=["@", *values(95)])
    text = spreadsheet(lines, delimiter, comma=delimiter != ",").replace("@", cell)
    assert read(text).readings["value"].iloc[0] == value


@pytest.mark.parametrize(("delimiter", "cell"), [(",", '"0,145"'), ("\t", "1,234"), (";", "1,234,5"), (",", '"1,23"')])
def test_ambiguous_numbers_are_not_guessed(delimiter, cell):
    lines = csv_rows(kwh=["@", *values(95)])
    found = read(spreadsheet(lines, delimiter, comma=False).replace("@", cell))
    assert np.isnan(found.readings["value"].iloc[0])
    assert cell.strip('"') in found.findings.named("smt.value.unreadable")[0].text


# dates and clock times


@pytest.mark.parametrize(("date", "made"), [("45844", "45845.4029398148"), ("06.07.2025", "07.07.2025 09:40:14")])
def test_dates_of_spreadsheets(date, made):
    found = read(csv([line.replace("07/06/2025", date) for line in csv_rows(revision=made)]))
    assert is_day(found, PLAIN)
    assert len(found.findings) == 0
    assert str(found.readings["revision"].iloc[0])[:16] == "2025-07-07 09:40"


def test_dates_and_times_as_numbers():
    rows = [f"{ID},45844,45845.5,{i / 96:.6g},{(i + 1) / 96:.6g},{v},A,Consumption" for i, v in enumerate(values(96))]
    assert is_day(read(csv(rows)), PLAIN)


@pytest.mark.parametrize("column", ["USAGE_DATE", "REVISION_DATE"])
def test_day_before_month_is_refused_if_a_date_shows_it(column):
    day = {"USAGE_DATE": dt.date(2025, 7, 13), "REVISION_DATE": dt.date(2025, 7, 12)}[column]
    made = f"{day + dt.timedelta(days=1):%d/%m/%Y} 09:40:14"
    with pytest.raises(
        FormatError, match=r"line 2: The date 13/07/2025 has its day before its month.* Export the file again"
    ):
        read(csv(csv_rows(day, date="%d/%m/%Y", revision=made)))


def test_day_before_month_is_suspected_if_no_date_shows_it():
    weeks = [csv_rows(dt.date(2025, 7, k), date="%d/%m/%Y", revision="") for k in range(5, 9)]
    assert "first bytes: 2025-05-07 and 3 more" in read(csv(*weeks)).findings.named("smt.time.day-first")[0].text
    months = [csv_rows(dt.date(2025, 7, k), revision="") for k in range(5, 9)]
    assert len(read(csv(*months)).findings) == 0


@pytest.mark.parametrize("date", ["12/31/9999", "01/01/0001", "01/01/1900", "99991231"])
def test_implausible_dates_are_refused(date):
    found = read(csv([line.replace("07/06/2025", date) for line in csv_rows()]))
    assert found.findings.names == ["smt.row.unreadable"]
    found = read(lse().replace("20250706", date.replace("/", "")))
    assert found.findings.names == ["smt.row.unreadable"]


@pytest.mark.parametrize("made", ["pending", "12/31/9999 00:00:00", "01/01/0001 00:00:00"])
def test_unreadable_revision_loses_no_value(made):
    found = read(csv(csv_rows(revision=made)))
    assert is_day(found, PLAIN)
    assert found.readings["revision"].isna().all()
    shown = made if made[0].isdigit() else "x" * len(made)
    assert f"line 2: '{shown}'" in found.findings.named("smt.revision.unreadable")[0].text
    assert read(lse(header_4=f"{made},M")).findings.names == ["smt.revision.unreadable"]


# days of change


def labelled(day, step, change):
    """Return the rows of a day in intervals of any length, with labels of local time or of SMT, or elapsed ends."""
    rows = [(m, m + step) for m in range(0, 1440, step)]
    if day == SPRING:
        rows = [(s, e) for s, e in rows if not 120 <= s < 180]
        if change == "true end":
            rows = [(s, 180 if e == 120 else e) for s, e in rows]
    if day == AUTUMN:
        again = [(m, m + step) for m in range(60, 120, step)]
        place = 120 // step
        if change == "SMT":
            again[0] = (120, 60 + step)
        if change == "true end":
            rows[place - 1] = (120 - step, 60)
        rows = rows[:place] + again + rows[place:]
    kwh = values(len(rows))
    made = "11/09/2025 00:00:00"
    return [
        f"{ID},{day:%m/%d/%Y},{made},{clock(s)},{clock(e)},{v},A,Consumption"
        for (s, e), v in zip(rows, kwh, strict=True)
    ]


@pytest.mark.parametrize("change", ["clock", "SMT", "true end"])
@pytest.mark.parametrize("step", [5, 15, 30, 60])
@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
def test_intervals_of_any_length_on_any_day(day, step, change):
    found = read(csv(labelled(day, step, change)))
    assert is_day(found, day, step=step)
    assert len(found.findings) == 0


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
def test_newest_first(day):
    found = read(csv(csv_rows(day)[::-1]))
    assert is_day(found, day)
    assert len(found.findings) == 0


@pytest.mark.parametrize(
    "arrange", [sorted, lambda rows: sorted(rows, key=lambda row: row.split(",")[3], reverse=True)]
)
def test_fall_back_day_sorted_by_label_is_reported(arrange):
    found = read(csv(arrange(csv_rows(AUTUMN))))
    assert found.findings.names == ["smt.time.repeated-hour"]
    assert sorted(found.readings["value"]) == [float(v) for v in values(100)]
    assert list(found.readings["start"]) == list(TIMES[AUTUMN, 15])


def test_fall_back_day_with_every_row_duplicated():
    found = read(csv([row for line in csv_rows(AUTUMN) for row in (line, line)]))
    assert is_day(found, AUTUMN)
    assert found.findings.names == ["smt.day.duplicate"]


@pytest.mark.parametrize(("day", "hours"), [(PLAIN, [12, 12]), (SPRING, [11, 12]), (AUTUMN, [13, 12])])
def test_half_days_have_their_elapsed_length(day, hours):
    rows = [f"{ID},{day:%m/%d/%Y},,{a},{b},1,A,Consumption" for a, b in (("00:00", "12:00"), ("12:00", "00:00"))]
    df = read(csv(rows)).readings
    assert ((df["end"] - df["start"]).dt.total_seconds() / 3600).tolist() == hours


def test_hours_without_end_times():
    rows = [f"{ID},07/06/2025,{hour:02d}:00,{hour}" for hour in range(24)]
    found = read(csv(rows, header="ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_KWH"))
    assert is_day(found, PLAIN, kwh=range(24), step=60)


# cut, and put together


@pytest.mark.parametrize("cut", ["0.09", "0.096", "0.096,", "0.096,A"])
def test_csv_truncated_within_its_last_row(cut):
    whole = csv(csv_rows())
    found = read(whole[: whole.rindex("0.096")] + cut)
    assert found.readings["value"].tolist() == [float(v) for v in values(95)]
    assert found.findings.names == ["smt.file.cut", "smt.day.incomplete"]
    assert "line 97" in found.findings[0].text


@pytest.mark.parametrize("per_row", [1, 96])
@pytest.mark.parametrize("cut", ["0", "0.09", "0.096"])
def test_lse_truncated_within_its_last_value(cut, per_row):
    whole = lse(per_row=per_row)
    found = read(whole[: whole.rindex("0.096")] + cut)
    assert found.readings["value"].tolist()[:-1] == [float(v) for v in values(95)]
    assert np.isnan(found.readings["value"].iloc[-1])
    assert found.findings.names == ["smt.file.cut", "smt.value.missing"]


def test_missing_line_end_is_not_a_truncation():
    for whole in (csv(csv_rows()), lse(), lse(trailing=False)):
        found = read(whole.rstrip("\n"))
        assert is_day(found, PLAIN)
        assert len(found.findings) == 0


@pytest.mark.parametrize("trailing", [True, False])
def test_lse_concatenated_without_a_line_end(trailing):
    second = PLAIN + dt.timedelta(days=1)
    joined = lse(trailing=trailing).rstrip("\n") + lse(second, values(96, 500), trailing=trailing)
    found = read(joined)
    assert found.readings["value"].tolist() == [float(v) for v in values(96) + values(96, 500)]
    assert found.findings.names == ["smt.lse.joined"]


@pytest.mark.parametrize("between", ["", "\ufeff", "\n\ufeff", "\n"])
def test_concatenated_csv(between):
    second = PLAIN + dt.timedelta(days=1)
    joined = csv(csv_rows()).rstrip("\n") + between + csv(csv_rows(second))
    found = read(joined)
    assert len(found.readings) == 192
    assert found.findings.names == ["smt.row.repeated-header"]


def test_csv_of_two_concatenated_layouts():
    old = [f"{ID},2012-07-06, {clock(m)}, {clock(m + 15)},.5,A" for m in range(0, 1440, 15)]
    header = "ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL"
    found = read(csv(csv_rows(), [header, *old], [HEADER, *csv_rows(SPRING)]))
    assert found.readings.groupby("usage_date")["value"].sum().tolist() == pytest.approx([48.0, 4.278, 4.656])
    assert found.findings.names == ["smt.row.repeated-header", "smt.flow.assumed"]


def test_bytes_without_an_end_of_row(monkeypatch):
    monkeypatch.setattr(text, "_LONGEST", 5000)
    with pytest.raises(LimitError, match="More than 5,000 bytes contain no line end"):
        list(text.read_pieces(io.BytesIO(b"9" * 10_000), "x.csv", lambda n: None, size=1000))


# LSE


@pytest.mark.parametrize("stop", ["20250706235900", "20250706235959", "20250707000000"])
def test_lse_of_one_minute(stop):
    found = read(lse(kwh=values(1440), stop=stop, header_2=",,,,,,60,01,,,,"))
    assert len(found.readings) == 1440
    assert len(found.findings) == 0


@pytest.mark.parametrize(("header_2", "said"), [
    (",,40,0,1,0,900,01,,,,", []), (",,,,0.5,,900,01,,,,", ["smt.lse.multiplier"]), (",,,,,7,900,01,,,,", ["smt.lse.multiplier"]),
])  # fmt: skip
def test_lse_with_a_multiplier(header_2, said):
    found = read(lse(header_2=header_2))
    assert is_day(found, PLAIN)
    assert found.findings.names == said


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lse_saved_by_a_spreadsheet(separator):
    spoiled = "1,1.04437E+16,4,2.02507E+13,2.02507E+13,Y,N\n2,,,,,,,900,1,,,,\n".replace(",", separator)
    with pytest.raises(FormatError, match=r"LSE that was saved by a spreadsheet, .* as it was delivered"):
        read(spoiled)


def test_channels_in_odd_digits():
    for found in (read(lse(channel="\u00b2")), read(csv(csv_rows(flow="\u00b2")))):
        assert found.findings.names == ["smt.flow.other"]
        assert found.readings["value"].sum() == pytest.approx(4.656)


# JSON


def api(rd, day=PLAIN, esiid=ID, **more):
    entry = {"DT": f"{day:%m/%d/%Y}", "RevTS": "11/09/2025 06:21:18", "RT": "C", "RD": rd}
    return json.dumps({"esiid": esiid, "energyData": [entry]} | more)


def slots(day):
    filled = [f"{v}-A" for v in values(INTERVALS[day])]
    empty = {92: 8, 96: 4, 100: 0}[len(filled)]
    return filled[:8] + [""] * empty + filled[8:]


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
@pytest.mark.parametrize(
    "write", [",".join, list, lambda rd: ",".join(rd) + ",", lambda rd: ",".join(filter(None, rd))]
)
def test_slots_in_every_spelling(day, write):
    found = read(api(write(slots(day)), day))
    assert is_day(found, day)
    assert len(found.findings) == 0


def test_96_slots_on_days_when_clocks_change():
    clocked = [f"{v}-A" for v in values(96)]
    found = read(api(",".join([*clocked[:8], "", "", "", "", *clocked[12:]]), SPRING))
    assert is_day(found, SPRING, values(8) + values(84, 12))
    found = read(api(",".join(clocked), AUTUMN))
    assert list(found.readings["start"]) == [*TIMES[AUTUMN, 15][:8], *TIMES[AUTUMN, 15][12:]]
    assert found.findings.names == ["smt.time.repeated-hour", "smt.day.incomplete"]


@pytest.mark.parametrize(
    "rd",
    [
        "",
        None,
        ",".join(f"{v}-A" for v in values(24)),
        ",".join(f"{v}-A" for v in values(101)),
        ",".join([*["1-A"] * 8, "", "", "", "", *["1-A"] * 84]),
    ],
)
def test_slots_that_may_be_truncated_are_reported(rd):
    assert "smt.api.slots" in read(api(rd)).findings.named("smt.api").names


@pytest.mark.parametrize("esiid", [int(ID), [ID], f"'{ID}"])
def test_esi_id_in_every_spelling(esiid):
    assert read(api(",".join(slots(PLAIN)), esiid=esiid)).readings["meter"].unique().tolist() == [ID]


def test_rounded_esi_id_is_refused():
    with pytest.raises(FormatError, match=r"1.0089e\+21 to a number"):
        read(api("1-A", esiid=1.0089e21))


def test_message_beside_data_is_not_an_error():
    found = read(api(",".join(slots(PLAIN)), errorCode="0", errorMessage="Success"))
    assert is_day(found, PLAIN)


@pytest.mark.parametrize("body", [
    '{"esiid":' + "1" * 5000 + ',"energyData":[]}', "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900,
])  # fmt: skip
def test_hostile_json(body):
    with pytest.raises(FormatError):
        read(body)


def test_comma_after_a_document():
    assert is_day(read(api(",".join(slots(PLAIN))) + ",\n"), PLAIN)


# register reads and bills


def test_columns_with_names_of_the_frame():
    found = read("esiid,meter,code,date,reading,unit,source\n1,M-7,x,07/06/2025,100,CCF,abc\n").registers
    row = found.iloc[0]
    assert (row["meter"], row["unit"], row["source"], row["end_reading"]) == ("1", "kWh", "bytes", 100.0)
    assert (row["meter (file)"], row["unit (file)"], row["source (file)"], row["code"]) == ("M-7", "CCF", "abc", "x")
    bill = {"startdate": "01/01/2025", "enddate": "02/01/2025", "actl_kwh_usg": "1,000", "meter": "x", "channel": 1}
    bill = read(json.dumps({"esiid": ID, "monthlyData": [bill]})).bills.iloc[0]
    assert (bill["meter"], bill["value"], bill["meter (file)"], bill["channel"]) == (ID, 1000.0, "x", "1")


def test_registers_of_another_country():
    found = read("ESIID;READ_DATE;START_READING;END_READING;KWH\n1;06.07.2025;24.002,915;24.038,915;36,5\n")
    row = found.registers.iloc[0]
    assert (row["start_reading"], row["end_reading"], row["value"]) == (24002.915, 24038.915, 36.5)
    assert str(row["usage_date"])[:10] == "2025-07-06"


def test_registers_with_the_day_first_are_refused():
    with pytest.raises(FormatError, match="line 2: The date 13/07/2025 has its day before its month"):
        read("ESIID,READ_DATE,KWH\n1,13/07/2025,10\n")


@pytest.mark.parametrize(("second", "said"), [("110,10", "smt.day.duplicate"), ("110,11", "smt.day.conflict")])
def test_duplicate_register_read(second, said):
    found = read(f"ESIID,READ_DATE,END_READING,KWH\n1,07/06/2025,110,10\n1,07/06/2025,{second}\n")
    assert len(found.registers) == 1
    assert found.registers["value"].iloc[0] == float(second.split(",")[1])
    assert "first 2025-07-06 of 1 delivered" in found.findings.named(said)[0].text


def test_register_cells_that_are_not_numbers():
    found = read("ESIID,READ_DATE,REVISION_DATE,END_READING,KWH\n1,07/06/2025,soon,110,NULL\n1,07/07/2025,,12")
    assert len(found.registers) == 1
    assert found.registers["value"].isna().all()
    assert found.findings.names == ["smt.revision.unreadable", "smt.file.cut", "smt.file.other-reads"]
    body = {"registeredReads": [{"readDate": "07/06/2025", "startReading": "abc", "endReading": "24,038.915"}]}
    found = read(json.dumps(body | {"esiid": ID}))
    assert found.registers["end_reading"].tolist() == [24038.915]
    assert "'xxx'" in found.findings.named("smt.value.unreadable")[0].text
