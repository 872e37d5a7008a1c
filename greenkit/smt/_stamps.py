"""Dates, clock times and time stamps as SMT, its older exports and spreadsheets write them.

Each distinct text is read once. All of them are local times of :data:`greenkit.smt.codes.ZONE`.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from greenkit.days import US, Instants
from greenkit.smt._codes import STANDARD, STEP, ZONE

NEVER: Final = np.iinfo(np.int64).min
"""The instant of a stamp that is not there; pandas reads it as NaT."""
DAY: Final = 1440
"""Minutes of a clock's day."""

_CHICAGO: Final = zoneinfo.ZoneInfo(ZONE)
_FIXED: Final = dt.timezone(dt.timedelta(seconds=STANDARD))
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATE: Final = re.compile(
    r"(?:(?P<Y>\d{4})[-/](?P<M>\d{1,2})[-/](?P<D>\d{1,2})"  # 2025-07-06
    r"|(?P<m>\d{1,2})[-/](?P<d>\d{1,2})[-/](?P<y>\d{4}|\d\d)"  # 07/06/2025, after a spreadsheet 7/6/2025 or 7/6/25
    r"|(?P<e>\d{1,2})[- ](?P<b>[A-Za-z]{3,9})[- ](?P<c>\d{4}|\d\d)"  # 06-JUL-2025, 6 July 2025
    r"|(?P<B>[A-Za-z]{3,9})\.? (?P<E>\d{1,2}),? (?P<C>\d{4})"  # Jul 6, 2025
    r"|(?P<t>\d{1,2})\.(?P<n>\d{1,2})\.(?P<j>\d{4}|\d\d)"  # 06.07.2025: where dots stand, the day is first
    r"|(?P<Y4>\d{4})(?P<M2>\d\d)(?P<D2>\d\d))"  # 20250706
    r"(?:[T ]\s*(?P<clock>\S.*))?$"
)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(?:([ap])\.?m\.?)?$", re.IGNORECASE)
_SERIAL: Final = re.compile(r"([34567]\d{4})(\.\d+)?$")
"""A spreadsheet's date that has lost its format, as days since 1899-12-30: 45844.4029 is 2025-07-06 09:40."""
_YEARS: Final = range(1990, 2100)
"""A year outside these is a damaged date, or a stand-in for none."""
_USUAL: Final = re.compile(r"(\d\d/\d\d/\d{4}) ((?:[01]\d|2[0-3]):\d\d):([0-5]\d)")
_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?$")


@lru_cache(1 << 16)
def _date_and_clock(text: str) -> tuple[dt.date, str] | None:
    text = text.strip()
    if serial := _SERIAL.match(text):
        return dt.date(1899, 12, 30) + dt.timedelta(days=int(serial[1])), serial[2] or ""
    found = _DATE.match(text)
    if not found:
        return None
    g = found.groupdict()
    month = g["M"] or g["m"] or g["n"] or g["M2"]
    if word := g["b"] or g["B"]:
        month = next((str(i) for i, name in enumerate(_MONTHS, 1) if name.startswith(word.lower())), "0")
    year = g["Y"] or g["y"] or g["c"] or g["C"] or g["j"] or g["Y4"]
    date = g["D"] or g["d"] or g["e"] or g["E"] or g["t"] or g["D2"]
    try:
        when = dt.date(int(year) + (2000 if len(year) == 2 else 0), int(month or 0), int(date))
    except ValueError:
        return None
    return (when, g["clock"] or "") if when.year in _YEARS else None


@lru_cache(1 << 16)
def day(text: str) -> int | None:
    """Give a date as days since 1970; None when it is none.

    Examples
    --------
    >>> day("11/06/2022") == day("11/6/22") == day("2022-11-06") == day("6.11.2022") == day("44871") == 19302
    True
    """
    found = _date_and_clock(text)
    return found[0].toordinal() - _EPOCH if found else None


def is_day_first(text: str) -> bool:
    """Tell a date such as 13/07/2025, which no month can begin."""
    found = _DATE.match(text.strip())
    return bool(found and found["m"] and int(found["m"]) > 12 >= int(found["d"]) > 0)


@lru_cache(1 << 14)
def minute(text: str) -> int | None:
    """Give a clock time as minutes since midnight, 24:00 as 0; None when it is none.

    Examples
    --------
    >>> [minute(t) for t in ("00:15", " 0:15", "12:15 am", "00:15:00", "0015", "24:00")]
    [15, 15, 15, 15, 15, 0]
    """
    seconds = _clock_seconds(text)
    return None if seconds is None or seconds % 60 else seconds // 60 % DAY


