"""Wide tables: three orders of 100 columns, 24 and 96 columns on both days of change, and what must be asked."""

import pandas as pd
import pytest
from day_samples import day, utc, values

import greenkit
from greenkit.errors import AmbiguousTable
from greenkit.findings import quiet

CENTRAL = "America/Chicago"
FALL, SPRING = "11/03/2024", "03/10/2024"
ORDINARY = ("11/02/2024", "11/04/2024")


def table(rows, names, head="ESI ID,Date"):
    lines = [f"{head},{','.join(names)}"]
    lines += [f"10443720000000042,{date},{','.join(map(str, cells))}" for date, cells in rows]
    return "\n".join(lines).encode()


def load(data, **answers):
    with quiet():
        return greenkit.load_table(data, **({"unit": "kWh"} | answers))


def numbered(count, prefix="INT"):
    return [f"{prefix}{i}" for i in range(1, count + 1)]


def fall_in_order():
    return values(100)


def expected_fall():
    return [f"{at:%m-%d %H:%M}" for at, _ in day("2024-11-03", CENTRAL, 15)]


def of_day(df, date):
    return df[df["start"].dt.strftime("%m/%d/%Y") == date]


def test_100_columns_in_order():
    rows = [(date, [1] * 96 + [""] * 4) for date in ORDINARY] + [(FALL, values(100))]
    df = load(table(rows, numbered(100)), repeat="in order")
    part = of_day(df, FALL)
    assert part["value"].tolist() == values(100)
    assert utc(part) == expected_fall()
    assert len(of_day(df, ORDINARY[0])) == 96


def test_100_columns_with_the_repeated_hour_appended():
    # 01:00 to 01:45 twice: the first is in columns 5 to 8, the second in columns 97 to 100
    shown = values(100)
    cells = shown[:8] + shown[12:] + shown[8:12]
    rows = [(date, [1] * 96 + [""] * 4) for date in ORDINARY] + [(FALL, cells)]
    df = load(table(rows, numbered(100)), repeat="appended")
    part = of_day(df, FALL)
    assert part["value"].tolist() == shown
    assert utc(part) == expected_fall()


def test_100_columns_with_the_repeated_hour_in_slots_9_to_12_need_no_answer():
    ordinary = values(96)
    blank = ordinary[:8] + [""] * 4 + ordinary[8:]
    rows = [(date, blank) for date in ORDINARY] + [(FALL, values(100))]
    df = load(table(rows, numbered(100)))
    assert of_day(df, FALL)["value"].tolist() == values(100)
    assert utc(of_day(df, FALL)) == expected_fall()
    assert of_day(df, ORDINARY[1])["value"].tolist() == ordinary


def test_100_columns_of_one_autumn_are_asked_with_one_row_read_each_way():
    rows = [(date, [1] * 96 + [""] * 4) for date in ORDINARY] + [(FALL, values(100))]
    with pytest.raises(AmbiguousTable) as caught:
        load(table(rows, numbered(100)))
    (choice,) = caught.value.choices
    assert choice.argument == "repeat"
    assert choice.values == ("in order", "appended")
    assert len(set(choice.readings.values())) == 2


def test_100_columns_without_an_autumn_day_need_no_answer():
    df = load(table([(ORDINARY[0], [1] * 96 + [""] * 4)], numbered(100)))
    assert len(df) == 96


@pytest.mark.parametrize("repeat", ["in order", "appended", None])
def test_spring_with_blank_cells_or_92_values_from_the_left(repeat):
    shown = values(92)
    blank = shown[:8] + [""] * 4 + shown[8:] + [""] * 4
    short = [*shown, *[""] * 8]
    for cells in (blank, short):
        df = load(table([(SPRING, cells)], numbered(100)), repeat=repeat)
        assert df["value"].tolist() == shown
        assert utc(df) == [f"{at:%m-%d %H:%M}" for at, _ in day("2024-03-10", CENTRAL, 15)]


