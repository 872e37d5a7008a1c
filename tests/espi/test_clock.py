"""Zones, epochs and days of change (espi-quirks D): UTC instants worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from build import CENTRAL, EASTERN, PACIFIC, block, hourly, reading, utc, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit.espi import _clock as clock
from greenkit.espi import load_espi
from greenkit.findings import GreenkitWarning, quiet


def instants(df):
    return df["start"].dt.tz_convert("UTC").dt.strftime("%m-%d %H:%M").tolist()


def days(first, count, per=24, seconds=3600, offset=lambda d: 0):
    """Blocks of one day each, from midnight UTC of `first` on, shifted by offset(day) hours."""
    return [
        block(hourly(utc(first) + d * 86400 + offset(d) * 3600, range(per), seconds), utc(first) + d * 86400, 86400)
        for d in range(count)
    ]


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        (EASTERN, "America/New_York"), (CENTRAL, "America/Chicago"), (PACIFIC, "America/Los_Angeles"),
        (EASTERN | {"tzOffset": -25200}, "America/Denver"), (EASTERN | {"tzOffset": -12600}, "America/St_Johns"),
        (EASTERN | {"tzOffset": -14400}, "America/Halifax"), (EASTERN | {"tzOffset": -32400}, "America/Anchorage"),
        ({"tzOffset": -25200, "dstOffset": 0, "dstStartRule": "FFFFFFFF", "dstEndRule": "FFFFFFFF"}, "America/Phoenix"),
        ({"tzOffset": -36000, "dstOffset": 0, "dstStartRule": "FFFFFFFF", "dstEndRule": "FFFFFFFF"}, "Pacific/Honolulu"),
        (PACIFIC | {"dstStartRule": "360E2003", "dstEndRule": "B40E2001"}, "America/Los_Angeles"),
        ({"tzOffset": -25200, "dstOffset": 0, "dstStartRule": "", "dstEndRule": ""}, "America/Phoenix"),
        ({"tzOffset": -25200, "dstOffset": 0, "dstStartRule": "00000000", "dstEndRule": "00000000"}, "America/Phoenix"),
        ({"tzOffset": 28800, "dstOffset": 0, "dstStartRule": "FFFFFFFF", "dstEndRule": "FFFFFFFF"}, "Etc/GMT-8"),
        (EASTERN | {"dstStartRule": "328e2000", "dstEndRule": "b21e2000"}, "America/New_York"),
        ({"tzOffset": 3600, "dstOffset": 3600, "dstStartRule": "3E0E2000", "dstEndRule": "AE0E3000"}, "Europe/Berlin"),
    ],
)  # fmt: skip
def test_zone_from_offset_and_rules(opened, local, zone):  # D1
    found = opened(whole(block(hourly(utc("2024-01-05 08:00"), [1])), local=local))
    assert str(found.readings["start"].dt.tz) == zone
    assert not found.findings.named("espi.time")


def test_rules_decode_by_their_bits():
    third_friday = clock.dst_rule("380A1A8C")  # the schema's own example, 01:45 on the third Friday of March
    assert third_friday is not None
    assert (third_friday.date(2024).isoformat(), third_friday.hour, third_friday.second) == ("2024-03-15", 1, 2700)
    assert clock.dst_rule("FFFFFFFF") is None
    assert clock.dst_rule("CE0E2000").date(2024).isoformat() == "2024-12-29"  # the last Sunday of December
    for bad in ("B60E", "30", "", None, "000E2000", "ZZZZZZZZ", "F60E2000"):
        with pytest.raises(ValueError, match=r"DstRuleType|no day|month"):
            clock.dst_rule(bad)


@pytest.mark.parametrize(
    ("local", "zone", "finding"),
    [
        (PACIFIC | {"tzOffset": 28800}, "America/Los_Angeles", "espi.time.offset-sign"),
        (EASTERN | {"tzOffset": 18000}, "America/New_York", "espi.time.offset-sign"),
        (EASTERN | {"tzOffset": 0}, "UTC", "espi.time.no-such-zone"),
        ({"tzOffset": "", "dstOffset": "", "dstStartRule": "", "dstEndRule": ""}, "UTC", "espi.time.no-zone"),
        (EASTERN | {"dstOffset": -18000}, "America/New_York", "espi.time.dst-offset"),
        (PACIFIC | {"dstStartRule": "B60E", "dstEndRule": "B40E"}, "America/Los_Angeles", "espi.time.rules-undecodable"),
        (EASTERN | {"dstStartRule": "30", "dstEndRule": "30"}, "America/New_York", "espi.time.rules-undecodable"),
        (None, "UTC", "espi.time.no-zone"),
        (EASTERN | {"tzOffset": -25200, "dstOffset": 0}, "America/Phoenix", "espi.time.dst-offset"),
        ({"tzOffset": -18000}, "America/New_York", "espi.time.rules-undecodable"),
        ({"tzOffset": -36000}, "Pacific/Honolulu", "espi.time.rules-undecodable"),
        ({"tzOffset": 18000}, "America/New_York", "espi.time.offset-sign"),
        ({"tzOffset": -10800}, "Etc/GMT+3", "espi.time.rules-undecodable"),
        ({"tzOffset": 0, "dstOffset": "", "dstStartRule": "", "dstEndRule": ""}, "UTC", "espi.time.no-zone"),
    ],
)  # fmt: skip
def test_wrong_local_time_parameters(opened, local, zone, finding):  # D5, D6
    found = opened(whole(block(hourly(utc("2024-07-05 08:00"), [1])), local=local))
    assert str(found.readings["start"].dt.tz) == zone
    assert finding in found.findings.names
    assert len(found.findings.named("espi.time")) == 1 + (local == {"tzOffset": 18000})


def test_tz_wins_over_the_feed(opened):
    found = opened(whole(block(hourly(utc("2024-01-05 08:00"), [1]))), tz="America/Denver")
    assert found.readings["start"].iloc[0] == pd.Timestamp("2024-01-05 01:00", tz="America/Denver")
    with pytest.raises(ValueError, match="IANA"):
        opened(whole(), tz="Mountain")
    with pytest.raises(ValueError, match="'utc', 'local', 'standard'"):
        opened(whole(), epoch="wall")


def test_utc_epochs_raise_no_suspicion(opened):  # D1: local midnight is 08:00Z in winter, 07:00Z in summer
    winter, summer = days("2024-01-05 08:00", 3), days("2024-07-05 07:00", 3)
    found = opened(whole(*winter, *summer, local=PACIFIC))
    assert found.findings.names == []
    assert found.readings["start"].dt.hour.iloc[0] == 0


# 2024-03-10 has no 02:00; the wall clock leaves a hole. 2024-11-03 has 01:00 twice; the wall clock has it once.
SPRING = hourly(utc("2024-03-10 00:00"), [0, 1]) + hourly(utc("2024-03-10 03:00"), range(3, 24))


def test_local_time_stored_as_utc(opened):  # D2
    feed = whole(block(SPRING), *days("2024-11-02", 3), local=EASTERN)
    found = opened(feed)
    assert found.findings.named("espi.time.local-as-utc")[0].severity == "serious"
    assert instants(found.readings)[0] == "03-10 00:00"  # believed until told
    right = opened(feed, epoch="local")
    assert not right.findings.named("espi.time.local-as-utc")
    spring = right.readings[right.readings["start"] < "2024-06-01"]
    assert instants(spring)[:4] == ["03-10 05:00", "03-10 06:00", "03-10 07:00", "03-10 08:00"]
    autumn = right.readings[right.readings["start"] > "2024-06-01"]
    hours = instants(autumn)[24:48]
    assert hours[:3] == ["11-03 04:00", "11-03 05:00", "11-03 07:00"]  # the second 01:00 is not in the feed
    assert hours[-1] == "11-04 04:00"
    assert autumn["value"].sum() == pytest.approx(3 * sum(range(24)) / 1000)


def test_local_time_with_a_repeated_hour(opened):
    first, rest = hourly(utc("2024-11-03 00:00"), [0, 1]), hourly(utc("2024-11-03 01:00"), range(2, 25))
    right = opened(whole(block(first + rest)), epoch="local")
    assert instants(right.readings)[:4] == ["11-03 04:00", "11-03 05:00", "11-03 06:00", "11-03 07:00"]
    assert right.readings["start"].is_unique


def test_daily_readings_in_local_time_have_the_length_of_their_day(opened):
    daily = hourly(utc("2024-11-02 00:00"), [1, 2, 3], 86400)
    right = opened(whole(block(daily), intervalLength=86400), epoch="local")
    assert (right.readings["end"] - right.readings["start"]).dt.total_seconds().tolist() == [86400, 90000, 86400]


@pytest.mark.parametrize(("local", "severity"), [(EASTERN | {"tzOffset": 0}, "serious"), (None, "serious")])
def test_local_time_is_suspected_without_a_zone(opened, local, severity):  # D2: SDG&E 2019, Texas 2011
    found = opened(whole(*days("2024-07-05", 4), local=local))
    finding = found.findings.named("espi.time.local-as-utc")[0]
    assert finding.severity == severity
    assert "tz=" in finding.what_to_do
    assert "epoch='local'" in finding.what_to_do


def test_standard_time_stored_as_utc(opened):  # D3: days begin at 23:00Z in summer, 00:00Z in winter
    feed = whole(*days("2024-07-05", 3, offset=lambda d: -1), *days("2024-12-05", 3), local=CENTRAL)
    assert "epoch='standard'" in opened(feed).findings.named("espi.time.standard-as-utc")[0].what_to_do
    right = opened(feed, epoch="standard").readings
    assert instants(right)[0] == "07-05 05:00"
    assert instants(right)[72] == "12-05 06:00"
    assert set(right["start"].dt.hour[::24]) == {0}


def test_epochs_of_another_zone(opened):  # D4: Eastern midnights of a Pacific customer
    found = opened(whole(*days("2024-01-05 05:00", 3), *days("2024-07-05 04:00", 3), local=PACIFIC))
    assert found.findings.named("espi.time.other-zone")[0].evidence["other"] == "America/New_York"


def test_starts_one_second_late_are_floored(opened):  # D7
    found = opened(whole(block(hourly(utc("2024-01-05 05:00:01"), [1, 2]))))
    assert instants(found.readings) == ["01-05 05:00", "01-05 06:00"]
    assert found.findings.named("espi.time.late-second")[0].evidence["count"] == 2


def test_one_start_of_many_a_second_late_is_left(opened):
    found = opened(whole(block(reading(utc("2024-01-05 05:00"), 1) + reading(utc("2024-01-05 06:00:01"), 1))))
    assert found.readings["start"].dt.second.tolist() == [0, 1]


@pytest.mark.parametrize(("short", "made"), [(899, 900), (86399, 86400), (3599, 3600)])
def test_durations_one_second_short_are_corrected(opened, short, made):  # D8
    start = utc("2024-01-05 05:00")
    found = opened(whole(block("".join(reading(start + i * made, 1, short) for i in range(3)))))
    assert (found.readings["end"] - found.readings["start"]).dt.total_seconds().tolist() == [made] * 3
    assert "espi.time.short-duration" in found.findings.names


def test_every_reading_with_the_same_start(opened):  # D9
    found = opened(whole(block("".join(reading("1721154384.66136", v, 3600) for v in (5, 5, 5, 7)))))
    assert found.readings["value"].tolist() == [0.005, 0.005, 0.005, 0.007]
    assert found.readings["start"].iloc[0].microsecond == 661360
    assert set(found.findings.names) == {"espi.time.same-start", "espi.time.fractional"}
    assert found.findings.worst.severity == "serious"


def test_days_when_clocks_change_have_their_hours(opened):  # D10
    spring = block(hourly(utc("2024-03-10 05:00"), range(23)))
    autumn = block(hourly(utc("2024-11-03 04:00"), range(25)))
    df = opened(whole(spring, autumn)).readings
    assert df["start"].dt.date.astype(str).value_counts().to_dict() == {"2024-11-03": 25, "2024-03-10": 23}
    assert df["start"].is_unique


def test_days_when_clocks_change_as_daily_readings(opened):  # D10
    readings = reading(utc("2024-03-10 05:00"), 1, 82800) + reading(utc("2024-11-03 04:00"), 1, 90000)
    df = opened(whole(block(readings), intervalLength=86400)).readings
    assert [e.isoformat() for e in df["end"]] == ["2024-03-11T00:00:00-04:00", "2024-11-04T00:00:00-05:00"]


def test_doubled_hour_is_read_as_a_pair(opened):  # D10: 7200 s and 0 s at one start
    start = utc("2024-11-03 05:00")
    found = opened(whole(block(reading(start - 3600, 1) + reading(start, 900, 7200) + reading(start, 0, 0))))
    assert found.readings["value"].tolist() == [0.001, 0.9, 0]
    assert "espi.reading.conflicting" in found.findings.names


def test_readings_own_time_wins_over_the_block_and_the_type(opened):  # D12, D13
    df = opened(whole(block(hourly(utc("2024-01-05 05:00"), [1, 2], 900), 10, 99), intervalLength=2678400)).readings
    assert instants(df) == ["01-05 05:00", "01-05 05:15"]
    assert (df["end"] - df["start"]).dt.total_seconds().tolist() == [900, 900]


def test_foreign_timezone_element(opened):  # D14
    feed = whole(block(hourly(utc("2024-01-05 05:00"), [1]))).replace(
        b"</start>", b"</start><timezone>-0500</timezone>"
    )
    assert instants(opened(feed).readings) == ["01-05 05:00"]


def test_gaps_stay_gaps(opened):  # D15
    df = opened(whole(block(hourly(utc("2024-01-05 05:00"), [1]) + hourly(utc("2024-01-05 09:00"), [1])))).readings
    assert instants(df) == ["01-05 05:00", "01-05 09:00"]


def test_missing_duration_is_the_step_between_starts(opened):
    """The day's block has a hole, so its length tells nothing."""
    hours = [0, 1, 2, 5, 6]
    readings = "".join(reading(utc("2024-01-05 05:00") + h * 3600, 7, None) for h in hours)
    found = opened(whole(block(readings, utc("2024-01-05 05:00"), 86400), intervalLength=None))
    assert ((found.readings["end"] - found.readings["start"]).dt.total_seconds() == 3600).all()
    assert (found.readings["start"].dt.hour == hours).all()


