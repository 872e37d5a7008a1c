"""Requests to Smart Meter Texas's REST API: their fields, and the limits beyond which SMT drops them without a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from greenkit.errors import LimitError

VERSIONS: Final[Mapping[str, str]] = {"latest": "L", "all": "A"}
FLOWS: Final[Mapping[str, str]] = {"delivered": "C", "received": "G", "all": "A"}


class Limit(NamedTuple):
    """One line of SMT's table: so many requests a day, each of at most so many meters and days."""

    requests: int
    meters: int
    days: int


LIMITS: Final = (
    Limit(20, 1, 365),
    Limit(20, 10, 20),
    Limit(20, 50, 5),
    Limit(10, 100, 2),
    Limit(10, 200, 1),
)
"""SMT drops larger ad-hoc requests without a word, so they are refused here."""


def lay_out(
    meters: list[str], start: date | str, end: date | str, *, flow: str, version: str, mode: str, form: str
) -> tuple[dict[str, Any], float]:
    """Lay out a request, and give what part of a day's allowance it takes; whatever is wrong with it is raised.

    Parameters
    ----------
    meters : list of str
        ESI IDs.
    start, end : date or str
        First and last day, both included.
    flow, version : str
        Of :data:`FLOWS`, of :data:`VERSIONS`.
    mode, form : str
        ``API`` for an answer at once, ``FTP`` for a file; its format.

    Raises
    ------
    ValueError, LimitError
        A wrong argument, or more than SMT serves at once.
    """
    first, last = _day(start), _day(end)
    wrong = [m for m in meters if not (isinstance(m, str) and m.isascii() and m.isdigit() and 10 <= len(m) <= 36)]
    if wrong or not meters:
        raise ValueError(f"{wrong[0]!r} is no ESI ID: give digits as text" if wrong else "no ESI ID is given")
    if last < first:
        raise ValueError(f"the last day {last} is before the first day {first}")
    if flow not in FLOWS or version not in VERSIONS:
        raise ValueError(f"flow is one of {', '.join(FLOWS)}, version one of {', '.join(VERSIONS)}")
    share = _share(len(set(meters)), (last - first).days + 1)
    asked = {
        "startDate": f"{first:%m/%d/%Y}",
        "endDate": f"{last:%m/%d/%Y}",
        "deliveryMode": mode,
        "reportFormat": form,
        "version": VERSIONS[version],
        "readingType": FLOWS[flow],
        "esiid": list(dict.fromkeys(meters)),
        "SMTTermsandConditions": "Y",
    }
    return asked, share


def _share(meters: int, days: int) -> float:
    """Give the part of a day's allowance that a request takes, each line of the table being the whole of it."""
    fits = [limit for limit in LIMITS if meters <= limit.meters and days <= limit.days]
    if not fits:
        table = ", ".join(f"{limit.meters} meters for {limit.days} days" for limit in LIMITS)
        raise LimitError(f"{meters} meters for {days} days are more than SMT serves at once: ask for at most {table}")
    return 1 / max(limit.requests for limit in fits)


def _day(day: date | str) -> date:
    if isinstance(day, datetime):
        return day.date()
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise ValueError(f"{day!r} is no day: write it as 2026-07-01") from None
