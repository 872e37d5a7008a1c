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
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit import frame
from greenkit.errors import SchemaError, SettingsError
from greenkit.tables.cells import fold
from greenkit.tables.mapping import Column, End, Table, TableMapping, Value, Words, offset_minutes, read_mapping
from greenkit.tables.numbers import UNITS
from greenkit.tables.placement import standard_offset
from greenkit.tables.stamps import DAY, US
from greenkit.times import to_instants, to_wall_clock

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
    return _by_mapping(df, read_mapping(layout).table)


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
    from greenkit.times import midnights

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


# -- any mapping


def _by_mapping(df: pd.DataFrame, table: Table) -> pd.DataFrame:
    df = df.sort_values(["meter", "start"], kind="stable").reset_index(drop=True)
    if table.is_wide:
        return _wide(df, table)
    names = _flow_columns(df, table)
    keys = [name for name in ("meter", "series") if isinstance(getattr(table, name), Column)]
    by_flow = isinstance(table.flow, Words)
    if by_flow:
        keys.append("flow")
    extra = [name for name in ("commodity", "tou", "tou_name") if name in df]
    rows = df[[*keys, "start", "end", "zone", "quality", *extra]]
    # The quality of a row is that of a flow with a value; a missing one shows by its empty cell.
    rows = pd.concat([rows[df["quality"] != "missing"], rows[df["quality"] == "missing"]])
    rows = rows.drop_duplicates([*keys, "start"]).sort_index().reset_index(drop=True)
    out: dict[str, Any] = {}
    if isinstance(table.meter, Column):
        out[table.meter.column] = rows["meter"].astype(str)
    if isinstance(table.series, Column):
        out[table.series.column] = rows["series"].astype(str)
    if isinstance(table.zone, Column):
        out[table.zone.column] = rows["zone"].astype(str)
    if by_flow and isinstance(table.flow, Words):
        words = {meaning: word for word, meaning in reversed(list(table.flow.words.items()))}
        out[table.flow.column] = rows["flow"].astype(str).map(words)
    out |= _times(rows, table)
    for name, (spec, flow) in names.items():
        part = df if flow is None else df[df["flow"] == flow]
        value = rows[[*keys, "start"]].merge(part[[*keys, "start", "value"]], on=[*keys, "start"], how="left")["value"]
        out[name] = value / (spec.factor * _factor(spec.unit, df)) if len(df) else value
        if isinstance(spec.unit, Column):
            out[spec.unit.column] = str(df["unit"].iloc[0]) if len(df) else ""
    if isinstance(table.unit, Column):
        out[table.unit.column] = str(df["unit"].iloc[0]) if len(df) else ""
    if table.quality is not None:
        words = {meaning: word for word, meaning in reversed(list(table.quality.words.items()))}
        out[table.quality.column] = rows["quality"].astype(str).map(words).fillna("")
    return pd.DataFrame(out | _costs(df, table, rows, keys, names) | _words(rows, table))


def _costs(
    df: pd.DataFrame, table: Table, rows: pd.DataFrame, keys: list[str], names: Mapping[str, tuple[Value, str | None]]
) -> dict[str, Any]:
    """Return the columns of money: that of the table is the cost of its first value column."""
    costs = [(spec.cost, flow) for spec, flow in names.values()]
    if table.cost is not None and costs and costs[0][0] is None:
        costs[0] = (table.cost, costs[0][1])
    out: dict[str, Any] = {}
    for cost, flow in costs:
        if cost is None:
            continue
        part = df if flow is None else df[df["flow"] == flow]
        if "cost" not in part:
            out[cost.column] = np.full(len(rows), np.nan)
            continue
        found = rows[[*keys, "start"]].merge(part[[*keys, "start", "cost"]], on=[*keys, "start"], how="left")["cost"]
        out[cost.column] = found / (-cost.scale if cost.credit else cost.scale) + 0.0
    return out