def test_readings_without_a_time_period_are_placed(opened):
    start = utc("2024-01-05 05:00")
    found = opened(whole(block("".join(reading(value=v) for v in (1, 2, 3)), start, 10800)))
    assert instants(found.readings) == ["01-05 05:00", "01-05 06:00", "01-05 07:00"]
    assert found.findings.named("espi.time.laid-out")[0].evidence["count"] == 3
    no_length = opened(whole(block("".join(reading(value=v) for v in range(4)), start, 3600), intervalLength=None))
    assert instants(no_length.readings) == ["01-05 05:00", "01-05 05:15", "01-05 05:30", "01-05 05:45"]
    month = opened(whole(block(reading(value=1), start, 31 * 86400), intervalLength=30 * 86400))
    assert month.findings.named("espi.time.laid-out")[0].severity == "warning"
    assert month.findings[0].evidence["unfilled"] == 1


def test_readings_without_any_time_are_reported(opened):
    found = opened(whole(block(reading(value=5) + reading(utc("2024-01-05 05:00"), 1))))
    assert len(found.readings) == 1
    assert found.findings.named("espi.time.none")[0].evidence == {"count": 1, "raw_sum": 5.0}


def test_milliseconds_and_iso_dates_are_converted(opened):  # C9
    found = opened(whole(block(reading(utc("2024-01-05 05:00") * 1000, 1) + reading("2024-01-05T06:00:00Z", 1))))
    assert instants(found.readings) == ["01-05 05:00", "01-05 06:00"]
    assert {"espi.time.milliseconds", "espi.time.iso"} <= set(found.findings.names)


