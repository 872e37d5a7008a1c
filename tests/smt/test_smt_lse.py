"""LSE beyond the numbered cases: time, damage, readings of header 2, pieces."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from smt_files import AUTUMN, ID, PLAIN, SPRING, lse, read, values

from greenkit.errors import FormatError
from greenkit.smt import _lse as module
from greenkit.times import interval_starts, intervals_per_day, to_times


def same(one, two):
    pd.testing.assert_frame_equal(one.drop(columns="source"), two.drop(columns="source"))


def over_days(first, n, per_row=96, stop=None, channel="4"):
    """One record of several days."""
    total = int(intervals_per_day(np.datetime64(first) + np.arange(n), "America/Chicago", 900).sum())
    last = first + dt.timedelta(days=n - 1)
    return lse(first, values(total), stop=stop or f"{last:%Y%m%d}235959", per_row=per_row, channel=channel)


@pytest.mark.parametrize("first", [PLAIN, SPRING, AUTUMN, SPRING - dt.timedelta(days=1)])
@pytest.mark.parametrize("per_row", [1, 50, 96])
def test_record_of_several_days(first, per_row):
    found = read(over_days(first, 4, per_row))
    df = found.readings
    assert len(found.findings) == 0
    assert (df["start"].diff().dropna() == pd.Timedelta(minutes=15)).all()
    assert df["start"].iloc[0] == pd.Timestamp(first, tz="America/Chicago")
    assert df["end"].iloc[-1] == pd.Timestamp(first + dt.timedelta(days=4), tz="America/Chicago")
    local = df["start"].dt.tz_localize(None).dt.normalize()
    assert (local == df["usage_date"]).all()
    assert df["value"].tolist() == [float(v) for v in values(len(df))]


def test_newer_day_replaces_its_day_of_a_long_record():
    text = over_days(PLAIN, 3) + lse(PLAIN + dt.timedelta(days=1), values(96, 5000), revision="20250801000000")
    df = read(text).readings
    assert len(df) == 3 * 96
    assert df["value"].tolist()[96:192] == [float(v) for v in values(96, 5000)]


def test_records_of_half_days_are_one_day():
    morning = lse(kwh=values(48), stop="20250706115959")
    evening = lse(kwh=values(48, 48)).replace("20250706000000,20250706235959", "20250706120000,20250706235959")
    found = read(morning + evening)
    same(found.readings, read(lse()).readings)
    assert len(found.findings) == 0


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN])
def test_standard_time_all_year(day):
    found = read(lse(day, values(96), dst="N"))
    df = found.readings
    assert df["start"].iloc[0] == pd.Timestamp(f"{day} 06:00", tz="UTC")
    assert (df["end"] - df["start"] == pd.Timedelta(minutes=15)).all()
    assert (df["usage_date"] == pd.Timestamp(day)).all()
    assert len(found.findings) == 0


def test_explicit_times_over_the_repeated_hour():
    clock = [0, 15, 30, 45, 60, 75, 90, 105, 60, 75, 90, 105, 120, 135]
    times = [f"20251102{m // 60:02d}{m % 60:02d}00" for m in clock]
    row = ",".join(f"{v},A,{t}" for v, t in zip(values(14), times, strict=True))
    head = lse(AUTUMN, stop="20251102022959").splitlines()[:4]
    found = read("\n".join([*head, f"10000000,{row}"]))
    grid = to_times(interval_starts(AUTUMN, "America/Chicago", 900), "America/Chicago")
    assert found.readings["start"].tolist() == list(grid[:14])


def test_explicit_times_that_leave_a_gap():
    text = lse(kwh=values(96), time="20250706000000").replace("20250706000000,0.003", ",0.003", 1)
    assert "smt.lse.count" not in read(text).findings.names


def test_invalid_interval_time():
    text = lse().replace("0.005,A,", "0.005,A,noon")
    found = read(text)
    assert found.readings["start"].tolist() == read(lse()).readings["start"].tolist()
    assert (
        "line 5: 'xxxx'. greenkit placed it after the previous interval" in found.findings.named("smt.lse.time")[0].text
    )


def test_blank_lines():
    found = read(lse(per_row=8).replace("\n", "\n\n"))
    same(found.readings, read(lse()).readings)
    assert found.findings.names == []


def test_blanks_quotes_and_tabs():
    text = "\n".join(" , ".join(f'"{c}"' if c else "" for c in line.split(",")) for line in lse(per_row=8).splitlines())
    same(read(text).readings, read(lse()).readings)


def test_statuses_of_more_than_a_letter():
    found = read(lse().replace("0.003,A", "0.003,Est").replace("0.004,A", "0.004,ESTIMATED"))
    assert found.readings["quality"].tolist()[2:4] == ["other", "estimated"]
    assert found.readings["quality_code"].tolist()[2:4] == ["Est", "ESTIMATED"]


def test_numbers_that_are_not_plain():
    kwh = ["1E-3", "+0.5", "-.25", "12345678901234567890", "0.1234567890123456", ".", "x", *values(89)]
    found = read(lse(kwh=kwh))
    assert found.readings["value"].tolist()[:5] == [0.001, 0.5, -0.25, 12345678901234567890.0, 0.1234567890123456]
    finding = found.findings.named("smt.value.unreadable")[0]
    assert finding.evidence["examples"] == ["bytes, line 5: '.'", "bytes, line 5: 'x'"]


def test_unknown_lines_are_reported_by_number():
    lines = lse(per_row=8).splitlines()
    lines.insert(7, "garbage, more")
    lines.insert(3, "0000")
    lines.append("EOF")
    found = read("\n".join(lines))
    same(found.readings, read(lse()).readings)
    finding = found.findings.named("smt.row.unreadable")[0]
    assert finding.evidence["examples"] == ["bytes, line 4", "bytes, line 9", "bytes, line 19"]
    with pytest.raises(FormatError, match="bytes, line 4"):
        read("\n".join(lines), strict=True)


@pytest.mark.parametrize("start", ["", "20251306000000", "yesterday"])
def test_header_without_a_start(start):
    text = lse().replace("4,20250706000000,", f"4,{start},") + lse(PLAIN + dt.timedelta(days=1))
    found = read(text)
    assert len(found.readings) == 96
    assert (
        f"line 1: header 1 of {ID} delivered, and so its 96 intervals"
        in found.findings.named("smt.row.unreadable")[0].text
    )


@pytest.mark.parametrize("stop", ["", "soon", "20250706000000", "20250705235959"])
def test_header_without_a_stop(stop):
    text = lse().replace("20250706235959", stop)
    found = read(text)
    same(found.readings, read(lse()).readings)
    assert found.findings.names == ["smt.lse.stop"]


@pytest.mark.parametrize("seconds", ["0", "x", "-900", "999999"])
def test_invalid_seconds_per_interval(seconds):
    found = read(lse(header_2=f",,,,,,{seconds},01,,,,"))
    same(found.readings, read(lse()).readings)
    assert found.findings.names == ["smt.lse.interval"]


def test_invalid_record_flag_is_reported():
    found = read(lse(flag="Y"))
    assert len(found.readings) == 96
    assert found.findings.names == ["smt.lse.invalid"]


def test_letters_in_an_id():
    assert read(lse(meter="REC-12A")).readings["meter"].unique().tolist() == ["REC-12A"]


def test_intervals_after_the_end_of_a_record():
    found = read(lse(kwh=values(99)))
    assert len(found.readings) == 96
    assert found.findings.names == ["smt.lse.count", "smt.lse.beyond"]
    assert found.findings.named("smt.lse.beyond")[0].evidence["count"] == 3


def test_meter_readings_go_to_the_registers():
    found = read(lse(header_2="100.5,104.25,1,0,1,0,900,01,,,,"))
    row = found.registers.iloc[0]
    assert (row["meter"], row["start_reading"], row["end_reading"]) == (ID, 100.5, 104.25)
    assert row["usage_date"] == pd.Timestamp("2025-07-06")
    assert len(found.readings) == 96


def test_older_standard_format_is_named():
    text = "0001" + "CUSTOMER 1          " + "1" + "0907010000" + "0907012345" + "04" + "01"
    with pytest.raises(FormatError, match=r"fixed-width Lodestar Standard format \(\.ls\)"):
        read(text)


@pytest.mark.parametrize("size", [60, 500, 3000])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_pieces_of_any_size(monkeypatch, size, newline):
    text = lse(per_row=3, newline=newline) + lse(AUTUMN, newline=newline) + lse(channel="1", newline=newline)
    whole = read(text)
    monkeypatch.setattr(module, "_PIECE", size)
    same(read(text).readings, whole.readings)


def test_line_numbers_across_pieces(monkeypatch):
    text = lse(per_row=1) + lse(channel="1", per_row=1).replace("0.090,A", "O.090,A")
    monkeypatch.setattr(module, "_PIECE", 400)
    assert "line 194" in read(text).findings.named("smt.value.unreadable")[0].text
