"""``to_table``: a tidy frame as a table that a mapping describes, or as one of the tables that others ask for.

The mapping grammar is written backwards: whatever a mapping reads, it can write, so one writer serves every layout.
A flow that the frame has as parts or at two resolutions is written once, as :func:`greenkit.frame.physical` decides,
unless the mapping has series. The named tables are

=================  ==================================================================================================
``hours``          one row for a day, columns HE01 to HE25; the repeated hour in order
``quarters``       one row for a day, 100 columns; the repeated hour in order
``8760``           one value for each hour of a year of standard time, without February 29
``averages``       average by month (12), weekday or weekend (2), and hour (24)
=================  ==================================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.errors import SchemaError
from greenkit.tables import _backwards
from greenkit.tables._written_words import safe
from greenkit.tables.intervals import MINUTE
from greenkit.tables.mapping import TableMapping, read_mapping
from greenkit.tables.placement import standard_offset
from greenkit.tables.stamps import DAY, Ints
from greenkit.times import midnights, to_instants, to_wall_clock

NAMED: Final = ("hours", "quarters", "8760", "averages")


def to_table(
    df: pd.DataFrame,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping,
) -> pd.DataFrame:
    """Return a frame as a table of text and numbers, ready for ``to_csv(index=False)`` or ``to_excel``.

    Parameters
    ----------
    df : DataFrame
        A tidy frame. ``hours`` and ``quarters`` need one flow and unit; ``8760`` and ``averages`` one series.
    layout : {"hours", "quarters", "8760", "averages"} or path, dict, TableMapping
        A named table, or a mapping as for :func:`greenkit.load_table`.

    Returns
    -------
    DataFrame
        ``hours`` and ``quarters``: ``Meter``, ``Date``, ``HE01`` … ``HE25`` or ``1`` … ``100``, in local time and in
        order, so that the repeated hour is in its place; NaN where no intervals with values fill the column.
        ``8760``: ``Hour`` (1 to 8760) and ``Value`` in standard time, of the calendar year with the most hours.
        ``averages``: ``Month``, ``Day`` (``weekday`` or ``weekend``), and the hours ``0`` to ``23``. A mapping: its
        columns, in which text never begins as a formula does. ``header_rows = 2`` makes a MultiIndex of the columns,
        and ``header = false`` columns ``1``, ``2``, … for ``to_csv(header=False)``. Lines before the header and the
        delimiter are those of the file, so you write them. A frame without rows returns a table without rows.

    Raises
    ------
    SchemaError
        If the table cannot hold the frame: greenkit reads each table of a mapping back, and compares it with the frame.
    SettingsError
        If the mapping has a mistake, or describes bills.

    Examples
    --------
    >>> from greenkit import samples, load
    >>> df = load(samples.path("espi"))
    >>> table = to_table(df[df["flow"] == "delivered"], "hours")
    >>> list(table.columns[:4]), len(table.columns)
    (['Meter', 'Date', 'HE01', 'HE02'], 27)
    """
    frame.check(df)
    if isinstance(layout, str) and layout in NAMED:
        if layout in ("hours", "quarters"):
            return _by_day(df, 60 if layout == "hours" else 15)
        return _8760(df) if layout == "8760" else _averages(df)
    return _backwards.write(df, read_mapping(layout).table)


# -- named tables


def _in_slots(df: pd.DataFrame, minutes: int, at: Ints, keys: Mapping[str, Ints]) -> pd.DataFrame:
    """Return the value of each slot of a day or year: amounts are added up, and power is averaged.

    Example, in slots of 60 minutes, of quarter-hours of 1, 2, 3, and 4 kWh: 10. If one of them is absent or has no
    value, the slot has none, because a sum of the others would be too low.

    Parameters
    ----------
    at : array of int64
        Start of each interval in microseconds, on a clock whose slots begin at multiples of their length.
    keys : mapping
        Name → what separates slots beside ``at``.

    Returns
    -------
    DataFrame
        The keys, ``slot``, and ``value``.
    """
    step = minutes * MINUTE
    length = to_instants(df["end"]) - to_instants(df["start"])
    wrong = (length <= 0) | (at % step + length > step)
    if wrong.any():
        raise SchemaError(
            f"The frame has intervals of {length[wrong][0] / MINUTE:g} minutes, which do not fit {minutes} minutes",
            next_step="Choose a table of longer intervals, or filter the frame to one interval length.",
        )
    value = df["value"].to_numpy()
    table = pd.DataFrame({**keys, "slot": at // step, "value": value, "length": length * ~np.isnan(value)})
    if len(df) and df["unit"].iloc[0] not in frame.ADDITIVE:
        table["value"] *= length / step
    sums = table.groupby([*keys, "slot"], as_index=False)[["value", "length"]].sum()
    return sums.assign(value=sums["value"].where(sums["length"] == step)).drop(columns="length")


def _since_midnight(df: pd.DataFrame, zone: str) -> tuple[Ints, Ints]:
    """Return the local date of each interval in microseconds, and the time since midnight: 3 h for the second 02:00."""
    start = to_instants(df["start"])
    date = to_wall_clock(start, zone) // DAY * DAY
    distinct, where = np.unique(date, return_inverse=True)
    begins = midnights(distinct.astype("datetime64[us]").astype("datetime64[D]"), zone)
    return date, start - begins[where.reshape(-1)]


def _by_day(df: pd.DataFrame, minutes: int) -> pd.DataFrame:
    df = frame.physical(df)
    if len(df[["flow", "unit", "zone"]].drop_duplicates()) > 1:
        raise SchemaError(
            "The frame has several flows, units, or zones", next_step="Filter it to one flow and unit first."
        )
    if len(df[["meter", "series"]].drop_duplicates()) > df["meter"].nunique():
        raise SchemaError("A meter has several series of one flow", next_step="Filter the frame to one of them.")
    per_day = 25 * 60 // minutes
    names = [f"HE{i:02}" for i in range(1, 26)] if minutes == 60 else [str(i) for i in range(1, per_day + 1)]
    if not len(df):
        return pd.DataFrame(columns=["Meter", "Date", *names])
    date, since = _since_midnight(df, str(df["zone"].iloc[0]))
    meter = df["meter"].astype(str).map(safe).to_numpy(dtype=object)
    slots = _in_slots(df, minutes, since, {"Meter": meter, "Date": date})
    out = slots.pivot(index=["Meter", "Date"], columns="slot", values="value").reindex(columns=range(per_day))
    out.columns = pd.Index(names)
    out = out.reset_index()
    out["Date"] = out["Date"].astype("datetime64[us]").dt.strftime("%Y-%m-%d")
    return out


def _one_series(df: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    df = frame.physical(df)
    found = df[list(frame.SERIES)].drop_duplicates()
    if len(found) != 1:
        raise SchemaError(f"The frame has {len(found)} series", next_step="Filter it to one meter, flow, and series.")
    return df, str(df["zone"].iloc[0])


def _8760(df: pd.DataFrame) -> pd.DataFrame:
    df, zone = _one_series(df)
    start = to_instants(df["start"])
    slots = _in_slots(df, 60, start + standard_offset(zone, int(start.min()), int(start.max())), {})
    hours = pd.DatetimeIndex((slots["slot"] * (60 * MINUTE)).to_numpy().astype("datetime64[us]"))
    years, counts = np.unique(hours.year, return_counts=True)
    year = int(years[np.argmax(counts)])
    whole = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left")
    whole = whole[~((whole.month == 2) & (whole.day == 29))]
    value = pd.Series(slots["value"].to_numpy(), index=hours)
    return pd.DataFrame({"Hour": range(1, 8761), "Value": value.reindex(whole).to_numpy()})


def _averages(df: pd.DataFrame) -> pd.DataFrame:
    df, zone = _one_series(df)
    date, since = _since_midnight(df, zone)
    # hours of the clock: the repeated hour counts as two of the same hour
    hour = to_wall_clock(to_instants(df["start"]), zone) % DAY // (60 * MINUTE)
    slots = _in_slots(df, 60, since, {"date": date, "hour": hour})
    at = slots["date"].astype("datetime64[us]").dt
    day = np.where(at.day_of_week >= 5, "weekend", "weekday")
    out = slots["value"].groupby([at.month, day, slots["hour"]]).mean().unstack()
    index = pd.MultiIndex.from_product([range(1, 13), ["weekday", "weekend"]], names=["Month", "Day"])
    out = out.reindex(index).reindex(columns=range(24))
    out.columns = pd.Index([str(h) for h in range(24)])
    return out.reset_index()
