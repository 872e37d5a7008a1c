"""The interval CSV beyond the numbered cases: layouts, damage, and that both ways of reading agree."""

import random

import pandas as pd
import pytest
from smt_files import AUTUMN, HEADER, ID, PLAIN, SPRING, csv, csv_rows, read, values

from greenkit.errors import FormatError
from greenkit.smt import _interval_csv as interval_csv

COLUMNS = HEADER.split(",")


def same(one, two):
    pd.testing.assert_frame_equal(one.drop(columns="source"), two.drop(columns="source"))


def rearranged(text, order, header=None, delimiter=","):
    rows = [line.split(",") for line in text.splitlines()]
    rows = [header or rows[0], *rows[1:]]
    return "\n".join(delimiter.join(row[i] for i in order) for row in rows)


# layouts


def test_any_order_of_columns():
    text = csv(csv_rows(AUTUMN))
    order = list(range(8))
    random.Random(1).shuffle(order)
    same(read(rearranged(text, order)).readings, read(text).readings)


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_other_delimiters(delimiter):
    text = csv(csv_rows())
    same(read(rearranged(text, range(8), delimiter=delimiter)).readings, read(text).readings)


@pytest.mark.parametrize(
    "header",
    [
        "Esi Id,Usage Date,Revision Date,Usage Start Time,Usage End Time,Usage (kWh),Estimated/Actual,"
        "Consumption/Surplus Generation",
        "esiid,date,revision,start_time,end_time,kwh,est_act,type",
        '"ESIID" ,"USAGE_DATE", REVISION_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL,CHANNEL',
    ],
)
def test_names_of_columns(header):
    same(read(csv(csv_rows(), header=header)).readings, read(csv(csv_rows())).readings)


def test_layout_of_2012():
    lines = [
        f"{ID},2012-07-06, {line.split(',')[3]}, {line.split(',')[4]},{line.split(',')[5]},A"
        for line in csv_rows()
    ]  # fmt: skip
    header = "ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_END_TIME,USAGE_KWH,ESTIMATED_ACTUAL"
    found = read(csv(lines, header=header))
    assert found.readings["value"].tolist() == [float(v) for v in values(96)]
    assert found.readings["flow"].unique().tolist() == ["delivered"]
    assert found.readings["start"].iloc[0] == pd.Timestamp("2012-07-06", tz="America/Chicago")
    assert found.findings.names == ["smt.flow.assumed"]


def test_only_required_columns():
    lines = [",".join(line.split(",")[i] for i in (0, 1, 3, 5)) for line in csv_rows(SPRING)]
    found = read(csv(lines, header="ESIID,USAGE_DATE,USAGE_START_TIME,USAGE_KWH")).readings
    assert found["value"].tolist() == [float(v) for v in values(92)]
    assert found["quality"].unique().tolist() == ["other"]


def test_start_may_contain_the_date():
    lines = [f"{ID},{line.split(',')[1]} {line.split(',')[3]},{line.split(',')[5]}" for line in csv_rows()]
    df = read(csv(lines, header="ESIID,USAGE_START_TIME,USAGE_KWH")).readings
    assert df["start"].tolist() == read(csv(csv_rows())).readings["start"].tolist()


def test_date_and_time_of_a_start_in_separate_columns():
    lines = [f"{ID},7,07/06/2025,{c[3]},07/06/2025,{c[4]},{c[5]},{c[6]}" for c in (r.split(",") for r in csv_rows())]
    header = "ESIID,Meter Number,Start Date,Start Time,End Date,End Time,kWh,Quality"
    assert (
        read(csv(lines, header=header)).readings["start"].tolist() == read(csv(csv_rows())).readings["start"].tolist()
    )


def test_more_columns_than_known():
    lines = [f"{line},x,y" for line in csv_rows()]
    same(read(csv(lines, header=HEADER + ",METER,NOTE")).readings, read(csv(csv_rows())).readings)


def test_no_header():
    found = read("\n".join(csv_rows(AUTUMN)))
    same(found.readings, read(csv(csv_rows(AUTUMN))).readings)
    assert found.findings.names == ["smt.file.headerless"]


def test_lines_before_the_header():
    same(read("My usage\n\n" + csv(csv_rows())).readings, read(csv(csv_rows())).readings)


@pytest.mark.parametrize(
    ("start", "end"),
    [("12:00 am", "12:15 am"), ("0:00:00", "0:15:00"), ("0000", "0015"), ("0", "0.0104166667"), ("00:00", ""),
     ("00:00", "00:14"), ("00:00:00", "00:14:59")],
)  # fmt: skip
def test_clock_times(start, end):
    first = f"'{ID},07/06/2025,07/07/2025 09:40:14,{start},{end},0.001,A,Consumption"
    same(read(csv([first, *csv_rows()[1:]])).readings, read(csv(csv_rows())).readings)


