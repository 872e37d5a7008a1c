"""Green Button files as utilities really deliver them: one group of documents for each kind of fault."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest
from build import (
    CENTRAL,
    EASTERN,
    MR,
    PACIFIC,
    block,
    blocks,
    entry,
    feed,
    hourly,
    local_time,
    meter_reading,
    reading,
    reading_type,
    resource,
    usage_point,
    utc,
    whole,
    xml,
)

from greenkit import load_espi
from greenkit.errors import FormatError, OtherFormat
from greenkit.findings import GreenkitWarning

TRIALS = Path(__file__).parents[3] / "shared" / "trials" / "green-button"
START = utc("2024-01-05 06:00")


def trial(name):
    path = TRIALS / name
    if not path.exists():
        pytest.skip("no ../shared/trials beside the checkout")
    return path


def names(found):
    return set(found.findings.names)


def seconds(df):
    return (df["end"] - df["start"]).dt.total_seconds().tolist()


def starts(df, zone="UTC"):
    return df["start"].dt.tz_convert(zone).dt.strftime("%m-%d %H:%M").tolist()


# Usage that is declared as a register


@pytest.mark.parametrize(
    ("step", "values", "members", "unit", "want"),
    [
        (60, [29, 31, 0, 14, 12, 40], {}, "kWh", [0.029, 0.031, 0, 0.014, 0.012, 0.04]),
        (3600, [5, 3, 4, 1], {"uom": 169, "commodity": 7}, "therm", [5, 3, 4, 1]),
        (900, [7, 2, 9, 1, 8], {"uom": 42, "powerOfTenMultiplier": -2}, "m3", [0.07, 0.02, 0.09, 0.01, 0.08]),
        (86400, [99_990, 3, 7, 2, 5, 1], {"powerOfTenMultiplier": 3}, "kWh", [99_990, 3, 7, 2, 5, 1]),
    ],
    ids=["minutes", "gas", "cubic metres", "days with one rollover"],
)
@pytest.mark.parametrize("behaviour", [1, 3])
def test_register_that_falls_is_usage(opened, step, values, members, unit, want, behaviour):
    readings = "".join(reading(START + step * n, v, 0) for n, v in enumerate(values))
    found = opened(whole(block(readings), accumulationBehaviour=behaviour, intervalLength=step, **members))
    df = found.readings
    assert df["value"].tolist() == want
    assert set(df["unit"]) == {unit}
    assert seconds(df) == [step] * len(values)
    assert found.registers.empty
    assert found.findings.named("espi.register.not-a-dial")[0].evidence["count"] == len(values)


@pytest.mark.parametrize(
    "values",
    [[10, 12, 12, 15], [99_998, 99_999, 3, 7], [500, 510, 2, 9, 11]],
    ids=["grows", "rolls over", "meter exchanged once"],
)
def test_register_that_grows_or_rolls_over_stays_a_register(opened, values):
    readings = "".join(reading(START + 3600 * n, v, 0) for n, v in enumerate(values))
    found = opened(whole(block(readings), accumulationBehaviour=1))
    assert found.readings.empty
    assert found.registers["value"].tolist() == [v / 1000 for v in values]


def test_register_that_falls_sums_to_the_bill_of_the_trial(opened):
    df = opened(trial("dial-falls-duration-0.xml")).readings
    assert df["value"].round(3).tolist()[:6] == [0.029, 0.031, 0, 0.014, 0.012, 0.04]
    assert set(seconds(df)) == {60}


# Durations that starts and intervalLength contradict


@pytest.mark.parametrize(
    ("length", "duration", "count", "members", "factor"),
    [
        (3600, 86400, 24, {}, 0.001),
        (900, 3600, 8, {}, 0.001),
        (3600, 60, 6, {"uom": 42}, 1),
        (900, 86400, 96, {"uom": 38}, 0.001),
    ],
    ids=["hours that last a day", "quarters that last an hour", "gas hours of a minute", "demand that lasts a day"],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_durations_against_starts_and_interval_length_are_corrected(
    opened, length, duration, count, members, factor, newest_first
):
    readings = [reading(START + length * n, n + 1, duration) for n in range(count)]
    content = block("".join(readings[::-1] if newest_first else readings))
    found = opened(whole(content, intervalLength=length, **members))
    assert seconds(found.readings) == [length] * count
    assert found.readings["value"].sum() == pytest.approx(count * (count + 1) / 2 * factor)
    (finding,) = found.findings.named("espi.time.wrong-duration")
    assert (finding.severity, finding.evidence["count"]) == ("warning", count)
    assert "espi.reading.overlapping" not in names(found)


@pytest.mark.parametrize(
    ("length", "step", "duration", "members"),
    [
        (86400, 3600, 86400, {}),  # the type agrees with the durations
        (3600, 86400, 86400, {}),  # the starts agree with the durations
        (3600, 3600, 900, {"uom": 38}),  # a demand of 15 minutes, once an hour
        (3600, 1800, 86400, {}),  # nothing agrees
    ],
)
def test_durations_without_proof_are_kept(opened, length, step, duration, members):
    readings = "".join(reading(START + step * n, 5, duration) for n in range(12))
    found = opened(whole(block(readings), intervalLength=length, **members))
    assert seconds(found.readings) == [duration] * 12
    assert "espi.time.wrong-duration" not in names(found)


def test_hours_that_last_a_day_in_the_trial(opened):
    df = opened(trial("08-enwin-hours-said-to-last-a-day.xml")).readings
    assert set(seconds(df)) == {3600}
    assert df["value"].tolist() == [(1000 + n) / 1000 for n in range(len(df))]
