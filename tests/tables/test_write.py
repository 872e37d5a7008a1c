"""Writing tables: the mapping grammar backwards, and the named hand-over tables."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import greenkit
from greenkit.errors import SchemaError
from greenkit.findings import quiet
from greenkit.tables.mapping import read_mapping
from greenkit.tables.write import to_table

ZONES = ["America/Chicago", "America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Phoenix"]


def build(zone, first, days, minutes, flows, meters, seed):
    """Return a tidy frame of complete local days."""
    start = pd.Timestamp(first, tz=zone)
    times = pd.date_range(start, start + pd.DateOffset(days=days), freq=f"{minutes}min", inclusive="left")
    random = np.random.default_rng(seed)
    parts = []
    for meter in meters:
        for flow in flows:
            parts.append(
                pd.DataFrame(
                    {
                        "meter": meter, "series": "usage", "flow": flow, "start": times,
                        "end": times + pd.Timedelta(minutes=minutes), "unit": "kWh", "zone": zone, "quality": "actual",
                        "value": random.permutation(np.arange(1, len(times) + 1)) / 1000,
                    }
                )
            )  # fmt: skip
    return greenkit.frame.tidy(pd.concat(parts, ignore_index=True))


@st.composite
def frames_and_mappings(draw):
    zone = draw(st.sampled_from(ZONES))
    first = draw(st.sampled_from(["2024-11-02", "2024-03-09", "2024-10-26", "2024-03-30", "2024-04-06", "2024-07-04"]))
    minutes = draw(st.sampled_from([15, 30, 60]))
    flows = draw(st.sampled_from([["delivered"], ["delivered", "received"], ["net"]]))
    meters = draw(st.sampled_from([["shop-1"], ["0042", "0043"]]))
    df = build(zone, first, draw(st.integers(2, 4)), minutes, flows, meters, draw(st.integers(0, 9)))
    clock = draw(st.sampled_from(["local", "standard", "utc", "offset", "+10:00"]))
    one = draw(st.booleans()) or clock == "offset"
    form = draw(st.sampled_from(["%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S"]))
    columns = ["When"] if one else ["Day", "Clock"]
    time = {"columns": columns} | ({} if clock == "offset" else {"format": form})
    label = draw(st.sampled_from(["start", "end", "column", "inclusive"]))
    if label in ("column", "inclusive") and (not one or clock == "offset"):
        label = "start"
    factor, unit = draw(st.sampled_from([(1.0, "kWh"), (1.0, "Wh"), (-0.001, "kWh"), (1.0, "MWh")]))
    table = {
        "time": time,
        "zone": zone,
        "clock": clock,
        "label": label if label in ("start", "end") else {"end": "Until", "inclusive": label == "inclusive"},
        "interval": minutes,
        "meter": {"column": "Meter"},
    }
    spec = {"unit": unit, "factor": factor, "kind": "usage"}
    if draw(st.booleans()):
        table["flow"] = {"column": "Way", "words": {"Out": "received", "In": "delivered", "Sum": "net"}}
        table["values"] = {"Amount": spec}
    else:
        table["values"] = {f"v {flow}": spec | {"flow": flow} for flow in flows}
    if draw(st.booleans()):
        table["quality"] = {"column": "Notes", "words": {"guess": "estimated"}}
        df["quality"] = np.where(df["start"].dt.hour % 5 == 0, "estimated", "actual")
    if draw(st.booleans()):
        names = table["values"]
        first = flows[0] if "flow" not in table else None
        mine = df["flow"] == first if first else pd.Series(True, index=df.index)
        df["cost"] = np.where(mine, np.arange(len(df)) / 100, np.nan)
        df["currency"] = pd.Series(np.where(mine, "USD", None), dtype="str")
        spec = {"column": "Paid", "currency": "USD", "factor": draw(st.sampled_from([1.0, 0.01]))}
        if draw(st.booleans()) and first:
            names[next(iter(names))]["cost"] = spec
        else:
            table["cost"] = spec
    if draw(st.booleans()):
        df["commodity"] = "electricity"
        table["commodity"] = {"column": "Fuel", "words": {"E": "electricity"}}
    if draw(st.booleans()):
        df["tou"] = pd.array(np.where(df["start"].dt.hour < 12, 1, 2), dtype="Int16")
        table["tou"] = {"column": "Rate", "words": {"low": "1", "high": "2"}}
    if draw(st.booleans()):
        table["zone"] = {"column": "Zone"}
    if draw(st.booleans()):
        df["series"] = "register 1"
        table["series"] = {"column": "Register"}
    how = draw(st.sampled_from(["columns", "columns", "epoch", "between"]))
    if how == "epoch" and isinstance(table["label"], str):
        table["time"] = {"epoch": "Moment", "unit": draw(st.sampled_from(["s", "ms", "us"]))}
    elif how == "between" and one and clock in ("local", "standard", "utc"):
        table["time"] = {"columns": ["Span"], "between": " to ", "format": form}
        table["label"] = "start"
    if draw(st.booleans()):
        df.loc[df.index % 7 == 3, "value"] = np.nan
        df["quality"] = df["quality"].astype(str).mask(df["value"].isna(), "missing")
        table["missing"] = ["none"]
    return greenkit.frame.tidy(df), read_mapping(table)


def written(df, mapping, delimiter=",", decimal=".", reverse=False):
    """Return a frame as the bytes of a table, with a line before its header."""
    table = to_table(df, mapping)
    if reverse:
        table = table.iloc[::-1]
    file = io.StringIO()
    table.to_csv(file, index=False, sep=delimiter, decimal=decimal)
    return file.getvalue().encode()


def same(back, df):
    names = ["meter", "flow", "start", "end", "unit", "zone", "quality"]
    names += [name for name in ("series", "commodity", "tou") if name in back and name in df]
    pd.testing.assert_frame_equal(back[names].astype(str), df[names].astype(str))
    np.testing.assert_allclose(back["value"], df["value"], rtol=1e-9)
    assert ("cost" in back) == ("cost" in df)
    if "cost" in df:
        np.testing.assert_allclose(back["cost"], df["cost"], rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames_and_mappings(), st.sampled_from([(",", "."), (";", ","), ("\t", ".")]), st.booleans())
def test_parse_after_write_gives_the_frame_for_any_mapping(made, form, reverse):
    df, mapping = made
    with quiet():
        back = greenkit.load_table(written(df, mapping, *form, reverse=reverse), mapping)
    same(back, df)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["America/Chicago", "America/New_York"]),
    st.sampled_from(["2024-11-02", "2024-03-09", "2024-07-04"]),
    st.sampled_from([15, 30, 60]),
    st.sampled_from(["in order", "slots 9-12", "appended"]),
    st.booleans(),
)
def test_parse_after_write_gives_the_frame_for_wide_tables(zone, first, minutes, repeat, two_flows):
    df = build(zone, first, 3, minutes, ["delivered", "received"] if two_flows else ["delivered"], ["a", "b"], 1)
    table = {
        "time": {"columns": ["Date"], "wide": "INT{n}"},
        "zone": zone,
        "clock": "local",
        "meter": {"column": "Meter"},
        "repeat": repeat,
        "cells": {"unit": "kWh"} | ({} if two_flows else {"flow": "delivered"}),
    }
    if two_flows:
        table["flow"] = {"column": "Way", "words": {"In": "delivered", "Out": "received"}}
    mapping = read_mapping(table)
    with quiet():
        back = greenkit.load_table(written(df, mapping), mapping)
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
