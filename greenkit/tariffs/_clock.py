"""The times in a plan: windows of hours, days, months, seasons, and holidays.

"07-16, 21-23"   windows of the clock, half-open; "23-07" passes midnight, "16:30-21" has minutes
"weekdays"       also "sat-sun", "mon, wed-fri", "holidays", "every day"
"jun-sep"        also "dec-feb", "apr, oct", "6-9"
"06-01/09-30"    a season, both dates included; "11-01/04-30" passes New Year
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.tariffs._model import ALL_DAYS, HOLIDAY, Season, When

Dates = npt.NDArray[np.int64]
DAY: Final = 1440
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK_LONG: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEAR: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_SETS: Final = {
    "weekdays": frozenset(range(5)),
    "weekday": frozenset(range(5)),
    "weekends": frozenset({5, 6}),
    "weekend": frozenset({5, 6}),
    "holidays": frozenset({HOLIDAY}),
    "holiday": frozenset({HOLIDAY}),
    "every day": ALL_DAYS,
    "all": ALL_DAYS,
    "daily": ALL_DAYS,
}


# -- hours, days, months


def hours(text: str) -> tuple[tuple[int, int], ...]:
    """Parse windows of the clock as minutes after midnight.

    Examples
    --------
    >>> hours("07-16, 21:30-23"), hours("23-07"), hours("0-24")
    (((420, 960), (1290, 1380)), ((1380, 420),), ((0, 1440),))
    """
    made = []
    for part in str(text).split(","):
        found = re.fullmatch(r"\s*(\d{1,2})(?::?(\d\d))?\s*(?:-|–|to)\s*(\d{1,2})(?::?(\d\d))?\s*", part)
        if not found:
            raise ValueError(f"is {text!r}, but it must be windows of hours such as '16-21' or '07-16, 21-23'")
        low, high = int(found[1]) * 60 + int(found[2] or 0), int(found[3]) * 60 + int(found[4] or 0)
        if low >= DAY or high > DAY or int(found[2] or 0) > 59 or int(found[4] or 0) > 59:
            raise ValueError(f"is {text!r}, but hours must be from 0 to 24")
        if low == high:
            raise ValueError(f"is {text!r}, but a window must have a length; '0-24' is the whole day")
        made.append((low, high if high else DAY))
    return tuple(made)


def days(text: str) -> frozenset[int]:
    """Parse day types: 0 (Monday) to 6 (Sunday), and 7 for holidays.

    Examples
    --------
    >>> sorted(days("weekdays")), sorted(days("sat-sun, holidays")), sorted(days("fri-mon"))
    ([0, 1, 2, 3, 4], [5, 6, 7], [0, 4, 5, 6])
    """
    return _set(str(text), _DAY_SETS, _day, 7, "days such as 'weekdays', 'sat-sun', 'mon, wed', or 'holidays'")


def months(text: str | int | Iterable[int]) -> frozenset[int]:
    """Parse months, 1 to 12.

    Examples
    --------
    >>> sorted(months("jun-sep")), sorted(months("nov-feb")), sorted(months("apr, oct"))
    ([6, 7, 8, 9], [1, 2, 11, 12], [4, 10])
    """
    if not isinstance(text, str | int):
        text = ", ".join(str(m) for m in text)
    what = "months such as 'jun-sep', 'apr, oct', or '6-9'"
    return frozenset(m + 1 for m in _set(str(text), {}, _month, 12, what))


def _day(word: str) -> int | None:
    return _index(word, _WEEK, _WEEK_LONG)


def _month(word: str) -> int | None:
    if re.fullmatch(r"\d{1,2}", word):
        return int(word) - 1 if 1 <= int(word) <= 12 else None
    return next((i for i, name in enumerate(_YEAR) if len(word) >= 3 and word.startswith(name)), None)


def _index(word: str, short: tuple[str, ...], long: tuple[str, ...]) -> int | None:
    word = word.removesuffix("s") if word.removesuffix("s") in (*short, *long) else word
    return short.index(word) if word in short else long.index(word) if word in long else None


def _set(
    text: str, sets: dict[str, frozenset[int]], index: Callable[[str], int | None], size: int, what: str
) -> frozenset[int]:
    found: set[int] = set()
    for part in (p.strip().lower() for p in text.split(",")):
        ends = [index(w.strip()) for w in re.split(r"-|–|\bto\b", part)]
        if part in sets:
            found |= sets[part]
        elif len(ends) == 1 and ends[0] is not None:
            found.add(ends[0])
        elif len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            count = (ends[1] - ends[0]) % size + 1
            found |= {(ends[0] + i) % size for i in range(count)}
        else:
            raise ValueError(f"is {text!r}, but it must be {what}")
    return frozenset(found)


# -- seasons


def season(name: str, text: str) -> Season:
    """Parse the dates of a season.

    Examples
    --------
    >>> season("winter", "11-01/04-30").ranges
    (((11, 1), (4, 30)),)
    """
    made = []
    for part in str(text).split(","):
        found = re.fullmatch(r"\s*(\d\d?)-(\d\d?)\s*/\s*(\d\d?)-(\d\d?)\s*", part)
        if found:
            low, high = (int(found[1]), int(found[2])), (int(found[3]), int(found[4]))
        else:
            first, _, last = part.partition("-")
            a, b = _month(first.strip().lower()), _month((last or first).strip().lower())
            if a is None or b is None:
                raise ValueError(f"is {text!r}, but it must be dates such as '06-01/09-30', or \"rest\"")
            low, high = (a + 1, 1), (b + 1, 31)
        for month, day in (low, high):
            if not 1 <= month <= 12 or not 1 <= day <= 31:
                raise ValueError(f"is {text!r}, but months are 1 to 12 and days are 1 to 31")
        made.append((low, high))
    return Season(name, tuple(made))


def in_season(one: Season, month: npt.NDArray[np.int64], day: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which (month, day) pairs a season contains."""
    inside = np.zeros(len(month), dtype=bool)
    number = month * 100 + day
    for low, high in one.ranges:
        a, b = low[0] * 100 + low[1], high[0] * 100 + high[1]
        inside |= (number >= a) & (number <= b) if a <= b else (number >= a) | (number <= b)
    return inside


