"""The edge cases of Smart Meter Texas files, one test (or more) for each, numbered as in the format notes."""

import datetime as dt
import gzip
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from smt_files import AUTUMN, HEADER, ID, LONG_ID, PLAIN, SPRING, csv, csv_rows, lse, read, values

import greenkit
from greenkit import samples
from greenkit.errors import DecryptError, FormatError
from greenkit.times import interval_starts, to_times

QUARTER = pd.Timedelta(minutes=15)


def starts(day):
    return to_times(interval_starts(day, "America/Chicago", 900), "America/Chicago")


def is_whole(df, day, kwh=None):
    """The frame holds each interval of the day once, in order, with the values as they stood in the file."""
    expected = [float(v) for v in (kwh or values(len(starts(day))))]
    assert list(df["start"]) == list(starts(day))
    assert ((df["end"] - df["start"]) == QUARTER).all()
    assert df["value"].tolist() == expected
    return True


# 1 to 3: ESI IDs


@pytest.mark.parametrize("cell", [f"'{ID}", f'="{ID}"', f'"=""{ID}"""', f" {ID} ", f'"{ID}"', ID, f'"\'{ID}"'])
def test_01_id_with_apostrophe_and_spaces_is_read(cell):
    df = read(csv(csv_rows(meter=cell))).readings
    assert df["meter"].unique().tolist() == [ID]
    assert is_whole(df, PLAIN)


@pytest.mark.parametrize("cell", ["1.0089E+21", "1.04437E+16", "1,0089E+21", "10443720000000000.0"])
def test_02_id_rounded_by_a_spreadsheet_is_refused(cell):
    with pytest.raises(
        FormatError, match=r"line 2: A spreadsheet converted the ESI ID .* to a number.* Export the file again"
    ):
        read(csv(csv_rows(meter=f'"{cell}"')))


def test_03_long_id_keeps_every_digit():
    assert read(csv(csv_rows(meter=f"'{LONG_ID}"))).readings["meter"].unique().tolist() == [LONG_ID]


# 4 to 7: labels


def test_04_last_row_ends_at_midnight():
    df = read(csv(csv_rows())).readings
    assert df["end"].iloc[-1] == pd.Timestamp("2025-07-07", tz="America/Chicago")


def test_05_mislabeled_row_of_a_fall_back_day_is_placed():
    lines = csv_rows(AUTUMN)
    assert ",02:00,01:15," in lines[8]
    df = read(csv(lines)).readings
    assert is_whole(df, AUTUMN)
    assert str(df["start"].iloc[8]) == "2025-11-02 01:00:00-06:00"


def test_06_blank_rows_of_a_spring_forward_day_are_left_out():
    found = read(csv(csv_rows(SPRING)))
    assert is_whole(found.readings, SPRING)
    assert len(found.findings) == 0


def test_07_other_blank_is_missing():
    kwh = values(96)
    kwh[56] = ""
    found = read(csv(csv_rows(kwh=kwh)))
    row = found.readings.iloc[56]
    assert np.isnan(row["value"])
    assert row["quality"] == "missing"
    assert len(found.readings) == 96
    assert found.findings.named("smt.value.missing")[0].evidence["count"] == 1


# 8 to 10: how cells are written


def test_08_numbers():
    kwh = [".145", "0.544", "840.480", "1.05", "-.5", "0", "1e-3", '"1,234.5"', *values(88)]
    expected = [0.145, 0.544, 840.48, 1.05, -0.5, 0.0, 0.001, 1234.5]
    assert read(csv(csv_rows(kwh=kwh))).readings["value"].tolist()[:8] == expected


def test_09_leading_spaces():
    lines = [line.replace(",00:", ", 00:").replace(",0.0", ", 0.0") for line in csv_rows()]
    assert ", 00:00, 00:15, 0.001" in lines[0]
    assert is_whole(read(csv(lines)).readings, PLAIN)


