"""Numbers as people, portals, and spreadsheets write them, and the units that they are in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from greenkit.tables.cells import MISSING, Floats, Words, fold
from greenkit.text import parse_number

# unit in a table, folded → unit of the frame, factor, kind, commodity
UNITS: Final[Mapping[str, tuple[str, float, str, str]]] = {
    "kwh": ("kWh", 1.0, "energy", "electricity"),
    "kwhr": ("kWh", 1.0, "energy", "electricity"),
    "kh": ("kWh", 1.0, "energy", "electricity"),  # ANSI X12, element 355
    "kwh (thousand watt-hours)": ("kWh", 1.0, "energy", "electricity"),
    "kilowatt-hours": ("kWh", 1.0, "energy", "electricity"),
    "real energy in kilowatt-hours": ("kWh", 1.0, "energy", "electricity"),
    "wh": ("kWh", 0.001, "energy", "electricity"),
    "mwh": ("kWh", 1000.0, "energy", "electricity"),
    "kw": ("kW", 1.0, "demand", "electricity"),
    "kilowatts": ("kW", 1.0, "demand", "electricity"),
    "w": ("kW", 0.001, "demand", "electricity"),
    "mw": ("kW", 1000.0, "demand", "electricity"),
    "kvarh": ("kvarh", 1.0, "energy", "electricity"),
    "varh": ("kvarh", 0.001, "energy", "electricity"),
    "kvar": ("kvar", 1.0, "demand", "electricity"),
    "kvah": ("kVAh", 1.0, "energy", "electricity"),
    "kva": ("kVA", 1.0, "demand", "electricity"),
    "therm": ("therm", 1.0, "energy", "natural gas"),
    "therms": ("therm", 1.0, "energy", "natural gas"),
    "thm": ("therm", 1.0, "energy", "natural gas"),
    "dth": ("therm", 10.0, "energy", "natural gas"),
    "ccf": ("ft3", 100.0, "volume", ""),
    "mcf": ("ft3", 1000.0, "volume", ""),
    "cf": ("ft3", 1.0, "volume", ""),
    "ft3": ("ft3", 1.0, "volume", ""),
    "m3": ("m3", 1.0, "volume", ""),
    "m³": ("m3", 1.0, "volume", ""),
    "gal": ("gal", 1.0, "volume", "potable water"),
    "gallons": ("gal", 1.0, "volume", "potable water"),
    "l": ("L", 1.0, "volume", ""),
    "btu": ("Btu", 1.0, "energy", ""),
    # prices
    **{
        f"{money}/{energy}": (f"{letters}/kWh", factor * cents, "price", "")
        for money, letters, cents in (
            ("usd", "USD", 1.0),
            ("$", "USD", 1.0),
            ("cad", "CAD", 1.0),
            ("eur", "EUR", 1.0),
            ("gbp", "GBP", 1.0),
            ("aud", "AUD", 1.0),
            ("cents", "USD", 0.01),
            ("¢", "USD", 0.01),
        )
        for energy, factor in (("kwh", 1.0), ("mwh", 0.001))
    },
}
_IN_BRACKETS: Final = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_AROUND: Final = re.compile(r"^[\s$€£¥'\u00a0\u202f]+|[\s$€£¥%'\u00a0\u202f]+$")
_GROUPED_COMMA: Final = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
_GROUPED_POINT: Final = re.compile(r"[1-9]\d{0,2}(\.\d{3})+")
_GROUPS: Final = re.compile(r"(?<=\d)[ '\u00a0\u202f](?=\d{3})")


def unit_of(name: str) -> str:
    """Return the unit that the name of a column states, as the table writes it; empty if it states none.

    Examples
    --------
    >>> unit_of("IMPORT (kWh)"), unit_of("kWh"), unit_of("Usage(Real energy in kilowatt-hours)"), unit_of("Usage")
    ('kWh', 'kWh', 'Real energy in kilowatt-hours', '')
    """
    inside = _IN_BRACKETS.search(name)
    if inside and fold(inside[1]) in UNITS:
        return inside[1].strip()
    return name.strip() if fold(name) in UNITS else ""


def is_like_unit(word: str) -> bool:
    """Return whether a word that is not a known unit begins with one, so that a message may repeat it.

    Examples
    --------
    >>> is_like_unit("kvarh-Q1"), is_like_unit("Pat Example")
    (True, False)
    """
    first, _, rest = re.sub(r"[^a-z0-9\u00b2\u00b3]+", " ", fold(word)).partition(" ")
    return len(first) > 1 and first in UNITS and len(rest) <= 4


def _bare(word: str) -> str:
    """Return a number without signs of currencies and blanks; parentheses and a trailing minus are negative."""
    word = word.strip()
    negative = word.startswith("(") and word.endswith(")")
    word = _AROUND.sub("", word.strip("()") if negative else word)
    if word.startswith("-") and len(word) > 1:
        negative, word = not negative, _AROUND.sub("", word[1:])
    elif word.endswith("-") and len(word) > 1:
        negative, word = not negative, word[:-1]
    word = _GROUPS.sub("", word)
    return f"-{word}" if negative else word


def decimal_sign(columns: Iterable[Words], missing: Iterable[str] = ()) -> str | None:
    """Return the decimal sign that the numbers prove; None if every one can be read in both ways.

    Examples
    --------
    >>> import numpy as np
    >>> [decimal_sign([Words(np.zeros(0), [w])]) for w in ("0,145", "1,234.5", "1,234", "12")]
    [',', '.', None, '.']
    """
    empty = {*MISSING, *missing}
    open_question = False
    for column in columns:
        for word in column.words:
            if word in empty or ("," not in word and "." not in word):
                continue
            bare = _bare(word).lstrip("-+")
            comma, point = bare.rfind(","), bare.rfind(".")
            if comma >= 0 and point >= 0:
                return "." if point > comma else ","
            if comma >= 0:
                if not _GROUPED_COMMA.fullmatch(bare):
                    return "," if bare.count(",") == 1 else "."
                open_question |= bare.count(",") == 1
                if bare.count(",") > 1:
                    return "."
            elif not _GROUPED_POINT.fullmatch(bare):
                return "."
            elif bare.count(".") > 1:
                return ","
    return None if open_question else "."


def settle(column: Words, decimal: str, missing: Iterable[str] = ()) -> tuple[Floats, int]:
    """Return the numbers of a column of words, and the count of cells that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> settle(Words(np.arange(4), ["$1,234.50", "(0.13)", "-", "total"]), ".")
    (array([ 1.2345e+03, -1.3000e-01,         nan,         nan]), 1)
    """
    empty = {*MISSING, *missing}
    values = np.full(len(column.words), np.nan)
    bad = np.zeros(len(column.words), dtype=bool)
    for i, word in enumerate(column.words):
        if word in empty:
            continue
        bare = _bare(word)
        bare = bare.replace(",", "") if decimal == "." else bare.replace(".", "").replace(",", ".")
        number = parse_number(bare)
        values[i] = np.nan if number is None else number
        bad[i] = number is None
    if not len(column.words):
        return np.full(len(column.codes), np.nan), 0
    return values[column.codes], int(bad[column.codes].sum())
