"""Charts of load shape: the average day, the load duration curve, and the days of the highest peaks."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit import _style
from greenkit._style import Theme
from greenkit.analysis import _periods, intervals, shape
from greenkit.analysis._periods import Holidays
from greenkit.analysis.intervals import HOUR, Intervals, power_unit, reading_once
from greenkit.analysis.shape import Moments
from greenkit.plot import _theme
from greenkit.plot._theme import Names, Sheet
from greenkit.times import midnights, to_instants, to_times

if TYPE_CHECKING:
    import plotly.graph_objects as go

_FACETS: Final = 6
_CORNERS: Final = 2000
"""Number of points of a duration curve."""
_WITHIN_DAY: Final = 3 * 3600
"""Longest interval in seconds of which a day has a shape."""


@reading_once()
def average_day(
    df: pd.DataFrame,
    by: str | Sequence[str] = ("day_type",),
    *,
    holidays: Holidays = None,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the average day, with a band that contains 80% of the days: a pane for each day type.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series with intervals of an hour or less; a row of panes for each series.
    by : ("day_type",), or with "season" or "month" added
        The second grouping has a row of panes for each of its values.
    holidays : str, or iterable of dates, optional
        As in :func:`greenkit.analysis.shape.average_day`.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`; ``aggregate`` is ``"hour"`` or finer.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(intervals.checked(df), _FACETS)
    by = (by,) if isinstance(by, str) else by
    intervals.check_lengths(found, 3600, "an average day", next_step=_theme.DAILY)
    table = shape.average_day(df, by, holidays=holidays)
    others = [n for n in by if n != "day_type"]
    if "day_type" not in table.columns:
        table = table.assign(day_type="every day")
    seen = set(table["day_type"])
    kinds = [k for k in (*_periods.DAY_TYPES, "every day") if k in seen]
    facets = list(dict.fromkeys(table[others[0]])) if others else [None]
    table["day_type"] = table["day_type"].astype("str")
    parts = _theme.by_series(table, found)
    keys = _theme.series_of(table)
    series = _theme.names(keys) if len(parts) > 1 else [""]
    colors = _theme.colors(keys)
    rows = [(part, f, name, color) for part, name, color in zip(parts, series, colors, strict=True) for f in facets]
    titles = [
        " · ".join(filter(None, (name, "" if f is None else str(f), kind))) for _, f, name, _ in rows for kind in kinds
    ]
    sheet = Sheet.of(
        f"Average day, {_theme.subject(found.keys)}",
        _theme.notes(found, "line: mean; band: 10th to 90th percentile of the days"), given=title, theme=theme,
        hovermode="x unified",
    )  # fmt: skip
    axes = sheet.panels(len(rows), len(kinds), titles, each=220, height=height)
    for i, ((part, length), facet, _, color) in enumerate(rows):
        unit = power_unit(str(part["unit"].iloc[0]))
        one = part if facet is None else part[part[others[0]] == facet]
        for j, kind in enumerate(kinds):
            pair = axes[i * len(kinds) + j]
            _day(sheet, one[one["day_type"] == kind], length, kind, unit, color, pair)
            last = i == len(rows) - 1 and j == 0
            hours = _style.time_title(list(found.keys["zone"]), "Local hour", local=True)
            sheet.axis(f"xaxis{pair[0][1:]}", hours if last else "",
                       tickvals=[0, 6, 12, 18, 24], range=[0, 24])  # fmt: skip
            sheet.axis(f"yaxis{pair[1][1:]}", unit if j == 0 else "", rangemode="tozero")
    return sheet.figure()


def _day(
    sheet: Sheet, part: pd.DataFrame, length: float, kind: str, unit: str, color: str, axes: tuple[str, str]
) -> None:
    if not len(part):
        return
    # extend the last slot to its end, so that a day reaches midnight; length: hours of an interval
    slot = np.append(np.arange(len(part)), len(part) - 1)
    column = {name: part[name].to_numpy()[slot] for name in ("hour", "time", "p10", "mean", "p90", "count")}
    column["hour"][-1] += length
    shared: dict[str, Any] = {"axes": axes, "x": column["hour"], "legendgroup": kind, "mode": "lines",
                              "showlegend": False}  # fmt: skip
    bands: tuple[tuple[str, dict[str, Any]], ...] = (
        ("p10", {}),
        ("p90", {"fill": "tonexty", "fillcolor": _style.rgba(color, 0.2)}),
    )
    for edge, fill in bands:
        sheet.add("scatter", y=column[edge], line={"shape": "hv", "width": 0}, hoverinfo="skip", **fill,
                  **shared)  # fmt: skip
    sheet.add(
        "scatter", y=column["mean"], name=kind, line={"shape": "hv", "width": 2, "color": color},
        text=column["time"], customdata=np.stack([column[name] for name in ("p10", "p90", "count")], axis=1),
        hovertemplate=f"%{{text}}: %{{y:,.3~g}} {unit} (%{{customdata[0]:,.3~g}} to %{{customdata[1]:,.3~g}}, "
        "%{customdata[2]} days)", **shared,
    )  # fmt: skip


@reading_once()
def duration(
    df: pd.DataFrame,
    *,
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the load duration curve: the share of hours in which the load reaches each level.

    For a single series, it marks the mean, and, if intervals are 3 hours or less, the base load and the near-peak; it
    states the load factor.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most 12 series in one unit.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found = _theme.few(intervals.checked(df))
    curve = intervals.by_batch(shape.with_power(df), shape.curves)
    # a series without a value has no curve
    valued = found.keys.iloc[np.unique(found.code[found.valid])]
    units = list(dict.fromkeys(power_unit(u) for u in valued["unit"]))
    if len(units) > 1:
        raise _theme.one_unit(units, list(dict.fromkeys(valued["unit"])))
    row = shape.summarize(df).iloc[0] if len(found.keys) == 1 else None
    sheet = Sheet.of(
        f"Load duration, {_theme.subject(found.keys)}",
        _theme.notes(found, "" if row is None else _factor(row, units[0])), given=title, height=height, usual=400,
        theme=theme, hovermode="x unified" if len(found.keys) > 1 else "closest",
    )  # fmt: skip
    names, colors = _theme.names(found.keys), _theme.colors(found.keys)
    for place in curve["code"].unique().tolist():
        part = curve[curve["code"] == place]
        keep = np.unique(np.linspace(0, len(part) - 1, min(len(part), _CORNERS)).round().astype(int))
        percent, power = part["percent"].to_numpy()[keep], part["power"].to_numpy()[keep]
        sheet.add(
            "scatter", x=np.append(0.0, percent), y=np.append(power[:1], power), name=names[place], mode="lines",
            line={"shape": "vh", "width": 2, "color": colors[place]},
            hovertemplate=f"at least %{{y:,.4~g}} {units[0]} in %{{x:.3~g}}% of the hours<extra>{names[place]}</extra>",
        )  # fmt: skip
    sheet.axis("xaxis", "Share of the hours [%]", range=[0, 100], anchor="y", hoverformat=".3~g")
    sheet.axis("yaxis", units[0], rangemode="tozero", anchor="x")
    if row is not None:
        _marks(sheet, row, units[0], fine=bool(found.interval[0] <= _WITHIN_DAY))
    return sheet.figure()


def _factor(row: pd.Series[Any], unit: str) -> str:
    length = f"{row['minutes']:g} min" if row["minutes"] < 120 else f"{row['minutes'] / 60:g} h"
    peak = f"{_style.number(row['peak'], unit)} in {length}"
    factor = row["load_factor"]
    if not np.isfinite(factor):
        return f"peak {peak}"
    return f"load factor {factor:.{2 if factor >= 0.01 else 4}f}: mean ÷ peak ({peak})"


def _marks(sheet: Sheet, row: pd.Series[Any], unit: str, *, fine: bool) -> None:
    # the lines may be close together, so place their labels side by side, away from the likely path of the curve
    marks = [("mean", "mean", 0.72)]
    if fine:
        marks += [("base (5th percentile)", "base", 0.01), ("near-peak", "near_peak", 0.99)]
    for label, name, x in marks:
        sheet.layout.setdefault("shapes", []).append({
            "type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": row[name], "y1": row[name], "yref": "y",
            "line": {"dash": "dot", "width": 1, "color": sheet.page.muted},
        })  # fmt: skip
        sheet.layout.setdefault("annotations", []).append({
            "x": x, "xref": "paper", "y": row[name], "yref": "y", "text": f"{label} {_style.number(row[name], unit)}",
            "showarrow": False, "yanchor": "bottom", "xanchor": "left" if name == "base" else "right",
            "font": {"size": _style.SIZES["small"]}, "bgcolor": sheet.page.paper, "borderpad": 0,
        })  # fmt: skip


@reading_once()
def peak_days(
    df: pd.DataFrame,
    n: int = 5,
    *,
    moments: Moments = (),
    meter: Names = None,
    flow: Names = None,
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    aggregate: str | None = None,
    title: str | None = None,
    height: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the days of the highest peaks in one chart, over the hours of the day.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series with intervals of 3 hours or less; of several flows, the delivered one is drawn.
    n : int
        Number of days.
    moments : iterable of times with time zones
        Such as the four coincident peaks (4CP). Those on a drawn day are marked.
    meter, flow, start, end, aggregate, title, height, theme
        As in :func:`greenkit.plot.load`.

    Raises
    ------
    SchemaError
        If intervals are longer than 3 hours, because a day then has no shape, or if there is no single series.
    """
    df = _theme.choose(df, meter=meter, flow=flow, start=start, end=end, aggregate=aggregate)
    found, note = _theme.only(intervals.checked(df))
    intervals.check_lengths(
        found,
        _WITHIN_DAY,
        "a chart of a peak day",
        next_step="List the highest intervals with df.gk.peaks(), or draw df.gk.plot.daily().",
    )
    unit, zone = power_unit(found.keys["unit"].iloc[0]), str(found.keys["zone"].iloc[0])
    sheet = Sheet.of(f"Days of the highest peaks, {_theme.subject(found.keys)}", _theme.notes(found, note), given=title,
                     height=height, theme=theme, hovermode="x unified")  # fmt: skip
    one = found.take(found.valid & (found.hours > 0))
    top = shape.highest(one, n)
    moments = [moments] if isinstance(moments, str | datetime.datetime) else list(moments)
    marks = shape.coincident(df.iloc[np.sort(found.row)], moments) if moments else None
    for rank, date in zip(top["rank"], (top["wall"].to_numpy() // (24 * HOUR)).astype("datetime64[D]"), strict=True):
        color = _style.COLORS[(rank - 1) % len(_style.COLORS)]
        _peak_day(sheet, one, date, rank, color, unit, zone)
        if marks is not None:
            _coincident(sheet, marks, date, unit, zone)
    longest = max((float(np.nanmax(t["x"])) for t in sheet.data), default=24.0)
    sheet.axis("xaxis", f"Hours since midnight, {_style.zone_label([zone])}", range=[0, max(24.0, longest)], dtick=3,
               anchor="y",
               hoverformat=".4~g")  # fmt: skip
    sheet.axis("yaxis", unit, rangemode="tozero", anchor="x")
    return sheet.figure()


def _peak_day(sheet: Sheet, one: Intervals, date: Any, rank: int, color: str, unit: str, zone: str) -> None:
    day = one.take(one.date == date.astype(np.int64))
    since = (day.start - midnights([date], zone)[0]) / HOUR
    x, y = _with_breaks(since, day.hours, day.power)
    clock = to_times(day.start, zone).strftime("%H:%M %Z")
    text = np.interp(x, since, np.arange(len(since))).astype(int)
    sheet.add(
        "scatter", x=x, y=y, name=f"{rank}. {_style.day(date)}", mode="lines", connectgaps=False,
        text=[clock[i] for i in text],
        line={"shape": "hv", "width": 2.4 if rank == 1 else 1.4, "color": color},
        hovertemplate=f"%{{y:,.4~g}} {unit} at %{{text}}",
    )  # fmt: skip


def _with_breaks(x: Any, length: Any, y: Any) -> tuple[Any, Any]:
    """Return the corners of a step line, with the end of each run of adjacent intervals."""
    closes = np.append(x[1:] > (x + length)[:-1] + 1e-9, True)
    at = np.repeat(np.flatnonzero(closes) + 1, 2)
    ends = np.repeat((x + length)[closes], 2)
    last = np.stack([y[closes], np.full(closes.sum(), np.nan)], axis=1).reshape(-1)
    return np.insert(x, at, ends)[:-1], np.insert(y, at, last)[:-1]


def _coincident(sheet: Sheet, marks: pd.DataFrame, date: Any, unit: str, zone: str) -> None:
    local = marks["start"].dt.tz_convert(zone)
    mine = marks[(local.dt.tz_localize(None).to_numpy().astype("datetime64[D]") == date) & marks["power"].notna()]
    if len(mine):
        instants = to_instants(mine["start"])
        sheet.add(
            "scatter", x=(instants - midnights([date], zone)[0]) / HOUR, y=mine["power"], mode="markers",
            name=f"coincident peak, {_style.day(date)}",
            marker={"symbol": "diamond-open", "size": 12, "color": sheet.page.ink},
            hovertemplate=f"%{{y:,.4~g}} {unit}",
        )  # fmt: skip
