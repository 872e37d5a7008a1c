"""What one cell of a CSV says, and what is wrong when it says nothing: ESI IDs, dates and revisions.

Portals and spreadsheets dress them up; some spreadsheets spoil them for good.
"""

from __future__ import annotations

import re
from typing import Final

from greenkit.errors import FormatError
from greenkit.smt import stamps

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
