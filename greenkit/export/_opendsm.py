"""Input for OpenDSM's models of measurement and verification."""

from __future__ import annotations

import numpy as np
import pandas as pd

from greenkit.analysis import intervals, totals
from greenkit.analysis.intervals import HOUR, Floats
from greenkit.errors import SchemaError, SettingsError
from greenkit.times import Instants, to_instants, to_times


def opendsm_frame(df: pd.DataFrame, temperature: pd.Series[float], *, period: str = "hour") -> pd.DataFrame:
    """Build the input of OpenDSM's models: ``observed`` and ``temperature`` by local hour.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series of amounts.
    temperature : Series
        Outdoor temperature in °F with a time-zone-aware DatetimeIndex, hourly or finer. It is averaged by hour, and an
        hour without a temperature has the mean of its day, if ``period`` is "day".
    period : {"hour", "day"}
        Period of the model. With "day", the amount of each local day is spread evenly over its hours.

    Returns
    -------
    DataFrame
        One row per hour, without gaps. The index ``datetime`` is the start of the hour in the site's time zone.
        ``observed`` is NaN if any interval of the period is missing, because a part of the period is not its amount.

    Raises
    ------
    SchemaError
        If there is not exactly one series of amounts, or if the temperature has no time zone.
    SettingsError
        If there is no such period.

    Notes
    -----
    OpenDSM treats a zero of electricity as a missing value. Its daily and billing models add up hours themselves. They
    compare the step of a daily index with an hour, which pandas 3 no longer does, so greenkit never returns a row per
    day.
    """
    if period not in ("hour", "day"):
        raise SettingsError(f"period is {period!r}, but it must be 'hour' or 'day'", next_step="Pass one of them.")
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
    # edges of the periods, and of the hours in them: a local day has 23, 24, or 25
    edges = to_instants(pd.DatetimeIndex([*table["start"], table["end"].iloc[-1]]))
    hours = np.arange(edges[0], edges[-1], HOUR, dtype=np.int64)
    place = np.searchsorted(edges, hours, side="right") - 1
    observed = table["value"].where(table["present"] >= table["expected"]).to_numpy(dtype=np.float64)
    length = (edges[1:] - edges[:-1]) / HOUR
    mean = _mean(temperature, np.append(hours, edges[-1]))
    if period == "day":
        mean = np.where(np.isnan(mean), _mean(temperature, edges)[place], mean)
    index = to_times(hours, found.zone)
    index.name = "datetime"
    return pd.DataFrame({"observed": (observed / length)[place], "temperature": mean}, index=index)


def _mean(temperature: pd.Series[float], edges: Instants) -> Floats:
    """Return the mean temperature between consecutive edges; NaN where there is none."""
    place = np.searchsorted(edges, to_instants(pd.DatetimeIndex(temperature.index)), side="right") - 1
    n = len(edges) - 1
    inside = (place >= 0) & (place < n) & temperature.notna().to_numpy()
    total = np.bincount(place[inside], temperature.to_numpy(dtype=np.float64)[inside], n)
    count = np.bincount(place[inside], minlength=n)
    return np.asarray(np.divide(total, count, out=np.full(n, np.nan), where=count > 0))
