"""Words of time columns as numbers: dates, times of day, both in one cell, offsets, and serial numbers.

Each distinct word of a column is parsed once. A date is a whole number of days, a time of day is microseconds since
midnight, and both are added without a time zone; :mod:`greenkit.tables.placement` turns them into UTC time.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from greenkit.errors import SettingsError

US: Final = 1_000_000
DAY: Final = 86_400 * US
NO_OFFSET: Final = np.iinfo(np.int32).min
NEVER: Final = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]

_MONTHS: Final = {
    name: i + 1
    for i, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
}
# Abbreviations of North American zones → hours from UTC. They are offsets here, never time zones.
_ZONES: Final = {
    "z": 0, "utc": 0, "gmt": 0, "nst": -3.5, "ndt": -2.5, "ast": -4, "adt": -3, "est": -5, "edt": -4, "cst": -6,
    "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8, "hst": -10,
}  # fmt: skip
_OFFSET: Final = r"(?P<z>[zZ]|[+-]\d\d:?\d\d|[+-]\d\d|(?:UTC|GMT|[NAECMP][SD]T|AK[SD]T|HST)\b)"
_TIME: Final = (
    r"(?P<H>\d\d?)[:.h](?P<M>\d\d)(?:[:.](?P<S>\d\d)(?P<f>[.,]\d+)?)?(?:\s*(?P<p>[ap])\.?m\.?)?|"
    r"(?P<H2>\d\d?)\s*(?P<p2>[ap])\.?m\.?"
)
_DATE: Final = (
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
    r"(?:(?P<Y>\d{4})(?P<s>[-/.]?)(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)|"
    r"(?P<a>\d\d?)(?P<s2>[-/.])(?P<b>\d\d?)(?P=s2)(?P<Y2>\d{4}|\d\d)|"
    r"(?P<d3>\d\d?)[-\s]?(?P<B3>[a-z]{3,9})\.?,?[-\s]?(?P<Y3>\d{4}|\d\d)|"
    r"(?P<B4>[a-z]{3,9})\.?[-\s]+(?P<d4>\d\d?),?[-\s]+(?P<Y4>\d{4}))"
)
_GENERIC: Final = re.compile(rf"(?:{_DATE})?(?:(?:^|[T\s,]+|(?<=\d)-)(?:{_TIME}))?\s*{_OFFSET}?", re.IGNORECASE)
# strptime directive → what it matches
_DIRECTIVES: Final = {
    "%Y": r"(?P<Y>\d{4})", "%y": r"(?P<Y2>\d\d)", "%m": r"(?P<m>\d\d?)", "%d": r"(?P<d>\d\d?)",
    "%b": r"(?P<B3>[a-z]{3,9})\.?", "%B": r"(?P<B3>[a-z]{3,9})\.?", "%H": r"(?P<H>\d\d?)", "%I": r"(?P<H>\d\d?)",
    "%M": r"(?P<M>\d\d)", "%S": r"(?P<S>\d\d)(?P<f>[.,]\d+)?", "%f": r"(?P<f2>\d{1,6})", "%p": r"(?P<p>[ap])\.?m\.?",
    "%z": _OFFSET, "%Z": _OFFSET, "%A": r"[a-z]+", "%a": r"[a-z]+", "%%": "%",
}  # fmt: skip
_HOURS: Final = ("%H", "%I")


@dataclass
class Stamps:
    """The words of one column as numbers, in the order of the words.

    Attributes
    ----------
    value : array of int64
        Local microseconds since 1970, or since midnight if there is no date; ``NEVER`` if the word is not a time.
    offset : array of int32
        Minutes east of UTC; ``NO_OFFSET`` if the word has none.
    has_date, has_time : bool
        Whether the words have a date, and a time of day.
    order : str
        Order of the parts of dates: ``month first``, ``day first``, ``unambiguous``, or ``ambiguous``.
    orders : tuple of str
        The orders in which every date exists.
    """

    value: Ints
    offset: npt.NDArray[np.int32]
    has_date: bool
    has_time: bool
    order: str = "unambiguous"
    ends_at_24: bool = False
    orders: tuple[str, ...] = ()


def parse_stamps(words: Sequence[str], form: str = "", order: str | None = None) -> Stamps:
    """Parse the distinct words of a time column.

    Parameters
    ----------
    words : sequence of str
        Distinct cells.
    form : str, optional
        A ``strptime`` format, ``"excel"``, or ``"excel-1904"``. Default: any usual form.
    order : {"month first", "day first", "year first"}, optional
        Of dates such as 6/7/2025 or 6/7/25. Default: the only one in which every date exists; if there are several,
        ``order`` of the result is ``"ambiguous"`` and the first of ``orders`` is used.

    Returns
    -------
    Stamps

    Examples
    --------
    >>> found = parse_stamps(["1/15/2026 24:00", "1/16/2026 1:30 PM", "Total"])
    >>> (found.value[:2] / DAY).tolist(), bool(found.value[2] == NEVER)
    ([20469.0, 20469.5625], True)
    """
    if form in ("excel", "excel-1904"):
        return _serials(words, datetime.date(1904, 1, 1) if form == "excel-1904" else datetime.date(1899, 12, 30))
    if form == "%H%M":  # 15 is 00:15 where a program has written numbers
        words = [word.strip().zfill(4) if word.strip().isdigit() else word for word in words]
    pattern = _compiled(form) if form else _GENERIC
    matches = [pattern.fullmatch(word.strip()) if word.strip() else None for word in words]
    groups = [match.groupdict() if match else None for match in matches]
    orders = _orders(groups) if not form else ()
    found_order = "unambiguous" if not orders else orders[0] if len(orders) == 1 else "ambiguous"
    used = order or (orders[0] if orders else "month first")
    value = np.full(len(words), NEVER, dtype=np.int64)
    offset = np.full(len(words), NO_OFFSET, dtype=np.int32)
    has_date = has_time = at_24 = False
    for i, group in enumerate(groups):
        if group is None:
            continue
        date, time = _date(group, used), _time(group)
        if (date is None and time is None) or date == NEVER or time == NEVER:
            continue
        has_date |= date is not None
        has_time |= time is not None
        at_24 |= time == DAY
        value[i] = (date or 0) + (time or 0)
        zone = group.get("z")
        if zone:
            offset[i] = _zone_minutes(zone)
    return Stamps(value, offset, has_date, has_time, found_order, at_24, orders)


def time_format(form: str) -> tuple[str, str]:
    """Split a format into that of the date and that of the time of day.

    Examples
    --------
    >>> time_format("%m/%d/%Y %I:%M %p")
    ('%m/%d/%Y', '%I:%M %p')
    """
    at = min((form.index(d) for d in _HOURS if d in form), default=len(form))
    return form[:at].rstrip(" T"), form[at:]


def _compiled(form: str) -> re.Pattern[str]:
    pattern, i, seen = "", 0, set[str]()
    while i < len(form):
        directive = form[i : i + 2]
        if directive in _DIRECTIVES:
            found = _DIRECTIVES[directive]
            for name in re.findall(r"\(\?P<(\w+)>", found):
                if name in seen:
                    raise SettingsError(f"format {form!r} has {directive} twice", next_step="Correct the format.")
                seen.add(name)
            pattern += found
            i += 2
        elif form[i] == "%":
            raise SettingsError(
                f"format {form!r} has the unknown directive {directive!r}",
                next_step="Use the directives of strptime, such as %Y-%m-%d %H:%M.",
            )
        else:
            pattern += r"\s+" if form[i].isspace() else re.escape(form[i])
            i += 1
    return re.compile(pattern, re.IGNORECASE)


def _orders(groups: Sequence[dict[str, str | None] | None]) -> tuple[str, ...]:
    """Return the orders in which dates such as 6/7/2025 or 6/7/25 all exist; one of those that are equal."""
    dates = {(int(g["a"] or 0), int(g["b"] or 0), g["Y2"] or "") for g in groups if g and g.get("a")}
    if not dates:
        return ()
    orders = []
    if all(a <= 12 for a, _, _ in dates):
        orders.append("month first")
    if all(b <= 12 for _, b, _ in dates) and not (orders and all(a == b for a, b, _ in dates)):
        orders.append("day first")
    if all(len(year) == 2 and 1 <= int(year) <= 31 and 1 <= b <= 12 for _, b, year in dates):
        orders.append("year first")
    return tuple(orders) or ("day first" if any(a > 12 for a, _, _ in dates) else "month first",)


def _date(group: dict[str, str | None], order: str) -> int | None:
    """Return a date in microseconds; None if the word has none, NEVER if it does not exist."""
    text = group.get("Y") or group.get("Y2") or group.get("Y3") or group.get("Y4") or ""
    if group.get("a"):
        first, second = int(group["a"] or 0), int(group["b"] or 0)
        day, month = (first, second) if order == "day first" else (second, first)
        if order == "year first" and len(text) == 2:
            day, month, text = int(text), second, f"{first:02}"
    elif group.get("m"):
        month, day = int(group["m"] or 0), int(group["d"] or 0)
    elif group.get("B3") or group.get("B4"):
        month = _MONTHS.get((group.get("B3") or group.get("B4") or "")[:3].lower(), 0)
        day = int(group.get("d3") or group.get("d4") or group.get("d") or 0)
    else:
        return None
    year = int(text or 0)
    if len(text) == 2:
        year += 2000 if year < 70 else 1900
    try:
        return (datetime.date(year, month, day).toordinal() - 719_163) * DAY
    except ValueError:
        return NEVER


def _time(group: dict[str, str | None]) -> int | None:
    """Return a time of day in microseconds, to the second; None if the word has none, NEVER if it does not exist."""
    text = group.get("H") or group.get("H2")
    if text is None:
        return None
    hour, minute = int(text), int(group.get("M") or 0)
    half = (group.get("p") or group.get("p2") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return NEVER
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = float("0." + ((group.get("f") or "").lstrip(".,") or group.get("f2") or "0"))
    seconds = hour * 3600 + minute * 60 + int(group.get("S") or 0) + round(fraction)  # 00:59:59.999 of a spreadsheet
    if minute > 59 or seconds > 86_400:
        return NEVER
    return seconds * US


def _zone_minutes(text: str) -> int:
    hours = _ZONES.get(text.lower())
    if hours is not None:
        return int(hours * 60)
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if text[0] == "-" else minutes


def _serials(words: Sequence[str], base: datetime.date) -> Stamps:
    """Read days since 1900 or 1904, whose fractions are rounded to the second."""
    value = np.full(len(words), NEVER, dtype=np.int64)
    first = (base.toordinal() - 719_163) * 86_400
    for i, word in enumerate(words):
        try:
            days = float(word.replace(",", "."))
        except ValueError:
            continue
        if 0 <= days < 200_000:
            value[i] = (first + round(days * 86_400)) * US
    offset = np.full(len(words), NO_OFFSET, dtype=np.int32)
    return Stamps(value, offset, True, True)