def test_10_saved_again_by_a_spreadsheet():
    lines = [line.replace(",0", ",").replace("/0", "/") for line in csv_rows(revision="07/07/2025 6:22")]
    assert lines[0].startswith(f"'{ID},7/6/2025,7/7/2025 6:22,0:00,0:15,.001")
    df = read(csv(lines)).readings
    assert is_whole(df, PLAIN)
    assert str(df["revision"].iloc[0]) == "2025-07-07 06:22:00-05:00"


# 11 and 12: how files are put together


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_11_encodings_and_line_ends(encoding, newline):
    text = csv(csv_rows(), newline=newline) + newline * 2
    assert is_whole(read(text.encode(encoding)).readings, PLAIN)


def test_11_repeated_header_blank_lines_and_trailing_spaces():
    second = csv_rows(PLAIN + dt.timedelta(days=1))
    text = csv(csv_rows(), ["", "  "], [HEADER], [line + "  " for line in second])
    found = read(text)
    assert len(found.readings) == 192
    assert "smt.row.repeated-header" in found.findings.names


@pytest.mark.parametrize("surplus", ["Surplus Generation", "SurplusGeneration", "SURPLUS_GENERATION", "Generation"])
@pytest.mark.parametrize("interleaved", [True, False])
def test_12_flows(surplus, interleaved):
    load, made = csv_rows(), csv_rows(kwh=values(96, 500), flow=surplus)
    lines = [line for pair in zip(load, made, strict=True) for line in pair] if interleaved else load + made
    df = read(csv(lines)).readings
    parts = {flow: part.reset_index(drop=True) for flow, part in df.groupby("flow", observed=True)}
    assert is_whole(parts["delivered"], PLAIN)
    assert is_whole(parts["received"], PLAIN, values(96, 500))
    assert parts["delivered"]["series"].unique().tolist() == ["4"]
    assert parts["received"]["series"].unique().tolist() == ["1"]


def test_12_only_generation():
    df = read(csv(csv_rows(flow="Surplus Generation"))).readings
    assert df["flow"].unique().tolist() == ["received"]


# 13 to 17: estimates and revisions


def test_13_estimates():
    lines = csv_rows()
    lines[5] = lines[5].replace(",A,", ",E,")
    df = read(csv(lines)).readings
    assert df["quality"].tolist() == ["actual"] * 5 + ["estimated"] + ["actual"] * 90
    assert df["quality_code"].tolist() == ["A"] * 5 + ["E"] + ["A"] * 90


def test_14_no_revision():
    empty = read(csv(csv_rows(revision=""))).readings
    assert empty["revision"].isna().all()
    header = HEADER.replace("REVISION_DATE,", "")
    older = csv([line.replace(",07/07/2025 09:40:14", "") for line in csv_rows()], header=header)
    newer = csv([line.replace(",07/07/2025 09:40:14", "") for line in csv_rows(kwh=values(96, 300))], header=header)
    found = read([older.encode(), newer.encode()])
    assert is_whole(found.readings, PLAIN, values(96, 300))
    assert "smt.day.conflict" in found.findings.names


@pytest.mark.parametrize("revision", ["07/06/2025 10:21:11", "07/09/2025 23:59:59"])
def test_15_revision_on_the_day_or_days_later(revision):
    df = read(csv(csv_rows(revision=revision))).readings
    assert is_whole(df, PLAIN)
    assert df["revision"].iloc[0] == pd.Timestamp(revision, tz="America/Chicago")


@pytest.mark.parametrize("newest_first", [True, False])
def test_16_all_versions_in_one_file(newest_first):
    old = csv_rows(kwh=values(96, 500), revision="07/07/2025 09:00:00", status="E")
    new = csv_rows(revision="07/08/2025 09:00:00")
    text = csv(new, old) if newest_first else csv(old, new)
    found = read(text)
    assert is_whole(found.readings, PLAIN)
    assert found.findings.names == ["smt.day.replaced"]
    both = read(text, revisions="all").readings
    assert len(both) == 192
    assert both["revision"].nunique() == 2
    assert both["start"].is_monotonic_increasing


