"""The published shapes: real days of the portal, and examples from documents. They are not part of the project."""

from pathlib import Path

import pandas as pd
import pytest
from smt_files import read

from greenkit.times import interval_starts, to_times

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "smt-samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is absent")

# file → the day of change in it
CHANGES = {
    "portal_2022_fall_back_day.csv": "2022-11-06",
    "portal_2022_spring_forward_day.csv": "2022-03-13",
    "excel_resaved_2025_fall_back_day.csv": "2025-11-02",
    "excel_resaved_2026_spring_forward_day.csv": "2026-03-08",
    "lse_fallback_100_intervals_20241103.lse": "2024-11-03",
    "lse_springforward_92_intervals_20240310.lse": "2024-03-10",
}


@pytest.mark.parametrize(("name", "day"), CHANGES.items())
def test_days_when_clocks_change(name, day):
    found = read(SAMPLES / name)
    df = found.readings
    assert len(found.findings) == 0
    assert (df["start"].diff().dropna() == pd.Timedelta(minutes=15)).all()
    changed = df[df["usage_date"] == day]
    assert changed["start"].tolist() == list(to_times(interval_starts(day, "America/Chicago", 900), "America/Chicago"))
    if name.endswith(".csv"):
        assert df["value"].sum() == pytest.approx(pd.read_csv(SAMPLES / name)["USAGE_KWH"].sum(), abs=1e-9)


def test_estimated_reads():
    df = read(SAMPLES / "excel_resaved_2025_estimated_reads.csv").readings
    raw = pd.read_csv(SAMPLES / "excel_resaved_2025_estimated_reads.csv")
    assert df["quality"].value_counts().to_dict() == {
        "actual": int((raw["ESTIMATED_ACTUAL"] == "A").sum()),
        "estimated": int((raw["ESTIMATED_ACTUAL"] == "E").sum()),
    }


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.*")), ids=lambda p: p.name)
def test_every_shape_loads_or_raises_an_error_with_a_reason(path):
    if path.name == "README.md":
        pytest.skip("it is no data")
    if path.name == "api_odrstatus_responses.json":
        with pytest.raises(ValueError, match="No data received from the respective TDSP"):
            read(path)
        return
    found = read(path)
    assert len(found.readings) + len(found.registers) > 0
