"""LocalTimeParameters to an IANA zone, and epochs that are not what they claim to be (TimeType, DstRuleType).

ESPI's instants are seconds since 1970 UTC, and LocalTimeParameters only say how to show them. Some utilities write
their local wall clock, or their standard time, as if it were UTC: that is told by where their days begin.
"""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from greenkit.days import US, Instants, local_dates, midnights, times
from greenkit.espi._codes import integer

EPOCHS: Final = ("utc", "local", "standard")
DAY: Final = 86_400 * US

# Zones are tried in this order, so that an offset and its rules give the one that most meters with them are in.
ZONES: Final = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/St_Johns",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Adak",
    "America/Phoenix",
    "America/Regina",
    "America/Panama",
    "America/Puerto_Rico",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Asia/Seoul",
    "Asia/Kolkata",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Darwin",
    "Australia/Brisbane",
    "Pacific/Auckland",
)
NORTH_AMERICA: Final = ZONES[:7]


@dataclass(frozen=True, slots=True)
class DstRule:
    """A day of change and its hour, as the bits of DstRuleType say them."""

    month: int
    operator: int  # 0 that day; 1 weekday on or after the day; 2 to 6 first to fifth weekday; 7 last weekday
    day: int
    weekday: int  # 1 Monday to 7 Sunday
    hour: int
    second: int

    def date(self, year: int) -> date:
        """Give the day of change in a year; ValueError where the bits name no day."""
        if self.operator == 0:
            return date(year, self.month, self.day)
        if self.operator == 7:
            last = date(year + self.month // 12, self.month % 12 + 1, 1) - timedelta(days=1)
            return last - timedelta(days=(last.isoweekday() - self.weekday) % 7)
        first = date(year, self.month, self.day if self.operator == 1 else 1)
        found = first + timedelta(days=(self.weekday - first.isoweekday()) % 7)
        return found if self.operator == 1 else found + timedelta(weeks=self.operator - 2)


def dst_rule(text: str | None) -> DstRule | None:
    """Decode a DstRuleType: eight hexadecimal digits.

    Parameters
    ----------
    text : str or None
        ``FFFFFFFF`` means no daylight saving.

    Returns
    -------
    DstRule or None
        None for no daylight saving.

    Raises
    ------
    ValueError
        The text is none, or names no day of the year.

    Examples
    --------
    >>> dst_rule("360E2000").date(2024), dst_rule("B40E2000").date(2024)
    (datetime.date(2024, 3, 10), datetime.date(2024, 11, 3))
    """
    if text is None or not re.fullmatch(r"[0-9A-Fa-f]{8}", text.strip()):
        raise ValueError(f"{text!r} is no DstRuleType of eight hexadecimal digits")
    bits = int(text, 16)
    if bits == 0xFFFFFFFF:
        return None
    rule = DstRule(bits >> 28, bits >> 25 & 7, bits >> 20 & 31, bits >> 17 & 7, bits >> 12 & 31, bits & 0xFFF)
    if (rule.operator and not rule.weekday) or rule.hour > 23:
        raise ValueError(f"{text!r} names no day")
    rule.date(2024)  # ValueError where there is no such month or day
    return rule


@functools.cache
def _habits(zone: str, year: int) -> tuple[int, tuple[date, ...]]:
    """Give a zone's standard offset in seconds, and its days of change in a year."""
    info = zoneinfo.ZoneInfo(zone)
    first = datetime(year, 1, 1, 12, tzinfo=info)
    standard = (first.utcoffset() or timedelta()) - (first.dst() or timedelta())
    changes, before = [], first.utcoffset()
    for n in range(1, 366):
        noon = datetime(year, 1, 1, 12, tzinfo=info) + timedelta(days=n)
        if noon.utcoffset() != before:
            changes.append(noon.date())
            before = noon.utcoffset()
    return int(standard.total_seconds()), tuple(changes)


@dataclass(frozen=True, slots=True)
class Zone:
    """The IANA zone found, and what was odd about the LocalTimeParameters: finding name, severity and text."""

    name: str | None
    oddities: tuple[tuple[str, str, str], ...] = ()


def zone_of(offset: str | None, dst_offset: str | None, start: str | None, end: str | None, year: int) -> Zone:
    """Find the IANA zone that has these LocalTimeParameters.

    Parameters
    ----------
    offset, dst_offset : str or None
        ``tzOffset`` and ``dstOffset`` in seconds, as the feed has them.
    start, end : str or None
        ``dstStartRule`` and ``dstEndRule``.
    year : int
        The year whose days of change are compared (2007 at the earliest, when today's rules began).
    """
    seconds, saving, year = integer(offset), integer(dst_offset), min(max(year, 2007), 9998)
    odd: list[tuple[str, str, str]] = []
    changes = _changes(start, end, year)
    if seconds is None or (not seconds and changes is None and saving != 0):  # nothing, or zeros for nothing
        return Zone(None)
    if saving == 0:
        if changes:
            text = "dstOffset is 0 beside daylight-saving rules, so none was taken: pass tz= if the clocks do change."
            odd.append(("espi.time.dst-offset", "warning", text))
        changes = ()
    elif saving not in (None, 1800, 3600, 7200):
        text = f"dstOffset {saving} is no daylight saving: it was passed over."
        odd.append(("espi.time.dst-offset", "info", text))
    name = _search(seconds, changes, year) or (_fixed(seconds) if changes == () else None)
    if name is None and (flipped := _search(-seconds, changes, year)):
        name = flipped
        text = f"tzOffset {seconds} has the wrong sign for its daylight-saving rules: {-seconds} was taken ({name})."
        odd.append(("espi.time.offset-sign", "info", text))
    if name is None and changes is None:
        name = _fixed(seconds)
    if name is None:
        text = f"No zone has tzOffset {seconds} with these daylight-saving rules"
        odd.append(("espi.time.no-such-zone", "warning", f"{text}: pass tz=, as in tz='America/Los_Angeles'."))
    elif changes is None:
        text = f"The daylight-saving rules are missing or undecodable: those of {name} were taken; pass tz= if wrong."
        odd.append(("espi.time.rules-undecodable", "warning", text))
    return Zone(name, tuple(odd))


def _changes(start: str | None, end: str | None, year: int) -> tuple[date, ...] | None:
    """Give the days of change of a year, none without daylight saving; None where the rules cannot be read."""
    try:
        return tuple(sorted(rule.date(year) for rule in (dst_rule(start), dst_rule(end)) if rule))
    except ValueError:
        return None


def _search(seconds: int, changes: tuple[date, ...] | None, year: int) -> str | None:
    for name in ZONES if seconds or changes else ():  # UTC itself is no meter's zone but by _fixed
        standard, days = _habits(name, year)
        if standard == seconds and changes in (days, None):
            return name
    return None


def _fixed(seconds: int) -> str | None:
    if seconds % 3600 or abs(seconds) > 12 * 3600:
        return None
    return f"Etc/GMT{-seconds // 3600:+d}" if seconds else "UTC"  # POSIX signs: west is positive


def check_zone(tz: str) -> str:
    """Give back the name of an IANA zone; ValueError where there is no such zone."""
    try:
        return zoneinfo.ZoneInfo(str(tz)).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = {name.lower(): name for name in zoneinfo.available_timezones()}
        near = difflib.get_close_matches(str(tz).lower(), known, n=1, cutoff=0.88)
        hint = f"did you mean {known[near[0]]!r}?" if near else "use a name such as 'America/Los_Angeles'"
        raise ValueError(f"tz={tz!r} is no IANA time zone: {hint}") from None


def check_epoch(epoch: str) -> str:
    """Give back one of :data:`EPOCHS`; ValueError for anything else."""
    if epoch not in EPOCHS:
        raise ValueError(f"epoch={epoch!r} is none of {', '.join(map(repr, EPOCHS))}")
    return epoch


def from_local(starts: Instants, zone: str) -> Instants:
    """Give the instants of wall-clock labels that were written as if they were UTC.

    In the hour that stands twice the first of two equal labels is daylight time. A label in the hour that spring
    skips is moved to its end.
    """
    labels = pd.DatetimeIndex(starts.view("datetime64[us]"))
    first = ~pd.Series(starts).duplicated().to_numpy()
    local = labels.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return np.asarray(local.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]").view(np.int64))


def from_standard(starts: Instants, zone: str) -> Instants:
    """Give the instants of standard-time labels that were written as if they were UTC."""
    return np.asarray(starts - standard_offset(zone, starts) * US, dtype=np.int64)


def instants(seconds: Instants, epoch: str, zone: str) -> Instants:
    """Give the instants of times that count from one of :data:`EPOCHS`."""
    if epoch == "utc" or not len(seconds):
        return seconds
    return from_local(seconds, zone) if epoch == "local" else from_standard(seconds, zone)


def standard_offset(zone: str, starts: Instants) -> int:
    """Give a zone's standard offset from UTC in seconds, in the year of the first start."""
    year = datetime.fromtimestamp(int(starts[0]) // US, UTC).year if len(starts) else 2024
    return _habits(zone, min(max(year, 1970), 9998))[0]


def at_standard_midnight(begins: Instants, zone: str) -> bool:
    """Tell whether blocks begin at midnight of a zone's standard time, whatever the season."""
    return bool(len(begins)) and bool(((begins + standard_offset(zone, begins) * US) % DAY == 0).all())


def suspicion(begins: Instants, zone: str | None) -> tuple[str, str]:
    """Judge by where the blocks begin whether the epochs are UTC.

    Parameters
    ----------
    begins : array of int64
        First start of each block, each value once.
    zone : str or None
        The site's zone, where it is known.

    Returns
    -------
    kind : {"", "local", "standard", "other-zone"}
        Empty when nothing speaks against UTC.
    where : str
        The zone in which the blocks do begin at midnight, for ``other-zone``.
    """
    if not len(begins):
        return "", ""
    at_utc_midnight = _share(begins % DAY == 0)
    if zone is None:
        return ("local" if at_utc_midnight > 0.9 else ""), ""
    if not any(_habits(zone, 2024)) or _share(_at_midnight(begins, zone)) >= 0.5:
        return "", ""
    if at_utc_midnight > 0.9:
        return "local", ""
    if _share(_at_midnight(from_standard(begins, zone), zone)) > 0.9:
        return "standard", ""
    if len(begins) > 1:
        for other in NORTH_AMERICA:
            if _share(_at_midnight(begins, other)) > 0.9:
                return "other-zone", other
    return "", ""


def _share(hits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(hits.mean())


def _at_midnight(instants: Instants, zone: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(midnights(local_dates(times(instants, zone)), zone) == instants)
