"""Rows labeled with a date and clock times: their places on days when clocks change, in every zone and step."""

import datetime as dt
import zoneinfo

import numpy as np
import pytest

from greenkit import _days
from greenkit.times import US

CHICAGO = "America/Chicago"
SPRING, FALL, PLAIN = "2025-03-09", "2025-11-02", "2025-07-06"
# zone, a day on which clocks change, and the minutes of that day
CHANGES = [
    (CHICAGO, SPRING, 1380),
    (CHICAGO, FALL, 1500),
    (CHICAGO, PLAIN, 1440),
    ("Europe/London", "2025-03-30", 1380),  # at 01:00
    ("Europe/London", "2025-10-26", 1500),
    ("Europe/Berlin", "2025-10-26", 1500),  # at 03:00
    ("Australia/Lord_Howe", "2025-10-05", 1410),  # by half an hour
    ("Australia/Lord_Howe", "2025-04-06", 1470),
    ("America/Sao_Paulo", "2018-11-04", 1380),  # midnight is skipped
    ("America/Sao_Paulo", "2018-02-17", 1500),  # the last hour of the day repeats
    ("America/Havana", "2025-03-09", 1380),
    ("America/Havana", "2025-11-02", 1500),  # midnight repeats
    ("America/Phoenix", FALL, 1440),
]
STEPS = [5, 15, 30, 60]


def number(date):
    return int(np.datetime64(date, "D").astype(int))


def truth(zone, date, minutes, step):
    """Return the true places of one day's intervals, and the clock minutes at which they start and end."""
    tz = zoneinfo.ZoneInfo(zone)
    year, month, day = map(int, date.split("-"))
    midnight = dt.datetime(year, month, day, tzinfo=tz)
    while dt.datetime.fromtimestamp(midnight.timestamp(), tz).date() != midnight.date():
        midnight += dt.timedelta(minutes=30)
    first = midnight.timestamp()

    def clock(minute):
        shown = dt.datetime.fromtimestamp(first + 60 * minute, tz)
        return shown.hour * 60 + shown.minute

    places = np.arange(0, minutes, step)
    return places, np.array([clock(m) for m in places]), np.array([clock(m + step) for m in places]), first


def place(zone, date, start, end, **options):
    return _days.place_rows(np.full(len(start), number(date)), np.array(start), np.array(end), zone, **options)


CASES = [
    pytest.param(zone, date, minutes, step, id=f"{zone} {date} {step}")
    for zone, date, minutes in CHANGES
    for step in STEPS
    if minutes % step == 0
]


# The file states both times, or only one, of which the other is computed with the interval length.
STATED = ["both", "start", "end"]


