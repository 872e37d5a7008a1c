"""What one cell of a CSV says, and what is wrong when it says nothing: ESI IDs, dates and revisions.

Portals and spreadsheets dress them up; some spreadsheets spoil them for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np

from greenkit.errors import FormatError
from greenkit.smt import codes, stamps
from greenkit.smt.blocks import Store
from greenkit.smt.notes import Notes

_AROUND_ID: Final = " \t'\"=\u2018\u2019\ufeff\xa0"
"""What portals, people and spreadsheets put around an ESI ID: 'digits, ="digits", blanks."""
_MASKED: Final = re.compile(r"(?=.*\d)[A-Za-z0-9_*-]{1,64}")
"""What else is taken as an id, since people mask them; a word such as Total is none."""
_RUINED: Final = re.compile(r"\d(?:[.,]\d+)?E\+?\d+$|\d{15,}\.0+$", re.IGNORECASE)


def meter_id(text: str) -> str | None:
    """Give the bare ESI ID; None when the cell holds none.

    Raises
    ------
    FormatError
        When a spreadsheet has turned the id to a number, which loses its last digits.

    Examples
    --------
    >>> meter_id("'10000000000000017"), meter_id('="10000000000000017"'), meter_id("my house")
    ('10000000000000017', '10000000000000017', None)
    """
    text = text.strip(_AROUND_ID)
    if text.isascii() and text.isdigit():
        return text
    if _RUINED.match(text):
        raise FormatError(
            f"the ESI ID {text} was turned to a number by a spreadsheet and its last digits are lost: export the file "
            "again and load it without opening it in a spreadsheet"
        )
    return text if _MASKED.fullmatch(text) else None


def date(text: str) -> int | None:
    """Give a date as days since 1970; None when it is none.

    Raises
    ------
    FormatError
        When its day stands before its month, so that other dates of the file would be taken for what they are not.
    """
    found = stamps.day(text)
    if found is None:
        _refuse_day_first(text)
    return found


def revision(text: str) -> int | None:
    """Give when a version was made, as :func:`greenkit.smt.stamps.revision`; day before month as in :func:`date`."""
    found = stamps.revision(text)
    if found is None:
        _refuse_day_first(text)
    return found


def _refuse_day_first(text: str) -> None:
    if stamps.is_day_first(text):
        raise FormatError(
            f"the date {text.split()[0]} has its day first, so another program has rewritten this file's dates: "
            "export it again"
        )


class Cells:
    """The cells of one interval file as numbers.

    Attributes
    ----------
    words : dict
        Role → what reads a cell of its column (None where it says nothing), and the number that holds without one.
    """

    def __init__(self, store: Store, notes: Notes, file: str) -> None:
        self._store, self._notes, self._file = store, notes, file
        self.words: dict[str, tuple[Callable[[str], int | None], int]] = {
            "meter": (self._meter, 0),
            "date": (self._date, 0),
            "start": (stamps.minute, 0),
            "end": (_end, -1),
            "quality": (store.code, store.code("")),
            "flow": (self._flow, store.channels[codes.LOAD]),
        }
        self._days: set[int] = set()

    def _date(self, text: str) -> int | None:
        found = date(text)
        if found is not None and "/" in text:
            self._days.add(found)
        return found

    def doubt_dates(self) -> None:
        """Note a file of one day of several months: 06/07, 07/07 and 08/07 may well be days of July."""
        first = np.datetime64(min(self._days, default=0), "D")
        if len(self._days) > 1 and len({str(np.datetime64(day, "D"))[-2:] for day in self._days}) == 1:
            self._notes.add("smt.time.day-first", f"{first} and {len(self._days) - 1} more", file=self._file)

    def _meter(self, text: str) -> int | None:
        found = meter_id(text)
        return None if found is None else self._store.meters[found]

    def _flow(self, text: str) -> int:
        found = codes.channel(text) if text.strip() else codes.LOAD
        if found not in self._store.channels and found not in (codes.LOAD, codes.GENERATION):
            self._notes.add("smt.flow.other", found.flow, file=self._file)
        return self._store.channels[found]


def _end(text: str) -> int | None:
    return stamps.end_minute(text) if text.strip() else -1