def _words(rows: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Return the columns of commodities and of times of use."""
    out: dict[str, Any] = {}
    for spec, name in ((table.commodity, "commodity"), (table.tou, "tou_name" if "tou_name" in rows else "tou")):
        if isinstance(spec, Words):
            words = {meaning: word for word, meaning in reversed(list(spec.words.items()))}
            texts = rows[name].astype(str) if name in rows else pd.Series([""] * len(rows))
            out[spec.column] = texts.map(lambda text, words=words: words.get(text, text)).replace(["<NA>", "nan"], "")
    return out


def _flow_columns(df: pd.DataFrame, table: Table) -> dict[str, tuple[Value, str | None]]:
    """Return the value columns, and the flow that each takes; None for the flow of a column of flows."""
    columns: dict[str, tuple[Value, str | None]] = {
        name: (spec, spec.flow) for name, spec in table.values.items() if spec.read
    }
    if any(spec.kind == "register" or spec.split for spec, _ in columns.values()):
        raise SettingsError(
            "greenkit cannot write registers or split values to a table", next_step="Write usage instead."
        )
    if table.flow is not None and not isinstance(table.flow, Words):
        raise SettingsError("greenkit cannot write blocks to a table", next_step="Use a column of flows.")
    if isinstance(table.flow, Words):
        return {name: (spec, None) for name, (spec, _) in columns.items()}
    present = {str(flow) for flow in df["flow"].unique()}
    known = {flow for _, flow in columns.values()}
    if present - known:
        raise SchemaError(
            f"The table has no column for {', '.join(sorted(present - known))}",
            next_step="Filter the frame, or add a column to the mapping.",
        )
    return columns


def _factor(unit: str | Column | None, df: pd.DataFrame) -> float:
    """Return what a number of the table is multiplied by to be in the frame's unit."""
    if unit is None or isinstance(unit, Column) or not len(df):
        return 1.0
    known = UNITS.get(fold(unit))
    have = str(df["unit"].iloc[0])
    if known is None:
        return 1.0
    if known[0] != have:
        raise SchemaError(f"The frame is in {have}, and the table in {unit}", next_step="Filter the frame first.")
    return known[1]


def _local(times: pd.Series[Any], zones: pd.Series[Any], table: Table) -> Any:
    """Return instants as microseconds on the clock of the table."""
    instants = to_instants(times)
    clock = table.clock or "local"
    fixed = offset_minutes(clock)
    if fixed is not None:
        return instants + fixed * 60 * US
    if clock in ("utc",):
        return instants
    out = np.zeros(len(instants), dtype=np.int64)
    own = zones.astype(str).to_numpy()
    for zone in np.unique(own):
        mine = own == zone
        if clock == "standard":
            out[mine] = instants[mine] + standard_offset(
                str(zone), int(instants[mine].min()), int(instants[mine].max())
            )
        else:
            out[mine] = to_wall_clock(instants[mine], str(zone))
    return out


def _times(rows: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Return the time columns of rows."""
    time = table.time
    if time.slots:
        raise SettingsError("greenkit cannot write numbered intervals to a table", next_step="Use time columns.")
    if time.between:
        both = [
            _written(_local(rows[name], rows["zone"], table), time.columns, time.format, rows, table, name == "end")[0]
            for name in ("start", "end")
        ]
        return {time.columns[0]: both[0] + time.between + both[1]}
    if time.epoch:
        scale = {"s": US, "ms": 1000, "us": 1}[time.unit]
        return {time.epoch: to_instants(rows["start" if table.label != "end" else "end"]) // scale}
    ends = table.label == "end"
    local = _local(rows["end" if ends else "start"], rows["zone"], table)
    out = dict(zip(time.columns, _written(local, time.columns, time.format, rows, table, ends), strict=True))
    if isinstance(table.label, End):
        end = _local(rows["end"], rows["zone"], table) - (60 * US if table.label.inclusive else 0)
        names = table.label.columns
        out |= dict(zip(names, _written(end, names, time.format, rows, table, True), strict=True))
    return out


def _written(
    local: Any, names: tuple[str, ...], form: str, rows: pd.DataFrame, table: Table, ends: bool
) -> list[pd.Series[str]]:
    """Return local times as the text of one column, or of a date and a time column."""
    at = pd.Series(local.astype("datetime64[us]"))
    form = form or "%Y-%m-%d %H:%M:%S"
    text = at.dt.strftime(form)
    if table.clock == "offset":
        zoned = [
            t.tz_convert(z) for t, z in zip(rows["end" if ends else "start"], rows["zone"].astype(str), strict=True)
        ]
        text = pd.Series([t.isoformat(sep=" ") for t in zoned], dtype="object")
    if len(names) == 1:
        return [text]
    from greenkit.tables.stamps import time_format

    date, clock = time_format(form)
    return [at.dt.strftime(date), at.dt.strftime(clock)]


def _wide(df: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return one row for each meter, flow, and local day."""
    patterns = table.patterns
    pattern, spec = next(iter(patterns.items()))
    if len(patterns) > 1:
        raise SettingsError("greenkit cannot write a table with several column patterns", next_step="Use one pattern.")
    lengths = (df["end"] - df["start"]).unique()
    if len(lengths) != 1:
        raise SchemaError("The intervals have several lengths", next_step="Filter the frame to one length.")
    step = int(pd.Timedelta(lengths[0]).total_seconds()) * US
    local = _local(df["start"], df["zone"], table)
    date = local // DAY * DAY
    per_day = DAY // step
    begin = to_instants(df["start"])
    order = pd.DataFrame({"meter": df["meter"].astype(str), "flow": df["flow"].astype(str), "date": date})
    slot = (local - date) // step
    # the second of two equal hours
    again = order.assign(slot=slot, at=begin).sort_values("at").groupby(["meter", "flow", "date", "slot"]).cumcount()
    is_second = again.reindex(order.index).to_numpy() > 0
    order["slot"] = _slots(slot, is_second, order, per_day, step, table)
    order["value"] = df["value"].to_numpy() / (spec.factor * _factor(spec.unit, df))
    wide = order.pivot(index=["meter", "flow", "date"], columns="slot", values="value")
    count = per_day + (per_day // 24 if table.repeat else 0)
    wide = wide.reindex(columns=range(count))
    names = [_column_name(pattern, i, step, table.label == "end") for i in range(count)]
    wide.columns = pd.Index(names)
    wide = wide.reset_index()
    out: dict[str, Any] = {}
    if isinstance(table.meter, Column):
        out[table.meter.column] = wide["meter"]
    if isinstance(table.flow, Words):
        words = {meaning: word for word, meaning in reversed(list(table.flow.words.items()))}
        out[table.flow.column] = wide["flow"].map(words)
    elif wide["flow"].nunique() > 1:
        raise SchemaError(
            "The frame has several flows", next_step="Filter it, or add a column of flows to the mapping."
        )
    dates = pd.Series(wide["date"].to_numpy().astype("datetime64[us]"))
    out[table.time.columns[0]] = dates.dt.strftime(table.time.format or "%Y-%m-%d")
    return pd.DataFrame(out | {name: wide[name] for name in names})


def _slots(slot: Any, again: Any, order: pd.DataFrame, per_day: int, step: int, table: Table) -> Any:
    """Return the column of each interval, where the repeated hour has columns of its own."""
    hour = per_day // 24
    if not again.any():
        if table.repeat == "slots 9-12":
            return np.where(slot >= 2 * hour, slot + hour, slot)
        return slot
    if table.repeat is None:
        raise SchemaError(
            "The table has no columns for the repeated hour", next_step='Set repeat in the mapping, such as "in order".'
        )
    if table.repeat == "appended":
        first = np.where(again, slot, per_day).min() if again.any() else 0
        return np.where(again, per_day + (slot - first), slot)
    if table.repeat == "slots 9-12":
        return np.where(again | (slot >= 2 * hour), slot + hour, slot)
    days = order.loc[again, ["date"]].drop_duplicates()["date"].to_numpy()
    on_fall = order["date"].isin(days).to_numpy()
    window = int(slot[again].min())
    return np.where(on_fall & (again | (slot >= window + hour)), slot + hour, slot)


def _column_name(pattern: str, place: int, step: int, ends: bool) -> str:
    minutes = (place + ends) * step // (60 * US)
    if "%" in pattern:
        return str((pd.Timestamp("2000-01-01") + pd.Timedelta(minutes=minutes)).strftime(pattern))
    text = pattern.replace("{n}", str(place + 1)).replace("{HH:MM}", f"{minutes // 60:02}:{minutes % 60:02}")
    return re.sub(r"\*", "", text.replace("{HHMM}", f"{minutes // 60:02}{minutes % 60:02}"))
