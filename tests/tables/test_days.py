"""The days when clocks change: the seven ways in which tables label them, and the rules that tell them apart."""

import pandas as pd
import pytest
from day_samples import day, utc, values

import greenkit
from greenkit.errors import AmbiguousTable
from greenkit.findings import quiet

CHICAGO = "America/Chicago"
FALL, SPRING = "2024-11-03", "2024-03-10"
MAPPING = {
    "time": {"columns": ["Time"]},
    "zone": CHICAGO,
    "label": "start",
    "clock": "local",
    "values": {"kWh": {"flow": "delivered"}},
}


def load(rows, header="Time,kWh", **changes):
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)])
    mapping = {name: value for name, value in (MAPPING | changes).items() if value is not None}
    with quiet():
        return greenkit.load_table(text.encode(), mapping)


def names(df):
    return df.gk.findings.names


def rows_of(date, minutes=60):
    """Rows with the labels of the clock, and the UTC start of each."""
    shown = list(day(date, CHICAGO, minutes))
    return [(f"{local:%Y-%m-%d %H:%M}", v) for (_, local), v in zip(shown, values(len(shown)), strict=True)]


# a: labels come twice, in order


def test_repeated_labels_in_order_are_two_hours():
    df = load(rows_of(FALL))
    assert len(df) == 25
    assert df["value"].tolist() == values(25)
    # 01:00 CDT is 06:00 UTC, 01:00 CST is 07:00 UTC
    assert utc(df)[:4] == ["11-03 05:00", "11-03 06:00", "11-03 07:00", "11-03 08:00"]
    assert (df["end"] - df["start"] == pd.Timedelta(hours=1)).all()


def test_repeated_labels_of_quarters_in_order_are_two_hours():
    df = load(rows_of(FALL, 15))
    assert len(df) == 100
    assert df["value"].tolist() == values(100)
    assert utc(df)[4] == "11-03 06:00"
    assert utc(df)[8] == "11-03 07:00"


def test_newest_first_is_read_backwards():
    df = load(rows_of(FALL)[::-1])
    assert df["value"].tolist() == values(25)
    assert utc(df)[1:3] == ["11-03 06:00", "11-03 07:00"]


def test_newest_day_first_with_hours_in_order_is_read_by_the_order_of_its_hours():
    rows = rows_of("2024-11-04") + rows_of(FALL) + rows_of("2024-11-02")
    df = load(rows)
    part = df[df["start"].dt.strftime("%m-%d") == "11-03"]
    assert part["value"].tolist() == values(25)


def test_skipped_hour_leaves_no_gap():
    df = load(rows_of(SPRING))
    assert len(df) == 23
    assert utc(df)[1:4] == ["03-10 07:00", "03-10 08:00", "03-10 09:00"]
    assert (df["start"].iloc[1:].to_numpy() == df["end"].iloc[:-1].to_numpy()).all()


def test_series_of_one_file_are_placed_separately():
    # two meters in turn: the second 01:00 of the file is the other meter's first
    rows = [
        (f"{local:%Y-%m-%d %H:%M}", meter, v) for _, local in day(FALL, CHICAGO) for meter, v in (("a", 1), ("b", 2))
    ]
    df = load(rows, "Time,Meter,kWh", meter={"column": "Meter"})
    for meter in "ab":
        part = df[df["meter"] == meter]
        assert len(part) == 25
        assert part["start"].is_unique


# b: interleaved


def test_interleaved_labels_are_told_apart_by_count():
    shown = rows_of(FALL, 15)
    first, second = shown[4:8], shown[8:12]
    pairs = [row for pair in zip(first, second, strict=True) for row in pair]
    df = load(shown[:4] + pairs + shown[12:])
    assert df["value"].tolist() == values(100)
    assert df["start"].is_unique


def test_an_end_before_its_start_marks_the_first_of_a_pair():
    # 01:45 to 01:00 is the last quarter of daylight time; the file has it after the one that ends at 02:00
    shown = [
        (f"{a:%H:%M}", f"{b:%H:%M}")
        for (_, a), (_, b) in zip(
            list(day(FALL, CHICAGO, 15)),
            [*list(day(FALL, CHICAGO, 15))[1:], next(iter(day("2024-11-04", CHICAGO, 15)))],
            strict=True,
        )
    ]
    rows = [(f"2024-11-03 {a}", f"{b}", i) for i, (a, b) in enumerate(shown)]
    rows[7], rows[11] = rows[11], rows[7]
    df = load(rows, "Time,Until,kWh", label={"end": "Until"})
    assert df["value"].tolist() == list(range(100))


# c: offset or UTC in the label


