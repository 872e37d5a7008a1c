"""Dates, clock times and time stamps as SMT, its older exports and spreadsheets write them.

All of them are local times of America/Chicago. Each distinct text is parsed once, because a file repeats its dates and
times many times. Every function returns None for a text that it cannot parse.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import lru_cache
from typing import Final

import numpy as np

from greenkit.smt._codes import STANDARD, STEP, ZONE
from greenkit.times import US, Instants, WallClock, from_wall_clock

NEVER: Final = np.iinfo(np.int64).min
"""The instant of a missing time stamp. pandas reads it as NaT."""
DAY: Final = 1440
"""Minutes that a clock shows in a day."""

_CHICAGO: Final = zoneinfo.ZoneInfo(ZONE)
_FIXED: Final = dt.timezone(dt.timedelta(seconds=STANDARD))
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATE: Final = re.compile(
    r"(?:(?P<Y>\d{4})[-/](?P<M>\d{1,2})[-/](?P<D>\d{1,2})"  # 2025-07-06
    r"|(?P<m>\d{1,2})[-/](?P<d>\d{1,2})[-/](?P<y>\d{4}|\d\d)"  # 07/06/2025; from a spreadsheet 7/6/2025 or 7/6/25
    r"|(?P<e>\d{1,2})[- ](?P<b>[A-Za-z]{3,9})[- ](?P<c>\d{4}|\d\d)"  # 06-JUL-2025, 6 July 2025
    r"|(?P<B>[A-Za-z]{3,9})\.? (?P<E>\d{1,2}),? (?P<C>\d{4})"  # Jul 6, 2025
    r"|(?P<t>\d{1,2})\.(?P<n>\d{1,2})\.(?P<j>\d{4}|\d\d)"  # 06.07.2025: with points, the day is first
    r"|(?P<Y4>\d{4})(?P<M2>\d\d)(?P<D2>\d\d))"  # 20250706
    r"(?:[T ]\s*(?P<clock>\S.*))?$"
)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*(?:([ap])\.?m\.?)?$", re.IGNORECASE)
_SERIAL: Final = re.compile(r"([34567]\d{4})(\.\d+)?$")
"""A spreadsheet's date without its format, in days since 1899-12-30: 45844.4029 is 2025-07-06 09:40."""
_YEARS: Final = range(1990, 2100)
"""A year outside this range is a damaged date, or a placeholder such as 01/01/1900."""
_USUAL: Final = re.compile(r"(\d\d/\d\d/\d{4}) ((?:[01]\d|2[0-3]):\d\d):([0-5]\d)")
_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?$")


@lru_cache(1 << 16)
def _date_and_clock(text: str) -> tuple[dt.date, str] | None:
    """Return the date, and the text of the clock time after it."""
    text = text.strip()
    if not text.isascii():  # digits of other scripts would match too
        return None
    if serial := _SERIAL.match(text):
        return dt.date(1899, 12, 30) + dt.timedelta(days=int(serial[1])), serial[2] or ""
    match = _DATE.match(text)
    if not match:
        return None
    g = match.groupdict()
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
def parse_day(text: str) -> int | None:
    """Return a date as days since 1970.

    Examples
    --------
    >>> {parse_day(t) for t in ("11/06/2022", "11/6/22", "2022-11-06", "6.11.2022", "6-NOV-2022", "44871")}
    {19302}
    """
    parts = _date_and_clock(text)
    return parts[0].toordinal() - _EPOCH if parts else None


@lru_cache(1 << 14)
def is_day_first(text: str) -> bool:
    """Return whether a date has its day before its month, as 13/07/2025 does, because there is no month 13."""
    match = _DATE.match(text.strip())
    return bool(match and match["m"] and int(match["m"]) > 12 >= int(match["d"]) > 0)


@lru_cache(1 << 14)
def parse_minute(text: str) -> int | None:
    """Return a clock time as minutes since midnight; 24:00 is 0.

    Examples
    --------
    >>> [parse_minute(t) for t in ("00:15", " 0:15", "12:15 am", "00:15:00", "0015", "24:00")]
    [15, 15, 15, 15, 15, 0]
    """
    seconds = _clock_seconds(text)
    return None if seconds is None or seconds % 60 else seconds // 60 % DAY


@lru_cache(1 << 14)
def parse_end_minute(text: str) -> int | None:
    """Return the exclusive end of an interval as minutes since midnight.

    Some files write the last minute or second of a quarter-hour instead: 00:14 and 00:14:59 mean 00:15.

    Examples
    --------
    >>> [parse_end_minute(t) for t in ("00:15", "00:14", "00:14:59", "23:59", "00:05")]
    [15, 15, 15, 0, 5]
    """
    seconds = _clock_seconds(text)
    if seconds is None:
        return None
    short = next((s for s in (1, 60) if (seconds + s) % STEP == 0), 0)
    return parse_minute(text) if not short else (seconds + short) // 60 % DAY


