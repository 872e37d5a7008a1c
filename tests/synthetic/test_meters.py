"""The true values: the same in any window, tidy, and with the faults of their table."""

import datetime as dt
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import frame, synthetic
from greenkit.synthetic._channels import GAS_M3
from greenkit.synthetic._loads import uniform


@pytest.mark.parametrize(
    "meter",
    [
        synthetic.household(1, solar=5.0, ev=True),
        synthetic.shop(2, tdsp="oncor"),
        synthetic.gas_meter(3),
        synthetic.gas_meter(3, channel=GAS_M3, zone="America/Toronto"),
        synthetic.water_meter(4),
    ],
    ids=lambda m: m.id,
)
def test_true_values_are_a_tidy_frame_of_complete_days(meter):
    df = frame.check(meter.frame("2024-03-01", "2024-04-01"), exact=True)
    assert (df["value"] >= 0).all()
    assert df["value"].sum() > 0
    assert df["start"].min() == df["start"].min().normalize()
    assert df["end"].max().tz_localize(None) == df["end"].max().tz_localize(None).normalize()


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(1, 10**9),
    first=st.dates(dt.date(2021, 1, 1), dt.date(2026, 1, 1)),
    before=st.integers(0, 30),
    length=st.integers(1, 20),
)
def test_values_do_not_depend_on_the_window(seed, first, before, length):
    home = synthetic.household(seed, solar=4.0)
    end = first + dt.timedelta(days=length)
    small = home.frame(first, end)
    large = home.frame(first - dt.timedelta(days=before), end + dt.timedelta(days=7))
    inside = large[(large["start"] >= home_time(home, first)) & (large["start"] < home_time(home, end))]
    assert len(small) == len(inside)
    for name in ("start", "end", "value", "cost", "tou"):
        assert small[name].reset_index(drop=True).equals(inside[name].reset_index(drop=True)), name


def home_time(home, day):
    return frame.pd.Timestamp(day).tz_localize(home.zone)


def test_chunks_equal_the_complete_window():
    home = synthetic.household(5)
    start, end = home.instant("2024-10-01"), home.instant("2025-01-01")
    whole = home.readings(home.channels[0], start, end)
    pieces = list(home.chunks(home.channels[0], start, end, 7))
    assert len(pieces) > 10
    assert np.array_equal(np.concatenate([p.start for p in pieces]), whole.start)
    assert np.array_equal(np.concatenate([p.amount for p in pieces]), whole.amount)


def test_dst_changes_have_92_and_100_readings():
    home = synthetic.household(6, faults=())
    assert len(home.frame("2024-03-10", "2024-03-11")) == 92
    assert len(home.frame("2024-11-03", "2024-11-04")) == 100
    gas = synthetic.gas_meter(6, faults=()).frame("2024-11-02", "2024-11-05")
    assert (gas["end"] - gas["start"]).dt.total_seconds().tolist() == [86400, 90000, 86400]


def test_faults_have_the_effect_of_their_table():
    calm = synthetic.household(7, faults=())
    home = (
        calm.plant("outage", "2024-07-02 10:00", "2024-07-02 12:00")
        .plant("gap", "2024-07-03 10:00", "2024-07-03 12:00")
        .plant("estimated", "2024-07-04 10:00", "2024-07-04 12:00")
        .plant("spike", "2024-07-05 10:00", "2024-07-05 11:00")
    )
    window = ("2024-07-01", "2024-07-08")
    table = home.planted(*window)
    assert table["fault"].tolist() == ["outage", "gap", "estimated", "spike"]
    true, got = calm.frame(*window), home.frame(*window)
    merged = true.merge(got, on="start", how="left", suffixes=("", "_got")).set_index("start")

    def within(day, name):
        return merged.loc[f"2024-07-{day} 10:00" : f"2024-07-{day} 11:59", name]

    assert (within("02", "value_got") == 0).all()
    assert within("03", "value_got").isna().all()
    assert (within("04", "quality_got") == "estimated").all()
    week_before = calm.frame("2024-06-27", "2024-06-28").set_index("start").loc["2024-06-27 10:00":"2024-06-27 11:59"]
    assert within("04", "value_got").tolist() == week_before["value"].tolist()
    assert within("05", "value_got")[:4].tolist() == pytest.approx((12 * within("05", "value")[:4]).tolist())
    assert merged["value_got"].isna().sum() == 8
    with pytest.raises(ValueError, match=r"no kind of fault '.*'. Use one of outage"):
        calm.plant("fire", "2024-07-02", "2024-07-03")


def test_seed_adds_faults_of_every_kind():
    found = set()
    for seed in range(1, 30):
        found |= set(synthetic.household(seed).planted("2023-01-01", "2025-01-01")["fault"])
    assert found == {"outage", "gap", "estimated", "spike", "meter change"}
    assert len(synthetic.household(1, faults=()).planted("2023-01-01", "2025-01-01")) == 0