# -- holidays

_FIXED: Final = {"new-year": (1, 1), "juneteenth": (6, 19), "independence": (7, 4), "veterans": (11, 11),
                 "christmas": (12, 25)}  # fmt: skip
# name → (month, weekday, which one; -1 is the last)
_FLOATING: Final = {"martin-luther-king": (1, 0, 3), "presidents": (2, 0, 3), "memorial": (5, 0, -1),
                    "labor": (9, 0, 1), "columbus": (10, 0, 2), "thanksgiving": (11, 3, 4)}  # fmt: skip
LISTS: Final = {
    "NERC": ("new-year", "memorial", "independence", "labor", "thanksgiving", "christmas"),
    "US-8": ("new-year", "presidents", "memorial", "independence", "labor", "veterans", "thanksgiving", "christmas"),
}
"""Lists that tariff sheets name, by their days: NERC's six off-peak days, and the eight of older California tariffs."""
OBSERVED: Final = ("none", "monday", "nearest", "next-weekday")
_OWN_RULE: Final = {"NERC": "monday"}


def holiday_dates(names: tuple[str, ...], observed: str, first: int, last: int) -> Dates:
    """Return the holidays of some years as days since 1970.

    Parameters
    ----------
    names : tuple of str
        ``"NERC"``, ``"US-8"``, a country with an optional state (``"US-TX"``), the name of a day (``"labor"``), a date
        (``"2026-11-27"``), or a yearly date (``"12-24"``).
    observed : str
        ``"none"``: only the dates; ``"monday"``: the Monday after a Sunday too; ``"nearest"``: Friday for a Saturday
        and Monday for a Sunday; ``"next-weekday"``: the next weekday after a weekend. ``""``: the list's own rule.
    first, last : int
        Years, both included.

    Raises
    ------
    ValueError
        If a name is not known.
    """
    found: set[int] = set()
    for name in names:
        rule = observed or _OWN_RULE.get(name, "none")
        for year in range(first - 1, last + 2):
            for date in _of_year(name, year):
                found |= {_number(date), *_moved(date, rule)}
    return np.array(sorted(found), dtype=np.int64)


