"""Public inputs beside the repository: the right frame, with figures worked out by hand. Skipped where they are not."""

from pathlib import Path

import pandas as pd
import pytest

import greenkit
from greenkit.errors import AmbiguousTable
from greenkit.findings import quiet

SHARED = Path(__file__).parents[2].parent / "shared" / "trials" / "utility-tables"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared inputs are not beside the repository")
PACIFIC, CENTRAL, EASTERN = "America/Los_Angeles", "America/Chicago", "America/New_York"

# file → answers; zone; sums by flow and unit; first start, last end, rows; sum of cost
# Values of the first five rise by 0.01 within each hour pattern; sums were added up from the text of the files.
FRAMES = {
    "20-pge-usage-units.csv": ({"tz": PACIFIC}, {("delivered", "kWh"): 45.9}, "2026-01-15", "2026-01-17", 192, 17.28),
    "21-pge-usage-kwh.csv": ({"tz": PACIFIC}, {("delivered", "kWh"): 45.9}, "2026-01-15", "2026-01-17", 192, 17.28),
    "22-pge-import-export.csv": (
        {"tz": PACIFIC}, {("delivered", "kWh"): 45.9, ("received", "kWh"): 75.0}, "2026-01-15", "2026-01-17", 384, 17.28,
    ),
    "23-pge-net-billing.csv": (
        {"tz": PACIFIC}, {("delivered", "kWh"): 45.9, ("received", "kWh"): 75.0}, "2026-01-15", "2026-01-17", 384, 13.44,
    ),
    "24-pge-gas.csv": ({"tz": PACIFIC}, {("delivered", "therm"): 10.37}, "2025-10-10", "2025-10-20", 10, 27.37),
    "25-comed-30min.csv": ({"tz": CENTRAL}, {("delivered", "kWh"): 15.36}, "2026-01-15", "2026-01-17", 96, 1.92),
    "26-portland-ge.csv": ({"tz": PACIFIC}, {("delivered", "kWh"): 17.67}, "2020-12-31", "2021-01-01", 24, None),
    "27-sce.csv": ({}, {("delivered", "kWh"): 32.55}, "2022-08-01", "2022-08-02", 96, None),
    "29-sdge-meter.csv": ({}, {("delivered", "kWh"): 5.28}, "2022-11-01", "2022-11-02", 24, None),
    "31-smarthub-hourly.csv": ({"tz": CENTRAL}, {("delivered", "kWh"): 29.58}, "2025-10-19", "2025-10-19 23:00", 23, None),
    "34-duke-hourly.csv": ({"tz": EASTERN}, {("delivered", "kWh"): 21.6}, "2026-01-15", "2026-01-16", 24, None),
    "35-pge-both.zip": (
        {"tz": PACIFIC},
        {("delivered", "kWh"): 45.9, ("received", "kWh"): 75.0, ("delivered", "therm"): 10.37},
        "2025-10-10", "2026-01-17", 394, 44.65,
    ),
    "38-utilityapi-intervals.csv": ({}, {("delivered", "kWh"): 20.7}, "2026-01-15", "2026-01-15 23:00", 23, None),
    "idr-wide-96-columns.csv": ({"unit": "kWh"}, {("delivered", "kWh"): 48.0}, "2025-07-01", "2025-07-02", 96, None),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_shared_table_gives_the_right_frame(name):
    answers, sums, first, last, rows, cost = FRAMES[name]
    with quiet():
        df = greenkit.load_table(SHARED / name, **answers)
    greenkit.frame.check(df, exact=True)
    found = df.groupby(["flow", "unit"], observed=True)["value"].sum().round(3).to_dict()
    assert found == sums
    zone = str(df["start"].dtype.tz)
    assert df["start"].min() == pd.Timestamp(first, tz=zone)
    assert df["end"].max() == pd.Timestamp(last, tz=zone)
    assert len(df) == rows
    assert set(df["quality"]) == {"actual"}
    if cost is None:
        assert "cost" not in df
    else:
        assert df["cost"].sum() == pytest.approx(cost)


def test_shared_table_without_a_zone_asks_for_it():
    for name, (answers, *_) in FRAMES.items():
        if "tz" in answers:
            with pytest.raises(AmbiguousTable) as caught:
                greenkit.load_table(SHARED / name)
            assert {choice.argument for choice in caught.value.choices} == {"tz"}
            assert "PAT" not in str(caught.value)


def test_shared_bills():
    bills = greenkit.open_table(SHARED / "32-xcel-bills.csv").bills
    electric = bills[bills["commodity"] == "electricity"]
    assert electric["value"].tolist() == [450, 520]
    assert electric["cost"].tolist() == [89.45, 102.34]
    assert electric["end"].tolist() == [pd.Timestamp("2025-09-24"), pd.Timestamp("2025-08-26")]
    assert electric["start"].iloc[0] == pd.Timestamp("2025-08-26")
    assert pd.isna(electric["start"].iloc[1])
