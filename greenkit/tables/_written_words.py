"""Columns of words of a table that is written: the word of each row is one that means what the row has.

Several items of a mapping can name one column, such as the flow and the unit of ``Type``. A word must then mean both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit.errors import SchemaError
from greenkit.tables._written_times import labeled, to_local
from greenkit.tables.cells import clean_id, fold
from greenkit.tables.mapping import Blocks, Column, Table, Value, Words
from greenkit.tables.numbers import UNITS, unit_of
from greenkit.tables.placement import HOUR
from greenkit.text import FORMULA

BLOCK: Final = "\0flow"
"""Column of the flow of each row in a table of blocks, which the blocks replace."""


def unit_item(name: str, spec: Value, table: Table) -> str | Column | Words | None:
    """Return the unit of a value column, or the column that has it; None if nothing states it."""
    unit = spec.unit if spec.unit is not None else table.unit
    return unit if unit is not None else unit_of(name) or None


@dataclass
class _Meaning:
    """What the words of a column mean in one respect.

    Attributes
    ----------
    name : str
        The respect: ``flow``, ``unit``, …
    wanted : list
        What the word of each row must mean.
    fits : callable
        Returns 2 if a word means what is wanted, 1 if it does not contradict it, else 0.
    words : list of str
        Words to try.
    own : list of list of str
        Words of each row that are tried before and after them.
    """

    name: str
    wanted: list[Any]
    fits: Callable[[str, Any], int]
    words: Sequence[str] = ()
    own: Sequence[list[str]] = ((), ())  # type: ignore[assignment]


def word_columns(
    rows: pd.DataFrame, table: Table, specs: Mapping[str, Value]
) -> tuple[dict[str, pd.Series[Any]], dict[str, Any]]:
    """Return the columns of words, and the factor of the unit of each value column (one, or one for each row)."""
    columns: dict[str, list[_Meaning]] = {}
    for name in ("meter", "series", "zone"):
        item, ids = getattr(table, name), rows[name].tolist()
        if isinstance(item, Column):
            columns.setdefault(item.column, []).append(_Meaning(name, ids, _fits_id, own=([safe(x) for x in ids], [])))
    if isinstance(table.flow, Words) and any(spec.flow is None for spec in specs.values()):
        flow = _folded(table.flow)
        columns.setdefault(table.flow.column, []).append(
            _Meaning("flow", rows["flow"].tolist(), lambda w, x: 2 * (flow.get(fold(w)) == x), [*table.flow.words])
        )
    _add_units(columns, rows, table, specs)
    _add_rest(columns, rows, table)
    out = {name: _chosen(name, meanings, len(rows)) for name, meanings in columns.items()}
    units: dict[str, Any] = {}
    for name, spec in specs.items():
        unit = unit_item(name, spec, table)
        if isinstance(unit, Column | Words):
            units[name] = np.array([UNITS.get(fold(_unit_word(unit, w)), ("", 1.0))[1] for w in out[unit.column]])
        else:
            units[name] = UNITS[fold(unit)][1] if unit is not None and fold(unit) in UNITS else 1.0
    if isinstance(table.flow, Blocks):
        out[BLOCK] = rows["flow"]
    if isinstance(table.multiplier, Column):
        out[table.multiplier.column] = pd.Series(np.ones(len(rows), dtype=np.int64))
    return out, units


def _add_units(
    columns: dict[str, list[_Meaning]], rows: pd.DataFrame, table: Table, specs: Mapping[str, Value]
) -> None:
    units = {unit.column: unit for unit in (unit_item(*item, table) for item in specs.items())
             if isinstance(unit, Column | Words)}  # fmt: skip
    for column, unit in units.items():

        def fits(word: str, wanted: str, unit: Column | Words = unit) -> int:
            stated = _unit_word(unit, word)
            return 2 * (UNITS.get(fold(stated), (stated,))[0] == wanted)

        have = rows["unit"].tolist()
        columns.setdefault(column, []).append(
            _Meaning("unit", have, fits, [*getattr(unit, "words", ())], ([], [safe(x) for x in have]))
        )


def _unit_word(unit: Column | Words, word: str) -> str:
    return _folded(unit).get(fold(word), word) if isinstance(unit, Words) else word


def _add_rest(columns: dict[str, list[_Meaning]], rows: pd.DataFrame, table: Table) -> None:
    """Add quality, time of use, commodity, daylight time, and the rows that are readings."""
    if (quality := table.quality) is not None:
        means, have = _folded(quality), rows["quality"].tolist()

        def fits_quality(word: str, wanted: str) -> int:
            meaning = means.get(fold(word), means.get("*", "other") if word else "actual")
            return 2 if meaning == wanted else int(wanted == "missing")  # an empty cell shows a missing value

        own = [safe(x) for x in rows["quality_code"]], have
        words = [word for word in quality.words if word != "*"]
        columns.setdefault(quality.column, []).append(_Meaning("quality", have, fits_quality, [*words, ""], own))
    if (tou := table.tou) is not None:
        names, have = _folded(tou), rows["tou"].tolist()

        def fits_tou(word: str, wanted: str) -> int:
            return 2 if names.get(fold(word), word) == wanted else int(word == safe(wanted))

        columns.setdefault(tou.column, []).append(
            _Meaning("tou", have, fits_tou, [*tou.words], ([], [safe(x) for x in have]))
        )
    if isinstance(commodity := table.commodity, Words):
        fuels = _folded(commodity)
        columns.setdefault(commodity.column, []).append(
            _Meaning("commodity", rows["commodity"].tolist(), lambda w, x: 2 * (fuels.get(fold(w), "") == x),
                     [*commodity.words, ""])
        )  # fmt: skip
    if (dst := table.time.dst) is not None and not table.is_wide:
        hours = _folded(dst)
        columns.setdefault(dst.column, []).append(
            _Meaning("time.dst", _hours(rows, table), lambda w, x: x.get(hours.get(fold(w), ""), 0), [*dst.words, ""])
        )
    if (chosen := table.rows) is not None:
        keep, drop = {fold(word) for word in chosen.keep}, {fold(word) for word in chosen.drop}

        def fits_rows(word: str, _: Any) -> int:
            return 2 * (fold(word) not in drop and (not keep or fold(word) in keep))

        columns.setdefault(chosen.column, []).append(
            _Meaning("rows", [None] * len(rows), fits_rows, [*chosen.keep, "", "usage"])
        )


def _hours(rows: pd.DataFrame, table: Table) -> list[dict[str, int]]:
    """Return how well each meaning of ``time.dst`` fits each row: daylight or standard, first or second hour."""
    at, zones = labeled(rows, table), rows["zone"].to_numpy()
    clock = dataclasses.replace(table, clock="local")
    local, second = to_local(at, zones, clock)
    standard, _ = to_local(at, zones, dataclasses.replace(table, clock="standard"))
    again = to_local(at + HOUR, zones, clock)[0] == local  # the first of two equal hours
    made = []
    for is_second, is_first, daylight in zip(second, again, local != standard, strict=True):
        made.append(
            {
                "daylight": 2 * int(daylight), "standard": 2 * int(not daylight), "first": 2 * int(not is_second),
                "second": 2 * int(is_second), "": int(not is_second and not is_first) or int(is_first),
            }
        )  # fmt: skip
    return made


def _folded(words: Words) -> dict[str, str]:
    return {fold(word): meaning for word, meaning in words.words.items()}


def _fits_id(word: str, wanted: str) -> int:
    return 2 * (clean_id(word) == wanted)


def safe(text: str) -> str:
    """Return text that no spreadsheet reads as a formula; the reader takes the apostrophe off an ID.

    Examples
    --------
    >>> safe("=1+1"), safe("0042")
    ("'=1+1", '0042')
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def _chosen(column: str, meanings: Sequence[_Meaning], count: int) -> pd.Series[Any]:
    """Return the word of each row that fits all that the column means.

    Raises
    ------
    SchemaError
        If no word fits.
    """
    wanted = [list(zip(m.wanted, *(own or [""] * count for own in m.own or ((), ())), strict=True)) for m in meanings]
    known: dict[str, str] = {}
    out = []
    for row in zip(*wanted, strict=True):
        key = repr(row)
        if key not in known:
            before, after = [one[1] for one in row], [one[2] for one in row]
            tried = [*filter(None, before), *(w for m in meanings for w in m.words), *filter(None, after), ""]
            score = {w: min(m.fits(w, one[0]) for m, one in zip(meanings, row, strict=True)) for w in tried}
            best = max(tried, key=score.__getitem__)
            if not score[best]:
                unfit = next((m, one[0]) for m, one in zip(meanings, row, strict=True) if not m.fits(best, one[0]))
                what = unfit[0].name
                raise SchemaError(
                    f"Column {column} of the mapping has no word for {what}"
                    + (f" {unfit[1]}" if what in ("flow", "unit", "quality", "commodity") else " of a row"),
                    next_step=f"Add the word to {what} in the mapping, or filter the frame.",
                )
            known[key] = best
        out.append(known[key])
    return pd.Series(out, dtype="object")
