"""``to_table``: a tidy frame as a table that a mapping describes, or as one of the tables that others ask for.

The mapping grammar is written backwards: whatever a mapping reads, it can write, so one writer serves every layout. The
named tables are

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
from greenkit.tables.mapping import TableMapping, read_mapping
from greenkit.tables.placement import standard_offset
from greenkit.tables.stamps import DAY, US
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
        A tidy frame. The named tables need one flow and unit; ``8760`` and ``averages`` one series.
    layout : {"hours", "quarters", "8760", "averages"} or path, dict, TableMapping
        A named table, or a mapping as for :func:`greenkit.load_table`.

    Returns
    -------
    DataFrame
        ``hours`` and ``quarters``: ``Meter``, ``Date``, ``HE01`` … ``HE25`` or ``1`` … ``100``, in local time, NaN
        where there is no interval. ``8760``: ``Hour`` (1 to 8760) and ``Value`` in standard time. ``averages``:
        ``Month``, ``Day`` (``weekday`` or ``weekend``), and the hours ``0`` to ``23``. A mapping: its columns.

    Raises
    ------
    SchemaError
        If the frame has intervals, series, or flows that the table cannot hold.
    SettingsError
        If the mapping has a mistake.

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


def _hourly(df: pd.DataFrame, minutes: int) -> pd.DataFrame:
    """Return values of equal length, each in its place: amounts are added up, power is averaged."""
    lengths = (df["end"] - df["start"]).dt.total_seconds()
    if len(df) and (lengths.max() > minutes * 60 or ((minutes * 60) % lengths).any()):
        raise SchemaError(
            f"The frame has intervals of {lengths.max() / 60:g} minutes, which do not fit {minutes} minutes",
            next_step="Choose a coarser table.",
        )
    return df


def _by_day(df: pd.DataFrame, minutes: int) -> pd.DataFrame:
    keys = df[["flow", "unit", "zone"]].drop_duplicates()
    if len(keys) > 1:
        raise SchemaError(
            "The frame has several flows, units, or zones", next_step="Filter it to one flow and unit first."
        )
    per_day = 25 * 60 // minutes
    names = [f"HE{i:02}" for i in range(1, 26)] if minutes == 60 else [str(i) for i in range(1, per_day + 1)]
    if not len(df):
        return pd.DataFrame(columns=["Meter", "Date", *names])
    df = _hourly(df, minutes)
    zone = str(df["zone"].iloc[0])
    start = to_instants(df["start"])
    date = to_wall_clock(start, zone) // DAY * DAY
    distinct, where = np.unique(date, return_inverse=True)
    begins = midnights(distinct.astype("datetime64[us]").astype("datetime64[D]"), zone)
    slot = (start - begins[where.reshape(-1)]) // (minutes * 60 * US)
    table = pd.DataFrame(
        {"Meter": df["meter"].astype(str).to_numpy(), "Date": date.astype("datetime64[us]"), "slot": slot,
         "value": df["value"].to_numpy()}
    )  # fmt: skip
    grouped = table.groupby(["Meter", "Date", "slot"])["value"]
    sums = grouped.sum(min_count=1) if df["unit"].iloc[0] in frame.ADDITIVE else grouped.mean()
    out = sums.unstack("slot").reindex(columns=range(per_day))
    out.columns = pd.Index(names)
    out = out.reset_index()
    out["Date"] = out["Date"].dt.strftime("%Y-%m-%d")
    return out


def _one_series(df: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    found = df[list(frame.SERIES)].drop_duplicates()
    if len(found) != 1:
        raise SchemaError(f"The frame has {len(found)} series", next_step="Filter it to one meter, flow, and series.")
    return _hourly(df, 60), str(df["zone"].iloc[0])


def _standard(df: pd.DataFrame, zone: str) -> pd.Series[float]:
    """Return hourly values by standard time without a zone, amounts added up and power averaged."""
    start = to_instants(df["start"])
    low, high = int(start.min()), int(start.max())
    local = (start + standard_offset(zone, low, high)).astype("datetime64[us]")
    hours = pd.Series(df["value"].to_numpy(), index=pd.DatetimeIndex(local)).resample("h")
    return hours.sum(min_count=1) if df["unit"].iloc[0] in frame.ADDITIVE else hours.mean()


def _8760(df: pd.DataFrame) -> pd.DataFrame:
    df, zone = _one_series(df)
    hours = _standard(df, zone)
    found = pd.DatetimeIndex(hours.index)
    years, counts = np.unique(found.year, return_counts=True)
    year = int(years[np.argmax(counts)])
    whole = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left")
    whole = whole[~((whole.month == 2) & (whole.day == 29))]
    return pd.DataFrame({"Hour": range(1, 8761), "Value": hours.reindex(whole).to_numpy()})


def _averages(df: pd.DataFrame) -> pd.DataFrame:
    df, zone = _one_series(df)
    local = pd.DatetimeIndex(to_wall_clock(to_instants(df["start"]), zone).astype("datetime64[us]"))
    # hours of the clock: the repeated hour counts as two of the same hour
    value = pd.Series(df["value"].to_numpy())
    place = [local.strftime("%Y-%m-%d %H"), to_instants(df["start"]) // (3600 * US)]
    grouped = value.groupby(place)
    hours = (grouped.sum(min_count=1) if df["unit"].iloc[0] in frame.ADDITIVE else grouped.mean()).reset_index()
    hours.columns = ["at", "instant", "value"]
    at = pd.to_datetime(hours["at"], format="%Y-%m-%d %H")
    day = np.where(at.dt.day_of_week >= 5, "weekend", "weekday")
    out = hours["value"].groupby([at.dt.month, day, at.dt.hour]).mean().unstack()
    index = pd.MultiIndex.from_product([range(1, 13), ["weekday", "weekend"]], names=["Month", "Day"])
    out = out.reindex(index).reindex(columns=range(24))
    out.columns = pd.Index([str(h) for h in range(24)])
    return out.reset_index()