def test_16_newest_revision_replaces_the_complete_day():
    old = csv_rows(kwh=values(96, 500), revision="07/07/2025 09:00:00")
    new = csv_rows(revision="07/08/2025 09:00:00")[:40]
    found = read(csv(old, new))
    assert found.readings["value"].tolist() == [float(v) for v in values(40)]
    assert found.findings.names == ["smt.day.shortened", "smt.day.incomplete"]


def test_17_overlapping_exports(tmp_path):
    second = PLAIN + dt.timedelta(days=1)
    third = PLAIN + dt.timedelta(days=2)
    (tmp_path / "IntervalData.csv").write_text(csv(csv_rows(), csv_rows(second)))
    (tmp_path / "IntervalData (3).csv").write_text(csv(csv_rows(second), csv_rows(third)))
    found = read(tmp_path)
    assert len(found.readings) == 3 * 96
    assert not found.readings["start"].duplicated().any()
    assert found.findings.names == ["smt.day.duplicate"]


# 18 and 19: what a file covers


def test_18_partial_days_are_placed_by_label():
    for lines in (csv_rows()[:40], csv_rows()[40:], csv_rows()[:10] + csv_rows()[20:30]):
        found = read(csv(lines))
        minutes = [int(line.split(",")[3][:2]) * 60 + int(line.split(",")[3][3:]) for line in lines]
        midnight = pd.Timestamp("2025-07-06", tz="America/Chicago")
        assert found.readings["start"].tolist() == [midnight + pd.Timedelta(minutes=m) for m in minutes]
        assert found.findings.names == ["smt.day.incomplete"]


def test_18_partial_fall_back_day_is_placed_by_row_order_and_reported():
    lines = csv_rows(AUTUMN)
    found = read(csv(lines[:20]))
    assert found.readings["start"].tolist() == list(starts(AUTUMN)[:20])
    assert found.findings.names == ["smt.time.repeated-hour", "smt.day.incomplete"]
    late = read(csv(lines[8:])).readings
    assert late["start"].tolist() == list(starts(AUTUMN)[8:])


def test_19_several_meters():
    other = "10000000000000025"
    df = read(csv(csv_rows(), csv_rows(meter=f"'{LONG_ID}"), csv_rows(meter=other))).readings
    assert df["meter"].cat.categories.tolist() == sorted([ID, LONG_ID, other])
    assert (df.groupby("meter", observed=True)["value"].sum().round(3) == 4.656).all()


# 20: JSON


def energy(day, slots, **more):
    entry = {"DT": f"{day:%m/%d/%Y}", "RevTS": "07/07/2025 06:21:18", "RT": "C", "RD": ",".join(slots), **more}
    return {"trans_id": "1", "esiid": ID, "energyData": [entry]}


def in_slots(day):
    kwh = [f"{v}-A" for v in values(len(starts(day)))]
    if day == PLAIN:
        return kwh[:8] + [""] * 4 + kwh[8:]
    return kwh if day == AUTUMN else kwh[:8] + [""] * 8 + kwh[8:]


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
@pytest.mark.parametrize("wrapped", [True, False])
def test_20_hundred_slots(day, wrapped):
    doc = energy(day, in_slots(day))
    found = read(json.dumps({"data": doc} if wrapped else doc))
    assert is_whole(found.readings, day)
    assert len(found.findings) == 0
    assert str(found.readings["revision"].iloc[0]) == "2025-07-07 06:21:18-05:00"


def test_20_tokens():
    slots = in_slots(PLAIN)
    slots[0], slots[1], slots[2], slots[3] = "0.5", "-0.25-A", "", "0.75-E"
    df = read(json.dumps(energy(PLAIN, slots))).readings
    assert df["value"].tolist()[:4] == pytest.approx([0.5, -0.25, np.nan, 0.75], nan_ok=True)
    assert df["quality"].tolist()[:4] == ["other", "actual", "missing", "estimated"]
    assert len(df) == 96


def test_20_surplus_generation():
    df = read(json.dumps(energy(PLAIN, in_slots(PLAIN), RT="G"))).readings
    assert df[["flow", "series"]].drop_duplicates().to_numpy().tolist() == [["received", "1"]]


