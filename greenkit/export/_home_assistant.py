"""Statistics for Home Assistant's energy dashboard."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd

from greenkit import _files
from greenkit.analysis import intervals
from greenkit.analysis.intervals import HOUR, Intervals
from greenkit.errors import SchemaError, SettingsError
from greenkit.times import to_times

# unit of the frame → (its name in Home Assistant, its unit class), for the units that its energy dashboard accepts
_HA_UNITS: Final = {
    "kWh": ("kWh", "energy"), "m3": ("m³", "volume"), "ft3": ("ft³", "volume"), "gal": ("gal", "volume"),
    "L": ("L", "volume"),
}  # fmt: skip
Form = Literal["websocket", "spook", "klausj1"]


def home_assistant(
    df: pd.DataFrame, *, form: Form = "websocket", source: str = "greenkit", before: float = 0.0
) -> list[dict[str, Any]]:
    """Return hourly statistics with a running sum, as Home Assistant imports them.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of amounts (kWh, m3, ft3, gal, L) with intervals of an hour or less.
    form : {"websocket", "spook", "klausj1"}
        The receiver. Default: ``"websocket"``.

        * ``"websocket"``: Home Assistant's command ``recorder/import_statistics``, as versions from 2026.11 require it
        * ``"spook"``: the action ``recorder.import_statistics`` of Spook, which rejects the newer keys
        * ``"klausj1"``: the JSON of the integration ``import_statistics`` by klausj1
    source : str
        Domain of the statistics' ids.
    before : float
        Amount before the first hour: the last ``sum`` of an earlier import. Default: 0.

    Returns
    -------
    list of dict
        One dictionary per series. Websocket: ``type``, ``metadata`` (``statistic_id``, ``source``, ``name``,
        ``unit_of_measurement``, ``unit_class``, ``has_sum``, ``mean_type``), and ``stats``; add the ``id`` of the
        message. Spook: the same without a level, and with ``has_mean`` instead of ``unit_class`` and ``mean_type``.
        Each entry of ``stats`` has ``start`` (UTC, full hour), ``state`` (the amount of the hour), and ``sum``.
        klausj1: one dictionary in all, with ``timezone_identifier`` and ``entities``. Delivered, received, and net
        have separate IDs. Hours without a value are left out, so the sum does not change over them. An incomplete hour
        has the sum of its intervals.

    Raises
    ------
    SchemaError
        If a series has a unit that Home Assistant does not accept, or intervals of more than an hour.
    SettingsError
        If there is no such form.

    Notes
    -----
    Use IDs with a colon, as these are: importing onto the ID of a sensor restarts its sum at zero. Importing the same
    hours again replaces them.
    """
    if form not in get_args(Form):
        raise SettingsError(f"There is no form {form!r}", next_step=f"Use one of {', '.join(get_args(Form))}.")
    found = intervals.checked(df)
    for code, unit in enumerate(found.keys["unit"]):
        if unit not in _HA_UNITS or found.interval[code] > 3600:
            raise SchemaError(
                f"{found.label(code)} has intervals of {found.interval[code] / 3600:g} h in {unit}, but Home Assistant "
                f"needs intervals of an hour or less in {', '.join(_HA_UNITS)}",
                next_step="Filter out the series.",
            )
    names = _names(found.keys)
    made = [
        _Statistics.of(found.take((found.code == code) & found.valid), names[code], unit, source, before)
        for code, unit in enumerate(found.keys["unit"])
    ]
    if form == "websocket":
        return [one.websocket() for one in made]
    if form == "spook":
        return [one.spook() for one in made]
    return [{"timezone_identifier": "UTC", "entities": [one.klausj1() for one in made]}]


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


@dataclass(frozen=True)
class _Statistics:
    """Hourly statistics of one series, in the shapes of the receivers."""

    statistic_id: str
    source: str
    name: str
    unit: str
    unit_class: str
    stats: list[dict[str, Any]]

    @classmethod
    def of(cls, one: Intervals, names: tuple[str, str], unit: str, source: str, before: float) -> _Statistics:
        hour, where = np.unique(one.start // HOUR, return_inverse=True)
        state = np.bincount(where.reshape(-1), one.value, len(hour))
        starts = to_times(hour * HOUR).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        rows = zip(starts, state.tolist(), (before + np.cumsum(state)).tolist(), strict=True)
        stats = [{"start": at, "state": round(amount, 6), "sum": round(total, 6)} for at, amount, total in rows]
        return cls(f"{source}:{names[0]}", source, names[1], *_HA_UNITS[unit], stats)

    def websocket(self) -> dict[str, Any]:
        """Return the message of ``recorder/import_statistics``; a mean type of 0 is "no mean"."""
        metadata = {
            "statistic_id": self.statistic_id, "source": self.source, "name": self.name,
            "unit_of_measurement": self.unit, "unit_class": self.unit_class, "has_sum": True, "mean_type": 0,
        }  # fmt: skip
        return {"type": "recorder/import_statistics", "metadata": metadata, "stats": self.stats}

    def spook(self) -> dict[str, Any]:
        """Return the data of Spook's action, which accepts no other keys."""
        return {
            "statistic_id": self.statistic_id, "source": self.source, "name": self.name,
            "unit_of_measurement": self.unit, "has_mean": False, "has_sum": True, "stats": self.stats,
        }  # fmt: skip

    def klausj1(self) -> dict[str, Any]:
        """Return an entity of the JSON file of klausj1's integration, with its date format."""
        values = [{"datetime": _day_first(s["start"]), "state": s["state"], "sum": s["sum"]} for s in self.stats]
        return {"id": self.statistic_id, "unit": self.unit, "values": values}


def _day_first(start: str) -> str:
    return f"{pd.Timestamp(start):%d.%m.%Y %H:%M}"


def write_home_assistant(
    df: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    form: Form = "websocket",
    source: str = "greenkit",
    before: float = 0.0,
) -> Path:
    """Write :func:`home_assistant` statistics as ``.json``, or as the ``.tsv`` of klausj1's integration.

    Times in the TSV are UTC. Select that time zone when you import the file. ``form`` is that of the JSON file.
    """
    if str(path).endswith(".tsv"):
        (made,) = home_assistant(df, form="klausj1", source=source, before=before)
        text = "\r\n".join("\t".join(row) for row in _tsv(made["entities"])) + "\r\n"
    else:
        statistics = home_assistant(df, form=form, source=source, before=before)
        # the file of klausj1's integration is one object
        text = json.dumps(statistics[0] if form == "klausj1" else statistics, indent=1, ensure_ascii=False)
    with _files.atomic(path) as file:
        file.write(text.encode())
    return Path(path)


def _tsv(entities: list[dict[str, Any]]) -> Iterator[list[str]]:
    yield ["statistic_id", "unit", "start", "state", "sum"]
    for one in entities:
        for value in one["values"]:
            yield [one["id"], one["unit"], value["datetime"], f"{value['state']}", f"{value['sum']}"]
