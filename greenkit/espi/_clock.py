"""LocalTimeParameters to an IANA time zone, and times that are not UTC as declared (TimeType, DstRuleType).

ESPI's times are seconds since 1970 UTC, and LocalTimeParameters only describe how to display them. Some utilities
store their local time, or their standard time, as if it were UTC. When their days begin reveals it.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from greenkit.espi._codes import integer
from greenkit.findings import Kind
from greenkit.times import US, Instants, from_wall_clock, is_zone, local_dates, midnights, to_times

DST_OFFSET: Final = Kind(
    "espi.time.dst-offset",
    "warning",
    "greenkit ignored {ignored}.",
    "If clocks at the site change at other times or by another amount, load the file again with tz=.",
)
OFFSET_SIGN: Final = Kind(
    "espi.time.offset-sign",
    "info",
    "tzOffset {seconds} has the wrong sign for its daylight saving rules. greenkit used {zone}.",
)
NO_SUCH_ZONE: Final = Kind(
    "espi.time.no-such-zone",
    "warning",
    "No time zone has tzOffset {seconds} and these daylight saving rules. Times are in UTC.",
    "Load the file again with the time zone of the site, as in tz='America/Los_Angeles'.",
)
NO_RULES: Final = Kind(
    "espi.time.rules-undecodable",
    "warning",
    "The daylight saving rules are missing or invalid. greenkit used those of {zone}.",
    "If this is not the time zone of the site, load the file again with tz=.",
)

EPOCHS: Final = ("utc", "local", "standard")
DAY: Final = 86_400 * US

# In the order in which they are tried: of several zones with the same offset and rules, the one with most meters.
ZONES: Final = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Halifax"),
    *("America/St_Johns", "America/Anchorage", "Pacific/Honolulu", "America/Adak", "America/Phoenix"),
    *("America/Regina", "America/Panama", "America/Puerto_Rico", "Europe/London", "Europe/Berlin", "Europe/Athens"),
    *("Asia/Seoul", "Asia/Kolkata", "Australia/Sydney", "Australia/Adelaide", "Australia/Darwin"),
    *("Australia/Brisbane", "Pacific/Auckland"),
)
NORTH_AMERICA: Final = ZONES[:7]

Bools = npt.NDArray[np.bool_]


# LocalTimeParameters


@dataclass(frozen=True, slots=True)
class DstRule:
    """The date and hour of a change, as the bits of DstRuleType encode them."""

    month: int
    operator: int  # 0 on that day; 1 weekday on or after the day; 2 to 6 first to fifth weekday; 7 last weekday
    day: int
    weekday: int  # 1 Monday to 7 Sunday
    hour: int
    second: int

    def date(self, year: int) -> date:
        """Return the date of the change in a year; raise ValueError if the bits mean no date."""
        if self.operator == 0:
            return date(year, self.month, self.day)
        if self.operator == 7:
            last = date(year + self.month // 12, self.month % 12 + 1, 1) - timedelta(days=1)
            return last - timedelta(days=(last.isoweekday() - self.weekday) % 7)
        first = date(year, self.month, self.day if self.operator == 1 else 1)
        found = first + timedelta(days=(self.weekday - first.isoweekday()) % 7)
        return found if self.operator == 1 else found + timedelta(weeks=self.operator - 2)


def dst_rule(text: str | None) -> DstRule | None:
    """Parse a DstRuleType: eight hexadecimal digits.

    Parameters
    ----------
    text : str or None
        ``FFFFFFFF`` means no daylight saving time.

    Returns
    -------
    DstRule or None
        None for no daylight saving time.

    Raises
    ------
    ValueError
        If the text is missing, or means no date of the year.

    Examples
    --------
    >>> dst_rule("360E2000").date(2024), dst_rule("B40E2000").date(2024)
    (datetime.date(2024, 3, 10), datetime.date(2024, 11, 3))
    """
    if text is None or not re.fullmatch(r"[0-9A-Fa-f]{8}", text.strip()):
        raise ValueError(f"{text!r} is not a DstRuleType of eight hexadecimal digits")
    bits = int(text, 16)
    if bits == 0xFFFFFFFF:
        return None
    rule = DstRule(bits >> 28, bits >> 25 & 7, bits >> 20 & 31, bits >> 17 & 7, bits >> 12 & 31, bits & 0xFFF)
    if (rule.operator and not rule.weekday) or rule.hour > 23:
        raise ValueError(f"{text!r} means no date")
    rule.date(2024)  # ValueError if there is no such month or day
    return rule


@functools.cache
def _habits(zone: str, year: int) -> tuple[int, tuple[date, ...]]:
    """Return a zone's standard offset in seconds, and the dates on which its clocks change in a year."""
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
class Oddity:
    """A problem of LocalTimeParameters, the values for the slots of its sentence, and its severity if unusual."""

    kind: Kind
    words: Mapping[str, Any]
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """The IANA time zone of LocalTimeParameters, and their problems."""

    name: str | None
    oddities: tuple[Oddity, ...] = ()