# 21 to 29: LSE


def test_21_records_and_channels():
    text = lse() + lse(channel="1", kwh=values(96, 500)) + lse(channel="3") + lse(meter=LONG_ID)
    found = read(text)
    keys = found.readings[["meter", "flow", "series"]].drop_duplicates().to_numpy().tolist()
    assert keys == [
        [LONG_ID, "delivered", "4"],
        [ID, "channel 3", "3"],
        [ID, "delivered", "4"],
        [ID, "received", "1"],
    ]
    assert found.findings.names == ["smt.flow.other"]


@pytest.mark.parametrize("per_row", [1, 4, 7, 24, 96])
@pytest.mark.parametrize("trailing", [True, False])
@pytest.mark.parametrize("extra", ["", ","])
def test_22_triplets_in_a_row(per_row, trailing, extra):
    text = lse(per_row=per_row, trailing=trailing)
    lines = [line + extra if line.startswith("1") else line for line in text.splitlines()]
    found = read("\n".join(lines))
    assert is_whole(found.readings, PLAIN)
    assert len(found.findings) == 0


def test_22_status_may_be_the_last_field():
    lines = [line.rstrip(",") if line.startswith("1") else line for line in lse(per_row=5).splitlines()]
    assert is_whole(read("\n".join(lines)).readings, PLAIN)


def test_22_blank_and_explicit_times():
    assert is_whole(read(lse(time=" ")).readings, PLAIN)
    first, rest = values(4)[:2], values(4)[2:]
    row = ",".join([f"{first[0]},A,20250706000000", f"{first[1]},A,", f"{rest[0]},A,20250706120000", f"{rest[1]},A,"])
    head = "\n".join(lse().splitlines()[:4])
    df = read(f"{head}\n10000000,{row}\n").readings
    assert df["start"].dt.strftime("%H:%M").tolist() == ["00:00", "00:15", "12:00", "12:15"]


@pytest.mark.parametrize("stop", ["20250706235959", "20250706235900", "20250707000000", "20250706240000"])
def test_23_stop_times(stop):
    found = read(lse(stop=stop))
    assert is_whole(found.readings, PLAIN)
    assert len(found.findings) == 0


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_24_days_when_clocks_change(day):
    found = read(lse(day))
    assert is_whole(found.readings, day)
    assert len(found.findings) == 0


def test_24_wrong_count_on_days_when_clocks_change():
    found = read(lse(SPRING, kwh=values(96)))
    assert found.readings["start"].tolist() == list(starts(SPRING))
    assert found.findings.names == ["smt.lse.count", "smt.lse.beyond"]
    assert found.findings.named("smt.lse.beyond")[0].evidence["kwh"] == pytest.approx(0.093 + 0.094 + 0.095 + 0.096)
    found = read(lse(AUTUMN, kwh=values(96)))
    assert found.readings["start"].tolist() == list(starts(AUTUMN)[:96])
    assert found.findings.names == ["smt.lse.count", "smt.day.incomplete"]
    with pytest.raises(FormatError, match=r"96 instead of 100"):
        read(lse(AUTUMN, kwh=values(96)), strict=True)


def test_25_placeholders_and_statuses():
    text = lse().replace("0.001,A", "0,E").replace("0.002,A", ",").replace("0.003,A", "0.003,9")
    text = text.replace("0.004,A", "0.004,").replace("0.005,A", "0.005,E")
    found = read(text)
    head = found.readings.head(5)
    assert head["value"].tolist() == pytest.approx([0, np.nan, 0.003, 0.004, 0.005], nan_ok=True)
    assert head["quality"].tolist() == ["estimated", "missing", "other", "actual", "estimated"]
    assert [c if isinstance(c, str) else "" for c in head["quality_code"]] == ["E", "", "9", "", "E"]
    assert set(found.findings.names) == {"smt.value.missing", "smt.value.zero-estimated", "smt.quality.other"}


