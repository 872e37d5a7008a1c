"""Many meters as a small table: one row for each meter and flow, from which charts of a fleet are drawn."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from greenkit.analysis import intervals, quality, shape

_YEAR: Final = 8766.0
"""Hours of an average year."""
_KEYS: Final = ["meter", "flow", "unit"]


def fleet_table(df: pd.DataFrame, *, roster: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row for each meter, flow, and unit, with the measures that compare meters.

    Parameters
    ----------
    df : DataFrame
        A tidy frame.
    roster : DataFrame, optional
        The meters with their attributes, as :func:`greenkit.analysis.quality.assess` takes them.

    Returns
    -------
    DataFrame
        ``meter``, ``flow``, ``unit``, ``power_unit``, ``hours`` with data, ``total``, ``annual`` (total ÷ hours ×
        8,766), ``mean``, ``peak``, ``load_factor``, ``completeness``, and the attributes of the roster. A unit that
        has no totals, such as kW or V, has NaN in ``total`` and ``annual``. An empty frame returns an empty table.

    Notes
    -----
    Data of a part of a year has an ``annual`` that includes the season of that part.

    Examples
    --------
    >>> from greenkit import frame
    >>> list(fleet_table(frame.empty()).columns)[:5]
    ['meter', 'flow', 'unit', 'power_unit', 'hours']
    """
    with intervals.reading_once():
        load = shape.summarize(df)
        complete = quality.completeness(df) if roster is None else None
    mean, hours = load["mean"].to_numpy(), load["hours"].to_numpy()
    sums = np.array([intervals.adds_up(str(unit)) for unit in load["unit"]], dtype=bool)
    total = np.where(sums, mean * hours, np.nan)
    table = pd.DataFrame(
        {
            **{name: load[name] for name in (*_KEYS, "power_unit", "hours")},
            "total": total,
            "annual": np.divide(total, hours, out=np.full(len(load), np.nan), where=hours > 0) * _YEAR,
            **{name: load[name] for name in ("mean", "peak", "load_factor")},
        }
    )
    if roster is None:
        return table.assign(completeness=complete)
    report = quality.assess(df, expected=roster).table
    attributes = [n for n in report.columns if n in roster.columns and n not in table.columns]
    names = dict.fromkeys(_KEYS, "str")
    return table.astype(names).merge(report[[*_KEYS, "completeness", *attributes]].astype(names), on=_KEYS, how="left")
