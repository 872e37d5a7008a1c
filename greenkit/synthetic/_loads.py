"""Models of what a site uses and generates: weather, people, cooling, a car, solar panels.

The models are functions of time and a seed, and simple by design. They show what analysts look for (base load, morning
and evening peaks, cooling that follows the temperature, a car at night, a dip at noon) and are not physical models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit.times import US, to_times

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The constants of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_WORD: Final = (1 << 64) - 1


def uniform(seed: int, stream: int, index: Any) -> Floats:
    """Return pseudorandom numbers in [0, 1), one for each index.

    Examples
    --------
    >>> uniform(1, 2, [10, 11, 10]).round(3).tolist()
    [0.688, 0.245, 0.688]
    """
    key = np.uint64((seed * 0xD1342543DE82EF95 + stream * 0xA0761D6478BD642F) & _WORD)
    x = np.atleast_1d(np.asarray(index, dtype=np.int64)).view(np.uint64)
    x = (x + key) * np.uint64(_GOLDEN)
    for shift, factor in (*_MIX, *_MIX):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x ^= x >> np.uint64(31)
    return np.asarray((x >> np.uint64(11)).astype(np.float64) * 2.0**-53, dtype=np.float64)


def one(seed: int, stream: int, index: int = 0) -> float:
    """Return one pseudorandom number in [0, 1)."""
    return float(uniform(seed, stream, [index])[0])


def smooth(seed: int, stream: int, position: Floats) -> Floats:
    """Return a random curve in [0, 1): random at whole positions, linear between them."""
    below = np.floor(position).astype(np.int64)
    part = position - below
    return uniform(seed, stream, below) * (1 - part) + uniform(seed, stream, below + 1) * part


DAY_US: Final = 86_400 * US
HOUR_US: Final = 3_600 * US
YEAR_DAYS: Final = 365.2425


@dataclass(frozen=True, slots=True)
class Climate:
    """Climate of a place: latitude and longitude in degrees; mean, seasonal, and daily temperature swing in °C."""

    latitude: float
    longitude: float
    mean: float
    seasonal: float
    daily: float


CLIMATES: Final[Mapping[str, Climate]] = {
    "America/Chicago": Climate(32.8, -96.8, 20.0, 10.5, 6.0),
    "America/Los_Angeles": Climate(37.8, -122.3, 15.0, 5.0, 5.0),
    "America/New_York": Climate(40.7, -74.0, 13.0, 12.0, 4.5),
    "America/Toronto": Climate(43.7, -79.4, 9.0, 14.0, 4.5),
    "America/Phoenix": Climate(33.4, -112.1, 24.0, 11.0, 7.0),
}
TEMPERATE: Final = Climate(40.0, 0.0, 13.0, 9.0, 5.0)


@dataclass(frozen=True, slots=True)
class Moments:
    """The intervals of a series as the models see them: UTC time, local time, weather, and sun."""

    utc: Ints
    local: Ints
    zone: str

    @property
    def day(self) -> Ints:
        """Local days since 1970."""
        return self.local // DAY_US

    @property
    def hour(self) -> Floats:
        """Local time in hours since midnight."""
        return (self.local % DAY_US) / HOUR_US

    @property
    def weekday(self) -> Ints:
        """0 for Monday to 6 for Sunday."""
        return (self.day + 3) % 7

    def temperature(self) -> Floats:
        """Outdoor temperature in °C, the same for all meters of a zone."""
        place = CLIMATES.get(self.zone, TEMPERATE)
        date = self.local / DAY_US
        season = -place.seasonal * np.cos(2 * np.pi * (date / YEAR_DAYS - 0.055))
        clock = -place.daily * np.cos(2 * np.pi * (date - 0.17))
        fronts = 9.0 * (smooth(20, 1, date / 3.0) - 0.5)
        return np.asarray(place.mean + season + clock + fronts)

    def sun(self) -> Floats:
        """Sine of the elevation of the sun; 0 at night."""
        place = CLIMATES.get(self.zone, TEMPERATE)
        date = self.utc / DAY_US
        tilt = np.radians(-23.44) * np.cos(2 * np.pi * (date / YEAR_DAYS + 0.027))
        turn = 2 * np.pi * (date + place.longitude / 360.0 - 0.5)
        lat = np.radians(place.latitude)
        height = np.sin(lat) * np.sin(tilt) + np.cos(lat) * np.cos(tilt) * np.cos(turn)
        return np.asarray(np.maximum(0.0, height))


def moments(starts: Ints, zone: str) -> Moments:
    """Return the moments of UTC times (microseconds since 1970) in a zone."""
    local = to_times(starts, zone).tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return Moments(starts, np.asarray(local), zone)


def household(seed: int, at: Moments, *, ev: bool = False) -> Floats:
    """Return the power that a household uses, in W."""
    base = 140 + 160 * one(seed, 1)
    noise = uniform(seed, 2, at.utc // (900 * US))
    people = 250 + 650 * one(seed, 3)
    rise, dine = 6.5 + 1.5 * one(seed, 4), 18.5 + 1.5 * one(seed, 5)
    weekend = (at.weekday >= 5).astype(float)
    busy = _bump(at.hour, rise, 1.0) + 1.6 * _bump(at.hour, dine, 1.7) + 0.7 * weekend * _bump(at.hour, 13.0, 3.0)
    home = 1.0 - away(seed, at.day)
    watts = base * (0.75 + 0.5 * noise) + home * people * busy * (0.4 + 1.2 * uniform(seed, 6, at.utc // HOUR_US))
    watts += _conditioning(seed, at, home, power=2600.0)
    if ev:
        watts += home * _car(seed, at)
    return np.asarray(watts)


def shop(seed: int, at: Moments) -> Floats:
    """Return the power that a shop uses, in W: open 8 to 20, shorter on Saturdays, closed on Sundays and holidays."""
    closing = np.where(at.weekday == 5, 17.0, 20.0)
    is_open = (at.hour >= 8) & (at.hour < closing) & (at.weekday < 6) & ~public_holiday(at.day)
    size = 4000 + 9000 * one(seed, 1)
    noise = 0.92 + 0.16 * uniform(seed, 2, at.utc // (900 * US))
    watts = size * np.where(is_open, 1.0, 0.22) * noise
    return np.asarray(watts + _conditioning(seed, at, is_open.astype(float), power=3.0 * size / 4))


def solar(seed: int, at: Moments, kilowatts: float) -> Floats:
    """Return the power of solar panels of a rated power, in W, under clouds that change daily and every 15 minutes."""
    sky = 0.35 + 0.65 * smooth(21, 1, at.local / DAY_US) ** 0.5
    gusts = 1.0 - 0.35 * (1.0 - sky) * uniform(seed, 7, at.utc // (900 * US))
    return np.asarray(1000.0 * kilowatts * 0.9 * at.sun() * sky * gusts)


def voltage(seed: int, at: Moments) -> Floats:
    """Return the voltage of the service, in tenths of a volt."""
    return np.asarray(2380.0 + 40.0 * uniform(seed, 19, at.utc // (900 * US)))


def gas(seed: int, at: Moments) -> Floats:
    """Return the gas use of an hour, in therms: hot water, and heating in cold weather."""
    cold = np.maximum(0.0, 16.0 - at.temperature())
    return np.asarray(0.012 + 0.02 * uniform(seed, 8, at.utc // HOUR_US) + (0.006 + 0.006 * one(seed, 9)) * cold)


def water(seed: int, at: Moments) -> Floats:
    """Return the water use of an hour, in US gallons: people, and a garden on summer mornings."""
    busy = _bump(at.hour, 7.0, 1.0) + _bump(at.hour, 19.5, 1.5)
    home = 1.0 - away(seed, at.day)
    use = 28.0 * home * busy * uniform(seed, 10, at.utc // HOUR_US)
    garden = 55.0 * (_bump(at.hour, 5.0, 0.5) > 0.5) * (at.temperature() > 18) * (at.day % 3 == seed % 3)
    return np.asarray(use + garden)


def away(seed: int, day: Ints) -> Floats:
    """Return 1 on the vacation days of a household (7 to 10 days in July, some at the end of the year), else 0."""
    of_year = np.mod(day, YEAR_DAYS)
    length = 7 + int(4 * one(seed, 11))
    summer, winter = 182 + int(24 * one(seed, 12)), 357
    gone = (of_year >= summer) & (of_year < summer + length)
    if one(seed, 13) < 0.5:
        gone |= (of_year >= winter) & (of_year < winter + 6)
    return gone.astype(float)


def public_holiday(day: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return a mask of holidays: January 1, July 4, December 25, and the fourth Thursday of November."""
    distinct, where = np.unique(day, return_inverse=True)
    date = pd.DatetimeIndex(distinct.astype("datetime64[D]").astype("datetime64[us]"))
    month, dom = np.asarray(date.month), np.asarray(date.day)
    fixed = ((month == 1) & (dom == 1)) | ((month == 7) & (dom == 4)) | ((month == 12) & (dom == 25))
    thanks = (month == 11) & (np.asarray(date.day_of_week) == 3) & (dom >= 22) & (dom <= 28)
    return np.asarray((fixed | thanks)[where.reshape(-1)], dtype=np.bool_)


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    apart = (hour - centre + 12.0) % 24.0 - 12.0
    return np.asarray(np.exp(-0.5 * (apart / width) ** 2))


def _conditioning(seed: int, at: Moments, wanted: Floats, *, power: float) -> Floats:
    """Return the power for cooling and heating, in W, up to the power of the machine; less when nobody is home."""
    outside = at.temperature()
    need = np.maximum(0.0, outside - 22.0 - 3.0 * one(seed, 14)) + 0.5 * np.maximum(0.0, 8.0 - outside)
    cycle = 0.7 + 0.6 * uniform(seed, 15, at.utc // (900 * US))
    return np.asarray(np.minimum(power, power / 11.0 * need * cycle) * (0.25 + 0.75 * wanted))


def _car(seed: int, at: Moments) -> Floats:
    """Return 7.2 kW after 22:00 on about four of seven nights. A night belongs to the day on which it starts."""
    night = (at.local - 12 * HOUR_US) // DAY_US
    plugged = uniform(seed, 16, night) < 0.57
    begin = 22.0 + 1.0 * one(seed, 17)
    hours = 1.0 + 4.0 * uniform(seed, 18, night)
    since = (at.hour - begin) % 24.0
    return np.where(plugged & (since < hours), 7200.0, 0.0)
