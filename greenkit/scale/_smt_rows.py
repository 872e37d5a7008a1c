"""Day rows of Smart Meter Texas files, straight from the blocks of their reader.

The blocks of the reader are day rows already: no frame is built, which would cost 50 bytes for each interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from greenkit.scale import _rows
from greenkit.smt._blocks import MISSING, OTHER, Store
from greenkit.smt._codes import QUALITIES, ZONE
from greenkit.smt._reader import SmtBlocks
from greenkit.smt._stamps import NEVER
from greenkit.times import from_wall_clock


def from_blocks(found: SmtBlocks, *, place: int = 0) -> pa.Table:
    """Build the day rows of Smart Meter Texas files.

    Parameters
    ----------
    found : SmtBlocks
        What :func:`greenkit.smt.read_blocks` returns.
    place : int
        Number of the first row. Default: 0.

    Returns
    -------
    pyarrow.Table
        The rows that :func:`greenkit.scale._rows.from_frame` would return for the frame of all revisions. ``delivered``
        is the age of each file.
    """
    store, blocks = found.store, found.blocks
    if not len(blocks):
        return _rows.empty()
    count = blocks["rows"]
    at = np.cumsum(count) - count
    quality, code, words, letters = _statuses(store, found)
    one, many = _rows.mixed_words(quality, words, at, count)
    one_code, many_codes = _rows.mixed_words(code, letters, at, count)
    offsets = pa.array(np.append(0, np.cumsum(count)).astype(np.int32))
    day = pa.array(blocks["day"], pa.int32()).cast(pa.date32())
    ages = np.array([_instant(age) for age in found.ages], dtype=np.int64)
    channels = store.channels.words
    columns: dict[str, Any] = {
        "meter": _words(blocks["meter"], store.meters.words),
        "flow": _words(blocks["channel"], [c.flow for c in channels]),
        "series": _words(blocks["channel"], [c.series for c in channels]),
        "unit": _words(blocks["unit"], store.units.words),
        "zone": _words(np.zeros(len(blocks), dtype=np.int32), [ZONE]),
        "day": day,
        "start": _times(blocks["start"]),
        "step": blocks["step"],
        "values": pa.ListArray.from_arrays(offsets, pa.array(found.values)),
        "quality": one,
        "qualities": many,
        "quality_code": one_code,
        "quality_codes": many_codes,
        "source": _words(blocks["source"], found.names),
        "revision": _times(blocks["revision"]),
        "usage_date": day,
        "delivered": _times(ages[blocks["source"]]),
        "place": place + np.arange(len(blocks)),
    }
    return _rows.sort(_rows.build(columns, len(blocks)))


def _words(codes: Any, words: list[str]) -> pa.Array:
    indices = pa.array(np.asarray(codes, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())).cast(pa.string())


def _times(instants: Any) -> pa.Array:
    return pa.array(instants, pa.int64(), mask=instants == NEVER).cast(pa.timestamp("us", tz="UTC"))


def _instant(age: str) -> int:
    """Return an age in microseconds since 1970 UTC; the smallest number if it is unknown."""
    if not age:
        return NEVER
    wall = np.array([np.datetime64(age, "us").astype(np.int64)])
    return int(from_wall_clock(wall, ZONE)[0])


def _statuses(store: Store, found: SmtBlocks) -> tuple[Any, Any, list[str], list[str]]:
    """Return the numbers of the quality and of the letter of each interval, and their words.

    An interval without a value is missing, whatever its status.
    """
    letters = store.codes.words
    words = sorted({*(QUALITIES.get(letter.upper(), OTHER) for letter in letters), MISSING})
    meaning = np.array([words.index(QUALITIES.get(letter.upper(), OTHER)) for letter in letters], dtype=np.int8)
    quality = meaning[found.codes]
    missing = np.isnan(found.values)
    if missing.any():
        quality[missing] = words.index(MISSING)
    shown = [letter for letter in letters if letter.strip()]
    code = np.array([shown.index(letter) if letter.strip() else -1 for letter in letters], dtype=np.int16)[found.codes]
    return quality, code, words, shown