def test_twelve_hour_clock_of_a_complete_day():
    def twelve(text):
        hour, minute = text.split(":")
        return f"{int(hour) % 12 or 12}:{minute} {'PM' if int(hour) >= 12 else 'AM'}"

    lines = [line.split(",") for line in csv_rows(AUTUMN)]
    lines = [",".join([*c[:3], twelve(c[3]), twelve(c[4]), *c[5:]]) for c in lines]
    same(read(csv(lines)).readings, read(csv(csv_rows(AUTUMN))).readings)


@pytest.mark.parametrize(
    "date",
    ["%m/%d/%Y", "%Y-%m-%d", "%m/%d/%y", "%Y%m%d", "%d-%b-%Y", "%Y/%m/%d", "%m-%d-%Y", "%d %B %Y", '"%b %d, %Y"'],
)
def test_dates(date):
    df = read(csv(csv_rows(date=date))).readings
    assert df["usage_date"].unique().tolist() == [pd.Timestamp("2025-07-06").to_datetime64()]


def test_repeated_hour_with_its_correct_label():
    lines = csv_rows(AUTUMN)
    lines[8] = lines[8].replace(",02:00,01:15,", ",01:00,01:15,")
    same(read(csv(lines)).readings, read(csv(csv_rows(AUTUMN))).readings)


def test_spring_forward_day_with_labels_in_the_skipped_hour():
    kwh = values(92)
    plain = [line.replace("07/06", "03/09").replace("07/07", "03/10") for line in csv_rows(kwh=[*kwh, *values(4)])]
    same(read(csv(plain[:92])).readings, read(csv(csv_rows(SPRING))).readings)


def test_value_in_the_skipped_hour_is_left_out_and_reported():
    lines = csv_rows(SPRING)
    lines[9] = lines[9].replace(",,,", ",0.75,A,")
    found = read(csv(lines))
    same(found.readings, read(csv(csv_rows(SPRING))).readings)
    assert found.findings.worst.name == "smt.time.skipped-hour"
    assert found.findings.worst.evidence["kwh"] == 0.75


def test_day_several_times_in_a_row():
    for day in (PLAIN, SPRING, AUTUMN):
        found = read(csv(csv_rows(day), csv_rows(day), csv_rows(day)))
        same(found.readings, read(csv(csv_rows(day))).readings)
        assert found.findings.names == ["smt.day.duplicate"]


def test_same_revision_and_other_values():
    found = read(csv(csv_rows(), csv_rows(kwh=["9", *values(96)[1:]])))
    assert found.readings["value"].tolist()[:2] == [9.0, 0.002]
    assert found.findings.names == ["smt.day.conflict"]
    found = read(csv(csv_rows(), csv_rows(kwh=["", *values(96)[1:]])))
    assert found.readings["value"].iloc[0] == 0.001  # a blank replaces nothing


@pytest.mark.parametrize("cut", [3, 8, 50])
def test_two_halves_of_one_revision_are_one_day(cut):
    lines = csv_rows(AUTUMN)
    halves = [csv(lines[:cut]).encode(), csv(lines[cut:]).encode()]
    same(read(halves).readings, read(csv(lines)).readings)


def test_file_that_begins_in_the_repeated_hour_is_reported():
    lines = csv_rows(AUTUMN)
    found = read([csv(lines[:9]).encode(), csv(lines[9:]).encode()])
    assert {"smt.time.repeated-hour", "smt.day.conflict", "smt.day.incomplete"} <= set(found.findings.names)


# damage


def test_rows_that_cannot_be_read_are_named_by_line():
    lines = csv_rows()
    lines[3] = lines[3].replace("07/06/2025", "13/45/2025", 1)
    lines[7] = "Total,,,,,12.5,,"
    lines[9] = f"'{ID},07/06/2025"
    found = read(csv(lines))
    assert len(found.readings) == 93
    finding = found.findings.named("smt.row.unreadable")[0]
    assert finding.severity == "serious"
    assert finding.evidence["count"] == 3
    assert finding.evidence["examples"] == [
        "bytes, line 5: USAGE_DATE is '13/45/2025'",
        "bytes, line 9: ESIID is 'xxxxx'",
        "bytes, line 11: 2 columns instead of 8",
    ]
    with pytest.raises(FormatError, match=r"bytes, line 5: .*USAGE_DATE"):
        read(csv(lines), strict=True)


