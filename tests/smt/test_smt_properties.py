"""Any day, any order of rows, any layout: unique increasing instants and the same sum."""

import dataclasses
import datetime as dt
import io
import json

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from smt_files import csv, read
from smt_mutations import compare

import greenkit
from greenkit import synthetic
from greenkit.synthetic import _smt_json
from greenkit.text import parse_decimals, parse_number
from greenkit.times import intervals_per_day

QUICK = settings(max_examples=10, deadline=None)
# every sort of day: those of change of twenty years, and any other
CHANGES = [
    day
    for year in range(2007, 2027)
    for day in (dt.date(year, 3, 8), dt.date(year, 11, 1))
    for day in [day + dt.timedelta(days=(6 - day.weekday()) % 7)]
]
DAYS = st.sampled_from(CHANGES) | st.dates(dt.date(2007, 1, 1), dt.date(2026, 12, 31))
METERS = st.integers(1, 50).map(
    lambda seed: dataclasses.replace(
        synthetic.household(seed, tdsp="oncor", solar=4.0 * (seed % 2)), installed="2000-01-01"
    )
)


def csv_of(meter, first, last, **layout):
    file = io.BytesIO()
    synthetic.write_interval_csv(file, [meter], first, last, layout=synthetic.IntervalCsv(**layout))
    return file.getvalue()


def lse_of(meter, first, last, **layout):
    file = io.BytesIO()
    synthetic.write_lse(file, [meter], first, last, layout=synthetic.Lse(gap="null", **layout))
    return file.getvalue()


def is_on_the_grid(df, first, last):
    n = intervals_per_day(np.arange(np.datetime64(first), np.datetime64(last)), "America/Chicago", 900).sum()
    for _, part in df.groupby(["meter", "flow"], observed=True):
        assert len(part) == n
        assert (part["start"].diff().dropna() == pd.Timedelta(minutes=15)).all()
        assert part["start"].iloc[0] == pd.Timestamp(first, tz="America/Chicago")


@QUICK
@given(METERS, DAYS, st.integers(1, 3), st.data())
def test_csv_in_any_order_of_rows(meter, first, n, data):
    last = first + dt.timedelta(days=n)
    text = csv_of(meter, first, last).decode()
    plain = read(text).readings
    is_on_the_grid(plain, first, last)
    header, *lines = text.splitlines()
    shuffled = data.draw(st.permutations(lines))
    mixed = read(csv(shuffled, header=header)).readings
    assert mixed["start"].tolist() == plain["start"].tolist()
    assert abs(np.nansum(mixed["value"]) - np.nansum(plain["value"])) < 1e-9 * len(mixed)


@QUICK
@given(METERS, DAYS, st.integers(1, 4), st.sampled_from([1, 7, 96]), st.booleans(), st.booleans(), st.integers(1, 3))
def test_lse_csv_and_json_agree(meter, first, n, per_row, trailing, times, days_in_record):
    last = first + dt.timedelta(days=n)
    from_csv = read(csv_of(meter, first, last)).readings
    layout = {"per_row": per_row, "trailing_comma": trailing, "interval_times": times}
    from_lse = read(lse_of(meter, first, last, days_in_record=days_in_record, **layout)).readings
    from_json = read(_smt_json.intervals(meter, first, last)).readings
    truth = meter.frame(first, last)
    truth = truth[(truth["unit"] == "kWh") & truth["flow"].isin(["delivered", "received"])]
    columns = ["meter", "series", "flow", "start", "end", "value", "unit", "zone"]
    for df in (from_lse, from_json):
        pd.testing.assert_frame_equal(df[columns], from_csv[columns])
    is_on_the_grid(from_csv, first, last)
    assert abs(np.nansum(truth["value"]) - np.nansum(from_csv["value"])) < 1e-6


@QUICK
@given(METERS, DAYS, st.data())
def test_missing_rows_lose_only_their_values(meter, day, data):
    lines = csv_of(meter, day, day + dt.timedelta(days=1)).decode().splitlines()[1:]
    kept = data.draw(st.lists(st.sampled_from(range(len(lines))), unique=True, max_size=len(lines)).map(sorted))
    found = read(csv([lines[i] for i in kept]))
    cells = [lines[i].split(",") for i in kept]
    expected = sum(float(c[5]) for c in cells if c[5])
    conflicts = found.findings.named("smt.day.conflict")
    assert not found.readings.duplicated(["meter", "flow", "start"]).any()
    assert conflicts or abs(np.nansum(found.readings["value"]) - expected) < 1e-9


@QUICK
@given(METERS, DAYS, st.integers(0, 10_000), st.binary(max_size=3))
def test_damage_causes_a_finding_or_a_greenkit_error(meter, day, place, junk):
    last = day + dt.timedelta(days=1)
    for whole in (csv_of(meter, day, last), lse_of(meter, day, last), _smt_json.intervals(meter, day, last)):
        at = place % len(whole)
        for damaged in (whole[:at], whole[:at] + junk + whole[at + 1 :], whole[:at] + whole[at + 5 :]):
            try:
                found = greenkit.open_smt(damaged)
            except greenkit.GreenkitError:
                continue
            greenkit.frame.check(found.readings, exact=True)
            twice = found.readings.duplicated(["meter", "flow", "series", "start", "unit"]).any()
            assert not twice or found.findings.worst.name == "smt.day.overlap"


def test_mutants_read_alike_in_bulk_and_by_row(monkeypatch):
    total = compare(range(60), monkeypatch)
    # the comparison would prove nothing if nothing were read
    assert total["read"] > 40
    assert total["values"] > 3_000


NUMBERS = st.one_of(
    st.decimals(-10_000, 10_000, places=3).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.text("0123456789.-+e ", max_size=20),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_decimals_are_those_of_float(texts):
    raw = np.frombuffer(b",".join(t.encode() for t in texts) + b",", dtype=np.uint8)
    stop = np.flatnonzero(raw == 44)
    start = np.append(0, stop[:-1] + 1)
    values, odd = parse_decimals(raw, start, stop)
    for text, value, is_odd in zip(texts, values, odd, strict=True):
        if text == "":
            assert np.isnan(value)
            assert not is_odd
        elif not is_odd:
            assert value == parse_number(text)


def test_json_slots_of_every_kind_of_day():
    for day in (dt.date(2025, 7, 6), dt.date(2025, 3, 9), dt.date(2025, 11, 2)):
        meter = synthetic.household(3, tdsp="oncor", faults=())
        doc = json.loads(_smt_json.intervals(meter, day, day + dt.timedelta(days=1)))
        assert len(doc["energyData"][0]["RD"].split(",")) == 100
        is_on_the_grid(read(json.dumps(doc)).readings, day, day + dt.timedelta(days=1))