def test_25_a_day_of_nulls():
    rows = "\n".join(f"{10_000_000 + i}," + "," * 72 for i in range(4))
    found = read("\n".join(lse().splitlines()[:4]) + "\n" + rows)
    assert len(found.readings) == 96
    assert found.readings["value"].isna().all()
    assert found.readings["quality"].unique().tolist() == ["missing"]
    assert found.findings.names == ["smt.value.missing"]


@pytest.mark.parametrize("seconds", [300, 1800, 3600])
def test_26_other_intervals(seconds):
    kwh = values(86400 // seconds)
    df = read(lse(kwh=kwh, header_2=f",,,,,,{seconds},01,,,,")).readings
    assert len(df) == len(kwh)
    assert ((df["end"] - df["start"]) == pd.Timedelta(seconds=seconds)).all()


@pytest.mark.parametrize(
    "header",
    [
        {"header_2": ",,,,,,900"},
        {"header_2": ""},
        {"header_2": ",,,,,,,"},
        {"header_3": "a text, with commas, and more"},
        {"header_4": ""},
        {"header_4": ","},
    ],
)
def test_26_short_and_empty_headers(header):
    found = read(lse(**header))
    assert is_whole(found.readings, PLAIN)
    assert len(found.findings) == 0
    assert found.readings["revision"].isna().all() == ("header_4" in header)


def test_27_truncated_files():
    whole = lse(per_row=1)
    lines = whole.splitlines()
    found = read("\n".join(lines[:4]))
    assert len(found.readings) == 0
    assert found.findings.names == ["smt.lse.no-details"]

    found = read("\n".join(lines[:50]))
    assert found.readings["value"].tolist() == [float(v) for v in values(46)]
    assert found.findings.names == ["smt.lse.count", "smt.day.incomplete"]

    found = read("\n".join([*lines[4:], *whole.splitlines()]))
    assert is_whole(found.readings, PLAIN)
    orphan = found.findings.named("smt.lse.orphan")[0]
    assert orphan.evidence["count"] == 96
    assert "line 1" in orphan.text


def test_27_gap_in_the_sort_codes():
    lines = lse(per_row=1).splitlines()
    del lines[4 + 10]
    found = read("\n".join(lines))
    expected = values(96)
    del expected[10]
    assert found.readings["value"].tolist() == [float(v) for v in expected]
    assert found.readings["start"].tolist() == [t for i, t in enumerate(starts(PLAIN)) if i != 10]
    assert "smt.lse.sort-code" in found.findings.names
    assert "smt.day.incomplete" in found.findings.names
    lines = lse(per_row=4).splitlines()
    del lines[4 + 2]
    found = read("\n".join(lines))
    assert found.readings["value"].tolist() == [float(v) for i, v in enumerate(values(96)) if i // 4 != 2]
    assert found.readings["start"].tolist() == [t for i, t in enumerate(starts(PLAIN)) if i // 4 != 2]


@pytest.mark.parametrize("unit", ["02", "03", "61"])
def test_28_other_units_are_not_converted(unit):
    text = lse(header_2=f",,,,,,900,{unit},,,,")
    found = read(text)
    assert is_whole(found.readings, PLAIN)
    assert found.readings["unit"].unique().tolist() == [f"unit {unit}"]
    assert found.findings.worst.name == "smt.unit.other"
    with pytest.raises(FormatError, match="not in kWh"):
        read(text, strict=True)


@pytest.mark.parametrize("newest_first", [True, False])
def test_29_redelivered_day(newest_first):
    old, new = lse(kwh=values(96, 500), revision="20250705010203"), lse(revision="20250709010203")
    found = read(new + old if newest_first else old + new)
    assert is_whole(found.readings, PLAIN)
    assert found.findings.names == ["smt.day.replaced"]


# 30 and 31: wrappings and names


def test_30_encrypted_file_without_a_keyring_is_refused():
    message = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA...\n-----END PGP MESSAGE-----\n"
    with pytest.raises(DecryptError, match=r"encrypted with OpenPGP. Pass pgp="):
        read(message)


def test_30_archives_within_a_message():
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("IntervalMeterUsage.CSV", csv(csv_rows()))
        archive.writestr("next.lse.gz", gzip.compress(lse(PLAIN + dt.timedelta(days=1)).encode()))
    message = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA...\n-----END PGP MESSAGE-----\n"

    def decrypt(file):
        assert file.read() == message
        return io.BytesIO(inner.getvalue())

    assert len(read(message, pgp=decrypt).readings) == 192

    class Keys:
        def decrypt(self, file):
            return decrypt(file)

    assert len(read(message, pgp=Keys()).readings) == 192


@pytest.mark.parametrize(
    "name", ["999999999IntervalData20250707063000001.lse.asc", "INTERVALDATA.CSV", "data.txt", "noending"]
)
def test_31_file_names_do_not_decide_the_format(tmp_path, name):
    for text in (lse(), csv(csv_rows())):
        (tmp_path / name).write_text(text)
        df = read(tmp_path / name).readings
        assert is_whole(df, PLAIN)
        assert df["source"].unique().tolist() == [name]


# 32: see the tests of the ESPI reader; here only that the feed gets there


def test_32_green_button_of_smt_is_read_by_espi():
    feed = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><content>
      <IntervalBlock xmlns="http://naesb.org/espi"><IntervalReading>
        <timePeriod><duration>900</duration><start>1700000100</start></timePeriod><value>250</value>
      </IntervalReading></IntervalBlock>
      <ReadingType xmlns="http://naesb.org/espi"><flowDirection>1</flowDirection><uom>72</uom></ReadingType>
    </content></entry></feed>"""
    found = greenkit.open_smt([feed, csv(csv_rows()).encode()])
    assert len(found.readings) == 97
    assert 0.25 in found.readings["value"].tolist()


def test_32_same_day_as_xml_and_in_another_format():
    alone = greenkit.open_smt(samples.path("espi-smt")).readings
    lines = [
        f"{row.meter},{row.start:%m/%d/%Y},11/09/2024 08:00:00,{row.start:%H:%M},{row.end:%H:%M},{row.value},A,"
        f"{'Consumption' if row.flow == 'delivered' else 'Surplus Generation'}"
        for row in alone[alone["start"].dt.date == dt.date(2024, 11, 2)].itertuples()
    ]
    found = greenkit.open_smt([csv(lines).encode(), samples.path("espi-smt")])
    assert len(found.readings) == len(alone)
    assert found.readings["value"].sum() == pytest.approx(alone["value"].sum())
    assert found.findings.named("smt.format.twice")[0].evidence["count"] == len(lines)


# 33 and 34: values and files without data


def test_33_negative_values_are_kept():
    found = read(csv(csv_rows(kwh=["-0.5", *values(95)])))
    assert found.readings["value"].iloc[0] == -0.5
    assert found.findings.names == ["smt.value.negative"]


@pytest.mark.parametrize("text", [HEADER.encode(), csv([]).encode()])
def test_34_header_without_rows(text):
    found = read(text)
    assert len(found.readings) == 0
    assert found.findings.names == ["smt.file.empty"]
    assert str(found.readings["start"].dtype) == "datetime64[us, America/Chicago]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "The file is empty"),
        (b"\n \r\n", "The file contains only white space"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"\0\0", "The file contains only zero bytes"),
    ],
)
def test_34_empty_file(text, message):
    with pytest.raises(FormatError, match=f"{message}. Download the file again"):
        read(text)


def test_34_error_saved_as_csv(tmp_path):
    path = tmp_path / "IntervalData.csv"
    path.write_text('{"errorCode":"1","errorMessage":"No data received from the respective TDSP"}')
    with pytest.raises(
        FormatError, match=r"IntervalData.csv: .* No data received from the respective TDSP \(error 1\)"
    ):
        read(path)
    (tmp_path / "good.csv").write_text(csv(csv_rows()))
    found = read(tmp_path)
    assert is_whole(found.readings, PLAIN)
    assert found.findings.worst.name == "smt.file.error"
    assert "No data received" in found.findings.worst.text