def test_letters_instead_of_a_number():
    found = read(csv(csv_rows(kwh=["O.5", "inf", "nan", "1_0", *values(92)])))
    assert found.readings["value"].isna().tolist()[:5] == [True, True, True, True, False]
    finding = found.findings.named("smt.value.unreadable")[0]
    assert finding.evidence["count"] == 3
    assert finding.evidence["examples"][0] == "bytes, line 2: 'O.5'"
    assert len(found.readings) == 96


def test_extra_commas_and_garbage_at_the_end():
    lines = [line + ",,," for line in csv_rows()]
    found = read(csv(lines, ["-- end of report --", "(96 rows)"]))
    same(found.readings, read(csv(csv_rows())).readings)
    assert found.findings.named("smt.row.unreadable")[0].evidence["count"] == 2
    assert len(read(csv(csv_rows()) + "\x1a").findings) == 0


def test_dates_with_the_day_first_are_refused():
    lines = [line.replace("07/06/2025", "13/07/2025", 1) for line in csv_rows()]
    with pytest.raises(
        FormatError, match=r"line 2: The date 13/07/2025 has its day before its month.* Export the file again"
    ):
        read(csv(lines))


@pytest.mark.parametrize("place", [0, 50, 95])
@pytest.mark.parametrize("column", [0, 3, 5, 7])
def test_stray_quote_loses_one_row_at_most(place, column):
    lines = csv_rows()
    cells = lines[place].split(",")
    cells[column] = '"' + cells[column]
    lines[place] = ",".join(cells)
    found = read(csv(lines, csv_rows(flow="Surplus Generation")))
    assert len(found.readings) in (191, 192)
    assert len(found.readings) == 192 or "smt.row.unreadable" in found.findings.names


def test_quotes_that_span_two_lines():
    lines = csv_rows()
    lines[3] = lines[3].replace(",Consumption", ',"Consumption')
    lines[4] = lines[4].replace(",Consumption", ',Consumption"')
    found = read(csv(lines))
    assert len(found.readings) == 96
    assert found.readings["flow"].value_counts()["delivered"] >= 95


def test_masked_ids_are_kept_and_words_are_not():
    assert read(csv(csv_rows(meter="104437XXXXXXX0001"))).readings["meter"].unique().tolist() == ["104437XXXXXXX0001"]
    found = read(csv(csv_rows(), csv_rows(meter="Total")))
    assert found.readings["meter"].unique().tolist() == [ID]
    assert found.findings.named("smt.row.unreadable")[0].evidence["count"] == 96


def test_file_truncated_in_the_middle_of_a_row():
    found = read(csv(csv_rows())[:-40])
    assert len(found.readings) == 95
    assert found.findings.names == ["smt.file.cut", "smt.day.incomplete"]


def test_channel_that_smt_does_not_define():
    found = read(csv(csv_rows(flow="Net")))
    assert found.readings[["flow", "series"]].drop_duplicates().to_numpy().tolist() == [["net", "Net"]]
    assert found.findings.names == ["smt.flow.other"]


# both ways of reading, and pieces


def fallback(monkeypatch):
    def never(*_):
        raise interval_csv._DoesNotFit

    monkeypatch.setattr(interval_csv._Columns, "_in_bulk", never)


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
def test_reading_row_by_row_returns_the_same_frame(monkeypatch, day):
    kwh = values({PLAIN: 96, SPRING: 92, AUTUMN: 100}[day])
    kwh[20] = ""
    text = csv(csv_rows(day, kwh), csv_rows(day, revision="", flow="Surplus Generation"), [HEADER])
    bulk = read(text)
    fallback(monkeypatch)
    rows = read(text)
    same(rows.readings, bulk.readings)
    assert [f.as_dict() for f in rows.findings] == [f.as_dict() for f in bulk.findings]


@pytest.mark.parametrize("size", [700, 5000, 12_345])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_pieces_of_any_size(monkeypatch, size, newline):
    text = csv(csv_rows(AUTUMN), csv_rows(SPRING), csv_rows(flow="Surplus Generation"), newline=newline)
    whole = read(text)
    read_pieces = interval_csv.read_pieces
    monkeypatch.setattr(interval_csv, "read_pieces", lambda *args: read_pieces(*args, size=size))
    cut = read(text)
    same(cut.readings, whole.readings)
    assert cut.findings.names == whole.findings.names


def test_line_numbers_across_pieces(monkeypatch):
    lines = csv_rows()
    lines[90] = "garbage"
    read_pieces = interval_csv.read_pieces
    monkeypatch.setattr(interval_csv, "read_pieces", lambda *args: read_pieces(*args, size=1000))
    finding = read(csv(lines)).findings.named("smt.row.unreadable")[0]
    assert "line 92" in finding.text