def test_meters_of_two_zones_are_in_utc(opened, tmp_path):
    (tmp_path / "1.xml").write_bytes(whole(block(hourly(utc("2024-01-05 05:00"), [1]))))
    west = whole(block(hourly(utc("2024-01-05 08:00"), [1])), local=PACIFIC).replace(b"UsagePoint/1", b"UsagePoint/9")
    (tmp_path / "2.xml").write_bytes(west.replace(b"LocalTimeParameters/4", b"LocalTimeParameters/5"))
    found = opened(tmp_path)
    assert str(found.readings["start"].dt.tz) == "UTC"
    assert found.readings["zone"].tolist() == ["America/New_York", "America/Los_Angeles"]


def smt(day, count):
    """A day of Smart Meter Texas's own Green Button export: labelled as UTC, doubled and skipping at midnight UTC."""
    start = utc(day)
    starts = [start + i * 900 for i in range(count)]
    starts[count - 24 :] = [s - 900 for s in starts[count - 24 :]]
    return "".join(reading(s, i, 900) for i, s in enumerate(starts)), start, 86400


def test_smart_meter_texas_day_blocks(opened):
    wrong = CENTRAL | {"tzOffset": 18000}
    of_days = [smt(d, n) for d, n in (("2025-11-01", 96), ("2025-11-02", 100), ("2026-03-08", 92))]
    said = {"local": wrong, "title": "SMT Green Button Report: Interval", "intervalLength": 900}
    feed = whole(*(block(*day) for day in of_days), **said)
    df = opened(feed).readings
    without_labels = opened(whole(*(block(readings) for readings, _, _ in of_days), **said)).readings
    pd.testing.assert_frame_equal(without_labels, df)
    assert str(df["start"].dt.tz) == "America/Chicago"
    assert df["start"].is_unique
    assert df["start"].dt.date.astype(str).value_counts().to_dict() == {
        "2025-11-01": 96, "2025-11-02": 100, "2026-03-08": 92,
    }  # fmt: skip
    assert instants(df)[0] == "11-01 05:00"
    assert opened(feed).findings.names == ["espi.quirk.smt-day-blocks"]