def test_register_counts_energy_and_a_new_meter_starts_at_0():
    home = synthetic.household(9, faults=(), installed="2024-01-01")
    start, end = home.instant("2024-03-08"), home.instant("2024-03-13")
    at, dial, _ = home.registers(start, end)
    daily = home.frame("2024-03-08", "2024-03-12").groupby(lambda i: 0)["value"].sum()[0]
    assert len(at) == 5
    assert dial[-1] - dial[0] == round(daily * 1000)
    changed = home.plant("meter change", "2024-03-10", "2024-03-10")
    _, shown, _ = changed.registers(start, end)
    assert shown[:2].tolist() == dial[:2].tolist()
    assert shown[2] == 0
    assert (shown[3:] - shown[2] == dial[3:] - dial[2]).all()


def test_times_in_the_repeated_and_the_skipped_hour():
    home = synthetic.household(1)
    assert home.instant("2024-11-03 01:30") == home.instant("2024-11-03T06:30Z")
    assert home.instant("2024-03-10 02:30") == home.instant("2024-03-10T08:00Z")
    assert home.instant(dt.date(2024, 7, 4)) == home.instant("2024-07-04T05:00Z")


def test_meter_has_no_readings_before_it_is_installed():
    home = synthetic.household(10, installed="2024-06-01")
    assert len(home.frame("2024-05-01", "2024-06-01")) == 0
    assert len(home.frame("2024-05-01", "2024-06-02")) == 96


def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match=r"no Texas utility 'xcel'. Use one of oncor, "):
        synthetic.household(1, tdsp="xcel")
    gas = synthetic.gas_meter(1)
    with pytest.raises(ValueError, match="Meter gas-0001 does not measure electricity"):
        gas.registers(0, 1)
    for write in (synthetic.write_lse, synthetic.write_interval_csv):
        with pytest.raises(ValueError, match="gas-0001 has no 15-minute electricity"):
            write(io.BytesIO(), [gas], "2024-11-01", "2024-11-02")
    with pytest.raises(ValueError, match="rules of Africa/Cairo are unknown"):
        b"".join(synthetic.stream_espi([synthetic.household(1, zone="Africa/Cairo")], "2024-11-01", "2024-11-02"))
    with pytest.raises(ValueError, match="The window contains no reading"):
        b"".join(synthetic.stream_espi([], "2024-11-01", "2024-11-02", dialect="bare-entry"))


@pytest.mark.parametrize(
    "window", [("2024-11-05", "2024-11-01"), ("2024-11-05", "2024-11-05"), ("2019-01-01", "2019-02-01")]
)
def test_empty_window_gives_empty_files(window):
    home = synthetic.household(1, tdsp="oncor", solar=3.0)
    assert frame.check(home.frame(*window), exact=True).empty
    assert b"IntervalBlock>" not in b"".join(synthetic.stream_espi([home], *window))
    for write, lines in ((synthetic.write_lse, 0), (synthetic.write_interval_csv, 1), (synthetic.write_daily_csv, 1)):
        file = io.BytesIO()
        write(file, [home], *window)
        assert file.getvalue().count(b"\n") == lines


def test_fleet_has_texas_meters_with_esi_ids():
    meters = list(synthetic.fleet(20))
    assert len({m.id for m in meters}) == 20
    assert all(m.id.isdigit() and len(m.id) in (17, 22) for m in meters)
    assert {m.kind for m in meters} == {"household", "shop"}
    assert any(m.solar for m in meters)
    df = synthetic.fleet_frame(meters, "2024-07-01", "2024-07-02")
    assert df["meter"].nunique() == 20


def test_random_numbers_are_uniform():
    x = uniform(3, 4, np.arange(100_000))
    assert abs(x.mean() - 0.5) < 0.005
    assert abs(np.histogram(x, 10, (0, 1))[0] / 10_000 - 1).max() < 0.05
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.01


def test_bill_counts_energy_whose_readings_were_never_sent():
    home = synthetic.household(3, faults=())
    gap = home.plant("gap", "2024-05-03", "2024-05-04")
    start, end = home.instant("2024-05-01"), home.instant("2024-07-01")
    assert [bill.delivered for bill in gap.bills(start, end)] == [bill.delivered for bill in home.bills(start, end)]
    assert gap.frame("2024-05-01", "2024-06-01")["value"].sum() < home.frame("2024-05-01", "2024-06-01")["value"].sum()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"solar": -1.0}, "solar is -1.0, but it must be the rated power"),
        ({"solar": float("nan")}, "solar is nan"),
        ({"interval": 7}, "interval is 7, but it must be 60 or more"),
        ({"interval": 0}, "interval is 0"),
        ({"read_day": 32}, "read_day is 32, but it must be from 1 to 31"),
        ({"zone": "CST"}, "zone is 'CST', but it must be an IANA time zone"),
        ({"installed": "soon"}, "installed is 'soon', but it must be a date"),
    ],
)
def test_household_rejects_invalid_arguments(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        synthetic.household(1, **arguments)