def labels(stated, start, end, step):
    if stated == "start":
        return start, (start + step) % 1440
    return (start, end) if stated == "both" else ((end - step) % 1440, end)


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize(("zone", "date", "minutes", "step"), CASES)
def test_complete_day_is_placed_by_position(zone, date, minutes, step, stated):
    places, start, end, first = truth(zone, date, minutes, step)
    start, end = labels(stated, start, end, step)
    label = "end" if stated == "end" else "start"
    for order in (slice(None), slice(None, None, -1)):
        placed = place(zone, date, start[order], end[order], label=label)
        assert placed.start.tolist() == places[order].tolist()
        assert placed.end.tolist() == (places[order] + step).tolist()
        assert set(placed.midnight.tolist()) == {int(first) * US}
        assert set(placed.length.tolist()) == {minutes * 60}
        assert placed.skipped == placed.by_order == []


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize(("zone", "date", "minutes", "step"), CASES)
def test_incomplete_day_in_order_is_placed_by_label(zone, date, minutes, step, stated):
    places, start, end, _ = truth(zone, date, minutes, step)
    start, end = labels(stated, start, end, step)
    label = "end" if stated == "end" else "start"
    change = _days.clock_change(number(date), zone)
    if change and change.repeats and change.begin == 0 and label == "end":
        pytest.skip("where midnight repeats, an end label of 00:00 is taken for the end of the day")
    kept = np.ones(len(places), dtype=bool)
    kept[[len(kept) // 2, len(kept) // 2 + 2]] = False  # around noon, where no zone changes its clock
    placed = place(zone, date, start[kept], end[kept], label=label)
    assert placed.start.tolist() == places[kept].tolist()
    assert placed.end.tolist() == (places[kept] + step).tolist()
    assert placed.skipped == []
    assert [rows.tolist() for rows in placed.by_order] == (
        [list(range(kept.sum()))] if change and change.repeats else []
    )


@pytest.mark.parametrize(("zone", "date", "minutes"), CHANGES)
def test_clock_change_agrees_with_the_length_of_the_day(zone, date, minutes):
    change = _days.clock_change(number(date), zone)
    assert (change.day if change else 1440) == minutes


# The spring-forward day


@pytest.mark.parametrize("step", STEPS)
def test_values_in_the_skipped_hour_have_no_place_and_are_reported(step):
    start = np.arange(0, 1440, step)
    filled = np.ones(len(start), dtype=bool)
    placed = place(CHICAGO, SPRING, start, (start + step) % 1440, filled=filled)
    skipped = (start >= 120) & (start < 180)
    assert (placed.start[skipped] == _days.NOWHERE).all()
    assert placed.start[~skipped].tolist() == list(range(0, 1380, step))
    assert [rows.tolist() for rows in placed.skipped] == [np.flatnonzero(skipped).tolist()]


def test_blank_rows_in_the_skipped_hour_are_not_reported():
    start = np.arange(0, 1440, 15)
    filled = (start < 120) | (start >= 180)
    placed = place(CHICAGO, SPRING, start, (start + 15) % 1440, filled=filled)
    assert placed.start[filled].tolist() == list(range(0, 1380, 15))
    assert placed.skipped == []


def test_rows_counted_on_through_the_skipped_hour_are_placed_by_position():
    start = np.arange(0, 1380, 15)  # 92 rows, the last of which is labeled 22:45
    placed = place(CHICAGO, SPRING, start, start + 15)
    assert placed.start.tolist() == start.tolist()
    assert placed.skipped == []


def test_row_count_that_differs_by_one_is_not_taken_for_a_complete_day():
    start = np.arange(0, 1380 - 15, 15)  # 91 rows: four of them lie in the skipped hour
    placed = place(CHICAGO, SPRING, start, start + 15)
    assert len(placed.skipped[0]) == 4


@pytest.mark.parametrize("before", [120, 180])
def test_end_label_of_the_interval_before_the_change_may_be_either(before):
    # end labels 00:15 … 01:45, then 02:00 or 03:00, then 03:15 …
    end = np.array([*range(15, 120, 15), before, *range(195, 1440, 15), 0])
    placed = place(CHICAGO, SPRING, (end - 15) % 1440, end, label="end")
    assert placed.end.tolist() == list(range(15, 1381, 15))
    assert placed.start.tolist() == list(range(0, 1380, 15))


def test_end_labels_of_96_rows_put_the_skipped_hour_before_03_00():
    end = np.array([*range(15, 1440, 15), 0])
    placed = place(CHICAGO, SPRING, (end - 15) % 1440, end, label="end")
    assert [end[rows].tolist() for rows in placed.skipped] == [[135, 150, 165, 180]]
    assert placed.end[placed.start >= 0].tolist() == list(range(15, 1381, 15))


# The fall-back day


def test_second_hour_that_begins_with_the_label_02_00_is_complete():
    # SMT labels the first row of the second hour 02:00 to 01:15
    start = np.array([*range(0, 120, 15), 120, 75, 90, 105, *range(120, 1440, 15)])
    end = np.array([*range(15, 135, 15), *range(75, 135, 15), *range(135, 1440, 15), 0])
    placed = place(CHICAGO, FALL, start, end)
    assert placed.start.tolist() == list(range(0, 1500, 15))
    assert placed.end.tolist() == list(range(15, 1501, 15))
    assert placed.by_order == []


def test_row_that_ends_before_it_starts_begins_the_second_hour_of_an_incomplete_day():
    placed = place(CHICAGO, FALL, [60, 120, 75, 120], [75, 75, 90, 135])
    assert placed.start.tolist() == [60, 120, 135, 180]
    assert placed.end.tolist() == [75, 135, 150, 195]
    assert len(placed.by_order) == 1


def test_second_of_equal_labels_is_the_later_one():
    placed = place(CHICAGO, FALL, [60, 60, 75, 75], [75, 75, 90, 90])
    assert placed.start.tolist() == [60, 120, 75, 135]
    assert placed.end.tolist() == [75, 135, 90, 150]


def test_groups_are_distinguished_by_their_keys():
    start, end = np.array([60, 60, 60, 60]), np.array([75, 75, 75, 75])
    placed = place(CHICAGO, FALL, start, end, keys=(np.array([1, 2, 2, 1]),))
    assert placed.start.tolist() == [60, 60, 120, 120]
    assert [rows.tolist() for rows in placed.by_order] == [[0, 3], [1, 2]]


@pytest.mark.parametrize("copies", [2, 3])
def test_day_that_is_in_the_file_more_than_once_is_placed_copy_by_copy(copies):
    places, start, end, _ = truth(CHICAGO, FALL, 1500, 15)
    placed = place(CHICAGO, FALL, np.tile(start, copies), np.tile(end, copies))
    assert placed.start.tolist() == np.tile(places, copies).tolist()
    assert placed.by_order == []


def test_day_whose_rows_are_each_in_the_file_twice_is_complete():
    places, start, end, _ = truth(CHICAGO, FALL, 1500, 15)
    placed = place(CHICAGO, FALL, np.repeat(start, 2), np.repeat(end, 2))
    assert placed.start.tolist() == np.repeat(places, 2).tolist()
    assert placed.by_order == []


def test_day_with_one_row_moved_is_not_complete():
    places, start, end, _ = truth(CHICAGO, FALL, 1500, 15)
    order = np.arange(100)
    order[[20, 50]] = order[[50, 20]]
    placed = place(CHICAGO, FALL, start[order], end[order])
    assert placed.start.tolist() == places[order].tolist()
    assert len(placed.by_order) == 1


# Any day


def test_no_rows_have_no_places():
    none = np.empty(0, dtype=np.int64)
    placed = _days.place_rows(none, none, none, CHICAGO)
    assert len(placed.start) == len(placed.midnight) == 0


def test_interval_up_to_midnight_ends_with_the_day():
    for date, minutes in ((PLAIN, 1440), (SPRING, 1380), (FALL, 1500)):
        placed = place(CHICAGO, date, [0], [0])
        assert (placed.start.tolist(), placed.end.tolist()) == ([0], [minutes])
