"""Local days, and labels of the local clock as instants."""

import numpy as np
import pandas as pd
import pytest

from greenkit import times

ZONE = "America/Chicago"


def labels(*texts):
    return np.array(texts, dtype="datetime64[us]").view(np.int64)


def shown(instants):
    return [t.isoformat() for t in times.to_times(instants, ZONE)]


def test_repeated_hour_means_daylight_or_standard_time_or_goes_by_order():
    twice = labels("2024-11-03T01:15", "2024-11-03T01:15")
    daylight, standard = "2024-11-03T01:15:00-05:00", "2024-11-03T01:15:00-06:00"
    assert shown(times.from_wall_clock(twice, ZONE)) == [daylight, daylight]
    assert shown(times.from_wall_clock(twice, ZONE, repeated="standard")) == [standard, standard]
    assert shown(times.from_wall_clock(twice, ZONE, repeated="first is daylight")) == [daylight, standard]


def test_skipped_hour_becomes_the_first_instant_after_it():
    assert shown(times.from_wall_clock(labels("2024-03-10T02:30"), ZONE)) == ["2024-03-10T03:00:00-05:00"]


def test_to_wall_clock_is_the_inverse_outside_the_repeated_hour():
    some = labels("2024-03-10T03:00", "2024-07-01T00:00", "2024-12-31T23:45")
    assert times.to_wall_clock(times.from_wall_clock(some, ZONE), ZONE).tolist() == some.tolist()


def test_midnight_that_a_zone_skips_is_the_first_instant_of_the_day():
    # Havana moves its clocks from 00:00 to 01:00 in spring
    first = times.to_times(times.midnights(["2024-03-10"], "America/Havana"), "America/Havana")[0]
    assert first.isoformat() == "2024-03-10T01:00:00-04:00"


def test_empty_arrays_stay_empty():
    assert len(times.midnights([], ZONE)) == 0
    assert len(times.from_wall_clock(labels(), ZONE, repeated="first is daylight")) == 0


def test_moment_takes_local_time_unless_an_offset_is_given():
    assert times.moment("2024-11-03 01:30", ZONE) == pd.Timestamp("2024-11-03T06:30Z")
    assert times.moment(pd.Timestamp("2024-11-03T01:30-06:00"), ZONE) == pd.Timestamp("2024-11-03T07:30Z")


@pytest.mark.parametrize("value", [2024, 1.5, np.int64(20240101), "soon", None, pd.NaT])
def test_moment_rejects_what_is_not_a_date(value):
    with pytest.raises(ValueError, match=r"not a date|soon"):
        times.moment(value, ZONE)


@pytest.mark.parametrize("zone", [ZONE, "America/Havana", "Pacific/Apia", "Etc/GMT+5"])
def test_midnights_of_any_dates_are_those_of_each_date_alone(zone):
    # around 1970, the borders of a table, a day that Apia skipped, changes of the clock, and after the last table
    dates = np.array([-1, 0, 511, 512, 15_338, 20_157, 20_396, 39_999, 40_000, 60_000, 15_338]).astype("datetime64[D]")
    alone = [
        times.to_instants(pd.DatetimeIndex([d.astype("datetime64[us]")]).tz_localize(zone, True, "shift_forward"))[0]
        for d in dates
    ]
    assert times.midnights(dates, zone).tolist() == alone
    inner = dates[1:8]
    assert times.midnights(inner, zone).tolist() == alone[1:8]


def test_instants_are_a_copy_of_the_frame():
    index = times.to_times(np.array([0, 1]))
    times.to_instants(index)[:] = 5
    assert index.asi8.tolist() == [0, 1]
    with pytest.raises(TypeError, match="no time zone"):
        times.to_instants(pd.DatetimeIndex(["2024-01-01"]))
