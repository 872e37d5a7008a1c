"""Writing tables: the mapping grammar backwards, and the named hand-over tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mappings import FORMS, build, long_tables, same, wide_tables, written

import greenkit
from greenkit.errors import SchemaError, SettingsError
from greenkit.findings import quiet
from greenkit.tables.mapping import read_mapping
from greenkit.tables.write import to_table


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(long_tables(), st.sampled_from(FORMS), st.booleans())
def test_parse_after_write_returns_the_frame_for_any_mapping(made, form, reverse):
    df, mapping = made
    with quiet():
        back = greenkit.load_table(written(df, mapping, *form, reverse=reverse), mapping)
    same(back, df)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(wide_tables(), st.sampled_from(FORMS), st.booleans())
def test_parse_after_write_returns_the_frame_for_wide_tables(made, form, reverse):
    df, mapping = made
    with quiet():
        back = greenkit.load_table(written(df, mapping, *form, reverse=reverse), mapping)
    same(back, df)


def test_mapping_toml_is_read_back(tmp_path):
    mapping = read_mapping({"time": {"columns": ["A"]}, "values": {"B": {"flow": "net", "unit": "kWh", "split": True}}})
    (tmp_path / "mine.toml").write_text(str(mapping))
    assert read_mapping(tmp_path / "mine.toml") == mapping


# named tables


def test_hours_have_25_columns():
    df = build("America/Chicago", "2024-11-02", 3, 15, ["delivered"], ["m"], 1)
    table = df.gk.to_table("hours")
    assert table.columns.tolist() == ["Meter", "Date", *(f"HE{i:02}" for i in range(1, 26))]
    assert table["Date"].tolist() == ["2024-11-02", "2024-11-03", "2024-11-04"]
    assert table["HE25"].isna().tolist() == [True, False, True]
    fall = df[df["start"].dt.strftime("%m-%d") == "11-03"]
    # the second hour from 01:00 is the third of the day
    assert table.loc[1, "HE03"] == pytest.approx(fall["value"].iloc[8:12].sum())
    assert table.iloc[:, 2:].sum().sum() == pytest.approx(df["value"].sum())


def test_quarters_have_100_columns():
    df = build("America/Chicago", "2024-03-10", 1, 15, ["delivered"], ["m"], 1)
    table = df.gk.to_table("quarters")
    assert len(table.columns) == 102
    assert table.iloc[0, 2:].notna().sum() == 92


def test_8760_is_standard_time_without_february_29():
    df = build("America/Chicago", "2024-01-01", 366, 60, ["delivered"], ["m"], 1)
    table = df.gk.to_table("8760")
    assert len(table) == 8760
    assert table["Value"].notna().all()
    # hour 1 of July 1 in standard time begins at 01:00 daylight time; January to June of 2024 have 181 days here
    july = df.loc[df["start"] == pd.Timestamp("2024-07-01 01:00", tz="America/Chicago"), "value"].iloc[0]
    assert table["Value"].iloc[181 * 24] == july


def test_averages_are_12_by_2_by_24():
    df = build("America/Chicago", "2024-01-01", 366, 60, ["delivered"], ["m"], 1)
    table = df.gk.to_table("averages")
    assert table.shape == (24, 26)
    local = df["start"].dt
    mine = df[(local.month == 11) & (local.day_of_week >= 5) & (local.hour == 1)]
    got = table[(table["Month"] == 11) & (table["Day"] == "weekend")]["1"].iloc[0]
    assert got == pytest.approx(mine["value"].mean())


def test_tables_that_cannot_hold_a_frame_say_so():
    df = build("America/Chicago", "2024-11-02", 2, 60, ["delivered", "received"], ["m"], 1)
    with pytest.raises(SchemaError, match="several flows"):
        df.gk.to_table("hours")
    with pytest.raises(SchemaError, match="2 series"):
        df.gk.to_table("8760")
    with pytest.raises(SchemaError, match="60 minutes"):
        df[df["flow"] == "delivered"].gk.to_table("quarters")
    with pytest.raises(SchemaError, match="no column for received"):
        df.gk.to_table({"time": {"columns": ["T"]}, "values": {"V": {"flow": "delivered"}}})


# named tables on both days when clocks change, by hand: 01:00 of 2024-11-03 comes twice, 02:00 of 2024-03-10 never


def hours_of(date, values):
    """Return a frame of the hours of a day in Chicago, one after another from midnight."""
    start = pd.date_range(pd.Timestamp(date, tz="America/Chicago"), periods=len(values), freq="h")
    return greenkit.frame.tidy(
        pd.DataFrame(
            {"meter": "m", "series": "usage", "flow": "delivered", "start": start, "end": start + pd.Timedelta(hours=1),
             "value": [float(v) for v in values], "unit": "kWh", "zone": "America/Chicago", "quality": "actual"}
        )
    )  # fmt: skip


FALL = hours_of("2024-11-03", range(1, 26))
SPRING = hours_of("2024-03-10", range(1, 24))


def test_hours_of_the_fall_back_day_are_in_order():
    row = to_table(FALL, "hours").iloc[0]
    assert row["Date"] == "2024-11-03"
    assert row.iloc[2:].tolist() == list(range(1, 26))  # HE02 is 01:00 CDT, HE03 is 01:00 CST


def test_hours_of_the_spring_forward_day_end_with_two_blanks():
    row = to_table(SPRING, "hours").iloc[0]
    assert row.iloc[2:25].tolist() == list(range(1, 24))  # HE03 is 03:00 CDT
    assert row.iloc[25:].isna().all()


def test_8760_has_the_hours_of_standard_time():
    value = to_table(FALL, "8760").set_index("Hour")["Value"]
    # 2024-11-03 is day 307 without February 29, so that its first hour of standard time is number 306 * 24 + 1.
    # 00:00 CDT is 23:00 CST of the day before, and 01:00 CDT is 00:00 CST.
    first = 306 * 24 + 1
    assert [value[first - 1], value[first], value[first + 1], value[first + 2]] == [1, 2, 3, 4]
    assert value.notna().sum() == 25
    value = to_table(SPRING, "8760").set_index("Hour")["Value"]
    first = 68 * 24 + 1  # March 10: 31 + 28 + 9 days are before it
    assert [value[first], value[first + 1], value[first + 2], value[first + 3]] == [1, 2, 3, 4]
    assert value.notna().sum() == 23


@pytest.mark.parametrize("layout", ["hours", "8760", "averages"])
def test_incomplete_hour_has_no_value(layout):
    df = build("Australia/Adelaide", "2024-07-04", 1, 15, ["delivered"], ["m"])  # at UTC+09:30
    df.loc[5, "value"] = np.nan
    table = to_table(df.drop(9), layout)
    cells = table.set_index(list(table.columns[: {"hours": 2, "8760": 1, "averages": 2}[layout]])).to_numpy().ravel()
    shown = cells[~np.isnan(cells)]
    assert len(shown) == 22  # without 01:00 and 02:00
    np.testing.assert_allclose(shown[:2], df["value"].to_numpy().reshape(24, 4).sum(axis=1)[[0, 3]])


def test_power_is_averaged():
    df = build("America/Chicago", "2024-07-04", 1, 15, ["delivered"], ["m"]).assign(unit="kW")
    assert to_table(df, "hours")["HE01"].tolist() == pytest.approx([df["value"].iloc[:4].mean()])


def test_named_tables_count_the_same_energy_once():
    hours = build("America/Chicago", "2024-07-04", 3, 60, ["delivered"], ["m"])
    days = build("America/Chicago", "2024-07-04", 3, 1440, ["delivered"], ["m"])
    sums = hours.groupby(hours["start"].dt.date)["value"].sum().to_numpy()
    both = greenkit.frame.concat([hours, days.assign(series="day", value=sums)])
    pd.testing.assert_frame_equal(to_table(both, "hours"), to_table(hours, "hours"))
    pd.testing.assert_frame_equal(to_table(both, "8760"), to_table(hours, "8760"))
    parts = greenkit.frame.tidy(hours.assign(series=np.where(hours["start"].dt.hour < 12, "low", "high")))
    pd.testing.assert_frame_equal(to_table(parts, "averages"), to_table(hours, "averages"))


def test_averages_count_both_repeated_hours_and_no_skipped_one():
    november = to_table(FALL, "averages").set_index(["Month", "Day"]).loc[(11, "weekend")]
    assert november[["0", "1", "2"]].tolist() == [1, 2.5, 4]  # 01:00 is the average of 2 and 3
    march = to_table(SPRING, "averages").set_index(["Month", "Day"]).loc[(3, "weekend")]
    assert march[["0", "1", "3"]].tolist() == [1, 2, 3]
    assert np.isnan(march["2"])


@pytest.mark.parametrize(
    ("repeat", "cells"),
    [
        ("in order", [1, 2, 3, 4, 5, *range(6, 26)]),
        ("slots 9-12", [1, 2, 3, 4, 5, *range(6, 26)]),
        ("appended", [1, 2, 4, 5, *range(6, 26), 3]),
    ],
)
def test_25_columns_on_both_days(repeat, cells):
    mapping = {
        "time": {"columns": ["Date"], "wide": "HE{n}"}, "clock": "local", "zone": "America/Chicago", "repeat": repeat,
        "cells": {"flow": "delivered", "unit": "kWh"},
    }  # fmt: skip
    assert to_table(FALL, mapping).iloc[0, 1:].tolist() == cells
    spring = to_table(SPRING, mapping).iloc[0, 1:]
    gap = 3 if repeat == "slots 9-12" else 2  # columns HE1 and HE2, then a blank one for the hour that is skipped
    assert spring.iloc[:2].tolist() == [1, 2]
    assert spring.iloc[gap : gap + 1].isna().all()
    assert spring.dropna().tolist() == list(range(1, 24))


# tables of a mapping, by hand

LONG = {
    "time": {"columns": ["At"], "format": "%H:%M %d"},
    "zone": "America/Chicago",
    "clock": "local",
    "label": "start",
}
AT = {"time": {"columns": ["At"], "format": "%Y-%m-%d %H:%M"}}
MINE = LONG | AT | {"interval": 60, "values": {"Use": {"flow": "delivered", "unit": "kWh"}}}
DAY = hours_of("2024-07-04", [1, 2, 4])
BOTH = greenkit.frame.concat(
    [hours_of("2024-07-04", [1, 0, 4]), hours_of("2024-07-04", [0, 2, 0]).assign(flow="received")]
)


def rows(table):
    return table.astype(object).where(table.notna(), "").to_numpy().tolist()


def test_register_has_the_cumulative_readings_from_0():
    mapping = MINE | {"values": {"Reading": {"flow": "delivered", "unit": "kWh", "kind": "register"}}}
    assert to_table(DAY, mapping)["Reading"].tolist() == [0, 1, 3, 7]
    assert to_table(DAY, mapping)["At"].tolist() == [f"2024-07-04 {h:02}:00" for h in range(4)]


def test_split_column_has_delivered_minus_received():
    mapping = MINE | {"values": {"Net": {"flow": "net", "unit": "Wh", "split": True}}}
    assert to_table(BOTH, mapping)["Net"].tolist() == [1000, -2000, 4000]


def test_counted_hours_and_quarters_begin_at_their_first_number():
    df = build("America/Chicago", "2024-07-04", 1, 15, ["delivered"], ["m"])
    slots = [{"column": "Hour", "minutes": 60}, {"column": "Quarter", "minutes": 15, "first": 0}]
    mapping = MINE | {"time": {"columns": ["Day"], "format": "%d/%m/%Y", "slots": slots}, "interval": 15}
    assert rows(to_table(df, mapping))[9][:3] == ["04/07/2024", 3, 1]


def test_flag_tells_the_two_hours_apart():
    mapping = MINE | {"time": AT["time"] | {"dst": {"column": "DST", "words": {"Y": "daylight", "N": "standard"}}}}
    assert to_table(FALL, mapping)["DST"].tolist()[:4] == ["Y", "Y", "N", "N"]


def test_block_of_each_flow_has_a_header():
    header = {"At": "delivered", "At (out)": "received"}
    mapping = MINE | {"flow": {"header": header}, "values": {"Use": {"unit": "kWh"}}}
    assert [row[0] for row in rows(to_table(BOTH, mapping))].index("At (out)") == 3


def test_costs_of_blocks_have_the_decimal_sign_of_the_table():
    mapping = MINE | {
        "flow": {"header": {"At": "delivered", "At (out)": "received"}},
        "values": {"Use": {"unit": "kWh"}},
        "cost": {"column": "Paid", "currency": "EUR"},
        "decimal": ",",
    }
    assert to_table(BOTH.assign(cost=0.25, currency="EUR"), mapping)["Paid"].tolist().count("0,25") == 6


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ({"header": False, "time": {"columns": ["3"]}, "values": {"1": MINE["values"]["Use"]}}, ["1", "2", "3"]),
        ({"header": "Site,At"}, ["Site", "At", "Use"]),
        ({"header_rows": 2, "values": {"Energy / kWh": MINE["values"]["Use"]}}, [("", "At"), ("Energy", "kWh")]),
        ({"values": {"Use": MINE["values"]["Use"], "Total": {"sum_of": ["Use"]}}}, ["At", "Use", "Total"]),
    ],
)
def test_header_is_that_of_the_mapping(form, names):
    assert to_table(DAY, MINE | form).columns.tolist() == names


def test_decimal_comma_is_text():
    assert to_table(DAY.assign(value=[0.5, 1, 0.25]), MINE | {"decimal": ","})["Use"].tolist() == ["0,5", "1", "0,25"]


def test_one_word_means_flow_and_unit():
    gas = DAY.assign(unit="m3", value=DAY["value"] / 8)
    words = {"Power": "delivered", "Gas": "delivered"}
    mapping = MINE | {
        "flow": {"column": "Type", "words": words},
        "unit": {"column": "Type", "words": {"Power": "Wh", "Gas": "m3"}},
        "values": {"Amount": {}},
    }
    table = to_table(greenkit.frame.concat([DAY, gas]), mapping)
    assert dict(zip(table["Type"], table["Amount"], strict=True)) == {"Power": 4000, "Gas": 0.5}


@pytest.mark.parametrize("meter", ["0042", "12345678901234567890123", "=1+1", "+7", "@SUM(A1)", "-5"])
def test_meter_is_text_and_never_a_formula(meter):
    mapping = read_mapping(MINE | {"meter": {"column": "Meter"}})
    df = DAY.assign(meter=meter)
    data = written(df, mapping)
    assert not any(line.startswith((b"=", b"+", b"-", b"@")) for line in data.splitlines())
    assert set(greenkit.load_table(data, mapping)["meter"]) == {meter}


def test_workbook_has_no_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    mapping = read_mapping(MINE | {"meter": {"column": "Meter"}, "series": {"column": "Register"}})
    df = DAY.assign(meter="=HYPERLINK(1)", series="0042")
    to_table(df, mapping).to_excel(tmp_path / "a.xlsx", index=False)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows(min_row=2) for cell in row} <= {"s", "n"}
    assert greenkit.load_table(tmp_path / "a.xlsx", mapping)["meter"].unique().tolist() == ["=HYPERLINK(1)"]


def test_table_has_one_row_for_each_physical_interval():
    parts = greenkit.frame.tidy(DAY.assign(series=["low", "high", "low"]))
    assert to_table(parts, MINE)["Use"].tolist() == [1, 2, 4]
    mapping = MINE | {"label": {"end": "Until"}, "interval": None}
    mapping = {name: value for name, value in mapping.items() if value is not None}
    hours = build("America/Chicago", "2024-07-04", 2, 60, ["delivered"], ["m"])
    days = hours.groupby(hours["start"].dt.date)["value"].sum()
    daily = build("America/Chicago", "2024-07-04", 2, 1440, ["delivered"], ["m"]).assign(
        series="day", value=days.to_numpy()
    )
    assert len(to_table(greenkit.frame.concat([hours, daily]), mapping)) == 48


@pytest.mark.parametrize("layout", [MINE | {"meter": {"column": "M"}}, "hours", "quarters"])
def test_empty_frame_is_a_table_without_rows(layout):
    table = to_table(greenkit.frame.empty(zone="America/Chicago"), layout)
    assert len(table) == 0
    assert len(table.columns) > 2


QUALITY = {"quality": {"column": "Q", "words": {"A": "actual"}}}


@pytest.mark.parametrize(
    ("df", "mapping", "problem"),
    [
        (DAY, {"interval": "period", "label": {"end": "To"}}, "describes bills"),
        (greenkit.frame.concat([DAY, DAY.assign(meter="n")]), {}, "several meters"),
        (DAY.assign(quality="estimated"), QUALITY, "no word for quality estimated"),
        (DAY.assign(unit="kW"), {}, "no column for delivered in kW"),
        (DAY.assign(flow="net"), {"values": {"V": {"unit": "kWh"}}, "flow": {"column": "F"}}, "no word for flow net"),
        (FALL.iloc[[0, 2, 3]], {}, "not be read back"),  # the second of the repeated hours without the first
        (DAY, {"interval": 30}, "not be read back"),
        (DAY, {"time": {"columns": ["At"], "format": "%d.%m.%Y"}}, "not be read back"),
        (DAY.drop(1), {"gaps": "zero"}, "not be read back"),
        (BOTH.assign(value=1.0), {"values": {"N": {"flow": "net", "unit": "kWh", "split": True}}}, "is zero"),
        (DAY.drop(1), {"values": {"R": {"flow": "delivered", "unit": "kWh", "kind": "register"}}}, "cannot hold a gap"),
        (DAY.assign(cost=1.0, currency="USD"), {"cost": {"column": "C", "currency": "CAD"}}, "costs are in USD"),
        (DAY.assign(cost=1.0, currency="USD"), {"cost": {"column": "C", "credit": True}}, "not be read back"),
    ],
)  # fmt: skip
def test_mapping_that_cannot_hold_a_frame_is_refused(df, mapping, problem):
    with pytest.raises((SchemaError, SettingsError), match=problem) as caught:
        to_table(greenkit.frame.tidy(df), MINE | mapping)
    assert caught.value.next_step


def test_next_step_for_an_incomplete_repeated_hour_works():
    late = greenkit.frame.tidy(FALL.iloc[[0, 2, 3]])
    with pytest.raises(SchemaError) as caught:
        to_table(late, MINE)
    assert 'clock = "utc"' in caught.value.next_step
    for change in (
        {"clock": "utc"},
        {"clock": "offset", "time": {"columns": ["At"]}},
        {"time": AT["time"] | {"dst": {"column": "DST", "words": {"Y": "daylight", "N": "standard"}}}},
    ):
        mapping = read_mapping(MINE | change)
        same(greenkit.load_table(written(late, mapping), mapping, meter="m"), late)