def test_load_espi_warns_once_for_each_serious_finding():
    feed = whole(*days("2024-07-05", 3), block(reading(utc("2024-07-09 00:00"), "x")), local=EASTERN)
    with pytest.warns(GreenkitWarning) as caught:
        df = load_espi(feed)
    messages = [str(w.message) for w in caught]
    assert len(messages) == 2
    assert "espi.time.local-as-utc" in messages[0]
    assert "findings" in messages[1]
    assert df.gk.findings.names == [f["name"] for f in df.attrs["greenkit"]["findings"]]


@settings(deadline=None, max_examples=30)
@given(
    start=st.integers(1_300_000_000, 1_900_000_000).map(lambda s: s - s % 900),
    values=st.lists(st.integers(-(2**47), 2**47 - 1), min_size=1, max_size=40),
    length=st.sampled_from([900, 1800, 3600, 86400]),
    power=st.integers(-9, 6),
    zone=st.sampled_from(clock.ZONES),
)
def test_every_reading_is_returned_once_at_its_instant(start, values, length, power, zone):
    with quiet():
        df = load_espi(whole(block(hourly(start, values, length)), powerOfTenMultiplier=power, uom=169), tz=zone)
    starts = df["start"].dt.tz_convert("UTC").to_numpy("datetime64[s]").astype("int64")
    assert starts.tolist() == [start + i * length for i in range(len(values))]
    np.testing.assert_allclose(df["value"], [float(f"{v}e{power}") for v in values], rtol=1e-15)


@settings(deadline=None, max_examples=30)
@given(
    day=st.dates(pd.Timestamp("2015-01-01").date(), pd.Timestamp("2030-12-31").date()),
    zone=st.sampled_from(clock.ZONES),
)
def test_local_labels_of_a_complete_day_become_utc(day, zone):
    from greenkit import times as local_days

    grid = local_days.interval_starts(str(day), zone, 900)
    labels = local_days.to_times(grid, zone).tz_localize(None).to_numpy("datetime64[us]").astype("int64")
    assert clock.from_local(labels, zone).tolist() == grid.tolist()


def test_days_of_standard_time_in_summer(opened):
    """Ontario's meters keep Eastern standard time all year: their epochs are right."""
    start = utc("2024-07-01 05:00")
    found = opened(whole(*[block(hourly(start + n * 86400, [500] * 24)) for n in range(5)]))
    (finding,) = found.findings.named("espi.time.other-zone")
    assert finding.severity == "warning"
    assert "unless the days of the utility are in standard time" in finding.text
