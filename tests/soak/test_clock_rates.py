"""How often the clock checks of Green Button feeds are right: false alarms on right feeds, advice on shifted ones."""

import argparse
import random
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from greenkit import synthetic
from greenkit.espi import open_espi
from greenkit.espi._clock import standard_offset
from greenkit.synthetic import DIALECTS
from greenkit.times import US, interval_starts, to_times

sys.path.insert(0, str(Path(__file__).parent.parent / "espi"))
from build import CENTRAL, EASTERN, PACIFIC, block, feed, local_time, meter_reading, reading, reading_type, usage_point
from build import blocks as entries_of

sys.path.pop(0)

ZONES = {
    "America/New_York": EASTERN,
    "America/Chicago": CENTRAL,
    "America/Denver": EASTERN | {"tzOffset": -25200},
    "America/Los_Angeles": PACIFIC,
}
CLOCK = ("espi.time.local-as-utc", "espi.time.standard-as-utc", "espi.time.other-zone")


class Meter:
    """Hours or quarters of one meter: where, from when, how long, with which gaps, and in which blocks."""

    def __init__(self, seed, longest):
        rng = random.Random(seed)
        self.zone = rng.choice(list(ZONES))
        first = np.datetime64("2022-01-01") + rng.randrange(900)
        days = max(1, round(longest ** rng.random()))
        interval = rng.choice([3600, 3600, 1800]) if days > 60 else rng.choice([900, 1800, 3600])
        of_day = [interval_starts(first + n, self.zone, interval) // US for n in range(days)]
        if days > 2:
            of_day = [day for n, day in enumerate(of_day) if n in (0, days - 1) or rng.random() > 0.04]
        if len(of_day) > 1 and rng.random() < 0.25:  # installed in the middle of a day
            of_day[0] = of_day[0][rng.randrange(1, len(of_day[0])) :]
        if len(of_day) > 1 and rng.random() < 0.25:  # still delivering
            of_day[-1] = of_day[-1][: rng.randrange(1, len(of_day[-1]))]
        size = rng.choice([1, 1, 1, 7, 31, len(of_day)])
        self.blocks = [np.concatenate(of_day[n : n + size]) for n in range(0, len(of_day), size)]
        self.interval, self.newest_first = interval, rng.random() < 0.3

    def truth(self):
        return np.concatenate(self.blocks)

    def feed(self, shift):
        """Write the feed with ``shift`` (a function from times to stored seconds)."""
        contents = []
        for times in self.blocks:
            texts = [reading(int(t), 5, self.interval) for t in shift(times)]
            contents.append(block("".join(texts[::-1] if self.newest_first else texts)))
        contents = contents[::-1] if self.newest_first else contents
        parts = [usage_point(), meter_reading(), reading_type(intervalLength=self.interval)]
        return feed(*parts, entries_of(*contents), local_time(ZONES[self.zone]))


def shifts(meter):
    standard = standard_offset(meter.zone, meter.truth() * US)
    return {
        "+1 h": lambda t: t + 3600,
        "-1 h": lambda t: t - 3600,
        "standard offset": lambda t: t + standard,
        "daylight offset": lambda t: t + standard + 3600,
    }


def advice(data):
    """Return the epoch that a finding advises, "other" for a zone, or "" for no advice."""
    found = [f for name in CLOCK for f in open_espi(data)._findings.named(name)]
    assert len(found) < 2
    if not found:
        return ""
    return {"local-as-utc": "local", "standard-as-utc": "standard"}.get(found[0].name.rpartition(".")[2], "other")


def is_right(meter, data, epoch):
    """Return whether reading with an epoch gives every reading its true start, but for the repeated hour."""
    got = open_espi(data, epoch=epoch).readings["start"].dt.tz_convert("UTC").dt.tz_localize(None)
    got = np.sort(got.to_numpy("datetime64[us]").view(np.int64)) // US
    truth = np.sort(meter.truth())
    odd = ~np.isin(got, truth)
    local = to_times(got[odd] * US, meter.zone)
    return len(local) == 0 or bool((local.hour <= 3).all() and odd.sum() <= 8 * 3 * (3600 // meter.interval))


def measure(seeds, longest):
    counts, wrong = Counter(), []
    for seed in seeds:
        meter = Meter(seed, longest)
        counts["right feeds"] += 1
        if alarm := advice(meter.feed(lambda t: t)):
            wrong.append((seed, "right", alarm))
        for name, shift in shifts(meter).items():
            data = meter.feed(shift)
            told = advice(data)
            counts["shifted feeds"] += 1
            counts["recognized"] += bool(told)
            counts["no advice"] += not told
            if told in ("local", "standard") and not is_right(meter, data, told):
                wrong.append((seed, name, told))
    print(dict(counts), "wrong:", wrong)
    return counts, wrong


def test_clock_checks_of_short_feeds_are_correct():
    counts, wrong = measure(range(20), longest=14)
    wrong += measure([271], longest=1096)[1]  # a year whose edges and most of whose days are in winter
    assert wrong == []
    assert counts["recognized"] > counts["shifted feeds"] * 0.5


@pytest.mark.real
def test_clock_checks_of_feeds_up_to_three_years_are_correct():
    """A few; ``python tests/soak/test_clock_rates.py --first 100 --count 200`` measures more."""
    counts, wrong = measure(range(100, 160), longest=1096)
    assert wrong == []
    assert counts["recognized"] > counts["shifted feeds"] * 0.5


@pytest.mark.parametrize("name", [n for n, d in DIALECTS.items() if d.clock == "utc" and d.readings])
def test_clock_check_has_no_false_alarm_in_any_dialect(name):
    file = BytesIO()
    synthetic.write_espi(file, [synthetic.household(3)], "2024-11-01", "2024-11-05", dialect=DIALECTS[name])
    found = open_espi(file.getvalue(), tz="America/Chicago")._findings
    assert [f.name for f in found if f.name in CLOCK] == []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--count", type=int, default=200)
    given = parser.parse_args()
    assert measure(range(given.first, given.first + given.count), longest=1096)[1] == []