def check_holidays(names: tuple[str, ...]) -> None:
    """Raise ValueError if a list or day is not known."""
    holiday_dates(names, "", 2025, 2025)


def _number(date: dt.date) -> int:
    return date.toordinal() - dt.date(1970, 1, 1).toordinal()


def _moved(date: dt.date, rule: str) -> set[int]:
    weekday = date.weekday()
    if rule == "none" or weekday < 5:
        return set()
    step = {"nearest": -1, "next-weekday": 2}.get(rule, 0) if weekday == 5 else 1
    return {_number(date) + step}


def _of_year(name: str, year: int) -> list[dt.date]:
    if name in LISTS:
        return [date for day in LISTS[name] for date in _of_year(day, year)]
    if name in _FIXED:
        return [dt.date(year, *_FIXED[name])]
    if name in _FLOATING:
        month, weekday, which = _FLOATING[name]
        if which > 0:
            first = dt.date(year, month, 1)
            return [first + dt.timedelta((weekday - first.weekday()) % 7 + 7 * (which - 1))]
        last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(1)
        return [last - dt.timedelta((last.weekday() - weekday) % 7)]
    if re.fullmatch(r"\d{4}-\d\d-\d\d", name):
        date = dt.date.fromisoformat(name)
        return [date] if date.year == year else []
    if re.fullmatch(r"\d\d?-\d\d?", name):
        month, day = map(int, name.split("-"))
        return [] if (month, day) == (2, 29) and year % 4 else [dt.date(year, month, day)]
    return _of_country(name, year)


def _of_country(name: str, year: int) -> list[dt.date]:
    import holidays as package

    country, _, state = name.partition("-")
    try:
        return list(package.country_holidays(country, subdiv=state or None, years=year, observed=False))
    except (NotImplementedError, KeyError):
        raise ValueError(
            f"contains {name!r}, but it must be 'NERC', a country such as 'US' or 'CA-ON', dates, or names of days"
        ) from None


def text_of(when: When) -> str:
    """Return a set of times in words: ``"16:00-21:00, weekdays, jun-sep"``."""
    words = []
    if when.hours is not None:
        words.append(", ".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in when.hours))
    if when.days is not None:
        words.append(days_text(when.days))
    if when.months is not None:
        words.append(months_text(when.months))
    return ", ".join(words) or "at all times"


def days_text(found: frozenset[int]) -> str:
    """Return day types in words."""
    if found >= ALL_DAYS - {HOLIDAY}:
        return "every day"
    week = {frozenset(range(5)): "weekdays", frozenset({5, 6}): "Saturday and Sunday"}.get(found - {HOLIDAY})
    names = [week] if week else [_WEEK_LONG[d].capitalize() for d in sorted(found - {HOLIDAY})]
    return " and ".join([*names, *(["holidays"] if HOLIDAY in found else [])])


def months_text(found: frozenset[int]) -> str:
    """Return months in words: ``"Jun-Sep"``."""
    runs: list[list[int]] = []
    starts = [m for m in sorted(found) if (m - 2) % 12 + 1 not in found] or [1]
    for first in starts:
        run = [first]
        while run[-1] % 12 + 1 in found and len(run) < 12:
            run.append(run[-1] % 12 + 1)
        runs.append(run)
    names = [_YEAR[m - 1].capitalize() for m in range(1, 13)]
    return ", ".join(names[r[0] - 1] if len(r) == 1 else f"{names[r[0] - 1]}-{names[r[-1] - 1]}" for r in runs)