def zone_of(offset: str | None, dst_offset: str | None, start: str | None, end: str | None, year: int) -> Zone:
    """Find the IANA time zone that has these LocalTimeParameters.

    Parameters
    ----------
    offset, dst_offset : str or None
        ``tzOffset`` and ``dstOffset`` in seconds, as the feed has them.
    start, end : str or None
        ``dstStartRule`` and ``dstEndRule``.
    year : int
        Year whose dates of change are compared; years before 2007, when today's rules began, count as 2007.
    """
    seconds, saving, year = integer(offset), integer(dst_offset), min(max(year, 2007), 9998)
    odd: list[Oddity] = []
    changes = _changes(start, end, year)
    if seconds is None or (not seconds and changes is None and saving != 0):  # nothing, or zeros for nothing
        return Zone(None)
    if saving == 0:
        if changes:
            odd.append(Oddity(DST_OFFSET, {"ignored": "the daylight saving rules, because dstOffset is 0"}))
        changes = ()
    elif saving not in (None, 1800, 3600, 7200):
        ignored = f"the dstOffset {saving}, which must be 0, 1800, 3600, or 7200"
        odd.append(Oddity(DST_OFFSET, {"ignored": ignored}, "info"))
    name = _search(seconds, changes, year) or (_fixed(seconds) if changes == () else None)
    if name is None and (flipped := _search(-seconds, changes, year)):
        name = flipped
        odd.append(Oddity(OFFSET_SIGN, {"seconds": str(seconds), "zone": name}))
    if name is None and changes is None:
        name = _fixed(seconds)
    if name is None:
        odd.append(Oddity(NO_SUCH_ZONE, {"seconds": str(seconds)}))
    elif changes is None:
        odd.append(Oddity(NO_RULES, {"zone": name}))
    return Zone(name, tuple(odd))


def _changes(start: str | None, end: str | None, year: int) -> tuple[date, ...] | None:
    """Return the dates of change in a year, empty without daylight saving time; None if the rules are invalid."""
    try:
        return tuple(sorted(rule.date(year) for rule in (dst_rule(start), dst_rule(end)) if rule))
    except ValueError:
        return None


def _search(seconds: int, changes: tuple[date, ...] | None, year: int) -> str | None:
    for name in ZONES if seconds or changes else ():  # UTC itself is never the zone of a meter, except by _fixed
        standard, days = _habits(name, year)
        if standard == seconds and changes in (days, None):
            return name
    return None


def _fixed(seconds: int) -> str | None:
    if seconds % 3600 or abs(seconds) > 12 * 3600:
        return None
    return f"Etc/GMT{-seconds // 3600:+d}" if seconds else "UTC"  # POSIX signs: west is positive


# The arguments tz and epoch


def check_zone(tz: str) -> str:
    """Check the name of an IANA time zone, and return it; raise ValueError if there is no such zone."""
    if is_zone(str(tz)):
        return str(tz)
    import difflib

    known = {name.lower(): name for name in zoneinfo.available_timezones()}
    near = difflib.get_close_matches(str(tz).lower(), known, n=1, cutoff=0.88)
    hint = f"Did you mean {known[near[0]]!r}?" if near else "Use a name such as 'America/Los_Angeles'."
    raise ValueError(f"tz={tz!r} is not a valid IANA time zone. {hint}")


def check_epoch(epoch: str) -> str:
    """Check that an argument is one of :data:`EPOCHS`, and return it; raise ValueError if it is not."""
    if epoch not in EPOCHS:
        raise ValueError(f"epoch is {epoch!r}, but it must be one of {', '.join(map(repr, EPOCHS))}")
    return epoch


# Times that are not UTC


def from_local(starts: Instants, zone: str) -> Instants:
    """Return the UTC times of local times that were stored as if they were UTC.

    In the repeated hour, the first of two equal labels is daylight time. A label in the skipped hour is moved to the
    end of that hour.
    """
    return from_wall_clock(starts, zone, repeated="first is daylight")


def from_standard(starts: Instants, zone: str) -> Instants:
    """Return the UTC times of standard times that were stored as if they were UTC."""
    return np.asarray(starts - standard_offset(zone, starts) * US, dtype=np.int64)


def instants(seconds: Instants, epoch: str, zone: str) -> Instants:
    """Return the UTC times of times that are stored in one of :data:`EPOCHS`."""
    if epoch == "utc" or not len(seconds):
        return seconds
    return from_local(seconds, zone) if epoch == "local" else from_standard(seconds, zone)