def test_offset_in_the_label_is_used():
    df = load([("2024-11-03T01:00:00-05:00", 1), ("2024-11-03T01:00:00-06:00", 2)], clock="offset", interval=60)
    assert utc(df) == ["11-03 06:00", "11-03 07:00"]
    assert str(df["start"].dtype.tz) == CHICAGO


def test_utc_labels_are_shown_in_the_zone_of_the_site():
    df = load([("2024-11-03 06:00", 1), ("2024-11-03 07:00", 2)], clock="utc")
    assert utc(df) == ["11-03 06:00", "11-03 07:00"]
    assert df["start"].dt.hour.tolist() == [1, 1]


# d, e: labels come once


def _once(hour_value):
    """Eleven days of a steady load, of which the fall-back day has 24 rows."""
    rows = []
    for i in range(29, 32):
        rows += [(f"{local:%Y-%m-%d %H:%M}", 1.0) for _, local in day(f"2024-10-{i}", CHICAGO)]
    for i in range(1, 8):
        seen = set()
        for _, local in day(f"2024-11-0{i}", CHICAGO):
            label = f"{local:%Y-%m-%d %H:%M}"
            if label not in seen:
                rows.append((label, hour_value if label == "2024-11-03 01:00" else 1.0))
            seen.add(label)
    return rows


def test_one_hour_of_usual_height_is_one_hour_and_the_other_is_missing():
    df = load(_once(1.0))
    assert "tables.time.hour-lost" in names(df)
    part = df[(df["start"] >= "2024-11-03 00:00-05:00") & (df["start"] < "2024-11-04 00:00-06:00")]
    assert len(part) == 24
    assert "11-03 07:00" not in utc(part)
    assert (df["end"] - df["start"] == pd.Timedelta(hours=1)).all()


def test_one_hour_of_twice_the_height_is_both_hours():
    df = load(_once(2.0))
    assert "tables.time.hours-summed" in names(df)
    part = df[df["value"] == 2.0]
    assert len(part) == 1
    assert utc(part) == ["11-03 06:00"]
    assert utc(part, "end") == ["11-03 08:00"]


def test_one_hour_that_fits_neither_is_asked():
    with pytest.raises(AmbiguousTable) as caught:
        load(_once(5.0))
    (choice,) = caught.value.choices
    assert choice.argument == "repeated_hour"
    assert choice.values == ("lost", "summed")
    assert "2024-11-03" in choice.evidence
    assert choice.readings["lost"] == "5 kWh delivered from 2024-11-03 01:00:00-05:00 to 2024-11-03 01:00:00-06:00"
    assert choice.readings["summed"] == "5 kWh delivered from 2024-11-03 01:00:00-05:00 to 2024-11-03 02:00:00-06:00"


@pytest.mark.parametrize(("answer", "hours"), [("lost", 1), ("summed", 2)])
def test_the_answer_decides(answer, hours):
    df = load(_once(5.0), repeated_hour=answer)
    part = df[df["value"] == 5.0]
    assert ((part["end"] - part["start"]) == pd.Timedelta(hours=hours)).all()
    assert any(name.startswith("tables.time.hour") for name in names(df))


def test_zero_in_the_repeated_hour_and_around_it_is_reported_as_lost():
    rows = [(label, 0.0) for label, _ in _once(1.0)]
    df = load(rows)
    assert "tables.time.hour-lost" in names(df)
    assert df["value"].sum() == 0


def test_row_without_a_value_in_the_skipped_hour_is_not_a_gap():
    rows = [(f"2024-03-10 {h:02}:00", "" if h == 2 else h) for h in range(24)]
    df = load(rows)
    assert len(df) == 23
    assert df["value"].notna().all()
    assert (df["start"].iloc[1:].to_numpy() == df["end"].iloc[:-1].to_numpy()).all()
    assert "tables.time.skipped-hour" not in names(df)


# spring variants


def test_label_of_the_skipped_hour_stands_for_the_next_one_if_that_is_absent():
    rows = [(f"2024-03-10 {h:02}:00", h) for h in (0, 1, 2, *range(4, 24))]
    df = load(rows)
    assert len(df) == 23
    assert utc(df)[2] == "03-10 08:00"
    assert "tables.time.moved" in names(df)


def test_value_in_the_skipped_hour_beside_the_next_one_is_reported():
    rows = [(f"2024-03-10 {h:02}:00", h) for h in range(24)]
    df = load(rows)
    assert len(df) == 23
    assert "tables.time.skipped-hour" in names(df)
    assert df["value"].sum() == sum(range(24)) - 2


def test_first_quarter_of_the_next_hour_can_have_the_label_of_the_skipped_one():
    shown = rows_of(SPRING, 15)
    assert shown[8][0].endswith("03:00")
    shown[8] = ("2024-03-10 02:00", shown[8][1])
    df = load(shown)
    assert len(df) == 92
    assert df["value"].tolist() == values(92)