@lru_cache(1 << 14)
def end_minute(text: str) -> int | None:
    """Give an end as minutes since midnight; one that names the last minute or second of a quarter-hour is the next.

    Examples
    --------
    >>> [end_minute(t) for t in ("00:15", "00:14", "00:14:59", "23:59", "00:05")]
    [15, 15, 15, 0, 5]
    """
    seconds = _clock_seconds(text)
    if seconds is None:
        return None
    short = next((s for s in (1, 60) if (seconds + s) % STEP == 0), 0)
    return minute(text) if not short else (seconds + short) // 60 % DAY


def _clock_seconds(text: str) -> int | None:
    text = text.strip()
    whole = _date_and_clock(text)
    if whole and whole[1]:
        text = whole[1]
    if re.fullmatch(r"\d{3,4}", text):
        text = f"{text[:-2]}:{text[-2:]}"
    found = _CLOCK.match(text)
    if not found:
        return _fraction_of_day(text)
    hour, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if hour > 12 or (hour == 0 and found[4] in "pP"):
            return None
        hour = hour % 12 + (12 if found[4] in "pP" else 0)
    total = hour * 3600 + minutes * 60 + seconds
    return total if minutes < 60 and seconds < 60 and total <= 86400 else None


def _fraction_of_day(text: str) -> int | None:
    """Read what a spreadsheet makes of a clock time when it forgets its format: 0.0104166667 is 00:15."""
    if not re.fullmatch(r"0?\.\d+|[01]", text):
        return None
    seconds, whole = round(float(text) * 86400), round(float(text) * DAY) * 60
    return whole if abs(seconds - whole) < 3 else seconds  # few digits may be left


@lru_cache(1 << 16)
def stamp(text: str) -> int | None:
    """Give a local date and time as microseconds since 1970 *of the local clock*; None when it is none.

    Examples
    --------
    >>> stamp("11/07/2022 09:40:14") == stamp("20221107094014") == stamp("2022-11-07T09:40:14")
    True
    """
    text = text.strip()
    if usual := _USUAL.fullmatch(text):  # as the portal writes it, one for each day of each meter
        date, clock = day(usual[1]), minute(usual[2])
        return None if date is None or clock is None else ((date * DAY + clock) * 60 + int(usual[3])) * US
    digits = _DIGITS.match(text)
    try:
        if digits:
            year, month, date, hour, minutes, rest = (int(part or 0) for part in digits.groups())
            ends = (hour, minutes, rest) == (24, 0, 0)
            when = dt.datetime(year, month, date, 0 if ends else hour, minutes, rest)
            return _micros(when + dt.timedelta(days=ends)) if year in _YEARS else None
        found = _date_and_clock(text)
        if found:
            seconds = _clock_seconds(found[1]) if found[1] else 0
            if seconds is not None:
                return (found[0].toordinal() - _EPOCH) * 86400 * US + seconds * US
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.year not in _YEARS:
        return None
    return _micros(when.astimezone(_CHICAGO).replace(tzinfo=None) if when.tzinfo else when)


def revision(text: str) -> int | None:
    """Give when a version was made, as :func:`stamp` does; NEVER where the cell is blank."""
    return stamp(text) if text.strip() else NEVER


def _micros(when: dt.datetime) -> int:
    return (when - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


def instants(local: npt.NDArray[np.int64]) -> Instants:
    """Give revision stamps (local microseconds, or NEVER) as instants.

    A stamp of the repeated hour is taken as standard time, one of the skipped hour as the first instant after it.
    """
    naive = pd.DatetimeIndex(local.view("datetime64[us]"))
    aware = naive.tz_localize(ZONE, ambiguous=np.zeros(len(naive), dtype=bool), nonexistent="shift_forward")
    return np.asarray(aware.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]").view(np.int64))


@lru_cache(1 << 14)
def midnight(day: int, *, fixed: bool = False) -> int:
    """Give the instant at which one day (days since 1970) begins; ``fixed`` is standard time all year."""
    return instant(day * 86400 * US, fixed=fixed)


def day_seconds(day: int, *, fixed: bool = False) -> int:
    """Give the seconds of one day.

    Examples
    --------
    >>> [day_seconds(day(text)) for text in ("03/09/2025", "07/06/2025", "11/02/2025")]
    [82800, 86400, 90000]
    """
    return (midnight(day + 1, fixed=fixed) - midnight(day, fixed=fixed)) // US


def instant(local: int, *, fold: int = 0, fixed: bool = False) -> int:
    """Give one local time (microseconds of the local clock) as an instant; ``fixed`` is standard time all year."""
    when = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=local)
    zone = _FIXED if fixed else _CHICAGO
    return int(when.replace(tzinfo=zone, fold=fold).timestamp()) * US
