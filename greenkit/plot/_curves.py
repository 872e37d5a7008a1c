"""Charts of load shape: the average day, the load duration curve, and the days of the highest peaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from greenkit.analysis import _periods, intervals, shape
from greenkit.analysis._periods import Holidays
from greenkit.analysis.intervals import HOUR, Intervals, power_unit
from greenkit.analysis.shape import SERIES, Moments
from greenkit.plot import _theme
from greenkit.times import local_dates, midnights, to_instants, to_times

if TYPE_CHECKING:
    import plotly.graph_objects as go

_KIND_COLOR: Final = dict(zip(_periods.DAY_TYPES, (_theme.COLORS[0], _theme.COLORS[3], _theme.COLORS[1]), strict=True))
_FACETS: Final = 6
_CORNERS: Final = 2000
"""Number of points of a duration curve."""


def average_day(df: pd.DataFrame, by: str | Sequence[str] = ("day_type",), *, holidays: Holidays = None) -> go.Figure:
    """Draw the average day of each day type, with a band that contains 80% of the days.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of at most six series with intervals of an hour or less; one row of panels for each series.
    by : ("day_type",), or with "season" or "month" added
        The second grouping has a panel for each of its values.
    holidays : str, or iterable of dates, optional
        As in :func:`greenkit.analysis.shape.average_day`.
    """
    found = _theme.few(intervals.checked(df), _FACETS)
    by = (by,) if isinstance(by, str) else by
    table = shape.average_day(df, by, holidays=holidays)
    table = table.merge(shape.summarize(df)[[*SERIES, "minutes"]], on=SERIES)
    others = [n for n in by if n != "day_type"]
    facets = list(dict.fromkeys(table[others[0]])) if others else [None]
    rows = [part for _, part in table.groupby(SERIES, observed=True, sort=False)]
    series = _theme.names(_theme.series_of(table)) if len(rows) > 1 else [""]
    titles = [" · ".join(filter(None, (name, "" if f is None else str(f)))) for name in series for f in facets]
    figure = _theme.grid(
        f"Average day, {_theme.subject(found.keys)}", len(rows), len(facets), titles, height=110,
        note=_theme.notes(found, "line: mean; band: 10th to 90th percentile"),
    )  # fmt: skip
    for i, part in enumerate(rows):
        unit = power_unit(str(part["unit"].iloc[0]))
        for j, facet in enumerate(facets):
            one = part if facet is None else part[part[others[0]] == facet]
            _days(figure, one, unit, i + 1, j + 1)
        figure.update_yaxes(title_text=unit, rangemode="tozero", row=i + 1, col=1)
    figure.update_xaxes(title_text="local hour", tickvals=[0, 6, 12, 18, 24], range=[0, 24])
    return figure


def _days(figure: go.Figure, one: pd.DataFrame, unit: str, row: int, col: int) -> None:
    kinds = one["day_type"] if "day_type" in one.columns else pd.Series("day", index=one.index)
    for kind, part in one.groupby(kinds.astype("str"), sort=False):
        color, name = _KIND_COLOR.get(str(kind), _theme.COLORS[0]), str(kind)
        # extend the last slot to its end, so that a day reaches midnight
        last = part.iloc[[-1]].assign(hour=part["hour"].iloc[-1] + part["minutes"].iloc[-1] / 60)
        part = pd.concat([part, last])
        shared = {"x": part["hour"], "legendgroup": name, "mode": "lines"}
        for edge, fill in (("p10", None), ("p90", "tonexty")):
            figure.add_scatter(
                y=part[edge], line={"shape": "hv", "width": 0}, fill=fill, fillcolor=_theme.rgba(color, 0.2),
                hoverinfo="skip", showlegend=False, **shared, row=row, col=col,
            )  # fmt: skip
        figure.add_scatter(
            y=part["mean"], name=name, line={"shape": "hv", "width": 2, "color": color}, text=part["time"],
            customdata=part[["p10", "p90", "count"]], showlegend=row == 1 and col == 1,
            hovertemplate=f"{name} %{{text}}<br>%{{y:.3g}} {unit} (%{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}, "
            "%{customdata[2]} days)<extra></extra>", **shared, row=row, col=col,
        )  # fmt: skip


def duration(df: pd.DataFrame) -> go.Figure:
    """Draw the load duration curve: the share of hours in which the load reaches each level.

    For a single series, it marks the base load, the near-peak, and the mean, and states the load factor.
    """
    found = _theme.few(intervals.checked(df))
    curve = shape.duration(df)
    # a series without a value has no curve
    valued = found.keys.iloc[np.unique(found.code[found.valid])]
    units = list(dict.fromkeys(power_unit(u) for u in valued["unit"]))
    if len(units) > 1:
        raise _theme.one_unit(units)
    figure = _theme.sheet(f"Load duration, {_theme.subject(found.keys)}", note=_theme.notes(found), height=400,
                          hovermode="closest")  # fmt: skip
    names, colors = _theme.names(found.keys), _theme.colors(found.keys)
    code = pd.MultiIndex.from_frame(found.keys[SERIES])
    for key, part in curve.groupby(SERIES, observed=True, sort=False):
        place = code.get_loc(key)
        keep = np.unique(np.linspace(0, len(part) - 1, min(len(part), _CORNERS)).round().astype(int))
        percent, power = part["percent"].to_numpy()[keep], part["power"].to_numpy()[keep]
        figure.add_scatter(
            x=np.append(0.0, percent), y=np.append(power[:1], power), name=names[place], mode="lines",
            line={"shape": "vh", "width": 2, "color": colors[place]},
            hovertemplate=f"at least %{{y:.4g}} {units[0]}<br>in %{{x:.3g}}% of the hours"
            f"<extra>{names[place]}</extra>",
        )  # fmt: skip
    if len(found.keys) == 1:
        _marks(figure, shape.summarize(df).iloc[0], units[0], _theme.notes(found))
    figure.update_xaxes(title_text="share of the hours [%]", range=[0, 100])
    figure.update_yaxes(title_text=units[0], rangemode="tozero")
    return figure


def _marks(figure: go.Figure, row: pd.Series[Any], unit: str, note: str) -> None:
    # the lines may be close together, so place their labels side by side, away from the likely path of the curve
    marks = [("base (5th percentile)", "base", 0.01), ("mean", "mean", 0.72), ("near-peak", "near_peak", 0.99)]
    for label, name, x in marks:
        figure.add_hline(y=row[name], line={"dash": "dot", "width": 1, "color": _theme.INK})
        figure.add_annotation(
            x=x, xref="paper", y=row[name], text=f"{label} {row[name]:.3g} {unit}", showarrow=False, yanchor="bottom",
            xanchor="left" if name == "base" else "right", font={"size": 12},
        )  # fmt: skip
    length = f"{row['minutes']:g} min" if row["minutes"] < 120 else f"{row['minutes'] / 60:g} h"
    peak = f"{row['peak']:.4g} {unit} in {length}"
    figure.layout.title.subtitle = {
        "text": "; ".join(filter(None, (f"load factor {row['load_factor']:.3f}: mean ÷ peak ({peak})", note))),
        "font": {"size": 12, "color": _theme.INK},
    }


def peak_days(df: pd.DataFrame, n: int = 5, *, moments: Moments = ()) -> go.Figure:
    """Draw the days of the highest peaks in one chart, over the hours of the day.

    Parameters
    ----------
    df : DataFrame
        A tidy frame of one series.
    n : int
        Number of days.
    moments : iterable of times with time zones
        Such as the four coincident peaks (4CP). Those on a drawn day are marked.
    """
    found, note = _theme.only(intervals.checked(df))
    df = df.iloc[np.sort(found.row)]
    top = shape.peaks(df, n)
    unit, zone = power_unit(found.keys["unit"].iloc[0]), str(found.keys["zone"].iloc[0])
    title = f"Days of the highest peaks, {_theme.subject(found.keys)}"
    figure = _theme.sheet(title, note=_theme.notes(found, note), height=420, hovermode="closest")
    one = found.take(found.valid & (found.hours > 0))
    marks = shape.coincident(df, moments)
    for rank, start in zip(top["rank"], top["start"], strict=True):
        color = _theme.COLORS[(rank - 1) % len(_theme.COLORS)]
        date = local_dates(pd.DatetimeIndex([start]).tz_convert(zone))[0]
        _peak_day(figure, one, date, rank, color, unit, zone)
        if len(marks):
            _coincident(figure, marks, date, unit, zone)
    figure.update_xaxes(title_text="hours since local midnight", range=[0, 25], dtick=3)
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    return figure


def _peak_day(figure: go.Figure, one: Intervals, date: Any, rank: int, color: str, unit: str, zone: str) -> None:
    day = one.take(one.date == date.astype(np.int64))
    since = (day.start - midnights([date], zone)[0]) / HOUR
    x, y = _with_breaks(since, day.hours, day.power)
    clock = to_times(day.start, zone).strftime("%H:%M %Z")
    text = np.interp(x, since, np.arange(len(since))).astype(int)
    figure.add_scatter(
        x=x, y=y, name=f"{rank}. {date}", mode="lines", text=[clock[i] for i in text], connectgaps=False,
        line={"shape": "hv", "width": 2.4 if rank == 1 else 1.4, "color": color},
        hovertemplate=f"%{{text}}<br>%{{y:.4g}} {unit}<extra>%{{fullData.name}}</extra>",
    )  # fmt: skip


def _with_breaks(x: Any, length: Any, y: Any) -> tuple[Any, Any]:
    """Return the corners of a step line, with the end of each run of adjacent intervals."""
    closes = np.append(x[1:] > (x + length)[:-1] + 1e-9, True)
    at = np.repeat(np.flatnonzero(closes) + 1, 2)
    ends = np.repeat((x + length)[closes], 2)
    last = np.stack([y[closes], np.full(closes.sum(), np.nan)], axis=1).reshape(-1)
    return np.insert(x, at, ends)[:-1], np.insert(y, at, last)[:-1]


def _coincident(figure: go.Figure, marks: pd.DataFrame, date: Any, unit: str, zone: str) -> None:
    local = marks["start"].dt.tz_convert(zone)
    mine = marks[(local.dt.tz_localize(None).to_numpy().astype("datetime64[D]") == date) & marks["power"].notna()]
    if len(mine):
        instants = to_instants(mine["start"])
        figure.add_scatter(
            x=(instants - midnights([date], zone)[0]) / HOUR, y=mine["power"], mode="markers",
            name=f"coincident {date}", marker={"symbol": "diamond-open", "size": 12, "color": _theme.INK},
            hovertemplate=f"coincident peak<br>%{{y:.4g}} {unit}<extra></extra>",
        )  # fmt: skip
