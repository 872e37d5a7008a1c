"""Statistics for Home Assistant's energy dashboard."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import _files
from greenkit.analysis import intervals
from greenkit.analysis.intervals import HOUR, Intervals
from greenkit.errors import SchemaError
from greenkit.times import to_times

# unit of the frame → its name in Home Assistant, for the units that its energy dashboard accepts
_HA_UNITS: Final = {"kWh": "kWh", "m3": "m³", "ft3": "ft³", "gal": "gal", "L": "L"}


def home_assistant(df: pd.DataFrame, *, source: str = "greenkit", before: float = 0.0) -> list[dict[str, Any]]:
    """Return hourly statistics with a running sum, as Home Assistant's recorder imports them.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of amounts (kWh, m3, ft3, gal, L) with intervals of an hour or less.
    source : str
        Domain of the statistics' ids.
    before : float
        Amount before the first hour: the last ``sum`` of an earlier import. Default: 0.

    Returns
    -------
    list of dict
        One dictionary per series, as ``recorder.import_statistics`` accepts it: ``statistic_id``, ``source``, ``name``,
        ``unit_of_measurement``, ``has_mean``, ``has_sum``, and ``stats``, which contains ``start`` (UTC, full hour),
        ``state`` (the amount of the hour), and ``sum``. Delivered, received, and net have separate IDs. Hours without a
        value are left out, so the sum does not change over them. An incomplete hour has the sum of its intervals.

    Raises
    ------
    SchemaError
        If a series has a unit that Home Assistant does not accept, or intervals of more than an hour.
    """
    found = intervals.checked(df)
    for code, unit in enumerate(found.keys["unit"]):
        if unit not in _HA_UNITS or found.interval[code] > 3600:
            raise SchemaError(
                f"{found.label(code)} has intervals of {found.interval[code] / 3600:g} h in {unit}, but Home Assistant "
                f"needs intervals of an hour or less in {', '.join(_HA_UNITS)}",
                next_step="Filter out the series.",
            )
    names = _names(found.keys)
    return [
        _statistics(found.take((found.code == code) & found.valid), names[code], _HA_UNITS[unit], source, before)
        for code, unit in enumerate(found.keys["unit"])
    ]


def _names(keys: pd.DataFrame) -> list[tuple[str, str]]:
    """Return a unique ID of lowercase letters, digits, and underscores for each series, and its name."""
    twins = keys.duplicated(["meter", "flow"], keep=False)
    words = [
        [key["meter"], key["flow"], *([key["series"]] if twin else [])]
        for key, twin in zip(keys.to_dict("records"), twins, strict=True)
    ]
    slugs = [re.sub("[^0-9a-z]+", "_", "_".join(parts).lower()).strip("_") for parts in words]
    # "a b" and "a-b" become the same slug
    marks = [f"_{zlib.crc32(repr(parts).encode()):08x}" for parts in words]
    ids = [slug + mark if slugs.count(slug) > 1 else slug for slug, mark in zip(slugs, marks, strict=True)]
    return [(one, " ".join(parts)) for one, parts in zip(ids, words, strict=True)]


def _statistics(one: Intervals, names: tuple[str, str], unit: str, source: str, before: float) -> dict[str, Any]:
    hour, where = np.unique(one.start // HOUR, return_inverse=True)
    state = np.bincount(where.reshape(-1), one.value, len(hour))
    starts = to_times(hour * HOUR).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    stats = zip(starts, state.tolist(), (before + np.cumsum(state)).tolist(), strict=True)
    return {
        "statistic_id": f"{source}:{names[0]}",
        "source": source,
        "name": names[1],
        "unit_of_measurement": unit,
        "has_mean": False,
        "has_sum": True,
        "stats": [{"start": at, "state": round(amount, 6), "sum": round(total, 6)} for at, amount, total in stats],
    }


def write_home_assistant(
    df: pd.DataFrame, path: str | os.PathLike[str], *, source: str = "greenkit", before: float = 0.0
) -> Path:
    """Write :func:`home_assistant` statistics as ``.json``, or as the ``.tsv`` of the import_statistics integration.

    Times in the TSV are UTC. Select that time zone when you import the file.
    """
    made = home_assistant(df, source=source, before=before)
    if str(path).endswith(".tsv"):
        text = "\r\n".join("\t".join(row) for row in _tsv(made)) + "\r\n"
    else:
        text = json.dumps(made, indent=1, ensure_ascii=False)
    with _files.atomic(path) as file:
        file.write(text.encode())
    return Path(path)


def _tsv(made: list[dict[str, Any]]) -> Iterator[list[str]]:
    yield ["statistic_id", "unit", "start", "state", "sum"]
    for series in made:
        for stat in series["stats"]:
            start = f"{pd.Timestamp(stat['start']):%d.%m.%Y %H:%M}"
            yield [series["statistic_id"], series["unit_of_measurement"], start, f"{stat['state']}", f"{stat['sum']}"]