# g, and what a table without such a day proves


def test_standard_time_has_24_hours_on_both_days():
    for date in (SPRING, FALL):
        df = load([(f"{date} {h:02}:00", h) for h in range(24)], clock="standard")
        assert len(df) == 24
        assert (df["start"].iloc[1:].to_numpy() == df["end"].iloc[:-1].to_numpy()).all()


def test_24_rows_on_both_days_are_asked():
    rows = [(f"{date} {h:02}:00", h) for date in (SPRING, FALL) for h in range(24)]
    with pytest.raises(AmbiguousTable) as caught:
        load(rows, clock=None)
    assert "clock" in [choice.argument for choice in caught.value.choices]


def test_a_summer_without_a_change_is_asked():
    with pytest.raises(AmbiguousTable) as caught:
        load([("2024-07-04 00:00", 1), ("2024-07-04 01:00", 2)], clock=None)
    (choice,) = caught.value.choices
    assert choice.argument == "clock"
    assert "proves nothing" in choice.evidence
    assert choice.readings["local"] == "1 kWh delivered from 2024-07-04 00:00:00-05:00 to 2024-07-04 01:00:00-05:00"
    assert choice.readings["standard"] == "1 kWh delivered from 2024-07-04 01:00:00-05:00 to 2024-07-04 02:00:00-05:00"


def test_a_winter_needs_no_answer_because_both_clocks_agree():
    df = load([("2024-01-04 00:00", 1), ("2024-01-04 01:00", 2)], clock=None)
    assert utc(df) == ["01-04 06:00", "01-04 07:00"]


@pytest.mark.parametrize("date", [FALL, SPRING])
def test_a_day_of_change_proves_local_time(date):
    df = load(rows_of(date), clock=None)
    assert "tables.clock.inferred" in names(df)
    assert len(df) == (25 if date == FALL else 23)


# ends as labels


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize("date", [FALL, SPRING])
def test_end_labels_of_the_clock(date, minutes):
    shown = list(day(date, CHICAGO, minutes))
    following = [local for _, local in shown[1:]] + [
        next(iter(day("2024-11-04" if date == FALL else "2024-03-11", CHICAGO)))[1]
    ]
    rows = [(f"{end:%Y-%m-%d %H:%M}", v) for end, v in zip(following, values(len(shown)), strict=True)]
    df = load(rows, label="end")
    assert utc(df) == [f"{at:%m-%d %H:%M}" for at, _ in shown]
    assert df["value"].tolist() == values(len(shown))


@pytest.mark.parametrize("newest_first", [False, True])
def test_hour_ending_labels_repeat_the_hour_that_they_end(newest_first):
    # hour ending: 01:00, 02:00, 02:00, 03:00, … as the names of hours, not as the clock
    rows = [(f"2024-11-03 {h:02}:00", i) for i, h in enumerate([1, 2, 2, *range(3, 25)])]
    df = load(rows[::-1] if newest_first else rows, label="end")
    assert len(df) == 25
    assert df["value"].tolist() == list(range(25))
    assert utc(df)[:4] == ["11-03 05:00", "11-03 06:00", "11-03 07:00", "11-03 08:00"]


def test_24_00_is_the_end_of_the_day():
    rows = [(f"2024-01-05 {h:02}:00", h) for h in range(1, 25)]
    df = load(rows, label=None)
    assert utc(df)[0] == "01-05 06:00"
    assert utc(df, "end")[-1] == "01-06 06:00"
    assert "tables.label.inferred" in names(df)


def test_incomplete_repeated_hour_is_placed_by_order_and_reported():
    rows = rows_of(FALL, 15)
    del rows[9]  # 01:15 of the second hour
    df = load(rows)
    assert len(df) == 99
    assert "11-03 07:15" not in utc(df)
    assert "tables.time.repeated-hour" in names(df)


def test_end_in_the_same_cell_has_its_own_offset():
    mapping = {"time": {"columns": ["At"], "between": " to "}, "zone": "Europe/Berlin", "clock": "offset",
               "values": {"Use": {"flow": "delivered", "unit": "kWh"}}}  # fmt: skip
    at = ["2024-03-31 01:00+01:00", "2024-03-31 03:00+02:00", "2024-03-31 04:00+02:00"]
    text = f"At,Use\n{at[0]} to {at[1]},1\n{at[1]} to {at[2]},2\n"
    df = greenkit.load_table(text.encode(), mapping)
    assert (df["end"] - df["start"]).dt.total_seconds().tolist() == [3600, 3600]
