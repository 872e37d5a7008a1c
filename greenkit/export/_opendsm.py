"""Input for OpenDSM's models of measurement and verification."""

from __future__ import annotations

import numpy as np
import pandas as pd

from greenkit.analysis import intervals, totals
from greenkit.errors import SchemaError
from greenkit.times import to_instants


def opendsm_frame(df: pd.DataFrame, temperature: pd.Series[float], *, period: str = "hour") -> pd.DataFrame:
    """Build the input of OpenDSM's models: ``observed`` and ``temperature`` by local hour or day.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series of amounts.
    temperature : Series
        Outdoor temperature in °F with a time-zone-aware DatetimeIndex, hourly or finer. It is averaged by period.
    period : {"hour", "day"}
        Period of the model.

    Returns
    -------
    DataFrame
        One row per period, without gaps. The index ``datetime`` is the start of the period in the site's time zone.
        ``observed`` is NaN if any interval of the period is missing, because a part of the period is not its amount.

    Raises
    ------
    SchemaError
        If there is not exactly one series of amounts, or if the temperature has no time zone.

    Notes
    -----
    OpenDSM treats a zero of electricity as a missing value.
    """
    found = intervals.checked(df)
    if len(found.keys) != 1 or not intervals.adds_up(found.keys["unit"].iloc[0]):
        units = f" in {', '.join(sorted(set(found.keys['unit'])))}" if len(found.keys) else ""
        raise SchemaError(
            f"OpenDSM needs one series of amounts, but the frame has {len(found.keys)} series{units}",
            next_step="Filter the frame to one meter, flow, and unit, such as kWh.",
        )
    clock = getattr(temperature, "index", None)
    if not isinstance(clock, pd.DatetimeIndex) or clock.tz is None:
        raise SchemaError(
            "temperature must have an index of times with a time zone", next_step="Call temperature.tz_localize(…)."
        )
    table = totals.by_period(df, period)
    index = pd.DatetimeIndex(table["start"], name="datetime")
    observed = table["value"].where(table["present"] >= table["expected"]).to_numpy()
    edges = to_instants(pd.DatetimeIndex([*table["start"], table["end"].iloc[-1]]))
    at = to_instants(clock)
    place = np.searchsorted(edges, at, side="right") - 1
    inside = (place >= 0) & (place < len(index)) & temperature.notna().to_numpy()
    total = np.bincount(place[inside], temperature.to_numpy(dtype=np.float64)[inside], len(index))
    count = np.bincount(place[inside], minlength=len(index))
    mean = np.divide(total, count, out=np.full(len(index), np.nan), where=count > 0)
    return pd.DataFrame({"observed": observed, "temperature": mean}, index=index)