def _clock_seconds(text: str) -> int | None:
    """Return a clock time, alone or after a date, as seconds since midnight."""
    text = text.strip()
    parts = _date_and_clock(text)
    if parts and parts[1]:
        text = parts[1]
    if not text.isascii():
        return None
    if re.fullmatch(r"\d{3,4}", text):
        text = f"{text[:-2]}:{text[-2:]}"
    match = _CLOCK.match(text)
    if not match:
        return _fraction_of_day(text)
    hour, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:  # am or pm
        if hour > 12 or (hour == 0 and match[4] in "pP"):
            return None
        hour = hour % 12 + (12 if match[4] in "pP" else 0)
    total = hour * 3600 + minutes * 60 + seconds
    return total if minutes < 60 and seconds < 60 and total <= 86400 else None


def _fraction_of_day(text: str) -> int | None:
    """Return the seconds of a clock time that a spreadsheet wrote without its format: 0.0104166667 is 00:15."""
    if not re.fullmatch(r"0?\.\d+|[01]", text):
        return None
    seconds, nearest_minute = round(float(text) * 86400), round(float(text) * DAY) * 60
    return nearest_minute if abs(seconds - nearest_minute) < 3 else seconds  # few digits may be left


@lru_cache(1 << 16)
def parse_stamp(text: str) -> int | None:
    """Return a local date and time as microseconds since 1970-01-01 00:00 *on the local clock*.

    Examples
    --------
    >>> len({parse_stamp(t) for t in ("11/07/2022 09:40:14", "20221107094014", "2022-11-07T09:40:14")})
    1
    """
    text = text.strip()
    if usual := _USUAL.fullmatch(text):  # as the portal writes it, one for each day of each meter
        date, clock = parse_day(usual[1]), parse_minute(usual[2])
        return None if date is None or clock is None else ((date * DAY + clock) * 60 + int(usual[3])) * US
    if not text.isascii():
        return None
    digits = _DIGITS.match(text)
    try:
        if digits:
            year, month, day, hour, minutes, seconds = (int(part or 0) for part in digits.groups())
            is_end = (hour, minutes, seconds) == (24, 0, 0)
            when = dt.datetime(year, month, day, 0 if is_end else hour, minutes, seconds)
            return _microseconds(when + dt.timedelta(days=is_end)) if year in _YEARS else None
        parts = _date_and_clock(text)
        if parts:
            clock = _clock_seconds(parts[1]) if parts[1] else 0
            if clock is not None:
                return (parts[0].toordinal() - _EPOCH) * 86400 * US + clock * US
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.year not in _YEARS:
        return None
    return _microseconds(when.astimezone(_CHICAGO).replace(tzinfo=None) if when.tzinfo else when)


def parse_revision(text: str) -> int | None:
    """Return when a version of a day was made, as :func:`parse_stamp` does; :data:`NEVER` for a blank cell."""
    return parse_stamp(text) if text.strip() else NEVER


def _microseconds(when: dt.datetime) -> int:
    return (when - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


def revision_instants(local: WallClock) -> Instants:
    """Return revision stamps (local microseconds, or :data:`NEVER`) as instants.

    A stamp in the hour that repeats means standard time, so that revisions made in either hour are newer than those
    made before it.
    """
    return from_wall_clock(local, ZONE, repeated="standard")


# One day or time at a time, for LSE headers. greenkit.times converts arrays; these are cached, and know standard time.


@lru_cache(1 << 14)
def midnight(day: int, *, fixed: bool = False) -> int:
    """Return the instant at which a day (days since 1970) begins; ``fixed`` means standard time all year."""
    return local_instant(day * 86400 * US, fixed=fixed)


def day_seconds(day: int, *, fixed: bool = False) -> int:
    """Return the length of a day in seconds.

    Examples
    --------
    >>> [day_seconds(parse_day(text)) for text in ("03/09/2025", "07/06/2025", "11/02/2025")]
    [82800, 86400, 90000]
    """
    return (midnight(day + 1, fixed=fixed) - midnight(day, fixed=fixed)) // US


def local_instant(local: int, *, fold: int = 0, fixed: bool = False) -> int:
    """Return the instant of a local time in microseconds.

    Parameters
    ----------
    local : int
        Microseconds since 1970-01-01 00:00 on the local clock.
    fold : {0, 1}
        Which of the two hours is meant on the fall-back day.
    fixed : bool
        The local clock keeps standard time all year.
    """
    when = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=local)
    zone = _FIXED if fixed else _CHICAGO
    return int(when.replace(tzinfo=zone, fold=fold).timestamp()) * US