@pytest.mark.parametrize(("clock", "first"), [("standard", "03-10 06:00"), ("utc", "03-10 00:00")])
def test_cells_of_the_skipped_hour_are_kept_where_the_clock_does_not_change(clock, first):
    mapping = {"time": {"columns": ["Date"], "wide": "INT{n}"}, "zone": CENTRAL, "clock": clock,
               "cells": {"flow": "delivered", "unit": "kWh"}}  # fmt: skip
    df = load(table([(SPRING, values(96))], numbered(96)), layout=mapping, unit=None, date_order="month first")
    assert df["value"].tolist() == values(96)
    start = pd.Timestamp(f"2024-{first}", tz="UTC")
    assert (df["start"] == pd.date_range(start, periods=96, freq="15min")).all()
    assert not {"tables.time.moved", "tables.time.skipped-hour"} & set(df.gk.findings.names)


def test_25_columns_of_hours_ending():
    rows = [(ORDINARY[0], [*values(24), ""]), (FALL, values(25))]
    df = load(table(rows, numbered(25, "HE")), repeat="in order")
    assert of_day(df, FALL)["value"].tolist() == values(25)
    assert utc(of_day(df, FALL)) == [f"{at:%m-%d %H:%M}" for at, _ in day("2024-11-03", CENTRAL)]
    df = load(table(rows, numbered(25, "HE")), repeat="appended")
    assert of_day(df, FALL)["value"].tolist() == [*values(25)[:2], values(25)[24], *values(25)[2:24]]


def ends():
    return [f"{15 * i // 60:02}:{15 * i % 60:02}" for i in range(1, 97)]


def test_96_columns_named_by_their_ends():
    df = load(table([("07/04/2024", values(96))], ends()))
    assert df["value"].tolist() == values(96)
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-04", tz=CENTRAL)
    assert df["end"].iloc[-1] == pd.Timestamp("2024-07-05", tz=CENTRAL)


def test_96_columns_that_end_with_00_00_are_ends_too():
    df = load(table([("07/04/2024", values(96))], [*ends()[:-1], "00:00"]))
    assert df["value"].tolist() == values(96)
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-04", tz=CENTRAL)


def test_96_columns_named_by_their_starts():
    starts = ["00:00", *ends()[:-1]]
    df = load(table([("07/04/2024", values(96))], starts))
    assert df["value"].tolist() == values(96)
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-04", tz=CENTRAL)


def test_96_columns_on_a_day_of_25_hours_are_never_silent():
    rows = [(f"11/{d:02}/2024", [0.5] * 96) for d in range(1, 8)]
    df = load(table(rows, ends()))
    assert "tables.time.hour-lost" in df.gk.findings.names
    rows[2] = (FALL, [0.5] * 4 + [1.0] * 4 + [0.5] * 88)
    df = load(table(rows, ends()))
    assert "tables.time.hours-summed" in df.gk.findings.names
    assert df["value"].sum() == 7 * 48 + 2
    rows[2] = (FALL, [0.5] * 4 + [9.0] * 4 + [0.5] * 88)
    with pytest.raises(AmbiguousTable):
        load(table(rows, ends()))


def test_the_unit_of_bare_columns_is_asked():
    with pytest.raises(AmbiguousTable) as caught:
        greenkit.load_table(table([("07/04/2024", [0.5] * 96)], ends()))
    (choice,) = caught.value.choices
    assert choice.argument == "unit"
    assert choice.readings["kWh"].startswith("0.5 kWh delivered from 2024-07-04 00:00:00-05:00")
    assert choice.readings["W"].startswith("0.0005 kW delivered")
    df = load(table([("07/04/2024", [0.5] * 96)], ends()), unit="kW")
    assert set(df["unit"]) == {"kW"}


def test_own_wide_table_of_two_flows_in_two_patterns():
    hours = [f"{h:02}:00" for h in range(24)]
    names = [f"In {h}" for h in hours] + [f"Out {h}" for h in hours]
    mapping = {
        "time": {"columns": ["Date"]},
        "zone": "Europe/Paris",
        "clock": "local",
        "date_order": "day first",
        "cells": {
            "In {HH:MM}": {"flow": "delivered", "unit": "kWh"},
            "Out {HH:MM}": {"flow": "received", "unit": "Wh"},
        },
    }
    text = f"Date,{','.join(names)}\n05/07/2024,{','.join(['1.5'] * 24)},{','.join(['500'] * 24)}\n"
    df = greenkit.load_table(text.encode(), mapping)
    assert len(df) == 48
    assert df.groupby("flow", observed=True)["value"].sum().to_dict() == {"delivered": 36, "received": 12}
    assert df["start"].iloc[0] == pd.Timestamp("2024-07-05", tz="Europe/Paris")
