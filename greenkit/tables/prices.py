"""``load_prices``: price tables of ERCOT and CAISO, and your own tables, as price series in UTC.

They are read by the same engine as meter tables, so the repeated hour has both of its prices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from greenkit._help import explained
from greenkit.errors import AmbiguousTable, Choice, FormatError
from greenkit.findings import Findings, Kind
from greenkit.sources import Limits, walk
from greenkit.tables.mapping import TableMapping
from greenkit.tables.reader import TableReading, Tables, source_name

GAPS: Final = Kind(
    "tables.prices.gap",
    "warning",
    "The prices have {count:gap}, first {first}.",
    "Load the missing price files too.",
)
MISSING: Final = Kind(
    "tables.prices.missing",
    "warning",
    "{count:interval} {count:has|have} no price, first {first}. greenkit left {count:it|them} out.",
    "Load the missing price files too.",
)
REPEATS: Final = Kind("tables.prices.repeats", "info", "greenkit left out {count:duplicate price}.")


@explained
def load_prices(
    source: Tables,
    layout: str | os.PathLike[str] | Mapping[str, Any] | TableMapping | None = None,
    *,
    point: str | None = None,
    point_type: str | None = None,
    tz: str | None = None,
    per: str = "kWh",
    limits: Limits | None = None,
) -> pd.Series[float]:
    """Read the prices of one point: ERCOT settlement points, CAISO nodes, or a table of your own.

    Parameters
    ----------
    source : path, bytes, binary file, or a list of these
        CSV or Excel; a zip of them, a folder, or a glob.
    layout : path, dict, or TableMapping, optional
        A mapping for a table of your own; its unit is, for example, ``"USD/MWh"`` or ``"EUR/kWh"``. Default: the
        known layouts are tried.
    point : str, optional
        Settlement point or node, such as ``HB_NORTH``. Needed if the files have several.
    point_type : str, optional
        Such as ``LZ`` or ``LZEW``. Needed if the point has several.
    tz : str, optional
        Time zone of a table that has none.
    per : {"kWh", "MWh"}
        Energy that the prices are for.
    limits : Limits, optional
        What archives and workbooks may unpack to.

    Returns
    -------
    Series of float64
        Indexed by the start of each interval, zone-aware, unique, and sorted; named for the point. ``attrs`` has
        ``unit`` (``USD/kWh``) and ``interval`` (seconds). Bills and ``df.gk.price_intervals`` accept it.

    Raises
    ------
    AmbiguousTable
        If the files have several points or types, or leave another question open.
    FormatError
        If an interval has two different prices.
    OtherFormat, SettingsError, LimitError, FileNotFoundError
        As in :func:`greenkit.load_table`.

    Examples
    --------
    >>> csv = b'''DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag
    ... 11/03/2024,01:00,HB_NORTH,20.0,N
    ... 11/03/2024,02:00,HB_NORTH,30.0,N
    ... 11/03/2024,02:00,HB_NORTH,40.0,Y'''
    >>> [f"{at:%H:%M %Z} {price}" for at, price in load_prices(csv, per="MWh").items()]
    ['00:00 CDT 20.0', '01:00 CDT 30.0', '01:00 CST 40.0']
    """
    if per not in ("kWh", "MWh"):
        raise ValueError(f"per is {per!r}, but it must be 'kWh' or 'MWh'")
    answers: dict[str, Any] = {"flow": "unknown"} | ({} if tz is None else {"zone": tz})
    limits = limits or Limits()
    reading = TableReading(layout, answers, None, limits, kind="prices")
    for one in walk(source, limits=limits):
        reading.read(one, lambda _: None)
    data = reading.result()
    df, name = data.readings, source_name(source)
    df = df[df["unit"].astype(str).str.endswith("/kWh")]
    if not len(df):
        raise FormatError(
            "The table has no prices per kWh or MWh",
            source=name,
            next_step="Set the unit of the values, such as USD/MWh.",
        )
    df = _one(_one(df, "meter", "point", point, name), "series", "point_type", point_type, name)
    findings = Findings(f for f in data.findings if f.severity != "info")
    made = _series(df, name, findings)
    findings.warn(name)
    unit = str(df["unit"].iloc[0])
    made.attrs = {"unit": unit if per == "kWh" else unit.replace("/kWh", "/MWh"), "interval": made.attrs["interval"]}
    return made if per == "kWh" else _scaled(made, 1000.0)


def _scaled(made: pd.Series[float], factor: float) -> pd.Series[float]:
    out = (made * factor).round(9)
    out.attrs = dict(made.attrs)
    return out


def _one(df: pd.DataFrame, column: str, argument: str, wanted: str | None, name: str) -> pd.DataFrame:
    """Return the rows of one point, or of one type."""
    found = [str(value) for value in df[column].unique()]
    if wanted is not None:
        if wanted not in found:
            listed = ", ".join(found[:10])
            raise FormatError(f"There is no {argument} {wanted!r}", source=name, next_step=f"Use one of {listed}.")
        return df[df[column] == wanted]
    if len(found) > 1:
        choice = Choice(
            argument, "Which of them do you want?", tuple(found), f"The files have {len(found):,} of them", file=name
        )
        raise AmbiguousTable(
            f"The files have {len(found):,} values of {argument}: {', '.join(found[:5])}{', …' * (len(found) > 5)}",
            [choice],
            source=name,
            next_step=f"Pass {argument}=, for example {argument}={found[0]!r}.",
        )
    return df


def _series(df: pd.DataFrame, name: str, findings: Findings) -> pd.Series[float]:
    """Return the prices by start, each interval once; report gaps."""
    df = df.sort_values("start", kind="stable")
    empty = df["value"].isna()
    if empty.any():
        findings.add(MISSING, count=int(empty.sum()), first=str(df.loc[empty, "start"].iloc[0]))
        df = df[~empty]
    twice = df.duplicated(["start"], keep="first")
    if twice.any():
        different = ~df.duplicated(["start", "value"], keep="first") & twice
        if different.any():
            at = df.loc[different, "start"].iloc[0]
            raise FormatError(
                f"{int(different.sum()):,} intervals have two different prices, first {at}",
                source=name,
                next_step="Load the files of one report only.",
            )
        findings.add(REPEATS, count=int(twice.sum()))
        df = df[~twice]
    gaps = np.flatnonzero(df["start"].to_numpy()[1:] > df["end"].to_numpy()[:-1])
    if len(gaps):
        findings.add(GAPS, count=len(gaps), first=str(df["end"].iloc[int(gaps[0])]))
    out = pd.Series(df["value"].to_numpy(), index=pd.DatetimeIndex(df["start"], name="start"))
    out.name = str(df["meter"].iloc[0])
    length = (df["end"] - df["start"]).dt.total_seconds().mode()
    out.attrs["interval"] = int(length.iloc[0])
    return out