def standard_offset(zone: str, starts: Instants) -> int:
    """Return a zone's standard offset from UTC in seconds, in the year of the first start."""
    year = datetime.fromtimestamp(int(starts[0]) // US, UTC).year if len(starts) else 2024
    return _habits(zone, min(max(year, 1970), 9998))[0]


def at_standard_midnight(begins: Instants, zone: str) -> bool:
    """Return whether blocks begin at midnight of a zone's standard time in every season."""
    return bool(len(begins)) and bool(((begins + standard_offset(zone, begins) * US) % DAY == 0).all())


@dataclass(frozen=True, slots=True)
class DayMarks:
    """Times when the days of some series begin and end, in microseconds, sorted and without duplicates.

    ``begins`` are the earliest starts of the blocks and the starts of daily readings, ``firsts`` the first start of
    each series, and ``lasts`` the last end of each series.
    """

    begins: Instants
    firsts: Instants
    lasts: Instants


def suspicion(marks: DayMarks, zone: str | None) -> tuple[str, str]:
    """Infer whether times are UTC from when the blocks begin and from the edges of the data.

    Each reading of the times (as UTC, as local time, as standard time) puts the marks at local midnight or not. The
    blocks alone do not decide, because some senders cut them at midnight UTC and others at midnight of what they store.
    The edges of the data are the edges of complete local days, unless a meter starts or stops in the middle of a day::

        stored         blocks begin      first start, last end     conclusion for New York in July
        04:00 04:00    04:00 04:00 …     04:00, 04:00              UTC, which is right
        00:00 00:00    00:00 00:00 …     00:00, 00:00              local time
        23:00 23:00    23:00 23:00 …     23:00, 23:00              standard time
        23:00 00:00    23:00 00:00 …     23:00, 23:00              standard time, with blocks cut at its midnight
        04:00 00:00    04:00 00:00 …     04:00, 04:00              UTC, with blocks cut at midnight UTC

    Parameters
    ----------
    marks : DayMarks
        When the days begin and end.
    zone : str or None
        Time zone of the site, if it is known.

    Returns
    -------
    kind : {"", "local", "standard", "other-zone"}
        Empty if nothing suggests that the times are not UTC, or if the marks fit no reading of the times.
    where : str
        For ``other-zone``, the zone in which the days do begin at midnight.
    """
    begins = marks.begins
    if not len(begins):
        return "", ""
    inner = begins[~np.isin(begins, marks.firsts)]  # the first block of a series begins with the series
    if zone is None:
        edges = _edges(marks, lambda t: t % DAY == 0)
        # days that begin at another hour begin and end at the same one
        shifted = not edges and len(np.unique(np.concatenate((marks.firsts, marks.lasts)) % DAY)) == 1
        return ("local" if _share(begins % DAY == 0) > 0.9 and not shifted and (edges or len(inner) > 1) else ""), ""
    if not any(_habits(zone, 2024)):
        return "", ""

    def as_utc(times: Instants) -> Bools:
        return _at_midnight(times, zone)

    if _share(as_utc(begins)) >= 0.5 or _edges(marks, as_utc) == 2:
        return "", ""
    fitting: list[tuple[float, str]] = []
    at_label_midnight = len(inner) > 0 and bool((inner % DAY == 0).all())
    for name, convert in (("local", from_local), ("standard", from_standard)):

        def fits(times: Instants, convert: Any = convert) -> Bools:
            return _at_midnight(convert(times, zone), zone)

        edges = _edges(marks, fits)
        share = _share(fits(begins))
        is_edged = edges == 2 and (share > 0.9 or at_label_midnight)
        if is_edged or (len(inner) and fits(inner).all() and edges == 1 and not _edges(marks, as_utc)):
            fitting.append((share, name))
    if fitting:  # of a winter with a few days of summer both fit, and the one with more days at midnight is right
        return max(fitting, key=lambda found: found[0])[1], ""
    for other in NORTH_AMERICA:

        def there(times: Instants, other: str = other) -> Bools:
            return _at_midnight(times, other)

        if _share(there(begins)) > 0.9 and (_edges(marks, there) == 2 or (len(inner) > 1 and there(inner).all())):
            return "other-zone", other
    return "", ""


def _edges(marks: DayMarks, at_midnight: Callable[[Instants], Bools]) -> int:
    """Return how many of the two edges, the first starts and the last ends, are at midnight for most series."""
    return sum(_share(at_midnight(edge)) > 0.5 for edge in (marks.firsts, marks.lasts))


def _share(hits: Bools) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _at_midnight(instants: Instants, zone: str) -> Bools:
    return np.asarray(midnights(local_dates(to_times(instants, zone)), zone) == instants)
